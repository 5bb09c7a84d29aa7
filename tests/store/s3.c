/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include "support/peer.h"
#include "support/t.h"

/* The S3 back end against a server that fails in all the ways there are. */

#define SECRET "the-secret-of-this-test"

static struct fixture {
	struct sangraha_context *context;
	struct sangraha_store *store;
	struct t_peer *peer;
	struct sangraha_store_entry *entry;
	int warnings; /* atomic */
} f;

static void on_log(void *arg, const struct sangraha_log_event *event)
{
	if (event->level == SANGRAHA_LOG_WARN)
		__atomic_add_fetch(&f.warnings, 1, __ATOMIC_RELAXED);
	assert_null(strstr(event->message, SECRET));
}

static void open_store(const char *url)
{
	const struct sangraha_context_options context = {
		.size = sizeof(context),
		.log = on_log,
	};
	const struct sangraha_store_options options = {
		.size = sizeof(options),
		.access_key = "access",
		.secret_key = SECRET,
	};

	t_ok(sangraha_context_new(&context, &f.context, &t_err));
	t_ok(sangraha_store_open(f.context, url, &options, &f.store, &t_err));
}

#define PEER(...) play(T_PEER(__VA_ARGS__))

static void play(struct t_peer *peer)
{
	f.peer = peer;
	open_store(t_peer_s3_url(f.peer));
}

static int tear_down(void **state)
{
	sangraha_store_entry_free(f.entry);
	sangraha_store_unref(f.store);
	sangraha_context_unref(f.context);
	t_peer_free(f.peer);
	f = (struct fixture){ 0 };
	return 0;
}

static int put(const char *text)
{
	return sangraha_store_put(f.store, "image", "a", text, strlen(text), NULL,
				  &t_err);
}

static int put_new(const char *key, const char *text)
{
	const struct sangraha_store_put options = { .size = sizeof(options),
						    .only_if_absent = 1 };

	return sangraha_store_put(f.store, "image", key, text, strlen(text), &options,
				  &t_err);
}

static int get(size_t max_length)
{
	sangraha_store_entry_free(sgh_take(f.entry));
	return sangraha_store_get(f.store, "image", "a", 0, max_length, 1000, &f.entry,
				  &t_err);
}

static int head(void)
{
	sangraha_store_entry_free(sgh_take(f.entry));
	return sangraha_store_head(f.store, "image", "a", 1000, &f.entry, &t_err);
}

static int stop_at(void *arg, const char *key, uint64_t size)
{
	return 0;
}

static int list(void)
{
	return sangraha_store_list(f.store, "image", NULL, NULL, 2, 1000, stop_at, NULL,
				   NULL, &t_err);
}

#define ERROR_XML(code)       "<Error><Code>" code "</Code><Message>Please</Message></Error>"
#define CLOSING(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body

/* What each answer to a put means. */
static void answers_mean_what_they_say(void **state)
{
	static const struct {
		const char *bytes;
		int status;
		const char *says;
	} cases[] = {
		{ CLOSING("200 OK", ""), SANGRAHA_OK, NULL },
		{ CLOSING("503 x", ERROR_XML("SlowDown")), SANGRAHA_E_UNAVAILABLE,
		  "PUT sangraha-image/a: 503 SlowDown: Please" },
		{ CLOSING("200 OK", ERROR_XML("InternalError")), SANGRAHA_E_UNAVAILABLE,
		  "200 InternalError" },
		{ CLOSING("500 x", "<html>"), SANGRAHA_E_UNAVAILABLE, "500" },
		{ CLOSING("502 x", "\xff\x00\x01"), SANGRAHA_E_UNAVAILABLE, "502" },
		{ CLOSING("429 x", ""), SANGRAHA_E_UNAVAILABLE, "429" },
		{ CLOSING("409 x", ERROR_XML("ConditionalRequestConflict")),
		  SANGRAHA_E_UNAVAILABLE, "ConditionalRequestConflict" },
		{ CLOSING("412 x", ERROR_XML("PreconditionFailed")),
		  SANGRAHA_E_PRECONDITION, NULL },
		{ CLOSING("404 x", ERROR_XML("NoSuchBucket")), SANGRAHA_E_NOT_FOUND,
		  NULL },
		{ CLOSING("403 x", ERROR_XML("SignatureDoesNotMatch")),
		  SANGRAHA_E_UNAUTHORIZED, NULL },
		{ CLOSING("400 x", ERROR_XML("RequestTimeout")), SANGRAHA_E_UNAVAILABLE,
		  NULL },
		{ CLOSING("400 x", ERROR_XML("Other")), SANGRAHA_E_INTERNAL, NULL },
		{ CLOSING("507 x", ERROR_XML("XMinioStorageFull")), SANGRAHA_E_OVERLOADED,
		  NULL },
		{ CLOSING("301 x", ""), SANGRAHA_E_INTERNAL, NULL },
		{ CLOSING("501 x", ""), SANGRAHA_E_INTERNAL, NULL },
	};

	for (size_t i = 0; i < SGH_COUNT(cases); i++) {
		PEER({ .bytes = cases[i].bytes, .close = true });
		t_fails(cases[i].status, put("x"));
		if (cases[i].says)
			t_says(cases[i].says);
		tear_down(NULL);
	}
}

