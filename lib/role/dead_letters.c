/* SPDX-License-Identifier: MIT */
#include <sangraha/admin.h>

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/thread.h"
#include "base/util.h"
#include "role/dead_letter.h"
#include "role/wait.h"

/*
 * A visit to a dead-letter queue, with a consumer of its own. What is to stay is held in
 * hand, without its message, until the visit ends, so that nothing comes twice; then it is
 * given back in the order in which it came.
 *
 * The queue's thread adds to `arrived`, the caller's takes from it. The visit ends with as
 * many letters as were there when it began, since what is published meanwhile - a copy of
 * ours, or what was replayed and failed again - must not keep it going for ever.
 */

#define TIMEOUT_MS 10000
#define MAX        1000
#define REPLAY_MS  (24 * 3600 * 1000)
#define BODY_MAX   ((size_t)16 << 20) /* what RabbitMQ 4 takes, at most */
#define QUIET_MS   300 /* without a letter, after which the queue is asked again */
#define SETTLED_MS 2000
#define POLL_MS    20
/*
 * RabbitMQ 4 drops what was returned 20 times from a queue that dead-letters to nowhere.
 * Somebody else may look too, and a consumer that dies counts as well.
 */
#define RETURNED_MAX 10

/* A letter in hand. */
struct held {
	struct sgh_list link;
	struct sgh_delivery *delivery;
};

struct visit {
	struct sangraha_queue *queue;
	const char *name; /* the queue that the letters were for */
	char letters[64]; /* the queue that they lie in */
	unsigned timeout_ms;
	unsigned replay_ms;
	uint64_t there;  /* letters, when it began */
	uint64_t target; /* of them, to look at */
	int (*visit)(void *arg, const struct sangraha_dead_letter *letter);
	void *arg;
	struct sangraha_dead_letter_counts counts;
	struct sgh_consumer *consumer;
	struct sgh_list kept;
	uint64_t returned;
	bool stopped;

	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed;
		struct sgh_list arrived;
		bool attached;
		bool lost;   /* it was attached, and is not any more */
		bool ending; /* we let go ourselves */
	} s;
};

/* ---- on the queue's thread ---- */

static void deliver(void *arg, struct sgh_delivery *delivery)
{
	struct visit *visit = arg;
	struct held *held = calloc(1, sizeof(*held));

	if (!held) {
		sgh_delivery_return(delivery);
		return;
	}
	held->delivery = delivery;
	pthread_mutex_lock(&visit->s.lock);
	sgh_list_append(&visit->s.arrived, &held->link);
	pthread_cond_signal(&visit->s.changed);
	pthread_mutex_unlock(&visit->s.lock);
}

static void attached(void *arg, bool attached)
{
	struct visit *visit = arg;

	pthread_mutex_lock(&visit->s.lock);
	visit->s.lost |= !attached && !visit->s.ending;
	visit->s.attached = attached;
	pthread_cond_signal(&visit->s.changed);
	pthread_mutex_unlock(&visit->s.lock);
}

/* ---- publishing, and being sure of it ---- */

struct sending {
	struct sgh_publish publish;
	struct sgh_outcome outcome;
};

static void sent(struct sgh_publish *publish, int status,
		 const struct sangraha_error *err)
{
	struct sending *sending = sgh_container_of(publish, struct sending, publish);

	sgh_outcome_tell(&sending->outcome, status, err);
}

/* Returns when the broker has it, or may have it, or has not. */
static int publish(struct visit *visit, const char *queue,
		   const struct sgh_message *message, struct sangraha_error *err)
{
	struct sending sending = {
		.publish = { .exchange = "",
			     .routing_key = queue,
			     .message = message,
			     .mandatory = true,
			     .confirm = true,
			     .deadline_ms = sgh_now_ms() + visit->timeout_ms,
			     .done = sent },
	};
	int status;

	sgh_outcome_init(&sending.outcome);
	status = sgh_queue_publish(visit->queue, &sending.publish, err);
	if (!status)
		status = sgh_outcome_wait(&sending.outcome, err);
	sgh_outcome_fini(&sending.outcome);
	return status;
}

