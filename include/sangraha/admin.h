/* SPDX-License-Identifier: MIT */
/* Administration, straight at queues and store: dead letters, sweeping, reconciling. */
#ifndef SANGRAHA_ADMIN_H
#define SANGRAHA_ADMIN_H

#include <stddef.h>
#include <stdint.h>

#include <sangraha/context.h>
#include <sangraha/error.h>
#include <sangraha/queue.h>
#include <sangraha/store.h>
#include <sangraha/validate.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * How many messages wait in the dead-letter queue of `queue_name`
 * (SANGRAHA_WRITE_QUEUE or SANGRAHA_READ_QUEUE; SANGRAHA_E_INVALID for another). Blocks
 * for at most `timeout_ms`, for the connection too; then SANGRAHA_E_TIMEOUT or
 * SANGRAHA_E_UNAVAILABLE. From any thread.
 *
 * Since: 0.1
 */
int sangraha_admin_dead_letters(struct sangraha_queue *queue, const char *queue_name,
				unsigned timeout_ms, uint64_t *ret_count,
				struct sangraha_error *err);

/*
 * One letter: a message of a dead-letter queue. All of it is borrowed for the call that
 * shows it. Texts are as the message has them, whoever sent it: not checked, and to be
 * cleaned before a terminal sees them; NULL where the message does not tell.
 */
struct sangraha_dead_letter {
	size_t size; /* sizeof(struct sangraha_dead_letter) as the library knows it */
	const char
		*queue; /* SANGRAHA_WRITE_QUEUE or SANGRAHA_READ_QUEUE: what it was for */
	/*
	 * What it is called: the operation id, or "raw-" and 32 hexadecimal digits, made from
	 * what it holds, where that is no UUID. Stays the same from visit to visit. Letters
	 * of one operation share it: the steps of a large put, or the two that a crash in
	 * the middle of a replay leaves.
	 */
	const char *id;
	const char *operation;    /* "put", "put-commit", "delete", "get", ...; or NULL */
	const char *operation_id; /* as it stands in the message */
	const char *object_type;  /* "json", "image", "pdf", ... */
	const char *object_id;    /* of the object that it is about */
	const char *filename;     /* of a put */
	const char *content_type; /* of the object */
	const char *sha256;       /* of the object, hexadecimal */
	const char *request_id;   /* what the requester's log calls it */
	/*
	 * Why it is here: what the receiver or getter said ("out of retries", "unreadable",
	 * ...), or the broker ("rejected", "delivery_limit", "maxlen", "expired").
	 */
	const char *reason;
	const char *error;    /* the last one */
	const char *obstacle; /* why it cannot be replayed, a sentence; NULL: it can */
	unsigned attempts;    /* that were made; 0: not told */
	int64_t created_ms;   /* the object, as the requester says; Unix; 0: not told */
	int64_t published_ms; /* the request was; 0: not told */
	int64_t died_ms;      /* it was dead-lettered; 0: not told */
	int64_t object_size;  /* bytes, as the requester says; -1: not told */
	/*
	 * Of a put the object's bytes, of any other letter the message's body as it is. NULL
	 * when it is empty, or larger than could be read: then `length` tells how large.
	 */
	const void *data;
	uint64_t length; /* bytes */
};

/* What becomes of a letter. */
enum sangraha_dead_letter_fate {
	SANGRAHA_DEAD_LETTER_KEEP = 0,   /* it stays */
	SANGRAHA_DEAD_LETTER_REPLAY = 1, /* it is asked for again, and removed */
	SANGRAHA_DEAD_LETTER_DROP = 2,   /* it is removed for good */
	SANGRAHA_DEAD_LETTER_STOP = 16   /* or'ed to one of them: it was the last */
};

/* Of sangraha_admin_visit_dead_letters(). Zero means default. */
struct sangraha_dead_letter_options {
	size_t size; /* sizeof(struct sangraha_dead_letter_options) */
	/* For the connection, for the next letter, for the broker's word: 0: 10 s each. */
	unsigned timeout_ms;
	unsigned max; /* letters to look at, to SANGRAHA_DEAD_LETTERS_MAX; 0: 1000 */
	unsigned replay_ms; /* until when what is replayed is to be done; 0: a day */
};

#define SANGRAHA_DEAD_LETTERS_MAX 10000 /* in one visit */

/* How a visit went. */
struct sangraha_dead_letter_counts {
	size_t size;       /* sizeof(struct sangraha_dead_letter_counts) */
	uint64_t seen;     /* letters that were shown: the next three together */
	uint64_t kept;     /* also what was to be replayed and could not be */
	uint64_t replayed; /* asked for again, and removed */
	uint64_t dropped;  /* removed for good */
	uint64_t refused;  /* of those kept: were to be replayed, but have an obstacle */
	uint64_t left;     /* there when the visit began, and not looked at */
};

