/* SPDX-License-Identifier: MIT */
#include "role/large.h"

#include "base/clock.h"
#include "base/error.h"
#include "role/found.h"

/* ---- the state ---- */

static void large_free(void *state)
{
	struct sgh_large *large = state;

	sgh_verify_free(large->verify);
	sgh_remains_fini(&large->remains);
	sgh_bytes_unref(large->body);
	sgh_record_fini(&large->upload);
	sgh_arena_fini(&large->kept);
	sgh_write_fini(&large->write);
	free(large);
}

struct sgh_large *sgh_large_new(struct sgh_task *task)
{
	struct sgh_large *large = calloc(1, sizeof(*large));

	if (!large) {
		sgh_task_abandon(task);
		return NULL;
	}
	task->state = large;
	task->state_free = large_free;
	large->write.begins = true;
	large->upload.offset = -1;
	sgh_record_key_upload(large->upload_key, task->request->object_id);
	return large;
}

bool sgh_large_find_type(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);
	const char *type = task->request->object_type;
	struct sangraha_error err;

	if (type && !sgh_types_find(task->service->types, type, &large->write.type, &err))
		return true;
	sgh_task_fail(task, SANGRAHA_E_INVALID, "there is no type %s", type ? type : "");
	return false;
}

/* ---- records ---- */

static void record_read(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);
	struct sangraha_error err;

	sgh_record_fini(&large->upload);
	large->upload = (struct sgh_record){ .offset = -1 };
	if (task->op.status == SANGRAHA_E_NOT_FOUND)
		large->then(task);
	else if (task->op.status)
		sgh_task_retry(task, &task->op.err);
	else if (sgh_found_record(&task->op, &large->upload, &err))
		sgh_task_retry(task, &err);
	else
		large->then(task);
}

void sgh_large_read_upload(struct sgh_task *task, void (*then)(struct sgh_task *task))
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_store_op *op =
		sgh_task_op(task, SGH_STORE_GET, "meta", large->upload_key);

	op->max_length = SGH_RECORD_MAX;
	large->then = then;
	sgh_task_run_one(task, record_read);
}

bool sgh_large_is_ours(const struct sgh_task *task)
{
	const struct sgh_record *upload = &sgh_large_of(task)->upload;

	return upload->record && sgh_streq(upload->record, task->request->record) &&
	       !sgh_record_is_placeholder(upload) &&
	       sgh_streq(upload->type, task->request->object_type);
}

bool sgh_large_name_record(struct sgh_task *task, const char *record)
{
	struct sgh_request *request = task->request;

	request->record = sgh_arena_strdup(&request->arena, record);
	if (request->record)
		return true;
	sgh_task_abandon(task);
	return false;
}

static void not_written(struct sgh_task *task, const struct sangraha_error *err)
{
	struct sgh_large *large = sgh_large_of(task);

	if (large->failed)
		large->failed(task, err);
	else
		sgh_task_retry(task, err);
}

static void record_written(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);

	if (task->op.status && task->op.status != SANGRAHA_E_PRECONDITION)
		not_written(task, &task->op.err);
	else
		large->then(task);
}

void sgh_large_put_record(struct sgh_task *task, const char *key,
			  const struct sgh_record *record, bool if_none_match,
			  void (*then)(struct sgh_task *task))
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_store_op *op;
	struct sangraha_error err;

	sgh_bytes_unref(sgh_take(large->body));
	if (sgh_record_write(record, &large->body, &err)) {
		not_written(task, &err);
		return;
	}
	op = sgh_task_op(task, SGH_STORE_PUT, "meta", key);
	op->body = large->body;
	op->content_type = "application/json";
	op->if_none_match = if_none_match;
	large->then = then;
	sgh_task_run_one(task, record_written);
}

void sgh_large_write_upload(struct sgh_task *task, bool if_none_match,
			    void (*then)(struct sgh_task *task))
{
	const struct sangraha_receiver *receiver = task->service->role;
	struct sgh_large *large = sgh_large_of(task);

	large->upload.expires_ms = sgh_time_ms() + receiver->ticket_ms;
	sgh_large_put_record(task, large->upload_key, &large->upload, if_none_match,
			     then);
}

/* ---- tickets ---- */

/* How many URLs are of use: as many parts as the smallest ones would make. */
static unsigned parts_from(const struct sgh_record *upload, unsigned first)
{
	uint64_t most = SGH_PARTS_MAX;
	uint64_t smallest = upload->size ? ((uint64_t)upload->size - 1) / SGH_PART_MIN + 1
					 : SGH_PARTS_MAX;

	if (smallest < most)
		most = smallest;
	/* One is always granted: the last part may be sent again under a later number. */
	most = most >= first ? most - first + 1 : 1;
	return (unsigned)sgh_min(most, SGH_TICKET_URLS_MAX);
}

void sgh_large_list_parts(struct sgh_task *task, unsigned after, unsigned limit,
			  void (*then)(struct sgh_task *task))
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_store_op *op =
		sgh_task_op(task, SGH_STORE_UPLOAD_PARTS, large->write.type.bucket,
			    task->request->object_id);

	op->upload = large->upload.upload;
	op->part = after;
	op->limit = limit;
	sgh_task_run_one(task, then);
}

void sgh_large_answer(struct sgh_task *task, const struct sgh_store_grant *grant)
{
	struct sgh_reply *reply = sgh_task_reply(task);
	struct sangraha_error err;

	if (!reply) {
		sgh_task_abandon(task);
		return;
	}
	reply->arena.max = SGH_TICKET_TEXT_MAX;
	if (sgh_store_ticket(task->service->store, grant, &reply->arena, &reply->ticket,
			     &err))
		sgh_write_end(task, &err);
	else
		sgh_task_finish(task);
}

void sgh_large_answer_parts(struct sgh_task *task, unsigned first)
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_store_grant grant = {
		.kind = SGH_TICKET_PARTS,
		.bucket = large->write.type.bucket,
		.key = task->request->object_id,
		.expires_ms = large->upload.expires_ms,
		.upload = large->upload.upload,
		.record = large->upload.record,
		.first_part = first,
		.part_count = parts_from(&large->upload, first),
	};

	sgh_large_answer(task, &grant);
}

/* ---- what is left ---- */

static void cleared(struct sgh_remains *remains)
{
	struct sgh_task *task = remains->arg;
	struct sgh_large *large = sgh_large_of(task);

	if (remains->status)
		sgh_task_retry(task, &remains->err);
	else
		large->cleared(task);
}

void sgh_large_clear(struct sgh_task *task, bool complete,
		     void (*then)(struct sgh_task *task))
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_remains *remains = &large->remains;

	remains->errand.store = task->service->store;
	remains->errand.owner = task->service;
	remains->type = large->write.type.name;
	remains->bucket = large->write.type.bucket;
	remains->id = task->request->object_id;
	remains->record = task->request->record;
	remains->upload = large->upload.upload;
	/* One PUT took none. */
	remains->place = complete && !large->upload.upload ? NULL : large->upload.place;
	remains->complete = complete;
	remains->done = cleared;
	remains->arg = task;
	large->cleared = then;
	task->begun = true;
	sgh_remains_clear(remains);
}
