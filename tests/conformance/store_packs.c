/* SPDX-License-Identifier: MIT */
#include "base/metrics.h"
#include "conformance/stores.h"

/*
 * Puts that may travel together, many at once: whether a store takes them in one request
 * or each by itself, what lies there is the same.
 */

#define BURST 48

struct call {
	struct sgh_store_op op;
	struct fixture *f;
	char key[16];
};

static unsigned left; /* atomic */
static struct call calls[BURST];
static struct sgh_bytes *bodies[BURST];

static void ended(struct sgh_store_op *op)
{
	__atomic_sub_fetch(&left, 1, __ATOMIC_RELEASE);
}

/* What the i-th is stored with: all that an object of ours may have, and odd things. */
static void describe(struct sgh_store_op *op, unsigned i)
{
	static const struct sgh_pair meta[] = {
		{ "sangraha", "1" },
		{ "sangraha-facts", "%7B%22w%22:  1,+2%7D" },
		{ "sangraha-filename", "Men%C3%BC=%20.jpg" },
		{ "sangraha-meta-a", "\"quoted\", (and); more\\" },
		{ "sangraha-meta-x1", "=?utf-8?q?M=C3=BC?=" },
		{ "x-amz-meta-x", "<&>'~`" },
	};
	static const char *const types[] = { "image/png", NULL,
					     "application/json; charset=\"utf-8\"" };

	op->meta = meta;
	op->meta_count = i % (SGH_COUNT(meta) + 1);
	op->content_type = types[i % SGH_COUNT(types)];
}

static size_t size_of(unsigned i)
{
	static const size_t sizes[] = { 0, 1, 511, 512, 513, 4096, 30000 };

	return sizes[i % SGH_COUNT(sizes)];
}

/* All at once, and wait for them; the keys begin with that letter. */
static void burst(struct fixture *f, char letter)
{
	left = BURST;
	for (unsigned i = 0; i < BURST; i++) {
		struct call *call = &calls[i];

		snprintf(call->key, sizeof(call->key), "%c%u", letter, i);
		call->op = (struct sgh_store_op){
			.verb = SGH_STORE_PUT,
			.bucket = "image",
			.key = call->key,
			.body = bodies[i],
			.packable = true,
			.deadline_ms = sgh_now_ms() + 60000,
			.done = ended,
		};
		describe(&call->op, i);
		t_ok(sgh_store_submit(f->store, &call->op, &t_err));
	}
	t_wait(!__atomic_load_n(&left, __ATOMIC_ACQUIRE));
	for (unsigned i = 0; i < BURST; i++) {
		t_err = calls[i].op.err;
		t_ok(calls[i].op.status);
		sgh_store_op_fini(&calls[i].op);
	}
}

static bool has_meta(const struct sgh_store_head *head, const struct sgh_pair *pair)
{
	for (size_t i = 0; i < head->meta_count; i++)
		if (sgh_streq(head->meta[i].name, pair->name))
			return sgh_streq(head->meta[i].value, pair->value);
	return false;
}

/* To the byte as `wanted`, which was put alone. */
static void is_the_same(struct fixture *f, const char *key, const char *wanted)
{
	struct sgh_store_op one;

	t_ok(get(f, wanted, 0, 1 << 20));
	one = f->op;
	f->op = (struct sgh_store_op){ 0 };
	t_ok(get(f, key, 0, 1 << 20));
	assert_int_equal(f->op.data->length, one.data->length);
	assert_memory_equal(f->op.data->data, one.data->data, one.data->length);
	assert_string_equal(f->op.head.content_type, one.head.content_type);
	assert_int_equal(f->op.head.meta_count, one.head.meta_count);
	for (size_t i = 0; i < one.head.meta_count; i++)
		assert_true(has_meta(&f->op.head, &one.head.meta[i]));
	assert_in_range(f->op.head.modified_ms, sgh_time_ms() - 300000,
			sgh_time_ms() + 60000);
	sgh_store_op_fini(&one);
}

static int64_t archives(struct fixture *f)
{
	return sgh_metric_get(sgh_metrics_counter(f->context->metrics,
						  "sangraha_store_packs_total", ""));
}

static bool takes_archives(struct fixture *f)
{
	return sgh_streq(f->backend->name, "minio");
}

static void make_bodies(void)
{
	for (unsigned i = 0; i < BURST; i++) {
		bodies[i] = sgh_bytes_new(NULL, size_of(i));
		bodies[i]->length = size_of(i);
		for (size_t k = 0; k < bodies[i]->length; k++)
			bodies[i]->data[k] = (unsigned char)(k * 31 + i);
	}
}

static void drop_bodies(void)
{
	for (unsigned i = 0; i < BURST; i++)
		sgh_bytes_unref(sgh_take(bodies[i]));
}

static bool nothing_in(struct fixture *f, const char *bucket)
{
	fresh(f, SGH_STORE_LIST, NULL)->bucket = bucket;
	f->op.limit = 10;
	t_ok(run(f));
	return !f->op.key_count;
}

static void together_is_as_alone(void **state)
{
	struct fixture *f = needed(state);
	char alone[16];
	char together[16];

	make_bodies();
	for (unsigned i = 0; i < BURST; i++) {
		snprintf(alone, sizeof(alone), "alone%u", i);
		describe(fresh(f, SGH_STORE_PUT, alone), i);
		f->op.body = bodies[i];
		t_ok(run(f));
	}
	burst(f, 'a');
	if (takes_archives(f))
		t_wait((burst(f, 'b'), archives(f) > 0));
	burst(f, 'c');
	for (unsigned i = 0; i < BURST; i++) {
		snprintf(alone, sizeof(alone), "alone%u", i);
		snprintf(together, sizeof(together), "a%u", i);
		is_the_same(f, together, alone);
		snprintf(together, sizeof(together), "c%u", i);
		is_the_same(f, together, alone);
	}
	drop_bodies();
}

/* Neither the archive, nor what was put to see whether it is taken apart. */
static void nothing_else_is_left(void **state)
{
	struct fixture *f = needed(state);

	make_bodies();
	burst(f, 'a');
	burst(f, 'a');
	t_wait(nothing_in(f, "meta"));
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, "archive"));
	assert_true(takes_archives(f) || !archives(f));
	drop_bodies();
}

/* A put that may travel replaces, as any other does. */
static void the_last_one_stays(void **state)
{
	struct fixture *f = needed(state);

	make_bodies();
	for (unsigned i = 0; i < 3; i++)
		burst(f, 'a');
	t_ok(put(f, "alone", "x"));
	t_ok(put_new(f, "new", "x"));
	t_fails(SANGRAHA_E_PRECONDITION, put_new(f, "a1", "x"));
	t_ok(get(f, "a1", 0, 100));
	assert_int_equal(f->op.data->length, 1);
	drop_bodies();
}

static const struct CMUnitTest cases[] = {
	CASE(together_is_as_alone),
	CASE(nothing_else_is_left),
	CASE(the_last_one_stays),
};

CONFORMANCE_MAIN(cases)
