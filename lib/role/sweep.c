/* SPDX-License-Identifier: MIT */
#include "role/sweep.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/found.h"
#include "role/task.h"
#include "validate/types.h"

#define LIST_LIMIT 1000
/* With places: of each kind but uploads, in one sweep. */
#define PAGES    10
#define READS    1000
#define AGAIN_MS 3600000
/* Not longer than a service asks whether the store serves: an end waits for it. */
#define STORE_MS 10000

static void list(struct sgh_sweep *sweep);
static void next(struct sgh_sweep *sweep);

static const struct {
	const char *prefix;
	enum sgh_record_kind kind;
} kinds[SGH_SWEEP_KINDS] = {
	[SGH_SWEEP_UPLOADS] = { "upload/", SGH_RECORD_UPLOAD },
	[SGH_SWEEP_GRAVES] = { "deleted/", SGH_RECORD_DELETED },
	[SGH_SWEEP_FAILURES] = { "operation/", SGH_RECORD_OPERATION },
};

void sgh_sweep_fini(struct sgh_sweep *sweep)
{
	sgh_store_op_fini(&sweep->list);
	sgh_store_op_fini(&sweep->read);
	sgh_record_fini(&sweep->record);
	sgh_remains_fini(&sweep->remains);
	sgh_grave_fini(&sweep->grave);
}

/* How far the kind in hand came; NULL: all of it is swept at once. */
static struct sgh_sweep_place *place_of(const struct sgh_sweep *sweep)
{
	return sweep->places && sweep->kind != SGH_SWEEP_UPLOADS
		       ? &sweep->places[sweep->kind]
		       : NULL;
}

static void note(struct sgh_sweep *sweep, int status, const struct sangraha_error *err)
{
	struct sgh_sweep_place *place = place_of(sweep);

	if (place && sgh_status_passing(status))
		place->failed = true;
	if (sweep->status)
		return;
	sweep->status = status;
	sgh_fail_with(&sweep->err, status, err);
}

static bool over(const struct sgh_sweep *sweep)
{
	return (sweep->stop && __atomic_load_n(sweep->stop, __ATOMIC_RELAXED)) ||
	       (sweep->errand.until_ms && sgh_now_ms() >= sweep->errand.until_ms);
}

static void end_early(struct sgh_sweep *sweep)
{
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_TIMEOUT, 0, "the sweep was broken off");
	note(sweep, SANGRAHA_E_TIMEOUT, &err);
	sweep->done(sweep);
}

/* A store that fails now will fail for the next one too. */
static void submit(struct sgh_sweep *sweep, struct sgh_store_op *op,
		   void (*done)(struct sgh_store_op *op))
{
	struct sangraha_error err;
	int status = sgh_errand_submit(&sweep->errand, op, done, sweep, &err);

	if (status) {
		note(sweep, status, &err);
		sweep->done(sweep);
	}
}

/* ---- one record ---- */

/* The record in hand stays, and may have ended when it is looked at again. */
static void leave(struct sgh_sweep *sweep)
{
	struct sgh_sweep_place *place = place_of(sweep);
	int64_t modified = sweep->key->modified_ms;

	if (place && modified && (!place->left_ms || modified < place->left_ms))
		place->left_ms = modified;
}

static void remains_cleared(struct sgh_remains *remains)
{
	struct sgh_sweep *sweep = remains->arg;

	SGH_FAIL_POINT("sweep.cleared");
	if (remains->status) {
		note(sweep, remains->status, &remains->err);
	} else {
		sweep->cleared++;
		sgh_log(sweep->context, SANGRAHA_LOG_INFO, sweep->role, "sweep",
			remains->kept ? "the upload of %s/%s was completed"
				      : "the upload of %s/%s ended without an object",
			remains->type, remains->id);
	}
	next(sweep);
}

static void clear_remains(struct sgh_sweep *sweep, const struct sgh_type_info *type)
{
	struct sgh_remains *remains = &sweep->remains;

	remains->errand = sweep->errand;
	remains->type = type->name;
	remains->bucket = type->bucket;
	remains->id = sweep->name.id;
	remains->record = sweep->record.record;
	remains->upload = sweep->record.upload;
	remains->place = sweep->record.place;
	remains->done = remains_cleared;
	remains->arg = sweep;
	sgh_remains_clear(remains);
}

