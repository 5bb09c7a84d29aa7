/* SPDX-License-Identifier: MIT */
#include <sangraha/admin.h>

#include "support/large.h"
#include "wire/sha256.h"

/* A receiver that reads large objects back before it says yes. */

#define SMALL 100
/* Two parts, and more than one piece of reading back. */
#define LARGE ((5 << 20) + 10)

static void uploads(struct t_upload *up, struct t_roles *f, const char *id, size_t size)
{
	t_upload(up, f, id, size);
	t_open(up);
	t_store_parts(up);
}

/* An upload whose bytes, from its first part's end on, are no json any more. */
static void lies(struct t_upload *up, struct t_roles *f, const char *id)
{
	t_upload(up, f, id, LARGE);
	t_open(up);
	up->body->data[LARGE - 2] = '\n';
	t_store_parts(up);
}

static void the_record_comes_after_the_reading(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	uploads(&up, f, t_id(1), SMALL);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_journal(f->script, "get meta/upload: ok\n"
			     "upload-parts json: ok\n"
			     "upload-complete-new json: ok\n"
			     "head json: ok\n"
			     "get meta/object: not_found\n"
			     "get json: ok\n"
			     "put-new meta/object: ok\n"
			     "head json: ok\n"
			     "get meta/object: ok\n"
			     "head meta/deleted: not_found\n"
			     "upload-find json: ok\n"
			     "delete meta/object: ok\n"
			     "delete meta/upload: ok\n" T_FINISHED);
	reply = t_answer(f, 0);
	assert_string_equal(sangraha_object_sha256(reply->object), up.sha256);
	assert_true(t_is_complete(&up));
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void a_large_one_is_read_in_pieces(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	uploads(&up, f, t_id(1), LARGE);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_answers(f, 0);
	assert_true(script_count(f->script, "get json: ok") > 5);
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

static void what_is_refused_leaves_nothing(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	lies(&up, f, t_id(1));
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	reply = t_answer(f, SANGRAHA_E_REJECTED);
	assert_string_equal(reply->rule, "json.string");
	assert_int_equal(reply->offset, LARGE - 2);
	assert_int_equal(script_count(f->script, "publish sangraha.object.rejected: ok"),
			 1);
	assert_true(t_is_nothing(&up));
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void a_digest_that_differs_leaves_nothing(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	uploads(&up, f, t_id(1), SMALL);
	memset(up.sha256, '0', 64);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_answers(f, SANGRAHA_E_INVALID);
	assert_true(t_is_nothing(&up));
	t_upload_fini(&up);
}

/* The facts that are stored are those that were found. */
static void announced_facts_are_not_believed(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request;
	struct t_upload up;
	struct sgh_reply *reply;

	uploads(&up, f, t_id(1), SMALL);
	request = t_commits(&up, SGH_TICKET_PARTS);
	request->facts = "{\"kind\":\"object\"}";
	t_send(f, request);
	reply = t_answer(f, 0);
	assert_non_null(strstr(sangraha_object_facts(reply->object), "\"string\""));
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

/* What was begun before is read back, too, and the other way round. */
static void it_is_switched_on_and_off_meanwhile(void **state)
{
	struct t_roles *f = *state;
	struct t_upload ups[2];

	uploads(&ups[0], f, t_id(1), SMALL);
	sangraha_receiver_free(sgh_take(f->receiver));
	t_start_receiver(f, NULL);
	t_send(f, t_commits(&ups[0], SGH_TICKET_PARTS));
	t_answers(f, 0);
	assert_true(t_is_complete(&ups[0]));
	assert_int_equal(script_count(f->script, "get json"), 0);
	uploads(&ups[1], f, t_id(2), SMALL);
	sangraha_receiver_free(sgh_take(f->receiver));
	t_start_verifier(f);
	t_send(f, t_commits(&ups[1], SGH_TICKET_PARTS));
	t_answers(f, 0);
	assert_true(t_is_complete(&ups[1]));
	assert_int_equal(script_count(f->script, "get json: ok"), 1);
	t_upload_fini(&ups[0]);
	t_upload_fini(&ups[1]);
}

/* A receiver of before that takes its place where the record will be. */
static void a_place_under_the_record_is_taken_over(void **state)
{
	struct t_roles *f = *state;
	char key[SGH_RECORD_KEY_SIZE];
	struct t_upload up;

	uploads(&up, f, t_id(1), SMALL);
	sgh_record_key_object(key, "json", up.id, up.record);
	memory_store_set(f->store, "meta", key,
			 "{\"sangraha\":1,\"upload\":\"another\"}");
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_answers(f, 0);
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

/* ---- by one PUT ---- */

static void stores(struct t_upload *up, const char *facts)
{
	struct sgh_request *request = t_begins(up, SGH_TICKET_PUT);
	struct sgh_reply *begun;

	if (facts)
		request->facts = facts;
	t_send(up->f, request);
	begun = t_answer(up->f, 0);
	t_store_whole(up, begun);
	sgh_reply_free(begun);
}

static void the_whole_is_read_back(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	stores(&up, NULL);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, 0);
	assert_true(script_count(f->script, "get json: ok") > 5);
	assert_true(memory_store_has(f->store, "json", up.id));
	t_upload_fini(&up);
}

/* Who is not believed could find other bytes of the same CRC. */
static void a_crc_is_not_enough(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_request *request;
	char crc32c[SGH_CRC32C_SIZE];

	t_upload(&up, f, t_id(1), SMALL);
	request = t_begins(&up, SGH_TICKET_PUT);
	request->crc32c = "e3069283";
	t_send(f, request);
	t_answers(f, 0);
	memory_store_crc32c(f->store, crc32c);
	assert_string_equal(crc32c, "");
	t_upload_fini(&up);
}

static void a_whole_that_is_refused_is_removed(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	up.body->data[LARGE - 2] = '\n';
	stores(&up, NULL);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, SANGRAHA_E_REJECTED);
	assert_true(t_is_nothing(&up));
	t_upload_fini(&up);
}

/* As in parts: who writes in another language need not know our facts. */
static void nor_are_those_of_a_whole(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), SMALL);
	stores(&up, "{}");
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	reply = t_answer(f, 0);
	assert_non_null(strstr(sangraha_object_facts(reply->object), "\"string\""));
	assert_false(reply->replayed);
	assert_true(t_is_complete(&up));
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

/* What was not read back is no object, and does not stay. */
static void a_whole_without_its_commit_is_swept(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	uint64_t count = 0;

	t_upload(&up, f, t_id(1), SMALL);
	stores(&up, NULL);
	t_start_getter(f, NULL);
	t_send(f, t_request(SGH_STAT, "json", up.id));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	t_expire(&up);
	t_ok(sangraha_admin_sweep(f->store, NULL, 0, &count, &t_err));
	assert_int_equal(count, 1);
	assert_true(t_is_nothing(&up));
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	t_upload_fini(&up);
}

/* A PUT after the sweep would find nobody who removes it. */
static void its_ticket_ends_long_before_its_record(void **state)
{
	struct t_roles *f = *state;
	struct sgh_record record = { 0 };
	struct sgh_request *request;
	struct sgh_reply *begun;
	struct t_upload up;

	t_upload(&up, f, t_id(1), SMALL);
	request = t_begins(&up, SGH_TICKET_PUT);
	request->deadline = sgh_time_ms() + 86400000;
	t_send(f, request);
	begun = t_answer(f, 0);
	assert_true(t_upload_record(&up, &record));
	assert_true(begun->ticket->expires_ms <= record.expires_ms - 1800000);
	assert_true(begun->ticket->expires_ms > sgh_time_ms() + 1700000);
	sgh_record_fini(&record);
	sgh_reply_free(begun);
	t_upload_fini(&up);
}

static void a_whole_is_begun_again(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), SMALL);
	stores(&up, NULL);
	up.fresh = false;
	stores(&up, NULL);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, 0);
	assert_true(t_is_complete(&up));
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, 0);
	t_send(f, t_begins(&up, SGH_TICKET_PUT));
	reply = t_answer(f, 0);
	assert_null(reply->ticket);
	assert_true(t_is_complete(&up));
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

