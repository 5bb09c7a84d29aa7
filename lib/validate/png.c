/* SPDX-License-Identifier: MIT */
#include "validate/png.h"

#include <sangraha/error.h>

#include "base/util.h"

/*
 * PNG (W3C PNG specification, third edition): the signature, then chunks of length, type,
 * data and CRC from IHDR to IEND. Every CRC is checked; the pixels are not inflated.
 */
#define SIGNATURE "\x89PNG\r\n\x1a\n"

enum state {
	BEGIN,
	HEADER, /* length and type of a chunk */
	FIELDS, /* the beginning of its data, where that matters */
	DATA,
	CRC,
	TAIL, /* after IEND */
};

static int read_signature(struct sgh_png *png, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&png->reader, 8);

	if (!field)
		return 0;
	for (size_t i = 0; i < 8; i++) {
		if (field[i] != (unsigned char)SIGNATURE[i])
			return sgh_refuse(ret, "png.signature", i,
					  "this is no PNG signature");
	}
	png->state = HEADER;
	return 0;
}

static int read_header(struct sgh_png *png, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&png->reader, 8);
	int status;

	if (!field)
		return 0;
	png->start = png->reader.offset - 8;
	png->length = sgh_be32(field);
	png->left = png->length;
	memcpy(png->type, field + 4, 4);
	png->crc = sgh_crc32_update(&png->limits->crc32, 0, field + 4, 4);
	status = sgh_png_chunk_check(png, ret);
	if (status)
		return status;
	if (sgh_png_chunk_wants(png))
		png->state = FIELDS;
	else
		png->state = png->left ? DATA : CRC;
	return 0;
}

static int read_fields(struct sgh_png *png, struct sgh_refusal *ret)
{
	size_t length = sgh_png_chunk_wants(png);
	const unsigned char *field = sgh_reader_take(&png->reader, length);

	if (!field)
		return 0;
	png->crc = sgh_crc32_update(&png->limits->crc32, png->crc, field, length);
	png->left -= length;
	png->state = png->left ? DATA : CRC;
	return sgh_png_chunk_read(png, field, ret);
}

static void read_data(struct sgh_png *png)
{
	const unsigned char *at = png->reader.at;
	size_t part = sgh_reader_skip(&png->reader, &png->left);

	png->crc = sgh_crc32_update(&png->limits->crc32, png->crc, at, part);
	if (png->left == 0)
		png->state = CRC;
}

static int read_crc(struct sgh_png *png, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&png->reader, 4);

	if (!field)
		return 0;
	if (sgh_be32(field) != png->crc)
		return sgh_refuse(ret, "png.crc", png->reader.offset - 4,
				  "chunk %s has the CRC %08x, but its bytes have %08x",
				  png->type, (unsigned)sgh_be32(field),
				  (unsigned)png->crc);
	png->state = memcmp(png->type, "IEND", 4) == 0 ? TAIL : HEADER;
	return 0;
}

static int step(struct sgh_png *png, struct sgh_refusal *ret)
{
	switch (png->state) {
	case BEGIN:
		return read_signature(png, ret);
	case HEADER:
		return read_header(png, ret);
	case FIELDS:
		return read_fields(png, ret);
	case DATA:
		read_data(png);
		return 0;
	case CRC:
		return read_crc(png, ret);
	default:
		return sgh_image_trailing(png->limits, &png->reader, &png->image.trailing,
					  ret);
	}
}

static int feed(void *state, const unsigned char *data, size_t length,
		struct sgh_refusal *ret)
{
	struct sgh_png *png = state;
	int status = 0;

	sgh_reader_set(&png->reader, data, length);
	while (!status && sgh_reader_left(&png->reader) > 0)
		status = step(png, ret);
	return status;
}

static int finish(void *state, char facts[SGH_FACTS_SIZE], struct sgh_refusal *ret)
{
	const struct sgh_png *png = state;

	if (png->state != TAIL)
		return sgh_refuse(ret, "png.end", png->reader.offset,
				  "the image ends before its IEND chunk does");
	sgh_image_facts(facts, &png->image);
	return 0;
}

static void *begin(const struct sgh_limits *limits)
{
	struct sgh_png *png = calloc(1, sizeof(*png));

	if (!png)
		return NULL;
	png->limits = limits;
	png->image.frames = 1;
	return png;
}

static bool looks(const unsigned char *data, size_t length)
{
	return length >= 8 && memcmp(data, SIGNATURE, 8) == 0;
}

const struct sgh_format sgh_format_png = {
	.mime_type = "image/png",
	.extension = "png",
	.looks = looks,
	.begin = begin,
	.feed = feed,
	.finish = finish,
	.end = free,
};
