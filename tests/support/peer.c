/* SPDX-License-Identifier: MIT */
#include "support/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/t.h"

#define CONNECTIONS_MAX 512
#define KEPT_MAX        16
#define REQUEST_MAX     (8 << 20)

struct connection {
	struct t_peer *peer;
	pthread_t thread;
	int fd;
};

struct t_peer {
	struct t_answer *answers;
	size_t answer_count;
	int fd;
	char url[64];
	char s3_url[72];
	pthread_t thread;
	struct {
		pthread_mutex_t lock;
		pthread_cond_t cond;
		struct connection connections[CONNECTIONS_MAX];
		unsigned connection_count;
		unsigned requests;
		unsigned answered; /* answers taken, deaf ones included */
		char *kept[KEPT_MAX];
		size_t sent;
		size_t swallowed;
		unsigned released;
		bool stopped;
		bool stop;
	} state;
};

static const struct t_answer *next_answer_locked(struct t_peer *peer)
{
	unsigned n = peer->state.answered;

	return &peer->answers[n < peer->answer_count ? n : peer->answer_count - 1];
}

static const struct t_answer *take_answer_locked(struct t_peer *peer, const char *request)
{
	const struct t_answer *answer;

	for (size_t i = 0; i < peer->answer_count && peer->answers[i].match; i++)
		if (strstr(request, peer->answers[i].match))
			return &peer->answers[i];
	answer = next_answer_locked(peer);
	peer->state.answered++;
	return answer;
}

static const struct t_answer *coming_answer(struct t_peer *peer)
{
	const struct t_answer *answer;

	pthread_mutex_lock(&peer->state.lock);
	answer = next_answer_locked(peer);
	if (answer->deaf)
		peer->state.answered++;
	pthread_mutex_unlock(&peer->state.lock);
	return answer;
}

