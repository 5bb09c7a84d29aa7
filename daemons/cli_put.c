/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli_input.h"
#include "cli_text.h"
#include "commands.h"

/* One file on its way. */
struct put {
	struct sgh_cli *cli;
	struct sgh_item *item;
	struct sgh_input input;
	struct sgh_transfer transfer;
	char *filename;
	char key[SANGRAHA_ID_SIZE];
	const char **meta_names;
	const char **meta_values;
	struct sangraha_rest_result *result;
	struct sangraha_error err;
};

static int64_t give(void *arg, void *data, size_t size)
{
	struct put *put = arg;
	int64_t given = sgh_input_read(&put->input, data, size);

	if (given < 0)
		return SANGRAHA_E_INVALID;
	sgh_screen_moved(&put->cli->screen, &put->transfer, (size_t)given);
	return given;
}

/* "name=value" taken apart; the names are copies, the values are not. */
static int split_metas(struct put *put)
{
	const struct sgh_arguments *arguments = &put->cli->arguments;
	size_t count = arguments->meta_count;

	put->meta_names = calloc(count + 1, sizeof(*put->meta_names));
	put->meta_values = calloc(count + 1, sizeof(*put->meta_values));
	if (!put->meta_names || !put->meta_values)
		return ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const char *equals = strchr(arguments->metas[i], '=');

		put->meta_names[i] = strndup(arguments->metas[i],
					     (size_t)(equals - arguments->metas[i]));
		put->meta_values[i] = equals + 1;
		if (!put->meta_names[i])
			return ENOMEM;
	}
	return 0;
}

static void fini(struct put *put)
{
	for (size_t i = 0; put->meta_names && put->meta_names[i]; i++)
		free((char *)put->meta_names[i]);
	free(put->meta_names);
	free(put->meta_values);
	free(put->filename);
	sgh_input_fini(&put->input);
	sangraha_rest_result_free(put->result);
}

static int send_once(struct put *put)
{
	const struct sgh_arguments *arguments = &put->cli->arguments;
	const char *key = sgh_arguments_text(arguments, SGH_OPT_IDEMPOTENCY_KEY);
	const char *filename = sgh_arguments_text(arguments, SGH_OPT_FILENAME);
	struct sangraha_rest_put options = {
		.size = sizeof(options),
		.idempotency_key = key ? key : put->key,
		.filename = filename ? filename : put->filename,
		.content_type = sgh_arguments_text(arguments, SGH_OPT_CONTENT_TYPE),
		.type = sgh_arguments_text(arguments, SGH_OPT_TYPE),
		.meta_names = put->meta_names,
		.meta_values = put->meta_values,
		.meta_count = arguments->meta_count,
	};

	return sangraha_rest_client_put(put->cli->client, put->input.length, give, put,
					&options, &put->result, &put->err);
}

/* The key makes a repeat the same write, whatever became of the attempt before. */
static int send_all(struct put *put)
{
	struct sgh_cli *cli = put->cli;
	struct sgh_retry retry;
	int status;

	sgh_screen_begin(&cli->screen, &put->transfer, put->item->name,
			 put->input.length);
	sgh_retry_begin(cli, &retry);
	while ((status = send_once(put)) != 0 && !put->input.error &&
	       !put->input.changed && sgh_input_rewind(&put->input) &&
	       sgh_retry_again(cli, &retry, put->item->name, status, &put->err,
			       put->result)) {
		sangraha_rest_result_free(put->result);
		put->result = NULL;
		sgh_screen_again(&cli->screen, &put->transfer);
	}
	sgh_screen_end(&cli->screen, &put->transfer);
	return status;
}

static void print_done(struct put *put)
{
	const struct sangraha_object *object = sangraha_rest_result_object(put->result);
	const struct sgh_cli *cli = put->cli;
	const struct sgh_item *item = put->item;

	if (cli->json)
		sgh_text_json_line(item->out, sangraha_rest_result_text(put->result));
	else if (item->tell_name && !cli->quiet)
		sgh_cli_print_pair(cli, item, sangraha_object_reference(object),
				   item->name);
	else
		fprintf(item->out, "%s\n", sangraha_object_reference(object));
}

