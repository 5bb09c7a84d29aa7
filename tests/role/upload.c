/* SPDX-License-Identifier: MIT */
#include "role/client.h"
#include "support/roles.h"

/* Bodies on their way in: reserved before they are read, paused while there is no room. */

#define LIMIT  ((size_t)8000) /* of the memory; a body has at most an eighth */
#define INLINE ((size_t)1000)
#define SIP    1 /* which is taken before the rest is waited for */

struct end {
	int calls; /* atomic, as the other */
	int status;
	int resumed;
};

static void done(void *arg, struct sangraha_result *result)
{
	struct end *end = arg;

	end->status = sangraha_result_status(result);
	sangraha_result_free(result);
	__atomic_add_fetch(&end->calls, 1, __ATOMIC_SEQ_CST);
}

static void resumed(void *arg)
{
	__atomic_add_fetch(&((struct end *)arg)->resumed, 1, __ATOMIC_SEQ_CST);
}

/* Nothing is stored here: what is larger than a message is of tests/role/large.c. */
static int begin(void **state)
{
	const struct sangraha_client_options client = {
		.size = sizeof(client),
		.no_large_writes = 1,
	};
	struct sangraha_context_options options = {
		.size = sizeof(options),
		.memory_limit = LIMIT,
	};
	struct sangraha_context *small = NULL;
	struct t_roles *f;

	t_roles_begin(state);
	f = *state;
	/* The client alone is short of memory: nobody else takes part. */
	t_ok(sangraha_context_new(&options, &small, &t_err));
	f->client_queue = memory_queue_new(f->context, f->broker, f->script);
	t_ok(sangraha_client_new(small, f->client_queue, &client, &f->client, &t_err));
	sangraha_context_unref(small);
	t_wait(memory_broker_consumers(f->broker, SANGRAHA_RESPONSE_QUEUE ".1") == 1);
	return 0;
}

static struct sangraha_upload *upload_of(struct t_roles *f, int64_t length,
					 struct end *end)
{
	struct sangraha_upload *upload = NULL;

	t_ok(sangraha_upload_new(f->client, length, NULL, resumed, end, &upload, &t_err));
	return upload;
}

static size_t taken(struct sangraha_upload *upload, size_t length)
{
	char bytes[INLINE] = { 0 };
	size_t count = SIZE_MAX;

	t_ok(sangraha_upload_write(upload, bytes, length, &count, &t_err));
	return count;
}

static struct sgh_budget *budget(struct t_roles *f)
{
	return f->client->context->budget;
}

/* The size of the next request's body. */
static size_t sent(struct t_roles *f)
{
	struct sgh_message *message = memory_broker_take(f->broker, T_WRITE);
	size_t length = message->body ? message->body->length : 0;

	sgh_message_free(message);
	return length;
}

static void pieces_become_one_body(void **state)
{
	struct t_roles *f = *state;
	struct end end = { 0 };
	struct sangraha_upload *upload = upload_of(f, 300, &end);

	for (int i = 0; i < 3; i++)
		assert_int_equal(taken(upload, 100), 100);
	t_ok(sangraha_upload_submit(upload, done, &end, &t_err));
	assert_int_equal(sent(f), 300);
	assert_int_equal(end.resumed, 0);
	sangraha_client_free(sgh_take(f->client));
	assert_int_equal(end.calls, 1);
}

static void an_unknown_length_is_found_out(void **state)
{
	struct t_roles *f = *state;
	struct end end = { 0 };
	struct sangraha_upload *upload = upload_of(f, -1, &end);

	assert_int_equal(sgh_budget_used(budget(f)), SIP);
	assert_int_equal(taken(upload, 70), 70);
	assert_int_equal(sgh_budget_used(budget(f)), INLINE);
	t_ok(sangraha_upload_submit(upload, done, &end, &t_err));
	assert_int_equal(sgh_budget_used(budget(f)), 70);
	assert_int_equal(sent(f), 70);
	sangraha_client_free(sgh_take(f->client));
}

static void nothing_is_a_body_too(void **state)
{
	struct t_roles *f = *state;
	struct end end = { 0 };

	t_ok(sangraha_upload_submit(upload_of(f, 0, &end), done, &end, &t_err));
	assert_int_equal(sent(f), 0);
	t_ok(sangraha_upload_submit(upload_of(f, -1, &end), done, &end, &t_err));
	assert_int_equal(sent(f), 0);
	sangraha_client_free(sgh_take(f->client));
	assert_int_equal(end.calls, 2);
}

static void too_large_is_refused(void **state)
{
	struct t_roles *f = *state;
	struct end end = { 0 };
	struct sangraha_upload *upload = NULL;
	char bytes[INLINE + 1] = { 0 };
	size_t count;

	t_fails(SANGRAHA_E_TOO_LARGE, sangraha_upload_new(f->client, INLINE + 1, NULL,
							  NULL, NULL, &upload, &t_err));
	upload = upload_of(f, -1, &end);
	t_fails(SANGRAHA_E_TOO_LARGE,
		sangraha_upload_write(upload, bytes, sizeof(bytes), &count, &t_err));
	sangraha_upload_free(upload);
	assert_int_equal(sgh_budget_used(budget(f)), 0);
}

