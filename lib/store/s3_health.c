/* SPDX-License-Identifier: MIT */
#include "store/s3.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/metrics.h"

/*
 * Which gateways serve. Each has two breakers: one for reads and for being there at all,
 * one for changes. Whoever fails, or is silent while it is waited for, is left alone as
 * long as there are others, and asked - by a HEAD of a bucket, not by somebody's request -
 * whether it is there, until it says so. Only what it does not answer to that, and
 * connections that cannot be made or break, open the first breaker: one object that cannot
 * be read closes no gateway. Changes cannot be tried for nothing, so a gateway that is
 * there but failed one gets somebody's from time to time.
 */

/* A gateway that is waited for and was not heard for so long is asked. */
#define QUIET_MS 1000
/* How long it has for the answer. The next one is asked meanwhile, on its own connection. */
#define PROBE_LIMIT_MS 2000

struct probe {
	struct sgh_store_op op;
	struct sgh_s3 *s3;
	struct sgh_s3_endpoint *endpoint;
};

enum sign {
	TELLS_NOTHING,
	SERVES,
	DOUBTFUL,
	FAILS,
};

enum gauge {
	CLOSED = 0,
	HALF_OPEN = 1,
	OPEN = 2,
};

/* ---- what others see ---- */

static bool is_away(struct sgh_s3_endpoint *endpoint, bool changes)
{
	return sgh_breaker_state(&endpoint->sides[false].breaker) == SGH_BREAKER_OPEN ||
	       (changes &&
		sgh_breaker_state(&endpoint->sides[true].breaker) == SGH_BREAKER_OPEN);
}

static bool is_good(struct sgh_s3_endpoint *endpoint, bool changes)
{
	return sgh_breaker_state(&endpoint->sides[false].breaker) == SGH_BREAKER_CLOSED &&
	       (!changes ||
		sgh_breaker_state(&endpoint->sides[true].breaker) == SGH_BREAKER_CLOSED);
}

bool sgh_s3_is_replica(const struct sgh_s3_endpoint *endpoint)
{
	return endpoint->number >= SGH_S3_ENDPOINTS_MAX;
}

/* Among several it is out as soon as it fails; alone it is not out before it is away. */
static int gauge_of(struct sgh_s3 *s3, struct sgh_s3_endpoint *endpoint)
{
	bool alone = s3->gateways.count == 1 && !sgh_s3_is_replica(endpoint);
	bool out = alone ? is_away(endpoint, true) : !is_good(endpoint, true);

	if (out && __atomic_load_n(&endpoint->probes, __ATOMIC_RELAXED))
		return HALF_OPEN;
	return out ? OPEN : CLOSED;
}

static void show(struct sgh_s3 *s3)
{
	bool asking = false;
	bool away[2] = { true, true };

	pthread_mutex_lock(&s3->showing);
	for (unsigned i = 0; i < s3->gateways.count; i++) {
		struct sgh_s3_endpoint *endpoint = &s3->gateways.endpoints[i];

		sgh_metric_set(endpoint->gauge, gauge_of(s3, endpoint));
		asking |= __atomic_load_n(&endpoint->probes, __ATOMIC_RELAXED) > 0;
		away[false] &= is_away(endpoint, false);
		away[true] &= is_away(endpoint, true);
	}
	for (unsigned i = 0; i < s3->replicas.count; i++)
		sgh_metric_set(s3->replicas.endpoints[i].gauge,
			       gauge_of(s3, &s3->replicas.endpoints[i]));
	sgh_metric_set(s3->store.breaker.gauge, !away[false] ? CLOSED
						: asking     ? HALF_OPEN
							     : OPEN);
	sgh_metric_set(s3->store.changes.gauge, !away[true] ? CLOSED
						: asking    ? HALF_OPEN
							    : OPEN);
	pthread_mutex_unlock(&s3->showing);
}

int64_t sgh_s3_down_ms(struct sangraha_store *store, bool changes)
{
	struct sgh_s3 *s3 = sgh_container_of(store, struct sgh_s3, store);
	int64_t least = INT64_MAX;

	for (unsigned i = 0; i < s3->gateways.count; i++) {
		struct sgh_s3_endpoint *endpoint = &s3->gateways.endpoints[i];
		int64_t down = 0;

		for (unsigned side = 0; side <= changes; side++) {
			struct sgh_breaker *breaker = &endpoint->sides[side].breaker;
			int64_t open = sgh_breaker_open_ms(breaker);

			down = open > down ? open : down;
		}
		least = down < least ? down : least;
	}
	return least;
}

