/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_UPLOAD_H
#define SGH_ROLE_UPLOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <sangraha/client.h>

#include "base/arena.h"
#include "base/timer.h"
#include "role/client.h"
#include "store/mover.h"
#include "wire/crc32c.h"
#include "wire/parts.h"
#include "wire/sha256.h"

/*
 * A body on its way in, and what its files share. The user's thread takes bytes, looks at
 * them and seals parts; sgh_upload_run() does whatever is to be done next, on the thread
 * of whoever brought the news. How they play together is told in README.md.
 */

enum sgh_upload_kind {
	SGH_UPLOAD_INLINE, /* one message; the receiver looks at it */
	SGH_UPLOAD_OPEN,   /* of unknown length, and all in the first buffer so far */
	SGH_UPLOAD_SPOOL,  /* held whole, then one PUT */
	SGH_UPLOAD_PARTS,  /* to the store as it comes */
};

/* A full buffer on its way to the store. */
struct sgh_upload_part {
	struct sgh_list link; /* in upload->state.parts */
	struct sangraha_upload *upload;
	struct sgh_bytes *body; /* of one that is pulled the window's ring */
	char *url;              /* the one that `move` uses */
	struct sgh_move move;
	unsigned number;
	unsigned failures;
	int64_t failed_ms; /* the first time in a row */
	int64_t again_ms;  /* not before */
	bool moving;       /* `move` is the mover's */
	bool pulled;       /* through the window */
};

/* The window of a part that is not held; see upload_window.c. */
struct sgh_upload_window {
	size_t at;       /* in the buffer, of the first byte that is there */
	size_t fill;     /* bytes that are there */
	size_t promised; /* to the user's thread, which is about to bring them */
	bool pulling_paused;
	int64_t pulled_ms; /* when some went on last */
	uint64_t taken;    /* by the mover, of the whole body */
	uint64_t ends;     /* where the part that moves ends, in the whole body */
};

struct sangraha_upload {
	int refs; /* atomic: the user's, one while it is open, and one for each callback */
	struct sangraha_client *client;
	struct sgh_mover *mover;     /* the client's; once it is open */
	struct sgh_request *request; /* the put, without its body */
	unsigned timeout_ms;
	void (*resume)(void *arg);
	void *resume_arg;
	int64_t length; /* bytes; -1: not known */
	struct sgh_parts_plan plan;
	bool async; /* done when confirmed, as one message */
	bool timer_reserved;
	bool large; /* more than one message: open until it is over */
	struct sgh_list link;
	bool ending; /* guarded by client->state.lock */

	/* ---- the user's thread ---- */
	enum sgh_upload_kind kind;
	struct sgh_bytes *body; /* being filled; NULL until its memory is there */
	size_t whole;           /* bytes of the first buffer */
	bool at_once;           /* it is given all of it by one call, which cannot wait */
	bool sips;              /* a first piece of these is reserved alone */
	bool sipping;           /* `body` is that piece */
	int64_t sip_ms;         /* when its memory, or that of the whole, was there */
	size_t arriving;        /* bytes of `body` that the budget counts as arriving */
	unsigned number;        /* of the part that `body` is, from 1 */
	uint64_t taken;         /* bytes of the whole */
	struct sangraha_validator *validator; /* NULL: not looked at yet */
	struct sgh_sha256 *hash;
	bool windowed;   /* what is left is not held; set with the lock, too */
	bool streaming;  /* atomic: ... and one part, which client->streams counts */
	uint32_t crc32c; /* of what one PUT moves, which the store compares */
	bool refused;    /* by the validator */
	struct sgh_budget_waiter waiter;

	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed; /* resuming ended */

		/* memory, and the user who waits for it */
		bool waiting;  /* in line */
		bool granted;  /* reserved, not taken over by a body yet */
		bool paused;   /* resume() is owed */
		bool resuming; /* ... and being called, by that thread */
		bool again;    /* ... and owed once more */
		pthread_t resumer;
		bool abandoned; /* the user is gone */

		/* the body */
		struct sgh_list parts;   /* sealed, not stored */
		size_t held;             /* bytes of memory of these */
		unsigned moving;         /* how many of these */
		unsigned sealed;         /* the number of the last one */
		bool whole;              /* everything came, and was accepted */
		struct sgh_part *stored; /* by number - 1; etag NULL: not stored */
		unsigned stored_room;
		struct sgh_arena etags;
		struct sgh_upload_window window;
		struct sgh_bytes *ring;            /* its memory; NULL */
		char sha256[SANGRAHA_SHA256_SIZE]; /* with `whole` */
		char crc32c[SGH_CRC32C_SIZE];      /* ... of one PUT */
		char type[SANGRAHA_TYPE_SIZE];     /* "": not known yet */

