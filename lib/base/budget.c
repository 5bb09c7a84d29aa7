/* SPDX-License-Identifier: MIT */
#include "base/budget.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/util.h"

#define SIP_MAX 8192

/* The lines, the first to be served first, but for the turns. */
enum line {
	HOLDERS, /* hold memory already */
	OTHERS,
	SIPS,
	ARRIVALS,
	PATIENT,
	LINES,
};

struct sgh_budget {
	int refs; /* atomic */
	size_t limit;
	struct {
		pthread_mutex_t lock;
		size_t used;
		size_t kept; /* besides */
		struct sgh_list keepers;
		struct sgh_list spares; /* the longest unused first */
		size_t spare;           /* bytes of these */
		size_t arriving;        /* of these, not there yet */
		size_t sips;            /* likewise, in pieces of up to a sip */
		uint64_t turn;
		struct sgh_list lines[LINES];
	} state;
};

/* ---- what is spare ---- */

static void remove_spare_locked(struct sgh_budget *budget, struct sgh_spare *spare)
{
	sgh_list_remove(&spare->link);
	budget->state.spare -= spare->size;
}

/* Until no more than `most` bytes are. */
static void drop_spares_locked(struct sgh_budget *budget, size_t most)
{
	while (budget->state.spare > most) {
		struct sgh_spare *spare =
			sgh_list_entry(budget->state.spares.next, struct sgh_spare, link);

		remove_spare_locked(budget, spare);
		free(spare);
	}
}

/* What may be spare besides what is used and kept. */
static size_t spare_most_locked(const struct sgh_budget *budget)
{
	size_t taken = budget->state.used + budget->state.kept;
	size_t most = budget->limit - sgh_min(taken, budget->limit);

	return budget->state.used ? most : sgh_min(most, budget->limit / 8);
}

/* One for `size` bytes, the last that was used; NULL. */
static struct sgh_spare *find_spare_locked(const struct sgh_budget *budget, size_t size)
{
	for (struct sgh_list *link = budget->state.spares.prev;
	     link != &budget->state.spares; link = link->prev) {
		struct sgh_spare *spare = sgh_list_entry(link, struct sgh_spare, link);

		if (spare->size >= size && spare->size - size <= size / 8)
			return spare;
	}
	return NULL;
}

/* So many were reserved: one that may be about to be taken for them can wait. */
static void trim_spares_locked(struct sgh_budget *budget, size_t reserved)
{
	size_t most = spare_most_locked(budget);
	const struct sgh_spare *spare;

	if (budget->state.spare <= most)
		return;
	spare = find_spare_locked(budget, reserved);
	drop_spares_locked(budget, most + (spare ? spare->size : 0));
}

struct sgh_budget *sgh_budget_new(size_t limit)
{
	struct sgh_budget *budget = calloc(1, sizeof(*budget));

	if (!budget)
		return NULL;
	budget->refs = 1;
	budget->limit = limit;
	pthread_mutex_init(&budget->state.lock, NULL);
	sgh_list_init(&budget->state.keepers);
	sgh_list_init(&budget->state.spares);
	for (int i = 0; i < LINES; i++)
		sgh_list_init(&budget->state.lines[i]);
	return budget;
}

struct sgh_budget *sgh_budget_ref(struct sgh_budget *budget)
{
	__atomic_add_fetch(&budget->refs, 1, __ATOMIC_RELAXED);
	return budget;
}

void sgh_budget_unref(struct sgh_budget *budget)
{
	if (!budget || __atomic_sub_fetch(&budget->refs, 1, __ATOMIC_ACQ_REL))
		return;
	drop_spares_locked(budget, 0);
	pthread_mutex_destroy(&budget->state.lock);
	free(budget);
}

size_t sgh_budget_limit(const struct sgh_budget *budget)
{
	return budget->limit;
}

size_t sgh_budget_sip(const struct sgh_budget *budget)
{
	size_t size = sgh_min(budget->limit / 4096, SIP_MAX);

	return size ? size : 1;
}

