/* SPDX-License-Identifier: MIT */
#include "role/service.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "role/health.h"
#include "role/limits.h"
#include "role/task.h"
#include "validate/types.h"

#define TICK_MS  250
#define CHECK_MS 1000
/* A store that is slow serves nevertheless: what asks for it is given time. */
#define ASK_MS 10000
/* After so long without the store, deliveries are left to those that have one. */
#define DOWN_MS 5000
/* At the end: for tasks that are nearly done; then every so often what is left is cut. */
#define GRACE_MS         1000
#define CUT_MS           100
#define PREFETCH_DEFAULT 64
#define HERE_US          500                 /* at a time, of the queue's thread */
#define PARTS_BODY       ((size_t)1 << 20)   /* holds the document of 10,000 parts */
#define BUCKETS_MAX      (SGH_MAX_TYPES + 1) /* the last is meta */

static void tick(struct sgh_timer *timer);

/* ---- deliveries ---- */

/*
 * The longest body of a message, in bytes. JSON mode: base64 and the document around it. Who
 * has workers takes objects, and the list of an upload's parts even if they are smaller.
 */
static size_t longest_body(const struct sgh_service *service)
{
	size_t most = sgh_budget_limit(service->context->budget) / 8;
	size_t parts = sgh_min(PARTS_BODY, most);
	size_t body = service->inline_limit > parts ? service->inline_limit : parts;

	return (service->kind->on_worker ? body / 3 * 4 : 0) + (64 << 10);
}

/* Consume. Nobody else does so meanwhile: at the start, or while preparing. */
static int open_consumer(struct sgh_service *service, struct sangraha_error *err)
{
	struct sgh_consumer_options options = {
		.queue = service->kind->queue,
		.prefetch = service->prefetch,
		.max_bytes = sgh_budget_limit(service->context->budget) / 4,
		.max_body = longest_body(service),
		.batches = service->kind->batches,
		.deliver = sgh_task_deliver,
		.arg = service,
	};
	struct sgh_consumer *consumer = NULL;
	int status = sgh_consumer_new(service->queue, &options, &consumer, err);

	if (status)
		return status;
	pthread_mutex_lock(&service->state.lock);
	service->state.consumer = consumer;
	if (service->state.draining)
		sgh_consumer_pause(consumer);
	pthread_mutex_unlock(&service->state.lock);
	return 0;
}

bool sgh_service_enter(struct sgh_service *service, struct sgh_task *task)
{
	bool enter;

	pthread_mutex_lock(&service->state.lock);
	enter = !service->state.draining;
	if (enter) {
		sgh_list_append(&service->state.tasks, &task->link);
		service->state.task_count++;
	}
	pthread_mutex_unlock(&service->state.lock);
	return enter;
}

void sgh_service_leave(struct sgh_service *service, struct sgh_task *task)
{
	pthread_mutex_lock(&service->state.lock);
	sgh_list_remove(&task->link);
	if (--service->state.task_count == 0)
		pthread_cond_broadcast(&service->state.changed);
	pthread_mutex_unlock(&service->state.lock);
}

bool sgh_service_draining(struct sgh_service *service)
{
	bool draining;

	pthread_mutex_lock(&service->state.lock);
	draining = service->state.draining;
	pthread_mutex_unlock(&service->state.lock);
	return draining;
}

bool sgh_service_stopping(struct sgh_service *service)
{
	bool stopping;

	pthread_mutex_lock(&service->state.lock);
	stopping = service->state.stopping;
	pthread_mutex_unlock(&service->state.lock);
	return stopping;
}

bool sgh_service_cut(const struct sgh_service *service)
{
	return __atomic_load_n(&service->cut, __ATOMIC_ACQUIRE);
}

/* Under the lock, so that hurry_tasks() either finds it armed or prevents it. */
bool sgh_service_wait(struct sgh_service *service, struct sgh_task *task, int64_t wait_ms)
{
	bool armed;

	pthread_mutex_lock(&service->state.lock);
	armed = !service->state.stopping &&
		sgh_timer_arm(service->timers, &task->again, sgh_now_ms() + wait_ms);
	pthread_mutex_unlock(&service->state.lock);
	return armed;
}

/* ---- buckets ---- */

static void bucket_done(struct sgh_store_op *op);

/*
 * One less to wait for; the last one decides. As soon as it has said that it is no longer
 * preparing, the service may go.
 */
