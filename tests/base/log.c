/* SPDX-License-Identifier: MIT */
#include "base/context.h"

#include "support/t.h"

static void one_line_of_json(void **state)
{
	struct sangraha_log_event event = {
		.size = sizeof(event),
		.level = SANGRAHA_LOG_WARN,
		.time_ms = 1000,
		.duration_us = 1234,
		.role = "receiver",
		.event = "put",
		.message = "a \"b\"\nc",
		.outcome = "ok",
	};
	char line[512];

	sangraha_log_json(&event, line, sizeof(line));
	assert_string_equal(line,
			    "{\"time\":\"1970-01-01T00:00:01.000Z\",\"level\":\"warn\","
			    "\"duration_ms\":1.234,\"role\":\"receiver\","
			    "\"event\":\"put\",\"outcome\":\"ok\","
			    "\"message\":\"a \\\"b\\\"\\nc\"}");
}

static void a_long_message_leaves_valid_json(void **state)
{
	char message[2000];
	struct sangraha_log_event event = {
		.size = sizeof(event),
		.duration_us = -1,
		.message = message,
	};
	char line[512];
	size_t length;

	memset(message, 'x', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';
	length = sangraha_log_json(&event, line, sizeof(line));
	assert_int_equal(length, strlen(line));
	assert_int_equal(line[length - 1], '}');
}

static int seen;

static void count(void *arg, const struct sangraha_log_event *event)
{
	assert_ptr_equal(arg, &seen);
	assert_true(event->time_ms > 0);
	seen++;
}

static void the_hook_sees_its_level_only(void **state)
{
	struct sangraha_context_options options = {
		.size = sizeof(options),
		.log_level = SANGRAHA_LOG_WARN,
		.log = count,
		.log_arg = (void *)&seen,
	};
	struct sangraha_context *context;

	t_ok(sangraha_context_new(&options, &context, &t_err));
	seen = 0;
	sgh_log(context, SANGRAHA_LOG_INFO, "test", "x", "not shown");
	sgh_log(context, SANGRAHA_LOG_ERROR, "test", "x", "%d", 1);
	assert_int_equal(seen, 1);
	sangraha_context_unref(context);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(one_line_of_json),
	cmocka_unit_test(a_long_message_leaves_valid_json),
	cmocka_unit_test(the_hook_sees_its_level_only),
};

t_main(tests)
