/* SPDX-License-Identifier: MIT */
#ifndef SGH_STORE_S3_H
#define SGH_STORE_S3_H

#include <pthread.h>

#include "base/timer.h"
#include "http/http.h"
#include "store/store.h"
#include "wire/s3xml.h"
#include "wire/sigv4.h"

/* What the files of the S3 back end share. */

#define SGH_S3_ENDPOINTS_MAX 16 /* gateways; replicas; there is a bit for each */
#define SGH_S3_HEADERS_MAX   (SGH_STORE_META_MAX + 12)
#define SGH_S3_PART_BYTES    1024 /* in a list of parts, as text and in memory, at most */
/* Open uploads of one key: what is asked for at a time, what is taken in all. */
#define SGH_S3_UPLOADS_PAGE 100
#define SGH_S3_UPLOADS_MAX  1000
#define SGH_S3_FIND_BYTES   (SGH_S3_UPLOADS_MAX * (SGH_S3_UPLOAD_MAX + 64))
#define SGH_S3_DEFAULT_TYPE "application/octet-stream"
#define SGH_S3_LANES_MAX    16 /* buckets into which small puts travel together */

/* What is known of a gateway, of reads and all that comes before, or of changes. */
struct sgh_s3_side {
	struct sgh_breaker breaker;
	int64_t heard_ms; /* atomic; monotonic: the last answer to one of those */
};

/* Whether it makes objects of the members of an archive. */
enum sgh_s3_extracts {
	SGH_S3_EXTRACT_UNKNOWN,
	SGH_S3_EXTRACT_TRYING,
	SGH_S3_EXTRACT_WORKS,
};

/* One gateway of the store, or a replica. */
struct sgh_s3_endpoint {
	char base[288];              /* "http://host:port" */
	const char *host;            /* "host:port" in it, as the Host header says it */
	unsigned number;             /* its bit: gateways first, then replicas */
	struct sgh_s3_side sides[2]; /* [true]: changes */
	struct sgh_metric *gauge;
	struct sgh_metric *failures;
	bool away;        /* atomic: what it fails in is being there */
	bool unanswered;  /* atomic: so was the last change that failed */
	unsigned waiting; /* atomic: requests without an answer */
	unsigned probes;  /* atomic: being asked whether it is there */
	/* Whether it takes archives apart: s3_extract.c; under the lock of sgh_s3. */
	enum sgh_s3_extracts extracts;
	int64_t extract_ms;      /* monotonic: no new trial before */
	int64_t extract_wait_ms; /* before the next one */
};

/* Some gateways, of which each will do. */
struct sgh_s3_gateways {
	struct sgh_s3_endpoint endpoints[SGH_S3_ENDPOINTS_MAX];
	unsigned count;
	unsigned turn; /* atomic: they are used one after the other */
};

/* Whether the server honours If-None-Match. */
enum sgh_s3_conditions {
	SGH_S3_UNKNOWN,
	SGH_S3_PROBING,
	SGH_S3_HONOURED,
	SGH_S3_IGNORED,
};

/* The small puts into one bucket that travel together, see s3_pack.c. */
struct sgh_s3_lane {
	char bucket[64];
	unsigned flights; /* requests under way, of one put or of many */
	/* Sums over those, and so, while there is one, what is to be known of it: */
	unsigned travelling;     /* the puts that went, though some may have left since */
	int64_t gone_ms;         /* when they went; monotonic */
	struct sgh_list packs;   /* under way */
	struct sgh_list waiting; /* sgh_store_op.link: those that go next */
	unsigned waiting_count;
	size_t waiting_bytes; /* in an archive */
	unsigned held;        /* of those, until there is nobody to wait for */
};

struct sgh_s3 {
	struct sangraha_store store; /* the first member */
	struct sgh_http *http;
	char *access_key; /* NULL: requests are not signed */
	char *secret_key;
	char region[SGH_SIGV4_REGION_MAX + 1];
	struct sgh_s3_gateways gateways;
	struct sgh_s3_gateways replicas; /* other stores, which copy this one */
	struct sgh_s3_gateways public;   /* for tickets; none: `gateways` */
	/* Of each replica; none: `replicas`, unless `public` says that nobody gets there. */
	struct sgh_s3_gateways public_replicas;
	pthread_mutex_t showing; /* held while the gauges are set */
	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed;
		struct sgh_sigv4_key key; /* of the day it names */
		enum sgh_s3_conditions conditions;
		int64_t probe_ms;       /* monotonic: no new probe before */
		struct sgh_list unused; /* sgh_s3_op.link */
		unsigned unused_count;
		struct sgh_list flying; /* sgh_s3_op.link: those that were begun */
		unsigned internal;      /* what the back end itself has begun */
		bool closing;
	} state;
	struct sgh_timers *timers;
	struct {
		pthread_mutex_t lock;
		struct sgh_s3_lane lanes[SGH_S3_LANES_MAX];
		unsigned lane_count;
		struct sgh_timer timer; /* for what is due first in any lane */
		int64_t due_ms;         /* when it fires, or before; SGH_NEVER */
		int64_t old_ms; /* what has been under way for so long holds up nobody */
		struct sgh_metric *packs;
		struct sgh_metric *objects;
	} packing;
};

