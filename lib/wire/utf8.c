/* SPDX-License-Identifier: MIT */
#include "wire/utf8.h"

#include <string.h>

#include "wire/filename.h"

size_t sgh_utf8_next(const void *text, size_t length, uint32_t *ret)
{
	/* The least code point of each length: below it the form is overlong. */
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *at = text;
	uint32_t point;
	size_t count;

	if (length == 0)
		return 0;
	if (at[0] < 0x80) {
		*ret = at[0];
		return 1;
	}
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	count = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (count > length)
		return 0;
	point = at[0] & (0x7fu >> count);
	for (size_t i = 1; i < count; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (at[i] & 0x3fu);
	}
	if (point < least[count] || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret = point;
	return count;
}

/* How many bytes at the start are ASCII, in steps of eight: documents mostly are. */
static size_t ascii_run(const unsigned char *text, size_t length)
{
	size_t run = 0;
	uint64_t word;

	for (; length - run >= sizeof(word); run += sizeof(word)) {
		memcpy(&word, text + run, sizeof(word));
		if (word & 0x8080808080808080u)
			break;
	}
	return run;
}

bool sgh_utf8_valid(const void *text, size_t length)
{
	const unsigned char *at = text;
	uint32_t point;

	while (length > 0) {
		size_t count = ascii_run(at, length);

		if (count == 0)
			count = sgh_utf8_next(at, length, &point);
		if (count == 0)
			return false;
		at += count;
		length -= count;
	}
	return true;
}