static void fail_input(struct put *put, int error)
{
	if (error == EISDIR)
		sgh_cli_failed_here(put->cli, put->item, SGH_EXIT_LOCAL,
				    "is a folder; name the files in it");
	else
		sgh_cli_failed_here(put->cli, put->item, SGH_EXIT_LOCAL, "%s",
				    strerror(error));
}

static void put_opened(struct put *put)
{
	int status;

	put->filename = sgh_input_name(put->item->word);
	if (split_metas(put) != 0) {
		fail_input(put, ENOMEM);
		return;
	}
	status = sangraha_id_new(put->cli->context, put->key, &put->err);
	if (status == 0)
		status = send_all(put);
	if (put->input.error)
		fail_input(put, put->input.error);
	else if (put->input.changed)
		sgh_cli_failed_here(put->cli, put->item, SGH_EXIT_LOCAL,
				    "changed while it was read");
	else if (status)
		sgh_cli_failed(put->cli, put->item, &put->err, put->result);
	else
		print_done(put);
}

static void put_one(struct sgh_cli *cli, struct sgh_item *item)
{
	struct put put = { .cli = cli, .item = item };
	int error = sgh_input_open(&put.input, item->word);

	if (error)
		fail_input(&put, error);
	else
		put_opened(&put);
	fini(&put);
}

static bool is_pattern(const char *word)
{
	struct stat info;

	return strpbrk(word, "*?[") && lstat(word, &info) != 0;
}

/* The words of the command line, patterns replaced by what they match. */
struct files {
	char **paths;
	size_t count;
};

static void free_files(struct files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->paths[i]);
	free(files->paths);
}

static int add_files(struct files *files, char **paths, size_t count)
{
	char **more = reallocarray(files->paths, files->count + count + 1, sizeof(*more));

	if (!more)
		return ENOMEM;
	files->paths = more;
	for (size_t i = 0; i < count; i++) {
		more[files->count] = strdup(paths[i]);
		if (!more[files->count])
			return ENOMEM;
		files->count++;
	}
	return 0;
}

/*
 * What a shell would have made of the words, had they not been in quotes. A pattern that
 * nothing matches stays as it is, and is no file.
 */
static int expand(const struct sgh_arguments *arguments, struct files *files)
{
	int error = 0;

	for (size_t i = 0; i < arguments->word_count && !error; i++) {
		char **word = &arguments->words[i];
		glob_t found = { 0 };

		if (is_pattern(*word) && glob(*word, 0, NULL, &found) == 0)
			error = add_files(files, found.gl_pathv, found.gl_pathc);
		else
			error = add_files(files, word, 1);
		globfree(&found);
	}
	return error;
}

static int check(const struct sgh_arguments *arguments, const struct files *files)
{
	size_t inputs = 0;

	for (size_t i = 0; i < files->count; i++)
		inputs += strcmp(files->paths[i], "-") == 0;
	if (files->count == 0)
		return sgh_cli_usage(SGH_CLI_PUT, "no files");
	if (inputs > 1)
		return sgh_cli_usage(SGH_CLI_PUT, "standard input can be read once only");
	if (files->count > 1 && sgh_arguments_text(arguments, SGH_OPT_FILENAME))
		return sgh_cli_usage(SGH_CLI_PUT, "--filename is for one file");
	if (files->count > 1 && sgh_arguments_text(arguments, SGH_OPT_IDEMPOTENCY_KEY))
		return sgh_cli_usage(SGH_CLI_PUT, "--idempotency-key is for one file");
	return SGH_EXIT_OK;
}

static int put_all(struct sgh_cli *cli)
{
	struct files files = { 0 };
	int code = SGH_EXIT_FAILED;

	if (expand(&cli->arguments, &files) != 0)
		fprintf(stderr, "sangraha: out of memory\n");
	else
		code = check(&cli->arguments, &files);
	if (code == SGH_EXIT_OK)
		sgh_cli_run(cli, files.paths, files.count, false, put_one);
	free_files(&files);
	return code;
}

int sgh_command_put(int argc, char **argv)
{
	return sgh_cli_main(SGH_CLI_PUT, argc, argv, put_all);
}
