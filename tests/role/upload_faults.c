/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "role/client.h"
#include "support/uploads.h"

/* Large bodies that are refused, given up, or meet a store and a broker that fail. */

#define SIZE (12 * T_MIB)

/* ---- refusals ---- */

static void refuses(struct t_roles *f, size_t size, size_t bad, bool known)
{
	struct t_sending sending = { 0 };
	char *text = t_json_string(size);

	text[bad] = '\n';
	t_send_begin(&sending, f, known ? (int64_t)size : -1, &t_json);
	if (t_send_bytes(&sending, text, size)) {
		size_t taken;

		/* It stays refused. */
		t_fails(SANGRAHA_E_REJECTED,
			sangraha_upload_write(sending.upload, "x", 1, &taken, &t_err));
		assert_int_equal(
			sangraha_verdict_offset(sangraha_upload_verdict(sending.upload)),
			bad);
	}
	t_fails(SANGRAHA_E_REJECTED, t_send_end(&sending));
	assert_string_equal(sangraha_result_rule(sending.result), "json.string");
	assert_int_equal(sangraha_result_offset(sending.result), bad);
	/* The answer comes when nothing is left. */
	assert_true(memory_store_uploads(f->store, "json") <= 0);
	assert_true(memory_store_count(f->store, "meta") <= 0);
	t_send_fini(&sending);
	free(text);
	t_nothing_left(f);
}

static void a_refusal_leaves_nothing(void **state)
{
	static const size_t bad[] = { 1, T_PART - 1, T_PART + 1, 7 * T_MIB, SIZE - 1 };

	for (size_t i = 0; i < SGH_COUNT(bad); i++) {
		refuses(*state, SIZE, bad[i], true);
		refuses(*state, SIZE, bad[i], false);
	}
	refuses(*state, T_SPOOL, T_SPOOL - 1, true);
	refuses(*state, T_SPOOL, T_SPOOL - 1, false);
}

static void a_window_refuses_too(void **state)
{
	refuses(*state, SIZE, SIZE - 1, true);
	refuses(*state, SIZE, SIZE - 70000, true);
	refuses(*state, SIZE, T_PART + 5, true);
}

static void another_digest_is_invalid(void **state)
{
	static const size_t sizes[] = { T_SPOOL, SIZE };
	char sha256[SANGRAHA_SHA256_SIZE];
	struct sangraha_put_options options = t_json;

	t_ok(sgh_sha256_hex("else", 4, sha256, &t_err));
	options.sha256 = sha256;
	for (size_t i = 0; i < SGH_COUNT(sizes); i++) {
		struct t_sending sending = { 0 };
		char *text = t_json_string(sizes[i]);

		t_send_begin(&sending, *state, (int64_t)sizes[i], &options);
		t_ok(t_send_bytes(&sending, text, sizes[i]));
		t_fails(SANGRAHA_E_INVALID, t_send_end(&sending));
		t_says("SHA-256");
		t_send_fini(&sending);
		free(text);
		t_nothing_left(*state);
	}
}

static void a_bad_length_leaves_nothing(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	char *text = t_json_string(SIZE);
	size_t taken;

	t_send_begin(&sending, f, (int64_t)SIZE - 1, &t_json);
	t_ok(t_send_bytes(&sending, text, SIZE - 2));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_upload_write(sending.upload, "xy", 2, &taken, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_upload_submit(sgh_take(sending.upload), NULL, NULL, &t_err));
	free(text);
	t_nothing_left(f);
}

static void what_is_given_up_leaves_nothing(void **state)
{
	static const size_t sizes[] = { 0, 10, T_INLINE + 1, T_PART, 11 * T_MIB };
	char *text = t_json_string(SIZE);

	for (size_t i = 0; i < 2 * SGH_COUNT(sizes); i++) {
		struct t_sending sending = { 0 };

		t_send_begin(&sending, *state, i % 2 ? (int64_t)SIZE : -1, &t_json);
		t_ok(t_send_bytes(&sending, text, sizes[i / 2]));
		t_send_fini(&sending);
		t_nothing_left(*state);
	}
	free(text);
}

static void cancelled(void *arg, struct sangraha_result *result)
{
	struct t_sending *sending = arg;

	sending->result = result;
	__atomic_add_fetch(&sending->answered, 1, __ATOMIC_SEQ_CST);
}

static void who_cancels_is_told(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	char *text = t_json_string(SIZE);

	t_send_begin(&sending, f, -1, &t_json);
	t_ok(t_send_bytes(&sending, text, 11 * T_MIB));
	t_ok(sangraha_upload_cancel(sgh_take(sending.upload), cancelled, &sending,
				    &t_err));
	t_wait(__atomic_load_n(&sending.answered, __ATOMIC_SEQ_CST) == 1);
	t_fails(SANGRAHA_E_INVALID, sangraha_result_status(sending.result));
	assert_true(memory_store_uploads(f->store, "json") <= 0);
	t_send_fini(&sending);
	free(text);
	t_nothing_left(f);
}

