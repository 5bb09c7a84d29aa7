/* SPDX-License-Identifier: MIT */
#include "validate/json.h"

#include <inttypes.h>
#include <stdio.h>

#include <sangraha/error.h>

#include "base/util.h"
#include "validate/format.h"
#include "validate/json_fast.h"
#include "validate/json_skip.h"

/*
 * RFC 8259 as a state machine. A handler takes what it can from [p, end), leaves the
 * state that the next byte meets, and returns where it stopped. Where the bytes usually go
 * on in one way, a handler calls the next one directly; the states make any split
 * possible. Failing is a state too: then the returned pointer is the bad byte.
 */
enum state {
	BOM,         /* in a byte order mark */
	VALUE,       /* a value */
	FIRST_VALUE, /* a value or ], after [ */
	FIRST_KEY,   /* a name or }, after { */
	KEY,         /* a name, after a comma */
	COLON,
	AFTER, /* after a value: comma, closing bracket, or the end */
	STRING,
	ESCAPE, /* after a backslash */
	HEX,    /* in \uXXXX */
	UTF8,   /* in a character of several bytes */
	LITERAL,
	MINUS,
	ZERO,
	INTEGER,
	POINT,
	FRACTION,
	EXPONENT,
	EXPONENT_SIGN,
	EXPONENT_DIGITS,
	FAILED,
};

enum container {
	TOP,
	ARRAY,
	OBJECT,
};

/* Bytes that the state machine takes before the fast way is tried again. */
#define SLOW_LENGTH ((size_t)256)

struct json {
	enum state state;
	enum container container; /* the innermost one */
	bool key;                 /* the string is a name */
	unsigned char hex_left;
	unsigned char
		utf8_left; /* continuation bytes to come, the next from low to high */
	unsigned char utf8_low;
	unsigned char utf8_high;
	const char *literal; /* what is left of true, false, null */
	const char *rule;    /* in FAILED */
	const char *expected;
	const char *kind; /* of the outermost value */
	unsigned depth;
	unsigned deepest;
	unsigned max_depth;
	bool bom; /* accepted, as of scalars */
	bool scalars;
	bool fast; /* the processor can */
	uint64_t values;
	uint64_t lines;      /* ended so far */
	uint64_t line_start; /* offset */
	uint64_t offset;     /* of the bytes at hand */
	const unsigned char *chunk;
	bool only_bracket;     /* in FAILED: after one opening bracket */
	unsigned char stack[]; /* a bit for each open container: 1 is an object */
};

static uint64_t position(const struct json *json, const unsigned char *p)
{
	return json->offset + (uint64_t)(p - json->chunk);
}

static const unsigned char *failed(struct json *json, const unsigned char *p,
				   const char *rule, const char *expected)
{
	json->only_bracket = json->values == 1 && json->depth == 1 &&
			     (json->state == FIRST_VALUE || json->state == FIRST_KEY);
	json->state = FAILED;
	json->rule = rule;
	json->expected = expected;
	return p;
}

static inline const unsigned char *skip_space(struct json *json, const unsigned char *p,
					      const unsigned char *end)
{
	while (p < end && *p <= ' ') {
		if (*p == '\n') {
			json->lines++;
			json->line_start = position(json, p + 1);
			p = sgh_json_skip_blanks(p + 1, end);
		} else if (sgh_json_space(*p)) {
			p++;
		} else {
			break;
		}
	}
	return p;
}

/* What may follow a first byte (RFC 3629, section 4); false when it is none. */
static bool utf8_begin(struct json *json, unsigned char lead)
{
	if (lead < 0xc2 || lead > 0xf4)
		return false;
	json->utf8_left = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
	json->utf8_low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	json->utf8_high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	return true;
}

static const unsigned char *utf8(struct json *json, const unsigned char *p,
				 const unsigned char *end)
{
	for (; p < end; p++) {
		if (*p < json->utf8_low || *p > json->utf8_high)
			return failed(json, p, "json.utf8",
				      "the rest of a UTF-8 character");
		json->utf8_low = 0x80;
		json->utf8_high = 0xbf;
		if (--json->utf8_left == 0) {
			json->state = STRING;
			return p + 1;
		}
	}
	return p;
}

