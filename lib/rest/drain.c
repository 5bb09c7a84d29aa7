/* SPDX-License-Identifier: MIT */
#include <sangraha/rest.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "rest/acceptor.h"
#include "rest/connection.h"
#include "rest/server.h"

/*
 * Leaving without a request that fails: say so to who asks for readiness, while the door is
 * still open; close the door; answer what is on its way, each connection's last; and end at
 * last the connections over which nothing came.
 */

/* A balancer may want to hear it several times before it believes it. */
#define TOLD_ENOUGH 3
/* Over the time between two of its questions, before it counts as gone. */
#define POLL_GRACE_MS 100

bool sgh_drain_polled(struct sangraha_rest *rest)
{
	int64_t now = sgh_now_ms();
	bool draining;

	pthread_mutex_lock(&rest->state.lock);
	draining = __atomic_load_n(&rest->draining, __ATOMIC_RELAXED);
	if (rest->state.polled_ms)
		rest->state.poll_every_ms = now - rest->state.polled_ms + 1;
	rest->state.polled_ms = now;
	rest->state.told += draining;
	pthread_cond_broadcast(&rest->state.idle);
	pthread_mutex_unlock(&rest->state.lock);
	return draining;
}

/* Whether somebody asks for readiness again and again, and is about to do so. */
static bool is_polled_locked(const struct sangraha_rest *rest, int64_t now)
{
	return rest->state.poll_every_ms &&
	       now - rest->state.polled_ms <=
		       2 * rest->state.poll_every_ms + POLL_GRACE_MS;
}

static void announce(struct sangraha_rest *rest, int64_t until)
{
	pthread_mutex_lock(&rest->state.lock);
	__atomic_store_n(&rest->draining, true, __ATOMIC_SEQ_CST);
	if (is_polled_locked(rest, sgh_now_ms()))
		while (rest->state.told < TOLD_ENOUGH &&
		       sgh_cond_wait_until(&rest->state.idle, &rest->state.lock, until))
			;
	pthread_mutex_unlock(&rest->state.lock);
}

/* Until no connection is left, and every answer was the last of one. */
static void await_clients(struct sangraha_rest *rest, int64_t until)
{
	pthread_mutex_lock(&rest->state.lock);
	while (rest->state.open &&
	       sgh_cond_wait_until(&rest->state.idle, &rest->state.lock, until))
		;
	pthread_mutex_unlock(&rest->state.lock);
}

/* How many requests are left; one whose header still arrives counts as one. */
static unsigned await_requests(struct sangraha_rest *rest, int64_t until)
{
	unsigned left;

	pthread_mutex_lock(&rest->state.lock);
	while (!sgh_list_empty(&rest->state.requests) &&
	       sgh_cond_wait_until(&rest->state.idle, &rest->state.lock, until))
		;
	left = rest->state.in_flight;
	pthread_mutex_unlock(&rest->state.lock);
	return left;
}

int sangraha_rest_drain(struct sangraha_rest *rest, unsigned timeout_ms,
			struct sangraha_error *err)
{
	int64_t now = sgh_now_ms();
	unsigned left;

	if (!rest)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "There is no server");
	announce(rest, now + timeout_ms / 4);
	sgh_acceptor_stop_listening(rest);
	await_clients(rest, now + timeout_ms / 2);
	sgh_connection_end_idle(rest);
	left = await_requests(rest, now + timeout_ms);
	if (left)
		return sgh_fail(err, SANGRAHA_E_TIMEOUT, 0,
				"%u requests are not answered yet", left);
	return 0;
}
