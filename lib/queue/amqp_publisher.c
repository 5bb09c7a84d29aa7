/* SPDX-License-Identifier: MIT */
#include "queue/amqp_publisher.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "base/util.h"
#include "queue/amqp_publishing.h"
#include "queue/amqp_table.h"

/* ---- submitting, from any thread ---- */

int sgh_amqp_impatient(struct sgh_amqp_publisher *publisher, struct sangraha_error *err)
{
	struct sangraha_error why;
	int64_t now = sgh_now_ms();
	int64_t since = sgh_amqp_conn_down_since(&publisher->conn, &why);
	int rc = 0;

	if (since && now - since >= SGH_AMQP_PATIENCE_MS)
		return sgh_fail_with(err, SANGRAHA_E_UNAVAILABLE, &why);
	pthread_mutex_lock(&publisher->s.lock);
	if (publisher->s.blocked_ms &&
	    now - publisher->s.blocked_ms >= SGH_AMQP_PATIENCE_MS)
		rc = sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
			      "the broker blocks publishers: %s", publisher->s.blocked);
	pthread_mutex_unlock(&publisher->s.lock);
	return rc;
}

static int check(struct sgh_publish *publish, struct sangraha_error *err)
{
	publish->size = sgh_amqp_properties_size(publish->message);
	if (strlen(publish->exchange) > SGH_SHORT_MAX ||
	    strlen(publish->routing_key) > SGH_SHORT_MAX || publish->size == 0)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a property of the message is longer than %d bytes",
				SGH_SHORT_MAX);
	if (publish->size > SGH_HEADER_BYTES_MAX)
		return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0,
				"the headers of the message are larger than %d bytes",
				SGH_HEADER_BYTES_MAX);
	return 0;
}

/* What was submitted is to be taken; true: the thread is to be told of it. */
static bool ring_locked(struct sgh_amqp_publisher *publisher)
{
	bool wake = !publisher->s.rung;

	publisher->s.rung = true;
	return wake;
}

/* Until when it is held, at most; true likewise. */
static bool hold_locked(struct sgh_amqp_publisher *publisher, unsigned held_ms)
{
	int64_t until = sgh_now_ms() + held_ms;

	if (publisher->s.rung || until >= publisher->s.held_ms)
		return false;
	publisher->s.held_ms = until;
	return true;
}

int sgh_amqp_publisher_publish(struct sgh_amqp_publisher *publisher,
			       struct sgh_publish *publish, struct sangraha_error *err)
{
	bool wake = false;
	int rc = check(publish, err);

	if (!rc)
		rc = sgh_amqp_impatient(publisher, err);
	if (rc)
		return rc;
	publish->state = SGH_AMQP_WAITING;
	publish->tag = (uint64_t)sgh_now_ms();
	publish->sent = 0;
	publish->way = NULL;
	pthread_mutex_lock(&publisher->s.lock);
	if (publisher->s.finished) {
		rc = sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0, "the queue is closed");
	} else if (publisher->s.in_hand >= SGH_PUBLISH_MAX) {
		rc = sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
			      "%d messages wait to be published", SGH_PUBLISH_MAX);
	} else {
		sgh_list_append(&publisher->s.publishes, &publish->link);
		if (!publish->held)
			wake = ring_locked(publisher);
		else if (publish->held_ms)
			wake = hold_locked(publisher, publish->held_ms);
		publisher->s.in_hand++;
		if (publish->deadline_ms < publisher->s.deadline_ms)
			publisher->s.deadline_ms = publish->deadline_ms;
	}
	pthread_mutex_unlock(&publisher->s.lock);
	if (wake)
		sgh_amqp_conn_wake(&publisher->conn);
	return rc;
}

void sgh_amqp_publisher_go_on(struct sgh_amqp_publisher *publisher)
{
	bool wake;

	pthread_mutex_lock(&publisher->s.lock);
	wake = !sgh_list_empty(&publisher->s.publishes) && ring_locked(publisher);
	pthread_mutex_unlock(&publisher->s.lock);
	if (wake)
		sgh_amqp_conn_wake(&publisher->conn);
}

/* Nobody is woken: who expects something looks when it comes. */
void sgh_amqp_publisher_expect(struct sgh_amqp_publisher *publisher,
			       const char *queue_name)
{
	int64_t now = sgh_now_us();

	pthread_mutex_lock(&publisher->s.lock);
	for (size_t i = 0; i < SGH_COUNT(publisher->s.expected); i++) {
		struct sgh_amqp_expected *expected = &publisher->s.expected[i];

		if (expected->count && !sgh_streq(expected->queue_name, queue_name))
			continue;
		expected->queue_name = queue_name;
		expected->count++;
		expected->told_us = now;
		break;
	}
	pthread_mutex_unlock(&publisher->s.lock);
}

