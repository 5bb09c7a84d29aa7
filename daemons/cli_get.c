/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_output.h"
#include "cli_text.h"
#include "commands.h"

/* One object on its way. */
struct get {
	struct sgh_cli *cli;
	struct sgh_item *item;
	char type[SANGRAHA_TYPE_SIZE];
	char id[SANGRAHA_ID_SIZE];
	struct sgh_output output;
	struct sgh_transfer transfer;
	char *shown; /* the path, for people */
	char *path;  /* where it goes; NULL: standard output, or not known yet */
	bool opened; /* the output, successfully or not */
	int error;   /* errno of it */
	bool begun;  /* a byte was written */
	bool chosen; /* the name of the file was, by us */
	struct sangraha_rest_result *result;
	struct sangraha_error err;
};

static bool is_folder(const char *path)
{
	struct stat info;
	size_t length = strlen(path);

	return path[length - 1] == '/' ||
	       (stat(path, &info) == 0 && S_ISDIR(info.st_mode));
}

static bool goes_to_stdout(const struct sgh_cli *cli)
{
	const char *output = sgh_arguments_text(&cli->arguments, SGH_OPT_OUTPUT);

	return output && strcmp(output, "-") == 0;
}

/* Where an object with this header goes. */
static char *choose_path(struct get *get, const struct sangraha_rest_result *header)
{
	const char *output = sgh_arguments_text(&get->cli->arguments, SGH_OPT_OUTPUT);
	char name[SGH_NAME_SIZE];
	const char *slash;

	if (output && !is_folder(output))
		return strdup(output);
	get->chosen = true;
	sgh_output_name(name, sangraha_rest_result_filename(header), get->id,
			sangraha_rest_result_content_type(header));
	if (!output)
		return strdup(name);
	slash = output[strlen(output) - 1] == '/' ? "" : "/";
	return sgh_cli_text("%s%s%s", output, slash, name);
}

static void open_output(struct get *get, const struct sangraha_rest_result *header)
{
	const struct sgh_arguments *arguments = &get->cli->arguments;
	bool force = sgh_arguments_number(arguments, SGH_OPT_FORCE);

	get->opened = true;
	if (goes_to_stdout(get->cli)) {
		sgh_output_descriptor(&get->output, STDOUT_FILENO);
		return;
	}
	get->path = choose_path(get, header);
	get->shown = get->path ? sgh_text_clean(get->path) : NULL;
	get->error =
		get->path ? sgh_output_open(&get->output, get->path, !get->chosen, force)
			  : ENOMEM;
}

static void begin(void *arg, const struct sangraha_rest_result *header)
{
	struct get *get = arg;

	atomic_store(&get->cli->answered, true);
	get->transfer.total = sangraha_rest_result_size(header);
	if (sgh_arguments_text(&get->cli->arguments, SGH_OPT_RANGE))
		get->transfer.total = -1;
	if (get->opened)
		return;
	open_output(get, header);
	if (get->shown)
		get->transfer.name = get->shown;
}

static int take(void *arg, const void *data, size_t length)
{
	struct get *get = arg;

	if (!get->error)
		get->error = sgh_output_write(&get->output, data, length);
	if (get->error)
		return SANGRAHA_E_INVALID;
	get->begun = true;
	sgh_screen_moved(&get->cli->screen, &get->transfer, length);
	return 0;
}

static int fetch_once(struct get *get)
{
	const char *range = sgh_arguments_text(&get->cli->arguments, SGH_OPT_RANGE);
	struct sangraha_rest_get options = { .size = sizeof(options), .begin = begin };
	unsigned long long offset, length;

	if (range && sgh_output_range(range, &offset, &length)) {
		options.offset = offset;
		options.length = length;
	}
	return sangraha_rest_client_get(get->cli->client, get->type, get->id, &options,
					take, get, &get->result, &get->err);
}

/* Bytes that went down a pipe cannot be taken back. */
static bool can_repeat(struct get *get)
{
	return !get->error && (!get->begun || sgh_output_again(&get->output) == 0);
}

static int fetch(struct get *get)
{
	struct sgh_cli *cli = get->cli;
	struct sgh_retry retry;
	int status;

	sgh_screen_begin(&cli->screen, &get->transfer, get->item->name, -1);
	sgh_retry_begin(cli, &retry);
	while ((status = fetch_once(get)) != 0 && can_repeat(get) &&
	       sgh_retry_again(cli, &retry, get->item->name, status, &get->err,
			       get->result)) {
		sangraha_rest_result_free(get->result);
		get->result = NULL;
		get->begun = false;
		sgh_screen_again(&cli->screen, &get->transfer);
	}
	sgh_screen_end(&cli->screen, &get->transfer);
	/* An empty answer has had no first byte. */
	if (status == 0 && !get->opened)
		open_output(get, get->result);
	if (status == 0 && !get->error)
		get->error = sgh_output_finish(&get->output);
	return status;
}

