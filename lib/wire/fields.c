/* SPDX-License-Identifier: MIT */
#include "wire/fields.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "base/error.h"
#include "base/util.h"
#include "wire/protocol.h"
#include "wire/sha256.h"

#define NAME_SIZE 80 /* of a field: "meta-" and 64 bytes fit */

bool sgh_fields_json_mode(const char *content_type)
{
	size_t length = strlen(SGH_JSON_MODE);

	if (!content_type || strncasecmp(content_type, SGH_JSON_MODE, length) != 0)
		return false;
	return content_type[length] == '\0' || strchr("; \t", content_type[length]);
}

/* What the sender called the field. */
static void spell(const struct sgh_fields *fields, const char *name, char key[NAME_SIZE])
{
	snprintf(key, NAME_SIZE, "%s", name);
	for (char *at = key; fields->document && *at; at++)
		if (*at == '-')
			*at = '_';
}

int sgh_fields_invalid(const struct sgh_fields *fields, const char *name,
		       const char *what, struct sangraha_error *err)
{
	char key[NAME_SIZE];

	spell(fields, name, key);
	return sgh_fail(err, SANGRAHA_E_INVALID, 0, "%s: %s", key, what);
}

int sgh_fields_open(struct sgh_fields *fields, const struct sgh_message *message,
		    struct sangraha_error *err)
{
	struct sgh_json_raw raws[] = {
		{ .name = "data" },   { .name = "facts" }, { .name = "list" },
		{ .name = "ticket" }, { .name = "parts" },
	};
	const struct sgh_bytes *body = message->body;
	int status = 0;

	*fields = (struct sgh_fields){ .message = message };
	if (!sgh_fields_json_mode(message->content_type))
		return 0;
	status = sgh_json_open(body ? body->data : NULL, body ? body->length : 0, raws,
			       SGH_COUNT(raws), &fields->document, err);
	fields->data = raws[0];
	fields->facts = raws[1];
	fields->list = raws[2];
	fields->ticket = raws[3];
	fields->parts = raws[4];
	return status;
}

void sgh_fields_close(struct sgh_fields *fields)
{
	cJSON_Delete(fields->document);
	fields->document = NULL;
}

/* The member of that name; NULL when it is absent or null. */
static const cJSON *member(const struct sgh_fields *fields, const char *name)
{
	char key[NAME_SIZE];
	const cJSON *item;

	spell(fields, name, key);
	item = cJSON_GetObjectItemCaseSensitive(fields->document, key);
	return item && !cJSON_IsNull(item) ? item : NULL;
}

/* What a receiver sets in a copy, whose document it leaves alone. */
static bool header_goes_first(const char *name)
{
	return strcmp(name, "attempt") == 0 || strcmp(name, "fresh") == 0 ||
	       strcmp(name, "deadline") == 0;
}

/* A field as a header, whatever the mode; false when it is absent. */
static bool find(const struct sgh_fields *fields, const char *name,
		 struct sgh_header *found, bool *ret_wrong)
{
	const struct sgh_header *header = sgh_message_header(fields->message, name);
	const cJSON *item;

	*ret_wrong = false;
	if (!fields->document || (header && header_goes_first(name))) {
		if (header)
			*found = *header;
		*ret_wrong = header && header->kind == SGH_HEADER_OTHER;
		return header != NULL;
	}
	item = member(fields, name);
	if (!item)
		return false;
	*found = (struct sgh_header){ .text = cJSON_GetStringValue(item) };
	if (cJSON_IsString(item))
		found->kind = SGH_HEADER_TEXT;
	else if (cJSON_IsBool(item)) {
		found->kind = SGH_HEADER_BOOL;
		found->number = cJSON_IsTrue(item);
	} else {
		found->kind = SGH_HEADER_NUMBER;
		*ret_wrong = !sgh_json_integer(item, &found->number);
	}
	return true;
}

int sgh_fields_text(const struct sgh_fields *fields, const char *name, const char **ret,
		    struct sangraha_error *err)
{
	struct sgh_header found;
	bool wrong;

