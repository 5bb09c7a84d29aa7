/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/found.h"
#include "role/receiver.h"
#include "role/write.h"
#include "wire/sha256.h"

/*
 * The record operation/<id>: the claim of a key's first write, or the failure that the
 * operation ended with.
 */

enum standing {
	VOID, /* it is over, or soon, or the failure of the same bytes: in nobody's way */
	OURS, /* the claim of the same bytes */
	THEIRS, /* of other bytes, or of another type */
};

/*
 * How long a claim stands: longer than any request that made it. It is for writes that
 * cannot see each other; what is stored is told apart by its digest, for ever.
 */
static int64_t claim_ms(const struct sgh_task *task)
{
	const struct sangraha_receiver *receiver = task->service->role;

	return receiver->tombstone_ms;
}

/* What the requester meant to send, where that is known; or NULL. */
static const char *digest_of(const struct sgh_task *task)
{
	const struct sgh_write *write = task->state;

	if (task->request->sha256)
		return task->request->sha256;
	return write->sha256[0] ? write->sha256 : NULL;
}

/* Of a body that is still to come, and may be the same: the end of it will tell. */
static bool digest_comes(const struct sgh_task *task)
{
	const struct sgh_write *write = task->state;

	return write->begins && !digest_of(task);
}

/* How a record that was read stands to this write. */
static int judge(const struct sgh_task *task, enum standing *ret,
		 struct sangraha_error *err)
{
	const struct sgh_write *write = task->state;
	const char *type = write->type.name;
	struct sgh_record record = { .offset = -1 };
	int status = sgh_found_record(&task->op, &record, err);

	if (status)
		return status;
	if (record.expires_ms && record.expires_ms <= sgh_time_ms())
		*ret = VOID;
	else if (record.sha256 && !sgh_streq(record.sha256, digest_of(task)) &&
		 !digest_comes(task))
		*ret = THEIRS;
	else if (record.code)
		*ret = VOID;
	else if (record.type && type && !sgh_streq(record.type, type))
		*ret = THEIRS;
	else if (record.expires_ms &&
		 record.expires_ms - sgh_time_ms() < claim_ms(task) / 2)
		*ret = VOID;
	else
		*ret = OURS;
	sgh_record_fini(&record);
	return 0;
}

static int make(struct sgh_task *task, struct sgh_record *record,
		struct sangraha_error *err)
{
	struct sgh_write *write = task->state;

	record->operation_id = task->request->operation_id;
	record->type = write->type.name;
	record->sha256 = digest_of(task);
	record->created_ms = sgh_time_ms();
	sgh_record_key_operation(write->record_key, task->request->object_id);
	sgh_bytes_unref(sgh_take(write->record));
	return sgh_record_write(record, &write->record, err);
}

static void put(struct sgh_task *task, bool if_none_match,
		void (*then)(struct sgh_task *task))
{
	struct sgh_write *write = task->state;
	struct sgh_store_op *op =
		sgh_task_op(task, SGH_STORE_PUT, "meta", write->record_key);

	op->body = write->record;
	op->content_type = "application/json";
	op->if_none_match = if_none_match;
	sgh_task_run_one(task, then);
}

static void get(struct sgh_task *task, void (*then)(struct sgh_task *task))
{
	struct sgh_write *write = task->state;
	struct sgh_store_op *op =
		sgh_task_op(task, SGH_STORE_GET, "meta", write->record_key);

	op->max_length = SGH_RECORD_MAX;
	sgh_task_run_one(task, then);
}

/* ---- the claim ---- */

static void claimed(struct sgh_task *task);

static void other_compared(struct sgh_task *task)
{
	struct sgh_write *write = task->state;
	const struct sgh_found *there = &write->there;
	const char *digest = digest_of(task);

	if (!there->status && digest && sgh_streq(there->object->sha256, digest))
		sgh_write_stored(task, there->object, true);
	else if (sgh_status_passing(there->status))
		sgh_task_retry(task, &there->err);
	else
		sgh_write_fail(task, SANGRAHA_E_CONFLICT,
			       "the idempotency key was used for another object");
}

static void other_seen(struct sgh_task *task)
{
	SGH_FAIL_POINT("write.claim-compared");
	sgh_write_found(task, other_compared);
}

/*
 * Somebody claims the id for something else, in vain if this very object is there: its own
 * claim ended long ago, and a claim is all that the other one has.
 */
