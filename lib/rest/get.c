/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "rest/answer.h"
#include "rest/client.h"
#include "rest/conditions.h"
#include "rest/headers.h"
#include "rest/objects.h"

/*
 * GET and HEAD of an object. Small ones came with the answer; the bytes of large ones pass
 * through from the store, or the client is sent there.
 */

/* MHD's buffer for a body that comes in pieces, one for each answer. */
#define BLOCK (32 << 10)
/* What is read ahead of a large object, at most. */
#define AHEAD (256 << 10)

enum sgh_step sgh_get_start(struct sgh_web_request *request)
{
	struct sangraha_request_options options = sgh_web_request_options(request);
	struct sangraha_client *client = request->rest->client;
	struct sangraha_error err = { 0 };
	int status;

	if (sgh_cached(request))
		return SGH_STEP_WAIT;
	options.redirect = request->rest->redirect_large;
	options.download = sgh_uri_query(&request->uri, "download") != NULL;
	sgh_web_request_ref(request);
	if (request->head)
		status = sangraha_client_submit_stat(client, request->type, request->id,
						     &options, sgh_web_request_done,
						     request, &err);
	else
		status = sangraha_client_submit_get(client, request->type, request->id,
						    &options, sgh_web_request_done,
						    request, &err);
	return sgh_submitted(request, status, &err);
}

static void refuse_range(struct sgh_web_request *request, uint64_t size)
{
	snprintf(request->problem.content_range, sizeof(request->problem.content_range),
		 "bytes */%llu", (unsigned long long)size);
	sgh_problem_set_http(&request->problem, 416, SANGRAHA_E_INVALID,
			     "The range begins past the object's end");
}

/* ---- without a body ---- */

