/* SPDX-License-Identifier: MIT */
#include "conformance/queue/fixture.h"

/* What the broker declares and holds, and what others send through it. */

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
	struct fixture *f = queue_begin(state);
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
	struct fixture *f = queue_begin(state);
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
	queue_use_url(f, f->backend->url);
	consumer = queue_consume(f);
	t_publish(f->queue, WRITE, "x");
	sgh_delivery_ack(t_inbox_next(&f->inbox));
	assert_int_equal(__atomic_load_n(&heard.count, __ATOMIC_SEQ_CST), 1);
	assert_non_null(strstr(heard.message, WRITE " with x-"));
	assert_non_null(strstr(heard.message, "PRECONDITION_FAILED"));
	sgh_consumer_free(consumer);
	sangraha_queue_unref(sgh_take(f->queue));
	t_amqp_delete(f->backend->url, WRITE);
}

/* ---- queues that come and go ---- */

static void a_deleted_queue_comes_back(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);

	t_amqp_delete(f->backend->url, WRITE);
	t_wait(t_inbox_changes(&f->inbox) == 3);
	t_publish(f->queue, WRITE, "back");
	sgh_delivery_ack(t_inbox_next(&f->inbox));
	sgh_consumer_free(consumer);
}

static void a_queue_may_come_later(void **state)
{
	struct fixture *f = queue_begin(state);
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

static void a_full_queue_refuses(void **state)
{
	struct fixture *f = queue_begin(state);
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

/* ---- messages of others ---- */

static void a_strange_message_is_delivered(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);
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
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);
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

const struct queue_case queue_broker_cases[] = {
	WIRE(queues_have_the_arguments_of_the_contract),
	WIRE(another_queue_of_that_name_is_said_and_used),
	WIRE(a_deleted_queue_comes_back),
	WIRE(a_queue_may_come_later),
	WIRE(a_full_queue_refuses),
	WIRE(a_strange_message_is_delivered),
	WIRE(deep_headers_are_survived),
	{ NULL },
};
