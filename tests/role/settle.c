/* SPDX-License-Identifier: MIT */
#include "support/roles.h"
#include "wire/record.h"

/* How a write ends when something fails: retries, dead letters, what is published again. */

#define BODY  "{\"a\":1}"
#define DELAY "publish object_write_queue.delay."

static struct sgh_request *async_put(const char *id)
{
	struct sgh_request *request = t_put(id, BODY);

	request->reply_to = NULL;
	request->deadline = sgh_time_ms() + 86400000;
	return request;
}

static const char *header(const struct sgh_message *message, const char *name)
{
	const char *text = sgh_message_text(message, name);

	return text ? text : "";
}

static int64_t number(const struct sgh_message *message, const char *name)
{
	const struct sgh_header *there = sgh_message_header(message, name);

	return there && there->kind == SGH_HEADER_NUMBER ? there->number : -1;
}

/* ---- retries ---- */

/* What may yet be done of a first try is looked for: by a copy that is held, the second. */
static void finishes_after_a_copy(struct t_roles *f)
{
	t_wait(script_holding(f->script) == 1);
	assert_int_equal(script_count(f->script, "publish sangraha.object.created"), 0);
	script_release(f->script);
	t_wait(script_count(f->script, "publish sangraha.object.created: ok") == 1);
}

static void a_failure_that_passes_is_tried_again(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "put json", 1, SANGRAHA_E_UNAVAILABLE);
	script_hold(f->script, DELAY "1s", 2);
	t_send(f, t_put(t_id(1), BODY));
	t_journal(f->script,
		  "put json: unavailable\n" DELAY "1s: ok\n"
		  "ack object_write_queue: ok\n" T_LOOKED "put-new meta/operation: ok\n"
		  "put-new json: ok\n"
		  "head meta/deleted: not_found\n");
	finishes_after_a_copy(f);
	t_answers(f, 0);
}

static void a_lost_answer_has_one_effect(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	script_lose(f->script, "put json", 1, SANGRAHA_E_TIMEOUT);
	script_hold(f->script, DELAY "1s", 2);
	t_send(f, t_put(t_id(1), BODY));
	t_journal(f->script,
		  "put json: lost\n" DELAY "1s: ok\n"
		  "ack object_write_queue: ok\n" T_LOOKED "put-new meta/operation: ok\n"
		  "put-new json: precondition\n"
		  "head json: ok\n");
	finishes_after_a_copy(f);
	reply = t_answer(f, 0);
	assert_false(reply->replayed);
	sgh_reply_free(reply);
	assert_int_equal(memory_store_count(f->store, "json"), 1);
}

static void no_time_is_left(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	script_fail(f->script, "put json", 1, SANGRAHA_E_UNAVAILABLE);
	request->deadline = sgh_time_ms() + 900;
	t_send(f, request);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	t_wait(script_count(f->script, "ack ") == 2);
	/* The second one is to finish what the first may have done, and creates nothing. */
	assert_int_equal(script_count(f->script, "put"), 1);
	assert_int_equal(script_count(f->script, DELAY "1s: ok"), 1);
}

static void the_store_is_known_to_be_away(void **state)
{
	struct t_roles *f = *state;

	for (int i = 0; i < 5; i++)
		sgh_breaker_failure(&f->store->breaker);
	t_send(f, t_put(t_id(1), BODY));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	assert_int_equal(script_count(f->script, DELAY), 0);
}

/* Whoever waits hears nothing of what is ours: credentials, conditions. */
static void refused_credentials_are_our_trouble(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	script_fail(f->script, "put json", 1, SANGRAHA_E_UNAUTHORIZED);
	request->deadline = sgh_time_ms() + 900;
	t_send(f, request);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
}

static void a_copy_that_cannot_be_sent_is_sent_again(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "put json", 1, SANGRAHA_E_UNAVAILABLE);
	script_fail(f->script, DELAY "1s", 1, SANGRAHA_E_OVERLOADED);
	t_send(f, t_put(t_id(1), BODY));
	t_answers(f, 0);
	assert_int_equal(script_count(f->script, DELAY "1s: overloaded"), 1);
	/* The retry, and a copy that looks for what the first try may still do. */
	assert_int_equal(script_count(f->script, DELAY "1s: ok"), 2);
	t_wait(script_count(f->script, "ack ") >= 2);
}

