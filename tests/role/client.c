/* SPDX-License-Identifier: MIT */
#include "base/id.h"
#include "support/requester.h"

/* The requester: what it sends, and what it cannot. The tests are the receiver. */

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
	struct t_box box = { 0 };
	struct sgh_request *request;

	t_ok(t_submit_put(f, &options, &box));
	request = t_taken(f, T_WRITE);
	assert_int_equal(request->verb, SGH_PUT);
	assert_true(request->fresh);
	assert_true(request->batches);
	assert_int_equal(sgh_id_version(request->object_id), 7);
	assert_string_equal(request->operation_id, request->object_id);
	assert_string_equal(request->reply_to, T_OWN);
	assert_string_equal(request->request_id, "order-66");
	assert_string_equal(request->filename, "a.json");
	assert_in_range(request->deadline, sgh_time_ms() + 3000, sgh_time_ms() + 5000);
	assert_in_range(request->published, sgh_time_ms() - 3000, sgh_time_ms());
	assert_int_equal(request->size, strlen(T_BODY));
	assert_true(request->persistent);
	assert_false(request->resend || request->attempt);
	t_answer_to(f, request, 0);
	t_ok(t_box_ended(f, &box));
	assert_string_equal(sangraha_result_id(box.result), request->object_id);
	sgh_request_free(request);
	t_box_empty(&box);
}

static void a_named_id_is_not_fresh(void **state)
{
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.id = t_id(1),
	};
	struct t_roles *f = *state;
	struct t_box box = { 0 };
	struct sgh_request *request;

	t_ok(t_submit_put(f, &options, &box));
	request = t_taken(f, T_WRITE);
	assert_false(request->fresh);
	assert_string_equal(request->object_id, t_id(1));
	t_answer_to(f, request, 0);
	t_ok(t_box_ended(f, &box));
	sgh_request_free(request);
	t_box_empty(&box);
}

static void a_key_names_the_id(void **state)
{
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.idempotency_key = "k",
	};
	struct t_roles *f = *state;
	struct t_box box = { 0 };
	struct sgh_request *request;
	char id[SANGRAHA_ID_SIZE];

	t_ok(sangraha_id_from_key("k", id, &t_err));
	t_ok(t_submit_put(f, &options, &box));
	request = t_taken(f, T_WRITE);
	assert_false(request->fresh);
	assert_string_equal(request->object_id, id);
	t_answer_to(f, request, 0);
	t_ok(t_box_ended(f, &box));
	sgh_request_free(request);
	t_box_empty(&box);
}

static void reads_are_transient(void **state)
{
	struct t_roles *f = *state;
	struct t_box box = { 0 };
	struct sgh_request *request;

	t_ok(sangraha_client_submit_get(f->client, "json", t_id(1), NULL, t_box_put, &box,
					&t_err));
	request = t_taken(f, T_READ);
	assert_int_equal(request->verb, SGH_GET);
	assert_false(request->persistent);
	t_answer_to(f, request, SANGRAHA_E_NOT_FOUND);
	t_fails(SANGRAHA_E_NOT_FOUND, t_box_ended(f, &box));
	t_says("for a test");
	sgh_request_free(request);
	t_box_empty(&box);
}

static void impossible_arguments_are_refused(void **state)
{
	struct sangraha_put_options puts[] = {
		{ .id = "1" },           { .type = "film" },
		{ .filename = "a/b" },   { .content_type = "nonsense" },
		{ .request_id = "a b" }, { .idempotency_key = "" },
	};
	struct t_roles *f = *state;
	struct t_box box = { 0 };

	for (size_t i = 0; i < SGH_COUNT(puts); i++) {
		puts[i].size = sizeof(puts[i]);
		assert_int_not_equal(t_submit_put(f, &puts[i], &box), 0);
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
	assert_int_equal(t_box_calls(&box), 0);
}

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

/* ---- before the response queue is there ---- */

static void a_request_waits_for_the_response_queue(void **state)
{
	struct t_roles *f = *state;
	struct t_box box = { 0 };
	struct sgh_request *request;

	t_start_deaf_client(f);
	t_ok(t_submit_put(f, NULL, &box));
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 0);
	script_release(f->script);
	request = t_taken(f, T_WRITE);
	assert_int_equal(request->resend, 0);
	assert_true(request->fresh);
	t_answer_to(f, request, 0);
	t_ok(t_box_ended(f, &box));
	sgh_request_free(request);
	t_box_empty(&box);
}

