/* SPDX-License-Identifier: MIT */
#include "stub/archive.h"

#include <stdio.h>

#include "base/util.h"

#include "stub/request.h"

#define SPACE "minio.metadata."

/* Where things are in a header of POSIX's "ustar". */
#define NAME_AT     0
#define SIZE_AT     124
#define CHECKSUM_AT 148
#define TYPE_AT     156
#define MAGIC_AT    257

void archive_begin(struct archive *archive, struct keys *keys, const char *path)
{
	size_t length = path[0] ? 1 + strcspn(path + 1, "/") : 0;

	archive->keys = keys;
	archive->place = ARCHIVE_HEADER;
	archive->broken = length + 2 > sizeof(archive->bucket);
	archive->described = false;
	archive->block_length = 0;
	archive->lines_length = 0;
	snprintf(archive->bucket, sizeof(archive->bucket), "%.*s/", (int)length, path);
}

/* ---- records: "27 space.name=value\n"; the number counts itself ---- */

static bool is_text(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return true;
}

static void take_record(struct archive *archive, const char *text, size_t length)
{
	const size_t space = strlen(SPACE);
	const char *value = memchr(text, '=', length);
	size_t name_length;

	if (!value || length < space || memcmp(text, SPACE, space) != 0)
		return;
	name_length = (size_t)(value - text) - space;
	value++;
	length -= (size_t)(value - text);
	if (name_length == 0 || !is_text(text + space, name_length) ||
	    memchr(text + space, ':', name_length) || !is_text(value, length))
		archive->broken = true;
	else
		request_keep_line(archive->lines, &archive->lines_length, text + space,
				  name_length, value, length);
}

static void read_records(struct archive *archive)
{
	const char *at = archive->records;
	const char *end = at + archive->records_length;

	archive->lines_length = 0;
	while (at < end && !archive->broken) {
		const char *text = at;
		size_t length = 0;

		while (text < end && *text >= '0' && *text <= '9' &&
		       length <= ARCHIVE_RECORDS_MAX)
			length = length * 10 + (size_t)(*text++ - '0');
		if (text == end || *text++ != ' ' || length > (size_t)(end - at) ||
		    length <= (size_t)(text - at) || at[length - 1] != '\n') {
			archive->broken = true;
			return;
		}
		take_record(archive, text, (size_t)(at + length - 1 - text));
		at += length;
	}
}

/* ---- headers ---- */

static bool read_octal(const unsigned char *field, size_t digits, uint64_t *ret)
{
	uint64_t number = 0;

	for (size_t i = 0; i < digits && field[i] != '\0' && field[i] != ' '; i++) {
		if (field[i] < '0' || field[i] > '7')
			return false;
		number = number * 8 + (uint64_t)(field[i] - '0');
	}
	*ret = number;
	return true;
}

static bool sum_is_right(const unsigned char block[ARCHIVE_BLOCK])
{
	uint64_t wanted;
	uint64_t sum = 0;

	/* While it was summed up, the sum's own field was blank. */
	for (size_t i = 0; i < ARCHIVE_BLOCK; i++)
		sum += i >= CHECKSUM_AT && i < CHECKSUM_AT + 8 ? ' ' : block[i];
	return read_octal(block + CHECKSUM_AT, 7, &wanted) && sum == wanted;
}

static void expect(struct archive *archive, enum archive_place place, uint64_t length)
{
	archive->place = place;
	archive->left = length;
	archive->padding = (ARCHIVE_BLOCK - length % ARCHIVE_BLOCK) % ARCHIVE_BLOCK;
}

static void read_header(struct archive *archive)
{
	const unsigned char *block = archive->block;
	uint64_t size;

	if (block[NAME_AT] == '\0' && block[TYPE_AT] == '\0') {
		archive->place = ARCHIVE_END;
	} else if (memcmp(block + MAGIC_AT, "ustar", 5) != 0 || !sum_is_right(block) ||
		   !read_octal(block + SIZE_AT, 11, &size)) {
		archive->broken = true;
	} else if (block[TYPE_AT] == 'x') {
		archive->broken = size > ARCHIVE_RECORDS_MAX;
		archive->records_length = 0;
		expect(archive, ARCHIVE_RECORDS, size);
	} else {
		archive->broken = block[TYPE_AT] != '0' && block[TYPE_AT] != '\0';
		archive->size = size;
		memcpy(archive->name, block + NAME_AT, ARCHIVE_NAME_MAX);
		expect(archive, ARCHIVE_DATA, size);
	}
}

/* ---- pieces ---- */

static size_t take_header(struct archive *archive, const char *data, size_t length)
{
	length = sgh_min(length, ARCHIVE_BLOCK - archive->block_length);
	memcpy(archive->block + archive->block_length, data, length);
	archive->block_length += length;
	if (archive->block_length == ARCHIVE_BLOCK) {
		archive->block_length = 0;
		read_header(archive);
	}
	return length;
}

static void end_part(struct archive *archive)
{
	char path[ARCHIVE_BUCKET_MAX + ARCHIVE_NAME_MAX + 1];

	if (archive->place == ARCHIVE_RECORDS) {
		read_records(archive);
		archive->described = true;
	} else {
		snprintf(path, sizeof(path), "%s%s", archive->bucket, archive->name);
		keys_put(archive->keys, path, archive->size, archive->lines,
			 archive->lines_length);
		archive->lines_length = 0;
		archive->described = false;
	}
	archive->place = ARCHIVE_HEADER;
}

static size_t take_part(struct archive *archive, const char *data, size_t length)
{
	uint64_t *left = archive->left ? &archive->left : &archive->padding;

	if (length > *left)
		length = (size_t)*left;
	if (archive->place == ARCHIVE_RECORDS && left == &archive->left) {
		memcpy(archive->records + archive->records_length, data, length);
		archive->records_length += length;
	}
	*left -= length;
	return length;
}

void archive_feed(struct archive *archive, const void *data, size_t length)
{
	const char *at = data;
	const char *end = at + length;

	while (at < end && !archive->broken && archive->place != ARCHIVE_END) {
		if (archive->place == ARCHIVE_HEADER)
			at += take_header(archive, at, (size_t)(end - at));
		else
			at += take_part(archive, at, (size_t)(end - at));
		if (archive->place != ARCHIVE_HEADER && archive->place != ARCHIVE_END &&
		    archive->left + archive->padding == 0 && !archive->broken)
			end_part(archive);
	}
}

bool archive_end(struct archive *archive)
{
	return !archive->broken && !archive->described && archive->block_length == 0 &&
	       (archive->place == ARCHIVE_HEADER || archive->place == ARCHIVE_END);
}
