/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>

#include "store/folder.h"
#include "support/disk.h"

/* Disks that are full, fail, or become read-only: each call of a write in its turn. */

/* Try a put until the faults no longer reach it; each that failed has left nothing. */
static void put_through(struct folder *f, size_t size, void (*break_at)(unsigned n),
			int status)
{
	unsigned failures = 0;

	t_ok(folder_put(f, "before", 'x', LARGE));
	for (unsigned n = 1;; n++) {
		bool struck;
		int rc;

		t_wait(folder_is_tidy(f));
		break_at(n);
		rc = folder_put(f, "new", 'n', size);
		folder_holds(f, "before", 'x', LARGE);
		struck = t_disk_well();
		if (!rc && !struck)
			break;
		/* A fault may strike what comes after the answer. */
		if (rc) {
			t_fails(status, rc);
			folder_lacks(f, "new");
			failures++;
		}
		t_wait(folder_is_tidy(f));
		t_ok(folder_put(f, "again", 'a', LARGE));
		t_ok(folder_delete(f, "again"));
		t_ok(folder_delete(f, "new"));
		assert_in_range(n, 0, 100);
	}
	folder_holds(f, "new", 'n', size);
	t_wait(folder_is_tidy(f));
	assert_true(failures > 0);
}

static void refuse_room(unsigned n)
{
	t_disk_fail_from(T_DISK_ROOM, n, ENOSPC);
}

static void fail_sync(unsigned n)
{
	t_disk_fail_at(T_DISK_SYNC, n, EIO);
}

static void fill_at_sync(unsigned n)
{
	t_disk_fail_at(T_DISK_SYNC, n, ENOSPC);
}

static void a_full_disk_takes_no_large_body(void **state)
{
	put_through(*state, LARGE, refuse_room, SANGRAHA_E_OVERLOADED);
}

static void a_full_disk_takes_half_a_body(void **state)
{
	put_through(*state, LARGE, t_disk_full_from, SANGRAHA_E_OVERLOADED);
}

static void a_full_disk_takes_no_small_body(void **state)
{
	put_through(*state, 1000, refuse_room, SANGRAHA_E_OVERLOADED);
}

static void a_sync_fails_under_a_large_body(void **state)
{
	put_through(*state, LARGE, fail_sync, SANGRAHA_E_UNAVAILABLE);
}

static void a_sync_fails_under_a_small_body(void **state)
{
	put_through(*state, 1000, fail_sync, SANGRAHA_E_UNAVAILABLE);
}

/* A full disk may only show when the log is synced: the row may be there after a crash. */
static void a_sync_finds_no_room_for_the_row(void **state)
{
	put_through(*state, 1000, fill_at_sync, SANGRAHA_E_UNAVAILABLE);
}

/* Then nobody can tell whether the row will be there after a crash: the next open does. */
static void no_sync_works_for_a_while(void **state)
{
	struct folder *f = *state;

	for (unsigned n = 1; n <= 4; n++) {
		t_disk_fail_from(T_DISK_SYNC, n, EIO);
		t_fails(SANGRAHA_E_UNAVAILABLE, folder_put(f, "a", 'a', LARGE));
		t_disk_well();
		t_ok(folder_put(f, "b", 'b', LARGE));
		folder_open(f);
		folder_lacks(f, "a");
		folder_holds(f, "b", 'b', LARGE);
		t_wait(folder_is_tidy(f));
		t_ok(folder_delete(f, "b"));
		t_wait(folder_is_tidy(f));
	}
}

static void a_full_disk_is_said(void **state)
{
	struct folder *f = *state;

	t_disk_full_from(1);
	t_fails(SANGRAHA_E_OVERLOADED, folder_put(f, "a", 'a', LARGE));
	t_says("the disk that holds");
	t_says("is full");
	t_fails(SANGRAHA_E_OVERLOADED, folder_put(f, "a", 'a', 10));
	t_says("is full");
	t_disk_well();
}

/* A check tells what the last write knew, and finds out by itself that it is over. */
static void a_check_follows_the_disk(void **state)
{
	struct folder *f = *state;

	t_ok(sangraha_store_check(f->store, 0, &t_err));
	t_disk_full_from(1);
	t_fails(SANGRAHA_E_OVERLOADED, folder_put(f, "a", 'a', 10));
	t_fails(SANGRAHA_E_OVERLOADED, sangraha_store_check(f->store, 0, &t_err));
	/* What takes no writing is no proof. */
	t_ok(sangraha_store_make_bucket(f->store, "image", 0, &t_err));
	t_ok(folder_delete(f, "nothing"));
	t_fails(SANGRAHA_E_OVERLOADED, sangraha_store_check(f->store, 0, &t_err));
	t_disk_well();
	t_ok(sangraha_store_check(f->store, 0, &t_err));
}

