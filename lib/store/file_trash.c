/* SPDX-License-Identifier: MIT */
#include "store/file.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"

/*
 * Body files that no row names any more. A run looks what is in the trash, removes those
 * files, and then has the database forget them, which nobody waits for.
 */

#define RETRY_MS 1000

/*
 * Begin a run, unless one is under way or the folder is being closed. Under the lock: once
 * `stop` is set the threads may go.
 */
void sgh_file_trash_kick(struct sgh_file_engine *engine)
{
	bool begin;

	pthread_mutex_lock(&engine->trash.lock);
	begin = !engine->trash.running && !engine->trash.stop;
	engine->trash.again = !begin;
	if (begin) {
		engine->trash.running = true;
		sgh_pool_submit(engine->writers, &engine->trash.look);
	}
	pthread_mutex_unlock(&engine->trash.lock);
}

/* The run is over; what it could not do is tried again. */
static void end(struct sgh_file_engine *engine, int status,
		const struct sangraha_error *err)
{
	bool more = !status && engine->trash.count == SGH_FILE_TRASH_BATCH;

	if (status && !engine->trash.failed)
		sgh_log(engine->context, SANGRAHA_LOG_WARN, "store", "trash",
			"files of deleted objects stay for now: %s", err->message);
	engine->trash.failed = status != 0;
	pthread_mutex_lock(&engine->trash.lock);
	more |= engine->trash.again && !status;
	engine->trash.running = false;
	pthread_mutex_unlock(&engine->trash.lock);
	if (status)
		sgh_timer_arm(engine->timers, &engine->trash.retry,
			      sgh_now_ms() + RETRY_MS);
	if (more)
		sgh_file_trash_kick(engine);
}

static int forget(struct sgh_db_job *job, struct sgh_db *db, struct sangraha_error *err)
{
	struct sgh_file_engine *engine =
		sgh_container_of(job, struct sgh_file_engine, trash.forget);
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < engine->trash.count; i++) {
		sqlite3_stmt *statement = sgh_db_statement(db, SGH_FILE_W_EMPTY);

		sqlite3_bind_int64(statement, 1, (sqlite3_int64)engine->trash.numbers[i]);
		rc = sgh_db_run(db, statement, err);
	}
	return rc;
}

static void forgotten(struct sgh_db_job *job, int status,
		      const struct sangraha_error *err)
{
	struct sgh_file_engine *engine =
		sgh_container_of(job, struct sgh_file_engine, trash.forget);

	SGH_FAIL_POINT("file.trash-forgotten");
	if (status)
		end(engine, status, err);
	else
		end(engine, engine->trash.status, &engine->trash.err);
}

static int read_numbers(struct sgh_file_engine *engine, struct sangraha_error *err)
{
	struct sgh_file_reader *reader = sgh_file_reader_take(engine);
	sqlite3_stmt *statement = sgh_db_reader_statement(reader->db, SGH_FILE_R_TRASH);
	int rc;

	engine->trash.count = 0;
	sqlite3_bind_int64(statement, 1, SGH_FILE_TRASH_BATCH);
	while ((rc = sgh_db_reader_run(reader->db, statement, err)) == 1)
		engine->trash.numbers[engine->trash.count++] =
			(uint64_t)sqlite3_column_int64(statement, 0);
	sgh_file_reader_put(engine, reader);
	return rc;
}

static void look(struct sgh_job *job)
{
	struct sgh_file_engine *engine =
		sgh_container_of(job, struct sgh_file_engine, trash.look);
	struct sangraha_error *err = &engine->trash.err;
	int rc;

	pthread_mutex_lock(&engine->trash.lock);
	engine->trash.again = false;
	pthread_mutex_unlock(&engine->trash.lock);
	rc = read_numbers(engine, err);
	if (rc || !engine->trash.count) {
		end(engine, rc, err);
		return;
	}
	engine->trash.status = sgh_file_bodies_remove(
		&engine->bodies, engine->trash.numbers, &engine->trash.count, err);
	SGH_FAIL_POINT("file.trash-removed");
	if (!engine->trash.count) {
		end(engine, engine->trash.status, err);
		return;
	}
	engine->trash.forget = (struct sgh_db_job){
		.run = forget,
		.done = forgotten,
		.lazy = true,
		.frees = true,
	};
	sgh_db_submit(engine->db, &engine->trash.forget);
}

static void retry(struct sgh_timer *timer)
{
	sgh_file_trash_kick(sgh_container_of(timer, struct sgh_file_engine, trash.retry));
}

void sgh_file_trash_init(struct sgh_file_engine *engine)
{
	pthread_mutex_init(&engine->trash.lock, NULL);
	engine->trash.look.run = look;
	engine->trash.retry.fire = retry;
}
