/* SPDX-License-Identifier: MIT */
#include "support/peer.h"
#include "support/t.h"

#include <sangraha/rest.h>

#include "base/buf.h"

/* The client of the HTTP interface against a scripted peer: what may go wrong. */

#define ID   "0199f2c4-0000-7000-8000-00000000feed"
#define OURS "X-Correlation-ID: abc\r\n"
/* Of "hello". */
#define HELLO_TAG \
	"ETag: \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\r\n"
#define JSON    "Content-Type: application/json\r\n"
#define PROBLEM "Content-Type: application/problem+json\r\n" OURS
#define HTML    "Content-Type: text/html; charset=utf-8\r\n"
#define DESCRIPTION                                                             \
	"{\"id\":\"" ID "\",\"type\":\"image\",\"content_type\":\"image/png\"," \
	"\"size\":8,\"sha256\":\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b8" \
	"22cd15d6c15b0f00a08\",\"created\":\"2026-01-02T03:04:05.678Z\"}"

/* An answer to be ended by the peer's closing the connection. */
#define CLOSED(status, headers, body)                                           \
	{                                                                       \
		.bytes = "HTTP/1.1 " status "\r\nConnection: close\r\n" headers \
			 "\r\n" body,                                           \
		.close = true                                                   \
	}

struct fixture {
	struct t_peer *peer;
	struct sangraha_rest_client *client;
	struct sangraha_rest_result *result;
	struct sgh_buf bytes; /* what was written */
	unsigned begun;
	int write_fails;
};

static struct fixture f;

static void open_client(const char *url, const struct sangraha_rest_client_options *given)
{
	struct sangraha_rest_client_options options = { 0 };
	struct sangraha_context *context = t_context();

	if (given)
		options = *given;
	options.size = sizeof(options);
	t_ok(sangraha_rest_client_new(context, url, &options, &f.client, &t_err));
	sangraha_context_unref(context);
}

#define PEER(...) play(T_PEER(__VA_ARGS__))

static void play(struct t_peer *peer)
{
	f.peer = peer;
	open_client(t_peer_url(f.peer), NULL);
}

static void clean(void)
{
	sangraha_rest_result_free(f.result);
	sangraha_rest_client_free(f.client);
	t_peer_free(f.peer);
	sgh_buf_fini(&f.bytes);
	f = (struct fixture){ 0 };
}

static int tear_down(void **state)
{
	clean();
	return 0;
}

static int on_write(void *arg, const void *data, size_t length)
{
	sgh_buf_append(&f.bytes, data, length);
	return f.write_fails;
}

static void on_begin(void *arg, const struct sangraha_rest_result *result)
{
	assert_true(sangraha_rest_result_code(result) / 100 == 2);
	f.begun++;
}

/* A place for the next result. */
static struct sangraha_rest_result **next(void)
{
	sangraha_rest_result_free(sgh_take(f.result));
	return &f.result;
}

static int get_part(uint64_t offset, uint64_t length)
{
	const struct sangraha_rest_get options = {
		.size = sizeof(options),
		.offset = offset,
		.length = length,
		.begin = on_begin,
	};

	return sangraha_rest_client_get(f.client, "image", ID, &options, on_write, NULL,
					next(), &t_err);
}

static int get(void)
{
	return get_part(0, 0);
}

static int stat_it(void)
{
	return sangraha_rest_client_stat(f.client, "image", ID, next(), &t_err);
}

static int delete_it(void)
{
	return sangraha_rest_client_delete(f.client, "image", ID, next(), &t_err);
}

static int list_it(void)
{
	return sangraha_rest_client_list(f.client, NULL, 0, NULL, next(), &t_err);
}

/* Bytes without end, or `*arg` of them. */
static int64_t on_read(void *arg, void *data, size_t size)
{
	int64_t *left = arg;

	if (left && (int64_t)size > *left)
		size = (size_t)*left;
	memset(data, 'x', size);
	if (left)
		*left -= (int64_t)size;
	return (int64_t)size;
}

static int put_many(int64_t length)
{
	return sangraha_rest_client_put(f.client, length, on_read, NULL, NULL, next(),
					&t_err);
}

static int put(int64_t length)
{
	int64_t left = length;

	return sangraha_rest_client_put(f.client, length, on_read, &left, NULL, next(),
					&t_err);
}

