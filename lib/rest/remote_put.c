/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "rest/remote.h"
#include "wire/filename.h"
#include "wire/sha256.h"

#define PIPE_SIZE (512 << 10)
/* A server that has no memory for a body does not read: that is no sign of its end yet. */
#define PATIENCE 10

/* Where a body comes from, and how much of it did. */
struct source {
	sangraha_rest_read_fn *read;
	void *arg;
	int64_t length; /* -1: not known */
	int64_t given;
	struct sgh_sha256 *hash; /* of what was given */
};

static int64_t on_pull(struct sgh_http_request *request, void *data, size_t size)
{
	struct sgh_remote_call *call =
		sgh_container_of(request, struct sgh_remote_call, request);

	return sgh_pipe_take(&call->pipe, data, size);
}

static void add_digest(struct sgh_remote_call *call, const char *sha256)
{
	sgh_autobuf struct sgh_buf value = SGH_BUF_INIT(128);
	unsigned char digest[32];

	sgh_hex_decode(sha256, digest, sizeof(digest));
	sgh_buf_puts(&value, "sha-256=:");
	sgh_base64_encode(&value, digest, sizeof(digest));
	sgh_buf_puts(&value, ":");
	sgh_remote_call_header(call, "Content-Digest", sgh_buf_text(&value));
}

static void add_meta(struct sgh_remote_call *call, const char *name, const char *value)
{
	sgh_autobuf struct sgh_buf encoded = SGH_BUF_INIT(1 << 10);
	char header[96];

	snprintf(header, sizeof(header), "Sangraha-Meta-%s", name);
	sgh_percent_encode(&encoded, value);
	sgh_remote_call_header(call, header, sgh_buf_text(&encoded));
}

static void add_options(struct sgh_remote_call *call,
			const struct sangraha_rest_put *options)
{
	const char *key = sgh_option(options, idempotency_key, NULL);
	const char *content_type = sgh_option(options, content_type, NULL);
	const char *sha256 = sgh_option(options, sha256, NULL);

	sgh_remote_call_query(call, "filename", sgh_option(options, filename, NULL));
	sgh_remote_call_query(call, "type", sgh_option(options, type, NULL));
	/* "application/octet-stream" is how to declare nothing. */
	sgh_remote_call_header(call, "Content-Type",
			       content_type ? content_type : "application/octet-stream");
	if (key)
		sgh_remote_call_header(call, "Idempotency-Key", key);
	if (sha256)
		add_digest(call, sha256);
	for (size_t i = 0; i < sgh_option(options, meta_count, 0); i++)
		add_meta(call, options->meta_names[i], options->meta_values[i]);
}

/* One piece of the body; its length, 0 at the end. */
static int64_t read_piece(struct source *source, void *data, size_t size,
			  struct sangraha_error *err)
{
	int64_t n = source->read(source->arg, data, size);
	int status;

	if (n < 0) {
		status = n < INT32_MIN ? SANGRAHA_E_INTERNAL : (int)n;
		return sgh_fail(err, status, 0, "the body could not be read: %s",
				sangraha_status_text(status));
	}
	if ((uint64_t)n > size)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the body's reader says it gave more than there was room "
				"for");
	source->given += n;
	status = n ? sgh_sha256_update(source->hash, data, (size_t)n, err) : 0;
	return status ? status : n;
}

/* Before the last byte is sent it must be certain that it is the last. */
static int check_end(struct source *source, struct sangraha_error *err)
{
	char more;
	int64_t n;

	if (source->length < 0 || source->given < source->length)
		return 0;
	n = source->given > source->length ? 1 : read_piece(source, &more, 1, err);
	if (n <= 0)
		return (int)n;
	return sgh_fail(err, SANGRAHA_E_INVALID, 0,
			"the body is longer than the %lld bytes that were announced",
			(long long)source->length);
}

