/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_ROLES_H
#define SUPPORT_ROLES_H

#include <sangraha/client.h>
#include <sangraha/getter.h>
#include <sangraha/receiver.h>

#include "support/memory_queue.h"
#include "support/memory_store.h"
#include "support/t.h"
#include "wire/protocol.h"

#define T_WRITE   SANGRAHA_WRITE_QUEUE
#define T_READ    SANGRAHA_READ_QUEUE
#define T_DEAD    SANGRAHA_WRITE_QUEUE ".dlq"
#define T_REPLIES "replies" /* where the requests of these tests want their answers */
#define T_EVENTS  "events"  /* bound to the events */

/* How an ordinary write ends, in the journal. */
#define T_SAID     "publish replies: ok\nack object_write_queue: ok\n"
#define T_FINISHED "publish sangraha.object.created: ok\n" T_SAID
/* How the sure way of a json object begins. */
#define T_LOOKED                         \
	"head meta/deleted: not_found\n" \
	"head meta/deleted: not_found\n" \
	"head meta/deleted: not_found\n" \
	"head image: not_found\n"        \
	"head pdf: not_found\n"

/* Roles over a broker and a store in memory. What a test does not start stays NULL. */
struct t_roles {
	struct sangraha_context *context;
	struct script *script;
	struct memory_broker *broker;
	struct sangraha_store *store;
	struct sangraha_queue *queue; /* of receiver and getter */
	struct sangraha_receiver *receiver;
	struct sangraha_getter *getter;
	struct sangraha_queue *client_queue;
	struct sangraha_client *client;
};

/* cmocka's set-up and tear-down: everything but the roles, and the end of it all. */
int t_roles_begin(void **state);
/* With so much memory; 0: the default. */
int t_roles_begin_within(void **state, size_t memory_limit);
int t_roles_end(void **state);
/* The same with a receiver, or a getter, that has begun to work. */
int t_receiver_begin(void **state);
int t_getter_begin(void **state);
/* With a receiver that reads large objects back. */
int t_verifier_begin(void **state);

/* Start one and wait until it works; the journal is empty then. NULL: by default. */
void t_start_receiver(struct t_roles *f, const struct sangraha_receiver_options *options);
void t_start_verifier(struct t_roles *f);
void t_start_getter(struct t_roles *f, const struct sangraha_getter_options *options);
/* Without a cache, so that each read is one; the second has it. */
void t_start_client(struct t_roles *f, const struct sangraha_client_options *options);
void t_start_caching_client(struct t_roles *f,
			    const struct sangraha_client_options *options);
/* One whose response queue is not there before script_release(). */
void t_start_deaf_client(struct t_roles *f);
/* A broker with other delays than a thousandth; before any role. */
void t_roles_speed(struct t_roles *f, unsigned speed);
bool t_writes(struct t_roles *f); /* the receiver says that it can write */

/* Ids that look fresh; "…-000000000001" for 1. Valid until sixteen more were asked for. */
const char *t_id(unsigned n);

/* A request as a requester sends it: fresh, published now, 30 s left, answer wanted. */
struct sgh_request *t_request(enum sgh_verb verb, const char *type, const char *id);
/* A put of json. */
struct sgh_request *t_put(const char *id, const char *body);
/* Send it; takes the request. The second as if it had been delivered before. */
void t_send(struct t_roles *f, struct sgh_request *request);
void t_send_again(struct t_roles *f, struct sgh_request *request, unsigned deliveries);
/* The same as if it came in a batch with others. */
void t_send_batched(struct t_roles *f, struct sgh_request *request, unsigned deliveries);
/* Requests for the same queue that come in one batch, together. All are taken. */
void t_send_together(struct t_roles *f, struct sgh_request **requests, size_t count);

/* The next answer; it has that status. Yours: sgh_reply_free(). */
#define t_answer(f, status) t_answer_((f), (status), __FILE__, __LINE__)
struct sgh_reply *t_answer_(struct t_roles *f, int status, const char *file, int line);
/* The same, and nothing else of it matters. */
#define t_answers(f, status) sgh_reply_free(t_answer((f), (status)))
/* Send a put, a delete; its answer has that status, and the journal is emptied. */
#define t_puts(f, status, id, body) \
	(t_send((f), t_put((id), (body))), t_done((f), (status)))
#define t_deletes(f, status, type, id) \
	(t_send((f), t_request(SGH_DELETE, (type), (id))), t_done((f), (status)))
#define t_done(f, status) t_done_((f), (status), __FILE__, __LINE__)
void t_done_(struct t_roles *f, int status, const char *file, int line);

/* Where a large object's record lies that t_pins() makes. */
#define T_RECORD "6e0a3c56-1f0e-4c0a-8f5e-00000000abcd"
/* Store json that pins a record, as an upload in parts leaves it; `complete`: the record too. */
void t_pins(struct t_roles *f, const char *id, const char *body, bool complete);
bool t_has_record(struct t_roles *f, const char *id);
/* Store a record under a key of "meta". */
struct sgh_record;
void t_set_record(struct t_roles *f, const char *key, const struct sgh_record *record);

/* The text of a message's body; yours to free. */
char *t_text(const struct sgh_message *message);

#endif
