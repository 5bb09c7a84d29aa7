/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_POOL_H
#define SGH_BASE_POOL_H

#include <stdbool.h>

#include <sangraha/error.h>

#include "base/list.h"

/* A few threads for work that takes CPU: validation, hashing. */
struct sgh_pool;

struct sgh_job {
	void (*run)(struct sgh_job *job);
	bool brief; /* it takes no time to speak of: others may wait for it */
	struct sgh_list link;
};

/* `threads` 0: one for each core. */
int sgh_pool_new(unsigned threads, struct sgh_pool **ret, struct sangraha_error *err);
/* Runs what is queued, then stops. Not from a job. NULL is accepted. */
void sgh_pool_free(struct sgh_pool *pool);
/*
 * Run a job on some thread; in order of submission when there is one thread. The number
 * of jobs is bounded by whoever submits: a job is part of a request that is counted.
 */
void sgh_pool_submit(struct sgh_pool *pool, struct sgh_job *job);

#define SGH_POOL_ROW 16

/*
 * Before the first job: `pause` is called on each thread that has run jobs, when there is
 * none behind them that is brief, after SGH_POOL_ROW in a row even so, and at the end. It
 * may hold no lock that a job needs.
 */
void sgh_pool_on_pause(struct sgh_pool *pool, void (*pause)(void *arg), void *arg);
/*
 * Whether this thread is one of the pool's, and a brief job is next: what the one that is
 * running leaves for `pause` may have company until then.
 */
bool sgh_pool_goes_on(struct sgh_pool *pool);
/* Whether a job waits for a thread: what is run elsewhere now would overtake it. */
bool sgh_pool_is_behind(struct sgh_pool *pool);

#endif
