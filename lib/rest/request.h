/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_REQUEST_H
#define SGH_REST_REQUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <microhttpd.h>

#include <sangraha/object.h>

#include "rest/connection.h"
#include "rest/problem.h"
#include "rest/server.h"
#include "rest/uri.h"

struct sgh_route;
struct sgh_put;
struct sangraha_download;

/* What a step of a request comes to. */
enum sgh_step {
	SGH_STEP_WAIT,   /* submitted: sgh_web_request_done() will be called once */
	SGH_STEP_ANSWER, /* request->answer or request->problem is set */
};

/*
 * One HTTP request. MHD's thread owns it, but for the part under the lock; the client
 * that works on it holds a reference of its own, so that it may outlive its connection.
 */
struct sgh_web_request {
	int refs; /* atomic */
	struct sangraha_rest *rest;
	struct sgh_list link; /* in rest->state.requests */
	struct MHD_Connection *http;
	struct sgh_connection *connection;
	char *target; /* as sent */
	struct sgh_uri uri;
	const struct sgh_route *route; /* NULL: none matched */
	bool head;
	bool begun;     /* the header was handled */
	bool submitted; /* the step after the body was made */
	bool waits;     /* for sgh_web_request_done() */
	bool counted;   /* in rest->state.in_flight */
	bool last;      /* the connection closes after the answer */
	bool eager;     /* see suspend_unless_woken() */
	bool interim;   /* the client understands 1xx answers */
	bool matched;   /* the conditions of a DELETE were looked at */
	bool cached;    /* answered by sgh_web_request_answered() */
	int64_t started_us;

	char correlation_id[129];
	const char *traceparent; /* MHD's memory */
	const char *type;        /* path parameters; NULL: none */
	const char *id;

	struct sgh_put *put; /* of POST /v1/objects */
	/* The bytes of a GET that come from the store; freed with the request's end. */
	struct sangraha_download *download;

	int64_t announced; /* bytes of the body; -1: not known before its end */
	uint64_t taken;    /* of them */
	/* When the time of who may have sent all is over; 0: that is not known. */
	int64_t due_ms;
	bool caught_up; /* since then all that had come was taken */
	size_t piece;   /* bytes of the body that the last call brought */

	/* A body that nobody wants. */
	uint64_t discarded;
	int64_t discarding_since_ms;
	bool answered_by_hand;

	struct sgh_problem problem;
	struct {
		unsigned http;
		struct MHD_Response *response;
	} answer;

	/* For the log. */
	char operation_id[SANGRAHA_ID_SIZE];
	char reference[SANGRAHA_REFERENCE_SIZE];

	struct {
		pthread_mutex_t lock;
		bool waiting;   /* suspended */
		bool woken;     /* a wake-up came while it was not */
		bool completed; /* `result` is there */
		struct sangraha_result *result;
		int64_t give_up_ms; /* monotonic; when to answer without, if it waits */
		bool gave_up;
		uint64_t missing; /* of a paused body, not read by MHD; 0: not known */
		bool endless;     /* a paused body whose length is not known */
		bool probed;      /* see sgh_connection_refuses() */
		bool gone;        /* it will never be whole */
		bool streaming;   /* the body of the answer waits for the store */
	} async;
};

/* MHD_OPTION_URI_LOG_CALLBACK, MHD_AccessHandlerCallback, MHD_OPTION_NOTIFY_COMPLETED. */
void *sgh_web_request_new(void *rest, const char *target,
			  struct MHD_Connection *connection);
enum MHD_Result sgh_web_request_handle(void *rest, struct MHD_Connection *connection,
				       const char *url, const char *method,
				       const char *version, const char *data,
				       size_t *length, void **context);
void sgh_web_request_completed(void *rest, struct MHD_Connection *connection,
			       void **context, enum MHD_RequestTerminationCode code);
/* Its connection is closed, and MHD, which had no memory, never said that it ended. */
void sgh_web_request_lost(struct sgh_web_request *request);

void sgh_web_request_ref(struct sgh_web_request *request);
void sgh_web_request_unref(struct sgh_web_request *request);

/*
 * A sangraha_done_fn. Takes the reference that the submitter took for it; any thread.
 */
void sgh_web_request_done(void *request, struct sangraha_result *result);

/*
 * Called by a route's start() that has the result already, which is taken: finish() is
 * called without a wait.
 */
void sgh_web_request_answered(struct sgh_web_request *request,
			      struct sangraha_result *result);

/*
 * Called by a route's finish() before it submits once more: the result is released. With
 * request->waits set finish() is called for the next one. Returns the milliseconds
 * that are left of the request's time, at least 1.
 */
unsigned sgh_web_request_again(struct sgh_web_request *request);

/*
 * Called by a route's finish() that needs something else before it can answer: the result
 * stays, and with request->waits set finish() is called again once
 * sgh_web_request_ready() was. From then on it may be called, from any thread, while the
 * request is there.
 */
void sgh_web_request_wait(struct sgh_web_request *request);
void sgh_web_request_ready(void *request);

/*
 * For a body of an answer that comes from elsewhere, on MHD's thread. True: there is nothing
 * now, and the connection sleeps until sgh_web_request_wake() or _ready(). False: look
 * again.
 */
bool sgh_web_request_sleep(struct sgh_web_request *request);
/* Whether nobody wants the rest of the body: the server stops, or the client is gone. */
bool sgh_web_request_is_over(struct sgh_web_request *request);

/*
 * Called when the body was refused and something of it has to be removed still:
 * sgh_web_request_done() comes when that was done, and the answer waits for it, but not
 * for long.
 */
void sgh_web_request_await_end(struct sgh_web_request *request);

/* A paused upload can go on; any thread. */
void sgh_web_request_wake(void *request);

/*
 * Wake those that wait for an answer, or for memory, and should have had it by `now`
 * (monotonic): they are told so instead. And those whose body can never become whole,
 * because the client is gone. `all`: and those that wait for anything else.
 */
void sgh_web_request_watch(struct sangraha_rest *rest, int64_t now, bool all);

/* A header of the request, its first line only (see fields.h); NULL when absent. */
const char *sgh_web_request_header(const struct sgh_web_request *request,
				   const char *name);

#endif
