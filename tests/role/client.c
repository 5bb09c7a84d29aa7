/* SPDX-License-Identifier: MIT */
#include <poll.h>

#include "base/context.h"
#include "base/id.h"
#include "base/metrics.h"
#include "support/roles.h"

/* The requester. The tests are the receiver: they take requests and answer them. */

#define BODY "{\"a\":1}"
#define OWN  SANGRAHA_RESPONSE_QUEUE ".1" /* the client's response queue */

/* Where a result ends up. */
struct box {
	int calls; /* atomic */
	struct sangraha_result *result;
};

static void put_into(void *arg, struct sangraha_result *result)
{
	struct box *box = arg;

	box->result = result;
	__atomic_add_fetch(&box->calls, 1, __ATOMIC_SEQ_CST);
}

static int calls(struct box *box)
{
	return __atomic_load_n(&box->calls, __ATOMIC_SEQ_CST);
}

static void empty(struct box *box)
{
	sangraha_result_free(box->result);
	*box = (struct box){ 0 };
}

/* Wait for the result; its status. */
static int ended(struct t_roles *f, struct box *box)
{
	int status;

	t_wait((sangraha_client_dispatch(f->client), calls(box)));
	assert_int_equal(calls(box), 1);
	status = sangraha_result_status(box->result);
	if (status)
		t_err = *sangraha_result_error(box->result);
	return status;
}

static int submit(struct t_roles *f, const struct sangraha_put_options *options,
		  struct box *box)
{
	return sangraha_client_submit_put(f->client, BODY, strlen(BODY), options,
					  put_into, box, &t_err);
}

static void submit_brief(struct t_roles *f, unsigned timeout_ms, struct box *box)
{
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.timeout_ms = timeout_ms,
	};

	t_ok(submit(f, &options, box));
}

/* The next request that was sent. Yours: sgh_request_free(). */
static struct sgh_request *taken(struct t_roles *f, const char *queue)
{
	struct sgh_message *message = memory_broker_take(f->broker, queue);
	struct sgh_request *request = NULL;

	t_ok(sgh_request_parse(message, NULL, &request, NULL, &t_err));
	sgh_message_free(message);
	return request;
}

static void send_reply(struct t_roles *f, const char *reply_to, struct sgh_reply *reply)
{
	struct sgh_message *message = NULL;

	t_ok(sgh_reply_message(reply, &message, &t_err));
	memory_broker_put(f->broker, reply_to, message);
	sgh_reply_free(reply);
}

/* Answer a request with success, or a failure. */
static void answer(struct t_roles *f, const struct sgh_request *request, int status)
{
	struct sgh_object_parts parts = {
		.id = request->object_id,
		.type = "json",
		.content_type = "application/json",
		.sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a"
			  "08",
		.created_ms = 1,
	};
	struct sgh_reply *reply = sgh_reply_new();

	reply->correlation_id = request->correlation_id;
	reply->status = status;
	if (status)
		reply->message = "for a test";
	else
		t_ok(sgh_object_new(&parts, &reply->object, &t_err));
	send_reply(f, request->reply_to, reply);
}

/* Answer a get with so many bytes. */
static void answer_bytes(struct t_roles *f, const struct sgh_request *request,
			 size_t size)
{
	struct sgh_object_parts parts = {
		.id = request->object_id,
		.type = "json",
		.content_type = "application/json",
		.sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a"
			  "08",
		.created_ms = 1,
		.size = size,
	};
	struct sgh_reply *reply = sgh_reply_new();

	reply->correlation_id = request->correlation_id;
	reply->body = sgh_bytes_new(NULL, size);
	memset(reply->body->data, 'x', size);
	reply->body->length = size;
	t_ok(sgh_object_new(&parts, &reply->object, &t_err));
	send_reply(f, request->reply_to, reply);
}

