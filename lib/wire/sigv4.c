/* SPDX-License-Identifier: MIT */
#include "wire/sigv4.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/error.h"
#include "base/util.h"
#include "wire/sha256.h"

#define ALGORITHM     "AWS4-HMAC-SHA256"
#define PRESIGN_PAIRS 5
#define SECRET_MAX    1000
#define PATH_MAX_     2048 /* bytes, that is a bucket and a key with room to spare */

void sgh_sigv4_work_fini(struct sgh_sigv4_work *work)
{
	sgh_buf_fini(&work->canonical);
	sgh_buf_fini(&work->query);
	sgh_buf_fini(&work->signed_headers);
	sgh_buf_fini(&work->to_sign);
}

static void work_clear(struct sgh_sigv4_work *work)
{
	sgh_buf_clear(&work->canonical);
	sgh_buf_clear(&work->query);
	sgh_buf_clear(&work->signed_headers);
	sgh_buf_clear(&work->to_sign);
}

static bool work_failed(const struct sgh_sigv4_work *work)
{
	return work->canonical.failed || work->query.failed ||
	       work->signed_headers.failed || work->to_sign.failed;
}

void sgh_sigv4_date(int64_t unix_ms, char date[SGH_SIGV4_DATE_SIZE])
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(date, SGH_SIGV4_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

int sgh_sigv4_derive(const struct sgh_sigv4_scope *scope,
		     const char date[SGH_SIGV4_DATE_SIZE], struct sgh_sigv4_key *ret,
		     struct sangraha_error *err)
{
	struct sgh_buf secret = SGH_BUF_INIT(1024);
	struct sgh_sigv4_key key = { 0 };
	const char *steps[] = { scope->region, scope->service, "aws4_request" };
	int rc;

	if (strlen(scope->secret_key) > SECRET_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the secret key is too long");
	memcpy(key.day, date, sizeof(key.day) - 1);
	sgh_buf_puts(&secret, "AWS4");
	sgh_buf_puts(&secret, scope->secret_key);
	if (secret.failed)
		rc = sgh_fail_memory(err);
	else
		rc = sgh_hmac_sha256(secret.data, secret.length, key.day,
				     sizeof(key.day) - 1, key.key, err);
	for (size_t i = 0; !rc && i < SGH_COUNT(steps); i++)
		rc = sgh_hmac_sha256(key.key, sizeof(key.key), steps[i], strlen(steps[i]),
				     key.key, err);
	if (secret.data)
		explicit_bzero(secret.data, secret.capacity);
	sgh_buf_fini(&secret);
	if (!rc)
		*ret = key;
	explicit_bzero(&key, sizeof(key));
	return rc;
}

static bool unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

void sgh_uri_encode(struct sgh_buf *buf, const char *text, size_t length, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t plain = 0;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		char escaped[3] = { '%', digits[c >> 4], digits[c & 15] };

		if (unreserved(c) || (keep_slash && c == '/'))
			continue;
		sgh_buf_append(buf, text + plain, i - plain);
		sgh_buf_append(buf, escaped, sizeof(escaped));
		plain = i + 1;
	}
	sgh_buf_append(buf, text + plain, length - plain);
}

/* RFC 3986, section 5.2.4, and double slashes made one. `out` is as long as `path`. */
static size_t normalise(const char *path, char *out)
{
	size_t used = 0;

	while (*path) {
		size_t length = strcspn(++path, "/");

		if (length == 2 && !memcmp(path, "..", 2)) {
			while (used && out[--used] != '/')
				;
		} else if (length && !(length == 1 && *path == '.')) {
			out[used++] = '/';
			memcpy(out + used, path, length);
			used += length;
		}
		path += length;
		if (*path == '/' && !path[1 + strspn(path + 1, "/")]) {
			out[used++] = '/';
			return used;
		}
	}
	if (!used)
		out[used++] = '/';
	return used;
}

static void write_path(struct sgh_buf *buf, const struct sgh_sigv4_request *request)
{
	char plain[PATH_MAX_];

	if (request->normalise)
		sgh_uri_encode(buf, plain, normalise(request->path, plain), true);
	else
		sgh_uri_encode(buf, request->path, strlen(request->path), true);
}

/* Order by what compare() says, equal ones staying in their order: few, so by insertion. */
static void sort(const struct sgh_pair **pairs, size_t count,
		 int (*compare)(const struct sgh_pair *a, const struct sgh_pair *b))
{
	for (size_t i = 1; i < count; i++) {
		const struct sgh_pair *pair = pairs[i];
		size_t j = i;

		for (; j && compare(pairs[j - 1], pair) > 0; j--)
			pairs[j] = pairs[j - 1];
		pairs[j] = pair;
	}
}

/*
 * How two texts sort once they are encoded: `%` comes before all other characters that
 * are left as they are.
 */
static int compare_encoded(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	if (*a && *b && unreserved((unsigned char)*a) != unreserved((unsigned char)*b))
		return unreserved((unsigned char)*a) ? 1 : -1;
	return (unsigned char)*a - (unsigned char)*b;
}

static int compare_query(const struct sgh_pair *a, const struct sgh_pair *b)
{
	int order = compare_encoded(a->name, b->name);

	return order ? order : compare_encoded(a->value, b->value);
}

static int compare_header(const struct sgh_pair *a, const struct sgh_pair *b)
{
	return strcasecmp(a->name, b->name);
}

static void write_query(struct sgh_buf *buf, const struct sgh_pair *extra,
			size_t extra_count, const struct sgh_sigv4_request *request)
{
	const struct sgh_pair *pairs[SGH_SIGV4_PAIRS_MAX + PRESIGN_PAIRS];
	size_t count = 0;

	for (size_t i = 0; i < request->query_count; i++)
		pairs[count++] = &request->query[i];
	for (size_t i = 0; i < extra_count; i++)
		pairs[count++] = &extra[i];
	sort(pairs, count, compare_query);
	for (size_t i = 0; i < count; i++) {
		if (i)
			sgh_buf_putc(buf, '&');
		sgh_uri_encode(buf, pairs[i]->name, strlen(pairs[i]->name), false);
		sgh_buf_putc(buf, '=');
		sgh_uri_encode(buf, pairs[i]->value, strlen(pairs[i]->value), false);
	}
}

static void write_lower(struct sgh_buf *buf, const char *name)
{
	for (; *name; name++)
		sgh_buf_putc(buf,
			     *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name);
}

/* Without white space around it, and one space for each run of it inside. */
static void write_trimmed(struct sgh_buf *buf, const char *value)
{
	static const char white[] = " \t\r\n";

	value += strspn(value, white);
	while (*value) {
		size_t length = strcspn(value, white);

		sgh_buf_append(buf, value, length);
		value += length;
		value += strspn(value, white);
		if (*value)
			sgh_buf_putc(buf, ' ');
	}
}

static void sorted_headers(const struct sgh_sigv4_request *request,
			   const struct sgh_pair *sorted[SGH_SIGV4_PAIRS_MAX])
{
	for (size_t i = 0; i < request->header_count; i++)
		sorted[i] = &request->headers[i];
	sort(sorted, request->header_count, compare_header);
}

static void write_signed_headers(struct sgh_buf *buf,
				 const struct sgh_pair *const *sorted, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i && !strcasecmp(sorted[i]->name, sorted[i - 1]->name))
			continue;
		if (i)
			sgh_buf_putc(buf, ';');
		write_lower(buf, sorted[i]->name);
	}
}

