/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_URI_H
#define SGH_REST_URI_H

#include <stddef.h>

#include <sangraha/error.h>

#define SGH_URI_SEGMENTS_MAX 8
#define SGH_URI_QUERY_MAX    16

/*
 * A request target (RFC 9112, section 3.2) taken apart: path segments and query
 * parameters, percent-decoded after they were split.
 */
struct sgh_uri {
	char *text; /* what the pointers below go into */
	char *segments[SGH_URI_SEGMENTS_MAX];
	size_t segment_count;
	char *names[SGH_URI_QUERY_MAX];
	char *values[SGH_URI_QUERY_MAX];
	size_t query_count;
};

/*
 * Origin form and absolute form. SANGRAHA_E_INVALID for a broken escape, an encoded NUL,
 * too many parameters or one given twice; SANGRAHA_E_NOT_FOUND for more segments than
 * any route has. sgh_uri_fini() either way.
 */
int sgh_uri_parse(struct sgh_uri *uri, const char *target, struct sangraha_error *err);
void sgh_uri_fini(struct sgh_uri *uri);

/* The value of a parameter, "" when it has none; NULL when it is absent. */
const char *sgh_uri_query(const struct sgh_uri *uri, const char *name);

#endif
