/* SPDX-License-Identifier: MIT */
#include "base/metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define METRICS_MAX 2000
#define UNKNOWN     INT64_MIN

enum kind {
	COUNTER,
	GAUGE,
	HISTOGRAM,
};

/* Upper bounds in microseconds; one more bucket takes the rest. */
static const int64_t bounds_us[] = { 1000,    2500,    5000,     10000,   25000,
				     50000,   100000,  250000,   500000,  1000000,
				     2500000, 5000000, 10000000, 30000000 };

struct sgh_metric {
	enum kind kind;
	char *name;
	char *labels;
	int64_t value;                             /* atomic; of a histogram the count */
	int64_t sum_us;                            /* atomic */
	int64_t buckets[SGH_COUNT(bounds_us) + 1]; /* atomic, not cumulative */
};

struct sgh_metrics {
	struct {
		pthread_mutex_t lock;
		struct sgh_metric **all; /* sorted by name, then labels */
		size_t count;
	} table;
};

struct sgh_metrics *sgh_metrics_new(void)
{
	struct sgh_metrics *metrics = calloc(1, sizeof(*metrics));

	if (metrics)
		pthread_mutex_init(&metrics->table.lock, NULL);
	return metrics;
}

static void metric_free(struct sgh_metric *metric)
{
	if (!metric)
		return;
	free(metric->name);
	free(metric->labels);
	free(metric);
}

void sgh_metrics_free(struct sgh_metrics *metrics)
{
	if (!metrics)
		return;
	for (size_t i = 0; i < metrics->table.count; i++)
		metric_free(metrics->table.all[i]);
	free(metrics->table.all);
	pthread_mutex_destroy(&metrics->table.lock);
	free(metrics);
}

static int compare(const struct sgh_metric *metric, const char *name, const char *labels)
{
	int order = strcmp(metric->name, name);

	return order ? order : strcmp(metric->labels, labels);
}

/* Where it is, or where it belongs. */
static size_t place_locked(const struct sgh_metrics *metrics, const char *name,
			   const char *labels)
{
	size_t low = 0;
	size_t high = metrics->table.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(metrics->table.all[middle], name, labels) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct sgh_metric *insert_locked(struct sgh_metrics *metrics, size_t place,
					enum kind kind, const char *name,
					const char *labels)
{
	size_t count = metrics->table.count;
	struct sgh_metric *metric;
	struct sgh_metric **all;

	if (count >= METRICS_MAX)
		return NULL;
	metric = calloc(1, sizeof(*metric));
	all = realloc(metrics->table.all, (count + 1) * sizeof(struct sgh_metric *));
	if (all)
		metrics->table.all = all;
	if (!metric || !all || !sgh_strdup(name, &metric->name) ||
	    !sgh_strdup(labels, &metric->labels)) {
		metric_free(metric);
		return NULL;
	}
	metric->kind = kind;
	memmove(all + place + 1, all + place,
		(count - place) * sizeof(struct sgh_metric *));
	all[place] = metric;
	metrics->table.count++;
	return metric;
}

static struct sgh_metric *find(struct sgh_metrics *metrics, enum kind kind,
			       const char *name, const char *labels)
{
	struct sgh_metric *metric;
	size_t place;

	pthread_mutex_lock(&metrics->table.lock);
	place = place_locked(metrics, name, labels);
	if (place < metrics->table.count &&
	    compare(metrics->table.all[place], name, labels) == 0)
		metric = metrics->table.all[place];
	else
		metric = insert_locked(metrics, place, kind, name, labels);
	pthread_mutex_unlock(&metrics->table.lock);
	return metric;
}

struct sgh_metric *sgh_metrics_counter(struct sgh_metrics *metrics, const char *name,
				       const char *labels)
{
	return find(metrics, COUNTER, name, labels);
}

struct sgh_metric *sgh_metrics_gauge(struct sgh_metrics *metrics, const char *name,
				     const char *labels)
{
	return find(metrics, GAUGE, name, labels);
}

struct sgh_metric *sgh_metrics_histogram(struct sgh_metrics *metrics, const char *name,
					 const char *labels)
{
	return find(metrics, HISTOGRAM, name, labels);
}

void sgh_metric_add(struct sgh_metric *metric, int64_t n)
{
	if (metric)
		__atomic_add_fetch(&metric->value, n, __ATOMIC_RELAXED);
}

void sgh_metric_set(struct sgh_metric *metric, int64_t value)
{
	if (metric)
		__atomic_store_n(&metric->value, value, __ATOMIC_RELAXED);
}

void sgh_metric_forget(struct sgh_metric *metric)
{
	sgh_metric_set(metric, UNKNOWN);
}

int64_t sgh_metric_get(const struct sgh_metric *metric)
{
	return metric ? __atomic_load_n(&metric->value, __ATOMIC_RELAXED) : 0;
}

void sgh_metric_observe_us(struct sgh_metric *metric, int64_t us)
{
	size_t i = 0;

	if (!metric)
		return;
	while (i < SGH_COUNT(bounds_us) && us > bounds_us[i])
		i++;
	__atomic_add_fetch(&metric->buckets[i], 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&metric->sum_us, us, __ATOMIC_RELAXED);
	__atomic_add_fetch(&metric->value, 1, __ATOMIC_RELAXED);
}

static const struct {
	const char *name;
	const char *help;
} helps[] = {
	{ "sangraha_requests_total", "Requests by role, operation and outcome." },
	{ "sangraha_request_seconds", "Time from taking a request to its answer." },
	{ "sangraha_in_flight", "Requests in hand." },
	{ "sangraha_dlq_messages", "Messages in a dead-letter queue." },
	{ "sangraha_breaker_state", "0 closed, 1 half open, 2 open." },
	{ "sangraha_store_failures_total", "Requests that a store gateway failed." },
	{ "sangraha_store_packs_total", "Requests that stored many objects at once." },
	{ "sangraha_store_packed_objects_total", "Objects that such requests took." },
	{ "sangraha_memory_bytes", "Bytes of bodies in flight and cache." },
	{ "sangraha_cache_hits_total", "Reads served by the cache." },
	{ "sangraha_cache_misses_total", "Reads the cache did not have." },
	{ "sangraha_uploads_open", "Uploads that were begun and not ended." },
};

static void render_head(const struct sgh_metric *metric, struct sgh_buf *buf)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };

	for (size_t i = 0; i < SGH_COUNT(helps); i++)
		if (strcmp(helps[i].name, metric->name) == 0)
			sgh_buf_printf(buf, "# HELP %s %s\n", metric->name,
				       helps[i].help);
	sgh_buf_printf(buf, "# TYPE %s %s\n", metric->name, kinds[metric->kind]);
}

