/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_SERVICE_H
#define SGH_ROLE_SERVICE_H

#include <pthread.h>
#include <stdbool.h>

#include <sangraha/context.h>
#include <sangraha/validate.h>

#include "base/pool.h"
#include "base/timer.h"
#include "queue/queue.h"
#include "role/tally.h"
#include "store/store.h"

struct sgh_service;
struct sgh_task;

/*
 * What receiver and getter have in common: a consumer on a request queue, the tasks in
 * hand, the watch over the store, draining.
 */
struct sgh_service_kind {
	const char *role;         /* "receiver" */
	const char *queue;        /* the request queue */
	const char *dead_letters; /* the routing key of its dead letters */
	const char *parking; /* the queue where they wait for room there; NULL: none */
	bool makes_buckets;
	bool replicas; /* it works, too, while only replicas of the store answer */
	bool batches;  /* requests may come in batches, and their answers go so */
	/*
	 * Begin a task whose request was read and is not late. Runs on the queue's thread,
	 * or on a worker with `on_worker`. Ends in sgh_task_finish(), sgh_task_retry() or
	 * sgh_task_dead_letter(), from whichever thread.
	 */
	void (*begin)(struct sgh_task *task);
	bool on_worker;
	/*
	 * Whether a delivery takes so little time, and nobody's code but ours, that it may be
	 * begun on the queue's thread although `on_worker`. NULL: none does.
	 */
	bool (*is_brief)(struct sgh_service *service,
			 const struct sgh_delivery *delivery);
	/*
	 * A task is in the dead-letter queue, and its request can be told: make that known,
	 * then sgh_task_finish(). NULL: nothing to do.
	 */
	void (*buried)(struct sgh_task *task);
};

struct sgh_service_options {
	struct sangraha_types *types;
	unsigned prefetch;
	unsigned workers;
	size_t inline_limit;
};

struct sgh_service {
	const struct sgh_service_kind *kind;
	struct sangraha_context *context;
	struct sangraha_queue *queue;
	struct sangraha_store *store;
	struct sangraha_types *types;
	struct sgh_pool *pool; /* NULL when the kind needs none */
	struct sgh_timers *timers;
	struct sgh_tally tally;
	size_t inline_limit;
	unsigned prefetch;
	void *role; /* the struct around it, for begin() */
	bool cut;   /* atomic */

	/* The queue's thread's own: what it does itself of what is for workers. */
	struct {
		int64_t most_us; /* for so long, at a time */
		/* When as much time will have been its connection's as that took. */
		int64_t paid_us;
		bool held; /* the store may wait for what comes behind that */
	} here;

	struct sgh_timer tick;
	struct sgh_store_op check;
	struct sgh_store_op *buckets; /* while they are being made */
	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed;
		struct sgh_consumer *consumer; /* NULL until prepared */
		struct sgh_list tasks;
		size_t task_count;
		size_t buckets_left;
		int buckets_failed;
		bool preparing;
		bool prepared;
		bool checking;
		int64_t asked_ms;   /* when the check under way was begun */
		int64_t refused_ms; /* since when the store refuses us; 0: it does not */
		bool store_ok;
		bool store_seen; /* it was asked once, and the answer logged */
		bool paused;
		bool draining;
		bool stopping;
	} state;
};

int sgh_service_start(struct sgh_service *service, const struct sgh_service_kind *kind,
		      struct sangraha_context *context, struct sangraha_queue *queue,
		      struct sangraha_store *store,
		      const struct sgh_service_options *options,
		      struct sangraha_error *err);
int sgh_service_drain(struct sgh_service *service, unsigned timeout_ms,
		      struct sangraha_error *err);
/* NULL is a service that is down. */
void sgh_service_health(struct sgh_service *service, bool writes,
			struct sangraha_health *health);
/*
 * Copes with a service whose start stopped half way. Tasks that the store holds up have a
 * second to end; then what it has in hand is given up, and the delivery with it.
 */
void sgh_service_fini(struct sgh_service *service);

/* The store lost its buckets: make them again before anything else. */
void sgh_service_prepare_again(struct sgh_service *service);

/*
 * For tasks: counted in, unless it drains already; counted out; stopping means: give up
 * what would wait.
 */
bool sgh_service_enter(struct sgh_service *service, struct sgh_task *task);
void sgh_service_leave(struct sgh_service *service, struct sgh_task *task);
bool sgh_service_draining(struct sgh_service *service);
bool sgh_service_stopping(struct sgh_service *service);
/* It has been stopping for long enough: no further request to the store, no retry. */
bool sgh_service_cut(const struct sgh_service *service);
/* Whether the store answers, and has its buckets: else there is no use in asking it. */
bool sgh_service_store_serves(struct sgh_service *service);
/*
 * Have a task's timer fire in `wait_ms`; a service that stops cuts it short. False when
 * it stops already, or without memory.
 */
bool sgh_service_wait(struct sgh_service *service, struct sgh_task *task,
		      int64_t wait_ms);

#endif
