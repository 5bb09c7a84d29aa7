/* SPDX-License-Identifier: MIT */
#include "support/t.h"
#include "support/web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* A server that leaves, and clients that notice nothing. */

#define ASK     "GET " WEB_OBJECT " HTTP/1.1\r\nHost: x\r\n\r\n"
#define READY   "GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n"
#define CLIENTS 8

/* A drain on a thread of its own. */
struct leaving {
	pthread_t thread;
	struct web *web;
	unsigned timeout_ms;
	int status;
};

static void *leave(void *arg)
{
	struct leaving *leaving = arg;

	leaving->status =
		sangraha_rest_drain(leaving->web->rest, leaving->timeout_ms, NULL);
	return NULL;
}

static void start(struct leaving *leaving, struct web *web, unsigned timeout_ms)
{
	*leaving = (struct leaving){ .web = web, .timeout_ms = timeout_ms };
	pthread_create(&leaving->thread, NULL, leave, leaving);
}

static int ended(struct leaving *leaving)
{
	pthread_join(leaving->thread, NULL);
	return leaving->status;
}

/* Connect to where the server was; -1 with errno. */
static int try_connect(unsigned port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int errnum;

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	errnum = errno;
	close(fd);
	errno = errnum;
	return -1;
}

static bool is_closed(unsigned port)
{
	int fd = try_connect(port);

	if (fd >= 0)
		close(fd);
	return fd < 0;
}

/* One request; the status, 0: the connection ended. *ret_last: it was the last of it. */
static int ask(int fd, const char *request, bool *ret_last)
{
	struct answer answer;
	int status;

	web_send(fd, "%s", request);
	web_receive(fd, false, &answer);
	status = answer.status;
	*ret_last = status && answer_header(&answer, "Connection");
	answer_free(&answer);
	return status;
}

static void what_was_begun_is_finished(void **state)
{
	struct web *web = *state;
	struct leaving leaving;
	struct answer answer;
	int fd = web_connect(web);

	fake_hold(web->fake);
	web_send(fd, ASK);
	t_wait(fake_in_flight(web->fake) == 1);
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_rest_drain(web->rest, 10, &t_err));
	t_says("1 request");
	start(&leaving, web, 20000);
	fake_release(web->fake);
	web_receive(fd, false, &answer);
	assert_string_equal(answer.body, WEB_BYTES);
	assert_has(&answer, "Connection", "close");
	answer_free(&answer);
	t_ok(ended(&leaving));
	close(fd);
}

/* Its header is cut in the middle when the others are ended. */
static void a_header_that_was_begun_is_waited_for(void **state)
{
	struct web *web = *state;
	struct leaving leaving;
	struct answer answer;
	int idle = web_connect(web);
	int fd = web_connect(web);

	web_send(fd, "GET " WEB_OBJECT " HTTP/1.1\r\nHost: x\r\n");
	start(&leaving, web, 4000);
	assert_true(web_closed(idle));
	web_send(fd, "\r\n");
	web_receive(fd, false, &answer);
	assert_string_equal(answer.body, WEB_BYTES);
	answer_free(&answer);
	t_ok(ended(&leaving));
	close(fd);
	close(idle);
}

static void a_kept_connection_has_one_more_answer(void **state)
{
	struct web *web = *state;
	unsigned port = sangraha_rest_port(web->rest);
	struct leaving leaving;
	bool last;
	int kept = web_connect(web);

	assert_int_equal(ask(kept, ASK, &last), 200);
	assert_false(last);
	start(&leaving, web, 20000);
	t_wait(is_closed(port));
	assert_int_equal(ask(kept, ASK, &last), 200);
	assert_true(last);
	assert_true(web_closed(kept));
	t_ok(ended(&leaving));
	close(kept);
}

/* What is sent after the end was told is not done, so that it can be sent elsewhere. */
static void an_idle_connection_is_ended_at_last(void **state)
{
	struct web *web = *state;
	struct leaving leaving;
	bool last;
	int fd = web_connect(web);

	start(&leaving, web, 1000);
	assert_true(web_closed(fd));
	assert_int_equal(ask(fd, ASK, &last), 0);
	assert_int_equal(fake_requests(web->fake), 0);
	t_ok(ended(&leaving));
	close(fd);
}

/* As a balancer does that asks for readiness: it hears of it before it is turned away. */
static void who_asks_for_readiness_is_told_first(void **state)
{
	struct web *web = *state;
	struct leaving leaving;
	int told = 0;
	int fd;

	for (int i = 0; i < 2; i++) {
		struct answer answer = web_get(web, "/health/ready");

		assert_int_equal(answer.status, 200);
		answer_free(&answer);
	}
	start(&leaving, web, 40000);
	while ((fd = try_connect(sangraha_rest_port(web->rest))) >= 0) {
		bool last;

		told += ask(fd, READY, &last) == 503;
		close(fd);
	}
	assert_true(told >= 3);
	t_ok(ended(&leaving));
}

/* One connection for each request, until the door is closed. */
static void *come_and_go(void *arg)
{
	struct web *web = arg;
	int fd;

	while ((fd = try_connect(sangraha_rest_port(web->rest))) >= 0) {
		bool last;
		int status = ask(fd, ASK, &last);

		close(fd);
		if (status != 200)
			return strdup("no answer");
	}
	return errno == ECONNREFUSED ? NULL : strdup("not refused, but cut");
}

static void who_got_in_is_answered(void **state)
{
	struct web *web = *state;
	pthread_t clients[CLIENTS];

	for (size_t i = 0; i < CLIENTS; i++)
		pthread_create(&clients[i], NULL, come_and_go, web);
	t_wait(fake_requests(web->fake) > 100);
	t_ok(sangraha_rest_drain(web->rest, 20000, &t_err));
	for (size_t i = 0; i < CLIENTS; i++) {
		void *complaint = NULL;

		pthread_join(clients[i], &complaint);
		if (complaint)
			fail_msg("%s", (char *)complaint);
	}
}

static void the_port_is_free_for_the_next_one(void **state)
{
	struct web *web = *state;
	struct sangraha_rest *next = NULL;
	struct sangraha_rest_options options = { .size = sizeof(options) };
	char address[32];

	snprintf(address, sizeof(address), "127.0.0.1:%u", sangraha_rest_port(web->rest));
	options.listen = address;
	t_ok(sangraha_rest_drain(web->rest, 1000, &t_err));
	/* While this one still finishes. */
	t_ok(sangraha_rest_start(web->context, web->fake, &options, &next, &t_err));
	sangraha_rest_free(next);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, web_set_up, web_tear_down)

static const struct CMUnitTest tests[] = {
	CASE(what_was_begun_is_finished),
	CASE(a_header_that_was_begun_is_waited_for),
	CASE(a_kept_connection_has_one_more_answer),
	CASE(an_idle_connection_is_ended_at_last),
	CASE(who_asks_for_readiness_is_told_first),
	CASE(who_got_in_is_answered),
	CASE(the_port_is_free_for_the_next_one),
};

t_main(tests)
