/* SPDX-License-Identifier: MIT */
#include "validate/format.h"

#include <inttypes.h>

#include <sangraha/error.h>

#include "base/util.h"
#include "validate/reader.h"

/*
 * JPEG (ITU-T T.81, annex B): marker segments from SOI to EOI; after each SOS segment come
 * entropy-coded bytes up to the next marker. Nothing is decoded.
 */
enum {
	M_TEM = 0x01,
	M_SOF0 = 0xc0,
	M_DHT = 0xc4,
	M_JPG = 0xc8,
	M_DAC = 0xcc,
	M_SOF15 = 0xcf,
	M_RST0 = 0xd0,
	M_RST7 = 0xd7,
	M_SOI = 0xd8,
	M_EOI = 0xd9,
	M_SOS = 0xda,
};

/* Precision, height, width, number of components; then three bytes a component. */
#define SOF_LENGTH 6

enum state {
	BEGIN,
	MARKER, /* 0xff */
	CODE,   /* after it: fill bytes and the marker's code */
	LENGTH,
	FRAME, /* of an SOF segment */
	SEGMENT,
	ENTROPY,
	ENTROPY_CODE, /* after 0xff in entropy-coded bytes */
	TAIL,         /* after EOI */
};

struct jpeg {
	const struct sgh_limits *limits;
	struct sgh_reader reader;
	enum state state;
	unsigned char code; /* the segment's */
	bool has_frame;
	bool has_scan;
	uint64_t left; /* of the segment */
	uint64_t width;
	uint64_t height;
	uint64_t trailing;
};

static bool is_sof(unsigned char code)
{
	return code >= M_SOF0 && code <= M_SOF15 && code != M_DHT && code != M_JPG &&
	       code != M_DAC;
}

static int read_signature(struct jpeg *jpeg, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&jpeg->reader, 2);

	if (!field)
		return 0;
	if (field[0] != 0xff || field[1] != M_SOI)
		return sgh_refuse(ret, "jpeg.signature", field[0] == 0xff,
				  "this is no JPEG signature");
	jpeg->state = MARKER;
	return 0;
}

static int read_marker(struct jpeg *jpeg, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&jpeg->reader, 1);

	if (*field != 0xff)
		return sgh_refuse(ret, "jpeg.marker", jpeg->reader.offset - 1,
				  "expected a marker, found byte 0x%02x", *field);
	jpeg->state = CODE;
	return 0;
}

static int refuse_code(const struct jpeg *jpeg, const char *rule, const char *why,
		       struct sgh_refusal *ret)
{
	return sgh_refuse(ret, rule, jpeg->reader.offset - 1, "marker 0x%02x %s",
			  jpeg->code, why);
}

/* The code of a marker, in the header, between scans or at the end of one. */
static int read_code(struct jpeg *jpeg, struct sgh_refusal *ret)
{
	unsigned char code = *sgh_reader_take(&jpeg->reader, 1);

	if (code == 0xff) /* fill bytes may stand before a code */
		return 0;
	jpeg->code = code;
	if (code == 0x00 || code == M_SOI)
		return refuse_code(jpeg, "jpeg.marker", "has no place here", ret);
	if (code == M_TEM || (code >= M_RST0 && code <= M_RST7)) {
		jpeg->state = MARKER;
		return 0;
	}
	if (code == M_EOI) {
		if (!jpeg->has_scan)
			return refuse_code(jpeg, "jpeg.order",
					   "ends the image before any image data", ret);
		jpeg->state = TAIL;
		return 0;
	}
	if (is_sof(code) && jpeg->has_frame)
		return refuse_code(jpeg, "jpeg.order", "begins a second frame", ret);
	if (code == M_SOS && !jpeg->has_frame)
		return refuse_code(jpeg, "jpeg.order", "begins a scan before a frame",
				   ret);
	jpeg->state = LENGTH;
	return 0;
}

static int read_length(struct jpeg *jpeg, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&jpeg->reader, 2);
	uint32_t length;
	uint32_t least = 2;

	if (!field)
		return 0;
	length = sgh_be16(field);
	if (is_sof(jpeg->code))
		least = 2 + SOF_LENGTH + 3;
	else if (jpeg->code == M_SOS)
		least = 2 + 1 + 2 + 3;
	if (length < least)
		return sgh_refuse(ret, "jpeg.length", jpeg->reader.offset - 2,
				  "a segment of marker 0x%02x cannot be %u bytes long",
				  jpeg->code, (unsigned)length);
	jpeg->left = length - 2;
	if (jpeg->left == 0)
		jpeg->state = MARKER;
	else
		jpeg->state = is_sof(jpeg->code) ? FRAME : SEGMENT;
	return 0;
}

