/* SPDX-License-Identifier: MIT */
/* Small messages that travel together, over a live broker. */
#include <unistd.h>

#include <sangraha/queue.h>

#include "queue/amqp_consuming.h"
#include "support/broker.h"
#include "support/queues.h"
#include "support/t.h"
#include "wire/batch.h"

#define WRITE SANGRAHA_WRITE_QUEUE
#define MANY  1000

struct fixture {
	struct sangraha_context *context;
	struct sangraha_queue *queue;
	struct sgh_consumer *consumer;
	struct t_inbox inbox;
	struct t_sent *sent[MANY];
	size_t count;
	char vhost[64];
	char *url;
};

static int set_up(void **state)
{
	struct sangraha_queue_options options = {
		.size = sizeof(options),
		.queue_type = "quorum",
	};
	struct fixture *f = calloc(1, sizeof(*f));
	const char *url = getenv("SANGRAHA_TEST_AMQP_URL");

	assert_non_null(f);
	*state = f;
	t_inbox_init(&f->inbox);
	f->context = t_context();
	if (!url)
		return 0;
	snprintf(f->vhost, sizeof(f->vhost), "batch-%d", (int)getpid());
	t_vhost_make(f->vhost);
	f->url = t_broker_url(url, f->vhost);
	t_ok(sangraha_queue_open(f->context, f->url, &options, &f->queue, &t_err));
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < f->count; i++) {
		t_sent_wait(f->sent[i]);
		t_sent_free(f->sent[i]);
	}
	sgh_consumer_free(f->consumer);
	t_inbox_fini(&f->inbox);
	sangraha_queue_unref(f->queue);
	sangraha_context_unref(f->context);
	if (*f->vhost)
		t_vhost_remove(f->vhost);
	free(f->url);
	free(f);
	return 0;
}

static void consume(struct fixture *f, bool batches)
{
	t_need("SANGRAHA_TEST_AMQP_URL");
	f->consumer =
		batches ? t_consume_batches(f->queue, &f->inbox, WRITE, 64)
			: t_consume(f->queue, &f->inbox, WRITE, 64, 1 << 20, 1 << 20);
}

static void send(struct fixture *f, const char *body, int64_t within_ms)
{
	struct t_sent *sent = t_sent_new(WRITE, t_message(body));

	f->sent[f->count++] = sent;
	sent->publish.batch = true;
	sent->publish.deadline_ms = sgh_now_ms() + within_ms;
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
}

static void send_many(struct fixture *f, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char body[32];

		snprintf(body, sizeof(body), "%zu", f->count);
		send(f, body, 10000);
	}
}

static void all_are_confirmed(struct fixture *f)
{
	for (size_t i = 0; i < f->count; i++)
		t_ok(t_sent_wait(f->sent[i]));
}

/* The number in a delivery's body. */
static size_t number_of(const struct sgh_delivery *delivery)
{
	char text[32] = "";

	assert_non_null(delivery->message->body);
	assert_in_range(delivery->message->body->length, 1, sizeof(text) - 1);
	memcpy(text, delivery->message->body->data, delivery->message->body->length);
	return strtoul(text, NULL, 10);
}

static void all_arrive_once_and_mostly_together(void **state)
{
	struct fixture *f = *state;
	bool seen[MANY] = { false };
	bool goes_on = false;
	size_t together = 0;
	size_t followed = 0;

	consume(f, true);
	send_many(f, MANY);
	for (size_t i = 0; i < MANY; i++) {
		struct sgh_delivery *delivery = t_inbox_next(&f->inbox);
		size_t number = number_of(delivery);

		assert_in_range(number, 0, MANY - 1);
		assert_false(seen[number]);
		assert_string_equal(delivery->message->message_id,
				    f->sent[number]->message->message_id);
		seen[number] = true;
		together += delivery->batched;
		assert_true(delivery->batched || (!goes_on && !delivery->goes_on));
		goes_on = delivery->goes_on;
		followed += goes_on;
		sgh_delivery_ack(delivery);
	}
	all_are_confirmed(f);
	assert_false(goes_on);
	assert_in_range(followed, 1, together - 1);
	assert_true(together > MANY / 2);
	t_wait(t_messages(f->queue, WRITE) == 0);
}

static void one_alone_goes_as_it_is(void **state)
{
	struct fixture *f = *state;
	struct sgh_delivery *delivery;

	consume(f, false);
	send(f, "x", 10000);
	delivery = t_inbox_next(&f->inbox);
	assert_true(t_body_is(delivery, "x"));
	assert_string_equal(delivery->message->type, "test");
	assert_false(delivery->batched);
	sgh_delivery_ack(delivery);
}

static void who_takes_none_apart_gets_them_whole(void **state)
{
	struct fixture *f = *state;
	bool whole = false;

	consume(f, false);
	send_many(f, MANY);
	while (!whole) {
		struct sgh_delivery *delivery = t_inbox_next(&f->inbox);

		whole = sgh_batch_is(delivery->message);
		assert_false(delivery->batched);
		sgh_delivery_ack(delivery);
	}
	all_are_confirmed(f);
}

