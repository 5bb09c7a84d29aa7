/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_BREAKER_H
#define SGH_BASE_BREAKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct sgh_metric;

/*
 * A circuit breaker: closed until `threshold` failures in a row; then open, and twice a
 * second (half open) one request is let through to see. Nothing is waited for: one that is
 * let through and never heard of again keeps nobody from the next. Usable from any thread.
 */
struct sgh_breaker {
	unsigned threshold;
	struct sgh_metric *gauge; /* 0 closed, 1 half open, 2 open; may be NULL */
	struct {
		pthread_mutex_t lock;
		unsigned failures;
		int64_t opened_ms; /* 0: closed */
		int64_t probe_ms;  /* when the next request may go through */
	} state;
};

enum sgh_breaker_state {
	SGH_BREAKER_CLOSED,
	SGH_BREAKER_FAILING, /* closed, but the last that was heard was a failure */
	SGH_BREAKER_OPEN,
};

void sgh_breaker_init(struct sgh_breaker *breaker, unsigned threshold,
		      struct sgh_metric *gauge);
void sgh_breaker_fini(struct sgh_breaker *breaker);
/* Whether a request may be sent now; in the half-open state true for one only. */
bool sgh_breaker_allow(struct sgh_breaker *breaker);
/* True when it was failing or open. */
bool sgh_breaker_success(struct sgh_breaker *breaker);
/* True when it opened just now. */
bool sgh_breaker_failure(struct sgh_breaker *breaker);
/* Something went wrong that proves nothing: failing, but never open by this alone. */
void sgh_breaker_doubt(struct sgh_breaker *breaker);
enum sgh_breaker_state sgh_breaker_state(struct sgh_breaker *breaker);
/* Whether it is time to see again, open or failing; true for one twice a second. */
bool sgh_breaker_probe(struct sgh_breaker *breaker);
/* For how many milliseconds it has been open; 0 when closed. */
int64_t sgh_breaker_open_ms(struct sgh_breaker *breaker);

#endif
