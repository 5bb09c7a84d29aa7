/* SPDX-License-Identifier: MIT */
#include "base/budget.h"
#include "support/t.h"
#include "wire/protocol.h"

/* What others send, by the letter of the protocol or against it. */

#define ID    "0199f2c4-0000-7000-8000-0123456789ab"
#define OTHER "0199f2c4-0000-7000-8000-0123456789ac"

/* ---- reading binary mode ---- */

/* A small put as somebody else would write it. */
static struct sgh_message *foreign(const char *type)
{
	struct sgh_message *message = sgh_message_new();

	message->type = type;
	message->message_id = ID;
	message->reply_to = "replies";
	message->correlation_id = "c";
	return message;
}

/* Parse and free the message. */
static struct sgh_request *read_and_free(struct sgh_message *message)
{
	struct sgh_request *request = NULL;

	t_ok(sgh_request_parse(message, NULL, &request, NULL, &t_err));
	sgh_message_free(message);
	return request;
}

/* Refused, with what an answer needs; frees the message. */
static void refused_as(int status, struct sgh_message *message, const char *why)
{
	struct sgh_request *request = NULL;
	struct sgh_request *partial = NULL;

	t_fails(status, sgh_request_parse(message, NULL, &request, &partial, &t_err));
	t_says(why);
	assert_null(request);
	assert_string_equal(partial->reply_to, "replies");
	assert_string_equal(partial->correlation_id, "c");
	sgh_request_free(partial);
	t_fails(status, sgh_request_parse(message, NULL, &request, NULL, NULL));
	sgh_message_free(message);
}

static void refused(struct sgh_message *message, const char *why)
{
	refused_as(SANGRAHA_E_INVALID, message, why);
}

static void a_put_needs_one_id(void **state)
{
	struct sgh_message *message = foreign("sangraha.put.v1");
	struct sgh_request *request = read_and_free(message);

	assert_string_equal(request->object_id, ID);
	assert_int_equal(request->size, -1);
	assert_null(request->body);
	sgh_request_free(request);
	message = foreign("sangraha.put.v1");
	message->message_id = NULL;
	assert_true(sgh_message_add_text(message, "object-id", ID));
	request = read_and_free(message);
	assert_string_equal(request->operation_id, ID);
	sgh_request_free(request);
}

static void numbers_may_be_text(void **state)
{
	struct sgh_message *message = foreign("sangraha.put.v1");
	struct sgh_request *request;

	assert_true(sgh_message_add_text(message, "size", "5"));
	assert_true(sgh_message_add_text(message, "deadline", "1767323075678"));
	assert_true(sgh_message_add_text(message, "fresh", "true"));
	assert_true(sgh_message_add_text(message, "attempt", "0"));
	assert_true(sgh_message_add_number(message, "resend", 1000));
	request = read_and_free(message);
	assert_int_equal(request->size, 5);
	assert_true(request->deadline == 1767323075678);
	assert_true(request->fresh);
	assert_int_equal(request->resend, 1000);
	sgh_request_free(request);
}

static void strange_headers_are_ignored(void **state)
{
	struct sgh_message *message = foreign("sangraha.list.v1");
	struct sgh_request *request;

	message->message_id = "any text at all";
	assert_true(sgh_message_add_text(message, "colour", "blue"));
	assert_true(sgh_message_add_number(message, "x-delivery-count", 1));
	request = read_and_free(message);
	assert_string_equal(request->operation_id, "any text at all");
	assert_int_equal(request->limit, 0);
	sgh_request_free(request);
}

/* What only serves people is left out when it is not valid. */
static void bad_courtesies_are_left_out(void **state)
{
	struct sgh_message *message = foreign("sangraha.put.v1");
	struct sgh_request *request;

	assert_true(sgh_message_add_text(message, "request-id", "two words"));
	assert_true(sgh_message_add_text(message, "traceparent", "a\nb"));
	request = read_and_free(message);
	assert_null(request->request_id);
	assert_null(request->traceparent);
	sgh_request_free(request);
	message = foreign("sangraha.put.v1");
	assert_true(sgh_message_add_number(message, "request-id", 5));
	request = read_and_free(message);
	assert_null(request->request_id);
	sgh_request_free(request);
}

