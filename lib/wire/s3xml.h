/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_S3XML_H
#define SGH_WIRE_S3XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/error.h>

#include "base/arena.h"
#include "base/buf.h"
#include "wire/parts.h"

/* The XML that S3 servers answer with. All of it is bounded; a DTD is refused. */

#define SGH_S3_KEY_MAX    1024 /* bytes of UTF-8 */
#define SGH_S3_UPLOAD_MAX 1024 /* bytes of an upload id, printable without spaces */

/* An <Error>: what its elements said, cut to fit, without control characters. */
struct sgh_s3_error {
	char code[64]; /* "NoSuchKey", …; "" when not said */
	char message[200];
};

/*
 * Whether this is an <Error> document, as it may also come with status 200. False for
 * everything else, also for what is no XML; true, of an error that says nothing, without
 * the memory to tell.
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

/* Whether this can be an upload id. */
bool sgh_s3_upload_valid(const char *upload);

/*
 * An entity tag as we keep it, within quotes, which not every server writes everywhere.
 * False for what is none, or has more than SGH_PART_ETAG_MAX bytes with its quotes.
 */
bool sgh_s3_etag(const char *text, size_t length, char ret[SGH_PART_ETAG_MAX + 1]);

/* The upload id of an <InitiateMultipartUploadResult>. SANGRAHA_E_INTERNAL otherwise. */
int sgh_s3xml_begun(const void *data, size_t length, struct sgh_arena *arena,
		    const char **ret, struct sangraha_error *err);

struct sgh_s3_parts {
	struct sgh_part *parts; /* in the arena, by their numbers */
	size_t count;
	bool more; /* parts with larger numbers are left */
};

/*
 * Read a <ListPartsResult> of at most `max_parts` parts with numbers over `after`. Fails as
 * sgh_s3xml_list() does.
 */
int sgh_s3xml_parts(const void *data, size_t length, size_t max_parts, unsigned after,
		    struct sgh_arena *arena, struct sgh_s3_parts *ret,
		    struct sangraha_error *err);

/* Some of the open uploads of one key. */
struct sgh_s3_uploads {
	const char **uploads; /* ids; in the arena */
	size_t count;
	const char *next; /* go on behind this one; NULL: those were all. In the arena */
};

/*
 * Read a <ListMultipartUploadsResult> of at most `max_uploads`, of which those of exactly
 * `key` are kept. Fails as sgh_s3xml_list() does.
 */
int sgh_s3xml_uploads(const void *data, size_t length, const char *key,
		      size_t max_uploads, struct sgh_arena *arena,
		      struct sgh_s3_uploads *ret, struct sangraha_error *err);

/* Append a <CompleteMultipartUpload>. */
void sgh_s3xml_complete_write(const struct sgh_part *parts, size_t count,
			      struct sgh_buf *buf);

/* Whether this is a whole <CompleteMultipartUploadResult>. */
bool sgh_s3xml_completed(const void *data, size_t length);

#endif
