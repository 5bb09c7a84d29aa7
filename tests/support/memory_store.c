/* SPDX-License-Identifier: MIT */
#include "support/memory_store.h"

#include <pthread.h>

#include "base/error.h"
#include "base/thread.h"
#include "store/local.h"
#include "support/memory_uploads.h"
#include "support/t.h"
#include "wire/sha256.h"

struct object {
	struct sgh_list link; /* in bucket->objects, in the order of keys */
	char *key;
	struct sgh_bytes *body;
	struct sgh_arena arena;
	struct sgh_store_head head;
};

struct bucket {
	struct sgh_list link;
	struct sgh_list objects;
	struct sgh_list uploads; /* memory_upload.link */
	char name[80];
};

struct pending {
	struct sgh_list link;
	struct sgh_store_op *op;
	struct script_step step;
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
		bool stop;
	} state;
};

/* How many objects there were, in all stores: no two have the same version. */
static int64_t versions; /* atomic */

static struct memory_store *memory_of(struct sangraha_store *store)
{
	return sgh_container_of(store, struct memory_store, base);
}

/* ---- what is stored ---- */

static struct bucket *find_bucket(struct memory_store *store, const char *name)
{
	sgh_list_for_each (link, &store->state.buckets) {
		struct bucket *bucket = sgh_list_entry(link, struct bucket, link);

		if (strcmp(bucket->name, name) == 0)
			return bucket;
	}
	return NULL;
}

/* The object of that key, or the link it would stand before in *ret_place. */
static struct object *find_object(struct bucket *bucket, const char *key,
				  struct sgh_list **ret_place)
{
	struct sgh_list *place = bucket->objects.next;

	for (; place != &bucket->objects; place = place->next) {
		struct object *object = sgh_list_entry(place, struct object, link);
		int order = strcmp(object->key, key);

		if (order == 0)
			return object;
		if (order > 0)
			break;
	}
	if (ret_place)
		*ret_place = place;
	return NULL;
}

static void object_free(struct object *object)
{
	sgh_list_remove(&object->link);
	sgh_bytes_unref(object->body);
	sgh_arena_fini(&object->arena);
	free(object->key);
	free(object);
}

/* What a put, or the beginning of an upload, says about its object. */
static struct sgh_store_head head_of(const struct sgh_store_op *op)
{
	struct sgh_store_head head = {
		.content_type =
			op->content_type ? op->content_type : "application/octet-stream",
		.meta_count = op->meta_count,
	};

	for (size_t i = 0; i < op->meta_count; i++)
		head.meta[i] = op->meta[i];
	return head;
}

/* Takes over the body; what lies under the key goes. */
static void add_object(struct bucket *bucket, const char *key,
		       const struct sgh_store_head *head, struct sgh_bytes *body)
{
	struct sgh_list *place = &bucket->objects;
	struct object *object = find_object(bucket, key, NULL);

	if (object)
		object_free(object);
	object = calloc(1, sizeof(*object));
	find_object(bucket, key, &place);
	object->key = strdup(key);
	object->body = body;
	memory_copy_head(&object->arena, &object->head, head);
	object->head.size = body->length;
	object->head.modified_ms = sgh_time_ms();
	object->head.version = __atomic_add_fetch(&versions, 1, __ATOMIC_RELAXED);
	sgh_list_append(place, &object->link);
}

static void add_bucket(struct memory_store *store, const char *name)
{
	struct bucket *bucket = calloc(1, sizeof(*bucket));

	snprintf(bucket->name, sizeof(bucket->name), "%s", name);
	sgh_list_init(&bucket->objects);
	sgh_list_init(&bucket->uploads);
	sgh_list_append(&store->state.buckets, &bucket->link);
}

static void wipe_locked(struct memory_store *store)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(&store->state.buckets))) {
		struct bucket *bucket = sgh_list_entry(link, struct bucket, link);

		while (!sgh_list_empty(&bucket->objects))
			object_free(sgh_list_entry(bucket->objects.next, struct object,
						   link));
		while (!sgh_list_empty(&bucket->uploads))
			memory_upload_free(sgh_list_entry(bucket->uploads.next,
							  struct memory_upload, link));
		free(bucket);
	}
}

/* ---- the verbs ---- */

static int not_found(struct sgh_store_op *op, const char *what)
{
	return sgh_fail(&op->err, SANGRAHA_E_NOT_FOUND, 404, "there is no such %s", what);
}

