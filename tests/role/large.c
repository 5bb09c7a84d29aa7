/* SPDX-License-Identifier: MIT */
#include "support/large.h"

/* What a receiver does with put-begin, put-extend and put-abort: the journal tells. */

#define SMALL 100
/* Two parts. */
#define LARGE ((5 << 20) + 10)

#define BEGUN                       \
	"put-new meta/upload: ok\n" \
	"upload-begin json: ok\n"   \
	"put-new meta/object: ok\n" \
	"put meta/upload: ok\n"
/* How what is left of an upload is taken away. */
#define CLEARED                           \
	"upload-abort json: ok\n"         \
	"upload-find json: ok\n"          \
	"get meta/object: ok\n"           \
	"head json: not_found\n"          \
	"delete meta/object: ok\n"        \
	"get meta/operation: not_found\n" \
	"delete meta/upload: ok\n"

/* Send it; the answer. */
static struct sgh_reply *answer(struct t_roles *f, struct sgh_request *request,
				int status)
{
	t_send(f, request);
	return t_answer(f, status);
}

/* ---- put-begin, by one PUT ---- */

static void a_ticket_for_one_put_takes_no_request(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), LARGE);
	t_send(f, t_begins(&up, SGH_TICKET_PUT));
	t_journal(f->script, T_SAID);
	reply = t_answer(f, 0);
	assert_int_equal(reply->ticket->kind, SGH_TICKET_PUT);
	assert_int_equal(reply->ticket->url_count, 1);
	assert_null(reply->object);
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

/* The deadline is that of the operation. */
static void the_ticket_is_good_until_the_deadline(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_request *request;
	struct sgh_reply *reply;
	int64_t deadline;

	t_upload(&up, f, t_id(1), LARGE);
	request = t_begins(&up, SGH_TICKET_PUT);
	deadline = request->deadline;
	reply = answer(f, request, 0);
	assert_int_equal(reply->ticket->expires_ms, deadline);
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void who_tells_a_crc_gets_a_ticket_with_it(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request;
	struct t_upload up;
	char crc32c[SGH_CRC32C_SIZE];

	t_upload(&up, f, t_id(1), LARGE);
	request = t_begins(&up, SGH_TICKET_PUT);
	request->crc32c = "e3069283";
	sgh_reply_free(answer(f, request, 0));
	memory_store_crc32c(f->store, crc32c);
	assert_string_equal(crc32c, "e3069283");
	sgh_reply_free(answer(f, t_begins(&up, SGH_TICKET_PUT), 0));
	memory_store_crc32c(f->store, crc32c);
	assert_string_equal(crc32c, "");
	t_upload_fini(&up);
}

static void what_may_be_there_is_looked_up(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	up.fresh = false;
	t_send(f, t_begins(&up, SGH_TICKET_PUT));
	t_journal(f->script, T_LOOKED "put-new meta/operation: ok\n"
				      "head json: not_found\n" T_SAID);
	t_answers(f, 0);
	t_upload_fini(&up);
}

static void what_is_there_already_needs_no_ticket(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), LARGE);
	t_put_whole(&up);
	up.fresh = false;
	up.created++;
	reply = answer(f, t_begins(&up, SGH_TICKET_PUT), 0);
	assert_null(reply->ticket);
	assert_string_equal(sangraha_object_sha256(reply->object), up.sha256);
	assert_true(reply->replayed);
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void another_object_is_a_conflict(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct t_upload other;

	t_upload(&up, f, t_id(1), LARGE);
	t_put_whole(&up);
	t_upload(&other, f, t_id(1), LARGE + 1);
	other.fresh = false;
	t_send(f, t_begins(&other, SGH_TICKET_PUT));
	t_answers(f, SANGRAHA_E_CONFLICT);
	t_upload_fini(&other);
	t_upload_fini(&up);
}

static void another_type_is_a_conflict(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	memory_store_set(f->store, "pdf", up.id, "%PDF");
	up.fresh = false;
	t_send(f, t_begins(&up, SGH_TICKET_PARTS));
	t_answers(f, SANGRAHA_E_CONFLICT);
	assert_true(t_is_nothing(&up));
	t_upload_fini(&up);
}

