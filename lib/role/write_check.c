/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "role/receiver.h"
#include "role/write.h"

/* What is computed before the store is asked: is it an object, and may it be stored. */

void sgh_write_fini(struct sgh_write *write)
{
	for (size_t i = 0; i < write->look_count; i++)
		sgh_store_op_fini(&write->looks[i]);
	free(write->looks);
	free(write->look_keys);
	sgh_found_fini(&write->there);
	sgh_stray_free(write->stray);
	sangraha_object_unref(write->object);
	sangraha_verdict_free(write->verdict);
	sgh_bytes_unref(write->record);
	sgh_arena_fini(&write->arena);
}

void sgh_write_free(void *state)
{
	sgh_write_fini(state);
	free(state);
}

bool sgh_write_certainly_new(const struct sgh_task *task)
{
	const struct sgh_request *request = task->request;

	/* What a key derives is never new: others derive the same. */
	return request->fresh && !task->delivery->redelivered && !request->attempt &&
	       !request->resend && sgh_id_version(request->object_id) != 5;
}

const void *sgh_write_body(const struct sgh_task *task, size_t *ret_length)
{
	const struct sgh_bytes *body = task->request->body;

	*ret_length = body ? body->length : 0;
	return body ? body->data : (const unsigned char *)"";
}

int sgh_write_check_size(const struct sgh_task *task, int64_t size,
			 struct sangraha_error *err)
{
	const struct sangraha_receiver *receiver = task->service->role;
	const struct sgh_write *write = task->state;
	uint64_t limit = receiver->max_object_size;

	if (size > 0 && (uint64_t)size > limit)
		return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0,
				"an object has at most %llu bytes here",
				(unsigned long long)limit);
	limit = write->type.max_size;
	if (size > 0 && limit && (uint64_t)size > limit)
		return sgh_fail(err, SANGRAHA_E_TOO_LARGE, 0,
				"an object of type %s has at most %llu bytes",
				write->type.name, (unsigned long long)limit);
	return 0;
}

int sgh_write_find_type(struct sgh_task *task, struct sangraha_error *err)
{
	struct sgh_write *write = task->state;

	return sgh_types_find(task->service->types, sangraha_verdict_type(write->verdict),
			      &write->type, err);
}

int sgh_write_describe(struct sgh_task *task, const struct sgh_write_parts *more,
		       struct sangraha_error *err)
{
	struct sgh_write *write = task->state;
	const struct sgh_request *request = task->request;
	struct sgh_object_parts parts = {
		.id = request->object_id,
		.type = write->type.name,
		.filename = request->filename,
		.content_type = sangraha_verdict_detected(write->verdict),
		.sha256 = more->sha256,
		.created_ms = request->created_ms ? request->created_ms : sgh_time_ms(),
		.size = more->size,
		.facts = more->facts,
		.rules = more->rules,
		.operation = request->operation_id,
		.record = more->record,
		.meta = request->meta,
		.meta_count = request->meta_count,
	};
	int status = sgh_object_new(&parts, &write->object, err);

	if (!status)
		status = sgh_object_to_meta(write->object, &write->arena, write->meta,
					    &write->meta_count, err);
	return status;
}

int sgh_write_veto(struct sgh_task *task, struct sangraha_error *err)
{
	struct sangraha_receiver *receiver = task->service->role;
	struct sgh_write *write = task->state;
	size_t length = 0;
	const void *data = "";
	int status;

	if (!receiver->veto)
		return 0;
	if (task->request->verb != SGH_PUT_COMMIT)
		data = sgh_write_body(task, &length);
	*err = (struct sangraha_error){ 0 };
	status = receiver->veto(receiver->veto_arg, write->object, data, length, err);
	write->vetoed = status != 0;
	if (!status)
		return 0;
	if (!err->message[0])
		sgh_fail(err, SANGRAHA_E_REJECTED, 0, "the receiver refused the object");
	err->status = SANGRAHA_E_REJECTED;
	return SANGRAHA_E_REJECTED;
}
