/* SPDX-License-Identifier: MIT */
#include "validate/pdf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sangraha/error.h>

#include "base/util.h"
#include "validate/format.h"
#include "validate/reader.h"

/*
 * PDF (ISO 32000-2, section 7.5): a header, objects, and at the end startxref with the
 * offset of a cross-reference, and %%EOF. Which cross-reference that is is known only
 * then, so words.c remembers where they stand; what objects say is told by the lexer.
 */
#define HEADER         "%PDF-"
#define HEADER_LENGTH  5
#define VERSION_LENGTH 3

struct pdf {
	const struct sgh_limits *limits;
	struct sgh_reader reader;
	enum { HEAD, VERSION, BODY } state;
	size_t matched; /* bytes of HEADER */
	uint64_t start; /* offset of the header */
	char version[4];
	struct sgh_pdf_words words;
	struct sgh_pdf_lexer lexer;
};

static int read_header(struct pdf *pdf, struct sgh_refusal *ret)
{
	unsigned char c = *sgh_reader_take(&pdf->reader, 1);
	uint64_t offset = pdf->reader.offset - 1;

	if (c == (unsigned char)HEADER[pdf->matched]) {
		pdf->start = offset - pdf->matched++;
		if (pdf->matched == HEADER_LENGTH)
			pdf->state = VERSION;
	} else {
		pdf->matched = c == '%';
		pdf->start = offset + !pdf->matched;
	}
	if (pdf->start <= pdf->limits->pdf_max_leading)
		return 0;
	if (pdf->limits->pdf_max_leading == 0)
		return sgh_refuse(ret, "pdf.header", offset,
				  "%%PDF- does not stand at the beginning");
	return sgh_refuse(ret, "pdf.header", pdf->limits->pdf_max_leading,
			  "%%PDF- does not stand within the first %u bytes",
			  pdf->limits->pdf_max_leading + HEADER_LENGTH);
}

static int read_version(struct pdf *pdf, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&pdf->reader, VERSION_LENGTH);
	uint64_t start = pdf->reader.offset - VERSION_LENGTH;

	if (!field)
		return 0;
	if (field[0] != '1' && field[0] != '2')
		return sgh_refuse(ret, "pdf.version", start, "PDF is of version 1 or 2");
	for (size_t i = 1; i < VERSION_LENGTH; i++) {
		if (i == 1 ? field[i] != '.' : !sgh_pdf_digit(field[i]))
			return sgh_refuse(ret, "pdf.version", start + i,
					  "expected a version as in 1.7");
	}
	memcpy(pdf->version, field, VERSION_LENGTH);
	pdf->state = BODY;
	pdf->words.offset = pdf->reader.offset;
	pdf->lexer.offset = pdf->reader.offset;
	/* The rest of the header's line is a comment. */
	pdf->lexer.state = SGH_PDF_REMARK;
	return 0;
}

static int check_policy(const struct pdf *pdf, struct sgh_refusal *ret)
{
	uint64_t offset = pdf->lexer.fact_at;

	switch (pdf->lexer.refusal) {
	case 0:
		return 0;
	case SGH_PDF_ENCRYPTED:
		return sgh_refuse(ret, "pdf.encryption", offset, "the PDF is encrypted");
	case SGH_PDF_JAVASCRIPT:
		return sgh_refuse(ret, "pdf.javascript", offset, "it has JavaScript");
	case SGH_PDF_LAUNCH:
		return sgh_refuse(ret, "pdf.launch", offset,
				  "it has an action that starts a program");
	default:
		return sgh_refuse(ret, "pdf.files", offset, "it has files in it");
	}
}

static int read_body(struct pdf *pdf, struct sgh_refusal *ret)
{
	const unsigned char *p = pdf->reader.at;
	const unsigned char *end = pdf->reader.end;

	sgh_pdf_words_begin(&pdf->words, p);
	while (p < end && !pdf->lexer.refusal) {
		enum sgh_pdf_word word;
		const unsigned char *next =
			sgh_pdf_words_next(&pdf->words, p, end, &word);

		sgh_pdf_lexer_feed(&pdf->lexer, p, next);
		sgh_pdf_lexer_word(&pdf->lexer, word);
		p = next;
	}
	sgh_pdf_words_end(&pdf->words, p);
	sgh_reader_advance(&pdf->reader, sgh_reader_left(&pdf->reader));
	return check_policy(pdf, ret);
}

static int feed(void *state, const unsigned char *data, size_t length,
		struct sgh_refusal *ret)
{
	struct pdf *pdf = state;
	int status = 0;

	sgh_reader_set(&pdf->reader, data, length);
	while (!status && sgh_reader_left(&pdf->reader) > 0) {
		if (pdf->state == HEAD)
			status = read_header(pdf, ret);
		else if (pdf->state == VERSION)
			status = read_version(pdf, ret);
		else
			status = read_body(pdf, ret);
	}
	return status;
}

