/* SPDX-License-Identifier: MIT */
#include "support/memory_broker.h"

#include <sangraha/queue.h>

#include "base/thread.h"
#include "support/t.h"

#define WRITE SANGRAHA_WRITE_QUEUE
#define READ  SANGRAHA_READ_QUEUE
#define DLX   SANGRAHA_DEAD_LETTER_EXCHANGE

static const struct {
	const char *name;
	const char *exchange; /* bound there under its own name */
	const char *dead_letter_exchange;
	const char *dead_letter_key;
	unsigned ttl_s;
	bool quorum; /* when the write queue is */
} topology[] = {
	{ WRITE, NULL, DLX, WRITE ".dlq", 0, true },
	{ READ, NULL, DLX, READ ".dlq", 0, false },
	{ WRITE ".dlq", DLX, NULL, NULL, 0, true },
	{ READ ".dlq", DLX, NULL, NULL, 0, false },
	{ WRITE ".delay.1s", NULL, "", WRITE, 1, true },
	{ WRITE ".delay.5s", NULL, "", WRITE, 5, true },
	{ WRITE ".delay.15s", NULL, "", WRITE, 15, true },
	{ WRITE ".delay.60s", NULL, "", WRITE, 60, true },
	{ WRITE ".delay.300s", NULL, "", WRITE, 300, true },
	{ SANGRAHA_RESPONSE_QUEUE, NULL, NULL, NULL, 86400, false },
};

/* ---- messages ---- */

static const char *copy_text(struct sgh_message *copy, const char *text)
{
	return text ? sgh_arena_strdup(&copy->arena, text) : NULL;
}

static struct sgh_bytes *copy_body(struct sgh_bytes *body, struct sgh_budget *budget)
{
	struct sgh_bytes *copy;

	if (!body || !body->length)
		return NULL;
	if (!budget)
		return sgh_bytes_ref(body);
	sgh_budget_force(budget, body->length);
	copy = sgh_bytes_new(budget, body->length);
	sgh_bytes_append(copy, body->data, body->length);
	return copy;
}

struct sgh_message *memory_message_copy(const struct sgh_message *message,
					struct sgh_budget *budget)
{
	struct sgh_message *copy = sgh_message_new();

	copy->arena.max = 2 * SGH_HEADER_BYTES_MAX;
	copy->type = copy_text(copy, message->type);
	copy->content_type = copy_text(copy, message->content_type);
	copy->message_id = copy_text(copy, message->message_id);
	copy->correlation_id = copy_text(copy, message->correlation_id);
	copy->reply_to = copy_text(copy, message->reply_to);
	copy->app_id = copy_text(copy, message->app_id);
	copy->timestamp = message->timestamp;
	copy->persistent = message->persistent;
	copy->cut = message->cut;
	copy->header_count = message->header_count;
	for (size_t i = 0; i < message->header_count; i++) {
		copy->headers[i] = message->headers[i];
		copy->headers[i].name = copy_text(copy, message->headers[i].name);
		copy->headers[i].text = copy_text(copy, message->headers[i].text);
	}
	copy->body = copy_body(message->body, budget);
	return copy;
}

void memory_item_free(struct memory_item *item)
{
	sgh_message_free(item->message);
	free(item);
}

/* ---- queues ---- */

struct memory_bin *memory_bin_locked(struct memory_broker *broker, const char *name)
{
	sgh_list_for_each (link, &broker->bins) {
		struct memory_bin *bin = sgh_list_entry(link, struct memory_bin, link);

		if (strcmp(bin->name, name) == 0)
			return bin;
	}
	return NULL;
}

struct memory_bin *memory_declare_locked(struct memory_broker *broker, const char *name,
					 bool quorum)
{
	struct memory_bin *bin = memory_bin_locked(broker, name);

	if (bin)
		return bin;
	bin = calloc(1, sizeof(*bin));
	bin->name = strdup(name);
	bin->quorum = quorum;
	sgh_list_init(&bin->items);
	sgh_list_append(&broker->bins, &bin->link);
	return bin;
}

void memory_bin_free_locked(struct memory_bin *bin)
{
	struct sgh_list *link;

	sgh_list_remove(&bin->link);
	while ((link = sgh_list_pop(&bin->items)))
		memory_item_free(sgh_list_entry(link, struct memory_item, link));
	free(bin->name);
	free(bin->exchange);
	free(bin->key);
	free(bin);
}

void memory_bind_locked(struct memory_bin *bin, const char *exchange, const char *key)
{
	free(bin->exchange);
	free(bin->key);
	bin->exchange = strdup(exchange);
	bin->key = key ? strdup(key) : NULL;
}

static void add_locked(struct memory_broker *broker, struct memory_bin *bin,
		       const struct sgh_message *message)
{
	struct memory_item *item = calloc(1, sizeof(*item));
	int64_t ttl_ms = bin->ttl_ms / broker->speed;

	item->message = memory_message_copy(message, NULL);
	item->expires_ms = bin->ttl_ms ? sgh_now_ms() + (ttl_ms ? ttl_ms : 1) : 0;
	item->number = ++broker->numbers;
	sgh_list_append(&bin->items, &item->link);
	bin->count++;
}

