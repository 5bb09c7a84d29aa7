/* SPDX-License-Identifier: MIT */
#include "db/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "support/disk.h"
#include "support/sql.h"
#include "support/t.h"

enum {
	INSERT,
	FIND,
};

static const char *const statements[] = {
	[INSERT] = "INSERT INTO thing(number, text) VALUES (?1, zeroblob(?2))",
	[FIND] = "SELECT length(text) FROM thing WHERE number = ?1",
};

struct fixture {
	struct sangraha_context *context;
	char *folder;
	struct sgh_db *db;
};

/* One row; `verdict` makes it fail for a reason of its own. */
struct insert {
	struct sgh_db_job job;
	int number;
	int size;
	int verdict;
	int done; /* atomic: how often */
	int status;
	int *order; /* a counter, to see who came when; or NULL */
	int place;
	struct sangraha_error err;
};

/* The second of them cannot be done twice, and the third not at all. */
static const char *const upgrades[] = {
	"CREATE TABLE more(number INTEGER PRIMARY KEY)",
	"INSERT INTO more VALUES (7)",
	"INSERT INTO more VALUES (8); INSERT INTO nothing VALUES (9)",
};

static int open_db(struct fixture *f, int version, struct sgh_db **ret)
{
	struct sgh_db_options options = {
		.context = f->context,
		.path = f->folder,
		.name = "test",
		.application_id = 0x74657374,
		.version = version,
		.schema = "CREATE TABLE thing(number INTEGER PRIMARY KEY, text)",
		.upgrades = upgrades,
		.statements = statements,
		.statement_count = SGH_COUNT(statements),
	};

	return sgh_db_open(&options, ret, &t_err);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	t_disk_well();
	f->context = t_context();
	f->folder = t_folder_new();
	t_ok(open_db(f, 1, &f->db));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	t_disk_well();
	t_disk_watch(NULL);
	sgh_db_close(f->db, NULL, NULL);
	sangraha_context_unref(f->context);
	t_folder_remove(f->folder);
	free(f);
	return 0;
}

static int run_insert(struct sgh_db_job *job, struct sgh_db *db,
		      struct sangraha_error *err)
{
	struct insert *insert = sgh_container_of(job, struct insert, job);
	sqlite3_stmt *statement = sgh_db_statement(db, INSERT);

	if (insert->verdict)
		return sgh_fail(err, insert->verdict, 0, "it does not like it");
	sqlite3_bind_int(statement, 1, insert->number);
	sqlite3_bind_int(statement, 2, insert->size);
	return sgh_db_run(db, statement, err);
}

static void insert_done(struct sgh_db_job *job, int status,
			const struct sangraha_error *err)
{
	struct insert *insert = sgh_container_of(job, struct insert, job);

	insert->status = status;
	insert->err = *err;
	if (insert->order)
		insert->place = __atomic_add_fetch(insert->order, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&insert->done, 1, __ATOMIC_SEQ_CST);
}

static void submit(struct fixture *f, struct insert *insert, int number, int size)
{
	insert->job.run = run_insert;
	insert->job.done = insert_done;
	insert->number = number;
	insert->size = size;
	sgh_db_submit(f->db, &insert->job);
}

static int wait_for(struct insert *insert)
{
	t_wait(__atomic_load_n(&insert->done, __ATOMIC_SEQ_CST) == 1);
	t_err = insert->err;
	return insert->status;
}

static int put(struct fixture *f, int number, int size)
{
	struct insert insert = { 0 };

	submit(f, &insert, number, size);
	return wait_for(&insert);
}

static void reopen(struct fixture *f)
{
	sgh_db_close(sgh_take(f->db), NULL, NULL);
	t_ok(open_db(f, 1, &f->db));
}

