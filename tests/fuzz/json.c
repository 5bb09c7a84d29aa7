/* SPDX-License-Identifier: MIT */
#include "fuzz/format.h"
#include "fuzz/fuzz.h"
#include "wire/json.h"

/*
 * JSON, of users: the validator. It must accept whatever the scanner for the project's
 * own documents accepts, which was written apart from it and has narrower bounds; and a
 * document that is cut is none.
 */

/* Without the last byte that is no white space. */
static void cut(const uint8_t *data, size_t size)
{
	while (size && memchr(" \t\r\n", data[size - 1], 4))
		size--;
	/* A number that lost its last digit may be one still. */
	if (size && memchr("]}\"", data[size - 1], 3))
		fuzz_refused(&sgh_format_json, data, size - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sgh_autofree char *text = fuzz_copy(data, size);
	struct fuzz_outcome outcome = fuzz_format(&sgh_format_json, data, size);

	if (sgh_json_is(text, size, '{') || sgh_json_is(text, size, '['))
		fuzz_require(outcome.status == 0);
	if (!outcome.status)
		cut(data, size);
	return 0;
}
