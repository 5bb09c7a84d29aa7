/* SPDX-License-Identifier: MIT */
#include "store/file.h"

#include "base/error.h"

/* Bodies whose bytes lie in several files, and the uploads that they come from. */

#define UPLOADS_MAX 1000

/* ---- pieces ---- */

struct piece {
	uint64_t start;
	uint64_t size;
	uint64_t file;
};

/* The piece that has the byte at `offset`. 1: it is there. */
static int find_piece(struct sgh_file_reader *reader, int64_t body, uint64_t offset,
		      struct piece *ret, struct sangraha_error *err)
{
	sqlite3_stmt *row = sgh_db_reader_statement(reader->db, SGH_FILE_R_PIECE);
	int rc;

	sqlite3_bind_int64(row, 1, body);
	sqlite3_bind_int64(row, 2, (sqlite3_int64)offset);
	rc = sgh_db_reader_run(reader->db, row, err);
	if (rc == 1) {
		ret->start = (uint64_t)sqlite3_column_int64(row, 0);
		ret->size = (uint64_t)sqlite3_column_int64(row, 1);
		ret->file = (uint64_t)sqlite3_column_int64(row, 2);
		/* Reading a file takes time, and a row in use holds up the log. */
		sqlite3_reset(row);
	}
	return rc;
}

int sgh_file_pieces_read(struct sgh_file_op *self, struct sgh_file_reader *reader,
			 int64_t body, uint64_t offset, void *data, size_t length,
			 struct sangraha_error *err)
{
	struct sgh_file_bodies *bodies = &self->file->engine->bodies;
	unsigned char *at = data;

	while (length) {
		struct piece piece = { 0 };
		uint64_t from;
		size_t count;
		int rc = find_piece(reader, body, offset, &piece, err);

		if (rc == 0)
			return sgh_fail(err, SANGRAHA_E_NOT_FOUND, 0,
					"its pieces are gone");
		if (rc < 0)
			return rc;
		from = offset - piece.start;
		if (from >= piece.size)
			return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
					"one of its pieces is missing");
		count = piece.size - from < length ? (size_t)(piece.size - from) : length;
		rc = sgh_file_body_read(bodies, piece.file, piece.size, from, at, count,
					err);
		if (rc)
			return rc;
		at += count;
		offset += count;
		length -= count;
	}
	return 0;
}

/* ---- uploads ---- */

static int find_upload(struct sgh_file_op *self, struct sgh_file_reader *reader,
		       int64_t bucket, int64_t *ret, struct sangraha_error *err)
{
	sqlite3_stmt *row = sgh_db_reader_statement(reader->db, SGH_FILE_R_UPLOAD);
	char name[SGH_FILE_NAME_SIZE];
	int rc;

	sqlite3_bind_text(row, 1, self->upload, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 2, bucket);
	sqlite3_bind_text(row, 3, self->key, -1, SQLITE_STATIC);
	rc = sgh_db_reader_run(reader->db, row, err);
	if (rc < 0)
		return rc;
	sgh_file_name(self, name);
	if (rc == 0)
		return sgh_fail(err, SANGRAHA_E_NOT_FOUND, 0,
				"there is no such upload of %s", name);
	*ret = sqlite3_column_int64(row, 0);
	sqlite3_reset(row);
	return 0;
}

static int add_part(struct sgh_file_op *self, sqlite3_stmt *row,
		    struct sangraha_error *err)
{
	struct sgh_part *part = &self->found_parts[self->found_part_count];
	const char *etag = (const char *)sqlite3_column_text(row, 2);

	part->number = (unsigned)sqlite3_column_int64(row, 0);
	part->size = (uint64_t)sqlite3_column_int64(row, 1);
	part->etag = etag ? sgh_arena_strdup(&self->arena, etag) : NULL;
	if (!part->etag)
		return sgh_fail_memory(err);
	self->found_part_count++;
	return 0;
}

int sgh_file_list_parts(struct sgh_file_op *self, struct sgh_file_reader *reader,
			int64_t bucket, struct sangraha_error *err)
{
	sqlite3_stmt *row;
	int64_t upload = 0;
	int rc = find_upload(self, reader, bucket, &upload, err);

	if (rc)
		return rc;
	self->found_parts =
		sgh_arena_alloc(&self->arena, self->limit * sizeof(*self->found_parts));
	if (!self->found_parts)
		return sgh_fail_memory(err);
	row = sgh_db_reader_statement(reader->db, SGH_FILE_R_PARTS);
	sqlite3_bind_int64(row, 1, upload);
	sqlite3_bind_int64(row, 2, self->part);
	sqlite3_bind_int64(row, 3, (sqlite3_int64)self->limit + 1);
	while ((rc = sgh_db_reader_run(reader->db, row, err)) == 1) {
		self->more = self->found_part_count == self->limit;
		if (self->more)
			break;
		rc = add_part(self, row, err);
		if (rc)
			break;
	}
	sqlite3_reset(row);
	return rc < 0 ? rc : 0;
}

int sgh_file_list_uploads(struct sgh_file_op *self, struct sgh_file_reader *reader,
			  int64_t bucket, struct sangraha_error *err)
{
	sqlite3_stmt *row = sgh_db_reader_statement(reader->db, SGH_FILE_R_UPLOADS);
	int rc;

	self->uploads =
		sgh_arena_alloc(&self->arena, UPLOADS_MAX * sizeof(*self->uploads));
	if (!self->uploads)
		return sgh_fail_memory(err);
	sqlite3_bind_int64(row, 1, bucket);
	sqlite3_bind_text(row, 2, self->key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 3, UPLOADS_MAX);
	while ((rc = sgh_db_reader_run(reader->db, row, err)) == 1) {
		const char *name = (const char *)sqlite3_column_text(row, 0);

		name = name ? sgh_arena_strdup(&self->arena, name) : NULL;
		if (!name) {
			rc = sgh_fail_memory(err);
			break;
		}
		self->uploads[self->upload_count++] = name;
	}
	sqlite3_reset(row);
	return rc;
}
