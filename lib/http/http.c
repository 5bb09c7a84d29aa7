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
#include "http/transfer.h"

#define EVENTS_MAX 64

/*
 * The thread waits by epoll and tells curl which sockets are ready. curl_multi_poll()
 * and curl_multi_perform() would do, but ask each connection by a poll() of its own, each
 * time: measured, 27 of them for each small PUT on 64 connections.
 */
struct sgh_http {
	pthread_t thread;
	CURLM *multi;
	int epoll;
	int wake; /* eventfd, written when `state.woken` becomes true */
	struct sgh_budget *budget;
	unsigned connections;
	unsigned requests_max;
	unsigned idle_timeout_ms;

	/* only the thread */
	struct sgh_list active;
	struct sgh_list free;
	/*
	 * In the order of their submission. Those that read are apart: they may come to
	 * wait for memory, which others hold until they are sent.
	 */
	struct sgh_list readers;
	struct sgh_list others;
	unsigned moving;      /* active and not paused */
	unsigned reading;     /* active readers, paused or not */
	unsigned orphans;     /* free, but for a grant of memory that is on its way */
	int64_t check_ms;     /* when the next time limit may pass */
	int64_t timer_ms;     /* when curl wants to be called without an event */
	unsigned slots_count; /* of which curl handles exist */
	struct sgh_transfer *slots;

	struct {
		pthread_mutex_t lock;
		struct sgh_list submitted;
		struct sgh_list granted; /* sgh_transfer.granted_link */
		uint64_t sequence;
		unsigned requests;
		bool woken;
		bool stop;
	} state;
};

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
	bool wake;

	if (request->header_count > SGH_HTTP_HEADERS_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "too many headers");
	pthread_mutex_lock(&http->state.lock);
	full = http->state.requests >= http->requests_max;
	wake = !full && !http->state.woken;
	if (!full) {
		http->state.requests++;
		request->sequence = http->state.sequence++;
		sgh_list_append(&http->state.submitted, &request->link);
		http->state.woken = true;
	}
	pthread_mutex_unlock(&http->state.lock);
	if (full)
		return sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
				"too many requests are in flight");
	if (wake)
		sgh_wake(http->wake);
	return 0;
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
	if (!http->state.woken)
		sgh_wake(http->wake);
	http->state.woken = true;
	pthread_mutex_unlock(&http->state.lock);
}

void sgh_http_paused(struct sgh_transfer *transfer)
{
	transfer->paused = true;
	transfer->http->moving--;
}

/* Give a request back. It may be gone, or submitted again, when this returns. */
static void complete(struct sgh_http *http, struct sgh_http_request *request)
{
	bool last;

	request->done(request);
	pthread_mutex_lock(&http->state.lock);
	http->state.requests--;
	last = http->state.stop && !http->state.requests;
	pthread_mutex_unlock(&http->state.lock);
	if (last)
		sgh_wake(http->wake);
}

/*
 * Leave the line for memory. A grant that is on its way still comes: the transfer is an
 * orphan until then and must not be used for another request.
 */
static bool leave_line(struct sgh_transfer *transfer)
{
	if (!transfer->paused ||
	    sgh_budget_cancel(transfer->http->budget, &transfer->waiter))
		return true;
	transfer->http->orphans++;
	return false;
}

/* `code` is ignored when the transfer was refused by us. */
static void finish(struct sgh_transfer *transfer, CURLcode code)
{
	struct sgh_http *http = transfer->http;
	struct sgh_http_request *request = transfer->request;
	bool reusable;

	sgh_transfer_result(transfer, code);
	curl_multi_remove_handle(http->multi, transfer->easy);
	reusable = leave_line(transfer);
	if (transfer->reserved)
		sgh_budget_release(http->budget, transfer->waiter.size);
	if (!transfer->paused)
		http->moving--;
	http->reading -= request->want_data;
	transfer->reserved = false;
	transfer->paused = false;
	transfer->request = NULL;
	sgh_list_remove(&transfer->link);
	if (reusable)
		sgh_list_append(&http->free, &transfer->link);
	complete(http, request);
}

static void expire(struct sgh_transfer *transfer, const char *why)
{
	transfer->refusal = why;
	transfer->refusal_status = SANGRAHA_E_TIMEOUT;
	finish(transfer, CURLE_OPERATION_TIMEDOUT);
}