/* Of two that do not say when they were made, the second does not know its digest yet. */
static void who_uploads_in_parts_besides_is_in_nobodys_way(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct t_upload other;

	t_upload(&up, f, t_id(1), SMALL);
	up.created = 0;
	stores(&up, NULL);
	t_upload(&other, f, t_id(1), SMALL);
	other.created = 0;
	other.fresh = false;
	other.body->data[1] = 'b';
	t_ok(sgh_sha256_hex(other.body->data, SMALL, other.sha256, &t_err));
	t_open(&other);
	t_store_parts(&other);
	t_send(f, t_commits(&other, SGH_TICKET_PARTS));
	t_answers(f, SANGRAHA_E_CONFLICT);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, 0);
	assert_true(memory_store_has(f->store, "json", up.id));
	assert_int_equal(memory_store_uploads(f->store, "json"), 0);
	assert_int_equal(t_records(f, "upload/"), 0);
	assert_int_equal(t_records(f, "object/"), 1);
	t_upload_fini(&other);
	t_upload_fini(&up);
}

static void deleted_meanwhile_the_whole_is_gone(void **state)
{
	struct t_roles *f = *state;
	char key[SGH_RECORD_KEY_SIZE];
	struct t_upload up;

	t_upload(&up, f, t_id(1), SMALL);
	stores(&up, NULL);
	sgh_record_key_deleted(key, "json", up.id);
	memory_store_set(f->store, "meta", key, "{}");
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, SANGRAHA_E_GONE);
	assert_true(t_is_nothing(&up));
	t_upload_fini(&up);
}

