/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_AUTH_H
#define SGH_REST_AUTH_H

#include <stdbool.h>

/*
 * Whether an Authorization header (RFC 6750, section 2.1; may be NULL) carries `token`.
 * The time it takes tells nothing about the token.
 */
bool sgh_auth_bearer(const char *header, const char *token);

#endif
