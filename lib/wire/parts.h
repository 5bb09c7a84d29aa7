/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_PARTS_H
#define SGH_WIRE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/error.h>

#include "base/arena.h"
#include "base/buf.h"

/* The parts of a multipart upload, within S3's limits. Pure. */

#define SGH_PARTS_MAX     10000
#define SGH_PART_MIN      (UINT64_C(5) << 20) /* bytes, of all but the last */
#define SGH_PART_MAX      (UINT64_C(5) << 30)
#define SGH_OBJECT_MAX    (UINT64_C(5) << 40)
#define SGH_PART_ETAG_MAX 128 /* bytes of printable ASCII */

#define SGH_PARTS_TEXT_MAX  (4 << 20) /* bytes of the document: 10,000 parts fit */
#define SGH_PARTS_ARENA_MAX (2 << 20) /* bytes that 10,000 parts take in an arena */

/* One part that lies in the store. */
struct sgh_part {
	unsigned number;  /* 1 to SGH_PARTS_MAX */
	uint64_t size;    /* bytes; 0: not told */
	const char *etag; /* with its quotes, as the store said it */
};

/*
 * How a body is cut. `length` -1 is not known: parts begin at 5 MiB and grow, up to
 * `most`, so that many of them are small and 10,000 hold as much as can be. A known length
 * is cut into equal parts of the smallest size that does, which may be over `most`; with
 * `rest_in_one` the second is all that is left, which must not be over SGH_PART_MAX.
 */
struct sgh_parts_plan {
	int64_t length;
	uint64_t most; /* bytes of one part in memory; at least SGH_PART_MIN is taken */
	bool rest_in_one;
};

/* The size of part `number`, from 1; of the last one what is left. 0 past the end. */
uint64_t sgh_parts_size(const struct sgh_parts_plan *plan, unsigned number);
/*
 * How many parts a known length has, 0 for one over SGH_OBJECT_MAX; for an unknown one
 * SGH_PARTS_MAX, where the last of them may be past the end.
 */
unsigned sgh_parts_count(const struct sgh_parts_plan *plan);
/* The largest body that the plan can take, in bytes; never over SGH_OBJECT_MAX. */
uint64_t sgh_parts_capacity(const struct sgh_parts_plan *plan);

/* The body of a put-commit: {"parts":[{"number":1,"size":…,"etag":"…"},…]}. */
void sgh_parts_write(const struct sgh_part *parts, size_t count, struct sgh_buf *buf);
/*
 * Read it. Numbers are 1, 2, … without gaps, each but the last at least SGH_PART_MIN and
 * none over SGH_PART_MAX, all together at most SGH_OBJECT_MAX. *ret lives in `arena`.
 * SANGRAHA_E_INVALID otherwise.
 */
int sgh_parts_parse(const void *json, size_t length, struct sgh_arena *arena,
		    struct sgh_part **ret, size_t *ret_count, struct sangraha_error *err);

/* The same with the array alone, which in JSON mode is the member "parts". */
void sgh_parts_write_array(const struct sgh_part *parts, size_t count,
			   struct sgh_buf *buf);
int sgh_parts_parse_array(const char *text, size_t length, struct sgh_arena *arena,
			  struct sgh_part **ret, size_t *ret_count,
			  struct sangraha_error *err);

#endif
