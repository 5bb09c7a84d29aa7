/* SPDX-License-Identifier: MIT */
#include "role/cache.h"

#include "base/context.h"
#include "support/t.h"

/* The cache by itself; the tests are the clock. */

#define TTL   1000
#define BYTES 1000 /* of each body */

struct fixture {
	struct sangraha_context *context;
	struct sgh_budget *budget;
	struct sgh_timers *timers;
	struct sgh_cache *cache;
	size_t one; /* bytes that an entry takes */
};

static const char *id_of(unsigned n)
{
	static char ids[8][SANGRAHA_ID_SIZE];
	static unsigned next;
	char *id = ids[next++ % SGH_COUNT(ids)];

	snprintf(id, SANGRAHA_ID_SIZE, "0199f2c4-0000-7000-8000-%012u", n);
	return id;
}

static struct sangraha_object *object(const char *type, unsigned n, size_t size)
{
	struct sgh_object_parts parts = {
		.id = id_of(n),
		.type = type,
		.sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a"
			  "08",
		.size = size,
	};
	struct sangraha_object *made = NULL;

	t_ok(sgh_object_new(&parts, &made, &t_err));
	return made;
}

static struct sgh_bytes *body(struct fixture *f, size_t size)
{
	struct sgh_bytes *bytes;

	sgh_budget_force(f->budget, size);
	bytes = sgh_bytes_new(f->budget, size);
	assert_non_null(bytes);
	memset(bytes->data, 'x', size);
	bytes->length = size;
	return bytes;
}

static void put_at(struct fixture *f, uint64_t mark, int64_t asked_ms, unsigned n)
{
	struct sangraha_object *what = object("json", n, BYTES);
	struct sgh_bytes *bytes = body(f, BYTES);

	sgh_cache_put(f->cache, mark, asked_ms,
		      &(struct sgh_cached){ .object = what, .body = bytes });
	sangraha_object_unref(what);
	sgh_bytes_unref(bytes);
}

static void put(struct fixture *f, unsigned n)
{
	put_at(f, sgh_cache_mark(f->cache, id_of(n)), 0, n);
}

static bool has_at(struct fixture *f, int64_t now_ms, unsigned n)
{
	struct sgh_cached found;

	if (!sgh_cache_get(f->cache, SGH_WANT_BODY, "json", id_of(n), now_ms, &found))
		return false;
	assert_string_equal(found.object->id, id_of(n));
	assert_int_equal(found.body->length, BYTES);
	sgh_cached_fini(&found);
	return true;
}

static bool has(struct fixture *f, unsigned n)
{
	return has_at(f, 0, n);
}

/* ---- tickets ---- */

#define URL "http://store/json/object?signature="

static const char *url_of(unsigned n)
{
	static char url[64];

	snprintf(url, sizeof(url), URL "%u", n);
	return url;
}

/* Of a large object, with a ticket for that; the n-th has a URL of its own. */
static void put_ticket(struct fixture *f, enum sgh_cache_want want, int64_t life_ms,
		       unsigned n)
{
	struct sangraha_object *what = object("json", n, 1 << 20);
	struct sgh_bytes *url = sgh_bytes_copy(url_of(n), strlen(url_of(n)) + 1);

	sgh_cache_put(f->cache, sgh_cache_mark(f->cache, id_of(n)), 0,
		      &(struct sgh_cached){
			      .object = what,
			      .url = url,
			      .want = want,
			      .expires_ms = 12345,
			      .life_ms = life_ms,
		      });
	sangraha_object_unref(what);
	sgh_bytes_unref(url);
}

static bool serves(struct fixture *f, enum sgh_cache_want want, int64_t now_ms,
		   unsigned n)
{
	struct sgh_cached found;

	if (!sgh_cache_get(f->cache, want, "json", id_of(n), now_ms, &found))
		return false;
	assert_string_equal(found.object->id, id_of(n));
	assert_string_equal(found.url->data, url_of(n));
	assert_int_equal(found.expires_ms, 12345);
	assert_null(found.body);
	sgh_cached_fini(&found);
	return true;
}

/* ---- set-up ---- */

static void make(struct fixture *f, size_t size)
{
	if (f->cache)
		sgh_cache_free(f->cache);
	f->cache = NULL;
	t_ok(sgh_cache_new(f->context, f->timers, size, TTL, &f->cache, &t_err));
	sgh_cache_follow(f->cache, true);
}

