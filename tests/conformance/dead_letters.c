/* SPDX-License-Identifier: MIT */
#include <sangraha/admin.h>

#include "base/context.h"
#include "conformance/queue/fixture.h"
#include "support/roles.h"

/* Visits to dead letters, over each back end of the queue. */

#define LOOKS 12 /* more than a letter is given back before it is renewed */

static struct sangraha_dead_letter_counts counts; /* of the last visit */

/* ---- letters ---- */

static void publish(struct fixture *f, const char *queue, struct sgh_message *message)
{
	struct t_sent *sent = t_sent_new(queue, message);

	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_ok(t_sent_wait(sent));
	t_sent_free(sent);
}

/* A request as it lies among the dead; takes the request. */
static struct sgh_message *letter_of(struct sgh_request *request)
{
	struct sgh_message *message = NULL, *copy = NULL;

	request->deadline = sgh_time_ms() - 1000;
	request->persistent = true;
	t_ok(sgh_request_message(request, &message, &t_err));
	t_ok(sgh_message_retry(message, 5, &copy, &t_err));
	assert_true(sgh_message_add_text(copy, "dead-reason", "out of retries"));
	assert_true(sgh_message_add_number(copy, "dead-attempts", 6));
	assert_true(sgh_message_add_text(copy, "dead-error", "the store is away"));
	assert_true(sgh_message_add_text(copy, "dead-time", "2026-01-02T03:04:05.678Z"));
	sgh_message_free(message);
	sgh_request_free(request);
	return copy;
}

static void bury(struct fixture *f, struct sgh_request *request)
{
	publish(f, T_DEAD, letter_of(request));
}

static struct sgh_request *put_of(unsigned n)
{
	struct sgh_request *put = t_put(t_id(n), "{\"a\":1}");

	put->object_type = "json";
	put->filename = "a.json";
	return put;
}

static void bury_puts(struct fixture *f, unsigned count)
{
	for (unsigned i = 1; i <= count; i++)
		bury(f, put_of(i));
}

static uint64_t letters(struct fixture *f)
{
	return t_messages(f->queue, T_DEAD);
}

/* The request that was put on the write queue again; yours. */
static struct sgh_request *replayed(struct fixture *f)
{
	struct sgh_consumer *consumer =
		t_consume(f->queue, &f->inbox, T_WRITE, 1, LARGE, LARGE);
	struct sgh_delivery *delivery = t_inbox_next(&f->inbox);
	struct sgh_request *request = NULL;

	for (size_t i = 0; i < delivery->message->header_count; i++) {
		const char *name = delivery->message->headers[i].name;

		assert_true(strncmp(name, "dead-", 5) != 0);
		assert_true(strcmp(name, "x-death") != 0);
		assert_true(strncmp(name, "x-first-death", 13) != 0);
	}
	t_ok(sgh_request_parse(delivery->message, NULL, &request, NULL, &t_err));
	sgh_delivery_ack(delivery);
	sgh_consumer_free(consumer);
	return request;
}

/* ---- visitors ---- */

static int visit_with(struct fixture *f, unsigned max,
		      int (*see)(void *arg, const struct sangraha_dead_letter *letter),
		      void *arg)
{
	struct sangraha_dead_letter_options options = { .size = sizeof(options),
							.max = max };

	counts = (struct sangraha_dead_letter_counts){ .size = sizeof(counts) };
	return sangraha_admin_visit_dead_letters(f->queue, T_WRITE, &options, see, arg,
						 &counts, &t_err);
}

/* The same fate for all. */
static int see_any(void *arg, const struct sangraha_dead_letter *letter)
{
	const int *fate = arg;

	return *fate;
}

static void visit_all(struct fixture *f, int fate)
{
	t_ok(visit_with(f, 0, see_any, &fate));
}

/* Ids in the order in which they are seen. */
struct seen {
	char ids[16][SANGRAHA_ID_SIZE];
	size_t count;
};

