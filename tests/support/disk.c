/* SPDX-License-Identifier: MIT */
/* With it the headers rename the very functions that are defined here. */
#undef _FILE_OFFSET_BITS
#include "support/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* These take the place of libc's, for libraries too, in a program that exports them. */

enum need {
	NEEDS_ROOM,
	NEEDS_NONE,
};

static struct {
	unsigned calls; /* atomic, like all of it */
	unsigned full_at;
	unsigned fail_at;
	int errnum;
	bool forever;
	unsigned kill_at;
	void (*seen)(const char *call, int fd, const char *path);
} disk;

#define GET(field)        __atomic_load_n(&disk.field, __ATOMIC_SEQ_CST)
#define SET(field, value) __atomic_store_n(&disk.field, (value), __ATOMIC_SEQ_CST)

static void set_all(unsigned full_at, unsigned fail_at, int errnum, bool forever,
		    unsigned kill_at)
{
	SET(full_at, 0);
	SET(fail_at, 0);
	SET(kill_at, 0);
	SET(calls, 0);
	SET(errnum, errnum);
	SET(forever, forever);
	SET(full_at, full_at);
	SET(fail_at, fail_at);
	SET(kill_at, kill_at);
}

void t_disk_well(void)
{
	set_all(0, 0, 0, false, 0);
}

unsigned t_disk_calls(void)
{
	return GET(calls);
}

void t_disk_full_at(unsigned n)
{
	set_all(n, 0, 0, false, 0);
}

void t_disk_fail_at(unsigned n, int errnum, bool forever)
{
	set_all(0, n, errnum, forever, 0);
}

void t_disk_kill_at(unsigned n)
{
	set_all(0, 0, 0, false, n);
}

void t_disk_watch(void (*seen)(const char *call, int fd, const char *path))
{
	SET(seen, seen);
}

static bool is_file(int fd)
{
	struct stat info;

	return fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

/* What is to become of this call: 0, an errno; -1: half of it and then an errno. */
static int judge(const char *call, int fd, const char *path, enum need need,
		 bool *ret_die)
{
	unsigned n = __atomic_add_fetch(&disk.calls, 1, __ATOMIC_SEQ_CST);
	unsigned full_at = GET(full_at), fail_at = GET(fail_at), kill_at = GET(kill_at);
	void (*seen)(const char *call, int fd, const char *path) = GET(seen);

	if (seen)
		seen(call, fd, path);
	*ret_die = kill_at && n == kill_at;
	if (full_at && n >= full_at && need == NEEDS_ROOM)
		return n == full_at ? -1 : ENOSPC;
	if (fail_at && (n == fail_at || (n > fail_at && GET(forever))))
		return GET(errnum);
	return 0;
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	pause();
}

static int settle(int errnum)
{
	errno = errnum == -1 ? ENOSPC : errnum;
	return -1;
}

static ssize_t do_pwrite(const char *call, int fd, const void *data, size_t size,
			 off_t offset)
{
	bool last = false;
	int errnum = judge(call, fd, "", NEEDS_ROOM, &last);
	ssize_t done;

	if (errnum > 0)
		return settle(errnum);
	if (last || errnum == -1)
		size /= 2;
	if (errnum == -1 && size == 0)
		return settle(ENOSPC);
	done = offset < 0 ? syscall(SYS_write, fd, data, size)
			  : syscall(SYS_pwrite64, fd, data, size, offset);
	if (last)
		die();
	return done;
}

/* NOLINTBEGIN: the prototypes are libc's */
ssize_t write(int fd, const void *data, size_t size)
{
	if (!is_file(fd))
		return syscall(SYS_write, fd, data, size);
	return do_pwrite("write", fd, data, size, -1);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	return do_pwrite("pwrite", fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	return do_pwrite("pwrite", fd, data, size, offset);
}

/* Something without halves: it happens or not; who dies, dies before it. */
#define WHOLE(call, fd, path, need, real)                          \
	do {                                                       \
		bool last_ = false;                                \
		int errnum_ = judge(call, fd, path, need, &last_); \
		if (last_)                                         \
			die();                                     \
		if (errnum_)                                       \
			return settle(errnum_);                    \
		return (int)(real);                                \
	} while (0)

int fsync(int fd)
{
	WHOLE("fsync", fd, "", NEEDS_NONE, syscall(SYS_fsync, fd));
}

int fdatasync(int fd)
{
	WHOLE("fdatasync", fd, "", NEEDS_NONE, syscall(SYS_fdatasync, fd));
}

int ftruncate(int fd, off_t length)
{
	WHOLE("ftruncate", fd, "", NEEDS_NONE, syscall(SYS_ftruncate, fd, length));
}

int ftruncate64(int fd, off_t length)
{
	WHOLE("ftruncate", fd, "", NEEDS_NONE, syscall(SYS_ftruncate, fd, length));
}

int unlink(const char *path)
{
	WHOLE("unlink", -1, path, NEEDS_NONE, syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int unlinkat(int fd, const char *path, int flags)
{
	WHOLE("unlink", fd, path, NEEDS_NONE, syscall(SYS_unlinkat, fd, path, flags));
}

int rename(const char *from, const char *to)
{
	WHOLE("rename", -1, to, NEEDS_NONE,
	      syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	WHOLE("rename", to_fd, to, NEEDS_NONE,
	      syscall(SYS_renameat2, from_fd, from, to_fd, to, 0));
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	WHOLE("link", to_fd, to, NEEDS_ROOM,
	      syscall(SYS_linkat, from_fd, from, to_fd, to, flags));
}

int mkdir(const char *path, mode_t mode)
{
	WHOLE("mkdir", -1, path, NEEDS_ROOM, syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int mkdirat(int fd, const char *path, mode_t mode)
{
	WHOLE("mkdir", fd, path, NEEDS_ROOM, syscall(SYS_mkdirat, fd, path, mode));
}

static int do_open(int fd, const char *path, int flags, mode_t mode)
{
	if (flags & O_CREAT)
		WHOLE("open", fd, path, NEEDS_ROOM,
		      syscall(SYS_openat, fd, path, flags, mode));
	return (int)syscall(SYS_openat, fd, path, flags, mode);
}

static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define OPEN(name)                                           \
	int name(const char *path, int flags, ...)           \
	{                                                    \
		va_list args;                                \
		mode_t mode;                                 \
		va_start(args, flags);                       \
		mode = mode_of(flags, args);                 \
		va_end(args);                                \
		return do_open(AT_FDCWD, path, flags, mode); \
	}

OPEN(open)
OPEN(open64)

#define OPENAT(name)                                       \
	int name(int fd, const char *path, int flags, ...) \
	{                                                  \
		va_list args;                              \
		mode_t mode;                               \
		va_start(args, flags);                     \
		mode = mode_of(flags, args);               \
		va_end(args);                              \
		return do_open(fd, path, flags, mode);     \
	}

OPENAT(openat)
OPENAT(openat64)
/* NOLINTEND */
