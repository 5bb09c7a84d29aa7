/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/metrics.h"
#include "role/downloads.h"

/* Bodies on their way out of the store, on tickets that an earlier read was given. */

static bool follows(struct t_roles *f)
{
	return sgh_cache_mark(f->client->cache, ID) != 0;
}

/* As usual, and one read has been: its ticket is kept. */
static int begin(void **state)
{
	struct sangraha_client_options options = {
		.size = sizeof(options),
		.idle_timeout_ms = 2000,
		.cache_ttl_ms = 3600000,
	};
	struct t_roles *f;
	int64_t began_ms;

	t_downloads_begin(state);
	f = *state;
	t_start_caching_client(f, &options);
	t_wait(follows(f));
	script_forget(f->script);
	sangraha_result_free(t_answer_of(f));
	assert_int_equal(t_questions(f), 1);
	/* The next one ends later, and so has another URL. */
	began_ms = sgh_time_ms();
	t_wait(sgh_time_ms() > began_ms);
	return 0;
}

/* ---- what is done and seen ---- */

static void reads(struct t_roles *f, size_t offset, size_t length)
{
	struct t_reader reader = { 0 };

	t_ok(t_read_part(f, &reader, offset, length));
	t_was_read(&reader, offset, length);
}

static int64_t counter(struct t_roles *f, const char *name)
{
	return sgh_metric_get(sgh_metrics_counter(f->context->metrics, name, ""));
}

/* ---- cases ---- */

static void ranges_of_an_object_ask_once(void **state)
{
	struct t_roles *f = *state;

	for (size_t i = 0; i < 12; i++)
		reads(f, i * 1000, 500);
	reads(f, 0, SIZE);
	assert_int_equal(t_questions(f), 1);
	assert_int_equal(scripted_begun(), 13);
	assert_int_equal(counter(f, "sangraha_cache_hits_total"), 13);
	assert_int_equal(counter(f, "sangraha_cache_misses_total"), 1);
}

/* Refused, gone, away at once, or silent: one question, which waits for nothing. */
static void what_is_not_good_any_more_is_asked_for_once(void **state)
{
	static const int statuses[] = { SANGRAHA_E_UNAUTHORIZED, SANGRAHA_E_NOT_FOUND,
					SANGRAHA_E_UNAVAILABLE, SANGRAHA_E_TIMEOUT,
					SANGRAHA_E_INTERNAL };
	struct t_roles *f = *state;

	for (size_t i = 0; i < SGH_COUNT(statuses); i++) {
		scripted_mover_reset(t_body);
		SCRIPT({ .nothing = true, .status = statuses[i] });
		reads(f, 10, 5000);
		assert_int_equal(t_questions(f), 2 + i);
		assert_int_equal(scripted_begun(), 2);
		/* What was asked for is kept. */
		reads(f, 20, 5000);
		assert_int_equal(t_questions(f), 2 + i);
		assert_int_equal(scripted_begun(), 3);
	}
}

static void so_is_what_does_not_even_begin(void **state)
{
	struct t_roles *f = *state;

	SCRIPT({ .submit = SANGRAHA_E_UNAVAILABLE });
	reads(f, 10, 5000);
	assert_int_equal(t_questions(f), 2);
}

static void want_of_room_is_not_the_tickets_doing(void **state)
{
	struct t_roles *f = *state;

	SCRIPT({ .submit = SANGRAHA_E_OVERLOADED });
	reads(f, 10, 5000);
	assert_int_equal(t_questions(f), 1);
	assert_int_equal(scripted_begun(), 2);
}

static void a_break_in_the_middle_is_taken_up_on_it(void **state)
{
	struct t_roles *f = *state;

	SCRIPT({ .give = 1000, .status = SANGRAHA_E_UNAVAILABLE });
	reads(f, 10, 5000);
	t_began_at(2, (uint64_t[]){ 10, 1010 });
	assert_int_equal(t_questions(f), 1);
}

