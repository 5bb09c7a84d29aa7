/* SPDX-License-Identifier: MIT */
#include "wire/crc32c.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>
#include <string.h>
#endif

#include "wire/sha256.h"

/* ---- by the processor ---- */

#if defined(__x86_64__) && defined(__GNUC__)
#define TARGET __attribute__((target("sse4.2,pclmul")))

/*
 * The instruction's answer takes three times as long as it keeps the processor busy, so
 * three neighbours go side by side. What comes before a neighbour is then moved over it,
 * which is to multiply by a power of x: after Gopal et al., "Fast CRC Computation for
 * iSCSI Polynomial Using CRC32 Instruction" (Intel, 2011).
 */
#define NEIGHBOUR 1024       /* bytes */
#define OVER_ONE  0x170076fa /* x^(8 * NEIGHBOUR - 33) mod P, reflected */
#define OVER_TWO  0xa51b6135 /* x^(16 * NEIGHBOUR - 33) mod P */

static inline uint64_t eight_at(const unsigned char *p)
{
	uint64_t eight;

	memcpy(&eight, p, sizeof(eight));
	return eight;
}

TARGET static inline __m128i times(uint64_t crc, uint32_t power)
{
	return _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc),
				    _mm_cvtsi64_si128((long long)power), 0);
}

TARGET static uint64_t update_three(uint64_t crc, const unsigned char *p)
{
	uint64_t second = 0;
	uint64_t third = 0;
	__m128i moved;

	for (const unsigned char *end = p + NEIGHBOUR; p < end; p += 8) {
		crc = _mm_crc32_u64(crc, eight_at(p));
		second = _mm_crc32_u64(second, eight_at(p + NEIGHBOUR));
		third = _mm_crc32_u64(third, eight_at(p + 2 * NEIGHBOUR));
	}
	moved = _mm_xor_si128(times(crc, OVER_TWO), times(second, OVER_ONE));
	return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(moved)) ^ third;
}

TARGET static uint32_t update_fast(uint32_t crc, const unsigned char *p, size_t length)
{
	uint64_t wide = crc;

	for (; length >= 3 * NEIGHBOUR; p += 3 * NEIGHBOUR, length -= 3 * NEIGHBOUR)
		wide = update_three(wide, p);
	for (; length >= 8; p += 8, length -= 8)
		wide = _mm_crc32_u64(wide, eight_at(p));
	crc = (uint32_t)wide;
	for (; length > 0; p++, length--)
		crc = _mm_crc32_u8(crc, *p);
	return crc;
}

/* By cpuid: what compilers offer for this keeps the answer in globals. */
static bool fast_available(void)
{
	const unsigned wanted = bit_SSE4_2 | bit_PCLMUL;
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & wanted) == wanted;
}

#else

static uint32_t update_fast(uint32_t crc, const unsigned char *p, size_t length)
{
	return crc;
}

static bool fast_available(void)
{
	return false;
}

#endif

/* ---- either ---- */

void sgh_crc32c_init_plain(struct sgh_crc32c *crc32c)
{
	crc32c->fast = false;
	sgh_crc32_init(&crc32c->plain, SGH_CRC32_CAST);
}

void sgh_crc32c_init(struct sgh_crc32c *crc32c)
{
	if (fast_available())
		crc32c->fast = true;
	else
		sgh_crc32c_init_plain(crc32c);
}

uint32_t sgh_crc32c_update(const struct sgh_crc32c *crc32c, uint32_t crc,
			   const void *data, size_t length)
{
	if (crc32c->fast)
		return ~update_fast(~crc, data, length);
	return sgh_crc32_update(&crc32c->plain, crc, data, length);
}

/* ---- as a text ---- */

void sgh_crc32c_hex(uint32_t crc, char hex[SGH_CRC32C_SIZE])
{
	const unsigned char bytes[] = { (unsigned char)(crc >> 24),
					(unsigned char)(crc >> 16),
					(unsigned char)(crc >> 8), (unsigned char)crc };

	sgh_hex(bytes, sizeof(bytes), hex);
}

bool sgh_crc32c_hex_valid(const char *hex)
{
	unsigned char bytes[4];

	return sgh_hex_decode(hex, bytes, sizeof(bytes));
}
