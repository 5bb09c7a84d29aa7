/* SPDX-License-Identifier: MIT */
/* The getter role: answers reads. */
#ifndef SANGRAHA_GETTER_H
#define SANGRAHA_GETTER_H

#include <stddef.h>

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
 * The getter role. Answers reads - get, stat, list - from object_read_queue.
 * Any number of them may run, in one process or many. It works on threads of its own.
 */
struct sangraha_getter;

/* Of sangraha_getter_start(). Zero means default. */
struct sangraha_getter_options {
	size_t size;                  /* sizeof(struct sangraha_getter_options) */
	struct sangraha_types *types; /* NULL: json, image, pdf */
	unsigned prefetch;            /* deliveries in hand, at most 65535; 0: 64 */
	unsigned workers;    /* no meaning yet: a getter has nothing to compute */
	size_t inline_limit; /* bytes; 0: 512 KiB, at most an eighth of the memory limit */
	/* A larger object may be fetched from the store for so long; 0: an hour. */
	unsigned ticket_timeout_ms;
};

/*
 * Start the role. Returns at once; it begins to work when broker and store answer, and
 * goes on by itself whenever they come back. `options` may be NULL and is copied; the
 * role keeps references to context, queue, store and types. On success *ret is yours:
 * sangraha_getter_free(). SANGRAHA_E_INVALID for an inline limit over an eighth of the
 * context's memory limit.
 *
 * Since: 0.1
 */
int sangraha_getter_start(struct sangraha_context *context, struct sangraha_queue *queue,
			  struct sangraha_store *store,
			  const struct sangraha_getter_options *options,
			  struct sangraha_getter **ret, struct sangraha_error *err);

/*
 * Take nothing new, give back what was not begun, finish what was. Blocks for at most
 * `timeout_ms`; SANGRAHA_E_TIMEOUT when something is left. That goes on until
 * sangraha_getter_free(), which gives back what cannot be finished; only then does the
 * broker deliver it elsewhere. Since: 0.1
 */
int sangraha_getter_drain(struct sangraha_getter *getter, unsigned timeout_ms,
			  struct sangraha_error *err);

/*
 * What it can do right now; answers at once, from any thread. NULL is a getter that is
 * down. Since: 0.1
 */
void sangraha_getter_health(struct sangraha_getter *getter,
			    struct sangraha_health *health);

/*
 * Stop and release, after sangraha_getter_drain() or without; NULL is accepted. What is
 * nearly done has a second; then requests to the store are given up, and what is not
 * finished is delivered again. Not from a callback of the library's. Since: 0.1
 */
void sangraha_getter_free(struct sangraha_getter *getter);

#ifdef __cplusplus
}
#endif

#endif
