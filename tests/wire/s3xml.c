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

#define BEGUN(inside)                     \
	"<InitiateMultipartUploadResult>" \
	"<Bucket>b</Bucket>" inside "</InitiateMultipartUploadResult>"
#define DECLARED(text) " \n \r\n<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" text

static void a_new_upload_is_read(void **state)
{
	static const char text[] = DECLARED(BEGUN("<UploadId>abc-_.~1</UploadId>"));
	const char *upload;

	t_ok(sgh_s3xml_begun(text, strlen(text), &arena, &upload, &t_err));
	assert_string_equal(upload, "abc-_.~1");
}

static void broken_new_uploads_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"   ",
		"oops",
		BEGUN(""),
		BEGUN("<UploadId></UploadId>"),
		BEGUN("<UploadId>a b</UploadId>"),
		BEGUN("<UploadId>a&#10;b</UploadId>"),
		BEGUN("<UploadId>\xc3\xbc</UploadId>"),
		BEGUN("<UploadId>a</UploadId") "x",
		"<Other><UploadId>a</UploadId></Other>",
	};
	const char *upload;

	for (size_t i = 0; i < SGH_COUNT(texts); i++)
		t_fails(SANGRAHA_E_INTERNAL, sgh_s3xml_begun(texts[i], strlen(texts[i]),
							     &arena, &upload, &t_err));
}

static void an_upload_id_without_end_is_refused(void **state)
{
	char text[4000] = "<InitiateMultipartUploadResult><UploadId>";
	const char *upload;

	memset(text + strlen(text), 'u', SGH_S3_UPLOAD_MAX + 1);
	strcat(text, "</UploadId></InitiateMultipartUploadResult>");
	t_fails(SANGRAHA_E_INTERNAL,
		sgh_s3xml_begun(text, strlen(text), &arena, &upload, &t_err));
}

static bool etag_is(const char *text, const char *wanted)
{
	char etag[SGH_PART_ETAG_MAX + 1];

	return sgh_s3_etag(text, strlen(text), etag) && strcmp(etag, wanted) == 0;
}

static void an_entity_tag_gets_its_quotes(void **state)
{
	char text[200] = { 0 };
	char etag[SGH_PART_ETAG_MAX + 1];

	assert_true(etag_is("\"a-1\"", "\"a-1\""));
	assert_true(etag_is("a-1", "\"a-1\""));
	assert_false(etag_is("", "\"\""));
	assert_false(etag_is("\"\"", "\"\""));
	assert_false(etag_is("\"", "\"\"\""));
	assert_false(etag_is("a\"b", "\"a\"b\""));
	assert_false(etag_is("a b", "\"a b\""));
	memset(text, 'x', SGH_PART_ETAG_MAX - 2);
	assert_true(sgh_s3_etag(text, strlen(text), etag));
	assert_int_equal(strlen(etag), SGH_PART_ETAG_MAX);
	strcat(text, "x");
	assert_false(sgh_s3_etag(text, strlen(text), etag));
}

#define PARTS(inside) "<ListPartsResult>" inside "</ListPartsResult>"
#define PART(number, size, etag)                                                    \
	"<Part><PartNumber>" number "</PartNumber><Size>" size "</Size><ETag>" etag \
	"</ETag></Part>"

static int parts(const char *text, struct sgh_s3_parts *ret)
{
	return sgh_s3xml_parts(text, strlen(text), 2, 5, &arena, ret, &t_err);
}

static void parts_are_read(void **state)
{
	struct sgh_s3_parts got;

	t_ok(parts(DECLARED(PARTS("<IsTruncated>true</IsTruncated><Initiator><ID>x</ID>"
				  "</Initiator>" PART("6", "5242880", "&quot;a&quot;")
					  PART("10000", "1", "b"))),
		   &got));
	assert_int_equal(got.count, 2);
	assert_true(got.more);
	assert_int_equal(got.parts[0].number, 6);
	assert_int_equal(got.parts[0].size, 5242880);
	assert_string_equal(got.parts[0].etag, "\"a\"");
	assert_int_equal(got.parts[1].number, 10000);
	assert_string_equal(got.parts[1].etag, "\"b\"");
	t_ok(parts(PARTS(""), &got));
	assert_int_equal(got.count, 0);
	assert_false(got.more);
}

static void broken_parts_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		LIST(""),
		"<ListPartsResult>",
		PARTS("<IsTruncated>true</IsTruncated>"),
		PARTS(PART("6", "1", "a") PART("7", "1", "a") PART("8", "1", "a")),
		PARTS(PART("7", "1", "a") PART("6", "1", "a")),
		PARTS(PART("6", "1", "a") PART("6", "1", "a")),
		PARTS(PART("5", "1", "a")),
		PARTS(PART("10001", "1", "a")),
		PARTS(PART("4294967302", "1", "a")),
		PARTS(PART("-6", "1", "a")),
		PARTS(PART("6", "x", "a")),
		PARTS(PART("6", "1", "")),
		PARTS(PART("6", "1", "a\"b")),
		PARTS("<Part><PartNumber>6</PartNumber></Part>"),
		PARTS("<Part><ETag>a</ETag></Part>"),
	};
	struct sgh_s3_parts got;

	for (size_t i = 0; i < SGH_COUNT(texts); i++)
		t_fails(SANGRAHA_E_INTERNAL, parts(texts[i], &got));
}

