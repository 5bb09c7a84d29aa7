/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/remains.h"
#include "role/write.h"

/*
 * What lies under the id pins a record that does not make it an object. As long as
 * upload/<id> is of that record, its put-commit is to come. Otherwise its bytes came when
 * its upload had been taken away, and it would be in the way of every write for ever.
 *
 *   upload/<id> of that record, if absent, as a placeholder: nobody joins or commits that,
 *      so from here on no other upload begins
 *      -> take away what is left of it (role/remains.h) -> a retry
 *   another upload is there: it cannot end well, if the stray lies there still
 *      -> take that away -> a retry
 */

/* Longer than what we ask of the store may take: then the sweep goes on with it. */
#define OVER_MS 60000

struct sgh_stray {
	char record[SANGRAHA_ID_SIZE];
	char key[SGH_RECORD_KEY_SIZE]; /* upload/<id> */
	struct sgh_bytes *body;
	struct sgh_record upload; /* what was there */
	struct sgh_remains remains;
	void (*under_way)(struct sgh_task *task);
};

void sgh_stray_free(struct sgh_stray *stray)
{
	if (!stray)
		return;
	sgh_remains_fini(&stray->remains);
	sgh_record_fini(&stray->upload);
	sgh_bytes_unref(stray->body);
	free(stray);
}

static struct sgh_stray *stray_of(const struct sgh_task *task)
{
	const struct sgh_write *write = task->state;

	return write->stray;
}

static void try_again(struct sgh_task *task)
{
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0,
		 "what lay under %.36s was no object, and is taken away",
		 task->request->object_id);
	sgh_task_retry(task, &err);
}

static void cleared(struct sgh_remains *remains)
{
	struct sgh_task *task = remains->arg;

	if (remains->status)
		sgh_task_retry(task, &remains->err);
	else
		try_again(task);
}

static void clear(struct sgh_task *task, const struct sgh_record *upload)
{
	const struct sgh_write *write = task->state;
	struct sgh_remains *remains = &stray_of(task)->remains;

	*remains = (struct sgh_remains){
		.errand = { .store = task->service->store, .owner = task->service },
		.type = write->type.name,
		.bucket = write->type.bucket,
		.id = task->request->object_id,
		.record = upload->record,
		.upload = upload->upload,
		.place = upload->place,
		.done = cleared,
		.arg = task,
	};
	task->begun = true;
	sgh_remains_clear(remains);
}

static void seen_again(struct sgh_task *task)
{
	struct sgh_stray *stray = stray_of(task);

	SGH_FAIL_POINT("stray.seen-again");
	if (task->op.status && task->op.status != SANGRAHA_E_NOT_FOUND)
		sgh_task_retry(task, &task->op.err);
	else if (!task->op.status &&
		 sgh_streq(sgh_remains_pinned(&task->op), stray->record))
		clear(task, &stray->upload);
	else
		try_again(task);
}

/* Whether the upload that was found has to wait for what lies there, and not we for it. */
static bool is_held_up(const struct sgh_task *task)
{
	const struct sgh_stray *stray = stray_of(task);
	const struct sgh_write *write = task->state;

	return !sgh_streq(stray->upload.record, stray->record) &&
	       sangraha_id_valid(stray->upload.record) &&
	       sgh_streq(stray->upload.type, write->type.name);
}

static void upload_read(struct sgh_task *task)
{
	struct sgh_stray *stray = stray_of(task);
	struct sangraha_error err;

	SGH_FAIL_POINT("stray.upload-read");
	if (task->op.status == SANGRAHA_E_NOT_FOUND) {
		try_again(task);
	} else if (task->op.status) {
		sgh_task_retry(task, &task->op.err);
	} else if (sgh_found_record(&task->op, &stray->upload, &err)) {
		sgh_task_retry(task, &err);
	} else if (sgh_record_is_placeholder(&stray->upload)) {
		try_again(task);
	} else if (!is_held_up(task)) {
		stray->under_way(task);
	} else {
		sgh_write_head(task, seen_again);
	}
}

static void recorded(struct sgh_task *task)
{
	struct sgh_stray *stray = stray_of(task);
	const struct sgh_record upload = { .record = stray->record };
	struct sgh_store_op *op;

	SGH_FAIL_POINT("stray.upload-recorded");
	if (!task->op.status) {
		clear(task, &upload);
	} else if (task->op.status != SANGRAHA_E_PRECONDITION) {
		sgh_task_retry(task, &task->op.err);
	} else {
		op = sgh_task_op(task, SGH_STORE_GET, "meta", stray->key);
		op->max_length = SGH_RECORD_MAX;
		sgh_task_run_one(task, upload_read);
	}
}

static void record(struct sgh_task *task)
{
	const struct sgh_write *write = task->state;
	struct sgh_stray *stray = write->stray;
	int64_t now = sgh_time_ms();
	struct sgh_record placeholder = sgh_record_placeholder(
		stray->record, write->type.name, now, now + OVER_MS);
	struct sangraha_error err;
	struct sgh_store_op *op;

	if (sgh_record_write(&placeholder, &stray->body, &err)) {
		sgh_task_retry(task, &err);
		return;
	}
	sgh_record_key_upload(stray->key, task->request->object_id);
	op = sgh_task_op(task, SGH_STORE_PUT, "meta", stray->key);
	op->body = stray->body;
	op->content_type = "application/json";
	op->if_none_match = true;
	sgh_task_run_one(task, recorded);
}

void sgh_write_stray(struct sgh_task *task, void (*under_way)(struct sgh_task *task))
{
	const char *pinned = sgh_remains_pinned(&task->op);
	struct sgh_write *write = task->state;
	struct sgh_stray *stray;

	if (task->op.status || !sangraha_id_valid(pinned)) {
		under_way(task);
		return;
	}
	stray = calloc(1, sizeof(*stray));
	if (!stray) {
		sgh_task_abandon(task);
		return;
	}
	write->stray = stray;
	stray->upload.offset = -1;
	stray->under_way = under_way;
	memcpy(stray->record, pinned, sizeof(stray->record));
	record(task);
}
