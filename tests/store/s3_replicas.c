/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include "base/metrics.h"
#include "support/peer.h"
#include "support/t.h"

/* A store and other stores that copy it: who is asked, and whose word counts. */

#define OBJECT(text)  T_HTTP("200 OK", "x-amz-meta-from: " text "\r\n", 5, "hello")
#define NONE          T_HTTP("404 x", "", 0, "")
#define BAD           T_HTTP("503 x", "", 0, "")
#define BUCKET        "HEAD /sangraha-meta HTTP/1.1"
#define REPLICAS_MAX  2
#define READS_TIMEOUT 10000

static struct fixture {
	struct sangraha_context *context;
	struct sangraha_store *store;
	struct t_peer *primary;
	struct t_peer *replicas[REPLICAS_MAX];
	unsigned replica_count;
	struct sgh_store_op op;
	bool done; /* atomic */
} f;

#define PRIMARY(...) (f.primary = T_PEER(__VA_ARGS__))

#define REPLICA(...) (f.replicas[f.replica_count++] = T_PEER(__VA_ARGS__))

static int open_at(const char *url, const char *read_url)
{
	const struct sangraha_store_options options = {
		.size = sizeof(options),
		.read_url = read_url,
	};

	f.context = t_context();
	return sangraha_store_open(f.context, url, &options, &f.store, &t_err);
}

/* With the replicas that there are by now. */
static void open_store(const char *url)
{
	char urls[200] = "";

	for (unsigned i = 0; i < f.replica_count; i++)
		snprintf(urls + strlen(urls), sizeof(urls) - strlen(urls), "%s%s",
			 i ? "," : "", t_peer_s3_url(f.replicas[i]));
	t_ok(open_at(url, urls));
}

static void open_all(void)
{
	open_store(t_peer_s3_url(f.primary));
}

/* The store itself is away. */
static void open_without_primary(void)
{
	sgh_autofree char *url = t_refusing_url("s3+http");

	open_store(url);
}

static int tear_down(void **state)
{
	sgh_store_op_fini(&f.op);
	sangraha_store_unref(f.store);
	sangraha_context_unref(f.context);
	t_peer_free(f.primary);
	for (unsigned i = 0; i < f.replica_count; i++)
		t_peer_free(f.replicas[i]);
	f = (struct fixture){ 0 };
	return 0;
}

static void on_done(struct sgh_store_op *op)
{
	__atomic_store_n(&f.done, true, __ATOMIC_RELEASE);
}

static int ask(enum sgh_store_verb verb, bool replicas)
{
	int rc;

	sgh_store_op_fini(&f.op);
	f.done = false;
	f.op = (struct sgh_store_op){
		.verb = verb,
		.bucket = "image",
		.key = "a",
		.limit = 10,
		.max_length = 10,
		.replicas = replicas,
		.deadline_ms = sgh_now_ms() + READS_TIMEOUT,
		.done = on_done,
	};
	rc = sgh_store_submit(f.store, &f.op, &t_err);
	if (rc)
		return rc;
	t_wait(__atomic_load_n(&f.done, __ATOMIC_ACQUIRE));
	t_err = f.op.err;
	return f.op.status;
}

static int get(void)
{
	return ask(SGH_STORE_GET, true);
}

/* Who answered, as it says itself. */
static void came_from(const char *who)
{
	assert_int_equal(f.op.head.meta_count, 1);
	assert_string_equal(f.op.head.meta[0].value, who);
}

static int64_t breaker_of(struct t_peer *peer)
{
	char labels[100];

	snprintf(labels, sizeof(labels), "dependency=\"store\",endpoint=\"%s\"",
		 t_peer_url(peer) + strlen("http://"));
	return sgh_metric_get(
		sgh_metrics_gauge(f.context->metrics, "sangraha_breaker_state", labels));
}

/* ---- who is asked ---- */

static void replicas_take_reads_in_turns(void **state)
{
	PRIMARY({ .bytes = BAD });
	REPLICA({ .bytes = OBJECT("one") });
	REPLICA({ .bytes = OBJECT("two") });
	open_all();
	for (unsigned i = 0; i < 4; i++) {
		t_ok(get());
		came_from(i % 2 ? "two" : "one");
		assert_int_equal(f.op.replica, i % 2 + 1);
		assert_memory_equal(f.op.data->data, "hello", 5);
	}
	t_ok(ask(SGH_STORE_HEAD, true));
	t_ok(ask(SGH_STORE_CHECK, true));
	assert_int_equal(t_peer_requests(f.primary), 0);
}

