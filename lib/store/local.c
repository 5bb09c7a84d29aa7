/* SPDX-License-Identifier: MIT */
#include "store/local.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "wire/filename.h"
#include "wire/sha256.h"
#include "wire/sigv4.h"

/* The tickets of stores in this process: URLs that say what is allowed, and a MAC. */

#define HEX_SIZE 65

int sgh_local_init(struct sgh_local *local, const struct sgh_local_ops *ops,
		   struct sangraha_error *err)
{
	local->ops = ops;
	if (getrandom(local->secret, sizeof(local->secret), 0) !=
	    (ssize_t)sizeof(local->secret))
		return sgh_fail(err, SANGRAHA_E_INTERNAL, errno,
				"there are no random bytes for a secret");
	return 0;
}

static int sign(const struct sgh_local *local, const char *text, size_t length,
		char hex[HEX_SIZE], struct sangraha_error *err)
{
	unsigned char mac[32];
	int rc = sgh_hmac_sha256(local->secret, sizeof(local->secret), text, length, mac,
				 err);

	if (!rc)
		sgh_hex(mac, sizeof(mac), hex);
	return rc;
}

/* ---- headers ---- */

static int compare_names(const void *a, const void *b)
{
	const struct sgh_pair *left = a;
	const struct sgh_pair *right = b;

	return strcasecmp(left->name, right->name);
}

/* A digest of the headers in any order, names in any case. */
static int digest_headers(const struct sgh_pair *headers, size_t count,
			  char hex[HEX_SIZE], struct sangraha_error *err)
{
	struct sgh_pair sorted[SGH_TICKET_HEADERS_MAX];
	sgh_autobuf struct sgh_buf text = { 0 };

	if (count > SGH_COUNT(sorted))
		return sgh_fail(err, SANGRAHA_E_UNAUTHORIZED, 0,
				"the ticket allows no such headers");
	for (size_t i = 0; i < count; i++)
		sorted[i] = headers[i];
	qsort(sorted, count, sizeof(*sorted), compare_names);
	for (size_t i = 0; i < count; i++) {
		for (const char *at = sorted[i].name; *at; at++)
			sgh_buf_putc(&text,
				     *at >= 'A' && *at <= 'Z' ? (char)(*at | 0x20) : *at);
		sgh_buf_printf(&text, ":%s\n", sorted[i].value);
	}
	if (text.failed)
		return sgh_fail_memory(err);
	return sgh_sha256_hex(sgh_buf_text(&text), text.length, hex, err);
}

static int add_header(struct sgh_ticket *ticket, struct sgh_arena *arena,
		      const char *prefix, const char *name, const char *value,
		      struct sangraha_error *err)
{
	struct sgh_pair *header = &ticket->headers[ticket->header_count];
	char full[160];

	if (ticket->header_count == SGH_TICKET_HEADERS_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a ticket has at most %d headers",
				SGH_TICKET_HEADERS_MAX);
	snprintf(full, sizeof(full), "%s%s", prefix, name);
	header->name = sgh_arena_strdup(arena, full);
	header->value = sgh_arena_strdup(arena, value);
	if (!header->name || !header->value)
		return sgh_fail_memory(err);
	ticket->header_count++;
	return 0;
}

/* As an S3 store's, so that a requester sees no difference. */
static int add_headers(struct sgh_ticket *ticket, struct sgh_arena *arena,
		       const struct sgh_store_grant *grant, struct sangraha_error *err)
{
	int rc = 0;

	if (grant->content_type)
		rc = add_header(ticket, arena, "", "Content-Type", grant->content_type,
				err);
	if (!rc)
		rc = add_header(ticket, arena, "", "If-None-Match", "*", err);
	for (size_t i = 0; !rc && i < grant->meta_count; i++)
		rc = add_header(ticket, arena, "x-amz-meta-", grant->meta[i].name,
				grant->meta[i].value, err);
	return rc;
}

/* ---- URLs ---- */

static void add_value(struct sgh_buf *url, const char *name, const char *value)
{
	if (!value)
		return;
	sgh_buf_printf(url, "&%s=", name);
	sgh_percent_encode(url, value);
}

