/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "values.h"

#define LINE_SIZE 8192

/*
 * One pass over an INI file. inih tells its handler no line numbers, splits lines that
 * are longer than its buffer into two without a word, and joins indented lines to the
 * value before them. Lines are therefore read here: counted, measured, and handed on
 * without what they are indented by.
 */
struct pass {
	struct sgh_config *config;
	const char *path;
	FILE *file;
	int line;
	int status;
	struct sangraha_error *err;
};

static void fail_at(struct pass *pass, const char *what)
{
	pass->status =
		sgh_config_fail(pass->err, "%s:%d: %s", pass->path, pass->line, what);
}

static void fail_unknown(struct pass *pass, const char *name)
{
	const char *closest = sgh_setting_closest(name, pass->config->role);

	pass->status =
		sgh_config_fail(pass->err, "%s:%d: %s: there is no such setting%s%s%s",
				pass->path, pass->line, name, closest ? "; is it " : "",
				closest ? closest : "", closest ? "?" : "");
}

static char *read_line(char *line, int size, void *arg)
{
	struct pass *pass = arg;
	size_t length;

	if (pass->status || !fgets(line, size, pass->file))
		return NULL;
	pass->line++;
	length = strlen(line);
	if (length + 1 == (size_t)size && line[length - 1] != '\n' && !feof(pass->file)) {
		fail_at(pass, "this line is too long");
		return NULL;
	}
	memmove(line, line + strspn(line, " \t"), length + 1 - strspn(line, " \t"));
	return line;
}

/* A section of another role's name is that role's; all other names are decoration. */
static bool is_others(const struct pass *pass, const char *section)
{
	static const enum sgh_role roles[] = { SGH_RECEIVER, SGH_GETTER, SGH_ORCHESTRATOR,
					       SGH_SERVE };

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(section, sgh_role_name(roles[i])) == 0)
			return roles[i] != pass->config->role;
	}
	return false;
}

static int take(void *arg, const char *section, const char *name, const char *value)
{
	struct pass *pass = arg;
	char origin[512];
	bool from_file;
	enum sgh_setting setting = sgh_setting_find(name, &from_file);

	if (pass->status || is_others(pass, section))
		return 1;
	if (setting == SGH_SETTINGS || setting == SGH_SET_CONFIG) {
		fail_unknown(pass, name);
		return 0;
	}
	if (!(sgh_setting_row(setting)->roles & pass->config->role))
		return 1;
	snprintf(origin, sizeof(origin), "%s:%d: %s", pass->path, pass->line, name);
	pass->status = sgh_config_set(pass->config, setting, from_file, SGH_FROM_FILE,
				      origin, value, pass->err);
	return pass->status == 0;
}

int sgh_config_read_ini(struct sgh_config *config, const char *path,
			struct sangraha_error *err)
{
	struct pass pass = { .config = config, .path = path, .err = err };
	int result;

	pass.file = fopen(path, "re");
	if (!pass.file)
		return sgh_config_fail(err, "%s: %s", path, strerror(errno));
#ifdef SGH_INI_AT_RUN_TIME
	ini_use_stack = false;
	ini_max_line = LINE_SIZE;
	ini_initial_alloc = LINE_SIZE;
	ini_stop_on_first_error = true;
#endif
	result = ini_parse_stream(read_line, &pass, take, &pass);
	if (pass.status == 0 && ferror(pass.file))
		pass.status = sgh_config_fail(err, "%s: %s", path, strerror(errno));
	else if (pass.status == 0 && result < 0)
		pass.status = sgh_config_fail(err, "%s: out of memory", path);
	else if (pass.status == 0 && result > 0)
		pass.status = sgh_config_fail(
			err, "%s:%d: neither a [section] nor name = value", path, result);
	fclose(pass.file);
	return pass.status;
}
