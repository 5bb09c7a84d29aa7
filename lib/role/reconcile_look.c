/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "role/reconcile.h"

/*
 * One look at one key. It asks the store for everything that it decides by, so that the
 * second look at what the first one found is as good, and a repair may follow it. What is
 * not understood, and what anything under way explains, is no finding that is repaired.
 */

/* A tombstone that ends within that time is the sweeps': a repair could come too late. */
#define TOMBSTONE_LEFT_MS (10 * 60 * 1000LL)
#define PROBE_MS          (60 * 1000LL)

const char *sgh_reconcile_bucket(const struct sgh_reconcile *rec, unsigned bucket)
{
	if (bucket > rec->type_count)
		return SANGRAHA_WRITE_QUEUE;
	return bucket ? rec->types[bucket - 1].bucket : "meta";
}

const struct sgh_type_info *sgh_reconcile_type(const struct sgh_reconcile *rec,
					       const char *name)
{
	for (unsigned i = 0; name && i < rec->type_count; i++)
		if (strcmp(rec->types[i].name, name) == 0)
			return &rec->types[i];
	return NULL;
}

static int64_t age_of(int64_t then_ms)
{
	return then_ms ? sgh_time_ms() - then_ms : 0;
}

bool sgh_reconcile_is_old(const struct sgh_reconcile *rec, int64_t modified_ms)
{
	/* A store that does not tell the time tells nothing that could be trusted. */
	return modified_ms && age_of(modified_ms) >= rec->min_age_ms;
}

bool sgh_reconcile_has_ended(const struct sgh_reconcile *rec, int64_t modified_ms)
{
	return !modified_ms || age_of(modified_ms) >= rec->over_age_ms;
}

/* Note what is wrong, if it is so since `then_ms` and that is long enough. */
static int find(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
		enum sangraha_finding_kind kind, int64_t then_ms, const char *reason)
{
	if (!sgh_reconcile_is_old(rec, then_ms))
		return 0;
	suspect->kind = kind;
	suspect->age_ms = age_of(then_ms);
	snprintf(suspect->reason, sizeof(suspect->reason), "%.*s",
		 (int)sizeof(suspect->reason) - 1, reason);
	return 0;
}

static int foreign(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
		   int64_t modified_ms, const char *reason)
{
	return find(rec, suspect,
		    suspect->bucket ? SANGRAHA_FINDING_OBJECT_FOREIGN
				    : SANGRAHA_FINDING_RECORD_FOREIGN,
		    modified_ms, reason);
}

/* ---- what there is besides ---- */

/* What lies under upload/<id>; *ret_there also when it cannot be read. */
static int look_for_upload(struct sgh_reconcile *rec, const char *id, bool *ret_there,
			   struct sangraha_error *err)
{
	char key[SGH_RECORD_KEY_SIZE];
	int status;

	sgh_record_key_upload(key, id);
	status = sgh_reconcile_ask(rec, SGH_STORE_HEAD, "meta", key, err);
	*ret_there = !status;
	return status == SANGRAHA_E_NOT_FOUND ? 0 : status;
}

int sgh_reconcile_deleted(struct sgh_reconcile *rec, const char *type, const char *id,
			  bool *ret, struct sangraha_error *err)
{
	char key[SGH_RECORD_KEY_SIZE];
	int status;

	sgh_record_key_deleted(key, type, id);
	status = sgh_reconcile_ask(rec, SGH_STORE_HEAD, "meta", key, err);
	*ret = !status;
	return status == SANGRAHA_E_NOT_FOUND ? 0 : status;
}

/* Whether the record is there that makes an object of what pins it, in rec->record. */
static int look_for_record(struct sgh_reconcile *rec, const char *type, const char *id,
			   const char *record, bool *ret_complete,
			   struct sangraha_error *err)
{
	char key[SGH_RECORD_KEY_SIZE];
	bool readable = false;
	int status;

	sgh_record_key_object(key, type, id, record);
	sgh_record_fini(&rec->record);
	status = sgh_reconcile_read(rec, key, &rec->record, NULL, &readable, err);
	*ret_complete = !status && (!readable || rec->record.sha256);
	return status == SANGRAHA_E_NOT_FOUND ? 0 : status;
}

/* How many uploads of the key are open in the store adds to the reason. */
static int add_open_uploads(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
			    struct sangraha_error *err)
{
	size_t length = strlen(suspect->reason);
	int status;

