/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "base/arena.h"
#include "support/t.h"

static void grows_and_is_taken(void **state)
{
	struct sgh_buf buf = SGH_BUF_INIT(0);

	for (int i = 0; i < 1000; i++)
		sgh_buf_printf(&buf, "%d,", i % 10);
	assert_int_equal(buf.length, 2000);
	sgh_autofree char *text = sgh_buf_take(&buf);
	assert_int_equal(strlen(text), 2000);
	assert_string_equal(sgh_buf_text(&buf), "");
}

static void stops_at_its_bound(void **state)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(4);

	sgh_buf_puts(&buf, "abcd");
	assert_false(buf.failed);
	sgh_buf_puts(&buf, "e");
	assert_true(buf.failed);
	assert_string_equal(sgh_buf_text(&buf), "abcd");
	assert_null(sgh_buf_take(&buf));
}

/* Whatever room there is when it is printed, to the bound and past it. */
static void prints_into_any_room(void **state)
{
	for (int filled = 0; filled <= 300; filled++) {
		sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(260);

		for (int i = 0; i < filled && i < 260; i++)
			sgh_buf_putc(&buf, 'x');
		sgh_buf_printf(&buf, "%s%d", "number ", 12345);
		assert_int_equal(buf.failed, filled > 248);
		assert_int_equal(strlen(sgh_buf_text(&buf)), buf.length);
		if (!buf.failed)
			assert_string_equal(buf.data + filled, "number 12345");
		else
			assert_int_equal(buf.length, filled < 260 ? filled : 260);
	}
}

static void names_members(void **state)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(0);

	sgh_buf_putc(&buf, '{');
	sgh_buf_name(&buf, "a");
	sgh_buf_puts(&buf, "{");
	sgh_buf_name(&buf, "b");
	sgh_buf_puts(&buf, "1");
	sgh_buf_name(&buf, "c");
	sgh_buf_puts(&buf, "2}}");
	assert_string_equal(sgh_buf_text(&buf), "{\"a\":{\"b\":1,\"c\":2}}");
}

static void escapes_json(void **state)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(0);

	sgh_buf_json(&buf, "a\"\\\n\x01ü\xff\xed\xa0\x80\xf4\x8f\xbf\xbf");
	assert_string_equal(sgh_buf_text(&buf),
			    "\"a\\\"\\\\\\n\\u0001ü\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
			    "\xef\xbf\xbd\xf4\x8f\xbf\xbf\"");
	sgh_buf_clear(&buf);
	sgh_buf_json(&buf, "");
	sgh_buf_json(&buf, "plain \x7f text");
	assert_string_equal(sgh_buf_text(&buf), "\"\"\"plain \\u007f text\"");
}

static void arena_keeps_its_bound(void **state)
{
	struct sgh_arena arena = { .max = 64 };

	assert_string_equal(sgh_arena_strdup(&arena, "hello"), "hello");
	assert_null(sgh_arena_alloc(&arena, 64));
	assert_null(sgh_arena_alloc(&arena, SIZE_MAX));
	assert_non_null(sgh_arena_alloc(&arena, 56));
	sgh_arena_fini(&arena);
	assert_int_equal(arena.used, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(grows_and_is_taken),   cmocka_unit_test(stops_at_its_bound),
	cmocka_unit_test(prints_into_any_room), cmocka_unit_test(names_members),
	cmocka_unit_test(escapes_json),         cmocka_unit_test(arena_keeps_its_bound),
};

t_main(tests)
