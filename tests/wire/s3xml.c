/* SPDX-License-Identifier: MIT */
#include "wire/s3xml.h"

#include "support/t.h"

#define LIST(inside) \
	"<?xml version=\"1.0\"?>\n<ListBucketResult>" inside "</ListBucketResult>"
#define KEY(name) "<Contents><Key>" name "</Key><Size>7</Size></Contents>"

static struct sgh_arena arena;

static int tear_down(void **state)
{
	sgh_arena_fini(&arena);
	return 0;
}

static int list(const char *text, struct sgh_s3_list *ret)
{
	return sgh_s3xml_list(text, strlen(text), 3, &arena, ret, &t_err);
}

static bool is_error(const char *text, struct sgh_s3_error *ret)
{
	return sgh_s3xml_error(text, strlen(text), ret);
}

static void an_error_is_read(void **state)
{
	struct sgh_s3_error error;

	assert_true(
		is_error("<Error><Code>NoSuchKey</Code>\n<Message>Not\nhere &amp; not "
			 "there</Message><Resource>/x</Resource></Error>",
			 &error));
	assert_string_equal(error.code, "NoSuchKey");
	assert_string_equal(error.message, "Not here & not there");
}

static void an_error_may_say_nothing(void **state)
{
	struct sgh_s3_error error;

	assert_true(is_error("<s3:Error xmlns:s3='urn:x'/>", &error));
	assert_string_equal(error.code, "");
}

static void an_error_stays_one_whatever_follows(void **state)
{
	struct sgh_s3_error error;

	assert_true(is_error("<Error><Code>SlowDown</Code></Error><html>", &error));
	assert_string_equal(error.code, "SlowDown");
}

static void what_is_no_error_is_none(void **state)
{
	static const char *const texts[] = {
		"",
		"oops",
		"<Error>",
		"<html><Error/></html>",
		"<Error><Code>SlowDown</Code>",
		LIST(""),
	};
	struct sgh_s3_error error;

	for (size_t i = 0; i < SGH_COUNT(texts); i++)
		assert_false(is_error(texts[i], &error));
}

static void a_long_message_is_cut_between_characters(void **state)
{
	struct sgh_s3_error error;
	char text[2000] = "<Error><Message>x";

	for (unsigned i = 0; i < 500; i++)
		strcat(text, "\xc3\xbc");
	strcat(text, "</Message></Error>");
	assert_true(is_error(text, &error));
	assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
	assert_int_equal(error.message[sizeof(error.message) - 2], '\xbc');
}

static void a_list_is_read(void **state)
{
	struct sgh_s3_list got;

	t_ok(list(
		LIST("<Name>b</Name><IsTruncated>true</IsTruncated>"
		     "<Contents><Key>a/b</Key><LastModified>2026-01-02T03:04:05.678Z"
		     "</LastModified><Size>12</Size><Owner><ID>x</ID></Owner></Contents>"
		     "<Contents><Key>c&amp;d</Key><Size>0</Size></Contents>"),
		&got));
	assert_int_equal(got.count, 2);
	assert_true(got.more);
	assert_string_equal(got.keys[0].key, "a/b");
	assert_int_equal(got.keys[0].size, 12);
	assert_int_equal(got.keys[0].modified_ms, 1767323045678);
	assert_string_equal(got.keys[1].key, "c&d");
}

static void an_empty_list_is_one(void **state)
{
	struct sgh_s3_list got;

	t_ok(list(LIST(""), &got));
	assert_int_equal(got.count, 0);
	assert_false(got.more);
}

static void keys_are_decoded_wherever_the_encoding_is_named(void **state)
{
	struct sgh_s3_list got;

	t_ok(list(LIST(KEY("a+b%2Bc%C3%BC") "<EncodingType>url</EncodingType>"), &got));
	assert_string_equal(got.keys[0].key, "a b+c\xc3\xbc");
	t_ok(list(LIST("<EncodingType>url</EncodingType>" KEY("%3d")), &got));
	assert_string_equal(got.keys[0].key, "=");
	t_ok(list(LIST(KEY("a+b%2B")), &got));
	assert_string_equal(got.keys[0].key, "a+b%2B");
}

static void broken_lists_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"oops",
		"<html/>",
		"<ListBucketResult>",
		LIST("<Contents><Key>a</Key>"),
		LIST("<Contents><Size>1</Size></Contents>"),
		LIST("<Contents><Key>a</Key><Size>-1</Size></Contents>"),
		LIST("<Contents><Key>a</Key><Size>99999999999999999999</Size></"
		     "Contents>"),
		LIST(KEY("%4") "<EncodingType>url</EncodingType>"),
		LIST(KEY("%00") "<EncodingType>url</EncodingType>"),
		LIST(KEY("a") KEY("b") KEY("c") KEY("d")),
		"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><ListBucketResult/>",
		"<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>",
	};
	struct sgh_s3_list got;

	for (size_t i = 0; i < SGH_COUNT(texts); i++)
		t_fails(SANGRAHA_E_INTERNAL, list(texts[i], &got));
}

static void a_key_without_end_is_refused(void **state)
{
	struct sgh_s3_list got;
	char text[8000] = "<ListBucketResult><Contents><Key>";

	memset(text + strlen(text), 'k', 6000);
	strcat(text, "</Key></Contents></ListBucketResult>");
	t_fails(SANGRAHA_E_INTERNAL, list(text, &got));
	t_says("a key is too long");
}

static void a_small_arena_is_overload(void **state)
{
	struct sgh_s3_list got;

	arena.max = 100;
	t_fails(SANGRAHA_E_OVERLOADED,
		list(LIST(KEY("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")), &got));
	arena.max = 0;
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(an_error_is_read),
	CASE(an_error_may_say_nothing),
	CASE(an_error_stays_one_whatever_follows),
	CASE(what_is_no_error_is_none),
	CASE(a_long_message_is_cut_between_characters),
	CASE(a_list_is_read),
	CASE(an_empty_list_is_one),
	CASE(keys_are_decoded_wherever_the_encoding_is_named),
	CASE(broken_lists_are_refused),
	CASE(a_key_without_end_is_refused),
	CASE(a_small_arena_is_overload),
};

t_main(tests)
