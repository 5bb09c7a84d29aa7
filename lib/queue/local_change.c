/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "queue/local_broker.h"
#include "wire/message_bytes.h"

#define COMPLAIN_MS 10000
#define PROBE_ROOM  (64 << 10) /* bytes; who has less than that is full */
#define HANGS_MS    5000       /* a disk that takes so long is not waited for */

static struct sgh_local_item *item_of(struct sgh_local_change *change)
{
	return sgh_container_of(change, struct sgh_local_item, change);
}

void sgh_local_item_free(struct sgh_local_item *item)
{
	sgh_bytes_unref(item->body);
	free(item->meta);
	free(item);
}

void sgh_local_trash_locked(struct sgh_local *local, struct sgh_local_item *item)
{
	sgh_list_append(&local->trash, &item->link);
	sgh_local_wake_locked(local);
}

/* ---- to the database and back ---- */

static void on_done(struct sgh_db_job *job, int status, const struct sangraha_error *err)
{
	struct sgh_local_change *change =
		sgh_container_of(job, struct sgh_local_change, job);
	struct sgh_local *local = change->local;

	pthread_mutex_lock(&local->lock);
	change->status = status;
	if (status)
		sgh_fail_with(&local->why, status, err);
	sgh_list_append(&local->finished, &change->link);
	sgh_local_wake_locked(local);
	pthread_mutex_unlock(&local->lock);
}

/* All but new messages, and what finds out whether there is room for those. */
static bool frees(const struct sgh_local_change *change)
{
	if (change->job.run == sgh_local_run_probe)
		return false;
	return change->job.run != sgh_local_run_insert ||
	       sgh_container_of(change, struct sgh_local_item, change)->frees;
}

void sgh_local_submit_locked(struct sgh_local *local, struct sgh_local_change *change,
			     int (*run)(struct sgh_db_job *job, struct sgh_db *db,
					struct sangraha_error *err),
			     void (*finish)(struct sgh_local_change *change), bool lazy)
{
	if (local->outstanding++ == 0)
		local->moved_ms = sgh_now_ms();
	change->local = local;
	change->finish = finish;
	sgh_list_init(&change->link);
	change->job.run = run;
	change->job.done = on_done;
	change->job.lazy = lazy;
	change->job.frees = frees(change);
	change->job.room = run == sgh_local_run_probe ? PROBE_ROOM : 0;
	sgh_db_submit(local->db, &change->job);
}

static void complain_locked(struct sgh_local *local, const char *what)
{
	struct sangraha_error why = local->why;

	if (local->complained_ms && sgh_now_ms() - local->complained_ms < COMPLAIN_MS)
		return;
	local->complained_ms = sgh_now_ms();
	pthread_mutex_unlock(&local->lock);
	sgh_log(local->context, SANGRAHA_LOG_ERROR, "queue", "disk", "%s: %s", what,
		why.message);
	pthread_mutex_lock(&local->lock);
}

static void health_locked(struct sgh_local *local, const struct sgh_local_change *change)
{
	bool failed = local->failing;
	int status = change->status;

	/* What makes room is written where nothing else is. */
	if (!status && change->job.frees)
		return;
	local->failing = status != 0;
	if (status) {
		if (!failed)
			local->retry_ms =
				sgh_now_ms() + sgh_backoff_next(&local->backoff);
		complain_locked(local, "what is published is refused until it can be "
				       "written");
	} else if (failed) {
		sgh_backoff_reset(&local->backoff);
		local->retry_ms = sgh_now_ms();
		pthread_cond_broadcast(&local->changed);
	}
	if (failed != local->failing)
		sgh_metric_set(local->gauge, local->failing ? 2 : 0);
}

/*
 * A page under a message that is there already is damaged. To try again helps nobody, and
 * tells nothing about what is published. It stays where it is, until the next open.
 */
static bool is_damaged(const struct sgh_local_change *change)
{
	return change->status == SANGRAHA_E_INTERNAL &&
	       (change->job.run == sgh_local_run_erase ||
		change->job.run == sgh_local_run_aside ||
		change->job.run == sgh_local_run_move ||
		change->job.run == sgh_local_run_due);
}

void sgh_local_finish_locked(struct sgh_local *local)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(&local->finished))) {
		struct sgh_local_change *change =
			sgh_list_entry(link, struct sgh_local_change, link);

		local->busy = true;
		if (sgh_local_hangs_locked(local))
			pthread_cond_broadcast(&local->changed);
		local->outstanding--;
		local->moved_ms = sgh_now_ms();
		if (is_damaged(change))
			complain_locked(local, "a message is left where it is");
		else
			health_locked(local, change);
		change->finish(change);
	}
}

int64_t sgh_local_hangs_locked(const struct sgh_local *local)
{
	int64_t since = sgh_now_ms() - local->moved_ms;

	return local->outstanding && since >= HANGS_MS ? since : 0;
}

