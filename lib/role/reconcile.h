/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_RECONCILE_H
#define SGH_ROLE_RECONCILE_H

#include <pthread.h>

#include <sangraha/admin.h>

#include "role/grave.h"
#include "role/remains.h"
#include "validate/types.h"

/*
 * Comparing records, objects and dead letters: the private parts of
 * sangraha_admin_reconcile(), on whose caller's thread all of this runs.
 *
 *   reconcile.c          the buckets, page by page; suspects, their second look, reports
 *   reconcile_walk.c     what of a page is suspect, by as few requests as tell it
 *   reconcile_look.c     one look at one key: is something wrong there, and what
 *   reconcile_repair.c   taking away what a look found
 *   reconcile_letters.c  dead letters
 *   reconcile_store.c    requests to the store that block
 */

#define SGH_RECONCILE_PARALLEL 16
#define SGH_RECONCILE_KEY_SIZE 1025 /* keys that are not ours have as many bytes */

/* A key that something seems wrong with, and what the last look at it told. */
struct sgh_suspect {
	unsigned bucket; /* 0: "meta"; else of the type before, in sgh_reconcile.types */
	char key[SGH_RECONCILE_KEY_SIZE];
	int64_t looked_ms; /* monotonic */

	enum sangraha_finding_kind kind; /* 0: nothing is wrong */
	const struct sgh_type_info *type;
	char id[SANGRAHA_ID_SIZE];
	char record[SANGRAHA_ID_SIZE];
	char place[SANGRAHA_ID_SIZE]; /* of an upload; "": it has none of its own */
	/* Where it lies when that is not under the key: the object of a tombstone. */
	bool object;
	int64_t age_ms;
	char reason[192];
};

/* A part of a type's keys, to tell which ids are there. */
struct sgh_reconcile_window {
	struct sgh_store_op list;
	char after[SANGRAHA_ID_SIZE]; /* it begins behind this */
	bool filled;
};

#define SGH_SUSPECTS 128

struct sgh_reconcile {
	struct sgh_errand errand;
	struct sangraha_queue *queue;
	struct sangraha_types *registry;
	struct sgh_type_info types[SGH_MAX_TYPES];
	struct sgh_reconcile_window windows[SGH_MAX_TYPES]; /* by type */
	unsigned type_count;
	bool repair;
	int64_t min_age_ms;
	int64_t wait_ms;
	int64_t over_age_ms; /* twice the longest time-out: nothing of then arrives any more */
	int (*report)(void *arg, const struct sangraha_finding *finding);
	void *arg;

	struct sangraha_reconcile_counts counts;
	bool stopped; /* by report() */

	/* the page in hand */
	unsigned bucket;
	char after[SGH_RECONCILE_KEY_SIZE];
	struct sgh_store_op page;
	struct sgh_store_op ops[SGH_RECONCILE_PARALLEL];
	char keys[SGH_RECONCILE_PARALLEL][SGH_RECORD_KEY_SIZE];

	/* a look, and the repair after it */
	struct sgh_store_op op;
	struct sgh_record record;
	struct sgh_remains remains;
	struct sgh_grave grave;

	struct sgh_suspect suspects[SGH_SUSPECTS];
	unsigned suspect_count;

	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed;
		unsigned left; /* requests under way */
	} state;
};

/* ---- requests (reconcile_store.c); what is missing is SANGRAHA_E_NOT_FOUND ---- */

/* Begin to wait for so many ends, tell one, wait for all. */
void sgh_reconcile_await(struct sgh_reconcile *rec, unsigned count);
void sgh_reconcile_ended(struct sgh_reconcile *rec);
void sgh_reconcile_wait(struct sgh_reconcile *rec);
/* Until that time (monotonic); SANGRAHA_E_TIMEOUT when ours is over before. */
int sgh_reconcile_sleep(struct sgh_reconcile *rec, int64_t until_ms,
			struct sangraha_error *err);

/* All at once, each tried again when it fails for a passing reason; the first failure. */
int sgh_reconcile_run(struct sgh_reconcile *rec, struct sgh_store_op *ops, size_t count,
		      struct sangraha_error *err);
/* One, into rec->op: bucket, key, and no more. */
int sgh_reconcile_ask(struct sgh_reconcile *rec, enum sgh_store_verb verb,
		      const char *bucket, const char *key, struct sangraha_error *err);
/*
 * A record, into *ret, which the caller ends; *ret_modified_ms is the store's.
 * *ret_readable is false for what is no record of this version.
 */
int sgh_reconcile_read(struct sgh_reconcile *rec, const char *key, struct sgh_record *ret,
		       int64_t *ret_modified_ms, bool *ret_readable,
		       struct sangraha_error *err);
/* Whether there is a key `id` in the bucket of a type; for ids in ascending order. */
int sgh_reconcile_listed(struct sgh_reconcile *rec, unsigned type, const char *id,
			 bool *ret, struct sangraha_error *err);

/* ---- the rest ---- */

/* The type of that name; NULL when there is none. */
const struct sgh_type_info *sgh_reconcile_type(const struct sgh_reconcile *rec,
					       const char *name);
/* "meta", or the bucket of a type, as sgh_suspect.bucket counts them; the queue at last. */
const char *sgh_reconcile_bucket(const struct sgh_reconcile *rec, unsigned bucket);

/* Look at suspect->bucket and key; fills in the rest. */
int sgh_reconcile_look(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
		       struct sangraha_error *err);
/* Whether what was written then is old enough, by the store's time, for a finding. */
bool sgh_reconcile_is_old(const struct sgh_reconcile *rec, int64_t modified_ms);
/* Whether a tombstone of then may have ended by now. */
bool sgh_reconcile_has_ended(const struct sgh_reconcile *rec, int64_t modified_ms);
/* Whether there is a tombstone of that type and id. */
int sgh_reconcile_deleted(struct sgh_reconcile *rec, const char *type, const char *id,
			  bool *ret, struct sangraha_error *err);
/* Whether there is an object of that type and id that can be read; its digest, or "". */
int sgh_reconcile_find(struct sgh_reconcile *rec, const struct sgh_type_info *type,
		       const char *id, bool *ret, char sha256[SANGRAHA_SHA256_SIZE],
		       struct sangraha_error *err);

/* Look at what of the page in hand is suspect; calls sgh_reconcile_suspect(). */
int sgh_reconcile_walk(struct sgh_reconcile *rec, struct sangraha_error *err);
/* Look at that key; what is found is looked at once more later. */
int sgh_reconcile_suspect(struct sgh_reconcile *rec, const char *key,
			  struct sangraha_error *err);

/* What a repair of that kind does, a sentence; NULL: nothing. */
const char *sgh_reconcile_remedy(enum sangraha_finding_kind kind);
/* Right after a look: what it found may not have changed. *ret_done: it is gone. */
int sgh_reconcile_repair(struct sgh_reconcile *rec, const struct sgh_suspect *suspect,
			 bool *ret_done, struct sangraha_error *err);

/* Count a finding, and tell it. */
void sgh_reconcile_tell(struct sgh_reconcile *rec, struct sangraha_finding *finding);

/* Those of the write queue; none without a queue. */
int sgh_reconcile_letters(struct sgh_reconcile *rec, struct sangraha_error *err);

#endif
