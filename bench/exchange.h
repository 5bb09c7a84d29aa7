/* SPDX-License-Identifier: MIT */
#ifndef BENCH_EXCHANGE_H
#define BENCH_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#include "answer.h"
#include "body.h"
#include "endpoint.h"

#define EXCHANGE_TEXT_MAX 4096

/* What happens with the body besides: nothing, it is sent, or the answer's is compared. */
enum exchange_use { EXCHANGE_BARE, EXCHANGE_SENDS, EXCHANGE_COMPARES };

enum exchange_state {
	EXCHANGE_WAITS,  /* for its descriptor */
	EXCHANGE_DONE,   /* there is an answer, and the connection can be used again */
	EXCHANGE_BROKEN, /* `problem` tells why; the connection is closed */
};

/*
 * A connection that is kept, and the request and the answer that are on it now. One thread
 * drives many of them by one epoll descriptor, whose events carry the exchange.
 */
struct exchange {
	void *owner;
	int epoll;
	int fd; /* -1: not connected */
	struct endpoint endpoint;
	unsigned events; /* that are waited for */
	struct sgh_buf request;
	enum exchange_use use;
	const struct body *body;
	char head[sizeof(((struct body *)0)->head)];
	uint64_t sent; /* bytes of request and body */
	struct answer answer;
	bool differs; /* the body that came is not the one that should have come */
	char text[EXCHANGE_TEXT_MAX +
		  1]; /* the beginning of a body that is not compared */
	size_t text_length;
	const char *problem;
};

void exchange_init(struct exchange *exchange, int epoll, void *owner);
void exchange_close(struct exchange *exchange);
void exchange_fini(struct exchange *exchange);

/* What will be sent is written into `request`; the body is told by its token. */
void exchange_prepare(struct exchange *exchange, enum exchange_use use,
		      const struct body *body, const char token[BODY_TOKEN]);

/* Send it to `endpoint`, over the connection there is or a new one. */
enum exchange_state exchange_begin(struct exchange *exchange,
				   const struct endpoint *endpoint);

/* Something happened to the descriptor. */
enum exchange_state exchange_go_on(struct exchange *exchange, unsigned events);

#endif
