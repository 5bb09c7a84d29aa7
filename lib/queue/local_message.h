/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_LOCAL_MESSAGE_H
#define SGH_QUEUE_LOCAL_MESSAGE_H

#include "base/buf.h"
#include "wire/message.h"

/*
 * Properties and headers of a message as bytes, without the body: what the local back end
 * keeps of a message in memory and in its database. The first byte is the version.
 */
#define SGH_LOCAL_META_MAX ((size_t)256 << 10)

/* What RabbitMQ tells inside x-death, for which our messages have no place: Unix ms. */
#define SGH_LOCAL_DEATH_TIME "x-first-death-time"

/* Append to `buf`; it has failed when there is no memory or no end of it. */
void sgh_local_message_write(const struct sgh_message *message, struct sgh_buf *buf);

/*
 * Read it back, whatever it is: NULL in *ret, and SANGRAHA_E_INTERNAL for bytes that are no
 * message (damaged, or of a later version), _OVERLOADED without memory.
 */
int sgh_local_message_read(const void *data, size_t length, struct sgh_message **ret,
			   struct sangraha_error *err);

#endif
