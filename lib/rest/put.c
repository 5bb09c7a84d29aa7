/* SPDX-License-Identifier: MIT */
#include "rest/put.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/util.h"
#include "rest/answer.h"
#include "rest/client.h"
#include "rest/fields.h"
#include "rest/objects.h"
#include "wire/filename.h"

#define META_HEADER "Sangraha-Meta-"

static int invalid(struct sgh_web_request *request, const char *detail)
{
	return sgh_problem_set(&request->problem, SANGRAHA_E_INVALID, "%s", detail);
}

static const char *or_null(const char *text)
{
	return text && *text ? text : NULL;
}

int sgh_put_open(struct sgh_web_request *request, int64_t length)
{
	struct sangraha_error err = { 0 };
	struct sgh_put *put = request->put;
	const struct sangraha_put_options options = {
		.size = sizeof(options),
		.request_id = request->correlation_id,
		.traceparent = request->traceparent,
		.timeout_ms = request->rest->request_timeout_ms,
		.idempotency_key = put->idempotency_key,
		.filename = put->filename,
		.content_type = or_null(put->content_type),
		.type = put->type,
		.sha256 = put->form ? NULL : or_null(put->sha256),
		.meta_names = (const char *const *)put->meta_names,
		.meta_values = (const char *const *)put->meta_values,
		.meta_count = put->meta_count,
		.async = put->async,
	};
	int status;

	status = sangraha_upload_new(request->rest->client, length, &options,
				     sgh_web_request_wake, request, &put->upload, &err);
	if (status)
		return sgh_problem_set_error(&request->problem, status, &err);
	/* So that an answer which does not wait for the client's can name it. */
	snprintf(request->operation_id, sizeof(request->operation_id), "%s",
		 sangraha_upload_id(put->upload));
	/* For sgh_web_request_wake(), which is called from any thread. */
	sgh_web_request_ref(request);
	return 0;
}

void sgh_put_close(struct sgh_web_request *request)
{
	if (!request->put->upload)
		return;
	sangraha_upload_free(sgh_take(request->put->upload));
	sgh_web_request_unref(request);
}

/*
 * What became of an upload that is refused or given up is answered when nothing of it is
 * left. Its memory is for those that go on.
 */
static void end_upload(struct sgh_web_request *request, bool refused)
{
	struct sgh_put *put = request->put;
	int status;

	put->refused = refused;
	sgh_web_request_ref(request);
	status = (refused ? sangraha_upload_submit : sangraha_upload_cancel)(
		sgh_take(put->upload), sgh_web_request_done, request, NULL);
	sgh_web_request_unref(request); /* there is no wake-up any more */
	if (status)
		sgh_web_request_unref(request); /* `done` will not be called */
	else
		sgh_web_request_await_end(request);
}

int sgh_put_write(struct sgh_web_request *request, const char *data, size_t length,
		  size_t *ret_taken)
{
	struct sangraha_error err = { 0 };
	struct sgh_put *put = request->put;
	int status = sangraha_upload_write(put->upload, data, length, ret_taken, &err);

	sgh_connection_holds(request->connection, sangraha_upload_memory(put->upload));
	if (status == 0)
		return 0;
	sgh_problem_set_verdict(&request->problem, sangraha_upload_verdict(put->upload));
	sgh_problem_set_error(&request->problem, status, &err);
	end_upload(request, true);
	return status;
}

bool sgh_put_moves(const struct sgh_web_request *request)
{
	const struct sangraha_rest *rest = request->rest;

	return request->put && request->put->upload &&
	       !__atomic_load_n(&rest->closing, __ATOMIC_RELAXED) &&
	       sangraha_upload_idle_ms(request->put->upload) <
		       (int64_t)rest->request_timeout_ms;
}

/* False without memory; what is far too long is a little too long. */
static bool encoded_length(const char *text, size_t *ret)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(4 * SGH_META_BYTES_MAX);

	sgh_percent_encode(&buf, text);
	*ret = buf.full ? SGH_META_BYTES_MAX + 1 : buf.length;
	return buf.full || !buf.failed;
}

