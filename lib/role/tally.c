/* SPDX-License-Identifier: MIT */
#include "role/tally.h"

#include <stdio.h>

#include <sangraha/error.h>

void sgh_tally_init(struct sgh_tally *tally, struct sgh_metrics *metrics,
		    const char *role)
{
	char labels[128];

	*tally = (struct sgh_tally){ .metrics = metrics, .role = role };
	snprintf(labels, sizeof(labels), "role=\"%s\"", role);
	tally->in_flight = sgh_metrics_gauge(metrics, "sangraha_in_flight", labels);
	for (int verb = SGH_PUT; verb <= SGH_LIST; verb++) {
		snprintf(labels, sizeof(labels), "role=\"%s\",op=\"%s\"", role,
			 sgh_verb_name((enum sgh_verb)verb));
		tally->seconds[verb] = sgh_metrics_histogram(
			metrics, "sangraha_request_seconds", labels);
	}
}

void sgh_tally_begin(struct sgh_tally *tally)
{
	sgh_metric_add(tally->in_flight, 1);
}

/* Looked up on first use: two threads that do so at once find the same metric. */
static struct sgh_metric *total(struct sgh_tally *tally, enum sgh_verb verb, int status)
{
	struct sgh_metric **place = &tally->total[verb][-status];
	struct sgh_metric *metric = __atomic_load_n(place, __ATOMIC_RELAXED);
	char labels[128];

	if (metric)
		return metric;
	snprintf(labels, sizeof(labels), "role=\"%s\",op=\"%s\",code=\"%s\"", tally->role,
		 sgh_verb_name(verb), sangraha_status_name(status));
	metric = sgh_metrics_counter(tally->metrics, "sangraha_requests_total", labels);
	__atomic_store_n(place, metric, __ATOMIC_RELAXED);
	return metric;
}

void sgh_tally_end(struct sgh_tally *tally, enum sgh_verb verb, int status,
		   int64_t duration_us)
{
	if (status > 0 || status < SANGRAHA_E_INTERNAL)
		status = SANGRAHA_E_INTERNAL;
	sgh_metric_add(tally->in_flight, -1);
	sgh_metric_observe_us(tally->seconds[verb], duration_us);
	sgh_metric_add(total(tally, verb, status), 1);
}