	if (!find(fields, name, &found, &wrong))
		return 0;
	if (wrong || found.kind != SGH_HEADER_TEXT)
		return sgh_fields_invalid(fields, name, "is not a text", err);
	*ret = found.text;
	return 0;
}

/* A decimal integer and nothing around it. */
static bool parse_decimal(const char *text, int64_t *ret)
{
	const char *digits = text + (*text == '-');
	char *end;
	long long value;

	if (*digits < '0' || *digits > '9')
		return false;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || *end != '\0')
		return false;
	*ret = value;
	return true;
}

int sgh_fields_number(const struct sgh_fields *fields, const char *name, int64_t min,
		      int64_t max, int64_t *ret, struct sangraha_error *err)
{
	struct sgh_header found;
	bool wrong;

	if (!find(fields, name, &found, &wrong))
		return 0;
	if (found.kind == SGH_HEADER_TEXT && !wrong)
		wrong = !parse_decimal(found.text, &found.number);
	if (wrong || found.kind == SGH_HEADER_BOOL)
		return sgh_fields_invalid(fields, name, "is not an integer", err);
	if (found.number < min || found.number > max)
		return sgh_fields_invalid(fields, name, "is out of range", err);
	*ret = found.number;
	return 0;
}

int sgh_fields_bool(const struct sgh_fields *fields, const char *name, bool *ret,
		    struct sangraha_error *err)
{
	struct sgh_header found;
	bool wrong;

	if (!find(fields, name, &found, &wrong))
		return 0;
	if (found.kind == SGH_HEADER_TEXT) {
		found.number =
			sgh_streq(found.text, "true") || sgh_streq(found.text, "1");
		wrong = !found.number && !sgh_streq(found.text, "false") &&
			!sgh_streq(found.text, "0");
	}
	if (wrong || (found.number != 0 && found.number != 1))
		return sgh_fields_invalid(fields, name, "is not true or false", err);
	*ret = found.number;
	return 0;
}

const char *sgh_fields_property(const struct sgh_fields *fields, const char *property,
				const char *name)
{
	if (property || !fields->document)
		return property;
	return cJSON_GetStringValue(member(fields, name));
}

int sgh_fields_keep(struct sgh_arena *arena, const char *text, const char **ret,
		    struct sangraha_error *err)
{
	const char *copy = text ? sgh_arena_strdup(arena, text) : NULL;

	if (text && !copy)
		return sgh_fail_memory(err);
	*ret = copy;
	return 0;
}

/* One pair, when `name` is of user metadata; its prefix is five bytes in both modes. */
static int add_meta(struct sgh_arena *arena, const char *name, const char *value,
		    struct sgh_pair pairs[SGH_META_MAX], size_t *count,
		    struct sangraha_error *err)
{
	int status;

	if (!value)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "%s: is not a text",
				sgh_printable(name, NAME_SIZE) ? name : "metadata");
	if (*count == SGH_META_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"metadata has more than %d pairs", SGH_META_MAX);
	status = sgh_fields_keep(arena, name + 5, &pairs[*count].name, err);
	if (status == 0)
		status = sgh_fields_keep(arena, value, &pairs[*count].value, err);
	if (status == 0)
		(*count)++;
	return status;
}

static int meta_of_headers(const struct sgh_message *message, struct sgh_arena *arena,
			   struct sgh_pair pairs[SGH_META_MAX], size_t *count,
			   struct sangraha_error *err)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < message->header_count; i++) {
		const struct sgh_header *header = &message->headers[i];

		if (strncmp(header->name, "meta-", 5) == 0)
			status = add_meta(arena, header->name, header->text, pairs, count,
					  err);
	}
	return status;
}

int sgh_fields_meta(const struct sgh_fields *fields, struct sgh_arena *arena,
		    struct sgh_pair pairs[SGH_META_MAX], size_t *ret_count,
		    struct sangraha_error *err)
{
	const cJSON *item = fields->document ? fields->document->child : NULL;
	size_t count = 0;
	int status = 0;

