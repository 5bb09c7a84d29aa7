/* SPDX-License-Identifier: MIT */
#include "admin.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cli_text.h"
#include "distance.h"
#include "values.h"

#define NAME_SIZE 64

extern char **environ;

/* A command line on its way: what is a setting's goes to the reader of settings. */
struct reading {
	struct sgh_admin *admin;
	int argc;
	char **argv;
	char **settings;
	int setting_count;
	bool help;
};

/* ---- what failed ---- */

int sgh_admin_usage(const struct sgh_admin *admin, const char *format, ...)
{
	const char *name = admin->command->name;
	char message[512], *clean;
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	clean = sgh_text_clean(message);
	fprintf(stderr, "sangraha %s: %s; see sangraha %s --help\n", name,
		clean ? clean : "out of memory", name);
	free(clean);
	return SGH_EXIT_USAGE;
}

static void print_json(const char *subject, int code, const struct sangraha_error *err)
{
	fputs("{\"subject\":", stderr);
	sgh_text_json(stderr, subject ? subject : "");
	fprintf(stderr, ",\"code\":\"%s\",\"exit\":%d,\"error\":",
		sangraha_status_name(err->status), code);
	sgh_text_json(stderr, err->message);
	fputs("}\n", stderr);
}

int sgh_admin_failed(const struct sgh_admin *admin, const char *subject,
		     const struct sangraha_error *err)
{
	int code = (int)sgh_cli_exit_code(err->status);
	char *message = sgh_text_clean(err->message);
	char *about = sgh_text_clean(subject);

	if (admin->json)
		print_json(subject, code, err);
	else
		fprintf(stderr, "sangraha: %s%s%s\n", about ? about : "",
			about && *about ? ": " : "", message ? message : "out of memory");
	free(message);
	free(about);
	return code;
}

/* ---- the command line ---- */

static const struct sgh_admin_option *find_option(const struct sgh_admin_command *command,
						  const char *name, char letter,
						  size_t *ret_index)
{
	for (size_t i = 0; i < command->option_count; i++) {
		const struct sgh_admin_option *option = &command->options[i];

		if (name ? strcmp(option->row.name, name) != 0 : option->letter != letter)
			continue;
		*ret_index = i;
		return option;
	}
	return NULL;
}

static int set(struct sgh_admin *admin, size_t index, const char *origin,
	       const char *text, bool by_user, struct sangraha_error *err)
{
	const struct sgh_admin_option *option = &admin->command->options[index];
	struct sgh_admin_value value = { .set = by_user, .text = text };
	int status = sgh_value_parse(&option->row, origin, text, &value.number, err);

	if (status == 0)
		admin->values[index] = value;
	if (status == 0 && strcmp(option->row.name, "json") == 0)
		admin->json = value.number;
	return status;
}

static int fail_unknown(const struct sgh_admin_command *command, const char *name,
			struct sangraha_error *err)
{
	const char *closest = sgh_setting_closest(name, SGH_ADMIN);
	size_t least = closest ? sgh_distance(name, closest) : SGH_DISTANCE_FAR;

	for (size_t i = 0; i < command->option_count; i++) {
		size_t far = sgh_distance(name, command->options[i].row.name);

		if (far < least) {
			closest = command->options[i].row.name;
			least = far;
		}
	}
	if (closest)
		return sgh_config_fail(err, "--%s: there is no such option; is it --%s?",
				       name, closest);
	return sgh_config_fail(err, "--%s: there is no such option", name);
}

/* A flag of the daemons' goes on as it is, with its value. */
static int pass_on(struct reading *reading, const char *name, int *i,
		   struct sangraha_error *err)
{
	enum sgh_setting setting;
	bool from_file;

	setting = sgh_setting_find(name, &from_file);
	if (setting == SGH_SETTINGS || !(sgh_setting_row(setting)->roles & SGH_ADMIN))
		return fail_unknown(reading->admin->command, name, err);
	reading->settings[reading->setting_count++] = reading->argv[*i];
	if (!strchr(reading->argv[*i], '=') && *i + 1 < reading->argc)
		reading->settings[reading->setting_count++] = reading->argv[++*i];
	return 0;
}

