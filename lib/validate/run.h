/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_RUN_H
#define SGH_VALIDATE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/error.h>

#include "validate/registry.h"

/*
 * One object under the checks of its type, ours or a program's. Zero is a run that has
 * not begun. Where an answer is SANGRAHA_E_REJECTED *ret is filled, for others `err`.
 */
struct sgh_run {
	const struct sgh_type *type;
	const struct sgh_format *format; /* NULL for a program's type */
	void *state;
	bool begun;
	uint64_t offset; /* bytes fed */
	char rule[48];   /* "csv.invalid": of a program's checks */
};

int sgh_run_begin(struct sgh_run *run, const struct sgh_limits *limits,
		  const struct sgh_type *type, const struct sgh_format *format,
		  struct sangraha_error *err);
int sgh_run_feed(struct sgh_run *run, const void *data, size_t length,
		 struct sgh_refusal *ret, struct sangraha_error *err);
int sgh_run_finish(struct sgh_run *run, char facts[SGH_FACTS_SIZE],
		   struct sgh_refusal *ret, struct sangraha_error *err);
void sgh_run_fini(struct sgh_run *run);

/* Whether these bytes, all of them, pass a format: 1 or 0, or a negative status. */
int sgh_run_try(const struct sgh_limits *limits, const struct sgh_type *type,
		const struct sgh_format *format, const void *data, size_t length,
		struct sangraha_error *err);

#endif
