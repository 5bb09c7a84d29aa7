/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/util.h"
#include "queue/amqp_publishing.h"
#include "queue/amqp_topology.h"

/* ---- what the broker says ---- */

static void confirmed(struct sgh_amqp_publisher *publisher, uint64_t tag, bool multiple,
		      bool nack)
{
	struct sgh_amqp_confirms *confirms = &publisher->confirms;
	uint64_t from = multiple ? confirms->first : tag;

	for (; from <= tag && from < confirms->next; from++) {
		struct sgh_publish *publish = sgh_amqp_confirms_take(confirms, from);

		SGH_FAIL_POINT("amqp.confirmed");
		if (publish && nack)
			sgh_amqp_done_with(publisher, publish, SANGRAHA_E_OVERLOADED,
					   "the queue refused the message; it may be "
					   "full");
		else if (publish)
			sgh_amqp_done(publisher, publish, 0, NULL);
	}
}

static void copy_text(char text[256], amqp_bytes_t bytes)
{
	size_t length = sgh_min(bytes.len, 255);

	if (length)
		memcpy(text, bytes.bytes, length);
	text[length] = '\0';
}

static void return_begins(struct sgh_amqp_returning *returning,
			  const amqp_basic_return_t *method)
{
	returning->active = true;
	copy_text(returning->what.exchange, method->exchange);
	copy_text(returning->what.routing_key, method->routing_key);
}

/* Everything is known with the header; the body is skipped. */
static void return_header(struct sgh_amqp_publisher *publisher, const amqp_frame_t *frame)
{
	struct sgh_amqp_returning *returning = &publisher->returning[frame->channel];
	struct sgh_publish *publish;
	struct sangraha_error err;
	uint64_t tag;

	if (!returning->active)
		return;
	returning->active = false;
	if (frame->channel != SGH_AMQP_CONFIRMED)
		return;
	returning->what.properties = frame->payload.properties.decoded;
	returning->what.body_size = frame->payload.properties.body_size;
	tag = sgh_amqp_confirms_find(&publisher->confirms, &returning->what);
	if (!tag) {
		/* Its confirm would pass for a delivery: nothing sent is certain now. */
		sgh_amqp_failed(
			&publisher->conn, SANGRAHA_E_UNAVAILABLE, AMQP_NO_ROUTE,
			"the broker returned a message to \"%s\" that is not known",
			returning->what.routing_key);
		return;
	}
	publisher->confirms.returned = tag;
	publish = sgh_amqp_confirms_take(&publisher->confirms, tag);
	sgh_fail(&err, SANGRAHA_E_NOT_FOUND, AMQP_NO_ROUTE,
		 "no queue takes messages for \"%s\"", returning->what.routing_key);
	sgh_amqp_done(publisher, publish, SANGRAHA_E_NOT_FOUND, &err);
	/* Somebody deleted a queue of the contract: a new connection declares it again. */
	if (sgh_amqp_queue_find(returning->what.routing_key))
		sgh_amqp_failed(&publisher->conn, SANGRAHA_E_UNAVAILABLE, AMQP_NO_ROUTE,
				"the queue %s is gone and has to be declared again",
				returning->what.routing_key);
}

static void reopen(struct sgh_amqp_publisher *publisher, enum sgh_amqp_channel channel)
{
	amqp_channel_close_ok_t closed = { 0 };
	amqp_channel_open_t open = { 0 };
	amqp_confirm_select_t confirm = { 0 };
	struct sgh_amqp_conn *conn = &publisher->conn;

	publisher->open[channel] = false;
	sgh_amqp_send_method(conn, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &closed);
	sgh_amqp_send_method(conn, channel, AMQP_CHANNEL_OPEN_METHOD, &open);
	if (channel == SGH_AMQP_CONFIRMED)
		sgh_amqp_send_method(conn, channel, AMQP_CONFIRM_SELECT_METHOD, &confirm);
}