/*
 * Look at the letters in the dead-letter queue of `queue_name`, in the order in which they
 * lie there: the oldest first, except that a quorum queue puts at its end what was looked
 * at. visit() is called for each on the calling thread, and returns its fate. It may take
 * its time, call the store or a client, but not this function for the same queue.
 * `options` may be NULL and is copied; *ret, which may be NULL, is filled in also after a
 * failure.
 *
 * A letter that is kept stays in the queue, and nobody else gets it while the visit goes
 * on: two visits at once see each a part. Of what is kept only a few hundred bytes are
 * held; of bodies in hand a quarter of the context's `memory_limit`, and one always fits
 * that has no more than the whole of it, or 16 MiB.
 *
 * To replay is to put a copy of the request on its queue again, as if it were asked for
 * now by somebody who does not wait: without reply_to, so that failures that pass are
 * tried again for long, and one that does not is in the record that tells what became of
 * the operation; with a deadline of its own; without its attempts and re-sends. The letter
 * is removed after the broker has confirmed the copy. If the process dies in between both
 * are there, which is safe: a write that is repeated is the same write. What can be
 * replayed are put, put-commit, put-abort and delete. A put-begin or put-extend
 * (their ticket is of use to nobody), a read, and what cannot be understood have an
 * obstacle, and are kept. An object that was deleted since is not written again as long as
 * its tombstone is there (twice the longest time-out of the receivers, 2 days by
 * default); after that it is.
 *
 * Looking is free. A broker may drop a message that was returned too often (RabbitMQ 4:
 * 20 times), so a letter that was looked at ten times is replaced by a copy, which goes to
 * the queue's end.
 *
 * Ends with the first failure; what was decided by then is done, and what was not is
 * there. SANGRAHA_E_UNAVAILABLE without a connection, or when it breaks;
 * SANGRAHA_E_TIMEOUT when the broker does not answer; those of a publish that was refused
 * (SANGRAHA_E_OVERLOADED for a full queue); SANGRAHA_E_INVALID for another queue.
 *
 * Since: 0.1
 */
int sangraha_admin_visit_dead_letters(
	struct sangraha_queue *queue, const char *queue_name,
	const struct sangraha_dead_letter_options *options,
	int (*visit)(void *arg, const struct sangraha_dead_letter *letter), void *arg,
	struct sangraha_dead_letter_counts *ret, struct sangraha_error *err);

/*
 * Take away what has ended, as receivers do by themselves little by little: what uploads of
 * large objects left that were not finished, parts in the store and records; tombstones of
 * deleted objects when no write of one can arrive any more, and what such a write left
 * there; records of failed writes after a day. Never touches an object that is complete and
 * was not deleted, nor an upload whose time is not over. What lay under a tombstone is
 * removed first, and the tombstone by the next sweep. `types` are those of the receivers;
 * NULL: json, image, pdf. *ret_count, which may be NULL, is how many uploads, tombstones
 * and failures there were, also after a failure. It reads each of these records. Goes on
 * after a failure, and returns the first:
 * SANGRAHA_E_TIMEOUT when `timeout_ms`, 0 for 30 s, were not enough, and those of a store.
 * Blocks. From any thread; may run at once with others and with receivers.
 *
 * Since: 0.1
 */
int sangraha_admin_sweep(struct sangraha_store *store, struct sangraha_types *types,
			 unsigned timeout_ms, uint64_t *ret_count,
			 struct sangraha_error *err);

/* What a comparison of records, objects and dead letters found. Values are never reused. */
enum sangraha_finding_kind {
	/* An upload whose time is over; no receiver has swept it yet. */
	SANGRAHA_FINDING_UPLOAD_ENDED = 1,
	/* The record of an upload that was completed. */
	SANGRAHA_FINDING_UPLOAD_COMPLETE = 2,
	/* A record of a large object that no object needs. */
	SANGRAHA_FINDING_RECORD_UNUSED = 3,
	/* An object without the record that makes it one: counts as absent. */
	SANGRAHA_FINDING_OBJECT_INCOMPLETE = 4,
	/* An object that was deleted and lies there nevertheless. */
	SANGRAHA_FINDING_OBJECT_DELETED = 5,
	/* A tombstone whose time is over; no receiver has swept it yet. */
	SANGRAHA_FINDING_TOMBSTONE_ENDED = 6,
	/* The record of a failed write, or a claim of its id, whose time is over; likewise. */
	SANGRAHA_FINDING_OPERATION_ENDED = 7,
	/* A claim without an end, as earlier versions wrote, whose object never came. */
	SANGRAHA_FINDING_CLAIM_UNUSED = 8,
	/* What Sangraha did not write, or not this version of it. Never touched. */
	SANGRAHA_FINDING_OBJECT_FOREIGN = 9,
	SANGRAHA_FINDING_RECORD_FOREIGN = 10,
	/* An object and its record that contradict each other. Never touched. */
	SANGRAHA_FINDING_OBJECT_CONTRADICTED = 11,
	/* A dead letter that wanted what has been done meanwhile. */
	SANGRAHA_FINDING_LETTER_DONE = 12,
	/* A dead letter that would be refused: its id is taken, or was deleted. Left. */
	SANGRAHA_FINDING_LETTER_REFUSED = 13,
	/* An empty key by which a program that died had tried what the store can. */
	SANGRAHA_FINDING_PROBE_LEFT = 14
};

