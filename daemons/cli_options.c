/* SPDX-License-Identifier: MIT */
#include "cli_options.h"

#include <stdlib.h>
#include <string.h>

#include "distance.h"
#include "values.h"

#define DAY (UINT64_C(86400) * 1000)

#define ALL (SGH_CLI_PUT | SGH_CLI_GET | SGH_CLI_STAT | SGH_CLI_LS | SGH_CLI_RM)

struct option {
	struct sgh_setting_row row; /* `roles` are commands; a switch takes no value */
	char letter;
	const char *value;    /* what --help calls its value */
	const char *variable; /* of the environment */
};

/* clang-format off */
static const struct option options[SGH_OPTIONS] = {
	[SGH_OPT_TYPE] = { { "type", SGH_TEXT, SGH_CLI_PUT | SGH_CLI_LS,
		.help = "type of object: json, image or pdf" }, 't', "TYPE" },
	[SGH_OPT_CONTENT_TYPE] = { { "content-type", SGH_TEXT, SGH_CLI_PUT,
		.help = "declare a media type; others are refused" }, 'c', "TYPE" },
	[SGH_OPT_FILENAME] = { { "filename", SGH_TEXT, SGH_CLI_PUT,
		.help = "name to keep with the object" }, 'n', "NAME" },
	[SGH_OPT_META] = { { "meta", SGH_TEXT, SGH_CLI_PUT,
		.help = "metadata to keep; may be repeated" }, 'm', "NAME=VALUE" },
	[SGH_OPT_IDEMPOTENCY_KEY] = { { "idempotency-key", SGH_TEXT, SGH_CLI_PUT,
		.help = "repeats with one key are one object" }, 'k', "KEY" },
	[SGH_OPT_OUTPUT] = { { "output", SGH_TEXT, SGH_CLI_GET,
		.help = "file or folder; - is standard output" }, 'o', "PATH" },
	[SGH_OPT_FORCE] = { { "force", SGH_SWITCH, SGH_CLI_GET,
		.help = "overwrite files that exist" }, 'f' },
	[SGH_OPT_RANGE] = { { "range", SGH_TEXT, SGH_CLI_GET,
		.help = "only these bytes, counted from 0" }, 'r', "FIRST-LAST" },
	[SGH_OPT_LIMIT] = { { "limit", SGH_COUNT, SGH_CLI_LS, .min = 1, .max = UINT32_MAX,
		.help = "list so many at most" }, 'n', "COUNT" },
	[SGH_OPT_IGNORE_MISSING] = { { "ignore-missing", SGH_SWITCH, SGH_CLI_RM,
		.help = "what is not there was deleted well" }, 'f' },
	[SGH_OPT_JOBS] = { { "jobs", SGH_COUNT, ALL & ~SGH_CLI_LS, .value = "4", .min = 1, .max = 64,
		.help = "do so many at a time" }, 'j', "COUNT" },
	[SGH_OPT_JSON] = { { "json", SGH_SWITCH, ALL,
		.help = "print JSON, one object a line, errors too" } },
	[SGH_OPT_QUIET] = { { "quiet", SGH_SWITCH, SGH_CLI_PUT | SGH_CLI_GET | SGH_CLI_LS,
		.help = "print references at most; no progress" }, 'q' },
	[SGH_OPT_VERBOSE] = { { "verbose", SGH_SWITCH, SGH_CLI_RM,
		.help = "print the reference of what was deleted" }, 'v' },
	[SGH_OPT_NO_PROGRESS] = { { "no-progress", SGH_SWITCH, SGH_CLI_PUT | SGH_CLI_GET,
		.help = "show no progress on the terminal" } },
	[SGH_OPT_URL] = { { "url", SGH_TEXT, ALL, .value = "http://127.0.0.1:8080",
		.help = "the server" }, 'u', "URL", "SANGRAHA_URL" },
	[SGH_OPT_API_TOKEN] = { { "api-token", SGH_TEXT, ALL, .secret = true,
		.help = "token to send; everybody sees it in `ps`" },
		.value = "TEXT", .variable = "SANGRAHA_API_TOKEN" },
	[SGH_OPT_CA_FILE] = { { "ca-file", SGH_TEXT, ALL,
		.help = "certificates (PEM) to check it by" },
		.value = "FILE", .variable = "SANGRAHA_CA_FILE" },
	[SGH_OPT_TIMEOUT] = { { "timeout", SGH_TIME, ALL, .value = "60", .max = DAY,
		.help = "wait and retry so long; 0: try once" },
		.value = "TIME", .variable = "SANGRAHA_TIMEOUT" },
};
/* clang-format on */

