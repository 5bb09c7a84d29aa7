/* SPDX-License-Identifier: MIT */
#include "support/memory_uploads.h"

#include "base/error.h"
#include "base/id.h"
#include "support/t.h"
#include "wire/sha256.h"

struct part {
	struct sgh_list link;
	unsigned number;
	struct sgh_bytes *body;
	char etag[35];
};

static void part_free(struct part *part)
{
	sgh_list_remove(&part->link);
	sgh_bytes_unref(part->body);
	free(part);
}

void memory_upload_free(struct memory_upload *upload)
{
	while (!sgh_list_empty(&upload->parts))
		part_free(sgh_list_entry(upload->parts.next, struct part, link));
	sgh_list_remove(&upload->link);
	sgh_arena_fini(&upload->arena);
	free(upload->key);
	free(upload);
}

void memory_copy_head(struct sgh_arena *arena, struct sgh_store_head *to,
		      const struct sgh_store_head *from)
{
	*to = *from;
	to->content_type = sgh_arena_strdup(arena, from->content_type);
	for (size_t i = 0; i < from->meta_count; i++) {
		to->meta[i].name = sgh_arena_strdup(arena, from->meta[i].name);
		to->meta[i].value = sgh_arena_strdup(arena, from->meta[i].value);
	}
}

/* The upload of that id and key; NULL with a status in *ret_status. */
static struct memory_upload *find(struct sgh_list *uploads, struct sgh_store_op *op,
				  int *ret_status)
{
	sgh_list_for_each (link, uploads) {
		struct memory_upload *upload =
			sgh_list_entry(link, struct memory_upload, link);

		if (sgh_streq(upload->id, op->upload) && sgh_streq(upload->key, op->key))
			return upload;
	}
	*ret_status =
		sgh_fail(&op->err, SANGRAHA_E_NOT_FOUND, 404, "there is no such upload");
	return NULL;
}

/* The part of that number, or the link it would stand before in *ret_place. */
static struct part *find_part(struct memory_upload *upload, unsigned number,
			      struct sgh_list **ret_place)
{
	struct sgh_list *place = upload->parts.next;

	for (; place != &upload->parts; place = place->next) {
		struct part *part = sgh_list_entry(place, struct part, link);

		if (part->number == number)
			return part;
		if (part->number > number)
			break;
	}
	if (ret_place)
		*ret_place = place;
	return NULL;
}

int memory_upload_begin(struct sgh_list *uploads, struct sgh_store_op *op,
			const struct sgh_store_head *head)
{
	struct memory_upload *upload = calloc(1, sizeof(*upload));

	sgh_list_init(&upload->parts);
	sgh_id_random(upload->id);
	upload->key = strdup(op->key);
	memory_copy_head(&upload->arena, &upload->head, head);
	sgh_list_append(uploads, &upload->link);
	op->begun_upload = sgh_arena_strdup(&op->arena, upload->id);
	return 0;
}

int memory_upload_part(struct sgh_list *uploads, struct sgh_store_op *op)
{
	int status = 0;
	struct memory_upload *upload = find(uploads, op, &status);
	size_t length = op->body ? op->body->length : 0;
	const void *data = op->body ? op->body->data : (const void *)"";
	char sha256[SANGRAHA_SHA256_SIZE];
	struct sgh_list *place = NULL;
	struct part *part;

	if (!upload)
		return status;
	part = find_part(upload, op->part, &place);
	if (part) {
		place = part->link.next;
		part_free(part);
	}
	part = calloc(1, sizeof(*part));
	part->number = op->part;
	part->body = sgh_bytes_copy(data, length);
	t_ok(sgh_sha256_hex(data, length, sha256, &op->err));
	snprintf(part->etag, sizeof(part->etag), "\"%.32s\"", sha256);
	sgh_list_append(place, &part->link);
	op->etag = sgh_arena_strdup(&op->arena, part->etag);
	return 0;
}

int memory_upload_parts(struct sgh_list *uploads, struct sgh_store_op *op)
{
	int status = 0;
	struct memory_upload *upload = find(uploads, op, &status);

	if (!upload)
		return status;
	op->found_parts =
		sgh_arena_alloc(&op->arena, op->limit * sizeof(*op->found_parts));
	sgh_list_for_each (link, &upload->parts) {
		struct part *part = sgh_list_entry(link, struct part, link);

		if (part->number <= op->part)
			continue;
		op->more = op->found_part_count == op->limit;
		if (op->more)
			break;
		op->found_parts[op->found_part_count++] = (struct sgh_part){
			.number = part->number,
			.size = part->body->length,
			.etag = sgh_arena_strdup(&op->arena, part->etag),
		};
	}
	return 0;
}

int memory_upload_abort(struct sgh_list *uploads, struct sgh_store_op *op)
{
	int status = 0;
	struct memory_upload *upload = find(uploads, op, &status);

	if (upload)
		memory_upload_free(upload);
	op->err = (struct sangraha_error){ 0 };
	return 0;
}

int memory_upload_find(struct sgh_list *uploads, struct sgh_store_op *op)
{
	op->uploads = sgh_arena_alloc(&op->arena, 1000 * sizeof(*op->uploads));
	sgh_list_for_each (link, uploads) {
		struct memory_upload *upload =
			sgh_list_entry(link, struct memory_upload, link);

		if (sgh_streq(upload->key, op->key) && op->upload_count < 1000)
			op->uploads[op->upload_count++] =
				sgh_arena_strdup(&op->arena, upload->id);
	}
	return 0;
}

static int check_part(struct memory_upload *upload, struct sgh_store_op *op, size_t i,
		      size_t *length)
{
	const struct sgh_part *wanted = &op->parts[i];
	struct part *part = find_part(upload, wanted->number, NULL);

	if (i && wanted->number <= op->parts[i - 1].number)
		return sgh_fail(&op->err, SANGRAHA_E_INVALID, 400,
				"the parts are not in their order");
	if (!part || !sgh_streq(part->etag, wanted->etag))
		return sgh_fail(&op->err, SANGRAHA_E_INVALID, 400,
				"part %u is not the one that lies there", wanted->number);
	if (i + 1 < op->part_count && part->body->length < SGH_PART_MIN)
		return sgh_fail(&op->err, SANGRAHA_E_INVALID, 400, "part %u is too small",
				wanted->number);
	*length += part->body->length;
	return 0;
}

int memory_upload_join(struct sgh_list *uploads, struct sgh_store_op *op,
		       struct memory_upload **ret, struct sgh_bytes **ret_body)
{
	int status = 0;
	struct memory_upload *upload = find(uploads, op, &status);
	size_t length = 0;

	if (!upload)
		return status;
	for (size_t i = 0; !status && i < op->part_count; i++)
		status = check_part(upload, op, i, &length);
	if (status)
		return status;
	*ret_body = sgh_bytes_new(NULL, length);
	for (size_t i = 0; i < op->part_count; i++) {
		struct part *part = find_part(upload, op->parts[i].number, NULL);

		sgh_bytes_append(*ret_body, part->body->data, part->body->length);
	}
	*ret = upload;
	return 0;
}
