/* SPDX-License-Identifier: MIT */
#include "support/judge.h"
#include "validate/types.h"

/* What is taken for what: by declared type, asserted type and content. */

static void unsupported(const char *declared, const char *asserted, const char *text,
			const char *rule, int64_t offset, const char *detected)
{
	t_fails(SANGRAHA_E_UNSUPPORTED, t_judge(declared, asserted, text, strlen(text)));
	t_rule(rule, offset);
	assert_string_equal(t_verdict.detected, detected);
}

static void rejected(const char *declared, const char *text, const char *rule,
		     int64_t offset)
{
	t_fails(SANGRAHA_E_REJECTED, t_judge_text(declared, text));
	t_rule(rule, offset);
	assert_string_equal(t_verdict.type, "json");
}

static void declared_json_that_is_text(void **state)
{
	unsupported("application/json", NULL, "hello world", "type.mismatch", 0,
		    "text/plain");
	t_says("declared application/json, but the content looks like text/plain");
	unsupported("text/json", NULL, " \n<html><body>x</body></html>", "type.mismatch",
		    2, "text/html");
	assert_string_equal(t_verdict.declared, "application/json");
}

/* libmagic gives up on it. */
static void what_leads_in_circles_is_unknown(void **state)
{
	char text[512];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "ID3\3\0\0\0\0\0\0"[i % 10];
	t_fails(SANGRAHA_E_UNSUPPORTED, t_judge(NULL, NULL, text, sizeof(text)));
	t_rule("type.not-allowed", 0);
	assert_string_equal(t_verdict.detected, "application/octet-stream");
	t_fails(SANGRAHA_E_UNSUPPORTED, t_judge("image/png", NULL, text, sizeof(text)));
	t_rule("type.mismatch", 0);
}

static void declared_json_that_is_an_image(void **state)
{
	struct t_sample png = { 0 };

	t_png(&png);
	t_fails(SANGRAHA_E_UNSUPPORTED, t_judge_sample("application/json", &png));
	t_rule("type.mismatch", 0);
	assert_string_equal(t_verdict.detected, "image/png");
	assert_string_equal(t_verdict.type, "image");
}

static void asserted_json_that_is_text(void **state)
{
	unsupported(NULL, "json", "hello world", "type.mismatch", 0, "text/plain");
	t_says("asserted to be of type json, but the content looks like text/plain");
}

static void declared_json_that_is_broken(void **state)
{
	rejected("application/json", "{\"a\":1,}", "json.comma", 7);
	rejected("application/ld+json; charset=utf-8", "{hello}", "json.key", 1);
	rejected("application/json", "truth", "json.literal", 3);
}

static void declared_json_with_a_byte_order_mark(void **state)
{
	unsupported("application/json", NULL, "\xef\xbb\xbf{}", "json.bom", 0,
		    "text/plain");
}

static void undeclared_json(void **state)
{
	static const char *const texts[] = { "{\"a\":1}", " \n[1]", "\"hi\"", "42",
					     "null",      "true\n", "-1e5" };

	for (size_t i = 0; i < SGH_COUNT(texts); i++) {
		t_ok(t_judge_text(NULL, texts[i]));
		assert_string_equal(t_verdict.detected, "application/json");
		t_ok(t_judge_text("application/octet-stream", texts[i]));
		t_ok(t_judge_text("application/x-www-form-urlencoded", texts[i]));
		assert_string_equal(t_verdict.declared, "");
	}
}

static void undeclared_json_that_is_broken(void **state)
{
	rejected(NULL, "{\"a\":1,}", "json.comma", 7);
	rejected(NULL, "[1,2", "json.end", 4);
	rejected(NULL, "{hello}", "json.key", 1);
}

/* Nothing but its first byte speaks for JSON, and libmagic knows better. */
static void undeclared_that_only_begins_like_json(void **state)
{
	unsupported(NULL, NULL, "{\\rtf1\\ansi hello}", "type.not-allowed", 1,
		    "text/rtf");
}

static void undeclared_text(void **state)
{
	unsupported(NULL, NULL, "hello world", "type.not-allowed", 0, "text/plain");
	t_says("looks like text/plain, which is none of the types json, image, pdf");
	unsupported(NULL, NULL, "2024-01-01 a line of a log", "type.not-allowed", 0,
		    "text/plain");
	unsupported(NULL, NULL, "true story", "type.not-allowed", 0, "text/plain");
	unsupported(NULL, NULL, "   \n", "type.not-allowed", 0, "text/plain");
}

static void undeclared_svg(void **state)
{
	unsupported(NULL, NULL, "<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>",
		    "type.not-allowed", 0, "image/svg+xml");
	unsupported("image/svg+xml", NULL,
		    "<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>",
		    "type.not-allowed", -1, "image/svg+xml");
}

static void declared_types_that_are_not_ours(void **state)
{
	unsupported("text/html", NULL, "{}", "type.not-allowed", -1, "application/json");
	t_says("declared text/html");
	unsupported("text/plain", NULL, "", "type.not-allowed", -1, "");
}

static void images_of_another_type(void **state)
{
	struct t_sample jpeg = { 0 };

	t_jpeg(&jpeg);
	t_fails(SANGRAHA_E_UNSUPPORTED, t_judge_sample("image/png", &jpeg));
	t_rule("type.mismatch", 0);
	assert_string_equal(t_verdict.detected, "image/jpeg");
	t_says("declared image/png, but the content looks like image/jpeg");
	unsupported("image/png", NULL, "hello", "type.mismatch", 0, "text/plain");
}

