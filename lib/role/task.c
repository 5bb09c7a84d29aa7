/* SPDX-License-Identifier: MIT */
#include "role/task.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "wire/fields.h"

#define PARALLEL       16
#define DELIVERIES_MAX 20
/* ... of a batch: no member is to suffer for another that kills who takes it. */
#define DELIVERIES_TOGETHER 2
#define GIVE_BACK_MS        1000
/* A store request of a write is not bound to the requester's deadline: it is finished. */
#define STORE_MS 30000

void sgh_task_found_fini(struct sgh_task *task)
{
	for (size_t i = 0; i < task->read_count; i++)
		sgh_store_op_fini(&task->reads[i]);
	task->read_count = 0;
	free(sgh_take(task->reads));
}

void sgh_task_end(struct sgh_task *task)
{
	/* It may count in the role, which is there only as long as the task is one of it. */
	if (task->state_free)
		task->state_free(task->state);
	sgh_service_leave(task->service, task);
	sgh_task_found_fini(task);
	sgh_store_op_fini(&task->op);
	sgh_request_free(task->request);
	sgh_reply_free(task->reply);
	sgh_message_free(task->event);
	sgh_message_free(task->outgoing);
	free(task);
}

static void let_go(struct sgh_task *task)
{
	struct sgh_service *service = task->service;

	sgh_metric_add(service->tally.in_flight, -1);
	sgh_delivery_return(sgh_take(task->delivery));
	sgh_task_end(task);
}

static void give_back(struct sgh_task *task)
{
	sgh_task_when_announced(task, let_go);
}

static void give_back_now(struct sgh_timer *timer)
{
	give_back(sgh_container_of(timer, struct sgh_task, again));
}

void sgh_task_abandon(struct sgh_task *task)
{
	struct sgh_service *service = task->service;

	task->again.fire = give_back_now;
	if (sgh_service_draining(service) ||
	    !sgh_service_wait(service, task, GIVE_BACK_MS))
		give_back(task);
}

/* ---- from delivery to begin() ---- */

bool sgh_task_was_tried(const struct sgh_task *task)
{
	enum sgh_verb verb = task->request->verb;
	bool changes = verb == SGH_PUT || verb == SGH_PUT_COMMIT || verb == SGH_DELETE;

	return changes && (task->delivery->redelivered || task->request->attempt);
}

/* Work whose store request was sent is finished; but it must not kill us for ever. */
static bool may_finish(const struct sgh_task *task)
{
	return sgh_task_was_tried(task) &&
	       task->delivery->delivery_count <= DELIVERIES_MAX;
}

void sgh_task_expire(struct sgh_task *task)
{
	sgh_task_fail(task, SANGRAHA_E_TIMEOUT, "the request's deadline has passed");
}

/* A question that is understood as one, with a bad argument, and somebody to tell. */
static bool asks_badly(const struct sgh_request *partial)
{
	return partial && partial->verb >= SGH_GET && partial->reply_to;
}

/* The request, or false after the task was ended for want of one. */
static bool read_request(struct sgh_task *task)
{
	struct sangraha_error err;
	struct sgh_request *partial = NULL;
	int status;

	status =
		sgh_request_parse(task->delivery->message, task->service->context->budget,
				  &task->request, &partial, &err);
	if (!status) {
		task->deadline_ms =
			task->request->deadline
				? sgh_deadline_from_unix(task->request->deadline)
				: SGH_NEVER;
		return true;
	}
	task->request = partial;
	if (status == SANGRAHA_E_OVERLOADED)
		sgh_task_abandon(task);
	else if (status == SANGRAHA_E_UNSUPPORTED || asks_badly(partial))
		sgh_task_fail_with(task, &err);
	else
		sgh_task_dead_letter(task, "unreadable", &err);
	return false;
}