/* The size of a row's text, -1 without the row. */
static int find(struct fixture *f, int number)
{
	struct sgh_db_reader *reader = NULL;
	sqlite3_stmt *statement;
	int size = -1;

	t_ok(sgh_db_reader_open(f->db, statements, SGH_COUNT(statements), &reader,
				&t_err));
	statement = sgh_db_reader_statement(reader, FIND);
	sqlite3_bind_int(statement, 1, number);
	if (sgh_db_reader_run(reader, statement, &t_err) == 1)
		size = sqlite3_column_int(statement, 0);
	sgh_db_reader_close(reader);
	return size;
}

static void what_is_done_is_there(void **state)
{
	struct fixture *f = *state;

	t_ok(put(f, 1, 10));
	assert_int_equal(find(f, 1), 10);
	reopen(f);
	assert_int_equal(find(f, 1), 10);
	assert_int_equal(find(f, 2), -1);
}

static void jobs_run_in_order(void **state)
{
	enum { COUNT = 2000 };
	struct fixture *f = *state;
	struct insert *inserts = calloc(COUNT, sizeof(*inserts));
	int order = 0;

	for (int i = 0; i < COUNT; i++) {
		inserts[i].order = &order;
		submit(f, &inserts[i], i + 1, 100);
	}
	for (int i = 0; i < COUNT; i++) {
		t_ok(wait_for(&inserts[i]));
		assert_int_equal(inserts[i].place, i + 1);
	}
	free(inserts);
}

/* Holds the thread that writes until it is let go, so that what follows is one batch. */
struct gate {
	struct sgh_db_job job;
	int open;
	int passed;
};

static int run_gate(struct sgh_db_job *job, struct sgh_db *db, struct sangraha_error *err)
{
	struct gate *gate = sgh_container_of(job, struct gate, job);

	t_wait(__atomic_load_n(&gate->open, __ATOMIC_SEQ_CST));
	return 0;
}

static void gate_done(struct sgh_db_job *job, int status,
		      const struct sangraha_error *err)
{
	__atomic_store_n(&sgh_container_of(job, struct gate, job)->passed, 1,
			 __ATOMIC_SEQ_CST);
}

static void close_gate(struct fixture *f, struct gate *gate)
{
	*gate = (struct gate){ .job = { .run = run_gate, .done = gate_done } };
	sgh_db_submit(f->db, &gate->job);
}

static void open_gate(struct gate *gate)
{
	__atomic_store_n(&gate->open, 1, __ATOMIC_SEQ_CST);
	t_wait(__atomic_load_n(&gate->passed, __ATOMIC_SEQ_CST));
}

static void who_fails_by_itself_harms_nobody(void **state)
{
	struct fixture *f = *state;
	struct insert inserts[3] = { [1] = { .verdict = SANGRAHA_E_PRECONDITION } };
	struct gate gate;

	close_gate(f, &gate);
	for (int i = 0; i < 3; i++)
		submit(f, &inserts[i], i + 1, 1);
	open_gate(&gate);
	t_ok(wait_for(&inserts[0]));
	t_fails(SANGRAHA_E_PRECONDITION, wait_for(&inserts[1]));
	t_says("does not like");
	t_ok(wait_for(&inserts[2]));
	assert_int_equal(find(f, 3), 1);
}

/* Everybody in the transaction, which is why the others get one of their own. */
static void a_statement_that_fails_fails_its_own_job(void **state)
{
	struct fixture *f = *state;
	struct insert inserts[3] = { 0 };
	struct gate gate;

	close_gate(f, &gate);
	submit(f, &inserts[0], 1, 1);
	submit(f, &inserts[1], 1, 1); /* the key is taken */
	submit(f, &inserts[2], 2, 1);
	open_gate(&gate);
	t_ok(wait_for(&inserts[0]));
	t_fails(SANGRAHA_E_INTERNAL, wait_for(&inserts[1]));
	t_says("UNIQUE");
	t_ok(wait_for(&inserts[2]));
	assert_int_equal(find(f, 1), 1);
	assert_int_equal(find(f, 2), 1);
}

