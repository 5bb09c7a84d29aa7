/* SPDX-License-Identifier: MIT */
#include "support/judge.h"

static void refused(const struct t_sample *jpeg, const char *rule, int64_t offset)
{
	t_fails(SANGRAHA_E_REJECTED, t_judge_sample("image/jpeg", jpeg));
	t_rule(rule, offset);
}

/* Where the frame's height stands behind t_jpeg_tables(). */
#define TABLES  (2 + 69 + 22)
#define SIZE_AT (TABLES + 5)

static void begin(struct t_sample *jpeg)
{
	t_raw(jpeg, "\xff\xd8", 2);
}

static void accepts(void **state)
{
	struct t_sample jpeg = { 0 };

	t_jpeg(&jpeg);
	t_ok(t_judge_sample(NULL, &jpeg));
	t_accepted("image", "image/jpeg",
		   "{\"width\":3,\"height\":2,\"frames\":1,\"color\":\"gray\"}");
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
		   "{\"width\":3,\"height\":2,\"frames\":1,\"color\":\"gray\","
		   "\"trailing\":3}");
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
	t_jpeg_frame(&jpeg, 0, 5);
	refused(&jpeg, "image.empty", 7);
}

/* A height of 0 says that a segment behind the first scan has it. */
static void takes_the_height_from_behind(void **state)
{
	struct t_sample none = { 0 }, some = { 0 }, zero = { 0 };

	begin(&none);
	t_jpeg_tables(&none);
	t_jpeg_frame(&none, 5, 0);
	t_jpeg_scan(&none);
	some = zero = none;
	t_raw(&none, "\xff\xd9", 2);
	refused(&none, "image.empty", SIZE_AT);
	t_jpeg_segment(&some, 0xdc, "\0\x07", 2);
	t_raw(&some, "\xff\xd9", 2);
	t_ok(t_judge_sample("image/jpeg", &some));
	t_accepted("image", "image/jpeg",
		   "{\"width\":5,\"height\":7,\"frames\":1,\"color\":\"gray\"}");
	t_jpeg_segment(&zero, 0xdc, "\0\0", 2);
	t_raw(&zero, "\xff\xd9", 2);
	refused(&zero, "image.empty", SIZE_AT);
}

