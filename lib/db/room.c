/* SPDX-License-Identifier: MIT */
#include "db/room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define LOG_ROOM     (2 << 20)   /* bytes that the log has before it needs them */
#define RESERVE      (512 << 10) /* bytes in the table */
#define RESERVE_MORE 8           /* pages that the table needs besides */
#define GROWTH       (256 << 10) /* bytes that are placed at once, where there are so many */

/* Pages that come and go with messages, or that the first objects take. */
static const char unused_sql[] = "INSERT INTO reserve VALUES (2, zeroblob(262144));"
				 "DELETE FROM reserve WHERE id = 2";

static const char reserve_sql[] =
	"CREATE TABLE IF NOT EXISTS reserve (id INTEGER PRIMARY KEY, space BLOB);"
	"INSERT OR REPLACE INTO reserve VALUES (1, zeroblob(524288))";

/*
 * Behind a file's end, which stays where it is. Only a full disk is a failure: some file
 * systems cannot do it, and of what else is wrong the writing itself will tell.
 */
static int place(int fd, int64_t offset, int64_t length)
{
	int rc;

	do {
		rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length);
	} while (rc && errno == EINTR);
	return rc && (errno == ENOSPC || errno == EDQUOT) ? errno : 0;
}

static int place_log(struct sgh_db_room *room, struct sangraha_error *err)
{
	int errnum = room->log_placed ? 0 : place(room->log, 0, LOG_ROOM);

	room->log_placed = !errnum;
	return errnum ? sgh_db_fail_system(room->path, errnum, err) : 0;
}

/* Have the file's first `pages` pages where nobody else can take their place. */
static int place_pages(struct sgh_db_room *room, int64_t pages,
		       struct sangraha_error *err)
{
	int64_t more = pages * room->page_size - room->placed;
	int64_t ample = more > GROWTH ? more : GROWTH;
	int errnum;

	if (more <= 0)
		return 0;
	errnum = place(room->file, room->placed, ample);
	if (!errnum)
		more = ample;
	else if (more < ample)
		errnum = place(room->file, room->placed, more);
	if (errnum)
		return sgh_db_fail_system(room->path, errnum, err);
	room->placed += more;
	return 0;
}

void sgh_db_room_cut(struct sgh_db_room *room)
{
	struct stat info;

	room->placed = fstat(room->file, &info) ? 0 : info.st_size;
}

bool sgh_db_room_log_is_long(const struct sgh_db_room *room)
{
	struct stat info;

	return !fstat(room->log, &info) && info.st_size > LOG_ROOM;
}

void sgh_db_room_log_cut(struct sgh_db_room *room)
{
	room->log_placed = false;
	/* Who needs it tries again. */
	place_log(room, NULL);
}

/* ---- connections ---- */

static int open_both(struct sgh_db_room *room, struct sangraha_error *err)
{
	sgh_autofree char *log = NULL;

	if (asprintf(&log, "%s-wal", room->path) < 0) {
		log = NULL;
		return sgh_fail_memory(err);
	}
	if (room->file < 0)
		room->file = open(room->path, O_RDWR | O_CLOEXEC);
	if (room->file < 0)
		return sgh_db_fail_system(room->path, errno, err);
	room->log = open(log, O_RDWR | O_CLOEXEC);
	return room->log < 0 ? sgh_db_fail_system(log, errno, err) : 0;
}

static int look(struct sgh_db_room *room, sqlite3 *sqlite, struct sangraha_error *err)
{
	int64_t tables = 0, rows = 0;
	int rc = sgh_db_number(sqlite, "PRAGMA page_size", &room->page_size, err);

	if (!rc)
		rc = sgh_db_number(sqlite,
				   "SELECT count(*) FROM sqlite_schema"
				   " WHERE type = 'table' AND name = 'reserve'",
				   &tables, err);
	if (!rc && tables)
		rc = sgh_db_number(sqlite, "SELECT count(*) FROM reserve", &rows, err);
	room->reserved = rows > 0;
	return rc;
}

/* What was committed and is only in the log needs its place, too. */
static int place_all(struct sgh_db_room *room, sqlite3 *sqlite,
		     struct sangraha_error *err)
{
	int64_t pages = 0;
	int rc = sgh_db_number(sqlite, "PRAGMA page_count", &pages, err);
	int log;

