/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/upload.h"

/*
 * What an upload asks the receiver for: put-begin, then put-extend as long as it lasts,
 * and put-commit or put-abort. One at a time, so that each knows what came before it.
 */

#define EXTEND_AHEAD    8 /* parts; with fewer URLs left the next are asked for */
#define EXTEND_TRIES    3
#define EXTEND_AGAIN_MS 1000
#define LIFE_LEAST_MS   1000
#define LIFE_MOST_MS    (7 * 86400000LL)
#define COMMIT_TEXT_MAX (4 << 20) /* 10,000 parts with their etags */

/* ---- which is next ---- */

/* The first part behind what the newest ticket has; 0: behind the last. */
static unsigned behind_ticket_locked(const struct sangraha_upload *upload)
{
	const struct sgh_reply *reply = upload->state.tickets[0];
	unsigned next =
		reply ? reply->ticket->first_part + (unsigned)reply->ticket->url_count
		      : 1;

	return next > sgh_parts_count(&upload->plan) ? 0 : next;
}

/* The part from which on URLs are wanted now; 0: none. */
static unsigned extend_from_locked(const struct sangraha_upload *upload, unsigned lacking,
				   int64_t now)
{
	unsigned next = behind_ticket_locked(upload);

	if (upload->kind != SGH_UPLOAD_PARTS || now < upload->state.extend_ms)
		return 0;
	if (lacking)
		return lacking;
	if (upload->state.whole)
		return 0;
	if (next && upload->state.sealed + EXTEND_AHEAD >= next)
		return next;
	if (now < upload->state.renew_ms)
		return 0;
	/* What is asked for is time; some part has to be named. */
	return next ? next : sgh_parts_count(&upload->plan);
}

static bool is_stored_locked(const struct sangraha_upload *upload)
{
	return upload->state.whole && upload->state.submitted &&
	       sgh_list_empty(&upload->state.parts) && !upload->state.window.fill;
}

enum sgh_verb sgh_upload_next_locked(struct sangraha_upload *upload, unsigned lacking,
				     int64_t now, unsigned *ret_first)
{
	if (upload->state.calling || upload->state.there)
		return SGH_VERB_UNKNOWN;
	if (!upload->state.begun)
		return upload->state.prefix && (upload->kind == SGH_UPLOAD_PARTS ||
						upload->state.submitted)
			       ? SGH_PUT_BEGIN
			       : SGH_VERB_UNKNOWN;
	if (is_stored_locked(upload)) {
		SGH_FAIL_POINT("upload.all-stored");
		return SGH_PUT_COMMIT;
	}
	*ret_first = extend_from_locked(upload, lacking, now);
	return *ret_first ? SGH_PUT_EXTEND : SGH_VERB_UNKNOWN;
}

int64_t sgh_upload_next_ms_locked(const struct sangraha_upload *upload)
{
	if (upload->kind != SGH_UPLOAD_PARTS || !upload->state.begun ||
	    upload->state.calling || upload->state.there)
		return SGH_NEVER;
	return upload->state.extend_failures ? upload->state.extend_ms
	       : upload->state.whole         ? SGH_NEVER
					     : upload->state.renew_ms;
}

/* ---- the requests ---- */

/* What each of them says; strings are copies, since it may outlive the upload. */
static struct sgh_request *new_step(const struct sangraha_upload *upload,
				    enum sgh_verb verb, const char *type)
{
	const struct sgh_request *put = upload->request;
	struct sgh_request *request = sgh_request_new();

	if (!request)
		return NULL;
	request->verb = verb;
	request->persistent = true;
	request->created_ms = put->created_ms;
	request->arena.max = COMMIT_TEXT_MAX;
	if (sgh_request_keep(request, put->object_id, &request->object_id) &&
	    sgh_request_keep(request, put->object_id, &request->operation_id) &&
	    sgh_request_keep(request, put->request_id, &request->request_id) &&
	    sgh_request_keep(request, put->traceparent, &request->traceparent) &&
	    sgh_request_keep(request, put->reply_to, &request->reply_to) &&
	    sgh_request_keep(request, type, &request->object_type))
		return request;
	sgh_request_free(request);
	return NULL;
}

static bool is_put(const struct sangraha_upload *upload)
{
	return upload->kind == SGH_UPLOAD_SPOOL;
}

/* What the validator found, once it has seen everything. */
static bool tell_facts_locked(const struct sangraha_upload *upload,
			      struct sgh_request *request)
{
	const struct sangraha_verdict *verdict =
		sangraha_validator_verdict(upload->validator);

	request->size = (int64_t)upload->taken;
	return sgh_request_keep(request, upload->state.sha256, &request->sha256) &&
	       sgh_request_keep(request, sangraha_verdict_facts(verdict),
				&request->facts) &&
	       sgh_request_keep(request, sangraha_verdict_rules(verdict),
				&request->rules);
}

