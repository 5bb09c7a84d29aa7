/* SPDX-License-Identifier: MIT */
#include "support/roles.h"

/* Requests that are sent again: in real time, so these take some. */

#define BODY "{\"a\":1}"

struct end {
	int calls; /* atomic */
	int status;
};

static void done(void *arg, struct sangraha_result *result)
{
	struct end *end = arg;

	end->status = sangraha_result_status(result);
	sangraha_result_free(result);
	__atomic_add_fetch(&end->calls, 1, __ATOMIC_SEQ_CST);
}

static int begin(void **state)
{
	struct sangraha_client_options options = { .size = sizeof(options), .direct = 1 };

	t_roles_begin(state);
	t_start_client(*state, &options);
	return 0;
}

static void submit(struct t_roles *f, const char *id, unsigned timeout_ms, bool async,
		   struct end *end)
{
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.id = id,
		.timeout_ms = timeout_ms,
		.async = async,
	};

	t_ok(sangraha_client_submit_put(f->client, BODY, strlen(BODY), &options, done,
					end, &t_err));
}

/* What was sent, and when. */
struct seen {
	struct sgh_request *request;
	int64_t at_ms; /* Unix, by its own word */
};

/* 3 s after another, or more; the stamp is set a little after the time that counts. */
#define LATER(seen, earlier_ms) ((seen).at_ms - (earlier_ms) >= 2900)

static bool see(struct t_roles *f, struct seen *seen)
{
	struct sgh_message *message;

	if (memory_broker_count(f->broker, T_WRITE) == 0)
		return false;
	message = memory_broker_take(f->broker, T_WRITE);
	t_ok(sgh_request_parse(message, NULL, &seen->request, NULL, &t_err));
	seen->at_ms = seen->request->published;
	sgh_message_free(message);
	return true;
}

/* Three requests of different patience, watched side by side. */
static void at_half_the_time_but_not_too_soon(void **state)
{
	struct t_roles *f = *state;
	struct end ends[3] = { 0 };
	struct seen first[3];
	struct seen again[2];

	submit(f, t_id(1), 7000, false, &ends[0]);
	t_wait(see(f, &first[0]));
	submit(f, t_id(2), 4000, false, &ends[1]);
	t_wait(see(f, &first[1]));
	submit(f, t_id(3), 2000, false, &ends[2]);
	t_wait(see(f, &first[2]));
	/* Of the second half its time would be too soon. */
	t_wait(see(f, &again[0]));
	assert_true(LATER(again[0], first[1].at_ms));
	assert_string_equal(again[0].request->object_id, t_id(2));
	assert_int_equal(again[0].request->resend, 1);
	assert_string_equal(again[0].request->correlation_id,
			    first[1].request->correlation_id);
	t_wait(see(f, &again[1]));
	assert_true(LATER(again[1], first[0].at_ms + 500));
	assert_string_equal(again[1].request->object_id, t_id(1));
	/* The third had no time for that. */
	assert_int_equal(__atomic_load_n(&ends[2].calls, __ATOMIC_SEQ_CST), 1);
	assert_int_equal(ends[2].status, SANGRAHA_E_TIMEOUT);
	for (int i = 0; i < 3; i++)
		sgh_request_free(first[i].request);
	for (int i = 0; i < 2; i++)
		sgh_request_free(again[i].request);
	sangraha_client_free(sgh_take(f->client));
}

/* Who has the first message may get the second, and answer neither. */
static void once_more_at_half_of_what_is_left(void **state)
{
	struct t_roles *f = *state;
	struct end end = { 0 };
	struct seen seen;
	int64_t last = 0;

	submit(f, t_id(1), 9000, false, &end);
	for (unsigned i = 0; i < 3; i++) {
		t_wait(see(f, &seen));
		assert_int_equal(seen.request->resend, i);
		assert_true(LATER(seen, last));
		last = seen.at_ms;
		sgh_request_free(seen.request);
	}
	sangraha_client_free(sgh_take(f->client));
}

static void reconnect(struct t_roles *f)
{
	memory_queue_disconnect(f->client_queue);
	memory_queue_connect(f->client_queue);
}

static void after_a_reconnect_at_most_three_times(void **state)
{
	struct t_roles *f = *state;
	struct end end = { 0 };
	struct seen seen;
	int64_t last = 0;

	submit(f, t_id(1), 30000, false, &end);
	for (unsigned i = 0; i < 4; i++) {
		t_wait(see(f, &seen));
		assert_int_equal(seen.request->resend, i);
		assert_true(LATER(seen, last));
		last = seen.at_ms;
		sgh_request_free(seen.request);
		reconnect(f);
	}
	/* Whatever else comes is for another reason: there is no fourth time. */
	t_wait(sgh_time_ms() > last + 3500);
	assert_false(see(f, &seen));
	sangraha_client_free(sgh_take(f->client));
	assert_int_equal(end.calls, 1);
}

/* The two ends of a lost confirm: somebody waits for an answer, or for nothing more. */
static void a_lost_confirm_is_made_good(void **state)
{
	struct t_roles *f = *state;
	struct end ends[2] = { 0 };
	struct seen seen[4];

	script_lose(f->script, "publish " T_WRITE, 1, SANGRAHA_E_UNAVAILABLE);
	script_lose(f->script, "publish " T_WRITE, 1, SANGRAHA_E_UNAVAILABLE);
	submit(f, t_id(1), 20000, false, &ends[0]);
	submit(f, t_id(2), 20000, true, &ends[1]);
	for (int i = 0; i < 4; i++)
		t_wait(see(f, &seen[i]));
	assert_true(LATER(seen[2], seen[0].at_ms));
	assert_int_equal(seen[2].request->resend, 1);
	assert_int_equal(seen[3].request->resend, 1);
	t_wait(__atomic_load_n(&ends[1].calls, __ATOMIC_SEQ_CST) == 1);
	assert_int_equal(ends[1].status, 0);
	assert_int_equal(__atomic_load_n(&ends[0].calls, __ATOMIC_SEQ_CST), 0);
	for (int i = 0; i < 4; i++)
		sgh_request_free(seen[i].request);
	sangraha_client_free(sgh_take(f->client));
}

/* The time to send again came before the broker had the first message for certain. */
static void what_is_published_late_is_sent_again(void **state)
{
	struct t_roles *f = *state;
	struct end end = { 0 };
	struct seen seen;
	int64_t began = sgh_now_ms();

	script_hold(f->script, "publish " T_WRITE, 1);
	submit(f, t_id(1), 8000, false, &end);
	t_wait(sgh_now_ms() - began > 4500);
	script_release(f->script);
	for (unsigned i = 0; i < 2; i++) {
		t_wait(see(f, &seen));
		assert_int_equal(seen.request->resend, i);
		sgh_request_free(seen.request);
	}
	sangraha_client_free(sgh_take(f->client));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(once_more_at_half_of_what_is_left),
	CASE(at_half_the_time_but_not_too_soon),
	CASE(after_a_reconnect_at_most_three_times),
	CASE(a_lost_confirm_is_made_good),
	CASE(what_is_published_late_is_sent_again),
};

t_main(tests)