static void a_request_is_signed(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	t_ok(put("hello"));

	const char *text = t_peer_request(f.peer, 0);

	assert_ptr_equal(strstr(text, "PUT /sangraha-image/a HTTP/1.1\r\n"), text);
	assert_non_null(strstr(text, "\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"));
	assert_non_null(strstr(text,
			       "SignedHeaders=content-type;host;x-amz-content-sha256;"
			       "x-amz-date, Signature="));
	assert_null(strstr(text, SECRET));
	assert_non_null(strstr(text, "\r\n\r\nhello"));
}

static void a_cut_put_is_sent_once(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, ""), .cut = 20 });
	t_fails(SANGRAHA_E_UNAVAILABLE, put("x"));
	assert_int_equal(t_peer_requests(f.peer), 1);
}

static void silence_is_a_timeout(void **state)
{
	PEER({ .stall = true });
	int64_t start = sgh_now_ms();

	t_fails(SANGRAHA_E_TIMEOUT, head());
	assert_in_range(sgh_now_ms() - start, 900, 5000);
}

#define PART(range, length, body) \
	T_HTTP("206 Partial Content", "Content-Range: " range "\r\n", length, body)

static void a_part_is_checked(void **state)
{
	static const char *const answers[] = {
		T_HTTP("206 Partial Content", "", 5, "hello"),
		PART("bytes 1-5/6", 5, "hello"),
		PART("bytes 0-4/4", 5, "hello"),
		PART("bytes 0-4/9", 5, "hello"),
		PART("bytes 0-4/*", 5, "hello"),
		PART("lines 0-4/5", 5, "hello"),
		PART("bytes 0-4/99999999999999999999", 5, "hello"),
		T_HTTP("200 OK", "", 11, "hello hello"),
		T_HTTP("200 OK", "", 99999999999, "x"),
	};

	for (size_t i = 0; i < SGH_COUNT(answers); i++) {
		PEER({ .bytes = answers[i], .close = true });
		t_fails(SANGRAHA_E_INTERNAL, get(10));
		tear_down(NULL);
	}
}

static void a_server_without_ranges_will_do(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 5, "hello") });
	t_ok(get(10));
	assert_int_equal(sangraha_store_entry_size(f.entry), 5);
}

static void an_unsatisfiable_range_is_empty(void **state)
{
	PEER({ .bytes = T_HTTP("416 x", "", 0, "") },
	     { .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Amz-Meta-One: 1\r\n"
			"Content-Type: image/png\r\n\r\n" });
	size_t length = 9;

	t_ok(get(10));
	sangraha_store_entry_data(f.entry, &length);
	assert_int_equal(length, 0);
	assert_string_equal(sangraha_store_entry_content_type(f.entry), "image/png");
	assert_string_equal(sangraha_store_entry_meta(f.entry, "one"), "1");
}

static void an_endless_body_is_refused(void **state)
{
	PEER({ .bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	       .endless = "10\r\n0123456789abcdef\r\n" });
	t_fails(SANGRAHA_E_INTERNAL, get(100));
	t_fails(SANGRAHA_E_INTERNAL, list());
	assert_true(t_peer_sent(f.peer) < 64 << 20);
}

static void too_much_metadata_is_refused(void **state)
{
	PEER({ .bytes = "HTTP/1.1 200 OK\r\n", .endless = "x-amz-meta-a: b\r\n" });
	t_fails(SANGRAHA_E_INTERNAL, head());
}

