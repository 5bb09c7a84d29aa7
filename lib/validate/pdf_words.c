/* SPDX-License-Identifier: MIT */
#include "validate/pdf.h"

#include <endian.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/util.h"

/* The letters of a word as they stand in `last`, and how many of its bytes count. */
#define OBJ        UINT64_C(0x6f626a)           /* obj */
#define ENDOBJ     UINT64_C(0x656e646f626a)     /* endobj */
#define XREF       UINT64_C(0x78726566)         /* xref */
#define XREF_NAME  UINT64_C(0x2f58526566)       /* /XRef */
#define STARTXREF  UINT64_C(0x7461727478726566) /* tartxref */
#define ENDSTREAM  UINT64_C(0x6e6473747265616d) /* ndstream */
#define END_OF_PDF UINT64_C(0x2525454f46)       /* %%EOF */

/* Writers count line ends before a word, or they do not; more is a wrong offset. */
#define MAX_SPACE ((size_t)4)

static bool ends_with(uint64_t last, uint64_t word, unsigned length)
{
	return length == 8 ? last == word
			   : (last & ((UINT64_C(1) << 8 * length) - 1)) == word;
}

static enum sgh_pdf_word word_of(uint64_t last)
{
	switch (last & 0xff) {
	case 'f':
		if (ends_with(last, STARTXREF, 8))
			return SGH_PDF_STARTXREF;
		if (ends_with(last, XREF_NAME, 5))
			return SGH_PDF_XREF_STREAM;
		return ends_with(last, XREF, 4) ? SGH_PDF_XREF : SGH_PDF_NONE;
	case 'j':
		if (ends_with(last, ENDOBJ, 6))
			return SGH_PDF_ENDOBJ;
		return ends_with(last, OBJ, 3) ? SGH_PDF_OBJ : SGH_PDF_NONE;
	case 'm':
		return ends_with(last, ENDSTREAM, 8) ? SGH_PDF_ENDSTREAM : SGH_PDF_NONE;
	default:
		return ends_with(last, END_OF_PDF, 5) ? SGH_PDF_EOF : SGH_PDF_NONE;
	}
}

/* The last bytes before p, at the end of `ret`; how many there are. */
static size_t look_back(const struct sgh_pdf_words *words, const unsigned char *p,
			unsigned char ret[SGH_PDF_KEPT])
{
	size_t fresh = sgh_min((size_t)(p - words->chunk), (size_t)SGH_PDF_KEPT);
	size_t kept = sgh_min(words->kept_length, SGH_PDF_KEPT - fresh);
	unsigned char *at = ret + SGH_PDF_KEPT - fresh;

	memcpy(at, p - fresh, fresh);
	memcpy(at - kept, words->kept + words->kept_length - kept, kept);
	return fresh + kept;
}

/* How many of `length` bytes, from the last on, are white space, or digits. */
static size_t spaces(const unsigned char *end, size_t length)
{
	size_t count = 0;

	while (count < length && sgh_pdf_space(end[-1 - (ptrdiff_t)count]))
		count++;
	return count;
}

static size_t digits(const unsigned char *end, size_t length)
{
	size_t count = 0;

	while (count < length && sgh_pdf_digit(end[-1 - (ptrdiff_t)count]))
		count++;
	return count;
}

/* What belongs to a file stands at `offset`: behind %%EOF it begins an update. */
static void note_update(struct sgh_pdf_words *words, uint64_t offset)
{
	if (!words->has_eof || words->updating)
		return;
	words->updating = true;
	words->update_at = offset;
}

/* "12 0 obj" ends before p: is it that, and where does it begin? */
static bool find_object(struct sgh_pdf_words *words, const unsigned char *p)
{
	unsigned char back[SGH_PDF_KEPT];
	size_t left = look_back(words, p, back) - 3;
	const unsigned char *at = back + SGH_PDF_KEPT - 3;
	uint64_t end = words->offset + (uint64_t)(p - words->chunk);

	for (int i = 0; i < 2; i++) {
		size_t blank = spaces(at, left);
		size_t number = digits(at - blank, left - blank);

		if (blank == 0 || number == 0)
			return false;
		at -= blank + number;
		left -= blank + number;
	}
	words->object.at = end - (uint64_t)(back + SGH_PDF_KEPT - at);
	words->object.from = words->object.at - spaces(at, sgh_min(left, MAX_SPACE));
	words->has_object = true;
	note_update(words, words->object.at);
	return true;
}

