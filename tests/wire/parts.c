/* SPDX-License-Identifier: MIT */
#include "wire/parts.h"

#include "support/t.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

/* ---- the plan of a known length ---- */

/* Walk the whole plan and hold it against S3's limits. */
static void known(uint64_t length)
{
	struct sgh_parts_plan plan = { .length = (int64_t)length, .most = 1 };
	unsigned count = sgh_parts_count(&plan);
	uint64_t total = 0;

	assert_true(count <= SGH_PARTS_MAX);
	for (unsigned number = 1; number <= count; number++) {
		uint64_t size = sgh_parts_size(&plan, number);

		total += size;
		assert_true(size >= 1 && size <= SGH_PART_MAX);
		if (number < count) {
			assert_true(size >= SGH_PART_MIN);
			assert_true(size % MIB == 0);
			assert_true(size == sgh_parts_size(&plan, 1));
		}
	}
	assert_true(total == length);
	assert_int_equal(sgh_parts_size(&plan, count + 1), 0);
	assert_int_equal(sgh_parts_size(&plan, 0), 0);
	assert_true(sgh_parts_capacity(&plan) == length);
}

/* The size is the smallest: with a MiB less there would be too many parts. */
static void is_smallest(uint64_t length)
{
	struct sgh_parts_plan plan = { .length = (int64_t)length };
	uint64_t size = sgh_parts_size(&plan, 1);

	if (size > SGH_PART_MIN && sgh_parts_count(&plan) > 1)
		assert_true((length + size - MIB - 1) / (size - MIB) > SGH_PARTS_MAX);
}

static void lengths_around_the_first_part(void **state)
{
	known(0);
	known(1);
	for (uint64_t n = 1; n <= 20; n++)
		for (int off = -2; off <= 2; off++)
			known(n * SGH_PART_MIN + (uint64_t)off);
}

/* Each length at which the size of the parts grows, up to the largest object. */
static void lengths_around_each_size(void **state)
{
	for (uint64_t size = SGH_PART_MIN; size < 524 * MIB; size += MIB)
		for (int off = -1; off <= 1; off++) {
			uint64_t length = size * SGH_PARTS_MAX + (uint64_t)off;
			struct sgh_parts_plan plan = { .length = (int64_t)length };

			known(length);
			is_smallest(length);
			assert_true(sgh_parts_size(&plan, 1) ==
				    (off > 0 ? size + MIB : size));
		}
}

/* Each number of parts, where one byte more makes one part more. */
static void lengths_around_each_count(void **state)
{
	for (uint64_t n = 1; n <= SGH_PARTS_MAX; n++) {
		struct sgh_parts_plan plan = { .length = (int64_t)(n * SGH_PART_MIN) };

		assert_int_equal(sgh_parts_count(&plan), n);
		plan.length--;
		assert_int_equal(sgh_parts_count(&plan), n);
		assert_true(sgh_parts_size(&plan, (unsigned)n) == SGH_PART_MIN - 1);
		plan.length += 2;
		if (n < SGH_PARTS_MAX) {
			assert_int_equal(sgh_parts_count(&plan), n + 1);
			assert_int_equal(sgh_parts_size(&plan, (unsigned)n + 1), 1);
		} else {
			assert_true(sgh_parts_size(&plan, 1) == 6 * MIB);
		}
	}
}

static void the_largest_object(void **state)
{
	struct sgh_parts_plan plan = { .length = (int64_t)SGH_OBJECT_MAX };

	known(SGH_OBJECT_MAX - 1);
	known(SGH_OBJECT_MAX);
	assert_true(sgh_parts_size(&plan, 1) == 525 * MIB);
	assert_int_equal(sgh_parts_count(&plan), 9987);
	plan.length++;
	assert_int_equal(sgh_parts_count(&plan), 0);
	assert_int_equal(sgh_parts_size(&plan, 1), 0);
	assert_true(sgh_parts_capacity(&plan) == SGH_OBJECT_MAX);
	plan.length = INT64_MAX;
	assert_int_equal(sgh_parts_count(&plan), 0);
	assert_true(sgh_parts_capacity(&plan) == SGH_OBJECT_MAX);
}

static void all_the_rest_may_be_one(void **state)
{
	static const uint64_t lengths[] = { 2 * SGH_PART_MIN, 2 * SGH_PART_MIN + 1,
					    64 * MIB, SGH_PART_MIN + SGH_PART_MAX };

	for (size_t i = 0; i < SGH_COUNT(lengths); i++) {
		struct sgh_parts_plan plan = {
			.length = (int64_t)lengths[i],
			.rest_in_one = true,
		};

		assert_int_equal(sgh_parts_count(&plan), 2);
		assert_true(sgh_parts_size(&plan, 1) == SGH_PART_MIN);
		assert_true(sgh_parts_size(&plan, 2) == lengths[i] - SGH_PART_MIN);
		assert_int_equal(sgh_parts_size(&plan, 3), 0);
		assert_true(sgh_parts_capacity(&plan) == lengths[i]);
	}
}

