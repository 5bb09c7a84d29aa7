/* SPDX-License-Identifier: MIT */
#include <sangraha/admin.h>

#include "role/sweep.h"
#include "support/large.h"

/* What the sweeper does with tombstones and failures that have ended. */

#define BODY   "{\"a\":1}"
#define DELETE "6e0a3c56-1f0e-4c0a-8f5e-000000000001"

#define DAY (86400 * 1000LL)

/* How much of what was swept had ended. */
static unsigned sweeps(struct t_roles *f)
{
	uint64_t count = 0;

	t_ok(sangraha_admin_sweep(f->store, NULL, 0, &count, &t_err));
	return (unsigned)count;
}

static void bury(struct t_roles *f, const char *id, int64_t expires_ms)
{
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_record record = {
		.operation_id = DELETE,
		.type = "json",
		.created_ms = expires_ms > 2 * DAY ? expires_ms - 2 * DAY : 1,
		.expires_ms = expires_ms,
		.offset = -1,
	};

	sgh_record_key_deleted(key, "json", id);
	t_set_record(f, key, &record);
}

static void buried(struct t_roles *f, const char *id)
{
	bury(f, id, sgh_time_ms() - 1);
}

static bool is_buried(struct t_roles *f, const char *id)
{
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_deleted(key, "json", id);
	return memory_store_has(f->store, "meta", key);
}

static void claims(struct t_roles *f, const char *id, int64_t created_ms)
{
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_record record = {
		.operation_id = id,
		.type = "json",
		.created_ms = created_ms,
		.offset = -1,
	};

	sgh_record_key_operation(key, id);
	t_set_record(f, key, &record);
}

static void fails(struct t_roles *f, const char *id, int64_t expires_ms)
{
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_record record = {
		.operation_id = id,
		.code = "rejected",
		.created_ms = expires_ms > DAY ? expires_ms - DAY : 1,
		.expires_ms = expires_ms,
		.offset = -1,
	};

	sgh_record_key_operation(key, id);
	t_set_record(f, key, &record);
}

static bool has_operation(struct t_roles *f, const char *id)
{
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_operation(key, id);
	return memory_store_has(f->store, "meta", key);
}

/* ---- tombstones ---- */

static void one_that_ended_goes(void **state)
{
	struct t_roles *f = *state;

	buried(f, t_id(1));
	assert_int_equal(sweeps(f), 1);
	assert_int_equal(memory_store_count(f->store, "meta"), 0);
	t_journal(f->script, "get meta/deleted: ok\n"
			     "get meta/deleted: ok\n"
			     "head meta/upload: not_found\n"
			     "head json: not_found\n"
			     "list meta: ok\n"
			     "get meta/operation: not_found\n"
			     "get meta/deleted: ok\n"
			     "delete meta/deleted: ok\n");
}

static void one_that_has_not_stays(void **state)
{
	struct t_roles *f = *state;

	bury(f, t_id(1), sgh_time_ms() + 60000);
	assert_int_equal(sweeps(f), 0);
	assert_true(is_buried(f, t_id(1)));
}

/* A write that came late, and could not take back what it stored. */
static void the_object_is_removed_once_more(void **state)
{
	struct t_roles *f = *state;

	buried(f, t_id(1));
	t_pins(f, t_id(1), BODY, true);
	t_pins(f, t_id(2), BODY, true);
	assert_int_equal(sweeps(f), 0);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
	assert_false(t_has_record(f, t_id(1)));
	assert_true(memory_store_has(f->store, "json", t_id(2)));
	assert_true(t_has_record(f, t_id(2)));
	/* The tombstone outlives it by one look. */
	assert_true(is_buried(f, t_id(1)));
	assert_int_equal(sweeps(f), 1);
	assert_false(is_buried(f, t_id(1)));
}

static void its_records_alone_go_too(void **state)
{
	struct t_roles *f = *state;

	buried(f, t_id(1));
	t_pins(f, t_id(1), BODY, true);
	memory_store_remove(f->store, "json", t_id(1));
	assert_int_equal(sweeps(f), 0);
	assert_false(t_has_record(f, t_id(1)));
	assert_int_equal(script_count(f->script, "delete json"), 0);
	assert_int_equal(sweeps(f), 1);
}

