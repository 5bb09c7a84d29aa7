/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

#include "cli_text.h"
#include "commands.h"

/* Facts that are not flat are shown as they are. */
static void print_facts(FILE *file, const char *facts)
{
	const char *at = facts;
	char name[64], value[256];

	while (sgh_text_member(&at, name, value))
		sgh_text_line(file, name, value);
	if (strcmp(at, "}") != 0 && strcmp(at, "{}") != 0)
		sgh_text_line(file, "facts", at);
}

static void print_metadata(FILE *file, const struct sangraha_object *object)
{
	const char *name, *value;

	for (size_t i = 0; sangraha_object_meta_at(object, i, &name, &value) == 0; i++) {
		char *label = sgh_cli_text("meta.%s", name);

		if (label)
			sgh_text_line(file, label, value);
		free(label);
	}
}

static void print_object(FILE *file, const struct sangraha_object *object)
{
	const char *name = sangraha_object_filename(object);

	sgh_text_line(file, "reference", sangraha_object_reference(object));
	if (name)
		sgh_text_line(file, "name", name);
	sgh_text_line(file, "content type", sangraha_object_content_type(object));
	sgh_text_size_line(file, "size", sangraha_object_size(object));
	sgh_text_line(file, "created", sangraha_object_created(object));
	sgh_text_line(file, "sha256", sangraha_object_sha256(object));
	print_facts(file, sangraha_object_facts(object));
	print_metadata(file, object);
}

static void print_blocks(struct sgh_item *item, const struct sangraha_object *object)
{
	print_object(item->out, object);
	if (item->tell_name)
		fputc('\n', item->out);
}

static void stat_one(struct sgh_cli *cli, struct sgh_item *item)
{
	struct sangraha_rest_result *result = NULL;
	struct sangraha_error err = { 0 };
	char type[SANGRAHA_TYPE_SIZE], id[SANGRAHA_ID_SIZE];
	struct sgh_retry retry;
	int status;

	if (!sgh_cli_reference(cli, item, type, id))
		return;
	sgh_retry_begin(cli, &retry);
	while ((status = sangraha_rest_client_stat(cli->client, type, id, &result,
						   &err)) != 0 &&
	       sgh_retry_again(cli, &retry, item->name, status, &err, result)) {
		sangraha_rest_result_free(result);
		result = NULL;
	}
	if (status)
		sgh_cli_failed(cli, item, &err, result);
	else if (cli->json)
		sgh_text_json_line(item->out, sangraha_rest_result_text(result));
	else
		print_blocks(item, sangraha_rest_result_object(result));
	sangraha_rest_result_free(result);
}

static int stat_all(struct sgh_cli *cli)
{
	const struct sgh_arguments *arguments = &cli->arguments;

	if (arguments->word_count == 0)
		return sgh_cli_usage(SGH_CLI_STAT, "no references");
	sgh_cli_run(cli, arguments->words, arguments->word_count, true, stat_one);
	return SGH_EXIT_OK;
}

int sgh_command_stat(int argc, char **argv)
{
	return sgh_cli_main(SGH_CLI_STAT, argc, argv, stat_all);
}
