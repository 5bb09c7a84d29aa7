/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "commands.h"

/*
 * What is not found when the deletion is tried again was, as far as anybody can tell,
 * deleted by the attempt whose answer was lost.
 */
static int delete_object(struct sgh_cli *cli, struct sgh_item *item, const char *type,
			 const char *id, struct sangraha_rest_result **ret,
			 struct sangraha_error *err)
{
	struct sgh_retry retry;
	int status;

	sgh_retry_begin(cli, &retry);
	for (;;) {
		status = sangraha_rest_client_delete(cli->client, type, id, ret, err);
		if (status == SANGRAHA_E_NOT_FOUND && retry.attempts > 0)
			return 0;
		if (!sgh_retry_again(cli, &retry, item->name, status, err, *ret))
			return status;
		sangraha_rest_result_free(*ret);
		*ret = NULL;
	}
}

static void remove_one(struct sgh_cli *cli, struct sgh_item *item)
{
	struct sangraha_rest_result *result = NULL;
	struct sangraha_error err = { 0 };
	char type[SANGRAHA_TYPE_SIZE], id[SANGRAHA_ID_SIZE];
	bool missing;
	int status;

	if (!sgh_cli_reference(cli, item, type, id))
		return;
	status = delete_object(cli, item, type, id, &result, &err);
	missing = status == SANGRAHA_E_NOT_FOUND &&
		  sgh_arguments_number(&cli->arguments, SGH_OPT_IGNORE_MISSING);
	if (status && !missing)
		sgh_cli_failed(cli, item, &err, result);
	else if (cli->json)
		fprintf(item->out, "{\"reference\":\"%s/%s\",\"deleted\":%s}\n", type, id,
			missing ? "false" : "true");
	else if (!missing && sgh_arguments_number(&cli->arguments, SGH_OPT_VERBOSE))
		fprintf(item->out, "%s/%s\n", type, id);
	sangraha_rest_result_free(result);
}

static int remove_all(struct sgh_cli *cli)
{
	const struct sgh_arguments *arguments = &cli->arguments;

	if (arguments->word_count == 0)
		return sgh_cli_usage(SGH_CLI_RM, "no references");
	sgh_cli_run(cli, arguments->words, arguments->word_count, true, remove_one);
	return SGH_EXIT_OK;
}

int sgh_command_rm(int argc, char **argv)
{
	return sgh_cli_main(SGH_CLI_RM, argc, argv, remove_all);
}
