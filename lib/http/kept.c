/* SPDX-License-Identifier: MIT */
#include "http/kept.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"

/* What was idle for longer is not used again: nobody knows what became of it. */
#define IDLE_MOST_MS 30000
/* A body is asked about before it is sent, which is curl's to do, when it is larger. */
#define EXPECTED_SIZE (1 << 20)

/* What the callbacks of a response stop it with. */
enum stop {
	PAUSED = 1,
	REFUSED,
};

/* ---- the connections ---- */

bool sgh_kept_init(struct sgh_http *http, unsigned count)
{
	sgh_list_init(&http->idle);
	sgh_list_init(&http->unkept);
	http->buffer = malloc(SGH_HTTP_BUFFER);
	http->kept = calloc(count, sizeof(*http->kept));
	if (!http->buffer || !http->kept)
		return false;
	for (; http->kept_count < count; http->kept_count++) {
		struct sgh_kept *kept = &http->kept[http->kept_count];

		kept->fd = -1;
		sgh_list_append(&http->unkept, &kept->link);
	}
	return true;
}

/* Without memory nothing changes: what has no event then ends by its time limits. */
static void watch(struct sgh_http *http, struct sgh_kept *kept, uint32_t events)
{
	struct epoll_event event = {
		.events = events,
		.data.u64 = SGH_HTTP_KEPT | (uint64_t)(kept - http->kept),
	};
	int op = kept->watched ? events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL : EPOLL_CTL_ADD;

	if (events == kept->watched)
		return;
	if (epoll_ctl(http->epoll, op, kept->fd, &event) == 0)
		kept->watched = events;
}

static void drop(struct sgh_http *http, struct sgh_kept *kept)
{
	watch(http, kept, 0);
	close(kept->fd);
	kept->fd = -1;
	kept->transfer = NULL;
	sgh_list_remove(&kept->link);
	sgh_list_append(&http->unkept, &kept->link);
}

void sgh_kept_fini(struct sgh_http *http)
{
	for (unsigned i = 0; i < http->kept_count; i++)
		if (http->kept[i].fd >= 0)
			close(http->kept[i].fd);
	free(http->kept);
	free(http->buffer);
}

/* The host and port of "http://host:port/path?query"; *ret_length 0: of another URL. */
static const char *authority_of(const char *url, size_t *ret_length)
{
	static const char scheme[] = "http://";
	const char *authority = url + sizeof(scheme) - 1;

	*ret_length = 0;
	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
		return url;
	*ret_length = strcspn(authority, "/?#");
	if (memchr(authority, '@', *ret_length) || *ret_length > SGH_KEPT_AUTHORITY_MAX)
		*ret_length = 0;
	return authority;
}

/* Whether the text can stand in a request's first line. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f || *text == '#')
			return false;
	return true;
}

bool sgh_kept_suits(const struct sgh_http_request *request)
{
	size_t length = request->body ? request->body->length : 0;
	size_t authority;

	if (request->pull || request->once ||
	    (request->expect_continue && length > EXPECTED_SIZE))
		return false;
	authority_of(request->url, &authority);
	return authority && is_plain(request->url);
}

void sgh_kept_adopt(struct sgh_http *http, int fd, const char *url)
{
	struct sgh_kept *kept;
	size_t length;
	const char *authority = authority_of(url, &length);

	/* As many as there can be transfers, so the one that was idle longest goes. */
	if (sgh_list_empty(&http->unkept) && !sgh_list_empty(&http->idle))
		drop(http, sgh_list_entry(http->idle.next, struct sgh_kept, link));
	if (sgh_list_empty(&http->unkept)) {
		close(fd);
		return;
	}
	kept = sgh_list_entry(sgh_list_pop(&http->unkept), struct sgh_kept, link);
	kept->fd = fd;
	kept->idle_ms = sgh_now_ms();
	memcpy(kept->authority, authority, length);
	kept->authority[length] = '\0';
	sgh_list_append(&http->idle, &kept->link);
	watch(http, kept, EPOLLIN);
	if (!kept->watched)
		drop(http, kept);
}

/* The one that was idle for the shortest time; NULL: none. */
static struct sgh_kept *find(struct sgh_http *http, const char *url)
{
	int64_t oldest = sgh_now_ms() - IDLE_MOST_MS;
	size_t length;
	const char *authority = authority_of(url, &length);
	struct sgh_list *link = http->idle.prev;

	while (link != &http->idle) {
		struct sgh_kept *kept = sgh_list_entry(link, struct sgh_kept, link);

		link = link->prev;
		if (kept->idle_ms < oldest)
			drop(http, kept);
		else if (strncmp(kept->authority, authority, length) == 0 &&
			 !kept->authority[length])
			return kept;
	}
	return NULL;
}

