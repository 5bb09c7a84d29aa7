/* SPDX-License-Identifier: MIT */
#include "wire/object.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "wire/filename.h"
#include "wire/json.h"
#include "wire/mediatype.h"
#include "wire/sha256.h"

/* What the strings of most objects take: they may be kept by the thousand. */
#define STRINGS     256
#define CREATED_MAX 253402300799999 /* the last millisecond of the year 9999 */

bool sgh_type_name_valid(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return name[0] >= 'a' && name[0] <= 'z' && length < SANGRAHA_TYPE_SIZE &&
	       name[length] == '\0';
}

/* 1 to `max` characters of ASCII that a header may carry, no spaces at the ends. */
static bool plain_text(const char *text, size_t max)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return length >= 1 && length <= max && text[0] != ' ' && text[length - 1] != ' ';
}

static bool plain_or_absent(const char *text, size_t max)
{
	return !text || plain_text(text, max);
}

static int invalid(struct sangraha_error *err, const char *what)
{
	return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the object's %s is not valid", what);
}

static int check_texts(const struct sgh_object_parts *parts, struct sangraha_error *err)
{
	if (!plain_or_absent(parts->content_type, SGH_MEDIATYPE_SIZE - 1))
		return invalid(err, "content type");
	if (!plain_or_absent(parts->rules, 32))
		return invalid(err, "rule version");
	if (!plain_or_absent(parts->operation, 128))
		return invalid(err, "operation id");
	/* It becomes a part of a key. */
	if (parts->record && !sangraha_id_valid(parts->record))
		return invalid(err, "record id");
	if (parts->facts && (strlen(parts->facts) >= SGH_FACTS_SIZE ||
			     !sgh_json_is(parts->facts, strlen(parts->facts), '{')))
		return invalid(err, "set of facts");
	return 0;
}

static int check(const struct sgh_object_parts *parts, struct sangraha_error *err)
{
	int status;

	if (!parts->id || !sangraha_id_valid(parts->id))
		return invalid(err, "id");
	if (!parts->type || !sgh_type_name_valid(parts->type))
		return invalid(err, "type");
	if (parts->sha256 ? !sgh_sha256_hex_valid(parts->sha256) : !parts->record)
		return invalid(err, "SHA-256");
	if (parts->created_ms < 0 || parts->created_ms > CREATED_MAX)
		return invalid(err, "time of creation");
	if (parts->size > INT64_MAX)
		return invalid(err, "size");
	status = check_texts(parts, err);
	if (status == 0 && parts->filename)
		status = sgh_filename_check(parts->filename, err);
	if (status == 0)
		status = sgh_meta_check(parts->meta, parts->meta_count, err);
	return status;
}

/* Copy a text that may be absent; false without memory. */
static bool keep(struct sangraha_object *object, const char **to, const char *text)
{
	*to = text ? sgh_arena_strdup(&object->arena, text) : NULL;
	return *to || !text;
}

/* Copy the pairs in order of their names. */
static bool keep_meta(struct sangraha_object *object, const struct sgh_pair *pairs,
		      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t place = object->meta_count;
		struct sgh_pair pair = { 0 };

		if (!keep(object, &pair.name, pairs[i].name) ||
		    !keep(object, &pair.value, pairs[i].value))
			return false;
		while (place > 0 && strcmp(object->meta[place - 1].name, pair.name) > 0) {
			object->meta[place] = object->meta[place - 1];
			place--;
		}
		object->meta[place] = pair;
		object->meta_count++;
	}
	return true;
}

static void set_digest(struct sangraha_object *object, const char *sha256)
{
	snprintf(object->sha256, sizeof(object->sha256), "%s", sha256);
	snprintf(object->etag, sizeof(object->etag), "\"%s\"", sha256);
}

static bool fill(struct sangraha_object *object, const struct sgh_object_parts *parts)
{
	const char *type = parts->content_type;

	snprintf(object->id, sizeof(object->id), "%s", parts->id);
	snprintf(object->type, sizeof(object->type), "%s", parts->type);
	snprintf(object->reference, sizeof(object->reference), "%s/%s", parts->type,
		 parts->id);
	if (parts->sha256)
		set_digest(object, parts->sha256);
	sgh_rfc3339(parts->created_ms, object->created);
	object->created_ms = parts->created_ms;
	object->size = parts->size;
	return keep(object, &object->filename, parts->filename) &&
	       keep(object, &object->content_type,
		    type ? type : "application/octet-stream") &&
	       keep(object, &object->facts, parts->facts ? parts->facts : "{}") &&
	       keep(object, &object->rules, parts->rules) &&
	       keep(object, &object->operation, parts->operation) &&
	       keep(object, &object->record, parts->record) &&
	       keep_meta(object, parts->meta, parts->meta_count);
}

int sgh_object_new(const struct sgh_object_parts *parts, struct sangraha_object **ret,
		   struct sangraha_error *err)
{
	struct sangraha_object *object;
	int status = check(parts, err);

