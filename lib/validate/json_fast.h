/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_JSON_FAST_H
#define SGH_VALIDATE_JSON_FAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What may come between two tokens, inside of an array or an object. */
enum sgh_json_next {
	SGH_JSON_NEXT_VALUE,
	SGH_JSON_NEXT_FIRST_VALUE,
	SGH_JSON_NEXT_KEY,
	SGH_JSON_NEXT_FIRST_KEY,
	SGH_JSON_NEXT_COLON,
	SGH_JSON_NEXT_AFTER,
};

struct sgh_json_fast {
	enum sgh_json_next next;
	bool object; /* the innermost container is one */
	unsigned depth;
	unsigned deepest;
	unsigned max_depth;
	unsigned char *stack; /* a bit for each open container: 1 is an object */
	uint64_t values;
	uint64_t lines;            /* ended */
	const unsigned char *line; /* where the last one begins; NULL: unchanged */
};

/* Whether this processor can: asked once for each registry. */
bool sgh_json_fast_available(void);

/*
 * Take whole tokens from the beginning of [p, end), all of them right, and return what
 * follows the last one and its white space; the depth is 1 at least. Stops where it
 * likes - at a token that is not whole or not right, too, which the state machine then
 * explains - and often takes nothing.
 */
const unsigned char *sgh_json_fast(struct sgh_json_fast *fast, const unsigned char *p,
				   const unsigned char *end);

#endif
