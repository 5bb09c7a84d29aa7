/* SPDX-License-Identifier: MIT */
#include "wire/record.h"

#include "support/t.h"

#define ID "0199f2c4-0000-7000-8000-0123456789ab"

static void makes_keys(void **state)
{
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_operation(key, ID);
	assert_string_equal(key, "operation/" ID);
	sgh_record_key_deleted(key, "a2345678901234567890123456789012", ID);
	assert_string_equal(key, "deleted/a2345678901234567890123456789012/" ID);
}

static struct sgh_record parsed(const void *json, size_t length)
{
	struct sgh_record record;

	t_ok(sgh_record_parse(json, length, &record, &t_err));
	return record;
}

static void comes_back_whole(void **state)
{
	struct sgh_record record = {
		.operation_id = ID,
		.type = "json",
		.sha256 = "ab",
		.code = "rejected",
		.message = "a \"comma\" is missing — über",
		.declared = "application/json",
		.detected = "text/plain",
		.rule = "json.comma",
		.offset = (int64_t)1 << 53,
		.created_ms = 1767323045678,
		.expires_ms = 1767409445678,
	};
	sgh_autobytes struct sgh_bytes *bytes = NULL;
	struct sgh_record back;

	t_ok(sgh_record_write(&record, &bytes, &t_err));
	back = parsed(bytes->data, bytes->length);
	assert_string_equal(back.operation_id, ID);
	assert_string_equal(back.type, "json");
	assert_string_equal(back.sha256, "ab");
	assert_string_equal(back.code, "rejected");
	assert_string_equal(back.message, record.message);
	assert_string_equal(back.declared, "application/json");
	assert_string_equal(back.detected, "text/plain");
	assert_string_equal(back.rule, "json.comma");
	assert_true(back.offset == record.offset);
	assert_true(back.created_ms == record.created_ms);
	assert_true(back.expires_ms == record.expires_ms);
	sgh_record_fini(&back);
}

static void absent_members_stay_absent(void **state)
{
	struct sgh_record record = { .offset = -1 };
	sgh_autobytes struct sgh_bytes *bytes = NULL;
	struct sgh_record back;

	t_ok(sgh_record_write(&record, &bytes, &t_err));
	t_same_bytes(bytes, "{\"sangraha\":1}");
	back = parsed(bytes->data, bytes->length);
	assert_null(back.operation_id);
	assert_null(back.rule);
	assert_int_equal(back.offset, -1);
	assert_int_equal(back.expires_ms, 0);
	sgh_record_fini(&back);
}

static void later_members_are_ignored(void **state)
{
	static const char json[] = "{\"sangraha\":1,\"upload\":{\"parts\":[1]},\"x\":2}";
	struct sgh_record back = parsed(json, strlen(json));

	sgh_record_fini(&back);
}

static void refuses_what_is_no_record(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"{\"sangraha\":2}",
		"{\"sangraha\":\"1\"}",
		"{\"sangraha\":1",
		"{\"sangraha\":1,\"type\":5}",
		"{\"sangraha\":1,\"type\":\"\\u0000\"}",
		"{\"sangraha\":1,\"type\":\"a\",\"type\":\"b\"}",
		"{\"sangraha\":1,\"offset\":\"5\"}",
		"{\"sangraha\":1,\"offset\":-5}",
		"{\"sangraha\":1,\"type\":\"a\",\"expires_ms\":1.5}",
	};
	struct sgh_record record = { .offset = 99 };

	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		t_fails(SANGRAHA_E_INTERNAL,
			sgh_record_parse(bad[i], strlen(bad[i]), &record, &t_err));
	assert_int_equal(record.offset, 99);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(makes_keys),
	cmocka_unit_test(comes_back_whole),
	cmocka_unit_test(absent_members_stay_absent),
	cmocka_unit_test(later_members_are_ignored),
	cmocka_unit_test(refuses_what_is_no_record),
};

t_main(tests)
