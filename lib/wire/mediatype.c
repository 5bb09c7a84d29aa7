/* SPDX-License-Identifier: MIT */
#include "wire/mediatype.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"

/* "*" is a character of tokens, but "*" "/" "*" is a range, which nothing can be. */
static bool token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'+-.^_`|~", c));
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* One token, in lower case; returns the place behind it, NULL when it does not fit. */
static const char *read_token(const char *at, char *type, size_t *length)
{
	size_t start = *length;

	for (; token_char(lower(*at)); at++) {
		if (*length + 1 >= SGH_MEDIATYPE_SIZE)
			return NULL;
		type[(*length)++] = lower(*at);
	}
	return *length > start ? at : NULL;
}

static bool read_type(const char *at, char type[SGH_MEDIATYPE_SIZE])
{
	size_t length = 0;

	at = read_token(at, type, &length);
	if (!at || *at != '/' || length + 1 >= SGH_MEDIATYPE_SIZE)
		return false;
	type[length++] = '/';
	at = read_token(at + 1, type, &length);
	if (!at)
		return false;
	type[length] = '\0';
	/* Parameters are not looked at: none of them changes what we accept. */
	at += strspn(at, " \t");
	return *at == '\0' || *at == ';';
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* The type that this one is another name of; "": it says nothing. */
static const char *alias(const char *type)
{
	static const char *const aliases[][2] = {
		{ "application/octet-stream", "" },
		{ "application/x-www-form-urlencoded", "" },
		{ "image/jpg", "image/jpeg" },
		{ "text/json", "application/json" },
	};

	for (size_t i = 0; i < SGH_COUNT(aliases); i++)
		if (strcmp(type, aliases[i][0]) == 0)
			return aliases[i][1];
	return ends_with(type, "+json") ? "application/json" : NULL;
}

int sgh_mediatype_normalise(const char *header, char type[SGH_MEDIATYPE_SIZE],
			    struct sangraha_error *err)
{
	const char *at = header ? header + strspn(header, " \t") : "";
	char found[SGH_MEDIATYPE_SIZE] = "";
	const char *other;

	if (*at != '\0' && !read_type(at, found))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the content type is not of the form type/subtype");
	other = alias(found);
	memmove(type, other ? other : found, strlen(other ? other : found) + 1);
	return 0;
}