void sgh_kept_leave(struct sgh_transfer *transfer)
{
	struct sgh_http *http = transfer->http;
	struct sgh_kept *kept = sgh_take(transfer->kept);
	size_t body = transfer->request->body ? transfer->request->body->length : 0;
	bool clean = transfer->response.phase == SGH_RESPONSE_DONE &&
		     sgh_response_persists(&transfer->response) &&
		     !transfer->rest.length &&
		     transfer->sent == transfer->head.length + body;

	/* It is rare, and not to be kept for each transfer there may be. */
	sgh_buf_clear(&transfer->rest);
	sgh_buf_fini(&transfer->rest);
	if (!clean || !kept->watched) {
		drop(http, kept);
		return;
	}
	kept->transfer = NULL;
	kept->idle_ms = sgh_now_ms();
	sgh_list_append(&http->idle, &kept->link);
}

/* ---- a request ---- */

static bool is_header(const char *line, const char *name)
{
	size_t length = strlen(name);

	return strncasecmp(line, name, length) == 0 &&
	       (line[length] == ':' || line[length] == ';');
}

/* A line as curl understands it: "Name;" is empty, "Name:" is none. */
static void write_line(struct sgh_buf *head, const char *line)
{
	size_t length = strlen(line);

	if (length && line[length - 1] == ';' && !memchr(line, ':', length)) {
		sgh_buf_append(head, line, length - 1);
		sgh_buf_append(head, ":\r\n", 3);
	} else if (length && line[length - 1] != ':') {
		sgh_buf_append(head, line, length);
		sgh_buf_append(head, "\r\n", 2);
	}
}

static void write_length(struct sgh_buf *head, const struct sgh_http_request *request)
{
	size_t length = request->body ? request->body->length : 0;

	if (strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0)
		sgh_buf_printf(head, "Content-Length: %zu\r\n", length);
}

static void write_head(struct sgh_buf *head, const struct sgh_http_request *request)
{
	size_t length;
	const char *authority = authority_of(request->url, &length);
	const char *target = authority + length;
	bool has_host = false;

	sgh_buf_clear(head);
	sgh_buf_puts(head, request->method);
	sgh_buf_puts(head, *target == '/' ? " " : " /");
	sgh_buf_puts(head, target);
	sgh_buf_puts(head, " HTTP/1.1\r\n");
	for (size_t i = 0; i < request->header_count; i++) {
		has_host |= is_header(request->headers[i], "host");
		write_line(head, request->headers[i]);
	}
	if (!has_host) {
		sgh_buf_puts(head, "Host: ");
		sgh_buf_append(head, authority, length);
		sgh_buf_puts(head, "\r\n");
	}
	write_length(head, request);
	sgh_buf_puts(head, "User-Agent: " SGH_HTTP_AGENT "\r\n\r\n");
}

static enum sgh_kept_state over(struct sgh_transfer *transfer, CURLcode code,
				const char *why)
{
	transfer->code = code;
	snprintf(transfer->curl_error, sizeof(transfer->curl_error), "%s", why);
	return SGH_KEPT_OVER;
}

static bool was_answered(const struct sgh_transfer *transfer)
{
	return transfer->response.framing.bytes || transfer->rest.length;
}

/* The connection ended, or broke. One that says nothing at all may have been dead. */
static enum sgh_kept_state broke(struct sgh_transfer *transfer, bool by_error)
{
	const struct sgh_framing *framing = &transfer->response.framing;

	if (!was_answered(transfer))
		return SGH_KEPT_DEAD;
	if (!by_error && sgh_response_ends(&transfer->response))
		return over(transfer, CURLE_OK, "");
	if (!framing->ended)
		return over(transfer, CURLE_RECV_ERROR,
			    "the connection broke within the header");
	return over(transfer, by_error ? CURLE_RECV_ERROR : CURLE_PARTIAL_FILE,
		    "the connection broke within the body");
}

static int on_line(void *arg, const char *line, size_t length)
{
	return sgh_transfer_line(arg, line, length) == length ? 0 : REFUSED;
}

static int on_body(void *arg, const char *data, size_t length)
{
	size_t taken = sgh_transfer_body(arg, data, length);

	if (taken == length)
		return 0;
	return taken == CURL_WRITEFUNC_PAUSE ? PAUSED : REFUSED;
}

static enum sgh_kept_state nonsense(struct sgh_transfer *transfer)
{
	if (transfer->response.framing.bytes > SGH_RESPONSE_HEADER_MAX) {
		sgh_transfer_refuse(transfer, SANGRAHA_E_TOO_LARGE,
				    "the headers are too large");
		return over(transfer, CURLE_WRITE_ERROR, "");
	}
	return over(transfer, CURLE_WEIRD_SERVER_REPLY, "the answer is not HTTP");
}

/* *ret_used of the bytes need not be given again. */
static enum sgh_kept_state read_bytes(struct sgh_transfer *transfer, const char *data,
				      size_t length, size_t *ret_used)
{
	static const struct sgh_response_sink sink = { on_line, on_body };
	struct sgh_response *response = &transfer->response;
	int status = sgh_response_read(response, data, length, &sink, transfer, ret_used);

	if (status == SGH_RESPONSE_BAD)
		return nonsense(transfer);
	if (status == REFUSED)
		return over(transfer, CURLE_WRITE_ERROR, "");
	if (response->phase == SGH_RESPONSE_DONE)
		return over(transfer, CURLE_OK, "");
	/* Not even for errors, which would not go away. */
	if (status == PAUSED)
		watch(transfer->http, transfer->kept, 0);
	return SGH_KEPT_ON;
}

