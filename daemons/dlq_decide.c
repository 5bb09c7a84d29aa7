/* SPDX-License-Identifier: MIT */
#include "dlq.h"

#include <inttypes.h>

/* Replaying and dropping. */

static bool replays(const struct sgh_dlq *dlq)
{
	return dlq->fate == SANGRAHA_DEAD_LETTER_REPLAY;
}

void sgh_dlq_tell_done(struct sgh_dlq *dlq)
{
	if (!*dlq->pending)
		return;
	dlq->done++;
	dlq->told++;
	if (dlq->admin.json)
		printf("{\"id\":\"%s\",\"queue\":\"%s\",\"fate\":\"%s\"}\n", dlq->pending,
		       dlq->pending_queue, replays(dlq) ? "replayed" : "dropped");
	dlq->pending[0] = '\0';
}

static int decide_one(void *arg, const struct sangraha_dead_letter *letter)
{
	struct sgh_dlq *dlq = arg;

	sgh_dlq_tell_done(dlq);
	if (!sgh_dlq_wants(dlq, letter))
		return SANGRAHA_DEAD_LETTER_KEEP;
	if (replays(dlq) && letter->obstacle) {
		dlq->refused = true;
		sgh_dlq_fail_with(dlq, letter->id, SANGRAHA_E_UNSUPPORTED,
				  "cannot be replayed: %s", letter->obstacle);
		return SANGRAHA_DEAD_LETTER_KEEP;
	}
	snprintf(dlq->pending, sizeof(dlq->pending), "%s", letter->id);
	dlq->pending_queue = sgh_dlq_queue(letter);
	return dlq->fate;
}

/*
 * As many visits as it takes for what was there at first: what fails again meanwhile does
 * not keep us here. What cannot be replayed would be met again in the next one.
 */
static void decide_queue(struct sgh_dlq *dlq, const char *queue)
{
	struct sangraha_dead_letter_counts counts = { .seen = 1 };
	uint64_t left = SANGRAHA_DEAD_LETTERS_MAX;
	bool first = true;

	while (left > 0 && counts.seen > 0 && !dlq->refused) {
		uint64_t most = left < SANGRAHA_DEAD_LETTERS_MAX
					? left
					: SANGRAHA_DEAD_LETTERS_MAX;

		if (!sgh_dlq_visit(dlq, queue, most, decide_one, &counts))
			return;
		left = first ? counts.left : left - counts.seen;
		first = false;
	}
	if (left > 0 && dlq->refused)
		sgh_dlq_fail_with(dlq, NULL, SANGRAHA_E_OVERLOADED,
				  "%" PRIu64 " more letters were not looked at, behind "
				  "those that cannot be replayed; go on when these are "
				  "dropped",
				  left);
}

void sgh_dlq_decide(struct sgh_dlq *dlq)
{
	if (!dlq->all)
		sgh_dlq_visit_named(dlq, decide_one);
	/* What is in the other queue are reads, which nobody waits for. */
	for (int i = 0; dlq->all && i < (replays(dlq) ? 1 : 2); i++)
		if (sgh_dlq_queue_at(dlq, i))
			decide_queue(dlq, sgh_dlq_queue_at(dlq, i));
	if (!dlq->admin.json)
		printf("%" PRIu64 " %s\n", dlq->done,
		       replays(dlq) ? "replayed" : "dropped");
}
