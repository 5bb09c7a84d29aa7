/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "wire/s3xml.h"
#include "wire/s3xml_walk.h"

/* The documents of an upload in parts. */

static bool printable(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return length > 0;
}

bool sgh_s3_upload_valid(const char *upload)
{
	size_t length = strlen(upload);

	return length <= SGH_S3_UPLOAD_MAX && printable(upload, length);
}

bool sgh_s3_etag(const char *text, size_t length, char ret[SGH_PART_ETAG_MAX + 1])
{
	bool quoted = length >= 2 && text[0] == '"' && text[length - 1] == '"';

	if (quoted) {
		text++;
		length -= 2;
	}
	if (length > SGH_PART_ETAG_MAX - 2 || !printable(text, length) ||
	    memchr(text, '"', length))
		return false;
	ret[0] = '"';
	memcpy(ret + 1, text, length);
	memcpy(ret + 1 + length, "\"", 2);
	return true;
}

/* What all of them end with: a walk that failed, for one reason or another. */
static int finish(const struct sgh_s3xml_walk *walk, const char *wrong, bool found,
		  const char *what, struct sangraha_error *err)
{
	if (walk->no_memory)
		return sgh_fail_memory(err);
	if (!wrong && !found)
		wrong = "it is another document";
	if (wrong)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0, "the store's %s: %s", what,
				wrong);
	return 0;
}

struct begun_walk {
	struct sgh_s3xml_walk walk;
	struct sgh_arena *arena;
	const char *upload;
};

/* An upload id, kept in the arena; NULL and the walk ends. */
static const char *keep_upload(struct sgh_s3xml_walk *walk, struct sgh_arena *arena)
{
	const char *upload = NULL;

	if (walk->cut || !sgh_s3_upload_valid(walk->text)) {
		sgh_s3xml_refuse(walk, "an upload id is not one");
		return NULL;
	}
	upload = sgh_arena_text(arena, walk->text, walk->length);
	if (!upload) {
		walk->no_memory = true;
		sgh_s3xml_refuse(walk, "out of memory");
	}
	return upload;
}

static void begun_element(struct sgh_s3xml_walk *walk)
{
	struct begun_walk *self = sgh_container_of(walk, struct begun_walk, walk);

	if (sgh_s3xml_at(walk, "InitiateMultipartUploadResult", "UploadId", NULL))
		self->upload = keep_upload(walk, self->arena);
}

int sgh_s3xml_begun(const void *data, size_t length, struct sgh_arena *arena,
		    const char **ret, struct sangraha_error *err)
{
	struct begun_walk self = { .walk.element = begun_element, .arena = arena };
	const char *wrong = sgh_s3xml_walk_run(&self.walk, data, length);
	int rc = finish(&self.walk, wrong, self.upload != NULL,
			"answer about a new upload cannot be read", err);

	if (!rc)
		*ret = self.upload;
	return rc;
}

#define PARTS "ListPartsResult"

struct parts_walk {
	struct sgh_s3xml_walk walk;
	struct sgh_arena *arena;
	struct sgh_s3_parts list;
	size_t max_parts;
	unsigned last; /* number so far */
	bool found;
};

static void parts_begin(struct sgh_s3xml_walk *walk)
{
	struct parts_walk *self = sgh_container_of(walk, struct parts_walk, walk);

	if (!sgh_s3xml_at(walk, PARTS, "Part", NULL))
		return;
	if (self->list.count == self->max_parts)
		sgh_s3xml_refuse(walk, "more parts than asked for");
	else
		self->list.parts[self->list.count++] = (struct sgh_part){ 0 };
}

static void part_etag(struct parts_walk *self, struct sgh_part *part)
{
	struct sgh_s3xml_walk *walk = &self->walk;
	char etag[SGH_PART_ETAG_MAX + 1];

	if (walk->cut || !sgh_s3_etag(walk->text, walk->length, etag)) {
		sgh_s3xml_refuse(walk, "an entity tag is not one");
		return;
	}
	part->etag = sgh_arena_strdup(self->arena, etag);
	if (!part->etag) {
		walk->no_memory = true;
		sgh_s3xml_refuse(walk, "out of memory");
	}
}

static void part_element(struct parts_walk *self, struct sgh_part *part)
{
	struct sgh_s3xml_walk *walk = &self->walk;
	uint64_t number;

	if (sgh_s3xml_at(walk, PARTS, "Part", "PartNumber")) {
		if (!sgh_s3xml_number(walk->text, &number) || number > SGH_PARTS_MAX)
			sgh_s3xml_refuse(walk, "a part's number is not one");
		else
			part->number = (unsigned)number;
	} else if (sgh_s3xml_at(walk, PARTS, "Part", "Size")) {
		if (!sgh_s3xml_number(walk->text, &part->size))
			sgh_s3xml_refuse(walk, "a size is not a number");
	} else if (sgh_s3xml_at(walk, PARTS, "Part", "ETag")) {
		part_etag(self, part);
	}
}

