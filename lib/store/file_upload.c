/* SPDX-License-Identifier: MIT */
#include "store/file.h"

#include <limits.h>

#include "base/error.h"
#include "base/failpoint.h"

/*
 * The changes of uploads. A part is a file and a row, as a large object is; completing one
 * makes its parts the pieces of a body, so no byte is copied.
 */

#define BEHIND_ALL (SGH_PARTS_MAX + 1)

static int fail_upload(struct sgh_file_op *self, struct sangraha_error *err)
{
	char name[SGH_FILE_NAME_SIZE];

	sgh_file_name(self, name);
	return sgh_fail(err, SANGRAHA_E_NOT_FOUND, 0, "there is no such upload of %s",
			name);
}

static int fail_bucket(struct sgh_file_op *self, struct sangraha_error *err)
{
	return sgh_fail(err, SANGRAHA_E_NOT_FOUND, 0, "there is no bucket %s",
			self->bucket);
}

/* As sgh_file_find_row(). */
static int find_upload(struct sgh_file_op *self, struct sgh_db *db, int64_t bucket,
		       int64_t *ret, struct sangraha_error *err)
{
	sqlite3_stmt *statement = sgh_db_statement(db, SGH_FILE_W_UPLOAD);
	int rc;

	sqlite3_bind_text(statement, 1, self->upload, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, bucket);
	sqlite3_bind_text(statement, 3, self->key, -1, SQLITE_STATIC);
	rc = sgh_db_run(db, statement, err);
	if (rc == 1) {
		*ret = sqlite3_column_int64(statement, 0);
		sqlite3_reset(statement);
	}
	return rc;
}

/* The bucket and the upload of an operation that somebody waits for. 1: both are there. */
static int find_both(struct sgh_file_op *self, struct sgh_db *db, int64_t *ret_bucket,
		     int64_t *ret_upload, struct sangraha_error *err)
{
	int rc = sgh_file_check_awaited(self, err);

	if (!rc)
		rc = sgh_file_find_bucket(self, db, ret_bucket, err);
	if (rc == 1)
		rc = find_upload(self, db, *ret_bucket, ret_upload, err);
	return rc;
}

/* ---- begin ---- */

static int begin(struct sgh_db_job *job, struct sgh_db *db, struct sangraha_error *err)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, change);
	sqlite3_stmt *statement;
	int64_t bucket = 0;
	int rc = sgh_file_check_awaited(self, err);

	if (rc)
		return rc;
	rc = sgh_file_find_bucket(self, db, &bucket, err);
	if (rc <= 0)
		return rc ? rc : fail_bucket(self, err);
	self->wrote = true;
	statement = sgh_db_statement(db, SGH_FILE_W_BEGIN);
	sqlite3_bind_text(statement, 1, self->begun_upload, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, bucket);
	sqlite3_bind_text(statement, 3, self->key, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 4, self->content_type, -1, SQLITE_STATIC);
	sqlite3_bind_blob64(statement, 5, self->meta, self->meta_length, SQLITE_STATIC);
	return sgh_db_run(db, statement, err);
}

static void begin_upload(struct sgh_file_op *self)
{
	char id[SANGRAHA_ID_SIZE];

	sgh_id_random(id);
	self->begun_upload = sgh_arena_strdup(&self->arena, id);
	if (self->begun_upload) {
		sgh_file_change(self, begin);
		return;
	}
	self->status = sgh_fail_memory(&self->err);
	sgh_file_finish(self);
}

/* ---- a part ---- */

struct part {
	uint64_t size;
	int64_t file;
	bool named; /* its etag is the one that was asked for */
};

static int find_part(struct sgh_db *db, int64_t upload, unsigned number, const char *etag,
		     struct part *ret, struct sangraha_error *err)
{
	sqlite3_stmt *statement = sgh_db_statement(db, SGH_FILE_W_PART);
	int rc;

	sqlite3_bind_int64(statement, 1, upload);
	sqlite3_bind_int64(statement, 2, number);
	rc = sgh_db_run(db, statement, err);
	if (rc == 1) {
		ret->size = (uint64_t)sqlite3_column_int64(statement, 0);
		ret->named =
			sgh_streq((const char *)sqlite3_column_text(statement, 1), etag);
		ret->file = sqlite3_column_int64(statement, 2);
		sqlite3_reset(statement);
	}
	return rc;
}