static bool is_readable(struct t_roles *f)
{
	struct pollfd fd = { .fd = sangraha_client_fd(f->client), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

/* ---- set-up ---- */

static int begin(void **state)
{
	t_roles_begin(state);
	t_start_client(*state, NULL);
	return 0;
}

/* With receiver and getter: the whole way. */
static int begin_all(void **state)
{
	t_getter_begin(state);
	t_start_client(*state, NULL);
	return 0;
}

static void start(struct t_roles *f, struct sangraha_client_options options)
{
	options.size = sizeof(options);
	t_start_client(f, &options);
}

/* ---- what is sent ---- */

static void a_put_is_complete(void **state)
{
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.request_id = "order-66",
		.filename = "a.json",
		.content_type = "application/json",
		.timeout_ms = 5000,
	};
	struct t_roles *f = *state;
	struct box box = { 0 };
	struct sgh_request *request;

	t_ok(submit(f, &options, &box));
	request = taken(f, T_WRITE);
	assert_int_equal(request->verb, SGH_PUT);
	assert_true(request->fresh);
	assert_int_equal(sgh_id_version(request->object_id), 7);
	assert_string_equal(request->operation_id, request->object_id);
	assert_string_equal(request->reply_to, OWN);
	assert_string_equal(request->request_id, "order-66");
	assert_string_equal(request->filename, "a.json");
	assert_in_range(request->deadline, sgh_time_ms() + 3000, sgh_time_ms() + 5000);
	assert_in_range(request->published, sgh_time_ms() - 3000, sgh_time_ms());
	assert_int_equal(request->size, strlen(BODY));
	assert_true(request->persistent);
	assert_false(request->resend || request->attempt);
	answer(f, request, 0);
	t_ok(ended(f, &box));
	assert_string_equal(sangraha_result_id(box.result), request->object_id);
	sgh_request_free(request);
	empty(&box);
}

static void a_named_id_is_not_fresh(void **state)
{
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.id = t_id(1),
	};
	struct t_roles *f = *state;
	struct box box = { 0 };
	struct sgh_request *request;

	t_ok(submit(f, &options, &box));
	request = taken(f, T_WRITE);
	assert_false(request->fresh);
	assert_string_equal(request->object_id, t_id(1));
	answer(f, request, 0);
	t_ok(ended(f, &box));
	sgh_request_free(request);
	empty(&box);
}

static void a_key_names_the_id(void **state)
{
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.idempotency_key = "k",
	};
	struct t_roles *f = *state;
	struct box box = { 0 };
	struct sgh_request *request;
	char id[SANGRAHA_ID_SIZE];

	t_ok(sangraha_id_from_key("k", id, &t_err));
	t_ok(submit(f, &options, &box));
	request = taken(f, T_WRITE);
	assert_false(request->fresh);
	assert_string_equal(request->object_id, id);
	answer(f, request, 0);
	t_ok(ended(f, &box));
	sgh_request_free(request);
	empty(&box);
}

static void reads_are_transient(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };
	struct sgh_request *request;

	t_ok(sangraha_client_submit_get(f->client, "json", t_id(1), NULL, put_into, &box,
					&t_err));
	request = taken(f, T_READ);
	assert_int_equal(request->verb, SGH_GET);
	assert_false(request->persistent);
	answer(f, request, SANGRAHA_E_NOT_FOUND);
	t_fails(SANGRAHA_E_NOT_FOUND, ended(f, &box));
	t_says("for a test");
	sgh_request_free(request);
	empty(&box);
}

