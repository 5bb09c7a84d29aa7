/* SPDX-License-Identifier: MIT */
#include "store/file.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

/* Handles on a local folder, and the life of an operation. */

/* Work that outlived its operations counts too, so a disk that hangs cannot pile it up. */
#define WORK_MAX   8192
#define NAME_SHOWN 100 /* bytes of a key in a sentence */

void sgh_file_name(const struct sgh_file_op *self, char text[SGH_FILE_NAME_SIZE])
{
	size_t length = strlen(self->key);
	bool cut = length > NAME_SHOWN;

	if (cut)
		length = NAME_SHOWN;
	while (cut && ((unsigned char)self->key[length] & 0xc0) == 0x80)
		length--;
	snprintf(text, SGH_FILE_NAME_SIZE, "%s/%.*s%s", self->bucket, (int)length,
		 self->key, cut ? "…" : "");
}

/* ---- the end of an operation ---- */

static void work_done(struct sgh_file *file)
{
	pthread_mutex_lock(&file->s.lock);
	if (!--file->s.work)
		pthread_cond_signal(&file->s.idle);
	pthread_mutex_unlock(&file->s.lock);
}

void sgh_file_op_unref(struct sgh_file_op *self)
{
	struct sgh_file *file = self->file;

	if (__atomic_sub_fetch(&self->refs, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_mutex_lock(&file->s.lock);
	sgh_list_remove(&self->link);
	pthread_mutex_unlock(&file->s.lock);
	if (self->reserved)
		sgh_budget_release(file->store.context->budget, self->reserved);
	sgh_bytes_unref(self->data);
	sgh_bytes_unref(self->body);
	sgh_bytes_unref(self->room);
	sgh_arena_fini(&self->arena);
	free(self->parts);
	free(self);
	work_done(file);
}

bool sgh_file_abandoned(struct sgh_file_op *self)
{
	return !__atomic_load_n(&self->op, __ATOMIC_ACQUIRE);
}

/* Whoever gets it ends it: the work, or the timer. */
static struct sgh_store_op *claim(struct sgh_file_op *self)
{
	return __atomic_exchange_n(&self->op, NULL, __ATOMIC_ACQ_REL);
}

static void hand_over(struct sgh_file_op *self, struct sgh_store_op *op)
{
	op->status = self->status;
	op->err = self->status ? self->err : (struct sangraha_error){ 0 };
	/* Nothing of it is the disk's fault, or the disk's only as long as it is full. */
	op->ours = self->ours || self->status == SANGRAHA_E_OVERLOADED;
	if (self->status)
		return;
	op->head = self->head;
	sgh_arena_fini(&op->arena);
	op->arena = self->arena;
	self->arena = (struct sgh_arena){ 0 };
	op->data = sgh_take(self->data);
	op->keys = self->keys;
	op->key_count = self->key_count;
	op->more = self->more;
	op->begun_upload = self->begun_upload;
	op->etag = self->etag;
	op->found_parts = self->found_parts;
	op->found_part_count = self->found_part_count;
	op->uploads = self->uploads;
	op->upload_count = self->upload_count;
}

void sgh_file_finish(struct sgh_file_op *self)
{
	struct sgh_store_op *op = claim(self);

	if (sgh_timer_cancel(self->file->engine->timers, &self->timer))
		sgh_file_op_unref(self);
	if (op) {
		hand_over(self, op);
		sgh_store_complete(&self->file->store, op);
	}
	sgh_file_op_unref(self);
}

/* Why it ends before its work does. */
static int end_early(const struct sgh_file_op *self, struct sgh_store_op *op)
{
	if (self->given_up)
		return sgh_fail(&op->err, SANGRAHA_E_UNAVAILABLE, 0,
				"the operation was given up");
	return sgh_fail(&op->err, SANGRAHA_E_TIMEOUT, 0,
			op->ours ? "the deadline passed while it waited for memory"
				 : "the disk took too long");
}

/* The deadline. The work goes on by itself, but for one that only waits for memory. */
static void expired(struct sgh_timer *timer)
{
	struct sgh_file_op *self = sgh_container_of(timer, struct sgh_file_op, timer);
	struct sgh_store_op *op = claim(self);

	if (op) {
		op->ours = self->given_up ||
			   __atomic_load_n(&self->waiting, __ATOMIC_ACQUIRE);
		op->status = end_early(self, op);
		if (sgh_store_changes(self->verb))
			__atomic_store_n(&self->file->write_failed, true,
					 __ATOMIC_RELAXED);
		sgh_file_read_expired(self);
		sgh_store_complete(&self->file->store, op);
	}
	sgh_file_op_unref(self);
}

/* ---- its beginning ---- */

static size_t text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static size_t meta_size(const struct sgh_store_op *op)
{
	size_t size = 0;

	for (size_t i = 0; i < op->meta_count; i++)
		size += text_size(op->meta[i].name) + text_size(op->meta[i].value);
	return size;
}

static const char *copy(char **at, const char *text)
{
	char *to = *at;

	if (!text)
		return NULL;
	*at = stpcpy(to, text) + 1;
	return to;
}

static void copy_put(struct sgh_file_op *self, const struct sgh_store_op *op, char **at)
{
	self->content_type = copy(at, op->content_type ? op->content_type
						       : "application/octet-stream");
	self->meta = *at;
	for (size_t i = 0; i < op->meta_count; i++) {
		copy(at, op->meta[i].name);
		copy(at, op->meta[i].value);
	}
	self->meta_length = (size_t)(*at - self->meta);
	if (op->sha256)
		snprintf(self->sha256, sizeof(self->sha256), "%s", op->sha256);
}

/* The parts that a completion names, with their texts, in one piece of memory. */
static bool copy_parts(struct sgh_file_op *self, const struct sgh_store_op *op)
{
	size_t size = op->part_count * sizeof(*op->parts);
	char *at;

	for (size_t i = 0; i < op->part_count; i++)
		size += text_size(op->parts[i].etag);
	self->parts = malloc(size ? size : 1);
	if (!self->parts)
		return false;
	at = (char *)&self->parts[op->part_count];
	self->part_count = op->part_count;
	for (size_t i = 0; i < op->part_count; i++) {
		self->parts[i] = op->parts[i];
		self->parts[i].etag = copy(&at, op->parts[i].etag);
	}
	return true;
}

static struct sgh_file_op *op_new(struct sgh_file *file, struct sgh_store_op *op)
{
	const char *prefix = file->store.bucket_prefix;
	size_t size = strlen(prefix) + text_size(op->bucket) + text_size(op->key) +
		      text_size(op->prefix) + text_size(op->after) +
		      text_size(op->upload) + 32 + text_size(op->content_type) +
		      meta_size(op);
	struct sgh_file_op *self = calloc(1, sizeof(*self) + size);
	char *at;

	if (!self)
		return NULL;
	self->file = file;
	self->op = op;
	self->owner = op->owner;
	sgh_list_init(&self->link);
	self->refs = 2;
	self->verb = op->verb;
	at = stpcpy(self->text, prefix);
	copy(&at, op->bucket);
	self->bucket = self->text;
	self->key = copy(&at, op->key);
	self->prefix = copy(&at, op->prefix);
	self->after = copy(&at, op->after);
	self->offset = op->offset;
	self->max_length = op->max_length;
	self->limit = op->limit;
	self->whole = op->whole;
	self->upload = copy(&at, op->upload);
	self->part = op->part;
	self->if_none_match = op->if_none_match;
	self->change.frees = op->frees || op->verb == SGH_STORE_DELETE ||
			     op->verb == SGH_STORE_UPLOAD_ABORT;
	self->modified_ms = sgh_time_ms();
	self->missing = INT64_MAX;
	self->body_file = SGH_FILE_BODY_NONE;
	if (op->verb == SGH_STORE_PUT || op->verb == SGH_STORE_UPLOAD_BEGIN)
		copy_put(self, op, &at);
	if (op->verb == SGH_STORE_UPLOAD_COMPLETE && !copy_parts(self, op)) {
		free(self);
		return NULL;
	}
	self->body = sgh_bytes_ref(op->body);
	self->room = sgh_bytes_ref(op->room);
	return self;
}

static bool work_begins(struct sgh_file *file)
{
	bool begins;

	pthread_mutex_lock(&file->s.lock);
	begins = file->s.work < WORK_MAX;
	file->s.work += begins;
	pthread_mutex_unlock(&file->s.lock);
	return begins;
}

static void be_under_way(struct sgh_file *file, struct sgh_file_op *self)
{
	pthread_mutex_lock(&file->s.lock);
	sgh_list_append(&file->s.ops, &self->link);
	pthread_mutex_unlock(&file->s.lock);
}

static int file_submit(struct sangraha_store *store, struct sgh_store_op *op,
		       struct sangraha_error *err)
{
	struct sgh_file *file = sgh_container_of(store, struct sgh_file, store);
	struct sgh_file_op *self;

	if (!work_begins(file))
		return sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
				"%d operations are waiting for the disk", WORK_MAX);
	self = op_new(file, op);
	if (!self) {
		work_done(file);
		return sgh_fail_memory(err);
	}
	if (op->taken)
		self->taken = sgh_container_of(op->taken, struct sgh_file_taken, body);
	be_under_way(file, self);
	self->timer.fire = expired;
	if (!sgh_timer_arm(file->engine->timers, &self->timer, op->deadline_ms)) {
		self->refs = 1;
		sgh_file_op_unref(self);
		return sgh_fail_memory(err);
	}
	if (sgh_store_changes(self->verb))
		sgh_file_write(self);
	else
		sgh_file_read(self);
	return 0;
}

/* One of that owner's whose time is not over; from here on it is, by our doing. */
static struct sgh_file_op *take_one(struct sgh_file *file, const void *owner)
{
	struct sgh_file_op *found = NULL;

	pthread_mutex_lock(&file->s.lock);
	sgh_list_for_each (link, &file->s.ops) {
		struct sgh_file_op *self = sgh_list_entry(link, struct sgh_file_op, link);

		if (self->owner == owner &&
		    sgh_timer_cancel(file->engine->timers, &self->timer)) {
			found = self;
			break;
		}
	}
	pthread_mutex_unlock(&file->s.lock);
	return found;
}

static void file_cancel(struct sangraha_store *store, const void *owner)
{
	struct sgh_file *file = sgh_container_of(store, struct sgh_file, store);
	struct sgh_file_op *self;

	while ((self = take_one(file, owner))) {
		self->given_up = true;
		expired(&self->timer);
	}
}

/* ---- handles ---- */

static void file_destroy(struct sangraha_store *store)
{
	struct sgh_file *file = sgh_container_of(store, struct sgh_file, store);

	pthread_mutex_lock(&file->s.lock);
	while (file->s.work)
		sgh_cond_wait_until(&file->s.idle, &file->s.lock, SGH_NEVER);
	pthread_mutex_unlock(&file->s.lock);
	sgh_file_engine_put(file->engine);
	pthread_cond_destroy(&file->s.idle);
	pthread_mutex_destroy(&file->s.lock);
	sgh_store_fini(&file->store);
	free(file);
}

/* "file:DIR"; "file:///DIR" is one too, but "file://host/DIR" would be another machine's. */
static int find_folder(const char *url, char **ret, struct sangraha_error *err)
{
	const char *path = url + strlen("file:");

	if (!*path)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the store URL \"file:\" names no folder; give one, as "
				"in file:/var/lib/sangraha");
	if (path[0] == '/' && path[1] == '/' && path[2] != '/')
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the store URL \"file:\" takes a folder of this machine, "
				"as in file:/var/lib/sangraha, and no host");
	return sgh_datadir_make(path, ret, err);
}

