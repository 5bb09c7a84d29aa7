/* SPDX-License-Identifier: MIT */
#include <sangraha/client.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "role/download.h"

/* The reader's side of a download; download_move.c is the store's. */

#define RING_MAX (256 << 10)
#define RING_MIN (16 << 10)

void sgh_download_ref(struct sangraha_download *download)
{
	__atomic_add_fetch(&download->refs, 1, __ATOMIC_RELAXED);
}

void sgh_download_unref(struct sangraha_download *download)
{
	struct sangraha_client *client = download->client;
	struct sgh_budget *budget = client->context->budget;

	if (__atomic_sub_fetch(&download->refs, 1, __ATOMIC_ACQ_REL))
		return;
	sgh_client_release_timer(client);
	sgh_client_release_timer(client);
	if (download->state.size) {
		free(download->state.ring);
		sgh_budget_arrived(budget, download->state.size);
		sgh_budget_release(budget, download->state.size);
	}
	sgh_sha256_free(download->hash);
	sgh_bytes_unref(download->body);
	sangraha_object_unref(download->object);
	free(download->state.url);
	free(download->request_id);
	pthread_cond_destroy(&download->state.changed);
	pthread_mutex_destroy(&download->state.lock);
	free(download);
	sgh_client_unref(client);
}

bool sgh_download_ticket_locked(struct sangraha_download *download,
				const struct sgh_ticket *ticket)
{
	char *url;

	if (!sgh_strdup(ticket->urls[0], &url))
		return false;
	free(download->state.url);
	download->state.url = url;
	download->state.expires_ms = ticket->expires_ms;
	download->state.fresh = true;
	download->state.cached = false;
	download->state.renew = false;
	return true;
}

/* ---- the beginning ---- */

/*
 * So that a hundred downloads fit the memory beside everything else, and a few are fast.
 */
static size_t ring_size(const struct sangraha_download *download)
{
	size_t size = sgh_budget_limit(download->client->context->budget) / 256;

	size = sgh_min(size, RING_MAX);
	if (size < RING_MIN)
		size = RING_MIN;
	return download->length < size ? (size_t)download->length : size;
}

static struct sangraha_download *download_alloc(struct sangraha_client *client,
						struct sangraha_object *object)
{
	struct sangraha_download *download = calloc(1, sizeof(*download));
	bool room;

	if (!download)
		return NULL;
	download->refs = 1;
	download->client = sgh_client_ref(client);
	download->object = sangraha_object_ref(object);
	pthread_mutex_init(&download->state.lock, NULL);
	sgh_cond_init(&download->state.changed);
	/* Both are taken in any case, as both are released. */
	room = sgh_client_reserve_timer(client);
	room &= sgh_client_reserve_timer(client);
	if (room)
		return download;
	sgh_download_unref(download);
	return NULL;
}

/* Where the bytes come from. */
static int set_source(struct sangraha_download *download,
		      const struct sangraha_result *result, struct sangraha_error *err)
{
	const struct sgh_reply *reply = result->reply;
	const struct sgh_ticket *ticket = reply->ticket;

	if (ticket && ticket->kind == SGH_TICKET_GET && ticket->url_count) {
		if (!sgh_download_ticket_locked(download, ticket))
			return sgh_fail_memory(err);
		download->state.cached = result->cached;
		return 0;
	}
	if (download->length && !reply->body)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the answer has no bytes, and no ticket to fetch them");
	if (download->length && reply->body->length != download->object->size)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"the object %s is not as long as its description says",
				download->object->reference);
	download->body = reply->body ? sgh_bytes_ref(reply->body) : NULL;
	download->state.received = download->length;
	return 0;
}

static int set_up(struct sangraha_download *download,
		  const struct sangraha_result *result, struct sangraha_error *err)
{
	bool whole = download->length == download->object->size;
	int status = set_source(download, result, err);

	if (!status && !sgh_strdup(result->reply->request_id, &download->request_id))
		status = sgh_fail_memory(err);
	if (!status && whole && *download->object->sha256)
		status = sgh_sha256_new(&download->hash, err);
	return status;
}

