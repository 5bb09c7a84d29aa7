/* SPDX-License-Identifier: MIT */
#include "store/file.h"

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "wire/sha256.h"

/*
 * Changes. Rows are written by the one thread that writes; a large body is a file before its
 * row is, and a row that goes leaves its file to the trash in the same transaction.
 */

/* ---- what the last write knows ---- */

static void note(struct sgh_file_op *self, int status, const struct sangraha_error *err)
{
	bool disk = (status == SANGRAHA_E_OVERLOADED && err->native != ENOMEM) ||
		    status == SANGRAHA_E_UNAVAILABLE || status == SANGRAHA_E_UNAUTHORIZED;

	/* What makes room is written where nothing else is. */
	if ((!status && self->wrote && !self->change.frees) || disk)
		__atomic_store_n(&self->file->write_failed, disk, __ATOMIC_RELAXED);
	/* A disk that cannot be written to may well be read: that is not the breaker's. */
	self->ours |= disk;
	self->status = status;
	if (status && err != &self->err)
		self->err = *err;
}

/* ---- rows, on the thread that writes ---- */

int sgh_file_find_bucket(struct sgh_file_op *self, struct sgh_db *db, int64_t *ret,
			 struct sangraha_error *err)
{
	sqlite3_stmt *statement = sgh_db_statement(db, SGH_FILE_W_BUCKET);
	int rc;

	sqlite3_bind_text(statement, 1, self->bucket, -1, SQLITE_STATIC);
	rc = sgh_db_run(db, statement, err);
	if (rc == 1) {
		*ret = sqlite3_column_int64(statement, 0);
		sqlite3_reset(statement);
	}
	return rc;
}

int sgh_file_find_row(struct sgh_file_op *self, struct sgh_db *db, int64_t bucket,
		      struct sgh_file_row *ret, struct sangraha_error *err)
{
	sqlite3_stmt *statement = sgh_db_statement(db, SGH_FILE_W_FIND);
	int rc;

	sqlite3_bind_int64(statement, 1, bucket);
	sqlite3_bind_text(statement, 2, self->key, -1, SQLITE_STATIC);
	rc = sgh_db_run(db, statement, err);
	if (rc == 1) {
		ret->id = sqlite3_column_int64(statement, 0);
		ret->in_file = sqlite3_column_type(statement, 1) != SQLITE_NULL;
		ret->file = sqlite3_column_int64(statement, 1);
		sqlite3_reset(statement);
	}
	return rc;
}

int sgh_file_run_number(struct sgh_db *db, enum sgh_file_write which, int64_t number,
			struct sangraha_error *err)
{
	sqlite3_stmt *statement = sgh_db_statement(db, which);

	sqlite3_bind_int64(statement, 1, number);
	return sgh_db_run(db, statement, err);
}

/* Once in a thousand files: the next open need not look at those that are settled. */
int sgh_file_raise_low(struct sgh_file_op *self, struct sgh_db *db,
		       struct sangraha_error *err)
{
	struct sgh_file_engine *engine = self->file->engine;
	uint64_t low = sgh_file_bodies_low(&engine->bodies);

	low -= low % SGH_FILE_FOLDER_SIZE;
	if (low <= engine->low)
		return 0;
	/* If this is not committed the mark stays lower, which does no harm. */
	engine->low = low;
	return sgh_file_run_number(db, SGH_FILE_W_LOW, (int64_t)low, err);
}

static int write_row(struct sgh_file_op *self, struct sgh_db *db, int64_t bucket,
		     const struct sgh_file_row *there, struct sangraha_error *err)
{
	sqlite3_stmt *statement =
		sgh_db_statement(db, there ? SGH_FILE_W_UPDATE : SGH_FILE_W_INSERT);
	uint64_t size = self->in_file ? self->body_file.size
			: self->body  ? self->body->length
				      : 0;

	self->wrote = true;
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)size);
	sqlite3_bind_int64(statement, 2, self->modified_ms);
	sqlite3_bind_text(statement, 3, self->content_type, -1, SQLITE_STATIC);
	sqlite3_bind_blob64(statement, 4, self->meta, self->meta_length, SQLITE_STATIC);
	if (self->in_file)
		sqlite3_bind_int64(statement, 5,
				   (sqlite3_int64)self->body_file.number.value);
	else if (size)
		sqlite3_bind_blob64(statement, 6, self->body->data, size, SQLITE_STATIC);
	if (there) {
		sqlite3_bind_int64(statement, 7, there->id);
	} else {
		sqlite3_bind_int64(statement, 8, bucket);
		sqlite3_bind_text(statement, 9, self->key, -1, SQLITE_STATIC);
	}
	return sgh_db_run(db, statement, err);
}

int sgh_file_trash_body(struct sgh_file_op *self, struct sgh_db *db,
			const struct sgh_file_row *row, struct sangraha_error *err)
{
	int64_t body = sgh_file_pieces_of(row->file);
	int rc;

	if (!row->in_file)
		return 0;
	self->trashed = true;
	if (row->file >= 0)
		return sgh_file_run_number(db, SGH_FILE_W_TRASH, row->file, err);
	rc = sgh_file_run_number(db, SGH_FILE_W_TRASH_PIECES, body, err);
	return rc ? rc : sgh_file_run_number(db, SGH_FILE_W_DROP_PIECES, body, err);
}

