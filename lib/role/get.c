/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/found.h"
#include "role/getter.h"
#include "validate/types.h"
#include "wire/filename.h"

/*
 * A get: one store request for at most inline-limit bytes, and the answer. A larger object
 * comes without any, and is answered with a ticket to fetch them.
 */

struct get {
	struct sgh_type_info type;
	struct sgh_found found;
};

static void get_free(void *state)
{
	struct get *get = state;

	sgh_found_fini(&get->found);
	free(get);
}

/* What the store is to tell a web browser, which is sent there. */
static int write_disposition(const struct sgh_task *task, struct sgh_buf *buf,
			     struct sangraha_error *err)
{
	const struct get *get = task->state;
	const struct sangraha_object *object = get->found.object;

	sgh_disposition_object(buf, object->content_type, object->filename, object->id,
			       sgh_types_extension(task->service->types, object->type,
						   object->content_type),
			       task->request->download);
	return buf->failed ? sgh_fail_memory(err) : 0;
}

static int make_ticket(struct sgh_task *task, struct sangraha_error *err)
{
	const struct sangraha_getter *getter = task->service->role;
	const struct get *get = task->state;
	sgh_autobuf struct sgh_buf disposition = SGH_BUF_INIT(4 << 10);
	struct sgh_store_grant grant = {
		.kind = SGH_TICKET_GET,
		.bucket = get->type.bucket,
		.key = get->found.id,
		.expires_ms = sgh_time_ms() + getter->ticket_timeout_ms,
		.replica = task->op.replica,
	};
	int status = 0;

	if (task->request->redirect) {
		status = write_disposition(task, &disposition, err);
		grant.response_type = get->found.object->content_type;
		grant.response_disposition = sgh_buf_text(&disposition);
	}
	if (status)
		return status;
	return sgh_store_ticket(task->service->store, &grant, &task->reply->arena,
				&task->reply->ticket, err);
}

static void ask(struct sgh_task *task, bool replicas);

static void described(struct sgh_task *task)
{
	const struct get *get = task->state;
	const struct sgh_found *found = &get->found;
	struct sgh_reply *reply = sgh_task_reply(task);
	struct sangraha_error err;
	int status = 0;

	SGH_FAIL_POINT("get.described");
	if (sgh_found_in_part(found)) {
		ask(task, false);
		return;
	}
	if (!reply) {
		sgh_task_abandon(task);
		return;
	}
	if (found->status == SANGRAHA_E_NOT_FOUND) {
		sgh_task_fail(task, SANGRAHA_E_NOT_FOUND, "there is no object %s/%s",
			      found->type, found->id);
		return;
	}
	if (found->status) {
		sgh_task_fail_with(task, &found->err);
		return;
	}
	reply->object = sangraha_object_ref(found->object);
	if (found->object->size > task->service->inline_limit)
		status = make_ticket(task, &err);
	else
		reply->body = sgh_bytes_ref(task->op.data);
	if (status)
		sgh_task_fail_with(task, &err);
	else
		sgh_task_finish(task);
}

static void got(struct sgh_task *task)
{
	struct get *get = task->state;

	SGH_FAIL_POINT("get.found");
	sgh_found_describe(task, &get->found, 1, described);
}

static void ask(struct sgh_task *task, bool replicas)
{
	const struct get *get = task->state;
	struct sgh_store_op *op =
		sgh_task_op(task, SGH_STORE_GET, get->type.bucket, get->found.id);

	op->max_length = task->service->inline_limit;
	op->whole = true;
	op->replicas = replicas;
	sgh_task_run_one(task, got);
}

void sgh_get_begin(struct sgh_task *task)
{
	const struct sgh_request *request = task->request;
	struct get *get = calloc(1, sizeof(*get));
	struct sangraha_error err;

	if (!get) {
		sgh_task_abandon(task);
		return;
	}
	task->state = get;
	task->state_free = get_free;
	if (sgh_types_find(task->service->types, request->object_type, &get->type,
			   &err)) {
		sgh_task_fail(task, SANGRAHA_E_INVALID, "there is no type %s",
			      request->object_type);
		return;
	}
	get->found.type = request->object_type;
	get->found.id = request->object_id;
	get->found.op = &task->op;
	ask(task, true);
}
