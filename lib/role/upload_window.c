/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "role/upload.h"

/*
 * Parts that are not held: they are pulled by the mover, one after another, through a ring
 * that the user's thread fills. So go those that are too large to be held, and, in one
 * part, what a fast client has left after its first. The last 64 KiB of the body stay in
 * it until the whole was accepted, so that the store never has what was refused. What
 * broke off can be sent again only as long as the ring has all of it.
 */

#define HELD_BACK    ((uint64_t)SGH_PREFIX_SIZE)
#define WINDOW_MAX   ((size_t)1 << 20)
#define WINDOW_LEAST (2 * (size_t)SGH_PREFIX_SIZE)

/*
 * One part costs the store less than many, and the memory is a fifth of that of one which
 * is held. But it is lost when the store's connection breaks, so it must be soon sent
 * again by whoever brings it.
 */
#define REST_MAX ((uint64_t)128 << 20) /* bytes */
#define FAST_MS  1000                  /* for the first part */
/* Half of the mover's connections: they are kept at the pace of who brings the bytes. */
#define STREAMS_MAX 32

/* The mover waits for a quarter of the ring to be full, or for the first bytes after that. */
#define SILENCE_MS 1000

size_t sgh_upload_window_size(const struct sangraha_client *client)
{
	size_t size = sgh_min(sgh_budget_limit(client->context->budget) / 16, WINDOW_MAX);

	return size < WINDOW_LEAST ? WINDOW_LEAST : size;
}

/* ---- whether ---- */

static bool takes_turn(struct sangraha_client *client)
{
	if (__atomic_add_fetch(&client->streams, 1, __ATOMIC_RELAXED) <= STREAMS_MAX)
		return true;
	__atomic_sub_fetch(&client->streams, 1, __ATOMIC_RELAXED);
	return false;
}

void sgh_upload_window_begin(struct sangraha_upload *upload)
{
	uint64_t rest = (uint64_t)upload->length - upload->taken;

	if (upload->number != 2 || upload->at_once || rest <= SGH_PART_MIN ||
	    rest > REST_MAX || sgh_now_ms() - upload->sip_ms >= FAST_MS)
		return;
	/* A repeat may run beside it, and cut otherwise: one of them would lose its parts. */
	if (!upload->request->fresh || !takes_turn(upload->client))
		return;
	__atomic_store_n(&upload->streaming, true, __ATOMIC_RELAXED);
	upload->whole = sgh_upload_window_size(upload->client);
	pthread_mutex_lock(&upload->state.lock);
	upload->windowed = true;
	upload->plan.rest_in_one = true;
	upload->state.window.taken = upload->taken;
	pthread_mutex_unlock(&upload->state.lock);
}

void sgh_upload_window_end(struct sangraha_upload *upload)
{
	if (__atomic_exchange_n(&upload->streaming, false, __ATOMIC_RELAXED))
		__atomic_sub_fetch(&upload->client->streams, 1, __ATOMIC_RELAXED);
}

/* ---- the mover's side ---- */

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

/* What waits for its user is not on its way. */
static void set_paused_locked(struct sangraha_upload *upload, bool paused)
{
	if (upload->state.window.pulling_paused == paused)
		return;
	upload->state.window.pulling_paused = paused;
	sgh_upload_count_moving(upload->client, !paused);
}

void sgh_upload_window_stopped_locked(struct sangraha_upload *upload)
{
	set_paused_locked(upload, false);
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
	bool wakes;

	pthread_mutex_lock(&upload->state.lock);
	ready = sgh_min(ready_locked(upload), size);
	set_paused_locked(upload, ready == 0);
	first = sgh_min(ready, ring->capacity - window->at);
	memcpy(data, ring->data + window->at, first);
	memcpy((char *)data + first, ring->data, ready - first);
	window->at = (window->at + ready) % ring->capacity;
	window->fill -= ready;
	window->taken += ready;
	window->pulled_ms = sgh_now_ms();
	/* Who waits for room is told when half of it is there, and not of each piece. */
	wakes = upload->state.paused && window->fill <= ring->capacity / 2;
	pthread_mutex_unlock(&upload->state.lock);
	if (wakes)
		sgh_upload_wake(upload);
	return ready ? (int64_t)ready : SGH_MOVE_PAUSE;
}

