/* SPDX-License-Identifier: MIT */
#include "validate/format.h"

#include <inttypes.h>

#include <sangraha/error.h>

#include "base/util.h"
#include "validate/reader.h"

/*
 * WebP (RFC 9649): a RIFF file of chunks. Simple files are one VP8 or VP8L chunk; extended
 * ones begin with VP8X and hold an image, or an animation of ANMF chunks, which hold
 * chunks themselves. Nothing is decoded.
 */
#define RIFF_LENGTH  12
#define CHUNK_LENGTH 8
#define VP8_LENGTH   10
#define VP8L_LENGTH  5
#define VP8X_LENGTH  10
#define ANIM_LENGTH  6
#define ANMF_LENGTH  16
#define ALPH_LENGTH  1

/* Flags of VP8X. */
#define HAS_ANIMATION 0x02
#define HAS_ALPHA     0x10

enum state {
	BEGIN,
	CHUNK,
	VP8, /* the beginning of an image or of a frame: its dimensions */
	VP8L,
	VP8X,
	ANMF,
	ALPH,
	DATA, /* what is left of a chunk, and its padding */
	TAIL, /* after what the RIFF header counts */
};

struct webp {
	const struct sgh_limits *limits;
	struct sgh_reader reader;
	enum state state;
	char type[5];
	uint64_t start;     /* offset of the chunk */
	uint64_t left;      /* of its data, with padding */
	uint64_t riff_end;  /* offset behind the file */
	uint64_t frame_end; /* offset behind the open ANMF chunk; 0: none is open */
	bool extended;
	bool animated;
	bool has_anim;
	bool has_image; /* of the file, or of the open ANMF */
	bool has_alph;  /* the same */
	bool alpha;
	uint64_t frame_width;
	uint64_t frame_height;
	struct sgh_image image;
};

static bool is(const struct webp *webp, const char *type)
{
	return memcmp(webp->type, type, 4) == 0;
}

static int read_header(struct webp *webp, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&webp->reader, RIFF_LENGTH);

	if (!field)
		return 0;
	for (size_t i = 0; i < RIFF_LENGTH; i++) {
		if ((i < 4 || i >= 8) && field[i] != (unsigned char)"RIFF....WEBP"[i])
			return sgh_refuse(ret, "webp.signature", i,
					  "this is no WebP signature");
	}
	webp->riff_end = 8 + (uint64_t)sgh_le32(field + 4);
	if (webp->riff_end < RIFF_LENGTH + CHUNK_LENGTH)
		return sgh_refuse(ret, "webp.length", 4,
				  "the file cannot be %" PRIu64 " bytes long",
				  webp->riff_end);
	webp->state = CHUNK;
	return 0;
}

static int refuse_order(const struct webp *webp, const char *why, struct sgh_refusal *ret)
{
	return sgh_refuse(ret, "webp.order", webp->start, "chunk \"%s\" %s", webp->type,
			  why);
}

static int refuse_length(const struct webp *webp, struct sgh_refusal *ret)
{
	return sgh_refuse(ret, "webp.length", webp->start + 4,
			  "chunk \"%s\" of %" PRIu64
			  " bytes is too short, or does not fit",
			  webp->type, webp->left);
}

/* The chunk's data must reach to `least` bytes and fit what it stands in. */
static int check_length(struct webp *webp, uint64_t least, struct sgh_refusal *ret)
{
	uint64_t end = webp->frame_end ? webp->frame_end : webp->riff_end;
	uint64_t room = end - webp->reader.offset;

	if (webp->left < least || webp->left > room)
		return refuse_length(webp, ret);
	/* Some writers leave the last padding out. */
	if (webp->left % 2 == 1 && webp->left < room)
		webp->left++;
	return 0;
}

