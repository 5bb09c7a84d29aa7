/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_JSON_H
#define SGH_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include <sangraha/error.h>

/*
 * The project's own JSON documents, as they come from peers. A strict scanner (RFC 8259)
 * goes first, since cJSON lets through what is no JSON, cuts strings at \u0000, recurses
 * and keeps the first of two members with one name. cJSON then sees one flat object:
 * what is nested or large is handed out as raw text instead.
 */

#define SGH_JSON_DEPTH_MAX   64
#define SGH_JSON_MEMBERS_MAX 128
#define SGH_JSON_FLAT_MAX    (64 << 10)
#define SGH_JSON_EXACT_MAX   ((int64_t)1 << 53) /* integers that doubles hold exactly */

/* Where the text of a value lies in the document. */
struct sgh_json_raw {
	const char *name; /* of the member, asked for */
	const char *text; /* NULL: there is none, or it is null */
	size_t length;
};

/*
 * Read one object. The members named in `raws` are found but not parsed; of the others,
 * nested ones read as an empty array. On success *ret is yours: cJSON_Delete(). SANGRAHA_E_INVALID
 * for what is no JSON object, has a member twice, or is over a bound.
 */
int sgh_json_open(const void *text, size_t length, struct sgh_json_raw *raws,
		  size_t raw_count, cJSON **ret, struct sangraha_error *err);

/*
 * The next element of the raw array at *at, which ends at `end`; begins with *at at the
 * array's "[". False at its end. The array was in a document that sgh_json_open() read.
 */
bool sgh_json_next(const char **at, const char *end, struct sgh_json_raw *ret);

/* Whether all of `text` is one value of JSON with this first character. */
bool sgh_json_is(const void *text, size_t length, char first);

/* The member when it is a string, otherwise NULL. */
const char *sgh_json_text(const cJSON *object, const char *name);
/* The number when it is an integer that a double holds exactly. */
bool sgh_json_integer(const cJSON *item, int64_t *ret);

static inline void sgh_json_free_at(cJSON **at)
{
	cJSON_Delete(*at);
}
#define sgh_autojson __attribute__((cleanup(sgh_json_free_at)))

#endif
