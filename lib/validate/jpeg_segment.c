/* SPDX-License-Identifier: MIT */
#include "validate/jpeg.h"

#include <inttypes.h>

#include <sangraha/error.h>

#include "base/util.h"

/* ITU-T T.81, sections B.2.2 to B.2.5: what segments hold. */

bool sgh_jpeg_is_sof(unsigned char code)
{
	return code >= SGH_JPEG_SOF0 && code <= SGH_JPEG_SOF15 && code != SGH_JPEG_DHT &&
	       code != SGH_JPEG_JPG && code != SGH_JPEG_DAC;
}

static bool is_lossless(const struct sgh_jpeg *jpeg)
{
	return (jpeg->sof & 3) == 3;
}

static bool is_progressive(const struct sgh_jpeg *jpeg)
{
	return (jpeg->sof & 3) == 2;
}

static size_t size_of(enum sgh_jpeg_part part)
{
	static const size_t sizes[] = {
		[SGH_JPEG_FRAME] = 6,    [SGH_JPEG_COMPONENT] = 3,
		[SGH_JPEG_SCAN] = 1,     [SGH_JPEG_SELECTOR] = 2,
		[SGH_JPEG_SPECTRUM] = 3, [SGH_JPEG_QUANTIZATION] = 1,
		[SGH_JPEG_HUFFMAN] = 17, [SGH_JPEG_CONDITIONING] = 2,
		[SGH_JPEG_INTERVAL] = 2, [SGH_JPEG_LINES] = 2,
		[SGH_JPEG_JFIF] = 5,     [SGH_JPEG_ADOBE] = 12,
	};

	return sizes[part];
}

static enum sgh_jpeg_part part_of(const struct sgh_jpeg *jpeg)
{
	switch (jpeg->code) {
	case SGH_JPEG_SOS:
		return SGH_JPEG_SCAN;
	case SGH_JPEG_DQT:
		return SGH_JPEG_QUANTIZATION;
	case SGH_JPEG_DHT:
		return SGH_JPEG_HUFFMAN;
	case SGH_JPEG_DAC:
		return SGH_JPEG_CONDITIONING;
	case SGH_JPEG_DRI:
		return SGH_JPEG_INTERVAL;
	case SGH_JPEG_DNL:
		return SGH_JPEG_LINES;
	case SGH_JPEG_APP0:
		return SGH_JPEG_JFIF;
	case SGH_JPEG_APP14:
		return SGH_JPEG_ADOBE;
	default:
		return sgh_jpeg_is_sof(jpeg->code) || jpeg->code == SGH_JPEG_DHP
			       ? SGH_JPEG_FRAME
			       : SGH_JPEG_REST;
	}
}

unsigned sgh_jpeg_segment_begin(struct sgh_jpeg *jpeg)
{
	jpeg->part = part_of(jpeg);
	jpeg->skip = 0;
	switch (jpeg->part) {
	case SGH_JPEG_FRAME:
		return 6 + 3;
	case SGH_JPEG_SCAN:
		return 1 + 2 + 3;
	case SGH_JPEG_JFIF:
	case SGH_JPEG_ADOBE:
		/* Others use these markers too, and for less. */
		if (jpeg->left < size_of(jpeg->part))
			jpeg->part = SGH_JPEG_REST;
		return 0;
	default:
		return (unsigned)size_of(jpeg->part);
	}
}

static bool precision_valid(unsigned char sof, unsigned bits)
{
	if (sof == SGH_JPEG_SOF0)
		return bits == 8;
	return (sof & 3) == 3 ? bits >= 2 && bits <= 16 : bits == 8 || bits == 12;
}

/*
 * A height of 0 is told by a DNL segment behind the first scan. The frames of a
 * hierarchical image are steps on the way to the size that DHP told.
 */
static int read_size(struct sgh_jpeg *jpeg, const unsigned char *field, uint64_t offset,
		     struct sgh_refusal *ret)
{
	uint32_t height = sgh_be16(field);
	uint32_t width = sgh_be16(field + 2);

	if (!jpeg->hierarchical) {
		jpeg->image.width = width;
		jpeg->image.height = height;
		jpeg->size_at = offset;
	}
	return sgh_image_size(jpeg->limits, width, height ? height : 1, 1, offset, ret);
}

static int read_frame(struct sgh_jpeg *jpeg, const unsigned char *field, uint64_t offset,
		      struct sgh_refusal *ret)
{
	unsigned most = 255;

