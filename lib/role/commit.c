/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/large.h"

/*
 * A put-commit: the requester's validator accepted the whole, and all of it is in the store.
 *
 *   put     HEAD: digest and size -> tombstone -> event, reply
 *           it pins a record that is not there: upload/<id>, as for parts, and go on at HEAD
 *   parts   upload/<id>, renewed when it ends soon         another record: see what is there
 *           -> the parts are those of the document -> object/…/<record> -> complete the
 *           upload if the key is free -> HEAD and compare -> read back -> veto -> tombstone
 *           -> abort what else is open of the key -> remove upload/<id> -> event, reply
 *
 * What is read back, or shown to a veto, has its record written after that, not before the
 * upload is completed: until then it is no object. Who ends the upload meanwhile writes the
 * same record without a digest (role/remains.h), and each of the two only where it is absent:
 * so it says for good how that ended, whoever stops, dies or runs twice. Whatever is found in
 * a state that a later step leaves behind - the upload gone, the key taken - is compared as
 * after a completion whose answer was lost.
 */

#define COMPLETE_MS 120000 /* a store may have to look at ten thousand parts */
/* What ends sooner is renewed first: nobody's sweep may come before all of it is done. */
#define RENEW_MS      (2 * COMPLETE_MS + 60000)
#define PARTS_AT_ONCE 1000

static void look(struct sgh_task *task);
static void list_parts(struct sgh_task *task);
static void upload_read(struct sgh_task *task);

static void clash(struct sgh_task *task)
{
	sgh_write_fail(task, SANGRAHA_E_CONFLICT,
		       "another object is stored under this id");
}

static void ended(struct sgh_task *task)
{
	sgh_task_fail(task, SANGRAHA_E_NOT_FOUND, "the upload of %s has ended",
		      task->request->object_id);
}

/*
 * Whether the object that is there may be an earlier request's success. It is this one's
 * when its upload had not ended before; after one PUT only `created` can tell.
 */
static bool was_there(const struct sgh_task *task)
{
	const struct sgh_request *request = task->request;
	const struct sangraha_object *there = sgh_large_of(task)->write.there.object;

	if (!request->record)
		return request->created_ms;
	return !sgh_large_is_ours(task) || !sgh_streq(there->record, request->record);
}

static void stored(struct sgh_task *task)
{
	struct sgh_write *write = task->state;

	sgh_write_stored(task, write->there.object, was_there(task));
}

/*
 * Whether to look at the object once more: its record was not known when it was seen, and
 * may have been written by another run after somebody had ended the upload.
 */
static bool look_twice(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);
	bool twice = large->write.there.object->record && !large->known;

	large->known = true;
	return twice;
}

static bool same_digest(const struct sgh_task *task)
{
	const struct sgh_found *there = &sgh_large_of(task)->write.there;

	return !there->status && sgh_streq(there->object->sha256, task->request->sha256);
}

/* ---- parts: the object is there, and is ours ---- */

static void gone_clear(struct sgh_task *task)
{
	sgh_large_clear(task, false, sgh_write_gone);
}

static void keep(struct sgh_task *task)
{
	sgh_large_clear(task, true, stored);
}

static void look_after(struct sgh_task *task, void (*clear)(struct sgh_task *task))
{
	struct sgh_write *write = task->state;

	write->taken_back = gone_clear;
	sgh_write_look_after(task, clear);
}

/* ---- put: the whole is there, or it is not ---- */

/* What is to be read back: it pins its record, and is no object before that is there. */
static void whole_pinned(struct sgh_task *task)
{
	if (sgh_large_name_record(task, sgh_remains_pinned(&task->op)))
		sgh_large_read_upload(task, upload_read);
}

static void whole_seen(struct sgh_task *task);

static void whole_complete(struct sgh_task *task)
{
	const struct sangraha_object *there = sgh_large_of(task)->write.there.object;

	if (!there->record)
		sgh_write_look_after(task, stored);
	else if (look_twice(task))
		sgh_write_head(task, whole_seen);
	else if (sgh_large_name_record(task, there->record))
		look_after(task, keep);
}

/* It was not deleted in between, so it never came. */
static void not_in_store(struct sgh_task *task)
{
	sgh_task_fail(task, SANGRAHA_E_NOT_FOUND, "%s is not in the store",
		      task->request->object_id);
}

