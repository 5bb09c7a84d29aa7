/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "store/folder.h"
#include "support/disk.h"

/* Uploads in a folder: what stays, what goes, and what a bad disk makes of them. */

#define PART ((size_t)SGH_PART_MIN)

static void many_parts(struct folder *f, const char *key, const char *upload,
		       struct folder_part *parts, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		t_ok(folder_part(f, key, upload, i + 1, (char)('a' + i),
				 i + 1 < count ? PART : 10, &parts[i]));
}

/* An object of two parts of 5 MiB and one of 10 bytes. */
static void make_object(struct folder *f, const char *key)
{
	sgh_autofree char *upload = folder_begin(f, key);
	struct folder_part parts[3];

	many_parts(f, key, upload, parts, 3);
	t_ok(folder_complete(f, key, upload, parts, 3));
}

static void holds_parts(struct folder *f, const char *key)
{
	assert_int_equal(folder_byte(f, key, 0), 'a');
	assert_int_equal(folder_byte(f, key, PART - 1), 'a');
	assert_int_equal(folder_byte(f, key, PART), 'b');
	assert_int_equal(folder_byte(f, key, 2 * PART + 9), 'c');
	assert_int_equal(folder_byte(f, key, 2 * PART + 10), '\0');
}

/* ---- restarts ---- */

static void an_upload_survives_a_restart(void **state)
{
	struct folder *f = *state;
	sgh_autofree char *upload = folder_begin(f, "a");
	struct folder_part parts[3];

	t_ok(folder_part(f, "a", upload, 1, 'a', PART, &parts[0]));
	folder_open(f);
	t_ok(folder_part(f, "a", upload, 2, 'b', PART, &parts[1]));
	folder_open(f);
	t_ok(folder_part(f, "a", upload, 3, 'c', 10, &parts[2]));
	folder_open(f);
	t_ok(folder_complete(f, "a", upload, parts, 3));
	holds_parts(f, "a");
	assert_true(folder_is_tidy(f));
}

static void an_object_in_pieces_survives_a_restart(void **state)
{
	struct folder *f = *state;
	int64_t bytes;

	make_object(f, "a");
	assert_int_equal(folder_files(f, &bytes), 3);
	folder_open(f);
	holds_parts(f, "a");
	assert_int_equal(folder_files(f, &bytes), 3);
	assert_true(folder_is_tidy(f));
	t_ok(folder_put(f, "b", 'x', LARGE));
	holds_parts(f, "a");
}

/* ---- what goes ---- */

static void a_completion_copies_nothing(void **state)
{
	struct folder *f = *state;
	sgh_autofree char *upload = folder_begin(f, "a");
	struct folder_part parts[3];
	unsigned calls;

	many_parts(f, "a", upload, parts, 3);
	t_disk_well();
	t_ok(folder_complete(f, "a", upload, parts, 3));
	calls = t_disk_calls();
	assert_in_range(calls, 1, 40);
	holds_parts(f, "a");
}

static void whatever_removes_it_removes_all_pieces(void **state)
{
	struct folder *f = *state;
	int64_t bytes;

	make_object(f, "a");
	make_object(f, "a");
	t_wait(folder_files(f, &bytes) == 3 && folder_is_tidy(f));
	holds_parts(f, "a");
	t_ok(folder_put(f, "a", 'x', 5));
	t_wait(folder_files(f, &bytes) == 0 && folder_is_tidy(f));
	make_object(f, "a");
	t_ok(folder_put(f, "a", 'x', LARGE));
	t_wait(folder_files(f, &bytes) == 1 && folder_is_tidy(f));
	make_object(f, "a");
	t_ok(folder_delete(f, "a"));
	t_wait(folder_files(f, &bytes) == 0 && folder_is_tidy(f));
}

static void aborted_and_replaced_parts_go(void **state)
{
	struct folder *f = *state;
	sgh_autofree char *upload = folder_begin(f, "a");
	int64_t bytes;

	t_ok(folder_part(f, "a", upload, 1, 'a', 10, NULL));
	t_ok(folder_part(f, "a", upload, 1, 'b', 20, NULL));
	t_wait(folder_files(f, &bytes) == 1 && bytes == 20 && folder_is_tidy(f));
	t_ok(folder_part(f, "a", upload, 2, 'c', 30, NULL));
	t_ok(folder_abort(f, "a", upload));
	t_wait(folder_files(f, &bytes) == 0 && folder_is_tidy(f));
	assert_int_equal(folder_sql(f, "SELECT count(*) FROM upload"), 0);
}

static void a_part_of_no_upload_leaves_nothing(void **state)
{
	struct folder *f = *state;
	int64_t bytes;

	t_fails(SANGRAHA_E_NOT_FOUND, folder_part(f, "a", "nothing", 1, 'a', 10, NULL));
	assert_int_equal(folder_files(f, &bytes), 0);
}

/* ---- a bad disk ---- */

