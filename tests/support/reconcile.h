/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_RECONCILE_H
#define SUPPORT_RECONCILE_H

#include <sangraha/admin.h>

#include "base/buf.h"
#include "support/roles.h"
#include "wire/record.h"

/* What may lie in a store of json objects, and reconciling it. */

#define T_BODY "{\"a\":1}"

/* t_id(1) and so on, as texts. */
#define T_ID_1 "0199f2c4-0000-7000-8000-000000000001"
#define T_ID_2 "0199f2c4-0000-7000-8000-000000000002"
#define T_ID_3 "0199f2c4-0000-7000-8000-000000000003"

/* cmocka's set-up: no role, but buckets; t_roles_end() is its end. */
int t_reconcile_begin(void **state);
void t_make_buckets(struct t_roles *f);

/* A small object, as a put leaves it; t_pins() stores a large one. */
void t_stores(struct t_roles *f, const char *id);
/* A tombstone, a claim, the record of a failure, of an upload with the id T_RECORD. */
void t_buries(struct t_roles *f, const char *id, int64_t expires_ms);
void t_claims(struct t_roles *f, const char *id);
void t_fails_for(struct t_roles *f, const char *id, int64_t expires_ms);
void t_uploads(struct t_roles *f, const char *id, int64_t expires_ms);
/* An upload that is open in the store. */
void t_opens(struct t_roles *f, const char *id);
/* Nothing of that is a finding: ids 11 to 16. */
void t_everything_that_lives(struct t_roles *f);
/* Tomorrow, in Unix milliseconds. */
int64_t t_later(void);
/* Everything that lies there, and how many uploads are open; yours. */
char *t_contents(struct t_roles *f);

struct t_reconciling {
	struct sangraha_reconcile_options options;
	struct sangraha_reconcile_counts counts;
	bool with_letters;
	struct sgh_buf found; /* lines "kind action place" */
};

/* With every age and wait 1 ms. */
void t_reconciling(struct t_reconciling *run, bool repair);
/* Wait until what was written before is old enough. */
void t_ages(void);
/* Both; the status. `found` is yours to end. */
int t_reconcile(struct t_roles *f, struct t_reconciling *run);
/* It comes to its end, and finds exactly these lines. */
#define t_finds(f, repair, lines) t_finds_((f), (repair), (lines), __FILE__, __LINE__)
void t_finds_(struct t_roles *f, bool repair, const char *lines, const char *file,
	      int line);

#endif
