/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "role/download.h"

/*
 * The store's side of a download: memory, one transfer after another until all has come,
 * new tickets. Whatever ends calls settle(), which begins what is next.
 */

/* A transfer that brought so much was a good one: waits begin anew. */
#define GOOD (64 << 10)

/*
 * An open answer of the store's is a connection that others wait for, and MinIO deletes no
 * object while one of it is open. So a reader who takes his time has none meanwhile: it is
 * ended after a pause of PAUSE_MS, and in any pause after TURN_MS.
 */
#define PAUSE_MS 1000
#define TURN_MS  5000

static void settle(struct sangraha_download *download, struct sangraha_error *err);

/* Enter a phase, which has a reference of its own until it ends. */
static void enter_locked(struct sangraha_download *download,
			 enum sgh_download_phase phase)
{
	download->state.phase = phase;
	sgh_download_ref(download);
}

/* ---- memory ---- */

void sgh_download_granted(struct sgh_budget_waiter *waiter)
{
	struct sangraha_download *download =
		sgh_container_of(waiter, struct sangraha_download, waiter);
	struct sgh_budget *budget = download->client->context->budget;
	unsigned char *ring = malloc(waiter->size);
	struct sangraha_error err = { 0 };

	pthread_mutex_lock(&download->state.lock);
	download->state.ring = ring;
	download->state.size = ring ? waiter->size : 0;
	/* How long it waited for us is not counted. */
	download->state.for_reader = true;
	pthread_mutex_unlock(&download->state.lock);
	if (!ring) {
		sgh_budget_arrived(budget, waiter->size);
		sgh_budget_release(budget, waiter->size);
		sgh_fail_memory(&err);
	}
	settle(download, &err);
}

/* ---- pauses ---- */

/* When the transfer is to be ended, if it is paused until then. */
static int64_t turn_ends_locked(const struct sangraha_download *download)
{
	return sgh_min(download->state.paused_ms + PAUSE_MS,
		       download->state.first_ms + TURN_MS);
}

static void look(struct sgh_timer *timer)
{
	struct sangraha_download *download =
		sgh_container_of(timer, struct sangraha_download, turn);
	int64_t ends_ms;
	bool paused;

	pthread_mutex_lock(&download->state.lock);
	ends_ms = turn_ends_locked(download);
	paused = download->state.paused && !download->state.abandoned;
	download->state.watched = paused && sgh_now_ms() < ends_ms;
	if (download->state.watched) {
		sgh_timer_arm(download->client->timers, timer, ends_ms);
	} else if (paused) {
		download->state.let_go = true;
		sgh_mover_cancel(download->state.mover, &download->move,
				 SANGRAHA_E_UNAVAILABLE);
	}
	paused = download->state.watched;
	pthread_mutex_unlock(&download->state.lock);
	if (!paused)
		sgh_download_unref(download);
}

static void pause_locked(struct sangraha_download *download)
{
	if (!download->state.paused)
		download->state.paused_ms = sgh_now_ms();
	download->state.paused = true;
	if (download->state.watched)
		return;
	download->state.watched = true;
	sgh_download_ref(download);
	download->turn.fire = look;
	/* There is room for it: it was reserved. */
	sgh_timer_arm(download->client->timers, &download->turn,
		      download->state.paused_ms + PAUSE_MS);
}

/* ---- a transfer ---- */

/* Into the ring, from `at` + `fill` on; how many there was room for. */
static size_t put_locked(struct sangraha_download *download, const unsigned char *data,
			 size_t length)
{
	size_t size = download->state.size;
	size_t count = sgh_min(length, size - download->state.fill);
	size_t end = (download->state.at + download->state.fill) % size;
	size_t first = sgh_min(count, size - end);

	memcpy(download->state.ring + end, data, first);
	memcpy(download->state.ring, data + first, count - first);
	download->state.fill += count;
	download->state.received += count;
	return count;
}

/* What did not fit of a piece is offered again, and with it what did: that is passed over. */
static int push(struct sgh_move *move, const void *data, size_t length)
{
	struct sangraha_download *download =
		sgh_container_of(move, struct sangraha_download, move);
	size_t skip;
	size_t count = 0;
	int status = 0;

	pthread_mutex_lock(&download->state.lock);
	skip = (size_t)(download->state.received - download->state.piece);
	if (download->state.abandoned)
		status = SANGRAHA_E_UNAVAILABLE;
	else if (skip < length)
		count = put_locked(download, (const unsigned char *)data + skip,
				   length - skip);
	if (count) {
		download->state.byte_ms = sgh_now_ms();
		download->state.renewed = false;
		if (!download->state.first_ms)
			download->state.first_ms = download->state.byte_ms;
	}
	if (!status && skip + count < length)
		status = SGH_MOVE_PAUSE;
	if (!status)
		download->state.piece += length;
	if (status == SGH_MOVE_PAUSE)
		pause_locked(download);
	else
		download->state.paused = false;
	pthread_mutex_unlock(&download->state.lock);
	if (count)
		sgh_download_tell(download);
	return status;
}

