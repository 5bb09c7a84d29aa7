/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/metrics.h"
#include "store/check.h"

#define IN_FLIGHT_MAX 4096

static const struct sgh_store_backend *const backends[] = {
	&sgh_store_s3,
#ifdef SGH_WITH_EMBEDDED
	&sgh_store_file,
#endif
};

/* "s3+http:" of "s3+http://host" is among the schemes. */
static bool has_scheme(const struct sgh_store_backend *backend, const char *url)
{
	const char *schemes = backend->schemes;

	while (*schemes) {
		size_t length = strcspn(schemes, " ");

		if (strncmp(url, schemes, length) == 0)
			return true;
		schemes += length;
		schemes += strspn(schemes, " ");
	}
	return false;
}

static const char *prefix_of(const struct sangraha_store_options *options)
{
	return sgh_option(options, bucket_prefix, "sangraha-");
}

void sgh_store_init(struct sangraha_store *store, const struct sgh_store_backend *backend,
		    struct sangraha_context *context,
		    const struct sangraha_store_options *options)
{
	store->backend = backend;
	store->refs = 1;
	store->context = sangraha_context_ref(context);
	snprintf(store->bucket_prefix, sizeof(store->bucket_prefix), "%s",
		 prefix_of(options));
	sgh_breaker_init(&store->breaker, SGH_STORE_BREAKER_THRESHOLD,
			 sgh_metrics_gauge(context->metrics, "sangraha_breaker_state",
					   "dependency=\"store\""));
	sgh_breaker_init(&store->changes, SGH_STORE_BREAKER_THRESHOLD,
			 sgh_metrics_gauge(context->metrics, "sangraha_breaker_state",
					   "dependency=\"store\",operations=\"writes\""));
}

void sgh_store_fini(struct sangraha_store *store)
{
	sgh_breaker_fini(&store->changes);
	sgh_breaker_fini(&store->breaker);
	sangraha_context_unref(store->context);
}

int sangraha_store_open(struct sangraha_context *context, const char *url,
			const struct sangraha_store_options *options,
			struct sangraha_store **ret, struct sangraha_error *err)
{
	const char *prefix = prefix_of(options);
	int rc = sgh_options_check(options, err);

	if (rc)
		return rc;
	if (!context || !url || !ret)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "an argument is NULL");
	if (!sgh_store_bucket_chars(prefix) || strlen(prefix) > 55 || *prefix == '-')
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the bucket prefix is not at most 55 of [a-z0-9-]");
	for (size_t i = 0; i < SGH_COUNT(backends); i++)
		if (has_scheme(backends[i], url))
			return backends[i]->open(context, url, options, ret, err);
	return sgh_fail(err, SANGRAHA_E_INVALID, 0,
			"the store URL has no scheme that this build knows; it begins "
			"with s3+http:, s3+https: or file:");
}

struct sangraha_store *sangraha_store_ref(struct sangraha_store *store)
{
	if (store)
		__atomic_add_fetch(&store->refs, 1, __ATOMIC_RELAXED);
	return store;
}

void sangraha_store_unref(struct sangraha_store *store)
{
	if (store && !__atomic_sub_fetch(&store->refs, 1, __ATOMIC_ACQ_REL))
		store->backend->destroy(store);
}

static void clear_result(struct sgh_store_op *op)
{
	op->status = 0;
	op->err = (struct sangraha_error){ 0 };
	op->head = (struct sgh_store_head){ 0 };
	op->replica = 0;
	op->keys = NULL;
	op->key_count = 0;
	op->more = false;
	op->begun_upload = NULL;
	op->etag = NULL;
	op->found_parts = NULL;
	op->found_part_count = 0;
	op->uploads = NULL;
	op->upload_count = 0;
	op->unsent = false;
	op->goes_on = false;
	op->ours = false;
	op->garbled = false;
}

bool sgh_store_changes(enum sgh_store_verb verb)
{
	switch (verb) {
	case SGH_STORE_PUT:
	case SGH_STORE_DELETE:
	case SGH_STORE_UPLOAD_BEGIN:
	case SGH_STORE_UPLOAD_PART:
	case SGH_STORE_UPLOAD_COMPLETE:
	case SGH_STORE_UPLOAD_ABORT:
	case SGH_STORE_MAKE_BUCKET:
		return true;
	default:
		return false;
	}
}

