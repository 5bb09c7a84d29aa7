/* SPDX-License-Identifier: MIT */
#include "wire/sha256.h"

#include <errno.h>
#include <limits.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

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

int sgh_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length,
		    unsigned char mac[32], struct sangraha_error *err)
{
	if (key_length > INT_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the HMAC key is too long");
	errno = 0;
	/* With a NULL key HMAC() would go on with the key of an earlier call. */
	if (!HMAC(EVP_sha256(), key ? key : "", (int)key_length, data, length, mac, NULL))
		return crypto_failed(err);
	return 0;
}
