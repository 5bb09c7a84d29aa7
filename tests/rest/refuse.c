/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <unistd.h>

#include "support/t.h"
#include "support/web.h"

/* Bodies that are refused while they still arrive, over real sockets. */

#define POST "/v1/objects"
/* More than can be on its way when it is not read. */
#define LONG (8 << 20)

static void refuses(struct web *web, int status)
{
	const struct fake_answer answer = {
		.status = status,
		.message = "it is not right",
		.rule = "json.comma",
		.offset = 4,
		.has_offset = true,
		.detected = "application/json",
	};

	fake_refuse_after(web->fake, 4, status);
	fake_answer(web->fake, &answer);
}

static void begin(int fd, size_t length)
{
	web_send(fd,
		 "POST " POST " HTTP/1.1\r\nHost: x\r\nX-Correlation-ID: c-1\r\n"
		 "Content-Length: %zu\r\n\r\n",
		 length);
}

static void assert_refusal(struct answer *answer, int http, const char *code)
{
	assert_int_equal(answer->status, http);
	assert_has(answer, "Content-Type", "application/problem+json");
	assert_has(answer, "X-Correlation-ID", "c-1");
	assert_contains(answer->body, code);
	assert_contains(answer->body, "\"rule\":\"json.comma\"");
	assert_contains(answer->body, "\"offset\":4");
}

static void each_is_seen_by_who_sends_everything_first(void **state)
{
	static const struct {
		int status;
		int http;
		const char *code;
	} table[] = {
		{ SANGRAHA_E_REJECTED, 422, "\"code\":\"rejected\"" },
		{ SANGRAHA_E_UNSUPPORTED, 415, "\"code\":\"unsupported\"" },
		{ SANGRAHA_E_TOO_LARGE, 413, "\"code\":\"too_large\"" },
	};
	struct web *web = *state;
	char *body = calloc(1, 3 << 20);

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		struct answer answer;
		int fd = web_connect(web);

		refuses(web, table[i].status);
		begin(fd, 3 << 20);
		web_send_bytes(fd, body, 3 << 20);
		/* The connection can be used on. */
		web_send(fd, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
		web_receive(fd, false, &answer);
		assert_refusal(&answer, table[i].http, table[i].code);
		answer_free(&answer);
		web_receive(fd, false, &answer);
		assert_int_equal(answer.status, 200);
		answer_free(&answer);
		close(fd);
		assert_int_equal(fake_uploads_open(web->fake), 0);
	}
	free(body);
}

static bool is_answered(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms) == 1;
}

static void it_is_answered_when_nothing_is_left(void **state)
{
	struct web *web = *state;
	struct answer answer;
	char body[100] = "";
	int fd = web_connect(web);

	refuses(web, SANGRAHA_E_REJECTED);
	fake_hold(web->fake);
	begin(fd, sizeof(body));
	web_send_bytes(fd, body, sizeof(body));
	t_wait(fake_in_flight(web->fake) == 1);
	assert_false(is_answered(fd, 100));
	fake_release(web->fake);
	web_receive(fd, false, &answer);
	assert_refusal(&answer, 422, "rejected");
	answer_free(&answer);
	close(fd);
}

static void who_goes_on_for_ever_is_told_in_between(void **state)
{
	struct web *web = *state;
	size_t piece = 1 << 20;
	char *body = calloc(1, piece);
	struct answer answer;
	int fd = web_connect(web);

	refuses(web, SANGRAHA_E_REJECTED);
	fake_inline_limit(web->fake, 1000000000);
	begin(fd, 1000000000);
	for (int i = 0; i < 200; i++)
		web_send_bytes(fd, body, piece);
	web_receive(fd, false, &answer);
	assert_refusal(&answer, 422, "rejected");
	answer_free(&answer);
	close(fd);
	free(body);
}

static void of_a_body_in_chunks_too(void **state)
{
	struct web *web = *state;
	struct answer answer;
	int fd = web_connect(web);

	refuses(web, SANGRAHA_E_REJECTED);
	web_send(fd, "POST " POST " HTTP/1.1\r\nHost: x\r\nX-Correlation-ID: c-1\r\n"
		     "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n"
		     "2\r\ngh\r\n0\r\n\r\n");
	web_receive(fd, false, &answer);
	assert_refusal(&answer, 422, "rejected");
	answer_free(&answer);
	close(fd);
}

/* They may begin with a file's name. */
static void the_words_of_others_are_left_alone(void **state)
{
	static const struct {
		const char *rule;
		const char *detail;
	} table[] = {
		{ "veto", "\"detail\":\"draft.pdf: a draft\"" },
		{ "csv.invalid", "\"detail\":\"draft.pdf: a draft\"" },
		{ "json.comma", "\"detail\":\"Draft.pdf: a draft\"" },
		{ ".invalid", "\"detail\":\"Draft.pdf: a draft\"" },
		{ NULL, "\"detail\":\"Draft.pdf: a draft\"" },
	};
	struct web *web = *state;

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		const struct fake_answer refusal = {
			.status = SANGRAHA_E_REJECTED,
			.message = "draft.pdf: a draft",
			.rule = table[i].rule,
		};
		struct answer answer;

		fake_answer(web->fake, &refusal);
		answer = web_post(web, POST, "", "x");
		assert_int_equal(answer.status, 422);
		assert_contains(answer.body, table[i].detail);
		answer_free(&answer);
	}
}

