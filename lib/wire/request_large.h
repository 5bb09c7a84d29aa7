/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_REQUEST_LARGE_H
#define SGH_WIRE_REQUEST_LARGE_H

#include "wire/fields.h"
#include "wire/protocol.h"

/*
 * What requests about large objects have besides. All of it is SANGRAHA_E_INVALID, naming
 * the field, for what is not as docs/protocol.md says; other verbs are left alone.
 */

/* Read the fields; those that a verb does not have are passed over. */
int sgh_large_read(const struct sgh_fields *fields, struct sgh_request *request,
		   struct sangraha_error *err);
/* Whether all is there that the verb must have. */
int sgh_large_complete(const struct sgh_fields *fields, const struct sgh_request *request,
		       struct sangraha_error *err);
/* The length of a put-begin's prefix, which was read; the parts of a put-commit. */
int sgh_large_body(const struct sgh_fields *fields, struct sgh_request *request,
		   struct sangraha_error *err);

#endif
