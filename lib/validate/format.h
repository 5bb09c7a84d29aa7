/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_FORMAT_H
#define SGH_VALIDATE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crc32.h"
#include "validate/reader.h"

#define SGH_FACTS_SIZE 257 /* 256 bytes of compact JSON and the NUL */

/* Why bytes were refused. */
struct sgh_refusal {
	const char *rule; /* a stable word of README.md */
	int64_t offset;   /* of the first byte that cannot be right; -1: none */
	char message[256];
};

/* Fill a refusal; returns SANGRAHA_E_REJECTED, so that a check can `return sgh_refuse(…)`. */
int sgh_refuse(struct sgh_refusal *ret, const char *rule, uint64_t offset,
	       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* What checks go by; belongs to the registry and never changes. */
struct sgh_limits {
	unsigned json_max_depth;
	bool json_bom; /* accepted, as of the others below */
	bool json_scalars;
	bool json_fast; /* the processor can do what json_fast.c does */
	uint64_t image_max_pixels;
	uint64_t image_max_total; /* times frames */
	bool image_trailing;
	unsigned pdf_refused; /* enum sgh_pdf_fact, as bits */
	unsigned pdf_max_leading;
	unsigned pdf_max_trailing;
	struct sgh_crc32 crc32;
};

/*
 * The check of one format: a state machine that takes the bytes in any split, uses memory
 * that does not depend on their number, and gives the same answer for every split. Answers
 * are 0, SANGRAHA_E_REJECTED with *ret filled, or SANGRAHA_E_OVERLOADED without memory.
 * After an answer that is not 0 only end() may follow.
 */
struct sgh_format {
	const char *mime_type;
	const char *extension;

	/* The signature stands at byte 0; NULL when the format has none. */
	bool (*looks)(const unsigned char *data, size_t length);

	/* `limits` outlive the state. NULL without memory. */
	void *(*begin)(const struct sgh_limits *limits);
	int (*feed)(void *state, const unsigned char *data, size_t length,
		    struct sgh_refusal *ret);
	/* Ends the object; `facts` is a compact JSON object. */
	int (*finish)(void *state, char facts[SGH_FACTS_SIZE], struct sgh_refusal *ret);
	void (*end)(void *state);
};

extern const struct sgh_format sgh_format_json;
extern const struct sgh_format sgh_format_png;
extern const struct sgh_format sgh_format_jpeg;
extern const struct sgh_format sgh_format_gif;
extern const struct sgh_format sgh_format_webp;
extern const struct sgh_format sgh_format_pdf;

/*
 * The rule that all images share: width and height are not 0, width times height is
 * within the policy, times frames too. `offset` is where the numbers stand.
 */
int sgh_image_size(const struct sgh_limits *limits, uint64_t width, uint64_t height,
		   uint64_t frames, uint64_t offset, struct sgh_refusal *ret);
/* What there is to know of an image. */
struct sgh_image {
	uint64_t width;
	uint64_t height;
	uint64_t frames;
	const char *color; /* "rgb" */
	uint64_t trailing; /* bytes after its end */
};

/* {"width":…,"height":…,"frames":…,"color":…}, and "trailing" when bytes follow. */
void sgh_image_facts(char facts[SGH_FACTS_SIZE], const struct sgh_image *image);
/* Bytes follow the image, from `offset` on: count them, or refuse them by policy. */
int sgh_image_trailing(const struct sgh_limits *limits, struct sgh_reader *reader,
		       uint64_t *trailing, struct sgh_refusal *ret);

#endif
