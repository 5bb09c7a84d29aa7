/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "role/receiver.h"
#include "role/task.h"
#include "validate/types.h"
#include "wire/record.h"
#include "wire/sha256.h"

/*
 * A put, up to inline-limit:
 *
 *   check   digest, size, validation, veto            refused: record, event, reply
 *           without anybody who waits, every failure that does not pass is recorded
 *   fast    PUT                                        only what nobody has seen before
 *   sure    tombstones and the id under other types -> claim -> PUT if absent
 *           -> 412: HEAD and compare
 *   after   tombstone again                            found: remove, "gone"
 *   finish  event, reply, acknowledgement
 *
 * Any failure that may pass, and any doubt, ends in a retry, which takes the sure way.
 */

/* A fast write that took longer than this may have crossed a delete. */
#define QUICK_MS       1000
#define RECORD_MAX     4096
#define FAILED_KEPT_MS (24 * 3600 * 1000LL)

struct put {
	struct sgh_type_info type;
	char sha256[SANGRAHA_SHA256_SIZE];
	struct sangraha_object *object;
	struct sangraha_verdict *verdict;
	struct sgh_arena arena;
	struct sgh_pair meta[SGH_STORE_META_MAX];
	size_t meta_count;
	char record_key[SGH_RECORD_KEY_SIZE];
	struct sgh_bytes *record;
	bool buried; /* it is in the dead-letter queue: nothing is tried again */
	bool sure;
	/* what is looked up first: tombstones, and objects under other types */
	struct sgh_store_op *looks;
	char (*look_keys)[SGH_RECORD_KEY_SIZE];
	size_t look_count;
	size_t tombstone_count; /* the first of the looks */
};

static void put_free(void *state)
{
	struct put *put = state;

	for (size_t i = 0; i < put->look_count; i++)
		sgh_store_op_fini(&put->looks[i]);
	free(put->looks);
	free(put->look_keys);
	sangraha_object_unref(put->object);
	sangraha_verdict_free(put->verdict);
	sgh_bytes_unref(put->record);
	sgh_arena_fini(&put->arena);
	free(put);
}

static const void *body_data(const struct sgh_task *task, size_t *ret_length)
{
	const struct sgh_bytes *body = task->request->body;

	*ret_length = body ? body->length : 0;
	return body ? body->data : (const unsigned char *)"";
}

/* What the requester meant to send, where that is known; or NULL. */
static const char *digest_of(const struct sgh_task *task)
{
	const struct put *put = task->state;

	if (task->request->sha256)
		return task->request->sha256;
	return put->sha256[0] ? put->sha256 : NULL;
}

static void fail(struct sgh_task *task, int status, const char *message);

/* ---- finish ---- */

/*
 * Whether an object that was found is of an earlier request. The time is set once for
 * each, so that our own success, found again after a lost answer, is no repeat.
 */
static bool is_replay(const struct sgh_task *task, const struct sangraha_object *there)
{
	const struct sgh_request *request = task->request;

	if (request->created_ms)
		return there->created_ms != request->created_ms;
	return !task->delivery->redelivered && !request->attempt && !request->resend;
}

static void stored(struct sgh_task *task, struct sangraha_object *object, bool found)
{
	struct sgh_reply *reply = sgh_task_reply(task);
	struct sangraha_error err;

	if (!reply) {
		sgh_task_abandon(task);
		return;
	}
	reply->object = sangraha_object_ref(object);
	reply->replayed = found && is_replay(task, object);
	if (sgh_event_message("created", task->request, object, reply, &task->event,
			      &err))
		sgh_task_abandon(task);
	else
		sgh_task_finish(task);
}

/* ---- after: has it been deleted meanwhile? ---- */

static void removed(struct sgh_task *task)
{
	if (task->op.status)
		sgh_task_retry(task, &task->op.err);
	else
		fail(task, SANGRAHA_E_GONE,
		     "the id was deleted and cannot be written again");
}

/* The id was deleted: nothing may stand under it, whoever wrote it. */
static void take_back(struct sgh_task *task)
{
	struct put *put = task->state;

	sgh_task_op(task, SGH_STORE_DELETE, put->type.bucket, task->request->object_id);
	sgh_task_run_one(task, removed);
}

static void looked_after(struct sgh_task *task)
{
	struct put *put = task->state;

	if (task->op.status == SANGRAHA_E_NOT_FOUND) {
		stored(task, put->object, false);
	} else if (task->op.status) {
		sgh_task_retry(task, &task->op.err);
	} else {
		take_back(task);
	}
}

