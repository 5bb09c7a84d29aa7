/* SPDX-License-Identifier: MIT */
#include "db/connection.h"

#include <stdio.h>

#include "base/error.h"

struct sgh_db_reader {
	struct sgh_db_connection connection;
};

int sgh_db_reader_open(struct sgh_db *db, const char *const *statements, size_t count,
		       struct sgh_db_reader **ret, struct sangraha_error *err)
{
	const char *file = sgh_db_file(db);
	struct sgh_db_reader *reader = calloc(1, sizeof(*reader));
	int rc;

	if (!reader)
		return sgh_fail_memory(err);
	rc = sgh_db_connect(&reader->connection, file, statements, count, err);
	if (!rc)
		rc = sgh_db_exec(reader->connection.sqlite, "PRAGMA query_only=ON", err);
	if (rc)
		sgh_db_reader_close(reader);
	else
		*ret = reader;
	return rc;
}

void sgh_db_reader_close(struct sgh_db_reader *reader)
{
	if (reader)
		sgh_db_disconnect(&reader->connection);
	free(reader);
}

sqlite3 *sgh_db_reader_connection(struct sgh_db_reader *reader)
{
	return reader->connection.sqlite;
}

sqlite3_stmt *sgh_db_reader_statement(struct sgh_db_reader *reader, size_t i)
{
	return sgh_db_connection_statement(&reader->connection, i);
}

int sgh_db_reader_run(struct sgh_db_reader *reader, sqlite3_stmt *statement,
		      struct sangraha_error *err)
{
	if (!statement)
		return sgh_db_fail(reader->connection.sqlite, err);
	return sgh_db_step(reader->connection.sqlite, statement, err);
}
