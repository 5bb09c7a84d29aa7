/* SPDX-License-Identifier: MIT */
#include "store/s3.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "base/clock.h"
#include "base/error.h"
#include "store/s3_answer.h"

#define META "x-amz-meta-"
/* What of a key is shown in a message; the reason is more important. */
#define KEY_SHOWN 100

static const char *keep(struct sgh_s3_op *self, const char *text, size_t length)
{
	const char *copy = sgh_arena_text(&self->op->arena, text, length);

	self->no_memory |= !copy;
	return copy;
}

static void keep_meta(struct sgh_s3_op *self, const char *name, size_t name_length,
		      const char *value, size_t value_length)
{
	struct sgh_store_head *head = &self->op->head;
	char *lower;

	/* An object that others wrote may have more than any of ours. */
	if (head->meta_count == SGH_STORE_META_MAX)
		return;
	lower = (char *)keep(self, name, name_length);
	for (char *c = lower; c && *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + 32);
	value = keep(self, value, value_length);
	if (lower && value)
		head->meta[head->meta_count++] = (struct sgh_pair){ lower, value };
}

static void parse_range(struct sgh_s3_op *self, const char *value, size_t length)
{
	struct sgh_s3_range range;

	if (!sgh_s3_content_range(value, length, &range))
		return;
	self->ranged = true;
	self->first = range.first;
	self->op->head.size = range.size;
	/*
	 * No byte of it is wanted: the transfer ends when the first one comes, before there
	 * is memory for it.
	 */
	if (self->op->whole && range.size > self->op->max_length)
		self->http.max_data = 0;
}

static void keep_etag(struct sgh_s3_op *self, const char *value, size_t length)
{
	char etag[SGH_PART_ETAG_MAX + 1];

	if (sgh_s3_etag(value, length, etag))
		self->op->etag = keep(self, etag, strlen(etag));
}

static void parse_date(struct sgh_s3_op *self, const char *value, size_t length)
{
	char text[64];

	if (length >= sizeof(text))
		return;
	memcpy(text, value, length);
	text[length] = '\0';
	if (!sgh_http_date_parse(text, &self->op->head.modified_ms))
		self->op->head.modified_ms = 0;
}

void sgh_s3_on_header(struct sgh_http_request *request, const char *name,
		      size_t name_length, const char *value, size_t value_length)
{
	struct sgh_s3_op *self = sgh_container_of(request, struct sgh_s3_op, http);
	size_t meta = strlen(META);

	if (sgh_named(name, name_length, "content-length"))
		sgh_s3_number(value, value + value_length, &self->length);
	if (self->verb == SGH_STORE_UPLOAD_PART && sgh_named(name, name_length, "etag"))
		keep_etag(self, value, value_length);
	if (self->verb != SGH_STORE_GET && self->verb != SGH_STORE_HEAD)
		return;
	if (name_length > meta && strncasecmp(name, META, meta) == 0)
		keep_meta(self, name + meta, name_length - meta, value, value_length);
	else if (sgh_named(name, name_length, "content-type"))
		self->op->head.content_type = keep(self, value, value_length);
	else if (sgh_named(name, name_length, "content-range"))
		parse_range(self, value, value_length);
	else if (sgh_named(name, name_length, "last-modified"))
		parse_date(self, value, value_length);
}

static const char *verb_name(enum sgh_store_verb verb)
{
	static const char *const names[] = {
		[SGH_STORE_PUT] = "PUT",
		[SGH_STORE_GET] = "GET",
		[SGH_STORE_HEAD] = "HEAD",
		[SGH_STORE_DELETE] = "DELETE",
		[SGH_STORE_UPLOAD_BEGIN] = "BEGIN UPLOAD",
		[SGH_STORE_UPLOAD_PART] = "PUT PART",
		[SGH_STORE_UPLOAD_PARTS] = "LIST PARTS",
		[SGH_STORE_UPLOAD_COMPLETE] = "COMPLETE UPLOAD",
		[SGH_STORE_UPLOAD_ABORT] = "ABORT UPLOAD",
		[SGH_STORE_UPLOAD_FIND] = "LIST UPLOADS",
		[SGH_STORE_LIST] = "LIST",
		[SGH_STORE_MAKE_BUCKET] = "MAKE BUCKET",
		[SGH_STORE_CHECK] = "CHECK",
	};

	return names[verb];
}

