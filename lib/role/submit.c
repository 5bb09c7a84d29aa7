/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "role/client.h"
#include "role/upload.h"
#include "validate/types.h"
#include "wire/filename.h"
#include "wire/mediatype.h"
#include "wire/sha256.h"

/* Arguments of the public calls to requests, and the asynchronous calls. */

unsigned sgh_put_timeout(const struct sangraha_client *client,
			 const struct sangraha_put_options *options)
{
	return sgh_option(options, timeout_ms, client->timeout_ms);
}

unsigned sgh_request_timeout(const struct sangraha_client *client,
			     const struct sangraha_request_options *options)
{
	return sgh_option(options, timeout_ms, client->timeout_ms);
}

bool sgh_request_keep(struct sgh_request *request, const char *text, const char **ret)
{
	*ret = text ? sgh_arena_strdup(&request->arena, text) : NULL;
	return !text || *ret;
}

/* What all requests have. On success *ret is the caller's. */
static int new_request(struct sangraha_client *client, enum sgh_verb verb,
		       const char *request_id, const char *traceparent,
		       struct sgh_request **ret, struct sangraha_error *err)
{
	char minted[SANGRAHA_ID_SIZE];
	struct sgh_request *request;

	if (request_id && !sgh_request_id_valid(request_id))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a request id is 1 to 128 bytes of [A-Za-z0-9._:-]");
	if (traceparent && !sgh_printable(traceparent, SGH_TRACEPARENT_MAX))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a traceparent is 1 to %d bytes of ASCII",
				SGH_TRACEPARENT_MAX);
	request = sgh_request_new();
	if (!request)
		return sgh_fail_memory(err);
	if (!request_id) {
		sgh_id_random(minted);
		request_id = minted;
	}
	request->verb = verb;
	if (!sgh_request_keep(request, request_id, &request->request_id) ||
	    !sgh_request_keep(request, traceparent, &request->traceparent) ||
	    !sgh_request_keep(request, client->reply_to, &request->reply_to)) {
		sgh_request_free(request);
		return sgh_fail_memory(err);
	}
	*ret = request;
	return 0;
}

/* ---- put ---- */

static int set_put_id(struct sangraha_client *client, struct sgh_request *request,
		      const char *id, const char *key, struct sangraha_error *err)
{
	char made[SANGRAHA_ID_SIZE];
	int status = 0;

	if (id && key)
		return sgh_fail(
			err, SANGRAHA_E_INVALID, 0,
			"an id and an idempotency key: only one can name the object");
	if (id && !sangraha_id_valid(id))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"an object id is a UUID in lower case");
	if (!id && key)
		status = sangraha_id_from_key(key, made, err);
	else if (!id)
		status = sangraha_id_new(client->context, made, err);
	if (status)
		return status;
	/* Only an id that was minted for this very request is certainly new. */
	request->fresh = !id && !key;
	if (!sgh_request_keep(request, id ? id : made, &request->object_id))
		return sgh_fail_memory(err);
	request->operation_id = request->object_id;
	return 0;
}

int sgh_request_add_meta(struct sgh_request *request, const char *name, const char *value,
			 struct sangraha_error *err)
{
	struct sgh_pair *pair = &request->meta[request->meta_count];
	int status;

	if (request->meta_count == SGH_META_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"an object has at most %d pairs of metadata",
				SGH_META_MAX);
	if (!name || !value)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a pair of metadata has no name or no value");
	if (!sgh_request_keep(request, name, &pair->name) ||
	    !sgh_request_keep(request, value, &pair->value))
		return sgh_fail_memory(err);
	status = sgh_meta_check(request->meta, request->meta_count + 1, err);
	if (!status)
		request->meta_count++;
	return status;
}

static int set_meta(struct sgh_request *request, const char *const *names,
		    const char *const *values, size_t count, struct sangraha_error *err)
{
	int status = 0;

	if (count && (!names || !values))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"metadata is counted, but not there");
	for (size_t i = 0; i < count && !status; i++)
		status = sgh_request_add_meta(request, names[i], values[i], err);
	return status;
}

