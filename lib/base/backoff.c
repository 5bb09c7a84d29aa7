/* SPDX-License-Identifier: MIT */
#include "base/backoff.h"

#include "base/clock.h"

#define FIRST_MS 50
#define MOST_MS  1000

int64_t sgh_backoff_next(struct sgh_backoff *backoff)
{
	int64_t wait = MOST_MS;
	int64_t jitter;

	if (backoff->failures < 5)
		wait = (int64_t)FIRST_MS << backoff->failures;
	backoff->failures++;
	/* The clock's low digits spread the peers well enough: a quarter of the wait. */
	jitter = sgh_now_us() % (wait / 4 + 1);
	return wait - jitter;
}

void sgh_backoff_reset(struct sgh_backoff *backoff)
{
	backoff->failures = 0;
}
