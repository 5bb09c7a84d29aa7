/* SPDX-License-Identifier: MIT */
#include "wire/json.h"

#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "wire/filename.h"
#include "wire/protocol.h"
#include "wire/json_scan.h"

static int no_object(struct sangraha_error *err)
{
	return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the document is no JSON object");
}

bool sgh_json_is(const void *text, size_t length, char first)
{
	const char *at = text;
	const char *end;

	/* Nothing may be at NULL, from where one must not count. */
	if (length == 0 || !sgh_utf8_valid(text, length))
		return false;
	end = at + length;
	at = sgh_json_skip_space(at, end);
	if (at == end || *at != first)
		return false;
	at = sgh_json_skip_value(at, end, 0);
	return at && sgh_json_skip_space(at, end) == end;
}

bool sgh_json_next(const char **at, const char *end, struct sgh_json_raw *ret)
{
	/* At the bracket, or at the comma or bracket behind an element. */
	const char *start = sgh_json_skip_space(*at, end);

	if (start == end || (*start != '[' && *start != ','))
		return false;
	start = sgh_json_skip_space(start + 1, end);
	if (start == end || *start == ']')
		return false;
	*at = sgh_json_skip_value(start, end, 1);
	if (!*at)
		return false;
	ret->text = start;
	ret->length = (size_t)(*at - start);
	return true;
}

/* Whether a member's name, in its quotes and without escapes, is one that is asked for. */
static struct sgh_json_raw *raw_of(const char *name, size_t length,
				   struct sgh_json_raw *raws, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(raws[i].name) + 2 == length &&
		    memcmp(name + 1, raws[i].name, length - 2) == 0)
			return &raws[i];
	return NULL;
}

/* Copy one member, with `instead` for a value that cJSON shall not see; false: no room. */
static bool flatten_member(struct sgh_buf *flat, const char *name, size_t name_length,
			   const char *value, size_t value_length, const char *instead)
{
	if (instead) {
		value = instead;
		value_length = strlen(instead);
	}
	if (name_length + value_length + 4 > SGH_JSON_FLAT_MAX - flat->length)
		return false;
	sgh_buf_putc(flat, flat->length ? ',' : '{');
	sgh_buf_append(flat, name, name_length);
	sgh_buf_putc(flat, ':');
	sgh_buf_append(flat, value, value_length);
	return true;
}

/*
 * Copy the object's members into `flat` and note the raw ones. The document was checked
 * before, so that the steps cannot fail. False when there is too much of it.
 */
static bool flatten(const char *at, const char *end, struct sgh_json_raw *raws,
		    size_t count, struct sgh_buf *flat)
{
	at = sgh_json_skip_space(at + 1, end);
	for (; *at != '}'; at += *at == ',') {
		const char *name = sgh_json_skip_space(at, end);
		const char *name_end = sgh_json_skip_string(name, end);
		const char *value = sgh_json_skip_space(name_end, end) + 1;
		size_t length = (size_t)(name_end - name);
		struct sgh_json_raw *raw = raw_of(name, length, raws, count);
		const char *instead = raw ? "null" : NULL;

		value = sgh_json_skip_space(value, end);
		at = sgh_json_skip_value(value, end, 1);
		if (raw && *value != 'n') {
			raw->text = value;
			raw->length = (size_t)(at - value);
		}
		/* Whatever is inside, it is none of the kinds that a field may have. */
		if (!raw && (*value == '{' || *value == '['))
			instead = "[]";
		if (!flatten_member(flat, name, length, value, (size_t)(at - value),
				    instead))
			return false;
		at = sgh_json_skip_space(at, end);
	}
	sgh_buf_puts(flat, flat->length ? "}" : "{}");
	return true;
}

/* Members are few, so that comparing all with all costs nothing. */
static int check_members(const cJSON *object, struct sangraha_error *err)
{
	const cJSON *a;
	int count = 0;

	for (a = object->child; a; a = a->next) {
		if (++count > SGH_JSON_MEMBERS_MAX)
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"the document has too many members");
		for (const cJSON *b = object->child; b != a; b = b->next)
			if (strcmp(a->string, b->string) == 0)
				return sgh_fail(err, SANGRAHA_E_INVALID, 0,
						"the document has \"%s\" twice",
						sgh_printable(a->string, 64) ? a->string
									     : "?");
	}
	return 0;
}

/* Nobody has to write these names with escapes; as they were not seen they would be absent. */
static int check_raws(const cJSON *object, const struct sgh_json_raw *raws, size_t count,
		      struct sangraha_error *err)
{
	for (size_t i = 0; i < count; i++) {
		const cJSON *item =
			cJSON_GetObjectItemCaseSensitive(object, raws[i].name);

		/* Of one that was seen cJSON has a null. */
		if (item && !cJSON_IsNull(item))
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"the name of \"%s\" is written with escapes",
					raws[i].name);
	}
	return 0;
}

int sgh_json_open(const void *text, size_t length, struct sgh_json_raw *raws,
		  size_t raw_count, cJSON **ret, struct sangraha_error *err)
{
	sgh_autobuf struct sgh_buf flat = SGH_BUF_INIT(SGH_JSON_FLAT_MAX);
	sgh_autojson cJSON *object = NULL;
	const char *end;
	int status;

	if (!sgh_json_is(text, length, '{'))
		return no_object(err);
	end = (const char *)text + length;
	if (!flatten(sgh_json_skip_space(text, end), end, raws, raw_count, &flat))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the document is too large");
	if (flat.failed)
		return sgh_fail_memory(err);
	object = cJSON_ParseWithLengthOpts(flat.data, flat.length + 1, NULL, 1);
	if (!object)
		return sgh_fail_memory(err);
	status = check_members(object, err);
	if (!status)
		status = check_raws(object, raws, raw_count, err);
	if (status)
		return status;
	*ret = object;
	object = NULL;
	return 0;
}

const char *sgh_json_text(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

bool sgh_json_integer(const cJSON *item, int64_t *ret)
{
	double value;

	if (!cJSON_IsNumber(item))
		return false;
	value = item->valuedouble;
	/* The comparison is false for NaN too. */
	if (!(value >= -(double)SGH_JSON_EXACT_MAX &&
	      value <= (double)SGH_JSON_EXACT_MAX))
		return false;
	if (value != (double)(int64_t)value)
		return false;
	*ret = (int64_t)value;
	return true;
}
