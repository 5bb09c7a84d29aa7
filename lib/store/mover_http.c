/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <strings.h>

#include "base/error.h"
#include "base/util.h"
#include "http/http.h"
#include "store/mover_kind.h"
#include "store/s3_answer.h"
#include "wire/s3xml.h"

/* Transfers on tickets of an S3 store: requests whose URL holds their signature. */

#define ERROR_TEXT_MAX (16 << 10)
/* "Range" or "Content-Type" besides those of the ticket. */
#define LINES_MAX (SGH_TICKET_HEADERS_MAX + 1)

#define IDLE_MS 30000

/* What open() makes. */
struct way {
	struct sgh_http *http;
	unsigned idle_timeout_ms;
};

/* One transfer on its way. */
struct job {
	struct sgh_http_request http;
	struct sgh_move *move;
	struct sgh_buf text; /* the lines, one after the other, each with a NUL */
	const char *lines[LINES_MAX];
	int given_up;      /* atomic; the status with which the caller ended it; else 0 */
	const char *wrong; /* what is wrong with the answer; static */
	bool ranged;       /* the answer named the part that it is */
	struct sgh_s3_range range;
	uint64_t announced; /* Content-Length; UINT64_MAX: not said */
};

static void job_free(struct job *job)
{
	if (!job)
		return;
	sgh_http_request_fini(&job->http);
	sgh_buf_fini(&job->text);
	free(job);
}

static void on_header(struct sgh_http_request *request, const char *name,
		      size_t name_length, const char *value, size_t value_length)
{
	struct job *job = sgh_container_of(request, struct job, http);
	struct sgh_move *move = job->move;
	char etag[SGH_PART_ETAG_MAX + 1];

	if (sgh_named(name, name_length, "content-length"))
		sgh_s3_number(value, value + value_length, &job->announced);
	else if (sgh_named(name, name_length, "content-range"))
		job->ranged = sgh_s3_content_range(value, value_length, &job->range);
	else if (sgh_named(name, name_length, "etag") && move->kind != SGH_TICKET_GET &&
		 sgh_s3_etag(value, value_length, etag))
		snprintf(move->etag, sizeof(move->etag), "%s", etag);
}

/* Whether the answer to a GET is the part that was asked for; else says what is wrong. */
static bool is_wanted(struct job *job)
{
	const struct sgh_move *move = job->move;

	if (job->http.code == 206) {
		if (!job->ranged || job->range.first != move->offset ||
		    job->range.last != move->offset + move->length - 1)
			job->wrong = "another part than was asked for";
	} else if (move->offset || job->announced != move->length) {
		job->wrong = "the range was ignored";
	}
	return !job->wrong;
}

static int on_push(struct sgh_http_request *request, const void *data, size_t length)
{
	struct job *job = sgh_container_of(request, struct job, http);
	struct sgh_move *move = job->move;
	int status;

	if (!move->moved && !is_wanted(job))
		return SANGRAHA_E_INTERNAL;
	if (length > move->length - move->moved) {
		job->wrong = "more bytes than were asked for";
		return SANGRAHA_E_INTERNAL;
	}
	status = move->push(move, data, length);
	if (!status)
		move->moved += length;
	else if (status != SGH_MOVE_PAUSE)
		__atomic_store_n(&job->given_up, status, __ATOMIC_RELAXED);
	return status;
}

static int64_t on_pull(struct sgh_http_request *request, void *data, size_t size)
{
	struct job *job = sgh_container_of(request, struct job, http);
	int64_t n = job->move->pull(job->move, data, size);

	if (n < 0 && n != SGH_MOVE_PAUSE)
		__atomic_store_n(&job->given_up, (int)n, __ATOMIC_RELAXED);
	return n;
}

/* "PUT to host:port": of the URL no more, which is as good as a key. */
static void subject(const struct sgh_move *move, char *text, size_t size)
{
	const char *host = strstr(move->url, "://");
	size_t length;

	host = host ? host + 3 : "";
	length = strcspn(host, "/?#@");
	/* Somebody's name and password may stand before the host. */
	if (host[length] == '@')
		length = 0;
	snprintf(text, size, "%s %.*s",
		 move->kind == SGH_TICKET_GET ? "GET from" : "PUT to",
		 (int)sgh_min(length, size / 2), host);
}

static int fail_answer(const struct job *job, const char *about,
		       const struct sgh_s3_error *error, struct sangraha_error *err)
{
	long code = job->http.code;
	int status = sgh_s3_status(code, error->code);

	return sgh_fail(err, status, code, "%s: %ld %s", about, code,
			error->code[0] ? error->code : "without a code of the store's");
}

static int result(struct job *job, struct sangraha_error *err)
{
	const struct sgh_move *move = job->move;
	const struct sgh_http_request *http = &job->http;
	const struct sgh_buf *text = &http->text;
	struct sgh_s3_error error = { { 0 } };
	int status = http->status;
	bool is_error;
	char about[200];

	subject(move, about, sizeof(about));
	if (status && status == __atomic_load_n(&job->given_up, __ATOMIC_RELAXED))
		return sgh_fail(err, status, 0, "%s: %s", about, http->err.message);
	if (job->wrong)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, http->code, "%s: %ld %s", about,
				http->code, job->wrong);
	/* Only the text of an error can be too large, and its status says enough. */
	if (status && status != SANGRAHA_E_TOO_LARGE)
		return sgh_fail(err, status, http->err.native, "%s: %s", about,
				http->err.message);
	is_error = sgh_s3xml_error(sgh_buf_text(text), text->length, &error);
	if (http->code / 100 != 2 || is_error || status)
		return fail_answer(job, about, &error, err);
	if (move->kind == SGH_TICKET_GET && move->moved != move->length)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, http->code,
				"%s: the body ended before its length", about);
	return 0;
}

