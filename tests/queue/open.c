/* SPDX-License-Identifier: MIT */
#include <sangraha/queue.h>

#include "support/queues.h"
#include "support/t.h"

static int open_with(const char *url, const struct sangraha_queue_options *options)
{
	struct sangraha_context *context = t_context();
	struct sangraha_queue *queue = NULL;
	int rc = sangraha_queue_open(context, url, options, &queue, &t_err);

	sangraha_queue_unref(queue);
	sangraha_context_unref(context);
	return rc;
}

static void arguments_are_checked(void **state)
{
	struct sangraha_queue_options type = { .size = sizeof(type),
					       .queue_type = "stream" };
	struct sangraha_queue_options heartbeat = { .size = sizeof(heartbeat),
						    .heartbeat = 65536 };

	t_fails(SANGRAHA_E_INVALID, open_with(NULL, NULL));
	t_fails(SANGRAHA_E_INVALID, open_with("", NULL));
	t_fails(SANGRAHA_E_INVALID, open_with("amqp", NULL));
	t_fails(SANGRAHA_E_INVALID, open_with("kafka://h", NULL));
	t_says("scheme");
	t_fails(SANGRAHA_E_INVALID, open_with("amqp://", NULL));
	t_fails(SANGRAHA_E_INVALID, open_with("amqp://h", &type));
	t_says("stream");
	t_fails(SANGRAHA_E_INVALID, open_with("amqp://h", &heartbeat));
	t_fails(SANGRAHA_E_INVALID, sangraha_queue_wait_ready(NULL, 0, &t_err));
	sangraha_queue_unref(NULL);
}

static void opening_does_not_wait(void **state)
{
	int64_t before = sgh_now_ms();

	t_ok(open_with("amqp://127.0.0.1:1", NULL));
	assert_true(sgh_now_ms() - before < 500);
}

static void consumers_are_checked(void **state)
{
	struct sangraha_context *context = t_context();
	struct sangraha_queue *queue = NULL;
	struct sgh_consumer *consumer;
	struct sgh_consumer_options options = { .deliver = (void *)abort };

	t_ok(sangraha_queue_open(context, "amqp://127.0.0.1:1", NULL, &queue, &t_err));
	t_fails(SANGRAHA_E_INVALID, sgh_consumer_new(queue, &options, &consumer, &t_err));
	options.prefetch = 65536;
	t_fails(SANGRAHA_E_INVALID, sgh_consumer_new(queue, &options, &consumer, &t_err));
	options.prefetch = 1;
	options.queue = "";
	t_fails(SANGRAHA_E_INVALID, sgh_consumer_new(queue, &options, &consumer, &t_err));
	options.queue = NULL;
	t_ok(sgh_consumer_new(queue, &options, &consumer, &t_err));
	assert_false(sgh_consumer_attached(consumer));
	sgh_consumer_free(consumer);
	sgh_consumer_free(NULL);
	sangraha_queue_unref(queue);
	sangraha_context_unref(context);
}

static void messages_end_with_the_queue(void **state)
{
	struct sangraha_context *context = t_context();
	struct sangraha_queue *queue = NULL;
	struct t_sent *sent = t_sent_new("q", t_message("x"));

	t_ok(sangraha_queue_open(context, "amqp://127.0.0.1:1", NULL, &queue, &t_err));
	t_ok(sgh_queue_publish(queue, &sent->publish, &t_err));
	sangraha_queue_unref(queue);
	assert_true(t_sent_done(sent));
	t_fails(SANGRAHA_E_UNAVAILABLE, t_sent_wait(sent));
	t_sent_free(sent);
	sangraha_context_unref(context);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(arguments_are_checked),
	cmocka_unit_test(opening_does_not_wait),
	cmocka_unit_test(consumers_are_checked),
	cmocka_unit_test(messages_end_with_the_queue),
};

t_main(tests)
