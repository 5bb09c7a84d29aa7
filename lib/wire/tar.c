/* SPDX-License-Identifier: MIT */
#include "wire/tar.h"

#include <stdio.h>
#include <string.h>

#define BLOCK ((size_t)512)
/* What eleven octal digits can say. */
#define SIZE_LIMIT ((size_t)1 << 33)

/* The header block of POSIX's "ustar"; numbers are octal digits and a NUL. */
struct header {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[6];
	char version[2];
	char user[32];
	char group[32];
	char device[2][8];
	char prefix[155];
	char unused[12];
};

_Static_assert(sizeof(struct header) == 512, "a header is one block");

static size_t padded(size_t length)
{
	return (length + BLOCK - 1) / BLOCK * BLOCK;
}

static size_t digits_of(size_t number)
{
	size_t digits = 1;

	for (; number > 9; number /= 10)
		digits++;
	return digits;
}

/* "27 space.name=value\n"; the number counts itself. */
static size_t record_length(const struct sgh_tar_record *record)
{
	size_t rest =
		strlen(record->space) + strlen(record->name) + strlen(record->value) + 3;
	size_t length = rest + digits_of(rest);

	return rest + digits_of(length);
}

static size_t records_length(const struct sgh_tar_member *member)
{
	size_t length = 0;

	for (size_t i = 0; i < member->record_count; i++)
		length += record_length(&member->records[i]);
	return length;
}

size_t sgh_tar_size(const struct sgh_tar_member *member)
{
	size_t records = records_length(member);
	size_t size = BLOCK;

	if (records >= SIZE_LIMIT || member->length >= SIZE_LIMIT)
		return 0;
	if (records)
		size += BLOCK + padded(records);
	return size + padded(member->length);
}

static void put_octal(char *field, size_t digits, size_t value)
{
	field[digits] = '\0';
	while (digits) {
		field[--digits] = (char)('0' + (value & 7));
		value >>= 3;
	}
}

static unsigned char *write_header(unsigned char *out, const char *name, char type,
				   size_t size)
{
	struct header header = { .type = type, .magic = "ustar", .version = "00" };
	unsigned char bytes[sizeof(header)];
	size_t sum = 0;

	memcpy(header.name, name, strnlen(name, sizeof(header.name)));
	put_octal(header.mode, 7, 0644);
	put_octal(header.uid, 7, 0);
	put_octal(header.gid, 7, 0);
	put_octal(header.size, 11, size);
	put_octal(header.mtime, 11, 0);
	put_octal(header.device[0], 7, 0);
	put_octal(header.device[1], 7, 0);
	/* While it is summed up, the sum's own field is blank. */
	memset(header.checksum, ' ', sizeof(header.checksum));
	memcpy(bytes, &header, sizeof(header));
	for (size_t i = 0; i < sizeof(bytes); i++)
		sum += bytes[i];
	put_octal(header.checksum, 6, sum);
	memcpy(out, &header, sizeof(header));
	return out + sizeof(header);
}

static unsigned char *write_text(unsigned char *out, const char *text)
{
	size_t length = strlen(text);

	memcpy(out, text, length);
	return out + length;
}

static unsigned char *write_record(unsigned char *out,
				   const struct sgh_tar_record *record)
{
	char number[24];

	snprintf(number, sizeof(number), "%zu ", record_length(record));
	out = write_text(out, number);
	out = write_text(out, record->space);
	out = write_text(out, record->name);
	*out++ = '=';
	out = write_text(out, record->value);
	*out++ = '\n';
	return out;
}

static unsigned char *pad(unsigned char *out, size_t length)
{
	size_t rest = padded(length) - length;

	memset(out, 0, rest);
	return out + rest;
}

unsigned char *sgh_tar_write(const struct sgh_tar_member *member, unsigned char *out)
{
	size_t records = records_length(member);

	if (records) {
		out = write_header(out, member->name, 'x', records);
		for (size_t i = 0; i < member->record_count; i++)
			out = write_record(out, &member->records[i]);
		out = pad(out, records);
	}
	out = write_header(out, member->name, '0', member->length);
	if (member->length)
		memcpy(out, member->data, member->length);
	return pad(out + member->length, member->length);
}