		/* operations */
		/* What put-begin shows; NULL: not ready, or parts have begun. */
		struct sgh_bytes *prefix;
		bool begun;
		unsigned begins;
		bool calling; /* one of them has no answer yet */
		enum sgh_verb verb;
		struct sgh_reply *there;       /* the object is stored; NULL */
		struct sgh_reply *tickets[2];  /* the last ones, newest first */
		char record[SANGRAHA_ID_SIZE]; /* "": none */
		int64_t renew_ms;
		unsigned extend_failures;
		int64_t extend_ms; /* not before */
		bool left;         /* it is somebody else's, or may be done: no abort */
		bool aborted;

		/* the end */
		int status; /* what it failed with; 0: it has not */
		struct sangraha_error err;
		int64_t failed_ms;
		struct sangraha_result *result; /* there from the start */
		bool submitted;
		bool direct;
		bool answered; /* the result went to the user */
		bool over;     /* nothing more is to be done */
		bool closing;  /* the client ends */
		int64_t deadline_ms;
		struct sgh_timer timer;
	} state;
};

/*
 * As sangraha_upload_new(); `at_once`: all bytes are there, and are written and submitted
 * or given up.
 */
int sgh_upload_new(struct sangraha_client *client, int64_t length, bool at_once,
		   const struct sangraha_put_options *options, void (*resume)(void *arg),
		   void *resume_arg, struct sangraha_upload **ret,
		   struct sangraha_error *err);

/*
 * As sangraha_upload_submit(); `timeout_ms` and `direct` as of sgh_call_start(), 0: as the
 * options of the upload say.
 */
int sgh_upload_submit(struct sangraha_upload *upload, unsigned timeout_ms, bool direct,
		      sangraha_done_fn *done, void *arg, struct sangraha_error *err);

/* Whether it was refused, or anything else has put an end to it. */
bool sgh_upload_has_failed(struct sangraha_upload *upload);

/* End those that are under way: no callback of theirs begins anything any more. */
void sgh_uploads_end(struct sangraha_client *client);

/* ---- upload.c ---- */

void sgh_upload_ref(struct sangraha_upload *upload);
void sgh_upload_unref(struct sangraha_upload *upload);
/* The largest body that this client stores, in bytes; and the refusal of a larger one. */
uint64_t sgh_upload_most(const struct sangraha_client *client);
int sgh_upload_too_large(uint64_t limit, struct sangraha_error *err);
/* It is over sgh_upload_most(), or, of unknown length, over what a message holds. */
int sgh_upload_over_most(const struct sangraha_client *client,
			 struct sangraha_error *err);
int sgh_upload_over_message(const struct sangraha_client *client,
			    struct sangraha_error *err);

/* ---- upload_memory.c ---- */

/* What bytes that arrive may take of the budget together. */
size_t sgh_upload_quota(const struct sangraha_client *client);
/* The first buffer, or what is taken of the body before it is reserved. */
size_t sgh_upload_first(const struct sangraha_upload *upload);
/* Reserve memory for a buffer, or stand in line for it; nothing when one is reserved. */
void sgh_upload_reserve(struct sangraha_upload *upload, size_t size);
/* Turn the reservation into upload->body; without one it stays NULL. */
int sgh_upload_take_room(struct sangraha_upload *upload, struct sangraha_error *err);
/* Nothing can be taken, resume() is owed. False: something can, by now. */
bool sgh_upload_pause(struct sangraha_upload *upload, size_t size);
/* Call resume() if it is owed and can be. With a reference and no lock held. */
void sgh_upload_wake(struct sangraha_upload *upload);
/* No resume() runs when this returns, but for one that calls it, and none begins. */
void sgh_upload_abandon(struct sangraha_upload *upload);
/* The buffer is full, or given up: others may arrive. */
void sgh_upload_arrived(struct sangraha_upload *upload);
void sgh_upload_drop_body(struct sangraha_upload *upload);
/* Reserved memory that nobody will use. */
void sgh_upload_drop_room(struct sangraha_upload *upload);

/* ---- upload_write.c: the user's thread ---- */

/* What it has failed with; 0. Its buffer is given up then. */
int sgh_upload_failure(struct sangraha_upload *upload, struct sangraha_error *err);
/* The very object is there already: what comes is only compared with it. */
bool sgh_upload_is_there(struct sangraha_upload *upload);
void sgh_upload_set_kind(struct sangraha_upload *upload, enum sgh_upload_kind kind);
/* Make ready what put-begin shows, once there is enough of it and the type is known. */
int sgh_upload_show(struct sangraha_upload *upload, struct sangraha_error *err);
/* The buffer becomes a part on its way. */
int sgh_upload_seal_body(struct sangraha_upload *upload, struct sangraha_error *err);