size_t sgh_budget_used(struct sgh_budget *budget)
{
	size_t used;

	pthread_mutex_lock(&budget->state.lock);
	used = budget->state.used;
	pthread_mutex_unlock(&budget->state.lock);
	return used;
}

static enum line line_of(const struct sgh_budget *budget,
			 const struct sgh_budget_waiter *waiter)
{
	if (waiter->holds_memory)
		return HOLDERS;
	if (!waiter->arriving)
		return OTHERS;
	if (waiter->size <= sgh_budget_sip(budget))
		return SIPS;
	return waiter->patient ? PATIENT : ARRIVALS;
}

static struct sgh_budget_waiter *first_of_locked(const struct sgh_budget *budget,
						 enum line line)
{
	const struct sgh_list *list = &budget->state.lines[line];

	return sgh_list_empty(list)
		       ? NULL
		       : sgh_list_entry(list->next, struct sgh_budget_waiter, link);
}

/* What counts how much of a line's kind has not arrived yet; NULL: nothing does. */
static size_t *share_locked(struct sgh_budget *budget, enum line line, size_t *ret_most)
{
	size_t limit = budget->limit;

	if (line < SIPS)
		return NULL;
	*ret_most = line == SIPS ? limit / 16 : limit - limit / 4;
	return line == SIPS ? &budget->state.sips : &budget->state.arriving;
}

static bool may_arrive_locked(struct sgh_budget *budget,
			      const struct sgh_budget_waiter *waiter)
{
	size_t most = 0;
	const size_t *share = share_locked(budget, line_of(budget, waiter), &most);

	return !share || *share == 0 || (*share <= most && waiter->size <= most - *share);
}

/* Whose turn it is; one that may not arrive yet lets others pass. */
static struct sgh_budget_waiter *next_locked(struct sgh_budget *budget)
{
	struct sgh_budget_waiter *next = first_of_locked(budget, HOLDERS);
	struct sgh_budget_waiter *first;

	if (next)
		return next;
	for (int line = OTHERS; line <= ARRIVALS; line++) {
		first = first_of_locked(budget, line);
		if (first && may_arrive_locked(budget, first) &&
		    (!next || first->turn < next->turn))
			next = first;
	}
	first = first_of_locked(budget, PATIENT);
	if (!next && first && !first_of_locked(budget, ARRIVALS) &&
	    may_arrive_locked(budget, first))
		next = first;
	return next;
}

static bool fits_locked(const struct sgh_budget *budget, size_t size)
{
	size_t used = budget->state.used;

	return used == 0 || (used <= budget->limit && size <= budget->limit - used);
}

/* How much of what is kept has to go. */
static size_t excess_locked(const struct sgh_budget *budget)
{
	size_t kept = budget->state.kept;
	size_t room = budget->limit - sgh_min(budget->state.used, budget->limit);

	return kept > room ? kept - room : 0;
}

static void use_locked(struct sgh_budget *budget, size_t size)
{
	budget->state.used += size;
	trim_spares_locked(budget, size);
	if (!excess_locked(budget))
		return;
	sgh_list_for_each (link, &budget->state.keepers) {
		struct sgh_budget_keeper *keeper =
			sgh_list_entry(link, struct sgh_budget_keeper, link);

		keeper->give_up(keeper);
	}
}

static void take_locked(struct sgh_budget *budget, const struct sgh_budget_waiter *waiter)
{
	size_t most = 0;
	size_t *share = share_locked(budget, line_of(budget, waiter), &most);

	use_locked(budget, waiter->size);
	if (share)
		*share += waiter->size;
}

/* Whether nobody stands before it in its own line. */
static bool is_first_locked(const struct sgh_budget *budget, enum line line)
{
	return !first_of_locked(budget, line) &&
	       (line != PATIENT || !first_of_locked(budget, ARRIVALS));
}

