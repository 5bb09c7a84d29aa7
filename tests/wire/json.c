/* SPDX-License-Identifier: MIT */
#include "wire/json.h"

#include "support/t.h"

/* Any value, in an array so that the first character is known. */
static bool sound(const char *value)
{
	char text[256];

	snprintf(text, sizeof(text), "[%s]", value);
	return sgh_json_is(text, strlen(text), '[');
}

static void takes_what_is_json(void **state)
{
	static const char *const good[] = {
		"",
		"0",
		"-0",
		"1.5e-3",
		"1E+9",
		"true",
		"false",
		"null",
		"\"\"",
		"\"ü\"",
		"\"\\u00e4\"",
		"{}",
		"[[], {}]",
		"\"\\/\\b\\f\\n\\r\\t\\\"\\\\\"",
		"\"\\ud83d\\ude00\"",
		"{\"a\":{\"b\":[1,2]},\"a\":3}",
		" 1 , 2\t,\n3\r",
	};

	for (size_t i = 0; i < SGH_COUNT(good); i++)
		if (!sound(good[i]))
			fail_msg("refused: %s", good[i]);
}

static void refuses_what_is_not(void **state)
{
	static const char *const bad[] = {
		"01",
		"+1",
		".5",
		"1.",
		"1e",
		"1e+",
		"-",
		"0x1",
		"NaN",
		"Infinity",
		"tru",
		"nulL",
		"True",
		"'a'",
		"\"a",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\u00g0\"",
		"\"\\u0000\"",
		"\"\\ud800\"",
		"\"\\ud800\\u0041\"",
		"\"\\udc00\"",
		"\"\t\"",
		"\"\x80\"",
		"1,",
		",1",
		"1 2",
		"{\"a\"}",
		"{\"a\":}",
		"{a:1}",
		"{\"a\":1,}",
		"{,}",
		"[1",
		"[1}",
		"/**/1",
		"{\"a\" 1}",
		"\xef\xbb\xbf"
		"1",
	};

	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		if (sound(bad[i]))
			fail_msg("accepted: %s", bad[i]);
}

static void refuses_what_is_behind(void **state)
{
	assert_true(sgh_json_is(" {} \n", 5, '{'));
	assert_false(sgh_json_is("{}x", 3, '{'));
	assert_false(sgh_json_is("{}\0", 3, '{'));
	assert_false(sgh_json_is("[]", 2, '{'));
	assert_false(sgh_json_is("  ", 2, '{'));
	assert_false(sgh_json_is(NULL, 0, '{'));
}

static void bounds_the_depth(void **state)
{
	char text[4096];
	size_t n = sizeof(text) / 2;

	memset(text, '[', n);
	memset(text + n, ']', n);
	assert_false(sgh_json_is(text, sizeof(text), '['));
	n = SGH_JSON_DEPTH_MAX;
	memset(text + n, ']', n);
	assert_true(sgh_json_is(text, 2 * n, '['));
}

static int opened(const char *text, struct sgh_json_raw *raws, size_t count, cJSON **ret)
{
	return sgh_json_open(text, strlen(text), raws, count, ret, &t_err);
}

static void refused(const char *text, const char *why)
{
	cJSON *document = NULL;

	t_fails(SANGRAHA_E_INVALID, opened(text, NULL, 0, &document));
	t_says(why);
	assert_null(document);
}

static void hands_out_raw_text(void **state)
{
	static const char text[] =
		"{ \"data\" : \"QQ==\" , \"n\":1,\"facts\":{\"w\":1.0},\"none\":null}";
	struct sgh_json_raw raws[] = { { .name = "data" },
				       { .name = "facts" },
				       { .name = "none" },
				       { .name = "other" } };
	sgh_autojson cJSON *document = NULL;

	t_ok(opened(text, raws, SGH_COUNT(raws), &document));
	assert_int_equal(raws[0].length, 6);
	assert_memory_equal(raws[0].text, "\"QQ==\"", 6);
	assert_memory_equal(raws[1].text, "{\"w\":1.0}", raws[1].length);
	assert_null(raws[2].text);
	assert_null(raws[3].text);
	assert_null(sgh_json_text(document, "data"));
}

static void shows_one_flat_object(void **state)
{
	sgh_autojson cJSON *document = NULL;

	t_ok(opened("{\"a\":\"x\",\"b\":[1,[2]],\"c\":{\"d\":1},\"e\":true}", NULL, 0,
		    &document));
	assert_string_equal(sgh_json_text(document, "a"), "x");
	assert_true(cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(document, "b")));
	assert_true(cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(document, "c")));
	assert_null(sgh_json_text(document, "A"));
	assert_null(sgh_json_text(document, "e"));
}

static void refuses_documents(void **state)
{
	refused("", "no JSON object");
	refused("[]", "no JSON object");
	refused("{\"a\":\"\\u0000\"}", "no JSON object");
	refused("{\"a\":1,\"b\":2,\"a\":3}", "\"a\" twice");
	refused("{\"a\":1,\"\\u0061\":3}", "\"a\" twice");
	refused("{\"data\":1,\"data\":{}}", "twice");
	/* What is said goes into headers and logs, whatever the name is. */
	refused("{\"a\\nb\":1,\"a\\nb\":2}", "\"?\" twice");
}

