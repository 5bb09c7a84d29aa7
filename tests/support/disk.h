/* SPDX-License-Identifier: MIT */
#ifndef T_DISK_H
#define T_DISK_H

#include <stdbool.h>

/*
 * A disk that fails: calls that change files - write, pwrite, fsync, fdatasync, ftruncate,
 * unlink, rename, link, open with O_CREAT, mkdir - are counted and made to fail, for this
 * program and for libsqlite3 in it. A program that calls any of these must be among
 * `disk_tests` of its folder's meson.build. Writing to anything but regular files is let
 * alone.
 */

/* All is well again, and counting begins anew. */
void t_disk_well(void);
/* How many such calls there were. */
unsigned t_disk_calls(void);
/*
 * From the n-th call on (1 is the next one) those that need room fail with ENOSPC - not
 * fsync, unlink and rename; the first one, if it writes, writes half.
 */
void t_disk_full_at(unsigned n);
/* The n-th call, or from the n-th on all, fail with `errnum`. */
void t_disk_fail_at(unsigned n, int errnum, bool forever);
/* The n-th call is SIGKILL; a write has by then written half. */
void t_disk_kill_at(unsigned n);
/* Called before each such call with its name and path ("" for a descriptor's); or NULL. */
void t_disk_watch(void (*seen)(const char *call, int fd, const char *path));

#endif
