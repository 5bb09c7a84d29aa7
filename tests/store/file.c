/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

#include "base/budget.h"
#include "store/folder.h"

/* What the store in a folder keeps, shares and refuses. */

/* ---- what stays ---- */

static void everything_is_there_again(void **state)
{
	struct folder *f = *state;
	const char *const names[] = { "sangraha", "sangraha-filename" };
	const char *const values[] = { "1", "Men%C3%BC.jpg" };
	const struct sangraha_store_put options = {
		.size = sizeof(options),
		.content_type = "image/png",
		.meta_names = names,
		.meta_values = values,
		.meta_count = 2,
	};
	struct sangraha_store_entry *entry = NULL;

	t_ok(sangraha_store_put(f->store, "image", "m", "hello", 5, &options, &t_err));
	t_ok(folder_put(f, "small", 's', SGH_FILE_SMALL_MAX));
	t_ok(folder_put(f, "large", 'l', LARGE));
	folder_open(f);
	folder_holds(f, "small", 's', SGH_FILE_SMALL_MAX);
	folder_holds(f, "large", 'l', LARGE);
	t_ok(sangraha_store_head(f->store, "image", "m", 0, &entry, &t_err));
	assert_string_equal(sangraha_store_entry_content_type(entry), "image/png");
	assert_string_equal(sangraha_store_entry_meta(entry, "sangraha-filename"),
			    "Men%C3%BC.jpg");
	assert_int_equal(sangraha_store_entry_size(entry), 5);
	sangraha_store_entry_free(entry);
}

static void only_large_bodies_are_files(void **state)
{
	struct folder *f = *state;
	int64_t bytes;

	t_ok(folder_put(f, "small", 's', SGH_FILE_SMALL_MAX));
	assert_int_equal(folder_files(f, &bytes), 0);
	t_ok(folder_put(f, "large", 'l', LARGE));
	assert_int_equal(folder_files(f, &bytes), 1);
	assert_int_equal(bytes, LARGE);
}

static void what_is_replaced_goes(void **state)
{
	struct folder *f = *state;
	int64_t bytes;

	t_ok(folder_put(f, "a", 'a', LARGE));
	t_ok(folder_put(f, "a", 'b', LARGE + 1));
	folder_holds(f, "a", 'b', LARGE + 1);
	t_wait(folder_files(f, &bytes) == 1);
	t_ok(folder_put(f, "a", 'c', 3));
	folder_holds(f, "a", 'c', 3);
	t_wait(folder_files(f, &bytes) == 0);
	t_ok(folder_put(f, "a", 'd', LARGE));
	t_ok(folder_delete(f, "a"));
	folder_lacks(f, "a");
	t_wait(folder_is_tidy(f) && folder_files(f, &bytes) == 0);
}

/* One that the file system does not let go keeps none of the others. */
static void what_cannot_be_removed_is_passed(void **state)
{
	struct folder *f = *state;
	sgh_autofree char *path = folder_body(f, 0);
	int64_t bytes;

	t_ok(folder_put(f, "a", 'a', LARGE));
	t_ok(folder_put(f, "b", 'b', LARGE));
	assert_int_equal(unlink(path) | mkdir(path, 0700), 0);
	t_ok(folder_delete(f, "a"));
	t_ok(folder_delete(f, "b"));
	t_wait(folder_files(f, &bytes) == 1);
	t_wait(folder_sql(f, "SELECT sum(number = 0) * 10 + count(*) FROM trash") == 11);
	assert_int_equal(rmdir(path), 0);
	t_wait(folder_is_tidy(f));
}

static void a_condition_leaves_no_file(void **state)
{
	struct folder *f = *state;
	int64_t bytes;

	t_ok(folder_put_new(f, "a", 'a', LARGE));
	t_fails(SANGRAHA_E_PRECONDITION, folder_put_new(f, "a", 'b', LARGE));
	assert_int_equal(folder_files(f, &bytes), 1);
	folder_holds(f, "a", 'a', LARGE);
}

static void a_part_of_a_large_body(void **state)
{
	struct folder *f = *state;
	struct sangraha_store_entry *entry = NULL;
	sgh_autofree char *body = calloc(1, LARGE);
	size_t length;

	memcpy(body + LARGE - 5, "abcde", 5);
	t_ok(sangraha_store_put(f->store, "image", "a", body, LARGE, NULL, &t_err));
	t_ok(sangraha_store_get(f->store, "image", "a", LARGE - 4, 3, 0, &entry, &t_err));
	assert_memory_equal(sangraha_store_entry_data(entry, &length), "bcd", 3);
	assert_int_equal(length, 3);
	assert_int_equal(sangraha_store_entry_size(entry), LARGE);
	sangraha_store_entry_free(entry);
}

