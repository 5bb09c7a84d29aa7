/* SPDX-License-Identifier: MIT */
#include "queue/amqp_table.h"

#include <string.h>

#include "base/util.h"

#define SECONDS_MAX 253402300799 /* Unix: the end of the year 9999 */

/* Which AMQP property holds which field of a message: all of them are short strings. */
static const struct text_field {
	size_t message;
	size_t property;
	amqp_flags_t flag;
} text_fields[] = {
#define FIELD(name, bit)                                                                 \
	{                                                                                \
		offsetof(struct sgh_message, name),                                      \
			offsetof(amqp_basic_properties_t, name), AMQP_BASIC_##bit##_FLAG \
	}
	FIELD(type, TYPE),
	FIELD(content_type, CONTENT_TYPE),
	FIELD(message_id, MESSAGE_ID),
	FIELD(correlation_id, CORRELATION_ID),
	FIELD(reply_to, REPLY_TO),
	FIELD(app_id, APP_ID),
#undef FIELD
};

static const char *message_text(const struct sgh_message *message,
				const struct text_field *field)
{
	const char *text;

	memcpy(&text, (const char *)message + field->message, sizeof(text));
	return text;
}

static amqp_bytes_t property_bytes(const amqp_basic_properties_t *properties,
				   const struct text_field *field)
{
	amqp_bytes_t bytes = { 0, NULL };

	if (properties->_flags & field->flag)
		memcpy(&bytes, (const char *)properties + field->property, sizeof(bytes));
	return bytes;
}

bool sgh_amqp_bytes_are(amqp_bytes_t bytes, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	return bytes.len == length && (length == 0 || !memcmp(bytes.bytes, text, length));
}

static void fill_header(amqp_table_entry_t *entry, const struct sgh_header *header)
{
	entry->key = amqp_cstring_bytes(header->name);
	switch (header->kind) {
	case SGH_HEADER_TEXT:
		entry->value.kind = AMQP_FIELD_KIND_UTF8;
		entry->value.value.bytes =
			amqp_cstring_bytes(header->text ? header->text : "");
		break;
	case SGH_HEADER_NUMBER:
		entry->value.kind = AMQP_FIELD_KIND_I64;
		entry->value.value.i64 = header->number;
		break;
	case SGH_HEADER_BOOL:
		entry->value.kind = AMQP_FIELD_KIND_BOOLEAN;
		entry->value.value.boolean = header->number != 0;
		break;
	case SGH_HEADER_OTHER:
		entry->value.kind = AMQP_FIELD_KIND_VOID;
		break;
	}
}

void sgh_amqp_properties_fill(struct sgh_amqp_properties *properties,
			      const struct sgh_message *message)
{
	amqp_basic_properties_t *out = &properties->properties;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < SGH_COUNT(text_fields); i++) {
		const char *text = message_text(message, &text_fields[i]);
		amqp_bytes_t bytes;

		if (!text)
			continue;
		bytes = amqp_cstring_bytes(text);
		memcpy((char *)out + text_fields[i].property, &bytes, sizeof(bytes));
		out->_flags |= text_fields[i].flag;
	}
	out->_flags |= AMQP_BASIC_DELIVERY_MODE_FLAG;
	out->delivery_mode = message->persistent ? 2 : 1;
	if (message->timestamp) {
		out->_flags |= AMQP_BASIC_TIMESTAMP_FLAG;
		out->timestamp = (uint64_t)message->timestamp;
	}
	for (size_t i = 0; i < message->header_count; i++)
		fill_header(&properties->headers[i], &message->headers[i]);
	if (message->header_count > 0) {
		out->_flags |= AMQP_BASIC_HEADERS_FLAG;
		out->headers.entries = properties->headers;
		out->headers.num_entries = (int)message->header_count;
	}
}