static void another_length_than_announced_is_invalid(void **state)
{
	struct t_roles *f = *state;
	struct end end = { 0 };
	struct sangraha_upload *upload = upload_of(f, 10, &end);
	size_t count;

	t_fails(SANGRAHA_E_INVALID,
		sangraha_upload_write(upload, "eleven bytes", 11, &count, &t_err));
	assert_int_equal(taken(upload, 9), 9);
	t_fails(SANGRAHA_E_INVALID, sangraha_upload_submit(upload, done, &end, &t_err));
	assert_int_equal(sgh_budget_used(budget(f)), 0);
	assert_int_equal(end.calls, 0);
}

/* What is on its way in gets three quarters of the memory; the rest is somebody else's. */
#define UPLOADS 6
#define REST    (LIMIT - UPLOADS * INLINE - SIP)

/* Fill the memory with uploads that hold it. */
static void fill(struct t_roles *f, struct sangraha_upload *uploads[UPLOADS],
		 const struct sangraha_put_options *options, struct end *end)
{
	for (int i = 0; i < UPLOADS; i++) {
		t_ok(sangraha_upload_new(f->client, INLINE, options, resumed, end,
					 &uploads[i], &t_err));
		assert_int_equal(taken(uploads[i], INLINE), INLINE);
	}
	assert_true(sgh_budget_try(budget(f), REST));
}

static void empty(struct t_roles *f, struct sangraha_upload *uploads[UPLOADS], int first,
		  int count)
{
	for (int i = first; i < first + count; i++)
		sangraha_upload_free(uploads[i]);
	sgh_budget_release(budget(f), REST);
}

static void without_memory_it_is_paused(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_upload *uploads[UPLOADS];
	struct end end = { 0 };
	struct end late = { 0 };
	struct sangraha_upload *upload;

	fill(f, uploads, NULL, &end);
	upload = upload_of(f, 100, &late);
	assert_int_equal(taken(upload, 100), SIP);
	assert_int_equal(late.resumed, 0);
	sangraha_upload_free(uploads[0]);
	t_wait(__atomic_load_n(&late.resumed, __ATOMIC_SEQ_CST) == 1);
	assert_int_equal(taken(upload, 100 - SIP), 100 - SIP);
	sangraha_upload_free(upload);
	empty(f, uploads, 1, UPLOADS - 1);
	assert_int_equal(sgh_budget_used(budget(f)), 0);
	assert_int_equal(end.resumed, 0);
}

/* Who sends slowly does not keep others from what they do. */
static void what_arrives_leaves_memory_to_others(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_upload *uploads[UPLOADS];
	struct end end = { 0 };
	struct end late = { 0 };
	struct sangraha_upload *upload;

	fill(f, uploads, NULL, &end);
	sgh_budget_release(budget(f), REST);
	upload = upload_of(f, 100, &late);
	assert_int_equal(taken(upload, 100), SIP);
	assert_true(sgh_budget_try(budget(f), REST));
	sgh_budget_release(budget(f), INLINE);
	t_ok(sangraha_upload_submit(uploads[0], done, &end, &t_err));
	t_wait(__atomic_load_n(&late.resumed, __ATOMIC_SEQ_CST) == 1);
	sgh_budget_force(budget(f), INLINE);
	sent(f);
	sangraha_upload_free(upload);
	empty(f, uploads, 1, UPLOADS - 1);
	sangraha_client_free(sgh_take(f->client));
}

/* Many who bring nothing yet, of any length, are not in the way of one who does. */
static void who_brings_little_holds_little(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_upload *slow[100];
	struct sangraha_upload *fast;
	struct end end = { 0 };

	for (size_t i = 0; i < SGH_COUNT(slow); i++) {
		slow[i] = upload_of(f, i % 2 ? (int64_t)INLINE : -1, &end);
		assert_int_equal(taken(slow[i], SIP), SIP);
	}
	assert_int_equal(sgh_budget_used(budget(f)), SGH_COUNT(slow) * SIP);
	fast = upload_of(f, -1, &end);
	assert_int_equal(taken(fast, INLINE), INLINE);
	t_ok(sangraha_upload_submit(fast, done, &end, &t_err));
	assert_int_equal(sent(f), INLINE);
	for (size_t i = 0; i < SGH_COUNT(slow); i++)
		sangraha_upload_free(slow[i]);
	sangraha_client_free(sgh_take(f->client));
	assert_int_equal(end.calls, 1);
}

