/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "support/roles.h"
#include "wire/record.h"
#include "wire/sha256.h"

/* What a receiver does with a put, step by step: the journal tells the order. */

#define BODY  "{\"a\":1}"
#define OTHER "{\"a\":2}"
/* A digest of nothing here. */
#define SHA256_NONE "0000000000000000000000000000000000000000000000000000000000000000"

static struct sgh_request *key_put(const char *key, const char *body)
{
	char id[SANGRAHA_ID_SIZE];
	struct sgh_request *request;

	t_ok(sangraha_id_from_key(key, id, &t_err));
	request = t_put(id, body);
	request->fresh = false;
	return request;
}

static void buries(struct t_roles *f, const char *type, const char *id)
{
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_deleted(key, type, id);
	memory_store_set(f->store, "meta", key, "{}");
}

/* ---- the fast way ---- */

static void a_new_object_takes_one_request(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_send(f, t_put(t_id(1), BODY));
	t_journal(f->script, "put json: ok\n" T_FINISHED);
	reply = t_answer(f, 0);
	assert_string_equal(sangraha_object_id(reply->object), t_id(1));
	assert_string_equal(sangraha_object_type(reply->object), "json");
	assert_string_equal(reply->correlation_id, "c-1");
	assert_string_equal(reply->request_id, "r-1");
	assert_false(reply->replayed);
	sgh_reply_free(reply);
}

static void the_event_describes_the_object(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *event;
	sgh_autofree char *text = NULL;

	t_send(f, t_put(t_id(1), BODY));
	event = memory_broker_take(f->broker, T_EVENTS);
	text = t_text(event);
	assert_non_null(strstr(text, "\"type\":\"sangraha.object.created\""));
	assert_non_null(strstr(text, t_id(1)));
	assert_true(event->persistent);
	sgh_message_free(event);
	t_answers(f, 0);
}

static void the_reply_of_a_write_is_persistent(void **state)
{
	struct t_roles *f = *state;
	struct sgh_message *message;

	t_send(f, t_put(t_id(1), BODY));
	message = memory_broker_take(f->broker, T_REPLIES);
	assert_true(message->persistent);
	sgh_message_free(message);
}

static void json_mode_is_answered_in_json_mode(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);
	struct sgh_message *message;

	request->json = true;
	t_send(f, request);
	message = memory_broker_take(f->broker, T_REPLIES);
	assert_string_equal(message->content_type, SGH_JSON_MODE);
	sgh_message_free(message);
	assert_true(memory_store_has(f->store, "json", t_id(1)));
}

static void without_reply_to_the_common_queue_gets_it(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->reply_to = NULL;
	t_send(f, request);
	sgh_message_free(memory_broker_take(f->broker, SANGRAHA_RESPONSE_QUEUE));
}

static void a_requester_that_is_gone_is_no_error(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->reply_to = "nowhere";
	t_send(f, request);
	t_journal(f->script, "put json: ok\n"
			     "publish sangraha.object.created: ok\n"
			     "publish nowhere: ok\n"
			     "ack object_write_queue: ok\n");
}

/* ---- the sure way ---- */

static void doubted(struct t_roles *f)
{
	t_journal(f->script, T_LOOKED "put-new json: ok\n"
				      "head meta/deleted: not_found\n" T_FINISHED);
	t_answers(f, 0);
}

/* Of a fresh id nobody else writes anything; of all that came before somebody may. */
static void only_what_is_new_travels_with_others(void **state)
{
	struct t_roles *f = *state;

	t_send(f, t_put(t_id(1), BODY));
	t_answers(f, 0);
	assert_int_equal(memory_store_packable(f->store), 1);
	t_send_again(f, t_put(t_id(2), BODY), 1);
	t_answers(f, 0);
	assert_true(memory_store_has(f->store, "json", t_id(2)));
	assert_int_equal(memory_store_packable(f->store), 1);
}

static void redelivered_is_conditional(void **state)
{
	struct t_roles *f = *state;

	t_send_again(f, t_put(t_id(1), BODY), 1);
	doubted(f);
}

static void resent_is_conditional(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->resend = 1;
	t_send(f, request);
	doubted(f);
}

