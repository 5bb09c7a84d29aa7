/* SPDX-License-Identifier: MIT */
/* What needs a broker of its own, because it takes it away: outage.py runs this. */
#include "support/broker.h"
#include "support/queues.h"
#include "support/t.h"

#define WRITE SANGRAHA_WRITE_QUEUE

struct fixture {
	struct sangraha_context *context;
	struct sangraha_queue *queue;
	struct t_inbox inbox;
	struct sgh_consumer *consumer;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	t_inbox_init(&f->inbox);
	f->context = t_context();
	t_ok(sangraha_queue_open(f->context, t_need("SANGRAHA_TEST_AMQP_URL"), NULL,
				 &f->queue, &t_err));
	t_ok(sangraha_queue_wait_ready(f->queue, 20000, &t_err));
	f->consumer = t_consume(f->queue, &f->inbox, WRITE, 10, 1 << 20, 1 << 20);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sgh_consumer_free(f->consumer);
	t_inbox_fini(&f->inbox);
	sangraha_queue_unref(f->queue);
	sangraha_context_unref(f->context);
	free(f);
	return 0;
}

static int64_t breaker(struct fixture *f)
{
	return sgh_metric_get(sgh_metrics_gauge(
		f->context->metrics, "sangraha_breaker_state", "dependency=\"broker\""));
}

/* Service is back within 2 s of the broker's return. */
static void a_restart_is_survived(void **state)
{
	struct fixture *f = *state;
	int64_t back;

	t_publish(f->queue, WRITE, "before");
	assert_int_equal(breaker(f), 0);
	free(t_ctl("-q stop_app"));
	t_wait(!sgh_queue_ready(f->queue, true));
	t_wait(breaker(f) == 2);
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(f->queue, 1200, &t_err));
	t_fails(SANGRAHA_E_UNAVAILABLE,
		t_publish_status(f->queue, "", WRITE, "meanwhile", 5000));
	free(t_ctl("-q start_app"));
	back = sgh_now_ms();
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	t_wait(t_inbox_attached(&f->inbox) == 1);
	assert_true(sgh_now_ms() - back < 2000);
	t_publish(f->queue, WRITE, "after");
	sgh_delivery_ack(t_inbox_next(&f->inbox)); /* of the old connection */
	t_wait(t_inbox_count(&f->inbox) == 3);
}

/* The broker has no memory left: publishers wait, consumers go on. */
static void a_broker_that_blocks_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct sgh_delivery *held;
	struct t_sent *sent = t_sent_new(WRITE, t_message("starved"));
	int64_t before;

	t_publish(f->queue, WRITE, "before");
	held = t_inbox_next(&f->inbox);
	free(t_ctl("-q set_vm_memory_high_watermark 0"));
	before = sgh_now_ms();
	sent->publish.deadline_ms = before + 2000;
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_wait(!sgh_queue_ready(f->queue, true));
	t_wait(breaker(f) == 2);
	t_wait(sgh_now_ms() - before > 1100);
	t_fails(SANGRAHA_E_UNAVAILABLE,
		t_publish_status(f->queue, "", WRITE, "late", 5000));
	t_says("blocks publishers");
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(f->queue, 100, &t_err));
	/* The one that was sent ends by its deadline. */
	t_sent_wait(sent);
	assert_true(sgh_now_ms() - before < 3000);
	t_sent_free(sent);
	sgh_delivery_ack(held);
	/* Longer than a broker may say nothing that reads what it is sent. */
	t_wait(sgh_now_ms() - before > 11000);
	assert_int_equal(t_inbox_attached(&f->inbox), 1);
	t_fails(SANGRAHA_E_UNAVAILABLE,
		t_publish_status(f->queue, "", WRITE, "late", 5000));
	t_says("blocks publishers");
	free(t_ctl("-q set_vm_memory_high_watermark 0.4"));
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	t_publish(f->queue, WRITE, "after");
	assert_int_equal(breaker(f), 0);
}

/* Closing does not wait for a broker that reads nothing. */
static void closing_while_blocked_is_quick(void **state)
{
	struct fixture *f = *state;
	struct sangraha_queue *queue = NULL;
	struct t_sent *sent = t_sent_new(WRITE, t_message_of(8 << 20));
	int64_t before;

	t_ok(sangraha_queue_open(f->context, t_need("SANGRAHA_TEST_AMQP_URL"), NULL,
				 &queue, &t_err));
	t_ok(sangraha_queue_wait_ready(queue, 10000, &t_err));
	free(t_ctl("-q set_vm_memory_high_watermark 0"));
	t_ok(sgh_queue_publish(queue, &sent->publish, &t_err));
	t_wait(!sgh_queue_ready(queue, true));
	before = sgh_now_ms();
	sangraha_queue_unref(queue);
	assert_true(sgh_now_ms() - before < 2000);
	t_fails(SANGRAHA_E_UNAVAILABLE, t_sent_wait(sent));
	t_sent_free(sent);
	free(t_ctl("-q set_vm_memory_high_watermark 0.4"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(a_restart_is_survived, set_up, tear_down),
	cmocka_unit_test_setup_teardown(a_broker_that_blocks_is_waited_for, set_up,
					tear_down),
	cmocka_unit_test_setup_teardown(closing_while_blocked_is_quick, set_up,
					tear_down),
};

t_main(tests)
