/* SPDX-License-Identifier: MIT */
#include "rest/connection.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/util.h"
#include "rest/request.h"

/* MHD closes without a word; the watch, which has one, is to come first. */
#define MARGIN_S 2
/* How often the watch looks while somebody waits for memory, or has. */
#define SHORT_MS 100

static int64_t window_ms(const struct sangraha_rest *rest)
{
	return rest->idle_timeout_ms < SGH_REST_WINDOW_MS ? rest->idle_timeout_ms
							  : SGH_REST_WINDOW_MS;
}

unsigned sgh_connection_timeout_s(const struct sangraha_rest *rest)
{
	return (rest->idle_timeout_ms + 999) / 1000 + MARGIN_S;
}

static void started(struct sangraha_rest *rest, struct MHD_Connection *connection,
		    void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct sgh_connection *state = calloc(1, sizeof(*state));

	*context = state;
	if (!state)
		return; /* sgh_web_request_new() refuses what comes over it */
	state->rest = rest;
	state->fd = info ? info->connect_fd : -1;
	pthread_mutex_init(&state->watch.lock, NULL);
	state->watch.since_ms = sgh_now_ms();
	state->watch.limit_ms = window_ms(rest);
	pthread_mutex_lock(&rest->state.lock);
	sgh_list_append(&rest->state.connections, &state->link);
	rest->state.open++;
	pthread_mutex_unlock(&rest->state.lock);
}

static void closed(struct sangraha_rest *rest, struct sgh_connection *state)
{
	if (!state)
		return;
	if (state->request)
		sgh_web_request_lost(state->request);
	pthread_mutex_lock(&rest->state.lock);
	sgh_list_remove(&state->link);
	rest->state.open--;
	pthread_cond_broadcast(&rest->state.idle);
	pthread_mutex_unlock(&rest->state.lock);
	pthread_mutex_destroy(&state->watch.lock);
	free(state);
}

void sgh_connection_notify(void *cls, struct MHD_Connection *connection, void **context,
			   enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		started(cls, connection, context);
	else
		closed(cls, *context);
}

struct sgh_connection *sgh_connection_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

bool sgh_connection_phase(struct sgh_connection *connection, enum sgh_phase phase)
{
	bool alive;

	if (!connection)
		return false;
	pthread_mutex_lock(&connection->watch.lock);
	alive = connection->watch.phase != SGH_PHASE_GIVEN_UP;
	if (alive && connection->watch.phase != phase) {
		connection->watch.phase = phase;
		connection->watch.since_ms = sgh_now_ms();
		connection->watch.window_ms = connection->watch.since_ms;
		connection->watch.byte_ms = connection->watch.since_ms;
		connection->watch.window_bytes = 0;
		connection->watch.begun = false;
		connection->watch.reading = false;
		sgh_pace_begin(&connection->watch.pace, connection->watch.since_ms,
			       connection->watch.bytes);
		if (phase == SGH_PHASE_HEADER || phase == SGH_PHASE_ANSWER)
			connection->watch.holds = 0;
		/* Between two requests MHD's own time-out comes first. */
		connection->watch.limit_ms =
			phase == SGH_PHASE_LINGER
				? SGH_REST_DISCARD_MS
				: connection->rest->idle_timeout_ms + SGH_REST_WINDOW_MS;
	}
	pthread_mutex_unlock(&connection->watch.lock);
	return alive;
}

void sgh_connection_header(struct sgh_connection *connection)
{
	if (!connection)
		return;
	pthread_mutex_lock(&connection->watch.lock);
	connection->watch.begun = true;
	if (connection->watch.phase == SGH_PHASE_HEADER) {
		int64_t ends = connection->watch.since_ms + connection->watch.limit_ms;
		int64_t now = sgh_now_ms();

		/* The first one has had its time since the connection was made. */
		if (now + window_ms(connection->rest) < ends) {
			connection->watch.since_ms = now;
			connection->watch.limit_ms = window_ms(connection->rest);
		}
	}
	pthread_mutex_unlock(&connection->watch.lock);
}

void sgh_connection_correlate(struct sgh_connection *connection,
			      const char *correlation_id)
{
	if (!connection)
		return;
	pthread_mutex_lock(&connection->watch.lock);
	snprintf(connection->watch.correlation_id,
		 sizeof(connection->watch.correlation_id), "%s", correlation_id);
	pthread_mutex_unlock(&connection->watch.lock);
}

/* What the peer has ended: POLLRDHUP its half, the others the connection. */
static short ended(const struct sgh_connection *connection)
{
	struct pollfd fd = { .fd = connection->fd, .events = POLLRDHUP };

	return poll(&fd, 1, 0) == 1 ? fd.revents : 0;
}

void sgh_connection_nudge(const struct sgh_connection *connection)
{
	/* What was received can still be read, and nothing more would come. */
	if (connection && ended(connection))
		shutdown(connection->fd, SHUT_RD);
}

