/* SPDX-License-Identifier: MIT */
#include "support/roles.h"

/* Pages that join up exactly, whatever the store holds. */

#define BODY "{\"a\":1}"
#define PDF  "%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"

/* Objects of ours behind the receiver's back: what a list needs is their description. */
static void store(struct t_roles *f, const char *type, unsigned n)
{
	struct sgh_object_parts parts = {
		.id = t_id(n),
		.type = type,
		.content_type = "application/json",
		.sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a"
			  "08",
		.created_ms = 1,
	};
	struct sangraha_object *object = NULL;
	struct sgh_arena arena = { 0 };
	struct sgh_store_op op = { .verb = SGH_STORE_PUT,
				   .bucket = type,
				   .key = t_id(n) };
	struct sgh_pair meta[SGH_STORE_META_MAX];

	t_ok(sgh_object_new(&parts, &object, &t_err));
	t_ok(sgh_object_to_meta(object, &arena, meta, &op.meta_count, &t_err));
	op.meta = meta;
	memory_store_put(f->store, &op);
	sangraha_object_unref(object);
	sgh_arena_fini(&arena);
}

static void store_many(struct t_roles *f, const char *type, unsigned from, unsigned count)
{
	for (unsigned n = from; n < from + count; n++)
		store(f, type, n);
}

static struct sgh_reply *page(struct t_roles *f, const char *type, unsigned limit,
			      const char *cursor)
{
	struct sgh_request *request = t_request(SGH_LIST, type, NULL);

	request->limit = limit;
	request->cursor = cursor;
	t_send(f, request);
	return t_answer(f, 0);
}

/* Walk all pages: "json/1 json/2 | pdf/3" for two pages. */
static void pages(struct t_roles *f, const char *type, unsigned limit, const char *wanted)
{
	sgh_autobuf struct sgh_buf seen = SGH_BUF_INIT(4096);
	sgh_autofree char *cursor = NULL;
	unsigned count = 0;

	do {
		struct sgh_reply *reply = page(f, type, limit, cursor);

		if (count++)
			sgh_buf_puts(&seen, " |");
		for (size_t i = 0; i < reply->object_count; i++)
			sgh_buf_printf(&seen, "%s%s/%d", seen.length ? " " : "",
				       sangraha_object_type(reply->objects[i]),
				       atoi(sangraha_object_id(reply->objects[i]) + 24));
		free(cursor);
		cursor = reply->next_cursor ? strdup(reply->next_cursor) : NULL;
		sgh_reply_free(reply);
	} while (cursor && count < 20);
	assert_string_equal(sgh_buf_text(&seen), wanted);
}

/* Uploads, say, of which there is always another one. */
static void a_list_goes_on_whatever_others_hold(void **state)
{
	struct t_roles *f = *state;
	struct sgh_budget *budget = f->context->budget;
	size_t size = sgh_budget_limit(budget) / 4 * 3;

	store_many(f, "json", 1, 3);
	sgh_budget_force(budget, size);
	pages(f, "json", 2, "json/1 json/2 | json/3");
	sgh_budget_release(budget, size);
}

static void nothing_is_one_empty_page(void **state)
{
	pages(*state, NULL, 10, "");
	pages(*state, "json", 10, "");
}

static void one_page_has_no_cursor(void **state)
{
	store_many(*state, "json", 1, 3);
	pages(*state, "json", 4, "json/1 json/2 json/3");
}

static void an_exact_page_has_no_cursor(void **state)
{
	store_many(*state, "json", 1, 3);
	pages(*state, "json", 3, "json/1 json/2 json/3");
	pages(*state, NULL, 3, "json/1 json/2 json/3");
}

static void pages_join_up(void **state)
{
	store_many(*state, "json", 1, 5);
	pages(*state, "json", 2, "json/1 json/2 | json/3 json/4 | json/5");
	pages(*state, "json", 1, "json/1 | json/2 | json/3 | json/4 | json/5");
}

static void pages_join_up_across_types(void **state)
{
	store_many(*state, "json", 1, 2);
	store_many(*state, "image", 3, 1);
	store_many(*state, "pdf", 4, 2);
	pages(*state, NULL, 10, "json/1 json/2 image/3 pdf/4 pdf/5");
	pages(*state, NULL, 1, "json/1 | json/2 | image/3 | pdf/4 | pdf/5");
	pages(*state, NULL, 2, "json/1 json/2 | image/3 pdf/4 | pdf/5");
	pages(*state, NULL, 3, "json/1 json/2 image/3 | pdf/4 pdf/5");
	pages(*state, NULL, 5, "json/1 json/2 image/3 pdf/4 pdf/5");
}

