/* SPDX-License-Identifier: MIT */
#include "support/judge.h"
#include "support/memory.h"

/* Each allocation fails, and is told as such (support/memory.h). */

static int judge(void *arg)
{
	const struct t_sample *sample = arg;
	struct sangraha_validate_options options = { .size = sizeof(options),
						     .length = (int64_t)sample->length };
	struct sangraha_validator *validator = NULL;
	struct sangraha_verdict *copy = NULL;
	size_t half = sample->length / 2;
	int status = sangraha_validator_new(t_types, &options, &validator, &t_err);

	if (status == 0)
		status = sangraha_validator_feed(validator, sample->data, half, &t_err);
	if (status == 0)
		status = sangraha_validator_feed(validator, sample->data + half,
						 sample->length - half, &t_err);
	if (status == 0)
		status = sangraha_validator_finish(validator, &t_err);
	if (status == 0) {
		assert_true(
			sangraha_verdict_accepted(sangraha_validator_verdict(validator)));
		copy = sgh_verdict_copy(sangraha_validator_verdict(validator));
		status = copy ? 0 : SANGRAHA_E_OVERLOADED;
	}
	sangraha_verdict_free(copy);
	sangraha_validator_free(validator);
	return status;
}

static void judged(const struct t_sample *sample)
{
	struct t_sample copy = *sample;

	t_memory_each(judge, &copy, 1);
}

static void each_type(void **state)
{
	void (*const samples[])(struct t_sample * sample) = { t_png, t_jpeg, t_gif,
							      t_webp, t_pdf };
	struct t_sample json = { .length = 0 };

	for (size_t i = 0; i < SGH_COUNT(samples); i++) {
		struct t_sample sample = { .length = 0 };

		samples[i](&sample);
		judged(&sample);
	}
	t_raw_text(&json, "{\"a\":[1,2,{\"b\":null}]}");
	judged(&json);
}

/* libmagic with it, which has its own ways to say that memory ends. */
static int open_types(void *arg)
{
	const char *const mime_types[] = { "text/csv", NULL };
	const struct sangraha_type type = { .size = sizeof(type),
					    .name = "csv",
					    .mime_types = mime_types };
	struct sangraha_verdict *verdict = NULL;
	struct sangraha_types *types = NULL;
	int status = sangraha_types_new(NULL, &types, &t_err);

	if (status == 0)
		status = sangraha_types_add(types, &type, &t_err);
	if (status == 0)
		status = sangraha_validate(types, NULL, "hello", 5, &verdict, &t_err);
	if (status == SANGRAHA_E_UNSUPPORTED)
		status = 0;
	sangraha_verdict_free(verdict);
	sangraha_types_unref(types);
	return status;
}

static void registries(void **state)
{
	t_memory_each(open_types, NULL, 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_type),
	cmocka_unit_test(registries),
};

t_validate_main(tests)
