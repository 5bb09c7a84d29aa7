/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "values.h"

#define NAME_SIZE 64

int sgh_config_set(struct sgh_config *config, enum sgh_setting setting, bool from_file,
		   enum sgh_source source, const char *origin, const char *text,
		   struct sangraha_error *err)
{
	const struct sgh_setting_row *row = sgh_setting_row(setting);
	struct sgh_value *value = &config->values[setting];
	uint64_t number = 0;
	char *copy = NULL, *file = NULL;
	int status;

	if (value->source && value->source < source)
		return 0;
	if (value->source == source && value->from_file != from_file)
		return sgh_config_fail(err, "%s: %s and %s-file cannot both be given",
				       origin, row->name, row->name);
	if (from_file) {
		status = sgh_value_read_file(origin, text, &copy, err);
		if (status)
			return status;
		file = strdup(text);
	} else {
		copy = strdup(text);
	}
	if (!copy || (from_file && !file))
		status = sgh_config_fail(err, "%s: out of memory", origin);
	else
		status = sgh_value_parse(row, origin, copy, &number, err);
	if (status) {
		free(copy);
		free(file);
		return status;
	}
	free(value->text);
	free(value->file);
	*value = (struct sgh_value){ source, from_file, file, copy, number };
	return 0;
}

static int fail_unknown(enum sgh_role role, const char *name, struct sangraha_error *err)
{
	const char *closest = sgh_setting_closest(name, role);

	if (closest)
		return sgh_config_fail(err, "--%s: there is no such flag; is it --%s?",
				       name, closest);
	return sgh_config_fail(err, "--%s: there is no such flag; --help lists them",
			       name);
}

/* What is behind the "=" may be a secret that was given with one dash too few. */
static int fail_no_flag(const char *word, struct sangraha_error *err)
{
	size_t length = strcspn(word, "=");

	return sgh_config_fail(err, "'%.*s' is not a flag; flags begin with --",
			       length > 100 ? 100 : (int)length, word);
}

static int find_flag(enum sgh_role role, const char *name, enum sgh_setting *ret,
		     bool *ret_file, struct sangraha_error *err)
{
	*ret = sgh_setting_find(name, ret_file);
	if (*ret == SGH_SETTINGS)
		return fail_unknown(role, name, err);
	if (!(sgh_setting_row(*ret)->roles & role))
		return sgh_config_fail(err,
				       "--%s: %s has no such flag, other programs do",
				       name, sgh_role_program(role));
	return 0;
}

/*
 * The value of the flag argv[*i]: behind its "=", or the next argument. A switch needs
 * none, and takes the next argument only when it is a word for on or off.
 */
static const char *flag_value(const struct sgh_setting_row *row, const char *equals,
			      char **argv, int argc, int *i)
{
	const char *next = *i + 1 < argc ? argv[*i + 1] : NULL;

	if (equals)
		return equals + 1;
	if (row->kind == SGH_SWITCH && (!next || sgh_value_switch(next) < 0))
		return "on";
	if (!next || strncmp(next, "--", 2) == 0)
		return NULL;
	(*i)++;
	return next;
}

static int read_flag(struct sgh_config *config, int argc, char **argv, int *i,
		     struct sangraha_error *err)
{
	const char *name = argv[*i] + 2;
	const char *equals = strchr(name, '=');
	const char *value;
	char origin[NAME_SIZE];
	enum sgh_setting setting;
	bool from_file;
	int status;

	snprintf(origin, sizeof(origin), "--%.*s", (int)strcspn(name, "="), name);
	status = find_flag(config->role, origin + 2, &setting, &from_file, err);
	if (status)
		return status;
	value = flag_value(sgh_setting_row(setting), equals, argv, argc, i);
	if (!value)
		return sgh_config_fail(err, "%s: its value is missing", origin);
	return sgh_config_set(config, setting, from_file, SGH_FROM_FLAG, origin, value,
			      err);
}

static int read_flags(struct sgh_config *config, int argc, char **argv,
		      struct sangraha_error *err)
{
	for (int i = 1; i < argc; i++) {
		int status;

		config->help =
			strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
		config->version = strcmp(argv[i], "--version") == 0;
		if (config->help || config->version)
			return 0;
		if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0')
			return fail_no_flag(argv[i], err);
		status = read_flag(config, argc, argv, &i, err);
		if (status)
			return status;
	}
	return 0;
}

