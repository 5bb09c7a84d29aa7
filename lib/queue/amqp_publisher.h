/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_AMQP_PUBLISHER_H
#define SGH_QUEUE_AMQP_PUBLISHER_H

#include "queue/amqp_conn.h"
#include "queue/queue.h"

/* The connection that publishes, collects confirms and asks about queues. */
struct sgh_amqp_publisher;

/* `released(owner)` is called once, when its thread touches nothing any more. */
int sgh_amqp_publisher_new(const struct sgh_amqp_settings *settings,
			   void (*released)(void *owner), void *owner,
			   struct sgh_amqp_publisher **ret, struct sangraha_error *err);
int sgh_amqp_publisher_start(struct sgh_amqp_publisher *publisher,
			     struct sangraha_error *err);
void sgh_amqp_publisher_stop(struct sgh_amqp_publisher *publisher);
void sgh_amqp_publisher_free(struct sgh_amqp_publisher *publisher);

/* The contracts of the seam's functions. */
int sgh_amqp_publisher_publish(struct sgh_amqp_publisher *publisher,
			       struct sgh_publish *publish, struct sangraha_error *err);
void sgh_amqp_publisher_go_on(struct sgh_amqp_publisher *publisher);
void sgh_amqp_publisher_expect(struct sgh_amqp_publisher *publisher,
			       const char *queue_name);
int sgh_amqp_publisher_probe(struct sgh_amqp_publisher *publisher,
			     struct sgh_queue_probe *probe, struct sangraha_error *err);
bool sgh_amqp_publisher_ready(struct sgh_amqp_publisher *publisher);
int sgh_amqp_publisher_wait(struct sgh_amqp_publisher *publisher, unsigned timeout_ms,
			    struct sangraha_error *err);

#endif
