/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/thread.h"
#include "queue/local_broker.h"

/*
 * The database, "queue.db". A message keeps its row until it is acknowledged; its body comes
 * last, so that the rest is read without it. How often one was delivered is in a table of
 * its own: to count there rewrites no bodies. A queue's `in_hand` is how many of its first
 * messages may be in hand of a consumer, 0 after a clean close.
 */
#define APPLICATION 0x53474851 /* "SGHQ" */
#define VERSION     1
/* Messages in no queue: damaged, and left for somebody to look at. */
#define ASIDE 0

static const char schema[] =
	"CREATE TABLE queue (id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
	" in_hand INTEGER NOT NULL DEFAULT 0);"
	"CREATE TABLE message (id INTEGER PRIMARY KEY, queue INTEGER NOT NULL,"
	" due INTEGER NOT NULL, meta BLOB, body BLOB);"
	"CREATE INDEX message_queue ON message (queue);"
	"CREATE TABLE attempt (id INTEGER PRIMARY KEY, count INTEGER NOT NULL);";

enum {
	INSERT,
	ERASE,
	ERASE_ATTEMPT,
	MOVE,
	HEAD,
	MOVE_DUE,
	MARK,
	COUNT_ONE,
	COUNT_SOME,
	UNMARK,
	NAME
};

static const char *const writing[] = {
	[INSERT] = "INSERT INTO message (id, queue, due, meta, body)"
		   " VALUES (?1, ?2, ?3, ?4, ?5)",
	[ERASE] = "DELETE FROM message WHERE id = ?1",
	[ERASE_ATTEMPT] = "DELETE FROM attempt WHERE id = ?1",
	[MOVE] = "UPDATE message SET id = ?1, queue = ?2, due = ?3, meta = ?4"
		 " WHERE id = ?5",
	[HEAD] = "SELECT id, due FROM message WHERE queue = ?1 AND id > ?2"
		 " ORDER BY id LIMIT 1",
	[MOVE_DUE] = "UPDATE message SET id = ?1, queue = ?2, due = 0 WHERE id = ?3",
	[MARK] = "UPDATE queue SET in_hand = ?2 WHERE id = ?1",
	[COUNT_ONE] = "INSERT OR REPLACE INTO attempt (id, count) VALUES (?1, ?2)",
	[COUNT_SOME] = "INSERT INTO attempt (id, count) SELECT id, 1 FROM message"
		       " WHERE queue = ?1 ORDER BY id LIMIT ?2"
		       " ON CONFLICT (id) DO UPDATE SET count = count + 1",
	[UNMARK] = "UPDATE queue SET in_hand = 0",
	[NAME] = "INSERT OR IGNORE INTO queue (id, name) VALUES (?1, ?2)",
};

enum { LOAD, NEXT, BODY, COUNT, COUNT_ASIDE, LAST, FIRST_DUE, IN_HAND };

static const char *const reading[] = {
	[LOAD] = "SELECT m.id, m.due,"
		 " CASE WHEN length(m.meta) <= 262144 THEN m.meta END,"
		 " length(m.body), ifnull(a.count, 0)"
		 " FROM message m LEFT JOIN attempt a ON a.id = m.id"
		 " WHERE m.queue = ?1 AND m.id > ?2 ORDER BY m.id LIMIT ?3",
	/* From the index alone. */
	[NEXT] = "SELECT id FROM message WHERE queue = ?1 AND id > ?2"
		 " ORDER BY id LIMIT 1",
	[BODY] = "SELECT body FROM message WHERE id = ?1",
	[COUNT] = "SELECT count(*) FROM message WHERE queue = ?1",
	[COUNT_ASIDE] = "SELECT (SELECT count(*) FROM message WHERE queue < 1)"
			" + (SELECT count(*) FROM message WHERE queue > ?1)",
	[LAST] = "SELECT max(ifnull((SELECT max(id) FROM message), 0),"
		 " ifnull((SELECT max(id) FROM attempt), 0))",
	[FIRST_DUE] = "SELECT due FROM message WHERE queue = ?1 ORDER BY id LIMIT 1",
	[IN_HAND] = "SELECT in_hand FROM queue WHERE id = ?1",
};

static struct sgh_local_change *change_of(struct sgh_db_job *job)
{
	return sgh_container_of(job, struct sgh_local_change, job);
}

static struct sgh_local_item *item_of(struct sgh_db_job *job)
{
	return sgh_container_of(change_of(job), struct sgh_local_item, change);
}