bool memory_exchange(const char *name)
{
	return !*name || strcmp(name, DLX) == 0 ||
	       strcmp(name, SANGRAHA_EVENT_EXCHANGE) == 0;
}

static bool takes(const struct memory_bin *bin, const char *exchange, const char *key)
{
	if (!*exchange)
		return strcmp(bin->name, key) == 0;
	return sgh_streq(bin->exchange, exchange) &&
	       (!bin->key || strcmp(bin->key, key) == 0);
}

unsigned memory_route_locked(struct memory_broker *broker, const char *exchange,
			     const char *key, const struct sgh_message *message)
{
	unsigned taken = 0;

	sgh_list_for_each (link, &broker->bins) {
		struct memory_bin *bin = sgh_list_entry(link, struct memory_bin, link);

		if (!takes(bin, exchange, key))
			continue;
		add_locked(broker, bin, message);
		taken++;
	}
	pthread_cond_broadcast(&broker->changed);
	return taken;
}

void memory_requeue_locked(struct memory_bin *bin, struct memory_item *item)
{
	struct sgh_list *after = bin->items.next;

	item->redelivered = true;
	item->deliveries++;
	while (after != &bin->items &&
	       sgh_list_entry(after, struct memory_item, link)->number < item->number)
		after = after->next;
	sgh_list_append(after, &item->link);
	bin->count++;
}

/* A real broker tells where a dead letter came from, and ends circles by that. */
static bool goes_round(const struct memory_bin *bin, const struct sgh_message *message,
		       const char *reason)
{
	return strcmp(reason, "expired") == 0 &&
	       sgh_streq(sgh_message_text(message, "x-first-death-queue"), bin->name);
}

void memory_reject_locked(struct memory_broker *broker, struct memory_bin *bin,
			  struct memory_item *item, const char *reason)
{
	struct sgh_message *message = item->message;

	if (goes_round(bin, message, reason)) {
		broker->dropped++;
	} else if (bin->dead_letter_exchange) {
		if (!sgh_message_header(message, "x-first-death-queue")) {
			sgh_message_add_text(message, "x-first-death-queue", bin->name);
			sgh_message_add_text(message, "x-first-death-reason", reason);
		}
		memory_route_locked(broker, bin->dead_letter_exchange,
				    bin->dead_letter_key, message);
	}
	memory_item_free(item);
}

/* As in a real one, only what is first in its queue expires. */
static int64_t expire_bin_locked(struct memory_broker *broker, struct memory_bin *bin)
{
	while (!sgh_list_empty(&bin->items)) {
		struct memory_item *item =
			sgh_list_entry(bin->items.next, struct memory_item, link);

		if (!item->expires_ms)
			return SGH_NEVER;
		if (item->expires_ms > sgh_now_ms())
			return item->expires_ms;
		sgh_list_remove(&item->link);
		bin->count--;
		memory_reject_locked(broker, bin, item, "expired");
	}
	return SGH_NEVER;
}

int64_t memory_expire_locked(struct memory_broker *broker)
{
	int64_t next = SGH_NEVER;

	sgh_list_for_each (link, &broker->bins) {
		int64_t at = expire_bin_locked(
			broker, sgh_list_entry(link, struct memory_bin, link));

		if (at < next)
			next = at;
	}
	return next;
}

/* ---- the broker ---- */

struct memory_broker *memory_broker_new(bool quorum, unsigned speed)
{
	struct memory_broker *broker = calloc(1, sizeof(*broker));

	assert_non_null(broker);
	broker->refs = 1;
	broker->speed = speed;
	broker->quorum = quorum;
	pthread_mutex_init(&broker->lock, NULL);
	sgh_cond_init(&broker->changed);
	sgh_list_init(&broker->bins);
	for (size_t i = 0; i < SGH_COUNT(topology); i++) {
		struct memory_bin *bin = memory_declare_locked(
			broker, topology[i].name, quorum && topology[i].quorum);

		bin->dead_letter_exchange = topology[i].dead_letter_exchange;
		bin->dead_letter_key = topology[i].dead_letter_key;
		bin->ttl_ms = topology[i].ttl_s * 1000;
		if (topology[i].exchange) {
			bin->exchange = strdup(topology[i].exchange);
			bin->key = strdup(topology[i].name);
		}
	}
	return broker;
}

struct memory_broker *memory_broker_ref(struct memory_broker *broker)
{
	__atomic_add_fetch(&broker->refs, 1, __ATOMIC_RELAXED);
	return broker;
}

