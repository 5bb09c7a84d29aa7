/* SPDX-License-Identifier: MIT */
#include "store/s3.h"

#include "base/clock.h"
#include "base/error.h"

/* Sending a request, to one gateway or, when that fails, to the next. */

/* Silence of one gateway that is borne while there are others. */
#define QUIET_MOST_MS       5000
#define QUIET_WRITE_MOST_MS 10000
#define QUIET_LEAST_MS      500
/* Of a replica: it is there to save time. */
#define QUIET_REPLICA_MS 2000

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Whether the request may be sent again after it failed in an unknown way. */
static bool repeatable(enum sgh_store_verb verb)
{
	return verb != SGH_STORE_PUT && verb != SGH_STORE_UPLOAD_BEGIN &&
	       verb != SGH_STORE_UPLOAD_COMPLETE;
}

/* How much time there is for all tries. */
static int64_t time_left(const struct sgh_s3_op *self)
{
	const struct sgh_store_op *op = self->op;
	bool hurry = op->wanted_ms > self->sent_ms && op->wanted_ms < op->deadline_ms;

	return (hurry ? op->wanted_ms : op->deadline_ms) - self->sent_ms;
}

/* Of a write: what is left must do for the role's second try, which takes the sure way. */
static unsigned borne_silence(const struct sgh_s3_op *self)
{
	int64_t left = time_left(self);

	/* A completion takes its time. */
	if (self->verb == SGH_STORE_UPLOAD_COMPLETE)
		left /= 2;
	else
		left = least(left / 3, QUIET_WRITE_MOST_MS);
	return (unsigned)least(left < QUIET_LEAST_MS ? QUIET_LEAST_MS : left, INT_MAX);
}

/* While there are other gateways none gets all the time there is. */
static void limit_try(struct sgh_s3_op *self)
{
	bool replica = sgh_s3_is_replica(self->endpoint);
	bool changes = sgh_store_changes(self->verb);
	unsigned others = sgh_s3_others(self->s3, changes, self->tried);
	int64_t share;

	if (self->op->replicas)
		others += sgh_s3_other_replicas(self->s3, self->tried);
	share = time_left(self) / (others + 1) + 1;
	if (!others)
		return;
	if (!repeatable(self->verb)) {
		self->http.idle_timeout_ms = borne_silence(self);
		return;
	}
	self->http.idle_timeout_ms =
		(unsigned)least(share, replica ? QUIET_REPLICA_MS : QUIET_MOST_MS);
	/* A body may have to wait for memory, which is not the gateway's fault. */
	if (self->verb != SGH_STORE_GET)
		self->http.deadline_ms = self->sent_ms + share;
}

/* Under the lock, so that whoever gives it up finds it sent, or prevents it. */
static int submit_request(struct sgh_s3_op *self, struct sangraha_error *err)
{
	struct sgh_s3 *s3 = self->s3;
	int rc;

	pthread_mutex_lock(&s3->state.lock);
	if (self->given_up || s3->state.closing)
		rc = sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
			      "the operation was given up");
	else
		rc = sgh_http_submit(s3->http, &self->http, err);
	self->sent = !rc;
	self->cut = false;
	pthread_mutex_unlock(&s3->state.lock);
	return rc;
}

int sgh_s3_send_to(struct sgh_s3_op *self, struct sgh_s3_endpoint *endpoint,
		   struct sangraha_error *err)
{
	int rc;

	self->endpoint = endpoint;
	self->tried |= 1u << endpoint->number;
	rc = sgh_s3_request_make(self, err);
	if (rc)
		return rc;
	sgh_s3_note_sent(self);
	self->http.urgent = self->probe;
	/* Kept connections may all be dead without knowing it. */
	self->http.once |= self->probe;
	if (!self->probe)
		limit_try(self);
	rc = submit_request(self, err);
	if (rc)
		__atomic_sub_fetch(&endpoint->waiting, 1, __ATOMIC_RELAXED);
	return rc;
}

int sgh_s3_send(struct sgh_s3_op *self, enum sgh_store_verb verb,
		struct sangraha_error *err)
{
	struct sgh_s3 *s3 = self->s3;
	struct sgh_s3_endpoint *endpoint = self->endpoint;
	bool changes = sgh_store_changes(verb);

	self->verb = verb;
	self->tried = self->op->avoid;
	if (!self->probe)
		endpoint = sgh_s3_pick(self);
	if (endpoint)
		return sgh_s3_send_to(self, endpoint, err);
	return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
			"the store has been failing for %lld ms",
			(long long)sgh_s3_down_ms(&s3->store, changes));
}

/* Whether it is the gateway that failed, by the looks of it, and not the request. */
static bool gateway_failed(const struct sgh_http_request *http, int status)
{
	/* Its share passed while it stood in line for a connection. */
	if (http->ours)
		return http->unsent && http->status == SANGRAHA_E_TIMEOUT;
	if (!http->status)
		return http->code >= 500 && status == SANGRAHA_E_UNAVAILABLE;
	/* Whoever speaks something else than HTTP is none. */
	return http->status == SANGRAHA_E_UNAVAILABLE ||
	       http->status == SANGRAHA_E_TIMEOUT ||
	       (http->status == SANGRAHA_E_INTERNAL && !http->code);
}

/*
 * Whether the store has to say it, because a replica did: that an object is not there, or
 * anything else that is no success. The part behind an object's end is not asked for twice.
 */
static bool says_little(const struct sgh_s3_op *self, int status)
{
	return status && sgh_s3_is_replica(self->endpoint) && !self->http.ours &&
	       self->http.code != 416;
}

bool sgh_s3_may_elsewhere(struct sgh_s3_op *self, int status)
{
	return !self->probe &&
	       (gateway_failed(&self->http, status) || says_little(self, status)) &&
	       (self->http.unsent || repeatable(self->verb)) &&
	       sgh_now_ms() < self->op->deadline_ms;
}
