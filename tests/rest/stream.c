/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/t.h"
#include "support/web.h"
#include "wire/object.h"

/* Objects over the inline limit: their bytes pass through, or the client is sent away. */

#define SIZE    ((size_t)8 << 20)
#define ADDRESS "https://store.example/image/" WEB_ID "?X-Amz-Signature=0123"

struct large {
	struct web *web;
	struct sangraha_object *object;
	char *bytes;
};

static struct large *large_new(struct sangraha_rest_options *options, const char *url)
{
	struct large *f = calloc(1, sizeof(*f));
	struct sgh_object_parts parts = {
		.id = WEB_ID,
		.type = "image",
		.filename = "big.png",
		.content_type = "image/png",
		.sha256 = WEB_SHA256,
		.created_ms = 1767323045678,
		.size = SIZE,
	};
	struct fake_answer answer = { .length = SIZE, .large = true, .url = url };

	f->web = web_new(options);
	t_ok(sgh_object_new(&parts, &f->object, &t_err));
	f->bytes = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		f->bytes[i] = (char)(i * 2654435761u >> 24);
	answer.object = f->object;
	answer.data = f->bytes;
	fake_answer(f->web->fake, &answer);
	return f;
}

static int set_up(void **state)
{
	struct sangraha_rest_options options = { .threads = 2, .idle_timeout_ms = 1000 };

	*state = large_new(&options, ADDRESS);
	return 0;
}

static int set_up_redirect(void **state)
{
	struct sangraha_rest_options options = { .threads = 1, .redirect_large = 1 };

	*state = large_new(&options, ADDRESS);
	return 0;
}

static int set_up_local(void **state)
{
	struct sangraha_rest_options options = { .threads = 1, .redirect_large = 1 };

	*state = large_new(&options, NULL);
	return 0;
}

static int tear_down(void **state)
{
	struct large *f = *state;

	web_free(f->web);
	sangraha_object_unref(f->object);
	free(f->bytes);
	free(f);
	return 0;
}

/* ---- what the client sees ---- */

static int ask(struct large *f, const char *headers)
{
	int fd = web_connect(f->web);

	web_send(fd, "GET " WEB_OBJECT " HTTP/1.1\r\nHost: x\r\n%s\r\n", headers);
	return fd;
}

static int head_of(int fd, struct answer *answer)
{
	web_receive(fd, true, answer);
	return answer->status;
}

/* Who has asked for all, of which so much is there, and got a header. */
static int begun(struct large *f, size_t bytes)
{
	struct answer answer;
	int fd;

	fake_bring(f->web->fake, bytes, 0);
	fd = ask(f, "");
	assert_int_equal(head_of(fd, &answer), 200);
	answer_free(&answer);
	return fd;
}

/* The next bytes of a body are those of the object from `offset` on. */
static void assert_next(struct large *f, int fd, size_t offset, size_t length)
{
	sgh_autofree char *got = malloc(length);
	size_t have = 0;

	while (have < length) {
		ssize_t n = recv(fd, got + have, length - have, 0);

		if (n <= 0)
			fail_msg("cut after %zu bytes: %s", have, strerror(errno));
		have += (size_t)n;
	}
	assert_memory_equal(got, f->bytes + offset, length);
}

static void large_objects_pass_through(void **state)
{
	struct large *f = *state;
	struct answer answer = web_get(f->web, WEB_OBJECT);

	assert_int_equal(answer.status, 200);
	assert_has(&answer, "Content-Length", "8388608");
	assert_has(&answer, "ETag", "\"" WEB_SHA256 "\"");
	assert_has(&answer, "Content-Type", "image/png");
	assert_has(&answer, "X-Content-Type-Options", "nosniff");
	assert_has(&answer, "Content-Disposition", "inline; filename=\"big.png\"");
	assert_int_equal(answer.length, SIZE);
	assert_memory_equal(answer.body, f->bytes, SIZE);
	assert_int_equal(fake_seen(f->web->fake).redirect, 0);
	answer_free(&answer);
	t_wait(fake_downloads_open(f->web->fake) == 0);
}

