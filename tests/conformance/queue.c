/* SPDX-License-Identifier: MIT */
#include "conformance/queue/fixture.h"

/* What every back end of the queue seam does: queue/ has the cases, story by story. */

static const struct queue_case *const stories[] = {
	queue_publish_cases, queue_consume_cases, queue_bounds_cases,
	queue_cuts_cases,    queue_connect_cases, queue_broker_cases,
};

struct list {
	struct CMUnitTest tests[300];
	char names[300][80];
	size_t count;
};

static void add(struct list *list, const struct queue_case *row,
		struct queue_backend *backend)
{
	size_t i = list->count++;

	assert_true(i < SGH_COUNT(list->tests));
	snprintf(list->names[i], sizeof(list->names[i]), "%s: %s", backend->name,
		 row->name);
	list->tests[i] =
		(struct CMUnitTest){ list->names[i], row->run, NULL, queue_end, backend };
}

static void add_all(struct list *list, struct queue_backend *backend)
{
	for (size_t i = 0; i < SGH_COUNT(stories); i++)
		for (const struct queue_case *row = stories[i]; row->name; row++)
			if (!row->wire || queue_has_server(backend))
				add(list, row, backend);
}

int main(void)
{
	static struct list list;
	const char *only = getenv("ONLY");

	for (size_t i = 0; i < queue_backend_count; i++)
		add_all(&list, &queue_backends[i]);
	if (only)
		cmocka_set_test_filter(only);
	return _cmocka_run_group_tests(__FILE__, list.tests, list.count, NULL,
				       queue_remove_vhosts);
}
