/* SPDX-License-Identifier: MIT */
#include "support/roles.h"
#include "wire/record.h"

/* What a receiver does with a delete. */

#define BODY "{\"a\":1}"
/* Operations of two requesters. */
#define FIRST  "6e0a3c56-1f0e-4c0a-8f5e-000000000001"
#define SECOND "6e0a3c56-1f0e-4c0a-8f5e-000000000002"

#define DELETED "publish sangraha.object.deleted: ok\n"

static bool is_buried(struct t_roles *f, const char *id)
{
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_deleted(key, "json", id);
	return memory_store_has(f->store, "meta", key);
}

/* A delete of one operation, however often it is sent. */
static void erase(struct t_roles *f, const char *operation, const char *id)
{
	struct sgh_request *request = t_request(SGH_DELETE, "json", id);

	request->operation_id = operation;
	t_send(f, request);
}

static void the_tombstone_comes_first(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	erase(f, FIRST, t_id(1));
	t_journal(f->script, "head json: ok\n"
			     "get meta/deleted: not_found\n"
			     "put-new meta/deleted: ok\n"
			     "delete json: ok\n" DELETED T_SAID);
	t_answers(f, 0);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
	assert_true(is_buried(f, t_id(1)));
}

static void the_event_names_the_object(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *event;
	sgh_autofree char *text = NULL;

	memory_store_set(f->store, "json", t_id(1), BODY);
	erase(f, FIRST, t_id(1));
	event = memory_broker_take(f->broker, T_EVENTS);
	text = t_text(event);
	assert_string_equal(event->type, "sangraha.object.deleted");
	assert_non_null(strstr(text, "\"reference\":\"json/"));
	sgh_message_free(event);
}

static void the_same_delete_again_is_ok_again(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "json", t_id(1), BODY);
	erase(f, FIRST, t_id(1));
	t_done(f, 0);
	erase(f, FIRST, t_id(1));
	t_journal(f->script, "head json: not_found\n"
			     "get meta/deleted: ok\n"
			     "delete json: ok\n"
			     "list meta: ok\n" DELETED T_SAID);
	t_answers(f, 0);
}

static void its_record_goes_with_the_object(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), BODY, true);
	t_pins(f, t_id(2), BODY, true);
	erase(f, FIRST, t_id(1));
	t_journal(f->script, "head json: ok\n"
			     "get meta/deleted: not_found\n"
			     "get meta/object: ok\n"
			     "put-new meta/deleted: ok\n"
			     "delete json: ok\n"
			     "delete meta/object: ok\n" DELETED T_SAID);
	t_answers(f, 0);
	assert_false(t_has_record(f, t_id(1)));
	assert_true(t_has_record(f, t_id(2)));
}

/* The power goes after the object was removed, and nobody knows its record any more. */
static void a_repeat_removes_what_is_left(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), BODY, true);
	t_pins(f, t_id(2), BODY, true);
	erase(f, FIRST, t_id(1));
	t_done(f, 0);
	t_pins(f, t_id(1), BODY, true);
	memory_store_remove(f->store, "json", t_id(1));
	erase(f, FIRST, t_id(1));
	t_journal(f->script, "head json: not_found\n"
			     "get meta/deleted: ok\n"
			     "delete json: ok\n"
			     "list meta: ok\n"
			     "delete meta/object: ok\n"
			     "list meta: ok\n" DELETED T_SAID);
	t_answers(f, 0);
	assert_false(t_has_record(f, t_id(1)));
	assert_true(t_has_record(f, t_id(2)));
}

static void an_object_without_its_record_is_absent(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), BODY, false);
	erase(f, FIRST, t_id(1));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	assert_true(memory_store_has(f->store, "json", t_id(1)));
	assert_false(is_buried(f, t_id(1)));
}

static void a_record_that_stays_is_tried_again(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), BODY, true);
	script_fail(f->script, "delete meta/object", 1, SANGRAHA_E_UNAVAILABLE);
	erase(f, FIRST, t_id(1));
	t_answers(f, 0);
	assert_false(t_has_record(f, t_id(1)));
}

static void another_delete_finds_nothing(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "json", t_id(1), BODY);
	erase(f, FIRST, t_id(1));
	t_done(f, 0);
	erase(f, SECOND, t_id(1));
	t_journal(f->script, "head json: not_found\n"
			     "get meta/deleted: ok\n" T_SAID);
	t_answers(f, SANGRAHA_E_NOT_FOUND);
}

static void what_never_was_is_not_buried(void **state)
{
	struct t_roles *f = *state;

	t_deletes(f, SANGRAHA_E_NOT_FOUND, "json", t_id(1));
	assert_false(is_buried(f, t_id(1)));
}

static void no_such_type_is_invalid(void **state)
{
	struct t_roles *f = *state;

	t_deletes(f, SANGRAHA_E_INVALID, "film", t_id(1));
}

