/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "wire/sha256.h"

/*
 * A Content-Digest is a dictionary of structured fields (RFC 9651, section 4.2.2): all of
 * it must parse, though one member is looked at.
 */

static const char *skip(const char *at, const char *set)
{
	return at + strspn(at, set);
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define ALPHA LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

/* Each of these returns the place after what it read, or NULL. */

static const char *read_key(const char *at)
{
	if (*at != '*' && (*at < 'a' || *at > 'z'))
		return NULL;
	return skip(at, LOWER DIGIT "_-.*");
}

static const char *read_string(const char *at)
{
	for (at++; *at != '"'; at++) {
		if (*at == '\\' && *++at != '"' && *at != '\\')
			return NULL;
		if (*at < ' ' || *at > '~')
			return NULL;
	}
	return at + 1;
}

static const char *read_bytes(const char *at)
{
	at = skip(at + 1, ALPHA DIGIT "+/=");
	return *at == ':' ? at + 1 : NULL;
}

static const char *read_number(const char *at)
{
	const char *digits = *at == '-' || *at == '@' ? at + 1 : at;

	digits += *at == '@' && *digits == '-';
	at = skip(digits, DIGIT);
	if (at == digits)
		return NULL;
	if (*at == '.') {
		digits = at + 1;
		at = skip(digits, DIGIT);
	}
	return at == digits ? NULL : at;
}

static const char *read_item(const char *at)
{
	if (*at == '"')
		return read_string(at);
	if (*at == ':')
		return read_bytes(at);
	if (*at == '?')
		return at[1] == '0' || at[1] == '1' ? at + 2 : NULL;
	if (*at == '*' || (*at != '\0' && strchr(ALPHA, *at)))
		return skip(at, ALPHA DIGIT "!#$%&'*+-.^_`|~:/");
	return read_number(at);
}

static const char *read_parameters(const char *at)
{
	while (at && *at == ';') {
		at = read_key(skip(at + 1, " "));
		if (at && *at == '=')
			at = read_item(at + 1);
	}
	return at;
}

static const char *read_inner_list(const char *at)
{
	for (at = skip(at + 1, " "); *at != ')'; at = skip(at, " ")) {
		at = read_parameters(read_item(at));
		if (!at || (*at != ' ' && *at != ')'))
			return NULL;
	}
	return at + 1;
}

static const char *read_value(const char *at)
{
	return *at == '(' ? read_inner_list(at) : read_item(at);
}

/* ":…:" of 32 bytes; the padding may be missing (RFC 9651, section 4.2.7). */
static bool decode(const char *from, const char *to, char hex[SANGRAHA_SHA256_SIZE])
{
	char text[45];
	unsigned char digest[36];
	size_t length = (size_t)(to - from);

	if (*from != ':' || (length != 46 && length != 45))
		return false;
	snprintf(text, sizeof(text), "%.43s=", from + 1);
	if (length == 46 && from[44] != '=')
		return false;
	if (!sgh_base64_decode(text, 44, digest, &length) || length != 32)
		return false;
	sgh_hex(digest, length, hex);
	return true;
}

static const char *read_member(const char *at, char hex[SANGRAHA_SHA256_SIZE])
{
	const char *key = at;
	const char *value;
	size_t length;

	at = read_key(at);
	if (!at)
		return NULL;
	length = (size_t)(at - key);
	value = at;
	if (*at == '=') {
		value = at + 1;
		at = read_value(value);
	}
	if (at && length == 7 && memcmp(key, "sha-256", 7) == 0 &&
	    !decode(value, at, hex))
		return NULL;
	return read_parameters(at);
}

int sgh_content_digest_parse(const char *field, char hex[SANGRAHA_SHA256_SIZE],
			     struct sangraha_error *err)
{
	char found[SANGRAHA_SHA256_SIZE] = "";
	const char *at = skip(field, " \t");

	while (at && *at) {
		at = read_member(at, found);
		if (!at)
			break;
		at = skip(at, " \t");
		if (*at == '\0')
			break;
		if (*at != ',')
			at = NULL;
		else if (*(at = skip(at + 1, " \t")) == '\0')
			at = NULL; /* A comma at the end promises another member. */
	}
	if (!at)
		return sgh_fail(
			err, SANGRAHA_E_INVALID, 0,
			"Content-Digest is not a list of digests such as sha-256=:…:");
	memcpy(hex, found, sizeof(found));
	return 0;
}