/* ---- dead letters ---- */

static void out_of_retries_is_a_dead_letter(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message;

	/* Not a failure that opens the breaker: the last error is the store's own. */
	script_fail(f->script, "put", 0, SANGRAHA_E_OVERLOADED);
	t_send(f, async_put(t_id(1)));
	message = memory_broker_take(f->broker, T_DEAD);
	assert_string_equal(header(message, "dead-reason"), "out of retries");
	assert_int_equal(number(message, "dead-attempts"), 6);
	assert_non_null(strstr(header(message, "dead-error"), "scripted"));
	assert_int_equal(strlen(header(message, "dead-time")), 24);
	assert_null(sgh_message_header(message, "x-first-death-queue"));
	assert_string_equal(message->message_id, t_id(1));
	t_same_bytes(message->body, BODY);
	sgh_message_free(message);
	assert_int_equal(memory_broker_dropped(f->broker), 0);
}

/* Who waits is told, and decides: nobody would look at the dead letter. */
static void out_of_retries_is_an_answer_for_who_waits(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "put", 0, SANGRAHA_E_OVERLOADED);
	t_send(f, t_put(t_id(1), BODY));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	t_wait(script_count(f->script, "ack ") == 7);
	assert_int_equal(script_count(f->script, DELAY "1s: ok"), 6);
	assert_int_equal(memory_broker_count(f->broker, T_DEAD), 0);
}

static void each_retry_waits_longer(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "put", 0, SANGRAHA_E_INTERNAL);
	t_send(f, async_put(t_id(1)));
	sgh_message_free(memory_broker_take(f->broker, T_DEAD));
	assert_int_equal(script_count(f->script, DELAY), 5);
	assert_int_equal(script_count(f->script, DELAY "1s: ok"), 1);
	assert_int_equal(script_count(f->script, DELAY "5s: ok"), 1);
	assert_int_equal(script_count(f->script, DELAY "15s: ok"), 1);
	assert_int_equal(script_count(f->script, DELAY "60s: ok"), 1);
	assert_int_equal(script_count(f->script, DELAY "300s: ok"), 1);
}

static void a_retry_past_the_deadline_is_not_made(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = async_put(t_id(1));

	script_fail(f->script, "put", 0, SANGRAHA_E_INTERNAL);
	request->deadline = sgh_time_ms() + 4000;
	t_send(f, request);
	sgh_message_free(memory_broker_take(f->broker, T_DEAD));
	assert_int_equal(script_count(f->script, DELAY), 1);
}

/* Dead letters that wait for room would soon be all that a receiver has in hand. */
static void a_dead_letter_without_room_comes_again(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message = sgh_message_new();

	message->type = "sangraha.put.v1";
	message->message_id = "no-uuid";
	for (int i = 0; i < 3; i++)
		script_fail(f->script, "publish " T_DEAD, 1, SANGRAHA_E_OVERLOADED);
	memory_broker_put(f->broker, T_WRITE, message);
	message = memory_broker_take(f->broker, T_DEAD);
	assert_string_equal(header(message, "dead-reason"), "unreadable");
	assert_int_equal(script_count(f->script, "publish " T_DEAD ": overloaded"), 3);
	assert_int_equal(script_count(f->script, DELAY "300s: ok"), 1);
	t_wait(script_count(f->script, "ack ") == 2);
	sgh_message_free(message);
}

static void unreadable_is_a_dead_letter(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message = sgh_message_new();

	message->type = "sangraha.put.v1";
	message->message_id = "no-uuid";
	message->reply_to = T_REPLIES;
	message->correlation_id = "c-1";
	memory_broker_put(f->broker, T_WRITE, message);
	t_journal(f->script, "publish object_write_queue.dlq: ok\n" T_SAID);
	t_answers(f, SANGRAHA_E_INVALID);
	message = memory_broker_take(f->broker, T_DEAD);
	assert_string_equal(header(message, "dead-reason"), "unreadable");
	assert_int_equal(number(message, "dead-attempts"), 1);
	sgh_message_free(message);
}

