/* SPDX-License-Identifier: MIT */
#include "support/fake_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "base/util.h"
#include "wire/object.h"
#include "wire/sha256.h"

/* One request on its way. */
struct call {
	struct sgh_list link;
	sangraha_done_fn *done;
	void *arg;
	char id[64];
	struct sangraha_upload *wake;    /* not a request, but an upload to go on with */
	struct sangraha_download *ready; /* ... a download */
	int refused; /* what an upload was refused with, unless the answer says more */
};

struct sangraha_client {
	pthread_t thread;
	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed;
		bool stop;
		bool hold;
		bool cached;
		struct sgh_list calls;
		struct sangraha_health health;
		struct fake_answer answer;
		struct fake_seen seen;
		size_t in_flight;
		size_t requests;
		size_t uploads;
		struct sgh_list downloads;
		size_t brought;
		int broken; /* the status of what was not brought; 0: it is still to come */
		uint64_t part_offset;
		uint64_t part_length;
		size_t pause_after;
		size_t refuse_after; /* 0: nothing is refused */
		bool meta_first;
		int refusal;
		size_t cancelled;
		bool moves;
		size_t inline_limit;
	} state;
};

struct sangraha_upload {
	struct sangraha_client *fake;
	void (*resume)(void *arg);
	void *resume_arg;
	char *data;
	size_t length;
	size_t since_pause;
	struct fake_seen seen;
	struct call wake;
	bool paused;
	int refused; /* the status */
};

struct sangraha_download {
	struct sangraha_client *fake;
	struct sgh_list link;
	void (*ready)(void *arg);
	void *ready_arg;
	char *data;
	size_t length;
	size_t given;
	struct call call;
	bool wanted;
	bool called; /* its call is in the list */
};

struct sangraha_result {
	struct fake_answer answer;
	struct sangraha_error error;
	struct sangraha_object *object;
	char *data;
	char id[64];
};

static struct sangraha_object *object_as_sent_locked(struct sangraha_client *fake)
{
	const struct fake_seen *seen = &fake->state.seen;
	char sha256[SANGRAHA_SHA256_SIZE];
	const struct sgh_object_parts parts = {
		.id = sangraha_object_id(fake->state.answer.object),
		.type = sangraha_object_type(fake->state.answer.object),
		.sha256 = sha256,
		.size = seen->body_length,
	};
	struct sangraha_object *object = NULL;

	if (strcmp(seen->verb, "put") != 0)
		return sangraha_object_ref(fake->state.answer.object);
	sgh_sha256_hex(seen->body, seen->body_length, sha256, NULL);
	sgh_object_new(&parts, &object, NULL);
	return object;
}

static struct sangraha_result *make_result_locked(struct sangraha_client *fake,
						  const struct call *call)
{
	struct sangraha_result *result = calloc(1, sizeof(*result));
	const struct fake_answer *answer = &result->answer;

	result->answer = fake->state.answer;
	if (call->refused && !answer->status) {
		result->answer = (struct fake_answer){ 0 };
		result->answer.status = call->refused;
	}
	if (answer->status)
		sgh_fail(&result->error, answer->status, 0, "%s",
			 answer->message ? answer->message
					 : sangraha_status_text(answer->status));
	if (answer->object)
		result->object = answer->as_sent ? object_as_sent_locked(fake)
						 : sangraha_object_ref(answer->object);
	if (answer->data) {
		/* On the heap, so that a use after free shows. */
		result->data = malloc(answer->length + 1);
		memcpy(result->data, answer->data, answer->length);
	}
	snprintf(result->id, sizeof(result->id), "%s",
		 answer->id       ? answer->id
		 : answer->object ? sangraha_object_id(answer->object)
				  : call->id);
	return result;
}

static void wake_upload(struct sangraha_client *fake, struct sangraha_upload *upload)
{
	upload->paused = false;
	upload->since_pause = 0;
	/* With the lock held, so that the upload cannot be freed meanwhile. */
	upload->resume(upload->resume_arg);
}

static bool has_news_locked(const struct sangraha_download *download)
{
	const struct sangraha_client *fake = download->fake;

	return fake->state.brought > download->given || fake->state.broken ||
	       download->given == download->length;
}

