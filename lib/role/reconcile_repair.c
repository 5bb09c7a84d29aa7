/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/id.h"
#include "role/reconcile.h"

/*
 * What a repair does, always right after the look that found it.
 *
 * What no upload explains - a record, an object without its own, a claim - gets the record
 * upload/<id> of one that has ended, if there is none: then it is what any sweep takes
 * away, no other upload of the id can begin meanwhile, and whoever is second, here or
 * elsewhere, leaves it. If the power goes a receiver's sweep does the rest.
 *
 *   upload/<id> if absent ─▶ what an upload leaves (role/remains.h)
 */

#define CLOSES 4 /* looks that a tombstone may take: one more than what lies under it */

static const char *const remedies[] = {
	[SANGRAHA_FINDING_UPLOAD_ENDED] =
		"abort what is open of it, remove what it left and its record",
	[SANGRAHA_FINDING_UPLOAD_COMPLETE] =
		"abort what else is open of the key, remove the upload's record",
	[SANGRAHA_FINDING_RECORD_UNUSED] =
		"abort what is open of the key, remove the record",
	[SANGRAHA_FINDING_OBJECT_INCOMPLETE] =
		"abort what is open of the key, remove the object",
	[SANGRAHA_FINDING_OBJECT_DELETED] = "remove the object and its records",
	[SANGRAHA_FINDING_TOMBSTONE_ENDED] =
		"remove what lies under it, then the tombstone",
	[SANGRAHA_FINDING_OPERATION_ENDED] = "remove the record",
	[SANGRAHA_FINDING_CLAIM_UNUSED] =
		"abort what is open of the key, remove the claim",
	[SANGRAHA_FINDING_LETTER_DONE] = "drop the letter",
	[SANGRAHA_FINDING_PROBE_LEFT] = "remove the key",
};

const char *sgh_reconcile_remedy(enum sangraha_finding_kind kind)
{
	return kind < SGH_COUNT(remedies) ? remedies[kind] : NULL;
}

/* ---- what an upload left ---- */

static void cleared(struct sgh_remains *remains)
{
	sgh_reconcile_ended(remains->arg);
}

static int clear(struct sgh_reconcile *rec, const struct sgh_suspect *suspect,
		 struct sangraha_error *err)
{
	struct sgh_remains *remains = &rec->remains;

	remains->errand = rec->errand;
	remains->type = suspect->type->name;
	remains->bucket = suspect->type->bucket;
	remains->id = suspect->id;
	remains->record = suspect->record;
	remains->place = suspect->place;
	remains->done = cleared;
	remains->arg = rec;
	sgh_reconcile_await(rec, 1);
	sgh_remains_clear(remains);
	sgh_reconcile_wait(rec);
	SGH_FAIL_POINT("reconcile.cleared");
	return remains->status ? sgh_fail_with(err, remains->status, &remains->err) : 0;
}

/* Of an upload that is over; false in *ret_done when one is there: it explains the rest. */
static int record_upload(struct sgh_reconcile *rec, const struct sgh_suspect *suspect,
			 bool *ret_done, struct sangraha_error *err)
{
	int64_t now = sgh_time_ms();
	struct sgh_record record =
		sgh_record_placeholder(suspect->record, suspect->type->name, now, now);
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_bytes *body = NULL;
	int status = sgh_record_write(&record, &body, err);

	if (status)
		return status;
	sgh_record_key_upload(key, suspect->id);
	sgh_store_op_fini(&rec->op);
	rec->op = (struct sgh_store_op){
		.verb = SGH_STORE_PUT,
		.bucket = "meta",
		.key = key,
		.body = body,
		.content_type = "application/json",
		.if_none_match = true,
	};
	status = sgh_reconcile_run(rec, &rec->op, 1, err);
	SGH_FAIL_POINT("reconcile.upload-recorded");
	/* Without its bucket there is no record that could explain anything. */
	if (!status && rec->op.status)
		status = sgh_fail_with(err, rec->op.status, &rec->op.err);
	sgh_store_op_fini(&rec->op);
	rec->op = (struct sgh_store_op){ 0 };
	sgh_bytes_unref(body);
	*ret_done = !status;
	return status == SANGRAHA_E_PRECONDITION ? 0 : status;
}

