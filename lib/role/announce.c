/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/failpoint.h"
#include "role/task.h"

/*
 * The event of a write goes out just before its reply, and both are confirmed before the
 * acknowledgement. To wait for the one before the other is begun would cost a requester
 * the time of a confirm, and keep nothing from being lost: who dies before the
 * acknowledgement is delivered the request again, and announces it again.
 */

#define ANNOUNCE_MS 10000

/* One of the two has ended; the second one goes on. */
static void ended(struct sgh_task *task)
{
	if (__atomic_sub_fetch(&task->beside.left, 1, __ATOMIC_ACQ_REL) == 0)
		task->beside.then(task);
}

static void announced(struct sgh_publish *publish, int status,
		      const struct sangraha_error *err)
{
	struct sgh_task *task =
		sgh_container_of(publish, struct sgh_task, beside.publish);

	if (!status)
		SGH_FAIL_POINT("settle.event-confirmed");
	task->beside.failed = status != 0;
	ended(task);
}

bool sgh_task_announce(struct sgh_task *task)
{
	task->beside.publish = (struct sgh_publish){
		.exchange = SANGRAHA_EVENT_EXCHANGE,
		.routing_key = task->event->type,
		.message = task->event,
		.confirm = true,
		.held = task->in_row,
		.deadline_ms = sgh_now_ms() + ANNOUNCE_MS,
		.done = announced,
	};
	task->begun = true;
	task->beside.left = 2;
	if (!sgh_queue_publish(task->service->queue, &task->beside.publish, NULL))
		return true;
	task->beside.left = 0;
	return false;
}

void sgh_task_when_announced(struct sgh_task *task, void (*then)(struct sgh_task *task))
{
	if (__atomic_load_n(&task->beside.left, __ATOMIC_ACQUIRE) == 0) {
		then(task);
		return;
	}
	task->beside.then = then;
	ended(task);
}
