/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "support/reconcile.h"

/* Reconciling while others work, a store that fails, ends, and great numbers. */

/* ---- what goes on meanwhile ---- */

struct other {
	struct t_roles *f;
	struct t_reconciling run;
	pthread_t thread;
	int status;
};

static void *reconcile_as_other(void *arg)
{
	struct other *other = arg;

	other->status = t_reconcile(other->f, &other->run);
	return NULL;
}

static void start(struct other *other, struct t_roles *f)
{
	other->f = f;
	t_reconciling(&other->run, true);
	assert_int_equal(pthread_create(&other->thread, NULL, reconcile_as_other, other),
			 0);
}

/* It came to its end, and touched nothing. */
static void passes(struct other *other)
{
	script_release(other->f->script);
	pthread_join(other->thread, NULL);
	assert_int_equal(other->status, 0);
	assert_string_equal(sgh_buf_text(&other->run.found), "");
	assert_int_equal(other->run.counts.passed, 1);
	sgh_buf_fini(&other->run.found);
}

static void what_changes_between_the_looks_is_left(void **state)
{
	struct t_roles *f = *state;
	struct other other;

	t_pins(f, t_id(1), T_BODY, false);
	/* The first look after the walk's own, and the second. */
	script_hold(f->script, "head json", 3);
	start(&other, f);
	t_wait(script_holding(f->script));
	t_uploads(f, t_id(1), t_later());
	passes(&other);
	assert_true(memory_store_has(f->store, "json", t_id(1)));
	assert_int_equal(memory_store_count(f->store, "meta"), 1);
}

static void what_changes_after_the_second_look_is_left(void **state)
{
	struct t_roles *f = *state;
	struct other other;

	t_pins(f, t_id(1), T_BODY, false);
	script_hold(f->script, "put-new meta/upload", 1);
	start(&other, f);
	t_wait(script_holding(f->script));
	t_uploads(f, t_id(1), t_later());
	passes(&other);
	assert_true(memory_store_has(f->store, "json", t_id(1)));
	assert_int_equal(memory_store_count(f->store, "meta"), 1);
}

/* Others repaired it, and somebody wrote the id again. */
static void what_is_written_after_anothers_repair_is_left(void **state)
{
	struct t_roles *f = *state;
	struct other other;

	t_pins(f, t_id(1), T_BODY, false);
	script_hold(f->script, "put-new meta/upload", 1);
	start(&other, f);
	t_wait(script_holding(f->script));
	t_finds(f, true, "object-incomplete did json/" T_ID_1 "\n");
	t_stores(f, t_id(1));
	script_release(f->script);
	pthread_join(other.thread, NULL);
	assert_int_equal(other.status, 0);
	sgh_buf_fini(&other.run.found);
	assert_true(memory_store_has(f->store, "json", t_id(1)));
	assert_int_equal(memory_store_count(f->store, "meta"), 0);
}

static void everything_that_is_wrong(struct t_roles *f)
{
	t_uploads(f, t_id(1), 1);
	t_opens(f, t_id(1));
	t_pins(f, t_id(2), T_BODY, true);
	memory_store_remove(f->store, "json", t_id(2));
	t_pins(f, t_id(3), T_BODY, false);
	t_stores(f, t_id(4));
	t_buries(f, t_id(4), t_later());
	t_buries(f, t_id(5), 1);
	t_fails_for(f, t_id(6), 1);
	t_claims(f, t_id(7));
	t_pins(f, t_id(8), T_BODY, true);
	t_uploads(f, t_id(8), t_later());
}

/* All that is wrong is gone, and nothing of what lives. */
static void is_clean(struct t_roles *f)
{
	t_finds(f, true, "");
	assert_true(memory_store_has(f->store, "json", t_id(8)));
	assert_true(memory_store_has(f->store, "json", t_id(11)));
	assert_true(memory_store_has(f->store, "json", t_id(12)));
	assert_true(memory_store_has(f->store, "json", t_id(16)));
	assert_int_equal(memory_store_count(f->store, "json"), 4);
	assert_int_equal(memory_store_uploads(f->store, "json"), 1);
}

static void several_at_once_are_harmless(void **state)
{
	struct t_roles *f = *state;
	struct other others[3];

	t_everything_that_lives(f);
	everything_that_is_wrong(f);
	for (size_t i = 0; i < SGH_COUNT(others); i++)
		start(&others[i], f);
	for (size_t i = 0; i < SGH_COUNT(others); i++) {
		pthread_join(others[i].thread, NULL);
		assert_int_equal(others[i].status, 0);
		assert_int_equal(others[i].run.counts.failed, 0);
		sgh_buf_fini(&others[i].run.found);
	}
	is_clean(f);
}

/* ---- a store that fails ---- */

static void a_step_that_fails_is_done_by_the_next(void **state)
{
	static const char *const verbs[] = {
		"list",        "head json",    "head meta",
		"get meta",    "put-new meta", "delete json",
		"delete meta", "upload-find",  "upload-abort",
	};
	struct t_roles *f = *state;

	for (size_t i = 0; i < SGH_COUNT(verbs); i++)
		for (unsigned nth = 1; nth <= 12; nth++) {
			struct t_reconciling run;

			memory_store_wipe(f->store);
			t_make_buckets(f);
			t_everything_that_lives(f);
			everything_that_is_wrong(f);
			t_reconciling(&run, true);
			/* Not one that passes: those are tried again. */
			script_fail(f->script, verbs[i], nth, SANGRAHA_E_UNAUTHORIZED);
			t_reconcile(f, &run);
			sgh_buf_fini(&run.found);
			script_clear(f->script);
			t_reconciling(&run, true);
			t_ok(t_reconcile(f, &run));
			sgh_buf_fini(&run.found);
			/* A failure may leave the record of an upload that is over. */
			is_clean(f);
		}
}

