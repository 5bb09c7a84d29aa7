/* SPDX-License-Identifier: MIT */
#include "support/reconcile.h"

/* What reconciling finds, what it takes away, and what it never touches. */

/* Dry run, repair, and a third that finds nothing. `what` is "kind" and `place` where. */
static void is_repaired(struct t_roles *f, const char *what, const char *place)
{
	sgh_autofree char *before = t_contents(f);
	sgh_autofree char *after = NULL;
	char lines[300];

	snprintf(lines, sizeof(lines), "%s would %s\n", what, place);
	t_finds(f, false, lines);
	after = t_contents(f);
	assert_string_equal(after, before);
	snprintf(lines, sizeof(lines), "%s did %s\n", what, place);
	t_finds(f, true, lines);
	t_finds(f, true, "");
}

/* Found, and not touched by a repair. */
static void is_left(struct t_roles *f, const char *lines)
{
	sgh_autofree char *before = t_contents(f);
	sgh_autofree char *after = NULL;

	t_finds(f, false, lines);
	t_finds(f, true, lines);
	after = t_contents(f);
	assert_string_equal(after, before);
}

/* ---- what is as it should be ---- */

static void what_lives_is_no_finding(void **state)
{
	struct t_roles *f = *state;

	t_everything_that_lives(f);
	is_left(f, "");
}

static void an_empty_store_is_clean(void **state)
{
	struct t_reconciling run;

	t_reconciling(&run, true);
	t_ok(t_reconcile(*state, &run));
	assert_int_equal(run.counts.records, 0);
	assert_int_equal(run.counts.objects, 0);
	assert_int_equal(run.counts.found, 0);
}

static void without_buckets_nothing_is_repaired(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), T_BODY, false);
	t_finds(f, true, "object-incomplete failed json/" T_ID_1 "\n");
	assert_true(memory_store_has(f->store, "json", t_id(1)));
}

static void what_is_young_is_no_finding(void **state)
{
	struct t_roles *f = *state;
	struct t_reconciling run;

	t_reconciling(&run, true);
	run.options.min_age_ms = 0; /* an hour */
	t_pins(f, t_id(1), T_BODY, false);
	t_claims(f, t_id(2));
	t_uploads(f, t_id(3), 1);
	memory_store_set(f->store, "meta", "note", "x");
	t_ok(t_reconcile(f, &run));
	assert_int_equal(run.counts.found, 0);
	assert_int_equal(run.counts.records, 3);
	assert_int_equal(run.counts.objects, 1);
}

/* ---- each kind ---- */

static void an_upload_that_ended(void **state)
{
	struct t_roles *f = *state;

	t_uploads(f, t_id(1), 1);
	t_opens(f, t_id(1));
	is_repaired(f, "upload-ended", "meta/upload/" T_ID_1);
	assert_int_equal(memory_store_uploads(f->store, "json"), 0);
}

static void an_upload_that_was_completed(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), T_BODY, true);
	t_uploads(f, t_id(1), t_later());
	is_repaired(f, "upload-complete", "meta/upload/" T_ID_1);
	assert_true(memory_store_has(f->store, "json", t_id(1)));
	assert_true(t_has_record(f, t_id(1)));
}

static void a_record_of_no_object(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), T_BODY, true);
	memory_store_remove(f->store, "json", t_id(1));
	t_opens(f, t_id(1));
	is_repaired(f, "record-unused", "meta/object/json/" T_ID_1 "/" T_RECORD);
	assert_int_equal(memory_store_count(f->store, "meta"), 0);
	assert_int_equal(memory_store_uploads(f->store, "json"), 0);
}

static void a_record_of_another_upload(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), T_BODY, true);
	t_stores(f, t_id(1));
	is_repaired(f, "record-unused", "meta/object/json/" T_ID_1 "/" T_RECORD);
	assert_true(memory_store_has(f->store, "json", t_id(1)));
}

static void an_object_without_its_record(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), T_BODY, false);
	t_claims(f, t_id(1));
	t_opens(f, t_id(1));
	is_repaired(f, "object-incomplete", "json/" T_ID_1);
	assert_int_equal(memory_store_count(f->store, "json"), 0);
	assert_int_equal(memory_store_count(f->store, "meta"), 0);
	assert_int_equal(memory_store_uploads(f->store, "json"), 0);
}

