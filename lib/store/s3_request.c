/* SPDX-License-Identifier: MIT */
#include "store/s3.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"

/* What a listing takes for each key, every byte of it encoded, and around the keys. */
#define LIST_KEY_TEXT (3 * SGH_S3_KEY_MAX + 1024)
#define LIST_TEXT     (16 << 10)
#define QUERY_MAX     8

/* A request that is being put together; running out of memory shows at the end. */
struct draft {
	struct sgh_s3_op *self;
	struct sgh_sigv4_request request;
	struct sgh_pair query[QUERY_MAX];
	bool failed;
};

static const char *method_of(enum sgh_store_verb verb)
{
	switch (verb) {
	case SGH_STORE_PUT:
	case SGH_STORE_UPLOAD_PART:
	case SGH_STORE_MAKE_BUCKET:
		return "PUT";
	case SGH_STORE_UPLOAD_BEGIN:
	case SGH_STORE_UPLOAD_COMPLETE:
		return "POST";
	case SGH_STORE_HEAD:
	case SGH_STORE_CHECK:
		return "HEAD";
	case SGH_STORE_DELETE:
	case SGH_STORE_UPLOAD_ABORT:
		return "DELETE";
	default:
		return "GET";
	}
}

static const char *joined(struct draft *draft, const char *a, const char *b)
{
	size_t a_length = strlen(a);
	size_t b_length = strlen(b);
	char *text = sgh_arena_alloc(&draft->self->arena, a_length + b_length + 1);

	if (!text) {
		draft->failed = true;
		return "";
	}
	memcpy(text, a, a_length);
	memcpy(text + a_length, b, b_length + 1);
	return text;
}

static void add_header(struct draft *draft, const char *name, const char *value)
{
	draft->self->headers[draft->request.header_count++] =
		(struct sgh_pair){ name, value };
}

static void add_query(struct draft *draft, const char *name, const char *value)
{
	draft->query[draft->request.query_count++] = (struct sgh_pair){ name, value };
}

static const char *path_of(struct draft *draft)
{
	const struct sgh_s3_op *self = draft->self;
	char bucket[160];

	snprintf(bucket, sizeof(bucket), "/%s%s", self->s3->store.bucket_prefix,
		 self->op->bucket);
	switch (self->verb) {
	case SGH_STORE_UPLOAD_FIND:
	case SGH_STORE_LIST:
	case SGH_STORE_MAKE_BUCKET:
	case SGH_STORE_CHECK:
		return joined(draft, bucket, "");
	default:
		return joined(draft, joined(draft, bucket, "/"), self->op->key);
	}
}

static void put_headers(struct draft *draft)
{
	const struct sgh_store_op *op = draft->self->op;

	add_header(draft, "Content-Type",
		   op->content_type ? op->content_type : SGH_S3_DEFAULT_TYPE);
	if (op->if_none_match && draft->self->verb == SGH_STORE_PUT)
		add_header(draft, "If-None-Match", "*");
	/*
	 * Who takes the archive apart does not look at this. Others refuse it, instead of
	 * saying yes to an object that nobody wants: there is none with this tag.
	 */
	if (op->tar)
		add_header(draft, "If-Match", "\"an archive\"");
	for (size_t i = 0; i < op->meta_count; i++)
		add_header(draft, joined(draft, "x-amz-meta-", op->meta[i].name),
			   op->meta[i].value);
}

static void get_headers(struct draft *draft)
{
	const struct sgh_store_op *op = draft->self->op;
	char range[64];

	snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, op->offset,
		 op->offset + op->max_length - 1);
	add_header(draft, "Range", joined(draft, range, ""));
}

static void number_query(struct draft *draft, const char *name, unsigned number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	add_query(draft, name, joined(draft, text, ""));
}

static void list_query(struct draft *draft)
{
	const struct sgh_store_op *op = draft->self->op;

	add_query(draft, "list-type", "2");
	add_query(draft, "encoding-type", "url");
	number_query(draft, "max-keys", op->limit);
	if (op->prefix && *op->prefix)
		add_query(draft, "prefix", op->prefix);
	if (op->after && *op->after)
		add_query(draft, "start-after", op->after);
}

static void part_query(struct draft *draft)
{
	const struct sgh_store_op *op = draft->self->op;

	number_query(draft, "partNumber", op->part);
	add_query(draft, "uploadId", op->upload);
	add_header(draft, "Content-Type", "application/octet-stream");
}

