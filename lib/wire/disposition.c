/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <sangraha/object.h>

#include "base/error.h"
#include "base/util.h"
#include "wire/filename.h"
#include "wire/utf8.h"

/*
 * Content-Disposition (RFC 6266). What cannot be read fails as a whole: to guess at half
 * a header would store a file under a name that nobody gave.
 */

struct disposition {
	char *name;
	char *filename;
	char *filename_ext; /* of filename*, decoded */
};

static int unreadable(struct sangraha_error *err, const char *why)
{
	return sgh_fail(err, SANGRAHA_E_INVALID, 0, "Content-Disposition %s", why);
}

static bool token_char(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip_space(const char *at)
{
	return at + strspn(at, " \t");
}

/* A copy as UTF-8: bytes that are not are ISO 8859-1, as RFC 6266's ancestors had it. */
static char *to_utf8(const char *text, size_t length)
{
	char *copy;
	char *to;

	if (sgh_utf8_valid(text, length))
		return strndup(text, length);
	copy = malloc(2 * length + 1);
	if (!copy)
		return NULL;
	to = copy;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x80)
			*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(c < 0x80 ? c : 0x80 | (c & 0x3f));
	}
	*to = '\0';
	return copy;
}

/*
 * Undo the escapes of a quoted string, in place; returns the new length. A full Windows
 * path ("C:\dir\file") comes from old browsers, which escape nothing: it stays. No path
 * has a quotation mark, so a name that begins C:" was escaped.
 */
static size_t unescape(char *text, size_t length)
{
	size_t to = 0;

	if (length > 3 && isalpha((unsigned char)text[0]) && text[1] == ':' &&
	    text[2] == '\\' && text[3] != '\\' && text[3] != '"')
		return length;
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\\' && i + 1 < length)
			i++;
		text[to++] = text[i];
	}
	return to;
}

/* A quoted string from its opening quote; *at moves behind it. */
static int read_quoted(const char **at, char **ret, struct sangraha_error *err)
{
	const char *start = *at + 1;
	const char *end = start;
	sgh_autofree char *raw = NULL;

	for (; *end != '"'; end++) {
		if (*end == '\\' && end[1])
			end++;
		if (*end == '\0')
			return unreadable(err, "has a quotation without an end");
	}
	raw = strndup(start, (size_t)(end - start));
	if (!raw)
		return sgh_fail_memory(err);
	*ret = to_utf8(raw, unescape(raw, (size_t)(end - start)));
	*at = end + 1;
	return *ret ? 0 : sgh_fail_memory(err);
}

/*
 * A value without quotes. More than a token is let through, since clients send brackets
 * and letters with accents; nothing in it can be mistaken for the header's own marks.
 */
static int read_bare(const char **at, char **ret, struct sangraha_error *err)
{
	size_t length = strcspn(*at, "; \t\"");

	if (length == 0)
		return unreadable(err, "has a parameter without a value");
	*ret = to_utf8(*at, length);
	*at += length;
	return *ret ? 0 : sgh_fail_memory(err);
}

