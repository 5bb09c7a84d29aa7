/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "role/upload.h"

/*
 * The memory of an upload. A buffer is reserved whole before the first byte of it is taken
 * - the body where it is known to fit one, else a part - so that buffers which have begun
 * never wait for each other; README.md has the argument. Of the first one a sip is taken
 * before, out of a share of its own: the rest is for those that bring bytes.
 */

/* Who takes longer over a sip lets others pass. */
#define SIP_SLOW_MS 1000

/* What one upload may hold of the whole budget, so that others get on besides. */
static size_t share(const struct sangraha_client *client)
{
	return sgh_budget_limit(client->context->budget) / 8 * 5;
}

/* What bytes that arrive may take of it together; see base/budget.h. */
size_t sgh_upload_quota(const struct sangraha_client *client)
{
	size_t limit = sgh_budget_limit(client->context->budget);

	return limit - limit / 4;
}

size_t sgh_upload_first(const struct sangraha_upload *upload)
{
	return upload->sips ? sgh_budget_sip(upload->client->context->budget)
			    : upload->whole;
}

/* The buffer is full, or given up: others may arrive. */
void sgh_upload_arrived(struct sangraha_upload *upload)
{
	size_t arriving = upload->arriving;

	upload->arriving = 0;
	if (arriving)
		sgh_budget_arrived(upload->client->context->budget, arriving);
}

void sgh_upload_drop_body(struct sangraha_upload *upload)
{
	sgh_upload_arrived(upload);
	sgh_bytes_unref(sgh_take(upload->body));
	upload->sipping = false;
}

void sgh_upload_drop_room(struct sangraha_upload *upload)
{
	struct sgh_budget *budget = upload->client->context->budget;
	bool granted;

	pthread_mutex_lock(&upload->state.lock);
	granted = upload->state.granted;
	upload->state.granted = false;
	pthread_mutex_unlock(&upload->state.lock);
	if (granted) {
		sgh_budget_arrived(budget, upload->waiter.size);
		sgh_budget_release(budget, upload->waiter.size);
	}
}

/* Whether an upload that was paused has something to go on with, if only its failure. */
static bool can_go_on_locked(const struct sangraha_upload *upload)
{
	return upload->state.granted || upload->state.status || upload->state.there ||
	       !upload->state.waiting;
}

void sgh_upload_wake(struct sangraha_upload *upload)
{
	pthread_mutex_lock(&upload->state.lock);
	if (!upload->state.paused || !upload->resume || upload->state.abandoned ||
	    !can_go_on_locked(upload)) {
		pthread_mutex_unlock(&upload->state.lock);
		return;
	}
	upload->state.paused = false;
	upload->state.again = true;
	while (upload->state.again && !upload->state.abandoned &&
	       (!upload->state.resuming ||
		pthread_equal(upload->state.resumer, pthread_self()))) {
		upload->state.again = false;
		upload->state.resuming = true;
		upload->state.resumer = pthread_self();
		pthread_mutex_unlock(&upload->state.lock);
		upload->resume(upload->resume_arg);
		pthread_mutex_lock(&upload->state.lock);
		upload->state.resuming = false;
		pthread_cond_broadcast(&upload->state.changed);
	}
	pthread_mutex_unlock(&upload->state.lock);
}

/* No resume() is running when this returns, but for one that calls it, and none begins. */
void sgh_upload_abandon(struct sangraha_upload *upload)
{
	pthread_mutex_lock(&upload->state.lock);
	upload->state.abandoned = true;
	while (upload->state.resuming &&
	       !pthread_equal(upload->state.resumer, pthread_self()))
		sgh_cond_wait_until(&upload->state.changed, &upload->state.lock,
				    SGH_NEVER);
	pthread_mutex_unlock(&upload->state.lock);
}

static void granted(struct sgh_budget_waiter *waiter)
{
	struct sangraha_upload *upload =
		sgh_container_of(waiter, struct sangraha_upload, waiter);
	bool wanted;

	pthread_mutex_lock(&upload->state.lock);
	upload->state.waiting = false;
	upload->state.granted = true;
	wanted = !upload->state.status && !upload->state.there;
	pthread_mutex_unlock(&upload->state.lock);
	if (!wanted)
		sgh_upload_drop_room(upload);
	sgh_upload_wake(upload);
	sgh_upload_unref(upload);
}

static bool within_share_locked(const struct sangraha_upload *upload, size_t size)
{
	return upload->state.held == 0 ||
	       upload->state.held + size <= share(upload->client);
}

/* Reserve memory for a buffer, or stand in line for it. */
void sgh_upload_reserve(struct sangraha_upload *upload, size_t size)
{
	struct sgh_budget *budget = upload->client->context->budget;
	bool ask;

	pthread_mutex_lock(&upload->state.lock);
	ask = !upload->state.granted && !upload->state.waiting &&
	      within_share_locked(upload, size);
	if (ask)
		upload->state.waiting = true;
	pthread_mutex_unlock(&upload->state.lock);
	if (!ask)
		return;
	upload->waiter.size = size;
	upload->waiter.arriving = true;
	upload->waiter.patient =
		upload->sipping && sgh_now_ms() - upload->sip_ms > SIP_SLOW_MS;
	upload->waiter.granted = granted;
	sgh_upload_ref(upload);
	if (sgh_budget_wait(budget, &upload->waiter)) {
		pthread_mutex_lock(&upload->state.lock);
		upload->state.waiting = false;
		upload->state.granted = true;
		pthread_mutex_unlock(&upload->state.lock);
		sgh_upload_unref(upload);
	}
}

/* A buffer of memory that was granted, with what there is of its bytes. */
static int set_body(struct sangraha_upload *upload, size_t size,
		    struct sangraha_error *err)
{
	struct sgh_budget *budget = upload->client->context->budget;
	struct sgh_bytes *sip = upload->body;
	struct sgh_bytes *body = sgh_bytes_new(budget, size);

	if (!body) {
		sgh_budget_arrived(budget, size);
		sgh_budget_release(budget, size);
		return sgh_fail_memory(err);
	}
	if (sip)
		sgh_bytes_append(body, sip->data, sip->length);
	sgh_upload_drop_body(upload);
	upload->body = body;
	upload->arriving = size;
	upload->sipping = upload->number == 1 && size < upload->whole;
	upload->sip_ms = sgh_now_ms();
	return 0;
}

/*
 * Turn the reservation into the next buffer, or a sip into the first one; none: it is not
 * granted yet.
 */
int sgh_upload_take_room(struct sangraha_upload *upload, struct sangraha_error *err)
{
	bool there;

	pthread_mutex_lock(&upload->state.lock);
	there = upload->state.granted;
	upload->state.granted = false;
	pthread_mutex_unlock(&upload->state.lock);
	return there ? set_body(upload, upload->waiter.size, err) : 0;
}

/* Nothing can be taken. False: it can by now. */
bool sgh_upload_pause(struct sangraha_upload *upload, size_t size)
{
	bool pause;

	pthread_mutex_lock(&upload->state.lock);
	if (upload->windowed && upload->body)
		pause = upload->state.window.fill == upload->body->capacity;
	else
		pause = !upload->state.granted &&
			(upload->state.waiting || !within_share_locked(upload, size));
	pause = pause && !upload->state.status && !upload->state.there;
	upload->state.paused = pause;
	pthread_mutex_unlock(&upload->state.lock);
	return pause;
}
