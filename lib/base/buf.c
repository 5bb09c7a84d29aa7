/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEFAULT    (1 << 20)
#define FIRST_CAPACITY 128

void sgh_buf_fini(struct sgh_buf *buf)
{
	free(buf->data);
	buf->data = NULL;
	buf->length = 0;
	buf->capacity = 0;
}

void sgh_buf_clear(struct sgh_buf *buf)
{
	buf->length = 0;
	buf->failed = false;
	buf->full = false;
	if (buf->data)
		buf->data[0] = '\0';
}

/* Make room for `more` bytes and a NUL. */
static bool grow(struct sgh_buf *buf, size_t more)
{
	size_t max = buf->max ? buf->max : MAX_DEFAULT;
	size_t capacity = buf->capacity ? buf->capacity : FIRST_CAPACITY;
	char *data;

	if (buf->failed)
		return false;
	if (more > max || buf->length > max - more) {
		buf->failed = true;
		buf->full = true;
		return false;
	}
	if (buf->length + more < buf->capacity)
		return true;
	while (capacity <= buf->length + more)
		capacity *= 2;
	data = realloc(buf->data, capacity);
	if (!data) {
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->capacity = capacity;
	return true;
}

void sgh_buf_append(struct sgh_buf *buf, const void *data, size_t length)
{
	if (!grow(buf, length))
		return;
	if (length)
		memcpy(buf->data + buf->length, data, length);
	buf->length += length;
	buf->data[buf->length] = '\0';
}

void sgh_buf_puts(struct sgh_buf *buf, const char *text)
{
	sgh_buf_append(buf, text, strlen(text));
}

void sgh_buf_putc(struct sgh_buf *buf, char c)
{
	sgh_buf_append(buf, &c, 1);
}

void sgh_buf_printf(struct sgh_buf *buf, const char *format, ...)
{
	size_t room = buf->failed ? 0 : buf->capacity - buf->length;
	va_list args;
	va_list again;
	int length;

	va_start(args, format);
	va_copy(again, args);
	/* It mostly fits what is there, and then once is enough. */
	length = vsnprintf(room ? buf->data + buf->length : NULL, room, format, args);
	va_end(args);
	if (length < 0) {
		buf->failed = true;
	} else if (grow(buf, (size_t)length)) {
		if ((size_t)length >= room)
			vsnprintf(buf->data + buf->length, (size_t)length + 1, format,
				  again);
		buf->length += (size_t)length;
	}
	va_end(again);
	if (buf->failed && buf->data)
		buf->data[buf->length] = '\0';
}

/* The length of the valid UTF-8 sequence at `text` (RFC 3629), 0 if it is none. */
static size_t utf8_sequence(const unsigned char *text)
{
	unsigned char a = text[0];
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t length;

	if (a < 0x80)
		return 1;
	if (a < 0xc2 || a > 0xf4)
		return 0;
	length = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
	if (a == 0xe0)
		low = 0xa0;
	else if (a == 0xed)
		high = 0x9f;
	else if (a == 0xf0)
		low = 0x90;
	else if (a == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

static void json_escape(struct sgh_buf *buf, unsigned char c)
{
	switch (c) {
	case '"':
		sgh_buf_puts(buf, "\\\"");
		break;
	case '\\':
		sgh_buf_puts(buf, "\\\\");
		break;
	case '\n':
		sgh_buf_puts(buf, "\\n");
		break;
	case '\r':
		sgh_buf_puts(buf, "\\r");
		break;
	case '\t':
		sgh_buf_puts(buf, "\\t");
		break;
	default:
		sgh_buf_printf(buf, "\\u%04x", c);
	}
}

/* How many bytes from here on are ASCII that stands for itself. */
static size_t plain_run(const unsigned char *text)
{
	size_t length = 0;

	while (text[length] >= 0x20 && text[length] < 0x7f && text[length] != '"' &&
	       text[length] != '\\')
		length++;
	return length;
}

void sgh_buf_json(struct sgh_buf *buf, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	sgh_buf_putc(buf, '"');
	for (;;) {
		size_t length = plain_run(at);

		sgh_buf_append(buf, at, length);
		at += length;
		if (!*at)
			break;
		length = utf8_sequence(at);
		if (*at < 0x20 || *at == '"' || *at == '\\' || *at == 0x7f)
			json_escape(buf, *at);
		else if (length)
			sgh_buf_append(buf, at, length);
		else
			sgh_buf_puts(buf, "\xef\xbf\xbd");
		at += length ? length : 1;
	}
	sgh_buf_putc(buf, '"');
}

void sgh_buf_name(struct sgh_buf *buf, const char *name)
{
	if (buf->length && buf->data[buf->length - 1] != '{')
		sgh_buf_putc(buf, ',');
	sgh_buf_putc(buf, '"');
	sgh_buf_puts(buf, name);
	sgh_buf_append(buf, "\":", 2);
}

char *sgh_buf_take(struct sgh_buf *buf)
{
	char *text;

	if (!grow(buf, 0)) {
		sgh_buf_fini(buf);
		return NULL;
	}
	text = buf->data;
	text[buf->length] = '\0';
	buf->data = NULL;
	buf->length = 0;
	buf->capacity = 0;
	return text;
}

const char *sgh_buf_text(const struct sgh_buf *buf)
{
	return buf->data ? buf->data : "";
}
