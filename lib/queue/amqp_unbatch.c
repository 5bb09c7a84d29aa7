/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/error.h"
#include "base/util.h"
#include "queue/amqp_consuming.h"
#include "wire/batch.h"

/*
 * Batches, taken apart: each member is a delivery of its own for whoever consumes, and the
 * batch is acknowledged with the last of them. It lives among the channel's deliveries as
 * any other, without its message.
 */

/*
 * What a member costs besides its body, here and with whoever takes it, counts among the
 * bytes in hand.
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

/* Deliveries of all members, which take their messages; on failure these are gone, too. */
static int make_members(struct sgh_amqp_consumer *consumer,
			struct sgh_amqp_delivery *batch, struct sgh_message **messages,
			struct sgh_amqp_delivery **members, size_t count,
			struct sangraha_error *err)
{
	size_t made = 0;

	while (made < count &&
	       (members[made] = member_new(consumer, batch, messages[made])))
		made++;
	if (made == count)
		return 0;
	while (count > made)
		sgh_message_free(messages[--count]);
	while (made > 0)
		sgh_amqp_delivery_free(members[--made]);
	return sgh_fail_memory(err);
}

static int take_apart(struct sgh_amqp_consumer *consumer, struct sgh_amqp_delivery *batch,
		      struct sgh_amqp_delivery *members[SGH_BATCH_MEMBERS_MAX],
		      size_t *ret_count, struct sangraha_error *err)
{
	struct sgh_budget *budget = consumer->base.queue->context->budget;
	struct sgh_message *messages[SGH_BATCH_MEMBERS_MAX];
	int status;

	if (batch->base.oversize || !sgh_batch_is(batch->base.message))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "it has %llu bytes",
				(unsigned long long)batch->base.announced);
	status = sgh_batch_members(batch->base.message, budget, messages, ret_count, err);
	if (!status)
		status =
			make_members(consumer, batch, messages, members, *ret_count, err);
	return status;
}

/*
 * Nobody knows whose requests are in it, so nobody is answered: the broker is to
 * dead-letter it as it is, or, without memory here, to deliver it again.
 */
static void refuse(struct sgh_amqp_consumer *consumer, struct sgh_amqp_delivery *batch,
		   const struct sangraha_error *why)
{
	if (why->status == SANGRAHA_E_OVERLOADED) {
		sgh_amqp_consumer_settle(&batch->base, SGH_SETTLE_RETURN);
		sgh_amqp_out_of_memory(consumer);
		return;
	}
	sgh_log(consumer->base.queue->context, SANGRAHA_LOG_WARN, "queue", "undecodable",
		"rejected a batch of %s that cannot be taken apart: %s", consumer->name,
		why->message);
	sgh_amqp_consumer_settle(&batch->base, SGH_SETTLE_REJECT);
}

static void hand_over_members(struct sgh_amqp_consumer *consumer,
			      struct sgh_amqp_delivery *batch,
			      struct sgh_amqp_delivery **members, size_t count)
{
	const struct sgh_consumer_options *options = &consumer->base.options;
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += members[i]->bytes;
	/* What counted for the whole counts for its parts, which are settled one by one. */
	__atomic_add_fetch(&consumer->bytes, bytes, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&consumer->bytes, batch->bytes, __ATOMIC_RELAXED);
	__atomic_add_fetch(&consumer->members, (unsigned)count, __ATOMIC_RELAXED);
	batch->bytes = 0;
	sgh_message_free(sgh_take(batch->base.message));
	__atomic_store_n(&batch->unanswered, (unsigned)count, __ATOMIC_RELAXED);
	__atomic_store_n(&batch->left, (unsigned)count, __ATOMIC_RELEASE);
	for (size_t i = 0; i < count; i++) {
		members[i]->base.goes_on = i + 1 < count;
		options->deliver(options->arg, &members[i]->base);
	}
}

void sgh_amqp_hand_over(struct sgh_amqp_consumer *consumer,
			struct sgh_amqp_delivery *delivery)
{
	const struct sgh_consumer_options *options = &consumer->base.options;
	struct sgh_amqp_delivery *members[SGH_BATCH_MEMBERS_MAX];
	struct sangraha_error why = { 0 };
	size_t count = 0;

	if (!options->batches || !sgh_streq(delivery->base.message->type, SGH_BATCH_TYPE))
		options->deliver(options->arg, &delivery->base);
	else if (take_apart(consumer, delivery, members, &count, &why))
		refuse(consumer, delivery, &why);
	else
		hand_over_members(consumer, delivery, members, count);
}

bool sgh_amqp_member_answered(struct sgh_delivery *delivery)
{
	struct sgh_amqp_delivery *member = sgh_amqp_delivery_of(delivery);

	member->answered = true;
	return __atomic_sub_fetch(&member->batch->unanswered, 1, __ATOMIC_ACQ_REL) == 0;
}

static void release_member(struct sgh_amqp_delivery *member)
{
	struct sgh_amqp_consumer *consumer = sgh_amqp_consumer_of(member->base.consumer);

	if (__atomic_fetch_sub(&consumer->members, 1, __ATOMIC_RELAXED) ==
	    SGH_AMQP_MEMBERS_MAX)
		sgh_amqp_consumer_reads_on(consumer);
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
	release_member(member);
	sgh_amqp_delivery_free(member);
	if (__atomic_sub_fetch(&batch->left, 1, __ATOMIC_ACQ_REL))
		return;
	given_back = __atomic_load_n(&batch->given_back, __ATOMIC_RELAXED);
	sgh_amqp_consumer_settle(&batch->base,
				 given_back ? SGH_SETTLE_RETURN : SGH_SETTLE_ACK);
}
