/* SPDX-License-Identifier: MIT */
#include "validate/json_fast.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

#include "validate/json.h"
#include "validate/json_skip.h"

/*
 * Two stages, after Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (2019).
 * The first finds, 64 bytes at a time and without branches, where tokens begin, and
 * checks what strings hold; the second checks that the tokens are in order. What is not
 * as it should be is left to the state machine in json.c, which knows how to tell.
 */
#define TARGET __attribute__((target("avx2,bmi,bmi2,popcnt,pclmul")))
#define WINDOW 4096 /* bytes at a time */
#define BEYOND 64   /* bytes behind a window that may be read */

/* A bit for each of 64 bytes. */
struct masks {
	uint64_t backslash;
	uint64_t quote;
	uint64_t control;
	uint64_t space;
	uint64_t marks; /* one of {}[]:, and two control characters */
	uint64_t high;  /* no ASCII */
};

struct stage {
	const unsigned char *text;
	size_t length;    /* a multiple of 64 */
	uint64_t escaped; /* 1: the first byte of the next block is */
	uint64_t string;  /* all ones: the next block begins in a string */
	uint64_t scalar;  /* 1: the block before ended in a number or a word */
	size_t checked;   /* UTF-8, up to here */
	bool bad;
	size_t count;
	uint16_t index[WINDOW + 64]; /* where tokens begin */
};

TARGET static inline uint64_t mask_of(__m256i low, __m256i high)
{
	return (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32 |
	       (uint32_t)_mm256_movemask_epi8(low);
}

TARGET static inline uint64_t equal(__m256i low, __m256i high, char c)
{
	__m256i wanted = _mm256_set1_epi8(c);

	return mask_of(_mm256_cmpeq_epi8(low, wanted), _mm256_cmpeq_epi8(high, wanted));
}

/* Bytes that a table has at the place that their low four bits tell. */
TARGET static inline uint64_t in_table(__m256i table, __m256i low, __m256i high,
				       __m256i with)
{
	__m256i a = _mm256_shuffle_epi8(table, low);
	__m256i b = _mm256_shuffle_epi8(table, high);

	return mask_of(_mm256_cmpeq_epi8(a, _mm256_or_si256(low, with)),
		       _mm256_cmpeq_epi8(b, _mm256_or_si256(high, with)));
}

TARGET static inline struct masks read_masks(const unsigned char *p)
{
	const __m256i spaces =
		_mm256_setr_epi8(' ', 100, 100, 100, 17, 100, 113, 2, 100, '\t', '\n',
				 112, 100, '\r', 100, 100, ' ', 100, 100, 100, 17, 100,
				 113, 2, 100, '\t', '\n', 112, 100, '\r', 100, 100);
	const __m256i operators =
		_mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ':', '{', ',', '}', 0, 0,
				 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ':', '{', ',', '}', 0, 0);
	__m256i low = _mm256_loadu_si256((const __m256i *)(const void *)p);
	__m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
	const __m256i most = _mm256_set1_epi8(0x1f);

	return (struct masks){
		.backslash = equal(low, high, '\\'),
		.quote = equal(low, high, '"'),
		.control = mask_of(_mm256_cmpeq_epi8(_mm256_max_epu8(low, most), most),
				   _mm256_cmpeq_epi8(_mm256_max_epu8(high, most), most)),
		.space = in_table(spaces, low, high, _mm256_setzero_si256()),
		/* [ and ] are { and } without this bit. */
		.marks = in_table(operators, low, high, _mm256_set1_epi8(0x20)),
		.high = mask_of(low, high),
	};
}

/* Bytes behind a backslash that is not behind one itself. */
TARGET static inline uint64_t find_escaped(struct stage *s, uint64_t backslash)
{
	const uint64_t even = UINT64_C(0x5555555555555555);
	uint64_t follows, odd_starts, sequences, escaped = s->escaped;

	if (!backslash) {
		s->escaped = 0;
		return escaped;
	}
	backslash &= ~escaped;
	follows = backslash << 1 | escaped;
	odd_starts = backslash & ~even & ~follows;
	s->escaped = __builtin_add_overflow(odd_starts, backslash, &sequences);
	return (even ^ sequences << 1) & follows;
}

/* Each bit is the parity of those up to it: from an opening quote up to the closing one. */
TARGET static inline uint64_t parities(uint64_t bits)
{
	__m128i all = _mm_set1_epi8((char)0xff);
	__m128i product =
		_mm_clmulepi64_si128(_mm_set_epi64x(0, (long long)bits), all, 0);

	return (uint64_t)_mm_cvtsi128_si64(product);
}

static inline bool is_hex(unsigned char c)
{
	unsigned char lower = c | 0x20;

	return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'f');
}

