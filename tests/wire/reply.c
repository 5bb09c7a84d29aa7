/* SPDX-License-Identifier: MIT */
#include "base/budget.h"
#include "support/t.h"
#include "wire/protocol.h"

#define ID     "0199f2c4-0000-7000-8000-0123456789ab"
#define SHA256 "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

static struct sangraha_object *object(const char *filename)
{
	static const struct sgh_pair meta[] = { { "a", "Zoë" },
						{ "x-source", "till 4" } };
	struct sgh_object_parts parts = {
		.id = ID,
		.type = "json",
		.filename = filename,
		.content_type = "application/json",
		.sha256 = SHA256,
		.created_ms = 1767323045678,
		.size = 11,
		.facts = "{\"depth\": 1, \"exact\": 1.0}",
		.rules = "1",
		.meta = meta,
		.meta_count = 2,
	};
	struct sangraha_object *made = NULL;

	t_ok(sgh_object_new(&parts, &made, &t_err));
	return made;
}

static struct sgh_reply *success(void)
{
	struct sgh_reply *reply = sgh_reply_new();

	reply->correlation_id = "correlation";
	reply->operation_id = ID;
	reply->request_id = "order:66";
	return reply;
}

/* ---- round trips ---- */

static void same_object(const struct sangraha_object *a, const struct sangraha_object *b)
{
	char *text_a = NULL;
	char *text_b = NULL;

	assert_int_equal(!a, !b);
	if (!a)
		return;
	t_ok(sangraha_object_json(a, &text_a, &t_err));
	t_ok(sangraha_object_json(b, &text_b, &t_err));
	assert_string_equal(text_a, text_b);
	free(text_a);
	free(text_b);
}

static void same(const struct sgh_reply *a, const struct sgh_reply *b)
{
	assert_int_equal(a->json, b->json);
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->replayed, b->replayed);
	assert_int_equal(a->persistent, b->persistent);
	assert_true(a->offset == b->offset);
	assert_true(sgh_streq(a->correlation_id, b->correlation_id));
	assert_true(sgh_streq(a->operation_id, b->operation_id));
	assert_true(sgh_streq(a->request_id, b->request_id));
	assert_true(sgh_streq(a->message, b->message));
	assert_true(sgh_streq(a->declared, b->declared));
	assert_true(sgh_streq(a->detected, b->detected));
	assert_true(sgh_streq(a->rule, b->rule));
	assert_true(sgh_streq(a->next_cursor, b->next_cursor));
	same_object(a->object, b->object);
	assert_int_equal(a->object_count, b->object_count);
	for (size_t i = 0; i < a->object_count; i++)
		same_object(a->objects[i], b->objects[i]);
	assert_int_equal(!a->body, !b->body);
	if (a->body) {
		assert_int_equal(a->body->length, b->body->length);
		assert_memory_equal(a->body->data, b->body->data, a->body->length);
	}
}

/* Through a message and back, in both modes; frees the reply. */
static void comes_back(struct sgh_reply *reply)
{
	for (int json = 0; json < 2; json++) {
		struct sgh_message *message = NULL;
		struct sgh_reply *back = NULL;

		reply->json = json;
		t_ok(sgh_reply_message(reply, &message, &t_err));
		assert_string_equal(message->type, "sangraha.result.v1");
		assert_null(message->message_id);
		t_ok(sgh_reply_parse(message, NULL, &back, &t_err));
		sgh_message_free(message);
		same(reply, back);
		sgh_reply_free(back);
	}
	sgh_reply_free(reply);
}

static void descriptions_come_back(void **state)
{
	struct sgh_reply *reply = success();

	reply->object = object("संग्रह \"1\".json");
	reply->persistent = true;
	comes_back(reply);
	reply = success();
	reply->object = object(NULL);
	reply->replayed = true;
	comes_back(reply);
}

static void bytes_come_back(void **state)
{
	struct sgh_reply *reply = success();

	reply->object = object("a.json");
	reply->body = t_bytes("{\"a\":\"\xc3\xa4\"}");
	comes_back(reply);
}

static void deletes_come_back(void **state)
{
	comes_back(success());
}

static void errors_come_back(void **state)
{
	for (int status = SANGRAHA_E_INTERNAL; status < 0; status++) {
		struct sgh_reply *reply = success();

		reply->status = status;
		reply->message = "something — went\nwrong";
		comes_back(reply);
	}
}

static void refusals_come_back(void **state)
{
	struct sgh_reply *reply = success();

	reply->status = SANGRAHA_E_REJECTED;
	reply->message = "a comma is missing";
	reply->declared = "application/json";
	reply->detected = "text/plain";
	reply->rule = "json.comma";
	reply->offset = 0;
	comes_back(reply);
}

