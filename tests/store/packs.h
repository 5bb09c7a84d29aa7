/* SPDX-License-Identifier: MIT */
#ifndef STORE_PACKS_H
#define STORE_PACKS_H

#include <pthread.h>

#include "base/budget.h"
#include "base/context.h"
#include "base/metrics.h"
#include "store/store.h"
#include "support/peer.h"
#include "support/t.h"

/*
 * Small puts into a store that takes archives apart, or does not. Keys that begin with
 * "held" are answered when the peer is released.
 */

#define OK T_HTTP("200 OK", "", 0, "")

#define TRIAL  "/sangraha-meta/probe/"
#define MEMBER "x-amz-meta-sangraha-probe: M%C3%BC  1+1=2\r\n"

/* What tries whether it does, and finds that it does. */
#define SEEN(headers)                                                             \
	{                                                                         \
		.match = "HEAD " TRIAL, .bytes = T_HTTP("200 OK", headers, 0, "") \
	}
#define TYPED "Content-Type: application/x-sangraha-probe\r\n"
#define TRIED                               \
	SEEN(TYPED MEMBER),                 \
	{                                   \
		.match = TRIAL, .bytes = OK \
	}
#define TRIAL_REQUESTS 6 /* the archive, two members, and all three removed */

#define ARCHIVE "PUT /sangraha-image/archive HTTP/1.1"
#define TAKEN(answer)                             \
	{                                         \
		.match = ARCHIVE, .bytes = answer \
	}
#define HELD                                                                   \
	{                                                                      \
		.match = "PUT /sangraha-image/held", .bytes = OK, .hold = true \
	}

#define CALLS_MAX 140

/* A put that can be waited for. */
struct call {
	struct sgh_store_op op;
	char key[80];
	unsigned turn;    /* when it did, among all, from 1 */
	pthread_t thread; /* that called */
	int ends;         /* atomic: how often it did */
};

static struct fixture {
	struct sangraha_context *context;
	struct sangraha_store *store;
	struct t_peer *peer;
	struct t_peer *other;
	struct sgh_bytes *body;
	size_t reserved;
	struct call calls[CALLS_MAX];
	unsigned count;
	unsigned turns; /* atomic */
} f;

static inline void open_urls(const char *urls)
{
	const struct sangraha_store_options options = {
		.size = sizeof(options),
		.access_key = "access",
		.secret_key = "secret",
	};

	f.context = t_context();
	t_ok(sangraha_store_open(f.context, urls, &options, &f.store, &t_err));
}

static inline void play(struct t_peer *peer)
{
	f.peer = peer;
	open_urls(t_peer_s3_url(f.peer));
	f.body = t_bytes("hello");
}

#define PEER(...) play(T_PEER(__VA_ARGS__))

static inline int tear_down(void **state)
{
	sangraha_store_unref(f.store);
	if (f.reserved)
		sgh_budget_release(f.context->budget, f.reserved);
	sangraha_context_unref(f.context);
	t_peer_free(f.peer);
	t_peer_free(f.other);
	sgh_bytes_unref(f.body);
	for (unsigned i = 0; i < f.count; i++)
		sgh_store_op_fini(&f.calls[i].op);
	f = (struct fixture){ 0 };
	return 0;
}

static inline void on_done(struct sgh_store_op *op)
{
	struct call *call = sgh_container_of(op, struct call, op);

	call->turn = __atomic_add_fetch(&f.turns, 1, __ATOMIC_RELAXED);
	call->thread = pthread_self();
	__atomic_add_fetch(&call->ends, 1, __ATOMIC_RELEASE);
}

static inline bool is_done(struct call *call)
{
	return __atomic_load_n(&call->ends, __ATOMIC_ACQUIRE) > 0;
}

/* A put of "hello" that may travel with others, not yet submitted. */
static inline struct call *make(const char *key)
{
	static const struct sgh_pair meta[] = { { "sangraha", "1" },
						{ "sangraha-filename", "M%C3%BC=.jpg" } };
	struct call *call = &f.calls[f.count++];

	assert_true(f.count <= CALLS_MAX);
	snprintf(call->key, sizeof(call->key), "%s", key);
	call->op = (struct sgh_store_op){
		.verb = SGH_STORE_PUT,
		.bucket = "image",
		.key = call->key,
		.body = f.body,
		.content_type = "image/png",
		.meta = meta,
		.meta_count = SGH_COUNT(meta),
		.packable = true,
		.deadline_ms = sgh_now_ms() + 30000,
		.done = on_done,
	};
	return call;
}

static inline struct call *go(struct call *call)
{
	t_ok(sgh_store_submit(f.store, &call->op, &t_err));
	return call;
}

static inline struct call *put(const char *key)
{
	return go(make(key));
}

/* One that is held by its caller, who has others. */
static inline struct call *hold(const char *key)
{
	struct call *call = make(key);

	call->op.held = true;
	return go(call);
}

static inline int end(struct call *call)
{
	t_wait(is_done(call));
	assert_int_equal(call->ends, 1);
	t_err = call->op.err;
	return call->op.status;
}

static inline int64_t counted(const char *name)
{
	return sgh_metric_get(sgh_metrics_counter(f.context->metrics, name, ""));
}

static inline int64_t archives(void)
{
	return counted("sangraha_store_packs_total");
}

static inline int64_t archived(void)
{
	return counted("sangraha_store_packed_objects_total");
}

/* Until it is known that the server takes archives apart. */
static inline void learn(void)
{
	t_ok(end(put("first")));
	t_wait(t_peer_requests(f.peer) == 1 + TRIAL_REQUESTS);
}

/* Two under way, so that all that come now wait. */
static inline void hold_two(void)
{
	unsigned before = t_peer_requests(f.peer);

	put("held1");
	put("held2");
	t_wait(t_peer_requests(f.peer) == before + 2);
}

/* The first request with that in it; it is among the first few. */
static inline const char *request_with(const char *text)
{
	for (unsigned i = 0; i < 16 && i < t_peer_requests(f.peer); i++)
		if (strstr(t_peer_request(f.peer, i), text))
			return t_peer_request(f.peer, i);
	return NULL;
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

#endif