/* ---- limits ---- */

static void restart_client(struct t_roles *f, struct sangraha_client_options *options)
{
	options->size = sizeof(*options);
	options->inline_limit = T_INLINE;
	options->spool_limit = T_SPOOL;
	options->direct = 1;
	sangraha_client_free(f->client);
	sangraha_queue_unref(f->client_queue);
	t_start_client(f, options);
}

static void over_the_largest_size_it_is_too_large(void **state)
{
	struct sangraha_client_options options = { .max_object_size = 6 * T_MIB };
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	struct sangraha_upload *upload = NULL;
	char *text = t_json_string(SIZE);

	restart_client(f, &options);
	t_fails(SANGRAHA_E_TOO_LARGE,
		sangraha_upload_new(f->client, 6 * T_MIB + 1, &t_json, NULL, NULL,
				    &upload, &t_err));
	t_fails(SANGRAHA_E_TOO_LARGE, t_send_all(&sending, f, text, SIZE, false));
	t_says("6291456");
	t_send_fini(&sending);
	free(text);
	t_nothing_left(f);
}

static void without_large_writes_it_is_too_large(void **state)
{
	struct sangraha_client_options options = { .no_large_writes = 1 };
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	struct sangraha_upload *upload = NULL;
	char *text = t_json_string(SIZE);

	restart_client(f, &options);
	t_fails(SANGRAHA_E_TOO_LARGE,
		sangraha_upload_new(f->client, T_INLINE + 1, &t_json, NULL, NULL, &upload,
				    &t_err));
	t_says("large objects are not taken here");
	t_fails(SANGRAHA_E_TOO_LARGE, t_send_all(&sending, f, text, SIZE, false));
	t_says("large objects are not taken here");
	t_send_fini(&sending);
	free(text);
	t_nothing_left(f);
}

static void what_is_never_large_is_too_large(void **state)
{
	struct sangraha_client_options options = { .max_object_size = T_INLINE };
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	char *text = t_json_string(SIZE);

	restart_client(f, &options);
	t_fails(SANGRAHA_E_TOO_LARGE, t_send_all(&sending, f, text, SIZE, false));
	t_says("the body is larger than the limit of");
	t_send_fini(&sending);
	free(text);
	t_nothing_left(f);
}

static void metadata_of_a_large_body_comes_first(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_upload *upload = NULL;

	t_ok(sangraha_upload_new(f->client, T_INLINE + 1, &t_json, NULL, NULL, &upload,
				 &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_upload_add_meta(upload, "colour", "red", &t_err));
	t_says("its metadata comes first");
	sangraha_upload_free(upload);
	t_nothing_left(f);
}

static void what_parts_cannot_hold_is_too_large(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_upload *upload = NULL;

	t_fails(SANGRAHA_E_TOO_LARGE, sangraha_upload_new(f->client, INT64_MAX, &t_json,
							  NULL, NULL, &upload, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_upload_new(f->client, -2, &t_json, NULL, NULL, &upload, &t_err));
}

/* ---- a store that fails; upload_window.c has those whose parts are not held ---- */

static void stores_nevertheless(struct t_roles *f, size_t size, bool known)
{
	struct t_sending sending = { 0 };
	char *text = t_json_string(size);

	t_ok(t_send_all(&sending, f, text, size, known));
	t_stored(&sending, text, size);
	t_send_fini(&sending);
	free(text);
}

static void a_part_that_failed_is_sent_again(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "upload-part", 2, SANGRAHA_E_UNAVAILABLE);
	stores_nevertheless(f, SIZE, false);
	script_lose(f->script, "upload-part", 1, SANGRAHA_E_TIMEOUT);
	stores_nevertheless(f, SIZE, false);
	script_lose(f->script, "put-new json", 1, SANGRAHA_E_UNAVAILABLE);
	stores_nevertheless(f, T_SPOOL, true);
}

static void when_a_ticket_has_ended_there_is_another(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "upload-part", 2, SANGRAHA_E_UNAUTHORIZED);
	stores_nevertheless(f, SIZE, false);
	script_fail(f->script, "put-new json", 1, SANGRAHA_E_UNAUTHORIZED);
	stores_nevertheless(f, T_SPOOL, true);
}

static void a_store_that_stays_away_is_unavailable(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	char *text = t_json_string(SIZE);

	script_fail(f->script, "upload-part", 0, SANGRAHA_E_UNAVAILABLE);
	t_fails(SANGRAHA_E_UNAVAILABLE, t_send_all(&sending, f, text, SIZE, true));
	t_send_fini(&sending);
	free(text);
	t_nothing_left(f);
}

