/* SPDX-License-Identifier: MIT */
#include "queue/amqp_consuming.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "base/thread.h"
#include "base/util.h"

static struct sgh_amqp_consuming *consuming_of(struct sgh_amqp_conn *conn)
{
	return sgh_container_of(conn, struct sgh_amqp_consuming, conn);
}

/* ---- attaching and detaching ---- */

/* Nothing of the channel counts any more. */
static void forget_channel(struct sgh_amqp_consumer *consumer)
{
	struct sgh_amqp_delivery *coming = sgh_take(consumer->coming);

	consumer->phase = SGH_AMQP_CLOSED;
	consumer->epoch = 0;
	while (sgh_list_pop(&consumer->order))
		;
	if (coming) {
		__atomic_sub_fetch(&consumer->bytes, coming->bytes, __ATOMIC_RELAXED);
		sgh_amqp_delivery_free(coming);
	}
	sgh_amqp_set_attached(consumer, false);
}

static void retry_later(struct sgh_amqp_consumer *consumer)
{
	consumer->retry_ms = sgh_now_ms() + sgh_backoff_next(&consumer->backoff);
}

static const char *queue_of(const struct sgh_amqp_consumer *consumer)
{
	return consumer->base.options.event ? consumer->events : consumer->name;
}

/*
 * A queue of events is exclusive. The one of a connection that the broker still believes
 * in, though we do not, would be in the way of another one of its name.
 */
static void name_events(struct sgh_amqp_consumer *consumer)
{
	char id[SANGRAHA_ID_SIZE];

	sgh_id_random(id);
	snprintf(consumer->events, sizeof(consumer->events), "%s.%s", consumer->name, id);
}

static void send_declare(struct sgh_amqp_consumer *consumer)
{
	struct sgh_amqp_conn *conn = &consumer->consuming->conn;
	const char *event = consumer->base.options.event;
	const char *name = queue_of(consumer);
	struct sgh_amqp_declare declare;
	amqp_queue_bind_t bind = {
		.queue = amqp_cstring_bytes(name),
		.exchange = amqp_cstring_bytes(event ? SANGRAHA_EVENT_EXCHANGE
						     : SANGRAHA_DEAD_LETTER_EXCHANGE),
		.routing_key = amqp_cstring_bytes(event ? event : name),
	};

	sgh_amqp_declare_fill(&declare, consumer->row, name, conn->settings->quorum);
	sgh_amqp_send_method(conn, consumer->channel, AMQP_QUEUE_DECLARE_METHOD,
			     &declare.method);
	if (consumer->row->bound || event)
		sgh_amqp_send_method(conn, consumer->channel, AMQP_QUEUE_BIND_METHOD,
				     &bind);
}

/* All that it takes goes out at once; the broker closes the channel if it minds. */
static void attach(struct sgh_amqp_consumer *consumer)
{
	struct sgh_amqp_conn *conn = &consumer->consuming->conn;
	const struct sgh_consumer_options *options = &consumer->base.options;
	amqp_channel_open_t open = { 0 };
	amqp_basic_qos_t qos = { .prefetch_count = (uint16_t)options->prefetch };
	amqp_basic_consume_t consume = { .consumer_tag =
						 amqp_cstring_bytes(consumer->tag) };

	if (!sgh_amqp_room(conn, 8192))
		return;
	if (consumer->phase == SGH_AMQP_CLOSED) {
		if (options->event)
			name_events(consumer);
		consumer->epoch = ++consumer->consuming->epochs;
		sgh_amqp_send_method(conn, consumer->channel, AMQP_CHANNEL_OPEN_METHOD,
				     &open);
	}
	if (consumer->declare && consumer->row && !consumer->refused)
		send_declare(consumer);
	consume.queue = amqp_cstring_bytes(queue_of(consumer));
	sgh_amqp_send_method(conn, consumer->channel, AMQP_BASIC_QOS_METHOD, &qos);
	sgh_amqp_send_method(conn, consumer->channel, AMQP_BASIC_CONSUME_METHOD,
			     &consume);
	consumer->phase = SGH_AMQP_OPENING;
}