static void moved(struct sgh_move *move)
{
	struct sangraha_download *download =
		sgh_container_of(move, struct sangraha_download, move);
	struct sangraha_error err = move->err;

	err.status = move->status;
	settle(download, &err);
}

/*
 * Each try leaves time for others; the last one has what is left, and as much as who begins
 * on the verge of it when a ticket took long.
 */
static unsigned patience_locked(const struct sangraha_download *download)
{
	int64_t limit = download->client->idle_timeout_ms;
	int64_t left = download->state.byte_ms + limit - sgh_now_ms();

	if (left < limit / 10)
		left = limit / 10;
	return (unsigned)sgh_min(left, limit / 3);
}

static void prepare_move_locked(struct sangraha_download *download)
{
	uint64_t received = download->state.received;

	download->state.piece = received;
	download->state.begun = received;
	download->state.first_ms = 0;
	download->state.let_go = false;
	download->state.fresh = false;
	download->move = (struct sgh_move){
		.kind = SGH_TICKET_GET,
		.url = download->state.url,
		.deadline_ms = SGH_NEVER,
		.offset = download->offset + received,
		.length = download->length - received,
		.patience_ms = patience_locked(download),
		.push = push,
		.done = moved,
	};
}

static void move(struct sangraha_download *download)
{
	struct sgh_mover *mover = NULL;
	struct sangraha_error err = { 0 };
	int status = sgh_client_mover_down(download->client, &mover, &err);

	/* Who gives up cancels what was submitted, and must not come in the middle of that. */
	pthread_mutex_lock(&download->state.lock);
	if (!status && download->state.abandoned)
		status = sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0, "nobody reads it");
	if (!status)
		status = sgh_mover_submit(mover, &download->move, &err);
	if (!status)
		download->state.mover = mover;
	pthread_mutex_unlock(&download->state.lock);
	if (status)
		settle(download, &err);
}

/* ---- a new ticket ---- */

static int take_ticket_locked(struct sangraha_download *download,
			      const struct sangraha_result *result,
			      struct sangraha_error *err)
{
	const struct sangraha_object *object = sangraha_result_object(result);
	const struct sgh_reply *reply = result->reply;

	if (result->status)
		return sgh_fail_with(err, result->status, &result->err);
	if (object->size != download->object->size ||
	    strcmp(object->sha256, download->object->sha256) != 0)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"the object %s became another one", object->reference);
	/* A getter with another inline limit may have sent the bytes: ask on. */
	if (!reply->ticket || reply->ticket->kind != SGH_TICKET_GET ||
	    !reply->ticket->url_count)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				"the answer has no ticket for %s", object->reference);
	if (!sgh_download_ticket_locked(download, reply->ticket))
		return sgh_fail_memory(err);
	download->state.renewed = true;
	return 0;
}

static void answered(void *arg, struct sangraha_result *result)
{
	struct sangraha_download *download = arg;
	struct sangraha_error err = { 0 };

	pthread_mutex_lock(&download->state.lock);
	take_ticket_locked(download, result, &err);
	pthread_mutex_unlock(&download->state.lock);
	sangraha_result_free(result);
	settle(download, &err);
}

static void ask(struct sangraha_download *download)
{
	struct sangraha_request_options options = {
		.size = sizeof(options),
		.request_id = download->request_id,
	};
	struct sangraha_client *client = download->client;
	struct sangraha_error err = { 0 };
	struct sgh_request *request = NULL;

	/* In this phase nobody else looks at the URL, or changes it. */
	sgh_cache_refuse(client->cache, download->object->type, download->object->id,
			 download->state.url);
	if (sgh_plain_request(client, SGH_GET, download->object->type,
			      download->object->id, &options, &request, &err) ||
	    sgh_call_start(client, request, client->timeout_ms, true, answered, download,
			   &err))
		settle(download, &err);
}

/* ---- what is next ---- */

static void rested(struct sgh_timer *timer)
{
	struct sangraha_error none = { 0 };

	settle(sgh_container_of(timer, struct sangraha_download, timer), &none);
}

static void rest_locked(struct sangraha_download *download)
{
	int64_t wait_ms;

	if (download->state.received - download->state.begun >= GOOD)
		sgh_backoff_reset(&download->state.backoff);
	download->state.begun = download->state.received;
	wait_ms = sgh_backoff_next(&download->state.backoff);
	enter_locked(download, SGH_DOWNLOAD_RESTS);
	download->timer.fire = rested;
	/* There is room for it: it was reserved. */
	sgh_timer_arm(download->client->timers, &download->timer, sgh_now_ms() + wait_ms);
}

