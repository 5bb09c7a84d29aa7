/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/util.h"
#include "queue/amqp_consuming.h"
#include "queue/amqp_table.h"

#define ACKNOWLEDGE_MS 5 /* for so long what was settled waits for more */

static void deliver(struct sgh_amqp_consumer *consumer)
{
	struct sgh_amqp_delivery *delivery = sgh_take(consumer->coming);

	sgh_list_append(&consumer->order, &delivery->order);
	if (sgh_amqp_call_begin(consumer)) {
		SGH_FAIL_POINT("amqp.received");
		sgh_amqp_hand_over(consumer, delivery);
		sgh_amqp_call_end(consumer);
	} else {
		sgh_amqp_consumer_settle(&delivery->base, SGH_SETTLE_RETURN);
	}
}

/* ---- assembling deliveries ---- */

static void protocol_error(struct sgh_amqp_consumer *consumer, const char *what)
{
	sgh_amqp_failed(&consumer->consuming->conn, SANGRAHA_E_UNAVAILABLE, 0,
			"the broker sent %s", what);
}

void sgh_amqp_out_of_memory(struct sgh_amqp_consumer *consumer)
{
	/* The broker delivers again, after the pause that a reconnect makes. */
	sgh_amqp_failed(&consumer->consuming->conn, SANGRAHA_E_UNAVAILABLE, 0,
			"out of memory for a delivery");
}

void sgh_amqp_delivery_begins(struct sgh_amqp_consumer *consumer,
			      const amqp_basic_deliver_t *method)
{
	struct sgh_amqp_delivery *delivery;

	if (consumer->coming) {
		protocol_error(consumer, "a delivery inside a delivery");
		return;
	}
	delivery = calloc(1, sizeof(*delivery));
	if (!delivery) {
		sgh_amqp_out_of_memory(consumer);
		return;
	}
	__atomic_add_fetch(&consumer->refs, 1, __ATOMIC_RELAXED);
	delivery->base.consumer = &consumer->base;
	delivery->base.redelivered = method->redelivered;
	delivery->base.tag = method->delivery_tag;
	delivery->base.epoch = consumer->epoch;
	sgh_list_init(&delivery->base.link);
	sgh_list_init(&delivery->order);
	consumer->coming = delivery;
	consumer->headless = true;
	delivery->base.message = sgh_message_new();
	if (!delivery->base.message)
		sgh_amqp_out_of_memory(consumer);
}

/* Room for the body, by its announced size; what is too large is skipped. */
static bool expect_body(struct sgh_amqp_consumer *consumer,
			struct sgh_amqp_delivery *delivery, uint64_t size)
{
	struct sgh_budget *budget = consumer->base.queue->context->budget;

	consumer->missing = size;
	delivery->base.announced = size;
	if (size > consumer->base.options.max_body) {
		delivery->base.oversize = true;
		return true;
	}
	if (size == 0)
		return true;
	sgh_budget_force(budget, size);
	delivery->base.message->body = sgh_bytes_new(budget, size);
	if (!delivery->base.message->body) {
		sgh_budget_release(budget, size);
		return false;
	}
	delivery->bytes = size;
	__atomic_add_fetch(&consumer->bytes, size, __ATOMIC_RELAXED);
	return true;
}

void sgh_amqp_delivery_header(struct sgh_amqp_consumer *consumer,
			      const amqp_frame_t *frame)
{
	const amqp_basic_properties_t *properties = frame->payload.properties.decoded;
	struct sgh_amqp_delivery *delivery = consumer->coming;
	int64_t count;

	if (!delivery || !consumer->headless) {
		protocol_error(consumer, "a header without a delivery");
		return;
	}
	consumer->headless = false;
	sgh_amqp_message_fill(delivery->base.message, properties);
	count = sgh_amqp_header_number(properties, "x-delivery-count", 0);
	delivery->base.died_of = sgh_amqp_death(delivery->base.message, properties,
						&delivery->base.died_ms);
	delivery->base.delivery_count = count < 0           ? 0
					: count > INT32_MAX ? INT32_MAX
							    : (unsigned)count;
	if (!expect_body(consumer, delivery, frame->payload.properties.body_size))
		sgh_amqp_out_of_memory(consumer);
	else if (consumer->missing == 0)
		deliver(consumer);
}

void sgh_amqp_delivery_body(struct sgh_amqp_consumer *consumer, const amqp_bytes_t *bytes)
{
	struct sgh_amqp_delivery *delivery = consumer->coming;

	if (!delivery || consumer->headless || bytes->len > consumer->missing) {
		protocol_error(consumer, "a body that was not announced");
		return;
	}
	consumer->missing -= bytes->len;
	if (!delivery->base.oversize)
		sgh_bytes_append(delivery->base.message->body, bytes->bytes, bytes->len);
	if (consumer->missing == 0)
		deliver(consumer);
}

/* ---- acknowledging ---- */

