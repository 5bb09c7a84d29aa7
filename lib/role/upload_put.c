/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/upload.h"

/*
 * Full buffers on their way to the store, each by a request of its own, several at once.
 * What a part holds is given back when it is stored.
 */

#define FAILURES_MAX   3
#define AGAIN_FIRST_MS 250 /* then four times as long each time */

void sgh_upload_part_free(struct sgh_upload_part *part)
{
	if (!part)
		return;
	sgh_bytes_unref(part->body);
	free(part->url);
	free(part);
}

static size_t memory_of(const struct sgh_upload_part *part)
{
	return part->pulled ? 0 : part->body->capacity;
}

void sgh_upload_count_moving(struct sangraha_client *client, bool moving)
{
	__atomic_store_n(&client->moved_ms, sgh_now_ms(), __ATOMIC_RELAXED);
	__atomic_add_fetch(&client->moving, moving ? 1 : -1u, __ATOMIC_RELAXED);
}

static void moving_locked(struct sgh_upload_part *part, bool moving)
{
	part->moving = moving;
	part->upload->state.moving += moving ? 1 : -1u;
	if (part->pulled)
		sgh_upload_window_stopped_locked(part->upload);
	sgh_upload_count_moving(part->upload->client, moving);
}

/* ---- what became of it ---- */

/* Room for one more etag; false without memory. */
static bool make_room_locked(struct sangraha_upload *upload, unsigned number)
{
	unsigned room = upload->state.stored_room ? upload->state.stored_room : 16;
	struct sgh_part *more;

	if (number <= upload->state.stored_room)
		return true;
	while (room < number)
		room *= 2;
	more = realloc(upload->state.stored, room * sizeof(*more));
	if (!more)
		return false;
	memset(more + upload->state.stored_room, 0,
	       (room - upload->state.stored_room) * sizeof(*more));
	upload->state.stored = more;
	upload->state.stored_room = room;
	return true;
}

static int note_locked(struct sangraha_upload *upload, const struct sgh_upload_part *part,
		       struct sangraha_error *err)
{
	struct sgh_part *stored;

	if (part->move.kind == SGH_TICKET_PUT)
		return 0;
	if (!*part->move.etag)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"the store took part %u and said no etag", part->number);
	if (!make_room_locked(upload, part->number))
		return sgh_fail_memory(err);
	stored = &upload->state.stored[part->number - 1];
	stored->number = part->number;
	stored->size = part->pulled ? part->move.length : part->body->length;
	stored->etag = sgh_arena_strdup(&upload->state.etags, part->move.etag);
	return stored->etag ? 0 : sgh_fail_memory(err);
}

/* The ticket is not good any more: the next one is. */
static void forget_tickets_locked(struct sangraha_upload *upload)
{
	for (size_t i = 0; i < SGH_COUNT(upload->state.tickets); i++)
		if (upload->state.tickets[i])
			upload->state.tickets[i]->ticket->expires_ms = 0;
	/* Of a put there is no other than a new one. */
	if (upload->kind == SGH_UPLOAD_SPOOL)
		upload->state.begun = false;
}

/* It is not sent again. */
static void fail_part_locked(struct sangraha_upload *upload,
			     const struct sgh_upload_part *part, int status)
{
	struct sangraha_error err = part->move.err;

	/* That a ticket has ended is nobody's fault who asked for the upload. */
	if (status == SANGRAHA_E_UNAUTHORIZED)
		status = SANGRAHA_E_UNAVAILABLE;
	if (part->pulled && status != SANGRAHA_E_OVERLOADED && sgh_status_passing(status))
		status = sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, part->move.err.native,
				  "the body broke off on its way to the store, and has "
				  "to be sent again: %s",
				  part->move.err.message);
	sgh_upload_fail_locked(upload, status, &err);
}

static int64_t pause_of(const struct sgh_upload_part *part)
{
	return (int64_t)AGAIN_FIRST_MS << (2 * (part->failures - 1));
}

