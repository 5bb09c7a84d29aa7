/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_READER_H
#define SGH_VALIDATE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/util.h"

/*
 * The bytes at hand of a binary format, in a split that nobody chose: fields that a split
 * cut are put together here, so that formats see them whole. Zero is the beginning.
 */
struct sgh_reader {
	const unsigned char *at;
	const unsigned char *end;
	uint64_t offset; /* of `at` in the object */
	size_t held;
	unsigned char field[32];
};

static inline void sgh_reader_set(struct sgh_reader *reader, const unsigned char *data,
				  size_t length)
{
	reader->at = data;
	reader->end = data + length;
}

static inline size_t sgh_reader_left(const struct sgh_reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

static inline void sgh_reader_advance(struct sgh_reader *reader, size_t length)
{
	reader->at += length;
	reader->offset += length;
}

/*
 * The next `length` bytes, at most as many as `field` has; `offset` is behind them then.
 * NULL when they are not all there: what there is was taken, call again with more.
 */
static inline const unsigned char *sgh_reader_take(struct sgh_reader *reader,
						   size_t length)
{
	size_t part = sgh_min(length - reader->held, sgh_reader_left(reader));
	const unsigned char *at = reader->at;

	if (part < length)
		memcpy(reader->field + reader->held, at, part);
	sgh_reader_advance(reader, part);
	if (part == length)
		return at;
	reader->held += part;
	if (reader->held < length)
		return NULL;
	reader->held = 0;
	return reader->field;
}

/* Skip *left bytes, as far as they are there; how many that were. */
static inline size_t sgh_reader_skip(struct sgh_reader *reader, uint64_t *left)
{
	size_t part = sgh_reader_left(reader);

	if (part > *left)
		part = (size_t)*left;
	sgh_reader_advance(reader, part);
	*left -= part;
	return part;
}

static inline uint32_t sgh_be16(const unsigned char *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t sgh_be32(const unsigned char *p)
{
	return sgh_be16(p) << 16 | sgh_be16(p + 2);
}

static inline uint32_t sgh_le16(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t sgh_le24(const unsigned char *p)
{
	return sgh_le16(p) | (uint32_t)p[2] << 16;
}

static inline uint32_t sgh_le32(const unsigned char *p)
{
	return sgh_le24(p) | (uint32_t)p[3] << 24;
}

#endif
