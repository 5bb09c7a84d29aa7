/* SPDX-License-Identifier: MIT */
#include "store/s3.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/thread.h"

/* Operations from their submission to their end, and the life of a store. */

static unsigned replica_number(const struct sgh_s3_endpoint *endpoint)
{
	return sgh_s3_is_replica(endpoint) ? endpoint->number - SGH_S3_ENDPOINTS_MAX + 1
					   : 0;
}

static void complete(struct sgh_s3_op *self, int status)
{
	struct sgh_s3 *s3 = self->s3;
	struct sgh_store_op *op = self->op;
	bool internal = self->internal;

	op->status = status;
	if (!status) {
		op->err = (struct sangraha_error){ 0 };
		op->replica = replica_number(self->endpoint);
	}
	sgh_s3_op_put_back(self);
	if (op->backend)
		sgh_s3_lane_landed(s3, op);
	if (!internal) {
		sgh_store_complete(&s3->store, op);
		return;
	}
	op->done(op);
	sgh_s3_internal_ended(s3);
}

/* Go on with another request; the operation ends here when that cannot be sent. */
static void next(struct sgh_s3_op *self, enum sgh_store_verb verb)
{
	int rc = sgh_s3_send(self, verb, &self->op->err);

	if (rc)
		complete(self, rc);
}

/* Have another one do what this one could not; false: there is none. */
static bool elsewhere(struct sgh_s3_op *self)
{
	struct sgh_store_op *op = self->op;
	struct sgh_s3_endpoint *endpoint = sgh_s3_pick(self);
	int rc;

	if (!endpoint)
		return false;
	op->head = (struct sgh_store_head){ 0 };
	rc = sgh_s3_send_to(self, endpoint, &op->err);
	if (rc)
		complete(self, rc);
	return true;
}

static bool is_conditional(enum sgh_store_verb verb)
{
	return verb == SGH_STORE_PUT || verb == SGH_STORE_UPLOAD_COMPLETE;
}

/* The answer to "is the key there" before a conditional write. */
static void asked(struct sgh_s3_op *self, int status)
{
	struct sgh_store_op *op = self->op;

	op->head = (struct sgh_store_head){ 0 };
	if (status == SANGRAHA_E_NOT_FOUND)
		next(self, op->verb);
	else if (status)
		complete(self, status);
	else
		complete(self,
			 sgh_fail(&op->err, SANGRAHA_E_PRECONDITION, 412,
				  "%s %s%s: the key exists",
				  op->verb == SGH_STORE_PUT ? "PUT" : "COMPLETE UPLOAD",
				  self->s3->store.bucket_prefix, op->bucket));
}

/* A range behind the end, as of an empty object: its description comes without bytes. */
static void nothing_in_range(struct sgh_s3_op *self, int status)
{
	struct sgh_store_op *op = self->op;

	if (!status && op->head.size > op->offset) {
		/* It is another one than the one whose end was met. */
		status = sgh_fail(&op->err, SANGRAHA_E_UNAVAILABLE, 0,
				  "the object was replaced while it was read");
	} else if (!status) {
		op->data = sgh_bytes_new(NULL, 0);
		if (!op->data)
			status = sgh_fail_memory(&op->err);
	}
	complete(self, status);
}

/*
 * A replica was the last that could be asked, and that what it says is so, only the store
 * knows, which is away.
 */
static int unconfirmed(struct sgh_s3_op *self, int status)
{
	struct sgh_store_op *op = self->op;

	if (!status || status == SANGRAHA_E_UNAVAILABLE || status == SANGRAHA_E_TIMEOUT ||
	    self->http.ours || self->http.code == 416 || self->probe ||
	    !sgh_s3_is_replica(self->endpoint))
		return status;
	return sgh_fail(&op->err, SANGRAHA_E_UNAVAILABLE, 0,
			"the store does not answer, and no replica tells of %s%s/%s",
			self->s3->store.bucket_prefix, op->bucket,
			op->key ? op->key : "");
}

