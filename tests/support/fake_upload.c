/* SPDX-License-Identifier: MIT */
#include "support/fake_parts.h"

struct sangraha_upload {
	struct sangraha_client *fake;
	void (*resume)(void *arg);
	void *resume_arg;
	char *data;
	size_t length;
	size_t since_pause;
	struct fake_seen seen;
	struct fake_call wake;
	bool paused;
	int refused; /* the status */
};

void fake_pause_after(struct sangraha_client *fake, size_t bytes)
{
	FAKE_LOCKED(fake, fake->state.pause_after = bytes);
}

void fake_meta_first(struct sangraha_client *fake, bool first)
{
	FAKE_LOCKED(fake, fake->state.meta_first = first);
}

void fake_refuse_after(struct sangraha_client *fake, size_t bytes, int status)
{
	FAKE_LOCKED(fake, {
		fake->state.refuse_after = bytes;
		fake->state.refusal = status;
	});
}

void fake_moves(struct sangraha_client *fake, bool moves)
{
	FAKE_LOCKED(fake, fake->state.moves = moves);
}

size_t fake_cancelled(struct sangraha_client *fake)
{
	size_t n;

	FAKE_LOCKED(fake, n = fake->state.cancelled);
	return n;
}

void fake_inline_limit(struct sangraha_client *fake, size_t bytes)
{
	FAKE_LOCKED(fake, fake->state.inline_limit = bytes);
}

size_t fake_uploads_open(struct sangraha_client *fake)
{
	size_t n;

	FAKE_LOCKED(fake, n = fake->state.uploads);
	return n;
}

static void wake(struct fake_call *call)
{
	struct sangraha_upload *upload =
		sgh_container_of(call, struct sangraha_upload, wake);

	upload->paused = false;
	upload->since_pause = 0;
	upload->resume(upload->resume_arg);
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

	FAKE_LOCKED(fake, limit = fake->state.inline_limit);
	if (length > 0 && (uint64_t)length > limit)
		return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0, "Over %zu bytes", limit);
	upload = calloc(1, sizeof(*upload));
	upload->fake = fake;
	upload->resume = resume;
	upload->resume_arg = resume_arg;
	upload->wake.instead = wake;
	seen = &upload->seen;
	FAKE_KEEP(seen->verb, "put");
	FAKE_KEEP(seen->type, options->type);
	FAKE_KEEP(seen->id, options->id);
	FAKE_KEEP(seen->request_id, options->request_id);
	FAKE_KEEP(seen->traceparent, options->traceparent);
	FAKE_KEEP(seen->key, options->idempotency_key);
	FAKE_KEEP(seen->filename, options->filename);
	FAKE_KEEP(seen->content_type, options->content_type);
	FAKE_KEEP(seen->sha256, options->sha256);
	for (size_t i = 0; i < options->meta_count; i++)
		add_meta(seen, options->meta_names[i], options->meta_values[i]);
	seen->timeout_ms = options->timeout_ms;
	seen->async = options->async;
	seen->announced = length;
	FAKE_LOCKED(fake, fake->state.uploads++);
	*ret = upload;
	return 0;
}

int sangraha_upload_add_meta(struct sangraha_upload *upload, const char *name,
			     const char *value, struct sangraha_error *err)
{
	bool late;

	FAKE_LOCKED(upload->fake, late = upload->fake->state.meta_first);
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
	status = fake_submit_locked(fake, FAKE_UPLOAD_ID, done, arg, err);
	if (!status)
		fake_last_locked(fake)->refused = upload->refused;
	pthread_mutex_unlock(&fake->state.lock);
	sangraha_upload_free(upload);
	return status;
}

int sangraha_upload_cancel(struct sangraha_upload *upload, sangraha_done_fn *done,
			   void *arg, struct sangraha_error *err)
{
	struct sangraha_client *fake = upload->fake;
	int status;

	pthread_mutex_lock(&fake->state.lock);
	fake->state.cancelled++;
	status = fake_submit_locked(fake, "", done, arg, err);
	if (!status)
		fake_last_locked(fake)->refused = SANGRAHA_E_INVALID;
	pthread_mutex_unlock(&fake->state.lock);
	sangraha_upload_free(upload);
	return status;
}

int64_t sangraha_upload_idle_ms(const struct sangraha_upload *upload)
{
	bool moves;

	FAKE_LOCKED(upload->fake, moves = upload->fake->state.moves);
	return moves ? 0 : INT64_MAX;
}

size_t sangraha_upload_memory(const struct sangraha_upload *upload)
{
	return upload->length;
}

const char *sangraha_upload_id(const struct sangraha_upload *upload)
{
	return FAKE_UPLOAD_ID;
}
