/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_SERVER_H
#define SGH_REST_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <microhttpd.h>

#include <sangraha/rest.h>

#include "base/list.h"

/* A header has to be complete after so long, and a body is measured over it. */
#define SGH_REST_WINDOW_MS 10000
/* A body that brings fewer bytes than this in a window of 10 s is given up. */
#define SGH_REST_WINDOW_BYTES 10240
/* What is discarded of a body that was refused: bytes, milliseconds. */
#define SGH_REST_DISCARD_BYTES (64 << 20)
#define SGH_REST_DISCARD_MS    5000

/* A connection that was one too many, until it has read its answer. */
struct sgh_refused {
	int fd;
	int64_t until_ms; /* 0: none */
};

/*
 * The server. Options are fixed at start; what changes is atomic or guarded by the lock.
 * Lock order: the server's, then a connection's or a request's, never both.
 */
struct sangraha_rest {
	struct sangraha_context *context;
	struct sangraha_client *client; /* NULL: health and metrics only */
	void (*health)(void *arg, struct sangraha_health *health);
	void *health_arg;
	char *token; /* NULL: everybody */
	unsigned threads;
	unsigned connections_max;
	unsigned request_timeout_ms;
	unsigned idle_timeout_ms;
	bool redirect_large;

	struct MHD_Daemon *daemon;
	int listen_fd; /* the acceptor's; -1 once it stopped listening */
	unsigned port;
	int wake_fd;
	pthread_t acceptor;
	bool accepting;                 /* the thread was started */
	struct sgh_refused refused[16]; /* the acceptor's, a ring */
	unsigned refusals;

	bool draining; /* atomic: not ready, and each answer is the last */
	bool shut;     /* atomic: no new connections */
	bool closing;  /* atomic: who waits for an answer is told that there is none */
	bool stopping; /* atomic: nothing waits any more */

	unsigned due; /* atomic: requests with a due_ms */

	struct {
		pthread_mutex_t lock;
		/* Fewer connections or requests, no more listening, one more told. */
		pthread_cond_t idle;
		struct sgh_list connections;
		struct sgh_list requests;
		unsigned open;         /* connections */
		unsigned in_flight;    /* requests whose header was read */
		int64_t polled_ms;     /* when readiness was last asked for; 0: never */
		int64_t poll_every_ms; /* after the time before, at most; 0: the first */
		unsigned told;         /* how often it was answered: draining */
	} state;
};

/* ---- drain.c ---- */

/* Readiness was asked for, and is about to be answered: whether the server leaves. */
bool sgh_drain_polled(struct sangraha_rest *rest);

#endif