static void many_share_a_sync(void **state)
{
	enum { COUNT = 100 };
	struct fixture *f = *state;
	struct insert inserts[COUNT] = { 0 };
	struct gate gate;
	unsigned before;

	close_gate(f, &gate);
	for (int i = 0; i < COUNT; i++)
		submit(f, &inserts[i], i + 1, 1);
	before = t_disk_calls();
	open_gate(&gate);
	for (int i = 0; i < COUNT; i++)
		t_ok(wait_for(&inserts[i]));
	assert_in_range(t_disk_calls() - before, 2, 50);
}

static void a_lazy_job_goes_by_itself(void **state)
{
	struct fixture *f = *state;
	struct insert lazy = { .job.lazy = true };

	submit(f, &lazy, 1, 1);
	t_ok(wait_for(&lazy));
}

static void a_lazy_job_goes_along(void **state)
{
	struct fixture *f = *state;
	struct insert lazy = { .job.lazy = true };

	submit(f, &lazy, 1, 1);
	t_ok(put(f, 2, 1));
	assert_int_equal(lazy.done, 1);
}

static void closing_runs_what_waits(void **state)
{
	struct fixture *f = *state;
	struct insert lazy = { .job.lazy = true };

	submit(f, &lazy, 1, 1);
	reopen(f);
	t_ok(wait_for(&lazy));
	assert_int_equal(find(f, 1), 1);
}

static struct {
	struct sgh_db *db;
	int closed;
} own;

static void on_closed(void *arg)
{
	__atomic_store_n(&own.closed, 1, __ATOMIC_SEQ_CST);
}

static void close_in_done(struct sgh_db_job *job, int status,
			  const struct sangraha_error *err)
{
	sgh_db_close(own.db, on_closed, NULL);
}

static void it_may_be_closed_by_its_own_thread(void **state)
{
	struct fixture *f = *state;
	struct insert insert = { .job = { .run = run_insert, .done = close_in_done },
				 .number = 1 };

	own.closed = 0;
	own.db = sgh_take(f->db);
	sgh_db_submit(own.db, &insert.job);
	t_wait(__atomic_load_n(&own.closed, __ATOMIC_SEQ_CST));
	t_ok(open_db(f, 1, &f->db));
	assert_int_equal(find(f, 1), 0);
}

static void a_second_one_is_told(void **state)
{
	struct fixture *f = *state;
	struct sgh_db *db = NULL;

	t_fails(SANGRAHA_E_UNAVAILABLE, open_db(f, 1, &db));
	t_says(f->folder);
}

static void a_later_format_is_refused(void **state)
{
	struct fixture *f = *state;

	sgh_db_close(sgh_take(f->db), NULL, NULL);
	t_ok(open_db(f, 1, &f->db));
	sgh_db_close(sgh_take(f->db), NULL, NULL);
	t_fails(SANGRAHA_E_INTERNAL, open_db(f, 0, &f->db));
	t_says("later version");
}

static void an_earlier_format_is_brought_up(void **state)
{
	struct fixture *f = *state;

	sgh_db_close(sgh_take(f->db), NULL, NULL);
	t_ok(open_db(f, 3, &f->db));
	sgh_db_close(sgh_take(f->db), NULL, NULL);
	t_ok(open_db(f, 3, &f->db));
	assert_int_equal(t_sql(f->folder, "test.db", "SELECT sum(number) FROM more"), 7);
	assert_int_equal(t_sql(f->folder, "test.db", "PRAGMA user_version"), 3);
}

static void what_cannot_be_brought_up_stays_as_it_is(void **state)
{
	struct fixture *f = *state;

	sgh_db_close(sgh_take(f->db), NULL, NULL);
	t_fails(SANGRAHA_E_INTERNAL, open_db(f, 4, &f->db));
	assert_int_equal(t_sql(f->folder, "test.db", "PRAGMA user_version"), 1);
	t_ok(open_db(f, 2, &f->db));
	assert_int_equal(t_sql(f->folder, "test.db", "SELECT count(*) FROM more"), 0);
}

