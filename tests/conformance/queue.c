/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "queue/amqp_url.h"
#include "support/broker.h"
#include "support/memory_queue.h"
#include "support/queues.h"
#include "support/t.h"

#define WRITE SANGRAHA_WRITE_QUEUE
#define DEAD  SANGRAHA_WRITE_QUEUE ".dlq"
#define MANY  64
#define LARGE ((size_t)32 << 20)

/* ---- the back ends: each case runs over each ---- */

struct backend {
	const char *name;
	const char *queue_type;
	bool memory; /* no server, and a broker for each case */
	bool local;  /* no server, and a folder for each case */
	char *vhost;
	char *url;
};

static struct backend backends[] = {
	{ .name = "amqp quorum", .queue_type = "quorum" },
	{ .name = "amqp classic", .queue_type = "classic" },
	{ .name = "memory quorum", .queue_type = "quorum", .memory = true },
	{ .name = "memory classic", .queue_type = "classic", .memory = true },
#ifdef SGH_WITH_EMBEDDED
	{ .name = "local", .queue_type = "quorum", .local = true },
#endif
};

struct fixture {
	struct backend *backend;
	struct sangraha_context *context;
	struct sangraha_queue *queue;
	struct t_inbox inbox;
	/* in memory */
	struct memory_broker *broker;
	struct script *script;
	/* in a folder */
	char *folder;
	char *url;
};

/* Whether there is a server, and a connection to it that may break. */
static bool has_server(const struct backend *backend)
{
	return !backend->memory && !backend->local;
}

static struct sangraha_queue *open_queue(struct fixture *f, const char *url)
{
	struct sangraha_queue_options options = {
		.size = sizeof(options),
		.queue_type = f->backend->queue_type,
		.ca_file = getenv("SANGRAHA_TEST_AMQP_CA"),
		.connection_name = "conformance",
	};
	struct sangraha_queue *queue = NULL;

	if (f->backend->memory)
		return memory_queue_new(f->context, f->broker, f->script);
	t_ok(sangraha_queue_open(f->context, url, &options, &queue, &t_err));
	return queue;
}

/* A vhost for each back end: the arguments of its queues differ. */
static void prepare(struct backend *backend)
{
	const char *url = t_need("SANGRAHA_TEST_AMQP_URL");

	t_need("SANGRAHA_TEST_RABBITMQCTL");
	if (backend->vhost)
		return;
	if (asprintf(&backend->vhost, "queue-%d-%s", (int)getpid(), backend->queue_type) <
	    0)
		fail_msg("out of memory");
	t_vhost_make(backend->vhost);
	backend->url = t_broker_url(url, backend->vhost);
}

static struct fixture *begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->backend = *state;
	*state = f;
	t_inbox_init(&f->inbox);
	if (f->backend->memory) {
		f->script = script_new();
		f->broker =
			memory_broker_new(sgh_streq(f->backend->queue_type, "quorum"), 1);
	} else if (f->backend->local) {
		f->folder = t_folder_new();
		if (asprintf(&f->url, "local:%s", f->folder) < 0)
			fail_msg("out of memory");
	} else {
		prepare(f->backend);
		f->url = strdup(f->backend->url);
	}
	f->context = t_context();
	f->queue = open_queue(f, f->url);
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	if (has_server(f->backend))
		t_amqp_purge_all(f->backend->url);
	return f;
}

static int end(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < SGH_COUNT(backends); i++)
		if ((void *)f == &backends[i])
			return 0;
	t_inbox_fini(&f->inbox);
	sangraha_queue_unref(f->queue);
	memory_broker_unref(f->broker);
	script_free(f->script);
	sangraha_context_unref(f->context);
	if (f->folder)
		t_folder_remove(f->folder);
	free(f->url);
	free(f);
	return 0;
}

static int remove_vhosts(void **state)
{
	for (size_t i = 0; i < SGH_COUNT(backends); i++) {
		if (backends[i].vhost)
			t_vhost_remove(backends[i].vhost);
		free(backends[i].vhost);
		free(backends[i].url);
	}
	return 0;
}

/* ---- cases ---- */

static struct sgh_consumer *consume(struct fixture *f)
{
	return t_consume(f->queue, &f->inbox, WRITE, MANY, LARGE, LARGE);
}

static void what_is_published_arrives(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f);
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

static void properties_and_headers_survive(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f);
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

static void a_message_without_a_queue_is_not_found(void **state)
{
	struct fixture *f = begin(state);

	t_fails(SANGRAHA_E_NOT_FOUND,
		t_publish_status(f->queue, "", "nobody", "x", 5000));
	t_says("nobody");
	t_publish(f->queue, WRITE, "x");
}

