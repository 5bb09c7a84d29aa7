/* SPDX-License-Identifier: MIT */
#include "role/grave.h"

#include "base/error.h"
#include "base/failpoint.h"
#include "role/found.h"
#include "role/task.h"

void sgh_grave_fini(struct sgh_grave *grave)
{
	sgh_store_op_fini(&grave->op);
	sgh_erase_fini(&grave->erase);
	sgh_record_fini(&grave->tombstone);
}

static void end(struct sgh_grave *grave, int status, const struct sangraha_error *err)
{
	grave->status = status;
	if (status)
		sgh_fail_with(&grave->err, status, err);
	grave->done(grave);
}

static void op_done(struct sgh_store_op *op)
{
	struct sgh_grave *grave = op->arg;

	grave->then(grave);
}

static void submit(struct sgh_grave *grave, void (*then)(struct sgh_grave *grave))
{
	struct sangraha_error err;
	int status;

	grave->then = then;
	status = sgh_errand_submit(&grave->errand, &grave->op, op_done, grave, &err);
	if (status)
		end(grave, status, &err);
}

static void ask(struct sgh_grave *grave, enum sgh_store_verb verb, const char *bucket,
		const char *key, void (*then)(struct sgh_grave *grave))
{
	sgh_store_op_fini(&grave->op);
	grave->op = (struct sgh_store_op){
		.verb = verb,
		.bucket = bucket,
		.key = key,
		.max_length = verb == SGH_STORE_GET ? SGH_RECORD_MAX : 0,
	};
	submit(grave, then);
}

/* The record that was read; SANGRAHA_E_NOT_FOUND is an answer. */
static int read(struct sgh_grave *grave, struct sgh_record *record)
{
	struct sgh_store_op *op = &grave->op;

	*record = (struct sgh_record){ .offset = -1 };
	if (op->status)
		return op->status;
	return sgh_found_record(op, record, &op->err);
}

static bool failed(const struct sgh_grave *grave)
{
	return grave->op.status && grave->op.status != SANGRAHA_E_NOT_FOUND;
}

/* ---- it goes, or what lies under it ---- */

static void removed(struct sgh_grave *grave)
{
	SGH_FAIL_POINT("grave.removed");
	grave->gone = !grave->op.status;
	end(grave, grave->op.status, &grave->op.err);
}

static void claim_removed(struct sgh_grave *grave)
{
	SGH_FAIL_POINT("grave.claim-removed");
	if (grave->op.status)
		end(grave, grave->op.status, &grave->op.err);
	else
		ask(grave, SGH_STORE_DELETE, "meta", grave->key, removed);
}

static void erased(struct sgh_erase *erase)
{
	struct sgh_grave *grave = erase->arg;

	grave->erased = !erase->status;
	end(grave, erase->status, &erase->err);
}

static void take_away(struct sgh_grave *grave)
{
	struct sgh_erase *erase = &grave->erase;

	erase->errand = grave->errand;
	erase->type = grave->type;
	erase->bucket = grave->bucket;
	erase->id = grave->id;
	erase->object = grave->object;
	erase->records = true;
	erase->done = erased;
	erase->arg = grave;
	sgh_erase_run(erase);
}

/* Another delete's: the first one's was taken away by others, and the id written again. */
static bool same_tombstone(const struct sgh_grave *grave, const struct sgh_record *now)
{
	return now->created_ms == grave->tombstone.created_ms &&
	       now->expires_ms == grave->tombstone.expires_ms &&
	       sgh_streq(now->operation_id, grave->tombstone.operation_id);
}

static void read_again(struct sgh_grave *grave)
{
	struct sgh_record now;
	int status = read(grave, &now);
	bool same = !status && same_tombstone(grave, &now);

	sgh_record_fini(&now);
	SGH_FAIL_POINT("grave.read-again");
	grave->gone = status == SANGRAHA_E_NOT_FOUND;
	if (status && !grave->gone)
		end(grave, status, &grave->op.err);
	else if (!same)
		end(grave, 0, NULL);
	else if (grave->object || grave->records)
		take_away(grave);
	else if (grave->claim)
		ask(grave, SGH_STORE_DELETE, "meta", grave->other_key, claim_removed);
	else
		ask(grave, SGH_STORE_DELETE, "meta", grave->key, removed);
}

/* ---- the looks ---- */

static void claim_read(struct sgh_grave *grave)
{
	struct sgh_record claim;
	int status = read(grave, &claim);

	/* A younger one is not of the object that was deleted. */
	grave->claim = !status && sgh_record_is_claim(&claim, grave->id) &&
		       sgh_streq(claim.type, grave->type) &&
		       claim.created_ms <= grave->tombstone.created_ms;
	sgh_record_fini(&claim);
	SGH_FAIL_POINT("grave.claim-read");
	if (failed(grave))
		end(grave, grave->op.status, &grave->op.err);
	else
		ask(grave, SGH_STORE_GET, "meta", grave->key, read_again);
}

static void records_listed(struct sgh_grave *grave)
{
	SGH_FAIL_POINT("grave.records-listed");
	grave->records = !grave->op.status && grave->op.key_count;
	sgh_record_key_operation(grave->other_key, grave->id);
	if (failed(grave))
		end(grave, grave->op.status, &grave->op.err);
	else
		ask(grave, SGH_STORE_GET, "meta", grave->other_key, claim_read);
}

static void object_seen(struct sgh_grave *grave)
{
	SGH_FAIL_POINT("grave.object-seen");
	grave->object = !grave->op.status;
	if (failed(grave)) {
		end(grave, grave->op.status, &grave->op.err);
		return;
	}
	sgh_record_key_object(grave->other_key, grave->type, grave->id, "");
	sgh_store_op_fini(&grave->op);
	grave->op = (struct sgh_store_op){
		.verb = SGH_STORE_LIST,
		.bucket = "meta",
		.prefix = grave->other_key,
		.limit = 1,
	};
	submit(grave, records_listed);
}

static void upload_seen(struct sgh_grave *grave)
{
	SGH_FAIL_POINT("grave.upload-seen");
	if (grave->op.status == SANGRAHA_E_NOT_FOUND)
		ask(grave, SGH_STORE_HEAD, grave->bucket, grave->id, object_seen);
	else
		end(grave, grave->op.status, &grave->op.err);
}

static void tombstone_read(struct sgh_grave *grave)
{
	struct sgh_record *tombstone = &grave->tombstone;
	int status = read(grave, tombstone);

	SGH_FAIL_POINT("grave.tombstone-read");
	grave->gone = status == SANGRAHA_E_NOT_FOUND;
	if (status && !grave->gone) {
		end(grave, status, &grave->op.err);
	} else if (status || !sgh_streq(tombstone->type, grave->type) ||
		   !tombstone->expires_ms || tombstone->expires_ms > grave->ended_ms) {
		end(grave, 0, NULL);
	} else {
		sgh_record_key_upload(grave->other_key, grave->id);
		ask(grave, SGH_STORE_HEAD, "meta", grave->other_key, upload_seen);
	}
}

void sgh_grave_close(struct sgh_grave *grave)
{
	sgh_grave_fini(grave);
	grave->op = (struct sgh_store_op){ 0 };
	grave->erase = (struct sgh_erase){ 0 };
	grave->gone = false;
	grave->erased = false;
	grave->status = 0;
	sgh_record_key_deleted(grave->key, grave->type, grave->id);
	ask(grave, SGH_STORE_GET, "meta", grave->key, tombstone_read);
}
