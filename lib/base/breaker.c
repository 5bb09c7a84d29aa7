/* SPDX-License-Identifier: MIT */
#include "base/breaker.h"

#include "base/clock.h"
#include "base/metrics.h"

#define PROBE_MS 1000

enum gauge {
	CLOSED = 0,
	HALF_OPEN = 1,
	OPEN = 2,
};

void sgh_breaker_init(struct sgh_breaker *breaker, unsigned threshold,
		      struct sgh_metric *gauge)
{
	*breaker = (struct sgh_breaker){ .threshold = threshold, .gauge = gauge };
	pthread_mutex_init(&breaker->state.lock, NULL);
}

void sgh_breaker_fini(struct sgh_breaker *breaker)
{
	pthread_mutex_destroy(&breaker->state.lock);
}

bool sgh_breaker_allow(struct sgh_breaker *breaker)
{
	int64_t now = sgh_now_ms();
	bool allow = true;

	pthread_mutex_lock(&breaker->state.lock);
	if (breaker->state.opened_ms) {
		allow = now >= breaker->state.probe_ms;
		if (allow) {
			breaker->state.probe_ms = now + PROBE_MS;
			sgh_metric_set(breaker->gauge, HALF_OPEN);
		}
	}
	pthread_mutex_unlock(&breaker->state.lock);
	return allow;
}

void sgh_breaker_success(struct sgh_breaker *breaker)
{
	pthread_mutex_lock(&breaker->state.lock);
	if (breaker->state.opened_ms)
		sgh_metric_set(breaker->gauge, CLOSED);
	breaker->state.failures = 0;
	breaker->state.opened_ms = 0;
	pthread_mutex_unlock(&breaker->state.lock);
}

void sgh_breaker_failure(struct sgh_breaker *breaker)
{
	int64_t now = sgh_now_ms();

	pthread_mutex_lock(&breaker->state.lock);
	breaker->state.failures++;
	if (breaker->state.failures >= breaker->threshold && !breaker->state.opened_ms) {
		breaker->state.opened_ms = now;
		breaker->state.probe_ms = now + PROBE_MS;
	}
	if (breaker->state.opened_ms)
		sgh_metric_set(breaker->gauge, OPEN);
	pthread_mutex_unlock(&breaker->state.lock);
}

int64_t sgh_breaker_open_ms(struct sgh_breaker *breaker)
{
	int64_t now = sgh_now_ms();
	int64_t open = 0;

	pthread_mutex_lock(&breaker->state.lock);
	if (breaker->state.opened_ms)
		open = now - breaker->state.opened_ms + 1;
	pthread_mutex_unlock(&breaker->state.lock);
	return open;
}
