/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_PROTOCOL_H
#define SGH_WIRE_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/message.h"
#include "wire/object.h"
#include "wire/parts.h"
#include "wire/ticket.h"

/*
 * The queue contract, version 1, as structs: requests and replies to messages and back,
 * in binary mode and in JSON mode. docs/protocol.md is the same for people.
 */

#define SGH_JSON_MODE       "application/vnd.sangraha+json"
#define SGH_LIST_MAX        1000
#define SGH_CURSOR_MAX      512 /* bytes */
#define SGH_TRACEPARENT_MAX 128 /* bytes */
#define SGH_LIST_DEFAULT    100

enum sgh_verb {
	SGH_VERB_UNKNOWN,
	SGH_PUT,
	SGH_PUT_BEGIN,
	SGH_PUT_EXTEND,
	SGH_PUT_COMMIT,
	SGH_PUT_ABORT,
	SGH_DELETE,
	SGH_GET,
	SGH_STAT,
	SGH_LIST,
};

/* Whether a text is 1 to `max` bytes of printable ASCII: a cursor, a traceparent. */
bool sgh_printable(const char *text, size_t max);

/* Whether a request takes something away, so that a full disk has room again. */
static inline bool sgh_verb_frees(enum sgh_verb verb)
{
	return verb == SGH_DELETE || verb == SGH_PUT_ABORT;
}

/* "put", "put-begin", …; "unknown". */
const char *sgh_verb_name(enum sgh_verb verb);
/* Of a message's type, "sangraha.put.v1". */
enum sgh_verb sgh_verb_of(const char *type);

/* Strings live in the arena or outlive the request; NULL means absent. */
struct sgh_request {
	struct sgh_arena arena;
	enum sgh_verb verb;
	bool json;                /* JSON mode, which the reply then uses too */
	const char *operation_id; /* message_id */
	const char *correlation_id;
	const char *reply_to;
	const char *request_id;
	const char *traceparent;
	const char *object_id;   /* checked to be an id when present */
	const char *object_type; /* checked to look like a type's name when present */
	const char *filename;    /* checked by wire/filename.h */
	const char *content_type;
	const char *sha256; /* checked to be a digest */
	int64_t size;       /* bytes; -1: absent */
	int64_t created_ms; /* Unix; 0: absent */
	int64_t deadline;   /* Unix ms; 0: absent */
	int64_t published;  /* Unix ms; 0: absent */
	bool fresh;
	bool batches; /* whoever asks takes answers in batches */
	unsigned attempt;
	unsigned resend;
	bool persistent;
	unsigned limit; /* of a list; 0: absent */
	const char *cursor;
	/* of large objects; docs/protocol.md, "Large objects" */
	enum sgh_ticket_kind transfer; /* put-begin, put-commit: how the body travels */
	const char *crc32c;  /* put-begin, one PUT: checked to be one; NULL: not told */
	const char *record;  /* the record id, of all but put-begin */
	unsigned first_part; /* put-extend: the first part of the ticket; 0: absent */
	const char *facts;   /* what the requester's validator found: a JSON object */
	const char *rules;   /* the version of its rules */
	bool redirect; /* get: the ticket is for a web browser, with headers to match */
	bool download; /* get: ... that is to save it */
	struct sgh_part *parts; /* put-commit: the document in the body */
	size_t part_count;
	struct sgh_pair meta[SGH_META_MAX]; /* decoded UTF-8 */
	size_t meta_count;
	/* The object's bytes, decoded; of put-begin the first 64 KiB. A reference. */
	struct sgh_bytes *body;
};

#define SGH_PREFIX_SIZE (64 << 10) /* bytes of a put-begin's body */

struct sgh_request *sgh_request_new(void); /* zero, size -1; NULL without memory */
void sgh_request_free(struct sgh_request *request);

/*
 * Read a request, which then owns its strings. The request refers to the message's body, or to a decoded copy that
 * `budget` (may be NULL) accounts for. SANGRAHA_E_INVALID says which header is wrong:
 * the message is unreadable then; SANGRAHA_E_UNSUPPORTED: its type is no verb we know.
 * *ret_partial, when not NULL, is then set to what could be told of it (reply_to,
 * correlation_id, ids) so that an error can be answered, and is yours; without memory it
 * may stay untouched.
 *
 * A put is known by its object's id: message_id and object-id are the same, and one may
 * be left out. A delete needs message_id, object-id, object-type; a get object-id and
 * object-type; a stat object-id. A put-begin has as much of the body as it must, a
 * put-commit parts that add up to its size; what else the steps of a large put need is
 * there. A request-id or traceparent that is not valid is left out. Whether `size` and
 * `sha256` are true of the body is not looked at.
 */
