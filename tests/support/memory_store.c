/* SPDX-License-Identifier: MIT */
#include "support/memory_store.h"

#include <pthread.h>

#include "base/error.h"
#include "base/thread.h"
#include "store/local.h"
#include "support/memory_buckets.h"
#include "support/t.h"

struct pending {
	struct sgh_list link;
	struct sgh_store_op *op;
	struct script_step step;
	bool held; /* until there is one that is not */
	bool given_up;
	char name[96];
};

/* What the mover brings in pieces. */
struct taken {
	struct sgh_local_body base;
	struct sgh_bytes *bytes;
};

struct memory_store {
	struct sangraha_store base;
	struct sgh_local local;
	struct script *script;
	pthread_t thread;
	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed;
		struct sgh_list pending;
		struct sgh_list buckets;
		unsigned packable;
		unsigned by_workers;
		bool lingers; /* whoever submits the next put that may travel */
		bool busy;    /* with an operation that is not pending any more */
		char crc32c[SGH_CRC32C_SIZE];
		bool stop;
	} state;
};

static struct memory_store *memory_of(struct sangraha_store *store)
{
	return sgh_container_of(store, struct memory_store, base);
}

/* ---- operations ---- */

static void name_op(struct pending *pending)
{
	static const char *const verbs[] = {
		[SGH_STORE_PUT] = "put",
		[SGH_STORE_GET] = "get",
		[SGH_STORE_HEAD] = "head",
		[SGH_STORE_DELETE] = "delete",
		[SGH_STORE_UPLOAD_BEGIN] = "upload-begin",
		[SGH_STORE_UPLOAD_PART] = "upload-part",
		[SGH_STORE_UPLOAD_PARTS] = "upload-parts",
		[SGH_STORE_UPLOAD_COMPLETE] = "upload-complete",
		[SGH_STORE_UPLOAD_ABORT] = "upload-abort",
		[SGH_STORE_UPLOAD_FIND] = "upload-find",
		[SGH_STORE_LIST] = "list",
		[SGH_STORE_MAKE_BUCKET] = "make-bucket",
		[SGH_STORE_CHECK] = "check",
	};
	const struct sgh_store_op *op = pending->op;
	size_t kind = op->key ? strcspn(op->key, "/") : 0;
	bool conditional = op->if_none_match && (op->verb == SGH_STORE_PUT ||
						 op->verb == SGH_STORE_UPLOAD_COMPLETE);

	if (op->verb == SGH_STORE_CHECK)
		snprintf(pending->name, sizeof(pending->name), "check");
	else
		snprintf(pending->name, sizeof(pending->name), "%s%s %s%s%.*s",
			 verbs[op->verb], conditional ? "-new" : "", op->bucket,
			 op->key && op->key[kind] ? "/" : "",
			 op->key && op->key[kind] ? (int)kind : 0,
			 op->key ? op->key : "");
}

static int lost(struct sgh_store_op *op, int status)
{
	sgh_store_op_fini(op);
	return sgh_fail(&op->err, status, 0, "scripted: %s",
			sangraha_status_name(status));
}

static void taken_free(struct sgh_local_body *body)
{
	struct taken *taken = sgh_container_of(body, struct taken, base);

	sgh_bytes_unref(taken->bytes);
	free(taken);
}

static void drop_taken(struct sgh_store_op *op)
{
	if (!op->taken)
		return;
	op->body = NULL;
	taken_free(sgh_take(op->taken));
}

/* What follows clocks has no place in the journal. */
static bool is_told(const struct sgh_store_op *op)
{
	bool sweeps = op->verb == SGH_STORE_LIST && (sgh_streq(op->prefix, "upload/") ||
						     sgh_streq(op->prefix, "deleted/") ||
						     sgh_streq(op->prefix, "operation/"));

	return op->verb < SGH_STORE_MAKE_BUCKET && !sweeps;
}