/* Its commit is to find the tombstone. */
static void one_of_an_open_upload_stays(void **state)
{
	struct t_roles *f = *state;
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_record upload = {
		.record = T_RECORD,
		.type = "json",
		.expires_ms = sgh_time_ms() + 60000,
		.offset = -1,
	};

	buried(f, t_id(1));
	sgh_record_key_upload(key, t_id(1));
	t_set_record(f, key, &upload);
	assert_int_equal(sweeps(f), 0);
	assert_true(is_buried(f, t_id(1)));
}

static void the_claim_of_what_was_deleted_goes(void **state)
{
	struct t_roles *f = *state;

	buried(f, t_id(1));
	claims(f, t_id(1), sgh_time_ms() - 3 * DAY);
	claims(f, t_id(2), sgh_time_ms() - 3 * DAY);
	assert_int_equal(sweeps(f), 1);
	assert_false(has_operation(f, t_id(1)));
	assert_true(has_operation(f, t_id(2)));
}

static void a_younger_claim_stays(void **state)
{
	struct t_roles *f = *state;

	buried(f, t_id(1));
	claims(f, t_id(1), sgh_time_ms());
	assert_int_equal(sweeps(f), 1);
	assert_true(has_operation(f, t_id(1)));
}

static void what_is_no_tombstone_of_ours_stays(void **state)
{
	static const char record[] =
		"{\"sangraha\":1,\"type\":\"json\",\"created_ms\":1,\"expires_ms\":2}";
	static const char *const keys[] = {
		"deleted/0199f2c4-0000-7000-8000-000000000001",
		"deleted/film/0199f2c4-0000-7000-8000-000000000001",
		"deleted/json/0199f2c4-0000-7000-8000-000000000001/x",
		"deleted/json/0199f2c4-0000-7000-8000-0000000000010",
		/* Its type is another one than its key's. */
		"deleted/pdf/0199f2c4-0000-7000-8000-000000000001",
		"deletedx",
	};
	struct t_roles *f = *state;

	for (size_t i = 0; i < SGH_COUNT(keys); i++)
		memory_store_set(f->store, "meta", keys[i], record);
	assert_int_equal(sweeps(f), 0);
	assert_int_equal(memory_store_count(f->store, "meta"), SGH_COUNT(keys));
}

/* One that another version wrote: told, and left. */
static void what_cannot_be_read_stays(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "meta",
			 "deleted/json/0199f2c4-0000-7000-8000-000000000001",
			 "{\"sangraha\":2,\"type\":\"json\",\"expires_ms\":2}");
	buried(f, t_id(2));
	t_fails(SANGRAHA_E_INTERNAL,
		sangraha_admin_sweep(f->store, NULL, 0, NULL, &t_err));
	assert_int_equal(memory_store_count(f->store, "meta"), 1);
}

/* ---- tombstones: two receivers ---- */

struct sweeping {
	struct sgh_sweep sweep;
	bool done; /* atomic */
};

static void done(struct sgh_sweep *sweep)
{
	struct sweeping *sweeping = sgh_container_of(sweep, struct sweeping, sweep);

	__atomic_store_n(&sweeping->done, true, __ATOMIC_RELEASE);
}

/* Not on the stack: a case that fails leaves it running. */
static struct sweeping *start(struct t_roles *f, struct sangraha_types *types,
			      struct sgh_sweep_place *places)
{
	struct sweeping *sweeping = calloc(1, sizeof(*sweeping));

	*sweeping = (struct sweeping){
		.sweep = {
			.context = f->context,
			.errand.store = f->store,
			.types = types,
			.role = "test",
			.places = places,
			.done = done,
		},
	};
	sgh_sweep_run(&sweeping->sweep);
	return sweeping;
}

static void finish(struct sweeping *sweeping)
{
	t_wait(__atomic_load_n(&sweeping->done, __ATOMIC_ACQUIRE));
	sgh_sweep_fini(&sweeping->sweep);
	free(sweeping);
}

/* One is held up at `op`; meanwhile another one ends the tombstone, and somebody writes. */
static void overtaken_at(struct t_roles *f, const char *op, unsigned nth)
{
	struct sangraha_types *types;
	struct sweeping *sweeping;

	t_ok(sangraha_types_new(NULL, &types, &t_err));
	buried(f, t_id(1));
	script_hold(f->script, op, nth);
	sweeping = start(f, types, NULL);
	t_wait(script_holding(f->script));
	assert_int_equal(sweeps(f), 1);
	t_pins(f, t_id(1), BODY, true);
	script_release(f->script);
	finish(sweeping);
	assert_true(memory_store_has(f->store, "json", t_id(1)));
	assert_true(t_has_record(f, t_id(1)));
	bury(f, t_id(1), 1);
	sweeps(f);
	sweeps(f);
	sangraha_types_unref(types);
}

