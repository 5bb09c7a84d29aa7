/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/id.h"
#include "role/found.h"
#include "role/large.h"

/*
 * A put-begin: the requester has a large body, or one that it does not know the length of,
 * and shows its first 64 KiB.
 *
 *   check   limits, validation as far as the prefix goes, veto      refused: as a put
 *   looks   as of a put                                             not when certainly new
 *   there   the same digest: done; another one: conflict            likewise
 *   put     a ticket for one PUT; nothing is recorded
 *           to be read back: upload/<id> if absent -> a ticket for what pins its record
 *   parts   upload/<id> if absent -> begin the upload -> its place in object/…/<record>
 *           if absent -> upload/<id> with the upload's id -> a ticket for the first parts
 *           one that is under way: is it open still -> upload/<id> renewed, the same ticket;
 *           of another put of the same key: it is ended, and begun anew
 *           to be read back: its place is in object/…/<place>, which upload/<id> names
 *
 * The record comes before the upload, so that no upload is without one for longer than the
 * sweeper needs. Two receivers may find a record without an upload and begin one each: who
 * takes the place first has the upload, and the other one aborts its own. Where the record
 * decides how a reading back ends it must not be there before, so the place is another one.
 */

#define TICKET_MOST_MS (7 * 86400 * 1000LL) /* stores sign for no longer */

static const char *const passing_parts = "its upload is beginning or ending just now";

/* ---- the ticket ---- */

static void answer_put(struct sgh_task *task)
{
	const struct sangraha_receiver *receiver = task->service->role;
	const struct sgh_request *request = task->request;
	struct sgh_write *write = task->state;
	int64_t most = sgh_time_ms() + TICKET_MOST_MS;
	int64_t expires = request->deadline ? request->deadline
					    : sgh_time_ms() + receiver->ticket_ms;
	/* What comes later than its record is swept would stay for ever, and be no object. */
	int64_t swept = sgh_large_of(task)->upload.expires_ms - receiver->ticket_ms / 2;
	struct sgh_store_grant grant = {
		.kind = SGH_TICKET_PUT,
		.bucket = write->type.bucket,
		.key = request->object_id,
		.expires_ms = expires < most ? expires : most,
		.size = (uint64_t)request->size,
		.sha256 = request->sha256,
		/* Who is not believed may put these very bytes and no others. */
		.crc32c = receiver->verify_large ? NULL : request->crc32c,
		.content_type = sangraha_object_content_type(write->object),
		.meta = write->meta,
		.meta_count = write->meta_count,
	};

	if (sgh_large_of(task)->upload.record && grant.expires_ms > swept)
		grant.expires_ms = swept;
	sgh_large_answer(task, &grant);
}

static void answer_parts(struct sgh_task *task)
{
	SGH_FAIL_POINT("put-begin.upload-recorded");
	sgh_large_answer_parts(task, 1);
}

/* ---- parts ---- */

static void try_later(struct sgh_task *task, const char *why)
{
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0, "%.36s cannot be begun now: %s",
		 task->request->object_id, why);
	sgh_task_retry(task, &err);
}

/* The upload's id is known for good: into the record, and out to the requester. */
static void settle_upload(struct sgh_task *task, const char *upload)
{
	struct sgh_large *large = sgh_large_of(task);

	large->upload.upload = sgh_arena_strdup(&large->kept, upload);
	if (large->upload.upload)
		sgh_large_write_upload(task, false, answer_parts);
	else
		sgh_task_abandon(task);
}

/* Another run has the place: its upload is the one. */
static void place_read(struct sgh_task *task)
{
	struct sgh_record place = { .offset = -1 };
	struct sangraha_error err;

	SGH_FAIL_POINT("put-begin.place-read");
	if (task->op.status == SANGRAHA_E_NOT_FOUND) {
		try_later(task, passing_parts);
	} else if (task->op.status) {
		sgh_task_retry(task, &task->op.err);
	} else if (sgh_found_record(&task->op, &place, &err)) {
		sgh_task_retry(task, &err);
	} else if (!place.upload) {
		try_later(task, passing_parts);
	} else {
		settle_upload(task, place.upload);
	}
	sgh_record_fini(&place);
}

static void other_aborted(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_store_op *op;

	SGH_FAIL_POINT("put-begin.other-aborted");
	if (task->op.status) {
		sgh_task_retry(task, &task->op.err);
		return;
	}
	op = sgh_task_op(task, SGH_STORE_GET, "meta", large->object_key);
	op->max_length = SGH_RECORD_MAX;
	sgh_task_run_one(task, place_read);
}

