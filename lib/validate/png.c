/* SPDX-License-Identifier: MIT */
#include "validate/format.h"

#include <inttypes.h>

#include <sangraha/error.h>

#include "base/util.h"
#include "validate/reader.h"

/*
 * PNG (W3C PNG specification, third edition): the signature, then chunks of length, type,
 * data and CRC from IHDR to IEND. Every CRC is checked; the pixels are not inflated.
 */
#define SIGNATURE      "\x89PNG\r\n\x1a\n"
#define MAX_LENGTH     0x7fffffffu
#define IHDR_LENGTH    13
#define ACTL_LENGTH    8
#define COLOUR_PALETTE 3

enum state {
	BEGIN,
	HEADER, /* length and type of a chunk */
	IHDR,   /* its data, as of acTL */
	ACTL,
	DATA,
	CRC,
	TAIL, /* after IEND */
};

enum seen {
	SEEN_IHDR = 1,
	SEEN_PLTE = 2,
	SEEN_IDAT = 4,
	SEEN_OTHER = 8, /* a chunk after the IDATs */
};

struct png {
	const struct sgh_limits *limits;
	struct sgh_reader reader;
	enum state state;
	unsigned seen;
	char type[5];
	uint64_t start; /* offset of the chunk */
	uint64_t left;  /* of its data */
	uint32_t crc;
	uint64_t width;
	uint64_t height;
	uint64_t frames;
	unsigned char colour;
	uint64_t trailing;
};

static bool is(const struct png *png, const char *type)
{
	return memcmp(png->type, type, 4) == 0;
}

static int read_signature(struct png *png, struct sgh_refusal *ret)
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

static bool is_letter(unsigned char c)
{
	unsigned char lower = c | 0x20;

	return lower >= 'a' && lower <= 'z';
}

static int check_type(struct png *png, struct sgh_refusal *ret)
{
	for (size_t i = 0; i < 4; i++) {
		if (!is_letter((unsigned char)png->type[i]))
			return sgh_refuse(ret, "png.chunk", png->start + 4 + i,
					  "a chunk's type is four letters");
	}
	/* Whoever does not know a critical chunk cannot show the image. */
	if (!(png->type[0] & 0x20) && !is(png, "IHDR") && !is(png, "PLTE") &&
	    !is(png, "IDAT") && !is(png, "IEND"))
		return sgh_refuse(ret, "png.chunk", png->start + 4,
				  "unknown critical chunk %s", png->type);
	return 0;
}

static int refuse_order(const struct png *png, const char *why, struct sgh_refusal *ret)
{
	return sgh_refuse(ret, "png.order", png->start + 4, "chunk %s %s", png->type,
			  why);
}

static int check_order(struct png *png, struct sgh_refusal *ret)
{
	if (is(png, "IHDR") == ((png->seen & SEEN_IHDR) != 0))
		return refuse_order(
			png, is(png, "IHDR") ? "comes twice" : "comes before IHDR", ret);
	if (is(png, "PLTE") && (png->seen & (SEEN_PLTE | SEEN_IDAT)))
		return refuse_order(png, "comes twice or after IDAT", ret);
	if (is(png, "PLTE") && (png->colour == 0 || png->colour == 4))
		return refuse_order(png, "has no place in a grey image", ret);
	if (is(png, "IDAT") && (png->seen & SEEN_OTHER))
		return refuse_order(png, "comes after the end of the image data", ret);
	if (is(png, "IDAT") && png->colour == COLOUR_PALETTE && !(png->seen & SEEN_PLTE))
		return refuse_order(png, "comes before the palette", ret);
	if (is(png, "IEND") && !(png->seen & SEEN_IDAT))
		return refuse_order(png, "comes before any image data", ret);
	return 0;
}

static int check_length(struct png *png, struct sgh_refusal *ret)
{
	if (png->left > MAX_LENGTH || (is(png, "IHDR") && png->left != IHDR_LENGTH) ||
	    (is(png, "IEND") && png->left != 0) ||
	    (is(png, "acTL") && png->left != ACTL_LENGTH) ||
	    (is(png, "PLTE") &&
	     (png->left == 0 || png->left % 3 != 0 || png->left > 3 * 256)))
		return sgh_refuse(ret, "png.length", png->start,
				  "chunk %s cannot be %" PRIu64 " bytes long", png->type,
				  png->left);
	return 0;
}

static void note(struct png *png)
{
	if (is(png, "IHDR"))
		png->seen |= SEEN_IHDR;
	else if (is(png, "PLTE"))
		png->seen |= SEEN_PLTE;
	else if (is(png, "IDAT"))
		png->seen |= SEEN_IDAT;
	else if (png->seen & SEEN_IDAT)
		png->seen |= SEEN_OTHER;
}

