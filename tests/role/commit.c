/* SPDX-License-Identifier: MIT */
#include <sangraha/admin.h>

#include "support/large.h"
#include "wire/sha256.h"

/* What a receiver does with a put-commit: the journal tells the order. */

#define SMALL 100
/* Two parts. */
#define LARGE ((5 << 20) + 10)

/* From the parts to the answer, when nothing comes between. */
#define COMPLETED                        \
	"upload-parts json: ok\n"        \
	"put meta/object: ok\n"          \
	"upload-complete-new json: ok\n" \
	"head json: ok\n"                \
	"get meta/object: ok\n"
#define KEPT                             \
	"head meta/deleted: not_found\n" \
	"upload-find json: ok\n"         \
	"delete meta/upload: ok\n" T_FINISHED

/* An upload whose parts are all there. */
static void uploads(struct t_upload *up, struct t_roles *f, const char *id, size_t size)
{
	t_upload(up, f, id, size);
	t_open(up);
	t_store_parts(up);
}

static struct sgh_reply *commits(struct t_upload *up, int status)
{
	t_send(up->f, t_commits(up, SGH_TICKET_PARTS));
	return t_answer(up->f, status);
}

static void buries(struct t_roles *f, const char *id)
{
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_deleted(key, "json", id);
	memory_store_set(f->store, "meta", key, "{}");
}

/* ---- parts ---- */