static void an_event_without_a_listener_is_fine(void **state)
{
	struct fixture *f = begin(state);
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
	struct fixture *f = begin(state);
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
	struct fixture *f = begin(state);
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

static void only_what_was_returned_fails(void **state)
{
	struct fixture *f = begin(state);
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
	struct fixture *f = begin(state);

	t_fails(SANGRAHA_E_INVALID,
		t_publish_status(f->queue, "nowhere", "x", "x", 5000));
	t_says("nowhere");
	t_publish(f->queue, WRITE, "x");
}

static void what_needs_no_confirm_is_done_when_sent(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f);
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
	struct fixture *f = begin(state);
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

static void a_full_queue_refuses(void **state)
{
	struct fixture *f = begin(state);
	amqp_connection_state_t amqp = t_amqp_open(f->backend->url);
	amqp_table_entry_t entries[2] = { { .key = amqp_cstring_bytes("x-max-length") },
					  { .key = amqp_cstring_bytes("x-overflow") } };
	amqp_table_t arguments = { 2, entries };

	entries[0].value.kind = AMQP_FIELD_KIND_I32;
	entries[0].value.value.i32 = 1;
	entries[1].value.kind = AMQP_FIELD_KIND_UTF8;
	entries[1].value.value.bytes = amqp_cstring_bytes("reject-publish");
	amqp_queue_declare(amqp, 1, amqp_cstring_bytes("full"), 0, 0, 1, 0, arguments);
	t_publish_status(f->queue, "", "full", "1",
			 5000); /* exclusive: publishing works */
	t_fails(SANGRAHA_E_OVERLOADED, t_publish_status(f->queue, "", "full", "2", 5000));
	t_amqp_close(amqp);
}

/* ---- settling ---- */

static void what_is_returned_comes_again(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f);
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
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f);

	t_publish(f->queue, WRITE, "dead");
	sgh_delivery_reject(t_inbox_next(&f->inbox));
	t_wait(t_messages(f->queue, DEAD) == 1);
	assert_int_equal(t_messages(f->queue, WRITE), 0);
	sgh_consumer_free(consumer);
}

static void who_is_rejected_learns_why_and_when(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f), *dead;
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
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f);
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

static void prefetch_bounds_what_is_in_hand(void **state)
{
	struct fixture *f = begin(state);
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

static struct sgh_consumer *publish_large(struct fixture *f, size_t count, size_t size,
					  size_t max_bytes)
{
	for (size_t i = 0; i < count; i++) {
		struct t_sent *sent = t_sent_new(WRITE, t_message_of(size));

		t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
		t_ok(t_sent_wait(sent));
		t_sent_free(sent);
	}
	return t_consume(f->queue, &f->inbox, WRITE, MANY, max_bytes, LARGE);
}

static void bytes_bound_what_is_in_hand(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = publish_large(f, 8, 100000, 250000);

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
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = publish_large(f, 8, 100000, 250000);
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
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = publish_large(f, 3, 100000, 1);

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
	struct fixture *f = begin(state);
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

static void a_body_of_many_frames_arrives_whole(void **state)
{
	static const size_t sizes[] = { 131064, 131063, 131065, 3 << 20, 5 << 20 };
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f);

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

static void thousands_in_flight(void **state)
{
	enum { COUNT = 5000 };
	struct fixture *f = begin(state);
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

/* ---- consumers ---- */

static void a_pause_stops_deliveries(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f);
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
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f);
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
	struct fixture *f = begin(state);
	struct sangraha_queue *queue = open_queue(f, f->url);
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
	struct fixture *f = begin(state);
	struct t_inbox other;
	struct sgh_consumer *first = consume(f), *second;

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
	struct fixture *f = begin(state);

	for (int i = 0; i < 100; i++) {
		struct sgh_consumer *consumer = consume(f);

		t_publish(f->queue, WRITE, "x");
		sgh_delivery_ack(t_inbox_next(&f->inbox));
		sgh_consumer_free(consumer);
		f->inbox.attached = -1;
	}
	t_wait(t_messages(f->queue, WRITE) == 0);
}

static void a_deleted_queue_comes_back(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f);

	t_amqp_delete(f->backend->url, WRITE);
	t_wait(t_inbox_changes(&f->inbox) == 3);
	t_publish(f->queue, WRITE, "back");
	sgh_delivery_ack(t_inbox_next(&f->inbox));
	sgh_consumer_free(consumer);
}

