/* SPDX-License-Identifier: MIT */
#include "store/file.h"

#include "base/error.h"

/*
 * Lookups, on threads that never wait for the one that writes. What a GET hands out is
 * reserved before it is read; who has to wait for memory leaves the thread to others, and
 * looks again when there is some.
 */

/* Of a listing: what a key takes in the arena, and a row of the index cannot exceed. */
#define KEY_ROOM (1024 + sizeof(struct sgh_store_key) + 32)

static int bind_text(sqlite3_stmt *statement, int i, const char *text)
{
	return sqlite3_bind_text(statement, i, text, -1, SQLITE_STATIC);
}

/* ---- what a row says ---- */

static int fill_meta(struct sgh_file_op *self, const char *meta, size_t length,
		     struct sangraha_error *err)
{
	struct sgh_store_head *head = &self->head;
	const char *end = NULL;

	if (length) {
		meta = sgh_arena_text(&self->arena, meta, length);
		if (!meta)
			return sgh_fail_memory(err);
		end = meta + length;
	}
	head->meta_count = 0;
	while (meta != end && head->meta_count < SGH_STORE_META_MAX) {
		struct sgh_pair *pair = &head->meta[head->meta_count++];

		/* The arena ends it with a NUL, so that a damaged row ends as well. */
		pair->name = meta;
		meta += strlen(meta);
		meta += meta != end;
		pair->value = meta;
		meta += strlen(meta);
		meta += meta != end;
	}
	return 0;
}

static int fill_head(struct sgh_file_op *self, sqlite3_stmt *row,
		     struct sangraha_error *err)
{
	const char *type = (const char *)sqlite3_column_text(row, 2);
	const char *meta = sqlite3_column_blob(row, 3);

	sgh_arena_fini(&self->arena);
	self->head.size = (uint64_t)sqlite3_column_int64(row, 0);
	self->head.modified_ms = sqlite3_column_int64(row, 1);
	/* A body in its row is read at once, and 0. Any other has a number of its own. */
	self->head.version = sqlite3_column_int64(row, 4);
	self->head.version +=
		sqlite3_column_type(row, 4) != SQLITE_NULL && self->head.version >= 0;
	self->head.content_type = type ? sgh_arena_strdup(&self->arena, type) : NULL;
	if (!self->head.content_type)
		return sgh_fail_memory(err);
	return fill_meta(self, meta, meta ? (size_t)sqlite3_column_bytes(row, 3) : 0,
			 err);
}

static int fail_absent(struct sgh_file_op *self, struct sgh_file_reader *reader,
		       struct sangraha_error *err)
{
	sqlite3_stmt *bucket = sgh_db_reader_statement(reader->db, SGH_FILE_R_BUCKET);
	char name[SGH_FILE_NAME_SIZE];
	int rc;

	bind_text(bucket, 1, self->bucket);
	rc = sgh_db_reader_run(reader->db, bucket, err);
	if (rc < 0)
		return rc;
	sqlite3_reset(bucket);
	sgh_file_name(self, name);
	return rc ? sgh_fail(err, SANGRAHA_E_NOT_FOUND, 0, "there is no key %s", name)
		  : sgh_fail(err, SANGRAHA_E_NOT_FOUND, 0, "there is no bucket %s",
			     self->bucket);
}

/* ---- GET and HEAD ---- */

/* Let go of memory that turned out to be too little, or not to be needed. */
static void give_back(struct sgh_file_op *self)
{
	size_t reserved = self->reserved;

	self->reserved = 0;
	if (reserved)
		sgh_budget_release(self->file->store.context->budget, reserved);
}