	if (!suspect->kind || !suspect->type)
		return 0;
	status = sgh_reconcile_ask(rec, SGH_STORE_UPLOAD_FIND, suspect->type->bucket,
				   suspect->id, err);
	if (!status && rec->op.upload_count)
		snprintf(suspect->reason + length, sizeof(suspect->reason) - length,
			 "; uploads of it that are open in the store: %zu",
			 rec->op.upload_count);
	return status == SANGRAHA_E_NOT_FOUND ? 0 : status;
}

/* ---- uploads ---- */

static int look_at_upload(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
			  int64_t modified_ms, struct sangraha_error *err)
{
	/* Looking for its object's record needs the place of this one. */
	struct sgh_record upload = rec->record;
	bool pins;
	bool complete = false;
	int status;

	rec->record = (struct sgh_record){ .offset = -1 };
	suspect->type = sgh_reconcile_type(rec, upload.type);
	if (!suspect->type || !upload.expires_ms || !sangraha_id_valid(upload.record)) {
		sgh_record_fini(&upload);
		return foreign(rec, suspect, modified_ms,
			       "it is no record of an upload of a type that is known");
	}
	snprintf(suspect->record, sizeof(suspect->record), "%s", upload.record);
	if (upload.place)
		snprintf(suspect->place, sizeof(suspect->place), "%s", upload.place);
	if (upload.expires_ms <= sgh_time_ms()) {
		find(rec, suspect, SANGRAHA_FINDING_UPLOAD_ENDED, modified_ms,
		     "the time of the upload is over");
		sgh_record_fini(&upload);
		return 0;
	}
	sgh_record_fini(&upload);
	status = sgh_reconcile_ask(rec, SGH_STORE_HEAD, suspect->type->bucket,
				   suspect->id, err);
	if (status)
		return status == SANGRAHA_E_NOT_FOUND ? 0 : status;
	pins = sgh_streq(sgh_remains_pinned(&rec->op), suspect->record);
	if (pins)
		status = look_for_record(rec, suspect->type->name, suspect->id,
					 suspect->record, &complete, err);
	if (!status && complete)
		find(rec, suspect, SANGRAHA_FINDING_UPLOAD_COMPLETE, modified_ms,
		     "the object of the upload is complete");
	return status;
}

/* ---- records of objects ---- */

static int look_at_object_record(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
				 int64_t modified_ms, struct sangraha_error *err)
{
	bool under_way;
	int status;

	if (rec->record.record && !sgh_streq(rec->record.record, suspect->record))
		return foreign(rec, suspect, modified_ms,
			       "it tells another record id than its key");
	status = sgh_reconcile_ask(rec, SGH_STORE_HEAD, suspect->type->bucket,
				   suspect->id, err);
	if (status && status != SANGRAHA_E_NOT_FOUND)
		return status;
	if (!status && sgh_streq(sgh_remains_pinned(&rec->op), suspect->record))
		return 0;
	find(rec, suspect, SANGRAHA_FINDING_RECORD_UNUSED, modified_ms,
	     status ? "there is no such object" : "the object does not need it");
	status = look_for_upload(rec, suspect->id, &under_way, err);
	if (!status && under_way)
		suspect->kind = 0;
	return status ? status : add_open_uploads(rec, suspect, err);
}

/* ---- tombstones ---- */

static int look_at_tombstone(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
			     int64_t modified_ms, struct sangraha_error *err)
{
	int64_t expires_ms = rec->record.expires_ms;
	int status;

	if (!sgh_streq(rec->record.type, suspect->type->name) || !expires_ms)
		return foreign(rec, suspect, modified_ms,
			       "it is no tombstone of its key");
	if (expires_ms <= sgh_time_ms())
		return find(rec, suspect, SANGRAHA_FINDING_TOMBSTONE_ENDED, expires_ms,
			    "the time of the tombstone is over");
	if (expires_ms - sgh_time_ms() < TOMBSTONE_LEFT_MS)
		return 0;
	status = sgh_reconcile_ask(rec, SGH_STORE_HEAD, suspect->type->bucket,
				   suspect->id, err);
	if (status)
		return status == SANGRAHA_E_NOT_FOUND ? 0 : status;
	suspect->object = true;
	return find(rec, suspect, SANGRAHA_FINDING_OBJECT_DELETED, modified_ms,
		    "it was deleted, and lies there nevertheless");
}

/* ---- operations ---- */

/* Whether anything lies under the id that a claim may be for. */
static int look_around(struct sgh_reconcile *rec, const char *id, bool *ret_there,
		       struct sangraha_error *err)
{
	int status = look_for_upload(rec, id, ret_there, err);

