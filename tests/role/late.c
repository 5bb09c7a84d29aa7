/* SPDX-License-Identifier: MIT */
#include "support/large.h"
#include "support/roles.h"
#include "wire/record.h"

/*
 * Work whose store request was sent is finished, whatever the clock says: by a redelivery
 * that is late, or by the copy that who gives up leaves behind. Neither begins anything.
 */

#define BODY    "{\"a\":1}"
#define DELAY   "publish object_write_queue.delay."
#define CREATED "publish sangraha.object.created: ok"
#define DELETED "publish sangraha.object.deleted: ok"
#define ERASER  "6e0a3c56-1f0e-4c0a-8f5e-000000000001"

static struct sgh_request *late(struct sgh_request *request)
{
	request->deadline = sgh_time_ms() - 1;
	return request;
}

/* With so little time that a failure is answered at once. */
static struct sgh_request *hurried(struct sgh_request *request)
{
	request->deadline = sgh_time_ms() + 900;
	return request;
}

static struct sgh_request *old_put(const char *id)
{
	struct sgh_request *request = t_put(id, BODY);

	request->fresh = false;
	return request;
}

static struct sgh_request *erase(const char *id)
{
	struct sgh_request *request = t_request(SGH_DELETE, "json", id);

	request->operation_id = ERASER;
	return request;
}

static void bury(struct t_roles *f, const char *type, const char *id)
{
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_deleted(key, type, id);
	memory_store_set(f->store, "meta", key,
			 "{\"sangraha\":1,\"operation_id\":\"" ERASER
			 "\",\"type\":\"json\",\"created_ms\":1,\"expires_ms\":2}");
}

static bool lies_there(struct t_roles *f, const char *id)
{
	return memory_store_has(f->store, "json", id);
}

/* ---- a redelivery that is late ---- */

static void it_creates_nothing(void **state)
{
	struct t_roles *f = *state;

	t_send_again(f, late(t_put(t_id(1), BODY)), 1);
	t_answers(f, SANGRAHA_E_TIMEOUT);
	assert_false(lies_there(f, t_id(1)));
	assert_int_equal(script_count(f->script, "put"), 0);
}

static void what_its_first_run_stored_is_announced(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_puts(f, 0, t_id(1), BODY);
	t_send_again(f, late(t_put(t_id(1), BODY)), 1);
	reply = t_answer(f, 0);
	assert_string_equal(sangraha_object_id(reply->object), t_id(1));
	sgh_reply_free(reply);
	assert_int_equal(script_count(f->script, CREATED), 1);
	assert_int_equal(script_count(f->script, "put"), 0);
}

static void a_copy_is_no_first_run_either(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = late(t_put(t_id(1), BODY));

	t_puts(f, 0, t_id(1), BODY);
	request->attempt = 1;
	t_send(f, request);
	t_answers(f, 0);
}

static void other_bytes_are_not_its_own(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), "[2]");
	t_send_again(f, late(t_put(t_id(1), BODY)), 1);
	t_answers(f, SANGRAHA_E_TIMEOUT);
	assert_int_equal(script_count(f->script, CREATED), 0);
}

/* Its first run looked before the tombstone, stored after the removal, and died. */
static void what_lies_under_a_tombstone_is_taken_away(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "json", t_id(1), BODY);
	bury(f, "json", t_id(1));
	t_send_again(f, late(t_put(t_id(1), BODY)), 1);
	t_answers(f, SANGRAHA_E_GONE);
	assert_false(lies_there(f, t_id(1)));
	assert_int_equal(script_count(f->script, CREATED), 0);
}

static void its_record_goes_too(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_request(SGH_PUT_COMMIT, "json", t_id(1));

	t_pins(f, t_id(1), BODY, true);
	bury(f, "json", t_id(1));
	request->transfer = SGH_TICKET_PUT;
	request->size = sizeof(BODY) - 1;
	request->sha256 =
		"015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
	request->facts = "{}";
	request->rules = "1";
	t_send_again(f, late(request), 1);
	t_answers(f, SANGRAHA_E_GONE);
	assert_false(lies_there(f, t_id(1)));
	assert_false(t_has_record(f, t_id(1)));
}

/*
 * Its first run died with the PUT on its way to the store, where it is done after this one
 * has looked.
 */
static void lands_later(struct t_roles *f, struct sgh_request *request)
{
	bool waits = request->reply_to;

	bury(f, "json", t_id(1));
	script_hold(f->script, DELAY, 1);
	t_send_again(f, request, 1);
	t_wait(script_holding(f->script) == 1);
	memory_store_set(f->store, "json", t_id(1), BODY);
	script_release(f->script);
	if (waits)
		t_answers(f, SANGRAHA_E_GONE);
	t_wait(!lies_there(f, t_id(1)));
	t_wait(script_count(f->script, "ack ") == 3);
	assert_int_equal(script_count(f->script, DELAY "1s: ok"), 1);
	assert_int_equal(script_count(f->script, DELAY "5s: ok"), 1);
}

