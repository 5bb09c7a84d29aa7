/* SPDX-License-Identifier: MIT */
#include "role/upload.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "role/client.h"

/*
 * A body on its way in. All the memory it may need is reserved at once - its length, or
 * the inline limit where that is not known - so that uploads which have begun never wait
 * for each other.
 */
struct sangraha_upload {
	int refs; /* atomic: the user's, and one while `granted` may still be called */
	struct sangraha_client *client;
	struct sgh_request *request; /* the put, without its body */
	unsigned timeout_ms;
	void (*resume)(void *arg);
	void *resume_arg;
	struct sgh_budget_waiter waiter;
	struct sgh_bytes *body; /* NULL until the memory is there */
	size_t room;
	bool known; /* room is the length */
	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed; /* resuming ended */
		pthread_t resumer;
		bool resuming;  /* resume() is being called, by that thread */
		bool granted;   /* reserved for us, not taken over by the body yet */
		bool arriving;  /* and the body has not come to its end */
		bool abandoned; /* the user is gone */
	} state;
};

/* The body is whole, or given up: others may arrive. */
static void arrived(struct sangraha_upload *upload)
{
	bool arriving;

	pthread_mutex_lock(&upload->state.lock);
	arriving = upload->state.arriving;
	upload->state.arriving = false;
	pthread_mutex_unlock(&upload->state.lock);
	if (arriving)
		sgh_budget_arrived(upload->client->context->budget, upload->room);
}

static void upload_unref(struct sangraha_upload *upload)
{
	struct sangraha_client *client = upload->client;

	if (__atomic_sub_fetch(&upload->refs, 1, __ATOMIC_ACQ_REL))
		return;
	arrived(upload);
	if (upload->state.granted)
		sgh_budget_release(client->context->budget, upload->room);
	sgh_bytes_unref(upload->body);
	sgh_request_free(upload->request);
	pthread_cond_destroy(&upload->state.changed);
	pthread_mutex_destroy(&upload->state.lock);
	free(upload);
	sgh_client_unref(client);
}

/* The memory is there. Tell the user, with no lock held, unless he is gone. */
static void granted(struct sgh_budget_waiter *waiter)
{
	struct sangraha_upload *upload =
		sgh_container_of(waiter, struct sangraha_upload, waiter);

	pthread_mutex_lock(&upload->state.lock);
	upload->state.granted = true;
	upload->state.arriving = true;
	upload->state.resuming = !upload->state.abandoned && upload->resume;
	upload->state.resumer = pthread_self();
	pthread_mutex_unlock(&upload->state.lock);
	if (upload->state.resuming)
		upload->resume(upload->resume_arg);
	pthread_mutex_lock(&upload->state.lock);
	upload->state.resuming = false;
	pthread_cond_broadcast(&upload->state.changed);
	pthread_mutex_unlock(&upload->state.lock);
	upload_unref(upload);
}

/* No resume() is running when this returns, but for one that calls it, and none begins. */
static void abandon(struct sangraha_upload *upload)
{
	pthread_mutex_lock(&upload->state.lock);
	upload->state.abandoned = true;
	while (upload->state.resuming &&
	       !pthread_equal(upload->state.resumer, pthread_self()))
		sgh_cond_wait_until(&upload->state.changed, &upload->state.lock,
				    SGH_NEVER);
	pthread_mutex_unlock(&upload->state.lock);
}

static int too_large(size_t limit, struct sangraha_error *err)
{
	return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0,
			"the body is larger than the limit of %zu bytes", limit);
}

int sangraha_upload_new(struct sangraha_client *client, int64_t length,
			const struct sangraha_put_options *options,
			void (*resume)(void *arg), void *resume_arg,
			struct sangraha_upload **ret, struct sangraha_error *err)
{
	struct sgh_request *request = NULL;
	struct sangraha_upload *upload;
	int status;

	if (!client || !ret)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "an upload needs a client");
	if (length >= 0 && (uint64_t)length > client->inline_limit)
		return too_large(client->inline_limit, err);
	status = sgh_put_request(client, options, &request, err);
	if (status)
		return status;
	upload = calloc(1, sizeof(*upload));
	if (!upload) {
		sgh_request_free(request);
		return sgh_fail_memory(err);
	}
	upload->request = request;
	upload->timeout_ms = sgh_put_timeout(client, options);
	upload->refs = 2;
	upload->client = sgh_client_ref(client);
	upload->resume = resume;
	upload->resume_arg = resume_arg;
	upload->known = length >= 0;
	upload->room = upload->known ? (size_t)length : client->inline_limit;
	pthread_mutex_init(&upload->state.lock, NULL);
	sgh_cond_init(&upload->state.changed);
	upload->waiter.size = upload->room;
	upload->waiter.arriving = true;
	upload->waiter.granted = granted;
	if (sgh_budget_wait(client->context->budget, &upload->waiter)) {
		upload->state.granted = true;
		upload->state.arriving = true;
		upload_unref(upload);
	}
	*ret = upload;
	return 0;
}