static int note_id(void *arg, const struct sangraha_dead_letter *letter)
{
	struct seen *seen = arg;

	assert_true(seen->count < SGH_COUNT(seen->ids));
	memcpy(seen->ids[seen->count++], letter->id, SANGRAHA_ID_SIZE);
	return SANGRAHA_DEAD_LETTER_KEEP;
}

static bool has_seen(const struct seen *seen, const char *id)
{
	for (size_t i = 0; i < seen->count; i++)
		if (sgh_streq(seen->ids[i], id))
			return true;
	return false;
}

/* ---- looking ---- */

static int see_put(void *arg, const struct sangraha_dead_letter *letter)
{
	assert_string_equal(letter->queue, T_WRITE);
	assert_string_equal(letter->id, t_id(1));
	assert_string_equal(letter->operation, "put");
	assert_string_equal(letter->operation_id, t_id(1));
	assert_string_equal(letter->object_type, "json");
	assert_string_equal(letter->object_id, t_id(1));
	assert_string_equal(letter->filename, "a.json");
	assert_string_equal(letter->reason, "out of retries");
	assert_string_equal(letter->error, "the store is away");
	assert_null(letter->obstacle);
	assert_int_equal(letter->attempts, 6);
	assert_int_equal(letter->died_ms, 1767323045678);
	assert_true(letter->published_ms > 0);
	assert_int_equal(letter->length, 7);
	assert_memory_equal(letter->data, "{\"a\":1}", 7);
	return SANGRAHA_DEAD_LETTER_KEEP;
}

static void a_letter_is_shown_whole(void **state)
{
	struct fixture *f = queue_begin(state);

	for (int json = 0; json <= 1; json++) {
		struct sgh_request *put = put_of(1);

		put->json = json;
		bury(f, put);
	}
	t_ok(visit_with(f, 0, see_put, NULL));
	assert_int_equal(counts.seen, 2);
	assert_int_equal(counts.kept, 2);
	assert_int_equal(counts.left, 0);
	assert_int_equal(letters(f), 2);
}

static void nothing_to_see_is_no_failure(void **state)
{
	struct fixture *f = queue_begin(state);

	visit_all(f, SANGRAHA_DEAD_LETTER_DROP);
	assert_int_equal(counts.seen, 0);
}

static void what_is_kept_stays_in_order(void **state)
{
	struct fixture *f = queue_begin(state);
	struct seen seen = { .count = 0 }, again = { .count = 0 };

	bury_puts(f, 5);
	t_ok(visit_with(f, 0, note_id, &seen));
	t_ok(visit_with(f, 0, note_id, &again));
	assert_int_equal(seen.count, 5);
	assert_int_equal(again.count, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_string_equal(seen.ids[i], t_id(i + 1));
		assert_string_equal(again.ids[i], t_id(i + 1));
	}
}

static void a_visit_has_an_end(void **state)
{
	struct fixture *f = queue_begin(state);
	struct seen seen = { .count = 0 };
	int fate = SANGRAHA_DEAD_LETTER_DROP | SANGRAHA_DEAD_LETTER_STOP;

	bury_puts(f, 5);
	t_ok(visit_with(f, 3, note_id, &seen));
	assert_int_equal(counts.seen, 3);
	assert_int_equal(counts.left, 2);
	t_ok(visit_with(f, 0, see_any, &fate));
	assert_int_equal(counts.seen, 1);
	assert_int_equal(counts.dropped, 1);
	assert_int_equal(counts.left, 4);
	assert_int_equal(letters(f), 4);
}

/* More than a quarter of the memory: they come although those before are still in hand. */
static void bodies_are_not_held(void **state)
{
	struct fixture *f = queue_begin_within(state, 1 << 20);
	int fate = SANGRAHA_DEAD_LETTER_KEEP;

	for (int i = 0; i < 8; i++)
		publish(f, T_DEAD, t_message_of(200000));
	t_ok(visit_with(f, 0, see_any, &fate));
	assert_int_equal(counts.kept, 8);
	assert_int_equal(letters(f), 8);
	assert_int_equal(sgh_budget_used(f->context->budget), 0);
}

