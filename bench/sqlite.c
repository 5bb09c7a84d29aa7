/* SPDX-License-Identifier: MIT */
/*
 * A row for each object, in WAL mode and with synchronous=FULL, as durable as what is
 * measured beside it. Writers that come while another one commits share the next commit.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "floor.h"

/* An insert that somebody waits for. */
struct insert {
	uint64_t number;
	const char *data;
	int state; /* 0: waits, 1: stored, -1: failed */
	struct insert *next;
};

static struct {
	sqlite3 *db;
	sqlite3_stmt *insert;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct insert *waiting;
	int somebody_commits;
} writer = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static struct {
	sqlite3 *db;
	sqlite3_stmt *select;
} readers[FLOOR_THREADS];
static unsigned reader_count;

static int failed(sqlite3 *db)
{
	fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
	return 0;
}

static int connect_to(const char *path, const char *sql, sqlite3 **ret_db,
		      sqlite3_stmt **ret_statement)
{
	static const char setup[] =
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		"CREATE TABLE IF NOT EXISTS objects (id INTEGER PRIMARY KEY, data BLOB);";

	if (sqlite3_open(path, ret_db) != SQLITE_OK ||
	    sqlite3_exec(*ret_db, setup, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(*ret_db, sql, -1, ret_statement, NULL) != SQLITE_OK)
		return failed(*ret_db);
	return 1;
}

static int count_rows(uint64_t *ret_count)
{
	sqlite3_stmt *statement = NULL;
	int found = 0;

	if (sqlite3_prepare_v2(writer.db, "SELECT count(*) FROM objects", -1, &statement,
			       NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW) {
		*ret_count = (uint64_t)sqlite3_column_int64(statement, 0);
		found = 1;
	}
	sqlite3_finalize(statement);
	return found ? 1 : failed(writer.db);
}

static int open_database(const char *folder, unsigned threads, uint64_t *ret_count)
{
	char path[4096];

	mkdir(folder, 0777);
	snprintf(path, sizeof(path), "%s/objects.db", folder);
	if (!connect_to(path, "INSERT INTO objects VALUES (?1, ?2)", &writer.db,
			&writer.insert))
		return 0;
	for (reader_count = 0; reader_count < threads; reader_count++) {
		if (!connect_to(path, "SELECT data FROM objects WHERE id = ?1",
				&readers[reader_count].db, &readers[reader_count].select))
			return 0;
	}
	return count_rows(ret_count);
}

static int add_row(const struct insert *insert)
{
	int status;

	sqlite3_bind_int64(writer.insert, 1, (sqlite3_int64)insert->number);
	sqlite3_bind_blob(writer.insert, 2, insert->data, FLOOR_SIZE, SQLITE_STATIC);
	status = sqlite3_step(writer.insert);
	sqlite3_reset(writer.insert);
	return status == SQLITE_DONE;
}

static int commit_all(const struct insert *inserts)
{
	int well =
		sqlite3_exec(writer.db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;

	for (; well && inserts; inserts = inserts->next)
		well = add_row(inserts);
	if (well && sqlite3_exec(writer.db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
		return 1;
	return failed(writer.db);
}

/* Commit what waits, one's own among it. */
static void lead_locked(void)
{
	struct insert *batch = writer.waiting;
	int well;

	writer.waiting = NULL;
	writer.somebody_commits = 1;
	pthread_mutex_unlock(&writer.lock);
	well = commit_all(batch);
	pthread_mutex_lock(&writer.lock);
	writer.somebody_commits = 0;
	while (batch) {
		struct insert *next = batch->next;

		batch->state = well ? 1 : -1;
		batch = next;
	}
	pthread_cond_broadcast(&writer.changed);
}

static int put(unsigned thread, uint64_t number, const char data[FLOOR_SIZE])
{
	struct insert insert = { .number = number, .data = data };

	pthread_mutex_lock(&writer.lock);
	insert.next = writer.waiting;
	writer.waiting = &insert;
	while (insert.state == 0) {
		if (writer.somebody_commits)
			pthread_cond_wait(&writer.changed, &writer.lock);
		else
			lead_locked();
	}
	pthread_mutex_unlock(&writer.lock);
	return insert.state > 0;
}

static int get(unsigned thread, uint64_t number, char data[FLOOR_SIZE])
{
	sqlite3_stmt *select = readers[thread].select;
	int found = 0;

	sqlite3_bind_int64(select, 1, (sqlite3_int64)number);
	if (sqlite3_step(select) == SQLITE_ROW &&
	    sqlite3_column_bytes(select, 0) == FLOOR_SIZE) {
		memcpy(data, sqlite3_column_blob(select, 0), FLOOR_SIZE);
		found = 1;
	}
	sqlite3_reset(select);
	return found ? 1 : failed(readers[thread].db);
}

static void close_database(void)
{
	for (unsigned i = 0; i < reader_count; i++) {
		sqlite3_finalize(readers[i].select);
		sqlite3_close(readers[i].db);
	}
	sqlite3_finalize(writer.insert);
	sqlite3_close(writer.db);
}

int main(int argc, char **argv)
{
	static const struct floor sqlite = {
		.name = "sqlite",
		.open = open_database,
		.put = put,
		.get = get,
		.close = close_database,
	};

	return floor_main(argc, argv, &sqlite);
}
