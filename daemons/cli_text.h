/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_CLI_TEXT_H
#define SGH_DAEMONS_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What people and scripts read, from what a program knows. Nothing here does I/O of its own. */

#define SGH_TEXT_SIZE 24 /* the longest size, rate or duration, and its NUL */

/* "512 B", "1.5 KiB", … */
void sgh_text_bytes(char text[SGH_TEXT_SIZE], uint64_t bytes);
/* "0:04", "1:02:03" */
void sgh_text_duration(char text[SGH_TEXT_SIZE], uint64_t seconds);

/*
 * A copy that can be shown: what controls a terminal, turns the direction of writing, or is
 * no UTF-8 becomes "?". Yours to free; NULL without memory. NULL is taken for "".
 */
char *sgh_text_clean(const char *text);
/* The same with another character instead. */
char *sgh_text_replace(const char *text, char instead);

/* How many columns of a terminal it takes; UTF-8, clean. */
size_t sgh_text_width(const char *text);

/*
 * Write it in exactly `columns`: filled up with blanks, or cut with "…" at its end; from
 * the left or, for numbers, the right.
 */
void sgh_text_column(FILE *file, const char *text, size_t columns, bool right);

/* Write "name:    value", clean, the values below each other. */
void sgh_text_line(FILE *file, const char *name, const char *value);
/* The same with a number of bytes, exact and for people. */
void sgh_text_size_line(FILE *file, const char *name, uint64_t size);

/* Write it as a JSON string, in quotes. What is no UTF-8 becomes U+FFFD. */
void sgh_text_json(FILE *file, const char *text);

/*
 * Write JSON in one line: line ends can stand only between its tokens. What controls a
 * terminal can stand only within its strings, and is escaped there.
 */
void sgh_text_json_line(FILE *file, const char *json);

/*
 * The next member of a flat JSON object: *at begins at its "{" and is moved on. Strings
 * lose their quotes, but no escapes. False at the end, and for anything that is not flat.
 */
bool sgh_text_member(const char **at, char name[64], char value[256]);

#endif
