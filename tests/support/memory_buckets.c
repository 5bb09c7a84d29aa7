/* SPDX-License-Identifier: MIT */
#include "support/memory_buckets.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "support/memory_uploads.h"
#include "wire/sha256.h"

/* How many objects there were, in all stores: no two have the same version. */
static int64_t versions; /* atomic */

struct memory_bucket *memory_bucket_find(struct sgh_list *buckets, const char *name)
{
	sgh_list_for_each (link, buckets) {
		struct memory_bucket *bucket =
			sgh_list_entry(link, struct memory_bucket, link);

		if (strcmp(bucket->name, name) == 0)
			return bucket;
	}
	return NULL;
}

struct memory_object *memory_object_find(struct memory_bucket *bucket, const char *key,
					 struct sgh_list **ret_place)
{
	struct sgh_list *place = bucket->objects.next;

	for (; place != &bucket->objects; place = place->next) {
		struct memory_object *object =
			sgh_list_entry(place, struct memory_object, link);
		int order = strcmp(object->key, key);

		if (order == 0)
			return object;
		if (order > 0)
			break;
	}
	if (ret_place)
		*ret_place = place;
	return NULL;
}

void memory_object_free(struct memory_object *object)
{
	sgh_list_remove(&object->link);
	sgh_bytes_unref(object->body);
	sgh_arena_fini(&object->arena);
	free(object->key);
	free(object);
}

/* What a put, or the beginning of an upload, says about its object. */
static struct sgh_store_head head_of(const struct sgh_store_op *op)
{
	struct sgh_store_head head = {
		.content_type =
			op->content_type ? op->content_type : "application/octet-stream",
		.meta_count = op->meta_count,
	};

	for (size_t i = 0; i < op->meta_count; i++)
		head.meta[i] = op->meta[i];
	return head;
}

void memory_object_add(struct memory_bucket *bucket, const char *key,
		       const struct sgh_store_head *head, struct sgh_bytes *body)
{
	struct sgh_list *place = &bucket->objects;
	struct memory_object *object = memory_object_find(bucket, key, NULL);

	if (object)
		memory_object_free(object);
	object = calloc(1, sizeof(*object));
	memory_object_find(bucket, key, &place);
	object->key = strdup(key);
	object->body = body;
	memory_copy_head(&object->arena, &object->head, head);
	object->head.size = body->length;
	object->head.modified_ms = sgh_time_ms();
	object->head.version = __atomic_add_fetch(&versions, 1, __ATOMIC_RELAXED);
	sgh_list_append(place, &object->link);
}

void memory_bucket_add(struct sgh_list *buckets, const char *name)
{
	struct memory_bucket *bucket = calloc(1, sizeof(*bucket));

	snprintf(bucket->name, sizeof(bucket->name), "%s", name);
	sgh_list_init(&bucket->objects);
	sgh_list_init(&bucket->uploads);
	sgh_list_append(buckets, &bucket->link);
}

void memory_buckets_wipe(struct sgh_list *buckets)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(buckets))) {
		struct memory_bucket *bucket =
			sgh_list_entry(link, struct memory_bucket, link);

		while (!sgh_list_empty(&bucket->objects))
			memory_object_free(sgh_list_entry(bucket->objects.next,
							  struct memory_object, link));
		while (!sgh_list_empty(&bucket->uploads))
			memory_upload_free(sgh_list_entry(bucket->uploads.next,
							  struct memory_upload, link));
		free(bucket);
	}
}

/* ---- the verbs ---- */

static int not_found(struct sgh_store_op *op, const char *what)
{
	return sgh_fail(&op->err, SANGRAHA_E_NOT_FOUND, 404, "there is no such %s", what);
}

int memory_bucket_put(struct memory_bucket *bucket, struct sgh_store_op *op)
{
	struct memory_object *there = memory_object_find(bucket, op->key, NULL);
	struct sgh_store_head head = head_of(op);
	char sha256[SANGRAHA_SHA256_SIZE];

	if (op->sha256 &&
	    (sgh_sha256_hex(op->body ? op->body->data : NULL,
			    op->body ? op->body->length : 0, sha256, &op->err) ||
	     strcmp(sha256, op->sha256) != 0))
		return sgh_fail(&op->err, SANGRAHA_E_INTERNAL, 400,
				"the body is not of its digest");
	if (there && op->if_none_match)
		return sgh_fail(&op->err, SANGRAHA_E_PRECONDITION, 412, "the key exists");
	memory_object_add(bucket, op->key, &head,
			  sgh_bytes_copy(op->body ? op->body->data : (void *)"",
					 op->body ? op->body->length : 0));
	return 0;
}

static int do_complete(struct memory_bucket *bucket, struct sgh_store_op *op)
{
	struct memory_upload *upload;
	struct sgh_bytes *body;
	int rc = memory_upload_join(&bucket->uploads, op, &upload, &body);

	if (rc)
		return rc;
	if (op->if_none_match && memory_object_find(bucket, op->key, NULL)) {
		sgh_bytes_unref(body);
		return sgh_fail(&op->err, SANGRAHA_E_PRECONDITION, 412, "the key exists");
	}
	memory_object_add(bucket, op->key, &upload->head, body);
	memory_upload_free(upload);
	return 0;
}