/* Another handle, which has written nothing, is not the worse for it. */
static void who_reads_is_not_told(void **state)
{
	struct folder *f = *state;
	struct folder other = { .path = f->path, .context = f->context };

	t_ok(folder_try(&other));
	t_disk_full_from(1);
	t_fails(SANGRAHA_E_OVERLOADED, folder_put(f, "a", 'a', 10));
	t_ok(sangraha_store_check(other.store, 0, &t_err));
	t_disk_well();
	sangraha_store_unref(other.store);
}

/* However many writes fail: the breaker stays closed, reading goes on. */
static void reading_goes_on_when_the_disk_turns_read_only(void **state)
{
	struct folder *f = *state;

	t_ok(folder_put(f, "small", 's', 10));
	t_ok(folder_put(f, "large", 'l', LARGE));
	t_disk_fail_from(T_DISK_ALL, 1, EROFS);
	for (int i = 0; i < 10; i++) {
		int rc = folder_put(f, "a", 'a', i % 2 ? LARGE : 10);

		assert_true(rc == SANGRAHA_E_UNAUTHORIZED ||
			    rc == SANGRAHA_E_UNAVAILABLE);
		t_says(f->path);
		t_fails(SANGRAHA_E_UNAVAILABLE,
			sangraha_store_check(f->store, 0, &t_err));
	}
	folder_holds(f, "small", 's', 10);
	folder_holds(f, "large", 'l', LARGE);
	t_disk_well();
	t_ok(sangraha_store_check(f->store, 0, &t_err));
	t_ok(folder_put(f, "a", 'a', LARGE));
	t_wait(folder_is_tidy(f));
}

static void writes_that_fail_do_not_open_the_breaker(void **state)
{
	struct folder *f = *state;

	t_ok(folder_put(f, "before", 'b', 10));
	t_disk_fail_from(T_DISK_SYNC, 1, EIO);
	for (int i = 0; i < 10; i++)
		t_fails(SANGRAHA_E_UNAVAILABLE, folder_put(f, "a", 'a', 10));
	assert_int_equal(sgh_store_down_ms(f->store), 0);
	folder_holds(f, "before", 'b', 10);
	t_disk_well();
}

static void a_folder_that_cannot_be_written_to(void **state)
{
	struct folder *f = *state;

	folder_close(f);
	t_disk_fail_from(T_DISK_ALL, 1, EACCES);
	t_fails(SANGRAHA_E_UNAUTHORIZED, folder_try(f));
	t_says(f->path);
	t_disk_well();
	t_ok(folder_try(f));
}

static void a_disk_that_is_full_from_the_start(void **state)
{
	struct folder f = { .path = t_folder_new() };

	for (unsigned n = 1;; n++) {
		int rc;

		t_disk_fail_from(T_DISK_WRITE, n, ENOSPC);
		rc = folder_try(&f);
		t_disk_well();
		if (!rc)
			break;
		t_fails(SANGRAHA_E_OVERLOADED, rc);
		assert_in_range(n, 0, 100);
	}
	t_ok(sangraha_store_make_bucket(f.store, "image", 0, &t_err));
	folder_close(&f);
	t_folder_remove(f.path);
}

/* Files that cannot be removed stay in the trash, and go with the next that is removed. */
static void a_removal_that_fails_is_done_later(void **state)
{
	struct folder *f = *state;
	int64_t bytes;

	t_ok(folder_put(f, "a", 'a', LARGE));
	t_ok(folder_put(f, "b", 'b', LARGE));
	t_disk_fail_from(T_DISK_REMOVE, 1, EIO);
	t_ok(folder_delete(f, "a"));
	folder_lacks(f, "a");
	t_wait(t_disk_calls() > 0);
	t_disk_well();
	assert_int_equal(folder_files(f, &bytes), 2);
	t_ok(folder_delete(f, "b"));
	t_wait(folder_is_tidy(f) && folder_files(f, &bytes) == 0);
}

static void *kick_on(void *arg)
{
	struct folder *f = arg;

	for (int i = 0; i < 5000; i++)
		sgh_file_trash_kick(
			sgh_container_of(f->store, struct sgh_file, store)->engine);
	return NULL;
}

