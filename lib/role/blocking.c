/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "role/client.h"
#include "role/upload.h"

/* The blocking calls: the asynchronous ones, and a wait. They end by their deadline. */

struct wait {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct sangraha_result *result;
	bool resumed;
};

static void wait_init(struct wait *wait)
{
	*wait = (struct wait){ 0 };
	pthread_mutex_init(&wait->lock, NULL);
	sgh_cond_init(&wait->changed);
}

static void wait_fini(struct wait *wait)
{
	pthread_cond_destroy(&wait->changed);
	pthread_mutex_destroy(&wait->lock);
}

static void answered(void *arg, struct sangraha_result *result)
{
	struct wait *wait = arg;

	pthread_mutex_lock(&wait->lock);
	wait->result = result;
	pthread_cond_signal(&wait->changed);
	pthread_mutex_unlock(&wait->lock);
}

/* Wait for the answer of a request that was submitted, and hand it to the caller. */
static int collect(struct wait *wait, struct sangraha_result **ret,
		   struct sangraha_error *err)
{
	struct sangraha_result *result;
	int status;

	pthread_mutex_lock(&wait->lock);
	while (!wait->result)
		sgh_cond_wait_until(&wait->changed, &wait->lock, SGH_NEVER);
	pthread_mutex_unlock(&wait->lock);
	result = wait->result;
	status = result->status;
	if (status)
		sgh_fail_with(err, status, &result->err);
	if (ret && (!status || result->reply))
		*ret = result;
	else
		sangraha_result_free(result);
	return status;
}

static int call(struct sangraha_client *client, struct sgh_request *request,
		unsigned timeout_ms, struct sangraha_result **ret,
		struct sangraha_error *err)
{
	struct wait wait;
	int status;

	wait_init(&wait);
	status = sgh_call_start(client, request, timeout_ms, true, answered, &wait, err);
	if (!status)
		status = collect(&wait, ret, err);
	wait_fini(&wait);
	return status;
}

/* ---- put ---- */

static void resumed(void *arg)
{
	struct wait *wait = arg;

	pthread_mutex_lock(&wait->lock);
	wait->resumed = true;
	pthread_cond_signal(&wait->changed);
	pthread_mutex_unlock(&wait->lock);
}

/* Write everything, waiting for memory until the deadline. */
static int write_all(struct wait *wait, struct sangraha_upload *upload, const void *data,
		     size_t length, int64_t deadline_ms, struct sangraha_error *err)
{
	size_t taken = 0;
	bool in_time = true;
	int status;

	while (!(status = sangraha_upload_write(upload, data, length, &taken, err)) &&
	       taken < length && in_time) {
		pthread_mutex_lock(&wait->lock);
		while (!wait->resumed && in_time)
			in_time = sgh_cond_wait_until(&wait->changed, &wait->lock,
						      deadline_ms);
		pthread_mutex_unlock(&wait->lock);
	}
	if (!status && taken < length)
		status = sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
				  "there was no memory for the body in all the time");
	return status;
}

int sangraha_client_put(struct sangraha_client *client, const void *data, size_t length,
			const struct sangraha_put_options *options,
			struct sangraha_result **ret, struct sangraha_error *err)
{
	struct sangraha_upload *upload = NULL;
	int64_t deadline_ms;
	int64_t left_ms;
	struct wait wait;
	int status;

	if (ret)
		*ret = NULL;
	if (!client || (!data && length))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no client or no bytes");
	deadline_ms = sgh_now_ms() + sgh_put_timeout(client, options);
	wait_init(&wait);
	status = sangraha_upload_new(client, (int64_t)length, options, resumed, &wait,
				     &upload, err);
	if (!status)
		status = write_all(&wait, upload, data, length, deadline_ms, err);
	/* All of it together has the time of one request. */
	left_ms = deadline_ms - sgh_now_ms();
	if (!status)
		status = sgh_upload_submit(sgh_take(upload),
					   left_ms > 1 ? (unsigned)left_ms : 1, true,
					   answered, &wait, err);
	if (!status)
		status = collect(&wait, ret, err);
	sangraha_upload_free(upload);
	wait_fini(&wait);
	return status;
}

/* ---- the others ---- */

static int plain(struct sangraha_client *client, enum sgh_verb verb, const char *type,
		 const char *id, const struct sangraha_request_options *options,
		 struct sangraha_result **ret, struct sangraha_error *err)
{
	struct sgh_request *request = NULL;
	int status;

	if (ret)
		*ret = NULL;
	if (!client)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no client");
	status = sgh_plain_request(client, verb, type, id, options, &request, err);
	if (status)
		return status;
	return call(client, request, sgh_request_timeout(client, options), ret, err);
}

static int no_type(struct sangraha_result **ret, struct sangraha_error *err)
{
	if (ret)
		*ret = NULL;
	return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the object's type is missing");
}

/* This call is about the bytes, so an answer without them has not what was asked for. */
static int no_bytes(struct sangraha_result *result, struct sangraha_error *err)
{
	result->status = sgh_fail(&result->err, SANGRAHA_E_TOO_LARGE, 0,
				  "the object has %llu bytes, more than a message may: "
				  "sangraha_client_get_stream() fetches it",
				  (unsigned long long)result->reply->object->size);
	return sgh_fail_with(err, result->status, &result->err);
}

int sangraha_client_get(struct sangraha_client *client, const char *type, const char *id,
			const struct sangraha_request_options *options,
			struct sangraha_result **ret, struct sangraha_error *err)
{
	struct sangraha_result *result = NULL;
	int status = type ? plain(client, SGH_GET, type, id, options, &result, err)
			  : no_type(ret, err);

	if (!status && result->reply->ticket)
		status = no_bytes(result, err);
	if (ret)
		*ret = result;
	else
		sangraha_result_free(result);
	return status;
}

int sangraha_client_stat(struct sangraha_client *client, const char *type, const char *id,
			 const struct sangraha_request_options *options,
			 struct sangraha_result **ret, struct sangraha_error *err)
{
	return type ? plain(client, SGH_STAT, type, id, options, ret, err)
		    : no_type(ret, err);
}

int sangraha_client_delete(struct sangraha_client *client, const char *type,
			   const char *id, const struct sangraha_request_options *options,
			   struct sangraha_result **ret, struct sangraha_error *err)
{
	return type ? plain(client, SGH_DELETE, type, id, options, ret, err)
		    : no_type(ret, err);
}

int sangraha_client_operation(struct sangraha_client *client, const char *id,
			      const struct sangraha_request_options *options,
			      struct sangraha_result **ret, struct sangraha_error *err)
{
	return plain(client, SGH_STAT, NULL, id, options, ret, err);
}

int sangraha_client_list(struct sangraha_client *client, const char *type, unsigned limit,
			 const char *cursor,
			 const struct sangraha_request_options *options,
			 struct sangraha_result **ret, struct sangraha_error *err)
{
	struct sgh_request *request = NULL;
	int status;

	if (ret)
		*ret = NULL;
	if (!client)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no client");
	status = sgh_list_request(client, type, limit, cursor, options, &request, err);
	if (status)
		return status;
	return call(client, request, sgh_request_timeout(client, options), ret, err);
}
