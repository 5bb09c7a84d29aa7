/* SPDX-License-Identifier: MIT */
#include "conformance/queue/fixture.h"

/* How a connection comes about, or does not. */

static void without_a_broker_calls_fail_fast(void **state)
{
	struct fixture *f = queue_begin(state);
	struct t_sent *sent = t_sent_new(WRITE, t_message("x"));
	struct t_sent *late = t_sent_new(WRITE, t_message("x"));
	int64_t before = sgh_now_ms();

	queue_use_url(f, "amqp://127.0.0.1:1");
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
	struct fixture *f = queue_begin(state);

	queue_use_url(f, f->backend->url);
	t_publish(f->queue, WRITE, "early");
}

static void the_next_url_is_tried(void **state)
{
	struct fixture *f = queue_begin(state);
	struct t_proxy *mute = t_proxy_new(0);
	char *url = NULL;

	if (asprintf(&url, "amqp://127.0.0.1:1,amqp://x:y@127.0.0.1:%u,%s",
		     t_proxy_port(mute), f->backend->url) < 0)
		fail_msg("out of memory");
	queue_use_url(f, url);
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	assert_true(t_proxy_accepted(mute) > 0);
	free(url);
	t_proxy_free(mute);
}

static void closing_is_quick_while_the_handshake_stalls(void **state)
{
	static const char *const schemes[] = { "amqp", "amqps" };
	struct fixture *f = queue_begin(state);
	struct t_proxy *mute = t_proxy_new(0);

	for (unsigned i = 0; i < SGH_COUNT(schemes); i++) {
		char url[80];
		int64_t before;

		snprintf(url, sizeof(url), "%s://127.0.0.1:%u", schemes[i],
			 t_proxy_port(mute));
		queue_use_url(f, url);
		t_wait(t_proxy_accepted(mute) > i);
		before = sgh_now_ms();
		sangraha_queue_unref(sgh_take(f->queue));
		assert_true(sgh_now_ms() - before < 2000);
	}
	t_proxy_free(mute);
}

static void a_wrong_password_is_said(void **state)
{
	struct fixture *f = queue_begin(state);
	char *url = NULL;

	if (asprintf(&url, "amqp://guest:s3cr3t@127.0.0.1:%u", queue_broker_port()) < 0)
		fail_msg("out of memory");
	queue_use_url(f, url);
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(f->queue, 1500, &t_err));
	t_says("ACCESS_REFUSED");
	assert_null(strstr(t_err.message, "s3cr3t"));
	free(url);
}

static void a_missing_vhost_is_said(void **state)
{
	struct fixture *f = queue_begin(state);
	char *url = t_broker_url(f->backend->url, "nowhere");

	queue_use_url(f, url);
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(f->queue, 1500, &t_err));
	t_says("nowhere");
	free(url);
}

static void tls_works(void **state)
{
	struct fixture *f = queue_begin(state);
	char *url = t_broker_url(t_need("SANGRAHA_TEST_AMQPS_URL"), f->backend->vhost);
	struct sgh_consumer *consumer;

	t_need("SANGRAHA_TEST_AMQP_CA");
	queue_use_url(f, url);
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	consumer = queue_consume_large(f, 3, 1 << 20, 1 << 20);
	for (int i = 0; i < 3; i++)
		sgh_delivery_ack(t_inbox_next(&f->inbox));
	sgh_consumer_free(consumer);
	free(url);
}

static void an_unknown_authority_is_refused(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sangraha_queue_options options = { .size = sizeof(options) };

	sangraha_queue_unref(sgh_take(f->queue));
	t_ok(sangraha_queue_open(f->context, t_need("SANGRAHA_TEST_AMQPS_URL"), &options,
				 &f->queue, &t_err));
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(f->queue, 1500, &t_err));
	t_says("SSL");
}

const struct queue_case queue_connect_cases[] = {
	WIRE(without_a_broker_calls_fail_fast),
	WIRE(a_message_waits_for_the_connection),
	WIRE(the_next_url_is_tried),
	WIRE(closing_is_quick_while_the_handshake_stalls),
	WIRE(a_wrong_password_is_said),
	WIRE(a_missing_vhost_is_said),
	WIRE(tls_works),
	WIRE(an_unknown_authority_is_refused),
	{ NULL },
};
