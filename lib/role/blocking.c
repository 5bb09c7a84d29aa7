/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "role/client.h"
#include "role/wait.h"

/* The blocking calls: the asynchronous ones, and a wait. They end by their deadline. */

static int call(struct sangraha_client *client, struct sgh_request *request,
		unsigned timeout_ms, struct sangraha_result **ret,
		struct sangraha_error *err)
{
	struct sgh_wait wait;
	int status;

	sgh_wait_init(&wait);
	status = sgh_read_start(client, request, timeout_ms, true, sgh_wait_answered,
				&wait, err);
	if (!status)
		status = sgh_wait_collect(&wait, ret, err);
	sgh_wait_fini(&wait);
	return status;
}

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
