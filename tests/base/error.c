/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>

#include "support/t.h"

static void every_status_has_a_name_and_a_sentence(void **state)
{
	for (int status = 0; status >= SANGRAHA_E_INTERNAL; status--) {
		const char *name = sangraha_status_name(status);

		assert_int_equal(sangraha_status_from_name(name), status);
		assert_true(strlen(sangraha_status_text(status)) > 5);
	}
	assert_string_equal(sangraha_status_name(-999), "internal");
	assert_int_equal(sangraha_status_from_name("?"), SANGRAHA_E_INTERNAL);
}

static void messages_are_cut_between_characters(void **state)
{
	struct sangraha_error err;
	char text[600];

	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "ü", 3);
	assert_int_equal(sgh_fail(&err, SANGRAHA_E_INVALID, 0, "%s", text),
			 SANGRAHA_E_INVALID);
	assert_int_equal(strlen(err.message), 398);
	assert_int_equal(sgh_fail(&err, SANGRAHA_E_INVALID, 0, "a%s", text),
			 SANGRAHA_E_INVALID);
	assert_int_equal(strlen(err.message), 399);
}

static void errno_becomes_a_status(void **state)
{
	struct sangraha_error err;

	assert_int_equal(sgh_fail_errno(&err, ENOSPC, "write"), SANGRAHA_E_OVERLOADED);
	assert_int_equal(err.native, ENOSPC);
	assert_int_equal(sgh_fail_errno(NULL, ENOENT, "open"), SANGRAHA_E_NOT_FOUND);
}

static void a_program_can_say_why(void **state)
{
	struct sangraha_error err = { .native = 7 };

	assert_int_equal(
		sangraha_error_set(&err, SANGRAHA_E_REJECTED, "line %d is empty", 3),
		SANGRAHA_E_REJECTED);
	assert_int_equal(err.status, SANGRAHA_E_REJECTED);
	assert_int_equal(err.native, 0);
	assert_string_equal(err.message, "line 3 is empty");
	assert_int_equal(sangraha_error_set(NULL, SANGRAHA_E_GONE, "%s", "x"),
			 SANGRAHA_E_GONE);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_status_has_a_name_and_a_sentence),
	cmocka_unit_test(messages_are_cut_between_characters),
	cmocka_unit_test(errno_becomes_a_status),
	cmocka_unit_test(a_program_can_say_why),
};

t_main(tests)
