/* SPDX-License-Identifier: MIT */
#ifndef SGH_STORE_S3_ANSWER_H
#define SGH_STORE_S3_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How answers of S3 servers are read, by who has their keys and by who has a ticket. */

/*
 * What an answer that is an error means to the caller: a negative enum sangraha_status.
 * `code` is what its <Error> says, "" without one.
 */
int sgh_s3_status(long http, const char *code);

/* At most 19 digits; returns what follows them, NULL when there are none. */
const char *sgh_s3_number(const char *text, const char *end, uint64_t *ret);

struct sgh_s3_range {
	uint64_t first;
	uint64_t last;
	uint64_t size; /* of the whole */
};

/* "bytes 0-9/100" (RFC 9110, section 14.4); false for anything else. */
bool sgh_s3_content_range(const char *value, size_t length, struct sgh_s3_range *ret);

#endif
