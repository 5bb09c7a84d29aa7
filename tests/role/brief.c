/* SPDX-License-Identifier: MIT */
#include "role/receiver.h"
#include "support/gate.h"
#include "support/roles.h"
#include "support/samples.h"
#include "wire/batch.h"

/* Which puts the queue's thread does itself, and which are for a worker. */

#define BODY   "{\"a\":1}"
#define OTHER  "{\"a\":2}"
#define BROKEN "{\"a\":1,}"

/* However slow we are: what is for the queue's thread is done there. */
static void give_time(struct t_roles *f)
{
	f->receiver->service.here.most_us = INT64_MAX / 4;
}

static int begin(void **state)
{
	t_receiver_begin(state);
	give_time(*state);
	return 0;
}

/* Whether a worker asked the store for anything on behalf of a request. */
static bool by_worker(struct t_roles *f, struct sgh_request *request, int status)
{
	unsigned before = memory_store_by_workers(f->store);

	t_send(f, request);
	t_done(f, status);
	return memory_store_by_workers(f->store) > before;
}

static struct sgh_request *put_as(unsigned id, const char *content_type,
				  const char *object_type, const char *body)
{
	struct sgh_request *request = t_put(t_id(id), body);

	request->content_type = content_type;
	request->object_type = object_type;
	return request;
}

/* A list of so many bytes. */
static struct sgh_request *put_sized(unsigned id, size_t size)
{
	struct sgh_request *request = t_put(t_id(id), BODY);
	char *text = malloc(size + 1);

	assert_non_null(text);
	memset(text, ' ', size);
	memcpy(text, "[]", 2);
	text[size] = '\0';
	sgh_bytes_unref(request->body);
	request->body = t_bytes(text);
	free(text);
	return request;
}

static struct sgh_request *put_sample(unsigned id, const char *content_type,
				      const struct t_sample *sample)
{
	struct sgh_request *request = put_as(id, content_type, NULL, "");

	sgh_bytes_unref(request->body);
	request->body = sgh_bytes_copy(sample->data, sample->length);
	assert_non_null(request->body);
	return request;
}

/* ---- by what it is ---- */

static void small_json_takes_no_worker(void **state)
{
	struct t_roles *f = *state;

	assert_false(by_worker(f, t_put(t_id(1), BODY), 0));
	assert_false(by_worker(f, put_as(2, "text/json; charset=utf-8", NULL, BODY), 0));
	assert_false(by_worker(f, put_as(3, NULL, "json", "[1]"), 0));
	assert_false(by_worker(f, put_as(4, "application/json", "json", BODY), 0));
	assert_false(by_worker(f, put_sized(5, SGH_BATCH_SMALL), 0));
	assert_int_equal(memory_store_count(f->store, "json"), 5);
}

static void what_is_large_takes_one(void **state)
{
	struct t_roles *f = *state;

	assert_true(by_worker(f, put_sized(1, SGH_BATCH_SMALL + 1), 0));
	assert_true(memory_store_has(f->store, "json", t_id(1)));
}

/* Whatever libmagic is asked about, or might be. */
static void what_is_not_said_to_be_json_takes_one(void **state)
{
	struct t_roles *f = *state;
	struct t_sample png = { 0 };
	struct t_sample pdf = { 0 };

	t_png(&png);
	t_pdf(&pdf);
	assert_true(by_worker(f, put_as(1, NULL, NULL, BODY), 0));
	assert_true(by_worker(f, put_as(2, "application/octet-stream", NULL, BODY), 0));
	assert_true(by_worker(f, put_sample(3, "image/png", &png), 0));
	assert_true(by_worker(f, put_sample(4, "application/pdf", &pdf), 0));
	assert_true(by_worker(f, put_as(5, "application/json", "pdf", BODY),
			      SANGRAHA_E_UNSUPPORTED));
	assert_true(
		by_worker(f, put_as(6, "text/csv", NULL, BODY), SANGRAHA_E_UNSUPPORTED));
}

static void json_mode_takes_one(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->json = true;
	assert_true(by_worker(f, request, 0));
}

static void what_does_not_begin_like_json_takes_one(void **state)
{
	struct t_roles *f = *state;
	const char *said = "application/json";

	assert_true(by_worker(f, put_as(1, said, NULL, "%PDF"), SANGRAHA_E_UNSUPPORTED));
	assert_true(by_worker(f, put_as(2, said, NULL, "{\\rtf1"), SANGRAHA_E_REJECTED));
	assert_true(by_worker(f, put_as(3, said, NULL, " "), SANGRAHA_E_REJECTED));
	assert_true(by_worker(f, put_as(4, said, NULL, "42"), 0));
}

/* ---- every way it may go ---- */

static void a_refusal_takes_no_worker(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	assert_false(by_worker(f, t_put(t_id(1), BROKEN), SANGRAHA_E_REJECTED));
	t_send(f, t_put(t_id(2), BROKEN));
	reply = t_answer(f, SANGRAHA_E_REJECTED);
	assert_string_equal(reply->rule, "json.comma");
	assert_int_equal(reply->offset, 7);
	sgh_reply_free(reply);
	assert_int_equal(memory_store_by_workers(f->store), 0);
	assert_int_equal(memory_store_count(f->store, "json"), 0);
}

static void a_repeat_takes_no_worker(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_done(f, 0);
	t_send_again(f, t_put(t_id(1), OTHER), 1);
	t_journal(f->script, T_LOOKED "put-new json: precondition\n"
				      "head json: ok\n" T_SAID);
	t_answers(f, SANGRAHA_E_CONFLICT);
	assert_int_equal(memory_store_by_workers(f->store), 0);
}

