/* SPDX-License-Identifier: MIT */
#include "rest/remote.h"

#include "fuzz/fuzz.h"
#include "wire/filename.h"

/*
 * The header of an answer as the client of the HTTP interface reads it, a field a line
 * behind a line with the code.
 */

static void read_line(struct sangraha_rest_result *result, const char *line)
{
	struct fuzz_field field;

	if (!fuzz_field(line, &field))
		return;
	sgh_remote_result_header(result, field.name, field.name_length, field.value,
				 field.value_length);
	fuzz_field_fini(&field);
}

/* Fit for a terminal. */
static void plain(const char *text)
{
	if (!text)
		return;
	fuzz_require(sgh_utf8_valid(text, strlen(text)));
	for (; *text; text++)
		fuzz_require((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void sane(const struct sangraha_rest_result *result)
{
	plain(result->content_type);
	plain(result->location);
	plain(result->etag);
	plain(result->correlation_id);
	plain(result->filename);
	if (result->filename)
		fuzz_ok(sgh_filename_check(result->filename, &fuzz_err));
	fuzz_require(result->size >= -1);
	fuzz_require(result->first >= -1);
	fuzz_require(result->retry_after >= -1 && result->retry_after <= 86400);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, data + size };
	struct sangraha_rest_result *result = sgh_remote_result_new();
	char *line = fuzz_line(&input);

	fuzz_require(result);
	result->code = line ? (int)strtol(line, NULL, 10) : 0;
	while (line) {
		free(line);
		line = fuzz_line(&input);
		if (line)
			read_line(result, line);
	}
	sane(result);
	sangraha_rest_result_free(result);
	return 0;
}