/* The first frame is the smallest one; each of them has to be held in memory. */
static void knows_hierarchical_images(void **state)
{
	struct t_sample jpeg = { 0 }, bomb;

	begin(&jpeg);
	t_jpeg_tables(&jpeg);
	t_jpeg_frame(&jpeg, 6, 4);
	jpeg.data[SIZE_AT - 4] = 0xde;
	t_jpeg_frame(&jpeg, 3, 2);
	t_jpeg_scan(&jpeg);
	bomb = jpeg;
	t_jpeg_frame(&jpeg, 6, 4);
	jpeg.data[jpeg.length - 12] = 0xc5;
	t_jpeg_scan(&jpeg);
	t_raw(&jpeg, "\xff\xd9", 2);
	t_ok(t_judge_sample("image/jpeg", &jpeg));
	t_accepted("image", "image/jpeg",
		   "{\"width\":6,\"height\":4,\"frames\":1,\"color\":\"gray\"}");
	t_jpeg_frame(&bomb, 65535, 65535);
	refused(&bomb, "image.pixels", (int64_t)bomb.length - 8);
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

/* A frame of some components, with their names, and what may stand before it. */
static void coloured(const char *names, int code, const void *segment, size_t length,
		     const char *color)
{
	struct t_sample jpeg = { 0 }, frame = { 0 }, scan = { 0 };
	size_t count = strlen(names);
	char facts[100];

	t_raw(&frame, "\x08\0\x02\0\x03", 5);
	t_be(&frame, count, 1);
	t_be(&scan, count, 1);
	for (size_t i = 0; i < count; i++) {
		t_raw(&frame, &names[i], 1);
		t_raw(&frame, "\x11\0", 2);
		t_raw(&scan, &names[i], 1);
		t_be(&scan, 0, 1);
	}
	t_raw(&scan, "\0\x3f\0", 3);
	begin(&jpeg);
	if (segment)
		t_jpeg_segment(&jpeg, code, segment, length);
	t_jpeg_tables(&jpeg);
	t_jpeg_segment(&jpeg, 0xc0, frame.data, frame.length);
	t_jpeg_segment(&jpeg, 0xda, scan.data, scan.length);
	t_raw(&jpeg, "x\xff\xd9", 3);
	t_ok(t_judge_sample("image/jpeg", &jpeg));
	snprintf(facts, sizeof(facts),
		 "{\"width\":3,\"height\":2,\"frames\":1,\"color\":\"%s\"}", color);
	t_accepted("image", "image/jpeg", facts);
}

static void tells_colours(void **state)
{
	static const char adobe[3][13] = { "Adobe\0\x64\0\0\0\0\0",
					   "Adobe\0\x64\0\0\0\0\x01",
					   "Adobe\0\x64\0\0\0\0\x02" };

	coloured("\x01", 0, NULL, 0, "gray");
	coloured("\x01\x02\x03", 0, NULL, 0, "ycbcr");
	coloured("RGB", 0, NULL, 0, "rgb");
	coloured("RGB", 0xe0, "JFIF\0\1\1\0\0\1\0\1\0\0", 14, "ycbcr");
	coloured("\x01\x02\x03", 0xee, adobe[0], 12, "rgb");
	coloured("RGB", 0xee, adobe[1], 12, "ycbcr");
	coloured("CMYK", 0, NULL, 0, "cmyk");
	coloured("CMYK", 0xee, adobe[0], 12, "cmyk");
	coloured("CMYK", 0xee, adobe[2], 12, "ycck");
	coloured("ab", 0xee, "short", 5, "other");
}

static void segment(int code, const void *data, size_t length, const char *rule,
		    int64_t offset)
{
	struct t_sample jpeg = { 0 };

	begin(&jpeg);
	t_jpeg_segment(&jpeg, code, data, length);
	t_raw(&jpeg, "\xff", 1);
	refused(&jpeg, rule, offset);
}

static void checks_tables(void **state)
{
	unsigned char table[130] = { 0 };

	segment(0xdb, table, 64, "jpeg.length", 7);
	segment(0xdb, table, 66, "jpeg.length", 72);
	table[0] = 0x04;
	segment(0xdb, table, 65, "jpeg.table", 6);
	table[0] = 0x20;
	segment(0xc4, table, 17, "jpeg.table", 6);
	table[0] = 0x10;
	table[2] = 5;
	segment(0xc4, table, 22, "jpeg.table", 8);
	table[2] = 4; /* one of them is all ones */
	segment(0xc4, table, 21, "jpeg.table", 8);
	table[2] = 3;
	segment(0xc4, table, 19, "jpeg.length", 23);
	segment(0xdd, table, 1, "jpeg.length", 4);
}

static void checks_frames(void **state)
{
	segment(0xc0, "\x0c\0\x02\0\x03\x01\x01\x11\0", 9, "jpeg.frame", 6);
	segment(0xc2, "\x09\0\x02\0\x03\x01\x01\x11\0", 9, "jpeg.frame", 6);
	segment(0xc0, "\x08\0\x02\0\x03\x02\x01\x11\0", 9, "jpeg.frame", 11);
	segment(0xc0, "\x08\0\x02\0\x03\x01\x01\x51\0", 9, "jpeg.frame", 13);
	segment(0xc0, "\x08\0\x02\0\x03\x01\x01\x11\x04", 9, "jpeg.frame", 14);
}

/* A frame of component 1 with table 0, and a scan. */
static void scan(int sof, bool tables, const void *data, size_t length, const char *rule,
		 int64_t offset)
{
	struct t_sample jpeg = { 0 };

	begin(&jpeg);
	if (tables)
		t_jpeg_tables(&jpeg);
	t_jpeg_frame(&jpeg, 3, 2);
	jpeg.data[jpeg.length - 12] = (unsigned char)sof;
	offset += (int64_t)jpeg.length + 4;
	t_jpeg_segment(&jpeg, 0xda, data, length);
	t_raw(&jpeg, "\xff\xd9", 2);
	refused(&jpeg, rule, offset);
}

static void checks_scans(void **state)
{
	scan(0xc0, true, "\x01\x02\0\0\x3f\0", 6, "jpeg.scan", 1);
	scan(0xc0, true, "\x01\x01\x40\0\x3f\0", 6, "jpeg.scan", 2);
	scan(0xc0, true, "\x02\x01\0\0\x3f\0", 6, "jpeg.scan", 0);
	scan(0xc0, false, "\x01\x01\0\0\x3f\0", 6, "jpeg.scan", 1);
	scan(0xc2, true, "\x01\x01\0\0\x3f\0", 6, "jpeg.scan", 3);
	scan(0xc2, true, "\x01\x01\0\x05\x04\0", 6, "jpeg.scan", 3);
	scan(0xc2, true, "\x01\x01\0\x01\x04\x30", 6, "jpeg.scan", 5);
	/* No data: the marker behind it is one too many. */
	scan(0xc0, true, "\x01\x01\0\0\x3f\0", 6, "jpeg.order", 7);
}

/* They may stand before any marker, a restart between two intervals too. */
static void skips_fill_bytes(void **state)
{
	struct t_sample jpeg = { 0 };

	begin(&jpeg);
	t_jpeg_tables(&jpeg);
	t_jpeg_frame(&jpeg, 3, 2);
	t_jpeg_scan(&jpeg);
	t_raw(&jpeg, "\xff\xff\xff\xd1\x78\xff\xff\0\x9a\xff\xff\xd9", 12);
	t_ok(t_judge_sample("image/jpeg", &jpeg));
	t_accepted("image", "image/jpeg",
		   "{\"width\":3,\"height\":2,\"frames\":1,\"color\":\"gray\"}");
}

static void refuses_reserved_markers(void **state)
{
	struct t_sample jpeg = { 0 };

	begin(&jpeg);
	t_jpeg_segment(&jpeg, 0xbf, "x", 1);
	refused(&jpeg, "jpeg.marker", 3);
}

/* A thumbnail's end, inside a segment, does not end the image. */
static void skips_what_segments_hold(void **state)
{
	struct t_sample jpeg = { 0 };

	begin(&jpeg);
	t_jpeg_segment(&jpeg, 0xe1, "Exif\0\0\xff\xd8\xff\xd9", 10);
	t_jpeg_tables(&jpeg);
	t_jpeg_frame(&jpeg, 3, 2);
	t_jpeg_scan(&jpeg);
	t_jpeg_tables(&jpeg);
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
	cmocka_unit_test(knows_hierarchical_images),
	cmocka_unit_test(refuses_bombs),
	cmocka_unit_test(checks_the_order),
	cmocka_unit_test(checks_segments),
	cmocka_unit_test(takes_the_height_from_behind),
	cmocka_unit_test(tells_colours),
	cmocka_unit_test(checks_tables),
	cmocka_unit_test(checks_frames),
	cmocka_unit_test(checks_scans),
	cmocka_unit_test(skips_fill_bytes),
	cmocka_unit_test(refuses_reserved_markers),
	cmocka_unit_test(skips_what_segments_hold),
	cmocka_unit_test(survives_changes),
};

t_validate_main(tests)
