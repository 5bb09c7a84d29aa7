/* SPDX-License-Identifier: MIT */
#include "db/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/thread.h"
#include "db/room.h"

#define BATCH_MAX        512  /* jobs in one transaction */
#define CHECKPOINT_PAGES 1000 /* in the log, before it is written back */
#define RESTART_PAGES    4000 /* before readers are waited for, so that it begins anew */
#define RESTART_WAIT_MS  250

struct sgh_db {
	struct sgh_db_options options;
	struct sgh_datadir folder;
	char *file;
	dev_t device; /* of the file, */
	ino_t inode;  /* as it was when it was opened first */
	pthread_t thread;
	/* of the thread that writes */
	struct sgh_db_connection writer;
	struct sgh_db_room room;
	int failed; /* the status of the statement that failed in this transaction */
	struct sangraha_error failure;
	int wal_pages;
	int wal_tried; /* its pages when it was last written back; 0: since it is short */
	bool checkpoint_failed;
	/* set before `stop` */
	bool own_end; /* the thread that writes closes by itself */
	void (*closed)(void *arg);
	void *closed_arg;
	struct {
		pthread_mutex_t lock;
		pthread_cond_t cond;
		struct sgh_list jobs;
		int64_t lazy_until_ms; /* SGH_NEVER: no lazy job waits */
		bool urgent;           /* a job that is not lazy waits */
		bool stop;
	} s;
};

const struct sgh_datadir *sgh_db_folder(const struct sgh_db *db)
{
	return &db->folder;
}

const char *sgh_db_file(const struct sgh_db *db)
{
	return db->file;
}

sqlite3 *sgh_db_writer(struct sgh_db *db)
{
	return db->writer.sqlite;
}

sqlite3_stmt *sgh_db_statement(struct sgh_db *db, size_t i)
{
	return sgh_db_connection_statement(&db->writer, i);
}

static int fail_transaction(struct sgh_db *db, int status)
{
	db->failed = status;
	return status;
}

int sgh_db_run(struct sgh_db *db, sqlite3_stmt *statement, struct sangraha_error *err)
{
	int rc = statement ? sgh_db_step(db->writer.sqlite, statement, &db->failure)
			   : sgh_db_fail(db->writer.sqlite, &db->failure);

	if (rc < 0)
		return sgh_fail_with(err, fail_transaction(db, rc), &db->failure);
	return rc;
}

/* ---- transactions ---- */

static int count_pages(void *arg, sqlite3 *sqlite, const char *name, int pages)
{
	struct sgh_db *db = arg;

	db->wal_pages = pages;
	return SQLITE_OK;
}

static void disconnect_writer(struct sgh_db *db)
{
	sgh_db_disconnect(&db->writer);
	sgh_db_room_leave(&db->room);
}

static int connect_writer(struct sgh_db *db, struct sangraha_error *err)
{
	int rc = sgh_db_connect(&db->writer, db->file, db->options.statements,
				db->options.statement_count, err);

	if (!rc)
		rc = sgh_db_prepare(db->writer.sqlite, &db->options, err);
	if (!rc)
		rc = sgh_db_room_enter(&db->room, db->writer.sqlite, err);
	if (rc)
		disconnect_writer(db);
	else
		sqlite3_wal_hook(db->writer.sqlite, count_pages, db);
	return rc;
}

/*
 * SQLite would go on writing to a file that was removed, which ends with the process, and a
 * new connection would open what was put in its place, while readers have the old one.
 */
static int check_place(const struct sgh_db *db, struct sangraha_error *err)
{
	struct stat info;

	if (stat(db->file, &info))
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, errno,
				"%s is not there any more", db->file);
	if (info.st_dev != db->device || info.st_ino != db->inode)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				"%s was replaced while it was open", db->file);
	return 0;
}

static int remember_place(struct sgh_db *db, struct sangraha_error *err)
{
	struct stat info;

	if (stat(db->file, &info))
		return sgh_fail_errno(err, errno, db->file);
	db->device = info.st_dev;
	db->inode = info.st_ino;
	return 0;
}

/*
 * After an error that is not a full disk nothing is known: begin with what is in the files.
 * `spend` is what is kept for jobs that make room.
 */
static int begin(struct sgh_db *db, bool spend, struct sangraha_error *err)
{
	int rc = check_place(db, err);

	if (!rc && !db->writer.sqlite)
		rc = connect_writer(db, err);
	if (!rc)
		rc = sgh_db_exec(db->writer.sqlite, "BEGIN IMMEDIATE", err);
	if (!rc)
		rc = sgh_db_room_begin(&db->room, db->writer.sqlite, spend, err);
	return rc;
}

