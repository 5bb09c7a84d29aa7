/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "rest/remote.h"
#include "wire/sha256.h"

#define PIPE_SIZE (512 << 10)
#define TARGET    (SANGRAHA_REFERENCE_SIZE + 16)

/* Where a body goes to. */
struct sink {
	struct sgh_remote_call *call;
	struct sangraha_rest_result *sent; /* what sent us to the store; NULL: nothing */
	sangraha_rest_write_fn *write;
	void *arg;
	void (*begin)(void *arg, const struct sangraha_rest_result *result);
	uint64_t offset;
	uint64_t length; /* 0: all there are */
	bool begun;
	uint64_t skip;           /* bytes to drop: the server knows no ranges */
	uint64_t left;           /* bytes that are wanted still */
	struct sgh_sha256 *hash; /* NULL: what comes is not the whole */
};

static int on_push(struct sgh_http_request *request, const void *data, size_t length)
{
	struct sgh_remote_call *call =
		sgh_container_of(request, struct sgh_remote_call, request);

	/* Once, of an answer without headers: the caller's thread may read it by now. */
	if (!call->result->code)
		call->result->code = (int)request->code;
	return sgh_pipe_give(&call->pipe, data, length);
}

static bool ranged(const struct sink *sink)
{
	return sink->offset || sink->length;
}

static void add_range(struct sgh_remote_call *call, const struct sink *sink)
{
	uint64_t last = sink->offset + sink->length - 1;
	char range[64];

	if (!ranged(sink))
		return;
	if (sink->length && last >= sink->offset)
		snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, sink->offset,
			 last);
	else
		snprintf(range, sizeof(range), "bytes=%" PRIu64 "-", sink->offset);
	sgh_remote_call_header(call, "Range", range);
}

static int fail_another_part(const struct sink *sink, struct sangraha_error *err)
{
	return sgh_fail(err, SANGRAHA_E_INTERNAL, sink->call->result->code,
			"%s sent another part of the object than was asked for",
			sink->call->peer);
}

/* Whether the header promises what was asked for. */
static int check_header(struct sink *sink, struct sangraha_error *err)
{
	const struct sangraha_rest_result *result = sink->call->result;

	/* Many a web server answers whatever is asked with its front page. */
	if ((!sink->sent && !sgh_remote_is_ours(result)) ||
	    (result->code != 200 && result->code != 206))
		return sgh_remote_not_ours(sink->call, err);
	if (result->code == 206 && (!ranged(sink) || result->first < 0 ||
				    (uint64_t)result->first != sink->offset))
		return fail_another_part(sink, err);
	return 0;
}

/* The digest of the whole, as its entity tag tells it; NULL when it does not. */
static const char *whole_digest(const struct sink *sink, char hex[SANGRAHA_SHA256_SIZE])
{
	const struct sangraha_rest_result *result = sink->call->result;

	if (ranged(sink) || result->code != 200 || !result->etag ||
	    strlen(result->etag) != SANGRAHA_SHA256_SIZE + 1 || *result->etag != '"')
		return NULL;
	memcpy(hex, result->etag + 1, SANGRAHA_SHA256_SIZE - 1);
	hex[SANGRAHA_SHA256_SIZE - 1] = '\0';
	return sgh_sha256_hex_valid(hex) ? hex : NULL;
}

/*
 * What the server said of the object counts, not what the store says: its tag is another,
 * and it knows no correlation id. False without memory.
 */
static bool adopt(struct sink *sink)
{
	struct sangraha_rest_result *result = sink->call->result;
	const struct sangraha_rest_result *sent = sink->sent;

	if (!sent)
		return true;
	result->etag = sgh_remote_result_keep(result, sent->etag);
	result->filename = sgh_remote_result_keep(result, sent->filename);
	result->correlation_id = sgh_remote_result_keep(result, sent->correlation_id);
	return !result->etag == !sent->etag && !result->filename == !sent->filename &&
	       !result->correlation_id == !sent->correlation_id;
}

static int begin(struct sink *sink, struct sangraha_error *err)
{
	const struct sangraha_rest_result *result = sink->call->result;
	char hex[SANGRAHA_SHA256_SIZE];
	int status = check_header(sink, err);

	if (!adopt(sink) || sink->call->failed)
		return sgh_fail_memory(err);
	if (status == 0 && whole_digest(sink, hex))
		status = sgh_sha256_new(&sink->hash, err);
	if (status)
		return status;
	sink->skip = result->code == 200 ? sink->offset : 0;
	sink->left = sink->length ? sink->length : UINT64_MAX;
	sink->begun = true;
	if (sink->begin)
		sink->begin(sink->arg, result);
	return 0;
}

/* Hand on what is wanted of a piece. */
static int take(struct sink *sink, const char *data, size_t length,
		struct sangraha_error *err)
{
	size_t skip = sink->skip < length ? (size_t)sink->skip : length;
	int status = 0;

	sink->skip -= skip;
	data += skip;
	length -= skip;
	/* Behind a part there is nothing. */
	if (length > sink->left && sink->call->result->code == 206)
		return fail_another_part(sink, err);
	if (length > sink->left)
		length = (size_t)sink->left;
	sink->left -= length;
	if (length && sink->hash)
		status = sgh_sha256_update(sink->hash, data, length, err);
	if (status || !length)
		return status;
	status = sink->write(sink->arg, data, length);
	if (status == 0)
		return 0;
	status = status < 0 ? status : SANGRAHA_E_INTERNAL;
	return sgh_fail(err, status, 0, "the object could not be written: %s",
			sangraha_status_text(status));
}

