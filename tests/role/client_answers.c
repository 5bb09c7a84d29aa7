/* SPDX-License-Identifier: MIT */
#include <poll.h>

#include "base/context.h"
#include "support/requester.h"

/* The requester: what it makes of answers. The tests are the receiver. */

static int begin(void **state)
{
	t_roles_begin(state);
	t_start_client(*state, NULL);
	return 0;
}

static void start(struct t_roles *f, struct sangraha_client_options options)
{
	options.size = sizeof(options);
	t_start_client(f, &options);
}

static void submit_brief(struct t_roles *f, unsigned timeout_ms, struct t_box *box)
{
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.timeout_ms = timeout_ms,
	};

	t_ok(t_submit_put(f, &options, box));
}

static bool is_readable(struct t_roles *f)
{
	struct pollfd fd = { .fd = sangraha_client_fd(f->client), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

/* ---- answers ---- */

static void each_gets_its_own(void **state)
{
	struct t_roles *f = *state;
	struct t_box first = { 0 };
	struct t_box second = { 0 };
	struct sgh_request *requests[2];

	t_ok(t_submit_put(f, NULL, &first));
	requests[0] = t_taken(f, T_WRITE);
	t_ok(t_submit_put(f, NULL, &second));
	requests[1] = t_taken(f, T_WRITE);
	t_answer_to(f, requests[1], SANGRAHA_E_CONFLICT);
	t_answer_to(f, requests[0], 0);
	t_ok(t_box_ended(f, &first));
	t_fails(SANGRAHA_E_CONFLICT, t_box_ended(f, &second));
	assert_string_equal(sangraha_object_id(sangraha_result_object(first.result)),
			    requests[0]->object_id);
	sgh_request_free(requests[0]);
	sgh_request_free(requests[1]);
	t_box_empty(&first);
	t_box_empty(&second);
}

/* Who was answered together may ask together; who was answered alone waits for nobody. */
static void more_is_expected_where_several_were_answered(void **state)
{
	struct t_roles *f = *state;

	for (unsigned together = 0; together < 2; together++) {
		struct t_box box = { 0 };
		struct sgh_request *request;

		t_ok(t_submit_put(f, NULL, &box));
		request = t_taken(f, T_WRITE);
		if (together)
			t_answer_together(f, request);
		else
			t_answer_to(f, request, 0);
		t_ok(t_box_ended(f, &box));
		assert_int_equal(memory_broker_expected(f->broker), together);
		sgh_request_free(request);
		t_box_empty(&box);
	}
}

/* The next one of that will be as large, and travels alone. */
static void nothing_is_expected_behind_what_is_large(void **state)
{
	struct t_roles *f = *state;
	struct t_box box = { 0 };
	struct sgh_request *request;
	char large[20000];

	memset(large, ' ', sizeof(large));
	large[0] = '1';
	t_ok(sangraha_client_submit_put(f->client, large, sizeof(large), NULL, t_box_put,
					&box, &t_err));
	request = t_taken(f, T_WRITE);
	t_answer_together(f, request);
	t_ok(t_box_ended(f, &box));
	assert_int_equal(memory_broker_expected(f->broker), 0);
	sgh_request_free(request);
	t_box_empty(&box);
}

static void a_refusal_says_why(void **state)
{
	struct t_roles *f = *state;
	struct t_box box = { 0 };
	struct sgh_request *request;
	struct sgh_reply *reply = sgh_reply_new();

	t_ok(t_submit_put(f, NULL, &box));
	request = t_taken(f, T_WRITE);
	reply->correlation_id = request->correlation_id;
	reply->status = SANGRAHA_E_REJECTED;
	reply->rule = "json.trailing-comma";
	reply->offset = 7;
	t_reply_to(f, T_OWN, reply);
	t_fails(SANGRAHA_E_REJECTED, t_box_ended(f, &box));
	assert_string_equal(sangraha_result_rule(box.result), "json.trailing-comma");
	assert_int_equal(sangraha_result_offset(box.result), 7);
	sgh_request_free(request);
	t_box_empty(&box);
}

static void late_and_double_answers_are_ignored(void **state)
{
	struct t_roles *f = *state;
	struct t_box box = { 0 };
	struct sgh_request *request;

	t_ok(t_submit_put(f, NULL, &box));
	request = t_taken(f, T_WRITE);
	t_answer_to(f, request, 0);
	t_ok(t_box_ended(f, &box));
	script_forget(f->script);
	t_answer_to(f, request, SANGRAHA_E_CONFLICT);
	t_wait(script_count(f->script, "ack " T_OWN ": ok") == 1);
	assert_int_equal(sangraha_client_dispatch(f->client), 0);
	assert_int_equal(t_box_calls(&box), 1);
	sgh_request_free(request);
	t_box_empty(&box);
}

static void nonsense_is_ignored(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message = sgh_message_new();
	struct sgh_reply *reply = sgh_reply_new();

	message->type = "what";
	message->body = t_bytes("ever");
	memory_broker_put(f->broker, T_OWN, message);
	reply->correlation_id = "nobody's";
	t_reply_to(f, T_OWN, reply);
	t_reply_to(f, T_OWN, sgh_reply_new());
	t_wait(script_count(f->script, "ack " T_OWN ": ok") == 3);
	assert_false(is_readable(f));
}

static void no_answer_is_a_timeout(void **state)
{
	struct t_roles *f = *state;
	struct t_box box = { 0 };
	struct sgh_request *request;

	submit_brief(f, 50, &box);
	t_fails(SANGRAHA_E_TIMEOUT, t_box_ended(f, &box));
	t_says("no answer came");
	request = t_taken(f, T_WRITE);
	t_answer_to(f, request, 0);
	t_wait(script_count(f->script, "ack " T_OWN ": ok") == 1);
	assert_int_equal(sangraha_client_dispatch(f->client), 0);
	sgh_request_free(request);
	t_box_empty(&box);
}

/* Whether a request that got no answer is told that nobody is there. */
static bool misses(struct t_roles *f, const char *what)
{
	struct t_box box = { 0 };
	bool says;

	submit_brief(f, 1, &box);
	t_fails(SANGRAHA_E_TIMEOUT, t_box_ended(f, &box));
	says = strstr(t_err.message, what) != NULL;
	t_box_empty(&box);
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
	struct t_box box = { 0 };
	int64_t before = sgh_time_ms();
	int64_t until;

	sangraha_client_free(sgh_take(f->client));
	sangraha_queue_unref(sgh_take(f->client_queue));
	start(f, (struct sangraha_client_options){ .async_timeout_ms = 90000 });
	t_ok(t_submit_put(f, &options, &box));
	t_ok(t_box_ended(f, &box));
	until = sangraha_result_until_ms(box.result);
	assert_in_range(until, before + 90000, sgh_time_ms() + 90000);
	t_box_empty(&box);
}

static void asynchronous_is_done_when_confirmed(void **state)
{
	struct sangraha_put_options options = { .size = sizeof(options), .async = 1 };
	struct t_roles *f = *state;
	struct t_box box = { 0 };
	struct sgh_request *request;

	script_hold(f->script, "publish " T_WRITE, 1);
	t_ok(t_submit_put(f, &options, &box));
	t_wait(script_holding(f->script));
	assert_int_equal(sangraha_client_dispatch(f->client), 0);
	script_release(f->script);
	t_ok(t_box_ended(f, &box));
	assert_null(sangraha_result_object(box.result));
	request = t_taken(f, T_WRITE);
	assert_false(request->batches);
	assert_null(request->reply_to);
	assert_string_equal(sangraha_result_id(box.result), request->object_id);
	assert_true(request->deadline > sgh_time_ms() + 80000000);
	assert_int_equal(sangraha_result_until_ms(box.result), request->deadline);
	sgh_request_free(request);
	t_box_empty(&box);
}

/* ---- answers that there is no memory for ---- */

#define BYTES ((size_t)1 << 20)

/* Ask for an object when all memory is somebody else's, and be answered. */
static void get_without_memory(struct t_roles *f, unsigned timeout_ms, struct t_box *box)
{
	struct sangraha_request_options options = { .size = sizeof(options),
						    .timeout_ms = timeout_ms };
	struct sgh_budget *budget = f->context->budget;
	struct sgh_request *request;

	sgh_budget_force(budget, sgh_budget_limit(budget));
	t_ok(sangraha_client_submit_get(f->client, "json", t_id(1), &options, t_box_put,
					box, &t_err));
	request = t_taken(f, T_READ);
	t_answer_bytes(f, request, BYTES);
	t_wait(script_count(f->script, "ack " T_OWN ": ok") == 1);
	sgh_request_free(request);
}

static void without_memory_an_answer_is_asked_for_again(void **state)
{
	struct t_roles *f = *state;
	struct sgh_budget *budget = f->context->budget;
	struct sgh_request *request;
	struct t_box box = { 0 };
	size_t length;

	get_without_memory(f, 0, &box);
	t_wait(sgh_budget_used(budget) == sgh_budget_limit(budget));
	assert_int_equal(t_box_calls(&box), 0);
	sgh_budget_release(budget, sgh_budget_limit(budget));
	request = t_taken(f, T_READ);
	assert_int_equal(request->resend, 1);
	t_answer_bytes(f, request, BYTES);
	t_ok(t_box_ended(f, &box));
	sangraha_result_data(box.result, &length);
	assert_int_equal(length, BYTES);
	assert_int_equal(sgh_budget_used(budget), BYTES);
	sgh_request_free(request);
	t_box_empty(&box);
	assert_int_equal(sgh_budget_used(budget), 0);
}

static void without_memory_for_an_answer_it_is_overloaded(void **state)
{
	struct t_roles *f = *state;
	struct sgh_budget *budget = f->context->budget;
	struct t_box box = { 0 };

	get_without_memory(f, 200, &box);
	t_fails(SANGRAHA_E_OVERLOADED, t_box_ended(f, &box));
	t_says("no memory for the answer");
	t_box_empty(&box);
	t_wait(sgh_budget_used(budget) == sgh_budget_limit(budget));
	sgh_budget_release(budget, sgh_budget_limit(budget));
	assert_int_equal(sgh_budget_used(budget), 0);
}

/* ---- who calls done, and when ---- */

static void completions_wait_for_dispatch(void **state)
{
	struct t_roles *f = *state;
	struct t_box box = { 0 };
	struct sgh_request *request;

	assert_false(is_readable(f));
	t_ok(t_submit_put(f, NULL, &box));
	request = t_taken(f, T_WRITE);
	t_answer_to(f, request, 0);
	t_wait(is_readable(f));
	assert_int_equal(t_box_calls(&box), 0);
	assert_int_equal(sangraha_client_dispatch(f->client), 1);
	assert_int_equal(t_box_calls(&box), 1);
	assert_false(is_readable(f));
	sgh_request_free(request);
	t_box_empty(&box);
}

static void direct_does_not_wait(void **state)
{
	struct t_roles *f = *state;
	struct t_box box = { 0 };
	struct sgh_request *request;

	start(f, (struct sangraha_client_options){ .direct = 1 });
	t_ok(t_submit_put(f, NULL, &box));
	request = t_taken(f, T_WRITE);
	t_answer_to(f, request, 0);
	t_wait(t_box_calls(&box) == 1);
	assert_false(is_readable(f));
	sgh_request_free(request);
	t_box_empty(&box);
}

static void a_dispatch_has_an_end(void **state)
{
	enum { COUNT = 300 };
	struct t_roles *f = *state;
	struct t_box boxes[COUNT] = { 0 };
	int rest = 0;

	for (int i = 0; i < COUNT; i++)
		t_ok(t_submit_put(f, NULL, &boxes[i]));
	for (int i = 0; i < COUNT; i++) {
		struct sgh_request *request = t_taken(f, T_WRITE);

		t_answer_to(f, request, 0);
		sgh_request_free(request);
	}
	t_wait(script_count(f->script, "ack " T_OWN ": ok") == COUNT);
	assert_int_equal(sangraha_client_dispatch(f->client), 256);
	assert_true(is_readable(f));
	/* The last one may be acknowledged, and not complete yet. */
	t_wait((rest += sangraha_client_dispatch(f->client)) == COUNT - 256);
	t_wait((sangraha_client_dispatch(f->client), !is_readable(f)));
	for (int i = 0; i < COUNT; i++)
		t_box_empty(&boxes[i]);
}

static void the_end_ends_open_calls(void **state)
{
	struct t_roles *f = *state;
	struct t_box box = { 0 };

	t_ok(t_submit_put(f, NULL, &box));
	sangraha_client_free(sgh_take(f->client));
	assert_int_equal(t_box_calls(&box), 1);
	assert_int_equal(sangraha_result_status(box.result), SANGRAHA_E_UNAVAILABLE);
	assert_true(sangraha_result_error(box.result)->message[0] != '\0');
	t_box_empty(&box);
}

/* A message that is on its way outlives the client; its end finds nobody. */
static void the_end_does_not_wait_for_the_broker(void **state)
{
	struct t_roles *f = *state;
	struct t_box box = { 0 };

	script_hold(f->script, "publish " T_WRITE, 1);
	t_ok(t_submit_put(f, NULL, &box));
	t_wait(script_holding(f->script));
	sangraha_client_free(sgh_take(f->client));
	assert_int_equal(t_box_calls(&box), 1);
	script_release(f->script);
	t_wait(script_count(f->script, "publish " T_WRITE ": ok") == 1);
	t_box_empty(&box);
}

static void ends_and_answers_at_once(void **state)
{
	struct t_roles *f = *state;
	struct t_box boxes[50] = { 0 };

	for (int i = 0; i < 50; i++)
		submit_brief(f, 5 + (unsigned)i, &boxes[i]);
	for (int i = 0; i < 50; i++) {
		struct sgh_request *request = t_taken(f, T_WRITE);

		t_answer_to(f, request, 0);
		sgh_request_free(request);
	}
	sangraha_client_free(sgh_take(f->client));
	for (int i = 0; i < 50; i++) {
		assert_int_equal(t_box_calls(&boxes[i]), 1);
		t_box_empty(&boxes[i]);
	}
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, t_roles_end)
#define BARE(function) \
	cmocka_unit_test_setup_teardown(function, t_roles_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(each_gets_its_own),
	CASE(more_is_expected_where_several_were_answered),
	CASE(nothing_is_expected_behind_what_is_large),
	CASE(a_refusal_says_why),
	CASE(late_and_double_answers_are_ignored),
	CASE(nonsense_is_ignored),
	CASE(no_answer_is_a_timeout),
	CASE(a_timeout_says_that_nobody_is_there),
	CASE(an_asynchronous_one_has_the_time_of_the_options),
	CASE(asynchronous_is_done_when_confirmed),
	CASE(without_memory_an_answer_is_asked_for_again),
	CASE(without_memory_for_an_answer_it_is_overloaded),
	CASE(completions_wait_for_dispatch),
	BARE(direct_does_not_wait),
	CASE(a_dispatch_has_an_end),
	CASE(the_end_ends_open_calls),
	CASE(the_end_does_not_wait_for_the_broker),
	CASE(ends_and_answers_at_once),
};

t_main(tests)
