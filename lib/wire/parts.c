/* SPDX-License-Identifier: MIT */
#include "wire/parts.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/util.h"
#include "wire/json.h"
#include "wire/protocol.h"

#define MIB (UINT64_C(1) << 20)

/*
 * An unknown length: so many parts of the smallest size, enough for most bodies, and then
 * a part twice as large after each so many more.
 */
#define SMALL_PARTS 1000
#define STAGE_PARTS 250

/* ---- the plan ---- */

static uint64_t at_most(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The size of all parts of a known length, but for the last one. */
static uint64_t equal_size(uint64_t length)
{
	uint64_t size = (length + SGH_PARTS_MAX - 1) / SGH_PARTS_MAX;

	if (size < SGH_PART_MIN)
		return SGH_PART_MIN;
	return (size + MIB - 1) / MIB * MIB;
}

/* The largest part of an unknown length. */
static uint64_t largest(const struct sgh_parts_plan *plan)
{
	if (plan->most < SGH_PART_MIN)
		return SGH_PART_MIN;
	return at_most(plan->most, SGH_PART_MAX);
}

/*
 * The size that part `number` of an unknown length has when nothing ends before it, and
 * in *ret_before the bytes of those before it. From the stage at which the largest size is
 * reached there is one stage, to the end.
 */
static uint64_t growing_size(const struct sgh_parts_plan *plan, unsigned number,
			     uint64_t *ret_before)
{
	const uint64_t most = largest(plan);
	uint64_t size = SGH_PART_MIN;
	unsigned left = number - 1;
	unsigned stage = SMALL_PARTS;

	*ret_before = 0;
	while (size < most && left >= stage) {
		*ret_before += size * stage;
		left -= stage;
		stage = STAGE_PARTS;
		size = at_most(2 * size, most);
	}
	*ret_before += size * left;
	return size;
}

uint64_t sgh_parts_capacity(const struct sgh_parts_plan *plan)
{
	uint64_t before;

	if (plan->length >= 0)
		return at_most((uint64_t)plan->length, SGH_OBJECT_MAX);
	before = growing_size(plan, SGH_PARTS_MAX, &before) + before;
	return at_most(before, SGH_OBJECT_MAX);
}

unsigned sgh_parts_count(const struct sgh_parts_plan *plan)
{
	uint64_t length = (uint64_t)plan->length;
	uint64_t size;
	unsigned count;

	if (plan->length < 0)
		return SGH_PARTS_MAX;
	if (length > SGH_OBJECT_MAX)
		return 0;
	size = equal_size(length);
	count = (unsigned)((length + size - 1) / size);
	return plan->rest_in_one && count > 2 ? 2 : count;
}

uint64_t sgh_parts_size(const struct sgh_parts_plan *plan, unsigned number)
{
	uint64_t before;
	uint64_t size;
	uint64_t end;

	if (number < 1 || number > sgh_parts_count(plan))
		return 0;
	if (plan->length >= 0) {
		size = equal_size((uint64_t)plan->length);
		before = size * (number - 1);
		end = (uint64_t)plan->length;
		if (plan->rest_in_one && number == 2)
			size = end - before;
	} else {
		size = growing_size(plan, number, &before);
		end = SGH_OBJECT_MAX;
	}
	return before < end ? at_most(size, end - before) : 0;
}

/* ---- the document ---- */

void sgh_parts_write_array(const struct sgh_part *parts, size_t count,
			   struct sgh_buf *buf)
{
	sgh_buf_putc(buf, '[');
	for (size_t i = 0; i < count; i++) {
		sgh_buf_printf(buf, "%s{\"number\":%u,\"size\":%" PRIu64 ",\"etag\":",
			       i ? "," : "", parts[i].number, parts[i].size);
		sgh_buf_json(buf, parts[i].etag);
		sgh_buf_putc(buf, '}');
	}
	sgh_buf_putc(buf, ']');
}

void sgh_parts_write(const struct sgh_part *parts, size_t count, struct sgh_buf *buf)
{
	sgh_buf_puts(buf, "{\"parts\":");
	sgh_parts_write_array(parts, count, buf);
	sgh_buf_putc(buf, '}');
}

static int invalid(struct sangraha_error *err, size_t number, const char *what)
{
	return sgh_fail(err, SANGRAHA_E_INVALID, 0, "parts: number %zu %s", number, what);
}

static bool read_number(const cJSON *document, const char *name, int64_t *ret)
{
	return sgh_json_integer(cJSON_GetObjectItemCaseSensitive(document, name), ret);
}

/* One element, the `number`-th. */
static int read_part(const struct sgh_json_raw *raw, size_t number,
		     struct sgh_arena *arena, struct sgh_part *ret,
		     struct sangraha_error *err)
{
	sgh_autojson cJSON *document = NULL;
	const char *etag;
	int64_t said;
	int64_t size;
	int status = sgh_json_open(raw->text, raw->length, NULL, 0, &document, err);

	if (status)
		return status;
	etag = sgh_json_text(document, "etag");
	if (!read_number(document, "number", &said) || said != (int64_t)number)
		return invalid(err, number, "is missing, or not in its place");
	if (!read_number(document, "size", &size) || size < 1 ||
	    (uint64_t)size > SGH_PART_MAX)
		return invalid(err, number, "has no size that a part may have");
	if (!etag || !sgh_printable(etag, SGH_PART_ETAG_MAX))
		return invalid(err, number, "has no etag");
	ret->number = (unsigned)number;
	ret->size = (uint64_t)size;
	ret->etag = sgh_arena_strdup(arena, etag);
	return ret->etag ? 0 : sgh_fail_memory(err);
}

/* Elements of an array, counted only as far as one more than there may be. */
static size_t count_parts(const char *at, const char *end)
{
	struct sgh_json_raw raw;
	size_t count = 0;

	while (count <= SGH_PARTS_MAX && sgh_json_next(&at, end, &raw))
		count++;
	return count;
}

int sgh_parts_parse_array(const char *text, size_t length, struct sgh_arena *arena,
			  struct sgh_part **ret, size_t *ret_count,
			  struct sangraha_error *err)
{
	const char *end = text + length;
	size_t count = count_parts(text, end);
	struct sgh_json_raw raw;
	struct sgh_part *parts;
	uint64_t total = 0;

	if (count < 1 || count > SGH_PARTS_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "parts: not 1 to %d of them",
				SGH_PARTS_MAX);
	parts = sgh_arena_alloc(arena, count * sizeof(*parts));
	if (!parts)
		return sgh_fail_memory(err);
	for (size_t i = 0; i < count && sgh_json_next(&text, end, &raw); i++) {
		int status = read_part(&raw, i + 1, arena, &parts[i], err);

		if (status)
			return status;
		if (parts[i].size < SGH_PART_MIN && i + 1 < count)
			return invalid(err, i + 1, "is too small, and not the last");
		total += parts[i].size;
	}
	if (total > SGH_OBJECT_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"parts: more than %" PRIu64 " bytes", SGH_OBJECT_MAX);
	*ret = parts;
	*ret_count = count;
	return 0;
}

int sgh_parts_parse(const void *json, size_t length, struct sgh_arena *arena,
		    struct sgh_part **ret, size_t *ret_count, struct sangraha_error *err)
{
	struct sgh_json_raw parts = { .name = "parts" };
	sgh_autojson cJSON *document = NULL;
	int status = sgh_json_open(json, length, &parts, 1, &document, err);

	if (status)
		return status;
	if (!parts.text)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "parts: is missing");
	return sgh_parts_parse_array(parts.text, parts.length, arena, ret, ret_count,
				     err);
}
