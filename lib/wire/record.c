/* SPDX-License-Identifier: MIT */
#include "wire/record.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/util.h"
#include "wire/json.h"
#include "wire/object.h"

#define RECORD_MAX (64 << 10)

void sgh_record_key_operation(char key[SGH_RECORD_KEY_SIZE], const char *id)
{
	snprintf(key, SGH_RECORD_KEY_SIZE, "operation/%s", id);
}

void sgh_record_key_deleted(char key[SGH_RECORD_KEY_SIZE], const char *type,
			    const char *id)
{
	snprintf(key, SGH_RECORD_KEY_SIZE, "deleted/%s/%s", type, id);
}

void sgh_record_key_upload(char key[SGH_RECORD_KEY_SIZE], const char *id)
{
	snprintf(key, SGH_RECORD_KEY_SIZE, "upload/%s", id);
}

void sgh_record_key_object(char key[SGH_RECORD_KEY_SIZE], const char *type,
			   const char *id, const char *record)
{
	snprintf(key, SGH_RECORD_KEY_SIZE, "object/%s/%s/%s", type, id, record);
}

/* Move a part of the key, up to the next slash or its end, into `part`. */
static bool take_part(const char **key, char *part, size_t size)
{
	size_t length = strcspn(*key, "/");

	if (!length || length >= size)
		return false;
	memcpy(part, *key, length);
	part[length] = '\0';
	*key += length;
	if (**key)
		(*key)++;
	return true;
}

static bool take_id(const char **key, char id[SANGRAHA_ID_SIZE])
{
	return take_part(key, id, SANGRAHA_ID_SIZE) && sangraha_id_valid(id);
}

static bool take_type(const char **key, char type[SANGRAHA_TYPE_SIZE])
{
	return take_part(key, type, SANGRAHA_TYPE_SIZE) && sgh_type_name_valid(type);
}

static bool take_name(const char *key, struct sgh_record_name *name)
{
	char kind[16];
	bool ok = take_part(&key, kind, sizeof(kind));

	if (!ok)
		return false;
	if (strcmp(kind, "operation") == 0)
		name->kind = SGH_RECORD_OPERATION;
	else if (strcmp(kind, "deleted") == 0)
		name->kind = SGH_RECORD_DELETED;
	else if (strcmp(kind, "upload") == 0)
		name->kind = SGH_RECORD_UPLOAD;
	else if (strcmp(kind, "object") == 0)
		name->kind = SGH_RECORD_OBJECT;
	else if (strcmp(kind, "probe") == 0)
		name->kind = SGH_RECORD_PROBE;
	else
		return false;
	if (name->kind == SGH_RECORD_DELETED || name->kind == SGH_RECORD_OBJECT)
		ok = take_type(&key, name->type);
	ok = ok && take_id(&key, name->id);
	if (name->kind == SGH_RECORD_OBJECT)
		ok = ok && take_id(&key, name->record);
	return ok && !*key;
}

void sgh_record_name(const char *key, struct sgh_record_name *ret)
{
	struct sgh_record_name name = { 0 };
	size_t length = strlen(key);

	if (!length || key[length - 1] == '/' || !take_name(key, &name))
		name = (struct sgh_record_name){ .kind = SGH_RECORD_FOREIGN };
	*ret = name;
}

bool sgh_record_is_claim(const struct sgh_record *record, const char *id)
{
	return !record->code && sgh_streq(record->operation_id, id);
}

struct sgh_record sgh_record_placeholder(const char *record, const char *type,
					 int64_t now_ms, int64_t expires_ms)
{
	return (struct sgh_record){
		.record = record,
		.type = type,
		.created_ms = now_ms,
		.expires_ms = expires_ms,
		.offset = -1,
	};
}

bool sgh_record_is_placeholder(const struct sgh_record *record)
{
	return record->record && !record->content_type;
}

void sgh_record_fini(struct sgh_record *record)
{
	sgh_arena_fini(&record->arena);
}

/* Every member, and where it is in the struct: writing and parsing walk the same list. */
static const struct {
	const char *name;
	size_t place;
} texts[] = {
	{ "operation_id", offsetof(struct sgh_record, operation_id) },
	{ "type", offsetof(struct sgh_record, type) },
	{ "sha256", offsetof(struct sgh_record, sha256) },
	{ "code", offsetof(struct sgh_record, code) },
	{ "message", offsetof(struct sgh_record, message) },
	{ "declared", offsetof(struct sgh_record, declared) },
	{ "detected", offsetof(struct sgh_record, detected) },
	{ "rule", offsetof(struct sgh_record, rule) },
	{ "record", offsetof(struct sgh_record, record) },
	{ "upload", offsetof(struct sgh_record, upload) },
	{ "place", offsetof(struct sgh_record, place) },
	{ "content_type", offsetof(struct sgh_record, content_type) },
	{ "facts", offsetof(struct sgh_record, facts) },
	{ "rules", offsetof(struct sgh_record, rules) },
};