static enum sgh_kept_state read_rest(struct sgh_transfer *transfer)
{
	struct sgh_buf *rest = &transfer->rest;
	size_t used;
	enum sgh_kept_state state = read_bytes(transfer, rest->data, rest->length, &used);

	rest->length -= used;
	memmove(rest->data, rest->data + used, rest->length);
	return state;
}

/* Read bytes, and keep those for the next time that are not yet of use. */
static enum sgh_kept_state read_response(struct sgh_transfer *transfer, const char *data,
					 size_t length)
{
	struct sgh_buf *rest = &transfer->rest;
	const bool direct = !rest->length;
	enum sgh_kept_state state = SGH_KEPT_ON;
	size_t used = 0;

	if (direct)
		state = read_bytes(transfer, data, length, &used);
	if (used < length)
		sgh_buf_append(rest, data + used, length - used);
	if (rest->failed)
		return over(transfer, CURLE_OUT_OF_MEMORY, "no memory for the answer");
	return direct ? state : read_rest(transfer);
}

/* What has arrived, but no more than the buffer holds: others wait, too. */
static enum sgh_kept_state receive(struct sgh_transfer *transfer)
{
	struct sgh_http *http = transfer->http;
	ssize_t n;

	do
		n = recv(transfer->kept->fd, http->buffer, SGH_HTTP_BUFFER, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return SGH_KEPT_ON;
	if (n <= 0)
		return broke(transfer, n < 0);
	transfer->bytes += n;
	return read_response(transfer, http->buffer, (size_t)n);
}

/* What is left of the request; 0 when there is nothing. */
static int request_left(const struct sgh_transfer *transfer, struct iovec parts[2])
{
	const struct sgh_buf *head = &transfer->head;
	const struct sgh_bytes *body = transfer->request->body;
	size_t of_body =
		transfer->sent > head->length ? transfer->sent - head->length : 0;
	int count = 0;

	if (transfer->sent < head->length)
		parts[count++] = (struct iovec){ head->data + transfer->sent,
						 head->length - transfer->sent };
	if (body && of_body < body->length)
		parts[count++] = (struct iovec){ (void *)(body->data + of_body),
						 body->length - of_body };
	return count;
}

/* Send what the kernel takes. What it does not take is told by an event. */
static enum sgh_kept_state send_on(struct sgh_transfer *transfer)
{
	struct sgh_http *http = transfer->http;
	struct sgh_kept *kept = transfer->kept;
	struct iovec parts[2];
	struct msghdr message = { .msg_iov = parts };
	int count;

	while ((count = request_left(transfer, parts))) {
		ssize_t n;

		message.msg_iovlen = (size_t)count;
		n = sendmsg(kept->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			watch(http, kept, EPOLLIN | EPOLLOUT);
			return SGH_KEPT_ON;
		}
		if (n < 0) {
			/* It may have been refused, and the answer be there to be read. */
			watch(http, kept, EPOLLIN);
			return receive(transfer);
		}
		transfer->sent += (size_t)n;
		transfer->bytes += n;
	}
	watch(http, kept, EPOLLIN);
	return SGH_KEPT_ON;
}

enum sgh_kept_state sgh_kept_begin(struct sgh_transfer *transfer)
{
	struct sgh_http *http = transfer->http;
	struct sgh_kept *kept;

	if (!sgh_kept_suits(transfer->request))
		return SGH_KEPT_DEAD;
	kept = find(http, transfer->request->url);
	if (!kept)
		return SGH_KEPT_DEAD;
	write_head(&transfer->head, transfer->request);
	if (transfer->head.failed)
		return SGH_KEPT_DEAD;
	sgh_list_remove(&kept->link);
	kept->transfer = transfer;
	transfer->kept = kept;
	return send_on(transfer);
}

enum sgh_kept_state sgh_kept_event(struct sgh_http *http, uint32_t index, uint32_t events,
				   struct sgh_transfer **ret)
{
	struct sgh_kept *kept = &http->kept[index];
	struct sgh_transfer *transfer = kept->transfer;
	enum sgh_kept_state state = SGH_KEPT_ON;

	*ret = transfer;
	/* Of one that was closed since, or that says something without being asked. */
	if (!transfer) {
		if (kept->fd >= 0)
			drop(http, kept);
		return SGH_KEPT_ON;
	}
	if (events & EPOLLOUT)
		state = send_on(transfer);
	if (state == SGH_KEPT_ON && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		state = receive(transfer);
	return state;
}

enum sgh_kept_state sgh_kept_resume(struct sgh_transfer *transfer)
{
	enum sgh_kept_state state = SGH_KEPT_ON;

	if (transfer->rest.length)
		state = read_rest(transfer);
	if (state == SGH_KEPT_ON && !sgh_transfer_waits(transfer))
		state = send_on(transfer);
	return state;
}
