/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "support/roles.h"
#include "wire/record.h"
#include "wire/sha256.h"

/* What a receiver does with a put, step by step: the journal tells the order. */

#define BODY  "{\"a\":1}"
#define OTHER "{\"a\":2}"

static struct sgh_request *key_put(const char *key, const char *body)
{
	char id[SANGRAHA_ID_SIZE];
	struct sgh_request *request;

	t_ok(sangraha_id_from_key(key, id, &t_err));
	request = t_put(id, body);
	request->fresh = false;
	return request;
}

static void buries(struct t_roles *f, const char *type, const char *id)
{
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_deleted(key, type, id);
	memory_store_set(f->store, "meta", key, "{}");
}

/* ---- the fast way ---- */

static void a_new_object_takes_one_request(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_send(f, t_put(t_id(1), BODY));
	t_journal(f->script, "put json: ok\n" T_FINISHED);
	reply = t_answer(f, 0);
	assert_string_equal(sangraha_object_id(reply->object), t_id(1));
	assert_string_equal(sangraha_object_type(reply->object), "json");
	assert_string_equal(reply->correlation_id, "c-1");
	assert_string_equal(reply->request_id, "r-1");
	assert_false(reply->replayed);
	sgh_reply_free(reply);
}

static void the_event_describes_the_object(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *event;
	sgh_autofree char *text = NULL;

	t_send(f, t_put(t_id(1), BODY));
	event = memory_broker_take(f->broker, T_EVENTS);
	text = t_text(event);
	assert_non_null(strstr(text, "\"type\":\"sangraha.object.created\""));
	assert_non_null(strstr(text, t_id(1)));
	assert_true(event->persistent);
	sgh_message_free(event);
	t_answers(f, 0);
}

static void the_reply_of_a_write_is_persistent(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message;

	t_send(f, t_put(t_id(1), BODY));
	message = memory_broker_take(f->broker, T_REPLIES);
	assert_true(message->persistent);
	sgh_message_free(message);
}

static void json_mode_is_answered_in_json_mode(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);
	struct sgh_message *message;

	request->json = true;
	t_send(f, request);
	message = memory_broker_take(f->broker, T_REPLIES);
	assert_string_equal(message->content_type, SGH_JSON_MODE);
	sgh_message_free(message);
	assert_true(memory_store_has(f->store, "json", t_id(1)));
}

static void without_reply_to_the_common_queue_gets_it(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->reply_to = NULL;
	t_send(f, request);
	sgh_message_free(memory_broker_take(f->broker, SANGRAHA_RESPONSE_QUEUE));
}

static void a_requester_that_is_gone_is_no_error(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->reply_to = "nowhere";
	t_send(f, request);
	t_journal(f->script, "put json: ok\n"
			     "publish sangraha.object.created: ok\n"
			     "publish nowhere: ok\n"
			     "ack object_write_queue: ok\n");
}

/* ---- the sure way ---- */

static void doubted(struct t_roles *f)
{
	t_journal(f->script, T_LOOKED "put-new json: ok\n"
				      "head meta/deleted: not_found\n" T_FINISHED);
	t_answers(f, 0);
}

static void redelivered_is_conditional(void **state)
{
	struct t_roles *f = *state;

	t_send_again(f, t_put(t_id(1), BODY), 1);
	doubted(f);
}

static void resent_is_conditional(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->resend = 1;
	t_send(f, request);
	doubted(f);
}

static void retried_is_conditional(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->attempt = 1;
	t_send(f, request);
	doubted(f);
}

static void not_fresh_is_conditional(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->fresh = false;
	t_send(f, request);
	doubted(f);
}

static void the_same_again_is_the_same_success(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);
	struct sgh_reply *reply;

	t_puts(f, 0, t_id(1), BODY);
	request->fresh = false;
	t_send(f, request);
	t_journal(f->script, T_LOOKED "put-new json: precondition\n"
				      "head json: ok\n" T_FINISHED);
	reply = t_answer(f, 0);
	assert_true(reply->replayed);
	sgh_reply_free(reply);
}

static void our_own_success_is_no_repeat(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_puts(f, 0, t_id(1), BODY);
	t_send_again(f, t_put(t_id(1), BODY), 1);
	reply = t_answer(f, 0);
	assert_false(reply->replayed);
	sgh_reply_free(reply);
}