/* Past its deadline nobody waits, and a change may surprise those who went on. */
int sgh_file_check_awaited(struct sgh_file_op *self, struct sangraha_error *err)
{
	if (sgh_file_abandoned(self))
		return sgh_fail(err, SANGRAHA_E_TIMEOUT, 0,
				"the deadline passed before it was written");
	return 0;
}

static int put(struct sgh_db_job *job, struct sgh_db *db, struct sangraha_error *err)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, change);
	char name[SGH_FILE_NAME_SIZE];
	struct sgh_file_row row;
	int64_t bucket = 0;
	bool there;
	int rc = sgh_file_check_awaited(self, err);

	if (rc)
		return rc;
	rc = sgh_file_find_bucket(self, db, &bucket, err);
	if (rc == 0)
		return sgh_fail(err, SANGRAHA_E_NOT_FOUND, 0, "there is no bucket %s",
				self->bucket);
	if (rc == 1)
		rc = sgh_file_find_row(self, db, bucket, &row, err);
	if (rc < 0)
		return rc;
	there = rc == 1;
	sgh_file_name(self, name);
	if (there && self->if_none_match)
		return sgh_fail(err, SANGRAHA_E_PRECONDITION, 0, "PUT %s: the key exists",
				name);
	rc = write_row(self, db, bucket, there ? &row : NULL, err);
	if (!rc && there)
		rc = sgh_file_trash_body(self, db, &row, err);
	if (!rc && self->in_file)
		rc = sgh_file_raise_low(self, db, err);
	SGH_FAIL_POINT("file.row-written");
	return rc;
}

static int erase(struct sgh_db_job *job, struct sgh_db *db, struct sangraha_error *err)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, change);
	struct sgh_file_row row;
	int64_t bucket;
	int rc = sgh_file_check_awaited(self, err);

	if (rc)
		return rc;
	rc = sgh_file_find_bucket(self, db, &bucket, err);
	if (rc == 1)
		rc = sgh_file_find_row(self, db, bucket, &row, err);
	if (rc <= 0)
		return rc;
	self->wrote = true;
	rc = sgh_file_run_number(db, SGH_FILE_W_DELETE, row.id, err);
	SGH_FAIL_POINT("file.row-erased");
	return rc ? rc : sgh_file_trash_body(self, db, &row, err);
}

static int make_bucket(struct sgh_db_job *job, struct sgh_db *db,
		       struct sangraha_error *err)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, change);
	sqlite3_stmt *statement = sgh_db_statement(db, SGH_FILE_W_MAKE_BUCKET);

	int rc;

	sqlite3_bind_text(statement, 1, self->bucket, -1, SQLITE_STATIC);
	rc = sgh_db_run(db, statement, err);
	SGH_FAIL_POINT("file.bucket-made");
	self->wrote = !rc && sqlite3_changes(sgh_db_writer(db)) > 0;
	return rc;
}

/* ---- a body file whose row was not written ---- */

static void undo(struct sgh_job *job)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, job);
	struct sgh_file_bodies *bodies = &self->file->engine->bodies;
	uint64_t value = self->body_file.number.value;
	size_t count = 1;

	sgh_file_body_close(&self->body_file);
	if (sgh_file_bodies_remove(bodies, &value, &count, NULL))
		sgh_file_number_stick(bodies, &self->body_file.number);
	else
		sgh_file_number_settle(bodies, &self->body_file.number);
	sgh_file_finish(self);
}

/*
 * When the log could not be synced the row may be there after a crash. Only a commit that
 * came after it tells; that one puts the number into the trash unless a row has it.
 */
static int doubt(struct sgh_db_job *job, struct sgh_db *db, struct sangraha_error *err)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, change);

	return sgh_file_run_number(db, SGH_FILE_W_TRASH_UNUSED,
				   (int64_t)self->body_file.number.value, err);
}

static void doubt_ended(struct sgh_db_job *job, int status,
			const struct sangraha_error *err)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, change);
	struct sgh_file_engine *engine = self->file->engine;

	SGH_FAIL_POINT("file.doubted");
	if (status) {
		sgh_file_number_stick(&engine->bodies, &self->body_file.number);
	} else {
		sgh_file_number_settle(&engine->bodies, &self->body_file.number);
		sgh_file_trash_kick(engine);
	}
	sgh_file_finish(self);
}

static void put_failed(struct sgh_file_op *self)
{
	struct sgh_file_engine *engine = self->file->engine;

	if (self->status == SANGRAHA_E_UNAVAILABLE) {
		self->change.run = doubt;
		self->change.done = doubt_ended;
		self->change.frees = true;
		sgh_db_submit(engine->db, &self->change);
	} else {
		self->job.run = undo;
		sgh_pool_submit(engine->writers, &self->job);
	}
}

/* ---- the way of a change ---- */

