/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/error.h"
#include "role/found.h"
#include "role/reconcile.h"
#include "role/task.h"

/*
 * A page of keys, in the order of their bytes, in which ids ascend: what is as it should be
 * is told by as few requests as possible, and only the rest is looked at by itself.
 *
 *   operation/<id>, deleted/<type>/<id>   by the list of the objects' ids, which goes along
 *   object/<type>/<id>/<record>           by what the object pins, 16 at a time
 *   objects                               by their metadata, and the records that they pin
 *   upload/<id>, and foreign keys         each is looked at; there are few
 */

/* Keys of the page that wait to be asked about together. */
struct batch {
	const char *keys[SGH_RECONCILE_PARALLEL];
	uint64_t sizes[SGH_RECONCILE_PARALLEL]; /* of objects that pin a record */
	size_t count;
};

/* ---- objects ---- */

/* Whether what HEAD found is an object as it should be, as far as that tells. */
static bool is_described(const struct sgh_reconcile *rec, const struct sgh_store_op *op,
			 const char **ret_record)
{
	const struct sgh_type_info *type = &rec->types[rec->bucket - 1];
	struct sangraha_object *object = NULL;
	bool fits = !sgh_object_from_meta(type->name, op->key, op->head.content_type,
					  op->head.size, op->head.meta,
					  op->head.meta_count, &object, NULL);

	*ret_record = sgh_remains_pinned(op);
	sangraha_object_unref(object);
	return fits && (!*ret_record || sangraha_id_valid(*ret_record));
}

/* Whether the record that was read makes an object of what pins it. */
static bool completes(const struct sgh_store_op *op, uint64_t size)
{
	struct sgh_record record = { .offset = -1 };
	bool complete;

	if (op->status || sgh_found_record(op, &record, NULL))
		return false;
	complete = record.sha256 && record.size >= 0 && (uint64_t)record.size == size;
	sgh_record_fini(&record);
	return complete;
}

/* Those that pin a record: ask for it. */
static int check_pinned(struct sgh_reconcile *rec, const struct batch *pinned,
			struct sangraha_error *err)
{
	int status;

	for (size_t i = 0; i < pinned->count; i++) {
		sgh_store_op_fini(&rec->ops[i]);
		rec->ops[i] = (struct sgh_store_op){
			.verb = SGH_STORE_GET,
			.bucket = "meta",
			.key = rec->keys[i],
			.max_length = SGH_RECORD_MAX,
		};
	}
	status = sgh_reconcile_run(rec, rec->ops, pinned->count, err);
	for (size_t i = 0; !status && i < pinned->count; i++)
		if (!completes(&rec->ops[i], pinned->sizes[i]))
			status = sgh_reconcile_suspect(rec, pinned->keys[i], err);
	return status;
}

static void head_all(struct sgh_reconcile *rec, const struct batch *batch,
		     const char *bucket)
{
	for (size_t i = 0; i < batch->count; i++) {
		sgh_store_op_fini(&rec->ops[i]);
		rec->ops[i] = (struct sgh_store_op){
			.verb = SGH_STORE_HEAD,
			.bucket = bucket,
			.key = batch->keys[i],
		};
	}
}

static int check_objects(struct sgh_reconcile *rec, struct batch *batch,
			 struct sangraha_error *err)
{
	const struct sgh_type_info *type = &rec->types[rec->bucket - 1];
	struct batch pinned = { .count = 0 };
	int status;

	head_all(rec, batch, type->bucket);
	status = sgh_reconcile_run(rec, rec->ops, batch->count, err);
	for (size_t i = 0; !status && i < batch->count; i++) {
		const char *record;

		if (rec->ops[i].status)
			continue;
		if (!is_described(rec, &rec->ops[i], &record)) {
			status = sgh_reconcile_suspect(rec, batch->keys[i], err);
		} else if (record) {
			sgh_record_key_object(rec->keys[pinned.count], type->name,
					      batch->keys[i], record);
			pinned.sizes[pinned.count] = rec->ops[i].head.size;
			pinned.keys[pinned.count++] = batch->keys[i];
		}
	}
	batch->count = 0;
	return status ? status : check_pinned(rec, &pinned, err);
}

/* ---- records of objects ---- */