static void a_full_disk_keeps_what_was_there(void **state)
{
	struct folder *f = *state;
	sgh_autofree char *upload = folder_begin(f, "a");
	struct folder_part parts[3];
	int64_t bytes;

	many_parts(f, "a", upload, parts, 3);
	for (unsigned n = 1; n < 4; n++) {
		t_disk_full_from(n);
		t_fails(SANGRAHA_E_OVERLOADED,
			folder_part(f, "a", upload, 2, 'x', PART, NULL));
		assert_true(t_disk_well());
	}
	t_disk_full_from(1);
	t_fails(SANGRAHA_E_OVERLOADED, folder_complete(f, "a", upload, parts, 3));
	t_disk_well();
	t_wait(folder_files(f, &bytes) == 3 && folder_is_tidy(f));
	t_ok(folder_complete(f, "a", upload, parts, 3));
	holds_parts(f, "a");
}

/* Whatever fails, a part is as before or as after, and so is the whole. */
static void any_call_may_fail(void **state)
{
	struct folder *f = *state;
	sgh_autofree char *upload = folder_begin(f, "a");
	struct folder_part parts[3];
	bool struck = true;

	many_parts(f, "a", upload, parts, 3);
	for (unsigned n = 1; struck; n++) {
		int rc;

		t_disk_fail_at(T_DISK_ALL, n, EIO);
		rc = folder_part(f, "a", upload, 3, 'c', 10, &parts[2]);
		struck = t_disk_well();
		assert_true(rc == 0 || rc == SANGRAHA_E_UNAVAILABLE);
		assert_true(struck || rc == 0);
		assert_in_range(n, 0, 200);
	}
	folder_open(f);
	t_wait(folder_is_tidy(f));
	t_ok(folder_complete(f, "a", upload, parts, 3));
	holds_parts(f, "a");
}

/* ---- damage ---- */

static void damage(struct folder *f, int number, off_t size)
{
	sgh_autofree char *path = folder_body(f, number);

	if (size < 0)
		assert_int_equal(unlink(path), 0);
	else
		assert_int_equal(truncate(path, size), 0);
}

static void a_damaged_piece_is_said(void **state)
{
	struct folder *f = *state;
	struct sgh_store_op op = {
		.verb = SGH_STORE_GET,
		.key = "a",
		.offset = PART,
		.max_length = 100,
	};

	make_object(f, "a");
	damage(f, 1, 100);
	assert_int_equal(folder_byte(f, "a", 0), 'a');
	t_fails(SANGRAHA_E_INTERNAL, folder_run(f, &op));
	t_says("instead of");
	damage(f, 1, -1);
	t_fails(SANGRAHA_E_INTERNAL, folder_run(f, &op));
	t_says("missing");
	folder_sql(f, "DELETE FROM piece WHERE file = 1");
	t_fails(SANGRAHA_E_INTERNAL, folder_run(f, &op));
	t_says("missing");
	folder_sql(f, "DELETE FROM piece");
	t_fails(SANGRAHA_E_INTERNAL, folder_run(f, &op));
	t_says("gone");
	sgh_store_op_fini(&op);
}

/* ---- many ---- */

/* Ten thousand rows are a part of the work of the one thread that writes. */
static void ten_thousand_parts(void **state)
{
	struct folder *f = *state;
	sgh_autofree char *upload = folder_begin(f, "a");
	struct sgh_part *parts = calloc(SGH_PARTS_MAX, sizeof(*parts));
	struct sgh_store_op op = {
		.verb = SGH_STORE_UPLOAD_COMPLETE,
		.key = "a",
		.upload = upload,
		.parts = parts,
		.part_count = SGH_PARTS_MAX,
	};

	for (unsigned i = 0; i < SGH_PARTS_MAX; i++)
		parts[i] = (struct sgh_part){ i + 1, SGH_PART_MIN, "\"e\"" };
	folder_sql(f, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
		      " WHERE i < 10000) INSERT INTO part SELECT 1, i, 5242880,"
		      " '\"e\"', 100000 + i FROM n");
	t_ok(folder_run(f, &op));
	sgh_store_op_fini(&op);
	op = (struct sgh_store_op){ .verb = SGH_STORE_HEAD, .key = "a" };
	t_ok(folder_run(f, &op));
	assert_int_equal(op.head.size, SGH_PART_MIN * SGH_PARTS_MAX);
	sgh_store_op_fini(&op);
	assert_int_equal(folder_sql(f, "SELECT max(start) FROM piece"),
			 SGH_PART_MIN * (SGH_PARTS_MAX - 1));
	t_ok(folder_delete(f, "a"));
	t_wait(folder_is_tidy(f));
	free(parts);
}

static const struct CMUnitTest tests[] = {
	FOLDER_CASE(an_upload_survives_a_restart),
	FOLDER_CASE(an_object_in_pieces_survives_a_restart),
	FOLDER_CASE(a_completion_copies_nothing),
	FOLDER_CASE(whatever_removes_it_removes_all_pieces),
	FOLDER_CASE(aborted_and_replaced_parts_go),
	FOLDER_CASE(a_part_of_no_upload_leaves_nothing),
	FOLDER_CASE(a_full_disk_keeps_what_was_there),
	FOLDER_CASE(any_call_may_fail),
	FOLDER_CASE(a_damaged_piece_is_said),
	FOLDER_CASE(ten_thousand_parts),
};

t_main(tests)
