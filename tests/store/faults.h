/* SPDX-License-Identifier: MIT */
#ifndef STORE_FAULTS_H
#define STORE_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The calls that change files, as this program and the libraries it uses make them: counted,
 * written down, made to fail, or the last thing that the process does. For one source file of
 * a program, because the functions are defined here.
 */

enum {
	FAULT_WRITE = 1,
	FAULT_SYNC = 2,
	FAULT_MAKE = 4, /* a file or a folder */
	FAULT_REMOVE = 8,
	FAULT_ALL = 15,
};

struct fault_call {
	char name[12];
	char path[160];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t disarmed;
	bool armed;
	unsigned kinds;
	unsigned skip;  /* of those kinds, before the first that fails */
	unsigned fails; /* how many then do */
	int error;      /* errno; 0: SIGKILL */
	bool half;      /* of the first write that fails, half is written */
	bool stall;     /* they do not fail but wait until it is over */
	unsigned seen;
	struct fault_call *calls; /* NULL: not written down */
	size_t call_count;
	size_t call_max;
} fault = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };

static inline void fault_arm(unsigned kinds, unsigned skip, unsigned fails, int error)
{
	pthread_mutex_lock(&fault.lock);
	fault.armed = true;
	fault.kinds = kinds;
	fault.skip = skip;
	fault.fails = fails;
	fault.error = error;
	fault.half = false;
	fault.stall = false;
	fault.seen = 0;
	pthread_mutex_unlock(&fault.lock);
}

/* The first write that fails writes half of it. */
static inline void fault_halve(void)
{
	pthread_mutex_lock(&fault.lock);
	fault.half = true;
	pthread_mutex_unlock(&fault.lock);
}

/* Nothing fails, but waits for fault_disarm(). */
static inline void fault_stall(void)
{
	pthread_mutex_lock(&fault.lock);
	fault.stall = true;
	pthread_mutex_unlock(&fault.lock);
}

/* True when a call was made to fail since. */
static inline bool fault_disarm(void)
{
	bool struck;

	pthread_mutex_lock(&fault.lock);
	fault.armed = false;
	pthread_cond_broadcast(&fault.disarmed);
	struck = fault.seen > fault.skip;
	pthread_mutex_unlock(&fault.lock);
	return struck;
}

/* How many of the calls that may fail there were since. */
static inline unsigned fault_seen(void)
{
	unsigned seen;

	pthread_mutex_lock(&fault.lock);
	seen = fault.seen;
	pthread_mutex_unlock(&fault.lock);
	return seen;
}

static inline void fault_note(const char *name, const char *path)
{
	pthread_mutex_lock(&fault.lock);
	if (fault.calls && fault.call_count < fault.call_max) {
		struct fault_call *call = &fault.calls[fault.call_count++];

		snprintf(call->name, sizeof(call->name), "%s", name);
		snprintf(call->path, sizeof(call->path), "%s", path);
	}
	pthread_mutex_unlock(&fault.lock);
}

/* Whether a call may happen; otherwise errno is set. */
static inline bool fault_pass(unsigned kind, const char *name, int fd, const char *path,
			      bool *ret_half)
{
	char link[40], at[160] = "";
	bool fails;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (fault.calls && !path && readlink(link, at, sizeof(at) - 1) > 0)
		path = at;
	fault_note(name, path ? path : "");
	pthread_mutex_lock(&fault.lock);
	fails = fault.armed && (fault.kinds & kind) && ++fault.seen > fault.skip &&
		fault.seen - fault.skip <= fault.fails;
	while (fails && fault.stall && fault.armed)
		pthread_cond_wait(&fault.disarmed, &fault.lock);
	fails &= !fault.stall;
	if (fails && !fault.error)
		kill(getpid(), SIGKILL);
	if (ret_half)
		*ret_half = fails && fault.half && fault.seen == fault.skip + 1;
	pthread_mutex_unlock(&fault.lock);
	if (fails)
		errno = fault.error;
	return !fails;
}

/* The names that the linker knows: the headers may give two of them to one function. */
#define FAULT_NAMED(type, function, symbol, ...)    \
	type function(__VA_ARGS__) __asm__(symbol); \
	type function(__VA_ARGS__)

