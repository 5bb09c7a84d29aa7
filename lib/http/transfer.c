/* SPDX-License-Identifier: MIT */
#include "http/transfer.h"

#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "http/kept.h"

/* Servers that know nothing of 100-continue are not waited for longer. */
#define CONTINUE_MS 300L
/* Bytes that are not acknowledged for so long end their connection. */
#define UNHEARD_MS 20000

size_t sgh_transfer_refuse(struct sgh_transfer *transfer, int status, const char *why)
{
	transfer->refusal = why;
	transfer->refusal_status = status;
	return CURL_WRITEFUNC_ERROR;
}

/* Who does not know 100-continue is asked again without it, which curl does by itself. */
static bool asked_again(const struct sgh_transfer *transfer)
{
	const struct sgh_http_request *request = transfer->request;

	return request->code == 417 && request->expect_continue && !transfer->pulled;
}

/*
 * A final answer that is an error ends what is still being sent. curl sees to that itself,
 * but not when the answer says "Connection: close"; and a body that is paused would keep
 * the transfer from its end.
 */
static void header_ended(struct sgh_transfer *transfer)
{
	struct sgh_http_request *request = transfer->request;

	if (!transfer->response.framing.final || !request->pull || request->code < 300 ||
	    asked_again(transfer))
		return;
	transfer->pull_ended = true;
	if (transfer->pull_paused)
		sgh_http_resume(transfer->http, request);
}

static void status_line(struct sgh_transfer *transfer)
{
	/* Interim responses come before the final one, each with headers. */
	if (!transfer->response.framing.final)
		return;
	transfer->request->code = transfer->response.framing.code;
	if (transfer->request->answer_timeout_ms)
		sgh_http_note_silence(transfer);
}

size_t sgh_transfer_line(struct sgh_transfer *transfer, const char *line, size_t length)
{
	struct sgh_http_request *request = transfer->request;
	const struct sgh_framing *framing = &transfer->response.framing;
	size_t end = length;
	const char *colon;
	const char *value;

	if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		status_line(transfer);
		return length;
	}
	while (end && strchr("\r\n \t", line[end - 1]) && line[end - 1])
		end--;
	if (!end)
		header_ended(transfer);
	colon = memchr(line, ':', end);
	if (!colon || !framing->final || framing->ended || !request->on_header)
		return length;
	for (value = colon + 1; value < line + end && (*value == ' ' || *value == '\t');)
		value++;
	request->on_header(request, line, (size_t)(colon - line), value,
			   (size_t)(line + end - value));
	return length;
}

/*
 * A second descriptor of curl's connection, which stays when curl closes its own. Only now
 * is it known that the connection persists, and curl has it still.
 */
static void spare_connection(struct sgh_transfer *transfer)
{
	if (transfer->spare >= 0 || transfer->watched < 0 ||
	    !sgh_response_persists(&transfer->response) ||
	    !sgh_kept_suits(transfer->request))
		return;
	transfer->spare = fcntl(transfer->watched, F_DUPFD_CLOEXEC, 0);
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct sgh_transfer *transfer = arg;
	struct sgh_framing *framing = &transfer->response.framing;
	size_t length = size * count;
	size_t taken;

	/* The answer after the one that made curl ask again. */
	if (framing->ended && length >= 5 && memcmp(line, "HTTP/", 5) == 0)
		sgh_framing_begin(framing, framing->bytes);
	if (!sgh_framing_line(framing, line, length))
		return sgh_transfer_refuse(transfer, SANGRAHA_E_TOO_LARGE,
					   "the headers are too large");
	taken = sgh_transfer_line(transfer, line, length);
	if (framing->ended)
		spare_connection(transfer);
	return taken;
}

/* Reserve memory for the body and allocate it. 0, or what the callback returns. */
static size_t make_data(struct sgh_transfer *transfer)
{
	struct sgh_http_request *request = transfer->request;
	struct sgh_budget *budget = sgh_http_budget(transfer->http);
	int64_t announced = sgh_framing_length(&transfer->response.framing);
	size_t wanted = request->max_data;

	if (announced >= 0 && (uintmax_t)announced > wanted)
		return sgh_transfer_refuse(transfer, SANGRAHA_E_TOO_LARGE,
					   "the body is larger than was asked for");
	if (announced >= 0)
		wanted = (size_t)announced;
	if (budget && request->max_data <= SGH_BUDGET_LENT) {
		sgh_budget_force(budget, wanted);
	} else if (budget && !transfer->reserved) {
		transfer->waiter = (struct sgh_budget_waiter){
			.size = wanted,
			.granted = sgh_http_granted,
		};
		if (!sgh_budget_wait(budget, &transfer->waiter)) {
			sgh_http_paused(transfer);
			return CURL_WRITEFUNC_PAUSE;
		}
	}
	request->data = sgh_bytes_new(budget, wanted);
	if (!request->data && budget)
		sgh_budget_release(budget, wanted);
	transfer->reserved = false;
	return request->data ? 0
			     : sgh_transfer_refuse(transfer, SANGRAHA_E_OVERLOADED,
						   "no memory for the body");
}