#define UPLOADS(inside) \
	"<ListMultipartUploadsResult>" inside "</ListMultipartUploadsResult>"
#define UPLOAD(key, id) "<Upload><Key>" key "</Key><UploadId>" id "</UploadId></Upload>"

static int uploads(const char *text, struct sgh_s3_uploads *ret)
{
	return sgh_s3xml_uploads(text, strlen(text), "a b", 3, &arena, ret, &t_err);
}

static void only_uploads_of_the_very_key_are_kept(void **state)
{
	struct sgh_s3_uploads got;

	t_ok(uploads(UPLOADS(UPLOAD("a b", "1") UPLOAD("a b", "2") UPLOAD("a bc", "3")),
		     &got));
	assert_int_equal(got.count, 2);
	assert_string_equal(got.uploads[0], "1");
	assert_string_equal(got.uploads[1], "2");
	assert_null(got.next);
	t_ok(uploads(UPLOADS(UPLOAD("a+b", "1") "<EncodingType>url</EncodingType>"),
		     &got));
	assert_int_equal(got.count, 1);
	t_ok(uploads(UPLOADS(UPLOAD("a+b", "1")), &got));
	assert_int_equal(got.count, 0);
}

#define CUT(key, id)                                         \
	"<IsTruncated>true</IsTruncated><NextKeyMarker>" key \
	"</NextKeyMarker><NextUploadIdMarker>" id "</NextUploadIdMarker>"

static void uploads_go_on_as_long_as_there_are_some_of_the_key(void **state)
{
	struct sgh_s3_uploads got;

	t_ok(uploads(UPLOADS(UPLOAD("a b", "1") CUT("a b", "1")), &got));
	assert_string_equal(got.next, "1");
	t_ok(uploads(UPLOADS(UPLOAD("a b", "1") CUT("a bc", "1")), &got));
	assert_null(got.next);
	t_ok(uploads(UPLOADS(CUT("a b", "1")), &got));
	assert_null(got.next);
	t_ok(uploads(UPLOADS(UPLOAD("a b", "1") CUT("a b", "")), &got));
	assert_null(got.next);
}

static void broken_uploads_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		LIST(""),
		UPLOADS(UPLOAD("a", "1") UPLOAD("a", "2") UPLOAD("a", "3")
				UPLOAD("a", "4")),
		UPLOADS(UPLOAD("a", "")),
		UPLOADS(UPLOAD("a", "x y")),
		UPLOADS("<Upload><Key>a</Key></Upload>"),
		UPLOADS("<Upload><UploadId>1</UploadId></Upload>"),
		UPLOADS(UPLOAD("%zz", "1") "<EncodingType>url</EncodingType>"),
		UPLOADS(CUT("a b", "x y")),
	};
	struct sgh_s3_uploads got;

	for (size_t i = 0; i < SGH_COUNT(texts); i++)
		t_fails(SANGRAHA_E_INTERNAL, uploads(texts[i], &got));
}

static void a_completion_is_written(void **state)
{
	const struct sgh_part list[] = { { 1, 5, "\"a&b\"" }, { 2, 0, "\"<c>\"" } };
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(1000);

	sgh_s3xml_complete_write(list, 2, &buf);
	assert_string_equal(
		sgh_buf_text(&buf),
		"<CompleteMultipartUpload "
		"xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
		"<Part><PartNumber>1</PartNumber><ETag>&quot;a&amp;b&quot;</ETag></Part>"
		"<Part><PartNumber>2</PartNumber><ETag>&quot;&lt;c&gt;&quot;</ETag></"
		"Part>"
		"</CompleteMultipartUpload>");
}

static void only_a_whole_result_is_a_completion(void **state)
{
	static const char *const wrong[] = {
		"",
		"    ",
		"<Error/>",
		"<CompleteMultipartUploadResult>",
		"<x><CompleteMultipartUploadResult/></x>",
		"<CompleteMultipartUploadResult/>x",
	};
	static const char right[] =
		DECLARED("<CompleteMultipartUploadResult><ETag>x</ETag>"
			 "</CompleteMultipartUploadResult>");

	assert_true(sgh_s3xml_completed(right, strlen(right)));
	for (size_t i = 0; i < SGH_COUNT(wrong); i++)
		assert_false(sgh_s3xml_completed(wrong[i], strlen(wrong[i])));
}

static void an_error_may_come_late(void **state)
{
	struct sgh_s3_error error;

	assert_true(
		is_error(DECLARED("<Error><Code>InternalError</Code></Error>"), &error));
	assert_string_equal(error.code, "InternalError");
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
	CASE(a_new_upload_is_read),
	CASE(broken_new_uploads_are_refused),
	CASE(an_upload_id_without_end_is_refused),
	CASE(an_entity_tag_gets_its_quotes),
	CASE(parts_are_read),
	CASE(broken_parts_are_refused),
	CASE(only_uploads_of_the_very_key_are_kept),
	CASE(uploads_go_on_as_long_as_there_are_some_of_the_key),
	CASE(broken_uploads_are_refused),
	CASE(a_completion_is_written),
	CASE(only_a_whole_result_is_a_completion),
	CASE(an_error_may_come_late),
};

t_main(tests)
