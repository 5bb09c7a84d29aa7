/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include <pthread.h>

#include "base/budget.h"
#include "base/context.h"
#include "base/metrics.h"
#include "support/peer.h"
#include "support/t.h"

/*
 * Small puts that travel together, against a server that takes archives apart or does not.
 * Keys that begin with "held" are answered when the peer is released.
 */

#define OK        T_HTTP("200 OK", "", 0, "")
#define NOT_THERE T_HTTP("404 x", "", 0, "")
#define ERROR_XML(status, code)                                              \
	"HTTP/1.1 " status "\r\nConnection: close\r\n\r\n<Error><Code>" code \
	"</Code><Message/></Error>"

#define TRIAL  "/sangraha-meta/probe/"
#define MEMBER "x-amz-meta-sangraha-probe: M%C3%BC  1+1=2\r\n"

/* What tries whether it does, and finds that it does. */
#define SEEN(headers)                                                             \
	{                                                                         \
		.match = "HEAD " TRIAL, .bytes = T_HTTP("200 OK", headers, 0, "") \
	}
#define TYPED "Content-Type: application/x-sangraha-probe\r\n"
#define TRIED                               \
	SEEN(TYPED MEMBER),                 \
	{                                   \
		.match = TRIAL, .bytes = OK \
	}
#define TRIAL_REQUESTS 6 /* the archive, two members, and all three removed */

#define ARCHIVE "PUT /sangraha-image/archive HTTP/1.1"
#define TAKEN(answer)                             \
	{                                         \
		.match = ARCHIVE, .bytes = answer \
	}
#define HELD                                                                   \
	{                                                                      \
		.match = "PUT /sangraha-image/held", .bytes = OK, .hold = true \
	}

#define CALLS_MAX 80

/* A put that can be waited for. */
struct call {
	struct sgh_store_op op;
	char key[80];
	unsigned turn;    /* when it did, among all, from 1 */
	pthread_t thread; /* that called */
	int ends;         /* atomic: how often it did */
};

static struct fixture {
	struct sangraha_context *context;
	struct sangraha_store *store;
	struct t_peer *peer;
	struct t_peer *other;
	struct sgh_bytes *body;
	size_t reserved;
	struct call calls[CALLS_MAX];
	unsigned count;
	unsigned turns; /* atomic */
} f;

static void open_urls(const char *urls)
{
	const struct sangraha_store_options options = {
		.size = sizeof(options),
		.access_key = "access",
		.secret_key = "secret",
	};

	f.context = t_context();
	t_ok(sangraha_store_open(f.context, urls, &options, &f.store, &t_err));
}

static void play(struct t_peer *peer)
{
	f.peer = peer;
	open_urls(t_peer_s3_url(f.peer));
	f.body = t_bytes("hello");
}

#define PEER(...) play(T_PEER(__VA_ARGS__))

static int tear_down(void **state)
{
	sangraha_store_unref(f.store);
	if (f.reserved)
		sgh_budget_release(f.context->budget, f.reserved);
	sangraha_context_unref(f.context);
	t_peer_free(f.peer);
	t_peer_free(f.other);
	sgh_bytes_unref(f.body);
	for (unsigned i = 0; i < f.count; i++)
		sgh_store_op_fini(&f.calls[i].op);
	f = (struct fixture){ 0 };
	return 0;
}

static void on_done(struct sgh_store_op *op)
{
	struct call *call = sgh_container_of(op, struct call, op);

	call->turn = __atomic_add_fetch(&f.turns, 1, __ATOMIC_RELAXED);
	call->thread = pthread_self();
	__atomic_add_fetch(&call->ends, 1, __ATOMIC_RELEASE);
}

static bool is_done(struct call *call)
{
	return __atomic_load_n(&call->ends, __ATOMIC_ACQUIRE) > 0;
}

/* A put of "hello" that may travel with others, not yet submitted. */
static struct call *make(const char *key)
{
	static const struct sgh_pair meta[] = { { "sangraha", "1" },
						{ "sangraha-filename", "M%C3%BC=.jpg" } };
	struct call *call = &f.calls[f.count++];

	assert_true(f.count <= CALLS_MAX);
	snprintf(call->key, sizeof(call->key), "%s", key);
	call->op = (struct sgh_store_op){
		.verb = SGH_STORE_PUT,
		.bucket = "image",
		.key = call->key,
		.body = f.body,
		.content_type = "image/png",
		.meta = meta,
		.meta_count = SGH_COUNT(meta),
		.packable = true,
		.deadline_ms = sgh_now_ms() + 30000,
		.done = on_done,
	};
	return call;
}