int sgh_request_parse(const struct sgh_message *message, struct sgh_budget *budget,
		      struct sgh_request **ret, struct sgh_request **ret_partial,
		      struct sangraha_error *err);

/* Write a request as a message, in the mode that `json` says. */
int sgh_request_message(const struct sgh_request *request, struct sgh_message **ret,
			struct sangraha_error *err);

/*
 * A copy for a delay queue or a dead-letter queue, with `attempt` set: a header in JSON
 * mode too, where it goes before the document's own. It has the properties, the body and
 * the headers of `message`, without those of the broker (x-death and its like), those of
 * an earlier dead letter (dead-…), and strange ones that leave no room for a few more.
 */
int sgh_message_retry(const struct sgh_message *message, unsigned attempt,
		      struct sgh_message **ret, struct sangraha_error *err);

/*
 * A copy of a dead letter for the queue that it lies in: everything but what the broker
 * said, and what there is no room for as above.
 */
int sgh_message_renew(const struct sgh_message *message, struct sgh_message **ret,
		      struct sangraha_error *err);

/*
 * The answer to a request; as a message it has no message_id. `status` 0 with an object
 * (put, get, stat, put-commit; put-begin when the object is there already), with objects
 * (list), with a ticket (put-begin, put-extend; get besides the object), or nothing more
 * (delete, put-abort); otherwise an error.
 */
struct sgh_reply {
	struct sgh_arena arena;
	bool json;
	const char *correlation_id;
	const char *operation_id; /* message_id of the request, header operation-id */
	const char *request_id;
	int status;
	const char *message;            /* a sentence; NULL after success */
	struct sangraha_object *object; /* a reference */
	bool replayed;                  /* the put found its own earlier success */
	bool recorded;                  /* the error is what the operation ended with */
	bool batches;                   /* whoever answers takes batches */
	/* of a refusal */
	const char *declared;
	const char *detected;
	const char *rule;
	int64_t offset; /* -1: none */
	/* of a list */
	bool list;                        /* it is one, though it may be empty */
	struct sangraha_object **objects; /* references, in memory of malloc() */
	size_t object_count;
	const char *next_cursor;
	/* of put-begin, put-extend, and of a get of a large object: in the arena */
	struct sgh_ticket *ticket;
	bool persistent;
	struct sgh_bytes *body;    /* of get; a reference */
	struct sgh_budget *budget; /* a reference, with `counted`; NULL */
	size_t counted;            /* bytes besides the body; see sgh_reply_count() */
};

struct sgh_reply *sgh_reply_new(void); /* zero, offset -1; NULL without memory */
void sgh_reply_free(struct sgh_reply *reply);
/* Count so many bytes in the budget, for what the reply is made into, until it is freed. */
void sgh_reply_count(struct sgh_reply *reply, struct sgh_budget *budget, size_t size);
/* SANGRAHA_E_INVALID for what is no reply. Without object-type, sha256 and size, which a
 * receiver of another make may leave out, a success has no object. */
int sgh_reply_parse(const struct sgh_message *message, struct sgh_budget *budget,
		    struct sgh_reply **ret, struct sangraha_error *err);
int sgh_reply_message(const struct sgh_reply *reply, struct sgh_message **ret,
		      struct sangraha_error *err);

/*
 * CloudEvents 1.0 in JSON (structured mode) about an object: `kind` is "created",
 * "deleted" or "rejected"; the id repeats when the event does. `object` may be NULL where
 * only the request is known, and so may `request`; `reply` is the refusal. The routing
 * key is the message's type.
 */
int sgh_event_message(const char *kind, const struct sgh_request *request,
		      const struct sangraha_object *object, const struct sgh_reply *reply,
		      struct sgh_message **ret, struct sangraha_error *err);

/*
 * Which object an event is about, by its subject. SANGRAHA_E_INVALID for what is no event
 * about an object whose type is known.
 */
int sgh_event_subject(const struct sgh_message *message, char type[SANGRAHA_TYPE_SIZE],
		      char id[SANGRAHA_ID_SIZE], struct sangraha_error *err);

#endif