static void bad_texts_are_refused(void **state)
{
	static const struct {
		const char *name;
		const char *text;
	} cases[] = {
		{ "object-id", "0199F2C4-0000-7000-8000-0123456789AB" },
		{ "object-id", "" },
		{ "object-id", OTHER }, /* not the message_id */
		{ "object-type", "Image" },
		{ "object-type", "../meta" },
		{ "object-type", "" },
		{ "filename", "" },
		{ "filename", "a/b" },
		{ "filename", "a\nb" },
		{ "filename", "\xff" },
		{ "sha256", "abc" },
		{ "sha256",
		  "B94D27B9934D3E08A52E52D7DA7DABFAC484EFE37A5380EE9088F7ACE2EFCDE9" },
		{ "cursor", "" },
		{ "cursor", "ü" },
		{ "created", "yesterday" },
		{ "created", "1969-12-31T23:59:59Z" },
		{ "size", "-1" },
		{ "size", "1.5" },
		{ "size", "" },
		{ "size", " 1" },
		{ "size", "99999999999999999999" },
		{ "attempt", "1001" },
		{ "resend", "-1" },
		{ "limit", "0" },
		{ "limit", "1001" },
		{ "deadline", "-5" },
		{ "published", "9999999999999999" },
		{ "fresh", "yes" },
		{ "meta-", "x" },
		{ "meta-A", "x" },
		{ "meta-a", "\xff" },
	};

	for (size_t i = 0; i < SGH_COUNT(cases); i++) {
		struct sgh_message *message = foreign("sangraha.put.v1");

		assert_true(sgh_message_add_text(message, cases[i].name, cases[i].text));
		refused(message,
			strncmp(cases[i].name, "meta", 4) ? cases[i].name : "metadata");
	}
}

static void bad_kinds_are_refused(void **state)
{
	static const char *const texts[] = { "object-id", "object-type", "filename",
					     "sha256",    "created",     "meta-a" };
	static const char *const numbers[] = { "size", "attempt", "deadline" };

	for (size_t i = 0; i < SGH_COUNT(texts); i++) {
		struct sgh_message *message = foreign("sangraha.put.v1");

		assert_true(sgh_message_add_number(message, texts[i], 1));
		refused(message, texts[i]);
	}
	for (size_t i = 0; i < SGH_COUNT(numbers); i++) {
		struct sgh_message *message = foreign("sangraha.put.v1");

		assert_true(sgh_message_add_bool(message, numbers[i], true));
		refused(message, numbers[i]);
	}
}

/* The reason goes into headers and logs. */
static void a_strange_name_is_not_repeated(void **state)
{
	struct sgh_message *message = foreign("sangraha.put.v1");

	assert_true(sgh_message_add_number(message, "meta-\n\xff", 1));
	refused(message, "metadata: is not a text");
}

/* What cannot be read must not pass for absent: a digest would go unchecked. */
static void other_kinds_are_refused(void **state)
{
	static const char *const names[] = { "sha256", "object-type", "deadline", "fresh",
					     "meta-a", "attempt",     "batches" };

	for (size_t i = 0; i < SGH_COUNT(names); i++) {
		struct sgh_message *message = foreign("sangraha.put.v1");

		assert_true(sgh_message_add_number(message, names[i], 1));
		message->headers[message->header_count - 1].kind = SGH_HEADER_OTHER;
		refused(message, names[i]);
	}
}

static void a_cut_message_is_refused(void **state)
{
	struct sgh_message *message = foreign("sangraha.put.v1");

	message->cut = true;
	refused(message, "more than 64 headers");
}

