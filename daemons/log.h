/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_LOG_H
#define SGH_DAEMONS_LOG_H

#include <sangraha/context.h>

/* An event of the program's own, formatted like printf. */
__attribute__((format(printf, 5, 6))) void sgh_log(struct sangraha_context *context,
						   int level, const char *role,
						   const char *event, const char *format,
						   ...);

#endif