static int begin(void **state)
{
	const struct sangraha_context_options options = {
		.size = sizeof(options),
		.memory_limit = 1 << 20,
	};
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	t_ok(sangraha_context_new(&options, &f->context, &t_err));
	f->budget = f->context->budget;
	t_ok(sgh_timers_new(&f->timers, &t_err));
	make(f, 100000);
	put(f, 1);
	f->one = sgh_budget_kept(f->budget);
	assert_true(f->one > BYTES);
	make(f, 4 * f->one);
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	sgh_cache_close(f->cache);
	sgh_timers_free(f->timers);
	sgh_cache_free(f->cache);
	assert_int_equal(sgh_budget_used(f->budget), 0);
	assert_int_equal(sgh_budget_kept(f->budget), 0);
	sangraha_context_unref(f->context);
	free(f);
	return 0;
}

/* ---- cases ---- */

static void what_was_put_is_there(void **state)
{
	struct fixture *f = *state;

	put(f, 1);
	assert_true(has(f, 1));
	assert_false(has(f, 2));
	assert_false(sgh_cache_get(f->cache, SGH_WANT_BODY, "pdf", id_of(1), 0, NULL));
}

static void an_object_may_be_empty(void **state)
{
	struct fixture *f = *state;
	struct sangraha_object *what = object("json", 1, 0);
	struct sgh_cached found;

	sgh_cache_put(f->cache, sgh_cache_mark(f->cache, id_of(1)), 0,
		      &(struct sgh_cached){ .object = what });
	sangraha_object_unref(what);
	assert_true(sgh_cache_get(f->cache, SGH_WANT_BODY, "json", id_of(1), 0, &found));
	assert_null(found.body);
	sgh_cached_fini(&found);
}

static void those_used_longest_ago_go_first(void **state)
{
	struct fixture *f = *state;

	for (unsigned n = 1; n <= 4; n++)
		put(f, n);
	assert_true(has(f, 1));
	put(f, 5);
	assert_true(has(f, 1));
	assert_false(has(f, 2));
	assert_true(has(f, 3) && has(f, 4) && has(f, 5));
}

static void it_never_has_more_than_it_may(void **state)
{
	struct fixture *f = *state;

	for (unsigned n = 1; n <= 100; n++) {
		put(f, n);
		assert_int_equal(sgh_budget_kept(f->budget), (n < 4 ? n : 4) * f->one);
	}
	assert_int_equal(sgh_budget_used(f->budget), 0);
}

static void what_is_larger_than_all_is_not_kept(void **state)
{
	struct fixture *f = *state;

	make(f, f->one - 1);
	put(f, 1);
	assert_false(has(f, 1));
	assert_int_equal(sgh_budget_kept(f->budget), 0);
}

static void a_second_answer_replaces_the_first(void **state)
{
	struct fixture *f = *state;

	put(f, 1);
	put_at(f, sgh_cache_mark(f->cache, id_of(1)), 5, 1);
	assert_true(has_at(f, TTL + 4, 1));
	assert_int_equal(sgh_budget_kept(f->budget), f->one);
}

static void time_counts_from_the_question(void **state)
{
	struct fixture *f = *state;

	put_at(f, sgh_cache_mark(f->cache, id_of(1)), 7, 1);
	assert_true(has_at(f, 7 + TTL - 1, 1));
	assert_false(has_at(f, 7 + TTL, 1));
	assert_int_equal(sgh_budget_kept(f->budget), 0);
}

static void what_was_deleted_is_gone(void **state)
{
	struct fixture *f = *state;

	put(f, 1);
	put(f, 2);
	sgh_cache_remove(f->cache, "json", id_of(1));
	assert_false(has(f, 1));
	assert_true(has(f, 2));
}

static void an_answer_from_before_the_delete_is_not_kept(void **state)
{
	struct fixture *f = *state;
	uint64_t mark = sgh_cache_mark(f->cache, id_of(1));
	uint64_t other = sgh_cache_mark(f->cache, id_of(2));

	sgh_cache_remove(f->cache, "json", id_of(1));
	put_at(f, mark, 0, 1);
	put_at(f, other, 0, 2);
	assert_false(has(f, 1));
	assert_true(has(f, 2));
	assert_int_equal(sgh_budget_kept(f->budget), f->one);
	put(f, 1);
	assert_true(has(f, 1));
}

