/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_AMQP_PUBLISHING_H
#define SGH_QUEUE_AMQP_PUBLISHING_H

#include "queue/amqp_confirms.h"
#include "queue/amqp_publisher.h"

/*
 * What the four files of the publishing connection share. amqp_publisher.c is what other
 * threads call, and the connection's life; amqp_batch.c says what travels together;
 * amqp_publish.c ends and writes messages; amqp_answers.c hears what the broker says about
 * them.
 */

/* What needs a confirm, what does not, and what only asks. */
enum sgh_amqp_channel {
	SGH_AMQP_CONFIRMED = 1,
	SGH_AMQP_PLAIN = 2,
	SGH_AMQP_ASKING = 3,
};

enum sgh_amqp_state {
	SGH_AMQP_WAITING, /* `tag` is when it was submitted (monotonic) */
	SGH_AMQP_WRITING,
	SGH_AMQP_SENT,
};

/* Without a connection, or blocked, before calls fail. */
#define SGH_AMQP_PATIENCE_MS 1000

/* A message that the broker returned, as its frames come in. */
struct sgh_amqp_returning {
	bool active;
	struct sgh_amqp_returned what;
};

#define SGH_AMQP_EXPECTED 2 /* of these queues, at a time: requests go to so many */

/* Publishes that may come, as other threads tell of them. */
struct sgh_amqp_expected {
	const char *queue_name;
	unsigned count;  /* 0: none */
	int64_t told_us; /* of the last one */
};

#define SGH_AMQP_WAYS 16

/*
 * Where messages go that may travel together. Each way waits for its own confirm: one queue
 * that is slow to take its messages, or does not, holds up nobody's but its own.
 */
struct sgh_amqp_way {
	char exchange[256]; /* AMQP has none that are longer */
	char routing_key[256];
	struct sgh_list company; /* publishes not written yet */
	bool out;          /* one of them, or a batch, was gathered and is not done */
	unsigned expected; /* so many are waited for */
	int64_t until_us;  /* ... until then */
};

struct sgh_amqp_publisher {
	struct sgh_amqp_conn conn;
	void (*released)(void *owner);
	void *owner;

	/* The thread's own. */
	struct sgh_list waiting;                 /* publishes not written yet */
	struct sgh_amqp_way ways[SGH_AMQP_WAYS]; /* ... those that may go in batches */
	struct sgh_amqp_confirms confirms;
	struct {
		struct sgh_publish *publish; /* NULL: given up meanwhile */
		struct sgh_bytes *body;      /* what is being written; NULL: nothing is */
		size_t sent;
		enum sgh_amqp_channel channel;
	} writing;
	bool open[SGH_AMQP_ASKING + 1]; /* by channel */
	struct sgh_amqp_returning returning[SGH_AMQP_ASKING];
	struct sgh_list asking;         /* probes */
	struct sgh_queue_probe *probed; /* the one that was sent; NULL: given up */
	bool probing;                   /* an answer is due */
	int64_t deadline_ms;            /* nothing ends before */
	int64_t scanned_ms;
	int64_t held_ms;    /* until when those that were submitted are held */
	int64_t blocked_ms; /* since when; 0: not blocked */
	uint32_t complained;

	struct {
		pthread_mutex_t lock;
		struct sgh_list publishes; /* submitted */
		bool rung;                 /* for those, since they were last taken */
		int64_t held_ms;           /* ... or until when they are held at most */
		struct sgh_list probes;
		struct sgh_amqp_expected expected[SGH_AMQP_EXPECTED];
		size_t in_hand; /* publishes without `done` */
		int64_t deadline_ms;
		int64_t blocked_ms;
		char blocked[256]; /* why */
		bool finished;
	} s;
};

static inline struct sgh_amqp_publisher *sgh_amqp_publisher_of(struct sgh_amqp_conn *conn)
{
	return sgh_container_of(conn, struct sgh_amqp_publisher, conn);
}

/* ---- amqp_publisher.c ---- */

/* Why nothing can be sent, for longer than a caller is asked to wait; 0: it can. */
int sgh_amqp_impatient(struct sgh_amqp_publisher *publisher, struct sangraha_error *err);
/* What other threads have submitted is the connection's from now on, but what is held yet. */
void sgh_amqp_take_submitted(struct sgh_amqp_publisher *publisher, int64_t now);

/* ---- amqp_publish.c ---- */

/* The one end of each message. */
void sgh_amqp_done(struct sgh_amqp_publisher *publisher, struct sgh_publish *publish,
		   int status, const struct sangraha_error *err);
void sgh_amqp_done_with(struct sgh_amqp_publisher *publisher, struct sgh_publish *publish,
			int status, const char *message);
int64_t sgh_amqp_publisher_turn(struct sgh_amqp_conn *conn, int64_t now);
/* Something has to end at that time. */
void sgh_amqp_note(struct sgh_amqp_publisher *publisher, int64_t deadline_ms);

/* ---- amqp_batch.c ---- */

void sgh_amqp_ways_init(struct sgh_amqp_publisher *publisher);
/*
 * What was submitted goes to `waiting` or, if it may go in batches and there is a way for it,
 * into the company of that.
 */
void sgh_amqp_sort(struct sgh_amqp_publisher *publisher, struct sgh_list *submitted);
/*
 * Those are waited for, for a while, if they have a way; not for longer by who waits there
 * already. Before what was submitted since is sorted.
 */
void sgh_amqp_expect(struct sgh_amqp_publisher *publisher,
		     const struct sgh_amqp_expected *expected);
/*
 * Put the next batch of each way in front of `waiting`, if none is out there. True: some wait
 * for others, so it is to be called again in a millisecond, if not before.
 */
bool sgh_amqp_gather(struct sgh_amqp_publisher *publisher, int64_t now_us);
/* Nobody waits for company any more: all go to `waiting`. */
void sgh_amqp_disband(struct sgh_amqp_publisher *publisher);

/* ---- amqp_answers.c ---- */

void sgh_amqp_publisher_frame(struct sgh_amqp_conn *conn, const amqp_frame_t *frame);
void sgh_amqp_publisher_blocked(struct sgh_amqp_conn *conn, const char *reason);
/* The connection that was blocked is gone. */
void sgh_amqp_publisher_forget_blocked(struct sgh_amqp_publisher *publisher);
/* What was written in part waits again; what was sent ends, and `blame` finds whose fault. */
void sgh_amqp_unwrite(struct sgh_amqp_publisher *publisher);
void sgh_amqp_end_sent(struct sgh_amqp_publisher *publisher,
		       const struct sangraha_error *err, bool blame);

#endif
