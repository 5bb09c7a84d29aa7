/* SPDX-License-Identifier: MIT */
/* Administration, straight at the queues: dead letters. */
#ifndef SANGRAHA_ADMIN_H
#define SANGRAHA_ADMIN_H

#include <stdint.h>

#include <sangraha/context.h>
#include <sangraha/error.h>
#include <sangraha/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * How many messages wait in the dead-letter queue of `queue_name`
 * (SANGRAHA_WRITE_QUEUE or SANGRAHA_READ_QUEUE; SANGRAHA_E_INVALID for another). Blocks
 * for at most `timeout_ms`, for the connection too; then SANGRAHA_E_TIMEOUT or
 * SANGRAHA_E_UNAVAILABLE. From any thread.
 *
 * Since: 0.1
 */
int sangraha_admin_dead_letters(struct sangraha_queue *queue, const char *queue_name,
				unsigned timeout_ms, uint64_t *ret_count,
				struct sangraha_error *err);

#ifdef __cplusplus
}
#endif

#endif
