/* SPDX-License-Identifier: MIT */
#include <sangraha/admin.h>

#include "support/large.h"

/*
 * An object that pins a record which no upload has any more: its PUT came when what was
 * begun had been taken away. It is no object, and in the way of whoever writes the id.
 */

#define SMALL 100
#define LARGE 100000 /* more than put-begin shows */

/* Begin by one PUT; the upload is taken away before that comes. */
static struct sgh_reply *begins_in_vain(struct t_upload *up, struct t_roles *f)
{
	struct sgh_reply *begun;

	t_upload(up, f, t_id(1), SMALL);
	t_send(f, t_begins(up, SGH_TICKET_PUT));
	begun = t_answer(f, 0);
	t_expire(up);
	t_ok(sangraha_admin_sweep(f->store, NULL, 0, NULL, &t_err));
	assert_int_equal(t_records(f, "upload/"), 0);
	up->fresh = false;
	return begun;
}

static void comes_late(struct t_upload *up, struct t_roles *f)
{
	struct sgh_reply *begun = begins_in_vain(up, f);

	t_store_whole(up, begun);
	sgh_reply_free(begun);
}

/* Other bytes under the same id, which are sent besides. */
static void begins_besides(struct t_upload *up, struct t_roles *f)
{
	t_upload(up, f, t_id(1), LARGE);
	up->fresh = false;
	up->known = false;
	t_open(up);
}

static void commits(struct t_upload *up)
{
	t_store_parts(up);
	t_send(up->f, t_commits(up, SGH_TICKET_PARTS));
	t_answers(up->f, 0);
	assert_true(t_is_complete(up));
}

/* Without time for another try. */
static void is_told_to_repeat(struct t_roles *f, struct sgh_request *request)
{
	request->deadline = sgh_time_ms() + 900;
	t_send_again(f, request, 1);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
}

static void who_begins_again_stores_it(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *begun;
	struct t_upload up;

	comes_late(&up, f);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	t_send(f, t_begins(&up, SGH_TICKET_PUT));
	begun = t_answer(f, 0);
	assert_false(memory_store_has(f->store, "json", up.id));
	t_store_whole(&up, begun);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, 0);
	assert_true(t_is_complete(&up));
	sgh_reply_free(begun);
	t_upload_fini(&up);
}

/* With the nth HEAD so late (0: each), so many find it before it goes. */
static void is_seen_so_often(struct t_roles *f, unsigned nth, unsigned times)
{
	struct t_upload up;

	comes_late(&up, f);
	script_forget(f->script);
	script_delay(f->script, "head json", nth, 1100);
	t_send(f, t_begins(&up, SGH_TICKET_PUT));
	t_answers(f, 0);
	assert_int_equal(script_count(f->script, "head json: ok"), times);
	assert_false(memory_store_has(f->store, "json", up.id));
	t_upload_fini(&up);
}

/* What was seen too long ago may be another one by now. */
static void who_stood_still_looks_again(void **state)
{
	is_seen_so_often(*state, 2, 3);
}

/* When it takes as long each time, that is how fast the store is. */
static void a_slow_store_is_cleared_nevertheless(void **state)
{
	is_seen_so_often(*state, 0, 4);
}

static void parts_are_put_in_its_place(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct t_upload other;

	comes_late(&up, f);
	begins_besides(&other, f);
	commits(&other);
	t_upload_fini(&other);
	t_upload_fini(&up);
}

/* What is under way besides cannot be completed, so both make room. */
static void it_comes_while_another_one_is_under_way(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *begun;
	struct t_upload up;
	struct t_upload other;

	begun = begins_in_vain(&up, f);
	begins_besides(&other, f);
	t_store_whole(&up, begun);
	t_store_parts(&other);
	is_told_to_repeat(f, t_commits(&other, SGH_TICKET_PARTS));
	t_open(&other);
	assert_false(memory_store_has(f->store, "json", up.id));
	commits(&other);
	sgh_reply_free(begun);
	t_upload_fini(&other);
	t_upload_fini(&up);
}

static void a_put_is_written_in_its_place(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	comes_late(&up, f);
	t_send_again(f, t_put(up.id, "{}"), 1);
	t_answers(f, 0);
	assert_int_equal(t_records(f, "upload/"), 0);
	assert_int_equal(t_records(f, "object/"), 0);
	t_upload_fini(&up);
}

/* What its put-commit is to come for is no stray. */
static void what_is_under_way_is_left_alone(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), SMALL);
	t_put_whole(&up);
	is_told_to_repeat(f, t_put(up.id, "{}"));
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, 0);
	assert_true(memory_store_has(f->store, "json", up.id));
	assert_int_equal(t_records(f, "upload/"), 0);
	t_upload_fini(&up);
}