static void a_queue_may_come_later(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer_options options = { .queue = "later",
						.prefetch = 1,
						.deliver = (void *)abort };
	struct sgh_consumer *consumer = NULL;

	t_ok(sgh_consumer_new(f->queue, &options, &consumer, &t_err));
	t_amqp_declare(f->backend->url, "later", NULL);
	t_wait(sgh_consumer_attached(consumer));
	sgh_consumer_free(consumer);
	t_amqp_delete(f->backend->url, "later");
}

/* ---- connections that break ---- */

static unsigned broker_port(void)
{
	struct sgh_amqp_url *urls = NULL;
	size_t count;
	unsigned port;

	t_ok(sgh_amqp_urls_parse(t_need("SANGRAHA_TEST_AMQP_URL"), &urls, &count,
				 &t_err));
	port = urls->port;
	sgh_amqp_urls_free(urls, count);
	return port;
}

/* Put a peer in between the fixture's queue and the broker. */
static struct t_proxy *go_through_proxy(struct fixture *f, unsigned heartbeat)
{
	struct sangraha_queue_options options = { .size = sizeof(options),
						  .queue_type = f->backend->queue_type,
						  .heartbeat = heartbeat };
	struct t_proxy *proxy;
	char *url = NULL;

	if (f->backend->local)
		t_skip("nothing between the queue and its files can be cut");
	if (f->backend->memory)
		return NULL;
	proxy = t_proxy_new(broker_port());
	if (asprintf(&url, "amqp://guest:guest@127.0.0.1:%u/%s", t_proxy_port(proxy),
		     f->backend->vhost) < 0)
		fail_msg("out of memory");
	sangraha_queue_unref(f->queue);
	f->queue = NULL;
	t_ok(sangraha_queue_open(f->context, url, &options, &f->queue, &t_err));
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	free(url);
	return proxy;
}

/* Lose the connection of the fixture's queue; it comes back at once. */
static void cut(struct fixture *f, struct t_proxy *proxy)
{
	if (proxy) {
		t_proxy_cut(proxy);
		return;
	}
	memory_queue_disconnect(f->queue);
	memory_queue_connect(f->queue);
}

static void what_was_in_hand_is_redelivered_after_a_cut(void **state)
{
	struct fixture *f = begin(state);
	struct t_proxy *proxy = go_through_proxy(f, 0);
	struct sgh_consumer *consumer = consume(f);
	struct sgh_delivery *old, *new;

	t_publish(f->queue, WRITE, "x");
	old = t_inbox_next(&f->inbox);
	cut(f, proxy);
	new = t_inbox_next(&f->inbox);
	assert_true(new->redelivered);
	sgh_delivery_ack(old);
	assert_true(t_body_is(new, "x"));
	sgh_delivery_ack(new);
	t_ok(sangraha_queue_wait_ready(f->queue, 5000, &t_err));
	t_wait(t_messages(f->queue, WRITE) == 0);
	sgh_consumer_free(consumer);
	t_proxy_free(proxy);
}

static void a_pause_lasts_over_a_cut(void **state)
{
	struct fixture *f = begin(state);
	struct t_proxy *proxy = go_through_proxy(f, 0);
	struct sgh_consumer *consumer = consume(f);
	unsigned accepted = t_proxy_accepted(proxy);

	sgh_consumer_pause(consumer);
	t_wait(t_inbox_attached(&f->inbox) == 0);
	t_proxy_cut(proxy);
	t_wait(t_proxy_accepted(proxy) == accepted + 2);
	t_ok(sangraha_queue_wait_ready(f->queue, 5000, &t_err));
	t_publish(f->queue, WRITE, "x");
	assert_int_equal(t_messages(f->queue, WRITE), 1);
	sgh_consumer_resume(consumer);
	sgh_delivery_ack(t_inbox_next(&f->inbox));
	sgh_consumer_free(consumer);
	t_proxy_free(proxy);
}

static void a_response_queue_keeps_its_name_over_a_cut(void **state)
{
	struct fixture *f = begin(state);
	struct t_proxy *proxy = go_through_proxy(f, 0);
	struct sgh_consumer *consumer =
		t_consume(f->queue, &f->inbox, NULL, MANY, LARGE, LARGE);
	char *name = strdup(sgh_consumer_queue(consumer));

	assert_int_equal(strncmp(name, "object_response_queue.", 22), 0);
	cut(f, proxy);
	t_wait(t_inbox_changes(&f->inbox) == 3);
	assert_string_equal(sgh_consumer_queue(consumer), name);
	t_ok(sangraha_queue_wait_ready(f->queue, 5000, &t_err));
	t_publish(f->queue, name, "reply");
	sgh_delivery_ack(t_inbox_next(&f->inbox));
	sgh_consumer_free(consumer);
	if (proxy)
		t_amqp_delete(f->backend->url, name);
	free(name);
	t_proxy_free(proxy);
}