static bool has_prefix(const char *text, const char *prefix)
{
	return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* An extended value (RFC 8187, section 3.2): charset'language'percent-encoded. */
static int read_extended(const char **at, char **ret, struct sangraha_error *err)
{
	sgh_autofree char *raw = NULL;
	bool latin1;
	char *text;
	int status = read_bare(at, &raw, err);

	if (status)
		return status;
	latin1 = has_prefix(raw, "iso-8859-1'");
	text = strchr(raw, '\'');
	text = text ? strchr(text + 1, '\'') : NULL;
	if (!text || (!latin1 && !has_prefix(raw, "utf-8'")))
		return unreadable(err, "has an extended value that is not UTF-8''…");
	text++;
	if (!sgh_percent_decode(text))
		return unreadable(err, "has a broken percent escape");
	if (!latin1 && !sgh_utf8_valid(text, strlen(text)))
		return unreadable(err, "has an extended value that is not UTF-8");
	*ret = to_utf8(text, strlen(text));
	return *ret ? 0 : sgh_fail_memory(err);
}

/* Where a parameter's value belongs; NULL: nowhere, it is skipped. */
static char **place_of(struct disposition *found, const char *name, size_t length)
{
	if (sgh_named(name, length, "name"))
		return &found->name;
	if (sgh_named(name, length, "filename"))
		return &found->filename;
	if (sgh_named(name, length, "filename*"))
		return &found->filename_ext;
	return NULL;
}

/* One parameter from its name; *at moves behind it. */
static int read_parameter(const char **at, struct disposition *found,
			  struct sangraha_error *err)
{
	const char *name = *at;
	sgh_autofree char *value = NULL;
	size_t length = 0;
	char **place;
	int status;

	while (token_char(name[length]))
		length++;
	*at = skip_space(name + length);
	if (length == 0 || **at != '=')
		return unreadable(err, "has a parameter without a name or a value");
	*at = skip_space(*at + 1);
	place = place_of(found, name, length);
	if (place && *place)
		return unreadable(err, "says the same parameter twice");
	if (place == &found->filename_ext)
		status = read_extended(at, &value, err);
	else if (**at == '"')
		status = read_quoted(at, &value, err);
	else
		status = read_bare(at, &value, err);
	if (status == 0 && place)
		*place = sgh_take(value);
	return status;
}

static int read_parameters(const char *at, struct disposition *found,
			   struct sangraha_error *err)
{
	for (at = skip_space(at); *at; at = skip_space(at)) {
		int status;

		if (*at != ';')
			return unreadable(err, "has something between its parameters");
		at = skip_space(at + 1);
		if (*at == '\0')
			break; /* A semicolon at the end is common and harmless. */
		status = read_parameter(&at, found, err);
		if (status)
			return status;
	}
	return 0;
}

/* What follows the last path separator, in place; NULL and freed when that is nothing. */
static char *cut_path(char *name)
{
	char *start = name;

	if (!name)
		return NULL;
	for (char *at = name; *at; at++)
		if (*at == '/' || *at == '\\')
			start = at + 1;
	if (*start == '\0') {
		free(name);
		return NULL;
	}
	memmove(name, start, strlen(start) + 1);
	return name;
}

int sgh_disposition_parse(const char *header, char **ret_name, char **ret_filename,
			  struct sangraha_error *err)
{
	struct disposition found = { 0 };
	const char *at = skip_space(header);
	const char *type = at;
	int status;

	while (token_char(*at))
		at++;
	if (at == type)
		return unreadable(err, "does not begin with a word");
	status = read_parameters(at, &found, err);
	if (status == 0) {
		char **best = found.filename_ext ? &found.filename_ext : &found.filename;

		*ret_name = sgh_take(found.name);
		*ret_filename = cut_path(sgh_take(*best));
	}
	free(found.name);
	free(found.filename);
	free(found.filename_ext);
	return status;
}

/* The stand-in: ASCII, each other character a "_"; true when it is the name itself. */
static bool write_ascii(struct sgh_buf *buf, const char *name)
{
	size_t length = strlen(name);
	bool same = true;

	for (size_t i = 0; i < length;) {
		uint32_t point = 0xfffd;
		size_t count = sgh_utf8_next(name + i, length - i, &point);

		if (point < 0x20 || point > 0x7e) {
			sgh_buf_putc(buf, '_');
			same = false;
		} else {
			if (point == '"' || point == '\\')
				sgh_buf_putc(buf, '\\');
			sgh_buf_putc(buf, (char)point);
		}
		i += count ? count : 1;
	}
	return same;
}

void sgh_disposition_write(struct sgh_buf *buf, const char *kind, const char *name)
{
	sgh_buf_puts(buf, kind);
	sgh_buf_puts(buf, "; filename=\"");
	if (write_ascii(buf, name)) {
		sgh_buf_putc(buf, '"');
		return;
	}
	/* What percent-encoding leaves alone is all in RFC 8187's attr-char. */
	sgh_buf_puts(buf, "\"; filename*=UTF-8''");
	sgh_percent_encode(buf, name);
}

/* What a browser may show by itself; everything else is a download. */
static bool may_be_shown(const char *content_type)
{
	static const char *const shown[] = {
		"image/png",  "image/jpeg",      "image/gif",
		"image/webp", "application/pdf", "application/json",
	};

	for (size_t i = 0; i < SGH_COUNT(shown); i++)
		if (strcmp(shown[i], content_type) == 0)
			return true;
	return false;
}

void sgh_disposition_object(struct sgh_buf *buf, const char *content_type,
			    const char *filename, const char *id, const char *extension,
			    bool download)
{
	bool attached = download || !may_be_shown(content_type);
	char stand_in[SANGRAHA_ID_SIZE + 64];

	snprintf(stand_in, sizeof(stand_in), "%s%s%s", id, extension ? "." : "",
		 extension ? extension : "");
	sgh_disposition_write(buf, attached ? "attachment" : "inline",
			      filename ? filename : stand_in);
}
