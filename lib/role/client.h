/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_CLIENT_H
#define SGH_ROLE_CLIENT_H

#include <pthread.h>

#include <sangraha/client.h>

#include "base/context.h"
#include "base/timer.h"
#include "queue/queue.h"
#include "role/cache.h"
#include "role/tally.h"
#include "store/mover.h"
#include "wire/crc32c.h"
#include "wire/protocol.h"

#define SGH_CALL_CHAINS 1024 /* a power of two */

enum sgh_client_probe {
	SGH_PROBE_WRITES,
	SGH_PROBE_READS,
	SGH_PROBE_DEAD_WRITES,
	SGH_PROBE_DEAD_READS,
	SGH_PROBES,
};

struct sgh_probe {
	struct sgh_queue_probe probe;
	struct sangraha_client *client;
	struct sgh_metric *gauge; /* of dead letters; NULL for request queues */
	bool pending;
	bool consumed;
	int64_t seen_ms; /* when the broker last answered; 0: never */
};

/* Whether those who take requests take several in one message. Atomic, each by itself. */
struct sgh_batches {
	bool taken;       /* the last answer said so */
	int64_t alone_ms; /* until when none are sent all the same */
};

struct sangraha_client {
	int refs; /* atomic: the user's, and one for each call */
	struct sangraha_context *context;
	struct sangraha_queue *queue;
	struct sangraha_types *types;
	struct sgh_consumer *replies;
	struct sgh_consumer *events; /* deletes; NULL without a cache */
	struct sgh_cache *cache;     /* NULL: there is none */
	char reply_to[128];          /* the name of their queue */
	struct sgh_timers *timers;
	struct sgh_tally tally;
	struct sgh_crc32c crc32c; /* how this processor computes it */
	struct sgh_metric *uploads_open;
	size_t inline_limit;
	unsigned streams; /* atomic: uploads that keep a connection to the store */
	unsigned moving;  /* atomic: parts of uploads on their way */
	int64_t moved_ms; /* atomic: when the last one ended */
	uint64_t spool_limit;
	uint64_t max_object_size;
	bool large_writes;
	unsigned timeout_ms;
	unsigned async_timeout_ms;
	unsigned max_in_flight;
	bool direct;
	bool persistent_reads;
	struct sgh_batches batches[2]; /* with receivers, with getters */
	int wake_fd;
	struct sgh_timer tick;
	struct sgh_timer
		hand;         /* dispatches what the cache answered, of a direct client */
	unsigned more_timers; /* atomic: besides those of the calls and the tick */
	unsigned idle_timeout_ms; /* of a transfer */
	char *store_ca_file;      /* NULL: the system's */
	struct {
		pthread_mutex_t lock;
		struct sgh_mover *up; /* NULL: nothing was moved yet */
		struct sgh_mover *down;
	} move;
	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed;
		struct sgh_list calls[SGH_CALL_CHAINS]; /* open ones, by correlation id */
		size_t call_count;
		size_t completing; /* settled calls whose `done` has not returned */
		struct sgh_list completed; /* results to be dispatched */
		struct sgh_list uploads;   /* those that are more than one message */
		struct sgh_probe probes[SGH_PROBES];
		size_t probes_pending;
		bool was_attached; /* the response queue has been there */
		bool closing;
	} state;
};

/*
 * Why a request may have got no answer, as far as the broker's word goes: "and no receiver
 * is there"; NULL when nothing is known to be missing.
 */
const char *sgh_client_misses(struct sangraha_client *client, bool reads);

struct sangraha_client *sgh_client_ref(struct sangraha_client *client);
void sgh_client_unref(struct sangraha_client *client);

/*
 * Make room for one more timer among client->timers, until it is released: arming it
 * cannot fail. False without memory; released all the same.
 */
bool sgh_client_reserve_timer(struct sangraha_client *client);
void sgh_client_release_timer(struct sangraha_client *client);

/*
 * What moves large bodies up, and down, made when it is first wanted. Each is the client's,
 * and ends with it. They are two, so that no number of readers who take their time keeps a
 * body from being stored.
 */
int sgh_client_mover_up(struct sangraha_client *client, struct sgh_mover **ret,
			struct sangraha_error *err);
int sgh_client_mover_down(struct sangraha_client *client, struct sgh_mover **ret,
			  struct sangraha_error *err);

