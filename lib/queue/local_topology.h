/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_LOCAL_TOPOLOGY_H
#define SGH_QUEUE_LOCAL_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The queues of docs/protocol.md as the local back end has them: the same table that
 * amqp_topology.c makes arguments of, and each one's number in the database, which never
 * changes.
 */
struct sgh_local_row {
	int number; /* from 1 */
	const char *name;
	const char *dead_letters; /* where what is rejected goes; NULL: it is dropped */
	const char *after;        /* where what has waited goes; NULL: it is dropped */
	int64_t ttl_ms;           /* how long a message stays; 0: for ever */
	size_t max_length;        /* messages; 0: no bound */
	bool bound;               /* to the dead-letter exchange, under its own name */
	bool drops_head;          /* when it is full; otherwise it refuses */
	bool always_durable; /* whatever the delivery mode: nothing here is for now */
};

#define SGH_LOCAL_QUEUES 10

extern const struct sgh_local_row sgh_local_rows[SGH_LOCAL_QUEUES];

/* What a response queue of a process's own is. */
extern const struct sgh_local_row sgh_local_own_row;

#endif
