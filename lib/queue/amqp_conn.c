/* SPDX-License-Identifier: MIT */
#include "queue/amqp_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "base/util.h"
#include "queue/amqp_dial.h"

#define ANSWER_MS       5000 /* for one answer of the broker while declaring */
#define FRAMES_PER_TURN 256
#define STABLE_MS       2000 /* a connection that lasted this long was a good one */
#define STOP_MS         900  /* for a friendly end, and again for an unfriendly one */
#define GOODBYE_MS      300
#define LONGEST_NAP_MS  60000

/* ---- from any thread ---- */

int sgh_amqp_conn_init(struct sgh_amqp_conn *conn, const struct sgh_amqp_conn_ops *ops,
		       const struct sgh_amqp_settings *settings,
		       struct sangraha_error *err)
{
	conn->ops = ops;
	conn->settings = settings;
	conn->fd = -1;
	conn->s.cut = -1;
	conn->s.since_ms = sgh_now_ms();
	pthread_mutex_init(&conn->s.lock, NULL);
	sgh_cond_init(&conn->s.cond);
	sgh_fail(&conn->s.error, SANGRAHA_E_UNAVAILABLE, 0, "not connected yet");
	if (!sgh_bell_init(&conn->bell))
		return sgh_fail_errno(err, errno, "eventfd");
	conn->attempts = calloc(settings->url_count, sizeof(*conn->attempts));
	return conn->attempts ? 0 : sgh_fail_memory(err);
}

void sgh_amqp_conn_fini(struct sgh_amqp_conn *conn)
{
	sgh_amqp_leave(conn);
	sgh_bell_fini(&conn->bell);
	sgh_amqp_out_fini(&conn->out);
	free(conn->attempts);
	pthread_cond_destroy(&conn->s.cond);
	pthread_mutex_destroy(&conn->s.lock);
}

void sgh_amqp_conn_wake(struct sgh_amqp_conn *conn)
{
	sgh_bell_ring(&conn->bell);
}

bool sgh_amqp_stopping(struct sgh_amqp_conn *conn)
{
	bool stop;

	pthread_mutex_lock(&conn->s.lock);
	stop = conn->s.stop;
	pthread_mutex_unlock(&conn->s.lock);
	return stop;
}

int64_t sgh_amqp_conn_down_since(struct sgh_amqp_conn *conn, struct sangraha_error *err)
{
	int64_t since = 0;

	pthread_mutex_lock(&conn->s.lock);
	if (!conn->s.connected) {
		since = conn->s.since_ms;
		if (err)
			*err = conn->s.error;
	}
	pthread_mutex_unlock(&conn->s.lock);
	return since;
}

static bool exited_before_locked(struct sgh_amqp_conn *conn, int64_t until)
{
	while (!conn->s.exited)
		if (!sgh_cond_wait_until(&conn->s.cond, &conn->s.lock, until))
			break;
	return conn->s.exited;
}

void sgh_amqp_conn_stop(struct sgh_amqp_conn *conn)
{
	bool started, exited;

	pthread_mutex_lock(&conn->s.lock);
	conn->s.stop = true;
	started = conn->s.started;
	exited = conn->s.exited;
	pthread_mutex_unlock(&conn->s.lock);
	if (!started)
		return;
	if (pthread_equal(pthread_self(), conn->thread)) {
		pthread_detach(conn->thread);
		return;
	}
	sgh_amqp_conn_wake(conn);
	pthread_mutex_lock(&conn->s.lock);
	exited = exited_before_locked(conn, sgh_now_ms() + STOP_MS);
	if (!exited) {
		if (conn->s.cut >= 0)
			shutdown(conn->s.cut, SHUT_RDWR);
		exited = exited_before_locked(conn, sgh_now_ms() + STOP_MS);
	}
	pthread_mutex_unlock(&conn->s.lock);
	if (exited)
		pthread_join(conn->thread, NULL);
	else
		pthread_detach(conn->thread);
}

