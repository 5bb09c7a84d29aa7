/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_CRC32_H
#define SGH_VALIDATE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/*
 * The CRC of PNG chunks (ISO 3309, polynomial 0xedb88320 reflected), eight bytes at a
 * time. The tables are computed, not written out, and live in the type registry.
 */
struct sgh_crc32 {
	uint32_t table[8][256];
};

void sgh_crc32_init(struct sgh_crc32 *crc32);

/* Go on from `crc`, which is 0 at the start; the result is the CRC of all so far. */
uint32_t sgh_crc32_update(const struct sgh_crc32 *crc32, uint32_t crc, const void *data,
			  size_t length);

#endif