static void part_ended(struct parts_walk *self, const struct sgh_part *part)
{
	if (!part->number || !part->etag)
		sgh_s3xml_refuse(&self->walk, "a part has no number or no entity tag");
	else if (part->number <= self->last)
		sgh_s3xml_refuse(&self->walk, "the parts are not in their order");
	self->last = part->number;
}

static void parts_element(struct sgh_s3xml_walk *walk)
{
	struct parts_walk *self = sgh_container_of(walk, struct parts_walk, walk);
	struct sgh_part *part =
		self->list.count ? &self->list.parts[self->list.count - 1] : NULL;

	if (walk->depth == 3 && part)
		part_element(self, part);
	else if (sgh_s3xml_at(walk, PARTS, "Part", NULL) && part)
		part_ended(self, part);
	else if (sgh_s3xml_at(walk, PARTS, "IsTruncated", NULL))
		self->list.more = strcmp(walk->text, "true") == 0;
	else if (sgh_s3xml_at(walk, PARTS, NULL, NULL))
		self->found = true;
}

int sgh_s3xml_parts(const void *data, size_t length, size_t max_parts, unsigned after,
		    struct sgh_arena *arena, struct sgh_s3_parts *ret,
		    struct sangraha_error *err)
{
	struct parts_walk self = {
		.walk.element = parts_element,
		.walk.begin = parts_begin,
		.arena = arena,
		.max_parts = max_parts,
		.last = after,
	};
	const char *wrong;
	int rc;

	self.list.parts =
		sgh_arena_alloc(arena, max_parts * sizeof(*self.list.parts) + 1);
	if (!self.list.parts)
		return sgh_fail_memory(err);
	wrong = sgh_s3xml_walk_run(&self.walk, data, length);
	/* To go on behind the last part there must have been one. */
	if (!wrong && self.list.more && !self.list.count)
		wrong = "there are more parts than none";
	rc = finish(&self.walk, wrong, self.found, "list of parts cannot be read", err);
	if (!rc)
		*ret = self.list;
	return rc;
}

#define UPLOADS "ListMultipartUploadsResult"

/* As a page of the listing has it; the encoding of keys may be named behind them. */
struct upload {
	char *key;
	const char *upload;
};

struct uploads_walk {
	struct sgh_s3xml_walk walk;
	struct sgh_arena arena; /* of the page */
	struct upload *page;
	size_t count;
	size_t max_uploads;
	char *next_key;
	const char *next_upload;
	bool encoded;
	bool more;
	bool found;
};

static void uploads_begin(struct sgh_s3xml_walk *walk)
{
	struct uploads_walk *self = sgh_container_of(walk, struct uploads_walk, walk);

	if (!sgh_s3xml_at(walk, UPLOADS, "Upload", NULL))
		return;
	if (self->count == self->max_uploads)
		sgh_s3xml_refuse(walk, "more uploads than asked for");
	else
		self->page[self->count++] = (struct upload){ 0 };
}

static char *keep_key(struct uploads_walk *self)
{
	struct sgh_s3xml_walk *walk = &self->walk;
	char *key = NULL;

	if (!walk->cut)
		key = sgh_arena_text(&self->arena, walk->text, walk->length);
	walk->no_memory |= !walk->cut && !key;
	if (!key)
		sgh_s3xml_refuse(walk, "a key is too long");
	return key;
}

static void uploads_element(struct sgh_s3xml_walk *walk)
{
	struct uploads_walk *self = sgh_container_of(walk, struct uploads_walk, walk);
	struct upload *last = self->count ? &self->page[self->count - 1] : NULL;

	if (last && sgh_s3xml_at(walk, UPLOADS, "Upload", "Key"))
		last->key = keep_key(self);
	else if (last && sgh_s3xml_at(walk, UPLOADS, "Upload", "UploadId"))
		last->upload = keep_upload(walk, &self->arena);
	else if (sgh_s3xml_at(walk, UPLOADS, "NextKeyMarker", NULL))
		self->next_key = keep_key(self);
	else if (sgh_s3xml_at(walk, UPLOADS, "NextUploadIdMarker", NULL) && walk->length)
		self->next_upload = keep_upload(walk, &self->arena);
	else if (sgh_s3xml_at(walk, UPLOADS, "IsTruncated", NULL))
		self->more = strcmp(walk->text, "true") == 0;
	else if (sgh_s3xml_at(walk, UPLOADS, "EncodingType", NULL))
		self->encoded = strcmp(walk->text, "url") == 0;
	else if (sgh_s3xml_at(walk, UPLOADS, NULL, NULL))
		self->found = true;
}

