/* SPDX-License-Identifier: MIT */
#include "stub/reply.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/util.h"

static const struct meaning {
	int status;
	const char *reason;
	const char *code;
} meanings[] = {
	{ 400, "Bad Request", "InvalidRequest" },
	{ 404, "Not Found", "NoSuchKey" },
	{ 405, "Method Not Allowed", "MethodNotAllowed" },
	{ 411, "Length Required", "MissingContentLength" },
	{ 412, "Precondition Failed", "PreconditionFailed" },
	{ 413, "Content Too Large", "EntityTooLarge" },
	{ 431, "Request Header Fields Too Large", "MetadataTooLarge" },
	{ 501, "Not Implemented", "NotImplemented" },
	{ 505, "HTTP Version Not Supported", "NotImplemented" },
};

static const struct meaning *meaning_of(int status)
{
	for (size_t i = 0; i < SGH_COUNT(meanings); i++)
		if (meanings[i].status == status)
			return &meanings[i];
	return &meanings[0];
}

void reply_refused(int status, bool head, struct sgh_buf *out)
{
	const struct meaning *meaning = meaning_of(status);
	char text[128];
	int length = snprintf(text, sizeof(text),
			      "<Error><Code>%s</Code><Message>%s</Message></Error>",
			      meaning->code, meaning->reason);

	sgh_buf_printf(out,
		       "HTTP/1.1 %d %s\r\nContent-Type: application/xml\r\n"
		       "Content-Length: %d\r\n\r\n%s",
		       meaning->status, meaning->reason, length, head ? "" : text);
}

static void reply_text(const char *text, bool head, struct sgh_buf *out)
{
	sgh_buf_printf(out,
		       "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n"
		       "Content-Length: %zu\r\n\r\n%s",
		       strlen(text), head ? "" : text);
}

/* All buckets are there, and nothing is in them. */
static void reply_bucket(const struct request *request, struct sgh_buf *out)
{
	const bool uploads = strstr(request->query, "uploads") != NULL;

	switch (request->method) {
	case REQUEST_GET:
	case REQUEST_HEAD:
		reply_text(uploads ? "<ListMultipartUploadsResult>"
				     "<IsTruncated>false</IsTruncated>"
				     "</ListMultipartUploadsResult>"
				   : "<ListBucketResult>"
				     "<IsTruncated>false</IsTruncated>"
				     "</ListBucketResult>",
			   request->method == REQUEST_HEAD, out);
		break;
	case REQUEST_PUT:
		sgh_buf_puts(out, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
		break;
	case REQUEST_DELETE:
		sgh_buf_puts(out, "HTTP/1.1 204 No Content\r\n\r\n");
		break;
	default:
		reply_refused(501, false, out);
	}
}

static void reply_put(const struct request *request, struct keys *keys,
		      struct sgh_buf *out)
{
	/* MinIO ignores conditions where it takes an archive apart. */
	if (!request->archive) {
		if (request->another ||
		    (request->absent && keys_find(keys, request->path))) {
			reply_refused(412, false, out);
			return;
		}
		keys_put(keys, request->path, request->length, request->lines,
			 request->lines_length);
	}
	sgh_buf_puts(out, "HTTP/1.1 200 OK\r\nETag: " REQUEST_ETAG
			  "\r\nContent-Length: 0\r\n\r\n");
}

static void reply_object(const struct request *request, const struct keys_entry *entry,
			 struct sgh_buf *out, uint64_t *ret_zeros)
{
	const bool head = request->method == REQUEST_HEAD;

	if (!entry) {
		reply_refused(404, head, out);
		return;
	}
	sgh_buf_printf(out,
		       "HTTP/1.1 200 OK\r\nETag: " REQUEST_ETAG
		       "\r\nContent-Length: %" PRIu64 "\r\n%.*s\r\n",
		       entry->size, (int)entry->lines_length, entry->lines);
	*ret_zeros = head ? 0 : entry->size;
}

void reply_to(const struct request *request, struct keys *keys, struct sgh_buf *out,
	      uint64_t *ret_zeros)
{
	const char *key = strchr(request->path + 1, '/');

	*ret_zeros = 0;
	if (!key || !key[1]) {
		reply_bucket(request, out);
		return;
	}
	/* Large objects in parts are not what such a store is for. */
	if (strstr(request->query, "uploads") || strstr(request->query, "uploadId=")) {
		reply_refused(501, request->method == REQUEST_HEAD, out);
		return;
	}
	switch (request->method) {
	case REQUEST_GET:
	case REQUEST_HEAD:
		reply_object(request, keys_find(keys, request->path), out, ret_zeros);
		break;
	case REQUEST_PUT:
		reply_put(request, keys, out);
		break;
	case REQUEST_DELETE:
		keys_remove(keys, request->path);
		sgh_buf_puts(out, "HTTP/1.1 204 No Content\r\n\r\n");
		break;
	default:
		reply_refused(405, false, out);
	}
}
