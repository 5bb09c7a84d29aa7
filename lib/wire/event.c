/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "wire/json.h"
#include "wire/protocol.h"

/* CloudEvents 1.0, JSON event format, structured mode. */

/* What both the envelope and the data speak of. */
struct subject {
	const char *kind;
	const struct sgh_request *request;
	const struct sangraha_object *object;
	const struct sgh_reply *reply;
	const char *id;                          /* of the object */
	const char *type;                        /* NULL: not known */
	char reference[SANGRAHA_REFERENCE_SIZE]; /* "type/id", or the id alone */
};

static void member(struct sgh_buf *buf, const char *name, const char *value)
{
	if (!value)
		return;
	sgh_buf_name(buf, name);
	sgh_buf_json(buf, value);
}

static void write_refusal(struct sgh_buf *buf, const struct sgh_reply *reply)
{
	if (!reply)
		return;
	member(buf, "code", sangraha_status_name(reply->status));
	member(buf, "message", reply->message);
	member(buf, "declared", reply->declared);
	member(buf, "detected", reply->detected);
	member(buf, "rule", reply->rule);
	if (reply->offset >= 0)
		sgh_buf_printf(buf, ",\"offset\":%" PRId64, reply->offset);
}

static void write_data(struct sgh_buf *buf, const struct subject *subject)
{
	if (subject->object && strcmp(subject->kind, "created") == 0) {
		sgh_object_write_json(subject->object, buf);
		return;
	}
	sgh_buf_putc(buf, '{');
	member(buf, "id", subject->id);
	member(buf, "type", subject->type);
	if (subject->type)
		member(buf, "reference", subject->reference);
	if (strcmp(subject->kind, "rejected") == 0)
		write_refusal(buf, subject->reply);
	sgh_buf_putc(buf, '}');
}

/*
 * When it happened, by what the request says: this layer has no clock, and a repeated
 * event must not differ from the first.
 */
static int64_t time_of(const struct subject *subject)
{
	const struct sgh_request *request = subject->request;

	if (subject->object && strcmp(subject->kind, "created") == 0)
		return subject->object->created_ms;
	if (!request)
		return 0;
	return request->created_ms ? request->created_ms : request->published;
}

static void write_event(struct sgh_buf *buf, const struct subject *subject,
			const char *type, const char *id)
{
	int64_t ms = time_of(subject);
	char time[SGH_RFC3339_SIZE];

	sgh_buf_puts(buf, "{\"specversion\":\"1.0\"");
	member(buf, "id", id);
	member(buf, "source", "/sangraha");
	member(buf, "type", type);
	member(buf, "subject", subject->reference);
	if (ms > 0) {
		sgh_rfc3339(ms, time);
		member(buf, "time", time);
	}
	if (subject->request)
		member(buf, "traceparent", subject->request->traceparent);
	member(buf, "datacontenttype", "application/json");
	sgh_buf_puts(buf, ",\"data\":");
	write_data(buf, subject);
	sgh_buf_putc(buf, '}');
}

static void find_subject(struct subject *subject)
{
	const struct sangraha_object *object = subject->object;
	const struct sgh_request *request = subject->request;

	subject->id = object ? object->id : request ? request->object_id : NULL;
	subject->type = object ? object->type : request ? request->object_type : NULL;
	snprintf(subject->reference, sizeof(subject->reference), "%.32s%s%.36s",
		 subject->type ? subject->type : "", subject->type ? "/" : "",
		 subject->id ? subject->id : "");
}

static int fill(struct sgh_message *message, const struct subject *subject,
		struct sangraha_error *err)
{
	const struct sgh_request *request = subject->request;
	const char *operation =
		request && request->operation_id ? request->operation_id : subject->id;
	sgh_autobuf struct sgh_buf buf = { 0 };
	char type[64];
	char id[160];

	snprintf(type, sizeof(type), "sangraha.object.%s", subject->kind);
	snprintf(id, sizeof(id), "%.128s:%s", operation, subject->kind);
	write_event(&buf, subject, type, id);
	message->body = buf.failed ? NULL : sgh_bytes_copy(buf.data, buf.length);
	message->type = sgh_arena_strdup(&message->arena, type);
	message->message_id = sgh_arena_strdup(&message->arena, id);
	message->content_type = "application/cloudevents+json";
	message->app_id = "sangraha";
	message->persistent = true;
	if (!message->body || !message->type || !message->message_id ||
	    (request &&
	     !sgh_message_add_text(message, "request-id", request->request_id)))
		return sgh_fail_memory(err);
	return 0;
}

int sgh_event_message(const char *kind, const struct sgh_request *request,
		      const struct sangraha_object *object, const struct sgh_reply *reply,
		      struct sgh_message **ret, struct sangraha_error *err)
{
	struct subject subject = {
		.kind = kind,
		.request = request,
		.object = object,
		.reply = reply,
	};
	struct sgh_message *message;
	int status;

	find_subject(&subject);
	if (!subject.id)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the event has no object");
	message = sgh_message_new();
	if (!message)
		return sgh_fail_memory(err);
	status = fill(message, &subject, err);
	if (status) {
		sgh_message_free(message);
		return status;
	}
	*ret = message;
	return 0;
}

int sgh_event_subject(const struct sgh_message *message, char type[SANGRAHA_TYPE_SIZE],
		      char id[SANGRAHA_ID_SIZE], struct sangraha_error *err)
{
	const struct sgh_bytes *body = message->body;
	sgh_autojson cJSON *event = NULL;
	int status;

	if (!body)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the event is empty");
	status = sgh_json_open(body->data, body->length, NULL, 0, &event, err);
	if (status)
		return status;
	return sangraha_reference_parse(sgh_json_text(event, "subject"), type, id, err);
}