/* ---- changes, on the thread that writes; they may run twice ---- */

int sgh_local_run_insert(struct sgh_db_job *job, struct sgh_db *db,
			 struct sangraha_error *err)
{
	struct sgh_local_item *item = item_of(job);
	sqlite3_stmt *insert = sgh_db_statement(db, INSERT);

	sqlite3_bind_int64(insert, 1, item->id);
	sqlite3_bind_int(insert, 2, item->queue->row->number);
	sqlite3_bind_int64(insert, 3, item->due_ms);
	sqlite3_bind_blob64(insert, 4, item->meta, item->meta_length, SQLITE_STATIC);
	if (item->size)
		sqlite3_bind_blob64(insert, 5, item->body->data, item->size,
				    SQLITE_STATIC);
	return sgh_db_run(db, insert, err);
}

static int erase(struct sgh_db *db, int statement, int64_t id, struct sangraha_error *err)
{
	sqlite3_stmt *erase = sgh_db_statement(db, (size_t)statement);

	sqlite3_bind_int64(erase, 1, id);
	return sgh_db_run(db, erase, err);
}

int sgh_local_run_erase(struct sgh_db_job *job, struct sgh_db *db,
			struct sangraha_error *err)
{
	struct sgh_local_item *item = item_of(job);
	int rc = erase(db, ERASE, item->id, err);

	if (!rc && item->saved)
		rc = erase(db, ERASE_ATTEMPT, item->id, err);
	return rc;
}

int sgh_local_run_move(struct sgh_db_job *job, struct sgh_db *db,
		       struct sangraha_error *err)
{
	struct sgh_local_item *item = item_of(job);
	sqlite3_stmt *move = sgh_db_statement(db, MOVE);
	int rc;

	sqlite3_bind_int64(move, 1, item->new_id);
	sqlite3_bind_int(move, 2, item->target->row->number);
	sqlite3_bind_int64(move, 3, 0);
	sqlite3_bind_blob64(move, 4, item->meta, item->meta_length, SQLITE_STATIC);
	sqlite3_bind_int64(move, 5, item->id);
	rc = sgh_db_run(db, move, err);
	if (!rc && item->saved)
		rc = erase(db, ERASE_ATTEMPT, item->id, err);
	return rc;
}

int sgh_local_run_aside(struct sgh_db_job *job, struct sgh_db *db,
			struct sangraha_error *err)
{
	sqlite3_stmt *move = sgh_db_statement(db, MOVE_DUE);

	sqlite3_bind_int64(move, 1, item_of(job)->id);
	sqlite3_bind_int(move, 2, ASIDE);
	sqlite3_bind_int64(move, 3, item_of(job)->id);
	return sgh_db_run(db, move, err);
}

int sgh_local_run_mark(struct sgh_db_job *job, struct sgh_db *db,
		       struct sangraha_error *err)
{
	struct sgh_local_queue *queue =
		sgh_container_of(change_of(job), struct sgh_local_queue, marking);
	sqlite3_stmt *mark = sgh_db_statement(db, MARK);

	sqlite3_bind_int(mark, 1, queue->row->number);
	sqlite3_bind_int64(mark, 2, queue->mark_wanted);
	return sgh_db_run(db, mark, err);
}

/* The first of a queue: 1 and its id and time, 0 when it is empty. */
static int read_head(struct sgh_db *db, const struct sgh_local_queue *queue,
		     int64_t *ret_id, int64_t *ret_due, struct sangraha_error *err)
{
	sqlite3_stmt *head = sgh_db_statement(db, HEAD);
	int rc;

	sqlite3_bind_int(head, 1, queue->row->number);
	sqlite3_bind_int64(head, 2, queue->move_after);
	rc = sgh_db_run(db, head, err);
	if (rc != 1)
		return rc;
	*ret_id = sqlite3_column_int64(head, 0);
	*ret_due = sqlite3_column_int64(head, 1);
	sqlite3_reset(head);
	return 1;
}

/*
 * Only what is first in its queue moves, as in a real broker. A time further away than the
 * queue's own comes from a clock that was put back, or from damage: it counts as now.
 */
int sgh_local_run_due(struct sgh_db_job *job, struct sgh_db *db,
		      struct sangraha_error *err)
{
	struct sgh_local_queue *queue =
		sgh_container_of(change_of(job), struct sgh_local_queue, moving);
	int64_t now = sgh_time_ms(), id = 0, due = 0;
	int rc;

