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
	t_accepted("image", "image/png",
		   "{\"width\":3,\"height\":2,\"frames\":1,\"color\":\"gray\"}");
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
		   "{\"width\":3,\"height\":2,\"frames\":1,\"color\":\"gray\","
		   "\"trailing\":5}");
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
	struct t_sample png = { 0 };

	t_png(&png);
	t_policy(&policy);
	refused(&png, "image.pixels", 16);
}

static void refuses_what_follows_by_policy(void **state)
{
	struct sangraha_policy policy = { .size = sizeof(policy),
					  .image_trailing = SANGRAHA_CHOICE_REFUSE };
	struct t_sample png = { 0 };

	t_png(&png);
	t_policy(&policy);
	t_ok(t_judge_sample(NULL, &png));
	t_raw_text(&png, "junk!");
	refused(&png, "image.trailing", (int64_t)png.length - 5);
}

/* Three frames, the first of which is the still image. */
static void animation(struct t_sample *png, uint32_t frames)
{
	unsigned char actl[8] = { 0, 0, 0, (unsigned char)frames };

	begin(png, 3, 2, 6);
	t_png_chunk(png, "acTL", actl, sizeof(actl));
	t_png_control(png, 0, 3, 2, 0, 0);
	t_png_chunk(png, "IDAT", "x", 1);
	t_png_control(png, 1, 2, 1, 1, 1);
	t_png_chunk(png, "fdAT", "\0\0\0\x02y", 5);
	t_png_control(png, 3, 1, 1, 0, 0);
	t_png_chunk(png, "fdAT", "\0\0\0\x04y", 5);
	t_png_chunk(png, "IEND", NULL, 0);
}

static void counts_frames(void **state)
{
	struct t_sample png = { 0 };

	animation(&png, 3);
	t_ok(t_judge_sample(NULL, &png));
	t_accepted("image", "image/png",
		   "{\"width\":3,\"height\":2,\"frames\":3,\"color\":\"rgba\"}");
	t_mutate(&png, NULL, 500);
}

/* Both stand before the image data, and neither before the other. */
static void takes_a_control_before_the_animation(void **state)
{
	const unsigned char actl[8] = { 0, 0, 0, 2 };
	struct t_sample png = { 0 }, twice = { 0 };

	begin(&png, 3, 2, 6);
	t_png_control(&png, 0, 3, 2, 0, 0);
	twice = png;
	t_png_chunk(&png, "acTL", actl, sizeof(actl));
	t_png_chunk(&png, "IDAT", "x", 1);
	t_png_control(&png, 1, 2, 1, 1, 1);
	t_png_chunk(&png, "fdAT", "\0\0\0\x02y", 5);
	t_png_chunk(&png, "IEND", NULL, 0);
	t_ok(t_judge_sample(NULL, &png));
	t_accepted("image", "image/png",
		   "{\"width\":3,\"height\":2,\"frames\":2,\"color\":\"rgba\"}");
	t_png_control(&twice, 1, 3, 2, 0, 0);
	refused(&twice, "png.order", 8 + 25 + 38 + 4);
}

static void checks_animations(void **state)
{
	const int64_t actl = 8 + 25, fctl = actl + 20, idat = fctl + 38;
	struct t_sample few = { 0 }, none = { 0 }, number = { 0 }, frame = { 0 };
	struct t_sample bare = { 0 };

	animation(&few, 4);
	refused(&few, "png.animation", (int64_t)few.length - 12);
	animation(&none, 0);
	refused(&none, "png.animation", actl + 8);
	animation(&bare, 3);
	bare.length = (size_t)idat;
	t_png_chunk(&bare, "IDAT", "x", 1);
	t_png_control(&bare, 1, 1, 1, 0, 0);
	t_png_control(&bare, 2, 1, 1, 0, 0);
	refused(&bare, "png.animation", idat + 13 + 38);
	t_says("frame 2 has no data");
	animation(&number, 3);
	number.length = (size_t)idat;
	t_png_chunk(&number, "IDAT", "x", 1);
	t_png_control(&number, 2, 1, 1, 0, 0);
	refused(&number, "png.animation", idat + 13 + 8);
	animation(&frame, 3);
	frame.length = (size_t)idat;
	t_png_chunk(&frame, "IDAT", "x", 1);
	t_png_control(&frame, 1, 3, 2, 1, 0);
	refused(&frame, "png.animation", idat + 13 + 12);
	t_says("a frame of 3 x 2 at 1, 0 in an image of 3 x 2");
}

