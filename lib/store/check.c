/* SPDX-License-Identifier: MIT */
#include "store/check.h"

#include <ctype.h>

#include "base/clock.h"
#include "base/error.h"
#include "wire/crc32c.h"
#include "wire/s3xml.h"
#include "wire/sha256.h"

#define KEY_MAX  1024
#define LIST_MAX 1000
/* Bytes of metadata and type; servers take no more headers, and arenas hold them. */
#define META_BYTES_MAX 8192
/* What a signed URL can be good for at most, and what it can make a store say. */
#define TICKET_MS_MAX (7 * 24 * 3600 * INT64_C(1000))
#define RESPONSE_MAX  1024

bool sgh_store_bucket_chars(const char *text)
{
	for (; *text; text++)
		if (!islower((unsigned char)*text) && !isdigit((unsigned char)*text) &&
		    *text != '-')
			return false;
	return true;
}

static bool bucket_valid(const struct sangraha_store *store, const char *bucket)
{
	size_t length;

	if (!bucket || !*bucket || !sgh_store_bucket_chars(bucket))
		return false;
	length = strlen(bucket);
	if (bucket[length - 1] == '-' || (!*store->bucket_prefix && *bucket == '-'))
		return false;
	length += strlen(store->bucket_prefix);
	return length >= 3 && length <= 63;
}