static int check_digest(struct sink *sink, struct sangraha_error *err)
{
	char wanted[SANGRAHA_SHA256_SIZE];
	char found[SANGRAHA_SHA256_SIZE];
	unsigned char digest[32];
	int status;

	if (!sink->hash || !whole_digest(sink, wanted))
		return 0;
	status = sgh_sha256_final(sink->hash, digest, err);
	if (status)
		return status;
	sgh_hex(digest, sizeof(digest), found);
	if (strcmp(found, wanted) == 0)
		return 0;
	return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
			"the bytes that arrived have another SHA-256 than the object");
}

/* Empty the pipe until the answer ends or nothing more is wanted of it. */
static int drain(struct sink *sink, struct sangraha_error *err)
{
	struct sgh_remote_call *call = sink->call;
	const void *data;
	size_t length;

	while ((length = sgh_pipe_bytes(&call->pipe, &data))) {
		int status = sink->begun ? 0 : begin(sink, err);

		if (status == 0)
			status = take(sink, data, length, err);
		if (status)
			return status;
		if (!sink->left && call->result->code == 200)
			break;
		if (sgh_pipe_emptied(&call->pipe, length))
			sgh_remote_call_resume(call);
	}
	return 0;
}

/* Whether the server has none of the bytes itself, and says where they are. */
static bool is_sent_away(const struct sink *sink)
{
	const struct sgh_remote_call *call = sink->call;

	return !sink->sent && !call->failed && call->request.status == 0 &&
	       call->request.code == 307 && sgh_remote_is_ours(call->result) &&
	       call->result->location;
}

static int receive(struct sink *sink, struct sangraha_error *err)
{
	struct sgh_remote_call *call = sink->call;
	int status = sgh_remote_call_submit(call, err);

	if (status)
		return status;
	status = drain(sink, err);
	if (status) {
		sgh_remote_call_cancel(call, status);
		return status;
	}
	if (sink->begun && !sink->left && call->result->code == 200) {
		/* A server without ranges would go on to the end of the object. */
		sgh_remote_call_cancel(call, SANGRAHA_E_PRECONDITION);
		return 0;
	}
	if (is_sent_away(sink))
		return 0;
	if (sink->sent && call->request.status == 0 && call->request.code / 100 != 2)
		return sgh_remote_store_failed(call, err);
	status = sgh_remote_call_wait(call, 200, 206, err);
	/* Of an empty object nothing came. */
	if (status == 0 && !sink->begun)
		status = begin(sink, err);
	return status ? status : check_digest(sink, err);
}

static int exchange(struct sink *sink, struct sgh_remote_call *call,
		    struct sangraha_error *err)
{
	sink->call = call;
	call->request.push = on_push;
	add_range(call, sink);
	return receive(sink, err);
}

/* The same from the store, once. */
static int follow(struct sink *sink, struct sangraha_rest_client *client,
		  struct sangraha_rest_result **ret, struct sangraha_error *err)
{
	struct sgh_remote_call call = { 0 };
	int status = sgh_remote_call_init_at(&call, client, "GET", sink->sent->location,
					     PIPE_SIZE, err);

	if (status == 0)
		status = exchange(sink, &call, err);
	if (status == 0 || call.request.code)
		adopt(sink);
	return sgh_remote_call_end(&call, status, ret);
}

static int fetch(struct sink *sink, struct sangraha_rest_client *client, const char *path,
		 struct sangraha_rest_result **ret, struct sangraha_error *err)
{
	struct sgh_remote_call call = { 0 };
	int status = sgh_remote_call_init(&call, client, "GET", path, PIPE_SIZE, err);

	if (status == 0)
		status = exchange(sink, &call, err);
	if (status || !is_sent_away(sink))
		return sgh_remote_call_end(&call, status, ret);
	sgh_remote_call_end(&call, 0, &sink->sent);
	status = follow(sink, client, ret, err);
	/* The store may not have answered at all: the server has. */
	if (ret && !*ret)
		*ret = sgh_take(sink->sent);
	sangraha_rest_result_free(sink->sent);
	return status;
}

int sangraha_rest_client_get(struct sangraha_rest_client *client, const char *type,
			     const char *id, const struct sangraha_rest_get *options,
			     sangraha_rest_write_fn *write, void *arg,
			     struct sangraha_rest_result **ret,
			     struct sangraha_error *err)
{
	struct sink sink = {
		.write = write,
		.arg = arg,
		.begin = sgh_option(options, begin, NULL),
		.offset = sgh_option(options, offset, 0),
		.length = sgh_option(options, length, 0),
	};
	char path[TARGET];
	int status = sgh_options_check(options, err);

	if (ret)
		*ret = NULL;
	if (status)
		return status;
	if (!client || !write)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a get needs a client and a writer");
	status = sgh_remote_check_reference(type, id, err);
	if (status)
		return status;
	snprintf(path, sizeof(path), "/v1/objects/%s/%s", type, id);
	status = fetch(&sink, client, path, ret, err);
	sgh_sha256_free(sink.hash);
	return status;
}