static bool tell_begin_locked(struct sangraha_upload *upload, struct sgh_request *request)
{
	const struct sgh_request *put = upload->request;

	request->transfer = is_put(upload) ? SGH_TICKET_PUT : SGH_TICKET_PARTS;
	request->size = upload->length;
	request->fresh = put->fresh && !upload->state.begins++;
	request->body = sgh_bytes_ref(upload->state.prefix);
	for (size_t i = 0; i < put->meta_count; i++) {
		if (!sgh_request_keep(request, put->meta[i].name,
				      &request->meta[i].name) ||
		    !sgh_request_keep(request, put->meta[i].value,
				      &request->meta[i].value))
			return false;
		request->meta_count++;
	}
	return sgh_request_keep(request, put->filename, &request->filename) &&
	       sgh_request_keep(request, put->content_type, &request->content_type) &&
	       (is_put(upload)
			? tell_facts_locked(upload, request) &&
				  sgh_request_keep(request, upload->state.crc32c,
						   &request->crc32c)
			: sgh_request_keep(request, put->sha256, &request->sha256));
}

static bool tell_parts_locked(const struct sangraha_upload *upload,
			      struct sgh_request *request)
{
	unsigned count = upload->state.sealed;
	struct sgh_part *parts = sgh_arena_alloc(&request->arena, count * sizeof(*parts));

	if (!parts)
		return false;
	for (unsigned i = 0; i < count; i++) {
		parts[i] = upload->state.stored[i];
		if (!sgh_request_keep(request, upload->state.stored[i].etag,
				      &parts[i].etag))
			return false;
	}
	request->parts = parts;
	request->part_count = count;
	return sgh_request_keep(request, upload->state.record, &request->record);
}

static bool tell_commit_locked(const struct sangraha_upload *upload,
			       struct sgh_request *request)
{
	request->transfer = is_put(upload) ? SGH_TICKET_PUT : SGH_TICKET_PARTS;
	return tell_facts_locked(upload, request) &&
	       (is_put(upload) || tell_parts_locked(upload, request));
}

static struct sgh_request *make_locked(struct sangraha_upload *upload, enum sgh_verb verb,
				       unsigned first)
{
	/* At the beginning the receiver decides; the type is what the user insists on. */
	const char *type = verb == SGH_PUT_BEGIN ? upload->request->object_type
			   : *upload->state.type ? upload->state.type
						 : NULL;
	struct sgh_request *request = new_step(upload, verb, type);
	bool made;

	if (!request)
		return NULL;
	if (verb == SGH_PUT_BEGIN)
		made = tell_begin_locked(upload, request);
	else if (verb == SGH_PUT_COMMIT)
		made = tell_commit_locked(upload, request);
	else
		made = sgh_request_keep(request, upload->state.record, &request->record);
	request->first_part = first;
	if (made)
		return request;
	sgh_request_free(request);
	return NULL;
}

/* ---- the answers ---- */

/* How long a ticket can be used before another one is due. */
static void take_ticket_locked(struct sangraha_upload *upload, struct sgh_reply *reply)
{
	struct sgh_ticket *ticket = reply->ticket;
	int64_t life = ticket->expires_ms - sgh_time_ms();

	/* Whose clock is far off has tickets nevertheless: the store has the last word. */
	if (life < LIFE_LEAST_MS)
		life = LIFE_LEAST_MS;
	if (life > LIFE_MOST_MS)
		life = LIFE_MOST_MS;
	/* From here on by the clock of this process. */
	ticket->expires_ms = sgh_now_ms() + life;
	sgh_reply_free(upload->state.tickets[1]);
	upload->state.tickets[1] = upload->state.tickets[0];
	upload->state.tickets[0] = reply;
	upload->state.renew_ms = sgh_now_ms() + life / 3 * 2;
}

static void strange_locked(struct sangraha_upload *upload)
{
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_INTERNAL, 0,
		 "the answer to the beginning of an upload has no ticket for it");
	sgh_upload_fail_locked(upload, SANGRAHA_E_INTERNAL, &err);
}

/* A failure that was answered is the result's, with its rule and offset. */
static void fail_by_locked(struct sangraha_upload *upload, struct sangraha_result *result)
{
	bool first = !upload->state.status;

	sgh_upload_fail_locked(upload, result->status, &result->err);
	if (first && upload->state.result && !upload->state.result->reply)
		upload->state.result->reply = sgh_take(result->reply);
}

static void begun_locked(struct sangraha_upload *upload, struct sangraha_result *result)
{
	struct sgh_reply *reply = result->reply;
	const struct sgh_ticket *ticket = reply ? reply->ticket : NULL;
	bool parts = upload->kind == SGH_UPLOAD_PARTS;

	SGH_FAIL_POINT("upload.begun");
	upload->state.begun = !result->status;
	if (result->status) {
		fail_by_locked(upload, result);
	} else if (!ticket) {
		upload->state.there = sgh_take(result->reply);
	} else if (ticket->kind != (parts ? SGH_TICKET_PARTS : SGH_TICKET_PUT) ||
		   !ticket->url_count || (parts && !sangraha_id_valid(ticket->record))) {
		strange_locked(upload);
	} else {
		if (parts)
			memcpy(upload->state.record, ticket->record, SANGRAHA_ID_SIZE);
		take_ticket_locked(upload, sgh_take(result->reply));
	}
}

