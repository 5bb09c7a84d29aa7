/* SPDX-License-Identifier: MIT */
#include "validate/jpeg.h"

#include <sangraha/error.h>

#include "base/util.h"

/*
 * JPEG (ITU-T T.81, annex B): marker segments from SOI to EOI; after each SOS segment come
 * entropy-coded bytes up to the next marker. Nothing is decoded. Restart markers are not
 * counted: cameras get them wrong.
 */
#define RESERVED_FIRST 0x02
#define RESERVED_LAST  0xbf

enum state {
	BEGIN,
	MARKER, /* 0xff */
	CODE,   /* after it: fill bytes and the marker's code */
	LENGTH,
	SEGMENT,
	FIRST_ENTROPY, /* the first byte of a scan */
	ENTROPY,
	ENTROPY_CODE, /* after 0xff in entropy-coded bytes */
	TAIL,         /* after EOI */
};

static int read_signature(struct sgh_jpeg *jpeg, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&jpeg->reader, 2);

	if (!field)
		return 0;
	if (field[0] != 0xff || field[1] != SGH_JPEG_SOI)
		return sgh_refuse(ret, "jpeg.signature", field[0] == 0xff,
				  "this is no JPEG signature");
	jpeg->state = MARKER;
	return 0;
}

static int read_marker(struct sgh_jpeg *jpeg, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&jpeg->reader, 1);

	if (*field != 0xff)
		return sgh_refuse(ret, "jpeg.marker", jpeg->reader.offset - 1,
				  "expected a marker, found byte 0x%02x", *field);
	jpeg->state = CODE;
	return 0;
}

static int refuse_code(const struct sgh_jpeg *jpeg, const char *rule, const char *why,
		       struct sgh_refusal *ret)
{
	return sgh_refuse(ret, rule, jpeg->reader.offset - 1, "marker 0x%02x %s",
			  jpeg->code, why);
}

static bool is_restart(unsigned char code)
{
	return code >= SGH_JPEG_RST0 && code <= SGH_JPEG_RST7;
}

static int end_image(struct sgh_jpeg *jpeg, struct sgh_refusal *ret)
{
	if (!jpeg->has_scan)
		return refuse_code(jpeg, "jpeg.order",
				   "ends the image before any image data", ret);
	jpeg->state = TAIL;
	/* Nothing told the number of lines after all. */
	return sgh_image_size(jpeg->limits, jpeg->image.width, jpeg->image.height, 1,
			      jpeg->size_at, ret);
}

static int check_order(const struct sgh_jpeg *jpeg, struct sgh_refusal *ret)
{
	if (sgh_jpeg_is_sof(jpeg->code) && jpeg->has_frame && !jpeg->hierarchical)
		return refuse_code(jpeg, "jpeg.order", "begins a second frame", ret);
	if (jpeg->code == SGH_JPEG_DHP && (jpeg->has_frame || jpeg->hierarchical))
		return refuse_code(jpeg, "jpeg.order", "comes after a frame", ret);
	if (jpeg->code == SGH_JPEG_SOS && !jpeg->has_frame)
		return refuse_code(jpeg, "jpeg.order", "begins a scan before a frame",
				   ret);
	return 0;
}

/* The code of a marker, in the header, between scans or at the end of one. */
static int read_code(struct sgh_jpeg *jpeg, struct sgh_refusal *ret)
{
	unsigned char code = *sgh_reader_take(&jpeg->reader, 1);

	if (code == 0xff) /* fill bytes may stand before a code */
		return 0;
	jpeg->code = code;
	if (code == 0x00 || code == SGH_JPEG_SOI ||
	    (code >= RESERVED_FIRST && code <= RESERVED_LAST))
		return refuse_code(jpeg, "jpeg.marker", "has no place here", ret);
	if (code == SGH_JPEG_TEM || is_restart(code)) {
		jpeg->state = MARKER;
		return 0;
	}
	if (code == SGH_JPEG_EOI)
		return end_image(jpeg, ret);
	jpeg->state = LENGTH;
	return check_order(jpeg, ret);
}

