/* SPDX-License-Identifier: MIT */
#include "wire/message.h"

#include "support/t.h"
#include "wire/protocol.h"

static int set_up(void **state)
{
	*state = sgh_message_new();
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	sgh_message_free(*state);
	return 0;
}

static void starts_empty(void **state)
{
	struct sgh_message *message = *state;

	assert_null(message->type);
	assert_null(message->body);
	assert_int_equal(message->header_count, 0);
	assert_null(sgh_message_header(message, "object-id"));
	sgh_message_free(NULL);
}

static void finds_headers_by_name(void **state)
{
	struct sgh_message *message = *state;

	assert_true(sgh_message_add_text(message, "a", "text"));
	assert_true(sgh_message_add_number(message, "b", -5));
	assert_true(sgh_message_add_bool(message, "c", true));
	assert_string_equal(sgh_message_text(message, "a"), "text");
	assert_int_equal(sgh_message_header(message, "b")->number, -5);
	assert_int_equal(sgh_message_header(message, "c")->kind, SGH_HEADER_BOOL);
	assert_null(sgh_message_text(message, "b"));
	assert_null(sgh_message_text(message, "A"));
}

static void copies_names_and_texts(void **state)
{
	struct sgh_message *message = *state;
	char name[] = "name";
	char text[] = "text";

	assert_true(sgh_message_add_text(message, name, text));
	name[0] = text[0] = 'x';
	assert_string_equal(sgh_message_text(message, "name"), "text");
}

static void absent_text_adds_nothing(void **state)
{
	struct sgh_message *message = *state;

	assert_true(sgh_message_add_text(message, "a", NULL));
	assert_int_equal(message->header_count, 0);
}

static void bounds_the_headers(void **state)
{
	struct sgh_message *message = *state;

	for (int i = 0; i < SGH_HEADERS_MAX; i++)
		assert_true(sgh_message_add_number(message, "n", i));
	assert_false(sgh_message_add_number(message, "n", 0));
	assert_false(sgh_message_add_text(message, "n", "x"));
	assert_false(sgh_message_add_bool(message, "n", true));
	assert_int_equal(message->header_count, SGH_HEADERS_MAX);
}

static void bounds_the_bytes(void **state)
{
	struct sgh_message *message = *state;
	sgh_autofree char *text = calloc(1, SGH_HEADER_BYTES_MAX + 1);

	memset(text, 'x', SGH_HEADER_BYTES_MAX);
	assert_false(sgh_message_add_text(message, "n", text));
	assert_int_equal(message->header_count, 0);
	assert_true(sgh_message_add_text(message, "n", "x"));
}

/* Of a dead letter in its queue: what was said of it stays, other than in a retry. */
static void renewing_keeps_the_last_words(void **state)
{
	struct sgh_message *message = *state, *copy = NULL;

	message->type = "sangraha.put.v1";
	message->body = t_bytes("body");
	assert_true(sgh_message_add_text(message, "object-id", "x"));
	assert_true(sgh_message_add_number(message, "attempt", 5));
	assert_true(sgh_message_add_bool(message, "fresh", true));
	assert_true(sgh_message_add_text(message, "dead-reason", "out of retries"));
	assert_true(sgh_message_add_text(message, "of-somebody", "y"));
	assert_true(sgh_message_add_text(message, "x-first-death-reason", "rejected"));
	t_ok(sgh_message_renew(message, &copy, &t_err));
	assert_string_equal(copy->type, "sangraha.put.v1");
	assert_ptr_equal(copy->body, message->body);
	assert_int_equal(copy->header_count, 5);
	assert_string_equal(sgh_message_text(copy, "object-id"), "x");
	assert_int_equal(sgh_message_header(copy, "attempt")->number, 5);
	assert_true(sgh_message_header(copy, "fresh")->number);
	assert_string_equal(sgh_message_text(copy, "dead-reason"), "out of retries");
	assert_string_equal(sgh_message_text(copy, "of-somebody"), "y");
	sgh_message_free(copy);
}

/* Strange headers give way, not what was said of it. */
static void a_renewed_one_can_be_published(void **state)
{
	struct sgh_message *message = *state, *copy = NULL;

	for (int i = 0; i < SGH_HEADERS_MAX - 1; i++)
		assert_true(sgh_message_add_text(message, "n", "x"));
	assert_true(sgh_message_add_text(message, "dead-reason", "unreadable"));
	t_ok(sgh_message_renew(message, &copy, &t_err));
	assert_true(copy->header_count < SGH_HEADERS_MAX);
	assert_string_equal(sgh_message_text(copy, "dead-reason"), "unreadable");
	sgh_message_free(copy);
}

static struct sgh_message *retried(struct sgh_message *message, unsigned attempt)
{
	struct sgh_message *copy = NULL;

	t_ok(sgh_message_retry(message, attempt, &copy, &t_err));
	return copy;
}

/* With these RabbitMQ takes the next hop for a cycle and drops the message. */
static void retry_drops_what_the_broker_added(void **state)
{
	static const char *const names[] = {
		"x-death",
		"x-first-death-exchange",
		"x-first-death-queue",
		"x-first-death-reason",
		"x-last-death-queue",
		"x-delivery-count",
		"X-Opaque",
	};
	struct sgh_message *copy;

	for (size_t i = 0; i < SGH_COUNT(names); i++)
		assert_true(sgh_message_add_text(*state, names[i], "x"));
	copy = retried(*state, 1);
	assert_int_equal(copy->header_count, 1);
	assert_string_equal(copy->headers[0].name, "attempt");
	sgh_message_free(copy);
}