/* The message that the broker closed the channel over, as far as its text tells. */
static bool blamed(const struct sgh_publish *publish, const struct sangraha_error *err)
{
	char quoted[260];

	if (err->native == AMQP_NOT_FOUND || err->native == AMQP_ACCESS_REFUSED) {
		snprintf(quoted, sizeof(quoted), "'%s'", publish->exchange);
		return *publish->exchange && strstr(err->message, quoted);
	}
	return publish->message->body && publish->message->body->length > (16u << 20);
}

/*
 * Nothing on the channel is confirmed any more: the broker may have what was sent before
 * the message that it did not like, and has nothing of what came after it.
 */
void sgh_amqp_end_sent(struct sgh_amqp_publisher *publisher,
		       const struct sangraha_error *err, bool blame)
{
	struct sgh_amqp_confirms *confirms = &publisher->confirms;

	while (confirms->first < confirms->next) {
		struct sgh_publish *publish =
			sgh_amqp_confirms_take(confirms, confirms->first);
		struct sangraha_error why;

		if (blame && blamed(publish, err))
			sgh_fail(&why, SANGRAHA_E_INVALID, err->native, "%s",
				 err->message);
		else
			sgh_fail(&why, SANGRAHA_E_UNAVAILABLE, err->native, "%s",
				 err->message);
		sgh_amqp_done(publisher, publish, why.status, &why);
	}
	sgh_amqp_confirms_reset(confirms);
}

/*
 * What was written in part cannot be in the broker: it waits again, in front. Its place
 * among the confirms is given up first.
 */
void sgh_amqp_unwrite(struct sgh_amqp_publisher *publisher)
{
	struct sgh_publish *publish = publisher->writing.publish;

	sgh_bytes_unref(publisher->writing.body);
	memset(&publisher->writing, 0, sizeof(publisher->writing));
	if (!publish)
		return;
	if (publish->confirm)
		sgh_amqp_confirms_take(&publisher->confirms, publish->tag);
	publish->state = SGH_AMQP_WAITING;
	publish->tag = (uint64_t)sgh_now_ms();
	sgh_list_append(publisher->waiting.next, &publish->link);
	sgh_amqp_note(publisher, publish->deadline_ms);
}

/* The broker takes no more of it; a message with a confirm ends with the others. */
static void give_up_writing(struct sgh_amqp_publisher *publisher,
			    const struct sangraha_error *err)
{
	struct sgh_publish *publish = publisher->writing.publish;

	sgh_bytes_unref(publisher->writing.body);
	memset(&publisher->writing, 0, sizeof(publisher->writing));
	if (publish && !publish->confirm)
		sgh_amqp_done_with(publisher, publish,
				   blamed(publish, err) ? SANGRAHA_E_INVALID
							: SANGRAHA_E_UNAVAILABLE,
				   err->message);
}

/* Somebody deleted an exchange of the contract: a new connection declares it again. */
static bool misses_exchange(const struct sangraha_error *err)
{
	return err->native == AMQP_NOT_FOUND &&
	       (strstr(err->message, "'" SANGRAHA_EVENT_EXCHANGE "'") ||
		strstr(err->message, "'" SANGRAHA_DEAD_LETTER_EXCHANGE "'"));
}

static void channel_closed(struct sgh_amqp_publisher *publisher,
			   enum sgh_amqp_channel channel,
			   const amqp_channel_close_t *method)
{
	struct sgh_queue_probe *probe = publisher->probed;
	struct sangraha_error err;
	int status = sgh_amqp_closed(&err, method->reply_code, method->reply_text);

	if (channel == SGH_AMQP_ASKING) {
		publisher->probed = NULL;
		publisher->probing = false;
		reopen(publisher, channel);
		if (probe)
			probe->done(probe, status, &err);
		return;
	}
	sgh_log(publisher->conn.settings->context, SANGRAHA_LOG_WARN, "queue", "channel",
		"the broker closed a publishing channel: %s", err.message);
	if (misses_exchange(&err)) {
		sgh_amqp_failed(&publisher->conn, SANGRAHA_E_UNAVAILABLE, err.native,
				"%s; it has to be declared again", err.message);
		return;
	}
	memset(&publisher->returning[channel], 0, sizeof(publisher->returning[channel]));
	if (publisher->writing.body && publisher->writing.channel == channel)
		give_up_writing(publisher, &err);
	reopen(publisher, channel);
	if (channel == SGH_AMQP_CONFIRMED)
		sgh_amqp_end_sent(publisher, &err, true);
}

