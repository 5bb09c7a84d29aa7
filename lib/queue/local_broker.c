/* SPDX-License-Identifier: MIT */
#include "queue/local_broker.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

#define SERVED_IN_A_TURN 64

void sgh_local_unhold(struct sgh_local *local)
{
	if (__atomic_sub_fetch(&local->holds, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	pthread_cond_destroy(&local->changed);
	pthread_cond_destroy(&local->work);
	pthread_mutex_destroy(&local->lock);
	free(local);
}

void sgh_local_handle_unhold(struct sgh_local_handle *handle)
{
	struct sgh_local *local = handle->local;

	if (__atomic_sub_fetch(&handle->holds, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	sangraha_context_unref(handle->base.context);
	free(handle);
	sgh_local_unhold(local);
}

void sgh_local_wake_locked(struct sgh_local *local)
{
	if (!local->woken)
		pthread_cond_signal(&local->work);
	local->woken = true;
}

/* ---- the thread ---- */

static void empty_trash_locked(struct sgh_local *local)
{
	struct sgh_list trash, *link;

	if (sgh_list_empty(&local->trash))
		return;
	sgh_list_init(&trash);
	sgh_list_splice(&trash, &local->trash);
	/* Whoever is told of the memory may call us. */
	pthread_mutex_unlock(&local->lock);
	while ((link = sgh_list_pop(&trash)))
		sgh_local_item_free(sgh_list_entry(link, struct sgh_local_item, link));
	pthread_mutex_lock(&local->lock);
}

static void earlier(int64_t *next_ms, int64_t at)
{
	if (at < *next_ms)
		*next_ms = at;
}

static void look_after_queues_locked(struct sgh_local *local, int64_t *next_ms)
{
	for (size_t i = 0; i < SGH_LOCAL_QUEUES; i++) {
		struct sgh_local_queue *queue = &local->queues[i];

		if (queue->lets_go && !queue->consumers)
			sgh_local_queue_let_go_locked(local, queue);
		queue->lets_go = false;
		local->busy |= sgh_local_queue_load_locked(local, queue, next_ms);
		earlier(next_ms, sgh_local_queue_expire_locked(local, queue));
		sgh_local_queue_mark_locked(local, queue);
	}
}

/* Whether there is anything left to call back about. */
static bool flies_locked(const struct sgh_local_handle *handle)
{
	sgh_list_for_each (link, &handle->local->flights)
		if (sgh_list_entry(link, struct sgh_local_item, flight)->handle == handle)
			return true;
	return false;
}

/*
 * What was published gets some time to end as it ends; then all is told, what is in hand
 * goes back, and who waits in local_destroy() may go.
 */
static void close_handle_locked(struct sgh_local *local, struct sgh_local_handle *handle,
				int64_t *next_ms)
{
	int64_t until = handle->closing_ms + SGH_LOCAL_CLOSE_MS;

	if (flies_locked(handle)) {
		if (sgh_now_ms() < until) {
			earlier(next_ms, until);
			return;
		}
		sgh_local_give_up_locked(handle);
	}
	local->busy = true;
	if (!sgh_list_empty(&handle->told) || !sgh_list_empty(&handle->probes))
		return;
	sgh_local_give_back_locked(local, handle);
	sgh_list_remove(&handle->link);
	handle->last = sgh_shared_unref(&local->shared);
	local->stop = handle->last;
	if (handle->last && handle->own_end)
		pthread_detach(pthread_self());
	handle->closed = true;
	pthread_cond_broadcast(&local->changed);
	pthread_mutex_unlock(&local->lock);
	sgh_local_handle_unhold(handle);
	pthread_mutex_lock(&local->lock);
}

static void look_after_handles_locked(struct sgh_local *local, int64_t *next_ms)
{
	sgh_list_for_each_safe (link, &local->handles) {
		struct sgh_local_handle *handle =
			sgh_list_entry(link, struct sgh_local_handle, link);

		while (sgh_local_tell_locked(local, handle) ||
		       sgh_local_answer_locked(local, handle))
			local->busy = true;
		/* Only this thread takes handles off the list; new ones come at its end. */
		if (handle->closing_ms)
			close_handle_locked(local, handle, next_ms);
	}
}

static void turn_locked(struct sgh_local *local)
{
	int64_t next_ms = SGH_NEVER;
	unsigned served = 0;

	local->busy = false;
	local->woken = false;
	empty_trash_locked(local);
	sgh_local_finish_locked(local);
	look_after_queues_locked(local, &next_ms);
	earlier(&next_ms, sgh_local_retry_locked(local));
	earlier(&next_ms, sgh_local_late_locked(local));
	look_after_handles_locked(local, &next_ms);
	while (served < SERVED_IN_A_TURN && sgh_local_serve_locked(local, &next_ms))
		served++;
	if (!local->busy && !served && !local->woken && !local->stop)
		sgh_cond_wait_until(&local->work, &local->lock, next_ms);
}

static void *run(void *arg)
{
	struct sgh_local *local = arg;

	pthread_mutex_lock(&local->lock);
	while (!local->stop)
		turn_locked(local);
	/* One more try for what the disk did not take; then we know what it has. */
	local->retry_ms = 0;
	sgh_local_retry_locked(local);
	while (local->outstanding) {
		pthread_mutex_unlock(&local->lock);
		sgh_local_journal_flush(local);
		pthread_mutex_lock(&local->lock);
		sgh_local_finish_locked(local);
	}
	pthread_mutex_unlock(&local->lock);
	sgh_local_journal_close(local);
	sgh_local_discard(local);
	sgh_shared_closed(&local->shared);
	sgh_local_unhold(local);
	return NULL;
}

/* ---- life ---- */

static struct sgh_local *local_new(struct sangraha_context *context)
{
	struct sgh_local *local = calloc(1, sizeof(*local));

	if (!local)
		return NULL;
	local->holds = 1;
	local->context = context;
	local->window_bytes = sgh_budget_limit(context->budget) / 4;
	local->late_ms = SGH_NEVER;
	local->gauge = sgh_metrics_gauge(context->metrics, "sangraha_breaker_state",
					 "dependency=\"broker\"");
	sgh_metric_set(local->gauge, 0);
	pthread_mutex_init(&local->lock, NULL);
	sgh_cond_init(&local->work);
	sgh_cond_init(&local->changed);
	sgh_list_init(&local->own);
	sgh_list_init(&local->handles);
	sgh_list_init(&local->consumers);
	sgh_list_init(&local->deliveries);
	sgh_list_init(&local->flights);
	sgh_list_init(&local->finished);
	sgh_list_init(&local->retries);
	sgh_list_init(&local->trash);
	for (size_t i = 0; i < SGH_LOCAL_QUEUES; i++)
		sgh_local_queue_init(&local->queues[i], &sgh_local_rows[i]);
	return local;
}

struct opening {
	struct sangraha_context *context;
	const char *path;
};

static int open_local(void *arg, struct sgh_shared **ret, struct sangraha_error *err)
{
	const struct opening *opening = arg;
	struct sgh_local *local = local_new(opening->context);
	int rc;

	if (!local)
		return sgh_fail_memory(err);
	rc = sgh_local_journal_open(local, opening->path, err);
	if (!rc)
		rc = sgh_thread_start(&local->thread, "sgh-queue", run, local, err);
	if (rc) {
		sgh_local_journal_close(local);
		sgh_local_unhold(local);
		return rc;
	}
	*ret = &local->shared;
	return 0;
}

int sgh_local_get(struct sangraha_context *context, const char *path,
		  struct sgh_local **ret, struct sangraha_error *err)
{
	struct opening opening = { .context = context, .path = path };
	sgh_autofree char *name = NULL;
	struct sgh_shared *shared = NULL;
	int rc;

	if (asprintf(&name, "queue:%s", path) < 0) {
		name = NULL;
		return sgh_fail_memory(err);
	}
	rc = sgh_shared_get(context, name, open_local, &opening, &shared, err);
	if (!rc)
		*ret = sgh_container_of(shared, struct sgh_local, shared);
	return rc;
}
