/* SPDX-License-Identifier: MIT */
#include "base/metrics.h"
#include "base/thread.h"
#include "role/client.h"
#include "support/roles.h"

/* Reads that the client's cache answers. */

#define BODY   "{\"a\":1}"
#define TYPE   "json"
#define EVENTS "attach " SGH_EVENT_QUEUE

struct box {
	int calls; /* atomic */
	pthread_t thread;
	struct sangraha_result *result;
};

static void put_into(void *arg, struct sangraha_result *result)
{
	struct box *box = arg;

	box->result = result;
	box->thread = pthread_self();
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

/* ---- set-up ---- */

static bool follows(struct t_roles *f)
{
	return sgh_cache_mark(f->client->cache, t_id(1)) != 0;
}

static void start(struct t_roles *f, struct sangraha_client_options options)
{
	options.size = sizeof(options);
	t_start_caching_client(f, &options);
	t_wait(follows(f));
	script_forget(f->script);
}

static int begin(void **state)
{
	t_getter_begin(state);
	start(*state, (struct sangraha_client_options){ 0 });
	return 0;
}

/* ---- what is done ---- */

static void store(struct t_roles *f, unsigned n, const char *body)
{
	t_send(f, t_put(t_id(n), body));
	t_answers(f, 0);
}

static int get(struct t_roles *f, unsigned n, const char *body)
{
	struct sangraha_result *result = NULL;
	size_t length = 0;
	const void *data;
	int status = sangraha_client_get(f->client, TYPE, t_id(n), NULL, &result, &t_err);

	if (!status) {
		data = sangraha_result_data(result, &length);
		assert_int_equal(length, strlen(body));
		assert_memory_equal(data, body, length);
		assert_string_equal(sangraha_object_id(sangraha_result_object(result)),
				    t_id(n));
		assert_string_equal(sangraha_result_id(result), t_id(n));
	}
	sangraha_result_free(result);
	return status;
}

static unsigned asked(struct t_roles *f)
{
	return script_count(f->script, "get json") + script_count(f->script, "head json");
}

static int64_t counter(struct t_roles *f, const char *name)
{
	return sgh_metric_get(sgh_metrics_counter(f->context->metrics, name, ""));
}

static bool is_cached(struct t_roles *f, unsigned n)
{
	struct sangraha_result *result = sangraha_client_cached(f->client, TYPE, t_id(n));

	sangraha_result_free(result);
	return result;
}

/* ---- cases ---- */

static void the_second_read_asks_nobody(void **state)
{
	struct t_roles *f = *state;

	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
	t_ok(get(f, 1, BODY));
	t_ok(get(f, 1, BODY));
	assert_int_equal(asked(f), 1);
	assert_int_equal(counter(f, "sangraha_cache_hits_total"), 2);
	assert_int_equal(counter(f, "sangraha_cache_misses_total"), 1);
	assert_true(sgh_budget_kept(f->context->budget) > strlen(BODY));
}

static void a_stat_is_answered_by_what_a_get_left(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_result *result = NULL;
	size_t length = 1;

	store(f, 1, BODY);
	t_ok(sangraha_client_stat(f->client, TYPE, t_id(1), NULL, NULL, &t_err));
	t_ok(sangraha_client_stat(f->client, TYPE, t_id(1), NULL, NULL, &t_err));
	assert_int_equal(asked(f), 2);
	t_ok(get(f, 1, BODY));
	t_ok(sangraha_client_stat(f->client, TYPE, t_id(1), NULL, &result, &t_err));
	assert_int_equal(asked(f), 3);
	assert_null(sangraha_result_data(result, &length));
	assert_int_equal(length, 0);
	assert_int_equal(sangraha_object_size(sangraha_result_object(result)),
			 strlen(BODY));
	sangraha_result_free(result);
}

static int collect(void *arg, const void *data, size_t length)
{
	strncat(arg, data, length);
	return 0;
}

static void a_stream_is_answered_too(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_get_options options = {
		.size = sizeof(options),
		.offset = 1,
		.length = 3,
	};
	char whole[64] = "", part[64] = "";

	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
	t_ok(sangraha_client_get_stream(f->client, TYPE, t_id(1), NULL, collect, whole,
					NULL, &t_err));
	t_ok(sangraha_client_get_stream(f->client, TYPE, t_id(1), &options, collect, part,
					NULL, &t_err));
	assert_string_equal(whole, BODY);
	assert_string_equal(part, "\"a\"");
	assert_int_equal(asked(f), 1);
}

static void what_is_not_there_is_asked_for_again(void **state)
{
	struct t_roles *f = *state;

	t_fails(SANGRAHA_E_NOT_FOUND, get(f, 1, BODY));
	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
}

static void an_operation_is_never_cached(void **state)
{
	struct t_roles *f = *state;

	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
	t_ok(sangraha_client_operation(f->client, t_id(1), NULL, NULL, &t_err));
	assert_int_equal(counter(f, "sangraha_cache_hits_total"), 0);
	assert_int_equal(counter(f, "sangraha_cache_misses_total"), 1);
}

static void arguments_are_checked_all_the_same(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_request_options options = {
		.size = sizeof(options),
		.request_id = "a b",
	};

	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_client_get(f->client, TYPE, t_id(1), &options, NULL, &t_err));
	assert_null(sangraha_client_cached(NULL, TYPE, t_id(1)));
	assert_null(sangraha_client_cached(f->client, NULL, t_id(1)));
	assert_null(sangraha_client_cached(f->client, TYPE, NULL));
	assert_null(sangraha_client_cached(f->client, TYPE, "no id"));
}

