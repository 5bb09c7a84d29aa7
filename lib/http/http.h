/* SPDX-License-Identifier: MIT */
#ifndef SGH_HTTP_HTTP_H
#define SGH_HTTP_HTTP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/error.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/list.h"

/*
 * Many HTTP/1.1 requests in flight through one thread. No redirects, no proxy from the
 * environment, nothing but http and https; certificates are verified.
 */
struct sgh_http;

#define SGH_HTTP_HEADERS_MAX 72
#define SGH_HTTP_TEXT_MAX    (64 << 10)
#define SGH_HTTP_PAUSE       INT_MIN /* pull() and push(): not now */

struct sgh_http_options {
	/*
	 * Requests under way at once; 0: 64. Those that wait for memory do not count, up
	 * to a quarter more, so that bodies on their way out can free what they hold. Those
	 * whose callbacks paused do count: whoever streams makes this large enough. Those
	 * with push() are three quarters of them at most.
	 */
	unsigned connections;
	unsigned requests;           /* under way and waiting, at most; 0: 8192 */
	unsigned connect_timeout_ms; /* 0: 2000 */
	unsigned idle_timeout_ms;    /* 0: 30000 */
	const char *ca_file;         /* PEM; NULL: the system's */
	struct sgh_budget *budget;   /* for `data`; NULL: not accounted for */
};

/*
 * One request, embedded in the caller's struct and zero-initialised. What it points to
 * stays unchanged until `done` was called.
 */
struct sgh_http_request {
	const char *method;
	const char *url;
	/*
	 * Whole lines, "Name: value"; an empty value is written "Name;", and "Name:" keeps
	 * one away that would be sent by itself.
	 */
	const char *const *headers;
	size_t header_count;
	struct sgh_bytes *body; /* of PUT and POST; NULL: empty */
	int64_t deadline_ms;    /* monotonic; SGH_NEVER: the other time limits only */
	/*
	 * Instead of `body`, for PUT and POST: put up to `size` bytes into `data` and say how
	 * many. 0 is the end; a negative status ends the request with it; SGH_HTTP_PAUSE
	 * waits for sgh_http_resume(), but may be asked again before. `length` is the number
	 * of bytes in all, -1 when it is not known: they travel in chunks then. Less than
	 * was announced is SANGRAHA_E_INVALID; more is not asked for, and nothing after an
	 * answer that is an error. Such a body cannot be sent again: it gets a connection
	 * of its own, never a kept one that may turn out dead.
	 */
	int64_t (*pull)(struct sgh_http_request *request, void *data, size_t size);
	int64_t length;
	/*
	 * Instead of `want_data`: takes the body of a 2xx in pieces. 0: all of the piece was
	 * taken; SGH_HTTP_PAUSE: nothing of it was, and it comes again after
	 * sgh_http_resume(), or before; a negative status ends the request with it. While it
	 * is paused the connection is not read, and what is held is one buffer of 64 KiB.
	 */
	int (*push)(struct sgh_http_request *request, const void *data, size_t length);
	/*
	 * Ask whether a body over 1 MiB, or of unknown length, is wanted before it is sent
	 * (RFC 9110, section 10.1.1), and wait a short while for the answer.
	 */
	bool expect_continue;
	/* Never use a kept connection: the request must not be sent twice. */
	bool once;
	/*
	 * Goes before the others, and over `connections` as far as there is room: whoever
	 * wants to know whether a peer answers asks when all of them wait for it.
	 */
	bool urgent;
	/*
	 * 0: the default. Silence in the middle, and between the last byte of the request
	 * and the first of the answer. No time counts in which we are the ones who wait:
	 * for memory, or paused.
	 */
	unsigned idle_timeout_ms;
	unsigned answer_timeout_ms; /* 0: idle_timeout_ms */
	/*
	 * A body goes into `text` of at most `max_text` bytes (0: SGH_HTTP_TEXT_MAX); with
	 * `want_data` one that comes with a 2xx status into `data` of at most `max_data`,
	 * which waits for memory when that is over SGH_BUDGET_LENT.
	 */
	size_t max_text;
	size_t max_data;
	bool want_data;
	/*
	 * May be NULL. Each header of the final response, on the thread, not terminated;
	 * `code` is set by then. It may lower `max_data` when it sees that no body is
	 * wanted: that ends the request at the first byte, before memory is asked for.
	 */
	void (*on_header)(struct sgh_http_request *request, const char *name,
			  size_t name_length, const char *value, size_t value_length);
	/*
	 * Called exactly once, on the thread, with no lock held; must be short, as pull()
	 * and push() must. The request is the caller's again and may be submitted anew.
	 */
	void (*done)(struct sgh_http_request *request);

	/*
	 * 0 for any complete response. SANGRAHA_E_UNAVAILABLE: no connection, or it broke.
	 * _TIMEOUT: the deadline, or no byte moved. _TOO_LARGE: the response is over the
	 * bounds. _OVERLOADED: no memory. _INTERNAL: the peer does not speak HTTP.
	 */
	int status;
	struct sangraha_error err;
	long code;   /* the HTTP status; 0: none was received */
	bool unsent; /* it failed before anything of it was sent */
	bool ours;   /* it failed for want of memory or of a free connection */
	int refused; /* errno of a connection that could not be made; 0: not told */
	struct sgh_buf text;
	struct sgh_bytes *data; /* after a 2xx with `want_data` never NULL */

	/* private */
	struct sgh_list link;
	uint64_t sequence;
	struct sgh_transfer *transfer; /* only the thread; NULL: it waits for one */
	/* guarded by the lock of sgh_http */
	struct sgh_list noted_link;
	bool under_way;
	bool noted;
	int cancelled; /* the status to end with */
};

/* Release text and data. */
void sgh_http_request_fini(struct sgh_http_request *request);

/* Start the thread. SANGRAHA_E_INVALID for a ca_file that cannot be read. */
int sgh_http_new(const struct sgh_http_options *options, struct sgh_http **ret,
		 struct sangraha_error *err);
/*
 * Waits for the requests in flight, so that what is paused must be resumed or cancelled;
 * not from `done`. NULL is accepted.
 */
void sgh_http_free(struct sgh_http *http);

/*
 * Begin a request; from any thread. Fails at once, without `done`, with
 * SANGRAHA_E_OVERLOADED over the bound and _INVALID for too many headers.
 */
int sgh_http_submit(struct sgh_http *http, struct sgh_http_request *request,
		    struct sangraha_error *err);

/*
 * Ask pull() and push() again. From any thread, also inside them; nothing happens when the
 * request is not paused or is done, as long as its memory is there. A callback decides to
 * pause, and whoever resumes decides to resume, under one lock of the caller's: a call
 * that comes before the decision is lost.
 */
void sgh_http_resume(struct sgh_http *http, struct sgh_http_request *request);

/*
 * End the request with a negative status, wherever it is; `done` is called soon, on the
 * thread. From any thread. Nothing happens when it is done, as with sgh_http_resume().
 */
void sgh_http_cancel(struct sgh_http *http, struct sgh_http_request *request, int status);

#endif