static void retry_keeps_the_rest(void **state)
{
	struct sgh_message *message = *state;
	struct sgh_message *copy;

	message->type = "sangraha.put.v1";
	message->content_type = "image/png";
	message->message_id = "m";
	message->correlation_id = "c";
	message->reply_to = "r";
	message->app_id = "a";
	message->timestamp = 7;
	message->persistent = true;
	message->body = t_bytes("body");
	assert_true(sgh_message_add_text(message, "object-id", "x"));
	assert_true(sgh_message_add_number(message, "deadline", 9));
	copy = retried(message, 3);
	assert_string_equal(copy->type, "sangraha.put.v1");
	assert_string_equal(copy->content_type, "image/png");
	assert_string_equal(copy->message_id, "m");
	assert_string_equal(copy->correlation_id, "c");
	assert_string_equal(copy->reply_to, "r");
	assert_string_equal(copy->app_id, "a");
	assert_int_equal(copy->timestamp, 7);
	assert_true(copy->persistent);
	assert_ptr_equal(copy->body, message->body);
	assert_string_equal(sgh_message_text(copy, "object-id"), "x");
	assert_int_equal(sgh_message_header(copy, "deadline")->number, 9);
	sgh_message_free(copy);
}

/* A dead letter that is sent again may be of an object that is there. */
static void retry_is_not_fresh(void **state)
{
	struct sgh_message *copy;

	assert_true(sgh_message_add_bool(*state, "fresh", true));
	copy = retried(*state, 0);
	assert_null(sgh_message_header(copy, "fresh"));
	sgh_message_free(copy);
}

static void retry_makes_writes_persistent(void **state)
{
	static const char *const types[] = { "sangraha.put.v1", "sangraha.delete.v1",
					     NULL, "sangraha.get.v1" };
	struct sgh_message *message = *state;

	for (size_t i = 0; i < SGH_COUNT(types); i++) {
		struct sgh_message *copy;

		message->type = types[i];
		copy = retried(message, 1);
		assert_int_equal(copy->persistent, i < 3);
		sgh_message_free(copy);
	}
}

static void retry_counts_once(void **state)
{
	struct sgh_message *first;
	struct sgh_message *second;

	assert_true(sgh_message_add_number(*state, "attempt", 1));
	first = retried(*state, 2);
	second = retried(first, 3);
	assert_int_equal(second->header_count, 1);
	assert_int_equal(sgh_message_header(second, "attempt")->number, 3);
	sgh_message_free(first);
	sgh_message_free(second);
}

/* The copy stands alone: the original is acknowledged and freed first. */
static void retry_borrows_nothing(void **state)
{
	struct sgh_message *message = sgh_message_new();
	struct sgh_message *copy;

	message->message_id = sgh_arena_strdup(&message->arena, "id");
	message->body = t_bytes("body");
	assert_true(sgh_message_add_text(message, "cursor", "c"));
	copy = retried(message, 0);
	sgh_message_free(message);
	assert_string_equal(copy->message_id, "id");
	assert_string_equal(sgh_message_text(copy, "cursor"), "c");
	t_same_bytes(copy->body, "body");
	sgh_message_free(copy);
}

/* A copy that is too large to be published would come back for ever. */
static void retry_leaves_room(void **state)
{
	struct sgh_message *message = *state;
	struct sgh_message *copy;
	char name[16];

	for (int i = 0; i < SGH_HEADERS_MAX - 2; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_true(sgh_message_add_number(message, name, i));
	}
	assert_true(sgh_message_add_text(message, "object-id", "x"));
	assert_true(sgh_message_add_text(message, "meta-a", "y"));
	copy = retried(message, 1);
	assert_in_range(copy->header_count, 50, SGH_HEADERS_MAX - 6);
	assert_string_equal(sgh_message_text(copy, "object-id"), "x");
	assert_string_equal(sgh_message_text(copy, "meta-a"), "y");
	sgh_message_free(copy);
}

static void retry_drops_what_is_too_long(void **state)
{
	struct sgh_message *message = *state;
	sgh_autofree char *text = calloc(1, SGH_HEADER_BYTES_MAX);
	struct sgh_message *copy;

	memset(text, 'x', SGH_HEADER_BYTES_MAX - 100);
	assert_true(sgh_message_add_text(message, "long", text));
	assert_true(sgh_message_add_text(message, "short", "x"));
	copy = retried(message, 1);
	assert_null(sgh_message_text(copy, "long"));
	assert_string_equal(sgh_message_text(copy, "short"), "x");
	sgh_message_free(copy);
}

static void retry_forgets_an_earlier_death(void **state)
{
	struct sgh_message *copy;

	assert_true(sgh_message_add_text(*state, "dead-reason", "unreadable"));
	copy = retried(*state, 0);
	assert_null(sgh_message_header(copy, "dead-reason"));
	assert_int_equal(sgh_message_header(copy, "attempt")->number, 0);
	sgh_message_free(copy);
}

#define t_case(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	t_case(starts_empty),
	t_case(finds_headers_by_name),
	t_case(copies_names_and_texts),
	t_case(absent_text_adds_nothing),
	t_case(bounds_the_headers),
	t_case(bounds_the_bytes),
	t_case(renewing_keeps_the_last_words),
	t_case(a_renewed_one_can_be_published),
	t_case(retry_drops_what_the_broker_added),
	t_case(retry_keeps_the_rest),
	t_case(retry_is_not_fresh),
	t_case(retry_makes_writes_persistent),
	t_case(retry_counts_once),
	t_case(retry_borrows_nothing),
	t_case(retry_leaves_room),
	t_case(retry_drops_what_is_too_long),
	t_case(retry_forgets_an_earlier_death),
};

t_main(tests)
