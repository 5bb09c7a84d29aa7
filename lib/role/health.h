/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_HEALTH_H
#define SGH_ROLE_HEALTH_H

#include <string.h>

#include <sangraha/context.h>

#include "base/util.h"

/*
 * Hand out what a role knows of its health: as many bytes as the caller's struct has,
 * which may be older or newer than ours. NULL is accepted.
 */
static inline void sgh_health_copy(struct sangraha_health *to,
				   const struct sangraha_health *from)
{
	size_t head = sizeof(to->size);
	size_t size = to ? sgh_min(to->size, sizeof(*from)) : 0;

	if (size > head)
		memcpy((char *)to + head, (const char *)from + head, size - head);
}

#endif