static struct call *go(struct call *call)
{
	t_ok(sgh_store_submit(f.store, &call->op, &t_err));
	return call;
}

static struct call *put(const char *key)
{
	return go(make(key));
}

static int end(struct call *call)
{
	t_wait(is_done(call));
	assert_int_equal(call->ends, 1);
	t_err = call->op.err;
	return call->op.status;
}

static int64_t counted(const char *name)
{
	return sgh_metric_get(sgh_metrics_counter(f.context->metrics, name, ""));
}

static int64_t archives(void)
{
	return counted("sangraha_store_packs_total");
}

/* Until it is known that the server takes archives apart. */
static void learn(void)
{
	t_ok(end(put("first")));
	t_wait(t_peer_requests(f.peer) == 1 + TRIAL_REQUESTS);
}

/* Two under way, so that all that come now wait. */
static void hold_two(void)
{
	unsigned before = t_peer_requests(f.peer);

	put("held1");
	put("held2");
	t_wait(t_peer_requests(f.peer) == before + 2);
}

/* The first request with that in it; it is among the first few. */
static const char *request_with(const char *text)
{
	for (unsigned i = 0; i < 16 && i < t_peer_requests(f.peer); i++)
		if (strstr(t_peer_request(f.peer, i), text))
			return t_peer_request(f.peer, i);
	return NULL;
}

static const char *body_of(const char *request, size_t *ret_length)
{
	const char *length = strcasestr(request, "\r\nContent-Length: ");

	assert_non_null(length);
	*ret_length = strtoul(length + strlen("\r\nContent-Length: "), NULL, 10);
	return strstr(request, "\r\n\r\n") + 4;
}

static bool archive_has(const char *text)
{
	const char *request = request_with(ARCHIVE);
	size_t length;
	const char *body = body_of(request, &length);

	return memmem(body, length, text, strlen(text)) != NULL;
}

/* ---- together ---- */

static void what_waits_travels_together(void **state)
{
	struct call *calls[3];

	PEER(TRIED, HELD, TAKEN(OK), { .bytes = OK });
	learn();
	hold_two();
	calls[0] = put("a");
	calls[1] = put("b");
	calls[2] = put("c");
	t_peer_release(f.peer);
	for (size_t i = 0; i < SGH_COUNT(calls); i++)
		t_ok(end(calls[i]));
	assert_int_equal(archives(), 1);
	assert_int_equal(counted("sangraha_store_packed_objects_total"), 3);
	t_peer_release(f.peer);
}

static void an_archive_says_all_of_its_members(void **state)
{
	static const char *const texts[] = {
		"32 minio.metadata.Content-Type=image/png\n" + 3,
		"minio.metadata.x-amz-meta-sangraha=1\n",
		"minio.metadata.x-amz-meta-sangraha-filename=M%C3%BC=.jpg\n",
		"first-of-two",
		"second-of-two",
		"hello",
	};
	struct call *calls[2];
	const char *request;

	PEER(TRIED, HELD, TAKEN(OK), { .bytes = OK });
	learn();
	hold_two();
	calls[0] = put("first-of-two");
	calls[1] = put("second-of-two");
	t_peer_release(f.peer);
	t_ok(end(calls[0]));
	t_ok(end(calls[1]));
	for (size_t i = 0; i < SGH_COUNT(texts); i++)
		assert_true(archive_has(texts[i]));
	request = request_with(ARCHIVE);
	assert_non_null(strstr(request, "\r\nx-amz-meta-snowball-auto-extract: true"));
	/* Who does not know archives refuses this. */
	assert_non_null(strstr(request, "\r\nIf-Match: \"an archive\"\r\n"));
	assert_non_null(strstr(request, "if-match;"));
	assert_null(strstr(request, "UNSIGNED-PAYLOAD"));
	t_peer_release(f.peer);
}

/* One that is held by its caller, who has others. */
static struct call *hold(const char *key)
{
	struct call *call = make(key);

	call->op.held = true;
	return go(call);
}

