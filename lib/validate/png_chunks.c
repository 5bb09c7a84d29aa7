/* SPDX-License-Identifier: MIT */
#include "validate/png.h"

#include <inttypes.h>

#include <sangraha/error.h>

#include "base/util.h"

#define MAX_LENGTH  0x7fffffffu
#define IHDR_LENGTH 13
#define ACTL_LENGTH 8
#define FCTL_LENGTH 26

/* Chunks that the others' places are told by; the rest has a bit each above them. */
enum seen {
	SEEN_IHDR = 1 << 0,
	SEEN_PLTE = 1 << 1,
	SEEN_IDAT = 1 << 2,
	SEEN_AFTER_PLTE = 1 << 3, /* a chunk that must not stand before PLTE */
	SEEN_FIRST_FREE = 4,
};

enum place {
	ONCE = 1,
	BEFORE_IDAT = 2,
	BEFORE_PLTE = 4,
	AFTER_PLTE = 8, /* where there is a PLTE */
};

#define ANY UINT64_MAX

/*
 * W3C PNG specification, third edition, tables 7 and sections 11.2 and 11.3. eXIf is free:
 * it was allowed behind the image data for long. ANY is a length that is told elsewhere.
 */
struct sgh_png_chunk {
	char type[5];
	unsigned char places;
	uint64_t length;
};

static const struct sgh_png_chunk chunks[] = {
	{ "IHDR", 0, IHDR_LENGTH },
	{ "PLTE", 0, ANY },
	{ "IDAT", 0, ANY },
	{ "IEND", 0, 0 },
	{ "cHRM", ONCE | BEFORE_PLTE | BEFORE_IDAT, 32 },
	{ "gAMA", ONCE | BEFORE_PLTE | BEFORE_IDAT, 4 },
	{ "iCCP", ONCE | BEFORE_PLTE | BEFORE_IDAT, ANY },
	{ "sBIT", ONCE | BEFORE_PLTE | BEFORE_IDAT, ANY },
	{ "sRGB", ONCE | BEFORE_PLTE | BEFORE_IDAT, 1 },
	{ "cICP", ONCE | BEFORE_PLTE | BEFORE_IDAT, 4 },
	{ "mDCV", ONCE | BEFORE_PLTE | BEFORE_IDAT, 24 },
	{ "cLLI", ONCE | BEFORE_PLTE | BEFORE_IDAT, 8 },
	{ "bKGD", ONCE | AFTER_PLTE | BEFORE_IDAT, ANY },
	{ "hIST", ONCE | AFTER_PLTE | BEFORE_IDAT, ANY },
	{ "tRNS", ONCE | AFTER_PLTE | BEFORE_IDAT, ANY },
	{ "pHYs", ONCE | BEFORE_IDAT, 9 },
	{ "sPLT", BEFORE_IDAT, ANY },
	{ "eXIf", ONCE, ANY },
	{ "tIME", ONCE, 7 },
	{ "acTL", ONCE, ACTL_LENGTH },
	{ "fcTL", 0, FCTL_LENGTH },
	{ "fdAT", 0, ANY },
};

static bool is(const struct sgh_png *png, const char *type)
{
	return memcmp(png->type, type, 4) == 0;
}

static bool is_letter(unsigned char c)
{
	unsigned char lower = c | 0x20;

	return lower >= 'a' && lower <= 'z';
}

static const struct sgh_png_chunk *find_chunk(const char *type)
{
	for (size_t i = 0; i < SGH_COUNT(chunks); i++) {
		if (memcmp(chunks[i].type, type, 4) == 0)
			return &chunks[i];
	}
	return NULL;
}

static int check_type(const struct sgh_png *png, struct sgh_refusal *ret)
{
	for (size_t i = 0; i < 4; i++) {
		if (!is_letter((unsigned char)png->type[i]))
			return sgh_refuse(ret, "png.chunk", png->start + 4 + i,
					  "a chunk's type is four letters");
	}
	/* Whoever does not know a critical chunk cannot show the image. */
	if (!(png->type[0] & 0x20) && !png->chunk)
		return sgh_refuse(ret, "png.chunk", png->start + 4,
				  "unknown critical chunk %s", png->type);
	return 0;
}

static int refuse_order(const struct sgh_png *png, const char *why,
			struct sgh_refusal *ret)
{
	return sgh_refuse(ret, "png.order", png->start + 4, "chunk %s %s", png->type,
			  why);
}

static int check_critical_order(const struct sgh_png *png, struct sgh_refusal *ret)
{
	if (is(png, "IHDR") == ((png->seen & SEEN_IHDR) != 0))
		return refuse_order(
			png, is(png, "IHDR") ? "comes twice" : "comes before IHDR", ret);
	if (is(png, "PLTE") && (png->seen & (SEEN_PLTE | SEEN_IDAT)))
		return refuse_order(png, "comes twice or after IDAT", ret);
	if (is(png, "PLTE") && (png->seen & SEEN_AFTER_PLTE))
		return refuse_order(png, "comes after bKGD, hIST or tRNS", ret);
	if (is(png, "PLTE") &&
	    (png->colour == SGH_PNG_GREY || png->colour == SGH_PNG_GREY_ALPHA))
		return refuse_order(png, "has no place in a grey image", ret);
	if (is(png, "IDAT") && png->between)
		return refuse_order(png, "comes after the end of the image data", ret);
	if (is(png, "IDAT") && png->colour == SGH_PNG_PALETTE && !(png->seen & SEEN_PLTE))
		return refuse_order(png, "comes before the palette", ret);
	if (is(png, "IEND") && !png->has_data)
		return refuse_order(png, "comes before any image data", ret);
	return 0;
}

