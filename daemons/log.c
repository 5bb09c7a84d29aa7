/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void sgh_log_write(void *arg, const struct sangraha_log_event *event)
{
	/* Up to PIPE_BUF bytes, lines of several threads or processes do not mix. */
	char line[PIPE_BUF];
	size_t length = sangraha_log_json(event, line, sizeof(line) - 1);

	(void)arg;
	line[length] = '\n';
	while (write(STDERR_FILENO, line, length + 1) < 0 && errno == EINTR)
		;
}

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
