/* SPDX-License-Identifier: MIT */
#include "wire/sha256.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/error.h"
#include "base/util.h"

/* An OpenSSL context is the whole state, so the handle is one in disguise. */
struct sgh_sha256 {
	EVP_MD_CTX *context;
};

/*
 * With errno 0 before: what libcrypto itself tells of running out of memory depends on
 * how deep it was.
 */
static int crypto_failed(struct sangraha_error *err)
{
	if (errno == ENOMEM)
		return sgh_fail_memory(err);
	return sgh_fail(err, SANGRAHA_E_INTERNAL, 0, "libcrypto cannot compute SHA-256");
}

int sgh_sha256_new(struct sgh_sha256 **ret, struct sangraha_error *err)
{
	struct sgh_sha256 *hash = calloc(1, sizeof(*hash));

	if (!hash)
		return sgh_fail_memory(err);
	hash->context = EVP_MD_CTX_new();
	if (!hash->context) {
		sgh_sha256_free(hash);
		return sgh_fail_memory(err);
	}
	errno = 0;
	if (EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1) {
		sgh_sha256_free(hash);
		return crypto_failed(err);
	}
	*ret = hash;
	return 0;
}

void sgh_sha256_free(struct sgh_sha256 *hash)
{
	if (!hash)
		return;
	EVP_MD_CTX_free(hash->context);
	free(hash);
}

int sgh_sha256_update(struct sgh_sha256 *hash, const void *data, size_t length,
		      struct sangraha_error *err)
{
	errno = 0;
	if (EVP_DigestUpdate(hash->context, data, length) != 1)
		return crypto_failed(err);
	return 0;
}

int sgh_sha256_final(struct sgh_sha256 *hash, unsigned char digest[32],
		     struct sangraha_error *err)
{
	errno = 0;
	if (EVP_DigestFinal_ex(hash->context, digest, NULL) != 1)
		return crypto_failed(err);
	return 0;
}

int sgh_sha256(const void *data, size_t length, unsigned char digest[32],
	       struct sangraha_error *err)
{
	errno = 0;
	if (EVP_Digest(data, length, digest, NULL, EVP_sha256(), NULL) != 1)
		return crypto_failed(err);
	return 0;
}

int sgh_sha256_hex(const void *data, size_t length, char hex[SANGRAHA_SHA256_SIZE],
		   struct sangraha_error *err)
{
	unsigned char digest[32];
	int status = sgh_sha256(data, length, digest, err);

	if (status == 0)
		sgh_hex(digest, sizeof(digest), hex);
	return status;
}

#define HMAC_BLOCK 64

/* One of the two hashes of RFC 2104: of the key's block, turned by `pad`, and the data. */
static bool keyed(EVP_MD_CTX *context, const EVP_MD *type,
		  const unsigned char key[HMAC_BLOCK], unsigned char pad,
		  const void *data, size_t length, unsigned char digest[32])
{
	unsigned char block[HMAC_BLOCK];
	bool done;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = key[i] ^ pad;
	done = EVP_DigestInit_ex(context, type, NULL) == 1 &&
	       EVP_DigestUpdate(context, block, sizeof(block)) == 1 &&
	       EVP_DigestUpdate(context, data, length) == 1 &&
	       EVP_DigestFinal_ex(context, digest, NULL) == 1;
	/* As good as the key. */
	OPENSSL_cleanse(block, sizeof(block));
	return done;
}

/* By hand: libcrypto's HMAC() looks for its parts anew each time, which takes longer. */
int sgh_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length,
		    unsigned char mac[32], struct sangraha_error *err)
{
	unsigned char block[HMAC_BLOCK] = { 0 };
	unsigned char inner[32];
	EVP_MD_CTX *context;
	bool done;

	if (key_length > sizeof(block)) {
		int status = sgh_sha256(key, key_length, block, err);

		if (status)
			return status;
	} else if (key_length) {
		memcpy(block, key, key_length);
	}
	context = EVP_MD_CTX_new();
	if (!context) {
		OPENSSL_cleanse(block, sizeof(block));
		return sgh_fail_memory(err);
	}
	errno = 0;
	done = keyed(context, EVP_sha256(), block, 0x36, data, length, inner) &&
	       keyed(context, NULL, block, 0x5c, inner, sizeof(inner), mac);
	EVP_MD_CTX_free(context);
	OPENSSL_cleanse(block, sizeof(block));
	return done ? 0 : crypto_failed(err);
}
