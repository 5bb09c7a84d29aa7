/* SPDX-License-Identifier: MIT */
#include "support/roles.h"
#include "wire/record.h"
#include "wire/sha256.h"

/* What a getter answers. */

#define BODY      "{\"a\":1}"
#define READ_SAID "publish replies: ok\nack object_read_queue: ok\n"

static struct sgh_request *get(unsigned n)
{
	return t_request(SGH_GET, "json", t_id(n));
}

/* ---- get ---- */

static void an_object_comes_back(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);
	struct sgh_reply *reply;

	request->filename = "Men\xc3\xbc.json";
	t_send(f, request);
	t_done(f, 0);
	t_send(f, get(1));
	t_journal(f->script, "get json: ok\n" READ_SAID);
	reply = t_answer(f, 0);
	t_same_bytes(reply->body, BODY);
	assert_string_equal(sangraha_object_filename(reply->object), "Men\xc3\xbc.json");
	assert_string_equal(sangraha_object_content_type(reply->object),
			    "application/json");
	sgh_reply_free(reply);
}

/* As long as the last of them is not there; then there is nobody to wait for. */
static void answers_to_one_batch_wait_for_each_other(void **state)
{
	struct t_roles *f = *state;

	for (unsigned i = 1; i <= 2; i++) {
		script_hold(f->script, "get json", 1);
		t_send_batched(f, get(i), 0);
		t_wait(script_holding(f->script) == i);
	}
	script_release(f->script);
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	assert_int_equal(memory_broker_held(f->broker), 1);
	t_send(f, get(3));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	assert_int_equal(memory_broker_held(f->broker), 1);
}

static void what_is_not_there_is_not_found(void **state)
{
	struct t_roles *f = *state;

	t_send(f, get(1));
	t_done(f, SANGRAHA_E_NOT_FOUND);
	t_send(f, t_request(SGH_STAT, "json", t_id(1)));
	t_done(f, SANGRAHA_E_NOT_FOUND);
}

static void a_type_that_is_not_there_is_invalid(void **state)
{
	struct t_roles *f = *state;

	t_send(f, t_request(SGH_GET, "film", t_id(1)));
	t_done(f, SANGRAHA_E_INVALID);
	t_send(f, t_request(SGH_STAT, "film", t_id(1)));
	t_done(f, SANGRAHA_E_INVALID);
}

static void a_foreign_object_is_not_ours_to_describe(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "json", t_id(1), BODY);
	t_send(f, get(1));
	t_answers(f, SANGRAHA_E_INTERNAL);
}

static void a_read_is_not_retried(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "get json", 1, SANGRAHA_E_UNAVAILABLE);
	t_send(f, get(1));
	t_journal(f->script, "get json: unavailable\n" READ_SAID);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
}

static void refused_credentials_are_our_trouble(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "get json", 0, SANGRAHA_E_UNAUTHORIZED);
	t_send(f, get(1));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	script_clear(f->script);
	script_fail(f->script, "list", 0, SANGRAHA_E_UNAUTHORIZED);
	t_send(f, t_request(SGH_LIST, NULL, NULL));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
}

static void replies_to_reads_are_transient(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = get(1);
	struct sgh_message *message;

	t_send(f, get(1));
	message = memory_broker_take(f->broker, T_REPLIES);
	assert_false(message->persistent);
	sgh_message_free(message);
	request->persistent = true;
	t_send(f, request);
	message = memory_broker_take(f->broker, T_REPLIES);
	assert_true(message->persistent);
	sgh_message_free(message);
}

/* ---- objects over the inline limit ---- */

static int begin_small(void **state)
{
	struct sangraha_getter_options options = {
		.size = sizeof(options),
		.inline_limit = 6,
		.ticket_timeout_ms = 60000,
	};

	t_roles_begin(state);
	t_start_receiver(*state, NULL);
	t_start_getter(*state, &options);
	return 0;
}

