/* SPDX-License-Identifier: MIT */
#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sangraha/store.h>

#include "base/clock.h"
#include "base/context.h"
#include "store/file.h"
#include "support/sql.h"
#include "support/t.h"

/* A store in a folder of its own, and what the tests of it look at behind its back. */

#define LARGE (SGH_FILE_SMALL_MAX + 1)

struct folder {
	char *path;
	struct sangraha_context *context;
	struct sangraha_store *store;
};

static inline int folder_try(struct folder *f)
{
	sgh_autofree char *url = NULL;

	assert_true(asprintf(&url, "file:%s", f->path) > 0);
	if (!f->context)
		f->context = t_context();
	return sangraha_store_open(f->context, url, NULL, &f->store, &t_err);
}

static inline void folder_close(struct folder *f)
{
	sangraha_store_unref(sgh_take(f->store));
	sangraha_context_unref(sgh_take(f->context));
}

static inline void folder_open(struct folder *f)
{
	folder_close(f);
	t_ok(folder_try(f));
}

/* A body of `size` bytes, all of them `byte`. */
static inline int folder_put(struct folder *f, const char *key, char byte, size_t size)
{
	sgh_autofree char *body = malloc(size + 1);

	memset(body, byte, size);
	return sangraha_store_put(f->store, "image", key, body, size, NULL, &t_err);
}

static inline int folder_put_new(struct folder *f, const char *key, char byte,
				 size_t size)
{
	const struct sangraha_store_put options = {
		.size = sizeof(options),
		.only_if_absent = 1,
	};
	sgh_autofree char *body = malloc(size + 1);

	memset(body, byte, size);
	return sangraha_store_put(f->store, "image", key, body, size, &options, &t_err);
}

static inline int folder_delete(struct folder *f, const char *key)
{
	return sangraha_store_delete(f->store, "image", key, 0, &t_err);
}

static inline int folder_get(struct folder *f, const char *key, char *ret_byte,
			     size_t *ret_size)
{
	struct sangraha_store_entry *entry = NULL;
	int rc =
		sangraha_store_get(f->store, "image", key, 0, 1 << 23, 0, &entry, &t_err);
	const char *data;

	if (rc)
		return rc;
	data = sangraha_store_entry_data(entry, ret_size);
	assert_int_equal(*ret_size, sangraha_store_entry_size(entry));
	*ret_byte = *ret_size ? data[0] : '\0';
	if (*ret_size)
		assert_memory_equal(data, data + 1, *ret_size - 1);
	sangraha_store_entry_free(entry);
	return 0;
}

static inline void folder_holds(struct folder *f, const char *key, char byte, size_t size)
{
	char got = '\0';
	size_t got_size = 0;

	t_ok(folder_get(f, key, &got, &got_size));
	assert_int_equal(got, byte);
	assert_int_equal(got_size, size);
}

static inline void folder_lacks(struct folder *f, const char *key)
{
	char byte;
	size_t size;

	t_fails(SANGRAHA_E_NOT_FOUND, folder_get(f, key, &byte, &size));
}

/* SQL on its database; the number that it gives, or 0. */
static inline int64_t folder_sql(struct folder *f, const char *sql)
{
	return t_sql(f->path, "store.db", sql);
}

/* How many body files there are; with `size` their bytes as well. */
static inline int folder_files(struct folder *f, int64_t *ret_bytes)
{
	sgh_autofree char *path = t_path(f->path, "objects");
	DIR *objects = opendir(path);
	struct dirent *outer, *inner;
	int count = 0;

	*ret_bytes = 0;
	while (objects && (outer = readdir(objects))) {
		sgh_autofree char *name = t_path(path, outer->d_name);
		DIR *folder = outer->d_name[0] == '.' ? NULL : opendir(name);
		struct stat info;

		while (folder && (inner = readdir(folder)))
			if (inner->d_name[0] != '.' &&
			    !fstatat(dirfd(folder), inner->d_name, &info, 0)) {
				*ret_bytes += info.st_size;
				count++;
			}
		if (folder)
			closedir(folder);
	}
	if (objects)
		closedir(objects);
	return count;
}

/*
 * Each body file has its row, each row its file, each piece and part its object or upload,
 * and the trash is empty.
 */
static inline bool folder_is_tidy(struct folder *f)
{
	int64_t bytes;
	int files = folder_files(f, &bytes);

	return !folder_sql(f, "SELECT count(*) FROM trash") &&
	       folder_sql(f, "SELECT (SELECT count(*) FROM object WHERE file >= 0)"
			     " + (SELECT count(*) FROM part)"
			     " + (SELECT count(*) FROM piece)") == files &&
	       folder_sql(f, "SELECT (SELECT coalesce(sum(size), 0) FROM object"
			     "  WHERE file IS NOT NULL)"
			     " + (SELECT coalesce(sum(size), 0) FROM part)") == bytes &&
	       !folder_sql(f, "SELECT count(*) FROM part"
			      " WHERE upload NOT IN (SELECT id FROM upload)") &&
	       !folder_sql(f, "SELECT count(*) FROM piece WHERE -1 - body NOT IN"
			      " (SELECT file FROM object WHERE file < 0)");
}

