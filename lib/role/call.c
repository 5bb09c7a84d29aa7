/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/client.h"

/*
 * One request of a client, from its submission to its result: published, found again by
 * its correlation id when the reply comes, sent again when none comes - at half its time, at
 * half of what is left then, and after a reconnect, not sooner than 3 s after it was
 * published and at most 3 times - and ended by its deadline. Whoever takes it out of the
 * table decides its result.
 */

#define RESENDS_MAX   3
#define RESEND_MIN_MS 3000
/* A request waits so long for a response queue that was never there yet. */
#define HOLD_MS 1000

/* The memory for an answer that there was none for when it came; under the lock. */
enum room {
	ROOM_NONE,
	ROOM_WAITED_FOR,
	ROOM_RESERVED,
};

struct call {
	/* atomic: one while it is started, open, published, while its timer is armed */
	int refs;
	struct sangraha_client *client;
	struct sgh_list link; /* in a chain of client->state.calls */
	struct sgh_request *request;
	struct sgh_message *message;
	struct sgh_publish publish;
	struct sgh_timer timer;
	struct sangraha_result *result; /* there from the start: the end cannot fail */
	char correlation_id[SANGRAHA_ID_SIZE];
	bool direct;
	uint64_t mark; /* of a get, for the cache */
	int64_t started_us;
	int64_t deadline_ms;
	struct sgh_budget_waiter waiter;
	struct {
		/* guarded by client->state.lock */
		bool settled;
		enum room room;
		bool held; /* not sent yet: an answer would find no queue */
		bool publishing;
		int64_t published_ms;
		int64_t resend_ms; /* when to send again; SGH_NEVER: not planned */
		bool missed;       /* that time came while it was being published */
	} state;
};

static void call_unref(struct call *call)
{
	struct sangraha_client *client = call->client;

	if (__atomic_sub_fetch(&call->refs, 1, __ATOMIC_ACQ_REL))
		return;
	sangraha_result_free(call->result);
	sgh_request_free(call->request);
	sgh_message_free(call->message);
	free(call);
	sgh_client_unref(client);
}

static void call_ref(struct call *call)
{
	__atomic_add_fetch(&call->refs, 1, __ATOMIC_RELAXED);
}

/* The chain of a correlation id. */
static struct sgh_list *chain(struct sangraha_client *client, const char *correlation_id)
{
	uint32_t hash = sgh_hash(SGH_HASH_SEED, correlation_id);

	return &client->state.calls[hash & (SGH_CALL_CHAINS - 1)];
}

/* ---- memory for an answer ---- */

static void give_room_back(struct call *call)
{
	struct sgh_budget *budget = call->client->context->budget;

	sgh_budget_arrived(budget, call->waiter.size);
	sgh_budget_release(budget, call->waiter.size);
}

/* The call has ended: nothing is kept for its answer, and nothing waited for. */
static void drop_room(struct call *call)
{
	enum room room;

	pthread_mutex_lock(&call->client->state.lock);
	room = call->state.room;
	call->state.room = ROOM_NONE;
	pthread_mutex_unlock(&call->client->state.lock);
	if (room == ROOM_RESERVED)
		give_room_back(call);
	else if (room == ROOM_WAITED_FOR &&
		 sgh_budget_cancel(call->client->context->budget, &call->waiter))
		call_unref(call);
}

/* ---- the end ---- */

/*
 * Take a call out of the table; false when somebody else did. Whoever did counts as
 * completing it until completed(), which the end of the client waits for.
 */
static bool settle_locked(struct call *call)
{
	if (call->state.settled)
		return false;
	call->state.settled = true;
	sgh_list_remove(&call->link);
	call->client->state.call_count--;
	call->client->state.completing++;
	return true;
}

static void completed(struct sangraha_client *client)
{
	pthread_mutex_lock(&client->state.lock);
	client->state.completing--;
	pthread_cond_broadcast(&client->state.changed);
	pthread_mutex_unlock(&client->state.lock);
}

/* What is deleted, or not there any more, is not to be read again, here least of all. */
static void forget_deleted(struct call *call, int status)
{
	const struct sgh_request *request = call->request;
	bool gone = request->verb == SGH_DELETE ||
		    (request->verb >= SGH_GET && status == SANGRAHA_E_NOT_FOUND);

	if (gone && request->object_type && request->object_id)
		sgh_cache_remove(call->client->cache, request->object_type,
				 request->object_id);
}

/*
 * Hand over the result of a call that this thread settled, and drop the reference of the
 * open call and of a timer that will not fire. One that is firing drops its own.
 */