static void taken_free(struct sgh_local_body *body)
{
	struct taken *taken = sgh_container_of(body, struct taken, base);

	sgh_bytes_unref(taken->bytes);
	free(taken);
}

static int do_put(struct bucket *bucket, struct sgh_store_op *op)
{
	struct object *there = find_object(bucket, op->key, NULL);
	struct sgh_store_head head = head_of(op);
	char sha256[SANGRAHA_SHA256_SIZE];

	if (op->sha256 &&
	    (sgh_sha256_hex(op->body ? op->body->data : NULL,
			    op->body ? op->body->length : 0, sha256, &op->err) ||
	     strcmp(sha256, op->sha256) != 0))
		return sgh_fail(&op->err, SANGRAHA_E_INTERNAL, 400,
				"the body is not of its digest");
	if (there && op->if_none_match)
		return sgh_fail(&op->err, SANGRAHA_E_PRECONDITION, 412, "the key exists");
	add_object(bucket, op->key, &head,
		   sgh_bytes_copy(op->body ? op->body->data : (void *)"",
				  op->body ? op->body->length : 0));
	return 0;
}

static int do_complete(struct bucket *bucket, struct sgh_store_op *op)
{
	struct memory_upload *upload;
	struct sgh_bytes *body;
	int rc = memory_upload_join(&bucket->uploads, op, &upload, &body);

	if (rc)
		return rc;
	if (op->if_none_match && find_object(bucket, op->key, NULL)) {
		sgh_bytes_unref(body);
		return sgh_fail(&op->err, SANGRAHA_E_PRECONDITION, 412, "the key exists");
	}
	add_object(bucket, op->key, &upload->head, body);
	memory_upload_free(upload);
	return 0;
}

static int do_upload(struct bucket *bucket, struct sgh_store_op *op)
{
	struct sgh_store_head head = head_of(op);

	switch (op->verb) {
	case SGH_STORE_UPLOAD_BEGIN:
		return memory_upload_begin(&bucket->uploads, op, &head);
	case SGH_STORE_UPLOAD_PART:
		return memory_upload_part(&bucket->uploads, op);
	case SGH_STORE_UPLOAD_PARTS:
		return memory_upload_parts(&bucket->uploads, op);
	case SGH_STORE_UPLOAD_COMPLETE:
		return do_complete(bucket, op);
	case SGH_STORE_UPLOAD_ABORT:
		return memory_upload_abort(&bucket->uploads, op);
	default:
		return memory_upload_find(&bucket->uploads, op);
	}
}

static bool is_upload(enum sgh_store_verb verb)
{
	return verb >= SGH_STORE_UPLOAD_BEGIN && verb <= SGH_STORE_UPLOAD_FIND;
}

static int do_read(struct memory_store *store, struct object *object,
		   struct sgh_store_op *op)
{
	struct sgh_budget *budget = store->base.context->budget;
	size_t size = object->body->length;
	size_t from = sgh_min((size_t)op->offset, size);
	size_t length = sgh_min(op->max_length, size - from);

	if (op->room)
		budget = NULL;
	memory_copy_head(&op->arena, &op->head, &object->head);
	if (op->verb == SGH_STORE_HEAD || (op->whole && size > op->max_length))
		return 0;
	if (budget)
		sgh_budget_force(budget, length);
	op->data = op->room ? sgh_bytes_ref(op->room) : sgh_bytes_new(budget, length);
	op->data->length = 0;
	sgh_bytes_append(op->data, object->body->data + from, length);
	return 0;
}

static int do_list(struct bucket *bucket, struct sgh_store_op *op)
{
	size_t prefix = op->prefix ? strlen(op->prefix) : 0;

	op->keys = sgh_arena_alloc(&op->arena, op->limit * sizeof(*op->keys));
	sgh_list_for_each (link, &bucket->objects) {
		struct object *object = sgh_list_entry(link, struct object, link);

		if ((prefix && strncmp(object->key, op->prefix, prefix) != 0) ||
		    (op->after && strcmp(object->key, op->after) <= 0))
			continue;
		op->more = op->key_count == op->limit;
		if (op->more)
			break;
		op->keys[op->key_count++] = (struct sgh_store_key){
			.key = sgh_arena_strdup(&op->arena, object->key),
			.size = object->head.size,
			.modified_ms = object->head.modified_ms,
		};
	}
	return 0;
}

/* The bucket that the replica has of it; NULL unless something was copied. */
static struct bucket *find_copies(struct memory_store *store, const char *name, bool make)
{
	struct bucket *copies;
	char text[80];

