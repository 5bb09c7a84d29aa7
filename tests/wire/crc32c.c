/* SPDX-License-Identifier: MIT */
#include "wire/crc32c.h"

#include "support/t.h"

/* Three neighbours and what follows them, several times over. */
#define MANY 20000

static struct {
	struct sgh_crc32c any;   /* as the processor allows */
	struct sgh_crc32c plain; /* by tables */
	unsigned char bytes[MANY];
} f;

static int set_up(void **state)
{
	uint32_t seed = 1;

	sgh_crc32c_init(&f.any);
	sgh_crc32c_init_plain(&f.plain);
	for (size_t i = 0; i < MANY; i++) {
		seed = seed * 1664525 + 1013904223;
		f.bytes[i] = (unsigned char)(seed >> 24);
	}
	return 0;
}

static void sums_to(const void *data, size_t length, uint32_t wanted)
{
	assert_int_equal(sgh_crc32c_update(&f.any, 0, data, length), wanted);
	assert_int_equal(sgh_crc32c_update(&f.plain, 0, data, length), wanted);
}

/* RFC 3720, appendix B.4, which writes them as they travel: the last byte first. */
static void known_answers(void **state)
{
	static const unsigned char read_command[48] = {
		[0] = 0x01,  [1] = 0xc0,  [16] = 0x14, [22] = 0x04,
		[27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02,
	};
	unsigned char bytes[32];

	memset(bytes, 0, sizeof(bytes));
	sums_to(bytes, sizeof(bytes), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	sums_to(bytes, sizeof(bytes), 0x62a8ab43);
	for (unsigned char i = 0; i < 32; i++)
		bytes[i] = i;
	sums_to(bytes, sizeof(bytes), 0x46dd794e);
	for (unsigned char i = 0; i < 32; i++)
		bytes[i] = (unsigned char)(31 - i);
	sums_to(bytes, sizeof(bytes), 0x113fdb5c);
	sums_to(read_command, sizeof(read_command), 0xd9963a56);
	/* The check value of the catalogues. */
	sums_to("123456789", 9, 0xe3069283);
	sums_to(NULL, 0, 0);
}

/* The definition, a bit at a time. */
static uint32_t slowly(const unsigned char *p, size_t length)
{
	uint32_t crc = 0xffffffff;

	while (length--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

static void every_length_at_every_place(void **state)
{
	for (size_t place = 0; place < 9; place++)
		for (size_t length = 0; length < 80; length++)
			sums_to(f.bytes + place, length, slowly(f.bytes + place, length));
}

/* Around the lengths from which on neighbours go side by side. */
static void long_bodies(void **state)
{
	for (size_t place = 0; place < 8; place++)
		for (size_t length = 3 * 1024 - 9; length < MANY - 8; length += 1019) {
			uint32_t wanted = slowly(f.bytes + place, length);

			sums_to(f.bytes + place, length, wanted);
		}
	sums_to(f.bytes, 3 * 1024, slowly(f.bytes, 3 * 1024));
	sums_to(f.bytes, 6 * 1024, slowly(f.bytes, 6 * 1024));
}

static void pieces_make_the_whole(void **state)
{
	const uint32_t wanted = slowly(f.bytes, MANY);

	for (size_t cut = 0; cut <= MANY; cut += 611) {
		uint32_t crc = sgh_crc32c_update(&f.any, 0, f.bytes, cut);

		crc = sgh_crc32c_update(&f.any, crc, f.bytes + cut, MANY - cut);
		assert_int_equal(crc, wanted);
	}
}

static void as_a_text(void **state)
{
	char hex[SGH_CRC32C_SIZE];

	sgh_crc32c_hex(0x0a9136ab, hex);
	assert_string_equal(hex, "0a9136ab");
	assert_true(sgh_crc32c_hex_valid(hex));
	assert_true(sgh_crc32c_hex_valid("00000000"));
	assert_false(sgh_crc32c_hex_valid(""));
	assert_false(sgh_crc32c_hex_valid("0a9136a"));
	assert_false(sgh_crc32c_hex_valid("0a9136ab0"));
	assert_false(sgh_crc32c_hex_valid("0A9136AB"));
	assert_false(sgh_crc32c_hex_valid("0a9136ag"));
}

#define CASE(name) cmocka_unit_test_setup(name, set_up)

static const struct CMUnitTest tests[] = {
	CASE(known_answers),         CASE(every_length_at_every_place), CASE(long_bodies),
	CASE(pieces_make_the_whole), cmocka_unit_test(as_a_text),
};

t_main(tests)