static void grave_closed(struct sgh_grave *grave)
{
	struct sgh_sweep *sweep = grave->arg;

	SGH_FAIL_POINT("sweep.grave-closed");
	if (grave->status)
		note(sweep, grave->status, &grave->err);
	if (grave->erased)
		sgh_log(sweep->context, SANGRAHA_LOG_WARN, sweep->role, "sweep",
			"what lay under the tombstone of %s/%s was removed", grave->type,
			grave->id);
	if (grave->gone)
		sweep->cleared++;
	else
		leave(sweep);
	next(sweep);
}

static void close_grave(struct sgh_sweep *sweep, const struct sgh_type_info *type)
{
	struct sgh_grave *grave = &sweep->grave;

	grave->errand = sweep->errand;
	grave->type = type->name;
	grave->bucket = type->bucket;
	grave->id = sweep->name.id;
	grave->ended_ms = sgh_time_ms() - sweep->grace_ms;
	grave->done = grave_closed;
	grave->arg = sweep;
	sgh_grave_close(grave);
}

static void failure_removed(struct sgh_store_op *op)
{
	struct sgh_sweep *sweep = op->arg;

	SGH_FAIL_POINT("sweep.failure-removed");
	if (op->status)
		note(sweep, op->status, &op->err);
	else
		sweep->cleared++;
	next(sweep);
}

static void remove_failure(struct sgh_sweep *sweep)
{
	sgh_store_op_fini(&sweep->read);
	sweep->read = (struct sgh_store_op){
		.verb = SGH_STORE_DELETE,
		.bucket = "meta",
		.key = sweep->key->key,
	};
	submit(sweep, &sweep->read, failure_removed);
}

/* What has ended. */
static void judge(struct sgh_sweep *sweep)
{
	const struct sgh_record *record = &sweep->record;
	const char *type =
		sweep->kind == SGH_SWEEP_GRAVES ? sweep->name.type : record->type;
	bool ended = record->expires_ms &&
		     record->expires_ms <= sgh_time_ms() - sweep->grace_ms;
	struct sgh_type_info info;
	bool known = type && !sgh_types_find(sweep->types, type, &info, NULL);

	if (!ended && record->expires_ms)
		leave(sweep);
	if (ended && sweep->kind == SGH_SWEEP_FAILURES)
		remove_failure(sweep);
	else if (ended && known && sweep->kind == SGH_SWEEP_GRAVES)
		close_grave(sweep, &info);
	else if (ended && known && sweep->kind == SGH_SWEEP_UPLOADS && record->record &&
		 sangraha_id_valid(record->record))
		clear_remains(sweep, &info);
	else
		next(sweep);
}

static void record_read(struct sgh_store_op *op)
{
	struct sgh_sweep *sweep = op->arg;
	struct sgh_record *record = &sweep->record;
	int status = op->status;

	SGH_FAIL_POINT("sweep.record-read");
	sgh_record_fini(record);
	*record = (struct sgh_record){ .offset = -1 };
	if (!status)
		status = sgh_found_record(op, record, &op->err);
	if (status && status != SANGRAHA_E_NOT_FOUND)
		note(sweep, status, &op->err);
	if (status)
		next(sweep);
	else
		judge(sweep);
}

static void read_record(struct sgh_sweep *sweep)
{
	sweep->reads++;
	sgh_store_op_fini(&sweep->read);
	sweep->read = (struct sgh_store_op){
		.verb = SGH_STORE_GET,
		.bucket = "meta",
		.key = sweep->key->key,
		.max_length = SGH_RECORD_MAX,
	};
	submit(sweep, &sweep->read, record_read);
}

/* ---- all of them ---- */

/* Whether a record of that age can have ended, and may not have been seen to stay. */
static bool is_due(const struct sgh_sweep *sweep, const struct sgh_store_key *key)
{
	const struct sgh_sweep_place *place = place_of(sweep);

	if (!place || !key->modified_ms)
		return true;
	return key->modified_ms > (place->again ? place->seen_ms : place->read_ms) &&
	       key->modified_ms <= sgh_time_ms() - sweep->grace_ms - place->kept_ms;
}

