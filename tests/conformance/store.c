/* SPDX-License-Identifier: MIT */
#include "conformance/stores.h"

/* What every back end of the store seam does with objects. */

static void what_is_put_is_read(void **state)
{
	struct fixture *f = needed(state);

	t_ok(put(f, "a", "hello"));
	holds(f, "a", "hello");
	assert_int_equal(f->op.head.size, 5);
}

static void a_put_replaces(void **state)
{
	struct fixture *f = needed(state);

	t_ok(put(f, "a", "old"));
	t_ok(put(f, "a", "newer"));
	holds(f, "a", "newer");
}

static void an_empty_object_is_read(void **state)
{
	struct fixture *f = needed(state);

	t_ok(put(f, "a", ""));
	holds(f, "a", "");
	assert_int_equal(f->op.head.size, 0);
	assert_string_equal(f->op.head.content_type, "application/octet-stream");
}

static void a_part_is_read(void **state)
{
	struct fixture *f = needed(state);

	t_ok(put(f, "a", "0123456789"));
	t_ok(get(f, "a", 3, 4));
	t_same_bytes(f->op.data, "3456");
	assert_int_equal(f->op.head.size, 10);
	t_ok(get(f, "a", 8, 100));
	t_same_bytes(f->op.data, "89");
	assert_int_equal(f->op.head.size, 10);
}

static void behind_the_end_is_nothing(void **state)
{
	struct fixture *f = needed(state);

	t_ok(put(f, "a", "0123456789"));
	t_ok(get(f, "a", 10, 5));
	t_same_bytes(f->op.data, "");
	assert_int_equal(f->op.head.size, 10);
}

static void a_large_object_survives(void **state)
{
	struct fixture *f = needed(state);
	const size_t size = 5 << 20;
	struct sgh_bytes *body = sgh_bytes_new(NULL, size);

	for (; body->length < size; body->length++)
		body->data[body->length] = (unsigned char)(body->length * 7 >> 3);
	fresh(f, SGH_STORE_PUT, "a")->body = body;
	t_ok(run(f));
	t_ok(get(f, "a", 0, size));
	assert_int_equal(f->op.data->length, size);
	assert_memory_equal(f->op.data->data, body->data, size);
	sgh_bytes_unref(body);
}

static void a_key_that_is_not_there(void **state)
{
	struct fixture *f = needed(state);

	t_fails(SANGRAHA_E_NOT_FOUND, get(f, "nothing", 0, 100));
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, "nothing"));
	t_ok(erase(f, "nothing"));
}

static void a_bucket_that_is_not_there(void **state)
{
	struct fixture *f = needed(state);

	fresh(f, SGH_STORE_HEAD, "a")->bucket = "nothing";
	t_fails(SANGRAHA_E_NOT_FOUND, run(f));
}

static void deleted_is_gone(void **state)
{
	struct fixture *f = needed(state);

	t_ok(put(f, "a", "x"));
	t_ok(erase(f, "a"));
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, "a"));
	t_ok(erase(f, "a"));
}

static void a_condition_holds_once(void **state)
{
	struct fixture *f = needed(state);

	t_ok(put_new(f, "a", "first"));
	t_fails(SANGRAHA_E_PRECONDITION, put_new(f, "a", "second"));
	holds(f, "a", "first");
	t_ok(erase(f, "a"));
	t_ok(put_new(f, "a", "third"));
	holds(f, "a", "third");
}

static void the_probe_cleans_up(void **state)
{
	struct fixture *f = needed(state);
	size_t count;

	t_ok(put_new(f, "a", "first"));
	do {
		fresh(f, SGH_STORE_LIST, NULL)->bucket = "meta";
		f->op.limit = 10;
		t_ok(run(f));
		count = f->op.key_count;
		t_pause();
	} while (count);
}

static void description_comes_back(void **state)
{
	static const struct sgh_pair meta[] = {
		{ "sangraha", "1" },
		{ "sangraha-filename", "Men%C3%BC.jpg" },
		{ "sangraha-facts", "%7B%22w%22:  1,+2%7D" },
	};
	struct fixture *f = needed(state);
	struct sgh_store_op *op = fresh(f, SGH_STORE_PUT, "a");

	op->content_type = "image/jpeg";
	op->meta = meta;
	op->meta_count = SGH_COUNT(meta);
	t_ok(run(f));
	t_ok(head(f, "a"));
	assert_string_equal(f->op.head.content_type, "image/jpeg");
	assert_int_equal(f->op.head.meta_count, 3);
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < 3; j++)
			if (sgh_streq(f->op.head.meta[i].name, meta[j].name))
				assert_string_equal(f->op.head.meta[i].value,
						    meta[j].value);
	assert_in_range(f->op.head.modified_ms, sgh_time_ms() - 60000,
			sgh_time_ms() + 60000);
}

