/* SPDX-License-Identifier: MIT */
#include "rest/uri.h"

#include <strings.h>

#include "base/buf.h"
#include "fuzz/fuzz.h"
#include "rest/auth.h"
#include "rest/remote.h"
#include "wire/filename.h"

/*
 * Request targets with their path and query, and what else begins a request: the token of
 * an Authorization header, and the URL that the client of the interface is given.
 */

/* The target that says the same, everything in it percent-encoded. */
static void write_target(const struct sgh_uri *uri, struct sgh_buf *buf)
{
	for (size_t i = 0; i < uri->segment_count; i++) {
		sgh_buf_putc(buf, '/');
		sgh_percent_encode(buf, uri->segments[i]);
	}
	for (size_t i = 0; i < uri->query_count; i++) {
		sgh_buf_putc(buf, i ? '&' : '?');
		sgh_percent_encode(buf, uri->names[i]);
		sgh_buf_putc(buf, '=');
		sgh_percent_encode(buf, uri->values[i]);
	}
}

static void same(const struct sgh_uri *one, const struct sgh_uri *other)
{
	fuzz_require(one->segment_count == other->segment_count);
	for (size_t i = 0; i < one->segment_count; i++)
		fuzz_require(strcmp(one->segments[i], other->segments[i]) == 0);
	fuzz_require(one->query_count == other->query_count);
	for (size_t i = 0; i < one->query_count; i++) {
		fuzz_require(strcmp(one->names[i], other->names[i]) == 0);
		fuzz_require(strcmp(one->values[i], other->values[i]) == 0);
	}
}

static void target(const char *text)
{
	sgh_autobuf struct sgh_buf written = { 0 };
	struct sangraha_error err = { 0 };
	struct sgh_uri uri;
	struct sgh_uri again;
	int status = sgh_uri_parse(&uri, text, &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INVALID ||
			     status == SANGRAHA_E_NOT_FOUND);
		fuzz_explained(status, &err);
		sgh_uri_fini(&uri);
		return;
	}
	fuzz_require(uri.segment_count <= SGH_URI_SEGMENTS_MAX);
	fuzz_require(uri.query_count <= SGH_URI_QUERY_MAX);
	write_target(&uri, &written);
	fuzz_ok(sgh_uri_parse(&again, sgh_buf_text(&written), &fuzz_err));
	same(&uri, &again);
	for (size_t i = 0; i < uri.query_count; i++)
		fuzz_require(sgh_uri_query(&uri, uri.names[i]) == uri.values[i]);
	sgh_uri_fini(&again);
	sgh_uri_fini(&uri);
}

static void server_url(const char *text)
{
	sgh_autofree char *base = NULL;
	struct sangraha_error err = { 0 };
	int status = sgh_remote_url_parse(text, &base, &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INVALID);
		fuzz_explained(status, &err);
		return;
	}
	fuzz_require(strncasecmp(base, "http", 4) == 0);
	fuzz_require(!strpbrk(base, " \r\n\t?#\"<>"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sgh_autofree char *text = fuzz_text(data, size);

	target(text);
	server_url(text);
	fuzz_require(sgh_auth_bearer(text, "token") ==
		     (strncasecmp(text, "Bearer ", 7) == 0 &&
		      strcmp(text + 7 + strspn(text + 7, " "), "token") == 0));
	return 0;
}