static int clear_unexplained(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
			     bool *ret_done, struct sangraha_error *err)
{
	int status;

	if (!suspect->record[0])
		sgh_id_random(suspect->record);
	status = record_upload(rec, suspect, ret_done, err);
	return status || !*ret_done ? status : clear(rec, suspect, err);
}

/* ---- tombstones ---- */

static void closed(struct sgh_grave *grave)
{
	sgh_reconcile_ended(grave->arg);
}

/* What lies under it goes first, and the tombstone in a look that finds nothing. */
static int close_grave(struct sgh_reconcile *rec, const struct sgh_suspect *suspect,
		       bool *ret_done, struct sangraha_error *err)
{
	struct sgh_grave *grave = &rec->grave;

	grave->errand = rec->errand;
	grave->type = suspect->type->name;
	grave->bucket = suspect->type->bucket;
	grave->id = suspect->id;
	grave->ended_ms = sgh_time_ms();
	grave->done = closed;
	grave->arg = rec;
	*ret_done = false;
	for (unsigned i = 0; i < CLOSES && !*ret_done; i++) {
		sgh_reconcile_await(rec, 1);
		sgh_grave_close(grave);
		sgh_reconcile_wait(rec);
		SGH_FAIL_POINT("reconcile.grave-closed");
		if (grave->status)
			return sgh_fail_with(err, grave->status, &grave->err);
		*ret_done = grave->gone;
		if (!grave->erased)
			break;
	}
	return 0;
}

static void erased(struct sgh_erase *erase)
{
	sgh_reconcile_ended(erase->arg);
}

/* While its tombstone is there nothing else can come to lie under the id. */
static int erase(struct sgh_reconcile *rec, const struct sgh_suspect *suspect,
		 struct sangraha_error *err)
{
	struct sgh_erase erase = {
		.errand = rec->errand,
		.type = suspect->type->name,
		.bucket = suspect->type->bucket,
		.id = suspect->id,
		.object = true,
		.records = true,
		.done = erased,
		.arg = rec,
	};
	int status;

	sgh_reconcile_await(rec, 1);
	sgh_erase_run(&erase);
	sgh_reconcile_wait(rec);
	SGH_FAIL_POINT("reconcile.erased");
	status = erase.status ? sgh_fail_with(err, erase.status, &erase.err) : 0;
	sgh_erase_fini(&erase);
	return status;
}

/* ---- any of them ---- */

static int repair(struct sgh_reconcile *rec, struct sgh_suspect *suspect, bool *ret_done,
		  struct sangraha_error *err)
{
	*ret_done = true;
	switch (suspect->kind) {
	case SANGRAHA_FINDING_UPLOAD_ENDED:
	case SANGRAHA_FINDING_UPLOAD_COMPLETE:
		return clear(rec, suspect, err);
	case SANGRAHA_FINDING_RECORD_UNUSED:
	case SANGRAHA_FINDING_OBJECT_INCOMPLETE:
	case SANGRAHA_FINDING_CLAIM_UNUSED:
		return clear_unexplained(rec, suspect, ret_done, err);
	case SANGRAHA_FINDING_TOMBSTONE_ENDED:
		return close_grave(rec, suspect, ret_done, err);
	case SANGRAHA_FINDING_OBJECT_DELETED:
		return erase(rec, suspect, err);
	case SANGRAHA_FINDING_OPERATION_ENDED:
	case SANGRAHA_FINDING_PROBE_LEFT:
		return sgh_reconcile_ask(rec, SGH_STORE_DELETE, "meta", suspect->key,
					 err);
	default:
		*ret_done = false;
		return 0;
	}
}

int sgh_reconcile_repair(struct sgh_reconcile *rec, const struct sgh_suspect *suspect,
			 bool *ret_done, struct sangraha_error *err)
{
	struct sgh_suspect copy = *suspect;
	int status = repair(rec, &copy, ret_done, err);

	SGH_FAIL_POINT("reconcile.repaired");
	return status;
}
