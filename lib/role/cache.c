/* SPDX-License-Identifier: MIT */
#include "role/cache.h"

#include <pthread.h>

#include "base/error.h"

#define CHAINS_MIN  64
#define CHAINS_MAX  (1 << 20)
#define CHAIN_BYTES 4096 /* of the size, for each chain */
/* Of deletes: two ids that share one block each other's inserts, no more. */
#define SLOTS 1024 /* a power of two */

struct entry {
	struct sgh_list chain;
	struct sgh_list order;
	struct sgh_cached what;
	int64_t until_ms;
	size_t extra; /* bytes besides the body */
};

struct sgh_cache {
	struct sgh_budget *budget;
	struct sgh_budget_keeper keeper;
	struct sgh_timers *timers;
	struct sgh_timer timer; /* gives up what there is no memory for */
	struct sgh_metric *hits;
	struct sgh_metric *misses;
	size_t size;
	int64_t ttl_ms;
	uint32_t seed;      /* so that nobody can choose ids for one chain */
	size_t chain_count; /* a power of two */
	struct {
		pthread_mutex_t lock;
		struct sgh_list *chains; /* entries, by type and id */
		struct sgh_list order;   /* entries, the one used last at the end */
		size_t used;             /* bytes */
		bool follows;
		uint64_t epoch; /* counts the times it began to follow, or ceased */
		uint64_t deletes[SLOTS]; /* that it was told of, by id */
	} state;
};

/* ---- entries ---- */

static size_t bytes_of(const struct entry *entry)
{
	const struct sgh_bytes *body = entry->what.body;

	return entry->extra + (body ? body->capacity : 0);
}

static struct sgh_list *chain_locked(struct sgh_cache *cache, const char *id)
{
	return &cache->state.chains[sgh_hash(cache->seed, id) & (cache->chain_count - 1)];
}

static struct entry *find_locked(struct sgh_cache *cache, const char *type,
				 const char *id)
{
	sgh_list_for_each (link, chain_locked(cache, id)) {
		struct entry *entry = sgh_list_entry(link, struct entry, chain);

		if (strcmp(entry->what.object->id, id) == 0 &&
		    strcmp(entry->what.object->type, type) == 0)
			return entry;
	}
	return NULL;
}

/* Out of the cache and into `dropped`, to be freed without the lock. */
static void drop_locked(struct sgh_cache *cache, struct entry *entry,
			struct sgh_list *dropped)
{
	cache->state.used -= bytes_of(entry);
	sgh_list_remove(&entry->chain);
	sgh_list_remove(&entry->order);
	sgh_list_append(dropped, &entry->order);
}

/* Drop those that were used longest ago, of `bytes` together; all when there are fewer. */
static void drop_oldest_locked(struct sgh_cache *cache, size_t bytes,
			       struct sgh_list *dropped)
{
	size_t gone = 0;

	while (gone < bytes && !sgh_list_empty(&cache->state.order)) {
		struct entry *entry =
			sgh_list_entry(cache->state.order.next, struct entry, order);

		gone += bytes_of(entry);
		drop_locked(cache, entry, dropped);
	}
}

/*
 * The bytes are used again until whoever was answered with them lets go. Somebody who has
 * waited for memory may be called, so no lock is held.
 */
static void entry_free(struct sgh_cache *cache, struct entry *entry, bool kept)
{
	if (kept)
		sgh_budget_unkeep(cache->budget, bytes_of(entry));
	sgh_budget_release(cache->budget, entry->extra);
	sgh_cached_fini(&entry->what);
	free(entry);
}

static void free_dropped(struct sgh_cache *cache, struct sgh_list *dropped)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(dropped)))
		entry_free(cache, sgh_list_entry(link, struct entry, order), true);
}

/* ---- when memory is short ---- */

static void give_up(struct sgh_budget_keeper *keeper)
{
	struct sgh_cache *cache = sgh_container_of(keeper, struct sgh_cache, keeper);

	sgh_timer_arm(cache->timers, &cache->timer, 0);
}

static void shrink(struct sgh_timer *timer)
{
	struct sgh_cache *cache = sgh_container_of(timer, struct sgh_cache, timer);
	struct sgh_list dropped;
	size_t excess;

	sgh_list_init(&dropped);
	while ((excess = sgh_budget_excess(cache->budget))) {
		pthread_mutex_lock(&cache->state.lock);
		drop_oldest_locked(cache, excess, &dropped);
		pthread_mutex_unlock(&cache->state.lock);
		if (sgh_list_empty(&dropped))
			return; /* the rest is another keeper's */
		free_dropped(cache, &dropped);
	}
}