static void on_done(struct sgh_http_request *request)
{
	struct job *job = sgh_container_of(request, struct job, http);
	struct sgh_move *move = job->move;

	move->status = result(job, &move->err);
	sgh_mover_end(move);
	job_free(job);
	move->done(move);
}

static void add_line(struct job *job, const char *name, const char *value)
{
	sgh_buf_puts(&job->text, name);
	sgh_buf_puts(&job->text, *value ? ": " : ";");
	sgh_buf_puts(&job->text, value);
	sgh_buf_putc(&job->text, '\0');
	job->http.header_count++;
}

static bool has_type(const struct sgh_move *move)
{
	for (size_t i = 0; i < move->header_count; i++)
		if (strcasecmp(move->headers[i].name, "content-type") == 0)
			return true;
	return false;
}

/* False without memory. */
static bool write_lines(struct job *job)
{
	const struct sgh_move *move = job->move;
	const char *at;
	char range[64];

	job->text.max = SGH_TICKET_TEXT_MAX;
	for (size_t i = 0; i < move->header_count; i++)
		add_line(job, move->headers[i].name, move->headers[i].value);
	if (move->kind == SGH_TICKET_GET) {
		snprintf(range, sizeof(range), "bytes=%llu-%llu",
			 (unsigned long long)move->offset,
			 (unsigned long long)(move->offset + move->length - 1));
		add_line(job, "Range", range);
	} else if (!has_type(move)) {
		/* That of a form would be sent otherwise. */
		sgh_buf_append(&job->text, "Content-Type:", sizeof("Content-Type:"));
		job->http.header_count++;
	}
	at = job->text.data;
	for (size_t i = 0; !job->text.failed && i < job->http.header_count; i++) {
		job->lines[i] = at;
		at += strlen(at) + 1;
	}
	return !job->text.failed;
}

static void describe(struct job *job)
{
	struct sgh_move *move = job->move;
	struct sgh_http_request *http = &job->http;

	http->method = move->kind == SGH_TICKET_GET ? "GET" : "PUT";
	http->url = move->url;
	http->headers = job->lines;
	http->deadline_ms = move->deadline_ms;
	http->max_text = ERROR_TEXT_MAX;
	http->on_header = on_header;
	http->done = on_done;
	if (move->kind == SGH_TICKET_GET) {
		http->push = on_push;
		return;
	}
	http->body = move->body;
	http->expect_continue = true;
	if (move->pull) {
		http->pull = on_pull;
		http->length = (int64_t)move->length;
	}
}

/* A gateway that says nothing at all leaves time for another try, and another ticket. */
static unsigned answer_timeout(const struct way *way, const struct sgh_move *move)
{
	unsigned usual = way->idle_timeout_ms / (move->kind == SGH_TICKET_GET ? 3 : 2);

	return (move->patience_ms ? move->patience_ms : usual) + 1;
}

static int http_submit(void *self, struct sgh_move *move, struct sangraha_error *err)
{
	struct way *way = self;
	struct job *job = calloc(1, sizeof(*job));
	int rc;

	if (!job)
		return sgh_fail_memory(err);
	job->move = move;
	job->announced = UINT64_MAX;
	move->backend = job;
	describe(job);
	job->http.answer_timeout_ms = answer_timeout(way, move);
	/* One that falls silent, too: the rest of a GET may come from another. */
	if (move->kind == SGH_TICKET_GET)
		job->http.idle_timeout_ms = job->http.answer_timeout_ms;
	rc = write_lines(job) ? sgh_http_submit(way->http, &job->http, err)
			      : sgh_fail_memory(err);
	if (rc)
		job_free(job);
	return rc;
}

static void http_resume(void *self, struct sgh_move *move)
{
	struct way *way = self;
	struct job *job = move->backend;

	sgh_http_resume(way->http, &job->http);
}

static void http_cancel(void *self, struct sgh_move *move, int status)
{
	struct way *way = self;
	struct job *job = move->backend;

	__atomic_store_n(&job->given_up, status, __ATOMIC_RELAXED);
	sgh_http_cancel(way->http, &job->http, status);
}

static int http_open(struct sangraha_context *context,
		     const struct sgh_mover_options *options, void **ret,
		     struct sangraha_error *err)
{
	const struct sgh_http_options http = {
		.connections = options ? options->connections : 0,
		.idle_timeout_ms = options ? options->idle_timeout_ms : 0,
		.ca_file = options ? options->ca_file : NULL,
	};
	struct way *way = calloc(1, sizeof(*way));
	int rc;

	if (!way)
		return sgh_fail_memory(err);
	way->idle_timeout_ms = http.idle_timeout_ms ? http.idle_timeout_ms : IDLE_MS;
	rc = sgh_http_new(&http, &way->http, err);
	if (rc)
		free(way);
	else
		*ret = way;
	return rc;
}

static void http_close(void *self)
{
	struct way *way = self;

	sgh_http_free(way->http);
	free(way);
}

const struct sgh_mover_kind sgh_mover_http = {
	.schemes = "http: https:",
	.open = http_open,
	.close = http_close,
	.submit = http_submit,
	.resume = http_resume,
	.cancel = http_cancel,
};