static void fail_output(struct get *get)
{
	const char *path = get->path ? get->path : "standard output";

	if (get->error == EPIPE && !get->path)
		sgh_cli_count_failure(get->cli, SGH_EXIT_LOCAL);
	else if (get->error == EEXIST)
		sgh_cli_failed_here(get->cli, get->item, SGH_EXIT_LOCAL,
				    "%s exists; --force overwrites it", path);
	else
		sgh_cli_failed_here(get->cli, get->item, SGH_EXIT_LOCAL, "%s: %s", path,
				    strerror(get->error));
}

static void print_json(struct get *get)
{
	FILE *out = get->item->out;
	int64_t size = sangraha_rest_result_size(get->result);

	fprintf(out, "{\"reference\":\"%s/%s\",\"file\":", get->type, get->id);
	sgh_text_json(out, get->path);
	if (sangraha_rest_result_content_type(get->result)) {
		fputs(",\"content_type\":", out);
		sgh_text_json(out, sangraha_rest_result_content_type(get->result));
	}
	if (size >= 0)
		fprintf(out, ",\"size\":%" PRId64, size);
	fputs("}\n", out);
}

/* Names that were asked for are known; those that were chosen are worth telling. */
static void print_done(struct get *get)
{
	char reference[SANGRAHA_REFERENCE_SIZE];

	if (!get->path || get->cli->quiet)
		return;
	if (get->cli->json) {
		print_json(get);
	} else if (get->chosen && get->shown && get->item->tell_name) {
		snprintf(reference, sizeof(reference), "%s/%s", get->type, get->id);
		sgh_cli_print_pair(get->cli, get->item, reference, get->shown);
	} else if (get->chosen && get->shown) {
		fprintf(get->item->out, "%s\n", get->shown);
	}
}

static void get_one(struct sgh_cli *cli, struct sgh_item *item)
{
	struct get *get = calloc(1, sizeof(*get));
	int status;

	if (!get) {
		sgh_cli_failed_here(cli, item, SGH_EXIT_FAILED, "out of memory");
		return;
	}
	get->cli = cli;
	get->item = item;
	sgh_output_descriptor(&get->output, -1);
	if (sgh_cli_reference(cli, item, get->type, get->id)) {
		status = fetch(get);
		if (get->error)
			fail_output(get);
		else if (status)
			sgh_cli_failed(cli, item, &get->err, get->result);
		else
			print_done(get);
	}
	sgh_output_fini(&get->output);
	sangraha_rest_result_free(get->result);
	free(get->shown);
	free(get->path);
	free(get);
}

static int check(const struct sgh_arguments *arguments)
{
	const char *output = sgh_arguments_text(arguments, SGH_OPT_OUTPUT);
	const char *range = sgh_arguments_text(arguments, SGH_OPT_RANGE);
	bool several =
		arguments->word_count > 1 ||
		(arguments->word_count == 1 && strcmp(arguments->words[0], "-") == 0);
	unsigned long long offset, length;

	if (arguments->word_count == 0)
		return sgh_cli_usage(SGH_CLI_GET, "no references");
	if (range && !sgh_output_range(range, &offset, &length))
		return sgh_cli_usage(SGH_CLI_GET, "--range: '%s' is not FIRST-LAST",
				     range);
	if (several && output && strcmp(output, "-") != 0 && !is_folder(output))
		return sgh_cli_usage(SGH_CLI_GET,
				     "several objects do not fit one file, and there is "
				     "no folder %s",
				     output);
	return SGH_EXIT_OK;
}

static int get_all(struct sgh_cli *cli)
{
	char **words = cli->arguments.words;
	size_t count = cli->arguments.word_count;
	int code = check(&cli->arguments);

	if (code)
		return code;
	if (goes_to_stdout(cli))
		sgh_cli_run_one_by_one(cli, words, count, true, get_one);
	else
		sgh_cli_run(cli, words, count, true, get_one);
	return SGH_EXIT_OK;
}

int sgh_command_get(int argc, char **argv)
{
	return sgh_cli_main(SGH_CLI_GET, argc, argv, get_all);
}
