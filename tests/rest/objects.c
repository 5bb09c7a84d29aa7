/* SPDX-License-Identifier: MIT */
#include "support/t.h"
#include "support/web.h"

#include <unistd.h>

static void get_sends_the_bytes(void **state)
{
	struct answer answer = web_get(*state, WEB_OBJECT);

	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, WEB_BYTES);
	answer_free(&answer);
}

static void get_has_the_headers_of_a_download(void **state)
{
	struct answer answer = web_get(*state, WEB_OBJECT);

	assert_has(&answer, "Content-Type", "image/png");
	assert_has(&answer, "ETag", "\"" WEB_SHA256 "\"");
	assert_has(&answer, "Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT");
	assert_has(&answer, "Accept-Ranges", "bytes");
	assert_has(&answer, "X-Content-Type-Options", "nosniff");
	assert_has(&answer, "Content-Security-Policy", "default-src 'none'; sandbox");
	assert_has(&answer, "Cache-Control", "private, no-cache");
	assert_contains(answer_header(&answer, "Content-Disposition"), "inline;");
	assert_contains(answer_header(&answer, "Content-Disposition"),
			"filename*=UTF-8''Men%C3%BC.png");
	answer_free(&answer);
}

static void download_is_an_attachment(void **state)
{
	struct answer answer = web_get(*state, WEB_OBJECT "?download");

	assert_contains(answer_header(&answer, "Content-Disposition"), "attachment;");
	answer_free(&answer);
}

static void a_nameless_object_is_called_by_its_id(void **state)
{
	struct web *web = *state;
	struct sangraha_object *object = web_object("image", "image/jpeg", NULL);
	struct fake_answer fake = { .object = object, .data = WEB_BYTES, .length = 8 };
	struct answer answer;

	fake_answer(web->fake, &fake);
	answer = web_get(web, WEB_OBJECT);
	assert_has(&answer, "Content-Disposition",
		   "inline; filename=\"" WEB_ID ".jpeg\"");
	answer_free(&answer);
	web_answers_object(web);
	sangraha_object_unref(object);
}

static void another_type_is_never_shown_inline(void **state)
{
	struct web *web = *state;
	struct sangraha_object *object = web_object("page", "text/html", "x.html");
	struct fake_answer fake = { .object = object, .data = WEB_BYTES, .length = 8 };
	struct answer answer;

	fake_answer(web->fake, &fake);
	answer = web_get(web, "/v1/objects/page/" WEB_ID);
	assert_contains(answer_header(&answer, "Content-Disposition"), "attachment;");
	answer_free(&answer);
	web_answers_object(web);
	sangraha_object_unref(object);
}

static void head_has_the_length_and_asks_for_no_bytes(void **state)
{
	struct web *web = *state;
	struct answer answer =
		web_do(web, "HEAD", WEB_OBJECT, "Range: bytes=0-1\r\n", NULL, 0);

	assert_int_equal(answer.status, 200);
	assert_has(&answer, "Content-Length", "8");
	assert_has(&answer, "Content-Type", "image/png");
	assert_string_equal(fake_seen(web->fake).verb, "stat");
	answer_free(&answer);
}

static void a_range_is_a_part(void **state)
{
	struct answer answer =
		web_do(*state, "GET", WEB_OBJECT, "Range: bytes=2-4\r\n", NULL, 0);

	assert_int_equal(answer.status, 206);
	assert_string_equal(answer.body, "234");
	assert_has(&answer, "Content-Range", "bytes 2-4/8");
	answer_free(&answer);
}

static void a_range_past_the_end_is_416(void **state)
{
	struct answer answer =
		web_do(*state, "GET", WEB_OBJECT, "Range: bytes=8-\r\n", NULL, 0);

	assert_int_equal(answer.status, 416);
	assert_has(&answer, "Content-Range", "bytes */8");
	assert_contains(answer.body, "\"status\":416");
	answer_free(&answer);
}

