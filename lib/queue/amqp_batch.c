/* SPDX-License-Identifier: MIT */
#include "wire/batch.h"

#include <stdlib.h>

#include "base/util.h"
#include "queue/amqp_publishing.h"
#include "queue/amqp_table.h"

/*
 * Small messages that travel together. What a message costs the broker is mostly a matter
 * of being one: a log entry, a delivery, two confirms. So while one that may go in batches
 * is on its way to its confirm, others to the same queue gather, and then go as one message.
 * What comes alone goes alone, at once and as it is, unless it is one of several that were
 * answered together: those wait for each other, a millisecond at most.
 */

#define BATCH_BYTES (64 << 10)
#define META_BYTES  2048 /* of a member, more or less */
#define EXPECT_US   1000 /* after an answer that came with others */
#define TOGETHER_MS 1000 /* between the deadlines of those that share one, the last */

/* A batch is published like any message, and its end is the end of its members. */
struct batch {
	struct sgh_publish publish;
	struct sgh_amqp_publisher *publisher;
	struct sgh_message *message;
	struct sgh_list members;
};

static void batch_free(struct batch *batch)
{
	sgh_message_free(batch->message);
	free(batch);
}

static void batch_done(struct sgh_publish *publish, int status,
		       const struct sangraha_error *err)
{
	struct batch *batch = sgh_container_of(publish, struct batch, publish);
	struct sgh_list *link;

	while ((link = sgh_list_pop(&batch->members)))
		sgh_amqp_done(batch->publisher,
			      sgh_list_entry(link, struct sgh_publish, link), status,
			      err);
	batch_free(batch);
}

static size_t body_length(const struct sgh_publish *publish)
{
	const struct sgh_bytes *body = publish->message->body;

	return body ? body->length : 0;
}

static bool may_join(const struct sgh_publish *publish)
{
	return publish->batch && publish->confirm &&
	       body_length(publish) <= SGH_BATCH_SMALL && publish->size <= META_BYTES;
}

/* ---- ways ---- */

void sgh_amqp_ways_init(struct sgh_amqp_publisher *publisher)
{
	for (size_t i = 0; i < SGH_AMQP_WAYS; i++)
		sgh_list_init(&publisher->ways[i].company);
}

static bool leads(const struct sgh_amqp_way *way, const struct sgh_publish *publish)
{
	return strcmp(way->routing_key, publish->routing_key) == 0 &&
	       strcmp(way->exchange, publish->exchange) == 0;
}

/* Whether it does better for another queue: of a used one something may be expected yet. */
static bool is_freer(const struct sgh_amqp_way *way, const struct sgh_amqp_way *than)
{
	return !way->out && sgh_list_empty(&way->company) &&
	       (!than || (*than->routing_key && !*way->routing_key));
}

/* Its way; one that nobody uses becomes it. NULL: there is none, so it goes alone. */
static struct sgh_amqp_way *way_of(struct sgh_amqp_publisher *publisher,
				   const struct sgh_publish *publish)
{
	struct sgh_amqp_way *unused = NULL;

	for (size_t i = 0; i < SGH_AMQP_WAYS; i++) {
		struct sgh_amqp_way *way = &publisher->ways[i];

		if (leads(way, publish))
			return way;
		if (is_freer(way, unused))
			unused = way;
	}
	if (!unused)
		return NULL;
	strcpy(unused->exchange, publish->exchange);
	strcpy(unused->routing_key, publish->routing_key);
	unused->expected = 0;
	return unused;
}

void sgh_amqp_sort(struct sgh_amqp_publisher *publisher, struct sgh_list *submitted)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(submitted))) {
		struct sgh_publish *publish =
			sgh_list_entry(link, struct sgh_publish, link);
		struct sgh_amqp_way *way =
			may_join(publish) ? way_of(publisher, publish) : NULL;

		sgh_list_append(way ? &way->company : &publisher->waiting, link);
	}
}

void sgh_amqp_disband(struct sgh_amqp_publisher *publisher)
{
	for (size_t i = 0; i < SGH_AMQP_WAYS; i++)
		sgh_list_splice(&publisher->waiting, &publisher->ways[i].company);
}

/* ---- company ---- */