static void impossible_arguments_are_refused(void **state)
{
	struct sangraha_put_options puts[] = {
		{ .id = "1" },           { .type = "film" },
		{ .filename = "a/b" },   { .content_type = "nonsense" },
		{ .request_id = "a b" }, { .idempotency_key = "" },
	};
	struct t_roles *f = *state;
	struct box box = { 0 };

	for (size_t i = 0; i < SGH_COUNT(puts); i++) {
		puts[i].size = sizeof(puts[i]);
		assert_int_not_equal(submit(f, &puts[i], &box), 0);
	}
	t_fails(SANGRAHA_E_INVALID,
		sangraha_client_get(f->client, NULL, t_id(1), NULL, NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_client_get(f->client, "Json", t_id(1), NULL, NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_client_stat(f->client, "json", "x", NULL, NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_client_list(f->client, NULL, 1001, NULL, NULL, NULL, &t_err));
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 0);
	assert_int_equal(calls(&box), 0);
}

/* ---- before the response queue is there ---- */

static void a_request_waits_for_the_response_queue(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };
	struct sgh_request *request;

	t_start_deaf_client(f);
	t_ok(submit(f, NULL, &box));
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 0);
	script_release(f->script);
	request = taken(f, T_WRITE);
	assert_int_equal(request->resend, 0);
	assert_true(request->fresh);
	answer(f, request, 0);
	t_ok(ended(f, &box));
	sgh_request_free(request);
	empty(&box);
}

static void it_does_not_wait_for_ever(void **state)
{
	struct t_roles *f = *state;
	struct box boxes[2] = { 0 };
	int64_t began = sgh_now_ms();
	struct sgh_request *request;

	t_start_deaf_client(f);
	t_ok(submit(f, NULL, &boxes[0]));
	request = taken(f, T_WRITE);
	assert_true(sgh_now_ms() >= began + 1000);
	sgh_request_free(request);
	t_ok(submit(f, NULL, &boxes[1]));
	sgh_request_free(taken(f, T_WRITE));
	sangraha_client_free(sgh_take(f->client));
	empty(&boxes[0]);
	empty(&boxes[1]);
}

static void the_end_ends_what_waits(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };

	t_start_deaf_client(f);
	t_ok(submit(f, NULL, &box));
	sangraha_client_free(sgh_take(f->client));
	assert_int_equal(calls(&box), 1);
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 0);
	empty(&box);
}

/* ---- answers ---- */

static void each_gets_its_own(void **state)
{
	struct t_roles *f = *state;
	struct box first = { 0 };
	struct box second = { 0 };
	struct sgh_request *requests[2];

	t_ok(submit(f, NULL, &first));
	requests[0] = taken(f, T_WRITE);
	t_ok(submit(f, NULL, &second));
	requests[1] = taken(f, T_WRITE);
	answer(f, requests[1], SANGRAHA_E_CONFLICT);
	answer(f, requests[0], 0);
	t_ok(ended(f, &first));
	t_fails(SANGRAHA_E_CONFLICT, ended(f, &second));
	assert_string_equal(sangraha_object_id(sangraha_result_object(first.result)),
			    requests[0]->object_id);
	sgh_request_free(requests[0]);
	sgh_request_free(requests[1]);
	empty(&first);
	empty(&second);
}

static void a_refusal_says_why(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };
	struct sgh_request *request;
	struct sgh_reply *reply = sgh_reply_new();

	t_ok(submit(f, NULL, &box));
	request = taken(f, T_WRITE);
	reply->correlation_id = request->correlation_id;
	reply->status = SANGRAHA_E_REJECTED;
	reply->rule = "json.trailing-comma";
	reply->offset = 7;
	send_reply(f, OWN, reply);
	t_fails(SANGRAHA_E_REJECTED, ended(f, &box));
	assert_string_equal(sangraha_result_rule(box.result), "json.trailing-comma");
	assert_int_equal(sangraha_result_offset(box.result), 7);
	sgh_request_free(request);
	empty(&box);
}

static void late_and_double_answers_are_ignored(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };
	struct sgh_request *request;

	t_ok(submit(f, NULL, &box));
	request = taken(f, T_WRITE);
	answer(f, request, 0);
	t_ok(ended(f, &box));
	script_forget(f->script);
	answer(f, request, SANGRAHA_E_CONFLICT);
	t_wait(script_count(f->script, "ack " OWN ": ok") == 1);
	assert_int_equal(sangraha_client_dispatch(f->client), 0);
	assert_int_equal(calls(&box), 1);
	sgh_request_free(request);
	empty(&box);
}

