/* SPDX-License-Identifier: MIT */
#include <dirent.h>

#include "support/judge.h"
#include "validate/json.h"
#include "validate/registry.h"

static void refused(const char *text, const char *rule, int64_t offset)
{
	t_fails(SANGRAHA_E_REJECTED, t_judge_text("application/json", text));
	t_rule(rule, offset);
	assert_string_equal(sangraha_verdict_type(&t_verdict), "json");
}

static void accepts_values(void **state)
{
	static const char *const texts[] = { "{}",
					     "[]",
					     "0",
					     "-0.5e-7",
					     "1E+2",
					     " true ",
					     "null",
					     "\"\"",
					     "[1,[2]]",
					     "\"\\ud800\"",
					     "{\"a\":1,\"a\":2}" };

	for (size_t i = 0; i < SGH_COUNT(texts); i++)
		t_ok(t_judge_text("application/json", texts[i]));
}

static void tells_facts(void **state)
{
	t_ok(t_judge_text("application/json", "{\"a\":[1,{\"b\":null}],\"c\":\"\"}"));
	t_accepted("json", "application/json",
		   "{\"kind\":\"object\",\"depth\":3,\"values\":6}");
	t_ok(t_judge_text("application/json", "false"));
	t_accepted("json", "application/json",
		   "{\"kind\":\"boolean\",\"depth\":0,\"values\":1}");
}

static void names_the_first_bad_byte(void **state)
{
	refused("{\"a\":1,}", "json.comma", 7);
	refused("[1,]", "json.comma", 3);
	refused("[1 2]", "json.comma", 3);
	refused("{\"a\":1]", "json.comma", 6);
	refused("[1}", "json.comma", 2);
	refused("[,", "json.value", 1);
	refused("{\"a\":}", "json.value", 5);
	refused("{a:1}", "json.key", 1);
	refused("{\"a\" 1}", "json.colon", 5);
	refused("{} x", "json.trailing", 3);
	refused("nul1", "json.literal", 3);
}

static void names_the_bad_byte_of_a_number(void **state)
{
	refused("01", "json.number", 1);
	refused("-a", "json.number", 1);
	refused("1.e1", "json.number", 2);
	refused("[1e]", "json.number", 3);
	refused("1e+-", "json.number", 3);
	refused("1.2.3", "json.trailing", 3);
}

static void names_the_bad_byte_of_a_string(void **state)
{
	refused("\"a\nb\"", "json.string", 2);
	refused("\"\\x\"", "json.escape", 2);
	refused("\"\\u12g4\"", "json.escape", 5);
	refused("[\"0123456789abcdef0123456789\tx\"]", "json.string", 28);
}

static void names_the_bad_byte_of_utf8(void **state)
{
	refused("\"\xff\"", "json.utf8", 1);
	refused("\"\xc1\x81\"", "json.utf8", 1);
	refused("\"\xe0\x80\x80\"", "json.utf8", 2);
	refused("\"\xed\xa0\x80\"", "json.utf8", 2);
	refused("\"\xf0\x8f\xbf\xbf\"", "json.utf8", 2);
	refused("\"\xf4\x90\x80\x80\"", "json.utf8", 2);
	refused("\"\xf5\x80\x80\x80\"", "json.utf8", 1);
	refused("\"\xe2\x82\"", "json.utf8", 3);
	refused("\"\xf0\x9f\x98\x80\xf0\x9f\x98\"", "json.utf8", 8);
}

/* All there are, once in the middle of a text and once at its end. */
static void accepts_every_character(void **state)
{
	for (uint32_t c = 0x80; c < 0x110000; c += c < 0x900 ? 1 : 37) {
		struct t_sample text = { 0 };

		if (c >= 0xd800 && c < 0xe000)
			continue;
		t_raw_text(&text, "\"");
		if (c < 0x800) {
			t_be(&text, 0xc080 | c >> 6 << 8 | (c & 0x3f), 2);
		} else if (c < 0x10000) {
			t_be(&text,
			     0xe08080 | c >> 12 << 16 | (c >> 6 & 0x3f) << 8 | (c & 0x3f),
			     3);
		} else {
			t_be(&text,
			     0xf0808080 | c >> 18 << 24 | (c >> 12 & 0x3f) << 16 |
				     (c >> 6 & 0x3f) << 8 | (c & 0x3f),
			     4);
		}
		t_raw_text(&text, "\"");
		t_ok(t_judge_sample("application/json", &text));
	}
}