static struct sgh_reply *list_of(size_t count)
{
	struct sgh_reply *reply = success();

	reply->list = true;
	reply->objects = calloc(count ? count : 1, sizeof(*reply->objects));
	for (; reply->object_count < count; reply->object_count++)
		reply->objects[reply->object_count] =
			object(reply->object_count % 2 ? NULL : "ä.json");
	return reply;
}

static void lists_come_back(void **state)
{
	struct sgh_reply *reply = list_of(3);

	reply->next_cursor = "json/\"" ID;
	comes_back(reply);
	comes_back(list_of(1));
	comes_back(list_of(SGH_LIST_MAX));
}

static void an_empty_list_is_a_list(void **state)
{
	struct sgh_message *message = NULL;
	struct sgh_reply *reply = list_of(0);
	struct sgh_reply *back = NULL;

	t_ok(sgh_reply_message(reply, &message, &t_err));
	assert_string_equal(message->content_type, "application/json");
	t_same_bytes(message->body, "{\"objects\":[]}");
	t_ok(sgh_reply_parse(message, NULL, &back, &t_err));
	assert_true(back->list);
	assert_null(back->body);
	sgh_reply_free(back);
	sgh_message_free(message);
	comes_back(reply);
}

/* ---- on the wire ---- */

static void an_error_always_says_something(void **state)
{
	struct sgh_reply *reply = success();
	struct sgh_message *message = NULL;

	reply->status = SANGRAHA_E_GONE;
	t_ok(sgh_reply_message(reply, &message, &t_err));
	assert_string_equal(sgh_message_text(message, "status"), "error");
	assert_string_equal(sgh_message_text(message, "code"), "gone");
	assert_string_equal(sgh_message_text(message, "message"),
			    sangraha_status_text(SANGRAHA_E_GONE));
	assert_string_equal(sgh_message_text(message, "operation-id"), ID);
	assert_null(sgh_message_header(message, "offset"));
	sgh_message_free(message);
	sgh_reply_free(reply);
}

static void a_description_is_in_headers(void **state)
{
	struct sgh_reply *reply = success();
	struct sgh_message *m = NULL;

	reply->object = object("ä");
	t_ok(sgh_reply_message(reply, &m, &t_err));
	assert_string_equal(m->content_type, "application/json");
	assert_string_equal(m->app_id, "sangraha");
	assert_string_equal(sgh_message_text(m, "object-id"), ID);
	assert_string_equal(sgh_message_text(m, "filename"), "ä");
	assert_string_equal(sgh_message_text(m, "rules"), "1");
	assert_string_equal(sgh_message_text(m, "meta-x-source"), "till 4");
	assert_string_equal(sgh_message_text(m, "facts"),
			    "{\"depth\": 1, \"exact\": 1.0}");
	assert_int_equal(sgh_message_header(m, "size")->number, 11);
	assert_null(sgh_message_header(m, "replayed"));
	sgh_message_free(m);
	sgh_reply_free(reply);
}

/* ---- reading what others write ---- */

static struct sgh_message *foreign(const char *status)
{
	struct sgh_message *message = sgh_message_new();

	message->type = "sangraha.result.v1";
	message->correlation_id = "c";
	assert_true(sgh_message_add_text(message, "status", status));
	return message;
}

static struct sgh_reply *read_and_free(struct sgh_message *message)
{
	struct sgh_reply *reply = NULL;

	t_ok(sgh_reply_parse(message, NULL, &reply, &t_err));
	sgh_message_free(message);
	return reply;
}

static void refused(struct sgh_message *message, const char *why)
{
	struct sgh_reply *reply = NULL;

	t_fails(SANGRAHA_E_INVALID, sgh_reply_parse(message, NULL, &reply, &t_err));
	t_says(why);
	assert_null(reply);
	sgh_message_free(message);
}

static void describe(struct sgh_message *message)
{
	assert_true(sgh_message_add_text(message, "object-id", ID));
	assert_true(sgh_message_add_text(message, "object-type", "json"));
	assert_true(sgh_message_add_text(message, "sha256", SHA256));
	assert_true(sgh_message_add_text(message, "size", "3"));
}

/* The four headers that docs/protocol.md asks of a receiver are enough. */
static void four_headers_make_a_description(void **state)
{
	struct sgh_message *message = foreign("ok");
	struct sgh_reply *reply;

	message->type = NULL;
	message->timestamp = 1767323045;
	describe(message);
	reply = read_and_free(message);
	assert_int_equal(sangraha_object_size(reply->object), 3);
	assert_string_equal(sangraha_object_created(reply->object),
			    "2026-01-02T03:04:05.000Z");
	assert_string_equal(sangraha_object_facts(reply->object), "{}");
	sgh_reply_free(reply);
}