	for (unsigned i = 0; !status && !*ret_there && i < rec->type_count; i++) {
		status = sgh_reconcile_deleted(rec, rec->types[i].name, id, ret_there,
					       err);
		if (status || *ret_there)
			break;
		status = sgh_reconcile_ask(rec, SGH_STORE_HEAD, rec->types[i].bucket, id,
					   err);
		*ret_there = !status;
		if (status == SANGRAHA_E_NOT_FOUND)
			status = 0;
	}
	return status;
}

static int look_at_claim(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
			 int64_t modified_ms, struct sangraha_error *err)
{
	bool there = false;
	int status;

	suspect->type = sgh_reconcile_type(rec, rec->record.type);
	if (!suspect->type)
		return foreign(rec, suspect, modified_ms,
			       "it is a claim of a type that is not known");
	if (age_of(modified_ms) < rec->over_age_ms)
		return 0;
	status = look_around(rec, suspect->id, &there, err);
	if (status || there)
		return status;
	find(rec, suspect, SANGRAHA_FINDING_CLAIM_UNUSED, modified_ms,
	     "the object that the id was claimed for never came");
	return add_open_uploads(rec, suspect, err);
}

static int look_at_operation(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
			     int64_t modified_ms, struct sangraha_error *err)
{
	int64_t expires_ms = rec->record.expires_ms;

	if (!expires_ms && sgh_record_is_claim(&rec->record, suspect->id))
		return look_at_claim(rec, suspect, modified_ms, err);
	if (!expires_ms)
		return foreign(
			rec, suspect, modified_ms,
			"it is neither a claim of its id nor the record of a failure");
	if (expires_ms > sgh_time_ms())
		return 0;
	return find(rec, suspect, SANGRAHA_FINDING_OPERATION_ENDED, expires_ms,
		    rec->record.code ? "the time for which a failure is told is over"
				     : "the time of the claim is over");
}

/* ---- any record ---- */

static int look_at_name(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
			const struct sgh_record_name *name, struct sangraha_error *err)
{
	int64_t modified_ms = 0;
	bool readable = false;
	int status = sgh_reconcile_read(rec, suspect->key, &rec->record, &modified_ms,
					&readable, err);

	if (status)
		return status == SANGRAHA_E_NOT_FOUND ? 0 : status;
	if (!readable)
		return foreign(rec, suspect, modified_ms,
			       "it is no record that this version can read");
	if (name->type[0] && !suspect->type)
		return foreign(rec, suspect, modified_ms,
			       "it is of a type that is not known");
	switch (name->kind) {
	case SGH_RECORD_UPLOAD:
		return look_at_upload(rec, suspect, modified_ms, err);
	case SGH_RECORD_OBJECT:
		return look_at_object_record(rec, suspect, modified_ms, err);
	case SGH_RECORD_DELETED:
		return look_at_tombstone(rec, suspect, modified_ms, err);
	default:
		return look_at_operation(rec, suspect, modified_ms, err);
	}
}

/* What lies under a key that nobody of ours makes. */
static int look_at_foreign(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
			   struct sangraha_error *err)
{
	int status = sgh_reconcile_ask(rec, SGH_STORE_HEAD,
				       sgh_reconcile_bucket(rec, suspect->bucket),
				       suspect->key, err);

	if (status)
		return status == SANGRAHA_E_NOT_FOUND ? 0 : status;
	return foreign(rec, suspect, rec->op.head.modified_ms,
		       suspect->bucket ? "its key is no object id"
				       : "its key is of no kind of record");
}

/* One that is under way takes seconds at most. */
static int look_at_probe(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
			 struct sangraha_error *err)
{
	int status = sgh_reconcile_ask(rec, SGH_STORE_HEAD, "meta", suspect->key, err);
	int64_t modified_ms = rec->op.head.modified_ms;

	if (status)
		return status == SANGRAHA_E_NOT_FOUND ? 0 : status;
	if (rec->op.head.size)
		return foreign(rec, suspect, modified_ms,
			       "it has the key of a probe, and is not empty");
	if (age_of(modified_ms) < PROBE_MS)
		return 0;
	return find(rec, suspect, SANGRAHA_FINDING_PROBE_LEFT, modified_ms,
		    "a program that tried what the store can did not come to its end");
}

static int look_at_record(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
			  struct sangraha_error *err)
{
	struct sgh_record_name name;
	int status;

	sgh_record_name(suspect->key, &name);
	if (name.kind == SGH_RECORD_FOREIGN)
		return look_at_foreign(rec, suspect, err);
	if (name.kind == SGH_RECORD_PROBE)
		return look_at_probe(rec, suspect, err);
	suspect->type = name.type[0] ? sgh_reconcile_type(rec, name.type) : NULL;
	strcpy(suspect->id, name.id);
	strcpy(suspect->record, name.record);
	sgh_record_fini(&rec->record);
	status = look_at_name(rec, suspect, &name, err);
	sgh_record_fini(&rec->record);
	rec->record = (struct sgh_record){ .offset = -1 };
	return status;
}

