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

/* A back end of the queue seam. */
struct queue_backend {
	const char *name;
	const char *queue_type;
	bool memory; /* no server, and a broker for each case */
	bool local;  /* no server, and a folder for each case */
	char *vhost;
	char *url;
};

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
/* With so much memory; 0: the default. */
struct fixture *queue_begin_within(void **state, size_t memory_limit);

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
	enum {
		QUEUE_ANY,
		QUEUE_SERVER, /* about a network, or a server's own ways */
		QUEUE_MEMORY, /* needs a broker that does as it is told */
	} where;
};

#define CASE(function)                         \
	{                                      \
#function, function, QUEUE_ANY \
	}
#define WIRE(function)                            \
	{                                         \
#function, function, QUEUE_SERVER \
	}
#define MEMORY(function)                          \
	{                                         \
#function, function, QUEUE_MEMORY \
	}

/* The stories of conformance/queue.c, a file each. */
extern const struct queue_case queue_publish_cases[];
extern const struct queue_case queue_consume_cases[];
extern const struct queue_case queue_bounds_cases[];
extern const struct queue_case queue_cuts_cases[];
extern const struct queue_case queue_connect_cases[];
extern const struct queue_case queue_broker_cases[];

/* Run the cases of so many files over every back end; main()'s result. */
int queue_run(const char *file, const struct queue_case *const *stories, size_t count);

#endif