static void it_does_not_wait_for_ever(void **state)
{
	struct t_roles *f = *state;
	struct t_box boxes[2] = { 0 };
	int64_t began = sgh_now_ms();
	struct sgh_request *request;

	t_start_deaf_client(f);
	t_ok(t_submit_put(f, NULL, &boxes[0]));
	request = t_taken(f, T_WRITE);
	assert_true(sgh_now_ms() >= began + 1000);
	sgh_request_free(request);
	t_ok(t_submit_put(f, NULL, &boxes[1]));
	sgh_request_free(t_taken(f, T_WRITE));
	sangraha_client_free(sgh_take(f->client));
	t_box_empty(&boxes[0]);
	t_box_empty(&boxes[1]);
}

static void the_end_ends_what_waits(void **state)
{
	struct t_roles *f = *state;
	struct t_box box = { 0 };

	t_start_deaf_client(f);
	t_ok(t_submit_put(f, NULL, &box));
	sangraha_client_free(sgh_take(f->client));
	assert_int_equal(t_box_calls(&box), 1);
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 0);
	t_box_empty(&box);
}

/* ---- what cannot be sent ---- */

static void no_queue_is_unavailable(void **state)
{
	struct t_roles *f = *state;
	struct t_box box = { 0 };

	memory_broker_delete(f->broker, T_WRITE);
	t_ok(t_submit_put(f, NULL, &box));
	t_fails(SANGRAHA_E_UNAVAILABLE, t_box_ended(f, &box));
	assert_true(t_err.message[0] != '\0');
	t_box_empty(&box);
}

static void a_full_queue_is_overloaded(void **state)
{
	struct t_roles *f = *state;
	struct t_box box = { 0 };

	script_fail(f->script, "publish " T_WRITE, 1, SANGRAHA_E_OVERLOADED);
	t_ok(t_submit_put(f, NULL, &box));
	t_fails(SANGRAHA_E_OVERLOADED, t_box_ended(f, &box));
	t_box_empty(&box);
}

static void without_a_connection_it_fails_at_once(void **state)
{
	struct t_roles *f = *state;
	struct t_box boxes[1024] = { 0 };
	int count = 0;

	memory_queue_disconnect(f->client_queue);
	t_wait(t_submit_put(f, NULL, &boxes[count++]) == SANGRAHA_E_UNAVAILABLE);
	assert_int_equal(t_box_calls(&boxes[count - 1]), 0);
	/* Those before wait for the connection, and are sent when it is back. */
	memory_queue_connect(f->client_queue);
	t_wait(memory_broker_count(f->broker, T_WRITE) == count - 1);
	sangraha_client_free(sgh_take(f->client));
	for (int i = 0; i < count - 1; i++)
		t_box_empty(&boxes[i]);
}

static void in_flight_is_bounded(void **state)
{
	struct sangraha_client_options options = { .size = sizeof(options),
						   .max_in_flight = 2 };
	struct t_roles *f = *state;
	struct t_box boxes[3] = { 0 };
	struct sgh_request *request;

	t_start_client(f, &options);
	t_ok(t_submit_put(f, NULL, &boxes[0]));
	t_ok(t_submit_put(f, NULL, &boxes[1]));
	t_fails(SANGRAHA_E_OVERLOADED, t_submit_put(f, NULL, &boxes[2]));
	request = t_taken(f, T_WRITE);
	t_answer_to(f, request, 0);
	t_ok(t_box_ended(f, &boxes[0]));
	t_ok(t_submit_put(f, NULL, &boxes[2]));
	sgh_request_free(request);
	sangraha_client_free(sgh_take(f->client));
	for (int i = 0; i < 3; i++)
		t_box_empty(&boxes[i]);
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

	t_ok(sangraha_client_put(f->client, T_BODY, strlen(T_BODY), &options, &result,
				 &t_err));
	memcpy(id, sangraha_result_id(result), sizeof(id));
	sangraha_result_free(result);
	t_ok(sangraha_client_get(f->client, "json", id, NULL, &result, &t_err));
	assert_memory_equal(sangraha_result_data(result, &length), T_BODY,
			    strlen(T_BODY));
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
	CASE(no_queue_is_unavailable),
	CASE(a_full_queue_is_overloaded),
	CASE(without_a_connection_it_fails_at_once),
	BARE(in_flight_is_bounded),
	WHOLE(the_whole_way),
	WHOLE(a_blocking_refusal_has_a_result),
	WHOLE(an_empty_body_travels),
};

t_main(tests)