static void complete(struct call *call, int status, const struct sangraha_error *err)
{
	struct sangraha_client *client = call->client;
	struct sangraha_result *result = sgh_take(call->result);
	bool disarmed;

	result->status = status;
	if (status)
		sgh_fail_with(&result->err, status, err);
	result->err.status = status;
	sgh_tally_end(&client->tally, call->request->verb, status,
		      sgh_now_us() - call->started_us);
	disarmed = sgh_timer_cancel(client->timers, &call->timer);
	drop_room(call);
	forget_deleted(call, status);
	sgh_client_complete(client, result, call->direct);
	SGH_FAIL_POINT("call.completed");
	completed(client);
	if (disarmed)
		call_unref(call);
	call_unref(call);
}

static void end(struct call *call, int status, const struct sangraha_error *err)
{
	bool ours;

	pthread_mutex_lock(&call->client->state.lock);
	ours = settle_locked(call);
	pthread_mutex_unlock(&call->client->state.lock);
	if (ours)
		complete(call, status, err);
}

static bool waits_for_room(struct call *call)
{
	bool waits;

	pthread_mutex_lock(&call->client->state.lock);
	waits = call->state.room == ROOM_WAITED_FOR;
	pthread_mutex_unlock(&call->client->state.lock);
	return waits;
}

static void end_without_room(struct call *call)
{
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_OVERLOADED, 0,
		 "there was no memory for the answer within the time limit");
	end(call, SANGRAHA_E_OVERLOADED, &err);
}

static void end_late(struct call *call)
{
	bool reads = call->request->verb >= SGH_GET;
	const char *missing = sgh_client_misses(call->client, reads);
	struct sangraha_error err;

	sgh_batches_learn(call->client, call->request, NULL);
	sgh_fail(&err, SANGRAHA_E_TIMEOUT, 0,
		 "no answer came in %lld ms%s%s; what became of the request is not known",
		 (long long)((sgh_now_us() - call->started_us) / 1000),
		 missing ? ", " : "", missing ? missing : "");
	end(call, SANGRAHA_E_TIMEOUT, &err);
}

/* ---- sending ---- */

/*
 * Each time that the timer stands or fires has a reference of its own. There is room for
 * the timers of all calls, so that arming cannot fail.
 */
static void arm_locked(struct call *call)
{
	struct sgh_timers *timers = call->client->timers;
	int64_t at = call->deadline_ms;

	if (call->state.settled)
		return;
	if (call->state.resend_ms < at)
		at = call->state.resend_ms;
	if (!sgh_timer_cancel(timers, &call->timer))
		call_ref(call);
	sgh_timer_arm(timers, &call->timer, at);
}

/* Plan to send again: not too soon, and not for ever. */
static void plan_locked(struct call *call, int64_t at_ms)
{
	int64_t soonest = call->state.published_ms + RESEND_MIN_MS;

	if (at_ms < soonest)
		at_ms = soonest;
	call->state.resend_ms = call->request->resend < RESENDS_MAX ? at_ms : SGH_NEVER;
}

/*
 * What a broken connection, a refusal or a confirm means for the call. Only the first
 * message's refusal is an answer: an earlier one may be on its way.
 */
static void published(struct sgh_publish *publish, int status,
		      const struct sangraha_error *err)
{
	struct call *call = sgh_container_of(publish, struct call, publish);
	bool confirmed_only = !call->request->reply_to;
	int64_t now = sgh_now_ms();
	bool again;

	pthread_mutex_lock(&call->client->state.lock);
	call->state.publishing = false;
	if (status && status != SANGRAHA_E_TIMEOUT && call->request->resend)
		status = SANGRAHA_E_UNAVAILABLE;
	again = call->state.missed && !status && !confirmed_only;
	call->state.missed = false;
	if (status == SANGRAHA_E_UNAVAILABLE)
		plan_locked(call, now);
	else if (again)
		call->state.resend_ms = now;
	if (status == SANGRAHA_E_UNAVAILABLE || again)
		arm_locked(call);
	pthread_mutex_unlock(&call->client->state.lock);
	SGH_FAIL_POINT("call.confirmed");
	if (!status && confirmed_only)
		end(call, 0, NULL);
	else if (status == SANGRAHA_E_TIMEOUT)
		end_late(call);
	else if (status == SANGRAHA_E_NOT_FOUND)
		end(call, SANGRAHA_E_UNAVAILABLE, NULL);
	else if (status && status != SANGRAHA_E_UNAVAILABLE)
		end(call, status, err);
	call_unref(call);
}