static const struct {
	const char *name;
	size_t place;
	int64_t absent;
} numbers[] = {
	{ "size", offsetof(struct sgh_record, size), 0 },
	{ "offset", offsetof(struct sgh_record, offset), -1 },
	{ "created_ms", offsetof(struct sgh_record, created_ms), 0 },
	{ "requested_ms", offsetof(struct sgh_record, requested_ms), 0 },
	{ "expires_ms", offsetof(struct sgh_record, expires_ms), 0 },
};

int sgh_record_write(const struct sgh_record *record, struct sgh_bytes **ret,
		     struct sangraha_error *err)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(RECORD_MAX);
	struct sgh_bytes *bytes;

	sgh_buf_puts(&buf, "{\"sangraha\":1");
	for (size_t i = 0; i < SGH_COUNT(texts); i++) {
		const char *value;

		memcpy(&value, (const char *)record + texts[i].place, sizeof(value));
		if (!value)
			continue;
		sgh_buf_name(&buf, texts[i].name);
		sgh_buf_json(&buf, value);
	}
	for (size_t i = 0; i < SGH_COUNT(numbers); i++) {
		int64_t value;

		memcpy(&value, (const char *)record + numbers[i].place, sizeof(value));
		if (value != numbers[i].absent)
			sgh_buf_printf(&buf, ",\"%s\":%" PRId64, numbers[i].name, value);
	}
	sgh_buf_putc(&buf, '}');
	bytes = buf.failed ? NULL : sgh_bytes_copy(buf.data, buf.length);
	if (!bytes)
		return sgh_fail_memory(err);
	*ret = bytes;
	return 0;
}

static int no_record(struct sangraha_error *err, const char *why)
{
	return sgh_fail(err, SANGRAHA_E_INTERNAL, 0, "a record cannot be read: %s", why);
}

static int read_texts(const cJSON *document, struct sgh_record *record,
		      struct sangraha_error *err)
{
	for (size_t i = 0; i < SGH_COUNT(texts); i++) {
		const cJSON *item =
			cJSON_GetObjectItemCaseSensitive(document, texts[i].name);
		const char *value;

		if (!item)
			continue;
		if (!cJSON_IsString(item))
			return no_record(err, texts[i].name);
		value = sgh_arena_strdup(&record->arena, item->valuestring);
		if (!value)
			return sgh_fail_memory(err);
		memcpy((char *)record + texts[i].place, &value, sizeof(value));
	}
	return 0;
}

static int read_numbers(const cJSON *document, struct sgh_record *record,
			struct sangraha_error *err)
{
	for (size_t i = 0; i < SGH_COUNT(numbers); i++) {
		const cJSON *item =
			cJSON_GetObjectItemCaseSensitive(document, numbers[i].name);
		int64_t value = numbers[i].absent;

		if (item && (!sgh_json_integer(item, &value) || value < 0))
			return no_record(err, numbers[i].name);
		memcpy((char *)record + numbers[i].place, &value, sizeof(value));
	}
	return 0;
}

int sgh_record_parse(const void *json, size_t length, struct sgh_record *record,
		     struct sangraha_error *err)
{
	sgh_autojson cJSON *document = NULL;
	struct sgh_record found = { 0 };
	struct sangraha_error why = { 0 };
	int64_t version;
	int status = sgh_json_open(json, length, NULL, 0, &document, &why);

	if (status)
		return status == SANGRAHA_E_OVERLOADED ? sgh_fail_memory(err)
						       : no_record(err, why.message);
	if (!sgh_json_integer(cJSON_GetObjectItemCaseSensitive(document, "sangraha"),
			      &version) ||
	    version != 1)
		return no_record(err, "it is not of version 1");
	status = read_texts(document, &found, err);
	if (status == 0)
		status = read_numbers(document, &found, err);
	if (status) {
		sgh_record_fini(&found);
		return status;
	}
	*record = found;
	return 0;
}

static int no_match(const struct sangraha_object *object, const char *why,
		    struct sangraha_error *err)
{
	return sgh_fail(err, SANGRAHA_E_INTERNAL, 0, "the record of %s does not fit: %s",
			object->reference, why);
}

int sgh_record_describe(const struct sgh_record *record, struct sangraha_object *object,
			struct sangraha_error *err)
{
	struct sangraha_error why = { 0 };
	int status;

	if (!record->record || !sgh_streq(record->record, object->record))
		return no_match(object, "the object pins another one", err);
	if (record->type && strcmp(record->type, object->type) != 0)
		return no_match(object, "its type differs", err);
	if (record->size < 0 || (uint64_t)record->size != object->size)
		return no_match(object, "its size differs", err);
	if (object->sha256[0] && !sgh_streq(record->sha256, object->sha256))
		return no_match(object, "its digest differs", err);
	status = sgh_object_complete(object, record->sha256, record->facts,
				     record->rules ? record->rules : object->rules, &why);
	if (status == SANGRAHA_E_INVALID)
		return no_match(object, why.message, err);
	return status ? sgh_fail_with(err, status, &why) : 0;
}