static void roll_back(struct sgh_db *db, int status)
{
	if (!db->writer.sqlite)
		return;
	if (!sqlite3_get_autocommit(db->writer.sqlite))
		sgh_db_exec(db->writer.sqlite, "ROLLBACK", NULL);
	if (status != SANGRAHA_E_OVERLOADED)
		disconnect_writer(db);
}

static void run_jobs(struct sgh_db *db, struct sgh_list *jobs)
{
	sgh_list_for_each (link, jobs) {
		struct sgh_db_job *job = sgh_list_entry(link, struct sgh_db_job, link);

		job->err = (struct sangraha_error){ 0 };
		job->status = job->run(job, db, &job->err);
		if (db->failed)
			return;
	}
}

static bool all_free(const struct sgh_list *jobs)
{
	bool frees = true;

	sgh_list_for_each (link, jobs)
		frees &= sgh_list_entry(link, struct sgh_db_job, link)->frees;
	return frees;
}

static unsigned most_room(const struct sgh_list *jobs)
{
	unsigned most = 0;

	sgh_list_for_each (link, jobs) {
		const struct sgh_db_job *job =
			sgh_list_entry(link, struct sgh_db_job, link);

		if (job->room > most)
			most = job->room;
	}
	return most;
}

/* The index of the log is written behind the log's sync: then a crash may bring it back. */
static int commit(struct sgh_db *db, struct sangraha_error *err)
{
	int rc = sgh_db_exec(db->writer.sqlite, "COMMIT", err);

	if (rc && sqlite3_errcode(db->writer.sqlite) == SQLITE_NOMEM)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, ENOMEM,
				"there was not the memory to finish writing to %s",
				db->file);
	return rc;
}

/* 0 when all of them are on disk, or have failed for reasons of their own. */
static int transact(struct sgh_db *db, struct sgh_list *jobs, bool spend,
		    struct sangraha_error *err)
{
	int rc;

	db->failed = 0;
	rc = begin(db, spend, err);
	if (!rc) {
		run_jobs(db, jobs);
		SGH_FAIL_POINT("db.changed");
		rc = db->failed
			     ? sgh_fail_with(err, db->failed, &db->failure)
			     : sgh_db_room_settle(&db->room, db->writer.sqlite,
						  all_free(jobs), most_room(jobs), err);
	}
	if (!rc)
		rc = commit(db, err);
	if (rc) {
		roll_back(db, rc);
		return rc;
	}
	sgh_db_room_committed(&db->room);
	SGH_FAIL_POINT("db.committed");
	return 0;
}

static void fail_all(struct sgh_list *jobs, int status, const struct sangraha_error *err)
{
	sgh_list_for_each (link, jobs) {
		struct sgh_db_job *job = sgh_list_entry(link, struct sgh_db_job, link);

		job->status = status;
		job->err = *err;
	}
}

static void finish(struct sgh_list *jobs)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(jobs))) {
		struct sgh_db_job *job = sgh_list_entry(link, struct sgh_db_job, link);

		/* The job may be gone when done() returns, and its error with it. */
		struct sangraha_error err = job->err;

		job->done(job, job->status, &err);
	}
}

/* ---- the log ---- */

static void log_checkpoint(struct sgh_db *db, int code)
{
	struct sangraha_error err = { 0 };

	if (code == SQLITE_OK || code == SQLITE_BUSY) {
		db->checkpoint_failed = false;
	} else if (!db->checkpoint_failed) {
		sgh_db_fail(db->writer.sqlite, &err);
		sgh_log(db->options.context, SANGRAHA_LOG_WARN, db->options.name,
			"checkpoint", "%s; its log grows until that works again",
			err.message);
		db->checkpoint_failed = true;
	}
}

static void write_back(struct sgh_db *db, int mode)
{
	int code;

	sqlite3_busy_timeout(db->writer.sqlite, RESTART_WAIT_MS);
	code = sqlite3_wal_checkpoint_v2(db->writer.sqlite, NULL, mode, NULL, NULL);
	log_checkpoint(db, code);
	sqlite3_busy_timeout(db->writer.sqlite, 5000);
	sgh_db_room_cut(&db->room);
}

/*
 * The log is written back while nobody waits. While there is always somebody reading it
 * would never begin anew, so a long one waits for those who read just now; who comes later
 * finds all in the file and does not hold it up.
 */