/* ---- nobody there ---- */

static void nobody_listens(void **state)
{
	char *url = t_refusing_url("http");

	open_client(url, NULL);
	t_fails(SANGRAHA_E_UNAVAILABLE, stat_it());
	t_says("cannot connect to http://127.0.0.1:");
	t_says("Connection refused; is `sangraha serve` running there?");
	assert_null(f.result);
	t_fails(SANGRAHA_E_UNAVAILABLE, put(10));
	t_fails(SANGRAHA_E_UNAVAILABLE, put_many(-1));
	t_fails(SANGRAHA_E_UNAVAILABLE, get());
	free(url);
}

static void the_host_has_no_address(void **state)
{
	open_client("http://no-such-host.invalid", NULL);
	t_fails(SANGRAHA_E_UNAVAILABLE, stat_it());
	t_says("cannot connect to http://no-such-host.invalid: ");
}

static void a_peer_without_tls(void **state)
{
	PEER({ .bytes = "220 smtp.example.com ready\r\n", .close = true });
	char url[80];

	snprintf(url, sizeof(url), "https%s", t_peer_url(f.peer) + 4);
	sangraha_rest_client_free(sgh_take(f.client));
	open_client(url, NULL);
	t_peer_free(sgh_take(f.peer));
	t_fails(SANGRAHA_E_UNAVAILABLE, stat_it());
	t_says("cannot connect to https://127.0.0.1");
}

static void a_ca_file_must_be_there(void **state)
{
	const struct sangraha_rest_client_options options = {
		.size = sizeof(options),
		.ca_file = "/nothing/there.pem",
	};
	struct sangraha_context *context = t_context();

	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_client_new(context, "https://localhost", &options,
					 &f.client, &t_err));
	sangraha_context_unref(context);
}

/* ---- answers that are cut, late or none ---- */

static void an_answer_that_is_cut(void **state)
{
	static const struct t_answer cuts[] = {
		{ .reset = true },
		{ .close = true },
		{ .bytes = T_HTTP("200 OK", JSON, 9, "{"), .cut = 20 },
		{ .bytes = T_HTTP("200 OK", JSON, 9, "{"), .close = true },
		{ .bytes = T_HTTP("404 Not Found", PROBLEM, 9, "{"), .close = true },
	};

	for (size_t i = 0; i < SGH_COUNT(cuts); i++) {
		PEER(cuts[i]);
		t_fails(SANGRAHA_E_UNAVAILABLE, stat_it());
		clean();
	}
}

static void a_get_that_is_cut(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", OURS HELLO_TAG, 9, "hello"), .close = true });
	t_fails(SANGRAHA_E_UNAVAILABLE, get());
	assert_string_equal(sgh_buf_text(&f.bytes), "hello");
}

static void a_put_that_is_cut(void **state)
{
	PEER({ .reset = true, .early = true });
	t_fails(SANGRAHA_E_UNAVAILABLE, put(3 << 20));
	assert_null(f.result);
	assert_int_equal(t_peer_requests(f.peer), 1);
}

static void a_peer_that_says_nothing(void **state)
{
	const struct sangraha_rest_client_options options = { .timeout_ms = 200 };

	PEER({ .stall = true });
	sangraha_rest_client_free(sgh_take(f.client));
	open_client(t_peer_url(f.peer), &options);
	t_fails(SANGRAHA_E_TIMEOUT, stat_it());
	t_fails(SANGRAHA_E_TIMEOUT, put(10));
	t_fails(SANGRAHA_E_TIMEOUT, get());
	t_says(t_peer_url(f.peer));
}

static void a_peer_that_stops_in_the_middle(void **state)
{
	const struct sangraha_rest_client_options options = { .idle_timeout_ms = 200 };

	PEER({ .bytes = T_HTTP("200 OK", OURS HELLO_TAG, 9, "hello"), .stall = true });
	sangraha_rest_client_free(sgh_take(f.client));
	open_client(t_peer_url(f.peer), &options);
	t_fails(SANGRAHA_E_TIMEOUT, get());
	assert_string_equal(sgh_buf_text(&f.bytes), "hello");
}