static void a_digest_is_checked(void **state)
{
	struct fixture *f = needed(state);
	struct sgh_store_op *op = fresh(f, SGH_STORE_PUT, "a");

	sgh_bytes_unref(f->body);
	f->body = t_bytes("hello");
	op->body = f->body;
	op->sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
	t_ok(run(f));
	op = fresh(f, SGH_STORE_PUT, "b");
	op->body = f->body;
	op->sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9825";
	assert_int_not_equal(run(f), 0);
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, "b"));
}

static void odd_keys_are_keys(void **state)
{
	static const char *const keys[] = {
		"upload/x",
		"a=b&c d+e%20f",
		"M\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x98\x80",
		"?x#y",
		"'()*!$;:@,~[]{}|^`<>\"",
	};
	struct fixture *f = needed(state);

	for (size_t i = 0; i < SGH_COUNT(keys); i++) {
		t_ok(put(f, keys[i], keys[i]));
		holds(f, keys[i], keys[i]);
		t_ok(list(f, keys[i], NULL, 10));
		assert_int_equal(f->op.key_count, 1);
		assert_string_equal(f->op.keys[0].key, keys[i]);
		assert_int_equal(f->op.keys[0].size, strlen(keys[i]));
		t_ok(erase(f, keys[i]));
		t_fails(SANGRAHA_E_NOT_FOUND, head(f, keys[i]));
	}
}

static void a_list_has_pages(void **state)
{
	static const char *const keys[] = { "a", "b/1", "b/2", "b/3", "c" };
	struct fixture *f = needed(state);
	char after[16];

	for (size_t i = 0; i < SGH_COUNT(keys); i++)
		t_ok(put(f, keys[i], "x"));
	t_ok(list(f, "b/", NULL, 2));
	assert_int_equal(f->op.key_count, 2);
	assert_string_equal(f->op.keys[0].key, "b/1");
	assert_string_equal(f->op.keys[1].key, "b/2");
	assert_true(f->op.more);
	snprintf(after, sizeof(after), "%s", f->op.keys[1].key);
	t_ok(list(f, "b/", after, 2));
	assert_int_equal(f->op.key_count, 1);
	assert_string_equal(f->op.keys[0].key, "b/3");
	assert_false(f->op.more);
}

static void a_list_may_be_empty(void **state)
{
	struct fixture *f = needed(state);

	t_ok(list(f, "nothing/", NULL, 1000));
	assert_int_equal(f->op.key_count, 0);
	assert_false(f->op.more);
}

static void a_bucket_may_be_made_again(void **state)
{
	struct fixture *f = needed(state);

	t_ok(make_bucket(f, "pdf"));
	t_ok(make_bucket(f, "pdf"));
}

static void a_check_succeeds(void **state)
{
	struct fixture *f = needed(state);

	fresh(f, SGH_STORE_CHECK, NULL);
	t_ok(run(f));
}

static void wrong_credentials_are_refused(void **state)
{
	struct fixture *f = needed(state);

	if (!f->backend->url_variable)
		t_skip("this back end has no credentials");
	sangraha_store_unref(sgh_take(f->store));
	t_ok(open_store(f, f->backend, "not the secret"));
	fresh(f, SGH_STORE_CHECK, NULL);
	t_fails(SANGRAHA_E_UNAUTHORIZED, run(f));
	t_fails(SANGRAHA_E_UNAUTHORIZED, put(f, "a", "x"));
	assert_null(strstr(t_err.message, "not the secret"));
}

static void impossible_arguments_are_refused(void **state)
{
	static const char *const keys[] = { "",     "/",           "a/",  "a//b",
					    "..",   "a/../b",      "./a", "a\nb",
					    "\xff", "\xed\xa0\x80" };
	struct fixture *f = needed(state);

	for (size_t i = 0; i < SGH_COUNT(keys); i++)
		t_fails(SANGRAHA_E_INVALID, head(f, keys[i]));
	fresh(f, SGH_STORE_HEAD, "a")->bucket = "Image";
	t_fails(SANGRAHA_E_INVALID, run(f));
	t_fails(SANGRAHA_E_INVALID, get(f, "a", 0, 0));
	t_fails(SANGRAHA_E_INVALID, list(f, NULL, NULL, 1001));
}