/* The setting's name for an environment variable; empty for one that cannot be ours. */
static void variable_to_name(const char *variable, char name[NAME_SIZE])
{
	static const char prefix[] = "SANGRAHA_";
	size_t length = strcspn(variable, "=");
	size_t used = 0;

	name[0] = '\0';
	if (strncmp(variable, prefix, strlen(prefix)) != 0 || length >= NAME_SIZE)
		return;
	for (size_t i = strlen(prefix); i < length; i++) {
		if (!isupper((unsigned char)variable[i]) && variable[i] != '_') {
			used = 0;
			break;
		}
		name[used++] = variable[i] == '_' ? '-' : (char)tolower(variable[i]);
	}
	name[used] = '\0';
}

/*
 * Variables of other roles and unknown ones are nobody's mistake: containers share their
 * environment. An empty one is not set, as compose files write it.
 */
static int read_environment(struct sgh_config *config, char **environment,
			    struct sangraha_error *err)
{
	for (; *environment; environment++) {
		char name[NAME_SIZE], origin[NAME_SIZE];
		enum sgh_setting setting;
		const char *value;
		bool from_file;
		int status;

		variable_to_name(*environment, name);
		setting = sgh_setting_find(name, &from_file);
		if (setting == SGH_SETTINGS ||
		    !(sgh_setting_row(setting)->roles & config->role))
			continue;
		value = strchr(*environment, '=');
		if (!value || value[1] == '\0')
			continue;
		snprintf(origin, sizeof(origin), "%.*s", (int)(value - *environment),
			 *environment);
		status = sgh_config_set(config, setting, from_file, SGH_FROM_ENVIRONMENT,
					origin, value + 1, err);
		if (status)
			return status;
	}
	return 0;
}

static int set_defaults(struct sgh_config *config, struct sangraha_error *err)
{
	for (int i = 0; i < SGH_SETTINGS; i++) {
		const struct sgh_setting_row *row = sgh_setting_row((enum sgh_setting)i);
		const char *text = sgh_setting_default((enum sgh_setting)i, config->role);
		int status;

		if (!text || config->values[i].source || !(row->roles & config->role))
			continue;
		status = sgh_config_set(config, (enum sgh_setting)i, false,
					SGH_FROM_DEFAULT, row->name, text, err);
		if (status)
			return status;
	}
	return 0;
}

/* A few messages of the largest size must fit into memory next to each other. */
static int check_limits(const struct sgh_config *config, struct sangraha_error *err)
{
	uint64_t inline_limit = sgh_config_number(config, SGH_SET_INLINE_LIMIT);
	uint64_t memory_limit = sgh_config_number(config, SGH_SET_MEMORY_LIMIT);

	if (inline_limit > memory_limit / 8)
		return sgh_config_fail(err,
				       "inline-limit: %" PRIu64
				       " bytes are over an eighth of "
				       "memory-limit, which is %" PRIu64 " bytes",
				       inline_limit, memory_limit);
	return 0;
}

int sgh_config_load(struct sgh_config *config, enum sgh_role role, int argc, char **argv,
		    char **environment, struct sangraha_error *err)
{
	const char *path;
	int status;

	memset(config, 0, sizeof(*config));
	config->role = role;
	status = read_flags(config, argc, argv, err);
	if (status || config->help || config->version)
		return status;
	status = read_environment(config, environment, err);
	if (status)
		return status;
	path = sgh_config_text(config, SGH_SET_CONFIG);
	if (path) {
		status = sgh_config_read_ini(config, path, err);
		if (status)
			return status;
	}
	status = set_defaults(config, err);
	if (status)
		return status;
	return check_limits(config, err);
}

void sgh_config_fini(struct sgh_config *config)
{
	for (int i = 0; i < SGH_SETTINGS; i++) {
		free(config->values[i].text);
		config->values[i].text = NULL;
		free(config->values[i].file);
		config->values[i].file = NULL;
	}
}

const char *sgh_config_text(const struct sgh_config *config, enum sgh_setting setting)
{
	return config->values[setting].text;
}

const char *sgh_config_file(const struct sgh_config *config, enum sgh_setting setting)
{
	return config->values[setting].file;
}

uint64_t sgh_config_number(const struct sgh_config *config, enum sgh_setting setting)
{
	return config->values[setting].number;
}