static const unsigned char *string(struct json *json, const unsigned char *p,
				   const unsigned char *end)
{
	while (json->state == STRING) {
		p = sgh_json_skip_plain(p, end);
		if (p == end)
			return p;
		if (*p == '"') {
			json->state = json->key ? COLON : AFTER;
			return p + 1;
		}
		if (*p == '\\') {
			json->state = ESCAPE;
			return p + 1;
		}
		if (*p < 0x20)
			return failed(json, p, "json.string",
				      "control characters escaped, as in \\n");
		p = sgh_json_skip_wide(p, end);
		if (p == end || *p < 0x80)
			continue;
		if (!utf8_begin(json, *p))
			return failed(json, p, "json.utf8", "UTF-8");
		json->state = UTF8;
		p = utf8(json, p + 1, end);
	}
	return p;
}

static const unsigned char *escape(struct json *json, const unsigned char *p,
				   const unsigned char *end)
{
	switch (*p) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		json->state = STRING;
		return string(json, p + 1, end);
	case 'u':
		json->state = HEX;
		json->hex_left = 4;
		return p + 1;
	default:
		return failed(json, p, "json.escape", "one of \"\\/bfnrtu after \\");
	}
}

static const unsigned char *hex(struct json *json, const unsigned char *p,
				const unsigned char *end)
{
	for (; p < end; p++) {
		unsigned char lower = *p | 0x20;

		if (!(*p >= '0' && *p <= '9') && !(lower >= 'a' && lower <= 'f'))
			return failed(json, p, "json.escape",
				      "four hexadecimal digits after \\u");
		if (--json->hex_left == 0) {
			json->state = STRING;
			return string(json, p + 1, end);
		}
	}
	return p;
}

static const unsigned char *literal(struct json *json, const unsigned char *p,
				    const unsigned char *end)
{
	for (; p < end && *json->literal; p++, json->literal++) {
		if (*p != (unsigned char)*json->literal)
			return failed(json, p, "json.literal", "true, false or null");
	}
	if (!*json->literal)
		json->state = AFTER;
	return p;
}

static inline bool digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static inline const unsigned char *digits(const unsigned char *p,
					  const unsigned char *end)
{
	while (p < end && digit(*p))
		p++;
	return p;
}

/* At least one digit must stand here, then `state` goes on. */
static const unsigned char *need_digit(struct json *json, const unsigned char *p,
				       enum state state)
{
	if (!digit(*p))
		return failed(json, p, "json.number", "a digit");
	json->state = state;
	return p + 1;
}

/* After the integer part: a fraction, an exponent, or the number has ended before p. */
static const unsigned char *number_tail(struct json *json, const unsigned char *p,
					bool fraction)
{
	if (*p == '.' && fraction)
		json->state = POINT;
	else if (*p == 'e' || *p == 'E')
		json->state = EXPONENT;
	else
		json->state = AFTER;
	return json->state == AFTER ? p : p + 1;
}

static const unsigned char *number(struct json *json, const unsigned char *p,
				   const unsigned char *end)
{
	while (p < end) {
		switch (json->state) {
		case MINUS:
			p = need_digit(json, p, *p == '0' ? ZERO : INTEGER);
			break;
		case ZERO:
			if (digit(*p))
				return failed(json, p, "json.number",
					      "no digit after a leading 0");
			p = number_tail(json, p, true);
			break;
		case INTEGER:
			p = digits(p, end);
			if (p < end)
				p = number_tail(json, p, true);
			break;
		case POINT:
			p = need_digit(json, p, FRACTION);
			break;
		case FRACTION:
			p = digits(p, end);
			if (p < end)
				p = number_tail(json, p, false);
			break;
		case EXPONENT:
			json->state = EXPONENT_SIGN;
			if (*p == '+' || *p == '-')
				p++;
			break;
		case EXPONENT_SIGN:
			p = need_digit(json, p, EXPONENT_DIGITS);
			break;
		case EXPONENT_DIGITS:
			p = digits(p, end);
			if (p < end)
				json->state = AFTER;
			break;
		default: /* ended, or FAILED */
			return p;
		}
	}
	return p;
}

static const unsigned char *open_container(struct json *json, const unsigned char *p,
					   enum container container)
{
	unsigned char bit = (unsigned char)(1 << json->depth % 8);

