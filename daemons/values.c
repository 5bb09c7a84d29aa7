/* SPDX-License-Identifier: MIT */
#include "values.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SECRET_MAX 65536 /* bytes of a file that holds a secret */

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit time_units[] = {
	{ "", 1000 },       { "ms", 1 },          { "s", 1000 },
	{ "m", 60 * 1000 }, { "h", 3600 * 1000 }, { NULL, 0 },
};

static const struct unit byte_units[] = {
	{ "", 1 },
	{ "K", UINT64_C(1) << 10 },
	{ "M", UINT64_C(1) << 20 },
	{ "G", UINT64_C(1) << 30 },
	{ "T", UINT64_C(1) << 40 },
	{ NULL, 0 },
};

static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };

int sgh_config_fail(struct sangraha_error *err, const char *format, ...)
{
	va_list args;

	if (err) {
		err->status = SANGRAHA_E_INVALID;
		err->native = 0;
		va_start(args, format);
		vsnprintf(err->message, sizeof(err->message), format, args);
		va_end(args);
	}
	return SANGRAHA_E_INVALID;
}

/* Digits and a unit. False for anything else, and for what overflows. */
static bool parse_number(const char *text, const struct unit *units, uint64_t *ret)
{
	uint64_t number = 0;

	if (!isdigit((unsigned char)*text))
		return false;
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			return false;
	}
	for (; units->name; units++) {
		if (strcasecmp(text, units->name) == 0)
			return !__builtin_mul_overflow(number, units->factor, ret);
	}
	return false;
}

static bool is_choice(const char *choices, const char *text)
{
	size_t length = strlen(text);

	for (const char *at = choices; at; at = strchr(at, '|')) {
		at += *at == '|';
		if (length == strcspn(at, "|") && strncmp(at, text, length) == 0)
			return true;
	}
	return false;
}

static bool has_scheme(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

	return length > 0 && text[length] == ':';
}

int sgh_value_switch(const char *text)
{
	static const char *const words[][2] = {
		{ "off", "on" },
		{ "no", "yes" },
		{ "false", "true" },
		{ "0", "1" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (int on = 0; on <= 1; on++) {
			if (strcasecmp(text, words[i][on]) == 0)
				return on;
		}
	}
	return -1;
}

static int fail_range(const struct sgh_setting_row *row, const char *origin,
		      const char *text, struct sangraha_error *err)
{
	uint64_t unit = row->kind == SGH_TIME ? 1000 : 1;
	const char *name = row->kind == SGH_TIME    ? " seconds"
			   : row->kind == SGH_BYTES ? " bytes"
						    : "";

	if (row->min % unit)
		return sgh_config_fail(err,
				       "%s: '%s' is out of range (1 ms to %" PRIu64 "%s)",
				       origin, text, row->max / unit, name);
	return sgh_config_fail(err,
			       "%s: '%s' is out of range (%" PRIu64 " to %" PRIu64 "%s)",
			       origin, text, row->min / unit, row->max / unit, name);
}

static int parse_quantity(const struct sgh_setting_row *row, const char *origin,
			  const char *text, uint64_t *ret, struct sangraha_error *err)
{
	const struct unit *units = no_units;
	const char *what = "number";
	uint64_t number;

	if (row->kind == SGH_TIME) {
		units = time_units;
		what = "time (seconds, or with ms, s, m, h)";
	} else if (row->kind == SGH_BYTES) {
		units = byte_units;
		what = "size (bytes, or with K, M, G, T)";
	}
	if (!parse_number(text, units, &number))
		return sgh_config_fail(err, "%s: '%s' is not a %s", origin, text, what);
	if (number < row->min || number > row->max)
		return fail_range(row, origin, text, err);
	*ret = number;
	return 0;
}

int sgh_value_parse(const struct sgh_setting_row *row, const char *origin,
		    const char *text, uint64_t *ret_number, struct sangraha_error *err)
{
	int on;

	if (*text == '\0')
		return sgh_config_fail(err, "%s: the value is empty", origin);
	switch (row->kind) {
	case SGH_TEXT:
		return 0;
	case SGH_URL:
		if (has_scheme(text))
			return 0;
		return sgh_config_fail(
			err, "%s: not a URL; it begins with a scheme and ':'", origin);
	case SGH_CHOICE:
		if (is_choice(row->choices, text))
			return 0;
		return sgh_config_fail(err, "%s: '%s' is none of %s", origin, text,
				       row->choices);
	case SGH_SWITCH:
		on = sgh_value_switch(text);
		if (on < 0)
			return sgh_config_fail(err, "%s: '%s' is neither on nor off",
					       origin, text);
		*ret_number = (uint64_t)on;
		return 0;
	case SGH_TIME:
	case SGH_BYTES:
	case SGH_COUNT:
		break;
	}
	return parse_quantity(row, origin, text, ret_number, err);
}

int sgh_value_read_file(const char *origin, const char *path, char **ret,
			struct sangraha_error *err)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(SECRET_MAX + 1);
	size_t length = 0;
	int status = 0;

	if (!file) {
		status =
			sgh_config_fail(err, "%s: %s: %s", origin, path, strerror(errno));
	} else if (text) {
		length = fread(text, 1, SECRET_MAX + 1, file);
		if (ferror(file))
			status = sgh_config_fail(err, "%s: %s: %s", origin, path,
						 strerror(errno));
		else if (length > SECRET_MAX || memchr(text, '\0', length))
			status = sgh_config_fail(
				err, "%s: %s does not look like a secret", origin, path);
	} else {
		status = sgh_config_fail(err, "%s: out of memory", origin);
	}
	if (file)
		fclose(file);
	if (status) {
		free(text);
		return status;
	}
	if (length > 0 && text[length - 1] == '\n')
		length--;
	if (length > 0 && text[length - 1] == '\r')
		length--;
	text[length] = '\0';
	*ret = text;
	return 0;
}
