/* SPDX-License-Identifier: MIT */
#include "store/packs.h"

/* Small puts that travel together, against a server that takes archives apart or does not. */

#define NOT_THERE T_HTTP("404 x", "", 0, "")
#define ERROR_XML(status, code)                                              \
	"HTTP/1.1 " status "\r\nConnection: close\r\n\r\n<Error><Code>" code \
	"</Code><Message/></Error>"

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
	assert_int_equal(archived(), 3);
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
	assert_int_equal(archived(), 70);
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

/* None of them can be: there is no gateway left that they may go to. */
static void what_cannot_be_written_once_more_holds_up_nobody(void **state)
{
	struct call *garbled[2];
	struct call *waiting;

	PEER(TRIED, HELD, { .match = "PUT /sangraha-image/silent", .stall = true },
	     { .match = ARCHIVE,
	       .bytes = ERROR_XML("400 x", "XAmzContentSHA256Mismatch"),
	       .hold = true,
	       .close = true },
	     { .bytes = OK });
	learn();
	put("silent");
	put("held");
	t_wait(request_with("silent") && request_with("held"));
	for (size_t i = 0; i < SGH_COUNT(garbled); i++) {
		garbled[i] = make("a");
		garbled[i]->op.avoid = UINT32_MAX;
		go(garbled[i]);
	}
	t_peer_release(f.peer);
	t_wait(request_with(ARCHIVE));
	waiting = put("waiting");
	t_peer_release(f.peer);
	for (size_t i = 0; i < SGH_COUNT(garbled); i++) {
		t_fails(SANGRAHA_E_UNAVAILABLE, end(garbled[i]));
		assert_false(garbled[i]->op.unsent);
	}
	t_ok(end(waiting));
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

static const struct CMUnitTest tests[] = {
	CASE(what_waits_travels_together),
	CASE(an_archive_says_all_of_its_members),
	CASE(nobody_waits_for_company),
	CASE(one_that_waits_goes_alone),
	CASE(an_archive_has_bounds),
	CASE(buckets_do_not_wait_for_each_other),
	CASE(what_could_be_refused_goes_alone_at_once),
	CASE(without_memory_each_goes_alone),
	CASE(an_answer_that_is_no_yes_leaves_doubt),
	CASE(after_a_refusal_all_go_alone),
	CASE(garbled_members_are_written_once_more),
	CASE(what_cannot_be_written_once_more_holds_up_nobody),
	CASE(a_deadline_passes_while_it_waits),
	CASE(a_deadline_passes_in_an_archive),
	CASE(what_an_owner_gives_up_ends_wherever_it_is),
	CASE(a_store_goes_with_all_that_waits_in_it),
	CASE(who_does_not_take_archives_apart_gets_none),
	CASE(an_archive_goes_to_who_takes_it_apart),
};

t_main(tests)
