/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_SHA256_H
#define SGH_WIRE_SHA256_H

#include <stdbool.h>
#include <stddef.h>

#include <sangraha/error.h>
#include <sangraha/object.h>

/* SHA-256 (FIPS 180-4) in pieces. */
struct sgh_sha256;

int sgh_sha256_new(struct sgh_sha256 **ret, struct sangraha_error *err);
void sgh_sha256_free(struct sgh_sha256 *hash);
int sgh_sha256_update(struct sgh_sha256 *hash, const void *data, size_t length,
		      struct sangraha_error *err);
/* Ends the hash; free it afterwards. */
int sgh_sha256_final(struct sgh_sha256 *hash, unsigned char digest[32],
		     struct sangraha_error *err);

/* The whole at once; raw, and as lower-case hexadecimal. */
int sgh_sha256(const void *data, size_t length, unsigned char digest[32],
	       struct sangraha_error *err);
int sgh_sha256_hex(const void *data, size_t length, char hex[SANGRAHA_SHA256_SIZE],
		   struct sangraha_error *err);

/* HMAC-SHA-256 (RFC 2104). */
int sgh_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length,
		    unsigned char mac[32], struct sangraha_error *err);

/* Lower-case hexadecimal of `length` bytes, with a NUL: 2 * length + 1 bytes. */
void sgh_hex(const unsigned char *data, size_t length, char *hex);
/* The reverse: exactly `length` bytes, lower case only; false for anything else. */
bool sgh_hex_decode(const char *hex, unsigned char *data, size_t length);
/* Whether `hex` is a digest as we write it: 64 lower-case digits. */
bool sgh_sha256_hex_valid(const char *hex);

/*
 * The sha-256 member of a Content-Digest field (RFC 9530) as lower-case hexadecimal.
 * SANGRAHA_E_INVALID for a field that cannot be read; "" when it has no such member.
 */
int sgh_content_digest_parse(const char *field, char hex[SANGRAHA_SHA256_SIZE],
			     struct sangraha_error *err);

/* Base64 (RFC 4648, section 4) with padding. */
struct sgh_buf;
void sgh_base64_encode(struct sgh_buf *buf, const void *data, size_t length);
size_t sgh_base64_length(size_t length);
/* Without a NUL: sgh_base64_length(length) bytes. */
void sgh_base64_write(char *out, const void *data, size_t length);
/* Decode strictly into `out` of at least length / 4 * 3 bytes; false for anything else. */
bool sgh_base64_decode(const char *text, size_t length, void *out, size_t *ret_length);

#endif
