/* SPDX-License-Identifier: MIT */
#include "http/http.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "http/kept.h"
#include "http/loop.h"

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct sgh_budget *sgh_http_budget(struct sgh_http *http)
{
	return http->budget;
}

void sgh_http_request_fini(struct sgh_http_request *request)
{
	sgh_buf_fini(&request->text);
	sgh_bytes_unref(sgh_take(request->data));
}

int sgh_http_submit(struct sgh_http *http, struct sgh_http_request *request,
		    struct sangraha_error *err)
{
	bool full;

	if (request->header_count > SGH_HTTP_HEADERS_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "too many headers");
	pthread_mutex_lock(&http->state.lock);
	full = http->state.requests >= http->requests_max;
	if (!full) {
		http->state.requests++;
		request->sequence = http->state.sequence++;
		request->transfer = NULL;
		request->under_way = true;
		request->noted = false;
		request->cancelled = 0;
		sgh_list_append(&http->state.submitted, &request->link);
	}
	pthread_mutex_unlock(&http->state.lock);
	if (full)
		return sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
				"too many requests are in flight");
	sgh_bell_ring(&http->bell);
	return 0;
}

/* Leave a note about a request for the thread; `cancelled` 0: ask its callbacks again. */
static void note(struct sgh_http *http, struct sgh_http_request *request, int cancelled)
{
	pthread_mutex_lock(&http->state.lock);
	if (request->under_way) {
		if (cancelled && !request->cancelled)
			request->cancelled = cancelled;
		if (!request->noted)
			sgh_list_append(&http->state.noted, &request->noted_link);
		request->noted = true;
		/* Under the lock: the thread may end as soon as it has seen the note. */
		sgh_bell_ring(&http->bell);
	}
	pthread_mutex_unlock(&http->state.lock);
}

void sgh_http_resume(struct sgh_http *http, struct sgh_http_request *request)
{
	note(http, request, 0);
}

void sgh_http_cancel(struct sgh_http *http, struct sgh_http_request *request, int status)
{
	note(http, request, status < 0 ? status : SANGRAHA_E_INTERNAL);
}

void sgh_http_granted(struct sgh_budget_waiter *waiter)
{
	struct sgh_transfer *transfer =
		sgh_container_of(waiter, struct sgh_transfer, waiter);
	struct sgh_http *http = transfer->http;

	/*
	 * Woken under the lock: once the thread has seen the grant, it may end, and the
	 * descriptor with it.
	 */
	pthread_mutex_lock(&http->state.lock);
	sgh_list_append(&http->state.granted, &transfer->granted_link);
	sgh_bell_ring(&http->bell);
	pthread_mutex_unlock(&http->state.lock);
}

void sgh_http_paused(struct sgh_transfer *transfer)
{
	transfer->paused = true;
	transfer->http->moving--;
}

static bool make_multi(struct sgh_http *http)
{
	http->multi = curl_multi_init();
	return http->multi && http->bell.fd >= 0 && http->epoll >= 0 &&
	       sgh_http_watch(http);
}

static bool make_slots(struct sgh_http *http, const struct sgh_http_options *options)
{
	unsigned count = http->connections + http->connections / 4 + 1;

	http->slots = calloc(count, sizeof(*http->slots));
	if (!http->slots)
		return false;
	for (; http->slots_count < count; http->slots_count++) {
		struct sgh_transfer *transfer = &http->slots[http->slots_count];

		if (!sgh_transfer_init(transfer, http, options))
			return false;
		sgh_list_append(&http->free, &transfer->link);
	}
	return sgh_kept_init(http, count);
}

static void destroy(struct sgh_http *http)
{
	for (unsigned i = 0; i < http->slots_count; i++)
		sgh_transfer_fini(&http->slots[i]);
	free(http->slots);
	sgh_kept_fini(http);
	if (http->multi)
		curl_multi_cleanup(http->multi);
	if (http->epoll >= 0)
		close(http->epoll);
	sgh_bell_fini(&http->bell);
	sgh_budget_unref(http->budget);
	pthread_mutex_destroy(&http->state.lock);
	free(http);
}

static struct sgh_http *http_alloc(const struct sgh_http_options *options)
{
	struct sgh_http *http = calloc(1, sizeof(*http));

	if (!http)
		return NULL;
	http->connections = options->connections;
	http->requests_max = options->requests;
	http->idle_timeout_ms = options->idle_timeout_ms;
	http->check_ms = SGH_NEVER;
	http->timer_ms = SGH_NEVER;
	http->epoll = epoll_create1(EPOLL_CLOEXEC);
	sgh_bell_init(&http->bell);
	if (options->budget)
		http->budget = sgh_budget_ref(options->budget);
	pthread_mutex_init(&http->state.lock, NULL);
	sgh_list_init(&http->active);
	sgh_list_init(&http->free);
	sgh_list_init(&http->readers);
	sgh_list_init(&http->others);
	sgh_list_init(&http->urgent);
	sgh_list_init(&http->state.submitted);
	sgh_list_init(&http->state.granted);
	sgh_list_init(&http->state.noted);
	pthread_once(&curl_once, curl_init);
	if (make_multi(http) && make_slots(http, options))
		return http;
	destroy(http);
	return NULL;
}

int sgh_http_new(const struct sgh_http_options *given, struct sgh_http **ret,
		 struct sangraha_error *err)
{
	struct sgh_http_options options = *given;
	struct sgh_http *http;
	int rc;

	if (options.ca_file && access(options.ca_file, R_OK) != 0)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "cannot read the CA file %s",
				options.ca_file);
	options.connections = options.connections ? options.connections : 64;
	options.requests = options.requests ? options.requests : 8192;
	options.connect_timeout_ms =
		options.connect_timeout_ms ? options.connect_timeout_ms : 2000;
	options.idle_timeout_ms =
		options.idle_timeout_ms ? options.idle_timeout_ms : 30000;
	http = http_alloc(&options);
	if (!http)
		return sgh_fail_memory(err);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)http->slots_count);
	rc = sgh_thread_start(&http->thread, "sgh-http", sgh_http_run, http, err);
	if (rc) {
		destroy(http);
		return rc;
	}
	*ret = http;
	return 0;
}

void sgh_http_free(struct sgh_http *http)
{
	if (!http)
		return;
	assert(!pthread_equal(pthread_self(), http->thread));
	pthread_mutex_lock(&http->state.lock);
	http->state.stop = true;
	pthread_mutex_unlock(&http->state.lock);
	sgh_bell_ring(&http->bell);
	pthread_join(http->thread, NULL);
	destroy(http);
}
