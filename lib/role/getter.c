/* SPDX-License-Identifier: MIT */
#include "role/getter.h"

#include <stdlib.h>

#include "base/error.h"
#include "role/task.h"

#define TICKET_DEFAULT_MS 3600000
#define TICKET_MAX_MS     (7 * 86400 * 1000u) /* the longest that a store signs for */

static void begin(struct sgh_task *task)
{
	switch (task->request->verb) {
	case SGH_GET:
		sgh_get_begin(task);
		break;
	case SGH_STAT:
		sgh_stat_begin(task);
		break;
	case SGH_LIST:
		sgh_list_begin(task);
		break;
	default:
		sgh_task_fail(task, SANGRAHA_E_UNSUPPORTED, "a getter does not do \"%s\"",
			      sgh_verb_name(task->request->verb));
	}
}

static const struct sgh_service_kind getter_kind = {
	.role = "getter",
	.batches = true,
	.queue = SANGRAHA_READ_QUEUE,
	.dead_letters = SANGRAHA_READ_QUEUE ".dlq",
	.replicas = true,
	.begin = begin,
};

int sangraha_getter_start(struct sangraha_context *context, struct sangraha_queue *queue,
			  struct sangraha_store *store,
			  const struct sangraha_getter_options *options,
			  struct sangraha_getter **ret, struct sangraha_error *err)
{
	struct sgh_service_options common = {
		.types = sgh_option(options, types, NULL),
		.prefetch = sgh_option(options, prefetch, 0),
		.workers = sgh_option(options, workers, 0),
		.inline_limit = sgh_option(options, inline_limit, 0),
	};
	struct sangraha_getter *getter;
	int status;

	if (!context || !queue || !store || !ret)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a getter needs a context, a queue and a store");
	status = sgh_options_check(options, err);
	if (status)
		return status;
	getter = calloc(1, sizeof(*getter));
	if (!getter)
		return sgh_fail_memory(err);
	getter->service.role = getter;
	getter->ticket_timeout_ms =
		sgh_option(options, ticket_timeout_ms, TICKET_DEFAULT_MS);
	if (getter->ticket_timeout_ms > TICKET_MAX_MS)
		getter->ticket_timeout_ms = TICKET_MAX_MS;
	status = sgh_service_start(&getter->service, &getter_kind, context, queue, store,
				   &common, err);
	if (status) {
		sangraha_getter_free(getter);
		return status;
	}
	*ret = getter;
	return 0;
}

int sangraha_getter_drain(struct sangraha_getter *getter, unsigned timeout_ms,
			  struct sangraha_error *err)
{
	if (!getter)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "there is no getter");
	return sgh_service_drain(&getter->service, timeout_ms, err);
}

void sangraha_getter_health(struct sangraha_getter *getter,
			    struct sangraha_health *health)
{
	sgh_service_health(getter ? &getter->service : NULL, false, health);
}

void sangraha_getter_free(struct sangraha_getter *getter)
{
	if (!getter)
		return;
	sgh_service_fini(&getter->service);
	free(getter);
}