static void a_peer_that_does_not_read(void **state)
{
	const struct sangraha_rest_client_options options = { .idle_timeout_ms = 200 };

	PEER({ .deaf = true });
	sangraha_rest_client_free(sgh_take(f.client));
	open_client(t_peer_url(f.peer), &options);
	t_fails(SANGRAHA_E_TIMEOUT, put_many((int64_t)1 << 40));
}

/* ---- answers that are not ours ---- */

static void a_page_of_somebody_else(void **state)
{
	static const struct {
		struct t_answer answer;
		int status;
		const char *says;
	} pages[] = {
		{ CLOSED("404 Not Found", HTML, "<html>"), SANGRAHA_E_INTERNAL,
		  " answered 404 with text/html: is this a Sangraha server?" },
		{ CLOSED("502 Bad Gateway", HTML, "<html>"), SANGRAHA_E_UNAVAILABLE,
		  " answered 502 with text/html" },
		{ CLOSED("503 Busy", HTML, "<html>"), SANGRAHA_E_UNAVAILABLE, "503" },
		{ CLOSED("504 Late", HTML, "<html>"), SANGRAHA_E_TIMEOUT, "504" },
		{ CLOSED("413 Large", HTML, "<html>"), SANGRAHA_E_TOO_LARGE, "413" },
		{ CLOSED("401 Who", HTML, "<html>"), SANGRAHA_E_UNAUTHORIZED, "401" },
		{ CLOSED("429 Many", HTML, "<html>"), SANGRAHA_E_OVERLOADED, "429" },
		{ CLOSED("500 Oh", "", ""), SANGRAHA_E_INTERNAL, "no content type" },
		{ CLOSED("200 OK", HTML, "<html>"), SANGRAHA_E_INTERNAL, "200 with" },
		{ CLOSED("202 Accepted", JSON, "{}"), SANGRAHA_E_INTERNAL, "202 with" },
		{ CLOSED("200 OK", JSON, "{\"id\":1}"), SANGRAHA_E_INTERNAL, "200" },
		{ CLOSED("200 OK", JSON, "[]"), SANGRAHA_E_INTERNAL, "200" },
		{ CLOSED("404 No", JSON, "{\"message\":\"no\"}"), SANGRAHA_E_INTERNAL,
		  "404 with application/json" },
		{ CLOSED("301 Moved", "Location: https://x.y/\r\n", ""),
		  SANGRAHA_E_INTERNAL, " answered 301 and points to https://x.y/" },
		{ { .bytes = "220 smtp.example.com ready\r\n", .close = true },
		  SANGRAHA_E_INTERNAL,
		  "http://127.0.0.1" },
	};

	for (size_t i = 0; i < 3 * SGH_COUNT(pages); i++) {
		PEER(pages[i / 3].answer);
		t_fails(pages[i / 3].status, i % 3 == 0   ? stat_it()
					     : i % 3 == 1 ? list_it()
							  : put(10));
		t_says(pages[i / 3].says);
		assert_null(sangraha_rest_result_object(f.result));
		clean();
	}
}

static void a_front_page_is_no_object(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", HTML, 6, "<html>") });
	t_fails(SANGRAHA_E_INTERNAL, get());
	t_says("is this a Sangraha server?");
	assert_int_equal(f.begun, 0);
	assert_int_equal(f.bytes.length, 0);
}

static void a_page_deletes_nothing(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", HTML, 6, "<html>") });
	t_fails(SANGRAHA_E_INTERNAL, delete_it());
}

static void somebody_else_deletes_nothing_of_ours(void **state)
{
	PEER({ .bytes = "HTTP/1.1 204 No Content\r\n\r\n" });
	t_fails(SANGRAHA_E_INTERNAL, delete_it());
	t_says("is this a Sangraha server?");
}

#define LONG "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void answers_are_bounded(void **state)
{
	static const struct {
		const char *head;
		int status;
	} answers[] = {
		{ "HTTP/1.1 502 Bad Gateway\r\n" HTML, SANGRAHA_E_UNAVAILABLE },
		{ "HTTP/1.1 404 Not Found\r\n" PROBLEM, SANGRAHA_E_INTERNAL },
		{ "HTTP/1.1 200 OK\r\n" JSON, SANGRAHA_E_INTERNAL },
	};

	for (size_t i = 0; i < 2 * SGH_COUNT(answers); i++) {
		char head[256];

		snprintf(head, sizeof(head), "%sTransfer-Encoding: chunked\r\n\r\n",
			 answers[i / 2].head);
		PEER({ .bytes = head, .endless = "40\r\n" LONG "\r\n" });
		t_fails(answers[i / 2].status, i & 1 ? list_it() : stat_it());
		clean();
	}
}

