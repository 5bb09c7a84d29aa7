/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_TASK_H
#define SGH_ROLE_TASK_H

#include "role/service.h"
#include "wire/protocol.h"

struct sgh_found;

/*
 * One request in the hands of a receiver or a getter, from its delivery to its
 * acknowledgement. A task is at one step at a time, and the step owns it: steps run on
 * whichever thread completes the one before - queue, worker, store, timer - so they must
 * be short, and need no lock. README.md tells the order of the steps.
 */
struct sgh_task {
	struct sgh_service *service;
	struct sgh_list link; /* in service->state.tasks, under its lock */
	struct sgh_delivery *delivery;
	struct sgh_request *request; /* NULL while, or because, it was not read */
	int64_t started_us;
	int64_t deadline_ms; /* monotonic */
	struct sgh_job job;

	/* store requests in flight */
	struct sgh_store_op op; /* the place for a single one */
	struct sgh_store_op *ops;
	size_t op_count;
	size_t op_next; /* atomic */
	size_t op_left; /* atomic */
	void (*then)(struct sgh_task *task);
	bool unsent; /* atomic: one of them the store was not even asked for */
	bool begun;  /* others may have seen something of it: it is finished */
	bool owes;   /* the store may have something of it that is not finished */
	bool late;   /* it creates nothing, and finishes what an earlier run began */
	bool doubt;  /* its PUT may be with the store still, and be done later */
	bool in_row; /* another task of the service goes on right behind it, here */
	bool here;   /* it was begun on the queue's thread, in a worker's stead */

	/* objects that are being described: role/found.h */
	struct sgh_found *founds;
	size_t found_count;
	struct sgh_store_op *reads; /* of the records they pin */
	size_t read_count;
	void (*described)(struct sgh_task *task);

	/* the answer, and what is being published */
	struct sgh_reply *reply;
	struct sgh_message *event; /* to be published before the reply, or NULL */
	struct {
		/* the event, while the reply is on its way too: role/announce.c */
		struct sgh_publish publish;
		void (*then)(struct sgh_task *task);
		unsigned left; /* atomic: the event, and what waits for it; 0: none */
		bool failed;
	} beside;
	struct sgh_message *outgoing;
	struct sgh_publish publish;
	void (*published)(struct sgh_task *task);
	void (*left_over)(struct sgh_task *task); /* after the copy of who gives up */
	struct sgh_timer again;
	unsigned failures; /* of publishing, in a row */

	/* of the operation */
	void *state;
	void (*state_free)(void *state);
};

/* Bytes of a record that is read. Nobody waits for its memory. */
#define SGH_RECORD_MAX SGH_BUDGET_LENT

/* How long the record of a failed write is there for who asks. */
#define SGH_FAILURE_KEPT_MS (24 * 3600 * 1000LL)

/* Whether the request, as far as it is known, only reads. */
static inline bool sgh_task_reads(const struct sgh_task *task)
{
	return task->request && task->request->verb >= SGH_GET;
}

/* The service's consumer calls this for each delivery. */
void sgh_task_deliver(void *service, struct sgh_delivery *delivery);

/* ---- store requests ---- */

/* The task's own operation, cleared; fill it in and run it. */
struct sgh_store_op *sgh_task_op(struct sgh_task *task, enum sgh_store_verb verb,
				 const char *bucket, const char *key);

/* An operation of somebody else's, set up alike. */
void sgh_task_op_init(struct sgh_task *task, struct sgh_store_op *op,
		      enum sgh_store_verb verb, const char *bucket, const char *key);

/*
 * Run `count` operations, at most 16 at a time, and call `then` when all are done, each
 * with its status. One that could not be submitted has its status too. While the service
 * stops, a task that has changed nothing yet is abandoned instead.
 */
void sgh_task_run(struct sgh_task *task, struct sgh_store_op *ops, size_t count,
		  void (*then)(struct sgh_task *task));

/* Run the task's own operation. */
void sgh_task_run_one(struct sgh_task *task, void (*then)(struct sgh_task *task));

/* Whether what the task's own operation asked for may have happened although it failed. */
bool sgh_task_in_doubt(const struct sgh_task *task);

/* Release what role/found.h needed. */
void sgh_task_found_fini(struct sgh_task *task);

/* ---- ends; each takes the task ---- */

/* The reply, made on first use; NULL without memory. */
struct sgh_reply *sgh_task_reply(struct sgh_task *task);

/* Publish the event if there is one, then the reply, then acknowledge. */
void sgh_task_finish(struct sgh_task *task);

/*
 * Begin to publish the task's event beside what is published by the task itself. False: it
 * could not be begun.
 */
bool sgh_task_announce(struct sgh_task *task);
/* `then` when no event is on its way any more, at once or on the queue's thread. */
void sgh_task_when_announced(struct sgh_task *task, void (*then)(struct sgh_task *task));

/* The same with an error for an answer. */
void sgh_task_fail(struct sgh_task *task, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void sgh_task_fail_with(struct sgh_task *task, const struct sangraha_error *err);

/*
 * Whether it may be an object's or tombstone's creation that an earlier run began: nobody
 * knows how that ended.
 */
bool sgh_task_was_tried(const struct sgh_task *task);

/*
 * A put of which a PUT, this run's or an earlier one's, may be done later than all that
 * follows, a delete too: a gateway that was stopped does it when it goes on. Its copies,
 * header "doubt", look for that until the signature of such a PUT is as good as over.
 */
bool sgh_task_doubts(const struct sgh_task *task);

/* A copy that does nothing but look: the object was announced. */
bool sgh_task_only_looks(const struct sgh_task *task);

/* Its deadline has passed, and nothing of it is to be finished. */
void sgh_task_expire(struct sgh_task *task);

/*
 * The same of one that may have done more than it knows of: what the store has of it, or
 * is about to have, is finished by a copy, which has all its retries before it.
 */
void sgh_task_give_up(struct sgh_task *task, const struct sangraha_error *err);

/* Leave that copy; then `then`. */
void sgh_task_leave_copy(struct sgh_task *task, void (*then)(struct sgh_task *task));

/*
 * It failed for a passing reason: to a delay queue if there is time, else an answer, or
 * the dead-letter queue when it is out of retries. Before the answer of one that owes
 * something goes a copy that will finish that, whatever the clock says.
 */
void sgh_task_retry(struct sgh_task *task, const struct sangraha_error *err);

/* Finish a put, after leaving a copy that only looks. */
void sgh_task_finish_in_doubt(struct sgh_task *task);

/* A copy without anybody who waits: look again after the next delay; past the last, end. */
void sgh_task_look_later(struct sgh_task *task);

/* Of a batch that was delivered too often: the next try is without the others. */
void sgh_task_go_alone(struct sgh_task *task);

/* Hopeless: to the dead-letter queue, then an error reply, then acknowledge. */
void sgh_task_dead_letter(struct sgh_task *task, const char *reason,
			  const struct sangraha_error *err);

/* It is, or will be, a dead letter without our doing: make that known, then the same. */
void sgh_task_bury(struct sgh_task *task, const struct sangraha_error *err);

/*
 * Give the delivery back as if nothing had happened: now when the service ends, otherwise
 * - there is no memory - after a while, or it would be back at once.
 */
void sgh_task_abandon(struct sgh_task *task);

/* Leave the service and release the memory; the ends above have done the rest. */
void sgh_task_end(struct sgh_task *task);

#endif
