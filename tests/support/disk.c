/* SPDX-License-Identifier: MIT */
/* With it the headers rename the very functions that are defined here. */
#undef _FILE_OFFSET_BITS
#include "support/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* These take the place of libc's, for libraries too, in a program that exports them. */

/* What is to become of a call. */
enum verdict {
	PASSES,
	FAILS,
	HALVES, /* half of it is written; what cannot be halved fails */
	WAITS,
	DIES, /* after half of it */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned kinds; /* that count */
	unsigned calls;
	unsigned first; /* whom the verdict strikes */
	unsigned last;
	enum verdict verdict;
	int errnum;
	void (*seen)(const char *call, const char *path);
} disk = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.kinds = T_DISK_ALL,
};

/* True when the verdict until now has struck. */
static bool decide(enum verdict verdict, unsigned kinds, unsigned first, unsigned last,
		   int errnum)
{
	bool struck;

	pthread_mutex_lock(&disk.lock);
	struck = disk.verdict != PASSES && disk.calls >= disk.first;
	disk.verdict = verdict;
	disk.kinds = kinds;
	disk.calls = 0;
	disk.first = first;
	disk.last = last;
	disk.errnum = errnum;
	pthread_cond_broadcast(&disk.changed);
	pthread_mutex_unlock(&disk.lock);
	return struck;
}

bool t_disk_well(void)
{
	return decide(PASSES, T_DISK_ALL, 1, UINT_MAX, 0);
}

void t_disk_fail_at(unsigned kinds, unsigned n, int errnum)
{
	decide(FAILS, kinds, n, n, errnum);
}

void t_disk_fail_from(unsigned kinds, unsigned n, int errnum)
{
	decide(FAILS, kinds, n, UINT_MAX, errnum);
}

void t_disk_full_from(unsigned n)
{
	decide(HALVES, T_DISK_ROOM, n, UINT_MAX, ENOSPC);
}

void t_disk_stall(unsigned kinds)
{
	decide(WAITS, kinds, 1, UINT_MAX, 0);
}

void t_disk_kill_at(unsigned n)
{
	decide(DIES, T_DISK_ALL, n, n, 0);
}

unsigned t_disk_calls(void)
{
	unsigned calls;

	pthread_mutex_lock(&disk.lock);
	calls = disk.calls;
	pthread_mutex_unlock(&disk.lock);
	return calls;
}

void t_disk_watch(void (*seen)(const char *call, const char *path))
{
	pthread_mutex_lock(&disk.lock);
	disk.seen = seen;
	pthread_mutex_unlock(&disk.lock);
}

/* Without the lock: who is told may look at the disk. */
static void tell(const char *call, int fd, const char *path)
{
	void (*seen)(const char *call, const char *path);
	char link[40], at[PATH_MAX] = "";

	pthread_mutex_lock(&disk.lock);
	seen = disk.seen;
	pthread_mutex_unlock(&disk.lock);
	if (!seen)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (!path && readlink(link, at, sizeof(at) - 1) < 0)
		at[0] = '\0';
	seen(call, path ? path : at);
}

/* `path` is NULL for what is done to a descriptor. Sets errno for those that fail. */
static enum verdict judge(unsigned kind, const char *call, int fd, const char *path)
{
	enum verdict verdict = PASSES;

	tell(call, fd, path);
	pthread_mutex_lock(&disk.lock);
	if ((disk.kinds & kind) && ++disk.calls >= disk.first && disk.calls <= disk.last)
		verdict = disk.verdict;
	if (verdict == HALVES && disk.calls > disk.first)
		verdict = FAILS;
	if (verdict != PASSES)
		errno = disk.errnum;
	while (verdict == WAITS && disk.verdict == WAITS)
		pthread_cond_wait(&disk.changed, &disk.lock);
	pthread_mutex_unlock(&disk.lock);
	return verdict == WAITS ? PASSES : verdict;
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	pause();
}

/* Something without halves: it happens or not; who dies, dies before it. */
static bool passes(unsigned kind, const char *call, int fd, const char *path)
{
	enum verdict verdict = judge(kind, call, fd, path);

	if (verdict == DIES)
		die();
	return verdict == PASSES;
}

static ssize_t write_at(const char *call, int fd, const void *data, size_t size,
			off_t offset)
{
	enum verdict verdict = judge(T_DISK_WRITE, call, fd, NULL);
	ssize_t done;

	if (verdict == HALVES || verdict == DIES)
		size /= 2;
	if (verdict == FAILS || (verdict == HALVES && size == 0))
		return -1;
	done = offset < 0 ? syscall(SYS_write, fd, data, size)
			  : syscall(SYS_pwrite64, fd, data, size, offset);
	if (verdict == DIES)
		die();
	return done;
}

static bool is_file(int fd)
{
	struct stat info;

	return fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

/* NOLINTBEGIN: the prototypes are libc's */
ssize_t write(int fd, const void *data, size_t size)
{
	if (!is_file(fd))
		return syscall(SYS_write, fd, data, size);
	return write_at("write", fd, data, size, -1);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	return write_at("pwrite", fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	return write_at("pwrite", fd, data, size, offset);
}

int fsync(int fd)
{
	if (!passes(T_DISK_SYNC, "fsync", fd, NULL))
		return -1;
	return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	if (!passes(T_DISK_SYNC, "fdatasync", fd, NULL))
		return -1;
	return (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t length)
{
	if (!passes(T_DISK_CHANGE, "ftruncate", fd, NULL))
		return -1;
	return (int)syscall(SYS_ftruncate, fd, length);
}

int ftruncate64(int fd, off_t length)
{
	return ftruncate(fd, length);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	if (!passes(T_DISK_WRITE, "fallocate", fd, NULL))
		return -1;
	return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off_t offset, off_t length)
{
	return fallocate(fd, mode, offset, length);
}

int unlinkat(int fd, const char *path, int flags)
{
	if (!passes(T_DISK_REMOVE, "unlink", fd, path))
		return -1;
	return (int)syscall(SYS_unlinkat, fd, path, flags);
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	if (!passes(T_DISK_CHANGE, "rename", to_fd, to))
		return -1;
	return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	if (!passes(T_DISK_MAKE, "link", to_fd, to))
		return -1;
	return (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

int mkdirat(int fd, const char *path, mode_t mode)
{
	if (!passes(T_DISK_MAKE, "mkdir", fd, path))
		return -1;
	return (int)syscall(SYS_mkdirat, fd, path, mode);
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

static int open_at(int fd, const char *path, int flags, va_list args)
{
	mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;

	if ((flags & O_CREAT) && !passes(T_DISK_MAKE, "open", fd, path))
		return -1;
	return (int)syscall(SYS_openat, fd, path, flags, mode);
}

#define OPEN(name)                                         \
	int name(const char *path, int flags, ...)         \
	{                                                  \
		va_list args;                              \
		int rc;                                    \
		va_start(args, flags);                     \
		rc = open_at(AT_FDCWD, path, flags, args); \
		va_end(args);                              \
		return rc;                                 \
	}

OPEN(open)
OPEN(open64)

#define OPENAT(name)                                       \
	int name(int fd, const char *path, int flags, ...) \
	{                                                  \
		va_list args;                              \
		int rc;                                    \
		va_start(args, flags);                     \
		rc = open_at(fd, path, flags, args);       \
		va_end(args);                              \
		return rc;                                 \
	}

OPENAT(openat)
OPENAT(openat64)
/* NOLINTEND */