static void what_is_held_travels_together(void **state)
{
	struct call *calls[3];

	PEER(TRIED, TAKEN(OK), { .bytes = OK });
	learn();
	calls[0] = hold("a");
	calls[1] = hold("b");
	calls[2] = hold("c");
	assert_int_equal(t_peer_requests(f.peer), 1 + TRIAL_REQUESTS);
	sgh_store_go_on(f.store);
	for (size_t i = 0; i < SGH_COUNT(calls); i++)
		t_ok(end(calls[i]));
	assert_int_equal(archives(), 1);
	assert_int_equal(counted("sangraha_store_packed_objects_total"), 3);
}

/* Who has no others says so by that. */
static void the_last_one_takes_with_it_who_is_held(void **state)
{
	struct call *calls[3];

	PEER(TRIED, TAKEN(OK), { .bytes = OK });
	learn();
	calls[0] = hold("a");
	calls[1] = hold("b");
	calls[2] = put("c");
	for (size_t i = 0; i < SGH_COUNT(calls); i++)
		t_ok(end(calls[i]));
	assert_int_equal(archives(), 1);
	/* Nothing is left of it. */
	t_ok(end(put("d")));
	sgh_store_go_on(f.store);
	assert_int_equal(archives(), 1);
}

static void one_that_is_held_alone_goes_alone(void **state)
{
	struct call *call;

	PEER(TRIED, { .bytes = OK });
	learn();
	call = hold("a");
	sgh_store_go_on(f.store);
	t_ok(end(call));
	assert_int_equal(archives(), 0);
}

static void enough_are_not_held(void **state)
{
	PEER(TRIED, TAKEN(OK), { .bytes = OK });
	learn();
	for (unsigned i = 0; i < 16; i++)
		hold("a");
	for (unsigned i = 0; i < f.count; i++)
		t_ok(end(&f.calls[i]));
	assert_int_equal(archives(), 1);
}

static void what_is_held_ends_at_its_deadline(void **state)
{
	struct call *call;

	PEER(TRIED, { .bytes = OK });
	learn();
	call = make("a");
	call->op.held = true;
	call->op.deadline_ms = sgh_now_ms() + 50;
	go(call);
	assert_int_equal(end(call), SANGRAHA_E_TIMEOUT);
	assert_true(call->op.unsent);
	t_ok(end(put("b")));
}

static void nobody_waits_for_company(void **state)
{
	PEER(TRIED, { .bytes = OK });
	learn();
	for (unsigned i = 0; i < 5; i++)
		t_ok(end(put("alone")));
	assert_int_equal(archives(), 0);
}

/* Of those that wait the one that is alone in that. */
static void one_that_waits_goes_alone(void **state)
{
	struct call *call;

	PEER(TRIED, HELD, { .bytes = OK });
	learn();
	hold_two();
	call = put("a");
	t_peer_release(f.peer);
	t_ok(end(call));
	assert_int_equal(archives(), 0);
	t_peer_release(f.peer);
}

static void an_archive_has_bounds(void **state)
{
	unsigned first;

	PEER(TRIED, HELD, TAKEN(OK), { .bytes = OK });
	learn();
	hold_two();
	first = f.count;
	for (unsigned i = 0; i < 70; i++)
		put("a");
	t_peer_release(f.peer);
	for (unsigned i = first; i < f.count; i++)
		t_ok(end(&f.calls[i]));
	assert_int_equal(archives(), 2);
	assert_int_equal(counted("sangraha_store_packed_objects_total"), 70);
	t_peer_release(f.peer);
}

static void buckets_do_not_wait_for_each_other(void **state)
{
	struct call *call;

	PEER(TRIED, HELD, { .bytes = OK });
	learn();
	hold_two();
	call = make("a");
	call->op.bucket = "json";
	t_ok(end(go(call)));
	t_peer_release(f.peer);
	t_peer_release(f.peer);
}

/* ---- what does not fit ---- */

static void make_large(struct sgh_store_op *op)
{
	static struct sgh_bytes *large;

	if (!large) {
		large = sgh_bytes_new(NULL, 40 << 10);
		memset(large->data, 'x', large->capacity);
		large->length = large->capacity;
	}
	op->body = large;
}

static void make_conditional(struct sgh_store_op *op)
{
	op->if_none_match = true;
}

static void make_plain(struct sgh_store_op *op)
{
	op->packable = false;
}

static void name_a_path(struct sgh_store_op *op)
{
	op->key = "a/b";
}

