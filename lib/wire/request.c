/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "wire/fields.h"
#include "wire/protocol.h"

static const char *const verb_names[] = {
	[SGH_VERB_UNKNOWN] = "unknown",
	[SGH_PUT] = "put",
	[SGH_PUT_BEGIN] = "put-begin",
	[SGH_PUT_EXTEND] = "put-extend",
	[SGH_PUT_COMMIT] = "put-commit",
	[SGH_PUT_ABORT] = "put-abort",
	[SGH_DELETE] = "delete",
	[SGH_GET] = "get",
	[SGH_STAT] = "stat",
	[SGH_LIST] = "list",
};

const char *sgh_verb_name(enum sgh_verb verb)
{
	return (size_t)verb < SGH_COUNT(verb_names) ? verb_names[verb] : "unknown";
}

struct sgh_request *sgh_request_new(void)
{
	struct sgh_request *request = calloc(1, sizeof(*request));

	if (request)
		request->size = -1;
	return request;
}

void sgh_request_free(struct sgh_request *request)
{
	if (!request)
		return;
	sgh_arena_fini(&request->arena);
	sgh_bytes_unref(request->body);
	free(request);
}

/* Numbers whose 0 says the same as their absence. */
static void put_unless_zero(struct sgh_fields_writer *writer, const char *name,
			    int64_t number)
{
	if (number)
		sgh_fields_put_number(writer, name, number);
}

static void put_properties(struct sgh_fields_writer *writer,
			   const struct sgh_request *request)
{
	struct sgh_message *message = writer->message;

	sgh_fields_set(writer, &message->message_id, request->operation_id);
	sgh_fields_set(writer, &message->correlation_id, request->correlation_id);
	sgh_fields_set(writer, &message->reply_to, request->reply_to);
	message->timestamp = request->published / 1000;
	message->persistent = request->persistent;
	sgh_fields_put_content_type(writer, request->content_type);
}

static void put_large(struct sgh_fields_writer *writer, const struct sgh_request *request)
{
	sgh_fields_put_text(writer, "transfer", sgh_ticket_kind_name(request->transfer));
	sgh_fields_put_text(writer, "crc32c", request->crc32c);
	sgh_fields_put_text(writer, "record", request->record);
	put_unless_zero(writer, "first-part", request->first_part);
	if (request->facts)
		sgh_fields_put_raw(writer, "facts", request->facts);
	sgh_fields_put_text(writer, "rules", request->rules);
	if (request->redirect)
		sgh_fields_put_bool(writer, "redirect", true);
	if (request->download)
		sgh_fields_put_bool(writer, "download", true);
}

static void put_fields(struct sgh_fields_writer *writer,
		       const struct sgh_request *request)
{
	char created[SGH_RFC3339_SIZE];

	sgh_fields_put_text(writer, "object-id", request->object_id);
	sgh_fields_put_text(writer, "object-type", request->object_type);
	sgh_fields_put_text(writer, "filename", request->filename);
	sgh_fields_put_text(writer, "sha256", request->sha256);
	if (request->size >= 0)
		sgh_fields_put_number(writer, "size", request->size);
	if (request->created_ms) {
		sgh_rfc3339(request->created_ms, created);
		sgh_fields_put_text(writer, "created", created);
	}
	put_unless_zero(writer, "deadline", request->deadline);
	put_unless_zero(writer, "published", request->published);
	if (request->fresh)
		sgh_fields_put_bool(writer, "fresh", true);
	if (request->batches)
		sgh_fields_put_bool(writer, "batches", true);
	put_unless_zero(writer, "attempt", request->attempt);
	put_unless_zero(writer, "resend", request->resend);
	sgh_fields_put_text(writer, "request-id", request->request_id);
	sgh_fields_put_text(writer, "traceparent", request->traceparent);
	put_unless_zero(writer, "limit", request->limit);
	sgh_fields_put_text(writer, "cursor", request->cursor);
	put_large(writer, request);
	sgh_fields_put_meta(writer, request->meta, request->meta_count);
}

/* The parts are the body in binary mode, a member in JSON mode. */
static int put_parts(struct sgh_fields_writer *writer, const struct sgh_request *request,
		     struct sgh_bytes **ret_body, struct sangraha_error *err)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(SGH_PARTS_TEXT_MAX);

	if (writer->json)
		sgh_parts_write_array(request->parts, request->part_count, &buf);
	else
		sgh_parts_write(request->parts, request->part_count, &buf);
	if (buf.failed)
		return sgh_fail_memory(err);
	if (writer->json) {
		sgh_fields_put_raw(writer, "parts", buf.data);
		return 0;
	}
	sgh_fields_put_content_type(writer, "application/json");
	*ret_body = sgh_bytes_copy(buf.data, buf.length);
	return *ret_body ? 0 : sgh_fail_memory(err);
}

static int put_body(struct sgh_fields_writer *writer, const struct sgh_request *request,
		    struct sgh_bytes **ret_body, struct sangraha_error *err)
{
	if (request->verb == SGH_PUT_COMMIT && request->part_count)
		return put_parts(writer, request, ret_body, err);
	*ret_body = sgh_bytes_ref(request->body);
	return 0;
}

int sgh_request_message(const struct sgh_request *request, struct sgh_message **ret,
			struct sangraha_error *err)
{
	sgh_autobytes struct sgh_bytes *body = NULL;
	struct sgh_fields_writer writer;
	char type[64];
	int status;

	if (request->verb == SGH_VERB_UNKNOWN)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the request has no verb");
	snprintf(type, sizeof(type), "sangraha.%s.v1", sgh_verb_name(request->verb));
	status = sgh_fields_begin(&writer, request->json, type, err);
	if (status)
		return status;
	put_properties(&writer, request);
	put_fields(&writer, request);
	status = put_body(&writer, request, &body, err);
	if (status) {
		sgh_fields_abandon(&writer);
		return status;
	}
	return sgh_fields_end(&writer, body, ret, err);
}
