/* SPDX-License-Identifier: MIT */
#ifndef SGH_HTTP_KEPT_H
#define SGH_HTTP_KEPT_H

#include "http/loop.h"

/*
 * Connections that curl has made, without TLS, and that we go on with: requests whose body
 * is in memory, and their answers, without the price of curl. All functions are the
 * thread's.
 */

#define SGH_KEPT_AUTHORITY_MAX 255

struct sgh_kept {
	struct sgh_list link; /* among the idle or the unused */
	int fd;
	bool broken;                   /* sending failed */
	uint32_t watched;              /* events of epoll; 0: it is not in there */
	int64_t idle_ms;               /* since when */
	uint64_t turn;                 /* of the thread, in which it became that */
	struct sgh_transfer *transfer; /* NULL: idle */
	char authority[SGH_KEPT_AUTHORITY_MAX + 1];
};

/* How a request fares that went over one of them. */
enum sgh_kept_state {
	SGH_KEPT_ON,   /* it is under way */
	SGH_KEPT_DEAD, /* there is none, or it was dead before: curl is to make one */
	SGH_KEPT_OVER, /* it has ended, as `transfer->code` says */
};

/* Room for `count` of them; false without memory. */
bool sgh_kept_init(struct sgh_http *http, unsigned count);
/* Copes with a failed init. */
void sgh_kept_fini(struct sgh_http *http);

/* Whether a request may go over one, and its connection be kept. */
bool sgh_kept_suits(const struct sgh_http_request *request);

/*
 * Whether curl has sent all of the request, and received nothing behind its answer, on the
 * connection that would be kept. Asked while curl has it still.
 */
bool sgh_kept_is_spent(const struct sgh_transfer *transfer);

/* Keep a connection that has no request any more; takes the descriptor, whatever comes. */
void sgh_kept_adopt(struct sgh_http *http, int fd, const char *url);

/* Send the request of a transfer that sgh_transfer_begin() was called for. */
enum sgh_kept_state sgh_kept_begin(struct sgh_transfer *transfer);
/* What epoll tells about `http->kept[index]`: *ret is whose request that is, or NULL. */
enum sgh_kept_state sgh_kept_event(struct sgh_http *http, uint32_t index, uint32_t events,
				   struct sgh_transfer **ret);
/* Its callbacks are to be asked again. */
enum sgh_kept_state sgh_kept_resume(struct sgh_transfer *transfer);

/* The transfer is done with its connection: it is idle if it may be, else closed. */
void sgh_kept_leave(struct sgh_transfer *transfer);

#endif
