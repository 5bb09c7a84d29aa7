/* SPDX-License-Identifier: MIT */
#include "queue/amqp_consumer.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "base/thread.h"
#include "base/util.h"
#include "queue/amqp_table.h"
#include "queue/amqp_topology.h"

#define DECLARING     1 /* the channel of the topology; consumers have those after it */
#define FIRST_CHANNEL 2

/* Where a consumer's channel is. */
enum phase {
	CLOSED,     /* there is none */
	OPENING,    /* everything up to basic.consume was sent */
	ATTACHED,   /* messages come */
	CANCELLING, /* basic.cancel was sent */
	IDLE,       /* open, without messages; those in hand can be acknowledged */
	CLOSING,    /* channel.close was sent */
};

struct delivery {
	struct sgh_delivery base; /* base.link: among those that are settled */
	struct sgh_list order;    /* among those of the channel, by tag */
	size_t bytes;             /* of its body, counted in its consumer */
	bool settled;
};

struct consumer {
	struct sgh_consumer base;
	struct sgh_amqp_consuming *consuming;
	char *name; /* of the queue */
	char tag[32];
	const struct sgh_amqp_queue *row; /* how it is declared; NULL: not ours */
	bool own;                         /* a response queue of its own */
	int refs; /* atomic: the holder, the connection, each delivery */

	/* The thread's own. */
	struct sgh_list link;
	unsigned channel; /* 0: none yet */
	enum phase phase;
	uint64_t epoch; /* of the open channel; 0: none */
	bool declare;   /* again, before consuming */
	bool refused;   /* its declaration was: go on with what is there */
	struct sgh_backoff backoff;
	int64_t retry_ms;
	char told[256];
	struct sgh_list order;   /* deliveries of this epoch that are not settled */
	size_t bytes;            /* of bodies in hand */
	struct delivery *coming; /* being read */
	bool headless;           /* its header has not come yet */
	uint64_t missing;        /* bytes of its body */

	/* Guarded by consuming->s.lock. */
	struct {
		bool wanted; /* not paused */
		bool freed;
		bool calling; /* a callback is running */
		bool attached;
	} s;
};

struct sgh_amqp_consuming {
	struct sgh_amqp_conn conn;
	void (*hold)(void *owner);
	void (*release)(void *owner);
	void *owner;

	/* The thread's own. */
	struct sgh_list consumers;
	struct sgh_list settled; /* deliveries to acknowledge */
	struct consumer *channels[FIRST_CHANNEL + SGH_AMQP_CONSUMERS_MAX];
	uint64_t epochs;
	uint32_t complained;

	struct {
		pthread_mutex_t lock;
		pthread_cond_t cond;     /* a callback has returned */
		struct sgh_list arrived; /* consumers */
		struct sgh_list settled; /* deliveries */
		unsigned count;          /* consumers not freed */
		bool finished;
	} s;
};

static struct sgh_amqp_consuming *consuming_of(struct sgh_amqp_conn *conn)
{
	return sgh_container_of(conn, struct sgh_amqp_consuming, conn);
}

static struct consumer *consumer_of(const struct sgh_consumer *base)
{
	return sgh_container_of((void *)base, struct consumer, base);
}

static struct delivery *delivery_of(struct sgh_delivery *base)
{
	return sgh_container_of(base, struct delivery, base);
}

