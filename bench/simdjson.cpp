/* SPDX-License-Identifier: MIT */
#include <simdjson.h>

extern "C" int simdjson_accepts(const char *text, size_t length);

/* The whole document: the lazy interface looks at no more than what is asked for. */
extern "C" int simdjson_accepts(const char *text, size_t length)
{
	static simdjson::dom::parser parser;

	return parser.parse(text, length, false).error() == simdjson::SUCCESS;
}
