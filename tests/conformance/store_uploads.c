/* SPDX-License-Identifier: MIT */
#include "conformance/stores.h"

/* What every back end of the store seam does with uploads in parts. */

#define PART ((size_t)SGH_PART_MIN)

static void parts_become_an_object(void **state)
{
	struct fixture *f = needed(state);

	t_ok(begin(f, "a"));
	add_part(f, "a", 1, 'a', PART);
	add_part(f, "a", 2, 'b', PART + 1);
	add_part(f, "a", 3, 'c', 3);
	t_ok(complete(f, "a", true));
	t_ok(head(f, "a"));
	assert_int_equal(f->op.head.size, 2 * PART + 4);
	t_ok(get(f, "a", 2 * PART - 1, 100));
	t_same_bytes(f->op.data, "bbccc");
	t_ok(get(f, "a", 0, 2));
	t_same_bytes(f->op.data, "aa");
}

static void a_range_crosses_parts(void **state)
{
	struct fixture *f = needed(state);
	const unsigned char *data;

	t_ok(begin(f, "a"));
	add_part(f, "a", 1, 'a', PART);
	add_part(f, "a", 2, 'b', PART);
	add_part(f, "a", 3, 'c', PART);
	t_ok(complete(f, "a", true));
	t_ok(get(f, "a", PART - 2, 4));
	t_same_bytes(f->op.data, "aabb");
	t_ok(get(f, "a", PART - 1, PART + 2));
	data = f->op.data->data;
	assert_int_equal(f->op.data->length, PART + 2);
	assert_int_equal(data[0], 'a');
	assert_int_equal(data[1], 'b');
	assert_int_equal(data[PART], 'b');
	assert_int_equal(data[PART + 1], 'c');
	t_ok(get(f, "a", 3 * PART - 1, 10));
	t_same_bytes(f->op.data, "c");
	t_ok(get(f, "a", 3 * PART, 10));
	t_same_bytes(f->op.data, "");
}

static void nothing_is_seen_before_the_end(void **state)
{
	struct fixture *f = needed(state);

	t_ok(begin(f, "a"));
	add_part(f, "a", 1, 'a', 3);
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, "a"));
	t_ok(list(f, NULL, NULL, 10));
	assert_int_equal(f->op.key_count, 0);
	t_ok(put(f, "a", "other"));
	holds(f, "a", "other");
	t_ok(abort_upload(f, "a"));
	holds(f, "a", "other");
}

static void one_small_part_is_enough(void **state)
{
	struct fixture *f = needed(state);

	t_ok(begin(f, "a"));
	add_part(f, "a", 7, 'x', 3);
	t_ok(complete(f, "a", true));
	holds(f, "a", "xxx");
}

static void a_part_is_replaced(void **state)
{
	struct fixture *f = needed(state);

	t_ok(begin(f, "a"));
	t_ok(put_part(f, "a", 1, 'o', 4));
	add_part(f, "a", 1, 'n', 3);
	t_ok(list_parts(f, "a", 0, 10));
	assert_int_equal(f->op.found_part_count, 1);
	assert_int_equal(f->op.found_parts[0].size, 3);
	t_ok(complete(f, "a", true));
	holds(f, "a", "nnn");
}

static void the_same_bytes_have_the_same_etag(void **state)
{
	struct fixture *f = needed(state);

	t_ok(begin(f, "a"));
	add_part(f, "a", 1, 'x', 5);
	t_ok(put_part(f, "a", 1, 'x', 5));
	assert_string_equal(f->op.etag, f->etags[0]);
	assert_int_equal(f->op.etag[0], '"');
	t_ok(put_part(f, "a", 1, 'y', 5));
	assert_string_not_equal(f->op.etag, f->etags[0]);
	t_ok(abort_upload(f, "a"));
}

static void only_the_parts_that_lie_there(void **state)
{
	struct fixture *f = needed(state);

	t_ok(begin(f, "a"));
	add_part(f, "a", 1, 'x', 5);
	t_ok(put_part(f, "a", 1, 'y', 5));
	t_fails(SANGRAHA_E_INVALID, complete(f, "a", true));
	f->part_count = 0;
	add_part(f, "a", 1, 'x', 5);
	f->parts[0].number = 2;
	t_fails(SANGRAHA_E_INVALID, complete(f, "a", true));
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, "a"));
	f->parts[0].number = 1;
	t_ok(complete(f, "a", true));
	holds(f, "a", "xxxxx");
}

