/* SPDX-License-Identifier: MIT */
/* The store that objects lie in, and plain calls to it. */
#ifndef SANGRAHA_STORE_H
#define SANGRAHA_STORE_H

#include <stddef.h>
#include <stdint.h>

#include <sangraha/context.h>
#include <sangraha/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * An object store: a MinIO or another S3 server, or a folder of this process's own.
 * Handles are reference counted and usable from any thread. A handle has threads of its
 * own, which keep many requests in flight.
 */
struct sangraha_store;

/* Of sangraha_store_open(). Zero means default. */
struct sangraha_store_options {
	size_t size;               /* sizeof(struct sangraha_store_options) */
	const char *access_key;    /* NULL: requests are not signed */
	const char *secret_key;    /* belongs to the access key */
	const char *region;        /* NULL: "us-east-1" */
	const char *bucket_prefix; /* at most 55 of [a-z0-9-]; NULL: "sangraha-" */
	const char *ca_file;       /* PEM; NULL: the system's */
	unsigned connections;      /* to the store, at most; 0: 64 */
	unsigned idle_timeout_ms;  /* a transfer without a byte fails after; 0: 30000 */
	/*
	 * Where requesters and web browsers reach the same store, a URL as of
	 * sangraha_store_open(): tickets for large objects are signed for it. NULL: the
	 * store's own.
	 */
	const char *public_url;
	/*
	 * Replicas: other S3 stores, a URL each with commas between, into which somebody
	 * copies all buckets of this one, with metadata and deletes, under the same names,
	 * for the same keys and region. Getters read and describe single objects there, in
	 * turns, and what none of them has, or cannot answer, here. So a reader sees what is
	 * new at once, and what was deleted for as long as a replica is behind. Lists,
	 * receivers and the calls below never look there. NULL: there are none.
	 */
	const char *read_url;
	/*
	 * Where requesters reach the replicas, as many and in the same order. NULL: there as
	 * well, or, where `public_url` is set, nowhere: large objects come from the store.
	 */
	const char *public_read_url;
};

/*
 * Open the store at `url`. `options` may be NULL and is copied. On success *ret is a new
 * reference: release it with sangraha_store_unref(). Fails with SANGRAHA_E_INVALID for a
 * scheme this build does not have, and for options that cannot be.
 *
 * "s3+http://host:port", "s3+https://host", comma-separated for several gateways of one
 * store. Nothing is sent yet.
 *
 * "file:DIR": objects in the folder DIR, which is made when it is missing and may hold
 * queues ("local:DIR") too. Of `options` the bucket prefix counts; a `read_url` cannot be.
 * Handles of one context on one folder share what is in it; another process, or another
 * context, is told SANGRAHA_E_UNAVAILABLE. Besides: _UNAUTHORIZED for a folder that cannot
 * be written to, _OVERLOADED for a full disk, _INTERNAL for files that are damaged or of a
 * later version.
 *
 * Since: 0.1
 */
int sangraha_store_open(struct sangraha_context *context, const char *url,
			const struct sangraha_store_options *options,
			struct sangraha_store **ret, struct sangraha_error *err);

/* Take another reference; returns its argument, which may be NULL. Since: 0.1 */
struct sangraha_store *sangraha_store_ref(struct sangraha_store *store);

/*
 * Drop a reference; NULL is accepted. Roles keep their own. The last one waits for the
 * requests in flight and stops the threads. Since: 0.1
 */
void sangraha_store_unref(struct sangraha_store *store);

/*
 * sangraha_store_check() and the calls after it block, and may be made from any thread.
 * `bucket` is without the prefix ("image"), of [a-z0-9-]; `key` is 1 to 1024 bytes of
 * UTF-8 without control characters, whose parts between slashes are not empty, "." or
 * ".."; `timeout_ms` 0 means 30 s. Beyond what is said, all may fail with
 * SANGRAHA_E_INVALID for an argument that cannot be, and with SANGRAHA_E_UNAVAILABLE,
 * _TIMEOUT, _UNAUTHORIZED, _OVERLOADED and _INTERNAL; all but making it and asking
 * whether the store serves with SANGRAHA_E_NOT_FOUND for a bucket that is not there.
 * Roles do not need them.
 */