static void add_target(struct sgh_pdf_words *words, const struct sgh_pdf_target *target)
{
	uint64_t n = words->targets++;

	if (n < SGH_PDF_FIRST)
		words->first[n] = *target;
	else
		words->ring[(n - SGH_PDF_FIRST) % SGH_PDF_LAST] = *target;
}

/* The word xref ends before p: it is a word when a delimiter stands before it. */
static void add_table(struct sgh_pdf_words *words, const unsigned char *p)
{
	unsigned char back[SGH_PDF_KEPT];
	size_t left = look_back(words, p, back) - 4;
	const unsigned char *at = back + SGH_PDF_KEPT - 4;
	uint64_t offset = words->offset + (uint64_t)(p - words->chunk) - 4;
	struct sgh_pdf_target target = { .at = offset };

	if (left > 0 && (sgh_pdf_regular(at[-1]) || at[-1] == '/'))
		return;
	target.from = offset - spaces(at, sgh_min(left, MAX_SPACE));
	add_target(words, &target);
	note_update(words, offset);
}

/* "xrefs" and "/XRefStm" are no cross-reference: *p is what follows the word. */
static void settle(struct sgh_pdf_words *words, const unsigned char *p)
{
	enum sgh_pdf_word pending = words->pending;

	words->pending = SGH_PDF_NONE;
	if (sgh_pdf_regular(*p))
		return;
	if (pending == SGH_PDF_XREF)
		add_table(words, p);
	else if (words->has_object)
		add_target(words, &words->object);
}

static void read_startxref(struct sgh_pdf_startxref *s, unsigned char c, uint64_t offset)
{
	switch (s->state) {
	case SGH_PDF_BEFORE_NUMBER:
	case SGH_PDF_NUMBER:
		if (sgh_pdf_digit(c)) {
			if (s->state == SGH_PDF_BEFORE_NUMBER)
				s->number_at = offset;
			s->state = SGH_PDF_NUMBER;
			if (s->number < UINT64_MAX / 100)
				s->number = s->number * 10 + (c - '0');
			return;
		}
		if (s->state == SGH_PDF_BEFORE_NUMBER) {
			if (sgh_pdf_space(c))
				return;
			break;
		}
		s->state = SGH_PDF_AFTER_NUMBER;
		/* fall through */
	case SGH_PDF_AFTER_NUMBER:
		if (c == '%')
			s->state = SGH_PDF_COMMENT;
		else if (!sgh_pdf_space(c))
			break;
		return;
	case SGH_PDF_COMMENT:
		if (c == '\n' || c == '\r')
			s->state = SGH_PDF_AFTER_NUMBER;
		return;
	default:
		return;
	}
	s->state = SGH_PDF_BAD;
	s->bad_at = offset;
}

/* What stands between p and the end of the next word, to the last startxref. */
static void follow_startxref(struct sgh_pdf_words *words, const unsigned char *p,
			     const unsigned char *end)
{
	struct sgh_pdf_startxref *s = &words->startxref;

	for (; p < end && s->state != SGH_PDF_IDLE && s->state != SGH_PDF_BAD; p++)
		read_startxref(s, *p, words->offset + (uint64_t)(p - words->chunk));
}

/* `word` ends before p; false when it is only a part of another one. */
static bool found(struct sgh_pdf_words *words, enum sgh_pdf_word word,
		  const unsigned char *p)
{
	uint64_t end = words->offset + (uint64_t)(p - words->chunk);

	switch (word) {
	case SGH_PDF_OBJ:
		return find_object(words, p);
	case SGH_PDF_XREF:
	case SGH_PDF_XREF_STREAM:
		words->pending = word;
		return true;
	case SGH_PDF_STARTXREF:
		words->startxref =
			(struct sgh_pdf_startxref){ .state = SGH_PDF_BEFORE_NUMBER,
						    .at = end - strlen("startxref") };
		return true;
	case SGH_PDF_EOF:
		words->last_startxref = words->startxref;
		words->eof_at = end - strlen("%%EOF");
		words->has_eof = true;
		words->eofs++;
		words->updating = false;
		return true;
	default:
		return word != SGH_PDF_NONE;
	}
}