static void fewer_make_none(void **state)
{
	struct sgh_message *message = foreign("ok");
	struct sgh_reply *reply;

	assert_true(sgh_message_add_text(message, "object-id", ID));
	reply = read_and_free(message);
	assert_int_equal(reply->status, 0);
	assert_null(reply->object);
	sgh_reply_free(reply);
}

/* The broker hands on any 64 bits as a timestamp. */
static void a_timestamp_may_be_anything(void **state)
{
	static const int64_t times[] = { INT64_MAX, INT64_MIN, -1, 253402300800 };

	for (size_t i = 0; i < SGH_COUNT(times); i++) {
		struct sgh_message *message = foreign("ok");
		struct sgh_reply *reply;

		message->timestamp = times[i];
		describe(message);
		reply = read_and_free(message);
		assert_int_equal(sangraha_object_created_ms(reply->object), 0);
		sgh_reply_free(reply);
	}
}

static void unknown_codes_are_internal(void **state)
{
	static const char *const codes[] = { NULL, "", "out_of_cheese", "ok" };

	for (size_t i = 0; i < SGH_COUNT(codes); i++) {
		struct sgh_message *message = foreign("error");
		struct sgh_reply *reply;

		assert_true(sgh_message_add_text(message, "code", codes[i]));
		reply = read_and_free(message);
		assert_int_equal(reply->status, SANGRAHA_E_INTERNAL);
		sgh_reply_free(reply);
	}
}

static void bad_replies_are_refused(void **state)
{
	static const char *const cases[][3] = {
		{ "object-id", "x", "id" },
		{ "object-type", "X", "type" },
		{ "sha256", "abc", "SHA-256" },
		{ "size", "-1", "size" },
		{ "size", "big", "size" },
		{ "filename", "a/b", "file name" },
		{ "created", "now", "created" },
		{ "facts", "[1]", "facts" },
		{ "facts", "{", "facts" },
		{ "rules", "ü", "rule" },
		{ "replayed", "perhaps", "replayed" },
		{ "meta-A", "x", "metadata" },
	};

	for (size_t i = 0; i < SGH_COUNT(cases); i++) {
		struct sgh_message *message = sgh_message_new();

		/* First, so that it is found before the good one. */
		assert_true(sgh_message_add_text(message, cases[i][0], cases[i][1]));
		assert_true(sgh_message_add_text(message, "status", "ok"));
		describe(message);
		refused(message, cases[i][2]);
	}
}

static void what_is_no_reply(void **state)
{
	struct sgh_message *message = foreign(NULL);

	refused(message, "status");
	refused(foreign("maybe"), "status");
	message = foreign("ok");
	message->type = "sangraha.put.v1";
	refused(message, "type");
	message = foreign("error");
	assert_true(sgh_message_add_number(message, "message", 5));
	refused(message, "message");
	message = foreign("error");
	assert_true(sgh_message_add_number(message, "offset", -2));
	refused(message, "offset");
}

static struct sgh_message *with_body(const char *content_type, const char *body)
{
	struct sgh_message *message = foreign("ok");

	message->content_type = content_type;
	message->body = t_bytes(body);
	return message;
}

static void bad_lists_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "[]", "no JSON object" },
		{ "{\"objects\":[}", "no JSON object" },
		{ "{}", "objects" },
		{ "{\"objects\":{}}", "objects" },
		{ "{\"objects\":[5]}", "no JSON object" },
		{ "{\"objects\":[{}]}", "size" },
	};

	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		refused(with_body("application/json", bad[i][0]), bad[i][1]);
	refused(with_body(SGH_JSON_MODE, "{\"status\":\"ok\",\"list\":[]}"),
		"no JSON object");
	refused(with_body(SGH_JSON_MODE, "{\"status\":\"ok\",\"list\":{}}"), "objects");
}

static void a_list_is_bounded(void **state)
{
	struct sgh_message *message = NULL;
	struct sgh_reply *reply = list_of(SGH_LIST_MAX + 1);

	t_ok(sgh_reply_message(reply, &message, &t_err));
	refused(message, "1000");
	sgh_reply_free(reply);
}

static void bad_documents_are_refused(void **state)
{
	refused(with_body(SGH_JSON_MODE, ""), "no JSON object");
	refused(with_body(SGH_JSON_MODE, "{}"), "status");
	refused(with_body(SGH_JSON_MODE, "{\"status\":\"ok\",\"data\":\"?\"}"), "data");
	refused(with_body(SGH_JSON_MODE,
			  "{\"status\":\"ok\",\"object_id\":\"" ID
			  "\",\"object_type\":\"json\",\"sha256\":\"" SHA256
			  "\",\"size\":1,\"facts\":[]}"),
		"facts");
}