static void cancel(struct sgh_amqp_consumer *consumer)
{
	amqp_basic_cancel_t method = { .consumer_tag =
					       amqp_cstring_bytes(consumer->tag) };

	if (!sgh_amqp_room(&consumer->consuming->conn, 512))
		return;
	sgh_amqp_send_method(&consumer->consuming->conn, consumer->channel,
			     AMQP_BASIC_CANCEL_METHOD, &method);
	consumer->phase = SGH_AMQP_CANCELLING;
}

static void close_channel(struct sgh_amqp_consumer *consumer)
{
	amqp_channel_close_t method = { .reply_code = AMQP_REPLY_SUCCESS,
					.reply_text = amqp_cstring_bytes("done") };

	if (!sgh_amqp_room(&consumer->consuming->conn, 512))
		return;
	sgh_amqp_send_method(&consumer->consuming->conn, consumer->channel,
			     AMQP_CHANNEL_CLOSE_METHOD, &method);
	consumer->phase = SGH_AMQP_CLOSING;
}

/* The holder has let go and nothing of it is left at the broker. */
static void drop(struct sgh_amqp_consumer *consumer)
{
	struct sgh_amqp_consuming *consuming = consumer->consuming;

	sgh_list_remove(&consumer->link);
	if (consumer->channel)
		consuming->channels[consumer->channel] = NULL;
	sgh_amqp_consumer_unref(consumer);
}

/*
 * Take the next step towards what the holder wants. What is in hand of one that was freed
 * can still be acknowledged, so its channel closes last. Returns when to look again.
 */
static int64_t step(struct sgh_amqp_consumer *consumer, int64_t now)
{
	bool up = consumer->consuming->conn.up, wanted, freed;

	pthread_mutex_lock(&consumer->consuming->s.lock);
	freed = consumer->s.freed;
	wanted = consumer->s.wanted && !freed;
	pthread_mutex_unlock(&consumer->consuming->s.lock);

	if (consumer->phase == SGH_AMQP_CLOSED && freed) {
		drop(consumer);
		return SGH_NEVER;
	}
	if (!up)
		return SGH_NEVER;
	if (consumer->phase == SGH_AMQP_ATTACHED && !wanted)
		cancel(consumer);
	else if (consumer->phase == SGH_AMQP_IDLE && freed &&
		 sgh_list_empty(&consumer->order))
		close_channel(consumer);
	else if ((consumer->phase == SGH_AMQP_CLOSED ||
		  consumer->phase == SGH_AMQP_IDLE) &&
		 wanted) {
		if (now < consumer->retry_ms)
			return consumer->retry_ms;
		attach(consumer);
	}
	return SGH_NEVER;
}

static void give_channel(struct sgh_amqp_consuming *consuming,
			 struct sgh_amqp_consumer *consumer)
{
	unsigned channel = SGH_AMQP_FIRST_CHANNEL;

	while (channel < SGH_COUNT(consuming->channels) && consuming->channels[channel])
		channel++;
	if (channel == SGH_COUNT(consuming->channels))
		return; /* one that was freed still has deliveries in hand: later */
	consuming->channels[channel] = consumer;
	consumer->channel = channel;
	snprintf(consumer->tag, sizeof(consumer->tag), "sangraha-%u", channel);
}

static void take_arrived(struct sgh_amqp_consuming *consuming)
{
	pthread_mutex_lock(&consuming->s.lock);
	sgh_list_splice(&consuming->consumers, &consuming->s.arrived);
	pthread_mutex_unlock(&consuming->s.lock);
}

