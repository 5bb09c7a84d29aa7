/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "queue/local_broker.h"
#include "wire/message_bytes.h"

/* ---- what comes in ---- */

static bool is_short(const char *text)
{
	return !text || strnlen(text, SGH_SHORT_MAX + 1) <= SGH_SHORT_MAX;
}

static bool all_short(const struct sgh_publish *publish)
{
	const struct sgh_message *message = publish->message;
	bool ok = is_short(publish->exchange) && is_short(publish->routing_key) &&
		  is_short(message->type) && is_short(message->content_type) &&
		  is_short(message->message_id) && is_short(message->correlation_id) &&
		  is_short(message->reply_to) && is_short(message->app_id);

	for (size_t i = 0; i < message->header_count; i++)
		ok = ok && is_short(message->headers[i].name);
	return ok;
}

static int write_meta(struct sgh_local_item *item, const struct sgh_message *message,
		      struct sangraha_error *err)
{
	struct sgh_buf buf = SGH_BUF_INIT(SGH_HEADER_BYTES_MAX);

	sgh_message_write(message, &buf);
	if (buf.failed) {
		bool full = buf.full;

		sgh_buf_fini(&buf);
		if (!full)
			return sgh_fail_memory(err);
		return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0,
				"the headers of the message are larger than %d bytes",
				SGH_HEADER_BYTES_MAX);
	}
	item->meta_length = buf.length;
	item->meta = (unsigned char *)buf.data;
	return 0;
}

/* All that is kept of a message: its strings are copied, its body is shared. */
static int item_new(const struct sgh_publish *publish, struct sgh_local_item **ret,
		    struct sangraha_error *err)
{
	const struct sgh_message *message = publish->message;
	struct sgh_local_item *item;
	int rc;

	if (!all_short(publish))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a property of the message is longer than 255 bytes");
	item = calloc(1, sizeof(*item));
	if (!item)
		return sgh_fail_memory(err);
	rc = write_meta(item, message, err);
	if (rc) {
		free(item);
		return rc;
	}
	sgh_list_init(&item->link);
	sgh_list_init(&item->flight);
	item->frees = publish->frees;
	if (message->body && message->body->length) {
		item->body = sgh_bytes_ref(message->body);
		item->size = message->body->length;
	}
	*ret = item;
	return 0;
}

/* The same message for one more queue; NULL without memory. */
static struct sgh_local_item *item_copy(const struct sgh_local_item *item)
{
	struct sgh_local_item *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->meta = malloc(item->meta_length);
	if (!copy->meta) {
		free(copy);
		return NULL;
	}
	memcpy(copy->meta, item->meta, item->meta_length);
	copy->meta_length = item->meta_length;
	copy->body = sgh_bytes_ref(item->body);
	copy->size = item->size;
	sgh_list_init(&copy->link);
	sgh_list_init(&copy->flight);
	return copy;
}

/* ---- where it goes ---- */

static bool is_event(const struct sgh_publish *publish)
{
	return sgh_streq(publish->exchange, SANGRAHA_EVENT_EXCHANGE);
}

static bool listens(const struct sgh_local_queue *queue,
		    const struct sgh_publish *publish)
{
	return queue->event && strcmp(queue->event, publish->routing_key) == 0;
}

static bool has_listeners_locked(const struct sgh_local *local,
				 const struct sgh_publish *publish)
{
	sgh_list_for_each (link, &local->own)
		if (listens(sgh_list_entry(link, struct sgh_local_queue, link), publish))
			return true;
	return false;
}

static struct sgh_local_queue *
route_locked(struct sgh_local *local, const struct sgh_publish *publish, int *ret_status)
{
	bool direct = !*publish->exchange;
	bool dead = sgh_streq(publish->exchange, SANGRAHA_DEAD_LETTER_EXCHANGE);
	struct sgh_local_queue *queue = NULL;

	if (direct || dead)
		queue = sgh_local_queue_find_locked(local, publish->routing_key);
	if (queue && dead && !queue->row->bound)
		queue = NULL;
	*ret_status = 0;
	if (!direct && !dead && !is_event(publish))
		*ret_status = SANGRAHA_E_INVALID;
	else if (!queue && publish->mandatory &&
		 !(is_event(publish) && has_listeners_locked(local, publish)))
		*ret_status = SANGRAHA_E_NOT_FOUND;
	return queue;
}