/*
 * One operation on its way. It may take several requests, one after the other: `verb` is
 * what the present one does.
 */
struct sgh_s3_op {
	struct sgh_http_request http;
	struct sgh_s3 *s3;
	struct sgh_store_op *op;
	enum sgh_store_verb verb;
	struct sgh_s3_endpoint *endpoint;
	uint32_t tried;  /* with this request: a bit for each endpoint */
	int64_t sent_ms; /* the present one; monotonic */
	const char
		*marker; /* upload find: go on behind this id; in the operation's arena */
	bool internal;   /* the back end's own: not reported to store.c */
	bool probe;      /* asks this endpoint and no other whether it is there */
	/* guarded by the lock of sgh_s3 */
	bool sent;     /* its request is under way */
	bool cut;      /* and cancelled; another gateway may do */
	bool given_up; /* no further request, and the present one is cancelled */
	/* only the thread */
	bool ranged;     /* the response named the part that it is */
	bool no_memory;  /* the arena was too small for the headers */
	uint64_t length; /* Content-Length of the response */
	uint64_t first;  /* from Content-Range */
	struct sgh_list link;
	/* What the request is made of; kept from one to the next. */
	struct sgh_arena arena;
	struct sgh_sigv4_work work;
	struct sgh_buf url;
	struct sgh_buf authorization;
	struct sgh_pair headers[SGH_S3_HEADERS_MAX];
	const char *lines[SGH_S3_HEADERS_MAX];
};

/* s3_endpoint.c */
int sgh_s3_gateways_parse(struct sgh_s3_gateways *gateways, const char *url,
			  struct sangraha_error *err);

/* s3_health.c */

void sgh_s3_health_init(struct sgh_s3 *s3);
void sgh_s3_health_fini(struct sgh_s3 *s3);
/*
 * Who gets the present request, none of those that were tried: the next that is not known
 * to fail, or else one that is not known to be away; NULL: there is none. Where replicas
 * may answer, one of them is first, then come the gateways, then the other replicas.
 */
struct sgh_s3_endpoint *sgh_s3_pick(struct sgh_s3_op *self);
/* How many more could be tried that are not known to fail. */
unsigned sgh_s3_others(struct sgh_s3 *s3, bool changes, uint32_t tried);
unsigned sgh_s3_other_replicas(struct sgh_s3 *s3, uint32_t tried);
bool sgh_s3_is_replica(const struct sgh_s3_endpoint *endpoint);
/* The one that a ticket names: that replica, from 1, if there is a way to it; 0: none. */
const struct sgh_s3_endpoint *sgh_s3_pick_public(struct sgh_s3 *s3, unsigned replica);
/*
 * A request is sent, or has ended with that status: what that says about its endpoint.
 * Nothing when it was us who ended it.
 */
void sgh_s3_note_sent(struct sgh_s3_op *self);
void sgh_s3_note_end(struct sgh_s3_op *self, int status, bool by_us);
/* For how long there has been none that changes are possible at, or anything at all. */
int64_t sgh_s3_down_ms(struct sangraha_store *store, bool changes);
int64_t sgh_s3_replicas_down_ms(struct sangraha_store *store);

/* s3_request.c */

/* Make the request of `verb` at `endpoint`, signed now. */
int sgh_s3_request_make(struct sgh_s3_op *self, struct sangraha_error *err);
/* Append "/bucket/key?…", encoded, of a request without a signature in it. */
void sgh_s3_write_target(struct sgh_buf *url, const struct sgh_sigv4_request *request);
/* The key that requests of that day are signed with. */
int sgh_s3_signing_key(struct sgh_s3 *s3, const char date[SGH_SIGV4_DATE_SIZE],
		       struct sgh_sigv4_key *ret, struct sangraha_error *err);
/* Who signs. */
struct sgh_sigv4_scope sgh_s3_scope(const struct sgh_s3 *s3);

/* s3_send.c */

