/* SPDX-License-Identifier: MIT */
/* What waits for whose confirm, without a broker. */
#include "queue/amqp_publishing.h"
#include "support/queues.h"
#include "support/t.h"
#include "wire/batch.h"

#define MANY 80

struct fixture {
	struct sgh_amqp_publisher publisher;
	struct t_sent *sent[MANY];
	size_t count;
	int64_t now_us;
	bool expects; /* as the last look said */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	sgh_list_init(&f->publisher.waiting);
	sgh_amqp_ways_init(&f->publisher);
	pthread_mutex_init(&f->publisher.s.lock, NULL);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < f->count; i++)
		t_sent_free(f->sent[i]);
	pthread_mutex_destroy(&f->publisher.s.lock);
	free(f);
	return 0;
}

static void submit_message(struct fixture *f, const char *queue,
			   struct sgh_message *message)
{
	struct t_sent *sent = t_sent_new(queue, message);
	struct sgh_list submitted;

	assert_in_range(f->count, 0, MANY - 1);
	f->sent[f->count++] = sent;
	sent->publish.batch = true;
	sent->publish.size = 100;
	f->publisher.s.in_hand++;
	sgh_list_init(&submitted);
	sgh_list_append(&submitted, &sent->publish.link);
	sgh_amqp_sort(&f->publisher, &submitted);
}

static void submit(struct fixture *f, const char *queue)
{
	submit_message(f, queue, t_message("x"));
}

/* The next one that would be written; NULL: all others wait. */
static struct sgh_publish *next(struct fixture *f)
{
	struct sgh_list *link;

	f->expects = sgh_amqp_gather(&f->publisher, f->now_us);
	link = sgh_list_pop(&f->publisher.waiting);
	return link ? sgh_list_entry(link, struct sgh_publish, link) : NULL;
}

static void confirm(struct fixture *f, struct sgh_publish *publish)
{
	assert_non_null(publish);
	sgh_amqp_done(&f->publisher, publish, 0, NULL);
}

static void confirm_all(struct fixture *f)
{
	struct sgh_publish *publish;

	while ((publish = next(f)))
		confirm(f, publish);
	assert_int_equal(f->publisher.s.in_hand, 0);
	for (size_t i = 0; i < f->count; i++)
		assert_true(t_sent_done(f->sent[i]));
}

static void who_comes_meanwhile_goes_together(void **state)
{
	struct fixture *f = *state;
	struct sgh_publish *first;
	struct sgh_publish *batch;

	submit(f, "a");
	first = next(f);
	submit(f, "a");
	submit(f, "a");
	assert_null(next(f));
	confirm(f, first);
	batch = next(f);
	assert_non_null(batch);
	assert_true(sgh_batch_is(batch->message));
	assert_null(next(f));
	confirm(f, batch);
	confirm_all(f);
}

/* None of them is told that it is too late before it is. */
static void a_batch_has_as_long_as_the_last_of_them(void **state)
{
	struct fixture *f = *state;
	struct sgh_publish *first;
	struct sgh_publish *batch;
	int64_t now = sgh_now_ms();

	submit(f, "a");
	first = next(f);
	for (size_t i = 1; i < 4; i++) {
		submit(f, "a");
		f->sent[i]->publish.deadline_ms = now + 1000 - 300 * (int64_t)(i % 3);
	}
	confirm(f, first);
	batch = next(f);
	assert_non_null(batch);
	assert_int_equal(batch->deadline_ms, now + 1000);
	confirm(f, batch);
	confirm_all(f);
}

static void one_queue_does_not_wait_for_another(void **state)
{
	struct fixture *f = *state;
	struct sgh_publish *slow;

	submit(f, "slow");
	slow = next(f);
	for (int i = 0; i < 3; i++) {
		submit(f, "slow");
		submit(f, "quick");
		confirm(f, next(f));
		assert_true(t_sent_done(f->sent[f->count - 1]));
		assert_null(next(f));
	}
	confirm(f, slow);
	confirm_all(f);
}

static void of_many_queues_some_go_without_company(void **state)
{
	struct fixture *f = *state;
	struct sgh_publish *slow[SGH_AMQP_WAYS];
	static char names[SGH_AMQP_WAYS][8];

	for (size_t i = 0; i < SGH_AMQP_WAYS; i++) {
		snprintf(names[i], sizeof(names[i]), "%zu", i);
		submit(f, names[i]);
		slow[i] = next(f);
		assert_non_null(slow[i]);
	}
	for (int i = 0; i < 2; i++) {
		submit(f, "another");
		confirm(f, next(f));
	}
	for (size_t i = 0; i < SGH_AMQP_WAYS; i++)
		confirm(f, slow[i]);
	confirm_all(f);
}

/* So many of that queue have been answered together. */
static void answered(struct fixture *f, const char *queue, unsigned count)
{
	const struct sgh_amqp_expected expected = { queue, count, f->now_us };

	sgh_amqp_expect(&f->publisher, &expected);
}