/* Its record only holds the place of an upload that is over. */
static void an_object_whose_record_has_no_digest(void **state)
{
	struct t_roles *f = *state;
	struct sgh_record place = {
		.record = T_RECORD,
		.type = "json",
		.upload = "1",
		.created_ms = 1,
		.offset = -1,
	};

	t_pins(f, t_id(1), T_BODY, false);
	t_set_record(f, "object/json/" T_ID_1 "/" T_RECORD, &place);
	is_repaired(f, "object-incomplete", "json/" T_ID_1);
	assert_int_equal(memory_store_count(f->store, "meta"), 0);
}

static void an_object_that_was_deleted(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), T_BODY, true);
	t_buries(f, t_id(1), t_later());
	is_repaired(f, "object-deleted", "json/" T_ID_1);
	assert_int_equal(memory_store_count(f->store, "json"), 0);
	assert_int_equal(memory_store_count(f->store, "meta"), 1);
}

static void an_incomplete_object_that_was_deleted(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), T_BODY, false);
	t_buries(f, t_id(1), t_later());
	is_repaired(f, "object-deleted", "json/" T_ID_1);
}

static void a_tombstone_that_ended(void **state)
{
	struct t_roles *f = *state;

	t_buries(f, t_id(1), 1);
	is_repaired(f, "tombstone-ended", "meta/deleted/json/" T_ID_1);
	assert_int_equal(memory_store_count(f->store, "meta"), 0);
}

static void a_tombstone_that_ended_over_an_object(void **state)
{
	struct t_roles *f = *state;

	t_stores(f, t_id(1));
	t_buries(f, t_id(1), 1);
	is_repaired(f, "tombstone-ended", "meta/deleted/json/" T_ID_1);
	assert_int_equal(memory_store_count(f->store, "json"), 0);
}

static void a_failure_that_ended(void **state)
{
	struct t_roles *f = *state;

	t_fails_for(f, t_id(1), 1);
	is_repaired(f, "operation-ended", "meta/operation/" T_ID_1);
	assert_int_equal(memory_store_count(f->store, "meta"), 0);
}

static void a_claim_that_ended(void **state)
{
	struct t_roles *f = *state;
	struct sgh_record record = {
		.operation_id = T_ID_1,
		.type = "json",
		.created_ms = 1,
		.expires_ms = 2,
		.offset = -1,
	};

	t_set_record(f, "operation/" T_ID_1, &record);
	is_repaired(f, "operation-ended", "meta/operation/" T_ID_1);
	assert_int_equal(memory_store_count(f->store, "meta"), 0);
}

static void a_claim_of_no_object(void **state)
{
	struct t_roles *f = *state;

	t_claims(f, t_id(1));
	t_opens(f, t_id(1));
	is_repaired(f, "claim-unused", "meta/operation/" T_ID_1);
	assert_int_equal(memory_store_count(f->store, "meta"), 0);
	assert_int_equal(memory_store_uploads(f->store, "json"), 0);
}

static void a_claim_may_be_for_a_write_to_come(void **state)
{
	struct t_roles *f = *state;
	struct t_reconciling run;

	t_reconciling(&run, true);
	run.options.longest_ms = 60000;
	t_claims(f, t_id(1));
	t_ok(t_reconcile(f, &run));
	assert_int_equal(run.counts.found, 0);
}

/* ---- what is not ours ---- */

static void foreign_objects_are_told_and_left(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "json", "note", T_BODY);
	memory_store_set(f->store, "json", t_id(2), T_BODY);
	/* What only begins as one of ours: the next is no object of the first's tombstone. */
	t_buries(f, t_id(1), t_later());
	memory_store_set(f->store, "json", T_ID_1 "0", T_BODY);
	memory_store_set(f->store, "json", T_ID_1 "/x", T_BODY);
	memory_store_set(f->store, "other", t_id(3), T_BODY);
	is_left(f, "object-foreign left json/" T_ID_1 "/x\n"
		   "object-foreign left json/" T_ID_1 "0\n"
		   "object-foreign left json/note\n"
		   "object-foreign left json/" T_ID_2 "\n");
}

