/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_CLI_OPTIONS_H
#define SGH_DAEMONS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <sangraha/error.h>

#include "settings.h"

/*
 * The one table of what put, get, stat, ls and rm take. Parsing, --help and the
 * environment are all made from it.
 */
enum sgh_cli_command {
	SGH_CLI_PUT = 1,
	SGH_CLI_GET = 2,
	SGH_CLI_STAT = 4,
	SGH_CLI_LS = 8,
	SGH_CLI_RM = 16,
};

enum sgh_option {
	SGH_OPT_TYPE,
	SGH_OPT_CONTENT_TYPE,
	SGH_OPT_FILENAME,
	SGH_OPT_META,
	SGH_OPT_IDEMPOTENCY_KEY,
	SGH_OPT_OUTPUT,
	SGH_OPT_FORCE,
	SGH_OPT_RANGE,
	SGH_OPT_LIMIT,
	SGH_OPT_IGNORE_MISSING,
	SGH_OPT_JOBS,
	SGH_OPT_JSON,
	SGH_OPT_QUIET,
	SGH_OPT_VERBOSE,
	SGH_OPT_NO_PROGRESS,
	SGH_OPT_URL,
	SGH_OPT_API_TOKEN,
	SGH_OPT_CA_FILE,
	SGH_OPT_TIMEOUT,
	SGH_OPTIONS
};

/* One option as it was given; `text` is borrowed from the command line or `owned`. */
struct sgh_option_value {
	bool set;
	bool from_flag;
	const char *text;
	char *owned;
	uint64_t number;
};

/* A command line, taken apart. */
struct sgh_arguments {
	enum sgh_cli_command command;
	bool help;
	struct sgh_option_value values[SGH_OPTIONS];
	char **words; /* what is no option, in order; borrowed from argv */
	size_t word_count;
	const char **metas; /* each --meta, in order */
	size_t meta_count;
};

/*
 * Take argv (argv[0] is the command's name) and the environment ("NAME=value",
 * NULL-terminated) apart. SANGRAHA_E_INVALID with a sentence that begins with where the
 * mistake is. Call sgh_arguments_fini() in any case.
 */
int sgh_arguments_read(struct sgh_arguments *arguments, enum sgh_cli_command command,
		       int argc, char **argv, char **environment,
		       struct sangraha_error *err);
void sgh_arguments_fini(struct sgh_arguments *arguments);

/* NULL when not set. */
const char *sgh_arguments_text(const struct sgh_arguments *arguments,
			       enum sgh_option option);
/* 0 when not set. */
uint64_t sgh_arguments_number(const struct sgh_arguments *arguments,
			      enum sgh_option option);

/* "put", … */
const char *sgh_cli_command_name(enum sgh_cli_command command);
/* What --help prints. */
void sgh_arguments_help(enum sgh_cli_command command, FILE *file);

#endif