/* Have the fake's thread call those that wait in vain no longer. */
static void call_ready_locked(struct sangraha_client *fake)
{
	sgh_list_for_each (link, &fake->state.downloads) {
		struct sangraha_download *download =
			sgh_list_entry(link, struct sangraha_download, link);

		if (!download->wanted || download->called || !has_news_locked(download))
			continue;
		download->called = true;
		download->wanted = false;
		sgh_list_append(&fake->state.calls, &download->call.link);
	}
	pthread_cond_broadcast(&fake->state.changed);
}

static void *run(void *arg)
{
	struct sangraha_client *fake = arg;

	pthread_mutex_lock(&fake->state.lock);
	for (;;) {
		struct sangraha_result *result;
		struct call *call;

		while (!fake->state.stop &&
		       (fake->state.hold || sgh_list_empty(&fake->state.calls)))
			pthread_cond_wait(&fake->state.changed, &fake->state.lock);
		if (sgh_list_empty(&fake->state.calls))
			break;
		call = sgh_list_entry(sgh_list_pop(&fake->state.calls), struct call,
				      link);
		if (call->wake) {
			wake_upload(fake, call->wake);
			continue;
		}
		if (call->ready) {
			/* With the lock held, so that it cannot be freed meanwhile. */
			call->ready->called = false;
			call->ready->ready(call->ready->ready_arg);
			continue;
		}
		result = make_result_locked(fake, call);
		pthread_mutex_unlock(&fake->state.lock);
		call->done(call->arg, result);
		pthread_mutex_lock(&fake->state.lock);
		fake->state.in_flight--;
		free(call);
	}
	pthread_mutex_unlock(&fake->state.lock);
	return NULL;
}

struct sangraha_client *fake_new(void)
{
	struct sangraha_client *fake = calloc(1, sizeof(*fake));

	pthread_mutex_init(&fake->state.lock, NULL);
	pthread_cond_init(&fake->state.changed, NULL);
	sgh_list_init(&fake->state.calls);
	sgh_list_init(&fake->state.downloads);
	fake->state.brought = SIZE_MAX;
	fake->state.inline_limit = 4 << 20;
	fake->state.health.reads = SANGRAHA_HEALTH_OK;
	fake->state.health.writes = SANGRAHA_HEALTH_OK;
	fake->state.health.broker = SANGRAHA_HEALTH_OK;
	pthread_create(&fake->thread, NULL, run, fake);
	return fake;
}

void sangraha_client_free(struct sangraha_client *fake)
{
	if (!fake)
		return;
	pthread_mutex_lock(&fake->state.lock);
	fake->state.stop = true;
	pthread_cond_broadcast(&fake->state.changed);
	pthread_mutex_unlock(&fake->state.lock);
	pthread_join(fake->thread, NULL);
	pthread_cond_destroy(&fake->state.changed);
	pthread_mutex_destroy(&fake->state.lock);
	free(fake->state.seen.body);
	free(fake);
}

/* A setting, changed under the lock. */
#define LOCKED(fake, statement)                                 \
	do {                                                    \
		pthread_mutex_lock(&(fake)->state.lock);        \
		statement;                                      \
		pthread_cond_broadcast(&(fake)->state.changed); \
		pthread_mutex_unlock(&(fake)->state.lock);      \
	} while (0)

void fake_answer(struct sangraha_client *fake, const struct fake_answer *answer)
{
	LOCKED(fake, fake->state.answer = *answer);
}

void fake_hold(struct sangraha_client *fake)
{
	LOCKED(fake, fake->state.hold = true);
}

void fake_release(struct sangraha_client *fake)
{
	LOCKED(fake, fake->state.hold = false);
}

void fake_pause_after(struct sangraha_client *fake, size_t bytes)
{
	LOCKED(fake, fake->state.pause_after = bytes);
}

void fake_meta_first(struct sangraha_client *fake, bool first)
{
	LOCKED(fake, fake->state.meta_first = first);
}

void fake_refuse_after(struct sangraha_client *fake, size_t bytes, int status)
{
	LOCKED(fake, {
		fake->state.refuse_after = bytes;
		fake->state.refusal = status;
	});
}

void fake_moves(struct sangraha_client *fake, bool moves)
{
	LOCKED(fake, fake->state.moves = moves);
}