/* Room for `length` bytes in self->data. 1: it has to wait for memory. */
static int make_room(struct sgh_file_op *self, size_t length, struct sangraha_error *err)
{
	struct sgh_budget *budget = self->file->store.context->budget;

	if (self->room) {
		self->data = sgh_bytes_ref(self->room);
		self->data->length = 0;
		return 0;
	}
	/* The object may be another one, and larger, since it began to wait. */
	if (self->reserved < length) {
		give_back(self);
		if (self->max_length <= SGH_BUDGET_LENT)
			sgh_budget_force(budget, length);
		else if (!sgh_budget_try(budget, length))
			return 1;
		self->reserved = length;
	}
	if (!length)
		give_back(self);
	self->data = sgh_bytes_new(length ? budget : NULL, self->reserved);
	if (!self->data)
		return sgh_fail_memory(err);
	self->reserved = 0;
	return 0;
}

static int fail_row(struct sgh_file_op *self, const char *what,
		    struct sangraha_error *err)
{
	char name[SGH_FILE_NAME_SIZE];

	sgh_file_name(self, name);
	sgh_log(self->file->store.context, SANGRAHA_LOG_ERROR, "store", "damaged",
		"%s cannot be read: %s", name, what);
	return sgh_fail(err, SANGRAHA_E_INTERNAL, 0, "%s cannot be read: %s", name, what);
}

static int read_row(struct sgh_file_op *self, sqlite3_stmt *row, size_t length,
		    struct sangraha_error *err)
{
	const char *body = sqlite3_column_blob(row, 5);
	uint64_t size = (uint64_t)sqlite3_column_bytes(row, 5);

	if (!body && self->head.size)
		return sgh_fail_memory(err);
	if (size != self->head.size)
		return fail_row(self, "its body has another length than its row says",
				err);
	sgh_bytes_append(self->data, body + self->offset, length);
	return 0;
}

/* 1: look again, because the row that named the file may be gone as well. */
static int read_file(struct sgh_file_op *self, struct sgh_file_reader *reader,
		     int64_t file, size_t length, struct sangraha_error *err)
{
	struct sangraha_error why = { 0 };
	void *data = self->data->data;
	int rc = file < 0 ? sgh_file_pieces_read(self, reader, sgh_file_pieces_of(file),
						 self->offset, data, length, &why)
			  : sgh_file_body_read(&self->file->engine->bodies,
					       (uint64_t)file, self->head.size,
					       self->offset, data, length, &why);

	self->data->length = length;
	if (rc == SANGRAHA_E_NOT_FOUND && self->missing != file) {
		self->missing = file;
		return 1;
	}
	if (rc == SANGRAHA_E_NOT_FOUND || rc == SANGRAHA_E_INTERNAL)
		return fail_row(self, why.message, err);
	/* One file that cannot be read is not the whole store. */
	self->ours |= rc != 0;
	return rc ? sgh_fail_with(err, rc, &why) : 0;
}

/* The bytes that are wanted, of a row that was found. 1: they have to wait for memory. */
static int read_body(struct sgh_file_op *self, struct sgh_file_reader *reader,
		     sqlite3_stmt *row, bool *ret_again, struct sangraha_error *err)
{
	bool in_file = sqlite3_column_type(row, 4) != SQLITE_NULL;
	int64_t file = sqlite3_column_int64(row, 4);
	uint64_t left =
		self->head.size > self->offset ? self->head.size - self->offset : 0;
	size_t length = left < self->max_length ? (size_t)left : self->max_length;
	int rc;

	if (self->whole && self->head.size > self->max_length)
		return 0;
	rc = make_room(self, length, err);
	if (rc || !length)
		return rc;
	if (!in_file)
		return read_row(self, row, length, err);
	/* Reading a file takes time, and a row in use holds up the log. */
	sqlite3_reset(row);
	rc = read_file(self, reader, file, length, err);
	if (rc != 1)
		return rc;
	sgh_bytes_unref(sgh_take(self->data));
	*ret_again = true;
	return 0;
}

