/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/util.h"
#include "wire/fields.h"
#include "wire/protocol.h"
#include "wire/sha256.h"

#define DOCUMENT_MAX (8 << 20) /* without `data`: a list of 1,000 descriptions fits */

int sgh_fields_begin(struct sgh_fields_writer *writer, bool json, const char *type,
		     struct sangraha_error *err)
{
	*writer = (struct sgh_fields_writer){
		.message = sgh_message_new(),
		.json = json,
		.buf = SGH_BUF_INIT(DOCUMENT_MAX),
	};
	if (!writer->message)
		return sgh_fail_memory(err);
	sgh_fields_set(writer, &writer->message->type, type);
	sgh_fields_set(writer, &writer->message->app_id, "sangraha");
	if (json)
		writer->message->content_type = SGH_JSON_MODE;
	return 0;
}

void sgh_fields_abandon(struct sgh_fields_writer *writer)
{
	sgh_message_free(sgh_take(writer->message));
	sgh_buf_fini(&writer->buf);
}

void sgh_fields_set(struct sgh_fields_writer *writer, const char **property,
		    const char *text)
{
	if (!text)
		return;
	*property = sgh_arena_strdup(&writer->message->arena, text);
	if (!*property)
		writer->failed = true;
}

/* The name of a member and its colon; `-` is `_` in JSON mode. */
static void put_name(struct sgh_fields_writer *writer, const char *name)
{
	struct sgh_buf *buf = &writer->buf;

	sgh_buf_puts(buf, buf->length ? ",\"" : "{\"");
	for (; *name; name++)
		sgh_buf_putc(buf, *name == '-' ? '_' : *name);
	sgh_buf_puts(buf, "\":");
}

void sgh_fields_put_text(struct sgh_fields_writer *writer, const char *name,
			 const char *text)
{
	if (!text)
		return;
	if (!writer->json) {
		if (!sgh_message_add_text(writer->message, name, text))
			writer->failed = true;
		return;
	}
	put_name(writer, name);
	sgh_buf_json(&writer->buf, text);
}

void sgh_fields_put_number(struct sgh_fields_writer *writer, const char *name,
			   int64_t number)
{
	if (!writer->json) {
		if (!sgh_message_add_number(writer->message, name, number))
			writer->failed = true;
		return;
	}
	put_name(writer, name);
	sgh_buf_printf(&writer->buf, "%" PRId64, number);
}

void sgh_fields_put_bool(struct sgh_fields_writer *writer, const char *name, bool value)
{
	if (!writer->json) {
		if (!sgh_message_add_bool(writer->message, name, value))
			writer->failed = true;
		return;
	}
	put_name(writer, name);
	sgh_buf_puts(&writer->buf, value ? "true" : "false");
}

void sgh_fields_put_raw(struct sgh_fields_writer *writer, const char *name,
			const char *json)
{
	if (!writer->json) {
		sgh_fields_put_text(writer, name, json);
		return;
	}
	put_name(writer, name);
	sgh_buf_puts(&writer->buf, json);
}

void sgh_fields_put_content_type(struct sgh_fields_writer *writer, const char *type)
{
	if (writer->json)
		sgh_fields_put_text(writer, "content-type", type);
	else if (sgh_fields_json_mode(type))
		/*
		 * The property decides the mode. A user who declares an upload to be one
		 * of our own documents must not have it read as one.
		 */
		writer->message->content_type = "application/json";
	else
		sgh_fields_set(writer, &writer->message->content_type, type);
}

void sgh_fields_put_meta(struct sgh_fields_writer *writer, const struct sgh_pair *pairs,
			 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char name[80];

		if (!writer->json) {
			snprintf(name, sizeof(name), "meta-%s", pairs[i].name);
			sgh_fields_put_text(writer, name, pairs[i].value);
			continue;
		}
		/* The pair's own name keeps its hyphens. */
		snprintf(name, sizeof(name), "meta_%s", pairs[i].name);
		sgh_buf_puts(&writer->buf, writer->buf.length ? "," : "{");
		sgh_buf_json(&writer->buf, name);
		sgh_buf_putc(&writer->buf, ':');
		sgh_buf_json(&writer->buf, pairs[i].value);
	}
}

/* The document with `data` behind the other members, in memory of its own size. */
static struct sgh_bytes *document(struct sgh_fields_writer *writer,
				  const struct sgh_bytes *data)
{
	struct sgh_buf *buf = &writer->buf;
	size_t encoded = data ? sgh_base64_length(data->length) : 0;
	struct sgh_bytes *bytes;

	if (data)
		put_name(writer, "data");
	else if (buf->length == 0)
		sgh_buf_putc(buf, '{');
	if (data)
		sgh_buf_putc(buf, '"');
	if (buf->failed || encoded > SIZE_MAX / 2)
		return NULL;
	bytes = sgh_bytes_new(NULL, buf->length + encoded + 2);
	if (!bytes)
		return NULL;
	sgh_bytes_append(bytes, buf->data, buf->length);
	if (data) {
		sgh_base64_write((char *)bytes->data + bytes->length, data->data,
				 data->length);
		bytes->length += encoded;
		sgh_bytes_append(bytes, "\"", 1);
	}
	sgh_bytes_append(bytes, "}", 1);
	return bytes;
}

static bool short_enough(const char *property)
{
	return !property || strlen(property) <= SGH_SHORT_MAX;
}

/* AMQP has one byte for the length of these. */
static bool properties_fit(const struct sgh_message *message)
{
	return short_enough(message->type) && short_enough(message->content_type) &&
	       short_enough(message->message_id) &&
	       short_enough(message->correlation_id) && short_enough(message->reply_to) &&
	       short_enough(message->app_id);
}

int sgh_fields_end(struct sgh_fields_writer *writer, struct sgh_bytes *body,
		   struct sgh_message **ret, struct sangraha_error *err)
{
	struct sgh_message *message = writer->message;
	int status = 0;

	if (writer->json) {
		message->body = document(writer, body);
		writer->failed |= !message->body;
	} else {
		message->body = sgh_bytes_ref(body);
	}
	if (writer->failed)
		status = sgh_fail_memory(err);
	else if (!properties_fit(message))
		status = sgh_fail(err, SANGRAHA_E_INVALID, 0,
				  "a message property is longer than 255 bytes");
	if (status == 0)
		*ret = sgh_take(writer->message);
	sgh_fields_abandon(writer);
	return status;
}
