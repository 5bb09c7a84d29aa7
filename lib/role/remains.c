/* SPDX-License-Identifier: MIT */
#include "role/remains.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/found.h"
#include "role/task.h"

#define FIND_MAX 1000 /* uploads that an answer of the store holds */
/*
 * Who stood still since it asked for the object may remove another one: somebody went on
 * meanwhile, and was told that it is stored. Who has to wait so long each time does not
 * stand still; it is the store that is slow.
 */
#define SEEN_MS  1000
#define SEES_MAX 3

void sgh_remains_fini(struct sgh_remains *remains)
{
	sgh_store_op_fini(&remains->op);
	sgh_store_op_fini(&remains->find);
	sgh_bytes_unref(sgh_take(remains->body));
}

const char *sgh_remains_pinned(const struct sgh_store_op *op)
{
	for (size_t i = 0; i < op->head.meta_count; i++)
		if (sgh_streq(op->head.meta[i].name, "sangraha-record"))
			return op->head.meta[i].value;
	return NULL;
}

static void end(struct sgh_remains *remains, int status, const struct sangraha_error *err)
{
	remains->status = status;
	if (status)
		sgh_fail_with(&remains->err, status, err);
	remains->done(remains);
}

static void op_done(struct sgh_store_op *op)
{
	struct sgh_remains *remains = op->arg;

	remains->then(remains);
}

static void submit(struct sgh_remains *remains, struct sgh_store_op *op,
		   void (*then)(struct sgh_remains *remains))
{
	struct sangraha_error err;
	int status;

	remains->then = then;
	status = sgh_errand_submit(&remains->errand, op, op_done, remains, &err);
	if (status)
		end(remains, status, &err);
}

static struct sgh_store_op *prepare(struct sgh_store_op *op, enum sgh_store_verb verb,
				    const char *bucket, const char *key)
{
	sgh_store_op_fini(op);
	*op = (struct sgh_store_op){ .verb = verb, .bucket = bucket, .key = key };
	return op;
}

/* ---- the records ---- */

static void upload_removed(struct sgh_remains *remains)
{
	SGH_FAIL_POINT("remains.upload-removed");
	end(remains, remains->op.status, &remains->op.err);
}

static void remove_upload(struct sgh_remains *remains)
{
	prepare(&remains->op, SGH_STORE_DELETE, "meta", remains->upload_key);
	submit(remains, &remains->op, upload_removed);
}

static void place_removed(struct sgh_remains *remains)
{
	SGH_FAIL_POINT("remains.place-removed");
	if (remains->op.status)
		end(remains, remains->op.status, &remains->op.err);
	else
		remove_upload(remains);
}

static void remove_place(struct sgh_remains *remains)
{
	if (!remains->place) {
		remove_upload(remains);
		return;
	}
	prepare(&remains->op, SGH_STORE_DELETE, "meta", remains->place_key);
	submit(remains, &remains->op, place_removed);
}

static void claim_removed(struct sgh_remains *remains)
{
	SGH_FAIL_POINT("remains.claim-removed");
	if (remains->op.status)
		end(remains, remains->op.status, &remains->op.err);
	else
		remove_place(remains);
}

/* The record of a failure is there for who asks; what we cannot explain stays, too. */
static bool is_claim(const struct sgh_remains *remains)
{
	const struct sgh_store_op *op = &remains->op;
	struct sgh_record record = { .offset = -1 };
	bool claim;

	if (sgh_found_record(op, &record, NULL))
		return false;
	claim = sgh_record_is_claim(&record, remains->id);
	sgh_record_fini(&record);
	return claim;
}

static void claim_read(struct sgh_remains *remains)
{
	struct sgh_store_op *op = &remains->op;

	SGH_FAIL_POINT("remains.claim-read");
	if (op->status && op->status != SANGRAHA_E_NOT_FOUND) {
		end(remains, op->status, &op->err);
	} else if (op->status || !is_claim(remains)) {
		remove_place(remains);
	} else {
		prepare(op, SGH_STORE_DELETE, "meta", remains->claim_key);
		submit(remains, op, claim_removed);
	}
}

static void record_removed(struct sgh_remains *remains)
{
	struct sgh_store_op *op = &remains->op;

	SGH_FAIL_POINT("remains.record-removed");
	if (op->status) {
		end(remains, op->status, &op->err);
	} else if (!remains->free) {
		remove_place(remains);
	} else {
		prepare(op, SGH_STORE_GET, "meta", remains->claim_key);
		op->max_length = SGH_RECORD_MAX;
		submit(remains, op, claim_read);
	}
}

static void remove_record(struct sgh_remains *remains)
{
	prepare(&remains->op, SGH_STORE_DELETE, "meta", remains->object_key);
	submit(remains, &remains->op, record_removed);
}

/* ---- the object ---- */

static void object_removed(struct sgh_remains *remains)
{
	SGH_FAIL_POINT("remains.object-removed");
	remains->free = !remains->op.status;
	if (remains->op.status)
		end(remains, remains->op.status, &remains->op.err);
	else
		remove_record(remains);
}

static void see_object(struct sgh_remains *remains);

static void object_seen(struct sgh_remains *remains)
{
	struct sgh_store_op *op = &remains->op;
	bool pins = !op->status && sgh_streq(sgh_remains_pinned(op), remains->record);

	SGH_FAIL_POINT("remains.object-seen");
	if (op->status && op->status != SANGRAHA_E_NOT_FOUND) {
		end(remains, op->status, &op->err);
	} else if (!pins) {
		remains->kept = false;
		remains->free = op->status;
		remove_record(remains);
	} else if (remains->kept) {
		remove_place(remains);
	} else if (sgh_now_ms() - remains->asked_ms > SEEN_MS &&
		   remains->sees < SEES_MAX) {
		see_object(remains);
	} else {
		prepare(op, SGH_STORE_DELETE, remains->bucket, remains->id);
		submit(remains, op, object_removed);
	}
}