static void perform(struct memory_store *store, struct pending *pending)
{
	struct sgh_store_op *op = pending->op;
	const struct script_step *step = &pending->step;
	bool told = is_told(op);
	int status = 0;

	pthread_mutex_lock(&store->state.lock);
	if (op->taken)
		op->body = sgh_container_of(op->taken, struct taken, base)->bytes;
	if (step->deed == SCRIPT_GO || step->deed == SCRIPT_LOSE)
		status = memory_buckets_perform(&store->state.buckets,
						store->base.context->budget, op);
	drop_taken(op);
	if (step->deed != SCRIPT_GO)
		op->status = lost(op, step->status);
	else
		op->status = status;
	op->unsent = step->deed == SCRIPT_SKIP;
	if (told && step->deed == SCRIPT_LOSE)
		script_note(store->script, "%s: lost", pending->name);
	else if (told)
		script_note(store->script, "%s: %s", pending->name,
			    sangraha_status_name(op->status));
	pthread_mutex_unlock(&store->state.lock);
	free(pending);
	sgh_store_complete(&store->base, op);
}

/* It was given up, or takes too long: nobody knows whether it was done. */
static void end(struct memory_store *store, struct pending *pending, int status)
{
	struct sgh_store_op *op = pending->op;

	script_leave(store->script, &pending->step);
	if (is_told(op))
		script_note(store->script, "%s: %s", pending->name,
			    sangraha_status_name(status));
	free(pending);
	drop_taken(op);
	op->status = sgh_fail(&op->err, status, 0, "the store took too long");
	sgh_store_complete(&store->base, op);
}

static void cancel(struct sangraha_store *base, const void *owner)
{
	struct memory_store *store = memory_of(base);

	pthread_mutex_lock(&store->state.lock);
	sgh_list_for_each (link, &store->state.pending) {
		struct pending *pending = sgh_list_entry(link, struct pending, link);

		pending->given_up |= pending->op->owner == owner;
	}
	pthread_cond_broadcast(&store->state.changed);
	pthread_mutex_unlock(&store->state.lock);
}

static bool is_waiting(struct memory_store *store, struct pending *pending,
		       int64_t *next_ms)
{
	return pending->held || script_waits(store->script, &pending->step, next_ms);
}

/* The first that need not wait, taken out; *ret_late when its time is over. */
static struct pending *next_locked(struct memory_store *store, int64_t *next_ms,
				   bool *ret_late)
{
	sgh_list_for_each (link, &store->state.pending) {
		struct pending *pending = sgh_list_entry(link, struct pending, link);

		*ret_late = pending->given_up || sgh_now_ms() >= pending->op->deadline_ms;
		if (!*ret_late && is_waiting(store, pending, next_ms)) {
			if (pending->op->deadline_ms < *next_ms)
				*next_ms = pending->op->deadline_ms;
			continue;
		}
		sgh_list_remove(&pending->link);
		return pending;
	}
	return NULL;
}

/* Whether what happens next, on this thread, is such a put of the same owner, too. */
static bool goes_on_locked(struct memory_store *store, const struct sgh_store_op *op)
{
	int64_t next_ms = SGH_NEVER;

	sgh_list_for_each (link, &store->state.pending) {
		struct pending *pending = sgh_list_entry(link, struct pending, link);

		if (is_waiting(store, pending, &next_ms))
			continue;
		return op->packable && pending->op->packable &&
		       pending->op->owner == op->owner;
	}
	return false;
}

static void *run(void *arg)
{
	struct memory_store *store = arg;

	pthread_mutex_lock(&store->state.lock);
	while (!store->state.stop || !sgh_list_empty(&store->state.pending)) {
		int64_t next_ms = SGH_NEVER;
		bool late = false;
		struct pending *pending = next_locked(store, &next_ms, &late);

		if (!pending) {
			sgh_cond_wait_until(&store->state.changed, &store->state.lock,
					    next_ms);
			continue;
		}
		pending->op->goes_on = goes_on_locked(store, pending->op);
		store->state.busy = true;
		pthread_mutex_unlock(&store->state.lock);
		if (late)
			end(store, pending,
			    pending->given_up ? SANGRAHA_E_UNAVAILABLE
					      : SANGRAHA_E_TIMEOUT);
		else
			perform(store, pending);
		pthread_mutex_lock(&store->state.lock);
		store->state.busy = false;
		pthread_cond_broadcast(&store->state.changed);
	}
	pthread_mutex_unlock(&store->state.lock);
	return NULL;
}

static void linger_locked(struct memory_store *store)
{
	while (store->state.busy || !sgh_list_empty(&store->state.pending))
		sgh_cond_wait_until(&store->state.changed, &store->state.lock, SGH_NEVER);
}

