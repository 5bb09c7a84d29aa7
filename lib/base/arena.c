/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define STEP_DEFAULT 2048
#define MAX_DEFAULT  (256 << 10)

struct sgh_arena_chunk {
	struct sgh_arena_chunk *next;
	size_t used;
	size_t capacity;
	alignas(max_align_t) char data[];
};

static struct sgh_arena_chunk *chunk_new(const struct sgh_arena *arena, size_t size)
{
	size_t step = arena->step ? arena->step : STEP_DEFAULT;
	size_t capacity = size > step ? size : step;
	struct sgh_arena_chunk *chunk = malloc(sizeof(*chunk) + capacity);

	if (!chunk)
		return NULL;
	chunk->next = NULL;
	chunk->used = 0;
	chunk->capacity = capacity;
	return chunk;
}

void *sgh_arena_alloc(struct sgh_arena *arena, size_t size)
{
	size_t max = arena->max ? arena->max : MAX_DEFAULT;
	struct sgh_arena_chunk *chunk = arena->chunks;
	void *memory;

	if (size > max)
		return NULL;
	size = (size + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
	if (arena->used + size > max)
		return NULL;
	if (!chunk || chunk->capacity - chunk->used < size) {
		chunk = chunk_new(arena, size);
		if (!chunk)
			return NULL;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	memory = chunk->data + chunk->used;
	chunk->used += size;
	arena->used += size;
	return memory;
}

char *sgh_arena_text(struct sgh_arena *arena, const void *data, size_t length)
{
	char *text = length < SIZE_MAX ? sgh_arena_alloc(arena, length + 1) : NULL;

	if (!text)
		return NULL;
	if (length)
		memcpy(text, data, length);
	text[length] = '\0';
	return text;
}

char *sgh_arena_strdup(struct sgh_arena *arena, const char *text)
{
	return sgh_arena_text(arena, text, strlen(text));
}

size_t sgh_arena_memory(const struct sgh_arena *arena)
{
	size_t size = 0;

	for (const struct sgh_arena_chunk *at = arena->chunks; at; at = at->next)
		size += sizeof(*at) + at->capacity;
	return size;
}

void sgh_arena_fini(struct sgh_arena *arena)
{
	while (arena->chunks) {
		struct sgh_arena_chunk *chunk = arena->chunks;

		arena->chunks = chunk->next;
		free(chunk);
	}
	arena->used = 0;
}
