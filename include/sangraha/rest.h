/* SPDX-License-Identifier: MIT */
/* The HTTP interface, its server and a client of it: libsangraha-rest. */
#ifndef SANGRAHA_REST_H
#define SANGRAHA_REST_H

#include <stddef.h>
#include <stdint.h>

#include <sangraha/client.h>
#include <sangraha/context.h>
#include <sangraha/error.h>
#include <sangraha/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The HTTP interface, in a library of its own, libsangraha-rest. No promise about its
 * binary interface is made yet.
 */
struct sangraha_rest;

/* Of sangraha_rest_start(). Zero means default. */
struct sangraha_rest_options {
	size_t size;           /* sizeof(struct sangraha_rest_options) */
	const char *listen;    /* "host:port", "[v6]:port"; NULL: "127.0.0.1:8080" */
	const char *api_token; /* NULL: everybody, which needs a loopback `listen` */
	int insecure;          /* 1: everybody, on any address */
	unsigned threads;      /* 0: one for each core */
	unsigned connections;  /* at most; 0: 4096 */
	unsigned request_timeout_ms; /* from the last byte of a request; 0: 30000 */
	unsigned idle_timeout_ms;    /* a body without a byte for so long; 0: 30000 */
	/*
	 * Called after the client's health was filled in, to correct it: a program that
	 * runs other roles, too, knows more. Must not block. NULL: the client's word counts.
	 */
	void (*health)(void *arg, struct sangraha_health *health);
	void *health_arg; /* handed to health(); must outlive the server */
	/*
	 * 1: a GET of an object over the inline limit is answered with 307 and a signed
	 * address of the store, where there is one; 0: its bytes pass through this server.
	 */
	int redirect_large;
};

/*
 * Serve `client` - made with the option `direct` - over HTTP. SANGRAHA_E_INVALID for an
 * address that is not loopback without a token; SANGRAHA_E_UNAVAILABLE when it cannot be
 * bound. `options` may be NULL and is copied. The client must outlive the server. On
 * success *ret is yours: sangraha_rest_free().
 *
 * Since: 0.1
 */
int sangraha_rest_start(struct sangraha_context *context, struct sangraha_client *client,
			const struct sangraha_rest_options *options,
			struct sangraha_rest **ret, struct sangraha_error *err);

/*
 * Serve /health/live, /health/ready and /metrics only, for the other roles; `health`
 * fills in the role's state, is called from any thread and must not block. Of `options`
 * the listen address counts. On success *ret is yours: sangraha_rest_free().
 *
 * Since: 0.1
 */
int sangraha_rest_start_health(struct sangraha_context *context,
			       const struct sangraha_rest_options *options,
			       void (*health)(void *arg, struct sangraha_health *health),
			       void *arg, struct sangraha_rest **ret,
			       struct sangraha_error *err);

/* The port it listens on, also when 0 was asked for. Since: 0.1 */
unsigned sangraha_rest_port(const struct sangraha_rest *rest);

/*
 * Leave without a request that fails, within `timeout_ms`; blocks. Readiness is 503 from
 * now on, and each answer the last of its connection. Where somebody asks for readiness
 * regularly, new connections are taken until it was told three times, or a quarter of the
 * time is over; then no more. Connections over which nothing comes are ended after half
 * of the time. SANGRAHA_E_TIMEOUT when requests are left at its end. Since: 0.1
 */
int sangraha_rest_drain(struct sangraha_rest *rest, unsigned timeout_ms,
			struct sangraha_error *err);

/*
 * Stop and release; NULL is accepted. Requests that still wait for an answer are told 503,
 * for a quarter of a second at most; bodies that still arrive are cut. Since: 0.1
 */
void sangraha_rest_free(struct sangraha_rest *rest);

/* ---- the other end: a client of the HTTP interface ---- */

/*
 * Speaks to one server over HTTP, as the command line does. It has a thread of its own and
 * serves any number of the program's; all calls block. It sends nothing twice: who repeats
 * a put after SANGRAHA_E_UNAVAILABLE, _TIMEOUT or _OVERLOADED does so with the same
 * idempotency key.
 *
 * The calls return the status that the answer's `code` names, which `err` tells with the
 * HTTP status as `native`, or SANGRAHA_E_INVALID for an argument that cannot be,
 * _UNAVAILABLE when the server cannot be reached, _TIMEOUT, and _INTERNAL for an answer
 * that makes no sense. When an answer came *ret is set, also on failure; otherwise it is
 * NULL; free it either way. `ret` and `options` may be NULL.
 */
