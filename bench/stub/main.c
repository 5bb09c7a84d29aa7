/* SPDX-License-Identifier: MIT */
/* A store that only answers, to measure what is in front of one. bench/README.md tells more. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stub/server.h"

static const char usage[] =
	"usage: bench-stub [--port N] [--delay MS]\n"
	"\n"
	"  --port N    on 127.0.0.1; 0: any (0)\n"
	"  --delay MS  answer each request so much later (0)\n"
	"\n"
	"The first line tells where it listens. It ends with a signal.\n";

static const struct option options[] = {
	{ "port", required_argument, NULL, 'p' },
	{ "delay", required_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static unsigned read_number(const char *text, unsigned most)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (end != text && *end == '\0' && number <= most && text[0] != '-')
		return (unsigned)number;
	fprintf(stderr, "'%s' is no number up to %u\n", text, most);
	exit(EXIT_FAILURE);
}

static void read_arguments(int argc, char **argv, struct server_options *ret)
{
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'p') {
			ret->port = (uint16_t)read_number(optarg, UINT16_MAX);
		} else if (option == 'd') {
			ret->delay_ms = read_number(optarg, 60000);
		} else {
			fputs(usage, option == 'h' ? stdout : stderr);
			exit(option == 'h' ? EXIT_SUCCESS : EXIT_FAILURE);
		}
	}
	if (optind == argc)
		return;
	fputs(usage, stderr);
	exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	struct server_options given = { 0 };
	struct server *server;

	read_arguments(argc, argv, &given);
	server = server_new(&given);
	if (!server) {
		fprintf(stderr, "no server: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	printf("listening on http://127.0.0.1:%u\n", server_port(server));
	if (fflush(stdout) == EOF)
		return EXIT_FAILURE;
	server_run(server);
	server_free(server);
	return EXIT_SUCCESS;
}