static void bad_properties_are_refused(void **state)
{
	struct sgh_message *message = foreign("sangraha.put.v1");

	message->message_id = "not-an-id";
	refused(message, "message_id");
	message = foreign("sangraha.put.v1");
	message->content_type = "image/png\r\nX: y";
	refused(message, "content-type");
	message = foreign(NULL);
	refused(message, "type");
}

static void unknown_verbs_are_unsupported(void **state)
{
	static const char *const types[] = { "sangraha.put.v2",
					     "sangraha.replace.v1",
					     "",
					     "sangraha.unknown.v1",
					     "put",
					     "sangraha.put.v1x" };

	for (size_t i = 0; i < SGH_COUNT(types); i++)
		refused_as(SANGRAHA_E_UNSUPPORTED, foreign(types[i]), "type");
}

static void the_partial_request_names_the_ids(void **state)
{
	struct sgh_message *message = foreign("sangraha.put.v2");
	struct sgh_request *request = NULL;
	struct sgh_request *partial = NULL;

	assert_true(sgh_message_add_text(message, "object-id", ID));
	assert_true(sgh_message_add_text(message, "object-type", "pdf"));
	assert_true(sgh_message_add_text(message, "request-id", "r"));
	t_fails(SANGRAHA_E_UNSUPPORTED,
		sgh_request_parse(message, NULL, &request, &partial, &t_err));
	assert_int_equal(partial->verb, SGH_VERB_UNKNOWN);
	assert_string_equal(partial->operation_id, ID);
	assert_string_equal(partial->object_id, ID);
	assert_string_equal(partial->object_type, "pdf");
	assert_string_equal(partial->request_id, "r");
	sgh_request_free(partial);
	sgh_message_free(message);
}

static void lacks(const char *type, const char *message_id, const char *object_type,
		  const char *object_id, const char *what)
{
	struct sgh_message *message = foreign(type);

	message->message_id = message_id;
	assert_true(sgh_message_add_text(message, "object-type", object_type));
	assert_true(sgh_message_add_text(message, "object-id", object_id));
	if (what)
		refused(message, what);
	else
		sgh_request_free(read_and_free(message));
}

static void each_verb_needs_its_headers(void **state)
{
	lacks("sangraha.put.v1", NULL, "json", NULL, "message_id");
	lacks("sangraha.put-commit.v1", NULL, NULL, NULL, "message_id");
	lacks("sangraha.delete.v1", NULL, "json", ID, "message_id");
	lacks("sangraha.delete.v1", OTHER, NULL, ID, "object-type");
	lacks("sangraha.delete.v1", OTHER, "json", NULL, "object-id");
	lacks("sangraha.get.v1", NULL, NULL, ID, "object-type");
	lacks("sangraha.get.v1", OTHER, "json", NULL, "object-id");
	lacks("sangraha.stat.v1", OTHER, "json", NULL, "object-id");
	lacks("sangraha.delete.v1", OTHER, "json", ID, NULL);
	lacks("sangraha.get.v1", NULL, "json", ID, NULL);
	lacks("sangraha.stat.v1", NULL, NULL, ID, NULL);
	lacks("sangraha.list.v1", NULL, NULL, NULL, NULL);
}

/* ---- reading JSON mode ---- */

static struct sgh_message *document(const char *json)
{
	struct sgh_message *message = sgh_message_new();

	message->content_type = "application/vnd.sangraha+json; charset=utf-8";
	message->reply_to = "replies";
	message->correlation_id = "c";
	message->body = t_bytes(json);
	return message;
}