static void on_done(struct sgh_http_request *request)
{
	struct sgh_s3_op *self = sgh_container_of(request, struct sgh_s3_op, http);
	struct sgh_store_op *op = self->op;
	bool given_up;
	bool by_us = sgh_s3_landed(self, &given_up);
	int status = sgh_s3_result(self, &op->err);

	sgh_s3_note_end(self, status, by_us);
	if (!given_up && sgh_s3_may_elsewhere(self, status) && elsewhere(self))
		return;
	status = unconfirmed(self, status);
	if (self->verb == SGH_STORE_HEAD && is_conditional(op->verb)) {
		asked(self, status);
	} else if (self->verb == SGH_STORE_HEAD && op->verb == SGH_STORE_GET) {
		nothing_in_range(self, status);
	} else if (self->verb == SGH_STORE_GET && request->code == 416) {
		op->head = (struct sgh_store_head){ 0 };
		op->err = (struct sangraha_error){ 0 };
		next(self, SGH_STORE_HEAD);
	} else if (self->verb == SGH_STORE_UPLOAD_FIND && !status && self->marker) {
		next(self, SGH_STORE_UPLOAD_FIND);
	} else {
		complete(self, status);
	}
}

/* `probe` is where it goes, and nowhere else; NULL: wherever it may. */
static int begin(struct sgh_s3 *s3, struct sgh_store_op *op, enum sgh_store_verb first,
		 bool internal, struct sgh_s3_endpoint *probe, struct sangraha_error *err)
{
	struct sgh_s3_op *self = sgh_s3_op_get(s3);
	int rc;

	if (!self)
		return sgh_fail_memory(err);
	self->op = op;
	self->internal = internal;
	self->probe = probe != NULL;
	self->endpoint = probe;
	self->marker = NULL;
	self->http.done = on_done;
	sgh_s3_take_off(self);
	rc = sgh_s3_send(self, first, err);
	if (rc) {
		sgh_s3_op_put_back(self);
		if (internal)
			sgh_s3_internal_ended(s3);
	}
	return rc;
}

int sgh_s3_submit_internal(struct sgh_s3 *s3, struct sgh_store_op *op,
			   struct sgh_s3_endpoint *probe, struct sangraha_error *err)
{
	return begin(s3, op, op->verb, true, probe, err);
}

int sgh_s3_put_alone(struct sgh_s3 *s3, struct sgh_store_op *op,
		     struct sangraha_error *err)
{
	return begin(s3, op, SGH_STORE_PUT, false, NULL, err);
}

static int s3_submit(struct sangraha_store *store, struct sgh_store_op *op,
		     struct sangraha_error *err)
{
	struct sgh_s3 *s3 = sgh_container_of(store, struct sgh_s3, store);
	bool ask = is_conditional(op->verb) && op->if_none_match && sgh_s3_must_ask(s3);

	op->backend = NULL;
	if (op->verb == SGH_STORE_PUT && op->packable && !op->if_none_match)
		return sgh_s3_pack_submit(s3, op, err);
	return begin(s3, op, ask ? SGH_STORE_HEAD : op->verb, false, NULL, err);
}

static void s3_go_on(struct sangraha_store *store)
{
	sgh_s3_pack_go_on(sgh_container_of(store, struct sgh_s3, store));
}

static void s3_cancel(struct sangraha_store *store, const void *owner)
{
	sgh_s3_pack_cancel(sgh_container_of(store, struct sgh_s3, store), owner);
	sgh_s3_cancel(store, owner);
}

static void s3_destroy(struct sangraha_store *store)
{
	struct sgh_s3 *s3 = sgh_container_of(store, struct sgh_s3, store);

	if (s3->http)
		sgh_s3_close_flights(s3);
	sgh_http_free(s3->http);
	sgh_s3_pack_fini(s3);
	sgh_s3_free_unused(s3);
	sgh_s3_health_fini(s3);
	pthread_cond_destroy(&s3->state.changed);
	pthread_mutex_destroy(&s3->state.lock);
	pthread_mutex_destroy(&s3->showing);
	explicit_bzero(&s3->state.key, sizeof(s3->state.key));
	if (s3->secret_key)
		explicit_bzero(s3->secret_key, strlen(s3->secret_key));
	free(s3->secret_key);
	free(s3->access_key);
	sgh_store_fini(&s3->store);
	free(s3);
}