/* ---- what becomes of a letter ---- */

static void let_go(struct held *held, void (*settle)(struct sgh_delivery *delivery))
{
	settle(held->delivery);
	free(held);
}

static bool is_worn(const struct sgh_delivery *delivery)
{
	return delivery->delivery_count >= RETURNED_MAX && !delivery->oversize;
}

/* A copy counts from 0. In between both are there. */
static int renew(struct visit *visit, struct held *held, struct sangraha_error *err)
{
	struct sgh_message *copy = NULL;
	int status = sgh_dead_letter_renew(held->delivery, &copy, err);

	if (!status)
		status = publish(visit, visit->letters, copy, err);
	sgh_message_free(copy);
	if (status) {
		let_go(held, sgh_delivery_return);
		return status;
	}
	SGH_FAIL_POINT("dlq.renewed");
	let_go(held, sgh_delivery_ack);
	return 0;
}

/* Until the end of the visit. */
static int put_aside(struct visit *visit, struct held *held, struct sangraha_error *err)
{
	if (is_worn(held->delivery))
		return renew(visit, held, err);
	sgh_delivery_shed(held->delivery);
	sgh_list_append(&visit->kept, &held->link);
	return 0;
}

static int keep(struct visit *visit, struct held *held, struct sangraha_error *err)
{
	visit->counts.kept++;
	return put_aside(visit, held, err);
}

static int replay(struct visit *visit, struct held *held,
		  const struct sgh_dead_letter *letter, struct sangraha_error *err)
{
	struct sgh_message *copy = NULL;
	int status;

	if (letter->shown.obstacle) {
		visit->counts.refused++;
		return keep(visit, held, err);
	}
	status = sgh_dead_letter_replay(letter, visit->replay_ms, &copy, err);
	if (!status)
		status = publish(visit, visit->name, copy, err);
	sgh_message_free(copy);
	if (status) {
		keep(visit, held, NULL);
		return status;
	}
	SGH_FAIL_POINT("dlq.replayed");
	let_go(held, sgh_delivery_ack);
	visit->counts.replayed++;
	return 0;
}

static int show(struct visit *visit, struct held *held, struct sangraha_error *err)
{
	struct sgh_dead_letter letter;
	int status = sgh_dead_letter_read(&letter, visit->name, held->delivery, err);
	int fate = status ? SANGRAHA_DEAD_LETTER_KEEP
			  : visit->visit(visit->arg, &letter.shown);

	visit->counts.seen++;
	visit->stopped = fate & SANGRAHA_DEAD_LETTER_STOP;
	fate &= ~SANGRAHA_DEAD_LETTER_STOP;
	if (status) {
		keep(visit, held, NULL);
	} else if (fate == SANGRAHA_DEAD_LETTER_REPLAY) {
		status = replay(visit, held, &letter, err);
	} else if (fate == SANGRAHA_DEAD_LETTER_DROP) {
		let_go(held, sgh_delivery_ack);
		visit->counts.dropped++;
	} else {
		status = keep(visit, held, err);
	}
	sgh_dead_letter_fini(&letter);
	return status;
}

/* ---- letters come ---- */

static struct held *pop_locked(struct visit *visit)
{
	struct sgh_list *link = sgh_list_pop(&visit->s.arrived);

	return link ? sgh_list_entry(link, struct held, link) : NULL;
}

/* The next one; NULL when none came until then, or none will. */
static struct held *wait_for_letter(struct visit *visit, int64_t until_ms)
{
	struct held *held;

	pthread_mutex_lock(&visit->s.lock);
	while (sgh_list_empty(&visit->s.arrived) && !visit->s.lost &&
	       sgh_cond_wait_until(&visit->s.changed, &visit->s.lock, until_ms))
		;
	held = visit->s.lost ? NULL : pop_locked(visit);
	pthread_mutex_unlock(&visit->s.lock);
	return held;
}

