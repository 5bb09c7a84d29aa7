/* SPDX-License-Identifier: MIT */
#include "role/upload.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/thread.h"

/*
 * The public face of an upload: how it begins, and the ways in which its user is done with
 * it. In between it takes bytes, in upload_write.c.
 */

/* ---- life ---- */

void sgh_upload_ref(struct sangraha_upload *upload)
{
	__atomic_add_fetch(&upload->refs, 1, __ATOMIC_RELAXED);
}

void sgh_upload_unref(struct sangraha_upload *upload)
{
	struct sangraha_client *client = upload->client;

	if (__atomic_sub_fetch(&upload->refs, 1, __ATOMIC_ACQ_REL))
		return;
	sgh_upload_drop_body(upload);
	sgh_upload_drop_room(upload);
	sgh_bytes_unref(upload->state.prefix);
	sgh_bytes_unref(upload->state.ring);
	sgh_reply_free(upload->state.there);
	for (size_t i = 0; i < SGH_COUNT(upload->state.tickets); i++)
		sgh_reply_free(upload->state.tickets[i]);
	free(upload->state.stored);
	sgh_arena_fini(&upload->state.etags);
	sangraha_result_free(upload->state.result);
	sangraha_validator_free(upload->validator);
	sgh_sha256_free(upload->hash);
	sgh_request_free(upload->request);
	if (upload->timer_reserved)
		sgh_client_release_timer(client);
	sgh_upload_window_end(upload);
	pthread_cond_destroy(&upload->state.changed);
	pthread_mutex_destroy(&upload->state.lock);
	free(upload);
	sgh_client_unref(client);
}

/* ---- the beginning ---- */

int sgh_upload_too_large(uint64_t limit, struct sangraha_error *err)
{
	return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0,
			"the body is larger than the limit of %llu bytes",
			(unsigned long long)limit);
}

/*
 * A body whose length is not known can only be large where its parts fit the memory, which
 * the smallest do from 6.7 MiB on.
 */
static bool may_grow(const struct sangraha_client *client)
{
	return client->large_writes && client->max_object_size > client->inline_limit &&
	       SGH_PART_MIN <= sgh_upload_quota(client);
}

uint64_t sgh_upload_most(const struct sangraha_client *client)
{
	if (!client->large_writes)
		return client->inline_limit;
	return client->max_object_size;
}

int sgh_upload_over_most(const struct sangraha_client *client, struct sangraha_error *err)
{
	if (client->large_writes)
		return sgh_upload_too_large(client->max_object_size, err);
	return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0,
			"the body is over the limit of a message, %zu bytes, and large "
			"objects are not taken here",
			client->inline_limit);
}

int sgh_upload_over_message(const struct sangraha_client *client,
			    struct sangraha_error *err)
{
	if (!client->large_writes || client->max_object_size <= client->inline_limit)
		return sgh_upload_over_most(client, err);
	return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0,
			"without its length a body is at most %zu bytes here, because "
			"memory-limit is under 7M; sent with its length it may be larger",
			client->inline_limit);
}

/* How a body of that length travels, and the size of its first buffer. */
static int plan(struct sangraha_upload *upload, int64_t length,
		struct sangraha_error *err)
{
	const struct sangraha_client *client = upload->client;
	size_t *size = &upload->whole;

	upload->length = length;
	upload->plan.length = length;
	upload->plan.most = sgh_budget_limit(client->context->budget) / 4;
	if (length < 0) {
		upload->kind = may_grow(client) ? SGH_UPLOAD_OPEN : SGH_UPLOAD_INLINE;
		*size = client->inline_limit;
		if (upload->kind == SGH_UPLOAD_OPEN && *size < SGH_PART_MIN)
			*size = SGH_PART_MIN;
	} else if ((uint64_t)length <= client->inline_limit) {
		*size = (size_t)length;
	} else if ((uint64_t)length > sgh_upload_most(client)) {
		return sgh_upload_over_most(client, err);
	} else if ((uint64_t)length <= client->spool_limit) {
		upload->kind = SGH_UPLOAD_SPOOL;
		*size = (size_t)length;
	} else {
		uint64_t part = sgh_parts_size(&upload->plan, 1);

		if (part == 0)
			return sgh_upload_too_large(sgh_parts_capacity(&upload->plan),
						    err);
		upload->kind = SGH_UPLOAD_PARTS;
		upload->windowed = part > sgh_upload_quota(client) ||
				   (part > upload->plan.most && part > SGH_PART_MIN);
		*size = upload->windowed ? sgh_upload_window_size(client) : (size_t)part;
	}
	return 0;
}