static void nonsense_is_ignored(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message = sgh_message_new();
	struct sgh_reply *reply = sgh_reply_new();

	message->type = "what";
	message->body = t_bytes("ever");
	memory_broker_put(f->broker, OWN, message);
	reply->correlation_id = "nobody's";
	send_reply(f, OWN, reply);
	send_reply(f, OWN, sgh_reply_new());
	t_wait(script_count(f->script, "ack " OWN ": ok") == 3);
	assert_false(is_readable(f));
}

static void no_answer_is_a_timeout(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };
	struct sgh_request *request;

	submit_brief(f, 50, &box);
	t_fails(SANGRAHA_E_TIMEOUT, ended(f, &box));
	t_says("no answer came");
	request = taken(f, T_WRITE);
	answer(f, request, 0);
	t_wait(script_count(f->script, "ack " OWN ": ok") == 1);
	assert_int_equal(sangraha_client_dispatch(f->client), 0);
	sgh_request_free(request);
	empty(&box);
}

/* Whether a request that got no answer is told that nobody is there. */
static bool misses(struct t_roles *f, const char *what)
{
	struct box box = { 0 };
	bool says;

	submit_brief(f, 1, &box);
	t_fails(SANGRAHA_E_TIMEOUT, ended(f, &box));
	says = strstr(t_err.message, what) != NULL;
	empty(&box);
	return says;
}

static void a_timeout_says_that_nobody_is_there(void **state)
{
	struct t_roles *f = *state;

	/* The broker's word comes a moment after the start. */
	t_wait(misses(f, ", and no receiver is there;"));
	memory_queue_disconnect(f->client_queue);
	assert_true(misses(f, ", and the broker is not there;"));
}

static void an_asynchronous_one_has_the_time_of_the_options(void **state)
{
	struct sangraha_put_options options = { .size = sizeof(options), .async = 1 };
	struct t_roles *f = *state;
	struct box box = { 0 };
	int64_t before = sgh_time_ms();
	int64_t until;

	sangraha_client_free(sgh_take(f->client));
	sangraha_queue_unref(sgh_take(f->client_queue));
	start(f, (struct sangraha_client_options){ .async_timeout_ms = 90000 });
	t_ok(submit(f, &options, &box));
	t_ok(ended(f, &box));
	until = sangraha_result_until_ms(box.result);
	assert_in_range(until, before + 90000, sgh_time_ms() + 90000);
	empty(&box);
}

static void asynchronous_is_done_when_confirmed(void **state)
{
	struct sangraha_put_options options = { .size = sizeof(options), .async = 1 };
	struct t_roles *f = *state;
	struct box box = { 0 };
	struct sgh_request *request;

	script_hold(f->script, "publish " T_WRITE, 1);
	t_ok(submit(f, &options, &box));
	t_wait(script_holding(f->script));
	assert_int_equal(sangraha_client_dispatch(f->client), 0);
	script_release(f->script);
	t_ok(ended(f, &box));
	assert_null(sangraha_result_object(box.result));
	request = taken(f, T_WRITE);
	assert_null(request->reply_to);
	assert_string_equal(sangraha_result_id(box.result), request->object_id);
	assert_true(request->deadline > sgh_time_ms() + 80000000);
	assert_int_equal(sangraha_result_until_ms(box.result), request->deadline);
	sgh_request_free(request);
	empty(&box);
}

/* ---- answers that there is no memory for ---- */

#define BYTES ((size_t)1 << 20)

/* Ask for an object when all memory is somebody else's, and be answered. */
static void get_without_memory(struct t_roles *f, unsigned timeout_ms, struct box *box)
{
	struct sangraha_request_options options = { .size = sizeof(options),
						    .timeout_ms = timeout_ms };
	struct sgh_budget *budget = f->context->budget;
	struct sgh_request *request;

	sgh_budget_force(budget, sgh_budget_limit(budget));
	t_ok(sangraha_client_submit_get(f->client, "json", t_id(1), &options, put_into,
					box, &t_err));
	request = taken(f, T_READ);
	answer_bytes(f, request, BYTES);
	t_wait(script_count(f->script, "ack " OWN ": ok") == 1);
	sgh_request_free(request);
}

