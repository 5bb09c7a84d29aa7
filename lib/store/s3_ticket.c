/* SPDX-License-Identifier: MIT */
#include "store/s3.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "wire/sha256.h"

/*
 * Tickets: requests that are signed in their URL, for the address at which those who get
 * them reach the store. Without keys of our own nothing is signed, and whoever knows a
 * key may do as much.
 */

#define EXPIRES_S_MAX (7 * 24 * 3600)
#define QUERY_MAX     4
/* More than any key, upload id and header of a response that are let through need. */
#define URL_TEXT (4 * SGH_TICKET_URL_MAX)
/* What a PUT signs beside the metadata. */
#define HEADERS_MAX (SGH_STORE_META_MAX + 5)

/* A ticket that is being made. */
struct issue {
	struct sgh_s3 *s3;
	const struct sgh_store_grant *grant;
	struct sgh_arena *arena;
	struct sgh_ticket *ticket;
	const struct sgh_s3_endpoint *endpoint;
	const char *path; /* "/bucket/key" */
	char date[SGH_SIGV4_DATE_SIZE];
	unsigned expires_s;
	struct sgh_sigv4_key key;
	struct sgh_sigv4_work work;
	struct sgh_buf url;
	struct sgh_pair headers[HEADERS_MAX];
	struct sgh_pair query[QUERY_MAX];
	struct sgh_sigv4_request request;
};

static const char *joined(struct issue *issue, const char *a, const char *b)
{
	size_t a_length = strlen(a);
	size_t b_length = strlen(b);
	char *text = sgh_arena_alloc(issue->arena, a_length + b_length + 1);

	if (!text)
		return NULL;
	memcpy(text, a, a_length);
	memcpy(text + a_length, b, b_length + 1);
	return text;
}

static void add_query(struct issue *issue, const char *name, const char *value)
{
	issue->query[issue->request.query_count++] = (struct sgh_pair){ name, value };
}

/* A header that is signed and that must be sent; NULL without memory for either text. */
static bool add_header(struct issue *issue, const char *name, const char *value)
{
	struct sgh_ticket *ticket = issue->ticket;
	struct sgh_pair pair = { name, value };

	if (!name || !value)
		return false;
	issue->headers[issue->request.header_count++] = pair;
	ticket->headers[ticket->header_count++] = pair;
	return true;
}

static void sign_header(struct issue *issue, const char *name, const char *value)
{
	issue->headers[issue->request.header_count++] = (struct sgh_pair){ name, value };
}

/* Add the URL of the request as it is described now. */
static int add_url(struct issue *issue, struct sangraha_error *err)
{
	const struct sgh_sigv4_scope scope = sgh_s3_scope(issue->s3);
	struct sgh_ticket *ticket = issue->ticket;
	struct sgh_buf *url = &issue->url;
	const char *copy;
	int rc = 0;

	sgh_buf_clear(url);
	sgh_buf_puts(url, issue->endpoint->base);
	if (issue->s3->access_key)
		rc = sgh_sigv4_presign(&issue->request, &scope, &issue->key, issue->date,
				       issue->expires_s, &issue->work, url, err);
	else
		sgh_s3_write_target(&issue->url, &issue->request);
	if (rc)
		return rc;
	if (url->failed)
		return sgh_fail_memory(err);
	if (url->length > SGH_TICKET_URL_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the URL of a ticket has more than %d bytes",
				SGH_TICKET_URL_MAX);
	copy = sgh_arena_text(issue->arena, url->data, url->length);
	if (!copy)
		return sgh_fail_memory(err);
	ticket->urls[ticket->url_count++] = copy;
	return 0;
}

static bool add_checksum(struct issue *issue, const char *name, const char *hex,
			 size_t size)
{
	unsigned char digest[32];
	char text[48] = { 0 };

	if (!sgh_hex_decode(hex, digest, size))
		return false;
	sgh_base64_write(text, digest, size);
	return add_header(issue, name, sgh_arena_strdup(issue->arena, text));
}

/*
 * The digest as a checksum, which servers compare with the bytes. As x-amz-content-sha256
 * not all of them take it in a URL: to some the payload of such a request is never signed.
 * CRC-32C where it is enough: SHA-256 is computed by the server for us alone, and slowly.
 */
static bool add_digest(struct issue *issue)
{
	const struct sgh_store_grant *grant = issue->grant;

	if (grant->crc32c)
		return add_checksum(issue, "x-amz-checksum-crc32c", grant->crc32c, 4);
	if (grant->sha256)
		return add_checksum(issue, "x-amz-checksum-sha256", grant->sha256, 32);
	return true;
}