void sgh_amqp_expect(struct sgh_amqp_publisher *publisher,
		     const struct sgh_amqp_expected *expected)
{
	for (size_t i = 0; expected->count && i < SGH_AMQP_WAYS; i++) {
		struct sgh_amqp_way *way = &publisher->ways[i];

		if (*way->exchange || strcmp(way->routing_key, expected->queue_name))
			continue;
		way->expected += expected->count;
		/* Who waits already does so no longer: there may be answers without end. */
		if (way->out || sgh_list_empty(&way->company))
			way->until_us = expected->told_us + EXPECT_US;
	}
}

/* Whether there are so many, or as much as a batch takes. */
static bool has(const struct sgh_list *list, size_t count)
{
	size_t bytes = 0;

	sgh_list_for_each (link, list) {
		bytes += body_length(sgh_list_entry(link, struct sgh_publish, link));
		if (!--count || bytes >= BATCH_BYTES)
			return true;
	}
	return false;
}

/* Whether more may come that were answered together with those that are here. */
static bool expects(struct sgh_amqp_way *way, int64_t now_us)
{
	size_t most = sgh_min(way->expected, SGH_BATCH_MEMBERS_MAX);

	if (most && now_us < way->until_us && !has(&way->company, most))
		return true;
	way->expected = 0;
	return false;
}

/* ---- batches ---- */

static bool go_together(const struct sgh_publish *a, const struct sgh_publish *b)
{
	return a->mandatory == b->mandatory &&
	       a->message->persistent == b->message->persistent &&
	       b->deadline_ms - a->deadline_ms < TOGETHER_MS &&
	       a->deadline_ms - b->deadline_ms < TOGETHER_MS;
}

/* Move what goes with the first of them into the batch; without memory fewer. */
static void collect(struct sgh_amqp_way *way, struct batch *batch, struct sgh_buf *buf)
{
	struct sgh_publish *first = NULL;
	unsigned count = 0;

	sgh_list_for_each_safe (link, &way->company) {
		struct sgh_publish *publish =
			sgh_list_entry(link, struct sgh_publish, link);

		first = first ? first : publish;
		if (count == SGH_BATCH_MEMBERS_MAX ||
		    buf->length + body_length(publish) > BATCH_BYTES)
			break;
		if (!go_together(first, publish))
			continue;
		sgh_batch_add(buf, publish->message);
		if (buf->failed)
			break;
		sgh_list_remove(link);
		sgh_list_append(&batch->members, link);
		if (publish->deadline_ms > batch->publish.deadline_ms)
			batch->publish.deadline_ms = publish->deadline_ms;
		count++;
	}
}

/* Whether the list has one member, or none. */
static bool alone(const struct sgh_list *list)
{
	return list->next->next == list;
}

static struct batch *batch_new(struct sgh_amqp_publisher *publisher,
			       struct sgh_amqp_way *way, const struct sgh_publish *first)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(SGH_BATCH_BODY_MAX);
	struct batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return NULL;
	sgh_list_init(&batch->members);
	batch->publisher = publisher;
	batch->publish = *first;
	batch->publish.done = batch_done;
	collect(way, batch, &buf);
	if (!alone(&batch->members))
		batch->message = sgh_batch_message(&buf, first->message->persistent);
	batch->publish.message = batch->message;
	if (batch->message) {
		batch->publish.size = sgh_amqp_properties_size(batch->message);
		return batch;
	}
	sgh_list_splice(&way->company, &batch->members);
	batch_free(batch);
	return NULL;
}

static void gather(struct sgh_amqp_publisher *publisher, struct sgh_amqp_way *way)
{
	struct batch *batch = NULL;
	struct sgh_publish *publish;

	publish = sgh_list_entry(way->company.next, struct sgh_publish, link);
	if (!alone(&way->company))
		batch = batch_new(publisher, way, publish);
	if (batch) {
		pthread_mutex_lock(&publisher->s.lock);
		publisher->s.in_hand++;
		pthread_mutex_unlock(&publisher->s.lock);
		publish = &batch->publish;
	} else {
		sgh_list_remove(&publish->link);
	}
	publish->way = way;
	way->out = true;
	sgh_list_append(publisher->waiting.next, &publish->link);
}

bool sgh_amqp_gather(struct sgh_amqp_publisher *publisher, int64_t now_us)
{
	bool expected = false;

	for (size_t i = 0; i < SGH_AMQP_WAYS; i++) {
		struct sgh_amqp_way *way = &publisher->ways[i];

		if (way->out || sgh_list_empty(&way->company))
			continue;
		if (expects(way, now_us))
			expected = true;
		else
			gather(publisher, way);
	}
	return expected;
}
