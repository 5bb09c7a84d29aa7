/* SPDX-License-Identifier: MIT */
#include "support/fake_parts.h"

static void *run(void *arg)
{
	struct sangraha_client *fake = arg;

	pthread_mutex_lock(&fake->state.lock);
	for (;;) {
		struct sangraha_result *result;
		struct fake_call *call;

		while (!fake->state.stop &&
		       (fake->state.hold || sgh_list_empty(&fake->state.calls)))
			pthread_cond_wait(&fake->state.changed, &fake->state.lock);
		if (sgh_list_empty(&fake->state.calls))
			break;
		call = sgh_list_entry(sgh_list_pop(&fake->state.calls), struct fake_call,
				      link);
		if (call->instead) {
			call->instead(call);
			continue;
		}
		result = fake_result_locked(fake, call);
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

void fake_answer(struct sangraha_client *fake, const struct fake_answer *answer)
{
	FAKE_LOCKED(fake, fake->state.answer = *answer);
}

void fake_hold(struct sangraha_client *fake)
{
	FAKE_LOCKED(fake, fake->state.hold = true);
}

void fake_release(struct sangraha_client *fake)
{
	FAKE_LOCKED(fake, fake->state.hold = false);
}

void fake_health(struct sangraha_client *fake, const struct sangraha_health *health)
{
	FAKE_LOCKED(fake, fake->state.health = *health);
}

struct fake_seen fake_seen(struct sangraha_client *fake)
{
	struct fake_seen seen;

	FAKE_LOCKED(fake, seen = fake->state.seen);
	return seen;
}

size_t fake_in_flight(struct sangraha_client *fake)
{
	size_t n;

	FAKE_LOCKED(fake, n = fake->state.in_flight);
	return n;
}

size_t fake_requests(struct sangraha_client *fake)
{
	size_t n;

	FAKE_LOCKED(fake, n = fake->state.requests);
	return n;
}

static void see_locked(struct sangraha_client *fake, const char *verb, const char *type,
		       const char *id, const char *request_id, const char *traceparent,
		       unsigned timeout_ms)
{
	struct fake_seen *seen = &fake->state.seen;

	free(seen->body);
	memset(seen, 0, sizeof(*seen));
	FAKE_KEEP(seen->verb, verb);
	FAKE_KEEP(seen->type, type);
	FAKE_KEEP(seen->id, id);
	FAKE_KEEP(seen->request_id, request_id);
	FAKE_KEEP(seen->traceparent, traceparent);
	seen->timeout_ms = timeout_ms;
	fake->state.requests++;
}

int fake_submit_locked(struct sangraha_client *fake, const char *id,
		       sangraha_done_fn *done, void *arg, struct sangraha_error *err)
{
	struct fake_call *call;

	if (fake->state.answer.submit)
		return sgh_fail(err, fake->state.answer.submit, 0, "Not submitted");
	call = calloc(1, sizeof(*call));
	call->done = done;
	call->arg = arg;
	FAKE_KEEP(call->id, id);
	sgh_list_append(&fake->state.calls, &call->link);
	fake->state.in_flight++;
	pthread_cond_broadcast(&fake->state.changed);
	return 0;
}

struct fake_call *fake_last_locked(struct sangraha_client *fake)
{
	return sgh_list_entry(fake->state.calls.prev, struct fake_call, link);
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
	status = fake_submit_locked(fake, id, done, arg, err);
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
	struct fake_call call = { .id = "" };

	snprintf(call.id, sizeof(call.id), "%s", id);
	pthread_mutex_lock(&fake->state.lock);
	if (fake->state.cached)
		result = fake_result_locked(fake, &call);
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
	FAKE_KEEP(fake->state.seen.cursor, cursor);
	status = fake_submit_locked(fake, "", done, arg, err);
	pthread_mutex_unlock(&fake->state.lock);
	return status;
}

const char *sangraha_client_extension(const struct sangraha_client *fake,
				      const struct sangraha_object *object)
{
	return strrchr(sangraha_object_content_type(object), '/') + 1;
}

void sangraha_client_health(struct sangraha_client *fake, struct sangraha_health *health)
{
	size_t size = health->size;

	FAKE_LOCKED(fake, *health = fake->state.health);
	health->size = size;
}
