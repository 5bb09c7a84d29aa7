/* SPDX-License-Identifier: MIT */
#include "base/crc32.h"

void sgh_crc32_init(struct sgh_crc32 *crc32, uint32_t polynomial)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
		crc32->table[0][i] = crc;
	}
	for (int k = 1; k < 8; k++) {
		for (int i = 0; i < 256; i++) {
			uint32_t crc = crc32->table[k - 1][i];

			crc32->table[k][i] = crc >> 8 ^ crc32->table[0][crc & 0xff];
		}
	}
}

uint32_t sgh_crc32_update(const struct sgh_crc32 *crc32, uint32_t crc, const void *data,
			  size_t length)
{
	const uint32_t(*t)[256] = crc32->table;
	const unsigned char *p = data;

	crc = ~crc;
	for (; length >= 8; p += 8, length -= 8) {
		crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		       (uint32_t)p[3] << 24;
		crc = t[7][crc & 0xff] ^ t[6][crc >> 8 & 0xff] ^ t[5][crc >> 16 & 0xff] ^
		      t[4][crc >> 24] ^ t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
	}
	for (; length > 0; p++, length--)
		crc = crc >> 8 ^ t[0][(crc ^ *p) & 0xff];
	return ~crc;
}
