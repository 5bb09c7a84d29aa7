/* SPDX-License-Identifier: MIT */
#include "conformance/queue/fixture.h"

/* Connections that break, and peers that fall silent. */

/* ---- cuts ---- */

static void what_was_in_hand_is_redelivered_after_a_cut(void **state)
{
	struct fixture *f = queue_begin(state);
	struct t_proxy *proxy = queue_through_proxy(f, 0);
	struct sgh_consumer *consumer = queue_consume(f);
	struct sgh_delivery *old, *new;

	t_publish(f->queue, WRITE, "x");
	old = t_inbox_next(&f->inbox);
	queue_cut(f, proxy);
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
	struct fixture *f = queue_begin(state);
	struct t_proxy *proxy = queue_through_proxy(f, 0);
	struct sgh_consumer *consumer = queue_consume(f);
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
	struct fixture *f = queue_begin(state);
	struct t_proxy *proxy = queue_through_proxy(f, 0);
	struct sgh_consumer *consumer =
		t_consume(f->queue, &f->inbox, NULL, MANY, LARGE, LARGE);
	char *name = strdup(sgh_consumer_queue(consumer));

	assert_int_equal(strncmp(name, "object_response_queue.", 22), 0);
	queue_cut(f, proxy);
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
static void every_message_ends_once(void **state)
{
	struct fixture *f = queue_begin(state);
	struct t_proxy *proxy = queue_through_proxy(f, 0);
	struct t_sent *sent[600];

	for (size_t i = 0; i < SGH_COUNT(sent); i++) {
		sent[i] = t_sent_new(WRITE, t_message_of(i % 50 ? 100 : 300000));
		t_ok(sgh_queue_publish(f->queue, &sent[i]->publish, &t_err));
		if (i % 200 == 150) {
			queue_cut(f, proxy);
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

static void the_broker_may_close_connections(void **state)
{
	struct fixture *f = queue_begin(state);
	struct sgh_consumer *consumer = queue_consume(f);

	free(t_ctl("-q close_all_connections --vhost %s maintenance", f->backend->vhost));
	t_wait(t_inbox_changes(&f->inbox) == 3);
	t_ok(sangraha_queue_wait_ready(f->queue, 5000, &t_err));
	t_publish(f->queue, WRITE, "x");
	sgh_delivery_ack(t_inbox_next(&f->inbox));
	sgh_consumer_free(consumer);
}

/* ---- silence ---- */

/* The broker's host has stopped: nothing is read, nothing is answered. */
static void a_peer_that_stalls_holds_nobody_up(void **state)
{
	struct fixture *f = queue_begin(state);
	struct t_proxy *proxy = queue_through_proxy(f, 0);
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
	struct fixture *f = queue_begin(state);
	struct t_proxy *proxy = queue_through_proxy(f, 0);
	struct sgh_consumer *consumer = queue_consume(f);
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
	struct fixture *f = queue_begin(state);
	struct t_proxy *proxy = queue_through_proxy(f, 1);
	struct sgh_consumer *consumer = queue_consume(f);

	t_proxy_stall(proxy, true);
	t_wait(t_inbox_attached(&f->inbox) == 0);
	t_proxy_stall(proxy, false);
	t_wait(t_inbox_attached(&f->inbox) == 1);
	sgh_consumer_free(consumer);
	t_proxy_free(proxy);
}

static void late(struct sgh_queue_probe *probe, int status,
		 const struct sangraha_error *err)
{
	__atomic_store_n(&probe->messages, (uint64_t)-status, __ATOMIC_SEQ_CST);
}

static void a_probe_ends_by_its_deadline(void **state)
{
	struct fixture *f = queue_begin(state);
	struct t_proxy *proxy = queue_through_proxy(f, 0);
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

const struct queue_case queue_cuts_cases[] = {
	CASE(what_was_in_hand_is_redelivered_after_a_cut),
	WIRE(a_pause_lasts_over_a_cut),
	CASE(a_response_queue_keeps_its_name_over_a_cut),
	CASE(every_message_ends_once),
	WIRE(the_broker_may_close_connections),
	WIRE(a_peer_that_stalls_holds_nobody_up),
	WIRE(closing_is_quick_though_the_peer_stalls),
	WIRE(a_silent_peer_is_noticed_by_heartbeat),
	WIRE(a_probe_ends_by_its_deadline),
	{ NULL },
};