/* Its way is there once something has gone by it. */
static void know(struct fixture *f, const char *queue)
{
	submit(f, queue);
	confirm(f, next(f));
}

static void members_go(struct fixture *f, size_t count)
{
	struct sgh_message *members[SGH_BATCH_MEMBERS_MAX];
	struct sgh_publish *batch = next(f);
	size_t members_count;

	assert_non_null(batch);
	t_ok(sgh_batch_members(batch->message, NULL, members, &members_count, &t_err));
	assert_int_equal(members_count, count);
	while (members_count > 0)
		sgh_message_free(members[--members_count]);
	confirm(f, batch);
}

static void who_was_answered_together_asks_together(void **state)
{
	struct fixture *f = *state;

	know(f, "a");
	answered(f, "a", 3);
	for (int i = 0; i < 2; i++) {
		submit(f, "a");
		assert_null(next(f));
		assert_true(f->expects);
	}
	submit(f, "a");
	members_go(f, 3);
	assert_false(f->expects);
	confirm_all(f);
}

static void who_does_not_come_is_waited_for_a_millisecond(void **state)
{
	struct fixture *f = *state;

	know(f, "a");
	answered(f, "a", 2);
	f->now_us = 999;
	submit(f, "a");
	assert_null(next(f));
	f->now_us = 1000;
	confirm(f, next(f));
	assert_false(f->expects);
	/* That is over: nobody is waited for any more. */
	submit(f, "a");
	confirm(f, next(f));
	confirm_all(f);
}

/* Answers of others go on coming, and nobody who got them asks again. */
static void who_waits_already_waits_no_longer_for_more(void **state)
{
	struct fixture *f = *state;

	know(f, "a");
	answered(f, "a", 2);
	submit(f, "a");
	assert_null(next(f));
	f->now_us = 999;
	answered(f, "a", 2);
	assert_null(next(f));
	f->now_us = 1000;
	confirm(f, next(f));
	confirm_all(f);
}

/* There are so many queues that one takes over the way of another. */
static void who_inherits_a_way_waits_for_nobody(void **state)
{
	static char names[SGH_AMQP_WAYS][8];
	struct fixture *f = *state;

	for (size_t i = 0; i < SGH_AMQP_WAYS; i++) {
		snprintf(names[i], sizeof(names[i]), "%zu", i);
		know(f, names[i]);
		answered(f, names[i], 2);
	}
	submit(f, "another");
	confirm(f, next(f));
	confirm_all(f);
}

/* A question between two puts, say, leaves what is expected of those as it is. */
static void another_queue_has_a_way_of_its_own(void **state)
{
	struct fixture *f = *state;

	know(f, "a");
	answered(f, "a", 2);
	submit(f, "b");
	confirm(f, next(f));
	submit(f, "a");
	assert_null(next(f));
	submit(f, "a");
	members_go(f, 2);
	confirm_all(f);
}

static void other_queues_wait_for_nobody(void **state)
{
	struct fixture *f = *state;

	know(f, "a");
	know(f, "b");
	answered(f, "a", 2);
	answered(f, "never", 2);
	submit(f, "b");
	confirm(f, next(f));
	submit(f, "never");
	confirm(f, next(f));
	assert_false(f->expects);
	confirm_all(f);
}

/* More than a batch has room for are not waited for. */
static void nobody_waits_for_more_than_a_batch(void **state)
{
	struct fixture *f = *state;

	know(f, "a");
	answered(f, "a", 10 * SGH_BATCH_MEMBERS_MAX);
	for (int i = 0; i < SGH_BATCH_MEMBERS_MAX; i++)
		submit(f, "a");
	members_go(f, SGH_BATCH_MEMBERS_MAX);
	confirm_all(f);
}

/* Nor for more bytes. */
static void nobody_waits_behind_a_full_batch(void **state)
{
	struct fixture *f = *state;
	static char large[SGH_BATCH_SMALL + 1];

	memset(large, 'x', sizeof(large) - 1);
	know(f, "a");
	answered(f, "a", 16);
	for (int i = 0; i < 3; i++) {
		submit_message(f, "a", t_message(large));
		assert_null(next(f));
	}
	submit_message(f, "a", t_message(large));
	members_go(f, 3);
	confirm_all(f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(who_comes_meanwhile_goes_together),
	CASE(a_batch_has_as_long_as_the_last_of_them),
	CASE(one_queue_does_not_wait_for_another),
	CASE(of_many_queues_some_go_without_company),
	CASE(who_was_answered_together_asks_together),
	CASE(who_does_not_come_is_waited_for_a_millisecond),
	CASE(who_waits_already_waits_no_longer_for_more),
	CASE(who_inherits_a_way_waits_for_nobody),
	CASE(another_queue_has_a_way_of_its_own),
	CASE(other_queues_wait_for_nobody),
	CASE(nobody_waits_for_more_than_a_batch),
	CASE(nobody_waits_behind_a_full_batch),
};

t_main(tests)
