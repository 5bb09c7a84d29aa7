/* SPDX-License-Identifier: MIT */
#include "http/kept.h"

#include <errno.h>
#include <linux/tcp.h> /* glibc's tcp_info ends before tcpi_bytes_received */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"

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
	int op = EPOLL_CTL_MOD;

	if (events == kept->watched)
		return;
	if (!events)
		op = EPOLL_CTL_DEL;
	else if (!kept->watched)
		op = EPOLL_CTL_ADD;
	if (epoll_ctl(http->epoll, op, kept->fd, &event) == 0)
		kept->watched = events;
}

static void drop(struct sgh_http *http, struct sgh_kept *kept)
{
	watch(http, kept, 0);
	close(kept->fd);
	kept->fd = -1;
	kept->watched = 0;
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

static bool ends_with(const char *text, size_t length, const char *end)
{
	size_t size = strlen(end);

	return length >= size && memcmp(text + length - size, end, size) == 0;
}

/*
 * The host and port of "http://host:port/path?query", as they are said in Host; *ret_length
 * 0: of another URL, or of one in which curl would have to change something.
 */
static const char *authority_of(const char *url, size_t *ret_length)
{
	static const char scheme[] = "http://";
	const char *authority = url + sizeof(scheme) - 1;
	size_t length;

	*ret_length = 0;
	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
		return url;
	length = strcspn(authority, "/?#");
	if (length <= SGH_KEPT_AUTHORITY_MAX && !memchr(authority, '@', length) &&
	    !memchr(authority, '%', length) && !ends_with(authority, length, ":80"))
		*ret_length = length;
	return authority;
}

/* Whether the text can stand in a request's first line. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f ||
		    *text == '#')
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

/* It has no request any more. */
static void make_idle(struct sgh_http *http, struct sgh_kept *kept)
{
	int64_t now = sgh_now_ms();

	kept->transfer = NULL;
	kept->idle_ms = now;
	kept->turn = http->turn;
	sgh_list_append(&http->idle, &kept->link);
	sgh_list_for_each_safe (link, &http->idle) {
		struct sgh_kept *oldest = sgh_list_entry(link, struct sgh_kept, link);

		if (oldest->idle_ms >= now - SGH_HTTP_KEEP_MS)
			break;
		drop(http, oldest);
	}
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
	kept->broken = false;
	memcpy(kept->authority, authority, length);
	kept->authority[length] = '\0';
	make_idle(http, kept);
	watch(http, kept, EPOLLIN);
	if (!kept->watched)
		drop(http, kept);
}

bool sgh_kept_is_spent(const struct sgh_transfer *transfer)
{
	const struct sgh_framing *framing = &transfer->response.framing;
	const struct sgh_bytes *body = transfer->request->body;
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);
	curl_off_t up = 0;
	curl_off_t down = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &up);
	curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
	if (framing->chunked || up != (body ? (curl_off_t)body->length : 0) ||
	    getsockopt(transfer->spare, IPPROTO_TCP, TCP_INFO, &info, &size))
		return false;
	return info.tcpi_bytes_received == framing->bytes + (uint64_t)down;
}

