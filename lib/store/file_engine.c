/* SPDX-License-Identifier: MIT */
#include "store/file.h"

#include <stdio.h>

#include "base/error.h"
#include "base/failpoint.h"

/* One folder: its database, its body files, and the threads of both. */

#define APPLICATION_ID 0x73676873 /* "sghs" */
#define VERSION        2

/*
 * The parts of an upload become the pieces of a body when it is completed; a piece knows
 * where it begins.
 */
#define UPLOAD_TABLES                                                                  \
	"CREATE TABLE upload (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"      \
	" bucket INTEGER NOT NULL, key TEXT NOT NULL, type TEXT NOT NULL, meta BLOB);" \
	"CREATE INDEX upload_key ON upload (bucket, key);"                             \
	"CREATE TABLE part (upload INTEGER NOT NULL, number INTEGER NOT NULL,"         \
	" size INTEGER NOT NULL, etag TEXT NOT NULL, file INTEGER NOT NULL UNIQUE,"    \
	" PRIMARY KEY (upload, number)) WITHOUT ROWID;"                                \
	"CREATE TABLE piece (body INTEGER NOT NULL, start INTEGER NOT NULL,"           \
	" size INTEGER NOT NULL, file INTEGER NOT NULL UNIQUE,"                        \
	" PRIMARY KEY (body, start)) WITHOUT ROWID;"

/*
 * A body is last in its row, so that a listing or a HEAD never comes to its pages; the index
 * has what a listing tells.
 */
static const char schema[] =
	"CREATE TABLE bucket (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
	"CREATE TABLE object (id INTEGER PRIMARY KEY, bucket INTEGER NOT NULL,"
	" key TEXT NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL,"
	" type TEXT NOT NULL, meta BLOB, file INTEGER, body BLOB);"
	"CREATE INDEX object_key ON object (bucket, key, size, modified);"
	"CREATE UNIQUE INDEX object_file ON object (file) WHERE file IS NOT NULL;"
	"CREATE TABLE trash (number INTEGER PRIMARY KEY);"
	"CREATE TABLE mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"INSERT INTO mark VALUES ('low', 0), ('probe', 0);" UPLOAD_TABLES;

static const char *const upgrades[VERSION - 1] = { UPLOAD_TABLES };