/* And those that nobody asks for do not stand in the way. */
static void more_may_come_than_is_looked_at(void **state)
{
	struct fixture *f = queue_begin_within(state, 1 << 20);
	int fate = SANGRAHA_DEAD_LETTER_DROP;

	for (int i = 0; i < 8; i++)
		publish(f, T_DEAD, t_message_of(200000));
	t_ok(visit_with(f, 4, see_any, &fate));
	assert_int_equal(counts.dropped, 4);
	assert_int_equal(letters(f), 4);
}

static void looking_wears_nothing_out(void **state)
{
	struct fixture *f = queue_begin(state);
	struct seen first = { .count = 0 };

	bury_puts(f, 2);
	publish(f, T_DEAD, t_message("raw"));
	t_ok(visit_with(f, 0, note_id, &first));
	for (int i = 0; i < LOOKS; i++) {
		struct seen seen = { .count = 0 };

		t_ok(visit_with(f, 0, note_id, &seen));
		assert_int_equal(seen.count, 3);
		assert_int_equal(counts.kept, 3);
		for (int j = 0; j < 3; j++)
			assert_true(has_seen(&first, seen.ids[j]));
		assert_int_equal(letters(f), 3);
	}
}

/* ---- what the broker dead-lettered ---- */

static int see_rejected(void *arg, const struct sangraha_dead_letter *letter)
{
	const struct fixture *f = arg;

	assert_string_equal(letter->reason, "rejected");
	assert_null(letter->error);
	if (!f->backend->memory) {
		assert_true(letter->died_ms > sgh_time_ms() - 60000);
		assert_true(letter->died_ms < sgh_time_ms() + 60000);
	}
	return SANGRAHA_DEAD_LETTER_REPLAY;
}

static void what_the_broker_rejected_is_replayed(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer =
		t_consume(f->queue, &f->inbox, T_WRITE, 1, LARGE, LARGE);
	struct sgh_request *put = put_of(1);
	struct sgh_message *message = NULL;

	put->persistent = true;
	t_ok(sgh_request_message(put, &message, &t_err));
	sgh_request_free(put);
	publish(f, T_WRITE, message);
	sgh_delivery_reject(t_inbox_next(&f->inbox));
	sgh_consumer_free(consumer);
	t_wait(letters(f) == 1);
	t_ok(visit_with(f, 0, see_rejected, f));
	assert_int_equal(counts.replayed, 1);
	put = replayed(f);
	assert_string_equal(put->object_id, t_id(1));
	sgh_request_free(put);
	assert_int_equal(letters(f), 0);
}

/* ---- replaying, dropping ---- */

static void what_is_replayed_is_asked_for_now(void **state)
{
	struct fixture *f = queue_begin(state);

	for (int json = 0; json <= 1; json++) {
		struct sgh_request *put = put_of(1);

		put->json = json;
		put->resend = 2;
		put->request_id = "asked-by-7";
		put->created_ms = 1234567890123;
		bury(f, put);
		visit_all(f, SANGRAHA_DEAD_LETTER_REPLAY);
		assert_int_equal(counts.replayed, 1);
		assert_int_equal(letters(f), 0);
		put = replayed(f);
		assert_int_equal(put->verb, SGH_PUT);
		assert_int_equal(put->json, json);
		assert_string_equal(put->object_id, t_id(1));
		assert_string_equal(put->filename, "a.json");
		assert_string_equal(put->request_id, "asked-by-7");
		assert_int_equal(put->created_ms, 1234567890123);
		assert_memory_equal(put->body->data, "{\"a\":1}", 7);
		assert_null(put->reply_to);
		assert_int_equal(put->attempt, 0);
		assert_int_equal(put->resend, 0);
		assert_false(put->fresh);
		assert_true(put->persistent);
		assert_true(put->published > sgh_time_ms() - 60000);
		assert_int_equal(put->deadline - put->published, 86400000);
		sgh_request_free(put);
	}
}

static int see_obstacle(void *arg, const struct sangraha_dead_letter *letter)
{
	assert_non_null(letter->obstacle);
	return SANGRAHA_DEAD_LETTER_REPLAY;
}

