/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A block that is spare begins as one, where it was of bytes. */
_Static_assert(sizeof(struct sgh_spare) <= sizeof(struct sgh_bytes), "room for it");

struct sgh_bytes *sgh_bytes_new(struct sgh_budget *budget, size_t capacity)
{
	struct sgh_bytes *bytes = NULL;
	size_t room = capacity;

	if (capacity > SIZE_MAX - sizeof(*bytes))
		return NULL;
	if (budget && capacity >= SGH_SPARE_LEAST)
		bytes = sgh_budget_take_spare(budget, capacity, &room);
	if (!bytes)
		bytes = malloc(sizeof(*bytes) + capacity);
	if (!bytes)
		return NULL;
	bytes->refs = 1;
	bytes->length = 0;
	bytes->capacity = capacity;
	bytes->room = room;
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
	size_t room;

	if (!bytes || __atomic_sub_fetch(&bytes->refs, 1, __ATOMIC_ACQ_REL))
		return;
	budget = bytes->budget;
	reserved = bytes->capacity;
	room = bytes->room;
	if (budget && room >= SGH_SPARE_LEAST) {
		sgh_budget_release_spare(budget, reserved, bytes, room);
		sgh_budget_unref(budget);
		return;
	}
	/* The memory goes first: whoever is told of the release may take as much. */
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