static void end_segment(struct sgh_jpeg *jpeg)
{
	if (jpeg->left == 0)
		jpeg->state = jpeg->code == SGH_JPEG_SOS ? FIRST_ENTROPY : MARKER;
}

static int read_length(struct sgh_jpeg *jpeg, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&jpeg->reader, 2);
	uint32_t length;

	if (!field)
		return 0;
	length = sgh_be16(field);
	jpeg->left = length < 2 ? 0 : length - 2;
	if (length < 2 || jpeg->left < sgh_jpeg_segment_begin(jpeg))
		return sgh_refuse(ret, "jpeg.length", jpeg->reader.offset - 2,
				  "a segment of marker 0x%02x cannot be %u bytes long",
				  jpeg->code, (unsigned)length);
	jpeg->state = SEGMENT;
	end_segment(jpeg);
	return 0;
}

static int read_segment(struct sgh_jpeg *jpeg, struct sgh_refusal *ret)
{
	int status = sgh_jpeg_segment_read(jpeg, ret);

	end_segment(jpeg);
	return status;
}

/* Arithmetic coding leaves zeros at the end of a scan out, all of them perhaps. */
static bool may_be_empty(const struct sgh_jpeg *jpeg)
{
	return (jpeg->sof & 0x0f) > 8;
}

static void read_first_entropy(struct sgh_jpeg *jpeg)
{
	jpeg->has_scan |= may_be_empty(jpeg);
	jpeg->state = ENTROPY;
	if (*jpeg->reader.at != 0xff)
		jpeg->has_scan = true;
}

static void read_entropy(struct sgh_jpeg *jpeg)
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

/*
 * A stuffed zero and restart markers belong to the scan, fill bytes before them too; other
 * codes end it.
 */
static int read_entropy_code(struct sgh_jpeg *jpeg, struct sgh_refusal *ret)
{
	unsigned char code = *jpeg->reader.at;

	if (code == 0xff) {
		sgh_reader_advance(&jpeg->reader, 1);
		return 0;
	}
	if (code == 0x00 || is_restart(code)) {
		jpeg->has_scan |= code == 0x00;
		sgh_reader_advance(&jpeg->reader, 1);
		jpeg->state = ENTROPY;
		return 0;
	}
	jpeg->state = CODE;
	return read_code(jpeg, ret);
}

static int step(struct sgh_jpeg *jpeg, struct sgh_refusal *ret)
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
	case SEGMENT:
		return read_segment(jpeg, ret);
	case FIRST_ENTROPY:
		read_first_entropy(jpeg);
		return 0;
	case ENTROPY:
		read_entropy(jpeg);
		return 0;
	case ENTROPY_CODE:
		return read_entropy_code(jpeg, ret);
	default:
		return sgh_image_trailing(jpeg->limits, &jpeg->reader,
					  &jpeg->image.trailing, ret);
	}
}

static int feed(void *state, const unsigned char *data, size_t length,
		struct sgh_refusal *ret)
{
	struct sgh_jpeg *jpeg = state;
	int status = 0;

	sgh_reader_set(&jpeg->reader, data, length);
	while (!status && sgh_reader_left(&jpeg->reader) > 0)
		status = step(jpeg, ret);
	return status;
}

static int finish(void *state, char facts[SGH_FACTS_SIZE], struct sgh_refusal *ret)
{
	struct sgh_jpeg *jpeg = state;

	if (jpeg->state != TAIL)
		return sgh_refuse(ret, "jpeg.end", jpeg->reader.offset,
				  "the image ends without an EOI marker");
	jpeg->image.color = sgh_jpeg_color(jpeg);
	sgh_image_facts(facts, &jpeg->image);
	return 0;
}

static void *begin(const struct sgh_limits *limits)
{
	struct sgh_jpeg *jpeg = calloc(1, sizeof(*jpeg));

	if (!jpeg)
		return NULL;
	jpeg->limits = limits;
	jpeg->image.frames = 1;
	return jpeg;
}

static bool looks(const unsigned char *data, size_t length)
{
	return length >= 3 && data[0] == 0xff && data[1] == SGH_JPEG_SOI &&
	       data[2] == 0xff;
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
