/* SPDX-License-Identifier: MIT */
#include "validate/format.h"

#include <inttypes.h>
#include <stdio.h>

#include <sangraha/error.h>

#include "base/util.h"
#include "validate/reader.h"

/*
 * PDF (ISO 32000-2, section 7.5): the header at byte 0, and at the end startxref with an
 * offset inside of the file, and %%EOF. What is between them is not looked at, but for the
 * name /Encrypt of a trailer.
 */
#define HEADER_LENGTH 8 /* %PDF-1.7 */
#define TAIL_SIZE     2048
#define MAX_TRAILING  1024 /* bytes after %%EOF */

#define NAME        "/Encrypt"
#define NAME_LENGTH 8

struct pdf {
	struct sgh_reader reader;
	bool has_header;
	char version[4];
	bool encrypted;
	unsigned matched; /* bytes of NAME */
	size_t next;      /* where the next byte goes in ring */
	unsigned char ring[TAIL_SIZE];
};

static bool is_space(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\0';
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static int read_header(struct pdf *pdf, struct sgh_refusal *ret)
{
	const unsigned char *field = sgh_reader_take(&pdf->reader, HEADER_LENGTH);

	if (!field)
		return 0;
	for (size_t i = 0; i < 5; i++) {
		if (field[i] != (unsigned char)"%PDF-"[i])
			return sgh_refuse(ret, "pdf.header", i,
					  "%%PDF- does not stand at the beginning");
	}
	if (field[5] != '1' && field[5] != '2')
		return sgh_refuse(ret, "pdf.version", 5, "PDF is of version 1 or 2");
	if (field[6] != '.')
		return sgh_refuse(ret, "pdf.version", 6, "expected a version as in 1.7");
	if (!is_digit(field[7]))
		return sgh_refuse(ret, "pdf.version", 7, "expected a version as in 1.7");
	memcpy(pdf->version, field + 5, 3);
	pdf->has_header = true;
	return 0;
}

/* /Encrypt and then a reference or a dictionary, in any split. */
static void find_encrypt(struct pdf *pdf, const unsigned char *p,
			 const unsigned char *end)
{
	while (p < end && !pdf->encrypted) {
		if (pdf->matched == 0) {
			p = memchr(p, NAME[0], (size_t)(end - p));
			if (!p)
				return;
			pdf->matched = 1;
			p++;
		} else if (pdf->matched < NAME_LENGTH) {
			if (*p == (unsigned char)NAME[pdf->matched]) {
				pdf->matched++;
				p++;
			} else {
				pdf->matched = 0;
			}
		} else if (is_space(*p)) {
			p++;
		} else {
			pdf->encrypted = is_digit(*p) || *p == '<';
			pdf->matched = 0;
		}
	}
}

static void keep_tail(struct pdf *pdf, const unsigned char *data, size_t length)
{
	size_t part;

	if (length > TAIL_SIZE) {
		data += length - TAIL_SIZE;
		length = TAIL_SIZE;
	}
	part = sgh_min(length, TAIL_SIZE - pdf->next);
	memcpy(pdf->ring + pdf->next, data, part);
	memcpy(pdf->ring, data + part, length - part);
	pdf->next = (pdf->next + length) % TAIL_SIZE;
}

static int feed(void *state, const unsigned char *data, size_t length,
		struct sgh_refusal *ret)
{
	struct pdf *pdf = state;
	int status;

	keep_tail(pdf, data, length);
	sgh_reader_set(&pdf->reader, data, length);
	if (!pdf->has_header) {
		status = read_header(pdf, ret);
		if (status || !pdf->has_header)
			return status;
	}
	if (!pdf->encrypted)
		find_encrypt(pdf, pdf->reader.at, pdf->reader.end);
	sgh_reader_advance(&pdf->reader, sgh_reader_left(&pdf->reader));
	return 0;
}

/* The last bytes in order; *ret_length of them. */
static void unroll(const struct pdf *pdf, unsigned char tail[TAIL_SIZE],
		   size_t *ret_length)
{
	size_t old = TAIL_SIZE - pdf->next;

	if (pdf->reader.offset < TAIL_SIZE) {
		*ret_length = pdf->next;
		memcpy(tail, pdf->ring, pdf->next);
		return;
	}
	*ret_length = TAIL_SIZE;
	memcpy(tail, pdf->ring + pdf->next, old);
	memcpy(tail + old, pdf->ring, pdf->next);
}

/* Where `word` stands last in the first `length` bytes; SIZE_MAX when nowhere. */
static size_t find_last(const unsigned char *tail, size_t length, const char *word)
{
	size_t size = strlen(word);

	for (size_t at = length; at >= size; at--) {
		if (memcmp(tail + at - size, word, size) == 0)
			return at - size;
	}
	return SIZE_MAX;
}

/* startxref, a number, white space. `at` is where the word begins, `end` is at %%EOF. */
static int check_startxref(const unsigned char *tail, size_t at, size_t end,
			   uint64_t base, struct sgh_refusal *ret)
{
	size_t number = at + strlen("startxref");
	uint64_t offset = 0;
	size_t p;

	while (number < end && is_space(tail[number]))
		number++;
	for (p = number; p < end && is_digit(tail[p]); p++) {
		if (offset < UINT64_MAX / 100)
			offset = offset * 10 + (tail[p] - '0');
	}
	if (p == number)
		return sgh_refuse(ret, "pdf.startxref", base + p,
				  "expected a number after startxref");
	if (offset < HEADER_LENGTH || offset >= base + at)
		return sgh_refuse(ret, "pdf.startxref", base + number,
				  "startxref points to %" PRIu64
				  ", where no cross-reference can be",
				  offset);
	while (p < end && is_space(tail[p]))
		p++;
	if (p < end)
		return sgh_refuse(ret, "pdf.startxref", base + p,
				  "expected %%%%EOF after startxref's number");
	return 0;
}

static int check_tail(const struct pdf *pdf, struct sgh_refusal *ret)
{
	uint64_t total = pdf->reader.offset;
	unsigned char tail[TAIL_SIZE];
	size_t length, eof, startxref;

	unroll(pdf, tail, &length);
	eof = find_last(tail, length, "%%EOF");
	if (eof == SIZE_MAX || length - eof - 5 > MAX_TRAILING)
		return sgh_refuse(ret, "pdf.end", total,
				  "no %%%%EOF within the last %d bytes", MAX_TRAILING);
	startxref = find_last(tail, eof, "startxref");
	if (startxref == SIZE_MAX)
		return sgh_refuse(ret, "pdf.startxref", total - length + eof,
				  "no startxref before %%%%EOF");
	return check_startxref(tail, startxref, eof, total - length, ret);
}

static int finish(void *state, char facts[SGH_FACTS_SIZE], struct sgh_refusal *ret)
{
	const struct pdf *pdf = state;
	int status;

	if (!pdf->has_header)
		return sgh_refuse(ret, "pdf.header", pdf->reader.offset,
				  "the file ends within its header");
	status = check_tail(pdf, ret);
	if (!status)
		snprintf(facts, SGH_FACTS_SIZE, "{\"version\":\"%s\",\"encrypted\":%s}",
			 pdf->version, pdf->encrypted ? "true" : "false");
	return status;
}

static void *begin(const struct sgh_limits *limits)
{
	return calloc(1, sizeof(struct pdf));
}

static bool looks(const unsigned char *data, size_t length)
{
	return length >= 5 && memcmp(data, "%PDF-", 5) == 0;
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
