/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/failpoint.h"
#include "base/id.h"
#include "role/write.h"

/*
 * Looks: whether the id was deleted, under whatever type, and whether an object of another
 * type has it. Nothing may stand under a deleted id, whoever wrote it.
 */

static const char *const deleted = "the id was deleted and cannot be written again";

static void record_gone(struct sgh_task *task)
{
	sgh_write_fail(task, SANGRAHA_E_GONE, deleted);
}

/*
 * Who died with a request on its way to the store may have it done after we have looked: a
 * copy looks once more.
 */
void sgh_write_gone(struct sgh_task *task)
{
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_GONE, 0, "%s", deleted);
	if (task->request->reply_to)
		sgh_task_give_up(task, &err);
	else if (sgh_task_was_tried(task))
		sgh_task_leave_copy(task, record_gone);
	else
		record_gone(task);
}

static void removed(struct sgh_task *task)
{
	struct sgh_write *write = task->state;

	SGH_FAIL_POINT("write.taken-back");
	task->owes = task->op.status != 0;
	if (task->owes)
		sgh_task_retry(task, &task->op.err);
	else if (write->taken_back)
		write->taken_back(task);
	else
		sgh_write_gone(task);
}

static void take_back(struct sgh_task *task)
{
	struct sgh_write *write = task->state;

	task->owes = true;
	sgh_task_op(task, SGH_STORE_DELETE, write->type.bucket, task->request->object_id);
	sgh_task_run_one(task, removed);
}

/* ---- after the store's yes ---- */

static void looked_after(struct sgh_task *task)
{
	struct sgh_write *write = task->state;

	SGH_FAIL_POINT("write.looked-after");
	if (task->op.status == SANGRAHA_E_NOT_FOUND)
		write->clear(task);
	else if (task->op.status)
		sgh_task_retry(task, &task->op.err);
	else
		take_back(task);
}

void sgh_write_look_after(struct sgh_task *task, void (*clear)(struct sgh_task *task))
{
	struct sgh_write *write = task->state;

	task->owes = true;
	write->clear = clear;
	sgh_record_key_deleted(write->record_key, write->type.name,
			       task->request->object_id);
	sgh_task_op(task, SGH_STORE_HEAD, "meta", write->record_key);
	sgh_task_run_one(task, looked_after);
}

/* ---- before ---- */

static void looked(struct sgh_task *task)
{
	struct sgh_write *write = task->state;
	char buried[SGH_RECORD_KEY_SIZE];

	sgh_record_key_deleted(buried, write->type.name, task->request->object_id);
	SGH_FAIL_POINT("write.looked");
	for (size_t i = 0; i < write->look_count; i++) {
		struct sgh_store_op *op = &write->looks[i];

		if (op->status == SANGRAHA_E_NOT_FOUND)
			continue;
		if (op->status)
			sgh_task_retry(task, &op->err);
		else if (sgh_streq(op->key, buried))
			/* An earlier try may have ended before it could take back. */
			take_back(task);
		else if (i < write->tombstone_count)
			sgh_write_gone(task);
		else
			sgh_write_fail(task, SANGRAHA_E_CONFLICT,
				       "the id is taken by an object of another type");
		return;
	}
	/* Two types cannot see each other's bucket, and others may use the id at once. */
	if (!task->request->fresh || sgh_id_version(task->request->object_id) == 5)
		sgh_write_claim(task);
	else
		write->clear(task);
}

void sgh_write_look(struct sgh_task *task, void (*clear)(struct sgh_task *task))
{
	struct sgh_write *write = task->state;
	const char *id = task->request->object_id;
	struct sgh_type_info types[SGH_MAX_TYPES];
	size_t count = sgh_types_all(task->service->types, types);
	size_t n = 0;

	write->clear = clear;
	write->looks = calloc(2 * count, sizeof(*write->looks));
	write->look_keys = calloc(count, sizeof(*write->look_keys));
	if (!write->looks || !write->look_keys) {
		sgh_task_abandon(task);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		sgh_record_key_deleted(write->look_keys[i], types[i].name, id);
		sgh_task_op_init(task, &write->looks[n++], SGH_STORE_HEAD, "meta",
				 write->look_keys[i]);
	}
	write->tombstone_count = n;
	for (size_t i = 0; i < count; i++) {
		if (!sgh_streq(types[i].name, write->type.name))
			sgh_task_op_init(task, &write->looks[n++], SGH_STORE_HEAD,
					 types[i].bucket, id);
	}
	write->look_count = n;
	sgh_task_run(task, write->looks, n, looked);
}

/* ---- what is there already ---- */

void sgh_write_head(struct sgh_task *task, void (*then)(struct sgh_task *task))
{
	struct sgh_write *write = task->state;

	sgh_task_op(task, SGH_STORE_HEAD, write->type.bucket, task->request->object_id);
	sgh_task_run_one(task, then);
}

void sgh_write_found(struct sgh_task *task, void (*then)(struct sgh_task *task))
{
	struct sgh_write *write = task->state;

	if (task->op.status && task->op.status != SANGRAHA_E_NOT_FOUND) {
		sgh_task_retry(task, &task->op.err);
		return;
	}
	sgh_found_fini(&write->there);
	write->there = (struct sgh_found){
		.type = write->type.name,
		.id = task->request->object_id,
		.op = &task->op,
	};
	sgh_found_describe(task, &write->there, 1, then);
}