/* JSON bytes of a get are no list, though they have its media type. */
static void bytes_are_no_list(void **state)
{
	struct sgh_message *message = with_body("application/json", "[1]");
	struct sgh_reply *reply;

	describe(message);
	reply = read_and_free(message);
	assert_false(reply->list);
	t_same_bytes(reply->body, "[1]");
	sgh_reply_free(reply);
}

/* An object of a type of its own cannot switch the reply's mode either. */
static void an_object_cannot_pose_as_a_reply(void **state)
{
	struct sgh_object_parts parts = {
		.id = ID,
		.type = "own",
		.content_type = SGH_JSON_MODE,
		.sha256 = SHA256,
	};
	struct sgh_reply *reply = success();
	struct sgh_message *message = NULL;

	t_ok(sgh_object_new(&parts, &reply->object, &t_err));
	t_ok(sgh_reply_message(reply, &message, &t_err));
	assert_string_equal(message->content_type, "application/json");
	sgh_message_free(message);
	sgh_reply_free(reply);
}

static void decoded_bytes_are_accounted_for(void **state)
{
	struct sgh_budget *budget = sgh_budget_new(1 << 20);
	struct sgh_message *message =
		with_body(SGH_JSON_MODE, "{\"status\":\"ok\",\"data\":\"AAAAAAAA\"}");
	struct sgh_reply *reply = NULL;

	t_ok(sgh_reply_parse(message, budget, &reply, &t_err));
	assert_in_range(sgh_budget_used(budget), 6, 16);
	sgh_reply_free(reply);
	assert_int_equal(sgh_budget_used(budget), 0);
	sgh_message_free(message);
	sgh_budget_unref(budget);
}

/* ---- damage ---- */

static void damaged(struct sgh_reply *from, bool json)
{
	struct sgh_message *whole = NULL;
	unsigned seed = 7;

	from->json = json;
	t_ok(sgh_reply_message(from, &whole, &t_err));
	for (size_t i = 0; i < whole->body->length + 5000; i++) {
		size_t length = i < whole->body->length ? i : whole->body->length;
		struct sgh_bytes *body = sgh_bytes_copy(whole->body->data, length);
		struct sgh_reply *reply = NULL;
		int status;

		seed = seed * 1103515245 + 12345;
		if (i >= length && length)
			body->data[(seed >> 8) % length] = (unsigned char)(seed >> 24);
		sgh_bytes_unref(whole->body);
		whole->body = body;
		status = sgh_reply_parse(whole, NULL, &reply, &t_err);
		assert_true(status == 0 || status == SANGRAHA_E_INVALID);
		sgh_reply_free(reply);
		/* Begin anew from a whole message. */
		sgh_message_free(whole);
		t_ok(sgh_reply_message(from, &whole, &t_err));
	}
	sgh_message_free(whole);
	sgh_reply_free(from);
}

static void damaged_replies(void **state)
{
	struct sgh_reply *reply = success();

	damaged(list_of(2), false);
	damaged(list_of(2), true);
	reply->object = object("ä.json");
	reply->body = t_bytes("{\"a\":1}");
	damaged(reply, true);
	sgh_reply_free(NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(descriptions_come_back),
	cmocka_unit_test(bytes_come_back),
	cmocka_unit_test(deletes_come_back),
	cmocka_unit_test(errors_come_back),
	cmocka_unit_test(refusals_come_back),
	cmocka_unit_test(lists_come_back),
	cmocka_unit_test(an_empty_list_is_a_list),
	cmocka_unit_test(an_error_always_says_something),
	cmocka_unit_test(a_description_is_in_headers),
	cmocka_unit_test(four_headers_make_a_description),
	cmocka_unit_test(fewer_make_none),
	cmocka_unit_test(a_timestamp_may_be_anything),
	cmocka_unit_test(unknown_codes_are_internal),
	cmocka_unit_test(bad_replies_are_refused),
	cmocka_unit_test(what_is_no_reply),
	cmocka_unit_test(bad_lists_are_refused),
	cmocka_unit_test(a_list_is_bounded),
	cmocka_unit_test(bad_documents_are_refused),
	cmocka_unit_test(bytes_are_no_list),
	cmocka_unit_test(an_object_cannot_pose_as_a_reply),
	cmocka_unit_test(decoded_bytes_are_accounted_for),
	cmocka_unit_test(damaged_replies),
};

t_main(tests)
