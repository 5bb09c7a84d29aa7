/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_RECEIVER_H
#define SGH_ROLE_RECEIVER_H

#include <sangraha/receiver.h>

#include "role/service.h"

struct sangraha_receiver {
	struct sgh_service service;
	int (*veto)(void *arg, const struct sangraha_object *object, const void *data,
		    size_t length, struct sangraha_error *err);
	void *veto_arg;
};

/* Begin a put: validate, then store. README.md tells the steps. */
void sgh_put_begin(struct sgh_task *task);

/* A put is in the dead-letter queue: record that, then finish. */
void sgh_put_buried(struct sgh_task *task);

/* Begin a delete: tombstone, then remove. */
void sgh_delete_begin(struct sgh_task *task);

#endif