/* Refused means untouched: WAL would be a property of the file. */
static void a_database_of_others_stays_as_it_is(void **state)
{
	struct fixture *f = *state;
	sgh_autofree char *path = t_path(f->folder, "test.db");
	sqlite3 *other = NULL;
	char versions[2] = "";
	int fd;

	sgh_db_close(sgh_take(f->db), NULL, NULL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	sqlite3_exec(other, "CREATE TABLE theirs (x)", NULL, NULL, NULL);
	sqlite3_close(other);
	t_fails(SANGRAHA_E_INTERNAL, open_db(f, 1, &f->db));
	t_says("another program");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, versions, 2, 18), 2);
	close(fd);
	assert_int_equal(versions[0], 1);
}

static void damage_is_said(void **state)
{
	struct fixture *f = *state;
	sgh_autofree char *path = t_path(f->folder, "test.db");
	int fd;

	t_ok(put(f, 1, 100000));
	sgh_db_close(sgh_take(f->db), NULL, NULL);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "not SQLite at all", 17, 0), 17);
	close(fd);
	t_fails(SANGRAHA_E_INTERNAL, open_db(f, 1, &f->db));
	t_says("test.db is damaged");
}

static void a_full_disk_is_said_and_passes(void **state)
{
	struct fixture *f = *state;

	t_ok(put(f, 1, 10));
	t_disk_full_from(1);
	t_fails(SANGRAHA_E_OVERLOADED, put(f, 2, 100000));
	t_says("full");
	assert_int_equal(find(f, 1), 10);
	assert_int_equal(find(f, 2), -1);
	t_disk_well();
	t_ok(put(f, 2, 100000));
	assert_int_equal(find(f, 2), 100000);
}

/* Whichever call finds the disk full: what failed is not there, the rest goes on. */
static void a_disk_that_fills_anywhere(void **state)
{
	struct fixture *f = *state;
	int number = 0;

	for (unsigned n = 1; n < 40; n++) {
		int status;

		t_disk_full_from(n);
		status = put(f, ++number, 30000);
		t_disk_well();
		assert_int_equal(find(f, number), status ? -1 : 30000);
		t_ok(put(f, ++number, 10));
	}
	reopen(f);
	assert_int_equal(find(f, number), 10);
}

static void an_error_of_the_disk_passes(void **state)
{
	struct fixture *f = *state;
	int number = 0;

	for (unsigned n = 1; n < 12; n++) {
		int status;

		t_disk_fail_at(T_DISK_ALL, n, EIO);
		status = put(f, ++number, 30000);
		t_disk_well();
		if (status)
			assert_int_equal(status, SANGRAHA_E_UNAVAILABLE);
		else
			assert_int_equal(find(f, number), 30000);
		t_ok(put(f, ++number, 10));
	}
	t_disk_fail_from(T_DISK_ALL, 1, EIO);
	t_fails(SANGRAHA_E_UNAVAILABLE, put(f, ++number, 10));
	t_says("cannot be read or written");
	/* SQLite opens for reading what it cannot open for writing. */
	t_fails(SANGRAHA_E_UNAUTHORIZED, put(f, ++number, 10));
	t_disk_well();
	t_ok(put(f, ++number, 10));
}

static off_t log_size(struct fixture *f)
{
	sgh_autofree char *path = t_path(f->folder, "test.db-wal");
	struct stat info = { 0 };

	stat(path, &info);
	return info.st_size;
}

static void the_log_stays_short(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 60; i++)
		t_ok(put(f, i + 1, 2 << 20));
	assert_true(log_size(f) < 48 << 20);
}