static int read_header(struct png *png, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&png->reader, 8);
	int status;

	if (!field)
		return 0;
	png->start = png->reader.offset - 8;
	png->left = sgh_be32(field);
	memcpy(png->type, field + 4, 4);
	status = check_type(png, ret);
	if (!status)
		status = check_order(png, ret);
	if (!status)
		status = check_length(png, ret);
	if (status)
		return status;
	note(png);
	png->crc = sgh_crc32_update(&png->limits->crc32, 0, field + 4, 4);
	if (is(png, "IHDR"))
		png->state = IHDR;
	else if (is(png, "acTL"))
		png->state = ACTL;
	else
		png->state = png->left ? DATA : CRC;
	return 0;
}

/* The depths that a colour type has (table 11.1 of the specification), as bits. */
static bool depth_valid(unsigned colour, unsigned depth)
{
	static const unsigned depths[7] = { 1 << 1 | 1 << 2 | 1 << 4 | 1 << 8 | 1 << 16,
					    0,
					    1 << 8 | 1 << 16,
					    1 << 1 | 1 << 2 | 1 << 4 | 1 << 8,
					    1 << 8 | 1 << 16,
					    0,
					    1 << 8 | 1 << 16 };

	return colour < SGH_COUNT(depths) && depth <= 16 && depths[colour] >> depth & 1;
}

static int read_ihdr(struct png *png, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&png->reader, IHDR_LENGTH);
	uint64_t start = png->start + 8;

	if (!field)
		return 0;
	png->crc = sgh_crc32_update(&png->limits->crc32, png->crc, field, IHDR_LENGTH);
	png->width = sgh_be32(field);
	png->height = sgh_be32(field + 4);
	png->colour = field[9];
	if (png->width > MAX_LENGTH || png->height > MAX_LENGTH)
		return sgh_refuse(ret, "image.pixels", start,
				  "width or height is more than 2^31 - 1");
	if (!depth_valid(field[9], field[8]))
		return sgh_refuse(ret, "png.header", start + 8,
				  "no colour type %u has %u bits", field[9], field[8]);
	for (unsigned i = 10; i < IHDR_LENGTH; i++) {
		if (field[i] > (i == 12))
			return sgh_refuse(ret, "png.header", start + i,
					  "unknown compression, filter or interlace "
					  "method %u",
					  field[i]);
	}
	png->state = CRC;
	return sgh_image_size(png->limits, png->width, png->height, 1, start, ret);
}

/* The animation's number of frames; it counts when it comes before the image data. */
static int read_actl(struct png *png, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&png->reader, ACTL_LENGTH);
	uint32_t frames;

	if (!field)
		return 0;
	png->crc = sgh_crc32_update(&png->limits->crc32, png->crc, field, ACTL_LENGTH);
	png->state = CRC;
	frames = sgh_be32(field);
	if (frames == 0 || (png->seen & SEEN_IDAT))
		return 0;
	png->frames = frames;
	return sgh_image_size(png->limits, png->width, png->height, frames,
			      png->start + 8, ret);
}

static void read_data(struct png *png)
{
	const unsigned char *at = png->reader.at;
	size_t part = sgh_reader_skip(&png->reader, &png->left);

	png->crc = sgh_crc32_update(&png->limits->crc32, png->crc, at, part);
	if (png->left == 0)
		png->state = CRC;
}

static int read_crc(struct png *png, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&png->reader, 4);

	if (!field)
		return 0;
	if (sgh_be32(field) != png->crc)
		return sgh_refuse(ret, "png.crc", png->reader.offset - 4,
				  "chunk %s has the CRC %08x, but its bytes have %08x",
				  png->type, (unsigned)sgh_be32(field),
				  (unsigned)png->crc);
	png->state = is(png, "IEND") ? TAIL : HEADER;
	return 0;
}

static int step(struct png *png, struct sgh_refusal *ret)
{
	switch (png->state) {
	case BEGIN:
		return read_signature(png, ret);
	case HEADER:
		return read_header(png, ret);
	case IHDR:
		return read_ihdr(png, ret);
	case ACTL:
		return read_actl(png, ret);
	case DATA:
		read_data(png);
		return 0;
	case CRC:
		return read_crc(png, ret);
	default:
		png->trailing += sgh_reader_left(&png->reader);
		sgh_reader_advance(&png->reader, sgh_reader_left(&png->reader));
		return 0;
	}
}

static int feed(void *state, const unsigned char *data, size_t length,
		struct sgh_refusal *ret)
{
	struct png *png = state;
	int status = 0;

	sgh_reader_set(&png->reader, data, length);
	while (!status && sgh_reader_left(&png->reader) > 0)
		status = step(png, ret);
	return status;
}

static int finish(void *state, char facts[SGH_FACTS_SIZE], struct sgh_refusal *ret)
{
	const struct png *png = state;

	if (png->state != TAIL)
		return sgh_refuse(ret, "png.end", png->reader.offset,
				  "the image ends before its IEND chunk does");
	sgh_image_facts(facts, png->width, png->height, png->frames, png->trailing);
	return 0;
}

static void *begin(const struct sgh_limits *limits)
{
	struct png *png = calloc(1, sizeof(*png));

	if (!png)
		return NULL;
	png->limits = limits;
	png->frames = 1;
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
