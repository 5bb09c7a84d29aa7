/* SPDX-License-Identifier: MIT */
#ifndef T_SQL_H
#define T_SQL_H

#include <stdint.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "base/util.h"
#include "support/t.h"

/* SQL on a database behind the back of the library. */

static inline int t_sql_row(void *arg, int count, char **values, char **names)
{
	*(int64_t *)arg = values[0] ? strtoll(values[0], NULL, 10) : 0;
	return 0;
}

/* The number that the last row begins with; 0 without rows. */
static inline int64_t t_sql(const char *folder, const char *name, const char *sql)
{
	sgh_autofree char *path = t_path(folder, name);
	sqlite3 *sqlite = NULL;
	char *message = NULL;
	int64_t number = 0;

	assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
	sqlite3_busy_timeout(sqlite, 5000);
	if (sqlite3_exec(sqlite, sql, t_sql_row, &number, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
	sqlite3_close(sqlite);
	return number;
}

#endif