/* ---- together ---- */

/* Event and answer of all but the last one wait, as they end in a row. */
static void a_batch_goes_to_the_store_together(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *requests[] = { t_put(t_id(1), BODY), t_put(t_id(2), BODY),
					   t_put(t_id(3), BODY) };

	t_send_together(f, requests, SGH_COUNT(requests));
	for (size_t i = 0; i < SGH_COUNT(requests); i++)
		t_answers(f, 0);
	assert_int_equal(memory_broker_held(f->broker), 4);
	assert_int_equal(memory_store_by_workers(f->store), 0);
}

/* Nothing waits for a member that has nothing to store, or goes elsewhere. */
static void whoever_is_last_keeps_nobody(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *requests[] = { t_put(t_id(1), BODY), t_put(t_id(2), BODY),
					   t_put(t_id(3), BROKEN) };
	struct sgh_request *others[] = { t_put(t_id(4), BODY),
					 put_sized(5, SGH_BATCH_SMALL + 1) };

	t_send_together(f, requests, SGH_COUNT(requests));
	for (size_t i = 0; i < SGH_COUNT(requests); i++)
		sgh_message_free(memory_broker_take(f->broker, T_REPLIES));
	assert_int_equal(memory_store_count(f->store, "json"), 2);
	t_send_together(f, others, SGH_COUNT(others));
	for (size_t i = 0; i < SGH_COUNT(others); i++)
		t_answers(f, 0);
	assert_int_equal(memory_store_by_workers(f->store), 1);
}

/* ---- for what others have programmed ---- */

static int let_in(void *arg, const struct sangraha_object *object, const void *data,
		  size_t length, struct sangraha_error *err)
{
	return 0;
}

static void a_veto_is_asked_on_a_worker(void **state)
{
	const struct sangraha_receiver_options options = { .size = sizeof(options),
							   .veto = let_in };
	struct t_roles *f = *state;

	t_start_receiver(f, &options);
	assert_true(by_worker(f, t_put(t_id(1), BODY), 0));
}

/* Checks of a program's type that wait until they are let go. */
static int wait_at(void *arg, void *state, const void *data, size_t length,
		   size_t *ret_bad, struct sangraha_error *err)
{
	t_gate_pass(arg);
	return 0;
}

/* A receiver with one worker, and a type "slow", a dialect of JSON, that holds it up. */
static void start_slow(struct t_roles *f, struct t_gate *gate)
{
	static const char *const mime_types[] = { "application/slow+json", NULL };
	const struct sangraha_type_checks checks = { .size = sizeof(checks),
						     .feed = wait_at };
	const struct sangraha_type type = { .size = sizeof(type),
					    .name = "slow",
					    .mime_types = mime_types,
					    .checks = &checks,
					    .arg = gate };
	struct sangraha_receiver_options options = { .size = sizeof(options),
						     .workers = 1 };

	t_ok(sangraha_types_new(NULL, &options.types, &t_err));
	t_ok(sangraha_types_add(options.types, &type, &t_err));
	t_start_receiver(f, &options);
	give_time(f);
	sangraha_types_unref(options.types);
}

static struct sgh_request *put_slow(unsigned id)
{
	return put_as(id, "application/slow+json", NULL, BODY);
}

/* The queue's thread goes on while one hangs; what waits for a worker is not overtaken. */
static void nothing_that_waits_is_overtaken(void **state)
{
	struct t_gate gate = T_GATE_INIT;
	struct t_roles *f = *state;
	struct sgh_request *late;

	start_slow(f, &gate);
	t_send(f, put_slow(1));
	t_wait(t_gate_waiting(&gate) == 1);
	t_puts(f, 0, t_id(2), BODY);
	assert_int_equal(memory_store_by_workers(f->store), 0);
	t_send(f, put_slow(3));
	t_send(f, t_put(t_id(4), BODY));
	/* What is late needs no worker, and comes behind them. */
	late = t_put(t_id(5), BODY);
	late->deadline = 1;
	t_send(f, late);
	t_answers(f, SANGRAHA_E_TIMEOUT);
	t_gate_open(&gate);
	for (int i = 0; i < 3; i++)
		t_answers(f, 0);
	assert_int_equal(memory_store_by_workers(f->store), 3);
}

/* ---- for so long ---- */

/* The first one holds it up for a while, which it has to make up for. */
static void the_thread_keeps_time_for_its_connection(void **state)
{
	struct t_roles *f = *state;

	t_start_receiver(f, NULL);
	memory_store_linger(f->store);
	script_delay(f->script, "put json", 1, 500);
	t_send(f, t_put(t_id(1), BODY));
	t_send(f, t_put(t_id(2), BODY));
	for (int i = 0; i < 2; i++)
		t_answers(f, 0);
	assert_int_equal(memory_store_by_workers(f->store), 1);
}

#define BARE(function) \
	cmocka_unit_test_setup_teardown(function, t_roles_begin, t_roles_end)
#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(small_json_takes_no_worker),
	CASE(what_is_large_takes_one),
	CASE(what_is_not_said_to_be_json_takes_one),
	CASE(json_mode_takes_one),
	CASE(what_does_not_begin_like_json_takes_one),
	CASE(a_refusal_takes_no_worker),
	CASE(a_repeat_takes_no_worker),
	CASE(a_batch_goes_to_the_store_together),
	CASE(whoever_is_last_keeps_nobody),
	BARE(a_veto_is_asked_on_a_worker),
	BARE(nothing_that_waits_is_overtaken),
	BARE(the_thread_keeps_time_for_its_connection),
};

t_main(tests)