/* Whose it is cannot be told: that is no reason to say that nothing is there. */
static void an_unreadable_tombstone_is_tried_again(void **state)
{
	struct t_roles *f = *state;
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_deleted(key, "json", t_id(1));
	memory_store_set(f->store, "meta", key, "{}");
	erase(f, FIRST, t_id(1));
	t_answers(f, SANGRAHA_E_INTERNAL);
	/* Five with somebody who waits, and all of them again after the answer. */
	sgh_message_free(memory_broker_take(f->broker, T_DEAD));
	assert_int_equal(script_count(f->script, "publish object_write_queue.delay"), 10);
}

/* The power goes between tombstone and removal, and the delete comes again. */
static void half_a_delete_is_completed(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "json", t_id(1), BODY);
	script_fail(f->script, "delete json", 1, SANGRAHA_E_UNAVAILABLE);
	erase(f, FIRST, t_id(1));
	t_answers(f, 0);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
	assert_int_equal(script_count(f->script, "put-new meta/deleted"), 1);
}

static void half_a_delete_of_others_is_completed_too(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "json", t_id(1), BODY);
	script_fail(f->script, "delete json", 1, SANGRAHA_E_UNAVAILABLE);
	script_hold(f->script, "publish object_write_queue.delay", 1);
	erase(f, FIRST, t_id(1));
	t_wait(script_holding(f->script));
	erase(f, SECOND, t_id(1));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
	script_release(f->script);
	t_answers(f, 0);
}

static void two_at_once_are_one_success(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "json", t_id(1), BODY);
	script_hold(f->script, "put-new meta/deleted", 1);
	erase(f, FIRST, t_id(1));
	t_wait(script_holding(f->script));
	erase(f, SECOND, t_id(1));
	t_answers(f, 0);
	script_release(f->script);
	t_answers(f, SANGRAHA_E_NOT_FOUND);
}

static void a_lost_tombstone_is_found_as_ours(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "json", t_id(1), BODY);
	script_lose(f->script, "put-new meta/deleted", 1, SANGRAHA_E_TIMEOUT);
	erase(f, FIRST, t_id(1));
	t_answers(f, 0);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
}

static void deleted_stays_deleted(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	t_deletes(f, 0, "json", t_id(1));
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_answers(f, SANGRAHA_E_GONE);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
}

static void a_failing_look_is_no_answer(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "json", t_id(1), BODY);
	script_fail(f->script, "head json", 1, SANGRAHA_E_UNAVAILABLE);
	script_fail(f->script, "get meta", 2, SANGRAHA_E_TIMEOUT);
	erase(f, FIRST, t_id(1));
	t_answers(f, 0);
	assert_int_equal(script_count(f->script, "publish object_write_queue.delay"), 2);
}

/* How long it is told that the id was deleted. */
static int64_t kept_by(struct t_roles *f, const struct sangraha_receiver_options *options)
{
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_record record = { 0 };
	struct sgh_bytes *body;
	int64_t kept;

	t_start_receiver(f, options);
	memory_store_set(f->store, "json", t_id(1), BODY);
	t_deletes(f, 0, "json", t_id(1));
	sgh_record_key_deleted(key, "json", t_id(1));
	body = memory_store_body(f->store, "meta", key);
	t_ok(sgh_record_parse(body->data, body->length, &record, &t_err));
	kept = record.expires_ms - record.created_ms;
	sgh_record_fini(&record);
	sgh_bytes_unref(body);
	return kept;
}

static void it_is_known_for_two_days(void **state)
{
	assert_in_range(kept_by(*state, NULL), 2 * 86400000, 2 * 86400000 + 1000);
}

static void it_is_known_for_twice_the_longest_time(void **state)
{
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.ticket_timeout_ms = 3000000,
		.request_timeout_ms = 7000000,
		.async_timeout_ms = 5000000,
	};

	assert_in_range(kept_by(*state, &options), 14000000, 14001000);
}

#define BARE(function) \
	cmocka_unit_test_setup_teardown(function, t_roles_begin, t_roles_end)
#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_receiver_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(the_tombstone_comes_first),
	CASE(the_event_names_the_object),
	CASE(the_same_delete_again_is_ok_again),
	CASE(its_record_goes_with_the_object),
	CASE(a_repeat_removes_what_is_left),
	CASE(an_object_without_its_record_is_absent),
	CASE(a_record_that_stays_is_tried_again),
	CASE(another_delete_finds_nothing),
	CASE(what_never_was_is_not_buried),
	CASE(no_such_type_is_invalid),
	CASE(an_unreadable_tombstone_is_tried_again),
	CASE(half_a_delete_is_completed),
	CASE(half_a_delete_of_others_is_completed_too),
	CASE(two_at_once_are_one_success),
	CASE(a_lost_tombstone_is_found_as_ours),
	CASE(deleted_stays_deleted),
	CASE(a_failing_look_is_no_answer),
	BARE(it_is_known_for_two_days),
	BARE(it_is_known_for_twice_the_longest_time),
};

t_main(tests)