static void a_document_may_say_everything(void **state)
{
	struct sgh_message *message = document(
		"{\"type\":\"sangraha.put.v1\",\"message_id\":\"" ID "\","
		"\"reply_to\":\"elsewhere\",\"correlation_id\":\"d\",\"filename\":null,"
		"\"meta_x-source\":\"till 4\",\"size\":\"2\",\"fresh\":false,"
		"\"more\":{\"data\":[1]},\"data\":\"e\\/8=\"}");
	struct sgh_request *request;

	message->reply_to = message->correlation_id = NULL;
	request = read_and_free(message);
	assert_int_equal(request->verb, SGH_PUT);
	assert_true(request->json);
	assert_string_equal(request->reply_to, "elsewhere");
	assert_string_equal(request->correlation_id, "d");
	assert_null(request->filename);
	assert_null(request->content_type);
	assert_int_equal(request->size, 2);
	assert_string_equal(request->meta[0].name, "x-source");
	assert_string_equal(request->meta[0].value, "till 4");
	t_same_bytes(request->body, "{\xff");
	sgh_request_free(request);
}

static void properties_go_before_members(void **state)
{
	struct sgh_message *message =
		document("{\"type\":\"sangraha.list.v1\",\"message_id\":\"" OTHER "\","
			 "\"reply_to\":\"elsewhere\",\"correlation_id\":\"d\"}");
	struct sgh_request *request;

	message->type = "sangraha.put.v1";
	message->message_id = ID;
	request = read_and_free(message);
	assert_int_equal(request->verb, SGH_PUT);
	assert_string_equal(request->operation_id, ID);
	assert_string_equal(request->reply_to, "replies");
	assert_string_equal(request->correlation_id, "c");
	sgh_request_free(request);
}

/* Only `attempt` and `fresh` are read from the headers of a JSON message. */
static void a_retried_document_counts_in_its_header(void **state)
{
	struct sgh_message *message =
		document("{\"type\":\"sangraha.put.v1\",\"message_id\":\"" ID
			 "\",\"attempt\":1,\"resend\":1,\"fresh\":true}");
	struct sgh_message *copy = NULL;
	struct sgh_request *request;

	assert_true(sgh_message_add_number(message, "resend", 5));
	t_ok(sgh_message_retry(message, 4, &copy, &t_err));
	sgh_message_free(message);
	request = read_and_free(copy);
	assert_int_equal(request->attempt, 4);
	assert_int_equal(request->resend, 1);
	assert_false(request->fresh);
	sgh_request_free(request);
}

#define PUT "{\"type\":\"sangraha.put.v1\",\"message_id\":\"" ID "\","

static void bad_documents_are_refused(void **state)
{
	static const char *const cases[][2] = {
		{ "", "no JSON object" },
		{ "[]", "no JSON object" },
		{ PUT "}", "no JSON object" },
		{ PUT "\"filename\":\"a\\u0000b\"}", "no JSON object" },
		{ PUT "\"size\":1,\"size\":2}", "twice" },
		{ PUT "\"size\":1.5}", "size" },
		{ PUT "\"size\":9007199254740994}", "size" },
		{ PUT "\"size\":-1}", "size" },
		{ PUT "\"size\":true}", "size" },
		{ PUT "\"deadline\":[]}", "deadline" },
		{ PUT "\"sha256\":{\"a\":1}}", "sha256" },
		{ PUT "\"object_type\":[1]}", "object_type" },
		{ PUT "\"object_id\":\"x\"}", "object_id" },
		{ PUT "\"object_id\":5}", "object_id" },
		{ PUT "\"object_type\":\"X\"}", "object_type" },
		{ PUT "\"filename\":\"..\"}", "filename" },
		{ PUT "\"content_type\":\"\\n\"}", "content_type" },
		{ PUT "\"fresh\":\"maybe\"}", "fresh" },
		{ PUT "\"fresh\":2}", "fresh" },
		{ PUT "\"meta_A\":\"x\"}", "metadata" },
		{ PUT "\"meta_a\":5}", "meta_a" },
		{ PUT "\"data\":5}", "data" },
		{ PUT "\"data\":{}}", "data" },
		{ PUT "\"data\":\"e\"}", "data" },
		{ PUT "\"data\":\"e_8=\"}", "data" },
		{ PUT "\"data\":\"e\\n8=\"}", "data" },
		{ PUT "\"data\":\"AAAA\\/\\/\"}", "data" },
		{ PUT "\"data\":\"eQ\\u013d\\u013d\"}", "data" },
		{ PUT "\"d\\u0061ta\":\"eQ==\"}", "data" },
		{ "{\"message_id\":\"" ID "\"}", "type" },
		{ "{\"type\":5,\"message_id\":\"" ID "\"}", "type" },
	};

	for (size_t i = 0; i < SGH_COUNT(cases); i++)
		refused(document(cases[i][0]), cases[i][1]);
}