static void see_object(struct sgh_remains *remains)
{
	remains->asked_ms = sgh_now_ms();
	remains->sees++;
	prepare(&remains->op, SGH_STORE_HEAD, remains->bucket, remains->id);
	submit(remains, &remains->op, object_seen);
}

/* ---- what its record says, once and for all ---- */

static void look_at_record(struct sgh_remains *remains);

static void ended(struct sgh_remains *remains)
{
	struct sgh_store_op *op = &remains->op;

	SGH_FAIL_POINT("remains.ended");
	if (op->status == SANGRAHA_E_PRECONDITION)
		look_at_record(remains);
	else if (op->status)
		end(remains, op->status, &op->err);
	else
		see_object(remains);
}

/* Who reads back writes the same key on the same condition, so one of the two is told. */
static void end_it(struct sgh_remains *remains)
{
	struct sgh_store_op *op = &remains->op;
	struct sgh_record record = {
		.record = remains->record,
		.type = remains->type,
		.created_ms = sgh_time_ms(),
		.offset = -1,
	};
	struct sangraha_error err;
	int status = sgh_record_write(&record, &remains->body, &err);

	if (status) {
		end(remains, status, &err);
		return;
	}
	remains->tried = true;
	prepare(op, SGH_STORE_PUT, "meta", remains->object_key);
	op->body = remains->body;
	op->content_type = "application/json";
	op->if_none_match = true;
	op->frees = true;
	submit(remains, op, ended);
}

/* Whether the record that was read makes an object of what pins it. */
static int read_record(struct sgh_remains *remains, bool *ret_complete)
{
	struct sgh_record record = { .offset = -1 };
	int status = remains->op.status;

	*ret_complete = false;
	if (!status)
		status = sgh_found_record(&remains->op, &record, &remains->op.err);
	*ret_complete = !status && record.sha256;
	sgh_record_fini(&record);
	return status;
}

static void record_read(struct sgh_remains *remains)
{
	int status = read_record(remains, &remains->kept);

	SGH_FAIL_POINT("remains.record-read");
	if (!status) {
		see_object(remains);
	} else if (status != SANGRAHA_E_NOT_FOUND) {
		end(remains, status, &remains->op.err);
	} else if (!remains->tried) {
		end_it(remains);
	} else {
		sgh_fail(&remains->op.err, SANGRAHA_E_UNAVAILABLE, 0,
			 "others are taking away the upload of %.36s", remains->id);
		end(remains, SANGRAHA_E_UNAVAILABLE, &remains->op.err);
	}
}

static void look_at_record(struct sgh_remains *remains)
{
	prepare(&remains->op, SGH_STORE_GET, "meta", remains->object_key);
	remains->op.max_length = SGH_RECORD_MAX;
	submit(remains, &remains->op, record_read);
}

/* ---- open uploads ---- */

static void abort_next(struct sgh_remains *remains)
{
	struct sgh_store_op *op = &remains->op;

	if (remains->next)
		SGH_FAIL_POINT("remains.other-aborted");
	if (op->status) {
		end(remains, op->status, &op->err);
	} else if (remains->next < remains->find.upload_count) {
		prepare(op, SGH_STORE_UPLOAD_ABORT, remains->bucket, remains->id);
		op->upload = remains->find.uploads[remains->next++];
		submit(remains, op, abort_next);
	} else if (remains->next >= FIND_MAX) {
		sgh_fail(&op->err, SANGRAHA_E_UNAVAILABLE, 0,
			 "more uploads of one key are open than are found at once");
		end(remains, SANGRAHA_E_UNAVAILABLE, &op->err);
	} else if (remains->complete) {
		remains->kept = true;
		remove_place(remains);
	} else {
		look_at_record(remains);
	}
}

static void uploads_found(struct sgh_remains *remains)
{
	SGH_FAIL_POINT("remains.uploads-found");
	if (remains->find.status == SANGRAHA_E_NOT_FOUND)
		remains->find.upload_count = 0;
	else if (remains->find.status) {
		end(remains, remains->find.status, &remains->find.err);
		return;
	}
	remains->next = 0;
	abort_next(remains);
}

static void find(struct sgh_remains *remains)
{
	prepare(&remains->find, SGH_STORE_UPLOAD_FIND, remains->bucket, remains->id);
	submit(remains, &remains->find, uploads_found);
}

static void upload_aborted(struct sgh_remains *remains)
{
	SGH_FAIL_POINT("remains.upload-aborted");
	if (remains->op.status && remains->op.status != SANGRAHA_E_NOT_FOUND)
		end(remains, remains->op.status, &remains->op.err);
	else
		find(remains);
}

void sgh_remains_clear(struct sgh_remains *remains)
{
	sgh_remains_fini(remains);
	remains->op = (struct sgh_store_op){ 0 };
	remains->kept = false;
	remains->free = false;
	remains->tried = false;
	remains->sees = 0;
	if (!remains->place || !sangraha_id_valid(remains->place))
		remains->place = NULL;
	else
		sgh_record_key_object(remains->place_key, remains->type, remains->id,
				      remains->place);
	sgh_record_key_object(remains->object_key, remains->type, remains->id,
			      remains->record);
	sgh_record_key_upload(remains->upload_key, remains->id);
	sgh_record_key_operation(remains->claim_key, remains->id);
	if (remains->upload && !remains->complete) {
		prepare(&remains->op, SGH_STORE_UPLOAD_ABORT, remains->bucket,
			remains->id);
		remains->op.upload = remains->upload;
		submit(remains, &remains->op, upload_aborted);
	} else {
		find(remains);
	}
}