static void bucket_ended(struct sgh_service *service, int status,
			 const struct sangraha_error *err)
{
	struct sangraha_error why;
	bool last;
	bool open;

	if (status)
		sgh_log(service->context, SANGRAHA_LOG_DEBUG, service->kind->role,
			"make-bucket", "%s", err->message);
	pthread_mutex_lock(&service->state.lock);
	if (status)
		service->state.buckets_failed = status;
	last = --service->state.buckets_left == 0;
	open = last && !service->state.buckets_failed && !service->state.consumer;
	pthread_mutex_unlock(&service->state.lock);
	if (!last)
		return;
	if (open && open_consumer(service, &why))
		sgh_log(service->context, SANGRAHA_LOG_ERROR, service->kind->role,
			"consume", "%s", why.message);
	pthread_mutex_lock(&service->state.lock);
	service->state.preparing = false;
	/* Without a consumer the next tick begins again. */
	service->state.prepared =
		!service->state.buckets_failed && service->state.consumer;
	pthread_cond_broadcast(&service->state.changed);
	pthread_mutex_unlock(&service->state.lock);
}

static void bucket_done(struct sgh_store_op *op)
{
	bucket_ended(op->arg, op->status, &op->err);
}

static size_t bucket_count(const struct sgh_service *service)
{
	struct sgh_type_info type;
	size_t count = 0;

	while (count < BUCKETS_MAX - 1 && sgh_types_at(service->types, count, &type))
		count++;
	return count + 1;
}

/* Ask for every bucket. state.preparing is set, which makes this the only run. */
static void make_buckets(struct sgh_service *service)
{
	size_t count = bucket_count(service);

	pthread_mutex_lock(&service->state.lock);
	service->state.buckets_left = count;
	service->state.buckets_failed = 0;
	pthread_mutex_unlock(&service->state.lock);
	for (size_t i = 0; i < count; i++) {
		struct sgh_store_op *op = &service->buckets[i];
		struct sgh_type_info type = { .bucket = "meta" };
		int status;

		if (i + 1 < count)
			sgh_types_at(service->types, i, &type);
		sgh_store_op_fini(op);
		*op = (struct sgh_store_op){
			.verb = SGH_STORE_MAKE_BUCKET,
			.bucket = type.bucket,
			.owner = &service->tick,
			.deadline_ms = sgh_now_ms() + ASK_MS,
			.done = bucket_done,
			.arg = service,
		};
		status = sgh_store_submit(service->store, op, &op->err);
		if (status)
			bucket_ended(service, status, &op->err);
	}
}

void sgh_service_prepare_again(struct sgh_service *service)
{
	pthread_mutex_lock(&service->state.lock);
	service->state.prepared = !service->kind->makes_buckets;
	pthread_mutex_unlock(&service->state.lock);
}

/* ---- the watch ---- */

/* As soon as it has said that it is no longer checking, the service may go. */
static void check_done(struct sgh_store_op *op)
{
	struct sgh_service *service = op->arg;
	bool changed;

	pthread_mutex_lock(&service->state.lock);
	changed = service->state.store_ok != (op->status == 0) ||
		  !service->state.store_seen;
	service->state.store_ok = op->status == 0;
	service->state.store_seen = true;
	if (!op->status)
		service->state.refused_ms = 0;
	else if (!sgh_status_passing(op->status) && !service->state.refused_ms)
		service->state.refused_ms = sgh_now_ms();
	pthread_mutex_unlock(&service->state.lock);
	if (changed)
		sgh_log(service->context,
			op->status ? SANGRAHA_LOG_WARN : SANGRAHA_LOG_INFO,
			service->kind->role, "store",
			op->status ? "the store does not serve: %s" : "the store serves",
			op->err.message);
	pthread_mutex_lock(&service->state.lock);
	service->state.checking = false;
	pthread_cond_broadcast(&service->state.changed);
	pthread_mutex_unlock(&service->state.lock);
}

static void check_store(struct sgh_service *service)
{
	struct sgh_store_op *op = &service->check;
	int status;

	sgh_store_op_fini(op);
	*op = (struct sgh_store_op){
		.verb = SGH_STORE_CHECK,
		.replicas = service->kind->replicas,
		.owner = &service->tick,
		.deadline_ms = sgh_now_ms() + ASK_MS,
		.done = check_done,
		.arg = service,
	};
	/* Once it is submitted the operation is the store's. */
	status = sgh_store_submit(service->store, op, &op->err);
	if (status) {
		op->status = status;
		check_done(op);
	}
}

/*
 * Cancel the consumer while the store is away, or refuses us, for long: others may be
 * better off. Resume when it is back.
 */