static int set_put_texts(struct sangraha_client *client, struct sgh_request *request,
			 const struct sangraha_put_options *options,
			 struct sangraha_error *err)
{
	const char *filename = sgh_option(options, filename, NULL);
	const char *type = sgh_option(options, type, NULL);
	const char *content_type = sgh_option(options, content_type, NULL);
	const char *sha256 = sgh_option(options, sha256, NULL);
	char normal[SGH_MEDIATYPE_SIZE];
	struct sgh_type_info info;
	int status = 0;

	if (filename)
		status = sgh_filename_check(filename, err);
	if (!status && type)
		status = sgh_types_find(client->types, type, &info, err);
	if (!status && content_type)
		status = sgh_mediatype_normalise(content_type, normal, err);
	if (!status && sha256 && !sgh_sha256_hex_valid(sha256))
		status = sgh_fail(err, SANGRAHA_E_INVALID, 0,
				  "a SHA-256 is 64 hexadecimal digits in lower case");
	if (status)
		return status;
	if (!sgh_request_keep(request, filename, &request->filename) ||
	    !sgh_request_keep(request, type, &request->object_type) ||
	    !sgh_request_keep(request, content_type, &request->content_type) ||
	    !sgh_request_keep(request, sha256, &request->sha256))
		return sgh_fail_memory(err);
	return 0;
}

int sgh_put_request(struct sangraha_client *client,
		    const struct sangraha_put_options *options, struct sgh_request **ret,
		    struct sangraha_error *err)
{
	struct sgh_request *request = NULL;
	int status = sgh_options_check(options, err);

	if (status)
		return status;
	status = new_request(client, SGH_PUT, sgh_option(options, request_id, NULL),
			     sgh_option(options, traceparent, NULL), &request, err);
	if (status)
		return status;
	request->created_ms = sgh_time_ms();
	request->persistent = true;
	status = set_put_id(client, request, sgh_option(options, id, NULL),
			    sgh_option(options, idempotency_key, NULL), err);
	if (!status)
		status = set_put_texts(client, request, options, err);
	if (!status)
		status = set_meta(request, sgh_option(options, meta_names, NULL),
				  sgh_option(options, meta_values, NULL),
				  sgh_option(options, meta_count, 0), err);
	if (status) {
		sgh_request_free(request);
		return status;
	}
	*ret = request;
	return 0;
}

/* ---- the others ---- */

int sgh_plain_request(struct sangraha_client *client, enum sgh_verb verb,
		      const char *type, const char *id,
		      const struct sangraha_request_options *options,
		      struct sgh_request **ret, struct sangraha_error *err)
{
	struct sgh_request *request = NULL;
	char minted[SANGRAHA_ID_SIZE];
	int status = sgh_options_check(options, err);

	if (status)
		return status;
	if ((id && !sangraha_id_valid(id)) || (!id && verb != SGH_LIST))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"an object id is a UUID in lower case");
	if (type && !sgh_type_name_valid(type))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "\"%s\" is not a type", type);
	status = new_request(client, verb, sgh_option(options, request_id, NULL),
			     sgh_option(options, traceparent, NULL), &request, err);
	if (status)
		return status;
	sgh_id_random(minted);
	request->persistent = verb == SGH_DELETE || client->persistent_reads;
	request->redirect = verb == SGH_GET && sgh_option(options, redirect, 0);
	request->download = request->redirect && sgh_option(options, download, 0);
	if (!sgh_request_keep(request, minted, &request->operation_id) ||
	    !sgh_request_keep(request, type, &request->object_type) ||
	    !sgh_request_keep(request, id, &request->object_id)) {
		sgh_request_free(request);
		return sgh_fail_memory(err);
	}
	*ret = request;
	return 0;
}

int sgh_list_request(struct sangraha_client *client, const char *type, unsigned limit,
		     const char *cursor, const struct sangraha_request_options *options,
		     struct sgh_request **ret, struct sangraha_error *err)
{
	struct sgh_request *request = NULL;
	int status;

