/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_VALIDATOR_H
#define SGH_VALIDATE_VALIDATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/validate.h>

#include "validate/registry.h"
#include "validate/run.h"
#include "validate/verdict.h"

enum sgh_stage {
	SGH_COLLECT, /* until the window is full or the object ends */
	SGH_CHECK,   /* the type is decided; its checks run */
	SGH_DONE,    /* `status` and `error` are the answer */
};

struct sangraha_validator {
	struct sangraha_types *types;
	enum sgh_stage stage;
	int status;
	struct sangraha_error error;
	struct sangraha_verdict verdict;

	/* What the user said. */
	bool has_asserted;
	char asserted[SANGRAHA_TYPE_SIZE];
	const struct sgh_type *asserted_type; /* NULL: none, or no such type */
	const struct sgh_type *declared_type; /* of verdict.declared */

	uint64_t length; /* of the whole object; 0: not known */

	/* The beginning of the object, while nothing is decided. */
	unsigned char *window;
	size_t held;
	size_t room; /* of the window, or for it when there is none yet */

	/* What libmagic may look at, only inside sgh_decide(); its answer stays. */
	const unsigned char *look;
	size_t look_length;
	char looks_like[SGH_MEDIATYPE_SIZE];

	struct sgh_run run;
};

/*
 * Decide what an object is by what the user said and by its first `length` bytes, which
 * are all there are when `whole`; then check these bytes. The rule is told in README.md.
 */
int sgh_decide(struct sangraha_validator *validator, const unsigned char *data,
	       size_t length, bool whole, struct sangraha_error *err);

/* Feed the checks, after sgh_decide(); finish them. */
int sgh_check_feed(struct sangraha_validator *validator, const void *data, size_t length,
		   struct sangraha_error *err);
int sgh_check_finish(struct sangraha_validator *validator, struct sangraha_error *err);

#endif
