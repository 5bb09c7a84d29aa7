/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_TYPES_H
#define SGH_VALIDATE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/validate.h>

#define SGH_MAX_TYPES 64

/* What roles ask the registry. Strings live as long as the registry. */
struct sgh_type_info {
	const char *name;
	const char *bucket;
	const char *extension; /* of the type, or of the media type where that is known */
	const char *mime_type; /* the default one */
	uint64_t max_size;     /* 0: no limit of its own */
};

/* SANGRAHA_E_UNSUPPORTED when there is no such type. */
int sgh_types_find(const struct sangraha_types *types, const char *name,
		   struct sgh_type_info *ret, struct sangraha_error *err);

/* The i-th: 1, or 0 past the end. */
int sgh_types_at(const struct sangraha_types *types, size_t i, struct sgh_type_info *ret);

/* All of them, in that order; how many there are. */
size_t sgh_types_all(const struct sangraha_types *types,
		     struct sgh_type_info ret[SGH_MAX_TYPES]);

/*
 * The extension of downloads of a type and media type: "png" for image and image/png; the
 * type's own where the media type has none, NULL without such a type.
 */
const char *sgh_types_extension(const struct sangraha_types *types, const char *name,
				const char *mime_type);

/*
 * Whether an object that is there whole is validated by the check of JSON alone: it was
 * declared or asserted to be that, and neither libmagic nor a program's check has a say in
 * it, however it goes on.
 */
bool sgh_validates_as_json(struct sangraha_types *types, const char *declared,
			   const char *asserted, const void *data, size_t length);

/* Copy a verdict out of its validator; NULL without memory. sangraha_verdict_free(). */
struct sangraha_verdict *sgh_verdict_copy(const struct sangraha_verdict *verdict);

#endif