/* Offsets count from the header, or, when something stands before it, from byte 0. */
static bool points_well(const struct pdf *pdf, const struct sgh_pdf_startxref *s)
{
	uint64_t shifted = s->number + pdf->start;

	if (s->number >= HEADER_LENGTH && s->number < s->at &&
	    sgh_pdf_words_target(&pdf->words, s->number))
		return true;
	return pdf->start > 0 && shifted < s->at &&
	       sgh_pdf_words_target(&pdf->words, shifted);
}

static int check_startxref(const struct pdf *pdf, struct sgh_refusal *ret)
{
	const struct sgh_pdf_startxref *s = &pdf->words.last_startxref;

	switch (s->state) {
	case SGH_PDF_IDLE:
		return sgh_refuse(ret, "pdf.startxref", pdf->words.eof_at,
				  "no startxref before %%%%EOF");
	case SGH_PDF_BAD:
		return sgh_refuse(ret, "pdf.startxref", s->bad_at,
				  "expected startxref, a number and %%%%EOF");
	default:
		break;
	}
	if (!points_well(pdf, s))
		return sgh_refuse(ret, "pdf.startxref", s->number_at,
				  "startxref points to %" PRIu64
				  ", where no cross-reference stands",
				  s->number);
	return 0;
}

static int check_end(const struct pdf *pdf, struct sgh_refusal *ret)
{
	const struct sgh_pdf_words *words = &pdf->words;
	uint64_t total = pdf->reader.offset;

	if (pdf->state != BODY)
		return sgh_refuse(ret, "pdf.header", total,
				  "the file ends within its header");
	if (words->updating)
		return sgh_refuse(ret, "pdf.end", total,
				  "the update that begins at %" PRIu64 " has no %%%%EOF",
				  words->update_at);
	if (!words->has_eof ||
	    total - words->eof_at - strlen("%%EOF") > pdf->limits->pdf_max_trailing)
		return sgh_refuse(ret, "pdf.end", total,
				  "no %%%%EOF within the last %u bytes",
				  pdf->limits->pdf_max_trailing);
	return check_startxref(pdf, ret);
}

/* The page tree's root says it; a linearised file says it too, until it is updated. */
static const struct sgh_pdf_number *pages(const struct pdf *pdf)
{
	if (!pdf->lexer.page_count.known && pdf->words.eofs <= 2)
		return &pdf->lexer.linearized_pages;
	return &pdf->lexer.page_count;
}

/* What is worth a word only where it was found: flat, as sangraha_object_fact() has it. */
static void list_found(unsigned found, char *list, size_t size)
{
	static const struct {
		unsigned fact;
		const char *name;
	} facts[] = { { SGH_PDF_JAVASCRIPT, "javascript" },
		      { SGH_PDF_LAUNCH, "launch" },
		      { SGH_PDF_FILES, "files" },
		      { SGH_PDF_COMPRESSED, "compressed" } };
	size_t length = 0;

	*list = '\0';
	for (size_t i = 0; i < SGH_COUNT(facts); i++) {
		if (found & facts[i].fact)
			length += (size_t)snprintf(list + length, size - length,
						   ",\"%s\":true", facts[i].name);
	}
}

static void write_facts(const struct pdf *pdf, char facts[SGH_FACTS_SIZE])
{
	const struct sgh_pdf_number *count = pages(pdf);
	unsigned found = pdf->lexer.facts;
	char number[40] = "";
	char list[128];

	list_found(found, list, sizeof(list));
	if (count->known)
		snprintf(number, sizeof(number), ",\"pages\":%" PRIu64, count->value);
	snprintf(facts, SGH_FACTS_SIZE, "{\"version\":\"%s\",\"encrypted\":%s%s%s}",
		 pdf->version, found & SGH_PDF_ENCRYPTED ? "true" : "false", number,
		 list);
}

static int finish(void *state, char facts[SGH_FACTS_SIZE], struct sgh_refusal *ret)
{
	const struct pdf *pdf = state;
	int status = check_end(pdf, ret);

	if (!status)
		write_facts(pdf, facts);
	return status;
}

static void *begin(const struct sgh_limits *limits)
{
	struct pdf *pdf = calloc(1, sizeof(*pdf));

	if (!pdf)
		return NULL;
	pdf->limits = limits;
	pdf->lexer.refused = limits->pdf_refused;
	return pdf;
}

static bool looks(const unsigned char *data, size_t length)
{
	return length >= HEADER_LENGTH && memcmp(data, HEADER, HEADER_LENGTH) == 0;
}

const struct sgh_format sgh_format_pdf = {
	.mime_type = "application/pdf",
	.extension = "pdf",
	.looks = looks,
	.begin = begin,
	.feed = feed,
	.finish = finish,
	.end = free,
};
