/* SPDX-License-Identifier: MIT */
#include "rest/objects.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "rest/answer.h"
#include "rest/client.h"

#define LIMIT_MAX     1000
#define LIMIT_DEFAULT 100
/* A thousand descriptions, each of a file name, metadata and facts at their bounds. */
#define ANSWER_MAX (8 << 20)

/* 0 when it is no limit. */
static unsigned limit(const struct sgh_web_request *request)
{
	const char *text = sgh_uri_query(&request->uri, "limit");
	unsigned long value;

	if (!text)
		return LIMIT_DEFAULT;
	if (!*text || strlen(text) > 4 || text[strspn(text, "0123456789")])
		return 0;
	value = strtoul(text, NULL, 10);
	return value <= LIMIT_MAX ? (unsigned)value : 0;
}

int sgh_list_begin(struct sgh_web_request *request)
{
	const char *type = sgh_uri_query(&request->uri, "type");
	const char *cursor = sgh_uri_query(&request->uri, "cursor");

	if (type && sgh_check_type(request, type))
		return request->problem.status;
	if (!limit(request))
		return sgh_problem_set(&request->problem, SANGRAHA_E_INVALID,
				       "limit is a number from 1 to %d", LIMIT_MAX);
	if (cursor && (!*cursor || strlen(cursor) > 512))
		return sgh_problem_set(&request->problem, SANGRAHA_E_INVALID,
				       "The cursor is none that a list gave out");
	return 0;
}

enum sgh_step sgh_list_start(struct sgh_web_request *request)
{
	struct sangraha_request_options options = sgh_web_request_options(request);
	struct sangraha_error err = { 0 };

	sgh_web_request_ref(request);
	return sgh_submitted(request,
			     sangraha_client_submit_list(
				     request->rest->client,
				     sgh_uri_query(&request->uri, "type"), limit(request),
				     sgh_uri_query(&request->uri, "cursor"), &options,
				     sgh_web_request_done, request, &err),
			     &err);
}

static int write_objects(const struct sangraha_result *result, struct sgh_buf *buf,
			 struct sangraha_error *err)
{
	struct sangraha_object *object;

	for (size_t i = 0; (object = sangraha_result_at(result, i)); i++) {
		char *text = NULL;
		int status = sangraha_object_json(object, &text, err);

		if (status)
			return status;
		if (i)
			sgh_buf_putc(buf, ',');
		sgh_buf_puts(buf, text);
		sangraha_free(text);
	}
	return 0;
}

void sgh_list_finish(struct sgh_web_request *request, struct sangraha_result *result)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(ANSWER_MAX);
	const char *next = sangraha_result_next_cursor(result);
	struct sangraha_error err = { 0 };
	int status;

	if (!sgh_result_ok(request, result))
		return;
	sgh_buf_puts(&buf, "{\"objects\":[");
	status = write_objects(result, &buf, &err);
	if (status) {
		sgh_problem_set_error(&request->problem, status, &err);
		return;
	}
	sgh_buf_putc(&buf, ']');
	if (next) {
		sgh_buf_puts(&buf, ",\"next_cursor\":");
		sgh_buf_json(&buf, next);
	}
	sgh_buf_putc(&buf, '}');
	sgh_connection_holds(request->connection, buf.length);
	sgh_answer_buf(request, 200, &buf);
	sgh_answer_header(request, "Cache-Control", "no-store");
}
