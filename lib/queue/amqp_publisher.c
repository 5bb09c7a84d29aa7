/* SPDX-License-Identifier: MIT */
#include "queue/amqp_publisher.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "base/util.h"
#include "queue/amqp_confirms.h"
#include "queue/amqp_table.h"

/* What needs a confirm, what does not, and what only asks. */
enum channel {
	CONFIRMED = 1,
	PLAIN = 2,
	ASKING = 3,
};

enum state {
	WAITING, /* `tag` is when it was submitted (monotonic) */
	WRITING,
	SENT,
};

#define PATIENCE_MS       1000 /* without a connection, or blocked, before calls fail */
#define MESSAGES_PER_TURN 256
#define SCAN_MS           5 /* deadlines are looked at this often, at most */

/* A message that the broker returned, as its frames come in. */
struct returning {
	bool active;
	uint64_t skip; /* bytes of body still to come */
	struct sgh_amqp_returned what;
};

struct sgh_amqp_publisher {
	struct sgh_amqp_conn conn;
	void (*released)(void *owner);
	void *owner;
	struct sgh_metric *gauge;

	/* The thread's own. */
	struct sgh_list waiting; /* publishes not written yet */
	struct sgh_amqp_confirms confirms;
	struct {
		struct sgh_publish *publish; /* NULL: given up meanwhile */
		struct sgh_bytes *body;      /* what is being written; NULL: nothing is */
		size_t sent;
		enum channel channel;
	} writing;
	bool open[ASKING + 1]; /* by channel */
	struct returning returning[ASKING];
	struct sgh_list asking;         /* probes */
	struct sgh_queue_probe *probed; /* the one that was sent; NULL: given up */
	bool probing;                   /* an answer is due */
	int64_t deadline_ms;            /* nothing ends before */
	int64_t scanned_ms;
	int64_t blocked_ms; /* since when; 0: not blocked */
	uint32_t complained;

	struct {
		pthread_mutex_t lock;
		struct sgh_list publishes; /* submitted */
		struct sgh_list probes;
		size_t in_hand; /* publishes without `done` */
		int64_t deadline_ms;
		int64_t blocked_ms;
		char blocked[256]; /* why */
		bool finished;
	} s;
};

static struct sgh_amqp_publisher *publisher_of(struct sgh_amqp_conn *conn)
{
	return sgh_container_of(conn, struct sgh_amqp_publisher, conn);
}

/* ---- submitting, from any thread ---- */

/* Why nothing can be sent now, for longer than a caller is asked to wait; 0: it can. */
static int impatient(struct sgh_amqp_publisher *publisher, struct sangraha_error *err)
{
	struct sangraha_error why;
	int64_t now = sgh_now_ms();
	int64_t since = sgh_amqp_conn_down_since(&publisher->conn, &why);
	int rc = 0;

	if (since && now - since >= PATIENCE_MS)
		return sgh_fail_with(err, SANGRAHA_E_UNAVAILABLE, &why);
	pthread_mutex_lock(&publisher->s.lock);
	if (publisher->s.blocked_ms && now - publisher->s.blocked_ms >= PATIENCE_MS)
		rc = sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
			      "the broker blocks publishers: %s", publisher->s.blocked);
	pthread_mutex_unlock(&publisher->s.lock);
	return rc;
}

static int check(const struct sgh_publish *publish, struct sangraha_error *err)
{
	size_t size = sgh_amqp_properties_size(publish->message);

	if (strlen(publish->exchange) > 255 || strlen(publish->routing_key) > 255 ||
	    size == 0)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a property of the message is longer than 255 bytes");
	if (size > SGH_HEADER_BYTES_MAX)
		return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0,
				"the headers of the message are larger than %d bytes",
				SGH_HEADER_BYTES_MAX);
	return 0;
}

int sgh_amqp_publisher_publish(struct sgh_amqp_publisher *publisher,
			       struct sgh_publish *publish, struct sangraha_error *err)
{
	bool wake = false;
	int rc = check(publish, err);

