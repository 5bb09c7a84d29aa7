/* SPDX-License-Identifier: MIT */
#include "support/judge.h"

/* A type of the program's own: lines of printable text, "!" is refused. */

static int begun;
static int ended;

static int lines_begin(void *arg, void **ret_state, struct sangraha_error *err)
{
	begun++;
	*ret_state = calloc(1, sizeof(unsigned));
	return *ret_state ? 0 : SANGRAHA_E_OVERLOADED;
}

static int lines_feed(void *arg, void *state, const void *data, size_t length,
		      size_t *ret_bad, struct sangraha_error *err)
{
	const char *text = data;

	for (size_t i = 0; i < length; i++) {
		*(unsigned *)state += text[i] == '\n';
		if (text[i] != '!')
			continue;
		*ret_bad = i;
		err->status = SANGRAHA_E_REJECTED;
		strcpy(err->message, "no shouting");
		return SANGRAHA_E_REJECTED;
	}
	return 0;
}

static int lines_finish(void *arg, void *state, char facts[257],
			struct sangraha_error *err)
{
	snprintf(facts, 257, arg ? arg : "{\"lines\":%u}", *(unsigned *)state);
	return 0;
}

static void lines_end(void *arg, void *state)
{
	ended++;
	free(state);
}

static const struct sangraha_type_checks checks = { .size = sizeof(checks),
						    .begin = lines_begin,
						    .feed = lines_feed,
						    .finish = lines_finish,
						    .end = lines_end };
static const char *const lines_types[] = { "text/x-lines", "text/plain", NULL };

static int refuse_at_once(void *arg, void **ret_state, struct sangraha_error *err)
{
	return sangraha_error_set(err, SANGRAHA_E_REJECTED, "not today");
}

static const struct sangraha_type_checks refusing_checks = {
	.size = sizeof(refusing_checks), .begin = refuse_at_once
};
static const char *const refusing_types[] = { "text/x-refused", NULL };
static const struct sangraha_type refusing = { .size = sizeof(refusing),
					       .name = "refusing",
					       .mime_types = refusing_types,
					       .checks = &refusing_checks };

static int set_up_with(const char *facts)
{
	struct sangraha_type type = { .size = sizeof(type),
				      .name = "lines",
				      .mime_types = lines_types,
				      .max_size = 1000,
				      .checks = &checks,
				      .arg = (void *)(uintptr_t)facts };

	begun = ended = 0;
	t_ok(sangraha_types_new(NULL, &t_types, &t_err));
	return sangraha_types_add(t_types, &type, &t_err);
}

static int set_up(void **state)
{
	return set_up_with(NULL);
}

static int tear_down(void **state)
{
	sangraha_types_unref(t_types);
	assert_int_equal(begun, ended);
	return 0;
}

static void decides_when_declared(void **state)
{
	t_ok(t_judge_text("Text/X-Lines; charset=utf-8", "a\nb\n"));
	t_accepted("lines", "text/x-lines", "{\"lines\":2}");
	t_ok(t_judge_text("text/plain", "{\"a\":1}"));
	t_accepted("lines", "text/x-lines", "{\"lines\":0}");
}

static void decides_when_asserted(void **state)
{
	t_ok(t_judge(NULL, "lines", "42", 2));
	t_accepted("lines", "text/x-lines", "{\"lines\":0}");
}

static void takes_what_libmagic_says(void **state)
{
	t_ok(t_judge_text(NULL, "hello world\n"));
	t_accepted("lines", "text/x-lines", "{\"lines\":1}");
	t_ok(t_judge_text(NULL, "42"));
	assert_string_equal(t_verdict.type, "json");
}

static void refuses_at_the_byte(void **state)
{
	t_fails(SANGRAHA_E_REJECTED, t_judge_text("text/x-lines", "hello!\n"));
	t_rule("lines.invalid", 5);
	t_says("no shouting");
	assert_string_equal(t_verdict.type, "lines");
}

static void is_no_cover_for_images(void **state)
{
	struct t_sample png = { 0 };

	t_png(&png);
	t_fails(SANGRAHA_E_UNSUPPORTED, t_judge_sample("text/x-lines", &png));
	t_rule("type.mismatch", 0);
	assert_string_equal(t_verdict.detected, "image/png");
	t_ok(t_judge_text("text/x-lines", "<html>\nsee %PDF-1.4\n"));
}

static void limits_size(void **state)
{
	char text[1001];

	memset(text, 'x', sizeof(text));
	t_ok(t_judge("text/plain", NULL, text, 1000));
	t_fails(SANGRAHA_E_TOO_LARGE, t_judge("text/plain", NULL, text, 1001));
	t_rule("type.size", -1);
}

/* Whatever could not be stored with the object is the check's mistake, not the uploader's. */
static void facts_must_be_an_object(void **state)
{
	static const char *const wrong[] = { "[%u]", "{\"title\":\"\\ud83d\"}",
					     "{\"title\":\"a\\u0000\"}" };
	struct sangraha_validate_options options = { .size = sizeof(options),
						     .asserted = "lines" };

	for (size_t i = 0; i < SGH_COUNT(wrong); i++) {
		sangraha_types_unref(sgh_take(t_types));
		set_up_with(wrong[i]);
		t_fails(SANGRAHA_E_INTERNAL,
			sangraha_validate(t_types, &options, "x", 1, NULL, &t_err));
		t_says("type lines");
	}
}

/* Nobody wants to know why, but the check may write it down all the same. */
static void begin_cannot_refuse(void **state)
{
	struct sangraha_validate_options options = { .size = sizeof(options),
						     .asserted = "refusing" };
	struct sangraha_verdict *verdict = NULL;

	t_ok(sangraha_types_add(t_types, &refusing, &t_err));
	t_fails(SANGRAHA_E_INTERNAL,
		sangraha_validate(t_types, &options, "x", 1, &verdict, NULL));
	assert_false(sangraha_verdict_accepted(verdict));
	sangraha_verdict_free(verdict);
	t_fails(SANGRAHA_E_INTERNAL,
		sangraha_validate(t_types, &options, "x", 1, NULL, &t_err));
	t_says("not today");
}

#define case_of(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	case_of(decides_when_declared),    case_of(decides_when_asserted),
	case_of(takes_what_libmagic_says), case_of(refuses_at_the_byte),
	case_of(is_no_cover_for_images),   case_of(limits_size),
	case_of(facts_must_be_an_object),  case_of(begin_cannot_refuse),
};

t_main(tests)
