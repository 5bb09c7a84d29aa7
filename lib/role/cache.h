/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_CACHE_H
#define SGH_ROLE_CACHE_H

#include "base/bytes.h"
#include "base/context.h"
#include "base/timer.h"
#include "wire/object.h"

/*
 * What a client has read lately: descriptions and bodies of small objects, descriptions and
 * tickets of large ones, those used last for longest. It holds no more than `size` bytes,
 * its own overhead included, of memory that nobody else needs (base/budget.h), and nothing
 * for longer than `ttl_ms`. Usable from any thread; all functions accept NULL, a cache that
 * keeps nothing.
 *
 * An object never changes, but it may be deleted. So nothing is kept while the cache is not
 * told of deletes, and no answer that was asked for before it was told of one.
 */
struct sgh_cache;

/* What somebody wants of an object. A ticket serves those who want the same. */
enum sgh_cache_want {
	SGH_WANT_BODY,        /* the bytes, of a small one */
	SGH_WANT_DESCRIPTION, /* no bytes */
	SGH_WANT_TICKET,      /* the bytes, or a ticket to fetch them */
	SGH_WANT_SHOWN,       /* the same, with a ticket for a web browser, */
	SGH_WANT_SAVED,       /* ... and for one that is to save them */
};

/* An object that is kept, and its bytes or how to fetch them. */
struct sgh_cached {
	struct sangraha_object *object;
	struct sgh_bytes *body;   /* all of a small one; NULL when that is empty */
	struct sgh_bytes *url;    /* of the ticket of a large one; NULL: it is small */
	enum sgh_cache_want want; /* what that ticket is for */
	int64_t expires_ms;       /* of the ticket: Unix */
	int64_t life_ms;          /* the same, from when it was asked for */
};

/* Release the references. */
void sgh_cached_fini(struct sgh_cached *cached);

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
 * Keep what was asked for at `asked_ms` (monotonic) with that mark, and refer to it. A body
 * is counted in the context's budget, a URL is not. A ticket is kept for half its life at
 * most, so that who is given it has as long.
 */
void sgh_cache_put(struct sgh_cache *cache, uint64_t mark, int64_t asked_ms,
		   const struct sgh_cached *what);

/* True: it is there; *ret is yours, sgh_cached_fini(). */
bool sgh_cache_get(struct sgh_cache *cache, enum sgh_cache_want want, const char *type,
		   const char *id, int64_t now_ms, struct sgh_cached *ret);
/* It was not, and somebody is asked instead. */
void sgh_cache_missed(struct sgh_cache *cache);

/* The ticket with that URL is of no use, whatever it was kept for; another one may be. */
void sgh_cache_refuse(struct sgh_cache *cache, const char *type, const char *id,
		      const char *url);

/* It was deleted. */
void sgh_cache_remove(struct sgh_cache *cache, const char *type, const char *id);

#endif