static int write_part(struct sgh_file_op *self, struct sgh_db *db, int64_t upload,
		      struct sangraha_error *err)
{
	sqlite3_stmt *statement = sgh_db_statement(db, SGH_FILE_W_SET_PART);

	self->wrote = true;
	sqlite3_bind_int64(statement, 1, upload);
	sqlite3_bind_int64(statement, 2, self->part);
	sqlite3_bind_int64(statement, 3, (sqlite3_int64)self->body_file.size);
	sqlite3_bind_text(statement, 4, self->etag, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 5, (sqlite3_int64)self->body_file.number.value);
	return sgh_db_run(db, statement, err);
}

int sgh_file_put_part(struct sgh_db_job *job, struct sgh_db *db,
		      struct sangraha_error *err)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, change);
	struct part there;
	int64_t bucket = 0;
	int64_t upload = 0;
	int rc = find_both(self, db, &bucket, &upload, err);
	int found;

	if (rc <= 0)
		return rc ? rc : fail_upload(self, err);
	found = find_part(db, upload, self->part, NULL, &there, err);
	if (found < 0)
		return found;
	rc = write_part(self, db, upload, err);
	self->trashed = found == 1;
	if (!rc && found)
		rc = sgh_file_run_number(db, SGH_FILE_W_TRASH, there.file, err);
	SGH_FAIL_POINT("file.part-written");
	return rc ? rc : sgh_file_raise_low(self, db, err);
}

/* ---- the end of an upload ---- */

/* The parts between two numbers go. */
static int drop_parts(struct sgh_file_op *self, struct sgh_db *db, int64_t upload,
		      unsigned after, unsigned before, struct sangraha_error *err)
{
	static const enum sgh_file_write steps[] = { SGH_FILE_W_TRASH_PARTS,
						     SGH_FILE_W_DROP_PARTS };
	int rc = 0;

	for (size_t i = 0; !rc && i < SGH_COUNT(steps); i++) {
		sqlite3_stmt *statement = sgh_db_statement(db, steps[i]);

		sqlite3_bind_int64(statement, 1, upload);
		sqlite3_bind_int64(statement, 2, after);
		sqlite3_bind_int64(statement, 3, before);
		rc = sgh_db_run(db, statement, err);
	}
	self->trashed = true;
	return rc;
}

static int abort_upload(struct sgh_db_job *job, struct sgh_db *db,
			struct sangraha_error *err)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, change);
	int64_t bucket = 0;
	int64_t upload = 0;
	int rc = find_both(self, db, &bucket, &upload, err);

	if (rc <= 0)
		return rc;
	self->wrote = true;
	rc = drop_parts(self, db, upload, 0, BEHIND_ALL, err);
	SGH_FAIL_POINT("file.parts-dropped");
	return rc ? rc : sgh_file_run_number(db, SGH_FILE_W_DROP_UPLOAD, upload, err);
}

/* ---- complete ---- */

/* What the parts that are named come to. */
struct whole {
	uint64_t size;
	int64_t body; /* the lowest number of their files names it */
};

static int check_part(struct sgh_file_op *self, struct sgh_db *db, int64_t upload,
		      size_t i, struct whole *whole, struct sangraha_error *err)
{
	const struct sgh_part *part = &self->parts[i];
	struct part there;
	int rc = find_part(db, upload, part->number, part->etag, &there, err);

	if (rc < 0)
		return rc;
	if (!rc || !there.named || (part->size && part->size != there.size))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"part %u is not the one that lies there", part->number);
	if (i && part->number <= self->parts[i - 1].number)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the parts are not in the order of their numbers");
	if (i + 1 < self->part_count && there.size < SGH_PART_MIN)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"part %u has less than %llu bytes and is not the last",
				part->number, (unsigned long long)SGH_PART_MIN);
	whole->size += there.size;
	if (!i || there.file < whole->body)
		whole->body = there.file;
	return 0;
}

static int check_parts(struct sgh_file_op *self, struct sgh_db *db, int64_t upload,
		       struct whole *ret, struct sangraha_error *err)
{
	int rc = 0;

