/* SPDX-License-Identifier: MIT */
#include "cli_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define ELLIPSIS "\xe2\x80\xa6"

void sgh_text_bytes(char text[SGH_TEXT_SIZE], uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double size = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(text, SGH_TEXT_SIZE, "%" PRIu64 " B", bytes);
		return;
	}
	/* What would be rounded to 1024.0 is one of the next unit. */
	for (; size >= 1023.95 && unit < 5; unit++)
		size /= 1024;
	snprintf(text, SGH_TEXT_SIZE, "%.1f %s", size, units[unit]);
}

void sgh_text_duration(char text[SGH_TEXT_SIZE], uint64_t seconds)
{
	unsigned minutes = (unsigned)(seconds / 60 % 60), rest = (unsigned)(seconds % 60);

	if (seconds < 3600)
		snprintf(text, SGH_TEXT_SIZE, "%u:%02u", minutes, rest);
	else if (seconds < UINT64_C(1000) * 3600)
		snprintf(text, SGH_TEXT_SIZE, "%u:%02u:%02u", (unsigned)(seconds / 3600),
			 minutes, rest);
	else
		snprintf(text, SGH_TEXT_SIZE, "--:--");
}

/*
 * The character at `text` and its length in bytes; 0 for what is no UTF-8 (RFC 3629) and
 * for the end.
 */
static size_t decode(const char *text, uint32_t *ret)
{
	const unsigned char *at = (const unsigned char *)text;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t point;
	size_t length;

	if (*at < 0x80) {
		*ret = *at;
		return *at != 0;
	}
	length = *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;
	if (*at < 0xc2 || *at > 0xf4)
		return 0;
	point = *at & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (at[i] & 0x3f);
	}
	if (point < least[length] || point > 0x10ffff || (point >> 11) == 0x1b)
		return 0;
	*ret = point;
	return length;
}

static bool is_harmful(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
	       (point >= 0x202a && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069) || point == 0x2028 || point == 0x2029;
}

char *sgh_text_replace(const char *text, char instead)
{
	const char *from = text ? text : "";
	char *copy = malloc(strlen(from) + 1);
	char *to = copy;

	while (copy && *from) {
		uint32_t point;
		size_t length = decode(from, &point);

		if (length == 0 || is_harmful(point)) {
			*to++ = instead;
			from += length ? length : 1;
			continue;
		}
		memcpy(to, from, length);
		to += length;
		from += length;
	}
	if (copy)
		*to = '\0';
	return copy;
}

char *sgh_text_clean(const char *text)
{
	return sgh_text_replace(text, '?');
}

/* A character the locale knows nothing of takes one column as a rule. */
static size_t columns_of(uint32_t point)
{
	int width = wcwidth((wchar_t)point);

	return width < 0 ? 1 : (size_t)width;
}

size_t sgh_text_width(const char *text)
{
	size_t columns = 0;

	while (*text) {
		uint32_t point = '?';
		size_t length = decode(text, &point);

		columns += columns_of(point);
		text += length ? length : 1;
	}
	return columns;
}

/* How many bytes of it fit, and how many columns these take. */
static size_t fitting(const char *text, size_t columns, size_t *ret_width)
{
	size_t used = 0, width = 0;

	while (text[used]) {
		uint32_t point = '?';
		size_t length = decode(text + used, &point);

		if (width + columns_of(point) > columns)
			break;
		width += columns_of(point);
		used += length ? length : 1;
	}
	*ret_width = width;
	return used;
}

void sgh_text_column(FILE *file, const char *text, size_t columns, bool right)
{
	size_t width = sgh_text_width(text);
	bool cut = width > columns;
	size_t length = strlen(text);

	if (columns == 0)
		return;
	if (cut) {
		length = fitting(text, columns - 1, &width);
		width++;
	}
	fprintf(file, "%*s%.*s%s%*s", right ? (int)(columns - width) : 0, "", (int)length,
		text, cut ? ELLIPSIS : "", right ? 0 : (int)(columns - width), "");
}

/* A character of a JSON string, and how many bytes it was; JSON may be shown, too. */
static size_t print_character(FILE *file, const char *text)
{
	uint32_t point;
	size_t length = decode(text, &point);

	if (length == 0)
		fputs("\\ufffd", file);
	else if (is_harmful(point))
		fprintf(file, "\\u%04x", (unsigned)point);
	else
		fwrite(text, 1, length, file);
	return length ? length : 1;
}

void sgh_text_line(FILE *file, const char *name, const char *value)
{
	char *clean_name = sgh_text_clean(name), *clean = sgh_text_clean(value);
	int blanks = 14 - (int)sgh_text_width(clean_name ? clean_name : "");

	fprintf(file, "%s:%*s%s\n", clean_name ? clean_name : "", blanks > 1 ? blanks : 1,
		"", clean ? clean : "");
	free(clean_name);
	free(clean);
}

void sgh_text_size_line(FILE *file, const char *name, uint64_t size)
{
	char people[SGH_TEXT_SIZE], text[64];

	sgh_text_bytes(people, size);
	if (size < 1024)
		snprintf(text, sizeof(text), "%s", people);
	else
		snprintf(text, sizeof(text), "%" PRIu64 " B (%s)", size, people);
	sgh_text_line(file, name, text);
}

void sgh_text_json(FILE *file, const char *text)
{
	fputc('"', file);
	while (*text) {
		if (*text == '"' || *text == '\\')
			fputc('\\', file);
		text += print_character(file, text);
	}
	fputc('"', file);
}

void sgh_text_json_line(FILE *file, const char *json)
{
	size_t length = strlen(json);

	while (length > 0 && isspace((unsigned char)json[length - 1]))
		length--;
	for (const char *at = json; at < json + length;) {
		if (isspace((unsigned char)*at)) {
			fputc(' ', file);
			at++;
		} else {
			at += print_character(file, at);
		}
	}
	fputc('\n', file);
}

static const char *skip_space(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

/* A string without its quotes, or a number or word. NULL for anything else. */
static const char *scalar(const char *at, char *text, size_t size)
{
	size_t length = 0;

	at = skip_space(at);
	if (*at == '"') {
		for (at++; at[length] && at[length] != '"'; length++)
			length += at[length] == '\\' && at[length + 1];
		if (at[length] != '"')
			return NULL;
		snprintf(text, size, "%.*s", (int)length, at);
		return skip_space(at + length + 1);
	}
	length = strspn(at, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");
	if (length == 0)
		return NULL;
	snprintf(text, size, "%.*s", (int)length, at);
	return skip_space(at + length);
}

bool sgh_text_member(const char **at, char name[64], char value[256])
{
	const char *next = skip_space(*at);

	if (*next != '{' && *next != ',')
		return false;
	next = scalar(next + 1, name, 64);
	if (!next || *next != ':')
		return false;
	next = scalar(next + 1, value, 256);
	if (!next || (*next != ',' && *next != '}'))
		return false;
	*at = next;
	return true;
}
