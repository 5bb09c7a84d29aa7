/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_PACE_H
#define SGH_REST_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The slowest that clients may be, in bytes a second. */
#define SGH_PACE_LEAST 1024

/*
 * How fast the bytes of one connection move, measured over a second. Whoever is slow is
 * borne with, down to SGH_PACE_LEAST, until he holds memory that others wait for: the
 * longer they do the faster one has to be.
 */
struct sgh_pace {
	int64_t at_ms;  /* since when it is measured; 0: it is not */
	uint64_t count; /* of the bytes, then */
	int64_t rate;   /* bytes a second, lately; -1: not known yet */
};

/* What those that wait for memory ask of those that hold it. */
struct sgh_shortage {
	int64_t rate; /* bytes a second; 0: nobody waits, or not for long */
	size_t size;  /* bytes of memory that make a difference */
};

/* Measure from now on. */
void sgh_pace_begin(struct sgh_pace *pace, int64_t now, uint64_t count);
/* So many bytes have moved by now since the beginning of time. */
void sgh_pace_count(struct sgh_pace *pace, int64_t now, uint64_t count);

/* When somebody has waited `waited_ms` for `size` bytes. */
struct sgh_shortage sgh_pace_shortage(int64_t waited_ms, size_t size);
/* Whether it moves too slowly for the memory that it holds. */
bool sgh_pace_is_behind(const struct sgh_pace *pace, const struct sgh_shortage *shortage,
			size_t holds);

/*
 * Of a TCP connection: how many bytes the peer has acknowledged, and whether some that
 * were sent are not yet; false where the system does not tell.
 */
bool sgh_pace_acknowledged(int fd, uint64_t *ret_count, bool *ret_waits);

#endif