int sgh_amqp_publisher_probe(struct sgh_amqp_publisher *publisher,
			     struct sgh_queue_probe *probe, struct sangraha_error *err)
{
	int rc = sgh_amqp_impatient(publisher, err);

	if (rc)
		return rc;
	pthread_mutex_lock(&publisher->s.lock);
	if (publisher->s.finished) {
		rc = sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0, "the queue is closed");
	} else {
		sgh_list_append(&publisher->s.probes, &probe->link);
		if (probe->deadline_ms < publisher->s.deadline_ms)
			publisher->s.deadline_ms = probe->deadline_ms;
	}
	pthread_mutex_unlock(&publisher->s.lock);
	if (!rc)
		sgh_amqp_conn_wake(&publisher->conn);
	return rc;
}

static bool is_blocked(struct sgh_amqp_publisher *publisher)
{
	bool blocked;

	pthread_mutex_lock(&publisher->s.lock);
	blocked = publisher->s.blocked_ms != 0;
	pthread_mutex_unlock(&publisher->s.lock);
	return blocked;
}

bool sgh_amqp_publisher_ready(struct sgh_amqp_publisher *publisher)
{
	return !sgh_amqp_conn_down_since(&publisher->conn, NULL) &&
	       !is_blocked(publisher);
}

int sgh_amqp_publisher_wait(struct sgh_amqp_publisher *publisher, unsigned timeout_ms,
			    struct sangraha_error *err)
{
	struct sgh_amqp_conn *conn = &publisher->conn;
	int64_t until = sgh_now_ms() + timeout_ms;
	bool in_time = true;
	int rc = 0;

	/* Blocking and unblocking broadcast under the connection's lock too. */
	pthread_mutex_lock(&conn->s.lock);
	while (in_time && (!conn->s.connected || is_blocked(publisher)))
		in_time = sgh_cond_wait_until(&conn->s.cond, &conn->s.lock, until);
	if (!conn->s.connected)
		rc = sgh_fail(err, SANGRAHA_E_TIMEOUT, conn->s.error.native, "%s",
			      conn->s.error.message);
	else if (is_blocked(publisher))
		rc = sgh_fail(err, SANGRAHA_E_TIMEOUT, 0, "the broker blocks publishers");
	pthread_mutex_unlock(&conn->s.lock);
	return rc;
}

void sgh_amqp_take_submitted(struct sgh_amqp_publisher *publisher, int64_t now)
{
	struct sgh_amqp_expected expected[SGH_AMQP_EXPECTED];
	struct sgh_list submitted;

	sgh_list_init(&submitted);
	pthread_mutex_lock(&publisher->s.lock);
	sgh_list_splice(&publisher->asking, &publisher->s.probes);
	sgh_amqp_note(publisher, publisher->s.deadline_ms);
	/* If nobody has rung, all of them are held. */
	if (publisher->s.rung || publisher->s.finished || publisher->s.held_ms <= now ||
	    publisher->s.deadline_ms <= now) {
		sgh_list_splice(&submitted, &publisher->s.publishes);
		publisher->s.held_ms = SGH_NEVER;
		publisher->s.rung = false;
	}
	/* Of those that are left it is noted once more when they are taken. */
	if (sgh_list_empty(&publisher->s.publishes))
		publisher->s.deadline_ms = SGH_NEVER;
	publisher->held_ms = publisher->s.held_ms;
	memcpy(expected, publisher->s.expected, sizeof(expected));
	memset(publisher->s.expected, 0, sizeof(publisher->s.expected));
	pthread_mutex_unlock(&publisher->s.lock);
	for (size_t i = 0; i < SGH_AMQP_EXPECTED; i++)
		sgh_amqp_expect(publisher, &expected[i]);
	sgh_amqp_sort(publisher, &submitted);
}

/* ---- the life of the connection ---- */

static int open_channels(struct sgh_amqp_conn *conn, struct sangraha_error *err)
{
	struct sgh_amqp_publisher *publisher = sgh_amqp_publisher_of(conn);
	amqp_channel_open_t open = { 0 };
	amqp_confirm_select_t confirm = { 0 };
	int rc = 0;

	for (unsigned channel = SGH_AMQP_CONFIRMED; channel <= SGH_AMQP_ASKING && !rc;
	     channel++)
		rc = sgh_amqp_call(conn, channel, AMQP_CHANNEL_OPEN_METHOD, &open,
				   AMQP_CHANNEL_OPEN_OK_METHOD, NULL, err);
	if (!rc)
		rc = sgh_amqp_declare_all(conn, SGH_AMQP_ASKING, &publisher->complained,
					  err);
	if (!rc)
		rc = sgh_amqp_call(conn, SGH_AMQP_CONFIRMED, AMQP_CONFIRM_SELECT_METHOD,
				   &confirm, AMQP_CONFIRM_SELECT_OK_METHOD, NULL, err);
	for (unsigned channel = SGH_AMQP_CONFIRMED; channel <= SGH_AMQP_ASKING; channel++)
		publisher->open[channel] = true;
	return rc;
}

