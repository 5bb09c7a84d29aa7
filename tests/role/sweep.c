/* SPDX-License-Identifier: MIT */
#include <sangraha/admin.h>

#include "support/large.h"

/* What the sweeper takes away, and what it leaves. */

#define SMALL 100

static unsigned sweeps(struct t_roles *f)
{
	uint64_t count = 0;

	t_ok(sangraha_admin_sweep(f->store, NULL, 0, &count, &t_err));
	return (unsigned)count;
}

static void begins(struct t_upload *up, struct t_roles *f, const char *id)
{
	t_upload(up, f, id, SMALL);
	t_open(up);
	t_store_parts(up);
}

/* An open upload of that key which no record knows of. */
static void opens(struct t_roles *f, const char *key)
{
	struct sgh_store_op op = {
		.verb = SGH_STORE_UPLOAD_BEGIN,
		.bucket = "json",
		.key = key,
		.content_type = "application/json",
	};

	t_ok(t_op(f, &op));
	sgh_store_op_fini(&op);
}

static void what_has_ended_is_taken_away(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	begins(&up, f, t_id(1));
	t_expire(&up);
	assert_int_equal(sweeps(f), 1);
	assert_true(t_is_nothing(&up));
	assert_int_equal(sweeps(f), 0);
	t_upload_fini(&up);
}

