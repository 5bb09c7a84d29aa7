/* SPDX-License-Identifier: MIT */
#include "conformance/queue/fixture.h"

/* What every back end of the queue seam does: queue/ has the cases, story by story. */

static const struct queue_case *const stories[] = {
	queue_publish_cases, queue_consume_cases, queue_bounds_cases,
	queue_cuts_cases,    queue_connect_cases, queue_broker_cases,
};

int main(void)
{
	return queue_run(__FILE__, stories, SGH_COUNT(stories));
}