static const char *const writing[SGH_FILE_W_COUNT] = {
	[SGH_FILE_W_BUCKET] = "SELECT id FROM bucket WHERE name = ?1",
	[SGH_FILE_W_MAKE_BUCKET] = "INSERT OR IGNORE INTO bucket (name) VALUES (?1)",
	[SGH_FILE_W_FIND] = "SELECT id, file FROM object WHERE bucket = ?1 AND key = ?2",
	[SGH_FILE_W_INSERT] =
		"INSERT INTO object (size, modified, type, meta, file, body, bucket, key)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?8, ?9)",
	[SGH_FILE_W_UPDATE] = "UPDATE object SET size = ?1, modified = ?2, type = ?3,"
			      " meta = ?4, file = ?5, body = ?6 WHERE id = ?7",
	[SGH_FILE_W_DELETE] = "DELETE FROM object WHERE id = ?1",
	[SGH_FILE_W_TRASH] = "INSERT OR IGNORE INTO trash VALUES (?1)",
	[SGH_FILE_W_TRASH_UNUSED] =
		"INSERT OR IGNORE INTO trash SELECT ?1"
		" WHERE NOT EXISTS (SELECT 1 FROM object WHERE file = ?1)"
		" AND NOT EXISTS (SELECT 1 FROM part WHERE file = ?1)"
		" AND NOT EXISTS (SELECT 1 FROM piece WHERE file = ?1)",
	[SGH_FILE_W_EMPTY] = "DELETE FROM trash WHERE number = ?1",
	[SGH_FILE_W_LOW] = "UPDATE mark SET value = ?1 WHERE name = 'low'",
	[SGH_FILE_W_PROBE] = "UPDATE mark SET value = value + 1 WHERE name = 'probe'",
	[SGH_FILE_W_TRASH_PIECES] =
		"INSERT OR IGNORE INTO trash SELECT file FROM piece WHERE body = ?1",
	[SGH_FILE_W_DROP_PIECES] = "DELETE FROM piece WHERE body = ?1",
	[SGH_FILE_W_BEGIN] = "INSERT INTO upload (name, bucket, key, type, meta)"
			     " VALUES (?1, ?2, ?3, ?4, ?5)",
	[SGH_FILE_W_UPLOAD] =
		"SELECT id FROM upload WHERE name = ?1 AND bucket = ?2 AND key = ?3",
	[SGH_FILE_W_PART] = "SELECT size, etag, file FROM part"
			    " WHERE upload = ?1 AND number = ?2",
	[SGH_FILE_W_SET_PART] =
		"INSERT OR REPLACE INTO part (upload, number, size, etag, file)"
		" VALUES (?1, ?2, ?3, ?4, ?5)",
	[SGH_FILE_W_TRASH_PARTS] = "INSERT OR IGNORE INTO trash SELECT file FROM part"
				   " WHERE upload = ?1 AND number > ?2 AND number < ?3",
	[SGH_FILE_W_DROP_PARTS] =
		"DELETE FROM part WHERE upload = ?1 AND number > ?2 AND number < ?3",
	[SGH_FILE_W_JOIN] = "INSERT INTO piece (body, start, size, file)"
			    " SELECT ?2, sum(size) OVER (ORDER BY number) - size,"
			    " size, file FROM part WHERE upload = ?1",
	[SGH_FILE_W_COMPLETE] =
		"INSERT INTO object (bucket, key, size, modified, type, meta, file)"
		" SELECT bucket, key, ?2, ?3, type, meta, ?4 FROM upload WHERE id = ?1",
	[SGH_FILE_W_DROP_UPLOAD] = "DELETE FROM upload WHERE id = ?1",
};

static const char *const reading[SGH_FILE_R_COUNT] = {
	[SGH_FILE_R_FIND] = "SELECT size, modified, type, meta, file, body FROM object"
			    " WHERE bucket = (SELECT id FROM bucket WHERE name = ?1)"
			    " AND key = ?2",
	[SGH_FILE_R_BUCKET] = "SELECT id FROM bucket WHERE name = ?1",
	[SGH_FILE_R_FROM] = "SELECT key, size, modified FROM object"
			    " WHERE bucket = ?1 AND key >= ?2 ORDER BY key LIMIT ?3",
	[SGH_FILE_R_AFTER] = "SELECT key, size, modified FROM object"
			     " WHERE bucket = ?1 AND key > ?2 ORDER BY key LIMIT ?3",
	[SGH_FILE_R_TRASH] = "SELECT number FROM trash ORDER BY number LIMIT ?1",
	[SGH_FILE_R_USED] = "SELECT 1 FROM object WHERE file = ?1 UNION ALL"
			    " SELECT 1 FROM part WHERE file = ?1 UNION ALL"
			    " SELECT 1 FROM piece WHERE file = ?1 UNION ALL"
			    " SELECT 1 FROM trash WHERE number = ?1 LIMIT 1",
	[SGH_FILE_R_MARKS] = "SELECT (SELECT value FROM mark WHERE name = 'low'),"
			     " (SELECT max(file) FROM object WHERE file IS NOT NULL),"
			     " (SELECT max(number) FROM trash),"
			     " (SELECT max(file) FROM part),"
			     " (SELECT max(file) FROM piece)",
	[SGH_FILE_R_PIECE] = "SELECT start, size, file FROM piece WHERE body = ?1"
			     " AND start <= ?2 ORDER BY start DESC LIMIT 1",
	[SGH_FILE_R_UPLOAD] =
		"SELECT id FROM upload WHERE name = ?1 AND bucket = ?2 AND key = ?3",
	[SGH_FILE_R_PARTS] = "SELECT number, size, etag FROM part WHERE upload = ?1"
			     " AND number > ?2 ORDER BY number LIMIT ?3",
	[SGH_FILE_R_UPLOADS] = "SELECT name FROM upload WHERE bucket = ?1 AND key = ?2"
			       " ORDER BY id LIMIT ?3",
};

