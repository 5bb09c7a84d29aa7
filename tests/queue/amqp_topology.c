/* SPDX-License-Identifier: MIT */
#include "queue/amqp_topology.h"

#include "support/t.h"

static const char *arguments(const char *name, bool quorum)
{
	static char text[400];
	struct sgh_amqp_declare declare;

	sgh_amqp_declare_fill(&declare, sgh_amqp_queue_find(name), name, quorum);
	sgh_amqp_declare_text(&declare, text, sizeof(text));
	assert_true(declare.method.durable);
	assert_false(declare.method.exclusive);
	assert_false(declare.method.auto_delete);
	return text;
}

static void the_write_queue(void **state)
{
	assert_string_equal(arguments("object_write_queue", true),
			    "x-queue-type=quorum x-dead-letter-exchange=sangraha.dlx "
			    "x-dead-letter-routing-key=object_write_queue.dlq "
			    "x-dead-letter-strategy=at-least-once "
			    "x-overflow=reject-publish x-max-length=1000000");
	assert_string_equal(arguments("object_write_queue", false),
			    "x-dead-letter-exchange=sangraha.dlx "
			    "x-dead-letter-routing-key=object_write_queue.dlq "
			    "x-max-length=1000000");
}

static void the_read_queue_is_always_classic(void **state)
{
	static const char wanted[] = "x-dead-letter-exchange=sangraha.dlx "
				     "x-dead-letter-routing-key=object_read_queue.dlq "
				     "x-max-length=1000000";

	assert_string_equal(arguments("object_read_queue", true), wanted);
	assert_string_equal(arguments("object_read_queue", false), wanted);
	assert_string_equal(arguments("object_read_queue.dlq", true),
			    "x-max-length=1000000");
}

static void dead_letters_have_the_type_of_their_queue(void **state)
{
	assert_string_equal(arguments("object_write_queue.dlq", true),
			    "x-queue-type=quorum x-max-length=1000000");
	assert_string_equal(arguments("object_write_queue.dlq", false),
			    "x-max-length=1000000");
}

static void delays_go_back_to_the_write_queue(void **state)
{
	static const char *const steps[] = { "1s", "5s", "15s", "60s", "300s" };

	for (size_t i = 0; i < SGH_COUNT(steps); i++) {
		char name[64], wanted[300];

		snprintf(name, sizeof(name), "object_write_queue.delay.%s", steps[i]);
		snprintf(wanted, sizeof(wanted),
			 "x-queue-type=quorum x-dead-letter-exchange= "
			 "x-dead-letter-routing-key=object_write_queue "
			 "x-dead-letter-strategy=at-least-once "
			 "x-overflow=reject-publish x-message-ttl=%d000",
			 atoi(steps[i]));
		assert_string_equal(arguments(name, true), wanted);
	}
	assert_string_equal(arguments("object_write_queue.delay.1s", false),
			    "x-dead-letter-exchange= "
			    "x-dead-letter-routing-key=object_write_queue "
			    "x-message-ttl=1000");
}

static void responses(void **state)
{
	struct sgh_amqp_declare declare;
	char text[100];

	assert_string_equal(arguments("object_response_queue", true),
			    "x-overflow=drop-head x-max-length=100000 "
			    "x-message-ttl=86400000");
	sgh_amqp_declare_fill(&declare, &sgh_amqp_response_queue, "any", true);
	sgh_amqp_declare_text(&declare, text, sizeof(text));
	assert_string_equal(text, "x-expires=600000");
}

static void events_end_with_their_connection(void **state)
{
	struct sgh_amqp_declare declare;
	char text[100];

	sgh_amqp_declare_fill(&declare, &sgh_amqp_event_queue, "any", true);
	sgh_amqp_declare_text(&declare, text, sizeof(text));
	assert_string_equal(text, "x-max-length=100000");
	assert_false(declare.method.durable);
	assert_true(declare.method.exclusive);
	assert_true(declare.method.auto_delete);
}

static void a_text_that_is_too_long_is_cut(void **state)
{
	struct sgh_amqp_declare declare;
	char text[30];

	sgh_amqp_declare_fill(&declare, &sgh_amqp_queues[2], "any", true);
	for (size_t size = 0; size <= sizeof(text); size++) {
		sgh_amqp_declare_text(&declare, text, size);
		assert_true(size == 0 || strlen(text) < size);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_write_queue),
	cmocka_unit_test(the_read_queue_is_always_classic),
	cmocka_unit_test(dead_letters_have_the_type_of_their_queue),
	cmocka_unit_test(delays_go_back_to_the_write_queue),
	cmocka_unit_test(responses),
	cmocka_unit_test(events_end_with_their_connection),
	cmocka_unit_test(a_text_that_is_too_long_is_cut),
};

t_main(tests)
