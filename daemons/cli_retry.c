/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli_text.h"

#define FIRST_MS   250
#define LONGEST_MS 8000

void sgh_retry_begin(struct sgh_cli *cli, struct sgh_retry *retry)
{
	*retry = (struct sgh_retry){ .until_ms = sgh_cli_now_ms() + cli->timeout_ms };
}

static bool may_pass(int status)
{
	return status == SANGRAHA_E_UNAVAILABLE || status == SANGRAHA_E_OVERLOADED ||
	       status == SANGRAHA_E_TIMEOUT;
}

/* A write is worth waiting for a server that has yet to start, a question is not. */
static bool is_nobody_there(const struct sgh_cli *cli)
{
	return cli->arguments.command != SGH_CLI_PUT && !atomic_load(&cli->answered);
}

/* Half of it is chance, so that many who failed together do not come back together. */
static int64_t pause_ms(unsigned attempts)
{
	int64_t pause = FIRST_MS;
	struct timespec now;

	while (attempts-- > 1 && pause < LONGEST_MS)
		pause *= 2;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return pause / 2 + now.tv_nsec / 1000 % (pause / 2 + 1);
}

static void sleep_ms(int64_t pause)
{
	struct timespec rest = { pause / 1000, pause % 1000 * 1000000L };

	while (nanosleep(&rest, &rest) != 0)
		;
}

/* Once is enough: what many wait for is the same. */
static void tell(struct sgh_cli *cli, const char *name, const struct sangraha_error *err)
{
	char *message, *line;

	if (cli->json || cli->quiet || atomic_exchange(&cli->told_again, true))
		return;
	message = sgh_text_clean(err->message);
	line = sgh_cli_text("sangraha: %s%strying again for up to %lld s: %s\n", name,
			    *name ? ": " : "", (long long)(cli->timeout_ms + 999) / 1000,
			    message ? message : "");
	if (line)
		sgh_screen_print(&cli->screen, "", 0, line, strlen(line));
	free(message);
	free(line);
}

bool sgh_retry_again(struct sgh_cli *cli, struct sgh_retry *retry, const char *name,
		     int status, const struct sangraha_error *err,
		     const struct sangraha_rest_result *result)
{
	int after = sangraha_rest_result_retry_after(result);
	int64_t pause;

	if (result)
		atomic_store(&cli->answered, true);
	if (!may_pass(status) || atomic_load(&cli->gave_up) || is_nobody_there(cli))
		return false;
	pause = pause_ms(++retry->attempts);
	if (after > 0 && pause < (int64_t)after * 1000)
		pause = (int64_t)after * 1000;
	if (sgh_cli_now_ms() + pause >= retry->until_ms) {
		/* Who comes next need not wait as long to learn the same. */
		if (!result)
			atomic_store(&cli->gave_up, true);
		return false;
	}
	tell(cli, name, err);
	sleep_ms(pause);
	return true;
}