size_t fake_cancelled(struct sangraha_client *fake)
{
	size_t n;

	LOCKED(fake, n = fake->state.cancelled);
	return n;
}

void fake_inline_limit(struct sangraha_client *fake, size_t bytes)
{
	LOCKED(fake, fake->state.inline_limit = bytes);
}

void fake_bring(struct sangraha_client *fake, size_t bytes, int status)
{
	LOCKED(fake, fake->state.brought = bytes; fake->state.broken = status;
	       call_ready_locked(fake));
}

void fake_download_part(struct sangraha_client *fake, uint64_t *ret_offset,
			uint64_t *ret_length)
{
	LOCKED(fake, *ret_offset = fake->state.part_offset;
	       *ret_length = fake->state.part_length);
}

static size_t count_downloads(struct sangraha_client *fake, bool all)
{
	size_t n = 0;

	pthread_mutex_lock(&fake->state.lock);
	sgh_list_for_each (link, &fake->state.downloads)
		n += all || sgh_list_entry(link, struct sangraha_download, link)->wanted;
	pthread_mutex_unlock(&fake->state.lock);
	return n;
}

size_t fake_downloads_open(struct sangraha_client *fake)
{
	return count_downloads(fake, true);
}

size_t fake_downloads_waiting(struct sangraha_client *fake)
{
	return count_downloads(fake, false);
}

void fake_health(struct sangraha_client *fake, const struct sangraha_health *health)
{
	LOCKED(fake, fake->state.health = *health);
}

struct fake_seen fake_seen(struct sangraha_client *fake)
{
	struct fake_seen seen;

	LOCKED(fake, seen = fake->state.seen);
	return seen;
}

size_t fake_in_flight(struct sangraha_client *fake)
{
	size_t n;

	LOCKED(fake, n = fake->state.in_flight);
	return n;
}

size_t fake_requests(struct sangraha_client *fake)
{
	size_t n;

	LOCKED(fake, n = fake->state.requests);
	return n;
}

size_t fake_uploads_open(struct sangraha_client *fake)
{
	size_t n;

	LOCKED(fake, n = fake->state.uploads);
	return n;
}

#define KEEP(field, text) snprintf((field), sizeof(field), "%s", (text) ? (text) : "")

static void see_locked(struct sangraha_client *fake, const char *verb, const char *type,
		       const char *id, const char *request_id, const char *traceparent,
		       unsigned timeout_ms)
{
	struct fake_seen *seen = &fake->state.seen;

	free(seen->body);
	memset(seen, 0, sizeof(*seen));
	KEEP(seen->verb, verb);
	KEEP(seen->type, type);
	KEEP(seen->id, id);
	KEEP(seen->request_id, request_id);
	KEEP(seen->traceparent, traceparent);
	seen->timeout_ms = timeout_ms;
	fake->state.requests++;
}

static int submit_locked(struct sangraha_client *fake, const char *id,
			 sangraha_done_fn *done, void *arg, struct sangraha_error *err)
{
	struct call *call;

	if (fake->state.answer.submit)
		return sgh_fail(err, fake->state.answer.submit, 0, "Not submitted");
	call = calloc(1, sizeof(*call));
	call->done = done;
	call->arg = arg;
	KEEP(call->id, id);
	sgh_list_append(&fake->state.calls, &call->link);
	fake->state.in_flight++;
	pthread_cond_broadcast(&fake->state.changed);
	return 0;
}

static struct call *last_locked(struct sangraha_client *fake)
{
	return sgh_list_entry(fake->state.calls.prev, struct call, link);
}

static int submit(struct sangraha_client *fake, const char *verb, const char *type,
		  const char *id, const struct sangraha_request_options *options,
		  sangraha_done_fn *done, void *arg, struct sangraha_error *err)
{
	int status;

	pthread_mutex_lock(&fake->state.lock);
	see_locked(fake, verb, type, id, options->request_id, options->traceparent,
		   options->timeout_ms);
	fake->state.seen.redirect = options->redirect;
	fake->state.seen.download = options->download;
	status = submit_locked(fake, id, done, arg, err);
	pthread_mutex_unlock(&fake->state.lock);
	return status;
}

int sangraha_client_submit_get(struct sangraha_client *fake, const char *type,
			       const char *id,
			       const struct sangraha_request_options *options,
			       sangraha_done_fn *done, void *arg,
			       struct sangraha_error *err)
{
	return submit(fake, "get", type, id, options, done, arg, err);
}