static void write_put(struct sgh_buf *url, const struct sgh_store_grant *grant,
		      const char *headers)
{
	sgh_buf_printf(url, "&size=%" PRIu64, grant->size);
	add_value(url, "sha256", grant->sha256);
	add_value(url, "headers", headers);
}

static void write_url(struct sgh_buf *url, const struct sgh_local *local,
		      const char *prefix, const struct sgh_store_grant *grant,
		      unsigned part, const char *headers)
{
	const char *rest = strchr(local->shared.name, ':') + 1;

	sgh_buf_append(url, local->shared.name, (size_t)(rest - local->shared.name));
	sgh_uri_encode(url, rest, strlen(rest), true);
	sgh_buf_printf(url, "?kind=%d&bucket=%s%s", grant->kind, prefix, grant->bucket);
	add_value(url, "key", grant->key);
	if (grant->kind == SGH_TICKET_PUT)
		write_put(url, grant, headers);
	if (grant->kind == SGH_TICKET_PARTS) {
		add_value(url, "upload", grant->upload);
		sgh_buf_printf(url, "&part=%u", part);
	}
	sgh_buf_printf(url, "&expires=%" PRId64, grant->expires_ms);
}

static int add_url(struct sgh_ticket *ticket, struct sgh_arena *arena,
		   struct sgh_buf *url, const struct sgh_local *local,
		   struct sangraha_error *err)
{
	char mac[HEX_SIZE];
	int rc;

	if (url->failed && !url->full)
		return sgh_fail_memory(err);
	if (url->failed || url->length + sizeof("&mac=") + HEX_SIZE > SGH_TICKET_URL_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the folder and the key are too long for a ticket");
	rc = sign(local, url->data, url->length, mac, err);
	if (rc)
		return rc;
	sgh_buf_printf(url, "&mac=%s", mac);
	ticket->urls[ticket->url_count] =
		url->failed ? NULL : sgh_arena_text(arena, url->data, url->length);
	if (!ticket->urls[ticket->url_count])
		return sgh_fail_memory(err);
	ticket->url_count++;
	return 0;
}

static int add_urls(struct sgh_ticket *ticket, struct sgh_arena *arena,
		    const struct sgh_local *local, const char *prefix,
		    const struct sgh_store_grant *grant, struct sangraha_error *err)
{
	sgh_autobuf struct sgh_buf url = SGH_BUF_INIT(SGH_TICKET_URL_MAX);
	unsigned count = grant->kind == SGH_TICKET_PARTS ? grant->part_count : 1;
	char headers[HEX_SIZE];
	int rc = digest_headers(ticket->headers, ticket->header_count, headers, err);

	for (unsigned i = 0; !rc && i < count; i++) {
		sgh_buf_clear(&url);
		write_url(&url, local, prefix, grant, grant->first_part + i, headers);
		rc = add_url(ticket, arena, &url, local, err);
	}
	return rc;
}

int sgh_local_ticket(struct sgh_local *local, const char *prefix,
		     const struct sgh_store_grant *grant, struct sgh_arena *arena,
		     struct sgh_ticket **ret, struct sangraha_error *err)
{
	struct sgh_ticket *ticket = sgh_arena_alloc(arena, sizeof(*ticket));
	int rc = 0;

