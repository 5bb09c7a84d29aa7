/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "wire/json.h"
#include "wire/object.h"

static void write_member(struct sgh_buf *buf, const char *name, const char *value)
{
	sgh_buf_name(buf, name);
	if (value)
		sgh_buf_json(buf, value);
	else
		sgh_buf_puts(buf, "null");
}

void sgh_object_write_json(const struct sangraha_object *object, struct sgh_buf *buf)
{
	sgh_buf_putc(buf, '{');
	write_member(buf, "id", object->id);
	write_member(buf, "type", object->type);
	write_member(buf, "reference", object->reference);
	write_member(buf, "filename", object->filename);
	write_member(buf, "content_type", object->content_type);
	sgh_buf_printf(buf, ",\"size\":%" PRIu64, object->size);
	write_member(buf, "sha256", object->sha256[0] ? object->sha256 : NULL);
	write_member(buf, "etag", object->etag[0] ? object->etag : NULL);
	write_member(buf, "created", object->created);
	sgh_buf_puts(buf, ",\"metadata\":{");
	for (size_t i = 0; i < object->meta_count; i++) {
		sgh_buf_puts(buf, i ? "," : "");
		sgh_buf_json(buf, object->meta[i].name);
		sgh_buf_putc(buf, ':');
		sgh_buf_json(buf, object->meta[i].value);
	}
	sgh_buf_puts(buf, "},\"facts\":");
	sgh_buf_puts(buf, object->facts);
	sgh_buf_putc(buf, '}');
}

static int invalid(struct sangraha_error *err, const char *name)
{
	return sgh_fail(err, SANGRAHA_E_INVALID, 0,
			"\"%s\" of the description is missing or not valid", name);
}

/* The members of the raw object "metadata"; they borrow from *ret_document. */
static int read_metadata(const struct sgh_json_raw *raw, struct sgh_pair *pairs,
			 size_t *ret_count, cJSON **ret_document,
			 struct sangraha_error *err)
{
	size_t count = 0;
	int status;

	*ret_count = 0;
	if (!raw->text)
		return 0;
	status = sgh_json_open(raw->text, raw->length, NULL, 0, ret_document, err);
	if (status)
		return status;
	for (const cJSON *item = (*ret_document)->child; item; item = item->next) {
		if (count == SGH_META_MAX || !cJSON_IsString(item))
			return invalid(err, "metadata");
		pairs[count].name = item->string;
		pairs[count++].value = item->valuestring;
	}
	*ret_count = count;
	return 0;
}

/* The size, the time of creation and the name, whose absence is no failure. */
static int read_scalars(const cJSON *document, struct sgh_object_parts *parts,
			struct sangraha_error *err)
{
	const cJSON *filename = cJSON_GetObjectItemCaseSensitive(document, "filename");
	const char *created = sgh_json_text(document, "created");
	int64_t size;

	if (!sgh_json_integer(cJSON_GetObjectItemCaseSensitive(document, "size"),
			      &size) ||
	    size < 0)
		return invalid(err, "size");
	if (!created || !sgh_rfc3339_parse(created, &parts->created_ms))
		return invalid(err, "created");
	if (filename && !cJSON_IsString(filename) && !cJSON_IsNull(filename))
		return invalid(err, "filename");
	parts->size = (uint64_t)size;
	parts->filename = cJSON_GetStringValue(filename);
	return 0;
}

int sgh_object_parse_json(const void *json, size_t length, struct sangraha_object **ret,
			  struct sangraha_error *err)
{
	struct sgh_json_raw raws[] = { { .name = "metadata" }, { .name = "facts" } };
	struct sgh_pair meta[SGH_META_MAX];
	struct sgh_object_parts parts = { .meta = meta };
	sgh_autojson cJSON *document = NULL;
	sgh_autojson cJSON *metadata = NULL;
	sgh_autofree char *facts = NULL;
	int status = sgh_json_open(json, length, raws, SGH_COUNT(raws), &document, err);

	if (status == 0)
		status = read_scalars(document, &parts, err);
	if (status == 0)
		status = read_metadata(&raws[0], meta, &parts.meta_count, &metadata, err);
	if (status)
		return status;
	if (raws[1].length >= SGH_FACTS_SIZE)
		return invalid(err, "facts");
	if (raws[1].text) {
		facts = strndup(raws[1].text, raws[1].length);
		if (!facts)
			return sgh_fail_memory(err);
	}
	parts.id = sgh_json_text(document, "id");
	parts.type = sgh_json_text(document, "type");
	parts.sha256 = sgh_json_text(document, "sha256");
	parts.content_type = sgh_json_text(document, "content_type");
	parts.facts = facts;
	return sgh_object_new(&parts, ret, err);
}