static void asserted_types(void **state)
{
	struct t_sample gif = { 0 };

	t_gif(&gif);
	t_ok(t_judge(NULL, "image", gif.data, gif.length));
	t_fails(SANGRAHA_E_UNSUPPORTED, t_judge(NULL, "pdf", gif.data, gif.length));
	t_rule("type.mismatch", 0);
	t_fails(SANGRAHA_E_UNSUPPORTED, t_judge(NULL, "video", gif.data, gif.length));
	t_rule("type.unknown", -1);
	t_says("there is no type \"video\"");
	assert_string_equal(t_verdict.detected, "image/gif");
}

static void claims_that_contradict(void **state)
{
	struct t_sample png = { 0 };

	t_png(&png);
	t_fails(SANGRAHA_E_UNSUPPORTED,
		t_judge("image/png", "pdf", png.data, png.length));
	t_rule("type.mismatch", -1);
	t_says("declared image/png, but asserted to be of type pdf");
}

static void empty_bodies(void **state)
{
	unsupported(NULL, NULL, "", "type", 0, "");
	t_fails(SANGRAHA_E_REJECTED, t_judge_text("application/json", ""));
	t_rule("empty", 0);
	t_fails(SANGRAHA_E_REJECTED, t_judge(NULL, "image", "", 0));
	t_rule("empty", 0);
}

/* libmagic calls this application/pdf; it does not begin as a PDF does. */
static void pdf_in_html(void **state)
{
	const char *text = "<html>\n<body>%PDF-1.4\n%%EOF";

	assert_int_not_equal(t_judge_text(NULL, text), 0);
	assert_int_not_equal(t_judge_text("application/pdf", text), 0);
}

/* More white space than libmagic sees, and then anything. */
static char *spaced(const char *end, size_t *ret_length)
{
	const size_t blanks = 70000;
	char *text = malloc(blanks + strlen(end) + 1);

	assert_non_null(text);
	memset(text, ' ', blanks);
	strcpy(text + blanks, end);
	*ret_length = blanks + strlen(end);
	return text;
}

static void much_white_space(void **state)
{
	size_t length;
	char *text = spaced("[7]", &length);

	t_ok(t_judge(NULL, NULL, text, length));
	t_ok(t_judge("application/json", NULL, text, length));
	free(text);
	text = spaced("x", &length);
	t_fails(SANGRAHA_E_UNSUPPORTED, t_judge(NULL, NULL, text, length));
	t_rule("type.not-allowed", 70000);
	t_fails(SANGRAHA_E_UNSUPPORTED, t_judge("text/json", NULL, text, length));
	t_rule("type.mismatch", 70000);
	assert_string_equal(t_verdict.detected, "text/plain");
	free(text);
}

/* A long string is told only where the whole of it is in memory. */
static void long_scalars(void **state)
{
	const size_t length = 100000;
	struct sangraha_validate_options options = { .size = sizeof(options) };
	char *text = malloc(length);

	assert_non_null(text);
	memset(text, 'x', length);
	text[0] = text[length - 1] = '"';
	t_ok(sangraha_validate(t_types, &options, text, length, NULL, &t_err));
	t_fails(SANGRAHA_E_UNSUPPORTED, t_judge(NULL, NULL, text, length));
	t_ok(t_judge("application/json", NULL, text, length));
	free(text);
}

static bool as_json(const char *declared, const char *asserted, const char *text)
{
	return sgh_validates_as_json(t_types, declared, asserted, text, strlen(text));
}

static void what_the_json_check_alone_decides(void **state)
{
	assert_true(as_json("application/json", NULL, "{}"));
	assert_true(as_json("Application/Geo+JSON; x=1", NULL, "[1,"));
	assert_true(as_json("application/octet-stream", "json", "[]x"));
	assert_true(as_json("text/json", "json", "{\"a"));
	assert_false(as_json("application/json", NULL, "hello"));
	assert_false(as_json("application/json", NULL, ""));
}

static void what_others_have_a_say_in(void **state)
{
	assert_false(as_json(NULL, NULL, "{}"));
	assert_false(as_json("application/octet-stream", NULL, "{}"));
	assert_false(as_json("application/json", "pdf", "{}"));
	assert_false(as_json("application/pdf", "json", "{}"));
	assert_false(as_json("application/json", "nothing", "{}"));
	assert_false(as_json("text/html", NULL, "{}"));
	assert_false(as_json("text/html", "json", "{}"));
	assert_false(as_json("no media type", "json", "{}"));
	assert_false(as_json("application/json", "", "{}"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(declared_json_that_is_text),
	cmocka_unit_test(what_leads_in_circles_is_unknown),
	cmocka_unit_test(declared_json_that_is_an_image),
	cmocka_unit_test(asserted_json_that_is_text),
	cmocka_unit_test(declared_json_that_is_broken),
	cmocka_unit_test(declared_json_with_a_byte_order_mark),
	cmocka_unit_test(undeclared_json),
	cmocka_unit_test(undeclared_json_that_is_broken),
	cmocka_unit_test(undeclared_that_only_begins_like_json),
	cmocka_unit_test(undeclared_text),
	cmocka_unit_test(undeclared_svg),
	cmocka_unit_test(declared_types_that_are_not_ours),
	cmocka_unit_test(images_of_another_type),
	cmocka_unit_test(asserted_types),
	cmocka_unit_test(claims_that_contradict),
	cmocka_unit_test(empty_bodies),
	cmocka_unit_test(pdf_in_html),
	cmocka_unit_test(much_white_space),
	cmocka_unit_test(long_scalars),
	cmocka_unit_test(what_the_json_check_alone_decides),
	cmocka_unit_test(what_others_have_a_say_in),
};

t_validate_main(tests)
