/* SPDX-License-Identifier: MIT */
/* Clients that go away, or end their half, while the server works for them. */
#include "support/t.h"
#include "support/web.h"

#include <sys/socket.h>
#include <unistd.h>

#define POST "POST /v1/objects HTTP/1.1\r\nHost: x\r\n"
#define MANY 30
/* More than can be on its way when it is not read. */
#define LONG (8 << 20)

struct gone {
	struct web *web;
	int older; /* a connection that MHD looks at before the others */
};

static void open_older(struct gone *gone)
{
	struct answer answer;

	gone->older = web_connect(gone->web);
	web_send(gone->older, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
	web_receive(gone->older, false, &answer);
	assert_int_equal(answer.status, 200);
	answer_free(&answer);
}

/* Time limits far away: what is noticed here is not noticed by them. */
static int set_up(void **state)
{
	struct sangraha_rest_options options = { .threads = 1 };
	struct gone *gone = calloc(1, sizeof(*gone));

	gone->web = web_new(&options);
	open_older(gone);
	*state = gone;
	return 0;
}

/* Looked at 17 times a second, and not given up. */
static int set_up_watched(void **state)
{
	struct sangraha_rest_options options = { .threads = 1, .idle_timeout_ms = 600 };
	struct gone *gone = calloc(1, sizeof(*gone));

	gone->web = web_new(&options);
	open_older(gone);
	*state = gone;
	return 0;
}

/* Looked at 17 times a second, and given up after a while. */
static int set_up_hasty(void **state)
{
	struct sangraha_rest_options options = {
		.threads = 1,
		.idle_timeout_ms = 600,
		.request_timeout_ms = 1500,
	};
	struct gone *gone = calloc(1, sizeof(*gone));

	gone->web = web_new(&options);
	open_older(gone);
	*state = gone;
	return 0;
}

static int tear_down(void **state)
{
	struct gone *gone = *state;

	close(gone->older);
	web_free(gone->web);
	free(gone);
	return 0;
}

/* An upload that stands in line for memory, with what was sent of it. */
static int stand_in_line(struct web *web, const char *rest)
{
	size_t before = fake_uploads_open(web->fake);
	int fd = web_connect(web);

	fake_hold(web->fake);
	fake_pause_after(web->fake, 1);
	web_send(fd, POST "%s", rest);
	t_wait(fake_uploads_open(web->fake) == before + 1);
	return fd;
}

/* Bytes and the end in one segment, so that one event tells of both. */
static void begin_and_leave(struct web *web, const char *header, size_t length)
{
	char *body = calloc(1, length + 1);
	int fd = web_connect(web);

	web_send(fd, POST "%s\r\n\r\n", header);
	t_wait(fake_uploads_open(web->fake) == 1);
	send(fd, body, length, MSG_MORE);
	close(fd);
	free(body);
	t_wait(fake_uploads_open(web->fake) == 0);
}

static void an_upload_that_ends_early_is_freed(void **state)
{
	struct gone *gone = *state;
	int64_t began = sgh_now_ms();

	for (size_t i = 0; i < MANY; i++)
		begin_and_leave(gone->web, "Content-Length: 1000000", i * i * 300);
	assert_in_range(sgh_now_ms() - began, 0, 10000);
}

static void an_upload_in_chunks_that_ends_early_is_freed(void **state)
{
	struct gone *gone = *state;
	int64_t began = sgh_now_ms();

	for (size_t i = 0; i < 12; i++) {
		int fd = web_connect(gone->web);

		web_send(fd, POST "Transfer-Encoding: chunked\r\n\r\n");
		t_wait(fake_uploads_open(gone->web->fake) == 1);
		send(fd, "4\r\nabcd\r\n9\r\n", i, MSG_MORE);
		close(fd);
		t_wait(fake_uploads_open(gone->web->fake) == 0);
	}
	/* Where MHD has no byte for us it is the watch that sees it. */
	assert_in_range(sgh_now_ms() - began, 0, 20000);
}

static void a_whole_flood_is_freed(void **state)
{
	struct gone *gone = *state;
	struct answer answer;

	for (size_t i = 0; i < MANY; i++) {
		int fd = web_connect(gone->web);

		web_send(fd, POST "Content-Length: 1000000\r\n\r\n%*s", (int)i, "");
		close(fd);
	}
	answer = web_post(gone->web, "/v1/objects", "", "x");
	assert_int_equal(answer.status, 201);
	answer_free(&answer);
	t_wait(fake_uploads_open(gone->web->fake) == 0);
}

static void who_left_the_line_is_freed(void **state)
{
	struct gone *gone = *state;

	close(stand_in_line(gone->web, "Content-Length: 100000\r\n\r\nabc"));
	t_wait(fake_uploads_open(gone->web->fake) == 0);
	fake_release(gone->web->fake);
}

static void who_left_the_line_in_chunks_leaves_room(void **state)
{
	struct gone *gone = *state;

	close(stand_in_line(gone->web, "Transfer-Encoding: chunked\r\n\r\n"
				       "4\r\nabcd\r\n"));
	t_wait(fake_uploads_open(gone->web->fake) == 0);
	fake_release(gone->web->fake);
}

/* It gets its turn, and is gone with it. */
static void who_left_the_line_in_chunks_is_freed(void **state)
{
	struct gone *gone = *state;
	struct web *web = gone->web;

	close(stand_in_line(web, "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n"));
	fake_release(web->fake);
	t_wait(fake_uploads_open(web->fake) == 0);
	assert_int_equal(fake_requests(web->fake), 0);
}

/* The other one's end shows that the watch has looked. */
static void who_sent_all_keeps_its_place(void **state)
{
	static const char *const wholes[] = {
		"Content-Length: 3\r\n\r\nabc",
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	};
	struct gone *gone = *state;
	struct web *web = gone->web;

	for (size_t i = 0; i < SGH_COUNT(wholes); i++) {
		struct answer answer;
		int fd = stand_in_line(web, wholes[i]);

		shutdown(fd, SHUT_WR);
		close(stand_in_line(web, "Content-Length: 100000\r\n\r\nabc"));
		t_wait(fake_uploads_open(web->fake) == 1);
		fake_release(web->fake);
		web_receive(fd, false, &answer);
		assert_int_equal(answer.status, 201);
		answer_free(&answer);
		close(fd);
	}
}

static void who_sent_all_is_answered(void **state)
{
	static const char *const requests[] = {
		POST "Content-Length: 1\r\n\r\na",
		POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"GET " WEB_OBJECT " HTTP/1.1\r\nHost: x\r\n\r\n",
	};
	struct gone *gone = *state;

	for (size_t i = 0; i < SGH_COUNT(requests); i++) {
		struct answer answer;
		int fd = web_connect(gone->web);

		fake_hold(gone->web->fake);
		web_send(fd, "%s", requests[i]);
		shutdown(fd, SHUT_WR);
		t_wait(fake_in_flight(gone->web->fake) == 1);
		fake_release(gone->web->fake);
		web_receive(fd, false, &answer);
		assert_int_equal(answer.status, i < 2 ? 201 : 200);
		answer_free(&answer);
		close(fd);
	}
}

static void a_long_body_of_who_ended_its_half_is_taken(void **state)
{
	struct gone *gone = *state;
	char *body = calloc(1, 3000000);
	struct answer answer;
	int fd = web_connect(gone->web);

	web_send(fd, POST "Content-Length: 3000000\r\n\r\n");
	web_send_bytes(fd, body, 3000000);
	shutdown(fd, SHUT_WR);
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 201);
	assert_int_equal(fake_seen(gone->web->fake).body_length, 3000000);
	answer_free(&answer);
	close(fd);
	free(body);
}

