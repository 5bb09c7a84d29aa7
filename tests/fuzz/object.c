/* SPDX-License-Identifier: MIT */
#include "wire/object.h"

#include "base/buf.h"
#include "fuzz/fuzz.h"

/*
 * Descriptions of objects: as JSON, and as the metadata that a store keeps, a pair
 * "name: value" a line. An input is tried as both.
 */

#define TYPE "image"
#define ID   "0199f2c4-0000-7000-8000-000000000001"

static void as_json(const struct sangraha_object *object, struct sgh_buf *buf)
{
	sgh_object_write_json(object, buf);
	fuzz_require(!buf->failed);
}

static void same(const struct sangraha_object *one, const struct sangraha_object *other)
{
	sgh_autobuf struct sgh_buf text = { 0 };
	sgh_autobuf struct sgh_buf again = { 0 };

	as_json(one, &text);
	as_json(other, &again);
	fuzz_require(strcmp(text.data, again.data) == 0);
}

/* Facts that others stored may have white space around them, which a document drops. */
static bool is_compact(const char *facts)
{
	return facts[0] == '{' && facts[strlen(facts) - 1] == '}';
}

static void through_json(const struct sangraha_object *object)
{
	sgh_autobuf struct sgh_buf text = { 0 };
	struct sangraha_object *again = NULL;

	as_json(object, &text);
	fuzz_ok(sgh_object_parse_json(text.data, text.length, &again, &fuzz_err));
	if (is_compact(object->facts))
		same(object, again);
	sangraha_object_unref(again);
}

/* The pairs that a store is given; 0 when they are more than it keeps, 2 KiB. */
static size_t stored(const struct sangraha_object *object, struct sgh_arena *arena,
		     struct sgh_pair pairs[SGH_STORE_META_MAX])
{
	size_t count = 0;
	int status = sgh_object_to_meta(object, arena, pairs, &count, &fuzz_err);

	fuzz_require(status == 0 || status == SANGRAHA_E_INVALID);
	fuzz_require(count <= SGH_STORE_META_MAX);
	return count;
}

static void same_stored(const struct sangraha_object *object,
			const struct sgh_pair *pairs, size_t count,
			struct sgh_arena *arena)
{
	struct sgh_pair again[SGH_STORE_META_MAX];

	fuzz_require(stored(object, arena, again) == count);
	for (size_t i = 0; i < count; i++) {
		fuzz_require(strcmp(pairs[i].name, again[i].name) == 0);
		fuzz_require(strcmp(pairs[i].value, again[i].value) == 0);
	}
}

static void through_meta(const struct sangraha_object *object)
{
	struct sgh_pair pairs[SGH_STORE_META_MAX];
	struct sgh_arena arena = { 0 };
	struct sangraha_object *again = NULL;
	size_t count = stored(object, &arena, pairs);

	if (count) {
		fuzz_ok(sgh_object_from_meta(object->type, object->id,
					     object->content_type, object->size, pairs,
					     count, &again, &fuzz_err));
		same_stored(again, pairs, count, &arena);
		/* Without a digest its record tells what else there is. */
		if (*object->sha256)
			same(object, again);
		sangraha_object_unref(again);
	}
	sgh_arena_fini(&arena);
}

static void check(struct sangraha_object *object)
{
	if (*object->sha256)
		through_json(object);
	through_meta(object);
	sangraha_object_unref(object);
}

static void json(const uint8_t *data, size_t size)
{
	sgh_autofree char *copy = fuzz_copy(data, size);
	struct sangraha_object *object = NULL;
	struct sangraha_error err = { 0 };
	int status = sgh_object_parse_json(copy, size, &object, &err);

	if (status)
		fuzz_explained(status, &err);
	else
		check(object);
}

/* The pairs of an input; their strings are in `arena`. */
static size_t read_pairs(const uint8_t *data, size_t size, struct sgh_arena *arena,
			 struct sgh_pair pairs[SGH_STORE_META_MAX])
{
	struct fuzz_input input = { data, data + size };
	size_t count = 0;

	while (count < SGH_STORE_META_MAX) {
		sgh_autofree char *line = fuzz_line(&input);
		char *value = line ? strstr(line, ": ") : NULL;

		if (!line)
			break;
		if (!value)
			continue;
		*value = '\0';
		pairs[count].name = sgh_arena_strdup(arena, line);
		pairs[count].value = sgh_arena_strdup(arena, value + 2);
		if (!pairs[count].name || !pairs[count].value)
			break;
		count++;
	}
	return count;
}

static void meta(const uint8_t *data, size_t size)
{
	struct sgh_pair pairs[SGH_STORE_META_MAX];
	struct sgh_arena arena = { 0 };
	size_t count = read_pairs(data, size, &arena, pairs);
	struct sangraha_object *object = NULL;
	struct sangraha_error err = { 0 };
	int status = sgh_object_from_meta(TYPE, ID, "image/png", 3, pairs, count, &object,
					  &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INTERNAL);
		fuzz_explained(status, &err);
	} else {
		check(object);
	}
	sgh_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json(data, size);
	meta(data, size);
	return 0;
}