static void who_does_not_say_so_never_asks_one(void **state)
{
	struct sangraha_store_entry *entry;

	PRIMARY({ .match = "list-type",
		  .bytes = T_HTTP("200 OK", "", 19, "<ListBucketResult/>") },
		{ .bytes = OBJECT("store") });
	REPLICA({ .bytes = OBJECT("one") });
	open_all();
	for (unsigned verb = 0; verb <= SGH_STORE_CHECK; verb++)
		if (!sgh_store_changes((enum sgh_store_verb)verb))
			ask((enum sgh_store_verb)verb, false);
	/* Of what is changed there is no other. */
	t_ok(ask(SGH_STORE_DELETE, true));
	t_ok(sangraha_store_get(f.store, "image", "a", 0, 10, 0, &entry, &t_err));
	sangraha_store_entry_free(entry);
	assert_int_equal(t_peer_requests(f.replicas[0]), 0);
}

/* ---- whose word counts ---- */

/* Some reads, each answered, whatever the one replica says. */
static void the_store_makes_up_for(const struct t_answer *bad)
{
	PRIMARY({ .bytes = OBJECT("store") });
	f.replicas[f.replica_count++] = t_peer_new(bad, 1);
	open_all();
	for (unsigned i = 0; i < 4; i++) {
		t_ok(get());
		came_from("store");
		assert_int_equal(f.op.replica, 0);
		t_ok(ask(SGH_STORE_HEAD, true));
	}
	tear_down(NULL);
}

static void what_a_replica_cannot_tell_the_store_does(void **state)
{
	static const struct t_answer bad[] = {
		{ .bytes = NONE },
		{ .bytes = BAD },
		{ .bytes = T_HTTP("403 x", "", 0, "") },
		{ .bytes = T_HTTP("301 x", "", 0, "") },
		{ .stall = true },
		{ .deaf = true },
		{ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",
		  .stall = true },
		{ .bytes = OBJECT("one"), .cut = 62 },
		{ .bytes = "", .reset = true },
		{ .bytes = "Hello, this is not HTTP\r\n\r\n", .close = true },
	};

	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		the_store_makes_up_for(&bad[i]);
}

static void what_is_nowhere_only_the_store_knows(void **state)
{
	PRIMARY({ .bytes = NONE });
	REPLICA({ .bytes = NONE });
	REPLICA({ .bytes = OBJECT("two") });
	open_all();
	t_fails(SANGRAHA_E_NOT_FOUND, get());
	assert_int_equal(t_peer_requests(f.replicas[0]), 1);
	assert_int_equal(t_peer_requests(f.primary), 1);
	assert_int_equal(t_peer_requests(f.replicas[1]), 0);
}

static void an_empty_object_is_described_where_it_is(void **state)
{
	static const char range[] = T_HTTP("416 x", "", 0, "");

	PRIMARY({ .bytes = NONE });
	REPLICA({ .match = "HEAD", .bytes = T_HTTP("200 OK", "", 0, "") },
		{ .bytes = range });
	open_all();
	t_ok(get());
	assert_int_equal(f.op.data->length, 0);
	assert_int_equal(f.op.replica, 1);
	assert_int_equal(t_peer_requests(f.primary), 0);
}

/* ---- the store is away ---- */

static void an_object_that_is_replaced_meanwhile_is_not_mixed(void **state)
{
	PRIMARY({ .bytes = OBJECT("store") });
	REPLICA({ .match = "HEAD", .bytes = NONE },
		{ .bytes = T_HTTP("416 x", "", 0, "") });
	open_all();
	t_fails(SANGRAHA_E_UNAVAILABLE, get());
	t_says("was replaced");
}

static void reads_go_on_without_the_store(void **state)
{
	REPLICA({ .bytes = OBJECT("one") });
	REPLICA({ .bytes = NONE });
	open_without_primary();
	for (unsigned i = 0; i < 20; i++) {
		t_ok(get());
		came_from("one");
	}
	for (unsigned i = 0; i < 10; i++)
		t_fails(SANGRAHA_E_UNAVAILABLE, ask(SGH_STORE_HEAD, false));
	assert_int_not_equal(sgh_store_down_ms(f.store), 0);
	assert_int_not_equal(sgh_store_writes_down_ms(f.store), 0);
	assert_int_equal(sgh_store_replicas_down_ms(f.store), 0);
	t_ok(ask(SGH_STORE_CHECK, true));
	t_ok(get());
}