static bool is_lost(struct visit *visit)
{
	bool lost;

	pthread_mutex_lock(&visit->s.lock);
	lost = visit->s.lost;
	pthread_mutex_unlock(&visit->s.lock);
	return lost;
}

static int count(struct visit *visit, uint64_t *ret, struct sangraha_error *err)
{
	return sangraha_admin_dead_letters(visit->queue, visit->name, visit->timeout_ms,
					   ret, err);
}

/*
 * Wait for the next letter. *ret is NULL, without a failure, when there is none left: some
 * may have been taken by somebody else since they were counted.
 */
static int next(struct visit *visit, struct held **ret, struct sangraha_error *err)
{
	int64_t until = sgh_now_ms() + visit->timeout_ms;
	/* The last may be on its way here when it is not in the queue any more. */
	unsigned empty = 0;

	do {
		uint64_t left = 0;
		int status = 0;

		*ret = wait_for_letter(visit, sgh_now_ms() + QUIET_MS);
		if (*ret)
			return 0;
		if (is_lost(visit))
			return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
					"the connection to the queue was lost; what was "
					"not decided by then is still there");
		if (sgh_consumer_attached(visit->consumer))
			status = count(visit, &left, err);
		else
			left = 1;
		empty = left ? 0 : empty + 1;
		if (status || empty == 2)
			return status;
	} while (sgh_now_ms() < until);
	return sgh_fail(err, SANGRAHA_E_TIMEOUT, 0,
			"the broker delivers no message of %s", visit->letters);
}

static int look_at_all(struct visit *visit, struct sangraha_error *err)
{
	while (visit->counts.seen < visit->target && !visit->stopped) {
		struct held *held = NULL;
		int status = next(visit, &held, err);

		if (!status && !held)
			break;
		if (!status)
			status = show(visit, held, err);
		if (status)
			return status;
	}
	return 0;
}

/* ---- the end ---- */

/* The next that nobody asked for; NULL when there is none until then, or none will come. */
static struct held *wait_for_rest(struct visit *visit, int64_t until_ms)
{
	struct held *held;

	pthread_mutex_lock(&visit->s.lock);
	while (sgh_list_empty(&visit->s.arrived) && visit->s.attached &&
	       sgh_cond_wait_until(&visit->s.changed, &visit->s.lock, until_ms))
		;
	held = pop_locked(visit);
	pthread_mutex_unlock(&visit->s.lock);
	return held;
}

/* Put aside what still comes; only when there was no failure before, or it is returned. */
static int take_rest(struct visit *visit, int64_t until_ms, int status,
		     struct sangraha_error *err)
{
	struct held *held;

	while ((held = wait_for_rest(visit, until_ms)) != NULL) {
		if (status)
			let_go(held, sgh_delivery_return);
		else
			status = put_aside(visit, held, err);
	}
	return status;
}

static void give_back(struct visit *visit)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(&visit->kept))) {
		let_go(sgh_list_entry(link, struct held, link), sgh_delivery_return);
		visit->returned++;
	}
}

/*
 * Let go of the queue. The broker says that nothing more comes on the channel on which it
 * was told what is done, so it has heard of that before; and its word is behind what comes
 * until then. What is returned earlier would come to us again.
 */
static int detach(struct visit *visit, int status, struct sangraha_error *err)
{
	pthread_mutex_lock(&visit->s.lock);
	visit->s.ending = true;
	pthread_mutex_unlock(&visit->s.lock);
	sgh_consumer_pause(visit->consumer);
	status = take_rest(visit, sgh_now_ms() + visit->timeout_ms, status, err);
	give_back(visit);
	return status;
}

/*
 * Wait until everything is where the next visit finds it. Not for long: somebody else may
 * have taken some.
 */
