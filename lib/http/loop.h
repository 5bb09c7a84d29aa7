/* SPDX-License-Identifier: MIT */
#ifndef SGH_HTTP_LOOP_H
#define SGH_HTTP_LOOP_H

#include <pthread.h>

#include "base/thread.h"
#include "http/transfer.h"

#define SGH_HTTP_BUFFER (64 << 10)
/* What epoll knows a kept connection by, with its index; a socket of curl's by itself. */
#define SGH_HTTP_KEPT (1ull << 32)

/*
 * The thread waits by epoll and tells curl which sockets are ready. curl_multi_poll()
 * and curl_multi_perform() would do, but ask each connection by a poll() of its own, each
 * time: measured, 27 of them for each small PUT on 64 connections.
 */
struct sgh_http {
	pthread_t thread;
	CURLM *multi;
	int epoll;
	struct sgh_bell bell;
	struct sgh_budget *budget;
	unsigned connections;
	unsigned requests_max;
	unsigned idle_timeout_ms;

	/* only the thread */
	struct sgh_list active;
	struct sgh_list free;
	/*
	 * In the order of their submission. Those that read are apart: they may come to
	 * wait for memory, which others hold until they are sent, or for whoever takes
	 * what is pushed.
	 */
	struct sgh_list readers;
	struct sgh_list others;
	struct sgh_list urgent;
	unsigned moving;      /* active and not paused */
	unsigned reading;     /* active readers, paused or not */
	unsigned orphans;     /* free, but for a grant of memory that is on its way */
	int64_t check_ms;     /* when the next time limit may pass */
	int64_t timer_ms;     /* when curl wants to be called without an event */
	unsigned slots_count; /* of which curl handles exist */
	struct sgh_transfer *slots;
	struct sgh_kept *kept; /* kept.h: so many places for them */
	unsigned kept_count;
	struct sgh_list idle; /* the one that was used last is the last */
	struct sgh_list unkept;
	uint64_t turn; /* so often it has looked for events */
	char *buffer;  /* SGH_HTTP_BUFFER bytes, for whoever receives */

	struct {
		pthread_mutex_t lock;
		struct sgh_list submitted;
		struct sgh_list granted; /* sgh_transfer.granted_link */
		struct sgh_list noted;   /* sgh_http_request.noted_link */
		uint64_t sequence;
		unsigned requests;
		bool stop;
	} state;
};

/* Let the thread wait by the descriptors and the timer of the multi handle. */
bool sgh_http_watch(struct sgh_http *http);

/* What the thread runs, until it is told to stop and all requests are done. */
void *sgh_http_run(void *http);

#endif