static void without_memory_an_answer_is_asked_for_again(void **state)
{
	struct t_roles *f = *state;
	struct sgh_budget *budget = f->context->budget;
	struct sgh_request *request;
	struct box box = { 0 };
	size_t length;

	get_without_memory(f, 0, &box);
	t_wait(sgh_budget_used(budget) == sgh_budget_limit(budget));
	assert_int_equal(calls(&box), 0);
	sgh_budget_release(budget, sgh_budget_limit(budget));
	request = taken(f, T_READ);
	assert_int_equal(request->resend, 1);
	answer_bytes(f, request, BYTES);
	t_ok(ended(f, &box));
	sangraha_result_data(box.result, &length);
	assert_int_equal(length, BYTES);
	assert_int_equal(sgh_budget_used(budget), BYTES);
	sgh_request_free(request);
	empty(&box);
	assert_int_equal(sgh_budget_used(budget), 0);
}

static void without_memory_for_an_answer_it_is_overloaded(void **state)
{
	struct t_roles *f = *state;
	struct sgh_budget *budget = f->context->budget;
	struct box box = { 0 };

	get_without_memory(f, 200, &box);
	t_fails(SANGRAHA_E_OVERLOADED, ended(f, &box));
	t_says("no memory for the answer");
	empty(&box);
	t_wait(sgh_budget_used(budget) == sgh_budget_limit(budget));
	sgh_budget_release(budget, sgh_budget_limit(budget));
	assert_int_equal(sgh_budget_used(budget), 0);
}

/* ---- what cannot be sent ---- */

static void no_queue_is_unavailable(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };

	memory_broker_delete(f->broker, T_WRITE);
	t_ok(submit(f, NULL, &box));
	t_fails(SANGRAHA_E_UNAVAILABLE, ended(f, &box));
	assert_true(t_err.message[0] != '\0');
	empty(&box);
}

static void a_full_queue_is_overloaded(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };

	script_fail(f->script, "publish " T_WRITE, 1, SANGRAHA_E_OVERLOADED);
	t_ok(submit(f, NULL, &box));
	t_fails(SANGRAHA_E_OVERLOADED, ended(f, &box));
	empty(&box);
}

static void without_a_connection_it_fails_at_once(void **state)
{
	struct t_roles *f = *state;
	struct box boxes[1024] = { 0 };
	int count = 0;

	memory_queue_disconnect(f->client_queue);
	t_wait(submit(f, NULL, &boxes[count++]) == SANGRAHA_E_UNAVAILABLE);
	assert_int_equal(calls(&boxes[count - 1]), 0);
	/* Those before wait for the connection, and are sent when it is back. */
	memory_queue_connect(f->client_queue);
	t_wait(memory_broker_count(f->broker, T_WRITE) == count - 1);
	sangraha_client_free(sgh_take(f->client));
	for (int i = 0; i < count - 1; i++)
		empty(&boxes[i]);
}

static void in_flight_is_bounded(void **state)
{
	struct t_roles *f = *state;
	struct box boxes[3] = { 0 };
	struct sgh_request *request;

	start(f, (struct sangraha_client_options){ .max_in_flight = 2 });
	t_ok(submit(f, NULL, &boxes[0]));
	t_ok(submit(f, NULL, &boxes[1]));
	t_fails(SANGRAHA_E_OVERLOADED, submit(f, NULL, &boxes[2]));
	request = taken(f, T_WRITE);
	answer(f, request, 0);
	t_ok(ended(f, &boxes[0]));
	t_ok(submit(f, NULL, &boxes[2]));
	sgh_request_free(request);
	sangraha_client_free(sgh_take(f->client));
	for (int i = 0; i < 3; i++)
		empty(&boxes[i]);
}

/* ---- who calls done, and when ---- */

