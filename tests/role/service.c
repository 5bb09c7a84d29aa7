/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "role/limits.h"
#include "support/gate.h"
#include "support/roles.h"
#include "validate/types.h"
#include "wire/record.h"

/* The life of a role: start, drain, end; the store goes and comes. */

#define BODY "{\"a\":1}"

/* A veto that waits until it is let go. */
static int wait_at(void *arg, const struct sangraha_object *object, const void *data,
		   size_t length, struct sangraha_error *err)
{
	t_gate_pass(arg);
	return 0;
}

static int drain(struct t_roles *f, unsigned timeout_ms)
{
	return sangraha_receiver_drain(f->receiver, timeout_ms, &t_err);
}

/* ---- start ---- */

static void buckets_are_made(void **state)
{
	struct t_roles *f = *state;

	assert_int_equal(memory_store_count(f->store, "json"), 0);
	assert_int_equal(memory_store_count(f->store, "image"), 0);
	assert_int_equal(memory_store_count(f->store, "pdf"), 0);
	assert_int_equal(memory_store_count(f->store, "meta"), 0);
}

/* As many types as a registry takes: none is without its bucket. */
static void every_type_has_a_bucket(void **state)
{
	struct sangraha_receiver_options options = { .size = sizeof(options) };
	struct t_roles *f = *state;
	char name[16] = "json";

	t_ok(sangraha_types_new(NULL, &options.types, &t_err));
	for (int i = 0; i < SGH_MAX_TYPES - 3; i++) {
		char mime[40];
		const char *const mimes[] = { mime, NULL };
		struct sangraha_type type = { .size = sizeof(type),
					      .name = name,
					      .bucket = name,
					      .mime_types = mimes };

		snprintf(name, sizeof(name), "t%02d", i);
		snprintf(mime, sizeof(mime), "application/x-%s", name);
		t_ok(sangraha_types_add(options.types, &type, &t_err));
	}
	t_start_receiver(f, &options);
	assert_int_equal(memory_store_count(f->store, name), 0);
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_answers(f, 0);
	sangraha_types_unref(options.types);
}

static void nothing_is_taken_before_the_buckets_are_there(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "make-bucket pdf", 0, SANGRAHA_E_UNAVAILABLE);
	t_ok(sangraha_receiver_start(f->context, f->queue, f->store, NULL, &f->receiver,
				     &t_err));
	t_send(f, t_put(t_id(1), BODY));
	t_wait(memory_store_count(f->store, "meta") == 0);
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 1);
	assert_false(t_writes(f));
	script_clear(f->script);
	t_answers(f, 0);
}

static void what_cannot_be_is_refused(void **state)
{
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.inline_limit = 8 << 20,
	};
	struct t_roles *f = *state;

	t_fails(SANGRAHA_E_INVALID,
		sangraha_receiver_start(f->context, f->queue, f->store, &options,
					&f->receiver, &t_err));
	t_says("inline limit");
	t_fails(SANGRAHA_E_INVALID, sangraha_receiver_start(f->context, NULL, f->store,
							    NULL, &f->receiver, &t_err));
	t_fails(SANGRAHA_E_INVALID, sangraha_getter_start(f->context, f->queue, NULL,
							  NULL, &f->getter, &t_err));
	sangraha_receiver_free(NULL);
	sangraha_getter_free(NULL);
}

static void the_inline_limit_follows_a_small_memory(void **state)
{
	assert_int_equal(sgh_inline_default(32 << 20), 512 << 10);
	assert_int_equal(sgh_inline_default(1 << 20), 128 << 10);
}

static void without_a_role_all_is_down(void **state)
{
	struct sangraha_health health = { .size = sizeof(health) };

	t_fails(SANGRAHA_E_INVALID, sangraha_receiver_drain(NULL, 1, &t_err));
	t_fails(SANGRAHA_E_INVALID, sangraha_getter_drain(NULL, 1, &t_err));
	sangraha_receiver_health(NULL, &health);
	assert_int_equal(health.writes, SANGRAHA_HEALTH_DOWN);
	assert_int_equal(health.reads, SANGRAHA_HEALTH_NONE);
	sangraha_getter_health(NULL, &health);
	assert_int_equal(health.reads, SANGRAHA_HEALTH_DOWN);
	sangraha_getter_health(NULL, NULL);
}

/* A program built against an older header has a shorter struct. */
static void a_shorter_health_is_not_overrun(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_health health = {
		.size = offsetof(struct sangraha_health, broker),
		.broker = -1,
	};

	sangraha_receiver_health(f->receiver, &health);
	assert_int_equal(health.writes, SANGRAHA_HEALTH_OK);
	assert_int_equal(health.broker, -1);
	health = (struct sangraha_health){ .reads = -1 };
	sangraha_receiver_health(f->receiver, &health);
	assert_int_equal(health.reads, -1);
}