/*
 * To the next byte that may end a word, as far as it and the one before it tell, or to less
 * than 16 bytes before the end. Most of a file is compressed, and has few of those pairs.
 */
static const unsigned char *skip(const unsigned char *p, const unsigned char *end)
{
#ifdef __SSE2__
	static const char pairs[][2] = {
		{ 'e', 'f' }, { 'b', 'j' }, { 'a', 'm' }, { 'O', 'F' }
	};

	for (; end - p >= 16; p += 16) {
		__m128i before = _mm_loadu_si128((const __m128i *)(const void *)(p - 1));
		__m128i here = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i any = _mm_setzero_si128();
		unsigned found;

		for (size_t i = 0; i < SGH_COUNT(pairs); i++) {
			__m128i first =
				_mm_cmpeq_epi8(before, _mm_set1_epi8(pairs[i][0]));
			__m128i second = _mm_cmpeq_epi8(here, _mm_set1_epi8(pairs[i][1]));

			any = _mm_or_si128(any, _mm_and_si128(first, second));
		}
		found = (unsigned)_mm_movemask_epi8(any);
		if (found)
			return p + __builtin_ctz(found);
	}
#endif
	return p;
}

/* The last eight bytes before `to`, when `last` are those before `from`. */
static uint64_t last_before(uint64_t last, const unsigned char *from,
			    const unsigned char *to)
{
	if (to - from >= (ptrdiff_t)sizeof(last)) {
		memcpy(&last, to - sizeof(last), sizeof(last));
		return be64toh(last);
	}
	while (from < to)
		last = last << 8 | *from++;
	return last;
}

const unsigned char *sgh_pdf_words_next(struct sgh_pdf_words *words,
					const unsigned char *p, const unsigned char *end,
					enum sgh_pdf_word *ret)
{
	static const bool ends_word[256] = {
		['f'] = true, ['j'] = true, ['m'] = true, ['F'] = true
	};
	const unsigned char *start = p;
	uint64_t last = words->last;

	*ret = SGH_PDF_NONE;
	if (words->pending && p < end)
		settle(words, p);
	while (p < end && !*ret) {
		/* What stands before the first byte of a chunk is not at hand. */
		if (p > words->chunk) {
			const unsigned char *next = skip(p, end);

			last = last_before(last, p, next);
			p = next;
		}
		if (p == end)
			break;
		last = last << 8 | *p++;
		if (!ends_word[last & 0xff])
			continue;
		*ret = word_of(last);
		if (!*ret)
			continue;
		follow_startxref(words, start, p);
		start = p;
		if (!found(words, *ret, p))
			*ret = SGH_PDF_NONE;
	}
	follow_startxref(words, start, p);
	words->last = last;
	return p;
}

void sgh_pdf_words_begin(struct sgh_pdf_words *words, const unsigned char *data)
{
	words->chunk = data;
}

void sgh_pdf_words_end(struct sgh_pdf_words *words, const unsigned char *end)
{
	unsigned char back[SGH_PDF_KEPT];
	size_t length = look_back(words, end, back);

	memcpy(words->kept, back + SGH_PDF_KEPT - length, length);
	words->kept_length = length;
	words->offset += (uint64_t)(end - words->chunk);
}

static bool stands_at(const struct sgh_pdf_target *targets, uint64_t count,
		      uint64_t offset)
{
	for (uint64_t i = 0; i < count; i++) {
		if (offset >= targets[i].from && offset <= targets[i].at)
			return true;
	}
	return false;
}

bool sgh_pdf_words_target(const struct sgh_pdf_words *words, uint64_t offset)
{
	uint64_t first = sgh_min(words->targets, (uint64_t)SGH_PDF_FIRST);
	uint64_t later = words->targets - first;

	return later > SGH_PDF_LAST || stands_at(words->first, first, offset) ||
	       stands_at(words->ring, later, offset);
}
