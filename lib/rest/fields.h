/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_FIELDS_H
#define SGH_REST_FIELDS_H

#include "rest/request.h"

/*
 * The header of a request, where a field may stand on more than one line. For a field
 * that is no list, and passed sgh_fields_check(), sgh_web_request_header() is enough.
 */

/*
 * Whether it is beyond doubt whom the request is for and where the body ends; sets
 * request->announced. Negative: problem set, and the connection must be closed.
 */
int sgh_fields_check_framing(struct sgh_web_request *request, const char *version);

/* Whether each field that has one value has one. Negative: problem set. */
int sgh_fields_check(struct sgh_web_request *request);

/*
 * A list: the values of all its lines with ", " between (RFC 9110, section 5.3). *ret is
 * yours to free; NULL when the field is absent. Negative: problem set.
 */
int sgh_fields_list(struct sgh_web_request *request, const char *name, char **ret);

#endif
