/* SPDX-License-Identifier: MIT */
#include "support/t.h"

#include "rest/conditions.h"

#define ETAG "\"abc\""
/* Fri, 02 Jan 2026 03:04:05.678 GMT */
#define MODIFIED INT64_C(1767323045678)

static const char same[] = "Fri, 02 Jan 2026 03:04:05 GMT";
static const char earlier[] = "Fri, 02 Jan 2026 03:04:04 GMT";
static const char later[] = "Fri, 02 Jan 2026 03:04:06 GMT";

static void ranges(void **state)
{
	static const struct {
		const char *range;
		unsigned http;
		uint64_t first;
		uint64_t length;
	} table[] = {
		{ "bytes=0-0", 206, 0, 1 },
		{ "bytes=0-", 206, 0, 10 },
		{ "bytes=9-9", 206, 9, 1 },
		{ "bytes=3-99", 206, 3, 7 },
		{ "BYTES=1-2", 206, 1, 2 },
		{ "bytes= 1-2 ", 206, 1, 2 },
		{ "bytes=-3", 206, 7, 3 },
		{ "bytes=-10", 206, 0, 10 },
		{ "bytes=-99", 206, 0, 10 },
		{ "bytes=0-99999999999999999999999", 206, 0, 10 },
		{ "bytes=10-", 416, 0, 0 },
		{ "bytes=99-100", 416, 0, 0 },
		{ "bytes=99999999999999999999999-", 416, 0, 0 },
		{ "bytes=-0", 416, 0, 0 },
		{ "bytes=2-1", 200, 0, 0 },
		{ "bytes=0-1,3-4", 200, 0, 0 },
		{ "bytes=", 200, 0, 0 },
		{ "bytes=-", 200, 0, 0 },
		{ "bytes=a-b", 200, 0, 0 },
		{ "bytes=1", 200, 0, 0 },
		{ "bytes=1-2x", 200, 0, 0 },
		{ "bytes=--1", 200, 0, 0 },
		{ "lines=0-1", 200, 0, 0 },
		{ "", 200, 0, 0 },
	};

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		struct sgh_conditions conditions = { .range = table[i].range };
		struct sgh_part part = { 0 };
		unsigned http = sgh_conditions_check(&conditions, ETAG, MODIFIED, 10,
						     false, &part);

		if (http != table[i].http || part.first != table[i].first ||
		    part.length != table[i].length)
			fail_msg("%s: %u, %llu+%llu", table[i].range, http,
				 (unsigned long long)part.first,
				 (unsigned long long)part.length);
	}
}

static void an_empty_object_has_no_ranges(void **state)
{
	struct sgh_conditions conditions = { .range = "bytes=0-" };
	struct sgh_part part = { 0 };

	assert_int_equal(
		sgh_conditions_check(&conditions, ETAG, MODIFIED, 0, false, &part), 416);
	conditions.range = "bytes=-1";
	assert_int_equal(
		sgh_conditions_check(&conditions, ETAG, MODIFIED, 0, false, &part), 416);
}

static void head_ignores_a_range(void **state)
{
	struct sgh_conditions conditions = { .range = "bytes=0-0" };
	struct sgh_part part = { 0 };

	assert_int_equal(
		sgh_conditions_check(&conditions, ETAG, MODIFIED, 10, true, &part), 200);
}

static void if_range_guards_a_range(void **state)
{
	static const struct {
		const char *if_range;
		unsigned http;
	} table[] = {
		{ ETAG, 206 },    { "\"x\"", 200 }, { "W/" ETAG, 200 }, { same, 206 },
		{ earlier, 200 }, { later, 200 },   { "soon", 200 },    { "", 200 },
	};

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		struct sgh_conditions conditions = { .range = "bytes=0-0",
						     .if_range = table[i].if_range };
		struct sgh_part part = { 0 };

		assert_int_equal(sgh_conditions_check(&conditions, ETAG, MODIFIED, 10,
						      false, &part),
				 table[i].http);
	}
}

static void conditions(void **state)
{
	static const struct {
		struct sgh_conditions conditions;
		unsigned http;
	} table[] = {
		{ { .if_none_match = ETAG }, 304 },
		{ { .if_none_match = "W/" ETAG }, 304 },
		{ { .if_none_match = "*" }, 304 },
		{ { .if_none_match = "\"x\", W/\"y\" ," ETAG }, 304 },
		{ { .if_none_match = "\"x\"" }, 200 },
		{ { .if_none_match = "abc" }, 200 },
		{ { .if_none_match = "\"abc" }, 200 },
		{ { .if_none_match = "" }, 200 },
		{ { .if_none_match = "\"x\"", .if_modified_since = later }, 200 },
		{ { .if_modified_since = same }, 304 },
		{ { .if_modified_since = later }, 304 },
		{ { .if_modified_since = earlier }, 200 },
		{ { .if_modified_since = "soon" }, 200 },
		{ { .if_match = ETAG }, 200 },
		{ { .if_match = "*" }, 200 },
		{ { .if_match = "W/" ETAG }, 412 },
		{ { .if_match = "\"x\"" }, 412 },
		{ { .if_match = "\"x\"", .if_none_match = ETAG }, 412 },
		{ { .if_match = ETAG, .if_none_match = ETAG }, 304 },
		{ { .if_unmodified_since = same }, 200 },
		{ { .if_unmodified_since = earlier }, 412 },
		{ { .if_unmodified_since = "soon" }, 200 },
		{ { .if_match = ETAG, .if_unmodified_since = earlier }, 200 },
		{ { .range = "bytes=0-0", .if_none_match = ETAG }, 304 },
	};

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		struct sgh_part part = { 0 };
		unsigned http = sgh_conditions_check(&table[i].conditions, ETAG, MODIFIED,
						     10, false, &part);

		if (http != table[i].http)
			fail_msg("row %zu: %u", i, http);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(ranges),
	cmocka_unit_test(an_empty_object_has_no_ranges),
	cmocka_unit_test(head_ignores_a_range),
	cmocka_unit_test(if_range_guards_a_range),
	cmocka_unit_test(conditions),
};

t_main(tests)