static void completions_wait_for_the_dispatch(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };

	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
	t_ok(sangraha_client_submit_get(f->client, TYPE, t_id(1), NULL, put_into, &box,
					&t_err));
	assert_int_equal(calls(&box), 0);
	assert_int_equal(sangraha_client_dispatch(f->client), 1);
	assert_int_equal(calls(&box), 1);
	t_ok(sangraha_result_status(box.result));
	assert_int_equal(asked(f), 1);
	empty(&box);
}

/* ---- direct ---- */

static int begin_direct(void **state)
{
	t_getter_begin(state);
	start(*state, (struct sangraha_client_options){ .direct = 1 });
	return 0;
}

static void who_submits_is_not_called_back_in_the_middle(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };

	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
	t_ok(sangraha_client_submit_get(f->client, TYPE, t_id(1), NULL, put_into, &box,
					&t_err));
	t_wait(calls(&box));
	assert_false(pthread_equal(box.thread, pthread_self()));
	assert_int_equal(asked(f), 1);
	empty(&box);
}

struct chain {
	struct t_roles *f;
	int left; /* atomic */
};

static void next(void *arg, struct sangraha_result *result)
{
	struct chain *chain = arg;

	t_ok(sangraha_result_status(result));
	sangraha_result_free(result);
	if (__atomic_sub_fetch(&chain->left, 1, __ATOMIC_SEQ_CST) > 0)
		t_ok(sangraha_client_submit_get(chain->f->client, TYPE, t_id(1), NULL,
						next, chain, &t_err));
}

static void a_long_chain_of_reads_needs_no_stack(void **state)
{
	struct t_roles *f = *state;
	struct chain chain = { .f = f, .left = 20000 };

	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
	t_ok(sangraha_client_submit_get(f->client, TYPE, t_id(1), NULL, next, &chain,
					&t_err));
	t_wait(__atomic_load_n(&chain.left, __ATOMIC_SEQ_CST) == 0);
}

static void results_are_all_told_before_the_end(void **state)
{
	struct t_roles *f = *state;
	struct box boxes[50] = { { 0 } };

	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
	for (size_t i = 0; i < SGH_COUNT(boxes); i++)
		t_ok(sangraha_client_submit_get(f->client, TYPE, t_id(1), NULL, put_into,
						&boxes[i], &t_err));
	sangraha_client_free(sgh_take(f->client));
	for (size_t i = 0; i < SGH_COUNT(boxes); i++) {
		assert_int_equal(calls(&boxes[i]), 1);
		empty(&boxes[i]);
	}
}

/* ---- deletes ---- */

