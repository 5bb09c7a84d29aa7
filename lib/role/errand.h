/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_ERRAND_H
#define SGH_ROLE_ERRAND_H

#include "store/store.h"

/*
 * What is done at a store by several requests, one after another: for whom, and how long it
 * may take. Erasing, remains, graves and sweeps are errands.
 */
struct sgh_errand {
	struct sangraha_store *store;
	const void *owner;  /* of its operations: sgh_store_cancel() */
	int64_t until_ms;   /* monotonic; 0: as long as it takes */
	int64_t request_ms; /* of one request to the store; 0: 30 s */
};

/*
 * Send an operation, which is described but for its owner, deadline and end; those are set
 * here. Fails, and completes, as sgh_store_submit() does.
 */
int sgh_errand_submit(const struct sgh_errand *errand, struct sgh_store_op *op,
		      void (*done)(struct sgh_store_op *op), void *arg,
		      struct sangraha_error *err);

#endif
