/* SPDX-License-Identifier: MIT */
#include "wire/filename.h"

#include <string.h>

#include "base/error.h"
#include "wire/object.h"
#include "wire/utf8.h"

static bool control(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point <= 0x9f);
}

/* Overrides, embeddings and isolates, which make "gpj.exe" read "exe.jpg". */
static bool bidirectional(uint32_t point)
{
	return (point >= 0x202a && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069);
}

/* What is wrong with one character of a name; NULL: nothing. */
static const char *wrong_character(uint32_t point)
{
	if (control(point))
		return "has a control character";
	if (bidirectional(point))
		return "has a bidirectional control";
	if (point == '/' || point == '\\')
		return "has a path in it";
	return NULL;
}

static const char *wrong_name(const char *name, size_t length)
{
	if (length == 0)
		return "is empty";
	if (length > SGH_FILENAME_MAX)
		return "is longer than 255 bytes";
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return "is a path";
	for (size_t i = 0; i < length;) {
		uint32_t point;
		size_t count = sgh_utf8_next(name + i, length - i, &point);
		const char *wrong = count ? wrong_character(point) : "is not UTF-8";

		if (wrong)
			return wrong;
		i += count;
	}
	return NULL;
}

int sgh_filename_check(const char *name, struct sangraha_error *err)
{
	const char *wrong = wrong_name(name, strlen(name));

	if (wrong)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the file name %s", wrong);
	return 0;
}
