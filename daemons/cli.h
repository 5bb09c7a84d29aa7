/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_CLI_H
#define SGH_DAEMONS_CLI_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <sangraha/context.h>
#include <sangraha/error.h>
#include <sangraha/rest.h>

#include "cli_options.h"
#include "cli_screen.h"
#include "exit.h"

/* What put, get, stat, ls and rm have in common. */
struct sgh_cli {
	struct sgh_arguments arguments;
	struct sgh_screen screen;
	struct sangraha_context *context;
	struct sangraha_rest_client *client;
	bool json;
	bool quiet;
	int64_t timeout_ms;     /* for one answer, and for all attempts together */
	atomic_int code;        /* enum sgh_exit so far */
	atomic_bool answered;   /* the server did, at least once */
	atomic_bool told_again; /* that something is tried again was said */
	atomic_bool gave_up;    /* trying again took all its time before */
};

/*
 * One of several things to do: a file to put, an object to delete. What is written to
 * `out` and `err` is printed when all items before it have been.
 */
struct sgh_item {
	char *word; /* as it was given */
	char *name; /* the same for people to read, clean */
	FILE *out;
	FILE *err;
	bool tell_name; /* there are several, so that lines need to be told apart */
};

/*
 * Read the command line, make a client, and let run() do the command; what that returns
 * counts as a failure. Returns how the program ends.
 */
int sgh_cli_main(enum sgh_cli_command command, int argc, char **argv,
		 int (*run)(struct sgh_cli *cli));

/* Before anything is opened or printed: what standard streams and texts rely on. */
void sgh_cli_streams(void);

/* A mistake in the command line: say so, and where help is. Returns SGH_EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int sgh_cli_usage(enum sgh_cli_command command,
							const char *format, ...);

/* A string printed into; yours to free, NULL without memory. */
__attribute__((format(printf, 1, 2))) char *sgh_cli_text(const char *format, ...);

/*
 * Print the reference of an object and, where lines need to be told apart, the file it
 * came from or went to; `name` is clean.
 */
void sgh_cli_print_pair(const struct sgh_cli *cli, const struct sgh_item *item,
			const char *reference, const char *name);

/* ---- what failed: cli_failure.c ---- */

/* How a program ends that failed with this status. */
enum sgh_exit sgh_cli_exit_code(int status);

/* Tell why the server, or the way to it, failed; `result` may be NULL. */
void sgh_cli_failed(struct sgh_cli *cli, struct sgh_item *item,
		    const struct sangraha_error *err,
		    const struct sangraha_rest_result *result);
/* Tell what is wrong on this side; `code` becomes the exit code. */
__attribute__((format(printf, 4, 5))) void sgh_cli_failed_here(struct sgh_cli *cli,
							       struct sgh_item *item,
							       enum sgh_exit code,
							       const char *format, ...);
/* Tell that a standard stream, of this name, failed with an errno. */
void sgh_cli_failed_stream(struct sgh_cli *cli, const char *stream, int error);
/* Only the exit code: one failure is its own, different ones are SGH_EXIT_FAILED. */
void sgh_cli_count_failure(struct sgh_cli *cli, enum sgh_exit code);

/* ---- several at a time: cli_run.c ---- */

typedef void sgh_work_fn(struct sgh_cli *cli, struct sgh_item *item);

/*
 * Call work() for each word, --jobs of them at a time, and print in the order of the
 * words. With `lines` a word "-" stands for the lines of standard input.
 */
void sgh_cli_run(struct sgh_cli *cli, char **words, size_t count, bool lines,
		 sgh_work_fn *work);
/* The same, one after another. */
void sgh_cli_run_one_by_one(struct sgh_cli *cli, char **words, size_t count, bool lines,
			    sgh_work_fn *work);

/* ---- patience: cli_retry.c ---- */

struct sgh_retry {
	int64_t until_ms;
	unsigned attempts;
};

void sgh_retry_begin(struct sgh_cli *cli, struct sgh_retry *retry);
/*
 * An attempt ended with `status`. True, after a while, when there is sense in another.
 * Whether that repeats anything is the caller's business.
 */
bool sgh_retry_again(struct sgh_cli *cli, struct sgh_retry *retry, const char *name,
		     int status, const struct sangraha_error *err,
		     const struct sangraha_rest_result *result);

/* ---- references ---- */

/*
 * The type and id of an item's word: "type/id", or the path or URL of the object. Tells
 * what is wrong and returns false.
 */
bool sgh_cli_reference(struct sgh_cli *cli, struct sgh_item *item,
		       char type[SANGRAHA_TYPE_SIZE], char id[SANGRAHA_ID_SIZE]);

#endif