static void what_makes_no_sense_is_not_replayed(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_request *begins = t_request(SGH_PUT_BEGIN, "json", t_id(1));

	begins->transfer = SGH_TICKET_PARTS;
	begins->body = t_bytes("{}");
	begins->size = 2;
	bury(f, begins);
	bury(f, t_request(SGH_GET, "json", t_id(2)));
	publish(f, T_DEAD, t_message("no request"));
	t_ok(visit_with(f, 0, see_obstacle, NULL));
	assert_int_equal(counts.refused, 3);
	assert_int_equal(counts.kept, 3);
	assert_int_equal(letters(f), 3);
	assert_int_equal(t_messages(f->queue, T_WRITE), 0);
}

static int see_raw(void *arg, const struct sangraha_dead_letter *letter)
{
	assert_int_equal(strncmp(letter->id, "raw-", 4), 0);
	assert_int_equal(strlen(letter->id), SANGRAHA_ID_SIZE - 1);
	assert_null(letter->operation);
	assert_memory_equal(letter->data, "no request", 10);
	assert_int_equal(letter->length, 10);
	return SANGRAHA_DEAD_LETTER_DROP;
}

static void what_cannot_be_read_is_shown_and_dropped(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_message *message = t_message("no request");

	message->message_id = "not an id";
	publish(f, T_DEAD, message);
	t_ok(visit_with(f, 0, see_raw, NULL));
	assert_int_equal(counts.dropped, 1);
	assert_int_equal(letters(f), 0);
}

static int see_only(void *arg, const struct sangraha_dead_letter *letter)
{
	return sgh_streq(letter->id, arg) ? SANGRAHA_DEAD_LETTER_DROP
					  : SANGRAHA_DEAD_LETTER_KEEP;
}

static void one_of_many_is_dropped(void **state)
{
	struct fixture *f = queue_begin(state);
	struct seen seen = { .count = 0 };

	bury_puts(f, 3);
	t_ok(visit_with(f, 0, see_only, (void *)t_id(2)));
	assert_int_equal(counts.kept, 2);
	t_ok(visit_with(f, 0, note_id, &seen));
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.ids[0], t_id(1));
	assert_string_equal(seen.ids[1], t_id(3));
}

/* The replay fails again while the visit goes on: it does not meet it twice. */
static int see_and_bury(void *arg, const struct sangraha_dead_letter *letter)
{
	struct fixture *f = arg;

	bury(f, t_put(letter->id, "{}"));
	return SANGRAHA_DEAD_LETTER_DROP;
}

static void a_visit_does_not_turn_in_a_circle(void **state)
{
	struct fixture *f = queue_begin(state);

	bury_puts(f, 3);
	t_ok(visit_with(f, 0, see_and_bury, f));
	assert_int_equal(counts.dropped, 3);
	assert_int_equal(letters(f), 3);
}

/* ---- what may go wrong ---- */

/* What is confirmed is gone, what was not is there. */
static void a_replay_that_fails_keeps_the_letter(void **state)
{
	struct fixture *f = queue_begin(state);
	int fate = SANGRAHA_DEAD_LETTER_REPLAY;

	bury_puts(f, 3);
	script_fail(f->script, "publish " T_WRITE, 2, SANGRAHA_E_OVERLOADED);
	t_fails(SANGRAHA_E_OVERLOADED, visit_with(f, 0, see_any, &fate));
	assert_int_equal(counts.replayed, 1);
	assert_int_equal(counts.kept, 1);
	assert_int_equal(counts.left, 1);
	t_wait(letters(f) == 2);
	assert_int_equal(t_messages(f->queue, T_WRITE), 1);
}

/* The confirm was lost: the letter and its copy are both there. */
static void a_replay_in_doubt_keeps_the_letter(void **state)
{
	struct fixture *f = queue_begin(state);
	int fate = SANGRAHA_DEAD_LETTER_REPLAY;

	bury_puts(f, 1);
	script_lose(f->script, "publish " T_WRITE, 1, SANGRAHA_E_UNAVAILABLE);
	t_fails(SANGRAHA_E_UNAVAILABLE, visit_with(f, 0, see_any, &fate));
	t_wait(letters(f) == 1);
	assert_int_equal(t_messages(f->queue, T_WRITE), 1);
}