static void larger_than_a_message_is_a_ticket(void **state)
{
	struct t_roles *f = *state;
	int64_t now = sgh_time_ms();
	struct sgh_reply *reply;

	t_puts(f, 0, t_id(1), BODY);
	t_send(f, get(1));
	t_journal(f->script, "get json: ok\n" READ_SAID);
	reply = t_answer(f, 0);
	assert_null(reply->body);
	assert_int_equal(sangraha_object_size(reply->object), strlen(BODY));
	assert_int_equal(reply->ticket->kind, SGH_TICKET_GET);
	assert_int_equal(reply->ticket->url_count, 1);
	assert_in_range(reply->ticket->expires_ms, now + 60000, sgh_time_ms() + 60000);
	sgh_reply_free(reply);
}

static void exactly_a_message_is_none(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_puts(f, 0, t_id(1), "[1,22]");
	t_send(f, get(1));
	reply = t_answer(f, 0);
	assert_null(reply->ticket);
	t_same_bytes(reply->body, "[1,22]");
	sgh_reply_free(reply);
}

static void a_ticket_for_a_browser_may_be_asked_for(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = get(1);
	struct sgh_reply *reply;

	t_puts(f, 0, t_id(1), BODY);
	request->redirect = true;
	request->download = true;
	t_send(f, request);
	reply = t_answer(f, 0);
	assert_non_null(reply->ticket);
	sgh_reply_free(reply);
}

/* ---- objects that pin a record ---- */

#define PINNED_SAID(verb) verb " json: ok\nget meta/object: ok\n" READ_SAID

static void assert_described(const struct sangraha_object *object)
{
	char sha256[SANGRAHA_SHA256_SIZE];

	t_ok(sgh_sha256_hex(BODY, strlen(BODY), sha256, &t_err));
	assert_string_equal(sangraha_object_sha256(object), sha256);
	assert_string_equal(sangraha_object_facts(object), "{\"depth\":1}");
	assert_string_equal(sangraha_object_filename(object), "large.json");
}

static void its_record_completes_an_object(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_pins(f, t_id(1), BODY, true);
	t_send(f, get(1));
	t_journal(f->script, PINNED_SAID("get"));
	reply = t_answer(f, 0);
	assert_described(reply->object);
	t_same_bytes(reply->body, BODY);
	sgh_reply_free(reply);
	script_forget(f->script);
	t_send(f, t_request(SGH_STAT, "json", t_id(1)));
	t_journal(f->script, PINNED_SAID("head"));
	reply = t_answer(f, 0);
	assert_described(reply->object);
	sgh_reply_free(reply);
	t_send(f, t_request(SGH_STAT, NULL, t_id(1)));
	reply = t_answer(f, 0);
	assert_described(reply->object);
	sgh_reply_free(reply);
}

static void without_its_record_it_is_absent(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), BODY, false);
	t_send(f, get(1));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	t_send(f, t_request(SGH_STAT, "json", t_id(1)));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	t_send(f, t_request(SGH_STAT, NULL, t_id(1)));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
}

static void a_record_that_cannot_be_read_is_no_absence(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), BODY, true);
	script_fail(f->script, "get meta/object", 0, SANGRAHA_E_UNAVAILABLE);
	t_send(f, get(1));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	t_send(f, t_request(SGH_STAT, "json", t_id(1)));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	t_send(f, t_request(SGH_STAT, NULL, t_id(1)));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
}

/* ---- objects that a replica has ---- */

