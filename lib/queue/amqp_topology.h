/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_AMQP_TOPOLOGY_H
#define SGH_QUEUE_AMQP_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/amqp_library.h"

/*
 * What the contract says is declared, docs/protocol.md: a table, and how a row becomes an
 * AMQP method. The arguments never change: a broker refuses a queue that it has with
 * others.
 */
#define SGH_AMQP_ARGUMENTS_MAX 8

struct sgh_amqp_queue {
	const char *name;
	bool typed;     /* of the configured type; else classic */
	bool bound;     /* to the dead-letter exchange under its own name */
	bool exclusive; /* to its connection, and gone with its consumer; else durable */
	const char *dead_exchange; /* where messages that end go; NULL: nowhere */
	const char *dead_key;
	const char *overflow; /* NULL: the broker's default, drop-head */
	int64_t max_length;   /* 0: none */
	int64_t message_ttl;  /* milliseconds; 0: none */
	int64_t expires;      /* of the unused queue, milliseconds; 0: never */
};

/* In the order of declaration; dead-letter queues come before those that need them. */
extern const struct sgh_amqp_queue sgh_amqp_queues[];
extern const size_t sgh_amqp_queue_count;

/* A requester's own response queue; the name is the caller's. */
extern const struct sgh_amqp_queue sgh_amqp_response_queue;

/* What a consumer of events has; the broker drops what is too much, the oldest first. */
extern const struct sgh_amqp_queue sgh_amqp_event_queue;

/* The row of that name; NULL when it is none of ours. */
const struct sgh_amqp_queue *sgh_amqp_queue_find(const char *name);

/* queue.declare and the memory that its arguments are in. */
struct sgh_amqp_declare {
	amqp_queue_declare_t method;
	amqp_table_entry_t arguments[SGH_AMQP_ARGUMENTS_MAX];
};

void sgh_amqp_declare_fill(struct sgh_amqp_declare *declare,
			   const struct sgh_amqp_queue *queue, const char *name,
			   bool quorum);

/* The arguments as "x-queue-type=quorum x-max-length=…", for a message; cut to `size`. */
void sgh_amqp_declare_text(const struct sgh_amqp_declare *declare, char *text,
			   size_t size);

#endif
