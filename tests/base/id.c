/* SPDX-License-Identifier: MIT */
#include "base/id.h"

#include "support/t.h"

static void version_7_ascends(void **state)
{
	struct sgh_id_source source;
	char last[SANGRAHA_ID_SIZE] = "";

	sgh_id_source_init(&source);
	for (int i = 0; i < 100000; i++) {
		char id[SANGRAHA_ID_SIZE];

		sgh_id_v7(&source, id);
		assert_true(sangraha_id_valid(id));
		assert_int_equal(sgh_id_version(id), 7);
		assert_true(strchr("89ab", id[19]));
		assert_true(strcmp(last, id) < 0);
		memcpy(last, id, sizeof(last));
	}
	sgh_id_source_fini(&source);
}

static void a_full_counter_borrows_from_the_future(void **state)
{
	struct sgh_id_source source;
	char a[SANGRAHA_ID_SIZE];
	char b[SANGRAHA_ID_SIZE];

	sgh_id_source_init(&source);
	source.last_ms = (uint64_t)sgh_time_ms() + 60000;
	source.counter = (1u << 26) - 2;
	sgh_id_v7(&source, a);
	sgh_id_v7(&source, b);
	assert_true(strcmp(a, b) < 0);
	assert_int_equal(sgh_id_version(b), 7);
	sgh_id_source_fini(&source);
}

static void a_key_gives_the_same_id_everywhere(void **state)
{
	char id[SANGRAHA_ID_SIZE];

	t_ok(sangraha_id_from_key("order-4711", id, &t_err));
	assert_string_equal(id, "537286ed-8e02-5edc-b99b-ff72f51b4b28");
	assert_int_equal(sgh_id_version(id), 5);
	t_fails(SANGRAHA_E_INVALID, sangraha_id_from_key("", id, &t_err));
}

static void tells_ids_from_other_text(void **state)
{
	assert_true(sangraha_id_valid("0199f2c4-0000-7000-8000-000000000000"));
	assert_false(sangraha_id_valid("0199F2C4-0000-7000-8000-000000000000"));
	assert_false(sangraha_id_valid("0199f2c4-0000-7000-8000-00000000000"));
	assert_false(sangraha_id_valid("0199f2c4-0000-7000-8000-0000000000000"));
	assert_false(sangraha_id_valid("../../../../etc/passwd"));
	assert_false(sangraha_id_valid(NULL));
}

static void splits_references(void **state)
{
	char type[SANGRAHA_TYPE_SIZE];
	char id[SANGRAHA_ID_SIZE];

	t_ok(sangraha_reference_parse("image/0199f2c4-0000-7000-8000-000000000000", type,
				      id, &t_err));
	assert_string_equal(type, "image");
	assert_string_equal(id, "0199f2c4-0000-7000-8000-000000000000");
	t_fails(SANGRAHA_E_INVALID,
		sangraha_reference_parse("../0199f2c4-0000-7000-8000-000000000000", type,
					 id, &t_err));
	t_fails(SANGRAHA_E_INVALID, sangraha_reference_parse("image", type, id, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_reference_parse("2d/0199f2c4-0000-7000-8000-000000000000", type,
					 id, &t_err));
}

static void knows_request_ids(void **state)
{
	char text[130];

	memset(text, 'a', 129);
	text[129] = '\0';
	assert_false(sgh_request_id_valid(text));
	text[128] = '\0';
	assert_true(sgh_request_id_valid(text));
	assert_false(sgh_request_id_valid(""));
	assert_false(sgh_request_id_valid("a b"));
	assert_false(sgh_request_id_valid("a\r\nX: y"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(version_7_ascends),
	cmocka_unit_test(a_full_counter_borrows_from_the_future),
	cmocka_unit_test(a_key_gives_the_same_id_everywhere),
	cmocka_unit_test(tells_ids_from_other_text),
	cmocka_unit_test(splits_references),
	cmocka_unit_test(knows_request_ids),
};

t_main(tests)
