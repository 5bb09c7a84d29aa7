/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/failpoint.h"
#include "role/found.h"
#include "role/getter.h"
#include "validate/types.h"

/*
 * A stat: the description of one object. Without a type it asks what became of an id: the
 * object under any type, or the record of its failure.
 */

struct search {
	struct sgh_store_op *looks; /* a HEAD for each type, then the record */
	size_t type_count;
	struct sgh_type_info types[SGH_MAX_TYPES];
	struct sgh_found founds[SGH_MAX_TYPES];
	char key[SGH_RECORD_KEY_SIZE];
};

static void search_free(void *state)
{
	struct search *search = state;

	for (size_t i = 0; search->looks && i <= search->type_count; i++)
		sgh_store_op_fini(&search->looks[i]);
	for (size_t i = 0; i < search->type_count; i++)
		sgh_found_fini(&search->founds[i]);
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

/* Answer with a description. */
static void answer(struct sgh_task *task, const struct sgh_found *found)
{
	struct sgh_reply *reply = sgh_task_reply(task);

	if (!reply) {
		sgh_task_abandon(task);
		return;
	}
	reply->object = sangraha_object_ref(found->object);
	sgh_task_finish(task);
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
	if (sgh_found_record(op, &record, &err)) {
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

static void described(struct sgh_task *task)
{
	struct search *search = task->state;
	const struct sgh_store_op *record = &search->looks[search->type_count];
	const struct sangraha_error *failed = NULL;

	for (size_t i = 0; i < search->type_count; i++) {
		const struct sgh_found *found = &search->founds[i];

		if (!found->status) {
			answer(task, found);
			return;
		}
		if (found->status != SANGRAHA_E_NOT_FOUND)
			failed = &found->err;
	}
	if (record->status && record->status != SANGRAHA_E_NOT_FOUND)
		failed = &record->err;
	if (failed)
		sgh_task_fail_with(task, failed);
	else if (record->status)
		not_found(task);
	else
		tell_record(task, record);
}

static void searched(struct sgh_task *task)
{
	struct search *search = task->state;

	SGH_FAIL_POINT("stat.searched");
	for (size_t i = 0; i < search->type_count; i++) {
		search->founds[i].type = search->types[i].name;
		search->founds[i].id = task->request->object_id;
		search->founds[i].op = &search->looks[i];
	}
	sgh_found_describe(task, search->founds, search->type_count, described);
}

static void search_types(struct sgh_task *task)
{
	struct search *search = calloc(1, sizeof(*search));
	const char *id = task->request->object_id;
	struct sgh_store_op *record;

	task->state = search;
	task->state_free = search ? search_free : NULL;
	if (search) {
		search->type_count = sgh_types_all(task->service->types, search->types);
		search->looks = calloc(search->type_count + 1, sizeof(*search->looks));
	}
	if (!search || !search->looks) {
		sgh_task_abandon(task);
		return;
	}
	for (size_t i = 0; i < search->type_count; i++)
		sgh_task_op_init(task, &search->looks[i], SGH_STORE_HEAD,
				 search->types[i].bucket, id);
	sgh_record_key_operation(search->key, id);
	record = &search->looks[search->type_count];
	sgh_task_op_init(task, record, SGH_STORE_GET, "meta", search->key);
	record->max_length = SGH_RECORD_MAX;
	sgh_task_run(task, search->looks, search->type_count + 1, searched);
}

/* ---- one type ---- */

struct look {
	const char *bucket;
	struct sgh_found found;
};

static void look_free(void *state)
{
	struct look *look = state;

	sgh_found_fini(&look->found);
	free(look);
}

static void look_for(struct sgh_task *task, bool replicas);

static void one_described(struct sgh_task *task)
{
	const struct look *look = task->state;
	const struct sgh_found *found = &look->found;

	if (sgh_found_in_part(found))
		look_for(task, false);
	else if (found->status == SANGRAHA_E_NOT_FOUND)
		not_found(task);
	else if (found->status)
		sgh_task_fail_with(task, &found->err);
	else
		answer(task, found);
}

static void stated(struct sgh_task *task)
{
	struct look *look = task->state;

	SGH_FAIL_POINT("stat.found");
	sgh_found_describe(task, &look->found, 1, one_described);
}

static void look_for(struct sgh_task *task, bool replicas)
{
	const struct look *look = task->state;

	sgh_task_op(task, SGH_STORE_HEAD, look->bucket, look->found.id)->replicas =
		replicas;
	sgh_task_run_one(task, stated);
}

static void stat_one(struct sgh_task *task, const char *bucket)
{
	struct look *look = calloc(1, sizeof(*look));

	if (!look) {
		sgh_task_abandon(task);
		return;
	}
	look->bucket = bucket;
	look->found.type = task->request->object_type;
	look->found.id = task->request->object_id;
	look->found.op = &task->op;
	task->state = look;
	task->state_free = look_free;
	look_for(task, true);
}

void sgh_stat_begin(struct sgh_task *task)
{
	const struct sgh_request *request = task->request;
	struct sgh_type_info type;
	struct sangraha_error err;

	if (!request->object_type)
		search_types(task);
	else if (sgh_types_find(task->service->types, request->object_type, &type, &err))
		sgh_task_fail(task, SANGRAHA_E_INVALID, "there is no type %s",
			      request->object_type);
	else
		stat_one(task, type.bucket);
}