	sgh_db_room_cut(room);
	if (!rc)
		rc = place_pages(room, pages, err);
	log = place_log(room, rc ? NULL : err);
	return rc ? rc : log;
}

int sgh_db_room_enter(struct sgh_db_room *room, sqlite3 *sqlite,
		      struct sangraha_error *err)
{
	struct sangraha_error lack = { 0 };
	int keep = 1;
	int rc = look(room, sqlite, err);

	if (!rc)
		rc = open_both(room, err);
	if (rc)
		return rc;
	/* It would go with the last connection, and its room with it. */
	sqlite3_file_control(sqlite, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
	rc = place_all(room, sqlite, &lack);
	return rc && !sgh_disk_full(&lack) ? sgh_fail_with(err, rc, &lack) : 0;
}

void sgh_db_room_leave(struct sgh_db_room *room)
{
	if (room->log >= 0)
		close(room->log);
	room->log = -1;
	room->log_placed = false;
}

void sgh_db_room_fini(struct sgh_db_room *room)
{
	/* SQLite has cut it; the next open, on a full disk, needs it. */
	if (room->log >= 0)
		place(room->log, 0, LOG_ROOM);
	sgh_db_room_leave(room);
	if (room->file >= 0)
		close(room->file);
	room->file = -1;
}

/* ---- transactions ---- */

int sgh_db_room_begin(struct sgh_db_room *room, sqlite3 *sqlite, bool spend,
		      struct sangraha_error *err)
{
	room->changes = sqlite3_total_changes(sqlite);
	room->reserving = room->reserved && !spend;
	return spend ? sgh_db_exec(sqlite, "DELETE FROM reserve", err) : 0;
}

/* Have a place for so many pages more, in the file's unused ones or behind them. */
static int place_more(struct sgh_db_room *room, sqlite3 *sqlite, int64_t more,
		      struct sangraha_error *err)
{
	int64_t pages = 0, unused = 0;
	int rc = sgh_db_number(sqlite, "PRAGMA page_count", &pages, err);

	if (!rc && more)
		rc = sgh_db_number(sqlite, "PRAGMA freelist_count", &unused, err);
	more -= unused;
	return rc ? rc : place_pages(room, pages + (more > 0 ? more : 0), err);
}

/* To ask the disk first costs less than to write it all and then take it back. */
static int reserve(struct sgh_db_room *room, sqlite3 *sqlite, struct sangraha_error *err)
{
	int rc = place_log(room, err);

	if (!rc)
		rc = place_more(room, sqlite, RESERVE / room->page_size + RESERVE_MORE,
				err);
	if (!rc)
		rc = sgh_db_exec(sqlite, reserve_sql, err);
	room->reserving = !rc;
	return rc;
}

int sgh_db_room_settle(struct sgh_db_room *room, sqlite3 *sqlite, bool frees,
		       unsigned bytes, struct sangraha_error *err)
{
	int rc = 0;

	if (sqlite3_total_changes(sqlite) == room->changes)
		return 0;
	if (!frees && !room->reserving)
		rc = reserve(room, sqlite, err);
	return rc ? rc : place_more(room, sqlite, bytes / room->page_size, err);
}

void sgh_db_room_committed(struct sgh_db_room *room)
{
	room->reserved = room->reserving;
}

int sgh_db_room_reserve(struct sgh_db_room *room, sqlite3 *sqlite,
			struct sangraha_error *err)
{
	int rc = sgh_db_exec(sqlite, "BEGIN IMMEDIATE", err);

	if (rc)
		return rc;
	rc = reserve(room, sqlite, err);
	if (!rc)
		rc = sgh_db_exec(sqlite, unused_sql, err);
	if (!rc)
		rc = place_more(room, sqlite, 0, err);
	if (!rc)
		rc = sgh_db_exec(sqlite, "COMMIT", err);
	if (!rc)
		sgh_db_room_committed(room);
	else if (!sqlite3_get_autocommit(sqlite))
		sgh_db_exec(sqlite, "ROLLBACK", NULL);
	return rc;
}
