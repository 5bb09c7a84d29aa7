/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "role/client.h"
#include "role/upload.h"
#include "support/requester.h"
#include "support/uploads.h"

/* Bodies of which one part is held, and all that is left goes through a window. */

#define SIZE   (12 * T_MIB)
#define WINDOW T_MIB /* of a memory of 16 MiB */

/* How many parts were stored until now. */
static unsigned parts(struct t_roles *f)
{
	return script_count(f->script, "upload-part json: ok");
}

static unsigned streams(struct t_roles *f)
{
	return __atomic_load_n(&f->client->streams, __ATOMIC_RELAXED);
}

static unsigned moving(struct t_roles *f)
{
	return __atomic_load_n(&f->client->moving, __ATOMIC_RELAXED);
}

/* As fast as can be. Into how many parts it went. */
static unsigned stores(struct t_roles *f, size_t size, bool known)
{
	struct t_sending sending = { 0 };
	char *text = t_json_string(size);
	unsigned before = streams(f);
	unsigned count;

	script_forget(f->script);
	t_ok(t_send_all(&sending, f, text, size, known));
	t_stored(&sending, text, size);
	t_send_fini(&sending);
	free(text);
	count = parts(f);
	t_wait(sgh_budget_used(f->context->budget) == 0);
	t_wait(streams(f) == before);
	assert_int_equal(moving(f), 0);
	return count;
}

static void a_fast_client_needs_two_parts(void **state)
{
	assert_int_equal(stores(*state, 2 * T_PART, true), 2);
	assert_int_equal(stores(*state, 2 * T_PART + 1, true), 2);
	assert_int_equal(stores(*state, 4 * T_PART, true), 2);
	assert_int_equal(stores(*state, 50 * T_MIB + 77, true), 2);
}

static void what_has_no_length_is_cut(void **state)
{
	assert_int_equal(stores(*state, 3 * T_PART, false), 3);
}

/* Who gives everything by one call cannot be told when there is room in a window. */
static void what_is_given_at_once_is_held(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sending = { .f = f };
	struct t_box box = { 0 };
	char *text = t_json_string(SIZE);

	t_ok(sangraha_client_submit_put(f->client, text, SIZE, &t_json, t_box_put, &box,
					&t_err));
	t_ok(t_box_ended(f, &box));
	sending.result = box.result;
	t_stored(&sending, text, SIZE);
	assert_int_equal(parts(f), 3);
	t_box_empty(&box);
	free(text);
}

/* Losing it would cost too much. */
static void what_is_very_large_is_cut(void **state)
{
	assert_int_equal(stores(*state, T_PART + 128 * T_MIB + 1, true), 27);
}

/* They keep their connections, of which some are for others. */
static void of_many_not_all_keep_a_connection(void **state)
{
	struct t_roles *f = *state;

	__atomic_add_fetch(&f->client->streams, 32, __ATOMIC_RELAXED);
	assert_int_equal(stores(f, SIZE, true), 3);
	__atomic_sub_fetch(&f->client->streams, 1, __ATOMIC_RELAXED);
	assert_int_equal(stores(f, SIZE, true), 2);
	__atomic_sub_fetch(&f->client->streams, 31, __ATOMIC_RELAXED);
}

/* ---- the first part took long ---- */

static void begin_slowly(struct t_sending *sending, struct t_roles *f, const char *text)
{
	int64_t began;

	t_send_begin(sending, f, (int64_t)SIZE, NULL);
	t_ok(t_send_bytes(sending, text, T_PART - 1));
	began = sgh_now_ms();
	t_wait(sgh_now_ms() - began > 1000);
}

static void a_slow_client_keeps_what_can_be_repeated(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	char *text = t_json_string(SIZE);

	script_fail(f->script, "upload-part", 2, SANGRAHA_E_UNAVAILABLE);
	begin_slowly(&sending, f, text);
	t_ok(t_send_bytes(&sending, text + T_PART - 1, SIZE - T_PART + 1));
	t_ok(t_send_end(&sending));
	t_stored(&sending, text, SIZE);
	assert_int_equal(parts(f), 3);
	t_send_fini(&sending);
	free(text);
}