/* The caller has set state.publishing, which makes request and message its own. */
static int publish(struct call *call, struct sangraha_error *err)
{
	struct sangraha_client *client = call->client;
	bool reads = call->request->verb >= SGH_GET;
	bool sure = !reads || client->persistent_reads;
	bool batch = sgh_batches_may(client, call->request);
	struct sgh_message *message = NULL;
	int status;

	call->request->published = sgh_time_ms();
	status = sgh_request_message(call->request, &message, err);
	if (!status) {
		sgh_message_free(call->message);
		call->message = message;
		call->publish = (struct sgh_publish){
			.exchange = "",
			.routing_key = reads ? SANGRAHA_READ_QUEUE : SANGRAHA_WRITE_QUEUE,
			.message = message,
			.mandatory = sure,
			/* Confirms set the pace of batches. */
			.confirm = sure || batch,
			.frees = sgh_verb_frees(call->request->verb),
			.batch = batch,
			.deadline_ms = call->deadline_ms,
			.done = published,
		};
		call_ref(call);
		status = sgh_queue_publish(client->queue, &call->publish, err);
		if (status)
			call_unref(call);
	}
	if (status) {
		pthread_mutex_lock(&client->state.lock);
		call->state.publishing = false;
		pthread_mutex_unlock(&client->state.lock);
	}
	return status;
}

/*
 * It is sent now; the next time is at half of what is left. One re-send would not do: who
 * holds the first message and does nothing, a stopped process, may be given the second.
 */
static void begin_locked(struct call *call, int64_t now)
{
	call->state.publishing = true;
	call->state.published_ms = now;
	if (!call->state.held)
		call->request->resend++;
	call->state.held = false;
	call->state.resend_ms = SGH_NEVER;
	plan_locked(call, now + (call->deadline_ms - now) / 2);
}

static void fire(struct sgh_timer *timer)
{
	struct call *call = sgh_container_of(timer, struct call, timer);
	struct sangraha_client *client = call->client;
	int64_t now = sgh_now_ms();
	bool late = now >= call->deadline_ms;
	struct sangraha_error err;
	bool first;
	bool send;
	int status = 0;

	pthread_mutex_lock(&client->state.lock);
	first = call->state.held;
	send = !late && !call->state.settled && !call->state.publishing &&
	       now >= call->state.resend_ms;
	call->state.missed |= now >= call->state.resend_ms && call->state.publishing;
	if (now >= call->state.resend_ms)
		call->state.resend_ms = SGH_NEVER;
	if (send)
		begin_locked(call, now);
	if (!late)
		arm_locked(call);
	pthread_mutex_unlock(&client->state.lock);
	if (send) {
		status = publish(call, &err);
		SGH_FAIL_POINT("call.sent-again");
	}
	if (late && waits_for_room(call)) {
		end_without_room(call);
	} else if (late) {
		end_late(call);
	} else if (status && first) {
		end(call, status, &err);
	} else if (status) {
		/* What could not be sent does not count as sent. */
		pthread_mutex_lock(&client->state.lock);
		call->request->resend--;
		plan_locked(call, now);
		arm_locked(call);
		pthread_mutex_unlock(&client->state.lock);
	}
	call_unref(call);
}

void sgh_calls_resend(struct sangraha_client *client)
{
	int64_t now = sgh_now_ms();

	pthread_mutex_lock(&client->state.lock);
	for (size_t i = 0; i < SGH_CALL_CHAINS; i++) {
		sgh_list_for_each (link, &client->state.calls[i]) {
			struct call *call = sgh_list_entry(link, struct call, link);

			if (call->state.publishing || call->state.room == ROOM_WAITED_FOR)
				continue;
			if (call->state.held)
				call->state.resend_ms = now;
			else
				plan_locked(call, now);
			arm_locked(call);
		}
	}
	pthread_mutex_unlock(&client->state.lock);
}

void sgh_calls_abort(struct sangraha_client *client)
{
	for (size_t i = 0; i < SGH_CALL_CHAINS; i++) {
		struct sgh_list *link;

		do {
			struct call *call = NULL;

			pthread_mutex_lock(&client->state.lock);
			link = client->state.calls[i].next;
			if (link == &client->state.calls[i])
				link = NULL;
			if (link) {
				call = sgh_list_entry(link, struct call, link);
				settle_locked(call);
			}
			pthread_mutex_unlock(&client->state.lock);
			if (call)
				complete(call, SANGRAHA_E_UNAVAILABLE, NULL);
		} while (link);
	}
}

