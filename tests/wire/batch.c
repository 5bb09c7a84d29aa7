/* SPDX-License-Identifier: MIT */
#include "wire/batch.h"

#include "support/t.h"

struct members {
	struct sgh_message *list[SGH_BATCH_MEMBERS_MAX];
	size_t count;
};

static struct sgh_message *message(const char *id, const char *body)
{
	struct sgh_message *message = sgh_message_new();

	assert_non_null(message);
	message->type = "sangraha.put.v1";
	message->message_id = id;
	message->persistent = true;
	assert_true(sgh_message_add_text(message, "filename", "Men\xc3\xbc.json"));
	assert_true(sgh_message_add_number(message, "size", (int64_t)strlen(body)));
	if (*body)
		message->body = sgh_bytes_copy(body, strlen(body));
	return message;
}

static void add(struct sgh_buf *buf, const char *id, const char *body)
{
	struct sgh_message *member = message(id, body);

	sgh_batch_add(buf, member);
	sgh_message_free(member);
}

/* A batch of these bytes, which may be none. */
static struct sgh_message *batch_of(const void *data, size_t length)
{
	struct sgh_message *batch = sgh_message_new();

	assert_non_null(batch);
	batch->type = SGH_BATCH_TYPE;
	batch->body = sgh_bytes_copy(data, length);
	return batch;
}

static int take(const struct sgh_message *batch, struct members *members)
{
	return sgh_batch_members(batch, NULL, members->list, &members->count, &t_err);
}

static void release(struct members *members)
{
	while (members->count > 0)
		sgh_message_free(members->list[--members->count]);
}

static void members_come_out_as_they_went_in(void **state)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(SGH_BATCH_BODY_MAX);
	struct members members = { 0 };
	struct sgh_message *batch;

	add(&buf, "one", "{}");
	add(&buf, "two", "");
	batch = sgh_batch_message(&buf, true);
	assert_non_null(batch);
	assert_true(batch->persistent);
	assert_true(sgh_batch_is(batch));
	t_ok(take(batch, &members));
	assert_int_equal(members.count, 2);
	assert_string_equal(members.list[0]->type, "sangraha.put.v1");
	assert_string_equal(members.list[0]->message_id, "one");
	assert_string_equal(sgh_message_text(members.list[0], "filename"),
			    "Men\xc3\xbc.json");
	assert_int_equal(sgh_message_header(members.list[0], "size")->number, 2);
	assert_memory_equal(members.list[0]->body->data, "{}", 2);
	assert_string_equal(members.list[1]->message_id, "two");
	assert_null(members.list[1]->body);
	release(&members);
	sgh_message_free(batch);
}

static void bodies_are_accounted_for(void **state)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(SGH_BATCH_BODY_MAX);
	struct sgh_budget *budget = sgh_budget_new(1 << 20);
	struct members members = { 0 };
	struct sgh_message *batch;

	add(&buf, "one", "0123456789");
	batch = sgh_batch_message(&buf, true);
	t_ok(sgh_batch_members(batch, budget, members.list, &members.count, &t_err));
	assert_int_equal(sgh_budget_used(budget), 10);
	release(&members);
	assert_int_equal(sgh_budget_used(budget), 0);
	sgh_message_free(batch);
	sgh_budget_unref(budget);
}

static void what_is_cut_anywhere_is_no_batch(void **state)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(SGH_BATCH_BODY_MAX);
	struct members members = { 0 };
	size_t first;

	add(&buf, "one", "{}");
	first = buf.length;
	add(&buf, "two", "[1, 2]");
	for (size_t length = 0; length < buf.length; length++) {
		struct sgh_message *batch = batch_of(buf.data, length);

		if (length == first)
			t_ok(take(batch, &members));
		else
			t_fails(SANGRAHA_E_INVALID, take(batch, &members));
		assert_int_equal(members.count, length == first);
		release(&members);
		sgh_message_free(batch);
	}
}

