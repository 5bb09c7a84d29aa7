/* SPDX-License-Identifier: MIT */
#include "store/mover.h"

#include "support/peer.h"
#include "support/t.h"

/* Transfers on tickets, against a server with a script. */

#define HOUR_MS 3600000

static struct fixture {
	struct sangraha_context *context;
	struct sgh_mover *mover;
	struct t_peer *peer;
	char url[200];
	struct sgh_move move;
	struct sgh_bytes *body;
	char got[100]; /* what push() took */
	size_t given;  /* what pull() gave */
	int answer;    /* atomic; what push() and pull() say before they do anything */
	int asked;     /* atomic; how often they were */
	bool done;     /* atomic */
} f;

#define PEER(...) play(T_PEER(__VA_ARGS__))

static void open_mover(void)
{
	const struct sgh_mover_options options = { .connections = 4,
						   .idle_timeout_ms = 500 };

	f.context = t_context();
	t_ok(sgh_mover_new(f.context, &options, &f.mover, &t_err));
}

static void play(struct t_peer *peer)
{
	f.peer = peer;
	snprintf(f.url, sizeof(f.url), "%s/b/k?X-Amz-Signature=secret",
		 t_peer_url(f.peer));
	open_mover();
}

static int tear_down(void **state)
{
	sgh_mover_free(f.mover);
	sangraha_context_unref(f.context);
	t_peer_free(f.peer);
	sgh_bytes_unref(f.body);
	f = (struct fixture){ 0 };
	return 0;
}

static int on_push(struct sgh_move *move, const void *data, size_t length)
{
	int answer = __atomic_load_n(&f.answer, __ATOMIC_ACQUIRE);

	if (!answer) {
		assert_true(move->moved + length < sizeof(f.got));
		memcpy(f.got + move->moved, data, length);
	}
	__atomic_add_fetch(&f.asked, 1, __ATOMIC_RELEASE);
	return answer;
}

static int64_t on_pull(struct sgh_move *move, void *data, size_t size)
{
	static const char text[] = "hello";
	int answer = __atomic_load_n(&f.answer, __ATOMIC_ACQUIRE);
	size_t n = sgh_min(size, sgh_min(2, 5 - f.given));

	__atomic_add_fetch(&f.asked, 1, __ATOMIC_RELEASE);
	if (answer)
		return answer;
	memcpy(data, text + f.given, n);
	f.given += n;
	return (int64_t)n;
}

static void on_done(struct sgh_move *move)
{
	__atomic_store_n(&f.done, true, __ATOMIC_RELEASE);
}

static struct sgh_move *fresh(enum sgh_ticket_kind kind)
{
	f.move = (struct sgh_move){
		.kind = kind,
		.url = f.url,
		.deadline_ms = sgh_now_ms() + HOUR_MS,
		.done = on_done,
	};
	f.done = false;
	return &f.move;
}

static int wait_done(void)
{
	t_wait(__atomic_load_n(&f.done, __ATOMIC_ACQUIRE));
	t_err = f.move.err;
	assert_null(strstr(t_err.message, "secret"));
	return f.move.status;
}

static int run(void)
{
	int rc = sgh_mover_submit(f.mover, &f.move, &t_err);

	return rc ? rc : wait_done();
}

static void start(void)
{
	t_ok(sgh_mover_submit(f.mover, &f.move, &t_err));
}

static void paused(void)
{
	__atomic_store_n(&f.answer, SGH_MOVE_PAUSE, __ATOMIC_RELEASE);
}

static void go_on(void)
{
	__atomic_store_n(&f.answer, 0, __ATOMIC_RELEASE);
	sgh_mover_resume(f.mover, &f.move);
}

static struct sgh_move *putting(enum sgh_ticket_kind kind)
{
	struct sgh_move *move = fresh(kind);

	sgh_bytes_unref(f.body);
	f.body = t_bytes("hello");
	move->body = f.body;
	return move;
}