struct sangraha_rest_client;

/* Of sangraha_rest_client_new(). Zero means default. */
struct sangraha_rest_client_options {
	size_t size;           /* sizeof(struct sangraha_rest_client_options) */
	const char *api_token; /* sent as "Authorization: Bearer"; NULL: none */
	const char *ca_file;   /* PEM, for https; NULL: the system's */
	unsigned timeout_ms;   /* for an answer, once all was sent; 0: 60000 */
	/*
	 * A transfer without a byte for so long, 0: 30000. Of a put ten times that: a server
	 * that has no memory for the body lets it wait.
	 */
	unsigned idle_timeout_ms;
};

/*
 * Make a client of the server at `url`, "http://host:port" or "https://…", with or without
 * a path in front of /v1. Nothing is sent yet. `options` may be NULL and is copied.
 * SANGRAHA_E_INVALID for what is no such URL. Since: 0.1
 */
int sangraha_rest_client_new(struct sangraha_context *context, const char *url,
			     const struct sangraha_rest_client_options *options,
			     struct sangraha_rest_client **ret,
			     struct sangraha_error *err);

/* Release, when no call is under way; NULL is accepted. Since: 0.1 */
void sangraha_rest_client_free(struct sangraha_rest_client *client);

/*
 * What the server answered, also when the answer is an error; strings are borrowed from it.
 * Yours to free. Of no answer (NULL) the functions tell nothing: NULL, 0 or -1.
 */
struct sangraha_rest_result;

/* Release; NULL is accepted. Since: 0.1 */
void sangraha_rest_result_free(struct sangraha_rest_result *result);
/* The HTTP status. Since: 0.1 */
int sangraha_rest_result_code(const struct sangraha_rest_result *result);
/* The answer's JSON as it was received: description, page, problem; NULL: none. Since: 0.1 */
const char *sangraha_rest_result_text(const struct sangraha_rest_result *result);
/* The description, after a put and a stat; borrowed, NULL otherwise. Since: 0.1 */
const struct sangraha_object *
sangraha_rest_result_object(const struct sangraha_rest_result *result);
/* The i-th description of a page, from 0; borrowed, NULL past the end. Since: 0.1 */
const struct sangraha_object *
sangraha_rest_result_at(const struct sangraha_rest_result *result, size_t i);
/* The cursor of the next page; NULL on the last. Since: 0.1 */
const char *sangraha_rest_result_next_cursor(const struct sangraha_rest_result *result);
/* 1 when a put found its own earlier success. Since: 0.1 */
int sangraha_rest_result_replayed(const struct sangraha_rest_result *result);
/* X-Correlation-ID, the thread through the logs; NULL: none. Since: 0.1 */
const char *
sangraha_rest_result_correlation_id(const struct sangraha_rest_result *result);
/* Seconds of Retry-After; -1: none. Since: 0.1 */
int sangraha_rest_result_retry_after(const struct sangraha_rest_result *result);
/* Of a refusal: the media type that was declared; NULL when none was. Since: 0.1 */
const char *sangraha_rest_result_declared(const struct sangraha_rest_result *result);
/* Of a refusal: the media type that the content has; NULL when unknown. Since: 0.1 */
const char *sangraha_rest_result_detected(const struct sangraha_rest_result *result);
/* Of a refusal: the rule that was broken, a stable word. Since: 0.1 */
const char *sangraha_rest_result_rule(const struct sangraha_rest_result *result);
/* Of a refusal: the first byte that cannot be right, from 0; -1: none. Since: 0.1 */
int64_t sangraha_rest_result_offset(const struct sangraha_rest_result *result);
/*
 * Of a get: the name to save as, from Content-Disposition (RFC 6266); a plain file name in
 * UTF-8, NULL: none. Since: 0.1
 */
