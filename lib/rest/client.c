/* SPDX-License-Identifier: MIT */
#include "rest/client.h"

#include <stdio.h>
#include <string.h>

int sgh_check_type(struct sgh_web_request *request, const char *type)
{
	size_t length = strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (length >= 1 && length < SANGRAHA_TYPE_SIZE && !type[length])
		return 0;
	return sgh_problem_set(&request->problem, SANGRAHA_E_INVALID,
			       "An object type is 1 to 32 of a-z, 0-9 and \"-\"");
}

int sgh_check_id(struct sgh_web_request *request)
{
	if (sangraha_id_valid(request->id))
		return 0;
	return sgh_problem_set(&request->problem, SANGRAHA_E_INVALID,
			       "An id is a UUID in lower case");
}

struct sangraha_request_options
sgh_web_request_options(const struct sgh_web_request *request)
{
	struct sangraha_request_options options = {
		.size = sizeof(options),
		.request_id = request->correlation_id,
		.traceparent = request->traceparent,
		.timeout_ms = request->rest->request_timeout_ms,
	};

	return options;
}

bool sgh_cached(struct sgh_web_request *request)
{
	struct sangraha_result *result =
		sangraha_client_cached(request->rest->client, request->type, request->id);

	if (!result)
		return false;
	sgh_web_request_answered(request, result);
	return true;
}

enum sgh_step sgh_submitted(struct sgh_web_request *request, int status,
			    const struct sangraha_error *err)
{
	if (status == 0)
		return SGH_STEP_WAIT;
	sgh_web_request_unref(request); /* `done` will not be called */
	sgh_problem_set_error(&request->problem, status, err);
	return SGH_STEP_ANSWER;
}

void sgh_web_request_note(struct sgh_web_request *request,
			  const struct sangraha_object *object)
{
	if (object)
		snprintf(request->reference, sizeof(request->reference), "%s",
			 sangraha_object_reference(object));
}

bool sgh_result_ok(struct sgh_web_request *request, const struct sangraha_result *result)
{
	if (sangraha_result_status(result) == 0)
		return true;
	sgh_problem_set_result(&request->problem, result);
	return false;
}

struct sangraha_object *sgh_result_object(struct sgh_web_request *request,
					  const struct sangraha_result *result)
{
	struct sangraha_object *object;

	if (!sgh_result_ok(request, result))
		return NULL;
	object = sangraha_result_object(result);
	if (!object)
		sgh_problem_set(&request->problem, SANGRAHA_E_INTERNAL,
				"The answer has no description");
	return object;
}

char *sgh_result_json(struct sgh_web_request *request,
		      const struct sangraha_result *result, struct sangraha_object **ret)
{
	struct sangraha_object *object = sgh_result_object(request, result);
	struct sangraha_error err = { 0 };
	char *text = NULL;
	int status;

	if (!object)
		return NULL;
	status = sangraha_object_json(object, &text, &err);
	if (status) {
		sgh_problem_set_error(&request->problem, status, &err);
		return NULL;
	}
	if (ret)
		*ret = object;
	return text;
}