/* A run may begin as soon as another one has failed, before its retry is arranged. */
static void runs_that_fail_follow_each_other(void **state)
{
	struct folder *f = *state;
	pthread_t threads[2];

	t_ok(folder_put(f, "a", 'a', LARGE));
	t_disk_fail_from(T_DISK_REMOVE, 1, EIO);
	t_ok(folder_delete(f, "a"));
	for (size_t i = 0; i < SGH_COUNT(threads); i++)
		pthread_create(&threads[i], NULL, kick_on, f);
	for (size_t i = 0; i < SGH_COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	t_disk_well();
	t_wait(folder_is_tidy(f));
}

/* A part that could not be taken away again is found by the next open. */
static void a_part_that_stays_is_found_later(void **state)
{
	struct folder *f = *state;
	int64_t bytes;

	t_disk_fail_from(T_DISK_WRITE | T_DISK_REMOVE, 1, EIO);
	t_fails(SANGRAHA_E_UNAVAILABLE, folder_put(f, "a", 'a', LARGE));
	t_disk_well();
	assert_int_equal(folder_files(f, &bytes), 1);
	t_ok(folder_put(f, "b", 'b', LARGE));
	folder_open(f);
	assert_int_equal(folder_files(f, &bytes), 1);
	folder_holds(f, "b", 'b', LARGE);
}

/* ---- a disk that hangs ---- */

struct pending {
	struct sgh_store_op op;
	struct sgh_bytes *body;
	bool done; /* atomic */
};

static void on_done(struct sgh_store_op *op)
{
	struct pending *p = sgh_container_of(op, struct pending, op);

	__atomic_store_n(&p->done, true, __ATOMIC_RELEASE);
}

static void begin_put_of(struct folder *f, struct pending *p, const char *key,
			 size_t size, int64_t timeout_ms)
{
	*p = (struct pending){
		.op = {
			.verb = SGH_STORE_PUT,
			.bucket = "image",
			.key = key,
			.deadline_ms = sgh_now_ms() + timeout_ms,
			.owner = p,
			.done = on_done,
		},
		.body = sgh_bytes_new(NULL, size),
	};
	memset(p->body->data, 'p', size);
	p->body->length = size;
	p->op.body = p->body;
	t_ok(sgh_store_submit(f->store, &p->op, &t_err));
}

static void begin_put(struct folder *f, struct pending *p, const char *key, size_t size)
{
	begin_put_of(f, p, key, size, 100);
}

static void ends(int status, struct pending *p)
{
	t_wait(__atomic_load_n(&p->done, __ATOMIC_ACQUIRE));
	t_err = p->op.err;
	t_fails(status, p->op.status);
	/* What is still at work has a hold of its own. */
	sgh_bytes_unref(p->body);
	sgh_store_op_fini(&p->op);
}

static void times_out(struct pending *p)
{
	ends(SANGRAHA_E_TIMEOUT, p);
}

static void operations_end_when_the_disk_hangs(void **state)
{
	struct folder *f = *state;
	struct pending first, second, large;

	t_ok(folder_put(f, "before", 'b', LARGE));
	t_disk_stall(T_DISK_SYNC);
	begin_put(f, &first, "first", 10);
	t_wait(t_disk_calls() > 0);
	begin_put(f, &second, "second", 10);
	begin_put(f, &large, "large", LARGE);
	times_out(&first);
	times_out(&second);
	times_out(&large);
	folder_holds(f, "before", 'b', LARGE);
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_store_check(f->store, 100, &t_err));
	t_disk_well();
	t_ok(sangraha_store_check(f->store, 0, &t_err));
	/* What was under way may be done; what nobody waited for was not begun. */
	t_ok(folder_put(f, "after", 'a', LARGE));
	folder_holds(f, "first", 'p', 10);
	folder_lacks(f, "second");
	folder_lacks(f, "large");
	t_wait(folder_is_tidy(f));
}

static void what_an_owner_gives_up_ends_when_the_disk_hangs(void **state)
{
	struct folder *f = *state;
	struct pending mine, other;

	t_disk_stall(T_DISK_SYNC);
	begin_put_of(f, &mine, "mine", 10, 30000);
	t_wait(t_disk_calls() > 0);
	begin_put_of(f, &other, "other", 10, 30000);
	sgh_store_cancel(f->store, &mine);
	ends(SANGRAHA_E_UNAVAILABLE, &mine);
	t_says("given up");
	assert_false(__atomic_load_n(&other.done, __ATOMIC_ACQUIRE));
	sgh_store_cancel(f->store, &mine);
	t_disk_well();
	ends(SANGRAHA_OK, &other);
	assert_int_equal(sgh_store_writes_down_ms(f->store), 0);
	t_wait(folder_is_tidy(f));
}

/* A case that failed may have left a disk that no store can be closed on. */
static int tear_down(void **state)
{
	t_disk_well();
	return folder_tear_down(state);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, folder_set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(a_full_disk_takes_no_large_body),
	CASE(a_full_disk_takes_half_a_body),
	CASE(a_full_disk_takes_no_small_body),
	CASE(a_sync_fails_under_a_large_body),
	CASE(a_sync_fails_under_a_small_body),
	CASE(a_sync_finds_no_room_for_the_row),
	CASE(no_sync_works_for_a_while),
	CASE(a_full_disk_is_said),
	CASE(a_check_follows_the_disk),
	CASE(who_reads_is_not_told),
	CASE(reading_goes_on_when_the_disk_turns_read_only),
	CASE(writes_that_fail_do_not_open_the_breaker),
	CASE(a_folder_that_cannot_be_written_to),
	cmocka_unit_test(a_disk_that_is_full_from_the_start),
	CASE(a_removal_that_fails_is_done_later),
	CASE(a_part_that_stays_is_found_later),
	CASE(runs_that_fail_follow_each_other),
	CASE(operations_end_when_the_disk_hangs),
	CASE(what_an_owner_gives_up_ends_when_the_disk_hangs),
};

t_main(tests)
