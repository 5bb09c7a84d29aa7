/* SPDX-License-Identifier: MIT */
#include "support/judge.h"

static void refused(const struct t_sample *pdf, const char *rule, int64_t offset)
{
	t_fails(SANGRAHA_E_REJECTED, t_judge_sample("application/pdf", pdf));
	t_rule(rule, offset);
}

/* %PDF-1.4, some bytes, and an end of the case's own. */
static void made(struct t_sample *pdf, const char *middle, const char *end)
{
	t_raw_text(pdf, "%PDF-1.4\n");
	t_raw_text(pdf, middle);
	t_raw_text(pdf, end);
}

static void accepts(void **state)
{
	struct t_sample pdf = { 0 };

	t_pdf(&pdf);
	t_ok(t_judge_sample(NULL, &pdf));
	t_accepted("pdf", "application/pdf", "{\"version\":\"1.7\",\"encrypted\":false}");
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

static void tells_encryption(void **state)
{
	struct t_sample pdf = { 0 };

	made(&pdf, "trailer <</EncryptMetadata true /Encrypt 5 0 R>>\n",
	     "startxref\n9\n%%EOF");
	t_ok(t_judge_sample("application/pdf", &pdf));
	t_accepted("pdf", "application/pdf", "{\"version\":\"1.4\",\"encrypted\":true}");
}

static void wants_a_version(void **state)
{
	struct t_sample pdf = { 0 };

	t_pdf(&pdf);
	pdf.data[7] = 'x';
	refused(&pdf, "pdf.version", 7);
}

static void wants_startxref(void **state)
{
	struct t_sample none = { 0 }, number = { 0 }, far = { 0 }, zero = { 0 };

	made(&none, "xref\n", "%%EOF\n");
	refused(&none, "pdf.startxref", 14);
	made(&number, "xref\n", "startxref\nabc\n%%EOF\n");
	refused(&number, "pdf.startxref", 24);
	made(&far, "xref\n", "startxref\n14\n%%EOF\n");
	refused(&far, "pdf.startxref", 24);
	made(&zero, "xref\n", "startxref\n0\n%%EOF\n");
	refused(&zero, "pdf.startxref", 24);
}

static void numbers_do_not_wrap(void **state)
{
	struct t_sample pdf = { 0 };

	made(&pdf, "xref\n", "startxref\n18446744073709551625\n%%EOF\n");
	refused(&pdf, "pdf.startxref", 24);
}

static void limits_what_follows(void **state)
{
	char junk[1026];
	struct t_sample pdf = { 0 };

	memset(junk, 'x', sizeof(junk));
	junk[1024] = '\0';
	made(&pdf, "xref\n", "startxref\n9\n%%EOF");
	t_raw_text(&pdf, junk);
	t_ok(t_judge_sample("application/pdf", &pdf));
	t_raw_text(&pdf, "x");
	refused(&pdf, "pdf.end", (int64_t)pdf.length);
}

/* Longer than the tail that is kept. */
static void keeps_only_the_tail(void **state)
{
	char middle[3001];
	struct t_sample pdf = { 0 };

	memset(middle, ' ', 3000);
	middle[3000] = '\0';
	made(&pdf, middle, "startxref\n2999\n%%EOF\n");
	t_ok(t_judge_sample("application/pdf", &pdf));
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
	cmocka_unit_test(tells_encryption),
	cmocka_unit_test(wants_a_version),
	cmocka_unit_test(wants_startxref),
	cmocka_unit_test(numbers_do_not_wrap),
	cmocka_unit_test(limits_what_follows),
	cmocka_unit_test(keeps_only_the_tail),
	cmocka_unit_test(survives_changes),
};

t_validate_main(tests)
