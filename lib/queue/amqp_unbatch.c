/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "queue/amqp_consuming.h"
#include "wire/batch.h"

/*
 * Batches, taken apart: each member is a delivery of its own for whoever consumes, and the
 * batch is acknowledged with the last of them. It lives among the channel's deliveries as
 * any other, without its message.
 */

/*
 * The prefetch counts batches. What its members cost besides their bodies, here and with
 * whoever takes them, counts among the bytes in hand.
 */
#define MEMBER_COST 4096

/* A delivery in the consumer's hand, with that message, which it takes. */
static struct sgh_amqp_delivery *member_new(struct sgh_amqp_consumer *consumer,
					    struct sgh_amqp_delivery *batch,
					    struct sgh_message *message)
{
	struct sgh_amqp_delivery *member = calloc(1, sizeof(*member));

	if (!member)
		return NULL;
	__atomic_add_fetch(&consumer->refs, 1, __ATOMIC_RELAXED);
	member->base.consumer = &consumer->base;
	member->base.message = message;
	member->base.redelivered = batch->base.redelivered;
	member->base.delivery_count = batch->base.delivery_count;
	member->base.announced = message->body ? message->body->length : 0;
	member->base.batched = true;
	member->batch = batch;
	member->bytes = (size_t)member->base.announced + MEMBER_COST;
	sgh_list_init(&member->base.link);
	sgh_list_init(&member->order);
	return member;
}

/* Deliveries of all members; false without memory, and nothing was taken. */
static bool make_members(struct sgh_amqp_consumer *consumer,
			 struct sgh_amqp_delivery *batch, struct sgh_message **messages,
			 struct sgh_amqp_delivery **members, size_t count)
{
	size_t i = 0;

	while (i < count && (members[i] = member_new(consumer, batch, messages[i])))
		i++;
	if (i == count)
		return true;
	while (i-- > 0) {
		members[i]->base.message = NULL;
		sgh_amqp_delivery_free(members[i]);
	}
	return false;
}

/* False: it is to be handed over as it is. */
static bool take_apart(struct sgh_amqp_consumer *consumer,
		       struct sgh_amqp_delivery *batch)
{
	const struct sgh_consumer_options *options = &consumer->base.options;
	struct sgh_budget *budget = consumer->base.queue->context->budget;
	struct sgh_message *messages[SGH_BATCH_MEMBERS_MAX];
	struct sgh_amqp_delivery *members[SGH_BATCH_MEMBERS_MAX];
	size_t bytes = 0;
	size_t count;

	if (sgh_batch_members(batch->base.message, budget, messages, &count, NULL))
		return false;
	if (!make_members(consumer, batch, messages, members, count)) {
		while (count > 0)
			sgh_message_free(messages[--count]);
		return false;
	}
	for (size_t i = 0; i < count; i++)
		bytes += members[i]->bytes;
	/* What counted for the whole counts for its parts, which are settled one by one. */
	__atomic_add_fetch(&consumer->bytes, bytes, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&consumer->bytes, batch->bytes, __ATOMIC_RELAXED);
	batch->bytes = 0;
	sgh_message_free(sgh_take(batch->base.message));
	__atomic_store_n(&batch->unanswered, (unsigned)count, __ATOMIC_RELAXED);
	__atomic_store_n(&batch->left, (unsigned)count, __ATOMIC_RELEASE);
	for (size_t i = 0; i < count; i++) {
		members[i]->base.goes_on = i + 1 < count;
		options->deliver(options->arg, &members[i]->base);
	}
	return true;
}

void sgh_amqp_hand_over(struct sgh_amqp_consumer *consumer,
			struct sgh_amqp_delivery *delivery)
{
	const struct sgh_consumer_options *options = &consumer->base.options;
	bool batch = options->batches && !delivery->base.oversize &&
		     sgh_batch_is(delivery->base.message);

	if (!batch || !take_apart(consumer, delivery))
		options->deliver(options->arg, &delivery->base);
}

bool sgh_amqp_member_answered(struct sgh_delivery *delivery)
{
	struct sgh_amqp_delivery *member = sgh_amqp_delivery_of(delivery);

	member->answered = true;
	return __atomic_sub_fetch(&member->batch->unanswered, 1, __ATOMIC_ACQ_REL) == 0;
}

void sgh_amqp_settle_member(struct sgh_amqp_delivery *member, int verdict)
{
	struct sgh_amqp_delivery *batch = member->batch;
	bool given_back;

	if (!member->answered)
		sgh_amqp_member_answered(&member->base);
	if (verdict != SGH_SETTLE_ACK)
		__atomic_store_n(&batch->given_back, true, __ATOMIC_RELAXED);
	sgh_message_free(sgh_take(member->base.message));
	sgh_amqp_consumer_shed(&member->base);
	sgh_amqp_delivery_free(member);
	if (__atomic_sub_fetch(&batch->left, 1, __ATOMIC_ACQ_REL))
		return;
	given_back = __atomic_load_n(&batch->given_back, __ATOMIC_RELAXED);
	sgh_amqp_consumer_settle(&batch->base,
				 given_back ? SGH_SETTLE_RETURN : SGH_SETTLE_ACK);
}