/* Transient messages are in memory alone: as many bytes as a queue's window may hold. */
static bool fits_locked(const struct sgh_local *local,
			const struct sgh_local_queue *queue,
			const struct sgh_local_item *item)
{
	if (item->durable || !queue->transient_count)
		return true;
	return queue->transient_count < SGH_LOCAL_TRANSIENT_MAX &&
	       item->size <= local->window_bytes &&
	       queue->held_bytes <= local->window_bytes - item->size;
}

static void drop_heads_locked(struct sgh_local *local, struct sgh_local_queue *queue)
{
	struct sgh_local_item *first;

	while (sgh_local_queue_full_locked(queue) &&
	       (first = sgh_local_queue_first_locked(queue))) {
		sgh_local_queue_take_locked(first);
		sgh_local_erase_locked(local, first);
	}
}

/* Put a message, which is taken, into its queue; or say why not. */
static int accept_locked(struct sgh_local *local, struct sgh_local_queue *queue,
			 struct sgh_local_item *item, const struct sgh_message *message)
{
	item->durable =
		queue->row->number && (message->persistent || queue->row->always_durable);
	if (item->durable && sgh_local_hangs_locked(local))
		return SANGRAHA_E_UNAVAILABLE;
	if (queue->row->drops_head)
		drop_heads_locked(local, queue);
	else if (sgh_local_queue_full_locked(queue))
		return SANGRAHA_E_OVERLOADED;
	if (!fits_locked(local, queue, item) || local->writing >= SGH_PUBLISH_MAX)
		return SANGRAHA_E_OVERLOADED;
	item->queue = queue;
	item->change.local = local;
	item->id = ++local->last_id;
	if (queue->row->ttl_ms)
		item->due_ms = sgh_time_ms() + queue->row->ttl_ms;
	if (item->durable)
		sgh_local_insert_locked(local, item);
	else
		sgh_local_queue_append_locked(queue, item);
	return 0;
}

/* Each who listens gets it, and who has no room for it goes without: nobody waits for that. */
static void tell_listeners_locked(struct sgh_local *local,
				  const struct sgh_publish *publish,
				  const struct sgh_local_item *item)
{
	sgh_list_for_each (link, &local->own) {
		struct sgh_local_queue *queue =
			sgh_list_entry(link, struct sgh_local_queue, link);
		struct sgh_local_item *copy =
			listens(queue, publish) ? item_copy(item) : NULL;

		/* `item` has the same body, so nobody is told of its memory here. */
		if (copy && accept_locked(local, queue, copy, publish->message))
			sgh_local_item_free(copy);
	}
}

static void end_locked(struct sgh_local_handle *handle, struct sgh_publish *publish,
		       int status)
{
	publish->state = status;
	publish->sent = SGH_LOCAL_BY_QUEUE;
	sgh_list_append(&handle->told, &publish->link);
}

/* Take over `*item`, or leave it to the caller to free. */
static void publish_locked(struct sgh_local_handle *handle, struct sgh_publish *publish,
			   struct sgh_local_item **item)
{
	struct sgh_local *local = handle->local;
	struct sgh_local_item *taken = *item;
	struct sgh_local_queue *queue;
	int status;

	queue = route_locked(local, publish, &status);
	if (!status && publish->deadline_ms <= sgh_now_ms())
		status = SANGRAHA_E_TIMEOUT;
	if (!status && queue) {
		status = accept_locked(local, queue, taken, publish->message);
		if (!status)
			*item = NULL;
	} else if (!status && is_event(publish)) {
		tell_listeners_locked(local, publish, taken);
	}
	if (status || !queue || !taken->durable || !publish->confirm) {
		end_locked(handle, publish, status);
		if (status == SANGRAHA_E_UNAVAILABLE)
			publish->sent = SGH_LOCAL_BY_WAIT;
		return;
	}
	taken->publish = publish;
	taken->handle = handle;
	sgh_list_append(&local->flights, &taken->flight);
	if (publish->deadline_ms < local->late_ms)
		local->late_ms = publish->deadline_ms;
}

int sgh_local_publish(struct sangraha_queue *base, struct sgh_publish *publish,
		      struct sangraha_error *err)
{
	struct sgh_local_handle *handle = sgh_local_handle_of(base);
	struct sgh_local *local = handle->local;
	struct sgh_local_item *item = NULL;
	int rc = item_new(publish, &item, err);

