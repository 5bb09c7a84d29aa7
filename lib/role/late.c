/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "role/erase.h"
#include "role/found.h"
#include "role/receiver.h"
#include "role/write.h"
#include "wire/sha256.h"

/*
 * A put or put-commit that comes past its deadline, and not for the first time: an earlier
 * run may have sent the store what is to be finished, whatever the clock says.
 *
 *   looks   tombstones and the id, under all types
 *   dead    what lies there under a tombstone of its type is taken away -> "gone"
 *   stored  an object of these bytes -> event, reply
 *   else    "timeout"; nothing is created any more
 *
 * Of a put in doubt the copy looks after each delay there is, up to six minutes: it
 * announces what has come meanwhile, and what came under a tombstone is taken away.
 */

#define LOOKS_AGAIN 2

enum look {
	TOMBSTONE,
	OBJECT,
	LOOKS,
};

struct late {
	size_t type_count;
	struct sgh_type_info types[SGH_MAX_TYPES];
	char keys[SGH_MAX_TYPES][SGH_RECORD_KEY_SIZE];
	struct sgh_store_op *looks; /* of each type, tombstone and object */
	struct sgh_found founds[SGH_MAX_TYPES];
	struct sgh_erase erase;
	size_t next; /* type under which may be something to take away */
	char sha256[SANGRAHA_SHA256_SIZE];
};

static void late_free(void *state)
{
	struct late *late = state;

	for (size_t i = 0; late->looks && i < late->type_count * LOOKS; i++)
		sgh_store_op_fini(&late->looks[i]);
	for (size_t i = 0; i < late->type_count; i++)
		sgh_found_fini(&late->founds[i]);
	sgh_erase_fini(&late->erase);
	free(late->looks);
	free(late);
}

static bool is_there(const struct late *late, size_t type, enum look look)
{
	return late->looks[type * LOOKS + look].status == 0;
}

/* Nobody waits for it any more: it is late. */
static bool is_copy_in_doubt(const struct sgh_task *task)
{
	return task->request->attempt && sgh_task_doubts(task);
}

/* ---- dead ---- */

static void take_next(struct sgh_task *task);

/*
 * An earlier run's request may be on its way to the store still: a copy looks in 1 s, and
 * in 5 s once more.
 */
static void end_dead(struct sgh_task *task)
{
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_GONE, 0,
		 "the id was deleted and cannot be written again");
	if (is_copy_in_doubt(task))
		sgh_task_look_later(task);
	else if (task->delivery->redelivered)
		sgh_task_give_up(task, &err);
	else if (task->request->attempt < LOOKS_AGAIN)
		sgh_task_retry(task, &err);
	else
		sgh_task_fail_with(task, &err);
}

static void erased(struct sgh_erase *erase)
{
	struct sgh_task *task = erase->arg;

	SGH_FAIL_POINT("late.taken-back");
	if (erase->status)
		sgh_task_retry(task, &erase->err);
	else
		take_next(task);
}

static void take(struct sgh_task *task, const struct sgh_type_info *type)
{
	struct late *late = task->state;
	struct sgh_erase *erase = &late->erase;

	erase->errand.store = task->service->store;
	erase->errand.owner = task->service;
	erase->type = type->name;
	erase->bucket = type->bucket;
	erase->id = task->request->object_id;
	erase->object = true;
	erase->records = true;
	erase->done = erased;
	erase->arg = task;
	task->begun = true;
	sgh_erase_run(erase);
}

static void take_next(struct sgh_task *task)
{
	struct late *late = task->state;

	while (late->next < late->type_count) {
		size_t type = late->next++;

		if (is_there(late, type, TOMBSTONE) && is_there(late, type, OBJECT)) {
			take(task, &late->types[type]);
			return;
		}
	}
	end_dead(task);
}

/* ---- stored ---- */

static void described(struct sgh_task *task)
{
	struct late *late = task->state;
	const struct sangraha_error *failed = NULL;

	for (size_t i = 0; i < late->type_count; i++) {
		const struct sgh_found *found = &late->founds[i];

		if (!found->status && sgh_streq(found->object->sha256, late->sha256)) {
			sgh_write_stored(task, found->object, true);
			return;
		}
		if (sgh_status_passing(found->status))
			failed = &found->err;
	}
	if (failed)
		sgh_task_retry(task, failed);
	else if (is_copy_in_doubt(task))
		sgh_task_look_later(task);
	else
		sgh_task_expire(task);
}

static void describe(struct sgh_task *task)
{
	struct late *late = task->state;

	for (size_t i = 0; i < late->type_count; i++)
		late->founds[i] = (struct sgh_found){
			.type = late->types[i].name,
			.id = task->request->object_id,
			.op = &late->looks[i * LOOKS + OBJECT],
		};
	sgh_found_describe(task, late->founds, late->type_count, described);
}

/* ---- looks ---- */

/* Nobody need see a dead letter that would have looked only. */
static void look_failed(struct sgh_task *task, const struct sangraha_error *err)
{
	if (sgh_task_only_looks(task))
		sgh_task_look_later(task);
	else
		sgh_task_retry(task, err);
}

static void looked(struct sgh_task *task)
{
	struct late *late = task->state;
	bool dead = false;

	SGH_FAIL_POINT("late.looked");
	for (size_t i = 0; i < late->type_count * LOOKS; i++) {
		const struct sgh_store_op *op = &late->looks[i];

		if (op->status && op->status != SANGRAHA_E_NOT_FOUND) {
			look_failed(task, &op->err);
			return;
		}
	}
	for (size_t i = 0; i < late->type_count; i++)
		dead |= is_there(late, i, TOMBSTONE);
	if (dead)
		take_next(task);
	else if (sgh_task_only_looks(task))
		sgh_task_look_later(task);
	else
		describe(task);
}

static void look(struct sgh_task *task)
{
	struct late *late = task->state;
	const char *id = task->request->object_id;

	for (size_t i = 0; i < late->type_count; i++) {
		struct sgh_store_op *looks = &late->looks[i * LOOKS];

		sgh_record_key_deleted(late->keys[i], late->types[i].name, id);
		sgh_task_op_init(task, &looks[TOMBSTONE], SGH_STORE_HEAD, "meta",
				 late->keys[i]);
		sgh_task_op_init(task, &looks[OBJECT], SGH_STORE_HEAD,
				 late->types[i].bucket, id);
	}
	sgh_task_run(task, late->looks, late->type_count * LOOKS, looked);
}

static int read_digest(struct sgh_task *task, struct sangraha_error *err)
{
	struct late *late = task->state;
	const struct sgh_request *request = task->request;
	const struct sgh_bytes *body = request->body;

	if (request->verb == SGH_PUT)
		return sgh_sha256_hex(body ? body->data : NULL, body ? body->length : 0,
				      late->sha256, err);
	memcpy(late->sha256, request->sha256, sizeof(late->sha256));
	return 0;
}

void sgh_late_begin(struct sgh_task *task)
{
	struct late *late = calloc(1, sizeof(*late));
	struct sangraha_error err;

	task->state = late;
	task->state_free = late ? late_free : NULL;
	if (late) {
		late->type_count = sgh_types_all(task->service->types, late->types);
		late->looks = calloc(late->type_count * LOOKS, sizeof(*late->looks));
	}
	if (!late || !late->looks)
		sgh_task_abandon(task);
	else if (read_digest(task, &err))
		sgh_task_fail_with(task, &err);
	else
		look(task);
}
