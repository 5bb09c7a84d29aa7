/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_CONDITIONS_H
#define SGH_REST_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

/* The conditional and range headers of a read (RFC 9110, sections 13 and 14), or NULL. */
struct sgh_conditions {
	const char *if_match;
	const char *if_none_match;
	const char *if_modified_since;
	const char *if_unmodified_since;
	const char *range;
	const char *if_range;
};

/* The part of a representation to send. */
struct sgh_part {
	uint64_t first;
	uint64_t length;
};

/*
 * Decide how to answer a read of a representation with the strong entity tag `etag`, last
 * modified at `modified_ms`: 200, 206 (then `part` is set), 304, 412 or 416. Several
 * ranges, and what is no range, are answered with the whole. `head`: Range is ignored.
 */
unsigned sgh_conditions_check(const struct sgh_conditions *conditions, const char *etag,
			      int64_t modified_ms, uint64_t size, bool head,
			      struct sgh_part *part);

#endif