static void an_unknown_request_is_no_dead_letter(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message = sgh_message_new();

	message->type = "sangraha.fold.v1";
	message->reply_to = T_REPLIES;
	memory_broker_put(f->broker, T_WRITE, message);
	t_journal(f->script, T_SAID);
	t_answers(f, SANGRAHA_E_UNSUPPORTED);
}

static void what_others_do_is_unsupported(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_request(SGH_GET, "json", t_id(1));
	struct sgh_message *message = NULL;

	t_ok(sgh_request_message(request, &message, &t_err));
	memory_broker_put(f->broker, T_WRITE, message);
	sgh_request_free(request);
	t_answers(f, SANGRAHA_E_UNSUPPORTED);
}

static void delivered_too_often_is_a_dead_letter(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message;

	t_send_again(f, t_put(t_id(1), BODY), 21);
	message = memory_broker_take(f->broker, T_DEAD);
	assert_string_equal(header(message, "dead-reason"), "delivered too often");
	sgh_message_free(message);
	t_answers(f, SANGRAHA_E_INTERNAL);
	assert_int_equal(memory_store_count(f->store, "json"), 0);
}

static void what_killed_with_others_goes_alone(void **state)
{
	struct t_roles *f = *state;

	t_send_batched(f, t_put(t_id(1), BODY), 2);
	t_answers(f, 0);
	assert_int_equal(script_count(f->script, "publish " T_WRITE ".delay.1s: ok"), 0);
	t_send_batched(f, t_put(t_id(2), BODY), 3);
	t_answers(f, 0);
	assert_int_equal(script_count(f->script, "publish " T_WRITE ".delay.1s: ok"), 1);
	assert_int_equal(memory_store_count(f->store, "json"), 2);
}

static void answers_say_that_batches_are_taken(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_send(f, t_put(t_id(1), BODY));
	reply = t_answer(f, 0);
	assert_true(reply->batches);
	sgh_reply_free(reply);
}

static void send_saying(struct t_roles *f, unsigned id, bool batches,
			const char *reply_to)
{
	struct sgh_request *request = t_put(t_id(id), BODY);

	request->batches = batches;
	request->reply_to = reply_to;
	t_send(f, request);
}

/* A queue that others read from, too, is nobody's who could have said so. */
static void who_takes_batches_is_answered_in_them(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request;

	send_saying(f, 1, false, T_REPLIES);
	t_answers(f, 0);
	assert_int_equal(memory_broker_company(f->broker), 0);
	send_saying(f, 2, true, T_REPLIES);
	t_answers(f, 0);
	assert_int_equal(memory_broker_company(f->broker), 1);
	send_saying(f, 3, true, NULL);
	sgh_message_free(memory_broker_take(f->broker, SANGRAHA_RESPONSE_QUEUE));
	assert_int_equal(memory_broker_company(f->broker), 1);
	request = t_put(t_id(4), BODY);
	request->reply_to = NULL;
	t_send_batched(f, request, 0);
	sgh_message_free(memory_broker_take(f->broker, SANGRAHA_RESPONSE_QUEUE));
	assert_int_equal(memory_broker_company(f->broker), 1);
}

/* Its put waits for script_release(). */
static void begin_put(struct t_roles *f, unsigned id, int64_t published)
{
	struct sgh_request *request = t_put(t_id(id), BODY);

	request->published = published;
	script_hold(f->script, "put json", 1);
	t_send(f, request);
	t_wait(script_holding(f->script) == id);
}

/* Event and answer of all but the last one leave it to that to wake who sends them. */
static void what_ends_in_a_row_is_answered_in_one(void **state)
{
	struct t_roles *f = *state;

	for (unsigned id = 1; id <= 3; id++)
		begin_put(f, id, sgh_time_ms());
	script_release(f->script);
	for (int i = 0; i < 3; i++)
		t_answers(f, 0);
	assert_int_equal(memory_broker_held(f->broker), 4);
}