static const struct about {
	enum sgh_cli_command command;
	const char *name;
	const char *words;
	const char *text;
} abouts[] = {
	{ SGH_CLI_PUT, "put", "FILE...",
	  "Store files; - is standard input. Prints the reference of each new object." },
	{ SGH_CLI_GET, "get", "REFERENCE...",
	  "Fetch objects into files of their own names, and print these." },
	{ SGH_CLI_STAT, "stat", "REFERENCE...", "Tell what is known about objects." },
	{ SGH_CLI_LS, "ls", "[PATTERN...]",
	  "List objects, or those whose file name matches a pattern such as '*.png'." },
	{ SGH_CLI_RM, "rm", "REFERENCE...", "Delete objects for good." },
};

static const struct about *about(enum sgh_cli_command command)
{
	const struct about *found = abouts;

	while (found->command != command)
		found++;
	return found;
}

const char *sgh_cli_command_name(enum sgh_cli_command command)
{
	return about(command)->name;
}

static bool is_switch(enum sgh_option option)
{
	return options[option].row.kind == SGH_SWITCH;
}

/* *ret_file tells that it was the -file variant of a secret. */
static enum sgh_option find_long(enum sgh_cli_command command, const char *name,
				 bool *ret_file)
{
	for (int i = 0; i < SGH_OPTIONS; i++) {
		const struct sgh_setting_row *row = &options[i].row;
		size_t length = strlen(row->name);

		if (!(row->roles & command) || strncmp(name, row->name, length) != 0)
			continue;
		*ret_file = row->secret && strcmp(name + length, "-file") == 0;
		if (*ret_file || name[length] == '\0')
			return (enum sgh_option)i;
	}
	return SGH_OPTIONS;
}

static enum sgh_option find_short(enum sgh_cli_command command, char letter)
{
	for (int i = 0; i < SGH_OPTIONS; i++) {
		if (options[i].row.roles & command && options[i].letter == letter)
			return (enum sgh_option)i;
	}
	return SGH_OPTIONS;
}

static int fail_unknown(enum sgh_cli_command command, const char *name,
			struct sangraha_error *err)
{
	const char *closest = NULL;
	size_t least = SGH_DISTANCE_FAR;

	for (int i = 0; i < SGH_OPTIONS; i++) {
		size_t far = sgh_distance(name, options[i].row.name);

		if (options[i].row.roles & command && far < least) {
			least = far;
			closest = options[i].row.name;
		}
	}
	if (closest)
		return sgh_config_fail(err, "--%s: there is no such option; is it --%s?",
				       name, closest);
	return sgh_config_fail(err, "--%s: there is no such option", name);
}

static int add_meta(struct sgh_arguments *arguments, const char *origin, const char *text,
		    struct sangraha_error *err)
{
	const char **more;

	if (!strchr(text, '=') || text[0] == '=')
		return sgh_config_fail(err, "%s: '%s' is not NAME=VALUE", origin, text);
	more = reallocarray(arguments->metas, arguments->meta_count + 1, sizeof(*more));
	if (!more)
		return sgh_config_fail(err, "%s: out of memory", origin);
	arguments->metas = more;
	arguments->metas[arguments->meta_count++] = text;
	return 0;
}

static int set_value(struct sgh_arguments *arguments, enum sgh_option option,
		     bool from_flag, bool from_file, const char *origin, const char *text,
		     struct sangraha_error *err)
{
	struct sgh_option_value *value = &arguments->values[option];
	char *owned = NULL;
	uint64_t number = 0;
	int status;

