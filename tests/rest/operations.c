/* SPDX-License-Identifier: MIT */
#include "support/t.h"
#include "support/web.h"

#define OPERATION "/v1/operations/" WEB_ID

static void a_stored_one_is_done(void **state)
{
	struct web *web = *state;
	struct answer answer = web_get(web, OPERATION);

	assert_int_equal(answer.status, 200);
	assert_contains(answer.body, "{\"id\":\"" WEB_ID "\",\"state\":\"done\","
				     "\"status\":201,\"object\":{");
	assert_string_equal(fake_seen(web->fake).verb, "operation");
	assert_string_equal(fake_seen(web->fake).id, WEB_ID);
	answer_free(&answer);
}

static void a_refused_one_has_failed(void **state)
{
	struct web *web = *state;
	struct fake_answer fake = { .status = SANGRAHA_E_REJECTED,
				    .recorded = true,
				    .rule = "json.depth",
				    .offset = 7,
				    .has_offset = true };
	struct answer answer;

	fake_answer(web->fake, &fake);
	answer = web_get(web, OPERATION);
	assert_int_equal(answer.status, 200);
	assert_contains(answer.body, "\"state\":\"failed\",\"status\":422,\"error\":{");
	assert_contains(answer.body, "\"rule\":\"json.depth\",\"offset\":7}}");
	assert_null(strstr(answer.body, "correlation_id"));
	answer_free(&answer);
	web_answers_object(web);
}

static void what_is_not_found_is_pending_and_then_unknown(void **state)
{
	static const struct {
		const char *query;
		const char *wanted;
	} table[] = {
		{ "", "unknown" },
		{ "?until=1", "unknown" },
		{ "?until=99999999999999", "pending" },
	};

	web_answers(*state, SANGRAHA_E_NOT_FOUND);
	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		char target[128];
		char body[128];
		struct answer answer;

		snprintf(target, sizeof(target), OPERATION "%s", table[i].query);
		snprintf(body, sizeof(body), "{\"id\":\"" WEB_ID "\",\"state\":\"%s\"}",
			 table[i].wanted);
		answer = web_get(*state, target);
		assert_int_equal(answer.status, 200);
		assert_string_equal(answer.body, body);
		answer_free(&answer);
	}
	web_answers_object(*state);
}

static void any_recorded_end_is_a_failure(void **state)
{
	static const int ends[] = { SANGRAHA_E_UNAVAILABLE, SANGRAHA_E_TIMEOUT,
				    SANGRAHA_E_OVERLOADED,  SANGRAHA_E_UNAUTHORIZED,
				    SANGRAHA_E_NOT_FOUND,   SANGRAHA_E_CONFLICT };
	struct web *web = *state;

	for (size_t i = 0; i < SGH_COUNT(ends); i++) {
		struct fake_answer fake = { .status = ends[i], .recorded = true };
		struct answer answer;

		fake_answer(web->fake, &fake);
		answer = web_get(web, OPERATION);
		assert_int_equal(answer.status, 200);
		assert_contains(answer.body, "\"state\":\"failed\"");
		answer_free(&answer);
	}
	web_answers_object(web);
}

static void a_question_that_fails_is_no_answer(void **state)
{
	static const struct {
		int status;
		int http;
	} table[] = {
		{ SANGRAHA_E_UNAVAILABLE, 503 },
		{ SANGRAHA_E_OVERLOADED, 503 },
		{ SANGRAHA_E_TIMEOUT, 504 },
		{ SANGRAHA_E_INTERNAL, 500 },
	};

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		struct answer answer;

		web_answers(*state, table[i].status);
		answer = web_get(*state, OPERATION);
		assert_int_equal(answer.status, table[i].http);
		answer_free(&answer);
	}
	web_answers_object(*state);
}

static void bad_questions_are_400(void **state)
{
	static const char *const targets[] = {
		"/v1/operations/1",
		OPERATION "?until=",
		OPERATION "?until=-1",
		OPERATION "?until=1x",
		OPERATION "?until=9999999999999999",
	};

	for (size_t i = 0; i < SGH_COUNT(targets); i++) {
		struct answer answer = web_get(*state, targets[i]);

		assert_int_equal(answer.status, 400);
		answer_free(&answer);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_stored_one_is_done),
	cmocka_unit_test(a_refused_one_has_failed),
	cmocka_unit_test(what_is_not_found_is_pending_and_then_unknown),
	cmocka_unit_test(any_recorded_end_is_a_failure),
	cmocka_unit_test(a_question_that_fails_is_no_answer),
	cmocka_unit_test(bad_questions_are_400),
};

int main(void)
{
	return cmocka_run_group_tests_name(__FILE__, tests, web_set_up, web_tear_down);
}
