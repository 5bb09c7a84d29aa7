/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_MEDIATYPE_H
#define SGH_WIRE_MEDIATYPE_H

#include <stddef.h>

#include <sangraha/error.h>

#define SGH_MEDIATYPE_SIZE 128

/*
 * A Content-Type (RFC 9110, section 8.3) as we compare it: lower case, no parameters,
 * image/jpg as image/jpeg, text/json and …+json as application/json. Empty when the
 * header means "not declared": absent, application/octet-stream,
 * application/x-www-form-urlencoded. SANGRAHA_E_INVALID for what is no media type.
 */
int sgh_mediatype_normalise(const char *header, char type[SGH_MEDIATYPE_SIZE],
			    struct sangraha_error *err);

#endif