	if (json->depth == json->max_depth)
		return failed(json, p, "json.depth", "less nesting");
	if (container == OBJECT)
		json->stack[json->depth / 8] |= bit;
	else
		json->stack[json->depth / 8] &= (unsigned char)~bit;
	json->depth++;
	if (json->depth > json->deepest)
		json->deepest = json->depth;
	json->container = container;
	json->state = container == OBJECT ? FIRST_KEY : FIRST_VALUE;
	return p + 1;
}

static const unsigned char *close_container(struct json *json, const unsigned char *p)
{
	unsigned outer = --json->depth - 1;

	if (json->depth == 0)
		json->container = TOP;
	else
		json->container =
			json->stack[outer / 8] >> outer % 8 & 1 ? OBJECT : ARRAY;
	json->state = AFTER;
	return p + 1;
}

static const char *value_kind(unsigned char first)
{
	switch (first) {
	case '{':
		return "object";
	case '[':
		return "array";
	case '"':
		return "string";
	case 't':
	case 'f':
		return "boolean";
	case 'n':
		return "null";
	default:
		return "number";
	}
}

static const unsigned char *byte_order_mark(struct json *json, const unsigned char *p,
					    const unsigned char *end)
{
	for (; p < end && json->state == BOM; p++) {
		uint64_t i = position(json, p);

		if (*p != (unsigned char)"\xef\xbb\xbf"[i])
			return failed(json, p, "json.bom", "a byte order mark");
		if (i == 2) {
			json->line_start = 3;
			json->state = VALUE;
		}
	}
	return p;
}

static const unsigned char *value_failed(struct json *json, const unsigned char *p)
{
	if (json->values == 0 && *p == 0xef && position(json, p) == 0) {
		if (!json->bom)
			return failed(json, p, "json.bom",
				      "a value and no byte order mark");
		json->state = BOM;
		return p + 1;
	}
	if (*p == ']' && json->state == VALUE && json->container == ARRAY)
		return failed(json, p, "json.comma", "a value after the comma");
	return failed(json, p, "json.value", "a value");
}

static const unsigned char *begin_literal(struct json *json, const unsigned char *p,
					  const unsigned char *end, const char *rest)
{
	json->state = LITERAL;
	json->literal = rest;
	return literal(json, p + 1, end);
}

/* p is the first byte of a value. */
static const unsigned char *begin_value(struct json *json, const unsigned char *p,
					const unsigned char *end)
{
	switch (*p) {
	case '"':
		json->key = false;
		json->state = STRING;
		return string(json, p + 1, end);
	case '{':
		return open_container(json, p, OBJECT);
	case '[':
		return open_container(json, p, ARRAY);
	case '-':
		json->state = MINUS;
		return number(json, p + 1, end);
	case '0':
		json->state = ZERO;
		return number(json, p + 1, end);
	case 't':
		return begin_literal(json, p, end, "rue");
	case 'f':
		return begin_literal(json, p, end, "alse");
	case 'n':
		return begin_literal(json, p, end, "ull");
	default: /* 1 to 9: the others are told apart before */
		json->state = INTEGER;
		return number(json, p + 1, end);
	}
}

static inline bool begins_value(unsigned char c)
{
	return c == '"' || c == '{' || c == '[' || c == '-' || digit(c) || c == 't' ||
	       c == 'f' || c == 'n';
}

static const unsigned char *value(struct json *json, const unsigned char *p,
				  const unsigned char *end)
{
	p = skip_space(json, p, end);
	if (p == end)
		return p;
	if (*p == ']' && json->state == FIRST_VALUE)
		return close_container(json, p);
	if (!begins_value(*p))
		return value_failed(json, p);
	if (json->values++ == 0) {
		json->kind = value_kind(*p);
		if (!json->scalars && *p != '{' && *p != '[')
			return failed(json, p, "json.scalar", "an object or an array");
	}
	return begin_value(json, p, end);
}

static const unsigned char *key(struct json *json, const unsigned char *p,
				const unsigned char *end)
{
	p = skip_space(json, p, end);
	if (p == end)
		return p;
	if (*p == '"') {
		json->key = true;
		json->state = STRING;
		return string(json, p + 1, end);
	}
	if (*p == '}') {
		if (json->state == FIRST_KEY)
			return close_container(json, p);
		return failed(json, p, "json.comma", "a name after the comma");
	}
	return failed(json, p, "json.key", "a name in double quotes");
}