static void a_form_that_is_wrong_takes_its_file_back(void **state)
{
	static const char form[] =
		"--b\r\nContent-Disposition: form-data; name=\"file\"; "
		"filename=\"a\"\r\n\r\n[1]\r\n"
		"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n"
		"\r\n1\r\n--b--\r\n";
	struct web *web = *state;
	struct answer answer = web_post(
		web, POST, "Content-Type: multipart/form-data; boundary=b\r\n", form);

	assert_int_equal(answer.status, 400);
	assert_contains(answer.body, "neither");
	assert_int_equal(fake_cancelled(web->fake), 1);
	assert_int_equal(fake_uploads_open(web->fake), 0);
	answer_free(&answer);
	/* And so does one without an end. */
	answer = web_post(
		web, POST, "Content-Type: multipart/form-data; boundary=b\r\n",
		"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n[1]");
	assert_int_equal(answer.status, 400);
	assert_int_equal(fake_cancelled(web->fake), 2);
	assert_int_equal(fake_requests(web->fake), 0);
	answer_free(&answer);
}

static struct web *web_in_a_hurry(unsigned request_timeout_ms)
{
	struct sangraha_rest_options options = {
		.size = sizeof(options),
		.request_timeout_ms = request_timeout_ms,
	};
	struct web *web = web_new(&options);

	fake_inline_limit(web->fake, LONG);
	fake_pause_after(web->fake, 2);
	fake_hold(web->fake);
	return web;
}

static void a_long_pause_lasts_as_long_as_anything_moves(void **state)
{
	struct web *web = web_in_a_hurry(100);
	char *rest = calloc(1, LONG);
	struct answer answer;
	int fd = web_connect(web);

	fake_moves(web->fake, true);
	begin(fd, LONG);
	web_send(fd, "0123456789");
	assert_false(is_answered(fd, 500));
	fake_moves(web->fake, false);
	web_send_bytes(fd, rest, LONG - 10);
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 503);
	assert_contains(answer.body, "\"code\":\"overloaded\"");
	answer_free(&answer);
	close(fd);
	free(rest);
	fake_release(web->fake);
	web_free(web);
}

/* Its time runs from then on, wherever the bytes are. */
static void who_may_have_sent_all_waits_no_longer(void **state)
{
	static const char *const wholes[] = {
		"Content-Length: 10\r\n\r\n0123456789",
		"Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
	};
	struct web *web = web_in_a_hurry(100);

	fake_moves(web->fake, true);
	for (size_t i = 0; i < SGH_COUNT(wholes); i++) {
		struct answer answer;
		int fd = web_connect(web);

		web_send(fd, "POST " POST " HTTP/1.1\r\nHost: x\r\n%s", wholes[i]);
		web_receive(fd, false, &answer);
		assert_int_equal(answer.status, 503);
		assert_contains(answer.body, "\"code\":\"overloaded\"");
		answer_free(&answer);
		close(fd);
	}
	fake_release(web->fake);
	web_free(web);
}

/* Memory came at the last moment: what is left of the time is for the store. */
static void the_wait_for_memory_is_part_of_the_time(void **state)
{
	struct web *web = web_in_a_hurry(3000);
	int64_t began = sgh_now_ms();
	struct answer answer;
	int fd = web_connect(web);

	begin(fd, 10);
	web_send(fd, "0123456789");
	assert_false(is_answered(fd, 500));
	fake_pause_after(web->fake, 0);
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 504);
	assert_contains(answer.body, "\"operation\":");
	assert_in_range(sgh_now_ms() - began, 2900, 7500);
	answer_free(&answer);
	close(fd);
	fake_release(web->fake);
	web_free(web);
}

/* Whose bytes are all there has not sent the rest yet. */
static void who_sends_the_rest_later_has_time_for_it(void **state)
{
	struct web *web = web_in_a_hurry(2000);
	struct answer answer;
	int fd = web_connect(web);
	int64_t sent;

	begin(fd, 10);
	web_send(fd, "012345");
	assert_false(is_answered(fd, 300));
	fake_release(web->fake);
	assert_false(is_answered(fd, 1000));
	fake_hold(web->fake);
	sent = sgh_now_ms();
	web_send(fd, "6789");
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 503);
	assert_true(sgh_now_ms() - sent >= 1900);
	answer_free(&answer);
	close(fd);
	fake_release(web->fake);
	web_free(web);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, web_set_up, web_tear_down)

static const struct CMUnitTest tests[] = {
	CASE(each_is_seen_by_who_sends_everything_first),
	CASE(it_is_answered_when_nothing_is_left),
	CASE(who_goes_on_for_ever_is_told_in_between),
	CASE(of_a_body_in_chunks_too),
	CASE(the_words_of_others_are_left_alone),
	CASE(a_form_that_is_wrong_takes_its_file_back),
	cmocka_unit_test(a_long_pause_lasts_as_long_as_anything_moves),
	cmocka_unit_test(who_may_have_sent_all_waits_no_longer),
	cmocka_unit_test(the_wait_for_memory_is_part_of_the_time),
	cmocka_unit_test(who_sends_the_rest_later_has_time_for_it),
};

t_main(tests)