int64_t sgh_s3_replicas_down_ms(struct sangraha_store *store)
{
	struct sgh_s3 *s3 = sgh_container_of(store, struct sgh_s3, store);
	int64_t least = sgh_s3_down_ms(store, false);

	for (unsigned i = 0; i < s3->replicas.count; i++) {
		struct sgh_s3_side *side = &s3->replicas.endpoints[i].sides[false];
		int64_t down = sgh_breaker_open_ms(&side->breaker);

		least = down < least ? down : least;
	}
	return least;
}

static void endpoint_init(struct sgh_s3 *s3, struct sgh_s3_endpoint *endpoint,
			  unsigned number)
{
	struct sgh_metrics *metrics = s3->store.context->metrics;
	char labels[sizeof(endpoint->base) + 64];

	endpoint->number = number;
	for (unsigned side = 0; side < SGH_COUNT(endpoint->sides); side++)
		sgh_breaker_init(&endpoint->sides[side].breaker,
				 SGH_STORE_BREAKER_THRESHOLD, NULL);
	snprintf(labels, sizeof(labels), "dependency=\"store\",endpoint=\"%s\"",
		 endpoint->host);
	endpoint->gauge = sgh_metrics_gauge(metrics, "sangraha_breaker_state", labels);
	snprintf(labels, sizeof(labels), "endpoint=\"%s\"", endpoint->host);
	endpoint->failures =
		sgh_metrics_counter(metrics, "sangraha_store_failures_total", labels);
}

void sgh_s3_health_init(struct sgh_s3 *s3)
{
	for (unsigned i = 0; i < s3->gateways.count; i++)
		endpoint_init(s3, &s3->gateways.endpoints[i], i);
	for (unsigned i = 0; i < s3->replicas.count; i++)
		endpoint_init(s3, &s3->replicas.endpoints[i], SGH_S3_ENDPOINTS_MAX + i);
}

static void gateways_fini(struct sgh_s3_gateways *gateways)
{
	for (unsigned i = 0; i < gateways->count; i++)
		for (unsigned side = 0; side < 2; side++)
			sgh_breaker_fini(&gateways->endpoints[i].sides[side].breaker);
}

void sgh_s3_health_fini(struct sgh_s3 *s3)
{
	gateways_fini(&s3->gateways);
	gateways_fini(&s3->replicas);
}

/* ---- asking whether it is there ---- */

static void probed(struct sgh_store_op *op)
{
	struct probe *probe = sgh_container_of(op, struct probe, op);

	__atomic_sub_fetch(&probe->endpoint->probes, 1, __ATOMIC_RELAXED);
	show(probe->s3);
	sgh_store_op_fini(op);
	free(probe);
}

/* What cannot be asked now for want of memory is asked next time. */
static void begin_probe(struct sgh_s3 *s3, struct sgh_s3_endpoint *endpoint)
{
	struct probe *probe = calloc(1, sizeof(*probe));

	if (!probe)
		return;
	probe->s3 = s3;
	probe->endpoint = endpoint;
	probe->op = (struct sgh_store_op){
		.verb = SGH_STORE_CHECK,
		.bucket = "meta",
		.deadline_ms = sgh_now_ms() + PROBE_LIMIT_MS,
		.done = probed,
	};
	__atomic_add_fetch(&endpoint->probes, 1, __ATOMIC_RELAXED);
	if (sgh_s3_submit_internal(s3, &probe->op, endpoint, &probe->op.err))
		probed(&probe->op);
	else
		show(s3);
}

static int64_t heard_ms(const struct sgh_s3_endpoint *endpoint)
{
	int64_t reads =
		__atomic_load_n(&endpoint->sides[false].heard_ms, __ATOMIC_RELAXED);
	int64_t changes =
		__atomic_load_n(&endpoint->sides[true].heard_ms, __ATOMIC_RELAXED);

	return reads > changes ? reads : changes;
}

/* Requests come often, and the roles ask every second: they drive this. */
static void look_after(struct sgh_s3 *s3, struct sgh_s3_endpoint *endpoint)
{
	struct sgh_breaker *breaker = &endpoint->sides[false].breaker;

	if (__atomic_load_n(&endpoint->waiting, __ATOMIC_RELAXED) &&
	    sgh_now_ms() - heard_ms(endpoint) > QUIET_MS)
		sgh_breaker_doubt(breaker);
	if (sgh_breaker_probe(breaker))
		begin_probe(s3, endpoint);
}

/* ---- choosing ---- */

static bool was_tried(const struct sgh_s3_endpoint *endpoint, uint32_t tried)
{
	return tried >> endpoint->number & 1;
}