/* A queue without room on its disk: what is written needs it, what is read does not. */
static void a_full_queue_can_be_read_from(void **state)
{
	struct sangraha_health health = { .size = sizeof(health) };
	struct t_roles *f = *state;

	t_start_getter(f, NULL);
	memory_queue_fill(f->queue, true);
	sangraha_receiver_health(f->receiver, &health);
	assert_int_equal(health.writes, SANGRAHA_HEALTH_DOWN);
	assert_int_equal(health.broker, SANGRAHA_HEALTH_DOWN);
	sangraha_getter_health(f->getter, &health);
	assert_int_equal(health.reads, SANGRAHA_HEALTH_OK);
	assert_int_equal(health.broker, SANGRAHA_HEALTH_OK);
}

/* The end may come at any point of the beginning. */
static void start_and_end_at_once(void **state)
{
	struct t_roles *f = *state;

	for (int i = 0; i < 30; i++) {
		t_ok(sangraha_receiver_start(f->context, f->queue, f->store, NULL,
					     &f->receiver, &t_err));
		t_ok(sangraha_getter_start(f->context, f->queue, f->store, NULL,
					   &f->getter, &t_err));
		for (int j = 0; j < i % 4; j++)
			t_pause();
		sangraha_receiver_free(sgh_take(f->receiver));
		sangraha_getter_free(sgh_take(f->getter));
	}
}

/* ---- drain ---- */

static void in_flight_is_finished_and_the_rest_returned(void **state)
{
	struct t_gate gate = T_GATE_INIT;
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.workers = 1,
		.veto = wait_at,
		.veto_arg = &gate,
	};
	struct t_roles *f = *state;

	t_start_receiver(f, &options);
	t_send(f, t_put(t_id(1), BODY));
	t_send(f, t_put(t_id(2), BODY));
	t_wait(t_gate_waiting(&gate) == 1 && !memory_broker_count(f->broker, T_WRITE));
	t_fails(SANGRAHA_E_TIMEOUT, drain(f, 1));
	t_gate_open(&gate);
	t_ok(drain(f, 10000));
	t_answers(f, 0);
	assert_true(memory_store_has(f->store, "json", t_id(1)));
	assert_int_equal(memory_store_count(f->store, "json"), 1);
	assert_int_equal(script_count(f->script, "return object_write_queue: ok"), 1);
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 1);
}

static void drained_takes_nothing_new(void **state)
{
	struct t_roles *f = *state;

	t_ok(drain(f, 1000));
	t_send(f, t_put(t_id(1), BODY));
	t_wait(memory_broker_consumers(f->broker, T_WRITE) == 0);
	assert_false(t_writes(f));
	assert_int_equal(memory_store_count(f->store, "json"), 0);
	t_ok(drain(f, 1000));
}

static void *end_roles(void *arg)
{
	struct t_roles *f = arg;

	sangraha_receiver_free(sgh_take(f->receiver));
	sangraha_getter_free(sgh_take(f->getter));
	return NULL;
}

/* End the roles while a request of theirs is held by the store. */
static void end_while_held(struct t_roles *f)
{
	pthread_t thread;

	t_wait(script_holding(f->script));
	pthread_create(&thread, NULL, end_roles, f);
	t_wait(memory_broker_consumers(f->broker, T_WRITE) == 0 &&
	       memory_broker_consumers(f->broker, T_READ) == 0);
	script_release(f->script);
	pthread_join(thread, NULL);
}

static void an_end_without_drain_finishes_too(void **state)
{
	struct t_roles *f = *state;

	script_hold(f->script, "put json", 1);
	t_send(f, t_put(t_id(1), BODY));
	end_while_held(f);
	t_journal(f->script, "put json: ok\n" T_FINISHED);
}

/* What has only looked goes back: another one looks for itself. */
static void an_end_before_the_write_gives_back(void **state)
{
	struct t_roles *f = *state;

	script_hold(f->script, "head pdf", 1);
	t_send_again(f, t_put(t_id(1), BODY), 1);
	end_while_held(f);
	assert_int_equal(script_count(f->script, "put"), 0);
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 1);
}

static void an_end_in_the_middle_of_a_read_gives_back(void **state)
{
	struct t_roles *f = *state;

	t_start_getter(f, NULL);
	script_hold(f->script, "list json", 1);
	t_send(f, t_request(SGH_LIST, NULL, NULL));
	end_while_held(f);
	t_journal(f->script, "list json: not_found\nreturn object_read_queue: ok\n");
}

