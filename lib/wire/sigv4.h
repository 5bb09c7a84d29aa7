/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_SIGV4_H
#define SGH_WIRE_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/error.h>

#include "base/buf.h"
#include "wire/object.h"

/*
 * AWS Signature Version 4, for headers and for queries (presigned URLs). Pure: the time
 * is a parameter. Names and values are given as they mean and are encoded here, once.
 */

#define SGH_SIGV4_UNSIGNED   "UNSIGNED-PAYLOAD"
#define SGH_SIGV4_EMPTY      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SGH_SIGV4_DATE_SIZE  17 /* "20150830T123600Z" and its NUL */
#define SGH_SIGV4_PAIRS_MAX  80 /* headers, and query parameters */
#define SGH_SIGV4_REGION_MAX 63

/* Who signs, and what for. Strings are borrowed. */
struct sgh_sigv4_scope {
	const char *access_key;
	const char *secret_key;
	const char *region;
	const char *service;
};

/* The key derived for one scope and one day (UTC): worth keeping for that day. */
struct sgh_sigv4_key {
	char day[9]; /* "20150830" */
	unsigned char key[32];
};

struct sgh_sigv4_request {
	const char *method;
	const char *path; /* from the slash on, not percent-encoded */
	/*
	 * Remove dot segments and double slashes from the signed path, as every service but
	 * S3 wants it.
	 */
	bool normalise;
	const struct sgh_pair *query; /* not percent-encoded */
	size_t query_count;
	/*
	 * All of them are signed: host always among them and, when signing by header,
	 * x-amz-date. A name given several times counts as one with a list of values.
	 */
	const struct sgh_pair *headers;
	size_t header_count;
	const char *payload; /* SGH_SIGV4_UNSIGNED or the body's SHA-256 in hex */
};

/* What signing comes by; the buffers may be used again for the next request. */
struct sgh_sigv4_work {
	struct sgh_buf canonical;
	struct sgh_buf query; /* canonical, as it travels in the URL */
	struct sgh_buf signed_headers;
	struct sgh_buf to_sign;
	char signature[65];
};

void sgh_sigv4_work_fini(struct sgh_sigv4_work *work);

void sgh_sigv4_date(int64_t unix_ms, char date[SGH_SIGV4_DATE_SIZE]);

/* Derive the key for the day that `date` begins with. */
int sgh_sigv4_derive(const struct sgh_sigv4_scope *scope,
		     const char date[SGH_SIGV4_DATE_SIZE], struct sgh_sigv4_key *ret,
		     struct sangraha_error *err);

/*
 * Append the value of the Authorization header to `authorization`. `key` was derived for
 * the day of `date`.
 */
int sgh_sigv4_sign(const struct sgh_sigv4_request *request,
		   const struct sgh_sigv4_scope *scope, const struct sgh_sigv4_key *key,
		   const char date[SGH_SIGV4_DATE_SIZE], struct sgh_sigv4_work *work,
		   struct sgh_buf *authorization, struct sangraha_error *err);

/*
 * Append "path?query", encoded, with all of the request's query and the signature in it.
 * It is good for `expires_s` seconds, for a request that carries exactly these headers
 * with these values (and may carry others that S3 does not make one sign). A session
 * token is a query parameter like others.
 */
int sgh_sigv4_presign(const struct sgh_sigv4_request *request,
		      const struct sgh_sigv4_scope *scope,
		      const struct sgh_sigv4_key *key,
		      const char date[SGH_SIGV4_DATE_SIZE], unsigned expires_s,
		      struct sgh_sigv4_work *work, struct sgh_buf *target,
		      struct sangraha_error *err);

/* Append percent-encoded (RFC 3986: all but unreserved characters); `/` kept on wish. */
void sgh_uri_encode(struct sgh_buf *buf, const char *text, size_t length,
		    bool keep_slash);

#endif
