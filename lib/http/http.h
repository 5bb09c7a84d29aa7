/* SPDX-License-Identifier: MIT */
#ifndef SGH_HTTP_HTTP_H
#define SGH_HTTP_HTTP_H

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

struct sgh_http_options {
	/*
	 * Requests under way at once; 0: 64. Those that wait for memory do not count, up
	 * to a quarter more, so that bodies on their way out can free what they hold.
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
	/* Whole lines, "Name: value"; an empty value is written "Name;". */
	const char *const *headers;
	size_t header_count;
	struct sgh_bytes *body; /* of PUT and POST; NULL: empty */
	int64_t deadline_ms;    /* monotonic */
	/*
	 * A body goes into `text` of at most `max_text` bytes (0: SGH_HTTP_TEXT_MAX); with
	 * `want_data` one that comes with a 2xx status into `data` of at most `max_data`.
	 */
	size_t max_text;
	size_t max_data;
	bool want_data;
	/* May be NULL. Each header of the final response, on the thread, not terminated. */
	void (*on_header)(struct sgh_http_request *request, const char *name,
			  size_t name_length, const char *value, size_t value_length);
	/*
	 * Called exactly once, on the thread, with no lock held; must be short. The
	 * request is the caller's again and may be submitted anew.
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
	struct sgh_buf text;
	struct sgh_bytes *data; /* after a 2xx with `want_data` never NULL */

	/* private */
	struct sgh_list link;
	uint64_t sequence;
};

/* Release text and data. */
void sgh_http_request_fini(struct sgh_http_request *request);

/* Start the thread. SANGRAHA_E_INVALID for a ca_file that cannot be read. */
int sgh_http_new(const struct sgh_http_options *options, struct sgh_http **ret,
		 struct sangraha_error *err);
/* Waits for the requests in flight; not from `done`. NULL is accepted. */
void sgh_http_free(struct sgh_http *http);

/*
 * Begin a request; from any thread. Fails at once, without `done`, with
 * SANGRAHA_E_OVERLOADED over the bound and _INVALID for too many headers.
 */
int sgh_http_submit(struct sgh_http *http, struct sgh_http_request *request,
		    struct sangraha_error *err);

#endif
