/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/task.h"
#include "wire/batch.h"
#include "wire/fields.h"

/*
 * How a task ends: event, reply, acknowledgement - each confirmed before the next - or a
 * copy in a delay queue or the dead-letter queue, confirmed before the acknowledgement.
 * What cannot be published for now is published again until it can, or until the service
 * stops and the delivery goes back.
 */

#define PUBLISH_MS  10000
#define AGAIN_MS    500 /* after the first failure, growing to */
#define AGAIN_MOST  5000
#define PATIENCE_MS 60000 /* with the reply of a request that has no deadline */
#define FULL_TRIES  3     /* of a reply or a dead letter whose queue is full */
#define AWAIT_MS    10    /* an answer waits at most so long for others */
#define LONG_OVER   1     /* Unix ms: a deadline that is over by every clock */

/* One event of the log, one count of the metrics; then the task is gone. */
static void leave(struct sgh_task *task, const char *outcome, int status)
{
	const struct sgh_request *request = task->request;
	const struct sgh_reply *reply = task->reply;
	struct sgh_service *service = task->service;
	int64_t took = sgh_now_us() - task->started_us;
	enum sgh_verb verb = request ? request->verb : SGH_VERB_UNKNOWN;
	struct sangraha_log_event event = {
		.size = sizeof(event),
		.level = SANGRAHA_LOG_INFO,
		.duration_us = took,
		.role = service->kind->role,
		.event = sgh_verb_name(verb),
		.message = reply ? reply->message : NULL,
		.request_id = request ? request->request_id : NULL,
		.operation_id = request ? request->operation_id : NULL,
		.object = reply && reply->object
				  ? sangraha_object_reference(reply->object)
				  : NULL,
		.outcome = outcome,
	};

	if (status == SANGRAHA_E_INTERNAL)
		event.level = SANGRAHA_LOG_ERROR;
	else if (sgh_status_passing(status))
		event.level = SANGRAHA_LOG_WARN;
	sangraha_context_log(service->context, &event);
	sgh_tally_end(&service->tally, verb, status, took);
	sgh_task_end(task);
}

static void replied(struct sgh_task *task);
static void postponed(struct sgh_task *task);
static void buried(struct sgh_task *task);
static bool park(struct sgh_task *task);
static void publish_again(struct sgh_timer *timer);
static void publish_done(struct sgh_publish *publish, int status,
			 const struct sangraha_error *err);

/*
 * Whether nothing is lost by going on without this one: an answer or an event that the
 * broker will never take; the answer to a read when nobody waits for it any more; and soon
 * one whose queue is full - that queue is the requester's, whatever deadline it has asked
 * for, and must not hold us up. The requester asks again and gets the same answer.
 */
static bool may_skip(const struct sgh_task *task, int status)
{
	bool reads = sgh_task_reads(task);
	bool full = task->published == replied && status == SANGRAHA_E_OVERLOADED;
	int64_t until = task->deadline_ms == SGH_NEVER
				? task->started_us / 1000 + PATIENCE_MS
				: task->deadline_ms;

	if (task->publish.mandatory)
		return false;
	return !sgh_status_passing(status) ||
	       (full && task->failures + 1 >= FULL_TRIES) ||
	       ((reads || full) && sgh_now_ms() >= until);
}

/* Somebody waits for the reply. */
static bool is_awaited(const struct sgh_task *task)
{
	return task->request && task->request->reply_to && !task->late;
}

/* A copy finds no room: to try until there is some would take all of the requester's time. */
static bool answers_instead(const struct sgh_task *task, const struct sangraha_error *err)
{
	return task->published == postponed && sgh_disk_full(err) && is_awaited(task);
}

static bool no_room(const struct sgh_task *task, int status)
{
	return task->published == buried && status == SANGRAHA_E_OVERLOADED &&
	       task->failures + 1 >= FULL_TRIES;
}

static void publish_failed(struct sgh_task *task, int status,
			   const struct sangraha_error *err)
{
	struct sgh_service *service = task->service;
	int64_t wait = AGAIN_MS << sgh_min(task->failures, 4);

	if (may_skip(task, status)) {
		sgh_log(service->context, SANGRAHA_LOG_ERROR, service->kind->role,
			"publish", "%s", err->message);
		task->published(task);
		return;
	}
	if (answers_instead(task, err)) {
		sgh_task_give_up(task, err);
		return;
	}
	if (no_room(task, status) && park(task))
		return;
	if (!task->failures++)
		sgh_log(service->context, SANGRAHA_LOG_WARN, service->kind->role,
			"publish", "to \"%s\", which is tried again until it works: %s",
			task->publish.routing_key, err->message);
	task->again.fire = publish_again;
	if (wait > AGAIN_MOST)
		wait = AGAIN_MOST;
	if (!sgh_service_wait(service, task, wait))
		sgh_task_abandon(task);
}