/* ---- the beginning ---- */

static struct call *call_new(struct sangraha_client *client, struct sgh_request *request,
			     sangraha_done_fn *done, void *arg)
{
	struct call *call = calloc(1, sizeof(*call));
	struct sangraha_result *result = calloc(1, sizeof(*result));

	if (!call || !result) {
		free(call);
		free(result);
		sgh_request_free(request);
		return NULL;
	}
	call->refs = 1;
	call->client = sgh_client_ref(client);
	call->request = request;
	call->result = result;
	call->timer.fire = fire;
	sgh_list_init(&call->link);
	sgh_id_random(call->correlation_id);
	request->correlation_id = call->correlation_id;
	result->done = done;
	result->arg = arg;
	sgh_list_init(&result->link);
	if (request->object_id)
		memcpy(result->id, request->object_id, SANGRAHA_ID_SIZE);
	return call;
}

/*
 * Put a call into the table, unless there are too many; *ret_publish when it is to be
 * published now.
 */
static int enter(struct call *call, bool *ret_publish, struct sangraha_error *err)
{
	struct sangraha_client *client = call->client;
	int64_t now = sgh_now_ms();
	int status = 0;

	pthread_mutex_lock(&client->state.lock);
	if (client->state.closing)
		status = sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				  "the client is being closed");
	else if (client->state.call_count >= client->max_in_flight)
		status = sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
				  "%zu requests are without an answer already",
				  client->state.call_count);
	if (!status) {
		call_ref(call);
		sgh_list_append(chain(client, call->correlation_id), &call->link);
		client->state.call_count++;
		*ret_publish = !call->request->reply_to || client->state.was_attached;
		call->state.resend_ms = now + HOLD_MS;
		call->state.held = true;
		if (*ret_publish)
			begin_locked(call, now);
	}
	pthread_mutex_unlock(&client->state.lock);
	return status;
}

int sgh_call_start(struct sangraha_client *client, struct sgh_request *request,
		   unsigned timeout_ms, bool direct, sangraha_done_fn *done, void *arg,
		   struct sangraha_error *err)
{
	struct call *call = call_new(client, request, done, arg);
	bool ours = false;
	bool send = false;
	int status;

	if (!call)
		return sgh_fail_memory(err);
	call->direct = direct || client->direct;
	call->started_us = sgh_now_us();
	call->deadline_ms = sgh_now_ms() + timeout_ms;
	request->batches = request->reply_to != NULL;
	if (request->verb == SGH_GET)
		call->mark = sgh_cache_mark(client->cache, request->object_id);
	request->deadline = sgh_time_ms() +
			    (request->reply_to ? timeout_ms : client->async_timeout_ms);
	if (!request->reply_to)
		call->result->until_ms = request->deadline;
	status = enter(call, &send, err);
	if (status) {
		call_unref(call);
		return status;
	}
	sgh_tally_begin(&client->tally);
	if (send)
		status = publish(call, err);
	SGH_FAIL_POINT("call.published");
	pthread_mutex_lock(&client->state.lock);
	if (status)
		ours = settle_locked(call);
	else
		arm_locked(call);
	pthread_mutex_unlock(&client->state.lock);
	if (ours) {
		sgh_tally_end(&client->tally, request->verb, status,
			      sgh_now_us() - call->started_us);
		completed(client);
		call_unref(call);
	}
	call_unref(call);
	/* Not ours any more: an abort has told `done` already. */
	return ours ? status : 0;
}

/* The open call of a correlation id; NULL when there is none. */
static struct call *find_locked(struct sangraha_client *client,
				const char *correlation_id)
{
	/* Late answers and duplicates are normal. */
	if (!correlation_id)
		return NULL;
	sgh_list_for_each (link, chain(client, correlation_id)) {
		struct call *call = sgh_list_entry(link, struct call, link);

		if (strcmp(call->correlation_id, correlation_id) == 0)
			return call;
	}
	return NULL;
}

/* The same, settled by this thread. */
static struct call *settle_by_id(struct sangraha_client *client,
				 const char *correlation_id)
{
	struct call *found;

	pthread_mutex_lock(&client->state.lock);
	found = find_locked(client, correlation_id);
	if (found)
		settle_locked(found);
	pthread_mutex_unlock(&client->state.lock);
	return found;
}

static bool has_ticket(const struct sgh_reply *reply, enum sgh_ticket_kind kind)
{
	return reply->ticket && reply->ticket->kind == kind;
}

