/* SPDX-License-Identifier: MIT */
#include "fuzz/format.h"
#include "fuzz/fuzz.h"
#include "wire/json.h"

/*
 * JSON, of users: the validator. It must accept whatever the scanner for the project's
 * own documents accepts, which was written apart from it and has narrower bounds.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sgh_autofree char *text = fuzz_copy(data, size);
	struct fuzz_outcome outcome = fuzz_format(&sgh_format_json, data, size);

	if (sgh_json_is(text, size, '{') || sgh_json_is(text, size, '['))
		fuzz_require(outcome.status == 0);
	return 0;
}
