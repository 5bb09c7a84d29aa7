/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "role/client.h"

/* Reads of a client that its cache answers, and how that learns of deletes. */

#define SIZE_DEFAULT (8 << 20)
#define TTL_DEFAULT  10000
#define DELETED      "sangraha.object.deleted"
/* Events are small, and forgotten as soon as they are read. */
#define PREFETCH  256
#define BYTES_MAX (256 << 10)
#define EVENT_MAX (64 << 10)

/* ---- events ---- */

static void deliver(void *arg, struct sgh_delivery *delivery)
{
	struct sangraha_client *client = arg;
	char type[SANGRAHA_TYPE_SIZE];
	char id[SANGRAHA_ID_SIZE];
	struct sangraha_error err;
	int status = sgh_event_subject(delivery->message, type, id, &err);

	sgh_delivery_ack(delivery);
	if (!status) {
		sgh_cache_remove(client->cache, type, id);
		return;
	}
	/* It may have been about anything. */
	sgh_log(client->context, SANGRAHA_LOG_WARN, "orchestrator", "event",
		"an event cannot be read, the cache is emptied: %s", err.message);
	sgh_cache_follow(client->cache, true);
}

static void attached(void *arg, bool is_attached)
{
	struct sangraha_client *client = arg;

	sgh_cache_follow(client->cache, is_attached);
}

/* ---- answers ---- */

/* An answer like a getter's; of a stat, without the bytes. NULL: somebody is to be asked. */
static struct sangraha_result *find(struct sangraha_client *client, enum sgh_verb verb,
				    const char *type, const char *id)
{
	int64_t started_us = sgh_now_us();
	struct sangraha_object *object = NULL;
	struct sangraha_result *result;
	struct sgh_bytes *body = NULL;

	if (!sgh_cache_get(client->cache, type, id, started_us / 1000, &object,
			   verb == SGH_GET ? &body : NULL))
		return NULL;
	result = calloc(1, sizeof(*result));
	if (result)
		result->reply = sgh_reply_new();
	if (!result || !result->reply) {
		free(result);
		sangraha_object_unref(object);
		sgh_bytes_unref(body);
		return NULL;
	}
	result->reply->object = object;
	result->reply->body = body;
	sgh_list_init(&result->link);
	memcpy(result->id, object->id, SANGRAHA_ID_SIZE);
	sgh_tally_begin(&client->tally);
	sgh_tally_end(&client->tally, verb, 0, sgh_now_us() - started_us);
	return result;
}

struct sangraha_result *sangraha_client_cached(struct sangraha_client *client,
					       const char *type, const char *id)
{
	return client && type && id ? find(client, SGH_GET, type, id) : NULL;
}

/*
 * A direct client is told on a thread of the library here too: who submits may hold locks
 * that his `done` takes, and would go ever deeper if that submits again.
 */
static void hand(struct sgh_timer *timer)
{
	struct sangraha_client *client =
		sgh_container_of(timer, struct sangraha_client, hand);

	while (sangraha_client_dispatch(client))
		;
}

static bool is_read(const struct sgh_request *request)
{
	/* A stat without a type asks for an operation. */
	return (request->verb == SGH_GET || request->verb == SGH_STAT) &&
	       request->object_type;
}

int sgh_read_start(struct sangraha_client *client, struct sgh_request *request,
		   unsigned timeout_ms, bool direct, sangraha_done_fn *done, void *arg,
		   struct sangraha_error *err)
{
	struct sangraha_result *result = NULL;

	if (is_read(request)) {
		result = find(client, request->verb, request->object_type,
			      request->object_id);
		if (!result)
			sgh_cache_missed(client->cache);
	}
	if (!result)
		return sgh_call_start(client, request, timeout_ms, direct, done, arg,
				      err);
	sgh_request_free(request);
	result->done = done;
	result->arg = arg;
	sgh_client_complete(client, result, direct);
	if (!direct && client->direct)
		sgh_timer_arm(client->timers, &client->hand, 0);
	return 0;
}

/* ---- the beginning ---- */

int sgh_reads_begin(struct sangraha_client *client,
		    const struct sangraha_client_options *options,
		    struct sangraha_error *err)
{
	size_t limit = sgh_budget_limit(client->context->budget);
	size_t size = sgh_option(options, cache_size, sgh_min(SIZE_DEFAULT, limit / 4));
	unsigned ttl_ms = sgh_option(options, cache_ttl_ms, TTL_DEFAULT);
	struct sgh_consumer_options consumer = {
		.event = DELETED,
		.prefetch = PREFETCH,
		.max_bytes = BYTES_MAX,
		.max_body = EVENT_MAX,
		.deliver = deliver,
		.attached = attached,
		.arg = client,
	};
	int status;

	client->hand.fire = hand;
	if (sgh_option(options, no_cache, 0))
		return 0;
	status = sgh_cache_new(client->context, client->timers, sgh_min(size, limit),
			       ttl_ms, &client->cache, err);
	if (status)
		return status;
	return sgh_consumer_new(client->queue, &consumer, &client->events, err);
}