void memory_broker_unref(struct memory_broker *broker)
{
	if (!broker || __atomic_sub_fetch(&broker->refs, 1, __ATOMIC_ACQ_REL))
		return;
	while (!sgh_list_empty(&broker->bins))
		memory_bin_free_locked(
			sgh_list_entry(broker->bins.next, struct memory_bin, link));
	pthread_cond_destroy(&broker->changed);
	pthread_mutex_destroy(&broker->lock);
	free(broker);
}

/* ---- behind its back ---- */

void memory_broker_declare(struct memory_broker *broker, const char *queue,
			   const char *exchange, const char *key)
{
	struct memory_bin *bin;

	pthread_mutex_lock(&broker->lock);
	bin = memory_declare_locked(broker, queue, false);
	if (exchange)
		memory_bind_locked(bin, exchange, key);
	pthread_mutex_unlock(&broker->lock);
}

void memory_broker_delete(struct memory_broker *broker, const char *queue)
{
	struct memory_bin *bin;

	pthread_mutex_lock(&broker->lock);
	bin = memory_bin_locked(broker, queue);
	if (bin)
		memory_bin_free_locked(bin);
	pthread_mutex_unlock(&broker->lock);
}

int memory_broker_count(struct memory_broker *broker, const char *queue)
{
	struct memory_bin *bin;
	int count;

	pthread_mutex_lock(&broker->lock);
	bin = memory_bin_locked(broker, queue);
	count = bin ? (int)bin->count : -1;
	pthread_mutex_unlock(&broker->lock);
	return count;
}

unsigned memory_broker_consumers(struct memory_broker *broker, const char *queue)
{
	struct memory_bin *bin;
	unsigned consumers;

	pthread_mutex_lock(&broker->lock);
	bin = memory_bin_locked(broker, queue);
	consumers = bin ? bin->consumers : 0;
	pthread_mutex_unlock(&broker->lock);
	return consumers;
}

struct sgh_message *memory_broker_take(struct memory_broker *broker, const char *queue)
{
	struct memory_item *item;
	struct memory_bin *bin;
	struct sgh_message *message;

	t_wait(memory_broker_count(broker, queue) > 0);
	pthread_mutex_lock(&broker->lock);
	bin = memory_bin_locked(broker, queue);
	item = sgh_list_entry(sgh_list_pop(&bin->items), struct memory_item, link);
	bin->count--;
	message = sgh_take(item->message);
	memory_item_free(item);
	pthread_mutex_unlock(&broker->lock);
	return message;
}

static struct memory_item *put_locked(struct memory_broker *broker, const char *queue,
				      const struct sgh_message *message)
{
	assert_int_equal(memory_route_locked(broker, "", queue, message), 1);
	return sgh_list_entry(memory_bin_locked(broker, queue)->items.prev,
			      struct memory_item, link);
}

static void put(struct memory_broker *broker, const char *queue,
		struct sgh_message *message, unsigned deliveries, bool batched)
{
	struct memory_item *item;

	pthread_mutex_lock(&broker->lock);
	item = put_locked(broker, queue, message);
	item->deliveries = deliveries;
	item->redelivered = deliveries > 0;
	item->batched = batched;
	pthread_mutex_unlock(&broker->lock);
	sgh_message_free(message);
}

void memory_broker_put_batch(struct memory_broker *broker, const char *queue,
			     struct sgh_message **messages, size_t count)
{
	pthread_mutex_lock(&broker->lock);
	for (size_t i = 0; i < count; i++) {
		struct memory_item *item = put_locked(broker, queue, messages[i]);

		item->batched = true;
		item->goes_on = i + 1 < count;
	}
	pthread_mutex_unlock(&broker->lock);
	for (size_t i = 0; i < count; i++)
		sgh_message_free(messages[i]);
}

void memory_broker_put(struct memory_broker *broker, const char *queue,
		       struct sgh_message *message)
{
	put(broker, queue, message, 0, false);
}

void memory_broker_put_again(struct memory_broker *broker, const char *queue,
			     struct sgh_message *message, unsigned deliveries)
{
	put(broker, queue, message, deliveries, false);
}

void memory_broker_put_batched(struct memory_broker *broker, const char *queue,
			       struct sgh_message *message, unsigned deliveries)
{
	put(broker, queue, message, deliveries, true);
}

static unsigned number(struct memory_broker *broker, const unsigned *counted)
{
	unsigned count;

	pthread_mutex_lock(&broker->lock);
	count = *counted;
	pthread_mutex_unlock(&broker->lock);
	return count;
}

unsigned memory_broker_company(struct memory_broker *broker)
{
	return number(broker, &broker->company);
}

unsigned memory_broker_held(struct memory_broker *broker)
{
	return number(broker, &broker->held);
}

unsigned memory_broker_expected(struct memory_broker *broker)
{
	return number(broker, &broker->expected);
}

unsigned memory_broker_dropped(struct memory_broker *broker)
{
	unsigned dropped;

	pthread_mutex_lock(&broker->lock);
	dropped = broker->dropped;
	pthread_mutex_unlock(&broker->lock);
	return dropped;
}