/* Whatever happens to the connection, each message ends exactly once. */
static void who_listens_learns_of_a_cut(void **state)
{
	struct fixture *f = begin(state);
	struct t_proxy *proxy = go_through_proxy(f, 0);
	struct sgh_consumer *consumer =
		t_listen(f->queue, &f->inbox, "sangraha.object.deleted");

	assert_int_equal(strncmp(sgh_consumer_queue(consumer), "object_event_queue", 18),
			 0);
	cut(f, proxy);
	t_wait(t_inbox_changes(&f->inbox) == 3);
	t_ok(sangraha_queue_wait_ready(f->queue, 5000, &t_err));
	publish_event(f, "sangraha.object.deleted", "after", true);
	take(&f->inbox, "after");
	sgh_consumer_free(consumer);
	t_proxy_free(proxy);
}

static void every_message_ends_once(void **state)
{
	struct fixture *f = begin(state);
	struct t_proxy *proxy = go_through_proxy(f, 0);
	struct t_sent *sent[600];

	for (size_t i = 0; i < SGH_COUNT(sent); i++) {
		sent[i] = t_sent_new(WRITE, t_message_of(i % 50 ? 100 : 300000));
		t_ok(sgh_queue_publish(f->queue, &sent[i]->publish, &t_err));
		if (i % 200 == 150) {
			cut(f, proxy);
			t_ok(sangraha_queue_wait_ready(f->queue, 5000, &t_err));
		}
	}
	for (size_t i = 0; i < SGH_COUNT(sent); i++) {
		int status = t_sent_wait(sent[i]);

		assert_true(status == 0 || status == SANGRAHA_E_UNAVAILABLE);
		t_sent_free(sent[i]);
	}
	t_proxy_free(proxy);
}

/* The broker's host has stopped: nothing is read, nothing is answered. */
static void a_peer_that_stalls_holds_nobody_up(void **state)
{
	struct fixture *f = begin(state);
	struct t_proxy *proxy = go_through_proxy(f, 0);
	struct t_sent *sent[20];
	int64_t before = sgh_now_ms();

	t_proxy_stall(proxy, true);
	for (size_t i = 0; i < SGH_COUNT(sent); i++) {
		sent[i] = t_sent_new(WRITE, t_message_of(1 << 20));
		sent[i]->publish.deadline_ms = before + 500;
		t_ok(sgh_queue_publish(f->queue, &sent[i]->publish, &t_err));
	}
	for (size_t i = 0; i < SGH_COUNT(sent); i++) {
		t_fails(SANGRAHA_E_TIMEOUT, t_sent_wait(sent[i]));
		t_sent_free(sent[i]);
	}
	assert_true(sgh_now_ms() - before < 1500);
	t_proxy_stall(proxy, false);
	t_publish(f->queue, WRITE, "on");
	t_proxy_free(proxy);
}

static void closing_is_quick_though_the_peer_stalls(void **state)
{
	struct fixture *f = begin(state);
	struct t_proxy *proxy = go_through_proxy(f, 0);
	struct sgh_consumer *consumer = consume(f);
	struct t_sent *sent = t_sent_new(WRITE, t_message_of(LARGE));
	int64_t before;

	t_proxy_stall(proxy, true);
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	before = sgh_now_ms();
	sgh_consumer_free(consumer);
	sangraha_queue_unref(sgh_take(f->queue));
	assert_true(sgh_now_ms() - before < 2500);
	t_fails(SANGRAHA_E_UNAVAILABLE, t_sent_wait(sent));
	t_sent_free(sent);
	t_proxy_free(proxy);
}

static void a_silent_peer_is_noticed_by_heartbeat(void **state)
{
	struct fixture *f = begin(state);
	struct t_proxy *proxy = go_through_proxy(f, 1);
	struct sgh_consumer *consumer = consume(f);

	t_proxy_stall(proxy, true);
	t_wait(t_inbox_attached(&f->inbox) == 0);
	t_proxy_stall(proxy, false);
	t_wait(t_inbox_attached(&f->inbox) == 1);
	sgh_consumer_free(consumer);
	t_proxy_free(proxy);
}