	if (!rc)
		rc = impatient(publisher, err);
	if (rc)
		return rc;
	publish->state = WAITING;
	publish->tag = (uint64_t)sgh_now_ms();
	publish->sent = 0;
	pthread_mutex_lock(&publisher->s.lock);
	if (publisher->s.finished) {
		rc = sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0, "the queue is closed");
	} else if (publisher->s.in_hand >= SGH_PUBLISH_MAX) {
		rc = sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
			      "%d messages wait to be published", SGH_PUBLISH_MAX);
	} else {
		wake = sgh_list_empty(&publisher->s.publishes);
		sgh_list_append(&publisher->s.publishes, &publish->link);
		publisher->s.in_hand++;
		if (publish->deadline_ms < publisher->s.deadline_ms)
			publisher->s.deadline_ms = publish->deadline_ms;
	}
	pthread_mutex_unlock(&publisher->s.lock);
	if (wake)
		sgh_amqp_conn_wake(&publisher->conn);
	return rc;
}

int sgh_amqp_publisher_probe(struct sgh_amqp_publisher *publisher,
			     struct sgh_queue_probe *probe, struct sangraha_error *err)
{
	int rc = impatient(publisher, err);

	if (rc)
		return rc;
	pthread_mutex_lock(&publisher->s.lock);
	if (publisher->s.finished) {
		rc = sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0, "the queue is closed");
	} else {
		sgh_list_append(&publisher->s.probes, &probe->link);
		if (probe->deadline_ms < publisher->s.deadline_ms)
			publisher->s.deadline_ms = probe->deadline_ms;
	}
	pthread_mutex_unlock(&publisher->s.lock);
	if (!rc)
		sgh_amqp_conn_wake(&publisher->conn);
	return rc;
}

static bool is_blocked(struct sgh_amqp_publisher *publisher)
{
	bool blocked;

	pthread_mutex_lock(&publisher->s.lock);
	blocked = publisher->s.blocked_ms != 0;
	pthread_mutex_unlock(&publisher->s.lock);
	return blocked;
}

bool sgh_amqp_publisher_ready(struct sgh_amqp_publisher *publisher)
{
	return !sgh_amqp_conn_down_since(&publisher->conn, NULL) &&
	       !is_blocked(publisher);
}

int sgh_amqp_publisher_wait(struct sgh_amqp_publisher *publisher, unsigned timeout_ms,
			    struct sangraha_error *err)
{
	struct sgh_amqp_conn *conn = &publisher->conn;
	int64_t until = sgh_now_ms() + timeout_ms;
	bool in_time = true;
	int rc = 0;

	/* Blocking and unblocking broadcast under the connection's lock too. */
	pthread_mutex_lock(&conn->s.lock);
	while (in_time && (!conn->s.connected || is_blocked(publisher)))
		in_time = sgh_cond_wait_until(&conn->s.cond, &conn->s.lock, until);
	if (!conn->s.connected)
		rc = sgh_fail(err, SANGRAHA_E_TIMEOUT, conn->s.error.native, "%s",
			      conn->s.error.message);
	else if (is_blocked(publisher))
		rc = sgh_fail(err, SANGRAHA_E_TIMEOUT, 0, "the broker blocks publishers");
	pthread_mutex_unlock(&conn->s.lock);
	return rc;
}

/* ---- ending ---- */

static void done(struct sgh_amqp_publisher *publisher, struct sgh_publish *publish,
		 int status, const struct sangraha_error *err)
{
	pthread_mutex_lock(&publisher->s.lock);
	publisher->s.in_hand--;
	pthread_mutex_unlock(&publisher->s.lock);
	publish->done(publish, status, err);
}

static void fail(struct sgh_amqp_publisher *publisher, struct sgh_publish *publish,
		 int status, const char *message)
{
	struct sangraha_error err;

	sgh_fail(&err, status, 0, "%s", message);
	done(publisher, publish, status, &err);
}

static void probe_done(struct sgh_queue_probe *probe, int status,
		       const struct sangraha_error *err)
{
	probe->done(probe, status, err);
}

static void probe_late(struct sgh_queue_probe *probe)
{
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_TIMEOUT, 0, "the broker did not say in time");
	probe_done(probe, SANGRAHA_E_TIMEOUT, &err);
}

static void note(struct sgh_amqp_publisher *publisher, int64_t deadline_ms)
{
	if (deadline_ms < publisher->deadline_ms)
		publisher->deadline_ms = deadline_ms;
}

