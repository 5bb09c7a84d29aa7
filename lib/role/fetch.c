/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "role/client.h"

/* Reads of any size that block: a get, a download, and somebody who takes the bytes. */

#define PIECE (64 << 10)

/* One read. The library's threads change what is under the lock. */
struct fetch {
	const struct sangraha_get_options *options;
	sangraha_write_fn *write;
	void *arg;
	void *begin_arg;
	struct sangraha_download *download;
	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed;
		struct sangraha_result *result;
		bool ready;
	} state;
};

static void fetch_fini(struct fetch *fetch)
{
	sangraha_download_free(fetch->download);
	pthread_cond_destroy(&fetch->state.changed);
	pthread_mutex_destroy(&fetch->state.lock);
}

static void answered(void *arg, struct sangraha_result *result)
{
	struct fetch *fetch = arg;

	pthread_mutex_lock(&fetch->state.lock);
	fetch->state.result = result;
	pthread_cond_signal(&fetch->state.changed);
	pthread_mutex_unlock(&fetch->state.lock);
}

static void ready(void *arg)
{
	struct fetch *fetch = arg;

	pthread_mutex_lock(&fetch->state.lock);
	fetch->state.ready = true;
	pthread_cond_signal(&fetch->state.changed);
	pthread_mutex_unlock(&fetch->state.lock);
}

/* The answer to the get, which comes within its time. */
static struct sangraha_result *wait_for_answer(struct fetch *fetch)
{
	pthread_mutex_lock(&fetch->state.lock);
	while (!fetch->state.result)
		sgh_cond_wait_until(&fetch->state.changed, &fetch->state.lock, SGH_NEVER);
	pthread_mutex_unlock(&fetch->state.lock);
	return fetch->state.result;
}

/* The download knows by itself when it has waited long enough. */
static void wait_until_ready(struct fetch *fetch)
{
	pthread_mutex_lock(&fetch->state.lock);
	while (!fetch->state.ready)
		sgh_cond_wait_until(&fetch->state.changed, &fetch->state.lock, SGH_NEVER);
	fetch->state.ready = false;
	pthread_mutex_unlock(&fetch->state.lock);
}

static int give(struct fetch *fetch, const void *data, size_t length,
		struct sangraha_error *err)
{
	int status = fetch->write(fetch->arg, data, length);

	if (status == 0)
		return 0;
	status = status < 0 ? status : SANGRAHA_E_INTERNAL;
	return sgh_fail(err, status, 0, "the object could not be written: %s",
			sangraha_status_text(status));
}

static int pump(struct fetch *fetch, struct sangraha_error *err)
{
	sgh_autofree unsigned char *piece = malloc(PIECE);
	int status = piece ? 0 : sgh_fail_memory(err);

	while (!status && !sangraha_download_ended(fetch->download)) {
		size_t got;

		status = sangraha_download_read(fetch->download, piece, PIECE, &got, err);
		if (!status && got)
			status = give(fetch, piece, got, err);
		else if (!status)
			wait_until_ready(fetch);
	}
	return status;
}

static int fetch_bytes(struct sangraha_client *client, struct fetch *fetch,
		       const struct sangraha_result *result, struct sangraha_error *err)
{
	void (*begin)(void *arg, const struct sangraha_result *result) =
		sgh_option(fetch->options, begin, NULL);
	int status = sangraha_download_new(client, result,
					   sgh_option(fetch->options, offset, 0),
					   sgh_option(fetch->options, length, 0), ready,
					   fetch, &fetch->download, err);

	if (status)
		return status;
	if (begin)
		begin(fetch->begin_arg, result);
	return pump(fetch, err);
}

static int submit(struct sangraha_client *client, const char *type, const char *id,
		  struct fetch *fetch, struct sangraha_error *err)
{
	const struct sangraha_request_options options = {
		.size = sizeof(options),
		.request_id = sgh_option(fetch->options, request_id, NULL),
		.traceparent = sgh_option(fetch->options, traceparent, NULL),
		.timeout_ms = sgh_option(fetch->options, timeout_ms, 0),
	};
	struct sgh_request *request = NULL;
	int status =
		sgh_plain_request(client, SGH_GET, type, id, &options, &request, err);

	if (status)
		return status;
	return sgh_read_start(client, request, sgh_request_timeout(client, &options),
			      true, answered, fetch, err);
}

static int fetch(struct sangraha_client *client, const char *type, const char *id,
		 struct fetch *fetch, struct sangraha_result **ret,
		 struct sangraha_error *err)
{
	struct sangraha_result *result;
	int status = submit(client, type, id, fetch, err);

	if (status)
		return status;
	result = wait_for_answer(fetch);
	status = result->status;
	if (status)
		sgh_fail_with(err, status, &result->err);
	else
		status = fetch_bytes(client, fetch, result, err);
	if (ret && result->reply)
		*ret = result;
	else
		sangraha_result_free(result);
	return status;
}

/* Check, and make a start and an end around it. */
static int stream(struct sangraha_client *client, const char *type, const char *id,
		  struct fetch *one, struct sangraha_result **ret,
		  struct sangraha_error *err)
{
	int status = sgh_options_check(one->options, err);

	if (ret)
		*ret = NULL;
	if (status)
		return status;
	if (!client || !type || !one->write)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a get needs a client, a type and a writer");
	pthread_mutex_init(&one->state.lock, NULL);
	sgh_cond_init(&one->state.changed);
	status = fetch(client, type, id, one, ret, err);
	fetch_fini(one);
	return status;
}

int sangraha_client_get_stream(struct sangraha_client *client, const char *type,
			       const char *id, const struct sangraha_get_options *options,
			       sangraha_write_fn *write, void *arg,
			       struct sangraha_result **ret, struct sangraha_error *err)
{
	struct fetch one = {
		.options = options,
		.write = write,
		.arg = arg,
		.begin_arg = arg,
	};

	return stream(client, type, id, &one, ret, err);
}

/* ---- into a descriptor ---- */

struct sink {
	int fd;
	int error; /* errno */
};

static int write_fd(void *arg, const void *data, size_t length)
{
	struct sink *sink = arg;
	const char *at = data;

	while (length) {
		ssize_t count = write(sink->fd, at, length);

		if (count >= 0) {
			at += count;
			length -= (size_t)count;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			struct pollfd wait = { .fd = sink->fd, .events = POLLOUT };

			poll(&wait, 1, -1);
		} else if (errno != EINTR) {
			sink->error = errno;
			return SANGRAHA_E_INTERNAL;
		}
	}
	return 0;
}

int sangraha_client_get_fd(struct sangraha_client *client, const char *type,
			   const char *id, const struct sangraha_get_options *options,
			   int fd, struct sangraha_result **ret,
			   struct sangraha_error *err)
{
	struct sink sink = { .fd = fd };
	struct fetch one = { .options = options, .write = write_fd, .arg = &sink };
	int status = stream(client, type, id, &one, ret, err);

	if (sink.error)
		return sgh_fail_errno(err, sink.error, "the object could not be written");
	return status;
}
