/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include "support/t.h"

static void writes_rfc3339(void **state)
{
	char text[SGH_RFC3339_SIZE];

	sgh_rfc3339(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	sgh_rfc3339(1709164799999, text);
	assert_string_equal(text, "2024-02-28T23:59:59.999Z");
}

static void reads_what_it_writes(void **state)
{
	for (int64_t ms = 0; ms < 4102444800000; ms += 86399999 * 7) {
		char text[SGH_RFC3339_SIZE];
		int64_t back = -1;

		sgh_rfc3339(ms, text);
		assert_true(sgh_rfc3339_parse(text, &back));
		assert_int_equal(back, ms);
	}
}

static void reads_offsets_and_fractions(void **state)
{
	int64_t ms;

	assert_true(sgh_rfc3339_parse("1970-01-01T01:00:00.5+01:00", &ms));
	assert_int_equal(ms, 500);
	assert_true(sgh_rfc3339_parse("1969-12-31t23:00:00.123456789-01:00", &ms));
	assert_int_equal(ms, 123);
}

static void refuses_what_is_no_time(void **state)
{
	static const char *const bad[] = { "",
					   "2024-02-30T00:00:00Z",
					   "2023-02-29T00:00:00Z",
					   "2024-01-01T24:00:00Z",
					   "2024-01-01T00:00:00",
					   "2024-01-01T00:00:00.Z",
					   "2024-01-01T00:00:00Zx",
					   "2024-13-01T00:00:00Z" };
	int64_t ms;

	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		if (sgh_rfc3339_parse(bad[i], &ms))
			fail_msg("took %s", bad[i]);
}

static void writes_and_reads_http_dates(void **state)
{
	char text[SGH_HTTP_DATE_SIZE];
	int64_t ms;

	sgh_http_date(784111777000, text);
	assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_true(sgh_http_date_parse(text, &ms));
	assert_true(ms == 784111777000);
	/* The other two that a recipient has to understand (RFC 9110, section 5.6.7). */
	assert_true(sgh_http_date_parse("Sunday, 06-Nov-94 08:49:37 GMT", &ms));
	assert_int_equal(ms, 784111777000);
	ms = 0;
	assert_true(sgh_http_date_parse("Sun Nov  6 08:49:37 1994", &ms));
	assert_int_equal(ms, 784111777000);
	assert_true(sgh_http_date_parse("Wed Nov 16 08:49:37 1994", &ms));
	assert_int_equal(ms, 784111777000 + 10 * 86400000LL);
	assert_false(sgh_http_date_parse("Sunday, 06-Nov-1994 08:49:37 GMT", &ms));
	assert_false(sgh_http_date_parse("Sunday, 31-Jun-94 08:49:37 GMT", &ms));
	assert_false(sgh_http_date_parse("Sun Nov 6 08:49:37 1994", &ms));
	assert_false(sgh_http_date_parse("Sun Nov  6 08:49:37 1994 GMT", &ms));
}

static void foreign_deadlines_saturate(void **state)
{
	assert_true(sgh_deadline_from_unix(SGH_NEVER) == SGH_NEVER);
	assert_true(sgh_deadline_from_unix(SGH_NEVER - 1) > sgh_now_ms());
	assert_true(sgh_deadline_from_unix(INT64_MIN) <= 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(writes_rfc3339),
	cmocka_unit_test(reads_what_it_writes),
	cmocka_unit_test(reads_offsets_and_fractions),
	cmocka_unit_test(refuses_what_is_no_time),
	cmocka_unit_test(writes_and_reads_http_dates),
	cmocka_unit_test(foreign_deadlines_saturate),
};

t_main(tests)
