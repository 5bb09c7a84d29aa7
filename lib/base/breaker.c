/* SPDX-License-Identifier: MIT */
#include "base/breaker.h"

#include "base/clock.h"
#include "base/metrics.h"

#define PROBE_MS 500

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

static bool due_locked(struct sgh_breaker *breaker)
{
	int64_t now = sgh_now_ms();
	bool due = now >= breaker->state.probe_ms;

	if (due)
		breaker->state.probe_ms = now + PROBE_MS;
	if (due && breaker->state.opened_ms)
		sgh_metric_set(breaker->gauge, HALF_OPEN);
	return due;
}

bool sgh_breaker_allow(struct sgh_breaker *breaker)
{
	bool allow;

	pthread_mutex_lock(&breaker->state.lock);
	allow = !breaker->state.opened_ms || due_locked(breaker);
	pthread_mutex_unlock(&breaker->state.lock);
	return allow;
}

bool sgh_breaker_probe(struct sgh_breaker *breaker)
{
	bool probe;

	pthread_mutex_lock(&breaker->state.lock);
	probe = breaker->state.failures && due_locked(breaker);
	pthread_mutex_unlock(&breaker->state.lock);
	return probe;
}

bool sgh_breaker_success(struct sgh_breaker *breaker)
{
	bool changed;

	pthread_mutex_lock(&breaker->state.lock);
	changed = breaker->state.failures > 0;
	if (breaker->state.opened_ms)
		sgh_metric_set(breaker->gauge, CLOSED);
	breaker->state.failures = 0;
	breaker->state.opened_ms = 0;
	pthread_mutex_unlock(&breaker->state.lock);
	return changed;
}

bool sgh_breaker_failure(struct sgh_breaker *breaker)
{
	int64_t now = sgh_now_ms();
	bool opens;

	pthread_mutex_lock(&breaker->state.lock);
	breaker->state.failures++;
	opens = breaker->state.failures >= breaker->threshold &&
		!breaker->state.opened_ms;
	if (opens) {
		breaker->state.opened_ms = now;
		breaker->state.probe_ms = now + PROBE_MS;
	}
	if (breaker->state.opened_ms)
		sgh_metric_set(breaker->gauge, OPEN);
	pthread_mutex_unlock(&breaker->state.lock);
	return opens;
}

void sgh_breaker_doubt(struct sgh_breaker *breaker)
{
	pthread_mutex_lock(&breaker->state.lock);
	if (!breaker->state.failures)
		breaker->state.failures = 1;
	pthread_mutex_unlock(&breaker->state.lock);
}

enum sgh_breaker_state sgh_breaker_state(struct sgh_breaker *breaker)
{
	enum sgh_breaker_state state = SGH_BREAKER_CLOSED;

	pthread_mutex_lock(&breaker->state.lock);
	if (breaker->state.opened_ms)
		state = SGH_BREAKER_OPEN;
	else if (breaker->state.failures)
		state = SGH_BREAKER_FAILING;
	pthread_mutex_unlock(&breaker->state.lock);
	return state;
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