static void whole_described(struct sgh_task *task)
{
	const struct sgh_request *request = task->request;
	const struct sgh_found *there = &sgh_large_of(task)->write.there;

	SGH_FAIL_POINT("put-commit.put-seen");
	if (there->status == SANGRAHA_E_NOT_FOUND && !task->op.status)
		whole_pinned(task);
	else if (there->status == SANGRAHA_E_NOT_FOUND)
		sgh_write_look_after(task, not_in_store);
	else if (there->status && there->status != SANGRAHA_E_INTERNAL)
		sgh_task_retry(task, &there->err);
	else if (!same_digest(task) || there->object->size != (uint64_t)request->size)
		clash(task);
	else
		whole_complete(task);
}

static void whole_seen(struct sgh_task *task)
{
	sgh_write_found(task, whole_described);
}

/* ---- the upload has ended: how ---- */

static void see_end(struct sgh_task *task);

static void ended_described(struct sgh_task *task)
{
	const struct sgh_found *there = &sgh_large_of(task)->write.there;
	const struct sgh_request *request = task->request;

	SGH_FAIL_POINT("put-commit.end-seen");
	if (there->status && there->status != SANGRAHA_E_NOT_FOUND &&
	    there->status != SANGRAHA_E_INTERNAL)
		sgh_task_retry(task, &there->err);
	else if (same_digest(task) && look_twice(task))
		see_end(task);
	else if (same_digest(task))
		stored(task);
	else if (!there->status && sgh_streq(there->object->record, request->record))
		clash(task);
	else
		ended(task);
}

static void ended_seen(struct sgh_task *task)
{
	sgh_write_found(task, ended_described);
}

static void see_end(struct sgh_task *task)
{
	sgh_write_head(task, ended_seen);
}

/* ---- parts: what does the key hold ---- */

/* What is to be said of the object, once all of it is there. */
static struct sgh_record record_of(const struct sgh_task *task)
{
	const struct sgh_large *large = sgh_large_of(task);
	const struct sgh_request *request = task->request;
	bool read_back = large->verify != NULL;

	return (struct sgh_record){
		.record = request->record,
		.operation_id = request->operation_id,
		.type = large->write.type.name,
		.sha256 = request->sha256,
		.size = request->size,
		.facts = read_back ? sgh_verify_facts(large->verify) : request->facts,
		.rules = read_back ? sgh_verify_rules(large->verify) : request->rules,
		.content_type = large->upload.content_type,
		.created_ms = request->created_ms ? request->created_ms : sgh_time_ms(),
		.offset = -1,
	};
}

/* Somebody gave the upload up before; it may be there no longer, with all that was its. */
static void given_up(struct sgh_task *task)
{
	sgh_large_of(task)->known = false;
	sgh_large_clear(task, false, see_end);
}

static void put_record(struct sgh_task *task, bool if_none_match,
		       void (*then)(struct sgh_task *task))
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_record record = record_of(task);

	large->recorded = true;
	sgh_large_put_record(task, large->object_key, &record, if_none_match, then);
}

/* It was there already: by another run of ours, or to say that the upload has ended. */
static void other_read(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_record other = { .offset = -1 };
	struct sangraha_error err;

	SGH_FAIL_POINT("put-commit.other-record-read");
	if (task->op.status == SANGRAHA_E_NOT_FOUND) {
		sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0,
			 "the upload of %.36s is ending just now",
			 task->request->object_id);
		sgh_task_retry(task, &err);
	} else if (task->op.status) {
		sgh_task_retry(task, &task->op.err);
	} else if (sgh_found_record(&task->op, &other, &err)) {
		sgh_task_retry(task, &err);
	} else if (other.sha256) {
		large->settled(task);
	} else if (other.upload) {
		/* The place of one that was not to be read back when it was begun. */
		put_record(task, false, large->settled);
	} else {
		given_up(task);
	}
	sgh_record_fini(&other);
}

static void recorded(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_store_op *op;

	if (!task->op.status) {
		large->settled(task);
		return;
	}
	op = sgh_task_op(task, SGH_STORE_GET, "meta", large->object_key);
	op->max_length = SGH_RECORD_MAX;
	sgh_task_run_one(task, other_read);
}

/* Write the object's record, over the upload's place if that is where it is. */
static void write_record(struct sgh_task *task, void (*then)(struct sgh_task *task))
{
	struct sgh_large *large = sgh_large_of(task);
	bool is_place = large->upload.upload && !large->upload.place;

	large->settled = then;
	large->known = true;
	sgh_record_key_object(large->object_key, large->write.type.name,
			      task->request->object_id, task->request->record);
	put_record(task, !is_place, recorded);
}

