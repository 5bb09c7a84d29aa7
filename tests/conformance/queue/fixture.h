/* SPDX-License-Identifier: MIT */
#ifndef CONFORMANCE_QUEUE_FIXTURE_H
#define CONFORMANCE_QUEUE_FIXTURE_H

#include "support/broker.h"
#include "support/memory_queue.h"
#include "support/queues.h"
#include "support/t.h"

#define WRITE SANGRAHA_WRITE_QUEUE
#define DEAD  SANGRAHA_WRITE_QUEUE ".dlq"
#define MANY  64
#define LARGE ((size_t)32 << 20)

/* A back end of the queue seam; a row of `queue_backends` is run over all cases. */
struct queue_backend {
	const char *name;
	const char *queue_type;
	bool memory; /* no server, and a broker for each case */
	bool local;  /* no server, and a folder for each case */
	char *vhost;
	char *url;
};

extern struct queue_backend queue_backends[];
extern const size_t queue_backend_count;

/* Whether there is a server, and a connection to it that may break. */
bool queue_has_server(const struct queue_backend *backend);
/* After all cases. */
int queue_remove_vhosts(void **state);

/* A queue of its own for a case, and what came out of it. */
struct fixture {
	struct queue_backend *backend;
	struct sangraha_context *context;
	struct sangraha_queue *queue;
	struct t_inbox inbox;
	/* in memory */
	struct memory_broker *broker;
	struct script *script;
	/* in a folder */
	char *folder;
	char *url;
};

/* The first line of each case; skips it without its server. */
struct fixture *queue_begin(void **state);
/* Its tear-down, whether it began or not. */
int queue_end(void **state);

struct sangraha_queue *queue_open(struct fixture *f, const char *url);
/* The fixture's queue anew, by that URL. */
void queue_use_url(struct fixture *f, const char *url);

/* From the write queue, attached. */
struct sgh_consumer *queue_consume(struct fixture *f);
/* The same, of no more than `max_bytes` at a time, after `count` messages were published. */
struct sgh_consumer *queue_consume_large(struct fixture *f, size_t count, size_t size,
					 size_t max_bytes);

unsigned queue_broker_port(void);
/* Put a peer in between the fixture's queue and the broker; NULL where it is in memory. */
struct t_proxy *queue_through_proxy(struct fixture *f, unsigned heartbeat);
/* Lose the connection of the fixture's queue; it comes back at once. */
void queue_cut(struct fixture *f, struct t_proxy *proxy);

/* What a file tells of its cases; the last has no name. */
struct queue_case {
	const char *name;
	CMUnitTestFunction run;
	bool wire; /* about a network, or a server's own ways */
};

#define CASE(function)                     \
	{                                  \
#function, function, false \
	}
#define WIRE(function)                    \
	{                                 \
#function, function, true \
	}

extern const struct queue_case queue_publish_cases[];
extern const struct queue_case queue_consume_cases[];
extern const struct queue_case queue_bounds_cases[];
extern const struct queue_case queue_cuts_cases[];
extern const struct queue_case queue_connect_cases[];
extern const struct queue_case queue_broker_cases[];

#endif