static void without_events_nothing_is_kept(void **state)
{
	struct fixture *f = *state;
	uint64_t before = sgh_cache_mark(f->cache, id_of(2));

	put(f, 1);
	sgh_cache_follow(f->cache, false);
	assert_false(has(f, 1));
	assert_int_equal(sgh_cache_mark(f->cache, id_of(1)), 0);
	put(f, 1);
	assert_false(has(f, 1));
	sgh_cache_follow(f->cache, true);
	put_at(f, before, 0, 2);
	assert_false(has(f, 2));
	put(f, 2);
	assert_true(has(f, 2));
}

static void who_was_answered_keeps_the_bytes(void **state)
{
	struct fixture *f = *state;
	struct sgh_cached found;

	put(f, 1);
	assert_true(sgh_cache_get(f->cache, SGH_WANT_BODY, "json", id_of(1), 0, &found));
	assert_int_equal(sgh_budget_used(f->budget), 0);
	sgh_cache_remove(f->cache, "json", id_of(1));
	/* They are nobody's to give up any more. */
	assert_int_equal(sgh_budget_kept(f->budget), 0);
	assert_int_equal(sgh_budget_used(f->budget), BYTES);
	sgh_cached_fini(&found);
	assert_int_equal(sgh_budget_used(f->budget), 0);
}

static void who_needs_memory_gets_it(void **state)
{
	struct fixture *f = *state;
	size_t limit = sgh_budget_limit(f->budget);

	for (unsigned n = 1; n <= 4; n++)
		put(f, n);
	assert_true(sgh_budget_try(f->budget, limit - 2 * f->one));
	t_wait(sgh_budget_kept(f->budget) == 2 * f->one);
	assert_true(has(f, 3) && has(f, 4));
	put(f, 5);
	assert_true(sgh_budget_try(f->budget, 2 * f->one));
	t_wait(sgh_budget_kept(f->budget) == 0);
	put(f, 6);
	assert_false(has(f, 6));
	sgh_budget_release(f->budget, limit);
	put(f, 6);
	assert_true(has(f, 6));
}

static void a_body_that_is_not_counted_is_not_kept(void **state)
{
	struct fixture *f = *state;
	struct sangraha_object *what = object("json", 1, 1);
	struct sgh_bytes *bytes = t_bytes("x");

	sgh_cache_put(f->cache, sgh_cache_mark(f->cache, id_of(1)), 0,
		      &(struct sgh_cached){ .object = what, .body = bytes });
	assert_false(has(f, 1));
	sgh_bytes_unref(bytes);
	sangraha_object_unref(what);
}

static void a_ticket_serves_those_who_want_the_same(void **state)
{
	static const enum sgh_cache_want wants[] = { SGH_WANT_TICKET, SGH_WANT_SHOWN,
						     SGH_WANT_SAVED };
	struct fixture *f = *state;

	for (size_t i = 0; i < SGH_COUNT(wants); i++) {
		put_ticket(f, wants[i], INT64_MAX, 1);
		for (size_t k = 0; k < SGH_COUNT(wants); k++)
			assert_int_equal(serves(f, wants[k], 0, 1), i == k);
		assert_true(serves(f, SGH_WANT_DESCRIPTION, 0, 1));
		assert_false(serves(f, SGH_WANT_BODY, 0, 1));
	}
	assert_int_equal(sgh_budget_used(f->budget), 0);
}

static void the_bytes_serve_everybody(void **state)
{
	struct fixture *f = *state;

	put(f, 1);
	for (int want = SGH_WANT_BODY; want <= SGH_WANT_SAVED; want++) {
		struct sgh_cached found;

		assert_true(sgh_cache_get(f->cache, (enum sgh_cache_want)want, "json",
					  id_of(1), 0, &found));
		assert_int_equal(found.body->length, BYTES);
		assert_null(found.url);
		sgh_cached_fini(&found);
	}
}

static void a_ticket_counts_with_its_url(void **state)
{
	struct fixture *f = *state;
	size_t one;

	put_ticket(f, SGH_WANT_TICKET, INT64_MAX, 1);
	one = sgh_budget_kept(f->budget);
	assert_int_equal(one, f->one - BYTES + strlen(url_of(1)) + 1);
	for (unsigned n = 2; n < 60; n++)
		put_ticket(f, SGH_WANT_TICKET, INT64_MAX, n);
	assert_in_range(sgh_budget_kept(f->budget), 4 * f->one - 2 * one, 4 * f->one);
	assert_int_equal(sgh_budget_used(f->budget), 0);
	assert_false(serves(f, SGH_WANT_TICKET, 0, 1));
	assert_true(serves(f, SGH_WANT_TICKET, 0, 59));
}