static void bytes_may_come_late(void **state)
{
	struct large *f = *state;
	struct answer answer;
	int fd;

	fake_bring(f->web->fake, 0, 0);
	fd = ask(f, "");
	t_wait(fake_downloads_waiting(f->web->fake) == 1);
	for (size_t brought = 1000, seen = 0; seen < SIZE; brought *= 8) {
		size_t there = sgh_min(brought, SIZE);

		fake_bring(f->web->fake, there, 0);
		if (!seen) {
			assert_int_equal(head_of(fd, &answer), 200);
			answer_free(&answer);
		}
		assert_next(f, fd, seen, there - seen);
		t_wait(there == SIZE || fake_downloads_waiting(f->web->fake) == 1);
		seen = there;
	}
	/* The connection is as good as before. */
	web_send(fd, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 200);
	answer_free(&answer);
	close(fd);
}

static void many_are_under_way_at_once(void **state)
{
	struct large *f = *state;
	int fds[16];

	fake_bring(f->web->fake, 100, 0);
	for (size_t i = 0; i < SGH_COUNT(fds); i++)
		fds[i] = ask(f, "");
	t_wait(fake_downloads_waiting(f->web->fake) == SGH_COUNT(fds));
	fake_bring(f->web->fake, SIZE, 0);
	for (size_t i = 0; i < SGH_COUNT(fds); i++) {
		struct answer answer;

		assert_int_equal(head_of(fds[i], &answer), 200);
		answer_free(&answer);
		assert_next(f, fds[i], 0, SIZE);
		close(fds[i]);
	}
}

static void what_fails_at_once_is_a_problem(void **state)
{
	struct large *f = *state;
	struct answer answer;

	fake_bring(f->web->fake, 0, SANGRAHA_E_UNAVAILABLE);
	answer = web_get(f->web, WEB_OBJECT);
	assert_int_equal(answer.status, 503);
	assert_contains(answer.body, "Broken off");
	answer_free(&answer);
}

static void what_fails_after_a_while_is_a_problem_too(void **state)
{
	struct large *f = *state;
	struct answer answer;
	int fd;

	fake_bring(f->web->fake, 0, 0);
	fd = ask(f, "");
	t_wait(fake_downloads_waiting(f->web->fake) == 1);
	fake_bring(f->web->fake, 0, SANGRAHA_E_NOT_FOUND);
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 404);
	answer_free(&answer);
	close(fd);
}

/* Less than was announced, and no end: nobody takes that for the object. */
static void a_failure_in_the_middle_breaks_off(void **state)
{
	struct large *f = *state;
	struct answer answer;
	int fd;

	fake_bring(f->web->fake, 70000, 0);
	fd = ask(f, "");
	assert_int_equal(head_of(fd, &answer), 200);
	assert_has(&answer, "Content-Length", "8388608");
	answer_free(&answer);
	assert_next(f, fd, 0, 70000);
	t_wait(fake_downloads_waiting(f->web->fake) == 1);
	fake_bring(f->web->fake, 70000, SANGRAHA_E_INTERNAL);
	assert_true(web_closed(fd));
	close(fd);
	t_wait(fake_downloads_open(f->web->fake) == 0);
}

static void who_waits_for_the_store_may_go(void **state)
{
	struct large *f = *state;
	int fd = begun(f, 100);

	assert_next(f, fd, 0, 100);
	t_wait(fake_downloads_waiting(f->web->fake) == 1);
	/* Without a farewell: the kernel refuses what comes for it. */
	t_ok(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
			sizeof(struct linger)));
	close(fd);
	t_wait(fake_downloads_open(f->web->fake) == 0);
}

