/* SPDX-License-Identifier: MIT */
#ifndef SGH_DB_ROOM_H
#define SGH_DB_ROOM_H

#include "db/connection.h"

/*
 * What a database has of the disk before it needs it, so that a full disk can be emptied
 * through it: the log has some room of its own; a page of the file has its place before the
 * commit that adds it, so the log can always be written back and begin anew; and a table
 * holds pages for the changes that make room. README.md tells how they play together.
 * Of the thread that writes.
 */
struct sgh_db_room {
	const char *path; /* of the file; the caller's */
	int file;         /* -1: not open yet */
	int log;          /* -1: not open */
	bool log_placed;
	bool reserved;     /* the table has its pages, */
	bool reserving;    /* and will have them when this transaction is committed */
	int64_t placed;    /* bytes of the file that have their place on the disk */
	int changes;       /* of the connection, when the transaction began */
	int64_t page_size; /* bytes */
};

#define SGH_DB_ROOM_INIT              \
	(struct sgh_db_room)          \
	{                             \
		.file = -1, .log = -1 \
	}

/* A connection that writes was opened: see what there is, and place what is not. */
int sgh_db_room_enter(struct sgh_db_room *room, sqlite3 *sqlite,
		      struct sangraha_error *err);
/* It was closed; another one may be opened. */
void sgh_db_room_leave(struct sgh_db_room *room);
/*
 * All connections are closed, also those that read: to close a descriptor of the file takes
 * away the locks that SQLite has on it in this process.
 */
void sgh_db_room_fini(struct sgh_db_room *room);

/*
 * In a transaction: at its beginning, where `spend` gives its changes what is in reserve;
 * and before its commit. Changes that do not free anything need the reserve to be there
 * then, or made again; and there must be room for `bytes` more. SANGRAHA_E_OVERLOADED: the
 * disk is full.
 */
int sgh_db_room_begin(struct sgh_db_room *room, sqlite3 *sqlite, bool spend,
		      struct sangraha_error *err);
int sgh_db_room_settle(struct sgh_db_room *room, sqlite3 *sqlite, bool frees,
		       unsigned bytes, struct sangraha_error *err);
void sgh_db_room_committed(struct sgh_db_room *room);

/* Make the reserve of a new file, in a transaction of its own. */
int sgh_db_room_reserve(struct sgh_db_room *room, sqlite3 *sqlite,
			struct sangraha_error *err);
/* The log was written back, after which SQLite cuts the file to its pages. */
void sgh_db_room_cut(struct sgh_db_room *room);
/* Whether the log has more than its room; and it was cut, perhaps: place that again. */
bool sgh_db_room_log_is_long(const struct sgh_db_room *room);
void sgh_db_room_log_cut(struct sgh_db_room *room);

#endif