/* Its body was skipped: tell who asked, and let the broker keep it as a dead letter. */
static void refuse_oversize(struct sgh_task *task)
{
	struct sgh_request *partial = NULL;
	struct sangraha_error err;

	sgh_request_parse(task->delivery->message, NULL, &task->request, &partial, NULL);
	if (task->request)
		sgh_request_free(partial);
	else
		task->request = partial;
	sgh_fail(&err, SANGRAHA_E_TOO_LARGE, 0,
		 "a message of %llu bytes is more than one message may have",
		 (unsigned long long)task->delivery->announced);
	if (task->request && !task->request->reply_to)
		sgh_task_bury(task, &err);
	else
		sgh_task_fail_with(task, &err);
}

static void begin(struct sgh_task *task)
{
	if (task->delivery->oversize) {
		refuse_oversize(task);
		return;
	}
	if (!read_request(task))
		return;
	task->late = sgh_now_ms() >= task->deadline_ms;
	if (task->late && !may_finish(task))
		sgh_task_expire(task);
	else if (task->delivery->batched && !sgh_task_reads(task) &&
		 task->delivery->delivery_count > DELIVERIES_TOGETHER)
		sgh_task_go_alone(task);
	else if (task->delivery->delivery_count > DELIVERIES_MAX)
		sgh_task_dead_letter(task, "delivered too often", NULL);
	else
		task->service->kind->begin(task);
}

static void on_worker(struct sgh_job *job)
{
	struct sgh_task *task = sgh_container_of(job, struct sgh_task, job);

	if (sgh_service_draining(task->service))
		sgh_task_abandon(task);
	else
		begin(task);
}

/*
 * Binary mode tells its deadline before the message is read, so workers are spared. To
 * read a document, with a body in it, is work for them in any case.
 */
static bool late_by_header(const struct sgh_message *message)
{
	const struct sgh_header *deadline = sgh_message_header(message, "deadline");

	return deadline && !sgh_fields_json_mode(message->content_type) &&
	       deadline->kind == SGH_HEADER_NUMBER && sgh_time_ms() >= deadline->number;
}

/*
 * Whether it is done here before a worker would be awake. Nothing that waits for one is
 * overtaken.
 */
static bool is_for_here(const struct sgh_task *task)
{
	struct sgh_service *service = task->service;
	const struct sgh_service_kind *kind = service->kind;

	return kind->is_brief &&
	       service->here.paid_us - task->started_us < service->here.most_us &&
	       !sgh_pool_is_behind(service->pool) &&
	       kind->is_brief(service, task->delivery);
}

/* As much of the thread's time is its connection's as has gone by since then. */
static void pay(struct sgh_service *service, int64_t began_us)
{
	if (service->here.paid_us < began_us)
		service->here.paid_us = began_us;
	service->here.paid_us += 2 * (sgh_now_us() - began_us);
}

static void begin_here(struct sgh_task *task)
{
	struct sgh_service *service = task->service;
	int64_t began_us = task->started_us;

	task->here = true;
	service->here.held |= task->delivery->goes_on;
	begin(task);
	pay(service, began_us);
}

static void take(struct sgh_service *service, struct sgh_delivery *delivery)
{
	struct sgh_task *task;

	task = calloc(1, sizeof(*task));
	if (!task || !sgh_service_enter(service, task)) {
		free(task);
		sgh_delivery_return(delivery);
		return;
	}
	task->service = service;
	task->delivery = delivery;
	task->started_us = sgh_now_us();
	task->deadline_ms = SGH_NEVER;
	task->job.run = on_worker;
	task->job.brief = delivery->batched;
	SGH_FAIL_POINT("task.delivered");
	sgh_tally_begin(&service->tally);
	if (!service->kind->on_worker || late_by_header(delivery->message)) {
		begin(task);
	} else if (is_for_here(task)) {
		begin_here(task);
	} else {
		sgh_pool_submit(service->pool, &task->job);
	}
}

void sgh_task_deliver(void *arg, struct sgh_delivery *delivery)
{
	struct sgh_service *service = arg;
	bool goes_on = delivery->goes_on;
	int64_t began_us;

	take(service, delivery);
	if (goes_on || !service->here.held)
		return;
	service->here.held = false;
	began_us = sgh_now_us();
	sgh_store_go_on(service->store);
	pay(service, began_us);
}

/* ---- store requests ---- */