static void look_after(struct sgh_task *task)
{
	struct put *put = task->state;

	sgh_record_key_deleted(put->record_key, put->type.name, task->request->object_id);
	sgh_task_op(task, SGH_STORE_HEAD, "meta", put->record_key);
	sgh_task_run_one(task, looked_after);
}

/* ---- the write ---- */

static void compared(struct sgh_task *task)
{
	struct put *put = task->state;
	struct sangraha_object *there = NULL;
	struct sangraha_error err;
	int status;

	if (task->op.status == SANGRAHA_E_NOT_FOUND) {
		/* It was there a moment ago: a delete is under way. */
		sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0, "the object is being deleted");
		sgh_task_retry(task, &err);
		return;
	}
	if (task->op.status) {
		sgh_task_retry(task, &task->op.err);
		return;
	}
	status = sgh_object_from_meta(put->type.name, task->request->object_id,
				      task->op.head.content_type, task->op.head.size,
				      task->op.head.meta, task->op.head.meta_count,
				      &there, &err);
	if (status == SANGRAHA_E_OVERLOADED) {
		sgh_task_retry(task, &err);
	} else if (status || !sgh_streq(there->sha256, put->sha256)) {
		fail(task, SANGRAHA_E_CONFLICT, "another object is stored under this id");
	} else {
		sangraha_object_unref(put->object);
		put->object = sangraha_object_ref(there);
		stored(task, put->object, true);
	}
	sangraha_object_unref(there);
}

static void written(struct sgh_task *task)
{
	struct put *put = task->state;
	const struct sgh_request *request = task->request;
	bool quick = request->published &&
		     sgh_time_ms() - request->published <= QUICK_MS &&
		     sgh_time_ms() >= request->published;

	if (task->op.status == SANGRAHA_E_PRECONDITION) {
		sgh_task_op(task, SGH_STORE_HEAD, put->type.bucket, request->object_id);
		sgh_task_run_one(task, compared);
	} else if (task->op.status) {
		sgh_task_retry(task, &task->op.err);
	} else if (put->sure || !quick) {
		look_after(task);
	} else {
		stored(task, put->object, false);
	}
}

static void write_object(struct sgh_task *task)
{
	struct put *put = task->state;
	struct sgh_store_op *op = sgh_task_op(task, SGH_STORE_PUT, put->type.bucket,
					      task->request->object_id);

	op->body = task->request->body;
	op->content_type = sangraha_object_content_type(put->object);
	op->meta = put->meta;
	op->meta_count = put->meta_count;
	op->sha256 = put->sha256;
	op->if_none_match = put->sure;
	sgh_task_run_one(task, written);
}

/* ---- the record of the id: the claim of a key's first write, or a failure ---- */

enum standing {
	VOID,   /* it is over, or the failure of the same bytes: in nobody's way */
	OURS,   /* the claim of the same bytes */
	THEIRS, /* of other bytes, or of another type */
};

/* How a record that was read stands to this put. */
static int judge_record(const struct sgh_task *task, enum standing *ret,
			struct sangraha_error *err)
{
	const struct put *put = task->state;
	const struct sgh_bytes *data = task->op.data;
	const char *type = put->type.name;
	struct sgh_record record = { .offset = -1 };
	int status = sgh_record_parse(data ? data->data : NULL, data ? data->length : 0,
				      &record, err);

	if (status)
		return status;
	if (record.expires_ms && record.expires_ms <= sgh_time_ms())
		*ret = VOID;
	else if (record.sha256 && !sgh_streq(record.sha256, digest_of(task)))
		*ret = THEIRS;
	else if (record.code)
		*ret = VOID;
	else if (record.type && type && !sgh_streq(record.type, type))
		*ret = THEIRS;
	else
		*ret = OURS;
	sgh_record_fini(&record);
	return 0;
}

/* Make the record `operation/<id>`. */
static int make_record(struct sgh_task *task, struct sgh_record *record,
		       struct sangraha_error *err)
{
	struct put *put = task->state;

	record->operation_id = task->request->operation_id;
	record->type = put->type.name;
	record->sha256 = digest_of(task);
	record->created_ms = sgh_time_ms();
	sgh_record_key_operation(put->record_key, task->request->object_id);
	sgh_bytes_unref(sgh_take(put->record));
	return sgh_record_write(record, &put->record, err);
}