/* ---- life ---- */

static bool make_chains(struct sgh_cache *cache)
{
	size_t count = CHAINS_MIN;

	while (count < cache->size / CHAIN_BYTES && count < CHAINS_MAX)
		count *= 2;
	cache->state.chains = calloc(count, sizeof(*cache->state.chains));
	if (!cache->state.chains)
		return false;
	cache->chain_count = count;
	for (size_t i = 0; i < count; i++)
		sgh_list_init(&cache->state.chains[i]);
	return true;
}

static uint32_t random_seed(void)
{
	char id[SANGRAHA_ID_SIZE];

	sgh_id_random(id);
	return (uint32_t)strtoul(id, NULL, 16); /* up to its first hyphen */
}

int sgh_cache_new(struct sangraha_context *context, struct sgh_timers *timers,
		  size_t size, int64_t ttl_ms, struct sgh_cache **ret,
		  struct sangraha_error *err)
{
	struct sgh_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return sgh_fail_memory(err);
	cache->size = size;
	cache->ttl_ms = ttl_ms;
	cache->seed = random_seed();
	cache->timers = timers;
	cache->timer.fire = shrink;
	if (!make_chains(cache)) {
		free(cache);
		return sgh_fail_memory(err);
	}
	pthread_mutex_init(&cache->state.lock, NULL);
	sgh_list_init(&cache->state.order);
	cache->budget = sgh_budget_ref(context->budget);
	cache->hits =
		sgh_metrics_counter(context->metrics, "sangraha_cache_hits_total", "");
	cache->misses =
		sgh_metrics_counter(context->metrics, "sangraha_cache_misses_total", "");
	cache->keeper.give_up = give_up;
	sgh_budget_add_keeper(cache->budget, &cache->keeper);
	*ret = cache;
	return 0;
}

void sgh_cache_close(struct sgh_cache *cache)
{
	if (!cache)
		return;
	sgh_budget_remove_keeper(cache->budget, &cache->keeper);
	sgh_cache_follow(cache, false);
}

void sgh_cache_free(struct sgh_cache *cache)
{
	if (!cache)
		return;
	sgh_cache_close(cache);
	sgh_budget_unref(cache->budget);
	pthread_mutex_destroy(&cache->state.lock);
	free(cache->state.chains);
	free(cache);
}

/* ---- deletes ---- */

void sgh_cache_follow(struct sgh_cache *cache, bool follows)
{
	struct sgh_list dropped;

	if (!cache)
		return;
	sgh_list_init(&dropped);
	pthread_mutex_lock(&cache->state.lock);
	cache->state.follows = follows;
	cache->state.epoch++;
	drop_oldest_locked(cache, SIZE_MAX, &dropped);
	pthread_mutex_unlock(&cache->state.lock);
	free_dropped(cache, &dropped);
}

static uint64_t *slot_locked(struct sgh_cache *cache, const char *id)
{
	return &cache->state.deletes[sgh_hash(cache->seed, id) & (SLOTS - 1)];
}

/* Both only grow, so their sum is the same only when both are. */
static uint64_t mark_locked(struct sgh_cache *cache, const char *id)
{
	return cache->state.follows ? cache->state.epoch + *slot_locked(cache, id) : 0;
}

uint64_t sgh_cache_mark(struct sgh_cache *cache, const char *id)
{
	uint64_t mark;

	if (!cache)
		return 0;
	pthread_mutex_lock(&cache->state.lock);
	mark = mark_locked(cache, id);
	pthread_mutex_unlock(&cache->state.lock);
	return mark;
}

void sgh_cache_remove(struct sgh_cache *cache, const char *type, const char *id)
{
	struct sgh_list dropped;
	struct entry *entry;

	if (!cache)
		return;
	sgh_list_init(&dropped);
	pthread_mutex_lock(&cache->state.lock);
	(*slot_locked(cache, id))++;
	entry = find_locked(cache, type, id);
	if (entry)
		drop_locked(cache, entry, &dropped);
	pthread_mutex_unlock(&cache->state.lock);
	free_dropped(cache, &dropped);
}

/* ---- in and out ---- */

void sgh_cached_fini(struct sgh_cached *cached)
{
	sangraha_object_unref(cached->object);
	sgh_bytes_unref(cached->body);
	sgh_bytes_unref(cached->url);
}

static void refer(struct sgh_cached *to, const struct sgh_cached *from)
{
	*to = *from;
	to->object = sangraha_object_ref(from->object);
	to->body = sgh_bytes_ref(from->body);
	to->url = sgh_bytes_ref(from->url);
}

