/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

void sgh_log(struct sangraha_context *context, int level, const char *role,
	     const char *event, const char *format, ...)
{
	char message[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	sangraha_context_log(context, &(struct sangraha_log_event){
					      .size = sizeof(struct sangraha_log_event),
					      .level = level,
					      .duration_us = -1,
					      .role = role,
					      .event = event,
					      .message = message,
				      });
}