/* The sentence's beginning: what was asked, of what. */
static void subject(const struct sgh_s3_op *self, char *text, size_t size)
{
	const struct sgh_store_op *op = self->op;
	bool with_key = self->verb <= SGH_STORE_UPLOAD_FIND;
	size_t length = with_key ? strlen(op->key) : 0;
	bool cut = length > KEY_SHOWN;

	if (cut)
		length = KEY_SHOWN;
	while (cut && length && ((unsigned char)op->key[length] & 0xc0) == 0x80)
		length--;
	snprintf(text, size, "%s %s%s%s%.*s%s", verb_name(self->verb),
		 self->s3->store.bucket_prefix, op->bucket, with_key ? "/" : "",
		 (int)length, with_key ? op->key : "", cut ? "…" : "");
}

static const char *text_of_http(long code)
{
	switch (code) {
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden: the keys of the store are wrong, or lack the right";
	case 404:
		return "Not Found";
	case 412:
		return "Precondition Failed";
	case 429:
		return "Too Many Requests";
	case 503:
		return "Service Unavailable";
	default:
		return code >= 500 ? "the store failed" : "an unexpected answer";
	}
}

static int fail_answer(const struct sgh_s3_op *self, const struct sgh_s3_error *error,
		       struct sangraha_error *err)
{
	long code = self->http.code;
	int status = sgh_s3_status(code, error->code);
	char about[320];

	self->op->garbled = strcmp(error->code, "XAmzContentSHA256Mismatch") == 0;

	subject(self, about, sizeof(about));
	if (!error->code[0])
		return sgh_fail(err, status, code, "%s: %ld %s", about, code,
				text_of_http(code));
	return sgh_fail(err, status, code, "%s: %ld %s: %s", about, code, error->code,
			error->message);
}

static int fail_transport(const struct sgh_s3_op *self, struct sangraha_error *err)
{
	const struct sangraha_error *from = &self->http.err;
	char about[320];
	/* A store whose answers are over every bound makes no sense. */
	int status = from->status == SANGRAHA_E_TOO_LARGE ? SANGRAHA_E_INTERNAL
							  : self->http.status;

	subject(self, about, sizeof(about));
	return sgh_fail(err, status, from->native, "%s: %s", about, from->message);
}

/* Whether an error counts as success, because what was wanted is so. */
static bool is_so_already(const struct sgh_s3_op *self, const struct sgh_s3_error *error)
{
	switch (self->verb) {
	case SGH_STORE_DELETE:
	case SGH_STORE_UPLOAD_ABORT:
	case SGH_STORE_CHECK:
		/* It serves, and it let us look. */
		return self->http.code == 404;
	case SGH_STORE_MAKE_BUCKET:
		return strcmp(error->code, "BucketAlreadyOwnedByYou") == 0 ||
		       strcmp(error->code, "BucketAlreadyExists") == 0;
	default:
		return false;
	}
}

/*
 * Whether the transfer was ended because the object, described in the headers, is larger
 * than what was to be read of it.
 */
static bool is_larger(struct sgh_s3_op *self)
{
	struct sgh_store_op *op = self->op;

	if (self->verb != SGH_STORE_GET || !op->whole || self->no_memory ||
	    self->http.status != SANGRAHA_E_TOO_LARGE || self->http.code / 100 != 2)
		return false;
	if (!self->ranged)
		op->head.size = self->length;
	return op->head.size > op->max_length;
}

static int get_result(struct sgh_s3_op *self, struct sangraha_error *err)
{
	struct sgh_store_op *op = self->op;
	struct sgh_bytes *data = self->http.data;
	uint64_t wanted;

	if (self->http.code == 206) {
		if (!self->ranged || self->first != op->offset ||
		    op->head.size <= op->offset)
			return sgh_fail(err, SANGRAHA_E_INTERNAL, 206,
					"the store answered with another part than was "
					"asked for");
	} else if (op->offset) {
		return sgh_fail(err, SANGRAHA_E_INTERNAL, self->http.code,
				"the store ignored the range");
	} else if (self->length != data->length) {
		/* Without a length, a body that was cut looks like a whole one. */
		return sgh_fail(
			err, SANGRAHA_E_UNAVAILABLE, self->http.code,
			"the store sent %zu bytes without saying how many there are",
			data->length);
	} else {
		op->head.size = data->length;
	}
	wanted = op->head.size - op->offset;
	if (wanted > op->max_length)
		wanted = op->max_length;
	if (data->length != wanted)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, self->http.code,
				"the store answered with %zu bytes instead of %llu",
				data->length, (unsigned long long)wanted);
	op->data = sgh_take(self->http.data);
	return 0;
}