static size_t on_data(struct sgh_transfer *transfer, const char *bytes, size_t length)
{
	struct sgh_http_request *request = transfer->request;

	if (!request->data) {
		size_t stop = make_data(transfer);

		if (stop)
			return stop;
	}
	if (!sgh_bytes_append(request->data, bytes, length))
		return sgh_transfer_refuse(transfer, SANGRAHA_E_TOO_LARGE,
					   "the body is larger than was asked for");
	return length;
}

static size_t on_piece(struct sgh_transfer *transfer, const char *bytes, size_t length)
{
	int status = transfer->request->push(transfer->request, bytes, length);

	if (status == SGH_HTTP_PAUSE) {
		transfer->push_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	return status ? sgh_transfer_refuse(transfer, status, "the body was not taken")
		      : length;
}

static size_t on_text(struct sgh_transfer *transfer, const char *bytes, size_t length)
{
	struct sgh_buf *text = &transfer->request->text;
	int64_t announced = sgh_framing_length(&transfer->response.framing);

	if (announced > 0 && (uintmax_t)announced > text->max)
		return sgh_transfer_refuse(transfer, SANGRAHA_E_TOO_LARGE,
					   "the body is too large");
	if (length > text->max - text->length)
		return sgh_transfer_refuse(transfer, SANGRAHA_E_TOO_LARGE,
					   "the body is too large");
	sgh_buf_append(text, bytes, length);
	if (text->failed)
		return sgh_transfer_refuse(transfer, SANGRAHA_E_OVERLOADED,
					   "no memory for the body");
	return length;
}

size_t sgh_transfer_body(struct sgh_transfer *transfer, const char *data, size_t length)
{
	struct sgh_http_request *request = transfer->request;

	if (request->push && request->code / 100 == 2)
		return on_piece(transfer, data, length);
	if (request->want_data && request->code / 100 == 2)
		return on_data(transfer, data, length);
	return on_text(transfer, data, length);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	return sgh_transfer_body(arg, bytes, size * count);
}

/* Of a body of known length no more is asked for than that. */
static size_t pull_room(const struct sgh_transfer *transfer, size_t room)
{
	int64_t length = transfer->request->length;

	return length < 0 || (uint64_t)(length - transfer->pulled) > room
		       ? room
		       : (size_t)(length - transfer->pulled);
}

static size_t on_pull(char *data, size_t size, size_t count, void *arg)
{
	struct sgh_transfer *transfer = arg;
	struct sgh_http_request *request = transfer->request;
	size_t room = pull_room(transfer, size * count);
	int64_t n;

	if (transfer->pull_ended || room == 0)
		return 0;
	n = request->pull(request, data, room);
	if (n == SGH_HTTP_PAUSE) {
		transfer->pull_paused = true;
		return CURL_READFUNC_PAUSE;
	}
	if (n == 0 && transfer->pulled < request->length)
		n = SANGRAHA_E_INVALID;
	if (n < 0) {
		sgh_transfer_refuse(transfer, (int)n,
				    n == SANGRAHA_E_INVALID
					    ? "the body ended before its length"
					    : "the body was given up");
		return CURL_READFUNC_ABORT;
	}
	assert((uint64_t)n <= room);
	transfer->pulled += n;
	transfer->pull_ended = n == 0 || transfer->pulled == request->length;
	if (transfer->pull_ended && request->answer_timeout_ms)
		sgh_http_note_silence(transfer);
	return (size_t)n;
}

/*
 * As curl would make it, but not inherited by programs that are started meanwhile; and a
 * host that is gone, or has forgotten the connection and does not say so, is not waited for.
 */
static curl_socket_t on_socket(void *arg, curlsocktype purpose,
			       struct curl_sockaddr *address)
{
	const unsigned unheard_ms = UNHEARD_MS;
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
			address->protocol);

	/* Without it keep-alive and the idle time-out take longer. */
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unheard_ms,
			   sizeof(unheard_ms));
	return fd;
}