/* Without a byte for so long it is over; the last try is not begun on the verge of it. */
static bool may_try_again_locked(const struct sangraha_download *download)
{
	int64_t limit = download->client->idle_timeout_ms;

	return download->state.for_reader ||
	       sgh_now_ms() - download->state.byte_ms < limit - limit / 10;
}

/* A failure as the reader is to see it: what is wrong with a ticket is not his doing. */
static void fail_locked(struct sangraha_download *download,
			const struct sangraha_error *why)
{
	struct sangraha_error err = *why;

	if (err.status == SANGRAHA_E_UNAUTHORIZED)
		err.status = SANGRAHA_E_UNAVAILABLE;
	else if (err.status == SANGRAHA_E_INVALID)
		err.status = SANGRAHA_E_INTERNAL;
	sgh_download_fail_locked(download, &err);
}

/*
 * Another ticket may name another gateway of the store, or one of its replicas; after a
 * connection that broke the old one will do.
 */
static void try_again_locked(struct sangraha_download *download, bool moving, int status)
{
	bool silent = download->state.received == download->state.begun ||
		      status == SANGRAHA_E_TIMEOUT;

	download->state.renew = moving && silent && status != SANGRAHA_E_OVERLOADED;
	rest_locked(download);
}

/*
 * Whether all that is wrong may be that the ticket is not of now: meanwhile the object may
 * be gone, or the gateway.
 */
static bool asks_anew_locked(const struct sangraha_download *download, int status)
{
	if (download->state.cached && status != SANGRAHA_E_OVERLOADED &&
	    download->state.received == download->state.begun)
		return true;
	return status == SANGRAHA_E_UNAUTHORIZED && !download->state.renewed;
}

/* What ended in failure is tried again, or that is the end. */
static void judge_locked(struct sangraha_download *download, bool moving,
			 const struct sangraha_error *why)
{
	if (moving && asks_anew_locked(download, why->status))
		download->state.renew = true;
	else if (sgh_status_passing(why->status) && may_try_again_locked(download))
		try_again_locked(download, moving, why->status);
	else
		fail_locked(download, why);
}

/* What the download waited for has come, or failed. Takes the phase's reference. */
static void settle(struct sangraha_download *download, struct sangraha_error *err)
{
	bool moving;
	bool failed;

	pthread_mutex_lock(&download->state.lock);
	moving = download->state.phase == SGH_DOWNLOAD_MOVING;
	download->state.phase = SGH_DOWNLOAD_IDLE;
	/* It may have broken while it waited for the reader: that is no silence. */
	download->state.for_reader |= download->state.paused;
	download->state.paused = false;
	if (moving && download->state.let_go)
		*err = (struct sangraha_error){ 0 };
	else if (moving && !err->status && download->state.received < download->length)
		sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0, "the store sent too little");
	if (err->status && !download->state.abandoned &&
	    download->state.received < download->length)
		judge_locked(download, moving, err);
	failed = download->state.status;
	pthread_mutex_unlock(&download->state.lock);
	if (failed)
		sgh_download_tell(download);
	else
		sgh_download_advance(download);
	sgh_download_unref(download);
}

/* The ticket may not be used any more. A new one is tried whatever our clock says. */
static bool must_ask_locked(const struct sangraha_download *download)
{
	return download->state.renew ||
	       (!download->state.fresh && sgh_time_ms() >= download->state.expires_ms);
}

static enum sgh_download_phase next_locked(struct sangraha_download *download)
{
	if (download->state.phase != SGH_DOWNLOAD_IDLE || download->state.abandoned ||
	    download->state.status || download->state.received == download->length)
		return SGH_DOWNLOAD_IDLE;
	if (!download->state.ring)
		return SGH_DOWNLOAD_MEMORY;
	if (download->state.fill > download->state.size / 2) {
		download->state.for_reader = true;
		return SGH_DOWNLOAD_IDLE;
	}
	if (download->state.for_reader)
		download->state.byte_ms = sgh_now_ms();
	download->state.for_reader = false;
	return must_ask_locked(download) ? SGH_DOWNLOAD_ASKS : SGH_DOWNLOAD_MOVING;
}

void sgh_download_advance(struct sangraha_download *download)
{
	enum sgh_download_phase next;

	pthread_mutex_lock(&download->state.lock);
	next = next_locked(download);
	if (next != SGH_DOWNLOAD_IDLE)
		enter_locked(download, next);
	if (next == SGH_DOWNLOAD_MOVING)
		prepare_move_locked(download);
	pthread_mutex_unlock(&download->state.lock);
	if (next == SGH_DOWNLOAD_MEMORY &&
	    sgh_budget_wait(download->client->context->budget, &download->waiter))
		sgh_download_granted(&download->waiter);
	else if (next == SGH_DOWNLOAD_ASKS)
		ask(download);
	else if (next == SGH_DOWNLOAD_MOVING)
		move(download);
}