static void what_is_known_is_not_sent_again(void **state)
{
	struct answer answer = web_do(*state, "GET", WEB_OBJECT,
				      "If-None-Match: \"" WEB_SHA256 "\"\r\n", NULL, 0);

	assert_int_equal(answer.status, 304);
	assert_has(&answer, "ETag", "\"" WEB_SHA256 "\"");
	assert_has(&answer, "Content-Length", "8");
	assert_null(answer_header(&answer, "Content-Type"));
	answer_free(&answer);
}

static void nothing_follows_a_304(void **state)
{
	int fd = web_connect(*state);

	for (int i = 0; i < 2; i++) {
		struct answer answer;

		web_send(fd, "GET " WEB_OBJECT " HTTP/1.1\r\nHost: x\r\n"
			     "If-None-Match: *\r\n\r\n");
		web_receive(fd, false, &answer);
		assert_int_equal(answer.status, 304);
		answer_free(&answer);
	}
	close(fd);
}

static void tags_may_be_on_any_line(void **state)
{
	struct answer answer = web_do(*state, "GET", WEB_OBJECT,
				      "If-None-Match: \"x\", W/\"y\"\r\n"
				      "If-None-Match: \"" WEB_SHA256 "\"\r\n"
				      "If-Match: \"x\"\r\n"
				      "If-Match: \"" WEB_SHA256 "\"\r\n",
				      NULL, 0);

	assert_int_equal(answer.status, 304);
	answer_free(&answer);
}

/* A receiver or getter of another make may leave it out. */
static void an_answer_without_a_description_is_500(void **state)
{
	static const char *const targets[][2] = {
		{ "GET", WEB_OBJECT },
		{ "HEAD", WEB_OBJECT },
		{ "GET", WEB_OBJECT "/metadata" },
		{ "GET", "/v1/operations/" WEB_ID },
		{ "POST", "/v1/objects" },
	};
	struct fake_answer fake = { .id = WEB_ID };
	struct web *web = *state;

	fake_answer(web->fake, &fake);
	for (size_t i = 0; i < SGH_COUNT(targets); i++) {
		struct answer answer =
			web_do(web, targets[i][0], targets[i][1], "", NULL, 0);

		assert_int_equal(answer.status, 500);
		answer_free(&answer);
	}
	web_answers_object(web);
}

static void if_match_of_another_is_412(void **state)
{
	struct answer answer =
		web_do(*state, "GET", WEB_OBJECT, "If-Match: \"x\"\r\n", NULL, 0);

	assert_int_equal(answer.status, 412);
	assert_contains(answer.body, "\"code\":\"precondition\"");
	answer_free(&answer);
}

static void metadata_is_the_description(void **state)
{
	struct web *web = *state;
	struct answer answer = web_get(web, WEB_OBJECT "/metadata");
	char *json = NULL;

	t_ok(sangraha_object_json(web->object, &json, &t_err));
	assert_int_equal(answer.status, 200);
	assert_has(&answer, "Content-Type", "application/json");
	assert_string_equal(answer.body, json);
	assert_string_equal(fake_seen(web->fake).verb, "stat");
	sangraha_free(json);
	answer_free(&answer);
}

static void what_is_cached_asks_nobody(void **state)
{
	static const struct {
		const char *method, *target, *headers;
		int status;
		const char *body;
	} cases[] = {
		{ "GET", WEB_OBJECT, "", 200, WEB_BYTES },
		{ "HEAD", WEB_OBJECT, "", 200, "" },
		{ "GET", WEB_OBJECT, "Range: bytes=2-4\r\n", 206, "234" },
		{ "GET", WEB_OBJECT, "If-None-Match: *\r\n", 304, "" },
		{ "GET", WEB_OBJECT, "If-Match: \"x\"\r\n", 412, NULL },
		{ "GET", WEB_OBJECT "/metadata", "", 200, NULL },
	};
	struct web *web = *state;
	size_t before = fake_requests(web->fake);

	fake_cached(web->fake, true);
	for (size_t i = 0; i < SGH_COUNT(cases); i++) {
		struct answer answer = web_do(web, cases[i].method, cases[i].target,
					      cases[i].headers, NULL, 0);

		assert_int_equal(answer.status, cases[i].status);
		if (cases[i].body)
			assert_string_equal(answer.body, cases[i].body);
		assert_non_null(answer_header(&answer, "X-Correlation-ID"));
		answer_free(&answer);
	}
	assert_int_equal(fake_requests(web->fake), before);
	fake_cached(web->fake, false);
}