/* ---- failures ---- */

void sgh_amqp_failed(struct sgh_amqp_conn *conn, int status, long native,
		     const char *format, ...)
{
	char text[256];
	va_list args;

	if (conn->failed)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	conn->failed = true;
	sgh_fail(&conn->error, status, native, "%s", text);
}

void sgh_amqp_library_failed(struct sgh_amqp_conn *conn, int rc, int errnum)
{
	if (rc == AMQP_STATUS_SOCKET_ERROR && errnum)
		sgh_amqp_failed(conn, SANGRAHA_E_UNAVAILABLE, errnum, "%s",
				strerror(errnum));
	else
		sgh_amqp_failed(conn, SANGRAHA_E_UNAVAILABLE, rc, "%s",
				amqp_error_string2(rc));
}

/* ---- what the broker says about the connection ---- */

int sgh_amqp_status(unsigned reply_code)
{
	switch (reply_code) {
	case AMQP_CONTENT_TOO_LARGE:
		return SANGRAHA_E_TOO_LARGE;
	case AMQP_ACCESS_REFUSED:
		return SANGRAHA_E_UNAUTHORIZED;
	case AMQP_NOT_FOUND:
		return SANGRAHA_E_NOT_FOUND;
	case AMQP_RESOURCE_LOCKED:
		return SANGRAHA_E_CONFLICT;
	case AMQP_PRECONDITION_FAILED:
	case AMQP_NOT_ALLOWED:
	case AMQP_NOT_IMPLEMENTED:
		return SANGRAHA_E_INVALID;
	case AMQP_CONNECTION_FORCED:
	case AMQP_RESOURCE_ERROR:
		return SANGRAHA_E_UNAVAILABLE;
	default:
		return SANGRAHA_E_INTERNAL;
	}
}

int sgh_amqp_closed(struct sangraha_error *err, unsigned code, amqp_bytes_t text)
{
	return sgh_fail(err, sgh_amqp_status(code), (long)code, "%.*s",
			(int)sgh_min(text.len, 255), (const char *)text.bytes);
}