	if (limit > SGH_LIST_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a page has 1 to %d descriptions, not %u", SGH_LIST_MAX,
				limit);
	if (cursor && !sgh_printable(cursor, SGH_CURSOR_MAX))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the cursor is not one that an earlier page gave");
	status = sgh_plain_request(client, SGH_LIST, type, NULL, options, &request, err);
	if (status)
		return status;
	request->limit = limit ? limit : SGH_LIST_DEFAULT;
	if (!sgh_request_keep(request, cursor, &request->cursor)) {
		sgh_request_free(request);
		return sgh_fail_memory(err);
	}
	*ret = request;
	return 0;
}

/* ---- the asynchronous calls ---- */

static int no_done(struct sangraha_error *err)
{
	return sgh_fail(err, SANGRAHA_E_INVALID, 0,
			"a request needs a client and somebody to tell");
}

int sangraha_client_submit_put(struct sangraha_client *client, const void *data,
			       size_t length, const struct sangraha_put_options *options,
			       sangraha_done_fn *done, void *arg,
			       struct sangraha_error *err)
{
	struct sangraha_upload *upload = NULL;
	size_t taken = 0;
	int status;

	if (!client || !done || (!data && length))
		return no_done(err);
	status = sgh_upload_new(client, (int64_t)length, true, options, NULL, NULL,
				&upload, err);
	if (status)
		return status;
	status = sangraha_upload_write(upload, data, length, &taken, err);
	if (!status && taken < length)
		status = sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
				  "the memory for bodies in flight is used up");
	if (!status)
		return sangraha_upload_submit(upload, done, arg, err);
	sangraha_upload_free(upload);
	return status;
}

static int submit_plain(struct sangraha_client *client, enum sgh_verb verb,
			const char *type, const char *id,
			const struct sangraha_request_options *options,
			sangraha_done_fn *done, void *arg, struct sangraha_error *err)
{
	struct sgh_request *request = NULL;
	int status;

	if (!client || !done)
		return no_done(err);
	status = sgh_plain_request(client, verb, type, id, options, &request, err);
	if (status)
		return status;
	return sgh_read_start(client, request, sgh_request_timeout(client, options),
			      false, done, arg, err);
}

static int no_type(struct sangraha_error *err)
{
	return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the object's type is missing");
}

int sangraha_client_submit_get(struct sangraha_client *client, const char *type,
			       const char *id,
			       const struct sangraha_request_options *options,
			       sangraha_done_fn *done, void *arg,
			       struct sangraha_error *err)
{
	if (!type)
		return no_type(err);
	return submit_plain(client, SGH_GET, type, id, options, done, arg, err);
}

int sangraha_client_submit_stat(struct sangraha_client *client, const char *type,
				const char *id,
				const struct sangraha_request_options *options,
				sangraha_done_fn *done, void *arg,
				struct sangraha_error *err)
{
	if (!type)
		return no_type(err);
	return submit_plain(client, SGH_STAT, type, id, options, done, arg, err);
}

int sangraha_client_submit_delete(struct sangraha_client *client, const char *type,
				  const char *id,
				  const struct sangraha_request_options *options,
				  sangraha_done_fn *done, void *arg,
				  struct sangraha_error *err)
{
	if (!type)
		return no_type(err);
	return submit_plain(client, SGH_DELETE, type, id, options, done, arg, err);
}

int sangraha_client_submit_operation(struct sangraha_client *client, const char *id,
				     const struct sangraha_request_options *options,
				     sangraha_done_fn *done, void *arg,
				     struct sangraha_error *err)
{
	return submit_plain(client, SGH_STAT, NULL, id, options, done, arg, err);
}

int sangraha_client_submit_list(struct sangraha_client *client, const char *type,
				unsigned limit, const char *cursor,
				const struct sangraha_request_options *options,
				sangraha_done_fn *done, void *arg,
				struct sangraha_error *err)
{
	struct sgh_request *request = NULL;
	int status;

	if (!client || !done)
		return no_done(err);
	status = sgh_list_request(client, type, limit, cursor, options, &request, err);
	if (status)
		return status;
	return sgh_call_start(client, request, sgh_request_timeout(client, options),
			      false, done, arg, err);
}
