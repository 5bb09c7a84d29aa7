/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/error.h"
#include "db/db.h"
#include "support/t.h"

/* A database on a disk of its own, which really is full. */

#define DISK_OPTIONS "size=8m,mode=0700"
#define BIG          30000

enum { INSERT, DELETE, COUNT };

static const char *const statements[] = {
	[INSERT] = "INSERT INTO thing(number, text) VALUES (?1, zeroblob(?2))",
	[DELETE] = "DELETE FROM thing WHERE number = ?1",
	[COUNT] = "SELECT count(*) FROM thing WHERE length(text) = ?1",
};

struct fixture {
	struct sangraha_context *context;
	char *folder;
	bool mounted;
	struct sgh_db *db;
	int number; /* of the last row */
};

struct change {
	struct sgh_db_job job;
	int statement;
	int number;
	int size;
	int done; /* atomic */
	int status;
	struct sangraha_error err;
};

static void open_db(struct fixture *f)
{
	struct sgh_db_options options = {
		.context = f->context,
		.path = f->folder,
		.name = "test",
		.application_id = 0x74657374,
		.version = 1,
		.schema = "CREATE TABLE thing(number INTEGER PRIMARY KEY, text)",
		.statements = statements,
		.statement_count = SGH_COUNT(statements),
	};

	t_ok(sgh_db_open(&options, &f->db, &t_err));
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->context = t_context();
	f->folder = t_folder_new();
	f->mounted = !mount("none", f->folder, "tmpfs", 0, DISK_OPTIONS);
	*state = f;
	if (f->mounted)
		open_db(f);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sgh_db_close(f->db, NULL, NULL);
	if (f->mounted)
		umount2(f->folder, MNT_DETACH);
	sangraha_context_unref(f->context);
	t_folder_remove(f->folder);
	free(f);
	return 0;
}

static struct fixture *on_a_disk(void **state)
{
	struct fixture *f = *state;

	if (!f->mounted)
		t_skip("file systems cannot be mounted here");
	return f;
}

/* Take every byte that is left, as others on the disk do. */
static void fill(struct fixture *f)
{
	sgh_autofree char *path = t_path(f->folder, "filler");
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	char page[4096] = "";

	assert_true(fd >= 0);
	while (write(fd, page, sizeof(page)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void unfill(struct fixture *f)
{
	sgh_autofree char *path = t_path(f->folder, "filler");

	assert_int_equal(unlink(path), 0);
}

static int run(struct sgh_db_job *job, struct sgh_db *db, struct sangraha_error *err)
{
	struct change *change = sgh_container_of(job, struct change, job);
	sqlite3_stmt *statement = sgh_db_statement(db, (size_t)change->statement);

	sqlite3_bind_int(statement, 1, change->number);
	if (change->statement == INSERT)
		sqlite3_bind_int(statement, 2, change->size);
	return sgh_db_run(db, statement, err);
}

static void done(struct sgh_db_job *job, int status, const struct sangraha_error *err)
{
	struct change *change = sgh_container_of(job, struct change, job);

	change->status = status;
	change->err = *err;
	__atomic_store_n(&change->done, 1, __ATOMIC_SEQ_CST);
}

static int change_with(struct fixture *f, int statement, int number, int size, bool frees,
		       unsigned room)
{
	struct change change = {
		.job = { .run = run, .done = done, .frees = frees, .room = room },
		.statement = statement,
		.number = number,
		.size = size,
	};

	sgh_db_submit(f->db, &change.job);
	t_wait(__atomic_load_n(&change.done, __ATOMIC_SEQ_CST));
	t_err = change.err;
	return change.status;
}

static int change(struct fixture *f, int statement, int number, int size, bool frees)
{
	return change_with(f, statement, number, size, frees, 0);
}

static int put(struct fixture *f, int size, bool frees)
{
	return change(f, INSERT, ++f->number, size, frees);
}

static int count(struct fixture *f, int size)
{
	struct sgh_db_reader *reader = NULL;
	sqlite3_stmt *statement;
	int found;

	t_ok(sgh_db_reader_open(f->db, statements, SGH_COUNT(statements), &reader,
				&t_err));
	statement = sgh_db_reader_statement(reader, COUNT);
	sqlite3_bind_int(statement, 1, size);
	assert_int_equal(sgh_db_reader_run(reader, statement, &t_err), 1);
	found = sqlite3_column_int(statement, 0);
	sgh_db_reader_close(reader);
	return found;
}

/* As many as there is room for; then not a page is left. */
static int put_until_full(struct fixture *f)
{
	int stored = 0;

	fill(f);
	while (put(f, BIG, false) == 0)
		stored++;
	t_fails(SANGRAHA_E_OVERLOADED, t_err.status);
	t_says("is full");
	while (put(f, 3000, false) == 0)
		;
	fill(f);
	return stored;
}

/* Much more of it than any log has room for, so that it has to begin anew. */
static void what_makes_room_goes_on(void **state)
{
	struct fixture *f = on_a_disk(state);

	assert_true(put_until_full(f) > 0);
	for (int i = 0; i < 400; i++) {
		t_ok(put(f, 500, true));
		if (i % 2)
			t_ok(change(f, DELETE, f->number, 0, true));
	}
	assert_int_equal(count(f, 500), 200);
	t_fails(SANGRAHA_E_OVERLOADED, put(f, BIG, false));
}

/* A row that is there may be changed, but that is not what is asked. */
static void a_probe_wants_room(void **state)
{
	struct fixture *f = on_a_disk(state);

	put_until_full(f);
	t_ok(change(f, DELETE, 1, 0, false));
	t_fails(SANGRAHA_E_OVERLOADED, change_with(f, DELETE, 2, 0, false, 100000));
	unfill(f);
	t_ok(change_with(f, DELETE, 2, 0, false, 100000));
}

/* What was deleted is pages again, of which the reserve comes first. */
static void it_is_emptied_and_takes_writes_again(void **state)
{
	struct fixture *f = on_a_disk(state);
	int stored;

	t_ok(put(f, 2 << 20, false));
	stored = put_until_full(f);
	for (int i = 0; i < 200; i++)
		t_ok(put(f, 1000, true));
	t_fails(SANGRAHA_E_OVERLOADED, put(f, BIG, false));
	t_ok(change(f, DELETE, 1, 0, true));
	t_ok(put(f, BIG, false));
	assert_int_equal(count(f, BIG), stored + 1);
}

static void a_disk_that_others_emptied_takes_writes_again(void **state)
{
	struct fixture *f = on_a_disk(state);
	int stored = put_until_full(f);

	for (int i = 0; i < 200; i++)
		t_ok(put(f, 1000, true));
	unfill(f);
	t_ok(put(f, BIG, false));
	assert_int_equal(count(f, BIG), stored + 1);
	assert_int_equal(count(f, 1000), 200);
}

static void it_is_opened_on_a_full_disk(void **state)
{
	struct fixture *f = on_a_disk(state);
	int stored = put_until_full(f);

	for (int i = 0; i < 3; i++) {
		sgh_db_close(sgh_take(f->db), NULL, NULL);
		fill(f);
		open_db(f);
		assert_int_equal(count(f, BIG), stored);
		for (int j = 0; j < 50; j++)
			t_ok(put(f, 500, true));
	}
	t_fails(SANGRAHA_E_OVERLOADED, put(f, BIG, false));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(what_makes_room_goes_on),
	CASE(a_probe_wants_room),
	CASE(it_is_emptied_and_takes_writes_again),
	CASE(a_disk_that_others_emptied_takes_writes_again),
	CASE(it_is_opened_on_a_full_disk),
};

t_main(tests)