static int see_and_cut(void *arg, const struct sangraha_dead_letter *letter)
{
	struct fixture *f = arg;

	memory_queue_disconnect(f->queue);
	return SANGRAHA_DEAD_LETTER_KEEP;
}

static void a_lost_connection_ends_the_visit(void **state)
{
	struct fixture *f = queue_begin(state);

	bury_puts(f, 3);
	t_fails(SANGRAHA_E_UNAVAILABLE, visit_with(f, 0, see_and_cut, f));
	memory_queue_connect(f->queue);
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	t_wait(letters(f) == 3);
}

static int see_large(void *arg, const struct sangraha_dead_letter *letter)
{
	assert_null(letter->data);
	assert_int_equal(letter->length, 17 << 20);
	assert_non_null(letter->obstacle);
	return SANGRAHA_DEAD_LETTER_REPLAY;
}

static void what_is_too_large_is_named_and_kept(void **state)
{
	struct fixture *f = queue_begin_within(state, 1 << 20);
	int fate = SANGRAHA_DEAD_LETTER_DROP;

	publish(f, T_DEAD, t_message_of(17 << 20));
	t_ok(visit_with(f, 0, see_large, NULL));
	assert_int_equal(counts.refused, 1);
	assert_int_equal(letters(f), 1);
	t_ok(visit_with(f, 0, see_any, &fate));
	assert_int_equal(letters(f), 0);
}

/* A replay of what had lost headers on its way would be another request. */
static void what_was_cut_stays_cut(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_message *message = letter_of(put_of(1));

	message->cut = true;
	memory_broker_put(f->broker, T_DEAD, message);
	for (int i = 0; i <= LOOKS; i++) {
		t_ok(visit_with(f, 0, see_obstacle, NULL));
		assert_int_equal(counts.refused, 1);
	}
}

static void only_request_queues_have_letters(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sangraha_dead_letter_options options = { .size = sizeof(options),
							.max = 10001 };
	int fate = 0;

	t_fails(SANGRAHA_E_INVALID,
		sangraha_admin_visit_dead_letters(f->queue, SANGRAHA_RESPONSE_QUEUE, NULL,
						  see_any, &fate, NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_admin_visit_dead_letters(NULL, T_WRITE, NULL, see_any, &fate,
						  NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_admin_visit_dead_letters(f->queue, T_WRITE, NULL, NULL, NULL,
						  NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_admin_visit_dead_letters(f->queue, T_WRITE, &options, see_any,
						  &fate, NULL, &t_err));
}

static const struct queue_case cases[] = {
	CASE(a_letter_is_shown_whole),
	CASE(nothing_to_see_is_no_failure),
	CASE(what_is_kept_stays_in_order),
	CASE(a_visit_has_an_end),
	CASE(bodies_are_not_held),
	CASE(more_may_come_than_is_looked_at),
	CASE(looking_wears_nothing_out),
	CASE(what_the_broker_rejected_is_replayed),
	CASE(what_is_replayed_is_asked_for_now),
	CASE(what_makes_no_sense_is_not_replayed),
	CASE(what_cannot_be_read_is_shown_and_dropped),
	CASE(one_of_many_is_dropped),
	CASE(a_visit_does_not_turn_in_a_circle),
	MEMORY(a_replay_that_fails_keeps_the_letter),
	MEMORY(a_replay_in_doubt_keeps_the_letter),
	MEMORY(a_lost_connection_ends_the_visit),
	MEMORY(what_was_cut_stays_cut),
	CASE(what_is_too_large_is_named_and_kept),
	CASE(only_request_queues_have_letters),
	{ NULL },
};

int main(void)
{
	static const struct queue_case *const stories[] = { cases };

	return queue_run(__FILE__, stories, SGH_COUNT(stories));
}