static void what_lands_after_a_look_is_taken_away(void **state)
{
	lands_later(*state, t_put(t_id(1), BODY));
}

static void what_lands_after_a_late_look_is_too(void **state)
{
	lands_later(*state, late(t_put(t_id(1), BODY)));
}

static void what_lands_later_of_who_does_not_wait_is_too(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);
	char key[SGH_RECORD_KEY_SIZE];

	request->reply_to = NULL;
	lands_later(f, request);
	sgh_record_key_operation(key, t_id(1));
	assert_true(memory_store_has(f->store, "meta", key));
}

/*
 * A gateway that was stopped with the PUT in its hands does it when it goes on, after the
 * same was stored through another one, and deleted.
 */
static void what_lands_after_its_deletion_is_taken_away(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "put json", 1, SANGRAHA_E_TIMEOUT);
	script_hold(f->script, DELAY "300s", 1);
	t_send(f, t_put(t_id(1), BODY));
	t_answers(f, 0);
	t_send(f, erase(t_id(1)));
	t_answers(f, 0);
	t_wait(script_holding(f->script) == 1);
	assert_false(lies_there(f, t_id(1)));
	memory_store_set(f->store, "json", t_id(1), BODY);
	script_release(f->script);
	t_wait(!lies_there(f, t_id(1)));
	t_wait(script_count(f->script, "ack ") == 8);
	assert_int_equal(script_count(f->script, CREATED), 1);
	assert_int_equal(script_count(f->script, "publish object_response_queue"), 0);
	assert_int_equal(memory_broker_count(f->broker, T_DEAD), 0);
}

/* Its requester gave up, and repeats: another delivery, which knows of no doubt. */
static void what_lands_after_a_repeat_was_deleted_is_too(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "put json", 1, SANGRAHA_E_TIMEOUT);
	script_hold(f->script, DELAY "300s", 1);
	t_send(f, hurried(t_put(t_id(1), BODY)));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	t_wait(script_holding(f->script) == 1);
	t_send(f, old_put(t_id(1)));
	t_answers(f, 0);
	t_send(f, erase(t_id(1)));
	t_answers(f, 0);
	memory_store_set(f->store, "json", t_id(1), BODY);
	script_release(f->script);
	t_wait(!lies_there(f, t_id(1)));
}

/* What another type has under the id was not deleted. */
static void a_tombstone_is_of_its_type(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "json", t_id(1), BODY);
	bury(f, "image", t_id(1));
	t_send_again(f, late(t_put(t_id(1), BODY)), 1);
	t_answers(f, SANGRAHA_E_GONE);
	assert_true(lies_there(f, t_id(1)));
}

static void a_look_that_fails_is_repeated(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	script_fail(f->script, "head meta/deleted", 1, SANGRAHA_E_UNAVAILABLE);
	t_send_again(f, late(t_put(t_id(1), BODY)), 1);
	t_answers(f, 0);
	assert_int_equal(script_count(f->script, DELAY "1s: ok"), 1);
}

static void a_delete_is_completed(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "json", t_id(1), BODY);
	bury(f, "json", t_id(1));
	t_send_again(f, late(erase(t_id(1))), 1);
	t_answers(f, 0);
	assert_false(lies_there(f, t_id(1)));
	assert_int_equal(script_count(f->script, DELETED), 1);
}

static void a_delete_is_not_begun(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	t_send_again(f, late(erase(t_id(1))), 1);
	t_answers(f, SANGRAHA_E_TIMEOUT);
	assert_true(lies_there(f, t_id(1)));
	assert_int_equal(script_count(f->script, "put"), 0);
}

static void a_commit_is_found(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), 100);
	t_open(&up);
	t_store_parts(&up);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_done(f, 0);
	t_send_again(f, late(t_commits(&up, SGH_TICKET_PARTS)), 1);
	t_answers(f, 0);
	assert_int_equal(script_count(f->script, CREATED), 1);
	t_upload_fini(&up);
}

/* Nor is it aborted: it may be committed still. */
static void a_commit_is_not_begun(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), 100);
	t_open(&up);
	t_store_parts(&up);
	t_send_again(f, late(t_commits(&up, SGH_TICKET_PARTS)), 1);
	t_done(f, SANGRAHA_E_TIMEOUT);
	assert_int_equal(memory_store_uploads(f->store, "json"), 1);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_answers(f, 0);
	t_upload_fini(&up);
}

