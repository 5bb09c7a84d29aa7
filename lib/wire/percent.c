/* SPDX-License-Identifier: MIT */
#include <stdbool.h>

#include "base/buf.h"
#include "wire/filename.h"

static bool unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

void sgh_percent_encode(struct sgh_buf *buf, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		char escape[3] = { '%', digits[c >> 4], digits[c & 15] };

		if (unreserved(*text))
			sgh_buf_putc(buf, *text);
		else
			sgh_buf_append(buf, escape, sizeof(escape));
	}
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool sgh_percent_decode(char *text)
{
	char *to = text;

	for (; *text; text++) {
		int high;
		int low;

		if (*text != '%') {
			*to++ = *text;
			continue;
		}
		high = digit(text[1]);
		low = high < 0 ? -1 : digit(text[2]);
		if (low < 0 || (high == 0 && low == 0))
			return false;
		*to++ = (char)(high << 4 | low);
		text += 2;
	}
	*to = '\0';
	return true;
}