static void consumer_unref(struct consumer *consumer)
{
	struct sgh_amqp_consuming *consuming = consumer->consuming;

	if (__atomic_sub_fetch(&consumer->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free(consumer->name);
	free(consumer);
	consuming->release(consuming->owner);
}

static void delivery_free(struct delivery *delivery)
{
	struct consumer *consumer = consumer_of(delivery->base.consumer);

	sgh_message_free(delivery->base.message);
	free(delivery);
	consumer_unref(consumer);
}

/* ---- from any thread ---- */

static int name_queue(struct consumer *consumer, const char *queue)
{
	char id[SANGRAHA_ID_SIZE];

	if (queue) {
		consumer->row = sgh_amqp_queue_find(queue);
		return sgh_strdup(queue, &consumer->name) ? 0 : -1;
	}
	sgh_id_random(id);
	consumer->own = true;
	consumer->declare = true;
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
	struct consumer *consumer = calloc(1, sizeof(*consumer));
	int rc = 0;

	if (!consumer)
		return sgh_fail_memory(err);
	consumer->base.queue = queue;
	consumer->base.options = *options;
	consumer->consuming = consuming;
	consumer->refs = 2;
	consumer->s.wanted = true;
	sgh_list_init(&consumer->order);
	if (name_queue(consumer, options->queue)) {
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
		consumer_unref(consumer);
		return rc;
	}
	sgh_amqp_conn_wake(&consuming->conn);
	*ret = &consumer->base;
	return 0;
}

const char *sgh_amqp_consumer_queue(const struct sgh_consumer *base)
{
	return consumer_of(base)->name;
}

bool sgh_amqp_consumer_attached(const struct sgh_consumer *base)
{
	struct consumer *consumer = consumer_of(base);
	bool attached;

	pthread_mutex_lock(&consumer->consuming->s.lock);
	attached = consumer->s.attached;
	pthread_mutex_unlock(&consumer->consuming->s.lock);
	return attached;
}

void sgh_amqp_consumer_pause(struct sgh_consumer *base, bool paused)
{
	struct consumer *consumer = consumer_of(base);

	pthread_mutex_lock(&consumer->consuming->s.lock);
	consumer->s.wanted = !paused;
	pthread_mutex_unlock(&consumer->consuming->s.lock);
	sgh_amqp_conn_wake(&consumer->consuming->conn);
}

void sgh_amqp_consumer_free(struct sgh_consumer *base)
{
	struct consumer *consumer = consumer_of(base);
	struct sgh_amqp_consuming *consuming = consumer->consuming;

	pthread_mutex_lock(&consuming->s.lock);
	consumer->s.freed = true;
	consuming->s.count--;
	while (consumer->s.calling)
		pthread_cond_wait(&consuming->s.cond, &consuming->s.lock);
	pthread_mutex_unlock(&consuming->s.lock);
	sgh_amqp_conn_wake(&consuming->conn);
	consumer_unref(consumer);
}

void sgh_amqp_consumer_settle(struct sgh_delivery *base, int verdict)
{
	struct consumer *consumer = consumer_of(base->consumer);
	struct sgh_amqp_consuming *consuming = consumer->consuming;
	bool wake = false, finished;

	base->verdict = verdict;
	sgh_message_free(sgh_take(base->message));
	pthread_mutex_lock(&consuming->s.lock);
	finished = consuming->s.finished;
	if (!finished) {
		wake = sgh_list_empty(&consuming->s.settled);
		sgh_list_append(&consuming->s.settled, &base->link);
		/* While the lock is held nobody has freed the connection. */
		if (wake)
			sgh_amqp_conn_wake(&consuming->conn);
	}
	pthread_mutex_unlock(&consuming->s.lock);
	if (finished)
		delivery_free(delivery_of(base));
}

/* ---- calling back ---- */

/* False when the consumer was freed: then nothing may be called any more. */
static bool call_begin(struct consumer *consumer)
{
	bool call;

	pthread_mutex_lock(&consumer->consuming->s.lock);
	call = !consumer->s.freed;
	consumer->s.calling = call;
	pthread_mutex_unlock(&consumer->consuming->s.lock);
	return call;
}

static void call_end(struct consumer *consumer)
{
	pthread_mutex_lock(&consumer->consuming->s.lock);
	consumer->s.calling = false;
	if (consumer->s.freed)
		pthread_cond_broadcast(&consumer->consuming->s.cond);
	pthread_mutex_unlock(&consumer->consuming->s.lock);
}

static void set_attached(struct consumer *consumer, bool attached)
{
	const struct sgh_consumer_options *options = &consumer->base.options;
	bool changed;

	pthread_mutex_lock(&consumer->consuming->s.lock);
	changed = consumer->s.attached != attached;
	consumer->s.attached = attached;
	pthread_mutex_unlock(&consumer->consuming->s.lock);
	if (!changed || !options->attached || !call_begin(consumer))
		return;
	options->attached(options->arg, attached);
	call_end(consumer);
}

static void deliver(struct consumer *consumer)
{
	const struct sgh_consumer_options *options = &consumer->base.options;
	struct delivery *delivery = sgh_take(consumer->coming);

	sgh_list_append(&consumer->order, &delivery->order);
	if (call_begin(consumer)) {
		options->deliver(options->arg, &delivery->base);
		call_end(consumer);
	} else {
		sgh_amqp_consumer_settle(&delivery->base, SGH_SETTLE_RETURN);
	}
}

/* ---- assembling deliveries ---- */

static void protocol_error(struct consumer *consumer, const char *what)
{
	sgh_amqp_failed(&consumer->consuming->conn, SANGRAHA_E_UNAVAILABLE, 0,
			"the broker sent %s", what);
}

static void out_of_memory(struct consumer *consumer)
{
	/* The broker delivers again, after the pause that a reconnect makes. */
	sgh_amqp_failed(&consumer->consuming->conn, SANGRAHA_E_UNAVAILABLE, 0,
			"out of memory for a delivery");
}

static void delivery_begins(struct consumer *consumer, const amqp_basic_deliver_t *method)
{
	struct delivery *delivery;

	if (consumer->coming) {
		protocol_error(consumer, "a delivery inside a delivery");
		return;
	}
	delivery = calloc(1, sizeof(*delivery));
	if (!delivery) {
		out_of_memory(consumer);
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
		out_of_memory(consumer);
}

/* Room for the body, by its announced size; what is too large is skipped. */
static bool expect_body(struct consumer *consumer, struct delivery *delivery,
			uint64_t size)
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
	consumer->bytes += size;
	return true;
}

static void delivery_header(struct consumer *consumer, const amqp_frame_t *frame)
{
	const amqp_basic_properties_t *properties = frame->payload.properties.decoded;
	struct delivery *delivery = consumer->coming;
	int64_t count;

	if (!delivery || !consumer->headless) {
		protocol_error(consumer, "a header without a delivery");
		return;
	}
	consumer->headless = false;
	sgh_amqp_message_fill(delivery->base.message, properties);
	count = sgh_amqp_header_number(properties, "x-delivery-count", 0);
	delivery->base.delivery_count = count < 0           ? 0
					: count > INT32_MAX ? INT32_MAX
							    : (unsigned)count;
	if (!expect_body(consumer, delivery, frame->payload.properties.body_size))
		out_of_memory(consumer);
	else if (consumer->missing == 0)
		deliver(consumer);
}

static void delivery_body(struct consumer *consumer, const amqp_bytes_t *bytes)
{
	struct delivery *delivery = consumer->coming;

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

static bool send_verdict(struct consumer *consumer, uint64_t tag, int verdict,
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

static void settled_free(struct delivery *delivery)
{
	sgh_list_remove(&delivery->order);
	sgh_list_remove(&delivery->base.link);
	delivery_free(delivery);
}

/*
 * One acknowledgement for the oldest deliveries, as far as all of them are done: what is
 * acknowledged with `multiple` must not cover one that is not.
 */
static bool acknowledge_oldest(struct consumer *consumer)
{
	struct sgh_list *end = consumer->order.next;
	unsigned count = 0;
	uint64_t tag = 0;

	for (; end != &consumer->order; end = end->next, count++) {
		struct delivery *delivery = sgh_list_entry(end, struct delivery, order);

		if (!delivery->settled || delivery->base.verdict != SGH_SETTLE_ACK)
			break;
		tag = delivery->base.tag;
	}
	if (count < 2)
		return true;
	if (!send_verdict(consumer, tag, SGH_SETTLE_ACK, true))
		return false;
	while (consumer->order.next != end)
		settled_free(
			sgh_list_entry(consumer->order.next, struct delivery, order));
	return true;
}

static void take_settled(struct sgh_amqp_consuming *consuming)
{
	struct sgh_list taken;

	sgh_list_init(&taken);
	pthread_mutex_lock(&consuming->s.lock);
	sgh_list_splice(&taken, &consuming->s.settled);
	pthread_mutex_unlock(&consuming->s.lock);
	sgh_list_for_each (link, &taken) {
		struct delivery *delivery =
			sgh_list_entry(link, struct delivery, base.link);

		delivery->settled = true;
		consumer_of(delivery->base.consumer)->bytes -= delivery->bytes;
	}
	sgh_list_splice(&consuming->settled, &taken);
}

static void acknowledge(struct sgh_amqp_consuming *consuming)
{
	take_settled(consuming);
	if (sgh_list_empty(&consuming->settled))
		return;
	sgh_list_for_each (link, &consuming->consumers) {
		if (!acknowledge_oldest(sgh_list_entry(link, struct consumer, link)))
			return;
	}
	sgh_list_for_each_safe (link, &consuming->settled) {
		struct delivery *delivery =
			sgh_list_entry(link, struct delivery, base.link);
		struct consumer *consumer = consumer_of(delivery->base.consumer);

		/* The broker has long given it to somebody else. */
		bool stale = delivery->base.epoch != consumer->epoch;

		if (!stale && !send_verdict(consumer, delivery->base.tag,
					    delivery->base.verdict, false))
			return;
		settled_free(delivery);
	}
}

/* ---- attaching and detaching ---- */

/* Nothing of the channel counts any more. */
static void forget_channel(struct consumer *consumer)
{
	struct delivery *coming = sgh_take(consumer->coming);

	consumer->phase = CLOSED;
	consumer->epoch = 0;
	while (sgh_list_pop(&consumer->order))
		;
	if (coming) {
		consumer->bytes -= coming->bytes;
		delivery_free(coming);
	}
	set_attached(consumer, false);
}

static void retry_later(struct consumer *consumer)
{
	consumer->retry_ms = sgh_now_ms() + sgh_backoff_next(&consumer->backoff);
}

static void send_declare(struct consumer *consumer)
{
	struct sgh_amqp_conn *conn = &consumer->consuming->conn;
	struct sgh_amqp_declare declare;
	amqp_queue_bind_t bind = {
		.queue = amqp_cstring_bytes(consumer->name),
		.exchange = amqp_cstring_bytes(SANGRAHA_DEAD_LETTER_EXCHANGE),
		.routing_key = amqp_cstring_bytes(consumer->name),
	};

	sgh_amqp_declare_fill(&declare, consumer->row, consumer->name,
			      conn->settings->quorum);
	sgh_amqp_send_method(conn, consumer->channel, AMQP_QUEUE_DECLARE_METHOD,
			     &declare.method);
	if (consumer->row->bound)
		sgh_amqp_send_method(conn, consumer->channel, AMQP_QUEUE_BIND_METHOD,
				     &bind);
}

/* All that it takes goes out at once; the broker closes the channel if it minds. */
static void attach(struct consumer *consumer)
{
	struct sgh_amqp_conn *conn = &consumer->consuming->conn;
	const struct sgh_consumer_options *options = &consumer->base.options;
	amqp_channel_open_t open = { 0 };
	amqp_basic_qos_t qos = { .prefetch_count = (uint16_t)options->prefetch };
	amqp_basic_consume_t consume = { .queue = amqp_cstring_bytes(consumer->name),
					 .consumer_tag =
						 amqp_cstring_bytes(consumer->tag) };

	if (!sgh_amqp_room(conn, 8192))
		return;
	if (consumer->phase == CLOSED) {
		consumer->epoch = ++consumer->consuming->epochs;
		sgh_amqp_send_method(conn, consumer->channel, AMQP_CHANNEL_OPEN_METHOD,
				     &open);
	}
	if (consumer->declare && consumer->row && !consumer->refused)
		send_declare(consumer);
	sgh_amqp_send_method(conn, consumer->channel, AMQP_BASIC_QOS_METHOD, &qos);
	sgh_amqp_send_method(conn, consumer->channel, AMQP_BASIC_CONSUME_METHOD,
			     &consume);
	consumer->phase = OPENING;
}

static void cancel(struct consumer *consumer)
{
	amqp_basic_cancel_t method = { .consumer_tag =
					       amqp_cstring_bytes(consumer->tag) };

	if (!sgh_amqp_room(&consumer->consuming->conn, 512))
		return;
	sgh_amqp_send_method(&consumer->consuming->conn, consumer->channel,
			     AMQP_BASIC_CANCEL_METHOD, &method);
	consumer->phase = CANCELLING;
}

static void close_channel(struct consumer *consumer)
{
	amqp_channel_close_t method = { .reply_code = AMQP_REPLY_SUCCESS,
					.reply_text = amqp_cstring_bytes("done") };

	if (!sgh_amqp_room(&consumer->consuming->conn, 512))
		return;
	sgh_amqp_send_method(&consumer->consuming->conn, consumer->channel,
			     AMQP_CHANNEL_CLOSE_METHOD, &method);
	consumer->phase = CLOSING;
}

/* The holder has let go and nothing of it is left at the broker. */
static void drop(struct consumer *consumer)
{
	struct sgh_amqp_consuming *consuming = consumer->consuming;

	sgh_list_remove(&consumer->link);
	if (consumer->channel)
		consuming->channels[consumer->channel] = NULL;
	consumer_unref(consumer);
}

/*
 * Take the next step towards what the holder wants. What is in hand of one that was freed
 * can still be acknowledged, so its channel closes last. Returns when to look again.
 */
static int64_t step(struct consumer *consumer, int64_t now)
{
	bool up = consumer->consuming->conn.up, wanted, freed;

	pthread_mutex_lock(&consumer->consuming->s.lock);
	freed = consumer->s.freed;
	wanted = consumer->s.wanted && !freed;
	pthread_mutex_unlock(&consumer->consuming->s.lock);

	if (consumer->phase == CLOSED && freed) {
		drop(consumer);
		return SGH_NEVER;
	}
	if (!up)
		return SGH_NEVER;
	if (consumer->phase == ATTACHED && !wanted)
		cancel(consumer);
	else if (consumer->phase == IDLE && freed && sgh_list_empty(&consumer->order))
		close_channel(consumer);
	else if ((consumer->phase == CLOSED || consumer->phase == IDLE) && wanted) {
		if (now < consumer->retry_ms)
			return consumer->retry_ms;
		attach(consumer);
	}
	return SGH_NEVER;
}

static void give_channel(struct sgh_amqp_consuming *consuming, struct consumer *consumer)
{
	unsigned channel = FIRST_CHANNEL;

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
	int64_t next = SGH_NEVER;

	take_arrived(consuming);
	acknowledge(consuming);
	sgh_list_for_each_safe (link, &consuming->consumers) {
		struct consumer *consumer = sgh_list_entry(link, struct consumer, link);
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

static void tell(struct consumer *consumer, const char *event, const char *reason)
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

static void channel_closed(struct consumer *consumer, const amqp_channel_close_t *method)
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
	    consumer->row && !consumer->refused) {
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
static void cancelled(struct consumer *consumer, const amqp_basic_cancel_t *method)
{
	amqp_basic_cancel_ok_t ok = { .consumer_tag = method->consumer_tag };

	if (!method->nowait)
		sgh_amqp_send_method(&consumer->consuming->conn, consumer->channel,
				     AMQP_BASIC_CANCEL_OK_METHOD, &ok);
	if (consumer->phase == CLOSING)
		return;
	consumer->phase = IDLE;
	consumer->declare = true;
	set_attached(consumer, false);
	tell(consumer, "cancelled", "the broker cancelled the consumer");
	retry_later(consumer);
}

static void consuming_now(struct consumer *consumer)
{
	consumer->phase = ATTACHED;
	consumer->declare = consumer->own;
	consumer->told[0] = '\0';
	sgh_backoff_reset(&consumer->backoff);
	set_attached(consumer, true);
}

static void method_frame(struct consumer *consumer, const amqp_method_t *method)
{
	/* What was on its way when we closed the channel is not ours any more. */
	if (consumer->phase == CLOSING && method->id != AMQP_CHANNEL_CLOSE_METHOD &&
	    method->id != AMQP_CHANNEL_CLOSE_OK_METHOD)
		return;
	switch (method->id) {
	case AMQP_BASIC_DELIVER_METHOD:
		delivery_begins(consumer, method->decoded);
		break;
	case AMQP_BASIC_CONSUME_OK_METHOD:
		consuming_now(consumer);
		break;
	case AMQP_BASIC_CANCEL_OK_METHOD:
		consumer->phase = IDLE;
		set_attached(consumer, false);
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

static void on_frame(struct sgh_amqp_conn *conn, const amqp_frame_t *frame)
{
	struct sgh_amqp_consuming *consuming = consuming_of(conn);
	struct consumer *consumer = NULL;

	if (frame->channel < SGH_COUNT(consuming->channels))
		consumer = consuming->channels[frame->channel];
	if (!consumer || consumer->phase == CLOSED)
		return;
	if (frame->frame_type == AMQP_FRAME_METHOD)
		method_frame(consumer, &frame->payload.method);
	else if (consumer->phase == CLOSING)
		return;
	else if (frame->frame_type == AMQP_FRAME_HEADER)
		delivery_header(consumer, frame);
	else if (frame->frame_type == AMQP_FRAME_BODY)
		delivery_body(consumer, &frame->payload.body_fragment);
}

/* ---- the life of the connection ---- */

static int on_open(struct sgh_amqp_conn *conn, struct sangraha_error *err)
{
	amqp_channel_open_t open = { 0 };
	int rc = sgh_amqp_call(conn, DECLARING, AMQP_CHANNEL_OPEN_METHOD, &open,
			       AMQP_CHANNEL_OPEN_OK_METHOD, NULL, err);

	return rc ? rc
		  : sgh_amqp_declare_all(conn, DECLARING, &consuming_of(conn)->complained,
					 err);
}

static void on_opened(struct sgh_amqp_conn *conn)
{
	sgh_list_for_each (link, &consuming_of(conn)->consumers) {
		struct consumer *consumer = sgh_list_entry(link, struct consumer, link);

		consumer->retry_ms = 0;
		consumer->refused = false;
	}
}

/* Bytes in hand are bounded; a message that has begun is always read to its end. */
static bool on_reads(struct sgh_amqp_conn *conn)
{
	bool full = false;

	sgh_list_for_each (link, &consuming_of(conn)->consumers) {
		struct consumer *consumer = sgh_list_entry(link, struct consumer, link);

		if (consumer->coming)
			return true;
		if (consumer->bytes > 0 &&
		    consumer->bytes >= consumer->base.options.max_bytes)
			full = true;
	}
	return !full;
}

static void on_lost(struct sgh_amqp_conn *conn, const struct sangraha_error *err)
{
	sgh_list_for_each (link, &consuming_of(conn)->consumers)
		forget_channel(sgh_list_entry(link, struct consumer, link));
}

static void on_finish(struct sgh_amqp_conn *conn)
{
	struct sgh_amqp_consuming *consuming = consuming_of(conn);
	struct sgh_list *link;

	pthread_mutex_lock(&consuming->s.lock);
	consuming->s.finished = true;
	pthread_mutex_unlock(&consuming->s.lock);
	take_arrived(consuming);
	take_settled(consuming);
	while ((link = consuming->settled.next) != &consuming->settled)
		settled_free(sgh_list_entry(link, struct delivery, base.link));
	while ((link = consuming->consumers.next) != &consuming->consumers) {
		struct consumer *consumer = sgh_list_entry(link, struct consumer, link);

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
	.open = on_open,
	.opened = on_opened,
	.frame = on_frame,
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
