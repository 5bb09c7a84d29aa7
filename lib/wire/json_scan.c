/* SPDX-License-Identifier: MIT */
#include "wire/json_scan.h"

#include <string.h>

#include "base/util.h"
#include "wire/json.h"

/* The longest number that cJSON's own buffer takes, with room to spare. */
#define NUMBER_MAX 48

const char *sgh_json_skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

/* Four hexadecimal digits at `at`; -1 when they are not there. */
static int hex4(const char *at, const char *end)
{
	int value = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = sgh_hex_value(at[i]);

		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

/* From the "u" of an escape. Surrogates come in pairs, and NUL would cut the text. */
static const char *skip_unicode(const char *at, const char *end)
{
	int unit = hex4(at + 1, end);

	if (unit <= 0 || (unit >= 0xdc00 && unit <= 0xdfff))
		return NULL;
	at += 5;
	if (unit < 0xd800 || unit > 0xdbff)
		return at;
	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return NULL;
	unit = hex4(at + 2, end);
	return unit >= 0xdc00 && unit <= 0xdfff ? at + 6 : NULL;
}

const char *sgh_json_skip_string(const char *at, const char *end)
{
	at++;
	while (at && at < end && *at != '"') {
		if ((unsigned char)*at < 0x20)
			return NULL;
		if (*at++ != '\\')
			continue;
		if (at == end || *at == '\0' || !strchr("\"\\/bfnrtu", *at))
			return NULL;
		at = *at == 'u' ? skip_unicode(at, end) : at + 1;
	}
	return at && at < end ? at + 1 : NULL;
}

static const char *skip_digits(const char *at, const char *end)
{
	const char *start = at;

	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at > start ? at : NULL;
}

static const char *skip_number(const char *at, const char *end)
{
	const char *start = at;

	if (*at == '-')
		at++;
	if (at < end && *at == '0')
		at++;
	else
		at = skip_digits(at, end);
	if (at && at < end && *at == '.')
		at = skip_digits(at + 1, end);
	if (at && at < end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		at = skip_digits(at, end);
	}
	return at && at - start <= NUMBER_MAX ? at : NULL;
}

static const char *skip_word(const char *at, const char *end, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(end - at) < length || memcmp(at, word, length) != 0)
		return NULL;
	return at + length;
}

/* A member's name and colon; returns the place of its value. */
static const char *skip_name(const char *at, const char *end)
{
	if (at == end || *at != '"')
		return NULL;
	at = sgh_json_skip_string(at, end);
	if (!at)
		return NULL;
	at = sgh_json_skip_space(at, end);
	if (at == end || *at != ':')
		return NULL;
	return sgh_json_skip_space(at + 1, end);
}

/* An array or object from its bracket. Recursion is bounded by SGH_JSON_DEPTH_MAX. */
static const char *skip_nested(const char *at, const char *end, unsigned depth)
{
	char close = *at == '{' ? '}' : ']';

	at = sgh_json_skip_space(at + 1, end);
	if (at < end && *at == close)
		return at + 1;
	for (;;) {
		if (close == '}')
			at = skip_name(at, end);
		if (at)
			at = sgh_json_skip_value(at, end, depth + 1);
		if (!at)
			return NULL;
		at = sgh_json_skip_space(at, end);
		if (at == end)
			return NULL;
		if (*at == close)
			return at + 1;
		if (*at != ',')
			return NULL;
		at = sgh_json_skip_space(at + 1, end);
	}
}

const char *sgh_json_skip_value(const char *at, const char *end, unsigned depth)
{
	if (at == end || depth > SGH_JSON_DEPTH_MAX)
		return NULL;
	switch (*at) {
	case '{':
	case '[':
		return skip_nested(at, end, depth);
	case '"':
		return sgh_json_skip_string(at, end);
	case 't':
		return skip_word(at, end, "true");
	case 'f':
		return skip_word(at, end, "false");
	case 'n':
		return skip_word(at, end, "null");
	default:
		return skip_number(at, end);
	}
}
