/* SPDX-License-Identifier: MIT */
/* Administration, straight at queues and store: dead letters, sweeping. */
#ifndef SANGRAHA_ADMIN_H
#define SANGRAHA_ADMIN_H

#include <stdint.h>

#include <sangraha/context.h>
#include <sangraha/error.h>
#include <sangraha/queue.h>
#include <sangraha/store.h>
#include <sangraha/validate.h>

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

/*
 * Take away what has ended, as receivers do by themselves little by little: what uploads of
 * large objects left that were not finished, parts in the store and records; tombstones of
 * deleted objects when no write of one can arrive any more, and what such a write left
 * there; records of failed writes after a day. Never touches an object that is complete and
 * was not deleted, nor an upload whose time is not over. What lay under a tombstone is
 * removed first, and the tombstone by the next sweep. `types` are those of the receivers;
 * NULL: json, image, pdf. *ret_count, which may be NULL, is how many uploads, tombstones
 * and failures there were, also after a failure. It reads each of these records. Goes on after a failure, and returns the first:
 * SANGRAHA_E_TIMEOUT when `timeout_ms`, 0 for 30 s, were not enough, and those of a store.
 * Blocks. From any thread; may run at once with others and with receivers.
 *
 * Since: 0.1
 */
int sangraha_admin_sweep(struct sangraha_store *store, struct sangraha_types *types,
			 unsigned timeout_ms, uint64_t *ret_count,
			 struct sangraha_error *err);

#ifdef __cplusplus
}
#endif

#endif