static void publish_start(struct sgh_task *task)
{
	struct sangraha_error err;
	int status;

	task->publish.message = task->outgoing;
	task->publish.deadline_ms = sgh_now_ms() + PUBLISH_MS;
	task->publish.done = publish_done;
	status = sgh_queue_publish(task->service->queue, &task->publish, &err);
	if (status)
		publish_failed(task, status, &err);
}

static void publish_again(struct sgh_timer *timer)
{
	struct sgh_task *task = sgh_container_of(timer, struct sgh_task, again);

	task->publish.held = false;
	if (sgh_service_stopping(task->service))
		sgh_task_abandon(task);
	else
		publish_start(task);
}

static void publish_done(struct sgh_publish *publish, int status,
			 const struct sangraha_error *err)
{
	struct sgh_task *task = sgh_container_of(publish, struct sgh_task, publish);

	if (status)
		publish_failed(task, status, err);
	else
		task->published(task);
}

/*
 * Whether its answer may come in a batch: who sends batches takes them, and who says so. The
 * common queue of answers is read by others.
 */
static bool takes_batches(const struct sgh_task *task)
{
	const struct sgh_request *request = task->request;

	return request && request->reply_to &&
	       (task->delivery->batched || request->batches);
}

/*
 * How long, in milliseconds, the answer to a read may wait for those to what came in one batch
 * with it, so that they go in one as well; 0: it goes at once.
 */
static unsigned wait_for_others(struct sgh_task *task, const struct sgh_message *answer)
{
	bool others = sgh_task_reads(task) && !sgh_delivery_answered(task->delivery);
	bool large = answer->body && answer->body->length > SGH_BATCH_SMALL;

	return others && !large && takes_batches(task) ? AWAIT_MS : 0;
}

/* Publish `message`, which the task takes, and go on at `then` when it is certain. */
static void publish(struct sgh_task *task, struct sgh_message *message,
		    const char *exchange, const char *routing_key, bool mandatory,
		    bool confirm, void (*then)(struct sgh_task *task))
{
	unsigned held_ms = then == replied ? wait_for_others(task, message) : 0;

	sgh_message_free(task->outgoing);
	task->begun = true;
	task->failures = 0;
	task->outgoing = message;
	task->published = then;
	task->publish = (struct sgh_publish){
		.exchange = exchange,
		.routing_key = routing_key,
		.mandatory = mandatory,
		.confirm = confirm,
		.frees = task->request && sgh_verb_frees(task->request->verb),
		.batch = then == replied && takes_batches(task),
		.held = task->in_row || held_ms,
		.held_ms = held_ms,
	};
	task->in_row = false;
	publish_start(task);
}

/* ---- event, reply, acknowledgement ---- */

/* The event by itself, until it is published. */
static void publish_event(struct sgh_task *task, void (*then)(struct sgh_task *task))
{
	struct sgh_message *event = sgh_take(task->event);

	publish(task, event, SANGRAHA_EVENT_EXCHANGE, event->type, false, true, then);
}

/* Nothing of it is on its way any more. */
static void acknowledge(struct sgh_task *task)
{
	struct sgh_delivery *delivery = sgh_take(task->delivery);
	int status = task->reply->status;

	SGH_FAIL_POINT("settle.reply-confirmed");
	/* We have not seen what was skipped, so only the broker can keep it. */
	if (delivery->oversize)
		sgh_delivery_reject(delivery);
	else
		sgh_delivery_ack(delivery);
	SGH_FAIL_POINT("settle.acknowledged");
	leave(task, sangraha_status_name(status), status);
}

/* The reply is certain, and its event has been published, or has failed to be. */
static void answered(struct sgh_task *task)
{
	if (task->beside.failed && task->event)
		publish_event(task, acknowledge);
	else
		acknowledge(task);
}

static void replied(struct sgh_task *task)
{
	sgh_task_when_announced(task, answered);
}

