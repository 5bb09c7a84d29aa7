/* SPDX-License-Identifier: MIT */
#include "wire/sha256.h"

void sgh_hex(const unsigned char *data, size_t length, char *hex)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		*hex++ = digits[data[i] >> 4];
		*hex++ = digits[data[i] & 15];
	}
	*hex = '\0';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool sgh_hex_decode(const char *hex, unsigned char *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		int high = digit(hex[2 * i]);
		int low = high < 0 ? -1 : digit(hex[2 * i + 1]);

		if (low < 0)
			return false;
		data[i] = (unsigned char)(high << 4 | low);
	}
	return hex[2 * length] == '\0';
}

bool sgh_sha256_hex_valid(const char *hex)
{
	unsigned char digest[32];

	return sgh_hex_decode(hex, digest, sizeof(digest));
}