const char *sangraha_rest_result_filename(const struct sangraha_rest_result *result);
/* Of a get: the media type; NULL: none. Since: 0.1 */
const char *sangraha_rest_result_content_type(const struct sangraha_rest_result *result);
/* Of a get: the entity tag, with its quotes; NULL: none. Since: 0.1 */
const char *sangraha_rest_result_etag(const struct sangraha_rest_result *result);
/* Of a get: the whole object's size in bytes; -1: not told. Since: 0.1 */
int64_t sangraha_rest_result_size(const struct sangraha_rest_result *result);

/*
 * Where a body comes from: put up to `size` bytes into `data` and say how many; 0 is the
 * end, a negative enum sangraha_status gives up. Called on the thread that makes the
 * request, and may block.
 */
typedef int64_t sangraha_rest_read_fn(void *arg, void *data, size_t size);

/*
 * Where a body goes to: take `length` bytes and return 0, or a negative enum
 * sangraha_status to give up. Called on the thread that makes the request, and may block.
 */
typedef int sangraha_rest_write_fn(void *arg, const void *data, size_t length);

/* Of a put. Zero means default. */
struct sangraha_rest_put {
	size_t size;                    /* sizeof(struct sangraha_rest_put) */
	const char *idempotency_key;    /* 1-255 printable bytes; NULL: none */
	const char *filename;           /* UTF-8; NULL: none */
	const char *content_type;       /* as declared; NULL: not declared */
	const char *type;               /* the type that is insisted on; NULL: detected */
	const char *sha256;             /* expected, in hex: Content-Digest; NULL: none */
	const char *const *meta_names;  /* [a-z0-9-]{1,64} */
	const char *const *meta_values; /* UTF-8 */
	size_t meta_count;              /* pairs */
};

/*
 * Store what read() gives. `length` is the body's size in bytes, -1 when it is not known;
 * SANGRAHA_E_INVALID when read() gives another number. Answers rather than accidents:
 * SANGRAHA_E_UNSUPPORTED, _REJECTED, _CONFLICT, _GONE, _TOO_LARGE. A success that describes
 * other bytes than were sent, by size or SHA-256, is SANGRAHA_E_INTERNAL; *ret tells it.
 *
 * Since: 0.1
 */
int sangraha_rest_client_put(struct sangraha_rest_client *client, int64_t length,
			     sangraha_rest_read_fn *read, void *arg,
			     const struct sangraha_rest_put *options,
			     struct sangraha_rest_result **ret,
			     struct sangraha_error *err);

/* Of a get. Zero means default. */
struct sangraha_rest_get {
	size_t size;     /* sizeof(struct sangraha_rest_get) */
	uint64_t offset; /* bytes to leave out */
	uint64_t length; /* bytes at most; 0: all there are */
	/* Called once, before the first write(), with what the header says; or NULL. */
	void (*begin)(void *arg, const struct sangraha_rest_result *result);
};

/*
 * Fetch an object and hand its bytes to write(), in order. What arrives whole is compared
 * with the digest in its entity tag: SANGRAHA_E_INTERNAL when it differs. An answer that
 * breaks off is SANGRAHA_E_UNAVAILABLE; SANGRAHA_E_NOT_FOUND is an answer. Since: 0.1
 */
int sangraha_rest_client_get(struct sangraha_rest_client *client, const char *type,
			     const char *id, const struct sangraha_rest_get *options,
			     sangraha_rest_write_fn *write, void *arg,
			     struct sangraha_rest_result **ret,
			     struct sangraha_error *err);

/* Its description. SANGRAHA_E_NOT_FOUND is an answer. Since: 0.1 */
int sangraha_rest_client_stat(struct sangraha_rest_client *client, const char *type,
			      const char *id, struct sangraha_rest_result **ret,
			      struct sangraha_error *err);

/* Delete it for good. SANGRAHA_E_NOT_FOUND is an answer. Since: 0.1 */
int sangraha_rest_client_delete(struct sangraha_rest_client *client, const char *type,
				const char *id, struct sangraha_rest_result **ret,
				struct sangraha_error *err);

/* A page of descriptions; the arguments of sangraha_client_list(). Since: 0.1 */
int sangraha_rest_client_list(struct sangraha_rest_client *client, const char *type,
			      unsigned limit, const char *cursor,
			      struct sangraha_rest_result **ret,
			      struct sangraha_error *err);

#ifdef __cplusplus
}
#endif

#endif
