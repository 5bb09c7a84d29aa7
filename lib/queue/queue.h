/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_QUEUE_H
#define SGH_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/queue.h>

#include "base/context.h"
#include "base/list.h"
#include "wire/message.h"

/*
 * The queue seam. Roles publish, consume and acknowledge through it and know nothing of
 * what is behind. All functions may be called from any thread and never block unless they
 * say so. Callbacks run on a thread of the queue, with no lock held; they must be short
 * and may call the functions below.
 */

/* ---- publishing ---- */

/*
 * One message on its way, embedded in the caller's struct. The fields above the line are
 * the caller's and stay unchanged, with what they point to, until `done` was called.
 */
struct sgh_publish {
	const char *exchange; /* "" is the default exchange */
	const char *routing_key;
	const struct sgh_message *message;
	bool mandatory; /* a message that no queue takes is a failure */
	bool confirm;   /* done when the broker has taken charge of it; else when sent */
	/* It is small, and asks for what makes room: it may use what is kept for that. */
	bool frees;
	/*
	 * Whoever consumes it takes batches apart: small messages with a confirm may travel
	 * together, and overtake others. While none of those to the same queue is on its way,
	 * and none is expected (sgh_queue_expect()), this one goes at once.
	 */
	bool batch;
	/*
	 * The caller publishes others right behind it. This one stays until there is one
	 * that is not held, or sgh_queue_go_on(), of which one must follow at once; or,
	 * where that is not certain, until `held_ms` have passed.
	 */
	bool held;
	unsigned held_ms;    /* 0: it is certain */
	int64_t deadline_ms; /* monotonic */
	/*
	 * Called exactly once. 0: sent, or confirmed. SANGRAHA_E_NOT_FOUND: returned as
	 * unroutable. _OVERLOADED: refused by the queue (nack). _UNAVAILABLE: the
	 * connection was lost first, the broker may have it or not. _TIMEOUT: neither, the
	 * same. _INVALID: the broker closed the channel over it.
	 */
	void (*done)(struct sgh_publish *publish, int status,
		     const struct sangraha_error *err);
	/* -------- private to the back end -------- */
	struct sgh_list link;
	uint64_t tag;
	size_t sent;
	int state;
	size_t size; /* of its properties and headers in a frame, at most */
	void *way;   /* that it has to itself until it is done; NULL: none */
};

/*
 * Begin to publish. In order of the calls on one queue. Fails at once, without `done`:
 * SANGRAHA_E_UNAVAILABLE when there has been no connection for 1 s, _OVERLOADED past
 * SGH_PUBLISH_MAX messages in hand.
 */
int sgh_queue_publish(struct sangraha_queue *queue, struct sgh_publish *publish,
		      struct sangraha_error *err);

#define SGH_PUBLISH_MAX 65536

/* There is nothing to publish behind those that were held. */
void sgh_queue_go_on(struct sangraha_queue *queue);

/*
 * An answer has come in one batch with others, and whoever asked for it may well ask again at
 * once: what may go in batches to that queue waits for as many as were told of so, until a
 * millisecond after the last of them that came before it. `queue_name` is one of the
 * contract, and stays.
 */
void sgh_queue_expect(struct sangraha_queue *queue, const char *queue_name);

/* What the queues are called that consumers of events have: this, a dot, something. */
#define SGH_EVENT_QUEUE "object_event_queue"

/* ---- consuming ---- */

struct sgh_consumer;

/* One message in hand. Whoever gets it must acknowledge, return or reject it, once. */
struct sgh_delivery {
	struct sgh_message *message; /* owned by the delivery; take it by sgh_take() */
	struct sgh_consumer *consumer;
	bool redelivered;
	unsigned delivery_count; /* x-delivery-count of a quorum queue, else 0 */
	/*
	 * It came with others, and is acknowledged with the last of them: if one of them is
	 * given back, all are delivered again.
	 */
	bool batched;
	/*
	 * As soon as deliver() returns, another one of that batch is delivered, on the same
	 * thread. So what can be done for several at once may be left to the last one.
	 */
	bool goes_on;
	/* That the broker dead-lettered it: why ("rejected"), in the message's memory, and
	 * when, in Unix milliseconds; NULL and 0: it did not, or does not tell. */
	const char *died_of;
	int64_t died_ms;
	/*
	 * The body was larger than `max_body` and was skipped; message->body is NULL. Only
	 * sgh_delivery_reject() keeps such a message.
	 */
	bool oversize;
	uint64_t announced; /* the body's size in bytes */
	/* -------- private to the back end -------- */
	uint64_t tag;
	uint64_t epoch; /* of the connection; older ones are not acknowledged any more */
	struct sgh_list link;
	int verdict;
};

struct sgh_consumer_options {
	const char *queue; /* NULL: a response queue of its own, named by the back end */
	/*
	 * Without `queue`: events, those with this routing key, instead of responses; it
	 * outlives the consumer. They come into a queue that is there only while the
	 * consumer is attached, so all that was published before is lost, and what it has
	 * no room for. NULL otherwise.
	 */
	const char *event;
	unsigned prefetch; /* deliveries in hand, at most */
	size_t max_bytes;  /* of bodies in hand; one message always fits */
	size_t max_body;   /* a larger one is skipped */
	bool batches;      /* take them apart: see sgh_publish.batch */
	/* Called for each message; the delivery is the callee's. */
	void (*deliver)(void *arg, struct sgh_delivery *delivery);
	/* The consumer is attached (true) or not any more; may be NULL. */
	void (*attached)(void *arg, bool attached);
	void *arg;
};

