/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_JSON_SKIP_H
#define SGH_VALIDATE_JSON_SKIP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Runs of bytes in JSON that go on in one way, the quick way. */

/* Past a run of blanks: indentation is a large part of many texts. */
static inline const unsigned char *sgh_json_skip_blanks(const unsigned char *p,
							const unsigned char *end)
{
#ifdef __SSE2__
	while (end - p >= 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
		unsigned blanks = (unsigned)_mm_movemask_epi8(
			_mm_cmpeq_epi8(bytes, _mm_set1_epi8(' ')));

		if (blanks != 0xffff)
			return p + __builtin_ctz(~blanks);
		p += 16;
	}
#endif
	while (p < end && *p == ' ')
		p++;
	return p;
}

/* To the first byte of a string that is not plain ASCII, or that ends it, or to the end. */
static inline const unsigned char *sgh_json_skip_plain(const unsigned char *p,
						       const unsigned char *end)
{
#ifdef __SSE2__
	while (end - p >= 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
		/* Signed: bytes from 0x80 on are below 0x20 as well. */
		__m128i special = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
		unsigned found;

		special =
			_mm_or_si128(special, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
		special =
			_mm_or_si128(special, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
		found = (unsigned)_mm_movemask_epi8(special);
		if (found)
			return p + __builtin_ctz(found);
		p += 16;
	}
#else
	while (end - p >= 8) {
		const uint64_t ones = UINT64_C(0x0101010101010101);
		uint64_t bytes, quote, backslash;

		memcpy(&bytes, p, sizeof(bytes));
		quote = bytes ^ ones * '"';
		backslash = bytes ^ ones * '\\';
		/* A high bit for a byte of interest, and at times for its neighbour. */
		if ((bytes | (bytes - ones * 0x20) | (quote - ones) |
		     (backslash - ones)) &
		    ones * 0x80)
			break;
		p += 8;
	}
#endif
	while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/*
 * The length of a character of several bytes (RFC 3629, section 4); 0: it is none. Reads
 * four bytes.
 */
static inline size_t sgh_json_wide_length(const unsigned char *p)
{
	uint32_t c =
		(uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	uint32_t top = c & 0x0f200000; /* tells overlong forms and surrogates */

	if ((c & 0xf0c0c000) == 0xe0808000 && top != 0 && top != 0x0d200000)
		return 3;
	if ((c & 0xe0c00000) == 0xc0800000 && c >= 0xc2000000)
		return 2;
	if ((c & 0xf8c0c0c0) == 0xf0808080 && c >= 0xf0900000 && c < 0xf4900000)
		return 4;
	return 0;
}

/*
 * Past whole characters of several bytes; stops before any other byte, and leaves what is
 * near the end, or is wrong, to others.
 */
static inline const unsigned char *sgh_json_skip_wide(const unsigned char *p,
						      const unsigned char *end)
{
	while (end - p >= 4 && *p >= 0x80) {
		size_t length = sgh_json_wide_length(p);

		if (length == 0)
			break;
		p += length;
	}
	return p;
}

#endif