/* A getter alone decides by nothing that it reads. */
static void a_replica_answers_gets_and_stats_and_no_other(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_puts(f, 0, t_id(1), BODY);
	memory_store_copy(f->store, "json", t_id(1));
	memory_store_remove(f->store, "json", t_id(1));
	/* Another body under the id is no conflict with what is not in the store. */
	t_puts(f, 0, t_id(1), "[]");
	memory_store_remove(f->store, "json", t_id(1));
	t_send(f, get(1));
	reply = t_answer(f, 0);
	t_same_bytes(reply->body, BODY);
	sgh_reply_free(reply);
	t_send(f, t_request(SGH_STAT, "json", t_id(1)));
	t_answers(f, 0);
	t_send(f, t_request(SGH_STAT, NULL, t_id(1)));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	t_send(f, t_request(SGH_LIST, "json", NULL));
	reply = t_answer(f, 0);
	assert_int_equal(reply->object_count, 0);
	sgh_reply_free(reply);
}

/* The record as it is while the upload goes on. */
static void copy_placeholder(struct t_roles *f, const char *id)
{
	const struct sgh_record record = {
		.type = "json",
		.record = T_RECORD,
		.offset = -1,
	};
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_object(key, "json", id, T_RECORD);
	t_set_record(f, key, &record);
	memory_store_copy(f->store, "meta", key);
}

static void what_a_replica_has_in_part_is_the_stores_to_tell(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_pins(f, t_id(1), BODY, false);
	memory_store_copy(f->store, "json", t_id(1));
	t_send(f, get(1));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	t_send(f, t_request(SGH_STAT, "json", t_id(1)));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	copy_placeholder(f, t_id(1));
	t_pins(f, t_id(1), BODY, true);
	script_forget(f->script);
	t_send(f, get(1));
	t_journal(f->script, "get json: ok\nget meta/object: ok\n" PINNED_SAID("get"));
	reply = t_answer(f, 0);
	assert_described(reply->object);
	t_same_bytes(reply->body, BODY);
	sgh_reply_free(reply);
	t_send(f, t_request(SGH_STAT, "json", t_id(1)));
	reply = t_answer(f, 0);
	assert_described(reply->object);
	sgh_reply_free(reply);
}

/* ---- */

static void a_late_read_is_a_timeout(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = get(1);

	request->deadline = sgh_time_ms() - 1;
	t_send(f, request);
	t_journal(f->script, READ_SAID);
	t_answers(f, SANGRAHA_E_TIMEOUT);
}

static void the_store_has_until_the_deadline(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = get(1);

	script_hold(f->script, "get json", 1);
	request->deadline = sgh_time_ms() + 100;
	t_send(f, request);
	t_answers(f, SANGRAHA_E_TIMEOUT);
}

static void writes_are_not_for_getters(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);
	struct sgh_message *message = NULL;

	t_ok(sgh_request_message(request, &message, &t_err));
	sgh_request_free(request);
	memory_broker_put(f->broker, T_READ, message);
	t_answers(f, SANGRAHA_E_UNSUPPORTED);
}

static void unreadable_reads_are_dead_letters(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message = sgh_message_new();

	message->type = "sangraha.get.v1";
	memory_broker_put(f->broker, T_READ, message);
	t_wait(script_count(f->script, "publish object_read_queue.dlq: ok") == 1);
	t_wait(script_count(f->script, "ack object_read_queue: ok") == 1);
}

/* It is understood, and somebody waits: an answer is all that it takes. */
static void a_bad_question_is_only_answered(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message = sgh_message_new();

	message->type = "sangraha.get.v1";
	message->reply_to = T_REPLIES;
	memory_broker_put(f->broker, T_READ, message);
	t_answers(f, SANGRAHA_E_INVALID);
	assert_int_equal(script_count(f->script, "publish object_read_queue.dlq: ok"), 0);
}

static void an_answer_nobody_waits_for_is_given_up(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = get(1);

	script_fail(f->script, "publish replies", 0, SANGRAHA_E_UNAVAILABLE);
	request->deadline = sgh_time_ms() + 200;
	t_send(f, request);
	t_wait(script_count(f->script, "ack object_read_queue: ok") == 1);
}

/* ---- stat ---- */

