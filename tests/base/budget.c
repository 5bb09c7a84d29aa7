/* SPDX-License-Identifier: MIT */
#include "base/budget.h"

#include "support/t.h"

struct customer {
	struct sgh_budget_waiter waiter;
	int granted;
};

static void granted(struct sgh_budget_waiter *waiter)
{
	sgh_container_of(waiter, struct customer, waiter)->granted++;
}

static struct customer customer(size_t size, bool holds)
{
	return (struct customer){
		.waiter = { .size = size, .holds_memory = holds, .granted = granted }
	};
}

static int set_up(void **state)
{
	*state = sgh_budget_new(100);
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	sgh_budget_unref(*state);
	return 0;
}

static void never_over_the_limit(void **state)
{
	struct sgh_budget *budget = *state;

	assert_true(sgh_budget_try(budget, 60));
	assert_false(sgh_budget_try(budget, 41));
	assert_true(sgh_budget_try(budget, 40));
	sgh_budget_release(budget, 100);
	assert_int_equal(sgh_budget_used(budget), 0);
}

static void one_larger_than_all_goes_alone(void **state)
{
	struct sgh_budget *budget = *state;

	assert_true(sgh_budget_try(budget, 500));
	assert_false(sgh_budget_try(budget, 1));
	sgh_budget_release(budget, 500);
}

static void waiters_go_in_turn(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer large = customer(90, false);
	struct customer small = customer(10, false);

	assert_true(sgh_budget_try(budget, 50));
	assert_false(sgh_budget_wait(budget, &large.waiter));
	assert_false(sgh_budget_wait(budget, &small.waiter));
	assert_false(sgh_budget_try(budget, 1));
	sgh_budget_release(budget, 50);
	assert_int_equal(large.granted, 1);
	assert_int_equal(small.granted, 1);
	assert_int_equal(sgh_budget_used(budget), 100);
	sgh_budget_release(budget, 100);
}

static void who_holds_memory_goes_first(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer first = customer(60, false);
	struct customer holder = customer(60, true);

	assert_true(sgh_budget_try(budget, 100));
	assert_false(sgh_budget_wait(budget, &first.waiter));
	assert_false(sgh_budget_wait(budget, &holder.waiter));
	sgh_budget_release(budget, 60);
	assert_int_equal(holder.granted, 1);
	assert_int_equal(first.granted, 0);
	sgh_budget_release(budget, 100);
	assert_int_equal(first.granted, 1);
	sgh_budget_release(budget, 60);
}

static void leaving_lets_the_next_one_in(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer large = customer(90, false);
	struct customer small = customer(10, false);

	assert_true(sgh_budget_try(budget, 50));
	assert_false(sgh_budget_wait(budget, &large.waiter));
	assert_false(sgh_budget_wait(budget, &small.waiter));
	assert_true(sgh_budget_cancel(budget, &large.waiter));
	assert_int_equal(small.granted, 1);
	assert_false(sgh_budget_cancel(budget, &small.waiter));
	sgh_budget_release(budget, 60);
}

static struct customer arrival(size_t size)
{
	return (struct customer){
		.waiter = { .size = size, .arriving = true, .granted = granted }
	};
}

static void what_arrives_leaves_a_quarter(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer first = arrival(70), second = arrival(10);

	assert_true(sgh_budget_wait(budget, &first.waiter));
	assert_false(sgh_budget_wait(budget, &second.waiter));
	assert_true(sgh_budget_try(budget, 20));
	sgh_budget_arrived(budget, 70);
	assert_int_equal(second.granted, 1);
	sgh_budget_arrived(budget, 10);
	assert_int_equal(sgh_budget_used(budget), 100);
	sgh_budget_release(budget, 100);
}

static void what_arrives_keeps_its_turn(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer early = arrival(60);
	struct customer late = customer(60, false);

	assert_true(sgh_budget_try(budget, 50));
	assert_false(sgh_budget_wait(budget, &early.waiter));
	assert_false(sgh_budget_wait(budget, &late.waiter));
	assert_false(sgh_budget_try(budget, 1));
	sgh_budget_release(budget, 50);
	assert_int_equal(early.granted, 1);
	assert_int_equal(late.granted, 0);
	sgh_budget_release(budget, 60);
	assert_int_equal(late.granted, 1);
	sgh_budget_release(budget, 60);
}

static void one_arrival_larger_than_all_goes_alone(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer large = arrival(500), next = arrival(1);

	assert_true(sgh_budget_wait(budget, &large.waiter));
	assert_false(sgh_budget_wait(budget, &next.waiter));
	sgh_budget_arrived(budget, 500);
	assert_int_equal(next.granted, 0);
	sgh_budget_release(budget, 500);
	assert_int_equal(next.granted, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(never_over_the_limit),         CASE(one_larger_than_all_goes_alone),
	CASE(waiters_go_in_turn),           CASE(who_holds_memory_goes_first),
	CASE(leaving_lets_the_next_one_in), CASE(what_arrives_leaves_a_quarter),
	CASE(what_arrives_keeps_its_turn),  CASE(one_arrival_larger_than_all_goes_alone),
};

t_main(tests)
