/* SPDX-License-Identifier: MIT */
#include "support/t.h"

#include "rest/multipart.h"

/* What the parser gave out: "[name|filename|type]bytes." for each part. */
struct seen {
	char text[8192];
	size_t length;
	size_t take; /* at most so much at a time, and nothing the next time; 0: all */
	bool full;
};

static void add(struct seen *seen, const void *data, size_t length)
{
	assert_true(seen->length + length < sizeof(seen->text));
	memcpy(seen->text + seen->length, data, length);
	seen->length += length;
	seen->text[seen->length] = '\0';
}

static int begin(void *arg, const struct sgh_part_header *header,
		 struct sangraha_error *err)
{
	char text[512];

	snprintf(text, sizeof(text), "[%s|%s|%s]", header->name,
		 header->filename ? header->filename : "-",
		 header->content_type ? header->content_type : "-");
	add(arg, text, strlen(text));
	return 0;
}

static int data(void *arg, const char *bytes, size_t length, size_t *ret_taken,
		struct sangraha_error *err)
{
	struct seen *seen = arg;

	*ret_taken = seen->take ? sgh_min(length, seen->take) : length;
	if (seen->take && seen->full)
		*ret_taken = 0;
	seen->full = !seen->full;
	add(seen, bytes, *ret_taken);
	return 0;
}

static int end(void *arg, struct sangraha_error *err)
{
	add(arg, ".", 1);
	return 0;
}

static const struct sgh_multipart_sink sink = { begin, data, end };

/* Feed in pieces of `step` bytes, each in memory of its own size. */
static int feed(struct seen *seen, const char *type, const char *body, size_t length,
		size_t step)
{
	static struct sgh_multipart multipart;
	int status = sgh_multipart_init(&multipart, type, &sink, seen, &t_err);

	for (size_t at = 0; status == 0 && at < length;) {
		size_t n = sgh_min(step, length - at);
		char *piece = malloc(n);
		size_t taken = 0;

		memcpy(piece, body + at, n);
		status = sgh_multipart_feed(&multipart, piece, n, &taken, &t_err);
		free(piece);
		at += taken;
	}
	return status ? status : sgh_multipart_finish(&multipart, &t_err);
}

#define TYPE "multipart/form-data; boundary=xyz"
#define PART "Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n"

static int feed_text(struct seen *seen, const char *body)
{
	memset(seen, 0, sizeof(*seen));
	return feed(seen, TYPE, body, strlen(body), strlen(body));
}

static const char two_parts[] =
	"preamble\r\n--xyz\r\n" PART "Content-Type: image/png\r\n\r\n"
	"ab\r\n--xy\r\r\n--xy-\r\n\r\n--xyz \t\r\n"
	"Content-Disposition: form-data; name=\"meta.a\"\r\n\r\n"
	"1\r\n--xyz--\r\nepilogue";
static const char two_parts_seen[] = "[file|a.png|image/png]ab\r\n--xy\r\r\n--xy-\r\n."
				     "[meta.a|-|-]1.";

static void parts_are_found(void **state)
{
	struct seen seen;

	t_ok(feed_text(&seen, two_parts));
	assert_string_equal(seen.text, two_parts_seen);
}

static void a_boundary_may_be_split_anywhere(void **state)
{
	for (size_t step = 1; step < sizeof(two_parts); step++) {
		struct seen seen = { 0 };

		t_ok(feed(&seen, TYPE, two_parts, sizeof(two_parts) - 1, step));
		assert_string_equal(seen.text, two_parts_seen);
	}
}

static void a_sink_may_take_less(void **state)
{
	for (size_t take = 1; take < 8; take++) {
		struct seen seen = { .take = take };

		t_ok(feed(&seen, TYPE, two_parts, sizeof(two_parts) - 1, 13));
		assert_string_equal(seen.text, two_parts_seen);
	}
}

static void binary_bytes_are_kept(void **state)
{
	static const char body[] = "--xyz\r\n" PART "\r\n\0\xff\r\r\n\n--xyz\0"
				   "\r\n--xyz--";
	struct seen seen = { 0 };

	t_ok(feed(&seen, TYPE, body, sizeof(body) - 1, 7));
	assert_memory_equal(seen.text, "[file|a.png|-]\0\xff\r\r\n\n--xyz\0.",
			    seen.length);
}

static void a_part_may_be_empty(void **state)
{
	struct seen seen;

	t_ok(feed_text(&seen, "--xyz\r\n" PART "\r\n\r\n--xyz--\r\n"));
	assert_string_equal(seen.text, "[file|a.png|-].");
}

static void a_part_may_have_no_header(void **state)
{
	struct seen seen;

	t_ok(feed_text(&seen, "--xyz\r\n\r\nx\r\n--xyz--\r\n"));
	assert_string_equal(seen.text, "[|-|-]x.");
}

