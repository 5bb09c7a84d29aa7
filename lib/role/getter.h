/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_GETTER_H
#define SGH_ROLE_GETTER_H

#include <sangraha/getter.h>

#include "role/service.h"

struct sangraha_getter {
	struct sgh_service service;
	unsigned ticket_timeout_ms;
	unsigned lists; /* atomic: that hold memory */
};

void sgh_get_begin(struct sgh_task *task);
void sgh_stat_begin(struct sgh_task *task);
void sgh_list_begin(struct sgh_task *task);

#endif