static int open_image(struct webp *webp, enum state state, uint64_t least,
		      struct sgh_refusal *ret)
{
	if (webp->has_image)
		return refuse_order(webp, "is a second image", ret);
	if (webp->animated && !webp->frame_end)
		return refuse_order(webp, "stands outside of a frame", ret);
	webp->has_image = true;
	webp->state = state;
	return check_length(webp, least, ret);
}

static int open_extended(struct webp *webp, struct sgh_refusal *ret)
{
	if (webp->extended || webp->start != RIFF_LENGTH)
		return refuse_order(webp, "is not the first chunk", ret);
	webp->extended = true;
	webp->state = VP8X;
	return check_length(webp, VP8X_LENGTH, ret);
}

static int open_frame(struct webp *webp, struct sgh_refusal *ret)
{
	int status;

	if (!webp->animated || !webp->has_anim || webp->frame_end)
		return refuse_order(webp, "has no place here", ret);
	status = check_length(webp, ANMF_LENGTH, ret);
	webp->frame_end = webp->reader.offset + webp->left;
	webp->has_image = false;
	webp->has_alph = false;
	webp->state = ANMF;
	return status;
}

/* Transparency for the VP8 image that follows. */
static int open_alpha(struct webp *webp, struct sgh_refusal *ret)
{
	if (webp->has_alph || webp->has_image)
		return refuse_order(webp, "comes twice, or after its image", ret);
	webp->has_alph = true;
	webp->state = ALPH;
	return check_length(webp, ALPH_LENGTH, ret);
}

/* RFC 9649, section 2.7: what decoding needs stands before the image, or the frames. */
static bool is_late(const struct webp *webp)
{
	return (is(webp, "ICCP") || is(webp, "ANIM")) &&
	       (webp->has_image || webp->image.frames > 0);
}

static int open_chunk(struct webp *webp, struct sgh_refusal *ret)
{
	if (is(webp, "VP8 "))
		return open_image(webp, VP8, VP8_LENGTH, ret);
	if (is(webp, "VP8L"))
		return open_image(webp, VP8L, VP8L_LENGTH, ret);
	if (is(webp, "VP8X"))
		return open_extended(webp, ret);
	if (webp->start == RIFF_LENGTH)
		return refuse_order(webp, "cannot be the first chunk", ret);
	if (is(webp, "ANMF"))
		return open_frame(webp, ret);
	if (is(webp, "ALPH"))
		return open_alpha(webp, ret);
	if (is_late(webp))
		return refuse_order(webp, "comes after image data", ret);
	if (is(webp, "ANIM"))
		webp->has_anim = true;
	webp->state = DATA;
	return check_length(webp, is(webp, "ANIM") ? ANIM_LENGTH : 0, ret);
}

/* Behind a chunk: the next one, or the end of the frame, or of the file. */
static int end_chunk(struct webp *webp, struct sgh_refusal *ret)
{
	webp->state = CHUNK;
	if (webp->frame_end && webp->reader.offset >= webp->frame_end) {
		if (!webp->has_image)
			return sgh_refuse(ret, "webp.order", webp->frame_end,
					  "a frame without an image");
		webp->frame_end = 0;
	}
	if (webp->reader.offset < webp->riff_end)
		return 0;
	if (webp->animated ? webp->image.frames == 0 : !webp->has_image)
		return sgh_refuse(ret, "webp.order", webp->riff_end,
				  "a file without an image");
	webp->state = TAIL;
	return 0;
}

static int begin_data(struct webp *webp, uint64_t taken, struct sgh_refusal *ret)
{
	webp->left -= taken;
	webp->state = DATA;
	return webp->left == 0 ? end_chunk(webp, ret) : 0;
}

