/* SPDX-License-Identifier: MIT */
#include "base/metrics.h"

#include "support/t.h"

static void renders_the_text_format(void **state)
{
	struct sgh_metrics *metrics = sgh_metrics_new();
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(0);

	sgh_metric_add(sgh_metrics_counter(metrics, "sangraha_requests_total",
					   "role=\"getter\",op=\"get\""),
		       2);
	sgh_metric_set(sgh_metrics_gauge(metrics, "sangraha_in_flight", ""), 7);
	sgh_metric_add(sgh_metrics_counter(metrics, "sangraha_requests_total",
					   "role=\"getter\",op=\"get\""),
		       1);
	sgh_metrics_render(metrics, &buf);
	assert_string_equal(
		buf.data,
		"# HELP sangraha_in_flight Requests in hand.\n"
		"# TYPE sangraha_in_flight gauge\n"
		"sangraha_in_flight 7\n"
		"# HELP sangraha_requests_total Requests by role, operation and "
		"outcome.\n"
		"# TYPE sangraha_requests_total counter\n"
		"sangraha_requests_total{role=\"getter\",op=\"get\"} 3\n");
	sgh_metrics_free(metrics);
}

static void what_is_not_known_is_not_told(void **state)
{
	struct sgh_metrics *metrics = sgh_metrics_new();
	struct sgh_metric *gauge = sgh_metrics_gauge(metrics, "g", "");
	sgh_autobuf struct sgh_buf before = SGH_BUF_INIT(0), after = SGH_BUF_INIT(0);

	sgh_metric_set(gauge, 7);
	sgh_metric_forget(gauge);
	sgh_metrics_render(metrics, &before);
	assert_string_equal(before.data, "# TYPE g gauge\n");
	sgh_metric_set(gauge, 0);
	sgh_metrics_render(metrics, &after);
	assert_string_equal(after.data, "# TYPE g gauge\ng 0\n");
	sgh_metrics_free(metrics);
}

static void histograms_accumulate(void **state)
{
	struct sgh_metrics *metrics = sgh_metrics_new();
	struct sgh_metric *seconds =
		sgh_metrics_histogram(metrics, "sangraha_request_seconds", "op=\"put\"");
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(0);

	sgh_metric_observe_us(seconds, 900);
	sgh_metric_observe_us(seconds, 4000);
	sgh_metric_observe_us(seconds, 60000000);
	sgh_metrics_render(metrics, &buf);
	assert_non_null(strstr(buf.data, "_bucket{op=\"put\",le=\"0.001\"} 1\n"));
	assert_non_null(strstr(buf.data, "_bucket{op=\"put\",le=\"0.005\"} 2\n"));
	assert_non_null(strstr(buf.data, "_bucket{op=\"put\",le=\"0.0025\"} 1\n"));
	assert_non_null(strstr(buf.data, "_bucket{op=\"put\",le=\"2.5\"} 2\n"));
	assert_non_null(strstr(buf.data, "_bucket{op=\"put\",le=\"30\"} 2\n"));
	assert_non_null(strstr(buf.data, "_bucket{op=\"put\",le=\"+Inf\"} 3\n"));
	assert_non_null(strstr(buf.data, "_sum{op=\"put\"} 60.004900\n"));
	assert_non_null(strstr(buf.data, "_count{op=\"put\"} 3\n"));
	sgh_metrics_free(metrics);
}

static void the_number_of_metrics_is_bounded(void **state)
{
	struct sgh_metrics *metrics = sgh_metrics_new();
	char labels[32];

	for (int i = 0; i < 2000; i++) {
		snprintf(labels, sizeof(labels), "n=\"%d\"", i);
		assert_non_null(sgh_metrics_counter(metrics, "x", labels));
	}
	assert_null(sgh_metrics_counter(metrics, "y", ""));
	sgh_metric_add(NULL, 1);
	sgh_metrics_free(metrics);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(renders_the_text_format),
	cmocka_unit_test(what_is_not_known_is_not_told),
	cmocka_unit_test(histograms_accumulate),
	cmocka_unit_test(the_number_of_metrics_is_bounded),
};

t_main(tests)
