/* SPDX-License-Identifier: MIT */
#include "http/response.h"

#include "base/buf.h"
#include "base/util.h"
#include "support/t.h"

#define STOPPED 7

/* What was read of a response. */
struct reading {
	struct sgh_response response;
	struct sgh_buf lines;
	struct sgh_buf body;
	size_t body_most; /* the body callback stops when there is more; 0: never */
	int status;
	size_t used;
};

static int on_line(void *arg, const char *line, size_t length)
{
	struct reading *reading = arg;

	sgh_buf_append(&reading->lines, line, length);
	return 0;
}

static int on_body(void *arg, const char *data, size_t length)
{
	struct reading *reading = arg;

	if (reading->body_most && reading->body.length + length > reading->body_most)
		return STOPPED;
	sgh_buf_append(&reading->body, data, length);
	return 0;
}

static const struct sgh_response_sink sink = { on_line, on_body };

/* Read `bytes`, at most `piece` more at a time; what is not used is given again. */
static void read_in(struct reading *reading, const char *bytes, size_t length,
		    size_t piece)
{
	size_t given = 0;

	while (!reading->status && given < length &&
	       reading->response.phase != SGH_RESPONSE_DONE) {
		size_t have = sgh_min(given + piece, length) - reading->used;
		/* No byte behind what is there may be looked at. */
		char *copy = malloc(have);
		size_t used = 0;

		memcpy(copy, bytes + reading->used, have);
		reading->status = sgh_response_read(&reading->response, copy, have, &sink,
						    reading, &used);
		free(copy);
		given = reading->used + have;
		reading->used += used;
	}
}

static struct reading read_text(const char *text, bool head, size_t piece)
{
	struct reading reading = { 0 };

	sgh_response_begin(&reading.response, head);
	read_in(&reading, text, strlen(text), piece);
	return reading;
}

static void fini(struct reading *reading)
{
	sgh_buf_fini(&reading->lines);
	sgh_buf_fini(&reading->body);
}

#define HTTP "HTTP/1.1 200 OK\r\n"
#define LONG "0123456789abcdef0123456789abcdef0123456789abcdef"

/* A response, all of it and not a byte more, and what is in it. */
struct whole {
	const char *text;
	const char *body;
	bool persists;
	bool head;
};

static const struct whole wholes[] = {
	{ HTTP "Content-Length: 5\r\n\r\nhello", "hello", true },
	{ HTTP "content-length:5\r\nContent-Length: 5 \r\n\r\nhello", "hello", true },
	{ HTTP "Content-Length: 0\r\n\r\n", "", true },
	{ "HTTP/1.1 200 \nContent-Length: 2\n\nhi", "hi", true },
	{ "HTTP/1.1 204\r\n\r\n", "", true },
	{ "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", "", true },
	{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "", true },
	{ HTTP "Content-Length: 100\r\n\r\n", "", true, true },
	{ HTTP "\r\n", "", true, true },
	{ HTTP "Connection: keep-alive, Close\r\nContent-Length: 1\r\n\r\na", "a" },
	{ HTTP "Connection: closed\r\nContent-Length: 1\r\n\r\na", "a", true },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "a" },
	{ HTTP "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n01;x=y\r\n!\r\n0\r\n\r\n",
	  "hello!", true },
	{ HTTP "Transfer-Encoding: Chunked\r\n\r\n30\r\n" LONG "\r\n0\r\nX: y\r\n\r\n",
	  LONG, true },
	{ HTTP
	  "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\na\r\n0\r\n\r\n",
	  "a" },
	{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" HTTP
	  "Content-Length: 1\r\n\r\na",
	  "a", true },
	{ "HTTP/1.1 503 Slow Down\r\nContent-Length: 2\r\n\r\nno", "no", true },
};

static void a_response_is_read_in_any_pieces(void **state)
{
	for (size_t i = 0; i < SGH_COUNT(wholes); i++) {
		const struct whole *whole = &wholes[i];
		size_t length = strlen(whole->text);

		for (size_t piece = 1; piece <= length; piece++) {
			struct reading reading =
				read_text(whole->text, whole->head, piece);

			assert_int_equal(reading.status, 0);
			assert_int_equal(reading.response.phase, SGH_RESPONSE_DONE);
			assert_int_equal(reading.used, length);
			assert_string_equal(sgh_buf_text(&reading.body), whole->body);
			assert_int_equal(sgh_response_persists(&reading.response),
					 whole->persists);
			fini(&reading);
		}
	}
}

static void what_is_cut_is_not_complete(void **state)
{
	for (size_t i = 0; i < SGH_COUNT(wholes); i++) {
		for (size_t length = 0; length < strlen(wholes[i].text); length++) {
			struct reading reading = { 0 };

			sgh_response_begin(&reading.response, wholes[i].head);
			read_in(&reading, wholes[i].text, length, SIZE_MAX / 2);
			assert_int_equal(reading.status, 0);
			assert_false(sgh_response_ends(&reading.response));
			fini(&reading);
		}
	}
}