static int look_up(struct sgh_file_op *self, struct sgh_file_reader *reader,
		   bool *ret_again, struct sangraha_error *err)
{
	sqlite3_stmt *row = sgh_db_reader_statement(reader->db, SGH_FILE_R_FIND);
	int rc;

	*ret_again = false;
	bind_text(row, 1, self->bucket);
	bind_text(row, 2, self->key);
	rc = sgh_db_reader_run(reader->db, row, err);
	if (rc == 0)
		return fail_absent(self, reader, err);
	if (rc < 0)
		return rc;
	rc = fill_head(self, row, err);
	if (!rc && self->verb == SGH_STORE_GET)
		rc = read_body(self, reader, row, ret_again, err);
	sqlite3_reset(row);
	return rc;
}

static void read_object(struct sgh_job *job);

static void granted(struct sgh_budget_waiter *waiter)
{
	struct sgh_file_op *self = sgh_container_of(waiter, struct sgh_file_op, waiter);

	self->reserved = waiter->size;
	__atomic_store_n(&self->waiting, false, __ATOMIC_RELEASE);
	sgh_pool_submit(self->file->engine->readers, &self->job);
}

void sgh_file_read_expired(struct sgh_file_op *self)
{
	struct sgh_budget *budget = self->file->store.context->budget;

	if (__atomic_load_n(&self->waiting, __ATOMIC_ACQUIRE) &&
	    sgh_budget_cancel(budget, &self->waiter))
		sgh_file_finish(self);
}

/* True: it stands in line, and is somebody else's from now on. */
static bool wait_for_memory(struct sgh_file_op *self)
{
	struct sgh_budget *budget = self->file->store.context->budget;
	uint64_t left = self->head.size - self->offset;

	self->waiter = (struct sgh_budget_waiter){
		.size = left < self->max_length ? (size_t)left : self->max_length,
		.granted = granted,
	};
	__atomic_add_fetch(&self->refs, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&self->waiting, true, __ATOMIC_RELEASE);
	if (sgh_budget_wait(budget, &self->waiter)) {
		__atomic_store_n(&self->waiting, false, __ATOMIC_RELEASE);
		self->reserved = self->waiter.size;
		sgh_file_op_unref(self);
		return false;
	}
	/* The deadline may have passed just before it was in line. */
	if (sgh_file_abandoned(self))
		sgh_file_read_expired(self);
	sgh_file_op_unref(self);
	return true;
}

static void read_object(struct sgh_job *job)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, job);
	struct sgh_file_reader *reader;
	bool again = true;
	int rc = 0;

	while (again && !sgh_file_abandoned(self)) {
		reader = sgh_file_reader_take(self->file->engine);
		rc = look_up(self, reader, &again, &self->err);
		sgh_file_reader_put(self->file->engine, reader);
		if (rc == 1 && wait_for_memory(self))
			return;
		again |= rc == 1;
	}
	self->status = rc < 0 ? rc : 0;
	sgh_file_finish(self);
}

/* ---- LIST ---- */

static int add_key(struct sgh_file_op *self, sqlite3_stmt *row,
		   struct sangraha_error *err)
{
	const char *key = (const char *)sqlite3_column_text(row, 0);

	self->keys[self->key_count] = (struct sgh_store_key){
		.key = key ? sgh_arena_strdup(&self->arena, key) : NULL,
		.size = (uint64_t)sqlite3_column_int64(row, 1),
		.modified_ms = sqlite3_column_int64(row, 2),
	};
	if (!self->keys[self->key_count].key)
		return sgh_fail_memory(err);
	self->key_count++;
	return 0;
}

