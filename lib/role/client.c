/* SPDX-License-Identifier: MIT */
#include "role/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "role/health.h"
#include "role/limits.h"
#include "role/upload.h"
#include "validate/types.h"

#define TIMEOUT_DEFAULT_MS 30000
#define IDLE_DEFAULT_MS    30000
#define ASYNC_DEFAULT_MS   86400000
#define IN_FLIGHT_DEFAULT  4096
#define DISPATCH_MAX       256
#define SPOOL_DEFAULT      (4 << 20)
#define REPLY_PREFETCH     256
/* A list takes so many times its text: the descriptions, and what they are made into. */
#define LIST_WEIGHT 6
#define TICK_MS     400
/* Besides those of the calls: the tick, and two for the cache. */
#define OWN_TIMERS 3ul
#define PROBE_MS   500
/*
 * Transfers at once. Each has up to some 150 KiB of buffers that no budget counts, so there
 * are few; a download whose reader takes his time does not keep its place.
 */
#define UPLOADING_MAX   64
#define DOWNLOADING_MAX 64
/* How old the broker's word may be: a tick, and the time to answer. */
#define PROBE_VALID_MS (TICK_MS + PROBE_MS)
/* What is told to people need not flicker. */
#define GAUGE_VALID_MS 2000

static const char *const probe_queues[SGH_PROBES] = {
	[SGH_PROBE_WRITES] = SANGRAHA_WRITE_QUEUE,
	[SGH_PROBE_READS] = SANGRAHA_READ_QUEUE,
	[SGH_PROBE_DEAD_WRITES] = SANGRAHA_WRITE_QUEUE ".dlq",
	[SGH_PROBE_DEAD_READS] = SANGRAHA_READ_QUEUE ".dlq",
};

struct sangraha_client *sgh_client_ref(struct sangraha_client *client)
{
	__atomic_add_fetch(&client->refs, 1, __ATOMIC_RELAXED);
	return client;
}

