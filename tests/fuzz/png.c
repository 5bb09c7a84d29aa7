/* SPDX-License-Identifier: MIT */
#include "fuzz/format.h"
#include "fuzz/fuzz.h"
#include "validate/reader.h"
#include "validate/registry.h"

/*
 * PNG. Chance does not find a CRC, and without one nothing but chunk headers would be
 * looked at: so the same bytes are tried again with every CRC set right.
 */

#define SIGNATURE 8
#define AROUND    12 /* length, type and CRC of a chunk */

static void set_be32(uint8_t *at, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(number >> (24 - 8 * i));
}

static void mend(uint8_t *data, size_t size)
{
	const struct sgh_crc32 *crc32 = &fuzz_types()->limits.crc32;
	size_t at = SIGNATURE;

	while (size >= at + AROUND && sgh_be32(data + at) <= size - at - AROUND) {
		uint32_t length = sgh_be32(data + at);

		set_be32(data + at + 8 + length,
			 sgh_crc32_update(crc32, 0, data + at + 4, 4 + length));
		at += AROUND + length;
	}
}

/* One bit of an image, any before its end, is not what it was: a CRC says so. */
static void damage(uint8_t *data, size_t size)
{
	struct fuzz_pieces pieces = fuzz_pieces_of(data, size, SIZE_MAX);
	size_t at = fuzz_piece(&pieces, SIZE_MAX) % size;

	data[at] ^= (uint8_t)(1 << fuzz_piece(&pieces, SIZE_MAX) % 8);
	fuzz_refused(&sgh_format_png, data, size);
}

static bool check(uint8_t *data, size_t size)
{
	struct fuzz_outcome outcome = fuzz_image(&sgh_format_png, data, size);

	if (outcome.status)
		return false;
	if (!strstr(outcome.facts, "trailing"))
		damage(data, size);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sgh_autofree uint8_t *copy = fuzz_copy(data, size);

	if (check(copy, size))
		return 0;
	mend(copy, size);
	check(copy, size);
	return 0;
}