/*
 * Who brings the bytes of one that is pulled waits for them to go on, and is told as soon as
 * a store has been silent for the idle time-out: a try takes half of it.
 */
static bool may_try_again(const struct sgh_upload_part *part)
{
	int64_t next_ms = sgh_now_ms() + pause_of(part);

	return part->failures <= FAILURES_MAX &&
	       (!part->pulled ||
		next_ms - part->failed_ms < part->upload->client->idle_timeout_ms / 2);
}

/* One that lasted for longer than a silent one may was none. */
static void count_failure(struct sgh_upload_part *part)
{
	int64_t now = sgh_now_ms();

	if (!part->failures ||
	    now - part->again_ms > part->upload->client->idle_timeout_ms)
		part->failed_ms = now;
	part->failures++;
}

static void again_locked(struct sangraha_upload *upload, struct sgh_upload_part *part,
			 int status)
{
	bool passing = sgh_status_passing(status);

	count_failure(part);
	if (status == SANGRAHA_E_NOT_FOUND) {
		sgh_upload_ended_locked(upload);
	} else if ((!passing && status != SANGRAHA_E_UNAUTHORIZED) ||
		   !may_try_again(part) ||
		   (part->pulled && !sgh_upload_window_rewind_locked(part))) {
		fail_part_locked(upload, part, status);
	} else {
		/* Another ticket may name another gateway of the store. */
		if (status != SANGRAHA_E_OVERLOADED)
			forget_tickets_locked(upload);
		part->again_ms = sgh_now_ms() + pause_of(part);
	}
}

/* True: it is stored, or will not be, and is not in the list any more. */
static bool settle_locked(struct sgh_upload_part *part)
{
	struct sangraha_upload *upload = part->upload;
	struct sangraha_error err;
	int status = part->move.status;

	SGH_FAIL_POINT("upload.part-stored");
	moving_locked(part, false);
	/* An earlier try may have ended well: whose object that is, the receiver sees. */
	if (part->move.kind == SGH_TICKET_PUT && status == SANGRAHA_E_PRECONDITION)
		status = 0;
	if (!status)
		status = note_locked(upload, part, &err);
	else
		err = part->move.err;
	if (upload->state.status)
		status = 0;
	else if (status && !part->move.status)
		sgh_upload_fail_locked(upload, status, &err);
	else if (status)
		again_locked(upload, part, status);
	if (status && !upload->state.status)
		return false;
	sgh_list_remove(&part->link);
	upload->state.held -= memory_of(part);
	sgh_upload_window_next_locked(upload);
	return true;
}

static void moved(struct sgh_move *move)
{
	struct sgh_upload_part *part =
		sgh_container_of(move, struct sgh_upload_part, move);
	struct sangraha_upload *upload = part->upload;
	struct sgh_bytes *ring = NULL;
	bool dead;
	bool last;

	pthread_mutex_lock(&upload->state.lock);
	dead = settle_locked(part);
	/* The last one: what is read back for the commit may need the memory. */
	last = dead && upload->state.whole && sgh_list_empty(&upload->state.parts);
	if (last)
		ring = sgh_take(upload->state.ring);
	pthread_mutex_unlock(&upload->state.lock);
	sgh_bytes_unref(ring);
	if (last)
		sgh_upload_window_end(upload);
	if (dead)
		sgh_upload_part_free(part);
	sgh_upload_wake(upload);
	sgh_upload_run(upload);
	sgh_upload_unref(upload);
}

/* ---- sending ---- */

int sgh_upload_seal(struct sangraha_upload *upload, struct sgh_bytes *body,
		    unsigned number, struct sangraha_error *err)
{
	struct sgh_upload_part *part = calloc(1, sizeof(*part));

	if (!part) {
		sgh_bytes_unref(body);
		return sgh_fail_memory(err);
	}
	part->upload = upload;
	part->body = body;
	part->number = number;
	pthread_mutex_lock(&upload->state.lock);
	upload->state.held += memory_of(part);
	upload->state.sealed = number;
	sgh_list_append(&upload->state.parts, &part->link);
	pthread_mutex_unlock(&upload->state.lock);
	return 0;
}