/* The broker must not take us for dead while we do not read. */
static void heartbeats_go_on_while_nothing_is_read(void **state)
{
	struct fixture *f = begin(state);
	struct t_proxy *proxy = go_through_proxy(f, 1);
	struct sgh_consumer *consumer = publish_large(f, 3, 100000, 1);
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

static void the_broker_may_close_connections(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f);

	free(t_ctl("-q close_all_connections --vhost %s maintenance", f->backend->vhost));
	t_wait(t_inbox_changes(&f->inbox) == 3);
	t_ok(sangraha_queue_wait_ready(f->queue, 5000, &t_err));
	t_publish(f->queue, WRITE, "x");
	sgh_delivery_ack(t_inbox_next(&f->inbox));
	sgh_consumer_free(consumer);
}

/* ---- connecting ---- */

static void use_url(struct fixture *f, const char *url)
{
	sangraha_queue_unref(f->queue);
	f->queue = open_queue(f, url);
}

static void without_a_broker_calls_fail_fast(void **state)
{
	struct fixture *f = begin(state);
	struct t_sent *sent = t_sent_new(WRITE, t_message("x"));
	struct t_sent *late = t_sent_new(WRITE, t_message("x"));
	int64_t before = sgh_now_ms();

	use_url(f, "amqp://127.0.0.1:1");
	sent->publish.deadline_ms = before + 300;
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_fails(SANGRAHA_E_TIMEOUT, t_sent_wait(sent));
	assert_in_range(sgh_now_ms() - before, 300, 800);
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(f->queue, 1200, &t_err));
	t_says("127.0.0.1:1: Connection refused");
	assert_false(sgh_queue_ready(f->queue, true));
	t_fails(SANGRAHA_E_UNAVAILABLE,
		sgh_queue_publish(f->queue, &late->publish, &t_err));
	t_says("refused");
	late->calls++;
	t_sent_free(sent);
	t_sent_free(late);
}

static void a_message_waits_for_the_connection(void **state)
{
	struct fixture *f = begin(state);

	use_url(f, f->backend->url);
	t_publish(f->queue, WRITE, "early");
}

static void the_next_url_is_tried(void **state)
{
	struct fixture *f = begin(state);
	struct t_proxy *mute = t_proxy_new(0);
	char *url = NULL;

	if (asprintf(&url, "amqp://127.0.0.1:1,amqp://x:y@127.0.0.1:%u,%s",
		     t_proxy_port(mute), f->backend->url) < 0)
		fail_msg("out of memory");
	use_url(f, url);
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	assert_true(t_proxy_accepted(mute) > 0);
	free(url);
	t_proxy_free(mute);
}

static void closing_is_quick_while_the_handshake_stalls(void **state)
{
	static const char *const schemes[] = { "amqp", "amqps" };
	struct fixture *f = begin(state);
	struct t_proxy *mute = t_proxy_new(0);

	for (unsigned i = 0; i < SGH_COUNT(schemes); i++) {
		char url[80];
		int64_t before;

		snprintf(url, sizeof(url), "%s://127.0.0.1:%u", schemes[i],
			 t_proxy_port(mute));
		use_url(f, url);
		t_wait(t_proxy_accepted(mute) > i);
		before = sgh_now_ms();
		sangraha_queue_unref(sgh_take(f->queue));
		assert_true(sgh_now_ms() - before < 2000);
	}
	t_proxy_free(mute);
}

static void a_wrong_password_is_said(void **state)
{
	struct fixture *f = begin(state);
	char *url = NULL;

	if (asprintf(&url, "amqp://guest:s3cr3t@127.0.0.1:%u", broker_port()) < 0)
		fail_msg("out of memory");
	use_url(f, url);
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(f->queue, 1500, &t_err));
	t_says("ACCESS_REFUSED");
	assert_null(strstr(t_err.message, "s3cr3t"));
	free(url);
}

static void a_missing_vhost_is_said(void **state)
{
	struct fixture *f = begin(state);
	char *url = t_broker_url(f->backend->url, "nowhere");

	use_url(f, url);
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(f->queue, 1500, &t_err));
	t_says("nowhere");
	free(url);
}

static void tls_works(void **state)
{
	struct fixture *f = begin(state);
	char *url = t_broker_url(t_need("SANGRAHA_TEST_AMQPS_URL"), f->backend->vhost);
	struct sgh_consumer *consumer;

	t_need("SANGRAHA_TEST_AMQP_CA");
	use_url(f, url);
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	consumer = publish_large(f, 3, 1 << 20, 1 << 20);
	for (int i = 0; i < 3; i++)
		sgh_delivery_ack(t_inbox_next(&f->inbox));
	sgh_consumer_free(consumer);
	free(url);
}

