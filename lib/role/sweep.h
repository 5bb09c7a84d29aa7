/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_SWEEP_H
#define SGH_ROLE_SWEEP_H

#include "role/grave.h"
#include "role/remains.h"
#include "role/service.h"

/* What is swept, one after another. */
enum sgh_sweep_kind {
	SGH_SWEEP_UPLOADS,  /* upload/<id>, and what an upload left (role/remains.h) */
	SGH_SWEEP_GRAVES,   /* deleted/<type>/<id>, and what lies there (role/grave.h) */
	SGH_SWEEP_FAILURES, /* operation/<id> of failures */
	SGH_SWEEP_KINDS
};

#define SGH_SWEEP_KEY_SIZE 1025 /* also of what is not ours */

/*
 * Of the second and third there may be millions, so a receiver reads some of them at a
 * time: this is how far it came. Zero in the beginning.
 */
struct sgh_sweep_place {
	/* a record that is younger has not ended; the store's time is what tells */
	int64_t kept_ms;

	char after[SGH_SWEEP_KEY_SIZE]; /* where to go on; "": a round begins */
	int64_t begun_ms;               /* Unix: the round under way */
	bool again;                     /* it reads once more what earlier ones left, */
	int64_t left_ms; /* and of that and the rest this is the oldest that it left; 0: none */
	bool failed; /* something could not be read */
	/* What is older was read in an earlier round: it ends later, or not by itself. */
	int64_t read_ms;
	int64_t seen_ms;  /* what is older than this does not end by itself */
	int64_t again_ms; /* Unix: when what ends later is read once more */
};

/*
 * One look at the records that end by themselves: what is left of those that have ended is
 * taken away. Others may do the same at the same time.
 */
struct sgh_sweep {
	/* the question */
	struct sangraha_context *context;
	struct sgh_errand errand; /* its `request_ms` is set by the sweep */
	struct sangraha_types *types;
	const char *role; /* whose log lines these are */
	int64_t grace_ms; /* how long ago they ended: a renewal may be on its way */
	const bool *stop; /* atomic; NULL, or whether to end early */
	/* By kind; NULL: all records. Else uploads, and of the others some. */
	struct sgh_sweep_place *places;
	/* Called once, on a thread of the store or on the caller's. */
	void (*done)(struct sgh_sweep *sweep);
	void *arg; /* the caller's own */

	/* the answer */
	unsigned cleared; /* records that had ended */
	bool more;        /* with places: so many had ended that others surely have */
	int status;       /* the first failure; others were swept nevertheless */
	struct sangraha_error err;

	/* private */
	enum sgh_sweep_kind kind;
	struct sgh_store_op list;
	struct sgh_store_op read;
	size_t next;    /* of the keys that were listed */
	unsigned pages; /* of this kind, in this sweep */
	unsigned reads;
	unsigned kind_cleared; /* how many had ended before this kind */
	char after[SGH_SWEEP_KEY_SIZE];
	const struct sgh_store_key *key; /* which is in hand, */
	struct sgh_record_name name;     /* and what it tells */
	struct sgh_record record;
	struct sgh_remains remains;
	struct sgh_grave grave;
};

void sgh_sweep_run(struct sgh_sweep *sweep);
/* Release what it holds; for one that was never begun, too, when it is zero. */
void sgh_sweep_fini(struct sgh_sweep *sweep);

/* Sweeps of a receiver, again and again. */
struct sgh_sweeper;

/*
 * Begin a few seconds from now, or after `every_ms` when that is sooner. `tombstone_ms` is
 * how long the receiver keeps them.
 */
int sgh_sweeper_new(struct sgh_service *service, int64_t every_ms, int64_t tombstone_ms,
		    struct sgh_sweeper **ret, struct sangraha_error *err);
/* Gives up the sweep under way; before the service's end. NULL is accepted. */
void sgh_sweeper_stop(struct sgh_sweeper *sweeper);
/* After the service's end. NULL is accepted. */
void sgh_sweeper_free(struct sgh_sweeper *sweeper);

#endif