/* A message may have no body at all. */
static void refuses_nothing(void **state)
{
	cJSON *document = NULL;

	t_fails(SANGRAHA_E_INVALID, sgh_json_open(NULL, 0, NULL, 0, &document, &t_err));
	t_says("no JSON object");
	assert_false(sgh_json_is(NULL, 0, '{'));
}

static void bounds_members_and_text(void **state)
{
	sgh_autofree char *text = malloc(200 * 1024);
	size_t length = 0;

	for (int i = 0; i <= SGH_JSON_MEMBERS_MAX; i++)
		length += (size_t)sprintf(text + length, "%c\"m%d\":1", i ? ',' : '{', i);
	strcpy(text + length, "}");
	refused(text, "too many");
	length = (size_t)sprintf(text, "{\"a\":\"");
	memset(text + length, 'x', 100 * 1024);
	strcpy(text + length + 100 * 1024, "\"}");
	refused(text, "too large");
}

/* What is handed out raw does not count: the body of a message is in there. */
static void raw_text_may_be_large(void **state)
{
	struct sgh_json_raw raw = { .name = "data" };
	sgh_autojson cJSON *document = NULL;
	sgh_autofree char *text = malloc(200 * 1024);
	size_t length = (size_t)sprintf(text, "{\"data\":\"");

	memset(text + length, 'x', 100 * 1024);
	strcpy(text + length + 100 * 1024, "\"}");
	t_ok(opened(text, &raw, 1, &document));
	assert_int_equal(raw.length, 100 * 1024 + 2);
}

static bool integer(const char *literal, int64_t *ret)
{
	sgh_autojson cJSON *document = NULL;
	char text[64];

	snprintf(text, sizeof(text), "{\"n\":%s}", literal);
	t_ok(opened(text, NULL, 0, &document));
	return sgh_json_integer(document->child, ret);
}

static void integers_are_exact(void **state)
{
	int64_t n = 0;

	assert_true(integer("9007199254740992", &n));
	assert_true(n == (int64_t)1 << 53);
	assert_true(integer("-3", &n) && n == -3);
	assert_true(integer("1e3", &n) && n == 1000);
	assert_false(integer("9007199254740994", &n));
	assert_false(integer("1.5", &n));
	assert_false(integer("1e999", &n));
	assert_false(integer("-1e999", &n));
	assert_false(integer("\"1\"", &n));
	assert_false(integer("true", &n));
	assert_false(integer("null", &n));
}

static void walks_arrays(void **state)
{
	static const char text[] = " [ 1 ,{\"a\":[2]},\"]\" ] ";
	const char *at = text;
	const char *end = text + strlen(text);
	struct sgh_json_raw raw;

	assert_true(sgh_json_next(&at, end, &raw));
	assert_int_equal(raw.length, 1);
	assert_true(sgh_json_next(&at, end, &raw));
	assert_memory_equal(raw.text, "{\"a\":[2]}", raw.length);
	assert_true(sgh_json_next(&at, end, &raw));
	assert_memory_equal(raw.text, "\"]\"", raw.length);
	assert_false(sgh_json_next(&at, end, &raw));
	at = "[ ]";
	assert_false(sgh_json_next(&at, at + 3, &raw));
}

/* Every cut is refused; every changed byte is read or refused, within bounds. */
static void copes_with_damage(void **state)
{
	static const char text[] = "{\"a\":[1,-2.5e+3,{\"b\":null}],\"c\":"
				   "\"\\ud83d\\ude00\\n\",\"data\":true}";
	char *copy = malloc(sizeof(text));

	for (size_t length = 0; length < sizeof(text) - 1; length++) {
		cJSON *document = NULL;
		char *cut = malloc(length + 1);

		memcpy(cut, text, length);
		t_fails(SANGRAHA_E_INVALID,
			sgh_json_open(cut, length, NULL, 0, &document, &t_err));
		free(cut);
	}
	for (size_t i = 0; i < (sizeof(text) - 1) * 256; i++) {
		struct sgh_json_raw raw = { .name = "data" };
		sgh_autojson cJSON *document = NULL;

		memcpy(copy, text, sizeof(text) - 1);
		copy[i / 256] = (char)(i % 256);
		sgh_json_open(copy, sizeof(text) - 1, &raw, 1, &document, &t_err);
	}
	free(copy);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(takes_what_is_json),
	cmocka_unit_test(refuses_what_is_not),
	cmocka_unit_test(refuses_what_is_behind),
	cmocka_unit_test(bounds_the_depth),
	cmocka_unit_test(hands_out_raw_text),
	cmocka_unit_test(shows_one_flat_object),
	cmocka_unit_test(refuses_documents),
	cmocka_unit_test(refuses_nothing),
	cmocka_unit_test(bounds_members_and_text),
	cmocka_unit_test(raw_text_may_be_large),
	cmocka_unit_test(integers_are_exact),
	cmocka_unit_test(walks_arrays),
	cmocka_unit_test(copes_with_damage),
};

t_main(tests)