static void the_end_is_where_the_text_ends(void **state)
{
	static const char *const texts[] = {
		"[",  "{",   "{\"a\"", "{\"a\":", "\"a", "\"\\",      "\"\\u0",
		"[1", "tru", "-",      "1.",      "1e",  "{\"a\":1,", "\"\xe2\x82"
	};

	for (size_t i = 0; i < SGH_COUNT(texts); i++)
		refused(texts[i], "json.end", (int64_t)strlen(texts[i]));
	refused(" \n", "json.end", 2);
}

static void says_line_and_column(void **state)
{
	refused("{\n  \"a\": 1,\r\n  b\n}", "json.key", 15);
	t_says("line 3, column 3: expected a name in double quotes, found 'b'");
	refused("[1,\n\n\t\"\xc3\xa9\" 2]", "json.comma", 11);
	t_says("line 3, column 7: expected a comma or ], found '2'");
	refused("{\"a\":\n  [true,\n   fals", "json.end", 22);
	t_says("line 3, column 8: expected true, false or null, found the end");
	refused("[\n\"a\tb\"]", "json.string", 4);
	t_says("line 2, column 3: expected control characters escaped, as in \\n, "
	       "found byte 0x09");
	refused("[\n-]", "json.number", 3);
	t_says("line 2, column 2: expected a digit, found ']'");
}

static void nested(char open, char close, size_t depth, char *text)
{
	memset(text, open, depth);
	memset(text + depth, close, depth);
	text[2 * depth] = '\0';
}

static void limits_depth(void **state)
{
	char text[1100];

	nested('[', ']', 512, text);
	t_ok(t_judge_text("application/json", text));
	nested('[', ']', 513, text);
	refused(text, "json.depth", 512);
}

static void limits_depth_by_policy(void **state)
{
	struct sangraha_policy policy = { .size = sizeof(policy), .json_max_depth = 2 };

	t_policy(&policy);
	t_ok(t_judge_text("application/json", "[[]]"));
	refused("[{\"a\":{}}]", "json.depth", 6);
}

static void takes_a_byte_order_mark_by_policy(void **state)
{
	struct sangraha_policy policy = { .size = sizeof(policy),
					  .json_bom = SANGRAHA_CHOICE_ACCEPT };

	t_policy(&policy);
	t_ok(t_judge_text("application/json", "\xef\xbb\xbf{\"a\":1}"));
	t_accepted("json", "application/json",
		   "{\"kind\":\"object\",\"depth\":1,\"values\":2}");
	t_ok(t_judge_text(NULL, "\xef\xbb\xbf [1]"));
	t_ok(t_judge_text("application/json", "\xef\xbb\xbf"
					      "7"));
	refused("\xef\xbb\xbf[x]", "json.value", 4);
	t_says("line 1, column 2: expected a value, found 'x'");
	refused("[\xef\xbb\xbf]", "json.value", 1);
	refused("\xef\xbb\xbf", "json.end", 3);
	t_fails(SANGRAHA_E_UNSUPPORTED,
		t_judge_text("application/json", "\xef\xbb\xbf\xef\xbb\xbf{}"));
	t_fails(SANGRAHA_E_UNSUPPORTED, t_judge_text("application/json", "\xef\xbb{}"));
	t_rule("json.bom", 2);
}

static void refuses_scalars_by_policy(void **state)
{
	struct sangraha_policy policy = { .size = sizeof(policy),
					  .json_scalars = SANGRAHA_CHOICE_REFUSE };

	t_policy(&policy);
	t_ok(t_judge_text("application/json", " [7]"));
	t_ok(t_judge_text("application/json", "{\"a\":null}"));
	refused(" 7", "json.scalar", 1);
	t_says("line 1, column 2: expected an object or an array, found '7'");
	refused("\"hi\"", "json.scalar", 0);
	t_fails(SANGRAHA_E_UNSUPPORTED, t_judge_text(NULL, "\"hi\""));
	t_rule("type.not-allowed", 0);
}

static void knows_objects_from_arrays_at_any_depth(void **state)
{
	refused("[{\"a\":[{\"b\":[]}}]", "json.comma", 15);
	t_ok(t_judge_text("application/json", "[{\"a\":[{\"b\":[]}]},[[],{}]]"));
}

