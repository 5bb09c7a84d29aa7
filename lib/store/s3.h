/* SPDX-License-Identifier: MIT */
#ifndef SGH_STORE_S3_H
#define SGH_STORE_S3_H

#include <pthread.h>

#include "http/http.h"
#include "store/store.h"
#include "wire/s3xml.h"
#include "wire/sigv4.h"

/* What the files of the S3 back end share. */

#define SGH_S3_ENDPOINTS_MAX 16
#define SGH_S3_HEADERS_MAX   (SGH_STORE_META_MAX + 12)
#define SGH_S3_PART_BYTES    1024 /* in a list of parts, as text and in memory, at most */
/* Open uploads of one key: what is asked for at a time, what is taken in all. */
#define SGH_S3_UPLOADS_PAGE 100
#define SGH_S3_UPLOADS_MAX  1000
#define SGH_S3_FIND_BYTES   (SGH_S3_UPLOADS_MAX * (SGH_S3_UPLOAD_MAX + 64))

/* One gateway of the store. */
struct sgh_s3_endpoint {
	char base[288];   /* "http://host:port" */
	const char *host; /* "host:port" in it, as the Host header says it */
	int64_t bad_ms;   /* atomic; monotonic: not to be used until then */
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

struct sgh_s3 {
	struct sangraha_store store; /* the first member */
	struct sgh_http *http;
	char *access_key; /* NULL: requests are not signed */
	char *secret_key;
	char region[SGH_SIGV4_REGION_MAX + 1];
	struct sgh_s3_gateways gateways;
	struct sgh_s3_gateways public; /* for tickets; none: `gateways` */
	struct {
		pthread_mutex_t lock;
		struct sgh_sigv4_key key; /* of the day it names */
		enum sgh_s3_conditions conditions;
		int64_t probe_ms;       /* monotonic: no new probe before */
		struct sgh_list unused; /* sgh_s3_op.link */
		unsigned unused_count;
	} state;
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
	unsigned attempts; /* of this request, each at another endpoint */
	const char
		*marker; /* upload find: go on behind this id; in the operation's arena */
	bool internal;   /* the back end's own: not reported to store.c */
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
/* The next one that is not known to be bad, or the next one. */
struct sgh_s3_endpoint *sgh_s3_endpoint_pick(struct sgh_s3_gateways *gateways);
void sgh_s3_endpoint_failed(struct sgh_s3_endpoint *endpoint);

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

/* s3.c: begin an operation of the back end's own. */
int sgh_s3_submit_internal(struct sgh_s3 *s3, struct sgh_store_op *op,
			   struct sangraha_error *err);

#endif
