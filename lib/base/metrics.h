/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_METRICS_H
#define SGH_BASE_METRICS_H

#include <stdint.h>

#include "base/buf.h"

/*
 * The metrics of a context, in the Prometheus data model. A metric is made on first use
 * and lives as long as the registry; changing one takes no lock.
 */
struct sgh_metrics;
struct sgh_metric;

struct sgh_metrics *sgh_metrics_new(void);
void sgh_metrics_free(struct sgh_metrics *metrics);

/*
 * The metric of that name and those labels - `labels` in text form, `role="receiver",
 * op="put"`, without spaces, "" for none. NULL without memory or past 2,000 metrics; all
 * functions below accept NULL and do nothing.
 */
struct sgh_metric *sgh_metrics_counter(struct sgh_metrics *metrics, const char *name,
				       const char *labels);
struct sgh_metric *sgh_metrics_gauge(struct sgh_metrics *metrics, const char *name,
				     const char *labels);
/* Buckets from 1 ms to 30 s. */
struct sgh_metric *sgh_metrics_histogram(struct sgh_metrics *metrics, const char *name,
					 const char *labels);

void sgh_metric_add(struct sgh_metric *metric, int64_t n);
void sgh_metric_set(struct sgh_metric *metric, int64_t value);
/* Of a gauge: its value is not known, and not rendered, until it is set again. */
void sgh_metric_forget(struct sgh_metric *metric);
int64_t sgh_metric_get(const struct sgh_metric *metric);
void sgh_metric_observe_us(struct sgh_metric *metric, int64_t us);

/* The text format, sorted by name, with # HELP and # TYPE lines. */
void sgh_metrics_render(struct sgh_metrics *metrics, struct sgh_buf *buf);

#endif