void sgh_client_unref(struct sangraha_client *client)
{
	if (__atomic_sub_fetch(&client->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (client->wake_fd >= 0)
		close(client->wake_fd);
	pthread_cond_destroy(&client->state.changed);
	pthread_mutex_destroy(&client->state.lock);
	pthread_mutex_destroy(&client->move.lock);
	free(client->store_ca_file);
	sgh_cache_free(client->cache);
	sangraha_types_unref(client->types);
	sangraha_context_unref(client->context);
	free(client);
}

bool sgh_client_reserve_timer(struct sangraha_client *client)
{
	unsigned more = __atomic_add_fetch(&client->more_timers, 1, __ATOMIC_RELAXED);

	return sgh_timers_reserve(client->timers,
				  client->max_in_flight + OWN_TIMERS + more);
}

void sgh_client_release_timer(struct sangraha_client *client)
{
	__atomic_sub_fetch(&client->more_timers, 1, __ATOMIC_RELAXED);
}

/* The mover at `at`, made with room for so many transfers where there is none yet. */
static int mover_at(struct sangraha_client *client, struct sgh_mover **at,
		    unsigned transfers, struct sgh_mover **ret,
		    struct sangraha_error *err)
{
	struct sgh_mover_options options = {
		.connections = transfers,
		.idle_timeout_ms = client->idle_timeout_ms,
		.ca_file = client->store_ca_file,
	};
	int status = 0;

	pthread_mutex_lock(&client->move.lock);
	if (!*at)
		status = sgh_mover_new(client->context, &options, at, err);
	if (!status)
		*ret = *at;
	pthread_mutex_unlock(&client->move.lock);
	return status;
}

int sgh_client_mover_up(struct sangraha_client *client, struct sgh_mover **ret,
			struct sangraha_error *err)
{
	return mover_at(client, &client->move.up, UPLOADING_MAX, ret, err);
}

int sgh_client_mover_down(struct sangraha_client *client, struct sgh_mover **ret,
			  struct sangraha_error *err)
{
	return mover_at(client, &client->move.down, DOWNLOADING_MAX, ret, err);
}

/* ---- replies ---- */

static void deliver(void *arg, struct sgh_delivery *delivery)
{
	struct sangraha_client *client = arg;
	struct sgh_message *message = delivery->message;
	struct sgh_reply *reply = NULL;
	bool together = delivery->batched;
	struct sangraha_error err;
	int status;

	if (delivery->oversize)
		status = sgh_fail(&err, SANGRAHA_E_TOO_LARGE, 0,
				  "the answer has %llu bytes, more than one message may",
				  (unsigned long long)delivery->announced);
	else
		status = sgh_reply_parse(message, client->context->budget, &reply, &err);
	if (status) {
		sgh_log(client->context, SANGRAHA_LOG_WARN, "orchestrator", "reply",
			"an answer cannot be read: %s", err.message);
		/* To ask again would bring the same; what is no answer of ours stays so. */
		err.status = status == SANGRAHA_E_INVALID ? SANGRAHA_E_INTERNAL : status;
		sgh_call_fail(client, message->correlation_id, &err);
	}
	if (!status && reply->list && message->body)
		sgh_reply_count(reply, client->context->budget,
				LIST_WEIGHT * message->body->length);
	sgh_delivery_ack(delivery);
	if (!status)
		sgh_call_answer(client, reply, together);
}

static void attached(void *arg, bool is_attached)
{
	struct sangraha_client *client = arg;

	if (!is_attached)
		return;
	pthread_mutex_lock(&client->state.lock);
	client->state.was_attached = true;
	pthread_mutex_unlock(&client->state.lock);
	sgh_calls_resend(client);
}

void sgh_client_complete(struct sangraha_client *client, struct sangraha_result *result,
			 bool direct)
{
	bool first;

	if (direct) {
		result->done(result->arg, result);
		return;
	}
	pthread_mutex_lock(&client->state.lock);
	first = sgh_list_empty(&client->state.completed);
	sgh_list_append(&client->state.completed, &result->link);
	pthread_mutex_unlock(&client->state.lock);
	if (first)
		sgh_wake(client->wake_fd);
}

int sangraha_client_fd(const struct sangraha_client *client)
{
	return client ? client->wake_fd : -1;
}

int sangraha_client_dispatch(struct sangraha_client *client)
{
	int count = 0;

	if (!client)
		return 0;
	sgh_wake_clear(client->wake_fd);
	for (; count < DISPATCH_MAX; count++) {
		struct sangraha_result *result;
		struct sgh_list *link;

		pthread_mutex_lock(&client->state.lock);
		link = sgh_list_pop(&client->state.completed);
		pthread_mutex_unlock(&client->state.lock);
		if (!link)
			return count;
		result = sgh_list_entry(link, struct sangraha_result, link);
		result->done(result->arg, result);
	}
	/* There may be more: stay readable. */
	sgh_wake(client->wake_fd);
	return count;
}

/* ---- the broker's word ---- */

static void probed(struct sgh_queue_probe *queue_probe, int status,
		   const struct sangraha_error *err)
{
	struct sgh_probe *probe = sgh_container_of(queue_probe, struct sgh_probe, probe);
	struct sangraha_client *client = probe->client;

	pthread_mutex_lock(&client->state.lock);
	probe->consumed = !status && queue_probe->consumers > 0;
	if (!status) {
		probe->seen_ms = sgh_now_ms();
		sgh_metric_set(probe->gauge, (int64_t)queue_probe->messages);
	} else if (sgh_now_ms() - probe->seen_ms > GAUGE_VALID_MS) {
		sgh_metric_forget(probe->gauge);
	}
	probe->pending = false;
	client->state.probes_pending--;
	pthread_cond_broadcast(&client->state.changed);
	pthread_mutex_unlock(&client->state.lock);
}

static void ask(struct sangraha_client *client, struct sgh_probe *probe)
{
	bool go;

	pthread_mutex_lock(&client->state.lock);
	go = !probe->pending && !client->state.closing;
	probe->pending |= go;
	client->state.probes_pending += go;
	pthread_mutex_unlock(&client->state.lock);
	if (!go)
		return;
	probe->probe.deadline_ms = sgh_now_ms() + PROBE_MS;
	probe->probe.done = probed;
	if (sgh_queue_probe(client->queue, &probe->probe, NULL))
		probed(&probe->probe, SANGRAHA_E_UNAVAILABLE, NULL);
}

static void tick(struct sgh_timer *timer)
{
	struct sangraha_client *client =
		sgh_container_of(timer, struct sangraha_client, tick);

	for (int i = 0; i < SGH_PROBES; i++)
		ask(client, &client->state.probes[i]);
	sgh_timer_arm(client->timers, &client->tick, sgh_now_ms() + TICK_MS);
}

static bool is_fresh_locked(const struct sgh_probe *probe)
{
	return probe->seen_ms && sgh_now_ms() - probe->seen_ms <= PROBE_VALID_MS;
}

static int consumed_locked(const struct sgh_probe *probe)
{
	return is_fresh_locked(probe) && probe->consumed ? SANGRAHA_HEALTH_OK
							 : SANGRAHA_HEALTH_DOWN;
}

/* Only what the broker has said just now: without its word nobody is known to be away. */
const char *sgh_client_misses(struct sangraha_client *client, bool reads)
{
	const struct sgh_probe *probe =
		&client->state.probes[reads ? SGH_PROBE_READS : SGH_PROBE_WRITES];
	bool broker = sgh_queue_ready(client->queue, false);
	bool missing;

	pthread_mutex_lock(&client->state.lock);
	missing = is_fresh_locked(probe) && !probe->consumed;
	pthread_mutex_unlock(&client->state.lock);
	if (!broker)
		return "and the broker is not there";
	if (!missing)
		return NULL;
	return reads ? "and no getter is there" : "and no receiver is there";
}

void sangraha_client_health(struct sangraha_client *client,
			    struct sangraha_health *health)
{
	struct sangraha_health seen = {
		.broker = SANGRAHA_HEALTH_DOWN,
		.reads = SANGRAHA_HEALTH_DOWN,
		.writes = SANGRAHA_HEALTH_DOWN,
		.receivers = SANGRAHA_HEALTH_DOWN,
		.getters = SANGRAHA_HEALTH_DOWN,
	};

	if (client) {
		pthread_mutex_lock(&client->state.lock);
		seen.receivers = consumed_locked(&client->state.probes[SGH_PROBE_WRITES]);
		seen.getters = consumed_locked(&client->state.probes[SGH_PROBE_READS]);
		pthread_mutex_unlock(&client->state.lock);
	}
	/* Without its response queue it can send, but hears nothing. */
	if (client && sgh_queue_ready(client->queue, false) &&
	    sgh_consumer_attached(client->replies)) {
		bool durable = sgh_queue_ready(client->queue, true);

		seen.broker = SANGRAHA_HEALTH_OK;
		if (durable)
			seen.writes = seen.receivers;
		if (durable || !client->persistent_reads)
			seen.reads = seen.getters;
	}
	sgh_health_copy(health, &seen);
}

/* ---- start and end ---- */

static void init(struct sangraha_client *client, struct sangraha_context *context,
		 struct sangraha_queue *queue,
		 const struct sangraha_client_options *options)
{
	size_t limit = sgh_budget_limit(context->budget);

	client->refs = 1;
	client->wake_fd = -1;
	client->context = sangraha_context_ref(context);
	client->queue = sangraha_queue_ref(queue);
	client->timeout_ms = sgh_option(options, timeout_ms, TIMEOUT_DEFAULT_MS);
	client->max_in_flight = sgh_option(options, max_in_flight, IN_FLIGHT_DEFAULT);
	client->inline_limit =
		sgh_option(options, inline_limit, sgh_inline_default(limit));
	client->spool_limit = sgh_option(options, spool_limit, SPOOL_DEFAULT);
	if (client->spool_limit > limit / 4)
		client->spool_limit = limit / 4;
	client->max_object_size = sgh_option(options, max_object_size, SGH_OBJECT_MAX);
	client->large_writes = !sgh_option(options, no_large_writes, 0);
	client->direct = sgh_option(options, direct, 0) != 0;
	client->persistent_reads = sgh_option(options, persistent_reads, 0) != 0;
	client->idle_timeout_ms = sgh_option(options, idle_timeout_ms, IDLE_DEFAULT_MS);
	client->async_timeout_ms =
		sgh_option(options, async_timeout_ms, ASYNC_DEFAULT_MS);
	sgh_crc32c_init(&client->crc32c);
	client->tick.fire = tick;
	pthread_mutex_init(&client->move.lock, NULL);
	pthread_mutex_init(&client->state.lock, NULL);
	sgh_cond_init(&client->state.changed);
	sgh_list_init(&client->state.completed);
	sgh_list_init(&client->state.uploads);
	for (size_t i = 0; i < SGH_CALL_CHAINS; i++)
		sgh_list_init(&client->state.calls[i]);
	sgh_tally_init(&client->tally, context->metrics, "orchestrator");
	client->uploads_open =
		sgh_metrics_gauge(context->metrics, "sangraha_uploads_open", "");
}

static void init_probes(struct sangraha_client *client)
{
	for (int i = 0; i < SGH_PROBES; i++) {
		struct sgh_probe *probe = &client->state.probes[i];
		char labels[96];

		probe->client = client;
		probe->probe.queue = probe_queues[i];
		snprintf(labels, sizeof(labels), "queue=\"%s\"", probe_queues[i]);
		if (i >= SGH_PROBE_DEAD_WRITES)
			probe->gauge = sgh_metrics_gauge(client->context->metrics,
							 "sangraha_dlq_messages", labels);
		sgh_metric_forget(probe->gauge);
	}
}

static int start(struct sangraha_client *client,
		 const struct sangraha_client_options *options,
		 struct sangraha_error *err)
{
	struct sangraha_types *types = sgh_option(options, types, NULL);
	struct sgh_consumer_options consumer = {
		.prefetch = REPLY_PREFETCH,
		.max_bytes = sgh_budget_limit(client->context->budget) / 4,
		/* JSON mode is not asked for, but a list is a document of its own size. */
		.max_body = client->inline_limit + (4 << 20),
		.batches = true,
		.deliver = deliver,
		.attached = attached,
		.arg = client,
	};
	int status = 0;

	client->wake_fd = sgh_wake_new();
	if (client->wake_fd < 0)
		return sgh_fail_errno(err, errno, "cannot make a descriptor");
	if (types)
		client->types = sangraha_types_ref(types);
	else
		status = sangraha_types_new(NULL, &client->types, err);
	if (!status)
		status = sgh_timers_new(&client->timers, err);
	if (!status &&
	    !sgh_timers_reserve(client->timers, client->max_in_flight + OWN_TIMERS))
		status = sgh_fail_memory(err);
	if (!status)
		status = sgh_reads_begin(client, options, err);
	if (!status)
		status =
			sgh_consumer_new(client->queue, &consumer, &client->replies, err);
	if (!status)
		snprintf(client->reply_to, sizeof(client->reply_to), "%s",
			 sgh_consumer_queue(client->replies));
	if (!status && !sgh_timer_arm(client->timers, &client->tick, sgh_now_ms()))
		status = sgh_fail_memory(err);
	return status;
}

int sangraha_client_new(struct sangraha_context *context, struct sangraha_queue *queue,
			const struct sangraha_client_options *options,
			struct sangraha_client **ret, struct sangraha_error *err)
{
	struct sangraha_client *client;
	int status;

	if (!context || !queue || !ret)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a client needs a context and a queue");
	status = sgh_options_check(options, err);
	if (status)
		return status;
	client = calloc(1, sizeof(*client));
	if (!client)
		return sgh_fail_memory(err);
	init(client, context, queue, options);
	init_probes(client);
	if (client->inline_limit > sgh_budget_limit(context->budget) / 8)
		status =
			sgh_fail(err, SANGRAHA_E_INVALID, 0,
				 "the inline limit, %zu bytes, is over an eighth of the "
				 "memory limit, %zu bytes",
				 client->inline_limit, sgh_budget_limit(context->budget));
	else if (!sgh_strdup(sgh_option(options, store_ca_file, NULL),
			     &client->store_ca_file))
		status = sgh_fail_memory(err);
	else
		status = start(client, options, err);
	if (status) {
		sangraha_client_free(client);
		return status;
	}
	*ret = client;
	return 0;
}

/* Until nothing is called back any more: probes, and results on their way to `done`. */
static void wait_for_callbacks(struct sangraha_client *client)
{
	pthread_mutex_lock(&client->state.lock);
	while (client->state.probes_pending || client->state.completing)
		sgh_cond_wait_until(&client->state.changed, &client->state.lock,
				    SGH_NEVER);
	pthread_mutex_unlock(&client->state.lock);
}

void sangraha_client_free(struct sangraha_client *client)
{
	if (!client)
		return;
	pthread_mutex_lock(&client->state.lock);
	client->state.closing = true;
	pthread_mutex_unlock(&client->state.lock);
	sgh_consumer_free(client->replies);
	sgh_consumer_free(client->events);
	sgh_cache_close(client->cache);
	sgh_uploads_end(client);
	sgh_calls_abort(client);
	wait_for_callbacks(client);
	/* What is freed in the middle of a transfer may still be ending it. */
	sgh_mover_free(sgh_take(client->move.up));
	sgh_mover_free(sgh_take(client->move.down));
	/* After this no timer fires, so nothing is sent any more. */
	sgh_timers_free(client->timers);
	wait_for_callbacks(client);
	while (sangraha_client_dispatch(client))
		;
	/* Nobody asks any more; another client of the context does so soon. */
	for (int i = 0; i < SGH_PROBES; i++)
		sgh_metric_forget(client->state.probes[i].gauge);
	sangraha_queue_unref(client->queue);
	sgh_client_unref(client);
}

const char *sangraha_client_extension(const struct sangraha_client *client,
				      const struct sangraha_object *object)
{
	if (!client || !object)
		return NULL;
	return sgh_types_extension(client->types, sangraha_object_type(object),
				   sangraha_object_content_type(object));
}
