/* SPDX-License-Identifier: MIT */
#include "support/judge.h"

#include <stdarg.h>

static void refused(const struct t_sample *pdf, const char *rule, int64_t offset)
{
	t_fails(SANGRAHA_E_REJECTED, t_judge_sample("application/pdf", pdf));
	t_rule(rule, offset);
}

static void accepted(const struct t_sample *pdf, const char *facts)
{
	t_ok(t_judge_sample("application/pdf", pdf));
	t_accepted("pdf", "application/pdf", facts);
}

static void text(struct t_sample *pdf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void text(struct t_sample *pdf, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	assert_in_range(vsnprintf(line, sizeof(line), format, args), 0, sizeof(line) - 1);
	va_end(args);
	t_raw_text(pdf, line);
}

/* A cross-reference table, a trailer with these entries, and the end of the file. */
static void end(struct t_sample *pdf, const char *trailer)
{
	size_t at = pdf->length;

	text(pdf, "xref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 1%s>>\n", trailer);
	text(pdf, "startxref\n%zu\n%%%%EOF\n", at);
}

/* %PDF-1.4, an object, and an end that fits. */
static void made(struct t_sample *pdf, const char *object)
{
	text(pdf, "%%PDF-1.4\n1 0 obj\n%s\nendobj\n", object);
	end(pdf, "");
}

/* The facts of an object alone. */
static void tells(const char *object, const char *facts)
{
	struct t_sample pdf = { 0 };
	char wanted[256];

	made(&pdf, object);
	snprintf(wanted, sizeof(wanted), "{\"version\":\"1.4\",\"encrypted\":false%s}",
		 facts);
	accepted(&pdf, wanted);
}

static void accepts(void **state)
{
	struct t_sample pdf = { 0 };

	t_pdf(&pdf);
	t_ok(t_judge_sample(NULL, &pdf));
	t_accepted("pdf", "application/pdf",
		   "{\"version\":\"1.7\",\"encrypted\":false,\"pages\":1}");
	t_ok(t_judge(NULL, "pdf", pdf.data, pdf.length));
}

static void refuses_every_beginning(void **state)
{
	struct t_sample pdf = { 0 };

	t_pdf(&pdf);
	t_truncate(&pdf, pdf.length - 1);
	pdf.length -= 2;
	refused(&pdf, "pdf.end", (int64_t)pdf.length);
}

static void wants_a_version(void **state)
{
	struct t_sample pdf = { 0 };

	t_pdf(&pdf);
	pdf.data[7] = 'x';
	refused(&pdf, "pdf.version", 7);
	pdf.data[5] = '9';
	refused(&pdf, "pdf.version", 5);
}

static void wants_startxref(void **state)
{
	struct t_sample none = { 0 }, number = { 0 }, far = { 0 }, junk = { 0 };

	text(&none, "%%PDF-1.4\nxref\n%%%%EOF\n");
	refused(&none, "pdf.startxref", 14);
	text(&number, "%%PDF-1.4\nxref\nstartxref\nabc\n%%%%EOF\n");
	refused(&number, "pdf.startxref", 24);
	text(&far, "%%PDF-1.4\nxref\nstartxref\n140\n%%%%EOF\n");
	refused(&far, "pdf.startxref", 24);
	text(&junk, "%%PDF-1.4\nxref\nstartxref\n9 9\n%%%%EOF\n");
	refused(&junk, "pdf.startxref", 26);
}

static void startxref_must_point_at_a_cross_reference(void **state)
{
	struct t_sample zero = { 0 }, other = { 0 }, name = { 0 }, word = { 0 };

	text(&zero, "%%PDF-1.4\nxref\nstartxref\n0\n%%%%EOF\n");
	refused(&zero, "pdf.startxref", 24);
	t_says("startxref points to 0");
	text(&other, "%%PDF-1.4\n1 0 obj <<>> endobj xref\nstartxref\n9\n%%%%EOF\n");
	refused(&other, "pdf.startxref", 44);
	text(&name, "%%PDF-1.4\n/xref\nstartxref\n10\n%%%%EOF\n");
	refused(&name, "pdf.startxref", 25);
	text(&word, "%%PDF-1.4\nxrefs\nstartxref\n9\n%%%%EOF\n");
	refused(&word, "pdf.startxref", 25);
}

/* Writers count the line's end before the word, or they do not. */
static void white_space_before_it_does_not_matter(void **state)
{
	for (int at = 9; at < 18; at++) {
		struct t_sample pdf = { 0 };

		text(&pdf, "%%PDF-1.4 \n \r\n xref\nstartxref\n%02d\n%%%%EOF\n", at);
		if (at >= 10 && at <= 14)
			t_ok(t_judge_sample("application/pdf", &pdf));
		else
			refused(&pdf, "pdf.startxref", 29);
	}
}

static void points_at_a_stream(void **state)
{
	struct t_sample pdf = { 0 }, hybrid = { 0 };

	text(&pdf, "%%PDF-1.5\n12 0 obj\n<</Type /XRef/Encrypt 5 0 R/Length 3>>\n"
		   "stream\n\xff(\n\nendstream\nendobj\nstartxref\n9\n%%%%EOF\n");
	accepted(&pdf, "{\"version\":\"1.5\",\"encrypted\":true}");
	t_truncate(&pdf, pdf.length - 1);
	t_mutate(&pdf, "application/pdf", 300);
	text(&hybrid, "%%PDF-1.5\n12 0 obj <<>> endobj\ntrailer <</XRefStm 3>>\n"
		      "startxref\n9\n%%%%EOF\n");
	refused(&hybrid, "pdf.startxref", 63);
}

static void comments_may_stand_at_the_end(void **state)
{
	struct t_sample pdf = { 0 };

	text(&pdf,
	     "%%PDF-1.4\nxref\n%%made by hand\nstartxref\r\n9 %% here\r\n%%%%EOF\r\n");
	t_ok(t_judge_sample("application/pdf", &pdf));
}

static void numbers_do_not_wrap(void **state)
{
	struct t_sample pdf = { 0 };

	text(&pdf, "%%PDF-1.4\nxref\nstartxref\n18446744073709551625\n%%%%EOF\n");
	refused(&pdf, "pdf.startxref", 24);
}

static void follows_updates(void **state)
{
	struct t_sample pdf = { 0 };
	size_t first;

	t_pdf(&pdf);
	first = pdf.length;
	text(&pdf, "2 0 obj\n<</Type/Pages/Kids[3 0 R 3 0 R]/Count 2>>\nendobj\n");
	end(&pdf, "/Prev 200");
	accepted(&pdf, "{\"version\":\"1.7\",\"encrypted\":false,\"pages\":2}");
	/* What has begun is to be ended, though the file was whole before it. */
	for (size_t length = first + 7; length < pdf.length - 1; length++) {
		struct t_sample cut = pdf;

		cut.length = length;
		refused(&cut, "pdf.end", (int64_t)length);
	}
}

/* A cross-reference alone is an update too: word processors write one for old readers. */
static void follows_updates_without_objects(void **state)
{
	struct t_sample pdf = { 0 };
	char begins[64];
	size_t first;

	t_pdf(&pdf);
	first = pdf.length;
	snprintf(begins, sizeof(begins), "the update that begins at %zu has", first);
	end(&pdf, "/Prev 200/XRefStm 15");
	t_ok(t_judge_sample("application/pdf", &pdf));
	for (size_t length = first + 5; length < pdf.length - 1; length++) {
		struct t_sample cut = pdf;

		cut.length = length;
		refused(&cut, "pdf.end", (int64_t)length);
	}
	t_says(begins);
}

static void follows_many_updates(void **state)
{
	struct t_sample pdf = { 0 }, middle;
	size_t at = 0;

	text(&pdf, "%%PDF-1.4\n");
	for (int i = 0; i < 32; i++) {
		at = pdf.length;
		end(&pdf, "");
	}
	t_ok(t_judge_sample("application/pdf", &pdf));
	middle = pdf;
	text(&middle, "startxref\n%zu\n%%%%EOF\n", at + 1);
	refused(&middle, "pdf.startxref", (int64_t)pdf.length + 10);
	/* More than are kept: it may point at one that was forgotten. */
	end(&pdf, "");
	text(&pdf, "startxref\n%zu\n%%%%EOF\n", at + 1);
	t_ok(t_judge_sample("application/pdf", &pdf));
}

/* Wherever the words stand, and whatever nearly is one stands around them. */
static void finds_words_at_any_place(void **state)
{
	static const char near[] =
		"xre ef.bj_am(OF)endstrea%%EO startxre/XRe ob ndobjxref";

	for (int before = 0; before < 40; before++) {
		struct t_sample pdf = { 0 };
		size_t at;

		text(&pdf, "%%PDF-1.4\n%%%.*s\n", before, near);
		at = pdf.length;
		text(&pdf, "1 0 obj\n<</Type/XRef/Length 50>>\nstream\n");
		text(&pdf, "%.*s\nendstream\nendobj\n", before, near);
		text(&pdf, "startxref\n%zu\n%%%%EOF\n", at);
		accepted(&pdf, "{\"version\":\"1.4\",\"encrypted\":false}");
		pdf.length -= strlen("%%EOF\n");
		refused(&pdf, "pdf.end", (int64_t)pdf.length);
	}
}

/* The first section stands at the beginning, with an end that points nowhere. */
static void accepts_linearised_files(void **state)
{
	struct t_sample pdf = { 0 };
	size_t first;

	text(&pdf,
	     "%%PDF-1.4\n9 0 obj\n<</Linearized 1/L 600/H[1 2]/N 17/T 3>>\nendobj\n");
	first = pdf.length;
	text(&pdf, "xref\n0 1\n0000000000 65535 f \ntrailer\n<</Prev 3>>\n"
		   "startxref\n0\n%%%%EOF\n");
	t_fails(SANGRAHA_E_REJECTED, t_judge_sample("application/pdf", &pdf));
	text(&pdf, "2 0 obj\n<<>>\nendobj\nxref\n0 0\ntrailer\n<<>>\n");
	text(&pdf, "startxref\n%zu\n%%%%EOF\n", first);
	accepted(&pdf, "{\"version\":\"1.4\",\"encrypted\":false,\"pages\":17}");
}

static void limits_what_follows(void **state)
{
	struct sangraha_policy policy = { .size = sizeof(policy), .pdf_max_trailing = 2 };
	char junk[1026];
	struct t_sample pdf = { 0 };

	memset(junk, 'x', sizeof(junk));
	junk[1023] = '\0';
	made(&pdf, "<<>>");
	t_raw_text(&pdf, junk);
	t_ok(t_judge_sample("application/pdf", &pdf));
	t_raw_text(&pdf, "x");
	refused(&pdf, "pdf.end", (int64_t)pdf.length);
	t_policy(&policy);
	pdf.length -= 1023;
	t_ok(t_judge_sample("application/pdf", &pdf));
	t_raw_text(&pdf, "x");
	refused(&pdf, "pdf.end", (int64_t)pdf.length);
}

static void limits_what_stands_before(void **state)
{
	struct sangraha_policy policy = { .size = sizeof(policy), .pdf_max_leading = 9 };
	struct t_sample whole = { 0 }, from_header = { 0 }, from_zero = { 0 };

	t_pdf(&whole);
	text(&from_header, "%%PDF%%%%\xff\n\n");
	from_zero = from_header;
	t_raw(&from_header, whole.data, whole.length);
	made(&from_zero, "<<>>");
	refused(&from_header, "pdf.header", 4);
	t_policy(&policy);
	t_ok(t_judge_sample("application/pdf", &whole));
	t_ok(t_judge_sample("application/pdf", &from_header));
	t_ok(t_judge_sample(NULL, &from_header));
	t_ok(t_judge_sample("application/pdf", &from_zero));
	policy.pdf_max_leading = 8;
	t_policy(&policy);
	refused(&from_header, "pdf.header", 8);
}

/* libmagic finds the header anywhere near the beginning. */
static void names_the_byte_where_the_header_belongs(void **state)
{
	struct sangraha_policy policy = { .size = sizeof(policy), .pdf_max_leading = 13 };
	struct t_sample pdf = { 0 };

	text(&pdf, "<html>\n<body>\n");
	made(&pdf, "<<>>");
	refused(&pdf, "pdf.header", 0);
	t_policy(&policy);
	refused(&pdf, "pdf.header", 13);
	policy.pdf_max_leading = 14;
	t_policy(&policy);
	t_ok(t_judge_sample("application/pdf", &pdf));
}

static void tells_encryption(void **state)
{
	struct t_sample yes = { 0 }, direct = { 0 }, no = { 0 };

	text(&yes, "%%PDF-1.4\n");
	end(&yes, "/EncryptMetadata true/#45ncrypt 5 0 R");
	accepted(&yes, "{\"version\":\"1.4\",\"encrypted\":true}");
	text(&direct, "%%PDF-1.4\n");
	end(&direct, "/Encrypt<</Filter/Standard>>");
	accepted(&direct, "{\"version\":\"1.4\",\"encrypted\":true}");
	text(&no, "%%PDF-1.4\n1 0 obj\n<</Encrypt 5 0 R>>\nendobj\n");
	end(&no, "/Encrypt null/ID[<</Encrypt 5 0 R>>]");
	accepted(&no, "{\"version\":\"1.4\",\"encrypted\":false}");
}

static void tells_what_acts(void **state)
{
	tells("<</S/JavaScript/JS(app.alert\\(1\\))>>", ",\"javascript\":true");
	tells("<</S /J#61vaScr#69pt /JS 4 0 R>>", ",\"javascript\":true");
	tells("<</S/Rendition/JS<6162>>>", ",\"javascript\":true");
	tells("<</S/Launch/F(cmd.exe)>>", ",\"launch\":true");
	tells("<</Names<</EmbeddedFiles 3 0 R>>>>", ",\"files\":true");
	tells("<</Type/Filespec/EF<</F 3 0 R>>>>", ",\"files\":true");
	tells("[/Launch/JavaScript/EmbeddedFile]",
	      ",\"javascript\":true,\"launch\":true,\"files\":true");
}

static void tells_nothing_of_texts(void **state)
{
	tells("(/JavaScript (nested) \\) /Launch)", "");
	tells("% /JavaScript\n<</JavaScripts/Launcher/F#zz/#4>>", "");
	tells("<</JS/Name/Font<</JS<<>>/EF 3 0 R>>>>", "");
	tells("<</Length 13>>\nstream\n/S/JavaScript\nendstream", "");
	tells("<</Length 4 0 R>>\nstream\r\n/S/Launch endstream", "");
}

/* The word stream is data, and what follows endstream is not. */
static void nothing_hides_behind_a_stream(void **state)
{
	tells("(>>\nstream\n)<</S/Launch>>", ",\"launch\":true");
	tells("<</A/B>> % stream\n<</S/Launch>>", ",\"launch\":true");
	tells("<</Length 99999>>\nstream\n(\nendstream\nendobj\n2 0 obj\n"
	      "<</S/JavaScript>>",
	      ",\"javascript\":true");
	tells("(unbalanced\nendobj\n2 0 obj\n<</S/JavaScript>>", ",\"javascript\":true");
}

static void refuses_what_acts_by_policy(void **state)
{
	struct sangraha_policy policy = { .size = sizeof(policy) };
	struct t_sample pdf = { 0 }, secret = { 0 };

	made(&pdf, "<</S/Launch/A/JavaScript/EF<<>>>>");
	policy.pdf_launch = SANGRAHA_CHOICE_REFUSE;
	t_policy(&policy);
	refused(&pdf, "pdf.launch", 21);
	policy.pdf_javascript = SANGRAHA_CHOICE_REFUSE;
	t_policy(&policy);
	refused(&pdf, "pdf.launch", 21);
	policy.pdf_launch = SANGRAHA_CHOICE_ACCEPT;
	t_policy(&policy);
	refused(&pdf, "pdf.javascript", 30);
	policy.pdf_javascript = SANGRAHA_CHOICE_DEFAULT;
	policy.pdf_files = SANGRAHA_CHOICE_REFUSE;
	policy.pdf_encryption = SANGRAHA_CHOICE_REFUSE;
	t_policy(&policy);
	refused(&pdf, "pdf.files", 41);
	made(&secret, "<<>>");
	t_ok(t_judge_sample("application/pdf", &secret));
	end(&secret, "/Encrypt 5 0 R");
	refused(&secret, "pdf.encryption", 143);
	assert_memory_equal(secret.data + 143, "/Encrypt 5 0 R", 14);
}

static void counts_pages(void **state)
{
	tells("<</Count 3/Type/Pages/Kids[2 0 R 4 0 R 5 0 R]>>", ",\"pages\":3");
	tells("<</Type/Pages/Count 3/Parent 7 0 R>>", "");
	tells("<</Type/Pages/Count 3 0 R>>", "");
	tells("<</Type/Pages/Count -3>>", "");
	tells("<</Type/Pages/Count 12345678901234567>>", "");
	tells("<</A<</Type/Pages/Count 3>>>>", "");
	/* A document in an attachment has its own. */
	tells("<</Type/Pages/Count 3>>\nendobj\n2 0 obj\n<</Length 70>>\nstream\n"
	      "endstream\n2 0 obj\n<</Type/Pages/Count 8>>\nendobj\nendstream\n",
	      ",\"pages\":3");
}

static void tells_that_objects_are_compressed(void **state)
{
	tells("<</Type/ObjStm/N 4/First 20/Length 3>>\nstream\nabc\nendstream",
	      ",\"compressed\":true");
}

static void survives_changes(void **state)
{
	struct t_sample pdf = { 0 };

	t_pdf(&pdf);
	t_mutate(&pdf, NULL, 500);
	t_mutate(&pdf, "application/pdf", 500);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(accepts),
	cmocka_unit_test(refuses_every_beginning),
	cmocka_unit_test(wants_a_version),
	cmocka_unit_test(wants_startxref),
	cmocka_unit_test(startxref_must_point_at_a_cross_reference),
	cmocka_unit_test(white_space_before_it_does_not_matter),
	cmocka_unit_test(points_at_a_stream),
	cmocka_unit_test(comments_may_stand_at_the_end),
	cmocka_unit_test(numbers_do_not_wrap),
	cmocka_unit_test(follows_updates),
	cmocka_unit_test(follows_updates_without_objects),
	cmocka_unit_test(follows_many_updates),
	cmocka_unit_test(finds_words_at_any_place),
	cmocka_unit_test(accepts_linearised_files),
	t_policy_case(limits_what_follows),
	t_policy_case(limits_what_stands_before),
	t_policy_case(names_the_byte_where_the_header_belongs),
	cmocka_unit_test(tells_encryption),
	cmocka_unit_test(tells_what_acts),
	cmocka_unit_test(tells_nothing_of_texts),
	cmocka_unit_test(nothing_hides_behind_a_stream),
	t_policy_case(refuses_what_acts_by_policy),
	cmocka_unit_test(counts_pages),
	cmocka_unit_test(tells_that_objects_are_compressed),
	cmocka_unit_test(survives_changes),
};

t_validate_main(tests)
