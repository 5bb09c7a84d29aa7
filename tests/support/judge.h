/* SPDX-License-Identifier: MIT */
#ifndef T_JUDGE_H
#define T_JUDGE_H

#include <sangraha/validate.h>

#include "support/samples.h"
#include "support/t.h"
#include "validate/verdict.h"

/*
 * Validation as tests want it: each judgement is made over and over, as a whole, byte by
 * byte and in random pieces, and the case fails when two of them differ.
 */

/* Of the last judgement. The message is in t_err. */
extern struct sangraha_verdict t_verdict;

/* A registry with the default policy, for the group. */
extern struct sangraha_types *t_types;
int t_types_setup(void **state);
int t_types_teardown(void **state);

/*
 * A registry with another policy, up to the end of the case: for cases that are made with
 * t_policy_case().
 */
void t_policy(const struct sangraha_policy *policy);
int t_policy_teardown(void **state);
#define t_policy_case(name) cmocka_unit_test_teardown(name, t_policy_teardown)

/* The status. `declared` and `asserted` may be NULL. */
int t_judge(const char *declared, const char *asserted, const void *data, size_t length);

#define t_judge_text(declared, text) t_judge((declared), NULL, (text), strlen(text))
#define t_judge_sample(declared, sample) \
	t_judge((declared), NULL, (sample)->data, (sample)->length)

/* The last judgement was this one. An offset of -1 is none. */
#define t_rule(rule, offset) t_rule_((rule), (offset), __FILE__, __LINE__)
void t_rule_(const char *rule, int64_t offset, const char *file, int line);

#define t_accepted(type, detected, facts)                                             \
	do {                                                                          \
		assert_true(sangraha_verdict_accepted(&t_verdict));                   \
		assert_string_equal(sangraha_verdict_type(&t_verdict), type);         \
		assert_string_equal(sangraha_verdict_detected(&t_verdict), detected); \
		assert_string_equal(sangraha_verdict_facts(&t_verdict), facts);       \
	} while (0)

/* Every beginning of it, and it with random changes: refused, or accepted, but no crash. */
void t_truncate(const struct t_sample *sample, size_t accepted_from);
void t_mutate(const struct t_sample *sample, const char *declared, unsigned rounds);

#define t_validate_main(tests)                                                     \
	int main(void)                                                             \
	{                                                                          \
		return cmocka_run_group_tests_name(__FILE__, tests, t_types_setup, \
						   t_types_teardown);              \
	}

#endif