/* ---- trying again ---- */

static void again_locked(struct sgh_local_change *change)
{
	struct sgh_local *local = change->local;

	if (sgh_list_empty(&local->retries) && local->retry_ms <= sgh_now_ms())
		local->retry_ms = sgh_now_ms() + sgh_backoff_next(&local->backoff);
	sgh_list_append(&local->retries, &change->link);
}

static void probed(struct sgh_local_change *change)
{
	change->local->probes = false;
}

int64_t sgh_local_retry_locked(struct sgh_local *local)
{
	struct sgh_list retries, *link;

	if (sgh_list_empty(&local->retries) && (!local->failing || local->probes))
		return SGH_NEVER;
	if (sgh_now_ms() < local->retry_ms)
		return local->retry_ms;
	local->retry_ms = sgh_now_ms() + sgh_backoff_next(&local->backoff);
	sgh_list_init(&retries);
	sgh_list_splice(&retries, &local->retries);
	while ((link = sgh_list_pop(&retries))) {
		struct sgh_local_change *change =
			sgh_list_entry(link, struct sgh_local_change, link);

		/* A dead letter takes another place. */
		if (change->job.run)
			sgh_local_submit_locked(local, change, change->job.run,
						change->finish, change->job.lazy);
		else
			sgh_local_bury_locked(local, item_of(change));
	}
	if (local->failing && !local->probes) {
		local->probes = true;
		sgh_local_submit_locked(local, &local->probing, sgh_local_run_probe,
					probed, false);
	}
	return local->retry_ms;
}

/* ---- a new message ---- */

/* To who publishes, files that cannot be used now are a broker that is not there. */
static int passing(int status)
{
	return !status || status == SANGRAHA_E_OVERLOADED ? status
							  : SANGRAHA_E_UNAVAILABLE;
}

static void inserted(struct sgh_local_change *change)
{
	struct sgh_local *local = change->local;
	struct sgh_local_item *item = item_of(change);
	struct sgh_publish *publish = sgh_take(item->publish);
	bool forget = change->status || !item->kept;

	SGH_FAIL_POINT("local.stored");
	local->writing--;
	if (publish) {
		sgh_list_remove(&item->flight);
		publish->state = passing(change->status);
		publish->sent = SGH_LOCAL_BY_DISK;
		sgh_list_append(&item->handle->told, &publish->link);
	}
	/* One that was refused may be on the disk nevertheless. */
	if (change->status == SANGRAHA_E_UNAVAILABLE) {
		if (!item->kept)
			item->queue->tail++;
		sgh_local_queue_written_locked(item, false);
		sgh_local_erase_locked(local, item);
		return;
	}
	sgh_local_queue_written_locked(item, change->status == 0);
	if (forget)
		sgh_local_trash_locked(local, item);
}

void sgh_local_insert_locked(struct sgh_local *local, struct sgh_local_item *item)
{
	local->writing++;
	sgh_local_queue_append_locked(item->queue, item);
	sgh_local_submit_locked(local, &item->change, sgh_local_run_insert, inserted,
				false);
}

/* ---- the end of a message ---- */

static void left_locked(struct sgh_local_item *item)
{
	item->change.local->leaving--;
	if (item->alone) {
		item->alone = false;
		item->queue->alone--;
	}
}

static void erased(struct sgh_local_change *change)
{
	struct sgh_local_item *item = item_of(change);

	SGH_FAIL_POINT("local.erased");
	if (change->status && !is_damaged(change)) {
		again_locked(change);
		return;
	}
	left_locked(item);
	sgh_local_trash_locked(change->local, item);
}

void sgh_local_erase_locked(struct sgh_local *local, struct sgh_local_item *item)
{
	if (!item->durable) {
		sgh_local_trash_locked(local, item);
		return;
	}
	local->leaving++;
	/* The next suspect must not be blamed for this one. */
	sgh_local_submit_locked(local, &item->change, sgh_local_run_erase, erased,
				!item->alone);
}

static bool add_death(struct sgh_local_item *item, struct sgh_buf *buf)
{
	struct sgh_message *message = NULL;

	if (sgh_message_read(item->meta, item->meta_length, &message, NULL))
		return false;
	/* As RabbitMQ says where one died first; without room for it the message goes on. */
	if (!sgh_message_header(message, "x-first-death-queue")) {
		sgh_message_add_text(message, "x-first-death-exchange", "");
		sgh_message_add_text(message, "x-first-death-queue",
				     item->queue->row->name);
		sgh_message_add_text(message, "x-first-death-reason", "rejected");
		sgh_message_add_number(message, SGH_LOCAL_DEATH_TIME, sgh_time_ms());
	}
	sgh_message_write(message, buf);
	sgh_message_free(message);
	return !buf->failed;
}

