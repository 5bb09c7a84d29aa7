/* SPDX-License-Identifier: MIT */
#include "documents.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
	char *text;
	size_t length;
	size_t room;
	uint32_t random;
};

static void add(struct writer *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct writer *w, const char *format, ...)
{
	va_list args;

	if (w->room - w->length < 4096) {
		w->room = w->room * 2 + 65536;
		w->text = realloc(w->text, w->room);
		if (!w->text)
			abort();
	}
	va_start(args, format);
	w->length += (size_t)vsnprintf(w->text + w->length, 4096, format, args);
	va_end(args);
}

static unsigned dice(struct writer *w, unsigned sides)
{
	w->random = w->random * 1664525 + 1013904223;
	return (w->random >> 8) % sides;
}

static const char *word(struct writer *w)
{
	static const char *const words[] = {
		"order", "delivery", "a",       "customer",  "returned", "of",
		"in",    "blue",     "package", "warehouse", "the",      "signed",
		"and",   "payment",  "small",   "reference", "to",       "again",
	};

	return words[dice(w, sizeof(words) / sizeof(words[0]))];
}

static void sentence(struct writer *w, unsigned words)
{
	for (unsigned i = 0; i < words; i++)
		add(w, "%s%s", i ? " " : "", word(w));
}

/* Small records, as an interface of a shop answers them. */
static void record(struct writer *w, unsigned i)
{
	add(w, "{\"id\":%u,\"name\":\"%s %s\",\"price\":%u.%02u,\"active\":%s,", i,
	    word(w), word(w), dice(w, 1000), dice(w, 100), dice(w, 2) ? "true" : "false");
	add(w, "\"tags\":[\"%s\",\"%s\"],\"stock\":%u,\"parent\":null}", word(w), word(w),
	    dice(w, 10000));
}

/* The same with line ends and four blanks a level. */
static void pretty(struct writer *w, unsigned i)
{
	add(w, "\n    {\n        \"id\": %u,\n        \"name\": \"%s %s\",\n", i, word(w),
	    word(w));
	add(w, "        \"price\": %u.%02u,\n        \"active\": %s,\n", dice(w, 1000),
	    dice(w, 100), dice(w, 2) ? "true" : "false");
	add(w,
	    "        \"tags\": [\n            \"%s\",\n            \"%s\"\n        ],\n"
	    "        \"stock\": %u,\n        \"parent\": null\n    }",
	    word(w), word(w), dice(w, 10000));
}

/* Messages of people: sentences, escapes, other scripts, and much around them. */
static void message(struct writer *w, unsigned i)
{
	static const char *const extras[] = {
		"\\u2764\\ufe0f",
		"\xe3\x81\x82\xe3\x82\x8a\xe3\x81\x8c\xe3\x81\xa8",
		"\\n\\\"quoted\\\"",
		"caf\xc3\xa9 \xe2\x80\x93 na\xc3\xafve",
		"\xf0\x9f\x98\x80",
		"\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
		"https:\\/\\/example.org\\/a\\/1",
	};

	add(w, "{\"created_at\":\"Mon Jan 05 10:%02u:%02u +0000 2026\",", dice(w, 60),
	    dice(w, 60));
	add(w, "\"id\":50587492%09u,\"id_str\":\"50587492%09u\",\"text\":\"@%s ", i, i,
	    word(w));
	sentence(w, 4 + dice(w, 12));
	add(w, " %s ", extras[dice(w, sizeof(extras) / sizeof(extras[0]))]);
	sentence(w, dice(w, 6));
	add(w, "\",\"source\":\"<a href=\\\"https://example.org\\\">web</a>\",");
	add(w, "\"truncated\":false,\"user\":{\"id\":%u,\"screen_name\":\"%s_%u\",",
	    dice(w, 1 << 22), word(w), dice(w, 1000));
	add(w, "\"location\":\"\",\"followers_count\":%u,\"protected\":false,",
	    dice(w, 5000));
	add(w, "\"profile_background_color\":\"C0DEED\",\"following\":null},");
	add(w,
	    "\"geo\":null,\"entities\":{\"hashtags\":[],\"urls\":[{\"indices\":[%u,%u]}]}"
	    ",",
	    dice(w, 70), dice(w, 140));
	add(w, "\"favorited\":false,\"lang\":\"en\"}");
}

/* Coordinates and measurements. */
static void numbers(struct writer *w, unsigned i)
{
	add(w, "[%d.%06u,-%u.%u,%u,%ue-%u]", (int)dice(w, 360) - 180, dice(w, 1000000),
	    dice(w, 90), dice(w, 100000), i, dice(w, 1000), dice(w, 9));
}

/* 40 levels of arrays and objects in turns, with a little in them. */
static void nested(struct writer *w, unsigned i)
{
	for (unsigned level = 0; level < 20; level++)
		add(w, "{\"level\":%u,\"next\":[", level);
	add(w, "%u", i);
	for (unsigned level = 0; level < 20; level++)
		add(w, "]}");
}

/* Pages of plain text in strings. */
static void texts(struct writer *w, unsigned i)
{
	add(w, "{\"page\":%u,\"text\":\"", i);
	sentence(w, 250);
	add(w, "\"}");
}

static const struct {
	const char *kind;
	void (*item)(struct writer *w, unsigned i);
} kinds[] = {
	{ "records", record },  { "pretty", pretty }, { "messages", message },
	{ "numbers", numbers }, { "nested", nested }, { "texts", texts },
};

int document_make(size_t i, size_t size, struct document *ret)
{
	struct writer w = { .random = 42 };

	if (i >= sizeof(kinds) / sizeof(kinds[0]))
		return 0;
	add(&w, "[");
	for (unsigned n = 0; w.length < size; n++) {
		if (n > 0)
			add(&w, ",");
		kinds[i].item(&w, n);
	}
	add(&w, "]");
	memset(w.text + w.length, 0, DOCUMENT_PADDING);
	*ret = (struct document){ .kind = kinds[i].kind,
				  .text = w.text,
				  .length = w.length };
	return 1;
}