static void name_a_letter(struct sgh_store_op *op)
{
	op->key = "M\xc3\xbcnchen";
}

static void name_at_length(struct sgh_store_op *op)
{
	op->key = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
		  "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
}

static void say_nothing(struct sgh_store_op *op)
{
	static const struct sgh_pair meta[] = { { "a", "" } };

	op->meta = meta;
	op->meta_count = 1;
}

static void say_spaces(struct sgh_store_op *op)
{
	static const struct sgh_pair meta[] = { { "a", "x " } };

	op->meta = meta;
	op->meta_count = 1;
}

static void say_it_twice(struct sgh_store_op *op)
{
	static const struct sgh_pair meta[] = { { "a", "x" }, { "a", "y" } };

	op->meta = meta;
	op->meta_count = 2;
}

/* More than any server takes, and it alone is told so. */
static void say_too_much(struct sgh_store_op *op)
{
	static char value[2048];
	static const struct sgh_pair meta[] = { { "a", value } };

	memset(value, 'x', sizeof(value) - 1);
	op->meta = meta;
	op->meta_count = 1;
}

static void type_oddly(struct sgh_store_op *op)
{
	op->content_type = " image/png";
}

static void what_could_be_refused_goes_alone_at_once(void **state)
{
	static void (*const spoil[])(struct sgh_store_op * op) = {
		make_large,    make_conditional, make_plain,  name_a_path,
		name_a_letter, name_at_length,   say_nothing, say_spaces,
		say_it_twice,  say_too_much,     type_oddly,
	};

	PEER(TRIED, HELD, { .match = "HEAD", .bytes = NOT_THERE }, { .bytes = OK });
	learn();
	hold_two();
	for (size_t i = 0; i < SGH_COUNT(spoil); i++) {
		struct call *call = make("a");

		spoil[i](&call->op);
		t_ok(end(go(call)));
	}
	t_peer_release(f.peer);
	t_peer_release(f.peer);
}

/* Who holds a body does not wait for memory. */
static void without_memory_each_goes_alone(void **state)
{
	struct call *calls[2];

	PEER(TRIED, HELD, { .bytes = OK });
	learn();
	hold_two();
	calls[0] = put("a");
	calls[1] = put("b");
	f.reserved = sgh_budget_limit(f.context->budget);
	sgh_budget_force(f.context->budget, f.reserved);
	t_peer_release(f.peer);
	t_ok(end(calls[0]));
	t_ok(end(calls[1]));
	assert_int_equal(archives(), 0);
	t_peer_release(f.peer);
}

/* ---- answers ---- */

/* Two in an archive that is answered with that; each of them in doubt. */
static void both_are_in_doubt(const struct t_answer *answer, int status)
{
	struct t_answer answers[] = { TRIED, HELD, *answer, { .bytes = OK } };
	struct call *calls[2];

	answers[3].match = ARCHIVE;
	play(t_peer_new(answers, SGH_COUNT(answers)));
	learn();
	hold_two();
	calls[0] = put("a");
	calls[1] = put("b");
	for (size_t i = 0; i < SGH_COUNT(calls); i++)
		calls[i]->op.deadline_ms = sgh_now_ms() + 30000;
	t_peer_release(f.peer);
	for (size_t i = 0; i < SGH_COUNT(calls); i++) {
		t_fails(status, end(calls[i]));
		t_says(i ? "PUT sangraha-image/b: " : "PUT sangraha-image/a: ");
		assert_false(calls[i]->op.unsent);
	}
	assert_int_equal(archives(), 1);
	t_peer_release(f.peer);
	tear_down(NULL);
}

static void an_answer_that_is_no_yes_leaves_doubt(void **state)
{
	static const struct t_answer answers[] = {
		{ .bytes = T_HTTP("503 x", "", 0, "") },
		{ .bytes = T_HTTP("500 x", "", 0, "") },
		{ .bytes = T_HTTP("403 x", "", 0, "") },
		{ .bytes = T_HTTP("404 x", "", 0, "") },
		{ .bytes = T_HTTP("412 x", "", 0, "") },
		{ .bytes = T_HTTP("429 x", "", 0, "") },
		{ .bytes = T_HTTP("507 x", "", 0, "") },
		{ .bytes = ERROR_XML("400 x", "BadRequest"), .close = true },
		{ .bytes = "HTTP/1.1 200 OK\r\nContent-Le", .close = true },
		{ .bytes = OK, .cut = 10 },
		{ .bytes = "", .reset = true },
		{ .bytes = "This is not HTTP\r\n\r\n", .close = true },
		{ .bytes = ERROR_XML("200 OK", "InternalError"), .close = true },
	};

	for (size_t i = 0; i < SGH_COUNT(answers); i++)
		both_are_in_doubt(&answers[i], SANGRAHA_E_UNAVAILABLE);
}