static int read_frame(struct jpeg *jpeg, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&jpeg->reader, SOF_LENGTH);
	uint64_t start = jpeg->reader.offset - SOF_LENGTH;

	if (!field)
		return 0;
	jpeg->left -= SOF_LENGTH;
	if (field[0] < 2 || field[0] > 16)
		return sgh_refuse(ret, "jpeg.frame", start, "samples of %u bits",
				  field[0]);
	if (jpeg->left != 3 * (uint64_t)field[5])
		return sgh_refuse(ret, "jpeg.frame", start + 5,
				  "%u components in a frame header for %" PRIu64,
				  field[5], jpeg->left / 3);
	jpeg->has_frame = true;
	jpeg->height = sgh_be16(field + 1);
	jpeg->width = sgh_be16(field + 3);
	jpeg->state = SEGMENT;
	return sgh_image_size(jpeg->limits, jpeg->width, jpeg->height, 1, start + 1, ret);
}

static void read_segment(struct jpeg *jpeg)
{
	sgh_reader_skip(&jpeg->reader, &jpeg->left);
	if (jpeg->left > 0)
		return;
	jpeg->has_scan |= jpeg->code == M_SOS;
	jpeg->state = jpeg->code == M_SOS ? ENTROPY : MARKER;
}

static void read_entropy(struct jpeg *jpeg)
{
	size_t left = sgh_reader_left(&jpeg->reader);
	const unsigned char *marker = memchr(jpeg->reader.at, 0xff, left);

	if (!marker) {
		sgh_reader_advance(&jpeg->reader, left);
		return;
	}
	sgh_reader_advance(&jpeg->reader, (size_t)(marker - jpeg->reader.at) + 1);
	jpeg->state = ENTROPY_CODE;
}

/* A stuffed zero and restart markers belong to the scan; other codes end it. */
static int read_entropy_code(struct jpeg *jpeg, struct sgh_refusal *ret)
{
	unsigned char code = *jpeg->reader.at;

	if (code == 0x00 || (code >= M_RST0 && code <= M_RST7)) {
		sgh_reader_advance(&jpeg->reader, 1);
		jpeg->state = ENTROPY;
		return 0;
	}
	jpeg->state = CODE;
	return read_code(jpeg, ret);
}

static int step(struct jpeg *jpeg, struct sgh_refusal *ret)
{
	switch (jpeg->state) {
	case BEGIN:
		return read_signature(jpeg, ret);
	case MARKER:
		return read_marker(jpeg, ret);
	case CODE:
		return read_code(jpeg, ret);
	case LENGTH:
		return read_length(jpeg, ret);
	case FRAME:
		return read_frame(jpeg, ret);
	case SEGMENT:
		read_segment(jpeg);
		return 0;
	case ENTROPY:
		read_entropy(jpeg);
		return 0;
	case ENTROPY_CODE:
		return read_entropy_code(jpeg, ret);
	default:
		jpeg->trailing += sgh_reader_left(&jpeg->reader);
		sgh_reader_advance(&jpeg->reader, sgh_reader_left(&jpeg->reader));
		return 0;
	}
}

static int feed(void *state, const unsigned char *data, size_t length,
		struct sgh_refusal *ret)
{
	struct jpeg *jpeg = state;
	int status = 0;

	sgh_reader_set(&jpeg->reader, data, length);
	while (!status && sgh_reader_left(&jpeg->reader) > 0)
		status = step(jpeg, ret);
	return status;
}

static int finish(void *state, char facts[SGH_FACTS_SIZE], struct sgh_refusal *ret)
{
	const struct jpeg *jpeg = state;

	if (jpeg->state != TAIL)
		return sgh_refuse(ret, "jpeg.end", jpeg->reader.offset,
				  "the image ends without an EOI marker");
	sgh_image_facts(facts, jpeg->width, jpeg->height, 1, jpeg->trailing);
	return 0;
}

static void *begin(const struct sgh_limits *limits)
{
	struct jpeg *jpeg = calloc(1, sizeof(*jpeg));

	if (jpeg)
		jpeg->limits = limits;
	return jpeg;
}

static bool looks(const unsigned char *data, size_t length)
{
	return length >= 3 && data[0] == 0xff && data[1] == M_SOI && data[2] == 0xff;
}

const struct sgh_format sgh_format_jpeg = {
	.mime_type = "image/jpeg",
	.extension = "jpg",
	.looks = looks,
	.begin = begin,
	.feed = feed,
	.finish = finish,
	.end = free,
};
