/* SPDX-License-Identifier: MIT */
#ifndef SGH_STORE_CHECK_H
#define SGH_STORE_CHECK_H

#include "store/store.h"

/* Whether what is asked of a store can be: all of it SANGRAHA_E_INVALID otherwise. */

/* Nothing but [a-z0-9-]. */
bool sgh_store_bucket_chars(const char *text);

int sgh_store_check_op(const struct sangraha_store *store, const struct sgh_store_op *op,
		       struct sangraha_error *err);

int sgh_store_check_grant(const struct sangraha_store *store,
			  const struct sgh_store_grant *grant,
			  struct sangraha_error *err);

#endif
