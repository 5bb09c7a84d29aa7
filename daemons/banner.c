/* SPDX-License-Identifier: MIT */
#include "banner.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sangraha/version.h>

/* The folder of a local: or file: URL, as an absolute path; false for other URLs. */
static bool folder_of(const char *url, const char *scheme, char path[PATH_MAX])
{
	size_t length = strlen(scheme);

	return strncmp(url, scheme, length) == 0 && realpath(url + length, path);
}

static void print_folders(const struct sgh_program *program)
{
	char queues[PATH_MAX], objects[PATH_MAX];
	bool local = folder_of(program->queue_url, "local:", queues);
	bool file = folder_of(program->store_url, "file:", objects);

	printf("sangraha %s", sangraha_version());
	if (local && file && strcmp(queues, objects) == 0)
		printf(", data in %s", objects);
	else if (local)
		printf(", queues in %s", queues);
	if (file && !(local && strcmp(queues, objects) == 0))
		printf(", objects in %s", objects);
	putchar('\n');
}

static void print_quoted(const char *text)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*text);
	}
	putchar('\'');
}

/* How to send the token without it being seen: from where it was read. */
static void print_token(const struct sgh_config *config)
{
	const char *file = sgh_config_file(config, SGH_SET_API_TOKEN);
	char path[PATH_MAX];

	if (!sgh_config_text(config, SGH_SET_API_TOKEN))
		return;
	fputs(" -H \"Authorization: Bearer ", stdout);
	if (file && realpath(file, path)) {
		fputs("$(cat ", stdout);
		print_quoted(path);
		putchar(')');
	} else {
		fputs("$SANGRAHA_API_TOKEN", stdout);
	}
	putchar('"');
}

/* Of an address that stands for all of the machine, the one that can be asked here. */
static void print_url(const char *listen, unsigned port)
{
	size_t host = strrchr(listen, ':') - listen;
	const char *quote;

	if (host == 0 || strncmp(listen, "0.0.0.0:", host + 1) == 0) {
		listen = "127.0.0.1";
		host = strlen(listen);
	} else if (strncmp(listen, "[::]:", host + 1) == 0) {
		listen = "[::1]";
		host = strlen(listen);
	}
	/* Brackets mean something else to a shell. */
	quote = listen[0] == '[' ? "'" : "";
	printf(" %shttp://%.*s:%u/v1/objects%s\n", quote, (int)host, listen, port, quote);
}

void sgh_banner_print(struct sgh_program *program, unsigned port)
{
	const struct sgh_config *config = &program->config;
	const char *listen = sgh_config_text(config, SGH_SET_LISTEN);

	sgh_program_listening(program, listen, port);
	print_folders(program);
	printf("try:  curl --data-binary '{\"hello\":\"world\"}'");
	print_token(config);
	print_url(listen, port);
	fflush(stdout);
}