static bool send_verdict(struct sgh_amqp_consumer *consumer, uint64_t tag, int verdict,
			 bool multiple)
{
	struct sgh_amqp_conn *conn = &consumer->consuming->conn;
	amqp_basic_ack_t ack = { .delivery_tag = tag, .multiple = multiple };
	amqp_basic_nack_t nack = { .delivery_tag = tag,
				   .requeue = verdict == SGH_SETTLE_RETURN };

	if (!sgh_amqp_room(conn, 64))
		return false;
	if (verdict == SGH_SETTLE_ACK)
		return sgh_amqp_send_method(conn, consumer->channel,
					    AMQP_BASIC_ACK_METHOD, &ack);
	return sgh_amqp_send_method(conn, consumer->channel, AMQP_BASIC_NACK_METHOD,
				    &nack);
}

void sgh_amqp_delivery_undecodable(struct sgh_amqp_consumer *consumer)
{
	struct sgh_amqp_delivery *delivery = consumer->coming;

	if (!delivery || !consumer->headless)
		return;
	/* What is rejected here goes nowhere: better to stand still than to lose it. */
	if (consumer->row && consumer->row->bound) {
		sgh_log(consumer->base.queue->context, SANGRAHA_LOG_ERROR, "queue",
			"undecodable",
			"the properties of a message of %s cannot be decoded; what is "
			"behind it cannot be reached",
			consumer->name);
		return;
	}
	/* Without room the next connection gets it again, and rejects it then. */
	if (send_verdict(consumer, delivery->base.tag, SGH_SETTLE_REJECT, false))
		sgh_log(consumer->base.queue->context, SANGRAHA_LOG_WARN, "queue",
			"undecodable",
			"rejected a message of %s whose properties cannot be decoded",
			consumer->name);
}

void sgh_amqp_settled_free(struct sgh_amqp_delivery *delivery)
{
	sgh_list_remove(&delivery->order);
	sgh_list_remove(&delivery->base.link);
	sgh_amqp_delivery_free(delivery);
}

/*
 * One acknowledgement for the oldest deliveries, as far as all of them are done: what is
 * acknowledged with `multiple` must not cover one that is not.
 */
static bool acknowledge_oldest(struct sgh_amqp_consumer *consumer)
{
	struct sgh_list *end = consumer->order.next;
	unsigned count = 0;
	uint64_t tag = 0;

	for (; end != &consumer->order; end = end->next, count++) {
		struct sgh_amqp_delivery *delivery =
			sgh_list_entry(end, struct sgh_amqp_delivery, order);

		if (!delivery->settled || delivery->base.verdict != SGH_SETTLE_ACK)
			break;
		tag = delivery->base.tag;
	}
	if (count < 2)
		return true;
	if (!send_verdict(consumer, tag, SGH_SETTLE_ACK, true))
		return false;
	SGH_FAIL_POINT("amqp.acknowledged-several");
	while (consumer->order.next != end)
		sgh_amqp_settled_free(sgh_list_entry(consumer->order.next,
						     struct sgh_amqp_delivery, order));
	return true;
}

void sgh_amqp_take_settled(struct sgh_amqp_consuming *consuming)
{
	struct sgh_list taken;

	sgh_list_init(&taken);
	pthread_mutex_lock(&consuming->s.lock);
	sgh_list_splice(&taken, &consuming->s.settled);
	consuming->s.settled_count = 0;
	consuming->s.hurry = false;
	pthread_mutex_unlock(&consuming->s.lock);
	sgh_list_for_each (link, &taken)
		sgh_list_entry(link, struct sgh_amqp_delivery, base.link)->settled = true;
	sgh_list_splice(&consuming->settled, &taken);
}

static void send_verdicts(struct sgh_amqp_consuming *consuming)
{
	sgh_list_for_each (link, &consuming->consumers) {
		if (!acknowledge_oldest(
			    sgh_list_entry(link, struct sgh_amqp_consumer, link)))
			return;
	}
	sgh_list_for_each_safe (link, &consuming->settled) {
		struct sgh_amqp_delivery *delivery =
			sgh_list_entry(link, struct sgh_amqp_delivery, base.link);
		struct sgh_amqp_consumer *consumer =
			sgh_amqp_consumer_of(delivery->base.consumer);

		/* The broker has long given it to somebody else. */
		bool stale = delivery->base.epoch != consumer->epoch;

		if (!stale && !send_verdict(consumer, delivery->base.tag,
					    delivery->base.verdict, false))
			return;
		SGH_FAIL_POINT("amqp.acknowledged");
		sgh_amqp_settled_free(delivery);
	}
}

/* When what was settled is to be acknowledged. */
static int64_t due_ms(struct sgh_amqp_consuming *consuming)
{
	int64_t due = SGH_NEVER;

	pthread_mutex_lock(&consuming->s.lock);
	if (consuming->s.hurry)
		due = 0;
	else if (!sgh_list_empty(&consuming->s.settled))
		due = consuming->s.settled_ms + ACKNOWLEDGE_MS;
	pthread_mutex_unlock(&consuming->s.lock);
	return due;
}

int64_t sgh_amqp_acknowledge(struct sgh_amqp_consuming *consuming, int64_t now)
{
	int64_t due = due_ms(consuming);

	if (due <= now)
		sgh_amqp_take_settled(consuming);
	if (!sgh_list_empty(&consuming->settled))
		send_verdicts(consuming);
	return due <= now ? SGH_NEVER : due;
}