static void write_record(struct sgh_task *task, bool if_none_match,
			 void (*then)(struct sgh_task *task))
{
	struct put *put = task->state;
	struct sgh_store_op *op =
		sgh_task_op(task, SGH_STORE_PUT, "meta", put->record_key);

	op->body = put->record;
	op->content_type = "application/json";
	op->if_none_match = if_none_match;
	sgh_task_run_one(task, then);
}

static void read_record(struct sgh_task *task, void (*then)(struct sgh_task *task))
{
	struct put *put = task->state;
	struct sgh_store_op *op =
		sgh_task_op(task, SGH_STORE_GET, "meta", put->record_key);

	op->max_length = RECORD_MAX;
	sgh_task_run_one(task, then);
}

static void claimed(struct sgh_task *task);

static void claim_read(struct sgh_task *task)
{
	enum standing standing;
	struct sangraha_error err;

	if (task->op.status)
		sgh_task_retry(task, &task->op.err);
	else if (judge_record(task, &standing, &err))
		sgh_task_retry(task, &err);
	else if (standing == THEIRS)
		fail(task, SANGRAHA_E_CONFLICT,
		     "the idempotency key was used for another object");
	else if (standing == OURS)
		write_object(task);
	else
		write_record(task, false, claimed);
}

static void claimed(struct sgh_task *task)
{
	if (task->op.status == SANGRAHA_E_PRECONDITION)
		read_record(task, claim_read);
	else if (task->op.status)
		sgh_task_retry(task, &task->op.err);
	else
		write_object(task);
}

static void claim(struct sgh_task *task)
{
	struct sgh_record record = { .offset = -1 };
	struct sangraha_error err;

	if (make_record(task, &record, &err))
		sgh_task_retry(task, &err);
	else
		write_record(task, true, claimed);
}

/* ---- looks: tombstones, and the id under other types ---- */

static void looked(struct sgh_task *task)
{
	struct put *put = task->state;
	char buried[SGH_RECORD_KEY_SIZE];

	sgh_record_key_deleted(buried, put->type.name, task->request->object_id);
	for (size_t i = 0; i < put->look_count; i++) {
		struct sgh_store_op *op = &put->looks[i];

		if (op->status == SANGRAHA_E_NOT_FOUND)
			continue;
		if (op->status)
			sgh_task_retry(task, &op->err);
		else if (sgh_streq(op->key, buried))
			/* An earlier try may have ended before it could take back. */
			take_back(task);
		else if (i < put->tombstone_count)
			fail(task, SANGRAHA_E_GONE,
			     "the id was deleted and cannot be written again");
		else
			fail(task, SANGRAHA_E_CONFLICT,
			     "the id is taken by an object of another type");
		return;
	}
	/* Two types cannot see each other's bucket, and others may use the id at once. */
	if (!task->request->fresh || sgh_id_version(task->request->object_id) == 5)
		claim(task);
	else
		write_object(task);
}

static void look(struct sgh_task *task)
{
	struct put *put = task->state;
	const char *id = task->request->object_id;
	struct sgh_type_info type;
	size_t types = 0;
	size_t n = 0;

	while (types < SGH_MAX_TYPES && sgh_types_at(task->service->types, types, &type))
		types++;
	put->looks = calloc(2 * types, sizeof(*put->looks));
	put->look_keys = calloc(types, sizeof(*put->look_keys));
	if (!put->looks || !put->look_keys) {
		sgh_task_abandon(task);
		return;
	}
	for (size_t i = 0; i < types; i++) {
		sgh_types_at(task->service->types, i, &type);
		sgh_record_key_deleted(put->look_keys[i], type.name, id);
		sgh_task_op_init(task, &put->looks[n++], SGH_STORE_HEAD, "meta",
				 put->look_keys[i]);
	}
	put->tombstone_count = n;
	for (size_t i = 0; i < types; i++) {
		sgh_types_at(task->service->types, i, &type);
		if (!sgh_streq(type.name, put->type.name))
			sgh_task_op_init(task, &put->looks[n++], SGH_STORE_HEAD,
					 type.bucket, id);
	}
	put->look_count = n;
	sgh_task_run(task, put->looks, n, looked);
}

/* ---- refused, or dead ---- */

/*
 * The record of a failure could not be written. For who waits it is a convenience; for
 * who does not it is the only answer.
 */
