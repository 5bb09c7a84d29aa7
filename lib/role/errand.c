/* SPDX-License-Identifier: MIT */
#include "role/errand.h"

#include "base/clock.h"

#define STORE_MS 30000

int sgh_errand_submit(const struct sgh_errand *errand, struct sgh_store_op *op,
		      void (*done)(struct sgh_store_op *op), void *arg,
		      struct sangraha_error *err)
{
	int64_t request_ms = errand->request_ms ? errand->request_ms : STORE_MS;

	op->deadline_ms = sgh_now_ms() + request_ms;
	if (errand->until_ms && errand->until_ms < op->deadline_ms)
		op->deadline_ms = errand->until_ms;
	op->owner = errand->owner;
	op->done = done;
	op->arg = arg;
	return sgh_store_submit(errand->store, op, err);
}
