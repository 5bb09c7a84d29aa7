/* SPDX-License-Identifier: MIT */
#include "dlq.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli_cleanup.h"
#include "commands.h"

#define VISIT_MAX "10000" /* SANGRAHA_DEAD_LETTERS_MAX */

/* clang-format off */
#define COMMON \
	{ { "queue", SGH_CHOICE, .choices = "write|read", \
	    .help = "only letters of this queue" }, 'q', "write|read" }, \
	{ { "json", SGH_SWITCH, .help = "print JSON, a line each, errors too" } }, \
	{ { "timeout", SGH_TIME, .value = "10", .min = 1, .max = UINT64_C(3600) * 1000, \
	    .help = "wait so long for each answer of the broker" }, 't', "TIME" }

static const struct sgh_admin_option ls_options[] = {
	COMMON,
	{ { "limit", SGH_COUNT, .value = "1000", .min = 1, .max = SANGRAHA_DEAD_LETTERS_MAX,
	    .help = "list so many at most, to " VISIT_MAX }, 'n', "COUNT" },
};
static const struct sgh_admin_option show_options[] = {
	COMMON,
	{ { "body", SGH_TEXT, .help = "write what it holds there; - is standard output" }, 'b', "FILE" },
	{ { "force", SGH_SWITCH, .help = "overwrite a file that exists" }, 'f' },
};
static const struct sgh_admin_option replay_options[] = {
	COMMON,
	{ { "all", SGH_SWITCH, .help = "all letters of the write queue" }, 'a' },
	{ { "within", SGH_TIME, .value = "86400", .min = 1000, .max = UINT64_C(30) * 86400 * 1000,
	    .help = "they are to be done by then" }, 'w', "TIME" },
};
static const struct sgh_admin_option drop_options[] = {
	COMMON,
	{ { "all", SGH_SWITCH, .help = "all letters; needs --yes" }, 'a' },
	{ { "yes", SGH_SWITCH, .help = "really" }, 'y' },
};
/* clang-format on */

uint64_t sgh_dlq_number(const struct sgh_dlq *dlq, int option)
{
	return dlq->admin.values[option].number;
}

/* One kind of failure is its own exit code, different ones are SGH_EXIT_FAILED. */
void sgh_dlq_fail(struct sgh_dlq *dlq, const char *subject,
		  const struct sangraha_error *err)
{
	int code = sgh_admin_failed(&dlq->admin, subject, err);

	dlq->code = !dlq->code || dlq->code == code ? code : SGH_EXIT_FAILED;
}

void sgh_dlq_fail_with(struct sgh_dlq *dlq, const char *subject, int status,
		       const char *format, ...)
{
	struct sangraha_error err = { .status = status };
	va_list args;

	va_start(args, format);
	vsnprintf(err.message, sizeof(err.message), format, args);
	va_end(args);
	sgh_dlq_fail(dlq, subject, &err);
}

/* ---- visiting ---- */

const char *sgh_dlq_queue_at(const struct sgh_dlq *dlq, int i)
{
	const char *only = dlq->admin.values[SGH_DLQ_QUEUE].text;

	if (only && strcmp(only, i ? "read" : "write") != 0)
		return NULL;
	return i ? SANGRAHA_READ_QUEUE : SANGRAHA_WRITE_QUEUE;
}

bool sgh_dlq_visit(struct sgh_dlq *dlq, const char *queue, uint64_t max, sgh_dlq_see *see,
		   struct sangraha_dead_letter_counts *counts)
{
	struct sangraha_dead_letter_options options = {
		.size = sizeof(options),
		.timeout_ms = (unsigned)sgh_dlq_number(dlq, SGH_DLQ_TIMEOUT),
		.max = (unsigned)max,
	};
	struct sangraha_error err = { 0 };
	int status;

