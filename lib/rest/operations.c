/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "rest/answer.h"
#include "rest/client.h"
#include "rest/router.h"

/* Unix milliseconds; 0 when absent, -1 when it is no number. */
static int64_t until(const struct sgh_web_request *request)
{
	const char *text = sgh_uri_query(&request->uri, "until");

	if (!text)
		return 0;
	if (!*text || strlen(text) > 15 || text[strspn(text, "0123456789")])
		return -1;
	return strtoll(text, NULL, 10);
}

static int begin(struct sgh_web_request *request)
{
	if (sgh_check_id(request))
		return request->problem.status;
	if (until(request) < 0)
		return sgh_problem_set(&request->problem, SANGRAHA_E_INVALID,
				       "until is a number of milliseconds");
	memcpy(request->operation_id, request->id, SANGRAHA_ID_SIZE);
	return 0;
}

static enum sgh_step start(struct sgh_web_request *request)
{
	struct sangraha_request_options options = sgh_web_request_options(request);
	struct sangraha_error err = { 0 };

	sgh_web_request_ref(request);
	return sgh_submitted(request,
			     sangraha_client_submit_operation(
				     request->rest->client, request->id, &options,
				     sgh_web_request_done, request, &err),
			     &err);
}

static int write_done(struct sgh_buf *buf, struct sangraha_object *object,
		      struct sangraha_error *err)
{
	char *text = NULL;
	int status = sangraha_object_json(object, &text, err);

	if (status)
		return status;
	sgh_buf_printf(buf, "\"done\",\"status\":201,\"object\":%s", text);
	sangraha_free(text);
	return 0;
}

static void write_failed(struct sgh_buf *buf, const struct sangraha_result *result)
{
	struct sgh_problem problem = { 0 };

	sgh_problem_set_result(&problem, result);
	sgh_buf_printf(buf, "\"failed\",\"status\":%u,\"error\":", problem.http);
	/* The write had a correlation id of its own, which is not known here. */
	sgh_problem_write(&problem, "", buf);
}

/* An error is the operation's, if it was recorded; otherwise it is the question's. */
static int write_state(struct sgh_buf *buf, struct sgh_web_request *request,
		       const struct sangraha_result *result)
{
	int state = sangraha_result_status(result);
	struct sangraha_error err = { 0 };
	struct sangraha_object *object;
	int status;

	if (state && sangraha_result_recorded(result)) {
		write_failed(buf, result);
		return 0;
	}
	if (state == SANGRAHA_E_NOT_FOUND) {
		sgh_buf_puts(buf, sgh_time_ms() < until(request) ? "\"pending\""
								 : "\"unknown\"");
		return 0;
	}
	object = sgh_result_object(request, result);
	if (!object)
		return request->problem.status;
	status = write_done(buf, object, &err);
	if (status)
		sgh_problem_set_error(&request->problem, status, &err);
	return status;
}

static void finish(struct sgh_web_request *request, struct sangraha_result *result)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(32 << 10);

	sgh_buf_printf(&buf, "{\"id\":\"%s\",\"state\":", request->id);
	if (write_state(&buf, request, result))
		return;
	sgh_buf_putc(&buf, '}');
	sgh_answer_buf(request, 200, &buf);
	sgh_answer_header(request, "Cache-Control", "no-store");
}

const struct sgh_route sgh_operation_routes[] = {
	{ .method = "GET",
	  .template = "/v1/operations/{id}",
	  .event = "GET /v1/operations/{id}",
	  .begin = begin,
	  .start = start,
	  .finish = finish },
	{ .method = NULL },
};