/* It is asked again in some time; until then nobody is put at risk once more. */
static void after_a_refusal_all_go_alone(void **state)
{
	struct call *calls[4];

	PEER(TRIED, HELD, TAKEN(T_HTTP("403 x", "", 0, "")), { .bytes = OK });
	learn();
	hold_two();
	calls[0] = put("a");
	calls[1] = put("b");
	t_peer_release(f.peer);
	t_fails(SANGRAHA_E_UNAVAILABLE, end(calls[0]));
	t_fails(SANGRAHA_E_UNAVAILABLE, end(calls[1]));
	t_peer_release(f.peer);
	put("held3");
	put("held4");
	calls[2] = put("a");
	calls[3] = put("b");
	t_ok(end(calls[2]));
	t_ok(end(calls[3]));
	assert_int_equal(archives(), 1);
	t_peer_release(f.peer);
	t_peer_release(f.peer);
}

/* What arrived was not what was sent, and may lie there now. */
static void garbled_members_are_written_once_more(void **state)
{
	struct call *calls[2];

	PEER(TRIED, HELD,
	     { .match = ARCHIVE,
	       .bytes = ERROR_XML("400 x", "XAmzContentSHA256Mismatch"),
	       .close = true },
	     { .bytes = OK });
	learn();
	hold_two();
	calls[0] = put("garbled-a");
	calls[1] = put("garbled-b");
	t_peer_release(f.peer);
	t_ok(end(calls[0]));
	t_ok(end(calls[1]));
	assert_non_null(request_with("PUT /sangraha-image/garbled-a "));
	assert_non_null(request_with("PUT /sangraha-image/garbled-b "));
	t_peer_release(f.peer);
}

/* ---- who is told that others follow ---- */

static struct call *put_of(const void *owner)
{
	struct call *call = make("a");

	call->op.owner = owner;
	return go(call);
}

static void who_ends_before_another_of_its_owner_is_told(void **state)
{
	static const char owners[2];
	static const struct {
		const void *owner;
		bool goes_on;
	} rows[] = {
		{ &owners[0], true },  { &owners[0], true }, { &owners[0], false },
		{ &owners[1], false }, { NULL, false },      { NULL, false },
		{ &owners[0], false },
	};
	struct call *calls[SGH_COUNT(rows)];

	PEER(TRIED, HELD, TAKEN(OK), { .bytes = OK });
	learn();
	hold_two();
	for (size_t i = 0; i < SGH_COUNT(rows); i++)
		calls[i] = put_of(rows[i].owner);
	t_peer_release(f.peer);
	for (size_t i = 0; i < SGH_COUNT(rows); i++) {
		t_ok(end(calls[i]));
		assert_int_equal(calls[i]->op.goes_on, rows[i].goes_on);
		if (!rows[i].goes_on)
			continue;
		/* That one has its turn behind it, on the same thread. */
		t_wait(is_done(calls[i + 1]));
		assert_true(calls[i]->turn < calls[i + 1]->turn);
		assert_true(pthread_equal(calls[i]->thread, calls[i + 1]->thread));
	}
	assert_int_equal(archives(), 1);
	t_peer_release(f.peer);
}

static void who_is_given_up_before_another_is_told(void **state)
{
	static const char mine;
	struct call *calls[2];

	PEER(TRIED, HELD, { .bytes = OK });
	learn();
	hold_two();
	calls[0] = put_of(&mine);
	calls[1] = put_of(&mine);
	sgh_store_cancel(f.store, &mine);
	t_fails(SANGRAHA_E_UNAVAILABLE, end(calls[0]));
	t_fails(SANGRAHA_E_UNAVAILABLE, end(calls[1]));
	assert_true(calls[0]->op.goes_on);
	assert_false(calls[1]->op.goes_on);
	t_peer_release(f.peer);
	t_peer_release(f.peer);
}

