/* SPDX-License-Identifier: MIT */
#include "fuzz/format.h"
#include "fuzz/fuzz.h"

/* JPEG, with all that its format checks promise. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_image(&sgh_format_jpeg, data, size);
	return 0;
}