static void foreign_records_are_told_and_left(void **state)
{
	struct t_roles *f = *state;
	static const char ours[] = "{\"sangraha\":1,\"type\":\"json\",\"expires_ms\":1}";

	memory_store_set(f->store, "meta", "deleted/film/" T_ID_1, ours);
	memory_store_set(f->store, "meta", "deleted/pdf/" T_ID_1, ours);
	memory_store_set(f->store, "meta", "note", "x");
	memory_store_set(f->store, "meta", "object/film/" T_ID_1 "/" T_RECORD, ours);
	memory_store_set(f->store, "meta", "object/json/" T_ID_1, ours);
	memory_store_set(f->store, "meta", "object/json/" T_ID_1 "/" T_RECORD,
			 "{\"sangraha\":1,\"record\":\"" T_ID_2 "\"}");
	memory_store_set(f->store, "meta", "operation/" T_ID_1,
			 "{\"sangraha\":1,\"operation_id\":\"" T_ID_2 "\"}");
	memory_store_set(f->store, "meta", "operation/" T_ID_2, "{\"sangraha\":2}");
	memory_store_set(f->store, "meta", "upload/" T_ID_1, ours);
	memory_store_set(f->store, "meta", "upload/" T_ID_2, "[");
	memory_store_set(f->store, "meta", "uploads/" T_ID_1, ours);
	is_left(f, "record-foreign left meta/deleted/film/" T_ID_1 "\n"
		   "record-foreign left meta/deleted/pdf/" T_ID_1 "\n"
		   "record-foreign left meta/note\n"
		   "record-foreign left meta/object/json/" T_ID_1 "\n"
		   "record-foreign left meta/operation/" T_ID_1 "\n"
		   "record-foreign left meta/operation/" T_ID_2 "\n"
		   "record-foreign left meta/upload/" T_ID_1 "\n"
		   "record-foreign left meta/upload/" T_ID_2 "\n"
		   "record-foreign left meta/uploads/" T_ID_1 "\n"
		   "record-foreign left meta/object/film/" T_ID_1 "/" T_RECORD "\n"
		   "record-foreign left meta/object/json/" T_ID_1 "/" T_RECORD "\n");
}

/* How a store is tried; one that was left is told after a minute. */
static void a_probe_is_under_way(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "meta", "probe/" T_ID_1, "");
	is_left(f, "");
	memory_store_age(f->store, "meta", "probe/" T_ID_1, 70000);
	is_repaired(f, "probe-left", "meta/probe/" T_ID_1);
	assert_int_equal(memory_store_count(f->store, "meta"), 0);
	memory_store_set(f->store, "meta", "probe/" T_ID_1, "x");
	is_left(f, "record-foreign left meta/probe/" T_ID_1 "\n");
}

static void a_contradiction_is_told_and_left(void **state)
{
	struct t_roles *f = *state;
	struct sgh_record record = {
		.record = T_RECORD,
		.type = "json",
		.sha256 = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efc"
			  "de9",
		.size = 99999,
		.created_ms = 1,
		.offset = -1,
	};

	t_pins(f, t_id(1), T_BODY, false);
	t_set_record(f, "object/json/" T_ID_1 "/" T_RECORD, &record);
	is_left(f, "object-contradicted left json/" T_ID_1 "\n");
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_reconcile_begin, t_roles_end)
#define BARE(function) \
	cmocka_unit_test_setup_teardown(function, t_roles_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(what_lives_is_no_finding),
	BARE(an_empty_store_is_clean),
	BARE(without_buckets_nothing_is_repaired),
	CASE(what_is_young_is_no_finding),
	CASE(an_upload_that_ended),
	CASE(an_upload_that_was_completed),
	CASE(a_record_of_no_object),
	CASE(a_record_of_another_upload),
	CASE(an_object_without_its_record),
	CASE(an_object_whose_record_has_no_digest),
	CASE(an_object_that_was_deleted),
	CASE(an_incomplete_object_that_was_deleted),
	CASE(a_tombstone_that_ended),
	CASE(a_tombstone_that_ended_over_an_object),
	CASE(a_failure_that_ended),
	CASE(a_claim_that_ended),
	CASE(a_claim_of_no_object),
	CASE(a_claim_may_be_for_a_write_to_come),
	CASE(foreign_objects_are_told_and_left),
	CASE(foreign_records_are_told_and_left),
	CASE(a_probe_is_under_way),
	CASE(a_contradiction_is_told_and_left),
};

t_main(tests)