static void on_opened(struct sgh_amqp_conn *conn)
{
	struct sgh_amqp_publisher *publisher = sgh_amqp_publisher_of(conn);

	sgh_amqp_confirms_reset(&publisher->confirms);
	memset(publisher->returning, 0, sizeof(publisher->returning));
}

static bool on_reads(struct sgh_amqp_conn *conn)
{
	return true;
}

static void on_lost(struct sgh_amqp_conn *conn, const struct sangraha_error *err)
{
	struct sgh_amqp_publisher *publisher = sgh_amqp_publisher_of(conn);
	struct sgh_queue_probe *probe = sgh_take(publisher->probed);

	publisher->probing = false;
	sgh_amqp_publisher_forget_blocked(publisher);
	sgh_amqp_unwrite(publisher);
	sgh_amqp_end_sent(publisher, err, false);
	if (probe)
		probe->done(probe, SANGRAHA_E_UNAVAILABLE, err);
}

static void on_finish(struct sgh_amqp_conn *conn)
{
	struct sgh_amqp_publisher *publisher = sgh_amqp_publisher_of(conn);
	struct sangraha_error err;
	struct sgh_list *link;

	sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0, "the queue was closed");
	pthread_mutex_lock(&publisher->s.lock);
	publisher->s.finished = true;
	pthread_mutex_unlock(&publisher->s.lock);
	sgh_amqp_take_submitted(publisher, sgh_now_ms());
	sgh_amqp_disband(publisher);
	while ((link = sgh_list_pop(&publisher->waiting)))
		sgh_amqp_done(publisher, sgh_list_entry(link, struct sgh_publish, link),
			      SANGRAHA_E_UNAVAILABLE, &err);
	while ((link = sgh_list_pop(&publisher->asking))) {
		struct sgh_queue_probe *probe =
			sgh_list_entry(link, struct sgh_queue_probe, link);

		probe->done(probe, SANGRAHA_E_UNAVAILABLE, &err);
	}
}

static void on_released(struct sgh_amqp_conn *conn)
{
	struct sgh_amqp_publisher *publisher = sgh_amqp_publisher_of(conn);

	publisher->released(publisher->owner);
}

static const struct sgh_amqp_conn_ops publisher_ops = {
	.purpose = "publish",
	.asking = SGH_AMQP_ASKING,
	.open = open_channels,
	.opened = on_opened,
	.frame = sgh_amqp_publisher_frame,
	.blocked = sgh_amqp_publisher_blocked,
	.turn = sgh_amqp_publisher_turn,
	.reads = on_reads,
	.lost = on_lost,
	.finish = on_finish,
	.released = on_released,
};

int sgh_amqp_publisher_new(const struct sgh_amqp_settings *settings,
			   void (*released)(void *owner), void *owner,
			   struct sgh_amqp_publisher **ret, struct sangraha_error *err)
{
	struct sgh_amqp_publisher *publisher = calloc(1, sizeof(*publisher));
	int rc;

	if (!publisher)
		return sgh_fail_memory(err);
	publisher->released = released;
	publisher->owner = owner;
	publisher->deadline_ms = SGH_NEVER;
	publisher->s.deadline_ms = SGH_NEVER;
	publisher->s.held_ms = SGH_NEVER;
	sgh_list_init(&publisher->waiting);
	sgh_amqp_ways_init(publisher);
	sgh_list_init(&publisher->asking);
	sgh_list_init(&publisher->s.publishes);
	sgh_list_init(&publisher->s.probes);
	sgh_amqp_confirms_reset(&publisher->confirms);
	pthread_mutex_init(&publisher->s.lock, NULL);
	publisher->conn.gauge =
		sgh_metrics_gauge(settings->context->metrics, "sangraha_breaker_state",
				  "dependency=\"broker\"");
	sgh_metric_set(publisher->conn.gauge, 2);
	rc = sgh_amqp_conn_init(&publisher->conn, &publisher_ops, settings, err);
	if (rc) {
		sgh_amqp_publisher_free(publisher);
		return rc;
	}
	*ret = publisher;
	return 0;
}

int sgh_amqp_publisher_start(struct sgh_amqp_publisher *publisher,
			     struct sangraha_error *err)
{
	return sgh_amqp_conn_start(&publisher->conn, err);
}

void sgh_amqp_publisher_stop(struct sgh_amqp_publisher *publisher)
{
	sgh_amqp_conn_stop(&publisher->conn);
}

void sgh_amqp_publisher_free(struct sgh_amqp_publisher *publisher)
{
	if (!publisher)
		return;
	sgh_amqp_confirms_fini(&publisher->confirms);
	sgh_bytes_unref(publisher->writing.body);
	sgh_amqp_conn_fini(&publisher->conn);
	pthread_mutex_destroy(&publisher->s.lock);
	free(publisher);
}