static void write_headers(struct sgh_buf *buf, const struct sgh_pair *const *sorted,
			  size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i && !strcasecmp(sorted[i]->name, sorted[i - 1]->name)) {
			sgh_buf_putc(buf, ',');
		} else {
			if (i)
				sgh_buf_putc(buf, '\n');
			write_lower(buf, sorted[i]->name);
			sgh_buf_putc(buf, ':');
		}
		write_trimmed(buf, sorted[i]->value);
	}
	sgh_buf_putc(buf, '\n');
}

/* The query and the list of signed headers are in `work` already. */
static void write_canonical(const struct sgh_sigv4_request *request,
			    const struct sgh_pair *const *sorted,
			    struct sgh_sigv4_work *work)
{
	struct sgh_buf *buf = &work->canonical;

	sgh_buf_puts(buf, request->method);
	sgh_buf_putc(buf, '\n');
	write_path(buf, request);
	sgh_buf_putc(buf, '\n');
	sgh_buf_append(buf, sgh_buf_text(&work->query), work->query.length);
	sgh_buf_putc(buf, '\n');
	write_headers(buf, sorted, request->header_count);
	sgh_buf_putc(buf, '\n');
	sgh_buf_append(buf, sgh_buf_text(&work->signed_headers),
		       work->signed_headers.length);
	sgh_buf_putc(buf, '\n');
	sgh_buf_puts(buf, request->payload);
}