static void survives_changes(void **state)
{
	struct t_sample text = { 0 };

	t_raw_text(&text,
		   "{\"name\":\"caf\xc3\xa9 \\u00e9\",\"list\":[1,-2.5e3,true,null],"
		   "\"deep\":[[[{\"x\":{}}]]]}");
	t_ok(t_judge_sample("application/json", &text));
	t_mutate(&text, "application/json", 3000);
}

/* Far larger than the window, and what libmagic takes for something else. */
static void streams_large_texts(void **state)
{
	static const char item[] = "[\"<html> %PDF-1.4\",12345,{\"a\":\n[]}],";
	const size_t size = strlen(item);
	const size_t count = 8000;
	char *text = malloc(size * count + 2);

	assert_non_null(text);
	text[0] = '[';
	for (size_t i = 0; i < count; i++)
		memcpy(text + 1 + i * size, item, size);
	text[size * count + 1] = ']';
	t_fails(SANGRAHA_E_REJECTED, t_judge(NULL, NULL, text, size * count + 2));
	t_rule("json.comma", (int64_t)(size * count + 1));
	text[size * count] = ' ';
	t_ok(t_judge(NULL, NULL, text, size * count + 2));
	free(text);
}

/* Pieces of a few bytes go the state machine's way, whole texts the fast one. */
static void both_ways_agree(void **state)
{
	static const char item[] =
		"{\"k\\u00e9y\" : [-12.5e+3, true,\n null , false],"
		"\"caf\xc3\xa9\":\"a\\\\\\\"\\n\xe2\x82\xac\",\"\":{}},";
	static const char bytes[] = "{}[]:,\"\\ \n0e-.x\x01\x1a\x0c\xc3\xa9\xf0";
	struct t_sample text = { 0 };
	unsigned seed = 3;

	t_raw_text(&text, "[");
	while (text.length + sizeof(item) < 2000)
		t_raw_text(&text, item);
	t_raw_text(&text, "1]");
	t_ok(t_judge_sample("application/json", &text));
	for (int i = 0; i < 1000; i++) {
		struct t_sample copy = text;
		size_t at = 1 + (size_t)rand_r(&seed) % (copy.length - 1);

		copy.data[at] =
			(unsigned char)bytes[(size_t)rand_r(&seed) % (sizeof(bytes) - 1)];
		t_judge_sample("application/json", &copy);
	}
}

static void takes_long_tokens(void **state)
{
	const size_t length = 30000;
	char *text = malloc(length);

	assert_non_null(text);
	memset(text, '7', length);
	memcpy(text, "[0,", 3);
	memcpy(text + 10000, ",\"", 2);
	memcpy(text + 20000, "\",", 2);
	memset(text + 20002, ' ', 6000);
	text[length - 1] = ']';
	t_ok(t_judge("application/json", NULL, text, length));
	t_accepted("json", "application/json",
		   "{\"kind\":\"array\",\"depth\":1,\"values\":5}");
	text[9999] = 'x';
	t_fails(SANGRAHA_E_REJECTED, t_judge("application/json", NULL, text, length));
	t_rule("json.comma", 9999);
	free(text);
}

/* RFC 8259 leaves these to the parser; README.md tells why. All other i_ are accepted. */
static const struct {
	const char *name;
	int status;
} choices[] = {
	{ "i_string_UTF-16LE_with_BOM.json", SANGRAHA_E_UNSUPPORTED },
	{ "i_string_UTF-8_invalid_sequence.json", SANGRAHA_E_REJECTED },
	{ "i_string_UTF8_surrogate_U+D800.json", SANGRAHA_E_REJECTED },
	{ "i_string_invalid_utf-8.json", SANGRAHA_E_REJECTED },
	{ "i_string_iso_latin_1.json", SANGRAHA_E_REJECTED },
	{ "i_string_lone_utf8_continuation_byte.json", SANGRAHA_E_REJECTED },
	{ "i_string_not_in_unicode_range.json", SANGRAHA_E_REJECTED },
	{ "i_string_overlong_sequence_2_bytes.json", SANGRAHA_E_REJECTED },
	{ "i_string_overlong_sequence_6_bytes.json", SANGRAHA_E_REJECTED },
	{ "i_string_overlong_sequence_6_bytes_null.json", SANGRAHA_E_REJECTED },
	{ "i_string_truncated-utf-8.json", SANGRAHA_E_REJECTED },
	{ "i_string_utf16BE_no_BOM.json", SANGRAHA_E_UNSUPPORTED },
	{ "i_string_utf16LE_no_BOM.json", SANGRAHA_E_REJECTED },
	{ "i_structure_UTF-8_BOM_empty_object.json", SANGRAHA_E_UNSUPPORTED },
};