static void retried_is_conditional(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->attempt = 1;
	t_send(f, request);
	doubted(f);
}

static void not_fresh_is_conditional(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->fresh = false;
	t_send(f, request);
	t_journal(f->script, T_LOOKED "put-new meta/operation: ok\n"
				      "put-new json: ok\n"
				      "head meta/deleted: not_found\n" T_FINISHED);
	t_answers(f, 0);
}

static void the_same_again_is_the_same_success(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);
	struct sgh_reply *reply;

	t_puts(f, 0, t_id(1), BODY);
	request->fresh = false;
	request->created_ms -= 1000;
	t_send(f, request);
	t_journal(f->script, T_LOOKED "put-new meta/operation: ok\n"
				      "put-new json: precondition\n"
				      "head json: ok\n" T_FINISHED);
	reply = t_answer(f, 0);
	assert_true(reply->replayed);
	sgh_reply_free(reply);
}

/* What the answer to a repeat says when it was created at that time. */
static bool replayed(struct t_roles *f, int64_t created_ms, unsigned resend,
		     unsigned deliveries)
{
	struct sgh_request *request = t_put(t_id(1), BODY);
	struct sgh_reply *reply;
	bool replayed;

	request->fresh = false;
	request->resend = resend;
	request->created_ms = created_ms;
	t_send_again(f, request, deliveries);
	reply = t_answer(f, 0);
	replayed = reply->replayed;
	sgh_reply_free(reply);
	return replayed;
}

static void our_own_success_is_no_repeat(void **state)
{
	struct t_roles *f = *state;

	assert_false(replayed(f, 1000, 0, 0));
	assert_false(replayed(f, 1000, 0, 0));
	assert_false(replayed(f, 1000, 0, 1));
	assert_false(replayed(f, 1000, 1, 0));
}

/* A user's repeat is one, though its message was sent twice. */
static void a_repeat_is_known_by_its_time(void **state)
{
	struct t_roles *f = *state;

	assert_false(replayed(f, 1000, 0, 0));
	assert_true(replayed(f, 2000, 0, 0));
	assert_true(replayed(f, 2000, 1, 0));
	assert_true(replayed(f, 2000, 0, 1));
}

static void without_its_time_a_repeat_is_guessed(void **state)
{
	struct t_roles *f = *state;

	assert_false(replayed(f, 0, 0, 0));
	assert_true(replayed(f, 0, 0, 0));
	assert_false(replayed(f, 0, 1, 0));
	assert_false(replayed(f, 0, 0, 1));
}

static void other_bytes_are_a_conflict(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	t_send_again(f, t_put(t_id(1), OTHER), 1);
	t_journal(f->script, T_LOOKED "put-new json: precondition\n"
				      "head json: ok\n" T_SAID);
	t_answers(f, SANGRAHA_E_CONFLICT);
}

static void another_type_is_a_conflict(void **state)
{
	struct t_roles *f = *state;

	memory_store_set(f->store, "pdf", t_id(1), "%PDF");
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_answers(f, SANGRAHA_E_CONFLICT);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
}

static void an_object_on_its_way_out_is_tried_again(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), BODY);
	script_fail(f->script, "head json", 1, SANGRAHA_E_NOT_FOUND);
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_answers(f, 0);
	assert_int_equal(script_count(f->script, "publish " T_WRITE ".delay.1s: ok"), 1);
}

/* ---- keys ---- */

static void a_key_is_claimed_first(void **state)
{
	struct t_roles *f = *state;

	t_send(f, key_put("k", BODY));
	t_journal(f->script, T_LOOKED "put-new meta/operation: ok\n"
				      "put-new json: ok\n"
				      "head meta/deleted: not_found\n" T_FINISHED);
	t_answers(f, 0);
}

static void a_key_again_is_a_replay(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request;
	struct sgh_reply *reply;

	request = key_put("k", BODY);
	request->created_ms -= 1000;
	t_send(f, request);
	t_done(f, 0);
	t_send(f, key_put("k", BODY));
	t_journal(f->script, T_LOOKED "put-new meta/operation: precondition\n"
				      "get meta/operation: ok\n"
				      "put-new json: precondition\n"
				      "head json: ok\n" T_FINISHED);
	reply = t_answer(f, 0);
	assert_true(reply->replayed);
	sgh_reply_free(reply);
}