static void a_stat_describes(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_puts(f, 0, t_id(1), BODY);
	t_send(f, t_request(SGH_STAT, "json", t_id(1)));
	t_journal(f->script, "head json: ok\n" READ_SAID);
	reply = t_answer(f, 0);
	assert_int_equal(sangraha_object_size(reply->object), strlen(BODY));
	assert_null(reply->body);
	sgh_reply_free(reply);
}

/* Without a type: what became of an id. */
static void ask(struct t_roles *f, unsigned n)
{
	t_send(f, t_request(SGH_STAT, NULL, t_id(n)));
}

static void an_operation_that_was_done(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_puts(f, 0, t_id(1), BODY);
	ask(f, 1);
	reply = t_answer(f, 0);
	assert_string_equal(sangraha_object_type(reply->object), "json");
	sgh_reply_free(reply);
}

static void an_operation_that_was_refused(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_puts(f, SANGRAHA_E_REJECTED, t_id(1), "{\"a\":1,}");
	ask(f, 1);
	reply = t_answer(f, SANGRAHA_E_REJECTED);
	assert_string_equal(reply->declared, "application/json");
	assert_non_null(reply->rule);
	assert_int_equal(reply->offset, 7);
	sgh_reply_free(reply);
}

static void an_operation_that_was_buried(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_send_again(f, t_put(t_id(1), BODY), 21);
	t_done(f, SANGRAHA_E_INTERNAL);
	ask(f, 1);
	reply = t_answer(f, SANGRAHA_E_INTERNAL);
	assert_non_null(strstr(reply->message, "delivered too often"));
	sgh_reply_free(reply);
}

static void an_operation_nobody_knows(void **state)
{
	struct t_roles *f = *state;

	ask(f, 1);
	t_answers(f, SANGRAHA_E_NOT_FOUND);
}

static void a_claim_alone_is_no_outcome(void **state)
{
	struct t_roles *f = *state;
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_operation(key, t_id(1));
	memory_store_set(f->store, "meta", key, "{\"sangraha\":1,\"type\":\"json\"}");
	ask(f, 1);
	t_answers(f, SANGRAHA_E_NOT_FOUND);
}

static void one_type_that_fails_is_no_outcome(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "head image", 1, SANGRAHA_E_UNAVAILABLE);
	ask(f, 1);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_getter_begin, t_roles_end)

#define SMALL(function) \
	cmocka_unit_test_setup_teardown(function, begin_small, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(an_object_comes_back),
	CASE(answers_to_one_batch_wait_for_each_other),
	CASE(what_is_not_there_is_not_found),
	CASE(a_type_that_is_not_there_is_invalid),
	CASE(a_foreign_object_is_not_ours_to_describe),
	CASE(a_read_is_not_retried),
	CASE(refused_credentials_are_our_trouble),
	CASE(replies_to_reads_are_transient),
	SMALL(larger_than_a_message_is_a_ticket),
	SMALL(exactly_a_message_is_none),
	SMALL(a_ticket_for_a_browser_may_be_asked_for),
	CASE(its_record_completes_an_object),
	CASE(without_its_record_it_is_absent),
	CASE(a_record_that_cannot_be_read_is_no_absence),
	CASE(a_replica_answers_gets_and_stats_and_no_other),
	CASE(what_a_replica_has_in_part_is_the_stores_to_tell),
	CASE(a_late_read_is_a_timeout),
	CASE(the_store_has_until_the_deadline),
	CASE(writes_are_not_for_getters),
	CASE(unreadable_reads_are_dead_letters),
	CASE(a_bad_question_is_only_answered),
	CASE(an_answer_nobody_waits_for_is_given_up),
	CASE(a_stat_describes),
	CASE(an_operation_that_was_done),
	CASE(an_operation_that_was_refused),
	CASE(an_operation_that_was_buried),
	CASE(an_operation_nobody_knows),
	CASE(a_claim_alone_is_no_outcome),
	CASE(one_type_that_fails_is_no_outcome),
};

t_main(tests)