static unsigned bit_of(const struct sgh_png_chunk *chunk)
{
	return 1u << (SEEN_FIRST_FREE + (size_t)(chunk - chunks));
}

static int check_ancillary_order(const struct sgh_png *png, struct sgh_refusal *ret)
{
	unsigned places = png->chunk ? png->chunk->places : 0;

	if ((places & ONCE) && (png->seen & bit_of(png->chunk)))
		return refuse_order(png, "comes twice", ret);
	if ((places & BEFORE_IDAT) && (png->seen & SEEN_IDAT))
		return refuse_order(png, "comes after IDAT", ret);
	if ((places & BEFORE_PLTE) && (png->seen & SEEN_PLTE))
		return refuse_order(png, "comes after PLTE", ret);
	if (is(png, "hIST") && !(png->seen & SEEN_PLTE))
		return refuse_order(png, "comes before PLTE", ret);
	if (is(png, "tRNS") && png->colour == SGH_PNG_PALETTE && !(png->seen & SEEN_PLTE))
		return refuse_order(png, "comes before PLTE", ret);
	if (is(png, "tRNS") &&
	    (png->colour == SGH_PNG_GREY_ALPHA || png->colour == SGH_PNG_RGBA))
		return refuse_order(png, "has no place in an image with alpha", ret);
	return 0;
}

static unsigned channels(const struct sgh_png *png)
{
	switch (png->colour) {
	case SGH_PNG_GREY:
		return 1;
	case SGH_PNG_GREY_ALPHA:
		return 2;
	case SGH_PNG_RGBA:
		return 4;
	default:
		return 3;
	}
}

/* Two bytes for each channel but alpha: of a colour in bKGD and tRNS. */
static unsigned colour_length(const struct sgh_png *png)
{
	return channels(png) < 3 ? 2 : 6;
}

static bool length_valid(const struct sgh_png *png)
{
	uint64_t length = png->length;

	if (length > MAX_LENGTH)
		return false;
	if (!png->chunk)
		return true;
	if (png->chunk->length != ANY)
		return length == png->chunk->length;
	if (is(png, "PLTE"))
		return length > 0 && length % 3 == 0 &&
		       length / 3 <= (png->colour == SGH_PNG_PALETTE
					      ? UINT64_C(1) << png->depth
					      : 256);
	if (is(png, "sBIT"))
		return length == channels(png);
	if (is(png, "bKGD"))
		return length ==
		       (png->colour == SGH_PNG_PALETTE ? 1 : colour_length(png));
	if (is(png, "tRNS"))
		return png->colour == SGH_PNG_PALETTE ? length <= png->entries
						      : length == colour_length(png);
	if (is(png, "hIST"))
		return length == 2 * (uint64_t)png->entries;
	return !is(png, "fdAT") || length >= 4;
}

/* The frames of an animation, when it is one: PNG specification, section 11.3.6. */
static int check_animation(const struct sgh_png *png, struct sgh_refusal *ret)
{
	if (is(png, "fcTL") && !(png->seen & SEEN_IDAT) && png->controls > 0)
		return refuse_order(png, "comes twice before IDAT", ret);
	if (!png->animated)
		return 0;
	if (is(png, "fdAT") && (!(png->seen & SEEN_IDAT) || png->controls == 0))
		return refuse_order(png, "comes before its fcTL or IDAT", ret);
	if ((is(png, "fcTL") || is(png, "IEND")) && png->bare)
		return sgh_refuse(ret, "png.animation", png->start,
				  "frame %" PRIu64 " has no data", png->controls);
	if (is(png, "IEND") && png->controls != png->image.frames)
		return sgh_refuse(ret, "png.animation", png->start,
				  "%" PRIu64 " frames, where %" PRIu64 " were announced",
				  png->controls, png->image.frames);
	return 0;
}

static void note(struct sgh_png *png)
{
	if (is(png, "IHDR"))
		png->seen |= SEEN_IHDR;
	else if (is(png, "PLTE"))
		png->seen |= SEEN_PLTE;
	else if (is(png, "IDAT"))
		png->seen |= SEEN_IDAT;
	else if (png->seen & SEEN_IDAT)
		png->between = true;
	if (png->chunk && (png->chunk->places & ONCE))
		png->seen |= bit_of(png->chunk);
	if (png->chunk && (png->chunk->places & AFTER_PLTE))
		png->seen |= SEEN_AFTER_PLTE;
	if (is(png, "PLTE"))
		png->entries = (unsigned)(png->length / 3);
	if (is(png, "fcTL"))
		png->bare = true;
	else if (is(png, "IDAT") || is(png, "fdAT"))
		png->bare = false;
	png->has_data |= is(png, "IDAT") && png->length > 0;
}