/* What the backslashes of a block escape; may look beyond the window. */
TARGET static bool escapes_valid(const unsigned char *block, uint64_t escapes)
{
	for (; escapes; escapes &= escapes - 1) {
		const unsigned char *p = block + _tzcnt_u64(escapes) + 1;

		switch (*p) {
		case '"':
		case '\\':
		case '/':
		case 'b':
		case 'f':
		case 'n':
		case 'r':
		case 't':
			break;
		case 'u':
			if (!is_hex(p[1]) || !is_hex(p[2]) || !is_hex(p[3]) ||
			    !is_hex(p[4]))
				return false;
			break;
		default:
			return false;
		}
	}
	return true;
}

/* The characters that begin in a block; may look beyond the window. */
TARGET static bool utf8_valid(struct stage *s, size_t block, uint64_t high)
{
	while (high) {
		size_t at = block + _tzcnt_u64(high);
		size_t length;

		if (at >= s->checked) {
			length = sgh_json_wide_length(s->text + at);
			if (length == 0)
				return false;
			s->checked = at + length;
		}
		if (s->checked >= block + 64)
			return true;
		high &= ~UINT64_C(0) << (s->checked - block);
	}
	return true;
}

TARGET static inline void add_tokens(struct stage *s, size_t block, uint64_t tokens)
{
	size_t count = (size_t)_mm_popcnt_u64(tokens);
	uint16_t *index = s->index + s->count;

	/* As many as there usually are, at once: what is too much is written over. */
	for (size_t i = 0; i < 16; i++) {
		index[i] = (uint16_t)(block + _tzcnt_u64(tokens));
		tokens &= tokens - 1;
	}
	for (size_t i = 16; i < count; i++) {
		index[i] = (uint16_t)(block + _tzcnt_u64(tokens));
		tokens &= tokens - 1;
	}
	s->count += count;
}

TARGET static inline void read_block(struct stage *s, size_t block)
{
	struct masks m = read_masks(s->text + block);
	uint64_t escaped = find_escaped(s, m.backslash);
	uint64_t quotes = m.quote & ~escaped;
	uint64_t string = parities(quotes) ^ s->string;
	uint64_t scalar = ~(m.marks | m.space);
	uint64_t word = scalar & ~quotes;
	uint64_t starts = m.marks | (scalar & ~(word << 1 | s->scalar));

	s->string = (uint64_t)((int64_t)string >> 63);
	s->scalar = word >> 63;
	add_tokens(s, block, starts & ~(string ^ quotes));
	s->bad |= (m.control & string) != 0;
	if (m.backslash)
		s->bad |= !escapes_valid(s->text + block, m.backslash & ~escaped);
	if (m.high)
		s->bad |= !utf8_valid(s, block, m.high);
}

/* Past a run of digits; NULL when there is none. */
TARGET static inline const unsigned char *skip_digits(const unsigned char *p)
{
	const __m128i nine = _mm_set1_epi8(9);
	const unsigned char *start = p;

	for (;;) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i digits = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
		unsigned found = (unsigned)_mm_movemask_epi8(
			_mm_cmpeq_epi8(_mm_max_epu8(digits, nine), nine));

		if (found != 0xffff) {
			p += _tzcnt_u32(~found);
			return p == start ? NULL : p;
		}
		p += 16;
	}
}

/*
 * Behind a number, or NULL. A token begins within the window behind it, and so the digits
 * end there.
 */
TARGET static inline const unsigned char *skip_number(const unsigned char *p)
{
	const unsigned char *start;

	p += *p == '-';
	start = p;
	p = skip_digits(p);
	if (!p || (*start == '0' && p - start > 1))
		return NULL;
	if (*p == '.') {
		p = skip_digits(p + 1);
		if (!p)
			return NULL;
	}
	if ((*p | 0x20) != 'e')
		return p;
	p++;
	return skip_digits(p + (*p == '+' || *p == '-'));
}

static inline const unsigned char *skip_literal(const unsigned char *p)
{
	if (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0)
		return p + 4;
	return memcmp(p, "false", 5) == 0 ? p + 5 : NULL;
}

/* A number or a word at p: nothing but white space may stand between it and `next`. */
TARGET static inline bool scalar_valid(const unsigned char *p, const unsigned char *next)
{
	const unsigned char *end;

	if (*p == '-' || (*p >= '0' && *p <= '9'))
		end = skip_number(p);
	else
		end = skip_literal(p);
	return end && (end == next || sgh_json_space(*end));
}

static inline bool open_container(struct sgh_json_fast *f, bool object)
{
	unsigned char bit = (unsigned char)(1 << f->depth % 8);

	if (f->depth == f->max_depth)
		return false;
	if (object)
		f->stack[f->depth / 8] |= bit;
	else
		f->stack[f->depth / 8] &= (unsigned char)~bit;
	f->depth++;
	if (f->depth > f->deepest)
		f->deepest = f->depth;
	f->object = object;
	f->next = object ? SGH_JSON_NEXT_FIRST_KEY : SGH_JSON_NEXT_FIRST_VALUE;
	return true;
}

