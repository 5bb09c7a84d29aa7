/* SPDX-License-Identifier: MIT */
#include "rest/answer.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

static void drop(struct sgh_web_request *request)
{
	if (request->answer.response)
		MHD_destroy_response(request->answer.response);
	request->answer.response = NULL;
}

void sgh_answer_response(struct sgh_web_request *request, unsigned http,
			 struct MHD_Response *response)
{
	drop(request);
	if (!response)
		sgh_problem_set(&request->problem, SANGRAHA_E_OVERLOADED,
				"There is no memory for an answer");
	request->answer.http = http;
	request->answer.response = response;
}

void sgh_answer_text(struct sgh_web_request *request, unsigned http,
		     const char *content_type, char *text)
{
	struct MHD_Response *response = NULL;

	if (text)
		response = MHD_create_response_from_buffer_with_free_callback(
			strlen(text), text, sangraha_free);
	if (!response)
		sangraha_free(text);
	sgh_answer_response(request, http, response);
	sgh_answer_header(request, "Content-Type", content_type);
}

void sgh_answer_json(struct sgh_web_request *request, unsigned http, char *text)
{
	sgh_answer_text(request, http, "application/json", text);
}

void sgh_answer_buf(struct sgh_web_request *request, unsigned http, struct sgh_buf *buf)
{
	sgh_answer_json(request, http, sgh_buf_take(buf));
}

void sgh_answer_empty(struct sgh_web_request *request, unsigned http)
{
	sgh_answer_response(
		request, http,
		MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

void sgh_answer_header(struct sgh_web_request *request, const char *name,
		       const char *value)
{
	if (!request->answer.response || !value)
		return;
	/* MHD refuses CR and LF, which nothing that gets here should have. */
	if (MHD_add_response_header(request->answer.response, name, value) == MHD_YES)
		return;
	drop(request);
	sgh_problem_set(&request->problem, SANGRAHA_E_INTERNAL,
			"The header %s cannot be sent", name);
}

static void problem_headers(struct sgh_web_request *request)
{
	const struct sgh_problem *problem = &request->problem;
	char location[64];

	if (problem->http == 401)
		sgh_answer_header(request, "WWW-Authenticate", "Bearer");
	if (problem->http == 503 || problem->http == 429)
		sgh_answer_header(request, "Retry-After", "1");
	if (problem->http == 405)
		sgh_answer_header(request, "Allow", problem->allow);
	if (*problem->content_range)
		sgh_answer_header(request, "Content-Range", problem->content_range);
	if (!*problem->operation)
		return;
	snprintf(location, sizeof(location), "/v1/operations/%s", problem->operation);
	sgh_answer_header(request, "Location", location);
}

static void answer_problem(struct sgh_web_request *request)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(16 << 10);

	sgh_problem_write(&request->problem, request->correlation_id, &buf);
	sgh_answer_text(request, request->problem.http, "application/problem+json",
			sgh_buf_take(&buf));
	problem_headers(request);
}

enum MHD_Result sgh_answer_send(struct sgh_web_request *request)
{
	enum MHD_Result queued;

	if (!request->problem.http && !request->answer.response)
		sgh_problem_set(&request->problem, SANGRAHA_E_INTERNAL, "%s",
				sangraha_status_text(SANGRAHA_E_INTERNAL));
	if (request->problem.http)
		answer_problem(request);
	sgh_answer_header(request, "X-Correlation-ID", request->correlation_id);
	if (request->last || __atomic_load_n(&request->rest->draining, __ATOMIC_RELAXED))
		sgh_answer_header(request, "Connection", "close");
	if (!request->answer.response)
		return MHD_NO; /* no memory even for a problem */
	queued = MHD_queue_response(request->http, request->answer.http,
				    request->answer.response);
	drop(request);
	return queued;
}
