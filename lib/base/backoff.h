/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_BACKOFF_H
#define SGH_BASE_BACKOFF_H

#include <stdint.h>

/* Growing waits with jitter: 50 ms, doubling, never over 1 s. Zero-initialise. */
struct sgh_backoff {
	unsigned failures;
};

/* The milliseconds to wait after one more failure. */
int64_t sgh_backoff_next(struct sgh_backoff *backoff);
void sgh_backoff_reset(struct sgh_backoff *backoff);

#endif
