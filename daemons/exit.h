/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_EXIT_H
#define SGH_DAEMONS_EXIT_H

/* How programs end. The numbers are for scripts and never change. */
enum sgh_exit {
	SGH_EXIT_OK = 0,
	SGH_EXIT_FAILED = 1, /* could not start; something, or several things, failed */
	SGH_EXIT_USAGE = 2,  /* fix the command line or the configuration */
	SGH_EXIT_NOT_FOUND = 3,   /* there is no such object */
	SGH_EXIT_REFUSED = 4,     /* validation refused it; do not try again */
	SGH_EXIT_CONFLICT = 5,    /* the id is taken, or was deleted */
	SGH_EXIT_UNAVAILABLE = 6, /* the server may come back; try again */
	SGH_EXIT_DENIED = 7,      /* the token was refused */
	SGH_EXIT_LOCAL = 8,       /* a local file cannot be read or written */
	SGH_EXIT_FOUND = 9,       /* what reconciling found is still there */
};

#endif