static void the_record_comes_before_the_object(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	uploads(&up, f, t_id(1), LARGE);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_journal(f->script, "get meta/upload: ok\n" COMPLETED KEPT);
	reply = t_answer(f, 0);
	assert_string_equal(sangraha_object_sha256(reply->object), up.sha256);
	assert_int_equal(sangraha_object_size(reply->object), LARGE);
	assert_string_equal(sangraha_object_type(reply->object), "json");
	assert_false(reply->replayed);
	assert_true(t_is_complete(&up));
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void of_unknown_length_too(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	up.known = false;
	t_open(&up);
	t_store_parts(&up);
	sgh_reply_free(commits(&up, 0));
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

static void an_upload_that_ends_soon_is_renewed(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	uploads(&up, f, t_id(1), SMALL);
	t_expire(&up);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_journal(f->script, "get meta/upload: ok\n"
			     "put meta/upload: ok\n" COMPLETED KEPT);
	t_answers(f, 0);
	t_upload_fini(&up);
}

/* A store may take two minutes to complete it, and who sweeps have clocks of their own. */
static void what_ends_before_the_store_may_have_completed_it_is_too(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	uploads(&up, f, t_id(1), SMALL);
	t_expire_in(&up, 200000);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_journal(f->script, "get meta/upload: ok\n"
			     "put meta/upload: ok\n" COMPLETED KEPT);
	t_answers(f, 0);
	t_upload_fini(&up);
}

static void committed_twice_it_is_the_same_success(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	uploads(&up, f, t_id(1), SMALL);
	sgh_reply_free(commits(&up, 0));
	t_wait(script_count(f->script, "ack ") == 1);
	script_forget(f->script);
	t_send_again(f, t_commits(&up, SGH_TICKET_PARTS), 1);
	t_journal(f->script, "get meta/upload: not_found\n"
			     "head json: ok\n"
			     "get meta/object: ok\n"
			     "head json: ok\n"
			     "get meta/object: ok\n" T_FINISHED);
	reply = t_answer(f, 0);
	assert_false(reply->replayed);
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

/* Without `created` nothing else tells one request from another. */
static void the_first_success_is_no_repeat(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), SMALL);
	up.created = 0;
	t_open(&up);
	t_store_parts(&up);
	reply = commits(&up, 0);
	assert_false(reply->replayed);
	sgh_reply_free(reply);
	reply = commits(&up, 0);
	assert_true(reply->replayed);
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void committed_as_another_one_it_is_a_conflict(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	uploads(&up, f, t_id(1), SMALL);
	sgh_reply_free(commits(&up, 0));
	memset(up.sha256, '0', 64);
	sgh_reply_free(commits(&up, SANGRAHA_E_CONFLICT));
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

static void after_a_sweep_it_is_not_found(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	uint64_t count = 0;

	uploads(&up, f, t_id(1), SMALL);
	t_expire(&up);
	t_ok(sangraha_admin_sweep(f->store, NULL, 0, &count, &t_err));
	assert_int_equal(count, 1);
	sgh_reply_free(commits(&up, SANGRAHA_E_NOT_FOUND));
	assert_true(t_is_nothing(&up));
	t_upload_fini(&up);
}

static void another_record_is_not_found(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	uploads(&up, f, t_id(1), SMALL);
	snprintf(up.record, sizeof(up.record), "%s", t_id(9));
	sgh_reply_free(commits(&up, SANGRAHA_E_NOT_FOUND));
	assert_int_equal(memory_store_uploads(f->store, "json"), 1);
	t_upload_fini(&up);
}

/* ---- parts that are not as they should be ---- */

static void a_missing_part_is_invalid(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), SMALL);
	t_open(&up);
	up.parts[0] = (struct sgh_part){ .number = 1, .size = SMALL, .etag = "\"a\"" };
	up.part_count = 1;
	sgh_reply_free(commits(&up, SANGRAHA_E_INVALID));
	assert_int_equal(script_count(f->script, "upload-complete"), 0);
	t_upload_fini(&up);
}

static void an_altered_part_is_invalid(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	uploads(&up, f, t_id(1), LARGE);
	up.parts[1].etag = "\"0\"";
	sgh_reply_free(commits(&up, SANGRAHA_E_INVALID));
	up.parts[1].etag = up.etags[1];
	sgh_reply_free(commits(&up, 0));
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

/* The sum is right and the store has something else. */
static void a_part_of_another_size_is_invalid(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_bytes *body;

	t_upload(&up, f, t_id(1), LARGE);
	up.known = false;
	t_open(&up);
	t_store_parts(&up);
	body = up.body;
	up.parts[1].size++;
	up.body = t_large_json(LARGE + 1);
	sgh_reply_free(commits(&up, SANGRAHA_E_INVALID));
	assert_false(memory_store_has(f->store, "json", up.id));
	sgh_bytes_unref(body);
	t_upload_fini(&up);
}

/* Whoever ends it otherwise is not the one who began it. */
static void it_ends_as_it_was_announced(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request;
	struct t_upload up;

	t_upload(&up, f, t_id(1), SMALL);
	request = t_begins(&up, SGH_TICKET_PARTS);
	request->sha256 =
		"0000000000000000000000000000000000000000000000000000000000000000";
	t_send(f, request);
	t_done(f, 0);
	t_open(&up);
	t_store_parts(&up);
	sgh_reply_free(commits(&up, SANGRAHA_E_CONFLICT));
	t_upload_fini(&up);
}

/* ---- the key is taken ---- */

/* Completed by an earlier run, whose answer from the store was lost. */
static void our_own_completion_is_found(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	uploads(&up, f, t_id(1), SMALL);
	script_lose(f->script, "upload-complete", 1, SANGRAHA_E_TIMEOUT);
	reply = commits(&up, 0);
	assert_false(reply->replayed);
	assert_int_equal(script_count(f->script, "publish " T_WRITE ".delay.1s: ok"), 1);
	assert_true(t_is_complete(&up));
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

/* The same bytes came by another way meanwhile: ours are given up. */
static void the_same_digest_is_a_success(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	uploads(&up, f, t_id(1), SMALL);
	t_put_whole(&up);
	up.created++;
	reply = commits(&up, 0);
	assert_true(reply->replayed);
	assert_int_equal(t_records(f, "object/"), 0);
	assert_int_equal(t_records(f, "upload/"), 0);
	assert_int_equal(memory_store_uploads(f->store, "json"), 0);
	assert_true(memory_store_has(f->store, "json", up.id));
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void another_digest_is_a_conflict(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct t_upload other;

	uploads(&up, f, t_id(1), SMALL);
	t_upload(&other, f, t_id(1), SMALL + 1);
	t_put_whole(&other);
	sgh_reply_free(commits(&up, SANGRAHA_E_CONFLICT));
	assert_int_equal(t_records(f, "object/"), 0);
	assert_int_equal(t_records(f, "upload/"), 0);
	assert_int_equal(memory_store_uploads(f->store, "json"), 0);
	t_upload_fini(&other);
	t_upload_fini(&up);
}

/* An ordinary put meets what came in parts: the digest is in the record. */
static void a_put_compares_with_what_came_in_parts(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request;
	struct t_upload up;

	uploads(&up, f, t_id(1), SMALL);
	sgh_reply_free(commits(&up, 0));
	request = t_put(up.id, "");
	sgh_bytes_unref(request->body);
	request->body = sgh_bytes_ref(up.body);
	t_send_again(f, request, 1);
	t_answers(f, 0);
	t_send_again(f, t_put(up.id, "{}"), 1);
	t_answers(f, SANGRAHA_E_CONFLICT);
	t_upload_fini(&up);
}

/* ---- deleted meanwhile ---- */

static void deleted_meanwhile_it_is_gone(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	uploads(&up, f, t_id(1), SMALL);
	buries(f, up.id);
	sgh_reply_free(commits(&up, SANGRAHA_E_GONE));
	assert_true(t_is_nothing(&up));
	t_upload_fini(&up);
}

/* An upload that an earlier try left open goes with the commit. */
static void other_uploads_of_the_key_are_aborted(void **state)
{
	struct t_roles *f = *state;
	struct sgh_store_op op = {
		.verb = SGH_STORE_UPLOAD_BEGIN,
		.bucket = "json",
		.content_type = "application/json",
	};
	struct t_upload up;

	uploads(&up, f, t_id(1), SMALL);
	op.key = up.id;
	t_ok(t_op(f, &op));
	sgh_store_op_fini(&op);
	sgh_reply_free(commits(&up, 0));
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

/* ---- by one PUT ---- */

static void stores(struct t_upload *up)
{
	t_put_whole(up);
	t_wait(script_count(up->f->script, "ack ") == 1);
	script_forget(up->f->script);
}

static void the_whole_is_looked_at(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), LARGE);
	stores(&up);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_journal(f->script, "head json: ok\n"
			     "head meta/deleted: not_found\n" T_FINISHED);
	reply = t_answer(f, 0);
	assert_string_equal(sangraha_object_sha256(reply->object), up.sha256);
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void the_first_commit_of_a_whole_is_no_repeat(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	struct sgh_reply *reply;

	t_upload(&up, f, t_id(1), SMALL);
	up.created = 0;
	stores(&up);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	reply = t_answer(f, 0);
	assert_false(reply->replayed);
	sgh_reply_free(reply);
	t_upload_fini(&up);
}

static void what_did_not_arrive_is_not_found(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	t_upload_fini(&up);
}

static void what_was_deleted_meanwhile_is_gone(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	buries(f, up.id);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, SANGRAHA_E_GONE);
	t_upload_fini(&up);
}

static void what_lies_there_instead_is_a_conflict(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	stores(&up);
	memset(up.sha256, '0', 64);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, SANGRAHA_E_CONFLICT);
	t_upload_fini(&up);
}

static void deleted_before_the_commit_it_is_gone(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	stores(&up);
	buries(f, up.id);
	t_send(f, t_commits(&up, SGH_TICKET_PUT));
	t_answers(f, SANGRAHA_E_GONE);
	assert_true(t_is_nothing(&up));
	t_upload_fini(&up);
}

/* ---- another put of the same key, with other bytes, while the first is under way ---- */

/* Begun at another time than `first`, as a repeat is, and as large. */
static void other_put(struct t_upload *up, const struct t_upload *first)
{
	t_upload(up, first->f, first->id, first->body->length);
	up->fresh = false;
	up->created = first->created + 1;
	up->body->data[1] = 'b';
	t_ok(sgh_sha256_hex(up->body->data, up->body->length, up->sha256, &t_err));
	t_open(up);
	t_store_parts(up);
}

/* The store does late what says of the first one's object what it is. */
static void a_late_record_describes_nobody_elses_object(void **state)
{
	struct t_roles *f = *state;
	struct t_upload first;
	struct t_upload second;

	uploads(&first, f, t_id(1), LARGE);
	script_hold(f->script, "put meta/object", 1);
	t_send(f, t_commits(&first, SGH_TICKET_PARTS));
	t_wait(script_holding(f->script));
	other_put(&second, &first);
	assert_string_not_equal(second.record, first.record);
	t_send(f, t_commits(&second, SGH_TICKET_PARTS));
	t_answers(f, 0);
	script_release(f->script);
	t_answers(f, SANGRAHA_E_CONFLICT);
	assert_true(t_is_complete(&second));
	t_upload_fini(&second);
	t_upload_fini(&first);
}

/* Nor does it take over the name and the metadata that the first one was begun with. */
static void another_put_has_its_own_name(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *begin;
	struct sangraha_object *object;
	struct sgh_reply *reply;
	struct t_upload first;
	struct t_upload second;

	t_upload(&first, f, t_id(1), LARGE);
	begin = t_begins(&first, SGH_TICKET_PARTS);
	begin->filename = "first.json";
	t_send(f, begin);
	t_answers(f, 0);
	other_put(&second, &first);
	t_send(f, t_commits(&second, SGH_TICKET_PARTS));
	reply = t_answer(f, 0);
	object = reply->object;
	assert_non_null(object);
	assert_null(sangraha_object_filename(object));
	sgh_reply_free(reply);
	assert_true(t_is_complete(&second));
	t_upload_fini(&second);
	t_upload_fini(&first);
}

/* The first one's commit comes when the second is there, and takes nothing away. */
static void who_was_ended_finds_the_other(void **state)
{
	struct t_roles *f = *state;
	struct t_upload first;
	struct t_upload second;

	uploads(&first, f, t_id(1), LARGE);
	other_put(&second, &first);
	t_send(f, t_commits(&first, SGH_TICKET_PARTS));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	t_send(f, t_commits(&second, SGH_TICKET_PARTS));
	t_answers(f, 0);
	t_send(f, t_commits(&first, SGH_TICKET_PARTS));
	t_answers(f, SANGRAHA_E_NOT_FOUND);
	t_send(f, t_aborts(&first));
	t_answers(f, 0);
	assert_true(t_is_complete(&second));
	t_upload_fini(&second);
	t_upload_fini(&first);
}

/* An old copy of a message, whose client has given up and come again. */
static void an_older_put_ends_nobody(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *begin;
	struct t_upload up;

	uploads(&up, f, t_id(1), LARGE);
	begin = t_begins(&up, SGH_TICKET_PARTS);
	begin->fresh = false;
	begin->created_ms--;
	begin->deadline = sgh_time_ms() + 900;
	t_send(f, begin);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	t_send(f, t_commits(&up, SGH_TICKET_PARTS));
	t_answers(f, 0);
	assert_true(t_is_complete(&up));
	t_upload_fini(&up);
}

/* Its beginning may be on its way to the store, and cannot be called back. */
static void what_has_just_begun_is_not_ended(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *begin;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	script_hold(f->script, "upload-begin json", 1);
	t_send(f, t_begins(&up, SGH_TICKET_PARTS));
	t_wait(script_holding(f->script));
	begin = t_begins(&up, SGH_TICKET_PARTS);
	begin->fresh = false;
	begin->created_ms++;
	begin->deadline = sgh_time_ms() + 900;
	t_send(f, begin);
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
	script_release(f->script);
	t_answers(f, 0);
	t_upload_fini(&up);
}

/* Of the same bytes it is as good as the first, and goes on with its upload. */
static void another_put_of_the_same_bytes_joins_it(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *begin;
	struct sgh_reply *reply;
	struct t_upload up;

	t_upload(&up, f, t_id(1), LARGE);
	for (int i = 0; i < 2; i++) {
		begin = t_begins(&up, SGH_TICKET_PARTS);
		begin->fresh = false;
		begin->created_ms += i;
		begin->sha256 = sgh_arena_strdup(&begin->arena, up.sha256);
		t_send(f, begin);
		reply = t_answer(f, 0);
		if (i)
			assert_string_equal(reply->ticket->record, up.record);
		snprintf(up.record, sizeof(up.record), "%s", reply->ticket->record);
		sgh_reply_free(reply);
	}
	t_upload_fini(&up);
}

/* What is sent again is the same put, however late. */
static void the_same_put_has_the_same_upload(void **state)
{
	struct t_roles *f = *state;
	struct t_upload up;
	char record[SANGRAHA_ID_SIZE];

	t_upload(&up, f, t_id(1), LARGE);
	up.fresh = false;
	t_open(&up);
	memcpy(record, up.record, sizeof(record));
	t_open(&up);
	assert_string_equal(up.record, record);
	up.created = 0;
	t_open(&up);
	assert_string_equal(up.record, record);
	t_upload_fini(&up);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_receiver_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(the_record_comes_before_the_object),
	CASE(of_unknown_length_too),
	CASE(an_upload_that_ends_soon_is_renewed),
	CASE(what_ends_before_the_store_may_have_completed_it_is_too),
	CASE(committed_twice_it_is_the_same_success),
	CASE(the_first_success_is_no_repeat),
	CASE(committed_as_another_one_it_is_a_conflict),
	CASE(after_a_sweep_it_is_not_found),
	CASE(another_record_is_not_found),
	CASE(a_missing_part_is_invalid),
	CASE(an_altered_part_is_invalid),
	CASE(a_part_of_another_size_is_invalid),
	CASE(it_ends_as_it_was_announced),
	CASE(our_own_completion_is_found),
	CASE(the_same_digest_is_a_success),
	CASE(another_digest_is_a_conflict),
	CASE(a_put_compares_with_what_came_in_parts),
	CASE(deleted_meanwhile_it_is_gone),
	CASE(other_uploads_of_the_key_are_aborted),
	CASE(the_whole_is_looked_at),
	CASE(the_first_commit_of_a_whole_is_no_repeat),
	CASE(what_did_not_arrive_is_not_found),
	CASE(what_was_deleted_meanwhile_is_gone),
	CASE(what_lies_there_instead_is_a_conflict),
	CASE(deleted_before_the_commit_it_is_gone),
	CASE(a_late_record_describes_nobody_elses_object),
	CASE(another_put_has_its_own_name),
	CASE(who_was_ended_finds_the_other),
	CASE(an_older_put_ends_nobody),
	CASE(what_has_just_begun_is_not_ended),
	CASE(another_put_of_the_same_bytes_joins_it),
	CASE(the_same_put_has_the_same_upload),
};

t_main(tests)
