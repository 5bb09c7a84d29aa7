/* SPDX-License-Identifier: MIT */
#include "support/t.h"
#include "support/web.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define POST "/v1/objects"

/* Whole seconds are what MHD counts in; one thread, so that one who stalls stalls all. */
static int set_up(void **state)
{
	struct sangraha_rest_options options = {
		.threads = 1,
		.connections = 8,
		.idle_timeout_ms = 1000,
	};

	*state = web_new(&options);
	return 0;
}

static void a_slow_header_is_cut(void **state)
{
	int fd = web_connect(*state);
	int64_t began = sgh_now_ms();

	web_send(fd, "GET / HT");
	assert_true(web_closed(fd));
	assert_in_range(sgh_now_ms() - began, 500, 5000);
	close(fd);
}

/* MHD's own time-out is reset by each byte. */
static void a_header_that_trickles_is_cut(void **state)
{
	int fd = web_connect(*state);
	int64_t until = sgh_now_ms() + 5000;
	char c;

	web_send(fd, "GET / HTTP/1.1\r\nHost: ");
	while (sgh_now_ms() < until) {
		web_send(fd, "x");
		if (recv(fd, &c, 1, MSG_DONTWAIT) == 0)
			break;
		t_pause();
	}
	assert_true(sgh_now_ms() < until);
	close(fd);
}

static void a_slow_body_is_408(void **state)
{
	struct answer answer;
	int fd = web_connect(*state);

	web_send(fd, "POST " POST " HTTP/1.1\r\nHost: x\r\nX-Correlation-ID: slow\r\n"
		     "Content-Length: 9\r\n\r\na");
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 408);
	assert_has(&answer, "X-Correlation-ID", "slow");
	assert_contains(answer.body, "\"code\":\"timeout\"");
	assert_true(web_closed(fd));
	answer_free(&answer);
	close(fd);
}

/* The header's time limit ends with the header. */
static void a_body_that_does_not_begin_is_408(void **state)
{
	static const char *const framings[] = { "Content-Length: 9",
						"Transfer-Encoding: chunked" };

	for (size_t i = 0; i < SGH_COUNT(framings); i++) {
		struct answer answer;
		int fd = web_connect(*state);

		web_send(fd, "POST " POST " HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n",
			 framings[i]);
		web_receive(fd, false, &answer);
		assert_int_equal(answer.status, 408);
		answer_free(&answer);
		close(fd);
	}
}

static void a_body_that_trickles_is_408(void **state)
{
	struct web *web = *state;
	struct answer answer;
	int fd = web_connect(web);
	int64_t until = sgh_now_ms() + 5000;
	char c;

	web_send(fd, "POST " POST " HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n");
	while (sgh_now_ms() < until && recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0) {
		web_send(fd, "x");
		t_pause();
	}
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 408);
	answer_free(&answer);
	close(fd);
	t_wait(fake_uploads_open(web->fake) == 0);
}

/* A reservation of the whole limit is held by it. */
static void a_body_of_chunks_that_trickles_is_408(void **state)
{
	struct web *web = *state;
	struct answer answer;
	int fd = web_connect(web);
	int64_t until = sgh_now_ms() + 5000;
	char c;

	web_send(fd, "POST " POST
		     " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	while (sgh_now_ms() < until && recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0) {
		web_send(fd, "1\r\nx\r\n");
		t_pause();
	}
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 408);
	answer_free(&answer);
	close(fd);
	t_wait(fake_uploads_open(web->fake) == 0);
}

static void an_announced_413_comes_before_the_body(void **state)
{
	struct web *web = *state;
	struct answer answer;
	int fd = web_connect(web);

	fake_inline_limit(web->fake, 100);
	web_send(fd, "POST " POST " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
		     "Content-Length: 101\r\n\r\n");
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 413);
	assert_has(&answer, "Connection", "close");
	assert_true(web_closed(fd));
	answer_free(&answer);
	close(fd);
}

static void who_may_send_is_told_to_go_on(void **state)
{
	struct answer answer;
	char line[26] = "";
	int fd = web_connect(*state);

	web_send(fd, "POST " POST " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
		     "Content-Length: 1\r\n\r\n");
	assert_int_equal(recv(fd, line, 25, MSG_WAITALL), 25);
	assert_string_equal(line, "HTTP/1.1 100 Continue\r\n\r\n");
	web_send(fd, "x");
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 201);
	answer_free(&answer);
	close(fd);
}

static void without_expect_the_413_comes_after_the_body(void **state)
{
	struct web *web = *state;
	char *body = calloc(1, 200000);
	struct answer answer;
	int fd = web_connect(web);

	fake_inline_limit(web->fake, 100);
	web_send(fd,
		 "POST " POST " HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n");
	web_send_bytes(fd, body, 200000);
	web_send(fd, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 413);
	assert_contains(answer.body, "\"code\":\"too_large\"");
	answer_free(&answer);
	/* The connection can be used on. */
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 200);
	answer_free(&answer);
	close(fd);
	free(body);
}

