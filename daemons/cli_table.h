/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_CLI_TABLE_H
#define SGH_DAEMONS_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

/* A page of a list on a terminal. All text is clean. */
struct sgh_row {
	char *reference;
	char *size;
	char *created; /* "YYYY-MM-DD HH:MM" */
	char *type;
	char *name;
};

/* How wide each column is; 0: there is no room for it. */
struct sgh_widths {
	size_t reference;
	size_t size;
	size_t created;
	size_t type;
	size_t name;
};

/*
 * Fit rows into a terminal of so many columns. References are for copying and stay whole;
 * names give way first, then types, then the time of the day, then the date.
 */
struct sgh_widths sgh_table_fit(const struct sgh_row *rows, size_t count, size_t columns);

/* Print a line; `row` NULL is the heading. */
void sgh_table_print(FILE *file, const struct sgh_widths *widths,
		     const struct sgh_row *row);

#endif