static void a_key_of_other_bytes_is_a_conflict(void **state)
{
	struct t_roles *f = *state;

	t_send(f, key_put("k", BODY));
	t_done(f, 0);
	t_send(f, key_put("k", OTHER));
	t_journal(f->script, T_LOOKED "put-new meta/operation: precondition\n"
				      "get meta/operation: ok\n"
				      "head json: ok\n" T_SAID);
	t_answers(f, SANGRAHA_E_CONFLICT);
}

/* Of other bytes, or of their refusal: long after the object's own has ended. */
static void a_claim_in_vain_is_in_nobodys_way(void **state)
{
	static const char *const claims[] = {
		"{\"sangraha\":1,\"type\":\"json\",\"sha256\":\"00\"}",
		"{\"sangraha\":1,\"code\":\"unsupported\",\"sha256\":\"00\"}",
	};
	struct t_roles *f = *state;
	char key[SGH_RECORD_KEY_SIZE];
	char id[SANGRAHA_ID_SIZE];

	t_ok(sangraha_id_from_key("k", id, &t_err));
	sgh_record_key_operation(key, id);
	t_send(f, key_put("k", BODY));
	t_done(f, 0);
	for (size_t i = 0; i < SGH_COUNT(claims); i++) {
		memory_store_remove(f->store, "meta", key);
		memory_store_set(f->store, "meta", key, claims[i]);
		t_send(f, key_put("k", BODY));
		t_done(f, 0);
		t_send(f, key_put("k", "[1]"));
		t_done(f, SANGRAHA_E_CONFLICT);
	}
}

/* A put under the key "k" that finds a record with these members. */
static void finds_record(struct t_roles *f, int status, const char *members)
{
	char key[SGH_RECORD_KEY_SIZE];
	char id[SANGRAHA_ID_SIZE];
	char record[512];

	t_ok(sangraha_id_from_key("k", id, &t_err));
	sgh_record_key_operation(key, id);
	snprintf(record, sizeof(record), "{\"sangraha\":1%s}", members);
	memory_store_remove(f->store, "meta", key);
	memory_store_remove(f->store, "json", id);
	memory_store_set(f->store, "meta", key, record);
	t_send(f, key_put("k", BODY));
	t_done(f, status);
	assert_int_equal(memory_store_has(f->store, "json", id), !status);
}

#define SHA256 "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
#define FAILED ",\"code\":\"unsupported\",\"sha256\":"

/* Two types at once: neither sees the other's bucket, the claim decides. */
static void a_claim_of_others_is_a_conflict(void **state)
{
	finds_record(*state, SANGRAHA_E_CONFLICT,
		     ",\"type\":\"pdf\",\"sha256\":\"" SHA256 "\"");
	finds_record(*state, SANGRAHA_E_CONFLICT, ",\"type\":\"json\",\"sha256\":\"00\"");
	finds_record(*state, SANGRAHA_E_CONFLICT, ",\"type\":\"pdf\"");
	finds_record(*state, SANGRAHA_E_CONFLICT, FAILED "\"00\"");
}

static void what_a_claim_leaves_out_matches(void **state)
{
	finds_record(*state, 0, ",\"type\":\"json\"");
	finds_record(*state, 0, ",\"sha256\":\"" SHA256 "\"");
}

static void a_failure_of_the_same_bytes_blocks_nothing(void **state)
{
	finds_record(*state, 0, FAILED "\"" SHA256 "\",\"type\":\"pdf\"");
	finds_record(*state, 0, ",\"code\":\"internal\"");
}

static void an_old_record_is_none(void **state)
{
	finds_record(*state, 0, ",\"sha256\":\"00\",\"expires_ms\":1");
	finds_record(*state, 0, FAILED "\"00\",\"expires_ms\":1");
}