static void checkpoint(struct sgh_db *db)
{
	int mode = db->wal_pages >= RESTART_PAGES ? SQLITE_CHECKPOINT_RESTART
						  : SQLITE_CHECKPOINT_PASSIVE;

	if (db->wal_pages < CHECKPOINT_PAGES)
		db->wal_tried = 0;
	if (!db->writer.sqlite || db->wal_pages < CHECKPOINT_PAGES)
		return;
	/* One that a reader kept from its end is tried again after as much more. */
	if (db->wal_pages >= db->wal_tried &&
	    db->wal_pages < db->wal_tried + CHECKPOINT_PAGES)
		return;
	write_back(db, mode);
	db->wal_tried = db->wal_pages;
}

/*
 * What comes next begins at the log's start, in room that the log has. What it has taken
 * beyond that goes back to the disk.
 */
static void begin_log_anew(struct sgh_db *db)
{
	bool is_long = sgh_db_room_log_is_long(&db->room);

	if (!db->writer.sqlite)
		return;
	write_back(db, is_long ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART);
	if (is_long)
		sgh_db_room_log_cut(&db->room);
}

/* ---- batches ---- */

/*
 * On a full disk a job that makes room gets what is kept for that. When it has helped one
 * of them nothing it is not tried with each: `*lost`.
 */
static int run_one(struct sgh_db *db, struct sgh_list *one, bool *lost,
		   struct sangraha_error *err)
{
	int rc = transact(db, one, false, err);

	if (!rc || *lost || !sgh_disk_full(err) || !all_free(one))
		return rc;
	begin_log_anew(db);
	rc = transact(db, one, db->room.reserved, err);
	*lost = rc && sgh_disk_full(err);
	return rc;
}

/* What does not fit on the disk, or is on a damaged page, takes no neighbours along. */
static void run_singly(struct sgh_db *db, struct sgh_list *jobs)
{
	struct sgh_list *link;
	bool lost = false;

	while ((link = sgh_list_pop(jobs))) {
		struct sangraha_error err = { 0 };
		struct sgh_list one;
		int rc;

		sgh_list_init(&one);
		sgh_list_append(&one, link);
		rc = run_one(db, &one, &lost, &err);
		if (rc)
			fail_all(&one, rc, &err);
		finish(&one);
	}
}

static void run_batch(struct sgh_db *db, struct sgh_list *jobs)
{
	struct sangraha_error err = { 0 };
	bool several = jobs->next != jobs->prev;
	int rc = transact(db, jobs, false, &err);
	bool full = rc && sgh_disk_full(&err);

	if (full)
		begin_log_anew(db);
	if (full ||
	    ((rc == SANGRAHA_E_OVERLOADED || rc == SANGRAHA_E_INTERNAL) && several)) {
		run_singly(db, jobs);
		return;
	}
	if (rc)
		fail_all(jobs, rc, &err);
	finish(jobs);
}

/* ---- the thread ---- */

static bool is_due_locked(struct sgh_db *db)
{
	return db->s.stop || db->s.urgent || sgh_now_ms() >= db->s.lazy_until_ms;
}

static void take_locked(struct sgh_db *db, struct sgh_list *batch)
{
	struct sgh_list *link;
	unsigned count = 0;

	while (count < BATCH_MAX && (link = sgh_list_pop(&db->s.jobs))) {
		sgh_list_append(batch, link);
		count++;
	}
	/* What is left over, lazy or not, goes next. */
	db->s.urgent = !sgh_list_empty(&db->s.jobs);
	db->s.lazy_until_ms = SGH_NEVER;
}

/* False when it is over: nothing is left, and nothing will come. */
static bool next_batch(struct sgh_db *db, struct sgh_list *batch)
{
	pthread_mutex_lock(&db->s.lock);
	while (!is_due_locked(db))
		sgh_cond_wait_until(&db->s.cond, &db->s.lock, db->s.lazy_until_ms);
	take_locked(db, batch);
	pthread_mutex_unlock(&db->s.lock);
	return !sgh_list_empty(batch);
}

static void destroy(struct sgh_db *db)
{
	void (*closed)(void *arg) = db->closed;
	void *arg = db->closed_arg;

	sgh_db_disconnect(&db->writer);
	sgh_db_room_fini(&db->room);
	sgh_datadir_fini(&db->folder);
	pthread_cond_destroy(&db->s.cond);
	pthread_mutex_destroy(&db->s.lock);
	sangraha_context_unref(db->options.context);
	free(db->file);
	free(db);
	if (closed)
		closed(arg);
}

