/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_THREAD_H
#define SGH_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <sangraha/error.h>

/*
 * Start a thread of the library: all signals blocked, so that none of the program's is
 * delivered there and SIGPIPE stays pending; `name` (at most 15 bytes) shows in tools.
 */
int sgh_thread_start(pthread_t *ret, const char *name, void *(*run)(void *arg), void *arg,
		     struct sangraha_error *err);

/* A condition variable that waits by the monotonic clock. */
void sgh_cond_init(pthread_cond_t *cond);
/* Wait until signalled or `until_ms` (monotonic, SGH_NEVER for ever); false when it passed. */
int sgh_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ms);

/* An eventfd, non-blocking and close-on-exec; -1 with errno. */
int sgh_wake_new(void);
void sgh_wake(int fd);
void sgh_wake_clear(int fd);

/*
 * A wake-up for a thread that waits in poll() and is to be spared two system calls for
 * each piece of work that it is given while it is awake. Whoever has put something where
 * the thread looks rings; the thread looks between waking and dozing off.
 */
struct sgh_bell {
	int fd;     /* an eventfd to wait for; -1: could not be made */
	bool awake; /* atomic: it will look before it sleeps */
	bool rung;  /* atomic */
};

/* False with errno. */
bool sgh_bell_init(struct sgh_bell *bell);
/* Copes with one that was not initialised, but zero or -1. */
void sgh_bell_fini(struct sgh_bell *bell);
/* From any thread. */
void sgh_bell_ring(struct sgh_bell *bell);
/* The thread is about to wait; false: somebody has rung since it woke, so it must not. */
bool sgh_bell_doze(struct sgh_bell *bell);
/* It has waited; `readable`: the descriptor is. It looks after this, not before. */
void sgh_bell_up(struct sgh_bell *bell, bool readable);

#endif