static int begin(struct sangraha_upload *upload, int64_t length,
		 const struct sangraha_put_options *options, struct sangraha_error *err)
{
	int status = plan(upload, length, err);

	if (!status)
		status = sgh_put_request(upload->client, options, &upload->request, err);
	if (!status && !(upload->state.result = calloc(1, sizeof(*upload->state.result))))
		status = sgh_fail_memory(err);
	if (status)
		return status;
	upload->timeout_ms = sgh_put_timeout(upload->client, options);
	upload->async = sgh_option(options, async, 0) != 0;
	if (upload->kind >= SGH_UPLOAD_SPOOL)
		status = sgh_upload_check_begin(upload, err);
	if (!status && upload->kind >= SGH_UPLOAD_SPOOL)
		status = sgh_upload_open(upload, err);
	return status;
}

int sgh_upload_new(struct sangraha_client *client, int64_t length, bool at_once,
		   const struct sangraha_put_options *options, void (*resume)(void *arg),
		   void *resume_arg, struct sangraha_upload **ret,
		   struct sangraha_error *err)
{
	struct sangraha_upload *upload;
	int status;

	if (!client || !ret || length < -1)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"an upload needs a client and a length or -1");
	if (sgh_metric_get(client->uploads_open) >= client->max_in_flight)
		return sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
				"%u uploads are under way already",
				client->max_in_flight);
	upload = calloc(1, sizeof(*upload));
	if (!upload)
		return sgh_fail_memory(err);
	upload->refs = 1;
	upload->client = sgh_client_ref(client);
	upload->resume = resume;
	upload->resume_arg = resume_arg;
	upload->number = 1;
	sgh_list_init(&upload->link);
	sgh_list_init(&upload->state.parts);
	upload->state.etags.max = 2 << 20;
	pthread_mutex_init(&upload->state.lock, NULL);
	sgh_cond_init(&upload->state.changed);
	status = begin(upload, length, options, err);
	if (status) {
		sgh_upload_unref(upload);
		return status;
	}
	upload->at_once = at_once;
	upload->sips = !at_once && !upload->windowed &&
		       upload->whole > sgh_budget_sip(client->context->budget);
	sgh_upload_reserve(upload, sgh_upload_first(upload));
	/* Who waits from the start is told as one that was paused. */
	sgh_upload_pause(upload, sgh_upload_first(upload));
	*ret = upload;
	return 0;
}

int sangraha_upload_new(struct sangraha_client *client, int64_t length,
			const struct sangraha_put_options *options,
			void (*resume)(void *arg), void *resume_arg,
			struct sangraha_upload **ret, struct sangraha_error *err)
{
	return sgh_upload_new(client, length, false, options, resume, resume_arg, ret,
			      err);
}

int sangraha_upload_add_meta(struct sangraha_upload *upload, const char *name,
			     const char *value, struct sangraha_error *err)
{
	if (!upload)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no upload");
	if (upload->validator)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"with a body over %zu bytes its metadata comes first",
				upload->client->inline_limit);
	return sgh_request_add_meta(upload->request, name, value, err);
}

const char *sangraha_upload_id(const struct sangraha_upload *upload)
{
	return upload ? upload->request->object_id : NULL;
}

const struct sangraha_verdict *
sangraha_upload_verdict(const struct sangraha_upload *upload)
{
	return upload && upload->refused ? sangraha_validator_verdict(upload->validator)
					 : NULL;
}

/* ---- the end ---- */

/* Give back what turned out not to be needed. */
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
	int status =
		upload->body || upload->taken ? 0 : sgh_upload_take_room(upload, err);

	if (status)
		return status;
	if (upload->length >= 0 && upload->taken < (uint64_t)upload->length &&
	    (upload->body || upload->taken))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"%llu bytes came, not the %lld that were announced",
				(unsigned long long)upload->taken,
				(long long)upload->length);
	if (sgh_upload_is_there(upload))
		return 0;
	if (!upload->body)
		return sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
				"the memory for bodies in flight is used up");
	sgh_upload_arrived(upload);
	return upload->kind == SGH_UPLOAD_PARTS ? 0 : shrink(upload, err);
}

static int send_inline(struct sangraha_upload *upload, unsigned timeout_ms, bool direct,
		       sangraha_done_fn *done, void *arg, struct sangraha_error *err)
{
	struct sgh_request *request = sgh_take(upload->request);

	request->body = sgh_bytes_ref(upload->body);
	request->size = (int64_t)upload->body->length;
	/* Who asked not to wait is told as soon as it is confirmed. */
	if (upload->async)
		request->reply_to = NULL;
	return sgh_call_start(upload->client, request, timeout_ms, direct, done, arg,
			      err);
}

