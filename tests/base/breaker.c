/* SPDX-License-Identifier: MIT */
#include "base/breaker.h"

#include "support/t.h"

static void opens_after_failures_in_a_row(void **state)
{
	struct sgh_breaker breaker;

	sgh_breaker_init(&breaker, 2, NULL);
	sgh_breaker_failure(&breaker);
	sgh_breaker_success(&breaker);
	sgh_breaker_failure(&breaker);
	assert_true(sgh_breaker_allow(&breaker));
	sgh_breaker_failure(&breaker);
	assert_false(sgh_breaker_allow(&breaker));
	assert_true(sgh_breaker_open_ms(&breaker) > 0);
	sgh_breaker_fini(&breaker);
}

static void one_that_is_lost_keeps_nobody_out(void **state)
{
	struct sgh_breaker breaker;

	sgh_breaker_init(&breaker, 1, NULL);
	sgh_breaker_failure(&breaker);
	for (unsigned i = 0; i < 3; i++)
		t_wait(sgh_breaker_allow(&breaker));
	assert_int_equal(sgh_breaker_state(&breaker), SGH_BREAKER_OPEN);
	sgh_breaker_fini(&breaker);
}

static void doubt_does_not_open_it(void **state)
{
	struct sgh_breaker breaker;

	sgh_breaker_init(&breaker, 2, NULL);
	assert_false(sgh_breaker_probe(&breaker));
	for (unsigned i = 0; i < 3; i++)
		sgh_breaker_doubt(&breaker);
	assert_int_equal(sgh_breaker_state(&breaker), SGH_BREAKER_FAILING);
	assert_true(sgh_breaker_probe(&breaker));
	assert_false(sgh_breaker_probe(&breaker));
	assert_true(sgh_breaker_allow(&breaker));
	sgh_breaker_success(&breaker);
	assert_int_equal(sgh_breaker_state(&breaker), SGH_BREAKER_CLOSED);
	sgh_breaker_fini(&breaker);
}

static void lets_one_through_after_a_while(void **state)
{
	struct sgh_breaker breaker;

	sgh_breaker_init(&breaker, 1, NULL);
	sgh_breaker_failure(&breaker);
	t_wait(sgh_breaker_allow(&breaker));
	assert_false(sgh_breaker_allow(&breaker));
	sgh_breaker_success(&breaker);
	assert_true(sgh_breaker_allow(&breaker));
	assert_int_equal(sgh_breaker_open_ms(&breaker), 0);
	sgh_breaker_fini(&breaker);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(opens_after_failures_in_a_row),
	cmocka_unit_test(one_that_is_lost_keeps_nobody_out),
	cmocka_unit_test(doubt_does_not_open_it),
	cmocka_unit_test(lets_one_through_after_a_while),
};

t_main(tests)