	if (rc)
		return rc;
	pthread_mutex_lock(&local->lock);
	if (handle->in_hand >= SGH_PUBLISH_MAX) {
		rc = sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
			      "more than %d messages are on their way", SGH_PUBLISH_MAX);
	} else {
		handle->in_hand++;
		publish_locked(handle, publish, &item);
		sgh_local_wake_locked(local);
	}
	pthread_mutex_unlock(&local->lock);
	if (item)
		sgh_local_item_free(item);
	return rc;
}

/* ---- how it ended ---- */

static void explain_locked(const struct sgh_local *local,
			   const struct sgh_publish *publish, struct sangraha_error *err)
{
	int status = publish->state;

	if (publish->sent == SGH_LOCAL_BY_DISK)
		sgh_fail(err, status, local->why.native, "%s", local->why.message);
	else if (publish->sent == SGH_LOCAL_BY_WAIT)
		sgh_fail(err, status, 0, "the disk has written nothing for seconds");
	else if (status == SANGRAHA_E_NOT_FOUND)
		sgh_fail(err, status, 312, "no queue takes what is for \"%s\"",
			 publish->routing_key);
	else if (status == SANGRAHA_E_INVALID)
		sgh_fail(err, status, 404, "there is no exchange \"%s\"",
			 publish->exchange);
	else if (status == SANGRAHA_E_TIMEOUT)
		sgh_fail(err, status, 0, "the message could not be written in time");
	else if (status == SANGRAHA_E_OVERLOADED)
		sgh_fail(err, status, 0, "the queue \"%s\" is full",
			 publish->routing_key);
	else
		sgh_fail(err, status, 0,
			 "the queue was closed before the message was "
			 "written");
}

bool sgh_local_tell_locked(struct sgh_local *local, struct sgh_local_handle *handle)
{
	struct sgh_list *link = sgh_list_pop(&handle->told);
	struct sangraha_error err = { 0 };
	struct sgh_publish *publish;
	int status;

	if (!link)
		return false;
	publish = sgh_list_entry(link, struct sgh_publish, link);
	status = publish->state;
	if (status)
		explain_locked(local, publish, &err);
	handle->in_hand--;
	pthread_mutex_unlock(&local->lock);
	publish->done(publish, status, status ? &err : NULL);
	SGH_FAIL_POINT("local.confirmed");
	pthread_mutex_lock(&local->lock);
	return true;
}

static void let_fly_locked(struct sgh_local_item *item, int status)
{
	sgh_list_remove(&item->flight);
	end_locked(item->handle, sgh_take(item->publish), status);
	item->handle = NULL;
}

/* What is written nevertheless stays in its queue: nobody knows how it ended. */
int64_t sgh_local_late_locked(struct sgh_local *local)
{
	int64_t now = sgh_now_ms();

	if (now < local->late_ms)
		return local->late_ms;
	local->late_ms = SGH_NEVER;
	sgh_list_for_each_safe (link, &local->flights) {
		struct sgh_local_item *item =
			sgh_list_entry(link, struct sgh_local_item, flight);

		if (item->publish->deadline_ms <= now) {
			let_fly_locked(item, SANGRAHA_E_TIMEOUT);
			local->busy = true;
		} else if (item->publish->deadline_ms < local->late_ms) {
			local->late_ms = item->publish->deadline_ms;
		}
	}
	return local->late_ms;
}

void sgh_local_give_up_locked(struct sgh_local_handle *handle)
{
	sgh_list_for_each_safe (link, &handle->local->flights) {
		struct sgh_local_item *item =
			sgh_list_entry(link, struct sgh_local_item, flight);

		if (item->handle == handle)
			let_fly_locked(item, SANGRAHA_E_UNAVAILABLE);
	}
}

/* ---- probes ---- */

bool sgh_local_answer_locked(struct sgh_local *local, struct sgh_local_handle *handle)
{
	struct sgh_list *link = sgh_list_pop(&handle->probes);
	struct sangraha_error err = { 0 };
	struct sgh_queue_probe *probe;
	struct sgh_local_queue *queue;
	int status = 0;

	if (!link)
		return false;
	probe = sgh_list_entry(link, struct sgh_queue_probe, link);
	queue = sgh_local_queue_find_locked(local, probe->queue);
	if (queue) {
		probe->messages = sgh_local_queue_ready_locked(queue);
		probe->consumers = queue->consumers;
	} else {
		status = sgh_fail(&err, SANGRAHA_E_NOT_FOUND, 404,
				  "NOT_FOUND - no queue '%s'", probe->queue);
	}
	pthread_mutex_unlock(&local->lock);
	probe->done(probe, status, status ? &err : NULL);
	pthread_mutex_lock(&local->lock);
	return true;
}
