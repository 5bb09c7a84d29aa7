/* SPDX-License-Identifier: MIT */
#ifndef SGH_STORE_MOVER_KIND_H
#define SGH_STORE_MOVER_KIND_H

#include "store/mover.h"

/*
 * What a kind of address takes to move bodies. mover.c finds the kind by the URL's scheme,
 * checks arguments, clears the results and knows which transfers are under way; a kind
 * moves the bytes, counts those that push() took in `moved`, and keeps what it needs in
 * `backend`.
 */
struct sgh_mover_kind {
	const char *schemes; /* "http: https:", separated by spaces */

	/*
	 * Once for each mover. *ret is what the other calls get; it may put off whatever
	 * costs something until the first transfer. On failure everything is released.
	 */
	int (*open)(struct sangraha_context *context,
		    const struct sgh_mover_options *options, void **ret,
		    struct sangraha_error *err);

	/* Waits for the transfers under way. Not called after an open() that failed. */
	void (*close)(void *self);

	/*
	 * Begin, with no lock held. Either fails at once, and has kept nothing; or ends the
	 * transfer later, perhaps before this returns: sets status, err and etag, calls
	 * sgh_mover_end(), releases what `backend` points to, calls `done`.
	 */
	int (*submit)(void *self, struct sgh_move *move, struct sangraha_error *err);

	/*
	 * Only between submit() and sgh_mover_end(), under the mover's lock, also from
	 * inside push() and pull(). So neither calls back at once, nor is sgh_mover_end()
	 * called under a lock that they take.
	 */
	void (*resume)(void *self, struct sgh_move *move);
	void (*cancel)(void *self, struct sgh_move *move, int status);
};

/* No resume() and no cancel() of this transfer runs after this, or will. */
void sgh_mover_end(struct sgh_move *move);

extern const struct sgh_mover_kind sgh_mover_http;
extern const struct sgh_mover_kind sgh_mover_local;

#endif