/* Have the next key of this kind in hand; false when no more were listed. */
static bool take_key(struct sgh_sweep *sweep)
{
	while (sweep->next < sweep->list.key_count) {
		sweep->key = &sweep->list.keys[sweep->next++];
		sgh_record_name(sweep->key->key, &sweep->name);
		if (sweep->name.kind == kinds[sweep->kind].kind &&
		    is_due(sweep, sweep->key))
			return true;
	}
	return false;
}

/* What the round under way, if there is one, has to read. */
static void begin_round(struct sgh_sweep_place *place)
{
	place->begun_ms = sgh_time_ms();
	place->again = place->begun_ms >= place->again_ms;
	place->left_ms = 0;
	place->failed = false;
}

/*
 * A round is over. What it left is read once more after a while if it may end, and not at
 * all if it does not: claims of days must not be read every minute.
 */
static void end_round(const struct sgh_sweep *sweep, struct sgh_sweep_place *place)
{
	int64_t read = place->begun_ms - sweep->grace_ms - place->kept_ms;
	int64_t seen = read;

	place->after[0] = '\0';
	if (place->failed)
		return;
	place->read_ms = read;
	if (!place->again)
		return;
	if (place->left_ms && place->left_ms <= seen)
		seen = place->left_ms - 1;
	if (seen > place->seen_ms)
		place->seen_ms = seen;
	place->again_ms =
		sgh_time_ms() + (int64_t)sgh_min(AGAIN_MS, (size_t)place->kept_ms / 24);
}

static void next_kind(struct sgh_sweep *sweep)
{
	struct sgh_sweep_place *place;

	if (++sweep->kind == SGH_SWEEP_KINDS) {
		sweep->done(sweep);
		return;
	}
	sweep->after[0] = '\0';
	sweep->pages = 0;
	sweep->reads = 0;
	sweep->kind_cleared = sweep->cleared;
	place = place_of(sweep);
	if (place && place->after[0]) {
		strcpy(sweep->after, place->after);
	} else if (place) {
		begin_round(place);
	}
	list(sweep);
}

/* All that was listed is done, or as much as one sweep may do. */
static void end_page(struct sgh_sweep *sweep, size_t done)
{
	struct sgh_sweep_place *place = place_of(sweep);
	const struct sgh_store_op *page = &sweep->list;
	bool all = done == page->key_count;

	if (done)
		snprintf(sweep->after, sizeof(sweep->after), "%s",
			 page->keys[done - 1].key);
	if (all && (!page->more || !done)) {
		if (place)
			end_round(sweep, place);
		next_kind(sweep);
	} else if (place && (!all || sweep->pages == PAGES)) {
		strcpy(place->after, sweep->after);
		sweep->more |= sweep->cleared - sweep->kind_cleared >= READS / 2;
		next_kind(sweep);
	} else {
		list(sweep);
	}
}

static void next(struct sgh_sweep *sweep)
{
	bool spent = place_of(sweep) && sweep->reads == READS;
	size_t done = sweep->next;

	if (over(sweep))
		end_early(sweep);
	else if (!take_key(sweep))
		end_page(sweep, sweep->list.key_count);
	else if (spent)
		end_page(sweep, done);
	else
		read_record(sweep);
}

static void listed(struct sgh_store_op *op)
{
	struct sgh_sweep *sweep = op->arg;

	SGH_FAIL_POINT("sweep.listed");
	/* Without the bucket nothing was ever begun. */
	if (op->status && op->status != SANGRAHA_E_NOT_FOUND) {
		note(sweep, op->status, &op->err);
		sweep->done(sweep);
		return;
	}
	sweep->next = 0;
	sweep->pages++;
	next(sweep);
}

static void list(struct sgh_sweep *sweep)
{
	sgh_store_op_fini(&sweep->list);
	sweep->list = (struct sgh_store_op){
		.verb = SGH_STORE_LIST,
		.bucket = "meta",
		.prefix = kinds[sweep->kind].prefix,
		.after = sweep->after[0] ? sweep->after : NULL,
		.limit = LIST_LIMIT,
	};
	submit(sweep, &sweep->list, listed);
}

void sgh_sweep_run(struct sgh_sweep *sweep)
{
	sweep->errand.request_ms = STORE_MS;
	sweep->cleared = 0;
	sweep->more = false;
	sweep->status = 0;
	sweep->kind = SGH_SWEEP_UPLOADS;
	sweep->after[0] = '\0';
	list(sweep);
}
