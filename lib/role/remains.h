/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_REMAINS_H
#define SGH_ROLE_REMAINS_H

#include "role/errand.h"
#include "wire/record.h"

/*
 * What an upload in parts leaves behind when it ended, or did not: open uploads of the key,
 * its records, an object without its record. Takes all of it away, in an order that bears
 * being broken off anywhere and repeated, and other receivers at the same work:
 *
 *   abort the upload, then every open one of exactly this key: from here on no completion
 *      makes an object of it
 *   is the record there? else write it without a digest, if it is absent: from here on no
 *      reading back makes an object of it either
 *   is there an object that pins this record, and the record had a digest? it stays
 *   else remove the object that pins it, and its record
 *   nothing lies under the id? remove the claim operation/<id>, which is for nothing now
 *   remove the upload's place, then upload/<id>, by which the rest is found
 */
struct sgh_remains {
	/* the question; strings are unchanged until `done` */
	struct sgh_errand errand;
	const char *type;
	const char *bucket;
	const char *id;
	const char *record;
	const char *upload; /* the upload id; NULL: not known, or completed */
	const char *place;  /* the record id of its place; NULL: it has none of its own */
	bool complete;      /* the object and its record are known to be there */
	/* Called once, on a thread of the store or on the caller's. */
	void (*done)(struct sgh_remains *remains);
	void *arg; /* the caller's own */

	/* the answer */
	int status;
	struct sangraha_error err;
	bool kept; /* the object is there, and stayed */
	bool free; /* nothing lies under the id */

	/* private */
	struct sgh_store_op op;
	struct sgh_store_op find;
	struct sgh_bytes *body; /* of the record that ends it */
	size_t next;            /* of the uploads found */
	bool tried;             /* to write that record */
	int64_t asked_ms;       /* for the object, the last time */
	unsigned sees;          /* times that it was asked for */
	void (*then)(struct sgh_remains *remains);
	char object_key[SGH_RECORD_KEY_SIZE];
	char place_key[SGH_RECORD_KEY_SIZE];
	char upload_key[SGH_RECORD_KEY_SIZE];
	char claim_key[SGH_RECORD_KEY_SIZE];
};

void sgh_remains_clear(struct sgh_remains *remains);

/* Release what it holds; for one that was never begun, too, when it is zero. */
void sgh_remains_fini(struct sgh_remains *remains);

/* The record id that an object pins, as GET or HEAD found it; NULL when it pins none. */
const char *sgh_remains_pinned(const struct sgh_store_op *op);

#endif