/* The outermost one is left to the state machine. */
static inline bool close_container(struct sgh_json_fast *f)
{
	unsigned outer = f->depth - 2;

	if (f->depth == 1)
		return false;
	f->depth--;
	f->object = f->stack[outer / 8] >> outer % 8 & 1;
	f->next = SGH_JSON_NEXT_AFTER;
	return true;
}

TARGET static inline bool take_value(struct sgh_json_fast *f, const unsigned char *p,
				     const unsigned char *next)
{
	switch (*p) {
	case '"':
		break;
	case '{':
	case '[':
		if (!open_container(f, *p == '{'))
			return false;
		f->values++;
		return true;
	default:
		if (!scalar_valid(p, next))
			return false;
	}
	f->values++;
	f->next = SGH_JSON_NEXT_AFTER;
	return true;
}

/* One token, which ends before `next`. */
TARGET static inline bool take(struct sgh_json_fast *f, const unsigned char *p,
			       const unsigned char *next)
{
	switch (f->next) {
	case SGH_JSON_NEXT_FIRST_KEY:
		if (*p == '}')
			return close_container(f);
		/* fall through */
	case SGH_JSON_NEXT_KEY:
		f->next = SGH_JSON_NEXT_COLON;
		return *p == '"';
	case SGH_JSON_NEXT_COLON:
		f->next = SGH_JSON_NEXT_VALUE;
		return *p == ':';
	case SGH_JSON_NEXT_AFTER:
		if (*p == (f->object ? '}' : ']'))
			return close_container(f);
		f->next = f->object ? SGH_JSON_NEXT_KEY : SGH_JSON_NEXT_VALUE;
		return *p == ',';
	case SGH_JSON_NEXT_FIRST_VALUE:
		if (*p == ']')
			return close_container(f);
		/* fall through */
	default:
		return take_value(f, p, next);
	}
}

/* How many tokens were in order; the last one may not be whole and is never taken. */
TARGET static size_t take_tokens(struct sgh_json_fast *fast, const struct stage *s)
{
	struct sgh_json_fast f = *fast;
	size_t i = 0;

	while (i + 1 < s->count) {
		enum sgh_json_next next = f.next;

		if (!take(&f, s->text + s->index[i], s->text + s->index[i + 1])) {
			f.next = next;
			break;
		}
		i++;
	}
	*fast = f;
	return i;
}

TARGET static void count_lines(struct sgh_json_fast *f, const unsigned char *p,
			       const unsigned char *end)
{
	for (; p < end; p += 64) {
		__m256i low = _mm256_loadu_si256((const __m256i *)(const void *)p);
		__m256i high =
			_mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
		uint64_t found = equal(low, high, '\n');

		if (end - p < 64)
			found = _bzhi_u64(found, (unsigned)(end - p));
		if (!found)
			continue;
		f->lines += (uint64_t)_mm_popcnt_u64(found);
		f->line = p + 64 - __builtin_clzll(found);
	}
}

TARGET static const unsigned char *take_window(struct sgh_json_fast *fast,
					       const unsigned char *p, size_t length)
{
	struct stage s;
	size_t tokens;

	s.text = p;
	s.length = length;
	s.escaped = s.string = s.scalar = 0;
	s.checked = s.count = 0;
	s.bad = false;
	for (size_t block = 0; block < length; block += 64)
		read_block(&s, block);
	if (s.bad || s.count == 0)
		return p;
	tokens = take_tokens(fast, &s);
	count_lines(fast, p, p + s.index[tokens]);
	return p + s.index[tokens];
}

const unsigned char *sgh_json_fast(struct sgh_json_fast *fast, const unsigned char *p,
				   const unsigned char *end)
{
	while (end - p >= 64 + BEYOND) {
		size_t room = (size_t)(end - p) - BEYOND;
		size_t length = (room < WINDOW ? room : WINDOW) & ~(size_t)63;
		const unsigned char *next = take_window(fast, p, length);

		if (next == p)
			break;
		p = next;
	}
	return p;
}

/* XCR0: whether the kernel keeps the halves of vector registers that AVX adds. */
static bool keeps_vectors(void)
{
	const uint32_t both = 1 << 1 | 1 << 2;
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (low & both) == both;
}

/*
 * Asked of the processor, because what compilers offer for this keeps the answer in
 * globals, and a library has none.
 */
bool sgh_json_fast_available(void)
{
	const unsigned first = bit_OSXSAVE | bit_AVX | bit_POPCNT | bit_PCLMUL;
	const unsigned seventh = bit_AVX2 | bit_BMI | bit_BMI2;
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || (c & first) != first || !keeps_vectors())
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & seventh) == seventh;
}

#else

const unsigned char *sgh_json_fast(struct sgh_json_fast *fast, const unsigned char *p,
				   const unsigned char *end)
{
	return p;
}

bool sgh_json_fast_available(void)
{
	return false;
}

#endif
