/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_LOCAL_BROKER_H
#define SGH_QUEUE_LOCAL_BROKER_H

#include <pthread.h>

#include "base/backoff.h"
#include "base/shared.h"
#include "db/db.h"
#include "queue/local_topology.h"
#include "queue/queue.h"

/*
 * What the files of the local back end share; README.md tells how they play together. One
 * broker per data directory, one thread that makes all callbacks. Everything below is
 * guarded by the broker's lock, unless it says so.
 */

/* What RabbitMQ tells inside x-death, for which our messages have no place: Unix ms. */
#define SGH_LOCAL_DEATH_TIME "x-first-death-time"

#define SGH_LOCAL_WINDOW        1024  /* messages of a queue that memory knows of */
#define SGH_LOCAL_TRANSIENT_MAX 8192  /* transient messages in one queue */
#define SGH_LOCAL_CONSUMERS_MAX 64    /* of one handle */
#define SGH_LOCAL_LEAVING_MAX   16384 /* settled messages that are on disk still */
#define SGH_LOCAL_SUSPECT       3     /* deliveries, after which a message goes alone */
#define SGH_LOCAL_CLOSE_MS      2000  /* that a handle waits for what it published */
#define SGH_LOCAL_DUE_MOST      100   /* messages moved in one change */

struct sgh_local;
struct sgh_local_handle;

/* Who decided about a publish, in its `sent`: the words for its status depend on it. */
enum { SGH_LOCAL_BY_QUEUE, SGH_LOCAL_BY_DISK, SGH_LOCAL_BY_WAIT };

/* A change of the database. finish() runs on the broker's thread, with the lock held. */
struct sgh_local_change {
	struct sgh_db_job job;
	struct sgh_local *local;
	struct sgh_list link; /* among those that ended, or those to try again */
	int status;
	void (*finish)(struct sgh_local_change *change);
};

/* A message in a queue, in hand, or on its way to the disk. */
struct sgh_local_item {
	struct sgh_list link; /* in its queue, or among those to free */
	struct sgh_local_change change;
	struct sgh_local_queue *queue;
	int64_t id;     /* the order of publishing */
	int64_t due_ms; /* Unix: when its time in the queue ends; 0: never */
	bool durable;
	bool frees;   /* as sgh_publish.frees */
	bool written; /* is on disk */
	bool kept;    /* counts in the queue's window; otherwise it is only passing */
	bool redelivered;
	bool alone;          /* suspected of killing: nothing else of the queue in hand */
	unsigned deliveries; /* that failed */
	unsigned saved;      /* of those, that the database knows of */
	uint64_t size;       /* of the body */
	bool counted;        /* the body held here, in the queue's held_bytes */
	struct sgh_bytes *body; /* NULL: empty, in hand, or in the database only */
	unsigned char *meta;
	size_t meta_length;
	int64_t new_id; /* of a dead letter, in the queue that it moves to */
	struct sgh_local_queue *target;
	/* Who published it and waits for the disk; NULL when nobody does any more. */
	struct sgh_publish *publish;
	struct sgh_local_handle *handle;
	struct sgh_list flight;
};

/*
 * A queue: `kept` is the front of its durable messages, in order of id, all up to `edge`
 * that are not in hand. What comes after that is in the database only: `tail` messages, and
 * `passing` that are being written. It is below 0 for those that were read before we heard
 * that they are written.
 */
