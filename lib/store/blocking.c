/* SPDX-License-Identifier: MIT */
#include <sangraha/store.h>

#include <pthread.h>
#include <stdlib.h>

#include "base/budget.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "store/store.h"

/* The public calls: submit to the seam and wait for the completion. */

#define TIMEOUT_MS 30000

struct call {
	struct sgh_store_op op;
	struct sgh_budget_waiter waiter;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void call_init(struct call *call, enum sgh_store_verb verb, const char *bucket,
		      const char *key, unsigned timeout_ms)
{
	*call = (struct call){ .op = {
				       .verb = verb,
				       .bucket = bucket,
				       .key = key,
				       .deadline_ms =
					       sgh_now_ms() +
					       (timeout_ms ? timeout_ms : TIMEOUT_MS),
			       } };
	pthread_mutex_init(&call->lock, NULL);
	sgh_cond_init(&call->cond);
}

static void call_fini(struct call *call)
{
	sgh_bytes_unref(call->op.body);
	sgh_store_op_fini(&call->op);
	pthread_cond_destroy(&call->cond);
	pthread_mutex_destroy(&call->lock);
}

/* Under the lock: the waiting thread may free all of it as soon as it sees `done`. */
static void call_wake(struct call *call)
{
	pthread_mutex_lock(&call->lock);
	call->done = true;
	pthread_cond_signal(&call->cond);
	pthread_mutex_unlock(&call->lock);
}

static void on_done(struct sgh_store_op *op)
{
	call_wake(sgh_container_of(op, struct call, op));
}

static void on_granted(struct sgh_budget_waiter *waiter)
{
	call_wake(sgh_container_of(waiter, struct call, waiter));
}

/* False when the time passed. */
static bool call_wait(struct call *call, int64_t until_ms)
{
	bool done;

	pthread_mutex_lock(&call->lock);
	while (!call->done && sgh_cond_wait_until(&call->cond, &call->lock, until_ms))
		;
	done = call->done;
	call->done = false;
	pthread_mutex_unlock(&call->lock);
	return done;
}

static int call_run(struct call *call, struct sangraha_store *store,
		    struct sangraha_error *err)
{
	int rc;

	if (!store)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the store is NULL");
	call->op.done = on_done;
	rc = sgh_store_submit(store, &call->op, err);
	if (rc)
		return rc;
	/* The store ends each operation at its deadline. */
	call_wait(call, SGH_NEVER);
	if (call->op.status)
		return sgh_fail_with(err, call->op.status, &call->op.err);
	return 0;
}

int sangraha_store_check(struct sangraha_store *store, unsigned timeout_ms,
			 struct sangraha_error *err)
{
	struct call call;
	int rc;

	call_init(&call, SGH_STORE_CHECK, NULL, NULL, timeout_ms);
	rc = call_run(&call, store, err);
	call_fini(&call);
	return rc;
}

int sangraha_store_make_bucket(struct sangraha_store *store, const char *bucket,
			       unsigned timeout_ms, struct sangraha_error *err)
{
	struct call call;
	int rc;

	call_init(&call, SGH_STORE_MAKE_BUCKET, bucket, NULL, timeout_ms);
	rc = call_run(&call, store, err);
	call_fini(&call);
	return rc;
}

int sangraha_store_delete(struct sangraha_store *store, const char *bucket,
			  const char *key, unsigned timeout_ms,
			  struct sangraha_error *err)
{
	struct call call;
	int rc;

	call_init(&call, SGH_STORE_DELETE, bucket, key, timeout_ms);
	rc = call_run(&call, store, err);
	call_fini(&call);
	return rc;
}

static int reserve(struct call *call, struct sgh_budget *budget, size_t size,
		   struct sangraha_error *err)
{
	call->waiter = (struct sgh_budget_waiter){ .size = size, .granted = on_granted };
	if (sgh_budget_wait(budget, &call->waiter) ||
	    call_wait(call, call->op.deadline_ms))
		return 0;
	if (sgh_budget_cancel(budget, &call->waiter))
		return sgh_fail(err, SANGRAHA_E_TIMEOUT, 0,
				"the deadline passed while the bytes waited for memory");
	/* Granted just now: the call to on_granted() must have ended before we go on. */
	call_wait(call, SGH_NEVER);
	return 0;
}

/* The caller's bytes have no reference count: a copy of them travels. */
static int copy_body(struct call *call, struct sangraha_store *store, const void *data,
		     size_t length, struct sangraha_error *err)
{
	struct sgh_budget *budget = store->context->budget;
	int rc;

	if (!length)
		return 0;
	rc = reserve(call, budget, length, err);
	if (rc)
		return rc;
	call->op.body = sgh_bytes_new(budget, length);
	if (!call->op.body) {
		sgh_budget_release(budget, length);
		return sgh_fail_memory(err);
	}
	sgh_bytes_append(call->op.body, data, length);
	return 0;
}

static int set_meta(struct sgh_store_op *op, struct sgh_pair *pairs,
		    const struct sangraha_store_put *options, struct sangraha_error *err)
{
	const char *const *names = sgh_option(options, meta_names, NULL);
	const char *const *values = sgh_option(options, meta_values, NULL);
	size_t count = sgh_option(options, meta_count, 0);

	if (count > SGH_STORE_META_MAX || (count && (!names || !values)))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"metadata is not up to %d names with their values",
				SGH_STORE_META_MAX);
	for (size_t i = 0; i < count; i++)
		pairs[i] = (struct sgh_pair){ names[i], values[i] };
	op->meta = pairs;
	op->meta_count = count;
	return 0;
}

