/* SPDX-License-Identifier: MIT */
#include "stub/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/util.h"

#include "stub/archive.h"
#include "stub/keys.h"
#include "stub/reply.h"
#include "stub/request.h"

#define EVENTS              64
#define RECEIVE             ((size_t)256 << 10)
#define ZEROS               ((size_t)64 << 10)
#define REPLY_MAX           4096
#define BACKLOG             512
#define DEFAULT_CONNECTIONS 512

enum stage {
	STAGE_HEAD,
	STAGE_BODY,
	STAGE_DELAYED, /* in server->delayed */
	STAGE_SENDING,
};

struct link {
	struct sgh_list link; /* in server->links */
	struct sgh_list delayed;
	struct server *server;
	int fd;
	unsigned events; /* that are waited for */
	enum stage stage;
	bool closes; /* when this answer is sent */
	char head[REQUEST_HEAD_MAX + 1];
	size_t head_length;
	struct request request;
	uint64_t left; /* of the body */
	struct archive archive;
	int64_t due_ms;
	struct sgh_buf out;
	size_t sent;
	uint64_t zeros; /* behind that */
};

struct server {
	struct server_options options;
	int listener;
	int epoll;
	int stop; /* an eventfd */
	uint16_t port;
	struct keys *keys;
	struct sgh_list links;
	struct sgh_list delayed; /* the one that is due first comes first */
	unsigned count;
	char data[RECEIVE];
};

static const char zeros[ZEROS];

/* ---- connections that come and go ---- */

static bool watch(struct link *link, int operation, unsigned events)
{
	struct epoll_event event = { .events = events, .data.ptr = link };

	link->events = events;
	return epoll_ctl(link->server->epoll, operation, link->fd, &event) == 0;
}

static void link_free(struct link *link)
{
	sgh_list_remove(&link->link);
	if (link->stage == STAGE_DELAYED)
		sgh_list_remove(&link->delayed);
	link->server->count--;
	close(link->fd);
	sgh_buf_fini(&link->out);
	free(link);
}

static void link_new(struct server *server, int fd)
{
	struct link *link = server->count < server->options.connections
				    ? calloc(1, sizeof(*link))
				    : NULL;
	int yes = 1;

	if (!link) {
		close(fd);
		return;
	}
	link->server = server;
	link->fd = fd;
	link->out.max = REPLY_MAX;
	server->count++;
	sgh_list_append(&server->links, &link->link);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (!watch(link, EPOLL_CTL_ADD, EPOLLIN))
		link_free(link);
}

