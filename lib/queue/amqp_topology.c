/* SPDX-License-Identifier: MIT */
#include "queue/amqp_topology.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sangraha/queue.h>

#include "base/util.h"

#define DEAD SANGRAHA_DEAD_LETTER_EXCHANGE

/* A step of the delay queues: what waits there goes back to the write queue. */
#define DELAY(step, ms)                                                     \
	{                                                                   \
		.name = SANGRAHA_WRITE_QUEUE ".delay." step, .typed = true, \
		.dead_exchange = "", .dead_key = SANGRAHA_WRITE_QUEUE,      \
		.message_ttl = (ms)                                         \
	}

/* clang-format off */
const struct sgh_amqp_queue sgh_amqp_queues[] = {
	{ .name = SANGRAHA_WRITE_QUEUE ".dlq", .typed = true, .bound = true,
	  .max_length = 1000000 },
	{ .name = SANGRAHA_READ_QUEUE ".dlq", .bound = true, .max_length = 1000000 },
	{ .name = SANGRAHA_WRITE_QUEUE, .typed = true, .dead_exchange = DEAD,
	  .dead_key = SANGRAHA_WRITE_QUEUE ".dlq", .max_length = 1000000 },
	{ .name = SANGRAHA_READ_QUEUE, .dead_exchange = DEAD,
	  .dead_key = SANGRAHA_READ_QUEUE ".dlq", .max_length = 1000000 },
	DELAY("1s", 1000),
	DELAY("5s", 5000),
	DELAY("15s", 15000),
	DELAY("60s", 60000),
	DELAY("300s", 300000),
	{ .name = SANGRAHA_RESPONSE_QUEUE, .overflow = "drop-head",
	  .max_length = 100000, .message_ttl = 86400000 },
};
/* clang-format on */

const size_t sgh_amqp_queue_count = SGH_COUNT(sgh_amqp_queues);

const struct sgh_amqp_queue sgh_amqp_response_queue = { .expires = 600000 };

const struct sgh_amqp_queue sgh_amqp_event_queue = {
	.exclusive = true,
	.max_length = 100000,
};

const struct sgh_amqp_queue *sgh_amqp_queue_find(const char *name)
{
	for (size_t i = 0; i < sgh_amqp_queue_count; i++)
		if (sgh_streq(sgh_amqp_queues[i].name, name))
			return &sgh_amqp_queues[i];
	return NULL;
}

static amqp_table_entry_t *next_argument(struct sgh_amqp_declare *declare,
					 const char *name)
{
	amqp_table_entry_t *entry =
		&declare->arguments[declare->method.arguments.num_entries++];

	entry->key = amqp_cstring_bytes(name);
	return entry;
}

static void add_text(struct sgh_amqp_declare *declare, const char *name, const char *text)
{
	amqp_table_entry_t *entry;

	if (!text)
		return;
	entry = next_argument(declare, name);
	entry->value.kind = AMQP_FIELD_KIND_UTF8;
	entry->value.value.bytes = amqp_cstring_bytes(text);
}

static void add_number(struct sgh_amqp_declare *declare, const char *name, int64_t number)
{
	amqp_table_entry_t *entry;

	if (number == 0)
		return;
	entry = next_argument(declare, name);
	entry->value.kind = AMQP_FIELD_KIND_I64;
	entry->value.value.i64 = number;
}

void sgh_amqp_declare_fill(struct sgh_amqp_declare *declare,
			   const struct sgh_amqp_queue *queue, const char *name,
			   bool quorum)
{
	/* Without these two a quorum queue may lose what it dead-letters. */
	bool safe = quorum && queue->typed && queue->dead_exchange;

	memset(declare, 0, sizeof(*declare));
	declare->method.queue = amqp_cstring_bytes(name);
	declare->method.durable = !queue->exclusive;
	declare->method.exclusive = queue->exclusive;
	declare->method.auto_delete = queue->exclusive;
	declare->method.arguments.entries = declare->arguments;
	add_text(declare, "x-queue-type", quorum && queue->typed ? "quorum" : NULL);
	add_text(declare, "x-dead-letter-exchange", queue->dead_exchange);
	add_text(declare, "x-dead-letter-routing-key", queue->dead_key);
	add_text(declare, "x-dead-letter-strategy", safe ? "at-least-once" : NULL);
	add_text(declare, "x-overflow", safe ? "reject-publish" : queue->overflow);
	add_number(declare, "x-max-length", queue->max_length);
	add_number(declare, "x-message-ttl", queue->message_ttl);
	add_number(declare, "x-expires", queue->expires);
}

void sgh_amqp_declare_text(const struct sgh_amqp_declare *declare, char *text,
			   size_t size)
{
	size_t used = 0;

	if (size > 0)
		text[0] = '\0';
	for (int i = 0; i < declare->method.arguments.num_entries && used < size; i++) {
		const amqp_table_entry_t *entry = &declare->arguments[i];
		const amqp_bytes_t *value = &entry->value.value.bytes;
		int n = snprintf(text + used, size - used, "%s%.*s=", i ? " " : "",
				 (int)entry->key.len, (const char *)entry->key.bytes);

		used += n > 0 ? (size_t)n : 0;
		if (used >= size)
			return;
		if (entry->value.kind == AMQP_FIELD_KIND_UTF8)
			n = snprintf(text + used, size - used, "%.*s", (int)value->len,
				     (const char *)value->bytes);
		else
			n = snprintf(text + used, size - used, "%" PRId64,
				     entry->value.value.i64);
		used += n > 0 ? (size_t)n : 0;
	}
}