static struct sgh_move *pulling(void)
{
	struct sgh_move *move = fresh(SGH_TICKET_PARTS);

	f.given = 0;
	move->pull = on_pull;
	move->length = 5;
	return move;
}

static struct sgh_move *getting(uint64_t offset, uint64_t length)
{
	struct sgh_move *move = fresh(SGH_TICKET_GET);

	memset(f.got, 0, sizeof(f.got));
	move->push = on_push;
	move->offset = offset;
	move->length = length;
	return move;
}

#define STORED                                                       \
	{                                                            \
		.bytes = T_HTTP("200 OK", "ETag: \"e1\"\r\n", 0, "") \
	}
#define ERROR(status, code)                                                    \
	{                                                                      \
		.bytes = "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n"    \
			 "<Error><Code>" code "</Code><Message>Please, secret" \
			 "</Message></Error>",                                 \
		.close = true,                                                 \
	}
#define PART(range, length, body) \
	T_HTTP("206 x", "Content-Range: " range "\r\n", length, body)

static void a_put_sends_what_its_ticket_says(void **state)
{
	static const struct sgh_pair headers[] = { { "Content-Type", "image/png" },
						   { "If-None-Match", "*" },
						   { "x-amz-meta-empty", "" } };
	const char *text;

	PEER(STORED);
	putting(SGH_TICKET_PUT)->headers = headers;
	f.move.header_count = SGH_COUNT(headers);
	t_ok(run());
	assert_string_equal(f.move.etag, "\"e1\"");
	text = t_peer_request(f.peer, 0);
	assert_non_null(strstr(text, "PUT /b/k?X-Amz-Signature=secret HTTP/1.1\r\n"));
	assert_non_null(strstr(text, "\r\nContent-Type: image/png\r\n"
				     "If-None-Match: *\r\nx-amz-meta-empty:\r\n"));
	assert_non_null(strstr(text, "\r\nContent-Length: 5\r\n"));
	assert_non_null(strstr(text, "\r\n\r\nhello"));
}

static void a_part_has_no_type(void **state)
{
	PEER(STORED);
	putting(SGH_TICKET_PARTS);
	t_ok(run());
	assert_null(strcasestr(t_peer_request(f.peer, 0), "Content-Type"));
}

static void a_body_is_pulled(void **state)
{
	PEER(STORED);
	pulling();
	t_ok(run());
	assert_non_null(strstr(t_peer_request(f.peer, 0), "\r\nContent-Length: 5\r\n"));
	assert_non_null(strstr(t_peer_request(f.peer, 0), "\r\n\r\nhello"));
}

static void a_pull_pauses_and_goes_on(void **state)
{
	PEER(STORED);
	paused();
	pulling();
	start();
	t_wait(__atomic_load_n(&f.asked, __ATOMIC_ACQUIRE) > 0);
	assert_false(__atomic_load_n(&f.done, __ATOMIC_ACQUIRE));
	go_on();
	t_ok(wait_done());
	assert_string_equal(f.move.etag, "\"e1\"");
}

static void a_pull_may_give_up(void **state)
{
	PEER(STORED);
	f.answer = SANGRAHA_E_TOO_LARGE;
	pulling();
	t_fails(SANGRAHA_E_TOO_LARGE, run());
}

static void a_range_is_read(void **state)
{
	PEER({ .bytes = PART("bytes 3-7/20", 5, "hello") });
	getting(3, 5);
	t_ok(run());
	assert_int_equal(f.move.moved, 5);
	assert_string_equal(f.got, "hello");
	assert_non_null(strstr(t_peer_request(f.peer, 0), "\r\nRange: bytes=3-7\r\n"));
}

static void all_of_it_may_come_without_a_range(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 5, "hello") });
	getting(0, 5);
	t_ok(run());
	assert_string_equal(f.got, "hello");
}

