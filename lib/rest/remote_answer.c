/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "rest/remote.h"
#include "wire/json.h"
#include "wire/mediatype.h"
#include "wire/sha256.h"

/* What a code means where the body does not say; `proxy`: gateways answer it for others. */
static const struct {
	int http;
	int status;
	bool proxy;
} meanings[] = {
	{ 400, SANGRAHA_E_INVALID, false },      { 401, SANGRAHA_E_UNAUTHORIZED, true },
	{ 403, SANGRAHA_E_UNAUTHORIZED, true },  { 404, SANGRAHA_E_NOT_FOUND, false },
	{ 407, SANGRAHA_E_UNAUTHORIZED, true },  { 408, SANGRAHA_E_TIMEOUT, true },
	{ 409, SANGRAHA_E_CONFLICT, false },     { 410, SANGRAHA_E_GONE, false },
	{ 412, SANGRAHA_E_PRECONDITION, false }, { 413, SANGRAHA_E_TOO_LARGE, true },
	{ 415, SANGRAHA_E_UNSUPPORTED, false },  { 416, SANGRAHA_E_INVALID, false },
	{ 422, SANGRAHA_E_REJECTED, false },     { 429, SANGRAHA_E_OVERLOADED, true },
	{ 501, SANGRAHA_E_UNSUPPORTED, false },  { 502, SANGRAHA_E_UNAVAILABLE, true },
	{ 503, SANGRAHA_E_UNAVAILABLE, true },   { 504, SANGRAHA_E_TIMEOUT, true },
};

static int meaning(int http, bool ours)
{
	for (size_t i = 0; i < SGH_COUNT(meanings); i++)
		if (meanings[i].http == http && (ours || meanings[i].proxy))
			return meanings[i].status;
	return ours && http / 100 == 4 ? SANGRAHA_E_INVALID : SANGRAHA_E_INTERNAL;
}

bool sgh_remote_is_ours(const struct sangraha_rest_result *result)
{
	return result->correlation_id;
}

int sgh_remote_not_ours(struct sgh_remote_call *call, struct sangraha_error *err)
{
	const struct sangraha_rest_result *result = call->result;
	const char *type = result->content_type;
	int status = meaning(result->code, false);

	if (result->code / 100 == 3 && result->location)
		return sgh_fail(err, status, result->code,
				"%s answered %d and points to %.200s: is it there?",
				call->peer, result->code, result->location);
	return sgh_fail(err, status, result->code,
			"%s answered %d with %.*s: is this a Sangraha server?",
			call->peer, result->code, type ? (int)strcspn(type, "; ") : 15,
			type ? type : "no content type");
}

int sgh_remote_no_answer(struct sgh_remote_call *call, struct sangraha_error *err)
{
	const struct sgh_http_request *request = &call->request;
	const char *url = call->peer;
	char reason[128];

	if (request->refused)
		return sgh_fail(err, request->status, request->refused,
				"cannot connect to %s: %s%s", url,
				strerror_r(request->refused, reason, sizeof(reason)),
				request->refused == ECONNREFUSED
					? "; is `sangraha serve` running there?"
					: "");
	return sgh_fail(err, request->status, request->err.native, "%s%s: %s",
			request->unsent && !request->ours ? "cannot connect to " : "",
			url, request->err.message);
}

int sgh_remote_store_failed(struct sgh_remote_call *call, struct sangraha_error *err)
{
	int code = call->result->code;
	int status = code / 100 == 5 ? SANGRAHA_E_UNAVAILABLE : meaning(code, true);

	/* Its address has ended: the server gives a new one. */
	if (status == SANGRAHA_E_UNAUTHORIZED)
		status = SANGRAHA_E_UNAVAILABLE;
	return sgh_fail(err, status, code, "the store at %s answered %d", call->peer,
			code);
}

static bool is_json(const struct sangraha_rest_result *result)
{
	char type[SGH_MEDIATYPE_SIZE] = "";

	return result->content_type &&
	       !sgh_mediatype_normalise(result->content_type, type, NULL) &&
	       strcmp(type, "application/json") == 0;
}

/* Only what is JSON is kept: somebody else's page is of no use to the caller. */
static void take_text(struct sgh_remote_call *call)
{
	struct sgh_buf *text = &call->request.text;

	if (is_json(call->result) && sgh_json_is(text->data, text->length, '{'))
		call->result->text = sgh_buf_take(text);
}

