/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "role/upload.h"

/*
 * What an upload does next, after anything has happened to it. Everything that is decided
 * here is decided under its lock, and nobody else's code runs while it is held, but the
 * mover's submit and cancel, which call nobody.
 */

/* A refusal is answered when nothing of the body is left, or after so long. */
#define ABORT_WAIT_MS 5000

/* ---- failing ---- */

void sgh_upload_fail_locked(struct sangraha_upload *upload, int status,
			    const struct sangraha_error *err)
{
	if (upload->state.status || upload->state.over)
		return;
	upload->state.status = status;
	sgh_fail_with(&upload->state.err, status, err);
	upload->state.failed_ms = sgh_now_ms();
}

void sgh_upload_fail(struct sangraha_upload *upload, int status,
		     const struct sangraha_error *err)
{
	pthread_mutex_lock(&upload->state.lock);
	sgh_upload_fail_locked(upload, status, err);
	pthread_mutex_unlock(&upload->state.lock);
	sgh_upload_run(upload);
}

void sgh_upload_ended_locked(struct sangraha_upload *upload)
{
	struct sangraha_error err;

	upload->state.left = true;
	sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0,
		 "the upload was ended by somebody else");
	sgh_upload_fail_locked(upload, SANGRAHA_E_UNAVAILABLE, &err);
}

static void fail_late_locked(struct sangraha_upload *upload)
{
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_TIMEOUT, 0,
		 "the upload was not stored within its time limit");
	sgh_upload_fail_locked(upload, SANGRAHA_E_TIMEOUT, &err);
}

/* ---- open and over ---- */

int sgh_upload_open(struct sangraha_upload *upload, struct sangraha_error *err)
{
	struct sangraha_client *client = upload->client;
	int status;

	if (upload->large)
		return 0;
	status = sgh_client_mover_up(client, &upload->mover, err);
	if (status)
		return status;
	upload->timer_reserved = true;
	if (!sgh_client_reserve_timer(client))
		return sgh_fail_memory(err);
	sgh_upload_ref(upload);
	sgh_metric_add(client->uploads_open, 1);
	pthread_mutex_lock(&client->state.lock);
	upload->large = true;
	sgh_list_append(&client->state.uploads, &upload->link);
	pthread_mutex_unlock(&client->state.lock);
	return 0;
}

static void close_upload(struct sangraha_upload *upload)
{
	struct sangraha_client *client = upload->client;
	bool was_open;

	pthread_mutex_lock(&client->state.lock);
	was_open = !sgh_list_empty(&upload->link);
	sgh_list_remove(&upload->link);
	pthread_mutex_unlock(&client->state.lock);
	if (!was_open)
		return;
	sgh_metric_add(client->uploads_open, -1);
	sgh_upload_unref(upload);
}

/* ---- the result ---- */

/* The object that is there is the one that was sent, or the write failed. */
static void judge_there_locked(struct sangraha_upload *upload)
{
	const struct sangraha_object *object = upload->state.there->object;
	struct sangraha_error err;

	if (object && object->size == upload->taken &&
	    sgh_streq(object->sha256, upload->state.sha256))
		return;
	sgh_fail(&err, SANGRAHA_E_CONFLICT, 0, "another object is stored under this id");
	sgh_upload_fail_locked(upload, SANGRAHA_E_CONFLICT, &err);
}

static bool has_result_locked(const struct sangraha_upload *upload, int64_t now)
{
	if (!upload->state.submitted || upload->state.answered)
		return false;
	return upload->state.over ||
	       (upload->state.status && (upload->state.status == SANGRAHA_E_TIMEOUT ||
					 now - upload->state.failed_ms >= ABORT_WAIT_MS));
}

/* The result, made ready for the user. */
static struct sangraha_result *take_result_locked(struct sangraha_upload *upload)
{
	struct sangraha_result *result = sgh_take(upload->state.result);

	upload->state.answered = true;
	result->status = upload->state.status;
	if (result->status)
		sgh_fail_with(&result->err, result->status, &upload->state.err);
	else
		result->reply = sgh_take(upload->state.there);
	return result;
}

/* ---- running ---- */

/* The body is on its way. The operation that is due. */
static enum sgh_verb go_on_locked(struct sangraha_upload *upload, int64_t now,
				  unsigned *ret_first)
{
	unsigned lacking = 0;

	if (upload->state.submitted && now >= upload->state.deadline_ms &&
	    !upload->state.there)
		fail_late_locked(upload);
	else if (upload->state.there && upload->state.whole && upload->state.submitted)
		judge_there_locked(upload);
	else if (upload->state.begun && !upload->state.there)
		lacking = sgh_upload_send_locked(upload, now);
	if (upload->state.status)
		return SGH_VERB_UNKNOWN;
	upload->state.over = upload->state.there && upload->state.whole &&
			     upload->state.submitted && !upload->state.moving;
	return sgh_upload_next_locked(upload, lacking, now, ret_first);
}