static void completions_wait_for_dispatch(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };
	struct sgh_request *request;

	assert_false(is_readable(f));
	t_ok(submit(f, NULL, &box));
	request = taken(f, T_WRITE);
	answer(f, request, 0);
	t_wait(is_readable(f));
	assert_int_equal(calls(&box), 0);
	assert_int_equal(sangraha_client_dispatch(f->client), 1);
	assert_int_equal(calls(&box), 1);
	assert_false(is_readable(f));
	sgh_request_free(request);
	empty(&box);
}

static void direct_does_not_wait(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };
	struct sgh_request *request;

	start(f, (struct sangraha_client_options){ .direct = 1 });
	t_ok(submit(f, NULL, &box));
	request = taken(f, T_WRITE);
	answer(f, request, 0);
	t_wait(calls(&box) == 1);
	assert_false(is_readable(f));
	sgh_request_free(request);
	empty(&box);
}

static void a_dispatch_has_an_end(void **state)
{
	enum { COUNT = 300 };
	struct t_roles *f = *state;
	struct box boxes[COUNT] = { 0 };
	int rest = 0;

	for (int i = 0; i < COUNT; i++)
		t_ok(submit(f, NULL, &boxes[i]));
	for (int i = 0; i < COUNT; i++) {
		struct sgh_request *request = taken(f, T_WRITE);

		answer(f, request, 0);
		sgh_request_free(request);
	}
	t_wait(script_count(f->script, "ack " OWN ": ok") == COUNT);
	assert_int_equal(sangraha_client_dispatch(f->client), 256);
	assert_true(is_readable(f));
	/* The last one may be acknowledged, and not complete yet. */
	t_wait((rest += sangraha_client_dispatch(f->client)) == COUNT - 256);
	t_wait((sangraha_client_dispatch(f->client), !is_readable(f)));
	for (int i = 0; i < COUNT; i++)
		empty(&boxes[i]);
}

static void the_end_ends_open_calls(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };

	t_ok(submit(f, NULL, &box));
	sangraha_client_free(sgh_take(f->client));
	assert_int_equal(calls(&box), 1);
	assert_int_equal(sangraha_result_status(box.result), SANGRAHA_E_UNAVAILABLE);
	assert_true(sangraha_result_error(box.result)->message[0] != '\0');
	empty(&box);
}

/* A message that is on its way outlives the client; its end finds nobody. */
static void the_end_does_not_wait_for_the_broker(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };

	script_hold(f->script, "publish " T_WRITE, 1);
	t_ok(submit(f, NULL, &box));
	t_wait(script_holding(f->script));
	sangraha_client_free(sgh_take(f->client));
	assert_int_equal(calls(&box), 1);
	script_release(f->script);
	t_wait(script_count(f->script, "publish " T_WRITE ": ok") == 1);
	empty(&box);
}

static void ends_and_answers_at_once(void **state)
{
	struct t_roles *f = *state;
	struct box boxes[50] = { 0 };

	for (int i = 0; i < 50; i++)
		submit_brief(f, 5 + (unsigned)i, &boxes[i]);
	for (int i = 0; i < 50; i++) {
		struct sgh_request *request = taken(f, T_WRITE);

		answer(f, request, 0);
		sgh_request_free(request);
	}
	sangraha_client_free(sgh_take(f->client));
	for (int i = 0; i < 50; i++) {
		assert_int_equal(calls(&boxes[i]), 1);
		empty(&boxes[i]);
	}
}

/* ---- health ---- */

static int health_of(struct t_roles *f, size_t offset)
{
	struct sangraha_health health = { .size = sizeof(health) };

	sangraha_client_health(f->client, &health);
	return *(int *)(void *)((char *)&health + offset);
}

#define HEALTH(f, what) health_of((f), offsetof(struct sangraha_health, what))

static void consumers_make_health(void **state)
{
	struct t_roles *f = *state;

	assert_int_equal(HEALTH(f, writes), SANGRAHA_HEALTH_DOWN);
	t_start_receiver(f, NULL);
	t_wait(HEALTH(f, writes) == SANGRAHA_HEALTH_OK);
	assert_int_equal(HEALTH(f, reads), SANGRAHA_HEALTH_DOWN);
	assert_int_equal(HEALTH(f, broker), SANGRAHA_HEALTH_OK);
	memory_queue_disconnect(f->client_queue);
	assert_int_equal(HEALTH(f, broker), SANGRAHA_HEALTH_DOWN);
	assert_int_equal(HEALTH(f, writes), SANGRAHA_HEALTH_DOWN);
}

