/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_MEMORY_STORE_H
#define SUPPORT_MEMORY_STORE_H

#include "store/store.h"
#include "support/script.h"
#include "wire/crc32c.h"

/*
 * A store in memory, behind the seam and its front end like any other: a thread that
 * completes operations, in their order unless the script says otherwise.
 *
 * In script and journal an operation is its verb and place: "put image", "put-new image"
 * when conditional, "get", "head", "delete", "list", "make-bucket image", "check",
 * "upload-begin image", "upload-part", "upload-parts", "upload-complete" and, conditional,
 * "upload-complete-new", "upload-abort", "upload-find"; of the bucket "meta" the kind of
 * record too: "put-new meta/deleted". Of a body that comes in pieces "body-new" and
 * "body-append" may fail, and are not in the journal. Checks, the making of buckets and the sweeper's lists
 * follow clocks, so the journal leaves them out.
 */
struct sangraha_store *memory_store_new(struct sangraha_context *context,
					struct script *script);

/* Behind the store's back. */
bool memory_store_has(struct sangraha_store *store, const char *bucket, const char *key);
/* A put of everything that the operation says; makes the bucket. */
void memory_store_put(struct sangraha_store *store, const struct sgh_store_op *op);
void memory_store_set(struct sangraha_store *store, const char *bucket, const char *key,
		      const char *text);
void memory_store_remove(struct sangraha_store *store, const char *bucket,
			 const char *key);
/* Into the replica, which has nothing but what is copied, and loses nothing. */
void memory_store_copy(struct sangraha_store *store, const char *bucket, const char *key);
/* As if it had been written so long ago. */
void memory_store_age(struct sangraha_store *store, const char *bucket, const char *key,
		      int64_t age_ms);
/* How many keys a bucket has; -1 without that bucket. */
int memory_store_count(struct sangraha_store *store, const char *bucket);
/* The nth of its keys in their order, from 0; yours. NULL when there is none. */
char *memory_store_key(struct sangraha_store *store, const char *bucket, unsigned nth);
/* What lies under a key, a reference; NULL when nothing does. */
struct sgh_bytes *memory_store_body(struct sangraha_store *store, const char *bucket,
				    const char *key);
/* How many uploads are open in a bucket. */
int memory_store_uploads(struct sangraha_store *store, const char *bucket);
/* How many puts there were that might have travelled with others. */
unsigned memory_store_packable(struct sangraha_store *store);
/* How many operations a thread of a pool has submitted. */
unsigned memory_store_by_workers(struct sangraha_store *store);
/*
 * Whoever submits the next of those is back only when everything that the store was given
 * has ended, like a thread that does not get a processor.
 */
void memory_store_linger(struct sangraha_store *store);
/* The CRC-32C that the last ticket was wanted with, as a text; "": with none. */
void memory_store_crc32c(struct sangraha_store *store, char hex[SGH_CRC32C_SIZE]);
/* Drop every bucket with what is in it. */
void memory_store_wipe(struct sangraha_store *store);

#endif
