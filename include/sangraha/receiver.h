/* SPDX-License-Identifier: MIT */
/* The receiver role: validates, stores and deletes. */
#ifndef SANGRAHA_RECEIVER_H
#define SANGRAHA_RECEIVER_H

#include <stddef.h>
#include <stdint.h>

#include <sangraha/context.h>
#include <sangraha/error.h>
#include <sangraha/object.h>
#include <sangraha/queue.h>
#include <sangraha/store.h>
#include <sangraha/validate.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The receiver role. Takes operations from object_write_queue, validates, and is the only
 * role that creates and deletes objects. Makes its buckets when it starts. Any number of
 * them may run, in one process or many. It works on threads of its own.
 */
struct sangraha_receiver;

/* Of sangraha_receiver_start(). Zero means default. */
struct sangraha_receiver_options {
	size_t size;                  /* sizeof(struct sangraha_receiver_options) */
	struct sangraha_types *types; /* NULL: json, image, pdf */
	unsigned prefetch;            /* deliveries in hand, at most 65535; 0: 64 */
	unsigned workers;             /* threads that validate; 0: one for each core */
	size_t inline_limit; /* bytes; 0: 512 KiB, at most an eighth of the memory limit */
	/*
	 * A say of your own after validation accepted an object: 0 stores it; anything
	 * else refuses it for good, as SANGRAHA_E_REJECTED with the message in `err`,
	 * which is not NULL (sangraha_error_set()), and the rule "veto". `object` is the
	 * description that would be stored, `data` its `length` bytes; both are borrowed
	 * for the call. Called from the worker threads, several at once, and again when
	 * the operation is repeated; what blocks here holds up the worker. NULL:
	 * everything valid is stored.
	 *
	 * An object over the inline limit is shown before it travels: `data` is its first
	 * 64 KiB then, the description's size is that of the whole, or 0 when it is not
	 * known yet, its digest may be "" and its facts "{}". One that travels in parts is
	 * shown again when all of it is in the store, before anybody can see it: with
	 * size, digest and facts then, and with `length` 0. So a rule on facts that are
	 * not there yet says 0.
	 */
	int (*veto)(void *arg, const struct sangraha_object *object, const void *data,
		    size_t length, struct sangraha_error *err);
	void *veto_arg;           /* handed to veto(); must outlive the role */
	uint64_t max_object_size; /* bytes; 0: 5 TiB */
	int no_large_writes; /* 1: objects over the inline limit are SANGRAHA_E_TOO_LARGE */
	/*
	 * 1: an object that went straight to the store is read back through a validator of
	 * the receiver's own before its write succeeds. For requesters that are not trusted
	 * to have run theirs.
	 */
	int verify_large;
	unsigned ticket_timeout_ms; /* an upload that is not renewed ends; 0: an hour */
	/*
	 * How long a request of the requesters may take; 0: 30 s. An id that was deleted
	 * stays known, and cannot be written again, for twice the longest of this, the next
	 * and the ticket's.
	 */
	unsigned request_timeout_ms;
	unsigned async_timeout_ms; /* one whose requester does not wait; 0: a day */
};

/*
 * Start the role. Returns at once; it begins to work when broker and store answer, and
 * goes on by itself whenever they come back. `options` may be NULL and is copied; the
 * role keeps references to context, queue, store and types. On success *ret is yours:
 * sangraha_receiver_free(). SANGRAHA_E_INVALID for an inline limit over an eighth of the
 * context's memory limit.
 *
 * Since: 0.1
 */
int sangraha_receiver_start(struct sangraha_context *context,
			    struct sangraha_queue *queue, struct sangraha_store *store,
			    const struct sangraha_receiver_options *options,
			    struct sangraha_receiver **ret, struct sangraha_error *err);

/*
 * Take nothing new, give back what was not begun, finish what was. Blocks for at most
 * `timeout_ms`; SANGRAHA_E_TIMEOUT when something is left. That goes on until
 * sangraha_receiver_free(), which gives back what cannot be finished; only then does the
 * broker deliver it elsewhere. Since: 0.1
 */
int sangraha_receiver_drain(struct sangraha_receiver *receiver, unsigned timeout_ms,
			    struct sangraha_error *err);

/*
 * What it can do right now; answers at once, from any thread. NULL is a receiver that is
 * down. Since: 0.1
 */
void sangraha_receiver_health(struct sangraha_receiver *receiver,
			      struct sangraha_health *health);

/*
 * Stop and release, after sangraha_receiver_drain() or without; NULL is accepted. What is
 * nearly done has a second; then requests to the store are given up, and what is not
 * finished is delivered again. Not from a callback of the library's. Since: 0.1
 */
void sangraha_receiver_free(struct sangraha_receiver *receiver);

#ifdef __cplusplus
}
#endif

#endif
