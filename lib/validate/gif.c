/* SPDX-License-Identifier: MIT */
#include "validate/format.h"

#include <inttypes.h>

#include <sangraha/error.h>

#include "base/util.h"
#include "validate/reader.h"

/*
 * GIF (versions 87a and 89a): header, logical screen, then extensions and images, each a
 * chain of sub-blocks, up to the trailer. Nothing is decoded.
 */
#define HEADER_LENGTH 13 /* signature, version and logical screen descriptor */
#define IMAGE_LENGTH  9

enum {
	EXTENSION = 0x21,
	IMAGE = 0x2c,
	TRAILER = 0x3b,
};

/* Labels of extensions. */
enum {
	PLAIN_TEXT = 0x01,
	GRAPHIC_CONTROL = 0xf9,
	APPLICATION = 0xff,
};

enum state {
	BEGIN,
	TABLE, /* a colour table; then `after` */
	BLOCK,
	LABEL, /* of an extension */
	DESCRIPTOR,
	CODE_SIZE,
	FIRST_LENGTH, /* of an extension or an image: some are fixed */
	SUB_LENGTH,
	SUB_BLOCK,
	CONTROL_END, /* a graphic control extension is one sub-block */
	TAIL,        /* after the trailer */
};

struct gif {
	const struct sgh_limits *limits;
	struct sgh_reader reader;
	enum state state;
	enum state after;
	int label;     /* of the extension; -1: this is an image */
	uint64_t left; /* of a table or a sub-block */
	struct sgh_image image;
};

static void skip_table(struct gif *gif, unsigned char flags, enum state after)
{
	gif->after = after;
	gif->left = flags & 0x80 ? UINT64_C(3) << ((flags & 7) + 1) : 0;
	gif->state = gif->left ? TABLE : after;
}

static int read_header(struct gif *gif, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&gif->reader, HEADER_LENGTH);

	if (!field)
		return 0;
	for (size_t i = 0; i < 6; i++) {
		if (field[i] != (unsigned char)"GIF89a"[i] &&
		    field[i] != (unsigned char)"GIF87a"[i])
			return sgh_refuse(ret, "gif.signature", i,
					  "this is no GIF signature");
	}
	gif->image.width = sgh_le16(field + 6);
	gif->image.height = sgh_le16(field + 8);
	skip_table(gif, field[10], BLOCK);
	return sgh_image_size(gif->limits, gif->image.width, gif->image.height, 1, 6,
			      ret);
}

static int read_block(struct gif *gif, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&gif->reader, 1);
	uint64_t offset = gif->reader.offset - 1;

	switch (*field) {
	case EXTENSION:
		gif->state = LABEL;
		return 0;
	case IMAGE:
		gif->state = DESCRIPTOR;
		return 0;
	case TRAILER:
		if (gif->image.frames == 0)
			return sgh_refuse(ret, "gif.order", offset,
					  "the trailer comes before any image");
		gif->state = TAIL;
		return 0;
	default:
		return sgh_refuse(ret, "gif.block", offset,
				  "expected a block, found byte 0x%02x", *field);
	}
}

/* A frame may be larger than the screen: what counts is what has to be held in memory. */
static int read_descriptor(struct gif *gif, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&gif->reader, IMAGE_LENGTH);
	uint64_t start = gif->reader.offset - IMAGE_LENGTH;
	int status;

	if (!field)
		return 0;
	status = sgh_image_size(gif->limits, sgh_le16(field + 4), sgh_le16(field + 6), 1,
				start + 4, ret);
	if (status)
		return status;
	gif->image.frames++;
	skip_table(gif, field[8], CODE_SIZE);
	return sgh_image_size(gif->limits, gif->image.width, gif->image.height,
			      gif->image.frames, start, ret);
}

static int read_code_size(struct gif *gif, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&gif->reader, 1);

	/*
	 * The standard begins at 2, but two colours were written with 1 at times. It ends
	 * at 8, but codes grow to 12 bits, and programs wrote larger ones to begin with.
	 */
	if (*field < 1 || *field > 11)
		return sgh_refuse(ret, "gif.image", gif->reader.offset - 1,
				  "LZW codes of %u bits", *field);
	gif->label = -1;
	gif->state = FIRST_LENGTH;
	return 0;
}

