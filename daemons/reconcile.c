/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sangraha/admin.h>

#include "admin.h"
#include "cli_text.h"
#include "commands.h"

#define MONTH_MS (UINT64_C(30) * 86400 * 1000)

enum option {
	REPAIR,
	JSON,
	MIN_AGE,
	WAIT,
	LONGEST,
	WITHIN,
	FROM,
	NO_LETTERS,
};

/* clang-format off */
static const struct sgh_admin_option options[] = {
	[REPAIR] = { { "repair", SGH_SWITCH, .help = "take away what is told to be of no use" }, 'r' },
	[JSON] = { { "json", SGH_SWITCH, .help = "print JSON, a line each, errors too" } },
	[MIN_AGE] = { { "min-age", SGH_TIME, .value = "3600", .min = 1, .max = MONTH_MS,
		.help = "let be what is younger" }, 'a', "TIME" },
	[WAIT] = { { "wait", SGH_TIME, .value = "5", .min = 1, .max = UINT64_C(3600) * 1000,
		.help = "between the two looks at a thing" }, 'w', "TIME" },
	[LONGEST] = { { "longest", SGH_TIME, .value = "86400", .min = 1, .max = MONTH_MS,
		.help = "the longest of request-, ticket- and async-timeout" }, 'l', "TIME" },
	[WITHIN] = { { "within", SGH_TIME, .max = MONTH_MS,
		.help = "stop after so long; 0: when all is done" }, 't', "TIME" },
	[FROM] = { { "from", SGH_TEXT, .help = "go on where an earlier one stopped" }, 'f', "PLACE" },
	[NO_LETTERS] = { { "no-letters", SGH_SWITCH, .help = "without the dead letters" } },
};
/* clang-format on */

static const struct sgh_admin_command command = {
	.name = "reconcile",
	.words = "",
	.about = "Compare records, objects and dead letters, and tell what does not "
		 "belong "
		 "together.",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.store = true,
};

/* ---- what is told ---- */

static const char *action_name(enum sangraha_finding_action action)
{
	switch (action) {
	case SANGRAHA_FINDING_WOULD:
		return "would";
	case SANGRAHA_FINDING_DID:
		return "did";
	case SANGRAHA_FINDING_FAILED:
		return "failed";
	default:
		return "left";
	}
}

static void print_member(const char *name, const char *value)
{
	if (!value)
		return;
	printf(",\"%s\":", name);
	sgh_text_json(stdout, value);
}

static void print_json(const struct sangraha_finding *finding)
{
	printf("{\"found\":\"%s\",\"action\":\"%s\"", finding->name,
	       action_name(finding->action));
	print_member("place", finding->place);
	print_member("type", finding->type);
	print_member("id", finding->id);
	printf(",\"age\":%" PRId64, finding->age_ms / 1000);
	print_member("reason", finding->reason);
	print_member("remedy", finding->remedy);
	print_member("error", finding->error);
	printf("}\n");
}

static void print_line(const struct sangraha_finding *finding)
{
	char *place = sgh_text_clean(finding->place);
	char *reason = sgh_text_clean(finding->reason);
	char *error = sgh_text_clean(finding->error);
	char age[SGH_TEXT_SIZE];

	sgh_text_duration(age, (uint64_t)(finding->age_ms / 1000));
	printf("%-6s  %-19s  %s  (%s)  %s", action_name(finding->action), finding->name,
	       place ? place : "", age, reason ? reason : "");
	if (finding->remedy)
		printf("; repair: %s", finding->remedy);
	if (finding->error)
		printf("; %s", error ? error : "");
	printf("\n");
	free(place);
	free(reason);
	free(error);
}

/* Who reads no more wants nothing more repaired either. */
static int report(void *arg, const struct sangraha_finding *finding)
{
	const struct sgh_admin *admin = arg;

	if (admin->json)
		print_json(finding);
	else
		print_line(finding);
	return fflush(stdout) || ferror(stdout);
}

static void print_counts_json(const struct sangraha_reconcile_counts *counts)
{
	printf("{\"records\":%" PRIu64 ",\"objects\":%" PRIu64 ",\"letters\":%" PRIu64
	       ",\"found\":%" PRIu64 ",\"left\":%" PRIu64 ",\"would\":%" PRIu64
	       ",\"did\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"passed\":%" PRIu64,
	       counts->records, counts->objects, counts->letters, counts->found,
	       counts->left, counts->would, counts->did, counts->failed, counts->passed);
	print_member("from", counts->place[0] ? counts->place : NULL);
	printf("}\n");
}

static void print_counts(const struct sangraha_reconcile_counts *counts)
{
	char *place = sgh_text_clean(counts->place);

	printf("%" PRIu64 " records, %" PRIu64 " objects and %" PRIu64 " dead letters: ",
	       counts->records, counts->objects, counts->letters);
	if (!counts->found)
		printf("nothing found%s", counts->place[0] ? " so far" : "");
	else
		printf("%" PRIu64 " found", counts->found);
	if (counts->did)
		printf(", %" PRIu64 " repaired", counts->did);
	if (counts->would)
		printf(", %" PRIu64 " for --repair", counts->would);
	if (counts->failed)
		printf(", %" PRIu64 " that could not be repaired", counts->failed);
	if (counts->left)
		printf(", %" PRIu64 " to be left", counts->left);
	printf("\n");
	if (counts->place[0])
		printf("not all of it; go on with --from '%s'\n", place ? place : "");
	free(place);
}

/* ---- the command ---- */

static int code_of(const struct sangraha_reconcile_counts *counts)
{
	if (counts->failed)
		return SGH_EXIT_FAILED;
	return counts->left || counts->would ? SGH_EXIT_FOUND : SGH_EXIT_OK;
}

static int reconcile(struct sgh_admin *admin)
{
	struct sangraha_reconcile_options wanted = {
		.size = sizeof(wanted),
		.repair = (int)admin->values[REPAIR].number,
		.min_age_ms = (unsigned)admin->values[MIN_AGE].number,
		.wait_ms = (unsigned)admin->values[WAIT].number,
		.longest_ms = (unsigned)admin->values[LONGEST].number,
		.timeout_ms = (unsigned)admin->values[WITHIN].number,
		.from = admin->values[FROM].text,
	};
	struct sangraha_reconcile_counts counts = { .size = sizeof(counts) };
	struct sangraha_queue *queue =
		admin->values[NO_LETTERS].number ? NULL : admin->program.queue;
	struct sangraha_error err = { 0 };
	int status = sangraha_admin_reconcile(admin->program.store, queue, &wanted,
					      report, admin, &counts, &err);

	if (status == SANGRAHA_E_INVALID)
		return sgh_admin_usage(admin, "%s", err.message);
	if (admin->json)
		print_counts_json(&counts);
	else
		print_counts(&counts);
	return status ? sgh_admin_failed(admin, NULL, &err) : code_of(&counts);
}

int sgh_command_reconcile(int argc, char **argv)
{
	struct sgh_admin admin;
	int code;
	bool ready = sgh_admin_read(&admin, &command, argc, argv, &code);

	if (ready && admin.word_count)
		code = sgh_admin_usage(&admin, "takes no names");
	else if (ready && sgh_admin_open(&admin, &code))
		code = sgh_admin_finish(&admin, reconcile(&admin));
	sgh_admin_end(&admin);
	return code;
}
