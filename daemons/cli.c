/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_cleanup.h"
#include "cli_text.h"

#define REFERENCE_COLUMNS 42 /* image/ and an id, the longest of the usual ones */

extern char **environ;

char *sgh_cli_text(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text;
}

int sgh_cli_usage(enum sgh_cli_command command, const char *format, ...)
{
	const char *name = sgh_cli_command_name(command), *end = "; see";
	char message[512], *clean;
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (*message && message[strlen(message) - 1] == '?')
		end = " See";
	/* A shell's "*" makes options of names that somebody else gave to files. */
	clean = sgh_text_clean(message);
	fprintf(stderr, "sangraha %s: %s%s sangraha %s --help\n", name,
		clean ? clean : "out of memory", end, name);
	free(clean);
	return SGH_EXIT_USAGE;
}

/*
 * A connection or a file that got the number of a closed standard stream would be mixed up
 * with it. Opened the wrong way round, using it fails as before.
 */
static void keep_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			return;
	}
}

/* How wide characters are is asked of the locale; names are UTF-8 whatever it says. */
static void know_widths(void)
{
	if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
}

static int connect_to(struct sgh_cli *cli, struct sangraha_error *err)
{
	const struct sgh_arguments *arguments = &cli->arguments;
	struct sangraha_context_options context = { .size = sizeof(context),
						    .log_level = SANGRAHA_LOG_ERROR };
	struct sangraha_rest_client_options options = {
		.size = sizeof(options),
		.api_token = sgh_arguments_text(arguments, SGH_OPT_API_TOKEN),
		.ca_file = sgh_arguments_text(arguments, SGH_OPT_CA_FILE),
		.timeout_ms = (unsigned)cli->timeout_ms,
	};
	int status = sangraha_context_new(&context, &cli->context, err);

	if (status)
		return status;
	return sangraha_rest_client_new(cli->context,
					sgh_arguments_text(arguments, SGH_OPT_URL),
					&options, &cli->client, err);
}

static void take_arguments(struct sgh_cli *cli)
{
	const struct sgh_arguments *arguments = &cli->arguments;

	cli->json = sgh_arguments_number(arguments, SGH_OPT_JSON);
	cli->quiet = sgh_arguments_number(arguments, SGH_OPT_QUIET);
	cli->timeout_ms = (int64_t)sgh_arguments_number(arguments, SGH_OPT_TIMEOUT);
	sgh_screen_fini(&cli->screen);
	sgh_screen_init(&cli->screen,
			!cli->quiet &&
				!sgh_arguments_number(arguments, SGH_OPT_NO_PROGRESS));
}

void sgh_cli_streams(void)
{
	keep_streams();
	know_widths();
}

/* False when the program is to end with *ret_code, having said why or printed --help. */
static bool begin(struct sgh_cli *cli, enum sgh_cli_command command, int argc,
		  char **argv, int *ret_code)
{
	struct sangraha_error err = { 0 };
	int status;

	memset(cli, 0, sizeof(*cli));
	sgh_cli_streams();
	sgh_screen_init(&cli->screen, false);
	status = sgh_arguments_read(&cli->arguments, command, argc, argv, environ, &err);
	if (status == 0 && cli->arguments.help) {
		sgh_arguments_help(command, stdout);
		*ret_code = SGH_EXIT_OK;
		return false;
	}
	if (status == 0) {
		take_arguments(cli);
		status = connect_to(cli, &err);
	}
	if (status == SANGRAHA_E_INVALID) {
		*ret_code = sgh_cli_usage(command, "%s", err.message);
		return false;
	}
	if (status) {
		fprintf(stderr, "sangraha: %s\n", err.message);
		*ret_code = sgh_cli_exit_code(status);
		return false;
	}
	sgh_cleanup_install();
	return true;
}

static void fini(struct sgh_cli *cli)
{
	sangraha_rest_client_free(cli->client);
	sangraha_context_unref(cli->context);
	sgh_arguments_fini(&cli->arguments);
	sgh_screen_fini(&cli->screen);
}

void sgh_cli_print_pair(const struct sgh_cli *cli, const struct sgh_item *item,
			const char *reference, const char *name)
{
	if (cli->screen.out_is_terminal)
		fprintf(item->out, "%-*s  %s\n", REFERENCE_COLUMNS, reference, name);
	else
		fprintf(item->out, "%s\t%s\n", reference, name);
}

int sgh_cli_main(enum sgh_cli_command command, int argc, char **argv,
		 int (*run)(struct sgh_cli *cli))
{
	struct sgh_cli cli;
	int error, code;

	if (!begin(&cli, command, argc, argv, &code)) {
		fini(&cli);
		return code;
	}
	code = run(&cli);
	if (code)
		sgh_cli_count_failure(&cli, (enum sgh_exit)code);
	error = sgh_screen_error(&cli.screen);
	/* Who reads no more, as `head` does, knows why; everybody else has to be told. */
	if (error == EPIPE)
		sgh_cli_count_failure(&cli, SGH_EXIT_LOCAL);
	else if (error)
		sgh_cli_failed_stream(&cli, "standard output", error);
	fini(&cli);
	return atomic_load(&cli.code);
}

bool sgh_cli_reference(struct sgh_cli *cli, struct sgh_item *item,
		       char type[SANGRAHA_TYPE_SIZE], char id[SANGRAHA_ID_SIZE])
{
	static const char route[] = "/v1/objects/";
	const char *at = strstr(item->word, route);
	struct sangraha_error err;

	if (sangraha_reference_parse(at ? at + strlen(route) : item->word, type, id,
				     &err) == 0)
		return true;
	sgh_cli_failed_here(cli, item, SGH_EXIT_USAGE,
			    "not a reference; one looks like "
			    "image/0199f2c4-7a3e-7c51-9d0e-4f1b2a6c8d70");
	return false;
}
