/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/erase.h"
#include "role/found.h"
#include "role/receiver.h"
#include "validate/types.h"

/*
 * A delete: look for object and tombstone -> write the tombstone -> remove the object, then
 * its record when it is a large one -> event, reply, acknowledgement. The tombstone carries
 * the operation id, so that a repeat of the same delete succeeds again and another one
 * finds nothing. A repeat cannot know what the object was: it removes what records it finds.
 */

enum look {
	OBJECT,
	TOMBSTONE,
	LOOKS,
};

struct delete
{
	struct sgh_type_info type;
	struct sgh_store_op looks[LOOKS];
	struct sgh_found found;
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_bytes *record;
	bool again; /* the tombstone appeared between look and write */
	struct sgh_erase erase;
	void (*then)(struct sgh_task * task); /* when all is removed */
};

static void delete_free(void *state)
{
	struct delete *delete = state;

	for (int i = 0; i < LOOKS; i++)
		sgh_store_op_fini(&delete->looks[i]);
	sgh_erase_fini(&delete->erase);
	sgh_found_fini(&delete->found);
	sgh_bytes_unref(delete->record);
	free(delete);
}

static void look(struct sgh_task *task);

static void not_found(struct sgh_task *task)
{
	sgh_task_fail(task, SANGRAHA_E_NOT_FOUND, "there is no object %s/%s",
		      task->request->object_type, task->request->object_id);
}

static void removed(struct sgh_task *task)
{
	struct sangraha_error err;

	if (!sgh_task_reply(task) || sgh_event_message("deleted", task->request, NULL,
						       task->reply, &task->event, &err))
		sgh_task_abandon(task);
	else
		sgh_task_finish(task);
}

/* ---- removing ---- */

static void erased(struct sgh_erase *erase)
{
	struct sgh_task *task = erase->arg;
	struct delete *delete = task->state;

	if (erase->status)
		sgh_task_retry(task, &erase->err);
	else
		delete->then(task);
}

/* The object with its record, and then `then`. */
static void remove_object(struct sgh_task *task, void (*then)(struct sgh_task *task))
{
	struct delete *delete = task->state;
	struct sgh_erase *erase = &delete->erase;
	const struct sangraha_object *object = delete->found.object;

	delete->then = then;
	erase->errand.store = task->service->store;
	erase->errand.owner = task->service;
	erase->type = delete->type.name;
	erase->bucket = delete->type.bucket;
	erase->id = task->request->object_id;
	erase->object = true;
	erase->record = object ? object->record : NULL;
	erase->records = !object;
	erase->done = erased;
	erase->arg = task;
	task->begun = true;
	task->owes = true;
	sgh_erase_run(erase);
}

/* ---- the tombstone ---- */

static void tombstone_written(struct sgh_task *task)
{
	struct delete *delete = task->state;

	SGH_FAIL_POINT("delete.tombstone-written");
	if (task->op.status == SANGRAHA_E_PRECONDITION && !delete->again) {
		delete->again = true;
		look(task);
	} else if (task->op.status) {
		task->owes = sgh_task_in_doubt(task);
		sgh_task_retry(task, &task->op.err);
	} else {
		remove_object(task, removed);
	}
}

static void write_tombstone(struct sgh_task *task)
{
	const struct sangraha_receiver *receiver = task->service->role;
	struct delete *delete = task->state;
	struct sgh_record record = {
		.operation_id = task->request->operation_id,
		.type = delete->type.name,
		.offset = -1,
		.created_ms = sgh_time_ms(),
		.expires_ms = sgh_time_ms() + receiver->tombstone_ms,
	};
	struct sangraha_error err;
	struct sgh_store_op *op;

	if (sgh_record_write(&record, &delete->record, &err)) {
		sgh_task_retry(task, &err);
		return;
	}
	op = sgh_task_op(task, SGH_STORE_PUT, "meta", delete->key);
	op->body = delete->record;
	op->content_type = "application/json";
	op->if_none_match = true;
	op->frees = true;
	sgh_task_run_one(task, tombstone_written);
}

/* Whether the tombstone that was found is this operation's own. */
static int read_tombstone(const struct sgh_task *task, const struct sgh_store_op *op,
			  bool *ret_ours, struct sangraha_error *err)
{
	struct sgh_record record = { .offset = -1 };
	int status = sgh_found_record(op, &record, err);

	if (status)
		return status;
	*ret_ours = sgh_streq(record.operation_id, task->request->operation_id);
	sgh_record_fini(&record);
	return 0;
}

/* ---- the look ---- */

static void decide(struct sgh_task *task)
{
	struct delete *delete = task->state;
	const struct sgh_store_op *tombstone = &delete->looks[TOMBSTONE];
	const struct sgh_found *found = &delete->found;
	bool lies_there = delete->looks[OBJECT].status == 0;
	bool is_there = lies_there && found->status != SANGRAHA_E_NOT_FOUND;
	bool is_dead = tombstone->status == 0;
	struct sangraha_error err;
	bool ours = false;

	if (found->status && sgh_status_passing(found->status))
		sgh_task_retry(task, &found->err);
	else if (is_dead && read_tombstone(task, tombstone, &ours, &err))
		sgh_task_retry(task, &err);
	else if (ours)
		remove_object(task, removed);
	else if (is_dead && lies_there)
		/* Another delete has not come to its end, and need not. */
		remove_object(task, not_found);
	else if (is_dead || !is_there)
		not_found(task);
	else if (task->late)
		sgh_task_expire(task);
	else
		write_tombstone(task);
}

static void looked(struct sgh_task *task)
{
	struct delete *delete = task->state;
	struct sgh_store_op *object = &delete->looks[OBJECT];
	struct sgh_store_op *tombstone = &delete->looks[TOMBSTONE];

	SGH_FAIL_POINT("delete.looked");
	if (object->status && object->status != SANGRAHA_E_NOT_FOUND)
		sgh_task_retry(task, &object->err);
	else if (tombstone->status && tombstone->status != SANGRAHA_E_NOT_FOUND)
		sgh_task_retry(task, &tombstone->err);
	else
		sgh_found_describe(task, &delete->found, 1, decide);
}

static void look(struct sgh_task *task)
{
	struct delete *delete = task->state;

	for (int i = 0; i < LOOKS; i++)
		sgh_store_op_fini(&delete->looks[i]);
	sgh_found_fini(&delete->found);
	delete->found = (struct sgh_found){
		.type = delete->type.name,
		.id = task->request->object_id,
		.op = &delete->looks[OBJECT],
	};
	sgh_task_op_init(task, &delete->looks[OBJECT], SGH_STORE_HEAD,
			 delete->type.bucket, task->request->object_id);
	sgh_task_op_init(task, &delete->looks[TOMBSTONE], SGH_STORE_GET, "meta",
			 delete->key);
	delete->looks[TOMBSTONE].max_length = SGH_RECORD_MAX;
	sgh_task_run(task, delete->looks, LOOKS, looked);
}

void sgh_delete_begin(struct sgh_task *task)
{
	struct delete *delete = calloc(1, sizeof(*delete));
	struct sangraha_error err;

	if (!delete) {
		sgh_task_abandon(task);
		return;
	}
	task->state = delete;
	task->state_free = delete_free;
	if (sgh_types_find(task->service->types, task->request->object_type,
			   &delete->type, &err)) {
		sgh_task_fail(task, SANGRAHA_E_INVALID, "there is no type %s",
			      task->request->object_type);
		return;
	}
	sgh_record_key_deleted(delete->key, delete->type.name, task->request->object_id);
	look(task);
}
