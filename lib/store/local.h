/* SPDX-License-Identifier: MIT */
#ifndef SGH_STORE_LOCAL_H
#define SGH_STORE_LOCAL_H

#include "base/shared.h"
#include "store/mover.h"
#include "store/store.h"

/*
 * A store in this process, for the mover: tickets that it makes and reads itself, and bodies
 * that come in pieces. What a ticket allows is signed with a secret that ends with the
 * store, so one of an earlier life is as good as one that has ended.
 */
struct sgh_local;

/* A body that is being taken in pieces. The first member of the back end's own struct. */
struct sgh_local_body {
	struct sgh_local *local;
	/* The piece that was given is taken: 0 or a status. Perhaps before append() returns. */
	void (*appended)(struct sgh_local_body *body, int status,
			 const struct sangraha_error *err);
	void *arg; /* the mover's */
};

struct sgh_local_ops {
	/* A handle whose buckets have no prefix. Takes over a reference to `local`. */
	int (*open)(struct sgh_local *local, struct sangraha_store **ret,
		    struct sangraha_error *err);
	/* Drop a reference; may block. */
	void (*put)(struct sgh_local *local);

	/*
	 * Begin a body of `length` bytes. It is given to a put or upload part in
	 * sgh_store_op.taken, which takes it over, or freed. The handle that it is for
	 * stays open meanwhile.
	 */
	int (*body_new)(struct sgh_local *local, uint64_t length,
			struct sgh_local_body **ret, struct sangraha_error *err);
	/* Take the next bytes, which stay unchanged until appended(). One at a time. */
	void (*body_append)(struct sgh_local_body *body, const void *data, size_t length);
	/* Not while a piece is being taken. */
	void (*body_free)(struct sgh_local_body *body);
};

/* The first member of what the handles of one store share; its name begins tickets. */
struct sgh_local {
	struct sgh_shared shared;
	const struct sgh_local_ops *ops;
	unsigned char secret[32];
};

/* Before the thing is shared. */
int sgh_local_init(struct sgh_local *local, const struct sgh_local_ops *ops,
		   struct sangraha_error *err);

/* sgh_store_backend.ticket of a handle on `local` with that bucket prefix. */
int sgh_local_ticket(struct sgh_local *local, const char *prefix,
		     const struct sgh_store_grant *grant, struct sgh_arena *arena,
		     struct sgh_ticket **ret, struct sangraha_error *err);

/* What a ticket's URL says. Strings live in the arena that was given. */
struct sgh_local_grant {
	const char *name; /* of the store */
	enum sgh_ticket_kind kind;
	const char *bucket; /* with its prefix */
	const char *key;
	const char *upload;
	unsigned part;
	uint64_t size;      /* put */
	const char *sha256; /* put; NULL: any */
	const char *headers;
	int64_t expires_ms;
	const char *mac;
	size_t signed_length; /* of the URL, what the mac is about */
};

/* SANGRAHA_E_INVALID for what is no such URL. */
int sgh_local_grant_parse(const char *url, struct sgh_arena *arena,
			  struct sgh_local_grant *ret, struct sangraha_error *err);

/*
 * Whether the ticket is good for this transfer. SANGRAHA_E_UNAUTHORIZED when it has ended,
 * was made by another store, or allows something else.
 */
int sgh_local_grant_check(struct sgh_local *local, const struct sgh_local_grant *grant,
			  const struct sgh_move *move, struct sangraha_error *err);

#endif
