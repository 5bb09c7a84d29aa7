/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include "base/metrics.h"
#include "support/peer.h"
#include "support/t.h"

/* Several gateways of an S3 store, some of which fail, stop, or come back. */

#define OK        T_HTTP("200 OK", "", 0, "")
#define HELLO     T_HTTP("200 OK", "", 5, "hello")
#define BAD       T_HTTP("503 x", "", 0, "")
#define BUCKET    "HEAD /sangraha-meta HTTP/1.1"
#define PEERS_MAX 2

static struct fixture {
	struct sangraha_context *context;
	struct sangraha_store *store;
	struct t_peer *peers[PEERS_MAX];
	unsigned peer_count;
	struct sangraha_store_entry *entry;
} f;

/* An operation that can be waited for. */
struct call {
	struct sgh_store_op op;
	bool done; /* atomic */
};

static struct t_peer *add_peer(struct t_peer *peer)
{
	f.peers[f.peer_count++] = peer;
	return peer;
}

#define PEER(...) add_peer(T_PEER(__VA_ARGS__))

static void open_urls(const char *urls)
{
	f.context = t_context();
	t_ok(sangraha_store_open(f.context, urls, NULL, &f.store, &t_err));
}

/* With the gateways that there are by now. */
static void open_store(void)
{
	char urls[300] = "";

	for (unsigned i = 0; i < f.peer_count; i++)
		snprintf(urls + strlen(urls), sizeof(urls) - strlen(urls), "%s%s",
			 i ? "," : "", t_peer_s3_url(f.peers[i]));
	open_urls(urls);
}

static int tear_down(void **state)
{
	sangraha_store_entry_free(f.entry);
	sangraha_store_unref(f.store);
	sangraha_context_unref(f.context);
	for (unsigned i = 0; i < f.peer_count; i++)
		t_peer_free(f.peers[i]);
	f = (struct fixture){ 0 };
	return 0;
}

static int64_t breaker(const char *labels)
{
	return sgh_metric_get(
		sgh_metrics_gauge(f.context->metrics, "sangraha_breaker_state", labels));
}

static int64_t breaker_of(struct t_peer *peer)
{
	char labels[100];

	snprintf(labels, sizeof(labels), "dependency=\"store\",endpoint=\"%s\"",
		 t_peer_url(peer) + strlen("http://"));
	return breaker(labels);
}

static int put(unsigned timeout_ms)
{
	const struct sangraha_store_put options = {
		.size = sizeof(options),
		.timeout_ms = timeout_ms,
	};

	return sangraha_store_put(f.store, "image", "a", "x", 1, &options, &t_err);
}

static int get(unsigned timeout_ms)
{
	sangraha_store_entry_free(sgh_take(f.entry));
	return sangraha_store_get(f.store, "image", "a", 0, 10, timeout_ms, &f.entry,
				  &t_err);
}

static int head(unsigned timeout_ms)
{
	sangraha_store_entry_free(sgh_take(f.entry));
	return sangraha_store_head(f.store, "image", "a", timeout_ms, &f.entry, &t_err);
}

/* Requests are what asks a gateway whether it is back; what comes of them is no matter. */
static bool ask(void)
{
	sangraha_store_check(f.store, 100, NULL);
	return true;
}

static void on_done(struct sgh_store_op *op)
{
	struct call *call = sgh_container_of(op, struct call, op);

	__atomic_store_n(&call->done, true, __ATOMIC_RELEASE);
}

static bool is_done(struct call *call)
{
	return __atomic_load_n(&call->done, __ATOMIC_ACQUIRE);
}

static struct call make(enum sgh_store_verb verb, int64_t timeout_ms)
{
	return (struct call){ .op = {
				      .verb = verb,
				      .bucket = "image",
				      .key = "a",
				      .upload = "u-1",
				      .part = 1,
				      .limit = 10,
				      .max_length = 10,
				      .deadline_ms = sgh_now_ms() + timeout_ms,
				      .done = on_done,
			      } };
}

static int end(struct call *call)
{
	int status;

	t_wait(is_done(call));
	t_err = call->op.err;
	status = call->op.status;
	sgh_store_op_fini(&call->op);
	return status;
}

static int run(struct call *call)
{
	t_ok(sgh_store_submit(f.store, &call->op, &t_err));
	return end(call);
}

/* ---- one that fails costs a read nothing ---- */

/* Ten reads, one after the other, with a gateway that does what `bad` says. */
static void reads_go_on_beside(const struct t_answer *bad)
{
	add_peer(t_peer_new(bad, 1));
	PEER({ .match = "GET", .bytes = HELLO }, { .bytes = OK });
	open_store();
	for (unsigned i = 0; i < 10; i++) {
		t_ok(get(2000));
		t_ok(head(2000));
	}
	assert_true(t_peer_requests(f.peers[1]) >= 10);
	assert_int_equal(breaker_of(f.peers[1]), 0);
	assert_int_equal(breaker("dependency=\"store\""), 0);
	tear_down(NULL);
}

