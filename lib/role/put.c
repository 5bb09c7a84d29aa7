/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/receiver.h"
#include "role/write.h"
#include "wire/batch.h"
#include "wire/fields.h"
#include "wire/sha256.h"

/*
 * A put, up to inline-limit:
 *
 *   check   digest, size, validation, veto            refused: record, event, reply
 *           without anybody who waits, every failure that does not pass is recorded
 *   fast    PUT, perhaps together with others          only what nobody has seen before
 *   sure    tombstones and the id under other types -> claim -> PUT if absent
 *           -> 412: HEAD and compare
 *   after   tombstone again                            found: remove, "gone"
 *   finish  event, reply, acknowledgement
 *
 * Any failure that may pass, and any doubt, ends in a retry, which takes the sure way.
 */

/* A fast write that took longer than this may have crossed a delete. */
#define QUICK_MS 1000

/* ---- the write ---- */

/* It was there a moment ago, or is not there yet: a delete or an upload is under way. */
static void not_there(struct sgh_task *task)
{
	const struct sgh_write *put = task->state;
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0, "the object is being %s",
		 put->stray ? "read back" : "deleted");
	sgh_task_retry(task, &err);
}

static void compared(struct sgh_task *task)
{
	struct sgh_write *put = task->state;
	struct sgh_found *there = &put->there;

	SGH_FAIL_POINT("put.compared");
	if (there->status == SANGRAHA_E_NOT_FOUND) {
		sgh_write_stray(task, not_there);
	} else if (there->status && there->status != SANGRAHA_E_INTERNAL) {
		sgh_task_retry(task, &there->err);
	} else if (there->status || !sgh_streq(there->object->sha256, put->sha256)) {
		sgh_write_fail(task, SANGRAHA_E_CONFLICT,
			       "another object is stored under this id");
	} else {
		sgh_write_stored(task, there->object, true);
	}
}

static void found(struct sgh_task *task)
{
	sgh_write_found(task, compared);
}

static void stored(struct sgh_task *task)
{
	struct sgh_write *put = task->state;

	sgh_write_stored(task, put->object, false);
}

static void written(struct sgh_task *task)
{
	struct sgh_write *put = task->state;
	const struct sgh_request *request = task->request;
	bool quick = request->published &&
		     sgh_time_ms() - request->published <= QUICK_MS &&
		     sgh_time_ms() >= request->published;

	SGH_FAIL_POINT("put.stored");
	if (task->op.status == SANGRAHA_E_PRECONDITION) {
		sgh_write_head(task, found);
	} else if (task->op.status) {
		task->owes = sgh_task_in_doubt(task);
		task->doubt = task->owes;
		sgh_task_retry(task, &task->op.err);
	} else if (put->sure || !quick) {
		sgh_write_look_after(task, stored);
	} else {
		stored(task);
	}
}

/* Whether this thread goes on with another put, or with what has the store go on. */
static bool others_follow(const struct sgh_task *task)
{
	return task->here ? task->delivery->goes_on
			  : sgh_pool_goes_on(task->service->pool);
}

static void write_object(struct sgh_task *task)
{
	struct sgh_write *put = task->state;
	struct sgh_store_op *op = sgh_task_op(task, SGH_STORE_PUT, put->type.bucket,
					      task->request->object_id);

	op->body = task->request->body;
	op->content_type = sangraha_object_content_type(put->object);
	op->meta = put->meta;
	op->meta_count = put->meta_count;
	op->sha256 = put->sha256;
	op->if_none_match = put->sure;
	op->packable = !put->sure;
	op->held = op->packable && others_follow(task);
	sgh_task_run_one(task, written);
}

/* ---- check ---- */

static int check_digest(struct sgh_task *task, struct sangraha_error *err)
{
	struct sgh_write *put = task->state;
	const struct sgh_request *request = task->request;
	size_t length;
	const void *data = sgh_write_body(task, &length);
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
	struct sgh_write *put = task->state;
	struct sangraha_validate_options options = {
		.size = sizeof(options),
		.declared = task->request->content_type,
		.asserted = task->request->object_type,
	};
	size_t length;
	const void *data = sgh_write_body(task, &length);
	int status;

	options.length = length;
	status = sangraha_validate(task->service->types, &options, data, length,
				   &put->verdict, err);
	if (!status)
		status = sgh_write_find_type(task, err);
	if (!status)
		status = sgh_write_check_size(task, (int64_t)length, err);
	return status;
}

static int describe(struct sgh_task *task, struct sangraha_error *err)
{
	struct sgh_write *put = task->state;
	struct sgh_write_parts parts = {
		.sha256 = put->sha256,
		.facts = sangraha_verdict_facts(put->verdict),
		.rules = sangraha_verdict_rules(put->verdict),
	};
	size_t length;

	sgh_write_body(task, &length);
	parts.size = length;
	return sgh_write_describe(task, &parts, err);
}

void sgh_put_begin(struct sgh_task *task)
{
	struct sgh_write *put = calloc(1, sizeof(*put));
	struct sangraha_error err;
	int status;

	task->state = put;
	task->state_free = put ? sgh_write_free : NULL;
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
		status = sgh_write_veto(task, &err);
	SGH_FAIL_POINT("put.checked");
	put->sure = !sgh_write_certainly_new(task);
	if (status)
		sgh_write_end(task, &err);
	else if (put->sure)
		sgh_write_look(task, write_object);
	else
		write_object(task);
}

/*
 * What may be large, and what libmagic or the program around us has a say in, is for workers.
 * So is JSON mode, since whether it is such only its document tells.
 */
bool sgh_put_is_brief(struct sgh_service *service, const struct sgh_delivery *delivery)
{
	const struct sangraha_receiver *receiver = service->role;
	const struct sgh_message *message = delivery->message;
	const struct sgh_bytes *body = message->body;

	return body && body->length <= SGH_BATCH_SMALL && !receiver->veto &&
	       message->type && sgh_verb_of(message->type) == SGH_PUT &&
	       !sgh_fields_json_mode(message->content_type) &&
	       sgh_validates_as_json(service->types, message->content_type,
				     sgh_message_text(message, "object-type"), body->data,
				     body->length);
}
