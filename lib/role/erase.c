/* SPDX-License-Identifier: MIT */
#include "role/erase.h"

#include "base/error.h"
#include "base/failpoint.h"

#define LIST_LIMIT 16 /* an object has one record, and some that were broken off */

static void list(struct sgh_erase *erase);

void sgh_erase_fini(struct sgh_erase *erase)
{
	sgh_store_op_fini(&erase->op);
	sgh_store_op_fini(&erase->list);
}

static void end(struct sgh_erase *erase, int status, const struct sangraha_error *err)
{
	erase->status = status;
	if (status)
		sgh_fail_with(&erase->err, status, err);
	erase->done(erase);
}

static void op_done(struct sgh_store_op *op)
{
	struct sgh_erase *erase = op->arg;

	erase->then(erase);
}

static void submit(struct sgh_erase *erase, struct sgh_store_op *op,
		   void (*then)(struct sgh_erase *erase))
{
	struct sangraha_error err;
	int status;

	erase->then = then;
	status = sgh_errand_submit(&erase->errand, op, op_done, erase, &err);
	if (status)
		end(erase, status, &err);
}

static void remove_key(struct sgh_erase *erase, const char *bucket, const char *key,
		       void (*then)(struct sgh_erase *erase))
{
	sgh_store_op_fini(&erase->op);
	erase->op = (struct sgh_store_op){
		.verb = SGH_STORE_DELETE,
		.bucket = bucket,
		.key = key,
	};
	submit(erase, &erase->op, then);
}

/* ---- the records ---- */

static void record_removed(struct sgh_erase *erase)
{
	SGH_FAIL_POINT("erase.record-removed");
	end(erase, erase->op.status, &erase->op.err);
}

static void remove_next(struct sgh_erase *erase)
{
	if (erase->next)
		SGH_FAIL_POINT("erase.one-of-records-removed");
	if (erase->op.status)
		end(erase, erase->op.status, &erase->op.err);
	else if (erase->next < erase->list.key_count)
		remove_key(erase, "meta", erase->list.keys[erase->next++].key,
			   remove_next);
	else
		list(erase);
}

static void listed(struct sgh_erase *erase)
{
	const struct sgh_store_op *op = &erase->list;

	SGH_FAIL_POINT("erase.records-listed");
	erase->next = 0;
	if (op->status && op->status != SANGRAHA_E_NOT_FOUND)
		end(erase, op->status, &op->err);
	else if (op->status || !op->key_count)
		end(erase, 0, NULL);
	else
		remove_next(erase);
}

static void list(struct sgh_erase *erase)
{
	sgh_store_op_fini(&erase->list);
	erase->list = (struct sgh_store_op){
		.verb = SGH_STORE_LIST,
		.bucket = "meta",
		.prefix = erase->key,
		.limit = LIST_LIMIT,
	};
	submit(erase, &erase->list, listed);
}

static void remove_records(struct sgh_erase *erase)
{
	/* Without a record's id it is what the keys of exactly this object begin with. */
	sgh_record_key_object(erase->key, erase->type, erase->id,
			      erase->record ? erase->record : "");
	if (erase->record)
		remove_key(erase, "meta", erase->key, record_removed);
	else if (erase->records)
		list(erase);
	else
		end(erase, 0, NULL);
}

/* ---- the object ---- */

static void object_removed(struct sgh_erase *erase)
{
	SGH_FAIL_POINT("erase.object-removed");
	if (erase->op.status)
		end(erase, erase->op.status, &erase->op.err);
	else
		remove_records(erase);
}

void sgh_erase_run(struct sgh_erase *erase)
{
	sgh_erase_fini(erase);
	erase->op = (struct sgh_store_op){ 0 };
	erase->list = (struct sgh_store_op){ 0 };
	if (erase->object)
		remove_key(erase, erase->bucket, erase->id, object_removed);
	else
		remove_records(erase);
}
