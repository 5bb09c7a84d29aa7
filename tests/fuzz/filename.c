/* SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

#include "base/buf.h"
#include "wire/filename.h"
#include "wire/object.h"

/*
 * File names, and Content-Disposition: an input is tried as both. A name that is accepted
 * comes back from the header that is written for it.
 */

static void comes_back(const char *name)
{
	sgh_autobuf struct sgh_buf header = { 0 };
	sgh_autofree char *field = NULL;
	sgh_autofree char *filename = NULL;

	sgh_disposition_write(&header, "attachment", name);
	fuzz_require(!header.failed);
	for (const char *at = sgh_buf_text(&header); *at; at++)
		fuzz_require(*at >= ' ' && *at <= '~');
	fuzz_ok(sgh_disposition_parse(header.data, &field, &filename, &fuzz_err));
	fuzz_require(!field);
	fuzz_require(sgh_streq(filename, name));
}

static void as_name(const char *name)
{
	struct sangraha_error err = { 0 };
	int status = sgh_filename_check(name, &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INVALID);
		fuzz_explained(status, &err);
		return;
	}
	fuzz_require(*name && strlen(name) <= SGH_FILENAME_MAX);
	fuzz_require(sgh_utf8_valid(name, strlen(name)));
	fuzz_require(!strpbrk(name, "/\\\r\n"));
	comes_back(name);
}

static void as_header(const char *header)
{
	sgh_autofree char *field = NULL;
	sgh_autofree char *filename = NULL;
	struct sangraha_error err = { 0 };
	int status = sgh_disposition_parse(header, &field, &filename, &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INVALID);
		fuzz_explained(status, &err);
		fuzz_require(!field && !filename);
		return;
	}
	if (field)
		fuzz_require(sgh_utf8_valid(field, strlen(field)));
	if (!filename)
		return;
	fuzz_require(*filename && !strpbrk(filename, "/\\"));
	fuzz_require(sgh_utf8_valid(filename, strlen(filename)));
	as_name(filename);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sgh_autofree char *text = fuzz_text(data, size);

	as_name(text);
	as_header(text);
	return 0;
}
