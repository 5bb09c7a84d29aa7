/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"

/* Only what is touched takes memory; the environment's limit may be far smaller. */
#define STACK_SIZE (8ul << 20)

int sgh_thread_start(pthread_t *ret, const char *name, void *(*run)(void *arg), void *arg,
		     struct sangraha_error *err)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all;
	sigset_t old;
	int failed;

	/* A new thread inherits the mask, so that no signal can slip in before it sets its own. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	/* rabbitmq-c decodes nested tables by recursion, as deep as a frame allows. */
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	failed = pthread_create(&thread, &attributes, run, arg);
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (failed)
		return sgh_fail_errno(err, failed, "cannot start a thread");
	pthread_setname_np(thread, name);
	*ret = thread;
	return 0;
}

void sgh_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

int sgh_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ms)
{
	struct timespec until = {
		.tv_sec = (time_t)(until_ms / 1000),
		.tv_nsec = (long)(until_ms % 1000) * 1000000,
	};

	if (until_ms == SGH_NEVER)
		return pthread_cond_wait(cond, lock) == 0;
	return pthread_cond_timedwait(cond, lock, &until) != ETIMEDOUT;
}

int sgh_wake_new(void)
{
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void sgh_wake(int fd)
{
	eventfd_t one = 1;

	/* A full counter is readable already, which is all that is wanted. */
	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void sgh_wake_clear(int fd)
{
	eventfd_t count;

	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

bool sgh_bell_init(struct sgh_bell *bell)
{
	*bell = (struct sgh_bell){ .fd = sgh_wake_new() };
	return bell->fd >= 0;
}

void sgh_bell_fini(struct sgh_bell *bell)
{
	if (bell->fd > 0)
		close(bell->fd);
	bell->fd = -1;
}

/*
 * Either the one who rings sees that the thread does not look any more, or the thread sees
 * that it was rung for: each writes its own flag before it reads the other's.
 */
void sgh_bell_ring(struct sgh_bell *bell)
{
	if (!__atomic_exchange_n(&bell->rung, true, __ATOMIC_SEQ_CST) &&
	    !__atomic_load_n(&bell->awake, __ATOMIC_SEQ_CST))
		sgh_wake(bell->fd);
}

bool sgh_bell_doze(struct sgh_bell *bell)
{
	__atomic_store_n(&bell->awake, false, __ATOMIC_SEQ_CST);
	return !__atomic_load_n(&bell->rung, __ATOMIC_SEQ_CST);
}

void sgh_bell_up(struct sgh_bell *bell, bool readable)
{
	__atomic_store_n(&bell->awake, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&bell->rung, false, __ATOMIC_SEQ_CST);
	if (readable)
		sgh_wake_clear(bell->fd);
}