/* What kills whoever reads it must not do so for ever. */
static void delivered_too_often_is_a_timeout(void **state)
{
	struct t_roles *f = *state;

	t_send_again(f, late(t_put(t_id(1), BODY)), 21);
	t_journal(f->script, T_SAID);
	t_answers(f, SANGRAHA_E_TIMEOUT);
}

/* ---- what is left behind by who gives up ---- */

static void a_removal_that_failed_is_made_up_for(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	script_fail(f->script, "delete json", 1, SANGRAHA_E_UNAVAILABLE);
	t_send(f, hurried(erase(t_id(1))));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	t_wait(script_count(f->script, DELETED) == 1);
	assert_false(lies_there(f, t_id(1)));
	assert_int_equal(script_count(f->script, "put-new meta/deleted"), 1);
}

/* Who was told is not told again. */
static void the_answer_comes_once(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	script_fail(f->script, "delete json", 1, SANGRAHA_E_UNAVAILABLE);
	t_send(f, hurried(erase(t_id(1))));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	t_wait(script_count(f->script, "ack ") == 2);
	assert_int_equal(script_count(f->script, "publish replies"), 1);
	assert_int_equal(script_count(f->script, "publish object_response_queue: ok"), 1);
}

/* … wherever a document says that it wants its answer. */
static void a_document_is_answered_once_too(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message = sgh_message_new();
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"type\":\"sangraha.put.v1\",\"message_id\":\"%s\",\"fresh\":true,"
		 "\"reply_to\":\"" T_REPLIES "\",\"correlation_id\":\"c\","
		 "\"deadline\":%lld,\"data\":\"eyJhIjoxfQ==\"}",
		 t_id(1), (long long)sgh_time_ms() + 900);
	message->content_type = SGH_JSON_MODE;
	message->body = sgh_bytes_copy(text, strlen(text));
	script_fail(f->script, "put json", 1, SANGRAHA_E_TIMEOUT);
	memory_broker_put(f->broker, T_WRITE, message);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	/* Its copy looks five times. */
	t_wait(script_count(f->script, "ack ") == 6);
	assert_int_equal(script_count(f->script, "publish replies"), 1);
	assert_int_equal(script_count(f->script, "publish object_response_queue: ok"), 1);
}

/* Another receiver gets it, and its clock may be behind. */
static void the_copy_is_late_by_every_clock(void **state)
{
	struct t_roles *f = *state;
	const struct sgh_header *deadline;
	struct sgh_message *copy;

	t_roles_speed(f, 1);
	t_start_receiver(f, NULL);
	script_fail(f->script, "put json", 1, SANGRAHA_E_TIMEOUT);
	t_send(f, hurried(t_put(t_id(1), BODY)));
	copy = memory_broker_take(f->broker, SANGRAHA_WRITE_QUEUE ".delay.1s");
	deadline = sgh_message_header(copy, "deadline");
	assert_int_equal(deadline->kind, SGH_HEADER_NUMBER);
	assert_true(deadline->number > 0);
	assert_true(deadline->number < sgh_time_ms() - 3600000);
	sgh_message_free(copy);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
}

static void the_copy_is_confirmed_before_the_answer(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	script_fail(f->script, "delete json", 1, SANGRAHA_E_UNAVAILABLE);
	script_hold(f->script, DELAY "1s", 1);
	t_send(f, hurried(erase(t_id(1))));
	t_wait(script_holding(f->script) == 1);
	assert_int_equal(script_count(f->script, "publish replies"), 0);
	assert_int_equal(script_count(f->script, "ack "), 0);
	script_release(f->script);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
}

/* A put crosses a delete, and what it stored cannot be taken back within its time. */
static void taking_back_is_made_up_for(void **state)
{
	struct t_roles *f = *state;

	script_hold(f->script, "put-new json", 1);
	t_send(f, hurried(old_put(t_id(1))));
	t_wait(script_holding(f->script) == 1);
	bury(f, "json", t_id(1));
	script_fail(f->script, "delete json", 1, SANGRAHA_E_TIMEOUT);
	script_release(f->script);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	t_wait(script_count(f->script, "delete json: ok") == 1);
	t_wait(!lies_there(f, t_id(1)));
	assert_int_equal(script_count(f->script, CREATED), 0);
}

/* … nor looked at. */
static void a_last_look_that_failed_is_made_up_for(void **state)
{
	struct t_roles *f = *state;

	script_hold(f->script, "put-new json", 1);
	t_send(f, hurried(old_put(t_id(1))));
	t_wait(script_holding(f->script) == 1);
	bury(f, "json", t_id(1));
	script_fail(f->script, "head meta/deleted", 1, SANGRAHA_E_TIMEOUT);
	script_release(f->script);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	t_wait(!lies_there(f, t_id(1)));
}