	if (value->set && value->from_flag && !from_flag)
		return 0;
	if (value->set && value->from_flag == from_flag && from_file != !!value->owned)
		return sgh_config_fail(err, "%s: %s and %s-file cannot both be given",
				       origin, options[option].row.name,
				       options[option].row.name);
	if (from_file) {
		status = sgh_value_read_file(origin, text, &owned, err);
		if (status)
			return status;
		text = owned;
	}
	status = sgh_value_parse(&options[option].row, origin, text, &number, err);
	if (status == 0 && option == SGH_OPT_META)
		status = add_meta(arguments, origin, text, err);
	if (status) {
		free(owned);
		return status;
	}
	free(value->owned);
	*value = (struct sgh_option_value){ true, from_flag, text, owned, number };
	return 0;
}

/* argv[*i] is "--name" or "--name=value"; the value may be the next argument. */
static int read_long(struct sgh_arguments *arguments, int argc, char **argv, int *i,
		     struct sangraha_error *err)
{
	const char *name = argv[*i] + 2;
	const char *equals = strchr(name, '=');
	const char *text = equals ? equals + 1 : NULL;
	char origin[64];
	bool from_file = false;
	enum sgh_option option;

	snprintf(origin, sizeof(origin), "--%.*s", (int)strcspn(name, "="), name);
	option = find_long(arguments->command, origin + 2, &from_file);
	if (option == SGH_OPTIONS)
		return fail_unknown(arguments->command, origin + 2, err);
	if (!text && is_switch(option))
		text = "on";
	if (!text && *i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0)
		text = argv[++*i];
	if (!text)
		return sgh_config_fail(err, "%s: its value is missing", origin);
	return set_value(arguments, option, true, from_file, origin, text, err);
}

/* argv[*i] is "-qv", "-ofile", or "-o" with the value in the next argument. */
static int read_short(struct sgh_arguments *arguments, int argc, char **argv, int *i,
		      struct sangraha_error *err)
{
	for (const char *at = argv[*i] + 1; *at; at++) {
		enum sgh_option option = find_short(arguments->command, *at);
		char origin[] = { '-', *at, '\0' };
		const char *text = "on";
		int status;

		if (*at == 'h') {
			arguments->help = true;
			return 0;
		}
		if (option == SGH_OPTIONS)
			return sgh_config_fail(err, "%s: there is no such option",
					       origin);
		if (!is_switch(option))
			text = at[1] ? at + 1 : *i + 1 < argc ? argv[++*i] : NULL;
		if (!text)
			return sgh_config_fail(err, "%s: its value is missing", origin);
		status = set_value(arguments, option, true, false, origin, text, err);
		if (status || !is_switch(option))
			return status;
	}
	return 0;
}

static int read_line(struct sgh_arguments *arguments, int argc, char **argv,
		     struct sangraha_error *err)
{
	bool ended = false;

	for (int i = 1; i < argc && !arguments->help; i++) {
		int status = 0;

		if (ended || argv[i][0] != '-' || argv[i][1] == '\0')
			arguments->words[arguments->word_count++] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			ended = true;
		else if (strcmp(argv[i], "--help") == 0)
			arguments->help = true;
		else if (argv[i][1] == '-')
			status = read_long(arguments, argc, argv, &i, err);
		else
			status = read_short(arguments, argc, argv, &i, err);
		if (status)
			return status;
	}
	return 0;
}

/* The value of "NAME`suffix`"; NULL when it is not there, or empty. */
static const char *variable(char **environment, const char *name, const char *suffix)
{
	size_t length = strlen(name), more = strlen(suffix);

	for (; *environment; environment++) {
		const char *at = *environment;

		if (strncmp(at, name, length) == 0 &&
		    strncmp(at + length, suffix, more) == 0 && at[length + more] == '=')
			return at[length + more + 1] ? at + length + more + 1 : NULL;
	}
	return NULL;
}