static void a_long_member_is_no_property(void **state)
{
	char json[512];
	struct sgh_message *message;
	struct sgh_request *request = NULL;

	snprintf(json, sizeof(json), PUT "\"reply_to\":\"%0300d\"}", 1);
	message = document(json);
	message->reply_to = NULL;
	t_fails(SANGRAHA_E_INVALID,
		sgh_request_parse(message, NULL, &request, NULL, &t_err));
	t_says("reply_to");
	sgh_message_free(message);
}

static void decoded_bytes_are_accounted_for(void **state)
{
	struct sgh_budget *budget = sgh_budget_new(1 << 20);
	struct sgh_message *message = document(PUT "\"data\":\"AAAAAAAA\"}");
	struct sgh_request *request = NULL;

	t_ok(sgh_request_parse(message, budget, &request, NULL, &t_err));
	assert_int_equal(request->body->length, 6);
	assert_in_range(sgh_budget_used(budget), 6, 16);
	sgh_request_free(request);
	assert_int_equal(sgh_budget_used(budget), 0);
	sgh_message_free(message);
	message = document(PUT "\"data\":\"AAAA____\"}");
	t_fails(SANGRAHA_E_INVALID,
		sgh_request_parse(message, budget, &request, NULL, &t_err));
	assert_int_equal(sgh_budget_used(budget), 0);
	sgh_message_free(message);
	sgh_budget_unref(budget);
}

/* So some writers of JSON have it by default, in case that it lands in a web page. */
static void base64_may_be_escaped(void **state)
{
	static const unsigned char wanted[] = { 0xfb, 0xef, 0xff, '=' };
	struct sgh_message *message =
		document(PUT "\"data\":\"\\u002b\\u002B\\u002f\\/PQ\\u003d\\u003D\"}");
	struct sgh_request *request = read_and_free(message);

	assert_int_equal(request->body->length, sizeof(wanted));
	assert_memory_equal(request->body->data, wanted, sizeof(wanted));
	sgh_request_free(request);
}

static void reads_decode_no_body(void **state)
{
	struct sgh_message *message =
		document("{\"type\":\"sangraha.list.v1\",\"data\":\"not base64\"}");
	struct sgh_request *request = read_and_free(message);

	assert_null(request->body);
	sgh_request_free(request);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_put_needs_one_id),
	cmocka_unit_test(base64_may_be_escaped),
	cmocka_unit_test(numbers_may_be_text),
	cmocka_unit_test(strange_headers_are_ignored),
	cmocka_unit_test(bad_courtesies_are_left_out),
	cmocka_unit_test(bad_texts_are_refused),
	cmocka_unit_test(bad_kinds_are_refused),
	cmocka_unit_test(a_strange_name_is_not_repeated),
	cmocka_unit_test(other_kinds_are_refused),
	cmocka_unit_test(a_cut_message_is_refused),
	cmocka_unit_test(bad_properties_are_refused),
	cmocka_unit_test(unknown_verbs_are_unsupported),
	cmocka_unit_test(the_partial_request_names_the_ids),
	cmocka_unit_test(each_verb_needs_its_headers),
	cmocka_unit_test(a_document_may_say_everything),
	cmocka_unit_test(properties_go_before_members),
	cmocka_unit_test(a_retried_document_counts_in_its_header),
	cmocka_unit_test(bad_documents_are_refused),
	cmocka_unit_test(a_long_member_is_no_property),
	cmocka_unit_test(decoded_bytes_are_accounted_for),
	cmocka_unit_test(reads_decode_no_body),
};

t_main(tests)
