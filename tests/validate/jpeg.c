/* SPDX-License-Identifier: MIT */
#include "support/judge.h"

static void refused(const struct t_sample *jpeg, const char *rule, int64_t offset)
{
	t_fails(SANGRAHA_E_REJECTED, t_judge_sample("image/jpeg", jpeg));
	t_rule(rule, offset);
}

static void begin(struct t_sample *jpeg)
{
	t_raw(jpeg, "\xff\xd8", 2);
}

static void accepts(void **state)
{
	struct t_sample jpeg = { 0 };

	t_jpeg(&jpeg);
	t_ok(t_judge_sample(NULL, &jpeg));
	t_accepted("image", "image/jpeg", "{\"width\":3,\"height\":2,\"frames\":1}");
	t_ok(t_judge_sample("image/jpg", &jpeg));
	assert_string_equal(sangraha_verdict_declared(&t_verdict), "image/jpeg");
}

static void reports_what_follows(void **state)
{
	struct t_sample jpeg = { 0 };

	t_jpeg(&jpeg);
	t_raw_text(&jpeg, "xyz");
	t_ok(t_judge_sample(NULL, &jpeg));
	t_accepted("image", "image/jpeg",
		   "{\"width\":3,\"height\":2,\"frames\":1,\"trailing\":3}");
}

static void refuses_every_beginning(void **state)
{
	struct t_sample jpeg = { 0 };

	t_jpeg(&jpeg);
	t_truncate(&jpeg, jpeg.length);
	jpeg.length--;
	refused(&jpeg, "jpeg.end", (int64_t)jpeg.length);
}

static void four_bytes_are_no_image(void **state)
{
	struct t_sample jpeg = { 0 };

	t_raw(&jpeg, "\xff\xd8\xff\xe0", 4);
	refused(&jpeg, "jpeg.end", 4);
}

static void refuses_empty_images(void **state)
{
	struct t_sample jpeg = { 0 };

	begin(&jpeg);
	t_jpeg_frame(&jpeg, 5, 0);
	refused(&jpeg, "image.empty", 7);
}

static void refuses_bombs(void **state)
{
	struct t_sample jpeg = { 0 };

	begin(&jpeg);
	t_jpeg_frame(&jpeg, 65535, 65535);
	refused(&jpeg, "image.pixels", 7);
}

static void checks_the_order(void **state)
{
	struct t_sample twice = { 0 }, scan = { 0 }, none = { 0 };

	begin(&twice);
	t_jpeg_frame(&twice, 3, 2);
	t_jpeg_frame(&twice, 3, 2);
	refused(&twice, "jpeg.order", 16);
	begin(&scan);
	t_jpeg_scan(&scan);
	refused(&scan, "jpeg.order", 3);
	begin(&none);
	t_jpeg_frame(&none, 3, 2);
	t_raw(&none, "\xff\xd9", 2);
	refused(&none, "jpeg.order", 16);
}

static void checks_segments(void **state)
{
	struct t_sample marker = { 0 }, shorter = { 0 }, components = { 0 };

	begin(&marker);
	t_jpeg_segment(&marker, 0xe0, "x", 1);
	t_raw_text(&marker, "x");
	refused(&marker, "jpeg.marker", 7);
	begin(&shorter);
	t_raw(&shorter, "\xff\xe0\x00\x01", 4);
	refused(&shorter, "jpeg.length", 4);
	begin(&components);
	t_jpeg_frame(&components, 3, 2);
	components.data[11] = 3;
	refused(&components, "jpeg.frame", 11);
}

/* A thumbnail's end, inside a segment, does not end the image. */
static void skips_what_segments_hold(void **state)
{
	struct t_sample jpeg = { 0 };

	begin(&jpeg);
	t_jpeg_segment(&jpeg, 0xe1, "Exif\0\0\xff\xd8\xff\xd9", 10);
	t_jpeg_frame(&jpeg, 3, 2);
	t_jpeg_scan(&jpeg);
	t_jpeg_segment(&jpeg, 0xc4, "x", 1);
	t_jpeg_scan(&jpeg);
	refused(&jpeg, "jpeg.end", (int64_t)jpeg.length);
	t_raw(&jpeg, "\xff\xd9", 2);
	t_ok(t_judge_sample("image/jpeg", &jpeg));
}

static void survives_changes(void **state)
{
	struct t_sample jpeg = { 0 };

	t_jpeg(&jpeg);
	t_mutate(&jpeg, NULL, 1000);
	t_mutate(&jpeg, "image/jpeg", 1000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(accepts),
	cmocka_unit_test(reports_what_follows),
	cmocka_unit_test(refuses_every_beginning),
	cmocka_unit_test(four_bytes_are_no_image),
	cmocka_unit_test(refuses_empty_images),
	cmocka_unit_test(refuses_bombs),
	cmocka_unit_test(checks_the_order),
	cmocka_unit_test(checks_segments),
	cmocka_unit_test(skips_what_segments_hold),
	cmocka_unit_test(survives_changes),
};

t_validate_main(tests)
