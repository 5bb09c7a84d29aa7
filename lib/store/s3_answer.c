/* SPDX-License-Identifier: MIT */
#include "store/s3_answer.h"

#include <string.h>
#include <strings.h>

#include <sangraha/error.h>

#include "base/util.h"

struct meaning {
	const char *code;
	int status;
};

/* Codes that say more than their HTTP status does. */
static int status_of_code(const char *code, int otherwise)
{
	static const struct meaning meanings[] = {
		{ "NoSuchKey", SANGRAHA_E_NOT_FOUND },
		{ "NoSuchBucket", SANGRAHA_E_NOT_FOUND },
		{ "NoSuchUpload", SANGRAHA_E_NOT_FOUND },
		{ "PreconditionFailed", SANGRAHA_E_PRECONDITION },
		{ "RequestTimeout", SANGRAHA_E_UNAVAILABLE },
		{ "IncompleteBody", SANGRAHA_E_UNAVAILABLE },
		/* Damaged on its way, as two servers put it. */
		{ "XAmzContentChecksumMismatch", SANGRAHA_E_UNAVAILABLE },
		{ "BadDigest", SANGRAHA_E_UNAVAILABLE },
		{ "SlowDown", SANGRAHA_E_UNAVAILABLE },
		{ "InternalError", SANGRAHA_E_UNAVAILABLE },
		{ "ServiceUnavailable", SANGRAHA_E_UNAVAILABLE },
		{ "XMinioStorageFull", SANGRAHA_E_OVERLOADED },
		{ "QuotaExceeded", SANGRAHA_E_OVERLOADED },
		{ "KeyTooLongError", SANGRAHA_E_INVALID },
		{ "XMinioInvalidObjectName", SANGRAHA_E_INVALID },
		{ "InvalidBucketName", SANGRAHA_E_INVALID },
		{ "InvalidPart", SANGRAHA_E_INVALID },
		{ "InvalidPartOrder", SANGRAHA_E_INVALID },
		{ "EntityTooSmall", SANGRAHA_E_INVALID },
		{ "EntityTooLarge", SANGRAHA_E_INVALID },
		{ "InvalidAccessKeyId", SANGRAHA_E_UNAUTHORIZED },
		{ "SignatureDoesNotMatch", SANGRAHA_E_UNAUTHORIZED },
		{ "AccessDenied", SANGRAHA_E_UNAUTHORIZED },
		{ "AuthorizationHeaderMalformed", SANGRAHA_E_UNAUTHORIZED },
	};

	for (size_t i = 0; i < SGH_COUNT(meanings); i++)
		if (strcmp(meanings[i].code, code) == 0)
			return meanings[i].status;
	return otherwise;
}

static int status_of_http(long code)
{
	switch (code) {
	case 401:
	case 403:
		return SANGRAHA_E_UNAUTHORIZED;
	case 404:
		return SANGRAHA_E_NOT_FOUND;
	case 408:
	case 409: /* ConditionalRequestConflict, OperationAborted */
	case 425:
	case 429:
		return SANGRAHA_E_UNAVAILABLE;
	case 412:
		return SANGRAHA_E_PRECONDITION;
	case 501:
	case 505:
		return SANGRAHA_E_INTERNAL;
	case 507:
		return SANGRAHA_E_OVERLOADED;
	default:
		return code >= 500 ? SANGRAHA_E_UNAVAILABLE : SANGRAHA_E_INTERNAL;
	}
}

int sgh_s3_status(long http, const char *code)
{
	/* 200 with an <Error> inside is a failure that came late. */
	int status = http / 100 == 2 ? SANGRAHA_E_UNAVAILABLE : status_of_http(http);

	return status_of_code(code, status);
}

const char *sgh_s3_number(const char *text, const char *end, uint64_t *ret)
{
	uint64_t value = 0;
	const char *start = text;

	for (; text < end && *text >= '0' && *text <= '9' && text - start < 19; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	if (text == start)
		return NULL;
	*ret = value;
	return text;
}

bool sgh_s3_content_range(const char *value, size_t length, struct sgh_s3_range *ret)
{
	const char *end = value + length;
	struct sgh_s3_range range;

	if (length < 6 || strncasecmp(value, "bytes ", 6) != 0)
		return false;
	value = sgh_s3_number(value + 6, end, &range.first);
	if (!value || value == end || *value++ != '-')
		return false;
	value = sgh_s3_number(value, end, &range.last);
	if (!value || value == end || *value++ != '/')
		return false;
	if (sgh_s3_number(value, end, &range.size) != end)
		return false;
	*ret = range;
	return true;
}
