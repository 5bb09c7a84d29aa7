/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_RECEIVER_H
#define SGH_ROLE_RECEIVER_H

#include <sangraha/receiver.h>

#include "role/service.h"

struct sgh_sweeper;

struct sangraha_receiver {
	struct sgh_service service;
	int (*veto)(void *arg, const struct sangraha_object *object, const void *data,
		    size_t length, struct sangraha_error *err);
	void *veto_arg;
	uint64_t max_object_size;
	bool large_writes;
	bool verify_large;
	int64_t ticket_ms;    /* how long a ticket is good */
	int64_t tombstone_ms; /* how long it is known what was deleted */
	struct sgh_sweeper *sweeper;
	struct {
		pthread_mutex_t lock;
		unsigned count;          /* objects that are read back */
		struct sgh_list reading; /* and that were, and are not over */
		struct sgh_list waiting; /* for their turn; both of struct sgh_verify */
	} verifying;
};

/* Begin a put: validate, then store. README.md tells the steps. */
void sgh_put_begin(struct sgh_task *task);
/* Whether that is over at once, since a small JSON text is all there is to look at. */
bool sgh_put_is_brief(struct sgh_service *service, const struct sgh_delivery *delivery);

/* A large object: a ticket, an extension of it, the end of it. README.md likewise. */
void sgh_large_begin(struct sgh_task *task);
void sgh_large_extend(struct sgh_task *task);
void sgh_large_commit(struct sgh_task *task);
void sgh_large_abort(struct sgh_task *task);

/*
 * A put or put-commit that is late, and not here for the first time: finish what an
 * earlier run began, and begin nothing.
 */
void sgh_late_begin(struct sgh_task *task);

/* A write of an object is in the dead-letter queue: record that, then finish. */
void sgh_write_buried(struct sgh_task *task);

/* Begin a delete: tombstone, then remove. */
void sgh_delete_begin(struct sgh_task *task);

#endif
