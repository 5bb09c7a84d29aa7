/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_MEMORY_BUCKETS_H
#define SUPPORT_MEMORY_BUCKETS_H

#include "store/store.h"

/* What the store in memory holds, in a list of buckets; its lock is the caller's. */

struct memory_object {
	struct sgh_list link; /* in bucket->objects, in the order of keys */
	char *key;
	struct sgh_bytes *body;
	struct sgh_arena arena;
	struct sgh_store_head head;
};

struct memory_bucket {
	struct sgh_list link;
	struct sgh_list objects;
	struct sgh_list uploads; /* memory_upload.link */
	char name[80];
};

struct memory_bucket *memory_bucket_find(struct sgh_list *buckets, const char *name);
void memory_bucket_add(struct sgh_list *buckets, const char *name);
void memory_buckets_wipe(struct sgh_list *buckets);
/* The bucket that the replica has of it; NULL unless something was copied. */
struct memory_bucket *memory_copies_find(struct sgh_list *buckets, const char *name,
					 bool make);

/* The object of that key, or the link it would stand before in *ret_place. */
struct memory_object *memory_object_find(struct memory_bucket *bucket, const char *key,
					 struct sgh_list **ret_place);
/* Takes over the body; what lies under the key goes. */
void memory_object_add(struct memory_bucket *bucket, const char *key,
		       const struct sgh_store_head *head, struct sgh_bytes *body);
void memory_object_free(struct memory_object *object);

/* Take an operation, fill in its result and give its status. */
int memory_bucket_put(struct memory_bucket *bucket, struct sgh_store_op *op);
int memory_buckets_perform(struct sgh_list *buckets, struct sgh_budget *budget,
			   struct sgh_store_op *op);

#endif
