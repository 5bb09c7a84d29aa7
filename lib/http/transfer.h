/* SPDX-License-Identifier: MIT */
#ifndef SGH_HTTP_TRANSFER_H
#define SGH_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "http/http.h"
#include "http/response.h"

#define SGH_HTTP_AGENT "sangraha"
/* What was idle for longer is not used again: nobody knows what became of it. */
#define SGH_HTTP_KEEP_MS 30000

struct sgh_kept;

/*
 * One request under way: a curl handle, used again for one request after the other, or a
 * kept connection. Only the thread touches it, but for the waiter and what belongs to the
 * lock of sgh_http.
 */
struct sgh_transfer {
	struct sgh_http *http;
	struct sgh_list link; /* among the active or the free */
	CURL *easy;
	struct sgh_http_request *request; /* NULL: free */
	struct curl_slist lines[SGH_HTTP_HEADERS_MAX + 3];
	char curl_error[CURL_ERROR_SIZE];
	const char *refusal; /* why we stopped the transfer; static */
	int refusal_status;
	int64_t moved_ms;             /* when a byte was last seen to move */
	curl_off_t moved;             /* bytes, up and down, by then */
	struct sgh_response response; /* of curl's only the framing */
	bool reserved; /* the budget gave `waiter.size`, not yet handed to the data */
	bool paused;   /* waits for memory */

	int64_t pulled;   /* bytes that pull() gave */
	bool pull_ended;  /* there are no more of them, or none are wanted any more */
	bool pull_paused; /* until pull() is asked again */
	bool push_paused; /* and push() */

	int watched; /* the socket that curl waits for; -1: none */
	int spare;   /* the same connection, to be kept when curl has closed it; -1 */
	bool resent; /* some of it was sent before, over a connection that was dead */
	struct sgh_kept *kept; /* what it goes over instead of curl's; NULL */
	CURLcode code;         /* how it ended there */
	struct sgh_buf head;   /* the request without its body */
	size_t sent;           /* bytes of head and body */
	int64_t bytes;         /* those, and the received */
	struct sgh_buf rest;   /* received, but not read yet */

	struct sgh_budget_waiter waiter;
	struct sgh_list granted_link; /* guarded by the lock of sgh_http */
};

/* What does not change from one request to the next. */
bool sgh_transfer_init(struct sgh_transfer *transfer, struct sgh_http *http,
		       const struct sgh_http_options *options);
void sgh_transfer_fini(struct sgh_transfer *transfer);

/* Make it ready for a request, and for another try of the same. */
void sgh_transfer_begin(struct sgh_transfer *transfer, struct sgh_http_request *request);
/* Make the handle ready for it; false without memory. */
bool sgh_transfer_describe(struct sgh_transfer *transfer);

/*
 * A line of the response's header, which the framing has seen, and bytes of its body: all
 * of them are taken, or what curl's write callback may return instead.
 */
size_t sgh_transfer_line(struct sgh_transfer *transfer, const char *line, size_t length);
size_t sgh_transfer_body(struct sgh_transfer *transfer, const char *data, size_t length);
/* End the transfer from inside a callback: returns what stops curl. */
size_t sgh_transfer_refuse(struct sgh_transfer *transfer, int status, const char *why);

/* Fill in status, err, unsent and data of the request. */
void sgh_transfer_result(struct sgh_transfer *transfer, CURLcode code);

/* Whether bytes have moved since the last call. */
bool sgh_transfer_moved(struct sgh_transfer *transfer);

/* Whether we are the ones who wait, and not for the peer. */
bool sgh_transfer_waits(const struct sgh_transfer *transfer);

/* How long the peer may be silent at the moment, of what `idle_ms` says for all. */
unsigned sgh_transfer_patience(const struct sgh_transfer *transfer, unsigned idle_ms);

/* http.c: the transfer stands in line for memory, or has got it (from any thread). */
void sgh_http_paused(struct sgh_transfer *transfer);
void sgh_http_granted(struct sgh_budget_waiter *waiter);
struct sgh_budget *sgh_http_budget(struct sgh_http *http);
/* loop.c: the silence that is allowed begins now, and is another one than before. */
void sgh_http_note_silence(struct sgh_transfer *transfer);

#endif