static void what_no_replica_has_may_be_there_all_the_same(void **state)
{
	REPLICA({ .bytes = NONE });
	REPLICA({ .bytes = T_HTTP("403 x", "", 0, "") });
	open_without_primary();
	for (unsigned i = 0; i < 10; i++)
		t_fails(SANGRAHA_E_UNAVAILABLE, get());
	/* By now nobody asks the store any more. */
	t_says("no replica tells of sangraha-image/a");
	assert_int_not_equal(sgh_store_down_ms(f.store), 0);
}

static void all_are_away(void **state)
{
	sgh_autofree char *url = t_refusing_url("s3+http");
	sgh_autofree char *read_url = t_refusing_url("s3+http");

	t_ok(open_at(url, read_url));
	for (unsigned i = 0; i < 6; i++)
		t_fails(SANGRAHA_E_UNAVAILABLE, get());
	assert_int_not_equal(sgh_store_replicas_down_ms(f.store), 0);
	t_fails(SANGRAHA_E_UNAVAILABLE, get());
	t_says("the store has been failing for");
}

/* ---- a replica leaves and comes back ---- */

/* Requests are what asks it whether it is back; any will do. */
static bool get_from(const char *who)
{
	return !get() && f.op.head.meta_count &&
	       strcmp(f.op.head.meta[0].value, who) == 0;
}

static void a_silent_replica_is_left_alone_until_it_goes_on(void **state)
{
	unsigned before;

	PRIMARY({ .bytes = OBJECT("store") });
	REPLICA({ .match = BUCKET, .bytes = T_HTTP("200 OK", "", 0, "") },
		{ .bytes = OBJECT("one") });
	open_all();
	t_ok(get());
	came_from("one");
	t_peer_stop(f.replicas[0]);
	t_wait(get_from("store") && breaker_of(f.replicas[0]) != 0);
	before = t_peer_requests(f.primary);
	for (unsigned i = 0; i < 10; i++)
		assert_true(get_from("store"));
	assert_int_equal(t_peer_requests(f.primary), before + 10);
	assert_int_equal(sgh_store_down_ms(f.store), 0);
	t_peer_continue(f.replicas[0]);
	t_wait(get_from("one"));
	t_wait(breaker_of(f.replicas[0]) == 0);
}

static void a_replica_that_refuses_us_is_left_alone(void **state)
{
	unsigned before;

	PRIMARY({ .bytes = OBJECT("store") });
	REPLICA({ .match = BUCKET, .bytes = T_HTTP("403 x", "", 0, "") },
		{ .bytes = T_HTTP("403 x", "", 0, "") });
	open_all();
	t_wait(get_from("store") && breaker_of(f.replicas[0]) != 0);
	before = t_peer_requests(f.primary);
	for (unsigned i = 0; i < 10; i++)
		assert_true(get_from("store"));
	assert_int_equal(t_peer_requests(f.primary), before + 10);
}

/* ---- options ---- */

static void urls_that_cannot_be(void **state)
{
	static const char *const urls[] = { "", "http://a:1", "file:/tmp/x",
					    "s3+http://a:1,", "s3+http://a:1/path" };

	for (size_t i = 0; i < SGH_COUNT(urls); i++) {
		t_fails(SANGRAHA_E_INVALID, open_at("s3+http://a:1", urls[i]));
		sangraha_context_unref(f.context);
	}
	f.context = NULL;
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(replicas_take_reads_in_turns),
	CASE(who_does_not_say_so_never_asks_one),
	CASE(what_a_replica_cannot_tell_the_store_does),
	CASE(what_is_nowhere_only_the_store_knows),
	CASE(an_empty_object_is_described_where_it_is),
	CASE(an_object_that_is_replaced_meanwhile_is_not_mixed),
	CASE(reads_go_on_without_the_store),
	CASE(what_no_replica_has_may_be_there_all_the_same),
	CASE(all_are_away),
	CASE(a_silent_replica_is_left_alone_until_it_goes_on),
	CASE(a_replica_that_refuses_us_is_left_alone),
	CASE(urls_that_cannot_be),
};

t_main(tests)