static void extended_locked(struct sangraha_upload *upload,
			    struct sangraha_result *result)
{
	const struct sgh_reply *reply = result->reply;

	SGH_FAIL_POINT("upload.extended");
	if (sgh_status_passing(result->status) &&
	    ++upload->state.extend_failures <= EXTEND_TRIES) {
		upload->state.extend_ms = sgh_now_ms() + EXTEND_AGAIN_MS;
	} else if (result->status == SANGRAHA_E_NOT_FOUND) {
		sgh_upload_ended_locked(upload);
	} else if (result->status) {
		fail_by_locked(upload, result);
	} else if (!reply->ticket || reply->ticket->kind != SGH_TICKET_PARTS ||
		   !reply->ticket->url_count) {
		strange_locked(upload);
	} else {
		upload->state.extend_failures = 0;
		take_ticket_locked(upload, sgh_take(result->reply));
	}
}

/*
 * Our document is of what the store said: other parts there, or an upload that has ended, are
 * the doing of another one under the same id, at the same time. It may be the one that ends
 * well, so it is not aborted; and a put finds out when it is repeated, not from "not_found".
 */
static void overtaken_locked(struct sangraha_upload *upload)
{
	struct sangraha_error err;

	upload->state.left = true;
	sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0,
		 "another upload with the same id came in between");
	sgh_upload_fail_locked(upload, SANGRAHA_E_UNAVAILABLE, &err);
}

/*
 * Who gave up on a commit does not abort: it may have happened, or happen still. Nor does
 * who is told of a conflict: the upload is the other one's.
 */
static void committed_locked(struct sangraha_upload *upload,
			     struct sangraha_result *result)
{
	SGH_FAIL_POINT("upload.committed");
	upload->state.left = sgh_status_passing(result->status) ||
			     result->status == SANGRAHA_E_CONFLICT;
	if (!result->status)
		upload->state.there = sgh_take(result->reply);
	else if (result->status == SANGRAHA_E_NOT_FOUND ||
		 (result->status == SANGRAHA_E_INVALID &&
		  upload->kind == SGH_UPLOAD_PARTS))
		overtaken_locked(upload);
	else
		fail_by_locked(upload, result);
}

static void settle_locked(struct sangraha_upload *upload, struct sangraha_result *result)
{
	if (upload->state.verb == SGH_PUT_ABORT)
		SGH_FAIL_POINT("upload.aborted");
	upload->state.calling = false;
	if (upload->state.verb == SGH_PUT_BEGIN)
		begun_locked(upload, result);
	else if (upload->state.verb == SGH_PUT_EXTEND)
		extended_locked(upload, result);
	else if (upload->state.verb == SGH_PUT_COMMIT)
		committed_locked(upload, result);
	else
		upload->state.aborted = true;
}

/*
 * Parts are begun once. Who has begun may wait for memory, and must hold none meanwhile.
 */
static struct sgh_bytes *take_shown_locked(struct sangraha_upload *upload)
{
	if (!upload->state.begun || upload->kind != SGH_UPLOAD_PARTS)
		return NULL;
	return sgh_take(upload->state.prefix);
}

static void answered(void *arg, struct sangraha_result *result)
{
	struct sangraha_upload *upload = arg;
	struct sgh_bytes *shown;

	pthread_mutex_lock(&upload->state.lock);
	settle_locked(upload, result);
	shown = take_shown_locked(upload);
	pthread_mutex_unlock(&upload->state.lock);
	sgh_bytes_unref(shown);
	sangraha_result_free(result);
	sgh_upload_wake(upload);
	sgh_upload_run(upload);
	sgh_upload_unref(upload);
}

/* ---- sending ---- */

void sgh_upload_call_locked(struct sangraha_upload *upload, enum sgh_verb verb,
			    unsigned first)
{
	int64_t left = upload->state.deadline_ms - sgh_now_ms();
	unsigned timeout_ms = upload->timeout_ms;
	struct sangraha_result failed = { 0 };
	struct sgh_request *request = make_locked(upload, verb, first);

	if (upload->state.submitted && verb != SGH_PUT_ABORT)
		timeout_ms = left > 1 ? (unsigned)left : 1;
	upload->state.verb = verb;
	upload->state.calling = true;
	sgh_upload_ref(upload);
	/* `done` may be called at once, and takes the lock. */
	pthread_mutex_unlock(&upload->state.lock);
	failed.status = request ? sgh_call_start(upload->client, request, timeout_ms,
						 true, answered, upload, &failed.err)
				: sgh_fail_memory(&failed.err);
	pthread_mutex_lock(&upload->state.lock);
	if (failed.status) {
		settle_locked(upload, &failed);
		__atomic_sub_fetch(&upload->refs, 1, __ATOMIC_RELAXED); /* not the last */
	}
}