static void an_empty_type_between_is_passed(void **state)
{
	store_many(*state, "json", 1, 2);
	store_many(*state, "pdf", 3, 1);
	pages(*state, NULL, 2, "json/1 json/2 | pdf/3");
	pages(*state, NULL, 1, "json/1 | json/2 | pdf/3");
}

static void ids_of_one_type_do_not_order_another(void **state)
{
	store_many(*state, "json", 5, 2);
	store_many(*state, "pdf", 1, 2);
	pages(*state, NULL, 1, "json/5 | json/6 | pdf/1 | pdf/2");
}

static void without_a_limit_there_are_a_hundred(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	store_many(f, "json", 1, 101);
	reply = page(f, NULL, 0, NULL);
	assert_int_equal(reply->object_count, 100);
	assert_non_null(reply->next_cursor);
	sgh_reply_free(reply);
	reply = page(f, NULL, 1000, NULL);
	assert_int_equal(reply->object_count, 101);
	assert_null(reply->next_cursor);
	sgh_reply_free(reply);
}

static void deleted_in_between_is_left_out(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	store_many(f, "json", 1, 3);
	script_fail(f->script, "head json", 2, SANGRAHA_E_NOT_FOUND);
	reply = page(f, "json", 3, NULL);
	assert_int_equal(reply->object_count, 2);
	assert_null(reply->next_cursor);
	sgh_reply_free(reply);
}

static void large_ones_have_their_records(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	store_many(f, "json", 1, 1);
	for (unsigned n = 2; n <= 41; n++)
		t_pins(f, t_id(n), "[1]", n % 2);
	pages(f, "json", 4,
	      "json/1 json/3 | json/5 json/7 | json/9 json/11 | "
	      "json/13 json/15 | json/17 json/19 | json/21 json/23 | "
	      "json/25 json/27 | json/29 json/31 | json/33 json/35 | "
	      "json/37 json/39 | json/41");
	reply = page(f, "json", 1000, NULL);
	assert_int_equal(reply->object_count, 21);
	for (size_t i = 0; i < reply->object_count; i++)
		assert_int_equal(strlen(sangraha_object_sha256(reply->objects[i])), 64);
	sgh_reply_free(reply);
}

static void a_record_that_cannot_be_read_is_told(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), "[1]", true);
	script_fail(f->script, "get meta/object", 1, SANGRAHA_E_UNAVAILABLE);
	t_send(f, t_request(SGH_LIST, "json", NULL));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
}

static void a_cursor_outlives_its_object(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *first;
	struct sgh_reply *second;

	store_many(f, "json", 1, 3);
	first = page(f, "json", 2, NULL);
	memory_store_remove(f->store, "json", t_id(2));
	second = page(f, "json", 2, first->next_cursor);
	assert_int_equal(second->object_count, 1);
	assert_string_equal(sangraha_object_id(second->objects[0]), t_id(3));
	sgh_reply_free(first);
	sgh_reply_free(second);
}

/* Keys of others, before, between and behind ours, do not stop a walk. */
static void foreign_keys_are_passed(void **state)
{
	struct t_roles *f = *state;

	store_many(f, "json", 1, 3);
	memory_store_set(f->store, "json", "0", "x");
	memory_store_set(f->store, "json", "00", "x");
	memory_store_set(f->store, "json", "0199f2c4-0000-7000-8000-000000000002x", "x");
	memory_store_set(f->store, "json", "zz1", "x");
	memory_store_set(f->store, "json", "zz2", "x");
	memory_store_set(f->store, "json", "zz3", "x");
	store_many(f, "pdf", 4, 1);
	pages(f, NULL, 10, "json/1 json/2 json/3 pdf/4");
	pages(f, NULL, 1, "json/1 | json/2 | json/3 | pdf/4");
	pages(f, NULL, 2, "json/1 json/2 | json/3 pdf/4");
}

/* A page that is full is the last when only others' keys follow. */
static void foreign_keys_make_no_empty_page(void **state)
{
	struct t_roles *f = *state;

	store_many(f, "json", 1, 3);
	memory_store_set(f->store, "json", "0199f2c4-0000-7000-8000-000000000003x", "x");
	memory_store_set(f->store, "json", "da~~", "x");
	memory_store_set(f->store, "json", "da\xc3\xa4", "x");
	memory_store_set(f->store, "json", "zz", "x");
	pages(f, "json", 3, "json/1 json/2 json/3");
	pages(f, NULL, 3, "json/1 json/2 json/3");
}

static void put_keys(struct t_roles *f, const char *format, unsigned from, unsigned count)
{
	for (unsigned n = from; n < from + count; n++) {
		char key[32];

		snprintf(key, sizeof(key), format, n);
		memory_store_set(f->store, "json", key, "");
	}
}