static void accept_all(struct server *server)
{
	int fd;

	while ((fd = accept4(server->listener, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		link_new(server, fd);
}

/* ---- answers ---- */

/* 0: it is all sent, or has to wait; negative: the connection is of no more use. */
static int send_more(struct link *link)
{
	while (link->sent < link->out.length || link->zeros) {
		struct iovec pieces[] = {
			{ link->out.data + link->sent, link->out.length - link->sent },
			{ (void *)(uintptr_t)zeros,
			  link->zeros < ZEROS ? (size_t)link->zeros : ZEROS },
		};
		struct msghdr message = { .msg_iov = pieces,
					  .msg_iovlen = SGH_COUNT(pieces) };
		ssize_t sent = sendmsg(link->fd, &message, MSG_NOSIGNAL);
		size_t head;

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			return watch(link, EPOLL_CTL_MOD, EPOLLOUT) ? 0 : -1;
		if (sent < 0)
			return -1;
		head = sgh_min((size_t)sent, pieces[0].iov_len);
		link->sent += head;
		link->zeros -= (uint64_t)sent - head;
	}
	if (link->closes)
		return -1;
	link->stage = STAGE_HEAD;
	link->head_length = 0;
	if (link->events != EPOLLIN && !watch(link, EPOLL_CTL_MOD, EPOLLIN))
		return -1;
	return 0;
}

static int send_answer(struct link *link)
{
	link->stage = STAGE_SENDING;
	link->sent = 0;
	return link->out.failed ? -1 : send_more(link);
}

static int refuse(struct link *link, int status)
{
	sgh_buf_clear(&link->out);
	link->zeros = 0;
	link->closes = true;
	reply_refused(status, link->request.method == REQUEST_HEAD, &link->out);
	return send_answer(link);
}

/* The request is whole. */
static int answer(struct link *link)
{
	struct server *server = link->server;

	sgh_buf_clear(&link->out);
	if (link->request.archive && !archive_end(&link->archive))
		reply_refused(400, false, &link->out);
	else
		reply_to(&link->request, server->keys, &link->out, &link->zeros);
	link->closes = link->request.closes;
	if (!server->options.delay_ms)
		return send_answer(link);
	link->stage = STAGE_DELAYED;
	link->due_ms = sgh_now_ms() + server->options.delay_ms;
	sgh_list_append(&server->delayed, &link->delayed);
	return 0;
}

/* ---- requests ---- */

static int begin_body(struct link *link)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct request *request = &link->request;
	int status = request_read(request, link->head, link->head_length);

	if (status)
		return refuse(link, status);
	request->archive = request->archive && request->method == REQUEST_PUT;
	if (request->archive)
		archive_begin(&link->archive, link->server->keys, request->path);
	link->stage = STAGE_BODY;
	link->left = request->length;
	if (!link->left)
		return answer(link);
	if (request->waits && send(link->fd, go_on, strlen(go_on), MSG_NOSIGNAL) < 0)
		return -1;
	return 0;
}

/* Bytes taken; negative: the connection is of no more use. */
static long take_head(struct link *link, const char *data, size_t length)
{
	size_t before = link->head_length;
	size_t taken = sgh_min(length, REQUEST_HEAD_MAX - before);
	/* The empty line may have begun in what came before. */
	size_t from = before < 3 ? 0 : before - 3;
	char *end;

	memcpy(link->head + before, data, taken);
	link->head_length += taken;
	end = memmem(link->head + from, link->head_length - from, "\r\n\r\n", 4);
	if (!end) {
		if (link->head_length == REQUEST_HEAD_MAX && refuse(link, 431))
			return -1;
		return (long)taken;
	}
	*end = '\0';
	taken = (size_t)(end + 4 - link->head) - before;
	link->head_length = (size_t)(end - link->head);
	return begin_body(link) ? -1 : (long)taken;
}

static long take_body(struct link *link, const char *data, size_t length)
{
	if (length > link->left)
		length = (size_t)link->left;
	if (link->request.archive)
		archive_feed(&link->archive, data, length);
	link->left -= length;
	if (!link->left && answer(link))
		return -1;
	return (long)length;
}

static int take(struct link *link, const char *data, size_t length)
{
	while (length > 0) {
		long taken = -1;

		if (link->stage == STAGE_HEAD)
			taken = take_head(link, data, length);
		else if (link->stage == STAGE_BODY)
			taken = take_body(link, data, length);
		/* Else it is more than one request at a time. */
		if (taken < 0)
			return -1;
		data += taken;
		length -= (size_t)taken;
	}
	return 0;
}

static int receive(struct link *link)
{
	struct server *server = link->server;
	ssize_t received = recv(link->fd, server->data, RECEIVE, 0);

	if (received < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return received > 0 ? take(link, server->data, (size_t)received) : -1;
}

/* ---- the loop ---- */

static void handle(struct link *link, unsigned events)
{
	int rc = events & (EPOLLERR | EPOLLHUP) ? -1 : 0;

	if (!rc && (events & EPOLLOUT))
		rc = send_more(link);
	if (!rc && (events & EPOLLIN))
		rc = receive(link);
	if (rc)
		link_free(link);
}

static void answer_delayed(struct server *server)
{
	int64_t now = sgh_now_ms();

	while (!sgh_list_empty(&server->delayed)) {
		struct link *link =
			sgh_list_entry(server->delayed.next, struct link, delayed);

		if (link->due_ms > now)
			return;
		sgh_list_remove(&link->delayed);
		if (send_answer(link))
			link_free(link);
	}
}

static int patience(const struct server *server)
{
	int64_t left;

	if (sgh_list_empty(&server->delayed))
		return -1;
	left = sgh_list_entry(server->delayed.next, struct link, delayed)->due_ms -
	       sgh_now_ms();
	return left > 0 ? (int)left : 0;
}

void server_run(struct server *server)
{
	struct epoll_event events[EVENTS];
	bool stopped = false;

	while (!stopped) {
		int ready = epoll_wait(server->epoll, events, EVENTS, patience(server));

		for (int i = 0; i < ready; i++) {
			if (events[i].data.ptr == &server->stop)
				stopped = true;
			else if (events[i].data.ptr == server)
				accept_all(server);
			else
				handle(events[i].data.ptr, events[i].events);
		}
		answer_delayed(server);
	}
}

void server_stop(struct server *server)
{
	eventfd_write(server->stop, 1);
}

/* ---- the server ---- */

static bool watch_own(struct server *server, int fd, void *mark)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = mark };

	return epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool start(struct server *server)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(server->options.port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int yes = 1;

	setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(server->listener, (struct sockaddr *)&address, size) != 0 ||
	    listen(server->listener, BACKLOG) != 0 ||
	    getsockname(server->listener, (struct sockaddr *)&address, &size) != 0)
		return false;
	server->port = ntohs(address.sin_port);
	return watch_own(server, server->listener, server) &&
	       watch_own(server, server->stop, &server->stop);
}

struct server *server_new(const struct server_options *options)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->options = *options;
	if (!server->options.connections)
		server->options.connections = DEFAULT_CONNECTIONS;
	sgh_list_init(&server->links);
	sgh_list_init(&server->delayed);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	server->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->keys = keys_new();
	if (server->keys && start(server))
		return server;
	server_free(server);
	return NULL;
}

uint16_t server_port(const struct server *server)
{
	return server->port;
}

void server_free(struct server *server)
{
	const int saved = errno;

	if (!server)
		return;
	while (!sgh_list_empty(&server->links))
		link_free(sgh_list_entry(server->links.next, struct link, link));
	if (server->listener >= 0)
		close(server->listener);
	if (server->epoll >= 0)
		close(server->epoll);
	if (server->stop >= 0)
		close(server->stop);
	keys_free(server->keys);
	free(server);
	errno = saved;
}
