/* SPDX-License-Identifier: MIT */
#include "queue/amqp_confirms.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "queue/amqp_table.h"

#define RING_LEAST 256

static struct sgh_publish **place(const struct sgh_amqp_confirms *confirms, uint64_t tag)
{
	return &confirms->ring[tag & (confirms->size - 1)];
}

static bool pending(const struct sgh_amqp_confirms *confirms, uint64_t tag)
{
	return tag >= confirms->first && tag < confirms->next;
}

void sgh_amqp_confirms_reset(struct sgh_amqp_confirms *confirms)
{
	confirms->first = 1;
	confirms->next = 1;
	confirms->returned = 0;
}

void sgh_amqp_confirms_fini(struct sgh_amqp_confirms *confirms)
{
	free(confirms->ring);
	memset(confirms, 0, sizeof(*confirms));
}

bool sgh_amqp_confirms_reserve(struct sgh_amqp_confirms *confirms)
{
	size_t used = (size_t)(confirms->next - confirms->first);
	struct sgh_amqp_confirms bigger = *confirms;

	if (used < confirms->size)
		return true;
	bigger.size = confirms->size ? confirms->size * 2 : RING_LEAST;
	if (bigger.size > SGH_AMQP_CONFIRMS_MAX)
		return false;
	bigger.ring = calloc(bigger.size, sizeof(*bigger.ring));
	if (!bigger.ring)
		return false;
	for (uint64_t tag = confirms->first; tag < confirms->next; tag++)
		*place(&bigger, tag) = *place(confirms, tag);
	free(confirms->ring);
	*confirms = bigger;
	return true;
}

void sgh_amqp_confirms_add(struct sgh_amqp_confirms *confirms,
			   struct sgh_publish *publish)
{
	*place(confirms, confirms->next) = publish;
	confirms->next++;
}

struct sgh_publish *sgh_amqp_confirms_at(const struct sgh_amqp_confirms *confirms,
					 uint64_t tag)
{
	return pending(confirms, tag) ? *place(confirms, tag) : NULL;
}

struct sgh_publish *sgh_amqp_confirms_take(struct sgh_amqp_confirms *confirms,
					   uint64_t tag)
{
	struct sgh_publish *publish = sgh_amqp_confirms_at(confirms, tag);

	if (publish)
		*place(confirms, tag) = NULL;
	while (confirms->first < confirms->next && !*place(confirms, confirms->first))
		confirms->first++;
	return publish;
}

static bool same(const struct sgh_publish *publish,
		 const struct sgh_amqp_returned *returned)
{
	const struct sgh_bytes *body = publish->message->body;

	return publish->mandatory && sgh_streq(publish->exchange, returned->exchange) &&
	       sgh_streq(publish->routing_key, returned->routing_key) &&
	       (body ? body->length : 0) == returned->body_size &&
	       sgh_amqp_properties_match(publish->message, returned->properties);
}

uint64_t sgh_amqp_confirms_find(const struct sgh_amqp_confirms *confirms,
				const struct sgh_amqp_returned *returned)
{
	uint64_t tag = confirms->returned + 1;

	if (tag < confirms->first)
		tag = confirms->first;
	for (; tag < confirms->next; tag++) {
		const struct sgh_publish *publish = *place(confirms, tag);

		if (publish && same(publish, returned))
			return tag;
	}
	return 0;
}