/* What is too late: everything in hand is looked at, and the next time noted. */
static void expire(struct sgh_amqp_publisher *publisher, int64_t now)
{
	static const char late[] = "the message was not confirmed in time";
	struct sgh_amqp_confirms *confirms = &publisher->confirms;
	struct sgh_publish *publish = publisher->writing.publish;

	publisher->deadline_ms = SGH_NEVER;
	publisher->scanned_ms = now;
	for (uint64_t tag = confirms->first; tag < confirms->next; tag++) {
		struct sgh_publish *sent = sgh_amqp_confirms_at(confirms, tag);

		if (sent && sent->deadline_ms > now)
			note(publisher, sent->deadline_ms);
		else if (sent && sent != publish)
			fail(publisher, sgh_amqp_confirms_take(confirms, tag),
			     SANGRAHA_E_TIMEOUT, late);
	}
	if (publish && publish->deadline_ms <= now) {
		/* The frames that are missing still follow, or the channel breaks. */
		publisher->writing.publish = NULL;
		if (publish->confirm)
			sgh_amqp_confirms_take(confirms, publish->tag);
		fail(publisher, publish, SANGRAHA_E_TIMEOUT, late);
	} else if (publish) {
		note(publisher, publish->deadline_ms);
	}
	sgh_list_for_each_safe (link, &publisher->waiting) {
		publish = sgh_list_entry(link, struct sgh_publish, link);
		if (publish->deadline_ms > now) {
			note(publisher, publish->deadline_ms);
			continue;
		}
		sgh_list_remove(link);
		fail(publisher, publish, SANGRAHA_E_TIMEOUT,
		     "the message could not be sent in time");
	}
}

static void expire_probes(struct sgh_amqp_publisher *publisher, int64_t now)
{
	struct sgh_queue_probe *probe = publisher->probed;

	if (probe && probe->deadline_ms <= now) {
		publisher->probed = NULL;
		probe_late(probe);
	} else if (probe) {
		note(publisher, probe->deadline_ms);
	}
	sgh_list_for_each_safe (link, &publisher->asking) {
		probe = sgh_list_entry(link, struct sgh_queue_probe, link);
		if (probe->deadline_ms > now) {
			note(publisher, probe->deadline_ms);
			continue;
		}
		sgh_list_remove(link);
		probe_late(probe);
	}
}

/* A broker that blocks publishers may do so for hours. */
static void give_up_blocked(struct sgh_amqp_publisher *publisher, int64_t now)
{
	struct sangraha_error err = { 0 };

	while (!sgh_list_empty(&publisher->waiting)) {
		struct sgh_publish *publish =
			sgh_list_entry(publisher->waiting.next, struct sgh_publish, link);

		if ((int64_t)publish->tag + PATIENCE_MS > now) {
			note(publisher, (int64_t)publish->tag + PATIENCE_MS);
			return;
		}
		if (!impatient(publisher, &err))
			return;
		sgh_list_remove(&publish->link);
		done(publisher, publish, SANGRAHA_E_UNAVAILABLE, &err);
	}
}

/* ---- writing ---- */

static bool send_head(struct sgh_amqp_publisher *publisher, struct sgh_publish *publish,
		      enum channel channel)
{
	const struct sgh_message *message = publish->message;
	struct sgh_amqp_properties properties;
	amqp_basic_publish_t method = {
		.exchange = amqp_cstring_bytes(publish->exchange),
		.routing_key = amqp_cstring_bytes(publish->routing_key),
		.mandatory = publish->mandatory,
	};
	amqp_frame_t frame = { .frame_type = AMQP_FRAME_HEADER, .channel = channel };

	sgh_amqp_properties_fill(&properties, message);
	frame.payload.properties.class_id = AMQP_BASIC_CLASS;
	frame.payload.properties.body_size = message->body ? message->body->length : 0;
	frame.payload.properties.decoded = &properties.properties;
	return sgh_amqp_send_method(&publisher->conn, channel, AMQP_BASIC_PUBLISH_METHOD,
				    &method) &&
	       sgh_amqp_send(&publisher->conn, &frame, sgh_amqp_properties_size(message));
}

/* All its frames are sent. */
static void written(struct sgh_amqp_publisher *publisher)
{
	struct sgh_publish *publish = publisher->writing.publish;

	sgh_bytes_unref(publisher->writing.body);
	memset(&publisher->writing, 0, sizeof(publisher->writing));
	if (!publish)
		return;
	publish->state = SENT;
	if (!publish->confirm)
		done(publisher, publish, 0, NULL);
}

