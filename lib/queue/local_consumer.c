/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/id.h"
#include "base/thread.h"
#include "queue/local_broker.h"
#include "wire/message_bytes.h"

#define MEMORY_AGAIN_MS 100
#define READ_AGAIN_MS   1000

static void consumer_unref(struct sgh_local_consumer *consumer)
{
	struct sgh_local_handle *handle = consumer->handle;

	if (__atomic_sub_fetch(&consumer->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free(consumer->name);
	free(consumer);
	sgh_local_handle_unhold(handle);
}

/* ---- attaching ---- */

static void attach_locked(struct sgh_local_consumer *consumer)
{
	struct sgh_local_queue *queue = consumer->queue;

	if (queue || consumer->paused || consumer->freed)
		return;
	queue = sgh_local_queue_find_locked(consumer->handle->local, consumer->name);
	if (!queue)
		return;
	consumer->queue = queue;
	queue->consumers++;
	queue->prefetch += consumer->base.options.prefetch;
	queue->lets_go = false;
	consumer->handle->local->busy = true;
}

static void detach_locked(struct sgh_local_consumer *consumer)
{
	struct sgh_local_queue *queue = sgh_take(consumer->queue);

	if (!queue)
		return;
	queue->consumers--;
	queue->prefetch -= consumer->base.options.prefetch;
	queue->lets_go = !queue->consumers;
}

/* ---- from any thread ---- */

static struct sgh_local_queue *own_queue_new(const char *name, const char *event)
{
	struct sgh_local_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	sgh_local_queue_init(queue, &sgh_local_own_row);
	queue->event = event;
	if (sgh_strdup(name, &queue->name))
		return queue;
	free(queue);
	return NULL;
}

static int name_queue(struct sgh_local_consumer *consumer,
		      const struct sgh_consumer_options *options)
{
	char id[SANGRAHA_ID_SIZE];

	if (options->queue)
		return sgh_strdup(options->queue, &consumer->name) ? 0 : -1;
	sgh_id_random(id);
	consumer->own = true;
	if (asprintf(&consumer->name, "%s.%s",
		     options->event ? SGH_EVENT_QUEUE : SANGRAHA_RESPONSE_QUEUE, id) < 0)
		consumer->name = NULL;
	return consumer->name ? 0 : -1;
}

static int add_consumer(struct sgh_local_consumer *consumer, struct sgh_local_queue *own,
			struct sangraha_error *err)
{
	struct sgh_local_handle *handle = consumer->handle;
	struct sgh_local *local = handle->local;
	int rc = 0;

	pthread_mutex_lock(&local->lock);
	if (handle->consumers >= SGH_LOCAL_CONSUMERS_MAX) {
		rc = sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
			      "more than %d consumers on one queue handle",
			      SGH_LOCAL_CONSUMERS_MAX);
	} else {
		handle->consumers++;
		sgh_list_append(&local->consumers, &consumer->link);
		if (own)
			sgh_list_append(&local->own, &own->link);
		sgh_local_wake_locked(local);
	}
	pthread_mutex_unlock(&local->lock);
	return rc;
}

int sgh_local_consumer_new(struct sangraha_queue *base,
			   const struct sgh_consumer_options *options,
			   struct sgh_consumer **ret, struct sangraha_error *err)
{
	struct sgh_local_handle *handle = sgh_local_handle_of(base);
	struct sgh_local_consumer *consumer = calloc(1, sizeof(*consumer));
	struct sgh_local_queue *own = NULL;
	int rc = 0;

	if (!consumer || name_queue(consumer, options)) {
		free(consumer);
		return sgh_fail_memory(err);
	}
	consumer->base = (struct sgh_consumer){ .queue = base, .options = *options };
	consumer->base.options.queue = consumer->name;
	consumer->refs = 1;
	consumer->handle = handle;
	__atomic_add_fetch(&handle->holds, 1, __ATOMIC_RELAXED);
	if (consumer->own && !(own = own_queue_new(consumer->name, options->event)))
		rc = sgh_fail_memory(err);
	if (!rc)
		rc = add_consumer(consumer, own, err);
	if (rc) {
		if (own)
			free(own->name);
		free(own);
		consumer_unref(consumer);
		return rc;
	}
	*ret = &consumer->base;
	return 0;
}

const char *sgh_local_consumer_queue(const struct sgh_consumer *base)
{
	return sgh_local_consumer_of(base)->name;
}

bool sgh_local_consumer_attached(const struct sgh_consumer *base)
{
	struct sgh_local_consumer *consumer = sgh_local_consumer_of(base);
	struct sgh_local *local = consumer->handle->local;
	bool attached;

	pthread_mutex_lock(&local->lock);
	attached = consumer->told && consumer->queue;
	pthread_mutex_unlock(&local->lock);
	return attached;
}

void sgh_local_consumer_pause(struct sgh_consumer *base, bool paused)
{
	struct sgh_local_consumer *consumer = sgh_local_consumer_of(base);
	struct sgh_local *local = consumer->handle->local;

	pthread_mutex_lock(&local->lock);
	consumer->paused = paused;
	if (paused)
		detach_locked(consumer);
	sgh_local_wake_locked(local);
	pthread_mutex_unlock(&local->lock);
}

/* The queue of its own goes with it: nobody else waits for what would still come. */
static void remove_own_locked(struct sgh_local *local, const char *name)
{
	struct sgh_local_queue *queue = sgh_local_queue_find_locked(local, name);

	if (!queue)
		return;
	sgh_list_for_each (link, &local->consumers) {
		struct sgh_local_consumer *other =
			sgh_list_entry(link, struct sgh_local_consumer, link);

		if (other->queue == queue)
			other->queue = NULL;
	}
	sgh_local_queue_remove_locked(local, queue);
}

void sgh_local_consumer_free(struct sgh_consumer *base)
{
	struct sgh_local_consumer *consumer = sgh_local_consumer_of(base);
	struct sgh_local_handle *handle = consumer->handle;
	struct sgh_local *local = handle->local;

	pthread_mutex_lock(&local->lock);
	consumer->freed = true;
	while (consumer->calling)
		sgh_cond_wait_until(&local->changed, &local->lock, SGH_NEVER);
	detach_locked(consumer);
	sgh_list_remove(&consumer->link);
	handle->consumers--;
	if (consumer->own)
		remove_own_locked(local, consumer->name);
	sgh_local_wake_locked(local);
	pthread_mutex_unlock(&local->lock);
	consumer_unref(consumer);
}

/* ---- settling ---- */

/* Out of hand: the message, or NULL when it is somebody else's by now. */
static struct sgh_local_item *leave_locked(struct sgh_local_delivery *delivery)
{
	struct sgh_local_consumer *consumer =
		sgh_local_consumer_of(delivery->base.consumer);
	struct sgh_local_item *item = sgh_take(delivery->item);

	sgh_list_remove(&delivery->base.link);
	consumer->in_hand--;
	consumer->bytes -= delivery->bytes;
	delivery->bytes = 0;
	if (item && item->durable)
		item->queue->in_hand--;
	return item;
}

static void go_back_locked(struct sgh_local_item *item)
{
	item->redelivered = true;
	item->deliveries += !item->queue->row->bound;
	if (item->alone) {
		item->alone = false;
		item->queue->alone--;
	}
	sgh_local_queue_put_back_locked(item);
}

void sgh_local_shed(struct sgh_delivery *base)
{
	struct sgh_local_delivery *delivery =
		sgh_container_of(base, struct sgh_local_delivery, base);
	struct sgh_local_consumer *consumer = sgh_local_consumer_of(base->consumer);
	struct sgh_local *local = consumer->handle->local;

	pthread_mutex_lock(&local->lock);
	consumer->bytes -= delivery->bytes;
	delivery->bytes = 0;
	sgh_local_wake_locked(local);
	pthread_mutex_unlock(&local->lock);
}

void sgh_local_settle(struct sgh_delivery *base, int verdict)
{
	struct sgh_local_delivery *delivery =
		sgh_container_of(base, struct sgh_local_delivery, base);
	struct sgh_local_consumer *consumer = sgh_local_consumer_of(base->consumer);
	struct sgh_local *local = consumer->handle->local;
	struct sgh_local_item *item = NULL;

	/* Whoever is told of the memory may call us. */
	sgh_message_free(sgh_take(base->message));
	pthread_mutex_lock(&local->lock);
	if (delivery->item)
		item = leave_locked(delivery);
	if (item && verdict == SGH_SETTLE_RETURN)
		go_back_locked(item);
	else if (item && verdict == SGH_SETTLE_REJECT)
		sgh_local_bury_locked(local, item);
	else if (item)
		sgh_local_erase_locked(local, item);
	sgh_local_wake_locked(local);
	pthread_mutex_unlock(&local->lock);
	SGH_FAIL_POINT("local.settled");
	free(delivery);
	consumer_unref(consumer);
}

void sgh_local_give_back_locked(struct sgh_local *local, struct sgh_local_handle *handle)
{
	struct sgh_list *link = local->deliveries.prev, *before;

	/* The last first, so that each finds its place at once. */
	for (; link != &local->deliveries; link = before) {
		struct sgh_local_delivery *delivery =
			sgh_list_entry(link, struct sgh_local_delivery, base.link);

		before = link->prev;
		if (sgh_local_consumer_of(delivery->base.consumer)->handle == handle)
			go_back_locked(leave_locked(delivery));
	}
}

/* ---- delivering ---- */

/* Between these two no lock is held, and sgh_local_consumer_free() waits. */
static void call_begin_locked(struct sgh_local_consumer *consumer)
{
	consumer->calling = true;
	__atomic_add_fetch(&consumer->refs, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&consumer->handle->local->lock);
}

static void call_end(struct sgh_local_consumer *consumer)
{
	struct sgh_local *local = consumer->handle->local;
	bool freed;

	pthread_mutex_lock(&local->lock);
	consumer->calling = false;
	freed = consumer->freed;
	pthread_mutex_unlock(&local->lock);
	/* The thread has a hold of its own on `local`. */
	consumer_unref(consumer);
	pthread_mutex_lock(&local->lock);
	if (freed)
		pthread_cond_broadcast(&local->changed);
}

static bool has_room(const struct sgh_local_consumer *consumer)
{
	const struct sgh_consumer_options *options = &consumer->base.options;

	return consumer->in_hand < options->prefetch &&
	       (!consumer->bytes || consumer->bytes < options->max_bytes);
}

/* What to deliver next, which stays in its queue. */
static struct sgh_local_item *next_locked(struct sgh_local_consumer *consumer,
					  int64_t *next_ms)
{
	struct sgh_local_queue *queue = consumer->queue;
	struct sgh_local *local = consumer->handle->local;
	struct sgh_local_item *item;

	if (!has_room(consumer))
		return NULL;
	item = sgh_local_queue_first_locked(queue);
	if (!item || !item->durable)
		return item;
	if (!item->body && item->size && sgh_now_ms() < queue->read_again_ms) {
		if (queue->read_again_ms < *next_ms)
			*next_ms = queue->read_again_ms;
		return NULL;
	}
	/* One that is suspected of killing us goes when nobody else could be blamed. */
	if (queue->alone || (sgh_local_queue_suspects(item) && queue->in_hand))
		return NULL;
	if (local->leaving >= SGH_LOCAL_LEAVING_MAX ||
	    !sgh_local_queue_mark_locked(local, queue))
		return NULL;
	return item;
}

static struct sgh_local_delivery *take_locked(struct sgh_local_consumer *consumer,
					      struct sgh_local_item *item)
{
	struct sgh_local_delivery *delivery = calloc(1, sizeof(*delivery));

	if (!delivery)
		return NULL;
	sgh_local_queue_take_locked(item);
	delivery->item = item;
	delivery->base.consumer = &consumer->base;
	delivery->base.redelivered = item->redelivered;
	delivery->base.delivery_count = item->deliveries;
	delivery->base.announced = item->size;
	delivery->base.oversize = item->size > consumer->base.options.max_body;
	delivery->bytes = delivery->base.oversize ? 0 : item->size;
	sgh_list_append(&consumer->handle->local->deliveries, &delivery->base.link);
	consumer->in_hand++;
	consumer->bytes += delivery->bytes;
	__atomic_add_fetch(&consumer->refs, 1, __ATOMIC_RELAXED);
	if (item->durable) {
		item->queue->in_hand++;
		item->alone = sgh_local_queue_suspects(item);
		item->queue->alone += item->alone;
	}
	return delivery;
}

/* The message as the consumer gets it; the thread's own work, without the lock. */
static int fill(struct sgh_local *local, struct sgh_local_delivery *delivery,
		struct sgh_local_item *item, struct sangraha_error *err)
{
	const struct sgh_header *died;
	struct sgh_message *message = NULL;
	int rc = sgh_message_read(item->meta, item->meta_length, &message, err);

	if (rc)
		return rc;
	delivery->base.message = message;
	died = sgh_message_header(message, SGH_LOCAL_DEATH_TIME);
	delivery->base.died_ms = died ? died->number : 0;
	delivery->base.died_of = sgh_message_text(message, "x-first-death-reason");
	if (!item->durable && !delivery->base.oversize)
		message->body = sgh_bytes_ref(item->body);
	else if (item->durable && item->body)
		message->body = sgh_take(item->body);
	else if (item->durable && item->size && !delivery->base.oversize)
		rc = sgh_local_journal_body(local, item->id, item->size, &message->body,
					    err);
	if (delivery->base.oversize)
		sgh_bytes_unref(sgh_take(message->body));
	return rc;
}

/* It could not be read: aside with it when that is for good. */
static void not_filled(struct sgh_local_consumer *consumer,
		       struct sgh_local_delivery *delivery, int status,
		       const struct sangraha_error *err)
{
	struct sgh_local *local = consumer->handle->local;
	struct sgh_local_item *item;
	int64_t id = 0;

	sgh_message_free(sgh_take(delivery->base.message));
	pthread_mutex_lock(&local->lock);
	item = delivery->item ? leave_locked(delivery) : NULL;
	if (item)
		id = item->id;
	if (item && status == SANGRAHA_E_INTERNAL) {
		sgh_local_put_aside_locked(local, item);
	} else if (item) {
		item->queue->read_again_ms = sgh_now_ms() + READ_AGAIN_MS;
		if (item->alone)
			item->queue->alone--;
		item->alone = false;
		sgh_local_queue_put_back_locked(item);
	}
	pthread_mutex_unlock(&local->lock);
	sgh_log(local->context, SANGRAHA_LOG_ERROR, "queue", "damaged",
		"message %lld of %s %s: %s", (long long)id, consumer->name,
		status == SANGRAHA_E_INTERNAL ? "is put aside" : "cannot be read now",
		err->message);
	free(delivery);
	consumer_unref(consumer);
}

/* The item stays while the thread is here, even if its queue and `delivery` lose it. */
static void deliver_locked(struct sgh_local *local, struct sgh_local_consumer *consumer,
			   struct sgh_local_delivery *delivery,
			   struct sgh_local_item *item)
{
	const struct sgh_consumer_options *options = &consumer->base.options;
	struct sangraha_error err = { 0 };
	int rc;

	call_begin_locked(consumer);
	rc = fill(local, delivery, item, &err);
	if (rc) {
		not_filled(consumer, delivery, rc, &err);
	} else {
		SGH_FAIL_POINT("local.filled");
		options->deliver(options->arg, &delivery->base);
	}
	call_end(consumer);
}

/* Tell a consumer whether it is attached; false when it knows. */
static bool tell_locked(struct sgh_local *local, struct sgh_local_consumer *consumer)
{
	const struct sgh_consumer_options *options = &consumer->base.options;
	bool attached = consumer->queue != NULL;

	if (attached == consumer->told)
		return false;
	if (attached && !sgh_local_queue_mark_locked(local, consumer->queue))
		return false;
	consumer->told = attached;
	if (options->attached) {
		call_begin_locked(consumer);
		options->attached(options->arg, attached);
		call_end(consumer);
	}
	return true;
}

bool sgh_local_serve_locked(struct sgh_local *local, int64_t *next_ms)
{
	sgh_list_for_each (link, &local->consumers) {
		struct sgh_local_consumer *consumer =
			sgh_list_entry(link, struct sgh_local_consumer, link);
		struct sgh_local_delivery *delivery;
		struct sgh_local_item *item;

		if (consumer->freed)
			continue;
		attach_locked(consumer);
		if (tell_locked(local, consumer))
			return true;
		item = consumer->told && consumer->queue ? next_locked(consumer, next_ms)
							 : NULL;
		if (!item)
			continue;
		delivery = take_locked(consumer, item);
		if (!delivery) {
			*next_ms = sgh_now_ms() + MEMORY_AGAIN_MS;
			return false;
		}
		/* Whoever was served goes to the end of the line. */
		sgh_list_remove(&consumer->link);
		sgh_list_append(&local->consumers, &consumer->link);
		deliver_locked(local, consumer, delivery, item);
		return true;
	}
	return false;
}
