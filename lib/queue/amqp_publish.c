/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/util.h"
#include "queue/amqp_publishing.h"
#include "queue/amqp_table.h"

#define MESSAGES_PER_TURN 256
#define SCAN_MS           5 /* deadlines are looked at this often, at most */

/* ---- ending ---- */

void sgh_amqp_done(struct sgh_amqp_publisher *publisher, struct sgh_publish *publish,
		   int status, const struct sangraha_error *err)
{
	struct sgh_amqp_way *way = publish->way;

	if (way)
		way->out = false;
	pthread_mutex_lock(&publisher->s.lock);
	publisher->s.in_hand--;
	pthread_mutex_unlock(&publisher->s.lock);
	publish->done(publish, status, err);
}

void sgh_amqp_done_with(struct sgh_amqp_publisher *publisher, struct sgh_publish *publish,
			int status, const char *message)
{
	struct sangraha_error err;

	sgh_fail(&err, status, 0, "%s", message);
	sgh_amqp_done(publisher, publish, status, &err);
}

static void probe_late(struct sgh_queue_probe *probe)
{
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_TIMEOUT, 0, "the broker did not say in time");
	probe->done(probe, SANGRAHA_E_TIMEOUT, &err);
}

void sgh_amqp_note(struct sgh_amqp_publisher *publisher, int64_t deadline_ms)
{
	if (deadline_ms < publisher->deadline_ms)
		publisher->deadline_ms = deadline_ms;
}

static void expire_waiting(struct sgh_amqp_publisher *publisher, struct sgh_list *list,
			   int64_t now)
{
	sgh_list_for_each_safe (link, list) {
		struct sgh_publish *publish =
			sgh_list_entry(link, struct sgh_publish, link);

		if (publish->deadline_ms > now) {
			sgh_amqp_note(publisher, publish->deadline_ms);
			continue;
		}
		sgh_list_remove(link);
		sgh_amqp_done_with(publisher, publish, SANGRAHA_E_TIMEOUT,
				   "the message could not be sent in time");
	}
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
			sgh_amqp_note(publisher, sent->deadline_ms);
		else if (sent && sent != publish)
			sgh_amqp_done_with(publisher,
					   sgh_amqp_confirms_take(confirms, tag),
					   SANGRAHA_E_TIMEOUT, late);
	}
	if (publish && publish->deadline_ms <= now) {
		/* The frames that are missing still follow, or the channel breaks. */
		publisher->writing.publish = NULL;
		if (publish->confirm)
			sgh_amqp_confirms_take(confirms, publish->tag);
		sgh_amqp_done_with(publisher, publish, SANGRAHA_E_TIMEOUT, late);
	} else if (publish) {
		sgh_amqp_note(publisher, publish->deadline_ms);
	}
	expire_waiting(publisher, &publisher->waiting, now);
	for (size_t i = 0; i < SGH_AMQP_WAYS; i++)
		expire_waiting(publisher, &publisher->ways[i].company, now);
}

