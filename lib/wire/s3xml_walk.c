/* SPDX-License-Identifier: MIT */
#include "wire/s3xml_walk.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "base/util.h"

void sgh_s3xml_refuse(struct sgh_s3xml_walk *walk, const char *problem)
{
	if (!walk->problem)
		walk->problem = problem;
	walk->bad = true;
	XML_StopParser(walk->parser, XML_FALSE);
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system,
		       const XML_Char *public, int has_internal)
{
	sgh_s3xml_refuse(arg, "it has a DTD");
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct sgh_s3xml_walk *walk = arg;
	const char *local = strrchr(name, ':');

	if (walk->depth == SGH_S3XML_DEPTH_MAX) {
		sgh_s3xml_refuse(walk, "it is too deep");
		return;
	}
	/* A name that is longer than all that are looked for may be cut. */
	snprintf(walk->path[walk->depth], SGH_S3XML_NAME_SIZE, "%s",
		 local ? local + 1 : name);
	walk->depth++;
	walk->length = 0;
	walk->cut = false;
	if (walk->begin)
		walk->begin(walk);
}

static void on_end(void *arg, const XML_Char *name)
{
	struct sgh_s3xml_walk *walk = arg;

	/* expat still reports the end of an empty element that was refused. */
	if (walk->bad)
		return;
	walk->text[walk->length] = '\0';
	walk->element(walk);
	walk->depth--;
	walk->length = 0;
}

static void on_text(void *arg, const XML_Char *text, int length)
{
	struct sgh_s3xml_walk *walk = arg;
	size_t room = SGH_S3XML_TEXT_MAX - walk->length;
	size_t taken = sgh_min((size_t)length, room);

	memcpy(walk->text + walk->length, text, taken);
	walk->length += taken;
	walk->cut |= taken < (size_t)length;
}

bool sgh_s3xml_at(const struct sgh_s3xml_walk *walk, const char *a, const char *b,
		  const char *c)
{
	const char *wanted[] = { a, b, c };

	for (unsigned i = 0; i < SGH_COUNT(wanted); i++) {
		if (!wanted[i])
			return walk->depth == i;
		if (walk->depth <= i || strcmp(walk->path[i], wanted[i]) != 0)
			return false;
	}
	return walk->depth == SGH_COUNT(wanted);
}

/*
 * Before an XML declaration nothing may stand, but a server that takes its time sends
 * white space to keep the connection, also before that.
 */
static const char *skip_white(const char *data, size_t *length)
{
	while (*length && strchr(" \t\r\n", *data) && *data) {
		data++;
		--*length;
	}
	return data;
}

const char *sgh_s3xml_walk_run(struct sgh_s3xml_walk *walk, const void *data,
			       size_t length)
{
	const char *text = skip_white(data, &length);
	const char *problem = NULL;

	if (length > INT_MAX)
		return "too large";
	walk->parser = XML_ParserCreate(NULL);
	if (!walk->parser) {
		walk->no_memory = true;
		return "out of memory";
	}
	XML_SetUserData(walk->parser, walk);
	XML_SetStartDoctypeDeclHandler(walk->parser, on_doctype);
	XML_SetElementHandler(walk->parser, on_start, on_end);
	XML_SetCharacterDataHandler(walk->parser, on_text);
	if (XML_Parse(walk->parser, text, (int)length, 1) != XML_STATUS_OK)
		problem = walk->bad ? walk->problem
				    : XML_ErrorString(XML_GetErrorCode(walk->parser));
	walk->no_memory |= XML_GetErrorCode(walk->parser) == XML_ERROR_NO_MEMORY;
	XML_ParserFree(walk->parser);
	return problem;
}

void sgh_s3xml_line(char *out, size_t size, const char *text)
{
	size_t length = strlen(text);

	if (length >= size) {
		length = size - 1;
		while (length && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
	}
	for (size_t i = 0; i < length; i++)
		out[i] = iscntrl((unsigned char)text[i]) ? ' ' : text[i];
	out[length] = '\0';
}

bool sgh_s3xml_number(const char *text, uint64_t *ret)
{
	char *end;
	unsigned long long value;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end)
		return false;
	*ret = value;
	return true;
}

bool sgh_s3xml_url_decode(char *text)
{
	char *out = text;

	for (; *text; text++) {
		int high, low;

		if (*text != '%') {
			*out++ = *text == '+' ? ' ' : *text;
			continue;
		}
		high = sgh_hex_value(text[1]);
		low = high < 0 ? -1 : sgh_hex_value(text[2]);
		if (low < 0 || !(high | low))
			return false;
		*out++ = (char)(high << 4 | low);
		text += 2;
	}
	*out = '\0';
	return true;
}