int sangraha_store_put(struct sangraha_store *store, const char *bucket, const char *key,
		       const void *data, size_t length,
		       const struct sangraha_store_put *options,
		       struct sangraha_error *err)
{
	struct sgh_pair pairs[SGH_STORE_META_MAX];
	struct call call;
	int rc;

	if (!store || (length && !data))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "an argument is NULL");
	call_init(&call, SGH_STORE_PUT, bucket, key, sgh_option(options, timeout_ms, 0));
	call.op.content_type = sgh_option(options, content_type, NULL);
	call.op.if_none_match = sgh_option(options, only_if_absent, 0);
	rc = set_meta(&call.op, pairs, options, err);
	if (!rc)
		rc = copy_body(&call, store, data, length, err);
	if (!rc)
		rc = call_run(&call, store, err);
	call_fini(&call);
	return rc;
}

struct sangraha_store_entry {
	struct sgh_arena arena; /* what `head` points into */
	struct sgh_store_head head;
	struct sgh_bytes *data; /* NULL: none were read */
};

/* Hand what was read to an entry of its own. */
static int make_entry(struct call *call, struct sangraha_store_entry **ret,
		      struct sangraha_error *err)
{
	struct sangraha_store_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return sgh_fail_memory(err);
	entry->arena = call->op.arena;
	entry->head = call->op.head;
	entry->data = sgh_take(call->op.data);
	call->op.arena = (struct sgh_arena){ 0 };
	*ret = entry;
	return 0;
}

static int run_for_entry(struct call *call, struct sangraha_store *store,
			 struct sangraha_store_entry **ret, struct sangraha_error *err)
{
	int rc;

	if (!ret)
		rc = sgh_fail(err, SANGRAHA_E_INVALID, 0, "the result's place is NULL");
	else
		rc = call_run(call, store, err);
	if (!rc)
		rc = make_entry(call, ret, err);
	call_fini(call);
	return rc;
}

int sangraha_store_get(struct sangraha_store *store, const char *bucket, const char *key,
		       uint64_t offset, size_t max_length, unsigned timeout_ms,
		       struct sangraha_store_entry **ret, struct sangraha_error *err)
{
	struct call call;

	call_init(&call, SGH_STORE_GET, bucket, key, timeout_ms);
	call.op.offset = offset;
	call.op.max_length = max_length;
	return run_for_entry(&call, store, ret, err);
}

int sangraha_store_head(struct sangraha_store *store, const char *bucket, const char *key,
			unsigned timeout_ms, struct sangraha_store_entry **ret,
			struct sangraha_error *err)
{
	struct call call;

	call_init(&call, SGH_STORE_HEAD, bucket, key, timeout_ms);
	return run_for_entry(&call, store, ret, err);
}

const void *sangraha_store_entry_data(const struct sangraha_store_entry *entry,
				      size_t *ret_length)
{
	if (ret_length)
		*ret_length = entry->data ? entry->data->length : 0;
	return entry->data ? (const void *)entry->data->data : "";
}

uint64_t sangraha_store_entry_size(const struct sangraha_store_entry *entry)
{
	return entry->head.size;
}

const char *sangraha_store_entry_content_type(const struct sangraha_store_entry *entry)
{
	return entry->head.content_type;
}

const char *sangraha_store_entry_meta(const struct sangraha_store_entry *entry,
				      const char *name)
{
	for (size_t i = 0; i < entry->head.meta_count; i++)
		if (sgh_streq(entry->head.meta[i].name, name))
			return entry->head.meta[i].value;
	return NULL;
}

void sangraha_store_entry_free(struct sangraha_store_entry *entry)
{
	if (!entry)
		return;
	sgh_arena_fini(&entry->arena);
	sgh_bytes_unref(entry->data);
	free(entry);
}

int sangraha_store_list(struct sangraha_store *store, const char *bucket,
			const char *prefix, const char *after, unsigned limit,
			unsigned timeout_ms,
			int (*each)(void *arg, const char *key, uint64_t size), void *arg,
			int *ret_more, struct sangraha_error *err)
{
	struct call call;
	int rc;

	if (!each)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "there is nothing to call");
	call_init(&call, SGH_STORE_LIST, bucket, NULL, timeout_ms);
	call.op.prefix = prefix;
	call.op.after = after;
	call.op.limit = limit;
	rc = call_run(&call, store, err);
	for (size_t i = 0; !rc && i < call.op.key_count; i++)
		if (each(arg, call.op.keys[i].key, call.op.keys[i].size))
			break;
	if (!rc && ret_more)
		*ret_more = call.op.more;
	call_fini(&call);
	return rc;
}