static void headers_are_bounded(void **state)
{
	PEER({ .bytes = "HTTP/1.1 200 OK\r\n", .endless = "X-Header: " LONG "\r\n" });
	t_fails(SANGRAHA_E_INTERNAL, get());
}

/* ---- problems ---- */

static void a_problem_without_our_code(void **state)
{
	PEER(CLOSED("409 Conflict", PROBLEM,
		    "{\"title\":\"Taken\",\"code\":\"new_one\"}"));
	t_fails(SANGRAHA_E_CONFLICT, stat_it());
	t_says("Taken");
}

static void a_code_goes_before_the_http_status(void **state)
{
	PEER(CLOSED("400 Bad", PROBLEM, "{\"detail\":\"x\",\"code\":\"gone\"}"));
	t_fails(SANGRAHA_E_GONE, stat_it());
}

static void success_is_no_error_code(void **state)
{
	PEER(CLOSED("400 Bad", PROBLEM, "{\"detail\":\"x\",\"code\":\"ok\"}"));
	t_fails(SANGRAHA_E_INVALID, stat_it());
}

static void nothing_of_a_peer_moves_the_terminal(void **state)
{
	PEER(CLOSED("422 Bad", PROBLEM "ETag: \"\x1b[2J\"\r\n",
		    "{\"detail\":\"a\\u001b[31mb\\nc\\u009bd\",\"code\":\"rejected\","
		    "\"rule\":\"\\u001b\"}"));
	t_fails(SANGRAHA_E_REJECTED, stat_it());
	assert_string_equal(t_err.message, "a [31mb c  d");
	assert_string_equal(sangraha_rest_result_rule(f.result), " ");
	assert_null(strchr(sangraha_rest_result_etag(f.result), '\x1b'));
}

static void a_long_detail_is_cut(void **state)
{
	PEER(CLOSED(
		"422 Bad", PROBLEM,
		"{\"code\":\"rejected\",\"detail\":\"" LONG LONG LONG LONG LONG LONG LONG
		"\"}"));
	t_fails(SANGRAHA_E_REJECTED, stat_it());
	t_says(LONG LONG);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
	static const struct {
		const char *value;
		int least;
		int most;
	} values[] = {
		{ "Retry-After: 7\r\n", 7, 7 },
		{ "Retry-After: 99999999999999999999\r\n", 86400, 86400 },
		{ "Retry-After: Fri, 02 Jan 2026 03:04:05 GMT\r\n", 0, 0 },
		{ "Retry-After: soon\r\n", -1, -1 },
		{ "Retry-After: -1\r\n", -1, -1 },
		{ "", -1, -1 },
	};

	for (size_t i = 0; i < SGH_COUNT(values); i++) {
		char text[512];

		snprintf(text, sizeof(text),
			 "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n%s\r\n",
			 values[i].value);
		PEER({ .bytes = text });
		t_fails(SANGRAHA_E_UNAVAILABLE, stat_it());
		assert_true(sangraha_rest_result_retry_after(f.result) >=
			    values[i].least);
		assert_true(sangraha_rest_result_retry_after(f.result) <= values[i].most);
		clean();
	}
}

/* ---- uploads ---- */

static void an_early_refusal_is_told(void **state)
{
	PEER({ .bytes = T_HTTP("413 Content Too Large", PROBLEM "Connection: close\r\n",
			       39, "{\"code\":\"too_large\",\"detail\":\"Too big\"}"),
	       .early = true,
	       .stall = true });
	t_fails(SANGRAHA_E_TOO_LARGE, put_many(-1));
	t_says("Too big");
	assert_int_equal(sangraha_rest_result_code(f.result), 413);
}

/* A proxy with a cache, say: it says 201 and has not read a byte. */
static void a_success_before_the_body_was_read_is_none(void **state)
{
	PEER({ .bytes = T_HTTP("201 Created", JSON "Connection: close\r\n", 209,
			       DESCRIPTION),
	       .early = true,
	       .stall = true });
	t_fails(SANGRAHA_E_INTERNAL, put_many(-1));
	t_says("something else than was sent: it describes 8 bytes");
	assert_int_equal(sangraha_rest_result_code(f.result), 201);
}