	queue->moved = 0;
	queue->move_id = 0;
	queue->move_next_ms = SGH_NEVER;
	while ((rc = read_head(db, queue, &id, &due, err)) == 1) {
		sqlite3_stmt *move = sgh_db_statement(db, MOVE_DUE);

		queue->move_next_ms = due;
		if (queue->moved == SGH_LOCAL_DUE_MOST ||
		    (due > now && due - now <= queue->row->ttl_ms))
			return 0;
		sqlite3_bind_int64(move, 1, queue->move_base + queue->moved);
		sqlite3_bind_int(move, 2, queue->moving_to);
		sqlite3_bind_int64(move, 3, id);
		queue->move_id = id;
		rc = sgh_db_run(db, move, err);
		if (rc)
			return rc;
		queue->move_id = 0;
		queue->moved++;
		queue->move_next_ms = SGH_NEVER;
	}
	return rc;
}

/* Something small that is written: the row that no queue has. */
int sgh_local_run_probe(struct sgh_db_job *job, struct sgh_db *db,
			struct sangraha_error *err)
{
	sqlite3_stmt *mark = sgh_db_statement(db, MARK);

	sqlite3_bind_int(mark, 1, ASIDE);
	sqlite3_bind_int64(mark, 2, sgh_time_ms());
	return sgh_db_run(db, mark, err);
}

/* ---- reading, on the broker's thread ---- */

static struct sgh_local_item *read_item(const struct sgh_local_queue *queue,
					sqlite3_stmt *row)
{
	size_t length = (size_t)sqlite3_column_bytes(row, 2);
	const void *meta = sqlite3_column_blob(row, 2);
	struct sgh_local_item *item = calloc(1, sizeof(*item));

	if (!item)
		return NULL;
	item->meta = malloc(length + 1);
	if (!item->meta) {
		free(item);
		return NULL;
	}
	if (length && meta)
		memcpy(item->meta, meta, length);
	item->meta_length = meta ? length : 0;
	item->queue = (struct sgh_local_queue *)queue;
	item->id = sqlite3_column_int64(row, 0);
	item->due_ms = sqlite3_column_int64(row, 1);
	item->size = (uint64_t)sqlite3_column_int64(row, 3);
	item->saved = (unsigned)sqlite3_column_int(row, 4);
	item->deliveries = item->saved;
	item->redelivered = item->saved > 0 || item->id <= queue->crash_id;
	item->durable = true;
	item->written = true;
	sgh_list_init(&item->flight);
	return item;
}

int sgh_local_journal_load(struct sgh_local *local, const struct sgh_local_queue *queue,
			   int64_t edge, size_t most, struct sgh_list *items,
			   struct sangraha_error *err)
{
	sqlite3_stmt *load = sgh_db_reader_statement(local->reader, LOAD);
	int rc;

	if (load) {
		sqlite3_bind_int(load, 1, queue->row->number);
		sqlite3_bind_int64(load, 2, edge);
		sqlite3_bind_int64(load, 3, (int64_t)most);
	}
	while ((rc = sgh_db_reader_run(local->reader, load, err)) == 1) {
		struct sgh_local_item *item = read_item(queue, load);

		if (!item) {
			rc = sgh_fail_memory(err);
			break;
		}
		sgh_list_append(items, &item->link);
	}
	sqlite3_reset(load);
	return rc;
}

int64_t sgh_local_journal_next(struct sgh_local *local,
			       const struct sgh_local_queue *queue, int64_t edge)
{
	sqlite3_stmt *next = sgh_db_reader_statement(local->reader, NEXT);
	int64_t id = 0;

	if (next) {
		sqlite3_bind_int(next, 1, queue->row->number);
		sqlite3_bind_int64(next, 2, edge);
	}
	if (sgh_db_reader_run(local->reader, next, NULL) == 1)
		id = sqlite3_column_int64(next, 0);
	sqlite3_reset(next);
	return id;
}

int sgh_local_journal_body(struct sgh_local *local, int64_t id, uint64_t size,
			   struct sgh_bytes **ret, struct sangraha_error *err)
{
	sqlite3_stmt *read = sgh_db_reader_statement(local->reader, BODY);
	struct sgh_budget *budget = local->context->budget;
	struct sgh_bytes *bytes;
	const void *data;
	int rc;