/* Keys behind `from` (or from it on), as long as they have the prefix. */
static int list_rows(struct sgh_file_op *self, struct sgh_file_reader *reader,
		     sqlite3_stmt *row, struct sangraha_error *err)
{
	size_t prefix = self->prefix ? strlen(self->prefix) : 0;
	int rc;

	while ((rc = sgh_db_reader_run(reader->db, row, err)) == 1) {
		const char *key = (const char *)sqlite3_column_text(row, 0);

		if (prefix && key && strncmp(key, self->prefix, prefix) != 0)
			break;
		self->more = self->key_count == self->limit;
		if (self->more)
			break;
		rc = add_key(self, row, err);
		if (rc)
			break;
	}
	sqlite3_reset(row);
	return rc < 0 ? rc : 0;
}

static int list_bucket(struct sgh_file_op *self, struct sgh_file_reader *reader,
		       int64_t bucket, struct sangraha_error *err)
{
	const char *prefix = self->prefix ? self->prefix : "";
	bool behind = self->after && strcmp(self->after, prefix) >= 0;
	sqlite3_stmt *row = sgh_db_reader_statement(reader->db, behind ? SGH_FILE_R_AFTER
								       : SGH_FILE_R_FROM);

	self->arena.max = ((size_t)self->limit + 1) * KEY_ROOM;
	self->keys = sgh_arena_alloc(&self->arena, self->limit * sizeof(*self->keys));
	if (!self->keys)
		return sgh_fail_memory(err);
	sqlite3_bind_int64(row, 1, bucket);
	bind_text(row, 2, behind ? self->after : prefix);
	sqlite3_bind_int64(row, 3, (sqlite3_int64)self->limit + 1);
	return list_rows(self, reader, row, err);
}

static int list_keys(struct sgh_file_op *self, struct sgh_file_reader *reader,
		     struct sangraha_error *err)
{
	sqlite3_stmt *bucket = sgh_db_reader_statement(reader->db, SGH_FILE_R_BUCKET);
	int64_t id;
	int rc;

	bind_text(bucket, 1, self->bucket);
	rc = sgh_db_reader_run(reader->db, bucket, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return sgh_fail(err, SANGRAHA_E_NOT_FOUND, 0, "there is no bucket %s",
				self->bucket);
	id = sqlite3_column_int64(bucket, 0);
	sqlite3_reset(bucket);
	if (self->verb == SGH_STORE_UPLOAD_PARTS)
		return sgh_file_list_parts(self, reader, id, err);
	if (self->verb == SGH_STORE_UPLOAD_FIND)
		return sgh_file_list_uploads(self, reader, id, err);
	return list_bucket(self, reader, id, err);
}

static void list(struct sgh_job *job)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, job);
	struct sgh_file_reader *reader;

	if (!sgh_file_abandoned(self)) {
		reader = sgh_file_reader_take(self->file->engine);
		self->status = list_keys(self, reader, &self->err);
		sgh_file_reader_put(self->file->engine, reader);
	}
	sgh_file_finish(self);
}

/* ---- CHECK ---- */

static void check(struct sgh_job *job)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, job);
	struct sgh_file_reader *reader = sgh_file_reader_take(self->file->engine);
	sqlite3_stmt *marks = sgh_db_reader_statement(reader->db, SGH_FILE_R_BUCKET);
	int rc;

	bind_text(marks, 1, "");
	rc = sgh_db_reader_run(reader->db, marks, &self->err);
	sqlite3_reset(marks);
	sgh_file_reader_put(self->file->engine, reader);
	if (rc >= 0 && __atomic_load_n(&self->file->write_failed, __ATOMIC_RELAXED)) {
		sgh_file_probe(self);
		return;
	}
	self->status = rc < 0 ? rc : 0;
	sgh_file_finish(self);
}

void sgh_file_read(struct sgh_file_op *self)
{
	if (self->verb == SGH_STORE_LIST || self->verb == SGH_STORE_UPLOAD_PARTS ||
	    self->verb == SGH_STORE_UPLOAD_FIND)
		self->job.run = list;
	else if (self->verb == SGH_STORE_CHECK)
		self->job.run = check;
	else
		self->job.run = read_object;
	sgh_pool_submit(self->file->engine->readers, &self->job);
}