struct sgh_local_queue {
	struct sgh_list link;
	const struct sgh_local_row *row;
	char *name;
	const char *event; /* the routing key of the events that it gets; NULL: none */
	struct sgh_list kept;
	size_t kept_count;
	size_t kept_written;
	size_t held_bytes; /* of bodies that are held for it */
	int64_t edge;
	int64_t tail;
	int64_t passing;
	struct sgh_list transient;
	size_t transient_count;
	unsigned consumers;    /* attached */
	unsigned prefetch;     /* of those, together */
	unsigned in_hand;      /* durable ones */
	unsigned alone;        /* suspects in hand, or being removed */
	bool lets_go;          /* the last consumer has gone: bodies are not held */
	int64_t crash_id;      /* up to here messages may have been delivered before */
	int64_t load_again_ms; /* after reading the tail failed */
	int64_t read_again_ms; /* after reading a body failed */
	/* How many messages may be in hand, as the database has it. */
	struct sgh_local_change marking;
	bool marks; /* that change is under way */
	bool mark_failed;
	unsigned mark;
	unsigned mark_wanted;
	/* Of a delay queue: what is due moves on. */
	struct sgh_local_change moving;
	bool moves;
	int64_t head_due_ms; /* Unix; SGH_NEVER: there is nothing */
	int64_t move_base;   /* the ids that those moved take */
	int moving_to;
	int64_t move_id;    /* the one that was to move when it failed; 0: none */
	int64_t move_after; /* up to here what is left cannot be moved */
	unsigned moved;
	int64_t move_next_ms;
	int64_t move_again_ms; /* monotonic: after it failed */
};

struct sgh_local_consumer {
	struct sgh_consumer base;
	struct sgh_local_handle *handle;
	struct sgh_list link;
	char *name;
	bool own;
	int refs; /* atomic: the holder, each delivery, a call under way */
	struct sgh_local_queue *queue; /* when attached */
	bool paused;
	bool freed;
	bool calling;
	bool told; /* that it is attached */
	unsigned in_hand;
	size_t bytes;
};

struct sgh_local_delivery {
	struct sgh_delivery base;    /* base.link: all that are in hand */
	struct sgh_local_item *item; /* NULL: somebody else's by now */
	size_t bytes;
};

struct sgh_local_handle {
	struct sangraha_queue base;
	struct sgh_local *local;
	struct sgh_list link;
	int holds;        /* atomic: of its memory */
	unsigned in_hand; /* publishes */
	unsigned consumers;
	struct sgh_list told; /* publishes to end */
	struct sgh_list probes;
	int64_t closing_ms; /* since when; 0: it is open */
	bool own_end;       /* it was closed in a callback: nobody waits for that */
	bool closed;
	bool last; /* and the broker went with it */
};

struct sgh_local {
	struct sgh_shared shared;
	int holds; /* atomic: handles, the thread */
	struct sangraha_context *context;
	struct sgh_db *db;
	struct sgh_db_reader *reader; /* the thread's own, once that runs */
	bool recovered;               /* the database is open, and as it should be */
	pthread_t thread;
	size_t window_bytes; /* of bodies held for one queue */
	pthread_mutex_t lock;
	pthread_cond_t work;    /* for the thread */
	pthread_cond_t changed; /* for those who wait for it */
	struct sgh_local_queue queues[SGH_LOCAL_QUEUES];
	struct sgh_list own; /* queues of consumers */
	struct sgh_list handles;
	struct sgh_list consumers;
	struct sgh_list deliveries; /* in hand */
	int64_t last_id;
	struct sgh_list flights;  /* items whose publishers wait */
	size_t writing;           /* messages being written */
	int64_t late_ms;          /* not before this one of them is late */
	struct sgh_list finished; /* changes */
	size_t outstanding;       /* changes that have not ended */
	int64_t moved_ms;         /* when one of these did, or the first was begun */
	size_t leaving;           /* messages that were settled and are on disk still */
	struct sgh_list retries;  /* changes that the disk did not take */
	int64_t retry_ms;
	struct sgh_backoff backoff;
	struct sgh_list trash; /* items to free without the lock */
	bool busy;             /* something was done: look again */
	bool woken;
	/* The last change failed for the disk, as `why` tells. */
	bool failing;
	struct sgh_metric *gauge;
	int64_t complained_ms;
	struct sangraha_error why;
	struct sgh_local_change probing; /* whether the disk is back */
	bool probes;
	bool stop;
};