static bool reserve_locked(struct sgh_budget *budget,
			   const struct sgh_budget_waiter *waiter)
{
	enum line line = line_of(budget, waiter);

	if (!is_first_locked(budget, line) || !may_arrive_locked(budget, waiter) ||
	    !fits_locked(budget, waiter->size))
		return false;
	/* Only those that nobody could serve now may be passed. */
	if (line != HOLDERS && next_locked(budget))
		return false;
	take_locked(budget, waiter);
	return true;
}

bool sgh_budget_try(struct sgh_budget *budget, size_t size)
{
	const struct sgh_budget_waiter one = { .size = size };
	bool reserved;

	pthread_mutex_lock(&budget->state.lock);
	reserved = reserve_locked(budget, &one);
	pthread_mutex_unlock(&budget->state.lock);
	return reserved;
}

void sgh_budget_force(struct sgh_budget *budget, size_t size)
{
	pthread_mutex_lock(&budget->state.lock);
	use_locked(budget, size);
	pthread_mutex_unlock(&budget->state.lock);
}

/* Move the waiters that fit now, in their order, to `granted`. */
static void grant_locked(struct sgh_budget *budget, struct sgh_list *granted)
{
	struct sgh_budget_waiter *waiter;

	while ((waiter = next_locked(budget)) && fits_locked(budget, waiter->size)) {
		take_locked(budget, waiter);
		waiter->waiting = false;
		sgh_list_remove(&waiter->link);
		sgh_list_append(granted, &waiter->link);
	}
}

/* A waiter may be gone as soon as it was told, so its link is not touched after. */
static void tell(struct sgh_list *granted)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(granted))) {
		struct sgh_budget_waiter *waiter =
			sgh_list_entry(link, struct sgh_budget_waiter, link);

		waiter->granted(waiter);
	}
}

void sgh_budget_release(struct sgh_budget *budget, size_t size)
{
	struct sgh_list granted;

	sgh_list_init(&granted);
	pthread_mutex_lock(&budget->state.lock);
	budget->state.used -= sgh_min(size, budget->state.used);
	grant_locked(budget, &granted);
	if (!budget->state.used)
		drop_spares_locked(budget, spare_most_locked(budget));
	pthread_mutex_unlock(&budget->state.lock);
	tell(&granted);
}

void sgh_budget_release_spare(struct sgh_budget *budget, size_t size, void *block,
			      size_t block_size)
{
	struct sgh_spare *spare = block;

	pthread_mutex_lock(&budget->state.lock);
	spare->size = block_size;
	sgh_list_append(&budget->state.spares, &spare->link);
	budget->state.spare += block_size;
	pthread_mutex_unlock(&budget->state.lock);
	sgh_budget_release(budget, size);
}

void *sgh_budget_take_spare(struct sgh_budget *budget, size_t size, size_t *ret_size)
{
	struct sgh_spare *spare;

	pthread_mutex_lock(&budget->state.lock);
	spare = find_spare_locked(budget, size);
	if (spare) {
		*ret_size = spare->size;
		remove_spare_locked(budget, spare);
	} else {
		drop_spares_locked(budget, spare_most_locked(budget));
	}
	pthread_mutex_unlock(&budget->state.lock);
	return spare;
}

size_t sgh_budget_spare(struct sgh_budget *budget)
{
	size_t spare;

	pthread_mutex_lock(&budget->state.lock);
	spare = budget->state.spare;
	pthread_mutex_unlock(&budget->state.lock);
	return spare;
}

bool sgh_budget_wait(struct sgh_budget *budget, struct sgh_budget_waiter *waiter)
{
	bool reserved;

	pthread_mutex_lock(&budget->state.lock);
	sgh_list_init(&waiter->link);
	reserved = reserve_locked(budget, waiter);
	waiter->waiting = !reserved;
	waiter->turn = budget->state.turn++;
	waiter->since_ms = reserved ? 0 : sgh_now_ms();
	if (!reserved)
		sgh_list_append(&budget->state.lines[line_of(budget, waiter)],
				&waiter->link);
	pthread_mutex_unlock(&budget->state.lock);
	return reserved;
}

