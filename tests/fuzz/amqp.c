/* SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

#include "queue/amqp_table.h"

/*
 * The properties of an AMQP message, as they stand in a header frame, with a table of
 * headers that may hold anything. The bytes are decoded by rabbitmq-c; what is checked is
 * that its values become a message, and that this goes back into a frame.
 */

static struct sgh_message *read_properties(const amqp_basic_properties_t *properties)
{
	struct sgh_message *message = sgh_message_new();

	fuzz_require(message);
	sgh_amqp_message_fill(message, properties);
	fuzz_require(message->header_count <= SGH_HEADERS_MAX);
	return message;
}

/* Only what we send ourselves is looked for again, and that has none of the other kinds. */
static bool is_ours(const struct sgh_message *message)
{
	bool ours = true;

	for (size_t i = 0; i < message->header_count; i++)
		ours = ours && message->headers[i].kind != SGH_HEADER_OTHER;
	return ours;
}

/* The properties of a message as bytes, as many as were foretold; -1: it has no bytes. */
static int write_properties(const struct sgh_message *message, void *buffer, size_t room)
{
	struct sgh_amqp_properties properties;
	size_t size = sgh_amqp_properties_size(message);
	int written;

	if (size == 0)
		return -1;
	fuzz_require(size <= room);
	sgh_amqp_properties_fill(&properties, message);
	if (is_ours(message))
		fuzz_require(sgh_amqp_properties_match(message, &properties.properties));
	written = amqp_encode_properties(AMQP_BASIC_CLASS, &properties.properties,
					 (amqp_bytes_t){ size, buffer });
	fuzz_require(written > 0);
	return written;
}

static amqp_basic_properties_t *decode(amqp_pool_t *pool, void *data, size_t size)
{
	void *decoded = NULL;

	if (amqp_decode_properties(AMQP_BASIC_CLASS, pool, (amqp_bytes_t){ size, data },
				   &decoded) < 0)
		return NULL;
	return decoded;
}

static void round_trip(amqp_pool_t *pool, const struct sgh_message *message)
{
	const size_t room = 4 * (size_t)SGH_HEADER_BYTES_MAX;
	sgh_autofree char *buffer = malloc(room);
	amqp_basic_properties_t *properties;
	struct sgh_message *again;
	int written;

	fuzz_require(buffer);
	written = write_properties(message, buffer, room);
	fuzz_require(written > 0);
	properties = decode(pool, buffer, (size_t)written);
	fuzz_require(properties);
	again = read_properties(properties);
	fuzz_same_message(message, again);
	sgh_message_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sgh_autofree void *copy = fuzz_copy(data, size);
	amqp_basic_properties_t *properties;
	amqp_pool_t pool;

	init_amqp_pool(&pool, 4096);
	properties = decode(&pool, copy, size);
	if (properties) {
		struct sgh_message *message = read_properties(properties);

		sgh_amqp_header_number(properties, "x-delivery-count", 0);
		if (!message->cut)
			round_trip(&pool, message);
		sgh_message_free(message);
	}
	empty_amqp_pool(&pool);
	return 0;
}
