/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_ERROR_H
#define SGH_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include <sangraha/error.h>

/*
 * Fill `err`, which may be NULL, and return `status`, so that a failing function reads
 * `return sgh_fail(err, SANGRAHA_E_INVALID, 0, "…", …);`. A message that does not fit is
 * cut at a UTF-8 boundary.
 */
int sgh_fail(struct sangraha_error *err, int status, long native, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Out of memory: SANGRAHA_E_OVERLOADED, which a caller may retry. */
int sgh_fail_memory(struct sangraha_error *err);

/* An errno: "what: strerror". EACCES … become the status that fits, others _INTERNAL. */
int sgh_fail_errno(struct sangraha_error *err, int errnum, const char *what);

/* Whether that is a disk of this machine that is full: native is its errno. */
bool sgh_disk_full(const struct sangraha_error *err);

/* Copy `from` into `err` (both may be NULL) and return its status, or `status` without. */
int sgh_fail_with(struct sangraha_error *err, int status,
		  const struct sangraha_error *from);

/*
 * Options, or anything that begins with its size: NULL, or with more than that in it. A
 * caller that forgot the size would find everything else ignored.
 */
int sgh_options_check(const void *options, struct sangraha_error *err);

/* Whether trying again later may help without anybody changing anything. */
int sgh_status_passing(int status);

#endif
