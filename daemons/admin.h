/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_ADMIN_H
#define SGH_DAEMONS_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/error.h>

#include "program.h"

/*
 * What the commands of administration have in common: they work straight at queue and
 * store, take the daemons' settings - flags, environment, INI file - and options of their
 * own besides, and say what failed in one line.
 */

#define SGH_ADMIN_OPTIONS_MAX 12

/* An option of one command. */
struct sgh_admin_option {
	struct sgh_setting_row row; /* `roles` do not matter */
	char letter;                /* -x; 0: none */
	const char *value;          /* what --help calls its value; NULL: of a switch */
};

struct sgh_admin_command {
	const char *name;  /* "dlq ls" */
	const char *words; /* that --help shows: "ID..." */
	const char *about;
	const struct sgh_admin_option *options;
	size_t option_count; /* SGH_ADMIN_OPTIONS_MAX at most */
	bool store;          /* it needs the store, too */
};

struct sgh_admin_value {
	bool set;         /* by the command line, not by default */
	const char *text; /* borrowed from there; NULL: not set and without a default */
	uint64_t number;  /* as in sgh_value */
};

struct sgh_admin {
	const struct sgh_admin_command *command;
	struct sgh_program program; /* config, context, queue, store */
	struct sgh_admin_value values[SGH_ADMIN_OPTIONS_MAX];
	char **words; /* what is no option, in order; borrowed from argv */
	size_t word_count;
	bool json; /* errors are JSON, as there is an option of that name and it was given */
};

/*
 * Read the command line (argv[0] is the command's last word), environment and INI file.
 * False when the program is to end with *ret_code, having said why or printed --help. Call
 * sgh_admin_end() in any case.
 */
bool sgh_admin_read(struct sgh_admin *admin, const struct sgh_admin_command *command,
		    int argc, char **argv, int *ret_code);

/*
 * Open context, queue and, if the command needs it, the store. Without a queue-url, but with
 * a data-dir, they are those in that folder. On failure says why, and false with *ret_code.
 */
bool sgh_admin_open(struct sgh_admin *admin, int *ret_code);

/* Whether all of standard output was written; returns the exit code of a command. */
int sgh_admin_finish(struct sgh_admin *admin, int code);
void sgh_admin_end(struct sgh_admin *admin);

/* A mistake in the command line: say so, and where help is. Returns SGH_EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int sgh_admin_usage(const struct sgh_admin *admin,
							  const char *format, ...);

/*
 * Say on standard error what failed, about `subject` (NULL: about nothing in particular);
 * returns the exit code that fits.
 */
int sgh_admin_failed(const struct sgh_admin *admin, const char *subject,
		     const struct sangraha_error *err);

#endif