	if (!ticket)
		return sgh_fail_memory(err);
	*ticket = (struct sgh_ticket){
		.kind = grant->kind,
		.expires_ms = grant->expires_ms,
	};
	if (grant->kind == SGH_TICKET_PARTS) {
		ticket->first_part = grant->first_part;
		ticket->record =
			grant->record ? sgh_arena_strdup(arena, grant->record) : NULL;
		if (grant->record && !ticket->record)
			return sgh_fail_memory(err);
	}
	if (grant->kind == SGH_TICKET_PUT)
		rc = add_headers(ticket, arena, grant, err);
	if (!rc)
		rc = add_urls(ticket, arena, local, prefix, grant, err);
	if (!rc)
		*ret = ticket;
	return rc;
}

/* ---- reading one ---- */

static uint64_t number_of(const char *text)
{
	char *end;
	uint64_t value;

	if (*text < '0' || *text > '9')
		return 0;
	value = strtoull(text, &end, 10);
	return *end ? 0 : value;
}

static void take(struct sgh_local_grant *grant, const char *name, const char *value)
{
	if (strcmp(name, "kind") == 0)
		grant->kind = (enum sgh_ticket_kind)number_of(value);
	else if (strcmp(name, "bucket") == 0)
		grant->bucket = value;
	else if (strcmp(name, "key") == 0)
		grant->key = value;
	else if (strcmp(name, "upload") == 0)
		grant->upload = value;
	else if (strcmp(name, "part") == 0)
		grant->part = (unsigned)number_of(value);
	else if (strcmp(name, "size") == 0)
		grant->size = number_of(value);
	else if (strcmp(name, "sha256") == 0)
		grant->sha256 = value;
	else if (strcmp(name, "headers") == 0)
		grant->headers = value;
	else if (strcmp(name, "expires") == 0)
		grant->expires_ms = (int64_t)number_of(value);
	else if (strcmp(name, "mac") == 0)
		grant->mac = value;
}

static int fail_url(struct sangraha_error *err)
{
	return sgh_fail(err, SANGRAHA_E_INVALID, 0, "this is no ticket of a local store");
}

int sgh_local_grant_parse(const char *url, struct sgh_arena *arena,
			  struct sgh_local_grant *ret, struct sangraha_error *err)
{
	struct sgh_local_grant grant = { 0 };
	char *text = sgh_arena_strdup(arena, url);
	char *at = text ? strchr(text, '?') : NULL;
	const char *mac = strstr(url, "&mac=");

	if (!text)
		return sgh_fail_memory(err);
	/* The MAC is about all that stands before it, so nothing may stand behind. */
	if (!at || !mac || strchr(mac + 1, '&'))
		return fail_url(err);
	*at++ = '\0';
	grant.name = text;
	grant.signed_length = (size_t)(mac - url);
	if (!sgh_percent_decode(text))
		return fail_url(err);
	for (char *pair; (pair = strsep(&at, "&"));) {
		char *value = strchr(pair, '=');

		if (!value)
			return fail_url(err);
		*value++ = '\0';
		if (!sgh_percent_decode(value))
			return fail_url(err);
		take(&grant, pair, value);
	}
	if (!grant.kind || grant.kind > SGH_TICKET_GET || !grant.bucket || !grant.key ||
	    !grant.mac || (grant.kind == SGH_TICKET_PUT && !grant.headers) ||
	    (grant.kind == SGH_TICKET_PARTS && !grant.upload))
		return fail_url(err);
	*ret = grant;
	return 0;
}

static bool same_mac(const char *a, const char *b)
{
	int different = 0;

	if (strlen(a) != strlen(b))
		return false;
	for (; *a; a++, b++)
		different |= *a ^ *b;
	return !different;
}

static int check_put(const struct sgh_local_grant *grant, const struct sgh_move *move,
		     struct sangraha_error *err)
{
	uint64_t length = move->pull ? move->length : move->body ? move->body->length : 0;
	char headers[HEX_SIZE];
	int rc = digest_headers(move->headers, move->header_count, headers, err);

	if (!rc && (length != grant->size || strcmp(headers, grant->headers) != 0))
		rc = sgh_fail(err, SANGRAHA_E_UNAUTHORIZED, 0,
			      "the ticket allows another size or other headers");
	return rc;
}

int sgh_local_grant_check(struct sgh_local *local, const struct sgh_local_grant *grant,
			  const struct sgh_move *move, struct sangraha_error *err)
{
	char mac[HEX_SIZE];
	int rc = sign(local, move->url, grant->signed_length, mac, err);

	if (rc)
		return rc;
	if (!same_mac(mac, grant->mac))
		return sgh_fail(err, SANGRAHA_E_UNAUTHORIZED, 0,
				"the ticket is not of this store, or was changed");
	if (grant->kind != move->kind)
		return sgh_fail(err, SANGRAHA_E_UNAUTHORIZED, 0,
				"the ticket is for another transfer");
	if (sgh_time_ms() >= grant->expires_ms)
		return sgh_fail(err, SANGRAHA_E_UNAUTHORIZED, 0, "the ticket has ended");
	return grant->kind == SGH_TICKET_PUT ? check_put(grant, move, err) : 0;
}