size_t sgh_amqp_properties_size(const struct sgh_message *message)
{
	/* Frame ends, class, weight, body size, flags, mode, time, table length. */
	size_t size = 8 + 2 + 2 + 8 + 2 + 1 + 8 + 4;

	if (message->header_count > SGH_HEADERS_MAX)
		return 0;
	for (size_t i = 0; i < SGH_COUNT(text_fields); i++) {
		const char *text = message_text(message, &text_fields[i]);
		size_t length = text ? strlen(text) : 0;

		if (length > SGH_SHORT_MAX)
			return 0;
		size += 1 + length;
	}
	for (size_t i = 0; i < message->header_count; i++) {
		const struct sgh_header *header = &message->headers[i];
		size_t length = strlen(header->name);

		if (length > SGH_SHORT_MAX)
			return 0;
		size += 1 + length + 1 + 8;
		if (header->kind == SGH_HEADER_TEXT && header->text)
			size += strlen(header->text);
	}
	return size;
}

static bool number_of(const amqp_field_value_t *value, int64_t *ret)
{
	switch (value->kind) {
	case AMQP_FIELD_KIND_I8:
		*ret = value->value.i8;
		return true;
	case AMQP_FIELD_KIND_U8:
		*ret = value->value.u8;
		return true;
	case AMQP_FIELD_KIND_I16:
		*ret = value->value.i16;
		return true;
	case AMQP_FIELD_KIND_U16:
		*ret = value->value.u16;
		return true;
	case AMQP_FIELD_KIND_I32:
		*ret = value->value.i32;
		return true;
	case AMQP_FIELD_KIND_U32:
		*ret = value->value.u32;
		return true;
	case AMQP_FIELD_KIND_I64:
		*ret = value->value.i64;
		return true;
	case AMQP_FIELD_KIND_U64:
	case AMQP_FIELD_KIND_TIMESTAMP:
		*ret = value->value.u64 > INT64_MAX ? INT64_MAX
						    : (int64_t)value->value.u64;
		return true;
	default:
		return false;
	}
}

static const amqp_field_value_t *find(const amqp_table_t *table, const char *name)
{
	for (int i = 0; i < table->num_entries; i++)
		if (sgh_amqp_bytes_are(table->entries[i].key, name))
			return &table->entries[i].value;
	return NULL;
}

static const amqp_field_value_t *find_header(const amqp_basic_properties_t *properties,
					     const char *name)
{
	return properties->_flags & AMQP_BASIC_HEADERS_FLAG
		       ? find(&properties->headers, name)
		       : NULL;
}

int64_t sgh_amqp_header_number(const amqp_basic_properties_t *properties,
			       const char *name, int64_t otherwise)
{
	const amqp_field_value_t *value = find_header(properties, name);
	int64_t number;

	return value && number_of(value, &number) ? number : otherwise;
}

static bool has_nul(amqp_bytes_t bytes)
{
	return bytes.len > 0 && memchr(bytes.bytes, 0, bytes.len);
}

/* The newest of what x-death tells; NULL when it tells nothing. */
static const amqp_table_t *last_death(const amqp_basic_properties_t *properties)
{
	const amqp_field_value_t *deaths = find_header(properties, "x-death");
	const amqp_field_value_t *last;

	if (!deaths || deaths->kind != AMQP_FIELD_KIND_ARRAY ||
	    deaths->value.array.num_entries < 1)
		return NULL;
	last = &deaths->value.array.entries[0];
	return last->kind == AMQP_FIELD_KIND_TABLE ? &last->value.table : NULL;
}

const char *sgh_amqp_death(struct sgh_message *message,
			   const amqp_basic_properties_t *properties, int64_t *ret_ms)
{
	const amqp_table_t *death = last_death(properties);
	const amqp_field_value_t *reason = death ? find(death, "reason") : NULL;
	const amqp_field_value_t *time = death ? find(death, "time") : NULL;
	int64_t seconds;

	if (time && number_of(time, &seconds) && seconds > 0 && seconds <= SECONDS_MAX)
		*ret_ms = seconds * 1000;
	if (!reason || reason->kind != AMQP_FIELD_KIND_UTF8 ||
	    reason->value.bytes.len > SGH_SHORT_MAX || has_nul(reason->value.bytes))
		return NULL;
	return sgh_arena_text(&message->arena,
			      reason->value.bytes.len ? reason->value.bytes.bytes : "",
			      reason->value.bytes.len);
}

/*
 * A copy in the message's arena, counted against `left`; NULL, and the message is marked
 * as cut, when it cannot be one.
 */