static void a_large_body_is_asked_for(void **state)
{
	PEER({ .bytes = T_HTTP("201 Created", JSON, 10, "0123456789"), .go_on = true });
	put(1 << 20);
	put((1 << 20) + 1);
	assert_null(strstr(t_peer_request(f.peer, 0), "Expect"));
	assert_non_null(strstr(t_peer_request(f.peer, 1), "Expect: 100-continue"));
}

static void a_put_is_sent_as_it_is_documented(void **state)
{
	static const char *const names[] = { "colour" };
	static const char *const values[] = { "blå" };
	const struct sangraha_rest_put options = {
		.size = sizeof(options),
		.idempotency_key = "key 1",
		.filename = "Menü & Karte.png",
		.type = "image",
		.sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e"
			  "1b161e5c1fa7425e73043362938b9824",
		.meta_names = names,
		.meta_values = values,
		.meta_count = 1,
	};
	int64_t left = 5;
	const char *text;

	PEER({ .bytes = T_HTTP("500 No", "", 0, "") });
	sangraha_rest_client_put(f.client, 5, on_read, &left, &options, NULL, NULL);
	text = t_peer_request(f.peer, 0);
	assert_ptr_equal(strstr(text, "POST /v1/objects?filename=Men%C3%BC%20%26%20Karte"
				      ".png&type=image HTTP/1.1\r\n"),
			 text);
	assert_non_null(strstr(text, "\r\nIdempotency-Key: key 1\r\n"));
	assert_non_null(strstr(text,
			       "\r\nContent-Digest: sha-256=:LPJNul+wow4m6DsqxbninhsW"
			       "Hlwfp0JecwQzYpOLmCQ=:\r\n"));
	assert_non_null(strstr(text, "\r\nSangraha-Meta-colour: bl%C3%A5\r\n"));
	assert_non_null(strstr(text, "\r\n\r\nxxxxx"));
}

static void a_path_goes_in_front(void **state)
{
	char url[96];

	PEER({ .bytes = T_HTTP("200 OK", JSON, 0, "") });
	snprintf(url, sizeof(url), "%s/store%%20one/", t_peer_url(f.peer));
	sangraha_rest_client_free(sgh_take(f.client));
	open_client(url, NULL);
	stat_it();
	assert_non_null(strstr(t_peer_request(f.peer, 0),
			       "GET /store%20one/v1/objects/image/" ID "/metadata HTTP"));
}

static void a_delete_is_sent_once(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", JSON, 0, "") }, { .close = true });
	stat_it();
	t_fails(SANGRAHA_E_UNAVAILABLE, delete_it());
	assert_int_equal(t_peer_requests(f.peer), 2);
}

/* ---- downloads ---- */

static void the_right_digest(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", OURS HELLO_TAG, 5, "hello") });
	t_ok(get());
	assert_string_equal(sgh_buf_text(&f.bytes), "hello");
	assert_int_equal(f.begun, 1);
}

static void another_digest(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", OURS HELLO_TAG, 5, "Hello") });
	t_fails(SANGRAHA_E_INTERNAL, get());
	t_says("SHA-256");
}

static void a_tag_that_is_no_digest_tells_nothing(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", OURS "ETag: W/\"x\"\r\n", 5, "Hello") });
	t_ok(get());
	assert_string_equal(sangraha_rest_result_etag(f.result), "W/\"x\"");
}

static void a_writer_that_fails(void **state)
{
	PEER({ .bytes = "HTTP/1.1 200 OK\r\n" OURS "Transfer-Encoding: chunked\r\n\r\n",
	       .endless = "40\r\n" LONG "\r\n" });
	f.write_fails = SANGRAHA_E_OVERLOADED;
	t_fails(SANGRAHA_E_OVERLOADED, get());
	t_says("could not be written");
}

static int64_t release_ms;

/* A terminal that somebody has stopped. */
static int slow_write(void *arg, const void *data, size_t length)
{
	int64_t until = sgh_now_ms() + 400;

	if (!release_ms)
		t_wait(sgh_now_ms() >= until);
	release_ms = until;
	sgh_buf_append(&f.bytes, data, length);
	return 0;
}

