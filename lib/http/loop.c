/* SPDX-License-Identifier: MIT */
#include "http/loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "http/kept.h"

#define EVENTS_MAX 64
#define LOOKS      4 /* at a transfer, in the time for which it may be silent */

/* Give a request back. It may be gone, or submitted again, when this returns. */
static void complete(struct sgh_http *http, struct sgh_http_request *request)
{
	bool last;

	pthread_mutex_lock(&http->state.lock);
	if (request->noted)
		sgh_list_remove(&request->noted_link);
	request->noted = false;
	request->under_way = false;
	pthread_mutex_unlock(&http->state.lock);
	request->done(request);
	pthread_mutex_lock(&http->state.lock);
	http->state.requests--;
	last = http->state.stop && !http->state.requests;
	pthread_mutex_unlock(&http->state.lock);
	if (last)
		sgh_bell_ring(&http->bell);
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

/* Whose own pace may hold up a connection, or memory, for long. */
static bool reads(const struct sgh_http_request *request)
{
	return request->want_data || request->push;
}

/* What curl has made for the transfer is kept, if all went well. */
static void leave_curl(struct sgh_transfer *transfer, CURLcode code)
{
	struct sgh_http *http = transfer->http;
	int fd = transfer->spare;
	bool spent = fd >= 0 && sgh_kept_is_spent(transfer);

	curl_multi_remove_handle(http->multi, transfer->easy);
	transfer->watched = -1;
	transfer->spare = -1;
	if (fd < 0)
		return;
	if (spent && code == CURLE_OK && !transfer->refusal)
		sgh_kept_adopt(http, fd, transfer->request->url);
	else
		close(fd);
}

/* `code` is ignored when the transfer was refused by us. */
static void finish(struct sgh_transfer *transfer, CURLcode code)
{
	struct sgh_http *http = transfer->http;
	struct sgh_http_request *request = transfer->request;
	bool reusable;

	sgh_transfer_result(transfer, code);
	if (transfer->kept)
		sgh_kept_leave(transfer);
	else
		leave_curl(transfer, code);
	reusable = leave_line(transfer);
	if (transfer->reserved)
		sgh_budget_release(http->budget, transfer->waiter.size);
	if (!transfer->paused)
		http->moving--;
	http->reading -= reads(request);
	transfer->reserved = false;
	transfer->paused = false;
	transfer->request = NULL;
	sgh_list_remove(&transfer->link);
	if (reusable)
		sgh_list_append(&http->free, &transfer->link);
	complete(http, request);
}

static void give_up(struct sgh_transfer *transfer, int status, const char *why)
{
	transfer->refusal = why;
	transfer->refusal_status = status;
	finish(transfer, CURLE_ABORTED_BY_CALLBACK);
}

static void expire(struct sgh_transfer *transfer, const char *why)
{
	give_up(transfer, SANGRAHA_E_TIMEOUT, why);
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

/* When a byte moved is known by looking only, so silence is looked for in time. */
static void note_look(struct sgh_http *http, int64_t now, unsigned patience)
{
	note_limit(http, now + patience / LOOKS + 1);
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
	unsigned patience = sgh_transfer_patience(transfer, http->idle_timeout_ms);
	int64_t idle;

	/* A wait of our own is not the peer's silence. */
	if (sgh_transfer_moved(transfer) || sgh_transfer_waits(transfer))
		transfer->moved_ms = now;
	idle = transfer->moved_ms + patience;
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
		note_look(http, now, patience);
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
	check_waiting(http, &http->urgent, now);
}

void sgh_http_note_silence(struct sgh_transfer *transfer)
{
	struct sgh_http *http = transfer->http;

	transfer->moved_ms = sgh_now_ms();
	note_look(http, transfer->moved_ms,
		  sgh_transfer_patience(transfer, http->idle_timeout_ms));
}

static void start_by_curl(struct sgh_transfer *transfer)
{
	if (!sgh_transfer_describe(transfer) ||
	    curl_multi_add_handle(transfer->http->multi, transfer->easy))
		finish(transfer, CURLE_OUT_OF_MEMORY);
}

/* Go on with a transfer after something became of its kept connection. */
static void follow(struct sgh_transfer *transfer, enum sgh_kept_state state)
{
	if (state == SGH_KEPT_OVER) {
		finish(transfer, transfer->code);
	} else if (state == SGH_KEPT_DEAD) {
		bool sent = transfer->sent > 0;

		if (transfer->kept)
			sgh_kept_leave(transfer);
		sgh_transfer_begin(transfer, transfer->request);
		transfer->resent = sent;
		start_by_curl(transfer);
	}
}

/*
 * Ask the callbacks that paused again. What was held back is delivered before this returns,
 * and may be refused by that. What waits for memory still waits for that.
 */
static void go_on(struct sgh_transfer *transfer)
{
	CURLcode code;

	if (transfer->kept) {
		follow(transfer, sgh_kept_resume(transfer));
		return;
	}
	code = curl_easy_pause(transfer->easy,
			       transfer->paused ? CURLPAUSE_RECV : CURLPAUSE_CONT);
	if (code)
		finish(transfer, code);
}

static void resume(struct sgh_transfer *transfer)
{
	struct sgh_http *http = transfer->http;

	if (!transfer->request) {
		sgh_budget_release(http->budget, transfer->waiter.size);
		http->orphans--;
		sgh_list_append(&http->free, &transfer->link);
		return;
	}
	transfer->reserved = true;
	transfer->paused = false;
	http->moving++;
	sgh_http_note_silence(transfer);
	go_on(transfer);
}

static void cancel(struct sgh_http *http, struct sgh_http_request *request, int status)
{
	static const char why[] = "the request was given up";

	if (request->transfer) {
		give_up(request->transfer, status, why);
		return;
	}
	sgh_list_remove(&request->link);
	request->unsent = true;
	request->status = sgh_fail(&request->err, status, 0, "%s", why);
	complete(http, request);
}

static void ask_again(struct sgh_transfer *transfer)
{
	sgh_http_note_silence(transfer);
	if (!transfer->pull_paused && !transfer->push_paused)
		return;
	transfer->pull_paused = false;
	transfer->push_paused = false;
	go_on(transfer);
}

/*
 * Heed what is said about requests. Each may be completed by an earlier one's doing, and
 * leaves the list then.
 */
static void heed(struct sgh_http *http, struct sgh_list *noted)
{
	while (!sgh_list_empty(noted)) {
		struct sgh_http_request *request =
			sgh_list_entry(noted->next, struct sgh_http_request, noted_link);
		int cancelled;

		pthread_mutex_lock(&http->state.lock);
		sgh_list_remove(&request->noted_link);
		request->noted = false;
		cancelled = request->cancelled;
		pthread_mutex_unlock(&http->state.lock);
		if (cancelled)
			cancel(http, request, cancelled);
		else if (request->transfer)
			ask_again(request->transfer);
	}
}

static struct sgh_list *line_of(struct sgh_http *http,
				const struct sgh_http_request *request)
{
	if (request->urgent)
		return &http->urgent;
	return reads(request) ? &http->readers : &http->others;
}

/* Take over what other threads have left. Returns whether the thread may end. */
static bool take_over(struct sgh_http *http)
{
	struct sgh_list submitted;
	struct sgh_list granted;
	struct sgh_list noted;
	struct sgh_list *link;
	bool idle;

	sgh_list_init(&submitted);
	sgh_list_init(&granted);
	sgh_list_init(&noted);
	pthread_mutex_lock(&http->state.lock);
	sgh_list_splice(&submitted, &http->state.submitted);
	sgh_list_splice(&granted, &http->state.granted);
	sgh_list_splice(&noted, &http->state.noted);
	idle = http->state.stop && !http->state.requests;
	pthread_mutex_unlock(&http->state.lock);
	while ((link = sgh_list_pop(&granted)))
		resume(sgh_list_entry(link, struct sgh_transfer, granted_link));
	while ((link = sgh_list_pop(&submitted))) {
		struct sgh_http_request *request =
			sgh_list_entry(link, struct sgh_http_request, link);

		note_limit(http, request->deadline_ms);
		sgh_list_append(line_of(http, request), link);
	}
	heed(http, &noted);
	return idle && !http->orphans;
}

/*
 * The first of those that read, if one more may; NULL: none. A stream that pauses keeps its
 * connection, so streams leave some to others, which might wait for ever otherwise.
 */
static struct sgh_http_request *next_reader(struct sgh_http *http)
{
	struct sgh_http_request *reader;
	unsigned most = http->connections;

	if (sgh_list_empty(&http->readers))
		return NULL;
	reader = sgh_list_entry(http->readers.next, struct sgh_http_request, link);
	if (reader->push)
		most -= most / 4;
	return http->reading < most ? reader : NULL;
}

/* The next request that may start, oldest first; NULL: none. */
static struct sgh_http_request *next_request(struct sgh_http *http)
{
	struct sgh_http_request *reader;
	struct sgh_http_request *other = NULL;

	if (!sgh_list_empty(&http->urgent))
		return sgh_list_entry(http->urgent.next, struct sgh_http_request, link);
	if (http->moving >= http->connections)
		return NULL;
	reader = next_reader(http);
	if (!sgh_list_empty(&http->others))
		other = sgh_list_entry(http->others.next, struct sgh_http_request, link);
	if (!reader || !other)
		return reader ? reader : other;
	return reader->sequence < other->sequence ? reader : other;
}

static void start_waiting(struct sgh_http *http)
{
	struct sgh_http_request *request;

	while (!sgh_list_empty(&http->free) && (request = next_request(http))) {
		struct sgh_transfer *transfer = sgh_list_entry(sgh_list_pop(&http->free),
							       struct sgh_transfer, link);

		sgh_list_remove(&request->link);
		sgh_list_append(&http->active, &transfer->link);
		http->moving++;
		http->reading += reads(request);
		sgh_transfer_begin(transfer, request);
		sgh_http_note_silence(transfer);
		follow(transfer, sgh_kept_begin(transfer));
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
	struct epoll_event event = { .data.u64 = (uint64_t)fd };
	struct sgh_transfer *transfer = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
	if (transfer && what != CURL_POLL_REMOVE)
		transfer->watched = fd;
	else if (transfer && transfer->watched == fd)
		transfer->watched = -1;
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

static void run_kept(struct sgh_http *http, const struct epoll_event *event)
{
	struct sgh_transfer *transfer;
	enum sgh_kept_state state =
		sgh_kept_event(http, (uint32_t)event->data.u64, event->events, &transfer);

	if (transfer)
		follow(transfer, state);
}

static void run_event(struct sgh_http *http, const struct epoll_event *event)
{
	int ready = 0;
	int running;

	if (event->data.u64 & SGH_HTTP_KEPT) {
		run_kept(http, event);
		return;
	}
	if (event->data.u64 == (uint64_t)http->bell.fd)
		return;
	/* An error shows by reading or writing; what was received before is read first. */
	if (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		ready |= CURL_CSELECT_IN;
	if (event->events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		ready |= CURL_CSELECT_OUT;
	curl_multi_socket_action(http->multi, (curl_socket_t)event->data.u64, ready,
				 &running);
}

static int wait_ms(struct sgh_http *http)
{
	int64_t until = http->check_ms < http->timer_ms ? http->check_ms : http->timer_ms;
	int64_t left = until - sgh_now_ms();

	if (!sgh_bell_doze(&http->bell))
		return 0;
	/* What has just ended has made room for it. */
	if (!sgh_list_empty(&http->free) && next_request(http))
		return 0;
	return left < 0 ? 0 : left > 10000 ? 10000 : (int)left;
}

static bool rings(const struct sgh_http *http, const struct epoll_event *events,
		  int count)
{
	for (int i = 0; i < count; i++)
		if (events[i].data.u64 == (uint64_t)http->bell.fd)
			return true;
	return false;
}

void *sgh_http_run(void *arg)
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
		/* Of a full list there may be more that nobody has seen. */
		if (count >= 0 && count < EVENTS_MAX)
			http->turn++;
		sgh_bell_up(&http->bell, rings(http, events, count));
		for (int i = 0; i < count; i++)
			run_event(http, &events[i]);
		/* What has ended is no longer there to be resumed. */
		collect(http);
	}
	return NULL;
}

bool sgh_http_watch(struct sgh_http *http)
{
	struct epoll_event event = { .events = EPOLLIN,
				     .data.u64 = (uint64_t)http->bell.fd };

	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_watch);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	return epoll_ctl(http->epoll, EPOLL_CTL_ADD, http->bell.fd, &event) == 0;
}