static void a_part_in_the_middle_is_not_small(void **state)
{
	struct fixture *f = needed(state);

	t_ok(begin(f, "a"));
	add_part(f, "a", 1, 'a', PART - 1);
	add_part(f, "a", 2, 'b', 5);
	t_fails(SANGRAHA_E_INVALID, complete(f, "a", true));
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, "a"));
	t_ok(abort_upload(f, "a"));
}

static void parts_that_are_not_named_go(void **state)
{
	struct fixture *f = needed(state);

	t_ok(begin(f, "a"));
	t_ok(put_part(f, "a", 1, 'a', 1));
	add_part(f, "a", 2, 'b', 2);
	t_ok(put_part(f, "a", 9, 'c', 3));
	t_ok(complete(f, "a", true));
	holds(f, "a", "bb");
}

static void a_completion_may_be_conditional(void **state)
{
	struct fixture *f = needed(state);

	t_ok(put(f, "a", "first"));
	t_ok(begin(f, "a"));
	add_part(f, "a", 1, 'x', 3);
	t_fails(SANGRAHA_E_PRECONDITION, complete(f, "a", true));
	holds(f, "a", "first");
	t_ok(abort_upload(f, "a"));
}

static void or_it_replaces(void **state)
{
	struct fixture *f = needed(state);

	for (char byte = 'x'; byte <= 'z'; byte++) {
		t_ok(begin(f, "a"));
		add_part(f, "a", 1, byte, PART);
		add_part(f, "a", 2, byte, 2);
		t_ok(complete(f, "a", false));
		t_ok(get(f, "a", PART - 1, 10));
		t_same_bytes(f->op.data, ((char[]){ byte, byte, byte, '\0' }));
	}
	t_ok(put(f, "a", "small"));
	holds(f, "a", "small");
	t_ok(erase(f, "a"));
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, "a"));
}

/* Some say yes to the same parts again, or look at the condition first: it is harmless. */
static void an_upload_ends_once(void **state)
{
	struct fixture *f = needed(state);
	int rc;

	t_ok(begin(f, "a"));
	add_part(f, "a", 1, 'x', 3);
	t_ok(complete(f, "a", true));
	rc = complete(f, "a", true);
	assert_true(!rc || rc == SANGRAHA_E_NOT_FOUND || rc == SANGRAHA_E_PRECONDITION);
	holds(f, "a", "xxx");
	t_fails(SANGRAHA_E_NOT_FOUND, put_part(f, "a", 2, 'y', 3));
	t_fails(SANGRAHA_E_NOT_FOUND, list_parts(f, "a", 0, 10));
	t_ok(abort_upload(f, "a"));
	holds(f, "a", "xxx");
}

static void what_is_aborted_is_gone(void **state)
{
	struct fixture *f = needed(state);

	t_ok(begin(f, "a"));
	add_part(f, "a", 1, 'x', 3);
	t_ok(abort_upload(f, "a"));
	t_ok(abort_upload(f, "a"));
	t_fails(SANGRAHA_E_NOT_FOUND, complete(f, "a", true));
	t_fails(SANGRAHA_E_NOT_FOUND, put_part(f, "a", 2, 'y', 3));
	t_fails(SANGRAHA_E_NOT_FOUND, list_parts(f, "a", 0, 10));
	t_ok(find_uploads(f, "a"));
	assert_int_equal(f->op.upload_count, 0);
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, "a"));
}

static void an_upload_that_never_was(void **state)
{
	struct fixture *f = needed(state);

	t_ok(begin(f, "a"));
	t_ok(abort_upload(f, "a"));
	t_fails(SANGRAHA_E_NOT_FOUND, put_part(f, "a", 1, 'x', 3));
	t_ok(begin(f, "a"));
	t_fails(SANGRAHA_E_NOT_FOUND, put_part(f, "b", 1, 'x', 3));
	t_fails(SANGRAHA_E_NOT_FOUND, list_parts(f, "b", 0, 10));
	t_ok(abort_upload(f, "b"));
	t_ok(find_uploads(f, "a"));
	assert_int_equal(f->op.upload_count, 1);
	t_ok(abort_upload(f, "a"));
}