/* ---- who shares ---- */

static void handles_of_a_context_share(void **state)
{
	struct folder *f = *state;
	struct folder other = { .path = f->path, .context = f->context };

	t_ok(folder_try(&other));
	t_ok(folder_put(&other, "a", 'a', LARGE));
	folder_holds(f, "a", 'a', LARGE);
	sangraha_store_unref(sgh_take(f->store));
	folder_holds(&other, "a", 'a', LARGE);
	sangraha_store_unref(other.store);
}

static void another_context_is_refused(void **state)
{
	struct folder *f = *state;
	struct folder other = { .path = f->path };

	t_fails(SANGRAHA_E_UNAVAILABLE, folder_try(&other));
	t_says("already open in this process");
	sangraha_context_unref(other.context);
}

static void prefixes_are_apart(void **state)
{
	struct folder *f = *state;
	const struct sangraha_store_options options = {
		.size = sizeof(options),
		.bucket_prefix = "other-",
	};
	sgh_autofree char *url = NULL;
	struct folder other = { .path = f->path };

	assert_true(asprintf(&url, "file:%s", f->path) > 0);
	t_ok(folder_put(f, "a", 'a', 1));
	t_ok(sangraha_store_open(f->context, url, &options, &other.store, &t_err));
	folder_lacks(&other, "a");
	t_says("there is no bucket other-image");
	sangraha_store_unref(other.store);
}

/* ---- what is refused ---- */

static void urls_that_cannot_be(void **state)
{
	struct folder *f = *state;
	const struct sangraha_store_options replicas = {
		.size = sizeof(replicas),
		.read_url = "s3+http://a:1",
	};
	struct sangraha_store *store = NULL;

	t_fails(SANGRAHA_E_INVALID, sangraha_store_open(f->context, "file:/tmp/x",
							&replicas, &store, &t_err));
	t_says("has no replicas");
	t_fails(SANGRAHA_E_INVALID,
		sangraha_store_open(f->context, "file:", NULL, &store, &t_err));
	t_says("names no folder");
	t_fails(SANGRAHA_E_INVALID, sangraha_store_open(f->context, "file://host/data",
							NULL, &store, &t_err));
	t_says("no host");
}

static void a_later_version_is_left_alone(void **state)
{
	struct folder *f = *state;

	folder_close(f);
	folder_sql(f, "PRAGMA user_version=99");
	t_fails(SANGRAHA_E_INTERNAL, folder_try(f));
	t_says("later version");
	folder_sql(f, "PRAGMA user_version=2");
	folder_open(f);
}

/* The tables of uploads came with the second format. */
static void an_earlier_version_is_brought_up(void **state)
{
	struct folder *f = *state;

	t_ok(folder_put(f, "a", 'a', LARGE));
	folder_close(f);
	folder_sql(f, "DROP TABLE upload; DROP TABLE part; DROP TABLE piece;"
		      "PRAGMA user_version=1");
	folder_open(f);
	folder_holds(f, "a", 'a', LARGE);
	assert_int_equal(folder_sql(f, "SELECT count(*) FROM piece"), 0);
	assert_int_equal(folder_sql(f, "PRAGMA user_version"), 2);
}

static void a_damaged_database_is_said(void **state)
{
	struct folder *f = *state;
	sgh_autofree char *path = t_path(f->path, "store.db");
	int fd;

	folder_close(f);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "this is no database", 19, 0), 19);
	close(fd);
	t_fails(SANGRAHA_E_INTERNAL, folder_try(f));
	t_says("is damaged");
}

static unsigned damages;

static void count_damages(void *arg, const struct sangraha_log_event *event)
{
	if (sgh_streq(event->event, "damaged"))
		__atomic_add_fetch(&damages, 1, __ATOMIC_RELAXED);
}

