/* SPDX-License-Identifier: MIT */
#include "queue/amqp_consumer.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "base/util.h"
#include "queue/amqp_consuming.h"
#include "wire/batch.h"

#define TOGETHER_MAX 16 /* acknowledgements that wait for more */

void sgh_amqp_consumer_unref(struct sgh_amqp_consumer *consumer)
{
	struct sgh_amqp_consuming *consuming = consumer->consuming;

	if (__atomic_sub_fetch(&consumer->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free(consumer->name);
	free(consumer);
	consuming->release(consuming->owner);
}

void sgh_amqp_delivery_free(struct sgh_amqp_delivery *delivery)
{
	struct sgh_amqp_consumer *consumer =
		sgh_amqp_consumer_of(delivery->base.consumer);

	sgh_message_free(delivery->base.message);
	free(delivery);
	sgh_amqp_consumer_unref(consumer);
}

/* ---- from any thread ---- */

static int name_queue(struct sgh_amqp_consumer *consumer,
		      const struct sgh_consumer_options *options)
{
	char id[SANGRAHA_ID_SIZE];

	if (options->queue) {
		consumer->row = sgh_amqp_queue_find(options->queue);
		return sgh_strdup(options->queue, &consumer->name) ? 0 : -1;
	}
	consumer->own = true;
	consumer->declare = true;
	if (options->event) {
		consumer->row = &sgh_amqp_event_queue;
		return sgh_strdup(SGH_EVENT_QUEUE, &consumer->name) ? 0 : -1;
	}
	sgh_id_random(id);
	consumer->row = &sgh_amqp_response_queue;
	if (asprintf(&consumer->name, "%s.%s", SANGRAHA_RESPONSE_QUEUE, id) < 0)
		consumer->name = NULL;
	return consumer->name ? 0 : -1;
}

int sgh_amqp_consumer_new(struct sgh_amqp_consuming *consuming,
			  struct sangraha_queue *queue,
			  const struct sgh_consumer_options *options,
			  struct sgh_consumer **ret, struct sangraha_error *err)
{
	struct sgh_amqp_consumer *consumer = calloc(1, sizeof(*consumer));
	int rc = 0;

	if (!consumer)
		return sgh_fail_memory(err);
	consumer->base.queue = queue;
	consumer->base.options = *options;
	if (options->batches && options->max_body < SGH_BATCH_BODY_MAX)
		consumer->base.options.max_body = SGH_BATCH_BODY_MAX;
	consumer->consuming = consuming;
	consumer->refs = 2;
	consumer->s.wanted = true;
	sgh_list_init(&consumer->order);
	if (name_queue(consumer, options)) {
		free(consumer);
		return sgh_fail_memory(err);
	}
	consumer->base.options.queue = consumer->name;
	consuming->hold(consuming->owner);
	pthread_mutex_lock(&consuming->s.lock);
	if (consuming->s.finished || consuming->s.count >= SGH_AMQP_CONSUMERS_MAX) {
		rc = sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
			      "more than %d consumers on one queue handle",
			      SGH_AMQP_CONSUMERS_MAX);
	} else {
		consuming->s.count++;
		sgh_list_append(&consuming->s.arrived, &consumer->link);
	}
	pthread_mutex_unlock(&consuming->s.lock);
	if (rc) {
		consumer->refs = 1;
		sgh_amqp_consumer_unref(consumer);
		return rc;
	}
	sgh_amqp_conn_wake(&consuming->conn);
	*ret = &consumer->base;
	return 0;
}

const char *sgh_amqp_consumer_queue(const struct sgh_consumer *base)
{
	return sgh_amqp_consumer_of(base)->name;
}

bool sgh_amqp_consumer_attached(const struct sgh_consumer *base)
{
	struct sgh_amqp_consumer *consumer = sgh_amqp_consumer_of(base);
	bool attached;

	pthread_mutex_lock(&consumer->consuming->s.lock);
	attached = consumer->s.attached;
	pthread_mutex_unlock(&consumer->consuming->s.lock);
	return attached;
}

void sgh_amqp_consumer_pause(struct sgh_consumer *base, bool paused)
{
	struct sgh_amqp_consumer *consumer = sgh_amqp_consumer_of(base);

	pthread_mutex_lock(&consumer->consuming->s.lock);
	consumer->s.wanted = !paused;
	consumer->consuming->s.hurry = true;
	pthread_mutex_unlock(&consumer->consuming->s.lock);
	sgh_amqp_conn_wake(&consumer->consuming->conn);
}

void sgh_amqp_consumer_free(struct sgh_consumer *base)
{
	struct sgh_amqp_consumer *consumer = sgh_amqp_consumer_of(base);
	struct sgh_amqp_consuming *consuming = consumer->consuming;

	pthread_mutex_lock(&consuming->s.lock);
	consumer->s.freed = true;
	consuming->s.hurry = true;
	consuming->s.count--;
	while (consumer->s.calling)
		pthread_cond_wait(&consuming->s.cond, &consuming->s.lock);
	pthread_mutex_unlock(&consuming->s.lock);
	sgh_amqp_conn_wake(&consuming->conn);
	sgh_amqp_consumer_unref(consumer);
}

/* The body is gone; whether that is what the connection waits for to read on. */
static bool release_bytes(struct sgh_amqp_delivery *delivery)
{
	struct sgh_amqp_consumer *consumer =
		sgh_amqp_consumer_of(delivery->base.consumer);
	size_t most = consumer->base.options.max_bytes;
	size_t bytes = delivery->bytes;
	size_t before = __atomic_fetch_sub(&consumer->bytes, bytes, __ATOMIC_RELAXED);

	delivery->bytes = 0;
	return before >= most && before - bytes < most;
}

/* While the lock is held nobody has freed the connection. */
void sgh_amqp_consumer_reads_on(struct sgh_amqp_consumer *consumer)
{
	struct sgh_amqp_consuming *consuming = consumer->consuming;

	pthread_mutex_lock(&consuming->s.lock);
	if (!consuming->s.finished)
		sgh_amqp_conn_wake(&consuming->conn);
	pthread_mutex_unlock(&consuming->s.lock);
}

void sgh_amqp_consumer_shed(struct sgh_delivery *base)
{
	if (release_bytes(sgh_amqp_delivery_of(base)))
		sgh_amqp_consumer_reads_on(sgh_amqp_consumer_of(base->consumer));
}

/* After how many it is not to wait for more: a part of those that may be in hand. */
static unsigned enough_for(const struct sgh_amqp_consumer *consumer)
{
	return (unsigned)sgh_min(TOGETHER_MAX, consumer->base.options.prefetch / 4);
}

/*
 * Acknowledgements wait for each other, as nobody waits for them: for the broker one of
 * several costs what one of one does. While the lock is held nobody has freed the
 * connection.
 */
static void settle_locked(struct sgh_amqp_consumer *consumer, struct sgh_delivery *base,
			  bool hurry)
{
	struct sgh_amqp_consuming *consuming = consumer->consuming;
	bool first = sgh_list_empty(&consuming->s.settled);

	sgh_list_append(&consuming->s.settled, &base->link);
	hurry |= ++consuming->s.settled_count >= enough_for(consumer) ||
		 consumer->s.freed || !consumer->s.wanted;
	if (first)
		consuming->s.settled_ms = sgh_now_ms();
	if (first || (hurry && !consuming->s.hurry))
		sgh_amqp_conn_wake(&consuming->conn);
	consuming->s.hurry |= hurry;
}

void sgh_amqp_consumer_settle(struct sgh_delivery *base, int verdict)
{
	struct sgh_amqp_consumer *consumer = sgh_amqp_consumer_of(base->consumer);
	struct sgh_amqp_consuming *consuming = consumer->consuming;
	bool finished;
	bool hurry;

	if (sgh_amqp_delivery_of(base)->batch) {
		sgh_amqp_settle_member(sgh_amqp_delivery_of(base), verdict);
		return;
	}
	base->verdict = verdict;
	sgh_message_free(sgh_take(base->message));
	hurry = release_bytes(sgh_amqp_delivery_of(base)) || verdict != SGH_SETTLE_ACK;
	pthread_mutex_lock(&consuming->s.lock);
	finished = consuming->s.finished;
	if (!finished)
		settle_locked(consumer, base, hurry);
	pthread_mutex_unlock(&consuming->s.lock);
	if (finished)
		sgh_amqp_delivery_free(sgh_amqp_delivery_of(base));
}

/* ---- calling back ---- */

bool sgh_amqp_call_begin(struct sgh_amqp_consumer *consumer)
{
	bool call;

	pthread_mutex_lock(&consumer->consuming->s.lock);
	call = !consumer->s.freed;
	consumer->s.calling = call;
	pthread_mutex_unlock(&consumer->consuming->s.lock);
	return call;
}

void sgh_amqp_call_end(struct sgh_amqp_consumer *consumer)
{
	pthread_mutex_lock(&consumer->consuming->s.lock);
	consumer->s.calling = false;
	if (consumer->s.freed)
		pthread_cond_broadcast(&consumer->consuming->s.cond);
	pthread_mutex_unlock(&consumer->consuming->s.lock);
}

void sgh_amqp_set_attached(struct sgh_amqp_consumer *consumer, bool attached)
{
	const struct sgh_consumer_options *options = &consumer->base.options;
	bool changed;

	pthread_mutex_lock(&consumer->consuming->s.lock);
	changed = consumer->s.attached != attached;
	consumer->s.attached = attached;
	pthread_mutex_unlock(&consumer->consuming->s.lock);
	if (!changed || !options->attached || !sgh_amqp_call_begin(consumer))
		return;
	options->attached(options->arg, attached);
	sgh_amqp_call_end(consumer);
}
