/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "support/t.h"
#include "wire/filename.h"

static void names(const char *header, const char *wanted)
{
	char *name = NULL;
	char *filename = NULL;

	t_ok(sgh_disposition_parse(header, &name, &filename, &t_err));
	if (!sgh_streq(filename, wanted))
		fail_msg("%s: \"%s\", not \"%s\"", header, filename ? filename : "NULL",
			 wanted ? wanted : "NULL");
	free(name);
	free(filename);
}

static void reads_tokens(void **state)
{
	names("attachment; filename=foo.html", "foo.html");
	names("attachment;filename=foo.html", "foo.html");
	names("Attachment ; FileName = foo.html ; size=3", "foo.html");
	names("inline", NULL);
	names("attachment;", NULL);
	names("attachment; filename=foo[1](2).html", "foo[1](2).html");
	names("attachment; filename=a@b,c:d.txt", "a@b,c:d.txt");
}

static void reads_quotations(void **state)
{
	names("attachment; filename=\"foo bar; filename=x.html\"",
	      "foo bar; filename=x.html");
	names("attachment; filename=\"f\\oo.html\"", "foo.html");
	names("attachment; filename=\"\\\"quoting\\\" tested.html\"",
	      "\"quoting\" tested.html");
	names("attachment; filename=\"\"", NULL);
	names("attachment; filename=\"Menü.pdf\"", "Menü.pdf");
	names("attachment; filename=\"foo%20bar.html\"", "foo%20bar.html");
}

/* RFC 8187 goes before the plain form, wherever it stands. */
static void prefers_the_extended_form(void **state)
{
	names("attachment; filename*=UTF-8''%e2%82%ac%20rates", "€ rates");
	names("attachment; filename=\"EURO\"; filename*=utf-8'en'%e2%82%ac", "€");
	names("attachment; filename*=utf-8''%e2%82%ac; filename=EURO", "€");
	names("attachment; filename*=ISO-8859-1''M%FCnchen", "München");
	names("attachment; filename*=UTF-8''a'b", "a'b");
}

static void takes_latin1_for_what_is_no_utf8(void **state)
{
	names("attachment; filename=\"M\xfcnchen.pdf\"", "München.pdf");
	names("attachment; filename=na\xefve.txt", "naïve.txt");
}

static void cuts_paths(void **state)
{
	names("attachment; filename=\"/tmp/foo.html\"", "foo.html");
	names("attachment; filename=\"C:\\dir\\new.html\"", "new.html");
	names("attachment; filename=\"C:\\\\dir\\\\new.html\"", "new.html");
	names("attachment; filename=\"\\\\\\\\host\\\\x.pdf\"", "x.pdf");
	names("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd");
	names("attachment; filename=\"dir/\"", NULL);
}

static void reads_form_data(void **state)
{
	char *name = NULL;
	char *filename = NULL;

	t_ok(sgh_disposition_parse("form-data; name=\"meta.a\\\"b\"; filename=\"x.json\"",
				   &name, &filename, &t_err));
	assert_string_equal(name, "meta.a\"b");
	assert_string_equal(filename, "x.json");
	free(name);
	free(filename);
}

static void refuses_what_it_cannot_read(void **state)
{
	static const char *const bad[] = {
		"",
		";",
		"\"attachment\"",
		"attachment; filename",
		"attachment; filename=",
		"attachment; filename=\"foo",
		"attachment; filename=\"foo\\",
		"attachment; filename=\"foo\\\"",
		"attachment; filename=foo bar.html",
		"attachment; filename=foo\"bar\"",
		"attachment; filename=\"foo\" bar",
		"attachment; filename=a; filename=b",
		"attachment; filename*=UTF-8''a; filename*=UTF-8''b",
		"attachment; ;filename=a",
		"attachment; =a",
		"attachment foo=foo",
		"attachment, filename=a",
		"filename=foo.html",
		"attachment; filename*=foo",
		"attachment; filename*='foo",
		"attachment; filename*=\"UTF-8''foo\"",
		"attachment; filename*=UTF-8''%",
		"attachment; filename*=UTF-8''%4",
		"attachment; filename*=UTF-8''%00",
		"attachment; filename*=UTF-8''%ff",
		"attachment; filename*=UTF-7''a",
	};
	char *name = NULL;
	char *filename = NULL;

	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		if (sgh_disposition_parse(bad[i], &name, &filename, &t_err) !=
		    SANGRAHA_E_INVALID)
			fail_msg("accepted: %s", bad[i]);
	assert_null(name);
	assert_null(filename);
}

static void written(const char *name, const char *wanted)
{
	sgh_autobuf struct sgh_buf buf = { 0 };

	sgh_disposition_write(&buf, "attachment", name);
	assert_string_equal(sgh_buf_text(&buf), wanted);
}

static void writes(void **state)
{
	written("a.pdf", "attachment; filename=\"a.pdf\"");
	written("a b;c.pdf", "attachment; filename=\"a b;c.pdf\"");
	written("a\"b.pdf", "attachment; filename=\"a\\\"b.pdf\"");
	written("Menü.pdf", "attachment; filename=\"Men_.pdf\"; "
			    "filename*=UTF-8''Men%C3%BC.pdf");
	written("€ '(x)*.pdf", "attachment; filename=\"_ '(x)*.pdf\"; "
			       "filename*=UTF-8''%E2%82%AC%20%27%28x%29%2A.pdf");
}

/* Nothing that gets past the check could end a header line early; but if it did … */
static void writes_no_line_ends(void **state)
{
	written("a\r\nb\xff", "attachment; filename=\"a__b_\"; "
			      "filename*=UTF-8''a%0D%0Ab%FF");
}

static void reads_what_it_writes(void **state)
{
	static const char *const good[] = {
		"a",          "two words.pdf", "q\"u\"o;t=e.json", "報告書（最終）.pdf",
		"отчёт.json", "تقرير.pdf",     "50% 'off'*.png",   "😀.gif",
		"C:\"x",
	};

	for (size_t i = 0; i < SGH_COUNT(good); i++) {
		sgh_autobuf struct sgh_buf buf = { 0 };

		sgh_disposition_write(&buf, "inline", good[i]);
		names(sgh_buf_text(&buf), good[i]);
	}
}

/* Every cut of a header is read or refused, and never read past its end. */
static void copes_with_cuts(void **state)
{
	static const char header[] =
		"form-data; name=\"a\\\\b\"; filename=\"C:\\x\\y\\\"\"; "
		"filename*=utf-8'de'%e2%82%ac; x=y";

	for (size_t length = 0; length < sizeof(header); length++) {
		sgh_autofree char *cut = strndup(header, length);
		sgh_autofree char *name = NULL;
		sgh_autofree char *filename = NULL;
		int status = sgh_disposition_parse(cut, &name, &filename, &t_err);

		assert_true(status == 0 || status == SANGRAHA_E_INVALID);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(reads_tokens),
	cmocka_unit_test(reads_quotations),
	cmocka_unit_test(prefers_the_extended_form),
	cmocka_unit_test(takes_latin1_for_what_is_no_utf8),
	cmocka_unit_test(cuts_paths),
	cmocka_unit_test(reads_form_data),
	cmocka_unit_test(refuses_what_it_cannot_read),
	cmocka_unit_test(writes),
	cmocka_unit_test(writes_no_line_ends),
	cmocka_unit_test(reads_what_it_writes),
	cmocka_unit_test(copes_with_cuts),
};

t_main(tests)