	if (dlq->fate == SANGRAHA_DEAD_LETTER_REPLAY)
		options.replay_ms = (unsigned)sgh_dlq_number(dlq, SGH_DLQ_WITHIN);
	*counts = (struct sangraha_dead_letter_counts){ .size = sizeof(*counts) };
	dlq->told = 0;
	status = sangraha_admin_visit_dead_letters(dlq->admin.program.queue, queue,
						   &options, see, dlq, counts, &err);
	/* It may have been done before something else failed. */
	if (dlq->told < counts->replayed + counts->dropped)
		sgh_dlq_tell_done(dlq);
	if (status)
		sgh_dlq_fail(dlq, *dlq->pending ? dlq->pending : NULL, &err);
	return status == 0;
}

/* ---- letters by their names ---- */

bool sgh_dlq_wants(struct sgh_dlq *dlq, const struct sangraha_dead_letter *letter)
{
	bool wanted = dlq->all;

	for (size_t i = 0; i < dlq->id_count; i++) {
		if (strcmp(dlq->ids[i], letter->id) != 0)
			continue;
		dlq->found[i] = true;
		wanted = true;
	}
	return wanted;
}

/* All letters are looked at: several may have one name. */
void sgh_dlq_visit_named(struct sgh_dlq *dlq, sgh_dlq_see *see)
{
	struct sangraha_dead_letter_counts counts;
	uint64_t left = 0;

	for (int i = 0; i < 2; i++) {
		const char *queue = sgh_dlq_queue_at(dlq, i);

		if (!queue)
			continue;
		if (!sgh_dlq_visit(dlq, queue, SANGRAHA_DEAD_LETTERS_MAX, see, &counts))
			return;
		left += counts.left;
	}
	for (size_t i = 0; i < dlq->id_count; i++)
		if (!dlq->found[i])
			sgh_dlq_fail_with(dlq, dlq->ids[i], SANGRAHA_E_NOT_FOUND,
					  "there is no such letter%s",
					  left ? " among the first " VISIT_MAX : "");
}

static bool add_id(struct sgh_dlq *dlq, const char *word, size_t length)
{
	char **ids = reallocarray(dlq->ids, dlq->id_count + 1, sizeof(*ids));

	if (!ids)
		return false;
	dlq->ids = ids;
	ids[dlq->id_count] = strndup(word, length);
	return ids[dlq->id_count] && ++dlq->id_count;
}

/* The first field of each line, as `dlq ls` prints them. */
static bool add_lines(struct sgh_dlq *dlq)
{
	char *line = NULL;
	size_t size = 0;
	bool added = true;

	while (added && getline(&line, &size, stdin) > 0) {
		size_t length = strcspn(line, "\t \r\n");

		if (length)
			added = add_id(dlq, line, length);
	}
	free(line);
	return added;
}

static bool read_ids(struct sgh_dlq *dlq)
{
	for (size_t i = 0; i < dlq->admin.word_count; i++) {
		const char *word = dlq->admin.words[i];
		bool added = strcmp(word, "-") == 0 ? add_lines(dlq)
						    : add_id(dlq, word, strlen(word));

		if (!added)
			return false;
	}
	dlq->found = calloc(dlq->id_count + 1, sizeof(*dlq->found));
	return dlq->found;
}

/* ---- commands ---- */

/* What is wrong with a command line; NULL: nothing. */
static const char *check_list(const struct sgh_dlq *dlq)
{
	return dlq->admin.word_count ? "takes no letters; show does" : NULL;
}

static const char *check_show(const struct sgh_dlq *dlq)
{
	if (dlq->admin.word_count == 0)
		return "no letters";
	if (dlq->admin.values[SGH_DLQ_BODY].set &&
	    (dlq->admin.word_count > 1 || strcmp(dlq->admin.words[0], "-") == 0))
		return "--body is of one letter";
	return NULL;
}

static const char *check_decide(const struct sgh_dlq *dlq)
{
	bool all = sgh_dlq_number(dlq, SGH_DLQ_ALL);

	if (all && dlq->admin.word_count)
		return "--all, or letters, not both";
	if (!all && !dlq->admin.word_count)
		return "no letters; --all means every one of them";
	return NULL;
}

