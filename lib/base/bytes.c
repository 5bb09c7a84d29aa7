/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct sgh_bytes *sgh_bytes_new(struct sgh_budget *budget, size_t capacity)
{
	struct sgh_bytes *bytes;

	if (capacity > SIZE_MAX - sizeof(*bytes))
		return NULL;
	bytes = malloc(sizeof(*bytes) + capacity);
	if (!bytes)
		return NULL;
	bytes->refs = 1;
	bytes->length = 0;
	bytes->capacity = capacity;
	bytes->budget = budget ? sgh_budget_ref(budget) : NULL;
	return bytes;
}

struct sgh_bytes *sgh_bytes_copy(const void *data, size_t length)
{
	struct sgh_bytes *bytes = sgh_bytes_new(NULL, length);

	if (bytes)
		sgh_bytes_append(bytes, data, length);
	return bytes;
}

struct sgh_bytes *sgh_bytes_ref(struct sgh_bytes *bytes)
{
	if (bytes)
		__atomic_add_fetch(&bytes->refs, 1, __ATOMIC_RELAXED);
	return bytes;
}

void sgh_bytes_unref(struct sgh_bytes *bytes)
{
	struct sgh_budget *budget;
	size_t reserved;

	if (!bytes || __atomic_sub_fetch(&bytes->refs, 1, __ATOMIC_ACQ_REL))
		return;
	/* The memory goes first: whoever is told of the release may take as much. */
	budget = bytes->budget;
	reserved = bytes->capacity;
	free(bytes);
	if (budget) {
		sgh_budget_release(budget, reserved);
		sgh_budget_unref(budget);
	}
}

bool sgh_bytes_append(struct sgh_bytes *bytes, const void *data, size_t length)
{
	if (length > bytes->capacity - bytes->length)
		return false;
	if (length)
		memcpy(bytes->data + bytes->length, data, length);
	bytes->length += length;
	return true;
}
