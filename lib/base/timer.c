/* SPDX-License-Identifier: MIT */
#include "base/timer.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

/* A binary heap of pointers, the soonest at index 1. */
struct sgh_timers {
	pthread_t thread;
	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed;
		struct sgh_timer **heap;
		size_t count;
		size_t capacity;
		bool stop;
	} state;
};

static void put_locked(struct sgh_timers *timers, size_t place, struct sgh_timer *timer)
{
	timers->state.heap[place] = timer;
	timer->place = place;
}

static void rise_locked(struct sgh_timers *timers, size_t place, struct sgh_timer *timer)
{
	struct sgh_timer **heap = timers->state.heap;

	for (; place > 1 && heap[place / 2]->at_ms > timer->at_ms; place /= 2)
		put_locked(timers, place, heap[place / 2]);
	put_locked(timers, place, timer);
}

static void sink_locked(struct sgh_timers *timers, size_t place, struct sgh_timer *timer)
{
	struct sgh_timer **heap = timers->state.heap;
	size_t count = timers->state.count;

	while (place * 2 <= count) {
		size_t child = place * 2;

		if (child < count && heap[child + 1]->at_ms < heap[child]->at_ms)
			child++;
		if (timer->at_ms <= heap[child]->at_ms)
			break;
		put_locked(timers, place, heap[child]);
		place = child;
	}
	put_locked(timers, place, timer);
}

static void remove_locked(struct sgh_timers *timers, struct sgh_timer *timer)
{
	size_t place = timer->place;
	struct sgh_timer *last = timers->state.heap[timers->state.count--];

	timer->place = 0;
	if (last == timer)
		return;
	if (place > 1 && timers->state.heap[place / 2]->at_ms > last->at_ms)
		rise_locked(timers, place, last);
	else
		sink_locked(timers, place, last);
}

/* Room for `count` timers; the heap begins at index 1. */
static bool reserve_locked(struct sgh_timers *timers, size_t count)
{
	size_t capacity = timers->state.capacity ? timers->state.capacity * 2 : 64;
	struct sgh_timer **heap;

	if (count < timers->state.capacity)
		return true;
	if (capacity <= count)
		capacity = count + 1;
	heap = realloc(timers->state.heap, capacity * sizeof(struct sgh_timer *));
	if (!heap)
		return false;
	timers->state.heap = heap;
	timers->state.capacity = capacity;
	return true;
}

static void *run(void *arg)
{
	struct sgh_timers *timers = arg;

	pthread_mutex_lock(&timers->state.lock);
	while (!timers->state.stop) {
		struct sgh_timer *first =
			timers->state.count ? timers->state.heap[1] : NULL;

		if (!first || first->at_ms > sgh_now_ms()) {
			sgh_cond_wait_until(&timers->state.changed, &timers->state.lock,
					    first ? first->at_ms : SGH_NEVER);
			continue;
		}
		remove_locked(timers, first);
		pthread_mutex_unlock(&timers->state.lock);
		first->fire(first);
		pthread_mutex_lock(&timers->state.lock);
	}
	pthread_mutex_unlock(&timers->state.lock);
	return NULL;
}

int sgh_timers_new(struct sgh_timers **ret, struct sangraha_error *err)
{
	struct sgh_timers *timers = calloc(1, sizeof(*timers));
	int status;

	if (!timers)
		return sgh_fail_memory(err);
	pthread_mutex_init(&timers->state.lock, NULL);
	sgh_cond_init(&timers->state.changed);
	status = sgh_thread_start(&timers->thread, "sgh-timer", run, timers, err);
	if (status) {
		pthread_cond_destroy(&timers->state.changed);
		pthread_mutex_destroy(&timers->state.lock);
		free(timers);
		return status;
	}
	*ret = timers;
	return 0;
}

void sgh_timers_free(struct sgh_timers *timers)
{
	if (!timers)
		return;
	pthread_mutex_lock(&timers->state.lock);
	timers->state.stop = true;
	pthread_cond_signal(&timers->state.changed);
	pthread_mutex_unlock(&timers->state.lock);
	pthread_join(timers->thread, NULL);
	pthread_cond_destroy(&timers->state.changed);
	pthread_mutex_destroy(&timers->state.lock);
	free(timers->state.heap);
	free(timers);
}

bool sgh_timers_reserve(struct sgh_timers *timers, size_t count)
{
	bool reserved;

	pthread_mutex_lock(&timers->state.lock);
	reserved = reserve_locked(timers, count);
	pthread_mutex_unlock(&timers->state.lock);
	return reserved;
}

bool sgh_timer_arm(struct sgh_timers *timers, struct sgh_timer *timer, int64_t at_ms)
{
	bool armed;

	pthread_mutex_lock(&timers->state.lock);
	if (timer->place)
		remove_locked(timers, timer);
	armed = reserve_locked(timers, timers->state.count + 1);
	if (armed) {
		timer->at_ms = at_ms;
		rise_locked(timers, ++timers->state.count, timer);
		if (timer->place == 1)
			pthread_cond_signal(&timers->state.changed);
	}
	pthread_mutex_unlock(&timers->state.lock);
	return armed;
}

bool sgh_timer_cancel(struct sgh_timers *timers, struct sgh_timer *timer)
{
	bool cancelled;

	pthread_mutex_lock(&timers->state.lock);
	cancelled = timer->place != 0;
	if (cancelled)
		remove_locked(timers, timer);
	pthread_mutex_unlock(&timers->state.lock);
	return cancelled;
}
