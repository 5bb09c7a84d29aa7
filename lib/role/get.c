/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "role/getter.h"
#include "role/task.h"
#include "validate/types.h"

/* A get: one store request for at most inline-limit bytes, and the answer. */

static void got(struct sgh_task *task)
{
	const struct sgh_request *request = task->request;
	struct sgh_reply *reply = sgh_task_reply(task);
	struct sangraha_error err;

	if (!reply) {
		sgh_task_abandon(task);
		return;
	}
	if (task->op.status == SANGRAHA_E_NOT_FOUND)
		sgh_task_fail(task, SANGRAHA_E_NOT_FOUND, "there is no object %s/%s",
			      request->object_type, request->object_id);
	else if (sgh_found_object(request->object_type, request->object_id, &task->op,
				  &reply->object, &err))
		sgh_task_fail_with(task, &err);
	else if (task->op.head.size > task->service->inline_limit)
		sgh_task_fail(task, SANGRAHA_E_TOO_LARGE,
			      "the object has %llu bytes, and this version reads at most "
			      "%zu",
			      (unsigned long long)task->op.head.size,
			      task->service->inline_limit);
	else {
		reply->body = sgh_bytes_ref(task->op.data);
		sgh_task_finish(task);
	}
}

void sgh_get_begin(struct sgh_task *task)
{
	const struct sgh_request *request = task->request;
	struct sgh_type_info type;
	struct sangraha_error err;
	struct sgh_store_op *op;

	if (sgh_types_find(task->service->types, request->object_type, &type, &err)) {
		sgh_task_fail(task, SANGRAHA_E_INVALID, "there is no type %s",
			      request->object_type);
		return;
	}
	op = sgh_task_op(task, SGH_STORE_GET, type.bucket, request->object_id);
	op->max_length = task->service->inline_limit;
	sgh_task_run_one(task, got);
}