static void reads_go_on_beside_one_that_fails(void **state)
{
	static const struct t_answer bad[] = {
		{ .bytes = BAD },
		{ .bytes = T_HTTP("500 x", "", 0, ""), .close = true },
		{ .stall = true },
		{ .deaf = true },
		{ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",
		  .stall = true },
		{ .bytes = HELLO, .cut = 40 },
		{ .bytes = "", .reset = true },
		{ .bytes = "Hello, this is not HTTP\r\n\r\n", .close = true },
	};

	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		reads_go_on_beside(&bad[i]);
}

/* ---- it leaves the rotation, and comes back ---- */

static void a_gateway_that_stops_is_left_alone_until_it_goes_on(void **state)
{
	unsigned before;

	PEER({ .bytes = OK });
	PEER({ .bytes = OK });
	open_store();
	t_ok(put(0));
	t_ok(put(0));
	t_peer_stop(f.peers[0]);
	t_ok(head(2000));
	t_ok(head(2000));
	t_wait(breaker_of(f.peers[0]) != 0);
	before = t_peer_requests(f.peers[1]);
	for (unsigned i = 0; i < 10; i++)
		t_ok(put(0));
	assert_true(t_peer_requests(f.peers[1]) >= before + 10);
	t_peer_continue(f.peers[0]);
	t_wait(ask() && breaker_of(f.peers[0]) == 0);
	before = t_peer_requests(f.peers[0]);
	t_wait(!put(0) && t_peer_requests(f.peers[0]) > before);
}

/* What may have been done is not done again here, but what waits for it is told in time. */
static void a_put_at_a_silent_gateway_ends_long_before_it_must(void **state)
{
	struct call call = make(SGH_STORE_PUT, 30000);
	int64_t start;

	PEER({ .match = "PUT", .stall = true }, { .bytes = OK });
	PEER({ .bytes = OK });
	open_store();
	start = sgh_now_ms();
	call.op.wanted_ms = start + 1500;
	/* Their turn begins with the first. */
	t_fails(SANGRAHA_E_TIMEOUT, run(&call));
	assert_true(sgh_now_ms() - start < 10000);
	t_ok(put(1500));
	assert_int_not_equal(breaker_of(f.peers[0]), 0);
}

/* ---- reads and changes apart ---- */

static void changes_that_fail_stop_no_reads(void **state)
{
	PEER({ .match = "GET", .bytes = HELLO }, { .match = "HEAD", .bytes = OK },
	     { .bytes = BAD }, { .bytes = BAD }, { .bytes = BAD }, { .bytes = BAD },
	     { .bytes = BAD }, { .bytes = OK });
	open_store();
	for (unsigned i = 0; i < 5; i++)
		t_fails(SANGRAHA_E_UNAVAILABLE, put(0));
	assert_int_equal(sgh_store_down_ms(f.store), 0);
	assert_int_not_equal(sgh_store_writes_down_ms(f.store), 0);
	assert_int_equal(breaker("dependency=\"store\",operations=\"writes\""), 2);
	assert_int_equal(breaker("dependency=\"store\""), 0);
	t_ok(get(0));
	t_ok(sangraha_store_check(f.store, 0, &t_err));
	t_fails(SANGRAHA_E_UNAVAILABLE, put(0));
	t_says("the store has been failing");
	assert_int_equal(t_peer_requests(f.peers[0]), 7);
	t_wait(!put(0));
	assert_int_equal(sgh_store_writes_down_ms(f.store), 0);
	assert_int_equal(breaker("dependency=\"store\",operations=\"writes\""), 0);
}

/* Full, or not allowed: the store says so, and serves. */
static void refusals_open_nothing(void **state)
{
	static const char *const refusals[] = {
		T_HTTP("507 x", "", 50,
		       "<Error><Code>XMinioStorageFull</Code><Message/></Error>"),
		T_HTTP("403 x", "", 0, ""),
		T_HTTP("429 x", "", 0, ""),
	};

	for (size_t i = 0; i < SGH_COUNT(refusals); i++) {
		const struct t_answer refusal = { .bytes = refusals[i] };

		add_peer(t_peer_new(&refusal, 1));
		open_store();
		for (unsigned n = 0; n < 8; n++)
			assert_int_not_equal(put(0), 0);
		assert_int_equal(sgh_store_writes_down_ms(f.store), 0);
		tear_down(NULL);
	}
}

static bool was_asked_for_a_bucket(struct t_peer *peer)
{
	for (unsigned i = 0; i < t_peer_requests(peer) && i < 16; i++)
		if (strstr(t_peer_request(peer, i), BUCKET))
			return true;
	return false;
}