static void without_a_length_it_goes_on_to_the_end(void **state)
{
	struct reading reading = read_text(HTTP "X: y\r\n\r\nall of it", false, 9);

	assert_int_equal(reading.response.phase, SGH_RESPONSE_CLOSE);
	assert_true(sgh_response_ends(&reading.response));
	assert_false(sgh_response_persists(&reading.response));
	assert_string_equal(sgh_buf_text(&reading.body), "all of it");
	fini(&reading);
}

static void the_next_response_is_left(void **state)
{
	struct reading reading =
		read_text(HTTP "Content-Length: 1\r\n\r\naHTTP/1.1", false, 1000);

	assert_int_equal(reading.response.phase, SGH_RESPONSE_DONE);
	assert_int_equal(reading.used, strlen(HTTP "Content-Length: 1\r\n\r\na"));
	fini(&reading);
}

static void nonsense_is_refused(void **state)
{
	static const char *const texts[] = {
		"220 smtp.example.com ready\r\n",
		"\r\n",
		"HTTP/2 200 OK\r\n",
		"HTTP/1.1200 OK\r\n",
		"HTTP/1.1 20\r\n",
		"HTTP/1.1 2000 OK\r\n",
		"HTTP/1.1 020 OK\r\n",
		"HTTP/1.1 101 Switching Protocols\r\n",
		HTTP "no colon\r\n",
		HTTP ": no name\r\n",
		HTTP "Name : value\r\n",
		HTTP "X: y\r\n and more\r\n",
		HTTP "  \r\n",
		HTTP "Content-Length: 5\r\nContent-Length: 6\r\n",
		HTTP "Content-Length: -5\r\n",
		HTTP "Content-Length: +5\r\n",
		HTTP "Content-Length: 5, 5\r\n",
		HTTP "Content-Length:\r\n",
		HTTP "Content-Length: 9999999999999999999\r\n",
		HTTP "Transfer-Encoding: gzip, chunked\r\n",
		HTTP "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		HTTP "Transfer-Encoding: chunked\r\n\r\nx\r\n",
		HTTP "Transfer-Encoding: chunked\r\n\r\n\r\n",
		HTTP "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello!\r\n",
		HTTP "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\n",
	};

	for (size_t i = 0; i < SGH_COUNT(texts); i++) {
		for (size_t piece = 1; piece <= strlen(texts[i]); piece++) {
			struct reading reading = read_text(texts[i], false, piece);

			if (reading.status != SGH_RESPONSE_BAD)
				fail_msg("taken, in pieces of %zu: %s", piece, texts[i]);
			fini(&reading);
		}
	}
}

/* `text`, and then `more` over and over. */
static int read_endlessly(const char *text, const char *more)
{
	sgh_autobuf struct sgh_buf all = SGH_BUF_INIT(1 << 20);
	struct reading reading;
	int status;

	sgh_buf_puts(&all, text);
	while (all.length < 200 << 10)
		sgh_buf_puts(&all, more);
	reading = read_text(all.data, false, 1000);
	status = reading.status;
	fini(&reading);
	return status;
}

static void what_has_no_end_is_refused(void **state)
{
	static const char chunked[] = HTTP "Transfer-Encoding: chunked\r\n\r\n";

	assert_int_equal(read_endlessly(HTTP, "X-Header: and more\r\n"),
			 SGH_RESPONSE_BAD);
	assert_int_equal(read_endlessly(HTTP "X-Header: ", "more"), SGH_RESPONSE_BAD);
	assert_int_equal(read_endlessly("", "HTTP/1.1 102 Wait\r\n\r\n"),
			 SGH_RESPONSE_BAD);
	assert_int_equal(read_endlessly(chunked, "1;x"), SGH_RESPONSE_BAD);
	assert_int_equal(read_endlessly(HTTP "Transfer-Encoding: chunked\r\n\r\n0\r\n",
					"X-Trailer: and more\r\n"),
			 SGH_RESPONSE_BAD);
}

static void a_body_that_is_not_taken_comes_again(void **state)
{
	static const char text[] = HTTP "Content-Length: 6\r\n\r\nhello!";
	struct reading reading = { .body_most = 4 };

	sgh_response_begin(&reading.response, false);
	read_in(&reading, text, strlen(text), 1000);
	assert_int_equal(reading.status, STOPPED);
	assert_int_equal(reading.used, strlen(text) - 6);
	reading.body_most = 0;
	reading.status = 0;
	read_in(&reading, text, strlen(text), 1000);
	assert_int_equal(reading.status, 0);
	assert_string_equal(sgh_buf_text(&reading.body), "hello!");
	fini(&reading);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_response_is_read_in_any_pieces),
	cmocka_unit_test(what_is_cut_is_not_complete),
	cmocka_unit_test(without_a_length_it_goes_on_to_the_end),
	cmocka_unit_test(the_next_response_is_left),
	cmocka_unit_test(nonsense_is_refused),
	cmocka_unit_test(what_has_no_end_is_refused),
	cmocka_unit_test(a_body_that_is_not_taken_comes_again),
};

t_main(tests)
