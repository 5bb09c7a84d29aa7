/* SPDX-License-Identifier: MIT */
#ifndef BENCH_STUB_KEYS_H
#define BENCH_STUB_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYS_PATH_MAX  159
#define KEYS_LINES_MAX 855

/*
 * What is said of an object by the one who stores it, instead of the object: its size and
 * the header lines that come back with it. The number is bounded: where there is no room
 * for another key, one is forgotten.
 */
struct keys;

struct keys_entry {
	uint64_t size;
	uint32_t lines_length;
	char path[KEYS_PATH_MAX + 1]; /* "/bucket/key" as in the URL; "": a free place */
	char lines[KEYS_LINES_MAX];   /* whole ones, "Name: value\r\n" */
};

/* NULL without memory. */
struct keys *keys_new(void);
void keys_free(struct keys *keys);

/* What is longer than an entry has room for is forgotten at once. */
void keys_put(struct keys *keys, const char *path, uint64_t size, const char *lines,
	      size_t lines_length);
/* NULL: not seen, or forgotten. Valid until the next put or removal. */
const struct keys_entry *keys_find(struct keys *keys, const char *path);
void keys_remove(struct keys *keys, const char *path);

#endif
