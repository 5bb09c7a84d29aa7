/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_UTIL_H
#define SGH_BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Small things that every module uses. */

#define SGH_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define sgh_container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Freed at the end of the scope: `sgh_autofree char *text = NULL;`. */
#define sgh_autofree __attribute__((cleanup(sgh_free_at)))

static inline void sgh_free_at(void *at)
{
	void *memory;

	memcpy(&memory, at, sizeof(memory));
	free(memory);
}

/* Hand a pointer on: the value, and NULL is left behind. */
#define sgh_take(pointer)                               \
	({                                              \
		__typeof__(pointer) taken_ = (pointer); \
		(pointer) = NULL;                       \
		taken_;                                 \
	})

/* The value of an option that may lie past the `size` an older caller knew. */
#define sgh_option(options, member, otherwise)                                         \
	((options) &&                                                                  \
			 (options)->size >= offsetof(__typeof__(*(options)), member) + \
						    sizeof((options)->member) &&       \
			 (options)->member                                             \
		 ? (options)->member                                                   \
		 : (otherwise))

static inline bool sgh_streq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Whether `length` bytes are that text, but for the case of ASCII letters. */
static inline bool sgh_named(const char *bytes, size_t length, const char *text)
{
	return length == strlen(text) && strncasecmp(bytes, text, length) == 0;
}

/* Of a hexadecimal digit in either case; -1: it is none. */
static inline int sgh_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline size_t sgh_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* A text's place in a table, by FNV-1a; of a public one with a seed that nobody knows. */
#define SGH_HASH_SEED 2166136261u

static inline uint32_t sgh_hash(uint32_t seed, const char *text)
{
	for (; *text; text++)
		seed = (seed ^ (unsigned char)*text) * 16777619u;
	return seed;
}

/* strdup() that takes NULL for NULL; *ret is untouched and false returned without memory. */
static inline bool sgh_strdup(const char *text, char **ret)
{
	char *copy = NULL;

	if (text) {
		copy = strdup(text);
		if (!copy)
			return false;
	}
	*ret = copy;
	return true;
}

#endif
