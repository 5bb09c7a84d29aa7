/* SPDX-License-Identifier: MIT */
#include "wire/sha256.h"

#include "base/buf.h"
#include "support/t.h"

static void hashes_to(const char *text, const char *wanted)
{
	char hex[SANGRAHA_SHA256_SIZE];

	t_ok(sgh_sha256_hex(text, strlen(text), hex, &t_err));
	assert_string_equal(hex, wanted);
}

/* FIPS 180-4's examples. */
static void known_answers(void **state)
{
	hashes_to("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	hashes_to("abc",
		  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hashes_to("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void nothing_may_be_null(void **state)
{
	unsigned char digest[32];
	char hex[SANGRAHA_SHA256_SIZE];

	t_ok(sgh_sha256(NULL, 0, digest, &t_err));
	sgh_hex(digest, sizeof(digest), hex);
	assert_true(sgh_sha256_hex_valid(hex));
	assert_memory_equal(hex, "e3b0c442", 8);
}

/* However the bytes are split, the digest is that of the whole. */
static void pieces_make_the_whole(void **state)
{
	static const char text[] =
		"the quick brown fox jumps over the lazy dog, and again";
	unsigned char whole[32];
	unsigned char digest[32];

	t_ok(sgh_sha256(text, sizeof(text), whole, &t_err));
	for (size_t cut = 0; cut <= sizeof(text); cut++) {
		struct sgh_sha256 *hash = NULL;

		t_ok(sgh_sha256_new(&hash, &t_err));
		t_ok(sgh_sha256_update(hash, text, cut, &t_err));
		t_ok(sgh_sha256_update(hash, text + cut, sizeof(text) - cut, &t_err));
		t_ok(sgh_sha256_final(hash, digest, &t_err));
		sgh_sha256_free(hash);
		assert_memory_equal(digest, whole, sizeof(whole));
	}
	sgh_sha256_free(NULL);
}

static void macs_to(const void *key, size_t key_length, const char *text,
		    const char *wanted)
{
	unsigned char mac[32];
	char hex[SANGRAHA_SHA256_SIZE];

	t_ok(sgh_hmac_sha256(key, key_length, text, strlen(text), mac, &t_err));
	sgh_hex(mac, sizeof(mac), hex);
	assert_string_equal(hex, wanted);
}

/* RFC 4231, cases 2 and 6. */
static void hmac_known_answers(void **state)
{
	char long_key[131];

	memset(long_key, 0xaa, sizeof(long_key));
	macs_to("Jefe", 4, "what do ya want for nothing?",
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	macs_to(long_key, sizeof(long_key),
		"Test Using Larger Than Block-Size Key - Hash Key First",
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* An empty key is a key of its own, not the one of the call before. */
static void hmac_without_key(void **state)
{
	macs_to("other", 5, "message",
		"0f0ac69f7223d69f9bf77ab4a96b72776352baaf822994b6b8cefd966e9ace02");
	macs_to(NULL, 0, "message",
		"eb08c1f56d5ddee07f7bdf80468083da06b64cf4fac64fe3a90883df5feacae4");
}

static void hex_decodes_lower_case_only(void **state)
{
	unsigned char data[2];

	assert_true(sgh_hex_decode("00ff", data, 2));
	assert_int_equal(data[1], 0xff);
	assert_false(sgh_hex_decode("00FF", data, 2));
	assert_false(sgh_hex_decode("00f", data, 2));
	assert_false(sgh_hex_decode("00ff0", data, 2));
	assert_false(sgh_hex_decode("00fg", data, 2));
	assert_false(sgh_hex_decode("", data, 2));
	assert_true(sgh_hex_decode("", data, 0));
}

static void encodes_to(const char *text, const char *wanted)
{
	sgh_autobuf struct sgh_buf buf = { 0 };
	char out[64];
	size_t length;

	sgh_base64_encode(&buf, text, strlen(text));
	assert_string_equal(sgh_buf_text(&buf), wanted);
	assert_int_equal(sgh_base64_length(strlen(text)), strlen(wanted));
	assert_true(sgh_base64_decode(wanted, strlen(wanted), out, &length));
	assert_int_equal(length, strlen(text));
	assert_memory_equal(out, text, length);
}

/* RFC 4648, section 10. */
static void base64_known_answers(void **state)
{
	encodes_to("", "");
	encodes_to("f", "Zg==");
	encodes_to("fo", "Zm8=");
	encodes_to("foo", "Zm9v");
	encodes_to("foob", "Zm9vYg==");
	encodes_to("fooba", "Zm9vYmE=");
	encodes_to("foobar", "Zm9vYmFy");
	encodes_to("\xff\xef\xbe", "/+++");
}

static void base64_keeps_every_byte(void **state)
{
	unsigned char data[256];
	char text[344];
	unsigned char back[258];
	size_t length;

	for (int i = 0; i < 256; i++)
		data[i] = (unsigned char)i;
	for (size_t n = 0; n <= sizeof(data); n++) {
		sgh_base64_write(text, data, n);
		assert_true(sgh_base64_decode(text, sgh_base64_length(n), back, &length));
		assert_int_equal(length, n);
		assert_memory_equal(back, data, n);
	}
}

static void base64_is_strict(void **state)
{
	static const char *const bad[] = {
		"Zg",   "Zg=",  "Zg===", "=",        "====",     "Z===",
		"Zh==", "Zm9=", "Zm 9",  "Zm9v\n",   "Zg==Zg==", "Zm9_",
		"Zm9-", "Zm=9", "Zm9vA", "Zm9v\r\n", "Zm\x80v",
	};
	char out[64];
	size_t length;

	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		if (sgh_base64_decode(bad[i], strlen(bad[i]), out, &length))
			fail_msg("accepted: %s", bad[i]);
	assert_false(sgh_base64_decode("Zm\0v", 4, out, &length));
}

#define HELLO     "sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:"
#define HELLO_HEX "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

static void digest_is(const char *field, const char *wanted)
{
	char hex[SANGRAHA_SHA256_SIZE] = "untouched";

	t_ok(sgh_content_digest_parse(field, hex, &t_err));
	assert_string_equal(hex, wanted);
}

static void digest_found(void **state)
{
	digest_is(HELLO, HELLO_HEX);
	digest_is("  " HELLO "  ", HELLO_HEX);
	digest_is("md5=:AAAA:, " HELLO, HELLO_HEX);
	digest_is(HELLO " ,\tsha-512=:AAAA:;a=1;b", HELLO_HEX);
	digest_is(HELLO ";q=0.5", HELLO_HEX);
	digest_is("sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek:", HELLO_HEX);
}

static void digest_of_another_kind(void **state)
{
	digest_is("", "");
	digest_is("md5=:AAAA:", "");
	digest_is("sha-512=:AAAA:", "");
	digest_is(
		"a, b=?0, c=\"x\\\"y, sha-256=:\", d=(1 2.5 \"q\");x=tok/en, e=-3, *f=@1",
		"");
}

static void digest_last_one_counts(void **state)
{
	digest_is("sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:, " HELLO,
		  HELLO_HEX);
}

static void digest_unreadable(void **state)
{
	static const char *const bad[] = {
		"sha-256",
		"sha-256=",
		"sha-256=abc",
		"sha-256=::",
		"sha-256=:AAAA:",
		"sha-256=\"uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=\"",
		"sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=",
		"sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvze=k:",
		"sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzf==:",
		"SHA-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:",
		HELLO ",",
		HELLO " x",
		"," HELLO,
		HELLO ",,a=1",
		"a=(1",
		"a=(1\"x\")",
		"a=\"x",
		"a=\"\\x\"",
		"a=?2",
		"a=-",
		"a=1.",
		"a=1;",
		"=1",
		"a=\xc3\xa4",
	};
	char hex[SANGRAHA_SHA256_SIZE] = "untouched";

	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		if (sgh_content_digest_parse(bad[i], hex, &t_err) != SANGRAHA_E_INVALID)
			fail_msg("accepted: %s", bad[i]);
	assert_string_equal(hex, "untouched");
}

/* No prefix of a field reads past its end, whatever it is taken for. */
static void digest_cut(void **state)
{
	static const char field[] = "a=(1 \"x\\\"\" ?1);b=:AA==:, c=@-1.5, " HELLO ";d";
	char hex[SANGRAHA_SHA256_SIZE];

	for (size_t length = 0; length < sizeof(field); length++) {
		char *cut = strndup(field, length);
		int status = sgh_content_digest_parse(cut, hex, &t_err);

		assert_true(status == 0 || status == SANGRAHA_E_INVALID);
		free(cut);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(known_answers),
	cmocka_unit_test(nothing_may_be_null),
	cmocka_unit_test(pieces_make_the_whole),
	cmocka_unit_test(hmac_known_answers),
	cmocka_unit_test(hmac_without_key),
	cmocka_unit_test(hex_decodes_lower_case_only),
	cmocka_unit_test(base64_known_answers),
	cmocka_unit_test(base64_keeps_every_byte),
	cmocka_unit_test(base64_is_strict),
	cmocka_unit_test(digest_found),
	cmocka_unit_test(digest_of_another_kind),
	cmocka_unit_test(digest_last_one_counts),
	cmocka_unit_test(digest_unreadable),
	cmocka_unit_test(digest_cut),
};

t_main(tests)