/* Whether a success has what the request was made for. */
static bool answers(const struct sgh_request *request, const struct sgh_reply *reply)
{
	switch (request->verb) {
	case SGH_LIST:
		return reply->list;
	case SGH_DELETE:
	case SGH_PUT_ABORT:
		return true;
	case SGH_PUT_BEGIN:
		return has_ticket(reply, request->transfer) || reply->object;
	case SGH_PUT_EXTEND:
		return has_ticket(reply, SGH_TICKET_PARTS);
	default:
		return reply->object;
	}
}

/* ---- an answer that there is no memory for ---- */

/* There is room now: the answer that was let go is asked for again. */
static void room_granted(struct sgh_budget_waiter *waiter)
{
	struct call *call = sgh_container_of(waiter, struct call, waiter);
	struct sangraha_client *client = call->client;
	int64_t now = sgh_now_ms();
	bool wanted;

	pthread_mutex_lock(&client->state.lock);
	wanted = call->state.room == ROOM_WAITED_FOR && !call->state.settled;
	if (wanted) {
		call->state.room = ROOM_RESERVED;
		call->state.resend_ms = now;
		arm_locked(call);
	}
	pthread_mutex_unlock(&client->state.lock);
	if (!wanted)
		give_room_back(call);
	call_unref(call);
}

static size_t size_of(const struct sgh_reply *reply)
{
	return reply->counted + (reply->body ? reply->body->length : 0);
}

/* Whether it would keep what the rest needs; of small ones more may be there at once. */
static bool lacks_room(struct sangraha_client *client, const struct sgh_reply *reply)
{
	struct sgh_budget *budget = client->context->budget;
	size_t limit = sgh_budget_limit(budget);
	size_t size = size_of(reply);
	/* A list is dear to make, and read at once. */
	bool dear = size <= limit / 256 || reply->list;
	size_t most = dear ? limit : limit - limit / 4;

	return size > sgh_budget_sip(budget) && size < limit / 2 &&
	       sgh_budget_used(budget) > most;
}

/* The call whose answer is to be asked for again; NULL when it is taken, or not wanted. */
static struct call *begin_wait(struct sangraha_client *client,
			       const struct sgh_reply *reply)
{
	struct call *call;

	pthread_mutex_lock(&client->state.lock);
	call = find_locked(client, reply->correlation_id);
	if (call && call->state.room != ROOM_NONE)
		call = NULL;
	if (call) {
		call_ref(call);
		call->state.room = ROOM_WAITED_FOR;
		call->state.resend_ms = SGH_NEVER;
		call->waiter = (struct sgh_budget_waiter){
			.size = size_of(reply),
			.arriving = true,
			.granted = room_granted,
		};
	}
	pthread_mutex_unlock(&client->state.lock);
	return call;
}

/*
 * Results are held by those that asked, as long as they like. Past three quarters of the
 * memory the bytes of an answer are let go, and asked for again when there is room for
 * them. True: it is so, and the reply was freed.
 */
static bool put_off(struct sangraha_client *client, struct sgh_reply *reply)
{
	struct call *call = lacks_room(client, reply) ? begin_wait(client, reply) : NULL;

	if (!call)
		return false;
	sgh_reply_free(reply);
	if (sgh_budget_wait(client->context->budget, &call->waiter))
		room_granted(&call->waiter);
	return true;
}

void sgh_call_answer(struct sangraha_client *client, struct sgh_reply *reply,
		     bool together)
{
	struct sangraha_error err = { .status = reply->status };
	struct call *call;

	if (put_off(client, reply))
		return;
	call = settle_by_id(client, reply->correlation_id);
	if (!call) {
		sgh_reply_free(reply);
		return;
	}
	SGH_FAIL_POINT("call.answered");
	if (reply->status)
		sgh_fail(&err, reply->status, 0, "%s",
			 reply->message ? reply->message
					: sangraha_status_text(reply->status));
	else if (!answers(call->request, reply))
		sgh_fail(&err, SANGRAHA_E_INTERNAL, 0,
			 "the answer lacks what was asked for");
	else
		sgh_read_keep(client, call->request, call->mark, call->started_us / 1000,
			      reply);
	sgh_batches_learn(client, call->request, reply);
	if (together)
		sgh_batches_expect(client, call->request);
	call->result->reply = reply;
	complete(call, err.status, &err);
}

void sgh_call_fail(struct sangraha_client *client, const char *correlation_id,
		   const struct sangraha_error *err)
{
	struct call *call = settle_by_id(client, correlation_id);

	if (call)
		complete(call, err->status, err);
}