	if (read)
		sqlite3_bind_int64(read, 1, id);
	rc = sgh_db_reader_run(local->reader, read, err);
	if (rc < 0)
		return rc;
	data = rc ? sqlite3_column_blob(read, 0) : NULL;
	if (!data || (uint64_t)sqlite3_column_bytes(read, 0) != size) {
		sqlite3_reset(read);
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0, "its body is damaged");
	}
	sgh_budget_force(budget, size);
	bytes = sgh_bytes_new(budget, size);
	if (bytes)
		sgh_bytes_append(bytes, data, size);
	else
		sgh_budget_release(budget, size);
	sqlite3_reset(read);
	if (!bytes)
		return sgh_fail_memory(err);
	*ret = bytes;
	return 0;
}

/* ---- opening ---- */

/* A change at a time when nobody else uses the database: done when it returns. */
struct sync {
	struct sgh_db_job job;
	struct sgh_local *local;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool over;
	int status;
	struct sangraha_error *err;
};

static void sync_done(struct sgh_db_job *job, int status,
		      const struct sangraha_error *err)
{
	struct sync *sync = sgh_container_of(job, struct sync, job);

	pthread_mutex_lock(&sync->lock);
	sync->status = status;
	if (status)
		sgh_fail_with(sync->err, status, err);
	sync->over = true;
	pthread_cond_signal(&sync->cond);
	pthread_mutex_unlock(&sync->lock);
}

static int change_now(struct sgh_local *local,
		      int (*run)(struct sgh_db_job *job, struct sgh_db *db,
				 struct sangraha_error *err),
		      struct sangraha_error *err)
{
	struct sync sync = { .job = { .run = run, .done = sync_done, .frees = true },
			     .local = local,
			     .err = err };

	pthread_mutex_init(&sync.lock, NULL);
	sgh_cond_init(&sync.cond);
	sgh_db_submit(local->db, &sync.job);
	pthread_mutex_lock(&sync.lock);
	while (!sync.over)
		sgh_cond_wait_until(&sync.cond, &sync.lock, SGH_NEVER);
	pthread_mutex_unlock(&sync.lock);
	pthread_cond_destroy(&sync.cond);
	pthread_mutex_destroy(&sync.lock);
	return sync.status;
}

static int name_queue(struct sgh_db *db, int number, const char *name,
		      struct sangraha_error *err)
{
	sqlite3_stmt *insert = sgh_db_statement(db, NAME);

	sqlite3_bind_int(insert, 1, number);
	sqlite3_bind_text(insert, 2, name, -1, SQLITE_STATIC);
	return sgh_db_run(db, insert, err);
}

/*
 * What may have been in hand when the process died counts as delivered once more: that
 * bounds how often one message can kill it. And the rows of the queues are there then.
 */
static int run_recover(struct sgh_db_job *job, struct sgh_db *db,
		       struct sangraha_error *err)
{
	struct sgh_local *local = sgh_container_of(job, struct sync, job)->local;
	int rc = name_queue(db, ASIDE, "", err);

	for (size_t i = 0; i < SGH_LOCAL_QUEUES && !rc; i++) {
		const struct sgh_local_queue *queue = &local->queues[i];
		sqlite3_stmt *some = sgh_db_statement(db, COUNT_SOME);

		rc = name_queue(db, queue->row->number, queue->row->name, err);
		if (rc || !queue->mark)
			continue;
		sqlite3_bind_int(some, 1, queue->row->number);
		sqlite3_bind_int64(some, 2, queue->mark);
		rc = sgh_db_run(db, some, err);
	}
	return rc ? rc : sgh_db_run(db, sgh_db_statement(db, UNMARK), err);
}

/* A number that a statement gives; `otherwise` without a row. */
static int number(struct sgh_local *local, int statement, int queue, int64_t otherwise,
		  int64_t *ret, struct sangraha_error *err)
{
	sqlite3_stmt *ask = sgh_db_reader_statement(local->reader, (size_t)statement);
	int rc;

	if (ask && queue >= 0)
		sqlite3_bind_int(ask, 1, queue);
	rc = sgh_db_reader_run(local->reader, ask, err);
	if (rc < 0)
		return rc;
	*ret = rc ? sqlite3_column_int64(ask, 0) : otherwise;
	sqlite3_reset(ask);
	return 0;
}

static int read_queue(struct sgh_local *local, struct sgh_local_queue *queue,
		      struct sangraha_error *err)
{
	int64_t mark = 0;
	int rc = number(local, IN_HAND, queue->row->number, 0, &mark, err);

