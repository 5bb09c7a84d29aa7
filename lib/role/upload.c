/* SPDX-License-Identifier: MIT */
#include "role/upload.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

/*
 * The public face of an upload, and its memory. A buffer is reserved whole before the
 * first byte of it is taken - the body where it is known to fit one, else a part - so that
 * buffers which have begun never wait for each other.
 */

/* What one upload may hold of the whole budget, so that others get on besides. */
static size_t share(const struct sangraha_client *client)
{
	return sgh_budget_limit(client->context->budget) / 8 * 5;
}

/* What bytes that arrive may take of it together; see base/budget.h. */
static size_t quota(const struct sangraha_client *client)
{
	size_t limit = sgh_budget_limit(client->context->budget);

	return limit - limit / 4;
}

/* ---- life ---- */

void sgh_upload_ref(struct sangraha_upload *upload)
{
	__atomic_add_fetch(&upload->refs, 1, __ATOMIC_RELAXED);
}

/* The buffer is full, or given up: others may arrive. */
static void arrived(struct sangraha_upload *upload)
{
	size_t arriving = upload->arriving;

	upload->arriving = 0;
	if (arriving)
		sgh_budget_arrived(upload->client->context->budget, arriving);
}

static void drop_body(struct sangraha_upload *upload)
{
	arrived(upload);
	sgh_bytes_unref(sgh_take(upload->body));
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

void sgh_upload_unref(struct sangraha_upload *upload)
{
	struct sangraha_client *client = upload->client;

	if (__atomic_sub_fetch(&upload->refs, 1, __ATOMIC_ACQ_REL))
		return;
	drop_body(upload);
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
	pthread_cond_destroy(&upload->state.changed);
	pthread_mutex_destroy(&upload->state.lock);
	free(upload);
	sgh_client_unref(client);
}

/* ---- waiting ---- */

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
static void reserve(struct sangraha_upload *upload, size_t size)
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

/* Turn the reservation into the next buffer; none: it is not granted yet. */
static int take_room(struct sangraha_upload *upload, struct sangraha_error *err)
{
	struct sgh_budget *budget = upload->client->context->budget;
	size_t size = upload->waiter.size;
	bool there;

	pthread_mutex_lock(&upload->state.lock);
	there = upload->state.granted;
	upload->state.granted = false;
	pthread_mutex_unlock(&upload->state.lock);
	if (!there)
		return 0;
	upload->arriving = size;
	upload->body = sgh_bytes_new(budget, size);
	if (upload->body)
		return 0;
	arrived(upload);
	sgh_budget_release(budget, size);
	return sgh_fail_memory(err);
}

/* Nothing can be taken. False: it can by now. */
static bool pause_writing(struct sangraha_upload *upload, size_t size)
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

/* ---- the beginning ---- */

static int too_large(uint64_t limit, struct sangraha_error *err)
{
	return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0,
			"the body is larger than the limit of %llu bytes",
			(unsigned long long)limit);
}

/* A body whose length is not known can only be large where its parts fit the memory. */
static bool may_grow(const struct sangraha_client *client)
{
	return client->large_writes && client->max_object_size > client->inline_limit &&
	       SGH_PART_MIN <= quota(client);
}

static uint64_t most(const struct sangraha_client *client)
{
	if (!client->large_writes)
		return client->inline_limit;
	return client->max_object_size;
}

/* How a body of that length travels, and the size of its first buffer. */
static int plan(struct sangraha_upload *upload, int64_t length,
		struct sangraha_error *err)
{
	const struct sangraha_client *client = upload->client;
	size_t *size = &upload->waiter.size;

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
	} else if ((uint64_t)length > most(client)) {
		return too_large(most(client), err);
	} else if ((uint64_t)length <= client->spool_limit) {
		upload->kind = SGH_UPLOAD_SPOOL;
		*size = (size_t)length;
	} else {
		uint64_t part = sgh_parts_size(&upload->plan, 1);

		if (part == 0)
			return too_large(sgh_parts_capacity(&upload->plan), err);
		upload->kind = SGH_UPLOAD_PARTS;
		upload->windowed = part > quota(client) ||
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

int sangraha_upload_new(struct sangraha_client *client, int64_t length,
			const struct sangraha_put_options *options,
			void (*resume)(void *arg), void *resume_arg,
			struct sangraha_upload **ret, struct sangraha_error *err)
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
	reserve(upload, upload->waiter.size);
	/* Who waits from the start is told as one that was paused. */
	pause_writing(upload, upload->waiter.size);
	*ret = upload;
	return 0;
}

/* ---- writing ---- */

static int failure(struct sangraha_upload *upload, struct sangraha_error *err)
{
	int status;

	pthread_mutex_lock(&upload->state.lock);
	status = upload->state.status;
	if (status)
		sgh_fail_with(err, status, &upload->state.err);
	pthread_mutex_unlock(&upload->state.lock);
	if (status)
		drop_body(upload);
	return status;
}