/* Who was slow over his first bytes let others pass for these, and not for ever. */
static void only_the_beginning_lets_others_pass(void **state)
{
	struct t_roles *f = *state;
	size_t sip = sgh_budget_sip(f->context->budget);
	struct sangraha_put_options options = t_json;
	struct t_sending sending = { 0 };
	char *text = t_json_string(SIZE);
	int64_t began = sgh_now_ms();

	options.id = t_id(1);
	t_send_begin(&sending, f, (int64_t)SIZE, &options);
	t_ok(t_send_bytes(&sending, text, sip - 1));
	t_wait(sgh_now_ms() - began > 1100);
	t_ok(t_send_bytes(&sending, text + sip - 1, T_PART / 2));
	assert_true(sending.upload->waiter.patient);
	t_ok(t_send_bytes(&sending, text + sip - 1 + T_PART / 2, T_PART));
	assert_int_equal(sending.upload->number, 2);
	assert_false(sending.upload->waiter.patient);
	t_send_fini(&sending);
	t_nothing_left(f);
	free(text);
}

/* ---- memory ---- */

static void it_holds_one_part_and_the_window(void **state)
{
	struct t_roles *f = *state;
	struct sgh_budget *budget = f->context->budget;
	struct t_sending sending = { .step = 64 * T_KIB };
	size_t size = 40 * T_MIB;
	char *text = t_json_string(size);
	size_t peak = 0;

	t_send_begin(&sending, f, (int64_t)size, NULL);
	for (size_t at = 0; at < size; at += 64 * T_KIB) {
		size_t used;

		t_ok(t_send_bytes(&sending, text + at, 64 * T_KIB));
		used = sgh_budget_used(budget);
		peak = used > peak ? used : peak;
		/*
		 * Behind the first part, which goes when whoever took it lets go of it, there
		 * is the window alone.
		 */
		if (at > T_PART + 2 * WINDOW)
			t_wait(sgh_budget_used(budget) <= WINDOW);
	}
	t_ok(t_send_end(&sending));
	t_stored(&sending, text, size);
	/* Besides there are copies of what put-begin shows, on their way; never a second part. */
	assert_true(peak < 2 * T_PART);
	t_send_fini(&sending);
	free(text);
}

/* Others that wait for memory are not to take it for something that moves. */
static void what_waits_for_its_client_does_not_move(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	char *text = t_json_string(SIZE);
	size_t sent = T_PART + 2 * T_MIB;

	t_send_begin(&sending, f, (int64_t)SIZE, NULL);
	t_ok(t_send_bytes(&sending, text, sent));
	t_wait(parts(f) == 1);
	t_wait(moving(f) == 0);
	t_wait(sangraha_upload_idle_ms(sending.upload) > 20);
	/* Of the rest it is enough that some comes. */
	t_ok(t_send_bytes(&sending, text + sent, T_MIB / 2));
	t_wait(sangraha_upload_idle_ms(sending.upload) < 20 || moving(f) == 0);
	sent += T_MIB / 2;
	t_ok(t_send_bytes(&sending, text + sent, SIZE - sent));
	t_ok(t_send_end(&sending));
	t_stored(&sending, text, SIZE);
	assert_int_equal(moving(f), 0);
	t_send_fini(&sending);
	free(text);
}

/* ---- what breaks ---- */

static void breaks_off(struct t_roles *f, const char *op, unsigned nth, int status)
{
	struct t_sending sending = { 0 };
	char *text = t_json_string(SIZE);

	script_clear(f->script);
	script_fail(f->script, op, nth, status);
	t_fails(SANGRAHA_E_UNAVAILABLE, t_send_all(&sending, f, text, SIZE, true));
	t_says("has to be sent again");
	t_send_fini(&sending);
	free(text);
	t_nothing_left(f);
	t_wait(streams(f) == 0);
	assert_int_equal(moving(f), 0);
}

static void what_broke_off_is_unavailable(void **state)
{
	/* In its middle, and when all of it was there. */
	breaks_off(*state, "body-append", 20, SANGRAHA_E_UNAVAILABLE);
	breaks_off(*state, "body-append", 20, SANGRAHA_E_TIMEOUT);
	breaks_off(*state, "upload-part", 2, SANGRAHA_E_UNAVAILABLE);
	breaks_off(*state, "upload-part", 2, SANGRAHA_E_UNAUTHORIZED);
}

/* Whoever sends meanwhile is told with the next byte. */
static void who_sends_learns_of_it(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	char *text = t_json_string(50 * T_MIB);

	script_fail(f->script, "body-append", 20, SANGRAHA_E_UNAVAILABLE);
	t_send_begin(&sending, f, 50 * (int64_t)T_MIB, NULL);
	t_fails(SANGRAHA_E_UNAVAILABLE, t_send_bytes(&sending, text, 50 * T_MIB));
	t_send_fini(&sending);
	free(text);
	t_nothing_left(f);
}