static void name_death(struct sgh_local_item *item)
{
	struct sgh_buf buf = SGH_BUF_INIT(SGH_MESSAGE_META_MAX);

	if (add_death(item, &buf)) {
		free(item->meta);
		item->meta_length = buf.length;
		item->meta = (unsigned char *)sgh_take(buf.data);
	}
	sgh_buf_fini(&buf);
}

static void buried(struct sgh_local_change *change)
{
	struct sgh_local_item *item = item_of(change);

	SGH_FAIL_POINT("local.buried");
	item->target->passing--;
	/* It may have moved nevertheless. */
	if (!change->status || change->status == SANGRAHA_E_UNAVAILABLE)
		item->target->tail++;
	if (change->status && !is_damaged(change)) {
		change->job.run = NULL;
		again_locked(change);
		return;
	}
	left_locked(item);
	sgh_local_trash_locked(change->local, item);
}

void sgh_local_bury_locked(struct sgh_local *local, struct sgh_local_item *item)
{
	struct sgh_local_queue *target = item->target;

	if (!target) {
		if (item->queue->row->dead_letters)
			target = sgh_local_queue_find_locked(
				local, item->queue->row->dead_letters);
		if (!target) {
			sgh_local_erase_locked(local, item);
			return;
		}
		name_death(item);
		item->target = target;
		local->leaving++;
	}
	item->change.local = local;
	if (sgh_local_queue_full_locked(target)) {
		item->change.job.run = NULL;
		again_locked(&item->change);
		return;
	}
	target->passing++;
	item->new_id = ++local->last_id;
	if (!item->durable) {
		item->queue = target;
		item->id = item->new_id;
		item->due_ms = 0;
	}
	sgh_local_submit_locked(local, &item->change,
				item->durable ? sgh_local_run_move : sgh_local_run_insert,
				buried, false);
}

void sgh_local_put_aside_locked(struct sgh_local *local, struct sgh_local_item *item)
{
	local->leaving++;
	sgh_local_submit_locked(local, &item->change, sgh_local_run_aside, erased, false);
}

/* ---- marks and delays ---- */

static void marked(struct sgh_local_change *change)
{
	struct sgh_local_queue *queue =
		sgh_container_of(change, struct sgh_local_queue, marking);

	SGH_FAIL_POINT("local.marked");
	if (change->status) {
		queue->mark_failed = true;
		again_locked(change);
		return;
	}
	queue->marks = false;
	queue->mark_failed = false;
	queue->mark = queue->mark_wanted;
}

void sgh_local_write_mark_locked(struct sgh_local *local, struct sgh_local_queue *queue)
{
	queue->marks = true;
	sgh_local_submit_locked(local, &queue->marking, sgh_local_run_mark, marked,
				false);
}

static void moved(struct sgh_local_change *change)
{
	struct sgh_local_queue *queue =
		sgh_container_of(change, struct sgh_local_queue, moving);
	struct sgh_local_queue *target =
		sgh_local_queue_find_locked(change->local, queue->row->after);

	SGH_FAIL_POINT("local.moved");
	queue->moves = false;
	target->passing -= SGH_LOCAL_DUE_MOST;
	if (is_damaged(change) && queue->move_id)
		queue->move_after = queue->move_id;
	if (change->status) {
		queue->move_again_ms = sgh_now_ms() + 1000;
		/* They may have moved nevertheless. */
		if (change->status == SANGRAHA_E_UNAVAILABLE)
			target->tail += SGH_LOCAL_DUE_MOST;
		return;
	}
	target->tail += queue->moved;
	queue->tail -= queue->moved;
	queue->head_due_ms = queue->move_next_ms;
	if (queue->head_due_ms == SGH_NEVER)
		queue->tail = 0;
}

void sgh_local_move_due_locked(struct sgh_local *local, struct sgh_local_queue *queue,
			       struct sgh_local_queue *target)
{
	queue->moves = true;
	queue->moving_to = target->row->number;
	queue->move_base = local->last_id + 1;
	local->last_id += SGH_LOCAL_DUE_MOST;
	target->passing += SGH_LOCAL_DUE_MOST;
	sgh_local_submit_locked(local, &queue->moving, sgh_local_run_due, moved, false);
}

/* ---- the end of it all ---- */

void sgh_local_discard(struct sgh_local *local)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(&local->retries))) {
		struct sgh_local_change *change =
			sgh_list_entry(link, struct sgh_local_change, link);

		if (change->finish == erased || change->finish == buried)
			sgh_local_item_free(item_of(change));
	}
	for (size_t i = 0; i < SGH_LOCAL_QUEUES; i++) {
		struct sgh_local_queue *queue = &local->queues[i];

		sgh_list_splice(&local->trash, &queue->kept);
		sgh_list_splice(&local->trash, &queue->transient);
	}
	while ((link = sgh_list_pop(&local->trash)))
		sgh_local_item_free(sgh_list_entry(link, struct sgh_local_item, link));
}
