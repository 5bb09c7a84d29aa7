/* SPDX-License-Identifier: MIT */
#include "conformance/queue/fixture.h"

/* How deliveries are settled, and how consumers come and go. */

/* ---- settling ---- */

static void what_is_returned_comes_again(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);
	struct sgh_delivery *delivery;

	t_publish(f->queue, WRITE, "again");
	sgh_delivery_return(t_inbox_next(&f->inbox));
	delivery = t_inbox_next(&f->inbox);
	assert_true(delivery->redelivered);
	assert_true(t_body_is(delivery, "again"));
	if (sgh_streq(f->backend->queue_type, "quorum"))
		assert_int_equal(delivery->delivery_count, 1);
	sgh_delivery_ack(delivery);
	sgh_consumer_free(consumer);
}

static void what_is_rejected_is_a_dead_letter(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);

	t_publish(f->queue, WRITE, "dead");
	sgh_delivery_reject(t_inbox_next(&f->inbox));
	t_wait(t_messages(f->queue, DEAD) == 1);
	assert_int_equal(t_messages(f->queue, WRITE), 0);
	sgh_consumer_free(consumer);
}

static void who_is_rejected_learns_why_and_when(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f), *dead;
	struct sgh_delivery *delivery;

	t_publish(f->queue, WRITE, "dead");
	delivery = t_inbox_next(&f->inbox);
	assert_null(delivery->died_of);
	assert_int_equal(delivery->died_ms, 0);
	sgh_delivery_reject(delivery);
	dead = t_consume(f->queue, &f->inbox, DEAD, MANY, LARGE, LARGE);
	delivery = t_inbox_next(&f->inbox);
	assert_string_equal(delivery->died_of, "rejected");
	if (!f->backend->memory) {
		assert_true(delivery->died_ms > sgh_time_ms() - 60000);
		assert_true(delivery->died_ms < sgh_time_ms() + 60000);
	}
	sgh_delivery_ack(delivery);
	sgh_consumer_free(dead);
	sgh_consumer_free(consumer);
}

static void settling_in_any_order(void **state)
{
	static const int order[] = { 3, 0, 1, 7, 6, 2, 9, 4, 8, 5 };
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);
	struct sgh_delivery *deliveries[10];

	for (size_t i = 0; i < 10; i++)
		t_publish(f->queue, WRITE, "x");
	for (size_t i = 0; i < 10; i++)
		deliveries[i] = t_inbox_next(&f->inbox);
	for (size_t i = 0; i < 10; i++) {
		if (order[i] % 5 == 4)
			sgh_delivery_reject(deliveries[order[i]]);
		else
			sgh_delivery_ack(deliveries[order[i]]);
	}
	t_wait(t_messages(f->queue, DEAD) == 2);
	sgh_consumer_free(consumer);
	assert_int_equal(t_messages(f->queue, WRITE), 0);
}

/* ---- consumers ---- */

static void a_pause_stops_deliveries(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);
	struct sgh_delivery *held;

	t_publish(f->queue, WRITE, "1");
	held = t_inbox_next(&f->inbox);
	sgh_consumer_pause(consumer);
	t_wait(!sgh_consumer_attached(consumer));
	t_publish(f->queue, WRITE, "2");
	assert_int_equal(t_messages(f->queue, WRITE), 1);
	sgh_delivery_ack(held);
	sgh_consumer_resume(consumer);
	held = t_inbox_next(&f->inbox);
	assert_true(t_body_is(held, "2"));
	sgh_delivery_ack(held);
	sgh_consumer_free(consumer);
}

static void what_is_in_hand_outlives_the_consumer(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);
	struct sgh_delivery *delivery;

	t_publish(f->queue, WRITE, "1");
	delivery = t_inbox_next(&f->inbox);
	sgh_consumer_free(consumer);
	t_publish(f->queue, WRITE, "2");
	sgh_delivery_reject(delivery);
	t_wait(t_messages(f->queue, DEAD) == 1);
	assert_int_equal(t_messages(f->queue, WRITE), 1);
	assert_int_equal(t_inbox_count(&f->inbox), 1);
}

static void what_is_in_hand_outlives_the_queue(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sangraha_queue *queue = queue_open(f, f->url);
	struct sgh_consumer *consumer =
		t_consume(queue, &f->inbox, WRITE, MANY, LARGE, LARGE);
	struct sgh_delivery *delivery;

	t_publish(f->queue, WRITE, "1");
	delivery = t_inbox_next(&f->inbox);
	sgh_consumer_free(consumer);
	sangraha_queue_unref(queue);
	t_wait(t_messages(f->queue, WRITE) == 1);
	sgh_delivery_ack(delivery);
	assert_int_equal(t_messages(f->queue, WRITE), 1);
}

static void several_consumers_share_a_connection(void **state)
{
	struct fixture *f = queue_begin(state);
	struct t_inbox other;
	struct sgh_consumer *first = queue_consume(f), *second;

	t_inbox_init(&other);
	second = t_consume(f->queue, &other, NULL, MANY, LARGE, LARGE);
	t_publish(f->queue, sgh_consumer_queue(second), "reply");
	t_publish(f->queue, WRITE, "request");
	assert_true(t_body_is(t_inbox_next(&other), "reply"));
	assert_true(t_body_is(t_inbox_next(&f->inbox), "request"));
	f->inbox.taken = other.taken = 0; /* both are returned */
	sgh_consumer_free(first);
	sgh_consumer_free(second);
	t_inbox_fini(&other);
}

static void consumers_come_and_go(void **state)
{
	struct fixture *f = queue_begin(state);

	for (int i = 0; i < 100; i++) {
		struct sgh_consumer *consumer = queue_consume(f);

		t_publish(f->queue, WRITE, "x");
		sgh_delivery_ack(t_inbox_next(&f->inbox));
		sgh_consumer_free(consumer);
		f->inbox.attached = -1;
	}
	t_wait(t_messages(f->queue, WRITE) == 0);
}

const struct queue_case queue_consume_cases[] = {
	CASE(what_is_returned_comes_again),
	CASE(what_is_rejected_is_a_dead_letter),
	CASE(who_is_rejected_learns_why_and_when),
	CASE(settling_in_any_order),
	CASE(a_pause_stops_deliveries),
	CASE(what_is_in_hand_outlives_the_consumer),
	CASE(what_is_in_hand_outlives_the_queue),
	CASE(several_consumers_share_a_connection),
	CASE(consumers_come_and_go),
	{ NULL },
};