static void reply(struct sgh_task *task)
{
	const char *reply_to = SANGRAHA_RESPONSE_QUEUE;
	struct sgh_message *message = NULL;
	bool reads = sgh_task_reads(task);
	struct sangraha_error err;

	if (task->request && task->request->reply_to)
		reply_to = task->request->reply_to;
	task->reply->persistent = !reads || task->request->persistent;
	if (sgh_reply_message(task->reply, &message, &err)) {
		sgh_log(task->service->context, SANGRAHA_LOG_ERROR,
			task->service->kind->role, "reply", "%s", err.message);
		sgh_task_abandon(task);
		return;
	}
	/* The bytes live on in the message alone. Confirms set the pace of batches. */
	publish(task, message, "", reply_to, false,
		task->reply->persistent || task->delivery->batched, replied);
}

static void announced_first(struct sgh_task *task)
{
	if (task->beside.failed)
		publish_event(task, reply);
	else
		reply(task);
}

static void announce(struct sgh_task *task)
{
	bool deletes = task->request && task->request->verb == SGH_DELETE;

	if (!task->event)
		reply(task);
	else if (!sgh_task_announce(task))
		publish_event(task, reply);
	else if (deletes)
		/* Whoever keeps what was deleted is to know before it is said to be gone. */
		sgh_task_when_announced(task, announced_first);
	else
		reply(task);
}

struct sgh_reply *sgh_task_reply(struct sgh_task *task)
{
	const struct sgh_request *request = task->request;

	if (task->reply)
		return task->reply;
	task->reply = sgh_reply_new();
	if (task->reply && request) {
		task->reply->json = request->json;
		task->reply->correlation_id = request->correlation_id;
		task->reply->operation_id = request->operation_id;
		task->reply->request_id = request->request_id;
		task->reply->batches = task->service->kind->batches && !request->json;
	}
	return task->reply;
}

void sgh_task_finish(struct sgh_task *task)
{
	if (sgh_task_reply(task))
		announce(task);
	else
		sgh_task_abandon(task);
}

/* Have the reply say that; false without memory, and a reply would say success. */
static bool note(struct sgh_task *task, const struct sangraha_error *err)
{
	struct sgh_reply *answer = sgh_task_reply(task);

	if (!answer)
		return false;
	/* Credentials are a matter between us and the store. */
	answer->status = err->status == SANGRAHA_E_UNAUTHORIZED ? SANGRAHA_E_UNAVAILABLE
								: err->status;
	answer->message = sgh_arena_strdup(&answer->arena, err->message);
	return true;
}

/* The end of the service is no answer: whoever is delivered it next has one. */
static bool given_up(struct sgh_task *task, const struct sangraha_error *err)
{
	bool give_up = sgh_service_cut(task->service) && sgh_status_passing(err->status);

	if (give_up)
		sgh_task_abandon(task);
	return give_up;
}

void sgh_task_fail_with(struct sgh_task *task, const struct sangraha_error *err)
{
	if (given_up(task, err))
		return;
	if (note(task, err))
		sgh_task_finish(task);
	else
		sgh_task_abandon(task);
}

void sgh_task_fail(struct sgh_task *task, int status, const char *format, ...)
{
	struct sangraha_error err = { .status = status };
	va_list args;

	va_start(args, format);
	vsnprintf(err.message, sizeof(err.message), format, args);
	va_end(args);
	sgh_task_fail_with(task, &err);
}

/* ---- retry, dead letter ---- */

static const struct {
	const char *queue;
	int64_t ms;
} delays[] = {
	{ SANGRAHA_WRITE_QUEUE ".delay.1s", 1000 },
	{ SANGRAHA_WRITE_QUEUE ".delay.5s", 5000 },
	{ SANGRAHA_WRITE_QUEUE ".delay.15s", 15000 },
	{ SANGRAHA_WRITE_QUEUE ".delay.60s", 60000 },
	{ SANGRAHA_WRITE_QUEUE ".delay.300s", 300000 },
};

#define RETRIES_MAX SGH_COUNT(delays)

static void postponed(struct sgh_task *task)
{
	SGH_FAIL_POINT("settle.retry-confirmed");
	sgh_delivery_ack(sgh_take(task->delivery));
	SGH_FAIL_POINT("settle.retry-acknowledged");
	leave(task, "retry", task->reply ? task->reply->status : SANGRAHA_E_UNAVAILABLE);
}