/* Begin to consume, and again after each reconnect. `options` is copied. */
int sgh_consumer_new(struct sangraha_queue *queue,
		     const struct sgh_consumer_options *options,
		     struct sgh_consumer **ret, struct sangraha_error *err);

/*
 * The queue's name, also of a response queue; stays the same over reconnects. Of events
 * only its beginning, SGH_EVENT_QUEUE.
 */
const char *sgh_consumer_queue(const struct sgh_consumer *consumer);

/* Whether the broker has it attached now. */
bool sgh_consumer_attached(const struct sgh_consumer *consumer);

/*
 * Stop or resume deliveries (basic.cancel and basic.consume); what is in hand stays in
 * hand. Deliveries that were under way may still arrive after a pause: deliver() is
 * called for them.
 */
void sgh_consumer_pause(struct sgh_consumer *consumer);
void sgh_consumer_resume(struct sgh_consumer *consumer);

/*
 * Cancel and release. When it returns, deliver() is not running and will not be called;
 * blocks for that, so not from a callback. Deliveries in hand can be settled afterwards:
 * they hold what they need. What has not been settled when the queue goes is redelivered.
 */
void sgh_consumer_free(struct sgh_consumer *consumer);

/*
 * The message is not needed any more, only the delivery: what its body counts for in
 * `max_bytes` is given back, and others can come. message is NULL afterwards.
 */
void sgh_delivery_shed(struct sgh_delivery *delivery);
/*
 * Its answer is about to be published, or there will be none. True when that could be said of
 * all that came in one batch with it, and of who came alone. Said once of each delivery, at
 * most: who is settled without a word is counted then, and nobody is told.
 */
bool sgh_delivery_answered(struct sgh_delivery *delivery);
/* The work is done: forget the message. Frees the delivery. */
void sgh_delivery_ack(struct sgh_delivery *delivery);
/* Not begun: give it back for another consumer. Frees the delivery. */
void sgh_delivery_return(struct sgh_delivery *delivery);
/* Hopeless: the broker dead-letters it. Frees the delivery. */
void sgh_delivery_reject(struct sgh_delivery *delivery);

/* ---- asking ---- */

/* What a queue holds, by passive declaration; embedded in the caller's struct. */
struct sgh_queue_probe {
	const char *queue;
	int64_t deadline_ms;
	/* Called exactly once; the numbers are valid with status 0. */
	void (*done)(struct sgh_queue_probe *probe, int status,
		     const struct sangraha_error *err);
	uint64_t messages;
	uint64_t consumers;
	/* -------- private to the back end -------- */
	struct sgh_list link;
	int state;
};

int sgh_queue_probe(struct sangraha_queue *queue, struct sgh_queue_probe *probe,
		    struct sangraha_error *err);

/*
 * Whether messages can be published now, persistent ones or others: connected, not blocked.
 * A queue of this process's own whose disk is full still takes those that are not.
 */
bool sgh_queue_ready(struct sangraha_queue *queue, bool persistent);

/* ---- back ends ---- */

/* The common part of every back end's queue, its first member. */
struct sangraha_queue {
	const struct sgh_queue_backend *backend;
	int refs; /* atomic */
	struct sangraha_context *context;
};

/* Likewise the common part of every back end's consumer. */
struct sgh_consumer {
	struct sangraha_queue *queue;
	struct sgh_consumer_options options;
};

/*
 * What a back end provides. queue.c checks arguments and holds no lock while calling. The
 * contracts are those of the functions above with the same names.
 */
struct sgh_queue_backend {
	const char *schemes; /* "amqp:" or several, separated by spaces */

	/*
	 * `url` is the whole, comma-separated text. On failure everything taken has been
	 * released.
	 */
	int (*open)(struct sangraha_context *context, const char *url,
		    const struct sangraha_queue_options *options,
		    struct sangraha_queue **ret, struct sangraha_error *err);
	/* The last reference is gone; publishes in hand end as SANGRAHA_E_UNAVAILABLE. */
	void (*destroy)(struct sangraha_queue *queue);

	int (*publish)(struct sangraha_queue *queue, struct sgh_publish *publish,
		       struct sangraha_error *err);
	/* NULL: nothing is held. */
	void (*go_on)(struct sangraha_queue *queue);
	/* NULL: nothing waits for company. */
	void (*expect)(struct sangraha_queue *queue, const char *queue_name);
	int (*probe)(struct sangraha_queue *queue, struct sgh_queue_probe *probe,
		     struct sangraha_error *err);
	bool (*ready)(struct sangraha_queue *queue, bool persistent);
	int (*wait_ready)(struct sangraha_queue *queue, unsigned timeout_ms,
			  struct sangraha_error *err);

	int (*consumer_new)(struct sangraha_queue *queue,
			    const struct sgh_consumer_options *options,
			    struct sgh_consumer **ret, struct sangraha_error *err);
	const char *(*consumer_queue)(const struct sgh_consumer *consumer);
	bool (*consumer_attached)(const struct sgh_consumer *consumer);
	void (*consumer_pause)(struct sgh_consumer *consumer, bool paused);
	void (*consumer_free)(struct sgh_consumer *consumer);
	void (*shed)(struct sgh_delivery *delivery); /* its message is gone already */
	/* NULL: all come alone. */
	bool (*answered)(struct sgh_delivery *delivery);
	void (*settle)(struct sgh_delivery *delivery, int verdict); /* enum sgh_settle */
};

enum sgh_settle {
	SGH_SETTLE_ACK,
	SGH_SETTLE_RETURN,
	SGH_SETTLE_REJECT,
};

extern const struct sgh_queue_backend sgh_queue_amqp;
extern const struct sgh_queue_backend sgh_queue_local; /* if SGH_WITH_EMBEDDED */

#endif
