/* SPDX-License-Identifier: MIT */
#include "dlq.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli_screen.h"

/* ---- ls ---- */

static int list_one(void *arg, const struct sangraha_dead_letter *letter)
{
	struct sgh_dlq *dlq = arg;
	unsigned columns = sgh_screen_columns(STDOUT_FILENO);

	if (dlq->admin.json) {
		sgh_dlq_print_json(stdout, letter);
	} else if (isatty(STDOUT_FILENO)) {
		if (!dlq->headed)
			sgh_dlq_print_heading(stdout, columns);
		dlq->headed = true;
		sgh_dlq_print_row(stdout, letter, columns);
	} else {
		sgh_dlq_print_fields(stdout, letter);
	}
	return ferror(stdout) ? SANGRAHA_DEAD_LETTER_STOP : SANGRAHA_DEAD_LETTER_KEEP;
}

/* How many letters a queue has that is not looked at any more. */
static uint64_t count(struct sgh_dlq *dlq, const char *queue)
{
	struct sangraha_error err = { 0 };
	uint64_t there = 0;

	if (sangraha_admin_dead_letters(dlq->admin.program.queue, queue,
					(unsigned)sgh_dlq_number(dlq, SGH_DLQ_TIMEOUT),
					&there, &err))
		sgh_dlq_fail(dlq, NULL, &err);
	return there;
}

void sgh_dlq_list(struct sgh_dlq *dlq)
{
	uint64_t room = sgh_dlq_number(dlq, SGH_DLQ_LIMIT), left = 0;

	for (int i = 0; i < 2; i++) {
		const char *queue = sgh_dlq_queue_at(dlq, i);
		struct sangraha_dead_letter_counts counts;

		if (!queue)
			continue;
		if (room == 0) {
			left += count(dlq, queue);
			continue;
		}
		if (!sgh_dlq_visit(dlq, queue, room, list_one, &counts))
			return;
		room -= counts.seen;
		left += counts.left;
	}
	if (left > 0)
		fprintf(stderr,
			"sangraha: %" PRIu64 " more are not listed; see --limit\n", left);
}

/* ---- show ---- */

static void write_body(struct sgh_dlq *dlq, const struct sangraha_dead_letter *letter)
{
	struct sgh_output *output = dlq->output;
	int error;

	dlq->output = NULL;
	if (letter->length && !letter->data) {
		sgh_dlq_fail_with(dlq, letter->id, SANGRAHA_E_TOO_LARGE,
				  "its body is larger than the memory-limit");
		return;
	}
	error = letter->data
			? sgh_output_write(output, letter->data, (size_t)letter->length)
			: 0;
	if (!error)
		error = sgh_output_finish(output);
	if (error)
		sgh_dlq_fail_with(dlq, letter->id, SANGRAHA_E_INTERNAL, "%s",
				  strerror(error));
}

static int show_one(void *arg, const struct sangraha_dead_letter *letter)
{
	struct sgh_dlq *dlq = arg;
	const char *body = dlq->admin.values[SGH_DLQ_BODY].text;

	if (!sgh_dlq_wants(dlq, letter))
		return SANGRAHA_DEAD_LETTER_KEEP;
	if (!body || strcmp(body, "-") != 0) {
		if (dlq->admin.json) {
			sgh_dlq_print_json(stdout, letter);
		} else {
			if (dlq->headed)
				putchar('\n');
			dlq->headed = true;
			sgh_dlq_print_block(stdout, letter);
		}
	}
	if (dlq->output)
		write_body(dlq, letter);
	return SANGRAHA_DEAD_LETTER_KEEP;
}

void sgh_dlq_show(struct sgh_dlq *dlq)
{
	const char *body = dlq->admin.values[SGH_DLQ_BODY].text;
	struct sgh_output output;
	int error = 0;

	sgh_output_descriptor(&output, STDOUT_FILENO);
	if (body && strcmp(body, "-") != 0)
		error = sgh_output_open(&output, body, true,
					sgh_dlq_number(dlq, SGH_DLQ_FORCE));
	if (error) {
		sgh_dlq_fail_with(dlq, body, SANGRAHA_E_INTERNAL,
				  error == EEXIST ? "it exists; --force overwrites it"
						  : "%s",
				  strerror(error));
	} else {
		dlq->output = body ? &output : NULL;
		sgh_dlq_visit_named(dlq, show_one);
	}
	sgh_output_fini(&output);
}
