/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/error.h"
#include "role/upload.h"

/*
 * Taking bytes, on the user's thread: into the buffer, before the validator, and on their
 * way as soon as a part is full.
 */

int sgh_upload_failure(struct sangraha_upload *upload, struct sangraha_error *err)
{
	int status;

	pthread_mutex_lock(&upload->state.lock);
	status = upload->state.status;
	if (status)
		sgh_fail_with(err, status, &upload->state.err);
	pthread_mutex_unlock(&upload->state.lock);
	if (status)
		sgh_upload_drop_body(upload);
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
void sgh_upload_set_kind(struct sangraha_upload *upload, enum sgh_upload_kind kind)
{
	pthread_mutex_lock(&upload->state.lock);
	upload->kind = kind;
	pthread_mutex_unlock(&upload->state.lock);
}

bool sgh_upload_has_failed(struct sangraha_upload *upload)
{
	return sgh_upload_failure(upload, NULL) != 0;
}

/* It will be stored in parts; the first buffer, which is full, is one of them. */
static int grow(struct sangraha_upload *upload, struct sangraha_error *err)
{
	int status = 0;

	if (upload->kind == SGH_UPLOAD_INLINE)
		return sgh_upload_over_message(upload->client, err);
	if (!upload->validator)
		status = look_at_all(upload, err);
	sgh_upload_set_kind(upload, SGH_UPLOAD_PARTS);
	return status ? status : sgh_upload_open(upload, err);
}

/* What begins an upload, as soon as there is enough to show and its type is known. */
int sgh_upload_show(struct sangraha_upload *upload, struct sangraha_error *err)
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

int sgh_upload_seal_body(struct sangraha_upload *upload, struct sangraha_error *err)
{
	int status = sgh_upload_show(upload, err);

	if (status)
		return status;
	sgh_upload_arrived(upload);
	return sgh_upload_seal(upload, sgh_take(upload->body), upload->number++, err);
}

/* The size of the next buffer, 0: there is none. */
static size_t next_size(const struct sangraha_upload *upload)
{
	if (upload->number == 1 && !upload->body)
		return sgh_upload_first(upload);
	if (upload->windowed || upload->number == 1)
		return upload->whole;
	return (size_t)sgh_parts_size(&upload->plan, upload->number);
}

static bool is_full(const struct sangraha_upload *upload)
{
	return upload->body && !upload->windowed &&
	       upload->body->length == upload->body->capacity;
}

/* How many of `wanted` bytes can be taken now; 0 when it has to wait. */
static int find_room(struct sangraha_upload *upload, size_t wanted, size_t *ret,
		     struct sangraha_error *err)
{
	size_t size;
	int status = 0;

	if (is_full(upload) && !upload->sipping) {
		if (upload->kind != SGH_UPLOAD_PARTS)
			status = grow(upload, err);
		if (!status)
			status = sgh_upload_seal_body(upload, err);
		if (!status)
			sgh_upload_run(upload);
	}
	size = next_size(upload);
	if (!status && size == 0)
		status = sgh_upload_too_large(sgh_parts_capacity(&upload->plan), err);
	if (!status && (!upload->body || (upload->sipping && is_full(upload)))) {
		sgh_upload_reserve(upload, size);
		status = sgh_upload_take_room(upload, err);
	}
	if (status)
		return status;
	if (!upload->body)
		*ret = 0;
	else if (upload->windowed)
		*ret = sgh_upload_window_room(upload, wanted);
	else
		*ret = sgh_min(upload->body->capacity - upload->body->length, wanted);
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
	bool more = false;
	int status = 0;

	if (upload->length < 0 &&
	    length > sgh_upload_most(upload->client) - upload->taken)
		return sgh_upload_over_most(upload->client, err);
	upload->taken += length;
	if (!upload->windowed)
		sgh_bytes_append(upload->body, data, length);
	status = look(upload, data, length, err);
	if (status || upload->kind != SGH_UPLOAD_PARTS)
		return status;
	if (upload->windowed)
		more = sgh_upload_window_take(upload, data, length);
	/* Nothing leaves the first buffer before its beginning has been shown. */
	if (upload->taken >= SGH_PREFIX_SIZE && !*upload->state.type) {
		status = sgh_upload_show(upload, err);
		sgh_upload_run(upload);
	} else if (more) {
		sgh_upload_run(upload);
	}
	if (upload->windowed)
		return status;
	/* The last part is kept until everything is known to be good. */
	if (!status && is_full(upload) && !upload->sipping && upload->length >= 0 &&
	    upload->taken < (uint64_t)upload->length) {
		status = sgh_upload_seal_body(upload, err);
		if (!status)
			sgh_upload_window_begin(upload);
		sgh_upload_run(upload);
	}
	return status;
}

/* The very object is there already: what comes is only compared with it. */
bool sgh_upload_is_there(struct sangraha_upload *upload)
{
	bool there;

	pthread_mutex_lock(&upload->state.lock);
	there = upload->state.there != NULL;
	pthread_mutex_unlock(&upload->state.lock);
	if (there) {
		sgh_upload_drop_body(upload);
		sgh_upload_window_end(upload);
	}
	return there;
}

static int skip(struct sangraha_upload *upload, const void *data, size_t length,
		struct sangraha_error *err)
{
	if (upload->length < 0 &&
	    length > sgh_upload_most(upload->client) - upload->taken)
		return sgh_upload_over_most(upload->client, err);
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

		status = sgh_upload_failure(upload, err);
		if (!status && sgh_upload_is_there(upload)) {
			status = skip(upload, data + taken, length - taken, err);
			*ret_taken = length;
			return status;
		}
		if (!status)
			status = find_room(upload, length - taken, &room, err);
		if (status)
			return status;
		if (room == 0 && sgh_upload_pause(upload, next_size(upload)))
			break;
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
	status = sgh_upload_failure(upload, err);
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
	return sgh_upload_failure(upload, err);
}