/* How much a message's copies are to look for, see sgh_task_doubts(). */
enum doubt {
	DOUBT_NONE,
	DOUBT_STORED,
	DOUBT_ANNOUNCED,
};

static int64_t doubt_of(const struct sgh_task *task)
{
	const struct sgh_header *doubt =
		sgh_message_header(task->delivery->message, "doubt");

	return doubt && doubt->kind == SGH_HEADER_NUMBER ? doubt->number : DOUBT_NONE;
}

bool sgh_task_doubts(const struct sgh_task *task)
{
	return task->request->verb == SGH_PUT &&
	       (task->doubt || doubt_of(task) >= DOUBT_STORED);
}

bool sgh_task_only_looks(const struct sgh_task *task)
{
	return task->request->verb == SGH_PUT && task->late &&
	       doubt_of(task) >= DOUBT_ANNOUNCED;
}

static bool set_number(struct sgh_message *copy, const char *name, int64_t number)
{
	for (size_t i = 0; i < copy->header_count; i++) {
		struct sgh_header *header = &copy->headers[i];

		if (strcmp(header->name, name) == 0) {
			header->kind = SGH_HEADER_NUMBER;
			header->number = number;
			return true;
		}
	}
	return sgh_message_add_number(copy, name, number);
}

/* A copy for a delay queue; what was in doubt stays so. */
static int make_copy(struct sgh_task *task, unsigned attempt, struct sgh_message **ret,
		     struct sangraha_error *err)
{
	int status = sgh_message_retry(task->delivery->message, attempt, ret, err);

	if (status || !task->doubt || doubt_of(task) >= DOUBT_STORED ||
	    set_number(*ret, "doubt", DOUBT_STORED))
		return status;
	sgh_message_free(sgh_take(*ret));
	return sgh_fail_memory(err);
}

static void postpone(struct sgh_task *task, const char *queue)
{
	struct sgh_message *copy = NULL;
	struct sangraha_error err;

	if (make_copy(task, task->request->attempt + 1, &copy, &err))
		sgh_task_abandon(task);
	else
		publish(task, copy, "", queue, true, true, postponed);
}

/*
 * It begins nothing any more, and who asked has been told: of a document that names the
 * queue for its answer, too, the property is what counts.
 */
static bool expire(struct sgh_message *copy)
{
	copy->reply_to =
		sgh_fields_json_mode(copy->content_type) ? SANGRAHA_RESPONSE_QUEUE : NULL;
	return set_number(copy, "deadline", LONG_OVER);
}

static void left_over(struct sgh_task *task)
{
	SGH_FAIL_POINT("settle.left-over-confirmed");
	task->left_over(task);
}

/* `doubt` goes into the copy, unless it is DOUBT_NONE: then it says what it said. */
static void leave_copy(struct sgh_task *task, enum doubt doubt,
		       void (*then)(struct sgh_task *task))
{
	struct sgh_message *copy = NULL;
	struct sangraha_error err;

	if (make_copy(task, 1, &copy, &err) || !expire(copy) ||
	    (doubt && !set_number(copy, "doubt", doubt))) {
		sgh_message_free(copy);
		sgh_task_abandon(task);
		return;
	}
	task->left_over = then;
	publish(task, copy, "", delays[0].queue, true, true, left_over);
}

void sgh_task_go_alone(struct sgh_task *task)
{
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0,
		 "one of those that it came with may be what kills receivers");
	if (note(task, &err))
		postpone(task, delays[0].queue);
	else
		sgh_task_abandon(task);
}

void sgh_task_leave_copy(struct sgh_task *task, void (*then)(struct sgh_task *task))
{
	leave_copy(task, DOUBT_NONE, then);
}

void sgh_task_give_up(struct sgh_task *task, const struct sangraha_error *answer)
{
	if (!task->owes && !sgh_task_was_tried(task))
		sgh_task_fail_with(task, answer);
	else if (note(task, answer))
		sgh_task_leave_copy(task, sgh_task_finish);
	else
		sgh_task_abandon(task);
}

void sgh_task_finish_in_doubt(struct sgh_task *task)
{
	leave_copy(task, DOUBT_ANNOUNCED, sgh_task_finish);
}