/* Nothing is left of that when the operation is used again, or ends alone. */
static void who_ends_alone_is_not_told(void **state)
{
	static const char mine;
	struct call *call;

	PEER(TRIED, { .bytes = OK });
	learn();
	call = make("a");
	call->op.owner = &mine;
	call->op.goes_on = true;
	t_ok(end(go(call)));
	assert_false(call->op.goes_on);
}

/* ---- ends before their time ---- */

static void a_deadline_passes_while_it_waits(void **state)
{
	struct call *hurried;
	struct call *patient;

	PEER(TRIED, HELD, { .bytes = OK });
	learn();
	hold_two();
	patient = put("patient");
	hurried = make("hurried");
	hurried->op.deadline_ms = sgh_now_ms() + 100;
	go(hurried);
	t_fails(SANGRAHA_E_TIMEOUT, end(hurried));
	t_says("while it waited");
	assert_true(hurried->op.unsent);
	assert_false(is_done(patient));
	t_peer_release(f.peer);
	t_ok(end(patient));
	assert_null(request_with("hurried"));
	t_peer_release(f.peer);
}

static void a_deadline_passes_in_an_archive(void **state)
{
	struct call *hurried;
	struct call *patient;

	PEER(TRIED, HELD, { .match = ARCHIVE, .bytes = OK, .hold = true },
	     { .bytes = OK });
	learn();
	hold_two();
	patient = put("patient");
	hurried = make("hurried");
	hurried->op.deadline_ms = sgh_now_ms() + 1500;
	go(hurried);
	t_peer_release(f.peer);
	t_wait(request_with(ARCHIVE));
	t_fails(SANGRAHA_E_TIMEOUT, end(hurried));
	assert_false(hurried->op.unsent);
	assert_false(is_done(patient));
	t_peer_release(f.peer);
	t_peer_release(f.peer);
	t_ok(end(patient));
}

static void what_an_owner_gives_up_ends_wherever_it_is(void **state)
{
	static const int mine;
	struct call *waiting;
	struct call *sent;
	struct call *other;

	PEER(TRIED, HELD, { .match = ARCHIVE, .bytes = OK, .hold = true },
	     { .bytes = OK });
	learn();
	hold_two();
	other = put("other");
	sent = make("sent");
	sent->op.owner = &mine;
	go(sent);
	t_peer_release(f.peer);
	t_wait(request_with(ARCHIVE));
	waiting = make("waiting");
	waiting->op.owner = &mine;
	go(waiting);
	sgh_store_cancel(f.store, &mine);
	t_fails(SANGRAHA_E_UNAVAILABLE, end(sent));
	assert_false(sent->op.unsent);
	t_fails(SANGRAHA_E_UNAVAILABLE, end(waiting));
	assert_true(waiting->op.unsent);
	assert_false(is_done(other));
	t_peer_release(f.peer);
	t_peer_release(f.peer);
	t_ok(end(other));
	assert_null(request_with("waiting"));
}

static void a_store_goes_with_all_that_waits_in_it(void **state)
{
	PEER(TRIED, HELD, { .match = ARCHIVE, .bytes = OK, .hold = true },
	     { .bytes = OK });
	learn();
	hold_two();
	put("a");
	put("b");
	t_peer_release(f.peer);
	t_wait(request_with(ARCHIVE));
	put("c");
	put("d");
	sangraha_store_unref(sgh_take(f.store));
	for (unsigned i = 0; i < f.count; i++)
		assert_int_equal(f.calls[i].ends, 1);
	t_fails(SANGRAHA_E_UNAVAILABLE, end(&f.calls[f.count - 1]));
	assert_true(f.calls[f.count - 1].op.unsent);
	t_fails(SANGRAHA_E_UNAVAILABLE, end(&f.calls[f.count - 3]));
	assert_false(f.calls[f.count - 3].op.unsent);
}

/* ---- who takes archives apart ---- */

/* Those that would wait go, each by itself. */
static void all_go_alone(const struct t_answer *answers, size_t count)
{
	play(t_peer_new(answers, count));
	t_ok(end(put("first")));
	t_wait(request_with("DELETE " TRIAL));
	put("held1");
	put("held2");
	for (unsigned i = 0; i < 5; i++)
		t_ok(end(put("a")));
	assert_int_equal(archives(), 0);
	/* Once, for the time being. */
	t_wait(t_peer_requests(f.peer) >= 1 + 4 + 2 + 5);
	t_peer_release(f.peer);
	t_peer_release(f.peer);
	tear_down(NULL);
}