	if (!rc)
		rc = number(local, COUNT, queue->row->number, 0, &queue->tail, err);
	if (!rc)
		rc = number(local, FIRST_DUE, queue->row->number, SGH_NEVER,
			    &queue->head_due_ms, err);
	if (mark > 0) {
		queue->mark = mark > INT32_MAX ? INT32_MAX : (unsigned)mark;
		queue->crash_id = local->last_id;
	}
	return rc;
}

static int read_all(struct sgh_local *local, struct sangraha_error *err)
{
	int64_t aside = 0;
	int rc = number(local, LAST, -1, 0, &local->last_id, err);

	if (!rc && (local->last_id < 0 || local->last_id > INT64_MAX / 2))
		rc = sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
			      "%s is damaged: message %" PRId64, sgh_db_file(local->db),
			      local->last_id);
	for (size_t i = 0; i < SGH_LOCAL_QUEUES && !rc; i++)
		rc = read_queue(local, &local->queues[i], err);
	if (!rc)
		rc = number(local, COUNT_ASIDE, SGH_LOCAL_QUEUES, 0, &aside, err);
	if (!rc && aside)
		sgh_log(local->context, SANGRAHA_LOG_WARN, "queue", "damaged",
			"%" PRId64 " damaged messages lie aside in %s (table message, "
			"queue 0)",
			aside, sgh_db_file(local->db));
	return rc;
}

int sgh_local_journal_open(struct sgh_local *local, const char *path,
			   struct sangraha_error *err)
{
	struct sgh_db_options options = {
		.context = local->context,
		.path = path,
		.name = "queue",
		.application_id = APPLICATION,
		.version = VERSION,
		.schema = schema,
		.statements = writing,
		.statement_count = SGH_COUNT(writing),
	};
	int rc = sgh_db_open(&options, &local->db, err);

	if (!rc)
		rc = sgh_db_reader_open(local->db, reading, SGH_COUNT(reading),
					&local->reader, err);
	if (!rc)
		rc = read_all(local, err);
	if (!rc)
		rc = change_now(local, run_recover, err);
	SGH_FAIL_POINT("local.recovered");
	local->recovered = !rc;
	for (size_t i = 0; i < SGH_LOCAL_QUEUES; i++)
		local->queues[i].mark = 0;
	return rc;
}

/* ---- closing ---- */

static int save_item(struct sgh_db *db, const struct sgh_local_item *item,
		     struct sangraha_error *err)
{
	sqlite3_stmt *count = sgh_db_statement(db, COUNT_ONE);

	if (!item->durable || !item->written || item->deliveries == item->saved)
		return 0;
	sqlite3_bind_int64(count, 1, item->id);
	sqlite3_bind_int64(count, 2, item->deliveries);
	return sgh_db_run(db, count, err);
}

/* Everything that was in hand has gone back by now: what memory knows better is saved. */
static int run_save(struct sgh_db_job *job, struct sgh_db *db, struct sangraha_error *err)
{
	struct sgh_local *local = sgh_container_of(job, struct sync, job)->local;
	int rc = 0;

	for (size_t i = 0; i < SGH_LOCAL_QUEUES && !rc; i++) {
		sgh_list_for_each (link, &local->queues[i].kept) {
			rc = save_item(db,
				       sgh_list_entry(link, struct sgh_local_item, link),
				       err);
			if (rc)
				break;
		}
	}
	/* One that was acknowledged and is there nevertheless has been delivered before. */
	if (rc || !sgh_list_empty(&local->retries))
		return rc;
	return sgh_db_run(db, sgh_db_statement(db, UNMARK), err);
}

static int run_nothing(struct sgh_db_job *job, struct sgh_db *db,
		       struct sangraha_error *err)
{
	return 0;
}

void sgh_local_journal_flush(struct sgh_local *local)
{
	struct sangraha_error err = { 0 };

	change_now(local, run_nothing, &err);
}

void sgh_local_journal_close(struct sgh_local *local)
{
	struct sangraha_error err = { 0 };

	if (local->recovered && change_now(local, run_save, &err))
		sgh_log(local->context, SANGRAHA_LOG_WARN, "queue", "close",
			"what was in hand is delivered again, and counts once more: %s",
			err.message);
	sgh_db_reader_close(sgh_take(local->reader));
	sgh_db_close(sgh_take(local->db), NULL, NULL);
}