/* How long the first sub-block of an extension is; 0 where anything goes. */
static unsigned fixed_length(int label)
{
	switch (label) {
	case PLAIN_TEXT:
		return 12;
	case GRAPHIC_CONTROL:
		return 4;
	case APPLICATION:
		return 11;
	default:
		return 0;
	}
}

static int read_first_length(struct gif *gif, struct sgh_refusal *ret)
{
	unsigned length = *sgh_reader_take(&gif->reader, 1);
	unsigned fixed = fixed_length(gif->label);

	if (gif->label < 0 && length == 0)
		return sgh_refuse(ret, "gif.image", gif->reader.offset - 1,
				  "an image without data");
	if (fixed && length != fixed)
		return sgh_refuse(ret, "gif.block", gif->reader.offset - 1,
				  "extension 0x%02x begins with %u bytes, not %u",
				  (unsigned)gif->label, length, fixed);
	gif->left = length;
	gif->state = length ? SUB_BLOCK : BLOCK;
	return 0;
}

static int read_control_end(struct gif *gif, struct sgh_refusal *ret)
{
	if (*sgh_reader_take(&gif->reader, 1) != 0)
		return sgh_refuse(ret, "gif.block", gif->reader.offset - 1,
				  "a graphic control extension of several blocks");
	gif->state = BLOCK;
	return 0;
}

static void read_sub_length(struct gif *gif)
{
	gif->left = *sgh_reader_take(&gif->reader, 1);
	gif->state = gif->left ? SUB_BLOCK : BLOCK;
}

static void skip(struct gif *gif, enum state after)
{
	sgh_reader_skip(&gif->reader, &gif->left);
	if (gif->left == 0)
		gif->state = after;
}

static int step(struct gif *gif, struct sgh_refusal *ret)
{
	switch (gif->state) {
	case BEGIN:
		return read_header(gif, ret);
	case TABLE:
		skip(gif, gif->after);
		return 0;
	case BLOCK:
		return read_block(gif, ret);
	case LABEL:
		gif->label = *sgh_reader_take(&gif->reader, 1);
		gif->state = FIRST_LENGTH;
		return 0;
	case DESCRIPTOR:
		return read_descriptor(gif, ret);
	case CODE_SIZE:
		return read_code_size(gif, ret);
	case FIRST_LENGTH:
		return read_first_length(gif, ret);
	case SUB_LENGTH:
		read_sub_length(gif);
		return 0;
	case SUB_BLOCK:
		skip(gif, gif->label == GRAPHIC_CONTROL ? CONTROL_END : SUB_LENGTH);
		return 0;
	case CONTROL_END:
		return read_control_end(gif, ret);
	default:
		return sgh_image_trailing(gif->limits, &gif->reader, &gif->image.trailing,
					  ret);
	}
}

static int feed(void *state, const unsigned char *data, size_t length,
		struct sgh_refusal *ret)
{
	struct gif *gif = state;
	int status = 0;

	sgh_reader_set(&gif->reader, data, length);
	while (!status && sgh_reader_left(&gif->reader) > 0)
		status = step(gif, ret);
	return status;
}

static int finish(void *state, char facts[SGH_FACTS_SIZE], struct sgh_refusal *ret)
{
	const struct gif *gif = state;

	if (gif->state != TAIL)
		return sgh_refuse(ret, "gif.end", gif->reader.offset,
				  "the image ends without a trailer");
	sgh_image_facts(facts, &gif->image);
	return 0;
}

static void *begin(const struct sgh_limits *limits)
{
	struct gif *gif = calloc(1, sizeof(*gif));

	if (!gif)
		return NULL;
	gif->limits = limits;
	gif->image.color = "palette";
	return gif;
}

static bool looks(const unsigned char *data, size_t length)
{
	return length >= 6 &&
	       (memcmp(data, "GIF87a", 6) == 0 || memcmp(data, "GIF89a", 6) == 0);
}

const struct sgh_format sgh_format_gif = {
	.mime_type = "image/gif",
	.extension = "gif",
	.looks = looks,
	.begin = begin,
	.feed = feed,
	.finish = finish,
	.end = free,
};
