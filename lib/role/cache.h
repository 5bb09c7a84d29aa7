/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_CACHE_H
#define SGH_ROLE_CACHE_H

#include "base/bytes.h"
#include "base/context.h"
#include "base/timer.h"
#include "wire/object.h"

/*
 * What a client has read lately: descriptions and bodies of small objects, those used last
 * for longest. It holds no more than `size` bytes, its own overhead included, of memory that
 * nobody else needs (base/budget.h), and nothing for longer than `ttl_ms`. Usable from any
 * thread; all functions accept NULL, a cache that keeps nothing.
 *
 * An object never changes, but it may be deleted. So nothing is kept while the cache is not
 * told of deletes, and no answer that was asked for before it was told of one.
 */
struct sgh_cache;

/*
 * `timers` has room for one more, outlives sgh_cache_close(), and is gone before
 * sgh_cache_free(). Keeps nothing before sgh_cache_follow().
 */
int sgh_cache_new(struct sangraha_context *context, struct sgh_timers *timers,
		  size_t size, int64_t ttl_ms, struct sgh_cache **ret,
		  struct sangraha_error *err);
/* Forget all, for good. */
void sgh_cache_close(struct sgh_cache *cache);
void sgh_cache_free(struct sgh_cache *cache);

/* From now on it is told of deletes (true); or not, and what it has may be gone (false). */
void sgh_cache_follow(struct sgh_cache *cache, bool follows);

/* To be taken before an object is asked for; 0: its answer will not be kept. */
uint64_t sgh_cache_mark(struct sgh_cache *cache, const char *id);

/*
 * Keep an object that was asked for at `asked_ms` (monotonic) with that mark. `body` is all
 * of it, counted in the context's budget, NULL when it is empty. Both are referred to.
 */
void sgh_cache_put(struct sgh_cache *cache, uint64_t mark, int64_t asked_ms,
		   struct sangraha_object *object, struct sgh_bytes *body);

/* True: it is there; *ret_object and *ret_body (may be NULL) are references of yours. */
bool sgh_cache_get(struct sgh_cache *cache, const char *type, const char *id,
		   int64_t now_ms, struct sangraha_object **ret_object,
		   struct sgh_bytes **ret_body);
/* It was not, and somebody is asked instead. */
void sgh_cache_missed(struct sgh_cache *cache);

/* It was deleted. */
void sgh_cache_remove(struct sgh_cache *cache, const char *type, const char *id);

#endif