static void an_unknown_authority_is_refused(void **state)
{
	struct fixture *f = begin(state);
	struct sangraha_queue_options options = { .size = sizeof(options) };

	sangraha_queue_unref(sgh_take(f->queue));
	t_ok(sangraha_queue_open(f->context, t_need("SANGRAHA_TEST_AMQPS_URL"), &options,
				 &f->queue, &t_err));
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(f->queue, 1500, &t_err));
	t_says("SSL");
}

/* ---- what is declared ---- */

/* The queue's line has each of the arguments; their order is the broker's business. */
static void has_arguments(const char *list, const char *queue, const char *const *pairs)
{
	const char *line = strstr(list, queue);
	sgh_autofree char *only = NULL;

	if (!line)
		fail_msg("no %s in\n%s", queue, list);
	only = strndup(line, strcspn(line, "\n"));
	for (; *pairs; pairs++)
		if (!strstr(only, *pairs))
			fail_msg("no %s in %s", *pairs, only);
}

static void queues_have_the_arguments_of_the_contract(void **state)
{
	static const char *const reads[] = {
		"{\"x-dead-letter-exchange\",\"sangraha.dlx\"}",
		"{\"x-dead-letter-routing-key\",\"object_read_queue.dlq\"}",
		"{\"x-max-length\",1000000}",
		NULL,
	};
	static const char *const dead[] = { "{\"x-max-length\",1000000}", NULL };
	static const char *const responses[] = {
		"{\"x-overflow\",\"drop-head\"}",
		"{\"x-max-length\",100000}",
		"{\"x-message-ttl\",86400000}",
		NULL,
	};
	struct fixture *f = begin(state);
	bool quorum = sgh_streq(f->backend->queue_type, "quorum");
	char *list =
		t_ctl("-q --no-table-headers list_queues -p %s name durable arguments",
		      f->backend->vhost);

	has_arguments(list, "object_read_queue\ttrue\t", reads);
	has_arguments(list, "object_read_queue.dlq\ttrue\t", dead);
	has_arguments(list, "object_response_queue\ttrue\t", responses);
	assert_non_null(strstr(list, "object_write_queue.delay.300s\ttrue"));
	assert_int_equal(quorum,
			 strstr(list, "\"x-dead-letter-strategy\",\"at-least-once\"") !=
				 NULL);
	assert_int_equal(quorum, strstr(list, "\"x-queue-type\",\"quorum\"") != NULL);
	free(list);
}

struct heard {
	int count; /* atomic */
	char message[1000];
};

static void hear(void *arg, const struct sangraha_log_event *event)
{
	struct heard *heard = arg;

	if (!sgh_streq(event->event, "mismatch"))
		return;
	if (__atomic_fetch_add(&heard->count, 1, __ATOMIC_SEQ_CST) == 0)
		snprintf(heard->message, sizeof(heard->message), "%s", event->message);
}

static void another_queue_of_that_name_is_said_and_used(void **state)
{
	struct fixture *f = begin(state);
	struct heard heard = { 0 };
	struct sangraha_context_options options = { .size = sizeof(options),
						    .log = hear,
						    .log_arg = &heard };
	struct sgh_consumer *consumer;

	t_amqp_delete(f->backend->url, WRITE);
	t_amqp_declare(f->backend->url, WRITE, NULL);
	sangraha_queue_unref(sgh_take(f->queue));
	sangraha_context_unref(f->context);
	f->context = NULL;
	t_ok(sangraha_context_new(&options, &f->context, &t_err));
	use_url(f, f->backend->url);
	consumer = consume(f);
	t_publish(f->queue, WRITE, "x");
	sgh_delivery_ack(t_inbox_next(&f->inbox));
	assert_int_equal(__atomic_load_n(&heard.count, __ATOMIC_SEQ_CST), 1);
	assert_non_null(strstr(heard.message, WRITE " with x-"));
	assert_non_null(strstr(heard.message, "PRECONDITION_FAILED"));
	sgh_consumer_free(consumer);
	sangraha_queue_unref(sgh_take(f->queue));
	t_amqp_delete(f->backend->url, WRITE);
}

/* ---- asking ---- */

static void a_probe_counts(void **state)
{
	struct fixture *f = begin(state);

	assert_int_equal(t_messages(f->queue, WRITE), 0);
	t_publish(f->queue, WRITE, "x");
	t_wait(t_messages(f->queue, WRITE) == 1);
	assert_int_equal(t_messages(f->queue, "nobody"), UINT64_MAX);
	t_says("NOT_FOUND");
	assert_int_equal(t_messages(f->queue, WRITE), 1);
}

