/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "wire/fields.h"
#include "wire/protocol.h"

#define LIST_MAX    (8 << 20)   /* bytes of 1,000 descriptions */
#define STRINGS_MAX (256 << 10) /* bytes of all but a ticket */

struct sgh_reply *sgh_reply_new(void)
{
	struct sgh_reply *reply = calloc(1, sizeof(*reply));

	if (!reply)
		return NULL;
	reply->offset = -1;
	reply->arena.max = STRINGS_MAX + SGH_TICKET_ARENA_MAX;
	return reply;
}

void sgh_reply_free(struct sgh_reply *reply)
{
	if (!reply)
		return;
	for (size_t i = 0; i < reply->object_count; i++)
		sangraha_object_unref(reply->objects[i]);
	free(reply->objects);
	sangraha_object_unref(reply->object);
	sgh_bytes_unref(reply->body);
	if (reply->budget)
		sgh_budget_release(reply->budget, reply->counted);
	sgh_budget_unref(reply->budget);
	sgh_arena_fini(&reply->arena);
	free(reply);
}

void sgh_reply_count(struct sgh_reply *reply, struct sgh_budget *budget, size_t size)
{
	sgh_budget_force(budget, size);
	reply->budget = sgh_budget_ref(budget);
	reply->counted = size;
}

static void put_object(struct sgh_fields_writer *writer,
		       const struct sangraha_object *object)
{
	sgh_fields_put_text(writer, "object-id", object->id);
	sgh_fields_put_text(writer, "object-type", object->type);
	sgh_fields_put_text(writer, "filename", object->filename);
	sgh_fields_put_number(writer, "size", (int64_t)object->size);
	sgh_fields_put_text(writer, "sha256", object->sha256[0] ? object->sha256 : NULL);
	sgh_fields_put_text(writer, "created", object->created);
	sgh_fields_put_raw(writer, "facts", object->facts);
	sgh_fields_put_text(writer, "rules", object->rules);
	sgh_fields_put_content_type(writer, object->content_type);
	sgh_fields_put_meta(writer, object->meta, object->meta_count);
}

static void put_refusal(struct sgh_fields_writer *writer, const struct sgh_reply *reply)
{
	const char *message = reply->message;

	sgh_fields_put_text(writer, "message",
			    message ? message : sangraha_status_text(reply->status));
	sgh_fields_put_text(writer, "declared", reply->declared);
	sgh_fields_put_text(writer, "detected", reply->detected);
	sgh_fields_put_text(writer, "rule", reply->rule);
	if (reply->offset >= 0)
		sgh_fields_put_number(writer, "offset", reply->offset);
}

static void write_list(const struct sgh_reply *reply, struct sgh_buf *buf)
{
	sgh_buf_puts(buf, "{\"objects\":[");
	for (size_t i = 0; i < reply->object_count; i++) {
		if (i)
			sgh_buf_putc(buf, ',');
		sgh_object_write_json(reply->objects[i], buf);
	}
	sgh_buf_putc(buf, ']');
	if (reply->next_cursor) {
		sgh_buf_puts(buf, ",\"next_cursor\":");
		sgh_buf_json(buf, reply->next_cursor);
	}
	sgh_buf_putc(buf, '}');
}

/* The list is the body in binary mode, a member in JSON mode. */
static int put_list(struct sgh_fields_writer *writer, const struct sgh_reply *reply,
		    struct sgh_bytes **ret_body, struct sangraha_error *err)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(LIST_MAX);

	write_list(reply, &buf);
	if (buf.failed)
		return sgh_fail_memory(err);
	if (writer->json) {
		sgh_fields_put_raw(writer, "list", buf.data);
		return 0;
	}
	sgh_fields_put_content_type(writer, "application/json");
	*ret_body = sgh_bytes_copy(buf.data, buf.length);
	return *ret_body ? 0 : sgh_fail_memory(err);
}

/* As a list; the media type is the object's where there is one. */
static int put_ticket(struct sgh_fields_writer *writer, const struct sgh_reply *reply,
		      struct sgh_bytes **ret_body, struct sangraha_error *err)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(SGH_TICKET_TEXT_MAX);

	sgh_fields_put_text(writer, "transfer",
			    sgh_ticket_kind_name(reply->ticket->kind));
	sgh_ticket_write(reply->ticket, &buf);
	if (buf.failed)
		return sgh_fail_memory(err);
	if (writer->json) {
		sgh_fields_put_raw(writer, "ticket", buf.data);
		return 0;
	}
	if (!reply->object)
		sgh_fields_put_content_type(writer, "application/json");
	*ret_body = sgh_bytes_copy(buf.data, buf.length);
	return *ret_body ? 0 : sgh_fail_memory(err);
}

static bool is_list(const struct sgh_reply *reply)
{
	return reply->list || reply->objects || reply->next_cursor;
}

static int put_result(struct sgh_fields_writer *writer, const struct sgh_reply *reply,
		      struct sgh_bytes **ret_body, struct sangraha_error *err)
{
	if (reply->batches)
		sgh_fields_put_bool(writer, "batches", true);
	if (reply->status) {
		put_refusal(writer, reply);
		if (reply->recorded)
			sgh_fields_put_bool(writer, "recorded", true);
		return 0;
	}
	if (is_list(reply))
		return put_list(writer, reply, ret_body, err);
	if (reply->object)
		put_object(writer, reply->object);
	if (reply->replayed)
		sgh_fields_put_bool(writer, "replayed", true);
	if (reply->ticket)
		return put_ticket(writer, reply, ret_body, err);
	*ret_body = sgh_bytes_ref(reply->body);
	return 0;
}

int sgh_reply_message(const struct sgh_reply *reply, struct sgh_message **ret,
		      struct sangraha_error *err)
{
	sgh_autobytes struct sgh_bytes *body = NULL;
	struct sgh_fields_writer writer;
	int status = sgh_fields_begin(&writer, reply->json, "sangraha.result.v1", err);

	if (status)
		return status;
	writer.message->persistent = reply->persistent;
	sgh_fields_set(&writer, &writer.message->correlation_id, reply->correlation_id);
	sgh_fields_put_text(&writer, "status", reply->status ? "error" : "ok");
	sgh_fields_put_text(&writer, "code", sangraha_status_name(reply->status));
	sgh_fields_put_text(&writer, "operation-id", reply->operation_id);
	sgh_fields_put_text(&writer, "request-id", reply->request_id);
	status = put_result(&writer, reply, &body, err);
	if (status) {
		sgh_fields_abandon(&writer);
		return status;
	}
	return sgh_fields_end(&writer, body, ret, err);
}
