/* SPDX-License-Identifier: MIT */
#include "conformance/queue/fixture.h"

/* What becomes of messages that are published, and of events. */

/* ---- messages ---- */

static void what_is_published_arrives(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);
	struct sgh_delivery *delivery;

	t_publish(f->queue, WRITE, "hello");
	delivery = t_inbox_next(&f->inbox);
	assert_true(t_body_is(delivery, "hello"));
	assert_false(delivery->redelivered);
	assert_false(delivery->oversize);
	assert_int_equal(delivery->announced, 5);
	sgh_delivery_ack(delivery);
	sgh_consumer_free(consumer);
	assert_int_equal(t_messages(f->queue, WRITE), 0);
}

/* The last of them, or the word that there is none, takes all with it. */
static void what_is_held_goes_with_the_last(void **state)
{
	static const char *const bodies[] = { "1", "2", "3", "4" };
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);
	struct t_sent *sent[SGH_COUNT(bodies)];

	for (size_t i = 0; i < SGH_COUNT(bodies); i++) {
		sent[i] = t_sent_new(WRITE, t_message(bodies[i]));
		sent[i]->publish.held = i != 1;
		t_ok(sgh_queue_publish(f->queue, &sent[i]->publish, &t_err));
		if (i % 2)
			sgh_queue_go_on(f->queue);
	}
	for (size_t i = 0; i < SGH_COUNT(bodies); i++) {
		struct sgh_delivery *delivery = t_inbox_next(&f->inbox);

		assert_true(t_body_is(delivery, bodies[i]));
		sgh_delivery_ack(delivery);
		t_ok(t_sent_wait(sent[i]));
		t_sent_free(sent[i]);
	}
	sgh_consumer_free(consumer);
}

/* Nothing is published behind it, and nobody says so. */
static void what_is_held_for_a_while_goes_by_itself(void **state)
{
	struct fixture *f = queue_begin(state);
	struct t_sent *sent = t_sent_new(WRITE, t_message("x"));

	sent->publish.held = true;
	sent->publish.held_ms = 1;
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_ok(t_sent_wait(sent));
	t_sent_free(sent);
}

static void properties_and_headers_survive(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);
	struct sgh_message *sent = t_message("");
	struct sgh_delivery *delivery;
	struct sgh_message *got;
	struct t_sent *publish;

	sent->content_type = "application/json";
	sent->correlation_id = "c-1";
	sent->reply_to = "somewhere";
	sent->app_id = "test";
	sent->timestamp = 1700000000;
	assert_true(sgh_message_add_text(sent, "filename", "Men\xc3\xbc.pdf"));
	assert_true(sgh_message_add_text(sent, "empty", ""));
	assert_true(sgh_message_add_number(sent, "size", INT64_MIN));
	assert_true(sgh_message_add_bool(sent, "fresh", true));
	publish = t_sent_new(WRITE, sent);
	t_ok(sgh_queue_publish(f->queue, &publish->publish, &t_err));
	t_ok(t_sent_wait(publish));
	delivery = t_inbox_next(&f->inbox);
	got = delivery->message;
	assert_null(got->body);
	assert_string_equal(got->type, "test");
	assert_string_equal(got->content_type, "application/json");
	assert_string_equal(got->message_id, sent->message_id);
	assert_string_equal(got->correlation_id, "c-1");
	assert_string_equal(got->reply_to, "somewhere");
	assert_string_equal(got->app_id, "test");
	assert_int_equal(got->timestamp, 1700000000);
	assert_true(got->persistent);
	assert_string_equal(sgh_message_text(got, "filename"), "Men\xc3\xbc.pdf");
	assert_string_equal(sgh_message_text(got, "empty"), "");
	assert_int_equal(sgh_message_header(got, "size")->number, INT64_MIN);
	assert_int_equal(sgh_message_header(got, "fresh")->kind, SGH_HEADER_BOOL);
	assert_int_equal(sgh_message_header(got, "fresh")->number, 1);
	sgh_delivery_ack(delivery);
	t_sent_free(publish);
	sgh_consumer_free(consumer);
}

static void a_body_of_many_frames_arrives_whole(void **state)
{
	static const size_t sizes[] = { 131064, 131063, 131065, 3 << 20, 5 << 20 };
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);

	for (size_t i = 0; i < SGH_COUNT(sizes); i++) {
		struct t_sent *sent = t_sent_new(WRITE, t_message_of(sizes[i]));
		struct sgh_delivery *delivery;

		t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
		delivery = t_inbox_next(&f->inbox);
		assert_int_equal(delivery->message->body->length, sizes[i]);
		assert_memory_equal(delivery->message->body->data,
				    sent->message->body->data, sizes[i]);
		sgh_delivery_ack(delivery);
		t_ok(t_sent_wait(sent));
		t_sent_free(sent);
	}
	sgh_consumer_free(consumer);
}

