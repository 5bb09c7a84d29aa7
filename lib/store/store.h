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
#include "wire/parts.h"
#include "wire/ticket.h"

/*
 * The store seam: one operation is one request to the store, submitted and completed by
 * callback. Roles know nothing of what is behind.
 */

enum sgh_store_verb {
	SGH_STORE_PUT,
	SGH_STORE_GET,
	SGH_STORE_HEAD,
	SGH_STORE_DELETE, /* a key that is not there is success */
	/*
	 * An upload of an object in parts. Nothing of it is seen before it is completed.
	 * Begin: content type and metadata as of a put, fixed from here on.
	 */
	SGH_STORE_UPLOAD_BEGIN,
	SGH_STORE_UPLOAD_PART,     /* one part; the same number again replaces it */
	SGH_STORE_UPLOAD_PARTS,    /* those that are there, by their numbers */
	SGH_STORE_UPLOAD_COMPLETE, /* with these parts, by number and etag */
	SGH_STORE_UPLOAD_ABORT,    /* one that is not there is success */
	SGH_STORE_UPLOAD_FIND,     /* the open uploads of exactly this key */
	SGH_STORE_LIST,
	SGH_STORE_MAKE_BUCKET, /* one that is there already is success */
	SGH_STORE_CHECK,       /* does the store serve */
};

struct sgh_local_body;

/* What GET and HEAD learn. Strings live in the operation's arena. */
struct sgh_store_head {
	uint64_t size; /* of the whole object */
	const char *content_type;
	int64_t modified_ms; /* Unix */
	/* Of a store in this process: changes with the body of a larger object. Else 0. */
	int64_t version;
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
	struct sgh_bytes *body; /* put, upload part; NULL: empty */
	/* ... or what came in pieces (store/local.h), taken over unless submitting fails */
	struct sgh_local_body *taken;
	const char *content_type;
	const struct sgh_pair *meta; /* put: values in printable ASCII */
	size_t meta_count;
	/* put, upload complete: SANGRAHA_E_PRECONDITION when the key exists */
	bool if_none_match;
	/*
	 * Put, without a condition: the caller is certain that nobody else writes this key,
	 * so it may travel with others, and wait for those that went before it.
	 */
	bool packable;
	/*
	 * Put, packable: the caller has others at hand. It may wait for them, until the
	 * caller says by sgh_store_go_on() that there are no more.
	 */
	bool held;
	const char *sha256; /* put: digest of the body in hex where known, else NULL */
	/* put: it is small, and needed to make room: it may use what is kept for that */
	bool frees;
	uint64_t offset;   /* get */
	size_t max_length; /* get: bytes, at most; over SGH_BUDGET_LENT they may wait */
	/* get: becomes `data`, with room for max_length; NULL: memory of the budget */
	struct sgh_bytes *room;
	/* get: an object of more than max_length bytes comes without any, `data` NULL */
	bool whole;
	const char *prefix; /* list; NULL: all */
	const char *after;  /* list: keys behind this one; NULL: from the first */
	unsigned limit;     /* list, upload parts: 1 to 1000 */
	const char *upload; /* the upload id; all upload verbs but begin and find */
	unsigned part; /* upload part: its number; upload parts: those after this one */
	const struct sgh_part *parts; /* upload complete */
	size_t part_count;
	/*
	 * Get, head, check: a replica's answer will do, which may be one of a while ago. What
	 * a replica does not have, or cannot tell, the store is asked for.
	 */
	bool replicas;
	int64_t deadline_ms; /* monotonic */
	/*
	 * Monotonic; 0: the deadline. Until when the outcome is of use, where that is sooner:
	 * of several gateways none may be silent for so long that nothing is left of it.
	 */
	int64_t wanted_ms;
	const void *owner; /* for sgh_store_cancel(); NULL: nobody */
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
	bool unsent; /* it failed, and the store was not asked; false: that is not known */
	/*
	 * Put: as soon as `done` returns, another operation of the same owner ends, on the
	 * same thread. So what can be done for several at once may be left to the last one.
	 */
	bool goes_on;
	struct sgh_arena arena;
	struct sgh_store_head head;
	unsigned
		replica; /* get, head: the one that answered, from 1; 0: the store itself */
	struct sgh_bytes *data;     /* get: accounted for in the context's budget */
	struct sgh_store_key *keys; /* list, in the order of their bytes; in the arena */
	size_t key_count;
	bool more;                    /* list, upload parts: some are left */
	const char *begun_upload;     /* upload begin: its id; in the arena */
	const char *etag;             /* upload part: with its quotes; in the arena */
	struct sgh_part *found_parts; /* upload parts; in the arena */
	size_t found_part_count;
	const char **uploads; /* upload find: ids, in the arena; at most 1000 */
	size_t upload_count;

	/* private to store.c */
	int64_t begun_ms;

