/* SPDX-License-Identifier: MIT */
#include "fuzz/format.h"
#include "fuzz/fuzz.h"

/* WebP, with all that its format checks promise. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_image(&sgh_format_webp, data, size);
	return 0;
}
