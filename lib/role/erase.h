/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_ERASE_H
#define SGH_ROLE_ERASE_H

#include "role/errand.h"
#include "wire/record.h"

/*
 * Take away what lies under a deleted id: the object first, so that nobody sees it without
 * its record, then its records object/<type>/<id>/…. Bears being broken off anywhere and
 * repeated. While the tombstone is there nothing else can come to lie there.
 */
struct sgh_erase {
	/* the question; strings are unchanged until `done` */
	struct sgh_errand errand;
	const char *type;
	const char *bucket;
	const char *id;
	bool object;        /* the object goes */
	const char *record; /* the only record that there is; NULL: none is known */
	bool records;       /* … and whatever there are, go */
	/* Called once, on a thread of the store or on the caller's. */
	void (*done)(struct sgh_erase *erase);
	void *arg; /* the caller's own */

	/* the answer */
	int status;
	struct sangraha_error err;

	/* private */
	struct sgh_store_op op;
	struct sgh_store_op list;
	size_t next; /* of the keys that were listed */
	void (*then)(struct sgh_erase *erase);
	char key[SGH_RECORD_KEY_SIZE];
};

void sgh_erase_run(struct sgh_erase *erase);

/* Release what it holds; for one that was never begun, too, when it is zero. */
void sgh_erase_fini(struct sgh_erase *erase);

#endif