static void who_does_not_read_is_ended(void **state)
{
	struct large *f = *state;
	int small = 4096;
	int fd = web_connect(f->web);

	t_ok(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	web_send(fd, "GET " WEB_OBJECT " HTTP/1.1\r\nHost: x\r\n\r\n");
	t_wait(fake_downloads_open(f->web->fake) == 1);
	t_wait(fake_downloads_open(f->web->fake) == 0);
	close(fd);
}

/* The store may take longer than a client may: its time does not count. */
static void the_store_has_its_own_time(void **state)
{
	struct large *f = *state;
	int idle = web_connect(f->web);
	int fd = begun(f, 100);
	struct answer answer;

	assert_next(f, fd, 0, 100);
	t_wait(fake_downloads_waiting(f->web->fake) == 1);
	/* A connection that does nothing has come to its end in the meantime. */
	web_send(idle, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
	web_receive(idle, false, &answer);
	answer_free(&answer);
	assert_true(web_closed(idle));
	close(idle);
	fake_bring(f->web->fake, SIZE, 0);
	assert_next(f, fd, 100, SIZE - 100);
	close(fd);
}

/* MHD would abort with a connection asleep. */
static void the_server_may_stop_in_the_middle(void **state)
{
	struct large *f = *state;
	int fd = begun(f, 100);

	t_wait(fake_downloads_waiting(f->web->fake) == 1);
	sangraha_rest_free(sgh_take(f->web->rest));
	assert_int_equal(fake_downloads_open(f->web->fake), 0);
	close(fd);
}

/* ---- parts ---- */

static void a_range_asks_for_nothing_else(void **state)
{
	static const struct {
		const char *range;
		const char *content_range;
		uint64_t first;
		uint64_t length;
	} rows[] = {
		{ "bytes=0-0", "bytes 0-0/8388608", 0, 1 },
		{ "bytes=100-", "bytes 100-8388607/8388608", 100, SIZE - 100 },
		{ "bytes=-5", "bytes 8388603-8388607/8388608", SIZE - 5, 5 },
		{ "bytes=8388607-99999999", "bytes 8388607-8388607/8388608", SIZE - 1,
		  1 },
		{ "bytes=1000-70999", "bytes 1000-70999/8388608", 1000, 70000 },
		{ "bytes=-99999999", "bytes 0-8388607/8388608", 0, SIZE },
	};
	struct large *f = *state;

	for (size_t i = 0; i < SGH_COUNT(rows); i++) {
		char header[80];
		struct answer answer;
		uint64_t offset;
		uint64_t length;

		snprintf(header, sizeof(header), "Range: %s\r\n", rows[i].range);
		answer = web_do(f->web, "GET", WEB_OBJECT, header, NULL, 0);
		assert_int_equal(answer.status, 206);
		assert_has(&answer, "Content-Range", rows[i].content_range);
		assert_int_equal(answer.length, rows[i].length);
		assert_memory_equal(answer.body, f->bytes + rows[i].first, answer.length);
		answer_free(&answer);
		fake_download_part(f->web->fake, &offset, &length);
		assert_int_equal(offset, rows[i].first);
		assert_int_equal(length, rows[i].length);
	}
}

static void conditions_open_no_download(void **state)
{
	static const struct {
		const char *headers;
		int status;
	} rows[] = {
		{ "If-None-Match: \"" WEB_SHA256 "\"\r\n", 304 },
		{ "If-Modified-Since: Fri, 02 Jan 2026 03:04:05 GMT\r\n", 304 },
		{ "If-Match: \"x\"\r\n", 412 },
		{ "If-Unmodified-Since: Fri, 02 Jan 2026 03:04:04 GMT\r\n", 412 },
		{ "Range: bytes=8388608-\r\n", 416 },
	};
	struct large *f = *state;
	uint64_t offset;
	uint64_t length;

	for (size_t i = 0; i < SGH_COUNT(rows); i++) {
		struct answer answer =
			web_do(f->web, "GET", WEB_OBJECT, rows[i].headers, NULL, 0);

		assert_int_equal(answer.status, rows[i].status);
		answer_free(&answer);
	}
	fake_download_part(f->web->fake, &offset, &length);
	assert_int_equal(length, 0);
}

static void if_range_decides_on_the_part(void **state)
{
	struct large *f = *state;
	struct answer answer =
		web_do(f->web, "GET", WEB_OBJECT,
		       "Range: bytes=7-8\r\nIf-Range: \"" WEB_SHA256 "\"\r\n", NULL, 0);

	assert_int_equal(answer.status, 206);
	assert_int_equal(answer.length, 2);
	answer_free(&answer);
	answer = web_do(f->web, "GET", WEB_OBJECT,
			"Range: bytes=7-8\r\nIf-Range: \"another\"\r\n", NULL, 0);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.length, SIZE);
	answer_free(&answer);
}

static void head_tells_the_length_alone(void **state)
{
	struct large *f = *state;
	struct answer answer = web_do(f->web, "HEAD", WEB_OBJECT, "", NULL, 0);

	assert_int_equal(answer.status, 200);
	assert_has(&answer, "Content-Length", "8388608");
	assert_string_equal(fake_seen(f->web->fake).verb, "stat");
	answer_free(&answer);
}

/* ---- redirects ---- */

static void the_client_is_sent_to_the_store(void **state)
{
	struct large *f = *state;
	struct answer answer = web_get(f->web, WEB_OBJECT);

	assert_int_equal(answer.status, 307);
	assert_has(&answer, "Location", ADDRESS);
	assert_has(&answer, "Cache-Control", "no-store");
	assert_has(&answer, "ETag", "\"" WEB_SHA256 "\"");
	assert_has(&answer, "Content-Length", "0");
	assert_null(answer_header(&answer, "Set-Cookie"));
	assert_int_equal(fake_seen(f->web->fake).redirect, 1);
	assert_int_equal(fake_seen(f->web->fake).download, 0);
	answer_free(&answer);
	answer = web_get(f->web, WEB_OBJECT "?download");
	assert_int_equal(answer.status, 307);
	assert_int_equal(fake_seen(f->web->fake).download, 1);
	answer_free(&answer);
	assert_int_equal(fake_downloads_open(f->web->fake), 0);
}

static void what_can_be_answered_here_is(void **state)
{
	static const struct {
		const char *headers;
		int status;
	} rows[] = {
		{ "If-None-Match: *\r\n", 304 },
		{ "If-Match: \"x\"\r\n", 412 },
		{ "Range: bytes=8388608-\r\n", 416 },
		{ "Range: bytes=1-2\r\n", 307 },
		/* The store has other tags than we. */
		{ "If-Match: \"" WEB_SHA256 "\"\r\n", 200 },
		{ "Range: bytes=1-2\r\nIf-Range: \"" WEB_SHA256 "\"\r\n", 206 },
	};
	struct large *f = *state;

	for (size_t i = 0; i < SGH_COUNT(rows); i++) {
		struct answer answer =
			web_do(f->web, "GET", WEB_OBJECT, rows[i].headers, NULL, 0);

		assert_int_equal(answer.status, rows[i].status);
		answer_free(&answer);
	}
}

static void small_objects_are_not_redirected(void **state)
{
	struct large *f = *state;
	struct answer answer;

	web_answers_object(f->web);
	answer = web_get(f->web, WEB_OBJECT);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, WEB_BYTES);
	answer_free(&answer);
}