static int check_object_records(struct sgh_reconcile *rec, struct batch *batch,
				struct sangraha_error *err)
{
	struct sgh_record_name names[SGH_RECONCILE_PARALLEL];
	const struct sgh_type_info *type;
	int status;

	head_all(rec, batch, NULL);
	for (size_t i = 0; i < batch->count; i++) {
		sgh_record_name(batch->keys[i], &names[i]);
		type = sgh_reconcile_type(rec, names[i].type);
		rec->ops[i].bucket = type ? type->bucket : "meta";
		rec->ops[i].key = names[i].id;
	}
	status = sgh_reconcile_run(rec, rec->ops, batch->count, err);
	for (size_t i = 0; !status && i < batch->count; i++)
		if (rec->ops[i].status ||
		    !sgh_streq(sgh_remains_pinned(&rec->ops[i]), names[i].record))
			status = sgh_reconcile_suspect(rec, batch->keys[i], err);
	batch->count = 0;
	return status;
}

/* ---- tombstones and operations ---- */

/* Nothing under it, and too young to have ended: as it should be. */
static int check_tombstone(struct sgh_reconcile *rec, const struct sgh_store_key *key,
			   const struct sgh_record_name *name, struct sangraha_error *err)
{
	const struct sgh_type_info *type = sgh_reconcile_type(rec, name->type);
	bool listed = false;
	int status = 0;

	if (type)
		status = sgh_reconcile_listed(rec, (unsigned)(type - rec->types),
					      name->id, &listed, err);
	if (status ||
	    (type && !listed && !sgh_reconcile_has_ended(rec, key->modified_ms)))
		return status;
	return sgh_reconcile_suspect(rec, key->key, err);
}

/* A claim whose object is there. */
static int check_operation(struct sgh_reconcile *rec, const struct sgh_store_key *key,
			   const struct sgh_record_name *name, struct sangraha_error *err)
{
	bool listed = false;
	int status = 0;

	for (unsigned i = 0; !status && !listed && i < rec->type_count; i++)
		status = sgh_reconcile_listed(rec, i, name->id, &listed, err);
	return status || listed ? status : sgh_reconcile_suspect(rec, key->key, err);
}

/* ---- a page ---- */

static int check_record(struct sgh_reconcile *rec, const struct sgh_store_key *key,
			struct batch *batch, struct sangraha_error *err)
{
	struct sgh_record_name name;

	sgh_record_name(key->key, &name);
	switch (name.kind) {
	case SGH_RECORD_DELETED:
		return check_tombstone(rec, key, &name, err);
	case SGH_RECORD_OPERATION:
		return check_operation(rec, key, &name, err);
	case SGH_RECORD_OBJECT:
		batch->keys[batch->count++] = key->key;
		return batch->count == SGH_RECONCILE_PARALLEL
			       ? check_object_records(rec, batch, err)
			       : 0;
	default:
		return sgh_reconcile_suspect(rec, key->key, err);
	}
}

static int check_object(struct sgh_reconcile *rec, const struct sgh_store_key *key,
			struct batch *batch, struct sangraha_error *err)
{
	if (!sangraha_id_valid(key->key))
		return sgh_reconcile_suspect(rec, key->key, err);
	batch->keys[batch->count++] = key->key;
	return batch->count == SGH_RECONCILE_PARALLEL ? check_objects(rec, batch, err)
						      : 0;
}

int sgh_reconcile_walk(struct sgh_reconcile *rec, struct sangraha_error *err)
{
	struct batch batch = { .count = 0 };
	int status = 0;

	for (size_t i = 0; !status && !rec->stopped && i < rec->page.key_count; i++) {
		const struct sgh_store_key *key = &rec->page.keys[i];

		*(rec->bucket ? &rec->counts.objects : &rec->counts.records) += 1;
		if (key->modified_ms && !sgh_reconcile_is_old(rec, key->modified_ms))
			continue;
		if (rec->bucket)
			status = check_object(rec, key, &batch, err);
		else
			status = check_record(rec, key, &batch, err);
	}
	if (!status && !rec->stopped && batch.count && rec->bucket)
		status = check_objects(rec, &batch, err);
	else if (!status && !rec->stopped && batch.count)
		status = check_object_records(rec, &batch, err);
	return status;
}
