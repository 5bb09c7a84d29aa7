/* SPDX-License-Identifier: MIT */
#include "wire/mediatype.h"

#include "support/t.h"

static void becomes(const char *header, const char *wanted)
{
	char type[SGH_MEDIATYPE_SIZE] = "untouched";

	t_ok(sgh_mediatype_normalise(header, type, &t_err));
	assert_string_equal(type, wanted);
}

static void keeps_the_essence(void **state)
{
	becomes("image/png", "image/png");
	becomes("Image/PNG", "image/png");
	becomes(" \tapplication/pdf ; version=\"1;7\"", "application/pdf");
	becomes("application/json;charset=utf-8", "application/json");
	becomes("text/csv;", "text/csv");
	becomes("application/vnd.x-y.z!#$&^_1", "application/vnd.x-y.z!#$&^_1");
}

static void knows_other_names(void **state)
{
	becomes("image/jpg", "image/jpeg");
	becomes("IMAGE/JPG; q=1", "image/jpeg");
	becomes("text/json", "application/json");
	becomes("application/ld+json", "application/json");
	becomes("application/vnd.sangraha+json", "application/json");
	becomes("image/svg+xml", "image/svg+xml");
}

static void knows_what_says_nothing(void **state)
{
	becomes(NULL, "");
	becomes("", "");
	becomes("  ", "");
	becomes("application/octet-stream", "");
	becomes("Application/X-WWW-Form-Urlencoded; charset=UTF-8", "");
}

static void refuses_what_is_no_type(void **state)
{
	static const char *const bad[] = {
		"png",
		"image/",
		"/png",
		"image/png/x",
		"image /png",
		"image/ png",
		"image/png, a/b",
		"*/*",
		"image/*",
		"im\"age/png",
		"image/png charset",
		"image/p\xc3\xa4g",
		"a/b\r\nX: y",
		";charset=utf-8",
	};
	char type[SGH_MEDIATYPE_SIZE] = "untouched";

	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		if (sgh_mediatype_normalise(bad[i], type, &t_err) != SANGRAHA_E_INVALID)
			fail_msg("accepted: %s", bad[i]);
	assert_string_equal(type, "untouched");
}

static void bounds_the_length(void **state)
{
	char header[SGH_MEDIATYPE_SIZE + 2] = "image/";
	char type[SGH_MEDIATYPE_SIZE];

	memset(header + 6, 'x', SGH_MEDIATYPE_SIZE - 6);
	t_fails(SANGRAHA_E_INVALID, sgh_mediatype_normalise(header, type, &t_err));
	memset(header, 'x', SGH_MEDIATYPE_SIZE);
	t_fails(SANGRAHA_E_INVALID, sgh_mediatype_normalise(header, type, &t_err));
	header[5] = '/';
	header[SGH_MEDIATYPE_SIZE - 1] = '\0';
	becomes(header, header);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(keeps_the_essence),
	cmocka_unit_test(knows_other_names),
	cmocka_unit_test(knows_what_says_nothing),
	cmocka_unit_test(refuses_what_is_no_type),
	cmocka_unit_test(bounds_the_length),
};

t_main(tests)
