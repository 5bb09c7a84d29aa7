/* SPDX-License-Identifier: MIT */
#include "wire/record.h"

#include "fuzz/fuzz.h"
#include "wire/json.h"

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
	sgh_record_fini(&record);
	return 0;
}
