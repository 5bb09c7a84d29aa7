/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_TIMER_H
#define SGH_BASE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/error.h>

/* One thread that calls functions at their time. */
struct sgh_timers;

struct sgh_timer {
	int64_t at_ms; /* monotonic */
	void (*fire)(struct sgh_timer *timer);
	size_t place; /* in the heap, from 1; 0: not armed */
};

int sgh_timers_new(struct sgh_timers **ret, struct sangraha_error *err);
/* Stops the thread; timers still armed never fire. Not from a timer. NULL is accepted. */
void sgh_timers_free(struct sgh_timers *timers);

/* Make room for `count` timers at once: arming so many cannot fail. False without memory. */
bool sgh_timers_reserve(struct sgh_timers *timers, size_t count);

/*
 * Arm, or re-arm, a zero-initialised timer: fire() is called once on the timer thread at
 * `at_ms` or soon after, with no lock held; it must be short. False without memory.
 */
bool sgh_timer_arm(struct sgh_timers *timers, struct sgh_timer *timer, int64_t at_ms);

/*
 * Disarm. True: fire() will not be called. False: it was not armed, or is being called
 * just now; does not wait for that.
 */
bool sgh_timer_cancel(struct sgh_timers *timers, struct sgh_timer *timer);

#endif
