/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_MEMORY_QUEUE_H
#define SUPPORT_MEMORY_QUEUE_H

#include "queue/queue.h"
#include "support/memory_broker.h"
#include "support/script.h"

/*
 * A connection to a broker in memory, behind the seam and its front end like any other: a
 * thread that routes, confirms and delivers.
 *
 * In script and journal a message on its way is "publish" and its routing key, whichever
 * the exchange: "publish sangraha.object.created"; the end of a delivery is "ack", "return"
 * or "reject" and its queue; "attach" and its queue can be failed, delayed and held too,
 * but is not journalled. A connection's own response queues are called
 * object_response_queue.1, .2, … so that a journal can name them; those of events, which
 * are gone while it is not attached, object_event_queue.1, .2, …
 */
struct sangraha_queue *memory_queue_new(struct sangraha_context *context,
					struct memory_broker *broker,
					struct script *script);

/*
 * Lose the connection: what was sent and is not confirmed ends as unavailable, what is in
 * hand goes back to its queue and cannot be acknowledged any more. And come back.
 */
void memory_queue_disconnect(struct sangraha_queue *queue);
void memory_queue_connect(struct sangraha_queue *queue);
/* Its disk is full: persistent messages are refused as overloaded. And it has room. */
void memory_queue_fill(struct sangraha_queue *queue, bool full);

#endif