static void another_part_is_refused(void **state)
{
	static const char *const answers[] = {
		T_HTTP("206 x", "", 5, "hello"),   PART("bytes 2-6/20", 5, "hello"),
		PART("bytes 3-6/20", 4, "hell"),   PART("bytes 3-8/20", 6, "hello!"),
		PART("bytes 3-7/20", 6, "hello!"), PART("bytes 3-7/*", 5, "hello"),
		T_HTTP("200 OK", "", 5, "hello"),
	};

	for (size_t i = 0; i < SGH_COUNT(answers); i++) {
		PEER({ .bytes = answers[i], .close = true });
		getting(3, 5);
		t_fails(SANGRAHA_E_INTERNAL, run());
		tear_down(NULL);
	}
	PEER({ .bytes = T_HTTP("200 OK", "", 6, "hello!"), .close = true });
	getting(0, 5);
	t_fails(SANGRAHA_E_INTERNAL, run());
}

static void a_body_that_is_cut_is_unavailable(void **state)
{
	static const struct t_answer answers[] = {
		{ .bytes = PART("bytes 0-4/5", 5, "hell"), .close = true },
		{ .bytes = PART("bytes 0-4/5", 4, "hell"), .close = true },
		{ .bytes = PART("bytes 0-4/5", 0, ""), .close = true },
		{ .bytes = PART("bytes 0-4/5", 5, "hello"), .cut = 68 },
		{ .bytes = PART("bytes 0-4/5", 5, "hello"), .cut = 10 },
	};

	for (size_t i = 0; i < SGH_COUNT(answers); i++) {
		PEER(answers[i]);
		getting(0, 5);
		t_fails(SANGRAHA_E_UNAVAILABLE, run());
		tear_down(NULL);
	}
}

static void silence_is_a_timeout(void **state)
{
	PEER({ .stall = true });
	getting(0, 5);
	t_fails(SANGRAHA_E_TIMEOUT, run());
	putting(SGH_TICKET_PUT);
	t_fails(SANGRAHA_E_TIMEOUT, run());
}

static void silence_within_a_body_is_a_timeout(void **state)
{
	PEER({ .bytes = PART("bytes 0-4/5", 5, "hell"), .stall = true });
	getting(0, 5);
	t_fails(SANGRAHA_E_TIMEOUT, run());
	assert_int_equal(f.move.moved, 4);
}

static void a_deadline_ends_what_is_paused(void **state)
{
	PEER({ .bytes = PART("bytes 0-4/5", 5, "hello") });
	paused();
	getting(0, 5)->deadline_ms = sgh_now_ms() + 300;
	t_fails(SANGRAHA_E_TIMEOUT, run());
	assert_int_equal(f.move.moved, 0);
}

static void a_push_pauses_and_goes_on(void **state)
{
	PEER({ .bytes = PART("bytes 0-4/5", 5, "hello") });
	paused();
	getting(0, 5);
	start();
	t_wait(__atomic_load_n(&f.asked, __ATOMIC_ACQUIRE) > 0);
	assert_false(__atomic_load_n(&f.done, __ATOMIC_ACQUIRE));
	go_on();
	t_ok(wait_done());
	assert_string_equal(f.got, "hello");
}

static void a_push_may_give_up(void **state)
{
	PEER({ .bytes = PART("bytes 0-4/5", 5, "hello") });
	f.answer = SANGRAHA_E_TOO_LARGE;
	getting(0, 5);
	t_fails(SANGRAHA_E_TOO_LARGE, run());
}

static void what_is_paused_can_be_cancelled(void **state)
{
	PEER({ .bytes = PART("bytes 0-4/5", 5, "hello") });
	paused();
	getting(0, 5);
	start();
	t_wait(__atomic_load_n(&f.asked, __ATOMIC_ACQUIRE) > 0);
	sgh_mover_cancel(f.mover, &f.move, SANGRAHA_E_TOO_LARGE);
	t_fails(SANGRAHA_E_TOO_LARGE, wait_done());
}