/* Every byte is changed in turn: read or refused, and never more than there is. */
static void damage_is_survived(void **state)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(SGH_BATCH_BODY_MAX);
	struct members members = { 0 };

	add(&buf, "one", "{}");
	add(&buf, "two", "[1, 2]");
	for (size_t i = 0; i < buf.length; i++) {
		struct sgh_message *batch;

		buf.data[i] = (char)(buf.data[i] ^ 0xff);
		batch = batch_of(buf.data, buf.length);
		buf.data[i] = (char)(buf.data[i] ^ 0xff);
		if (take(batch, &members))
			assert_int_equal(members.count, 0);
		else
			assert_in_range(members.count, 1, 2);
		release(&members);
		sgh_message_free(batch);
	}
}

static struct sgh_message *only_member(const struct sgh_message *member)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(SGH_BATCH_BODY_MAX);
	struct members members = { 0 };
	struct sgh_message *batch;

	sgh_batch_add(&buf, member);
	batch = sgh_batch_message(&buf, true);
	assert_non_null(batch);
	t_ok(take(batch, &members));
	assert_int_equal(members.count, 1);
	sgh_message_free(batch);
	return members.list[0];
}

/* No message that comes alone has it, and no copy of this one could be sent with it. */
static void what_amqp_would_not_carry_is_left_out(void **state)
{
	struct sgh_message *sent = message("one", "{}");
	struct sgh_message *got;
	char text[300 + 1];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	sent->content_type = text;
	sent->reply_to = text + sizeof(text) - 1 - SGH_SHORT_MAX;
	assert_true(sgh_message_add_text(sent, text, "of a long name"));
	assert_true(sgh_message_add_text(sent, "request-id", text));
	got = only_member(sent);
	assert_true(got->cut);
	assert_null(got->content_type);
	assert_string_equal(got->reply_to, sent->reply_to);
	assert_int_equal(got->header_count, 3);
	assert_string_equal(sgh_message_text(got, "request-id"), text);
	assert_memory_equal(got->body->data, "{}", 2);
	sgh_message_free(got);
	sent->content_type = NULL;
	sent->header_count = 0;
	got = only_member(sent);
	assert_false(got->cut);
	sgh_message_free(got);
	sgh_message_free(sent);
}

static void headers_are_bounded_together(void **state)
{
	static char text[SGH_HEADER_BYTES_MAX / 4];
	struct sgh_message *sent = message("one", "{}");
	struct sgh_message *got;

	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < 5; i++)
		sent->headers[sent->header_count++] = (struct sgh_header){
			.name = "meta-a",
			.kind = SGH_HEADER_TEXT,
			.text = text,
		};
	got = only_member(sent);
	assert_true(got->cut);
	assert_int_equal(got->header_count, 2 + 3);
	sgh_message_free(got);
	sgh_message_free(sent);
}

static void too_many_members_are_refused(void **state)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(SGH_BATCH_BODY_MAX);
	struct members members = { 0 };
	struct sgh_message *batch;

	for (int i = 0; i <= SGH_BATCH_MEMBERS_MAX; i++)
		add(&buf, "one", "{}");
	batch = sgh_batch_message(&buf, false);
	t_fails(SANGRAHA_E_INVALID, take(batch, &members));
	t_says("64");
	sgh_message_free(batch);
}

static void others_are_no_batches(void **state)
{
	struct sgh_message *other = message("one", "{}");
	struct sgh_message *empty = sgh_message_new();

	empty->type = SGH_BATCH_TYPE;
	assert_false(sgh_batch_is(other));
	assert_false(sgh_batch_is(empty));
	sgh_message_free(other);
	sgh_message_free(empty);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(members_come_out_as_they_went_in),
	cmocka_unit_test(bodies_are_accounted_for),
	cmocka_unit_test(what_is_cut_anywhere_is_no_batch),
	cmocka_unit_test(damage_is_survived),
	cmocka_unit_test(what_amqp_would_not_carry_is_left_out),
	cmocka_unit_test(headers_are_bounded_together),
	cmocka_unit_test(too_many_members_are_refused),
	cmocka_unit_test(others_are_no_batches),
};

t_main(tests)
