/* SPDX-License-Identifier: MIT */
#include "wire/filename.h"

#include "base/buf.h"
#include "support/t.h"

static void keeps_names_of_all_scripts(void **state)
{
	static const char *const good[] = {
		"a",
		"photo.jpg",
		"Menü für Gäste.pdf",
		"報告書（最終）.pdf",
		"отчёт.json",
		"تقرير.pdf",
		"दस्तावेज़.png",
		"naïve café.png", /* a combining accent: kept as sent */
		"😀👩‍👩‍👧.gif",
		"...",
		".hidden",
		"a..b",
		"quote\"s and 'these' %41 ; = *.txt",
		" ",
		"\xef\xbf\xbd",
		"\xf4\x8f\xbf\xbf",
	};

	for (size_t i = 0; i < SGH_COUNT(good); i++)
		t_ok(sgh_filename_check(good[i], &t_err));
}

static void refused(const char *name, const char *why)
{
	t_fails(SANGRAHA_E_INVALID, sgh_filename_check(name, &t_err));
	t_says(why);
}

static void refuses_paths(void **state)
{
	refused("", "empty");
	refused(".", "path");
	refused("..", "path");
	refused("a/b", "path");
	refused("/etc/passwd", "path");
	refused("..\\boot.ini", "path");
}

static void refuses_controls(void **state)
{
	refused("a\nb", "control");
	refused("a\r\nSet-Cookie: x", "control");
	refused("\t", "control");
	refused("a\x1b[31m", "control");
	refused("a\x7f", "control");
	refused("a\xc2\x80", "control");
	refused("a\xc2\x9f", "control");
	t_ok(sgh_filename_check("a\xc2\xa0", &t_err));
}

static void refuses_bidirectional_controls(void **state)
{
	refused("exe.\xe2\x80\xaegpj", "bidirectional");
	refused("\xe2\x80\xaa", "bidirectional");
	refused("\xe2\x81\xa6", "bidirectional");
	refused("\xe2\x81\xa9", "bidirectional");
	t_ok(sgh_filename_check("\xe2\x80\xa9", &t_err));
	t_ok(sgh_filename_check("\xe2\x81\xaa", &t_err));
}

static void refuses_what_is_no_utf8(void **state)
{
	static const char *const bad[] = {
		"\x80",
		"\xff",
		"\xc3",
		"\xc0\xaf", /* overlong "/" */
		"\xc1\x81",
		"\xe0\x80\xaf",
		"\xe2\x82",
		"\xed\xa0\x80", /* a surrogate */
		"\xf0\x80\x80\xaf",
		"\xf4\x90\x80\x80", /* past U+10FFFF */
		"\xf5\x80\x80\x80",
		"a\xc3(b",
	};

	for (size_t i = 0; i < SGH_COUNT(bad); i++) {
		refused(bad[i], "UTF-8");
		assert_false(sgh_utf8_valid(bad[i], strlen(bad[i])));
	}
}

/* A bad byte is found wherever it stands, also behind and between long ASCII. */
static void finds_a_bad_byte_anywhere(void **state)
{
	char text[40];

	for (size_t length = 1; length <= sizeof(text); length++)
		for (size_t i = 0; i < length; i++) {
			memset(text, 'a', sizeof(text));
			assert_true(sgh_utf8_valid(text, length));
			text[i] = '\xbf';
			assert_false(sgh_utf8_valid(text, length));
		}
}

static void bounds_bytes_not_characters(void **state)
{
	char name[258];

	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	t_ok(sgh_filename_check(name, &t_err));
	memcpy(name + 253, "ü", 3);
	t_ok(sgh_filename_check(name, &t_err));
	memcpy(name + 254, "ü", 3);
	refused(name, "255");
}

static void decodes_to(const char *text, const char *wanted)
{
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", text);
	assert_true(sgh_percent_decode(copy));
	assert_string_equal(copy, wanted);
}

static void percent_decodes(void **state)
{
	decodes_to("", "");
	decodes_to("plain", "plain");
	decodes_to("a%20b%2Fc%2fd", "a b/c/d");
	decodes_to("%C3%BC%25", "ü%");
	decodes_to("+", "+");
}

static void percent_refuses(void **state)
{
	static const char *const bad[] = { "%", "%2", "a%", "%zz", "%2g", "%00", "%-1" };
	char copy[16];

	for (size_t i = 0; i < SGH_COUNT(bad); i++) {
		snprintf(copy, sizeof(copy), "%s", bad[i]);
		assert_false(sgh_percent_decode(copy));
	}
}

static void percent_keeps_every_byte(void **state)
{
	sgh_autobuf struct sgh_buf buf = { 0 };
	char text[256];

	for (int i = 1; i < 256; i++)
		text[i - 1] = (char)i;
	text[255] = '\0';
	sgh_percent_encode(&buf, text);
	assert_null(strpbrk(buf.data, " \"'()*\n/\\;"));
	assert_non_null(strstr(buf.data, "-.%2F0123456789%3A"));
	assert_true(sgh_percent_decode(buf.data));
	assert_string_equal(buf.data, text);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(keeps_names_of_all_scripts),
	cmocka_unit_test(refuses_paths),
	cmocka_unit_test(refuses_controls),
	cmocka_unit_test(refuses_bidirectional_controls),
	cmocka_unit_test(refuses_what_is_no_utf8),
	cmocka_unit_test(finds_a_bad_byte_anywhere),
	cmocka_unit_test(bounds_bytes_not_characters),
	cmocka_unit_test(percent_decodes),
	cmocka_unit_test(percent_refuses),
	cmocka_unit_test(percent_keeps_every_byte),
};

t_main(tests)
