/* SPDX-License-Identifier: MIT */
#include "http/http.h"

#include <dirent.h>

#include "base/thread.h"
#include "http/keeps.h"

/* Bodies that are pulled and pushed in pieces. */

struct fixture {
	struct sgh_http *http;
	struct t_peer *peer;
	bool keeps; /* a connection to each peer, before the case goes on */
};

/* A request whose callbacks do what a case says; what another thread reads is atomic. */
struct call {
	struct sgh_http_request request;
	char url[128];
	bool done;
	/* the body that is pulled: so many bytes of 'a' and so on */
	int64_t give;
	int64_t given;
	size_t piece;   /* at most so many at once */
	int pull_fails; /* after `give` bytes */
	/* what was pushed */
	int64_t got;
	int64_t room; /* push() pauses when there is none */
	int push_fails;
	unsigned pauses;
};

static struct fixture f;

static void open_http(const struct sgh_http_options *given)
{
	struct sgh_http_options options = given ? *given : (struct sgh_http_options){ 0 };

	t_ok(sgh_http_new(&options, &f.http, &t_err));
}

static void keep_connection(void);

static void play(struct t_peer *peer)
{
	f.peer = peer;
	if (!f.http)
		open_http(NULL);
	if (f.keeps)
		keep_connection();
}

static int keep_one(void **state)
{
	f.keeps = true;
	return 0;
}

static int tear_down(void **state)
{
	t_peer_free(f.peer);
	sgh_http_free(f.http);
	f = (struct fixture){ 0 };
	return 0;
}

static struct call *call_of(struct sgh_http_request *request)
{
	return sgh_container_of(request, struct call, request);
}

#define GET(field)        __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define SET(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)
#define ADD(field, value) __atomic_add_fetch(&(field), (value), __ATOMIC_ACQ_REL)

static void on_done(struct sgh_http_request *request)
{
	SET(call_of(request)->done, true);
}

static char letter(int64_t at)
{
	return (char)('a' + at % 23);
}

static int64_t on_pull(struct sgh_http_request *request, void *data, size_t size)
{
	struct call *call = call_of(request);
	int64_t left = GET(call->give) - call->given;
	size_t n = sgh_min(sgh_min(size, call->piece), left > 0 ? (size_t)left : 0);

	if (n == 0 && call->pull_fails)
		return call->pull_fails;
	if (n == 0 && call->given < request->length) {
		ADD(call->pauses, 1);
		return SGH_HTTP_PAUSE;
	}
	for (size_t i = 0; i < n; i++)
		((char *)data)[i] = letter(call->given + (int64_t)i);
	call->given += (int64_t)n;
	return (int64_t)n;
}

static int on_push(struct sgh_http_request *request, const void *data, size_t length)
{
	struct call *call = call_of(request);

	if (call->push_fails)
		return call->push_fails;
	if (GET(call->room) < (int64_t)length) {
		ADD(call->pauses, 1);
		return SGH_HTTP_PAUSE;
	}
	ADD(call->room, -(int64_t)length);
	ADD(call->got, (int64_t)length);
	return 0;
}

static struct call make(const char *method)
{
	struct call call = { .request = {
				     .method = method,
				     .deadline_ms = SGH_NEVER,
				     .done = on_done,
			     },
			     .piece = SIZE_MAX };

	snprintf(call.url, sizeof(call.url), "%s/path", t_peer_url(f.peer));
	return call;
}

/* A PUT of `length` bytes, -1 for some number of them; all of `give` are there. */
static struct call make_put(int64_t length, int64_t give)
{
	struct call call = make("PUT");

	call.request.pull = on_pull;
	call.request.length = length;
	call.give = give;
	return call;
}

static struct call make_get(int64_t room)
{
	struct call call = make("GET");

	call.request.push = on_push;
	call.room = room;
	return call;
}

static void begin(struct call *call)
{
	call->request.url = call->url;
	t_ok(sgh_http_submit(f.http, &call->request, &t_err));
}

static int end(struct call *call)
{
	t_wait(GET(call->done));
	t_err = call->request.err;
	sgh_http_request_fini(&call->request);
	return call->request.status;
}

static int run(struct call *call)
{
	begin(call);
	return end(call);
}

static void keep_connection(void)
{
	struct call call = make("GET");

	snprintf(call.url, sizeof(call.url), "%s/kept", t_peer_url(f.peer));
	t_ok(run(&call));
}

static void go_on(struct call *call)
{
	sgh_http_resume(f.http, &call->request);
}