static void who_is_given_a_ticket_has_half_its_life(void **state)
{
	struct fixture *f = *state;

	put_ticket(f, SGH_WANT_TICKET, TTL, 1);
	put_ticket(f, SGH_WANT_TICKET, 1, 2);
	put_ticket(f, SGH_WANT_TICKET, 10 * TTL, 3);
	assert_true(serves(f, SGH_WANT_TICKET, TTL / 2 - 1, 1));
	assert_false(serves(f, SGH_WANT_TICKET, TTL / 2, 1));
	assert_false(serves(f, SGH_WANT_TICKET, 0, 2));
	assert_true(serves(f, SGH_WANT_TICKET, TTL - 1, 3));
	assert_false(serves(f, SGH_WANT_DESCRIPTION, TTL, 3));
	assert_int_equal(sgh_budget_kept(f->budget), 0);
}

static void a_ticket_that_was_refused_is_gone(void **state)
{
	struct fixture *f = *state;

	put_ticket(f, SGH_WANT_TICKET, INT64_MAX, 1);
	put(f, 2);
	sgh_cache_refuse(f->cache, "json", id_of(1), URL "of another");
	sgh_cache_refuse(f->cache, "pdf", id_of(1), url_of(1));
	sgh_cache_refuse(f->cache, "json", id_of(2), url_of(2));
	assert_true(serves(f, SGH_WANT_TICKET, 0, 1));
	assert_true(has(f, 2));
	sgh_cache_refuse(f->cache, "json", id_of(1), url_of(1));
	assert_false(serves(f, SGH_WANT_DESCRIPTION, 0, 1));
	assert_int_equal(sgh_budget_kept(f->budget), f->one);
	/* It was no delete: what was asked for meanwhile is kept. */
	put_ticket(f, SGH_WANT_TICKET, INT64_MAX, 1);
	assert_true(serves(f, SGH_WANT_TICKET, 0, 1));
}

static void a_ticket_goes_with_its_object(void **state)
{
	struct fixture *f = *state;

	put_ticket(f, SGH_WANT_TICKET, INT64_MAX, 1);
	sgh_cache_remove(f->cache, "json", id_of(1));
	assert_false(serves(f, SGH_WANT_TICKET, 0, 1));
	put_ticket(f, SGH_WANT_TICKET, INT64_MAX, 1);
	sgh_cache_follow(f->cache, false);
	assert_false(serves(f, SGH_WANT_TICKET, 0, 1));
}

static void no_cache_keeps_nothing(void **state)
{
	struct sangraha_object *what = object("json", 1, 0);

	assert_int_equal(sgh_cache_mark(NULL, id_of(1)), 0);
	sgh_cache_put(NULL, 1, 0, &(struct sgh_cached){ .object = what });
	assert_false(sgh_cache_get(NULL, SGH_WANT_BODY, "json", id_of(1), 0, NULL));
	sgh_cache_remove(NULL, "json", id_of(1));
	sgh_cache_refuse(NULL, "json", id_of(1), URL);
	sgh_cache_follow(NULL, true);
	sgh_cache_missed(NULL);
	sgh_cache_close(NULL);
	sgh_cache_free(NULL);
	sangraha_object_unref(what);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, end)

static const struct CMUnitTest tests[] = {
	CASE(what_was_put_is_there),
	CASE(an_object_may_be_empty),
	CASE(those_used_longest_ago_go_first),
	CASE(it_never_has_more_than_it_may),
	CASE(what_is_larger_than_all_is_not_kept),
	CASE(a_second_answer_replaces_the_first),
	CASE(time_counts_from_the_question),
	CASE(what_was_deleted_is_gone),
	CASE(an_answer_from_before_the_delete_is_not_kept),
	CASE(without_events_nothing_is_kept),
	CASE(who_was_answered_keeps_the_bytes),
	CASE(who_needs_memory_gets_it),
	CASE(a_body_that_is_not_counted_is_not_kept),
	CASE(a_ticket_serves_those_who_want_the_same),
	CASE(the_bytes_serve_everybody),
	CASE(a_ticket_counts_with_its_url),
	CASE(who_is_given_a_ticket_has_half_its_life),
	CASE(a_ticket_that_was_refused_is_gone),
	CASE(a_ticket_goes_with_its_object),
	cmocka_unit_test(no_cache_keeps_nothing),
};

t_main(tests)