static inline struct sgh_local_handle *sgh_local_handle_of(struct sangraha_queue *base)
{
	return sgh_container_of(base, struct sgh_local_handle, base);
}

static inline struct sgh_local_consumer *
sgh_local_consumer_of(const struct sgh_consumer *base)
{
	return sgh_container_of((void *)base, struct sgh_local_consumer, base);
}

/* ---- local_broker.c: life, and the thread ---- */

void sgh_local_unhold(struct sgh_local *local);
void sgh_local_handle_unhold(struct sgh_local_handle *handle);
/* Wake the thread. */
void sgh_local_wake_locked(struct sgh_local *local);
int sgh_local_get(struct sangraha_context *context, const char *path,
		  struct sgh_local **ret, struct sangraha_error *err);

/* ---- local_publish.c: routing, confirms, probes ---- */

int sgh_local_publish(struct sangraha_queue *queue, struct sgh_publish *publish,
		      struct sangraha_error *err);
/* End one publish; and one probe. False when there is none. */
bool sgh_local_tell_locked(struct sgh_local *local, struct sgh_local_handle *handle);
bool sgh_local_answer_locked(struct sgh_local *local, struct sgh_local_handle *handle);
/* End what is late, or all of a handle; returns when to look again. */
int64_t sgh_local_late_locked(struct sgh_local *local);
void sgh_local_give_up_locked(struct sgh_local_handle *handle);

/* ---- local_queue.c: what is in a queue ---- */

void sgh_local_queue_init(struct sgh_local_queue *queue, const struct sgh_local_row *row);
/* Forgets a response queue; its messages become trash. */
void sgh_local_queue_remove_locked(struct sgh_local *local,
				   struct sgh_local_queue *queue);
struct sgh_local_queue *sgh_local_queue_find_locked(struct sgh_local *local,
						    const char *name);
size_t sgh_local_queue_ready_locked(const struct sgh_local_queue *queue);
bool sgh_local_queue_full_locked(const struct sgh_local_queue *queue);
/* A new message at the end; a durable one counts when it is written. */
void sgh_local_queue_append_locked(struct sgh_local_queue *queue,
				   struct sgh_local_item *item);
void sgh_local_queue_written_locked(struct sgh_local_item *item, bool written);
/* The first message, which stays; NULL: there is none, or not yet. */
struct sgh_local_item *sgh_local_queue_first_locked(struct sgh_local_queue *queue);
void sgh_local_queue_take_locked(struct sgh_local_item *item);
/* Back to its place. */
void sgh_local_queue_put_back_locked(struct sgh_local_item *item);
/* Do not hold bodies that nobody takes. Lets go of the lock. */
void sgh_local_queue_let_go_locked(struct sgh_local *local,
				   struct sgh_local_queue *queue);
/* Read more of the tail, without the lock; true when it did. */
bool sgh_local_queue_load_locked(struct sgh_local *local, struct sgh_local_queue *queue,
				 int64_t *next_ms);
/* Move on, or remove, what has waited long enough; returns when to look again. */
int64_t sgh_local_queue_expire_locked(struct sgh_local *local,
				      struct sgh_local_queue *queue);
/* Whether it has been in hand when the process died, too often to be near others. */
bool sgh_local_queue_suspects(const struct sgh_local_item *item);
/* Bring the mark of how many are in hand up to date; true when it is. */
bool sgh_local_queue_mark_locked(struct sgh_local *local, struct sgh_local_queue *queue);

/* ---- local_change.c: from memory to the database ---- */

/* Free it, without the lock. */
void sgh_local_item_free(struct sgh_local_item *item);
/* Everything that is left, when nothing runs any more. */
void sgh_local_discard(struct sgh_local *local);
void sgh_local_trash_locked(struct sgh_local *local, struct sgh_local_item *item);
void sgh_local_submit_locked(struct sgh_local *local, struct sgh_local_change *change,
			     int (*run)(struct sgh_db_job *job, struct sgh_db *db,
					struct sangraha_error *err),
			     void (*finish)(struct sgh_local_change *change), bool lazy);