/* Until one has come that was not alone, which is the caller's. */
static struct sgh_delivery *next_batched(struct fixture *f)
{
	for (;;) {
		struct sgh_delivery *delivery = t_inbox_next(&f->inbox);

		if (delivery->batched)
			return delivery;
		sgh_delivery_ack(delivery);
	}
}

static void with_the_last_of_them_it_is_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct sgh_delivery *kept;

	consume(f, true);
	send_many(f, MANY);
	kept = next_batched(f);
	while (f->inbox.taken < MANY)
		sgh_delivery_ack(t_inbox_next(&f->inbox));
	all_are_confirmed(f);
	sgh_consumer_free(sgh_take(f->consumer));
	sgh_delivery_return(kept);
	/* The others of its batch come again with it. */
	consume(f, true);
	kept = t_inbox_next(&f->inbox);
	assert_true(kept->redelivered);
	assert_true(kept->batched);
	sgh_delivery_ack(kept);
}

/* Whether each member of the first batch that comes, but the last one, has others behind it. */
static void the_last_to_be_answered_is_known(void **state)
{
	struct fixture *f = *state;
	struct sgh_delivery *delivery;
	unsigned before = 0;

	consume(f, true);
	send_many(f, MANY);
	delivery = next_batched(f);
	while (!sgh_delivery_answered(delivery)) {
		sgh_delivery_ack(delivery);
		delivery = t_inbox_next(&f->inbox);
		assert_true(delivery->batched);
		before++;
	}
	assert_in_range(before, 1, SGH_BATCH_MEMBERS_MAX - 1);
	sgh_delivery_ack(delivery);
	all_are_confirmed(f);
}

/* Nor is who was given back, without an answer. */
static void who_has_no_answer_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	struct sgh_delivery *last;

	consume(f, true);
	send_many(f, MANY);
	last = next_batched(f);
	while (f->inbox.taken < MANY)
		sgh_delivery_return(t_inbox_next(&f->inbox));
	assert_true(sgh_delivery_answered(last));
	sgh_delivery_ack(last);
	all_are_confirmed(f);
}

/* However many a broker sends: the prefetch counts batches. */
static void members_in_hand_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct sgh_delivery *held[MANY];
	size_t count = 0;
	size_t batched = 0;

	consume(f, true);
	send_many(f, MANY);
	while (batched < SGH_AMQP_MEMBERS_MAX && count < MANY) {
		held[count] = t_inbox_next(&f->inbox);
		batched += held[count++]->batched;
	}
	all_are_confirmed(f);
	while (t_inbox_count(&f->inbox) > count) {
		held[count] = t_inbox_next(&f->inbox);
		batched += held[count++]->batched;
	}
	assert_true(batched < SGH_AMQP_MEMBERS_MAX + SGH_BATCH_MEMBERS_MAX);
	for (size_t i = 0; i < count; i++)
		sgh_delivery_ack(held[i]);
	while (count++ < MANY)
		sgh_delivery_ack(t_inbox_next(&f->inbox));
	t_wait(t_messages(f->queue, WRITE) == 0);
}

static void what_cannot_go_together_goes_all_the_same(void **state)
{
	struct fixture *f = *state;
	char large[20000];

	consume(f, true);
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	for (int i = 0; i < 20; i++) {
		send(f, i % 3 ? "1" : large, 10000);
		send(f, "1", 5000 + 2000 * (i % 4));
	}
	all_are_confirmed(f);
	for (int i = 0; i < 40; i++)
		sgh_delivery_ack(t_inbox_next(&f->inbox));
	t_wait(t_messages(f->queue, WRITE) == 0);
}

static void all_of_a_batch_that_no_queue_takes_are_returned(void **state)
{
	struct fixture *f = *state;

	t_need("SANGRAHA_TEST_AMQP_URL");
	for (int i = 0; i < 20; i++) {
		struct t_sent *sent = t_sent_new("nobody", t_message("x"));

		f->sent[f->count++] = sent;
		sent->publish.batch = true;
		t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	}
	for (size_t i = 0; i < f->count; i++)
		t_fails(SANGRAHA_E_NOT_FOUND, t_sent_wait(f->sent[i]));
}

static void closing_ends_those_that_wait(void **state)
{
	struct fixture *f = *state;

	consume(f, true);
	send_many(f, MANY);
	sgh_consumer_free(sgh_take(f->consumer));
	sangraha_queue_unref(sgh_take(f->queue));
	for (size_t i = 0; i < f->count; i++) {
		int status = t_sent_wait(f->sent[i]);

		if (status)
			assert_int_equal(status, SANGRAHA_E_UNAVAILABLE);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(all_arrive_once_and_mostly_together),
	CASE(one_alone_goes_as_it_is),
	CASE(who_takes_none_apart_gets_them_whole),
	CASE(with_the_last_of_them_it_is_acknowledged),
	CASE(the_last_to_be_answered_is_known),
	CASE(who_has_no_answer_is_not_waited_for),
	CASE(members_in_hand_are_bounded),
	CASE(what_cannot_go_together_goes_all_the_same),
	CASE(all_of_a_batch_that_no_queue_takes_are_returned),
	CASE(closing_ends_those_that_wait),
};

t_main(tests)
