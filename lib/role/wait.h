/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_WAIT_H
#define SGH_ROLE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "role/client.h"

/* A thread of the caller's that waits for one answer, and for the memory before it. */
struct sgh_wait {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct sangraha_result *result;
	bool resumed;
};

void sgh_wait_init(struct sgh_wait *wait);
void sgh_wait_fini(struct sgh_wait *wait);

/* A sangraha_done_fn, and the `resume` of an upload or a download. */
void sgh_wait_answered(void *wait, struct sangraha_result *result);
void sgh_wait_resumed(void *wait);

/* Until it was resumed once more; false when `deadline_ms` (monotonic) passed. */
bool sgh_wait_for_resume(struct sgh_wait *wait, int64_t deadline_ms);
/* Wait for the answer of a request that was submitted, and hand it to the caller. */
int sgh_wait_collect(struct sgh_wait *wait, struct sangraha_result **ret,
		     struct sangraha_error *err);

/* A thread of the caller's that waits for one status, told by a callback. */
struct sgh_outcome {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct sangraha_error err;
	int status;
	bool told;
};

void sgh_outcome_init(struct sgh_outcome *outcome);
/* From whichever thread, once; who waits may release all of it as soon as it returns. */
void sgh_outcome_tell(struct sgh_outcome *outcome, int status,
		      const struct sangraha_error *err);
int sgh_outcome_wait(struct sgh_outcome *outcome, struct sangraha_error *err);
void sgh_outcome_fini(struct sgh_outcome *outcome);

#endif