	*ret = (struct whole){ 0 };
	if (!self->part_count)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"an upload is completed with at least one part");
	for (size_t i = 0; !rc && i < self->part_count; i++)
		rc = check_part(self, db, upload, i, ret, err);
	return rc;
}

/* Parts that are there and were not named go. */
static int drop_others(struct sgh_file_op *self, struct sgh_db *db, int64_t upload,
		       struct sangraha_error *err)
{
	unsigned last = 0;
	int rc = 0;

	for (size_t i = 0; !rc && i < self->part_count; i++) {
		unsigned number = self->parts[i].number;

		if (number > last + 1)
			rc = drop_parts(self, db, upload, last, number, err);
		last = number;
	}
	return rc ? rc : drop_parts(self, db, upload, last, BEHIND_ALL, err);
}

static int join(struct sgh_db *db, int64_t upload, const struct whole *whole,
		struct sangraha_error *err)
{
	sqlite3_stmt *statement = sgh_db_statement(db, SGH_FILE_W_JOIN);
	int rc;

	sqlite3_bind_int64(statement, 1, upload);
	sqlite3_bind_int64(statement, 2, whole->body);
	rc = sgh_db_run(db, statement, err);
	if (rc)
		return rc;
	statement = sgh_db_statement(db, SGH_FILE_W_DROP_PARTS);
	sqlite3_bind_int64(statement, 1, upload);
	sqlite3_bind_int64(statement, 2, 0);
	sqlite3_bind_int64(statement, 3, BEHIND_ALL);
	return sgh_db_run(db, statement, err);
}

static int make_object(struct sgh_file_op *self, struct sgh_db *db, int64_t upload,
		       const struct whole *whole, struct sangraha_error *err)
{
	sqlite3_stmt *statement = sgh_db_statement(db, SGH_FILE_W_COMPLETE);

	sqlite3_bind_int64(statement, 1, upload);
	sqlite3_bind_int64(statement, 2, (sqlite3_int64)whole->size);
	sqlite3_bind_int64(statement, 3, self->modified_ms);
	sqlite3_bind_int64(statement, 4, sgh_file_in_pieces(whole->body));
	return sgh_db_run(db, statement, err);
}

/* What is there under the key makes room. */
static int replace(struct sgh_file_op *self, struct sgh_db *db,
		   const struct sgh_file_row *row, struct sangraha_error *err)
{
	int rc = sgh_file_run_number(db, SGH_FILE_W_DELETE, row->id, err);

	return rc ? rc : sgh_file_trash_body(self, db, row, err);
}

static int complete(struct sgh_db_job *job, struct sgh_db *db, struct sangraha_error *err)
{
	struct sgh_file_op *self = sgh_container_of(job, struct sgh_file_op, change);
	struct sgh_file_row row;
	struct whole whole;
	char name[SGH_FILE_NAME_SIZE];
	int64_t bucket = 0;
	int64_t upload = 0;
	int found;
	int rc = find_both(self, db, &bucket, &upload, err);

	if (rc <= 0)
		return rc ? rc : fail_upload(self, err);
	rc = check_parts(self, db, upload, &whole, err);
	if (rc)
		return rc;
	found = sgh_file_find_row(self, db, bucket, &row, err);
	if (found < 0)
		return found;
	sgh_file_name(self, name);
	if (found && self->if_none_match)
		return sgh_fail(err, SANGRAHA_E_PRECONDITION, 0,
				"completing %s: the key exists", name);
	self->wrote = true;
	rc = drop_others(self, db, upload, err);
	if (!rc && found)
		rc = replace(self, db, &row, err);
	if (!rc)
		rc = join(db, upload, &whole, err);
	if (!rc)
		rc = make_object(self, db, upload, &whole, err);
	SGH_FAIL_POINT("file.upload-completed");
	return rc ? rc : sgh_file_run_number(db, SGH_FILE_W_DROP_UPLOAD, upload, err);
}

void sgh_file_upload(struct sgh_file_op *self)
{
	if (self->verb == SGH_STORE_UPLOAD_BEGIN)
		begin_upload(self);
	else if (self->verb == SGH_STORE_UPLOAD_COMPLETE)
		sgh_file_change(self, complete);
	else
		sgh_file_change(self, abort_upload);
}