static void parts_query(struct draft *draft)
{
	const struct sgh_store_op *op = draft->self->op;

	number_query(draft, "max-parts", op->limit);
	number_query(draft, "part-number-marker", op->part);
	add_query(draft, "uploadId", op->upload);
}

static void find_query(struct draft *draft)
{
	const struct sgh_s3_op *self = draft->self;

	add_query(draft, "uploads", "");
	add_query(draft, "encoding-type", "url");
	number_query(draft, "max-uploads", SGH_S3_UPLOADS_PAGE);
	add_query(draft, "prefix", self->op->key);
	if (self->marker) {
		add_query(draft, "key-marker", self->op->key);
		add_query(draft, "upload-id-marker", self->marker);
	}
}

static struct sgh_bytes *complete_body(const struct sgh_store_op *op)
{
	sgh_autobuf struct sgh_buf text =
		SGH_BUF_INIT((op->part_count + 1) * SGH_S3_PART_BYTES);

	sgh_s3xml_complete_write(op->parts, op->part_count, &text);
	return text.failed ? NULL : sgh_bytes_copy(text.data, text.length);
}

static void complete_request(struct draft *draft)
{
	struct sgh_s3_op *self = draft->self;

	add_query(draft, "uploadId", self->op->upload);
	add_header(draft, "Content-Type", "application/xml");
	if (self->op->if_none_match)
		add_header(draft, "If-None-Match", "*");
	self->http.body = complete_body(self->op);
	draft->failed |= !self->http.body;
	self->http.once = true;
}

/* Everywhere but in the default region the region is said again, as XML. */
static struct sgh_bytes *bucket_body(const struct sgh_s3 *s3)
{
	char text[256];
	int length;

	length =
		snprintf(text, sizeof(text),
			 "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/"
			 "2006-03-01/\"><LocationConstraint>%s</LocationConstraint>"
			 "</CreateBucketConfiguration>",
			 s3->region);
	return sgh_bytes_copy(text, (size_t)length);
}

/* What the verb adds to every request's path and headers. */
static void describe(struct draft *draft)
{
	struct sgh_s3_op *self = draft->self;
	struct sgh_http_request *http = &self->http;

	switch (self->verb) {
	case SGH_STORE_PUT:
		put_headers(draft);
		http->body = sgh_bytes_ref(self->op->body);
		break;
	case SGH_STORE_GET:
		get_headers(draft);
		http->want_data = true;
		http->max_data = self->op->max_length;
		break;
	case SGH_STORE_UPLOAD_BEGIN:
		add_query(draft, "uploads", "");
		put_headers(draft);
		http->once = true;
		break;
	case SGH_STORE_UPLOAD_PART:
		part_query(draft);
		http->body = sgh_bytes_ref(self->op->body);
		break;
	case SGH_STORE_UPLOAD_PARTS:
		parts_query(draft);
		http->max_text = self->op->limit * (size_t)SGH_S3_PART_BYTES + LIST_TEXT;
		break;
	case SGH_STORE_UPLOAD_COMPLETE:
		complete_request(draft);
		break;
	case SGH_STORE_UPLOAD_ABORT:
		add_query(draft, "uploadId", self->op->upload);
		break;
	case SGH_STORE_UPLOAD_FIND:
		find_query(draft);
		http->max_text = SGH_S3_UPLOADS_PAGE * (size_t)LIST_KEY_TEXT + LIST_TEXT;
		break;
	case SGH_STORE_LIST:
		list_query(draft);
		http->max_text = self->op->limit * (size_t)LIST_KEY_TEXT + LIST_TEXT;
		break;
	case SGH_STORE_MAKE_BUCKET:
		if (strcmp(self->s3->region, "us-east-1") != 0) {
			http->body = bucket_body(self->s3);
			draft->failed |= !http->body;
		}
		break;
	default:
		break;
	}
}

struct sgh_sigv4_scope sgh_s3_scope(const struct sgh_s3 *s3)
{
	return (struct sgh_sigv4_scope){ s3->access_key, s3->secret_key, s3->region,
					 "s3" };
}

/* The derived key is the same all day; deriving it costs five hashes. */
int sgh_s3_signing_key(struct sgh_s3 *s3, const char date[SGH_SIGV4_DATE_SIZE],
		       struct sgh_sigv4_key *ret, struct sangraha_error *err)
{
	const struct sgh_sigv4_scope scope = sgh_s3_scope(s3);
	int rc;

