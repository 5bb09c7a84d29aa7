/* SPDX-License-Identifier: MIT */
#include "support/judge.h"

static void refused(const struct t_sample *png, const char *rule, int64_t offset)
{
	t_fails(SANGRAHA_E_REJECTED, t_judge_sample("image/png", png));
	t_rule(rule, offset);
	assert_string_equal(sangraha_verdict_detected(&t_verdict), "image/png");
}

static void begin(struct t_sample *png, uint32_t width, uint32_t height, int colour)
{
	t_png_signature(png);
	t_png_ihdr(png, width, height, colour);
}

static void accepts(void **state)
{
	struct t_sample png = { 0 };

	t_png(&png);
	t_ok(t_judge_sample(NULL, &png));
	t_accepted("image", "image/png", "{\"width\":3,\"height\":2,\"frames\":1}");
	t_ok(t_judge_sample("image/png", &png));
	t_ok(t_judge(NULL, "image", png.data, png.length));
}

static void reports_what_follows(void **state)
{
	struct t_sample png = { 0 };

	t_png(&png);
	t_raw_text(&png, "junk!");
	t_ok(t_judge_sample(NULL, &png));
	t_accepted("image", "image/png",
		   "{\"width\":3,\"height\":2,\"frames\":1,\"trailing\":5}");
}

static void refuses_every_beginning(void **state)
{
	struct t_sample png = { 0 };

	t_png(&png);
	t_truncate(&png, png.length);
	png.length -= 3;
	refused(&png, "png.end", (int64_t)png.length);
}

static void checks_every_crc(void **state)
{
	struct t_sample png = { 0 };
	const int64_t crc_of_text = 8 + 25 + 8 + 10;

	t_png(&png);
	png.data[crc_of_text - 1] ^= 1;
	refused(&png, "png.crc", crc_of_text);
}

static void refuses_bombs(void **state)
{
	struct t_sample png = { 0 };

	begin(&png, 60000, 60000, 0);
	refused(&png, "image.pixels", 16);
	t_says("60000 x 60000");
}

static void refuses_empty_images(void **state)
{
	struct t_sample png = { 0 };

	begin(&png, 0, 7, 0);
	refused(&png, "image.empty", 16);
}

static void limits_pixels_by_policy(void **state)
{
	struct sangraha_policy policy = { .size = sizeof(policy), .image_max_pixels = 5 };
	struct sangraha_types *types = t_types;
	struct t_sample png = { 0 };

	t_png(&png);
	t_ok(sangraha_types_new(&policy, &t_types, &t_err));
	refused(&png, "image.pixels", 16);
	sangraha_types_unref(t_types);
	t_types = types;
}

static void counts_frames(void **state)
{
	struct t_sample png = { 0 };

	begin(&png, 3, 2, 0);
	t_png_chunk(&png, "acTL", "\0\0\0\x07\0\0\0\0", 8);
	t_png_chunk(&png, "IDAT", "x", 1);
	t_png_chunk(&png, "IEND", NULL, 0);
	t_ok(t_judge_sample(NULL, &png));
	t_accepted("image", "image/png", "{\"width\":3,\"height\":2,\"frames\":7}");
}

static void limits_frames(void **state)
{
	struct t_sample png = { 0 };

	begin(&png, 16384, 16384, 0);
	t_png_chunk(&png, "acTL", "\0\0\0\x11\0\0\0\0", 8);
	refused(&png, "image.frames", 41);
}

static void checks_the_order(void **state)
{
	struct t_sample twice = { 0 }, late = { 0 }, none = { 0 }, split = { 0 };

	begin(&twice, 3, 2, 0);
	t_png_ihdr(&twice, 3, 2, 0);
	refused(&twice, "png.order", 37);
	begin(&late, 3, 2, 3);
	t_png_chunk(&late, "IDAT", "x", 1);
	refused(&late, "png.order", 37);
	begin(&none, 3, 2, 0);
	t_png_chunk(&none, "IEND", NULL, 0);
	refused(&none, "png.order", 37);
	begin(&split, 3, 2, 0);
	t_png_chunk(&split, "IDAT", "x", 1);
	t_png_chunk(&split, "tEXt", "x", 1);
	t_png_chunk(&split, "IDAT", "x", 1);
	refused(&split, "png.order", 63);
}

static void checks_chunks(void **state)
{
	struct t_sample critical = { 0 }, letters = { 0 }, palette = { 0 }, end = { 0 };

	begin(&critical, 3, 2, 0);
	t_png_chunk(&critical, "ABCD", NULL, 0);
	refused(&critical, "png.chunk", 37);
	begin(&letters, 3, 2, 0);
	t_png_chunk(&letters, "ab1d", NULL, 0);
	refused(&letters, "png.chunk", 39);
	begin(&palette, 3, 2, 3);
	t_png_chunk(&palette, "PLTE", "1234", 4);
	refused(&palette, "png.length", 33);
	begin(&end, 3, 2, 0);
	t_png_chunk(&end, "IDAT", "x", 1);
	t_png_chunk(&end, "IEND", "x", 1);
	refused(&end, "png.length", 46);
}

static void checks_the_header(void **state)
{
	struct t_sample png = { 0 };

	begin(&png, 3, 2, 5);
	refused(&png, "png.header", 24);
}

static void survives_changes(void **state)
{
	struct t_sample png = { 0 };

	t_png(&png);
	t_mutate(&png, NULL, 1000);
	t_mutate(&png, "image/png", 1000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(accepts),
	cmocka_unit_test(reports_what_follows),
	cmocka_unit_test(refuses_every_beginning),
	cmocka_unit_test(checks_every_crc),
	cmocka_unit_test(refuses_bombs),
	cmocka_unit_test(refuses_empty_images),
	cmocka_unit_test(limits_pixels_by_policy),
	cmocka_unit_test(counts_frames),
	cmocka_unit_test(limits_frames),
	cmocka_unit_test(checks_the_order),
	cmocka_unit_test(checks_chunks),
	cmocka_unit_test(checks_the_header),
	cmocka_unit_test(survives_changes),
};

t_validate_main(tests)
