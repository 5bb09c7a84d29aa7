/* SPDX-License-Identifier: MIT */
#include "exchange.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIECES  8
#define RECEIVE 131072

void exchange_init(struct exchange *exchange, int epoll, void *owner)
{
	memset(exchange, 0, sizeof(*exchange));
	exchange->owner = owner;
	exchange->epoll = epoll;
	exchange->fd = -1;
}

void exchange_close(struct exchange *exchange)
{
	if (exchange->fd >= 0)
		close(exchange->fd);
	exchange->fd = -1;
}

void exchange_fini(struct exchange *exchange)
{
	exchange_close(exchange);
	sgh_buf_fini(&exchange->request);
}

static enum exchange_state broken(struct exchange *exchange, const char *problem)
{
	exchange->problem = problem;
	exchange_close(exchange);
	return EXCHANGE_BROKEN;
}

static int watch(struct exchange *exchange, int operation, unsigned events)
{
	struct epoll_event event = { .events = events, .data.ptr = exchange };

	exchange->events = events;
	return epoll_ctl(exchange->epoll, operation, exchange->fd, &event) == 0;
}

static int connect_to(struct exchange *exchange, const struct endpoint *endpoint)
{
	int yes = 1;

	exchange->endpoint = *endpoint;
	exchange->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (exchange->fd < 0)
		return 0;
	setsockopt(exchange->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connect(exchange->fd, (const struct sockaddr *)&endpoint->address,
		    sizeof(endpoint->address)) != 0 &&
	    errno != EINPROGRESS)
		return 0;
	return watch(exchange, EPOLL_CTL_ADD, EPOLLIN);
}

void exchange_prepare(struct exchange *exchange, enum exchange_use use,
		      const struct body *body, const char token[BODY_TOKEN])
{
	exchange->use = use;
	exchange->body = body;
	if (use != EXCHANGE_BARE)
		body_head(body, token, exchange->head);
}

static uint64_t length_to_send(const struct exchange *exchange)
{
	return exchange->request.length +
	       (exchange->use == EXCHANGE_SENDS ? exchange->body->size : 0);
}

/* What is to be sent next, in at most PIECES pieces. */
static size_t pieces_to_send(const struct exchange *exchange, struct iovec pieces[PIECES])
{
	uint64_t end = length_to_send(exchange);
	uint64_t at = exchange->sent;
	size_t count = 0;

	while (at < end && count < PIECES) {
		const char *data = exchange->request.data + at;
		size_t length = 0;

		if (at < exchange->request.length)
			length = exchange->request.length - (size_t)at;
		else
			data = body_at(exchange->body, exchange->head,
				       at - exchange->request.length, &length);
		pieces[count].iov_base = (void *)(uintptr_t)data;
		pieces[count++].iov_len = length;
		at += length;
	}
	return count;
}

/* Send what the socket takes, and be told when it takes more. */
static enum exchange_state send_more(struct exchange *exchange)
{
	uint64_t end = length_to_send(exchange);
	unsigned events = EPOLLIN;

	while (exchange->sent < end) {
		struct iovec pieces[PIECES];
		struct msghdr message = { .msg_iov = pieces };
		ssize_t sent;

		message.msg_iovlen = pieces_to_send(exchange, pieces);
		sent = sendmsg(exchange->fd, &message, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN && errno != ENOTCONN)
			return broken(exchange, strerror(errno));
		if (sent < 0) {
			events |= EPOLLOUT;
			break;
		}
		exchange->sent += (uint64_t)sent;
	}
	if (events != exchange->events && !watch(exchange, EPOLL_CTL_MOD, events))
		return broken(exchange, strerror(errno));
	return EXCHANGE_WAITS;
}

/* Whether these bytes are what the object has where the answer is now. */
static bool is_expected(const struct exchange *exchange, const char *data, size_t length)
{
	uint64_t at = exchange->answer.taken;

	if (exchange->answer.length != exchange->body->size)
		return false;
	while (length > 0) {
		size_t piece;
		const char *expected =
			body_at(exchange->body, exchange->head, at, &piece);

		if (piece > length)
			piece = length;
		if (memcmp(data, expected, piece) != 0)
			return false;
		data += piece;
		at += piece;
		length -= piece;
	}
	return true;
}

static void take_body(struct exchange *exchange, const char *data, size_t length)
{
	struct answer *answer = &exchange->answer;
	size_t room = EXCHANGE_TEXT_MAX - exchange->text_length;

	if (exchange->use == EXCHANGE_COMPARES && answer->status == 200) {
		if (!exchange->differs && !is_expected(exchange, data, length))
			exchange->differs = true;
	} else {
		if (room > length)
			room = length;
		memcpy(exchange->text + exchange->text_length, data, room);
		exchange->text_length += room;
		exchange->text[exchange->text_length] = '\0';
	}
	answer->taken += length;
}

static enum exchange_state take(struct exchange *exchange, const char *data,
				size_t length)
{
	struct answer *answer = &exchange->answer;

	if (!answer->has_head) {
		long taken = answer_take_head(answer, data, length);

		if (taken < 0)
			return broken(exchange, "the answer's head cannot be taken");
		data += taken;
		length -= (size_t)taken;
	}
	if (length > answer->length - answer->taken)
		return broken(exchange, "there is more behind the answer");
	if (length > 0)
		take_body(exchange, data, length);
	if (!answer_is_whole(answer))
		return EXCHANGE_WAITS;
	/* An answer before its request is whole leaves a connection that is of no use. */
	if (answer->closes || exchange->sent < length_to_send(exchange))
		exchange_close(exchange);
	return EXCHANGE_DONE;
}

static enum exchange_state receive_more(struct exchange *exchange)
{
	enum exchange_state state = EXCHANGE_WAITS;
	char data[RECEIVE];
	ssize_t received;

	do {
		received = recv(exchange->fd, data, sizeof(data), 0);
		if (received < 0 && (errno == EAGAIN || errno == EINTR))
			return EXCHANGE_WAITS;
		if (received < 0)
			return broken(exchange, strerror(errno));
		if (received == 0)
			return broken(exchange, "the connection ended before the answer");
		state = take(exchange, data, (size_t)received);
	} while (state == EXCHANGE_WAITS && received == RECEIVE);
	return state;
}

enum exchange_state exchange_begin(struct exchange *exchange,
				   const struct endpoint *endpoint)
{
	answer_clear(&exchange->answer);
	exchange->text_length = 0;
	exchange->text[0] = '\0';
	exchange->differs = false;
	exchange->sent = 0;
	exchange->problem = NULL;
	if (exchange->fd >= 0 && strcmp(exchange->endpoint.host, endpoint->host) != 0)
		exchange_close(exchange);
	if (exchange->fd < 0 && !connect_to(exchange, endpoint))
		return broken(exchange, strerror(errno));
	return send_more(exchange);
}

enum exchange_state exchange_go_on(struct exchange *exchange, unsigned events)
{
	if ((events & EPOLLOUT) && send_more(exchange) == EXCHANGE_BROKEN)
		return EXCHANGE_BROKEN;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		return receive_more(exchange);
	return EXCHANGE_WAITS;
}