/* The peer got the letters of a body without chunks. */
static void peer_got(int64_t length)
{
	const char *body = strstr(t_peer_request(f.peer, 0), "\r\n\r\n") + 4;

	assert_int_equal(strlen(body), length);
	for (int64_t i = 0; i < length; i++)
		if (body[i] != letter(i))
			fail_msg("another letter at %lld", (long long)i);
}

#define MANY (3 << 20)

static void a_body_is_pulled(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	struct call call = make_put(MANY, MANY);

	call.piece = 1000;
	t_ok(run(&call));
	assert_non_null(
		strstr(t_peer_request(f.peer, 0), "\r\nContent-Length: 3145728\r\n"));
	assert_null(strstr(t_peer_request(f.peer, 0), "Expect"));
	peer_got(MANY);
}

static void a_body_of_unknown_length_goes_in_chunks(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	struct call call = make_put(-1, 10);

	call.piece = 7;
	t_ok(run(&call));
	assert_non_null(
		strstr(t_peer_request(f.peer, 0), "\r\nTransfer-Encoding: chunked\r\n"));
	assert_non_null(strstr(t_peer_request(f.peer, 0),
			       "\r\n\r\n7\r\nabcdefg\r\n3\r\nhij\r\n0\r\n\r\n"));
}

static void a_body_of_no_bytes_is_pulled(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	struct call call = make_put(0, 0);
	struct call chunks = make_put(-1, 0);

	t_ok(run(&call));
	peer_got(0);
	t_ok(run(&chunks));
	assert_non_null(strstr(t_peer_request(f.peer, 1), "\r\n\r\n0\r\n\r\n"));
}

static void a_pull_waits_until_it_is_resumed(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	struct call call = make_put(MANY, 0);

	begin(&call);
	for (int64_t give = 1; give < MANY; give += MANY / 7) {
		unsigned before = GET(call.pauses);

		t_wait(GET(call.pauses) > 0);
		SET(call.give, give);
		go_on(&call);
		t_wait(GET(call.pauses) > before);
	}
	assert_false(GET(call.done));
	SET(call.give, MANY);
	go_on(&call);
	t_ok(end(&call));
	peer_got(MANY);
}

static void a_body_that_is_shorter_than_its_length(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	struct call call = make_put(100, 50);

	call.pull_fails = SANGRAHA_E_INVALID;
	t_fails(SANGRAHA_E_INVALID, run(&call));
	assert_int_equal(t_peer_requests(f.peer), 0);
}

static void a_pull_gives_up(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });

	for (int64_t length = -1; length <= 100; length += 101) {
		struct call call = make_put(length, 50);

		call.pull_fails = SANGRAHA_E_GONE;
		t_fails(SANGRAHA_E_GONE, run(&call));
	}
	assert_int_equal(t_peer_requests(f.peer), 0);
}

#define REFUSAL "413 Content Too Large"

/* While we send, and while our side is paused; whether or not the peer hangs up. */
static void an_early_refusal_is_an_answer(void **state)
{
	static const struct t_answer refusals[] = {
		{ .bytes = T_HTTP(REFUSAL, "", 5, "large"), .early = true },
		{ .bytes = T_HTTP(REFUSAL, "", 5, "large"),
		  .early = true,
		  .stall = true },
		{ .bytes = T_HTTP(REFUSAL, "Connection: close\r\n", 5, "large"),
		  .early = true,
		  .stall = true },
		{ .bytes = "HTTP/1.1 " REFUSAL "\r\nTransfer-Encoding: chunked\r\n"
			   "Connection: close\r\n\r\n5\r\nlarge\r\n0\r\n\r\n",
		  .early = true,
		  .stall = true },
	};

	for (size_t i = 0; i < 4 * SGH_COUNT(refusals); i++) {
		int64_t length = i & 1 ? -1 : (int64_t)1 << 40;
		PEER(refusals[i / 4]);
		struct call call = make_put(length, i & 2 ? length : 1000);

		if (length < 0)
			call.give = i & 2 ? (int64_t)1 << 40 : 1000;
		t_ok(run(&call));
		assert_int_equal(call.request.code, 413);
		t_peer_free(sgh_take(f.peer));
	}
}

static void a_refusal_before_the_body_is_sent(void **state)
{
	PEER({ .bytes = T_HTTP(REFUSAL, "Connection: close\r\n", 5, "large"),
	       .early = true,
	       .stall = true });
	struct call call = make_put(MANY, MANY);

	call.request.expect_continue = true;
	t_ok(run(&call));
	assert_int_equal(call.request.code, 413);
	assert_int_equal(call.given, 0);
	assert_non_null(
		strstr(t_peer_request(f.peer, 0), "\r\nExpect: 100-continue\r\n"));
}