static void a_broken_listing_is_internal(void **state)
{
	static const char *const answers[] = {
		CLOSING("200 OK", ""),
		CLOSING("200 OK", "<html></html>"),
		CLOSING("200 OK", "<ListBucketResult>"),
	};

	for (size_t i = 0; i < SGH_COUNT(answers); i++) {
		PEER({ .bytes = answers[i], .close = true });
		t_fails(SANGRAHA_E_INTERNAL, list());
		tear_down(NULL);
	}
}

static void a_listing_may_be_an_error(void **state)
{
	PEER({ .bytes = CLOSING("200 OK", ERROR_XML("SlowDown")), .close = true });
	t_fails(SANGRAHA_E_UNAVAILABLE, list());
	t_says("LIST sangraha-image: 200 SlowDown");
}

static void a_bucket_that_is_there_is_made(void **state)
{
	PEER({ .bytes = CLOSING("409 x", ERROR_XML("BucketAlreadyOwnedByYou")),
	       .close = true },
	     { .bytes = CLOSING("409 x", ERROR_XML("BucketAlreadyExists")),
	       .close = true },
	     { .bytes = CLOSING("409 x", ERROR_XML("OperationAborted")), .close = true });
	t_ok(sangraha_store_make_bucket(f.store, "image", 0, &t_err));
	t_ok(sangraha_store_make_bucket(f.store, "image", 0, &t_err));
	t_fails(SANGRAHA_E_UNAVAILABLE,
		sangraha_store_make_bucket(f.store, "image", 0, &t_err));
}

static void the_breaker_opens_when_checks_fail(void **state)
{
	PEER({ .bytes = T_HTTP("503 x", "", 0, "") });
	t_wait(sangraha_store_check(f.store, 100, &t_err) &&
	       sgh_store_down_ms(f.store) > 0);
	t_fails(SANGRAHA_E_UNAVAILABLE, put("x"));
	t_says("the store has been failing");
}

static void answers_do_not_open_the_breaker(void **state)
{
	PEER({ .bytes = T_HTTP("404 x", "", 0, "") });
	for (unsigned i = 0; i < 8; i++)
		t_fails(SANGRAHA_E_NOT_FOUND, head());
	assert_int_equal(sgh_store_down_ms(f.store), 0);
}

/* Who gives up soon learns nothing about the store. */
static void impatience_does_not_open_the_breaker(void **state)
{
	PEER({ .stall = true });
	for (unsigned i = 0; i < 6; i++)
		t_fails(SANGRAHA_E_TIMEOUT,
			sangraha_store_head(f.store, "image", "a", 50, &f.entry, &t_err));
	assert_int_equal(sgh_store_down_ms(f.store), 0);
}

static void another_gateway_takes_over(void **state)
{
	char *refusing = t_refusing_url("s3+http");
	char *urls = NULL;

	f.peer = T_PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	assert_true(asprintf(&urls, "%s,%s", refusing, t_peer_s3_url(f.peer)) > 0);
	open_store(urls);
	for (unsigned i = 0; i < 4; i++)
		t_ok(put("x"));
	assert_int_equal(t_peer_requests(f.peer), 4);
	free(urls);
	free(refusing);
}

static void all_gateways_are_away(void **state)
{
	char *one = t_refusing_url("s3+http");
	char *two = t_refusing_url("s3+http");
	char *urls = NULL;

	assert_true(asprintf(&urls, "%s,%s", one, two) > 0);
	open_store(urls);
	t_fails(SANGRAHA_E_UNAVAILABLE, put("x"));
	free(urls);
	free(one);
	free(two);
}

#define YES       T_HTTP("200 OK", "", 0, "")
#define NOT_THERE T_HTTP("404 x", "", 0, "")

static void a_server_without_conditions_is_asked_first(void **state)
{
	PEER({ .match = "/probe/", .bytes = YES }, { .bytes = NOT_THERE },
	     { .bytes = YES });
	t_ok(put_new("a", "x"));
	t_wait(__atomic_load_n(&f.warnings, __ATOMIC_RELAXED) == 1);
	t_fails(SANGRAHA_E_PRECONDITION, put_new("a", "x"));
	t_says("the key exists");
	assert_int_equal(f.warnings, 1);
}

static void a_probe_that_fails_decides_nothing(void **state)
{
	PEER({ .match = "/probe/", .bytes = T_HTTP("403 x", "", 0, "") },
	     { .bytes = NOT_THERE }, { .bytes = YES }, { .bytes = NOT_THERE },
	     { .bytes = YES });
	t_ok(put_new("a", "x"));
	t_ok(put_new("b", "x"));
	assert_int_equal(f.warnings, 0);
}