bool sgh_upload_window_next_locked(struct sangraha_upload *upload)
{
	struct sgh_upload_window *window = &upload->state.window;
	struct sgh_upload_part *part;
	struct sangraha_error err;

	if (!upload->windowed || !upload->state.ring || !window->fill ||
	    !sgh_list_empty(&upload->state.parts) || upload->state.status)
		return false;
	part = calloc(1, sizeof(*part));
	if (!part) {
		sgh_upload_fail_locked(upload, sgh_fail_memory(&err), &err);
		return true;
	}
	part->upload = upload;
	part->number = ++upload->state.sealed;
	part->pulled = true;
	part->body = sgh_bytes_ref(upload->state.ring);
	part->move.length = sgh_parts_size(&upload->plan, part->number);
	window->ends = window->taken + part->move.length;
	sgh_list_append(&upload->state.parts, &part->link);
	return true;
}

bool sgh_upload_window_rewind_locked(struct sgh_upload_part *part)
{
	struct sgh_upload_window *window = &part->upload->state.window;
	const size_t capacity = part->body->capacity;
	uint64_t pulled = part->move.length - (window->ends - window->taken);

	if (pulled > capacity - window->fill - window->promised)
		return false;
	window->at = (window->at + capacity - (size_t)pulled) % capacity;
	window->fill += (size_t)pulled;
	window->taken -= pulled;
	return true;
}

/* ---- the user's side ---- */

size_t sgh_upload_window_room(struct sangraha_upload *upload, size_t wanted)
{
	struct sgh_upload_window *window = &upload->state.window;
	size_t room;

	pthread_mutex_lock(&upload->state.lock);
	/* What put-begin shows is read from the start of the ring. */
	room = sgh_min(upload->body->capacity - window->fill, wanted);
	window->promised = room;
	pthread_mutex_unlock(&upload->state.lock);
	return room;
}

/* Let the mover ask again, if it waits. Its thread is not woken for each piece. */
static void go_on_locked(struct sangraha_upload *upload)
{
	struct sgh_upload_window *window = &upload->state.window;
	size_t ready = ready_locked(upload);
	struct sgh_upload_part *part;

	if (!window->pulling_paused || !upload->state.moving || ready == 0)
		return;
	part = sgh_list_entry(upload->state.parts.next, struct sgh_upload_part, link);
	if (ready == window->fill && ready < part->body->capacity / 4 &&
	    !upload->state.whole && sgh_now_ms() - window->pulled_ms < SILENCE_MS)
		return;
	set_paused_locked(upload, false);
	sgh_mover_resume(upload->mover, &part->move);
}

bool sgh_upload_window_take(struct sangraha_upload *upload, const void *data,
			    size_t length)
{
	struct sgh_upload_window *window = &upload->state.window;
	struct sgh_bytes *ring = upload->body;
	bool made;
	size_t at;
	size_t first;

	pthread_mutex_lock(&upload->state.lock);
	/* Nobody wants it any more, and the ring was let go of. */
	if (upload->state.status || upload->state.there) {
		pthread_mutex_unlock(&upload->state.lock);
		return false;
	}
	if (!upload->state.ring)
		upload->state.ring = sgh_bytes_ref(ring);
	at = (window->at + window->fill) % ring->capacity;
	first = sgh_min(length, ring->capacity - at);
	memcpy(ring->data + at, data, first);
	memcpy(ring->data, (const char *)data + first, length - first);
	window->fill += length;
	window->promised = 0;
	made = sgh_upload_window_next_locked(upload);
	go_on_locked(upload);
	pthread_mutex_unlock(&upload->state.lock);
	return made;
}

void sgh_upload_window_release(struct sangraha_upload *upload)
{
	pthread_mutex_lock(&upload->state.lock);
	if (upload->windowed)
		go_on_locked(upload);
	pthread_mutex_unlock(&upload->state.lock);
}