/* What is an object only now is seen as one. */
static void look_again(struct sgh_task *task)
{
	SGH_FAIL_POINT("put-commit.recorded-after-reading");
	look(task);
}

static void vetoed(struct sgh_task *task)
{
	sgh_write_end(task, &sgh_large_of(task)->why);
}

static void ask_veto(struct sgh_job *job)
{
	struct sgh_task *task = sgh_container_of(job, struct sgh_task, job);

	if (sgh_write_veto(task, &sgh_large_of(task)->why))
		sgh_large_clear(task, false, vetoed);
	else
		write_record(task, look_again);
}

/* The object as the store has it, before its record: put-begin told what it is called. */
static int take_pinned(struct sgh_task *task, struct sangraha_error *err)
{
	struct sgh_write *write = task->state;
	const struct sgh_store_head *head = &task->op.head;

	sangraha_object_unref(sgh_take(write->object));
	return sgh_object_from_meta(write->type.name, task->request->object_id,
				    head->content_type, head->size, head->meta,
				    head->meta_count, &write->object, err);
}

/* What the program around us saw of it at the beginning had no digest, and no facts. */
static void accepted(struct sgh_task *task)
{
	const struct sangraha_receiver *receiver = task->service->role;
	struct sgh_write *write = task->state;
	struct sgh_record record = record_of(task);
	struct sangraha_error err;

	if (!receiver->veto) {
		write_record(task, look_again);
	} else if (sgh_record_describe(&record, write->object, &err)) {
		sgh_task_retry(task, &err);
	} else {
		task->job.run = ask_veto;
		sgh_pool_submit(task->service->pool, &task->job);
	}
}

/* It pins our record, which is not there: it is no object yet. */
static void make_object(struct sgh_task *task)
{
	const struct sangraha_receiver *receiver = task->service->role;
	struct sgh_large *large = sgh_large_of(task);
	struct sangraha_error err;

	if (large->recorded) {
		sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0,
			 "the record of %.36s was removed", task->request->object_id);
		sgh_task_retry(task, &err);
	} else if (task->op.head.size != (uint64_t)task->request->size) {
		clash(task);
	} else if (take_pinned(task, &err)) {
		sgh_write_fail_with(task, &err);
	} else if (receiver->verify_large) {
		sgh_large_verify(task, look, accepted);
	} else {
		accepted(task);
	}
}

static void not_there(struct sgh_task *task)
{
	sgh_large_clear(task, false, ended);
}

static void taken_by_others(struct sgh_task *task)
{
	sgh_large_of(task)->known = false;
	sgh_large_clear(task, false, same_digest(task) ? see_end : clash);
}

static void described(struct sgh_task *task)
{
	const struct sgh_found *there = &sgh_large_of(task)->write.there;
	const char *record = task->request->record;
	struct sangraha_error err;

	SGH_FAIL_POINT("put-commit.looked");
	if (!there->status && sgh_streq(there->object->record, record)) {
		if (!same_digest(task))
			clash(task);
		else if (look_twice(task))
			look(task);
		else
			look_after(task, keep);
	} else if (!there->status || there->status == SANGRAHA_E_INTERNAL) {
		taken_by_others(task);
	} else if (there->status != SANGRAHA_E_NOT_FOUND) {
		sgh_task_retry(task, &there->err);
	} else if (task->op.status) {
		look_after(task, not_there);
	} else if (sgh_streq(sgh_remains_pinned(&task->op), record)) {
		make_object(task);
	} else {
		/* Of another upload, which is at this very step or was broken off there. */
		sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0,
			 "another upload of %.36s is being completed",
			 task->request->object_id);
		sgh_task_retry(task, &err);
	}
}

static void looked(struct sgh_task *task)
{
	sgh_write_found(task, described);
}

static void look(struct sgh_task *task)
{
	sgh_write_head(task, looked);
}

/* ---- parts: complete the upload ---- */

static void completed(struct sgh_task *task)
{
	int status = task->op.status;

	SGH_FAIL_POINT("put-commit.completed");
	task->owes = !status || sgh_task_in_doubt(task);
	if (status == SANGRAHA_E_INVALID)
		sgh_write_fail_with(task, &task->op.err);
	else if (status && status != SANGRAHA_E_PRECONDITION &&
		 status != SANGRAHA_E_NOT_FOUND)
		sgh_task_retry(task, &task->op.err);
	else
		look(task);
}