/* Send the request that `verb` wants now: to whom it may concern, or to that endpoint. */
int sgh_s3_send(struct sgh_s3_op *self, enum sgh_store_verb verb,
		struct sangraha_error *err);
int sgh_s3_send_to(struct sgh_s3_op *self, struct sgh_s3_endpoint *endpoint,
		   struct sangraha_error *err);
/* Whether another one may do what this one failed with that status. */
bool sgh_s3_may_elsewhere(struct sgh_s3_op *self, int status);

/* s3_flight.c */

/* One that is not in use; NULL without memory. Put back it is free, or kept. */
struct sgh_s3_op *sgh_s3_op_get(struct sgh_s3 *s3);
void sgh_s3_op_put_back(struct sgh_s3_op *self);
void sgh_s3_free_unused(struct sgh_s3 *s3);
/* It is in flight until it is put back. */
void sgh_s3_take_off(struct sgh_s3_op *self);
/* Its request is done. Whether we had it fail; *ret_given_up: no further one is wanted. */
bool sgh_s3_landed(struct sgh_s3_op *self, bool *ret_given_up);
/* Of what the back end began itself nothing more comes. */
void sgh_s3_internal_ended(struct sgh_s3 *s3);
/* sgh_store_cancel(). */
void sgh_s3_cancel(struct sangraha_store *store, const void *owner);
/* Give up what is in flight at an endpoint that does not answer, but for probes. */
void sgh_s3_cut(struct sgh_s3 *s3, const struct sgh_s3_endpoint *endpoint);
/* The end: wait a moment for what the back end began itself, then give that up. */
void sgh_s3_close_flights(struct sgh_s3 *s3);

/* s3_ticket.c */
int sgh_s3_ticket(struct sangraha_store *store, const struct sgh_store_grant *grant,
		  struct sgh_arena *arena, struct sgh_ticket **ret,
		  struct sangraha_error *err);

/* s3_result.c */
void sgh_s3_on_header(struct sgh_http_request *request, const char *name,
		      size_t name_length, const char *value, size_t value_length);
/* What the response to `verb` means; fills the results of the operation. */
int sgh_s3_result(struct sgh_s3_op *self, struct sangraha_error *err);

/* s3_probe.c */

/* Whether to ask before writing, because the server's own check is not known to work. */
bool sgh_s3_must_ask(struct sgh_s3 *s3);

/* s3_archive.c */

/* How an archive names a header of a member, and what the request that puts it says. */
#define SGH_S3_TAR_SPACE "minio.metadata."
#define SGH_S3_TAR_TYPE  "application/x-tar"
extern const struct sgh_pair sgh_s3_tar_meta;

/* Whether a put may be a member, and the bytes that it takes then. */
bool sgh_s3_archive_fits(const struct sgh_store_op *op);
size_t sgh_s3_archive_size(const struct sgh_store_op *op);
/* Of a list of such puts, which take `size` bytes together; NULL without memory. */
struct sgh_bytes *sgh_s3_archive_new(struct sgh_s3 *s3, const struct sgh_list *members,
				     size_t size);

/* s3_extract.c */

/* Which gateways are not known to take archives apart, a bit each; tries those in time. */
uint32_t sgh_s3_not_extracting(struct sgh_s3 *s3);
/* One refused an archive: they have to be tried again. */
void sgh_s3_extract_refused(struct sgh_s3 *s3);
/* s3_pack.c */

void sgh_s3_pack_init(struct sgh_s3 *s3);
void sgh_s3_pack_fini(struct sgh_s3 *s3);
/* Begin a put that may travel with others. */
int sgh_s3_pack_submit(struct sgh_s3 *s3, struct sgh_store_op *op,
		       struct sangraha_error *err);
/* One that went alone, and is counted in a lane, is done. The next ones go. */
void sgh_s3_lane_landed(struct sgh_s3 *s3, struct sgh_store_op *op);
/* sgh_store_go_on() */
void sgh_s3_pack_go_on(struct sgh_s3 *s3);
/* sgh_store_cancel(), of those that wait or are in an archive. */
void sgh_s3_pack_cancel(struct sgh_s3 *s3, const void *owner);

/* s3.c */

/* Begin a put, alone in its request; op->backend is the lane it counts in, or NULL. */
int sgh_s3_put_alone(struct sgh_s3 *s3, struct sgh_store_op *op,
		     struct sangraha_error *err);
/* Begin an operation of the back end's own; `probe` NULL: at any endpoint. */
int sgh_s3_submit_internal(struct sgh_s3 *s3, struct sgh_store_op *op,
			   struct sgh_s3_endpoint *probe, struct sangraha_error *err);

#endif