static void changed(struct sgh_db_job *job, int status, const struct sangraha_error *err)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, change);
	struct sgh_file_engine *engine = self->file->engine;

	SGH_FAIL_POINT("file.committed");
	note(self, status, err);
	if (status && self->in_file) {
		put_failed(self);
		return;
	}
	if (self->in_file)
		sgh_file_number_settle(&engine->bodies, &self->body_file.number);
	if (!status && self->trashed)
		sgh_file_trash_kick(engine);
	sgh_file_finish(self);
}

void sgh_file_change(struct sgh_file_op *self,
		     int (*run)(struct sgh_db_job *job, struct sgh_db *db,
				struct sangraha_error *err))
{
	self->change.run = run;
	self->change.done = changed;
	sgh_db_submit(self->file->engine->db, &self->change);
}

/* A part is called by its digest, and some puts say which they want. */
static int check_digest(struct sgh_file_op *self, struct sangraha_error *err)
{
	const struct sgh_bytes *body = self->body;
	int rc = 0;

	if (!self->sha256[0] && self->verb != SGH_STORE_UPLOAD_PART)
		return 0;
	if (!self->digest[0])
		rc = sgh_sha256_hex(body ? body->data : NULL, body ? body->length : 0,
				    self->digest, err);
	if (!rc && self->sha256[0] && strcmp(self->digest, self->sha256) != 0)
		rc = sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
			      "the body to store has another digest than was said");
	return rc;
}

/* A failure that the change only reports, on the thread that ends changes. */
static int report(struct sgh_db_job *job, struct sgh_db *db, struct sangraha_error *err)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, change);

	return sgh_fail_with(err, self->status, &self->err);
}

/* The same bytes have the same etag, so that a part may be sent again. */
static int name_part(struct sgh_file_op *self, struct sangraha_error *err)
{
	char etag[35];

	if (self->verb != SGH_STORE_UPLOAD_PART)
		return 0;
	snprintf(etag, sizeof(etag), "\"%.32s\"", self->digest);
	self->etag = sgh_arena_strdup(&self->arena, etag);
	return self->etag ? 0 : sgh_fail_memory(err);
}

static int make_file(struct sgh_file_op *self, struct sangraha_error *err)
{
	struct sgh_file_bodies *bodies = &self->file->engine->bodies;
	const struct sgh_bytes *body = self->body;
	int rc = 0;

	if (!self->in_file)
		sgh_file_number_take(bodies, &self->body_file.number);
	self->in_file = true;
	if (self->body_file.fd < 0)
		rc = sgh_file_body_create(bodies, &self->body_file, err);
	if (!rc && body)
		rc = sgh_file_body_append(bodies, &self->body_file, body->data,
					  body->length, err);
	return rc ? rc : sgh_file_body_finish(bodies, &self->body_file, err);
}

static void write_body(struct sgh_job *job)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, job);

	if (self->taken)
		self->status = sgh_file_take_over(self, &self->err);
	if (!self->status)
		self->status = sgh_file_check_awaited(self, &self->err);
	if (!self->status)
		self->status = check_digest(self, &self->err);
	if (!self->status)
		self->status = name_part(self, &self->err);
	if (!self->status)
		note(self, make_file(self, &self->err), &self->err);
	if (self->status && self->in_file)
		undo(job);
	else if (self->status)
		sgh_file_finish(self);
	else if (self->verb == SGH_STORE_PUT)
		sgh_file_change(self, put);
	else
		sgh_file_change(self, sgh_file_put_part);
}

static bool needs_file(const struct sgh_file_op *self)
{
	return self->taken || self->verb == SGH_STORE_UPLOAD_PART ||
	       (self->body && self->body->length > SGH_FILE_SMALL_MAX);
}

void sgh_file_write(struct sgh_file_op *self)
{
	if (self->verb == SGH_STORE_DELETE) {
		sgh_file_change(self, erase);
	} else if (self->verb == SGH_STORE_MAKE_BUCKET) {
		sgh_file_change(self, make_bucket);
	} else if (needs_file(self)) {
		self->job.run = write_body;
		sgh_pool_submit(self->file->engine->writers, &self->job);
	} else if (self->verb != SGH_STORE_PUT) {
		sgh_file_upload(self);
	} else {
		self->status = check_digest(self, &self->err);
		sgh_file_change(self, self->status ? report : put);
	}
}

/* ---- whether it can be written to ---- */

static int probe(struct sgh_db_job *job, struct sgh_db *db, struct sangraha_error *err)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, change);

	self->wrote = true;
	return sgh_db_run(db, sgh_db_statement(db, SGH_FILE_W_PROBE), err);
}

static void probed(struct sgh_db_job *job, int status, const struct sangraha_error *err)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, change);

	note(self, status, err);
	/* A refusal would stop reading, too; this is a store that serves in part. */
	if (self->status && self->status != SANGRAHA_E_OVERLOADED)
		self->status = self->err.status = SANGRAHA_E_UNAVAILABLE;
	sgh_file_finish(self);
}

void sgh_file_probe(struct sgh_file_op *self)
{
	self->change.run = probe;
	self->change.room = SGH_FILE_SMALL_MAX;
	self->change.done = probed;
	sgh_db_submit(self->file->engine->db, &self->change);
}