/* It has taken long and is looked after, so it has nothing to say for now. */
static void the_last_in_a_row_keeps_nobody(void **state)
{
	struct t_roles *f = *state;

	script_hold(f->script, "head meta/deleted", 1);
	for (unsigned id = 1; id <= 2; id++)
		begin_put(f, id, sgh_time_ms());
	begin_put(f, 3, sgh_time_ms() - 60000);
	script_release(f->script);
	for (int i = 0; i < 2; i++)
		t_answers(f, 0);
	t_wait(script_holding(f->script) == 1);
	assert_int_equal(memory_broker_held(f->broker), 4);
	script_release(f->script);
	t_answers(f, 0);
}

static int let_in(void *arg, const struct sangraha_object *object, const void *data,
		  size_t length, struct sangraha_error *err)
{
	return 0;
}

/* With a veto, so that workers do all of it. */
static int begin_with(void **state, unsigned workers)
{
	struct sangraha_receiver_options options = { .size = sizeof(options),
						     .veto = let_in,
						     .workers = workers };

	t_roles_begin(state);
	t_start_receiver(*state, &options);
	return 0;
}

/* So the next one is begun when the one before is left to the store. */
static int begin_with_a_worker(void **state)
{
	return begin_with(state, 1);
}

static int begin_with_two_workers(void **state)
{
	return begin_with(state, 2);
}

/* Its put was over before it was known to have begun, and so was the row. */
static void who_goes_on_elsewhere_is_in_no_row(void **state)
{
	struct t_roles *f = *state;

	memory_store_linger(f->store);
	for (unsigned id = 1; id <= 2; id++)
		begin_put(f, id, sgh_time_ms());
	script_release(f->script);
	for (int i = 0; i < 2; i++)
		t_answers(f, 0);
	assert_int_equal(memory_broker_held(f->broker), 0);
}

static void a_dead_letter_is_recorded(void **state)
{
	struct t_roles *f = *state;
	char key[SGH_RECORD_KEY_SIZE];

	t_send_again(f, t_put(t_id(1), BODY), 21);
	t_journal(f->script, "publish object_write_queue.dlq: ok\n"
			     "put-new meta/operation: ok\n" T_SAID);
	sgh_record_key_operation(key, t_id(1));
	assert_true(memory_store_has(f->store, "meta", key));
}

static void a_dead_letter_is_confirmed_first(void **state)
{
	struct t_roles *f = *state;

	script_lose(f->script, "publish " T_DEAD, 1, SANGRAHA_E_UNAVAILABLE);
	t_send_again(f, t_put(t_id(1), BODY), 21);
	t_journal(f->script, "publish object_write_queue.dlq: lost\n"
			     "publish object_write_queue.dlq: ok\n"
			     "put-new meta/operation: ok\n" T_SAID);
}

/* A message of more than the receiver reads. */
static struct sgh_request *huge_put(const char *id)
{
	struct sgh_request *request = t_put(id, BODY);

	sgh_bytes_unref(request->body);
	request->body = sgh_bytes_new(NULL, 8 << 20);
	request->body->length = 8 << 20;
	memset(request->body->data, ' ', 8 << 20);
	return request;
}

static void too_large_to_read_is_answered_and_rejected(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_send(f, huge_put(t_id(1)));
	t_journal(f->script, "publish replies: ok\n"
			     "reject object_write_queue: ok\n");
	reply = t_answer(f, SANGRAHA_E_TOO_LARGE);
	assert_string_equal(reply->correlation_id, "c-1");
	sgh_reply_free(reply);
	sgh_message_free(memory_broker_take(f->broker, T_DEAD));
}

/* ---- late ---- */

static void late_is_a_timeout_without_the_store(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->deadline = sgh_time_ms() - 1;
	t_send(f, request);
	t_journal(f->script, T_SAID);
	t_answers(f, SANGRAHA_E_TIMEOUT);
}

static void late_in_json_mode_too(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->json = true;
	request->deadline = sgh_time_ms() - 1;
	t_send(f, request);
	t_journal(f->script, T_SAID);
	t_answers(f, SANGRAHA_E_TIMEOUT);
}

