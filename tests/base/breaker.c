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

static void lets_one_through_after_a_second(void **state)
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
	cmocka_unit_test(lets_one_through_after_a_second),
};

t_main(tests)