bool sgh_connection_lacks(const struct sgh_connection *connection, uint64_t missing)
{
	short how = connection ? ended(connection) : 0;
	int there = 0;

	if (how & ~POLLRDHUP)
		return true;
	return how && ioctl(connection->fd, FIONREAD, &there) == 0 &&
	       (uint64_t)there < missing;
}

bool sgh_connection_refuses(const struct sgh_connection *connection, bool *probed)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	short how = connection ? ended(connection) : 0;

	if (how == 0 || how & ~POLLRDHUP)
		return how;
	if (!*probed)
		(void)!send(connection->fd, interim, sizeof(interim) - 1,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	*probed = true;
	return false;
}

bool sgh_connection_is_drained(const struct sgh_connection *connection)
{
	int there = 0;

	return connection && ioctl(connection->fd, FIONREAD, &there) == 0 && !there;
}

void sgh_connection_holds(struct sgh_connection *connection, size_t bytes)
{
	if (!connection)
		return;
	pthread_mutex_lock(&connection->watch.lock);
	connection->watch.holds = bytes;
	pthread_mutex_unlock(&connection->watch.lock);
}

void sgh_connection_bytes(struct sgh_connection *connection, size_t length)
{
	if (!connection)
		return;
	pthread_mutex_lock(&connection->watch.lock);
	connection->watch.window_bytes += length;
	connection->watch.bytes += length;
	connection->watch.byte_ms = sgh_now_ms();
	pthread_mutex_unlock(&connection->watch.lock);
}

