/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_WRITE_H
#define SGH_ROLE_WRITE_H

#include "role/found.h"
#include "role/task.h"
#include "validate/types.h"

/*
 * What the operations that write an object have in common - put, and put-begin and
 * put-commit of a large one. The state of each begins with a struct sgh_write.
 */
struct sgh_write {
	struct sgh_type_info type;
	char sha256[SANGRAHA_SHA256_SIZE]; /* of the object; "": not known yet */
	struct sangraha_object *object;    /* as it is, or would be, stored */
	struct sangraha_verdict *verdict;
	struct sgh_arena arena;
	struct sgh_pair meta[SGH_STORE_META_MAX]; /* the object's, as it is stored */
	size_t meta_count;
	bool vetoed; /* the refusal is the program's around us */
	bool sure;   /* it may have been tried before, or by others */
	bool begins; /* put-begin and later: the request's body is not the object's */
	struct sgh_found there; /* what lies under the id already */

	/* the record operation/<id> */
	char record_key[SGH_RECORD_KEY_SIZE];
	struct sgh_bytes *record;
	bool buried; /* it is in the dead-letter queue: nothing is tried again */

	/* what is looked up first: tombstones, and objects under other types */
	struct sgh_store_op *looks;
	char (*look_keys)[SGH_RECORD_KEY_SIZE];
	size_t look_count;
	size_t tombstone_count; /* the first of the looks */
	void (*clear)(
		struct sgh_task *task); /* the step when nothing stands in its way */
	/* the step after what was written under a deleted id was removed; NULL: say so */
	void (*taken_back)(struct sgh_task *task);

	struct sgh_stray *stray; /* what is no object; NULL: none was found */
};

/* Release what a state holds; and one that is nothing more than this. */
void sgh_write_fini(struct sgh_write *write);
void sgh_write_free(void *state);

/* ---- check (write_check.c); on a worker ---- */

/* Whether nobody can have seen anything of this operation. */
bool sgh_write_certainly_new(const struct sgh_task *task);

/* The body's bytes, "" without any. */
const void *sgh_write_body(const struct sgh_task *task, size_t *ret_length);

/*
 * Check an object of `size` bytes against the limits, its type's too where that is known;
 * size -1 is not known, and within them. SANGRAHA_E_TOO_LARGE.
 */
int sgh_write_check_size(const struct sgh_task *task, int64_t size,
			 struct sangraha_error *err);

/* The type, after the verdict. */
int sgh_write_find_type(struct sgh_task *task, struct sangraha_error *err);

/* What only the operation knows of an object that is to be described. */
struct sgh_write_parts {
	uint64_t size;
	const char *sha256; /* NULL with a record */
	const char *record;
	const char *facts;
	const char *rules;
};

/* Describe the object: as sgh_object, and as stored metadata. */
int sgh_write_describe(struct sgh_task *task, const struct sgh_write_parts *parts,
		       struct sangraha_error *err);

/*
 * The say of the program around us, which is shown the bytes that the request has of the
 * object: none in a put-commit. On a worker.
 */
int sgh_write_veto(struct sgh_task *task, struct sangraha_error *err);

/* ---- looks, and the claim of an id that others may use at once (write_looks.c) ---- */

/* Go on at `clear`, unless the id was deleted, is of another type, or claimed by others. */
void sgh_write_look(struct sgh_task *task, void (*clear)(struct sgh_task *task));

/*
 * Look for the tombstone once more, after the store's yes; found, everything is taken back
 * and the answer is "gone". `clear` otherwise.
 */
void sgh_write_look_after(struct sgh_task *task, void (*clear)(struct sgh_task *task));

/* HEAD what lies under the id; then `then`, with the answer in task->op. */
void sgh_write_head(struct sgh_task *task, void (*then)(struct sgh_task *task));

/*
 * Describe in `there` what the task's HEAD found under the id, then go on at `then`. A HEAD
 * that failed is a retry.
 */
void sgh_write_found(struct sgh_task *task, void (*then)(struct sgh_task *task));

/* Answer that the id was deleted. */
void sgh_write_gone(struct sgh_task *task);

/* ---- what is no object (stray.c) ---- */

/*
 * What the task's HEAD found has no record that makes it an object. Go on at `under_way`
 * when somebody is about to; else it is taken away, and that ends in a retry.
 */
void sgh_write_stray(struct sgh_task *task, void (*under_way)(struct sgh_task *task));
void sgh_stray_free(struct sgh_stray *stray);

/* ---- the record operation/<id> (write_record.c) ---- */

/* Claim the id for these bytes and this type. */
void sgh_write_claim(struct sgh_task *task);

/* Record the failure that the reply tells, then finish. */
void sgh_write_record_failure(struct sgh_task *task, int status);

/* ---- ends (write_end.c) ---- */

/* Stored: event, reply. `found`: it was there already. */
void sgh_write_stored(struct sgh_task *task, struct sangraha_object *object, bool found);

/* A failure that does not pass. */
void sgh_write_fail(struct sgh_task *task, int status, const char *message);
void sgh_write_fail_with(struct sgh_task *task, const struct sangraha_error *err);

/* Refused by validation or by veto: record, event, reply. */
void sgh_write_refuse(struct sgh_task *task, const struct sangraha_error *err);

/* Whatever kept it from being stored: refusal, retry or failure. */
void sgh_write_end(struct sgh_task *task, const struct sangraha_error *err);

#endif
