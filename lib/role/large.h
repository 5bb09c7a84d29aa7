/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_LARGE_H
#define SGH_ROLE_LARGE_H

#include "role/receiver.h"
#include "role/remains.h"
#include "role/write.h"

/*
 * What the operations on a large object have in common: put-begin, put-extend, put-commit,
 * put-abort. README.md tells the order of their steps.
 */
struct sgh_large {
	struct sgh_write write;
	/* upload/<id>, as it was read or is to be written; strings in `kept` or borrowed */
	struct sgh_record upload;
	struct sgh_arena kept;
	char upload_key[SGH_RECORD_KEY_SIZE];
	char object_key[SGH_RECORD_KEY_SIZE]; /* object/<type>/<id>/<record> */
	char record_id[SANGRAHA_ID_SIZE];     /* the one that a put-begin makes */
	char place_id[SANGRAHA_ID_SIZE];      /* likewise */
	struct sgh_bytes *body;               /* of a record that is being written */
	void (*then)(struct sgh_task *task);
	/* where a record that cannot be written ends; NULL: in a retry */
	void (*failed)(struct sgh_task *task, const struct sangraha_error *err);

	struct sgh_remains remains;
	void (*cleared)(struct sgh_task *task);
	struct sangraha_error why; /* what is answered after that */

	/* put-commit */
	size_t parts_seen;    /* of those in the document: so many are in the store */
	unsigned parts_after; /* the number of the last one that was listed */
	bool recorded; /* this run wrote object/<type>/<id>/<record>, or found it */
	bool known;    /* the object's record, before the object was looked at */
	void (*settled)(struct sgh_task *task); /* after that */
	struct sgh_verify *verify;
};

/* The state of a task, as a large operation's; NULL after the task was ended. */
struct sgh_large *sgh_large_new(struct sgh_task *task);

static inline struct sgh_large *sgh_large_of(const struct sgh_task *task)
{
	return task->state;
}

/* The type that the request names; false after the task was ended. */
bool sgh_large_find_type(struct sgh_task *task);

/*
 * Read upload/<id> into `upload`; then `then`, with what the store said in task->op.status:
 * 0 or SANGRAHA_E_NOT_FOUND. Everything else ends in a retry.
 */
void sgh_large_read_upload(struct sgh_task *task, void (*then)(struct sgh_task *task));

/* Whether upload/<id>, if it was there, is of the record that the request names. */
bool sgh_large_is_ours(const struct sgh_task *task);

/*
 * From here on it is as if the request had named this record; false after the task was
 * ended, without memory.
 */
bool sgh_large_name_record(struct sgh_task *task, const char *record);

/*
 * Write `upload` as upload/<id>, good for another ticket-timeout; then `then`, which finds
 * 0 or, of a conditional one, SANGRAHA_E_PRECONDITION in task->op.status.
 */
void sgh_large_write_upload(struct sgh_task *task, bool if_none_match,
			    void (*then)(struct sgh_task *task));

/* Write a record under `key`; the same. */
void sgh_large_put_record(struct sgh_task *task, const char *key,
			  const struct sgh_record *record, bool if_none_match,
			  void (*then)(struct sgh_task *task));

/* List `limit` of the parts that the store has of the upload, after that number; `then`. */
void sgh_large_list_parts(struct sgh_task *task, unsigned after, unsigned limit,
			  void (*then)(struct sgh_task *task));

/* Answer with the ticket that is asked for here. */
void sgh_large_answer(struct sgh_task *task, const struct sgh_store_grant *grant);

/* Answer with a ticket for the parts from `first` on. */
void sgh_large_answer_parts(struct sgh_task *task, unsigned first);

/*
 * Clear what the upload left (role/remains.h), then `then`. `complete`: the object is there
 * with its record, and stays. What fails ends in a retry.
 */
void sgh_large_clear(struct sgh_task *task, bool complete,
		     void (*then)(struct sgh_task *task));

/*
 * Read the object, which the task's own HEAD found, back through a validator, whatever time
 * that takes (verify.c). Then `then`; a refusal, and bytes that are not what was announced,
 * remove the object and end the task. `see` instead when it had to wait for its turn, and
 * somebody else has ended it until then.
 */
void sgh_large_verify(struct sgh_task *task, void (*see)(struct sgh_task *task),
		      void (*then)(struct sgh_task *task));
void sgh_verify_free(struct sgh_verify *verify);
/* The facts that it found. */
const char *sgh_verify_facts(const struct sgh_verify *verify);
const char *sgh_verify_rules(const struct sgh_verify *verify);

#endif