void fake_cached(struct sangraha_client *fake, bool cached)
{
	pthread_mutex_lock(&fake->state.lock);
	fake->state.cached = cached;
	pthread_mutex_unlock(&fake->state.lock);
}

struct sangraha_result *sangraha_client_cached(struct sangraha_client *fake,
					       const char *type, const char *id)
{
	struct sangraha_result *result = NULL;
	struct call call = { .id = "" };

	snprintf(call.id, sizeof(call.id), "%s", id);
	pthread_mutex_lock(&fake->state.lock);
	if (fake->state.cached)
		result = make_result_locked(fake, &call);
	pthread_mutex_unlock(&fake->state.lock);
	return result;
}

int sangraha_client_submit_stat(struct sangraha_client *fake, const char *type,
				const char *id,
				const struct sangraha_request_options *options,
				sangraha_done_fn *done, void *arg,
				struct sangraha_error *err)
{
	return submit(fake, "stat", type, id, options, done, arg, err);
}

int sangraha_client_submit_delete(struct sangraha_client *fake, const char *type,
				  const char *id,
				  const struct sangraha_request_options *options,
				  sangraha_done_fn *done, void *arg,
				  struct sangraha_error *err)
{
	return submit(fake, "delete", type, id, options, done, arg, err);
}

int sangraha_client_submit_operation(struct sangraha_client *fake, const char *id,
				     const struct sangraha_request_options *options,
				     sangraha_done_fn *done, void *arg,
				     struct sangraha_error *err)
{
	return submit(fake, "operation", NULL, id, options, done, arg, err);
}

int sangraha_client_submit_list(struct sangraha_client *fake, const char *type,
				unsigned limit, const char *cursor,
				const struct sangraha_request_options *options,
				sangraha_done_fn *done, void *arg,
				struct sangraha_error *err)
{
	int status;

	pthread_mutex_lock(&fake->state.lock);
	see_locked(fake, "list", type, NULL, options->request_id, options->traceparent,
		   options->timeout_ms);
	fake->state.seen.limit = limit;
	KEEP(fake->state.seen.cursor, cursor);
	status = submit_locked(fake, "", done, arg, err);
	pthread_mutex_unlock(&fake->state.lock);
	return status;
}

static void add_meta(struct fake_seen *seen, const char *name, const char *value)
{
	size_t used = strlen(seen->meta);

	snprintf(seen->meta + used, sizeof(seen->meta) - used, "%s=%s;", name, value);
}

int sangraha_upload_new(struct sangraha_client *fake, int64_t length,
			const struct sangraha_put_options *options,
			void (*resume)(void *arg), void *resume_arg,
			struct sangraha_upload **ret, struct sangraha_error *err)
{
	struct sangraha_upload *upload;
	struct fake_seen *seen;
	size_t limit;

	LOCKED(fake, limit = fake->state.inline_limit);
	if (length > 0 && (uint64_t)length > limit)
		return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0, "Over %zu bytes", limit);
	upload = calloc(1, sizeof(*upload));
	upload->fake = fake;
	upload->resume = resume;
	upload->resume_arg = resume_arg;
	upload->wake.wake = upload;
	seen = &upload->seen;
	KEEP(seen->verb, "put");
	KEEP(seen->type, options->type);
	KEEP(seen->id, options->id);
	KEEP(seen->request_id, options->request_id);
	KEEP(seen->traceparent, options->traceparent);
	KEEP(seen->key, options->idempotency_key);
	KEEP(seen->filename, options->filename);
	KEEP(seen->content_type, options->content_type);
	KEEP(seen->sha256, options->sha256);
	for (size_t i = 0; i < options->meta_count; i++)
		add_meta(seen, options->meta_names[i], options->meta_values[i]);
	seen->timeout_ms = options->timeout_ms;
	seen->async = options->async;
	seen->announced = length;
	LOCKED(fake, fake->state.uploads++);
	*ret = upload;
	return 0;
}

int sangraha_upload_add_meta(struct sangraha_upload *upload, const char *name,
			     const char *value, struct sangraha_error *err)
{
	bool late;

	LOCKED(upload->fake, late = upload->fake->state.meta_first);
	if (late)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the metadata comes first");
	add_meta(&upload->seen, name, value);
	return 0;
}