bool sgh_transfer_init(struct sgh_transfer *transfer, struct sgh_http *http,
		       const struct sgh_http_options *options)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return false;
	transfer->http = http;
	transfer->easy = easy;
	transfer->watched = -1;
	transfer->spare = -1;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	/* Keys may have dots where a path has them. */
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, SGH_HTTP_AGENT);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)options->connect_timeout_ms);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 10L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, SGH_HTTP_KEEP_MS / 1000L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 64L << 10);
	/* A resolver that hangs must not hold up the thread when its request times out. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	if (options->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_pull);
	curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_EXPECT_100_TIMEOUT_MS, CONTINUE_MS);
	return true;
}

void sgh_transfer_fini(struct sgh_transfer *transfer)
{
	if (transfer->easy)
		curl_easy_cleanup(transfer->easy);
	sgh_buf_fini(&transfer->head);
	sgh_buf_fini(&transfer->rest);
}

/*
 * The list that curl wants, made of nodes that we have. It only reads it. Left alone, curl
 * expects 100-continue for a body over 1 MiB or of unknown length, and asks again without
 * it who answers 417; a line of ours would be sent again then.
 */
static CURLcode set_headers(struct sgh_transfer *transfer)
{
	const struct sgh_http_request *request = transfer->request;
	struct curl_slist *lines = transfer->lines;
	size_t count = 0;

	/* What curl would say by itself, and what we do not over a kept connection. */
	lines[count++].data = (char *)"Accept:";
	lines[count++].data = (char *)"Content-Type:";
	if (!request->expect_continue)
		lines[count++].data = (char *)"Expect:";
	for (size_t i = 0; i < request->header_count; i++)
		lines[count++].data = (char *)request->headers[i];
	for (size_t i = 0; i < count; i++)
		lines[i].next = i + 1 < count ? &lines[i + 1] : NULL;
	return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, count ? lines : NULL);
}

/*
 * Bodies go out as "post fields", which curl sends from our memory, in one piece with the
 * header when they are small, and again by itself when a kept connection turns out dead.
 * Without fields curl asks the read function, on_pull().
 */
static void set_body(CURL *easy, const struct sgh_http_request *request)
{
	const struct sgh_bytes *body = request->body;
	const char *fields = body ? (const char *)body->data : "";
	curl_off_t length = body ? (curl_off_t)body->length : 0;

	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
			 request->pull ? (curl_off_t)request->length : length);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->pull ? NULL : fields);
}

static CURLcode set_method(struct sgh_transfer *transfer)
{
	const struct sgh_http_request *request = transfer->request;
	const char *method = request->method;
	CURL *easy = transfer->easy;

	if (strcmp(method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
		return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
	}
	if (strcmp(method, "PUT") == 0 || strcmp(method, "POST") == 0)
		set_body(easy, request);
	else
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

void sgh_transfer_begin(struct sgh_transfer *transfer, struct sgh_http_request *request)
{
	transfer->request = request;
	transfer->curl_error[0] = '\0';
	transfer->refusal = NULL;
	transfer->refusal_status = 0;
	transfer->moved_ms = sgh_now_ms();
	transfer->moved = 0;
	sgh_response_begin(&transfer->response, strcmp(request->method, "HEAD") == 0);
	transfer->pulled = 0;
	transfer->pull_ended = false;
	transfer->pull_paused = false;
	transfer->push_paused = false;
	transfer->resent = false;
	transfer->sent = 0;
	transfer->bytes = 0;
	request->transfer = transfer;
	request->code = 0;
	request->refused = 0;
	request->text.max = request->max_text ? request->max_text : SGH_HTTP_TEXT_MAX;
}

bool sgh_transfer_describe(struct sgh_transfer *transfer)
{
	const struct sgh_http_request *request = transfer->request;
	const long alone = request->pull || request->once;
	/* Kept, those of many that are alone would add up, with nobody to use them. */
	const long leaves = alone || sgh_kept_suits(request);

	curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, alone);
	curl_easy_setopt(transfer->easy, CURLOPT_FORBID_REUSE, leaves);
	/* Those that copy a text fail without memory, and curl would use a default. */
	return !curl_easy_setopt(transfer->easy, CURLOPT_URL, request->url) &&
	       !set_headers(transfer) && !set_method(transfer);
}

bool sgh_transfer_moved(struct sgh_transfer *transfer)
{
	curl_off_t up = 0;
	curl_off_t down = 0;
	curl_off_t moved = transfer->bytes;

	if (!transfer->kept) {
		curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &up);
		curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
		moved = up + down + (curl_off_t)transfer->response.framing.bytes;
	}
	if (moved == transfer->moved)
		return false;
	transfer->moved = moved;
	return true;
}

bool sgh_transfer_waits(const struct sgh_transfer *transfer)
{
	return transfer->paused || transfer->pull_paused || transfer->push_paused;
}

unsigned sgh_transfer_patience(const struct sgh_transfer *transfer, unsigned idle_ms)
{
	const struct sgh_http_request *request = transfer->request;
	bool sent = !request->pull || transfer->pull_ended;

	if (request->idle_timeout_ms)
		idle_ms = request->idle_timeout_ms;
	if (sent && !transfer->response.framing.final && request->answer_timeout_ms)
		return request->answer_timeout_ms;
	return idle_ms;
}
