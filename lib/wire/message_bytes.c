/* SPDX-License-Identifier: MIT */
#include "wire/message_bytes.h"

#include "base/error.h"
#include "base/util.h"

#define VERSION    1
#define PERSISTENT 1
#define CUT        2
#define ABSENT     UINT32_MAX

/* Integers are little-endian, a text is its length in four bytes and its bytes. */

/* ---- writing ---- */

static void put_number(struct sgh_buf *buf, uint64_t number, int bytes)
{
	unsigned char text[8];

	for (int i = 0; i < bytes; i++)
		text[i] = (unsigned char)(number >> (8 * i));
	sgh_buf_append(buf, text, (size_t)bytes);
}

static void put_text(struct sgh_buf *buf, const char *text)
{
	size_t length = text ? strlen(text) : ABSENT;

	put_number(buf, length, 4);
	if (text)
		sgh_buf_append(buf, text, length);
}

void sgh_message_write(const struct sgh_message *message, struct sgh_buf *buf)
{
	put_number(buf, VERSION, 1);
	put_number(buf, (message->persistent ? PERSISTENT : 0) | (message->cut ? CUT : 0),
		   1);
	put_number(buf, (uint64_t)message->timestamp, 8);
	put_text(buf, message->type);
	put_text(buf, message->content_type);
	put_text(buf, message->message_id);
	put_text(buf, message->correlation_id);
	put_text(buf, message->reply_to);
	put_text(buf, message->app_id);
	put_number(buf, message->header_count, 1);
	for (size_t i = 0; i < message->header_count; i++) {
		const struct sgh_header *header = &message->headers[i];

		put_number(buf, header->kind, 1);
		put_text(buf, header->name);
		if (header->kind == SGH_HEADER_TEXT)
			put_text(buf, header->text);
		else
			put_number(buf, (uint64_t)header->number, 8);
	}
}

/* ---- reading ---- */

struct reader {
	const unsigned char *at;
	size_t left;
	bool damaged;
	bool no_memory;
	struct sgh_arena *arena;
};

static uint64_t get_number(struct reader *reader, size_t bytes)
{
	uint64_t number = 0;

	if (reader->left < bytes) {
		reader->damaged = true;
		reader->left = 0;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		number |= (uint64_t)reader->at[i] << (8 * i);
	reader->at += bytes;
	reader->left -= bytes;
	return number;
}

static const char *get_text(struct reader *reader)
{
	size_t length = get_number(reader, 4);
	const char *text;

	if (length == ABSENT || reader->damaged)
		return NULL;
	if (length > reader->left || memchr(reader->at, '\0', length)) {
		reader->damaged = true;
		return NULL;
	}
	text = sgh_arena_text(reader->arena, reader->at, length);
	reader->no_memory |= !text;
	reader->at += length;
	reader->left -= length;
	return text;
}

static void get_header(struct reader *reader, struct sgh_message *message)
{
	struct sgh_header *header = &message->headers[message->header_count];
	uint64_t kind = get_number(reader, 1);

	header->name = get_text(reader);
	header->kind = (enum sgh_header_kind)kind;
	if (kind == SGH_HEADER_TEXT)
		header->text = get_text(reader);
	else
		header->number = (int64_t)get_number(reader, 8);
	if (kind > SGH_HEADER_OTHER || !header->name ||
	    (kind == SGH_HEADER_TEXT && !header->text))
		reader->damaged = true;
	else
		message->header_count++;
}

static void get_message(struct reader *reader, struct sgh_message *message)
{
	uint64_t version = get_number(reader, 1), flags = get_number(reader, 1);
	uint64_t headers;

	message->persistent = flags & PERSISTENT;
	message->cut = flags & CUT;
	message->timestamp = (int64_t)get_number(reader, 8);
	message->type = get_text(reader);
	message->content_type = get_text(reader);
	message->message_id = get_text(reader);
	message->correlation_id = get_text(reader);
	message->reply_to = get_text(reader);
	message->app_id = get_text(reader);
	headers = get_number(reader, 1);
	if (version != VERSION || headers > SGH_HEADERS_MAX)
		reader->damaged = true;
	for (uint64_t i = 0; i < headers && !reader->damaged; i++)
		get_header(reader, message);
	if (reader->left)
		reader->damaged = true;
}

int sgh_message_read(const void *data, size_t length, struct sgh_message **ret,
		     struct sangraha_error *err)
{
	struct sgh_message *message = sgh_message_new();
	struct reader reader = { .at = data, .left = data ? length : 0 };

	if (!message)
		return sgh_fail_memory(err);
	/* Every text takes a little more there than here. */
	message->arena.max = 2 * SGH_MESSAGE_META_MAX;
	reader.arena = &message->arena;
	if (length <= SGH_MESSAGE_META_MAX)
		get_message(&reader, message);
	else
		reader.damaged = true;
	if (!reader.no_memory && !reader.damaged) {
		*ret = message;
		return 0;
	}
	sgh_message_free(message);
	if (reader.no_memory)
		return sgh_fail_memory(err);
	return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
			"its properties and headers are damaged");
}
