/* SPDX-License-Identifier: MIT */
#ifndef T_DISK_H
#define T_DISK_H

#include <stdbool.h>

/*
 * A disk that fails: the calls that change files, made by this program and by libsqlite3
 * in it, are counted, told, and made to fail, to wait, or to be the process's last. A
 * program that uses any of this must be among `disk_tests` of its folder's meson.build.
 * Writing to anything but regular files is let alone.
 */

/* Which calls. */
enum {
	T_DISK_WRITE = 1,   /* write, pwrite, fallocate */
	T_DISK_MAKE = 2,    /* open with O_CREAT, mkdir, link */
	T_DISK_SYNC = 4,    /* fsync, fdatasync */
	T_DISK_REMOVE = 8,  /* unlink */
	T_DISK_CHANGE = 16, /* rename, ftruncate */
	T_DISK_ROOM = T_DISK_WRITE | T_DISK_MAKE,
	T_DISK_ALL = 31,
};

/*
 * All is well again, what waits goes on, and counting begins anew, of all calls. True when
 * a call has been struck since the disk was told to fail.
 */
bool t_disk_well(void);
/* How many calls there were since, of the kinds that count. */
unsigned t_disk_calls(void);

/*
 * Each of these takes the place of the one before and counts anew, only calls of its kinds;
 * n is 1 for the next one.
 */

/* The n-th call, or all from it on, fail with `errnum`. */
void t_disk_fail_at(unsigned kinds, unsigned n, int errnum);
void t_disk_fail_from(unsigned kinds, unsigned n, int errnum);
/* From the n-th call that needs room on: ENOSPC; if that one writes, it writes half. */
void t_disk_full_from(unsigned n);
/* All calls of those kinds wait for t_disk_well(). */
void t_disk_stall(unsigned kinds);
/* The n-th call of all is SIGKILL; a write has by then written half. */
void t_disk_kill_at(unsigned n);

/* Called before each call, on its thread, with its name and path; or NULL. */
void t_disk_watch(void (*seen)(const char *call, const char *path));

#endif