/* As long as nothing was written over, all is still there. */
static void what_broke_at_its_beginning_is_sent_again(void **state)
{
	static const char *const ops[] = { "body-new", "body-append" };
	static const int statuses[] = { SANGRAHA_E_UNAVAILABLE, SANGRAHA_E_UNAUTHORIZED };
	struct t_roles *f = *state;
	char *text = t_json_string(SIZE);

	for (size_t i = 0; i < 2 * SGH_COUNT(ops); i++) {
		struct t_sending sending = { 0 };
		size_t sent = T_PART + 300 * T_KIB;

		script_forget(f->script);
		/* The last one before there is nothing left to be pulled. */
		script_fail(f->script, ops[i / 2], i / 2 ? 3 : 1, statuses[i % 2]);
		t_send_begin(&sending, f, (int64_t)SIZE, NULL);
		t_ok(t_send_bytes(&sending, text, sent));
		t_wait(parts(f) == 1);
		t_wait(moving(f) == 0);
		t_ok(t_send_bytes(&sending, text + sent, SIZE - sent));
		t_ok(t_send_end(&sending));
		t_stored(&sending, text, SIZE);
		assert_int_equal(parts(f), 2);
		t_send_fini(&sending);
	}
	free(text);
}

/* Each try takes half of an idle time-out, and no more than that one is waited for. */
static void a_store_that_stays_silent_is_given_up(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	char *text = t_json_string(SIZE);

	f->client->idle_timeout_ms = 1000;
	script_fail(f->script, "body-new", 0, SANGRAHA_E_TIMEOUT);
	t_fails(SANGRAHA_E_UNAVAILABLE, t_send_all(&sending, f, text, SIZE, true));
	t_says("has to be sent again");
	t_send_fini(&sending);
	free(text);
	t_nothing_left(f);
	/* For one more ticket, and for the end. */
	assert_in_range(script_count(f->script, "get meta/upload: ok"), 1, 2);
}

/* Under a key a repeat may come, whose parts are sent again as they are. */
static void what_has_a_key_is_cut(void **state)
{
	struct sangraha_put_options options = t_json;
	struct t_sending sending = { 0 };
	struct t_roles *f = *state;
	char *text = t_json_string(SIZE);

	options.idempotency_key = "once";
	t_send_begin(&sending, f, (int64_t)SIZE, &options);
	t_ok(t_send_bytes(&sending, text, SIZE));
	t_wait(parts(f) == 2);
	assert_int_equal(streams(f), 0);
	t_ok(t_send_end(&sending));
	t_stored(&sending, text, SIZE);
	t_send_fini(&sending);
	free(text);
}

/* ---- who refuses, and who goes ---- */

/* The store must not have the end of what is refused. */
static void the_end_waits_for_the_last_word(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	char *text = t_json_string(SIZE);

	text[SIZE - 1] = 'x';
	t_send_begin(&sending, f, (int64_t)SIZE, NULL);
	t_ok(t_send_bytes(&sending, text, SIZE));
	t_wait(moving(f) == 0);
	t_fails(SANGRAHA_E_REJECTED, t_send_end(&sending));
	assert_int_equal(parts(f), 1);
	t_send_fini(&sending);
	free(text);
	t_nothing_left(f);
	t_wait(streams(f) == 0);
}

static void who_goes_in_the_middle_leaves_nothing(void **state)
{
	static const size_t sent[] = { T_PART, T_PART + 10, T_PART + 3 * T_MIB,
				       SIZE - 10 };
	struct t_roles *f = *state;
	char *text = t_json_string(SIZE);

	for (size_t i = 0; i < SGH_COUNT(sent); i++) {
		struct t_sending sending = { 0 };

		t_send_begin(&sending, f, (int64_t)SIZE, NULL);
		t_ok(t_send_bytes(&sending, text, sent[i]));
		t_send_fini(&sending);
		t_nothing_left(f);
		t_wait(streams(f) == 0);
	}
	free(text);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_uploads_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(a_fast_client_needs_two_parts),
	CASE(what_has_no_length_is_cut),
	cmocka_unit_test_setup_teardown(what_is_given_at_once_is_held,
					t_uploads_begin_wide, t_roles_end),
	CASE(what_is_very_large_is_cut),
	CASE(of_many_not_all_keep_a_connection),
	CASE(a_slow_client_keeps_what_can_be_repeated),
	CASE(only_the_beginning_lets_others_pass),
	CASE(it_holds_one_part_and_the_window),
	CASE(what_waits_for_its_client_does_not_move),
	CASE(what_broke_off_is_unavailable),
	CASE(who_sends_learns_of_it),
	CASE(what_broke_at_its_beginning_is_sent_again),
	CASE(a_store_that_stays_silent_is_given_up),
	CASE(what_has_a_key_is_cut),
	CASE(the_end_waits_for_the_last_word),
	CASE(who_goes_in_the_middle_leaves_nothing),
};

t_main(tests)