/* A form may have its metadata after the file. */
static int add_late_meta(struct sgh_web_request *request, const char *name,
			 const char *value)
{
	struct sangraha_error err = { 0 };
	int status = sangraha_upload_add_meta(request->put->upload, name, value, &err);

	if (status == SANGRAHA_E_INVALID)
		return sgh_problem_set(&request->problem, status,
				       "The part \"meta.%s\" came after the part "
				       "\"file\"; %s",
				       name, err.message);
	return status ? sgh_problem_set_error(&request->problem, status, &err) : 0;
}

int sgh_put_add_meta(struct sgh_web_request *request, const char *name, const char *value)
{
	struct sgh_put *put = request->put;
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
	size_t i = put->meta_count;
	size_t encoded;

	if (length < 1 || length > 64 || name[length])
		return invalid(request, "A name of user metadata is 1 to 64 of a-z, 0-9 "
					"and \"-\"");
	if (!sgh_utf8_valid(value, strlen(value)))
		return invalid(request, "A value of user metadata is not UTF-8");
	for (size_t j = 0; j < i; j++)
		if (strcmp(put->meta_names[j], name) == 0)
			return invalid(request, "A name of user metadata is given twice");
	if (!encoded_length(value, &encoded))
		return sgh_problem_set(&request->problem, SANGRAHA_E_OVERLOADED,
				       "There is no memory");
	put->meta_bytes += length + encoded;
	if (i == SGH_META_MAX || put->meta_bytes > SGH_META_BYTES_MAX)
		return invalid(request,
			       "User metadata is over 512 bytes, percent-encoded "
			       "and with its names, or over 32 pairs");
	if (!sgh_strdup(name, &put->meta_names[i]))
		return sgh_problem_set(&request->problem, SANGRAHA_E_OVERLOADED,
				       "There is no memory");
	put->meta_count++;
	if (!sgh_strdup(value, &put->meta_values[i]))
		return sgh_problem_set(&request->problem, SANGRAHA_E_OVERLOADED,
				       "There is no memory");
	return put->upload ? add_late_meta(request, name, value) : 0;
}

int sgh_put_name(struct sgh_web_request *request, const char *filename)
{
	struct sangraha_error err = { 0 };
	int status;

	if (request->put->filename)
		return 0;
	status = sgh_filename_check(filename, &err);
	if (status)
		return sgh_problem_set_error(&request->problem, status, &err);
	if (!sgh_strdup(filename, &request->put->filename))
		return sgh_problem_set(&request->problem, SANGRAHA_E_OVERLOADED,
				       "There is no memory");
	return 0;
}

int sgh_put_content_type(struct sgh_web_request *request, const char *header)
{
	struct sangraha_error err = { 0 };
	int status = sgh_mediatype_normalise(header, request->put->content_type, &err);

	if (status)
		return sgh_problem_set_error(&request->problem, status, &err);
	return 0;
}

/* Sangraha-Meta-<name>: percent-encoded UTF-8. */
static enum MHD_Result meta_header(void *arg, enum MHD_ValueKind kind, const char *header,
				   const char *value)
{
	struct sgh_web_request *request = arg;
	sgh_autofree char *name = NULL;
	sgh_autofree char *decoded = NULL;

	if (strncasecmp(header, META_HEADER, strlen(META_HEADER)) != 0)
		return MHD_YES;
	name = strdup(header + strlen(META_HEADER));
	decoded = strdup(value ? value : "");
	if (!name || !decoded) {
		sgh_problem_set(&request->problem, SANGRAHA_E_OVERLOADED,
				"There is no memory");
		return MHD_NO;
	}
	/* Header names have no case; those of metadata are lower-case. */
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (!sgh_percent_decode(decoded)) {
		invalid(request, "A value of user metadata has a broken percent escape");
		return MHD_NO;
	}
	return sgh_put_add_meta(request, name, decoded) ? MHD_NO : MHD_YES;
}

