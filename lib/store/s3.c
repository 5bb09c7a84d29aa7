/* SPDX-License-Identifier: MIT */
#include "store/s3.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"

/* Operations that are kept for use again, with the buffers they have grown. */
#define UNUSED_MAX 64

static void op_free(struct sgh_s3_op *self)
{
	sgh_http_request_fini(&self->http);
	sgh_bytes_unref(self->http.body);
	sgh_arena_fini(&self->arena);
	sgh_sigv4_work_fini(&self->work);
	sgh_buf_fini(&self->url);
	sgh_buf_fini(&self->authorization);
	free(self);
}

static struct sgh_s3_op *op_get(struct sgh_s3 *s3)
{
	struct sgh_list *link;
	struct sgh_s3_op *self;

	pthread_mutex_lock(&s3->state.lock);
	link = sgh_list_pop(&s3->state.unused);
	s3->state.unused_count -= link != NULL;
	pthread_mutex_unlock(&s3->state.lock);
	if (link)
		return sgh_list_entry(link, struct sgh_s3_op, link);
	self = calloc(1, sizeof(*self));
	if (!self)
		return NULL;
	self->s3 = s3;
	sgh_list_init(&self->link);
	return self;
}

static void op_put_back(struct sgh_s3_op *self)
{
	struct sgh_s3 *s3 = self->s3;
	bool kept;

	sgh_http_request_fini(&self->http);
	sgh_bytes_unref(sgh_take(self->http.body));
	sgh_arena_fini(&self->arena);
	self->op = NULL;
	pthread_mutex_lock(&s3->state.lock);
	kept = s3->state.unused_count < UNUSED_MAX;
	if (kept)
		sgh_list_append(&s3->state.unused, &self->link);
	s3->state.unused_count += kept;
	pthread_mutex_unlock(&s3->state.lock);
	if (!kept)
		op_free(self);
}

/* Send the request that `verb` wants now. */
static int send_request(struct sgh_s3_op *self, enum sgh_store_verb verb,
			struct sangraha_error *err)
{
	int rc;

	self->verb = verb;
	self->endpoint = sgh_s3_endpoint_pick(&self->s3->gateways);
	self->attempts++;
	rc = sgh_s3_request_make(self, err);
	if (rc)
		return rc;
	return sgh_http_submit(self->s3->http, &self->http, err);
}

static void complete(struct sgh_s3_op *self, int status)
{
	struct sgh_s3 *s3 = self->s3;
	struct sgh_store_op *op = self->op;
	bool internal = self->internal;

	op->status = status;
	if (!status)
		op->err = (struct sangraha_error){ 0 };
	op->ours =
		self->http.ours || (status == SANGRAHA_E_OVERLOADED && !self->http.code);
	/* Two writers of one key, or too many requests: the store serves all the same. */
	op->ours |= self->http.code == 409 || self->http.code == 429;
	op_put_back(self);
	if (internal)
		op->done(op);
	else
		sgh_store_complete(&s3->store, op);
}

/* Go on with another request; the operation ends here when that cannot be sent. */
static void next(struct sgh_s3_op *self, enum sgh_store_verb verb)
{
	int rc;

	if (verb != self->verb)
		self->attempts = 0;
	rc = send_request(self, verb, &self->op->err);
	if (rc)
		complete(self, rc);
}

/* Whether the request may be sent again after it failed in an unknown way. */
static bool repeatable(enum sgh_store_verb verb)
{
	return verb != SGH_STORE_PUT && verb != SGH_STORE_UPLOAD_BEGIN &&
	       verb != SGH_STORE_UPLOAD_COMPLETE;
}

/* Whether another gateway may do what this one could not. */
static bool try_elsewhere(struct sgh_s3_op *self)
{
	const struct sgh_http_request *http = &self->http;

	if (http->status != SANGRAHA_E_UNAVAILABLE)
		return false;
	sgh_s3_endpoint_failed(self->endpoint);
	return self->attempts < self->s3->gateways.count &&
	       (http->unsent || repeatable(self->verb)) &&
	       sgh_now_ms() < self->op->deadline_ms;
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

	if (!status) {
		op->data = sgh_bytes_new(NULL, 0);
		if (!op->data)
			status = sgh_fail_memory(&op->err);
	}
	complete(self, status);
}

static void on_done(struct sgh_http_request *request)
{
	struct sgh_s3_op *self = sgh_container_of(request, struct sgh_s3_op, http);
	struct sgh_store_op *op = self->op;
	int status;

	if (try_elsewhere(self)) {
		op->head = (struct sgh_store_head){ 0 };
		next(self, self->verb);
		return;
	}
	status = sgh_s3_result(self, &op->err);
	if (self->verb == SGH_STORE_HEAD && is_conditional(op->verb)) {
		asked(self, status);
	} else if (self->verb == SGH_STORE_HEAD && op->verb == SGH_STORE_GET) {
		nothing_in_range(self, status);
	} else if (self->verb == SGH_STORE_GET && request->code == 416) {
		op->head = (struct sgh_store_head){ 0 };
		op->err = (struct sangraha_error){ 0 };
		next(self, SGH_STORE_HEAD);
	} else if (self->verb == SGH_STORE_UPLOAD_FIND && !status && self->marker) {
		self->attempts = 0;
		next(self, SGH_STORE_UPLOAD_FIND);
	} else {
		complete(self, status);
	}
}

static int begin(struct sgh_s3 *s3, struct sgh_store_op *op, enum sgh_store_verb first,
		 bool internal, struct sangraha_error *err)
{
	struct sgh_s3_op *self = op_get(s3);
	int rc;

	if (!self)
		return sgh_fail_memory(err);
	self->op = op;
	self->internal = internal;
	self->attempts = 0;
	self->marker = NULL;
	self->http.done = on_done;
	rc = send_request(self, first, err);
	if (rc)
		op_put_back(self);
	return rc;
}

int sgh_s3_submit_internal(struct sgh_s3 *s3, struct sgh_store_op *op,
			   struct sangraha_error *err)
{
	return begin(s3, op, op->verb, true, err);
}

static int s3_submit(struct sangraha_store *store, struct sgh_store_op *op,
		     struct sangraha_error *err)
{
	struct sgh_s3 *s3 = sgh_container_of(store, struct sgh_s3, store);
	bool ask = is_conditional(op->verb) && op->if_none_match && sgh_s3_must_ask(s3);

	return begin(s3, op, ask ? SGH_STORE_HEAD : op->verb, false, err);
}

static void s3_destroy(struct sangraha_store *store)
{
	struct sgh_s3 *s3 = sgh_container_of(store, struct sgh_s3, store);
	struct sgh_list *link;

	sgh_http_free(s3->http);
	while ((link = sgh_list_pop(&s3->state.unused)))
		op_free(sgh_list_entry(link, struct sgh_s3_op, link));
	pthread_mutex_destroy(&s3->state.lock);
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

static int configure_public(struct sgh_s3 *s3, const char *url,
			    struct sangraha_error *err)
{
	if (!url)
		return 0;
	if (strncmp(url, "s3+http:", 8) != 0 && strncmp(url, "s3+https:", 9) != 0)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the public URL of a store begins with s3+http: or "
				"s3+https:");
	return sgh_s3_gateways_parse(&s3->public, url, err);
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
		rc = configure_public(s3, sgh_option(options, public_url, NULL), err);
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
	return sgh_http_new(&http, &s3->http, err);
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
	pthread_mutex_init(&s3->state.lock, NULL);
	sgh_list_init(&s3->state.unused);
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
	.ticket = sgh_s3_ticket,
};
