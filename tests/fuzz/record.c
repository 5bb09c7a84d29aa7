/* SPDX-License-Identifier: MIT */
#include "wire/record.h"

#include "fuzz/fuzz.h"
#include "wire/json.h"
#include "wire/object.h"
#include "wire/sha256.h"

/* Records of the bucket "meta": what can be read can be written and read again. */

static struct sgh_bytes *written(const struct sgh_record *record)
{
	struct sgh_bytes *bytes = NULL;
	int status = sgh_record_write(record, &bytes, &fuzz_err);

	/* One at the bound may be longer when it is written in our way. */
	fuzz_require(status == 0 || status == SANGRAHA_E_OVERLOADED);
	return bytes;
}

static void round_trip(const struct sgh_record *record)
{
	sgh_autobytes struct sgh_bytes *bytes = written(record);
	sgh_autobytes struct sgh_bytes *again = NULL;
	struct sgh_record found = { 0 };

	if (!bytes || bytes->length > SGH_JSON_FLAT_MAX)
		return;
	fuzz_ok(sgh_record_parse(bytes->data, bytes->length, &found, &fuzz_err));
	again = written(&found);
	fuzz_require(again && again->length == bytes->length);
	fuzz_require(memcmp(again->data, bytes->data, bytes->length) == 0);
	sgh_record_fini(&found);
}

/* What a record says of a large object, added to the description that pins it. */
static void describe(const struct sgh_record *record)
{
	struct sgh_object_parts parts = {
		.id = "0199f2c4-0000-7000-8000-0123456789ab",
		.type = "image",
		.record = record->record,
		.size = (uint64_t)record->size,
	};
	struct sangraha_object *object = NULL;
	struct sangraha_error err = { 0 };

	if (!record->record || sgh_object_new(&parts, &object, &err))
		return;
	if (sgh_record_describe(record, object, &err))
		fuzz_explained(err.status, &err);
	else
		fuzz_require(sgh_sha256_hex_valid(sangraha_object_sha256(object)));
	sangraha_object_unref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sgh_autofree void *copy = fuzz_copy(data, size);
	struct sangraha_error err = { 0 };
	struct sgh_record record = { 0 };
	int status = sgh_record_parse(copy, size, &record, &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INTERNAL);
		fuzz_explained(status, &err);
		return 0;
	}
	round_trip(&record);
	describe(&record);
	sgh_record_fini(&record);
	return 0;
}
