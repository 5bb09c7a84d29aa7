/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "base/util.h"
#include "queue/amqp_conn.h"
#include "queue/amqp_dial.h"

/*
 * Which of the brokers to talk to: the one that answers first. They are dialled one after
 * another, those that failed last come last, and none waits for the end of the one before
 * for longer than STAGGER_MS. One that says nothing is dialled again beside the attempt
 * that hangs, so that it is found within a second of its return.
 */

#define STAGGER_MS 250
#define AGAIN_MS   1000

/* ---- gauges ---- */

enum gauge {
	CLOSED = 0,
	HALF_OPEN = 1,
	OPEN = 2,
};

int sgh_amqp_endpoints_new(struct sgh_amqp_settings *settings, struct sangraha_error *err)
{
	settings->endpoints = calloc(settings->url_count, sizeof(*settings->endpoints));
	if (!settings->endpoints)
		return sgh_fail_memory(err);
	for (size_t i = 0; i < settings->url_count; i++) {
		char name[300], labels[400];
		size_t n = 0;

		for (const char *c = settings->urls[i].name; *c && n < sizeof(name) - 1;
		     c++)
			name[n++] = *c > ' ' && *c != '"' && *c != '\\' ? *c : '_';
		name[n] = '\0';
		snprintf(labels, sizeof(labels), "dependency=\"broker\",endpoint=\"%s\"",
			 name);
		settings->endpoints[i].gauge = sgh_metrics_gauge(
			settings->context->metrics, "sangraha_breaker_state", labels);
	}
	return 0;
}

static void fail_endpoint(struct sgh_amqp_conn *conn, size_t i)
{
	struct sgh_amqp_attempts *attempts = &conn->attempts[i];
	struct sgh_amqp_endpoint *endpoint = &conn->settings->endpoints[i];
	int64_t now = sgh_now_ms();

	attempts->next_ms = now + sgh_backoff_next(&attempts->backoff);
	__atomic_store_n(&endpoint->failed_ms, now, __ATOMIC_RELAXED);
	sgh_metric_set(endpoint->gauge, OPEN);
	/* The next one need not wait for its turn. */
	conn->dialled_ms = 0;
}

void sgh_amqp_endpoint_failed(struct sgh_amqp_conn *conn, size_t i, bool lasted)
{
	if (lasted)
		sgh_backoff_reset(&conn->attempts[i].backoff);
	fail_endpoint(conn, i);
	sgh_metric_set(conn->gauge, OPEN);
}

void sgh_amqp_endpoint_serves(struct sgh_amqp_conn *conn, size_t i)
{
	sgh_metric_set(conn->settings->endpoints[i].gauge, CLOSED);
	sgh_metric_set(conn->gauge, CLOSED);
}

/* ---- attempts ---- */

static struct sgh_amqp_dial **find_slot(struct sgh_amqp_attempts *attempts, bool taken)
{
	for (size_t i = 0; i < SGH_COUNT(attempts->dials); i++)
		if (!attempts->dials[i] != taken)
			return &attempts->dials[i];
	return NULL;
}

/* Those under way keep their places, or each cut would add threads to a name that hangs. */
static void hang_up(struct sgh_amqp_attempts *attempts)
{
	for (size_t n = 0; n < SGH_COUNT(attempts->dials); n++)
		if (attempts->dials[n] && sgh_amqp_dial_hang_up(attempts->dials[n]))
			sgh_amqp_dial_free(sgh_take(attempts->dials[n]));
}

void sgh_amqp_leave(struct sgh_amqp_conn *conn)
{
	for (size_t i = 0; conn->attempts && i < conn->settings->url_count; i++) {
		struct sgh_amqp_dial **slot;

		while ((slot = find_slot(&conn->attempts[i], true)))
			sgh_amqp_dial_free(sgh_take(*slot));
	}
}

/* The failure of one attempt; what callers are told is the last of any. */
static void attempt_failed(struct sgh_amqp_conn *conn, size_t i,
			   const struct sangraha_error *why)
{
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, why->native,
		 "cannot connect to the broker at %s: %s", conn->settings->urls[i].name,
		 why->message);
	fail_endpoint(conn, i);
	sgh_amqp_down(conn, i, "unreachable", &err);
}

static bool copy_target(struct sgh_amqp_conn *conn, size_t i,
			struct sgh_amqp_target *target)
{
	const struct sgh_amqp_settings *settings = conn->settings;

	target->heartbeat = settings->heartbeat;
	target->url = sgh_amqp_url_copy(&settings->urls[i]);
	if (asprintf(&target->name, "%.200s (%s)", settings->connection_name,
		     conn->ops->purpose) < 0)
		target->name = NULL;
	return sgh_strdup(settings->ca_file, &target->ca_file) && target->url &&
	       target->name;
}