static void a_deleted_id_is_gone(void **state)
{
	struct t_roles *f = *state;
	char key[SGH_RECORD_KEY_SIZE];
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	sgh_record_key_deleted(key, "json", up.id);
	memory_store_set(f->store, "meta", key, "{}");
	up.fresh = false;
	t_send(f, t_begins(&up, SGH_TICKET_PARTS));
	t_answers(f, SANGRAHA_E_GONE);
	assert_true(t_is_nothing(&up));
	t_upload_fini(&up);
}

/* ---- put-begin, in parts ---- */

static void the_record_comes_before_the_upload(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), LARGE);
	t_send(f, t_begins(&up, SGH_TICKET_PARTS));
	t_journal(f->script, BEGUN T_SAID);
	reply = t_answer(f, 0);
	assert_int_equal(reply->ticket->kind, SGH_TICKET_PARTS);
	assert_int_equal(reply->ticket->first_part, 1);
	assert_int_equal(reply->ticket->url_count, 2);
	assert_true(sangraha_id_valid(reply->ticket->record));
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void of_unknown_length_many_parts_are_granted(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), LARGE);
	up.known = false;
	reply = answer(f, t_begins(&up, SGH_TICKET_PARTS), 0);
	assert_int_equal(reply->ticket->url_count, SGH_TICKET_URLS_MAX);
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void the_record_tells_what_was_begun(void **state)
{
	struct t_roles *f = *state;
	struct sgh_record record = { 0 };
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	t_open(&up);
	assert_true(t_upload_record(&up, &record));
	assert_string_equal(record.record, up.record);
	assert_string_equal(record.type, "json");
	assert_string_equal(record.content_type, "application/json");
	assert_int_equal(record.size, LARGE);
	assert_non_null(record.upload);
	assert_in_range(record.expires_ms - sgh_time_ms(), 3500000, 3600000);
	sgh_record_fini(&record);
	t_upload_fini(&up);
}

static void the_same_begin_again_gets_the_same_upload(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), LARGE);
	t_open(&up);
	t_send_again(f, t_begins(&up, SGH_TICKET_PARTS), 1);
	t_journal(f->script, T_LOOKED "head json: not_found\n"
				      "put-new meta/upload: precondition\n"
				      "get meta/upload: ok\n"
				      "upload-parts json: ok\n"
				      "put meta/upload: ok\n" T_SAID);
	reply = t_answer(f, 0);
	assert_string_equal(reply->ticket->record, up.record);
	assert_int_equal(memory_store_uploads(f->store, "json"), 1);
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void one_of_another_size_is_a_conflict(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct t_upload other;

	t_upload(&up, f, t_id(1), LARGE);
	t_open(&up);
	t_upload(&other, f, t_id(1), LARGE + 1);
	other.fresh = false;
	t_send(f, t_begins(&other, SGH_TICKET_PARTS));
	t_answers(f, SANGRAHA_E_CONFLICT);
	t_upload_fini(&other);
	t_upload_fini(&up);
}

/* Two receivers find a record without an upload: one begins it, and the other one too. */
static void who_comes_second_takes_the_first_ones_upload(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *first;
	struct sgh_reply *second;

	t_upload(&up, f, t_id(1), LARGE);
	script_hold(f->script, "put-new meta/object", 1);
	t_send(f, t_begins(&up, SGH_TICKET_PARTS));
	t_wait(script_holding(f->script));
	t_send_again(f, t_begins(&up, SGH_TICKET_PARTS), 1);
	second = t_answer(f, 0);
	assert_int_equal(memory_store_uploads(f->store, "json"), 2);
	script_release(f->script);
	first = t_answer(f, 0);
	assert_string_equal(first->ticket->record, second->ticket->record);
	assert_int_equal(memory_store_uploads(f->store, "json"), 1);
	snprintf(up.record, sizeof(up.record), "%s", first->ticket->record);
	t_wait(script_count(f->script, "ack ") == 2);
	t_store_parts(&up);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_answers(f, 0);
	assert_true(t_is_complete(&up));
	sgh_reply_free(first);
	sgh_reply_free(second);
	t_upload_fini(&up);
}

