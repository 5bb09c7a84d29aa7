/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "base/clock.h"
#include "base/error.h"
#include "queue/local_broker.h"

#define READ_AGAIN_MS    1000
#define DAMAGED_AGAIN_MS 10000
#define NEXT_AGAIN_MS    100
#define FULL_AGAIN_MS    1000

void sgh_local_queue_init(struct sgh_local_queue *queue, const struct sgh_local_row *row)
{
	queue->row = row;
	queue->head_due_ms = SGH_NEVER;
	sgh_list_init(&queue->link);
	sgh_list_init(&queue->kept);
	sgh_list_init(&queue->transient);
}

void sgh_local_queue_remove_locked(struct sgh_local *local, struct sgh_local_queue *queue)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(&queue->transient)))
		sgh_local_trash_locked(local,
				       sgh_list_entry(link, struct sgh_local_item, link));
	sgh_list_for_each_safe (other, &local->deliveries) {
		struct sgh_local_delivery *delivery =
			sgh_list_entry(other, struct sgh_local_delivery, base.link);

		if (!delivery->item || delivery->item->queue != queue)
			continue;
		sgh_local_trash_locked(local, sgh_take(delivery->item));
		sgh_list_remove(other);
	}
	sgh_list_remove(&queue->link);
	free(queue->name);
	free(queue);
}

struct sgh_local_queue *sgh_local_queue_find_locked(struct sgh_local *local,
						    const char *name)
{
	for (size_t i = 0; i < SGH_LOCAL_QUEUES; i++)
		if (strcmp(local->queues[i].row->name, name) == 0)
			return &local->queues[i];
	sgh_list_for_each (link, &local->own) {
		struct sgh_local_queue *queue =
			sgh_list_entry(link, struct sgh_local_queue, link);

		if (strcmp(queue->name, name) == 0)
			return queue;
	}
	return NULL;
}

static size_t tail_of(const struct sgh_local_queue *queue)
{
	return queue->tail > 0 ? (size_t)queue->tail : 0;
}

size_t sgh_local_queue_ready_locked(const struct sgh_local_queue *queue)
{
	return queue->kept_written + queue->transient_count + tail_of(queue);
}

bool sgh_local_queue_full_locked(const struct sgh_local_queue *queue)
{
	size_t count = queue->kept_count + queue->transient_count + tail_of(queue) +
		       (size_t)queue->passing;

	return queue->row->max_length && count >= queue->row->max_length;
}

/* ---- in and out ---- */

static void hold_body(struct sgh_local_item *item)
{
	if (!item->body || item->counted)
		return;
	item->counted = true;
	item->queue->held_bytes += item->size;
}

static void unhold_body(struct sgh_local_item *item)
{
	if (item->counted)
		item->queue->held_bytes -= item->size;
	item->counted = false;
}

/* Memory knows a message only while somebody consumes, and all before it are known too. */
static bool keeps(const struct sgh_local_queue *queue)
{
	return queue->consumers && !queue->row->after && queue->tail <= 0 &&
	       !queue->passing && queue->kept_count < SGH_LOCAL_WINDOW;
}

void sgh_local_queue_append_locked(struct sgh_local_queue *queue,
				   struct sgh_local_item *item)
{
	if (!item->durable) {
		sgh_list_append(&queue->transient, &item->link);
		queue->transient_count++;
		hold_body(item);
	} else if (keeps(queue)) {
		sgh_list_append(&queue->kept, &item->link);
		item->kept = true;
		queue->kept_count++;
		queue->edge = item->id;
		hold_body(item);
	} else {
		queue->passing++;
	}
}

/* It is on disk, and will be read from there. Lets go of the lock. */
static void drop_body_locked(struct sgh_local *local, struct sgh_local_item *item)
{
	struct sgh_bytes *body = sgh_take(item->body);

	unhold_body(item);
	pthread_mutex_unlock(&local->lock);
	sgh_bytes_unref(body);
	pthread_mutex_lock(&local->lock);
}

void sgh_local_queue_written_locked(struct sgh_local_item *item, bool written)
{
	struct sgh_local_queue *queue = item->queue;
	struct sgh_local *local = item->change.local;

	if (!item->kept) {
		queue->passing--;
		queue->tail += written;
		if (written && queue->head_due_ms == SGH_NEVER)
			queue->head_due_ms = item->due_ms;
	} else if (written) {
		item->written = true;
		queue->kept_written++;
		if (!queue->consumers || queue->held_bytes > local->window_bytes)
			drop_body_locked(local, item);
	} else {
		sgh_list_remove(&item->link);
		queue->kept_count--;
		item->kept = false;
		unhold_body(item);
	}
}