static void what_cannot_be_said_goes_back_at_the_end(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "publish", 0, SANGRAHA_E_UNAVAILABLE);
	t_send(f, t_put(t_id(1), BODY));
	t_wait(script_count(f->script, "publish sangraha.object.created") == 1);
	sangraha_receiver_free(sgh_take(f->receiver));
	assert_int_equal(script_count(f->script, "return object_write_queue: ok"), 1);
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 1);
}

static void another_goes_on_where_one_ended(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "publish", 0, SANGRAHA_E_UNAVAILABLE);
	t_send(f, t_put(t_id(1), BODY));
	t_wait(script_count(f->script, "publish sangraha.object.created") == 1);
	sangraha_receiver_free(sgh_take(f->receiver));
	script_clear(f->script);
	t_start_receiver(f, NULL);
	t_answers(f, 0);
	assert_int_equal(memory_store_count(f->store, "json"), 1);
}

/* ---- the store goes ---- */

/* Make the breaker believe it has been open for long. */
static void break_since(struct t_roles *f, int64_t ms)
{
	struct sgh_breaker *breaker = &f->store->breaker;

	for (int i = 0; i < 5; i++)
		sgh_breaker_failure(breaker);
	pthread_mutex_lock(&breaker->state.lock);
	breaker->state.opened_ms -= ms;
	pthread_mutex_unlock(&breaker->state.lock);
}

static void without_a_store_nothing_is_taken(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "check", 0, SANGRAHA_E_UNAVAILABLE);
	break_since(f, 5000);
	t_wait(memory_broker_consumers(f->broker, T_WRITE) == 0);
	t_send(f, t_put(t_id(1), BODY));
	assert_false(t_writes(f));
	script_clear(f->script);
	t_answers(f, 0);
	t_wait(t_writes(f));
}

/* However long the store is silent: whoever frees a role has it back soon. */
static void ends_soon(struct t_roles *f)
{
	int64_t start = sgh_now_ms();

	sangraha_receiver_free(sgh_take(f->receiver));
	sangraha_getter_free(sgh_take(f->getter));
	assert_true(sgh_now_ms() - start < 8000);
}

static void a_write_that_the_store_holds_up_goes_back(void **state)
{
	struct t_roles *f = *state;

	script_hold(f->script, "put json", 1);
	t_send(f, t_put(t_id(1), BODY));
	t_wait(script_holding(f->script) == 1);
	ends_soon(f);
	assert_int_equal(script_count(f->script, "ack"), 0);
	assert_int_equal(script_count(f->script, "publish"), 0);
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 1);
	t_start_receiver(f, NULL);
	t_answers(f, 0);
}

static void a_sure_write_that_is_held_up_goes_back(void **state)
{
	struct t_roles *f = *state;

	script_hold(f->script, "put-new json", 1);
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_wait(script_holding(f->script) == 1);
	ends_soon(f);
	assert_int_equal(script_count(f->script, "ack"), 0);
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 1);
}

static void a_delete_that_is_held_up_goes_back(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	script_hold(f->script, "delete json", 1);
	t_send(f, t_request(SGH_DELETE, "json", t_id(1)));
	t_wait(script_holding(f->script) == 1);
	ends_soon(f);
	assert_int_equal(script_count(f->script, "ack"), 0);
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 1);
}

/* What an earlier run left is taken away, by who comes late. */
static void a_late_removal_that_is_held_up_goes_back(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_deleted(key, "json", t_id(1));
	memory_store_set(f->store, "meta", key, "{}");
	memory_store_set(f->store, "json", t_id(1), BODY);
	script_hold(f->script, "delete json", 1);
	request->deadline = sgh_time_ms() - 1;
	t_send_again(f, request, 1);
	t_wait(script_holding(f->script) == 1);
	ends_soon(f);
	assert_int_equal(script_count(f->script, "ack"), 0);
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 1);
}

static void a_read_that_the_store_holds_up_goes_back(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	t_start_getter(f, NULL);
	script_hold(f->script, "get json", 1);
	t_send(f, t_request(SGH_GET, "json", t_id(1)));
	t_wait(script_holding(f->script) == 1);
	ends_soon(f);
	assert_int_equal(script_count(f->script, "ack"), 0);
}

static void checks_and_sweeps_do_not_hold_up_the_end(void **state)
{
	struct t_roles *f = *state;

	script_hold(f->script, "list meta", 1);
	script_hold(f->script, "check", 1);
	t_wait(script_holding(f->script) == 2);
	ends_soon(f);
}

static void a_slow_store_serves(void **state)
{
	struct t_roles *f = *state;

	script_delay(f->script, "check", 0, 1300);
	t_start_receiver(f, NULL);
	assert_int_equal(sgh_store_down_ms(f->store), 0);
}