static const char *check_replay(const struct sgh_dlq *dlq)
{
	const char *queue = dlq->admin.values[SGH_DLQ_QUEUE].text;

	if (sgh_dlq_number(dlq, SGH_DLQ_ALL) && queue && strcmp(queue, "read") == 0)
		return "reads are not replayed, nobody waits for them any more";
	return check_decide(dlq);
}

static const char *check_drop(const struct sgh_dlq *dlq)
{
	if (sgh_dlq_number(dlq, SGH_DLQ_ALL) && !sgh_dlq_number(dlq, SGH_DLQ_YES))
		return "--all drops every letter for good; say --yes, too";
	return check_decide(dlq);
}

#define OPTIONS(array) \
	.options = (array), .option_count = sizeof(array) / sizeof((array)[0])

static const struct command {
	const char *name;
	struct sgh_admin_command command;
	const char *(*check)(const struct sgh_dlq *dlq);
	void (*run)(struct sgh_dlq *dlq);
	int fate;
} commands[] = {
	{ "ls",
	  { "dlq ls", "", "List the requests that failed for good.",
	    OPTIONS(ls_options) },
	  check_list,
	  sgh_dlq_list,
	  SANGRAHA_DEAD_LETTER_KEEP },
	{ "show",
	  { "dlq show", "ID...",
	    "Tell all that is known of dead letters; - reads their ids.",
	    OPTIONS(show_options) },
	  check_show,
	  sgh_dlq_show,
	  SANGRAHA_DEAD_LETTER_KEEP },
	{ "replay",
	  { "dlq replay", "ID... | --all",
	    "Have requests that failed done again; - reads their ids from standard "
	    "input.",
	    OPTIONS(replay_options) },
	  check_replay,
	  sgh_dlq_decide,
	  SANGRAHA_DEAD_LETTER_REPLAY },
	{ "drop",
	  { "dlq drop", "ID... | --all --yes",
	    "Forget requests that failed for good; - reads their ids from standard "
	    "input.",
	    OPTIONS(drop_options) },
	  check_drop,
	  sgh_dlq_decide,
	  SANGRAHA_DEAD_LETTER_DROP },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *file)
{
	fprintf(file, "usage: sangraha dlq COMMAND [OPTION]... [ID...]\n\n"
		      "Dead letters: requests that failed for good.\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(file, "  %-7s %s\n", commands[i].name, commands[i].command.about);
	fprintf(file, "\n`sangraha dlq COMMAND --help` tells what it takes.\n");
}

static int run(const struct command *command, int argc, char **argv)
{
	struct sgh_dlq dlq = { .fate = command->fate };
	const char *wrong = NULL;
	int code;
	bool ready = sgh_admin_read(&dlq.admin, &command->command, argc, argv, &code);

	if (ready)
		wrong = command->check(&dlq);
	if (wrong)
		code = sgh_admin_usage(&dlq.admin, "%s", wrong);
	sgh_cleanup_install();
	if (ready && !wrong && sgh_admin_open(&dlq.admin, &code)) {
		if (command->fate)
			dlq.all = sgh_dlq_number(&dlq, SGH_DLQ_ALL);
		if (read_ids(&dlq))
			command->run(&dlq);
		else
			sgh_dlq_fail_with(&dlq, NULL, SANGRAHA_E_OVERLOADED,
					  "out of memory");
		code = sgh_admin_finish(&dlq.admin, dlq.code);
	}
	while (dlq.id_count)
		free(dlq.ids[--dlq.id_count]);
	free(dlq.ids);
	free(dlq.found);
	sgh_admin_end(&dlq.admin);
	return code;
}

int sgh_command_dlq(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (name && (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)) {
		usage(stdout);
		return SGH_EXIT_OK;
	}
	for (size_t i = 0; name && i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return run(&commands[i], argc - 1, argv + 1);
	if (name)
		fprintf(stderr,
			"sangraha dlq: there is no command '%.*s'; there are ls, "
			"show, replay and drop\n",
			(int)strcspn(name, "="), name);
	else
		usage(stderr);
	return SGH_EXIT_USAGE;
}
