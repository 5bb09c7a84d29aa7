/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

static const char *about(enum sgh_role role)
{
	switch (role) {
	case SGH_RECEIVER:
		return "Takes writes from object_write_queue, validates and stores them.";
	case SGH_GETTER:
		return "Answers reads from object_read_queue.";
	case SGH_ORCHESTRATOR:
		return "Serves the HTTP interface and puts requests on both queues.";
	case SGH_ADMIN:
		return "Administration, straight at queues and store.";
	case SGH_SERVE:
		break;
	}
	return "All roles in one process.";
}

static const char *placeholder(const struct sgh_setting_row *row)
{
	static const char *const words[] = {
		[SGH_TEXT] = "TEXT",     [SGH_URL] = "URL",    [SGH_CHOICE] = "",
		[SGH_TIME] = "TIME",     [SGH_BYTES] = "SIZE", [SGH_COUNT] = "N",
		[SGH_SWITCH] = "on|off",
	};

	return row->choices ? row->choices : words[row->kind];
}

static void print_setting(enum sgh_setting setting, enum sgh_role role, FILE *file)
{
	const struct sgh_setting_row *row = sgh_setting_row(setting);
	const char *value = sgh_setting_default(setting, role);

	fprintf(file, "  --%s %s", row->name, placeholder(row));
	if (row->secret)
		fprintf(file, ", --%s-file FILE", row->name);
	fprintf(file, "\n        %s", row->help);
	if (value)
		fprintf(file, " [%s]", value);
	fputc('\n', file);
}

void sgh_config_help_settings(enum sgh_role role, FILE *file)
{
	for (int i = 0; i < SGH_SETTINGS; i++) {
		if (sgh_setting_row((enum sgh_setting)i)->roles & role)
			print_setting((enum sgh_setting)i, role, file);
	}
}

void sgh_config_help_forms(FILE *file)
{
	fprintf(file,
		"Each setting is also the environment variable SANGRAHA_NAME and the "
		"line\n"
		"`name = value` of the INI file; flags win over environment over file.\n"
		"TIME is in seconds, or has ms, s, m or h behind it; SIZE in bytes, or "
		"with\n"
		"K, M, G or T (of 1024). A secret given as a flag is seen by everybody "
		"who "
		"runs\n"
		"`ps`: give the --NAME-file instead.\n");
}

void sgh_config_help(enum sgh_role role, FILE *file)
{
	fprintf(file, "usage: %s [--NAME VALUE | --NAME=VALUE]...\n\n%s\n\n",
		sgh_role_program(role), about(role));
	sgh_config_help_settings(role, file);
	fprintf(file, "\n  --help      print this\n"
		      "  --version   print the version\n\n");
	sgh_config_help_forms(file);
}