/* The last word on a large body, and its last part. What fails here is told by `done`. */
static void send_large(struct sangraha_upload *upload)
{
	struct sangraha_error err = { 0 };
	int status = sgh_upload_failure(upload, &err);

	if (!status && upload->kind == SGH_UPLOAD_OPEN) {
		sgh_upload_set_kind(upload, SGH_UPLOAD_SPOOL);
		status = sgh_upload_open(upload, &err);
	}
	if (!status)
		status = sgh_upload_check_end(upload, &err);
	if (!status && !sgh_upload_is_there(upload))
		status = upload->windowed ? sgh_upload_show(upload, &err)
					  : sgh_upload_seal_body(upload, &err);
	if (status) {
		sgh_upload_fail(upload, status, &err);
		return;
	}
	SGH_FAIL_POINT("upload.accepted");
	pthread_mutex_lock(&upload->state.lock);
	upload->state.whole = true;
	pthread_mutex_unlock(&upload->state.lock);
	sgh_upload_window_release(upload);
}

static void submit_large(struct sangraha_upload *upload, unsigned timeout_ms, bool direct,
			 sangraha_done_fn *done, void *arg)
{
	struct sangraha_result *result = upload->state.result;

	send_large(upload);
	if (upload->refused)
		sgh_upload_explain(upload);
	pthread_mutex_lock(&upload->state.lock);
	result->done = done;
	result->arg = arg;
	memcpy(result->id, upload->request->object_id, SANGRAHA_ID_SIZE);
	upload->state.submitted = true;
	upload->state.direct = direct || upload->client->direct;
	upload->state.deadline_ms = sgh_now_ms() + timeout_ms;
	pthread_mutex_unlock(&upload->state.lock);
	sgh_upload_run(upload);
}

int sgh_upload_submit(struct sangraha_upload *upload, unsigned timeout_ms, bool direct,
		      sangraha_done_fn *done, void *arg, struct sangraha_error *err)
{
	int status = 0;

	if (timeout_ms == 0)
		timeout_ms = upload->timeout_ms;
	sgh_upload_abandon(upload);
	/* What was refused has its answer by `done`, when nothing of it is left. */
	if (!sgh_upload_failure(upload, NULL))
		status = finish_body(upload, err);
	if (!status && !upload->validator && !sgh_upload_failure(upload, err))
		status = send_inline(upload, timeout_ms, direct, done, arg, err);
	else if (!status)
		submit_large(upload, timeout_ms, direct, done, arg);
	sangraha_upload_free(upload);
	return status;
}

int sangraha_upload_cancel(struct sangraha_upload *upload, sangraha_done_fn *done,
			   void *arg, struct sangraha_error *err)
{
	struct sangraha_error why;

	if (!upload || !done) {
		sangraha_upload_free(upload);
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"an upload needs somebody to tell");
	}
	sgh_upload_abandon(upload);
	sgh_fail(&why, SANGRAHA_E_INVALID, 0, "the upload was given up");
	sgh_upload_fail(upload, SANGRAHA_E_INVALID, &why);
	submit_large(upload, upload->timeout_ms, false, done, arg);
	sangraha_upload_free(upload);
	return 0;
}

size_t sangraha_upload_memory(const struct sangraha_upload *upload)
{
	return upload && upload->body ? upload->body->capacity : 0;
}

int64_t sangraha_upload_idle_ms(const struct sangraha_upload *upload)
{
	const struct sangraha_client *client = upload ? upload->client : NULL;

	if (!client || __atomic_load_n(&client->moving, __ATOMIC_RELAXED))
		return 0;
	return sgh_now_ms() - __atomic_load_n(&client->moved_ms, __ATOMIC_RELAXED);
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
	struct sangraha_error err;
	bool given_up;

	if (!upload)
		return;
	sgh_upload_abandon(upload);
	sgh_upload_drop_body(upload);
	if (sgh_budget_cancel(upload->client->context->budget, &upload->waiter))
		sgh_upload_unref(upload);
	pthread_mutex_lock(&upload->state.lock);
	given_up = upload->large && !upload->state.submitted;
	pthread_mutex_unlock(&upload->state.lock);
	if (given_up) {
		sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0, "the upload was given up");
		sgh_upload_fail(upload, SANGRAHA_E_UNAVAILABLE, &err);
		sgh_upload_run(upload);
	}
	sgh_upload_unref(upload);
}
