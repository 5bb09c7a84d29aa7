/* SPDX-License-Identifier: MIT */
#include "store/s3.h"

#include <ctype.h>
#include <stdio.h>

#include "base/error.h"

static bool host_valid(const char *host, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (!isalnum((unsigned char)host[i]) && !strchr("-._:[]", host[i]))
			return false;
	return length > 0;
}

/* Without the scheme's own port, which curl leaves out of the Host header too. */
static size_t without_default_port(const char *host, size_t length, bool tls)
{
	const char *port = tls ? ":443" : ":80";
	size_t tail = strlen(port);

	if (length > tail && memcmp(host + length - tail, port, tail) == 0)
		return length - tail;
	return length;
}

static int parse_one(struct sgh_s3_endpoint *endpoint, const char *text, size_t length,
		     bool *tls, struct sangraha_error *err)
{
	static const char *const schemes[] = { "s3+http://", "s3+https://" };
	int written;

	for (size_t i = 0; i < SGH_COUNT(schemes); i++) {
		size_t prefix = strlen(schemes[i]);

		if (length < prefix || memcmp(text, schemes[i], prefix) != 0)
			continue;
		*tls = i == 1;
		text += prefix;
		length -= prefix;
		break;
	}
	if (length && text[length - 1] == '/')
		length--;
	/* The text is not shown: somebody may have put credentials there. */
	if (!host_valid(text, length))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a store URL is s3+http://host:port or s3+https://host, "
				"without a path or credentials");
	length = without_default_port(text, length, *tls);
	written = snprintf(endpoint->base, sizeof(endpoint->base), "%s://%.*s",
			   *tls ? "https" : "http", (int)length, text);
	if (written < 0 || (size_t)written >= sizeof(endpoint->base))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the host in a store URL is too long");
	endpoint->host = strstr(endpoint->base, "://") + 3;
	return 0;
}

int sgh_s3_gateways_parse(struct sgh_s3_gateways *gateways, const char *url,
			  struct sangraha_error *err)
{
	bool tls = false;

	for (;;) {
		size_t length = strcspn(url, ",");
		int rc;

		if (gateways->count == SGH_S3_ENDPOINTS_MAX)
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"more than %d gateways in the store URL",
					SGH_S3_ENDPOINTS_MAX);
		rc = parse_one(&gateways->endpoints[gateways->count], url, length, &tls,
			       err);
		if (rc)
			return rc;
		gateways->count++;
		if (!url[length])
			return 0;
		url += length + 1;
	}
}