static void who_does_not_take_archives_apart_gets_none(void **state)
{
	static const struct t_answer refuses[] = {
		{ .match = "PUT " TRIAL, .bytes = T_HTTP("412 x", "", 0, "") },
		{ .match = TRIAL, .bytes = OK },
		HELD,
		{ .bytes = OK },
	};
	static const struct t_answer keeps[] = {
		{ .match = "HEAD " TRIAL, .bytes = NOT_THERE },
		{ .match = TRIAL, .bytes = OK },
		HELD,
		{ .bytes = OK },
	};
	static const struct t_answer forgets[] = {
		SEEN(TYPED),
		{ .match = TRIAL, .bytes = OK },
		HELD,
		{ .bytes = OK },
	};
	static const struct t_answer mangles[] = {
		SEEN(TYPED "x-amz-meta-sangraha-probe: M\xc3\xbc 1+1=2\r\n"),
		{ .match = TRIAL, .bytes = OK },
		HELD,
		{ .bytes = OK },
	};
	static const struct t_answer fails[] = {
		{ .match = TRIAL, .bytes = T_HTTP("404 x", "", 0, "") },
		HELD,
		{ .bytes = OK },
	};

	all_go_alone(refuses, SGH_COUNT(refuses));
	all_go_alone(keeps, SGH_COUNT(keeps));
	all_go_alone(forgets, SGH_COUNT(forgets));
	all_go_alone(mangles, SGH_COUNT(mangles));
	all_go_alone(fails, SGH_COUNT(fails));
}

static void an_archive_goes_to_who_takes_it_apart(void **state)
{
	static const struct t_answer can[] = { TRIED, HELD, TAKEN(OK), { .bytes = OK } };
	static const struct t_answer cannot[] = {
		{ .match = "PUT " TRIAL, .bytes = T_HTTP("412 x", "", 0, "") },
		{ .match = ARCHIVE, .bytes = T_HTTP("412 x", "", 0, "") },
		HELD,
		{ .bytes = OK },
	};
	char urls[200];
	unsigned first;

	f.peer = t_peer_new(can, SGH_COUNT(can));
	f.other = t_peer_new(cannot, SGH_COUNT(cannot));
	snprintf(urls, sizeof(urls), "%s,%s", t_peer_s3_url(f.peer),
		 t_peer_s3_url(f.other));
	open_urls(urls);
	f.body = t_bytes("hello");
	t_ok(end(put("first")));
	t_wait(t_peer_requests(f.peer) + t_peer_requests(f.other) ==
	       1 + TRIAL_REQUESTS + 4);
	put("held1");
	put("held2");
	first = f.count;
	for (unsigned i = 0; i < 70; i++)
		put("a");
	t_peer_release(f.peer);
	t_peer_release(f.other);
	for (unsigned i = first; i < f.count; i++)
		t_ok(end(&f.calls[i]));
	assert_int_equal(archives(), 2);
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(what_waits_travels_together),
	CASE(an_archive_says_all_of_its_members),
	CASE(what_is_held_travels_together),
	CASE(the_last_one_takes_with_it_who_is_held),
	CASE(one_that_is_held_alone_goes_alone),
	CASE(enough_are_not_held),
	CASE(what_is_held_ends_at_its_deadline),
	CASE(nobody_waits_for_company),
	CASE(one_that_waits_goes_alone),
	CASE(an_archive_has_bounds),
	CASE(buckets_do_not_wait_for_each_other),
	CASE(what_could_be_refused_goes_alone_at_once),
	CASE(without_memory_each_goes_alone),
	CASE(an_answer_that_is_no_yes_leaves_doubt),
	CASE(after_a_refusal_all_go_alone),
	CASE(garbled_members_are_written_once_more),
	CASE(who_ends_before_another_of_its_owner_is_told),
	CASE(who_is_given_up_before_another_is_told),
	CASE(who_ends_alone_is_not_told),
	CASE(a_deadline_passes_while_it_waits),
	CASE(a_deadline_passes_in_an_archive),
	CASE(what_an_owner_gives_up_ends_wherever_it_is),
	CASE(a_store_goes_with_all_that_waits_in_it),
	CASE(who_does_not_take_archives_apart_gets_none),
	CASE(an_archive_goes_to_who_takes_it_apart),
};

t_main(tests)