static void expire_probes(struct sgh_amqp_publisher *publisher, int64_t now)
{
	struct sgh_queue_probe *probe = publisher->probed;

	if (probe && probe->deadline_ms <= now) {
		publisher->probed = NULL;
		probe_late(probe);
	} else if (probe) {
		sgh_amqp_note(publisher, probe->deadline_ms);
	}
	sgh_list_for_each_safe (link, &publisher->asking) {
		probe = sgh_list_entry(link, struct sgh_queue_probe, link);
		if (probe->deadline_ms > now) {
			sgh_amqp_note(publisher, probe->deadline_ms);
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

	sgh_amqp_disband(publisher);
	while (!sgh_list_empty(&publisher->waiting)) {
		struct sgh_publish *publish =
			sgh_list_entry(publisher->waiting.next, struct sgh_publish, link);

		if ((int64_t)publish->tag + SGH_AMQP_PATIENCE_MS > now) {
			sgh_amqp_note(publisher,
				      (int64_t)publish->tag + SGH_AMQP_PATIENCE_MS);
			return;
		}
		if (!sgh_amqp_impatient(publisher, &err))
			return;
		sgh_list_remove(&publish->link);
		sgh_amqp_done(publisher, publish, SANGRAHA_E_UNAVAILABLE, &err);
	}
}

/* ---- writing ---- */

static bool send_head(struct sgh_amqp_publisher *publisher, struct sgh_publish *publish,
		      enum sgh_amqp_channel channel)
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
	       sgh_amqp_send(&publisher->conn, &frame, publish->size);
}

/* All its frames are sent. */
static void written(struct sgh_amqp_publisher *publisher)
{
	struct sgh_publish *publish = publisher->writing.publish;

	SGH_FAIL_POINT("amqp.written");
	sgh_bytes_unref(publisher->writing.body);
	memset(&publisher->writing, 0, sizeof(publisher->writing));
	if (!publish)
		return;
	publish->state = SGH_AMQP_SENT;
	if (!publish->confirm)
		sgh_amqp_done(publisher, publish, 0, NULL);
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
	enum sgh_amqp_channel channel =
		publish->confirm ? SGH_AMQP_CONFIRMED : SGH_AMQP_PLAIN;
	struct sgh_amqp_conn *conn = &publisher->conn;
	size_t size = publish->size;

	/* For such a one there may never be room, and others wait behind it. */
	if (size > conn->frame_max) {
		sgh_list_remove(&publish->link);
		sgh_amqp_done_with(
			publisher, publish, SANGRAHA_E_INVALID,
			"the headers of the message do not fit a frame of the broker");
		return true;
	}
	if (!publisher->open[channel] || !sgh_amqp_room(conn, size + 1024 + 2048))
		return false;
	if (publish->confirm && !sgh_amqp_confirms_reserve(&publisher->confirms))
		return false;
	sgh_list_remove(&publish->link);
	publish->state = SGH_AMQP_WRITING;
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

	if (publisher->probing || !publisher->open[SGH_AMQP_ASKING] ||
	    sgh_list_empty(&publisher->asking) || !sgh_amqp_room(&publisher->conn, 512))
		return;
	probe = sgh_list_entry(sgh_list_pop(&publisher->asking), struct sgh_queue_probe,
			       link);
	method.queue = amqp_cstring_bytes(probe->queue);
	publisher->probed = probe;
	publisher->probing = true;
	sgh_amqp_send_method(&publisher->conn, SGH_AMQP_ASKING, AMQP_QUEUE_DECLARE_METHOD,
			     &method);
}

static bool write_some(struct sgh_amqp_publisher *publisher)
{
	struct sgh_amqp_conn *conn = &publisher->conn;
	bool more = true;

	ask_next(publisher);
	if (!publisher->writing.body &&
	    (sgh_list_empty(&publisher->waiting) || publisher->blocked_ms))
		return false;
	if (publisher->writing.body)
		more = write_body(publisher);
	for (int i = 0; more && i < MESSAGES_PER_TURN && !conn->failed; i++)
		more = !publisher->blocked_ms && !sgh_list_empty(&publisher->waiting) &&
		       write_next(publisher);
	return more;
}

int64_t sgh_amqp_publisher_turn(struct sgh_amqp_conn *conn, int64_t now)
{
	struct sgh_amqp_publisher *publisher = sgh_amqp_publisher_of(conn);
	bool expected = false;
	bool more = false;
	int64_t next;

	sgh_amqp_take_submitted(publisher, now);
	if (now >= publisher->deadline_ms && now - publisher->scanned_ms >= SCAN_MS) {
		expire(publisher, now);
		expire_probes(publisher, now);
	}
	if (publisher->blocked_ms)
		give_up_blocked(publisher, now);
	if (conn->up && !conn->failed) {
		expected = sgh_amqp_gather(publisher, sgh_now_us());
		more = write_some(publisher);
	}
	if (more)
		return now;
	next = publisher->scanned_ms + SCAN_MS;
	if (next < publisher->deadline_ms)
		next = publisher->deadline_ms;
	if (expected && next > now)
		next = now + 1;
	return next < publisher->held_ms ? next : publisher->held_ms;
}
