/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_GETTER_H
#define SGH_ROLE_GETTER_H

#include <sangraha/getter.h>

#include "role/service.h"

struct sangraha_getter {
	struct sgh_service service;
};

void sgh_get_begin(struct sgh_task *task);
void sgh_stat_begin(struct sgh_task *task);
void sgh_list_begin(struct sgh_task *task);

/*
 * The description of what GET or HEAD found, with bucket and key of `op`. A failure of
 * the operation, and an object that is not ours, is a failure here.
 */
int sgh_found_object(const char *type, const char *id, const struct sgh_store_op *op,
		     struct sangraha_object **ret, struct sangraha_error *err);

#endif