/* Its put-commit came between the look and the removal. */
static void what_became_an_object_meanwhile_stays(void **state)
{
	struct t_roles *f = *state;
	struct sgh_record record = { 0 };
	struct t_upload up;

	t_upload(&up, f, t_id(1), SMALL);
	t_put_whole(&up);
	script_hold(f->script, "put-new meta/upload", 1);
	t_send_again(f, t_put(up.id, "{}"), 1);
	t_wait(script_holding(f->script) == 1);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, 0);
	assert_false(t_upload_record(&up, &record));
	script_release(f->script);
	t_answers(f, SANGRAHA_E_CONFLICT);
	assert_true(memory_store_has(f->store, "json", up.id));
	assert_int_equal(t_records(f, "object/"), 1);
	assert_int_equal(t_records(f, "upload/"), 0);
	t_upload_fini(&up);
}

/* As whoever takes a stray away leaves it when he dies at once. */
static void left_a_placeholder(struct t_upload *up, struct t_roles *f, char *key)
{
	struct sgh_record record = {
		.type = "json",
		.created_ms = sgh_time_ms(),
		.expires_ms = sgh_time_ms() + 60000,
	};
	struct sgh_reply *begun = begins_in_vain(up, f);

	for (size_t i = 0; i < begun->ticket->header_count; i++)
		if (strcasecmp(begun->ticket->headers[i].name,
			       "x-amz-meta-sangraha-record") == 0)
			snprintf(up->record, sizeof(up->record), "%s",
				 begun->ticket->headers[i].value);
	t_store_whole(up, begun);
	sgh_reply_free(begun);
	record.record = up->record;
	sgh_record_key_upload(key, up->id);
	t_set_record(f, key, &record);
}

static void a_placeholder_is_nobodys_upload(void **state)
{
	struct t_roles *f = *state;
	struct sgh_bytes *before;
	struct sgh_bytes *after;
	struct t_upload up;
	char key[SGH_RECORD_KEY_SIZE];

	left_a_placeholder(&up, f, key);
	before = memory_store_body(f->store, "meta", key);
	is_told_to_repeat(f, t_put(up.id, "{}"));
	is_told_to_repeat(f, t_begins(&up, SGH_TICKET_PUT));
	is_told_to_repeat(f, t_begins(&up, SGH_TICKET_PARTS));
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	t_send(f, t_aborts(&up));
	t_answers(f, 0);
	after = memory_store_body(f->store, "meta", key);
	assert_ptr_equal(before, after);
	sgh_bytes_unref(before);
	sgh_bytes_unref(after);
	t_upload_fini(&up);
}

static void a_sweep_goes_on_with_it(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	char key[SGH_RECORD_KEY_SIZE];

	left_a_placeholder(&up, f, key);
	t_expire(&up);
	t_ok(sangraha_admin_sweep(f->store, NULL, 0, NULL, &t_err));
	assert_true(t_is_nothing(&up));
	t_send_again(f, t_put(up.id, "{}"), 1);
	t_answers(f, 0);
	t_upload_fini(&up);
}

/* Whose receiver died when it had said yes to all but the queue. */
static void the_rest_of_an_object_is_taken_away(void **state)
{
	struct t_roles *f = *state;
	struct sgh_record record = { 0 };
	struct t_upload up;
	struct t_upload other;
	char key[SGH_RECORD_KEY_SIZE];

	t_upload(&up, f, t_id(1), SMALL);
	t_put_whole(&up);
	assert_true(t_upload_record(&up, &record));
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, 0);
	sgh_record_key_upload(key, up.id);
	t_set_record(f, key, &record);
	begins_besides(&other, f);
	assert_string_not_equal(other.record, record.record);
	t_store_parts(&other);
	t_send(f, t_commits(&other, SGH_TICKET_PARTS));
	t_answers(f, SANGRAHA_E_CONFLICT);
	assert_true(t_is_complete(&up));
	sgh_record_fini(&record);
	t_upload_fini(&other);
	t_upload_fini(&up);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_verifier_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(who_begins_again_stores_it),
	CASE(who_stood_still_looks_again),
	CASE(a_slow_store_is_cleared_nevertheless),
	CASE(parts_are_put_in_its_place),
	CASE(it_comes_while_another_one_is_under_way),
	CASE(a_put_is_written_in_its_place),
	CASE(what_is_under_way_is_left_alone),
	CASE(what_became_an_object_meanwhile_stays),
	CASE(a_placeholder_is_nobodys_upload),
	CASE(a_sweep_goes_on_with_it),
	CASE(the_rest_of_an_object_is_taken_away),
};

t_main(tests)