	if (jpeg->code != SGH_JPEG_DHP) {
		jpeg->sof = jpeg->code;
		if (!precision_valid(jpeg->sof, field[0]))
			return sgh_refuse(ret, "jpeg.frame", offset, "samples of %u bits",
					  field[0]);
		most = is_progressive(jpeg) ? 4 : 255;
	}
	if (field[5] == 0 || field[5] > most || jpeg->left != 3 * (uint64_t)field[5])
		return sgh_refuse(ret, "jpeg.frame", offset + 5,
				  "%u components in a frame header for %" PRIu64,
				  field[5], jpeg->left / 3);
	jpeg->items = jpeg->components = field[5];
	jpeg->rgb_letters = 0;
	memset(jpeg->quantizers, 0, sizeof(jpeg->quantizers));
	jpeg->part = SGH_JPEG_COMPONENT;
	return read_size(jpeg, field + 1, offset + 1, ret);
}

static int read_component(struct sgh_jpeg *jpeg, const unsigned char *field,
			  uint64_t offset, struct sgh_refusal *ret)
{
	unsigned across = field[1] >> 4;
	unsigned down = field[1] & 15;
	unsigned index = jpeg->components - jpeg->items;

	if (across < 1 || across > 4 || down < 1 || down > 4)
		return sgh_refuse(ret, "jpeg.frame", offset + 1,
				  "sampling factors %u and %u", across, down);
	if (field[2] > 3)
		return sgh_refuse(ret, "jpeg.frame", offset + 2,
				  "there is no quantization table %u", field[2]);
	if (index < 3 && field[0] == (unsigned char)"RGB"[index])
		jpeg->rgb_letters++;
	jpeg->quantizers[field[0]] = (unsigned char)(field[2] + 1);
	if (--jpeg->items > 0)
		return 0;
	jpeg->part = SGH_JPEG_REST;
	if (jpeg->code == SGH_JPEG_DHP)
		jpeg->hierarchical = true;
	else
		jpeg->has_frame = true;
	return 0;
}

static int read_scan(struct sgh_jpeg *jpeg, const unsigned char *field, uint64_t offset,
		     struct sgh_refusal *ret)
{
	if (field[0] < 1 || field[0] > 4 || jpeg->left != 2 * (uint64_t)field[0] + 3)
		return sgh_refuse(ret, "jpeg.scan", offset,
				  "%u components in a scan header for %" PRIu64, field[0],
				  (jpeg->left - 3) / 2);
	jpeg->items = field[0];
	jpeg->part = SGH_JPEG_SELECTOR;
	return 0;
}

static int read_selector(struct sgh_jpeg *jpeg, const unsigned char *field,
			 uint64_t offset, struct sgh_refusal *ret)
{
	unsigned quantizer = jpeg->quantizers[field[0]];

	if (quantizer == 0)
		return sgh_refuse(ret, "jpeg.scan", offset,
				  "the frame has no component %u", field[0]);
	if (!is_lossless(jpeg) && !(jpeg->tables >> (quantizer - 1) & 1))
		return sgh_refuse(ret, "jpeg.scan", offset,
				  "quantization table %u is not defined", quantizer - 1);
	if (field[1] >> 4 > 3 || (field[1] & 15) > 3)
		return sgh_refuse(ret, "jpeg.scan", offset + 1,
				  "there are no entropy coding tables 0x%02x", field[1]);
	if (--jpeg->items == 0)
		jpeg->part = SGH_JPEG_SPECTRUM;
	return 0;
}

/* Decoders take anything for these but in progressive scans: T.81, section G.1.1.1. */
static int read_spectrum(struct sgh_jpeg *jpeg, const unsigned char *field,
			 uint64_t offset, struct sgh_refusal *ret)
{
	unsigned high = field[2] >> 4;
	unsigned low = field[2] & 15;

	jpeg->part = SGH_JPEG_REST;
	if (!is_progressive(jpeg))
		return 0;
	if (field[1] > 63 || field[0] > field[1] || (field[0] == 0 && field[1] != 0))
		return sgh_refuse(ret, "jpeg.scan", offset,
				  "a progressive scan of coefficients %u to %u", field[0],
				  field[1]);
	if (low > 13 || (high != 0 && low != high - 1))
		return sgh_refuse(ret, "jpeg.scan", offset + 2,
				  "a progressive scan from bit %u to %u", high, low);
	return 0;
}

static int read_quantization(struct sgh_jpeg *jpeg, const unsigned char *field,
			     uint64_t offset, struct sgh_refusal *ret)
{
	if (field[0] >> 4 > 1 || (field[0] & 15) > 3)
		return sgh_refuse(ret, "jpeg.table", offset,
				  "there is no quantization table 0x%02x", field[0]);
	jpeg->tables |= 1u << (field[0] & 15);
	jpeg->skip = field[0] >> 4 ? 128 : 64;
	return 0;
}

/*
 * How many codes there are of each length; there must be room for them, and for one more:
 * no code is all ones (T.81, annex C), and decoders refuse that.
 */
