/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/util.h"
#include "queue/amqp_conn.h"

/*
 * What goes out. rabbitmq-c makes a system call for each frame, three for a message, and
 * blocks in it when the socket is full. So frames are encoded here, gather, and leave
 * together, as far as the socket takes them; what is left follows when there is room. The
 * library's own socket is needed for TLS alone, where its records gather as they may.
 */

/* What the kernel may add to a segment in its own accounting. */
#define SEGMENT_COST 1024

#define FRAME_HEAD 7 /* type, channel, size */
#define FRAME_TAIL 1
#define FLUSH_AT   (64u << 10)
/* Answers that are owed to the broker go out without a question for room. */
#define OWED (8u << 10)

int sgh_amqp_out_init(struct sgh_amqp_out *out, size_t frame_max)
{
	sgh_amqp_out_fini(out);
	out->size = 2 * frame_max + OWED;
	out->data = malloc(out->size);
	return out->data ? 0 : SANGRAHA_E_OVERLOADED;
}

void sgh_amqp_out_fini(struct sgh_amqp_out *out)
{
	free(out->data);
	memset(out, 0, sizeof(*out));
}

/* ---- frames to bytes: AMQP 0-9-1, section 4.2.3 ---- */

static unsigned char *put_number(unsigned char *to, uint64_t number, int bytes)
{
	while (bytes-- > 0)
		*to++ = (unsigned char)(number >> (8 * bytes));
	return to;
}

/* A frame's payload: its length, or a failure of the library's when there is no room. */
static int encode_payload(const amqp_frame_t *frame, unsigned char *to, size_t room)
{
	unsigned char *at = to;
	int length;

	switch (frame->frame_type) {
	case AMQP_FRAME_METHOD:
		at = put_number(at, frame->payload.method.id, 4);
		length = amqp_encode_method(
			frame->payload.method.id, frame->payload.method.decoded,
			(amqp_bytes_t){ .len = room - 4, .bytes = at });
		break;
	case AMQP_FRAME_HEADER:
		at = put_number(at, frame->payload.properties.class_id, 2);
		at = put_number(at, 0, 2);
		at = put_number(at, frame->payload.properties.body_size, 8);
		length = amqp_encode_properties(
			frame->payload.properties.class_id,
			frame->payload.properties.decoded,
			(amqp_bytes_t){ .len = room - 12, .bytes = at });
		break;
	case AMQP_FRAME_BODY:
		length = (int)frame->payload.body_fragment.len;
		if (frame->payload.body_fragment.len > room)
			return AMQP_STATUS_NO_MEMORY;
		memcpy(at, frame->payload.body_fragment.bytes,
		       frame->payload.body_fragment.len);
		break;
	default:
		length = 0;
	}
	return length < 0 ? length : (int)(at - to) + length;
}

/* Room for `size` bytes behind what waits; false: there is none. */
static bool make_room(struct sgh_amqp_out *out, size_t size)
{
	if (out->size - out->to >= size)
		return true;
	memmove(out->data, out->data + out->from, out->to - out->from);
	out->to -= out->from;
	out->from = 0;
	return out->size - out->to >= size;
}

static bool gather(struct sgh_amqp_conn *conn, const amqp_frame_t *frame, size_t size)
{
	struct sgh_amqp_out *out = &conn->out;
	unsigned char *at;
	int length;

	size += FRAME_HEAD + FRAME_TAIL + 12;
	if (!make_room(out, size)) {
		sgh_amqp_failed(conn, SANGRAHA_E_UNAVAILABLE, 0,
				"the broker does not read what it is sent");
		return false;
	}
	at = out->data + out->to;
	length = encode_payload(frame, at + FRAME_HEAD, size - FRAME_HEAD - FRAME_TAIL);
	if (length < 0) {
		sgh_amqp_library_failed(conn, length, 0);
		return false;
	}
	at = put_number(at, frame->frame_type, 1);
	at = put_number(at, frame->channel, 2);
	at = put_number(at, (uint64_t)length, 4);
	at[length] = AMQP_FRAME_END;
	out->to += (size_t)length + FRAME_HEAD + FRAME_TAIL;
	if (out->to - out->from >= FLUSH_AT)
		sgh_amqp_flush(conn);
	return true;
}

/* ---- to the socket ---- */

void sgh_amqp_flush(struct sgh_amqp_conn *conn)
{
	struct sgh_amqp_out *out = &conn->out;

	while (!conn->failed && out->from < out->to) {
		ssize_t sent = send(conn->fd, out->data + out->from, out->to - out->from,
				    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			sgh_amqp_library_failed(conn, AMQP_STATUS_SOCKET_ERROR, errno);
		if (sent < 0)
			return;
		out->from += (size_t)sent;
	}
	if (out->from == out->to)
		out->from = out->to = 0;
}

bool sgh_amqp_unsent(const struct sgh_amqp_conn *conn)
{
	return conn->out.from < conn->out.to;
}

/* Linux says writable while a third of the buffer is free, overhead included. */
static bool socket_has_room(struct sgh_amqp_conn *conn, size_t size)
{
	struct pollfd writable = { .fd = conn->fd, .events = POLLOUT };

	size += SEGMENT_COST;
	if (conn->room >= size)
		return true;
	if (poll(&writable, 1, 0) > 0 && (writable.revents & POLLOUT))
		conn->room = conn->send_buffer / 3 > size ? conn->send_buffer / 3 : size;
	return conn->room >= size;
}

bool sgh_amqp_room(struct sgh_amqp_conn *conn, size_t size)
{
	size_t needed = size + OWED;

	if (!conn->out.data) {
		conn->wants_room = !socket_has_room(conn, size);
		return !conn->wants_room;
	}
	if (make_room(&conn->out, needed))
		return true;
	sgh_amqp_flush(conn);
	if (make_room(&conn->out, needed))
		return true;
	conn->wants_room = true;
	return false;
}

static bool send_now(struct sgh_amqp_conn *conn, const amqp_frame_t *frame, size_t size)
{
	size_t cost = size + SEGMENT_COST;
	int rc;

	errno = 0;
	rc = amqp_send_frame(conn->state, frame);
	if (rc != AMQP_STATUS_OK) {
		sgh_amqp_library_failed(conn, rc, errno);
		return false;
	}
	conn->room -= sgh_min(conn->room, cost);
	return true;
}

bool sgh_amqp_send(struct sgh_amqp_conn *conn, const amqp_frame_t *frame, size_t size)
{
	if (conn->failed)
		return false;
	return conn->out.data ? gather(conn, frame, size) : send_now(conn, frame, size);
}

bool sgh_amqp_send_method(struct sgh_amqp_conn *conn, unsigned channel,
			  amqp_method_number_t id, void *method)
{
	amqp_frame_t frame = { .frame_type = AMQP_FRAME_METHOD };

	frame.channel = (amqp_channel_t)channel;
	frame.payload.method.id = id;
	frame.payload.method.decoded = method;
	return sgh_amqp_send(conn, &frame, SGH_AMQP_METHOD_MAX);
}