static int list_result(struct sgh_s3_op *self, struct sangraha_error *err)
{
	struct sgh_store_op *op = self->op;
	const struct sgh_buf *text = &self->http.text;
	struct sgh_s3_list list;
	int rc;

	op->arena.max = ((size_t)op->limit + 1) * (3 * SGH_S3_KEY_MAX + 256);
	rc = sgh_s3xml_list(sgh_buf_text(text), text->length, op->limit, &op->arena,
			    &list, err);
	if (rc)
		return rc;
	op->keys = sgh_arena_alloc(&op->arena, list.count * sizeof(*op->keys) + 1);
	if (!op->keys)
		return sgh_fail_memory(err);
	for (size_t i = 0; i < list.count; i++)
		op->keys[i] = (struct sgh_store_key){
			.key = list.keys[i].key,
			.size = list.keys[i].size,
			.modified_ms = list.keys[i].modified_ms,
		};
	op->key_count = list.count;
	op->more = list.more;
	return 0;
}

static int begun_result(struct sgh_s3_op *self, struct sangraha_error *err)
{
	const struct sgh_buf *text = &self->http.text;

	return sgh_s3xml_begun(sgh_buf_text(text), text->length, &self->op->arena,
			       &self->op->begun_upload, err);
}

static int part_result(struct sgh_s3_op *self, struct sangraha_error *err)
{
	if (self->op->etag)
		return 0;
	return sgh_fail(err, SANGRAHA_E_INTERNAL, self->http.code,
			"the store gave a part no entity tag");
}

static int parts_result(struct sgh_s3_op *self, struct sangraha_error *err)
{
	struct sgh_store_op *op = self->op;
	const struct sgh_buf *text = &self->http.text;
	struct sgh_s3_parts list;
	int rc;

	op->arena.max = ((size_t)op->limit + 1) * SGH_S3_PART_BYTES;
	rc = sgh_s3xml_parts(sgh_buf_text(text), text->length, op->limit, op->part,
			     &op->arena, &list, err);
	if (rc)
		return rc;
	op->found_parts = list.parts;
	op->found_part_count = list.count;
	op->more = list.more;
	return 0;
}

/* An answer that tells nothing leaves open what was done. */
static int complete_result(struct sgh_s3_op *self, struct sangraha_error *err)
{
	const struct sgh_buf *text = &self->http.text;

	if (sgh_s3xml_completed(sgh_buf_text(text), text->length))
		return 0;
	return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, self->http.code,
			"the store's answer about a completed upload cannot be read");
}

/* Adds a page to what is there. Where the next one begins is left in `marker`. */
static int find_result(struct sgh_s3_op *self, struct sangraha_error *err)
{
	struct sgh_store_op *op = self->op;
	const struct sgh_buf *text = &self->http.text;
	struct sgh_s3_uploads page;
	int rc;

	op->arena.max = SGH_S3_FIND_BYTES;
	if (!op->uploads)
		op->uploads = sgh_arena_alloc(&op->arena,
					      SGH_S3_UPLOADS_MAX * sizeof(*op->uploads));
	if (!op->uploads)
		return sgh_fail_memory(err);
	rc = sgh_s3xml_uploads(sgh_buf_text(text), text->length, op->key,
			       SGH_S3_UPLOADS_PAGE, &op->arena, &page, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < page.count && op->upload_count < SGH_S3_UPLOADS_MAX; i++)
		op->uploads[op->upload_count++] = page.uploads[i];
	/* A server that does not go on would never come to an end. */
	if (op->upload_count == SGH_S3_UPLOADS_MAX || sgh_streq(page.next, self->marker))
		page.next = NULL;
	self->marker = page.next;
	return 0;
}

static int success(struct sgh_s3_op *self, struct sangraha_error *err)
{
	if (self->no_memory)
		return sgh_fail_memory(err);
	switch (self->verb) {
	case SGH_STORE_GET:
		return get_result(self, err);
	case SGH_STORE_HEAD:
		self->op->head.size = self->length;
		return 0;
	case SGH_STORE_UPLOAD_BEGIN:
		return begun_result(self, err);
	case SGH_STORE_UPLOAD_PART:
		return part_result(self, err);
	case SGH_STORE_UPLOAD_PARTS:
		return parts_result(self, err);
	case SGH_STORE_UPLOAD_COMPLETE:
		return complete_result(self, err);
	case SGH_STORE_UPLOAD_FIND:
		return find_result(self, err);
	case SGH_STORE_LIST:
		return list_result(self, err);
	default:
		return 0;
	}
}

int sgh_s3_result(struct sgh_s3_op *self, struct sangraha_error *err)
{
	const struct sgh_buf *text = &self->http.text;
	struct sgh_s3_error error = { { 0 } };
	bool is_error;

	if (is_larger(self))
		return 0;
	if (self->http.status)
		return fail_transport(self, err);
	is_error = sgh_s3xml_error(sgh_buf_text(text), text->length, &error);
	if (self->http.code / 100 == 2 && !is_error)
		return success(self, err);
	if (is_so_already(self, &error))
		return 0;
	return fail_answer(self, &error, err);
}