static void complete(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_store_op *op =
		sgh_task_op(task, SGH_STORE_UPLOAD_COMPLETE, large->write.type.bucket,
			    task->request->object_id);

	if (large->recorded)
		SGH_FAIL_POINT("put-commit.recorded");
	op->upload = large->upload.upload;
	op->parts = task->request->parts;
	op->part_count = task->request->part_count;
	op->if_none_match = true;
	op->deadline_ms = sgh_now_ms() + COMPLETE_MS;
	sgh_task_run_one(task, completed);
}

/* ---- parts: are they the ones ---- */

/* Go on in the document as far as the page does; false at a part that is not as it says. */
static bool compare_page(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);
	const struct sgh_request *request = task->request;

	for (size_t i = 0; i < task->op.found_part_count; i++) {
		const struct sgh_part *there = &task->op.found_parts[i];
		const struct sgh_part *wanted = &request->parts[large->parts_seen];

		/* Parts of a try that was given up are no part of the whole. */
		if (large->parts_seen == request->part_count ||
		    there->number < wanted->number)
			continue;
		if (there->number != wanted->number || there->size != wanted->size ||
		    !sgh_streq(there->etag, wanted->etag))
			return false;
		large->parts_seen++;
	}
	return true;
}

static void parts_listed(struct sgh_task *task)
{
	const struct sangraha_receiver *receiver = task->service->role;
	struct sgh_large *large = sgh_large_of(task);
	bool fit;

	SGH_FAIL_POINT("put-commit.parts-listed");
	if (task->op.status == SANGRAHA_E_NOT_FOUND) {
		look(task);
		return;
	}
	if (task->op.status) {
		sgh_task_retry(task, &task->op.err);
		return;
	}
	fit = compare_page(task);
	if (fit && large->parts_seen == task->request->part_count) {
		if (receiver->verify_large || receiver->veto)
			complete(task);
		else
			write_record(task, complete);
	} else if (fit && task->op.more && task->op.found_part_count) {
		large->parts_after =
			task->op.found_parts[task->op.found_part_count - 1].number;
		list_parts(task);
	} else {
		sgh_write_fail(task, SANGRAHA_E_INVALID,
			       "the parts in the store are not those of the document");
	}
}

static void list_parts(struct sgh_task *task)
{
	sgh_large_list_parts(task, sgh_large_of(task)->parts_after, PARTS_AT_ONCE,
			     parts_listed);
}

/* ---- parts: the upload's record ---- */

/* What was announced when it was begun is still true. */
static bool as_begun(const struct sgh_task *task)
{
	const struct sgh_record *upload = &sgh_large_of(task)->upload;
	const struct sgh_request *request = task->request;

	return (!upload->size || upload->size == request->size) &&
	       (!upload->sha256 || sgh_streq(upload->sha256, request->sha256));
}

static void upload_read(struct sgh_task *task)
{
	const struct sgh_record *upload = &sgh_large_of(task)->upload;
	bool whole = task->request->transfer == SGH_TICKET_PUT;
	void (*next)(struct sgh_task * task) = whole ? look : list_parts;

	SGH_FAIL_POINT("put-commit.record-read");
	/* One PUT has none of the store's, but somebody may have begun one besides. */
	if (!sgh_large_is_ours(task) || (!whole && !upload->upload))
		see_end(task);
	else if (!as_begun(task))
		sgh_write_fail(task, SANGRAHA_E_CONFLICT,
			       "size or digest are not those that the upload under this "
			       "id was begun with");
	else if (upload->expires_ms - sgh_time_ms() < RENEW_MS)
		sgh_large_write_upload(task, false, next);
	else
		next(task);
}

static int check(const struct sgh_task *task, struct sangraha_error *err)
{
	const struct sgh_request *request = task->request;

	if (request->transfer == SGH_TICKET_PARTS && !request->part_count)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a commit of parts names at least one");
	return sgh_write_check_size(task, request->size, err);
}

void sgh_large_commit(struct sgh_task *task)
{
	struct sangraha_error err;

	if (!sgh_large_new(task) || !sgh_large_find_type(task))
		return;
	/* What came by one PUT is there already. */
	task->owes = task->request->transfer == SGH_TICKET_PUT;
	if (check(task, &err))
		sgh_write_end(task, &err);
	else if (task->owes)
		sgh_write_head(task, whole_seen);
	else
		sgh_large_read_upload(task, upload_read);
}
