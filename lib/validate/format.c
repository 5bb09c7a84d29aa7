/* SPDX-License-Identifier: MIT */
#include "validate/format.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include <sangraha/error.h>

int sgh_refuse(struct sgh_refusal *ret, const char *rule, uint64_t offset,
	       const char *format, ...)
{
	va_list args;

	ret->rule = rule;
	ret->offset = offset > INT64_MAX ? -1 : (int64_t)offset;
	va_start(args, format);
	vsnprintf(ret->message, sizeof(ret->message), format, args);
	va_end(args);
	return SANGRAHA_E_REJECTED;
}

int sgh_image_size(const struct sgh_limits *limits, uint64_t width, uint64_t height,
		   uint64_t frames, uint64_t offset, struct sgh_refusal *ret)
{
	uint64_t pixels;

	if (width == 0 || height == 0)
		return sgh_refuse(ret, "image.empty", offset,
				  "the image is %" PRIu64 " x %" PRIu64 " pixels", width,
				  height);
	if (__builtin_mul_overflow(width, height, &pixels) ||
	    pixels > limits->image_max_pixels)
		return sgh_refuse(ret, "image.pixels", offset,
				  "%" PRIu64 " x %" PRIu64
				  " pixels are more than %" PRIu64,
				  width, height, limits->image_max_pixels);
	if (__builtin_mul_overflow(pixels, frames, &pixels) ||
	    pixels > limits->image_max_total)
		return sgh_refuse(ret, "image.frames", offset,
				  "%" PRIu64 " frames of %" PRIu64 " x %" PRIu64
				  " pixels are more than %" PRIu64 " pixels",
				  frames, width, height, limits->image_max_total);
	return 0;
}

void sgh_image_facts(char facts[SGH_FACTS_SIZE], const struct sgh_image *image)
{
	char trailing[40] = "";

	if (image->trailing)
		snprintf(trailing, sizeof(trailing), ",\"trailing\":%" PRIu64,
			 image->trailing);
	snprintf(facts, SGH_FACTS_SIZE,
		 "{\"width\":%" PRIu64 ",\"height\":%" PRIu64 ",\"frames\":%" PRIu64
		 ",\"color\":\"%s\"%s}",
		 image->width, image->height, image->frames, image->color, trailing);
}

int sgh_image_trailing(const struct sgh_limits *limits, struct sgh_reader *reader,
		       uint64_t *trailing, struct sgh_refusal *ret)
{
	if (!limits->image_trailing)
		return sgh_refuse(ret, "image.trailing", reader->offset,
				  "something follows the end of the image");
	*trailing += sgh_reader_left(reader);
	sgh_reader_advance(reader, sgh_reader_left(reader));
	return 0;
}