/* ---- readers ---- */

struct sgh_file_reader *sgh_file_reader_take(struct sgh_file_engine *engine)
{
	struct sgh_list *link;

	pthread_mutex_lock(&engine->r.lock);
	link = sgh_list_pop(&engine->r.unused);
	pthread_mutex_unlock(&engine->r.lock);
	return sgh_list_entry(link, struct sgh_file_reader, link);
}

void sgh_file_reader_put(struct sgh_file_engine *engine, struct sgh_file_reader *reader)
{
	pthread_mutex_lock(&engine->r.lock);
	/* The one used last has the warmest cache. */
	reader->link.prev = &engine->r.unused;
	reader->link.next = engine->r.unused.next;
	reader->link.next->prev = &reader->link;
	engine->r.unused.next = &reader->link;
	pthread_mutex_unlock(&engine->r.lock);
}

static int open_readers(struct sgh_file_engine *engine, struct sangraha_error *err)
{
	for (size_t i = 0; i < SGH_COUNT(engine->r.all); i++) {
		struct sgh_file_reader *reader = &engine->r.all[i];
		int rc = sgh_db_reader_open(engine->db, reading, SGH_FILE_R_COUNT,
					    &reader->db, err);

		if (rc)
			return rc;
		sgh_list_append(&engine->r.unused, &reader->link);
	}
	return 0;
}

/* ---- after a crash ---- */

static int is_used(void *arg, uint64_t number, struct sangraha_error *err)
{
	struct sgh_file_reader *reader = arg;
	sqlite3_stmt *statement = sgh_db_reader_statement(reader->db, SGH_FILE_R_USED);
	int rc;

	sqlite3_bind_int64(statement, 1, (sqlite3_int64)number);
	rc = sgh_db_reader_run(reader->db, statement, err);
	sqlite3_reset(statement);
	return rc;
}

static int read_marks(struct sgh_file_engine *engine, struct sgh_file_reader *reader,
		      uint64_t *ret_next, struct sangraha_error *err)
{
	sqlite3_stmt *statement = sgh_db_reader_statement(reader->db, SGH_FILE_R_MARKS);
	int rc = sgh_db_reader_run(reader->db, statement, err);
	sqlite3_int64 next;

	if (rc < 0)
		return rc;
	next = sqlite3_column_int64(statement, 0);
	engine->low = (uint64_t)next;
	for (int i = 1; i < 5; i++)
		if (sqlite3_column_type(statement, i) != SQLITE_NULL &&
		    sqlite3_column_int64(statement, i) >= next)
			next = sqlite3_column_int64(statement, i) + 1;
	sqlite3_reset(statement);
	*ret_next = (uint64_t)next;
	return 0;
}

/* Files whose row was not written any more can only be at or behind the low-water mark. */
static int recover(struct sgh_file_engine *engine, struct sangraha_error *err)
{
	struct sgh_file_reader *reader = sgh_file_reader_take(engine);
	uint64_t next = 0;
	int rc = read_marks(engine, reader, &next, err);

	if (!rc)
		rc = sgh_file_bodies_sweep(&engine->bodies, engine->low, next, is_used,
					   reader, err);
	sgh_file_reader_put(engine, reader);
	SGH_FAIL_POINT("file.swept");
	if (!rc)
		sgh_file_trash_kick(engine);
	return rc;
}

/* ---- life ---- */