static void not_recorded(struct sgh_task *task, const struct sangraha_error *err)
{
	struct put *put = task->state;

	if (task->request->reply_to || put->buried)
		sgh_task_finish(task);
	else
		sgh_task_retry(task, err);
}

static void failure_replaced(struct sgh_task *task)
{
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

	if (task->op.status)
		not_recorded(task, &task->op.err);
	else if (judge_record(task, &standing, &err))
		not_recorded(task, &err);
	else if (standing == THEIRS)
		sgh_task_finish(task);
	else
		write_record(task, false, failure_replaced);
}

static void failure_recorded(struct sgh_task *task)
{
	if (task->op.status == SANGRAHA_E_PRECONDITION)
		read_record(task, failure_read);
	else
		failure_replaced(task);
}

/* Record what the reply says: whoever does not wait for it asks for the operation. */
static void record_failure(struct sgh_task *task, int status)
{
	const struct sgh_reply *reply = task->reply;
	struct sgh_record record = {
		.code = sangraha_status_name(status),
		.message = reply->message,
		.declared = reply->declared,
		.detected = reply->detected,
		.rule = reply->rule,
		.offset = reply->offset,
		.expires_ms = sgh_time_ms() + FAILED_KEPT_MS,
	};
	struct sangraha_error err;

	if (make_record(task, &record, &err))
		not_recorded(task, &err);
	else
		write_record(task, true, failure_recorded);
}

/* A failure that does not pass. */
static void fail_with(struct sgh_task *task, const struct sangraha_error *err)
{
	struct sgh_reply *reply = sgh_task_reply(task);

	if (task->request->reply_to) {
		sgh_task_fail_with(task, err);
	} else if (!reply) {
		sgh_task_abandon(task);
	} else {
		reply->status = err->status;
		reply->message = sgh_arena_strdup(&reply->arena, err->message);
		record_failure(task, err->status);
	}
}

static void fail(struct sgh_task *task, int status, const char *message)
{
	struct sangraha_error err;

	sgh_fail(&err, status, 0, "%s", message);
	fail_with(task, &err);
}

static void refuse(struct sgh_task *task, const struct sangraha_error *err)
{
	struct put *put = task->state;
	const struct sangraha_verdict *verdict = put->verdict;
	struct sgh_reply *reply = sgh_task_reply(task);
	struct sangraha_error ignored;

	if (!reply) {
		sgh_task_abandon(task);
		return;
	}
	reply->status = err->status;
	reply->message = sgh_arena_strdup(&reply->arena, err->message);
	if (verdict) {
		reply->declared = sangraha_verdict_declared(verdict);
		reply->detected = sangraha_verdict_detected(verdict);
		reply->rule = sangraha_verdict_accepted(verdict)
				      ? "veto"
				      : sangraha_verdict_rule(verdict);
		reply->offset = sangraha_verdict_offset(verdict);
	}
	if (sgh_event_message("rejected", task->request, NULL, reply, &task->event,
			      &ignored)) {
		sgh_task_abandon(task);
		return;
	}
	record_failure(task, reply->status);
}

/* ---- check ---- */

static int check_digest(struct sgh_task *task, struct sangraha_error *err)
{
	struct put *put = task->state;
	const struct sgh_request *request = task->request;
	size_t length;
	const void *data = body_data(task, &length);
	int status = sgh_sha256_hex(data, length, put->sha256, err);

	if (status)
		return status;
	if (length > task->service->inline_limit)
		return sgh_fail(
			err, SANGRAHA_E_TOO_LARGE, 0,
			"the body has %zu bytes; in a message at most %zu are taken",
			length, task->service->inline_limit);
	if (request->size >= 0 && (uint64_t)request->size != length) {
		/* These are not the bytes that were meant. */
		put->sha256[0] = '\0';
		return sgh_fail(
			err, SANGRAHA_E_INVALID, 0,
			"the body has %zu bytes, not the %lld that were announced",
			length, (long long)request->size);
	}
	if (request->sha256 && !sgh_streq(request->sha256, put->sha256))
		return sgh_fail(
			err, SANGRAHA_E_INVALID, 0,
			"the body's SHA-256 is %s, not the one that was announced",
			put->sha256);
	return 0;
}

