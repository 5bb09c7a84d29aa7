/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_UPLOADS_H
#define SUPPORT_UPLOADS_H

#include "support/roles.h"
#include "wire/sha256.h"

/* Bodies on their way to a store in memory, through a real receiver. */

#define T_KIB    ((size_t)1 << 10)
#define T_MIB    ((size_t)1 << 20)
#define T_PART   (5 * T_MIB)
#define T_INLINE (64 * T_KIB)
#define T_SPOOL  T_MIB

/* cmocka's set-up: receiver and client within 16 MiB, 32 and 4 MiB. */
int t_uploads_begin(void **state);
int t_uploads_begin_wide(void **state);
int t_uploads_begin_small(void **state);

/* Options that declare JSON, and nothing more. */
extern const struct sangraha_put_options t_json;

/* A JSON string of that size, quotes included; yours. */
char *t_json_string(size_t size);

/* One upload of json as a program makes it: the wait for memory, and the answer. */
struct t_sending {
	struct t_roles *f;
	struct sangraha_upload *upload;
	struct sangraha_result *result;
	int resumed; /* atomic, as the other */
	int answered;
	size_t step; /* bytes offered at a time, at most; 0: random */
};

/* Begin; `length` -1 is not known. `options` may be NULL: t_json. */
void t_send_begin(struct t_sending *sending, struct t_roles *f, int64_t length,
		  const struct sangraha_put_options *options);
/* Offer bytes, and again when told to. The status of the write that failed, or 0. */
int t_send_bytes(struct t_sending *sending, const char *data, size_t length);
/* Submit, and wait for the answer, which the sending keeps. Its status. */
int t_send_end(struct t_sending *sending);
/* The answer is let go of. */
void t_send_fini(struct t_sending *sending);

/* All of it: the answer's status. */
int t_send_all(struct t_sending *sending, struct t_roles *f, const char *data,
	       size_t length, bool known);

/* The store has exactly these bytes under the answer's object, and nothing besides. */
void t_stored(struct t_sending *sending, const char *data, size_t length);
/* Nothing is left of anything: no object, no record, no upload, no memory. */
void t_nothing_left(struct t_roles *f);

#endif
