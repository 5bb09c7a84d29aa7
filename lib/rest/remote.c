/* SPDX-License-Identifier: MIT */
#include "rest/remote.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"

#define TOKEN_MAX          4096
#define TIMEOUT_MS         60000
#define IDLE_TIMEOUT_MS    30000
#define CONNECT_TIMEOUT_MS 5000
#define PATH_MAX_          (SANGRAHA_REFERENCE_SIZE + 32)
/* A thousand descriptions, each at its bounds: what the server may send at most. */
#define PAGE_MAX  (8 << 20)
#define LIMIT_MAX 1000

static int set_token(struct sangraha_rest_client *client, const char *token,
		     struct sangraha_error *err)
{
	int status = sgh_remote_check_text("an API token", token, TOKEN_MAX, err);

	if (status || !token)
		return status;
	if (asprintf(&client->authorization, "Authorization: Bearer %s", token) < 0) {
		client->authorization = NULL;
		return sgh_fail_memory(err);
	}
	return 0;
}

static int set_up(struct sangraha_rest_client *client, const char *url,
		  const struct sangraha_rest_client_options *options,
		  struct sangraha_error *err)
{
	struct sgh_http_options http = {
		.connect_timeout_ms = CONNECT_TIMEOUT_MS,
		.ca_file = sgh_option(options, ca_file, NULL),
	};
	int status = sgh_remote_url_parse(url, &client->url, err);

	if (status == 0)
		status = set_token(client, sgh_option(options, api_token, NULL), err);
	client->timeout_ms = sgh_option(options, timeout_ms, TIMEOUT_MS);
	client->idle_timeout_ms = sgh_option(options, idle_timeout_ms, IDLE_TIMEOUT_MS);
	return status ? status : sgh_http_new(&http, &client->http, err);
}

int sangraha_rest_client_new(struct sangraha_context *context, const char *url,
			     const struct sangraha_rest_client_options *options,
			     struct sangraha_rest_client **ret,
			     struct sangraha_error *err)
{
	struct sangraha_rest_client *client;
	int status = sgh_options_check(options, err);

	if (status)
		return status;
	if (!context || !url || !ret)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a client needs a context and a URL");
	client = calloc(1, sizeof(*client));
	if (!client)
		return sgh_fail_memory(err);
	client->context = sangraha_context_ref(context);
	status = set_up(client, url, options, err);
	if (status)
		sangraha_rest_client_free(client);
	else
		*ret = client;
	return status;
}

void sangraha_rest_client_free(struct sangraha_rest_client *client)
{
	if (!client)
		return;
	sgh_http_free(client->http);
	free(client->url);
	free(client->authorization);
	sangraha_context_unref(client->context);
	free(client);
}

static int no_client(struct sangraha_error *err)
{
	return sgh_fail(err, SANGRAHA_E_INVALID, 0, "there is no client");
}

int sangraha_rest_client_stat(struct sangraha_rest_client *client, const char *type,
			      const char *id, struct sangraha_rest_result **ret,
			      struct sangraha_error *err)
{
	struct sgh_remote_call call = { 0 };
	char path[PATH_MAX_];
	int status;

	if (ret)
		*ret = NULL;
	if (!client)
		return no_client(err);
	status = sgh_remote_check_reference(type, id, err);
	if (status)
		return status;
	snprintf(path, sizeof(path), "/v1/objects/%s/%s/metadata", type, id);
	status = sgh_remote_call_init(&call, client, "GET", path, 1, err);
	if (status == 0)
		status = sgh_remote_call_submit(&call, err);
	if (status == 0)
		status = sgh_remote_call_wait(&call, 200, 200, err);
	if (status == 0)
		status = sgh_remote_read_object(&call, err);
	return sgh_remote_call_end(&call, status, ret);
}

int sangraha_rest_client_delete(struct sangraha_rest_client *client, const char *type,
				const char *id, struct sangraha_rest_result **ret,
				struct sangraha_error *err)
{
	struct sgh_remote_call call = { 0 };
	char path[PATH_MAX_];
	int status;

	if (ret)
		*ret = NULL;
	if (!client)
		return no_client(err);
	status = sgh_remote_check_reference(type, id, err);
	if (status)
		return status;
	snprintf(path, sizeof(path), "/v1/objects/%s/%s", type, id);
	status = sgh_remote_call_init(&call, client, "DELETE", path, 1, err);
	call.request.once = true;
	if (status == 0)
		status = sgh_remote_call_submit(&call, err);
	if (status == 0)
		status = sgh_remote_call_wait(&call, 204, 204, err);
	/* Many a server deletes what it is told to; ours says who it is. */
	if (status == 0 && !sgh_remote_is_ours(call.result))
		status = sgh_remote_not_ours(&call, err);
	return sgh_remote_call_end(&call, status, ret);
}

static int check_list(const char *type, unsigned limit, const char *cursor,
		      struct sangraha_error *err)
{
	int status = type ? sgh_remote_check_type(type, err) : 0;

	if (status == 0 && limit > LIMIT_MAX)
		status = sgh_fail(err, SANGRAHA_E_INVALID, 0,
				  "a page has at most %d descriptions", LIMIT_MAX);
	return status ? status : sgh_remote_check_cursor(cursor, err);
}

int sangraha_rest_client_list(struct sangraha_rest_client *client, const char *type,
			      unsigned limit, const char *cursor,
			      struct sangraha_rest_result **ret,
			      struct sangraha_error *err)
{
	struct sgh_remote_call call = { 0 };
	char number[16] = "";
	int status;

	if (ret)
		*ret = NULL;
	if (!client)
		return no_client(err);
	status = check_list(type, limit, cursor, err);
	if (status)
		return status;
	status = sgh_remote_call_init(&call, client, "GET", "/v1/objects", 1, err);
	call.request.max_text = PAGE_MAX;
	snprintf(number, sizeof(number), "%u", limit);
	sgh_remote_call_query(&call, "type", type);
	sgh_remote_call_query(&call, "limit", limit ? number : NULL);
	sgh_remote_call_query(&call, "cursor", cursor);
	if (status == 0)
		status = sgh_remote_call_submit(&call, err);
	if (status == 0)
		status = sgh_remote_call_wait(&call, 200, 200, err);
	if (status == 0)
		status = sgh_remote_read_page(&call, err);
	return sgh_remote_call_end(&call, status, ret);
}
