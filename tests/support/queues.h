/* SPDX-License-Identifier: MIT */
#ifndef T_QUEUES_H
#define T_QUEUES_H

#include <pthread.h>

#include "queue/queue.h"

/* What tests of the queue seam send and get. */

/* A message on its way; t_sent_wait() until its end. */
struct t_sent {
	struct sgh_publish publish;
	struct sgh_message *message;
	int calls; /* atomic: how often `done` was called */
	int status;
	struct sangraha_error err;
};

/* A persistent message of that body, with a message_id of its own. */
struct sgh_message *t_message(const char *body);
struct sgh_message *t_message_of(size_t size);
/* Prepare: default exchange, mandatory, confirm, 10 s. */
struct t_sent *t_sent_new(const char *routing_key, struct sgh_message *message);
int t_sent_wait(struct t_sent *sent);
bool t_sent_done(struct t_sent *sent);
void t_sent_free(struct t_sent *sent);
/* All of it for a message that has to arrive. */
void t_publish(struct sangraha_queue *queue, const char *routing_key, const char *body);
int t_publish_status(struct sangraha_queue *queue, const char *exchange,
		     const char *routing_key, const char *body, unsigned timeout_ms);

/* What a consumer gets, in order; the inbox has a lock of its own. */
struct t_inbox {
	pthread_mutex_t lock;
	struct sgh_delivery *deliveries[16384];
	size_t count; /* ever delivered */
	size_t taken;
	int attached;     /* last told; -1: never */
	unsigned changes; /* of it */
	bool acks;        /* acknowledge at once and keep nothing */
};

void t_inbox_init(struct t_inbox *inbox);
void t_inbox_fini(struct t_inbox *inbox); /* returns what was not taken */
size_t t_inbox_count(struct t_inbox *inbox);
int t_inbox_attached(struct t_inbox *inbox);
unsigned t_inbox_changes(struct t_inbox *inbox);
/* The next delivery; waits for it. */
struct sgh_delivery *t_inbox_next(struct t_inbox *inbox);
/* A consumer into it, attached. */
struct sgh_consumer *t_consume(struct sangraha_queue *queue, struct t_inbox *inbox,
			       const char *name, unsigned prefetch, size_t max_bytes,
			       size_t max_body);
/* The same, and what travels together is taken apart. */
struct sgh_consumer *t_consume_batches(struct sangraha_queue *queue,
				       struct t_inbox *inbox, const char *name,
				       unsigned prefetch);
/* The same for events with that routing key. */
struct sgh_consumer *t_listen(struct sangraha_queue *queue, struct t_inbox *inbox,
			      const char *event);
bool t_body_is(const struct sgh_delivery *delivery, const char *body);
/* How many messages a queue holds, asked by a probe. */
uint64_t t_messages(struct sangraha_queue *queue, const char *name);

#endif
