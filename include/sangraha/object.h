/* SPDX-License-Identifier: MIT */
/* Objects as they are described, their ids and references. */
#ifndef SANGRAHA_OBJECT_H
#define SANGRAHA_OBJECT_H

#include <stddef.h>
#include <stdint.h>

#include <sangraha/context.h>
#include <sangraha/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SANGRAHA_ID_SIZE        37 /* a UUID in lower case and its NUL */
#define SANGRAHA_TYPE_SIZE      33 /* the longest type name and its NUL */
#define SANGRAHA_REFERENCE_SIZE 70 /* "type/uuid" and its NUL */
#define SANGRAHA_SHA256_SIZE    65 /* lower-case hexadecimal and its NUL */

/*
 * The description of a stored object: immutable, reference counted, usable from any
 * thread. Strings that the functions below return are borrowed from it; `object` is not
 * NULL.
 */
struct sangraha_object;

/* Take another reference; returns its argument, which may be NULL. Since: 0.1 */
struct sangraha_object *sangraha_object_ref(struct sangraha_object *object);
/* Drop a reference; NULL is accepted. Since: 0.1 */
void sangraha_object_unref(struct sangraha_object *object);

/* UUID in lower case. Since: 0.1 */
const char *sangraha_object_id(const struct sangraha_object *object);
/* "json", "image", "pdf" or a type that the deployment added. Since: 0.1 */
const char *sangraha_object_type(const struct sangraha_object *object);
/* "type/uuid". Since: 0.1 */
const char *sangraha_object_reference(const struct sangraha_object *object);
/* The original name, UTF-8, at most 255 bytes; NULL when none was given. Since: 0.1 */
const char *sangraha_object_filename(const struct sangraha_object *object);
/* The detected media type, without parameters. Since: 0.1 */
const char *sangraha_object_content_type(const struct sangraha_object *object);
/* How many bytes the object has. Since: 0.1 */
uint64_t sangraha_object_size(const struct sangraha_object *object);
/* SHA-256 of the bytes, lower-case hexadecimal. Since: 0.1 */
const char *sangraha_object_sha256(const struct sangraha_object *object);
/* A strong entity tag with its quotes (RFC 9110, section 8.8.3). Since: 0.1 */
const char *sangraha_object_etag(const struct sangraha_object *object);
/* When it was created: RFC 3339, UTC, with milliseconds. Since: 0.1 */
const char *sangraha_object_created(const struct sangraha_object *object);
/* The same in Unix milliseconds. Since: 0.1 */
int64_t sangraha_object_created_ms(const struct sangraha_object *object);
/*
 * What validation learnt, as compact JSON; "{}" when nothing. Of an image
 * {"width":3,"height":2,"frames":1}, of JSON "kind", "depth" and "values", of a PDF
 * "version" and "encrypted". Since: 0.1
 */
const char *sangraha_object_facts(const struct sangraha_object *object);
/*
 * One fact that is a whole number, "width", or true (1) or false (0), "encrypted". 0, or
 * SANGRAHA_E_NOT_FOUND, also for a fact of another kind: *ret_number is untouched then.
 * Reads sangraha_object_facts() anew each time. Since: 0.1
 */
int sangraha_object_fact(const struct sangraha_object *object, const char *name,
			 int64_t *ret_number);
/* User metadata: the value of a name (UTF-8, decoded), or NULL. Since: 0.1 */
const char *sangraha_object_meta(const struct sangraha_object *object, const char *name);
/*
 * The i-th pair of user metadata in order of names, from 0; returns 0, or
 * SANGRAHA_E_NOT_FOUND past the end. There are at most 32. Since: 0.1
 */
int sangraha_object_meta_at(const struct sangraha_object *object, size_t i,
			    const char **ret_name, const char **ret_value);

/*
 * The description as the HTTP interface shows it, one JSON object, NUL-terminated. On
 * success *ret_text is yours: sangraha_free(). Since: 0.1
 */
int sangraha_object_json(const struct sangraha_object *object, char **ret_text,
			 struct sangraha_error *err);

/*
 * The reverse: the description that `length` bytes of JSON tell of. Members that are not
 * known are ignored. On success *ret is a new reference: sangraha_object_unref().
 * SANGRAHA_E_INTERNAL for what is no description. Since: 0.1
 */
int sangraha_object_parse(const char *json, size_t length, struct sangraha_object **ret,
			  struct sangraha_error *err);

/*
 * Mint an id: UUID version 7 (RFC 9562, section 5.7), ordered by time and, inside one
 * millisecond of one context, by a counter. Since: 0.1
 */
int sangraha_id_new(struct sangraha_context *context, char id[SANGRAHA_ID_SIZE],
		    struct sangraha_error *err);

/*
 * The id of an idempotency key: UUID version 5 (RFC 9562, section 5.5) of Sangraha's
 * namespace and `key`, the same everywhere. `key` is 1 to 255 bytes. Since: 0.1
 */
int sangraha_id_from_key(const char *key, char id[SANGRAHA_ID_SIZE],
			 struct sangraha_error *err);

/*
 * 1 when `id` is a UUID in lower case with hyphens, of any version; otherwise 0.
 * Since: 0.1
 */
int sangraha_id_valid(const char *id);

/*
 * Split "type/uuid". Fails with SANGRAHA_E_INVALID for anything else; whether the type is
 * registered is not looked at. Since: 0.1
 */
int sangraha_reference_parse(const char *reference, char type[SANGRAHA_TYPE_SIZE],
			     char id[SANGRAHA_ID_SIZE], struct sangraha_error *err);

#ifdef __cplusplus
}
#endif

#endif