/* A method of channel 0 once the connection is open. */
static void connection_method(struct sgh_amqp_conn *conn, const amqp_method_t *method)
{
	if (method->id == AMQP_CONNECTION_CLOSE_METHOD) {
		const amqp_connection_close_t *close_method = method->decoded;
		amqp_connection_close_ok_t ok = { 0 };
		struct sangraha_error err;

		sgh_amqp_closed(&err, close_method->reply_code, close_method->reply_text);
		sgh_amqp_send_method(conn, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
		sgh_amqp_failed(conn, err.status, err.native, "%s", err.message);
	} else if (method->id == AMQP_CONNECTION_BLOCKED_METHOD) {
		const amqp_connection_blocked_t *blocked = method->decoded;
		char reason[256];

		snprintf(reason, sizeof(reason), "%.*s", (int)blocked->reason.len,
			 (const char *)blocked->reason.bytes);
		conn->blocked = true;
		if (conn->ops->blocked)
			conn->ops->blocked(conn, reason);
	} else if (method->id == AMQP_CONNECTION_UNBLOCKED_METHOD) {
		conn->blocked = false;
		if (conn->ops->blocked)
			conn->ops->blocked(conn, NULL);
	}
}

/* ---- connecting ---- */

void sgh_amqp_nap(struct sgh_amqp_conn *conn, struct pollfd *socket, int64_t until)
{
	struct pollfd fds[2] = { { .fd = conn->bell.fd, .events = POLLIN },
				 socket ? *socket : (struct pollfd){ .fd = -1 } };
	int64_t now = sgh_now_ms();
	int timeout = until <= now ? 0 : (int)sgh_min(until - now, LONGEST_NAP_MS);

	if (!sgh_bell_doze(&conn->bell))
		timeout = 0;
	if (poll(fds, 2, timeout) <= 0)
		fds[0].revents = fds[1].revents = 0;
	sgh_bell_up(&conn->bell, fds[0].revents != 0);
	if (socket)
		socket->revents = fds[1].revents;
}

int sgh_amqp_wait(struct sgh_amqp_conn *conn, int fd, short events, int64_t until)
{
	struct pollfd socket = { .fd = fd };

	while (!sgh_amqp_stopping(conn)) {
		int64_t now = sgh_now_ms();
		int64_t next = conn->ops->turn(conn, now);

		sgh_amqp_flush(conn);
		if (now >= until)
			return 0;
		socket.events = events;
		if (sgh_amqp_unsent(conn))
			socket.events |= POLLOUT;
		sgh_amqp_nap(conn, &socket, next < until ? next : until);
		if (socket.revents & (events | POLLERR | POLLHUP))
			return 1;
	}
	return -1;
}

/* Whether a frame is what is waited for: 1, or 0, or a failure. */
static int answers(struct sgh_amqp_conn *conn, const amqp_frame_t *frame,
		   unsigned channel, amqp_method_number_t answer,
		   struct sangraha_error *err)
{
	const amqp_method_t *method = &frame->payload.method;

	if (frame->frame_type != AMQP_FRAME_METHOD)
		return 0;
	if (frame->channel == channel && method->id == answer)
		return 1;
	if (frame->channel == 0) {
		connection_method(conn, method);
		if (conn->failed)
			return sgh_fail_with(err, SANGRAHA_E_UNAVAILABLE, &conn->error);
	} else if (frame->channel == channel && method->id == AMQP_CHANNEL_CLOSE_METHOD) {
		const amqp_channel_close_t *close_method = method->decoded;
		amqp_channel_close_ok_t ok = { 0 };

		sgh_amqp_send_method(conn, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
		return sgh_amqp_closed(err, close_method->reply_code,
				       close_method->reply_text);
	}
	return 0;
}

int sgh_amqp_await(struct sgh_amqp_conn *conn, unsigned channel,
		   amqp_method_number_t answer, amqp_method_t *ret,
		   struct sangraha_error *err)
{
	struct timeval at_once = { 0 };
	int64_t until = sgh_now_ms() + ANSWER_MS;
	amqp_frame_t frame;
	int rc;

	for (;;) {
		amqp_maybe_release_buffers(conn->state);
		sgh_amqp_flush(conn);
		errno = 0;
		rc = amqp_simple_wait_frame_noblock(conn->state, &frame, &at_once);
		if (rc == AMQP_STATUS_TIMEOUT) {
			rc = sgh_amqp_wait(conn, conn->fd, POLLIN, until);
			if (rc <= 0) {
				sgh_amqp_failed(conn, SANGRAHA_E_UNAVAILABLE, 0, "%s",
						rc < 0 ? "stopped"
						       : "the broker does not answer");
				return sgh_fail_with(err, 0, &conn->error);
			}
			continue;
		}
		if (rc != AMQP_STATUS_OK) {
			sgh_amqp_library_failed(conn, rc, errno);
			return sgh_fail_with(err, 0, &conn->error);
		}
		rc = answers(conn, &frame, channel, answer, err);
		if (rc > 0 && ret)
			*ret = frame.payload.method;
		if (rc)
			return rc > 0 ? 0 : rc;
	}
}

int sgh_amqp_call(struct sgh_amqp_conn *conn, unsigned channel, amqp_method_number_t id,
		  void *method, amqp_method_number_t answer, amqp_method_t *ret,
		  struct sangraha_error *err)
{
	if (!sgh_amqp_send_method(conn, channel, id, method))
		return sgh_fail_with(err, 0, &conn->error);
	return sgh_amqp_await(conn, channel, answer, ret, err);
}

/* Go on with a line: everything that has to be there before it is announced. */
static int establish(struct sgh_amqp_conn *conn, const struct sgh_amqp_line *line,
		     struct sangraha_error *err)
{
	int rc;

	conn->state = line->state;
	conn->fd = line->fd;
	conn->tls = line->tls;
	conn->send_buffer = line->send_buffer;
	conn->frame_max = line->frame_max;
	/* A frame must fit the part of the buffer that is sure to be free. */
	conn->chunk = sgh_min(line->frame_max - 8, line->send_buffer / 4);
	conn->heartbeat = line->heartbeat;
	conn->failed = false;
	conn->drained = false;
	conn->readable = true;
	conn->wants_room = false;
	conn->room = 0;
	sgh_amqp_pulse_begins(conn);
	pthread_mutex_lock(&conn->s.lock);
	conn->s.cut = fcntl(conn->fd, F_DUPFD_CLOEXEC, 3);
	pthread_mutex_unlock(&conn->s.lock);
	if (sgh_amqp_stopping(conn))
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0, "stopped");
	if (!line->tls && sgh_amqp_out_init(&conn->out, line->frame_max))
		return sgh_fail_memory(err);
	conn->epoch++;
	rc = conn->ops->open(conn, err);
	if (!rc && conn->failed)
		rc = sgh_fail_with(err, 0, &conn->error);
	return rc;
}

static void disconnect(struct sgh_amqp_conn *conn)
{
	pthread_mutex_lock(&conn->s.lock);
	if (conn->s.cut >= 0)
		close(conn->s.cut);
	conn->s.cut = -1;
	pthread_mutex_unlock(&conn->s.lock);
	if (conn->state)
		amqp_destroy_connection(conn->state);
	sgh_amqp_out_fini(&conn->out);
	conn->state = NULL;
	conn->fd = -1;
	conn->up = false;
}

/* ---- being connected ---- */

/* The broker closes; what arrived is read, else the kernel cuts what we sent. */
static void last_words(struct sgh_amqp_conn *conn)
{
	int64_t until = sgh_now_ms() + GOODBYE_MS;
	char unread[4096];

	sgh_amqp_flush(conn);
	shutdown(conn->fd, SHUT_WR);
	while (sgh_amqp_wait(conn, conn->fd, POLLIN, until) > 0)
		if (read(conn->fd, unread, sizeof(unread)) <= 0)
			return;
}

/*
 * rabbitmq-c leaves a frame that it cannot decode in its buffer for ever. Without a word
 * to the broker it would send the same message to each connection that follows.
 */
static void undecodable(struct sgh_amqp_conn *conn, const amqp_frame_t *frame)
{
	amqp_connection_close_t method = { .reply_code = AMQP_SYNTAX_ERROR,
					   .reply_text = amqp_cstring_bytes(
						   "a header cannot be decoded") };

	if (conn->ops->undecodable)
		conn->ops->undecodable(conn, frame->channel);
	if (sgh_amqp_room(conn, 512))
		sgh_amqp_send_method(conn, 0, AMQP_CONNECTION_CLOSE_METHOD, &method);
	sgh_amqp_library_failed(conn, AMQP_STATUS_BAD_AMQP_DATA, 0);
	last_words(conn);
}

/*
 * Whether the library has, or would find, something to read. To learn from it that there
 * is nothing costs two system calls, and poll() tells it anyhow; but not what a TLS layer
 * holds.
 */
static bool may_read(struct sgh_amqp_conn *conn)
{
	bool readable = conn->readable;

	if (conn->tls || amqp_frames_enqueued(conn->state) ||
	    amqp_data_in_buffer(conn->state))
		return true;
	conn->readable = false;
	return readable;
}

static void read_frames(struct sgh_amqp_conn *conn)
{
	struct timeval at_once = { 0 };

	conn->drained = false;
	for (int i = 0; i < FRAMES_PER_TURN && !conn->failed; i++) {
		amqp_frame_t frame = { 0 };
		int rc;

		if (!conn->ops->reads(conn))
			return;
		if (!may_read(conn)) {
			conn->drained = true;
			return;
		}
		errno = 0;
		rc = amqp_simple_wait_frame_noblock(conn->state, &frame, &at_once);
		if (rc == AMQP_STATUS_TIMEOUT) {
			conn->drained = true;
			return;
		}
		/* The library tells the type before it decodes the rest. */
		if (rc == AMQP_STATUS_BAD_AMQP_DATA &&
		    frame.frame_type == AMQP_FRAME_HEADER) {
			undecodable(conn, &frame);
			return;
		}
		if (rc != AMQP_STATUS_OK) {
			sgh_amqp_library_failed(conn, rc, errno);
			return;
		}
		if (frame.channel != 0)
			conn->ops->frame(conn, &frame);
		else if (frame.frame_type == AMQP_FRAME_METHOD)
			connection_method(conn, &frame.payload.method);
		/* Else the library keeps every frame that it ever read. */
		amqp_maybe_release_buffers_on_channel(conn->state, frame.channel);
	}
}

static void rest(struct sgh_amqp_conn *conn, int64_t next)
{
	bool reads = conn->ops->reads(conn);
	struct pollfd socket = { .fd = conn->fd };

	if (reads) {
		socket.events |= POLLIN;
		if (!conn->drained || amqp_frames_enqueued(conn->state) ||
		    amqp_data_in_buffer(conn->state))
			next = 0;
	}
	if (conn->wants_room || sgh_amqp_unsent(conn))
		socket.events |= POLLOUT;
	sgh_amqp_nap(conn, &socket, next);
	if (socket.revents & (POLLIN | POLLERR | POLLHUP))
		conn->readable = true;
	if (socket.revents & POLLOUT)
		conn->wants_room = false;
	/* Nothing can be acknowledged any more, so there is no use in waiting for it. */
	if (!reads && (socket.revents & (POLLERR | POLLHUP)))
		sgh_amqp_failed(conn, SANGRAHA_E_UNAVAILABLE, 0,
				"the connection was cut");
}

/* Acknowledgements that are on their way go first; the broker then closes. */
static void goodbye(struct sgh_amqp_conn *conn)
{
	amqp_connection_close_t method = { .reply_code = AMQP_REPLY_SUCCESS,
					   .reply_text = amqp_cstring_bytes("goodbye") };
	int64_t until = sgh_now_ms() + GOODBYE_MS;

	conn->ops->turn(conn, sgh_now_ms());
	if (conn->failed || !sgh_amqp_room(conn, 512) ||
	    !sgh_amqp_send_method(conn, 0, AMQP_CONNECTION_CLOSE_METHOD, &method))
		return;
	sgh_amqp_flush(conn);
	while (sgh_now_ms() < until) {
		struct timeval limit = { .tv_usec = 50000 };
		amqp_frame_t frame;
		int rc = amqp_simple_wait_frame_noblock(conn->state, &frame, &limit);

		if (rc == AMQP_STATUS_OK && frame.frame_type == AMQP_FRAME_METHOD &&
		    frame.payload.method.id == AMQP_CONNECTION_CLOSE_OK_METHOD)
			return;
		if (rc != AMQP_STATUS_OK && rc != AMQP_STATUS_TIMEOUT)
			return;
		amqp_maybe_release_buffers(conn->state);
	}
}

static void run_connected(struct sgh_amqp_conn *conn)
{
	while (!conn->failed && !sgh_amqp_stopping(conn)) {
		int64_t next, now, due;

		read_frames(conn);
		if (conn->failed)
			break;
		now = sgh_now_ms();
		next = conn->ops->turn(conn, now);
		due = sgh_amqp_pulse(conn, now);
		sgh_amqp_flush(conn);
		if (!conn->failed)
			rest(conn, next < due ? next : due);
	}
	if (!conn->failed)
		goodbye(conn);
}

static void announce(struct sgh_amqp_conn *conn, bool connected,
		     const struct sangraha_error *err)
{
	pthread_mutex_lock(&conn->s.lock);
	if (conn->s.connected != connected)
		conn->s.since_ms = sgh_now_ms();
	conn->s.connected = connected;
	if (err)
		conn->s.error = *err;
	pthread_cond_broadcast(&conn->s.cond);
	pthread_mutex_unlock(&conn->s.lock);
}

/* Say it once: the same failure every second tells nothing new. */
void sgh_amqp_down(struct sgh_amqp_conn *conn, size_t url, const char *event,
		   const struct sangraha_error *err)
{
	struct sgh_amqp_attempts *attempts = &conn->attempts[url];

	announce(conn, false, err);
	if (sgh_amqp_stopping(conn) ||
	    strncmp(attempts->told, err->message, sizeof(attempts->told) - 1) == 0)
		return;
	snprintf(attempts->told, sizeof(attempts->told), "%.159s", err->message);
	sgh_log(conn->settings->context, SANGRAHA_LOG_WARN, "queue", event, "%s (%s)",
		err->message, conn->ops->purpose);
}

/* From the announcement of a connection to its loss. */
static void serve(struct sgh_amqp_conn *conn, size_t url)
{
	const char *name = conn->settings->urls[url].name;
	struct sangraha_error err = { 0 };
	int64_t begin = sgh_now_ms();

	conn->up = true;
	sgh_amqp_endpoint_serves(conn, url);
	announce(conn, true, NULL);
	conn->ops->opened(conn);
	conn->attempts[url].told[0] = '\0';
	sgh_log(conn->settings->context, SANGRAHA_LOG_INFO, "queue", "connected",
		"connected to the broker at %s (%s)", name, conn->ops->purpose);
	run_connected(conn);
	sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, conn->error.native,
		 "lost the connection to the broker at %s: %s", name,
		 conn->failed ? conn->error.message : "closed");
	sgh_amqp_endpoint_failed(conn, url, sgh_now_ms() - begin >= STABLE_MS);
	sgh_amqp_down(conn, url, "disconnected", &err);
	conn->up = false;
	conn->ops->lost(conn, &err);
}

