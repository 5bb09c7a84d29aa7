/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "wire/filename.h"
#include "wire/object.h"

/*
 * Stored metadata, version 1. Every later program reads what is written here: a name may
 * come to it, none may change its meaning.
 */

#define VERSION     "1"
#define PREFIX      "sangraha-"
#define USER_PREFIX PREFIX "u-"

/* S3's bound, on names and values; MinIO counts "x-amz-meta-" into each name. */
#define STORED_MAX 2048
#define AMZ_PREFIX (sizeof("x-amz-meta-") - 1)

struct writer {
	struct sgh_arena *arena;
	struct sgh_pair *pairs;
	size_t count;
	size_t total;
	bool failed;
};

/* Add a pair; an absent value adds nothing. */
static void add(struct writer *writer, const char *prefix, const char *name,
		const char *value, bool encode)
{
	sgh_autobuf struct sgh_buf buf = { 0 };
	struct sgh_pair *pair = &writer->pairs[writer->count];

	if (!value)
		return;
	sgh_buf_puts(&buf, prefix);
	sgh_buf_puts(&buf, name);
	pair->name = buf.failed ? NULL : sgh_arena_strdup(writer->arena, buf.data);
	sgh_buf_clear(&buf);
	if (encode)
		sgh_percent_encode(&buf, value);
	else
		sgh_buf_puts(&buf, value);
	pair->value = sgh_arena_strdup(writer->arena, sgh_buf_text(&buf));
	if (buf.failed || !pair->name || !pair->value) {
		writer->failed = true;
		return;
	}
	writer->total += AMZ_PREFIX + strlen(pair->name) + strlen(pair->value);
	writer->count++;
}

int sgh_object_to_meta(const struct sangraha_object *object, struct sgh_arena *arena,
		       struct sgh_pair pairs[SGH_STORE_META_MAX], size_t *ret_count,
		       struct sangraha_error *err)
{
	struct writer writer = { .arena = arena, .pairs = pairs };
	const bool whole = object->sha256[0];

	add(&writer, "", "sangraha", VERSION, false);
	add(&writer, PREFIX, "filename", object->filename, true);
	add(&writer, PREFIX, "sha256", whole ? object->sha256 : NULL, false);
	add(&writer, PREFIX, "operation", object->operation, false);
	add(&writer, PREFIX, "created", object->created, false);
	add(&writer, PREFIX, "rules", object->rules, false);
	add(&writer, PREFIX, "facts", whole ? object->facts : NULL, true);
	add(&writer, PREFIX, "record", object->record, false);
	for (size_t i = 0; i < object->meta_count; i++)
		add(&writer, USER_PREFIX, object->meta[i].name, object->meta[i].value,
		    true);
	if (writer.failed)
		return sgh_fail_memory(err);
	if (writer.total > STORED_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"file name, facts and metadata take %zu bytes as stored "
				"metadata, more than %d",
				writer.total, STORED_MAX);
	*ret_count = writer.count;
	return 0;
}

static int broken(struct sangraha_error *err, const char *type, const char *id,
		  const char *why)
{
	return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
			"the stored metadata of %.32s/%.36s is broken: %s", type, id,
			why);
}

static const char *find(const struct sgh_pair *pairs, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(pairs[i].name, name) == 0)
			return pairs[i].value;
	return NULL;
}

/* Copy and decode; an absent text stays absent. */
static int decode(struct sgh_arena *arena, const char *text, const char **ret,
		  struct sangraha_error *err)
{
	char *copy;

	*ret = NULL;
	if (!text)
		return 0;
	copy = sgh_arena_strdup(arena, text);
	if (!copy)
		return sgh_fail_memory(err);
	if (!sgh_percent_decode(copy))
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"a value is not percent-encoded");
	*ret = copy;
	return 0;
}

static int decode_user(struct sgh_arena *arena, const struct sgh_pair *pairs,
		       size_t count, struct sgh_pair meta[SGH_META_MAX],
		       struct sgh_object_parts *parts, struct sangraha_error *err)
{
	const size_t prefix = strlen(USER_PREFIX);

	for (size_t i = 0; i < count; i++) {
		struct sgh_pair *pair = &meta[parts->meta_count];
		int status;

		if (strncmp(pairs[i].name, USER_PREFIX, prefix) != 0)
			continue;
		if (parts->meta_count++ == SGH_META_MAX)
			return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
					"it has too many pairs of user metadata");
		pair->name = pairs[i].name + prefix;
		status = decode(arena, pairs[i].value, &pair->value, err);
		if (status)
			return status;
	}
	parts->meta = meta;
	return 0;
}

static int decode_parts(struct sgh_arena *arena, const struct sgh_pair *pairs,
			size_t count, struct sgh_pair meta[SGH_META_MAX],
			struct sgh_object_parts *parts, struct sangraha_error *err)
{
	const char *created = find(pairs, count, PREFIX "created");
	int status = decode(arena, find(pairs, count, PREFIX "filename"),
			    &parts->filename, err);

	if (status == 0)
		status = decode(arena, find(pairs, count, PREFIX "facts"), &parts->facts,
				err);
	if (status == 0)
		status = decode_user(arena, pairs, count, meta, parts, err);
	if (status)
		return status;
	if (!created || !sgh_rfc3339_parse(created, &parts->created_ms))
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"it has no time of creation");
	parts->sha256 = find(pairs, count, PREFIX "sha256");
	parts->rules = find(pairs, count, PREFIX "rules");
	parts->operation = find(pairs, count, PREFIX "operation");
	parts->record = find(pairs, count, PREFIX "record");
	return 0;
}

int sgh_object_from_meta(const char *type, const char *id, const char *content_type,
			 uint64_t size, const struct sgh_pair *pairs, size_t count,
			 struct sangraha_object **ret, struct sangraha_error *err)
{
	struct sgh_arena arena = { 0 };
	struct sgh_pair meta[SGH_META_MAX + 1];
	struct sangraha_error why = { 0 };
	struct sgh_object_parts parts = {
		.id = id,
		.type = type,
		.content_type = content_type,
		.size = size,
	};
	int status;

	if (!sgh_streq(find(pairs, count, "sangraha"), VERSION))
		return broken(err, type, id, "it is not of version " VERSION);
	status = decode_parts(&arena, pairs, count, meta, &parts, &why);
	if (status == 0)
		status = sgh_object_new(&parts, ret, &why);
	sgh_arena_fini(&arena);
	if (status == SANGRAHA_E_OVERLOADED)
		return sgh_fail_memory(err);
	return status ? broken(err, type, id, why.message) : 0;
}
