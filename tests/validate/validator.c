/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "support/judge.h"
#include "validate/types.h"

static struct sangraha_validator *begin(const char *declared)
{
	struct sangraha_validate_options options = { .size = sizeof(options),
						     .declared = declared };
	struct sangraha_validator *validator = NULL;

	t_ok(sangraha_validator_new(t_types, &options, &validator, &t_err));
	return validator;
}

static void answers_are_final(void **state)
{
	struct sangraha_validator *validator = begin("application/json");

	t_ok(sangraha_validator_feed(validator, "[x]", 3, &t_err));
	t_fails(SANGRAHA_E_REJECTED, sangraha_validator_finish(validator, &t_err));
	memset(&t_err, 0, sizeof(t_err));
	t_fails(SANGRAHA_E_REJECTED, sangraha_validator_feed(validator, "1", 1, &t_err));
	t_says("expected a value");
	t_fails(SANGRAHA_E_REJECTED, sangraha_validator_finish(validator, &t_err));
	sangraha_validator_free(validator);
}

static void ends_once(void **state)
{
	struct sangraha_validator *validator = begin("application/json");

	t_ok(sangraha_validator_feed(validator, "1", 1, &t_err));
	assert_false(sangraha_verdict_accepted(sangraha_validator_verdict(validator)));
	t_ok(sangraha_validator_finish(validator, &t_err));
	assert_true(sangraha_verdict_accepted(sangraha_validator_verdict(validator)));
	t_ok(sangraha_validator_finish(validator, &t_err));
	t_fails(SANGRAHA_E_INVALID, sangraha_validator_feed(validator, "1", 1, &t_err));
	sangraha_validator_free(validator);
}

/* It need not wait for the end of a stream that is wrong early. */
static void refuses_streams_early(void **state)
{
	struct sangraha_validator *validator = begin("application/json");
	char text[8192] = "[x";
	int status = 0;
	size_t fed = 0;

	memset(text + 2, ' ', sizeof(text) - 2);
	while (!status && fed < 1000000) {
		status = sangraha_validator_feed(validator, text, sizeof(text), &t_err);
		fed += sizeof(text);
	}
	t_fails(SANGRAHA_E_REJECTED, status);
	assert_true(fed <= 64 * 1024 + sizeof(text));
	sangraha_validator_free(validator);
}

/* As a receiver does, which sees no more of a large object. */
static void judges_beginnings(void **state)
{
	struct sangraha_validate_options options = { .size = sizeof(options),
						     .declared = "image/png",
						     .length = 100000 };
	struct sangraha_validator *validator = NULL;
	char text[65536];

	memset(text, 'x', sizeof(text));
	t_ok(sangraha_validator_new(t_types, &options, &validator, &t_err));
	t_ok(sangraha_validator_feed(validator, text, 65535, &t_err));
	t_fails(SANGRAHA_E_UNSUPPORTED,
		sangraha_validator_feed(validator, text, 1, &t_err));
	sangraha_validator_free(validator);
}

static void refuses_bad_arguments(void **state)
{
	struct sangraha_validate_options options = { .size = sizeof(options),
						     .declared = "no media type" };
	struct sangraha_validator *validator = NULL;

	t_fails(SANGRAHA_E_INVALID,
		sangraha_validator_new(t_types, &options, &validator, &t_err));
	options = (struct sangraha_validate_options){ .size = sizeof(options),
						      .asserted = "" };
	t_fails(SANGRAHA_E_INVALID,
		sangraha_validator_new(t_types, &options, &validator, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_validator_new(NULL, NULL, &validator, &t_err));
	assert_null(validator);
	sangraha_validator_free(NULL);
}

static void verdicts_are_copied(void **state)
{
	struct sangraha_validator *validator = begin(NULL);
	struct sangraha_verdict *copy;

	t_ok(sangraha_validator_feed(validator, "{}", 2, &t_err));
	t_ok(sangraha_validator_finish(validator, &t_err));
	copy = sgh_verdict_copy(sangraha_validator_verdict(validator));
	sangraha_validator_free(validator);
	assert_string_equal(sangraha_verdict_type(copy), "json");
	assert_null(sangraha_verdict_rule(copy));
	assert_null(sangraha_verdict_declared(copy));
	assert_int_equal(sangraha_verdict_offset(copy), -1);
	assert_string_equal(sangraha_verdict_rules(copy), "2");
	sangraha_verdict_free(copy);
}

static void *judge_all(void *arg)
{
	struct sangraha_validate_options options = { .size = sizeof(options) };
	struct t_sample samples[4] = { 0 };
	int *ret_failed = arg;

	t_png(&samples[0]);
	t_webp(&samples[1]);
	t_pdf(&samples[2]);
	t_raw_text(&samples[3], "\"a text that libmagic is asked about\"");
	for (int i = 0; i < 200; i++)
		*ret_failed |= sangraha_validate(t_types, &options, samples[i % 4].data,
						 samples[i % 4].length, NULL, NULL);
	return NULL;
}

static void threads_share_a_registry(void **state)
{
	pthread_t threads[6];
	int failed[6] = { 0 };

	for (size_t i = 0; i < SGH_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, judge_all, &failed[i]),
				 0);
	for (size_t i = 0; i < SGH_COUNT(threads); i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(failed[i], 0);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(answers_are_final),        cmocka_unit_test(ends_once),
	cmocka_unit_test(refuses_streams_early),    cmocka_unit_test(judges_beginnings),
	cmocka_unit_test(refuses_bad_arguments),    cmocka_unit_test(verdicts_are_copied),
	cmocka_unit_test(threads_share_a_registry),
};

t_validate_main(tests)