/* One life of the connection: from dialling to its loss. */
static void live(struct sgh_amqp_conn *conn)
{
	struct sangraha_error why = { 0 }, err = { 0 };
	struct sgh_amqp_line line;
	int url = sgh_amqp_reach(conn, &line);

	if (url < 0)
		return;
	if (establish(conn, &line, &why)) {
		sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, why.native,
			 "cannot connect to the broker at %s: %s",
			 conn->settings->urls[url].name, why.message);
		sgh_amqp_endpoint_failed(conn, (size_t)url, false);
		sgh_amqp_down(conn, (size_t)url, "unreachable", &err);
	} else {
		serve(conn, (size_t)url);
	}
	disconnect(conn);
}

static void *run(void *arg)
{
	struct sgh_amqp_conn *conn = arg;

	while (!sgh_amqp_stopping(conn))
		live(conn);
	sgh_amqp_leave(conn);
	conn->ops->finish(conn);
	pthread_mutex_lock(&conn->s.lock);
	conn->s.exited = true;
	pthread_cond_broadcast(&conn->s.cond);
	pthread_mutex_unlock(&conn->s.lock);
	conn->ops->released(conn);
	return NULL;
}

int sgh_amqp_conn_start(struct sgh_amqp_conn *conn, struct sangraha_error *err)
{
	char name[16];
	int rc;

	snprintf(name, sizeof(name), "sgh-%s", conn->ops->purpose);
	pthread_mutex_lock(&conn->s.lock);
	rc = sgh_thread_start(&conn->thread, name, run, conn, err);
	conn->s.started = rc == 0;
	pthread_mutex_unlock(&conn->s.lock);
	return rc;
}
