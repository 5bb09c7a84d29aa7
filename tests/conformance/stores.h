/* SPDX-License-Identifier: MIT */
#ifndef CONFORMANCE_STORES_H
#define CONFORMANCE_STORES_H

#include <stdio.h>
#include <unistd.h>

#include "base/thread.h"
#include "store/store.h"
#include "support/memory_store.h"
#include "support/t.h"

/*
 * All back ends of the store seam, one operation at a time. A row of `backends` is run over
 * all cases of a program; without its server they are skipped.
 */
struct backend {
	const char *name;
	const char *url_variable; /* NULL: it needs no server */
	bool in_folder;           /* else, without a URL, in memory */
};

static const struct backend backends[] = {
	{ "minio", "SANGRAHA_TEST_MINIO_URL" },
	{ "versitygw", "SANGRAHA_TEST_VERSITY_URL" },
	{ "memory", NULL },
#ifdef SGH_WITH_EMBEDDED
	{ "file", NULL, true },
#endif
};

/* One store with buckets of its own, and one operation at a time in it. */
struct fixture {
	const struct backend *backend;
	struct sangraha_context *context;
	struct sangraha_store *store;
	struct script *script; /* of a store in memory */
	char *folder;          /* of one in a folder */
	struct sgh_store_op op;
	struct sgh_bytes *body;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	/* an upload */
	char *upload;
	struct sgh_part parts[8];
	char etags[8][SGH_PART_ETAG_MAX + 4];
	size_t part_count;
};

static inline void on_done(struct sgh_store_op *op)
{
	struct fixture *f = sgh_container_of(op, struct fixture, op);

	pthread_mutex_lock(&f->lock);
	f->done = true;
	pthread_cond_signal(&f->cond);
	pthread_mutex_unlock(&f->lock);
}

/* Run the operation that was described in f->op; its result stays there. */
static inline int run(struct fixture *f)
{
	int rc;

	f->op.done = on_done;
	if (!f->op.deadline_ms)
		f->op.deadline_ms = sgh_now_ms() + 30000;
	f->done = false;
	rc = sgh_store_submit(f->store, &f->op, &t_err);
	if (rc)
		return rc;
	pthread_mutex_lock(&f->lock);
	while (!f->done)
		pthread_cond_wait(&f->cond, &f->lock);
	pthread_mutex_unlock(&f->lock);
	t_err = f->op.err;
	return f->op.status;
}

static inline struct sgh_store_op *fresh(struct fixture *f, enum sgh_store_verb verb,
					 const char *key)
{
	sgh_store_op_fini(&f->op);
	f->op = (struct sgh_store_op){ .verb = verb, .bucket = "image", .key = key };
	return &f->op;
}

static inline int put(struct fixture *f, const char *key, const char *text)
{
	struct sgh_store_op *op = fresh(f, SGH_STORE_PUT, key);

	sgh_bytes_unref(f->body);
	f->body = t_bytes(text);
	op->body = f->body;
	return run(f);
}

static inline int put_new(struct fixture *f, const char *key, const char *text)
{
	struct sgh_store_op *op = fresh(f, SGH_STORE_PUT, key);

	sgh_bytes_unref(f->body);
	f->body = t_bytes(text);
	op->body = f->body;
	op->if_none_match = true;
	return run(f);
}

static inline int get(struct fixture *f, const char *key, uint64_t offset,
		      size_t max_length)
{
	struct sgh_store_op *op = fresh(f, SGH_STORE_GET, key);

	op->offset = offset;
	op->max_length = max_length;
	return run(f);
}

static inline int head(struct fixture *f, const char *key)
{
	fresh(f, SGH_STORE_HEAD, key);
	return run(f);
}

static inline int erase(struct fixture *f, const char *key)
{
	fresh(f, SGH_STORE_DELETE, key);
	return run(f);
}

static inline int list(struct fixture *f, const char *prefix, const char *after,
		       unsigned limit)
{
	struct sgh_store_op *op = fresh(f, SGH_STORE_LIST, NULL);

	op->prefix = prefix;
	op->after = after;
	op->limit = limit;
	return run(f);
}

static inline int make_bucket(struct fixture *f, const char *bucket)
{
	fresh(f, SGH_STORE_MAKE_BUCKET, NULL)->bucket = bucket;
	return run(f);
}

static inline void holds(struct fixture *f, const char *key, const char *text)
{
	t_ok(get(f, key, 0, 1 << 20));
	t_same_bytes(f->op.data, text);
}

/* ---- uploads ---- */

/* `size` bytes, all of them `byte`. */
static inline struct sgh_bytes *bytes_of(char byte, size_t size)
{
	struct sgh_bytes *bytes = sgh_bytes_new(NULL, size);

	memset(bytes->data, byte, size);
	bytes->length = size;
	return bytes;
}

/* Begin an upload, which is the fixture's one from now on. */
static inline int begin(struct fixture *f, const char *key)
{
	int rc;

	fresh(f, SGH_STORE_UPLOAD_BEGIN, key);
	rc = run(f);
	if (rc)
		return rc;
	free(f->upload);
	f->upload = strdup(f->op.begun_upload);
	f->part_count = 0;
	return 0;
}

static inline struct sgh_store_op *of_upload(struct fixture *f, enum sgh_store_verb verb,
					     const char *key)
{
	struct sgh_store_op *op = fresh(f, verb, key);

	op->upload = f->upload;
	return op;
}

