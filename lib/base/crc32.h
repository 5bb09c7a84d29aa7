/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_CRC32_H
#define SGH_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/*
 * A CRC of 32 bits by tables, eight bytes at a time. The tables are computed, not written
 * out; read-only after that, any thread.
 */
struct sgh_crc32 {
	uint32_t table[8][256];
};

/* Polynomials, reflected. */
#define SGH_CRC32_ISO  0xedb88320 /* ISO 3309: of PNG's chunks */
#define SGH_CRC32_CAST 0x82f63b78 /* Castagnoli's, RFC 3720: CRC-32C */

void sgh_crc32_init(struct sgh_crc32 *crc32, uint32_t polynomial);

/* Go on from `crc`, which is 0 at the start; the result is the CRC of all so far. */
uint32_t sgh_crc32_update(const struct sgh_crc32 *crc32, uint32_t crc, const void *data,
			  size_t length);

#endif