static void op_done(struct sgh_store_op *op);

void sgh_task_op_init(struct sgh_task *task, struct sgh_store_op *op,
		      enum sgh_store_verb verb, const char *bucket, const char *key)
{
	bool reads = sgh_task_reads(task);
	int64_t until = sgh_now_ms() + STORE_MS;

	*op = (struct sgh_store_op){
		.verb = verb,
		.bucket = bucket,
		.key = key,
		.deadline_ms =
			reads && task->deadline_ms < until ? task->deadline_ms : until,
		.wanted_ms = task->deadline_ms < until ? task->deadline_ms : 0,
		.owner = task->service,
	};
}

struct sgh_store_op *sgh_task_op(struct sgh_task *task, enum sgh_store_verb verb,
				 const char *bucket, const char *key)
{
	sgh_store_op_fini(&task->op);
	sgh_task_op_init(task, &task->op, verb, bucket, key);
	return &task->op;
}

/*
 * One less to wait for. Whoever brings it to nothing owns the task from there, and only for
 * him it counts whether he is in a row: for another thread that is over, or will be.
 */
static void op_ended(struct sgh_task *task, bool in_row)
{
	if (__atomic_sub_fetch(&task->op_left, 1, __ATOMIC_ACQ_REL))
		return;
	task->in_row = in_row;
	task->then(task);
}

static int submit(struct sgh_task *task, struct sgh_store_op *op)
{
	if (sgh_service_cut(task->service))
		return sgh_fail(&op->err, SANGRAHA_E_UNAVAILABLE, 0,
				"the service ends before the store was asked");
	return sgh_store_submit(task->service->store, op, &op->err);
}

/*
 * Submit the next operation that is left. The caller still counts in op_left, so those
 * that fail at once cannot bring it to nothing here.
 */
static void submit_next(struct sgh_task *task)
{
	size_t i;

	while ((i = __atomic_fetch_add(&task->op_next, 1, __ATOMIC_RELAXED)) <
	       task->op_count) {
		struct sgh_store_op *op = &task->ops[i];
		int status;

		op->done = op_done;
		op->arg = task;
		status = submit(task, op);
		if (!status)
			return;
		op->status = status;
		__atomic_store_n(&task->unsent, true, __ATOMIC_RELAXED);
		__atomic_sub_fetch(&task->op_left, 1, __ATOMIC_ACQ_REL);
	}
}

static void op_done(struct sgh_store_op *op)
{
	struct sgh_task *task = op->arg;

	if (op->unsent)
		__atomic_store_n(&task->unsent, true, __ATOMIC_RELAXED);
	/* Those before it in a row have left it to the last one that anybody is woken. */
	if (op->packable && !op->goes_on)
		sgh_queue_go_on(task->service->queue);
	submit_next(task);
	op_ended(task, op->goes_on);
}

bool sgh_task_in_doubt(const struct sgh_task *task)
{
	int status = task->op.status;

	return !__atomic_load_n(&task->unsent, __ATOMIC_RELAXED) &&
	       (status == SANGRAHA_E_TIMEOUT || status == SANGRAHA_E_UNAVAILABLE ||
		status == SANGRAHA_E_INTERNAL);
}

void sgh_task_run(struct sgh_task *task, struct sgh_store_op *ops, size_t count,
		  void (*then)(struct sgh_task *task))
{
	size_t first = sgh_min(count, PARALLEL);

	if (!task->begun && sgh_service_stopping(task->service)) {
		sgh_task_abandon(task);
		return;
	}
	for (size_t i = 0; i < count; i++)
		task->begun |= sgh_store_changes(ops[i].verb);
	task->ops = ops;
	task->op_count = count;
	task->op_next = 0;
	task->unsent = false;
	task->then = then;
	__atomic_store_n(&task->op_left, count + 1, __ATOMIC_RELEASE);
	for (size_t i = 0; i < first; i++)
		submit_next(task);
	op_ended(task, false);
}

void sgh_task_run_one(struct sgh_task *task, void (*then)(struct sgh_task *task))
{
	sgh_task_run(task, &task->op, 1, then);
}