/* NULL when all was well. Keys are decoded in place. */
static const char *decode_keys(struct uploads_walk *self)
{
	for (size_t i = 0; i < self->count; i++) {
		struct upload *upload = &self->page[i];

		if (!upload->key || !upload->upload)
			return "an upload has no key or no id";
		if (self->encoded && !sgh_s3xml_url_decode(upload->key))
			return "a key is encoded wrongly";
	}
	if (self->encoded && self->next_key && !sgh_s3xml_url_decode(self->next_key))
		return "a key is encoded wrongly";
	return NULL;
}

/* Those of the key, copied to the arena that stays; false without memory. */
static bool keep_uploads(const struct uploads_walk *self, const char *key,
			 struct sgh_arena *arena, struct sgh_s3_uploads *ret)
{
	struct sgh_s3_uploads list = { 0 };

	list.uploads = sgh_arena_alloc(arena, self->count * sizeof(*list.uploads) + 1);
	if (!list.uploads)
		return false;
	for (size_t i = 0; i < self->count; i++) {
		if (strcmp(self->page[i].key, key) != 0)
			continue;
		list.uploads[list.count] = sgh_arena_strdup(arena, self->page[i].upload);
		if (!list.uploads[list.count++])
			return false;
	}
	/* Keys come in their order: past this one there are no more of it. */
	if (self->more && list.count && self->next_upload &&
	    sgh_streq(self->next_key, key)) {
		list.next = sgh_arena_strdup(arena, self->next_upload);
		if (!list.next)
			return false;
	}
	*ret = list;
	return true;
}

static int read_uploads(struct uploads_walk *self, const void *data, size_t length,
			const char *key, struct sgh_arena *arena,
			struct sgh_s3_uploads *ret, struct sangraha_error *err)
{
	const char *wrong;
	int rc;

	self->page = sgh_arena_alloc(&self->arena,
				     self->max_uploads * sizeof(*self->page) + 1);
	if (!self->page)
		return sgh_fail_memory(err);
	wrong = sgh_s3xml_walk_run(&self->walk, data, length);
	if (!wrong)
		wrong = decode_keys(self);
	rc = finish(&self->walk, wrong, self->found, "list of uploads cannot be read",
		    err);
	if (rc)
		return rc;
	return keep_uploads(self, key, arena, ret) ? 0 : sgh_fail_memory(err);
}

int sgh_s3xml_uploads(const void *data, size_t length, const char *key,
		      size_t max_uploads, struct sgh_arena *arena,
		      struct sgh_s3_uploads *ret, struct sangraha_error *err)
{
	struct uploads_walk self = {
		.walk.element = uploads_element,
		.walk.begin = uploads_begin,
		.arena.max =
			(max_uploads + 1) * (SGH_S3XML_TEXT_MAX + SGH_S3_UPLOAD_MAX + 64),
		.max_uploads = max_uploads,
	};
	int rc = read_uploads(&self, data, length, key, arena, ret, err);

	sgh_arena_fini(&self.arena);
	return rc;
}

static void write_escaped(struct sgh_buf *buf, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '"':
			sgh_buf_puts(buf, "&quot;");
			break;
		case '&':
			sgh_buf_puts(buf, "&amp;");
			break;
		case '<':
			sgh_buf_puts(buf, "&lt;");
			break;
		case '>':
			sgh_buf_puts(buf, "&gt;");
			break;
		default:
			sgh_buf_putc(buf, *text);
		}
	}
}

void sgh_s3xml_complete_write(const struct sgh_part *parts, size_t count,
			      struct sgh_buf *buf)
{
	sgh_buf_puts(buf, "<CompleteMultipartUpload "
			  "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (size_t i = 0; i < count; i++) {
		sgh_buf_printf(buf, "<Part><PartNumber>%u</PartNumber><ETag>",
			       parts[i].number);
		write_escaped(buf, parts[i].etag);
		sgh_buf_puts(buf, "</ETag></Part>");
	}
	sgh_buf_puts(buf, "</CompleteMultipartUpload>");
}

struct completed_walk {
	struct sgh_s3xml_walk walk;
	bool found;
};

static void completed_element(struct sgh_s3xml_walk *walk)
{
	struct completed_walk *self = sgh_container_of(walk, struct completed_walk, walk);

	self->found |= sgh_s3xml_at(walk, "CompleteMultipartUploadResult", NULL, NULL);
}

bool sgh_s3xml_completed(const void *data, size_t length)
{
	struct completed_walk self = { .walk.element = completed_element };

	return !sgh_s3xml_walk_run(&self.walk, data, length) && self.found;
}
