/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_THREAD_H
#define SGH_BASE_THREAD_H

#include <pthread.h>
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

#endif
