/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_LOG_H
#define SGH_DAEMONS_LOG_H

#include <sangraha/context.h>

/* The context's hook: each event as one line of JSON to standard error. */
void sgh_log_write(void *arg, const struct sangraha_log_event *event);

/* An event of the program's own, formatted like printf. */
__attribute__((format(printf, 5, 6))) void sgh_log(struct sangraha_context *context,
						   int level, const char *role,
						   const char *event, const char *format,
						   ...);

#endif