static bool put_headers(struct issue *issue)
{
	const struct sgh_store_grant *grant = issue->grant;
	const char *type =
		grant->content_type ? grant->content_type : "application/octet-stream";
	char length[24];

	snprintf(length, sizeof(length), "%" PRIu64, grant->size);
	sign_header(issue, "Content-Length", sgh_arena_strdup(issue->arena, length));
	if (!issue->headers[issue->request.header_count - 1].value ||
	    !add_header(issue, "Content-Type", sgh_arena_strdup(issue->arena, type)) ||
	    !add_header(issue, "If-None-Match", "*"))
		return false;
	for (size_t i = 0; i < grant->meta_count; i++) {
		const struct sgh_pair *pair = &grant->meta[i];

		if (!add_header(issue, joined(issue, "x-amz-meta-", pair->name),
				sgh_arena_strdup(issue->arena, pair->value)))
			return false;
	}
	return add_digest(issue);
}

static int issue_put(struct issue *issue, struct sangraha_error *err)
{
	issue->request.method = "PUT";
	if (!put_headers(issue))
		return sgh_fail_memory(err);
	return add_url(issue, err);
}

static int issue_parts(struct issue *issue, struct sangraha_error *err)
{
	const struct sgh_store_grant *grant = issue->grant;
	int rc = 0;

	issue->request.method = "PUT";
	issue->ticket->first_part = grant->first_part;
	issue->ticket->record = sgh_arena_strdup(issue->arena, grant->record);
	if (!issue->ticket->record)
		return sgh_fail_memory(err);
	for (unsigned i = 0; !rc && i < grant->part_count; i++) {
		char number[16];

		snprintf(number, sizeof(number), "%u", grant->first_part + i);
		issue->request.query_count = 0;
		add_query(issue, "partNumber", number);
		add_query(issue, "uploadId", grant->upload);
		rc = add_url(issue, err);
	}
	return rc;
}

static int issue_get(struct issue *issue, struct sangraha_error *err)
{
	const struct sgh_store_grant *grant = issue->grant;

	issue->request.method = "GET";
	/* Servers refuse to be told what to answer by somebody they do not know. */
	if (issue->s3->access_key) {
		if (grant->response_type)
			add_query(issue, "response-content-type", grant->response_type);
		if (grant->response_disposition)
			add_query(issue, "response-content-disposition",
				  grant->response_disposition);
		add_query(issue, "response-cache-control", "private, no-cache");
	}
	return add_url(issue, err);
}

/* How long from the second that the signature names; never past what servers take. */
static unsigned expires_s(int64_t now_ms, int64_t expires_ms)
{
	int64_t seconds = (expires_ms - now_ms / 1000 * 1000 + 999) / 1000;

	return seconds > EXPIRES_S_MAX ? EXPIRES_S_MAX : (unsigned)seconds;
}

static int prepare(struct issue *issue, struct sangraha_error *err)
{
	struct sgh_s3 *s3 = issue->s3;
	int64_t now_ms = sgh_time_ms();
	char bucket[160];

	snprintf(bucket, sizeof(bucket), "/%s%s/", s3->store.bucket_prefix,
		 issue->grant->bucket);
	issue->path = joined(issue, bucket, issue->grant->key);
	issue->ticket = sgh_arena_alloc(issue->arena, sizeof(*issue->ticket));
	if (!issue->path || !issue->ticket)
		return sgh_fail_memory(err);
	*issue->ticket = (struct sgh_ticket){
		.kind = issue->grant->kind,
		.expires_ms = issue->grant->expires_ms,
	};
	issue->endpoint = sgh_s3_pick_public(s3, issue->grant->replica);
	issue->request = (struct sgh_sigv4_request){
		.path = issue->path,
		.query = issue->query,
		.headers = issue->headers,
		.payload = SGH_SIGV4_UNSIGNED,
	};
	sign_header(issue, "Host", issue->endpoint->host);
	if (!s3->access_key)
		return 0;
	issue->expires_s = expires_s(now_ms, issue->grant->expires_ms);
	sgh_sigv4_date(now_ms, issue->date);
	return sgh_s3_signing_key(s3, issue->date, &issue->key, err);
}

static int make(struct issue *issue, struct sangraha_error *err)
{
	int rc = prepare(issue, err);

	if (rc)
		return rc;
	switch (issue->grant->kind) {
	case SGH_TICKET_PUT:
		return issue_put(issue, err);
	case SGH_TICKET_PARTS:
		return issue_parts(issue, err);
	default:
		return issue_get(issue, err);
	}
}

int sgh_s3_ticket(struct sangraha_store *store, const struct sgh_store_grant *grant,
		  struct sgh_arena *arena, struct sgh_ticket **ret,
		  struct sangraha_error *err)
{
	struct issue issue = {
		.s3 = sgh_container_of(store, struct sgh_s3, store),
		.grant = grant,
		.arena = arena,
		.url.max = URL_TEXT,
	};
	int rc = make(&issue, err);

	sgh_sigv4_work_fini(&issue.work);
	sgh_buf_fini(&issue.url);
	explicit_bzero(&issue.key, sizeof(issue.key));
	if (!rc)
		*ret = issue.ticket;
	return rc;
}
