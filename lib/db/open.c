/* SPDX-License-Identifier: MIT */
#include "db/connection.h"

#include <errno.h>
#include <stdio.h>

#include "base/error.h"

#define BUSY_TIMEOUT_MS 5000 /* somebody looks into the file with a tool of his own */
#define CACHE_KIB       2048
#define WAL_KEPT        (16 << 20) /* bytes of the log that stay after a checkpoint */

int sgh_db_fail_system(const char *file, int errnum, struct sangraha_error *err)
{
	char text[128];

	if (errnum == ENOSPC || errnum == EDQUOT)
		return sgh_fail(err, SANGRAHA_E_OVERLOADED, errnum,
				"the disk that holds %s is full", file);
	return sgh_fail(
		err, SANGRAHA_E_UNAVAILABLE, errnum, "%s cannot be read or written: %s",
		file, errnum ? strerror_r(errnum, text, sizeof(text)) : "disk I/O error");
}

int sgh_db_fail(sqlite3 *sqlite, struct sangraha_error *err)
{
	const char *file = sqlite3_db_filename(sqlite, "main");
	int code = sqlite3_extended_errcode(sqlite);

	if (!file || !*file)
		file = "the database";
	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return sgh_fail_memory(err);
	case SQLITE_FULL:
		return sgh_db_fail_system(file, ENOSPC, err);
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		/* After a sync that failed it may be on disk, even if that was for its room. */
		return sgh_db_fail_system(
			file,
			code == SQLITE_IOERR_FSYNC ? EIO : sqlite3_system_errno(sqlite),
			err);
	case SQLITE_PERM:
	case SQLITE_READONLY:
		return sgh_fail(err, SANGRAHA_E_UNAUTHORIZED, code,
				"%s cannot be written to: the file or its file system is "
				"read-only",
				file);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, code,
				"%s is locked by another program", file);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return sgh_fail(err, SANGRAHA_E_INTERNAL, code, "%s is damaged: %s", file,
				sqlite3_errmsg(sqlite));
	default:
		return sgh_fail(err, SANGRAHA_E_INTERNAL, code, "%s: %s", file,
				sqlite3_errmsg(sqlite));
	}
}

int sgh_db_exec(sqlite3 *sqlite, const char *sql, struct sangraha_error *err)
{
	return sqlite3_exec(sqlite, sql, NULL, NULL, NULL) ? sgh_db_fail(sqlite, err) : 0;
}

int sgh_db_step(sqlite3 *sqlite, sqlite3_stmt *statement, struct sangraha_error *err)
{
	int rc = sqlite3_step(statement);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		rc = sgh_db_fail(sqlite, err);
	else
		rc = 0;
	sqlite3_reset(statement);
	return rc;
}

int sgh_db_number(sqlite3 *sqlite, const char *sql, int64_t *ret,
		  struct sangraha_error *err)
{
	sqlite3_stmt *statement = NULL;
	int rc;

	if (sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL))
		return sgh_db_fail(sqlite, err);
	rc = sgh_db_step(sqlite, statement, err);
	if (rc == 1)
		*ret = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return rc < 0 ? rc : 0;
}

/* WAL is a property of the file; a file system that cannot do it leaves it as it was. */
static int use_wal(sqlite3 *sqlite, struct sangraha_error *err)
{
	sqlite3_stmt *statement = NULL;
	const char *mode;
	int rc;

	if (sqlite3_prepare_v2(sqlite, "PRAGMA journal_mode=WAL", -1, &statement, NULL))
		return sgh_db_fail(sqlite, err);
	rc = sgh_db_step(sqlite, statement, err);
	mode = rc == 1 ? (const char *)sqlite3_column_text(statement, 0) : NULL;
	if (rc >= 0)
		rc = mode && strcmp(mode, "wal") == 0
			     ? 0
			     : sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"%s is on a file system that cannot hold it: a "
					"data directory belongs on a local disk",
					sqlite3_db_filename(sqlite, "main"));
	sqlite3_finalize(statement);
	return rc;
}

static int configure(sqlite3 *sqlite, struct sangraha_error *err)
{
	char sql[256];

	sqlite3_extended_result_codes(sqlite, 1);
	sqlite3_busy_timeout(sqlite, BUSY_TIMEOUT_MS);
	/*
	 * The thread that writes makes checkpoints when nobody waits for it. To overwrite
	 * what is deleted would cost as much of the log as it has bytes.
	 */
	snprintf(sql, sizeof(sql),
		 "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
		 "PRAGMA secure_delete=FAST;"
		 "PRAGMA journal_size_limit=%d; PRAGMA cache_size=-%d;"
		 "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF",
		 WAL_KEPT, CACHE_KIB);
	return sgh_db_exec(sqlite, sql, err);
}

