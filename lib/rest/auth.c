/* SPDX-License-Identifier: MIT */
#include "rest/auth.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "wire/sha256.h"

/* Digests are compared, so that neither length nor content of the token shows in time. */
bool sgh_auth_bearer(const char *header, const char *token)
{
	unsigned char given[32];
	unsigned char wanted[32];
	volatile unsigned char differ = 0;

	if (!header || strncasecmp(header, "Bearer ", 7) != 0)
		return false;
	header += 7;
	header += strspn(header, " ");
	if (sgh_sha256(header, strlen(header), given, NULL) != 0 ||
	    sgh_sha256(token, strlen(token), wanted, NULL) != 0)
		return false;
	for (size_t i = 0; i < sizeof(given); i++)
		differ |= given[i] ^ wanted[i];
	return differ == 0;
}
