/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_FORMAT_H
#define FUZZ_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/validate.h>

#include "validate/format.h"

/* The registry of the default policy, made once. */
struct sangraha_types *fuzz_types(void);

/* What a format said about an object. */
struct fuzz_outcome {
	int status;
	struct sgh_refusal refusal;
	char facts[SGH_FACTS_SIZE];
};

/*
 * Check an object by a format under the default policy, whole and in several splits, and
 * require the same answer each time, one that makes sense, and that a narrower policy
 * accepts no more and a wider one no less.
 */
struct fuzz_outcome fuzz_format(const struct sgh_format *format, const uint8_t *data,
				size_t size);

/*
 * The same of an image, whose end is known: cut anywhere before it, it is refused, and
 * what follows the end changes nothing but the fact "trailing".
 */
struct fuzz_outcome fuzz_image(const struct sgh_format *format, const uint8_t *data,
			       size_t size);
/* The object is refused: it is one that was accepted, and was damaged since. */
void fuzz_refused(const struct sgh_format *format, const uint8_t *data, size_t size);

/* Facts are what metadata can hold: a small JSON object. */
void fuzz_facts(const char *facts);

#endif
