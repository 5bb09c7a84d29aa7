/* SPDX-License-Identifier: MIT */
#include "base/budget.h"

#include <pthread.h>
#include <stdlib.h>

struct sgh_budget {
	int refs; /* atomic */
	size_t limit;
	struct {
		pthread_mutex_t lock;
		size_t used;
		size_t arriving; /* of these, not there yet */
		uint64_t turn;
		struct sgh_list holders; /* waiters that hold memory already */
		struct sgh_list others;
		struct sgh_list arrivals;
	} state;
};

struct sgh_budget *sgh_budget_new(size_t limit)
{
	struct sgh_budget *budget = calloc(1, sizeof(*budget));

	if (!budget)
		return NULL;
	budget->refs = 1;
	budget->limit = limit;
	pthread_mutex_init(&budget->state.lock, NULL);
	sgh_list_init(&budget->state.holders);
	sgh_list_init(&budget->state.others);
	sgh_list_init(&budget->state.arrivals);
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
	pthread_mutex_destroy(&budget->state.lock);
	free(budget);
}

size_t sgh_budget_limit(const struct sgh_budget *budget)
{
	return budget->limit;
}

size_t sgh_budget_used(struct sgh_budget *budget)
{
	size_t used;

	pthread_mutex_lock(&budget->state.lock);
	used = budget->state.used;
	pthread_mutex_unlock(&budget->state.lock);
	return used;
}

static struct sgh_budget_waiter *first_of(const struct sgh_list *line)
{
	return sgh_list_empty(line)
		       ? NULL
		       : sgh_list_entry(line->next, struct sgh_budget_waiter, link);
}

static bool may_arrive_locked(const struct sgh_budget *budget, size_t size)
{
	size_t most = budget->limit - budget->limit / 4;
	size_t arriving = budget->state.arriving;

	return arriving == 0 || (arriving <= most && size <= most - arriving);
}

/* Whose turn it is; one that may not arrive yet lets others pass. */
static struct sgh_budget_waiter *next_locked(const struct sgh_budget *budget)
{
	struct sgh_budget_waiter *next = first_of(&budget->state.holders);
	struct sgh_budget_waiter *arrival = first_of(&budget->state.arrivals);

	if (next)
		return next;
	next = first_of(&budget->state.others);
	if (arrival && may_arrive_locked(budget, arrival->size) &&
	    (!next || arrival->turn < next->turn))
		return arrival;
	return next;
}

static bool fits_locked(const struct sgh_budget *budget, size_t size)
{
	size_t used = budget->state.used;

	return used == 0 || (used <= budget->limit && size <= budget->limit - used);
}

static void take_locked(struct sgh_budget *budget, const struct sgh_budget_waiter *waiter)
{
	budget->state.used += waiter->size;
	if (waiter->arriving)
		budget->state.arriving += waiter->size;
}

static bool reserve_locked(struct sgh_budget *budget,
			   const struct sgh_budget_waiter *waiter)
{
	if (waiter->holds_memory ? !sgh_list_empty(&budget->state.holders)
				 : next_locked(budget) != NULL)
		return false;
	if (waiter->arriving && (!sgh_list_empty(&budget->state.arrivals) ||
				 !may_arrive_locked(budget, waiter->size)))
		return false;
	if (!fits_locked(budget, waiter->size))
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
	budget->state.used += size;
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
	pthread_mutex_unlock(&budget->state.lock);
	tell(&granted);
}

static struct sgh_list *line_of(struct sgh_budget *budget,
				const struct sgh_budget_waiter *waiter)
{
	if (waiter->holds_memory)
		return &budget->state.holders;
	return waiter->arriving ? &budget->state.arrivals : &budget->state.others;
}

bool sgh_budget_wait(struct sgh_budget *budget, struct sgh_budget_waiter *waiter)
{
	bool reserved;

	pthread_mutex_lock(&budget->state.lock);
	sgh_list_init(&waiter->link);
	reserved = reserve_locked(budget, waiter);
	waiter->waiting = !reserved;
	waiter->turn = budget->state.turn++;
	if (!reserved)
		sgh_list_append(line_of(budget, waiter), &waiter->link);
	pthread_mutex_unlock(&budget->state.lock);
	return reserved;
}

void sgh_budget_arrived(struct sgh_budget *budget, size_t size)
{
	struct sgh_list granted;

	sgh_list_init(&granted);
	pthread_mutex_lock(&budget->state.lock);
	budget->state.arriving -= sgh_min(size, budget->state.arriving);
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