static void engine_free(struct sgh_file_engine *engine)
{
	pthread_mutex_lock(&engine->trash.lock);
	engine->trash.stop = true;
	pthread_mutex_unlock(&engine->trash.lock);
	sgh_pool_free(engine->readers);
	/* Its last job may submit to the database, which runs that before it closes. */
	sgh_pool_free(engine->writers);
	for (size_t i = 0; i < SGH_COUNT(engine->r.all); i++)
		sgh_db_reader_close(engine->r.all[i].db);
	sgh_db_close(engine->db, NULL, NULL);
	sgh_timers_free(engine->timers);
	sgh_file_bodies_fini(&engine->bodies);
	pthread_mutex_destroy(&engine->bodies.folder.lock);
	pthread_mutex_destroy(&engine->bodies.s.lock);
	pthread_mutex_destroy(&engine->trash.lock);
	pthread_mutex_destroy(&engine->r.lock);
	sangraha_context_unref(engine->context);
}

static struct sgh_file_engine *engine_new(struct sangraha_context *context)
{
	struct sgh_file_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->context = sangraha_context_ref(context);
	engine->bodies.fd = -1;
	engine->bodies.folder.fd = -1;
	engine->bodies.s.stuck = UINT64_MAX;
	sgh_list_init(&engine->bodies.s.unsettled);
	sgh_list_init(&engine->r.unused);
	pthread_mutex_init(&engine->bodies.folder.lock, NULL);
	pthread_mutex_init(&engine->bodies.s.lock, NULL);
	sgh_file_trash_init(engine);
	pthread_mutex_init(&engine->r.lock, NULL);
	return engine;
}

static int start(struct sgh_file_engine *engine, const char *path,
		 struct sangraha_error *err)
{
	struct sgh_db_options options = {
		.context = engine->context,
		.path = path,
		.name = "store",
		.application_id = APPLICATION_ID,
		.version = VERSION,
		.page_size = SGH_FILE_PAGE_SIZE,
		.schema = schema,
		.upgrades = upgrades,
		.statements = writing,
		.statement_count = SGH_FILE_W_COUNT,
	};
	int rc = sgh_local_init(&engine->local, &sgh_file_local, err);

	if (!rc)
		rc = sgh_db_open(&options, &engine->db, err);
	if (!rc)
		rc = open_readers(engine, err);
	if (!rc)
		rc = sgh_file_bodies_open(&engine->bodies, path, err);
	if (!rc)
		rc = sgh_timers_new(&engine->timers, err);
	if (!rc)
		rc = sgh_pool_new(SGH_FILE_READERS, &engine->readers, err);
	if (!rc)
		rc = sgh_pool_new(SGH_FILE_WRITERS, &engine->writers, err);
	if (!rc)
		rc = recover(engine, err);
	return rc;
}

struct opening {
	struct sangraha_context *context;
	const char *path;
};

static int engine_open(void *arg, struct sgh_shared **ret, struct sangraha_error *err)
{
	const struct opening *opening = arg;
	struct sgh_file_engine *engine = engine_new(opening->context);
	int rc;

	if (!engine)
		return sgh_fail_memory(err);
	rc = start(engine, opening->path, err);
	if (rc) {
		engine_free(engine);
		free(engine);
		return rc;
	}
	*ret = &engine->local.shared;
	return 0;
}

int sgh_file_engine_get(struct sangraha_context *context, const char *path,
			struct sgh_file_engine **ret, struct sangraha_error *err)
{
	struct opening opening = { context, path };
	sgh_autofree char *name = NULL;
	struct sgh_shared *shared;
	int rc;

	if (asprintf(&name, "file:%s", path) < 0) {
		name = NULL;
		return sgh_fail_memory(err);
	}
	rc = sgh_shared_get(context, name, engine_open, &opening, &shared, err);
	if (!rc)
		*ret = sgh_container_of(shared, struct sgh_file_engine, local.shared);
	return rc;
}

void sgh_file_engine_put(struct sgh_file_engine *engine)
{
	if (!engine || !sgh_shared_unref(&engine->local.shared))
		return;
	engine_free(engine);
	sgh_shared_closed(&engine->local.shared);
	free(engine);
}
