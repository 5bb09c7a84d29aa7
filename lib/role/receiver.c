/* SPDX-License-Identifier: MIT */
#include "role/receiver.h"

#include <stdlib.h>

#include "base/error.h"
#include "role/task.h"

static void begin(struct sgh_task *task)
{
	switch (task->request->verb) {
	case SGH_PUT:
		sgh_put_begin(task);
		break;
	case SGH_DELETE:
		sgh_delete_begin(task);
		break;
	default:
		sgh_task_fail(task, SANGRAHA_E_UNSUPPORTED,
			      "a receiver of this version does not do \"%s\"",
			      sgh_verb_name(task->request->verb));
	}
}

static void buried(struct sgh_task *task)
{
	if (task->request->verb == SGH_PUT && task->request->object_id)
		sgh_put_buried(task);
	else
		sgh_task_finish(task);
}

static const struct sgh_service_kind receiver_kind = {
	.role = "receiver",
	.queue = SANGRAHA_WRITE_QUEUE,
	.dead_letters = SANGRAHA_WRITE_QUEUE ".dlq",
	.makes_buckets = true,
	.begin = begin,
	.on_worker = true,
	.buried = buried,
};

int sangraha_receiver_start(struct sangraha_context *context,
			    struct sangraha_queue *queue, struct sangraha_store *store,
			    const struct sangraha_receiver_options *options,
			    struct sangraha_receiver **ret, struct sangraha_error *err)
{
	struct sgh_service_options common = {
		.types = sgh_option(options, types, NULL),
		.prefetch = sgh_option(options, prefetch, 0),
		.workers = sgh_option(options, workers, 0),
		.inline_limit = sgh_option(options, inline_limit, 0),
	};
	struct sangraha_receiver *receiver;
	int status;

	if (!context || !queue || !store || !ret)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a receiver needs a context, a queue and a store");
	status = sgh_options_check(options, err);
	if (status)
		return status;
	receiver = calloc(1, sizeof(*receiver));
	if (!receiver)
		return sgh_fail_memory(err);
	receiver->service.role = receiver;
	receiver->veto = sgh_option(options, veto, NULL);
	receiver->veto_arg = sgh_option(options, veto_arg, NULL);
	status = sgh_service_start(&receiver->service, &receiver_kind, context, queue,
				   store, &common, err);
	if (status) {
		sangraha_receiver_free(receiver);
		return status;
	}
	*ret = receiver;
	return 0;
}

int sangraha_receiver_drain(struct sangraha_receiver *receiver, unsigned timeout_ms,
			    struct sangraha_error *err)
{
	if (!receiver)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "there is no receiver");
	return sgh_service_drain(&receiver->service, timeout_ms, err);
}

void sangraha_receiver_health(struct sangraha_receiver *receiver,
			      struct sangraha_health *health)
{
	sgh_service_health(receiver ? &receiver->service : NULL, true, health);
}

void sangraha_receiver_free(struct sangraha_receiver *receiver)
{
	if (!receiver)
		return;
	sgh_service_fini(&receiver->service);
	free(receiver);
}