	pthread_mutex_lock(&s3->state.lock);
	*ret = s3->state.key;
	pthread_mutex_unlock(&s3->state.lock);
	if (strncmp(ret->day, date, sizeof(ret->day) - 1) == 0)
		return 0;
	rc = sgh_sigv4_derive(&scope, date, ret, err);
	if (rc)
		return rc;
	pthread_mutex_lock(&s3->state.lock);
	s3->state.key = *ret;
	pthread_mutex_unlock(&s3->state.lock);
	return 0;
}

/* Add the headers that sign the request; they are all signed but the signature. */
static int sign(struct draft *draft, struct sangraha_error *err)
{
	struct sgh_s3_op *self = draft->self;
	struct sgh_s3 *s3 = self->s3;
	const struct sgh_sigv4_scope scope = sgh_s3_scope(s3);
	const char *sha256 = self->verb == SGH_STORE_PUT ? self->op->sha256 : NULL;
	char date[SGH_SIGV4_DATE_SIZE];
	struct sgh_sigv4_key key;
	int rc;

	sgh_sigv4_date(sgh_time_ms(), date);
	draft->request.payload = sha256 ? sha256 : SGH_SIGV4_UNSIGNED;
	add_header(draft, "x-amz-date", joined(draft, date, ""));
	add_header(draft, "x-amz-content-sha256", draft->request.payload);
	rc = sgh_s3_signing_key(s3, date, &key, err);
	if (rc)
		return rc;
	sgh_buf_clear(&self->authorization);
	rc = sgh_sigv4_sign(&draft->request, &scope, &key, date, &self->work,
			    &self->authorization, err);
	if (rc)
		return rc;
	add_header(draft, "Authorization", sgh_buf_text(&self->authorization));
	return 0;
}

void sgh_s3_write_target(struct sgh_buf *url, const struct sgh_sigv4_request *request)
{
	sgh_uri_encode(url, request->path, strlen(request->path), true);
	for (size_t i = 0; i < request->query_count; i++) {
		const struct sgh_pair *pair = &request->query[i];

		sgh_buf_putc(url, i ? '&' : '?');
		sgh_uri_encode(url, pair->name, strlen(pair->name), false);
		sgh_buf_putc(url, '=');
		sgh_uri_encode(url, pair->value, strlen(pair->value), false);
	}
}

static void write_url(struct draft *draft)
{
	struct sgh_s3_op *self = draft->self;
	struct sgh_buf *url = &self->url;

	sgh_buf_clear(url);
	sgh_buf_puts(url, self->endpoint->base);
	sgh_s3_write_target(url, &draft->request);
	draft->failed |= url->failed;
}

static void write_lines(struct draft *draft)
{
	struct sgh_s3_op *self = draft->self;

	for (size_t i = 0; i < draft->request.header_count; i++) {
		const struct sgh_pair *pair = &self->headers[i];

		self->lines[i] = *pair->value
					 ? joined(draft, joined(draft, pair->name, ": "),
						  pair->value)
					 : joined(draft, pair->name, ";");
	}
}

/* Forget the request before, and what came of it. */
static void reset(struct sgh_s3_op *self)
{
	sgh_http_request_fini(&self->http);
	sgh_bytes_unref(self->http.body);
	self->http = (struct sgh_http_request){
		.deadline_ms = self->op->deadline_ms,
		.on_header = sgh_s3_on_header,
		.done = self->http.done,
	};
	sgh_arena_fini(&self->arena);
	self->op->etag = NULL;
	self->ranged = false;
	self->no_memory = false;
	self->length = 0;
	self->first = 0;
}

int sgh_s3_request_make(struct sgh_s3_op *self, struct sangraha_error *err)
{
	struct draft draft = { .self = self };
	int rc;

	reset(self);
	draft.request.method = method_of(self->verb);
	draft.request.path = path_of(&draft);
	draft.request.query = draft.query;
	draft.request.headers = self->headers;
	add_header(&draft, "Host", self->endpoint->host);
	describe(&draft);
	if (!draft.failed && self->s3->access_key) {
		rc = sign(&draft, err);
		if (rc)
			return rc;
	}
	write_url(&draft);
	write_lines(&draft);
	if (draft.failed)
		return sgh_fail_memory(err);
	self->http.method = draft.request.method;
	self->http.url = self->url.data;
	self->http.headers = self->lines;
	self->http.header_count = draft.request.header_count;
	return 0;
}