/* The ticket that has a URL for a part; NULL: none that is good still. */
static const struct sgh_ticket *ticket_for_locked(const struct sangraha_upload *upload,
						  unsigned number)
{
	for (size_t i = 0; i < SGH_COUNT(upload->state.tickets); i++) {
		const struct sgh_reply *reply = upload->state.tickets[i];
		const struct sgh_ticket *ticket = reply ? reply->ticket : NULL;

		if (ticket && ticket->expires_ms > sgh_now_ms() &&
		    (ticket->kind == SGH_TICKET_PUT ||
		     (number >= ticket->first_part &&
		      number - ticket->first_part < ticket->url_count)))
			return ticket;
	}
	return NULL;
}

/* Hand a part to the mover. */
static void send_locked(struct sgh_upload_part *part, const struct sgh_ticket *ticket)
{
	struct sangraha_upload *upload = part->upload;
	bool whole = ticket->kind == SGH_TICKET_PUT;
	struct sgh_move *move = &part->move;
	uint64_t length = move->length;
	int status;

	free(part->url);
	part->url = strdup(ticket->urls[whole ? 0 : part->number - ticket->first_part]);
	*move = (struct sgh_move){
		.kind = ticket->kind,
		.url = part->url,
		.headers = whole ? ticket->headers : NULL,
		.header_count = whole ? ticket->header_count : 0,
		.deadline_ms =
			upload->state.submitted ? upload->state.deadline_ms : SGH_NEVER,
		.body = part->pulled ? NULL : part->body,
		.pull = part->pulled ? sgh_upload_window_pull : NULL,
		.length = part->pulled ? length : 0,
		.done = moved,
	};
	moving_locked(part, true);
	sgh_upload_ref(upload);
	/* With the lock held: who fails the upload finds it moving, and can cancel it. */
	status = part->url ? sgh_mover_submit(upload->mover, move, &move->err)
			   : sgh_fail_memory(&move->err);
	if (!status)
		return;
	moving_locked(part, false);
	__atomic_sub_fetch(&upload->refs, 1, __ATOMIC_RELAXED); /* never the last */
	again_locked(upload, part, status);
}

unsigned sgh_upload_send_locked(struct sangraha_upload *upload, int64_t now)
{
	unsigned lacking = 0;

	sgh_list_for_each (link, &upload->state.parts) {
		struct sgh_upload_part *part =
			sgh_list_entry(link, struct sgh_upload_part, link);
		const struct sgh_ticket *ticket;

		if (part->moving || part->again_ms > now)
			continue;
		ticket = ticket_for_locked(upload, part->number);
		if (ticket)
			send_locked(part, ticket);
		else if (!lacking || part->number < lacking)
			lacking = part->number;
		if (upload->state.status)
			break;
	}
	return lacking;
}

int64_t sgh_upload_send_ms_locked(const struct sangraha_upload *upload)
{
	int64_t soonest = SGH_NEVER;

	sgh_list_for_each (link, &upload->state.parts) {
		const struct sgh_upload_part *part =
			sgh_list_entry(link, struct sgh_upload_part, link);

		if (!part->moving && part->again_ms && part->again_ms < soonest)
			soonest = part->again_ms;
	}
	return soonest;
}

void sgh_upload_drop_parts_locked(struct sangraha_upload *upload, struct sgh_list *dead)
{
	struct sgh_list *next;

	for (struct sgh_list *link = upload->state.parts.next;
	     link != &upload->state.parts; link = next) {
		struct sgh_upload_part *part =
			sgh_list_entry(link, struct sgh_upload_part, link);

		next = link->next;
		if (part->moving) {
			sgh_mover_cancel(upload->mover, &part->move,
					 upload->state.status);
			continue;
		}
		sgh_list_remove(link);
		upload->state.held -= memory_of(part);
		sgh_list_append(dead, link);
	}
}