	if (status)
		return status;
	object = calloc(1, sizeof(*object));
	if (!object)
		return sgh_fail_memory(err);
	object->refs = 1;
	object->arena.step = STRINGS;
	if (!fill(object, parts)) {
		sangraha_object_unref(object);
		return sgh_fail_memory(err);
	}
	*ret = object;
	return 0;
}

int sgh_object_complete(struct sangraha_object *object, const char *sha256,
			const char *facts, const char *rules, struct sangraha_error *err)
{
	struct sgh_object_parts parts = {
		.facts = facts ? facts : "{}",
		.rules = rules,
	};
	int status = check_texts(&parts, err);

	if (status)
		return status;
	if (!sha256 || !sgh_sha256_hex_valid(sha256))
		return invalid(err, "SHA-256");
	if (!keep(object, &object->facts, parts.facts) ||
	    !keep(object, &object->rules, parts.rules))
		return sgh_fail_memory(err);
	set_digest(object, sha256);
	return 0;
}

size_t sgh_object_memory(const struct sangraha_object *object)
{
	return sizeof(*object) + sgh_arena_memory(&object->arena);
}

struct sangraha_object *sangraha_object_ref(struct sangraha_object *object)
{
	if (object)
		__atomic_add_fetch(&object->refs, 1, __ATOMIC_RELAXED);
	return object;
}

void sangraha_object_unref(struct sangraha_object *object)
{
	if (!object || __atomic_sub_fetch(&object->refs, 1, __ATOMIC_ACQ_REL))
		return;
	sgh_arena_fini(&object->arena);
	free(object);
}

const char *sangraha_object_id(const struct sangraha_object *object)
{
	return object->id;
}

const char *sangraha_object_type(const struct sangraha_object *object)
{
	return object->type;
}

const char *sangraha_object_reference(const struct sangraha_object *object)
{
	return object->reference;
}

const char *sangraha_object_filename(const struct sangraha_object *object)
{
	return object->filename;
}

const char *sangraha_object_content_type(const struct sangraha_object *object)
{
	return object->content_type;
}

uint64_t sangraha_object_size(const struct sangraha_object *object)
{
	return object->size;
}

const char *sangraha_object_sha256(const struct sangraha_object *object)
{
	return object->sha256;
}

const char *sangraha_object_etag(const struct sangraha_object *object)
{
	return object->etag;
}

const char *sangraha_object_created(const struct sangraha_object *object)
{
	return object->created;
}

int64_t sangraha_object_created_ms(const struct sangraha_object *object)
{
	return object->created_ms;
}

const char *sangraha_object_facts(const struct sangraha_object *object)
{
	return object->facts;
}

int sangraha_object_fact(const struct sangraha_object *object, const char *name,
			 int64_t *ret_number)
{
	sgh_autojson cJSON *facts = NULL;
	const cJSON *fact;

	if (!object || !name || !ret_number)
		return SANGRAHA_E_INVALID;
	if (sgh_json_open(object->facts, strlen(object->facts), NULL, 0, &facts, NULL))
		return SANGRAHA_E_NOT_FOUND;
	fact = cJSON_GetObjectItemCaseSensitive(facts, name);
	if (cJSON_IsBool(fact)) {
		*ret_number = cJSON_IsTrue(fact);
		return 0;
	}
	return sgh_json_integer(fact, ret_number) ? 0 : SANGRAHA_E_NOT_FOUND;
}

const char *sangraha_object_meta(const struct sangraha_object *object, const char *name)
{
	for (size_t i = 0; name && i < object->meta_count; i++)
		if (strcmp(object->meta[i].name, name) == 0)
			return object->meta[i].value;
	return NULL;
}

int sangraha_object_meta_at(const struct sangraha_object *object, size_t i,
			    const char **ret_name, const char **ret_value)
{
	if (i >= object->meta_count)
		return SANGRAHA_E_NOT_FOUND;
	*ret_name = object->meta[i].name;
	*ret_value = object->meta[i].value;
	return 0;
}

int sangraha_object_json(const struct sangraha_object *object, char **ret_text,
			 struct sangraha_error *err)
{
	sgh_autobuf struct sgh_buf buf = { 0 };
	char *text;

	if (!object || !ret_text)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no object or no place");
	sgh_object_write_json(object, &buf);
	text = sgh_buf_take(&buf);
	if (!text)
		return sgh_fail_memory(err);
	*ret_text = text;
	return 0;
}

int sangraha_object_parse(const char *json, size_t length, struct sangraha_object **ret,
			  struct sangraha_error *err)
{
	struct sangraha_error why = { 0 };
	int rc;

	if (!json || !ret)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "json and ret are needed");
	rc = sgh_object_parse_json(json, length, ret, &why);
	/* Whoever wrote it is to blame, and not the caller. */
	if (rc == SANGRAHA_E_INVALID)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0, "it is no description: %s",
				why.message);
	return rc ? sgh_fail_with(err, rc, &why) : 0;
}