struct sgh_local_item *sgh_local_queue_first_locked(struct sgh_local_queue *queue)
{
	struct sgh_local_item *kept = NULL, *transient = NULL;

	if (!sgh_list_empty(&queue->kept))
		kept = sgh_list_entry(queue->kept.next, struct sgh_local_item, link);
	else if (queue->tail > 0)
		return NULL;
	if (!sgh_list_empty(&queue->transient))
		transient = sgh_list_entry(queue->transient.next, struct sgh_local_item,
					   link);
	if (!kept || (transient && transient->id < kept->id))
		return transient;
	return kept->written ? kept : NULL;
}

void sgh_local_queue_take_locked(struct sgh_local_item *item)
{
	struct sgh_local_queue *queue = item->queue;

	sgh_list_remove(&item->link);
	unhold_body(item);
	if (!item->durable) {
		queue->transient_count--;
		return;
	}
	item->kept = false;
	queue->kept_count--;
	queue->kept_written--;
}

void sgh_local_queue_put_back_locked(struct sgh_local_item *item)
{
	struct sgh_local_queue *queue = item->queue;
	struct sgh_list *list = item->durable ? &queue->kept : &queue->transient;
	struct sgh_list *after = list->next;

	while (after != list &&
	       sgh_list_entry(after, struct sgh_local_item, link)->id < item->id)
		after = after->next;
	sgh_list_append(after, &item->link);
	hold_body(item);
	if (!item->durable) {
		queue->transient_count++;
		return;
	}
	item->kept = true;
	queue->kept_count++;
	queue->kept_written++;
}

void sgh_local_queue_let_go_locked(struct sgh_local *local, struct sgh_local_queue *queue)
{
	struct sgh_local_item *held;

	do {
		held = NULL;
		sgh_list_for_each (link, &queue->kept) {
			held = sgh_list_entry(link, struct sgh_local_item, link);
			if (held->written && held->body)
				break;
			held = NULL;
		}
		if (held)
			drop_body_locked(local, held);
	} while (held);
}

/* ---- reading the tail ---- */

static bool wants_more(const struct sgh_local_queue *queue)
{
	if (queue->tail <= 0 || queue->row->after)
		return false;
	if (queue->consumers)
		return queue->kept_count <= SGH_LOCAL_WINDOW / 4;
	return queue->row->ttl_ms && !queue->kept_count;
}

/* A message on a damaged page is passed over, until the next open. */
static void read_failed_locked(struct sgh_local *local, struct sgh_local_queue *queue,
			       const struct sangraha_error *err)
{
	bool damaged = err->status == SANGRAHA_E_INTERNAL;
	int64_t edge = queue->edge, next = 0;
	bool counted = queue->tail > 0;

	pthread_mutex_unlock(&local->lock);
	/* Nobody else moves the edge while there is a tail. */
	if (damaged && counted)
		next = sgh_local_journal_next(local, queue, edge);
	sgh_log(local->context, SANGRAHA_LOG_ERROR, "queue", "read",
		"cannot read the messages of %s after %" PRId64 ": %s", queue->row->name,
		edge, err->message);
	pthread_mutex_lock(&local->lock);
	queue->load_again_ms =
		sgh_now_ms() + (damaged ? DAMAGED_AGAIN_MS : READ_AGAIN_MS);
	if (next > edge) {
		queue->edge = next;
		queue->tail--;
		queue->load_again_ms = sgh_now_ms() + NEXT_AGAIN_MS;
	}
}

static size_t keep_loaded_locked(struct sgh_local_queue *queue, struct sgh_list *items)
{
	struct sgh_list *link;
	size_t count = 0;

	while ((link = sgh_list_pop(items))) {
		struct sgh_local_item *item =
			sgh_list_entry(link, struct sgh_local_item, link);

		sgh_list_append(&queue->kept, link);
		item->kept = true;
		queue->edge = item->id;
		count++;
	}
	queue->kept_count += count;
	queue->kept_written += count;
	queue->tail -= (int64_t)count;
	return count;
}