/* What no GET could hand out again must not go in. */
static void metadata_has_a_bound(void **state)
{
	struct fixture *f = needed(state);
	struct sgh_pair meta = { "a", NULL };
	char value[9000];

	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	meta.value = value;
	fresh(f, SGH_STORE_PUT, "a")->meta = &meta;
	f->op.meta_count = 1;
	t_fails(SANGRAHA_E_INVALID, run(f));
	t_says("metadata");
	fresh(f, SGH_STORE_PUT, "a")->content_type = value;
	t_fails(SANGRAHA_E_INVALID, run(f));
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, "a"));
}

static void a_deadline_that_passed_is_a_timeout(void **state)
{
	struct fixture *f = needed(state);

	fresh(f, SGH_STORE_HEAD, "a")->deadline_ms = sgh_now_ms() - 1;
	t_fails(SANGRAHA_E_TIMEOUT, run(f));
}

static void reading_is_accounted_for(void **state)
{
	struct fixture *f = needed(state);

	t_ok(put(f, "a", "hello"));
	t_ok(get(f, "a", 0, 100));
	assert_int_equal(sgh_budget_used(f->context->budget), 5);
	fresh(f, SGH_STORE_HEAD, "a");
	assert_int_equal(sgh_budget_used(f->context->budget), 0);
}

/* Who reads a record holds what others wait for. */
static void little_is_read_without_memory(void **state)
{
	struct fixture *f = needed(state);
	struct sgh_budget *budget = f->context->budget;

	t_ok(put(f, "a", "hello"));
	sgh_budget_force(budget, sgh_budget_limit(budget));
	t_ok(get(f, "a", 0, SGH_BUDGET_LENT));
	assert_int_equal(sgh_budget_used(budget), sgh_budget_limit(budget) + 5);
	sgh_budget_release(budget, sgh_budget_limit(budget));
}

/* Many at once: each completes once, and with what is its own. */
struct many {
	struct sgh_store_op op;
	char key[16];
	unsigned *left;
};

static void one_done(struct sgh_store_op *op)
{
	__atomic_sub_fetch(sgh_container_of(op, struct many, op)->left, 1,
			   __ATOMIC_ACQ_REL);
}

static void run_many(struct fixture *f, struct many *many, unsigned count,
		     enum sgh_store_verb verb)
{
	unsigned left = count;

	for (unsigned i = 0; i < count; i++) {
		snprintf(many[i].key, sizeof(many[i].key), "key-%u", i);
		many[i].left = &left;
		sgh_store_op_fini(&many[i].op);
		many[i].op = (struct sgh_store_op){
			.verb = verb,
			.bucket = "image",
			.key = many[i].key,
			.max_length = 100,
			.deadline_ms = sgh_now_ms() + 30000,
			.done = one_done,
		};
		many[i].op.body = verb == SGH_STORE_PUT ? t_bytes(many[i].key) : NULL;
		t_ok(sgh_store_submit(f->store, &many[i].op, &t_err));
	}
	t_wait(!__atomic_load_n(&left, __ATOMIC_ACQUIRE));
}

static void many_at_once(void **state)
{
	enum { COUNT = 300 };
	struct fixture *f = needed(state);
	struct many *many = calloc(COUNT, sizeof(*many));

	run_many(f, many, COUNT, SGH_STORE_PUT);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(many[i].op.status, 0);
		sgh_bytes_unref(many[i].op.body);
	}
	run_many(f, many, COUNT, SGH_STORE_GET);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(many[i].op.status, 0);
		t_same_bytes(many[i].op.data, many[i].key);
		sgh_store_op_fini(&many[i].op);
	}
	free(many);
}

static const struct CMUnitTest cases[] = {
	CASE(what_is_put_is_read),
	CASE(a_put_replaces),
	CASE(an_empty_object_is_read),
	CASE(a_part_is_read),
	CASE(behind_the_end_is_nothing),
	CASE(a_large_object_survives),
	CASE(a_key_that_is_not_there),
	CASE(a_bucket_that_is_not_there),
	CASE(deleted_is_gone),
	CASE(a_condition_holds_once),
	CASE(the_probe_cleans_up),
	CASE(description_comes_back),
	CASE(a_digest_is_checked),
	CASE(odd_keys_are_keys),
	CASE(a_list_has_pages),
	CASE(a_list_may_be_empty),
	CASE(a_bucket_may_be_made_again),
	CASE(a_check_succeeds),
	CASE(wrong_credentials_are_refused),
	CASE(impossible_arguments_are_refused),
	CASE(metadata_has_a_bound),
	CASE(a_deadline_that_passed_is_a_timeout),
	CASE(reading_is_accounted_for),
	CASE(little_is_read_without_memory),
	CASE(many_at_once),
};

CONFORMANCE_MAIN(cases)