static void one_part_has_no_rest(void **state)
{
	struct sgh_parts_plan plan = { .length = 5 * MIB, .rest_in_one = true };

	assert_int_equal(sgh_parts_count(&plan), 1);
	assert_true(sgh_parts_size(&plan, 1) == 5 * MIB);
	assert_int_equal(sgh_parts_size(&plan, 2), 0);
}

/* ---- the plan of an unknown length ---- */

/* Walk the whole plan: sizes grow, none is over `most`, all together are the capacity. */
static void unknown(uint64_t most)
{
	struct sgh_parts_plan plan = { .length = -1, .most = most };
	uint64_t largest = most < SGH_PART_MIN ? SGH_PART_MIN : most;
	uint64_t capacity = sgh_parts_capacity(&plan);
	uint64_t before = 0;
	uint64_t total = 0;

	assert_int_equal(sgh_parts_count(&plan), SGH_PARTS_MAX);
	for (unsigned number = 1; number <= SGH_PARTS_MAX; number++) {
		uint64_t size = sgh_parts_size(&plan, number);

		total += size;
		assert_true(size <= largest && size <= SGH_PART_MAX);
		assert_true(size >= SGH_PART_MIN || total == capacity);
		assert_true(size >= before || total == capacity);
		if (number <= 1000)
			assert_true(size == SGH_PART_MIN);
		before = size;
	}
	assert_true(total == capacity);
	assert_true(capacity <= SGH_OBJECT_MAX);
	assert_int_equal(sgh_parts_size(&plan, SGH_PARTS_MAX + 1), 0);
	assert_int_equal(sgh_parts_size(&plan, UINT32_MAX), 0);
}

static void unknown_lengths(void **state)
{
	static const uint64_t most[] = {
		0,
		1,
		SGH_PART_MIN - 1,
		SGH_PART_MIN,
		SGH_PART_MIN + 1,
		8 * MIB,
		10 * MIB,
		10 * MIB + 1,
		64 * MIB,
		500 * MIB,
		530 * MIB,
		600 * MIB,
		700 * MIB,
		SGH_PART_MAX - 1,
		SGH_PART_MAX,
		SGH_PART_MAX + 1,
		UINT64_MAX,
	};

	for (size_t i = 0; i < SGH_COUNT(most); i++)
		unknown(most[i]);
}

static uint64_t capacity(uint64_t most)
{
	struct sgh_parts_plan plan = { .length = -1, .most = most };

	return sgh_parts_capacity(&plan);
}

static void capacities_are_exact(void **state)
{
	assert_true(capacity(0) == 50000 * MIB);
	assert_true(capacity(8 * MIB) == (1000 * 5 + 9000 * 8) * MIB);
	assert_true(capacity(16 * MIB) == (1000 * 5 + 250 * 10 + 8750 * 16) * MIB);
	assert_true(capacity(64 * MIB) ==
		    (1000 * 5 + 250 * (10 + 20 + 40) + 8250 * 64) * MIB);
	assert_true(capacity(SGH_PART_MAX) == 5 * TIB);
	assert_true(capacity(GIB) == 5 * TIB);
}

/* ---- the document ---- */

static int read_parts(const char *json, struct sgh_arena *arena, struct sgh_part **parts,
		      size_t *count)
{
	return sgh_parts_parse(json, strlen(json), arena, parts, count, &t_err);
}

static void the_document_is_as_published(void **state)
{
	static const struct sgh_part parts[] = {
		{ 1, SGH_PART_MIN, "\"a1\"" },
		{ 2, 7, "b\\2" },
	};
	sgh_autobuf struct sgh_buf buf = { 0 };
	struct sgh_arena arena = { 0 };
	struct sgh_part *back = NULL;
	size_t count = 0;

	sgh_parts_write(parts, 2, &buf);
	assert_string_equal(
		buf.data,
		"{\"parts\":[{\"number\":1,\"size\":5242880,\"etag\":\"\\\"a1\\\"\"},"
		"{\"number\":2,\"size\":7,\"etag\":\"b\\\\2\"}]}");
	t_ok(read_parts(buf.data, &arena, &back, &count));
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(back[i].number, parts[i].number);
		assert_true(back[i].size == parts[i].size);
		assert_string_equal(back[i].etag, parts[i].etag);
	}
	sgh_arena_fini(&arena);
}

/* `count` parts with the longest etags, of which quotes are the longest to write. */
static struct sgh_part *most_parts(size_t count, uint64_t size)
{
	static char etag[SGH_PART_ETAG_MAX + 1];
	struct sgh_part *parts = calloc(count, sizeof(*parts));

	assert_non_null(parts);
	memset(etag, '"', SGH_PART_ETAG_MAX);
	for (size_t i = 0; i < count; i++)
		parts[i] = (struct sgh_part){ (unsigned)i + 1, size, etag };
	return parts;
}

