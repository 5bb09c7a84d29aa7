/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_SWEEP_H
#define SGH_ROLE_SWEEP_H

#include "role/remains.h"
#include "role/service.h"

/*
 * One look at all records upload/<id>: what is left of those that have ended is taken away
 * (role/remains.h). Others may do the same at the same time.
 */
struct sgh_sweep {
	/* the question */
	struct sangraha_context *context;
	struct sangraha_store *store;
	struct sangraha_types *types;
	const char *role; /* whose log lines these are */
	int64_t grace_ms; /* how long ago they ended: a renewal may be on its way */
	int64_t until_ms; /* monotonic; 0: as long as it takes */
	const bool *stop; /* atomic; NULL, or whether to end early */
	/* Called once, on a thread of the store or on the caller's. */
	void (*done)(struct sgh_sweep *sweep);
	void *arg; /* the caller's own */

	/* the answer */
	unsigned cleared; /* uploads that had ended */
	int status;       /* the first failure; others were swept nevertheless */
	struct sangraha_error err;

	/* private */
	struct sgh_store_op list;
	struct sgh_store_op read;
	size_t next; /* of the keys that were listed */
	char after[SGH_RECORD_KEY_SIZE];
	char id[SANGRAHA_ID_SIZE];
	struct sgh_record record;
	struct sgh_remains remains;
};

void sgh_sweep_run(struct sgh_sweep *sweep);
/* Release what it holds; for one that was never begun, too, when it is zero. */
void sgh_sweep_fini(struct sgh_sweep *sweep);

/* Sweeps of a receiver, again and again. */
struct sgh_sweeper;

/* Begin a few seconds from now, or after `every_ms` when that is sooner. */
int sgh_sweeper_new(struct sgh_service *service, int64_t every_ms,
		    struct sgh_sweeper **ret, struct sangraha_error *err);
/* Waits for the sweep under way; before the service's end. NULL is accepted. */
void sgh_sweeper_stop(struct sgh_sweeper *sweeper);
/* After the service's end. NULL is accepted. */
void sgh_sweeper_free(struct sgh_sweeper *sweeper);

#endif