static void expire_waiting(struct sgh_http *http, struct sgh_http_request *request)
{
	sgh_list_remove(&request->link);
	request->unsent = true;
	request->ours = true;
	request->status =
		sgh_fail(&request->err, SANGRAHA_E_TIMEOUT, 0,
			 "the deadline passed while it waited for a free connection");
	complete(http, request);
}

static void note_limit(struct sgh_http *http, int64_t at_ms)
{
	if (at_ms < http->check_ms)
		http->check_ms = at_ms;
}

static void check_waiting(struct sgh_http *http, struct sgh_list *list, int64_t now)
{
	sgh_list_for_each_safe (link, list) {
		struct sgh_http_request *request =
			sgh_list_entry(link, struct sgh_http_request, link);

		if (request->deadline_ms <= now)
			expire_waiting(http, request);
		else
			note_limit(http, request->deadline_ms);
	}
}

static void check_transfer(struct sgh_transfer *transfer, int64_t now)
{
	struct sgh_http *http = transfer->http;
	int64_t deadline = transfer->request->deadline_ms;
	int64_t idle;

	/* A wait for our own memory is not the peer's silence. */
	if (transfer->paused || sgh_transfer_moved(transfer))
		transfer->moved_ms = now;
	idle = transfer->moved_ms + http->idle_timeout_ms;
	if (deadline <= now) {
		transfer->request->ours = transfer->paused;
		expire(transfer,
		       transfer->paused
			       ? "the deadline passed while it waited for memory"
			       : "there was no complete answer before the deadline");
	} else if (idle <= now) {
		expire(transfer, "no byte moved for the idle time-out");
	} else {
		note_limit(http, deadline < idle ? deadline : idle);
	}
}

/* Complete what is past a limit, and find out when the next one passes. */
static void check_limits(struct sgh_http *http)
{
	int64_t now = sgh_now_ms();

	if (now < http->check_ms)
		return;
	http->check_ms = SGH_NEVER;
	sgh_list_for_each_safe (link, &http->active)
		check_transfer(sgh_list_entry(link, struct sgh_transfer, link), now);
	check_waiting(http, &http->readers, now);
	check_waiting(http, &http->others, now);
}

static void resume(struct sgh_transfer *transfer)
{
	struct sgh_http *http = transfer->http;
	CURLcode code;

	if (!transfer->request) {
		sgh_budget_release(http->budget, transfer->waiter.size);
		http->orphans--;
		sgh_list_append(&http->free, &transfer->link);
		return;
	}
	transfer->reserved = true;
	transfer->paused = false;
	http->moving++;
	transfer->moved_ms = sgh_now_ms();
	note_limit(http, transfer->moved_ms + http->idle_timeout_ms);
	/* Delivers what was held back before it returns, and may be refused by that. */
	code = curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
	if (code)
		finish(transfer, code);
}

/* Take over what other threads have left. Returns whether the thread may end. */
static bool take_over(struct sgh_http *http)
{
	struct sgh_list submitted;
	struct sgh_list granted;
	struct sgh_list *link;
	bool end;

	sgh_list_init(&submitted);
	sgh_list_init(&granted);
	pthread_mutex_lock(&http->state.lock);
	sgh_list_splice(&submitted, &http->state.submitted);
	sgh_list_splice(&granted, &http->state.granted);
	http->state.woken = false;
	end = http->state.stop && !http->state.requests && !http->orphans;
	pthread_mutex_unlock(&http->state.lock);
	while ((link = sgh_list_pop(&granted)))
		resume(sgh_list_entry(link, struct sgh_transfer, granted_link));
	while ((link = sgh_list_pop(&submitted))) {
		struct sgh_http_request *request =
			sgh_list_entry(link, struct sgh_http_request, link);

		note_limit(http, request->deadline_ms);
		sgh_list_append(request->want_data ? &http->readers : &http->others,
				link);
	}
	return end;
}

/* The next request that may start, oldest first; NULL: none. */
static struct sgh_http_request *next_request(struct sgh_http *http)
{
	struct sgh_http_request *reader = NULL;
	struct sgh_http_request *other = NULL;

	if (!sgh_list_empty(&http->readers) && http->reading < http->connections)
		reader =
			sgh_list_entry(http->readers.next, struct sgh_http_request, link);
	if (!sgh_list_empty(&http->others))
		other = sgh_list_entry(http->others.next, struct sgh_http_request, link);
	if (!reader || !other)
		return reader ? reader : other;
	return reader->sequence < other->sequence ? reader : other;
}