/* Answer a delete like a receiver whose event is still on its way. */
static void answer_delete(struct t_roles *f)
{
	struct sgh_message *message = memory_broker_take(f->broker, T_WRITE);
	struct sgh_reply *reply = sgh_reply_new();
	struct sgh_request *request = NULL;
	struct sgh_message *answer = NULL;

	t_ok(sgh_request_parse(message, NULL, &request, NULL, &t_err));
	reply->correlation_id = request->correlation_id;
	t_ok(sgh_reply_message(reply, &answer, &t_err));
	memory_broker_put(f->broker, request->reply_to, answer);
	sgh_reply_free(reply);
	sgh_request_free(request);
	sgh_message_free(message);
}

static void ones_own_delete_counts_at_once(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };

	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
	sangraha_receiver_free(sgh_take(f->receiver));
	t_ok(sangraha_client_submit_delete(f->client, TYPE, t_id(1), NULL, put_into, &box,
					   &t_err));
	assert_true(is_cached(f, 1));
	answer_delete(f);
	t_wait((sangraha_client_dispatch(f->client), calls(&box)));
	t_ok(sangraha_result_status(box.result));
	assert_false(is_cached(f, 1));
	empty(&box);
}

static void somebody_elses_delete_counts_with_its_event(void **state)
{
	struct t_roles *f = *state;

	store(f, 1, BODY);
	store(f, 2, BODY);
	t_ok(get(f, 1, BODY));
	t_ok(get(f, 2, BODY));
	t_send(f, t_request(SGH_DELETE, TYPE, t_id(1)));
	t_answers(f, 0);
	t_wait(!is_cached(f, 1));
	assert_true(is_cached(f, 2));
	t_fails(SANGRAHA_E_NOT_FOUND, get(f, 1, BODY));
}

static void an_answer_that_a_delete_overtook_is_not_kept(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };

	store(f, 1, BODY);
	/* The getter has read it, and its answer is on its way. */
	script_hold(f->script, "publish " SANGRAHA_RESPONSE_QUEUE ".1", 1);
	t_ok(sangraha_client_submit_get(f->client, TYPE, t_id(1), NULL, put_into, &box,
					&t_err));
	t_wait(script_holding(f->script));
	t_send(f, t_request(SGH_DELETE, TYPE, t_id(1)));
	t_answers(f, 0);
	t_wait(script_count(f->script, "ack " SGH_EVENT_QUEUE) == 1);
	script_release(f->script);
	t_wait((sangraha_client_dispatch(f->client), calls(&box)));
	t_ok(sangraha_result_status(box.result));
	assert_false(is_cached(f, 1));
	empty(&box);
}

static void what_somebody_found_gone_is_forgotten(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };

	store(f, 1, BODY);
	script_hold(f->script, "get json", 1);
	t_ok(sangraha_client_submit_get(f->client, TYPE, t_id(1), NULL, put_into, &box,
					&t_err));
	t_wait(script_holding(f->script));
	t_ok(get(f, 1, BODY));
	assert_true(is_cached(f, 1));
	/* It goes without an event. */
	memory_store_remove(f->store, TYPE, t_id(1));
	script_release(f->script);
	t_wait((sangraha_client_dispatch(f->client), calls(&box)));
	assert_int_equal(sangraha_result_status(box.result), SANGRAHA_E_NOT_FOUND);
	assert_false(is_cached(f, 1));
	empty(&box);
}

static void an_event_that_cannot_be_read_empties_it(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message = sgh_message_new();

	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
	message->body = t_bytes("no json");
	memory_broker_put(f->broker, SGH_EVENT_QUEUE ".1", message);
	t_wait(!is_cached(f, 1));
	t_ok(get(f, 1, BODY));
	assert_true(is_cached(f, 1));
}

static void losing_the_events_empties_it(void **state)
{
	struct t_roles *f = *state;

	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
	memory_queue_disconnect(f->client_queue);
	t_wait(!is_cached(f, 1));
	script_hold(f->script, EVENTS, 1);
	memory_queue_connect(f->client_queue);
	t_wait(script_holding(f->script));
	t_ok(get(f, 1, BODY));
	assert_false(is_cached(f, 1));
	script_release(f->script);
	t_wait(follows(f));
	t_ok(get(f, 1, BODY));
	assert_true(is_cached(f, 1));
}

