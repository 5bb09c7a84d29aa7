/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_FOUND_H
#define SGH_ROLE_FOUND_H

#include "role/task.h"
#include "wire/record.h"

/*
 * One object that HEAD or GET looked for, and its whole description. An object that went
 * to the store in parts pins a record, which tells what was not known when it was begun:
 * its digest and its facts. Without that record it counts as absent.
 */
struct sgh_found {
	/* the question, unchanged until the answer: what was looked for, and completed */
	const char *type;
	const char *id;
	const struct sgh_store_op *op;

	/*
	 * the answer: 0 with the description, a reference. SANGRAHA_E_NOT_FOUND: it is not
	 * there, or not yet; _INTERNAL: it is not one of ours; others as of the store.
	 */
	int status;
	struct sangraha_error err;
	struct sangraha_object *object;

	/* private */
	char key[SGH_RECORD_KEY_SIZE];
	size_t read; /* in task->reads, from 1; 0: no record is needed */
};

/*
 * Describe `count` of them, and call `then` when all are. Reads the records that are
 * pinned, where the objects were looked for, at most 16 at a time; asks nobody, and calls `then` at once, when there are none.
 * The task's own operation stays as it is, so `op` may be that one. Without memory the
 * task is abandoned.
 */
void sgh_found_describe(struct sgh_task *task, struct sgh_found *founds, size_t count,
			void (*then)(struct sgh_task *task));

/*
 * Whether the object came from a replica and could not be described: that may have copied
 * the one and not yet the other. Then the store itself is to be asked.
 */
bool sgh_found_in_part(const struct sgh_found *found);

/* What a GET found, read as a record; nothing there is what cannot be read. */
int sgh_found_record(const struct sgh_store_op *op, struct sgh_record *ret,
		     struct sangraha_error *err);

/* Release the description; for one that was never asked about, too, when it is zero. */
void sgh_found_fini(struct sgh_found *found);

#endif