/* Of a write that never came to its end, which must not keep others off for ever. */
static void a_claim_ends(void **state)
{
	struct t_roles *f = *state;
	struct sgh_record record = { .offset = -1 };
	char key[SGH_RECORD_KEY_SIZE];
	char id[SANGRAHA_ID_SIZE];
	struct sgh_bytes *text;

	t_send(f, key_put("k", BODY));
	t_done(f, 0);
	t_ok(sangraha_id_from_key("k", id, &t_err));
	sgh_record_key_operation(key, id);
	text = memory_store_body(f->store, "meta", key);
	t_ok(sgh_record_parse(text->data, text->length, &record, &t_err));
	assert_true(record.expires_ms > sgh_time_ms() + 86400000);
	sgh_record_fini(&record);
	sgh_bytes_unref(text);
}

/* It must not end between this write's look and its end. */
static void a_claim_that_ends_soon_is_made_again(void **state)
{
	struct t_roles *f = *state;
	char members[160];

	snprintf(members, sizeof(members),
		 ",\"sha256\":\"" SHA256 "\",\"expires_ms\":%lld",
		 (long long)sgh_time_ms() + 60000);
	finds_record(f, 0, members);
	snprintf(members, sizeof(members), ",\"sha256\":\"00\",\"expires_ms\":%lld",
		 (long long)sgh_time_ms() + 60000);
	finds_record(f, SANGRAHA_E_CONFLICT, members);
	t_send(f, key_put("k", BODY));
	t_answers(f, SANGRAHA_E_CONFLICT);
}

/* Refused under a type that the requester asserted, and then sent without it. */
static void what_was_refused_may_come_declared_properly(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = key_put("k", BODY);

	request->object_type = "pdf";
	t_send(f, request);
	t_done(f, SANGRAHA_E_UNSUPPORTED);
	t_send(f, key_put("k", BODY));
	t_journal(f->script, T_LOOKED "put-new meta/operation: precondition\n"
				      "get meta/operation: ok\n"
				      "put meta/operation: ok\n"
				      "put-new json: ok\n"
				      "head meta/deleted: not_found\n" T_FINISHED);
	t_answers(f, 0);
}

static void a_key_is_never_fresh(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = key_put("k", BODY);

	request->fresh = true;
	t_send(f, request);
	t_answers(f, 0);
	assert_int_equal(script_count(f->script, "put-new json: ok"), 1);
}

/* ---- deleted ids ---- */

static void a_deleted_id_is_gone(void **state)
{
	struct t_roles *f = *state;

	buries(f, "json", t_id(1));
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_answers(f, SANGRAHA_E_GONE);
	assert_int_equal(script_count(f->script, "put"), 0);
}

static void deleted_under_another_type_is_gone_too(void **state)
{
	struct t_roles *f = *state;

	buries(f, "pdf", t_id(1));
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_answers(f, SANGRAHA_E_GONE);
	assert_int_equal(memory_store_count(f->store, "json"), 0);
}

static void a_slow_write_looks_again(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->published -= 5000;
	buries(f, "json", t_id(1));
	t_send(f, request);
	t_journal(f->script, "put json: ok\n"
			     "head meta/deleted: ok\n"
			     "delete json: ok\n" T_SAID);
	t_answers(f, SANGRAHA_E_GONE);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
}

static void a_delete_that_crosses_the_write_wins(void **state)
{
	struct t_roles *f = *state;

	script_hold(f->script, "put-new json", 1);
	t_send_again(f, t_put(t_id(1), BODY), 1);
	t_wait(script_holding(f->script));
	buries(f, "json", t_id(1));
	script_release(f->script);
	t_answers(f, SANGRAHA_E_GONE);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
}

/* The store failed just as the write was to be taken back, or the power went. */
static void what_was_not_taken_back_is_taken_back_later(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->published -= 5000;
	buries(f, "json", t_id(1));
	script_fail(f->script, "delete json", 1, SANGRAHA_E_UNAVAILABLE);
	t_send(f, request);
	t_answers(f, SANGRAHA_E_GONE);
	assert_false(memory_store_has(f->store, "json", t_id(1)));
}

/* ---- refused ---- */