int sangraha_download_new(struct sangraha_client *client,
			  const struct sangraha_result *result, uint64_t offset,
			  uint64_t length, void (*ready)(void *arg), void *ready_arg,
			  struct sangraha_download **ret, struct sangraha_error *err)
{
	struct sangraha_object *object = sangraha_result_object(result);
	struct sangraha_download *download;
	int status;

	if (!client || !object || !ret)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a download needs a client and the answer to a get");
	if (offset > object->size || (offset == object->size && offset))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the object has %llu bytes, and none after %llu",
				(unsigned long long)object->size,
				(unsigned long long)offset);
	download = download_alloc(client, object);
	if (!download)
		return sgh_fail_memory(err);
	download->ready = ready;
	download->ready_arg = ready_arg;
	download->offset = offset;
	download->length = object->size - offset;
	if (length && length < download->length)
		download->length = length;
	status = set_up(download, result, err);
	if (status) {
		sgh_download_unref(download);
		return status;
	}
	if (!download->body && download->length) {
		download->waiter.size = ring_size(download);
		download->waiter.arriving = true;
		download->waiter.granted = sgh_download_granted;
		sgh_download_advance(download);
	}
	*ret = download;
	return 0;
}

/* ---- reading ---- */

/* What the reader may touch: one run of bytes, or two when the ring wraps. */
struct view {
	const unsigned char *data;
	size_t length;
	const unsigned char *more;
	size_t more_length;
	bool last; /* behind it nothing comes */
};

static struct view view_locked(const struct sangraha_download *download)
{
	struct view view = { .last = download->state.received == download->length };
	size_t at = download->state.at;

	if (download->body) {
		view.data = download->body->data + download->offset + download->given;
		view.length = (size_t)(download->length - download->given);
	} else if (download->state.fill) {
		view.data = download->state.ring + at;
		view.length = sgh_min(download->state.fill, download->state.size - at);
		view.more = download->state.ring;
		view.more_length = download->state.fill - view.length;
	}
	return view;
}

/* All that is left is there: it is handed out only when all of it is right. */
static int compare(struct sangraha_download *download, const struct view *view,
		   struct sangraha_error *err)
{
	unsigned char digest[32];
	char hex[SANGRAHA_SHA256_SIZE];
	int status = sgh_sha256_update(download->hash, view->data, view->length, err);

	if (!status && view->more_length)
		status = sgh_sha256_update(download->hash, view->more, view->more_length,
					   err);
	if (!status)
		status = sgh_sha256_final(download->hash, digest, err);
	if (status)
		return status;
	sgh_hex(digest, sizeof(digest), hex);
	if (strcmp(hex, download->object->sha256) != 0) {
		sgh_log(download->client->context, SANGRAHA_LOG_ERROR, "orchestrator",
			"download", "%s differs from its digest",
			download->object->reference);
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"the object %s differs from its digest",
				download->object->reference);
	}
	sgh_sha256_free(sgh_take(download->hash));
	return 0;
}

/* Take what fits of it; with a whole object it is hashed, or compared, before. */
static int take(struct sangraha_download *download, const struct view *view, void *data,
		size_t size, size_t *ret_got, struct sangraha_error *err)
{
	size_t got = sgh_min(view->length, size);
	int status = 0;

	if (download->hash && view->last)
		status = compare(download, view, err);
	else if (download->hash)
		status = sgh_sha256_update(download->hash, view->data, got, err);
	if (status)
		return status;
	memcpy(data, view->data, got);
	download->given += got;
	*ret_got = got;
	return 0;
}

/* So much room was made in the ring: whoever waits for it goes on. */
static void make_room(struct sangraha_download *download, size_t got)
{
	bool idle;

	pthread_mutex_lock(&download->state.lock);
	download->state.at = (download->state.at + got) % download->state.size;
	download->state.fill -= got;
	if (download->state.paused && download->state.fill <= download->state.size / 2) {
		download->state.paused = false;
		download->state.byte_ms = sgh_now_ms();
		sgh_mover_resume(download->state.mover, &download->move);
	}
	idle = download->state.phase == SGH_DOWNLOAD_IDLE;
	pthread_mutex_unlock(&download->state.lock);
	if (idle)
		sgh_download_advance(download);
}

