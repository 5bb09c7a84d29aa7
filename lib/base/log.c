/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/context.h"
#include "base/util.h"

void sangraha_context_log(struct sangraha_context *context,
			  const struct sangraha_log_event *event)
{
	struct sangraha_log_event stamped = { .duration_us = -1 };

	if (!context || !event || !context->log)
		return;
	memcpy(&stamped, event, sgh_min(event->size, sizeof(stamped)));
	stamped.size = sizeof(stamped);
	if (stamped.level > context->log_level)
		return;
	if (!stamped.time_ms)
		stamped.time_ms = sgh_time_ms();
	context->log(context->log_arg, &stamped);
}

void sgh_log(struct sangraha_context *context, int level, const char *role,
	     const char *event, const char *format, ...)
{
	char message[512];
	struct sangraha_log_event out = {
		.size = sizeof(out),
		.level = level,
		.duration_us = -1,
		.role = role,
		.event = event,
		.message = message,
	};
	va_list args;

	if (!context->log || level > context->log_level)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	sangraha_context_log(context, &out);
}

static const char *level_name(int level)
{
	static const char *const names[] = { "error", "error", "warn", "info", "debug" };

	return level >= 0 && level < (int)SGH_COUNT(names) ? names[level] : "debug";
}

/* Append a member, unless the line would grow past its bound with it. */
static void member(struct sgh_buf *buf, const char *name, const char *value)
{
	size_t before = buf->length;

	if (!value)
		return;
	sgh_buf_name(buf, name);
	sgh_buf_json(buf, value);
	if (buf->failed && buf->data) {
		buf->failed = false;
		buf->full = false;
		buf->length = before;
		buf->data[before] = '\0';
	}
}

size_t sangraha_log_json(const struct sangraha_log_event *event, char *line, size_t size)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(size - 2);
	char time[SGH_RFC3339_SIZE];

	sgh_rfc3339(event->time_ms, time);
	sgh_buf_putc(&buf, '{');
	member(&buf, "time", time);
	member(&buf, "level", level_name(event->level));
	if (event->duration_us >= 0)
		sgh_buf_printf(&buf, ",\"duration_ms\":%lld.%03d",
			       (long long)(event->duration_us / 1000),
			       (int)(event->duration_us % 1000));
	member(&buf, "role", event->role);
	member(&buf, "event", event->event);
	member(&buf, "outcome", event->outcome);
	member(&buf, "correlation_id", event->request_id);
	member(&buf, "operation_id", event->operation_id);
	member(&buf, "object", event->object);
	member(&buf, "message", event->message);
	return (size_t)snprintf(line, size, "%s}", buf.data ? buf.data : "{");
}