static void look_at_object(struct sgh_task *task)
{
	sgh_write_head(task, other_seen);
}

static void claim_read(struct sgh_task *task)
{
	struct sgh_write *write = task->state;
	enum standing standing;
	struct sangraha_error err;

	SGH_FAIL_POINT("write.claim-read");
	if (task->op.status)
		sgh_task_retry(task, &task->op.err);
	else if (judge(task, &standing, &err))
		sgh_task_retry(task, &err);
	else if (standing == THEIRS)
		look_at_object(task);
	else if (standing == OURS)
		write->clear(task);
	else
		put(task, false, claimed);
}

static void claimed(struct sgh_task *task)
{
	struct sgh_write *write = task->state;

	SGH_FAIL_POINT("write.claimed");
	if (task->op.status == SANGRAHA_E_PRECONDITION)
		get(task, claim_read);
	else if (task->op.status)
		sgh_task_retry(task, &task->op.err);
	else
		write->clear(task);
}

void sgh_write_claim(struct sgh_task *task)
{
	struct sgh_record record = {
		.offset = -1,
		.expires_ms = sgh_time_ms() + claim_ms(task),
	};
	struct sangraha_error err;

	if (make(task, &record, &err))
		sgh_task_retry(task, &err);
	else
		put(task, true, claimed);
}

/* ---- the failure ---- */

/*
 * The record of a failure could not be written. For who waits it is a convenience; for
 * who does not it is the only answer.
 */
static void not_recorded(struct sgh_task *task, const struct sangraha_error *err)
{
	struct sgh_write *write = task->state;

	if (task->request->reply_to || write->buried)
		sgh_task_finish(task);
	else
		sgh_task_retry(task, err);
}

static void replaced(struct sgh_task *task)
{
	SGH_FAIL_POINT("write.failure-recorded");
	if (task->op.status)
		not_recorded(task, &task->op.err);
	else
		sgh_task_finish(task);
}

/* What others said of the id stands; our own claim has come to its end. */
static void failure_read(struct sgh_task *task)
{
	enum standing standing;
	struct sangraha_error err;

	SGH_FAIL_POINT("write.failure-read");
	if (task->op.status)
		not_recorded(task, &task->op.err);
	else if (judge(task, &standing, &err))
		not_recorded(task, &err);
	else if (standing == THEIRS)
		sgh_task_finish(task);
	else
		put(task, false, replaced);
}

static void recorded(struct sgh_task *task)
{
	if (task->op.status == SANGRAHA_E_PRECONDITION)
		get(task, failure_read);
	else
		replaced(task);
}

/* Whoever does not wait for the reply asks for the operation. */
void sgh_write_record_failure(struct sgh_task *task, int status)
{
	const struct sgh_reply *reply = task->reply;
	struct sgh_record record = {
		.code = sangraha_status_name(status),
		.message = reply->message,
		.declared = reply->declared,
		.detected = reply->detected,
		.rule = reply->rule,
		.offset = reply->offset,
		.expires_ms = sgh_time_ms() + SGH_FAILURE_KEPT_MS,
	};
	struct sangraha_error err;

	if (make(task, &record, &err))
		not_recorded(task, &err);
	else
		put(task, true, recorded);
}

/* ---- buried ---- */

/* One that was not even begun has no state; an earlier try may have left its claim. */
static struct sgh_write *state_of_buried(struct sgh_task *task)
{
	const struct sgh_request *request = task->request;
	struct sgh_write *write = task->state;
	size_t length;
	const void *data;

	if (!write) {
		write = calloc(1, sizeof(*write));
		task->state = write;
		task->state_free = write ? sgh_write_free : NULL;
	}
	if (!write)
		return NULL;
	write->buried = true;
	write->begins = request->verb != SGH_PUT;
	data = sgh_write_body(task, &length);
	if (!write->begins && !write->sha256[0] && !task->delivery->oversize &&
	    sgh_sha256_hex(data, length, write->sha256, NULL))
		write->sha256[0] = '\0';
	return write;
}

void sgh_write_buried(struct sgh_task *task)
{
	int status = task->reply ? task->reply->status : 0;

	/* It will not pass any more: a record that said so would be asked again. */
	if (sgh_status_passing(status))
		status = SANGRAHA_E_INTERNAL;
	if (status && state_of_buried(task))
		sgh_write_record_failure(task, status);
	else
		sgh_task_finish(task);
}