static void an_upload_is_described_at_its_beginning(void **state)
{
	static const struct sgh_pair meta[] = {
		{ "sangraha-filename", "Men%C3%BC.jpg" },
		{ "sangraha-record", "0199f2c4" },
	};
	struct fixture *f = needed(state);
	struct sgh_store_op *op = fresh(f, SGH_STORE_UPLOAD_BEGIN, "a");

	op->content_type = "image/jpeg";
	op->meta = meta;
	op->meta_count = SGH_COUNT(meta);
	t_ok(run(f));
	f->upload = strdup(f->op.begun_upload);
	add_part(f, "a", 1, 'x', 3);
	t_ok(complete(f, "a", true));
	t_ok(head(f, "a"));
	assert_string_equal(f->op.head.content_type, "image/jpeg");
	assert_int_equal(f->op.head.meta_count, 2);
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < 2; j++)
			if (sgh_streq(f->op.head.meta[i].name, meta[j].name))
				assert_string_equal(f->op.head.meta[i].value,
						    meta[j].value);
	assert_in_range(f->op.head.modified_ms, sgh_time_ms() - 60000,
			sgh_time_ms() + 60000);
}

static void parts_have_pages(void **state)
{
	static const unsigned numbers[] = { 1, 2, 5, 10000 };
	struct fixture *f = needed(state);

	t_ok(begin(f, "a"));
	t_ok(list_parts(f, "a", 0, 10));
	assert_int_equal(f->op.found_part_count, 0);
	assert_false(f->op.more);
	for (size_t i = SGH_COUNT(numbers); i--;)
		t_ok(put_part(f, "a", numbers[i], 'x', numbers[i]));
	t_ok(list_parts(f, "a", 0, 3));
	assert_int_equal(f->op.found_part_count, 3);
	assert_true(f->op.more);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(f->op.found_parts[i].number, numbers[i]);
		assert_int_equal(f->op.found_parts[i].size, numbers[i]);
	}
	t_ok(list_parts(f, "a", 5, 3));
	assert_int_equal(f->op.found_part_count, 1);
	assert_int_equal(f->op.found_parts[0].number, 10000);
	assert_false(f->op.more);
	t_ok(abort_upload(f, "a"));
}