static void begin(struct sgh_amqp_conn *conn, size_t i, int64_t now)
{
	struct sgh_amqp_endpoint *endpoint = &conn->settings->endpoints[i];
	struct sgh_amqp_attempts *attempts = &conn->attempts[i];
	struct sgh_amqp_dial **slot = find_slot(attempts, false);
	struct sgh_amqp_target target = { 0 };
	struct sangraha_error err;
	int rc = copy_target(conn, i, &target) ? 0 : sgh_fail_memory(&err);

	if (rc)
		sgh_amqp_target_fini(&target);
	else
		rc = sgh_amqp_dial(&target, conn->bell.fd, slot, &err);
	conn->dialled_ms = now;
	attempts->began_ms = now;
	if (rc) {
		attempt_failed(conn, i, &err);
		return;
	}
	if (__atomic_load_n(&endpoint->failed_ms, __ATOMIC_RELAXED))
		sgh_metric_set(endpoint->gauge, HALF_OPEN);
	sgh_metric_set(conn->gauge, HALF_OPEN);
}

/* Look at the attempts of an endpoint; true when one of them got a line. */
static bool collect(struct sgh_amqp_conn *conn, size_t i, struct sgh_amqp_line *ret)
{
	struct sgh_amqp_attempts *attempts = &conn->attempts[i];

	for (size_t n = 0; n < SGH_COUNT(attempts->dials); n++) {
		struct sangraha_error err = { 0 };
		struct sgh_amqp_dial *dial = attempts->dials[n];
		int rc;

		if (!dial || !sgh_amqp_dial_ended(dial))
			continue;
		attempts->dials[n] = NULL;
		if (sgh_amqp_dial_unwanted(dial)) {
			sgh_amqp_dial_free(dial);
			continue;
		}
		rc = sgh_amqp_dial_take(dial, ret, &err);
		sgh_amqp_dial_free(dial);
		if (!rc)
			return true;
		attempt_failed(conn, i, &err);
	}
	return false;
}

/* When an endpoint may be dialled (again). */
static int64_t due(struct sgh_amqp_attempts *attempts)
{
	if (!find_slot(attempts, true))
		return attempts->next_ms;
	if (!find_slot(attempts, false))
		return SGH_NEVER;
	return attempts->began_ms + AGAIN_MS > attempts->next_ms
		       ? attempts->began_ms + AGAIN_MS
		       : attempts->next_ms;
}

/* Dial the best of those that may be dialled now; returns when to look again. */
static int64_t dial_next(struct sgh_amqp_conn *conn, int64_t now)
{
	const struct sgh_amqp_settings *settings = conn->settings;
	int64_t next = SGH_NEVER, best_failed = SGH_NEVER;
	size_t best = settings->url_count;

	if (now < conn->dialled_ms + STAGGER_MS)
		return conn->dialled_ms + STAGGER_MS;
	for (size_t i = 0; i < settings->url_count; i++) {
		int64_t failed = __atomic_load_n(&settings->endpoints[i].failed_ms,
						 __ATOMIC_RELAXED);
		int64_t at = due(&conn->attempts[i]);

		if (at > now && at < next)
			next = at;
		if (at <= now && failed < best_failed) {
			best = i;
			best_failed = failed;
		}
	}
	if (best == settings->url_count)
		return next;
	begin(conn, best, now);
	return conn->dialled_ms + STAGGER_MS;
}

/* An attempt without an answer for that long is no sign of life. */
static void note_silence(struct sgh_amqp_conn *conn, int64_t now)
{
	bool young = false;

	for (size_t i = 0; i < conn->settings->url_count; i++) {
		struct sgh_amqp_attempts *attempts = &conn->attempts[i];
		struct sgh_amqp_endpoint *endpoint = &conn->settings->endpoints[i];

		if (!find_slot(attempts, true))
			continue;
		if (now < attempts->began_ms + STAGGER_MS) {
			young = true;
			continue;
		}
		__atomic_store_n(&endpoint->failed_ms, now, __ATOMIC_RELAXED);
		sgh_metric_set(endpoint->gauge, OPEN);
	}
	if (!young)
		sgh_metric_set(conn->gauge, OPEN);
}

/* Until `until`, or somebody wakes the connection. */
static void rest(struct sgh_amqp_conn *conn, int64_t until)
{
	int64_t next = conn->ops->turn(conn, sgh_now_ms());

	sgh_amqp_nap(conn, NULL, until < next ? until : next);
}

int sgh_amqp_reach(struct sgh_amqp_conn *conn, struct sgh_amqp_line *ret)
{
	int found = -1;

	while (found < 0 && !sgh_amqp_stopping(conn)) {
		int64_t now = sgh_now_ms();

		for (size_t i = 0; i < conn->settings->url_count && found < 0; i++)
			if (collect(conn, i, ret))
				found = (int)i;
		if (found >= 0)
			break;
		note_silence(conn, now);
		rest(conn, dial_next(conn, now));
	}
	for (size_t i = 0; i < conn->settings->url_count; i++)
		hang_up(&conn->attempts[i]);
	return found;
}
