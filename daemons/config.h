/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_CONFIG_H
#define SGH_DAEMONS_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include <sangraha/error.h>

#include "settings.h"

/* Where a value came from; the strongest first. */
enum sgh_source {
	SGH_FROM_FLAG = 1,
	SGH_FROM_ENVIRONMENT,
	SGH_FROM_FILE,
	SGH_FROM_DEFAULT,
};

struct sgh_value {
	enum sgh_source source; /* 0: not set and without a default */
	bool from_file;         /* by the -file variant of a secret */
	char *file;             /* that a secret was read from */
	char *text;
	uint64_t number; /* milliseconds, bytes, a count, 0 or 1 */
};

/* All settings of one program, checked. */
struct sgh_config {
	enum sgh_role role;
	bool help; /* --help or --version was asked for, the rest was not looked at */
	bool version;
	struct sgh_value values[SGH_SETTINGS];
};

/*
 * Read flags, environment ("NAME=value" strings, NULL-terminated) and INI file.
 * SANGRAHA_E_INVALID with a sentence that begins with where the mistake is. Call
 * sgh_config_fini() in any case.
 */
int sgh_config_load(struct sgh_config *config, enum sgh_role role, int argc, char **argv,
		    char **environment, struct sangraha_error *err);
void sgh_config_fini(struct sgh_config *config);

/* NULL when not set. */
const char *sgh_config_text(const struct sgh_config *config, enum sgh_setting setting);
/* 0 when not set. */
uint64_t sgh_config_number(const struct sgh_config *config, enum sgh_setting setting);
/* The file that a secret was read from; NULL when it was not. */
const char *sgh_config_file(const struct sgh_config *config, enum sgh_setting setting);

/* What --help prints, made from the table. */
void sgh_config_help(enum sgh_role role, FILE *file);
/* Parts of it: the settings of a role, and the ways to set them. */
void sgh_config_help_settings(enum sgh_role role, FILE *file);
void sgh_config_help_forms(FILE *file);

/*
 * For the reader of INI files (ini.c): take one value. Ignored where a stronger source
 * has spoken.
 */
int sgh_config_set(struct sgh_config *config, enum sgh_setting setting, bool from_file,
		   enum sgh_source source, const char *origin, const char *text,
		   struct sangraha_error *err);

/* Read `path`; in ini.c, the only file that knows inih. */
int sgh_config_read_ini(struct sgh_config *config, const char *path,
			struct sangraha_error *err);

#endif