static bool tells(struct t_roles *f, const char *line)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(0);

	sgh_metrics_render(f->context->metrics, &buf);
	return strstr(buf.data, line) != NULL;
}

#define LETTERS "sangraha_dlq_messages{queue=\"object_write_queue.dlq\"}"

static void dead_letters_are_counted_while_that_is_known(void **state)
{
	struct t_roles *f = *state;

	t_wait(tells(f, LETTERS " 0\n"));
	memory_broker_put(f->broker, T_DEAD, sgh_message_new());
	t_wait(tells(f, LETTERS " 1\n"));
	memory_queue_disconnect(f->client_queue);
	t_wait(!tells(f, LETTERS));
	memory_queue_connect(f->client_queue);
	t_wait(tells(f, LETTERS " 1\n"));
	sangraha_client_free(sgh_take(f->client));
	assert_false(tells(f, LETTERS));
}

/* A queue without room on its disk takes what is in memory only. */
static void a_full_queue_reads(void **state)
{
	struct t_roles *f = *state;

	t_start_receiver(f, NULL);
	t_start_getter(f, NULL);
	t_wait(HEALTH(f, writes) == SANGRAHA_HEALTH_OK);
	t_wait(HEALTH(f, reads) == SANGRAHA_HEALTH_OK);
	memory_queue_fill(f->client_queue, true);
	assert_int_equal(HEALTH(f, broker), SANGRAHA_HEALTH_OK);
	assert_int_equal(HEALTH(f, writes), SANGRAHA_HEALTH_DOWN);
	assert_int_equal(HEALTH(f, reads), SANGRAHA_HEALTH_OK);
	memory_queue_fill(f->client_queue, false);
	assert_int_equal(HEALTH(f, writes), SANGRAHA_HEALTH_OK);
}

static void a_full_queue_takes_no_persistent_reads(void **state)
{
	struct sangraha_client_options options = { .size = sizeof(options),
						   .persistent_reads = 1 };
	struct t_roles *f = *state;

	sangraha_client_free(sgh_take(f->client));
	sangraha_queue_unref(sgh_take(f->client_queue));
	t_start_client(f, &options);
	t_start_receiver(f, NULL);
	t_start_getter(f, NULL);
	t_wait(HEALTH(f, reads) == SANGRAHA_HEALTH_OK);
	memory_queue_fill(f->client_queue, true);
	assert_int_equal(HEALTH(f, reads), SANGRAHA_HEALTH_DOWN);
}

/* ---- the whole way ---- */

static void the_whole_way(void **state)
{
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.filename = "a.json",
		.content_type = "application/json",
	};
	struct t_roles *f = *state;
	struct sangraha_result *result = NULL;
	char id[SANGRAHA_ID_SIZE];
	size_t length;

	t_ok(sangraha_client_put(f->client, BODY, strlen(BODY), &options, &result,
				 &t_err));
	memcpy(id, sangraha_result_id(result), sizeof(id));
	sangraha_result_free(result);
	t_ok(sangraha_client_get(f->client, "json", id, NULL, &result, &t_err));
	assert_memory_equal(sangraha_result_data(result, &length), BODY, strlen(BODY));
	sangraha_result_free(result);
	t_ok(sangraha_client_operation(f->client, id, NULL, &result, &t_err));
	sangraha_result_free(result);
	t_ok(sangraha_client_list(f->client, NULL, 0, NULL, NULL, &result, &t_err));
	assert_string_equal(sangraha_object_filename(sangraha_result_at(result, 0)),
			    "a.json");
	assert_null(sangraha_result_at(result, 1));
	assert_null(sangraha_result_next_cursor(result));
	sangraha_result_free(result);
	t_ok(sangraha_client_delete(f->client, "json", id, NULL, NULL, &t_err));
	t_fails(SANGRAHA_E_NOT_FOUND,
		sangraha_client_stat(f->client, "json", id, NULL, &result, &t_err));
	sangraha_result_free(result);
}