/* Ask the store whether it serves. Since: 0.1 */
int sangraha_store_check(struct sangraha_store *store, unsigned timeout_ms,
			 struct sangraha_error *err);

/* Make a bucket; one that is there already is no error. Since: 0.1 */
int sangraha_store_make_bucket(struct sangraha_store *store, const char *bucket,
			       unsigned timeout_ms, struct sangraha_error *err);

/* Of sangraha_store_put(). Zero means default. */
struct sangraha_store_put {
	size_t size;                    /* sizeof(struct sangraha_store_put) */
	const char *content_type;       /* NULL: application/octet-stream */
	const char *const *meta_names;  /* [a-z0-9-]; stored as x-amz-meta-<name> */
	const char *const *meta_values; /* printable ASCII */
	size_t meta_count;   /* pairs, at most 48; 8192 bytes with the content type */
	int only_if_absent;  /* 1: If-None-Match: *; fails with SANGRAHA_E_PRECONDITION */
	unsigned timeout_ms; /* 0: 30000 */
};

/*
 * Store `length` bytes, over what may be there; durable when it returns 0. `data` is
 * borrowed; the copy of it that travels waits for room in the context's memory limit.
 * `options` may be NULL. After SANGRAHA_E_TIMEOUT and _UNAVAILABLE it may be stored
 * nevertheless. Since: 0.1
 */
int sangraha_store_put(struct sangraha_store *store, const char *bucket, const char *key,
		       const void *data, size_t length,
		       const struct sangraha_store_put *options,
		       struct sangraha_error *err);

/* What was read; yours: sangraha_store_entry_free(). */
struct sangraha_store_entry;

/*
 * Read at most `max_length` bytes, which is not 0, from `offset`; none of what lies
 * behind the end. On success *ret is yours: sangraha_store_entry_free().
 * SANGRAHA_E_NOT_FOUND is an answer. Since: 0.1
 */
int sangraha_store_get(struct sangraha_store *store, const char *bucket, const char *key,
		       uint64_t offset, size_t max_length, unsigned timeout_ms,
		       struct sangraha_store_entry **ret, struct sangraha_error *err);

/* The same without bytes: size, media type and metadata. Since: 0.1 */
int sangraha_store_head(struct sangraha_store *store, const char *bucket, const char *key,
			unsigned timeout_ms, struct sangraha_store_entry **ret,
			struct sangraha_error *err);

/*
 * The bytes that were read; never NULL. *ret_length, which may be NULL, is how many. They
 * count against the context's memory limit until the entry is freed. Since: 0.1
 */
const void *sangraha_store_entry_data(const struct sangraha_store_entry *entry,
				      size_t *ret_length);
/* The whole object's size in bytes, whatever part was read. Since: 0.1 */
uint64_t sangraha_store_entry_size(const struct sangraha_store_entry *entry);
/* The media type it was stored with; NULL when the store told none. Since: 0.1 */
const char *sangraha_store_entry_content_type(const struct sangraha_store_entry *entry);
/* The value of x-amz-meta-<name>, as it was stored, or NULL. Since: 0.1 */
const char *sangraha_store_entry_meta(const struct sangraha_store_entry *entry,
				      const char *name);
/* Release; NULL is accepted. Since: 0.1 */
void sangraha_store_entry_free(struct sangraha_store_entry *entry);

/* Remove a key; one that is not there is no error. Since: 0.1 */
int sangraha_store_delete(struct sangraha_store *store, const char *bucket,
			  const char *key, unsigned timeout_ms,
			  struct sangraha_error *err);

/*
 * Call `each` with at most `limit` (1 to 1000) keys that begin with `prefix` and sort
 * behind `after`, in the order of their bytes; NULL is all, and from the first. each() is
 * called on this thread when all keys are there, and returns 0 to go on. *ret_more, which
 * may be NULL, is 1 when the store has more. Since: 0.1
 */
int sangraha_store_list(struct sangraha_store *store, const char *bucket,
			const char *prefix, const char *after, unsigned limit,
			unsigned timeout_ms,
			int (*each)(void *arg, const char *key, uint64_t size), void *arg,
			int *ret_more, struct sangraha_error *err);

#ifdef __cplusplus
}
#endif

#endif