/* The deadline passes while the store works: what was sent is finished. */
static void begun_is_finished(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	int64_t deadline = sgh_time_ms() + 150;

	script_hold(f->script, "put json", 1);
	request->deadline = deadline;
	t_send(f, request);
	t_wait(script_holding(f->script));
	t_wait(sgh_time_ms() > deadline);
	script_release(f->script);
	t_answers(f, 0);
}

/* ---- what cannot be published ---- */

static void an_event_is_confirmed_before_the_acknowledgement(void **state)
{
	struct t_roles *f = *state;

	script_lose(f->script, "publish sangraha.object", 1, SANGRAHA_E_UNAVAILABLE);
	t_send(f, t_put(t_id(1), BODY));
	t_journal(f->script, "put json: ok\n"
			     "publish sangraha.object.created: lost\n"
			     "publish replies: ok\n"
			     "publish sangraha.object.created: ok\n"
			     "ack object_write_queue: ok\n");
	t_answers(f, 0);
}

static void a_reply_does_not_wait_for_its_event(void **state)
{
	struct t_roles *f = *state;

	script_hold(f->script, "publish sangraha.object", 1);
	t_send(f, t_put(t_id(1), BODY));
	t_answers(f, 0);
	assert_int_equal(script_count(f->script, "ack"), 0);
	script_release(f->script);
	t_journal(f->script, "put json: ok\n"
			     "publish replies: ok\n"
			     "publish sangraha.object.created: ok\n"
			     "ack object_write_queue: ok\n");
}

static void a_deletion_is_announced_before_it_is_said(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	script_lose(f->script, "publish sangraha.object.deleted", 1,
		    SANGRAHA_E_UNAVAILABLE);
	t_send(f, t_request(SGH_DELETE, "json", t_id(1)));
	t_answers(f, 0);
	assert_int_equal(script_count(f->script, "publish sangraha.object.deleted: lost"),
			 1);
	assert_int_equal(script_count(f->script, "publish sangraha.object.deleted: ok"),
			 1);
}

static void an_event_on_its_way_is_waited_for_at_the_end(void **state)
{
	struct t_roles *f = *state;

	script_hold(f->script, "publish sangraha.object", 1);
	script_fail(f->script, "publish replies", 0, SANGRAHA_E_UNAVAILABLE);
	t_send(f, t_put(t_id(1), BODY));
	t_wait(script_holding(f->script) && script_count(f->script, "publish replies"));
	script_release(f->script);
	sangraha_receiver_free(sgh_take(f->receiver));
	assert_int_equal(script_count(f->script, "ack"), 0);
	assert_int_equal(script_count(f->script, "return"), 1);
}

static void the_same_event_has_the_same_id(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *first;
	struct sgh_message *second;

	script_lose(f->script, "publish sangraha.object", 1, SANGRAHA_E_UNAVAILABLE);
	t_send(f, t_put(t_id(1), BODY));
	first = memory_broker_take(f->broker, T_EVENTS);
	second = memory_broker_take(f->broker, T_EVENTS);
	assert_string_equal(first->message_id, second->message_id);
	sgh_message_free(first);
	sgh_message_free(second);
	t_answers(f, 0);
}

static void a_reply_is_confirmed_before_the_acknowledgement(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "publish replies", 1, SANGRAHA_E_UNAVAILABLE);
	t_send(f, t_put(t_id(1), BODY));
	t_journal(f->script, "put json: ok\n"
			     "publish sangraha.object.created: ok\n"
			     "publish replies: unavailable\n" T_SAID);
	t_answers(f, 0);
}

static void a_reply_that_nobody_takes_is_given_up(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "publish replies", 0, SANGRAHA_E_INVALID);
	t_send(f, t_put(t_id(1), BODY));
	t_journal(f->script, "put json: ok\n"
			     "publish sangraha.object.created: ok\n"
			     "publish replies: invalid\n"
			     "ack object_write_queue: ok\n");
}