static int read_chunk(struct webp *webp, struct sgh_refusal *ret)
{
	const unsigned char *field;
	uint64_t end = webp->frame_end ? webp->frame_end : webp->riff_end;
	int status;

	webp->start = webp->reader.offset - webp->reader.held;
	if (end - webp->start < CHUNK_LENGTH)
		return sgh_refuse(ret, "webp.length", webp->start,
				  "%" PRIu64 " bytes are too few for a chunk",
				  end - webp->start);
	field = sgh_reader_take(&webp->reader, CHUNK_LENGTH);
	if (!field)
		return 0;
	for (size_t i = 0; i < 4; i++) {
		/* "XMP" was written with a zero in the place of its space. */
		if ((field[i] < 0x20 || field[i] > 0x7e) && (i < 3 || field[i] != 0))
			return sgh_refuse(ret, "webp.chunk", webp->start + i,
					  "a chunk's type is printable");
	}
	memcpy(webp->type, field, 4);
	webp->left = sgh_le32(field + 4);
	status = open_chunk(webp, ret);
	return !status && webp->state == DATA ? begin_data(webp, 0, ret) : status;
}

/* An image fills the canvas, or its frame; without VP8X it makes the canvas. */
static int check_image(struct webp *webp, uint64_t width, uint64_t height,
		       uint64_t offset, struct sgh_refusal *ret)
{
	bool in_frame = webp->frame_end > 0;
	uint64_t wanted_width = in_frame ? webp->frame_width : webp->image.width;
	uint64_t wanted_height = in_frame ? webp->frame_height : webp->image.height;

	if (webp->extended && (width != wanted_width || height != wanted_height))
		return sgh_refuse(ret, "webp.dimensions", offset,
				  "an image of %" PRIu64 " x %" PRIu64
				  " pixels where %" PRIu64 " x %" PRIu64
				  " were announced",
				  width, height, wanted_width, wanted_height);
	if (!webp->extended) {
		webp->image.width = width;
		webp->image.height = height;
	}
	return sgh_image_size(webp->limits, width, height, 1, offset, ret);
}

static int read_vp8(struct webp *webp, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&webp->reader, VP8_LENGTH);
	uint64_t start = webp->start + CHUNK_LENGTH;
	int status;

	if (!field)
		return 0;
	if (field[0] & 1)
		return sgh_refuse(ret, "webp.image", start, "this is no key frame");
	if ((field[0] >> 1 & 7) > 3 || !(field[0] & 0x10))
		return sgh_refuse(ret, "webp.image", start,
				  "a frame of unknown profile, or not to be shown");
	if (memcmp(field + 3, "\x9d\x01\x2a", 3) != 0)
		return sgh_refuse(ret, "webp.image", start + 3,
				  "this is no VP8 start code");
	if (sgh_le24(field) >> 5 > webp->left - VP8_LENGTH)
		return sgh_refuse(ret, "webp.image", start,
				  "the first partition does not fit the chunk");
	status = check_image(webp, sgh_le16(field + 6) & 0x3fff,
			     sgh_le16(field + 8) & 0x3fff, start + 6, ret);
	return status ? status : begin_data(webp, VP8_LENGTH, ret);
}

static int read_vp8l(struct webp *webp, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&webp->reader, VP8L_LENGTH);
	uint64_t start = webp->start + CHUNK_LENGTH;
	int status;
	uint32_t bits;

	if (!field)
		return 0;
	if (field[0] != 0x2f)
		return sgh_refuse(ret, "webp.image", start, "this is no VP8L signature");
	bits = sgh_le32(field + 1);
	if (bits >> 29)
		return sgh_refuse(ret, "webp.image", start + 4, "VP8L of version %u",
				  (unsigned)(bits >> 29));
	webp->alpha |= !webp->extended && bits >> 28 & 1;
	status = check_image(webp, (bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1,
			     start + 1, ret);
	return status ? status : begin_data(webp, VP8L_LENGTH, ret);
}

static int read_vp8x(struct webp *webp, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&webp->reader, VP8X_LENGTH);
	uint64_t start = webp->start + CHUNK_LENGTH;
	int status;

	if (!field)
		return 0;
	webp->animated = field[0] & HAS_ANIMATION;
	webp->alpha = field[0] & HAS_ALPHA;
	webp->image.width = (uint64_t)sgh_le24(field + 4) + 1;
	webp->image.height = (uint64_t)sgh_le24(field + 7) + 1;
	status = sgh_image_size(webp->limits, webp->image.width, webp->image.height, 1,
				start + 4, ret);
	return status ? status : begin_data(webp, VP8X_LENGTH, ret);
}