/* HEAD announces a length and sends nothing; MHD asks for no byte of it. */
static ssize_t no_byte(void *arg, uint64_t position, char *buf, size_t max)
{
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* Of what is known the length is told, and MHD sends no byte (RFC 9110, 8.6). */
static struct MHD_Response *length_alone(const struct sgh_part *part)
{
	return MHD_create_response_from_callback(part->length, 1024, no_byte, NULL, NULL);
}

/* ---- from the answer ---- */

static void free_result(void *result)
{
	sangraha_result_free(result);
}

/* The bytes are sent from where the client put them; the response owns the result. */
static struct MHD_Response *from_result(struct sgh_web_request *request,
					struct sangraha_result *result,
					const struct sgh_part *part)
{
	struct MHD_Response *response;
	size_t length = 0;
	/* MHD takes a pointer that is not const, and does not write. */
	char *data = (char *)sangraha_result_data(result, &length);

	if (part->first > length || part->length > length - part->first) {
		sgh_problem_set(&request->problem, SANGRAHA_E_INTERNAL,
				"The object is not as long as its description says");
		return NULL;
	}
	response = MHD_create_response_from_buffer_with_free_callback_cls(
		(size_t)part->length, data ? data + part->first : NULL, free_result,
		result);
	if (!response)
		return NULL;
	request->async.result = NULL;
	sgh_connection_holds(request->connection, length);
	return response;
}

/* ---- from the store ---- */

/*
 * What MHD asks for the next bytes. When the store has brought none the connection sleeps.
 * A failure breaks it off: the client sees that less has come than was announced.
 */
static ssize_t next_bytes(void *arg, uint64_t position, char *buf, size_t max)
{
	struct sgh_web_request *request = arg;
	struct sangraha_error err = { 0 };

	do {
		size_t got = 0;
		int status;

		if (sgh_web_request_is_over(request))
			return MHD_CONTENT_READER_END_WITH_ERROR;
		status = sangraha_download_read(request->download, buf, max, &got, &err);
		if (status) {
			sgh_problem_set_error(&request->problem, status, &err);
			return MHD_CONTENT_READER_END_WITH_ERROR;
		}
		if (got)
			return (ssize_t)got;
	} while (!sgh_web_request_sleep(request));
	return 0;
}

static int open_download(struct sgh_web_request *request,
			 const struct sangraha_result *result,
			 const struct sgh_part *part, struct sangraha_error *err)
{
	if (request->download)
		return 0;
	return sangraha_download_new(request->rest->client, result, part->first,
				     part->length, sgh_web_request_ready, request,
				     &request->download, err);
}

/* Nothing is said before the first bytes are there: until then it may fail in full form. */
static struct MHD_Response *from_store(struct sgh_web_request *request,
				       const struct sangraha_result *result,
				       const struct sgh_part *part)
{
	struct sangraha_error err = { 0 };
	int status;

	sgh_web_request_wait(request);
	status = open_download(request, result, part, &err);
	if (status == 0)
		status = sangraha_download_poll(request->download, &err);
	if (status < 0)
		sgh_problem_set_error(&request->problem, status, &err);
	request->waits = status == 0;
	if (status <= 0)
		return NULL;
	sgh_connection_holds(request->connection, sgh_min(part->length, AHEAD));
	return MHD_create_response_from_callback(part->length, BLOCK, next_bytes, request,
						 NULL);
}

/*
 * Whether the client may be sent to the store. It would repeat these conditions there,
 * where they name nothing: the store has tags and dates of its own.
 */
static bool may_go_there(const struct sgh_web_request *request)
{
	return request->rest->redirect_large && !request->download &&
	       !sgh_web_request_header(request, "If-Match") &&
	       !sgh_web_request_header(request, "If-Unmodified-Since") &&
	       !sgh_web_request_header(request, "If-Range");
}

/* ---- the answer ---- */

static bool is_download(const struct sgh_web_request *request)
{
	return sgh_uri_query(&request->uri, "download") != NULL;
}

/* What a get was not answered with, though there are some, lies in the store. */
static bool is_large(const struct sangraha_result *result,
		     const struct sangraha_object *object)
{
	return sangraha_object_size(object) && !sangraha_result_data(result, NULL);
}

static void answer_with(struct sgh_web_request *request, struct sangraha_result *result,
			const struct sangraha_object *object, unsigned http,
			const struct sgh_part *part)
{
	struct MHD_Response *response;

	if (request->head || http == 304)
		response = length_alone(part);
	else if (is_large(result, object))
		response = from_store(request, result, part);
	else
		response = from_result(request, result, part);
	if (!response && (request->problem.http || request->waits))
		return;
	sgh_answer_response(request, http, response);
	sgh_object_headers(request, object, http, is_download(request));
}

static void content_range(struct sgh_web_request *request, const struct sgh_part *part,
			  uint64_t size)
{
	char text[80];

	snprintf(text, sizeof(text), "bytes %llu-%llu/%llu",
		 (unsigned long long)part->first,
		 (unsigned long long)(part->first + part->length - 1),
		 (unsigned long long)size);
	sgh_answer_header(request, "Content-Range", text);
}

static void answer_object(struct sgh_web_request *request, struct sangraha_result *result,
			  const struct sangraha_object *object)
{
	uint64_t size = sangraha_object_size(object);
	struct sgh_part part = { .length = size };
	unsigned http = sgh_check_conditions(request, object, true, &part);
	const char *url = NULL;

	if (http == 200 || http == 206)
		url = may_go_there(request) ? sangraha_result_url(result) : NULL;
	if (http == 412) {
		sgh_refuse_condition(request);
	} else if (http == 416) {
		refuse_range(request, size);
	} else if (url) {
		sgh_answer_empty(request, 307);
		sgh_redirect_headers(request, object, url, is_download(request));
	} else if (http) {
		answer_with(request, result, object, http, &part);
		if (http == 206)
			content_range(request, &part, size);
	}
}

void sgh_get_finish(struct sgh_web_request *request, struct sangraha_result *result)
{
	struct sangraha_object *object;

	/* A request is never too large here: a getter sends more than it should in a message. */
	if (sangraha_result_status(result) == SANGRAHA_E_TOO_LARGE)
		sgh_problem_set(&request->problem, SANGRAHA_E_INTERNAL,
				"The object came in a message that is too large");
	object = sgh_result_object(request, result);
	if (!object)
		return;
	/* The response takes the result, and with it what the object is borrowed from. */
	object = sangraha_object_ref(object);
	answer_object(request, result, object);
	sangraha_object_unref(object);
}
