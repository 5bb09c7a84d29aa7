/* SPDX-License-Identifier: MIT */
#include "rest/pace.h"

#include "support/t.h"

/* Who has to go when memory is short. */

static const struct sgh_shortage nobody_waits;

static void it_is_measured_over_a_second(void **state)
{
	struct sgh_pace pace;

	sgh_pace_begin(&pace, 1000, 50);
	sgh_pace_count(&pace, 1900, 5000);
	assert_int_equal(pace.rate, -1);
	sgh_pace_count(&pace, 2250, 1300);
	assert_int_equal(pace.rate, 1000);
	sgh_pace_count(&pace, 3250, 1300);
	assert_int_equal(pace.rate, 0);
}

/* When the whole machine stood still it says nothing. */
static void a_late_look_begins_anew(void **state)
{
	struct sgh_pace pace;

	sgh_pace_begin(&pace, 1000, 0);
	sgh_pace_count(&pace, 2000, 7);
	sgh_pace_count(&pace, 9000, 7);
	assert_int_equal(pace.rate, -1);
}

static void the_longer_the_wait_the_faster(void **state)
{
	assert_int_equal(sgh_pace_shortage(0, 0).rate, 0);
	assert_int_equal(sgh_pace_shortage(999, 1 << 20).rate, 0);
	assert_int_equal(sgh_pace_shortage(1000, 1 << 20).rate, 8192);
	assert_int_equal(sgh_pace_shortage(10000, 1 << 20).rate, 81920);
}

static void who_holds_much_and_is_slow_has_to_go(void **state)
{
	static const struct {
		int64_t rate;
		int64_t waited_ms;
		size_t holds;
		bool behind;
	} table[] = {
		{ 0, 2000, 1 << 20, true },      { 16383, 2000, 1 << 20, true },
		{ 16384, 2000, 1 << 20, false }, { -1, 2000, 1 << 20, false },
		{ 0, 2000, 0, false },           { 0, 2000, (1 << 14) - 1, false },
		{ 0, 2000, 1 << 14, true },      { 0, 500, 1 << 20, false },
	};

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		const struct sgh_pace pace = { .at_ms = 1, .rate = table[i].rate };
		const struct sgh_shortage shortage =
			sgh_pace_shortage(table[i].waited_ms, 1 << 20);

		assert_int_equal(sgh_pace_is_behind(&pace, &shortage, table[i].holds),
				 table[i].behind);
		assert_false(sgh_pace_is_behind(&pace, &nobody_waits, table[i].holds));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(it_is_measured_over_a_second),
	cmocka_unit_test(a_late_look_begins_anew),
	cmocka_unit_test(the_longer_the_wait_the_faster),
	cmocka_unit_test(who_holds_much_and_is_slow_has_to_go),
};

t_main(tests)