static inline int put_part(struct fixture *f, const char *key, unsigned number, char byte,
			   size_t size)
{
	struct sgh_store_op *op = of_upload(f, SGH_STORE_UPLOAD_PART, key);

	sgh_bytes_unref(f->body);
	f->body = bytes_of(byte, size);
	op->part = number;
	op->body = f->body;
	return run(f);
}

/* The next of the parts to complete the upload with. */
static inline void name_part(struct fixture *f, unsigned number, uint64_t size,
			     const char *etag)
{
	size_t i = f->part_count++;

	assert_true(i < SGH_COUNT(f->parts));
	snprintf(f->etags[i], sizeof(f->etags[i]), "%s", etag);
	f->parts[i] = (struct sgh_part){ number, size, f->etags[i] };
}

static inline void add_part(struct fixture *f, const char *key, unsigned number,
			    char byte, size_t size)
{
	t_ok(put_part(f, key, number, byte, size));
	name_part(f, number, size, f->op.etag);
}

static inline int complete(struct fixture *f, const char *key, bool if_none_match)
{
	struct sgh_store_op *op = of_upload(f, SGH_STORE_UPLOAD_COMPLETE, key);

	op->parts = f->parts;
	op->part_count = f->part_count;
	op->if_none_match = if_none_match;
	return run(f);
}

static inline int abort_upload(struct fixture *f, const char *key)
{
	of_upload(f, SGH_STORE_UPLOAD_ABORT, key);
	return run(f);
}

/* Those behind `after`, into f->op. */
static inline int list_parts(struct fixture *f, const char *key, unsigned after,
			     unsigned limit)
{
	struct sgh_store_op *op = of_upload(f, SGH_STORE_UPLOAD_PARTS, key);

	op->part = after;
	op->limit = limit;
	return run(f);
}

static inline int find_uploads(struct fixture *f, const char *key)
{
	fresh(f, SGH_STORE_UPLOAD_FIND, key);
	return run(f);
}

/* ---- the fixture ---- */

static inline int open_store(struct fixture *f, const struct backend *backend,
			     const char *secret)
{
	char prefix[40];
	struct sangraha_store_options options = {
		.size = sizeof(options),
		.access_key = t_need("SANGRAHA_TEST_S3_ACCESS_KEY"),
		.secret_key = secret ? secret : t_need("SANGRAHA_TEST_S3_SECRET_KEY"),
		.bucket_prefix = prefix,
	};

	snprintf(prefix, sizeof(prefix), "t%d-%llx-", getpid(),
		 (unsigned long long)sgh_now_us());
	return sangraha_store_open(f->context, t_need(backend->url_variable), &options,
				   &f->store, &t_err);
}

static inline int open_folder(struct fixture *f)
{
	sgh_autofree char *url = NULL;

	f->folder = t_folder_new();
	assert_true(asprintf(&url, "file:%s/data", f->folder) > 0);
	return sangraha_store_open(f->context, url, NULL, &f->store, &t_err);
}

static inline int set_up(void **state)
{
	const struct backend *backend = *state;
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->backend = backend;
	pthread_mutex_init(&f->lock, NULL);
	sgh_cond_init(&f->cond);
	if (backend->url_variable && !getenv(backend->url_variable))
		return 0;
	f->context = t_context();
	f->script = script_new();
	if (backend->url_variable)
		t_ok(open_store(f, backend, NULL));
	else if (backend->in_folder)
		t_ok(open_folder(f));
	else
		f->store = memory_store_new(f->context, f->script);
	t_ok(make_bucket(f, "image"));
	t_ok(make_bucket(f, "meta"));
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	sgh_store_op_fini(&f->op);
	sangraha_store_unref(f->store);
	sangraha_context_unref(f->context);
	script_free(f->script);
	t_folder_remove(f->folder);
	free(f->upload);
	sgh_bytes_unref(f->body);
	pthread_cond_destroy(&f->cond);
	pthread_mutex_destroy(&f->lock);
	free(f);
	return 0;
}

static inline struct fixture *needed(void **state)
{
	struct fixture *f = *state;

	if (!f->store)
		t_skip("this back end's server is not there");
	return f;
}

#define CASE(function)                                       \
	{                                                    \
#function, function, set_up, tear_down, NULL \
	}

/* Name the cases after a back end, and have them know it. */
static inline void name_cases(struct CMUnitTest *named, char (*names)[80],
			      const struct CMUnitTest *all, size_t count,
			      const struct backend *backend)
{
	for (size_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "%s.%s", backend->name, all[i].name);
		named[i] = all[i];
		named[i].name = names[i];
		named[i].initial_state = (void *)backend;
	}
}

/* A program that runs the cases over every back end. */
#define CONFORMANCE_MAIN(cases)                                                          \
	int main(void)                                                                   \
	{                                                                                \
		struct CMUnitTest named[SGH_COUNT(cases)];                               \
		char names[SGH_COUNT(cases)][80];                                        \
		int failed = 0;                                                          \
                                                                                         \
		for (size_t i = 0; i < SGH_COUNT(backends); i++) {                       \
			name_cases(named, names, cases, SGH_COUNT(cases), &backends[i]); \
			failed += cmocka_run_group_tests_name(backends[i].name, named,   \
							      NULL, NULL);               \
		}                                                                        \
		return failed;                                                           \
	}

#endif