static void delete_is_204(void **state)
{
	struct web *web = *state;
	struct answer answer = web_do(web, "DELETE", WEB_OBJECT, "", NULL, 0);
	struct fake_seen seen = fake_seen(web->fake);

	assert_int_equal(answer.status, 204);
	assert_string_equal(seen.verb, "delete");
	assert_string_equal(seen.type, "image");
	assert_string_equal(seen.id, WEB_ID);
	answer_free(&answer);
}

static void a_delete_has_conditions(void **state)
{
	static const struct {
		const char *header;
		int http;
	} table[] = {
		{ "If-Match: \"" WEB_SHA256 "\"\r\n", 204 },
		{ "If-Match: *\r\n", 204 },
		{ "If-Match: \"x\"\r\n", 412 },
		{ "If-None-Match: \"x\"\r\n", 204 },
		{ "If-None-Match: *\r\n", 412 },
		{ "If-Unmodified-Since: Sat, 03 Jan 2026 00:00:00 GMT\r\n", 204 },
		{ "If-Unmodified-Since: Thu, 01 Jan 2026 00:00:00 GMT\r\n", 412 },
		{ "If-Modified-Since: Sat, 03 Jan 2026 00:00:00 GMT\r\n", 204 },
	};
	struct web *web = *state;

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		struct answer answer =
			web_do(web, "DELETE", WEB_OBJECT, table[i].header, NULL, 0);

		assert_int_equal(answer.status, table[i].http);
		assert_string_equal(fake_seen(web->fake).verb,
				    table[i].http == 204 ? "delete" : "stat");
		answer_free(&answer);
	}
}

static void a_conditional_delete_of_nothing_is_404(void **state)
{
	struct web *web = *state;
	struct answer answer;

	web_answers(web, SANGRAHA_E_NOT_FOUND);
	answer = web_do(web, "DELETE", WEB_OBJECT, "If-Match: *\r\n", NULL, 0);
	assert_int_equal(answer.status, 404);
	assert_string_equal(fake_seen(web->fake).verb, "stat");
	answer_free(&answer);
	web_answers_object(web);
}

static void each_error_has_its_status(void **state)
{
	static const struct {
		int status;
		int http;
		const char *code;
	} table[] = {
		{ SANGRAHA_E_INVALID, 400, "invalid" },
		{ SANGRAHA_E_UNAUTHORIZED, 401, "unauthorized" },
		{ SANGRAHA_E_NOT_FOUND, 404, "not_found" },
		{ SANGRAHA_E_CONFLICT, 409, "conflict" },
		{ SANGRAHA_E_GONE, 410, "gone" },
		{ SANGRAHA_E_PRECONDITION, 412, "precondition" },
		{ SANGRAHA_E_TOO_LARGE, 500, "internal" },
		{ SANGRAHA_E_UNSUPPORTED, 415, "unsupported" },
		{ SANGRAHA_E_REJECTED, 422, "rejected" },
		{ SANGRAHA_E_INTERNAL, 500, "internal" },
		{ SANGRAHA_E_OVERLOADED, 503, "overloaded" },
		{ SANGRAHA_E_UNAVAILABLE, 503, "unavailable" },
		{ SANGRAHA_E_TIMEOUT, 504, "timeout" },
	};

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		struct answer answer;
		char code[64];

		web_answers(*state, table[i].status);
		answer = web_get(*state, WEB_OBJECT);
		snprintf(code, sizeof(code), "\"code\":\"%s\"", table[i].code);
		assert_int_equal(answer.status, table[i].http);
		assert_has(&answer, "Content-Type", "application/problem+json");
		assert_contains(answer.body, code);
		if (table[i].http == 503)
			assert_has(&answer, "Retry-After", "1");
		answer_free(&answer);
	}
	web_answers_object(*state);
}