static void other_bytes_are_a_conflict(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	t_send_again(f, t_put(t_id(1), OTHER), 1);
	t_journal(f->script, T_LOOKED "put-new json: precondition\n"
				      "head json: ok\n" T_SAID);
	t_answers(f, SANGRAHA_E_CONFLICT);
}

static void another_type_is_a_conflict(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "pdf", t_id(1), "%PDF");
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_answers(f, SANGRAHA_E_CONFLICT);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
}

static void an_object_on_its_way_out_is_tried_again(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	script_fail(f->script, "head json", 1, SANGRAHA_E_NOT_FOUND);
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_answers(f, 0);
	assert_int_equal(script_count(f->script, "publish " T_WRITE ".delay.1s: ok"), 1);
}

/* ---- keys ---- */

static void a_key_is_claimed_first(void **state)
{
	struct t_roles *f = *state;

	t_send(f, key_put("k", BODY));
	t_journal(f->script, T_LOOKED "put-new meta/operation: ok\n"
				      "put-new json: ok\n"
				      "head meta/deleted: not_found\n" T_FINISHED);
	t_answers(f, 0);
}

static void a_key_again_is_a_replay(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_send(f, key_put("k", BODY));
	t_done(f, 0);
	t_send(f, key_put("k", BODY));
	t_journal(f->script, T_LOOKED "put-new meta/operation: precondition\n"
				      "get meta/operation: ok\n"
				      "put-new json: precondition\n"
				      "head json: ok\n" T_FINISHED);
	reply = t_answer(f, 0);
	assert_true(reply->replayed);
	sgh_reply_free(reply);
}

static void a_key_of_other_bytes_is_a_conflict(void **state)
{
	struct t_roles *f = *state;

	t_send(f, key_put("k", BODY));
	t_done(f, 0);
	t_send(f, key_put("k", OTHER));
	t_journal(f->script, T_LOOKED "put-new meta/operation: precondition\n"
				      "get meta/operation: ok\n" T_SAID);
	t_answers(f, SANGRAHA_E_CONFLICT);
}

/* Two types at once: neither sees the other's bucket, the claim decides. */
static void a_key_of_another_type_is_a_conflict(void **state)
{
	struct t_roles *f = *state;
	char key[SGH_RECORD_KEY_SIZE];
	char id[SANGRAHA_ID_SIZE];

	t_ok(sangraha_id_from_key("k", id, &t_err));
	sgh_record_key_operation(key, id);
	memory_store_set(f->store, "meta", key,
			 "{\"sangraha\":1,\"type\":\"pdf\",\"sha256\":\"00\"}");
	t_send(f, key_put("k", BODY));
	t_answers(f, SANGRAHA_E_CONFLICT);
	assert_int_equal(memory_store_count(f->store, "json"), 0);
}

/* ---- deleted ids ---- */

static void a_deleted_id_is_gone(void **state)
{
	struct t_roles *f = *state;

	buries(f, "json", t_id(1));
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_answers(f, SANGRAHA_E_GONE);
	assert_int_equal(script_count(f->script, "put"), 0);
}

static void deleted_under_another_type_is_gone_too(void **state)
{
	struct t_roles *f = *state;

	buries(f, "pdf", t_id(1));
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_answers(f, SANGRAHA_E_GONE);
	assert_int_equal(memory_store_count(f->store, "json"), 0);
}

static void a_slow_write_looks_again(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->published -= 5000;
	buries(f, "json", t_id(1));
	t_send(f, request);
	t_journal(f->script, "put json: ok\n"
			     "head meta/deleted: ok\n"
			     "delete json: ok\n" T_SAID);
	t_answers(f, SANGRAHA_E_GONE);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
}

static void a_delete_that_crosses_the_write_wins(void **state)
{
	struct t_roles *f = *state;

	script_hold(f->script, "put-new json", 1);
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_wait(script_holding(f->script));
	buries(f, "json", t_id(1));
	script_release(f->script);
	t_answers(f, SANGRAHA_E_GONE);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
}

/* The store failed just as the write was to be taken back, or the power went. */
static void what_was_not_taken_back_is_taken_back_later(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->published -= 5000;
	buries(f, "json", t_id(1));
	script_fail(f->script, "delete json", 1, SANGRAHA_E_UNAVAILABLE);
	t_send(f, request);
	t_answers(f, SANGRAHA_E_GONE);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
}