static void follow_store(struct sgh_service *service)
{
	int64_t down = service->kind->replicas
			       ? sgh_store_replicas_down_ms(service->store)
			       : sgh_store_down_ms(service->store);
	bool pause;

	pthread_mutex_lock(&service->state.lock);
	if (service->state.refused_ms && !down)
		down = sgh_now_ms() - service->state.refused_ms + 1;
	pause = down > DOWN_MS;
	if (service->state.consumer && !service->state.draining && (pause || down == 0) &&
	    pause != service->state.paused) {
		service->state.paused = pause;
		if (pause)
			sgh_consumer_pause(service->state.consumer);
		else
			sgh_consumer_resume(service->state.consumer);
	}
	pthread_mutex_unlock(&service->state.lock);
}

static void tick(struct sgh_timer *timer)
{
	struct sgh_service *service = sgh_container_of(timer, struct sgh_service, tick);
	bool prepare;
	bool check;
	bool stop;
	int64_t wait;

	pthread_mutex_lock(&service->state.lock);
	stop = service->state.stopping;
	prepare = !stop && !service->state.prepared && !service->state.preparing;
	check = !stop && !service->state.checking;
	service->state.preparing |= prepare;
	service->state.checking |= check;
	if (check)
		service->state.asked_ms = sgh_now_ms();
	wait = service->state.prepared && service->state.store_ok ? CHECK_MS : TICK_MS;
	pthread_mutex_unlock(&service->state.lock);
	if (stop)
		return;
	if (check)
		check_store(service);
	if (prepare)
		make_buckets(service);
	follow_store(service);
	sgh_timer_arm(service->timers, &service->tick, sgh_now_ms() + wait);
}

/* It answered, and has not been silent for long since. */
static bool store_serves_locked(const struct sgh_service *service)
{
	bool silent = service->state.checking &&
		      sgh_now_ms() - service->state.asked_ms > DOWN_MS;

	return service->state.store_ok && service->state.prepared && !silent;
}

bool sgh_service_store_serves(struct sgh_service *service)
{
	bool serves;

	pthread_mutex_lock(&service->state.lock);
	serves = store_serves_locked(service);
	pthread_mutex_unlock(&service->state.lock);
	return serves;
}

static int state_of(bool ok)
{
	return ok ? SANGRAHA_HEALTH_OK : SANGRAHA_HEALTH_DOWN;
}

void sgh_service_health(struct sgh_service *service, bool writes,
			struct sangraha_health *health)
{
	struct sangraha_health now = { 0 };
	bool store_ok = false;
	bool attached = false;
	bool ready = false;

	if (service) {
		pthread_mutex_lock(&service->state.lock);
		store_ok = store_serves_locked(service) &&
			   !(writes && sgh_store_writes_down_ms(service->store));
		attached = service->state.consumer &&
			   sgh_consumer_attached(service->state.consumer) &&
			   !service->state.draining;
		pthread_mutex_unlock(&service->state.lock);
		/* Who reads answers from memory to memory. */
		ready = sgh_queue_ready(service->queue, writes);
	}
	now.broker = state_of(ready);
	now.store = state_of(store_ok);
	*(writes ? &now.writes : &now.reads) = state_of(ready && store_ok && attached);
	sgh_health_copy(health, &now);
}

/* ---- start and end ---- */

/* The workers have nothing more that could go to the store with what they gave it. */
static void go_on(void *arg)
{
	struct sgh_service *service = arg;

	sgh_store_go_on(service->store);
}

static int start_threads(struct sgh_service *service, unsigned workers,
			 struct sangraha_error *err)
{
	int status = sgh_timers_new(&service->timers, err);

	if (!status && service->kind->on_worker)
		status = sgh_pool_new(workers, &service->pool, err);
	if (!status && service->pool)
		sgh_pool_on_pause(service->pool, go_on, service);
	return status;
}

int sgh_service_start(struct sgh_service *service, const struct sgh_service_kind *kind,
		      struct sangraha_context *context, struct sangraha_queue *queue,
		      struct sangraha_store *store,
		      const struct sgh_service_options *options,
		      struct sangraha_error *err)
{
	size_t limit = sgh_budget_limit(context->budget);
	int status = 0;