static void a_request_that_cannot_be_submitted_is_answered(void **state)
{
	struct web *web = *state;
	struct fake_answer fake = { .submit = SANGRAHA_E_OVERLOADED };
	struct answer answer;

	fake_answer(web->fake, &fake);
	answer = web_get(web, WEB_OBJECT);
	assert_int_equal(answer.status, 503);
	answer_free(&answer);
	web_answers_object(web);
}

static void what_is_no_reference_is_400(void **state)
{
	static const char *const targets[] = {
		"/v1/objects/Image/" WEB_ID,
		"/v1/objects/image/0199F2C4-0000-7000-8000-00000000FEED",
		"/v1/objects/image/1",
		"/v1/objects/%zz/" WEB_ID,
		"/v1/objects/image/%00",
		WEB_OBJECT "?x=%1",
		"/v1/objects/a%2Fb/" WEB_ID,
		"/v1/objects//" WEB_ID,
		"v1/objects/image/" WEB_ID,
		"health/live",
		"?x",
		"*",
	};

	for (size_t i = 0; i < SGH_COUNT(targets); i++) {
		struct answer answer = web_get(*state, targets[i]);

		assert_int_equal(answer.status, 400);
		assert_contains(answer.body, "\"code\":\"invalid\"");
		answer_free(&answer);
	}
}

static void other_routes_are_404(void **state)
{
	static const char *const targets[] = {
		"/v2/objects",
		"/v1/objects/",
		"/v1",
		"/v1/objects/image",
		WEB_OBJECT "/metadata/x",
		"/v1/operations",
		"/a/b/c/d/e/f/g/h/i/j",
		"/health",
		"http://x/health",
	};

	for (size_t i = 0; i < SGH_COUNT(targets); i++) {
		struct answer answer = web_get(*state, targets[i]);

		assert_int_equal(answer.status, 404);
		assert_non_null(answer_header(&answer, "X-Correlation-ID"));
		answer_free(&answer);
	}
}

static void what_comes_later_is_501(void **state)
{
	struct answer answer = web_do(*state, "PUT", WEB_OBJECT, "", "x", 1);

	assert_int_equal(answer.status, 501);
	answer_free(&answer);
	answer = web_get(*state, "/");
	assert_int_equal(answer.status, 501);
	answer_free(&answer);
}

static void another_method_is_405(void **state)
{
	struct answer answer = web_do(*state, "PATCH", WEB_OBJECT, "", "x", 1);

	assert_int_equal(answer.status, 405);
	assert_has(&answer, "Allow", "GET, HEAD, DELETE");
	assert_contains(answer.body, "\"correlation_id\"");
	answer_free(&answer);
	answer = web_do(*state, "DELETE", "/v1/objects", "", NULL, 0);
	assert_has(&answer, "Allow", "GET, HEAD, POST");
	answer_free(&answer);
}

static void the_correlation_id_is_passed_on_and_back(void **state)
{
	struct web *web = *state;
	struct answer answer = web_do(web, "GET", WEB_OBJECT,
				      "X-Correlation-ID: a.b:c-1\r\n"
				      "traceparent: 00-1-2-01\r\n",
				      NULL, 0);

	assert_has(&answer, "X-Correlation-ID", "a.b:c-1");
	assert_string_equal(fake_seen(web->fake).request_id, "a.b:c-1");
	assert_string_equal(fake_seen(web->fake).traceparent, "00-1-2-01");
	answer_free(&answer);
}

