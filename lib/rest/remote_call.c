/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "rest/remote.h"
#include "wire/filename.h"

#define URL_MAX (8 << 10)

static struct sgh_remote_call *call_of(struct sgh_http_request *request)
{
	return sgh_container_of(request, struct sgh_remote_call, request);
}

static void on_header(struct sgh_http_request *request, const char *name,
		      size_t name_length, const char *value, size_t value_length)
{
	struct sgh_remote_call *call = call_of(request);

	call->result->code = (int)request->code;
	if (!sgh_remote_result_header(call->result, name, name_length, value,
				      value_length))
		call->failed = true;
}

static void on_done(struct sgh_http_request *request)
{
	sgh_pipe_done(&call_of(request)->pipe);
}

static void add_line(struct sgh_remote_call *call, const char *line)
{
	if (line && call->request.header_count < SGH_COUNT(call->lines))
		call->lines[call->request.header_count++] = line;
	else
		call->failed = true;
}

static int init(struct sgh_remote_call *call, struct sangraha_rest_client *client,
		const char *method, size_t pipe, struct sangraha_error *err)
{
	call->client = client;
	call->peer = client->url;
	call->request.method = method;
	call->request.headers = call->lines;
	call->request.deadline_ms = SGH_NEVER;
	call->request.idle_timeout_ms = client->idle_timeout_ms;
	call->request.answer_timeout_ms = client->timeout_ms;
	call->request.on_header = on_header;
	call->request.done = on_done;
	call->url.max = URL_MAX;
	call->result = sgh_remote_result_new();
	if (!sgh_pipe_init(&call->pipe, pipe) || !call->result)
		return sgh_fail_memory(err);
	return 0;
}

int sgh_remote_call_init(struct sgh_remote_call *call,
			 struct sangraha_rest_client *client, const char *method,
			 const char *path, size_t pipe, struct sangraha_error *err)
{
	int status = init(call, client, method, pipe, err);

	if (status)
		return status;
	sgh_buf_puts(&call->url, client->url);
	sgh_buf_puts(&call->url, path);
	if (client->authorization)
		add_line(call, client->authorization);
	return 0;
}

/* The length of "http://host:port" in front of a URL; 0 for what is none. */
static size_t origin_length(const char *url)
{
	size_t scheme = strncmp(url, "http://", 7) == 0    ? 7
			: strncmp(url, "https://", 8) == 0 ? 8
							   : 0;
	size_t host = scheme ? strcspn(url + scheme, "/?#") : 0;

	/* A name before "@" would be one for the host, and a secret. */
	if (!host || memchr(url + scheme, '@', host) || strlen(url) >= URL_MAX)
		return 0;
	for (const char *at = url; *at; at++)
		if (*at <= ' ' || *at > '~')
			return 0;
	return scheme + host;
}

int sgh_remote_call_init_at(struct sgh_remote_call *call,
			    struct sangraha_rest_client *client, const char *method,
			    const char *url, size_t pipe, struct sangraha_error *err)
{
	size_t origin = origin_length(url);
	int status = init(call, client, method, pipe, err);

	if (status)
		return status;
	if (!origin)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"%s points to something that is no address", client->url);
	call->peer = sgh_arena_text(&call->arena, url, origin);
	sgh_buf_puts(&call->url, url);
	return call->peer ? 0 : sgh_fail_memory(err);
}

void sgh_remote_call_query(struct sgh_remote_call *call, const char *name,
			   const char *value)
{
	if (!value)
		return;
	/* The path in front has none: the client's URL was checked. */
	sgh_buf_putc(&call->url, strchr(sgh_buf_text(&call->url), '?') ? '&' : '?');
	sgh_buf_puts(&call->url, name);
	sgh_buf_putc(&call->url, '=');
	sgh_percent_encode(&call->url, value);
}

void sgh_remote_call_header(struct sgh_remote_call *call, const char *name,
			    const char *value)
{
	sgh_autobuf struct sgh_buf line = SGH_BUF_INIT(4 << 10);

	if (*value)
		sgh_buf_printf(&line, "%s: %s", name, value);
	else
		sgh_buf_printf(&line, "%s;", name);
	add_line(call, line.failed ? NULL
				   : sgh_arena_strdup(&call->arena, sgh_buf_text(&line)));
}

int sgh_remote_call_submit(struct sgh_remote_call *call, struct sangraha_error *err)
{
	if (call->failed || call->url.failed)
		return sgh_fail_memory(err);
	call->request.url = sgh_buf_text(&call->url);
	return sgh_http_submit(call->client->http, &call->request, err);
}

void sgh_remote_call_resume(struct sgh_remote_call *call)
{
	sgh_http_resume(call->client->http, &call->request);
}

void sgh_remote_call_cancel(struct sgh_remote_call *call, int status)
{
	sgh_http_cancel(call->client->http, &call->request, status);
	sgh_pipe_wait(&call->pipe);
}

int sgh_remote_call_wait(struct sgh_remote_call *call, int good, int or_good,
			 struct sangraha_error *err)
{
	const struct sgh_http_request *request = &call->request;

	sgh_pipe_wait(&call->pipe);
	call->result->code = (int)request->code;
	if (call->failed)
		return sgh_fail_memory(err);
	if (request->status == 0)
		return sgh_remote_judge(call, good, or_good, err);
	/* Longer than any of ours; what was sent is not what is too large. */
	if (request->status == SANGRAHA_E_TOO_LARGE)
		return sgh_remote_not_ours(call, err);
	return sgh_remote_no_answer(call, err);
}

int sgh_remote_call_end(struct sgh_remote_call *call, int status,
			struct sangraha_rest_result **ret)
{
	if (ret && call->result && call->result->code)
		*ret = sgh_take(call->result);
	sangraha_rest_result_free(call->result);
	sgh_pipe_fini(&call->pipe);
	sgh_http_request_fini(&call->request);
	sgh_buf_fini(&call->url);
	sgh_arena_fini(&call->arena);
	return status;
}
