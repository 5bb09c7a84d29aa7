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

static enum sgh_cache_want want_of(const struct sgh_request *request)
{
	if (request->verb == SGH_STAT)
		return SGH_WANT_DESCRIPTION;
	if (!request->redirect)
		return SGH_WANT_TICKET;
	return request->download ? SGH_WANT_SAVED : SGH_WANT_SHOWN;
}

/* The ticket as it came. False without memory. */
static bool put_ticket(struct sgh_reply *reply, const struct sgh_cached *found)
{
	struct sgh_ticket *ticket = sgh_arena_alloc(&reply->arena, sizeof(*ticket));
	const char *url = sgh_arena_strdup(&reply->arena, (char *)found->url->data);

	if (!ticket || !url)
		return false;
	*ticket = (struct sgh_ticket){
		.kind = SGH_TICKET_GET,
		.expires_ms = found->expires_ms,
		.urls = { url },
		.url_count = 1,
	};
	reply->ticket = ticket;
	return true;
}

/* An answer like a getter's, which takes what it needs; NULL without memory. */
static struct sangraha_result *answer(struct sgh_cached *found, enum sgh_cache_want want)
{
	struct sangraha_result *result = calloc(1, sizeof(*result));
	struct sgh_reply *reply = result ? sgh_reply_new() : NULL;
	bool bytes = want != SGH_WANT_DESCRIPTION;

	if (!reply || (bytes && found->url && !put_ticket(reply, found))) {
		sgh_reply_free(reply);
		free(result);
		return NULL;
	}
	reply->object = sgh_take(found->object);
	reply->body = bytes ? sgh_take(found->body) : NULL;
	result->reply = reply;
	result->cached = true;
	sgh_list_init(&result->link);
	memcpy(result->id, reply->object->id, SANGRAHA_ID_SIZE);
	return result;
}

/* What the cache answers. NULL: somebody is to be asked. */
static struct sangraha_result *find(struct sangraha_client *client,
				    enum sgh_cache_want want, const char *type,
				    const char *id)
{
	int64_t started_us = sgh_now_us();
	enum sgh_verb verb = want == SGH_WANT_DESCRIPTION ? SGH_STAT : SGH_GET;
	struct sangraha_result *result;
	struct sgh_cached found;

	if (!sgh_cache_get(client->cache, want, type, id, started_us / 1000, &found))
		return NULL;
	result = answer(&found, want);
	sgh_cached_fini(&found);
	if (!result)
		return NULL;
	sgh_tally_begin(&client->tally);
	sgh_tally_end(&client->tally, verb, 0, sgh_now_us() - started_us);
	return result;
}

struct sangraha_result *sangraha_client_cached(struct sangraha_client *client,
					       const char *type, const char *id)
{
	return client && type && id ? find(client, SGH_WANT_BODY, type, id) : NULL;
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

/* Who asks for another ticket does so in the name of whoever reads now. */
static void name_question(struct sgh_reply *reply, const struct sgh_request *request)
{
	reply->request_id = sgh_arena_strdup(&reply->arena, request->request_id);
}

int sgh_read_start(struct sangraha_client *client, struct sgh_request *request,
		   unsigned timeout_ms, bool direct, sangraha_done_fn *done, void *arg,
		   struct sangraha_error *err)
{
	struct sangraha_result *result = NULL;

	if (is_read(request)) {
		result = find(client, want_of(request), request->object_type,
			      request->object_id);
		if (!result)
			sgh_cache_missed(client->cache);
		else if (result->reply->ticket)
			name_question(result->reply, request);
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

/* ---- what is kept ---- */

/* What the answer says of a large object. False when it has no such ticket, or it ended. */
static bool take_ticket(struct sgh_cached *what, const struct sgh_request *request,
			const struct sgh_ticket *ticket)
{
	const char *url = ticket->url_count == 1 ? ticket->urls[0] : NULL;

	what->expires_ms = ticket->expires_ms;
	what->life_ms = ticket->expires_ms - sgh_time_ms();
	what->want = want_of(request);
	if (ticket->kind != SGH_TICKET_GET || !url || what->life_ms <= 0)
		return false;
	what->url = sgh_bytes_copy(url, strlen(url) + 1);
	return what->url;
}

void sgh_read_keep(struct sangraha_client *client, const struct sgh_request *request,
		   uint64_t mark, int64_t asked_ms, const struct sgh_reply *reply)
{
	struct sangraha_object *object = reply->object;
	struct sgh_cached what = { .object = object, .body = reply->body };
	bool whole;

	if (!mark || strcmp(object->type, request->object_type) != 0 ||
	    strcmp(object->id, request->object_id) != 0)
		return;
	if (reply->ticket)
		whole = !reply->body && take_ticket(&what, request, reply->ticket);
	else
		whole = object->size == (reply->body ? reply->body->length : 0);
	if (whole)
		sgh_cache_put(client->cache, mark, asked_ms, &what);
	sgh_bytes_unref(what.url);
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
