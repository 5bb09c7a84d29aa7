/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_TAR_H
#define SGH_WIRE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Tar archives as POSIX has them (IEEE Std 1003.1, pax): written only, into memory of the
 * caller's. Of a member there are a name, bytes, and records of its own, the "extended
 * header"; owner and time are nobody's and none.
 *
 * An archive is its members, one after the other. The two empty blocks at its end may be
 * left out: readers take the end of the file for it.
 */

#define SGH_TAR_NAME_MAX 100

/* A record "<space><name>=<value>"; no '=' before the first, no NUL. Borrowed. */
struct sgh_tar_record {
	const char *space;
	const char *name;
	const char *value;
};

struct sgh_tar_member {
	const char *name; /* of 1 to SGH_TAR_NAME_MAX bytes in ASCII */
	const void *data; /* NULL: empty */
	size_t length;    /* under 8 GiB */
	const struct sgh_tar_record *records;
	size_t record_count;
};

/* Bytes that the member takes, headers and padding included; 0: more than there can be. */
size_t sgh_tar_size(const struct sgh_tar_member *member);

/* Write them, exactly so many; returns what follows them. */
unsigned char *sgh_tar_write(const struct sgh_tar_member *member, unsigned char *out);

#endif
