/* SPDX-License-Identifier: MIT */
#include <sangraha/admin.h>

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "base/util.h"
#include "queue/queue.h"

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
	status = sgh_queue_probe(queue, &count.probe, err);
	if (!status) {
		pthread_mutex_lock(&count.lock);
		while (!count.done)
			sgh_cond_wait_until(&count.changed, &count.lock, SGH_NEVER);
		pthread_mutex_unlock(&count.lock);
		status = count.status;
		if (status)
			sgh_fail_with(err, status, &count.err);
		else
			*ret_count = count.probe.messages;
	}
	pthread_cond_destroy(&count.changed);
	pthread_mutex_destroy(&count.lock);
	return status;
}
