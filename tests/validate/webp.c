/* SPDX-License-Identifier: MIT */
#include "support/judge.h"

#define ANIMATED    0x02
#define TRANSPARENT 0x10

static void refused(const struct t_sample *webp, const char *rule, int64_t offset)
{
	t_fails(SANGRAHA_E_REJECTED, t_judge_sample("image/webp", webp));
	t_rule(rule, offset);
}

/* A lossy image: frame tag with an empty first partition, start code, dimensions. */
static void lossy(struct t_sample *webp, unsigned width, unsigned height)
{
	struct t_sample data = { 0 };

	t_raw(&data, "\x10\0\0\x9d\x01\x2a", 6);
	t_le(&data, width, 2);
	t_le(&data, height, 2);
	t_webp_chunk(webp, "VP8 ", data.data, data.length);
}

static void animation(struct t_sample *webp, uint32_t width, uint32_t height)
{
	t_webp_begin(webp);
	t_webp_canvas(webp, ANIMATED, width, height);
	t_webp_chunk(webp, "ANIM", "\0\0\0\0\0\0", 6);
}

static void accepts_lossless(void **state)
{
	struct t_sample webp = { 0 };

	t_webp(&webp);
	t_ok(t_judge_sample(NULL, &webp));
	t_accepted("image", "image/webp",
		   "{\"width\":3,\"height\":2,\"frames\":1,\"color\":\"rgb\"}");
}

static void accepts_lossy(void **state)
{
	struct t_sample webp = { 0 };

	t_webp_begin(&webp);
	lossy(&webp, 5 | 0x4000, 4);
	t_webp_end(&webp);
	t_raw_text(&webp, "more");
	t_ok(t_judge_sample("image/webp", &webp));
	t_accepted("image", "image/webp",
		   "{\"width\":5,\"height\":4,\"frames\":1,\"color\":\"rgb\","
		   "\"trailing\":4}");
}

static void accepts_extended(void **state)
{
	struct t_sample webp = { 0 };

	t_webp_begin(&webp);
	t_webp_canvas(&webp, 0, 5, 4);
	t_webp_chunk(&webp, "ICCP", "odd", 3);
	lossy(&webp, 5, 4);
	t_webp_chunk(&webp, "EXIF", NULL, 0);
	t_webp_end(&webp);
	t_ok(t_judge_sample("image/webp", &webp));
	t_accepted("image", "image/webp",
		   "{\"width\":5,\"height\":4,\"frames\":1,\"color\":\"rgb\"}");
	t_truncate(&webp, webp.length);
}

static void accepts_animations(void **state)
{
	struct t_sample webp = { 0 };

	animation(&webp, 8, 8);
	t_webp_frame(&webp, 0, 8, 8);
	t_webp_frame(&webp, 4, 4, 2);
	t_webp_end(&webp);
	t_ok(t_judge_sample("image/webp", &webp));
	t_accepted("image", "image/webp",
		   "{\"width\":8,\"height\":8,\"frames\":2,\"color\":\"rgb\"}");
	t_truncate(&webp, webp.length);
	t_mutate(&webp, "image/webp", 1000);
}

static void tells_transparency(void **state)
{
	static const char facts[] =
		"{\"width\":5,\"height\":4,\"frames\":1,\"color\":\"rgba\"}";
	struct t_sample alph = { 0 }, lossless = { 0 };

	t_webp_begin(&alph);
	t_webp_canvas(&alph, TRANSPARENT, 5, 4);
	t_webp_chunk(&alph, "ALPH", "\x01x", 2);
	lossy(&alph, 5, 4);
	t_webp_end(&alph);
	t_ok(t_judge_sample("image/webp", &alph));
	t_accepted("image", "image/webp", facts);
	t_webp_begin(&lossless);
	t_webp_image(&lossless, 5, 4);
	lossless.data[24] |= 0x10;
	t_webp_end(&lossless);
	t_ok(t_judge_sample("image/webp", &lossless));
	t_accepted("image", "image/webp", facts);
}

static void checks_transparency(void **state)
{
	struct t_sample twice = { 0 }, late = { 0 }, way = { 0 };

	t_webp_begin(&twice);
	t_webp_canvas(&twice, TRANSPARENT, 5, 4);
	t_webp_chunk(&twice, "ALPH", "\0x", 2);
	t_webp_chunk(&twice, "ALPH", "\0x", 2);
	t_webp_end(&twice);
	refused(&twice, "webp.order", 40);
	t_webp_begin(&late);
	t_webp_canvas(&late, TRANSPARENT, 5, 4);
	lossy(&late, 5, 4);
	t_webp_chunk(&late, "ALPH", "\0x", 2);
	t_webp_end(&late);
	refused(&late, "webp.order", 48);
	t_webp_begin(&way);
	t_webp_canvas(&way, TRANSPARENT, 5, 4);
	t_webp_chunk(&way, "ALPH", "\x02x", 2);
	t_webp_end(&way);
	refused(&way, "webp.image", 38);
}

