/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_MEMORY_BROKER_H
#define SUPPORT_MEMORY_BROKER_H

#include <pthread.h>

#include "base/list.h"
#include "wire/message.h"

/*
 * A broker in memory: the queues and exchanges of docs/protocol.md and what is in them.
 * Handles (memory_queue.h) are the connections to it; it outlives them. `speed` divides
 * the times of the delay queues, so that tests do not wait: 1000 makes a second of each
 * millisecond.
 */
struct memory_broker;

struct memory_broker *memory_broker_new(bool quorum, unsigned speed);
struct memory_broker *memory_broker_ref(struct memory_broker *broker);
void memory_broker_unref(struct memory_broker *broker);

/* ---- for tests, behind its back ---- */

/* One more queue; with an exchange, what is published there under `key` (or all) too. */
void memory_broker_declare(struct memory_broker *broker, const char *queue,
			   const char *exchange, const char *key);
void memory_broker_delete(struct memory_broker *broker, const char *queue);
/* How many messages are ready; -1 without that queue. */
int memory_broker_count(struct memory_broker *broker, const char *queue);
/* How many consumers are attached to it. */
unsigned memory_broker_consumers(struct memory_broker *broker, const char *queue);
/* Take the first message away, waiting for it; yours. Fails the case after 10 s. */
struct sgh_message *memory_broker_take(struct memory_broker *broker, const char *queue);
/* Put a message, which is taken, at the end of a queue. */
void memory_broker_put(struct memory_broker *broker, const char *queue,
		       struct sgh_message *message);
/* The same as if it had been delivered before. */
void memory_broker_put_again(struct memory_broker *broker, const char *queue,
			     struct sgh_message *message, unsigned deliveries);
/* The same as if it came in a batch. */
void memory_broker_put_batched(struct memory_broker *broker, const char *queue,
			       struct sgh_message *message, unsigned deliveries);
/* Put several that came in one batch, which are delivered as such. All are taken. */
void memory_broker_put_batch(struct memory_broker *broker, const char *queue,
			     struct sgh_message **messages, size_t count);
/* Messages that were published as ones that may travel with others. */
unsigned memory_broker_company(struct memory_broker *broker);
/* Those that waited for what their publisher had to publish behind them. */
unsigned memory_broker_held(struct memory_broker *broker);
/* How often somebody was told to expect requests to the queue for writes. */
unsigned memory_broker_expected(struct memory_broker *broker);
/* Messages the broker dropped because they went in a circle. */
unsigned memory_broker_dropped(struct memory_broker *broker);

/* A copy in every part; the body is copied too when `budget` is not NULL. */
struct sgh_message *memory_message_copy(const struct sgh_message *message,
					struct sgh_budget *budget);

/* ---- for its connections ---- */

struct memory_item {
	struct sgh_list link;
	struct sgh_message *message;
	uint64_t number; /* the order of publishing */
	bool redelivered;
	bool batched;
	bool goes_on;        /* the one behind it came in the same batch */
	unsigned deliveries; /* that failed */
	int64_t expires_ms;  /* monotonic; 0: never */
};

struct memory_bin {
	struct sgh_list link;
	char *name;
	char *exchange; /* bound there, besides the default one; or NULL */
	char *key;      /* NULL: everything */
	const char *dead_letter_exchange; /* NULL: what is rejected is dropped */
	const char *dead_letter_key;
	unsigned ttl_ms; /* 0: none */
	bool quorum;
	struct sgh_list items;
	size_t count;
	unsigned consumers;
};

struct memory_broker {
	int refs; /* atomic */
	unsigned speed;
	bool quorum;
	pthread_mutex_t lock; /* of everything, the connections too */
	pthread_cond_t changed;
	struct sgh_list bins;
	unsigned response_queues;
	unsigned event_queues;
	unsigned dropped;
	unsigned company;
	unsigned held;
	unsigned expected;
	uint64_t numbers;
};

struct memory_bin *memory_bin_locked(struct memory_broker *broker, const char *name);
/* Forget a queue, and what is in it. */
void memory_bin_free_locked(struct memory_bin *bin);
/* A queue of what is published to an exchange under `key`; NULL: under any. */
void memory_bind_locked(struct memory_bin *bin, const char *exchange, const char *key);
struct memory_bin *memory_declare_locked(struct memory_broker *broker, const char *name,
					 bool quorum);
/* Whether there is an exchange of that name. */
bool memory_exchange(const char *name);
/* Route a copy of a message; how many queues took it. */
unsigned memory_route_locked(struct memory_broker *broker, const char *exchange,
			     const char *key, const struct sgh_message *message);
/* Back to its place in its queue; and to where its queue's dead letters go. */
void memory_requeue_locked(struct memory_bin *bin, struct memory_item *item);
void memory_reject_locked(struct memory_broker *broker, struct memory_bin *bin,
			  struct memory_item *item, const char *reason);
void memory_item_free(struct memory_item *item);
/* Move on what has waited long enough; when the next one will have, or SGH_NEVER. */
int64_t memory_expire_locked(struct memory_broker *broker);

#endif