static void what_is_done_cannot_be_cancelled(void **state)
{
	PEER(STORED);
	putting(SGH_TICKET_PUT);
	t_ok(run());
	sgh_mover_cancel(f.mover, &f.move, SANGRAHA_E_TIMEOUT);
	sgh_mover_resume(f.mover, &f.move);
	assert_int_equal(f.move.status, 0);
	t_ok(run());
}

static void refusals_mean_what_they_say(void **state)
{
	static const struct {
		struct t_answer answer;
		int status;
		const char *says;
	} cases[] = {
		{ ERROR("403 x", "AccessDenied"), SANGRAHA_E_UNAUTHORIZED,
		  ": 403 AccessDenied" },
		{ ERROR("401 x", ""), SANGRAHA_E_UNAUTHORIZED, ": 401 without a code" },
		{ ERROR("404 x", "NoSuchUpload"), SANGRAHA_E_NOT_FOUND, "NoSuchUpload" },
		{ ERROR("412 x", "PreconditionFailed"), SANGRAHA_E_PRECONDITION, "412" },
		{ ERROR("409 x", "ConditionalRequestConflict"), SANGRAHA_E_UNAVAILABLE,
		  "409" },
		{ ERROR("429 x", ""), SANGRAHA_E_UNAVAILABLE, "429" },
		{ ERROR("500 x", "InternalError"), SANGRAHA_E_UNAVAILABLE, "500" },
		{ ERROR("503 x", "SlowDown"), SANGRAHA_E_UNAVAILABLE, "SlowDown" },
		{ ERROR("400 x", "RequestTimeout"), SANGRAHA_E_UNAVAILABLE, "400" },
		{ ERROR("400 x", "XAmzContentChecksumMismatch"), SANGRAHA_E_UNAVAILABLE,
		  "Checksum" },
		{ ERROR("400 x", "BadDigest"), SANGRAHA_E_UNAVAILABLE, "BadDigest" },
		{ ERROR("400 x", "XAmzContentSHA256Mismatch"), SANGRAHA_E_INTERNAL,
		  "XAmzContentSHA256Mismatch" },
		{ ERROR("200 OK", "InternalError"), SANGRAHA_E_UNAVAILABLE, "200" },
		{ { .bytes = T_HTTP("307 x", "Location: http://127.0.0.1:1/\r\n", 0, ""),
		    .close = true },
		  SANGRAHA_E_INTERNAL,
		  "307" },
		{ { .bytes = "HTTP/1.1 403 x\r\nConnection: close\r\n\r\n",
		    .endless = "<html>" },
		  SANGRAHA_E_UNAUTHORIZED,
		  "403" },
	};

	for (size_t i = 0; i < SGH_COUNT(cases); i++) {
		PEER(cases[i].answer);
		putting(SGH_TICKET_PARTS);
		t_fails(cases[i].status, run());
		t_says(cases[i].says);
		t_says("PUT to 127.0.0.1:");
		tear_down(NULL);
	}
}

static void a_refused_get_gives_no_bytes(void **state)
{
	PEER(ERROR("403 x", "AccessDenied"));
	getting(0, 5);
	t_fails(SANGRAHA_E_UNAUTHORIZED, run());
	t_says("GET from 127.0.0.1:");
	assert_int_equal(f.asked, 0);
}

/* Of a large body nothing is sent before the server has let it in. */
static void a_large_body_waits_for_its_welcome(void **state)
{
	PEER({ .bytes = T_HTTP("412 x", "", 0, ""), .early = true, .close = true });
	putting(SGH_TICKET_PUT);
	sgh_bytes_unref(f.body);
	f.body = sgh_bytes_new(NULL, 8 << 20);
	memset(f.body->data, 'x', f.body->capacity);
	f.body->length = f.body->capacity;
	f.move.body = f.body;
	t_fails(SANGRAHA_E_PRECONDITION, run());
	assert_non_null(
		strcasestr(t_peer_request(f.peer, 0), "\r\nExpect: 100-continue\r\n"));
}