/* Too much for one message: from here on it is ours to look at. */
static int look_at_all(struct sangraha_upload *upload, struct sangraha_error *err)
{
	int status = sgh_upload_check_begin(upload, err);

	return status ? status
		      : sgh_upload_check(upload, upload->body->data, upload->body->length,
					 err);
}

/* Others read it, under the lock. */
static void set_kind(struct sangraha_upload *upload, enum sgh_upload_kind kind)
{
	pthread_mutex_lock(&upload->state.lock);
	upload->kind = kind;
	pthread_mutex_unlock(&upload->state.lock);
}

bool sgh_upload_has_failed(struct sangraha_upload *upload)
{
	return failure(upload, NULL) != 0;
}

/* It will be stored in parts; the first buffer, which is full, is one of them. */
static int grow(struct sangraha_upload *upload, struct sangraha_error *err)
{
	int status = 0;

	if (upload->kind == SGH_UPLOAD_INLINE)
		return too_large(upload->client->inline_limit, err);
	if (!upload->validator)
		status = look_at_all(upload, err);
	set_kind(upload, SGH_UPLOAD_PARTS);
	return status ? status : sgh_upload_open(upload, err);
}

/* What begins an upload, as soon as there is enough to show and its type is known. */
static int show(struct sangraha_upload *upload, struct sangraha_error *err)
{
	const char *type = sgh_upload_type(upload);
	struct sgh_budget *budget = upload->client->context->budget;
	size_t size =
		upload->taken < SGH_PREFIX_SIZE ? (size_t)upload->taken : SGH_PREFIX_SIZE;
	struct sgh_bytes *prefix;

	if (*upload->state.type || !type)
		return 0;
	/* Beside the body for a moment; what the budget lends is bounded. */
	sgh_budget_force(budget, size);
	prefix = sgh_bytes_new(budget, size);
	if (!prefix) {
		sgh_budget_release(budget, size);
		return sgh_fail_memory(err);
	}
	sgh_bytes_append(prefix, upload->body->data, size);
	pthread_mutex_lock(&upload->state.lock);
	memcpy(upload->state.type, type, strlen(type) + 1);
	upload->state.prefix = prefix;
	pthread_mutex_unlock(&upload->state.lock);
	return 0;
}

static int seal(struct sangraha_upload *upload, struct sangraha_error *err)
{
	int status = show(upload, err);

	if (status)
		return status;
	arrived(upload);
	return sgh_upload_seal(upload, sgh_take(upload->body), upload->number++, err);
}

/* The size of the next buffer, 0: there is none. */
static size_t next_size(const struct sangraha_upload *upload)
{
	if (upload->windowed)
		return upload->waiter.size;
	if (upload->number == 1)
		return upload->waiter.size;
	return (size_t)sgh_parts_size(&upload->plan, upload->number);
}

/* How many bytes can be taken now; 0 when it has to wait. */
static int find_room(struct sangraha_upload *upload, size_t *ret,
		     struct sangraha_error *err)
{
	size_t size;
	int status = 0;

	if (upload->body && !upload->windowed &&
	    upload->body->length == upload->body->capacity) {
		if (upload->kind != SGH_UPLOAD_PARTS)
			status = grow(upload, err);
		if (!status)
			status = seal(upload, err);
		if (!status)
			sgh_upload_run(upload);
	}
	size = next_size(upload);
	if (!status && size == 0)
		status = too_large(sgh_parts_capacity(&upload->plan), err);
	if (!status && !upload->body) {
		reserve(upload, size);
		status = take_room(upload, err);
	}
	if (status)
		return status;
	if (!upload->body)
		*ret = 0;
	else if (upload->windowed)
		*ret = sgh_upload_window_room(upload);
	else
		*ret = upload->body->capacity - upload->body->length;
	return 0;
}

static int look(struct sangraha_upload *upload, const void *data, size_t length,
		struct sangraha_error *err)
{
	if (upload->validator)
		return sgh_upload_check(upload, data, length, err);
	if (upload->kind != SGH_UPLOAD_OPEN ||
	    upload->taken <= upload->client->inline_limit)
		return 0;
	return look_at_all(upload, err);
}

/* Take bytes that there is room for. */
static int take(struct sangraha_upload *upload, const void *data, size_t length,
		struct sangraha_error *err)
{
	int status = 0;