	snprintf(text, sizeof(text), "%s.copies", name);
	copies = find_bucket(store, text);
	if (copies || !make)
		return copies;
	add_bucket(store, text);
	return find_bucket(store, text);
}

static bool read_copy(struct memory_store *store, struct sgh_store_op *op)
{
	struct bucket *copies =
		op->replicas ? find_copies(store, op->bucket, false) : NULL;
	struct object *object = copies ? find_object(copies, op->key, NULL) : NULL;

	if (!object)
		return false;
	op->replica = 1;
	do_read(store, object, op);
	return true;
}

static int perform_locked(struct memory_store *store, struct sgh_store_op *op)
{
	struct bucket *bucket = find_bucket(store, op->bucket);
	struct object *object;

	if (op->verb == SGH_STORE_CHECK)
		return 0;
	if (op->verb == SGH_STORE_MAKE_BUCKET) {
		if (!bucket)
			add_bucket(store, op->bucket);
		return 0;
	}
	if (read_copy(store, op))
		return 0;
	if (!bucket)
		return op->verb == SGH_STORE_DELETE || op->verb == SGH_STORE_UPLOAD_ABORT
			       ? 0
			       : not_found(op, "bucket");
	if (is_upload(op->verb))
		return do_upload(bucket, op);
	if (op->verb == SGH_STORE_PUT)
		return do_put(bucket, op);
	if (op->verb == SGH_STORE_LIST)
		return do_list(bucket, op);
	object = find_object(bucket, op->key, NULL);
	if (op->verb == SGH_STORE_DELETE) {
		if (object)
			object_free(object);
		return 0;
	}
	return object ? do_read(store, object, op) : not_found(op, "key");
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
		status = perform_locked(store, op);
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
	pthread_cond_signal(&store->state.changed);
	pthread_mutex_unlock(&store->state.lock);
}

/* The first that need not wait, taken out; *ret_late when its time is over. */
static struct pending *next_locked(struct memory_store *store, int64_t *next_ms,
				   bool *ret_late)
{
	sgh_list_for_each (link, &store->state.pending) {
		struct pending *pending = sgh_list_entry(link, struct pending, link);

		*ret_late = pending->given_up || sgh_now_ms() >= pending->op->deadline_ms;
		if (!*ret_late && script_waits(store->script, &pending->step, next_ms)) {
			if (pending->op->deadline_ms < *next_ms)
				*next_ms = pending->op->deadline_ms;
			continue;
		}
		sgh_list_remove(&pending->link);
		return pending;
	}
	return NULL;
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
		pthread_mutex_unlock(&store->state.lock);
		if (late)
			end(store, pending,
			    pending->given_up ? SANGRAHA_E_UNAVAILABLE
					      : SANGRAHA_E_TIMEOUT);
		else
			perform(store, pending);
		pthread_mutex_lock(&store->state.lock);
	}
	pthread_mutex_unlock(&store->state.lock);
	return NULL;
}

static int submit(struct sangraha_store *base, struct sgh_store_op *op,
		  struct sangraha_error *err)
{
	struct memory_store *store = memory_of(base);
	struct pending *pending = calloc(1, sizeof(*pending));

	if (!pending)
		return sgh_fail_memory(err);
	pending->op = op;
	name_op(pending);
	pthread_mutex_lock(&store->state.lock);
	pending->step = script_next(store->script, pending->name);
	store->state.packable += op->verb == SGH_STORE_PUT && op->packable;
	sgh_list_append(&store->state.pending, &pending->link);
	pthread_cond_signal(&store->state.changed);
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

static int local_body_new(struct sgh_local *local, uint64_t length,
			  struct sgh_local_body **ret, struct sangraha_error *err)
{
	struct taken *taken = calloc(1, sizeof(*taken));

