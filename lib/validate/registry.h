/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_REGISTRY_H
#define SGH_VALIDATE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

#include <sangraha/validate.h>

#include "validate/format.h"
#include "validate/magic.h"
#include "validate/types.h"

/* What the validator sees of the registry; nothing here changes after the last add. */

#define SGH_MAX_MIME_TYPES 16

struct sgh_type {
	struct sgh_type_info info;
	char *strings[3]; /* owned: name, bucket, extension */
	char *mime_types[SGH_MAX_MIME_TYPES];
	size_t mime_count;
	/* Ours: one format for each media type. A program's: NULL, and then its checks. */
	const struct sgh_format *const *formats;
	struct sangraha_type_checks checks;
	void *arg;
};

struct sangraha_types {
	int refs; /* atomic */
	struct sgh_limits limits;
	struct sgh_magic *magic;
	struct sgh_type items[SGH_MAX_TYPES];
	size_t count;
};

/* NULL when there is none. */
const struct sgh_type *sgh_types_by_name(const struct sangraha_types *types,
					 const char *name);
/* The type that has a media type; *ret_format is its format, NULL for a program's type. */
const struct sgh_type *sgh_types_by_mime(const struct sangraha_types *types,
					 const char *mime_type,
					 const struct sgh_format **ret_format);

/* A Content-Type in lower case without parameters and, unlike normalised, as it is. */
void sgh_mime_bare(const char *header, char type[SGH_MEDIATYPE_SIZE]);

#endif
