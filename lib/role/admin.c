/* SPDX-License-Identifier: MIT */
#include <sangraha/admin.h>

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "queue/queue.h"
#include "role/sweep.h"
#include "role/wait.h"

#define SWEEP_MS 30000

struct count {
	struct sgh_queue_probe probe;
	struct sgh_outcome outcome;
};

static void counted(struct sgh_queue_probe *probe, int status,
		    const struct sangraha_error *err)
{
	struct count *count = sgh_container_of(probe, struct count, probe);

	sgh_outcome_tell(&count->outcome, status, err);
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
	struct sangraha_error why = { 0 };
	int status;

	if (!queue || !ret_count ||
	    (!sgh_streq(queue_name, SANGRAHA_WRITE_QUEUE) &&
	     !sgh_streq(queue_name, SANGRAHA_READ_QUEUE)))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"only %s and %s have dead letters", SANGRAHA_WRITE_QUEUE,
				SANGRAHA_READ_QUEUE);
	snprintf(name, sizeof(name), "%s.dlq", queue_name);
	count.probe.deadline_ms = sgh_now_ms() + timeout_ms;
	sgh_outcome_init(&count.outcome);
	status = sgh_queue_probe(queue, &count.probe, &why);
	if (!status)
		status = sgh_outcome_wait(&count.outcome, &why);
	if (status)
		fail_asking(queue, status, &why, err);
	else
		*ret_count = count.probe.messages;
	sgh_outcome_fini(&count.outcome);
	return status;
}

/* ---- sweeping ---- */

struct sweeping {
	struct sgh_sweep sweep;
	struct sgh_outcome outcome;
};

static void swept(struct sgh_sweep *sweep)
{
	struct sweeping *sweeping = sgh_container_of(sweep, struct sweeping, sweep);

	sgh_outcome_tell(&sweeping->outcome, sweep->status, &sweep->err);
}

int sangraha_admin_sweep(struct sangraha_store *store, struct sangraha_types *types,
			 unsigned timeout_ms, uint64_t *ret_count,
			 struct sangraha_error *err)
{
	struct sweeping sweeping = {
		.sweep = { .errand.store = store, .role = "admin", .done = swept }
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
	sweeping.sweep.errand.until_ms =
		sgh_now_ms() + (timeout_ms ? timeout_ms : SWEEP_MS);
	sgh_outcome_init(&sweeping.outcome);
	sgh_sweep_run(&sweeping.sweep);
	status = sgh_outcome_wait(&sweeping.outcome, err);
	if (ret_count)
		*ret_count = sweeping.sweep.cleared;
	sgh_outcome_fini(&sweeping.outcome);
	sgh_sweep_fini(&sweeping.sweep);
	sangraha_types_unref(sweeping.sweep.types);
	return status;
}
