/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "role/upload.h"

/*
 * Parts that are too large to be held: they are pulled by the mover, one after another,
 * through a ring that the user's thread fills. The last 64 KiB of the body stay in it
 * until the whole was accepted, so that the store never has what was refused. What broke
 * off is gone: such a part cannot be sent again.
 */

#define HELD_BACK    ((uint64_t)SGH_PREFIX_SIZE)
#define WINDOW_MAX   ((size_t)1 << 20)
#define WINDOW_LEAST (2 * (size_t)SGH_PREFIX_SIZE)

size_t sgh_upload_window_size(const struct sangraha_client *client)
{
	size_t size = sgh_min(sgh_budget_limit(client->context->budget) / 16, WINDOW_MAX);

	return size < WINDOW_LEAST ? WINDOW_LEAST : size;
}

size_t sgh_upload_window_room(struct sangraha_upload *upload)
{
	size_t room;

	pthread_mutex_lock(&upload->state.lock);
	/* What put-begin shows is read from the start of the ring. */
	room = upload->body->capacity - upload->state.window.fill;
	pthread_mutex_unlock(&upload->state.lock);
	return room;
}

/* How many of the bytes that are there may go into the part that moves. */
static size_t ready_locked(const struct sangraha_upload *upload)
{
	const struct sgh_upload_window *window = &upload->state.window;
	uint64_t length = (uint64_t)upload->length;
	uint64_t until = length > HELD_BACK ? length - HELD_BACK : 0;
	uint64_t ready = window->fill;

	if (!upload->state.whole && window->taken + ready > until)
		ready = window->taken < until ? until - window->taken : 0;
	if (window->taken + ready > window->ends)
		ready = window->ends - window->taken;
	return (size_t)ready;
}

int64_t sgh_upload_window_pull(struct sgh_move *move, void *data, size_t size)
{
	struct sgh_upload_part *part =
		sgh_container_of(move, struct sgh_upload_part, move);
	struct sangraha_upload *upload = part->upload;
	struct sgh_upload_window *window = &upload->state.window;
	const struct sgh_bytes *ring = part->body;
	size_t ready;
	size_t first;

	pthread_mutex_lock(&upload->state.lock);
	ready = sgh_min(ready_locked(upload), size);
	window->pulling_paused = ready == 0;
	first = sgh_min(ready, ring->capacity - window->at);
	memcpy(data, ring->data + window->at, first);
	memcpy((char *)data + first, ring->data, ready - first);
	window->at = (window->at + ready) % ring->capacity;
	window->fill -= ready;
	window->taken += ready;
	pthread_mutex_unlock(&upload->state.lock);
	if (ready == 0)
		return SGH_MOVE_PAUSE;
	sgh_upload_wake(upload);
	return (int64_t)ready;
}

void sgh_upload_window_next_locked(struct sangraha_upload *upload)
{
	struct sgh_upload_window *window = &upload->state.window;
	struct sgh_upload_part *part;
	struct sangraha_error err;

	if (!upload->windowed || !upload->state.ring || !window->fill ||
	    !sgh_list_empty(&upload->state.parts) || upload->state.status)
		return;
	part = calloc(1, sizeof(*part));
	if (!part) {
		sgh_upload_fail_locked(upload, sgh_fail_memory(&err), &err);
		return;
	}
	part->upload = upload;
	part->number = ++upload->state.sealed;
	part->body = sgh_bytes_ref(upload->state.ring);
	part->move.length = sgh_parts_size(&upload->plan, part->number);
	window->ends = window->taken + part->move.length;
	sgh_list_append(&upload->state.parts, &part->link);
}

/* Let the mover ask again, if it waits. */
static void go_on_locked(struct sangraha_upload *upload)
{
	struct sgh_upload_part *part;

	if (!upload->state.window.pulling_paused || !upload->state.moving ||
	    ready_locked(upload) == 0)
		return;
	part = sgh_list_entry(upload->state.parts.next, struct sgh_upload_part, link);
	upload->state.window.pulling_paused = false;
	sgh_mover_resume(upload->mover, &part->move);
}

void sgh_upload_window_take(struct sangraha_upload *upload, const void *data,
			    size_t length)
{
	struct sgh_upload_window *window = &upload->state.window;
	struct sgh_bytes *ring = upload->body;
	size_t at;
	size_t first;

	pthread_mutex_lock(&upload->state.lock);
	if (!upload->state.ring)
		upload->state.ring = sgh_bytes_ref(ring);
	at = (window->at + window->fill) % ring->capacity;
	first = sgh_min(length, ring->capacity - at);
	memcpy(ring->data + at, data, first);
	memcpy(ring->data, (const char *)data + first, length - first);
	window->fill += length;
	sgh_upload_window_next_locked(upload);
	go_on_locked(upload);
	pthread_mutex_unlock(&upload->state.lock);
}

void sgh_upload_window_release(struct sangraha_upload *upload)
{
	pthread_mutex_lock(&upload->state.lock);
	if (upload->windowed)
		go_on_locked(upload);
	pthread_mutex_unlock(&upload->state.lock);
}
