/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_TALLY_H
#define SGH_ROLE_TALLY_H

#include <stdint.h>

#include "base/metrics.h"
#include "wire/protocol.h"

#define SGH_TALLY_CODES 14 /* SANGRAHA_OK to SANGRAHA_E_INTERNAL */

/* The metrics of one role, found once: requests by operation and outcome, time, number. */
struct sgh_tally {
	struct sgh_metric *in_flight;
	struct sgh_metric *seconds[SGH_LIST + 1];
	struct sgh_metric *total[SGH_LIST + 1][SGH_TALLY_CODES];
	struct sgh_metrics *metrics;
	const char *role;
};

/* `role` is static text. */
void sgh_tally_init(struct sgh_tally *tally, struct sgh_metrics *metrics,
		    const char *role);
void sgh_tally_begin(struct sgh_tally *tally);
void sgh_tally_end(struct sgh_tally *tally, enum sgh_verb verb, int status,
		   int64_t duration_us);

#endif