static void let_go_locked(struct memory_store *store)
{
	sgh_list_for_each (link, &store->state.pending)
		sgh_list_entry(link, struct pending, link)->held = false;
	pthread_cond_broadcast(&store->state.changed);
}

static void go_on(struct sangraha_store *base)
{
	struct memory_store *store = memory_of(base);

	pthread_mutex_lock(&store->state.lock);
	let_go_locked(store);
	pthread_mutex_unlock(&store->state.lock);
}

/* Whether this is a thread of a pool, by its name. */
static bool is_worker(void)
{
	char name[16];

	return !pthread_getname_np(pthread_self(), name, sizeof(name)) &&
	       sgh_streq(name, "sgh-worker");
}

static int submit(struct sangraha_store *base, struct sgh_store_op *op,
		  struct sangraha_error *err)
{
	struct memory_store *store = memory_of(base);
	struct pending *pending = calloc(1, sizeof(*pending));
	bool packable;

	if (!pending)
		return sgh_fail_memory(err);
	pending->op = op;
	name_op(pending);
	pthread_mutex_lock(&store->state.lock);
	pending->step = script_next(store->script, pending->name);
	packable = op->verb == SGH_STORE_PUT && op->packable;
	store->state.packable += packable;
	store->state.by_workers += is_worker();
	pending->held = packable && op->held;
	sgh_list_append(&store->state.pending, &pending->link);
	if (packable && !op->held)
		let_go_locked(store);
	else
		pthread_cond_broadcast(&store->state.changed);
	if (packable && sgh_take(store->state.lingers))
		linger_locked(store);
	pthread_mutex_unlock(&store->state.lock);
	return 0;
}

/* ---- for the mover ---- */

static struct memory_store *memory_of_local(struct sgh_local *local)
{
	return sgh_container_of(local, struct memory_store, local);
}

static void local_put(struct sgh_local *local)
{
	/* The store has one of its own. */
	assert_false(sgh_shared_unref(&local->shared));
}

static int local_open(struct sgh_local *local, struct sangraha_store **ret,
		      struct sangraha_error *err)
{
	(void)err;
	*ret = sangraha_store_ref(&memory_of_local(local)->base);
	local_put(local);
	return 0;
}

/* Such a step may fail; it is not held, and happens or does not. */
static int script_local(struct sgh_local *local, const char *op,
			struct sangraha_error *err)
{
	const struct script_step step = script_next(memory_of_local(local)->script, op);

	return step.deed == SCRIPT_FAIL ? sgh_fail(err, step.status, 0, "scripted") : 0;
}

static int local_body_new(struct sgh_local *local, uint64_t length,
			  struct sgh_local_body **ret, struct sangraha_error *err)
{
	int status = script_local(local, "body-new", err);
	struct taken *taken;

	if (status)
		return status;
	taken = calloc(1, sizeof(*taken));
	taken->base.local = local;
	taken->bytes = sgh_bytes_new(NULL, (size_t)length);
	*ret = &taken->base;
	return 0;
}

static void local_body_append(struct sgh_local_body *body, const void *data,
			      size_t length)
{
	struct taken *taken = sgh_container_of(body, struct taken, base);
	struct sangraha_error err;
	int status = script_local(body->local, "body-append", &err);

	if (!status)
		assert_true(sgh_bytes_append(taken->bytes, data, length));
	body->appended(body, status, &err);
}

static const struct sgh_local_ops local_ops = {
	.open = local_open,
	.put = local_put,
	.body_new = local_body_new,
	.body_append = local_body_append,
	.body_free = taken_free,
};

static int ticket(struct sangraha_store *base, const struct sgh_store_grant *grant,
		  struct sgh_arena *arena, struct sgh_ticket **ret,
		  struct sangraha_error *err)
{
	struct memory_store *store = memory_of(base);

	pthread_mutex_lock(&store->state.lock);
	snprintf(store->state.crc32c, sizeof(store->state.crc32c), "%s",
		 grant->crc32c ? grant->crc32c : "");
	pthread_mutex_unlock(&store->state.lock);
	return sgh_local_ticket(&store->local, "", grant, arena, ret, err);
}

/* ---- the life of the store ---- */