static void a_slow_writer_is_no_silence(void **state)
{
	static char text[(3 << 20) + 256] = "HTTP/1.1 200 OK\r\nX-Correlation-ID: abc\r\n"
					    "Content-Length: 3145728\r\n\r\n";
	const struct sangraha_rest_client_options options = { .idle_timeout_ms = 100 };

	memset(text + strlen(text), 'x', 3 << 20);
	PEER({ .bytes = text });
	sangraha_rest_client_free(sgh_take(f.client));
	open_client(t_peer_url(f.peer), &options);
	f.bytes.max = 4 << 20;
	release_ms = 0;
	t_ok(sangraha_rest_client_get(f.client, "image", ID, NULL, slow_write, NULL, NULL,
				      &t_err));
	assert_int_equal(f.bytes.length, 3 << 20);
}

static void a_server_without_ranges(void **state)
{
	static const struct {
		uint64_t offset;
		uint64_t length;
		const char *bytes;
	} parts[] = {
		{ 1, 2, "el" },
		{ 2, 0, "llo" },
		{ 0, 5, "hello" },
		{ 9, 1, "" },
	};

	for (size_t i = 0; i < SGH_COUNT(parts); i++) {
		PEER({ .bytes = T_HTTP("200 OK", OURS HELLO_TAG, 5, "hello") });
		t_ok(get_part(parts[i].offset, parts[i].length));
		assert_string_equal(sgh_buf_text(&f.bytes), parts[i].bytes);
		clean();
	}
}

static void a_server_without_ranges_or_an_end(void **state)
{
	PEER({ .bytes = "HTTP/1.1 200 OK\r\n" OURS "Transfer-Encoding: chunked\r\n\r\n",
	       .endless = "40\r\n" LONG "\r\n" });
	t_ok(get_part(1, 3));
	assert_string_equal(sgh_buf_text(&f.bytes), "123");
}

static void another_part_than_was_asked_for(void **state)
{
	static const char *const ranges[] = {
		"Content-Range: bytes 0-4/9\r\n",
		"Content-Range: lines 1-5/9\r\n",
		"Content-Range: bytes x\r\n",
		"",
	};

	for (size_t i = 0; i < SGH_COUNT(ranges); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			 "HTTP/1.1 206 Part\r\n" OURS "Content-Length: 5\r\n%s\r\nhello",
			 ranges[i]);
		PEER({ .bytes = text });
		t_fails(SANGRAHA_E_INTERNAL, get_part(1, 5));
		assert_int_equal(f.bytes.length, 0);
		clean();
	}
}

static void more_than_the_part_that_was_asked_for(void **state)
{
	PEER({ .bytes = "HTTP/1.1 206 Part\r\n" OURS "Content-Range: bytes 1-3/9\r\n"
			"Transfer-Encoding: chunked\r\n\r\n",
	       .endless = "40\r\n" LONG "\r\n" });
	t_fails(SANGRAHA_E_INTERNAL, get_part(1, 3));
}

static void names_are_plain(void **state)
{
	static const char *const names[][2] = {
		{ "inline; filename=\"a.png\"", "a.png" },
		{ "attachment; filename=\"x\"; filename*=UTF-8''Men%C3%BC.png",
		  "Menü.png" },
		{ "inline; filename=\"../../etc/passwd\"", "passwd" },
		{ "inline; filename*=UTF-8''..%2f..%2fetc%2Fpasswd", "passwd" },
		{ "inline; filename=\"..\"", NULL },
		{ "inline; filename*=UTF-8''a%0Ab", NULL },
		{ "inline; filename*=UTF-8''a%E2%80%AEb", NULL },
		{ "inline; filename=\"/\"", NULL },
		{ "inline; filename=", NULL },
		{ "inline", NULL },
	};

	for (size_t i = 0; i < SGH_COUNT(names); i++) {
		char text[512];

		snprintf(text, sizeof(text),
			 "HTTP/1.1 200 OK\r\n" OURS "Content-Length: 5\r\n"
			 "Content-Disposition: %s\r\n\r\nhello",
			 names[i][0]);
		PEER({ .bytes = text });
		t_ok(get());
		if (names[i][1])
			assert_string_equal(sangraha_rest_result_filename(f.result),
					    names[i][1]);
		else
			assert_null(sangraha_rest_result_filename(f.result));
		clean();
	}
}

/* ---- pages ---- */