	if (!fields->document)
		status = meta_of_headers(fields->message, arena, pairs, &count, err);
	for (; status == 0 && item; item = item->next)
		if (strncmp(item->string, "meta_", 5) == 0)
			status = add_meta(arena, item->string, cJSON_GetStringValue(item),
					  pairs, &count, err);
	if (status == 0)
		status = sgh_meta_check(pairs, count, err);
	if (status == 0)
		*ret_count = count;
	return status;
}

int sgh_fields_facts(const struct sgh_fields *fields, struct sgh_arena *arena,
		     const char **ret, struct sangraha_error *err)
{
	const struct sgh_json_raw *raw = &fields->facts;
	const char *text = NULL;
	int status;

	if (!fields->document) {
		status = sgh_fields_text(fields, "facts", &text, err);
		return status ? status : sgh_fields_keep(arena, text, ret, err);
	}
	if (!raw->text)
		return 0;
	if (raw->length >= SGH_FACTS_SIZE)
		return sgh_fields_invalid(fields, "facts", "is too long", err);
	*ret = sgh_arena_text(arena, raw->text, raw->length);
	return *ret ? 0 : sgh_fail_memory(err);
}

/* "\u003d": the scanner saw to the four digits. 0: it is no character of base64. */
static char escaped(const char *text)
{
	char digits[5] = { 0 };
	unsigned long code;

	memcpy(digits, text + 2, 4);
	code = strtoul(digits, NULL, 16);
	return code < 0x80 ? (char)code : '\0';
}

/*
 * Base64 as a JSON string: writers may escape "/", and some write "=", "+" and "/" by their
 * numbers. The scanner let only sound escapes through, and of those no others are base64.
 */
static size_t strip_escapes(const char *text, size_t length, char *out)
{
	size_t to = 0;

	for (size_t i = 0; i < length; i++) {
		out[to] = text[i];
		if (text[i] == '\\' && length - i >= 2 && text[i + 1] == '/') {
			out[to] = text[++i];
		} else if (text[i] == '\\' && length - i >= 6 && text[i + 1] == 'u') {
			out[to] = escaped(text + i);
			i += 5;
		}
		to++;
	}
	return to;
}

static int decode(const struct sgh_fields *fields, const char *text, size_t length,
		  struct sgh_bytes *bytes, struct sangraha_error *err)
{
	sgh_autofree char *plain = NULL;

	if (memchr(text, '\\', length)) {
		plain = malloc(length);
		if (!plain)
			return sgh_fail_memory(err);
		length = strip_escapes(text, length, plain);
		text = plain;
	}
	if (!sgh_base64_decode(text, length, bytes->data, &bytes->length))
		return sgh_fields_invalid(fields, "data", "is not base64", err);
	return 0;
}

int sgh_fields_body(const struct sgh_fields *fields, struct sgh_budget *budget,
		    struct sgh_bytes **ret, struct sangraha_error *err)
{
	const struct sgh_json_raw *data = &fields->data;
	sgh_autobytes struct sgh_bytes *bytes = NULL;
	size_t capacity;
	int status;

	if (!fields->document) {
		*ret = sgh_bytes_ref(fields->message->body);
		return 0;
	}
	if (data->text && data->text[0] != '"')
		return sgh_fields_invalid(fields, "data", "is not a text", err);
	if (!data->text || data->length <= 2) {
		*ret = NULL;
		return 0;
	}
	capacity = data->length / 4 * 3;
	/* No question whether: the message is in memory already and bounds this. */
	if (budget)
		sgh_budget_force(budget, capacity);
	bytes = sgh_bytes_new(budget, capacity);
	if (!bytes) {
		if (budget)
			sgh_budget_release(budget, capacity);
		return sgh_fail_memory(err);
	}
	status = decode(fields, data->text + 1, data->length - 2, bytes, err);
	if (status == 0)
		*ret = sgh_take(bytes);
	return status;
}