	/* private to the back end */
	bool ours; /* why it failed says nothing about the store: no memory, a conflict */
	bool tar;  /* s3: what is put is taken apart, or refused */
	bool garbled;    /* s3: other bytes than were sent arrived there */
	uint32_t avoid;  /* s3: gateways that it is not for, a bit each */
	size_t packed;   /* s3: the bytes that it takes in an archive, while it waits */
	int64_t gone_ms; /* s3: when it went */
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
 * does not take), _INTERNAL. Of upload verbs: _NOT_FOUND when there is no such upload (it
 * was completed or aborted); of complete _INVALID when the parts are not those that lie
 * there, or one is too small.
 */
int sgh_store_submit(struct sangraha_store *store, struct sgh_store_op *op,
		     struct sangraha_error *err);

/*
 * There is nobody that operations which are held would wait for. From any thread, holding
 * no lock.
 */
void sgh_store_go_on(struct sangraha_store *store);

/* What a ticket is wanted for. Strings are borrowed for the call. */
struct sgh_store_grant {
	enum sgh_ticket_kind kind;
	const char *bucket;
	const char *key;
	int64_t expires_ms; /* Unix; at most 7 days from now */
	/* put, with everything signed: size, content type, metadata, If-None-Match: * */
	uint64_t size;
	const char *sha256; /* in hex: pins the bytes; NULL: any */
	/* in hex: enough to find what was damaged on its way; NULL: look at sha256 alone */
	const char *crc32c;
	const char *content_type;
	const struct sgh_pair *meta;
	size_t meta_count;
	/* parts */
	const char *upload;
	const char *record;
	unsigned first_part;
	unsigned part_count; /* 1 to SGH_TICKET_URLS_MAX */
	/* get: the `replica` of the operation that found the object */
	unsigned replica;
	/* get: what the store is to say in these headers; NULL: as stored */
	const char *response_type;
	const char *response_disposition;
};

/*
 * Make a ticket: signs, and asks nobody. *ret and its strings live in `arena`. From any
 * thread. SANGRAHA_E_INVALID for arguments that cannot be.
 */
int sgh_store_ticket(struct sangraha_store *store, const struct sgh_store_grant *grant,
		     struct sgh_arena *arena, struct sgh_ticket **ret,
		     struct sangraha_error *err);

/* Release what a completed operation holds: arena, data. Keeps the request fields. */
void sgh_store_op_fini(struct sgh_store_op *op);

/*
 * End the operations of that owner that are in flight, soon and with _UNAVAILABLE: what was
 * sent may have been done. From any thread, holding no lock. One that is submitted
 * meanwhile may be missed. `done` may be called on the caller's thread, too.
 */
void sgh_store_cancel(struct sangraha_store *store, const void *owner);

/*
 * Milliseconds the breaker has been open; 0 when the store is thought to serve. Changes may
 * be impossible while reads go on: then only the second one is not 0.
 */
int64_t sgh_store_down_ms(struct sangraha_store *store);
int64_t sgh_store_writes_down_ms(struct sangraha_store *store);
/* The same of operations that replicas may answer: 0 while one of those serves, too. */
int64_t sgh_store_replicas_down_ms(struct sangraha_store *store);

/* Whether an operation changes what is stored: its failures say nothing about reads. */
bool sgh_store_changes(enum sgh_store_verb verb);

/* The common part of every back end's store, its first member. */
struct sangraha_store {
	const struct sgh_store_backend *backend;
	int refs; /* atomic */
	struct sangraha_context *context;
	char bucket_prefix[64];
	unsigned in_flight; /* atomic */
	/* Unless the back end keeps its own. Without the first there are no changes either. */
	struct sgh_breaker breaker;
	struct sgh_breaker changes;
};

#define SGH_STORE_PATIENCE_MS 5000 /* a store that took longer does not serve */

/* Failures in a row that open a breaker. */
#define SGH_STORE_BREAKER_THRESHOLD 5

/*
 * What a back end provides. store.c checks arguments, asks the breakers and tells them, and
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

	/* sgh_store_go_on(). NULL: nothing waits. */
	void (*go_on)(struct sangraha_store *store);

	/* sgh_store_cancel(). NULL: operations end by themselves soon enough. */
	void (*cancel)(struct sangraha_store *store, const void *owner);

	/*
	 * Not NULL: it has breakers of its own, and refuses in submit() what they keep out.
	 * For how long there have been no changes, or nothing at all.
	 */
	int64_t (*down_ms)(struct sangraha_store *store, bool changes);
	/* With replicas, as far as those may answer. NULL: it has none. */
	int64_t (*replicas_down_ms)(struct sangraha_store *store);

	/* sgh_store_ticket(), with arguments that were checked. */
	int (*ticket)(struct sangraha_store *store, const struct sgh_store_grant *grant,
		      struct sgh_arena *arena, struct sgh_ticket **ret,
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