static void metadata_may_come_later(void **state)
{
	struct t_roles *f = *state;
	struct end end = { 0 };
	struct sangraha_upload *upload = upload_of(f, 2, &end);
	struct sgh_request *request = NULL;
	struct sgh_message *message;

	t_ok(sangraha_upload_add_meta(upload, "colour", "red", &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_upload_add_meta(upload, "No", "capitals", &t_err));
	sangraha_upload_free(upload);
	upload = upload_of(f, 2, &end);
	t_ok(sangraha_upload_add_meta(upload, "colour", "red", &t_err));
	assert_int_equal(taken(upload, 2), 2);
	t_ok(sangraha_upload_submit(upload, done, &end, &t_err));
	message = memory_broker_take(f->broker, T_WRITE);
	t_ok(sgh_request_parse(message, NULL, &request, NULL, &t_err));
	assert_int_equal(request->meta_count, 1);
	assert_string_equal(request->meta[0].value, "red");
	sgh_request_free(request);
	sgh_message_free(message);
	sangraha_client_free(sgh_take(f->client));
}

/* A body that was answered makes room for the next. */
static void an_end_resumes_another(void **state)
{
	struct sangraha_put_options options = { .size = sizeof(options),
						.timeout_ms = 50 };
	struct t_roles *f = *state;
	struct sangraha_upload *uploads[UPLOADS];
	struct end end = { 0 };
	struct end late = { 0 };
	struct sangraha_upload *upload;

	fill(f, uploads, &options, &end);
	upload = upload_of(f, 100, &late);
	assert_int_equal(taken(upload, 100), SIP);
	t_ok(sangraha_upload_submit(uploads[0], done, &end, &t_err));
	sent(f);
	t_wait((sangraha_client_dispatch(f->client), end.calls == 1));
	assert_int_equal(end.status, SANGRAHA_E_TIMEOUT);
	t_wait(__atomic_load_n(&late.resumed, __ATOMIC_SEQ_CST) == 1);
	sangraha_upload_free(upload);
	empty(f, uploads, 1, UPLOADS - 1);
}

static void a_paused_one_may_give_up(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_upload *uploads[UPLOADS];
	struct end end = { 0 };
	struct end late = { 0 };
	struct sangraha_upload *upload;

	fill(f, uploads, NULL, &end);
	upload = upload_of(f, 100, &late);
	assert_int_equal(taken(upload, 100), SIP);
	sangraha_upload_free(upload);
	empty(f, uploads, 0, UPLOADS);
	assert_int_equal(late.resumed, 0);
	assert_int_equal(sgh_budget_used(budget(f)), 0);
}

static void a_paused_one_cannot_be_submitted(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_upload *uploads[UPLOADS];
	struct end end = { 0 };
	struct end late = { 0 };
	struct sangraha_upload *upload;

	fill(f, uploads, NULL, &end);
	upload = upload_of(f, 100, &late);
	assert_int_equal(taken(upload, 100), SIP);
	t_fails(SANGRAHA_E_INVALID, sangraha_upload_submit(upload, done, &late, &t_err));
	t_fails(SANGRAHA_E_OVERLOADED,
		sangraha_client_submit_put(f->client, "{}", 2, NULL, done, &late,
					   &t_err));
	empty(f, uploads, 0, UPLOADS);
	assert_int_equal(late.calls, 0);
}

static void a_blocking_put_waits_for_memory(void **state)
{
	struct sangraha_put_options options = { .size = sizeof(options),
						.timeout_ms = 80 };
	struct t_roles *f = *state;
	struct sangraha_upload *uploads[UPLOADS];
	struct end end = { 0 };

	fill(f, uploads, NULL, &end);
	t_fails(SANGRAHA_E_OVERLOADED,
		sangraha_client_put(f->client, "{}", 2, &options, NULL, &t_err));
	t_says("memory");
	sangraha_upload_free(uploads[UPLOADS - 1]);
	t_fails(SANGRAHA_E_TIMEOUT,
		sangraha_client_put(f->client, "{}", 2, &options, NULL, &t_err));
	empty(f, uploads, 0, UPLOADS - 1);
}

static void bad_options_lose_nothing(void **state)
{
	struct sangraha_put_options options = { .size = sizeof(options), .id = "x" };
	struct t_roles *f = *state;
	struct end end = { 0 };
	struct sangraha_upload *upload = NULL;

	t_fails(SANGRAHA_E_INVALID, sangraha_upload_new(f->client, 2, &options, resumed,
							&end, &upload, &t_err));
	assert_null(upload);
	t_fails(SANGRAHA_E_INVALID,
		sangraha_upload_submit(upload_of(f, 2, &end), NULL, NULL, &t_err));
	assert_int_equal(sgh_budget_used(budget(f)), 0);
	sangraha_upload_free(NULL);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(pieces_become_one_body),
	CASE(an_unknown_length_is_found_out),
	CASE(nothing_is_a_body_too),
	CASE(too_large_is_refused),
	CASE(another_length_than_announced_is_invalid),
	CASE(without_memory_it_is_paused),
	CASE(what_arrives_leaves_memory_to_others),
	CASE(who_brings_little_holds_little),
	CASE(metadata_may_come_later),
	CASE(an_end_resumes_another),
	CASE(a_paused_one_may_give_up),
	CASE(a_paused_one_cannot_be_submitted),
	CASE(a_blocking_put_waits_for_memory),
	CASE(bad_options_lose_nothing),
};

t_main(tests)
