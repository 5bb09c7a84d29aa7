/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_MAGIC_H
#define SGH_VALIDATE_MAGIC_H

#include <stddef.h>

#include <sangraha/error.h>

#include "wire/mediatype.h"

/*
 * What libmagic thinks. A cookie serves one thread at a time and its answer points into
 * it, and loading the database costs milliseconds: so there is a pool of cookies, as many
 * as are asked at the same moment, and answers are copied out. Any thread may ask.
 */
struct sgh_magic;

/* Loads the database once, so that a missing one is noticed here. */
int sgh_magic_new(struct sgh_magic **ret, struct sangraha_error *err);
void sgh_magic_free(struct sgh_magic *magic);

/* The media type these bytes look like: lower case, without parameters. */
int sgh_magic_ask(struct sgh_magic *magic, const void *data, size_t length,
		  char type[SGH_MEDIATYPE_SIZE], struct sangraha_error *err);

#endif
