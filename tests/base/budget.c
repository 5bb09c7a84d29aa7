/* SPDX-License-Identifier: MIT */
#include "base/budget.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "support/t.h"

#define K ((size_t)10 << 10)

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
	*state = sgh_budget_new(100 * K);
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

	assert_true(sgh_budget_try(budget, 60 * K));
	assert_false(sgh_budget_try(budget, 41 * K));
	assert_true(sgh_budget_try(budget, 40 * K));
	sgh_budget_release(budget, 100 * K);
	assert_int_equal(sgh_budget_used(budget), 0);
}

static void one_larger_than_all_goes_alone(void **state)
{
	struct sgh_budget *budget = *state;

	assert_true(sgh_budget_try(budget, 500 * K));
	assert_false(sgh_budget_try(budget, 1 * K));
	sgh_budget_release(budget, 500 * K);
}

static void waiters_go_in_turn(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer large = customer(90 * K, false);
	struct customer small = customer(10 * K, false);

	assert_true(sgh_budget_try(budget, 50 * K));
	assert_false(sgh_budget_wait(budget, &large.waiter));
	assert_false(sgh_budget_wait(budget, &small.waiter));
	assert_false(sgh_budget_try(budget, 1 * K));
	sgh_budget_release(budget, 50 * K);
	assert_int_equal(large.granted, 1);
	assert_int_equal(small.granted, 1);
	assert_int_equal(sgh_budget_used(budget), 100 * K);
	sgh_budget_release(budget, 100 * K);
}

static void who_holds_memory_goes_first(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer first = customer(60 * K, false);
	struct customer holder = customer(60 * K, true);

	assert_true(sgh_budget_try(budget, 100 * K));
	assert_false(sgh_budget_wait(budget, &first.waiter));
	assert_false(sgh_budget_wait(budget, &holder.waiter));
	sgh_budget_release(budget, 60 * K);
	assert_int_equal(holder.granted, 1);
	assert_int_equal(first.granted, 0);
	sgh_budget_release(budget, 100 * K);
	assert_int_equal(first.granted, 1);
	sgh_budget_release(budget, 60 * K);
}

static void leaving_lets_the_next_one_in(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer large = customer(90 * K, false);
	struct customer small = customer(10 * K, false);

	assert_true(sgh_budget_try(budget, 50 * K));
	assert_false(sgh_budget_wait(budget, &large.waiter));
	assert_false(sgh_budget_wait(budget, &small.waiter));
	assert_true(sgh_budget_cancel(budget, &large.waiter));
	assert_int_equal(small.granted, 1);
	assert_false(sgh_budget_cancel(budget, &small.waiter));
	sgh_budget_release(budget, 60 * K);
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
	struct customer first = arrival(70 * K), second = arrival(10 * K);

	assert_true(sgh_budget_wait(budget, &first.waiter));
	assert_false(sgh_budget_wait(budget, &second.waiter));
	assert_true(sgh_budget_try(budget, 20 * K));
	sgh_budget_arrived(budget, 70 * K);
	assert_int_equal(second.granted, 1);
	sgh_budget_arrived(budget, 10 * K);
	assert_int_equal(sgh_budget_used(budget), 100 * K);
	sgh_budget_release(budget, 100 * K);
}

static void what_arrives_keeps_its_turn(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer early = arrival(60 * K);
	struct customer late = customer(60 * K, false);

	assert_true(sgh_budget_try(budget, 50 * K));
	assert_false(sgh_budget_wait(budget, &early.waiter));
	assert_false(sgh_budget_wait(budget, &late.waiter));
	assert_false(sgh_budget_try(budget, 1 * K));
	sgh_budget_release(budget, 50 * K);
	assert_int_equal(early.granted, 1);
	assert_int_equal(late.granted, 0);
	sgh_budget_release(budget, 60 * K);
	assert_int_equal(late.granted, 1);
	sgh_budget_release(budget, 60 * K);
}