static int there_and_back(size_t count, uint64_t size)
{
	sgh_autofree struct sgh_part *parts = most_parts(count, size);
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(SGH_PARTS_TEXT_MAX);
	struct sgh_arena arena = { .max = SGH_PARTS_ARENA_MAX };
	struct sgh_part *back = NULL;
	size_t back_count = 0;
	int status;

	sgh_parts_write(parts, count, &buf);
	assert_false(buf.failed);
	status =
		sgh_parts_parse(buf.data, buf.length, &arena, &back, &back_count, &t_err);
	if (status == 0) {
		assert_int_equal(back_count, count);
		assert_int_equal(back[count - 1].number, count);
		assert_string_equal(back[count - 1].etag, parts[0].etag);
	}
	sgh_arena_fini(&arena);
	return status;
}

static void as_many_as_there_may_be(void **state)
{
	t_ok(there_and_back(SGH_PARTS_MAX, 524 * MIB));
	t_fails(SANGRAHA_E_INVALID, there_and_back(SGH_PARTS_MAX + 1, SGH_PART_MIN));
	t_says("not 1 to 10000");
	t_ok(there_and_back(1024, SGH_PART_MAX));
	t_fails(SANGRAHA_E_INVALID, there_and_back(1025, SGH_PART_MAX));
	t_says("more than");
}

static void refuses_what_are_no_parts(void **state)
{
#define PART(number, size, etag) \
	"{\"number\":" number ",\"size\":" size ",\"etag\":" etag "}"
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"parts\":null}",
		"{\"parts\":{}}",
		"{\"parts\":5}",
		"{\"parts\":[]}",
		"{\"parts\":[5]}",
		"{\"parts\":[{}]}",
		"{\"parts\":[" PART("1", "7", "\"a\"") "]",
		"{\"parts\":[" PART("0", "7", "\"a\"") "]}",
		"{\"parts\":[" PART("2", "7", "\"a\"") "]}",
		"{\"parts\":[" PART("1.5", "7", "\"a\"") "]}",
		"{\"parts\":[" PART("\"1\"", "7", "\"a\"") "]}",
		"{\"parts\":[" PART("1", "0", "\"a\"") "]}",
		"{\"parts\":[" PART("1", "-7", "\"a\"") "]}",
		"{\"parts\":[" PART("1", "5368709121", "\"a\"") "]}",
		"{\"parts\":[" PART("1", "7", "\"\"") "]}",
		"{\"parts\":[" PART("1", "7", "null") "]}",
		"{\"parts\":[" PART("1", "7", "\"a\\r\\nb\"") "]}",
		"{\"parts\":[" PART("1", "7", "\"\\u00fc\"") "]}",
		/* too small for one that is not the last; twice the same; a gap */
		"{\"parts\":[" PART("1", "5242879", "\"a\"") "," PART("2", "1",
								      "\"b\"") "]}",
		"{\"parts\":[" PART("1", "5242880", "\"a\"") "," PART("1", "1",
								      "\"b\"") "]}",
		"{\"parts\":[" PART("1", "5242880", "\"a\"") "," PART("3", "1",
								      "\"b\"") "]}",
	};
	struct sgh_arena arena = { 0 };
	struct sgh_part *parts = NULL;
	size_t count = 99;

	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		t_fails(SANGRAHA_E_INVALID, read_parts(bad[i], &arena, &parts, &count));
	assert_null(parts);
	assert_int_equal(count, 99);
	sgh_arena_fini(&arena);
}

static void an_etag_has_a_bound(void **state)
{
	struct sgh_arena arena = { 0 };
	struct sgh_part *parts = NULL;
	size_t count = 0;
	char json[512];

	for (int length = SGH_PART_ETAG_MAX; length <= SGH_PART_ETAG_MAX + 1; length++) {
		snprintf(json, sizeof(json),
			 "{\"parts\":[{\"number\":1,\"size\":1,\"etag\":\"%0*d\"}]}",
			 length, 7);
		if (length == SGH_PART_ETAG_MAX)
			t_ok(read_parts(json, &arena, &parts, &count));
		else
			t_fails(SANGRAHA_E_INVALID,
				read_parts(json, &arena, &parts, &count));
	}
	sgh_arena_fini(&arena);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(lengths_around_the_first_part),
	cmocka_unit_test(lengths_around_each_size),
	cmocka_unit_test(lengths_around_each_count),
	cmocka_unit_test(the_largest_object),
	cmocka_unit_test(all_the_rest_may_be_one),
	cmocka_unit_test(one_part_has_no_rest),
	cmocka_unit_test(unknown_lengths),
	cmocka_unit_test(capacities_are_exact),
	cmocka_unit_test(the_document_is_as_published),
	cmocka_unit_test(as_many_as_there_may_be),
	cmocka_unit_test(refuses_what_are_no_parts),
	cmocka_unit_test(an_etag_has_a_bound),
};

t_main(tests)
