/* SPDX-License-Identifier: MIT */
#include "base/shared.h"

#include "base/context.h"
#include "base/error.h"
#include "support/t.h"

struct thing {
	struct sgh_shared shared;
	int number;
};

static int open_thing(void *arg, struct sgh_shared **ret, struct sangraha_error *err)
{
	struct thing *thing = calloc(1, sizeof(*thing));

	assert_non_null(thing);
	thing->number = ++*(int *)arg;
	*ret = &thing->shared;
	return 0;
}

static int open_nothing(void *arg, struct sgh_shared **ret, struct sangraha_error *err)
{
	return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0, "not today");
}

static void drop(struct sgh_shared *shared)
{
	if (!sgh_shared_unref(shared))
		return;
	sgh_shared_closed(shared);
	free(sgh_container_of(shared, struct thing, shared));
}

static void the_same_name_is_the_same_thing(void **state)
{
	struct sangraha_context *context = t_context();
	struct sgh_shared *a = NULL, *b = NULL, *c = NULL;
	int made = 0;

	t_ok(sgh_shared_get(context, "x", open_thing, &made, &a, &t_err));
	t_ok(sgh_shared_get(context, "x", open_thing, &made, &b, &t_err));
	t_ok(sgh_shared_get(context, "y", open_thing, &made, &c, &t_err));
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_int_equal(made, 2);
	drop(a);
	drop(b);
	drop(c);
	sangraha_context_unref(context);
}

static void the_last_one_closes_it(void **state)
{
	struct sangraha_context *context = t_context();
	struct sgh_shared *shared = NULL;
	int made = 0;

	t_ok(sgh_shared_get(context, "x", open_thing, &made, &shared, &t_err));
	sgh_shared_ref(shared);
	drop(shared);
	drop(shared);
	t_ok(sgh_shared_get(context, "x", open_thing, &made, &shared, &t_err));
	assert_int_equal(made, 2);
	/* The thing keeps its context. */
	sangraha_context_unref(context);
	drop(shared);
}

static void what_fails_to_open_leaves_nothing(void **state)
{
	struct sangraha_context *context = t_context();
	struct sgh_shared *shared = NULL;
	int made = 0;

	t_fails(SANGRAHA_E_UNAVAILABLE,
		sgh_shared_get(context, "x", open_nothing, NULL, &shared, &t_err));
	assert_null(shared);
	t_ok(sgh_shared_get(context, "x", open_thing, &made, &shared, &t_err));
	drop(shared);
	sangraha_context_unref(context);
}

static void *close_it(void *arg)
{
	struct thing *thing = arg;

	t_pause();
	sgh_shared_closed(&thing->shared);
	free(thing);
	return NULL;
}

/* Who comes while the last one is being closed waits, and gets a new one. */
static void its_successor_waits(void **state)
{
	struct sangraha_context *context = t_context();
	struct sgh_shared *shared = NULL;
	pthread_t thread;
	int made = 0;

	t_ok(sgh_shared_get(context, "x", open_thing, &made, &shared, &t_err));
	assert_true(sgh_shared_unref(shared));
	pthread_create(&thread, NULL, close_it,
		       sgh_container_of(shared, struct thing, shared));
	t_ok(sgh_shared_get(context, "x", open_thing, &made, &shared, &t_err));
	assert_int_equal(made, 2);
	pthread_join(thread, NULL);
	drop(shared);
	sangraha_context_unref(context);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_same_name_is_the_same_thing),
	cmocka_unit_test(the_last_one_closes_it),
	cmocka_unit_test(what_fails_to_open_leaves_nothing),
	cmocka_unit_test(its_successor_waits),
};

t_main(tests)
