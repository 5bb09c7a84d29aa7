/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_VALUES_H
#define SGH_DAEMONS_VALUES_H

#include <stdint.h>

#include <sangraha/error.h>

#include "settings.h"

/* Fill in `err` like printf; returns SANGRAHA_E_INVALID. */
__attribute__((format(printf, 2, 3))) int sgh_config_fail(struct sangraha_error *err,
							  const char *format, ...);

/*
 * Check a value's form and keep what it means: milliseconds, bytes, a count, 0 or 1.
 * `origin` begins the sentence when it is wrong. A secret is never repeated in it.
 */
int sgh_value_parse(const struct sgh_setting_row *row, const char *origin,
		    const char *text, uint64_t *ret_number, struct sangraha_error *err);

/* 1 for on, 0 for off, -1 for any other word. */
int sgh_value_switch(const char *text);

/*
 * The content of a file that holds a secret, without the newline at its end. *ret is
 * yours: free().
 */
int sgh_value_read_file(const char *origin, const char *path, char **ret,
			struct sangraha_error *err);

#endif