/* ---- large objects ---- */

static void begin_over(struct t_roles *f, struct sangraha_getter_options getter)
{
	getter.size = sizeof(getter);
	getter.inline_limit = strlen(BODY) - 1;
	t_start_getter(f, &getter);
	start(f, (struct sangraha_client_options){ 0 });
	store(f, 1, BODY);
}

static int begin_large(void **state)
{
	t_receiver_begin(state);
	begin_over(*state, (struct sangraha_getter_options){ 0 });
	return 0;
}

/* Its ticket, for that; yours to free. */
static char *ticket(struct t_roles *f, int redirect, int download)
{
	struct sangraha_request_options options = {
		.size = sizeof(options),
		.request_id = "mine",
		.redirect = redirect,
		.download = download,
	};
	struct sangraha_result *result = NULL;
	char *url;

	t_fails(SANGRAHA_E_TOO_LARGE,
		sangraha_client_get(f->client, TYPE, t_id(1), &options, &result, &t_err));
	assert_int_equal(sangraha_object_size(sangraha_result_object(result)),
			 strlen(BODY));
	assert_string_equal(result->reply->request_id, "mine");
	url = strdup(result->reply->ticket->urls[0]);
	sangraha_result_free(result);
	return url;
}

static void a_large_object_asks_once(void **state)
{
	struct t_roles *f = *state;
	sgh_autofree char *first = ticket(f, 0, 0);
	sgh_autofree char *second = ticket(f, 0, 0);

	assert_string_equal(first, second);
	t_ok(sangraha_client_stat(f->client, TYPE, t_id(1), NULL, NULL, &t_err));
	assert_int_equal(asked(f), 1);
	assert_int_equal(counter(f, "sangraha_cache_hits_total"), 2);
	assert_int_equal(counter(f, "sangraha_cache_misses_total"), 1);
	/* Its bytes are not here. */
	assert_false(is_cached(f, 1));
}

static void a_ticket_is_for_what_it_was_asked_for(void **state)
{
	struct t_roles *f = *state;

	for (int redirect = 0; redirect < 2; redirect++) {
		for (int download = 0; download <= redirect; download++) {
			unsigned before = asked(f);
			sgh_autofree char *first = ticket(f, redirect, download);
			sgh_autofree char *second = ticket(f, redirect, download);

			assert_string_equal(first, second);
			assert_int_equal(asked(f), before + 1);
		}
	}
}

static void a_ticket_goes_with_the_delete(void **state)
{
	struct t_roles *f = *state;

	free(ticket(f, 0, 0));
	t_ok(sangraha_client_delete(f->client, TYPE, t_id(1), NULL, NULL, &t_err));
	t_fails(SANGRAHA_E_NOT_FOUND, get(f, 1, BODY));
}

static void a_ticket_goes_with_somebody_elses_delete(void **state)
{
	struct t_roles *f = *state;

	free(ticket(f, 0, 0));
	t_send(f, t_request(SGH_DELETE, TYPE, t_id(1)));
	t_answers(f, 0);
	t_wait(get(f, 1, BODY) == SANGRAHA_E_NOT_FOUND);
}

static void a_ticket_that_a_delete_overtook_is_not_kept(void **state)
{
	struct t_roles *f = *state;
	struct box box = { 0 };

	script_hold(f->script, "publish " SANGRAHA_RESPONSE_QUEUE ".1", 1);
	t_ok(sangraha_client_submit_get(f->client, TYPE, t_id(1), NULL, put_into, &box,
					&t_err));
	t_wait(script_holding(f->script));
	t_send(f, t_request(SGH_DELETE, TYPE, t_id(1)));
	t_answers(f, 0);
	t_wait(script_count(f->script, "ack " SGH_EVENT_QUEUE) == 1);
	script_release(f->script);
	t_wait((sangraha_client_dispatch(f->client), calls(&box)));
	t_ok(sangraha_result_status(box.result));
	assert_non_null(box.result->reply->ticket);
	t_fails(SANGRAHA_E_NOT_FOUND, get(f, 1, BODY));
	empty(&box);
}