static void *run(void *arg)
{
	struct sgh_db *db = arg;
	struct sgh_list batch;

	sgh_list_init(&batch);
	while (next_batch(db, &batch)) {
		run_batch(db, &batch);
		SGH_FAIL_POINT("db.told");
		checkpoint(db);
	}
	if (db->own_end)
		destroy(db);
	return NULL;
}

void sgh_db_submit(struct sgh_db *db, struct sgh_db_job *job)
{
	bool wake;

	pthread_mutex_lock(&db->s.lock);
	/* The thread waits only while there is nothing at all, or lazy jobs alone. */
	wake = sgh_list_empty(&db->s.jobs) || (!job->lazy && !db->s.urgent);
	sgh_list_append(&db->s.jobs, &job->link);
	if (!job->lazy)
		db->s.urgent = true;
	else if (db->s.lazy_until_ms == SGH_NEVER)
		db->s.lazy_until_ms = sgh_now_ms() + SGH_DB_LAZY_MS;
	if (wake)
		pthread_cond_signal(&db->s.cond);
	pthread_mutex_unlock(&db->s.lock);
}

/* ---- life ---- */

/*
 * SQLite would let everybody read what it makes; the log and its index take their modes
 * from the file. One that is there is not opened here: to close it again would take away
 * the locks that SQLite has on it in this process.
 */
static int make_file(struct sgh_db *db, struct sangraha_error *err)
{
	int fd = open(db->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int errnum = errno;
	char text[320];

	if (fd < 0 && errnum != EEXIST) {
		snprintf(text, sizeof(text), "cannot make %.300s", db->file);
		return sgh_fail_errno(err, errnum, text);
	}
	if (fd >= 0)
		close(fd);
	return 0;
}

/* Without room for it the first change that needs it makes it, or is refused. */
static int make_reserve(struct sgh_db *db, struct sangraha_error *err)
{
	struct sangraha_error lack = { 0 };
	int rc = db->room.reserved
			 ? 0
			 : sgh_db_room_reserve(&db->room, db->writer.sqlite, &lack);

	return rc && !sgh_disk_full(&lack) ? sgh_fail_with(err, rc, &lack) : 0;
}

static int start(struct sgh_db *db, struct sangraha_error *err)
{
	char thread[16];
	int rc = sgh_datadir_open(db->options.path, db->options.name, &db->folder, err);

	if (!rc &&
	    asprintf(&db->file, "%s/%s.db", db->folder.path, db->options.name) < 0) {
		db->file = NULL;
		rc = sgh_fail_memory(err);
	}
	if (!rc)
		rc = make_file(db, err);
	db->room.path = db->file;
	if (!rc)
		rc = connect_writer(db, err);
	if (!rc)
		rc = make_reserve(db, err);
	if (!rc)
		rc = remember_place(db, err);
	/* A file that was just made is there after a power cut too. */
	if (!rc)
		rc = sgh_folder_sync(db->folder.fd, db->folder.path, err);
	if (rc)
		return rc;
	snprintf(thread, sizeof(thread), "sgh-%.8s-db", db->options.name);
	return sgh_thread_start(&db->thread, thread, run, db, err);
}

int sgh_db_open(const struct sgh_db_options *options, struct sgh_db **ret,
		struct sangraha_error *err)
{
	struct sgh_db *db = calloc(1, sizeof(*db));
	int rc;

	if (!db)
		return sgh_fail_memory(err);
	db->options = *options;
	sangraha_context_ref(options->context);
	db->folder = (struct sgh_datadir)SGH_DATADIR_INIT;
	db->room = SGH_DB_ROOM_INIT;
	pthread_mutex_init(&db->s.lock, NULL);
	sgh_cond_init(&db->s.cond);
	sgh_list_init(&db->s.jobs);
	db->s.lazy_until_ms = SGH_NEVER;
	rc = start(db, err);
	if (rc)
		destroy(db);
	else
		*ret = db;
	return rc;
}

void sgh_db_close(struct sgh_db *db, void (*closed)(void *arg), void *arg)
{
	bool own = db && pthread_equal(db->thread, pthread_self());
	pthread_t thread;

	if (!db)
		return;
	thread = db->thread;
	db->closed = closed;
	db->closed_arg = arg;
	db->own_end = own;
	if (own)
		pthread_detach(thread);
	pthread_mutex_lock(&db->s.lock);
	db->s.stop = true;
	pthread_cond_signal(&db->s.cond);
	pthread_mutex_unlock(&db->s.lock);
	if (own)
		return;
	pthread_join(thread, NULL);
	destroy(db);
}
