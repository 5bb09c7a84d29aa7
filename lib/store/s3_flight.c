/* SPDX-License-Identifier: MIT */
#include "store/s3.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

/* The operations that are in flight, and those that are kept to be used again. */

/* With the buffers they have grown. */
#define UNUSED_MAX 64
/* How long the end of a store waits for what it began itself. */
#define CLOSE_MS 1000

static void op_free(struct sgh_s3_op *self)
{
	sgh_http_request_fini(&self->http);
	sgh_bytes_unref(self->http.body);
	sgh_arena_fini(&self->arena);
	sgh_sigv4_work_fini(&self->work);
	sgh_buf_fini(&self->url);
	sgh_buf_fini(&self->authorization);
	free(self);
}

struct sgh_s3_op *sgh_s3_op_get(struct sgh_s3 *s3)
{
	struct sgh_list *link;
	struct sgh_s3_op *self;

	pthread_mutex_lock(&s3->state.lock);
	link = sgh_list_pop(&s3->state.unused);
	s3->state.unused_count -= link != NULL;
	pthread_mutex_unlock(&s3->state.lock);
	if (link)
		return sgh_list_entry(link, struct sgh_s3_op, link);
	self = calloc(1, sizeof(*self));
	if (!self)
		return NULL;
	self->s3 = s3;
	sgh_list_init(&self->link);
	return self;
}

void sgh_s3_op_put_back(struct sgh_s3_op *self)
{
	struct sgh_s3 *s3 = self->s3;
	bool kept;

	sgh_http_request_fini(&self->http);
	sgh_bytes_unref(sgh_take(self->http.body));
	sgh_arena_fini(&self->arena);
	pthread_mutex_lock(&s3->state.lock);
	sgh_list_remove(&self->link);
	self->op = NULL;
	kept = s3->state.unused_count < UNUSED_MAX;
	if (kept)
		sgh_list_append(&s3->state.unused, &self->link);
	s3->state.unused_count += kept;
	pthread_mutex_unlock(&s3->state.lock);
	if (!kept)
		op_free(self);
}

void sgh_s3_free_unused(struct sgh_s3 *s3)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(&s3->state.unused)))
		op_free(sgh_list_entry(link, struct sgh_s3_op, link));
}

void sgh_s3_take_off(struct sgh_s3_op *self)
{
	struct sgh_s3 *s3 = self->s3;

	pthread_mutex_lock(&s3->state.lock);
	self->sent = false;
	self->cut = false;
	self->given_up = false;
	sgh_list_append(&s3->state.flying, &self->link);
	s3->state.internal += self->internal;
	pthread_mutex_unlock(&s3->state.lock);
}

bool sgh_s3_landed(struct sgh_s3_op *self, bool *ret_given_up)
{
	struct sgh_s3 *s3 = self->s3;
	bool by_us;

	pthread_mutex_lock(&s3->state.lock);
	self->sent = false;
	by_us = self->cut || self->given_up;
	*ret_given_up = self->given_up;
	pthread_mutex_unlock(&s3->state.lock);
	return by_us && self->http.status;
}

void sgh_s3_internal_ended(struct sgh_s3 *s3)
{
	pthread_mutex_lock(&s3->state.lock);
	if (!--s3->state.internal)
		pthread_cond_broadcast(&s3->state.changed);
	pthread_mutex_unlock(&s3->state.lock);
}

/* ---- the end of what is in flight ---- */

static void cancel_locked(struct sgh_s3_op *self)
{
	if (self->sent)
		sgh_http_cancel(self->s3->http, &self->http, SANGRAHA_E_UNAVAILABLE);
}

void sgh_s3_cancel(struct sangraha_store *store, const void *owner)
{
	struct sgh_s3 *s3 = sgh_container_of(store, struct sgh_s3, store);

	pthread_mutex_lock(&s3->state.lock);
	sgh_list_for_each (link, &s3->state.flying) {
		struct sgh_s3_op *self = sgh_list_entry(link, struct sgh_s3_op, link);

		if (self->internal || self->op->owner != owner)
			continue;
		self->given_up = true;
		cancel_locked(self);
	}
	pthread_mutex_unlock(&s3->state.lock);
}

void sgh_s3_cut(struct sgh_s3 *s3, const struct sgh_s3_endpoint *endpoint)
{
	pthread_mutex_lock(&s3->state.lock);
	sgh_list_for_each (link, &s3->state.flying) {
		struct sgh_s3_op *self = sgh_list_entry(link, struct sgh_s3_op, link);

		if (!self->sent || self->probe || self->endpoint != endpoint)
			continue;
		self->cut = true;
		cancel_locked(self);
	}
	pthread_mutex_unlock(&s3->state.lock);
}

/* Of what the back end began itself: probes at once, the rest when it has had its time. */
static void close_internal(struct sgh_s3 *s3, bool probes)
{
	sgh_list_for_each (link, &s3->state.flying) {
		struct sgh_s3_op *self = sgh_list_entry(link, struct sgh_s3_op, link);

		if (self->probe != probes)
			continue;
		self->given_up = true;
		cancel_locked(self);
	}
}

void sgh_s3_close_flights(struct sgh_s3 *s3)
{
	int64_t until = sgh_now_ms() + CLOSE_MS;

	pthread_mutex_lock(&s3->state.lock);
	close_internal(s3, true);
	while (s3->state.internal &&
	       sgh_cond_wait_until(&s3->state.changed, &s3->state.lock, until))
		;
	s3->state.closing = true;
	close_internal(s3, true);
	close_internal(s3, false);
	pthread_mutex_unlock(&s3->state.lock);
}