bool sgh_local_queue_load_locked(struct sgh_local *local, struct sgh_local_queue *queue,
				 int64_t *next_ms)
{
	struct sangraha_error err = { 0 };
	struct sgh_list items;
	size_t most;
	int rc;

	if (!wants_more(queue))
		return false;
	if (sgh_now_ms() < queue->load_again_ms) {
		if (queue->load_again_ms < *next_ms)
			*next_ms = queue->load_again_ms;
		return false;
	}
	sgh_list_init(&items);
	most = SGH_LOCAL_WINDOW - queue->kept_count;
	/* Nobody else moves the edge, and what is published meanwhile comes after it. */
	pthread_mutex_unlock(&local->lock);
	rc = sgh_local_journal_load(local, queue, queue->edge, most, &items, &err);
	pthread_mutex_lock(&local->lock);
	if (keep_loaded_locked(queue, &items) < most && !rc && queue->tail > 0)
		queue->tail = 0; /* there are no more, whatever was counted */
	/* No more can have been read too early than are on their way. */
	if (queue->tail < -queue->passing)
		queue->tail = -queue->passing;
	if (rc)
		read_failed_locked(local, queue, &err);
	return true;
}

/* ---- time ---- */

/* How long until a Unix time; 0 when it has come. */
static int64_t wait_for(int64_t due_ms)
{
	int64_t now = sgh_time_ms();

	return due_ms <= now ? 0 : due_ms - now;
}

static int64_t expire_delay_locked(struct sgh_local *local, struct sgh_local_queue *queue)
{
	struct sgh_local_queue *target;
	int64_t wait;

	if (queue->head_due_ms == SGH_NEVER || queue->moves)
		return SGH_NEVER;
	wait = wait_for(queue->head_due_ms);
	/* Further away than any can be: sgh_local_run_due() tells why. */
	if (wait > 0 && wait <= queue->row->ttl_ms)
		return sgh_now_ms() + wait;
	if (sgh_now_ms() < queue->move_again_ms)
		return queue->move_again_ms;
	target = sgh_local_queue_find_locked(local, queue->row->after);
	if (sgh_local_queue_full_locked(target))
		return sgh_now_ms() + FULL_AGAIN_MS;
	sgh_local_move_due_locked(local, queue, target);
	return SGH_NEVER;
}

int64_t sgh_local_queue_expire_locked(struct sgh_local *local,
				      struct sgh_local_queue *queue)
{
	struct sgh_local_item *first;

	if (!queue->row->ttl_ms)
		return SGH_NEVER;
	if (queue->row->after)
		return expire_delay_locked(local, queue);
	while ((first = sgh_local_queue_first_locked(queue))) {
		int64_t wait = wait_for(first->due_ms);

		/* A clock that was put back must not lose what was just answered. */
		if (wait > queue->row->ttl_ms)
			wait = queue->row->ttl_ms;
		if (wait > 0)
			return sgh_now_ms() + wait;
		sgh_local_queue_take_locked(first);
		sgh_local_erase_locked(local, first);
		local->busy = true;
	}
	return SGH_NEVER;
}

/* ---- who may be in hand ---- */

/* Nobody works on dead letters: to look at them is no try that could fail. */
static bool counts(const struct sgh_local_queue *queue)
{
	return queue->row->number && !queue->row->bound;
}

bool sgh_local_queue_suspects(const struct sgh_local_item *item)
{
	return item->saved >= SGH_LOCAL_SUSPECT && counts(item->queue);
}

bool sgh_local_queue_mark_locked(struct sgh_local *local, struct sgh_local_queue *queue)
{
	struct sgh_local_item *first = sgh_local_queue_first_locked(queue);
	unsigned wanted = queue->prefetch;
	bool careful = queue->alone || (first && sgh_local_queue_suspects(first));

	if (!counts(queue))
		return true;
	if (careful && wanted > 1)
		wanted = 1;
	/* What is in hand of a consumer that has gone may kill as well. */
	if (wanted < queue->in_hand)
		wanted = queue->in_hand;
	if (wanted != queue->mark && !queue->marks) {
		queue->mark_wanted = wanted;
		sgh_local_write_mark_locked(local, queue);
	}
	if (queue->mark_failed)
		return true;
	return careful ? queue->mark == wanted && !queue->marks : queue->mark >= wanted;
}