static void a_413_may_be_found_on_the_way(void **state)
{
	struct web *web = *state;
	struct answer answer;
	int fd = web_connect(web);

	fake_inline_limit(web->fake, 4);
	web_send(fd, "POST " POST " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
		     "\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n2\r\ngh\r\n0\r\n\r\n");
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 413);
	assert_int_equal(fake_uploads_open(web->fake), 0);
	answer_free(&answer);
	close(fd);
}

static void send_endlessly(const struct web *web, const char *request)
{
	size_t piece = 1 << 20;
	char *body = calloc(1, piece);
	struct answer answer;
	int fd = web_connect(web);

	web_send(fd,
		 "%s HTTP/1.1\r\nHost: x\r\nX-Correlation-ID: big\r\n"
		 "Content-Length: 1000000000\r\n\r\n",
		 request);
	for (int i = 0; i < 80; i++)
		web_send_bytes(fd, body, piece);
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 413);
	assert_has(&answer, "X-Correlation-ID", "big");
	assert_contains(answer.body, "\"code\":\"too_large\"");
	answer_free(&answer);
	close(fd);
	free(body);
}

static void an_endless_body_is_answered_by_hand(void **state)
{
	static const char *const requests[] = { "POST " POST, "GET " WEB_OBJECT,
						"DELETE " WEB_OBJECT };
	struct web *web = *state;

	fake_inline_limit(web->fake, 4);
	for (size_t i = 0; i < SGH_COUNT(requests); i++)
		send_endlessly(web, requests[i]);
	assert_int_equal(fake_requests(web->fake), 0);
}

static void a_huge_header_is_refused(void **state)
{
	char *header = malloc(40000);
	struct answer answer;
	int fd = web_connect(*state);

	memset(header, 'a', 40000);
	header[39999] = '\0';
	web_send(fd, "GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", header);
	web_receive(fd, false, &answer);
	assert_true(answer.status == 0 || answer.status == 431 || answer.status == 413);
	answer_free(&answer);
	close(fd);
	fd = web_connect(*state);
	web_send(fd, "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", header);
	web_receive(fd, false, &answer);
	assert_true(answer.status == 0 || answer.status == 414);
	answer_free(&answer);
	close(fd);
	free(header);
}

/* MHD 1.0 refuses some of them itself, in HTML and before there is a request. */
static void assert_status(struct answer *answer, int http, int mhd)
{
	if (mhd && strncmp(answer->body, "<html>", 6) == 0) {
		assert_int_equal(answer->status, mhd);
		assert_has(answer, "Connection", "close");
		return;
	}
	assert_int_equal(answer->status, http);
	assert_non_null(answer_header(answer, "X-Correlation-ID"));
}

static void two_opinions_on_the_length_are_refused(void **state)
{
	static const struct {
		const char *headers;
		int http;
		int mhd;
	} table[] = {
		{ "Content-Length: 1\r\nContent-Length: 2\r\n", 400 },
		{ "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400 },
		{ "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", 400 },
		{ "Transfer-Encoding: gzip\r\n", 501, 400 },
		{ "Transfer-Encoding: chunked, gzip\r\n", 501, 400 },
	};
	struct web *web = *state;
	size_t before = fake_requests(web->fake);

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		struct answer answer;
		int fd = web_connect(web);

		web_send(fd, "POST " POST " HTTP/1.1\r\nHost: x\r\n%s\r\n0\r\n\r\n",
			 table[i].headers);
		web_receive(fd, false, &answer);
		assert_status(&answer, table[i].http, table[i].mhd);
		assert_has(&answer, "Connection", "close");
		assert_true(web_closed(fd));
		answer_free(&answer);
		close(fd);
	}
	assert_int_equal(fake_requests(web->fake), before);
}

static void a_malformed_head_is_refused(void **state)
{
	static const struct {
		const char *request;
		int http;
		int mhd;
	} table[] = {
		{ "POST " POST " HTTP/1.1\r\nHost: x\r\nContent-Length : 7\r\n", 400,
		  400 },
		{ "POST " POST " HTTP/1.1\r\nContent-Length\t: 7\r\nHost: x\r\n", 400,
		  400 },
		{ "GET /health/live HTTP/1.1\r\n X: y\r\nHost: x\r\n", 400, 400 },
		{ "GET /health/live HTTP/1.1\r\nX: y\r\n", 400, 400 },
		{ "GET /health/live and HTTP/1.1\r\nHost: x\r\n", 400, 301 },
		{ "GET /health/live HTTP/1.0\r\nX: y\r\n", 200 },
	};
	struct web *web = *state;
	size_t before = fake_requests(web->fake);

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		struct answer answer;
		int fd = web_connect(web);

		web_send(fd, "%s\r\n{\"a\":1}", table[i].request);
		web_receive(fd, false, &answer);
		assert_status(&answer, table[i].http, table[i].mhd);
		assert_true(web_closed(fd));
		answer_free(&answer);
		close(fd);
	}
	assert_int_equal(fake_requests(web->fake), before);
}

