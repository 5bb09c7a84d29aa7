/* SPDX-License-Identifier: MIT */
#ifndef SGH_DB_DB_H
#define SGH_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/context.h"
#include "base/datadir.h"
#include "base/list.h"

/*
 * A SQLite database in a data directory: WAL, synchronous=FULL, one thread that writes. What
 * waits for that thread is committed together, with one sync for all (group commit); nothing
 * waits for company, unless it says so. For the embedded queue and store, which know SQLite
 * by their statements.
 */
struct sgh_db;

struct sgh_db_options {
	struct sangraha_context *context;
	const char *path;   /* the folder, as sgh_datadir_make() gave it */
	const char *name;   /* "queue": the files are queue.db and queue.lock */
	int application_id; /* PRAGMA application_id */
	int version;        /* PRAGMA user_version; a later one is refused */
	unsigned page_size; /* bytes, of a new file; 0: 4096 */
	const char *schema; /* SQL that makes the tables of a new file */
	/* version - 1 of them: SQL that makes version i + 2 of version i + 1 */
	const char *const *upgrades;
	const char *const *statements; /* of the thread that writes, by index */
	size_t statement_count;
};

/*
 * Take the folder's lock, open or make the file, start the thread. `options` is copied but
 * for schema, upgrades and statements, which are static. SANGRAHA_E_UNAVAILABLE when another process
 * has it; _UNAUTHORIZED, _OVERLOADED (disk full) and _INTERNAL (damaged, or of a later
 * version) with a sentence that names the file.
 */
int sgh_db_open(const struct sgh_db_options *options, struct sgh_db **ret,
		struct sangraha_error *err);

/*
 * Run what was submitted, commit, stop the thread, close the files, let go of the lock, free
 * `db`; then call closed(), which may be NULL. All before this returns - but when called on
 * the thread that writes, where it happens when that thread has come to its end. NULL is
 * accepted.
 */
void sgh_db_close(struct sgh_db *db, void (*closed)(void *arg), void *arg);

/* The folder, for files beside the database; and the path of the database itself. */
const struct sgh_datadir *sgh_db_folder(const struct sgh_db *db);
const char *sgh_db_file(const struct sgh_db *db);

/* ---- writing ---- */

/* One change, embedded in the caller's struct; unchanged until done() was called. */
struct sgh_db_job {
	/*
	 * On the thread that writes, inside a transaction shared with other jobs. A job that
	 * fails for a reason of its own (SANGRAHA_E_PRECONDITION …) must have changed nothing
	 * by then. When a statement fails in it (sgh_db_run()) the whole transaction does;
	 * then run() may be called again, in a transaction of this job alone, so it keeps
	 * nothing in the job that would be wrong the next time.
	 */
	int (*run)(struct sgh_db_job *job, struct sgh_db *db, struct sangraha_error *err);
	/*
	 * Called exactly once, on the thread that writes, with no lock held; must be short;
	 * may submit. 0: on disk. What run() failed with. Or the transaction failed and
	 * nothing was changed: SANGRAHA_E_OVERLOADED (disk full, no memory), _UNAVAILABLE
	 * (an I/O error; it may be on disk nevertheless), _UNAUTHORIZED (read-only now),
	 * _INTERNAL (damaged).
	 */
	void (*done)(struct sgh_db_job *job, int status,
		     const struct sangraha_error *err);
	/* Nobody waits for it: it may wait SGH_DB_LAZY_MS for company, to save a sync. */
	bool lazy;
	/*
	 * It makes room on the disk, or is needed for that, and small: on a full disk it may
	 * use what is kept for such jobs, while others are SANGRAHA_E_OVERLOADED.
	 */
	bool frees;
	/* Bytes that there must be room for, though it changes less: of a probe. */
	unsigned room;
	/* -------- private -------- */
	struct sgh_list link;
	int status;
	struct sangraha_error err;
};

#define SGH_DB_LAZY_MS 50

/* From any thread; jobs run in the order of submission. Their number is the caller's to bound. */
void sgh_db_submit(struct sgh_db *db, struct sgh_db_job *job);

/* The connection of the thread that writes; only inside run(). */
sqlite3 *sgh_db_writer(struct sgh_db *db);
/* Its i-th statement, reset, without bindings; only inside run(). */
sqlite3_stmt *sgh_db_statement(struct sgh_db *db, size_t i);
/*
 * Step it. 1: a row, 0: done, and it was reset. Negative: it failed, `err` says why, and so
 * will the transaction.
 */
int sgh_db_run(struct sgh_db *db, sqlite3_stmt *statement, struct sangraha_error *err);

/* ---- reading ---- */

/*
 * A connection that only reads, for one thread at a time. It sees what was on disk when its
 * statement began. Must be closed before the database.
 */
struct sgh_db_reader;

int sgh_db_reader_open(struct sgh_db *db, const char *const *statements, size_t count,
		       struct sgh_db_reader **ret, struct sangraha_error *err);
void sgh_db_reader_close(struct sgh_db_reader *reader);
sqlite3 *sgh_db_reader_connection(struct sgh_db_reader *reader);
/*
 * Its i-th statement, reset, without bindings. The caller resets it when done with its rows
 * (sqlite3_reset()): a statement in the middle of its rows keeps the log from being reused.
 */
sqlite3_stmt *sgh_db_reader_statement(struct sgh_db_reader *reader, size_t i);
int sgh_db_reader_run(struct sgh_db_reader *reader, sqlite3_stmt *statement,
		      struct sangraha_error *err);

#endif