static int do_upload(struct memory_bucket *bucket, struct sgh_store_op *op)
{
	struct sgh_store_head head = head_of(op);

	switch (op->verb) {
	case SGH_STORE_UPLOAD_BEGIN:
		return memory_upload_begin(&bucket->uploads, op, &head);
	case SGH_STORE_UPLOAD_PART:
		return memory_upload_part(&bucket->uploads, op);
	case SGH_STORE_UPLOAD_PARTS:
		return memory_upload_parts(&bucket->uploads, op);
	case SGH_STORE_UPLOAD_COMPLETE:
		return do_complete(bucket, op);
	case SGH_STORE_UPLOAD_ABORT:
		return memory_upload_abort(&bucket->uploads, op);
	default:
		return memory_upload_find(&bucket->uploads, op);
	}
}

static bool is_upload(enum sgh_store_verb verb)
{
	return verb >= SGH_STORE_UPLOAD_BEGIN && verb <= SGH_STORE_UPLOAD_FIND;
}

static int do_read(struct memory_object *object, struct sgh_budget *budget,
		   struct sgh_store_op *op)
{
	size_t size = object->body->length;
	size_t from = sgh_min((size_t)op->offset, size);
	size_t length = sgh_min(op->max_length, size - from);

	if (op->room)
		budget = NULL;
	memory_copy_head(&op->arena, &op->head, &object->head);
	if (op->verb == SGH_STORE_HEAD || (op->whole && size > op->max_length))
		return 0;
	if (budget)
		sgh_budget_force(budget, length);
	op->data = op->room ? sgh_bytes_ref(op->room) : sgh_bytes_new(budget, length);
	op->data->length = 0;
	sgh_bytes_append(op->data, object->body->data + from, length);
	return 0;
}

static int do_list(struct memory_bucket *bucket, struct sgh_store_op *op)
{
	size_t prefix = op->prefix ? strlen(op->prefix) : 0;

	op->keys = sgh_arena_alloc(&op->arena, op->limit * sizeof(*op->keys));
	sgh_list_for_each (link, &bucket->objects) {
		struct memory_object *object =
			sgh_list_entry(link, struct memory_object, link);

		if ((prefix && strncmp(object->key, op->prefix, prefix) != 0) ||
		    (op->after && strcmp(object->key, op->after) <= 0))
			continue;
		op->more = op->key_count == op->limit;
		if (op->more)
			break;
		op->keys[op->key_count++] = (struct sgh_store_key){
			.key = sgh_arena_strdup(&op->arena, object->key),
			.size = object->head.size,
			.modified_ms = object->head.modified_ms,
		};
	}
	return 0;
}

struct memory_bucket *memory_copies_find(struct sgh_list *buckets, const char *name,
					 bool make)
{
	struct memory_bucket *copies;
	char text[80];

	snprintf(text, sizeof(text), "%s.copies", name);
	copies = memory_bucket_find(buckets, text);
	if (copies || !make)
		return copies;
	memory_bucket_add(buckets, text);
	return memory_bucket_find(buckets, text);
}

static bool read_copy(struct sgh_list *buckets, struct sgh_budget *budget,
		      struct sgh_store_op *op)
{
	struct memory_bucket *copies =
		op->replicas ? memory_copies_find(buckets, op->bucket, false) : NULL;
	struct memory_object *object =
		copies ? memory_object_find(copies, op->key, NULL) : NULL;

	if (!object)
		return false;
	op->replica = 1;
	do_read(object, budget, op);
	return true;
}

int memory_buckets_perform(struct sgh_list *buckets, struct sgh_budget *budget,
			   struct sgh_store_op *op)
{
	struct memory_bucket *bucket = memory_bucket_find(buckets, op->bucket);
	struct memory_object *object;

	if (op->verb == SGH_STORE_CHECK)
		return 0;
	if (op->verb == SGH_STORE_MAKE_BUCKET) {
		if (!bucket)
			memory_bucket_add(buckets, op->bucket);
		return 0;
	}
	if (read_copy(buckets, budget, op))
		return 0;
	if (!bucket)
		return op->verb == SGH_STORE_DELETE || op->verb == SGH_STORE_UPLOAD_ABORT
			       ? 0
			       : not_found(op, "bucket");
	if (is_upload(op->verb))
		return do_upload(bucket, op);
	if (op->verb == SGH_STORE_PUT)
		return memory_bucket_put(bucket, op);
	if (op->verb == SGH_STORE_LIST)
		return do_list(bucket, op);
	object = memory_object_find(bucket, op->key, NULL);
	if (op->verb == SGH_STORE_DELETE) {
		if (object)
			memory_object_free(object);
		return 0;
	}
	return object ? do_read(object, budget, op) : not_found(op, "key");
}
