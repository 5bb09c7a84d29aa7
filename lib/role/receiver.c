/* SPDX-License-Identifier: MIT */
#include "role/receiver.h"

#include <stdlib.h>

#include "base/error.h"
#include "role/sweep.h"
#include "role/task.h"

#define TICKET_MS  3600000
#define REQUEST_MS 30000
#define ASYNC_MS   86400000
#define SWEEP_MS   60000

static void begin(struct sgh_task *task)
{
	enum sgh_verb verb = task->request->verb;

	if (task->late && verb != SGH_DELETE) {
		sgh_late_begin(task);
		return;
	}
	switch (verb) {
	case SGH_PUT:
		sgh_put_begin(task);
		break;
	case SGH_DELETE:
		sgh_delete_begin(task);
		break;
	case SGH_PUT_BEGIN:
		sgh_large_begin(task);
		break;
	case SGH_PUT_EXTEND:
		sgh_large_extend(task);
		break;
	case SGH_PUT_COMMIT:
		sgh_large_commit(task);
		break;
	case SGH_PUT_ABORT:
		sgh_large_abort(task);
		break;
	default:
		sgh_task_fail(task, SANGRAHA_E_UNSUPPORTED,
			      "a receiver of this version does not do \"%s\"",
			      sgh_verb_name(verb));
	}
}

static void buried(struct sgh_task *task)
{
	enum sgh_verb verb = task->request->verb;
	bool writes = verb == SGH_PUT || verb == SGH_PUT_BEGIN || verb == SGH_PUT_COMMIT;

	if (writes && task->request->object_id && !task->late)
		sgh_write_buried(task);
	else
		sgh_task_finish(task);
}

static const struct sgh_service_kind receiver_kind = {
	.role = "receiver",
	.queue = SANGRAHA_WRITE_QUEUE,
	.dead_letters = SANGRAHA_WRITE_QUEUE ".dlq",
	.parking = SANGRAHA_WRITE_QUEUE ".delay.300s",
	.makes_buckets = true,
	.batches = true,
	.begin = begin,
	.on_worker = true,
	.is_brief = sgh_put_is_brief,
	.buried = buried,
};

static int start_sweeper(struct sangraha_receiver *receiver, struct sangraha_error *err)
{
	int64_t every = receiver->ticket_ms / 2 + 1;

	return sgh_sweeper_new(&receiver->service, every < SWEEP_MS ? every : SWEEP_MS,
			       receiver->tombstone_ms, &receiver->sweeper, err);
}

/* Twice the longest time after which a write of the id may still arrive. */
static int64_t tombstone_of(const struct sangraha_receiver *receiver,
			    const struct sangraha_receiver_options *options)
{
	int64_t request = sgh_option(options, request_timeout_ms, REQUEST_MS);
	int64_t async = sgh_option(options, async_timeout_ms, ASYNC_MS);
	int64_t longest = receiver->ticket_ms;

	if (longest < request)
		longest = request;
	return 2 * (longest < async ? async : longest);
}

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
	pthread_mutex_init(&receiver->verifying.lock, NULL);
	sgh_list_init(&receiver->verifying.waiting);
	sgh_list_init(&receiver->verifying.reading);
	receiver->veto = sgh_option(options, veto, NULL);
	receiver->veto_arg = sgh_option(options, veto_arg, NULL);
	receiver->max_object_size = sgh_option(options, max_object_size, SGH_OBJECT_MAX);
	receiver->large_writes = !sgh_option(options, no_large_writes, 0);
	receiver->verify_large = sgh_option(options, verify_large, 0);
	receiver->ticket_ms = sgh_option(options, ticket_timeout_ms, TICKET_MS);
	receiver->tombstone_ms = tombstone_of(receiver, options);
	status = sgh_service_start(&receiver->service, &receiver_kind, context, queue,
				   store, &common, err);
	if (!status)
		status = start_sweeper(receiver, err);
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
	sgh_sweeper_stop(receiver->sweeper);
	sgh_service_fini(&receiver->service);
	sgh_sweeper_free(receiver->sweeper);
	pthread_mutex_destroy(&receiver->verifying.lock);
	free(receiver);
}