	service->kind = kind;
	service->context = sangraha_context_ref(context);
	service->queue = sangraha_queue_ref(queue);
	service->store = sangraha_store_ref(store);
	service->inline_limit =
		options->inline_limit ? options->inline_limit : sgh_inline_default(limit);
	service->prefetch = options->prefetch ? options->prefetch : PREFETCH_DEFAULT;
	service->here.most_us = HERE_US;
	service->tick.fire = tick;
	pthread_mutex_init(&service->state.lock, NULL);
	sgh_cond_init(&service->state.changed);
	sgh_list_init(&service->state.tasks);
	service->state.prepared = !kind->makes_buckets;
	sgh_tally_init(&service->tally, context->metrics, kind->role);
	if (service->inline_limit > limit / 8)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the inline limit, %zu bytes, is over an eighth of the "
				"memory limit, %zu bytes",
				service->inline_limit, limit);
	if (options->types)
		service->types = sangraha_types_ref(options->types);
	else
		status = sangraha_types_new(NULL, &service->types, err);
	if (status)
		return status;
	service->buckets = calloc(BUCKETS_MAX, sizeof(*service->buckets));
	if (!service->buckets)
		return sgh_fail_memory(err);
	status = start_threads(service, options->workers, err);
	if (status)
		return status;
	if (!kind->makes_buckets)
		status = open_consumer(service, err);
	if (status)
		return status;
	if (!sgh_timer_arm(service->timers, &service->tick, sgh_now_ms()))
		return sgh_fail_memory(err);
	return 0;
}

/* How many tasks are left then. */
static size_t wait_until_idle(struct sgh_service *service, int64_t until_ms)
{
	size_t left;

	pthread_mutex_lock(&service->state.lock);
	while (service->state.task_count &&
	       sgh_cond_wait_until(&service->state.changed, &service->state.lock,
				   until_ms))
		;
	left = service->state.task_count;
	pthread_mutex_unlock(&service->state.lock);
	return left;
}

int sgh_service_drain(struct sgh_service *service, unsigned timeout_ms,
		      struct sangraha_error *err)
{
	size_t left;

	pthread_mutex_lock(&service->state.lock);
	service->state.draining = true;
	if (service->state.consumer)
		sgh_consumer_pause(service->state.consumer);
	pthread_mutex_unlock(&service->state.lock);
	left = wait_until_idle(service, sgh_now_ms() + timeout_ms);
	if (!left)
		return 0;
	return sgh_fail(err, SANGRAHA_E_TIMEOUT, 0,
			"%zu requests were still in hand after %u ms; the queue delivers "
			"them again",
			left, timeout_ms);
}

/* Tasks that wait for their timer are abandoned; a step under way is waited for. */
static void hurry_tasks(struct sgh_service *service)
{
	struct sgh_task *waiting;

	do {
		waiting = NULL;
		pthread_mutex_lock(&service->state.lock);
		sgh_list_for_each (link, &service->state.tasks) {
			struct sgh_task *task =
				sgh_list_entry(link, struct sgh_task, link);

			if (sgh_timer_cancel(service->timers, &task->again)) {
				waiting = task;
				break;
			}
		}
		pthread_mutex_unlock(&service->state.lock);
		if (waiting)
			sgh_task_abandon(waiting);
	} while (waiting);
}

/* Again and again: what is being submitted just now may be missed once. */
static void end_watch(struct sgh_service *service)
{
	bool left = true;

	while (left) {
		int64_t until = sgh_now_ms() + CUT_MS;

		sgh_store_cancel(service->store, &service->tick);
		pthread_mutex_lock(&service->state.lock);
		while (service->state.checking || service->state.preparing)
			if (!sgh_cond_wait_until(&service->state.changed,
						 &service->state.lock, until))
				break;
		left = service->state.checking || service->state.preparing;
		pthread_mutex_unlock(&service->state.lock);
	}
}

/* What the store was asked to do may have been done: whoever gets it next finds out. */
static void end_tasks(struct sgh_service *service)
{
	int64_t wait = GRACE_MS;

	while (wait_until_idle(service, sgh_now_ms() + wait)) {
		__atomic_store_n(&service->cut, true, __ATOMIC_RELEASE);
		sgh_store_cancel(service->store, service);
		wait = CUT_MS;
	}
}

void sgh_service_fini(struct sgh_service *service)
{
	if (!service->kind)
		return;
	pthread_mutex_lock(&service->state.lock);
	service->state.draining = true;
	service->state.stopping = true;
	pthread_mutex_unlock(&service->state.lock);
	if (service->timers)
		sgh_timer_cancel(service->timers, &service->tick);
	if (service->buckets)
		end_watch(service);
	if (service->state.consumer)
		sgh_consumer_free(service->state.consumer);
	if (service->timers)
		hurry_tasks(service);
	end_tasks(service);
	sgh_pool_free(service->pool);
	sgh_timers_free(service->timers);
	sgh_store_op_fini(&service->check);
	for (size_t i = 0; service->buckets && i < BUCKETS_MAX; i++)
		sgh_store_op_fini(&service->buckets[i]);
	free(service->buckets);
	pthread_cond_destroy(&service->state.changed);
	pthread_mutex_destroy(&service->state.lock);
	sangraha_types_unref(service->types);
	sangraha_store_unref(service->store);
	sangraha_queue_unref(service->queue);
	sangraha_context_unref(service->context);
}
