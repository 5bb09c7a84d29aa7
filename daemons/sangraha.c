/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <sangraha/version.h>

#include "commands.h"
#include "distance.h"
#include "exit.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about; /* a line for people */
};

static const struct command commands[] = {
	{ "serve", sgh_command_serve, "run everything in one process, with no server" },
	{ "put", sgh_command_put, "store files" },
	{ "get", sgh_command_get, "fetch objects into files" },
	{ "stat", sgh_command_stat, "tell what is known about objects" },
	{ "ls", sgh_command_ls, "list objects" },
	{ "rm", sgh_command_rm, "delete objects for good" },
	{ "dlq", sgh_command_dlq, "look at requests that failed, replay or drop them" },
	{ "reconcile", sgh_command_reconcile,
	  "compare records, objects and dead letters" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *file)
{
	fprintf(file, "usage: sangraha COMMAND [OPTION]... [WHAT]...\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(file, "  %-10s %s\n", commands[i].name, commands[i].about);
	fprintf(file, "\n"
		      "  help [COMMAND]      print this, or what the command takes\n"
		      "  --version           print the version\n");
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	}
	return NULL;
}

static const char *closest(const char *name)
{
	const char *found = NULL;
	/* A word of which no letter is left is another word. */
	size_t least = strlen(name) < SGH_DISTANCE_FAR ? strlen(name) : SGH_DISTANCE_FAR;

	for (size_t i = 0; i < COMMANDS; i++) {
		size_t far = sgh_distance(name, commands[i].name);

		if (far < least) {
			least = far;
			found = commands[i].name;
		}
	}
	return found;
}

/* What is behind a "=" may be a secret. */
static int fail_unknown(const char *name)
{
	const char *meant = closest(name);
	int length = (int)strcspn(name, "=");

	if (name[0] == '-')
		fprintf(stderr,
			"sangraha: %.*s: a command comes first, flags behind it; "
			"`sangraha help` lists the commands\n",
			length, name);
	else if (meant)
		fprintf(stderr, "sangraha: there is no command '%s'; is it '%s'?\n", name,
			meant);
	else
		fprintf(stderr,
			"sangraha: there is no command '%s'; `sangraha help` lists "
			"them\n",
			name);
	return SGH_EXIT_USAGE;
}

static int run(const char *name, int argc, char **argv)
{
	const struct command *command = find(name);

	return command ? command->run(argc, argv) : fail_unknown(name);
}

static int help(int argc, char **argv)
{
	char flag[] = "--help";

	if (argc > 1)
		return run(argv[1], 2, (char *[]){ argv[1], flag, NULL });
	usage(stdout);
	return SGH_EXIT_OK;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return SGH_EXIT_USAGE;
	}
	if (strcmp(argv[1], "help") == 0)
		return help(argc - 1, argv + 1);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help(1, argv + 1);
	if (strcmp(argv[1], "--version") == 0) {
		printf("sangraha %s\n", sangraha_version());
		return SGH_EXIT_OK;
	}
	return run(argv[1], argc - 1, argv + 1);
}
