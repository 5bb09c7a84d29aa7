/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_BATCH_H
#define SGH_WIRE_BATCH_H

#include "base/buf.h"
#include "wire/message.h"

/*
 * Several messages that travel as one: docs/protocol.md, "Batches". Its body is, for each
 * member, the length of its properties and headers in four bytes, those
 * (wire/message_bytes.h), the length of its body in four bytes, and that. Integers are
 * little-endian.
 */

#define SGH_BATCH_TYPE        "sangraha.batch.v1"
#define SGH_BATCH_MEMBERS_MAX 64
#define SGH_BATCH_BODY_MAX    (128 << 10) /* bytes of a batch */
#define SGH_BATCH_SMALL       (16 << 10)  /* bytes of a body that we send in one */

/* Append a member; `buf` has failed when there is no memory or no end of it. */
void sgh_batch_add(struct sgh_buf *buf, const struct sgh_message *message);

/* The message that travels, with these members; NULL without memory. */
struct sgh_message *sgh_batch_message(const struct sgh_buf *members, bool persistent);

/* Whether it may be one. */
bool sgh_batch_is(const struct sgh_message *message);

/*
 * Take the members out, in their order: *ret_count of them, 1 to SGH_BATCH_MEMBERS_MAX, yours.
 * What is over the bounds of a message is left out of a member, which is marked as cut.
 * `budget` (may be NULL) accounts for their bodies, whatever is in use. SANGRAHA_E_INVALID
 * for bytes that are no batch, _OVERLOADED without memory; then none.
 */
int sgh_batch_members(const struct sgh_message *batch, struct sgh_budget *budget,
		      struct sgh_message *ret[SGH_BATCH_MEMBERS_MAX], size_t *ret_count,
		      struct sangraha_error *err);

#endif
