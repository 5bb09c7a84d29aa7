/* SPDX-License-Identifier: MIT */
#include "wire/s3xml.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"

#define DEPTH_MAX 16
#define NAME_MAX_ 32
/* A key with each byte percent-encoded is the longest text that is looked at. */
#define TEXT_MAX (3 * SGH_S3_KEY_MAX)

/* Where the parser is, and the text of the element that it is in. */
struct walk {
	XML_Parser parser;
	unsigned depth;
	char path[DEPTH_MAX][NAME_MAX_]; /* local names, from the root on */
	char text[TEXT_MAX + 1];
	size_t length;
	bool cut; /* the text was longer */
	bool bad; /* refused: a DTD, or too deep */
	bool no_memory;
	/* Called at the end of each element, with its text. */
	void (*element)(struct walk *walk);
	/* Called at the start of each element; may be NULL. */
	void (*begin)(struct walk *walk);
};

static void refuse(struct walk *walk)
{
	walk->bad = true;
	XML_StopParser(walk->parser, XML_FALSE);
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system,
		       const XML_Char *public, int has_internal)
{
	refuse(arg);
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct walk *walk = arg;
	const char *local = strrchr(name, ':');

	if (walk->depth == DEPTH_MAX) {
		refuse(walk);
		return;
	}
	/* A name that is longer than all that are looked for may be cut. */
	snprintf(walk->path[walk->depth], NAME_MAX_, "%s", local ? local + 1 : name);
	walk->depth++;
	walk->length = 0;
	walk->cut = false;
	if (walk->begin)
		walk->begin(walk);
}

static void on_end(void *arg, const XML_Char *name)
{
	struct walk *walk = arg;

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
	struct walk *walk = arg;
	size_t room = TEXT_MAX - walk->length;
	size_t taken = sgh_min((size_t)length, room);

	memcpy(walk->text + walk->length, text, taken);
	walk->length += taken;
	walk->cut |= taken < (size_t)length;
}

/* Whether the element that ends now is a/b/c (NULL for levels that are not there). */
static bool at(const struct walk *walk, const char *a, const char *b, const char *c)
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

/* NULL: well-formed. Otherwise what was wrong; static. */
static const char *walk_run(struct walk *walk, const void *data, size_t length)
{
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
	if (XML_Parse(walk->parser, data, (int)length, 1) != XML_STATUS_OK)
		problem = walk->bad ? "refused"
				    : XML_ErrorString(XML_GetErrorCode(walk->parser));
	walk->no_memory |= XML_GetErrorCode(walk->parser) == XML_ERROR_NO_MEMORY;
	XML_ParserFree(walk->parser);
	return problem;
}

struct error_walk {
	struct walk walk;
	struct sgh_s3_error *error;
	bool found;
};

/* What a server says ends up in logs and replies: one line, cut between characters. */
static void copy_text(char *out, size_t size, const char *text)
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

static void error_element(struct walk *walk)
{
	struct error_walk *self = sgh_container_of(walk, struct error_walk, walk);

	if (at(walk, "Error", "Code", NULL))
		copy_text(self->error->code, sizeof(self->error->code), walk->text);
	else if (at(walk, "Error", "Message", NULL))
		copy_text(self->error->message, sizeof(self->error->message), walk->text);
	else if (at(walk, "Error", NULL, NULL))
		self->found = true;
}

bool sgh_s3xml_error(const void *data, size_t length, struct sgh_s3_error *ret)
{
	struct sgh_s3_error error = { { 0 } };
	struct error_walk self = { .walk.element = error_element, .error = &error };

	if (!length)
		return false;
	/* What comes behind a complete <Error> does not make it less of an error. */
	walk_run(&self.walk, data, length);
	if (!self.found)
		return false;
	*ret = error;
	return true;
}

struct list_walk {
	struct walk walk;
	struct sgh_arena *arena;
	struct sgh_s3_list list;
	size_t max_keys;
	bool encoded;
	bool found;
	const char *problem;
};