static void a_blocking_refusal_has_a_result(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_result *result = NULL;

	t_fails(SANGRAHA_E_UNSUPPORTED,
		sangraha_client_put(f->client, "hello", 5, NULL, &result, &t_err));
	assert_non_null(result);
	assert_non_null(sangraha_result_detected(result));
	sangraha_result_free(result);
}

static void an_empty_body_travels(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_result *result = NULL;

	assert_int_not_equal(
		sangraha_client_put(f->client, NULL, 0, NULL, &result, &t_err), 0);
	assert_non_null(result);
	sangraha_result_free(result);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, t_roles_end)
#define BARE(function) \
	cmocka_unit_test_setup_teardown(function, t_roles_begin, t_roles_end)
#define WHOLE(function) cmocka_unit_test_setup_teardown(function, begin_all, t_roles_end)

static struct sangraha_object *object_of(const char *type, const char *content_type)
{
	struct sangraha_object *object = NULL;
	char json[512];
	int length = snprintf(
		json, sizeof(json),
		"{\"id\":\"0199f2c4-58a1-7c3e-9d55-3f1a2b4c5d6e\",\"type\":\"%s\","
		"\"content_type\":\"%s\",\"size\":1,\"sha256\":\"%064d\","
		"\"created\":\"2026-01-31T12:00:00.000Z\",\"metadata\":{},\"facts\":{}}",
		type, content_type, 0);

	t_ok(sangraha_object_parse(json, (size_t)length, &object, &t_err));
	return object;
}

static void a_download_has_an_extension(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_object *png = object_of("image", "image/png");
	struct sangraha_object *csv = object_of("csv", "text/csv");

	assert_string_equal(sangraha_client_extension(f->client, png), "png");
	assert_null(sangraha_client_extension(f->client, csv));
	assert_null(sangraha_client_extension(NULL, png));
	sangraha_object_unref(csv);
	sangraha_object_unref(png);
}

static const struct CMUnitTest tests[] = {
	CASE(a_put_is_complete),
	CASE(a_named_id_is_not_fresh),
	CASE(a_key_names_the_id),
	CASE(reads_are_transient),
	CASE(impossible_arguments_are_refused),
	CASE(a_download_has_an_extension),
	BARE(a_request_waits_for_the_response_queue),
	BARE(it_does_not_wait_for_ever),
	BARE(the_end_ends_what_waits),
	CASE(each_gets_its_own),
	CASE(a_refusal_says_why),
	CASE(late_and_double_answers_are_ignored),
	CASE(nonsense_is_ignored),
	CASE(no_answer_is_a_timeout),
	CASE(a_timeout_says_that_nobody_is_there),
	CASE(asynchronous_is_done_when_confirmed),
	CASE(an_asynchronous_one_has_the_time_of_the_options),
	CASE(without_memory_an_answer_is_asked_for_again),
	CASE(without_memory_for_an_answer_it_is_overloaded),
	CASE(no_queue_is_unavailable),
	CASE(a_full_queue_is_overloaded),
	CASE(without_a_connection_it_fails_at_once),
	BARE(in_flight_is_bounded),
	CASE(completions_wait_for_dispatch),
	BARE(direct_does_not_wait),
	CASE(a_dispatch_has_an_end),
	CASE(the_end_ends_open_calls),
	CASE(the_end_does_not_wait_for_the_broker),
	CASE(ends_and_answers_at_once),
	CASE(consumers_make_health),
	CASE(dead_letters_are_counted_while_that_is_known),
	CASE(a_full_queue_reads),
	CASE(a_full_queue_takes_no_persistent_reads),
	WHOLE(the_whole_way),
	WHOLE(a_blocking_refusal_has_a_result),
	WHOLE(an_empty_body_travels),
};

t_main(tests)