/* One of those that are kept out may see whether that is still right. */
static bool allowed(struct sangraha_store *store, enum sgh_store_verb verb)
{
	if (store->backend->down_ms)
		return true;
	if (!sgh_store_changes(verb))
		return sgh_breaker_allow(&store->breaker);
	return sgh_breaker_state(&store->breaker) != SGH_BREAKER_OPEN &&
	       sgh_breaker_allow(&store->changes);
}

static int submit(struct sangraha_store *store, struct sgh_store_op *op,
		  struct sangraha_error *err)
{
	if (op->deadline_ms <= sgh_now_ms())
		return sgh_fail(err, SANGRAHA_E_TIMEOUT, 0,
				"the deadline passed before the store was asked");
	if (!allowed(store, op->verb))
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				"the store has been failing for %lld ms",
				(long long)sgh_store_writes_down_ms(store));
	return store->backend->submit(store, op, err);
}

int sgh_store_submit(struct sangraha_store *store, struct sgh_store_op *op,
		     struct sangraha_error *err)
{
	int rc = sgh_store_check_op(store, op, err);

	if (rc)
		return rc;
	/* Any bucket does for a check; this one is always made. */
	if (op->verb == SGH_STORE_CHECK)
		op->bucket = "meta";
	clear_result(op);
	op->begun_ms = sgh_now_ms();
	if (__atomic_add_fetch(&store->in_flight, 1, __ATOMIC_RELAXED) > IN_FLIGHT_MAX)
		rc = sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
			      "%d operations are waiting for the store", IN_FLIGHT_MAX);
	else
		rc = submit(store, op, err);
	if (rc)
		__atomic_sub_fetch(&store->in_flight, 1, __ATOMIC_RELAXED);
	return rc;
}

int sgh_store_ticket(struct sangraha_store *store, const struct sgh_store_grant *grant,
		     struct sgh_arena *arena, struct sgh_ticket **ret,
		     struct sangraha_error *err)
{
	int rc = sgh_store_check_grant(store, grant, err);

	if (rc)
		return rc;
	if (!store->backend->ticket)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"this store makes no tickets");
	return store->backend->ticket(store, grant, arena, ret, err);
}

/* What an operation says about the store: nothing when it ended for reasons of ours. */
static void tell_breaker(struct sangraha_store *store, const struct sgh_store_op *op)
{
	struct sgh_breaker *breaker =
		sgh_store_changes(op->verb) ? &store->changes : &store->breaker;
	bool timed_out = op->status == SANGRAHA_E_TIMEOUT;
	bool hurried = op->deadline_ms - op->begun_ms < SGH_STORE_PATIENCE_MS;

	if (store->backend->down_ms || op->ours || (timed_out && hurried))
		return;
	if (timed_out || op->status == SANGRAHA_E_UNAVAILABLE)
		sgh_breaker_failure(breaker);
	else
		sgh_breaker_success(breaker);
}

void sgh_store_complete(struct sangraha_store *store, struct sgh_store_op *op)
{
	tell_breaker(store, op);
	__atomic_sub_fetch(&store->in_flight, 1, __ATOMIC_RELAXED);
	op->done(op);
}

void sgh_store_op_fini(struct sgh_store_op *op)
{
	sgh_arena_fini(&op->arena);
	sgh_bytes_unref(sgh_take(op->data));
	clear_result(op);
}

void sgh_store_go_on(struct sangraha_store *store)
{
	if (store->backend->go_on)
		store->backend->go_on(store);
}

void sgh_store_cancel(struct sangraha_store *store, const void *owner)
{
	if (store->backend->cancel)
		store->backend->cancel(store, owner);
}

int64_t sgh_store_down_ms(struct sangraha_store *store)
{
	if (store->backend->down_ms)
		return store->backend->down_ms(store, false);
	return sgh_breaker_open_ms(&store->breaker);
}

int64_t sgh_store_replicas_down_ms(struct sangraha_store *store)
{
	if (store->backend->replicas_down_ms)
		return store->backend->replicas_down_ms(store);
	return sgh_store_down_ms(store);
}

int64_t sgh_store_writes_down_ms(struct sangraha_store *store)
{
	int64_t down;
	int64_t changes;

	if (store->backend->down_ms)
		return store->backend->down_ms(store, true);
	down = sgh_breaker_open_ms(&store->breaker);
	changes = sgh_breaker_open_ms(&store->changes);
	return down > changes ? down : changes;
}
