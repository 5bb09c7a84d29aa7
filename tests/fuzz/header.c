/* SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

#include "base/buf.h"
#include "base/clock.h"
#include "wire/mediatype.h"
#include "wire/sha256.h"

/*
 * The values of header fields that are short: media types, Content-Digest, and the times
 * of HTTP and of RFC 3339. An input is tried as each of them.
 */

#define TIME_MAX 253402300799999 /* Unix milliseconds: the end of the year 9999 */

/* What is normal is not changed again. */
static void media_type(const char *text)
{
	char type[SGH_MEDIATYPE_SIZE] = "";
	char again[SGH_MEDIATYPE_SIZE] = "";
	struct sangraha_error err = { 0 };
	int status = sgh_mediatype_normalise(text, type, &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INVALID);
		fuzz_explained(status, &err);
		return;
	}
	fuzz_require(memchr(type, '\0', sizeof(type)));
	fuzz_require(!*type || strchr(type, '/'));
	fuzz_require(!strpbrk(type, "; \t,*\"ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
	fuzz_ok(sgh_mediatype_normalise(type, again, &fuzz_err));
	fuzz_require(strcmp(type, again) == 0);
}

/* The digest is found again in a field that has nothing else. */
static void content_digest(const char *text)
{
	sgh_autobuf struct sgh_buf field = { 0 };
	char hex[SANGRAHA_SHA256_SIZE];
	char again[SANGRAHA_SHA256_SIZE];
	struct sangraha_error err = { 0 };
	unsigned char digest[32];
	int status = sgh_content_digest_parse(text, hex, &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INVALID);
		fuzz_explained(status, &err);
		return;
	}
	if (!*hex)
		return;
	fuzz_require(sgh_sha256_hex_valid(hex));
	fuzz_require(sgh_hex_decode(hex, digest, sizeof(digest)));
	sgh_buf_puts(&field, "sha-256=:");
	sgh_base64_encode(&field, digest, sizeof(digest));
	sgh_buf_puts(&field, ":");
	fuzz_ok(sgh_content_digest_parse(sgh_buf_text(&field), again, &fuzz_err));
	fuzz_require(strcmp(hex, again) == 0);
}

static void times(const char *text)
{
	char rfc3339[SGH_RFC3339_SIZE];
	char http[SGH_HTTP_DATE_SIZE];
	int64_t ms;
	int64_t again;

	/* An offset may lead out of the years that can be written. */
	if (sgh_rfc3339_parse(text, &ms) && ms >= 0 && ms <= TIME_MAX) {
		sgh_rfc3339(ms, rfc3339);
		fuzz_require(sgh_rfc3339_parse(rfc3339, &again));
		fuzz_require(again == ms);
	}
	if (sgh_http_date_parse(text, &ms) && ms >= 0 && ms <= TIME_MAX) {
		sgh_http_date(ms, http);
		fuzz_require(sgh_http_date_parse(http, &again));
		fuzz_require(again == ms);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sgh_autofree char *text = fuzz_text(data, size);

	media_type(text);
	content_digest(text);
	times(text);
	return 0;
}