static void nobody_there_is_unavailable(void **state)
{
	char *url = t_refusing_url("http");

	open_mover();
	snprintf(f.url, sizeof(f.url), "%s/b/k?X-Amz-Signature=secret", url);
	putting(SGH_TICKET_PUT);
	t_fails(SANGRAHA_E_UNAVAILABLE, run());
	free(url);
}

static void who_is_named_in_a_url_is_not_told(void **state)
{
	open_mover();
	snprintf(f.url, sizeof(f.url), "http://user:secret@127.0.0.1:1/b/k");
	putting(SGH_TICKET_PUT);
	t_fails(SANGRAHA_E_UNAVAILABLE, run());
}

static void arguments_are_checked(void **state)
{
	static const char *const urls[] = { "",
					    "s3+http://h/",
					    "ftp://h/",
					    "/b/k",
					    "http://h/a b",
					    "http://h/\r\nx",
					    "http://h/\xc3\xbc" };
	static const struct sgh_pair wrong[] = {
		{ "Host", "x" }, { "content-length", "1" },
		{ "a b", "x" },  { "a", "1\r\nb: 2" },
		{ "", "x" },     { "a:", "x" },
	};

	open_mover();
	for (size_t i = 0; i < SGH_COUNT(urls); i++) {
		putting(SGH_TICKET_PUT)->url = urls[i];
		t_fails(SANGRAHA_E_INVALID, run());
	}
	snprintf(f.url, sizeof(f.url), "http://127.0.0.1:1/");
	for (size_t i = 0; i < SGH_COUNT(wrong); i++) {
		putting(SGH_TICKET_PUT)->headers = &wrong[i];
		f.move.header_count = 1;
		t_fails(SANGRAHA_E_INVALID, run());
	}
	putting(SGH_TICKET_NONE);
	t_fails(SANGRAHA_E_INVALID, run());
	fresh(SGH_TICKET_PUT);
	t_fails(SANGRAHA_E_INVALID, run());
	getting(0, 0);
	t_fails(SANGRAHA_E_INVALID, run());
	getting(UINT64_MAX, 2);
	t_fails(SANGRAHA_E_INVALID, run());
	getting(0, 1)->push = NULL;
	t_fails(SANGRAHA_E_INVALID, run());
}

static void wrong_options_are_refused(void **state)
{
	const struct sgh_mover_options options = { .ca_file = "/nothing/there" };

	f.context = t_context();
	t_fails(SANGRAHA_E_INVALID, sgh_mover_new(f.context, &options, &f.mover, &t_err));
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(a_put_sends_what_its_ticket_says),
	CASE(a_part_has_no_type),
	CASE(a_body_is_pulled),
	CASE(a_pull_pauses_and_goes_on),
	CASE(a_pull_may_give_up),
	CASE(a_range_is_read),
	CASE(all_of_it_may_come_without_a_range),
	CASE(another_part_is_refused),
	CASE(a_body_that_is_cut_is_unavailable),
	CASE(silence_is_a_timeout),
	CASE(silence_within_a_body_is_a_timeout),
	CASE(a_deadline_ends_what_is_paused),
	CASE(a_push_pauses_and_goes_on),
	CASE(a_push_may_give_up),
	CASE(what_is_paused_can_be_cancelled),
	CASE(what_is_done_cannot_be_cancelled),
	CASE(refusals_mean_what_they_say),
	CASE(a_refused_get_gives_no_bytes),
	CASE(a_large_body_waits_for_its_welcome),
	CASE(nobody_there_is_unavailable),
	CASE(who_is_named_in_a_url_is_not_told),
	CASE(arguments_are_checked),
	CASE(wrong_options_are_refused),
};

t_main(tests)