static void one_object_that_cannot_be_read_stops_nothing(void **state)
{
	PEER({ .match = "GET", .bytes = BAD }, { .bytes = OK });
	open_store();
	/* The second one finds it doubted. */
	t_fails(SANGRAHA_E_UNAVAILABLE, get(0));
	t_fails(SANGRAHA_E_UNAVAILABLE, get(0));
	t_wait(was_asked_for_a_bucket(f.peers[0]));
	for (unsigned i = 0; i < 20; i++)
		t_fails(SANGRAHA_E_UNAVAILABLE, get(0));
	assert_int_equal(sgh_store_writes_down_ms(f.store), 0);
	t_ok(put(0));
}

/* ---- all of it is away ---- */

static void a_silent_store_is_found_out_and_comes_back(void **state)
{
	struct call call = make(SGH_STORE_PUT, 25000);

	PEER({ .bytes = OK });
	open_store();
	t_ok(put(0));
	t_peer_stop(f.peers[0]);
	t_ok(sgh_store_submit(f.store, &call.op, &t_err));
	t_wait(ask() && sgh_store_down_ms(f.store));
	/* Who waits for the silent store is told when it is known to be away. */
	t_fails(SANGRAHA_E_UNAVAILABLE, end(&call));
	t_fails(SANGRAHA_E_UNAVAILABLE, head(5000));
	t_says("the store has been failing");
	t_peer_continue(f.peers[0]);
	t_wait(ask() && !sgh_store_down_ms(f.store));
	t_ok(put(0));
	t_wait(breaker("dependency=\"store\"") == 0);
}

/* ---- every wait ends ---- */

static void every_verb_ends_by_its_deadline(void **state)
{
	static const struct t_answer silence[] = {
		{ .stall = true },
		{ .deaf = true },
		{ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n",
		  .stall = true },
		{ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nxxxxxxxxxxxxxxx"
			   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		  .trickle_ms = 50 },
		{ .bytes = "HTTP/1.1 100 Continue\r\n\r\n", .stall = true },
	};
	static const struct sgh_part part = { .number = 1, .size = 1, .etag = "\"e\"" };
	struct sgh_bytes *body = t_bytes("hello");

	for (size_t i = 0; i < SGH_COUNT(silence); i++) {
		add_peer(t_peer_new(&silence[i], 1));
		open_store();
		for (unsigned verb = 0; verb <= SGH_STORE_CHECK; verb++) {
			struct call call = make((enum sgh_store_verb)verb, 150);
			int64_t start = sgh_now_ms();

			call.op.parts = &part;
			call.op.part_count = 1;
			if (verb == SGH_STORE_PUT || verb == SGH_STORE_UPLOAD_PART)
				call.op.body = body;
			/* HEAD and DELETE know all when the header is there. */
			run(&call);
			assert_in_range(sgh_now_ms() - start, 0, 10000);
		}
		tear_down(NULL);
	}
	sgh_bytes_unref(body);
}

/* ---- giving up ---- */

static void what_one_owner_gives_up_ends_at_once(void **state)
{
	struct call mine = make(SGH_STORE_PUT, 30000);
	struct call other = make(SGH_STORE_HEAD, 30000);

	PEER({ .match = BUCKET, .bytes = OK }, { .bytes = OK, .hold = true });
	open_store();
	mine.op.owner = &mine;
	other.op.owner = &other;
	t_ok(sgh_store_submit(f.store, &mine.op, &t_err));
	t_ok(sgh_store_submit(f.store, &other.op, &t_err));
	t_wait(t_peer_requests(f.peers[0]) >= 2);
	sgh_store_cancel(f.store, &mine);
	t_fails(SANGRAHA_E_UNAVAILABLE, end(&mine));
	t_says("given up");
	assert_false(is_done(&other));
	t_peer_release(f.peers[0]);
	t_peer_release(f.peers[0]);
	t_ok(end(&other));
	assert_int_equal(sgh_store_writes_down_ms(f.store), 0);
}

static void a_store_goes_while_it_asks_a_silent_gateway(void **state)
{
	int64_t start;

	PEER({ .stall = true });
	open_store();
	assert_int_not_equal(head(100), 0);
	t_wait(ask() && t_peer_requests(f.peers[0]) > 1);
	start = sgh_now_ms();
	sangraha_store_unref(sgh_take(f.store));
	assert_true(sgh_now_ms() - start < 5000);
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(reads_go_on_beside_one_that_fails),
	CASE(a_gateway_that_stops_is_left_alone_until_it_goes_on),
	CASE(a_put_at_a_silent_gateway_ends_long_before_it_must),
	CASE(changes_that_fail_stop_no_reads),
	CASE(refusals_open_nothing),
	CASE(one_object_that_cannot_be_read_stops_nothing),
	CASE(a_silent_store_is_found_out_and_comes_back),
	CASE(every_verb_ends_by_its_deadline),
	CASE(what_one_owner_gives_up_ends_at_once),
	CASE(a_store_goes_while_it_asks_a_silent_gateway),
};

t_main(tests)