static void line_ends_do_not_get_into_headers(void **state)
{
	static const char *const targets[] = {
		POST "?filename=a%0D%0AX-Evil:%201",
		"/v1/objects/image%0D%0AX-Evil:%201/" WEB_ID,
		"/%0D%0AX-Evil:%201",
	};

	for (size_t i = 0; i < SGH_COUNT(targets); i++) {
		struct answer answer = web_post(*state, targets[i], "", "x");

		assert_true(answer.status >= 400);
		assert_null(answer_header(&answer, "X-Evil"));
		answer_free(&answer);
	}
}

/* The answer shows that the connection is counted. */
static void fill(const struct web *web, int fds[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct answer answer;

		fds[i] = web_connect(web);
		web_send(fds[i], "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
		web_receive(fds[i], false, &answer);
		assert_int_equal(answer.status, 200);
		answer_free(&answer);
	}
}

static void close_all(const int fds[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

/* It sends only after it was refused, and is not reset. */
static void one_connection_too_many_is_told_so(void **state)
{
	struct answer answer;
	int fds[8];
	int fd;

	fill(*state, fds, SGH_COUNT(fds));
	fd = web_connect(*state);
	recv(fd, answer.head, 1, MSG_PEEK);
	web_send(fd, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 503);
	assert_has(&answer, "Content-Type", "application/problem+json");
	assert_has(&answer, "Retry-After", "1");
	assert_has(&answer, "Connection", "close");
	assert_contains(answer.body, answer_header(&answer, "X-Correlation-ID"));
	assert_contains(answer.body, "\"code\":\"overloaded\"");
	assert_true(web_closed(fd));
	answer_free(&answer);
	close(fd);
	close_all(fds, SGH_COUNT(fds));
}

static void descriptors_bound_the_connections(void **state)
{
	struct sangraha_rest_options options = { .threads = 1 };
	struct rlimit before;
	struct rlimit few;
	struct answer answer;
	struct web *web;
	int fds[17];

	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = 70;
	setrlimit(RLIMIT_NOFILE, &few);
	web = web_new(&options);
	setrlimit(RLIMIT_NOFILE, &before);
	fill(web, fds, 16);
	fds[16] = web_connect(web);
	web_receive(fds[16], false, &answer);
	assert_int_equal(answer.status, 503);
	answer_free(&answer);
	close_all(fds, SGH_COUNT(fds));
	web_free(web);
}

/* Pages of 1000 descriptions, asked for and not read: more than the kernel buffers. */
static void who_does_not_read_is_cut(void **state)
{
	struct web *web = *state;
	struct fake_answer fake = { .object = web->object, .count = 1000 };
	int fd = web_connect(web);

	fake_answer(web->fake, &fake);
	for (int i = 0; i < 50; i++)
		web_send(fd, "GET /v1/objects HTTP/1.1\r\nHost: x\r\n\r\n");
	t_wait(fake_requests(web->fake) > 1);
	t_ok(sangraha_rest_drain(web->rest, 10000, &t_err));
	assert_true(fake_requests(web->fake) < 50);
	close(fd);
}

static void an_idle_connection_is_closed(void **state)
{
	struct answer answer;
	int fd = web_connect(*state);

	web_send(fd, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
	web_receive(fd, false, &answer);
	assert_true(web_closed(fd));
	answer_free(&answer);
	close(fd);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, web_tear_down)

static const struct CMUnitTest tests[] = {
	CASE(a_slow_header_is_cut),
	CASE(a_header_that_trickles_is_cut),
	CASE(a_slow_body_is_408),
	CASE(a_body_that_does_not_begin_is_408),
	CASE(a_body_that_trickles_is_408),
	CASE(a_body_of_chunks_that_trickles_is_408),
	CASE(an_announced_413_comes_before_the_body),
	CASE(who_may_send_is_told_to_go_on),
	CASE(without_expect_the_413_comes_after_the_body),
	CASE(a_413_may_be_found_on_the_way),
	CASE(an_endless_body_is_answered_by_hand),
	CASE(a_huge_header_is_refused),
	CASE(two_opinions_on_the_length_are_refused),
	CASE(a_malformed_head_is_refused),
	CASE(line_ends_do_not_get_into_headers),
	CASE(one_connection_too_many_is_told_so),
	cmocka_unit_test(descriptors_bound_the_connections),
	CASE(who_does_not_read_is_cut),
	CASE(an_idle_connection_is_closed),
};

t_main(tests)