static void a_bad_correlation_id_is_replaced(void **state)
{
	struct answer answer =
		web_do(*state, "GET", "/nowhere", "X-Correlation-ID: a b\r\n", NULL, 0);

	assert_string_not_equal(answer_header(&answer, "X-Correlation-ID"), "a b");
	assert_int_equal(strlen(answer_header(&answer, "X-Correlation-ID")), 36);
	answer_free(&answer);
}

static void list_asks_for_a_page(void **state)
{
	struct web *web = *state;
	struct fake_answer fake = { .object = web->object,
				    .count = 2,
				    .next_cursor = "n\"1" };
	struct answer answer;
	struct fake_seen seen;

	fake_answer(web->fake, &fake);
	answer = web_get(web, "/v1/objects?type=image&limit=7&cursor=a%2Bb");
	seen = fake_seen(web->fake);
	assert_int_equal(answer.status, 200);
	assert_contains(answer.body, "{\"objects\":[{");
	assert_contains(answer.body, "},{");
	assert_contains(answer.body, "],\"next_cursor\":\"n\\\"1\"}");
	assert_string_equal(seen.type, "image");
	assert_int_equal(seen.limit, 7);
	assert_string_equal(seen.cursor, "a+b");
	answer_free(&answer);
	web_answers_object(web);
}

static void the_last_page_has_no_cursor(void **state)
{
	struct web *web = *state;
	struct answer answer = web_get(web, "/v1/objects");

	assert_string_equal(answer.body, "{\"objects\":[]}");
	assert_int_equal(fake_seen(web->fake).limit, 100);
	assert_string_equal(fake_seen(web->fake).type, "");
	answer_free(&answer);
}

static void a_bad_list_is_400(void **state)
{
	static const char *const queries[] = { "limit=0",  "limit=1001",     "limit=",
					       "limit=-1", "limit=1x",       "type=A",
					       "cursor=",  "limit=1&limit=2" };

	for (size_t i = 0; i < SGH_COUNT(queries); i++) {
		char target[64];
		struct answer answer;

		snprintf(target, sizeof(target), "/v1/objects?%s", queries[i]);
		answer = web_get(*state, target);
		assert_int_equal(answer.status, 400);
		answer_free(&answer);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(get_sends_the_bytes),
	cmocka_unit_test(get_has_the_headers_of_a_download),
	cmocka_unit_test(download_is_an_attachment),
	cmocka_unit_test(a_nameless_object_is_called_by_its_id),
	cmocka_unit_test(another_type_is_never_shown_inline),
	cmocka_unit_test(head_has_the_length_and_asks_for_no_bytes),
	cmocka_unit_test(a_range_is_a_part),
	cmocka_unit_test(a_range_past_the_end_is_416),
	cmocka_unit_test(what_is_known_is_not_sent_again),
	cmocka_unit_test(nothing_follows_a_304),
	cmocka_unit_test(tags_may_be_on_any_line),
	cmocka_unit_test(an_answer_without_a_description_is_500),
	cmocka_unit_test(if_match_of_another_is_412),
	cmocka_unit_test(metadata_is_the_description),
	cmocka_unit_test(what_is_cached_asks_nobody),
	cmocka_unit_test(delete_is_204),
	cmocka_unit_test(a_delete_has_conditions),
	cmocka_unit_test(a_conditional_delete_of_nothing_is_404),
	cmocka_unit_test(each_error_has_its_status),
	cmocka_unit_test(a_request_that_cannot_be_submitted_is_answered),
	cmocka_unit_test(what_is_no_reference_is_400),
	cmocka_unit_test(other_routes_are_404),
	cmocka_unit_test(what_comes_later_is_501),
	cmocka_unit_test(another_method_is_405),
	cmocka_unit_test(the_correlation_id_is_passed_on_and_back),
	cmocka_unit_test(a_bad_correlation_id_is_replaced),
	cmocka_unit_test(list_asks_for_a_page),
	cmocka_unit_test(the_last_page_has_no_cursor),
	cmocka_unit_test(a_bad_list_is_400),
};

int main(void)
{
	return cmocka_run_group_tests_name(__FILE__, tests, web_set_up, web_tear_down);
}