int sgh_file_new(struct sangraha_context *context, struct sgh_file_engine *engine,
		 const struct sangraha_store_options *options,
		 struct sangraha_store **ret, struct sangraha_error *err)
{
	struct sgh_file *file = calloc(1, sizeof(*file));

	if (!file) {
		sgh_file_engine_put(engine);
		return sgh_fail_memory(err);
	}
	sgh_store_init(&file->store, &sgh_store_file, context, options);
	pthread_mutex_init(&file->s.lock, NULL);
	sgh_cond_init(&file->s.idle);
	sgh_list_init(&file->s.ops);
	file->engine = engine;
	*ret = &file->store;
	return 0;
}

static int file_open(struct sangraha_context *context, const char *url,
		     const struct sangraha_store_options *options,
		     struct sangraha_store **ret, struct sangraha_error *err)
{
	sgh_autofree char *path = NULL;
	struct sgh_file_engine *engine;
	int rc = find_folder(url, &path, err);

	if (!rc && sgh_option(options, read_url, NULL))
		rc = sgh_fail(err, SANGRAHA_E_INVALID, 0,
			      "a store in a folder has no replicas");
	if (!rc)
		rc = sgh_file_engine_get(context, path, &engine, err);
	return rc ? rc : sgh_file_new(context, engine, options, ret, err);
}

static int file_ticket(struct sangraha_store *store, const struct sgh_store_grant *grant,
		       struct sgh_arena *arena, struct sgh_ticket **ret,
		       struct sangraha_error *err)
{
	struct sgh_file *file = sgh_container_of(store, struct sgh_file, store);

	return sgh_local_ticket(&file->engine->local, store->bucket_prefix, grant, arena,
				ret, err);
}

const struct sgh_store_backend sgh_store_file = {
	.schemes = "file:",
	.open = file_open,
	.destroy = file_destroy,
	.submit = file_submit,
	.cancel = file_cancel,
	.ticket = file_ticket,
};