static void place_taken(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_store_op *op;

	SGH_FAIL_POINT("put-begin.place-taken");
	if (!task->op.status) {
		settle_upload(task, large->upload.upload);
		return;
	}
	op = sgh_task_op(task, SGH_STORE_UPLOAD_ABORT, large->write.type.bucket,
			 task->request->object_id);
	op->upload = large->upload.upload;
	sgh_task_run_one(task, other_aborted);
}

static const char *place_of(const struct sgh_large *large)
{
	return large->upload.place ? large->upload.place : large->upload.record;
}

static void upload_begun(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_record place = {
		.record = place_of(large),
		.type = large->write.type.name,
		.created_ms = sgh_time_ms(),
		.offset = -1,
	};

	SGH_FAIL_POINT("put-begin.upload-begun");
	if (task->op.status) {
		sgh_task_retry(task, &task->op.err);
		return;
	}
	place.upload = sgh_arena_strdup(&large->kept, task->op.begun_upload);
	large->upload.upload = place.upload;
	if (place.upload)
		sgh_large_put_record(task, large->object_key, &place, true, place_taken);
	else
		sgh_task_abandon(task);
}

/* Describe the object once more: it pins the record that was found. */
static int pin(struct sgh_task *task, struct sangraha_error *err)
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_write *write = &large->write;
	struct sgh_write_parts parts = {
		.size = task->request->size > 0 ? (uint64_t)task->request->size : 0,
		.record = large->upload.record,
		.rules = sangraha_verdict_rules(write->verdict),
	};

	sangraha_object_unref(sgh_take(write->object));
	return sgh_write_describe(task, &parts, err);
}

/* One PUT of what is no object before it was read back. */
static void answer_pinned(struct sgh_task *task)
{
	struct sangraha_error err;

	if (pin(task, &err))
		sgh_write_end(task, &err);
	else
		answer_put(task);
}

static void begin_upload(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_write *write = &large->write;
	struct sangraha_error err;
	struct sgh_store_op *op;

	if (pin(task, &err)) {
		sgh_write_end(task, &err);
		return;
	}
	sgh_record_key_object(large->object_key, write->type.name,
			      task->request->object_id, place_of(large));
	op = sgh_task_op(task, SGH_STORE_UPLOAD_BEGIN, write->type.bucket,
			 task->request->object_id);
	op->content_type = sangraha_object_content_type(write->object);
	op->meta = write->meta;
	op->meta_count = write->meta_count;
	sgh_task_run_one(task, upload_begun);
}

/* ---- one that is under way ---- */

static void cleared(struct sgh_task *task)
{
	try_later(task, passing_parts);
}

static void end_seen(struct sgh_task *task)
{
	const struct sgh_large *large = sgh_large_of(task);
	bool pins = !task->op.status &&
		    sgh_streq(sgh_remains_pinned(&task->op), large->upload.record);

	SGH_FAIL_POINT("put-begin.end-seen");
	if (task->op.status && task->op.status != SANGRAHA_E_NOT_FOUND) {
		sgh_task_retry(task, &task->op.err);
		return;
	}
	if (pins) {
		/* It was completed, and is perhaps being read back. */
		try_later(task, passing_parts);
		return;
	}
	if (sgh_large_name_record(task, large->upload.record))
		sgh_large_clear(task, false, cleared);
}

/* What became of it, unless it is an object already, is taken away; then it is begun anew. */
static void end_it(struct sgh_task *task)
{
	sgh_write_head(task, end_seen);
}

/* What was aborted, by somebody who died in the middle of that, must not be renewed for ever. */
static void parts_listed(struct sgh_task *task)
{
	SGH_FAIL_POINT("put-begin.parts-listed");
	if (!task->op.status)
		sgh_large_write_upload(task, false, answer_parts);
	else if (task->op.status != SANGRAHA_E_NOT_FOUND)
		sgh_task_retry(task, &task->op.err);
	else
		end_it(task);
}

/* Whether the upload that is under way can become what this request wants. */
static bool same_upload(const struct sgh_task *task)
{
	const struct sgh_record *upload = &sgh_large_of(task)->upload;
	const struct sgh_write *write = task->state;
	const struct sgh_request *request = task->request;

	return sgh_streq(upload->type, write->type.name) &&
	       sgh_streq(upload->content_type,
			 sangraha_object_content_type(write->object)) &&
	       (!upload->size || request->size <= 0 || upload->size == request->size) &&
	       (!upload->sha256 || !request->sha256 ||
		sgh_streq(upload->sha256, request->sha256));
}