static void a_refusal_says_why(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_send(f, t_put(t_id(1), "{\"a\":1,}"));
	t_journal(f->script, "put-new meta/operation: ok\n"
			     "publish sangraha.object.rejected: ok\n" T_SAID);
	reply = t_answer(f, SANGRAHA_E_REJECTED);
	assert_string_equal(reply->declared, "application/json");
	assert_non_null(reply->rule);
	assert_int_equal(reply->offset, 7);
	assert_non_null(reply->message);
	sgh_reply_free(reply);
}

static void a_refusal_is_recorded(void **state)
{
	struct t_roles *f = *state;
	char key[SGH_RECORD_KEY_SIZE];

	t_puts(f, SANGRAHA_E_REJECTED, t_id(1), "{\"a\":1,}");
	sgh_record_key_operation(key, t_id(1));
	assert_true(memory_store_has(f->store, "meta", key));
	assert_int_equal(memory_store_count(f->store, "json"), 0);
}

static void a_refusal_needs_no_store(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "put", 0, SANGRAHA_E_UNAVAILABLE);
	t_puts(f, SANGRAHA_E_REJECTED, t_id(1), "{\"a\":1,}");
}

static void not_a_type_is_unsupported(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), "hello");

	request->content_type = "text/plain";
	t_send(f, request);
	t_answers(f, SANGRAHA_E_UNSUPPORTED);
}

static void a_digest_that_differs_is_invalid(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);
	char sha256[SANGRAHA_SHA256_SIZE];

	t_ok(sgh_sha256_hex(OTHER, strlen(OTHER), sha256, &t_err));
	request->sha256 = sha256;
	t_send(f, request);
	t_journal(f->script, T_SAID);
	t_answers(f, SANGRAHA_E_INVALID);
}

static void a_size_that_differs_is_invalid(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->size = 6;
	t_send(f, request);
	t_journal(f->script, T_SAID);
	t_answers(f, SANGRAHA_E_INVALID);
}

/* ---- nobody waits: the record is the only answer ---- */

/* The code that the record of an asynchronous put has, once it is acknowledged. */
static void ends_as(struct t_roles *f, struct sgh_request *request, const char *code)
{
	char key[SGH_RECORD_KEY_SIZE];
	struct sangraha_store_entry *entry = NULL;
	struct sgh_record record = { 0 };
	const void *data;
	size_t length;

	sgh_record_key_operation(key, request->object_id);
	request->reply_to = NULL;
	request->deadline = sgh_time_ms() + 86400000;
	t_send(f, request);
	sgh_message_free(memory_broker_take(f->broker, SANGRAHA_RESPONSE_QUEUE));
	t_ok(sangraha_store_get(f->store, "meta", key, 0, 4096, 1000, &entry, &t_err));
	data = sangraha_store_entry_data(entry, &length);
	t_ok(sgh_record_parse(data, length, &record, &t_err));
	assert_string_equal(record.code, code);
	sgh_record_fini(&record);
	sangraha_store_entry_free(entry);
}

static void every_failure_is_recorded(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	request->sha256 = SHA256_NONE;
	ends_as(f, request, "invalid");
	request = t_put(t_id(2), BODY);
	request->size = 6;
	ends_as(f, request, "invalid");
	ends_as(f, t_put(t_id(3), "{"), "rejected");
	buries(f, "pdf", t_id(4));
	request = t_put(t_id(4), BODY);
	request->resend = 1;
	ends_as(f, request, "gone");
}

static void too_large_is_recorded(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_put(t_id(1), BODY);

	sgh_bytes_unref(request->body);
	request->body = sgh_bytes_new(NULL, 8 << 20);
	request->body->length = 8 << 20;
	memset(request->body->data, ' ', 8 << 20);
	ends_as(f, request, "too_large");
	t_wait(memory_broker_count(f->broker, T_DEAD) == 1);
}

static void a_lost_record_is_tried_again(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "put-new meta/operation", 1, SANGRAHA_E_UNAVAILABLE);
	ends_as(f, t_put(t_id(1), "{"), "rejected");
	assert_int_equal(script_count(f->script, "publish " T_WRITE ".delay.1s: ok"), 1);
}

/* The claim of an earlier try is not what is told of the put in the end. */
static void a_failure_replaces_the_claim(void **state)
{
	struct t_roles *f = *state;

	script_fail(f->script, "put-new json", 0, SANGRAHA_E_INTERNAL);
	ends_as(f, key_put("k", BODY), "internal");
	assert_int_equal(script_count(f->script, "put meta/operation: ok"), 1);
}

