/* SPDX-License-Identifier: MIT */
#include "rest/remote.h"

#include "fuzz/fuzz.h"
#include "wire/filename.h"

/*
 * The header of an answer as the client of the HTTP interface reads it, a field a line
 * behind a line with the code.
 */

static void field(struct sangraha_rest_result *result, const char *line)
{
	const char *colon = strchr(line, ':');
	sgh_autofree char *name = NULL;
	sgh_autofree char *value = NULL;
	size_t length;

	if (!colon)
		return;
	length = (size_t)(colon - line);
	name = fuzz_copy(line, length);
	colon += 1 + strspn(colon + 1, " \t");
	value = fuzz_copy(colon, strlen(colon));
	sgh_remote_result_header(result, name, length, value, strlen(colon));
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
			field(result, line);
	}
	sane(result);
	sangraha_rest_result_free(result);
	return 0;
}