/* It is there, and it is time to see whether it takes changes again. */
static bool may_try_change(struct sgh_s3_endpoint *endpoint)
{
	return is_good(endpoint, false) &&
	       sgh_breaker_probe(&endpoint->sides[true].breaker);
}

/* One of these; *last_resort, unless there is one, becomes what is better than nothing. */
static struct sgh_s3_endpoint *pick_among(struct sgh_s3_gateways *among, bool changes,
					  uint32_t tried,
					  struct sgh_s3_endpoint **last_resort)
{
	unsigned turn = __atomic_fetch_add(&among->turn, 1, __ATOMIC_RELAXED);

	for (unsigned i = 0; i < among->count; i++) {
		struct sgh_s3_endpoint *endpoint =
			&among->endpoints[(turn + i) % among->count];

		if (was_tried(endpoint, tried))
			continue;
		if (is_good(endpoint, changes) || (changes && may_try_change(endpoint)))
			return endpoint;
		if (!*last_resort && !is_away(endpoint, changes))
			*last_resort = endpoint;
	}
	return NULL;
}

static void look_after_all(struct sgh_s3 *s3, struct sgh_s3_gateways *all)
{
	for (unsigned i = 0; i < all->count; i++)
		look_after(s3, &all->endpoints[i]);
}

static bool was_tried_at_a_replica(const struct sgh_s3_op *self)
{
	return self->tried >> SGH_S3_ENDPOINTS_MAX;
}

struct sgh_s3_endpoint *sgh_s3_pick(struct sgh_s3_op *self)
{
	struct sgh_s3 *s3 = self->s3;
	bool changes = sgh_store_changes(self->verb);
	bool replicas = self->op->replicas && !changes;
	struct sgh_s3_endpoint *last_resort = NULL;
	struct sgh_s3_endpoint *found = NULL;

	look_after_all(s3, &s3->gateways);
	look_after_all(s3, &s3->replicas);
	/* What one replica lacks others may lack too, as they copy the same store. */
	if (replicas && !was_tried_at_a_replica(self))
		found = pick_among(&s3->replicas, changes, self->tried, &last_resort);
	if (!found)
		found = pick_among(&s3->gateways, changes, self->tried, &last_resort);
	if (!found && replicas)
		found = pick_among(&s3->replicas, changes, self->tried, &last_resort);
	return found ? found : last_resort;
}

static unsigned count_good(struct sgh_s3_gateways *among, bool changes, uint32_t tried)
{
	unsigned count = 0;

	for (unsigned i = 0; i < among->count; i++)
		count += !was_tried(&among->endpoints[i], tried) &&
			 is_good(&among->endpoints[i], changes);
	return count;
}

unsigned sgh_s3_others(struct sgh_s3 *s3, bool changes, uint32_t tried)
{
	return count_good(&s3->gateways, changes, tried);
}

unsigned sgh_s3_other_replicas(struct sgh_s3 *s3, uint32_t tried)
{
	return count_good(&s3->replicas, false, tried);
}

/* Of a public address that is one of ours we know whether it serves. */
static bool is_bad(struct sgh_s3 *s3, const struct sgh_s3_endpoint *public)
{
	for (unsigned i = 0; i < s3->gateways.count; i++)
		if (sgh_streq(s3->gateways.endpoints[i].base, public->base))
			return !is_good(&s3->gateways.endpoints[i], true);
	return false;
}

static const struct sgh_s3_endpoint *public_replica(const struct sgh_s3 *s3,
						    unsigned replica)
{
	const struct sgh_s3_gateways *public =
		s3->public_replicas.count ? &s3->public_replicas : &s3->replicas;

	if (!replica || replica > public->count ||
	    (s3->public.count && !s3->public_replicas.count))
		return NULL;
	return &public->endpoints[replica - 1];
}

const struct sgh_s3_endpoint *sgh_s3_pick_public(struct sgh_s3 *s3, unsigned replica)
{
	struct sgh_s3_gateways *public = s3->public.count ? &s3->public : &s3->gateways;
	const struct sgh_s3_endpoint *found = public_replica(s3, replica);
	unsigned turn;

	if (found)
		return found;
	turn = __atomic_fetch_add(&public->turn, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < public->count; i++) {
		const struct sgh_s3_endpoint *endpoint =
			&public->endpoints[(turn + i) % public->count];

		if (!is_bad(s3, endpoint))
			return endpoint;
	}
	return &public->endpoints[turn % public->count];
}

/* ---- what requests tell ---- */