static void a_store_without_addresses_is_read_here(void **state)
{
	struct large *f = *state;
	struct answer answer = web_get(f->web, WEB_OBJECT);

	assert_int_equal(answer.status, 200);
	assert_memory_equal(answer.body, f->bytes, SIZE);
	answer_free(&answer);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
#define REDIRECTED(function) \
	cmocka_unit_test_setup_teardown(function, set_up_redirect, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(large_objects_pass_through),
	CASE(bytes_may_come_late),
	CASE(many_are_under_way_at_once),
	CASE(what_fails_at_once_is_a_problem),
	CASE(what_fails_after_a_while_is_a_problem_too),
	CASE(a_failure_in_the_middle_breaks_off),
	CASE(who_waits_for_the_store_may_go),
	CASE(who_does_not_read_is_ended),
	CASE(the_store_has_its_own_time),
	CASE(the_server_may_stop_in_the_middle),
	CASE(a_range_asks_for_nothing_else),
	CASE(conditions_open_no_download),
	CASE(if_range_decides_on_the_part),
	CASE(head_tells_the_length_alone),
	REDIRECTED(the_client_is_sent_to_the_store),
	REDIRECTED(what_can_be_answered_here_is),
	REDIRECTED(small_objects_are_not_redirected),
	cmocka_unit_test_setup_teardown(a_store_without_addresses_is_read_here,
					set_up_local, tear_down),
};

t_main(tests)