static void start_waiting(struct sgh_http *http)
{
	struct sgh_http_request *request;

	while (http->moving < http->connections && !sgh_list_empty(&http->free) &&
	       (request = next_request(http))) {
		struct sgh_transfer *transfer = sgh_list_entry(sgh_list_pop(&http->free),
							       struct sgh_transfer, link);

		sgh_list_remove(&request->link);
		sgh_list_append(&http->active, &transfer->link);
		http->moving++;
		http->reading += request->want_data;
		sgh_transfer_begin(transfer, request);
		note_limit(http, transfer->moved_ms + http->idle_timeout_ms);
		if (curl_multi_add_handle(http->multi, transfer->easy))
			finish(transfer, CURLE_OUT_OF_MEMORY);
	}
}

static void collect(struct sgh_http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		struct sgh_transfer *transfer = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		finish(transfer, message->data.result);
	}
}

/* curl tells which events of a socket it wants to hear of. */
static int on_watch(CURL *easy, curl_socket_t fd, int what, void *arg, void *watched)
{
	struct sgh_http *http = arg;
	struct epoll_event event = { .data.fd = fd };

	if (what == CURL_POLL_REMOVE) {
		/* Fails when it is closed already, and then there is nothing to remove. */
		epoll_ctl(http->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) |
		       (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	if (!watched)
		curl_multi_assign(http->multi, fd, http);
	return epoll_ctl(http->epoll, watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
			 &event);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct sgh_http *http = arg;

	http->timer_ms = timeout_ms < 0 ? SGH_NEVER : sgh_now_ms() + timeout_ms;
	return 0;
}

static void run_timer(struct sgh_http *http)
{
	int running;

	if (sgh_now_ms() < http->timer_ms)
		return;
	http->timer_ms = SGH_NEVER;
	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void run_event(struct sgh_http *http, const struct epoll_event *event)
{
	int ready = 0;
	int running;

	if (event->data.fd == http->wake) {
		sgh_wake_clear(http->wake);
		return;
	}
	/* An error shows by reading or writing; what was received before is read first. */
	if (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		ready |= CURL_CSELECT_IN;
	if (event->events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		ready |= CURL_CSELECT_OUT;
	curl_multi_socket_action(http->multi, event->data.fd, ready, &running);
}

static int wait_ms(const struct sgh_http *http)
{
	int64_t until = http->check_ms < http->timer_ms ? http->check_ms : http->timer_ms;
	int64_t left = until - sgh_now_ms();

	return left < 0 ? 0 : left > 10000 ? 10000 : (int)left;
}

static void *run(void *arg)
{
	struct sgh_http *http = arg;
	struct epoll_event events[EVENTS_MAX];
	int count;

	/* The wake-up is cleared before what it is about is taken over. */
	while (!take_over(http)) {
		collect(http);
		check_limits(http);
		start_waiting(http);
		run_timer(http);
		collect(http);
		count = epoll_wait(http->epoll, events, EVENTS_MAX, wait_ms(http));
		for (int i = 0; i < count; i++)
			run_event(http, &events[i]);
	}
	return NULL;
}

static bool make_multi(struct sgh_http *http)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = http->wake };

	http->multi = curl_multi_init();
	if (!http->multi || http->wake < 0 || http->epoll < 0)
		return false;
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_watch);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	return epoll_ctl(http->epoll, EPOLL_CTL_ADD, http->wake, &event) == 0;
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
	return true;
}

static void destroy(struct sgh_http *http)
{
	for (unsigned i = 0; i < http->slots_count; i++)
		sgh_transfer_fini(&http->slots[i]);
	free(http->slots);
	if (http->multi)
		curl_multi_cleanup(http->multi);
	if (http->epoll >= 0)
		close(http->epoll);
	if (http->wake >= 0)
		close(http->wake);
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
	http->wake = sgh_wake_new();
	if (options->budget)
		http->budget = sgh_budget_ref(options->budget);
	pthread_mutex_init(&http->state.lock, NULL);
	sgh_list_init(&http->active);
	sgh_list_init(&http->free);
	sgh_list_init(&http->readers);
	sgh_list_init(&http->others);
	sgh_list_init(&http->state.submitted);
	sgh_list_init(&http->state.granted);
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
	rc = sgh_thread_start(&http->thread, "sgh-http", run, http, err);
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
	http->state.woken = true;
	pthread_mutex_unlock(&http->state.lock);
	sgh_wake(http->wake);
	pthread_join(http->thread, NULL);
	destroy(http);
}