void sgh_task_look_later(struct sgh_task *task)
{
	unsigned attempt = task->request->attempt;

	if (attempt < RETRIES_MAX && sgh_task_reply(task)) {
		postpone(task, delays[attempt].queue);
	} else if (attempt < RETRIES_MAX) {
		sgh_task_abandon(task);
	} else if (sgh_task_only_looks(task)) {
		sgh_delivery_ack(sgh_take(task->delivery));
		leave(task, sangraha_status_name(0), 0);
	} else {
		sgh_task_expire(task);
	}
}

/*
 * The queue of dead letters is full, and those that wait for room there would soon be all
 * that is in hand: this one comes again later.
 */
static bool park(struct sgh_task *task)
{
	unsigned attempt = task->request ? task->request->attempt : 0;
	const char *parking = task->service->kind->parking;
	struct sgh_message *copy = NULL;
	struct sangraha_error err;

	if (!parking || make_copy(task, attempt, &copy, &err))
		return false;
	sgh_log(task->service->context, SANGRAHA_LOG_ERROR, task->service->kind->role,
		"publish", "no room for a dead letter, which goes to \"%s\"", parking);
	publish(task, copy, "", parking, true, true, postponed);
	return true;
}

void sgh_task_retry(struct sgh_task *task, const struct sangraha_error *err)
{
	const struct sgh_request *request = task->request;
	bool waiting = is_awaited(task);
	bool full = sgh_disk_full(err);
	bool breaker_open = sgh_store_writes_down_ms(task->service->store) > 0;
	int64_t left = task->deadline_ms == SGH_NEVER ? INT64_MAX
						      : task->deadline_ms - sgh_now_ms();
	bool out = request->attempt >= RETRIES_MAX;
	struct sangraha_error answer = *err;

	if (given_up(task, err))
		return;
	/* What a write does not find is its bucket: somebody emptied the store. */
	if (err->status == SANGRAHA_E_NOT_FOUND)
		sgh_service_prepare_again(task->service);
	if (err->status != SANGRAHA_E_INTERNAL && !full)
		answer.status = SANGRAHA_E_UNAVAILABLE;
	/* Who waits decides what happens next; nobody else would look at a dead letter. */
	if (waiting && (full || out || breaker_open || left <= delays[0].ms)) {
		sgh_task_give_up(task, &answer);
		return;
	}
	if (out || (!waiting && !task->late && left <= delays[request->attempt].ms)) {
		sgh_task_dead_letter(task, "out of retries", &answer);
		return;
	}
	/* The log line says why. */
	note(task, &answer);
	postpone(task, delays[waiting ? 0 : request->attempt].queue);
}

static bool add_last_words(struct sgh_message *copy, const struct sgh_task *task,
			   const char *reason, const struct sangraha_error *err)
{
	unsigned attempts = task->request ? task->request->attempt + 1 : 1;
	char now[SGH_RFC3339_SIZE];

	sgh_rfc3339(sgh_time_ms(), now);
	return sgh_message_add_text(copy, "dead-reason", reason) &&
	       sgh_message_add_number(copy, "dead-attempts", attempts) &&
	       sgh_message_add_text(copy, "dead-error", err ? err->message : NULL) &&
	       sgh_message_add_text(copy, "dead-time", now);
}

static void buried(struct sgh_task *task)
{
	SGH_FAIL_POINT("settle.dead-letter-confirmed");
	if (task->request && task->service->kind->buried)
		task->service->kind->buried(task);
	else
		sgh_task_finish(task);
}

void sgh_task_bury(struct sgh_task *task, const struct sangraha_error *err)
{
	if (note(task, err))
		buried(task);
	else
		sgh_task_abandon(task);
}

void sgh_task_dead_letter(struct sgh_task *task, const char *reason,
			  const struct sangraha_error *err)
{
	unsigned attempt = task->request ? task->request->attempt : 0;
	struct sgh_message *copy = NULL;
	struct sangraha_error because;

	sgh_fail(&because, SANGRAHA_E_INTERNAL, 0, "dead-lettered: %s", reason);
	if (err)
		sgh_fail(&because, err->status, err->native, "dead-lettered, %s: %s",
			 reason, err->message);
	if (!note(task, &because) || make_copy(task, attempt, &copy, &because) ||
	    !add_last_words(copy, task, reason, err)) {
		sgh_message_free(copy);
		sgh_task_abandon(task);
		return;
	}
	publish(task, copy, SANGRAHA_DEAD_LETTER_EXCHANGE,
		task->service->kind->dead_letters, true, true, buried);
}