static void a_passing_failure_is_tried_again(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), T_BODY, false);
	script_fail(f->script, "list", 1, SANGRAHA_E_UNAVAILABLE);
	script_fail(f->script, "head json", 2, SANGRAHA_E_TIMEOUT);
	t_finds(f, true, "object-incomplete did json/" T_ID_1 "\n");
}

static void a_failed_repair_is_told(void **state)
{
	struct t_roles *f = *state;
	struct t_reconciling run;

	t_reconciling(&run, true);
	t_fails_for(f, t_id(1), 1);
	t_fails_for(f, t_id(2), 1);
	script_fail(f->script, "delete meta/operation", 1, SANGRAHA_E_UNAUTHORIZED);
	t_ok(t_reconcile(f, &run));
	assert_string_equal(sgh_buf_text(&run.found),
			    "operation-ended failed meta/operation/" T_ID_1 "\n"
			    "operation-ended did meta/operation/" T_ID_2 "\n");
	assert_int_equal(run.counts.failed, 1);
	sgh_buf_fini(&run.found);
}

/* ---- ends, and going on ---- */

static void a_slow_store_is_given_up(void **state)
{
	struct t_roles *f = *state;
	struct t_reconciling run;

	t_reconciling(&run, true);
	run.options.timeout_ms = 100;
	script_hold(f->script, "list", 1);
	t_fails(SANGRAHA_E_TIMEOUT, t_reconcile(f, &run));
	assert_string_equal(run.counts.place, "meta/");
}

static int stop(void *arg, const struct sangraha_finding *finding)
{
	(void)finding;
	return ++*(unsigned *)arg == 1;
}

static void it_goes_on_where_it_was_broken_off(void **state)
{
	struct t_roles *f = *state;
	struct t_reconciling run;
	char place[SANGRAHA_PLACE_SIZE];
	unsigned count = 0;

	t_reconciling(&run, true);
	t_fails_for(f, t_id(1), 1);
	t_pins(f, t_id(2), T_BODY, false);
	t_ages();
	t_ok(sangraha_admin_reconcile(f->store, NULL, &run.options, stop, &count,
				      &run.counts, &t_err));
	assert_int_equal(count, 1);
	strcpy(place, run.counts.place);
	assert_string_equal(place, "meta/");
	run.options.from = "json/";
	t_ok(t_reconcile(f, &run));
	assert_string_equal(sgh_buf_text(&run.found),
			    "object-incomplete did json/" T_ID_2 "\n");
	sgh_buf_fini(&run.found);
}

static void another_place_is_invalid(void **state)
{
	static const char *const places[] = { "x", "json", "jso/", "jsonx/", "/" };
	struct t_reconciling run;

	t_reconciling(&run, true);
	for (size_t i = 0; i < SGH_COUNT(places); i++) {
		run.options.from = places[i];
		t_fails(SANGRAHA_E_INVALID, t_reconcile(*state, &run));
	}
	t_fails(SANGRAHA_E_INVALID,
		sangraha_admin_reconcile(NULL, NULL, NULL, NULL, NULL, NULL, &t_err));
}

/* More than a page of keys, and more suspects than are held at once. */
static void there_may_be_many(void **state)
{
	struct t_roles *f = *state;
	struct t_reconciling run;

	for (unsigned i = 0; i < 1100; i++) {
		t_stores(f, t_id(i));
		t_claims(f, t_id(i));
	}
	for (unsigned i = 2000; i < 2150; i++) {
		t_fails_for(f, t_id(i + 1000), 1);
		t_pins(f, t_id(i), T_BODY, false);
	}
	t_reconciling(&run, true);
	t_ok(t_reconcile(f, &run));
	assert_int_equal(run.counts.records, 1250);
	assert_int_equal(run.counts.objects, 1250);
	assert_int_equal(run.counts.did, 300);
	sgh_buf_fini(&run.found);
	t_finds(f, true, "");
	assert_int_equal(memory_store_count(f->store, "json"), 1100);
	assert_int_equal(memory_store_count(f->store, "meta"), 1100);
}

/* A claim whose object is there costs no request of its own. */
static void living_claims_cost_a_page(void **state)
{
	struct t_roles *f = *state;
	struct t_reconciling run;

	for (unsigned i = 0; i < 500; i++) {
		t_stores(f, t_id(i));
		t_claims(f, t_id(i));
		t_buries(f, t_id(i + 1000), t_later());
	}
	t_reconciling(&run, false);
	run.options.longest_ms = 60000;
	t_ok(t_reconcile(f, &run));
	assert_int_equal(run.counts.found, 0);
	assert_int_equal(script_count(f->script, "get"), 0);
	assert_int_equal(script_count(f->script, "head"), 500);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_reconcile_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(what_changes_between_the_looks_is_left),
	CASE(what_changes_after_the_second_look_is_left),
	CASE(what_is_written_after_anothers_repair_is_left),
	CASE(several_at_once_are_harmless),
	CASE(a_step_that_fails_is_done_by_the_next),
	CASE(a_passing_failure_is_tried_again),
	CASE(a_failed_repair_is_told),
	CASE(a_slow_store_is_given_up),
	CASE(it_goes_on_where_it_was_broken_off),
	CASE(another_place_is_invalid),
	CASE(there_may_be_many),
	CASE(living_claims_cost_a_page),
};

t_main(tests)