static int begin_hasty(void **state)
{
	t_receiver_begin(state);
	begin_over(*state, (struct sangraha_getter_options){ .ticket_timeout_ms = 1 });
	return 0;
}

static void a_ticket_that_ends_soon_is_not_kept(void **state)
{
	struct t_roles *f = *state;

	free(ticket(f, 0, 0));
	free(ticket(f, 0, 0));
	assert_int_equal(asked(f), 2);
	assert_int_equal(counter(f, "sangraha_cache_hits_total"), 0);
}

/* ---- bounds ---- */

static int begin_brief(void **state)
{
	t_getter_begin(state);
	start(*state, (struct sangraha_client_options){ .cache_ttl_ms = 1 });
	return 0;
}

static void its_time_ends(void **state)
{
	struct t_roles *f = *state;

	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
	t_wait(!is_cached(f, 1));
	t_ok(get(f, 1, BODY));
	assert_int_equal(asked(f), 2);
}

static int begin_small(void **state)
{
	t_getter_begin(state);
	start(*state, (struct sangraha_client_options){ .cache_size = 4096 });
	return 0;
}

static void its_size_is_what_was_asked_for(void **state)
{
	struct t_roles *f = *state;

	for (unsigned n = 1; n <= 8; n++) {
		store(f, n, BODY);
		t_ok(get(f, n, BODY));
		assert_in_range(sgh_budget_kept(f->context->budget), strlen(BODY), 4096);
	}
	assert_true(is_cached(f, 8));
	assert_false(is_cached(f, 1));
}

static int begin_without(void **state)
{
	t_getter_begin(state);
	t_start_client(*state, NULL);
	return 0;
}

static void it_can_be_switched_off(void **state)
{
	struct t_roles *f = *state;

	store(f, 1, BODY);
	t_ok(get(f, 1, BODY));
	t_ok(get(f, 1, BODY));
	assert_int_equal(asked(f), 2);
	assert_false(is_cached(f, 1));
	assert_int_equal(memory_broker_count(f->broker, SGH_EVENT_QUEUE ".1"), -1);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, t_roles_end)
#define CASE_OF(function, begin) \
	cmocka_unit_test_setup_teardown(function, begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(the_second_read_asks_nobody),
	CASE(a_stat_is_answered_by_what_a_get_left),
	CASE(a_stream_is_answered_too),
	CASE(what_is_not_there_is_asked_for_again),
	CASE(an_operation_is_never_cached),
	CASE(arguments_are_checked_all_the_same),
	CASE(completions_wait_for_the_dispatch),
	CASE_OF(who_submits_is_not_called_back_in_the_middle, begin_direct),
	CASE_OF(a_long_chain_of_reads_needs_no_stack, begin_direct),
	CASE_OF(results_are_all_told_before_the_end, begin_direct),
	CASE(ones_own_delete_counts_at_once),
	CASE(somebody_elses_delete_counts_with_its_event),
	CASE(an_answer_that_a_delete_overtook_is_not_kept),
	CASE(what_somebody_found_gone_is_forgotten),
	CASE(an_event_that_cannot_be_read_empties_it),
	CASE(losing_the_events_empties_it),
	CASE_OF(a_large_object_asks_once, begin_large),
	CASE_OF(a_ticket_is_for_what_it_was_asked_for, begin_large),
	CASE_OF(a_ticket_goes_with_the_delete, begin_large),
	CASE_OF(a_ticket_goes_with_somebody_elses_delete, begin_large),
	CASE_OF(a_ticket_that_a_delete_overtook_is_not_kept, begin_large),
	CASE_OF(a_ticket_that_ends_soon_is_not_kept, begin_hasty),
	CASE_OF(its_time_ends, begin_brief),
	CASE_OF(its_size_is_what_was_asked_for, begin_small),
	CASE_OF(it_can_be_switched_off, begin_without),
};

t_main(tests)
