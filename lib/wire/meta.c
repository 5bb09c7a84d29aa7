/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/error.h"
#include "wire/filename.h"
#include "wire/object.h"

#define NAME_MAX_LENGTH 64

static bool name_valid(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return length >= 1 && length <= NAME_MAX_LENGTH && name[length] == '\0';
}

/* The length of a value as sgh_percent_encode() writes it. */
static size_t encoded_length(const char *value)
{
	size_t length = 0;

	while (*value) {
		size_t plain = strspn(value, "abcdefghijklmnopqrstuvwxyz"
					     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					     "0123456789-._~");

		length += plain;
		value += plain;
		if (*value) {
			length += 3;
			value++;
		}
	}
	return length;
}

static bool seen_before(const struct sgh_pair *pairs, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(pairs[j].name, pairs[i].name) == 0)
			return true;
	return false;
}

int sgh_meta_check(const struct sgh_pair *pairs, size_t count, struct sangraha_error *err)
{
	size_t total = 0;

	if (count > SGH_META_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"metadata has %zu pairs, more than %d", count,
				SGH_META_MAX);
	for (size_t i = 0; i < count; i++) {
		if (!name_valid(pairs[i].name))
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"a name of metadata is not [a-z0-9-]{1,64}");
		if (!sgh_utf8_valid(pairs[i].value, strlen(pairs[i].value)))
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"the metadata \"%s\" is not UTF-8",
					pairs[i].name);
		if (seen_before(pairs, i))
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"the metadata \"%s\" is there twice",
					pairs[i].name);
		total += strlen(pairs[i].name) + encoded_length(pairs[i].value);
	}
	if (total > SGH_META_BYTES_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"metadata takes %zu bytes percent-encoded, more than %d",
				total, SGH_META_BYTES_MAX);
	return 0;
}