static int share(void *arg, struct sgh_shared **ret, struct sangraha_error *err)
{
	struct memory_store *store = arg;
	int rc = sgh_local_init(&store->local, &local_ops, err);

	if (!rc)
		*ret = &store->local.shared;
	return rc;
}

static void wake(void *arg)
{
	struct memory_store *store = arg;

	pthread_mutex_lock(&store->state.lock);
	pthread_cond_broadcast(&store->state.changed);
	pthread_mutex_unlock(&store->state.lock);
}

static void destroy(struct sangraha_store *base)
{
	struct memory_store *store = memory_of(base);

	pthread_mutex_lock(&store->state.lock);
	store->state.stop = true;
	pthread_cond_broadcast(&store->state.changed);
	pthread_mutex_unlock(&store->state.lock);
	pthread_join(store->thread, NULL);
	script_detach(store->script, store);
	assert_true(sgh_shared_unref(&store->local.shared));
	sgh_shared_closed(&store->local.shared);
	memory_buckets_wipe(&store->state.buckets);
	pthread_cond_destroy(&store->state.changed);
	pthread_mutex_destroy(&store->state.lock);
	sgh_store_fini(base);
	free(store);
}

static const struct sgh_store_backend memory_backend = {
	.schemes = "memory:",
	.destroy = destroy,
	.submit = submit,
	.go_on = go_on,
	.cancel = cancel,
	.ticket = ticket,
};

struct sangraha_store *memory_store_new(struct sangraha_context *context,
					struct script *script)
{
	struct memory_store *store = calloc(1, sizeof(*store));
	struct sgh_shared *shared;
	char name[32];

	assert_non_null(store);
	sgh_store_init(&store->base, &memory_backend, context, NULL);
	store->script = script;
	pthread_mutex_init(&store->state.lock, NULL);
	sgh_cond_init(&store->state.changed);
	sgh_list_init(&store->state.pending);
	sgh_list_init(&store->state.buckets);
	script_attach(script, wake, store);
	snprintf(name, sizeof(name), "memory:%p", (void *)store);
	t_ok(sgh_shared_get(context, name, share, store, &shared, &t_err));
	t_ok(sgh_thread_start(&store->thread, "memory-store", run, store, &t_err));
	return &store->base;
}

/* ---- behind its back ---- */

bool memory_store_has(struct sangraha_store *base, const char *bucket, const char *key)
{
	struct memory_store *store = memory_of(base);
	struct memory_bucket *in;
	bool has;

	pthread_mutex_lock(&store->state.lock);
	in = memory_bucket_find(&store->state.buckets, bucket);
	has = in && memory_object_find(in, key, NULL);
	pthread_mutex_unlock(&store->state.lock);
	return has;
}

void memory_store_put(struct sangraha_store *base, const struct sgh_store_op *op)
{
	struct memory_store *store = memory_of(base);
	struct sgh_store_op copy = *op;

	pthread_mutex_lock(&store->state.lock);
	if (!memory_bucket_find(&store->state.buckets, op->bucket))
		memory_bucket_add(&store->state.buckets, op->bucket);
	memory_bucket_put(memory_bucket_find(&store->state.buckets, op->bucket), &copy);
	pthread_mutex_unlock(&store->state.lock);
}

void memory_store_set(struct sangraha_store *base, const char *bucket, const char *key,
		      const char *text)
{
	struct sgh_bytes *body = t_bytes(text);
	struct sgh_store_op op = { .bucket = bucket, .key = key, .body = body };

	memory_store_put(base, &op);
	sgh_bytes_unref(body);
}

void memory_store_copy(struct sangraha_store *base, const char *bucket, const char *key)
{
	struct memory_store *store = memory_of(base);
	struct memory_object *object;

	pthread_mutex_lock(&store->state.lock);
	object = memory_object_find(memory_bucket_find(&store->state.buckets, bucket),
				    key, NULL);
	memory_object_add(memory_copies_find(&store->state.buckets, bucket, true), key,
			  &object->head, sgh_bytes_ref(object->body));
	pthread_mutex_unlock(&store->state.lock);
}

void memory_store_age(struct sangraha_store *base, const char *bucket, const char *key,
		      int64_t age_ms)
{
	struct memory_store *store = memory_of(base);
	struct memory_object *object;

	pthread_mutex_lock(&store->state.lock);
	object = memory_object_find(memory_bucket_find(&store->state.buckets, bucket),
				    key, NULL);
	object->head.modified_ms = sgh_time_ms() - age_ms;
	pthread_mutex_unlock(&store->state.lock);
}