void sgh_s3_note_sent(struct sgh_s3_op *self)
{
	struct sgh_s3_endpoint *endpoint = self->endpoint;

	self->sent_ms = sgh_now_ms();
	/* Silence begins with the first that is waited for. */
	if (!__atomic_fetch_add(&endpoint->waiting, 1, __ATOMIC_RELAXED))
		__atomic_store_n(&endpoint->sides[false].heard_ms, self->sent_ms,
				 __ATOMIC_RELAXED);
}

/* Who has answered others meanwhile is slow with this one, and not away. */
static enum sign sign_of_silence(const struct sgh_s3_op *self, bool changes)
{
	const struct sgh_s3_endpoint *endpoint = self->endpoint;
	int64_t heard = changes ? __atomic_load_n(&endpoint->sides[true].heard_ms,
						  __ATOMIC_RELAXED)
				: heard_ms(endpoint);
	bool long_enough = sgh_now_ms() - self->sent_ms >= SGH_STORE_PATIENCE_MS;

	return heard <= self->sent_ms && (self->probe || long_enough) ? FAILS : DOUBTFUL;
}

static enum sign sign_of(const struct sgh_s3_op *self, int status, bool changes)
{
	const struct sgh_http_request *http = &self->http;

	/* Two writers of one key, or too many requests: it serves, but for whom? */
	if (http->ours || http->code == 409 || http->code == 429)
		return TELLS_NOTHING;
	if (http->status == SANGRAHA_E_TIMEOUT)
		return sign_of_silence(self, changes);
	if (http->status == SANGRAHA_E_UNAVAILABLE ||
	    (http->status == SANGRAHA_E_INTERNAL && !http->code))
		return FAILS;
	/* A replica that does not know us is no use; the store's own refusal is an answer. */
	if (status == SANGRAHA_E_UNAUTHORIZED && sgh_s3_is_replica(self->endpoint))
		return FAILS;
	if (status != SANGRAHA_E_UNAVAILABLE)
		return SERVES;
	return changes || self->verb == SGH_STORE_CHECK ? FAILS : DOUBTFUL;
}

/* What a change met that was away says nothing any more once it is back. */
static void serves(struct sgh_s3 *s3, struct sgh_s3_endpoint *endpoint, bool changes)
{
	struct sgh_s3_side *sides = endpoint->sides;
	bool news = sgh_breaker_success(&sides[changes].breaker);

	if (news && !changes &&
	    __atomic_exchange_n(&endpoint->away, false, __ATOMIC_RELAXED) &&
	    __atomic_load_n(&endpoint->unanswered, __ATOMIC_RELAXED))
		sgh_breaker_success(&sides[true].breaker);
	if (news)
		show(s3);
}

/* Nobody misses a replica: who runs it is told. */
static void tell_of_replica(const struct sgh_s3_op *self)
{
	if (sgh_s3_is_replica(self->endpoint))
		sgh_log(self->s3->store.context, SANGRAHA_LOG_WARN, "store", "replica",
			"%s is left alone: %s", self->endpoint->host,
			self->op->err.message);
}

/* It may be away altogether: that is asked for nothing. */
static void note_unanswered(struct sgh_s3_endpoint *endpoint, bool unanswered)
{
	__atomic_store_n(&endpoint->unanswered, unanswered, __ATOMIC_RELAXED);
	if (unanswered)
		sgh_breaker_doubt(&endpoint->sides[false].breaker);
}

void sgh_s3_note_end(struct sgh_s3_op *self, int status, bool by_us)
{
	struct sgh_s3_endpoint *endpoint = self->endpoint;
	bool changes = sgh_store_changes(self->verb) && !self->http.unsent;
	struct sgh_s3_side *side = &endpoint->sides[changes];
	enum sign sign = by_us ? TELLS_NOTHING : sign_of(self, status, changes);

	__atomic_sub_fetch(&endpoint->waiting, 1, __ATOMIC_RELAXED);
	if (!self->http.status)
		__atomic_store_n(&side->heard_ms, sgh_now_ms(), __ATOMIC_RELAXED);
	if (sign == TELLS_NOTHING)
		return;
	if (sign == SERVES) {
		serves(self->s3, endpoint, changes);
		return;
	}
	sgh_metric_add(endpoint->failures, 1);
	if (changes)
		note_unanswered(endpoint, !self->http.code);
	else if (sign == FAILS)
		__atomic_store_n(&endpoint->away, true, __ATOMIC_RELAXED);
	if (sign == DOUBTFUL) {
		sgh_breaker_doubt(&side->breaker);
	} else if (sgh_breaker_failure(&side->breaker) && !changes) {
		tell_of_replica(self);
		sgh_s3_cut(self->s3, endpoint);
	}
	show(self->s3);
}