/* What became of a finding. */
enum sangraha_finding_action {
	SANGRAHA_FINDING_LEFT = 0,  /* nothing is done about it, nor would be */
	SANGRAHA_FINDING_WOULD = 1, /* a repair would */
	SANGRAHA_FINDING_DID = 2,   /* it was repaired */
	SANGRAHA_FINDING_FAILED = 3 /* it was to be, and `error` tells why it was not */
};

/* All of it is borrowed for the call that reports it. */
struct sangraha_finding {
	size_t size; /* sizeof(struct sangraha_finding) as the library knows it */
	enum sangraha_finding_kind kind;     /* what it is */
	enum sangraha_finding_action action; /* what became of it */
	const char *name; /* of the kind: "upload-ended", "record-unused", ... */
	/*
	 * Where it lies: bucket without prefix and key, "meta/upload/<id>", "json/<id>"; of a
	 * letter the queue and what it is called. Keys that are foreign may have any bytes.
	 */
	const char *place;
	const char
		*type;  /* the object's type; NULL: it has none, or none that is known */
	const char *id; /* the object's; NULL as above */
	const char *reason; /* a sentence without its stop: what is wrong */
	const char
		*remedy;   /* likewise: what a repair does, or did; NULL: there is none */
	const char *error; /* why a repair failed, else NULL */
	int64_t age_ms;    /* since it was written, or ended; 0: not known */
};

#define SANGRAHA_PLACE_SIZE 1100 /* of a place's text with its NUL */

/* Of sangraha_admin_reconcile(). Zero means default. */
struct sangraha_reconcile_options {
	size_t size;                  /* sizeof(struct sangraha_reconcile_options) */
	struct sangraha_types *types; /* those of the receivers; NULL: json, image, pdf */
	int repair;                   /* 1: repair; else only tell */
	unsigned min_age_ms;          /* what is younger is let be; 0: an hour */
	unsigned wait_ms;             /* between the two looks at a thing; 0: 5 s */
	/*
	 * The longest of the programs' request-, ticket- and async-timeout, 0: a day. A claim
	 * is of no use when it is twice as old.
	 */
	unsigned longest_ms;
	unsigned timeout_ms; /* for all of it; 0: as long as it takes */
	const char *from; /* go on there: a `place` of an earlier call; NULL, "": all */
};

/* How a comparison went. */
struct sangraha_reconcile_counts {
	size_t size;      /* sizeof(struct sangraha_reconcile_counts) */
	uint64_t records; /* that were looked at */
	uint64_t objects; /* likewise */
	uint64_t letters; /* likewise */
	uint64_t found;  /* findings: the sum of the four below, by what became of them */
	uint64_t left;   /* SANGRAHA_FINDING_LEFT */
	uint64_t would;  /* SANGRAHA_FINDING_WOULD */
	uint64_t did;    /* SANGRAHA_FINDING_DID */
	uint64_t failed; /* SANGRAHA_FINDING_FAILED */
	uint64_t passed; /* found once, and not again: something was going on there */
	/* Where it was broken off, and `from` can go on; "": it came to its end. */
	char place[SANGRAHA_PLACE_SIZE];
};

/*
 * Compare what lies in the store, and the dead letters of `queue`, which may be NULL: then
 * without those. What does not belong together is a finding, and report() is called for
 * each on the calling thread; it returns 0 to go on. It may take its time, and ask the
 * store. `options` may be NULL and is copied; *ret, which may be NULL, is filled in also
 * after a failure. Everything in the store is looked at twice, `wait_ms` apart, the second
 * time right before a repair: nothing is found that changed, that is younger than
 * `min_age_ms` by the store's time and this machine's clock, or that an upload under way
 * explains. So receivers may work meanwhile, and others reconcile.
 *
 * A repair takes away what is of no use to anybody, and never what cannot be explained:
 * foreign keys, metadata, records and versions are told and left.
 *
 * It lists each bucket once and asks for every object's metadata, 16 at a time; memory does
 * not grow with what lies there. Of the letters of SANGRAHA_WRITE_QUEUE it sees the first
 * SANGRAHA_DEAD_LETTERS_MAX, each once. SANGRAHA_E_TIMEOUT when `timeout_ms` were not
 * enough, and the failures of store and queue: the rest can be looked at later, from
 * `place`. SANGRAHA_E_INVALID for a `from` that is no place. A report() that returns
 * something else ends it without a failure, in `place`.
 *
 * Since: 0.1
 */
int sangraha_admin_reconcile(struct sangraha_store *store, struct sangraha_queue *queue,
			     const struct sangraha_reconcile_options *options,
			     int (*report)(void *arg,
					   const struct sangraha_finding *finding),
			     void *arg, struct sangraha_reconcile_counts *ret,
			     struct sangraha_error *err);

#ifdef __cplusplus
}
#endif

#endif