/* It has failed: nothing of it shall be left. */
static enum sgh_verb stop_locked(struct sangraha_upload *upload)
{
	bool recorded = *upload->state.record && !upload->state.left;

	if (upload->state.moving || (upload->state.calling && !upload->state.closing))
		return SGH_VERB_UNKNOWN;
	if (recorded && !upload->state.aborted && !upload->state.closing)
		return SGH_PUT_ABORT;
	upload->state.over = true;
	return SGH_VERB_UNKNOWN;
}

static int64_t wake_ms_locked(const struct sangraha_upload *upload)
{
	int64_t at = SGH_NEVER;
	int64_t times[] = {
		sgh_upload_send_ms_locked(upload),
		sgh_upload_next_ms_locked(upload),
		upload->state.submitted ? upload->state.deadline_ms : SGH_NEVER,
	};

	if (upload->state.over || upload->state.closing)
		return SGH_NEVER;
	if (upload->state.status)
		return upload->state.submitted && !upload->state.answered
			       ? upload->state.failed_ms + ABORT_WAIT_MS
			       : SGH_NEVER;
	for (size_t i = 0; i < SGH_COUNT(times); i++)
		if (times[i] < at)
			at = times[i];
	return at;
}

static void fire(struct sgh_timer *timer)
{
	struct sangraha_upload *upload =
		sgh_container_of(timer, struct sangraha_upload, state.timer);

	sgh_upload_run(upload);
	sgh_upload_unref(upload);
}

/* Each time that the timer stands or fires has a reference of its own; never the last. */
static void arm_locked(struct sangraha_upload *upload)
{
	struct sgh_timers *timers = upload->client->timers;
	int64_t at = wake_ms_locked(upload);

	if (sgh_timer_cancel(timers, &upload->state.timer))
		__atomic_sub_fetch(&upload->refs, 1, __ATOMIC_RELAXED);
	if (at == SGH_NEVER)
		return;
	/* Set once: the thread of the timers may be about to call it. */
	if (!upload->state.timer.fire)
		upload->state.timer.fire = fire;
	sgh_upload_ref(upload);
	if (!sgh_timer_arm(timers, &upload->state.timer, at))
		__atomic_sub_fetch(&upload->refs, 1, __ATOMIC_RELAXED);
}

/* Parts that nobody will send; what they hold is somebody else's, with no lock held. */
static void drop(struct sangraha_upload *upload, struct sgh_list *dead)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(dead)))
		sgh_upload_part_free(sgh_list_entry(link, struct sgh_upload_part, link));
	sgh_upload_drop_room(upload);
	sgh_upload_wake(upload);
}

void sgh_upload_run(struct sangraha_upload *upload)
{
	struct sangraha_result *result = NULL;
	struct sgh_bytes *ring = NULL;
	enum sgh_verb verb;
	struct sgh_list dead;
	bool direct;
	bool stops;
	bool over;

	sgh_list_init(&dead);
	pthread_mutex_lock(&upload->state.lock);
	do {
		int64_t now = sgh_now_ms();
		unsigned first = 0;

		verb = upload->state.over || upload->state.status
			       ? SGH_VERB_UNKNOWN
			       : go_on_locked(upload, now, &first);
		stops = upload->state.status || upload->state.there;
		if (stops) {
			sgh_upload_drop_parts_locked(upload, &dead);
			if (!ring)
				ring = sgh_take(upload->state.ring);
		}
		if (upload->state.status && !upload->state.over)
			verb = stop_locked(upload);
		if (!result && has_result_locked(upload, now))
			result = take_result_locked(upload);
		if (verb)
			sgh_upload_call_locked(upload, verb, first);
	} while (verb);
	arm_locked(upload);
	over = upload->state.over;
	direct = upload->state.direct;
	pthread_mutex_unlock(&upload->state.lock);
	sgh_bytes_unref(ring);
	if (stops)
		drop(upload, &dead);
	if (result)
		sgh_client_complete(upload->client, result, direct);
	if (over)
		close_upload(upload);
}

/* ---- the end of the client ---- */

/* One that does not know of the end yet, with a reference; NULL: all do. */
static struct sangraha_upload *next_open(struct sangraha_client *client)
{
	struct sangraha_upload *found = NULL;

	pthread_mutex_lock(&client->state.lock);
	sgh_list_for_each (link, &client->state.uploads) {
		struct sangraha_upload *upload =
			sgh_list_entry(link, struct sangraha_upload, link);

		if (!upload->ending) {
			upload->ending = true;
			sgh_upload_ref(upload);
			found = upload;
			break;
		}
	}
	pthread_mutex_unlock(&client->state.lock);
	return found;
}

void sgh_uploads_end(struct sangraha_client *client)
{
	struct sangraha_upload *upload;
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0, "the client is being closed");
	while ((upload = next_open(client))) {
		pthread_mutex_lock(&upload->state.lock);
		upload->state.closing = true;
		pthread_mutex_unlock(&upload->state.lock);
		sgh_upload_fail(upload, SANGRAHA_E_UNAVAILABLE, &err);
		sgh_upload_unref(upload);
	}
}