/* Take what ended; what has to be tried again; the disk's health. */
void sgh_local_finish_locked(struct sgh_local *local);
int64_t sgh_local_retry_locked(struct sgh_local *local);
/* For how long the disk has taken nothing that it was given, when that is too long; or 0. */
int64_t sgh_local_hangs_locked(const struct sgh_local *local);
/* Write a new message; forget one for good; move one to the dead letters. */
void sgh_local_insert_locked(struct sgh_local *local, struct sgh_local_item *item);
void sgh_local_erase_locked(struct sgh_local *local, struct sgh_local_item *item);
void sgh_local_bury_locked(struct sgh_local *local, struct sgh_local_item *item);
void sgh_local_put_aside_locked(struct sgh_local *local, struct sgh_local_item *item);
void sgh_local_write_mark_locked(struct sgh_local *local, struct sgh_local_queue *queue);
void sgh_local_move_due_locked(struct sgh_local *local, struct sgh_local_queue *queue,
			       struct sgh_local_queue *target);

/* ---- local_journal.c: the database ---- */

int sgh_local_journal_open(struct sgh_local *local, const char *path,
			   struct sangraha_error *err);
/* Wait until everything that was submitted has ended. */
void sgh_local_journal_flush(struct sgh_local *local);
/* Save who was in hand and close it all. */
void sgh_local_journal_close(struct sgh_local *local);
/* Read what comes after `edge`, without bodies, and append it to `items`. */
int sgh_local_journal_load(struct sgh_local *local, const struct sgh_local_queue *queue,
			   int64_t edge, size_t most, struct sgh_list *items,
			   struct sangraha_error *err);
/* The id of the message after `edge`, though it cannot be read; 0: none. */
int64_t sgh_local_journal_next(struct sgh_local *local,
			       const struct sgh_local_queue *queue, int64_t edge);
/* The body of a message, `size` bytes, in the context's budget. */
int sgh_local_journal_body(struct sgh_local *local, int64_t id, uint64_t size,
			   struct sgh_bytes **ret, struct sangraha_error *err);
int sgh_local_run_insert(struct sgh_db_job *job, struct sgh_db *db,
			 struct sangraha_error *err);
int sgh_local_run_erase(struct sgh_db_job *job, struct sgh_db *db,
			struct sangraha_error *err);
int sgh_local_run_move(struct sgh_db_job *job, struct sgh_db *db,
		       struct sangraha_error *err);
int sgh_local_run_aside(struct sgh_db_job *job, struct sgh_db *db,
			struct sangraha_error *err);
int sgh_local_run_mark(struct sgh_db_job *job, struct sgh_db *db,
		       struct sangraha_error *err);
int sgh_local_run_due(struct sgh_db_job *job, struct sgh_db *db,
		      struct sangraha_error *err);
int sgh_local_run_probe(struct sgh_db_job *job, struct sgh_db *db,
			struct sangraha_error *err);

/* ---- local_consumer.c ---- */

int sgh_local_consumer_new(struct sangraha_queue *queue,
			   const struct sgh_consumer_options *options,
			   struct sgh_consumer **ret, struct sangraha_error *err);
const char *sgh_local_consumer_queue(const struct sgh_consumer *consumer);
bool sgh_local_consumer_attached(const struct sgh_consumer *consumer);
void sgh_local_consumer_pause(struct sgh_consumer *consumer, bool paused);
void sgh_local_consumer_free(struct sgh_consumer *consumer);
void sgh_local_shed(struct sgh_delivery *delivery);
void sgh_local_settle(struct sgh_delivery *delivery, int verdict);
/* One callback to some consumer; false when none is due. */
bool sgh_local_serve_locked(struct sgh_local *local, int64_t *next_ms);
/* What a handle (NULL: any) has in hand goes back. */
void sgh_local_give_back_locked(struct sgh_local *local, struct sgh_local_handle *handle);

#endif
