/* SPDX-License-Identifier: MIT */
#ifndef SGH_DB_CONNECTION_H
#define SGH_DB_CONNECTION_H

#include "db/db.h"

/* A connection to SQLite with its statements; one thread at a time. Zero is closed. */
struct sgh_db_connection {
	sqlite3 *sqlite;
	sqlite3_stmt **statements; /* prepared when first asked for */
	const char *const *sql;
	size_t count;
};

/* Open `file`, which is there and may be empty. On failure `connection` is closed. */
int sgh_db_connect(struct sgh_db_connection *connection, const char *file,
		   const char *const *sql, size_t count, struct sangraha_error *err);
void sgh_db_disconnect(struct sgh_db_connection *connection);

/* Run SQL without results. */
int sgh_db_exec(sqlite3 *sqlite, const char *sql, struct sangraha_error *err);
/* The one number that a query gives. */
int sgh_db_number(sqlite3 *sqlite, const char *sql, int64_t *ret,
		  struct sangraha_error *err);

/* Tables and versions: make them in a new file, check them in another. */
int sgh_db_prepare(sqlite3 *sqlite, const struct sgh_db_options *options,
		   struct sangraha_error *err);

/* The i-th statement, reset; NULL when it cannot be made, which sqlite3_errcode() tells. */
sqlite3_stmt *sgh_db_connection_statement(struct sgh_db_connection *connection, size_t i);
/* As sgh_db_reader_run(). */
int sgh_db_step(sqlite3 *sqlite, sqlite3_stmt *statement, struct sangraha_error *err);

/* What SQLite says about its last call, as a status and a sentence with the file's name. */
int sgh_db_fail(sqlite3 *sqlite, struct sangraha_error *err);
/* The same of an errno of the file itself. */
int sgh_db_fail_system(const char *file, int errnum, struct sangraha_error *err);

#endif