static void nothing_is_written_when_asking_fails(void **state)
{
	PEER({ .match = "/probe/", .bytes = YES },
	     { .bytes = T_HTTP("500 x", "", 0, "") });
	t_fails(SANGRAHA_E_UNAVAILABLE, put_new("a", "x"));
	t_says("HEAD sangraha-image/a");
}

static void arguments_are_checked(void **state)
{
	static const char *const names[] = { "Upper", "a b", "a:b", "", "a\r\nb" };
	static const char *const values[] = { "a\r\nb: c", "\xc3\xbc", "\x7f" };

	open_store("s3+http://127.0.0.1:1");
	for (size_t i = 0; i < SGH_COUNT(names); i++) {
		const struct sangraha_store_put options = {
			.size = sizeof(options),
			.meta_names = &names[i],
			.meta_values = &(const char *){ "x" },
			.meta_count = 1,
		};

		t_fails(SANGRAHA_E_INVALID, sangraha_store_put(f.store, "image", "a", "x",
							       1, &options, &t_err));
	}
	for (size_t i = 0; i < SGH_COUNT(values); i++) {
		const struct sangraha_store_put options = {
			.size = sizeof(options),
			.content_type = values[i],
		};

		t_fails(SANGRAHA_E_INVALID, sangraha_store_put(f.store, "image", "a", "x",
							       1, &options, &t_err));
	}
}

static void wrong_urls_are_refused(void **state)
{
	static const char *const urls[] = {
		"",
		"http://127.0.0.1",
		"s3+ftp://127.0.0.1",
		"s3+http://",
		"s3+http://" SECRET ":" SECRET "@127.0.0.1",
		"s3+http://127.0.0.1/path",
		"s3+http://127.0.0.1,",
		"s3+http://127.0.0.1 x",
		"s3+http://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q",
	};

	open_store("s3+http://127.0.0.1:1");
	for (size_t i = 0; i < SGH_COUNT(urls); i++) {
		struct sangraha_store *store;

		t_fails(SANGRAHA_E_INVALID,
			sangraha_store_open(f.context, urls[i], NULL, &store, &t_err));
		assert_null(strstr(t_err.message, SECRET));
	}
}

static void wrong_options_are_refused(void **state)
{
	static const struct sangraha_store_options wrong[] = {
		{ .size = sizeof(wrong[0]), .access_key = "a" },
		{ .size = sizeof(wrong[0]), .secret_key = "a" },
		{ .size = sizeof(wrong[0]), .access_key = "a\n", .secret_key = "a" },
		{ .size = sizeof(wrong[0]), .region = "<xml>" },
		{ .size = sizeof(wrong[0]), .bucket_prefix = "Up" },
		{ .size = sizeof(wrong[0]), .ca_file = "/nothing/there" },
	};

	open_store("s3+http://127.0.0.1:1");
	for (size_t i = 0; i < SGH_COUNT(wrong); i++) {
		struct sangraha_store *store;

		t_fails(SANGRAHA_E_INVALID,
			sangraha_store_open(f.context, "s3+http://h", &wrong[i], &store,
					    &t_err));
	}
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(answers_mean_what_they_say),
	CASE(a_request_is_signed),
	CASE(a_cut_put_is_sent_once),
	CASE(silence_is_a_timeout),
	CASE(a_part_is_checked),
	CASE(a_server_without_ranges_will_do),
	CASE(an_unsatisfiable_range_is_empty),
	CASE(an_endless_body_is_refused),
	CASE(too_much_metadata_is_refused),
	CASE(a_broken_listing_is_internal),
	CASE(a_listing_may_be_an_error),
	CASE(a_bucket_that_is_there_is_made),
	CASE(the_breaker_opens_when_checks_fail),
	CASE(answers_do_not_open_the_breaker),
	CASE(impatience_does_not_open_the_breaker),
	CASE(another_gateway_takes_over),
	CASE(all_gateways_are_away),
	CASE(a_server_without_conditions_is_asked_first),
	CASE(a_probe_that_fails_decides_nothing),
	CASE(nothing_is_written_when_asking_fails),
	CASE(arguments_are_checked),
	CASE(wrong_urls_are_refused),
	CASE(wrong_options_are_refused),
};

t_main(tests)