static void a_message_without_a_queue_is_not_found(void **state)
{
	struct fixture *f = queue_begin(state);

	t_fails(SANGRAHA_E_NOT_FOUND,
		t_publish_status(f->queue, "", "nobody", "x", 5000));
	t_says("nobody");
	t_publish(f->queue, WRITE, "x");
}

static void only_what_was_returned_fails(void **state)
{
	struct fixture *f = queue_begin(state);
	struct t_sent *sent[200];

	for (size_t i = 0; i < SGH_COUNT(sent); i++) {
		sent[i] = t_sent_new(i % 3 ? WRITE : "nobody", t_message("same"));
		/* Ids repeat when operations do. */
		sent[i]->message->message_id = i % 5 ? "one" : "other";
		t_ok(sgh_queue_publish(f->queue, &sent[i]->publish, &t_err));
	}
	for (size_t i = 0; i < SGH_COUNT(sent); i++) {
		assert_int_equal(t_sent_wait(sent[i]), i % 3 ? 0 : SANGRAHA_E_NOT_FOUND);
		t_sent_free(sent[i]);
	}
}

static void an_unknown_exchange_is_invalid(void **state)
{
	struct fixture *f = queue_begin(state);

	t_fails(SANGRAHA_E_INVALID,
		t_publish_status(f->queue, "nowhere", "x", "x", 5000));
	t_says("nowhere");
	t_publish(f->queue, WRITE, "x");
}

static void what_needs_no_confirm_is_done_when_sent(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);
	struct t_sent *sent = t_sent_new(WRITE, t_message("x"));

	sent->publish.confirm = false;
	sent->publish.mandatory = false;
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_ok(t_sent_wait(sent));
	sgh_delivery_ack(t_inbox_next(&f->inbox));
	t_sent_free(sent);
	sgh_consumer_free(consumer);
}

static void a_property_that_is_too_long_is_invalid(void **state)
{
	struct fixture *f = queue_begin(state);
	struct t_sent *sent = t_sent_new(WRITE, t_message("x"));
	char text[300];

	memset(text, 'a', sizeof(text));
	text[256] = '\0';
	sent->message->correlation_id = text;
	t_fails(SANGRAHA_E_INVALID, sgh_queue_publish(f->queue, &sent->publish, &t_err));
	text[255] = '\0';
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_ok(t_sent_wait(sent));
	t_sent_free(sent);
}

static void a_probe_counts(void **state)
{
	struct fixture *f = queue_begin(state);

	assert_int_equal(t_messages(f->queue, WRITE), 0);
	t_publish(f->queue, WRITE, "x");
	t_wait(t_messages(f->queue, WRITE) == 1);
	assert_int_equal(t_messages(f->queue, "nobody"), UINT64_MAX);
	t_says("NOT_FOUND");
	assert_int_equal(t_messages(f->queue, WRITE), 1);
}

/* ---- events ---- */

static void an_event_without_a_listener_is_fine(void **state)
{
	struct fixture *f = queue_begin(state);
	struct t_sent *sent = t_sent_new("sangraha.object.created", t_message("{}"));

	sent->publish.exchange = SANGRAHA_EVENT_EXCHANGE;
	sent->publish.mandatory = false;
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_ok(t_sent_wait(sent));
	t_sent_free(sent);
}

static void publish_event(struct fixture *f, const char *key, const char *body,
			  bool mandatory)
{
	struct t_sent *sent = t_sent_new(key, t_message(body));

	sent->publish.exchange = SANGRAHA_EVENT_EXCHANGE;
	sent->publish.mandatory = mandatory;
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_ok(t_sent_wait(sent));
	t_sent_free(sent);
}

static void take(struct t_inbox *inbox, const char *body)
{
	struct sgh_delivery *delivery = t_inbox_next(inbox);

	assert_true(t_body_is(delivery, body));
	sgh_delivery_ack(delivery);
}