static int write_signature(const struct sgh_sigv4_scope *scope,
			   const struct sgh_sigv4_key *key, const char *date,
			   struct sgh_sigv4_work *work, struct sangraha_error *err)
{
	char hash[SANGRAHA_SHA256_SIZE];
	unsigned char mac[32];
	int rc;

	if (work_failed(work))
		return sgh_fail_memory(err);
	rc = sgh_sha256_hex(work->canonical.data, work->canonical.length, hash, err);
	if (rc)
		return rc;
	sgh_buf_printf(&work->to_sign, ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", date,
		       key->day, scope->region, scope->service, hash);
	if (work->to_sign.failed)
		return sgh_fail_memory(err);
	rc = sgh_hmac_sha256(key->key, sizeof(key->key), work->to_sign.data,
			     work->to_sign.length, mac, err);
	if (rc)
		return rc;
	sgh_hex(mac, sizeof(mac), work->signature);
	work->signature[64] = '\0';
	return 0;
}

static int check(const struct sgh_sigv4_request *request, struct sangraha_error *err)
{
	if (request->path[0] != '/')
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the path of a request to sign begins with a slash");
	if (strlen(request->path) >= PATH_MAX_)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the path of a request to sign is too long");
	if (request->header_count > SGH_SIGV4_PAIRS_MAX ||
	    request->query_count > SGH_SIGV4_PAIRS_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"too many headers or parameters to sign");
	return 0;
}

int sgh_sigv4_sign(const struct sgh_sigv4_request *request,
		   const struct sgh_sigv4_scope *scope, const struct sgh_sigv4_key *key,
		   const char date[SGH_SIGV4_DATE_SIZE], struct sgh_sigv4_work *work,
		   struct sgh_buf *authorization, struct sangraha_error *err)
{
	const struct sgh_pair *sorted[SGH_SIGV4_PAIRS_MAX];
	int rc = check(request, err);

	if (rc)
		return rc;
	work_clear(work);
	sorted_headers(request, sorted);
	write_query(&work->query, NULL, 0, request);
	write_signed_headers(&work->signed_headers, sorted, request->header_count);
	write_canonical(request, sorted, work);
	rc = write_signature(scope, key, date, work, err);
	if (rc)
		return rc;
	sgh_buf_printf(authorization,
		       ALGORITHM " Credential=%s/%s/%s/%s/aws4_request, "
				 "SignedHeaders=%s, Signature=%s",
		       scope->access_key, key->day, scope->region, scope->service,
		       sgh_buf_text(&work->signed_headers), work->signature);
	return authorization->failed ? sgh_fail_memory(err) : 0;
}

int sgh_sigv4_presign(const struct sgh_sigv4_request *request,
		      const struct sgh_sigv4_scope *scope,
		      const struct sgh_sigv4_key *key,
		      const char date[SGH_SIGV4_DATE_SIZE], unsigned expires_s,
		      struct sgh_sigv4_work *work, struct sgh_buf *target,
		      struct sangraha_error *err)
{
	const struct sgh_pair *sorted[SGH_SIGV4_PAIRS_MAX];
	sgh_autobuf struct sgh_buf credential = SGH_BUF_INIT(1024);
	char expires[16];
	int rc = check(request, err);

	if (rc)
		return rc;
	work_clear(work);
	sgh_buf_printf(&credential, "%s/%s/%s/%s/aws4_request", scope->access_key,
		       key->day, scope->region, scope->service);
	if (credential.failed)
		return sgh_fail_memory(err);
	snprintf(expires, sizeof(expires), "%u", expires_s);
	sorted_headers(request, sorted);
	write_signed_headers(&work->signed_headers, sorted, request->header_count);

	struct sgh_pair extra[PRESIGN_PAIRS] = {
		{ "X-Amz-Algorithm", ALGORITHM },
		{ "X-Amz-Credential", credential.data },
		{ "X-Amz-Date", date },
		{ "X-Amz-Expires", expires },
		{ "X-Amz-SignedHeaders", sgh_buf_text(&work->signed_headers) },
	};

	write_query(&work->query, extra, PRESIGN_PAIRS, request);
	write_canonical(request, sorted, work);
	rc = write_signature(scope, key, date, work, err);
	if (rc)
		return rc;
	sgh_uri_encode(target, request->path, strlen(request->path), true);
	sgh_buf_printf(target, "?%s&X-Amz-Signature=%s", sgh_buf_text(&work->query),
		       work->signature);
	return target->failed ? sgh_fail_memory(err) : 0;
}