/* The object was stored, and nobody knew: the event is owed. */
static void what_was_stored_in_doubt_is_announced(void **state)
{
	struct t_roles *f = *state;

	script_lose(f->script, "put json", 1, SANGRAHA_E_TIMEOUT);
	t_send(f, hurried(t_put(t_id(1), BODY)));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	/* And once only: the copies that follow look for what may come after a delete. */
	t_wait(script_count(f->script, "ack ") == 7);
	assert_int_equal(script_count(f->script, CREATED), 1);
	assert_true(lies_there(f, t_id(1)));
}

static void what_was_not_stored_stays_so(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "put json", 1, SANGRAHA_E_TIMEOUT);
	t_send(f, hurried(t_put(t_id(1), BODY)));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	t_wait(script_count(f->script, "ack ") == 2);
	assert_false(lies_there(f, t_id(1)));
}

/* Its time was over before the store was asked: nobody has to look for it. */
static void what_was_not_sent_is_in_no_doubt(void **state)
{
	struct t_roles *f = *state;

	script_skip(f->script, "put json", 1, SANGRAHA_E_TIMEOUT);
	t_send(f, hurried(t_put(t_id(1), BODY)));
	t_journal(f->script, "put json: timeout\n"
			     "publish replies: ok\n"
			     "ack object_write_queue: ok\n");
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
}

static void so_in_json_mode(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = hurried(t_put(t_id(1), BODY));

	request->json = true;
	script_fail(f->script, "put json", 1, SANGRAHA_E_TIMEOUT);
	t_send(f, request);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	t_wait(script_count(f->script, "ack ") == 2);
	assert_int_equal(script_count(f->script, "put"), 1);
	assert_false(lies_there(f, t_id(1)));
}

static void a_refusal_of_the_store_leaves_nothing(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "put json", 1, SANGRAHA_E_OVERLOADED);
	t_send(f, hurried(t_put(t_id(1), BODY)));
	t_journal(f->script, "put json: overloaded\n" T_SAID);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
}

/* With all its retries before it, and then in a place where somebody will see it. */
static void what_cannot_be_finished_is_a_dead_letter(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message;

	t_puts(f, 0, t_id(1), BODY);
	script_fail(f->script, "delete json", 0, SANGRAHA_E_INTERNAL);
	t_send(f, hurried(erase(t_id(1))));
	t_answers(f, SANGRAHA_E_INTERNAL);
	message = memory_broker_take(f->broker, T_DEAD);
	assert_string_equal(sgh_message_text(message, "dead-reason"), "out of retries");
	for (size_t i = 0; i < 5; i++) {
		static const char *const delays[] = { "1s", "5s", "15s", "60s", "300s" };
		char line[64];

		snprintf(line, sizeof(line), DELAY "%s: ok", delays[i]);
		assert_int_equal(script_count(f->script, line), 1);
	}
	/* Sent once more it finishes. */
	script_clear(f->script);
	memory_broker_put(f->broker, T_WRITE, message);
	t_wait(script_count(f->script, DELETED) == 1);
	assert_false(lies_there(f, t_id(1)));
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_receiver_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(it_creates_nothing),
	CASE(what_its_first_run_stored_is_announced),
	CASE(a_copy_is_no_first_run_either),
	CASE(other_bytes_are_not_its_own),
	CASE(what_lies_under_a_tombstone_is_taken_away),
	CASE(its_record_goes_too),
	CASE(what_lands_after_a_look_is_taken_away),
	CASE(what_lands_after_a_late_look_is_too),
	CASE(what_lands_later_of_who_does_not_wait_is_too),
	CASE(what_lands_after_its_deletion_is_taken_away),
	CASE(what_lands_after_a_repeat_was_deleted_is_too),
	CASE(a_tombstone_is_of_its_type),
	CASE(a_look_that_fails_is_repeated),
	CASE(a_delete_is_completed),
	CASE(a_delete_is_not_begun),
	CASE(a_commit_is_found),
	CASE(a_commit_is_not_begun),
	CASE(delivered_too_often_is_a_timeout),
	CASE(a_removal_that_failed_is_made_up_for),
	CASE(the_answer_comes_once),
	CASE(a_document_is_answered_once_too),
	cmocka_unit_test_setup_teardown(the_copy_is_late_by_every_clock, t_roles_begin,
					t_roles_end),
	CASE(the_copy_is_confirmed_before_the_answer),
	CASE(taking_back_is_made_up_for),
	CASE(a_last_look_that_failed_is_made_up_for),
	CASE(what_was_stored_in_doubt_is_announced),
	CASE(what_was_not_stored_stays_so),
	CASE(what_was_not_sent_is_in_no_doubt),
	CASE(so_in_json_mode),
	CASE(a_refusal_of_the_store_leaves_nothing),
	CASE(what_cannot_be_finished_is_a_dead_letter),
};

t_main(tests)
