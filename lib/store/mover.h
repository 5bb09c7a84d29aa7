/* SPDX-License-Identifier: MIT */
#ifndef SGH_STORE_MOVER_H
#define SGH_STORE_MOVER_H

#include <limits.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/context.h"
#include "wire/ticket.h"

/*
 * Moves bodies to a store and from it on tickets, without its keys: what a requester has
 * instead of a store. A ticket of an S3 store is requested from the address in it; one of a
 * local store ("file:") works within the process and the context that the store is open in.
 */
struct sgh_mover;

#define SGH_MOVE_PAUSE INT_MIN /* push() and pull(): not now */

struct sgh_mover_options {
	/*
	 * Transfers under way at once, those that are paused among them; 0: 64. GETs are
	 * three quarters of them at most, so that slow readers keep nobody from writing.
	 */
	unsigned connections;
	unsigned idle_timeout_ms; /* a transfer without a byte fails after; 0: 30000 */
	const char *ca_file;      /* PEM; NULL: the system's */
};

/*
 * One transfer, embedded in the caller's struct and zero-initialised. What it points to
 * stays unchanged until `done` was called.
 */
struct sgh_move {
	enum sgh_ticket_kind kind; /* PUT: the whole; PARTS: one part; GET */
	const char *url;
	const struct sgh_pair *headers; /* of a PUT, from its ticket */
	size_t header_count;
	int64_t deadline_ms; /* monotonic; SGH_NEVER: the idle time-out only */

	/* PUT and PARTS: the bytes, held ... */
	struct sgh_bytes *body;
	/*
	 * ... or pulled: put up to `size` bytes into `data` and say how many; never 0 before
	 * `length` bytes were given. A negative status ends the transfer with it;
	 * SGH_MOVE_PAUSE waits for sgh_mover_resume(), but may be asked again before. The
	 * mover never repeats such a transfer. Called on a thread of it; must not block.
	 */
	int64_t (*pull)(struct sgh_move *move, void *data, size_t size);

	/* PUT, PARTS with pull(): bytes in all. GET: bytes wanted from `offset` on, not 0. */
	uint64_t length;
	uint64_t offset;
	/* GET: fails after so long without a byte; 0: a third of the idle time-out */
	unsigned patience_ms;
	/*
	 * GET: takes the bytes in pieces, in order. 0: all of the piece was taken;
	 * SGH_MOVE_PAUSE: nothing of it was, and it comes again after sgh_mover_resume(), or
	 * before; a negative status ends the transfer with it. On a thread of the mover; must
	 * not block.
	 */
	int (*push)(struct sgh_move *move, const void *data, size_t length);

	/* Called exactly once, on a thread of the mover, with no lock held; must be short. */
	void (*done)(struct sgh_move *move);

	/*
	 * 0: everything was moved. SANGRAHA_E_PRECONDITION: something lies under the key
	 * already. _UNAUTHORIZED: the ticket has ended or is not good for this.
	 * _NOT_FOUND: the object or the upload is gone. _UNAVAILABLE, _TIMEOUT: as of a
	 * store; a PUT may have happened. _OVERLOADED: no memory or room. _INTERNAL: the
	 * answer makes no sense.
	 */
	int status;
	struct sangraha_error err;
	char etag
		[132]; /* PUT, PARTS: what the store said, with its quotes; "" if nothing */
	uint64_t moved; /* bytes that push() took */

	/* private to mover.c, guarded by the mover's lock; NULL: not under way */
	struct sgh_mover_way *way;

	/* private to the kind of address */
	void *backend;
};

int sgh_mover_new(struct sangraha_context *context,
		  const struct sgh_mover_options *options, struct sgh_mover **ret,
		  struct sangraha_error *err);
/*
 * Waits for the transfers under way, so that what is paused must be resumed or cancelled;
 * not from a callback. NULL is accepted.
 */
void sgh_mover_free(struct sgh_mover *mover);

/*
 * Begin. From any thread. Fails at once, without `done`: SANGRAHA_E_INVALID for a URL that
 * no store of ours has made, _OVERLOADED past the bound on transfers, _UNAVAILABLE for a
 * local store that is not open in this context.
 */
int sgh_mover_submit(struct sgh_mover *mover, struct sgh_move *move,
		     struct sangraha_error *err);

/*
 * Ask push() and pull() again, as sgh_http_resume() does: from any thread, also inside
 * them; nothing happens when the transfer is not paused or is done, as long as its memory
 * is there. Whoever pauses and whoever resumes decide under one lock of the caller's.
 */
void sgh_mover_resume(struct sgh_mover *mover, struct sgh_move *move);

/*
 * End the transfer with a negative status, wherever it is; `done` is called soon. From any
 * thread, but as sgh_mover_resume() not beside its sgh_mover_submit(): who may do either at
 * that time submits under a lock of the caller's. Nothing happens when it is done.
 */
void sgh_mover_cancel(struct sgh_mover *mover, struct sgh_move *move, int status);

#endif
