/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_BUDGET_H
#define SGH_BASE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/*
 * The memory budget of a process: bodies in flight and the cache. Bytes are reserved
 * before they are read; who gets no reservation waits in line. Usable from any thread.
 */
struct sgh_budget;

struct sgh_budget *sgh_budget_new(size_t limit);
struct sgh_budget *sgh_budget_ref(struct sgh_budget *budget);
void sgh_budget_unref(struct sgh_budget *budget);

size_t sgh_budget_limit(const struct sgh_budget *budget);
size_t sgh_budget_used(struct sgh_budget *budget);
/*
 * A sip: so much of a body is taken before the rest of it is reserved, so that whoever
 * brings bytes slowly, or none, holds no more until then. A 4096th of the limit, 8 KiB at
 * most.
 */
size_t sgh_budget_sip(const struct sgh_budget *budget);

/* Reserve now or not at all. Fails while others wait, so that nobody starves. */
bool sgh_budget_try(struct sgh_budget *budget, size_t size);

/*
 * Who reads no more than this is lent the memory, and does not wait for it: records are
 * read by those that hold a body, which others may be waiting for.
 */
#define SGH_BUDGET_LENT 4096

/* Reserve in any case, for bytes that another bound limits already. */
void sgh_budget_force(struct sgh_budget *budget, size_t size);

void sgh_budget_release(struct sgh_budget *budget, size_t size);

/*
 * Memory that is kept for as long as nobody needs it. It does not count as used, so nobody
 * waits for it; but when used and kept are more than the limit together, all keepers are
 * told to give up some, which they do soon, on a thread of their own.
 */
struct sgh_budget_keeper {
	/* There is an excess. With the budget's lock held: it may wake somebody, no more. */
	void (*give_up)(struct sgh_budget_keeper *keeper);
	struct sgh_list link;
};

void sgh_budget_add_keeper(struct sgh_budget *budget, struct sgh_budget_keeper *keeper);
/* When it returns give_up() is not running and will not be called. */
void sgh_budget_remove_keeper(struct sgh_budget *budget,
			      struct sgh_budget_keeper *keeper);

/*
 * Of what is used `size` bytes are kept from now on. False, and nothing changes, while
 * somebody waits for memory, or used and kept are over the limit already.
 */
bool sgh_budget_keep(struct sgh_budget *budget, size_t size);
/* The reverse: they are used again, to be released as anything that is. */
void sgh_budget_unkeep(struct sgh_budget *budget, size_t size);
/* By how much used and kept are over the limit, as far as what is kept can help. */
size_t sgh_budget_excess(struct sgh_budget *budget);
size_t sgh_budget_kept(struct sgh_budget *budget);

/*
 * Large blocks are not given back to the kernel at once, which takes longer to bring new
 * pages than it takes to fill them, but serve for the next bytes of about that size. What
 * is spare counts as free: it goes as soon as it, what is used and what is kept are more
 * than the limit together, and while nothing is used all but an eighth of the limit.
 */
#define SGH_SPARE_LEAST ((size_t)64 << 10)

/* The beginning of a block that is spare. */
struct sgh_spare {
	struct sgh_list link;
	size_t size;
};

/*
 * As sgh_budget_release(), and the block, allocated by malloc() for `block_size` bytes and
 * a head that does not count, is spare or freed.
 */
void sgh_budget_release_spare(struct sgh_budget *budget, size_t size, void *block,
			      size_t block_size);
/*
 * A spare block for `size` bytes, which are reserved, and an eighth more at most; in
 * *ret_size for how many. NULL: there is none, and room for a new one.
 */
void *sgh_budget_take_spare(struct sgh_budget *budget, size_t size, size_t *ret_size);
size_t sgh_budget_spare(struct sgh_budget *budget);

/*
 * A place in the line. `granted` is called once, on the thread that released memory, with
 * no lock held, after the reservation was made; it must be short. Those that hold memory
 * already go before those that do not. One that wants more than the whole limit is
 * granted when nothing else is reserved.
 *
 * Bytes that arrive from outside take as long as somebody likes. Together they get three
 * quarters of the memory, and one that is over that holds up nobody behind it, so that what
 * is in hand can go on. Arrivals of up to a sip get a sixteenth besides, of their own, so that who has a sip and waits for the rest is in nobody's way.
 */
struct sgh_budget_waiter {
	size_t size;
	bool holds_memory;
	bool arriving; /* not with holds_memory; until sgh_budget_arrived() */
	bool patient;  /* of those arriving, all others go before it */
	void (*granted)(struct sgh_budget_waiter *waiter);
	struct sgh_list link;
	uint64_t turn;
	int64_t since_ms;
	bool waiting;
};

/* True: reserved at once, `granted` is not called. False: it will be, unless cancelled. */
bool sgh_budget_wait(struct sgh_budget *budget, struct sgh_budget_waiter *waiter);

/*
 * Of those in line that are not patient: for how many milliseconds the one has waited that
 * has done so for longest, and in *ret_size what it waits for. 0: nobody waits.
 */
int64_t sgh_budget_waited_ms(struct sgh_budget *budget, size_t *ret_size);

/* What was granted as arriving, in one piece, is there. It stays reserved. */
void sgh_budget_arrived(struct sgh_budget *budget, size_t size);

/*
 * Leave the line. True: `granted` was not and will not be called. False: it was called,
 * or is being called; the reservation is the waiter's. Does not wait for a call under way.
 */
bool sgh_budget_cancel(struct sgh_budget *budget, struct sgh_budget_waiter *waiter);

#endif