const struct sangraha_verdict *
sangraha_upload_verdict(const struct sangraha_upload *upload)
{
	return NULL;
}

int sangraha_upload_write(struct sangraha_upload *upload, const void *data, size_t length,
			  size_t *ret_taken, struct sangraha_error *err)
{
	struct sangraha_client *fake = upload->fake;
	int status = 0;

	pthread_mutex_lock(&fake->state.lock);
	if (fake->state.pause_after)
		length = sgh_min(length, fake->state.pause_after - upload->since_pause);
	if (fake->state.refuse_after &&
	    upload->length + length > fake->state.refuse_after)
		upload->refused = fake->state.refusal;
	else if (upload->length + length > fake->state.inline_limit)
		upload->refused = SANGRAHA_E_TOO_LARGE;
	if (upload->refused) {
		status = sgh_fail(err, upload->refused, 0, "Refused as it came");
	} else {
		upload->data = realloc(upload->data, upload->length + length + 1);
		memcpy(upload->data + upload->length, data, length);
		upload->length += length;
		upload->since_pause += length;
		*ret_taken = length;
		if (fake->state.pause_after &&
		    upload->since_pause == fake->state.pause_after && !upload->paused) {
			upload->paused = true;
			sgh_list_append(&fake->state.calls, &upload->wake.link);
			pthread_cond_broadcast(&fake->state.changed);
		}
	}
	pthread_mutex_unlock(&fake->state.lock);
	return status;
}

void sangraha_upload_free(struct sangraha_upload *upload)
{
	struct sangraha_client *fake;

	if (!upload)
		return;
	fake = upload->fake;
	pthread_mutex_lock(&fake->state.lock);
	if (upload->paused)
		sgh_list_remove(&upload->wake.link);
	fake->state.uploads--;
	pthread_mutex_unlock(&fake->state.lock);
	free(upload->data);
	free(upload);
}

int sangraha_upload_submit(struct sangraha_upload *upload, sangraha_done_fn *done,
			   void *arg, struct sangraha_error *err)
{
	struct sangraha_client *fake = upload->fake;
	struct fake_seen *seen = &fake->state.seen;
	int status;

	pthread_mutex_lock(&fake->state.lock);
	free(seen->body);
	*seen = upload->seen;
	seen->body = sgh_take(upload->data);
	seen->body_length = upload->length;
	fake->state.requests++;
	status = submit_locked(fake, FAKE_UPLOAD_ID, done, arg, err);
	if (!status)
		last_locked(fake)->refused = upload->refused;
	pthread_mutex_unlock(&fake->state.lock);
	sangraha_upload_free(upload);
	return status;
}

int sangraha_download_new(struct sangraha_client *fake,
			  const struct sangraha_result *result, uint64_t offset,
			  uint64_t length, void (*ready)(void *arg), void *ready_arg,
			  struct sangraha_download **ret, struct sangraha_error *err)
{
	struct sangraha_download *download = calloc(1, sizeof(*download));

	download->fake = fake;
	download->ready = ready;
	download->ready_arg = ready_arg;
	download->length = (size_t)length;
	download->data = malloc((size_t)length + 1);
	memcpy(download->data, result->data + offset, (size_t)length);
	download->call.ready = download;
	LOCKED(fake, sgh_list_append(&fake->state.downloads, &download->link);
	       fake->state.part_offset = offset; fake->state.part_length = length);
	*ret = download;
	return 0;
}

int sangraha_download_read(struct sangraha_download *download, void *data, size_t size,
			   size_t *ret_got, struct sangraha_error *err)
{
	struct sangraha_client *fake = download->fake;
	int status = 0;
	size_t there;

	pthread_mutex_lock(&fake->state.lock);
	there = sgh_min(fake->state.brought, download->length) - download->given;
	*ret_got = sgh_min(there, size);
	memcpy(data, download->data + download->given, *ret_got);
	download->given += *ret_got;
	download->wanted = !*ret_got && download->given < download->length;
	if (download->wanted && fake->state.broken)
		status = sgh_fail(err, fake->state.broken, 0, "Broken off");
	pthread_mutex_unlock(&fake->state.lock);
	return status;
}