/* Who aborted it died in the middle of that, and nobody is left to go on. */
static void an_upload_that_has_gone_is_begun_anew(void **state)
{
	struct t_roles *f = *state;
	struct sgh_record record = { 0 };
	struct sgh_reply *begun;
	struct t_upload up;

	t_upload(&up, f, t_id(1), SMALL);
	t_open(&up);
	assert_true(t_upload_record(&up, &record));
	t_ok(t_op(f, &(struct sgh_store_op){ .verb = SGH_STORE_UPLOAD_ABORT,
					     .bucket = "json",
					     .key = up.id,
					     .upload = record.upload }));
	sgh_record_fini(&record);
	up.fresh = false;
	begun = answer(f, t_begins(&up, SGH_TICKET_PARTS), 0);
	assert_string_not_equal(begun->ticket->record, up.record);
	snprintf(up.record, sizeof(up.record), "%s", begun->ticket->record);
	sgh_reply_free(begun);
	t_store_parts(&up);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_answers(f, 0);
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

/* ---- refused ---- */

static void a_bad_beginning_is_refused(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), LARGE);
	up.body->data[SGH_PREFIX_SIZE - 1] = '\n';
	t_send(f, t_begins(&up, SGH_TICKET_PARTS));
	t_journal(f->script, "put-new meta/operation: ok\n"
			     "publish sangraha.object.rejected: ok\n" T_SAID);
	reply = t_answer(f, SANGRAHA_E_REJECTED);
	assert_string_equal(reply->rule, "json.string");
	assert_int_equal(reply->offset, SGH_PREFIX_SIZE - 1);
	assert_string_equal(reply->declared, "application/json");
	sgh_reply_free(reply);
	assert_true(t_is_nothing(&up));
	t_upload_fini(&up);
}

static void so_is_one_of_unknown_length(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request;
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), LARGE);
	up.known = false;
	request = t_begins(&up, SGH_TICKET_PARTS);
	request->content_type = "image/png";
	request->object_type = NULL;
	reply = answer(f, request, SANGRAHA_E_UNSUPPORTED);
	assert_string_equal(reply->rule, "type.mismatch");
	assert_string_equal(reply->declared, "image/png");
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static int no_strings(void *arg, const struct sangraha_object *object, const void *data,
		      size_t length, struct sangraha_error *err)
{
	bool shown = length == SGH_PREFIX_SIZE && *(const char *)data == '"' &&
		     sangraha_object_size(object) == LARGE;

	return shown ? sangraha_error_set(err, SANGRAHA_E_REJECTED, "no strings") : 0;
}

static void a_veto_sees_the_beginning(void **state)
{
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.veto = no_strings,
	};
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	t_start_receiver(f, &options);
	t_upload(&up, f, t_id(1), LARGE);
	reply = answer(f, t_begins(&up, SGH_TICKET_PARTS), SANGRAHA_E_REJECTED);
	assert_string_equal(reply->rule, "veto");
	assert_string_equal(reply->message, "no strings");
	sgh_reply_free(reply);
	assert_true(t_is_nothing(&up));
	t_upload_fini(&up);
}

/* Whose rule is about facts knows nothing at the beginning. */
static int no_strings_at_all(void *arg, const struct sangraha_object *object,
			     const void *data, size_t length, struct sangraha_error *err)
{
	bool whole = length == 0;

	*(unsigned *)arg += 1;
	if (strstr(sangraha_object_facts(object), "\"string\"") == NULL)
		return 0;
	assert_true(whole);
	assert_int_equal(sangraha_object_size(object), LARGE);
	assert_int_equal(strlen(sangraha_object_sha256(object)), 64);
	assert_string_equal(sangraha_object_filename(object), "large.json");
	return sangraha_error_set(err, SANGRAHA_E_REJECTED, "no strings");
}

static void a_veto_sees_the_facts_of_the_whole(void **state)
{
	unsigned asked = 0;
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.veto = no_strings_at_all,
		.veto_arg = &asked,
	};
	struct t_roles *f = *state;
	struct sgh_request *begins;
	struct t_upload up;
	struct sgh_reply *reply;

	t_start_receiver(f, &options);
	t_upload(&up, f, t_id(1), LARGE);
	begins = t_begins(&up, SGH_TICKET_PARTS);
	begins->filename = "large.json";
	reply = answer(f, begins, 0);
	memcpy(up.record, reply->ticket->record, sizeof(up.record));
	sgh_reply_free(reply);
	t_store_parts(&up);
	reply = answer(f, t_commits(&up, SGH_TICKET_PARTS), SANGRAHA_E_REJECTED);
	assert_string_equal(reply->rule, "veto");
	assert_string_equal(reply->message, "no strings");
	assert_int_equal(asked, 2);
	sgh_reply_free(reply);
	assert_true(t_is_nothing(&up));
	t_upload_fini(&up);
}