static void one_arrival_larger_than_all_goes_alone(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer large = arrival(500 * K), next = arrival(1 * K);

	assert_true(sgh_budget_wait(budget, &large.waiter));
	assert_false(sgh_budget_wait(budget, &next.waiter));
	sgh_budget_arrived(budget, 500 * K);
	assert_int_equal(next.granted, 0);
	sgh_budget_release(budget, 500 * K);
	assert_int_equal(next.granted, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Who has taken a first piece and waits for the rest is in nobody's way. */
static void first_pieces_have_a_share_of_their_own(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer rest = arrival(75 * K), more = arrival(20 * K), late;
	size_t sip = sgh_budget_sip(budget);

	assert_int_equal(sip, 100 * K / 4096);
	for (size_t left = 100 * K / 16; left >= sip; left -= sip) {
		struct customer first = arrival(sip);

		assert_true(sgh_budget_wait(budget, &first.waiter));
	}
	late = arrival(sip);
	assert_false(sgh_budget_wait(budget, &late.waiter));
	assert_true(sgh_budget_wait(budget, &rest.waiter));
	assert_false(sgh_budget_wait(budget, &more.waiter));
	assert_true(sgh_budget_try(budget, 10 * K));
	sgh_budget_arrived(budget, sip);
	assert_int_equal(late.granted, 1);
	assert_int_equal(more.granted, 0);
	assert_true(sgh_budget_cancel(budget, &more.waiter));
}

static void who_is_patient_lets_others_pass(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer slow = arrival(40 * K), fast = arrival(40 * K);

	slow.waiter.patient = true;
	assert_true(sgh_budget_try(budget, 100 * K));
	assert_false(sgh_budget_wait(budget, &slow.waiter));
	assert_false(sgh_budget_wait(budget, &fast.waiter));
	sgh_budget_release(budget, 40 * K);
	assert_int_equal(fast.granted, 1);
	assert_int_equal(slow.granted, 0);
	sgh_budget_arrived(budget, 40 * K);
	sgh_budget_release(budget, 40 * K);
	assert_int_equal(slow.granted, 1);
	sgh_budget_release(budget, 100 * K);
}

static void it_is_known_how_long_somebody_waits(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer slow = arrival(40 * K), next = customer(20 * K, false);
	size_t size = 0;

	slow.waiter.patient = true;
	assert_true(sgh_budget_try(budget, 100 * K));
	assert_false(sgh_budget_wait(budget, &slow.waiter));
	t_wait(sgh_now_ms() - slow.waiter.since_ms > 5);
	assert_int_equal(sgh_budget_waited_ms(budget, &size), 0);
	assert_false(sgh_budget_wait(budget, &next.waiter));
	t_wait(sgh_budget_waited_ms(budget, &size) > 5);
	assert_int_equal(size, 20 * K);
	sgh_budget_release(budget, 100 * K);
	assert_int_equal(sgh_budget_waited_ms(budget, &size), 0);
	sgh_budget_release(budget, 60 * K);
}

struct shelf {
	struct sgh_budget_keeper keeper;
	int told;
};

static void give_up(struct sgh_budget_keeper *keeper)
{
	sgh_container_of(keeper, struct shelf, keeper)->told++;
}

static void nobody_waits_for_what_is_kept(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer next = customer(70 * K, false);
	struct shelf shelf = { .keeper = { .give_up = give_up } };

	sgh_budget_add_keeper(budget, &shelf.keeper);
	sgh_budget_force(budget, 40 * K);
	assert_true(sgh_budget_keep(budget, 40 * K));
	assert_int_equal(sgh_budget_used(budget), 0);
	assert_int_equal(sgh_budget_kept(budget), 40 * K);
	assert_true(sgh_budget_try(budget, 20 * K));
	assert_int_equal(shelf.told, 0);
	assert_true(sgh_budget_wait(budget, &next.waiter));
	assert_int_equal(shelf.told, 1);
	assert_int_equal(sgh_budget_excess(budget), 30 * K);
	sgh_budget_unkeep(budget, 40 * K);
	sgh_budget_release(budget, 40 * K);
	assert_int_equal(sgh_budget_excess(budget), 0);
	assert_int_equal(sgh_budget_used(budget), 90 * K);
	sgh_budget_remove_keeper(budget, &shelf.keeper);
	sgh_budget_force(budget, 20 * K);
	assert_int_equal(shelf.told, 1);
	sgh_budget_release(budget, 110 * K);
}

static void no_more_is_kept_than_there_is_room_for(void **state)
{
	struct sgh_budget *budget = *state;

	sgh_budget_force(budget, 80 * K);
	assert_true(sgh_budget_keep(budget, 60 * K));
	sgh_budget_force(budget, 80 * K);
	assert_int_equal(sgh_budget_excess(budget), 60 * K);
	assert_false(sgh_budget_keep(budget, 20 * K));
	sgh_budget_unkeep(budget, 60 * K);
	sgh_budget_release(budget, 60 * K);
	assert_true(sgh_budget_keep(budget, 20 * K));
	sgh_budget_unkeep(budget, 20 * K);
	sgh_budget_release(budget, 100 * K);
}

static void nothing_is_kept_while_somebody_waits(void **state)
{
	struct sgh_budget *budget = *state;
	struct customer next = customer(20 * K, false);

	assert_true(sgh_budget_try(budget, 90 * K));
	assert_false(sgh_budget_wait(budget, &next.waiter));
	assert_false(sgh_budget_keep(budget, 30 * K));
	sgh_budget_release(budget, 10 * K);
	assert_int_equal(next.granted, 1);
	assert_true(sgh_budget_keep(budget, 30 * K));
	sgh_budget_unkeep(budget, 30 * K);
	sgh_budget_release(budget, 100 * K);
}

/* ---- what is spare ---- */

/* A block of so many bytes, filled and given back. */
static void use_a_block(struct sgh_budget *budget, size_t size)
{
	struct sgh_bytes *bytes;

	assert_true(sgh_budget_try(budget, size));
	bytes = sgh_bytes_new(budget, size);
	assert_non_null(bytes);
	assert_int_equal(bytes->capacity, size);
	memset(bytes->data, 0xa5, size);
	sgh_bytes_unref(bytes);
}

static void a_block_serves_again(void **state)
{
	struct sgh_budget *budget = *state;

	sgh_budget_force(budget, K);
	use_a_block(budget, 40 * K);
	assert_int_equal(sgh_budget_spare(budget), 40 * K);
	use_a_block(budget, 36 * K);
	assert_int_equal(sgh_budget_spare(budget), 40 * K);
	/* That would be a waste of it. */
	use_a_block(budget, 20 * K);
	assert_int_equal(sgh_budget_spare(budget), 60 * K);
	/* What is small is not worth it. */
	use_a_block(budget, K);
	assert_int_equal(sgh_budget_spare(budget), 60 * K);
	sgh_budget_release(budget, K);
}

static void nobody_waits_for_what_is_spare(void **state)
{
	struct sgh_budget *budget = *state;

	sgh_budget_force(budget, K);
	use_a_block(budget, 60 * K);
	use_a_block(budget, 30 * K);
	/* The longest unused goes first. */
	assert_true(sgh_budget_try(budget, 69 * K));
	assert_int_equal(sgh_budget_spare(budget), 30 * K);
	assert_true(sgh_budget_try(budget, 30 * K));
	sgh_budget_release(budget, 100 * K);
}

static void who_is_about_to_use_a_block_finds_it(void **state)
{
	struct sgh_budget *budget = *state;

	sgh_budget_force(budget, 60 * K);
	use_a_block(budget, 40 * K);
	assert_true(sgh_budget_try(budget, 40 * K));
	assert_int_equal(sgh_budget_spare(budget), 40 * K);
	/* Those that use it for something else do not keep it from going. */
	sgh_budget_force(budget, K);
	assert_int_equal(sgh_budget_spare(budget), 0);
	sgh_budget_release(budget, 101 * K);
}

static void idle_it_keeps_an_eighth(void **state)
{
	struct sgh_budget *budget = *state;

	use_a_block(budget, 40 * K);
	assert_int_equal(sgh_budget_spare(budget), 0);
	use_a_block(budget, 12 * K);
	assert_int_equal(sgh_budget_spare(budget), 12 * K);
}

static const struct CMUnitTest tests[] = {
	CASE(never_over_the_limit),
	CASE(one_larger_than_all_goes_alone),
	CASE(waiters_go_in_turn),
	CASE(who_holds_memory_goes_first),
	CASE(leaving_lets_the_next_one_in),
	CASE(what_arrives_leaves_a_quarter),
	CASE(what_arrives_keeps_its_turn),
	CASE(one_arrival_larger_than_all_goes_alone),
	CASE(first_pieces_have_a_share_of_their_own),
	CASE(who_is_patient_lets_others_pass),
	CASE(it_is_known_how_long_somebody_waits),
	CASE(nobody_waits_for_what_is_kept),
	CASE(no_more_is_kept_than_there_is_room_for),
	CASE(nothing_is_kept_while_somebody_waits),
	CASE(a_block_serves_again),
	CASE(nobody_waits_for_what_is_spare),
	CASE(who_is_about_to_use_a_block_finds_it),
	CASE(idle_it_keeps_an_eighth),
};

t_main(tests)