int64_t sgh_budget_waited_ms(struct sgh_budget *budget, size_t *ret_size)
{
	int64_t since = SGH_NEVER;

	pthread_mutex_lock(&budget->state.lock);
	for (int line = HOLDERS; line < PATIENT; line++) {
		const struct sgh_budget_waiter *first = first_of_locked(budget, line);

		if (!first || first->since_ms >= since)
			continue;
		since = first->since_ms;
		*ret_size = first->size;
	}
	pthread_mutex_unlock(&budget->state.lock);
	return since == SGH_NEVER ? 0 : sgh_now_ms() - since;
}

void sgh_budget_arrived(struct sgh_budget *budget, size_t size)
{
	const struct sgh_budget_waiter like = { .size = size, .arriving = true };
	struct sgh_list granted;
	size_t most = 0;
	size_t *share;

	sgh_list_init(&granted);
	pthread_mutex_lock(&budget->state.lock);
	share = share_locked(budget, line_of(budget, &like), &most);
	*share -= sgh_min(size, *share);
	grant_locked(budget, &granted);
	pthread_mutex_unlock(&budget->state.lock);
	tell(&granted);
}

bool sgh_budget_cancel(struct sgh_budget *budget, struct sgh_budget_waiter *waiter)
{
	struct sgh_list granted;
	bool cancelled;

	sgh_list_init(&granted);
	pthread_mutex_lock(&budget->state.lock);
	cancelled = waiter->waiting;
	if (cancelled) {
		waiter->waiting = false;
		sgh_list_remove(&waiter->link);
		/* Who stood behind it may be smaller and fit. */
		grant_locked(budget, &granted);
	}
	pthread_mutex_unlock(&budget->state.lock);
	tell(&granted);
	return cancelled;
}

/* ---- what is kept ---- */

void sgh_budget_add_keeper(struct sgh_budget *budget, struct sgh_budget_keeper *keeper)
{
	pthread_mutex_lock(&budget->state.lock);
	sgh_list_append(&budget->state.keepers, &keeper->link);
	pthread_mutex_unlock(&budget->state.lock);
}

void sgh_budget_remove_keeper(struct sgh_budget *budget, struct sgh_budget_keeper *keeper)
{
	pthread_mutex_lock(&budget->state.lock);
	sgh_list_remove(&keeper->link);
	pthread_mutex_unlock(&budget->state.lock);
}

bool sgh_budget_keep(struct sgh_budget *budget, size_t size)
{
	bool room;

	pthread_mutex_lock(&budget->state.lock);
	/* Whose turn it is gets what is released next, and not the keeper. */
	room = !next_locked(budget) && size <= budget->state.used &&
	       budget->state.used <= budget->limit &&
	       budget->state.kept <= budget->limit - budget->state.used;
	if (room) {
		budget->state.used -= size;
		budget->state.kept += size;
	}
	pthread_mutex_unlock(&budget->state.lock);
	return room;
}

void sgh_budget_unkeep(struct sgh_budget *budget, size_t size)
{
	pthread_mutex_lock(&budget->state.lock);
	budget->state.kept -= size;
	budget->state.used += size;
	pthread_mutex_unlock(&budget->state.lock);
}

size_t sgh_budget_excess(struct sgh_budget *budget)
{
	size_t excess;

	pthread_mutex_lock(&budget->state.lock);
	excess = excess_locked(budget);
	pthread_mutex_unlock(&budget->state.lock);
	return excess;
}

size_t sgh_budget_kept(struct sgh_budget *budget)
{
	size_t kept;

	pthread_mutex_lock(&budget->state.lock);
	kept = budget->state.kept;
	pthread_mutex_unlock(&budget->state.lock);
	return kept;
}
