/* SPDX-License-Identifier: MIT */
#include "support/t.h"

#include <locale.h>

#include "cli_text.h"

static void t_size(uint64_t bytes, const char *wanted)
{
	char text[SGH_TEXT_SIZE];

	sgh_text_bytes(text, bytes);
	assert_string_equal(text, wanted);
}

static void sizes_are_short(void **state)
{
	t_size(0, "0 B");
	t_size(1023, "1023 B");
	t_size(1024, "1.0 KiB");
	t_size(1536, "1.5 KiB");
	t_size(UINT64_C(5) << 40, "5.0 TiB");
	t_size(UINT64_MAX, "16.0 EiB");
}

static void a_size_is_never_1024_of_its_unit(void **state)
{
	t_size((1 << 20) - 1, "1.0 MiB");
	t_size((1 << 30) - 1, "1.0 GiB");
	t_size(1023 * 1024, "1023.0 KiB");
}

static void t_duration(uint64_t seconds, const char *wanted)
{
	char text[SGH_TEXT_SIZE];

	sgh_text_duration(text, seconds);
	assert_string_equal(text, wanted);
}

static void durations_are_short(void **state)
{
	t_duration(0, "0:00");
	t_duration(59, "0:59");
	t_duration(3599, "59:59");
	t_duration(3661, "1:01:01");
	t_duration(UINT64_MAX, "--:--");
}

static void t_clean(const char *text, const char *wanted)
{
	char *clean = sgh_text_clean(text);

	assert_string_equal(clean, wanted);
	free(clean);
}

static void what_is_harmless_stays(void **state)
{
	t_clean("Zoë संग्रह 🗂️.png",
		"Zoë संग्रह 🗂️.png");
	t_clean("", "");
	t_clean(NULL, "");
}

static void a_terminal_is_not_controlled(void **state)
{
	t_clean("a\033[2Jb", "a?[2Jb");
	t_clean("a\tb\nc\rd\177", "a?b?c?d?");
	t_clean("\xc2\x9b"
		"31m", /* CSI in one character */
		"?31m");
	t_clean("gpj.\xe2\x80\xae"
		"exe",
		"gpj.?exe");
	t_clean("\xe2\x81\xa6\xe2\x80\xa8", "??");
}

static void what_is_no_utf8_is_shown_as_such(void **state)
{
	t_clean("a\xff\xfe", "a??");
	t_clean("\xc3", "?");                /* cut */
	t_clean("\xc0\xaf", "??");           /* longer than it needs to be */
	t_clean("\xed\xa0\x80", "???");      /* half of a surrogate pair */
	t_clean("\xf4\x90\x80\x80", "????"); /* past the last character */
}

static void widths_are_columns(void **state)
{
	assert_int_equal(sgh_text_width("abc"), 3);
	assert_int_equal(sgh_text_width("Zoë"), 3);
	assert_int_equal(sgh_text_width("対象"), 4);
	assert_int_equal(sgh_text_width("e\xcc\x81"), 1); /* a combining accent */
	assert_int_equal(sgh_text_width("\xff"), 1);
}

static void t_column(const char *text, size_t columns, bool right, const char *wanted)
{
	char *written;
	size_t length;
	FILE *file = open_memstream(&written, &length);

	sgh_text_column(file, text, columns, right);
	fclose(file);
	assert_string_equal(written, wanted);
	free(written);
}

static void columns_are_filled_up(void **state)
{
	t_column("ab", 4, false, "ab  ");
	t_column("ab", 4, true, "  ab");
	t_column("対", 4, false, "対  ");
	t_column("", 2, false, "  ");
	t_column("ab", 0, false, "");
}

static void columns_are_cut(void **state)
{
	t_column("abcdef", 4, false, "abc…");
	t_column("abcd", 4, false, "abcd");
	t_column("対象物", 4, false, "対… "); /* half a character is none */
	t_column("対象物", 5, false, "対象…");
	t_column("abc", 1, false, "…");
}

static void t_json(const char *text, const char *wanted)
{
	char *written;
	size_t length;
	FILE *file = open_memstream(&written, &length);

	sgh_text_json(file, text);
	fclose(file);
	assert_string_equal(written, wanted);
	free(written);
}

static void json_strings_are_valid(void **state)
{
	t_json("", "\"\"");
	t_json("a\"b\\c", "\"a\\\"b\\\\c\"");
	t_json("\n\033", "\"\\u000a\\u001b\"");
	t_json("\x7f\xc2\x9b\xe2\x80\xae", "\"\\u007f\\u009b\\u202e\"");
	t_json("Zoë", "\"Zoë\"");
	t_json("\xff", "\"\\ufffd\"");
}

static void json_becomes_one_line(void **state)
{
	char *written;
	size_t length;
	FILE *file = open_memstream(&written, &length);

	sgh_text_json_line(file, "{\n \"\xc2\x9b\": 1\r\n}\n\n");
	fclose(file);
	assert_string_equal(written, "{  \"\\u009b\": 1  }\n");
	free(written);
}

static void members_come_one_by_one(void **state)
{
	const char *at = "{\"width\":640, \"version\" : \"1.4\",\"encrypted\":false}";
	char name[64], value[256];

	assert_true(sgh_text_member(&at, name, value));
	assert_string_equal(name, "width");
	assert_string_equal(value, "640");
	assert_true(sgh_text_member(&at, name, value));
	assert_string_equal(name, "version");
	assert_string_equal(value, "1.4");
	assert_true(sgh_text_member(&at, name, value));
	assert_string_equal(value, "false");
	assert_false(sgh_text_member(&at, name, value));
	assert_string_equal(at, "}");
}

static void what_is_not_flat_has_no_members(void **state)
{
	static const char *const wrong[] = { "",           "{}",          "[]",
					     "{\"a\"",     "{\"a",        "{\"a\":",
					     "{\"a\":}",   "{\"a\":[1]}", "{\"a\":{}}",
					     "{\"a\":\"b", "{a:1" };
	char name[64], value[256];

	for (size_t i = 0; i < SGH_COUNT(wrong); i++) {
		const char *at = wrong[i];

		assert_false(sgh_text_member(&at, name, value));
		assert_ptr_equal(at, wrong[i]);
	}
}

static int know_widths(void **state)
{
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_short),
		cmocka_unit_test(a_size_is_never_1024_of_its_unit),
		cmocka_unit_test(durations_are_short),
		cmocka_unit_test(what_is_harmless_stays),
		cmocka_unit_test(a_terminal_is_not_controlled),
		cmocka_unit_test(what_is_no_utf8_is_shown_as_such),
		cmocka_unit_test(widths_are_columns),
		cmocka_unit_test(columns_are_filled_up),
		cmocka_unit_test(columns_are_cut),
		cmocka_unit_test(json_strings_are_valid),
		cmocka_unit_test(json_becomes_one_line),
		cmocka_unit_test(members_come_one_by_one),
		cmocka_unit_test(what_is_not_flat_has_no_members),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, know_widths, NULL);
}