void memory_store_remove(struct sangraha_store *base, const char *bucket, const char *key)
{
	struct memory_store *store = memory_of(base);
	struct memory_bucket *in;
	struct memory_object *object;

	pthread_mutex_lock(&store->state.lock);
	in = memory_bucket_find(&store->state.buckets, bucket);
	object = in ? memory_object_find(in, key, NULL) : NULL;
	if (object)
		memory_object_free(object);
	pthread_mutex_unlock(&store->state.lock);
}

int memory_store_count(struct sangraha_store *base, const char *bucket)
{
	struct memory_store *store = memory_of(base);
	struct memory_bucket *in;
	int count = 0;

	pthread_mutex_lock(&store->state.lock);
	in = memory_bucket_find(&store->state.buckets, bucket);
	if (in)
		sgh_list_for_each (link, &in->objects)
			count++;
	pthread_mutex_unlock(&store->state.lock);
	return in ? count : -1;
}

char *memory_store_key(struct sangraha_store *base, const char *bucket, unsigned nth)
{
	struct memory_store *store = memory_of(base);
	struct memory_bucket *in;
	const struct memory_object *object = NULL;
	char *key = NULL;

	pthread_mutex_lock(&store->state.lock);
	in = memory_bucket_find(&store->state.buckets, bucket);
	if (in)
		sgh_list_for_each (link, &in->objects) {
			object = sgh_list_entry(link, struct memory_object, link);
			if (nth-- == 0)
				break;
			object = NULL;
		}
	if (object)
		key = strdup(object->key);
	pthread_mutex_unlock(&store->state.lock);
	return key;
}

struct sgh_bytes *memory_store_body(struct sangraha_store *base, const char *bucket,
				    const char *key)
{
	struct memory_store *store = memory_of(base);
	struct memory_bucket *in;
	struct memory_object *object;
	struct sgh_bytes *body = NULL;

	pthread_mutex_lock(&store->state.lock);
	in = memory_bucket_find(&store->state.buckets, bucket);
	object = in ? memory_object_find(in, key, NULL) : NULL;
	if (object)
		body = sgh_bytes_ref(object->body);
	pthread_mutex_unlock(&store->state.lock);
	return body;
}

int memory_store_uploads(struct sangraha_store *base, const char *bucket)
{
	struct memory_store *store = memory_of(base);
	struct memory_bucket *in;
	int count = 0;

	pthread_mutex_lock(&store->state.lock);
	in = memory_bucket_find(&store->state.buckets, bucket);
	if (in)
		sgh_list_for_each (link, &in->uploads)
			count++;
	pthread_mutex_unlock(&store->state.lock);
	return count;
}

unsigned memory_store_packable(struct sangraha_store *base)
{
	struct memory_store *store = memory_of(base);
	unsigned packable;

	pthread_mutex_lock(&store->state.lock);
	packable = store->state.packable;
	pthread_mutex_unlock(&store->state.lock);
	return packable;
}

unsigned memory_store_by_workers(struct sangraha_store *base)
{
	struct memory_store *store = memory_of(base);
	unsigned by_workers;

	pthread_mutex_lock(&store->state.lock);
	by_workers = store->state.by_workers;
	pthread_mutex_unlock(&store->state.lock);
	return by_workers;
}

void memory_store_linger(struct sangraha_store *base)
{
	struct memory_store *store = memory_of(base);

	pthread_mutex_lock(&store->state.lock);
	store->state.lingers = true;
	pthread_mutex_unlock(&store->state.lock);
}

void memory_store_crc32c(struct sangraha_store *base, char hex[SGH_CRC32C_SIZE])
{
	struct memory_store *store = memory_of(base);

	pthread_mutex_lock(&store->state.lock);
	memcpy(hex, store->state.crc32c, SGH_CRC32C_SIZE);
	pthread_mutex_unlock(&store->state.lock);
}

void memory_store_wipe(struct sangraha_store *base)
{
	struct memory_store *store = memory_of(base);

	pthread_mutex_lock(&store->state.lock);
	memory_buckets_wipe(&store->state.buckets);
	pthread_mutex_unlock(&store->state.lock);
}