static bool region_valid(const char *region)
{
	size_t length = strlen(region);

	for (const char *c = region; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
			return false;
	return length && length <= SGH_SIGV4_REGION_MAX;
}

/* Credentials go into a header. */
static bool access_key_valid(const char *key)
{
	for (const char *c = key; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '/' || *c == ',')
			return false;
	return strlen(key) <= 256;
}

/* Addresses beside those that the store was opened with; NULL: none. */
static int parse_others(struct sgh_s3_gateways *others, const char *what, const char *url,
			struct sangraha_error *err)
{
	if (!url)
		return 0;
	if (strncmp(url, "s3+http:", 8) != 0 && strncmp(url, "s3+https:", 9) != 0)
		return sgh_fail(
			err, SANGRAHA_E_INVALID, 0,
			"the %s of a store begins with s3+http: or s3+https:", what);
	return sgh_s3_gateways_parse(others, url, err);
}

static int configure_replicas(struct sgh_s3 *s3,
			      const struct sangraha_store_options *options,
			      struct sangraha_error *err)
{
	int rc = parse_others(&s3->replicas, "read URL",
			      sgh_option(options, read_url, NULL), err);

	if (!rc)
		rc = parse_others(&s3->public_replicas, "public read URL",
				  sgh_option(options, public_read_url, NULL), err);
	if (rc)
		return rc;
	if (s3->public_replicas.count && s3->public_replicas.count != s3->replicas.count)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a store has %u read URLs and %u public ones, which go "
				"together",
				s3->replicas.count, s3->public_replicas.count);
	return 0;
}

/* One timer, which can always be armed. */
static int start_timers(struct sgh_s3 *s3, struct sangraha_error *err)
{
	int rc = sgh_timers_new(&s3->timers, err);

	if (rc)
		return rc;
	return sgh_timers_reserve(s3->timers, 1) ? 0 : sgh_fail_memory(err);
}

static int configure(struct sgh_s3 *s3, const char *url,
		     const struct sangraha_store_options *options,
		     struct sangraha_error *err)
{
	const char *region = sgh_option(options, region, "us-east-1");
	const char *access_key = sgh_option(options, access_key, NULL);
	const char *secret_key = sgh_option(options, secret_key, NULL);
	struct sgh_http_options http = {
		.connections = sgh_option(options, connections, 0),
		.idle_timeout_ms = sgh_option(options, idle_timeout_ms, 0),
		.ca_file = sgh_option(options, ca_file, NULL),
		.budget = s3->store.context->budget,
	};
	int rc = sgh_s3_gateways_parse(&s3->gateways, url, err);

	if (!rc)
		rc = configure_replicas(s3, options, err);
	sgh_s3_health_init(s3);
	if (!rc)
		rc = parse_others(&s3->public, "public URL",
				  sgh_option(options, public_url, NULL), err);
	if (rc)
		return rc;
	if (!region_valid(region))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the store's region is not one");
	if (!access_key != !secret_key)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the store's access key and secret key go together");
	if (access_key && !access_key_valid(access_key))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the store's access key is not one");
	snprintf(s3->region, sizeof(s3->region), "%s", region);
	if (!sgh_strdup(access_key, &s3->access_key) ||
	    !sgh_strdup(secret_key, &s3->secret_key))
		return sgh_fail_memory(err);
	rc = sgh_http_new(&http, &s3->http, err);
	return rc ? rc : start_timers(s3, err);
}

static int s3_open(struct sangraha_context *context, const char *url,
		   const struct sangraha_store_options *options,
		   struct sangraha_store **ret, struct sangraha_error *err)
{
	struct sgh_s3 *s3 = calloc(1, sizeof(*s3));
	int rc;

	if (!s3)
		return sgh_fail_memory(err);
	sgh_store_init(&s3->store, &sgh_store_s3, context, options);
	pthread_mutex_init(&s3->showing, NULL);
	pthread_mutex_init(&s3->state.lock, NULL);
	sgh_cond_init(&s3->state.changed);
	sgh_list_init(&s3->state.unused);
	sgh_list_init(&s3->state.flying);
	sgh_s3_pack_init(s3);
	rc = configure(s3, url, options, err);
	if (rc) {
		s3_destroy(&s3->store);
		return rc;
	}
	*ret = &s3->store;
	return 0;
}

const struct sgh_store_backend sgh_store_s3 = {
	.schemes = "s3+http: s3+https:",
	.open = s3_open,
	.destroy = s3_destroy,
	.submit = s3_submit,
	.go_on = s3_go_on,
	.cancel = s3_cancel,
	.down_ms = sgh_s3_down_ms,
	.replicas_down_ms = sgh_s3_replicas_down_ms,
	.ticket = sgh_s3_ticket,
};