/* Go on with the body that is being written; true when it is all sent. */
static bool write_body(struct sgh_amqp_publisher *publisher)
{
	struct sgh_amqp_conn *conn = &publisher->conn;
	const struct sgh_bytes *body = publisher->writing.body;

	while (body && publisher->writing.sent < body->length) {
		size_t size =
			sgh_min(body->length - publisher->writing.sent, conn->chunk);
		amqp_frame_t frame = { .frame_type = AMQP_FRAME_BODY,
				       .channel = publisher->writing.channel };

		if (!sgh_amqp_room(conn, size + 8))
			return false;
		frame.payload.body_fragment.len = size;
		frame.payload.body_fragment.bytes =
			(void *)(body->data + publisher->writing.sent);
		if (!sgh_amqp_send(conn, &frame, size + 8))
			return false;
		publisher->writing.sent += size;
	}
	written(publisher);
	return true;
}

/* Take the first that waits and send its head; false when it has to wait on. */
static bool write_next(struct sgh_amqp_publisher *publisher)
{
	struct sgh_publish *publish =
		sgh_list_entry(publisher->waiting.next, struct sgh_publish, link);
	enum channel channel = publish->confirm ? CONFIRMED : PLAIN;
	struct sgh_amqp_conn *conn = &publisher->conn;
	size_t size = sgh_amqp_properties_size(publish->message);

	if (!publisher->open[channel] || !sgh_amqp_room(conn, size + 1024 + 2048))
		return false;
	if (publish->confirm && !sgh_amqp_confirms_reserve(&publisher->confirms))
		return false;
	sgh_list_remove(&publish->link);
	if (size > conn->frame_max) {
		fail(publisher, publish, SANGRAHA_E_INVALID,
		     "the headers of the message do not fit a frame of the broker");
		return true;
	}
	publish->state = WRITING;
	publisher->writing.publish = publish;
	publisher->writing.channel = channel;
	if (publish->message->body)
		publisher->writing.body = sgh_bytes_ref(publish->message->body);
	if (publish->confirm) {
		publish->tag = publisher->confirms.next;
		sgh_amqp_confirms_add(&publisher->confirms, publish);
	}
	return send_head(publisher, publish, channel) && write_body(publisher);
}

static void ask_next(struct sgh_amqp_publisher *publisher)
{
	struct sgh_queue_probe *probe;
	amqp_queue_declare_t method = { .passive = 1 };

	if (publisher->probing || !publisher->open[ASKING] ||
	    sgh_list_empty(&publisher->asking) || !sgh_amqp_room(&publisher->conn, 512))
		return;
	probe = sgh_list_entry(sgh_list_pop(&publisher->asking), struct sgh_queue_probe,
			       link);
	method.queue = amqp_cstring_bytes(probe->queue);
	publisher->probed = probe;
	publisher->probing = true;
	sgh_amqp_send_method(&publisher->conn, ASKING, AMQP_QUEUE_DECLARE_METHOD,
			     &method);
}