static void late(struct sgh_queue_probe *probe, int status,
		 const struct sangraha_error *err)
{
	__atomic_store_n(&probe->messages, (uint64_t)-status, __ATOMIC_SEQ_CST);
}

static void a_probe_ends_by_its_deadline(void **state)
{
	struct fixture *f = begin(state);
	struct t_proxy *proxy = go_through_proxy(f, 0);
	int64_t before = sgh_now_ms();
	struct sgh_queue_probe probes[2] = {
		{ .queue = WRITE, .deadline_ms = before + 200, .done = late },
		{ .queue = DEAD, .deadline_ms = before + 300, .done = late },
	};

	t_proxy_stall(proxy, true);
	for (int i = 0; i < 2; i++)
		t_ok(sgh_queue_probe(f->queue, &probes[i], &t_err));
	for (int i = 0; i < 2; i++)
		t_wait(__atomic_load_n(&probes[i].messages, __ATOMIC_SEQ_CST) ==
		       -SANGRAHA_E_TIMEOUT);
	assert_true(sgh_now_ms() - before < 1000);
	t_proxy_stall(proxy, false);
	assert_int_equal(t_messages(f->queue, WRITE), 0);
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
	struct fixture *f = begin(state);

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
	struct fixture *f = begin(state);

	chain = (struct chain){ .queue = sgh_take(f->queue),
				.sent = t_sent_new(WRITE, t_message("x")) };
	chain.sent->publish.done = let_go;
	t_ok(sgh_queue_publish(chain.queue, &chain.sent->publish, &t_err));
	t_wait(__atomic_load_n(&chain.over, __ATOMIC_SEQ_CST));
	chain.sent->calls = 1;
	t_sent_free(chain.sent);
}

/* ---- messages of others ---- */

static void a_strange_message_is_delivered(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f);
	amqp_table_entry_t entries[100];
	amqp_basic_properties_t properties = { ._flags = AMQP_BASIC_HEADERS_FLAG,
					       .headers = { 100, entries } };
	struct sgh_delivery *delivery;
	char names[100][8];

	memset(entries, 0, sizeof(entries));
	for (int i = 0; i < 100; i++) {
		snprintf(names[i], sizeof(names[i]), "h-%d", i);
		entries[i].key = amqp_cstring_bytes(names[i]);
		entries[i].value.kind =
			i % 2 ? AMQP_FIELD_KIND_I16 : AMQP_FIELD_KIND_VOID;
		entries[i].value.value.i16 = (int16_t)-i;
	}
	entries[1].value.kind = AMQP_FIELD_KIND_UTF8;
	entries[1].value.value.bytes = (amqp_bytes_t){ 3, (void *)"a\0b" };
	t_amqp_publish(f->backend->url, WRITE, "x", &properties);
	delivery = t_inbox_next(&f->inbox);
	assert_true(delivery->message->cut);
	assert_int_equal(delivery->message->header_count, SGH_HEADERS_MAX);
	assert_int_equal(sgh_message_header(delivery->message, "h-1")->kind,
			 SGH_HEADER_OTHER);
	assert_int_equal(sgh_message_header(delivery->message, "h-2")->kind,
			 SGH_HEADER_OTHER);
	assert_int_equal(sgh_message_header(delivery->message, "h-3")->number, -3);
	sgh_delivery_ack(delivery);
	sgh_consumer_free(consumer);
}

/*
 * The decoder of rabbitmq-c recurses, as deep as a frame lets anybody go, or - later ones -
 * gives up: then the broker dead-letters the message, and the next one comes all the same.
 */
static void deep_headers_are_survived(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer = consume(f);
	enum { DEPTH = 18000 };
	amqp_table_entry_t *entries = calloc(DEPTH, sizeof(*entries));
	amqp_basic_properties_t properties = { ._flags = AMQP_BASIC_HEADERS_FLAG,
					       .headers = { 1, entries } };
	struct sgh_delivery *delivery;

	assert_non_null(entries);
	for (size_t i = 0; i < DEPTH; i++) {
		entries[i].key = amqp_cstring_bytes("");
		entries[i].value.kind = AMQP_FIELD_KIND_TABLE;
		entries[i].value.value.table =
			(amqp_table_t){ i + 1 < DEPTH, &entries[i + 1] };
	}
	t_amqp_publish(f->backend->url, WRITE, "deep", &properties);
	t_amqp_publish(f->backend->url, WRITE, "next", NULL);
	delivery = t_inbox_next(&f->inbox);
	if (t_body_is(delivery, "deep")) {
		sgh_delivery_ack(delivery);
		delivery = t_inbox_next(&f->inbox);
	} else {
		t_wait(t_messages(f->queue, DEAD) == 1);
	}
	assert_true(t_body_is(delivery, "next"));
	sgh_delivery_ack(delivery);
	free(entries);
	sgh_consumer_free(consumer);
}

