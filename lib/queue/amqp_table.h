/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_AMQP_TABLE_H
#define SGH_QUEUE_AMQP_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/amqp_library.h"
#include "wire/message.h"

/* Messages to AMQP properties and back. Nothing here allocates except from arenas. */

/* The properties of one message, with room for its headers; refers to the message. */
struct sgh_amqp_properties {
	amqp_basic_properties_t properties;
	amqp_table_entry_t headers[SGH_HEADERS_MAX];
};

void sgh_amqp_properties_fill(struct sgh_amqp_properties *properties,
			      const struct sgh_message *message);

/*
 * The bytes that the properties take in a header frame, at most; 0 when a field is longer
 * than AMQP allows (rabbitmq-c would truncate its length and corrupt the stream).
 */
size_t sgh_amqp_properties_size(const struct sgh_message *message);

/*
 * Fill an empty message. Headers of a kind that messages do not have, or with a NUL
 * inside, are marked; what is past the bounds is left out, and the message marked as cut.
 */
void sgh_amqp_message_fill(struct sgh_message *message,
			   const amqp_basic_properties_t *properties);

/* Whether a returned message has what this one has; brokers may add headers. */
bool sgh_amqp_properties_match(const struct sgh_message *message,
			       const amqp_basic_properties_t *properties);

/* A number among headers of any integer kind; `otherwise` when absent. */
int64_t sgh_amqp_header_number(const amqp_basic_properties_t *properties,
			       const char *name, int64_t otherwise);

/*
 * Why the broker last dead-lettered it, by the first table in x-death: a copy in the message's
 * arena, NULL when it did not. *ret_ms is when, in Unix milliseconds; untouched when that is
 * not told.
 */
const char *sgh_amqp_death(struct sgh_message *message,
			   const amqp_basic_properties_t *properties, int64_t *ret_ms);

bool sgh_amqp_bytes_are(amqp_bytes_t bytes, const char *text);

#endif