/* However much others keep in folders of theirs. */
static void a_foreign_folder_costs_one_request(void **state)
{
	struct t_roles *f = *state;

	put_keys(f, "!%u", 1, 300);
	put_keys(f, "0/%u", 1, 300);
	put_keys(f, "data/%u", 1, 300);
	put_keys(f, "x%u", 1, 300);
	store_many(f, "json", 1, 1);
	script_forget(f->script);
	pages(f, "json", 10, "json/1");
	assert_int_equal(script_count(f->script, "list json"), 4);
}

static void too_many_foreign_keys_are_said(void **state)
{
	struct t_roles *f = *state;
	struct sgh_request *request = t_request(SGH_LIST, "json", NULL);
	struct sgh_reply *reply;

	store_many(f, "json", 1, 1);
	put_keys(f, "%05x", 0x02000, 2200);
	reply = page(f, "json", 10, NULL);
	assert_int_equal(reply->object_count, 1);
	request->cursor = reply->next_cursor;
	t_send(f, request);
	sgh_reply_free(reply);
	t_answers(f, SANGRAHA_E_INTERNAL);
}

static void a_large_page_comes_in_parts(void **state)
{
	struct t_roles *f = *state;
	struct sgh_reply *reply;

	store_many(f, "json", 1, 100);
	reply = page(f, "json", 99, NULL);
	assert_int_equal(reply->object_count, 99);
	assert_non_null(reply->next_cursor);
	for (unsigned n = 0; n < 99; n++)
		assert_string_equal(sangraha_object_id(reply->objects[n]), t_id(n + 1));
	assert_int_equal(script_count(f->script, "head json"), 99);
	assert_int_equal(script_count(f->script, "list json"), 1);
	sgh_reply_free(reply);
}

static void an_object_that_is_not_ours_is_left_out(void **state)
{
	struct t_roles *f = *state;

	store_many(f, "json", 1, 1);
	memory_store_set(f->store, "json", t_id(2), "x");
	pages(f, "json", 1, "json/1 |");
	pages(f, "json", 10, "json/1");
}

static void a_description_that_fails_fails_the_page(void **state)
{
	struct t_roles *f = *state;

	store_many(f, "json", 1, 40);
	script_fail(f->script, "head json", 35, SANGRAHA_E_UNAVAILABLE);
	t_send(f, t_request(SGH_LIST, NULL, NULL));
	t_answers(f, SANGRAHA_E_UNAVAILABLE);
}

static void a_bucket_that_is_not_made_yet_is_empty(void **state)
{
	struct t_roles *f = *state;

	memory_store_wipe(f->store);
	store_many(f, "pdf", 1, 1);
	pages(f, NULL, 10, "pdf/1");
}

static void refused(struct t_roles *f, const char *type, const char *cursor)
{
	struct sgh_request *request = t_request(SGH_LIST, type, NULL);

	request->cursor = cursor;
	t_send(f, request);
	t_answers(f, SANGRAHA_E_INVALID);
}

static void a_bad_cursor_is_invalid(void **state)
{
	struct t_roles *f = *state;

	refused(f, NULL, "json");
	refused(f, NULL, "json/1");
	refused(f, NULL, "film/0199f2c4-0000-7000-8000-000000000001");
	refused(f, "json", "pdf/0199f2c4-0000-7000-8000-000000000001");
	refused(f, "film", NULL);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_getter_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(nothing_is_one_empty_page),
	CASE(a_list_goes_on_whatever_others_hold),
	CASE(one_page_has_no_cursor),
	CASE(an_exact_page_has_no_cursor),
	CASE(pages_join_up),
	CASE(pages_join_up_across_types),
	CASE(an_empty_type_between_is_passed),
	CASE(ids_of_one_type_do_not_order_another),
	CASE(without_a_limit_there_are_a_hundred),
	CASE(deleted_in_between_is_left_out),
	CASE(large_ones_have_their_records),
	CASE(a_record_that_cannot_be_read_is_told),
	CASE(a_cursor_outlives_its_object),
	CASE(foreign_keys_are_passed),
	CASE(foreign_keys_make_no_empty_page),
	CASE(a_foreign_folder_costs_one_request),
	CASE(too_many_foreign_keys_are_said),
	CASE(a_large_page_comes_in_parts),
	CASE(an_object_that_is_not_ours_is_left_out),
	CASE(a_description_that_fails_fails_the_page),
	CASE(a_bucket_that_is_not_made_yet_is_empty),
	CASE(a_bad_cursor_is_invalid),
};

t_main(tests)