/* The length of the character (RFC 3629) at `text`, 0 for what is none. */
static size_t utf8_char(const unsigned char *text)
{
	static const unsigned char least[] = { 0, 0, 0xc2, 0xe0, 0xf0 };
	size_t length = *text < 0x80 ? 1 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;

	if (*text < 0x80)
		return 1;
	if (*text < least[length] || *text > 0xf4)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((*text == 0xe0 && text[1] < 0xa0) || (*text == 0xed && text[1] > 0x9f) ||
	    (*text == 0xf0 && text[1] < 0x90) || (*text == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

/* UTF-8 of at most 1024 bytes without control characters. */
static bool text_valid(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t length = utf8_char(at);

		if (!length || *at < ' ' || *at == 0x7f)
			return false;
		at += length;
		if (at - (const unsigned char *)text > KEY_MAX)
			return false;
	}
	return true;
}

/* A key is no path: servers and file systems disagree on what these would mean. */
static bool has_path_parts(const char *key)
{
	for (;;) {
		size_t length = strcspn(key, "/");

		if (length == 0 || (length == 1 && key[0] == '.') ||
		    (length == 2 && key[0] == '.' && key[1] == '.'))
			return true;
		if (!key[length])
			return false;
		key += length + 1;
	}
}

static bool key_valid(const char *key)
{
	return key && *key && text_valid(key) && !has_path_parts(key);
}

static bool printable(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static bool meta_name_valid(const char *name)
{
	return name && *name && strlen(name) <= 128 && sgh_store_bucket_chars(name);
}

/* What an object is stored with. */
static int check_meta(const char *content_type, const struct sgh_pair *meta, size_t count,
		      struct sangraha_error *err)
{
	size_t length = content_type ? strlen(content_type) : 0;

	if (content_type && (!*content_type || !printable(content_type)))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the content type has other than printable characters");
	if (count > SGH_STORE_META_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "more than %d metadata",
				SGH_STORE_META_MAX);
	for (size_t i = 0; i < count; i++) {
		if (!meta_name_valid(meta[i].name) || !meta[i].value ||
		    !printable(meta[i].value))
			return sgh_fail(
				err, SANGRAHA_E_INVALID, 0,
				"metadata is not a name of [a-z0-9-] and a value in "
				"printable ASCII");
		length += strlen(meta[i].name) + strlen(meta[i].value);
	}
	if (length > META_BYTES_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the metadata and the content type have more than %d "
				"bytes",
				META_BYTES_MAX);
	return 0;
}

static int check_list(const struct sgh_store_op *op, struct sangraha_error *err)
{
	if (op->limit < 1 || op->limit > LIST_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the limit of a listing is not 1 to %d", LIST_MAX);
	if ((op->prefix && !text_valid(op->prefix)) ||
	    (op->after && !text_valid(op->after)))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the prefix or the last key is not UTF-8");
	return 0;
}

static int check_bucket(const struct sangraha_store *store, const char *bucket,
			struct sangraha_error *err)
{
	if (bucket_valid(store, bucket))
		return 0;
	return sgh_fail(err, SANGRAHA_E_INVALID, 0,
			"the bucket is not 3 to 63 of [a-z0-9-], with the prefix");
}

static int check_key(const char *key, struct sangraha_error *err)
{
	if (key_valid(key))
		return 0;
	return sgh_fail(err, SANGRAHA_E_INVALID, 0,
			"the key is not 1 to %d bytes of UTF-8 without control "
			"characters and path parts",
			KEY_MAX);
}

static int check_upload(const char *upload, struct sangraha_error *err)
{
	if (upload && sgh_s3_upload_valid(upload))
		return 0;
	return sgh_fail(err, SANGRAHA_E_INVALID, 0,
			"the upload id is not 1 to %d printable characters",
			SGH_S3_UPLOAD_MAX);
}

static int check_get(const struct sgh_store_op *op, struct sangraha_error *err)
{
	if (!op->max_length || op->offset > INT64_MAX || op->max_length > INT64_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"there is nothing in the range to read");
	if (op->whole && op->offset)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the whole of an object begins at its first byte");
	return 0;
}

static int check_part_number(unsigned number, struct sangraha_error *err)
{
	if (number >= 1 && number <= SGH_PARTS_MAX)
		return 0;
	return sgh_fail(err, SANGRAHA_E_INVALID, 0, "a part's number is not 1 to %d",
			SGH_PARTS_MAX);
}

static int check_part_list(const struct sgh_store_op *op, struct sangraha_error *err)
{
	if (op->limit < 1 || op->limit > LIST_MAX || op->part > SGH_PARTS_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the limit of a list of parts is not 1 to %d, or it "
				"begins behind the last part that can be",
				LIST_MAX);
	return 0;
}

static bool etag_valid(const char *etag)
{
	char quoted[SGH_PART_ETAG_MAX + 1];

	return etag && sgh_s3_etag(etag, strlen(etag), quoted);
}

static int check_complete(const struct sgh_store_op *op, struct sangraha_error *err)
{
	unsigned last = 0;

	if (!op->parts || op->part_count < 1 || op->part_count > SGH_PARTS_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"an upload has not 1 to %d parts", SGH_PARTS_MAX);
	for (size_t i = 0; i < op->part_count; i++) {
		const struct sgh_part *part = &op->parts[i];

		if (part->number <= last || part->number > SGH_PARTS_MAX ||
		    part->size > SGH_PART_MAX || !etag_valid(part->etag))
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"the parts are not in the order of their "
					"numbers, each with its size and entity tag");
		last = part->number;
	}
	return 0;
}

/* What remains to check once bucket, key and upload are known to be some. */
static int check_rest(const struct sgh_store_op *op, struct sangraha_error *err)
{
	switch (op->verb) {
	case SGH_STORE_PUT:
	case SGH_STORE_UPLOAD_BEGIN:
		return check_meta(op->content_type, op->meta, op->meta_count, err);
	case SGH_STORE_GET:
		return check_get(op, err);
	case SGH_STORE_UPLOAD_PART:
		return check_part_number(op->part, err);
	case SGH_STORE_UPLOAD_PARTS:
		return check_part_list(op, err);
	case SGH_STORE_UPLOAD_COMPLETE:
		return check_complete(op, err);
	case SGH_STORE_LIST:
		return check_list(op, err);
	default:
		return 0;
	}
}

int sgh_store_check_op(const struct sangraha_store *store, const struct sgh_store_op *op,
		       struct sangraha_error *err)
{
	bool keyed = op->verb <= SGH_STORE_UPLOAD_FIND;
	bool of_upload =
		op->verb >= SGH_STORE_UPLOAD_PART && op->verb <= SGH_STORE_UPLOAD_ABORT;
	int rc = 0;

	if (op->verb != SGH_STORE_CHECK)
		rc = check_bucket(store, op->bucket, err);
	if (!rc && keyed)
		rc = check_key(op->key, err);
	if (!rc && of_upload)
		rc = check_upload(op->upload, err);
	return rc ? rc : check_rest(op, err);
}

static int check_put_grant(const struct sgh_store_grant *grant,
			   struct sangraha_error *err)
{
	if (grant->size > SGH_PART_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"more than one request can put");
	if (grant->sha256 && !sgh_sha256_hex_valid(grant->sha256))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the digest is not 64 hexadecimal digits");
	if (grant->crc32c && !sgh_crc32c_hex_valid(grant->crc32c))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the CRC-32C is not 8 hexadecimal digits");
	return check_meta(grant->content_type, grant->meta, grant->meta_count, err);
}

static int check_parts_grant(const struct sgh_store_grant *grant,
			     struct sangraha_error *err)
{
	int rc = check_upload(grant->upload, err);

	if (!rc)
		rc = check_part_number(grant->first_part, err);
	if (rc)
		return rc;
	if (grant->part_count < 1 || grant->part_count > SGH_TICKET_URLS_MAX ||
	    grant->part_count > SGH_PARTS_MAX + 1 - grant->first_part)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a ticket is for 1 to %d parts, none after %d",
				SGH_TICKET_URLS_MAX, SGH_PARTS_MAX);
	if (!grant->record)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a ticket for parts has no record id");
	return 0;
}

static bool response_valid(const char *value)
{
	return !value || (*value && strlen(value) <= RESPONSE_MAX && printable(value));
}

static int check_get_grant(const struct sgh_store_grant *grant,
			   struct sangraha_error *err)
{
	if (response_valid(grant->response_type) &&
	    response_valid(grant->response_disposition))
		return 0;
	return sgh_fail(err, SANGRAHA_E_INVALID, 0,
			"a header of the response is not 1 to %d printable characters",
			RESPONSE_MAX);
}

int sgh_store_check_grant(const struct sangraha_store *store,
			  const struct sgh_store_grant *grant, struct sangraha_error *err)
{
	int64_t left = grant->expires_ms - sgh_time_ms();
	int rc = check_bucket(store, grant->bucket, err);

	if (!rc)
		rc = check_key(grant->key, err);
	if (rc)
		return rc;
	if (left <= 0 || left > TICKET_MS_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a ticket does not end within the next 7 days");
	switch (grant->kind) {
	case SGH_TICKET_PUT:
		return check_put_grant(grant, err);
	case SGH_TICKET_PARTS:
		return check_parts_grant(grant, err);
	case SGH_TICKET_GET:
		return check_get_grant(grant, err);
	default:
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "a ticket for nothing");
	}
}