/* Who ended it may be reading it back: an abort would take the object away. */
static void an_upload_that_was_ended_is_left_alone(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	char *text = t_json_string(SIZE);

	script_fail(f->script, "upload-part", 2, SANGRAHA_E_NOT_FOUND);
	t_fails(SANGRAHA_E_UNAVAILABLE, t_send_all(&sending, f, text, SIZE, true));
	t_says("ended");
	t_send_fini(&sending);
	free(text);
	t_wait(sgh_metric_get(f->client->uploads_open) == 0);
	assert_int_equal(script_count(f->script, "upload-abort json"), 0);
	t_wait(sgh_budget_used(f->context->budget) == 0);
}

/* A put that finds nothing is to be repeated: "not_found" is no answer to it. */
static void what_is_not_there_at_the_commit_may_be_repeated(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	char *text = t_json_string(T_SPOOL);

	script_fail(f->script, "head json", 1, SANGRAHA_E_NOT_FOUND);
	t_fails(SANGRAHA_E_UNAVAILABLE, t_send_all(&sending, f, text, T_SPOOL, true));
	t_says("another upload with the same id");
	t_send_fini(&sending);
	free(text);
}

/* ---- a broker that loses ---- */

static void what_was_not_heard_is_asked_again(void **state)
{
	/* It is asked again at half of this. */
	struct sangraha_client_options options = { .timeout_ms = 7000 };
	struct t_roles *f = *state;

	restart_client(f, &options);
	/* The answer to put-begin, then to put-commit. */
	script_fail(f->script, "publish " SANGRAHA_RESPONSE_QUEUE, 1,
		    SANGRAHA_E_UNAVAILABLE);
	stores_nevertheless(f, SIZE, true);
	script_fail(f->script, "publish " SANGRAHA_RESPONSE_QUEUE, 2,
		    SANGRAHA_E_UNAVAILABLE);
	stores_nevertheless(f, SIZE, true);
	script_fail(f->script, "publish " T_WRITE, 2, SANGRAHA_E_UNAVAILABLE);
	stores_nevertheless(f, SIZE, true);
}

/* ---- the end of the client ---- */

static void ends_in_the_middle(struct t_roles *f, bool known, unsigned stored)
{
	struct t_sending sending = { 0 };
	char *text = t_json_string(SIZE);

	script_delay(f->script, "upload-part", stored + 1, 200);
	t_send_begin(&sending, f, known ? (int64_t)SIZE : -1, &t_json);
	t_ok(t_send_bytes(&sending, text, SIZE));
	t_ok(sangraha_upload_submit(sgh_take(sending.upload), cancelled, &sending,
				    &t_err));
	t_wait(script_count(f->script, "upload-part json: ok") == stored);
	sangraha_client_free(sgh_take(f->client));
	assert_int_equal(__atomic_load_n(&sending.answered, __ATOMIC_SEQ_CST), 1);
	t_fails(SANGRAHA_E_UNAVAILABLE, sangraha_result_status(sending.result));
	t_send_fini(&sending);
	script_clear(f->script);
	free(text);
}

static void a_client_may_end_in_the_middle(void **state)
{
	ends_in_the_middle(*state, false, 2);
}

static void a_client_may_end_in_the_middle_of_the_rest(void **state)
{
	ends_in_the_middle(*state, true, 1);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_uploads_begin, t_roles_end)
#define SMALL(function) \
	cmocka_unit_test_setup_teardown(function, t_uploads_begin_small, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(a_refusal_leaves_nothing),
	SMALL(a_window_refuses_too),
	CASE(another_digest_is_invalid),
	CASE(a_bad_length_leaves_nothing),
	CASE(what_is_given_up_leaves_nothing),
	CASE(who_cancels_is_told),
	CASE(over_the_largest_size_it_is_too_large),
	CASE(without_large_writes_it_is_too_large),
	CASE(what_is_never_large_is_too_large),
	CASE(metadata_of_a_large_body_comes_first),
	CASE(what_parts_cannot_hold_is_too_large),
	CASE(a_part_that_failed_is_sent_again),
	CASE(when_a_ticket_has_ended_there_is_another),
	CASE(a_store_that_stays_away_is_unavailable),
	CASE(an_upload_that_was_ended_is_left_alone),
	CASE(what_is_not_there_at_the_commit_may_be_repeated),
	CASE(what_was_not_heard_is_asked_again),
	CASE(a_client_may_end_in_the_middle),
	CASE(a_client_may_end_in_the_middle_of_the_rest),
};

t_main(tests)