static void probe_answered(struct sgh_amqp_publisher *publisher,
			   const amqp_queue_declare_ok_t *method)
{
	struct sgh_queue_probe *probe = sgh_take(publisher->probed);

	publisher->probing = false;
	if (!probe)
		return;
	probe->messages = method->message_count;
	probe->consumers = method->consumer_count;
	probe->done(probe, 0, NULL);
}

static void method_frame(struct sgh_amqp_publisher *publisher,
			 enum sgh_amqp_channel channel, const amqp_method_t *method)
{
	const amqp_basic_ack_t *ack = method->decoded;
	const amqp_basic_nack_t *nack = method->decoded;

	switch (method->id) {
	case AMQP_BASIC_ACK_METHOD:
		confirmed(publisher, ack->delivery_tag, ack->multiple, false);
		break;
	case AMQP_BASIC_NACK_METHOD:
		confirmed(publisher, nack->delivery_tag, nack->multiple, true);
		break;
	case AMQP_BASIC_RETURN_METHOD:
		if (channel != SGH_AMQP_ASKING)
			return_begins(&publisher->returning[channel], method->decoded);
		break;
	case AMQP_CHANNEL_CLOSE_METHOD:
		channel_closed(publisher, channel, method->decoded);
		break;
	case AMQP_CHANNEL_OPEN_OK_METHOD:
		publisher->open[channel] = channel != SGH_AMQP_CONFIRMED;
		break;
	case AMQP_CONFIRM_SELECT_OK_METHOD:
		publisher->open[channel] = true;
		break;
	case AMQP_QUEUE_DECLARE_OK_METHOD:
		probe_answered(publisher, method->decoded);
		break;
	default:
		break;
	}
}

void sgh_amqp_publisher_frame(struct sgh_amqp_conn *conn, const amqp_frame_t *frame)
{
	struct sgh_amqp_publisher *publisher = sgh_amqp_publisher_of(conn);

	if (frame->channel > SGH_AMQP_ASKING)
		return;
	if (frame->frame_type == AMQP_FRAME_METHOD)
		method_frame(publisher, frame->channel, &frame->payload.method);
	else if (frame->frame_type == AMQP_FRAME_HEADER &&
		 frame->channel != SGH_AMQP_ASKING)
		return_header(publisher, frame);
}

/* True when that is news. */
static bool set_blocked(struct sgh_amqp_publisher *publisher, const char *reason)
{
	struct sgh_amqp_conn *conn = &publisher->conn;

	if ((reason != NULL) == (publisher->blocked_ms != 0))
		return false;
	publisher->blocked_ms = reason ? sgh_now_ms() : 0;
	pthread_mutex_lock(&publisher->s.lock);
	publisher->s.blocked_ms = publisher->blocked_ms;
	snprintf(publisher->s.blocked, sizeof(publisher->s.blocked), "%s",
		 reason ? reason : "");
	pthread_mutex_unlock(&publisher->s.lock);
	/* Whoever waits until messages can be published waits there. */
	pthread_mutex_lock(&conn->s.lock);
	pthread_cond_broadcast(&conn->s.cond);
	pthread_mutex_unlock(&conn->s.lock);
	return true;
}

void sgh_amqp_publisher_blocked(struct sgh_amqp_conn *conn, const char *reason)
{
	struct sangraha_context *context = conn->settings->context;

	if (!set_blocked(sgh_amqp_publisher_of(conn), reason))
		return;
	sgh_amqp_expect_reading(conn, reason == NULL);
	sgh_metric_set(conn->gauge, reason ? 2 : 0);
	if (reason)
		sgh_log(context, SANGRAHA_LOG_WARN, "queue", "blocked",
			"the broker blocks publishers: %s", reason);
	else
		sgh_log(context, SANGRAHA_LOG_INFO, "queue", "unblocked",
			"the broker takes messages again");
}

void sgh_amqp_publisher_forget_blocked(struct sgh_amqp_publisher *publisher)
{
	set_blocked(publisher, NULL);
}