static void what_is_written_after_its_end_is_left(void **state)
{
	struct t_roles *f = *state;

	overtaken_at(f, "head meta/upload", 1);
	overtaken_at(f, "head json", 1);
	overtaken_at(f, "list meta", 3);
	overtaken_at(f, "get meta/operation", 1);
	overtaken_at(f, "delete meta/deleted", 1);
}

static void another_deletes_tombstone_is_left(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_types *types;
	struct sweeping *sweeping;

	t_ok(sangraha_types_new(NULL, &types, &t_err));
	buried(f, t_id(1));
	script_hold(f->script, "get meta/operation", 1);
	sweeping = start(f, types, NULL);
	t_wait(script_holding(f->script));
	bury(f, t_id(1), sgh_time_ms() + DAY);
	script_release(f->script);
	finish(sweeping);
	assert_true(is_buried(f, t_id(1)));
	sangraha_types_unref(types);
}

/* ---- failures ---- */

static void failures_that_ended_go(void **state)
{
	struct t_roles *f = *state;

	fails(f, t_id(1), sgh_time_ms() - 1);
	fails(f, t_id(2), sgh_time_ms() + 60000);
	claims(f, t_id(3), 1);
	assert_int_equal(sweeps(f), 1);
	assert_false(has_operation(f, t_id(1)));
	assert_true(has_operation(f, t_id(2)));
	assert_true(has_operation(f, t_id(3)));
}

/* ---- any step fails ---- */

static void a_sweep_is_completed_by_the_next(void **state)
{
	static const char *const verbs[] = {
		"list meta", "get meta/deleted",   "head meta/upload",    "head json",
		"delete",    "get meta/operation", "delete meta/deleted",
	};
	struct t_roles *f = *state;

	for (size_t i = 0; i < SGH_COUNT(verbs); i++)
		for (unsigned nth = 1; nth <= 3; nth++) {
			buried(f, t_id(1));
			t_pins(f, t_id(1), BODY, true);
			claims(f, t_id(1), 1);
			fails(f, t_id(2), 1);
			script_fail(f->script, verbs[i], nth, SANGRAHA_E_UNAVAILABLE);
			sangraha_admin_sweep(f->store, NULL, 0, NULL, NULL);
			sangraha_admin_sweep(f->store, NULL, 0, NULL, NULL);
			script_clear(f->script);
			sweeps(f);
			sweeps(f);
			assert_int_equal(memory_store_count(f->store, "json"), 0);
			assert_int_equal(memory_store_count(f->store, "meta"), 0);
		}
}

/* ---- a receiver's pace ---- */

struct paced {
	struct t_roles *f;
	struct sangraha_types *types;
	struct sgh_sweep_place places[SGH_SWEEP_KINDS];
	unsigned cleared;
	bool more;
};

static void paced(struct paced *paced, struct t_roles *f)
{
	*paced = (struct paced){ .f = f };
	t_ok(sangraha_types_new(NULL, &paced->types, &t_err));
}

static void paced_sweep(struct paced *paced)
{
	struct sweeping *sweeping;

	script_forget(paced->f->script);
	sweeping = start(paced->f, paced->types, paced->places);
	t_wait(__atomic_load_n(&sweeping->done, __ATOMIC_ACQUIRE));
	assert_int_equal(sweeping->sweep.status, 0);
	paced->cleared = sweeping->sweep.cleared;
	paced->more = sweeping->sweep.more;
	finish(sweeping);
}

static void a_sweep_ends_a_thousand(void **state)
{
	struct t_roles *f = *state;
	struct paced pace;

	paced(&pace, f);
	for (unsigned i = 0; i < 1500; i++)
		fails(f, t_id(i), 1);
	paced_sweep(&pace);
	assert_int_equal(pace.cleared, 1000);
	assert_true(pace.more);
	paced_sweep(&pace);
	assert_int_equal(pace.cleared, 500);
	assert_false(pace.more);
	assert_int_equal(memory_store_count(f->store, "meta"), 0);
	sangraha_types_unref(pace.types);
}