static void a_short_failure_pauses_nothing(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "check", 0, SANGRAHA_E_UNAVAILABLE);
	break_since(f, 1000);
	t_wait(!t_writes(f));
	t_send(f, t_put(t_id(1), BODY));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	assert_int_equal(memory_broker_consumers(f->broker, T_WRITE), 1);
}

static void lost_buckets_are_made_again(void **state)
{
	struct t_roles *f = *state;

	t_roles_speed(f, 2);
	t_start_receiver(f, NULL);
	memory_store_wipe(f->store);
	t_send(f, t_put(t_id(1), BODY));
	t_answers(f, 0);
	assert_true(memory_store_has(f->store, "json", t_id(1)));
}

static void a_lost_meta_bucket_is_made_again(void **state)
{
	struct t_roles *f = *state;

	t_roles_speed(f, 2);
	t_start_receiver(f, NULL);
	t_puts(f, 0, t_id(1), BODY);
	memory_store_wipe(f->store);
	memory_store_set(f->store, "json", t_id(1), BODY);
	t_send(f, t_request(SGH_DELETE, "json", t_id(1)));
	t_answers(f, 0);
	assert_int_equal(memory_store_count(f->store, "meta"), 1);
}

/* ---- many ---- */

static void many_at_once_with_trouble(void **state)
{
	enum { COUNT = 300 };
	struct t_roles *f = *state;

	t_start_getter(f, NULL);
	for (unsigned n = 0; n < 10; n++) {
		script_lose(f->script, "put", 7 * n + 3, SANGRAHA_E_TIMEOUT);
		script_fail(f->script, "publish", 31 * n + 5, SANGRAHA_E_UNAVAILABLE);
	}
	for (unsigned n = 0; n < COUNT; n++)
		t_send_again(f, t_put(t_id(n), BODY), n % 3 == 0);
	for (unsigned n = 0; n < COUNT; n++)
		t_answers(f, 0);
	assert_int_equal(memory_store_count(f->store, "json"), COUNT);
	for (unsigned n = 0; n < COUNT; n++)
		t_send(f, t_request(SGH_GET, "json", t_id(n)));
	for (unsigned n = 0; n < COUNT; n++)
		t_answers(f, 0);
}

static void two_share_the_work(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_queue *queue = memory_queue_new(f->context, f->broker, f->script);
	struct sangraha_receiver *second = NULL;

	t_ok(sangraha_receiver_start(f->context, queue, f->store, NULL, &second, &t_err));
	t_wait(memory_broker_consumers(f->broker, T_WRITE) == 2);
	for (unsigned n = 0; n < 100; n++)
		t_send(f, t_put(t_id(n), BODY));
	/* One of the two loses its connection with its hands full. */
	memory_queue_disconnect(queue);
	for (unsigned n = 0; n < 100; n++)
		t_answers(f, 0);
	memory_queue_connect(queue);
	assert_int_equal(memory_store_count(f->store, "json"), 100);
	sangraha_receiver_free(second);
	sangraha_queue_unref(queue);
}

#define BARE(function) \
	cmocka_unit_test_setup_teardown(function, t_roles_begin, t_roles_end)
#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_receiver_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(buckets_are_made),
	BARE(every_type_has_a_bucket),
	BARE(nothing_is_taken_before_the_buckets_are_there),
	BARE(what_cannot_be_is_refused),
	cmocka_unit_test(the_inline_limit_follows_a_small_memory),
	BARE(without_a_role_all_is_down),
	CASE(a_shorter_health_is_not_overrun),
	CASE(a_full_queue_can_be_read_from),
	BARE(start_and_end_at_once),
	BARE(in_flight_is_finished_and_the_rest_returned),
	CASE(drained_takes_nothing_new),
	CASE(an_end_without_drain_finishes_too),
	CASE(an_end_before_the_write_gives_back),
	BARE(an_end_in_the_middle_of_a_read_gives_back),
	CASE(what_cannot_be_said_goes_back_at_the_end),
	CASE(another_goes_on_where_one_ended),
	CASE(a_write_that_the_store_holds_up_goes_back),
	CASE(a_sure_write_that_is_held_up_goes_back),
	CASE(a_delete_that_is_held_up_goes_back),
	CASE(a_late_removal_that_is_held_up_goes_back),
	CASE(a_read_that_the_store_holds_up_goes_back),
	CASE(checks_and_sweeps_do_not_hold_up_the_end),
	CASE(without_a_store_nothing_is_taken),
	BARE(a_slow_store_serves),
	CASE(a_short_failure_pauses_nothing),
	BARE(lost_buckets_are_made_again),
	BARE(a_lost_meta_bucket_is_made_again),
	CASE(many_at_once_with_trouble),
	CASE(two_share_the_work),
};

t_main(tests)
