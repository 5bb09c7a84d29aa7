/* SPDX-License-Identifier: MIT */
#include "rest/objects.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "rest/answer.h"
#include "rest/client.h"
#include "rest/conditions.h"
#include "rest/fields.h"
#include "rest/headers.h"

static int object_begin(struct sgh_web_request *request)
{
	if (sgh_check_type(request, request->type) || sgh_check_id(request))
		return request->problem.status;
	snprintf(request->reference, sizeof(request->reference), "%s/%s", request->type,
		 request->id);
	return 0;
}

unsigned sgh_check_conditions(struct sgh_web_request *request,
			      const struct sangraha_object *object, bool read,
			      struct sgh_part *part)
{
	sgh_autofree char *if_match = NULL;
	sgh_autofree char *if_none_match = NULL;
	struct sgh_conditions conditions = {
		.if_unmodified_since =
			sgh_web_request_header(request, "If-Unmodified-Since"),
	};

	if (read) {
		conditions.if_modified_since =
			sgh_web_request_header(request, "If-Modified-Since");
		conditions.range = sgh_web_request_header(request, "Range");
		conditions.if_range = sgh_web_request_header(request, "If-Range");
	}

	if (sgh_fields_list(request, "If-Match", &if_match) ||
	    sgh_fields_list(request, "If-None-Match", &if_none_match))
		return 0;
	conditions.if_match = if_match;
	conditions.if_none_match = if_none_match;
	return sgh_conditions_check(&conditions, sangraha_object_etag(object),
				    sangraha_object_created_ms(object),
				    sangraha_object_size(object), request->head, part);
}

void sgh_refuse_condition(struct sgh_web_request *request)
{
	sgh_problem_set(&request->problem, SANGRAHA_E_PRECONDITION,
			"The object is not the one that the condition names");
}

static enum sgh_step stat_start(struct sgh_web_request *request)
{
	struct sangraha_request_options options = sgh_web_request_options(request);
	struct sangraha_error err = { 0 };

	if (sgh_cached(request))
		return SGH_STEP_WAIT;
	sgh_web_request_ref(request);
	return sgh_submitted(request,
			     sangraha_client_submit_stat(
				     request->rest->client, request->type, request->id,
				     &options, sgh_web_request_done, request, &err),
			     &err);
}

static void stat_finish(struct sgh_web_request *request, struct sangraha_result *result)
{
	char *text = sgh_result_json(request, result, NULL);

	if (!text)
		return;
	sgh_answer_json(request, 200, text);
	sgh_answer_header(request, "Cache-Control", "private, no-cache");
}

static enum sgh_step delete_submit(struct sgh_web_request *request, unsigned timeout_ms)
{
	struct sangraha_request_options options = sgh_web_request_options(request);
	struct sangraha_error err = { 0 };

	options.timeout_ms = timeout_ms;
	sgh_web_request_ref(request);
	return sgh_submitted(request,
			     sangraha_client_submit_delete(
				     request->rest->client, request->type, request->id,
				     &options, sgh_web_request_done, request, &err),
			     &err);
}

static bool is_conditional(const struct sgh_web_request *request)
{
	return sgh_web_request_header(request, "If-Match") ||
	       sgh_web_request_header(request, "If-None-Match") ||
	       sgh_web_request_header(request, "If-Unmodified-Since");
}

/* The queue knows no conditional delete: the object is looked at first. */
static enum sgh_step delete_start(struct sgh_web_request *request)
{
	if (is_conditional(request))
		return stat_start(request);
	request->matched = true;
	return delete_submit(request, request->rest->request_timeout_ms);
}

static void delete_matched(struct sgh_web_request *request,
			   const struct sangraha_result *result)
{
	const struct sangraha_object *object = sgh_result_object(request, result);
	struct sgh_part part = { 0 };
	unsigned http = object ? sgh_check_conditions(request, object, false, &part) : 0;

	/* 304 is for reads (RFC 9110, section 13.1.2). */
	if (http == 412 || http == 304)
		sgh_refuse_condition(request);
	if (request->problem.http)
		return;
	request->matched = true;
	request->waits =
		delete_submit(request, sgh_web_request_again(request)) == SGH_STEP_WAIT;
}

static void delete_finish(struct sgh_web_request *request, struct sangraha_result *result)
{
	if (!request->matched)
		delete_matched(request, result);
	else if (sgh_result_ok(request, result))
		sgh_answer_empty(request, 204);
}

const struct sgh_route sgh_object_routes[] = {
	{ .method = "POST",
	  .template = "/v1/objects",
	  .event = "POST /v1/objects",
	  .begin = sgh_put_begin,
	  .body = sgh_put_body,
	  .start = sgh_put_start,
	  .finish = sgh_put_finish,
	  .end = sgh_put_end },
	{ .method = "GET",
	  .template = "/v1/objects",
	  .event = "GET /v1/objects",
	  .begin = sgh_list_begin,
	  .start = sgh_list_start,
	  .finish = sgh_list_finish },
	{ .method = "GET",
	  .template = "/v1/objects/{type}/{id}",
	  .event = "GET /v1/objects/{type}/{id}",
	  .begin = object_begin,
	  .start = sgh_get_start,
	  .finish = sgh_get_finish },
	{ .method = "DELETE",
	  .template = "/v1/objects/{type}/{id}",
	  .event = "DELETE /v1/objects/{type}/{id}",
	  .begin = object_begin,
	  .start = delete_start,
	  .finish = delete_finish },
	{ .method = "GET",
	  .template = "/v1/objects/{type}/{id}/metadata",
	  .event = "GET /v1/objects/{type}/{id}/metadata",
	  .begin = object_begin,
	  .start = stat_start,
	  .finish = stat_finish },
	{ .method = NULL },
};