/* ---- upload_check.c: the user's thread ---- */

/* Begin to look at the body. */
int sgh_upload_check_begin(struct sangraha_upload *upload, struct sangraha_error *err);
int sgh_upload_check(struct sangraha_upload *upload, const void *data, size_t length,
		     struct sangraha_error *err);
/* All of it came: the last word on it. Its digest and facts are in the state then. */
int sgh_upload_check_end(struct sangraha_upload *upload, struct sangraha_error *err);
/* The type, as soon as it is known; else NULL. */
const char *sgh_upload_type(const struct sangraha_upload *upload);
/* The result's reply of a refusal: rule, offset, types. */
void sgh_upload_explain(struct sangraha_upload *upload);

/* ---- upload_run.c ---- */

/* Do what is to be done next. With a reference and no lock held. */
void sgh_upload_run(struct sangraha_upload *upload);
/* The first failure stays. */
void sgh_upload_fail_locked(struct sangraha_upload *upload, int status,
			    const struct sangraha_error *err);
void sgh_upload_fail(struct sangraha_upload *upload, int status,
		     const struct sangraha_error *err);
/*
 * It has gone from the store. Who did that may have completed it, under the same id at the
 * same time, and an abort while that is read back would take the object away. Nothing is
 * open any more, so it is not ours to abort.
 */
void sgh_upload_ended_locked(struct sangraha_upload *upload);
/* From here on it is more than one message: open until it is over. */
int sgh_upload_open(struct sangraha_upload *upload, struct sangraha_error *err);

/* ---- upload_put.c: to the store ---- */

/* Seal a part, which is sent when it can be. Takes `body`. */
int sgh_upload_seal(struct sangraha_upload *upload, struct sgh_bytes *body,
		    unsigned number, struct sangraha_error *err);
void sgh_upload_part_free(struct sgh_upload_part *part);
/* Send what can be sent; the number of the first part that lacks a URL, 0: none. */
unsigned sgh_upload_send_locked(struct sangraha_upload *upload, int64_t now);
/* Something is on its way to the store, or is so no more. */
void sgh_upload_count_moving(struct sangraha_client *client, bool moving);
/* When it should be called again; SGH_NEVER. */
int64_t sgh_upload_send_ms_locked(const struct sangraha_upload *upload);
/* End what moves, and move what does not to `dead`. */
void sgh_upload_drop_parts_locked(struct sangraha_upload *upload, struct sgh_list *dead);

/* ---- upload_window.c: a part that is not held ---- */

size_t sgh_upload_window_size(const struct sangraha_client *client);
/* The first part is sealed: let what is left go through the window, if that is better. */
void sgh_upload_window_begin(struct sangraha_upload *upload);
/* It keeps no connection any more, if it did; from any thread. */
void sgh_upload_window_end(struct sangraha_upload *upload);
/* How many of `wanted` bytes can be taken, and taking as many; the user's thread. */
size_t sgh_upload_window_room(struct sangraha_upload *upload, size_t wanted);
/* True: there is another part to be sent. */
bool sgh_upload_window_take(struct sangraha_upload *upload, const void *data,
			    size_t length);
int64_t sgh_upload_window_pull(struct sgh_move *move, void *data, size_t size);
/* The next part, when its first byte is there and no other one is under way. */
bool sgh_upload_window_next_locked(struct sangraha_upload *upload);
/* The mover has let go of the part that it pulled. */
void sgh_upload_window_stopped_locked(struct sangraha_upload *upload);
/* What was pulled of a part is there again. False: some of it is not. */
bool sgh_upload_window_rewind_locked(struct sgh_upload_part *part);
/* The body was accepted: what was held back may go. Of any other upload nothing. */
void sgh_upload_window_release(struct sangraha_upload *upload);

/* ---- upload_queue.c: the operations ---- */

/* The operation that is due, SGH_VERB_UNKNOWN: none; `first` part of an extension. */
enum sgh_verb sgh_upload_next_locked(struct sangraha_upload *upload, unsigned lacking,
				     int64_t now, unsigned *ret_first);
/* When to ask that again, if nothing happens; SGH_NEVER. */
int64_t sgh_upload_next_ms_locked(const struct sangraha_upload *upload);
/* Make that operation; lets go of the lock meanwhile. */
void sgh_upload_call_locked(struct sangraha_upload *upload, enum sgh_verb verb,
			    unsigned first);

#endif