static void a_new_ticket_that_is_refused_is_the_end(void **state)
{
	static const int statuses[] = { SANGRAHA_E_UNAUTHORIZED, SANGRAHA_E_NOT_FOUND };
	static const int ends[] = { SANGRAHA_E_UNAVAILABLE, SANGRAHA_E_NOT_FOUND };
	struct t_roles *f = *state;

	for (size_t i = 0; i < SGH_COUNT(statuses); i++) {
		struct t_reader reader = { 0 };

		scripted_mover_reset(t_body);
		SCRIPT({ .nothing = true, .status = statuses[i], .for_ever = true });
		t_fails(ends[i], t_read_part(f, &reader, 0, 0));
		assert_int_equal(t_questions(f), 2 + i);
		assert_int_equal(scripted_begun(), 2);
	}
}

static void an_object_that_went_away_is_not_found(void **state)
{
	struct t_roles *f = *state;
	struct t_reader reader = { 0 };

	/* Nothing tells of it. */
	memory_store_remove(f->store, "json", ID);
	SCRIPT({ .nothing = true, .status = SANGRAHA_E_NOT_FOUND, .for_ever = true });
	t_fails(SANGRAHA_E_NOT_FOUND, t_read_part(f, &reader, 0, 0));
	assert_int_equal(scripted_begun(), 1);
	t_fails(SANGRAHA_E_NOT_FOUND, t_read_part(f, &reader, 0, 0));
	assert_int_equal(scripted_begun(), 1);
}

static bool is_kept(struct t_roles *f)
{
	struct sgh_cached found;

	if (!sgh_cache_get(f->client->cache, SGH_WANT_DESCRIPTION, "json", ID,
			   sgh_now_ms(), &found))
		return false;
	sgh_cached_fini(&found);
	return true;
}

/* The answer may take its time, or never come. */
static void who_asks_anew_leaves_the_old_one_to_nobody(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_download *download;
	size_t calls = 0;

	SCRIPT({ .nothing = true, .status = SANGRAHA_E_UNAUTHORIZED });
	assert_true(is_kept(f));
	script_hold(f->script, "get json", 1);
	download = t_download_of(f, &calls);
	t_wait(script_holding(f->script));
	assert_false(is_kept(f));
	script_release(f->script);
	t_wait(scripted_begun() == 2);
	assert_true(is_kept(f));
	sangraha_download_free(download);
	t_wait(sgh_budget_used(t_budget(f)) == 0);
}

/* Each finds out for itself, and takes away what it was given, not what came since. */
static void those_under_way_do_not_take_away_the_new_one(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_download *first;
	struct sangraha_download *second;
	size_t calls = 0;

	SCRIPT({ .nothing = true, .stall = true }, { .nothing = true, .stall = true });
	first = t_download_of(f, &calls);
	second = t_download_of(f, &calls);
	t_wait(scripted_stalled() == 2);
	sgh_mover_cancel(NULL, &first->move, SANGRAHA_E_UNAUTHORIZED);
	t_wait(t_questions(f) == 2 && scripted_begun() == 3);
	script_hold(f->script, "get json", 1);
	sgh_mover_cancel(NULL, &second->move, SANGRAHA_E_UNAUTHORIZED);
	t_wait(script_holding(f->script));
	reads(f, 0, 100);
	script_release(f->script);
	t_wait(t_questions(f) == 3 && scripted_begun() == 5);
	reads(f, 0, 100);
	assert_int_equal(t_questions(f), 3);
	sangraha_download_free(first);
	sangraha_download_free(second);
	t_wait(sgh_budget_used(t_budget(f)) == 0);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, t_downloads_end)

static const struct CMUnitTest tests[] = {
	CASE(ranges_of_an_object_ask_once),
	CASE(what_is_not_good_any_more_is_asked_for_once),
	CASE(so_is_what_does_not_even_begin),
	CASE(want_of_room_is_not_the_tickets_doing),
	CASE(a_break_in_the_middle_is_taken_up_on_it),
	CASE(a_new_ticket_that_is_refused_is_the_end),
	CASE(an_object_that_went_away_is_not_found),
	CASE(who_asks_anew_leaves_the_old_one_to_nobody),
	CASE(those_under_way_do_not_take_away_the_new_one),
};

t_main(tests)
