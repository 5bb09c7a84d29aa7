/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "role/getter.h"
#include "role/task.h"
#include "validate/types.h"
#include "wire/record.h"

/*
 * A stat: the description of one object. Without a type it asks what became of an id: the
 * object under any type, or the record of its failure.
 */

#define RECORD_MAX 4096

struct search {
	struct sgh_store_op *looks; /* a HEAD for each type, then the record */
	size_t type_count;
	char key[SGH_RECORD_KEY_SIZE];
};

static void search_free(void *state)
{
	struct search *search = state;

	for (size_t i = 0; search->looks && i <= search->type_count; i++)
		sgh_store_op_fini(&search->looks[i]);
	free(search->looks);
	free(search);
}

static void not_found(struct sgh_task *task)
{
	const char *type = task->request->object_type;

	if (type)
		sgh_task_fail(task, SANGRAHA_E_NOT_FOUND, "there is no object %s/%s",
			      type, task->request->object_id);
	else
		sgh_task_fail(task, SANGRAHA_E_NOT_FOUND, "nothing is known of %s",
			      task->request->object_id);
}

/* Answer with what a HEAD found. */
static void found(struct sgh_task *task, const char *type, const struct sgh_store_op *op)
{
	struct sgh_reply *reply = sgh_task_reply(task);
	struct sangraha_error err;

	if (!reply)
		sgh_task_abandon(task);
	else if (sgh_found_object(type, task->request->object_id, op, &reply->object,
				  &err))
		sgh_task_fail_with(task, &err);
	else
		sgh_task_finish(task);
}

static void stated(struct sgh_task *task)
{
	if (task->op.status == SANGRAHA_E_NOT_FOUND)
		not_found(task);
	else
		found(task, task->request->object_type, &task->op);
}

/* Answer with the failure that a record tells, or say that nothing is known. */
static void tell_record(struct sgh_task *task, const struct sgh_store_op *op)
{
	struct sgh_reply *reply = sgh_task_reply(task);
	struct sgh_record record = { .offset = -1 };
	struct sangraha_error err;

	if (!reply) {
		sgh_task_abandon(task);
		return;
	}
	if (sgh_record_parse(op->data ? op->data->data : NULL,
			     op->data ? op->data->length : 0, &record, &err)) {
		sgh_task_fail_with(task, &err);
	} else if (!record.code) {
		not_found(task);
	} else {
		reply->recorded = true;
		reply->declared =
			record.declared ? sgh_arena_strdup(&reply->arena, record.declared)
					: NULL;
		reply->detected =
			record.detected ? sgh_arena_strdup(&reply->arena, record.detected)
					: NULL;
		reply->rule =
			record.rule ? sgh_arena_strdup(&reply->arena, record.rule) : NULL;
		reply->offset = record.offset;
		sgh_task_fail(task, sangraha_status_from_name(record.code), "%s",
			      record.message ? record.message : record.code);
	}
	sgh_record_fini(&record);
}

static void searched(struct sgh_task *task)
{
	struct search *search = task->state;
	struct sgh_store_op *record = &search->looks[search->type_count];
	const struct sgh_store_op *failed = NULL;
	struct sgh_type_info type;

	for (size_t i = 0; i < search->type_count; i++) {
		const struct sgh_store_op *look = &search->looks[i];

		sgh_types_at(task->service->types, i, &type);
		if (look->status == 0) {
			found(task, type.name, look);
			return;
		}
		if (look->status != SANGRAHA_E_NOT_FOUND)
			failed = look;
	}
	if (record->status && record->status != SANGRAHA_E_NOT_FOUND)
		failed = record;
	if (failed)
		sgh_task_fail_with(task, &failed->err);
	else if (record->status)
		not_found(task);
	else
		tell_record(task, record);
}

static void search_types(struct sgh_task *task)
{
	struct search *search = calloc(1, sizeof(*search));
	const char *id = task->request->object_id;
	struct sgh_store_op *record;
	struct sgh_type_info type;

	task->state = search;
	task->state_free = search ? search_free : NULL;
	while (search && search->type_count < SGH_MAX_TYPES &&
	       sgh_types_at(task->service->types, search->type_count, &type))
		search->type_count++;
	if (search)
		search->looks = calloc(search->type_count + 1, sizeof(*search->looks));
	if (!search || !search->looks) {
		sgh_task_abandon(task);
		return;
	}
	for (size_t i = 0; i < search->type_count; i++) {
		sgh_types_at(task->service->types, i, &type);
		sgh_task_op_init(task, &search->looks[i], SGH_STORE_HEAD, type.bucket,
				 id);
	}
	sgh_record_key_operation(search->key, id);
	record = &search->looks[search->type_count];
	sgh_task_op_init(task, record, SGH_STORE_GET, "meta", search->key);
	record->max_length = RECORD_MAX;
	sgh_task_run(task, search->looks, search->type_count + 1, searched);
}

void sgh_stat_begin(struct sgh_task *task)
{
	const struct sgh_request *request = task->request;
	struct sgh_type_info type;
	struct sangraha_error err;

	if (!request->object_type) {
		search_types(task);
	} else if (sgh_types_find(task->service->types, request->object_type, &type,
				  &err)) {
		sgh_task_fail(task, SANGRAHA_E_INVALID, "there is no type %s",
			      request->object_type);
	} else {
		sgh_task_op(task, SGH_STORE_HEAD, type.bucket, request->object_id);
		sgh_task_run_one(task, stated);
	}
}
