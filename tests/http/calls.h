/* SPDX-License-Identifier: MIT */
#ifndef HTTP_CALLS_H
#define HTTP_CALLS_H

#include "base/thread.h"
#include "http/http.h"
#include "http/keeps.h"

/* Requests with their bodies in memory, to one peer. */

#define LIMIT 1000 /* bytes of budget */

/* What a case has: one client, one peer, and a request at a time. */
static struct fixture {
	struct sgh_http *http;
	struct sgh_budget *budget;
	struct t_peer *peer;
	bool keeps; /* a connection to each peer, before the case goes on */
} f;

/* A request that can be waited for. */
struct call {
	struct sgh_http_request request;
	char url[128];
	char header[64]; /* the value of X-Test */
	bool done;       /* atomic */
};

static inline void open_http(const struct sgh_http_options *given)
{
	struct sgh_http_options options = given ? *given : (struct sgh_http_options){ 0 };

	f.budget = sgh_budget_new(LIMIT);
	options.budget = f.budget;
	options.connect_timeout_ms = 500;
	t_ok(sgh_http_new(&options, &f.http, &t_err));
}

static inline void keep_connection(void);

static inline void play(struct t_peer *peer)
{
	f.peer = peer;
	if (!f.http)
		open_http(NULL);
	if (f.keeps)
		keep_connection();
}

static inline int keep_one(void **state)
{
	f.keeps = true;
	return 0;
}

static inline int tear_down(void **state)
{
	t_peer_free(f.peer);
	sgh_http_free(f.http);
	sgh_budget_unref(f.budget);
	f = (struct fixture){ 0 };
	return 0;
}

static inline void on_done(struct sgh_http_request *request)
{
	struct call *call = sgh_container_of(request, struct call, request);

	__atomic_store_n(&call->done, true, __ATOMIC_RELEASE);
}

static inline void on_header(struct sgh_http_request *request, const char *name,
			     size_t name_length, const char *value, size_t value_length)
{
	struct call *call = sgh_container_of(request, struct call, request);

	if (name_length == 6 && !strncasecmp(name, "X-Test", 6))
		snprintf(call->header, sizeof(call->header), "%.*s", (int)value_length,
			 value);
}

static inline bool is_done(struct call *call)
{
	return __atomic_load_n(&call->done, __ATOMIC_ACQUIRE);
}

static inline struct call make(const char *method, const char *base)
{
	struct call call = { .request = {
				     .method = method,
				     .deadline_ms = sgh_now_ms() + 20000,
				     .on_header = on_header,
				     .done = on_done,
			     } };

	snprintf(call.url, sizeof(call.url), "%s/path", base);
	return call;
}

static inline void begin(struct call *call)
{
	call->request.url = call->url;
	t_ok(sgh_http_submit(f.http, &call->request, &t_err));
}

static inline int end(struct call *call)
{
	t_wait(is_done(call));
	t_err = call->request.err;
	return call->request.status;
}

static inline int run(struct call *call)
{
	begin(call);
	return end(call);
}

static inline void fini(struct call *call)
{
	sgh_http_request_fini(&call->request);
}

static inline void keep_connection(void)
{
	struct call call = make("GET", t_peer_url(f.peer));

	snprintf(call.url, sizeof(call.url), "%s/kept", t_peer_url(f.peer));
	t_ok(run(&call));
	fini(&call);
}

static inline struct sgh_bytes *many_bytes(size_t length)
{
	struct sgh_bytes *bytes = sgh_bytes_new(NULL, length);

	bytes->length = length;
	memset(bytes->data, 'b', length);
	return bytes;
}

#endif
