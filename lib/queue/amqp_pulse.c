/* SPDX-License-Identifier: MIT */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "queue/amqp_conn.h"

/*
 * Signs of life. Heartbeats are negotiated, usually in minutes; a broker that was stopped
 * or cut off without a word would keep all requests waiting that long. So who has said
 * nothing for a while is asked something that costs it nothing.
 */

#define SILENT_MS 5000 /* then it is asked */
#define ANSWER_MS 5000 /* then it counts as gone */

/* By how much the kernel's clock and ours may differ about the same byte. */
#define JITTER_MS 500

/*
 * The library would send heartbeats only inside its read calls, which stop while the bytes
 * in hand are at their bound, and in the middle of what we send. Returns when the next one is due.
 */
static int64_t beat(struct sgh_amqp_conn *conn, int64_t now)
{
	amqp_frame_t frame = { .frame_type = AMQP_FRAME_HEARTBEAT };

	if (conn->heartbeat == 0)
		return SGH_NEVER;
	if (now >= conn->heartbeat_ms) {
		if (sgh_amqp_room(conn, 8))
			sgh_amqp_send(conn, &frame, 8);
		conn->heartbeat_ms = now + (int64_t)conn->heartbeat * 500;
	}
	return conn->heartbeat_ms;
}

/* For how many milliseconds nothing has arrived, be it a part of a frame. */
static int64_t silence(struct sgh_amqp_conn *conn)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	if (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
		return 0;
	return info.tcpi_last_data_recv;
}

/* basic.qos with nothing in it: the broker answers at once. */
static void ask(struct sgh_amqp_conn *conn)
{
	amqp_basic_qos_t method = { 0 };

	/* Without room it has not read what was sent, which is a question as well. */
	if (sgh_amqp_room(conn, 512))
		sgh_amqp_send_method(conn, conn->ops->asking, AMQP_BASIC_QOS_METHOD,
				     &method);
}

/* Those of the broker, which come also while it blocks us. */
static bool beats_missed(struct sgh_amqp_conn *conn)
{
	return conn->heartbeat != 0 && conn->ops->reads(conn) &&
	       silence(conn) > (int64_t)conn->heartbeat * 2000;
}

/* Returns when to look again. */
static int64_t watch(struct sgh_amqp_conn *conn, int64_t now)
{
	int64_t heard;

	if (now < conn->watch_ms)
		return conn->watch_ms;
	if (beats_missed(conn)) {
		sgh_amqp_failed(conn, SANGRAHA_E_UNAVAILABLE, 0,
				"the broker has missed two heartbeats");
		return now;
	}
	/* A broker that blocks us reads nothing; what we do not read proves nothing. */
	heard = conn->blocked || !conn->ops->reads(conn) ? now : now - silence(conn);
	if (heard > conn->heard_ms + JITTER_MS) {
		conn->heard_ms = heard;
		conn->asked = false;
	}
	if (now < heard + SILENT_MS) {
		conn->watch_ms = heard + SILENT_MS;
	} else if (!conn->asked) {
		ask(conn);
		conn->asked = true;
		conn->watch_ms = now + ANSWER_MS;
	} else {
		sgh_amqp_failed(conn, SANGRAHA_E_UNAVAILABLE, 0,
				"the broker has said nothing for %lld ms",
				(long long)(now - heard));
	}
	return conn->watch_ms;
}

void sgh_amqp_pulse_begins(struct sgh_amqp_conn *conn)
{
	conn->heartbeat_ms = 0;
	conn->watch_ms = 0;
	conn->heard_ms = 0;
	conn->asked = false;
	conn->blocked = false;
}

int64_t sgh_amqp_pulse(struct sgh_amqp_conn *conn, int64_t now)
{
	int64_t beats = beat(conn, now);
	int64_t looks = watch(conn, now);

	return beats < looks ? beats : looks;
}
