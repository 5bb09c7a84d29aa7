/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_OBJECT_H
#define SGH_WIRE_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include <sangraha/object.h>

#include "base/arena.h"

#define SGH_FACTS_SIZE     257 /* compact JSON and its NUL */
#define SGH_FILENAME_MAX   255 /* bytes of UTF-8 */
#define SGH_META_MAX       32  /* pairs of user metadata */
#define SGH_META_BYTES_MAX 512 /* names and percent-encoded values, together */
#define SGH_STORE_META_MAX 48  /* pairs of stored metadata */

/* A name and its value, borrowed. */
struct sgh_pair {
	const char *name;
	const char *value;
};

struct sangraha_object {
	int refs; /* atomic */
	struct sgh_arena arena;
	char id[SANGRAHA_ID_SIZE];
	char type[SANGRAHA_TYPE_SIZE];
	char reference[SANGRAHA_REFERENCE_SIZE];
	char sha256[SANGRAHA_SHA256_SIZE];   /* "": its record tells it */
	char etag[SANGRAHA_SHA256_SIZE + 2]; /* "" without a digest */
	char created[32];
	int64_t created_ms;
	uint64_t size;
	const char *filename; /* NULL: none */
	const char *content_type;
	const char *facts;     /* "{}" when nothing */
	const char *rules;     /* the rule version; NULL: not known */
	const char *operation; /* the operation id that stored it; NULL: not known */
	const char *record;    /* the record id it pins; NULL: it needs no record */
	struct sgh_pair meta[SGH_META_MAX]; /* sorted by name */
	size_t meta_count;
};

/* [a-z][a-z0-9-]{0,31} */
bool sgh_type_name_valid(const char *name);

/*
 * User metadata: at most SGH_META_MAX pairs and SGH_META_BYTES_MAX bytes, names
 * [a-z0-9-]{1,64} and each but once, values UTF-8. SANGRAHA_E_INVALID otherwise.
 */
int sgh_meta_check(const struct sgh_pair *pairs, size_t count,
		   struct sangraha_error *err);

/* What an object is made of; everything is copied. */
struct sgh_object_parts {
	const char *id;
	const char *type;
	const char *filename;
	const char *content_type; /* NULL: application/octet-stream */
	const char *sha256;       /* NULL with a record that will tell it */
	int64_t created_ms;
	uint64_t size;
	const char *facts;
	const char *rules;
	const char *operation;
	const char *record;
	const struct sgh_pair *meta;
	size_t meta_count;
};

/*
 * Make a description, refs 1. SANGRAHA_E_INVALID when a part is not what it should be: an
 * id, a type name, a digest, a file name (see wire/filename.h), metadata over its bounds.
 */
int sgh_object_new(const struct sgh_object_parts *parts, struct sangraha_object **ret,
		   struct sangraha_error *err);

/*
 * Give an object that nobody else has seen yet its digest, facts and rules, which are
 * copied; facts and rules may be NULL. SANGRAHA_E_INVALID when one is not what it should
 * be.
 */
int sgh_object_complete(struct sangraha_object *object, const char *sha256,
			const char *facts, const char *rules, struct sangraha_error *err);

/* How many bytes of memory it takes. */
size_t sgh_object_memory(const struct sangraha_object *object);

/*
 * Stored metadata, version 1: names without "x-amz-meta-" ("sangraha",
 * "sangraha-filename", …), values percent-encoded where docs/protocol.md says so.
 * `arena` owns the strings. *ret_count is at most SGH_STORE_META_MAX. What an object
 * without a digest has only from its record, digest and facts, is left out.
 * SANGRAHA_E_INVALID when it is more than the 2 KiB that S3 servers take.
 */
int sgh_object_to_meta(const struct sangraha_object *object, struct sgh_arena *arena,
		       struct sgh_pair pairs[SGH_STORE_META_MAX], size_t *ret_count,
		       struct sangraha_error *err);

/*
 * The reverse. SANGRAHA_E_INTERNAL when the metadata is not ours or broken. One that pins
 * a record has no digest before sgh_record_describe().
 */
int sgh_object_from_meta(const char *type, const char *id, const char *content_type,
			 uint64_t size, const struct sgh_pair *pairs, size_t count,
			 struct sangraha_object **ret, struct sangraha_error *err);

/* The description as JSON (design: "Description"), and the reverse. */
struct sgh_buf;
void sgh_object_write_json(const struct sangraha_object *object, struct sgh_buf *buf);
int sgh_object_parse_json(const void *json, size_t length, struct sangraha_object **ret,
			  struct sangraha_error *err);

#endif