static int choice(const char *name)
{
	for (size_t i = 0; i < SGH_COUNT(choices); i++) {
		if (sgh_streq(choices[i].name, name))
			return choices[i].status;
	}
	return SANGRAHA_OK;
}

static void judge_vector(const char *folder, const char *name)
{
	char path[4096];
	struct sgh_bytes *bytes;
	int status;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	bytes = t_file(path);
	status = t_judge("application/json", NULL, bytes->data, bytes->length);
	sgh_bytes_unref(bytes);
	if (name[0] == 'n' && status != SANGRAHA_E_REJECTED &&
	    status != SANGRAHA_E_UNSUPPORTED)
		fail_msg("%s was not refused", name);
	if (name[0] == 'y' && status != SANGRAHA_OK)
		fail_msg("%s was refused: %s", name, t_err.message);
	if (name[0] == 'i' && status != choice(name))
		fail_msg("%s: %s", name, sangraha_status_name(status));
}

static void judges_the_vectors(void **state)
{
	char *folder = t_vectors("json");
	DIR *dir = opendir(folder);
	unsigned count = 0;

	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (!strchr("yni", entry->d_name[0]) || entry->d_name[1] != '_')
			continue;
		judge_vector(folder, entry->d_name);
		count++;
	}
	closedir(dir);
	free(folder);
	assert_true(count > 300);
}

/* How far the check gets, whether it refuses the text or not. */
static enum sgh_json_progress progress_of(const unsigned char *text, size_t length)
{
	void *json = sgh_format_json.begin(&t_types->limits);
	enum sgh_json_progress progress;
	struct sgh_refusal refusal;

	assert_non_null(json);
	sgh_format_json.feed(json, text, length, &refusal);
	progress = sgh_json_progress(json);
	sgh_format_json.end(json);
	return progress;
}

/* Two bytes, and all that may follow. */
static void knows_by_its_beginning_that_it_is_json(void **state)
{
	unsigned begin = 0;

	for (unsigned i = 0; i < 1 << 16; i++) {
		unsigned char text[] = { (unsigned char)(i >> 8), (unsigned char)i, 0 };

		if (sgh_json_space(text[0]) || sgh_json_space(text[1]) ||
		    !sgh_json_begins(text, 2))
			continue;
		begin++;
		for (unsigned last = 0; last < 256; last++) {
			text[2] = (unsigned char)last;
			assert_int_equal(progress_of(text, 3), SGH_JSON_MORE);
		}
	}
	assert_int_equal(begin, 20);
}

static void knows_nothing_before_the_second_byte(void **state)
{
	static const char *const others[] = { "", " ", "{", " [ \t\r\n", "42", "\"a\"" };

	for (size_t i = 0; i < SGH_COUNT(others); i++)
		assert_false(sgh_json_begins((const unsigned char *)others[i],
					     strlen(others[i])));
	assert_true(sgh_json_begins((const unsigned char *)" [\r\n\t\"", 6));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(accepts_values),
	cmocka_unit_test(tells_facts),
	cmocka_unit_test(names_the_first_bad_byte),
	cmocka_unit_test(names_the_bad_byte_of_a_number),
	cmocka_unit_test(names_the_bad_byte_of_a_string),
	cmocka_unit_test(names_the_bad_byte_of_utf8),
	cmocka_unit_test(accepts_every_character),
	cmocka_unit_test(the_end_is_where_the_text_ends),
	cmocka_unit_test(says_line_and_column),
	cmocka_unit_test(limits_depth),
	t_policy_case(limits_depth_by_policy),
	t_policy_case(takes_a_byte_order_mark_by_policy),
	t_policy_case(refuses_scalars_by_policy),
	cmocka_unit_test(knows_objects_from_arrays_at_any_depth),
	cmocka_unit_test(survives_changes),
	cmocka_unit_test(streams_large_texts),
	cmocka_unit_test(both_ways_agree),
	cmocka_unit_test(takes_long_tokens),
	cmocka_unit_test(knows_by_its_beginning_that_it_is_json),
	cmocka_unit_test(knows_nothing_before_the_second_byte),
	cmocka_unit_test(judges_the_vectors),
};

t_validate_main(tests)