/* Not one bit of a chunk may change, and none of the signature. */
static void refuses_every_flip(void **state)
{
	struct t_sample png = { 0 };

	t_png(&png);
	for (size_t bit = 0; bit < 8 * png.length; bit++) {
		png.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_not_equal(t_judge_sample("image/png", &png), 0);
		png.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	t_ok(t_judge_sample("image/png", &png));
}

static void tells_colours(void **state)
{
	static const char *const names[] = { "gray",       NULL, "rgb", "palette",
					     "gray-alpha", NULL, "rgba" };

	for (int colour = 0; colour < 7; colour++) {
		struct t_sample png = { 0 };
		char facts[100];

		if (!names[colour])
			continue;
		begin(&png, 9, 8, colour);
		if (colour == 3)
			t_png_chunk(&png, "PLTE", "rgb", 3);
		t_png_chunk(&png, "IDAT", "x", 1);
		t_png_chunk(&png, "IEND", NULL, 0);
		t_ok(t_judge_sample(NULL, &png));
		snprintf(facts, sizeof(facts),
			 "{\"width\":9,\"height\":8,\"frames\":1,\"color\":\"%s\"}",
			 names[colour]);
		t_accepted("image", "image/png", facts);
	}
}

static void limits_frames(void **state)
{
	struct t_sample png = { 0 };

	begin(&png, 16384, 16384, 0);
	t_png_chunk(&png, "acTL", "\0\0\0\x11\0\0\0\0", 8);
	refused(&png, "image.frames", 41);
}

static void limits_frames_by_policy(void **state)
{
	struct sangraha_policy policy = { .size = sizeof(policy), .image_max_total = 17 };
	struct t_sample png = { 0 };

	animation(&png, 3);
	t_policy(&policy);
	refused(&png, "image.frames", 41);
	policy.image_max_total = 18;
	t_policy(&policy);
	t_ok(t_judge_sample("image/png", &png));
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

/* `first` and then `second`, of 4 bytes, in an image of a colour type. */
static void two_chunks(int colour, const char *first, const char *second, int64_t offset)
{
	struct t_sample png = { 0 };

	begin(&png, 3, 2, colour);
	t_png_chunk(&png, first, "123456", strcmp(first, "PLTE") == 0 ? 6 : 4);
	t_png_chunk(&png, second, "123456", strcmp(second, "PLTE") == 0 ? 6 : 4);
	refused(&png, "png.order", offset);
}

static void checks_the_order_of_ancillary_chunks(void **state)
{
	const int64_t after_four = 33 + 16 + 4, after_palette = 33 + 18 + 4;

	two_chunks(0, "gAMA", "gAMA", after_four);
	two_chunks(3, "PLTE", "gAMA", after_palette);
	two_chunks(0, "IDAT", "gAMA", after_four);
	two_chunks(0, "IDAT", "tRNS", after_four);
	two_chunks(0, "eXIf", "eXIf", after_four);
	two_chunks(3, "PLTE", "PLTE", after_palette);
	two_chunks(3, "tRNS", "PLTE", 37);
	two_chunks(6, "tRNS", "IDAT", 37);
	two_chunks(2, "hIST", "PLTE", 37);
}

static void checks_the_length_of_ancillary_chunks(void **state)
{
	static const struct {
		int colour;
		const char *type;
		size_t length;
	} wrong[] = { { 0, "gAMA", 5 }, { 0, "sBIT", 3 }, { 0, "tRNS", 6 },
		      { 2, "tRNS", 2 }, { 6, "bKGD", 2 }, { 0, "tIME", 8 } };

	for (size_t i = 0; i < SGH_COUNT(wrong); i++) {
		struct t_sample png = { 0 };

		begin(&png, 3, 2, wrong[i].colour);
		t_png_chunk(&png, wrong[i].type, "12345678", wrong[i].length);
		refused(&png, "png.length", 33);
	}
}

static void accepts_a_palette_and_what_goes_with_it(void **state)
{
	struct t_sample png = { 0 };

	begin(&png, 3, 2, 3);
	t_png_chunk(&png, "gAMA", "1234", 4);
	t_png_chunk(&png, "sBIT", "\1\1\1", 3);
	t_png_chunk(&png, "PLTE", "123456", 6);
	t_png_chunk(&png, "tRNS", "12", 2);
	t_png_chunk(&png, "bKGD", "\1", 1);
	t_png_chunk(&png, "hIST", "1234", 4);
	t_png_chunk(&png, "pHYs", "123456789", 9);
	t_png_chunk(&png, "IDAT", NULL, 0);
	t_png_chunk(&png, "IDAT", "x", 1);
	t_png_chunk(&png, "eXIf", "x", 1);
	t_png_chunk(&png, "prVt", "x", 1);
	t_png_chunk(&png, "IEND", NULL, 0);
	t_ok(t_judge_sample(NULL, &png));
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
	t_policy_case(limits_pixels_by_policy),
	t_policy_case(refuses_what_follows_by_policy),
	cmocka_unit_test(refuses_every_flip),
	cmocka_unit_test(tells_colours),
	cmocka_unit_test(counts_frames),
	cmocka_unit_test(takes_a_control_before_the_animation),
	cmocka_unit_test(checks_animations),
	cmocka_unit_test(limits_frames),
	t_policy_case(limits_frames_by_policy),
	cmocka_unit_test(checks_the_order),
	cmocka_unit_test(checks_the_order_of_ancillary_chunks),
	cmocka_unit_test(checks_the_length_of_ancillary_chunks),
	cmocka_unit_test(accepts_a_palette_and_what_goes_with_it),
	cmocka_unit_test(checks_chunks),
	cmocka_unit_test(checks_the_header),
	cmocka_unit_test(survives_changes),
};

t_validate_main(tests)