static void memory_stays_flat(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer;

	f->inbox.acks = true;
	consumer = consume(f);
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

/* ---- running ---- */

static const struct {
	const char *name;
	CMUnitTestFunction run;
	bool wire; /* about a network, or a server's own ways */
} cases[] = {
#define CASE(function)                     \
	{                                  \
#function, function, false \
	}
#define WIRE(function)                    \
	{                                 \
#function, function, true \
	}
	CASE(what_is_published_arrives),
	CASE(properties_and_headers_survive),
	CASE(a_message_without_a_queue_is_not_found),
	CASE(an_event_without_a_listener_is_fine),
	CASE(an_event_reaches_all_who_listen_for_it),
	CASE(a_queue_or_events_and_not_both),
	CASE(only_what_was_returned_fails),
	CASE(an_unknown_exchange_is_invalid),
	CASE(what_needs_no_confirm_is_done_when_sent),
	CASE(a_property_that_is_too_long_is_invalid),
	WIRE(a_full_queue_refuses),
	CASE(what_is_returned_comes_again),
	CASE(what_is_rejected_is_a_dead_letter),
	CASE(who_is_rejected_learns_why_and_when),
	CASE(prefetch_bounds_what_is_in_hand),
	WIRE(bytes_bound_what_is_in_hand),
	CASE(what_is_shed_makes_room),
	CASE(one_message_always_fits),
	CASE(what_is_too_large_is_skipped),
	CASE(a_pause_stops_deliveries),
	CASE(what_is_in_hand_outlives_the_consumer),
	CASE(what_is_in_hand_outlives_the_queue),
	CASE(several_consumers_share_a_connection),
	CASE(consumers_come_and_go),
	WIRE(a_deleted_queue_comes_back),
	WIRE(a_queue_may_come_later),
	CASE(what_was_in_hand_is_redelivered_after_a_cut),
	CASE(a_response_queue_keeps_its_name_over_a_cut),
	CASE(who_listens_learns_of_a_cut),
	CASE(every_message_ends_once),
	WIRE(a_peer_that_stalls_holds_nobody_up),
	WIRE(closing_is_quick_though_the_peer_stalls),
	WIRE(a_silent_peer_is_noticed_by_heartbeat),
	WIRE(heartbeats_go_on_while_nothing_is_read),
	WIRE(the_broker_may_close_connections),
	WIRE(without_a_broker_calls_fail_fast),
	WIRE(a_message_waits_for_the_connection),
	WIRE(the_next_url_is_tried),
	WIRE(a_wrong_password_is_said),
	WIRE(a_missing_vhost_is_said),
	WIRE(tls_works),
	WIRE(an_unknown_authority_is_refused),
	WIRE(another_queue_of_that_name_is_said_and_used),
	CASE(a_probe_counts),
	WIRE(a_probe_ends_by_its_deadline),
	WIRE(a_pause_lasts_over_a_cut),
	CASE(publishing_from_done),
	CASE(the_last_reference_may_go_in_done),
	WIRE(a_strange_message_is_delivered),
	WIRE(deep_headers_are_survived),
	CASE(memory_stays_flat),
	CASE(settling_in_any_order),
	CASE(a_body_of_many_frames_arrives_whole),
	CASE(thousands_in_flight),
	WIRE(closing_is_quick_while_the_handshake_stalls),
	WIRE(queues_have_the_arguments_of_the_contract),
};

int main(void)
{
	const char *only = getenv("ONLY");
	struct CMUnitTest tests[SGH_COUNT(cases) * SGH_COUNT(backends)];
	char names[SGH_COUNT(tests)][80];
	size_t count = 0;

	for (size_t i = 0; i < SGH_COUNT(tests); i++) {
		size_t b = i / SGH_COUNT(cases), c = i % SGH_COUNT(cases);

		if (cases[c].wire && !has_server(&backends[b]))
			continue;
		snprintf(names[count], sizeof(names[count]), "%s: %s", backends[b].name,
			 cases[c].name);
		tests[count] = (struct CMUnitTest){ names[count], cases[c].run, NULL, end,
						    &backends[b] };
		count++;
	}
	if (only)
		cmocka_set_test_filter(only);
	return _cmocka_run_group_tests(__FILE__, tests, count, NULL, remove_vhosts);
}
