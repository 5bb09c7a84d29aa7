/* SPDX-License-Identifier: MIT */
#include "validate/types.h"

#include "support/judge.h"

static const char *const csv_types[] = { "text/csv", "Application/CSV; a=b", NULL };

static struct sangraha_type csv(void)
{
	return (struct sangraha_type){ .size = sizeof(struct sangraha_type),
				       .name = "csv",
				       .bucket = "tables",
				       .extension = "csv",
				       .mime_types = csv_types,
				       .max_size = 100 };
}

static int set_up(void **state)
{
	return sangraha_types_new(NULL, (struct sangraha_types **)state, &t_err);
}

static int tear_down(void **state)
{
	sangraha_types_unref(*state);
	return 0;
}

static void knows_our_types(void **state)
{
	struct sgh_type_info info;

	assert_string_equal(sangraha_types_name(*state, 0), "json");
	assert_string_equal(sangraha_types_name(*state, 1), "image");
	assert_string_equal(sangraha_types_name(*state, 2), "pdf");
	assert_null(sangraha_types_name(*state, 3));
	t_ok(sgh_types_find(*state, "image", &info, &t_err));
	assert_string_equal(info.bucket, "image");
	assert_string_equal(info.mime_type, "image/png");
	t_fails(SANGRAHA_E_UNSUPPORTED, sgh_types_find(*state, "svg", &info, &t_err));
	t_says("svg");
}

static void lists_types(void **state)
{
	struct sgh_type_info info;

	assert_true(sgh_types_at(*state, 2, &info));
	assert_string_equal(info.extension, "pdf");
	assert_false(sgh_types_at(*state, 3, &info));
}

static void knows_extensions(void **state)
{
	assert_string_equal(sgh_types_extension(*state, "image", "image/jpeg"), "jpg");
	assert_string_equal(sgh_types_extension(*state, "image", "text/html"), "png");
	assert_null(sgh_types_extension(*state, "none", "image/png"));
}

static void copies_what_is_added(void **state)
{
	struct sangraha_type type = csv();
	char name[] = "csv";
	struct sgh_type_info info;

	type.name = name;
	t_ok(sangraha_types_add(*state, &type, &t_err));
	name[0] = 'X';
	t_ok(sgh_types_find(*state, "csv", &info, &t_err));
	assert_string_equal(info.bucket, "tables");
	assert_string_equal(info.mime_type, "text/csv");
	assert_int_equal(info.max_size, 100);
}

static void refuses_what_is_taken(void **state)
{
	static const char *const png[] = { "text/csv", "image/PNG", NULL };
	struct sangraha_type type = csv();

	type.name = "json";
	t_fails(SANGRAHA_E_CONFLICT, sangraha_types_add(*state, &type, &t_err));
	type = csv();
	type.bucket = "pdf";
	t_fails(SANGRAHA_E_CONFLICT, sangraha_types_add(*state, &type, &t_err));
	type = csv();
	type.mime_types = png;
	t_fails(SANGRAHA_E_CONFLICT, sangraha_types_add(*state, &type, &t_err));
	t_says("image/png");
	type = csv();
	t_ok(sangraha_types_add(*state, &type, &t_err));
	t_fails(SANGRAHA_E_CONFLICT, sangraha_types_add(*state, &type, &t_err));
}

static void refuses_aliases_of_ours(void **state)
{
	static const char *const json[] = { "text/json", NULL };
	static const char *const dialect[] = { "application/geo+json", NULL };
	struct sangraha_type type = csv();

	type.mime_types = json;
	t_fails(SANGRAHA_E_CONFLICT, sangraha_types_add(*state, &type, &t_err));
	type.mime_types = dialect;
	t_ok(sangraha_types_add(*state, &type, &t_err));
}

static void refuses_bad_names(void **state)
{
	static const char *const names[] = { "",
					     "meta",
					     "Csv",
					     "1csv",
					     "a/b",
					     "a b",
					     "abcdefghijklmnopqrstuvwxyz0123456" };
	struct sangraha_type type = csv();

	for (size_t i = 0; i < SGH_COUNT(names); i++) {
		type.name = names[i];
		t_fails(SANGRAHA_E_INVALID, sangraha_types_add(*state, &type, &t_err));
	}
	type.name = NULL;
	t_fails(SANGRAHA_E_INVALID, sangraha_types_add(*state, &type, &t_err));
}

static void refuses_bad_members(void **state)
{
	static const char *const none[] = { NULL };
	static const char *const undeclared[] = { "application/octet-stream", NULL };
	struct sangraha_type type = csv();

	type.bucket = "meta";
	t_fails(SANGRAHA_E_INVALID, sangraha_types_add(*state, &type, &t_err));
	type = csv();
	type.extension = "../x";
	t_fails(SANGRAHA_E_INVALID, sangraha_types_add(*state, &type, &t_err));
	type = csv();
	type.mime_types = none;
	t_fails(SANGRAHA_E_INVALID, sangraha_types_add(*state, &type, &t_err));
	type.mime_types = undeclared;
	t_fails(SANGRAHA_E_INVALID, sangraha_types_add(*state, &type, &t_err));
	t_fails(SANGRAHA_E_INVALID, sangraha_types_add(*state, NULL, &t_err));
}

static void refuses_checks_without_a_size(void **state)
{
	static const struct sangraha_type_checks checks = { 0 };
	struct sangraha_type type = csv();

	type.checks = &checks;
	t_fails(SANGRAHA_E_INVALID, sangraha_types_add(*state, &type, &t_err));
	assert_null(sangraha_types_name(*state, 3));
}

static void refuses_a_bottomless_depth(void **state)
{
	struct sangraha_policy policy = { .size = sizeof(policy),
					  .json_max_depth = UINT32_MAX };
	struct sangraha_types *types = NULL;

	t_fails(SANGRAHA_E_INVALID, sangraha_types_new(&policy, &types, &t_err));
	assert_null(types);
}

static void refuses_a_policy_that_cannot_be(void **state)
{
	struct sangraha_policy choice = { .size = sizeof(choice), .pdf_files = 3 };
	struct sangraha_policy leading = { .size = sizeof(leading),
					   .pdf_max_leading = 1025 };
	struct sangraha_types *types = NULL;

	t_fails(SANGRAHA_E_INVALID, sangraha_types_new(&choice, &types, &t_err));
	t_says("pdf_files");
	t_fails(SANGRAHA_E_INVALID, sangraha_types_new(&leading, &types, &t_err));
	t_says("1024");
	assert_null(types);
}

static void lives_until_the_last_reference(void **state)
{
	struct sangraha_types *types = NULL;

	t_ok(sangraha_types_new(NULL, &types, &t_err));
	assert_ptr_equal(sangraha_types_ref(types), types);
	sangraha_types_unref(types);
	assert_string_equal(sangraha_types_name(types, 0), "json");
	sangraha_types_unref(types);
	sangraha_types_unref(NULL);
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	case_of(knows_our_types),
	case_of(lists_types),
	case_of(knows_extensions),
	case_of(copies_what_is_added),
	case_of(refuses_what_is_taken),
	case_of(refuses_aliases_of_ours),
	case_of(refuses_bad_names),
	case_of(refuses_bad_members),
	case_of(refuses_checks_without_a_size),
	cmocka_unit_test(refuses_a_bottomless_depth),
	cmocka_unit_test(refuses_a_policy_that_cannot_be),
	cmocka_unit_test(lives_until_the_last_reference),
};

t_main(tests)