static void large_writes_can_be_off(void **state)
{
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.no_large_writes = 1,
	};
	struct t_roles *f = *state;
	struct t_upload up;

	t_start_receiver(f, &options);
	t_upload(&up, f, t_id(1), LARGE);
	t_send(f, t_begins(&up, SGH_TICKET_PUT));
	t_answers(f, SANGRAHA_E_TOO_LARGE);
	t_send(f, t_begins(&up, SGH_TICKET_PARTS));
	t_answers(f, SANGRAHA_E_TOO_LARGE);
	t_upload_fini(&up);
}

static void objects_have_a_largest_size(void **state)
{
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.max_object_size = LARGE - 1,
	};
	struct t_roles *f = *state;
	struct t_upload up;

	t_start_receiver(f, &options);
	t_upload(&up, f, t_id(1), LARGE);
	t_send(f, t_begins(&up, SGH_TICKET_PARTS));
	t_done(f, SANGRAHA_E_TOO_LARGE);
	/* One whose length is not known is told at its end. */
	up.known = false;
	t_open(&up);
	t_store_parts(&up);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_answers(f, SANGRAHA_E_TOO_LARGE);
	assert_false(memory_store_has(f->store, "json", up.id));
	t_upload_fini(&up);
}

static void nobody_who_waits_finds_the_record(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	up.body->data[1] = '\n';
	request = t_begins(&up, SGH_TICKET_PARTS);
	request->reply_to = NULL;
	t_send(f, request);
	sgh_message_free(memory_broker_take(f->broker, SANGRAHA_RESPONSE_QUEUE));
	assert_int_equal(t_records(f, "operation/"), 1);
	t_upload_fini(&up);
}

/* ---- put-extend ---- */

static void an_extension_brings_more_parts_and_time(void **state)
{
	struct t_roles *f = *state;
	struct sgh_record record = { 0 };
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), LARGE);
	up.known = false;
	t_open(&up);
	t_expire(&up);
	t_send(f, t_extends(&up, 65));
	t_journal(f->script, "get meta/upload: ok\n"
			     "put meta/upload: ok\n" T_SAID);
	reply = t_answer(f, 0);
	assert_int_equal(reply->ticket->first_part, 65);
	assert_int_equal(reply->ticket->url_count, SGH_TICKET_URLS_MAX);
	assert_true(t_upload_record(&up, &record));
	assert_int_equal(reply->ticket->expires_ms, record.expires_ms);
	assert_in_range(record.expires_ms - sgh_time_ms(), 3500000, 3600000);
	sgh_record_fini(&record);
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void the_last_parts_are_fewer(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), LARGE);
	up.known = false;
	t_open(&up);
	reply = answer(f, t_extends(&up, SGH_PARTS_MAX - 1), 0);
	assert_int_equal(reply->ticket->url_count, 2);
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void an_upload_that_ended_is_not_extended(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), SMALL);
	t_open(&up);
	snprintf(up.record, sizeof(up.record), "%s", t_id(9));
	t_send(f, t_extends(&up, 1));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	snprintf(up.id, sizeof(up.id), "%s", t_id(2));
	t_send(f, t_extends(&up, 1));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	t_upload_fini(&up);
}

/* ---- put-abort ---- */

static void an_abort_leaves_nothing(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	t_open(&up);
	t_store_parts(&up);
	t_send(f, t_aborts(&up));
	t_journal(f->script, "get meta/upload: ok\n" CLEARED T_SAID);
	t_answers(f, 0);
	assert_true(t_is_nothing(&up));
	t_upload_fini(&up);
}

/* It would hold the id, or an idempotency key, for bytes that never came. */
static void an_abort_gives_up_the_claim(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), SMALL);
	up.fresh = false;
	t_open(&up);
	assert_int_equal(t_records(f, "operation/"), 1);
	t_send(f, t_aborts(&up));
	t_answers(f, 0);
	assert_int_equal(t_records(f, ""), 0);
	t_upload_fini(&up);
}