static void a_body_that_is_wanted_is_sent(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, ""), .go_on = true });
	struct call call = make_put(MANY, MANY);

	call.request.expect_continue = true;
	t_ok(run(&call));
	peer_got(MANY);
}

static void a_server_without_continue_is_not_waited_for_long(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	struct call call = make_put(MANY, MANY);
	int64_t start = sgh_now_ms();

	call.request.expect_continue = true;
	t_ok(run(&call));
	assert_true(sgh_now_ms() - start < 950);
	peer_got(MANY);
}

static void a_server_that_refuses_to_continue_is_asked_again(void **state)
{
	PEER({ .bytes = T_HTTP("417 Expectation Failed", "", 2, "no"), .early = true },
	     { .bytes = T_HTTP("200 OK", "", 3, "yes") });
	struct call call = make_put(MANY, MANY);
	const char *again;

	call.request.expect_continue = true;
	begin(&call);
	t_wait(GET(call.done));
	assert_string_equal(sgh_buf_text(&call.request.text), "yes");
	t_ok(end(&call));
	assert_int_equal(call.request.code, 200);
	again = t_peer_request(f.peer, 1);
	assert_null(strstr(again, "Expect"));
	assert_int_equal(strlen(strstr(again, "\r\n\r\n") + 4), MANY);
}

static void a_body_is_pushed(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 5, "hello") });
	struct call call = make_get(5);

	t_ok(run(&call));
	assert_int_equal(call.got, 5);
	assert_int_equal(call.request.text.length, 0);
}

static void an_error_is_not_pushed(void **state)
{
	PEER({ .bytes = T_HTTP("404 Not Found", "", 5, "sorry") });
	struct call call = make_get(0);

	begin(&call);
	t_wait(GET(call.done));
	assert_string_equal(sgh_buf_text(&call.request.text), "sorry");
	t_ok(end(&call));
	assert_int_equal(call.pauses, 0);
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define HEX64   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEX1K                                                                         \
	HEX64 HEX64 HEX64 HEX64 HEX64 HEX64 HEX64 HEX64 HEX64 HEX64 HEX64 HEX64 HEX64 \
		HEX64 HEX64 HEX64
/* Large enough that the peer is not what takes the time. */
#define PIECE "2000\r\n" HEX1K HEX1K HEX1K HEX1K HEX1K HEX1K HEX1K HEX1K "\r\n"

/* What nobody takes stays with the peer: our buffers and the kernel's are all there is. */
static void a_push_that_pauses_holds_the_peer_up(void **state)
{
	PEER({ .bytes = CHUNKED, .endless = PIECE });
	struct call call = make_get(100 << 10);
	size_t sent = 1;
	size_t before;

	begin(&call);
	t_wait(GET(call.pauses) > 0);
	do {
		int64_t since = sgh_now_ms();

		before = sent;
		t_wait(sgh_now_ms() > since + 100);
		sent = t_peer_sent(f.peer);
	} while (sent != before);
	assert_true(GET(call.got) <= 100 << 10);
	SET(call.room, 100 << 20);
	go_on(&call);
	t_wait(GET(call.got) > 20 << 20);
	sgh_http_cancel(f.http, &call.request, SANGRAHA_E_GONE);
	t_fails(SANGRAHA_E_GONE, end(&call));
}

static void a_push_is_resumed_again_and_again(void **state)
{
	static char body[300 << 10] = "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n";

	memset(strstr(body, "\r\n\r\n") + 4, 'x', 200000);
	PEER({ .bytes = body });
	struct call call = make_get(0);

	begin(&call);
	while (!GET(call.done)) {
		unsigned before = GET(call.pauses);

		ADD(call.room, 20000);
		go_on(&call);
		t_wait(GET(call.done) || GET(call.pauses) > before);
	}
	t_ok(end(&call));
	assert_int_equal(call.got, 200000);
}

static void a_push_gives_up(void **state)
{
	PEER({ .bytes = CHUNKED, .endless = PIECE });
	struct call call = make_get(0);

	call.push_fails = SANGRAHA_E_PRECONDITION;
	t_fails(SANGRAHA_E_PRECONDITION, run(&call));
}

static void a_body_that_is_cut_is_unavailable(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 9, "hello"), .close = true });
	struct call call = make_get(100);

	t_fails(SANGRAHA_E_UNAVAILABLE, run(&call));
	assert_int_equal(call.got, 5);
}

