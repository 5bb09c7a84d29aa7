/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_JSON_H
#define SGH_VALIDATE_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* How far a JSON text got, perhaps before it was refused: is it JSON at all? */
enum sgh_json_progress {
	SGH_JSON_NOTHING, /* no value has begun */
	SGH_JSON_BRACKET, /* one opening bracket, and what follows is wrong */
	SGH_JSON_MORE,
};

enum sgh_json_progress sgh_json_progress(const void *state);

/* Whether a text begins so that it gets to SGH_JSON_MORE, whatever its other bytes are. */
bool sgh_json_begins(const unsigned char *text, size_t length);

/* White space of RFC 8259, section 2. */
static inline bool sgh_json_space(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

#endif