static void memory_that_never_comes_is_503(void **state)
{
	struct gone *gone = *state;
	struct web *web = gone->web;
	struct answer answer;
	int fd = stand_in_line(web, "Content-Length: 9\r\n\r\nabcdefghi");

	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 503);
	assert_has(&answer, "Retry-After", "1");
	assert_contains(answer.body, "\"code\":\"overloaded\"");
	answer_free(&answer);
	assert_int_equal(fake_uploads_open(web->fake), 0);
	/* The body was read: the connection can be used on. */
	web_send(fd, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 200);
	answer_free(&answer);
	close(fd);
	fake_release(web->fake);
}

/* A little memory came: the time for the rest of a long one begins again. */
static void memory_that_comes_in_part_is_waited_for_again(void **state)
{
	struct gone *gone = *state;
	struct web *web = gone->web;
	int64_t began = sgh_now_ms();
	char *rest = calloc(1, LONG);
	struct answer answer;
	int fd;

	fake_inline_limit(web->fake, LONG);
	fd = stand_in_line(web, "Content-Length: 8388608\r\n\r\nabcdefghi");
	fake_pause_after(web->fake, 5);
	web_send_bytes(fd, rest, LONG - 9);
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 503);
	assert_in_range(sgh_now_ms() - began, 2900, 15000);
	answer_free(&answer);
	close(fd);
	free(rest);
	fake_release(web->fake);
}

#define CASE(f)    cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define HASTY(f)   cmocka_unit_test_setup_teardown(f, set_up_hasty, tear_down)
#define WATCHED(f) cmocka_unit_test_setup_teardown(f, set_up_watched, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(an_upload_that_ends_early_is_freed),
	CASE(an_upload_in_chunks_that_ends_early_is_freed),
	CASE(a_whole_flood_is_freed),
	HASTY(who_left_the_line_is_freed),
	WATCHED(who_left_the_line_in_chunks_leaves_room),
	CASE(who_left_the_line_in_chunks_is_freed),
	HASTY(who_sent_all_keeps_its_place),
	CASE(who_sent_all_is_answered),
	CASE(a_long_body_of_who_ended_its_half_is_taken),
	HASTY(memory_that_never_comes_is_503),
	HASTY(memory_that_comes_in_part_is_waited_for_again),
};

t_main(tests)