/* It was accepted by the rules of its time, and seen since. */
static void what_was_an_object_before_is_not_judged_again(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	up.body->data[LARGE - 2] = '\n';
	sangraha_receiver_free(sgh_take(f->receiver));
	t_start_receiver(f, NULL);
	stores(&up, NULL);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, 0);
	sangraha_receiver_free(sgh_take(f->receiver));
	t_start_verifier(f);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, 0);
	assert_true(memory_store_has(f->store, "json", up.id));
	t_upload_fini(&up);
}

/* ---- time and turns ---- */

/* The requester has long given up when the object turns out to be none. */
static void it_goes_on_past_the_deadline(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request;
	struct t_upload up;
	int64_t deadline;

	lies(&up, f, t_id(1));
	script_hold(f->script, "get json", 1);
	request = t_commits(&up, SGH_TICKET_PARTS);
	deadline = sgh_time_ms() + 300;
	request->deadline = deadline;
	t_send(f, request);
	t_wait(script_holding(f->script));
	t_wait(sgh_time_ms() > deadline);
	script_release(f->script);
	t_answers(f, SANGRAHA_E_REJECTED);
	assert_true(t_is_nothing(&up));
	t_upload_fini(&up);
}

/* Who repeats a put with other bytes ends an upload, but not one that has all of its own. */
static void what_is_being_read_is_ended_by_nobody(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request;
	struct t_upload other;
	struct t_upload up;

	uploads(&up, f, t_id(1), LARGE);
	script_hold(f->script, "get json", 1);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_wait(script_holding(f->script));
	t_upload(&other, f, t_id(1), LARGE);
	other.fresh = false;
	other.created = up.created + 1;
	request = t_begins(&other, SGH_TICKET_PARTS);
	request->deadline = sgh_time_ms() + 900;
	t_send(f, request);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	script_release(f->script);
	t_answers(f, 0);
	assert_true(t_is_complete(&up));
	t_upload_fini(&other);
	t_upload_fini(&up);
}

