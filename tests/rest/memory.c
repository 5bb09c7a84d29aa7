/* SPDX-License-Identifier: MIT */
#include "rest/remote.h"
#include "support/memory.h"
#include "support/t.h"

/* Each allocation fails, and is told as such (support/memory.h). */

static bool header(struct sangraha_rest_result *result, const char *name,
		   const char *value)
{
	return sgh_remote_result_header(result, name, strlen(name), value, strlen(value));
}

/* An answer is known as a whole, or not at all. */
static int read_headers(void *arg)
{
	struct sangraha_rest_result *result = sgh_remote_result_new();
	bool whole = result && header(result, "Content-Type", "image/png") &&
		     header(result, "Content-Disposition",
			    "inline; filename=\"a.png\"; filename*=UTF-8''%C3%A4.png") &&
		     header(result, "ETag", "\"e\"");

	if (whole) {
		assert_string_equal(result->content_type, "image/png");
		assert_string_equal(result->filename, "ä.png");
		assert_string_equal(result->etag, "\"e\"");
	}
	sangraha_rest_result_free(result);
	return whole ? 0 : SANGRAHA_E_OVERLOADED;
}

static void answers_from_afar(void **state)
{
	t_memory_each(read_headers, NULL, 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(answers_from_afar),
};

t_main(tests)
