/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_AMQP_CONSUMER_H
#define SGH_QUEUE_AMQP_CONSUMER_H

#include "queue/amqp_conn.h"
#include "queue/queue.h"

/* The connection that consumes and acknowledges, and the consumers on it. */
struct sgh_amqp_consuming;

#define SGH_AMQP_CONSUMERS_MAX 64

/*
 * `hold(owner)` and `release(owner)` keep the queue's memory for what refers to it: the
 * connection's thread and each consumer, which deliveries in hand keep too.
 */
int sgh_amqp_consuming_new(const struct sgh_amqp_settings *settings,
			   void (*hold)(void *owner), void (*release)(void *owner),
			   void *owner, struct sgh_amqp_consuming **ret,
			   struct sangraha_error *err);
int sgh_amqp_consuming_start(struct sgh_amqp_consuming *consuming,
			     struct sangraha_error *err);
void sgh_amqp_consuming_stop(struct sgh_amqp_consuming *consuming);
void sgh_amqp_consuming_free(struct sgh_amqp_consuming *consuming);

/* The contracts of the seam's functions. */
int sgh_amqp_consumer_new(struct sgh_amqp_consuming *consuming,
			  struct sangraha_queue *queue,
			  const struct sgh_consumer_options *options,
			  struct sgh_consumer **ret, struct sangraha_error *err);
const char *sgh_amqp_consumer_queue(const struct sgh_consumer *consumer);
bool sgh_amqp_consumer_attached(const struct sgh_consumer *consumer);
bool sgh_amqp_member_answered(struct sgh_delivery *delivery); /* amqp_unbatch.c */
void sgh_amqp_consumer_pause(struct sgh_consumer *consumer, bool paused);
void sgh_amqp_consumer_free(struct sgh_consumer *consumer);
void sgh_amqp_consumer_shed(struct sgh_delivery *delivery);
void sgh_amqp_consumer_settle(struct sgh_delivery *delivery, int verdict);

#endif