/* Never other bytes than were stored: a body that is gone or cut is an error, and logged. */
static void a_damaged_body_is_said(void **state)
{
	struct folder *f = *state;
	const struct sangraha_context_options options = {
		.size = sizeof(options),
		.log = count_damages,
	};
	sgh_autofree char *path = folder_body(f, 0);
	struct sangraha_store_entry *entry = NULL;
	char byte;
	size_t size;

	folder_close(f);
	damages = 0;
	t_ok(sangraha_context_new(&options, &f->context, &t_err));
	t_ok(folder_try(f));
	t_ok(folder_put(f, "a", 'a', LARGE));
	assert_int_equal(truncate(path, LARGE - 1), 0);
	t_fails(SANGRAHA_E_INTERNAL, folder_get(f, "a", &byte, &size));
	t_says("image/a cannot be read");
	t_says("objects/0/0");
	assert_int_equal(unlink(path), 0);
	t_fails(SANGRAHA_E_INTERNAL, folder_get(f, "a", &byte, &size));
	t_says("is missing");
	assert_int_equal(damages, 2);
	t_ok(sangraha_store_head(f->store, "image", "a", 0, &entry, &t_err));
	sangraha_store_entry_free(entry);
	t_ok(folder_delete(f, "a"));
	t_wait(folder_is_tidy(f));
}

/* ---- numbers ---- */