static int validate(struct sgh_task *task, struct sangraha_error *err)
{
	struct put *put = task->state;
	struct sangraha_validate_options options = {
		.size = sizeof(options),
		.declared = task->request->content_type,
		.asserted = task->request->object_type,
	};
	size_t length;
	const void *data = body_data(task, &length);
	int status;

	options.length = length;
	status = sangraha_validate(task->service->types, &options, data, length,
				   &put->verdict, err);
	if (status)
		return status;
	status = sgh_types_find(task->service->types, sangraha_verdict_type(put->verdict),
				&put->type, err);
	if (!status && put->type.max_size && length > put->type.max_size)
		status = sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0,
				  "an object of type %s has at most %llu bytes",
				  put->type.name, (unsigned long long)put->type.max_size);
	return status;
}

static int describe(struct sgh_task *task, struct sangraha_error *err)
{
	struct put *put = task->state;
	const struct sgh_request *request = task->request;
	struct sgh_object_parts parts = {
		.id = request->object_id,
		.type = put->type.name,
		.filename = request->filename,
		.content_type = sangraha_verdict_detected(put->verdict),
		.sha256 = put->sha256,
		.created_ms = request->created_ms ? request->created_ms : sgh_time_ms(),
		.facts = sangraha_verdict_facts(put->verdict),
		.rules = sangraha_verdict_rules(put->verdict),
		.operation = request->operation_id,
		.meta = request->meta,
		.meta_count = request->meta_count,
	};
	size_t length;
	int status;

	body_data(task, &length);
	parts.size = length;
	status = sgh_object_new(&parts, &put->object, err);
	if (!status)
		status = sgh_object_to_meta(put->object, &put->arena, put->meta,
					    &put->meta_count, err);
	return status;
}

static int ask_veto(struct sgh_task *task, struct sangraha_error *err)
{
	struct sangraha_receiver *receiver = task->service->role;
	struct put *put = task->state;
	size_t length;
	const void *data = body_data(task, &length);
	int status;

	if (!receiver->veto)
		return 0;
	*err = (struct sangraha_error){ 0 };
	status = receiver->veto(receiver->veto_arg, put->object, data, length, err);
	if (!status)
		return 0;
	if (!err->message[0])
		sgh_fail(err, SANGRAHA_E_REJECTED, 0, "the receiver refused the object");
	err->status = SANGRAHA_E_REJECTED;
	return SANGRAHA_E_REJECTED;
}

static bool is_refusal(int status)
{
	return status == SANGRAHA_E_REJECTED || status == SANGRAHA_E_UNSUPPORTED;
}

static bool certainly_new(const struct sgh_task *task)
{
	const struct sgh_request *request = task->request;

	/* What a key derives is never new: others derive the same. */
	return request->fresh && !task->delivery->redelivered && !request->attempt &&
	       !request->resend && sgh_id_version(request->object_id) != 5;
}

/* The state of a task that has none yet; NULL without memory. */
static struct put *put_new(struct sgh_task *task)
{
	task->state = calloc(1, sizeof(struct put));
	task->state_free = task->state ? put_free : NULL;
	return task->state;
}

/* One that was not even begun has no state; an earlier try may have left its claim. */
static struct put *put_of_buried(struct sgh_task *task)
{
	struct put *put = task->state ? task->state : put_new(task);
	size_t length;
	const void *data = body_data(task, &length);

	if (put && !put->sha256[0] && !task->delivery->oversize &&
	    sgh_sha256_hex(data, length, put->sha256, NULL))
		put->sha256[0] = '\0';
	return put;
}

void sgh_put_buried(struct sgh_task *task)
{
	int status = task->reply ? task->reply->status : 0;
	struct put *put = status ? put_of_buried(task) : NULL;

	/* It will not pass any more: a record that said so would be asked again. */
	if (sgh_status_passing(status))
		status = SANGRAHA_E_INTERNAL;
	if (put) {
		put->buried = true;
		record_failure(task, status);
	} else {
		sgh_task_finish(task);
	}
}

void sgh_put_begin(struct sgh_task *task)
{
	struct put *put = put_new(task);
	struct sangraha_error err;
	int status;

	if (!put) {
		sgh_task_abandon(task);
		return;
	}
	status = check_digest(task, &err);
	if (!status)
		status = validate(task, &err);
	if (!status)
		status = describe(task, &err);
	if (!status)
		status = ask_veto(task, &err);
	if (is_refusal(status)) {
		refuse(task, &err);
	} else if (sgh_status_passing(status)) {
		sgh_task_retry(task, &err);
	} else if (status) {
		fail_with(task, &err);
	} else {
		put->sure = !certainly_new(task);
		if (put->sure)
			look(task);
		else
			write_object(task);
	}
}
