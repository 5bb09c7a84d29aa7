/* SPDX-License-Identifier: MIT */
#include "queue/local_topology.h"

#include <sangraha/queue.h>

#define WRITE SANGRAHA_WRITE_QUEUE
#define READ  SANGRAHA_READ_QUEUE

/* What waits in a delay queue goes back to the write queue. */
#define DELAY(i, step, ms)                                                     \
	{                                                                      \
		.number = (i), .name = WRITE ".delay." step, .after = WRITE,   \
		.ttl_ms = (ms), .max_length = 1000000, .always_durable = true, \
	}

/* clang-format off */
const struct sgh_local_row sgh_local_rows[SGH_LOCAL_QUEUES] = {
	{ .number = 1, .name = WRITE, .dead_letters = WRITE ".dlq",
	  .max_length = 1000000 },
	{ .number = 2, .name = READ, .dead_letters = READ ".dlq",
	  .max_length = 1000000 },
	{ .number = 3, .name = WRITE ".dlq", .bound = true, .max_length = 1000000,
	  .always_durable = true },
	{ .number = 4, .name = READ ".dlq", .bound = true, .max_length = 1000000,
	  .always_durable = true },
	DELAY(5, "1s", 1000),
	DELAY(6, "5s", 5000),
	DELAY(7, "15s", 15000),
	DELAY(8, "60s", 60000),
	DELAY(9, "300s", 300000),
	{ .number = 10, .name = SANGRAHA_RESPONSE_QUEUE, .ttl_ms = 86400000,
	  .max_length = 100000, .drops_head = true },
};
/* clang-format on */

const struct sgh_local_row sgh_local_own_row = { 0 };