static const unsigned char *colon(struct json *json, const unsigned char *p,
				  const unsigned char *end)
{
	p = skip_space(json, p, end);
	if (p == end)
		return p;
	if (*p != ':')
		return failed(json, p, "json.colon", "a colon after the name");
	json->state = VALUE;
	return value(json, p + 1, end);
}

static const unsigned char *after(struct json *json, const unsigned char *p,
				  const unsigned char *end)
{
	p = skip_space(json, p, end);
	if (p == end)
		return p;
	switch (json->container) {
	case ARRAY:
		if (*p == ',') {
			json->state = VALUE;
			return value(json, p + 1, end);
		}
		if (*p == ']')
			return close_container(json, p);
		return failed(json, p, "json.comma", "a comma or ]");
	case OBJECT:
		if (*p == ',') {
			json->state = KEY;
			return key(json, p + 1, end);
		}
		if (*p == '}')
			return close_container(json, p);
		return failed(json, p, "json.comma", "a comma or }");
	default:
		return failed(json, p, "json.trailing", "the end");
	}
}

static int refuse(const struct json *json, uint64_t offset, const char *rule,
		  const char *expected, const char *found, struct sgh_refusal *ret)
{
	return sgh_refuse(ret, rule, offset,
			  "line %" PRIu64 ", column %" PRIu64 ": expected %s, found %s",
			  json->lines + 1, offset - json->line_start + 1, expected,
			  found);
}

static int refuse_byte(const struct json *json, const unsigned char *p,
		       struct sgh_refusal *ret)
{
	char found[16];

	if (*p > ' ' && *p < 0x7f)
		snprintf(found, sizeof(found), "'%c'", *p);
	else
		snprintf(found, sizeof(found), "byte 0x%02x", *p);
	return refuse(json, position(json, p), json->rule, json->expected, found, ret);
}

/* What may come next, in the words of json_fast.c; false within a token. */
static bool next_token(const struct json *json, enum sgh_json_next *ret)
{
	switch (json->state) {
	case VALUE:
		*ret = SGH_JSON_NEXT_VALUE;
		return true;
	case FIRST_VALUE:
		*ret = SGH_JSON_NEXT_FIRST_VALUE;
		return true;
	case FIRST_KEY:
		*ret = SGH_JSON_NEXT_FIRST_KEY;
		return true;
	case KEY:
		*ret = SGH_JSON_NEXT_KEY;
		return true;
	case COLON:
		*ret = SGH_JSON_NEXT_COLON;
		return true;
	case AFTER:
		*ret = SGH_JSON_NEXT_AFTER;
		return true;
	default:
		return false;
	}
}

/* Whole tokens between p and end, where there are any that can be taken the fast way. */
static const unsigned char *take_fast(struct json *json, const unsigned char *p,
				      const unsigned char *end)
{
	static const enum state states[] = {
		[SGH_JSON_NEXT_VALUE] = VALUE, [SGH_JSON_NEXT_FIRST_VALUE] = FIRST_VALUE,
		[SGH_JSON_NEXT_KEY] = KEY,     [SGH_JSON_NEXT_FIRST_KEY] = FIRST_KEY,
		[SGH_JSON_NEXT_COLON] = COLON, [SGH_JSON_NEXT_AFTER] = AFTER,
	};
	struct sgh_json_fast fast = { .object = json->container == OBJECT,
				      .depth = json->depth,
				      .deepest = json->deepest,
				      .max_depth = json->max_depth,
				      .stack = json->stack,
				      .values = json->values };

	if (!json->fast || json->depth == 0 || !next_token(json, &fast.next))
		return p;
	p = sgh_json_fast(&fast, p, end);
	json->state = states[fast.next];
	json->container = fast.object ? OBJECT : ARRAY;
	json->depth = fast.depth;
	json->deepest = fast.deepest;
	json->values = fast.values;
	json->lines += fast.lines;
	if (fast.line)
		json->line_start = position(json, fast.line);
	return p;
}

