/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_AMQP_CONFIRMS_H
#define SGH_QUEUE_AMQP_CONFIRMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/amqp_library.h"
#include "queue/queue.h"

/*
 * What was sent on a channel in confirm mode and is not confirmed yet, by delivery tag:
 * tags count from 1, so a ring finds each at once. A message that was given up, or
 * returned, is NULL; what the broker says about it later is then nobody's business.
 */
struct sgh_amqp_confirms {
	struct sgh_publish **ring;
	size_t size;       /* a power of two; 0: nothing allocated */
	uint64_t first;    /* the oldest tag that waits, or `next` */
	uint64_t next;     /* the tag that comes next */
	uint64_t returned; /* the newest tag that was returned: they come in order */
};

/* From the oldest that waits to the newest; past that the newest waits to be sent. */
#define SGH_AMQP_CONFIRMS_MAX (1u << 20)

/* Nothing was sent: what is still in the ring is forgotten. */
void sgh_amqp_confirms_reset(struct sgh_amqp_confirms *confirms);
void sgh_amqp_confirms_fini(struct sgh_amqp_confirms *confirms);
/* Room for one more; false without memory or past the bound. */
bool sgh_amqp_confirms_reserve(struct sgh_amqp_confirms *confirms);
/* The message that gets the next tag; reserved before. */
void sgh_amqp_confirms_add(struct sgh_amqp_confirms *confirms,
			   struct sgh_publish *publish);
/* What was sent with that tag, forgotten by this; NULL when nothing waits there. */
struct sgh_publish *sgh_amqp_confirms_take(struct sgh_amqp_confirms *confirms,
					   uint64_t tag);
/* The same without forgetting it. */
struct sgh_publish *sgh_amqp_confirms_at(const struct sgh_amqp_confirms *confirms,
					 uint64_t tag);

/* What a basic.return says about the message. */
struct sgh_amqp_returned {
	char exchange[256];
	char routing_key[256];
	const amqp_basic_properties_t *properties;
	uint64_t body_size;
};

/*
 * Which message was returned. A return does not name a tag, but returns come in the order
 * of publishing and before the confirm: so it is the oldest mandatory one after the last
 * returned that is the same in all that the broker sends back. When two are the same in
 * all of that, it does not matter which of them it was. 0 when there is none.
 */
uint64_t sgh_amqp_confirms_find(const struct sgh_amqp_confirms *confirms,
				const struct sgh_amqp_returned *returned);

#endif