	if (upload->length < 0 && length > most(upload->client) - upload->taken)
		return too_large(most(upload->client), err);
	upload->taken += length;
	if (!upload->windowed)
		sgh_bytes_append(upload->body, data, length);
	status = look(upload, data, length, err);
	if (status || upload->kind != SGH_UPLOAD_PARTS)
		return status;
	if (upload->windowed)
		sgh_upload_window_take(upload, data, length);
	/* Nothing leaves the first buffer before its beginning has been shown. */
	if (upload->taken >= SGH_PREFIX_SIZE && !*upload->state.type) {
		status = show(upload, err);
		sgh_upload_run(upload);
	} else if (upload->windowed) {
		sgh_upload_run(upload);
	}
	if (upload->windowed)
		return status;
	/* The last part is kept until everything is known to be good. */
	if (!status && upload->body->length == upload->body->capacity &&
	    upload->length >= 0 && upload->taken < (uint64_t)upload->length) {
		status = seal(upload, err);
		sgh_upload_run(upload);
	}
	return status;
}

/* The very object is there already: what comes is only compared with it. */
static bool is_there(struct sangraha_upload *upload)
{
	bool there;

	pthread_mutex_lock(&upload->state.lock);
	there = upload->state.there != NULL;
	pthread_mutex_unlock(&upload->state.lock);
	if (there)
		drop_body(upload);
	return there;
}

static int skip(struct sangraha_upload *upload, const void *data, size_t length,
		struct sangraha_error *err)
{
	if (upload->length < 0 && length > most(upload->client) - upload->taken)
		return too_large(most(upload->client), err);
	upload->taken += length;
	return sgh_upload_check(upload, data, length, err);
}

/* Take what can be taken. */
static int take_all(struct sangraha_upload *upload, const char *data, size_t length,
		    size_t *ret_taken, struct sangraha_error *err)
{
	size_t taken = 0;
	int status = 0;

	while (taken < length) {
		size_t room = 0;

		status = failure(upload, err);
		if (!status && is_there(upload)) {
			status = skip(upload, data + taken, length - taken, err);
			*ret_taken = length;
			return status;
		}
		if (!status)
			status = find_room(upload, &room, err);
		if (status)
			return status;
		if (room == 0 && pause_writing(upload, next_size(upload)))
			break;
		room = sgh_min(room, length - taken);
		status = room ? take(upload, data + taken, room, err) : 0;
		if (status)
			return status;
		taken += room;
	}
	*ret_taken = taken;
	return 0;
}

int sangraha_upload_write(struct sangraha_upload *upload, const void *data, size_t length,
			  size_t *ret_taken, struct sangraha_error *err)
{
	struct sangraha_error why = { 0 };
	int status;

	if (!upload || (!data && length) || !ret_taken)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no upload or no bytes");
	status = failure(upload, err);
	if (status)
		return status;
	if (upload->length >= 0 && length > (uint64_t)upload->length - upload->taken)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"more bytes than the %lld that were announced",
				(long long)upload->length);
	status = take_all(upload, data, length, ret_taken, &why);
	if (!status)
		return 0;
	sgh_upload_fail(upload, status, &why);
	return failure(upload, err);
}

int sangraha_upload_add_meta(struct sangraha_upload *upload, const char *name,
			     const char *value, struct sangraha_error *err)
{
	if (!upload)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no upload");
	if (upload->validator)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"metadata of a body over %zu bytes has to come before it",
				upload->client->inline_limit);
	return sgh_request_add_meta(upload->request, name, value, err);
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
	int status = upload->body || upload->taken ? 0 : take_room(upload, err);

	if (status)
		return status;
	if (upload->length >= 0 && upload->taken < (uint64_t)upload->length &&
	    (upload->body || upload->taken))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"%llu bytes came, not the %lld that were announced",
				(unsigned long long)upload->taken,
				(long long)upload->length);
	if (is_there(upload))
		return 0;
	if (!upload->body)
		return sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
				"the memory for bodies in flight is used up");
	arrived(upload);
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
	int status = failure(upload, &err);

	if (!status && upload->kind == SGH_UPLOAD_OPEN) {
		set_kind(upload, SGH_UPLOAD_SPOOL);
		status = sgh_upload_open(upload, &err);
	}
	if (!status)
		status = sgh_upload_check_end(upload, &err);
	if (!status && !is_there(upload))
		status = upload->windowed ? show(upload, &err) : seal(upload, &err);
	if (status) {
		sgh_upload_fail(upload, status, &err);
		return;
	}
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
	abandon(upload);
	/* What was refused has its answer by `done`, when nothing of it is left. */
	if (!failure(upload, NULL))
		status = finish_body(upload, err);
	if (!status && !upload->validator && !failure(upload, err))
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
	abandon(upload);
	sgh_fail(&why, SANGRAHA_E_INVALID, 0, "the upload was given up");
	sgh_upload_fail(upload, SANGRAHA_E_INVALID, &why);
	submit_large(upload, upload->timeout_ms, false, done, arg);
	sangraha_upload_free(upload);
	return 0;
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
	abandon(upload);
	drop_body(upload);
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