static void checks_types_of_chunks(void **state)
{
	struct t_sample zero = { 0 }, other = { 0 };

	t_webp_begin(&zero);
	t_webp_canvas(&zero, 0, 5, 4);
	lossy(&zero, 5, 4);
	other = zero;
	t_webp_chunk(&zero, "XMP ", "xx", 2);
	zero.data[48 + 3] = '\0';
	t_webp_end(&zero);
	t_ok(t_judge_sample("image/webp", &zero));
	t_webp_chunk(&other, "XMP ", "xx", 2);
	other.data[48 + 2] = '\0';
	t_webp_end(&other);
	refused(&other, "webp.chunk", 48 + 2);
}

static void checks_heads_of_images(void **state)
{
	struct t_sample hidden = { 0 }, profile = { 0 }, late = { 0 };

	t_webp_begin(&hidden);
	lossy(&hidden, 5, 4);
	hidden.data[20] = 0;
	t_webp_end(&hidden);
	refused(&hidden, "webp.image", 20);
	t_webp_begin(&profile);
	lossy(&profile, 5, 4);
	profile.data[20] = 0x18;
	t_webp_end(&profile);
	refused(&profile, "webp.image", 20);
	t_webp_begin(&late);
	t_webp_canvas(&late, 0, 5, 4);
	lossy(&late, 5, 4);
	t_webp_chunk(&late, "ICCP", "xx", 2);
	t_webp_end(&late);
	refused(&late, "webp.order", 48);
}

static void refuses_every_beginning(void **state)
{
	struct t_sample webp = { 0 };

	t_webp(&webp);
	t_truncate(&webp, webp.length);
	webp.length--;
	refused(&webp, "webp.end", (int64_t)webp.length);
}

static void refuses_bombs(void **state)
{
	struct t_sample canvas = { 0 }, frames = { 0 };

	t_webp_begin(&canvas);
	t_webp_canvas(&canvas, 0, 1 << 24, 1 << 24);
	t_webp_end(&canvas);
	refused(&canvas, "image.pixels", 24);
	animation(&frames, 16384, 16384);
	for (int i = 0; i < 17; i++)
		t_webp_frame(&frames, 0, 1, 1);
	t_webp_end(&frames);
	refused(&frames, "image.frames", 44 + 16 * 40 + 8);
}

static void refuses_empty_images(void **state)
{
	struct t_sample webp = { 0 };

	t_webp_begin(&webp);
	lossy(&webp, 0, 4);
	t_webp_end(&webp);
	refused(&webp, "image.empty", 26);
}

static void checks_the_order(void **state)
{
	struct t_sample first = { 0 }, second = { 0 }, still = { 0 }, none = { 0 };

	t_webp_begin(&first);
	t_webp_chunk(&first, "EXIF", "xx", 2);
	t_webp_end(&first);
	refused(&first, "webp.order", 12);
	t_webp_begin(&second);
	lossy(&second, 3, 2);
	lossy(&second, 3, 2);
	t_webp_end(&second);
	refused(&second, "webp.order", 30);
	animation(&still, 3, 2);
	t_webp_image(&still, 3, 2);
	t_webp_end(&still);
	refused(&still, "webp.order", 44);
	animation(&none, 3, 2);
	t_webp_end(&none);
	refused(&none, "webp.order", 44);
}

static void checks_dimensions(void **state)
{
	struct t_sample still = { 0 }, frame = { 0 };

	t_webp_begin(&still);
	t_webp_canvas(&still, 0, 4, 4);
	t_webp_image(&still, 3, 4);
	t_webp_end(&still);
	refused(&still, "webp.dimensions", 39);
	animation(&frame, 4, 4);
	t_webp_frame(&frame, 2, 3, 2);
	t_webp_end(&frame);
	refused(&frame, "webp.dimensions", 52);
}

static void checks_lengths(void **state)
{
	struct t_sample chunk = { 0 }, rest = { 0 };

	t_webp(&chunk);
	chunk.data[16] = 200;
	refused(&chunk, "webp.length", 16);
	t_webp(&rest);
	t_raw_text(&rest, "abcd");
	t_webp_end(&rest);
	refused(&rest, "webp.length", 28);
}

static void survives_changes(void **state)
{
	struct t_sample webp = { 0 };

	t_webp(&webp);
	t_mutate(&webp, NULL, 1000);
	t_mutate(&webp, "image/webp", 1000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(accepts_lossless),
	cmocka_unit_test(accepts_lossy),
	cmocka_unit_test(accepts_extended),
	cmocka_unit_test(accepts_animations),
	cmocka_unit_test(tells_transparency),
	cmocka_unit_test(checks_transparency),
	cmocka_unit_test(checks_types_of_chunks),
	cmocka_unit_test(checks_heads_of_images),
	cmocka_unit_test(refuses_every_beginning),
	cmocka_unit_test(refuses_bombs),
	cmocka_unit_test(refuses_empty_images),
	cmocka_unit_test(checks_the_order),
	cmocka_unit_test(checks_dimensions),
	cmocka_unit_test(checks_lengths),
	cmocka_unit_test(survives_changes),
};

t_validate_main(tests)
