/* SPDX-License-Identifier: MIT */
#ifndef SANGRAHA_REST_H
#define SANGRAHA_REST_H

#include <stddef.h>

#include <sangraha/client.h>
#include <sangraha/context.h>
#include <sangraha/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The HTTP interface, in a library of its own, libsangraha-rest. No promise about its
 * binary interface is made yet.
 */
struct sangraha_rest;

struct sangraha_rest_options {
	size_t size;
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
	void *health_arg;
};

/*
 * Serve `client` - made with the option `direct` - over HTTP. SANGRAHA_E_INVALID for an
 * address that is not loopback without a token; SANGRAHA_E_UNAVAILABLE when it cannot be
 * bound. `options` may be NULL and is copied. The client must outlive the server.
 *
 * Since: 0.1
 */
int sangraha_rest_start(struct sangraha_context *context, struct sangraha_client *client,
			const struct sangraha_rest_options *options,
			struct sangraha_rest **ret, struct sangraha_error *err);

/*
 * Serve /health/live, /health/ready and /metrics only, for the other roles; `health`
 * fills in the role's state and must not block. Of `options` the listen address counts.
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
 * Answer 503 to readiness, take no new connections, end each with its answer; wait for
 * requests in flight for at most `timeout_ms`. SANGRAHA_E_TIMEOUT when some are left.
 * Since: 0.1
 */
int sangraha_rest_drain(struct sangraha_rest *rest, unsigned timeout_ms,
			struct sangraha_error *err);

/*
 * Stop and release; NULL is accepted. Requests that still wait for an answer are told 503,
 * for a quarter of a second at most; bodies that still arrive are cut. Since: 0.1
 */
void sangraha_rest_free(struct sangraha_rest *rest);

#ifdef __cplusplus
}
#endif

#endif