/* Turn the reservation into room for the body. 0 with no body: not granted yet. */
static int take_room(struct sangraha_upload *upload, struct sangraha_error *err)
{
	int status = 0;

	pthread_mutex_lock(&upload->state.lock);
	if (upload->state.granted) {
		upload->body =
			sgh_bytes_new(upload->client->context->budget, upload->room);
		if (upload->body)
			upload->state.granted = false;
		else
			status = sgh_fail_memory(err);
	}
	pthread_mutex_unlock(&upload->state.lock);
	return status;
}

int sangraha_upload_write(struct sangraha_upload *upload, const void *data, size_t length,
			  size_t *ret_taken, struct sangraha_error *err)
{
	int status = 0;

	if (!upload || (!data && length) || !ret_taken)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no upload or no bytes");
	if (!upload->body)
		status = take_room(upload, err);
	if (status)
		return status;
	if (!upload->body) {
		*ret_taken = 0;
		return 0;
	}
	if (!sgh_bytes_append(upload->body, data, length))
		return upload->known
			       ? sgh_fail(err, SANGRAHA_E_INVALID, 0,
					  "more bytes than the %zu that were announced",
					  upload->room)
			       : too_large(upload->room, err);
	*ret_taken = length;
	return 0;
}

/* Of unknown length: give back what turned out not to be needed. */
static int shrink(struct sangraha_upload *upload, struct sangraha_error *err)
{
	struct sgh_budget *budget = upload->client->context->budget;
	struct sgh_bytes *body = upload->body;
	struct sgh_bytes *small;

	if (body->length == body->capacity)
		return 0;
	/* For the moment of the copy both are there: what the budget lends is bounded. */
	sgh_budget_force(budget, body->length);
	small = sgh_bytes_new(budget, body->length);
	if (!small) {
		sgh_budget_release(budget, body->length);
		return sgh_fail_memory(err);
	}
	sgh_bytes_append(small, body->data, body->length);
	upload->body = small;
	sgh_bytes_unref(body);
	return 0;
}

static int finish_body(struct sangraha_upload *upload, struct sangraha_error *err)
{
	int status = 0;

	if (!upload->body)
		status = take_room(upload, err);
	if (status)
		return status;
	if (!upload->body)
		return sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
				"the memory for bodies in flight is used up");
	if (upload->known && upload->body->length < upload->room)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"%zu bytes came, not the %zu that were announced",
				upload->body->length, upload->room);
	return shrink(upload, err);
}

int sangraha_upload_add_meta(struct sangraha_upload *upload, const char *name,
			     const char *value, struct sangraha_error *err)
{
	if (!upload)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no upload");
	return sgh_request_add_meta(upload->request, name, value, err);
}

/* What is sent inline, the receiver looks at. */
const struct sangraha_verdict *
sangraha_upload_verdict(const struct sangraha_upload *upload)
{
	return NULL;
}

int sgh_upload_submit(struct sangraha_upload *upload, unsigned timeout_ms, bool direct,
		      sangraha_done_fn *done, void *arg, struct sangraha_error *err)
{
	struct sgh_request *request;
	int status;

	abandon(upload);
	arrived(upload);
	status = finish_body(upload, err);
	if (!status) {
		request = sgh_take(upload->request);
		request->body = sgh_bytes_ref(upload->body);
		request->size = (int64_t)upload->body->length;
		status = sgh_call_start(upload->client, request,
					timeout_ms ? timeout_ms : upload->timeout_ms,
					direct, done, arg, err);
	}
	sangraha_upload_free(upload);
	return status;
}

int sangraha_upload_submit(struct sangraha_upload *upload, sangraha_done_fn *done,
			   void *arg, struct sangraha_error *err)
{
	if (!upload || !done) {
		sangraha_upload_free(upload);
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"an upload needs somebody to tell");
	}
	return sgh_upload_submit(upload, 0, false, done, arg, err);
}

void sangraha_upload_free(struct sangraha_upload *upload)
{
	if (!upload)
		return;
	abandon(upload);
	if (sgh_budget_cancel(upload->client->context->budget, &upload->waiter))
		upload_unref(upload);
	upload_unref(upload);
}
