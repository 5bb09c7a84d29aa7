/* SPDX-License-Identifier: MIT */
#include "http/calls.h"

/* Which connections are used again, and what becomes of a request then. */

static void connections_are_used_again(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 1, "a") });

	for (unsigned i = 0; i < 5; i++) {
		static const char *const methods[] = { "GET", "PUT", "DELETE", "POST" };
		struct call call = make(methods[i % 4], t_peer_url(f.peer));

		t_ok(run(&call));
		fini(&call);
	}
	assert_int_equal(t_peer_connections(f.peer), 1);
}

static void a_closed_connection_is_replaced(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 1, "a"), .close = true },
	     { .bytes = T_HTTP("200 OK", "", 1, "b") });
	struct call call = make("GET", t_peer_url(f.peer));

	t_ok(run(&call));
	fini(&call);
	call = make("GET", t_peer_url(f.peer));
	t_ok(run(&call));
	fini(&call);
}

/* Of two requests the second one comes over a connection of its own. */
static void is_not_kept(const struct t_answer *first)
{
	PEER(*first, { .bytes = T_HTTP("200 OK", "", 1, "b") });
	for (unsigned i = 0; i < 2; i++) {
		struct call call = make("GET", t_peer_url(f.peer));

		t_ok(run(&call));
		assert_string_equal(sgh_buf_text(&call.request.text), i ? "b" : "a");
		fini(&call);
	}
	assert_int_equal(t_peer_connections(f.peer), 2);
	t_peer_free(sgh_take(f.peer));
}

static void what_does_not_persist_is_not_kept(void **state)
{
	static const struct t_answer answers[] = {
		{ .bytes = T_HTTP("200 OK", "Connection: close\r\n", 1, "a") },
		{ .bytes = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na" },
		{ .bytes = "HTTP/1.1 200 OK\r\n\r\na", .close = true },
	};

	for (size_t i = 0; i < SGH_COUNT(answers); i++)
		is_not_kept(&answers[i]);
}

static void what_comes_behind_an_answer_is_no_answer(void **state)
{
	static const struct t_answer answer = { .bytes = T_HTTP("200 OK", "", 1, "a")
							T_HTTP("200 OK", "", 1, "x") };

	is_not_kept(&answer);
}

/* The peer waits for the rest of it, and would take the next request for that. */
static void a_body_that_was_not_sent_ends_its_connection(void **state)
{
	PEER({ .bytes = T_HTTP("403 Forbidden", "", 2, "no"), .early = true },
	     { .bytes = T_HTTP("200 OK", "", 0, "") });
	struct call call = make("PUT", t_peer_url(f.peer));

	call.request.body = many_bytes(16 << 20);
	t_ok(run(&call));
	assert_int_equal(call.request.code, 403);
	sgh_bytes_unref(call.request.body);
	fini(&call);
	call = make("GET", t_peer_url(f.peer));
	t_ok(run(&call));
	assert_int_equal(call.request.code, 200);
	assert_int_equal(t_peer_connections(f.peer), 2);
	fini(&call);
}

static void a_yes_before_the_end_is_no_end(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 2, "ok"), .early = true, .swallow = true });
	struct call call = make("PUT", t_peer_url(f.peer));

	call.request.body = many_bytes(16 << 20);
	t_ok(run(&call));
	assert_int_equal(call.request.code, 200);
	t_wait(t_peer_swallowed(f.peer) >= 15 << 20);
	sgh_bytes_unref(call.request.body);
	fini(&call);
}

static void headers_are_sent_as_they_are(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	static const char *const headers[] = { "X-One: 1:", "X-None;",
					       "X-Away:", "User: ;" };
	struct call call = make("POST", t_peer_url(f.peer));
	const char *text;

	call.request.headers = headers;
	call.request.header_count = SGH_COUNT(headers);
	t_ok(run(&call));
	text = t_peer_request(f.peer, 0);
	assert_non_null(strstr(text, "\r\nX-One: 1:\r\n"));
	assert_non_null(strstr(text, "\r\nX-None:\r\n"));
	assert_non_null(strstr(text, "\r\nUser: ;\r\n"));
	assert_non_null(strstr(text, "\r\nContent-Length: 0\r\n"));
	assert_non_null(strstr(text, "\r\nUser-Agent: sangraha\r\n"));
	assert_null(strstr(text, "X-Away"));
	assert_null(strstr(text, "Content-Type"));
	assert_null(strstr(text, "Accept"));
	assert_int_equal(strncmp(text, "POST /path HTTP/1.1\r\nHost: 127.0.0.1:", 37), 0);
}

static void a_dead_connection_costs_nothing(void **state)
{
	PEER({ .reset = true }, { .bytes = T_HTTP("200 OK", "", 0, "") });
	struct call call = make("PUT", t_peer_url(f.peer));

	call.request.body = sgh_bytes_copy("again", 5);
	t_ok(run(&call));
	assert_int_equal(t_peer_connections(f.peer), 2);
	assert_string_equal(strstr(t_peer_request(f.peer, 1), "\r\n\r\n") + 4, "again");
	sgh_bytes_unref(call.request.body);
}

/* It came over a connection that said nothing; who knows what became of it there. */
static void what_was_sent_before_is_not_unsent(void **state)
{
	PEER({ .hold = true, .reset = true });
	struct call call = make("PUT", t_peer_url(f.peer));

	begin(&call);
	t_wait(t_peer_requests(f.peer) == 1);
	t_peer_deafen(f.peer);
	t_peer_release(f.peer);
	t_fails(SANGRAHA_E_UNAVAILABLE, end(&call));
	assert_false(call.request.unsent);
}

/* A large body is refused by its header, and the answer is read, not the reset behind it. */
static void a_body_is_refused_while_it_is_sent(void **state)
{
	PEER({ .bytes = T_HTTP("403 Forbidden", "", 2, "no"),
	       .early = true,
	       .stall = true });
	struct call call = make("PUT", t_peer_url(f.peer));

	call.request.body = many_bytes(16 << 20);
	t_ok(run(&call));
	assert_int_equal(call.request.code, 403);
	assert_string_equal(sgh_buf_text(&call.request.text), "no");
	sgh_bytes_unref(call.request.body);
	fini(&call);
}

static const struct CMUnitTest tests[] = {
	BOTH(connections_are_used_again),
	BOTH(a_closed_connection_is_replaced),
	BOTH(what_does_not_persist_is_not_kept),
	BOTH(what_comes_behind_an_answer_is_no_answer),
	BOTH(a_body_that_was_not_sent_ends_its_connection),
	BOTH(a_yes_before_the_end_is_no_end),
	BOTH(headers_are_sent_as_they_are),
	KEPT(a_dead_connection_costs_nothing),
	KEPT(what_was_sent_before_is_not_unsent),
	BOTH(a_body_is_refused_while_it_is_sent),
};

t_main(tests)