static const char *keep(struct sgh_message *message, amqp_bytes_t bytes, size_t *left)
{
	const char *text = NULL;

	if (bytes.len < *left && !has_nul(bytes)) {
		*left -= bytes.len + 1;
		text = sgh_arena_text(&message->arena, bytes.len ? bytes.bytes : "",
				      bytes.len);
	}
	message->cut |= !text;
	return text;
}

static bool keep_header(struct sgh_message *message, const amqp_table_entry_t *entry,
			size_t *left)
{
	struct sgh_header *header = &message->headers[message->header_count];

	memset(header, 0, sizeof(*header));
	if (number_of(&entry->value, &header->number)) {
		header->kind = SGH_HEADER_NUMBER;
	} else if (entry->value.kind == AMQP_FIELD_KIND_BOOLEAN) {
		header->kind = SGH_HEADER_BOOL;
		header->number = entry->value.value.boolean != 0;
	} else if ((entry->value.kind == AMQP_FIELD_KIND_UTF8 ||
		    entry->value.kind == AMQP_FIELD_KIND_BYTES) &&
		   !has_nul(entry->value.value.bytes)) {
		header->kind = SGH_HEADER_TEXT;
		header->text = keep(message, entry->value.value.bytes, left);
		if (!header->text)
			return false;
	} else {
		header->kind = SGH_HEADER_OTHER;
	}
	header->name = keep(message, entry->key, left);
	return header->name != NULL;
}

void sgh_amqp_message_fill(struct sgh_message *message,
			   const amqp_basic_properties_t *properties)
{
	size_t left = SGH_HEADER_BYTES_MAX;

	for (size_t i = 0; i < SGH_COUNT(text_fields); i++) {
		const char *text;

		if (!(properties->_flags & text_fields[i].flag))
			continue;
		text = keep(message, property_bytes(properties, &text_fields[i]), &left);
		memcpy((char *)message + text_fields[i].message, &text, sizeof(text));
	}
	if (properties->_flags & AMQP_BASIC_DELIVERY_MODE_FLAG)
		message->persistent = properties->delivery_mode == 2;
	if (properties->_flags & AMQP_BASIC_TIMESTAMP_FLAG)
		message->timestamp = properties->timestamp > INT64_MAX
					     ? INT64_MAX
					     : (int64_t)properties->timestamp;
	if (!(properties->_flags & AMQP_BASIC_HEADERS_FLAG))
		return;
	for (int i = 0; i < properties->headers.num_entries; i++) {
		if (message->header_count == SGH_HEADERS_MAX) {
			message->cut = true;
			break;
		}
		if (keep_header(message, &properties->headers.entries[i], &left))
			message->header_count++;
	}
}

static bool header_matches(const struct sgh_header *header,
			   const amqp_table_entry_t *entry)
{
	int64_t number;

	if (!sgh_amqp_bytes_are(entry->key, header->name))
		return false;
	if (header->kind == SGH_HEADER_TEXT)
		return entry->value.kind == AMQP_FIELD_KIND_UTF8 &&
		       sgh_amqp_bytes_are(entry->value.value.bytes, header->text);
	if (header->kind == SGH_HEADER_BOOL)
		return entry->value.kind == AMQP_FIELD_KIND_BOOLEAN &&
		       (entry->value.value.boolean != 0) == (header->number != 0);
	return number_of(&entry->value, &number) && number == header->number;
}

bool sgh_amqp_properties_match(const struct sgh_message *message,
			       const amqp_basic_properties_t *properties)
{
	int count = properties->_flags & AMQP_BASIC_HEADERS_FLAG
			    ? properties->headers.num_entries
			    : 0;

	for (size_t i = 0; i < SGH_COUNT(text_fields); i++)
		if (!sgh_amqp_bytes_are(property_bytes(properties, &text_fields[i]),
					message_text(message, &text_fields[i])))
			return false;
	for (size_t i = 0; i < message->header_count; i++) {
		bool found = false;

		for (int j = 0; j < count && !found; j++)
			found = header_matches(&message->headers[i],
					       &properties->headers.entries[j]);
		if (!found)
			return false;
	}
	return true;
}