static int read_long(struct reading *reading, int *i, struct sangraha_error *err)
{
	const char *name = reading->argv[*i] + 2;
	const char *equals = strchr(name, '='), *text = equals ? equals + 1 : NULL;
	const struct sgh_admin_option *option;
	char origin[NAME_SIZE];
	size_t index;

	snprintf(origin, sizeof(origin), "--%.*s", (int)strcspn(name, "="), name);
	option = find_option(reading->admin->command, origin + 2, 0, &index);
	if (!option)
		return pass_on(reading, origin + 2, i, err);
	if (!text && option->row.kind == SGH_SWITCH)
		text = "on";
	if (!text && *i + 1 < reading->argc)
		text = reading->argv[++*i];
	if (!text)
		return sgh_config_fail(err, "%s: its value is missing", origin);
	return set(reading->admin, index, origin, text, true, err);
}

/* "-x", "-xvalue", or "-x" with the value in the next argument; no letters together. */
static int read_short(struct reading *reading, int *i, struct sangraha_error *err)
{
	const char *at = reading->argv[*i] + 1, *text = at[1] ? at + 1 : NULL;
	char origin[] = { '-', *at, '\0' };
	const struct sgh_admin_option *option;
	size_t index;

	option = find_option(reading->admin->command, NULL, *at, &index);
	if (!option)
		return sgh_config_fail(err, "%s: there is no such option", origin);
	if (option->row.kind == SGH_SWITCH && text)
		return sgh_config_fail(err, "%s: takes no value", origin);
	if (option->row.kind == SGH_SWITCH)
		text = "on";
	if (!text && *i + 1 < reading->argc)
		text = reading->argv[++*i];
	if (!text)
		return sgh_config_fail(err, "%s: its value is missing", origin);
	return set(reading->admin, index, origin, text, true, err);
}

static int read_line(struct reading *reading, struct sangraha_error *err)
{
	struct sgh_admin *admin = reading->admin;
	bool ended = false;

	reading->settings[reading->setting_count++] = reading->argv[0];
	for (int i = 1; i < reading->argc; i++) {
		char *word = reading->argv[i];
		int status = 0;

		if (ended || word[0] != '-' || word[1] == '\0')
			admin->words[admin->word_count++] = word;
		else if (strcmp(word, "--") == 0)
			ended = true;
		else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
			reading->help = true;
		else if (word[1] == '-')
			status = read_long(reading, &i, err);
		else
			status = read_short(reading, &i, err);
		if (status || reading->help)
			return status;
	}
	return 0;
}

static int set_defaults(struct sgh_admin *admin, struct sangraha_error *err)
{
	const struct sgh_admin_command *command = admin->command;
	int status = 0;

	for (size_t i = 0; i < command->option_count && !status; i++)
		if (command->options[i].row.value && !admin->values[i].text)
			status = set(admin, i, command->options[i].row.name,
				     command->options[i].row.value, false, err);
	return status;
}

static bool is_default(const struct sgh_config *config, enum sgh_setting setting)
{
	return config->values[setting].source == SGH_FROM_DEFAULT;
}

/* A folder that is to be made is one that was mistyped: there is nothing in it. */
static int check_folder(const struct sgh_config *config, enum sgh_setting setting,
			const char *scheme, struct sangraha_error *err)
{
	const char *url = sgh_config_text(config, setting), *folder;

	if (strncmp(url, scheme, strlen(scheme)) != 0)
		return 0;
	folder = url + strlen(scheme);
	if (*folder == '\0')
		folder = sgh_config_text(config, SGH_SET_DATA_DIR);
	if (access(folder, F_OK) == 0)
		return 0;
	return sgh_config_fail(err, "%s: %s", folder, strerror(errno));
}

/* Whether the folder is meant: it was named, and this was not, or from where it counts less. */
static bool goes_before(const struct sgh_config *config, enum sgh_setting setting)
{
	enum sgh_source named = config->values[SGH_SET_DATA_DIR].source;

	return !is_default(config, SGH_SET_DATA_DIR) &&
	       (is_default(config, setting) || named < config->values[setting].source);
}

/* Who names a folder, and no broker or store, means what is in there. */
static int choose_folder(struct sgh_config *config, struct sangraha_error *err)
{
	int status = 0;

	if (goes_before(config, SGH_SET_QUEUE_URL))
		status = sgh_config_set(config, SGH_SET_QUEUE_URL, false, SGH_FROM_FLAG,
					"data-dir", "local:", err);
	if (!status && goes_before(config, SGH_SET_STORE_URL))
		status = sgh_config_set(config, SGH_SET_STORE_URL, false, SGH_FROM_FLAG,
					"data-dir", "file:", err);
	if (!status)
		status = check_folder(config, SGH_SET_QUEUE_URL, "local:", err);
	if (!status)
		status = check_folder(config, SGH_SET_STORE_URL, "file:", err);
	return status;
}

