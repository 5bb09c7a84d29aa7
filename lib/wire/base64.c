/* SPDX-License-Identifier: MIT */
#include <stdint.h>

#include "base/buf.h"
#include "wire/sha256.h"

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t sgh_base64_length(size_t length)
{
	return length / 3 * 4 + (length % 3 ? 4 : 0);
}

void sgh_base64_write(char *out, const void *data, size_t length)
{
	const unsigned char *at = data;

	for (; length >= 3; length -= 3, at += 3) {
		*out++ = alphabet[at[0] >> 2];
		*out++ = alphabet[(at[0] & 3) << 4 | at[1] >> 4];
		*out++ = alphabet[(at[1] & 15) << 2 | at[2] >> 6];
		*out++ = alphabet[at[2] & 63];
	}
	if (length == 0)
		return;
	*out++ = alphabet[at[0] >> 2];
	if (length == 1) {
		*out++ = alphabet[(at[0] & 3) << 4];
		*out++ = '=';
	} else {
		*out++ = alphabet[(at[0] & 3) << 4 | at[1] >> 4];
		*out++ = alphabet[(at[1] & 15) << 2];
	}
	*out = '=';
}

void sgh_base64_encode(struct sgh_buf *buf, const void *data, size_t length)
{
	const unsigned char *at = data;
	char group[4];

	for (; length > 0; at += 3, length -= length < 3 ? length : 3) {
		sgh_base64_write(group, at, length < 3 ? length : 3);
		sgh_buf_append(buf, group, sizeof(group));
	}
}

static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* `count` sextets, 2 to 4, into one less bytes; bits that are left over must be zero. */
static bool decode_group(const char *text, int count, unsigned char *out)
{
	uint32_t bits = 0;

	for (int i = 0; i < 4; i++) {
		int value = i < count ? sextet(text[i]) : 0;

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
	}
	out[0] = (unsigned char)(bits >> 16);
	if (count > 2)
		out[1] = (unsigned char)(bits >> 8);
	if (count > 3)
		out[2] = (unsigned char)bits;
	return count == 4 || (count == 3 ? !(bits & 0xff) : !(bits & 0xffff));
}

bool sgh_base64_decode(const char *text, size_t length, void *out, size_t *ret_length)
{
	unsigned char *at = out;
	int last = 4;

	if (length % 4 != 0)
		return false;
	if (length > 0 && text[length - 1] == '=')
		last = text[length - 2] == '=' ? 2 : 3;
	for (size_t i = 0; i < length; i += 4) {
		int count = i + 4 == length ? last : 4;

		if (!decode_group(text + i, count, at))
			return false;
		at += count - 1;
	}
	*ret_length = (size_t)(at - (unsigned char *)out);
	return true;
}