static void an_abort_leaves_what_is_no_claim(void **state)
{
	static const char *const others[] = {
		"{\"sangraha\":1,\"operation_id\":\"0199f2c4-0000-7000-8000-"
		"000000000001\",\"code\":\"rejected\"}",
		"{\"sangraha\":1,\"operation_id\":\"another\"}",
		"foreign",
	};
	struct t_roles *f = *state;
	char key[SGH_RECORD_KEY_SIZE];
	struct t_upload up;

	sgh_record_key_operation(key, t_id(1));
	for (size_t i = 0; i < SGH_COUNT(others); i++) {
		t_upload(&up, f, t_id(1), SMALL);
		t_open(&up);
		memory_store_set(f->store, "meta", key, others[i]);
		t_send(f, t_aborts(&up));
		t_answers(f, 0);
		assert_int_equal(t_records(f, "operation/"), 1);
		assert_int_equal(t_records(f, ""), 1);
		t_upload_fini(&up);
	}
}

static void an_abort_again_is_ok(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), SMALL);
	t_open(&up);
	t_send(f, t_aborts(&up));
	t_done(f, 0);
	t_send(f, t_aborts(&up));
	t_journal(f->script, "get meta/upload: not_found\n" T_SAID);
	t_answers(f, 0);
	t_upload_fini(&up);
}

static void an_abort_of_another_record_does_nothing(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), SMALL);
	t_open(&up);
	snprintf(up.record, sizeof(up.record), "%s", t_id(9));
	t_send(f, t_aborts(&up));
	t_journal(f->script, "get meta/upload: ok\n" T_SAID);
	t_answers(f, 0);
	assert_int_equal(memory_store_uploads(f->store, "json"), 1);
	t_upload_fini(&up);
}

/* The commit came to its end but for the last of its records. */
static void an_abort_does_not_touch_what_is_complete(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), SMALL);
	t_open(&up);
	t_store_parts(&up);
	script_fail(f->script, "delete meta/upload", 0, SANGRAHA_E_INTERNAL);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_answers(f, SANGRAHA_E_INTERNAL);
	script_clear(f->script);
	t_send(f, t_aborts(&up));
	t_answers(f, 0);
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_receiver_begin, t_roles_end)
#define BARE(function) \
	cmocka_unit_test_setup_teardown(function, t_roles_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(a_ticket_for_one_put_takes_no_request),
	CASE(the_ticket_is_good_until_the_deadline),
	CASE(who_tells_a_crc_gets_a_ticket_with_it),
	CASE(what_may_be_there_is_looked_up),
	CASE(what_is_there_already_needs_no_ticket),
	CASE(another_object_is_a_conflict),
	CASE(another_type_is_a_conflict),
	CASE(a_deleted_id_is_gone),
	CASE(the_record_comes_before_the_upload),
	CASE(of_unknown_length_many_parts_are_granted),
	CASE(the_record_tells_what_was_begun),
	CASE(the_same_begin_again_gets_the_same_upload),
	CASE(one_of_another_size_is_a_conflict),
	CASE(who_comes_second_takes_the_first_ones_upload),
	CASE(an_upload_that_has_gone_is_begun_anew),
	CASE(a_bad_beginning_is_refused),
	CASE(so_is_one_of_unknown_length),
	BARE(a_veto_sees_the_beginning),
	BARE(a_veto_sees_the_facts_of_the_whole),
	BARE(large_writes_can_be_off),
	BARE(objects_have_a_largest_size),
	CASE(nobody_who_waits_finds_the_record),
	CASE(an_extension_brings_more_parts_and_time),
	CASE(the_last_parts_are_fewer),
	CASE(an_upload_that_ended_is_not_extended),
	CASE(an_abort_leaves_nothing),
	CASE(an_abort_gives_up_the_claim),
	CASE(an_abort_leaves_what_is_no_claim),
	CASE(an_abort_again_is_ok),
	CASE(an_abort_of_another_record_does_nothing),
	CASE(an_abort_does_not_touch_what_is_complete),
};

t_main(tests)