static void uploads_of_exactly_that_key(void **state)
{
	struct fixture *f = needed(state);
	sgh_autofree char *first = NULL;

	t_ok(find_uploads(f, "a"));
	assert_int_equal(f->op.upload_count, 0);
	t_ok(begin(f, "a"));
	first = strdup(f->upload);
	t_ok(begin(f, "ab"));
	t_ok(begin(f, "a/b"));
	t_ok(begin(f, "a"));
	t_ok(find_uploads(f, "a"));
	assert_int_equal(f->op.upload_count, 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(sgh_streq(f->op.uploads[i], first) ||
			    sgh_streq(f->op.uploads[i], f->upload));
	assert_string_not_equal(f->op.uploads[0], f->op.uploads[1]);
	t_ok(find_uploads(f, "ab"));
	assert_int_equal(f->op.upload_count, 1);
}

static void an_object_may_come_whole_or_not_at_all(void **state)
{
	struct fixture *f = needed(state);

	t_ok(put(f, "a", "0123456789"));
	fresh(f, SGH_STORE_GET, "a")->max_length = 10;
	f->op.whole = true;
	t_ok(run(f));
	t_same_bytes(f->op.data, "0123456789");
	fresh(f, SGH_STORE_GET, "a")->max_length = 9;
	f->op.whole = true;
	t_ok(run(f));
	assert_null(f->op.data);
	assert_int_equal(f->op.head.size, 10);
	assert_string_equal(f->op.head.content_type, "application/octet-stream");
	assert_int_equal(sgh_budget_used(f->context->budget), 0);
	fresh(f, SGH_STORE_GET, "b")->max_length = 9;
	f->op.whole = true;
	t_fails(SANGRAHA_E_NOT_FOUND, run(f));
}

static void an_empty_object_comes_whole(void **state)
{
	struct fixture *f = needed(state);

	t_ok(put(f, "a", ""));
	fresh(f, SGH_STORE_GET, "a")->max_length = 9;
	f->op.whole = true;
	t_ok(run(f));
	t_same_bytes(f->op.data, "");
}

static void impossible_uploads_are_refused(void **state)
{
	struct fixture *f = needed(state);

	t_fails(SANGRAHA_E_INVALID, begin(f, "a//b"));
	t_ok(begin(f, "a"));
	t_fails(SANGRAHA_E_INVALID, put_part(f, "a", 0, 'x', 1));
	t_fails(SANGRAHA_E_INVALID, put_part(f, "a", SGH_PARTS_MAX + 1, 'x', 1));
	t_fails(SANGRAHA_E_INVALID, complete(f, "a", true));
	t_fails(SANGRAHA_E_INVALID, list_parts(f, "a", 0, 0));
	fresh(f, SGH_STORE_UPLOAD_ABORT, "a");
	t_fails(SANGRAHA_E_INVALID, run(f));
	t_ok(abort_upload(f, "a"));
}

/* Parts of one upload at the same time, each completed once. */
struct parallel {
	struct sgh_store_op op;
	unsigned *left;
};

static void part_done(struct sgh_store_op *op)
{
	__atomic_sub_fetch(sgh_container_of(op, struct parallel, op)->left, 1,
			   __ATOMIC_ACQ_REL);
}

static void parts_come_in_parallel(void **state)
{
	enum { COUNT = 6 };
	struct fixture *f = needed(state);
	struct parallel parts[COUNT] = { 0 };
	unsigned left = COUNT;

	t_ok(begin(f, "a"));
	for (unsigned i = 0; i < COUNT; i++) {
		parts[i].left = &left;
		parts[i].op = (struct sgh_store_op){
			.verb = SGH_STORE_UPLOAD_PART,
			.bucket = "image",
			.key = "a",
			.upload = f->upload,
			.part = i + 1,
			.body = bytes_of((char)('a' + i), PART),
			.deadline_ms = sgh_now_ms() + 30000,
			.done = part_done,
		};
		t_ok(sgh_store_submit(f->store, &parts[i].op, &t_err));
	}
	t_wait(!__atomic_load_n(&left, __ATOMIC_ACQUIRE));
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(parts[i].op.status, 0);
		name_part(f, i + 1, PART, parts[i].op.etag);
		sgh_bytes_unref(parts[i].op.body);
		sgh_store_op_fini(&parts[i].op);
	}
	t_ok(complete(f, "a", true));
	for (unsigned i = 1; i < COUNT; i++) {
		t_ok(get(f, "a", i * PART - 1, 2));
		assert_int_equal(f->op.data->data[0], 'a' + i - 1);
		assert_int_equal(f->op.data->data[1], 'a' + i);
	}
}

static const struct CMUnitTest cases[] = {
	CASE(parts_become_an_object),
	CASE(a_range_crosses_parts),
	CASE(nothing_is_seen_before_the_end),
	CASE(one_small_part_is_enough),
	CASE(a_part_is_replaced),
	CASE(the_same_bytes_have_the_same_etag),
	CASE(only_the_parts_that_lie_there),
	CASE(a_part_in_the_middle_is_not_small),
	CASE(parts_that_are_not_named_go),
	CASE(a_completion_may_be_conditional),
	CASE(or_it_replaces),
	CASE(an_upload_ends_once),
	CASE(what_is_aborted_is_gone),
	CASE(an_upload_that_never_was),
	CASE(an_upload_is_described_at_its_beginning),
	CASE(parts_have_pages),
	CASE(uploads_of_exactly_that_key),
	CASE(an_object_may_come_whole_or_not_at_all),
	CASE(an_empty_object_comes_whole),
	CASE(impossible_uploads_are_refused),
	CASE(parts_come_in_parallel),
};

CONFORMANCE_MAIN(cases)