static void an_event_reaches_all_who_listen_for_it(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *one =
		t_listen(f->queue, &f->inbox, "sangraha.object.deleted");
	struct t_inbox second;
	struct sgh_consumer *two;

	t_inbox_init(&second);
	two = t_listen(f->queue, &second, "sangraha.object.deleted");
	publish_event(f, "sangraha.object.created", "no", false);
	publish_event(f, "sangraha.object.deleted", "first", true);
	publish_event(f, "sangraha.object.deleted", "second", true);
	take(&f->inbox, "first");
	take(&f->inbox, "second");
	take(&second, "first");
	take(&second, "second");
	sgh_consumer_free(one);
	publish_event(f, "sangraha.object.deleted", "third", true);
	take(&second, "third");
	sgh_consumer_free(two);
	assert_int_equal(t_inbox_count(&f->inbox), 2);
	assert_int_equal(t_inbox_count(&second), 3);
	t_inbox_fini(&second);
}

static void a_queue_or_events_and_not_both(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer_options options = {
		.queue = WRITE,
		.event = "sangraha.object.deleted",
		.prefetch = 1,
		.deliver = (void (*)(void *, struct sgh_delivery *))abort,
	};
	struct sgh_consumer *consumer = NULL;

	t_fails(SANGRAHA_E_INVALID,
		sgh_consumer_new(f->queue, &options, &consumer, &t_err));
}

static void who_listens_learns_of_a_cut(void **state)
{
	struct fixture *f = queue_begin(state);
	struct t_proxy *proxy = queue_through_proxy(f, 0);
	struct sgh_consumer *consumer =
		t_listen(f->queue, &f->inbox, "sangraha.object.deleted");

	assert_int_equal(strncmp(sgh_consumer_queue(consumer), "object_event_queue", 18),
			 0);
	queue_cut(f, proxy);
	t_wait(t_inbox_changes(&f->inbox) == 3);
	t_ok(sangraha_queue_wait_ready(f->queue, 5000, &t_err));
	publish_event(f, "sangraha.object.deleted", "after", true);
	take(&f->inbox, "after");
	sgh_consumer_free(consumer);
	t_proxy_free(proxy);
}

/* ---- inside callbacks ---- */

struct chain {
	struct t_sent *sent;
	struct sangraha_queue *queue;
	int left;
	int over; /* atomic */
};

static struct chain chain;

static void publish_again(struct sgh_publish *publish, int status,
			  const struct sangraha_error *err)
{
	if (status == 0 && --chain.left > 0)
		status = sgh_queue_publish(chain.queue, publish, NULL);
	else
		status = -1;
	if (status)
		__atomic_store_n(&chain.over, 1, __ATOMIC_SEQ_CST);
}

static void publishing_from_done(void **state)
{
	struct fixture *f = queue_begin(state);

	chain = (struct chain){ .queue = f->queue,
				.left = 20,
				.sent = t_sent_new(WRITE, t_message("x")) };
	chain.sent->publish.done = publish_again;
	t_ok(sgh_queue_publish(f->queue, &chain.sent->publish, &t_err));
	t_wait(__atomic_load_n(&chain.over, __ATOMIC_SEQ_CST));
	assert_int_equal(chain.left, 0);
	chain.sent->calls = 1;
	t_sent_free(chain.sent);
}

static void let_go(struct sgh_publish *publish, int status,
		   const struct sangraha_error *err)
{
	sangraha_queue_unref(chain.queue);
	__atomic_store_n(&chain.over, 1, __ATOMIC_SEQ_CST);
}

static void the_last_reference_may_go_in_done(void **state)
{
	struct fixture *f = queue_begin(state);

	chain = (struct chain){ .queue = sgh_take(f->queue),
				.sent = t_sent_new(WRITE, t_message("x")) };
	chain.sent->publish.done = let_go;
	t_ok(sgh_queue_publish(chain.queue, &chain.sent->publish, &t_err));
	t_wait(__atomic_load_n(&chain.over, __ATOMIC_SEQ_CST));
	chain.sent->calls = 1;
	t_sent_free(chain.sent);
}

const struct queue_case queue_publish_cases[] = {
	CASE(what_is_published_arrives),
	CASE(what_is_held_goes_with_the_last),
	CASE(what_is_held_for_a_while_goes_by_itself),
	CASE(properties_and_headers_survive),
	CASE(a_body_of_many_frames_arrives_whole),
	CASE(a_message_without_a_queue_is_not_found),
	CASE(only_what_was_returned_fails),
	CASE(an_unknown_exchange_is_invalid),
	CASE(what_needs_no_confirm_is_done_when_sent),
	CASE(a_property_that_is_too_long_is_invalid),
	CASE(a_probe_counts),
	CASE(an_event_without_a_listener_is_fine),
	CASE(an_event_reaches_all_who_listen_for_it),
	CASE(a_queue_or_events_and_not_both),
	CASE(who_listens_learns_of_a_cut),
	CASE(publishing_from_done),
	CASE(the_last_reference_may_go_in_done),
	{ NULL },
};
