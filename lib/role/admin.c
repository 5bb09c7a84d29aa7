/* SPDX-License-Identifier: MIT */
#include <sangraha/admin.h>

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "base/util.h"
#include "queue/queue.h"
#include "role/sweep.h"

#define SWEEP_MS 30000

struct count {
	struct sgh_queue_probe probe;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct sangraha_error err;
	int status;
	bool done;
};

static void counted(struct sgh_queue_probe *probe, int status,
		    const struct sangraha_error *err)
{
	struct count *count = sgh_container_of(probe, struct count, probe);

	pthread_mutex_lock(&count->lock);
	count->status = status;
	if (status)
		sgh_fail_with(&count->err, status, err);
	count->done = true;
	pthread_cond_signal(&count->changed);
	pthread_mutex_unlock(&count->lock);
}

/* Who was asked in vain is told what the connection knows of it. */
static int fail_asking(struct sangraha_queue *queue, int status,
		       const struct sangraha_error *from, struct sangraha_error *err)
{
	struct sangraha_error why = { 0 };

	if (sgh_status_passing(status) && sangraha_queue_wait_ready(queue, 0, &why) &&
	    why.message[0])
		return sgh_fail(err, status, why.native, "%s", why.message);
	return sgh_fail_with(err, status, from);
}

int sangraha_admin_dead_letters(struct sangraha_queue *queue, const char *queue_name,
				unsigned timeout_ms, uint64_t *ret_count,
				struct sangraha_error *err)
{
	char name[64];
	struct count count = { .probe = { .queue = name, .done = counted } };
	int status;

	if (!queue || !ret_count ||
	    (!sgh_streq(queue_name, SANGRAHA_WRITE_QUEUE) &&
	     !sgh_streq(queue_name, SANGRAHA_READ_QUEUE)))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"only %s and %s have dead letters", SANGRAHA_WRITE_QUEUE,
				SANGRAHA_READ_QUEUE);
	snprintf(name, sizeof(name), "%s.dlq", queue_name);
	count.probe.deadline_ms = sgh_now_ms() + timeout_ms;
	pthread_mutex_init(&count.lock, NULL);
	sgh_cond_init(&count.changed);
	status = sgh_queue_probe(queue, &count.probe, &count.err);
	if (!status) {
		pthread_mutex_lock(&count.lock);
		while (!count.done)
			sgh_cond_wait_until(&count.changed, &count.lock, SGH_NEVER);
		pthread_mutex_unlock(&count.lock);
		status = count.status;
	}
	if (status)
		fail_asking(queue, status, &count.err, err);
	else
		*ret_count = count.probe.messages;
	pthread_cond_destroy(&count.changed);
	pthread_mutex_destroy(&count.lock);
	return status;
}

/* ---- sweeping ---- */

struct sweeping {
	struct sgh_sweep sweep;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;
};

static void swept(struct sgh_sweep *sweep)
{
	struct sweeping *sweeping = sgh_container_of(sweep, struct sweeping, sweep);

	pthread_mutex_lock(&sweeping->lock);
	sweeping->done = true;
	pthread_cond_signal(&sweeping->changed);
	pthread_mutex_unlock(&sweeping->lock);
}

static void wait_for(struct sweeping *sweeping)
{
	pthread_mutex_lock(&sweeping->lock);
	while (!sweeping->done)
		sgh_cond_wait_until(&sweeping->changed, &sweeping->lock, SGH_NEVER);
	pthread_mutex_unlock(&sweeping->lock);
}

int sangraha_admin_sweep(struct sangraha_store *store, struct sangraha_types *types,
			 unsigned timeout_ms, uint64_t *ret_count,
			 struct sangraha_error *err)
{
	struct sweeping sweeping = {
		.sweep = { .store = store, .role = "admin", .done = swept }
	};
	int status = 0;

	if (!store)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "a sweep needs a store");
	sweeping.sweep.context = store->context;
	if (types)
		sweeping.sweep.types = sangraha_types_ref(types);
	else
		status = sangraha_types_new(NULL, &sweeping.sweep.types, err);
	if (status)
		return status;
	sweeping.sweep.until_ms = sgh_now_ms() + (timeout_ms ? timeout_ms : SWEEP_MS);
	pthread_mutex_init(&sweeping.lock, NULL);
	sgh_cond_init(&sweeping.changed);
	sgh_sweep_run(&sweeping.sweep);
	wait_for(&sweeping);
	if (ret_count)
		*ret_count = sweeping.sweep.cleared;
	status = sweeping.sweep.status;
	if (status)
		sgh_fail_with(err, status, &sweeping.sweep.err);
	pthread_cond_destroy(&sweeping.changed);
	pthread_mutex_destroy(&sweeping.lock);
	sgh_sweep_fini(&sweeping.sweep);
	sangraha_types_unref(sweeping.sweep.types);
	return status;
}
