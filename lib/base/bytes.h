/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_BYTES_H
#define SGH_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/budget.h"

/*
 * A body: reference-counted bytes that never change once they are shared, together with
 * their reservation in the memory budget, which ends with the last reference.
 */
struct sgh_bytes {
	int refs; /* atomic */
	size_t length;
	size_t capacity;
	size_t room;               /* bytes of `data` that were allocated */
	struct sgh_budget *budget; /* NULL: not accounted for */
	unsigned char data[];
};

#define sgh_autobytes __attribute__((cleanup(sgh_bytes_unref_at)))

/*
 * Room for `capacity` bytes, length 0. `budget` has been asked for `capacity` by the
 * caller already; the bytes take the reservation over. NULL without memory, the
 * reservation is then still the caller's. With `budget` NULL nothing is accounted for.
 */
struct sgh_bytes *sgh_bytes_new(struct sgh_budget *budget, size_t capacity);

/* A copy of `length` bytes, not accounted for. NULL without memory. */
struct sgh_bytes *sgh_bytes_copy(const void *data, size_t length);

struct sgh_bytes *sgh_bytes_ref(struct sgh_bytes *bytes);
void sgh_bytes_unref(struct sgh_bytes *bytes);

/* Append to bytes that are not shared yet; false when they do not fit the capacity. */
bool sgh_bytes_append(struct sgh_bytes *bytes, const void *data, size_t length);

static inline void sgh_bytes_unref_at(struct sgh_bytes **at)
{
	sgh_bytes_unref(*at);
}

#endif