static void problem(struct list_walk *self, const char *text)
{
	if (!self->problem)
		self->problem = text;
	refuse(&self->walk);
}

static void list_begin(struct walk *walk)
{
	struct list_walk *self = sgh_container_of(walk, struct list_walk, walk);

	if (!at(walk, "ListBucketResult", "Contents", NULL))
		return;
	if (self->list.count == self->max_keys) {
		problem(self, "more keys than asked for");
		return;
	}
	self->list.keys[self->list.count++] = (struct sgh_s3_key){ 0 };
}

static bool parse_size(const char *text, uint64_t *ret)
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

static void key_element(struct list_walk *self, struct sgh_s3_key *key)
{
	struct walk *walk = &self->walk;

	if (at(walk, "ListBucketResult", "Contents", "Key")) {
		key->key = sgh_arena_text(self->arena, walk->text, walk->length);
		walk->no_memory |= !key->key;
		if (walk->cut || !key->key)
			problem(self, "a key is too long");
	} else if (at(walk, "ListBucketResult", "Contents", "Size")) {
		if (!parse_size(walk->text, &key->size))
			problem(self, "a size is not a number");
	} else if (at(walk, "ListBucketResult", "Contents", "LastModified")) {
		/* Informative: a server that writes it in its own way may do so. */
		if (!sgh_rfc3339_parse(walk->text, &key->modified_ms))
			key->modified_ms = 0;
	}
}

static void list_element(struct walk *walk)
{
	struct list_walk *self = sgh_container_of(walk, struct list_walk, walk);

	if (walk->depth == 3 && self->list.count)
		key_element(self, &self->list.keys[self->list.count - 1]);
	else if (at(walk, "ListBucketResult", "IsTruncated", NULL))
		self->list.more = strcmp(walk->text, "true") == 0;
	else if (at(walk, "ListBucketResult", "EncodingType", NULL))
		self->encoded = strcmp(walk->text, "url") == 0;
	else if (at(walk, "ListBucketResult", NULL, NULL))
		self->found = true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo encoding-type=url, where a space is a plus, in place. */
static bool url_decode(char *text)
{
	char *out = text;

	for (; *text; text++) {
		int high, low;

		if (*text != '%') {
			*out++ = *text == '+' ? ' ' : *text;
			continue;
		}
		high = hex_value(text[1]);
		low = high < 0 ? -1 : hex_value(text[2]);
		if (low < 0 || !(high | low))
			return false;
		*out++ = (char)(high << 4 | low);
		text += 2;
	}
	*out = '\0';
	return true;
}

/* The encoding is named behind the keys by some servers, so they are decoded at the end. */
static const char *finish_keys(struct list_walk *self)
{
	for (size_t i = 0; i < self->list.count; i++) {
		char *key = (char *)self->list.keys[i].key;

		if (!key || !*key)
			return "a key is missing";
		if (self->encoded && !url_decode(key))
			return "a key is encoded wrongly";
		if (strlen(key) > SGH_S3_KEY_MAX)
			return "a key is too long";
	}
	return NULL;
}

int sgh_s3xml_list(const void *data, size_t length, size_t max_keys,
		   struct sgh_arena *arena, struct sgh_s3_list *ret,
		   struct sangraha_error *err)
{
	struct list_walk self = {
		.walk.element = list_element,
		.walk.begin = list_begin,
		.arena = arena,
		.max_keys = max_keys,
	};
	const char *wrong;

	self.list.keys = sgh_arena_alloc(arena, max_keys * sizeof(*self.list.keys) + 1);
	if (!self.list.keys)
		return sgh_fail_memory(err);
	wrong = walk_run(&self.walk, data, length);
	if (self.walk.no_memory)
		return sgh_fail_memory(err);
	if (self.problem)
		wrong = self.problem;
	if (!wrong && !self.found)
		wrong = "no ListBucketResult";
	if (!wrong)
		wrong = finish_keys(&self);
	if (wrong)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"the store's listing cannot be read: %s", wrong);
	*ret = self.list;
	return 0;
}