static int read_variables(struct sgh_arguments *arguments, char **environment,
			  struct sangraha_error *err)
{
	for (int i = 0; i < SGH_OPTIONS; i++) {
		const struct option *option = &options[i];

		if (!option->variable || arguments->values[i].set)
			continue;
		for (int file = 0; file <= option->row.secret; file++) {
			const char *suffix = file ? "_FILE" : "";
			const char *text =
				variable(environment, option->variable, suffix);
			char origin[64];
			int status;

			if (!text)
				continue;
			snprintf(origin, sizeof(origin), "%s%s", option->variable,
				 suffix);
			status = set_value(arguments, (enum sgh_option)i, false, file,
					   origin, text, err);
			if (status)
				return status;
		}
	}
	return 0;
}

static int set_defaults(struct sgh_arguments *arguments, struct sangraha_error *err)
{
	for (int i = 0; i < SGH_OPTIONS; i++) {
		const struct sgh_setting_row *row = &options[i].row;
		int status;

		if (!row->value || arguments->values[i].set)
			continue;
		status = set_value(arguments, (enum sgh_option)i, false, false, row->name,
				   row->value, err);
		if (status)
			return status;
	}
	return 0;
}

int sgh_arguments_read(struct sgh_arguments *arguments, enum sgh_cli_command command,
		       int argc, char **argv, char **environment,
		       struct sangraha_error *err)
{
	int status;

	memset(arguments, 0, sizeof(*arguments));
	arguments->command = command;
	arguments->words = calloc((size_t)argc + 1, sizeof(*arguments->words));
	if (!arguments->words)
		return sgh_config_fail(err, "out of memory");
	status = read_line(arguments, argc, argv, err);
	if (status || arguments->help)
		return status;
	status = read_variables(arguments, environment, err);
	return status ? status : set_defaults(arguments, err);
}

void sgh_arguments_fini(struct sgh_arguments *arguments)
{
	for (int i = 0; i < SGH_OPTIONS; i++) {
		free(arguments->values[i].owned);
		arguments->values[i].owned = NULL;
	}
	free(arguments->words);
	free(arguments->metas);
	arguments->words = NULL;
	arguments->metas = NULL;
}

const char *sgh_arguments_text(const struct sgh_arguments *arguments,
			       enum sgh_option option)
{
	return arguments->values[option].text;
}

uint64_t sgh_arguments_number(const struct sgh_arguments *arguments,
			      enum sgh_option option)
{
	return arguments->values[option].number;
}

static void print_option(const struct option *option, const char *suffix,
			 const char *value, const char *help, FILE *file)
{
	char left[64];
	char letter[] = "-x, ";

	letter[1] = option->letter;
	snprintf(left, sizeof(left), "%s--%s%s%s%s",
		 option->letter && !*suffix ? letter : "    ", option->row.name, suffix,
		 value ? " " : "", value ? value : "");
	fprintf(file, "  %-30s %s%s", left,
		strlen(left) > 30 ? "\n                                 " : "", help);
	if (option->row.value)
		fprintf(file, " (%s)", option->row.value);
	fputc('\n', file);
}

void sgh_arguments_help(enum sgh_cli_command command, FILE *file)
{
	const struct about *what = about(command);

	fprintf(file, "usage: sangraha %s [OPTION]... %s\n\n%s\n\n", what->name,
		what->words, what->text);
	for (int i = 0; i < SGH_OPTIONS; i++) {
		const struct option *option = &options[i];

		if (!(option->row.roles & command))
			continue;
		print_option(option, "", option->value, option->row.help, file);
		if (option->row.secret)
			print_option(option, "-file", "FILE", "file that holds it", file);
	}
	fprintf(file, "  -h, --help                     print this\n\n");
	if (command != SGH_CLI_PUT && command != SGH_CLI_LS)
		fprintf(file, "A REFERENCE is type/id, as put and ls print it; - reads "
			      "them from\nstandard input.\n");
	fprintf(file, "--url, --api-token, --api-token-file, --ca-file and --timeout are "
		      "also the\nenvironment variables SANGRAHA_URL, "
		      "SANGRAHA_API_TOKEN, ... See sangraha(1).\n");
}
