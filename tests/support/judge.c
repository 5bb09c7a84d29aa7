/* SPDX-License-Identifier: MIT */
#include "support/judge.h"

struct sangraha_verdict t_verdict;
struct sangraha_types *t_types;

/* The default one, while a case has its own. */
static struct sangraha_types *put_aside;

int t_types_setup(void **state)
{
	return sangraha_types_new(NULL, &t_types, &t_err);
}

void t_policy(const struct sangraha_policy *policy)
{
	struct sangraha_types *types = NULL;

	t_policy_teardown(NULL);
	t_ok(sangraha_types_new(policy, &types, &t_err));
	put_aside = t_types;
	t_types = types;
}

int t_policy_teardown(void **state)
{
	if (!put_aside)
		return 0;
	sangraha_types_unref(t_types);
	t_types = sgh_take(put_aside);
	return 0;
}

int t_types_teardown(void **state)
{
	sangraha_types_unref(t_types);
	return 0;
}

/* The length of the next piece: all, one byte, or a few, by `seed`. */
static size_t piece(size_t left, unsigned *seed, unsigned split)
{
	size_t most = split == 2 ? 7 : 5000;

	if (split == 0)
		return left;
	return split == 1 ? 1 : sgh_min(left, 1 + (size_t)rand_r(seed) % most);
}

static int feed(const struct sangraha_validate_options *options,
		const unsigned char *data, size_t length, unsigned split,
		struct sangraha_verdict *ret)
{
	struct sangraha_validator *validator = NULL;
	unsigned seed = (unsigned)length + split;
	int status;

	t_ok(sangraha_validator_new(t_types, options, &validator, &t_err));
	status = 0;
	for (size_t at = 0, part; at < length && !status; at += part) {
		/* Exactly as large as they are, so that ASan sees a byte too many. */
		unsigned char *copy;

		part = piece(length - at, &seed, split);
		copy = malloc(part);
		assert_non_null(copy);
		memcpy(copy, data + at, part);
		status = sangraha_validator_feed(validator, copy, part, &t_err);
		free(copy);
	}
	if (!status)
		status = sangraha_validator_finish(validator, &t_err);
	assert_int_equal(status, sangraha_validator_finish(validator, NULL));
	*ret = *sangraha_validator_verdict(validator);
	sangraha_validator_free(validator);
	return status;
}

static void same(int status, const struct sangraha_verdict *verdict, int other_status,
		 const struct sangraha_verdict *other)
{
	assert_int_equal(status, other_status);
	assert_int_equal(verdict->accepted, other->accepted);
	assert_string_equal(verdict->type, other->type);
	assert_string_equal(verdict->declared, other->declared);
	assert_string_equal(verdict->detected, other->detected);
	assert_string_equal(verdict->rule, other->rule);
	assert_int_equal(verdict->offset, other->offset);
	assert_string_equal(verdict->facts, other->facts);
	assert_int_equal(verdict->accepted, status == 0);
	assert_int_equal(verdict->accepted, *verdict->rule == '\0');
}

int t_judge(const char *declared, const char *asserted, const void *data, size_t length)
{
	struct sangraha_validate_options options = { .size = sizeof(options),
						     .declared = declared,
						     .asserted = asserted };
	struct sangraha_verdict *whole = NULL;
	struct sangraha_verdict verdict;
	int status = feed(&options, data, length, 0, &t_verdict);
	struct sangraha_error why = t_err;

	for (unsigned split = 1; split < 5; split++) {
		int other = feed(&options, data, length, split, &verdict);

		same(status, &t_verdict, other, &verdict);
		if (status)
			assert_string_equal(t_err.message, why.message);
		options.length = split == 3 ? length : 0;
	}
	if (length <= 64 * 1024) {
		int other = sangraha_validate(t_types, &options, data, length, &whole,
					      &t_err);

		assert_non_null(whole);
		same(status, &t_verdict, other, whole);
		sangraha_verdict_free(whole);
	}
	return status;
}

void t_rule_(const char *rule, int64_t offset, const char *file, int line)
{
	if (sgh_streq(t_verdict.rule, rule) && t_verdict.offset == offset)
		return;
	print_error("%s:%d: rule \"%s\" at %lld, not \"%s\" at %lld: %s\n", file, line,
		    t_verdict.rule, (long long)t_verdict.offset, rule, (long long)offset,
		    t_err.message);
	_fail(file, line);
}

void t_truncate(const struct t_sample *sample, size_t accepted_from)
{
	for (size_t length = 0; length < sample->length; length++) {
		int status = t_judge(NULL, NULL, sample->data, length);

		if ((status == 0) != (length >= accepted_from))
			fail_msg("%zu of %zu bytes: %s", length, sample->length,
				 sangraha_status_name(status));
	}
}

void t_mutate(const struct t_sample *sample, const char *declared, unsigned rounds)
{
	unsigned seed = 1;

	while (rounds-- > 0) {
		struct t_sample copy = *sample;
		int changes = 1 + rand_r(&seed) % 4;

		while (changes-- > 0)
			copy.data[(size_t)rand_r(&seed) % copy.length] =
				(unsigned char)rand_r(&seed);
		t_judge_sample(declared, &copy);
	}
}