/* Nothing has come on it since its last answer, as far as epoll was asked, or we ask. */
static bool is_quiet(const struct sgh_http *http, const struct sgh_kept *kept)
{
	char byte;

	return kept->turn != http->turn ||
	       (recv(kept->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

/* The one that was idle for the shortest time; NULL: none. */
static struct sgh_kept *find(struct sgh_http *http, const char *url)
{
	int64_t oldest = sgh_now_ms() - SGH_HTTP_KEEP_MS;
	size_t length;
	const char *authority = authority_of(url, &length);
	struct sgh_list *link = http->idle.prev;

	while (link != &http->idle) {
		struct sgh_kept *kept = sgh_list_entry(link, struct sgh_kept, link);

		link = link->prev;
		if (kept->idle_ms < oldest)
			break;
		if (strncmp(kept->authority, authority, length) != 0 ||
		    kept->authority[length])
			continue;
		if (is_quiet(http, kept))
			return kept;
		drop(http, kept);
	}
	return NULL;
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

void sgh_kept_leave(struct sgh_transfer *transfer)
{
	struct sgh_http *http = transfer->http;
	struct sgh_kept *kept = sgh_take(transfer->kept);
	struct iovec parts[2];
	bool clean = transfer->response.phase == SGH_RESPONSE_DONE &&
		     sgh_response_persists(&transfer->response) &&
		     !transfer->rest.length && !request_left(transfer, parts);

	/* It is rare, and not to be kept for each transfer there may be. */
	sgh_buf_clear(&transfer->rest);
	sgh_buf_fini(&transfer->rest);
	if (!clean || !kept->watched) {
		drop(http, kept);
		return;
	}
	make_idle(http, kept);
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
	const char *colon = strchr(line, ':');
	size_t length = strlen(line);

	if (colon && colon[1 + strspn(colon + 1, " \t")])
		sgh_buf_append(head, line, length);
	else if (!colon && ends_with(line, length, ";"))
		sgh_buf_append(head, line, length - 1);
	else
		return;
	sgh_buf_puts(head, colon ? "\r\n" : ":\r\n");
}

static void write_length(struct sgh_buf *head, const struct sgh_http_request *request)
{
	size_t length = request->body ? request->body->length : 0;

	if (strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0)
		sgh_buf_printf(head, "Content-Length: %zu\r\n", length);
}

static bool has_host(const struct sgh_http_request *request)
{
	for (size_t i = 0; i < request->header_count; i++)
		if (is_header(request->headers[i], "host"))
			return true;
	return false;
}

static void write_head(struct sgh_buf *head, const struct sgh_http_request *request)
{
	size_t length;
	const char *authority = authority_of(request->url, &length);
	const char *target = authority + length;

	sgh_buf_clear(head);
	sgh_buf_puts(head, request->method);
	sgh_buf_puts(head, *target == '/' ? " " : " /");
	sgh_buf_puts(head, target);
	sgh_buf_puts(head, " HTTP/1.1\r\n");
	if (!has_host(request)) {
		sgh_buf_puts(head, "Host: ");
		sgh_buf_append(head, authority, length);
		sgh_buf_puts(head, "\r\n");
	}
	for (size_t i = 0; i < request->header_count; i++)
		write_line(head, request->headers[i]);
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
	struct iovec parts[2];

	if (!was_answered(transfer))
		return SGH_KEPT_DEAD;
	if (transfer->request->code < 300 && request_left(transfer, parts))
		return over(transfer, CURLE_SEND_ERROR,
			    "the connection ended before all was sent");
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

/* All of the response is there. Who says yes before the end wants the rest nevertheless. */
static enum sgh_kept_state complete(struct sgh_transfer *transfer)
{
	struct iovec parts[2];

	if (transfer->request->code < 300 && request_left(transfer, parts))
		return SGH_KEPT_ON;
	return over(transfer, CURLE_OK, "");
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
		return complete(transfer);
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

/*
 * What has arrived, but no more than the buffer holds: others wait, too. Of a connection
 * that is known to be broken the end is no proper one.
 */
static enum sgh_kept_state receive(struct sgh_transfer *transfer)
{
	struct sgh_http *http = transfer->http;
	const bool broken = transfer->kept->broken;
	ssize_t n;

	do
		n = recv(transfer->kept->fd, http->buffer, SGH_HTTP_BUFFER, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && !broken && (errno == EAGAIN || errno == EWOULDBLOCK))
		return SGH_KEPT_ON;
	if (n <= 0)
		return broke(transfer, broken || n < 0);
	transfer->bytes += n;
	return read_response(transfer, http->buffer, (size_t)n);
}

/* Send what the kernel takes at once. When it takes more is told by an event. */
static enum sgh_kept_state send_on(struct sgh_transfer *transfer)
{
	struct sgh_http *http = transfer->http;
	struct sgh_kept *kept = transfer->kept;
	struct iovec parts[2];
	struct msghdr message = { .msg_iov = parts };
	ssize_t n = 0;

	message.msg_iovlen = (size_t)request_left(transfer, parts);
	while (message.msg_iovlen &&
	       (n = sendmsg(kept->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)) < 0 &&
	       errno == EINTR)
		;
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
		/* It may have been refused, and the answer be there to be read. */
		kept->broken = true;
		return receive(transfer);
	}
	if (n > 0) {
		transfer->sent += (size_t)n;
		transfer->bytes += n;
	}
	if (request_left(transfer, parts)) {
		watch(http, kept, EPOLLIN | EPOLLOUT);
		return SGH_KEPT_ON;
	}
	watch(http, kept, EPOLLIN);
	return transfer->response.phase == SGH_RESPONSE_DONE ? complete(transfer)
							     : SGH_KEPT_ON;
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