/* The end of the connection, seen before the rest of the body was taken. */
static void a_body_is_cut_while_it_is_paused(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 9, "hello"), .close = true });
	struct call call = make_get(0);

	begin(&call);
	t_wait(GET(call.pauses) > 0);
	SET(call.room, 100);
	go_on(&call);
	t_fails(SANGRAHA_E_UNAVAILABLE, end(&call));
	assert_int_equal(call.got, 5);
}

static const struct sgh_http_options impatient = { .idle_timeout_ms = 100 };

static void a_paused_pull_is_no_silence(void **state)
{
	open_http(&impatient);
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	struct call call = make_put(100, 50);
	int64_t start = sgh_now_ms();

	begin(&call);
	t_wait(sgh_now_ms() > start + 500);
	assert_false(GET(call.done));
	SET(call.give, 100);
	go_on(&call);
	t_ok(end(&call));
}

static void a_paused_push_is_no_silence(void **state)
{
	open_http(&impatient);
	PEER({ .bytes = T_HTTP("200 OK", "", 9, "hello"), .stall = true });
	struct call call = make_get(0);
	int64_t start = sgh_now_ms();

	begin(&call);
	t_wait(sgh_now_ms() > start + 500);
	assert_false(GET(call.done));
	SET(call.room, 100);
	go_on(&call);
	t_fails(SANGRAHA_E_TIMEOUT, end(&call));
	t_says("no byte moved");
}

static void a_deaf_peer_is_silent(void **state)
{
	open_http(&impatient);
	PEER({ .deaf = true });
	struct call call = make_put((int64_t)1 << 40, (int64_t)1 << 40);

	t_fails(SANGRAHA_E_TIMEOUT, run(&call));
	t_says("no byte moved");
}

static void an_answer_may_take_longer_than_silence(void **state)
{
	open_http(&impatient);
	PEER({ .bytes = T_HTTP("200 OK", "", 0, ""), .hold = true });
	struct call call = make_put(100, 100);
	int64_t start = sgh_now_ms();

	call.request.answer_timeout_ms = 10000;
	begin(&call);
	t_wait(sgh_now_ms() > start + 400);
	assert_false(GET(call.done));
	t_peer_release(f.peer);
	t_ok(end(&call));
}

static void no_answer_ends_at_its_own_time_out(void **state)
{
	PEER({ .stall = true });
	struct call call = make_put(100, 100);

	call.request.answer_timeout_ms = 200;
	t_fails(SANGRAHA_E_TIMEOUT, run(&call));
}

static void what_waits_can_be_cancelled(void **state)
{
	const struct sgh_http_options options = { .connections = 1 };

	open_http(&options);
	PEER({ .stall = true });
	struct call first = make_put(100, 50);
	struct call second = make_put(100, 100);

	begin(&first);
	begin(&second);
	sgh_http_cancel(f.http, &second.request, SANGRAHA_E_GONE);
	t_fails(SANGRAHA_E_GONE, end(&second));
	assert_true(second.request.unsent);
	assert_false(GET(first.done));
	sgh_http_cancel(f.http, &first.request, SANGRAHA_E_CONFLICT);
	t_fails(SANGRAHA_E_CONFLICT, end(&first));
}

static void nothing_happens_to_what_is_done(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 5, "hello") });
	struct call call = make_get(5);
	struct call again = make_get(5);

	t_ok(run(&call));
	go_on(&call);
	sgh_http_cancel(f.http, &call.request, SANGRAHA_E_GONE);
	t_ok(run(&again));
	assert_int_equal(call.request.status, 0);
}

/* What one request set on a handle must not be seen by the next. */
static void whole_bodies_follow_streams(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 5, "hello") });

	for (unsigned i = 0; i < 3; i++) {
		struct call put = make_put(-1, 10);
		struct call get = make_get(5);
		struct call whole = make("PUT");

		whole.request.body = t_bytes("whole");
		put.request.expect_continue = true;
		t_ok(run(&put));
		t_ok(run(&get));
		t_ok(run(&whole));
		sgh_bytes_unref(whole.request.body);
		assert_non_null(strstr(t_peer_request(f.peer, 3 * i + 2),
				       "\r\nContent-Length: 5\r\n"));
		assert_null(strstr(t_peer_request(f.peer, 3 * i + 2), "Expect"));
	}
	/* Each stream has one of its own, and all the others share one. */
	assert_int_equal(t_peer_connections(f.peer), 4);
}