static int read_huffman(struct sgh_jpeg *jpeg, const unsigned char *field,
			uint64_t offset, struct sgh_refusal *ret)
{
	uint32_t codes = 0;

	if (field[0] >> 4 > 1 || (field[0] & 15) > 3)
		return sgh_refuse(ret, "jpeg.table", offset,
				  "there is no Huffman table 0x%02x", field[0]);
	for (unsigned bits = 1; bits <= 16; bits++) {
		codes = codes * 2 + field[bits];
		jpeg->skip += field[bits];
		if ((field[bits] && codes >= 1u << bits) || jpeg->skip > 256)
			return sgh_refuse(ret, "jpeg.table", offset + bits,
					  "too many Huffman codes of %u bits", bits);
	}
	return 0;
}

static int read_lines(struct sgh_jpeg *jpeg, const unsigned char *field,
		      struct sgh_refusal *ret)
{
	jpeg->part = SGH_JPEG_REST;
	if (jpeg->image.height > 0 || !jpeg->has_scan)
		return 0;
	jpeg->image.height = sgh_be16(field);
	return sgh_image_size(jpeg->limits, jpeg->image.width,
			      jpeg->image.height ? jpeg->image.height : 1, 1,
			      jpeg->size_at, ret);
}

static int read_adobe(struct sgh_jpeg *jpeg, const unsigned char *field)
{
	if (memcmp(field, "Adobe", 5) == 0) {
		jpeg->adobe = true;
		jpeg->transform = field[11];
	}
	jpeg->part = SGH_JPEG_REST;
	return 0;
}

static int read_part(struct sgh_jpeg *jpeg, const unsigned char *field, uint64_t offset,
		     struct sgh_refusal *ret)
{
	switch (jpeg->part) {
	case SGH_JPEG_FRAME:
		return read_frame(jpeg, field, offset, ret);
	case SGH_JPEG_COMPONENT:
		return read_component(jpeg, field, offset, ret);
	case SGH_JPEG_SCAN:
		return read_scan(jpeg, field, offset, ret);
	case SGH_JPEG_SELECTOR:
		return read_selector(jpeg, field, offset, ret);
	case SGH_JPEG_SPECTRUM:
		return read_spectrum(jpeg, field, offset, ret);
	case SGH_JPEG_QUANTIZATION:
		return read_quantization(jpeg, field, offset, ret);
	case SGH_JPEG_HUFFMAN:
		return read_huffman(jpeg, field, offset, ret);
	case SGH_JPEG_LINES:
		return read_lines(jpeg, field, ret);
	case SGH_JPEG_JFIF:
		jpeg->jfif |= memcmp(field, "JFIF", 5) == 0;
		jpeg->part = SGH_JPEG_REST;
		return 0;
	case SGH_JPEG_ADOBE:
		return read_adobe(jpeg, field);
	case SGH_JPEG_CONDITIONING:
		return 0;
	default: /* SGH_JPEG_INTERVAL */
		jpeg->part = SGH_JPEG_REST;
		return 0;
	}
}

static int refuse_length(const struct sgh_jpeg *jpeg, struct sgh_refusal *ret)
{
	return sgh_refuse(ret, "jpeg.length", jpeg->reader.offset - jpeg->reader.held,
			  "the segment of marker 0x%02x ends within a table", jpeg->code);
}

int sgh_jpeg_segment_read(struct sgh_jpeg *jpeg, struct sgh_refusal *ret)
{
	size_t length = size_of(jpeg->part);
	const unsigned char *field;
	int status;

	if (jpeg->skip > 0) {
		jpeg->left -= sgh_reader_skip(&jpeg->reader, &jpeg->skip);
		return 0;
	}
	if (jpeg->part == SGH_JPEG_REST) {
		sgh_reader_skip(&jpeg->reader, &jpeg->left);
		return 0;
	}
	if (length > jpeg->left)
		return refuse_length(jpeg, ret);
	field = sgh_reader_take(&jpeg->reader, length);
	if (!field)
		return 0;
	jpeg->left -= length;
	status = read_part(jpeg, field, jpeg->reader.offset - length, ret);
	return !status && jpeg->skip > jpeg->left ? refuse_length(jpeg, ret) : status;
}

/* As libjpeg tells them, which everybody follows. */
const char *sgh_jpeg_color(const struct sgh_jpeg *jpeg)
{
	switch (jpeg->components) {
	case 1:
		return "gray";
	case 3:
		if (jpeg->jfif)
			return "ycbcr";
		if (jpeg->adobe)
			return jpeg->transform ? "ycbcr" : "rgb";
		return jpeg->rgb_letters == 3 ? "rgb" : "ycbcr";
	case 4:
		return jpeg->adobe && jpeg->transform == 2 ? "ycck" : "cmyk";
	default:
		return "other";
	}
}
