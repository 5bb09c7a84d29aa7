/* SPDX-License-Identifier: MIT */
#include "wire/s3xml.h"

#include "fuzz/fuzz.h"
#include "wire/filename.h"

/*
 * The XML of S3 servers: errors, lists, and the documents of uploads in parts. The first
 * byte of an input is how many entries were asked for; the rest is tried as each of them.
 */

#define KEY "0199f2c4-0000-7000-8000-0123456789ab"

/* A document, and what became of it when it was read as one thing or another. */
struct document {
	const void *data;
	size_t size;
	size_t most;
	struct sgh_arena arena;
	struct sangraha_error err;
};

static void plain(const char *text, size_t room)
{
	fuzz_require(strlen(text) < room);
	fuzz_require(sgh_utf8_valid(text, strlen(text)));
	for (; *text; text++)
		fuzz_require((unsigned char)*text >= ' ' && *text != 0x7f);
}

/* Whether it could be read; when not, that is said as it should be. */
static bool is_read(const struct document *document, int status)
{
	if (status == 0)
		return true;
	fuzz_require(status == SANGRAHA_E_INTERNAL || status == SANGRAHA_E_OVERLOADED);
	fuzz_explained(status, &document->err);
	return false;
}

static bool error(struct document *document)
{
	struct sgh_s3_error error;

	if (!sgh_s3xml_error(document->data, document->size, &error))
		return false;
	plain(error.code, sizeof(error.code));
	plain(error.message, sizeof(error.message));
	return true;
}

static bool list(struct document *document)
{
	struct sgh_s3_list list = { 0 };

	if (!is_read(document,
		     sgh_s3xml_list(document->data, document->size, document->most,
				    &document->arena, &list, &document->err)))
		return false;
	fuzz_require(list.count <= document->most);
	for (size_t i = 0; i < list.count; i++) {
		fuzz_require(*list.keys[i].key);
		fuzz_require(strlen(list.keys[i].key) <= SGH_S3_KEY_MAX);
	}
	return true;
}

static bool begun(struct document *document)
{
	const char *upload = NULL;

	if (!is_read(document,
		     sgh_s3xml_begun(document->data, document->size, &document->arena,
				     &upload, &document->err)))
		return false;
	fuzz_require(sgh_s3_upload_valid(upload));
	return true;
}

static bool parts(struct document *document)
{
	struct sgh_s3_parts list = { 0 };
	unsigned last = 3;
	char etag[SGH_PART_ETAG_MAX + 1];

	if (!is_read(document,
		     sgh_s3xml_parts(document->data, document->size, document->most, last,
				     &document->arena, &list, &document->err)))
		return false;
	fuzz_require(list.count <= document->most);
	fuzz_require(list.count || !list.more);
	for (size_t i = 0; i < list.count; i++) {
		const struct sgh_part *part = &list.parts[i];

		fuzz_require(part->number > last && part->number <= SGH_PARTS_MAX);
		fuzz_require(sgh_s3_etag(part->etag, strlen(part->etag), etag));
		fuzz_require(strcmp(etag, part->etag) == 0);
		last = part->number;
	}
	return true;
}

static bool uploads(struct document *document)
{
	struct sgh_s3_uploads list = { 0 };

	if (!is_read(document, sgh_s3xml_uploads(document->data, document->size, KEY,
						 document->most, &document->arena, &list,
						 &document->err)))
		return false;
	fuzz_require(list.count <= document->most);
	fuzz_require(list.count || !list.next);
	for (size_t i = 0; i < list.count; i++)
		fuzz_require(sgh_s3_upload_valid(list.uploads[i]));
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, data + size };
	struct document document = { .most = fuzz_byte(&input) % 16 };
	sgh_autofree void *copy = NULL;
	int kinds;

	document.size = fuzz_left(&input);
	document.data = copy = fuzz_copy(input.at, document.size);
	kinds = error(&document) + list(&document) + begun(&document) + parts(&document) +
		uploads(&document) + sgh_s3xml_completed(document.data, document.size);
	/* A document is of one kind. */
	fuzz_require(kinds <= 1);
	sgh_arena_fini(&document.arena);
	return 0;
}