/* ---- objects ---- */

/* It pins a record: is that there, and does it fit. */
static int look_at_pinned(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
			  struct sangraha_object *object, int64_t modified_ms,
			  struct sangraha_error *err)
{
	const char *type = suspect->type->name;
	bool complete, explained = false;
	int status;

	snprintf(suspect->record, sizeof(suspect->record), "%s", object->record);
	status = look_for_record(rec, type, suspect->id, suspect->record, &complete, err);
	if (!status && complete) {
		status = sgh_record_describe(&rec->record, object, err);
		if (status == SANGRAHA_E_INTERNAL)
			return find(rec, suspect, SANGRAHA_FINDING_OBJECT_CONTRADICTED,
				    modified_ms, "its record does not fit it");
	}
	if (status || complete)
		return status;
	status = look_for_upload(rec, suspect->id, &explained, err);
	if (!status && !explained)
		/* What is said of the tombstone is enough. */
		status = sgh_reconcile_deleted(rec, type, suspect->id, &explained, err);
	if (status || explained)
		return status;
	find(rec, suspect, SANGRAHA_FINDING_OBJECT_INCOMPLETE, modified_ms,
	     "the record that makes an object of it is missing");
	return add_open_uploads(rec, suspect, err);
}

static int look_at_object(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
			  struct sangraha_error *err)
{
	const struct sgh_store_head *head = &rec->op.head;
	struct sangraha_object *object = NULL;
	int64_t modified_ms;
	int status;

	if (!sangraha_id_valid(suspect->key))
		return look_at_foreign(rec, suspect, err);
	suspect->type = &rec->types[suspect->bucket - 1];
	memcpy(suspect->id, suspect->key, sizeof(suspect->id));
	status = sgh_reconcile_ask(rec, SGH_STORE_HEAD, suspect->type->bucket,
				   suspect->id, err);
	if (status)
		return status == SANGRAHA_E_NOT_FOUND ? 0 : status;
	modified_ms = head->modified_ms;
	status = sgh_object_from_meta(suspect->type->name, suspect->id,
				      head->content_type, head->size, head->meta,
				      head->meta_count, &object, err);
	if (status == SANGRAHA_E_OVERLOADED)
		return status;
	if (status)
		return foreign(rec, suspect, modified_ms, err->message);
	if (object->record && !sangraha_id_valid(object->record))
		status = foreign(rec, suspect, modified_ms, "it pins what is no record");
	else if (object->record)
		status = look_at_pinned(rec, suspect, object, modified_ms, err);
	sangraha_object_unref(object);
	return status;
}

int sgh_reconcile_look(struct sgh_reconcile *rec, struct sgh_suspect *suspect,
		       struct sangraha_error *err)
{
	suspect->kind = 0;
	suspect->type = NULL;
	suspect->id[0] = '\0';
	suspect->record[0] = '\0';
	suspect->place[0] = '\0';
	suspect->object = false;
	suspect->looked_ms = sgh_now_ms();
	return suspect->bucket ? look_at_object(rec, suspect, err)
			       : look_at_record(rec, suspect, err);
}

/* ---- for dead letters ---- */

int sgh_reconcile_find(struct sgh_reconcile *rec, const struct sgh_type_info *type,
		       const char *id, bool *ret, char sha256[SANGRAHA_SHA256_SIZE],
		       struct sangraha_error *err)
{
	const struct sgh_store_head *head = &rec->op.head;
	struct sangraha_object *object = NULL;
	bool complete = true;
	int status = sgh_reconcile_ask(rec, SGH_STORE_HEAD, type->bucket, id, err);

	*ret = !status;
	sha256[0] = '\0';
	if (status)
		return status == SANGRAHA_E_NOT_FOUND ? 0 : status;
	status = sgh_object_from_meta(type->name, id, head->content_type, head->size,
				      head->meta, head->meta_count, &object, err);
	if (status)
		return status == SANGRAHA_E_OVERLOADED ? status : 0;
	if (object->record && sangraha_id_valid(object->record)) {
		status = look_for_record(rec, type->name, id, object->record, &complete,
					 err);
		if (!status && complete)
			sgh_record_describe(&rec->record, object, err);
	}
	*ret = complete;
	snprintf(sha256, SANGRAHA_SHA256_SIZE, "%s", object->sha256);
	sangraha_object_unref(object);
	return status;
}