static void cork(struct sgh_amqp_publisher *publisher, int on)
{
	setsockopt(publisher->conn.fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

/* Three frames a message make small packets; a turn's go out together. */
static bool write_some(struct sgh_amqp_publisher *publisher)
{
	struct sgh_amqp_conn *conn = &publisher->conn;
	bool more = true;

	ask_next(publisher);
	if (!publisher->writing.body &&
	    (sgh_list_empty(&publisher->waiting) || publisher->blocked_ms))
		return false;
	cork(publisher, 1);
	if (publisher->writing.body)
		more = write_body(publisher);
	for (int i = 0; more && i < MESSAGES_PER_TURN && !conn->failed; i++)
		more = !publisher->blocked_ms && !sgh_list_empty(&publisher->waiting) &&
		       write_next(publisher);
	cork(publisher, 0);
	return more;
}

static void take_submitted(struct sgh_amqp_publisher *publisher)
{
	pthread_mutex_lock(&publisher->s.lock);
	sgh_list_splice(&publisher->waiting, &publisher->s.publishes);
	sgh_list_splice(&publisher->asking, &publisher->s.probes);
	note(publisher, publisher->s.deadline_ms);
	publisher->s.deadline_ms = SGH_NEVER;
	pthread_mutex_unlock(&publisher->s.lock);
}

static int64_t on_turn(struct sgh_amqp_conn *conn, int64_t now)
{
	struct sgh_amqp_publisher *publisher = publisher_of(conn);
	bool more = false;

	take_submitted(publisher);
	if (now >= publisher->deadline_ms && now - publisher->scanned_ms >= SCAN_MS) {
		expire(publisher, now);
		expire_probes(publisher, now);
	}
	if (publisher->blocked_ms)
		give_up_blocked(publisher, now);
	if (conn->up && !conn->failed)
		more = write_some(publisher);
	if (more)
		return now;
	return publisher->deadline_ms < publisher->scanned_ms + SCAN_MS
		       ? publisher->scanned_ms + SCAN_MS
		       : publisher->deadline_ms;
}

/* ---- what the broker says ---- */

static void confirmed(struct sgh_amqp_publisher *publisher, uint64_t tag, bool multiple,
		      bool nack)
{
	struct sgh_amqp_confirms *confirms = &publisher->confirms;
	uint64_t from = multiple ? confirms->first : tag;

	for (; from <= tag && from < confirms->next; from++) {
		struct sgh_publish *publish = sgh_amqp_confirms_take(confirms, from);

		if (publish && nack)
			fail(publisher, publish, SANGRAHA_E_OVERLOADED,
			     "the queue refused the message");
		else if (publish)
			done(publisher, publish, 0, NULL);
	}
}

static void copy_text(char text[256], amqp_bytes_t bytes)
{
	size_t length = sgh_min(bytes.len, 255);

	if (length)
		memcpy(text, bytes.bytes, length);
	text[length] = '\0';
}

static void return_begins(struct returning *returning, const amqp_basic_return_t *method)
{
	returning->active = true;
	returning->skip = 0;
	copy_text(returning->what.exchange, method->exchange);
	copy_text(returning->what.routing_key, method->routing_key);
}

/* Everything is known with the header; the body is skipped. */
static void return_header(struct sgh_amqp_publisher *publisher, const amqp_frame_t *frame)
{
	struct returning *returning = &publisher->returning[frame->channel];
	struct sgh_publish *publish;
	struct sangraha_error err;
	uint64_t tag;

	if (!returning->active)
		return;
	returning->active = false;
	if (frame->channel != CONFIRMED)
		return;
	returning->what.properties = frame->payload.properties.decoded;
	returning->what.body_size = frame->payload.properties.body_size;
	tag = sgh_amqp_confirms_find(&publisher->confirms, &returning->what);
	if (!tag)
		return;
	publisher->confirms.returned = tag;
	publish = sgh_amqp_confirms_take(&publisher->confirms, tag);
	sgh_fail(&err, SANGRAHA_E_NOT_FOUND, AMQP_NO_ROUTE,
		 "no queue takes messages for \"%s\"", returning->what.routing_key);
	done(publisher, publish, SANGRAHA_E_NOT_FOUND, &err);
}

static void reopen(struct sgh_amqp_publisher *publisher, enum channel channel)
{
	amqp_channel_close_ok_t closed = { 0 };
	amqp_channel_open_t open = { 0 };
	amqp_confirm_select_t confirm = { 0 };
	struct sgh_amqp_conn *conn = &publisher->conn;

	publisher->open[channel] = false;
	sgh_amqp_send_method(conn, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &closed);
	sgh_amqp_send_method(conn, channel, AMQP_CHANNEL_OPEN_METHOD, &open);
	if (channel == CONFIRMED)
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
static void end_sent(struct sgh_amqp_publisher *publisher,
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
		done(publisher, publish, why.status, &why);
	}
	sgh_amqp_confirms_reset(confirms);
}

/*
 * What was written in part cannot be in the broker: it waits again, in front. Its place
 * among the confirms is given up first.
 */
static void unwrite(struct sgh_amqp_publisher *publisher)
{
	struct sgh_publish *publish = publisher->writing.publish;

	sgh_bytes_unref(publisher->writing.body);
	memset(&publisher->writing, 0, sizeof(publisher->writing));
	if (!publish)
		return;
	if (publish->confirm)
		sgh_amqp_confirms_take(&publisher->confirms, publish->tag);
	publish->state = WAITING;
	publish->tag = (uint64_t)sgh_now_ms();
	sgh_list_append(publisher->waiting.next, &publish->link);
	note(publisher, publish->deadline_ms);
}

/* The broker takes no more of it; a message with a confirm ends with the others. */
static void give_up_writing(struct sgh_amqp_publisher *publisher,
			    const struct sangraha_error *err)
{
	struct sgh_publish *publish = publisher->writing.publish;

	sgh_bytes_unref(publisher->writing.body);
	memset(&publisher->writing, 0, sizeof(publisher->writing));
	if (publish && !publish->confirm)
		fail(publisher, publish,
		     blamed(publish, err) ? SANGRAHA_E_INVALID : SANGRAHA_E_UNAVAILABLE,
		     err->message);
}

static void channel_closed(struct sgh_amqp_publisher *publisher, enum channel channel,
			   const amqp_channel_close_t *method)
{
	struct sgh_queue_probe *probe = publisher->probed;
	struct sangraha_error err;
	int status = sgh_amqp_closed(&err, method->reply_code, method->reply_text);

	if (channel == ASKING) {
		publisher->probed = NULL;
		publisher->probing = false;
		reopen(publisher, channel);
		if (probe)
			probe_done(probe, status, &err);
		return;
	}
	sgh_log(publisher->conn.settings->context, SANGRAHA_LOG_WARN, "queue", "channel",
		"the broker closed a publishing channel: %s", err.message);
	memset(&publisher->returning[channel], 0, sizeof(publisher->returning[channel]));
	if (publisher->writing.body && publisher->writing.channel == channel)
		give_up_writing(publisher, &err);
	reopen(publisher, channel);
	if (channel == CONFIRMED)
		end_sent(publisher, &err, true);
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
	probe_done(probe, 0, NULL);
}

static void method_frame(struct sgh_amqp_publisher *publisher, enum channel channel,
			 const amqp_method_t *method)
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
		if (channel != ASKING)
			return_begins(&publisher->returning[channel], method->decoded);
		break;
	case AMQP_CHANNEL_CLOSE_METHOD:
		channel_closed(publisher, channel, method->decoded);
		break;
	case AMQP_CHANNEL_OPEN_OK_METHOD:
		publisher->open[channel] = channel != CONFIRMED;
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

static void on_frame(struct sgh_amqp_conn *conn, const amqp_frame_t *frame)
{
	struct sgh_amqp_publisher *publisher = publisher_of(conn);

	if (frame->channel > ASKING)
		return;
	if (frame->frame_type == AMQP_FRAME_METHOD)
		method_frame(publisher, frame->channel, &frame->payload.method);
	else if (frame->frame_type == AMQP_FRAME_HEADER && frame->channel != ASKING)
		return_header(publisher, frame);
}

static void on_blocked(struct sgh_amqp_conn *conn, const char *reason)
{
	struct sgh_amqp_publisher *publisher = publisher_of(conn);
	int64_t now = sgh_now_ms();

	if ((reason != NULL) == (publisher->blocked_ms != 0))
		return;
	publisher->blocked_ms = reason ? now : 0;
	pthread_mutex_lock(&publisher->s.lock);
	publisher->s.blocked_ms = publisher->blocked_ms;
	snprintf(publisher->s.blocked, sizeof(publisher->s.blocked), "%s",
		 reason ? reason : "");
	pthread_mutex_unlock(&publisher->s.lock);
	pthread_mutex_lock(&conn->s.lock);
	pthread_cond_broadcast(&conn->s.cond);
	pthread_mutex_unlock(&conn->s.lock);
	sgh_log(conn->settings->context, reason ? SANGRAHA_LOG_WARN : SANGRAHA_LOG_INFO,
		"queue", reason ? "blocked" : "unblocked",
		reason ? "the broker blocks publishers: %s"
		       : "the broker takes messages again%s",
		reason ? reason : "");
}

/* ---- the life of the connection ---- */

static int open_channels(struct sgh_amqp_conn *conn, struct sangraha_error *err)
{
	struct sgh_amqp_publisher *publisher = publisher_of(conn);
	amqp_channel_open_t open = { 0 };
	amqp_confirm_select_t confirm = { 0 };
	int rc = 0;

	for (unsigned channel = CONFIRMED; channel <= ASKING && !rc; channel++)
		rc = sgh_amqp_call(conn, channel, AMQP_CHANNEL_OPEN_METHOD, &open,
				   AMQP_CHANNEL_OPEN_OK_METHOD, NULL, err);
	if (!rc)
		rc = sgh_amqp_declare_all(conn, ASKING, &publisher->complained, err);
	if (!rc)
		rc = sgh_amqp_call(conn, CONFIRMED, AMQP_CONFIRM_SELECT_METHOD, &confirm,
				   AMQP_CONFIRM_SELECT_OK_METHOD, NULL, err);
	for (unsigned channel = CONFIRMED; channel <= ASKING; channel++)
		publisher->open[channel] = true;
	return rc;
}

static void on_opened(struct sgh_amqp_conn *conn)
{
	struct sgh_amqp_publisher *publisher = publisher_of(conn);

	sgh_amqp_confirms_reset(&publisher->confirms);
	memset(publisher->returning, 0, sizeof(publisher->returning));
	sgh_metric_set(publisher->gauge, 0);
}

static bool on_reads(struct sgh_amqp_conn *conn)
{
	return true;
}

static void on_lost(struct sgh_amqp_conn *conn, const struct sangraha_error *err)
{
	struct sgh_amqp_publisher *publisher = publisher_of(conn);
	struct sgh_queue_probe *probe = sgh_take(publisher->probed);

	sgh_metric_set(publisher->gauge, 2);
	publisher->probing = false;
	if (publisher->blocked_ms)
		on_blocked(conn, NULL);
	unwrite(publisher);
	end_sent(publisher, err, false);
	if (probe)
		probe_done(probe, SANGRAHA_E_UNAVAILABLE, err);
}

static void on_finish(struct sgh_amqp_conn *conn)
{
	struct sgh_amqp_publisher *publisher = publisher_of(conn);
	struct sangraha_error err;
	struct sgh_list *link;

	sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0, "the queue was closed");
	pthread_mutex_lock(&publisher->s.lock);
	publisher->s.finished = true;
	pthread_mutex_unlock(&publisher->s.lock);
	take_submitted(publisher);
	while ((link = sgh_list_pop(&publisher->waiting)))
		done(publisher, sgh_list_entry(link, struct sgh_publish, link),
		     SANGRAHA_E_UNAVAILABLE, &err);
	while ((link = sgh_list_pop(&publisher->asking)))
		probe_done(sgh_list_entry(link, struct sgh_queue_probe, link),
			   SANGRAHA_E_UNAVAILABLE, &err);
}

static void on_released(struct sgh_amqp_conn *conn)
{
	struct sgh_amqp_publisher *publisher = publisher_of(conn);

	publisher->released(publisher->owner);
}

static const struct sgh_amqp_conn_ops publisher_ops = {
	.purpose = "publish",
	.open = open_channels,
	.opened = on_opened,
	.frame = on_frame,
	.blocked = on_blocked,
	.turn = on_turn,
	.reads = on_reads,
	.lost = on_lost,
	.finish = on_finish,
	.released = on_released,
};

int sgh_amqp_publisher_new(const struct sgh_amqp_settings *settings,
			   void (*released)(void *owner), void *owner,
			   struct sgh_amqp_publisher **ret, struct sangraha_error *err)
{
	struct sgh_amqp_publisher *publisher = calloc(1, sizeof(*publisher));
	int rc;

	if (!publisher)
		return sgh_fail_memory(err);
	publisher->released = released;
	publisher->owner = owner;
	publisher->deadline_ms = SGH_NEVER;
	publisher->s.deadline_ms = SGH_NEVER;
	sgh_list_init(&publisher->waiting);
	sgh_list_init(&publisher->asking);
	sgh_list_init(&publisher->s.publishes);
	sgh_list_init(&publisher->s.probes);
	sgh_amqp_confirms_reset(&publisher->confirms);
	pthread_mutex_init(&publisher->s.lock, NULL);
	publisher->gauge =
		sgh_metrics_gauge(settings->context->metrics, "sangraha_breaker_state",
				  "dependency=\"broker\"");
	sgh_metric_set(publisher->gauge, 2);
	rc = sgh_amqp_conn_init(&publisher->conn, &publisher_ops, settings, err);
	if (rc) {
		sgh_amqp_publisher_free(publisher);
		return rc;
	}
	*ret = publisher;
	return 0;
}

int sgh_amqp_publisher_start(struct sgh_amqp_publisher *publisher,
			     struct sangraha_error *err)
{
	return sgh_amqp_conn_start(&publisher->conn, err);
}

void sgh_amqp_publisher_stop(struct sgh_amqp_publisher *publisher)
{
	sgh_amqp_conn_stop(&publisher->conn);
}

void sgh_amqp_publisher_free(struct sgh_amqp_publisher *publisher)
{
	if (!publisher)
		return;
	sgh_amqp_confirms_fini(&publisher->confirms);
	sgh_bytes_unref(publisher->writing.body);
	sgh_amqp_conn_fini(&publisher->conn);
	pthread_mutex_destroy(&publisher->s.lock);
	free(publisher);
}