/* Up to `end`, or to the byte that is wrong. */
static const unsigned char *run(struct json *json, const unsigned char *p,
				const unsigned char *end)
{
	while (p < end) {
		switch (json->state) {
		case BOM:
			p = byte_order_mark(json, p, end);
			break;
		case VALUE:
		case FIRST_VALUE:
			p = value(json, p, end);
			break;
		case FIRST_KEY:
		case KEY:
			p = key(json, p, end);
			break;
		case COLON:
			p = colon(json, p, end);
			break;
		case AFTER:
			p = after(json, p, end);
			break;
		case STRING:
			p = string(json, p, end);
			break;
		case ESCAPE:
			p = escape(json, p, end);
			break;
		case HEX:
			p = hex(json, p, end);
			break;
		case UTF8:
			p = utf8(json, p, end);
			break;
		case LITERAL:
			p = literal(json, p, end);
			break;
		case FAILED:
			return p;
		default:
			p = number(json, p, end);
			break;
		}
	}
	return p;
}

/*
 * The fast way as far as it goes, then this way for a while: it takes what is left at the
 * end, tokens that are very long, and those that are wrong.
 */
static int feed(void *state, const unsigned char *data, size_t length,
		struct sgh_refusal *ret)
{
	struct json *json = state;
	const unsigned char *p = data;
	const unsigned char *end = data + length;

	json->chunk = data;
	while (p < end) {
		p = take_fast(json, p, end);
		p = run(json, p, p + sgh_min((size_t)(end - p), SLOW_LENGTH));
		if (json->state == FAILED && p < end)
			return refuse_byte(json, p, ret);
	}
	json->offset += length;
	return 0;
}

static const char *wanted(const struct json *json)
{
	switch (json->state) {
	case FIRST_VALUE:
		return "a value or ]";
	case BOM:
	case VALUE:
		return "a value";
	case FIRST_KEY:
		return "a name or }";
	case KEY:
		return "a name";
	case COLON:
		return "a colon";
	case STRING:
	case ESCAPE:
	case HEX:
	case UTF8:
		return "the rest of a string";
	case LITERAL:
		return "true, false or null";
	case MINUS:
	case POINT:
	case EXPONENT:
	case EXPONENT_SIGN:
		return "a digit";
	default:
		return json->container == OBJECT ? "a comma or }" : "a comma or ]";
	}
}

static bool complete(const struct json *json)
{
	switch (json->state) {
	case AFTER:
	case ZERO:
	case INTEGER:
	case FRACTION:
	case EXPONENT_DIGITS:
		return json->depth == 0;
	default:
		return false;
	}
}

static int finish(void *state, char facts[SGH_FACTS_SIZE], struct sgh_refusal *ret)
{
	const struct json *json = state;

	if (!complete(json))
		return refuse(json, json->offset, "json.end", wanted(json), "the end",
			      ret);
	snprintf(facts, SGH_FACTS_SIZE,
		 "{\"kind\":\"%s\",\"depth\":%u,\"values\":%" PRIu64 "}", json->kind,
		 json->deepest, json->values);
	return 0;
}

static void *begin(const struct sgh_limits *limits)
{
	size_t stack = ((size_t)limits->json_max_depth + 7) / 8;
	struct json *json = calloc(1, sizeof(*json) + stack);

	if (!json)
		return NULL;
	json->state = VALUE;
	json->max_depth = limits->json_max_depth;
	json->bom = limits->json_bom;
	json->scalars = limits->json_scalars;
	json->fast = limits->json_fast;
	return json;
}

enum sgh_json_progress sgh_json_progress(const void *state)
{
	const struct json *json = state;

	if (json->values == 0)
		return SGH_JSON_NOTHING;
	return json->only_bracket ? SGH_JSON_BRACKET : SGH_JSON_MORE;
}

/* The place of the first byte from `at` on that is no white space. */
static size_t behind_space(const unsigned char *text, size_t at, size_t length)
{
	while (at < length && sgh_json_space(text[at]))
		at++;
	return at;
}

bool sgh_json_begins(const unsigned char *text, size_t length)
{
	size_t first = behind_space(text, 0, length);
	size_t second = behind_space(text, first + 1, length);

	if (second >= length)
		return false;
	if (text[first] == '{')
		return text[second] == '"' || text[second] == '}';
	return text[first] == '[' && (text[second] == ']' || begins_value(text[second]));
}

const struct sgh_format sgh_format_json = {
	.mime_type = "application/json",
	.extension = "json",
	.begin = begin,
	.feed = feed,
	.finish = finish,
	.end = free,
};