static void a_piece_is_asked_for_again(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	uploads(&up, f, t_id(1), LARGE);
	script_fail(f->script, "get json", 2, SANGRAHA_E_UNAVAILABLE);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_answers(f, 0);
	assert_int_equal(script_count(f->script, "upload-parts"), 1);
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

static void an_upload_is_renewed_while_it_is_read(void **state)
{
	struct t_roles *f = *state;
	struct sgh_record record = { 0 };
	struct t_upload up;

	uploads(&up, f, t_id(1), SMALL);
	script_hold(f->script, "get json", 1);
	t_expire(&up);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_wait(script_holding(f->script));
	assert_true(t_upload_record(&up, &record));
	assert_true(record.expires_ms > sgh_time_ms());
	sgh_record_fini(&record);
	script_release(f->script);
	t_answers(f, 0);
	t_upload_fini(&up);
}

/* Renewing what is good for a moment only takes no more requests than reading it. */
static void a_short_time_is_enough(void **state)
{
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.verify_large = 1,
		.ticket_timeout_ms = 2000,
	};
	struct t_roles *f = *state;
	struct t_upload up;

	sangraha_receiver_free(sgh_take(f->receiver));
	t_start_receiver(f, &options);
	uploads(&up, f, t_id(1), LARGE);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_answers(f, 0);
	assert_true(script_count(f->script, "put meta/upload") <=
		    script_count(f->script, "get json: ok") + 1);
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

#define MANY 7

static void many_take_turns(void **state)
{
	struct t_roles *f = *state;
	struct t_upload ups[MANY];

	for (unsigned i = 0; i < MANY; i++)
		uploads(&ups[i], f, t_id(i), SMALL);
	for (unsigned i = 0; i < 4; i++)
		script_hold(f->script, "get json", 1);
	for (unsigned i = 0; i < MANY; i++)
		t_send(f, t_commits(&ups[i], SGH_TICKET_PARTS));
	t_wait(script_holding(f->script) == 4);
	t_wait(script_count(f->script, "head json: ok") == MANY);
	assert_int_equal(script_count(f->script, "get json"), 0);
	script_clear(f->script);
	for (unsigned i = 0; i < MANY; i++)
		t_answers(f, 0);
	assert_int_equal(memory_store_count(f->store, "json"), MANY);
	for (unsigned i = 0; i < MANY; i++)
		t_upload_fini(&ups[i]);
}

/* A put-commit that is sent again takes nobody's turn, and reads nothing. */
static void what_is_read_is_read_once(void **state)
{
	struct t_roles *f = *state;
	struct t_upload ups[2];

	uploads(&ups[0], f, t_id(1), SMALL);
	uploads(&ups[1], f, t_id(2), SMALL);
	script_hold(f->script, "get json", 1);
	for (unsigned i = 0; i < 4; i++)
		t_send(f, t_commits(&ups[0], SGH_TICKET_PARTS));
	t_wait(script_holding(f->script) == 1);
	t_wait(script_count(f->script, "head json: ok") == 4);
	t_send(f, t_commits(&ups[1], SGH_TICKET_PARTS));
	t_answers(f, 0);
	assert_true(t_is_complete(&ups[1]));
	script_release(f->script);
	for (unsigned i = 0; i < 4; i++)
		t_answers(f, 0);
	assert_true(t_is_complete(&ups[0]));
	assert_int_equal(script_count(f->script, "get json: ok"), 2);
	t_upload_fini(&ups[1]);
	t_upload_fini(&ups[0]);
}

/* Nobody else renews it. */
static void what_waits_is_renewed_before(void **state)
{
	struct t_roles *f = *state;
	struct sgh_record record = { 0 };
	struct t_upload up;

	uploads(&up, f, t_id(1), SMALL);
	t_expire_in(&up, 400000);
	script_hold(f->script, "get json", 1);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_wait(script_holding(f->script) == 1);
	assert_true(t_upload_record(&up, &record));
	assert_true(record.expires_ms - sgh_time_ms() > 3000000);
	sgh_record_fini(&record);
	script_release(f->script);
	t_answers(f, 0);
	t_upload_fini(&up);
}

/* Those that are at it, and those that wait for their turn, go back to the queue. */
static void an_end_gives_them_back(void **state)
{
	struct t_roles *f = *state;
	struct t_upload ups[MANY];

	for (unsigned i = 0; i < MANY; i++)
		uploads(&ups[i], f, t_id(i), LARGE);
	for (unsigned i = 0; i < 4; i++)
		script_delay(f->script, "get json", 1, 300);
	for (unsigned i = 0; i < MANY; i++)
		t_send(f, t_commits(&ups[i], SGH_TICKET_PARTS));
	t_wait(script_count(f->script, "head json: ok") == MANY);
	sangraha_receiver_free(sgh_take(f->receiver));
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), MANY);
	script_clear(f->script);
	t_start_receiver(f, NULL);
	for (unsigned i = 0; i < MANY; i++)
		t_answers(f, 0);
	for (unsigned i = 0; i < MANY; i++)
		t_upload_fini(&ups[i]);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_verifier_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(the_record_comes_after_the_reading),
	CASE(a_large_one_is_read_in_pieces),
	CASE(what_is_refused_leaves_nothing),
	CASE(a_digest_that_differs_leaves_nothing),
	CASE(announced_facts_are_not_believed),
	CASE(it_is_switched_on_and_off_meanwhile),
	CASE(a_place_under_the_record_is_taken_over),
	CASE(the_whole_is_read_back),
	CASE(a_crc_is_not_enough),
	CASE(a_whole_that_is_refused_is_removed),
	CASE(nor_are_those_of_a_whole),
	CASE(a_whole_without_its_commit_is_swept),
	CASE(its_ticket_ends_long_before_its_record),
	CASE(a_whole_is_begun_again),
	CASE(who_uploads_in_parts_besides_is_in_nobodys_way),
	CASE(deleted_meanwhile_the_whole_is_gone),
	CASE(what_was_an_object_before_is_not_judged_again),
	CASE(it_goes_on_past_the_deadline),
	CASE(what_is_being_read_is_ended_by_nobody),
	CASE(a_piece_is_asked_for_again),
	CASE(an_upload_is_renewed_while_it_is_read),
	CASE(a_short_time_is_enough),
	CASE(many_take_turns),
	CASE(what_is_read_is_read_once),
	CASE(what_waits_is_renewed_before),
	CASE(an_end_gives_them_back),
};

t_main(tests)
