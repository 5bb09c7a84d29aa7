/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_CONTEXT_H
#define SGH_BASE_CONTEXT_H

#include <sangraha/context.h>

#include "base/budget.h"
#include "base/id.h"
#include "base/metrics.h"
#include "base/shared.h"

struct sangraha_context {
	int refs; /* atomic */
	int log_level;
	void (*log)(void *arg, const struct sangraha_log_event *event);
	void *log_arg;
	struct sgh_budget *budget;
	struct sgh_metrics *metrics;
	struct sgh_id_source ids;
	struct sgh_shared_list shared;
};

/* Report what a module did on its own account: no request, no duration. */
void sgh_log(struct sangraha_context *context, int level, const char *role,
	     const char *event, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

#endif