static int64_t on_turn(struct sgh_amqp_conn *conn, int64_t now)
{
	struct sgh_amqp_consuming *consuming = consuming_of(conn);
	int64_t next;

	take_arrived(consuming);
	next = sgh_amqp_acknowledge(consuming, sgh_amqp_stopping(conn) ? SGH_NEVER : now);
	sgh_list_for_each_safe (link, &consuming->consumers) {
		struct sgh_amqp_consumer *consumer =
			sgh_list_entry(link, struct sgh_amqp_consumer, link);
		int64_t at = SGH_NEVER;

		if (!consumer->channel)
			give_channel(consuming, consumer);
		if (consumer->channel && !conn->failed)
			at = step(consumer, now);
		if (at < next)
			next = at;
	}
	return next;
}

/* ---- what the broker says ---- */

static void tell(struct sgh_amqp_consumer *consumer, const char *event,
		 const char *reason)
{
	if (strncmp(consumer->told, reason, sizeof(consumer->told) - 1) == 0)
		return;
	snprintf(consumer->told, sizeof(consumer->told), "%s", reason);
	sgh_log(consumer->base.queue->context, SANGRAHA_LOG_WARN, "queue", event,
		"not consuming from %s: %s", consumer->name, reason);
}

static bool about_declaring(const amqp_channel_close_t *method)
{
	unsigned long id = (unsigned long)method->class_id << 16 | method->method_id;

	return id == AMQP_QUEUE_DECLARE_METHOD || id == AMQP_QUEUE_BIND_METHOD;
}