FAULT_NAMED(ssize_t, fault_write, "write", int fd, const void *data, size_t length)
{
	bool half;

	if (!fault_pass(FAULT_WRITE, "write", fd, NULL, &half)) {
		if (!half || length < 2)
			return -1;
		length /= 2;
	}
	return syscall(SYS_write, fd, data, length);
}

static inline ssize_t fault_pwrite_any(int fd, const void *data, size_t length, off_t at)
{
	bool half;

	if (!fault_pass(FAULT_WRITE, "pwrite", fd, NULL, &half)) {
		if (!half || length < 2)
			return -1;
		length /= 2;
	}
	return syscall(SYS_pwrite64, fd, data, length, at);
}

FAULT_NAMED(ssize_t, fault_pwrite, "pwrite", int fd, const void *data, size_t length,
	    off_t at)
{
	return fault_pwrite_any(fd, data, length, at);
}

FAULT_NAMED(ssize_t, fault_pwrite64, "pwrite64", int fd, const void *data, size_t length,
	    off_t at)
{
	return fault_pwrite_any(fd, data, length, at);
}

static inline int fault_truncate_any(int fd, off_t length)
{
	if (!fault_pass(FAULT_WRITE, "ftruncate", fd, NULL, NULL))
		return -1;
	return (int)syscall(SYS_ftruncate, fd, length);
}

FAULT_NAMED(int, fault_ftruncate, "ftruncate", int fd, off_t length)
{
	return fault_truncate_any(fd, length);
}

FAULT_NAMED(int, fault_ftruncate64, "ftruncate64", int fd, off_t length)
{
	return fault_truncate_any(fd, length);
}

FAULT_NAMED(int, fault_fsync, "fsync", int fd)
{
	if (!fault_pass(FAULT_SYNC, "fsync", fd, NULL, NULL))
		return -1;
	return (int)syscall(SYS_fsync, fd);
}

FAULT_NAMED(int, fault_fdatasync, "fdatasync", int fd)
{
	if (!fault_pass(FAULT_SYNC, "fdatasync", fd, NULL, NULL))
		return -1;
	return (int)syscall(SYS_fdatasync, fd);
}

FAULT_NAMED(int, fault_mkdirat, "mkdirat", int fd, const char *path, mode_t mode)
{
	if (!fault_pass(FAULT_MAKE, "mkdirat", fd, path, NULL))
		return -1;
	return (int)syscall(SYS_mkdirat, fd, path, mode);
}

FAULT_NAMED(int, fault_unlink, "unlink", const char *path)
{
	if (!fault_pass(FAULT_REMOVE, "unlink", -1, path, NULL))
		return -1;
	return (int)syscall(SYS_unlink, path);
}

FAULT_NAMED(int, fault_unlinkat, "unlinkat", int fd, const char *path, int flags)
{
	if (!fault_pass(FAULT_REMOVE, "unlinkat", fd, path, NULL))
		return -1;
	return (int)syscall(SYS_unlinkat, fd, path, flags);
}

static inline int fault_openat_any(int fd, const char *path, int flags, va_list args)
{
	mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;

	if ((flags & O_CREAT) && !fault_pass(FAULT_MAKE, "openat", fd, path, NULL))
		return -1;
	return (int)syscall(SYS_openat, fd, path, flags, mode);
}

FAULT_NAMED(int, fault_openat, "openat", int fd, const char *path, int flags, ...)
{
	va_list args;
	int rc;

	va_start(args, flags);
	rc = fault_openat_any(fd, path, flags, args);
	va_end(args);
	return rc;
}

FAULT_NAMED(int, fault_openat64, "openat64", int fd, const char *path, int flags, ...)
{
	va_list args;
	int rc;

	va_start(args, flags);
	rc = fault_openat_any(fd, path, flags, args);
	va_end(args);
	return rc;
}

FAULT_NAMED(int, fault_open64, "open64", const char *path, int flags, ...)
{
	va_list args;
	int rc;

	va_start(args, flags);
	rc = fault_openat_any(AT_FDCWD, path, flags, args);
	va_end(args);
	return rc;
}

#endif