int sangraha_download_read(struct sangraha_download *download, void *data, size_t size,
			   size_t *ret_got, struct sangraha_error *err)
{
	struct sangraha_error why = { 0 };
	struct view view = { 0 };
	int status;

	if (!download || !data || !size || !ret_got)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no download or no room");
	pthread_mutex_lock(&download->state.lock);
	status = download->state.status;
	if (status)
		sgh_fail_with(err, status, &download->state.err);
	else
		view = view_locked(download);
	download->state.wanted =
		!status && !view.length && download->given < download->length;
	pthread_mutex_unlock(&download->state.lock);
	if (status)
		return status;
	if (!view.length) {
		*ret_got = 0;
		return 0;
	}
	status = take(download, &view, data, size, ret_got, &why);
	if (status) {
		pthread_mutex_lock(&download->state.lock);
		sgh_download_fail_locked(download, &why);
		pthread_mutex_unlock(&download->state.lock);
		return sgh_fail_with(err, status, &why);
	}
	if (!download->body)
		make_room(download, *ret_got);
	return 0;
}

int sangraha_download_poll(struct sangraha_download *download, struct sangraha_error *err)
{
	int status;

	if (!download)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "there is no download");
	pthread_mutex_lock(&download->state.lock);
	status = download->state.status;
	if (status)
		sgh_fail_with(err, status, &download->state.err);
	else
		status = download->given == download->length || download->body ||
			 download->state.fill;
	download->state.wanted = !status;
	pthread_mutex_unlock(&download->state.lock);
	return status;
}

int sangraha_download_ended(const struct sangraha_download *download)
{
	return download && download->given == download->length;
}

/* ---- ready() ---- */

void sgh_download_fail_locked(struct sangraha_download *download,
			      const struct sangraha_error *err)
{
	if (download->state.status)
		return;
	download->state.err = *err;
	download->state.status = err->status;
}

void sgh_download_tell(struct sangraha_download *download)
{
	bool tell;

	pthread_mutex_lock(&download->state.lock);
	tell = download->state.wanted && !download->state.abandoned && download->ready;
	download->state.wanted = false;
	if (tell) {
		download->state.telling = true;
		download->state.teller = pthread_self();
	}
	pthread_mutex_unlock(&download->state.lock);
	if (!tell)
		return;
	download->ready(download->ready_arg);
	pthread_mutex_lock(&download->state.lock);
	download->state.telling = false;
	pthread_cond_broadcast(&download->state.changed);
	pthread_mutex_unlock(&download->state.lock);
}

void sangraha_download_free(struct sangraha_download *download)
{
	struct sangraha_client *client;
	enum sgh_download_phase phase;
	bool watched;

	if (!download)
		return;
	client = download->client;
	pthread_mutex_lock(&download->state.lock);
	download->state.abandoned = true;
	phase = download->state.phase;
	watched = download->state.watched;
	/* Without a mover it is being made, and whoever makes it looks again. */
	if (phase == SGH_DOWNLOAD_MOVING && download->state.mover)
		sgh_mover_cancel(download->state.mover, &download->move,
				 SANGRAHA_E_UNAVAILABLE);
	while (download->state.telling &&
	       !pthread_equal(download->state.teller, pthread_self()))
		sgh_cond_wait_until(&download->state.changed, &download->state.lock,
				    SGH_NEVER);
	pthread_mutex_unlock(&download->state.lock);
	/* Nothing follows on what is abandoned: at most this one has to be called off. */
	if ((phase == SGH_DOWNLOAD_MEMORY &&
	     sgh_budget_cancel(client->context->budget, &download->waiter)) ||
	    (phase == SGH_DOWNLOAD_RESTS &&
	     sgh_timer_cancel(client->timers, &download->timer)))
		sgh_download_unref(download);
	if (watched && sgh_timer_cancel(client->timers, &download->turn))
		sgh_download_unref(download);
	sgh_download_unref(download);
}