static void channel_closed(struct sgh_amqp_consumer *consumer,
			   const amqp_channel_close_t *method)
{
	struct sgh_amqp_conn *conn = &consumer->consuming->conn;
	amqp_channel_close_ok_t ok = { 0 };
	struct sgh_amqp_declare declare;
	struct sangraha_error err;
	char wanted[300];

	sgh_amqp_closed(&err, method->reply_code, method->reply_text);
	sgh_amqp_send_method(conn, consumer->channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
	forget_channel(consumer);
	if (about_declaring(method) && method->reply_code != AMQP_NOT_FOUND &&
	    consumer->row && !consumer->row->exclusive && !consumer->refused) {
		sgh_amqp_declare_fill(&declare, consumer->row, consumer->name,
				      conn->settings->quorum);
		sgh_amqp_declare_text(&declare, wanted, sizeof(wanted));
		sgh_amqp_log_refused(conn, consumer->name, wanted, err.message);
		consumer->refused = true;
		return;
	}
	if (method->reply_code == AMQP_NOT_FOUND)
		consumer->declare = true;
	tell(consumer, "channel", err.message);
	retry_later(consumer);
}

/* The broker stopped it: the queue was deleted, or its node is gone. */
static void cancelled(struct sgh_amqp_consumer *consumer,
		      const amqp_basic_cancel_t *method)
{
	amqp_basic_cancel_ok_t ok = { .consumer_tag = method->consumer_tag };

	if (!method->nowait)
		sgh_amqp_send_method(&consumer->consuming->conn, consumer->channel,
				     AMQP_BASIC_CANCEL_OK_METHOD, &ok);
	if (consumer->phase == SGH_AMQP_CLOSING)
		return;
	consumer->phase = SGH_AMQP_IDLE;
	consumer->declare = true;
	sgh_amqp_set_attached(consumer, false);
	tell(consumer, "cancelled", "the broker cancelled the consumer");
	retry_later(consumer);
}

static void consuming_now(struct sgh_amqp_consumer *consumer)
{
	consumer->phase = SGH_AMQP_ATTACHED;
	consumer->declare = consumer->own;
	consumer->told[0] = '\0';
	sgh_backoff_reset(&consumer->backoff);
	sgh_amqp_set_attached(consumer, true);
}

static void method_frame(struct sgh_amqp_consumer *consumer, const amqp_method_t *method)
{
	/* What was on its way when we closed the channel is not ours any more. */
	if (consumer->phase == SGH_AMQP_CLOSING &&
	    method->id != AMQP_CHANNEL_CLOSE_METHOD &&
	    method->id != AMQP_CHANNEL_CLOSE_OK_METHOD)
		return;
	switch (method->id) {
	case AMQP_BASIC_DELIVER_METHOD:
		sgh_amqp_delivery_begins(consumer, method->decoded);
		break;
	case AMQP_BASIC_CONSUME_OK_METHOD:
		consuming_now(consumer);
		break;
	case AMQP_BASIC_CANCEL_OK_METHOD:
		consumer->phase = SGH_AMQP_IDLE;
		sgh_amqp_set_attached(consumer, false);
		break;
	case AMQP_BASIC_CANCEL_METHOD:
		cancelled(consumer, method->decoded);
		break;
	case AMQP_CHANNEL_CLOSE_METHOD:
		channel_closed(consumer, method->decoded);
		break;
	case AMQP_CHANNEL_CLOSE_OK_METHOD:
		forget_channel(consumer);
		break;
	default:
		break;
	}
}

/* Whose channel it is; NULL: nobody's who has it open. */
static struct sgh_amqp_consumer *consumer_on(struct sgh_amqp_conn *conn, unsigned channel)
{
	struct sgh_amqp_consuming *consuming = consuming_of(conn);
	struct sgh_amqp_consumer *consumer = NULL;

	if (channel < SGH_COUNT(consuming->channels))
		consumer = consuming->channels[channel];
	return consumer && consumer->phase != SGH_AMQP_CLOSED ? consumer : NULL;
}

static void on_frame(struct sgh_amqp_conn *conn, const amqp_frame_t *frame)
{
	struct sgh_amqp_consumer *consumer = consumer_on(conn, frame->channel);

	if (!consumer)
		return;
	if (frame->frame_type == AMQP_FRAME_METHOD)
		method_frame(consumer, &frame->payload.method);
	else if (consumer->phase == SGH_AMQP_CLOSING)
		return;
	else if (frame->frame_type == AMQP_FRAME_HEADER)
		sgh_amqp_delivery_header(consumer, frame);
	else if (frame->frame_type == AMQP_FRAME_BODY)
		sgh_amqp_delivery_body(consumer, &frame->payload.body_fragment);
}

static void on_undecodable(struct sgh_amqp_conn *conn, unsigned channel)
{
	struct sgh_amqp_consumer *consumer = consumer_on(conn, channel);

	/* What is done already is not to come again. */
	sgh_amqp_acknowledge(consuming_of(conn), SGH_NEVER);
	if (consumer && consumer->phase != SGH_AMQP_CLOSING)
		sgh_amqp_delivery_undecodable(consumer);
}

/* ---- the life of the connection ---- */

static int on_open(struct sgh_amqp_conn *conn, struct sangraha_error *err)
{
	amqp_channel_open_t open = { 0 };
	int rc = sgh_amqp_call(conn, SGH_AMQP_DECLARING, AMQP_CHANNEL_OPEN_METHOD, &open,
			       AMQP_CHANNEL_OPEN_OK_METHOD, NULL, err);

	return rc ? rc
		  : sgh_amqp_declare_all(conn, SGH_AMQP_DECLARING,
					 &consuming_of(conn)->complained, err);
}

static void on_opened(struct sgh_amqp_conn *conn)
{
	sgh_list_for_each (link, &consuming_of(conn)->consumers) {
		struct sgh_amqp_consumer *consumer =
			sgh_list_entry(link, struct sgh_amqp_consumer, link);

		consumer->retry_ms = 0;
		consumer->refused = false;
	}
}

static bool is_full(const struct sgh_amqp_consumer *consumer)
{
	size_t bytes = __atomic_load_n(&consumer->bytes, __ATOMIC_RELAXED);
	unsigned members = __atomic_load_n(&consumer->members, __ATOMIC_RELAXED);

	return (bytes > 0 && bytes >= consumer->base.options.max_bytes) ||
	       members >= SGH_AMQP_MEMBERS_MAX;
}

/* What is in hand is bounded; a message that has begun is always read to its end. */
static bool on_reads(struct sgh_amqp_conn *conn)
{
	bool full = false;

	sgh_list_for_each (link, &consuming_of(conn)->consumers) {
		struct sgh_amqp_consumer *consumer =
			sgh_list_entry(link, struct sgh_amqp_consumer, link);

		if (consumer->coming)
			return true;
		full |= is_full(consumer);
	}
	return !full;
}

static void on_lost(struct sgh_amqp_conn *conn, const struct sangraha_error *err)
{
	sgh_list_for_each (link, &consuming_of(conn)->consumers)
		forget_channel(sgh_list_entry(link, struct sgh_amqp_consumer, link));
}

static void on_finish(struct sgh_amqp_conn *conn)
{
	struct sgh_amqp_consuming *consuming = consuming_of(conn);
	struct sgh_list *link;

	pthread_mutex_lock(&consuming->s.lock);
	consuming->s.finished = true;
	pthread_mutex_unlock(&consuming->s.lock);
	take_arrived(consuming);
	sgh_amqp_take_settled(consuming);
	while ((link = consuming->settled.next) != &consuming->settled)
		sgh_amqp_settled_free(
			sgh_list_entry(link, struct sgh_amqp_delivery, base.link));
	while ((link = consuming->consumers.next) != &consuming->consumers) {
		struct sgh_amqp_consumer *consumer =
			sgh_list_entry(link, struct sgh_amqp_consumer, link);

		forget_channel(consumer);
		drop(consumer);
	}
}

static void on_released(struct sgh_amqp_conn *conn)
{
	struct sgh_amqp_consuming *consuming = consuming_of(conn);

	consuming->release(consuming->owner);
}

static const struct sgh_amqp_conn_ops consuming_ops = {
	.purpose = "consume",
	.asking = SGH_AMQP_DECLARING,
	.open = on_open,
	.opened = on_opened,
	.frame = on_frame,
	.undecodable = on_undecodable,
	.turn = on_turn,
	.reads = on_reads,
	.lost = on_lost,
	.finish = on_finish,
	.released = on_released,
};

int sgh_amqp_consuming_new(const struct sgh_amqp_settings *settings,
			   void (*hold)(void *owner), void (*release)(void *owner),
			   void *owner, struct sgh_amqp_consuming **ret,
			   struct sangraha_error *err)
{
	struct sgh_amqp_consuming *consuming = calloc(1, sizeof(*consuming));
	int rc;

	if (!consuming)
		return sgh_fail_memory(err);
	consuming->hold = hold;
	consuming->release = release;
	consuming->owner = owner;
	/* The publishing connection declares the same and complains for both. */
	consuming->complained = UINT32_MAX;
	sgh_list_init(&consuming->consumers);
	sgh_list_init(&consuming->settled);
	sgh_list_init(&consuming->s.arrived);
	sgh_list_init(&consuming->s.settled);
	pthread_mutex_init(&consuming->s.lock, NULL);
	pthread_cond_init(&consuming->s.cond, NULL);
	rc = sgh_amqp_conn_init(&consuming->conn, &consuming_ops, settings, err);
	if (rc) {
		sgh_amqp_consuming_free(consuming);
		return rc;
	}
	*ret = consuming;
	return 0;
}

int sgh_amqp_consuming_start(struct sgh_amqp_consuming *consuming,
			     struct sangraha_error *err)
{
	return sgh_amqp_conn_start(&consuming->conn, err);
}

void sgh_amqp_consuming_stop(struct sgh_amqp_consuming *consuming)
{
	sgh_amqp_conn_stop(&consuming->conn);
}

void sgh_amqp_consuming_free(struct sgh_amqp_consuming *consuming)
{
	if (!consuming)
		return;
	sgh_amqp_conn_fini(&consuming->conn);
	pthread_cond_destroy(&consuming->s.cond);
	pthread_mutex_destroy(&consuming->s.lock);
	free(consuming);
}