/* A requester's queue that is full must not hold a receiver up for ever. */
static void a_full_reply_queue_is_given_up_in_time(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	script_fail(f->script, "publish replies", 0, SANGRAHA_E_OVERLOADED);
	request->deadline = sgh_time_ms() + 300;
	t_send(f, request);
	t_wait(script_count(f->script, "ack ") == 1);
	assert_int_equal(script_count(f->script, "publish replies: overloaded"), 2);
}

/*
 * Tries at 0, 0.5 and 1.5 s: a broker in trouble is left alone longer and longer, and a
 * requester that would wait for ever does not make us wait.
 */
static void a_full_reply_queue_is_tried_three_times(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);
	int64_t before = sgh_now_ms();

	script_fail(f->script, "publish replies", 0, SANGRAHA_E_OVERLOADED);
	request->deadline = sgh_time_ms() + 3600000;
	t_send(f, request);
	t_wait(script_count(f->script, "ack ") == 1);
	assert_true(sgh_now_ms() - before >= 1500);
	assert_int_equal(script_count(f->script, "publish replies: overloaded"), 3);
}

/* ---- the connection goes ---- */

static void a_lost_connection_means_a_redelivery(void **state)
{
	struct t_roles *f = *state;

	script_hold(f->script, "put json", 1);
	t_send(f, t_put(t_id(1), BODY));
	t_wait(script_holding(f->script));
	memory_queue_disconnect(f->queue);
	memory_queue_connect(f->queue);
	t_wait(script_count(f->script, "head pdf: not_found") == 1);
	script_release(f->script);
	/* Both runs answer: the first cannot be acknowledged any more. */
	t_answers(f, 0);
	t_answers(f, 0);
	t_wait(script_count(f->script, "ack object_write_queue: ok") == 1);
	assert_int_equal(script_count(f->script, "ack object_write_queue: stale"), 1);
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 0);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_receiver_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(a_failure_that_passes_is_tried_again),
	CASE(a_lost_answer_has_one_effect),
	CASE(no_time_is_left),
	CASE(the_store_is_known_to_be_away),
	CASE(refused_credentials_are_our_trouble),
	CASE(a_copy_that_cannot_be_sent_is_sent_again),
	CASE(out_of_retries_is_a_dead_letter),
	CASE(out_of_retries_is_an_answer_for_who_waits),
	CASE(each_retry_waits_longer),
	CASE(a_retry_past_the_deadline_is_not_made),
	CASE(a_dead_letter_without_room_comes_again),
	CASE(unreadable_is_a_dead_letter),
	CASE(an_unknown_request_is_no_dead_letter),
	CASE(what_others_do_is_unsupported),
	CASE(delivered_too_often_is_a_dead_letter),
	CASE(what_killed_with_others_goes_alone),
	CASE(answers_say_that_batches_are_taken),
	CASE(who_takes_batches_is_answered_in_them),
	cmocka_unit_test_setup_teardown(what_ends_in_a_row_is_answered_in_one,
					begin_with_a_worker, t_roles_end),
	cmocka_unit_test_setup_teardown(the_last_in_a_row_keeps_nobody,
					begin_with_a_worker, t_roles_end),
	cmocka_unit_test_setup_teardown(who_goes_on_elsewhere_is_in_no_row,
					begin_with_two_workers, t_roles_end),
	CASE(a_dead_letter_is_recorded),
	CASE(a_dead_letter_is_confirmed_first),
	CASE(too_large_to_read_is_answered_and_rejected),
	CASE(late_is_a_timeout_without_the_store),
	CASE(late_in_json_mode_too),
	CASE(begun_is_finished),
	CASE(an_event_is_confirmed_before_the_acknowledgement),
	CASE(a_reply_does_not_wait_for_its_event),
	CASE(a_deletion_is_announced_before_it_is_said),
	CASE(an_event_on_its_way_is_waited_for_at_the_end),
	CASE(the_same_event_has_the_same_id),
	CASE(a_reply_is_confirmed_before_the_acknowledgement),
	CASE(a_reply_that_nobody_takes_is_given_up),
	CASE(a_full_reply_queue_is_given_up_in_time),
	CASE(a_full_reply_queue_is_tried_three_times),
	CASE(a_lost_connection_means_a_redelivery),
};

t_main(tests)
