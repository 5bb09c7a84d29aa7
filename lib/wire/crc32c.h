/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_CRC32C_H
#define SGH_WIRE_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crc32.h"

/*
 * CRC-32C (Castagnoli, as in RFC 3720; polynomial 0x82f63b78 reflected): what S3 calls
 * x-amz-checksum-crc32c. By the instruction of the processor where it has one, else by
 * tables (base/crc32.h). Read-only once it was begun with; any thread.
 */
struct sgh_crc32c {
	bool fast;
	struct sgh_crc32 plain; /* not `fast` */
};

/* Asks the processor, which takes its time: once for many bodies. */
void sgh_crc32c_init(struct sgh_crc32c *crc32c);
/* The same without asking: by tables on any processor. */
void sgh_crc32c_init_plain(struct sgh_crc32c *crc32c);

/* Go on from `crc`, which is 0 at the start; the result is the CRC of all so far. */
uint32_t sgh_crc32c_update(const struct sgh_crc32c *crc32c, uint32_t crc,
			   const void *data, size_t length);

#define SGH_CRC32C_SIZE 9 /* of its text: 8 lower-case hexadecimal digits and a NUL */

/* The most significant digit first; in S3's form of it likewise, before the base64. */
void sgh_crc32c_hex(uint32_t crc, char hex[SGH_CRC32C_SIZE]);
bool sgh_crc32c_hex_valid(const char *hex);

#endif
