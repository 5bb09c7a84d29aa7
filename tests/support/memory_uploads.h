/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_MEMORY_UPLOADS_H
#define SUPPORT_MEMORY_UPLOADS_H

#include "store/store.h"

/*
 * The open uploads of one bucket of the store in memory; its lock is the caller's. The verbs
 * take an operation, fill in its result and give its status.
 */

struct memory_upload {
	struct sgh_list link;
	struct sgh_list parts; /* in the order of their numbers */
	char *key;
	char id[SANGRAHA_ID_SIZE];
	struct sgh_arena arena;
	struct sgh_store_head head; /* of the object, without size and time */
};

int memory_upload_begin(struct sgh_list *uploads, struct sgh_store_op *op,
			const struct sgh_store_head *head);
int memory_upload_part(struct sgh_list *uploads, struct sgh_store_op *op);
int memory_upload_parts(struct sgh_list *uploads, struct sgh_store_op *op);
int memory_upload_abort(struct sgh_list *uploads, struct sgh_store_op *op);
int memory_upload_find(struct sgh_list *uploads, struct sgh_store_op *op);
/* The upload and its whole body, when its parts are those that the operation names. */
int memory_upload_join(struct sgh_list *uploads, struct sgh_store_op *op,
		       struct memory_upload **ret, struct sgh_bytes **ret_body);
void memory_upload_free(struct memory_upload *upload);

/* A copy of what `from` says, with strings in `arena`. */
void memory_copy_head(struct sgh_arena *arena, struct sgh_store_head *to,
		      const struct sgh_store_head *from);

#endif
