/* SPDX-License-Identifier: MIT */
#include <sangraha/store.h>

#include <pthread.h>

#include "base/context.h"
#include "support/peer.h"
#include "support/t.h"

/* What the public calls add to the seam. */

#define LIMIT 1000

static struct fixture {
	struct sangraha_context *context;
	struct sangraha_store *store;
	struct t_peer *peer;
	pthread_t thread;
	bool done; /* atomic */
	int status;
} f;

static void play(const struct t_answer *answer)
{
	const struct sangraha_context_options options = {
		.size = sizeof(options),
		.memory_limit = LIMIT,
	};

	f.peer = t_peer_new(answer, 1);
	t_ok(sangraha_context_new(&options, &f.context, &t_err));
	t_ok(sangraha_store_open(f.context, t_peer_s3_url(f.peer), NULL, &f.store,
				 &t_err));
}

static int tear_down(void **state)
{
	sangraha_store_unref(f.store);
	sangraha_context_unref(f.context);
	t_peer_free(f.peer);
	f = (struct fixture){ 0 };
	return 0;
}

static int put(unsigned timeout_ms)
{
	const struct sangraha_store_put options = {
		.size = sizeof(options),
		.timeout_ms = timeout_ms,
	};

	return sangraha_store_put(f.store, "image", "a", "hello", 5, &options, &t_err);
}

static void *put_on_thread(void *arg)
{
	f.status = put(20000);
	__atomic_store_n(&f.done, true, __ATOMIC_RELEASE);
	return NULL;
}

static const struct t_answer yes = { .bytes = T_HTTP("200 OK", "", 0, "") };

static void requests_without_keys_are_not_signed(void **state)
{
	play(&yes);
	t_ok(put(0));
	assert_null(strstr(t_peer_request(f.peer, 0), "Authorization"));
}

static void a_put_gives_its_memory_back(void **state)
{
	play(&yes);
	t_ok(put(0));
	t_wait(!sgh_budget_used(f.context->budget));
}

static void a_put_waits_for_memory(void **state)
{
	play(&yes);
	sgh_budget_force(f.context->budget, LIMIT);
	pthread_create(&f.thread, NULL, put_on_thread, NULL);
	/* It cannot have been sent as long as it waits. */
	assert_int_equal(t_peer_requests(f.peer), 0);
	sgh_budget_release(f.context->budget, LIMIT);
	t_wait(__atomic_load_n(&f.done, __ATOMIC_ACQUIRE));
	pthread_join(f.thread, NULL);
	assert_int_equal(f.status, 0);
}

static void a_put_does_not_wait_for_ever(void **state)
{
	play(&yes);
	sgh_budget_force(f.context->budget, LIMIT);
	t_fails(SANGRAHA_E_TIMEOUT, put(100));
	sgh_budget_release(f.context->budget, LIMIT);
	assert_int_equal(sgh_budget_used(f.context->budget), 0);
}

static void a_put_over_the_limit_passes_alone(void **state)
{
	static char large[3 * LIMIT];

	play(&yes);
	memset(large, 'x', sizeof(large));
	t_ok(sangraha_store_put(f.store, "image", "a", large, sizeof(large), NULL,
				&t_err));
}

static void an_entry_holds_its_memory(void **state)
{
	static const struct t_answer hello = { .bytes =
						       T_HTTP("200 OK", "", 5, "hello") };
	struct sangraha_store_entry *entry;
	size_t length;

	play(&hello);
	t_ok(sangraha_store_get(f.store, "image", "a", 0, 10, 0, &entry, &t_err));
	assert_memory_equal(sangraha_store_entry_data(entry, &length), "hello", 5);
	assert_int_equal(length, 5);
	assert_int_equal(sgh_budget_used(f.context->budget), 5);
	sangraha_store_entry_free(entry);
	assert_int_equal(sgh_budget_used(f.context->budget), 0);
}

static int stop_at_b(void *arg, const char *key, uint64_t size)
{
	(*(unsigned *)arg)++;
	return strcmp(key, "b") == 0;
}

static void a_list_stops_on_wish(void **state)
{
	static const struct t_answer keys = {
		.bytes = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<ListBucketResult>"
			 "<IsTruncated>true</IsTruncated>"
			 "<Contents><Key>a</Key></Contents><Contents><Key>b</Key></"
			 "Contents>"
			 "<Contents><Key>c</Key></Contents></ListBucketResult>",
		.close = true,
	};
	unsigned seen = 0;
	int more = 0;

	play(&keys);
	t_ok(sangraha_store_list(f.store, "image", NULL, NULL, 3, 0, stop_at_b, &seen,
				 &more, &t_err));
	assert_int_equal(seen, 2);
	assert_int_equal(more, 1);
}

static void missing_arguments_are_refused(void **state)
{
	play(&yes);
	t_fails(SANGRAHA_E_INVALID, sangraha_store_check(NULL, 0, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_store_put(f.store, "image", "a", NULL, 1, NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_store_put(f.store, "image", NULL, "", 0, NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_store_get(f.store, "image", "a", 0, 1, 0, NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID, sangraha_store_list(f.store, NULL, NULL, NULL, 1, 0,
							stop_at_b, NULL, NULL, &t_err));
	sangraha_store_entry_free(NULL);
	sangraha_store_unref(NULL);
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(requests_without_keys_are_not_signed),
	CASE(a_put_gives_its_memory_back),
	CASE(a_put_waits_for_memory),
	CASE(a_put_does_not_wait_for_ever),
	CASE(a_put_over_the_limit_passes_alone),
	CASE(an_entry_holds_its_memory),
	CASE(a_list_stops_on_wish),
	CASE(missing_arguments_are_refused),
};

t_main(tests)