/* The answer as the user sees it; waits in client->state.completed by its link. */
struct sangraha_result {
	struct sgh_list link;
	sangraha_done_fn *done;
	void *arg;
	int status;
	struct sangraha_error err;
	struct sgh_reply *reply; /* NULL: no answer came */
	char id[SANGRAHA_ID_SIZE];
	int64_t until_ms; /* of an asynchronous put: Unix; 0 */
	bool cached;      /* the answer to an earlier question */
};

/*
 * Hand a result to whoever asked: now, on this thread, when `direct`; else to the next
 * dispatch. Takes the result.
 */
void sgh_client_complete(struct sangraha_client *client, struct sangraha_result *result,
			 bool direct);

/* ---- calls ---- */

/*
 * Send `request`, which the call takes in any case, and see to its answer. `direct` calls
 * `done` on a thread of the library whatever the client says.
 */
int sgh_call_start(struct sangraha_client *client, struct sgh_request *request,
		   unsigned timeout_ms, bool direct, sangraha_done_fn *done, void *arg,
		   struct sangraha_error *err);

/*
 * The same, but a get or a stat of an object is answered from the cache if that can be:
 * then `done` of a `direct` call has been called when this returns.
 */
int sgh_read_start(struct sangraha_client *client, struct sgh_request *request,
		   unsigned timeout_ms, bool direct, sangraha_done_fn *done, void *arg,
		   struct sangraha_error *err);

/*
 * Keep a success that was asked for at `asked_ms` with the cache's mark (0: of no get), if
 * it is about the object that was asked for, and all there: its bytes, or a ticket for them.
 */
void sgh_read_keep(struct sangraha_client *client, const struct sgh_request *request,
		   uint64_t mark, int64_t asked_ms, const struct sgh_reply *reply);

/*
 * Make the cache that the options want, and listen for deletes. The client has room for
 * two timers more.
 */
int sgh_reads_begin(struct sangraha_client *client,
		    const struct sangraha_client_options *options,
		    struct sangraha_error *err);

/*
 * A reply arrived, in one batch with others if `together`: settle the call it belongs to.
 * Takes the reply.
 */
void sgh_call_answer(struct sangraha_client *client, struct sgh_reply *reply,
		     bool together);

/* A reply arrived that cannot be read: `err` is the answer. */
void sgh_call_fail(struct sangraha_client *client, const char *correlation_id,
		   const struct sangraha_error *err);

/*
 * The response queue is there: what was held is sent now, what has no answer again in
 * time.
 */
void sgh_calls_resend(struct sangraha_client *client);

/* End all open calls. */
void sgh_calls_abort(struct sangraha_client *client);

/* ---- batches ---- */

/*
 * Whether a request may travel with others. Receivers of another make may take no batches, so
 * as long as there may be some, all go alone; what is sent again does as well.
 */
bool sgh_batches_may(struct sangraha_client *client, const struct sgh_request *request);

/* What an answer, or the want of one (NULL), tells about those who take requests. */
void sgh_batches_learn(struct sangraha_client *client, const struct sgh_request *request,
		       const struct sgh_reply *reply);

/* It was answered together with others: whoever asked may ask again, and they too. */
void sgh_batches_expect(struct sangraha_client *client,
			const struct sgh_request *request);

/* ---- requests ---- */

/* A copy in the request's arena; NULL for NULL. False without memory. */
bool sgh_request_keep(struct sgh_request *request, const char *text, const char **ret);

/*
 * The put that options describe, still without its body; checks the arguments. *ret is
 * the caller's.
 */
int sgh_put_request(struct sangraha_client *client,
		    const struct sangraha_put_options *options, struct sgh_request **ret,
		    struct sangraha_error *err);
/* One more pair of metadata; copied. */
int sgh_request_add_meta(struct sgh_request *request, const char *name, const char *value,
			 struct sangraha_error *err);

/* Likewise the others; NULL for what a verb does not have. */
int sgh_plain_request(struct sangraha_client *client, enum sgh_verb verb,
		      const char *type, const char *id,
		      const struct sangraha_request_options *options,
		      struct sgh_request **ret, struct sangraha_error *err);
int sgh_list_request(struct sangraha_client *client, const char *type, unsigned limit,
		     const char *cursor, const struct sangraha_request_options *options,
		     struct sgh_request **ret, struct sangraha_error *err);

unsigned sgh_put_timeout(const struct sangraha_client *client,
			 const struct sangraha_put_options *options);
unsigned sgh_request_timeout(const struct sangraha_client *client,
			     const struct sangraha_request_options *options);

#endif
