/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_ARENA_H
#define SGH_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

/*
 * Memory for the many small strings of one message, freed at once and bounded. Zero with
 * `max` set is empty; aligned for pointers and integers.
 */
struct sgh_arena {
	struct sgh_arena_chunk *chunks;
	size_t used; /* bytes handed out */
	size_t max;  /* bytes, 0: 256 KiB */
	size_t step; /* bytes that are asked of malloc() at least, 0: 2 KiB */
};

/* NULL without memory or past the bound. */
void *sgh_arena_alloc(struct sgh_arena *arena, size_t size);
/* A NUL-terminated copy; NULL without memory or past the bound. */
char *sgh_arena_text(struct sgh_arena *arena, const void *data, size_t length);
char *sgh_arena_strdup(struct sgh_arena *arena, const char *text);
/* How many bytes of memory it takes for what was handed out. */
size_t sgh_arena_memory(const struct sgh_arena *arena);
void sgh_arena_fini(struct sgh_arena *arena);

#endif