/*
 * Microseconds as seconds, without a double: the decimal point of printf() is the
 * program's locale's. With trailing zeros cut, as a bound is known by its text.
 */
static void render_seconds(int64_t us, bool cut, struct sgh_buf *buf)
{
	int64_t rest = us % 1000000;
	int digits = 6;

	for (; cut && digits && rest % 10 == 0; digits--)
		rest /= 10;
	sgh_buf_printf(buf, "%lld", (long long)(us / 1000000));
	if (digits)
		sgh_buf_printf(buf, ".%0*lld", digits, (long long)rest);
}

static void render_histogram(const struct sgh_metric *metric, struct sgh_buf *buf)
{
	const char *comma = *metric->labels ? "," : "";
	const char *open = *metric->labels ? "{" : "";
	const char *close = *metric->labels ? "}" : "";
	int64_t seen = 0;

	for (size_t i = 0; i < SGH_COUNT(bounds_us); i++) {
		seen += __atomic_load_n(&metric->buckets[i], __ATOMIC_RELAXED);
		sgh_buf_printf(buf, "%s_bucket{%s%sle=\"", metric->name, metric->labels,
			       comma);
		render_seconds(bounds_us[i], true, buf);
		sgh_buf_printf(buf, "\"} %lld\n", (long long)seen);
	}
	seen += __atomic_load_n(&metric->buckets[SGH_COUNT(bounds_us)], __ATOMIC_RELAXED);
	sgh_buf_printf(buf, "%s_bucket{%s%sle=\"+Inf\"} %lld\n", metric->name,
		       metric->labels, comma, (long long)seen);
	sgh_buf_printf(buf, "%s_sum%s%s%s ", metric->name, open, metric->labels, close);
	render_seconds(__atomic_load_n(&metric->sum_us, __ATOMIC_RELAXED), false, buf);
	sgh_buf_printf(buf, "\n%s_count%s%s%s %lld\n", metric->name, open, metric->labels,
		       close, (long long)seen);
}

static void render_value(const struct sgh_metric *metric, struct sgh_buf *buf)
{
	int64_t value = sgh_metric_get(metric);

	if (value == UNKNOWN)
		return;
	if (*metric->labels)
		sgh_buf_printf(buf, "%s{%s} %lld\n", metric->name, metric->labels,
			       (long long)value);
	else
		sgh_buf_printf(buf, "%s %lld\n", metric->name, (long long)value);
}

void sgh_metrics_render(struct sgh_metrics *metrics, struct sgh_buf *buf)
{
	const char *name = "";

	pthread_mutex_lock(&metrics->table.lock);
	for (size_t i = 0; i < metrics->table.count; i++) {
		const struct sgh_metric *metric = metrics->table.all[i];

		if (strcmp(name, metric->name) != 0)
			render_head(metric, buf);
		name = metric->name;
		if (metric->kind == HISTOGRAM)
			render_histogram(metric, buf);
		else
			render_value(metric, buf);
	}
	pthread_mutex_unlock(&metrics->table.lock);
}