/* A backup, say. It may make the log long, but not each write wait for it. */
static void who_reads_for_long_holds_nobody_up(void **state)
{
	struct fixture *f = *state;
	sgh_autofree char *path = t_path(f->folder, "test.db");
	sqlite3 *other = NULL;
	int64_t begun;

	t_ok(put(f, 1, 10));
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(other, "BEGIN; SELECT * FROM thing", NULL, NULL, NULL),
		SQLITE_OK);
	t_ok(put(f, 2, 20 << 20));
	begun = sgh_now_ms();
	for (int i = 0; i < 40; i++)
		t_ok(put(f, 3 + i, 10));
	assert_true(sgh_now_ms() - begun < 5000);
	sqlite3_close(other);
}

/* SQLite gets no memory any more once it has synced its log. */
static void starve_behind_the_sync(const char *call, const char *path)
{
	if (strcmp(call, "fdatasync") == 0 && strstr(path, "test.db-wal"))
		sqlite3_hard_heap_limit64(sqlite3_memory_used());
}

/* A log of more than 4062 pages needs a second part of its index, which is written last. */
static void what_fails_behind_the_sync_may_be_there(void **state)
{
	struct fixture *f = *state;
	int number = 0;
	int status;

	t_disk_watch(starve_behind_the_sync);
	do {
		number++;
		status = put(f, number, 16600000 + number * 20000);
		sqlite3_hard_heap_limit64(0);
		assert_in_range(number, 0, 40);
	} while (!status);
	t_fails(SANGRAHA_E_UNAVAILABLE, status);
	t_disk_watch(NULL);
	t_ok(put(f, ++number, 10));
}

/* What is written to a file without a name is nowhere after the process's end. */
static void a_database_that_was_removed_takes_no_writes(void **state)
{
	struct fixture *f = *state;
	sgh_autofree char *path = t_path(f->folder, "test.db");
	sgh_autofree char *aside = t_path(f->folder, "aside.db");

	t_ok(put(f, 1, 10));
	assert_int_equal(rename(path, aside), 0);
	for (int i = 0; i < 2; i++) {
		t_fails(SANGRAHA_E_UNAVAILABLE, put(f, 2, 10));
		t_says("test.db");
		assert_int_equal(access(path, F_OK), -1);
	}
	assert_int_equal(rename(aside, path), 0);
	t_ok(put(f, 2, 10));
	assert_int_equal(find(f, 1), 10);
}

static unsigned mode_of(struct fixture *f, const char *name)
{
	sgh_autofree char *path = t_path(f->folder, name);
	struct stat info;

	assert_int_equal(stat(path, &info), 0);
	return info.st_mode & 07777;
}

/* Whatever the folder's mode, and whoever made it. */
static void its_files_are_the_owners_alone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mode_of(f, "test.db"), 0600);
	assert_int_equal(mode_of(f, "test.db-wal"), 0600);
	assert_int_equal(mode_of(f, "test.db-shm"), 0600);
	assert_int_equal(mode_of(f, "test.lock"), 0600);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(what_is_done_is_there),
	CASE(jobs_run_in_order),
	CASE(who_fails_by_itself_harms_nobody),
	CASE(a_statement_that_fails_fails_its_own_job),
	CASE(many_share_a_sync),
	CASE(a_lazy_job_goes_by_itself),
	CASE(a_lazy_job_goes_along),
	CASE(closing_runs_what_waits),
	CASE(it_may_be_closed_by_its_own_thread),
	CASE(a_second_one_is_told),
	CASE(a_later_format_is_refused),
	CASE(an_earlier_format_is_brought_up),
	CASE(what_cannot_be_brought_up_stays_as_it_is),
	CASE(a_database_of_others_stays_as_it_is),
	CASE(damage_is_said),
	CASE(a_full_disk_is_said_and_passes),
	CASE(a_disk_that_fills_anywhere),
	CASE(an_error_of_the_disk_passes),
	CASE(the_log_stays_short),
	CASE(who_reads_for_long_holds_nobody_up),
	CASE(what_fails_behind_the_sync_may_be_there),
	CASE(a_database_that_was_removed_takes_no_writes),
	CASE(its_files_are_the_owners_alone),
};

t_main(tests)
