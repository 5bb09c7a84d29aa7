/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_AMQP_CONSUMING_H
#define SGH_QUEUE_AMQP_CONSUMING_H

#include "queue/amqp_consumer.h"
#include "queue/amqp_topology.h"

/*
 * What the three files of the consuming connection share. amqp_consumer.c is what other
 * threads call and the callbacks, amqp_delivery.c makes deliveries out of frames and
 * acknowledges them, amqp_consuming.c attaches consumers and speaks for the connection.
 */

/* The channel that declares the topology; consumers have those after it. */
#define SGH_AMQP_DECLARING     1
#define SGH_AMQP_FIRST_CHANNEL 2

/* Where a consumer's channel is. */
enum sgh_amqp_phase {
	SGH_AMQP_CLOSED,     /* there is none */
	SGH_AMQP_OPENING,    /* everything up to basic.consume was sent */
	SGH_AMQP_ATTACHED,   /* messages come */
	SGH_AMQP_CANCELLING, /* basic.cancel was sent */
	SGH_AMQP_IDLE,    /* open, without messages; those in hand can be acknowledged */
	SGH_AMQP_CLOSING, /* channel.close was sent */
};

struct sgh_amqp_delivery {
	struct sgh_delivery base; /* base.link: among those that are settled */
	struct sgh_list order;    /* among those of the channel, by tag */
	size_t bytes;             /* of its body, counted in its consumer */
	bool settled;
	/* Of a batch, atomic: its members in hand, those without an answer, one given back. */
	unsigned left;
	unsigned unanswered;
	bool given_back;
	struct sgh_amqp_delivery *batch; /* of a member */
	bool answered;                   /* likewise */
};

struct sgh_amqp_consumer {
	struct sgh_consumer base;
	struct sgh_amqp_consuming *consuming;
	char *name; /* of the queue */
	char tag[32];
	const struct sgh_amqp_queue *row; /* how it is declared; NULL: not ours */
	bool own;                         /* a queue of its own */
	int refs; /* atomic: the holder, the connection, each delivery */

	/* The thread's own. */
	struct sgh_list link;
	unsigned channel; /* 0: none yet */
	enum sgh_amqp_phase phase;
	uint64_t epoch; /* of the open channel; 0: none */
	bool declare;   /* again, before consuming */
	bool refused;   /* its declaration was: go on with what is there */
	struct sgh_backoff backoff;
	int64_t retry_ms;
	char told[400];
	char events[64]; /* the queue of events, by its whole name; of this channel */
	struct sgh_list order; /* deliveries of this epoch that are not settled */
	size_t bytes;          /* atomic: of bodies in hand */
	unsigned members;      /* atomic: of batches, in hand */
	struct sgh_amqp_delivery *coming; /* being read */
	bool headless;                    /* its header has not come yet */
	uint64_t missing;                 /* bytes of its body */

	/* Guarded by consuming->s.lock. */
	struct {
		bool wanted; /* not paused */
		bool freed;
		bool calling; /* a callback is running */
		bool attached;
	} s;
};

struct sgh_amqp_consuming {
	struct sgh_amqp_conn conn;
	void (*hold)(void *owner);
	void (*release)(void *owner);
	void *owner;

	/* The thread's own. */
	struct sgh_list consumers;
	struct sgh_list settled; /* deliveries to acknowledge */
	struct sgh_amqp_consumer
		*channels[SGH_AMQP_FIRST_CHANNEL + SGH_AMQP_CONSUMERS_MAX];
	uint64_t epochs;
	uint32_t complained;

	struct {
		pthread_mutex_t lock;
		pthread_cond_t cond;     /* a callback has returned */
		struct sgh_list arrived; /* consumers */
		struct sgh_list settled; /* deliveries */
		unsigned settled_count;
		int64_t settled_ms; /* since when there are some */
		bool hurry;         /* they are acknowledged now */
		unsigned count;     /* consumers not freed */
		bool finished;
	} s;
};

static inline struct sgh_amqp_consumer *
sgh_amqp_consumer_of(const struct sgh_consumer *base)
{
	return sgh_container_of((void *)base, struct sgh_amqp_consumer, base);
}

static inline struct sgh_amqp_delivery *sgh_amqp_delivery_of(struct sgh_delivery *base)
{
	return sgh_container_of(base, struct sgh_amqp_delivery, base);
}

/* amqp_consumer.c */
void sgh_amqp_consumer_unref(struct sgh_amqp_consumer *consumer);
void sgh_amqp_delivery_free(struct sgh_amqp_delivery *delivery);
/* Around a callback; false when the consumer was freed: nothing may be called any more. */
bool sgh_amqp_call_begin(struct sgh_amqp_consumer *consumer);
void sgh_amqp_call_end(struct sgh_amqp_consumer *consumer);
void sgh_amqp_set_attached(struct sgh_amqp_consumer *consumer, bool attached);

/* amqp_delivery.c. The broker is to deliver again what there was no memory for. */
void sgh_amqp_out_of_memory(struct sgh_amqp_consumer *consumer);
/* The frames of a delivery, in this order. */
void sgh_amqp_delivery_begins(struct sgh_amqp_consumer *consumer,
			      const amqp_basic_deliver_t *method);
void sgh_amqp_delivery_header(struct sgh_amqp_consumer *consumer,
			      const amqp_frame_t *frame);
void sgh_amqp_delivery_body(struct sgh_amqp_consumer *consumer,
			    const amqp_bytes_t *bytes);
/*
 * The prefetch counts batches. So many of their members are in hand, and a batch more: each
 * may have several requests to the store under way at once, of which there are not many.
 */
#define SGH_AMQP_MEMBERS_MAX 512

/* The connection is to look whether it reads again. */
void sgh_amqp_consumer_reads_on(struct sgh_amqp_consumer *consumer);

/* amqp_unbatch.c: hand over a whole delivery, or its members; both begin the callback. */
void sgh_amqp_hand_over(struct sgh_amqp_consumer *consumer,
			struct sgh_amqp_delivery *delivery);
/* A member is settled, and freed; with the last of them the batch is. */
void sgh_amqp_settle_member(struct sgh_amqp_delivery *member, int verdict);
/* Instead of its header: the broker is to dead-letter it. */
void sgh_amqp_delivery_undecodable(struct sgh_amqp_consumer *consumer);
/*
 * Send what was settled, as far as there is room, if it is time. Returns when it will be;
 * SGH_NEVER for `now`: it is.
 */
int64_t sgh_amqp_acknowledge(struct sgh_amqp_consuming *consuming, int64_t now);
void sgh_amqp_take_settled(struct sgh_amqp_consuming *consuming);
void sgh_amqp_settled_free(struct sgh_amqp_delivery *delivery);

#endif