int sgh_db_connect(struct sgh_db_connection *connection, const char *file,
		   const char *const *sql, size_t count, struct sangraha_error *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
	int rc = 0;

	*connection = (struct sgh_db_connection){ .sql = sql, .count = count };
	connection->statements = calloc(count ? count : 1, sizeof(sqlite3_stmt *));
	if (!connection->statements)
		return sgh_fail_memory(err);
	if (sqlite3_open_v2(file, &connection->sqlite, flags, NULL))
		rc = connection->sqlite ? sgh_db_fail(connection->sqlite, err)
					: sgh_fail_memory(err);
	if (!rc)
		rc = configure(connection->sqlite, err);
	if (rc)
		sgh_db_disconnect(connection);
	return rc;
}

void sgh_db_disconnect(struct sgh_db_connection *connection)
{
	for (size_t i = 0; connection->statements && i < connection->count; i++)
		sqlite3_finalize(connection->statements[i]);
	free(connection->statements);
	sqlite3_close(connection->sqlite);
	*connection = (struct sgh_db_connection){ 0 };
}

sqlite3_stmt *sgh_db_connection_statement(struct sgh_db_connection *connection, size_t i)
{
	sqlite3_stmt **place = &connection->statements[i];

	if (!*place) {
		sqlite3_prepare_v3(connection->sqlite, connection->sql[i], -1,
				   SQLITE_PREPARE_PERSISTENT, place, NULL);
		return *place;
	}
	sqlite3_reset(*place);
	sqlite3_clear_bindings(*place);
	return *place;
}

/* In one transaction: a file that has a version has all its tables. */
static int make_tables(sqlite3 *sqlite, const struct sgh_db_options *options,
		       int64_t version, struct sangraha_error *err)
{
	char sql[128];
	int rc = sgh_db_exec(sqlite, "BEGIN IMMEDIATE", err);

	if (rc)
		return rc;
	snprintf(sql, sizeof(sql), "PRAGMA application_id=%d; PRAGMA user_version=%d",
		 options->application_id, options->version);
	if (!version)
		rc = sgh_db_exec(sqlite, options->schema, err);
	for (; !rc && version && version < options->version; version++)
		rc = sgh_db_exec(sqlite, options->upgrades[version - 1], err);
	if (!rc)
		rc = sgh_db_exec(sqlite, sql, err);
	if (!rc)
		rc = sgh_db_exec(sqlite, "COMMIT", err);
	if (rc)
		sgh_db_exec(sqlite, "ROLLBACK", NULL);
	return rc;
}

static int check(const char *file, const struct sgh_db_options *options, int64_t id,
		 int64_t version, struct sangraha_error *err)
{
	if (id != options->application_id)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"%s is a database of another program", file);
	if (version < 1)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0, "%s is damaged: no format",
				file);
	if (version > options->version)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"%s was written by a later version of Sangraha (format "
				"%lld, this one knows up to %d)",
				file, (long long)version, options->version);
	return 0;
}

int sgh_db_prepare(sqlite3 *sqlite, const struct sgh_db_options *options,
		   struct sangraha_error *err)
{
	int64_t id = 0, version = 0, tables = 0;
	char sql[64];
	int rc;

	snprintf(sql, sizeof(sql), "PRAGMA page_size=%u",
		 options->page_size ? options->page_size : 4096);
	rc = sgh_db_exec(sqlite, sql, err);
	if (!rc)
		rc = sgh_db_number(sqlite, "PRAGMA application_id", &id, err);
	if (!rc)
		rc = sgh_db_number(sqlite, "PRAGMA user_version", &version, err);
	if (!rc)
		rc = sgh_db_number(sqlite, "SELECT count(*) FROM sqlite_schema", &tables,
				   err);
	if (!rc && (id || version || tables))
		rc = check(sqlite3_db_filename(sqlite, "main"), options, id, version,
			   err);
	/* A property of the file, so not of one that is refused. */
	if (!rc)
		rc = use_wal(sqlite, err);
	if (!rc && version < options->version)
		rc = make_tables(sqlite, options, version, err);
	return rc;
}