/* ---- refused ---- */

static void a_refusal_says_why(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_send(f, t_put(t_id(1), "{\"a\":1,}"));
	t_journal(f->script, "put-new meta/operation: ok\n"
			     "publish sangraha.object.rejected: ok\n" T_SAID);
	reply = t_answer(f, SANGRAHA_E_REJECTED);
	assert_string_equal(reply->declared, "application/json");
	assert_non_null(reply->rule);
	assert_int_equal(reply->offset, 7);
	assert_non_null(reply->message);
	sgh_reply_free(reply);
}

static void a_refusal_is_recorded(void **state)
{
	struct t_roles *f = *state;
	char key[SGH_RECORD_KEY_SIZE];

	t_puts(f, SANGRAHA_E_REJECTED, t_id(1), "{\"a\":1,}");
	sgh_record_key_operation(key, t_id(1));
	assert_true(memory_store_has(f->store, "meta", key));
	assert_int_equal(memory_store_count(f->store, "json"), 0);
}

static void a_refusal_needs_no_store(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "put", 0, SANGRAHA_E_UNAVAILABLE);
	t_puts(f, SANGRAHA_E_REJECTED, t_id(1), "{\"a\":1,}");
}

static void not_a_type_is_unsupported(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), "hello");

	request->content_type = "text/plain";
	t_send(f, request);
	t_answers(f, SANGRAHA_E_UNSUPPORTED);
}

static void a_digest_that_differs_is_invalid(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);
	char sha256[SANGRAHA_SHA256_SIZE];

	t_ok(sgh_sha256_hex(OTHER, strlen(OTHER), sha256, &t_err));
	request->sha256 = sha256;
	t_send(f, request);
	t_journal(f->script, T_SAID);
	t_answers(f, SANGRAHA_E_INVALID);
}

static void a_size_that_differs_is_invalid(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->size = 6;
	t_send(f, request);
	t_journal(f->script, T_SAID);
	t_answers(f, SANGRAHA_E_INVALID);
}

static int no_ones(void *arg, const struct sangraha_object *object, const void *data,
		   size_t length, struct sangraha_error *err)
{
	return memchr(data, '1', length) ? SANGRAHA_E_INTERNAL : 0;
}

static void a_veto_refuses(void **state)
{
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.veto = no_ones,
	};
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_start_receiver(f, &options);
	t_send(f, t_put(t_id(1), BODY));
	reply = t_answer(f, SANGRAHA_E_REJECTED);
	assert_string_equal(reply->rule, "veto");
	sgh_reply_free(reply);
	t_send(f, t_put(t_id(2), OTHER));
	t_answers(f, 0);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_receiver_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(a_new_object_takes_one_request),
	CASE(the_event_describes_the_object),
	CASE(the_reply_of_a_write_is_persistent),
	CASE(json_mode_is_answered_in_json_mode),
	CASE(without_reply_to_the_common_queue_gets_it),
	CASE(a_requester_that_is_gone_is_no_error),
	CASE(redelivered_is_conditional),
	CASE(resent_is_conditional),
	CASE(retried_is_conditional),
	CASE(not_fresh_is_conditional),
	CASE(the_same_again_is_the_same_success),
	CASE(our_own_success_is_no_repeat),
	CASE(other_bytes_are_a_conflict),
	CASE(another_type_is_a_conflict),
	CASE(an_object_on_its_way_out_is_tried_again),
	CASE(a_key_is_claimed_first),
	CASE(a_key_again_is_a_replay),
	CASE(a_key_of_other_bytes_is_a_conflict),
	CASE(a_key_of_another_type_is_a_conflict),
	CASE(a_deleted_id_is_gone),
	CASE(deleted_under_another_type_is_gone_too),
	CASE(a_slow_write_looks_again),
	CASE(a_delete_that_crosses_the_write_wins),
	CASE(what_was_not_taken_back_is_taken_back_later),
	CASE(a_refusal_says_why),
	CASE(a_refusal_is_recorded),
	CASE(a_refusal_needs_no_store),
	CASE(not_a_type_is_unsupported),
	CASE(a_digest_that_differs_is_invalid),
	CASE(a_size_that_differs_is_invalid),
	cmocka_unit_test_setup_teardown(a_veto_refuses, t_roles_begin, t_roles_end),
};

t_main(tests)