static void a_page_is_read(void **state)
{
	PEER(CLOSED("200 OK", JSON,
		    "{\"objects\":[" DESCRIPTION " , " DESCRIPTION "," DESCRIPTION
		    "],\"next_cursor\":\"a b\"}"));
	t_ok(list_it());
	assert_string_equal(sangraha_object_id(sangraha_rest_result_at(f.result, 2)), ID);
	assert_null(sangraha_rest_result_at(f.result, 3));
	assert_string_equal(sangraha_rest_result_next_cursor(f.result), "a b");
}

/* It would be refused as an argument of the next call, and the caller blamed for it. */
static void a_cursor_that_cannot_be_sent(void **state)
{
	static const char *const cursors[] = { "", " x", "\u00e4" };

	for (size_t i = 0; i < SGH_COUNT(cursors); i++) {
		char body[64];
		char answer[256];

		snprintf(body, sizeof(body), "{\"objects\":[],\"next_cursor\":\"%s\"}",
			 cursors[i]);
		snprintf(answer, sizeof(answer),
			 "HTTP/1.1 200 OK\r\n" JSON "Content-Length: %zu\r\n\r\n%s",
			 strlen(body), body);
		PEER({ .bytes = answer });
		t_fails(SANGRAHA_E_INTERNAL, list_it());
		clean();
	}
}

static void an_empty_page_is_the_last(void **state)
{
	PEER(CLOSED("200 OK", JSON, "{\"objects\":[]}"));
	t_ok(list_it());
	assert_null(sangraha_rest_result_at(f.result, 0));
	assert_null(sangraha_rest_result_next_cursor(f.result));
}

static void what_is_no_page(void **state)
{
	static const struct t_answer pages[] = {
		CLOSED("200 OK", JSON, "{}"),
		CLOSED("200 OK", JSON, "{\"objects\":{}}"),
		CLOSED("200 OK", JSON, "{\"objects\":[1]}"),
		CLOSED("200 OK", JSON, "{\"objects\":[" DESCRIPTION ",{}]}"),
		CLOSED("200 OK", JSON, "{\"objects\":[" DESCRIPTION),
	};

	for (size_t i = 0; i < SGH_COUNT(pages); i++) {
		PEER(pages[i]);
		t_fails(SANGRAHA_E_INTERNAL, list_it());
		clean();
	}
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(nobody_listens),
	CASE(the_host_has_no_address),
	CASE(a_peer_without_tls),
	CASE(a_ca_file_must_be_there),
	CASE(an_answer_that_is_cut),
	CASE(a_get_that_is_cut),
	CASE(a_put_that_is_cut),
	CASE(a_peer_that_says_nothing),
	CASE(a_peer_that_stops_in_the_middle),
	CASE(a_peer_that_does_not_read),
	CASE(a_page_of_somebody_else),
	CASE(a_front_page_is_no_object),
	CASE(a_page_deletes_nothing),
	CASE(somebody_else_deletes_nothing_of_ours),
	CASE(answers_are_bounded),
	CASE(headers_are_bounded),
	CASE(a_problem_without_our_code),
	CASE(a_code_goes_before_the_http_status),
	CASE(success_is_no_error_code),
	CASE(nothing_of_a_peer_moves_the_terminal),
	CASE(a_long_detail_is_cut),
	CASE(retry_after_is_seconds_or_a_date),
	CASE(an_early_refusal_is_told),
	CASE(a_success_before_the_body_was_read_is_none),
	CASE(a_large_body_is_asked_for),
	CASE(a_put_is_sent_as_it_is_documented),
	CASE(a_path_goes_in_front),
	CASE(a_delete_is_sent_once),
	CASE(the_right_digest),
	CASE(another_digest),
	CASE(a_tag_that_is_no_digest_tells_nothing),
	CASE(a_writer_that_fails),
	CASE(a_slow_writer_is_no_silence),
	CASE(a_server_without_ranges),
	CASE(a_server_without_ranges_or_an_end),
	CASE(another_part_than_was_asked_for),
	CASE(more_than_the_part_that_was_asked_for),
	CASE(names_are_plain),
	CASE(a_page_is_read),
	CASE(a_cursor_that_cannot_be_sent),
	CASE(an_empty_page_is_the_last),
	CASE(what_is_no_page),
};

t_main(tests)
