/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_S3XML_H
#define SGH_WIRE_S3XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/error.h>

#include "base/arena.h"

/* The XML that S3 servers answer with. All of it is bounded; a DTD is refused. */

#define SGH_S3_KEY_MAX 1024 /* bytes of UTF-8 */

/* An <Error>: what its elements said, cut to fit, without control characters. */
struct sgh_s3_error {
	char code[64]; /* "NoSuchKey", …; "" when not said */
	char message[200];
};

/*
 * Whether this is an <Error> document, as it may also come with status 200. False for
 * everything else, also for what is no XML.
 */
bool sgh_s3xml_error(const void *data, size_t length, struct sgh_s3_error *ret);

struct sgh_s3_key {
	const char *key;     /* in the arena */
	uint64_t size;       /* bytes */
	int64_t modified_ms; /* Unix; 0: not said */
};

struct sgh_s3_list {
	struct sgh_s3_key *keys; /* in the arena */
	size_t count;
	bool more; /* the listing is cut: keys are left */
};

/*
 * Read a <ListBucketResult> of at most `max_keys` keys. SANGRAHA_E_INTERNAL for anything
 * else, _OVERLOADED past the bound of the arena.
 */
int sgh_s3xml_list(const void *data, size_t length, size_t max_keys,
		   struct sgh_arena *arena, struct sgh_s3_list *ret,
		   struct sangraha_error *err);

#endif
