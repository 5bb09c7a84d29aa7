/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "role/sweep.h"
#include "role/task.h"

#define FIRST_MS 3000
#define GRACE_MS 10000
#define CUT_MS   100
/* When more has ended than one sweep takes away. */
#define PAUSE_MS 1000

struct sgh_sweeper {
	struct sgh_service *service;
	int64_t every_ms;
	struct sgh_timer timer;
	struct sgh_sweep sweep;
	struct sgh_sweep_place places[SGH_SWEEP_KINDS];
	bool stop; /* atomic, written under the lock */
	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed;
		bool running;
	} state;
};

/* Room for the timer was made when it was armed for the first time. */
static void arm_locked(struct sgh_sweeper *sweeper, int64_t wait_ms)
{
	if (!sweeper->stop)
		sgh_timer_arm(sweeper->service->timers, &sweeper->timer,
			      sgh_now_ms() + wait_ms);
}

/* The first look at a store, or at one that was away. */
static int64_t soon(const struct sgh_sweeper *sweeper)
{
	return sweeper->every_ms < FIRST_MS ? sweeper->every_ms : FIRST_MS;
}

static int64_t wait_after(const struct sgh_sweeper *sweeper,
			  const struct sgh_sweep *sweep)
{
	return sweep->more && PAUSE_MS < sweeper->every_ms ? PAUSE_MS : sweeper->every_ms;
}

/* Until it has said that it is no longer running the sweeper is there. */
static void swept(struct sgh_sweep *sweep)
{
	struct sgh_sweeper *sweeper = sweep->arg;
	struct sgh_service *service = sweeper->service;

	if (sweep->status && !__atomic_load_n(&sweeper->stop, __ATOMIC_RELAXED))
		sgh_log(service->context, SANGRAHA_LOG_WARN, service->kind->role, "sweep",
			"not everything could be swept: %s", sweep->err.message);
	sgh_sweep_fini(sweep);
	pthread_mutex_lock(&sweeper->state.lock);
	sweeper->state.running = false;
	arm_locked(sweeper, wait_after(sweeper, sweep));
	pthread_cond_broadcast(&sweeper->state.changed);
	pthread_mutex_unlock(&sweeper->state.lock);
}

static void fire(struct sgh_timer *timer)
{
	struct sgh_sweeper *sweeper = sgh_container_of(timer, struct sgh_sweeper, timer);
	struct sgh_service *service = sweeper->service;

	bool go = sgh_service_store_serves(service);

	pthread_mutex_lock(&sweeper->state.lock);
	if (!go)
		arm_locked(sweeper, soon(sweeper));
	go = go && !sweeper->stop;
	sweeper->state.running = go;
	pthread_mutex_unlock(&sweeper->state.lock);
	if (!go)
		return;
	sweeper->sweep = (struct sgh_sweep){
		.context = service->context,
		.errand = { .store = service->store, .owner = sweeper },
		.types = service->types,
		.role = service->kind->role,
		/* Clocks differ, and who renews at the last moment means it. */
		.grace_ms = sgh_min(sweeper->every_ms, GRACE_MS),
		.stop = &sweeper->stop,
		.places = sweeper->places,
		.done = swept,
		.arg = sweeper,
	};
	sgh_sweep_run(&sweeper->sweep);
}

int sgh_sweeper_new(struct sgh_service *service, int64_t every_ms, int64_t tombstone_ms,
		    struct sgh_sweeper **ret, struct sangraha_error *err)
{
	struct sgh_sweeper *sweeper = calloc(1, sizeof(*sweeper));

	if (!sweeper)
		return sgh_fail_memory(err);
	sweeper->service = service;
	sweeper->every_ms = every_ms;
	sweeper->timer.fire = fire;
	sweeper->places[SGH_SWEEP_GRAVES].kept_ms = tombstone_ms;
	sweeper->places[SGH_SWEEP_FAILURES].kept_ms = SGH_FAILURE_KEPT_MS;
	pthread_mutex_init(&sweeper->state.lock, NULL);
	sgh_cond_init(&sweeper->state.changed);
	if (!sgh_timer_arm(service->timers, &sweeper->timer,
			   sgh_now_ms() + soon(sweeper))) {
		sgh_sweeper_free(sweeper);
		return sgh_fail_memory(err);
	}
	*ret = sweeper;
	return 0;
}

void sgh_sweeper_stop(struct sgh_sweeper *sweeper)
{
	if (!sweeper)
		return;
	pthread_mutex_lock(&sweeper->state.lock);
	__atomic_store_n(&sweeper->stop, true, __ATOMIC_RELAXED);
	sgh_timer_cancel(sweeper->service->timers, &sweeper->timer);
	while (sweeper->state.running) {
		/* Outside the lock; what is being submitted just now is missed once. */
		pthread_mutex_unlock(&sweeper->state.lock);
		sgh_store_cancel(sweeper->service->store, sweeper);
		pthread_mutex_lock(&sweeper->state.lock);
		if (sweeper->state.running)
			sgh_cond_wait_until(&sweeper->state.changed, &sweeper->state.lock,
					    sgh_now_ms() + CUT_MS);
	}
	pthread_mutex_unlock(&sweeper->state.lock);
}

void sgh_sweeper_free(struct sgh_sweeper *sweeper)
{
	if (!sweeper)
		return;
	pthread_cond_destroy(&sweeper->state.changed);
	pthread_mutex_destroy(&sweeper->state.lock);
	free(sweeper);
}