static bool send_all(struct connection *self, const char *data, size_t length)
{
	while (length) {
		ssize_t n = send(self->fd, data, length, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		__atomic_add_fetch(&self->peer->state.sent, (size_t)n, __ATOMIC_RELAXED);
		data += n;
		length -= (size_t)n;
	}
	return true;
}

static void wait_for_end(struct t_peer *peer)
{
	pthread_mutex_lock(&peer->state.lock);
	while (!peer->state.stop)
		pthread_cond_wait(&peer->state.cond, &peer->state.lock);
	pthread_mutex_unlock(&peer->state.lock);
}

static void wait_for_release(struct t_peer *peer)
{
	pthread_mutex_lock(&peer->state.lock);
	while (!peer->state.stop && !peer->state.released)
		pthread_cond_wait(&peer->state.cond, &peer->state.lock);
	if (peer->state.released)
		peer->state.released--;
	pthread_mutex_unlock(&peer->state.lock);
}

static void wait_while_stopped(struct t_peer *peer)
{
	pthread_mutex_lock(&peer->state.lock);
	while (peer->state.stopped && !peer->state.stop)
		pthread_cond_wait(&peer->state.cond, &peer->state.lock);
	pthread_mutex_unlock(&peer->state.lock);
}

/* False when the other side has had enough, or the peer ends. */
static bool trickle(struct connection *self, const char *data, size_t length,
		    unsigned wait_ms)
{
	struct pollfd wait = { .fd = self->fd, .events = POLLRDHUP };

	for (size_t i = 0; i < length; i++)
		if (!send_all(self, data + i, 1) || poll(&wait, 1, (int)wait_ms) != 0)
			return false;
	return true;
}

static void reset(struct connection *self)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(self->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void swallow(struct connection *self)
{
	char bytes[16 << 10];
	ssize_t n;

	while ((n = recv(self->fd, bytes, sizeof(bytes), 0)) > 0)
		__atomic_add_fetch(&self->peer->state.swallowed, (size_t)n,
				   __ATOMIC_RELAXED);
}

/* True: the connection goes on. */
static bool answer(struct connection *self, const struct t_answer *answer)
{
	size_t length = answer->bytes ? strlen(answer->bytes) : 0;

	wait_while_stopped(self->peer);
	if (answer->hold)
		wait_for_release(self->peer);
	if (answer->cut && answer->cut < length)
		length = answer->cut;
	if (answer->trickle_ms) {
		if (!trickle(self, answer->bytes, length, answer->trickle_ms))
			return false;
	} else if (length && !send_all(self, answer->bytes, length)) {
		return false;
	}
	while (answer->endless &&
	       send_all(self, answer->endless, strlen(answer->endless)))
		;
	if (answer->reset || answer->cut)
		reset(self);
	if (answer->swallow)
		swallow(self);
	if (answer->stall)
		wait_for_end(self->peer);
	return !answer->reset && !answer->cut && !answer->close && !answer->stall &&
	       !answer->endless && !answer->swallow;
}

/* The bytes of the request at the beginning of `text`; 0: not all are there yet. */
static size_t request_length(const char *text, size_t have)
{
	const char *end = strstr(text, "\r\n\r\n");
	char *header;
	const char *field;
	bool chunked;
	size_t length;

	if (!end)
		return 0;
	length = (size_t)(end - text) + 4;
	/* A body is not searched again with each piece of it. */
	header = strndup(text, length);
	chunked = strcasestr(header, "\r\nTransfer-Encoding: chunked");
	field = strcasestr(header, "\r\nContent-Length:");
	if (field)
		length += strtoul(field + 17, NULL, 10);
	free(header);
	if (chunked)
		return have >= length + 5 && !memcmp(text + have - 5, "0\r\n\r\n", 5)
			       ? have
			       : 0;
	return have >= length ? length : 0;
}

/* Whether the header is all that is read, once it is there. */
static bool header_suffices(struct connection *self, const char *text, bool *told)
{
	const struct t_answer *answer;

	if (!strstr(text, "\r\n\r\n"))
		return false;
	pthread_mutex_lock(&self->peer->state.lock);
	answer = next_answer_locked(self->peer);
	pthread_mutex_unlock(&self->peer->state.lock);
	if (answer->go_on && !*told) {
		*told = true;
		send_all(self, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	}
	return answer->early;
}

/* One request, which the peer keeps; NULL when the connection ended. */
static char *read_request(struct connection *self)
{
	char *text = calloc(1, 4096);
	size_t capacity = 4096;
	size_t have = 0;
	bool told = false;

	while (!request_length(text, have) && !header_suffices(self, text, &told)) {
		ssize_t n;

		if (capacity - have < 2) {
			capacity *= 2;
			text = realloc(text, capacity);
		}
		n = recv(self->fd, text + have, capacity - have - 1, 0);
		if (n <= 0 || have > REQUEST_MAX) {
			free(text);
			return NULL;
		}
		have += (size_t)n;
		text[have] = '\0';
	}
	return text;
}

static const struct t_answer *keep_request(struct t_peer *peer, char *text)
{
	const struct t_answer *answer;

	pthread_mutex_lock(&peer->state.lock);
	answer = take_answer_locked(peer, text);
	if (!answer->aside && peer->state.requests < KEPT_MAX)
		peer->state.kept[peer->state.requests] = text;
	else
		free(text);
	peer->state.requests += !answer->aside;
	pthread_mutex_unlock(&peer->state.lock);
	return answer;
}

static void *serve(void *arg)
{
	struct connection *self = arg;
	char *text;

	if (coming_answer(self->peer)->deaf) {
		wait_for_end(self->peer);
		return NULL;
	}
	while ((text = read_request(self)))
		if (!answer(self, keep_request(self->peer, text)))
			break;
	pthread_mutex_lock(&self->peer->state.lock);
	close(self->fd);
	self->fd = -1;
	pthread_mutex_unlock(&self->peer->state.lock);
	return NULL;
}

static void *listen_and_accept(void *arg)
{
	struct t_peer *peer = arg;
	int fd;

	while ((fd = accept4(peer->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct connection *connection;

		pthread_mutex_lock(&peer->state.lock);
		if (peer->state.stop || peer->state.connection_count == CONNECTIONS_MAX) {
			pthread_mutex_unlock(&peer->state.lock);
			close(fd);
			continue;
		}
		connection = &peer->state.connections[peer->state.connection_count++];
		*connection = (struct connection){ .peer = peer, .fd = fd };
		pthread_create(&connection->thread, NULL, serve, connection);
		pthread_mutex_unlock(&peer->state.lock);
	}
	return NULL;
}

static int listener(struct sockaddr_in *address, int backlog)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (fd < 0 || bind(fd, (struct sockaddr *)address, sizeof(*address)) ||
	    listen(fd, backlog) || getsockname(fd, (struct sockaddr *)address, &length))
		fail_msg("cannot listen: %s", strerror(errno));
	return fd;
}

struct t_peer *t_peer_new(const struct t_answer *answers, size_t count)
{
	struct t_peer *peer = calloc(1, sizeof(*peer));
	struct sockaddr_in address;

	peer->answers = malloc(count * sizeof(*answers));
	memcpy(peer->answers, answers, count * sizeof(*answers));
	peer->answer_count = count;
	peer->fd = listener(&address, 64);
	snprintf(peer->url, sizeof(peer->url), "http://127.0.0.1:%d",
		 ntohs(address.sin_port));
	snprintf(peer->s3_url, sizeof(peer->s3_url), "s3+%s", peer->url);
	while (peer->state.answered < count && answers[peer->state.answered].match)
		peer->state.answered++;
	pthread_mutex_init(&peer->state.lock, NULL);
	pthread_cond_init(&peer->state.cond, NULL);
	pthread_create(&peer->thread, NULL, listen_and_accept, peer);
	return peer;
}

void t_peer_free(struct t_peer *peer)
{
	if (!peer)
		return;
	pthread_mutex_lock(&peer->state.lock);
	peer->state.stop = true;
	pthread_cond_broadcast(&peer->state.cond);
	for (unsigned i = 0; i < peer->state.connection_count; i++)
		if (peer->state.connections[i].fd >= 0)
			shutdown(peer->state.connections[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&peer->state.lock);
	shutdown(peer->fd, SHUT_RDWR);
	pthread_join(peer->thread, NULL);
	for (unsigned i = 0; i < peer->state.connection_count; i++) {
		pthread_join(peer->state.connections[i].thread, NULL);
		if (peer->state.connections[i].fd >= 0)
			close(peer->state.connections[i].fd);
	}
	for (unsigned i = 0; i < KEPT_MAX; i++)
		free(peer->state.kept[i]);
	close(peer->fd);
	pthread_cond_destroy(&peer->state.cond);
	pthread_mutex_destroy(&peer->state.lock);
	free(peer->answers);
	free(peer);
}

const char *t_peer_url(struct t_peer *peer)
{
	return peer->url;
}

const char *t_peer_s3_url(struct t_peer *peer)
{
	return peer->s3_url;
}

unsigned t_peer_requests(struct t_peer *peer)
{
	unsigned n;

	pthread_mutex_lock(&peer->state.lock);
	n = peer->state.requests;
	pthread_mutex_unlock(&peer->state.lock);
	return n;
}

unsigned t_peer_connections(struct t_peer *peer)
{
	unsigned n;

	pthread_mutex_lock(&peer->state.lock);
	n = peer->state.connection_count;
	pthread_mutex_unlock(&peer->state.lock);
	return n;
}

size_t t_peer_sent(struct t_peer *peer)
{
	return __atomic_load_n(&peer->state.sent, __ATOMIC_RELAXED);
}

size_t t_peer_swallowed(struct t_peer *peer)
{
	return __atomic_load_n(&peer->state.swallowed, __ATOMIC_RELAXED);
}

const char *t_peer_request(struct t_peer *peer, unsigned n)
{
	const char *text;

	assert_true(n < KEPT_MAX);
	pthread_mutex_lock(&peer->state.lock);
	text = peer->state.kept[n];
	pthread_mutex_unlock(&peer->state.lock);
	assert_non_null(text);
	return text;
}

void t_peer_release(struct t_peer *peer)
{
	pthread_mutex_lock(&peer->state.lock);
	peer->state.released++;
	pthread_cond_broadcast(&peer->state.cond);
	pthread_mutex_unlock(&peer->state.lock);
}

void t_peer_deafen(struct t_peer *peer)
{
	/* The descriptor stays until the peer ends: the port is nobody else's. */
	shutdown(peer->fd, SHUT_RDWR);
}

char *t_refusing_url(const char *scheme)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	char *url = NULL;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Bound as long as the test runs, or another program would soon listen there. */
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_return_code(bind(fd, (struct sockaddr *)&address, length), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&address, &length), errno);
	if (asprintf(&url, "%s://127.0.0.1:%d", scheme, ntohs(address.sin_port)) < 0)
		fail_msg("out of memory");
	return url;
}

static void set_stopped(struct t_peer *peer, bool stopped)
{
	pthread_mutex_lock(&peer->state.lock);
	peer->state.stopped = stopped;
	pthread_cond_broadcast(&peer->state.cond);
	pthread_mutex_unlock(&peer->state.lock);
}

void t_peer_stop(struct t_peer *peer)
{
	set_stopped(peer, true);
}

void t_peer_continue(struct t_peer *peer)
{
	set_stopped(peer, false);
}
