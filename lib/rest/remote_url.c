/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/util.h"
#include "rest/remote.h"

#define URL_MAX 1024

/* The URL is never repeated: somebody may have put a password into it. */
static int invalid(struct sangraha_error *err)
{
	return sgh_fail(
		err, SANGRAHA_E_INVALID, 0,
		"the server's URL is http://host:port or https://host:port, with or "
		"without a path, and without credentials, query and fragment");
}

static const char *skip_scheme(const char *url)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < SGH_COUNT(schemes); i++)
		if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
			return url + strlen(schemes[i]);
	return NULL;
}

/* Behind the host, a name or an address in brackets; NULL when it is none. */
static const char *skip_host(const char *at)
{
	const char *start = at;

	if (*at == '[') {
		at++;
		while (isalnum((unsigned char)*at) || (*at && strchr(":.%-_", *at)))
			at++;
		return *at == ']' && at > start + 2 ? at + 1 : NULL;
	}
	while (isalnum((unsigned char)*at) || (*at && strchr("-._", *at)))
		at++;
	return at > start ? at : NULL;
}

/* Behind ":port", or where there is none; NULL for what is no port. */
static const char *skip_port(const char *at)
{
	unsigned long port = 0;
	const char *digits = at + 1;

	if (*at != ':')
		return at;
	for (at = digits; isdigit((unsigned char)*at) && at < digits + 6; at++)
		port = port * 10 + (unsigned long)(*at - '0');
	return port >= 1 && port <= 65535 ? at : NULL;
}

/* What a path may have (RFC 3986, section 3.3), slashes included. */
static bool path_valid(const char *path)
{
	if (*path && *path != '/')
		return false;
	for (; *path; path++) {
		if (*path == '%' && (!isxdigit((unsigned char)path[1]) ||
				     !isxdigit((unsigned char)path[2])))
			return false;
		if (!isalnum((unsigned char)*path) &&
		    !strchr("/-._~!$&'()*+,;=:@%", *path))
			return false;
	}
	return true;
}

int sgh_remote_url_parse(const char *url, char **ret, struct sangraha_error *err)
{
	const char *at = skip_scheme(url);
	size_t length = strlen(url);

	at = at ? skip_host(at) : NULL;
	at = at ? skip_port(at) : NULL;
	if (!at || !path_valid(at) || length > URL_MAX)
		return invalid(err);
	while (url[length - 1] == '/')
		length--;
	*ret = strndup(url, length);
	return *ret ? 0 : sgh_fail_memory(err);
}