static void make_stray(struct folder *f, int number)
{
	sgh_autofree char *file = folder_body(f, number);
	sgh_autofree char *folder = strndup(file, (size_t)(strrchr(file, '/') - file));
	int fd;

	mkdir(folder, 0700);
	fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static bool has_file(struct folder *f, int number)
{
	sgh_autofree char *file = folder_body(f, number);

	return access(file, F_OK) == 0;
}

/* Below the mark nothing can be left over, and nobody looks. */
static void leftovers_are_looked_for_behind_the_mark(void **state)
{
	struct folder *f = *state;

	folder_close(f);
	folder_sql(f, "UPDATE mark SET value = 1000 WHERE name = 'low'");
	make_stray(f, 5);
	make_stray(f, 1005);
	make_stray(f, 3007);
	folder_open(f);
	assert_true(has_file(f, 5));
	assert_false(has_file(f, 1005));
	assert_false(has_file(f, 3007));
	t_ok(folder_put(f, "a", 'a', LARGE));
	assert_true(has_file(f, 3008));
}

static void the_mark_rises_with_the_numbers(void **state)
{
	struct folder *f = *state;

	folder_close(f);
	make_stray(f, 1997);
	folder_open(f);
	t_ok(folder_put(f, "a", 'a', LARGE));
	t_ok(folder_put(f, "b", 'b', LARGE));
	assert_int_equal(folder_sql(f, "SELECT value FROM mark WHERE name = 'low'"),
			 1000);
	t_ok(folder_put(f, "c", 'c', LARGE));
	assert_true(has_file(f, 2000));
	assert_int_equal(folder_sql(f, "SELECT value FROM mark WHERE name = 'low'"),
			 2000);
	folder_open(f);
	folder_holds(f, "a", 'a', LARGE);
	folder_holds(f, "c", 'c', LARGE);
}

static void empty_folders_go(void **state)
{
	struct folder *f = *state;
	sgh_autofree char *folder = t_path(f->path, "objects/1");

	folder_close(f);
	make_stray(f, 1998);
	folder_open(f);
	t_ok(folder_put(f, "a", 'a', LARGE));
	t_ok(folder_put(f, "b", 'b', LARGE));
	t_ok(folder_delete(f, "a"));
	t_wait(access(folder, F_OK) != 0);
	folder_holds(f, "b", 'b', LARGE);
}

static void the_mark_stays_below_what_is_unsettled(void **state)
{
	struct folder *f = *state;
	struct sgh_file_bodies *bodies =
		&sgh_container_of(f->store, struct sgh_file, store)->engine->bodies;
	struct sgh_file_number a, b, c;

	sgh_file_number_take(bodies, &a);
	sgh_file_number_take(bodies, &b);
	sgh_file_number_take(bodies, &c);
	assert_int_equal(sgh_file_bodies_low(bodies), a.value);
	sgh_file_number_settle(bodies, &b);
	assert_int_equal(sgh_file_bodies_low(bodies), a.value);
	sgh_file_number_settle(bodies, &a);
	assert_int_equal(sgh_file_bodies_low(bodies), c.value);
	sgh_file_number_stick(bodies, &c);
	sgh_file_number_take(bodies, &a);
	assert_int_equal(sgh_file_bodies_low(bodies), c.value);
	sgh_file_number_settle(bodies, &a);
}

/* ---- memory ---- */

struct waiting {
	struct sgh_store_op op;
	bool done; /* atomic */
};

static void on_done(struct sgh_store_op *op)
{
	struct waiting *w = sgh_container_of(op, struct waiting, op);

	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
}

static void submit_get(struct folder *f, struct waiting *w, const char *key,
		       int64_t patience_ms)
{
	*w = (struct waiting){ .op = {
				       .verb = SGH_STORE_GET,
				       .bucket = "image",
				       .key = key,
				       .max_length = 1 << 20,
				       .deadline_ms = sgh_now_ms() + patience_ms,
				       .done = on_done,
			       } };
	t_ok(sgh_store_submit(f->store, &w->op, &t_err));
}

/* A put whose body is not accounted for. */
static void replace(struct folder *f, const char *key, char byte, size_t size)
{
	struct waiting w = { .op = {
				     .verb = SGH_STORE_PUT,
				     .bucket = "image",
				     .key = key,
				     .body = sgh_bytes_new(NULL, size),
				     .deadline_ms = sgh_now_ms() + 30000,
				     .done = on_done,
			     } };

	memset(w.op.body->data, byte, size);
	w.op.body->length = size;
	t_ok(sgh_store_submit(f->store, &w.op, &t_err));
	t_wait(__atomic_load_n(&w.done, __ATOMIC_ACQUIRE));
	assert_int_equal(w.op.status, 0);
	sgh_bytes_unref(w.op.body);
	sgh_store_op_fini(&w.op);
}

static struct sgh_budget_waiter nobody;

static void take_all_memory(struct folder *f)
{
	sgh_budget_force(f->context->budget, sgh_budget_limit(f->context->budget));
}

static void give_it_back(struct folder *f)
{
	sgh_budget_release(f->context->budget, sgh_budget_limit(f->context->budget));
}

/* An operation behind it in the line of readers has been served: it waits, then. */
static void let_it_wait(struct folder *f)
{
	struct sangraha_store_entry *entry = NULL;

	for (int i = 0; i < 20; i++) {
		t_ok(sangraha_store_head(f->store, "image", "a", 0, &entry, &t_err));
		sangraha_store_entry_free(entry);
	}
}

static void a_get_waits_for_memory(void **state)
{
	struct folder *f = *state;
	struct waiting small, large;

	t_ok(folder_put(f, "a", 'a', 10));
	t_ok(folder_put(f, "b", 'b', LARGE));
	take_all_memory(f);
	submit_get(f, &small, "a", 30000);
	submit_get(f, &large, "b", 30000);
	let_it_wait(f);
	assert_false(__atomic_load_n(&small.done, __ATOMIC_ACQUIRE));
	assert_false(__atomic_load_n(&large.done, __ATOMIC_ACQUIRE));
	give_it_back(f);
	t_wait(__atomic_load_n(&small.done, __ATOMIC_ACQUIRE) &&
	       __atomic_load_n(&large.done, __ATOMIC_ACQUIRE));
	assert_int_equal(small.op.status, 0);
	assert_int_equal(large.op.status, 0);
	assert_int_equal(sgh_budget_used(f->context->budget), 10 + LARGE);
	sgh_store_op_fini(&small.op);
	sgh_store_op_fini(&large.op);
	assert_int_equal(sgh_budget_used(f->context->budget), 0);
}

static void waiting_ends_at_the_deadline(void **state)
{
	struct folder *f = *state;
	struct waiting w;

	t_ok(folder_put(f, "a", 'a', 10));
	take_all_memory(f);
	submit_get(f, &w, "a", 50);
	t_wait(__atomic_load_n(&w.done, __ATOMIC_ACQUIRE));
	assert_int_equal(w.op.status, SANGRAHA_E_TIMEOUT);
	assert_int_equal(sgh_store_down_ms(f->store), 0);
	sgh_store_op_fini(&w.op);
	/* Nobody stands in the line any more: the store closes with the memory still taken. */
	sangraha_store_unref(sgh_take(f->store));
	give_it_back(f);
	assert_true(sgh_budget_wait(f->context->budget, &nobody));
}

/* While it waits the object becomes a larger one, for which the memory is too little. */
static void what_grows_while_it_waits(void **state)
{
	struct folder *f = *state;
	struct waiting w;

	t_ok(folder_put(f, "a", 'a', 10));
	take_all_memory(f);
	submit_get(f, &w, "a", 30000);
	let_it_wait(f);
	replace(f, "a", 'b', LARGE);
	give_it_back(f);
	t_wait(__atomic_load_n(&w.done, __ATOMIC_ACQUIRE));
	assert_int_equal(w.op.status, 0);
	assert_int_equal(w.op.data->length, LARGE);
	assert_int_equal(w.op.data->data[LARGE - 1], 'b');
	sgh_store_op_fini(&w.op);
	assert_int_equal(sgh_budget_used(f->context->budget), 0);
}

/* ---- many at once ---- */

struct crowd {
	struct folder *f;
	bool stop; /* atomic */
	unsigned reads;
};

static void *read_on(void *arg)
{
	struct crowd *crowd = arg;
	char byte;
	size_t size;

	while (!__atomic_load_n(&crowd->stop, __ATOMIC_ACQUIRE)) {
		struct sangraha_store_entry *entry = NULL;
		struct sangraha_error err;
		int rc = sangraha_store_get(crowd->f->store, "image", "a", 0, 1 << 20, 0,
					    &entry, &err);
		const char *data = entry ? sangraha_store_entry_data(entry, &size) : NULL;

		if (rc && rc != SANGRAHA_E_NOT_FOUND) {
			print_error("%s\n", err.message);
			return (void *)"a read failed";
		}
		byte = data ? data[0] : '\0';
		/* The size tells which body it is. */
		if (data && (size != (size_t)LARGE + (size_t)byte % 7 ||
			     data[size - 1] != byte || data[size / 2] != byte))
			return (void *)"a read mixed two bodies";
		sangraha_store_entry_free(entry);
		__atomic_add_fetch(&crowd->reads, 1, __ATOMIC_RELAXED);
		sched_yield();
	}
	return NULL;
}

/* Overwritten and deleted under those who read: each gets one body or none. */
static void readers_never_see_a_mixture(void **state)
{
	struct crowd crowd = { .f = *state };
	pthread_t threads[3];
	void *failure;

	for (size_t i = 0; i < SGH_COUNT(threads); i++)
		pthread_create(&threads[i], NULL, read_on, &crowd);
	for (int i = 0; i < 60; i++) {
		char byte = (char)('a' + i % 26);

		t_ok(folder_put(crowd.f, "a", byte, (size_t)LARGE + (size_t)byte % 7));
		if (i % 5 == 0)
			t_ok(folder_delete(crowd.f, "a"));
	}
	t_wait(__atomic_load_n(&crowd.reads, __ATOMIC_RELAXED) > 100);
	__atomic_store_n(&crowd.stop, true, __ATOMIC_RELEASE);
	for (size_t i = 0; i < SGH_COUNT(threads); i++) {
		pthread_join(threads[i], &failure);
		assert_null(failure);
	}
	t_wait(folder_is_tidy(crowd.f));
}

static const struct CMUnitTest tests[] = {
	FOLDER_CASE(everything_is_there_again),
	FOLDER_CASE(only_large_bodies_are_files),
	FOLDER_CASE(what_is_replaced_goes),
	FOLDER_CASE(what_cannot_be_removed_is_passed),
	FOLDER_CASE(a_condition_leaves_no_file),
	FOLDER_CASE(a_part_of_a_large_body),
	FOLDER_CASE(handles_of_a_context_share),
	FOLDER_CASE(another_context_is_refused),
	FOLDER_CASE(prefixes_are_apart),
	FOLDER_CASE(urls_that_cannot_be),
	FOLDER_CASE(a_later_version_is_left_alone),
	FOLDER_CASE(an_earlier_version_is_brought_up),
	FOLDER_CASE(a_damaged_database_is_said),
	FOLDER_CASE(a_damaged_body_is_said),
	FOLDER_CASE(leftovers_are_looked_for_behind_the_mark),
	FOLDER_CASE(the_mark_rises_with_the_numbers),
	FOLDER_CASE(empty_folders_go),
	FOLDER_CASE(the_mark_stays_below_what_is_unsettled),
	FOLDER_CASE(a_get_waits_for_memory),
	FOLDER_CASE(waiting_ends_at_the_deadline),
	FOLDER_CASE(what_grows_while_it_waits),
	FOLDER_CASE(readers_never_see_a_mixture),
};

t_main(tests)
