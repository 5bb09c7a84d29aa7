/* SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

#include "wire/filename.h"
#include "wire/s3xml.h"

/* The XML of S3 servers: errors and lists. The first byte is how many keys were asked for. */

static void plain(const char *text, size_t room)
{
	fuzz_require(strlen(text) < room);
	fuzz_require(sgh_utf8_valid(text, strlen(text)));
	for (; *text; text++)
		fuzz_require((unsigned char)*text >= ' ' && *text != 0x7f);
}

static bool error(const void *data, size_t size)
{
	struct sgh_s3_error error;

	if (!sgh_s3xml_error(data, size, &error))
		return false;
	plain(error.code, sizeof(error.code));
	plain(error.message, sizeof(error.message));
	return true;
}

static bool list(const void *data, size_t size, size_t max_keys)
{
	struct sgh_arena arena = { 0 };
	struct sgh_s3_list list = { 0 };
	struct sangraha_error err = { 0 };
	int status = sgh_s3xml_list(data, size, max_keys, &arena, &list, &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INTERNAL ||
			     status == SANGRAHA_E_OVERLOADED);
		fuzz_explained(status, &err);
		fuzz_require(!list.keys);
	}
	fuzz_require(list.count <= max_keys);
	for (size_t i = 0; i < list.count; i++) {
		fuzz_require(*list.keys[i].key);
		fuzz_require(strlen(list.keys[i].key) <= SGH_S3_KEY_MAX);
	}
	sgh_arena_fini(&arena);
	return status == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, data + size };
	size_t max_keys = fuzz_byte(&input) % 16;
	size_t left = fuzz_left(&input);
	sgh_autofree void *copy = fuzz_copy(input.at, left);
	bool is_error = error(copy, left);
	bool is_list = list(copy, left, max_keys);

	fuzz_require(!is_error || !is_list);
	return 0;
}