void sgh_connection_write(int fd, unsigned http, const char *correlation_id,
			  const char *body)
{
	char answer[2048];
	int length =
		snprintf(answer, sizeof(answer),
			 "HTTP/1.1 %u %s\r\n"
			 "Content-Type: application/problem+json\r\n"
			 "X-Correlation-ID: %s\r\n"
			 "%s"
			 "Content-Length: %zu\r\n"
			 "Connection: close\r\n\r\n%s",
			 http, MHD_get_reason_phrase_for(http), correlation_id,
			 http == 503 ? "Retry-After: 1\r\n" : "", strlen(body), body);

	if (length < 0 || (size_t)length >= sizeof(answer))
		return;
	/* It fits into an empty send buffer; when it does not, nobody is reading. */
	(void)!send(fd, answer, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
}

void sgh_connection_answer_by_hand(struct sgh_connection *connection, unsigned http,
				   const char *correlation_id, const char *body)
{
	if (connection)
		sgh_connection_write(connection->fd, http, correlation_id, body);
}

static bool body_too_slow(struct sgh_connection *connection, int64_t now)
{
	const struct sangraha_rest *rest = connection->rest;
	int64_t window = window_ms(rest);
	uint64_t wanted = (uint64_t)(SGH_REST_WINDOW_BYTES * window / SGH_REST_WINDOW_MS);

	if (now - connection->watch.byte_ms > rest->idle_timeout_ms)
		return true;
	if (now - connection->watch.window_ms < window)
		return false;
	/*
	 * Silence is what the idle time-out is for; this is for the client that keeps a
	 * connection open by a byte now and then.
	 */
	if (connection->watch.window_bytes && connection->watch.window_bytes < wanted)
		return true;
	connection->watch.window_ms = now;
	connection->watch.window_bytes = 0;
	return false;
}

/* In the middle of a body, where MHD can give no answer. */
static void give_up_locked(struct sgh_connection *connection, unsigned http,
			   const char *detail, const char *code)
{
	char body[384];

	snprintf(body, sizeof(body),
		 "{\"title\":\"%s\",\"status\":%u,\"detail\":\"%s\",\"code\":\"%s\","
		 "\"correlation_id\":\"%s\"}",
		 MHD_get_reason_phrase_for(http), http, detail, code,
		 connection->watch.correlation_id);
	connection->watch.phase = SGH_PHASE_GIVEN_UP;
	sgh_connection_answer_by_hand(connection, http, connection->watch.correlation_id,
				      body);
	shutdown(connection->fd, SHUT_RD);
}

/* Bytes that we have not read yet are not the client's fault. */
static bool holds_up_by_body(struct sgh_connection *connection, int64_t now,
			     const struct sgh_shortage *shortage)
{
	if (!sgh_connection_is_drained(connection))
		return false;
	sgh_pace_count(&connection->watch.pace, now, connection->watch.bytes);
	return sgh_pace_is_behind(&connection->watch.pace, shortage,
				  connection->watch.holds);
}

/*
 * The client does not read what was sent: at the pace of memory that others wait for, or
 * at any pace to speak of. As long as we have nothing to send it is not measured.
 */
static bool reads_too_slowly(struct sgh_connection *connection, int64_t now,
			     const struct sgh_shortage *shortage)
{
	int64_t limit = connection->rest->idle_timeout_ms;
	uint64_t count = 0;
	bool waits = false;

	if (!sgh_pace_acknowledged(connection->fd, &count, &waits))
		return false;
	if (!waits || !connection->watch.reading) {
		connection->watch.reading = waits;
		connection->watch.window_ms = now;
		connection->watch.window_bytes = count;
		sgh_pace_begin(&connection->watch.pace, now, count);
		return false;
	}
	sgh_pace_count(&connection->watch.pace, now, count);
	if (now - connection->watch.window_ms >= limit) {
		if (count - connection->watch.window_bytes <
		    (uint64_t)(SGH_PACE_LEAST * limit / 1000))
			return true;
		connection->watch.window_ms = now;
		connection->watch.window_bytes = count;
	}
	return sgh_pace_is_behind(&connection->watch.pace, shortage,
				  connection->watch.holds);
}

static void look_locked(struct sgh_connection *connection, int64_t now,
			const struct sgh_shortage *shortage)
{
	if ((connection->watch.phase == SGH_PHASE_HEADER ||
	     connection->watch.phase == SGH_PHASE_LINGER) &&
	    now - connection->watch.since_ms > connection->watch.limit_ms) {
		connection->watch.phase = SGH_PHASE_GIVEN_UP;
		shutdown(connection->fd, SHUT_RDWR);
	} else if (connection->watch.phase == SGH_PHASE_BODY &&
		   body_too_slow(connection, now)) {
		give_up_locked(connection, 408, "The body arrived too slowly", "timeout");
	} else if (connection->watch.phase == SGH_PHASE_BODY &&
		   holds_up_by_body(connection, now, shortage)) {
		give_up_locked(connection, 408,
			       "The body arrived too slowly while others wait for memory",
			       "timeout");
	} else if (connection->watch.phase == SGH_PHASE_ANSWER &&
		   reads_too_slowly(connection, now, shortage)) {
		connection->watch.phase = SGH_PHASE_GIVEN_UP;
		shutdown(connection->fd, SHUT_RDWR);
	} else if (connection->watch.phase == SGH_PHASE_HEADER ||
		   connection->watch.phase == SGH_PHASE_BODY ||
		   connection->watch.phase == SGH_PHASE_LINGER) {
		sgh_connection_nudge(connection);
	}
}

void sgh_connection_watch(struct sangraha_rest *rest)
{
	int64_t now = sgh_now_ms();
	size_t size = 0;
	int64_t waited = sangraha_context_memory_waited_ms(rest->context, &size);
	struct sgh_shortage shortage = sgh_pace_shortage(waited, size);

	pthread_mutex_lock(&rest->state.lock);
	sgh_list_for_each (link, &rest->state.connections) {
		struct sgh_connection *connection =
			sgh_list_entry(link, struct sgh_connection, link);

		pthread_mutex_lock(&connection->watch.lock);
		look_locked(connection, now, &shortage);
		pthread_mutex_unlock(&connection->watch.lock);
	}
	pthread_mutex_unlock(&rest->state.lock);
}

void sgh_connection_farewell(struct sangraha_rest *rest)
{
	pthread_mutex_lock(&rest->state.lock);
	sgh_list_for_each (link, &rest->state.connections) {
		struct sgh_connection *connection =
			sgh_list_entry(link, struct sgh_connection, link);

		pthread_mutex_lock(&connection->watch.lock);
		if (connection->watch.phase == SGH_PHASE_BODY)
			give_up_locked(connection, 503, "The server stops",
				       "unavailable");
		pthread_mutex_unlock(&connection->watch.lock);
	}
	pthread_mutex_unlock(&rest->state.lock);
}

/* Nothing of a request has come, as far as can be seen. */
static bool is_idle_locked(const struct sgh_connection *connection)
{
	int there = 0;

	return connection->watch.phase == SGH_PHASE_HEADER && !connection->watch.begun &&
	       (ioctl(connection->fd, FIONREAD, &there) || !there);
}

void sgh_connection_end_idle(struct sangraha_rest *rest)
{
	pthread_mutex_lock(&rest->state.lock);
	sgh_list_for_each (link, &rest->state.connections) {
		struct sgh_connection *connection =
			sgh_list_entry(link, struct sgh_connection, link);

		pthread_mutex_lock(&connection->watch.lock);
		if (is_idle_locked(connection)) {
			connection->watch.phase = SGH_PHASE_GIVEN_UP;
			shutdown(connection->fd, SHUT_WR);
		}
		pthread_mutex_unlock(&connection->watch.lock);
	}
	pthread_mutex_unlock(&rest->state.lock);
}

int sgh_connection_watch_interval(const struct sangraha_rest *rest)
{
	int64_t interval = window_ms(rest) / 10;

	/* While memory is short it matters how soon somebody is found to hold it. */
	if (interval > SHORT_MS &&
	    (__atomic_load_n(&rest->due, __ATOMIC_RELAXED) ||
	     sangraha_context_memory_waited_ms(rest->context, NULL) > 0))
		interval = SHORT_MS;
	return interval < 20 ? 20 : (int)interval;
}