static int read_all(struct reading *reading, struct sangraha_error *err)
{
	struct sgh_config *config = &reading->admin->program.config;
	int status = read_line(reading, err);

	if (status || reading->help)
		return status;
	status = set_defaults(reading->admin, err);
	if (!status)
		status = sgh_config_load(config, SGH_ADMIN, reading->setting_count,
					 reading->settings, environ, err);
	return status ? status : choose_folder(config, err);
}

static void print_option(const struct sgh_admin_option *option)
{
	char left[NAME_SIZE], letter[] = "-x, ";

	letter[1] = option->letter;
	snprintf(left, sizeof(left), "%s--%s%s%s", option->letter ? letter : "    ",
		 option->row.name, option->value ? " " : "",
		 option->value ? option->value : "");
	printf("  %-26s %s", left, option->row.help);
	if (option->row.value)
		printf(" (%s)", option->row.value);
	putchar('\n');
}

static void print_help(const struct sgh_admin_command *command)
{
	printf("usage: sangraha %s [OPTION]... %s\n\n%s\n\n", command->name,
	       command->words, command->about);
	for (size_t i = 0; i < command->option_count; i++)
		print_option(&command->options[i]);
	printf("  -h, --help                 print this\n\n"
	       "And settings, as the daemons have them:\n\n");
	sgh_config_help_settings(SGH_ADMIN, stdout);
	printf("\nWith a --data-dir and without a --queue-url it is about the queue and "
	       "the store in\nthat folder, which `sangraha serve` must not be using.\n");
	sgh_config_help_forms(stdout);
}

bool sgh_admin_read(struct sgh_admin *admin, const struct sgh_admin_command *command,
		    int argc, char **argv, int *ret_code)
{
	struct reading reading = { .admin = admin, .argc = argc, .argv = argv };
	struct sangraha_error err = { 0 };
	int status;

	*admin = (struct sgh_admin){ .command = command };
	sgh_cli_streams();
	admin->words = calloc((size_t)argc + 1, sizeof(*admin->words));
	reading.settings = calloc((size_t)argc + 1, sizeof(*reading.settings));
	if (admin->words && reading.settings)
		status = read_all(&reading, &err);
	else
		status = sgh_config_fail(&err, "out of memory");
	free(reading.settings);
	*ret_code = SGH_EXIT_OK;
	if (status)
		*ret_code = sgh_admin_usage(admin, "%s", err.message);
	else if (reading.help)
		print_help(command);
	return !status && !reading.help;
}

/* ---- queue and store ---- */

static bool is_local(const char *url)
{
	return url && (strncmp(url, "local:", 6) == 0 || strncmp(url, "file:", 5) == 0);
}

bool sgh_admin_open(struct sgh_admin *admin, int *ret_code)
{
	struct sgh_program *program = &admin->program;
	struct sangraha_error err = { 0 };
	int status = sgh_program_open(program, admin->command->store, &err);

	if (status == 0)
		return true;
	/* There is nothing between the two to go on with: one process uses a folder. */
	if (status == SANGRAHA_E_UNAVAILABLE && is_local(program->queue_url))
		snprintf(err.message + strlen(err.message),
			 sizeof(err.message) - strlen(err.message),
			 "; stop it first, if it is `sangraha serve`");
	*ret_code = sgh_admin_failed(admin, NULL, &err);
	return false;
}

int sgh_admin_finish(struct sgh_admin *admin, int code)
{
	struct sangraha_error err = { .status = SANGRAHA_E_INTERNAL };

	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	/* Who reads no more, as `head` does, knows why. */
	if (errno != EPIPE) {
		snprintf(err.message, sizeof(err.message), "standard output: %s",
			 strerror(errno));
		sgh_admin_failed(admin, NULL, &err);
	}
	return code ? code : SGH_EXIT_LOCAL;
}

void sgh_admin_end(struct sgh_admin *admin)
{
	sgh_program_end(&admin->program);
	free(admin->words);
	admin->words = NULL;
}
