/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_DISTANCE_H
#define SGH_DAEMONS_DISTANCE_H

#include <stddef.h>

/* A word that is as far as this, or farther, is not what was meant. */
#define SGH_DISTANCE_FAR 4

/*
 * How many characters make one word the other (Levenshtein); SIZE_MAX for words of more
 * than 31 characters, which are far from everything.
 */
size_t sgh_distance(const char *a, const char *b);

#endif
