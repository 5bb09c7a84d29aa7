/* SPDX-License-Identifier: MIT */
#include "conformance/queue/fixture.h"

/* How much a consumer has in hand. */

static void prefetch_bounds_what_is_in_hand(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer;

	for (int i = 0; i < 10; i++)
		t_publish(f->queue, WRITE, "x");
	consumer = t_consume(f->queue, &f->inbox, WRITE, 3, LARGE, LARGE);
	t_wait(t_inbox_count(&f->inbox) == 3);
	t_wait(t_messages(f->queue, WRITE) == 7);
	sgh_delivery_ack(t_inbox_next(&f->inbox));
	t_wait(t_inbox_count(&f->inbox) == 4);
	t_wait(t_messages(f->queue, WRITE) == 6);
	assert_int_equal(t_inbox_count(&f->inbox), 4);
	sgh_consumer_free(consumer);
}

static void bytes_bound_what_is_in_hand(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume_large(f, 8, 100000, 250000);

	t_wait(t_inbox_count(&f->inbox) == 3);
	/* All eight have left the queue, and wait in front of our door. */
	t_wait(t_messages(f->queue, WRITE) == 0);
	for (int i = 0; i < 20; i++)
		t_messages(f->queue, WRITE);
	assert_int_equal(t_inbox_count(&f->inbox), 3);
	assert_int_equal(sgh_budget_used(f->context->budget), 300000);
	for (int i = 0; i < 8; i++)
		sgh_delivery_ack(t_inbox_next(&f->inbox));
	assert_int_equal(sgh_budget_used(f->context->budget), 0);
	sgh_consumer_free(consumer);
}

static void what_is_shed_makes_room(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume_large(f, 8, 100000, 250000);
	struct sgh_delivery *held[8];

	for (int i = 0; i < 8; i++) {
		held[i] = t_inbox_next(&f->inbox);
		sgh_delivery_shed(held[i]);
		assert_null(held[i]->message);
	}
	t_wait(sgh_budget_used(f->context->budget) == 0);
	sgh_consumer_pause(consumer);
	t_wait(t_inbox_attached(&f->inbox) == 0);
	for (int i = 0; i < 7; i++)
		sgh_delivery_return(held[i]);
	sgh_delivery_ack(held[7]);
	t_wait(t_messages(f->queue, WRITE) == 7);
	sgh_consumer_free(consumer);
}

static void one_message_always_fits(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume_large(f, 3, 100000, 1);

	for (int i = 0; i < 3; i++) {
		struct sgh_delivery *delivery = t_inbox_next(&f->inbox);

		assert_int_equal(delivery->message->body->length, 100000);
		assert_int_equal(t_inbox_count(&f->inbox), i + 1);
		sgh_delivery_ack(delivery);
	}
	sgh_consumer_free(consumer);
}

static void what_is_too_large_is_skipped(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer =
		t_consume(f->queue, &f->inbox, WRITE, MANY, LARGE, 1000);
	struct t_sent *sent = t_sent_new(WRITE, t_message_of(400000));
	struct sgh_delivery *delivery;

	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_ok(t_sent_wait(sent));
	t_publish(f->queue, WRITE, "small");
	delivery = t_inbox_next(&f->inbox);
	assert_true(delivery->oversize);
	assert_null(delivery->message->body);
	assert_int_equal(delivery->announced, 400000);
	assert_string_equal(delivery->message->message_id, sent->message->message_id);
	sgh_delivery_reject(delivery);
	delivery = t_inbox_next(&f->inbox);
	assert_true(t_body_is(delivery, "small"));
	sgh_delivery_ack(delivery);
	t_wait(t_messages(f->queue, DEAD) == 1);
	t_sent_free(sent);
	sgh_consumer_free(consumer);
}

/* The broker must not take us for dead while we do not read. */
static void heartbeats_go_on_while_nothing_is_read(void **state)
{
	struct fixture *f = queue_begin(state);
	struct t_proxy *proxy = queue_through_proxy(f, 1);
	struct sgh_consumer *consumer = queue_consume_large(f, 3, 100000, 1);
	struct sgh_delivery *delivery = t_inbox_next(&f->inbox);
	int64_t until = sgh_now_ms() + 4000;

	t_wait(sgh_now_ms() > until);
	assert_int_equal(t_inbox_changes(&f->inbox), 1);
	sgh_delivery_ack(delivery);
	for (int i = 0; i < 2; i++) {
		delivery = t_inbox_next(&f->inbox);
		assert_false(delivery->redelivered);
		sgh_delivery_ack(delivery);
	}
	sgh_consumer_free(consumer);
	t_proxy_free(proxy);
}

static void thousands_in_flight(void **state)
{
	enum { COUNT = 5000 };
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer;
	struct t_sent **sent = calloc(COUNT, sizeof(*sent));

	assert_non_null(sent);
	f->inbox.acks = true;
	for (size_t i = 0; i < COUNT; i++) {
		sent[i] = t_sent_new(WRITE, t_message("small"));
		sent[i]->publish.deadline_ms += 20000;
		t_ok(sgh_queue_publish(f->queue, &sent[i]->publish, &t_err));
	}
	for (size_t i = 0; i < COUNT; i++) {
		t_ok(t_sent_wait(sent[i]));
		t_sent_free(sent[i]);
	}
	free(sent);
	consumer = t_consume(f->queue, &f->inbox, WRITE, 500, LARGE, LARGE);
	t_wait(t_inbox_count(&f->inbox) == COUNT);
	sgh_consumer_free(consumer);
	t_wait(t_messages(f->queue, WRITE) == 0);
	assert_int_equal(sgh_budget_used(f->context->budget), 0);
}

static void memory_stays_flat(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer;

	f->inbox.acks = true;
	consumer = queue_consume(f);
	for (int i = 0; i < 300; i++) {
		struct t_sent *sent = t_sent_new(WRITE, t_message_of(200000));

		t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
		t_ok(t_sent_wait(sent));
		t_sent_free(sent);
	}
	t_wait(t_inbox_count(&f->inbox) == 300);
	t_wait(sgh_budget_used(f->context->budget) == 0);
	sgh_consumer_free(consumer);
}

const struct queue_case queue_bounds_cases[] = {
	CASE(prefetch_bounds_what_is_in_hand),
	WIRE(bytes_bound_what_is_in_hand),
	CASE(what_is_shed_makes_room),
	CASE(one_message_always_fits),
	CASE(what_is_too_large_is_skipped),
	WIRE(heartbeats_go_on_while_nothing_is_read),
	CASE(thousands_in_flight),
	CASE(memory_stays_flat),
	{ NULL },
};
