/* SPDX-License-Identifier: MIT */
/* The queues that roles and clients meet at. */
#ifndef SANGRAHA_QUEUE_H
#define SANGRAHA_QUEUE_H

#include <stddef.h>

#include <sangraha/context.h>
#include <sangraha/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SANGRAHA_WRITE_QUEUE          "object_write_queue"    /* what receivers consume */
#define SANGRAHA_READ_QUEUE           "object_read_queue"     /* what getters consume */
#define SANGRAHA_RESPONSE_QUEUE       "object_response_queue" /* replies for nobody */
#define SANGRAHA_DEAD_LETTER_EXCHANGE "sangraha.dlx"          /* what failed for good */
#define SANGRAHA_EVENT_EXCHANGE       "sangraha.events"       /* what has changed */

/*
 * The queues that roles meet at: on a RabbitMQ, or in a folder of this process's own.
 * Reference counted, usable from any thread.
 *
 * On a broker a handle has a thread for each of its connections: one that publishes, and
 * one that consumes once a role is started on it. It connects by itself, again and again,
 * and declares what docs/protocol.md lists.
 */
struct sangraha_queue;

/* Of sangraha_queue_open(). Zero means default. */
struct sangraha_queue_options {
	size_t size;                 /* sizeof(struct sangraha_queue_options) */
	const char *queue_type;      /* "quorum" (NULL) or "classic" */
	unsigned heartbeat;          /* seconds offered to the broker, to 65535; 0: 600 */
	const char *ca_file;         /* PEM, for amqps; NULL: the system's */
	const char *connection_name; /* shown by the broker; NULL: "sangraha" */
};

/*
 * Open the queues at `url`. `options` may be NULL and is copied. Release with
 * sangraha_queue_unref(). SANGRAHA_E_INVALID for a URL that cannot be read or a scheme
 * this build does not have.
 *
 * "amqp://user:password@host:port/vhost" or "amqps://…", comma-separated for several
 * brokers of one cluster: returns at once and connects in the background.
 *
 * "local:DIR": durable queues in the folder DIR, which is made when it is missing and may
 * hold a store ("file:DIR") too. Opens the files before it returns. Of `options` nothing
 * counts but the size. Handles of one context on one folder share what is in it; another
 * process, or another context, is told SANGRAHA_E_UNAVAILABLE. Besides: _UNAUTHORIZED for
 * a folder that cannot be written to, _OVERLOADED for a full disk, _INTERNAL for files
 * that are damaged or of a later version.
 *
 * Since: 0.1
 */
int sangraha_queue_open(struct sangraha_context *context, const char *url,
			const struct sangraha_queue_options *options,
			struct sangraha_queue **ret, struct sangraha_error *err);

/* Take another reference; returns its argument, which may be NULL. Since: 0.1 */
struct sangraha_queue *sangraha_queue_ref(struct sangraha_queue *queue);

/*
 * Drop a reference; NULL is accepted. Roles and clients keep their own. The last one
 * closes the connections, which takes up to 2 s; what was not sent by then is given up.
 * Since: 0.1
 */
void sangraha_queue_unref(struct sangraha_queue *queue);

/*
 * Block until the queue can be published to, for at most `timeout_ms`; SANGRAHA_E_TIMEOUT
 * with the last connection error as message otherwise. Nobody needs to: roles and clients
 * begin when they can. Since: 0.1
 */
int sangraha_queue_wait_ready(struct sangraha_queue *queue, unsigned timeout_ms,
			      struct sangraha_error *err);

#ifdef __cplusplus
}
#endif

#endif