static struct entry *entry_new(const struct sgh_cached *what)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	sgh_list_init(&entry->chain);
	sgh_list_init(&entry->order);
	refer(&entry->what, what);
	entry->extra = sizeof(*entry) + sgh_object_memory(what->object);
	if (what->body)
		entry->extra += sizeof(*what->body);
	if (what->url)
		entry->extra += sizeof(*what->url) + what->url->room;
	return entry;
}

/* The entry's bytes become memory that is kept; false: there is no room, it was freed. */
static bool keep(struct sgh_cache *cache, struct entry *entry)
{
	sgh_budget_force(cache->budget, entry->extra);
	if (bytes_of(entry) <= cache->size &&
	    sgh_budget_keep(cache->budget, bytes_of(entry)))
		return true;
	entry_free(cache, entry, false);
	return false;
}

static void insert_locked(struct sgh_cache *cache, struct entry *entry,
			  struct sgh_list *dropped)
{
	const struct sangraha_object *object = entry->what.object;
	struct entry *old = find_locked(cache, object->type, object->id);

	if (old)
		drop_locked(cache, old, dropped);
	sgh_list_append(chain_locked(cache, object->id), &entry->chain);
	sgh_list_append(&cache->state.order, &entry->order);
	cache->state.used += bytes_of(entry);
	if (cache->state.used > cache->size)
		drop_oldest_locked(cache, cache->state.used - cache->size, dropped);
}

static int64_t until(const struct sgh_cache *cache, const struct sgh_cached *what,
		     int64_t asked_ms)
{
	int64_t half_ms = what->life_ms / 2;

	return asked_ms +
	       (what->url && half_ms < cache->ttl_ms ? half_ms : cache->ttl_ms);
}

void sgh_cache_put(struct sgh_cache *cache, uint64_t mark, int64_t asked_ms,
		   const struct sgh_cached *what)
{
	struct sgh_list dropped;
	struct entry *entry;

	/* A body that is counted nowhere, or elsewhere, cannot be lent. */
	if (!cache || !mark || (what->body && what->body->budget != cache->budget))
		return;
	entry = entry_new(what);
	if (!entry || !keep(cache, entry))
		return;
	entry->until_ms = until(cache, what, asked_ms);
	sgh_list_init(&dropped);
	pthread_mutex_lock(&cache->state.lock);
	if (mark == mark_locked(cache, what->object->id))
		insert_locked(cache, entry, &dropped);
	else
		sgh_list_append(&dropped, &entry->order);
	pthread_mutex_unlock(&cache->state.lock);
	free_dropped(cache, &dropped);
}

static bool serves(const struct entry *entry, enum sgh_cache_want want)
{
	return !entry->what.url || want == SGH_WANT_DESCRIPTION ||
	       want == entry->what.want;
}

bool sgh_cache_get(struct sgh_cache *cache, enum sgh_cache_want want, const char *type,
		   const char *id, int64_t now_ms, struct sgh_cached *ret)
{
	struct sgh_list dropped;
	struct entry *entry;
	bool found;

	if (!cache)
		return false;
	sgh_list_init(&dropped);
	pthread_mutex_lock(&cache->state.lock);
	entry = find_locked(cache, type, id);
	found = entry && now_ms < entry->until_ms && serves(entry, want);
	if (found) {
		refer(ret, &entry->what);
		sgh_list_remove(&entry->order);
		sgh_list_append(&cache->state.order, &entry->order);
	} else if (entry && now_ms >= entry->until_ms) {
		drop_locked(cache, entry, &dropped);
	}
	pthread_mutex_unlock(&cache->state.lock);
	free_dropped(cache, &dropped);
	if (found)
		sgh_metric_add(cache->hits, 1);
	return found;
}

void sgh_cache_missed(struct sgh_cache *cache)
{
	if (cache)
		sgh_metric_add(cache->misses, 1);
}

void sgh_cache_refuse(struct sgh_cache *cache, const char *type, const char *id,
		      const char *url)
{
	struct sgh_list dropped;
	struct entry *entry;

	if (!cache)
		return;
	sgh_list_init(&dropped);
	pthread_mutex_lock(&cache->state.lock);
	entry = find_locked(cache, type, id);
	if (entry && entry->what.url &&
	    strcmp((const char *)entry->what.url->data, url) == 0)
		drop_locked(cache, entry, &dropped);
	pthread_mutex_unlock(&cache->state.lock);
	free_dropped(cache, &dropped);
}