/*
 * It became the object that was seen, and who should take the rest away may not come to
 * that: whoever joined it would be told for ever that its bytes are not the ones.
 */
static void clear_rest(struct sgh_task *task)
{
	if (sgh_large_name_record(task, sgh_large_of(task)->upload.record))
		sgh_large_clear(task, true, cleared);
}

/* A ticket for one PUT, or the beginning of an upload, cannot be called back for so long. */
#define BEGINS_MS 30000

/*
 * Whether it was begun for another put of the same key, and not known to be of the same bytes.
 * That one's put-commit may come at any time, and with one record for both each would describe
 * the other's. Nobody may be at it any more, so who comes after it ends it.
 */
static bool is_another_put(const struct sgh_task *task)
{
	const struct sgh_record *upload = &sgh_large_of(task)->upload;
	const struct sgh_request *request = task->request;
	bool same_bytes = upload->sha256 && sgh_streq(upload->sha256, request->sha256);

	return !same_bytes && upload->requested_ms && request->created_ms &&
	       upload->requested_ms != request->created_ms;
}

/* What was made after this put is not ended for it: this may be an old copy. */
static bool may_end(const struct sgh_task *task)
{
	const struct sgh_record *upload = &sgh_large_of(task)->upload;

	return upload->requested_ms < task->request->created_ms &&
	       (upload->upload || sgh_time_ms() - upload->created_ms > BEGINS_MS);
}

/* Whether the upload that was found is that of the object that was seen before. */
static bool is_over(const struct sgh_task *task)
{
	const struct sgh_write *write = task->state;
	const struct sangraha_object *there = write->there.object;

	return there && there->record &&
	       sgh_streq(there->record, sgh_large_of(task)->upload.record);
}

static void upload_found(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);
	const struct sgh_record *upload = &large->upload;

	SGH_FAIL_POINT("put-begin.record-read");
	if (task->op.status || sgh_record_is_placeholder(upload))
		/* It was there a moment ago, or will not be there for long. */
		try_later(task, passing_parts);
	else if (is_over(task))
		clear_rest(task);
	else if (!upload->record || !sangraha_id_valid(upload->record) ||
		 (upload->place && !sangraha_id_valid(upload->place)) ||
		 !same_upload(task))
		sgh_write_fail(task, SANGRAHA_E_CONFLICT,
			       "another object is being uploaded under this id");
	else if (is_another_put(task) && !may_end(task))
		try_later(task, "another put of its key is under way");
	else if (is_another_put(task))
		end_it(task);
	else if (task->request->transfer == SGH_TICKET_PUT)
		sgh_large_write_upload(task, false, answer_pinned);
	else if (upload->upload)
		sgh_large_list_parts(task, 0, 1, parts_listed);
	else
		begin_upload(task);
}

static void recorded(struct sgh_task *task)
{
	SGH_FAIL_POINT("put-begin.recorded");
	if (task->op.status)
		sgh_large_read_upload(task, upload_found);
	else if (task->request->transfer == SGH_TICKET_PUT)
		answer_pinned(task);
	else
		begin_upload(task);
}

static void record_upload(struct sgh_task *task)
{
	const struct sangraha_receiver *receiver = task->service->role;
	const struct sgh_request *request = task->request;
	struct sgh_large *large = sgh_large_of(task);

	large->upload.record = large->record_id;
	large->upload.operation_id = request->operation_id;
	large->upload.type = large->write.type.name;
	large->upload.content_type = sangraha_object_content_type(large->write.object);
	large->upload.content_type =
		sgh_arena_strdup(&large->kept, large->upload.content_type);
	large->upload.sha256 = request->sha256;
	large->upload.size = request->size > 0 ? request->size : 0;
	large->upload.created_ms = sgh_time_ms();
	large->upload.requested_ms = request->created_ms;
	/* Of one PUT for who uploads in parts under the same key and at the same time. */
	if (receiver->verify_large || receiver->veto) {
		sgh_id_random(large->place_id);
		large->upload.place = large->place_id;
	}
	if (large->upload.content_type)
		sgh_large_write_upload(task, true, recorded);
	else
		sgh_task_abandon(task);
}

/* ---- what is there already ---- */

static void give_ticket(struct sgh_task *task)
{
	const struct sangraha_receiver *receiver = task->service->role;

	if (task->request->transfer == SGH_TICKET_PUT && !receiver->verify_large)
		answer_put(task);
	else
		record_upload(task);
}