/* The body is at its end: was it all of it? */
static int check_whole(const struct source *source, struct sangraha_error *err)
{
	if (source->length < 0 || source->given == source->length)
		return 0;
	return sgh_fail(err, SANGRAHA_E_INVALID, 0,
			"the body has %lld bytes, and %lld were announced",
			(long long)source->given, (long long)source->length);
}

/* Fill the pipe until the body ends or the server has answered. */
static int feed(struct sgh_remote_call *call, struct source *source,
		struct sangraha_error *err)
{
	void *room;
	size_t size;

	while ((size = sgh_pipe_room(&call->pipe, &room))) {
		int64_t n = read_piece(source, room, size, err);
		int status = n < 0 ? (int)n : 0;

		if (status == 0 && n == 0)
			status = check_whole(source, err);
		else if (status == 0)
			status = check_end(source, err);
		if (status)
			return status;
		if (sgh_pipe_filled(&call->pipe, (size_t)n))
			sgh_remote_call_resume(call);
		if (n == 0 || source->given == source->length)
			break;
	}
	if (sgh_pipe_end(&call->pipe))
		sgh_remote_call_resume(call);
	return 0;
}

static int send_body(struct sgh_remote_call *call, struct source *source,
		     struct sangraha_error *err)
{
	int status;

	call->request.pull = on_pull;
	call->request.length = source->length;
	call->request.expect_continue = true;
	/* Of no body nothing is pulled: what its reader says is known before. */
	status = source->length == 0 ? check_end(source, err) : 0;
	if (status == 0)
		status = sgh_remote_call_submit(call, err);
	if (status || source->length == 0)
		return status;
	status = feed(call, source, err);
	if (status)
		sgh_remote_call_cancel(call, status);
	return status;
}

/* A success that somebody answers who did not read the body, or not all of it, is none. */
static int check_stored(struct sgh_remote_call *call, struct source *source,
			struct sangraha_error *err)
{
	const struct sangraha_object *object = call->result->object;
	char sent[SANGRAHA_SHA256_SIZE];
	unsigned char digest[32];
	int status = sgh_sha256_final(source->hash, digest, err);

	if (status)
		return status;
	sgh_hex(digest, sizeof(digest), sent);
	if (sangraha_object_size(object) == (uint64_t)source->given &&
	    strcmp(sangraha_object_sha256(object), sent) == 0)
		return 0;
	return sgh_fail(err, SANGRAHA_E_INTERNAL, call->result->code,
			"%s stored something else than was sent: it describes %" PRIu64
			" bytes with the SHA-256 %s",
			call->peer, sangraha_object_size(object),
			sangraha_object_sha256(object));
}

int sangraha_rest_client_put(struct sangraha_rest_client *client, int64_t length,
			     sangraha_rest_read_fn *read, void *arg,
			     const struct sangraha_rest_put *options,
			     struct sangraha_rest_result **ret,
			     struct sangraha_error *err)
{
	struct source source = { .read = read, .arg = arg, .length = length };
	struct sgh_remote_call call = { 0 };
	int status;

	if (ret)
		*ret = NULL;
	if (!client || !read || length < -1)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a put needs a client, a reader and a length or -1");
	status = sgh_remote_check_put(options, err);
	if (status)
		return status;
	status = sgh_remote_call_init(&call, client, "POST", "/v1/objects", PIPE_SIZE,
				      err);
	if (client->idle_timeout_ms < UINT_MAX / PATIENCE)
		call.request.idle_timeout_ms = PATIENCE * client->idle_timeout_ms;
	add_options(&call, options);
	if (status == 0)
		status = sgh_sha256_new(&source.hash, err);
	if (status == 0)
		status = send_body(&call, &source, err);
	if (status == 0)
		status = sgh_remote_call_wait(&call, 201, 200, err);
	if (status == 0)
		status = sgh_remote_read_object(&call, err);
	if (status == 0)
		status = check_stored(&call, &source, err);
	sgh_sha256_free(source.hash);
	return sgh_remote_call_end(&call, status, ret);
}
