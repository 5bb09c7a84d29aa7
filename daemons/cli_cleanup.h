/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_CLI_CLEANUP_H
#define SGH_DAEMONS_CLI_CLEANUP_H

#include <stdbool.h>

/*
 * What a signal that ends the program leaves behind: no half-written file, no progress
 * bar. Of the process, as signals are.
 */

#define SGH_CLEANUP_FILES 64 /* at a time */

/*
 * From now on SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGPIPE clean up before they end the
 * program, and a file over its limit is an error of write().
 */
void sgh_cleanup_install(void);

/*
 * Remove `path` when a signal ends the program, until sgh_cleanup_forget() with what this
 * returns; -1 when there is no room or the path is too long.
 */
int sgh_cleanup_remember(const char *path);
void sgh_cleanup_forget(int slot);

/* A progress bar stands, or no longer stands, in the terminal's last line. */
void sgh_cleanup_bar(bool stands);

#endif