static int settle(struct visit *visit, int status, struct sangraha_error *err)
{
	uint64_t gone = visit->counts.replayed + visit->counts.dropped;
	int64_t until = sgh_now_ms() + SETTLED_MS;
	uint64_t left = 0;

	do {
		int64_t pause = sgh_now_ms() + POLL_MS;

		status = take_rest(visit, pause, status, err);
		give_back(visit);
		/* Without its word it may not have heard what is done. */
		if (!status)
			status = count(visit, &left, err);
		if (status || (left + gone >= visit->there && left >= visit->returned))
			break;
		pthread_mutex_lock(&visit->s.lock);
		while (sgh_list_empty(&visit->s.arrived) &&
		       sgh_cond_wait_until(&visit->s.changed, &visit->s.lock, pause))
			;
		pthread_mutex_unlock(&visit->s.lock);
	} while (sgh_now_ms() < until);
	return status;
}

static int run(struct visit *visit, struct sangraha_error *err)
{
	size_t memory = sgh_budget_limit(visit->queue->context->budget);
	struct sgh_consumer_options options = {
		.queue = visit->letters,
		.prefetch = (unsigned)visit->target,
		.max_bytes = memory / 4,
		.max_body = memory < BODY_MAX ? BODY_MAX : memory,
		.deliver = deliver,
		.attached = attached,
		.arg = visit,
	};
	int status = sgh_consumer_new(visit->queue, &options, &visit->consumer, err);

	if (status)
		return status;
	status = look_at_all(visit, err);
	status = detach(visit, status, err);
	status = settle(visit, status, err);
	sgh_consumer_free(visit->consumer);
	sgh_list_splice(&visit->kept, &visit->s.arrived);
	give_back(visit);
	return status;
}

static int begin(struct visit *visit, struct sangraha_queue *queue, const char *name,
		 const struct sangraha_dead_letter_options *options,
		 struct sangraha_error *err)
{
	visit->queue = queue;
	visit->name = name;
	snprintf(visit->letters, sizeof(visit->letters), "%s.dlq", name ? name : "");
	visit->timeout_ms = sgh_option(options, timeout_ms, TIMEOUT_MS);
	visit->replay_ms = sgh_option(options, replay_ms, REPLAY_MS);
	visit->target = sgh_option(options, max, MAX);
	sgh_list_init(&visit->kept);
	sgh_list_init(&visit->s.arrived);
	pthread_mutex_init(&visit->s.lock, NULL);
	sgh_cond_init(&visit->s.changed);
	if (!visit->visit)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "somebody must look");
	if (visit->target > SANGRAHA_DEAD_LETTERS_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a visit takes at most %d letters",
				SANGRAHA_DEAD_LETTERS_MAX);
	return sgh_options_check(options, err);
}

static void report(const struct visit *visit, struct sangraha_dead_letter_counts *ret)
{
	struct sangraha_dead_letter_counts counts = visit->counts;
	size_t head = sizeof(counts.size);
	size_t size = ret ? sgh_min(ret->size, sizeof(counts)) : 0;

	counts.left = visit->there > counts.seen ? visit->there - counts.seen : 0;
	if (size > head)
		memcpy((char *)ret + head, (char *)&counts + head, size - head);
}

int sangraha_admin_visit_dead_letters(
	struct sangraha_queue *queue, const char *queue_name,
	const struct sangraha_dead_letter_options *options,
	int (*fate)(void *arg, const struct sangraha_dead_letter *letter), void *arg,
	struct sangraha_dead_letter_counts *ret, struct sangraha_error *err)
{
	struct visit visit = { .visit = fate, .arg = arg };
	int status = begin(&visit, queue, queue_name, options, err);

	if (!status)
		status = count(&visit, &visit.there, err);
	if (!status)
		status = sgh_options_check(ret, err);
	if (visit.target > visit.there)
		visit.target = visit.there;
	if (!status && visit.target)
		status = run(&visit, err);
	report(&visit, ret);
	pthread_cond_destroy(&visit.s.changed);
	pthread_mutex_destroy(&visit.s.lock);
	return status;
}
