/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_LIMITS_H
#define SGH_ROLE_LIMITS_H

#include <stddef.h>

#include "base/util.h"

/*
 * By measurement: up to here the broker takes less for a body than a ticket, a transfer and
 * a second message cost all programs together; a body of 1 MiB is cheaper by ticket.
 */
#define SGH_INLINE_DEFAULT ((size_t)512 << 10)

/* The largest body in a message, in bytes, where none was set. */
static inline size_t sgh_inline_default(size_t memory_limit)
{
	return sgh_min(memory_limit / 8, SGH_INLINE_DEFAULT);
}

#endif
