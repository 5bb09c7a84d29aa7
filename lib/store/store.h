/* SPDX-License-Identifier: MIT */
#ifndef SGH_STORE_STORE_H
#define SGH_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/store.h>

#include "base/breaker.h"
#include "base/bytes.h"
#include "base/context.h"
#include "base/list.h"
#include "wire/object.h"

/*
 * The store seam: one operation is one request to the store, submitted and completed by
 * callback. Roles know nothing of what is behind.
 */

enum sgh_store_verb {
	SGH_STORE_PUT,
	SGH_STORE_GET,
	SGH_STORE_HEAD,
	SGH_STORE_DELETE, /* a key that is not there is success */
	SGH_STORE_LIST,
	SGH_STORE_MAKE_BUCKET, /* one that is there already is success */
	SGH_STORE_CHECK,       /* does the store serve */
};

/* What GET and HEAD learn. Strings live in the operation's arena. */
struct sgh_store_head {
	uint64_t size; /* of the whole object */
	const char *content_type;
	int64_t modified_ms;                      /* Unix */
	struct sgh_pair meta[SGH_STORE_META_MAX]; /* names lower case, no x-amz-meta- */
	size_t meta_count;
};

struct sgh_store_key {
	const char *key;
	uint64_t size;
	int64_t modified_ms;
};

/*
 * One operation, embedded in the caller's struct and zero-initialised. The fields of the
 * request stay unchanged, with what they point to, until `done` was called.
 */
struct sgh_store_op {
	/* the request */
	enum sgh_store_verb verb;
	const char *bucket; /* without the prefix: "image", "meta" */
	const char *key;
	struct sgh_bytes *body; /* put; NULL: empty */
	const char *content_type;
	const struct sgh_pair *meta; /* put: values in printable ASCII */
	size_t meta_count;
	bool if_none_match;  /* put: SANGRAHA_E_PRECONDITION when the key exists */
	const char *sha256;  /* put: digest of the body in hex where known, else NULL */
	uint64_t offset;     /* get */
	size_t max_length;   /* get: bytes, at most */
	const char *prefix;  /* list; NULL: all */
	const char *after;   /* list: keys behind this one; NULL: from the first */
	unsigned limit;      /* list: 1 to 1000 */
	int64_t deadline_ms; /* monotonic */
	/*
	 * Called exactly once, on a thread of the store, with no lock held; a store may have
	 * several, which end operations at the same time. Must be short and must not drop
	 * the last reference to the store.
	 */
	void (*done)(struct sgh_store_op *op);
	void *arg; /* the caller's own */

	/* the result, complete when `done` is called */
	int status;
	struct sangraha_error err;
	struct sgh_arena arena;
	struct sgh_store_head head;
	struct sgh_bytes *data;     /* get: accounted for in the context's budget */
	struct sgh_store_key *keys; /* list, in the order of their bytes; in the arena */
	size_t key_count;
	bool more; /* list: keys are left */

	/* private to store.c */
	int64_t begun_ms;

	/* private to the back end */
	bool ours; /* why it failed says nothing about the store: no memory, a conflict */
	struct sgh_list link;
	void *backend;
};

/*
 * Begin an operation. Fails at once, without `done`: SANGRAHA_E_INVALID for arguments
 * that cannot be, SANGRAHA_E_UNAVAILABLE while the breaker is open, SANGRAHA_E_OVERLOADED
 * past the bound on operations in flight, SANGRAHA_E_TIMEOUT when the deadline has passed.
 *
 * What `done` finds in `status`: 0; SANGRAHA_E_NOT_FOUND (key or bucket; get, head),
 * _PRECONDITION (put: the key exists), _UNAVAILABLE (worth a retry: no connection, 5xx,
 * 429, 409 ConditionalRequestConflict; a put may have happened), _TIMEOUT (likewise),
 * _UNAUTHORIZED, _OVERLOADED (no memory, disk full), _INVALID (a name that this store
 * does not take), _INTERNAL.
 */
int sgh_store_submit(struct sangraha_store *store, struct sgh_store_op *op,
		     struct sangraha_error *err);

/* Release what a completed operation holds: arena, data. Keeps the request fields. */
void sgh_store_op_fini(struct sgh_store_op *op);

/* Milliseconds the breaker has been open; 0 when the store is thought to serve. */
int64_t sgh_store_down_ms(struct sangraha_store *store);

/* The common part of every back end's store, its first member. */
struct sangraha_store {
	const struct sgh_store_backend *backend;
	int refs; /* atomic */
	struct sangraha_context *context;
	char bucket_prefix[64];
	unsigned in_flight; /* atomic */
	struct sgh_breaker breaker;
};

/*
 * What a back end provides. store.c checks arguments, asks the breaker and tells it, and
 * holds no lock while calling; a back end sees only valid buckets and keys.
 */
struct sgh_store_backend {
	const char *schemes; /* "s3+http:" or several, separated by spaces */

	/*
	 * Begins with sgh_store_init(). On failure the back end has released everything
	 * it took.
	 */
	int (*open)(struct sangraha_context *context, const char *url,
		    const struct sangraha_store_options *options,
		    struct sangraha_store **ret, struct sangraha_error *err);

	/* The last reference is gone. Waits for operations in flight; then fini. */
	void (*destroy)(struct sangraha_store *store);

	/* Completes by sgh_store_complete(). */
	int (*submit)(struct sangraha_store *store, struct sgh_store_op *op,
		      struct sangraha_error *err);
};

/* The common part, with one reference; and its end, where it may be zero. */
void sgh_store_init(struct sangraha_store *store, const struct sgh_store_backend *backend,
		    struct sangraha_context *context,
		    const struct sangraha_store_options *options);
void sgh_store_fini(struct sangraha_store *store);

/* A back end is done with an operation: status and err are set. Calls `done`. */
void sgh_store_complete(struct sangraha_store *store, struct sgh_store_op *op);

extern const struct sgh_store_backend sgh_store_s3;
extern const struct sgh_store_backend sgh_store_file; /* with SGH_WITH_EMBEDDED */

#endif
