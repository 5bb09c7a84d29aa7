/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "role/write.h"

/* What is told of a write in the end. */

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

void sgh_write_stored(struct sgh_task *task, struct sangraha_object *object, bool found)
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
	else if (sgh_task_doubts(task))
		sgh_task_finish_in_doubt(task);
	else
		sgh_task_finish(task);
}

void sgh_write_fail_with(struct sgh_task *task, const struct sangraha_error *err)
{
	struct sgh_reply *reply = sgh_task_reply(task);

	if (task->request->reply_to) {
		sgh_task_fail_with(task, err);
	} else if (!reply) {
		sgh_task_abandon(task);
	} else {
		reply->status = err->status;
		reply->message = sgh_arena_strdup(&reply->arena, err->message);
		sgh_write_record_failure(task, err->status);
	}
}

void sgh_write_fail(struct sgh_task *task, int status, const char *message)
{
	struct sangraha_error err;

	sgh_fail(&err, status, 0, "%s", message);
	sgh_write_fail_with(task, &err);
}

void sgh_write_refuse(struct sgh_task *task, const struct sangraha_error *err)
{
	struct sgh_write *write = task->state;
	const struct sangraha_verdict *verdict = write->verdict;
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
		reply->rule = sangraha_verdict_rule(verdict);
		reply->offset = sangraha_verdict_offset(verdict);
	}
	if (write->vetoed)
		reply->rule = "veto";
	if (sgh_event_message("rejected", task->request, NULL, reply, &task->event,
			      &ignored))
		sgh_task_abandon(task);
	else
		sgh_write_record_failure(task, reply->status);
}

static bool is_refusal(int status)
{
	return status == SANGRAHA_E_REJECTED || status == SANGRAHA_E_UNSUPPORTED;
}

void sgh_write_end(struct sgh_task *task, const struct sangraha_error *err)
{
	if (is_refusal(err->status))
		sgh_write_refuse(task, err);
	else if (sgh_status_passing(err->status))
		sgh_task_retry(task, err);
	else
		sgh_write_fail_with(task, err);
}