int sangraha_download_poll(struct sangraha_download *download, struct sangraha_error *err)
{
	struct sangraha_client *fake = download->fake;
	int status;

	pthread_mutex_lock(&fake->state.lock);
	status = has_news_locked(download);
	download->wanted = !status;
	if (fake->state.broken && fake->state.brought <= download->given)
		status = sgh_fail(err, fake->state.broken, 0, "Broken off");
	pthread_mutex_unlock(&fake->state.lock);
	return status;
}

void sangraha_download_free(struct sangraha_download *download)
{
	struct sangraha_client *fake;

	if (!download)
		return;
	fake = download->fake;
	pthread_mutex_lock(&fake->state.lock);
	if (download->called)
		sgh_list_remove(&download->call.link);
	sgh_list_remove(&download->link);
	pthread_mutex_unlock(&fake->state.lock);
	free(download->data);
	free(download);
}

const char *sangraha_result_url(const struct sangraha_result *result)
{
	return result->answer.large ? result->answer.url : NULL;
}

int sangraha_upload_cancel(struct sangraha_upload *upload, sangraha_done_fn *done,
			   void *arg, struct sangraha_error *err)
{
	struct sangraha_client *fake = upload->fake;
	int status;

	pthread_mutex_lock(&fake->state.lock);
	fake->state.cancelled++;
	status = submit_locked(fake, "", done, arg, err);
	if (!status)
		last_locked(fake)->refused = SANGRAHA_E_INVALID;
	pthread_mutex_unlock(&fake->state.lock);
	sangraha_upload_free(upload);
	return status;
}

int64_t sangraha_upload_idle_ms(const struct sangraha_upload *upload)
{
	bool moves;

	LOCKED(upload->fake, moves = upload->fake->state.moves);
	return moves ? 0 : INT64_MAX;
}

const char *sangraha_client_extension(const struct sangraha_client *fake,
				      const struct sangraha_object *object)
{
	return strrchr(sangraha_object_content_type(object), '/') + 1;
}

void sangraha_client_health(struct sangraha_client *fake, struct sangraha_health *health)
{
	size_t size = health->size;

	LOCKED(fake, *health = fake->state.health);
	health->size = size;
}

void sangraha_result_free(struct sangraha_result *result)
{
	if (!result)
		return;
	sangraha_object_unref(result->object);
	free(result->data);
	free(result);
}

int sangraha_result_status(const struct sangraha_result *result)
{
	return result->answer.status;
}

const struct sangraha_error *sangraha_result_error(const struct sangraha_result *result)
{
	return result->answer.status ? &result->error : NULL;
}

struct sangraha_object *sangraha_result_object(const struct sangraha_result *result)
{
	return result->object;
}

const void *sangraha_result_data(const struct sangraha_result *result, size_t *ret_length)
{
	const char *data = result->answer.large ? NULL : result->data;

	if (ret_length)
		*ret_length = data ? result->answer.length : 0;
	return data;
}

struct sangraha_object *sangraha_result_at(const struct sangraha_result *result, size_t i)
{
	return i < result->answer.count ? result->object : NULL;
}

const char *sangraha_result_next_cursor(const struct sangraha_result *result)
{
	return result->answer.next_cursor;
}

int sangraha_result_replayed(const struct sangraha_result *result)
{
	return result->answer.replayed;
}

int sangraha_result_recorded(const struct sangraha_result *result)
{
	return result->answer.recorded;
}

const char *sangraha_result_declared(const struct sangraha_result *result)
{
	return result->answer.declared;
}

const char *sangraha_result_detected(const struct sangraha_result *result)
{
	return result->answer.detected;
}

const char *sangraha_result_rule(const struct sangraha_result *result)
{
	return result->answer.rule;
}

int64_t sangraha_result_offset(const struct sangraha_result *result)
{
	return result->answer.has_offset ? result->answer.offset : -1;
}

const char *sangraha_result_id(const struct sangraha_result *result)
{
	return result->id;
}

int64_t sangraha_result_until_ms(const struct sangraha_result *result)
{
	return result->answer.until_ms;
}

size_t sangraha_upload_memory(const struct sangraha_upload *upload)
{
	return upload->length;
}

const char *sangraha_upload_id(const struct sangraha_upload *upload)
{
	return FAKE_UPLOAD_ID;
}
