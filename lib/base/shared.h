/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_SHARED_H
#define SGH_BASE_SHARED_H

#include <pthread.h>
#include <stdbool.h>

#include <sangraha/context.h>

#include "base/list.h"

/*
 * What several handles of one context have in common, found by its name: the engine behind
 * all handles on one data directory. It is the first member of that engine's struct. The
 * context keeps the list; nothing is shared between contexts.
 */
struct sgh_shared {
	struct sgh_list link;
	struct sangraha_context *context; /* a reference */
	char *name;
	unsigned refs; /* of handles; guarded by the context's lock, like `closing` */
	bool closing;
};

/*
 * A reference to the thing called `name`; where there is none, open() makes it. open() runs
 * with the context's lock held: it may block on the disk, and no other handle of the context
 * is opened meanwhile. On success *ret is a reference: sgh_shared_unref(). Waits while the
 * last one of that name is being closed.
 */
int sgh_shared_get(struct sangraha_context *context, const char *name,
		   int (*open)(void *arg, struct sgh_shared **ret,
			       struct sangraha_error *err),
		   void *arg, struct sgh_shared **ret, struct sangraha_error *err);

/* A reference to the thing called `name`; NULL where there is none, or it is being closed. */
struct sgh_shared *sgh_shared_find(struct sangraha_context *context, const char *name);

/* One more reference of who has one already. */
void sgh_shared_ref(struct sgh_shared *shared);

/*
 * Drop a reference. True: it was the last one, and nobody finds the thing any more; close
 * it, on whatever thread, and then call sgh_shared_closed(). Any thread may call this.
 */
bool sgh_shared_unref(struct sgh_shared *shared);

/* It is closed, its files and locks are let go: forget name and context. */
void sgh_shared_closed(struct sgh_shared *shared);

/* The things of a context; its member. */
struct sgh_shared_list {
	pthread_mutex_t lock;
	pthread_cond_t closed;
	struct sgh_list things;
};

void sgh_shared_list_init(struct sgh_shared_list *list);
void sgh_shared_list_fini(struct sgh_shared_list *list);

#endif
