/* SPDX-License-Identifier: MIT */
#include "rest/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <microhttpd.h>

#include "base/util.h"

static const struct {
	int status;
	unsigned http;
} http_statuses[] = {
	{ SANGRAHA_E_INVALID, 400 },      { SANGRAHA_E_NOT_FOUND, 404 },
	{ SANGRAHA_E_CONFLICT, 409 },     { SANGRAHA_E_REJECTED, 422 },
	{ SANGRAHA_E_UNAVAILABLE, 503 },  { SANGRAHA_E_TIMEOUT, 504 },
	{ SANGRAHA_E_TOO_LARGE, 413 },    { SANGRAHA_E_GONE, 410 },
	{ SANGRAHA_E_PRECONDITION, 412 }, { SANGRAHA_E_OVERLOADED, 503 },
	{ SANGRAHA_E_UNSUPPORTED, 415 },  { SANGRAHA_E_UNAUTHORIZED, 401 },
};

unsigned sgh_problem_http(int status)
{
	for (size_t i = 0; i < SGH_COUNT(http_statuses); i++)
		if (http_statuses[i].status == status)
			return http_statuses[i].http;
	return 500;
}

/* What a veto or a program's own check said, which are not this library's words. */
static bool is_quoted(const char *rule)
{
	static const char own[] = ".invalid";
	size_t length = strlen(rule);

	return strcmp(rule, "veto") == 0 ||
	       (length >= sizeof(own) &&
		strcmp(rule + length - (sizeof(own) - 1), own) == 0);
}

static void set(struct sgh_problem *problem, unsigned http, int status,
		const char *format, va_list arguments)
{
	if (problem->http)
		return;
	problem->http = http;
	problem->status = status;
	/* A cut inside a character is mended by sgh_buf_json(). */
	vsnprintf(problem->detail, sizeof(problem->detail), format, arguments);
	/* The library's messages begin small, to stand behind a colon; this is a sentence. */
	if (*problem->detail >= 'a' && *problem->detail <= 'z' &&
	    !is_quoted(problem->rule))
		*problem->detail = (char)(*problem->detail - 'a' + 'A');
}

int sgh_problem_set(struct sgh_problem *problem, int status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	set(problem, sgh_problem_http(status), status, format, arguments);
	va_end(arguments);
	return status;
}

int sgh_problem_set_http(struct sgh_problem *problem, unsigned http, int status,
			 const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	set(problem, http, status, format, arguments);
	va_end(arguments);
	return status;
}

int sgh_problem_set_error(struct sgh_problem *problem, int status,
			  const struct sangraha_error *err)
{
	const char *detail =
		err && *err->message ? err->message : sangraha_status_text(status);

	return sgh_problem_set(problem, status, "%s", detail);
}

static void explain(struct sgh_problem *problem, const char *declared,
		    const char *detected, const char *rule, int64_t offset)
{
	if (problem->http)
		return;
	snprintf(problem->declared, sizeof(problem->declared), "%s",
		 declared ? declared : "");
	snprintf(problem->detected, sizeof(problem->detected), "%s",
		 detected ? detected : "");
	snprintf(problem->rule, sizeof(problem->rule), "%s", rule ? rule : "");
	problem->has_offset = offset >= 0;
	problem->offset = offset;
}

void sgh_problem_set_verdict(struct sgh_problem *problem,
			     const struct sangraha_verdict *verdict)
{
	if (verdict)
		explain(problem, sangraha_verdict_declared(verdict),
			sangraha_verdict_detected(verdict),
			sangraha_verdict_rule(verdict), sangraha_verdict_offset(verdict));
}

int sgh_problem_set_result(struct sgh_problem *problem,
			   const struct sangraha_result *result)
{
	explain(problem, sangraha_result_declared(result),
		sangraha_result_detected(result), sangraha_result_rule(result),
		sangraha_result_offset(result));
	return sgh_problem_set_error(problem, sangraha_result_status(result),
				     sangraha_result_error(result));
}

static void member(struct sgh_buf *buf, const char *name, const char *value)
{
	if (!*value)
		return;
	sgh_buf_name(buf, name);
	sgh_buf_json(buf, value);
}

void sgh_problem_write(const struct sgh_problem *problem, const char *correlation_id,
		       struct sgh_buf *buf)
{
	char operation[64] = "";

	/* The type is about:blank, left out as RFC 9457, section 4.2.1 has it. */
	sgh_buf_printf(buf, "{\"title\":\"%s\",\"status\":%u",
		       MHD_get_reason_phrase_for(problem->http), problem->http);
	member(buf, "detail", problem->detail);
	member(buf, "code", sangraha_status_name(problem->status));
	member(buf, "correlation_id", correlation_id);
	member(buf, "declared", problem->declared);
	member(buf, "detected", problem->detected);
	member(buf, "rule", problem->rule);
	if (problem->has_offset)
		sgh_buf_printf(buf, ",\"offset\":%lld", (long long)problem->offset);
	if (*problem->operation)
		snprintf(operation, sizeof(operation), "/v1/operations/%s",
			 problem->operation);
	member(buf, "operation", operation);
	sgh_buf_putc(buf, '}');
}