static void even_one_that_was_not_begun(void **state)
{
	struct t_roles *f = *state;

	finds_record(f, 0, ",\"sha256\":\"" SHA256 "\"");
	t_send_again(f, key_put("k", BODY), 21);
	t_answers(f, SANGRAHA_E_INTERNAL);
	assert_int_equal(script_count(f->script, "put meta/operation: ok"), 1);
}

static void a_failure_leaves_the_claim_of_others(void **state)
{
	struct t_roles *f = *state;

	t_send(f, key_put("k", BODY));
	t_done(f, 0);
	t_send(f, key_put("k", "{"));
	t_answers(f, SANGRAHA_E_REJECTED);
	assert_int_equal(script_count(f->script, "put meta/operation"), 0);
}

static int no_ones(void *arg, const struct sangraha_object *object, const void *data,
		   size_t length, struct sangraha_error *err)
{
	return memchr(data, '1', length) ? SANGRAHA_E_INTERNAL : 0;
}

static void a_veto_refuses(void **state)
{
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.veto = no_ones,
	};
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	t_start_receiver(f, &options);
	t_send(f, t_put(t_id(1), BODY));
	reply = t_answer(f, SANGRAHA_E_REJECTED);
	assert_string_equal(reply->rule, "veto");
	sgh_reply_free(reply);
	t_send(f, t_put(t_id(2), OTHER));
	t_answers(f, 0);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_receiver_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(a_new_object_takes_one_request),
	CASE(the_event_describes_the_object),
	CASE(the_reply_of_a_write_is_persistent),
	CASE(json_mode_is_answered_in_json_mode),
	CASE(without_reply_to_the_common_queue_gets_it),
	CASE(a_requester_that_is_gone_is_no_error),
	CASE(only_what_is_new_travels_with_others),
	CASE(redelivered_is_conditional),
	CASE(resent_is_conditional),
	CASE(retried_is_conditional),
	CASE(not_fresh_is_conditional),
	CASE(the_same_again_is_the_same_success),
	CASE(our_own_success_is_no_repeat),
	CASE(a_repeat_is_known_by_its_time),
	CASE(without_its_time_a_repeat_is_guessed),
	CASE(other_bytes_are_a_conflict),
	CASE(another_type_is_a_conflict),
	CASE(an_object_on_its_way_out_is_tried_again),
	CASE(a_key_is_claimed_first),
	CASE(a_key_again_is_a_replay),
	CASE(a_key_of_other_bytes_is_a_conflict),
	CASE(a_claim_of_others_is_a_conflict),
	CASE(a_claim_in_vain_is_in_nobodys_way),
	CASE(a_claim_ends),
	CASE(a_claim_that_ends_soon_is_made_again),
	CASE(what_a_claim_leaves_out_matches),
	CASE(a_failure_of_the_same_bytes_blocks_nothing),
	CASE(an_old_record_is_none),
	CASE(what_was_refused_may_come_declared_properly),
	CASE(a_key_is_never_fresh),
	CASE(a_deleted_id_is_gone),
	CASE(deleted_under_another_type_is_gone_too),
	CASE(a_slow_write_looks_again),
	CASE(a_delete_that_crosses_the_write_wins),
	CASE(what_was_not_taken_back_is_taken_back_later),
	CASE(a_refusal_says_why),
	CASE(a_refusal_is_recorded),
	CASE(a_refusal_needs_no_store),
	CASE(not_a_type_is_unsupported),
	CASE(a_digest_that_differs_is_invalid),
	CASE(a_size_that_differs_is_invalid),
	CASE(every_failure_is_recorded),
	CASE(too_large_is_recorded),
	CASE(a_lost_record_is_tried_again),
	CASE(a_failure_replaces_the_claim),
	CASE(even_one_that_was_not_begun),
	CASE(a_failure_leaves_the_claim_of_others),
	cmocka_unit_test_setup_teardown(a_veto_refuses, t_roles_begin, t_roles_end),
};

t_main(tests)