static void what_is_young_is_not_read(void **state)
{
	struct t_roles *f = *state;
	struct paced pace;

	paced(&pace, f);
	pace.places[SGH_SWEEP_GRAVES].kept_ms = 60000;
	pace.places[SGH_SWEEP_FAILURES].kept_ms = 60000;
	buried(f, t_id(1));
	fails(f, t_id(2), 1);
	paced_sweep(&pace);
	assert_int_equal(pace.cleared, 0);
	assert_int_equal(script_count(f->script, "get"), 0);
	sangraha_types_unref(pace.types);
}

static void what_stays_is_read_once(void **state)
{
	struct t_roles *f = *state;
	struct paced pace;
	int64_t since;

	paced(&pace, f);
	claims(f, t_id(1), 1);
	paced_sweep(&pace);
	assert_int_equal(script_count(f->script, "get meta/operation"), 1);
	paced_sweep(&pace);
	assert_int_equal(script_count(f->script, "get meta/operation"), 0);
	/* What is as old as the sweep was seen by it. */
	since = sgh_time_ms();
	t_wait(sgh_time_ms() > since);
	fails(f, t_id(2), 1);
	paced_sweep(&pace);
	assert_int_equal(pace.cleared, 1);
	sangraha_types_unref(pace.types);
}

/* Its writer's clock is ahead of the store's. */
static void what_ends_later_is_read_again(void **state)
{
	struct t_roles *f = *state;
	struct paced pace;
	int64_t end = sgh_time_ms() + 300;

	paced(&pace, f);
	fails(f, t_id(1), end);
	paced_sweep(&pace);
	assert_int_equal(pace.cleared, 0);
	t_wait(sgh_time_ms() > end);
	paced_sweep(&pace);
	assert_int_equal(pace.cleared, 1);
	sangraha_types_unref(pace.types);
}

/* Of claims that stand for days there may be many. */
static void what_ends_later_is_not_read_all_the_time(void **state)
{
	struct t_roles *f = *state;
	struct paced pace;
	char key[SGH_RECORD_KEY_SIZE];

	paced(&pace, f);
	pace.places[SGH_SWEEP_FAILURES].kept_ms = 24 * 60000;
	fails(f, t_id(1), sgh_time_ms() + DAY);
	sgh_record_key_operation(key, t_id(1));
	memory_store_age(f->store, "meta", key, 48 * 60000);
	paced_sweep(&pace);
	assert_int_equal(script_count(f->script, "get meta/operation"), 1);
	paced_sweep(&pace);
	assert_int_equal(script_count(f->script, "get meta/operation"), 0);
	/* Its minute is over. */
	pace.places[SGH_SWEEP_FAILURES].again_ms -= 60000;
	paced_sweep(&pace);
	assert_int_equal(script_count(f->script, "get meta/operation"), 1);
	sangraha_types_unref(pace.types);
}

static void a_receiver_does_it_by_itself(void **state)
{
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.request_timeout_ms = 100,
		.ticket_timeout_ms = 100,
		.async_timeout_ms = 100,
	};
	struct t_roles *f = *state;

	memory_store_set(f->store, "json", t_id(1), BODY);
	t_start_receiver(f, &options);
	t_deletes(f, 0, "json", t_id(1));
	t_wait(!is_buried(f, t_id(1)));
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_roles_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(one_that_ended_goes),
	CASE(one_that_has_not_stays),
	CASE(the_object_is_removed_once_more),
	CASE(its_records_alone_go_too),
	CASE(one_of_an_open_upload_stays),
	CASE(the_claim_of_what_was_deleted_goes),
	CASE(a_younger_claim_stays),
	CASE(what_is_no_tombstone_of_ours_stays),
	CASE(what_cannot_be_read_stays),
	CASE(what_is_written_after_its_end_is_left),
	CASE(another_deletes_tombstone_is_left),
	CASE(failures_that_ended_go),
	CASE(a_sweep_is_completed_by_the_next),
	CASE(a_sweep_ends_a_thousand),
	CASE(what_is_young_is_not_read),
	CASE(what_stays_is_read_once),
	CASE(what_ends_later_is_read_again),
	CASE(what_ends_later_is_not_read_all_the_time),
	CASE(a_receiver_does_it_by_itself),
};

t_main(tests)