static void names_are_utf8(void **state)
{
	struct seen seen;

	t_ok(feed_text(&seen, "--xyz\r\nContent-Disposition: form-data; name=file; "
			      "filename=\"Menü.png\"\r\n\r\nx\r\n--xyz--"));
	assert_string_equal(seen.text, "[file|Menü.png|-]x.");
	t_ok(feed_text(&seen, "--xyz\r\ncontent-disposition: form-data; name=file; "
			      "filename=x; filename*=UTF-8''%E2%82%AC.png\r\n\r\nx"
			      "\r\n--xyz--"));
	assert_string_equal(seen.text, "[file|€.png|-]x.");
}

static void malformed_bodies_are_refused(void **state)
{
	static const char *const bodies[] = {
		"",
		"x",
		"--xyz",
		"--xyz\r\n",
		"--xyz\r\n" PART,
		"--xyz\r\n" PART "\r\nx",
		"--xyz\r\n" PART "\r\nx\r\n--xyz",
		"--xyz\r\n" PART "\r\nx\r\n--xyz-",
		"--xyz\r\n" PART "\r\nx\r\n--xyz\r\n",
		"--xyzz\r\n" PART "\r\nx\r\n--xyz--",
		"--xyz-\r\n" PART "\r\nx\r\n--xyz--",
		"--xyz\n" PART "\r\nx\r\n--xyz--",
		"--xyz\r\nno colon\r\n\r\nx\r\n--xyz--",
		"--xyz\r\n: empty\r\n\r\nx\r\n--xyz--",
		"--xyz\r\nA: b\r\n folded\r\n\r\nx\r\n--xyz--",
		"--xyz\r\nA: b\nC: d\r\n\r\nx\r\n--xyz--",
		"--xyz\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n--xyz--",
	};

	for (size_t i = 0; i < SGH_COUNT(bodies); i++) {
		struct seen seen;

		t_fails(SANGRAHA_E_INVALID, feed_text(&seen, bodies[i]));
		t_says("multipart body is malformed");
	}
}

static void a_nul_in_a_header_is_refused(void **state)
{
	static const char body[] = "--xyz\r\nA: b\0c\r\n\r\nx\r\n--xyz--";
	struct seen seen = { 0 };

	t_fails(SANGRAHA_E_INVALID, feed(&seen, TYPE, body, sizeof(body) - 1, 5));
}

static void a_header_has_a_bound(void **state)
{
	size_t length = SGH_PART_HEADERS_MAX + 100;
	char *body = malloc(length);
	struct seen seen = { 0 };

	memset(body, 'a', length);
	memcpy(body, "--xyz\r\n", 7);
	t_fails(SANGRAHA_E_INVALID, feed(&seen, TYPE, body, length, 1000));
	t_says("too long");
	free(body);
}

static void what_is_around_the_parts_has_a_bound(void **state)
{
	size_t length = SGH_MULTIPART_SKIP_MAX + 100;
	char *body = calloc(1, length);
	struct seen seen = { 0 };

	t_fails(SANGRAHA_E_INVALID, feed(&seen, TYPE, body, length, 1000));
	memcpy(body, "--xyz--", 7);
	t_fails(SANGRAHA_E_INVALID, feed(&seen, TYPE, body, length, 1000));
	free(body);
}

static void the_boundary_is_read(void **state)
{
	static const struct {
		const char *type;
		int status;
	} table[] = {
		{ "multipart/form-data; boundary=xyz", 0 },
		{ "multipart/form-data; boundary=\"xyz\"", 0 },
		{ "multipart/form-data; charset=utf-8; Boundary=xyz", 0 },
		{ "multipart/form-data;boundary=xyz ; a=b", 0 },
		{ "multipart/form-data; a=\"x; boundary=q\"; boundary=xyz", 0 },
		{ "multipart/form-data", SANGRAHA_E_INVALID },
		{ "multipart/form-data; boundary", SANGRAHA_E_INVALID },
		{ "multipart/form-data; boundary=", SANGRAHA_E_INVALID },
		{ "multipart/form-data; boundary=\"xyz", SANGRAHA_E_INVALID },
		{ "multipart/form-data; boundary=\"xyz \"", SANGRAHA_E_INVALID },
		{ "multipart/form-data; boundary=x\"yz", SANGRAHA_E_INVALID },
		{ "multipart/form-data; boundary="
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaa",
		  SANGRAHA_E_INVALID },
	};

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		struct seen seen = { 0 };
		int status =
			feed(&seen, table[i].type, two_parts, sizeof(two_parts) - 1, 100);

		if (status != table[i].status)
			fail_msg("%s: %d", table[i].type, status);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(parts_are_found),
	cmocka_unit_test(a_boundary_may_be_split_anywhere),
	cmocka_unit_test(a_sink_may_take_less),
	cmocka_unit_test(binary_bytes_are_kept),
	cmocka_unit_test(a_part_may_be_empty),
	cmocka_unit_test(a_part_may_have_no_header),
	cmocka_unit_test(names_are_utf8),
	cmocka_unit_test(malformed_bodies_are_refused),
	cmocka_unit_test(a_nul_in_a_header_is_refused),
	cmocka_unit_test(a_header_has_a_bound),
	cmocka_unit_test(what_is_around_the_parts_has_a_bound),
	cmocka_unit_test(the_boundary_is_read),
};

t_main(tests)