/* An earlier run of this very request, whose digest is not known yet, was committed. */
static bool same_request(const struct sgh_request *request,
			 const struct sangraha_object *there)
{
	return !request->sha256 && request->created_ms &&
	       request->created_ms == there->created_ms;
}

static void compared(struct sgh_task *task)
{
	struct sgh_write *write = task->state;
	const struct sgh_request *request = task->request;
	struct sgh_found *there = &write->there;

	SGH_FAIL_POINT("put-begin.compared");
	if (there->status == SANGRAHA_E_NOT_FOUND)
		sgh_write_stray(task, give_ticket);
	else if (there->status && there->status != SANGRAHA_E_INTERNAL)
		sgh_task_retry(task, &there->err);
	else if (!there->status && (sgh_streq(there->object->sha256, request->sha256) ||
				    same_request(request, there->object)))
		sgh_write_stored(task, there->object, true);
	else if (there->status || request->sha256)
		sgh_write_fail(task, SANGRAHA_E_CONFLICT,
			       "another object is stored under this id");
	else
		/* Its end will tell. */
		give_ticket(task);
}

static void seen(struct sgh_task *task)
{
	sgh_write_found(task, compared);
}

static void look_at_object(struct sgh_task *task)
{
	sgh_write_head(task, seen);
}

/* ---- check ---- */

static int check(const struct sgh_task *task, struct sangraha_error *err)
{
	const struct sangraha_receiver *receiver = task->service->role;
	const struct sgh_request *request = task->request;

	if (!receiver->large_writes)
		return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0,
				"an object has at most %zu bytes here, which come in one "
				"message",
				task->service->inline_limit);
	if (request->transfer == SGH_TICKET_PUT && (uint64_t)request->size > SGH_PART_MAX)
		return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0,
				"by one PUT at most %llu bytes are transferred",
				(unsigned long long)SGH_PART_MAX);
	return sgh_write_check_size(task, request->size, err);
}

/* As far as the first bytes tell: the type, and whether they can be of it. */
static int validate(struct sgh_task *task, struct sangraha_error *err)
{
	const struct sgh_request *request = task->request;
	struct sgh_write *write = task->state;
	struct sangraha_validator *validator = NULL;
	struct sangraha_validate_options options = {
		.size = sizeof(options),
		.declared = request->content_type,
		.asserted = request->object_type,
		/* Of one that is not known there is more than this. */
		.length =
			request->size < 0 ? SGH_PREFIX_SIZE + 1 : (uint64_t)request->size,
	};
	size_t length;
	const void *data = sgh_write_body(task, &length);
	int status =
		sangraha_validator_new(task->service->types, &options, &validator, err);

	if (status)
		return status;
	status = sangraha_validator_feed(validator, data, length, err);
	if (!status && options.length == length)
		status = sangraha_validator_finish(validator, err);
	write->verdict = sgh_verdict_copy(sangraha_validator_verdict(validator));
	sangraha_validator_free(validator);
	return write->verdict ? status : sgh_fail_memory(err);
}

/* The object as it would be stored, as far as it is known. */
static int describe(struct sgh_task *task, struct sangraha_error *err)
{
	struct sgh_large *large = sgh_large_of(task);
	const struct sgh_request *request = task->request;
	bool whole = request->transfer == SGH_TICKET_PUT;
	struct sgh_write_parts parts = {
		.size = request->size > 0 ? (uint64_t)request->size : 0,
		.sha256 = whole ? request->sha256 : NULL,
		.record = whole ? NULL : large->record_id,
		.facts = whole ? request->facts : NULL,
		.rules = whole ? request->rules
			       : sangraha_verdict_rules(large->write.verdict),
	};

	sgh_id_random(large->record_id);
	return sgh_write_describe(task, &parts, err);
}

void sgh_large_begin(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_new(task);
	struct sangraha_error err = { 0 };
	int status;

	if (!large)
		return;
	status = check(task, &err);
	if (!status)
		status = validate(task, &err);
	if (!status)
		status = sgh_write_find_type(task, &err);
	if (!status)
		status = sgh_write_check_size(task, task->request->size, &err);
	if (!status)
		status = describe(task, &err);
	if (!status)
		status = sgh_write_veto(task, &err);
	SGH_FAIL_POINT("put-begin.checked");
	large->write.sure = !sgh_write_certainly_new(task);
	if (status)
		sgh_write_end(task, &err);
	else if (large->write.sure)
		sgh_write_look(task, look_at_object);
	else
		give_ticket(task);
}