static void once_is_on_a_connection_of_its_own(void **state)
{
	PEER({ .bytes = T_HTTP("204 No Content", "", 0, "") });

	for (unsigned i = 0; i < 3; i++) {
		struct call call = make("DELETE");

		call.request.once = true;
		t_ok(run(&call));
	}
	assert_int_equal(t_peer_connections(f.peer), 3);
}

/* Whoever takes slowly, and many do, keeps nobody from sending. */
static void what_is_pushed_leaves_room(void **state)
{
	const struct sgh_http_options options = { .connections = 4 };
	struct call gets[6];

	open_http(&options);
	PEER({ .match = "PUT", .bytes = T_HTTP("200 OK", "", 0, "") },
	     { .bytes = CHUNKED, .endless = PIECE });
	for (size_t i = 0; i < SGH_COUNT(gets); i++) {
		gets[i] = make_get(0);
		begin(&gets[i]);
	}
	struct call put = make_put(100, 100);

	t_ok(run(&put));
	for (size_t i = 0; i < SGH_COUNT(gets); i++) {
		sgh_http_cancel(f.http, &gets[i].request, SANGRAHA_E_GONE);
		t_fails(SANGRAHA_E_GONE, end(&gets[i]));
	}
}

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* A connection that is no use to the next one must not stay. */
static void many_bodies_leave_no_connections(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	int before = 0;

	for (unsigned i = 0; i < 20; i++) {
		struct call call = make_put(10, 10);

		t_ok(run(&call));
		if (i == 0)
			before = open_files();
	}
	assert_int_equal(t_peer_connections(f.peer), 20);
	t_wait(open_files() <= before + 2);
}

struct nudger {
	struct call *call;
	pthread_t thread;
	bool stop;
};

static void *nudge(void *arg)
{
	struct nudger *nudger = arg;

	while (!GET(nudger->stop)) {
		ADD(nudger->call->room, 5000);
		go_on(nudger->call);
	}
	return NULL;
}

static void any_thread_may_resume_at_any_time(void **state)
{
	PEER({ .bytes = CHUNKED, .endless = PIECE });
	struct call call = make_get(0);
	struct nudger nudgers[3];

	begin(&call);
	for (size_t i = 0; i < SGH_COUNT(nudgers); i++) {
		nudgers[i] = (struct nudger){ .call = &call };
		t_ok(sgh_thread_start(&nudgers[i].thread, "nudger", nudge, &nudgers[i],
				      &t_err));
	}
	t_wait(GET(call.got) > 10 << 20);
	sgh_http_cancel(f.http, &call.request, SANGRAHA_E_GONE);
	t_fails(SANGRAHA_E_GONE, end(&call));
	for (size_t i = 0; i < SGH_COUNT(nudgers); i++) {
		SET(nudgers[i].stop, true);
		pthread_join(nudgers[i].thread, NULL);
	}
}

static const struct CMUnitTest tests[] = {
	CASE(a_body_is_pulled),
	CASE(a_body_of_unknown_length_goes_in_chunks),
	CASE(a_body_of_no_bytes_is_pulled),
	CASE(a_pull_waits_until_it_is_resumed),
	CASE(a_body_that_is_shorter_than_its_length),
	CASE(a_pull_gives_up),
	CASE(an_early_refusal_is_an_answer),
	CASE(a_refusal_before_the_body_is_sent),
	CASE(a_body_that_is_wanted_is_sent),
	CASE(a_server_without_continue_is_not_waited_for_long),
	CASE(a_server_that_refuses_to_continue_is_asked_again),
	BOTH(a_body_is_pushed),
	BOTH(an_error_is_not_pushed),
	BOTH(a_push_that_pauses_holds_the_peer_up),
	BOTH(a_push_is_resumed_again_and_again),
	BOTH(a_push_gives_up),
	BOTH(a_body_that_is_cut_is_unavailable),
	BOTH(a_body_is_cut_while_it_is_paused),
	CASE(a_paused_pull_is_no_silence),
	BOTH(a_paused_push_is_no_silence),
	CASE(a_deaf_peer_is_silent),
	BOTH(an_answer_may_take_longer_than_silence),
	BOTH(no_answer_ends_at_its_own_time_out),
	BOTH(what_waits_can_be_cancelled),
	BOTH(nothing_happens_to_what_is_done),
	BOTH(whole_bodies_follow_streams),
	CASE(once_is_on_a_connection_of_its_own),
	CASE(many_bodies_leave_no_connections),
	BOTH(what_is_pushed_leaves_room),
	BOTH(any_thread_may_resume_at_any_time),
};

t_main(tests)