static void read_refusal(struct sangraha_rest_result *result, const cJSON *document)
{
	const cJSON *offset = cJSON_GetObjectItemCaseSensitive(document, "offset");

	result->declared =
		sgh_remote_result_keep(result, sgh_json_text(document, "declared"));
	result->detected =
		sgh_remote_result_keep(result, sgh_json_text(document, "detected"));
	result->rule = sgh_remote_result_keep(result, sgh_json_text(document, "rule"));
	if (!sgh_json_integer(offset, &result->offset) || result->offset < 0)
		result->offset = -1;
}

/* The status that a name tells; 0 when it is none that we know. */
static int named(const char *name)
{
	int status = name ? sangraha_status_from_name(name) : 0;

	return status && strcmp(sangraha_status_name(status), name) == 0 ? status : 0;
}

/* RFC 9457, with the members of ours. */
static int read_problem(struct sgh_remote_call *call, struct sangraha_error *err)
{
	struct sangraha_rest_result *result = call->result;
	sgh_autojson cJSON *document = NULL;
	const char *detail;
	int status;

	if (!result->text ||
	    sgh_json_open(result->text, strlen(result->text), NULL, 0, &document, NULL))
		return sgh_remote_not_ours(call, err);
	detail = sgh_json_text(document, "detail");
	if (!detail)
		detail = sgh_json_text(document, "title");
	status = named(sgh_json_text(document, "code"));
	if (!status && !detail)
		return sgh_remote_not_ours(call, err);
	read_refusal(result, document);
	if (!status)
		status = meaning(result->code, true);
	detail = sgh_remote_result_keep(result, detail);
	return sgh_fail(err, status, result->code, "%s",
			detail ? detail : sangraha_status_text(status));
}

int sgh_remote_judge(struct sgh_remote_call *call, int good, int or_good,
		     struct sangraha_error *err)
{
	int code = call->result->code;

	take_text(call);
	if (code == good || code == or_good)
		return 0;
	return code >= 400 ? read_problem(call, err) : sgh_remote_not_ours(call, err);
}

/* One description; what is none was not made by a server of ours. */
static int read_one(struct sgh_remote_call *call, const char *text, size_t length,
		    struct sangraha_object **ret, struct sangraha_error *err)
{
	int status = sangraha_object_parse(text, length, ret, err);

	return status && status != SANGRAHA_E_OVERLOADED ? sgh_remote_not_ours(call, err)
							 : status;
}

int sgh_remote_read_object(struct sgh_remote_call *call, struct sangraha_error *err)
{
	struct sangraha_rest_result *result = call->result;

	if (!result->text)
		return sgh_remote_not_ours(call, err);
	return read_one(call, result->text, strlen(result->text), &result->object, err);
}

/* Make room for one more; false without memory. */
static bool grow(struct sangraha_rest_result *result)
{
	struct sangraha_object **more;
	size_t count = result->object_count;

	/* Powers of two: at each of them the room is used up. */
	if (count & (count - 1))
		return true;
	more = realloc(result->objects, (count ? 2 * count : 1) * sizeof(*more));
	if (more)
		result->objects = more;
	return more;
}

static int read_objects(struct sgh_remote_call *call, const struct sgh_json_raw *raw,
			struct sangraha_error *err)
{
	struct sangraha_rest_result *result = call->result;
	const char *at = raw->text;
	const char *end = raw->text + raw->length;
	struct sgh_json_raw each;

	while (sgh_json_next(&at, end, &each)) {
		int status;

		if (!grow(result))
			return sgh_fail_memory(err);
		status = read_one(call, each.text, each.length,
				  &result->objects[result->object_count], err);
		if (status)
			return status;
		result->object_count++;
	}
	return 0;
}

int sgh_remote_read_page(struct sgh_remote_call *call, struct sangraha_error *err)
{
	struct sangraha_rest_result *result = call->result;
	struct sgh_json_raw raws[] = { { .name = "objects" } };
	sgh_autojson cJSON *document = NULL;

	if (!result->text ||
	    sgh_json_open(result->text, strlen(result->text), raws, 1, &document, NULL))
		return sgh_remote_not_ours(call, err);
	if (!raws[0].text || *raws[0].text != '[')
		return sgh_remote_not_ours(call, err);
	result->next_cursor =
		sgh_remote_result_keep(result, sgh_json_text(document, "next_cursor"));
	if (sgh_remote_check_cursor(result->next_cursor, NULL))
		return sgh_remote_not_ours(call, err);
	return read_objects(call, &raws[0], err);
}
