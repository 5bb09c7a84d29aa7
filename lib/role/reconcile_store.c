/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "role/found.h"
#include "role/reconcile.h"
#include "role/task.h"

#define TRIES       4
#define AGAIN_MS    500 /* and twice as long each time */
#define WINDOW_KEYS 1000

/* ---- waiting ---- */

void sgh_reconcile_await(struct sgh_reconcile *rec, unsigned count)
{
	pthread_mutex_lock(&rec->state.lock);
	rec->state.left = count;
	pthread_mutex_unlock(&rec->state.lock);
}

/* Under the lock: who waits may end all of it as soon as nothing is left. */
void sgh_reconcile_ended(struct sgh_reconcile *rec)
{
	pthread_mutex_lock(&rec->state.lock);
	if (--rec->state.left == 0)
		pthread_cond_signal(&rec->state.changed);
	pthread_mutex_unlock(&rec->state.lock);
}

/* The store ends each request at its deadline. */
void sgh_reconcile_wait(struct sgh_reconcile *rec)
{
	pthread_mutex_lock(&rec->state.lock);
	while (rec->state.left)
		sgh_cond_wait_until(&rec->state.changed, &rec->state.lock, SGH_NEVER);
	pthread_mutex_unlock(&rec->state.lock);
}

int sgh_reconcile_sleep(struct sgh_reconcile *rec, int64_t until_ms,
			struct sangraha_error *err)
{
	bool late = rec->errand.until_ms && rec->errand.until_ms <= until_ms;

	if (late)
		until_ms = rec->errand.until_ms;
	pthread_mutex_lock(&rec->state.lock);
	while (sgh_cond_wait_until(&rec->state.changed, &rec->state.lock, until_ms))
		;
	pthread_mutex_unlock(&rec->state.lock);
	return late ? sgh_fail(err, SANGRAHA_E_TIMEOUT, 0,
			       "the time for reconciling was not enough")
		    : 0;
}

/* ---- requests ---- */

static void op_done(struct sgh_store_op *op)
{
	sgh_reconcile_ended(op->arg);
}

static void submit(struct sgh_reconcile *rec, struct sgh_store_op *op)
{
	int status = sgh_errand_submit(&rec->errand, op, op_done, rec, &op->err);

	if (status) {
		op->status = status;
		sgh_reconcile_ended(rec);
	}
}

/* The request of an operation that was completed, to be sent again. */
static struct sgh_store_op renewed(struct sgh_store_op *op)
{
	sgh_store_op_fini(op);
	return (struct sgh_store_op){
		.verb = op->verb,
		.bucket = op->bucket,
		.key = op->key,
		.body = op->body,
		.content_type = op->content_type,
		.if_none_match = op->if_none_match,
		.max_length = op->max_length,
		.prefix = op->prefix,
		.after = op->after,
		.limit = op->limit,
		.upload = op->upload,
	};
}

static void run_once(struct sgh_reconcile *rec, struct sgh_store_op *ops, size_t count)
{
	unsigned again = 0;

	for (size_t i = 0; i < count; i++)
		again += sgh_status_passing(ops[i].status);
	sgh_reconcile_await(rec, again);
	for (size_t i = 0; i < count; i++) {
		if (!sgh_status_passing(ops[i].status))
			continue;
		ops[i] = renewed(&ops[i]);
		submit(rec, &ops[i]);
	}
	sgh_reconcile_wait(rec);
}

int sgh_reconcile_run(struct sgh_reconcile *rec, struct sgh_store_op *ops, size_t count,
		      struct sangraha_error *err)
{
	const struct sgh_store_op *failed = NULL;
	int64_t pause = AGAIN_MS;

	/* All of them are to be sent. */
	for (size_t i = 0; i < count; i++)
		ops[i].status = SANGRAHA_E_UNAVAILABLE;
	for (unsigned tries = 0; tries < TRIES; tries++, pause *= 2) {
		if (tries && sgh_reconcile_sleep(rec, sgh_now_ms() + pause, err))
			return SANGRAHA_E_TIMEOUT;
		run_once(rec, ops, count);
		failed = NULL;
		for (size_t i = 0; i < count; i++)
			if (ops[i].status && ops[i].status != SANGRAHA_E_NOT_FOUND)
				failed = &ops[i];
		if (!failed || !sgh_status_passing(failed->status))
			break;
	}
	return failed ? sgh_fail_with(err, failed->status, &failed->err) : 0;
}

int sgh_reconcile_ask(struct sgh_reconcile *rec, enum sgh_store_verb verb,
		      const char *bucket, const char *key, struct sangraha_error *err)
{
	int status;

	sgh_store_op_fini(&rec->op);
	rec->op = (struct sgh_store_op){
		.verb = verb,
		.bucket = bucket,
		.key = key,
		.max_length = verb == SGH_STORE_GET ? SGH_RECORD_MAX : 0,
	};
	status = sgh_reconcile_run(rec, &rec->op, 1, err);
	return status ? status : rec->op.status;
}

int sgh_reconcile_read(struct sgh_reconcile *rec, const char *key, struct sgh_record *ret,
		       int64_t *ret_modified_ms, bool *ret_readable,
		       struct sangraha_error *err)
{
	int status;

	*ret = (struct sgh_record){ .offset = -1 };
	status = sgh_reconcile_ask(rec, SGH_STORE_GET, "meta", key, err);
	if (status)
		return status;
	status = sgh_found_record(&rec->op, ret, err);
	if (status == SANGRAHA_E_OVERLOADED)
		return status;
	if (ret_modified_ms)
		*ret_modified_ms = rec->op.head.modified_ms;
	/* A longer one was not read to its end. */
	*ret_readable = !status && rec->op.head.size <= SGH_RECORD_MAX;
	return 0;
}

/* ---- which ids are there ---- */

static int fill(struct sgh_reconcile *rec, struct sgh_reconcile_window *window,
		const char *bucket, const char *id, struct sangraha_error *err)
{
	window->filled = false;
	/* What the id begins with, but for its last character, sorts before it. */
	snprintf(window->after, sizeof(window->after), "%.*s", SANGRAHA_ID_SIZE - 2, id);
	sgh_store_op_fini(&window->list);
	window->list = (struct sgh_store_op){
		.verb = SGH_STORE_LIST,
		.bucket = bucket,
		.after = window->after,
		.limit = WINDOW_KEYS,
	};
	if (sgh_reconcile_run(rec, &window->list, 1, err))
		return err->status;
	window->filled = true;
	return 0;
}

static bool covers(const struct sgh_reconcile_window *window, const char *id)
{
	const struct sgh_store_op *list = &window->list;

	if (!window->filled || strcmp(id, window->after) <= 0)
		return false;
	return !list->more ||
	       (list->key_count && strcmp(id, list->keys[list->key_count - 1].key) <= 0);
}

static int compare(const void *id, const void *key)
{
	return strcmp(id, ((const struct sgh_store_key *)key)->key);
}

int sgh_reconcile_listed(struct sgh_reconcile *rec, unsigned type, const char *id,
			 bool *ret, struct sangraha_error *err)
{
	struct sgh_reconcile_window *window = &rec->windows[type];

	if (!covers(window, id) && fill(rec, window, rec->types[type].bucket, id, err))
		return err->status;
	*ret = window->list.key_count &&
	       bsearch(id, window->list.keys, window->list.key_count,
		       sizeof(*window->list.keys), compare);
	return 0;
}