static void what_goes_on_is_left(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	begins(&up, f, t_id(1));
	assert_int_equal(sweeps(f), 0);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_answers(f, 0);
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

/* The commit was broken off just before its end. */
static void what_is_complete_is_left(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	begins(&up, f, t_id(1));
	script_fail(f->script, "delete meta/upload", 0, SANGRAHA_E_INTERNAL);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_answers(f, SANGRAHA_E_INTERNAL);
	script_clear(f->script);
	t_expire(&up);
	assert_int_equal(sweeps(f), 1);
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

/* The store completed it after the commit had given up: it has its record by then. */
static void a_late_completion_is_left(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	begins(&up, f, t_id(1));
	script_lose(f->script, "upload-complete", 1, SANGRAHA_E_INTERNAL);
	script_fail(f->script, "publish " T_WRITE ".delay", 0, SANGRAHA_E_INTERNAL);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_wait(memory_store_has(f->store, "json", up.id));
	t_expire(&up);
	assert_int_equal(sweeps(f), 1);
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

/* Two uploads were begun, and the id of the first one never recorded. */
static void uploads_of_exactly_this_key_go_too(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	char longer[SANGRAHA_ID_SIZE + 2];

	begins(&up, f, t_id(1));
	snprintf(longer, sizeof(longer), "%s-1", up.id);
	opens(f, up.id);
	opens(f, longer);
	opens(f, t_id(2));
	t_expire(&up);
	assert_int_equal(sweeps(f), 1);
	assert_int_equal(memory_store_uploads(f->store, "json"), 2);
	t_upload_fini(&up);
}

/* Nor are the records of others its own. */
static void other_keys_are_left(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	const char *record = "{\"sangraha\":1,\"type\":\"json\",\"expires_ms\":1,"
			     "\"record\":\"0199f2c4-0000-7000-8000-000000000009\"}";

	t_upload(&up, f, t_id(1), SMALL);
	memory_store_set(f->store, "meta", "upload/note", record);
	memory_store_set(f->store, "meta",
			 "upload/0199f2c4-0000-7000-8000-000000000001/x", record);
	memory_store_set(f->store, "meta", "uploads/0199f2c4-0000-7000-8000-000000000001",
			 record);
	memory_store_set(f->store, "json", up.id, "{}");
	assert_int_equal(sweeps(f), 0);
	assert_int_equal(t_records(f, "upload"), 3);
	assert_true(memory_store_has(f->store, "json", up.id));
	t_upload_fini(&up);
}

static void an_object_of_another_way_is_left(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	begins(&up, f, t_id(1));
	memory_store_set(f->store, "json", up.id, "{}");
	t_expire(&up);
	assert_int_equal(sweeps(f), 1);
	assert_true(memory_store_has(f->store, "json", up.id));
	assert_int_equal(memory_store_uploads(f->store, "json"), 0);
	t_upload_fini(&up);
}

static void what_cannot_be_read_is_told_and_passed_over(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	uint64_t count = 0;

	begins(&up, f, t_id(2));
	t_expire(&up);
	memory_store_set(f->store, "meta", "upload/0199f2c4-0000-7000-8000-000000000001",
			 "[");
	t_fails(SANGRAHA_E_INTERNAL,
		sangraha_admin_sweep(f->store, NULL, 0, &count, &t_err));
	assert_int_equal(count, 1);
	t_upload_fini(&up);
}

static void a_store_that_fails_is_told(void **state)
{
	struct t_roles *f = *state;
	uint64_t count = 7;

	script_fail(f->script, "list meta", 0, SANGRAHA_E_UNAVAILABLE);
	t_fails(SANGRAHA_E_UNAVAILABLE,
		sangraha_admin_sweep(f->store, NULL, 0, &count, &t_err));
	assert_int_equal(count, 0);
	t_fails(SANGRAHA_E_INVALID, sangraha_admin_sweep(NULL, NULL, 0, &count, &t_err));
}

static void a_slow_store_is_given_up(void **state)
{
	struct t_roles *f = *state;
	int64_t start = sgh_now_ms();

	script_hold(f->script, "list meta", 1);
	t_fails(SANGRAHA_E_TIMEOUT,
		sangraha_admin_sweep(f->store, NULL, 50, NULL, &t_err));
	assert_in_range(sgh_now_ms() - start, 50, 9000);
}

static void more_than_a_page_is_swept(void **state)
{
	struct t_roles *f = *state;
	struct sgh_bytes *body = t_bytes("{\"sangraha\":1,\"type\":\"json\","
					 "\"expires_ms\":1,\"record\":"
					 "\"0199f2c4-0000-7000-8000-000000000009\"}");
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_store_op op = { .bucket = "meta", .key = key, .body = body };

	for (unsigned i = 0; i < 1001; i++) {
		sgh_record_key_upload(key, t_id(i));
		memory_store_put(f->store, &op);
	}
	assert_int_equal(sweeps(f), 1001);
	assert_int_equal(t_records(f, "upload/"), 0);
	sgh_bytes_unref(body);
}

/* ---- by receivers themselves ---- */

static void a_receiver_sweeps_by_itself(void **state)
{
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.ticket_timeout_ms = 200,
	};
	struct t_roles *f = *state;
	struct t_upload up;

	t_start_receiver(f, &options);
	t_upload(&up, f, t_id(1), SMALL);
	t_send(f, t_begins(&up, SGH_TICKET_PARTS));
	t_answers(f, 0);
	t_wait(t_is_nothing(&up));
	t_upload_fini(&up);
}

static void an_end_waits_for_no_sweep_to_come(void **state)
{
	struct t_roles *f = *state;
	int64_t start = sgh_now_ms();

	t_start_receiver(f, NULL);
	sangraha_receiver_free(sgh_take(f->receiver));
	assert_in_range(sgh_now_ms() - start, 0, 2900);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_receiver_begin, t_roles_end)
#define BARE(function) \
	cmocka_unit_test_setup_teardown(function, t_roles_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(what_has_ended_is_taken_away),
	CASE(what_goes_on_is_left),
	CASE(what_is_complete_is_left),
	CASE(a_late_completion_is_left),
	CASE(uploads_of_exactly_this_key_go_too),
	CASE(other_keys_are_left),
	CASE(an_object_of_another_way_is_left),
	CASE(what_cannot_be_read_is_told_and_passed_over),
	CASE(a_store_that_fails_is_told),
	CASE(a_slow_store_is_given_up),
	CASE(more_than_a_page_is_swept),
	BARE(a_receiver_sweeps_by_itself),
	BARE(an_end_waits_for_no_sweep_to_come),
};

t_main(tests)