	(void)err;
	taken->base.local = local;
	taken->bytes = sgh_bytes_new(NULL, (size_t)length);
	*ret = &taken->base;
	return 0;
}

static void local_body_append(struct sgh_local_body *body, const void *data,
			      size_t length)
{
	struct taken *taken = sgh_container_of(body, struct taken, base);

	assert_true(sgh_bytes_append(taken->bytes, data, length));
	body->appended(body, 0, NULL);
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
	return sgh_local_ticket(&memory_of(base)->local, "", grant, arena, ret, err);
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
	pthread_cond_signal(&store->state.changed);
	pthread_mutex_unlock(&store->state.lock);
}

static void destroy(struct sangraha_store *base)
{
	struct memory_store *store = memory_of(base);

	pthread_mutex_lock(&store->state.lock);
	store->state.stop = true;
	pthread_cond_signal(&store->state.changed);
	pthread_mutex_unlock(&store->state.lock);
	pthread_join(store->thread, NULL);
	script_detach(store->script, store);
	assert_true(sgh_shared_unref(&store->local.shared));
	sgh_shared_closed(&store->local.shared);
	wipe_locked(store);
	pthread_cond_destroy(&store->state.changed);
	pthread_mutex_destroy(&store->state.lock);
	sgh_store_fini(base);
	free(store);
}

static const struct sgh_store_backend memory_backend = {
	.schemes = "memory:",
	.destroy = destroy,
	.submit = submit,
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
	struct bucket *in;
	bool has;

	pthread_mutex_lock(&store->state.lock);
	in = find_bucket(store, bucket);
	has = in && find_object(in, key, NULL);
	pthread_mutex_unlock(&store->state.lock);
	return has;
}

void memory_store_put(struct sangraha_store *base, const struct sgh_store_op *op)
{
	struct memory_store *store = memory_of(base);
	struct sgh_store_op copy = *op;

	pthread_mutex_lock(&store->state.lock);
	if (!find_bucket(store, op->bucket))
		add_bucket(store, op->bucket);
	do_put(find_bucket(store, op->bucket), &copy);
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
	struct object *object;

	pthread_mutex_lock(&store->state.lock);
	object = find_object(find_bucket(store, bucket), key, NULL);
	add_object(find_copies(store, bucket, true), key, &object->head,
		   sgh_bytes_ref(object->body));
	pthread_mutex_unlock(&store->state.lock);
}

void memory_store_age(struct sangraha_store *base, const char *bucket, const char *key,
		      int64_t age_ms)
{
	struct memory_store *store = memory_of(base);
	struct object *object;

	pthread_mutex_lock(&store->state.lock);
	object = find_object(find_bucket(store, bucket), key, NULL);
	object->head.modified_ms = sgh_time_ms() - age_ms;
	pthread_mutex_unlock(&store->state.lock);
}

void memory_store_remove(struct sangraha_store *base, const char *bucket, const char *key)
{
	struct memory_store *store = memory_of(base);
	struct bucket *in;
	struct object *object;

	pthread_mutex_lock(&store->state.lock);
	in = find_bucket(store, bucket);
	object = in ? find_object(in, key, NULL) : NULL;
	if (object)
		object_free(object);
	pthread_mutex_unlock(&store->state.lock);
}

int memory_store_count(struct sangraha_store *base, const char *bucket)
{
	struct memory_store *store = memory_of(base);
	struct bucket *in;
	int count = 0;

	pthread_mutex_lock(&store->state.lock);
	in = find_bucket(store, bucket);
	if (in)
		sgh_list_for_each (link, &in->objects)
			count++;
	pthread_mutex_unlock(&store->state.lock);
	return in ? count : -1;
}

char *memory_store_key(struct sangraha_store *base, const char *bucket, unsigned nth)
{
	struct memory_store *store = memory_of(base);
	struct bucket *in;
	char *key = NULL;

	pthread_mutex_lock(&store->state.lock);
	in = find_bucket(store, bucket);
	if (in)
		sgh_list_for_each (link, &in->objects)
			if (!nth--) {
				key = strdup(
					sgh_list_entry(link, struct object, link)->key);
				break;
			}
	pthread_mutex_unlock(&store->state.lock);
	return key;
}

struct sgh_bytes *memory_store_body(struct sangraha_store *base, const char *bucket,
				    const char *key)
{
	struct memory_store *store = memory_of(base);
	struct bucket *in;
	struct object *object;
	struct sgh_bytes *body = NULL;

	pthread_mutex_lock(&store->state.lock);
	in = find_bucket(store, bucket);
	object = in ? find_object(in, key, NULL) : NULL;
	if (object)
		body = sgh_bytes_ref(object->body);
	pthread_mutex_unlock(&store->state.lock);
	return body;
}

int memory_store_uploads(struct sangraha_store *base, const char *bucket)
{
	struct memory_store *store = memory_of(base);
	struct bucket *in;
	int count = 0;

	pthread_mutex_lock(&store->state.lock);
	in = find_bucket(store, bucket);
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

void memory_store_wipe(struct sangraha_store *base)
{
	struct memory_store *store = memory_of(base);

	pthread_mutex_lock(&store->state.lock);
	wipe_locked(store);
	pthread_mutex_unlock(&store->state.lock);
}
