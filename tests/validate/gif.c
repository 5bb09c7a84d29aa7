/* SPDX-License-Identifier: MIT */
#include "support/judge.h"

static void refused(const struct t_sample *gif, const char *rule, int64_t offset)
{
	t_fails(SANGRAHA_E_REJECTED, t_judge_sample("image/gif", gif));
	t_rule(rule, offset);
}

static void accepts(void **state)
{
	struct t_sample gif = { 0 };

	t_gif(&gif);
	t_ok(t_judge_sample(NULL, &gif));
	t_accepted("image", "image/gif",
		   "{\"width\":3,\"height\":2,\"frames\":1,\"color\":\"palette\"}");
}

static void counts_frames_and_what_follows(void **state)
{
	struct t_sample gif = { 0 };

	t_gif_header(&gif, 10, 10);
	for (int i = 0; i < 4; i++)
		t_gif_image(&gif, 10, 10);
	t_raw_text(&gif, ";--");
	t_ok(t_judge_sample(NULL, &gif));
	t_accepted("image", "image/gif",
		   "{\"width\":10,\"height\":10,\"frames\":4,\"color\":\"palette\","
		   "\"trailing\":2}");
}

static void refuses_every_beginning(void **state)
{
	struct t_sample gif = { 0 };

	t_gif(&gif);
	t_truncate(&gif, gif.length);
	gif.length--;
	refused(&gif, "gif.end", (int64_t)gif.length);
}

static void refuses_bombs(void **state)
{
	struct t_sample screen = { 0 }, frame = { 0 }, frames = { 0 };

	t_gif_header(&screen, 65535, 65535);
	refused(&screen, "image.pixels", 6);
	t_gif_header(&frame, 3, 2);
	t_gif_image(&frame, 65535, 65535);
	refused(&frame, "image.pixels", 24);
	t_gif_header(&frames, 16384, 16384);
	for (int i = 0; i < 17; i++)
		t_gif_image(&frames, 1, 1);
	refused(&frames, "image.frames", 19 + 16 * 15 + 1);
}

static void refuses_empty_images(void **state)
{
	struct t_sample screen = { 0 }, frame = { 0 };

	t_gif_header(&screen, 0, 1);
	refused(&screen, "image.empty", 6);
	t_gif_header(&frame, 3, 2);
	t_gif_image(&frame, 3, 0);
	refused(&frame, "image.empty", 24);
}

static void checks_blocks(void **state)
{
	struct t_sample none = { 0 }, block = { 0 }, codes = { 0 };

	t_gif_header(&none, 3, 2);
	t_raw_text(&none, ";");
	refused(&none, "gif.order", 19);
	t_gif_header(&block, 3, 2);
	t_raw_text(&block, "x");
	refused(&block, "gif.block", 19);
	t_gif_header(&codes, 3, 2);
	t_gif_image(&codes, 3, 2);
	codes.data[29] = 12;
	refused(&codes, "gif.image", 29);
	codes.data[29] = 0;
	refused(&codes, "gif.image", 29);
	t_raw_text(&codes, ";");
	codes.data[29] = 11;
	t_ok(t_judge_sample("image/gif", &codes));
}

static void checks_extensions(void **state)
{
	struct t_sample control = { 0 }, long_control = { 0 }, program = { 0 };

	t_gif_header(&control, 3, 2);
	t_raw(&control, "\x21\xf9\x05\0\0\0\0\0\0", 9);
	refused(&control, "gif.block", 21);
	t_gif_header(&long_control, 3, 2);
	t_raw(&long_control, "\x21\xf9\x04\0\0\0\0\x01", 8);
	refused(&long_control, "gif.block", 26);
	t_gif_header(&program, 3, 2);
	t_raw_text(&program, "\x21\xff\x0aNETSCAPE2.");
	refused(&program, "gif.block", 21);
}

static void accepts_extensions(void **state)
{
	struct t_sample gif = { 0 };

	t_gif_header(&gif, 3, 2);
	t_raw(&gif, "\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0", 19);
	t_raw(&gif, "\x21\xfe\x02hi\x03you\0", 10);
	t_raw(&gif, "\x21\xfe\0", 3);
	t_raw(&gif, "\x21\x42\x01x\0", 5);
	t_gif_image(&gif, 3, 2);
	t_raw_text(&gif, ";");
	t_ok(t_judge_sample(NULL, &gif));
}

static void refuses_images_without_data(void **state)
{
	struct t_sample gif = { 0 };

	t_gif_header(&gif, 3, 2);
	t_raw(&gif, "\x2c\0\0\0\0\x03\0\x02\0\0\x02\0;", 13);
	refused(&gif, "gif.image", 30);
}

static void survives_changes(void **state)
{
	struct t_sample gif = { 0 };

	t_gif(&gif);
	t_mutate(&gif, NULL, 1000);
	t_mutate(&gif, "image/gif", 1000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(accepts),
	cmocka_unit_test(counts_frames_and_what_follows),
	cmocka_unit_test(refuses_every_beginning),
	cmocka_unit_test(refuses_bombs),
	cmocka_unit_test(refuses_empty_images),
	cmocka_unit_test(checks_blocks),
	cmocka_unit_test(checks_extensions),
	cmocka_unit_test(accepts_extensions),
	cmocka_unit_test(refuses_images_without_data),
	cmocka_unit_test(survives_changes),
};

t_validate_main(tests)