/* ---- uploads ---- */

struct folder_wait {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static inline void folder_op_done(struct sgh_store_op *op)
{
	struct folder_wait *wait = op->arg;

	pthread_mutex_lock(&wait->lock);
	wait->done = true;
	pthread_cond_signal(&wait->cond);
	pthread_mutex_unlock(&wait->lock);
}

/* Run an operation on the bucket "image"; its result is in `op`. */
static inline int folder_run(struct folder *f, struct sgh_store_op *op)
{
	struct folder_wait wait = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
	int rc;

	op->bucket = "image";
	op->done = folder_op_done;
	op->arg = &wait;
	if (!op->deadline_ms)
		op->deadline_ms = sgh_now_ms() + 30000;
	rc = sgh_store_submit(f->store, op, &t_err);
	if (rc)
		return rc;
	pthread_mutex_lock(&wait.lock);
	while (!wait.done)
		pthread_cond_wait(&wait.cond, &wait.lock);
	pthread_mutex_unlock(&wait.lock);
	t_err = op->err;
	return op->status;
}

/* The upload id, yours to free; NULL when it could not be begun. */
static inline char *folder_begin(struct folder *f, const char *key)
{
	struct sgh_store_op op = { .verb = SGH_STORE_UPLOAD_BEGIN, .key = key };
	char *upload = folder_run(f, &op) ? NULL : strdup(op.begun_upload);

	sgh_store_op_fini(&op);
	return upload;
}

/* A part of `size` bytes, all of them `byte`, and what its completion is told of it. */
struct folder_part {
	struct sgh_part part;
	char etag[SGH_PART_ETAG_MAX + 1];
};

static inline int folder_part(struct folder *f, const char *key, const char *upload,
			      unsigned number, char byte, size_t size,
			      struct folder_part *ret)
{
	struct sgh_store_op op = {
		.verb = SGH_STORE_UPLOAD_PART,
		.key = key,
		.upload = upload,
		.part = number,
		.body = sgh_bytes_new(NULL, size),
	};
	int rc;

	memset(op.body->data, byte, size);
	op.body->length = size;
	rc = folder_run(f, &op);
	if (!rc && ret) {
		snprintf(ret->etag, sizeof(ret->etag), "%s", op.etag);
		ret->part = (struct sgh_part){ number, size, ret->etag };
	}
	sgh_bytes_unref(op.body);
	sgh_store_op_fini(&op);
	return rc;
}

static inline int folder_complete(struct folder *f, const char *key, const char *upload,
				  const struct folder_part *parts, size_t count)
{
	struct sgh_part named[16];
	struct sgh_store_op op = {
		.verb = SGH_STORE_UPLOAD_COMPLETE,
		.key = key,
		.upload = upload,
		.parts = named,
		.part_count = count,
	};
	int rc;

	for (size_t i = 0; i < count; i++)
		named[i] = parts[i].part;
	rc = folder_run(f, &op);
	sgh_store_op_fini(&op);
	return rc;
}

static inline int folder_abort(struct folder *f, const char *key, const char *upload)
{
	struct sgh_store_op op = {
		.verb = SGH_STORE_UPLOAD_ABORT,
		.key = key,
		.upload = upload,
	};
	int rc = folder_run(f, &op);

	sgh_store_op_fini(&op);
	return rc;
}

/* The byte at `offset` of an object; '\0' when it cannot be read. */
static inline char folder_byte(struct folder *f, const char *key, uint64_t offset)
{
	struct sgh_store_op op = {
		.verb = SGH_STORE_GET,
		.key = key,
		.offset = offset,
		.max_length = 1,
	};
	char byte = '\0';

	if (!folder_run(f, &op) && op.data->length)
		byte = (char)op.data->data[0];
	sgh_store_op_fini(&op);
	return byte;
}

/* "folder/objects/<number / 1000>/<number>"; yours to free. */
static inline char *folder_body(struct folder *f, int number)
{
	char name[64];

	snprintf(name, sizeof(name), "objects/%d/%d", number / 1000, number);
	return t_path(f->path, name);
}

static inline int folder_set_up(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	*state = f;
	f->path = t_folder_new();
	folder_open(f);
	t_ok(sangraha_store_make_bucket(f->store, "image", 0, &t_err));
	return 0;
}

static inline int folder_tear_down(void **state)
{
	struct folder *f = *state;

	folder_close(f);
	t_folder_remove(f->path);
	free(f);
	return 0;
}

#define FOLDER_CASE(function) \
	cmocka_unit_test_setup_teardown(function, folder_set_up, folder_tear_down)

#endif
