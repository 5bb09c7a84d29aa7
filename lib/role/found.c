/* SPDX-License-Identifier: MIT */
#include "role/found.h"

#include "base/error.h"
#include "base/id.h"

void sgh_found_fini(struct sgh_found *found)
{
	sangraha_object_unref(sgh_take(found->object));
}

static int fail(struct sgh_found *found, int status, const char *why)
{
	sgh_found_fini(found);
	found->status = sgh_fail(&found->err, status, 0, "%.32s/%.36s %s", found->type,
				 found->id, why);
	return found->status;
}

/* What the object itself tells. */
static void describe(struct sgh_found *found)
{
	const struct sgh_store_op *op = found->op;

	found->object = NULL;
	found->read = 0;
	if (op->status)
		found->status = sgh_fail_with(&found->err, op->status, &op->err);
	else
		found->status = sgh_object_from_meta(
			found->type, found->id, op->head.content_type, op->head.size,
			op->head.meta, op->head.meta_count, &found->object, &found->err);
	/* It becomes part of a key. */
	if (!found->status && found->object->record &&
	    !sangraha_id_valid(found->object->record))
		fail(found, SANGRAHA_E_INTERNAL, "pins what is no record");
}

bool sgh_found_in_part(const struct sgh_found *found)
{
	return found->status && !found->op->status && found->op->replica;
}

int sgh_found_record(const struct sgh_store_op *op, struct sgh_record *ret,
		     struct sangraha_error *err)
{
	const struct sgh_bytes *data = op->data;

	return sgh_record_parse(data ? data->data : NULL, data ? data->length : 0, ret,
				err);
}

/* What its record tells, which was read. */
static void complete(struct sgh_found *found, const struct sgh_store_op *read)
{
	struct sgh_record record = { .offset = -1 };

	if (read->status == SANGRAHA_E_NOT_FOUND) {
		fail(found, SANGRAHA_E_NOT_FOUND, "is not complete");
		return;
	}
	if (read->status)
		found->status = sgh_fail_with(&found->err, read->status, &read->err);
	else
		found->status = sgh_found_record(read, &record, &found->err);
	if (!found->status && !record.sha256)
		/* It holds the upload's place, and the upload goes on. */
		fail(found, SANGRAHA_E_NOT_FOUND, "is not complete");
	if (!found->status)
		found->status = sgh_record_describe(&record, found->object, &found->err);
	if (found->status)
		sgh_found_fini(found);
	sgh_record_fini(&record);
}

static void described(struct sgh_task *task)
{
	for (size_t i = 0; i < task->found_count; i++) {
		struct sgh_found *found = &task->founds[i];

		if (found->read)
			complete(found, &task->reads[found->read - 1]);
	}
	sgh_task_found_fini(task);
	task->described(task);
}

static void set_up_read(struct sgh_task *task, struct sgh_found *found)
{
	struct sgh_store_op *read = &task->reads[found->read - 1];

	sgh_record_key_object(found->key, found->type, found->id, found->object->record);
	sgh_task_op_init(task, read, SGH_STORE_GET, "meta", found->key);
	read->max_length = SGH_RECORD_MAX;
	read->replicas = found->op->replicas;
}

void sgh_found_describe(struct sgh_task *task, struct sgh_found *founds, size_t count,
			void (*then)(struct sgh_task *task))
{
	size_t reads = 0;

	for (size_t i = 0; i < count; i++) {
		describe(&founds[i]);
		if (!founds[i].status && founds[i].object->record)
			founds[i].read = ++reads;
	}
	if (!reads) {
		then(task);
		return;
	}
	task->founds = founds;
	task->found_count = count;
	task->described = then;
	task->reads = calloc(reads, sizeof(*task->reads));
	if (!task->reads) {
		sgh_task_abandon(task);
		return;
	}
	task->read_count = reads;
	for (size_t i = 0; i < count; i++)
		if (founds[i].read)
			set_up_read(task, &founds[i]);
	sgh_task_run(task, task->reads, reads, described);
}
