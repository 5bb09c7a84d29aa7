/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_GRAVE_H
#define SGH_ROLE_GRAVE_H

#include "role/erase.h"

/*
 * The end of a tombstone. Until then a write of the id that comes late finds it; what one
 * wrote nevertheless, and could not take back, is taken away here once more.
 *
 *   read the tombstone              not there, or its time is not over: nothing is done
 *   is upload/<id> there            its commit must find the tombstone: nothing is done
 *   look for the object, for records of it, for the claim operation/<id>
 *   read the tombstone again        not the same: nothing is done
 *   something lies there: take it away; the tombstone stays for a later look
 *   else remove the claim of the object that was deleted, and the tombstone
 *
 * What was seen before the tombstone was read again lay under it, and is not what somebody
 * wrote after another receiver had taken the tombstone away. And a tombstone goes in a look
 * that found nothing, so that two receivers do not end it while one still takes away.
 */
struct sgh_grave {
	/* the question; strings are unchanged until `done` */
	struct sgh_errand errand;
	const char *type;
	const char *bucket;
	const char *id;
	int64_t ended_ms; /* Unix: what expired until then is over */
	/* Called once, on a thread of the store or on the caller's. */
	void (*done)(struct sgh_grave *grave);
	void *arg; /* the caller's own */

	/* the answer */
	int status;
	struct sangraha_error err;
	bool gone;   /* the tombstone is not there any more */
	bool erased; /* something lay under it */

	/* private */
	struct sgh_store_op op;
	struct sgh_erase erase;
	struct sgh_record tombstone; /* as it was read first */
	void (*then)(struct sgh_grave *grave);
	bool object;  /* lies under it, */
	bool records; /* and so do these */
	bool claim;   /* is of the object that was deleted */
	char key[SGH_RECORD_KEY_SIZE];
	char other_key[SGH_RECORD_KEY_SIZE];
};

void sgh_grave_close(struct sgh_grave *grave);

/* Release what it holds; for one that was never begun, too, when it is zero. */
void sgh_grave_fini(struct sgh_grave *grave);

#endif
