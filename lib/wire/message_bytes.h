/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_MESSAGE_BYTES_H
#define SGH_WIRE_MESSAGE_BYTES_H

#include "base/buf.h"
#include "wire/message.h"

/*
 * Properties and headers of a message as bytes, without the body: what the local queue
 * keeps of a message in memory and in its database, and what a batch has of its members.
 * The first byte is the version; docs/protocol.md, "Batches", has the rest.
 */
#define SGH_MESSAGE_META_MAX ((size_t)256 << 10)

/* Append to `buf`; it has failed when there is no memory or no end of it. */
void sgh_message_write(const struct sgh_message *message, struct sgh_buf *buf);

/*
 * Read it back, whatever it is: NULL in *ret, and SANGRAHA_E_INTERNAL for bytes that are no
 * message (damaged, or of a later version), _OVERLOADED without memory.
 */
int sgh_message_read(const void *data, size_t length, struct sgh_message **ret,
		     struct sangraha_error *err);

#endif