int sgh_png_chunk_check(struct sgh_png *png, struct sgh_refusal *ret)
{
	int status;

	png->chunk = find_chunk(png->type);
	status = check_type(png, ret);
	if (!status)
		status = check_critical_order(png, ret);
	if (!status)
		status = check_ancillary_order(png, ret);
	if (!status && !length_valid(png))
		status = sgh_refuse(ret, "png.length", png->start,
				    "chunk %s cannot be %" PRIu64 " bytes long",
				    png->type, png->length);
	if (!status)
		status = check_animation(png, ret);
	if (!status)
		note(png);
	return status;
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

static const char *colour_name(unsigned colour)
{
	static const char *const names[7] = { "gray",       NULL, "rgb", "palette",
					      "gray-alpha", NULL, "rgba" };

	return names[colour];
}

static int read_ihdr(struct sgh_png *png, const unsigned char *field,
		     struct sgh_refusal *ret)
{
	uint64_t start = png->start + 8;

	png->image.width = sgh_be32(field);
	png->image.height = sgh_be32(field + 4);
	png->depth = field[8];
	png->colour = field[9];
	if (png->image.width > MAX_LENGTH || png->image.height > MAX_LENGTH)
		return sgh_refuse(ret, "image.pixels", start,
				  "width or height is more than 2^31 - 1");
	if (!depth_valid(png->colour, png->depth))
		return sgh_refuse(ret, "png.header", start + 8,
				  "no colour type %u has %u bits", png->colour,
				  png->depth);
	for (unsigned i = 10; i < IHDR_LENGTH; i++) {
		if (field[i] > (i == 12))
			return sgh_refuse(ret, "png.header", start + i,
					  "unknown compression, filter or interlace "
					  "method %u",
					  field[i]);
	}
	png->image.color = colour_name(png->colour);
	return sgh_image_size(png->limits, png->image.width, png->image.height, 1, start,
			      ret);
}

/* The animation's number of frames; it counts when it comes before the image data. */
static int read_actl(struct sgh_png *png, const unsigned char *field,
		     struct sgh_refusal *ret)
{
	uint32_t frames = sgh_be32(field);

	if (png->seen & SEEN_IDAT)
		return 0;
	if (frames == 0)
		return sgh_refuse(ret, "png.animation", png->start + 8,
				  "an animation without frames");
	png->animated = true;
	png->image.frames = frames;
	return sgh_image_size(png->limits, png->image.width, png->image.height, frames,
			      png->start + 8, ret);
}

static int check_sequence(struct sgh_png *png, const unsigned char *field,
			  struct sgh_refusal *ret)
{
	if (sgh_be32(field) != png->sequence)
		return sgh_refuse(ret, "png.animation", png->start + 8,
				  "chunk %s has number %u, not %" PRIu64, png->type,
				  (unsigned)sgh_be32(field), png->sequence);
	png->sequence++;
	return 0;
}

static int read_fctl(struct sgh_png *png, const unsigned char *field,
		     struct sgh_refusal *ret)
{
	uint64_t width = sgh_be32(field + 4);
	uint64_t height = sgh_be32(field + 8);
	uint64_t x = sgh_be32(field + 12);
	uint64_t y = sgh_be32(field + 16);
	bool is_image = !(png->seen & SEEN_IDAT); /* the still one is the first frame */
	int status = check_sequence(png, field, ret);

	if (status)
		return status;
	png->controls++;
	if (width == 0 || height == 0 || x + width > png->image.width ||
	    y + height > png->image.height ||
	    (is_image && (width != png->image.width || height != png->image.height)))
		return sgh_refuse(ret, "png.animation", png->start + 12,
				  "a frame of %" PRIu64 " x %" PRIu64 " at %" PRIu64
				  ", %" PRIu64 " in an image of %" PRIu64 " x %" PRIu64,
				  width, height, x, y, png->image.width,
				  png->image.height);
	if (field[24] > 2 || field[25] > 1)
		return sgh_refuse(ret, "png.animation",
				  png->start + 8 + (field[24] > 2 ? 24 : 25),
				  "unknown way to dispose of a frame, or to blend it");
	return 0;
}

size_t sgh_png_chunk_wants(const struct sgh_png *png)
{
	if (is(png, "IHDR"))
		return IHDR_LENGTH;
	if (is(png, "acTL"))
		return ACTL_LENGTH;
	/* The first fcTL may stand before acTL. */
	if (is(png, "fcTL") && (png->animated || !(png->seen & SEEN_IDAT)))
		return FCTL_LENGTH;
	return is(png, "fdAT") && png->animated ? 4 : 0;
}

int sgh_png_chunk_read(struct sgh_png *png, const unsigned char *field,
		       struct sgh_refusal *ret)
{
	if (is(png, "IHDR"))
		return read_ihdr(png, field, ret);
	if (is(png, "acTL"))
		return read_actl(png, field, ret);
	if (is(png, "fcTL"))
		return read_fctl(png, field, ret);
	return check_sequence(png, field, ret);
}