static int read_name(struct sgh_web_request *request)
{
	const char *query = sgh_uri_query(&request->uri, "filename");
	const char *header = sgh_web_request_header(request, "Content-Disposition");
	sgh_autofree char *field = NULL;
	sgh_autofree char *filename = NULL;
	struct sangraha_error err = { 0 };
	int status;

	if (query)
		return sgh_put_name(request, query);
	if (!header)
		return 0;
	status = sgh_disposition_parse(header, &field, &filename, &err);
	if (status)
		return sgh_problem_set_error(&request->problem, status, &err);
	return filename && *filename ? sgh_put_name(request, filename) : 0;
}

static int read_key(struct sgh_web_request *request)
{
	const char *key = sgh_web_request_header(request, "Idempotency-Key");

	if (!key)
		return 0;
	if (!*key || strlen(key) > 255)
		return invalid(request, "Idempotency-Key is 1 to 255 bytes");
	for (const char *c = key; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			return invalid(request, "Idempotency-Key is printable ASCII");
	request->put->idempotency_key = key;
	return 0;
}

static int read_digest(struct sgh_web_request *request)
{
	sgh_autofree char *field = NULL;
	struct sangraha_error err = { 0 };
	int status = sgh_fields_list(request, "Content-Digest", &field);

	if (status || !field)
		return status;
	status = sgh_content_digest_parse(field, request->put->sha256, &err);
	if (status)
		return sgh_problem_set_error(&request->problem, status, &err);
	return 0;
}

/* A member of a list header, as RFC 7240, section 2 has it; parameters are passed over. */
static bool has_token(const char *list, const char *token)
{
	while (list && *list) {
		size_t length;

		list += strspn(list, " \t,");
		length = strcspn(list, " \t,;=");
		if (sgh_named(list, length, token))
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

static int read_preference(struct sgh_web_request *request)
{
	sgh_autofree char *list = NULL;
	int status = sgh_fields_list(request, "Prefer", &list);

	request->put->async = has_token(list, "respond-async");
	return status;
}

/* "identity" is no coding, and need not be said (RFC 9110, section 8.4.1). */
static bool is_encoded(const char *list)
{
	while (list && *list) {
		size_t length;

		list += strspn(list, " \t,");
		length = strcspn(list, " \t,");
		if (length && !sgh_named(list, length, "identity"))
			return true;
		list += length;
	}
	return false;
}

int sgh_put_encoding(struct sgh_web_request *request, const char *list)
{
	if (!is_encoded(list))
		return 0;
	return sgh_problem_set(&request->problem, SANGRAHA_E_UNSUPPORTED,
			       "A body with a Content-Encoding is not taken");
}

static int read_type(struct sgh_web_request *request)
{
	const char *type = sgh_uri_query(&request->uri, "type");
	sgh_autofree char *coding = NULL;
	int status = sgh_fields_list(request, "Content-Encoding", &coding);

	if (status == 0)
		status = sgh_put_encoding(request, coding);
	if (status == 0 && type)
		status = sgh_check_type(request, type);
	request->put->type = type;
	return status;
}

static int open_body(struct sgh_web_request *request)
{
	static const char multipart[] = "multipart/form-data";
	const char *type = sgh_web_request_header(request, "Content-Type");
	const char *length = sgh_web_request_header(request, "Content-Length");
	bool chunked = sgh_web_request_header(request, "Transfer-Encoding");

	if (type && strncasecmp(type, multipart, sizeof(multipart) - 1) == 0)
		return sgh_form_new(request, type);
	if (sgh_put_content_type(request, type))
		return request->problem.status;
	/* MHD has checked that it is a number that fits 64 bits. */
	return sgh_put_open(request, chunked  ? -1
				     : length ? (int64_t)strtoll(length, NULL, 10)
					      : 0);
}

int sgh_put_begin(struct sgh_web_request *request)
{
	request->put = calloc(1, sizeof(*request->put));
	if (!request->put)
		return sgh_problem_set(&request->problem, SANGRAHA_E_OVERLOADED,
				       "There is no memory");
	if (read_preference(request) || read_type(request) || read_name(request) ||
	    read_key(request) || read_digest(request))
		return request->problem.status;
	MHD_get_connection_values(request->http, MHD_HEADER_KIND, meta_header, request);
	if (request->problem.http)
		return request->problem.status;
	return open_body(request);
}

int sgh_put_body(struct sgh_web_request *request, const char *data, size_t length,
		 size_t *ret_taken)
{
	int status;

	if (request->put->form)
		status = sgh_form_feed(request, data, length, ret_taken);
	else
		status = sgh_put_write(request, data, length, ret_taken);
	/* A form may be wrong around its file. */
	if (status && request->put->upload)
		end_upload(request, false);
	return status;
}

enum sgh_step sgh_put_start(struct sgh_web_request *request)
{
	struct sgh_put *put = request->put;
	struct sangraha_error err = { 0 };
	int status;

	if (put->form && sgh_form_finish(request)) {
		if (!put->upload)
			return SGH_STEP_ANSWER;
		end_upload(request, false);
		return request->waits ? SGH_STEP_WAIT : SGH_STEP_ANSWER;
	}
	sgh_web_request_ref(request);
	status = sangraha_upload_submit(sgh_take(put->upload), sgh_web_request_done,
					request, &err);
	sgh_web_request_unref(request); /* there is no wake-up any more */
	return sgh_submitted(request, status, &err);
}

static void answer_accepted(struct sgh_web_request *request,
			    const struct sangraha_result *result)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(1 << 10);
	char location[96];

	snprintf(location, sizeof(location), "/v1/operations/%s?until=%" PRId64,
		 request->operation_id, sangraha_result_until_ms(result));
	sgh_buf_printf(&buf, "{\"id\":\"%s\",\"state\":\"pending\"}",
		       request->operation_id);
	sgh_answer_buf(request, 202, &buf);
	sgh_answer_header(request, "Location", location);
	sgh_answer_header(request, "Preference-Applied", "respond-async");
}

static void answer_created(struct sgh_web_request *request,
			   const struct sangraha_result *result)
{
	char location[SANGRAHA_REFERENCE_SIZE + 16];
	struct sangraha_object *object;
	char *text = sgh_result_json(request, result, &object);

	if (!text)
		return;
	sgh_web_request_note(request, object);
	snprintf(location, sizeof(location), "/v1/objects/%s",
		 sangraha_object_reference(object));
	sgh_answer_json(request, 201, text);
	sgh_answer_header(request, "Location", location);
	sgh_answer_header(request, "ETag", sangraha_object_etag(object));
	if (sangraha_result_replayed(result))
		sgh_answer_header(request, "Idempotency-Replayed", "true");
}

void sgh_put_finish(struct sgh_web_request *request, struct sangraha_result *result)
{
	int status = sangraha_result_status(result);

	/* The result knows more than the upload did. */
	if (request->put->refused)
		memset(&request->problem, 0, sizeof(request->problem));
	else if (request->problem.http)
		return;
	snprintf(request->operation_id, sizeof(request->operation_id), "%s",
		 sangraha_result_id(result));
	/* It may be stored nevertheless: say where that will be known. */
	if (status == SANGRAHA_E_TIMEOUT || status == SANGRAHA_E_UNAVAILABLE)
		memcpy(request->problem.operation, request->operation_id,
		       sizeof(request->operation_id));
	/* Who chose a key knows nothing of the id that came of it. */
	if (status == SANGRAHA_E_CONFLICT && request->put->idempotency_key)
		sgh_problem_set(&request->problem, status,
				"The Idempotency-Key was used for another object; a new "
				"object needs a new key");
	if (!sgh_result_ok(request, result))
		return;
	/* What is larger than a message is never left to be done later. */
	if (request->put->async && !sangraha_result_object(result))
		answer_accepted(request, result);
	else
		answer_created(request, result);
}

void sgh_put_end(struct sgh_web_request *request)
{
	struct sgh_put *put = request->put;

	if (!put)
		return;
	sgh_put_close(request);
	sgh_form_free(put->form);
	for (size_t i = 0; i < put->meta_count; i++) {
		free(put->meta_names[i]);
		free(put->meta_values[i]);
	}
	free(put->filename);
	free(put);
	request->put = NULL;
}