static int read_anmf(struct webp *webp, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&webp->reader, ANMF_LENGTH);
	uint64_t start = webp->start + CHUNK_LENGTH;

	if (!field)
		return 0;
	webp->frame_width = (uint64_t)sgh_le24(field + 6) + 1;
	webp->frame_height = (uint64_t)sgh_le24(field + 9) + 1;
	if (2 * (uint64_t)sgh_le24(field) + webp->frame_width > webp->image.width ||
	    2 * (uint64_t)sgh_le24(field + 3) + webp->frame_height > webp->image.height)
		return sgh_refuse(ret, "webp.dimensions", start,
				  "a frame reaches over the canvas");
	webp->image.frames++;
	webp->state = CHUNK;
	return sgh_image_size(webp->limits, webp->image.width, webp->image.height,
			      webp->image.frames, start, ret);
}

/* How the transparency is coded: 0 and 1 are known. */
static int read_alph(struct webp *webp, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&webp->reader, ALPH_LENGTH);

	if ((field[0] & 3) > 1)
		return sgh_refuse(ret, "webp.image", webp->reader.offset - ALPH_LENGTH,
				  "transparency coded in way %u", field[0] & 3);
	return begin_data(webp, ALPH_LENGTH, ret);
}

static int read_data(struct webp *webp, struct sgh_refusal *ret)
{
	sgh_reader_skip(&webp->reader, &webp->left);
	return webp->left == 0 ? end_chunk(webp, ret) : 0;
}

static int step(struct webp *webp, struct sgh_refusal *ret)
{
	switch (webp->state) {
	case BEGIN:
		return read_header(webp, ret);
	case CHUNK:
		return read_chunk(webp, ret);
	case VP8:
		return read_vp8(webp, ret);
	case VP8L:
		return read_vp8l(webp, ret);
	case VP8X:
		return read_vp8x(webp, ret);
	case ANMF:
		return read_anmf(webp, ret);
	case ALPH:
		return read_alph(webp, ret);
	case DATA:
		return read_data(webp, ret);
	default:
		return sgh_image_trailing(webp->limits, &webp->reader,
					  &webp->image.trailing, ret);
	}
}

static int feed(void *state, const unsigned char *data, size_t length,
		struct sgh_refusal *ret)
{
	struct webp *webp = state;
	int status = 0;

	sgh_reader_set(&webp->reader, data, length);
	while (!status && sgh_reader_left(&webp->reader) > 0)
		status = step(webp, ret);
	return status;
}

static int finish(void *state, char facts[SGH_FACTS_SIZE], struct sgh_refusal *ret)
{
	struct webp *webp = state;

	if (webp->state != TAIL)
		return sgh_refuse(ret, "webp.end", webp->reader.offset,
				  "the file ends before the %" PRIu64
				  " bytes that it announces",
				  webp->riff_end);
	webp->image.color = webp->alpha ? "rgba" : "rgb";
	if (!webp->animated)
		webp->image.frames = 1;
	sgh_image_facts(facts, &webp->image);
	return 0;
}

static void *begin(const struct sgh_limits *limits)
{
	struct webp *webp = calloc(1, sizeof(*webp));

	if (webp)
		webp->limits = limits;
	return webp;
}

static bool looks(const unsigned char *data, size_t length)
{
	return length >= RIFF_LENGTH && memcmp(data, "RIFF", 4) == 0 &&
	       memcmp(data + 8, "WEBP", 4) == 0;
}

const struct sgh_format sgh_format_webp = {
	.mime_type = "image/webp",
	.extension = "webp",
	.looks = looks,
	.begin = begin,
	.feed = feed,
	.finish = finish,
	.end = free,
};
