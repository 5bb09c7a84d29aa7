/* SPDX-License-Identifier: MIT */
#ifndef T_H
#define T_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sangraha/context.h>
#include <sangraha/error.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/util.h"

/* What makes tests read like sentences. Each failure names the caller's line. */

/* Every call of a test fills this; t_ok() and t_fails() show it. */
extern struct sangraha_error t_err;

#define t_ok(call)            t_status_(SANGRAHA_OK, (call), #call, __FILE__, __LINE__)
#define t_fails(status, call) t_status_((status), (call), #call, __FILE__, __LINE__)
void t_status_(int wanted, int got, const char *call, const char *file, int line);

/* The last error's message contains `text`. */
#define t_says(text) t_says_((text), __FILE__, __LINE__)
void t_says_(const char *text, const char *file, int line);

/*
 * Wait until a condition holds, for at most 30 s, which a busy machine may take: no
 * sleeps of a guessed length. Where most waits are in vain, SANGRAHA_TEST_PATIENCE_MS says
 * how long instead.
 */
#define t_wait(condition)                                               \
	do {                                                            \
		int64_t until_ = sgh_now_ms() + t_patience_ms();        \
		while (!(condition)) {                                  \
			if (sgh_now_ms() > until_)                      \
				fail_msg("never true: %s", #condition); \
			t_pause();                                      \
		}                                                       \
	} while (0)
int64_t t_patience_ms(void);
void t_pause(void);

/*
 * An environment variable that a live test needs; without it the case is skipped with
 * the reason on its own line. With several, all are wanted.
 */
const char *t_need(const char *variable);
/* The same for a folder below SANGRAHA_VECTORS; the path is yours to free. */
char *t_vectors(const char *folder);
/* Skip the running case, saying why. */
void t_skip(const char *reason);

/* A new folder for a case to work in; t_folder_remove() takes it away with all in it. */
char *t_folder_new(void);
void t_folder_remove(char *folder);
/* "folder/name"; yours to free. */
char *t_path(const char *folder, const char *name);

/* A context whose log goes to standard error when SANGRAHA_TEST_LOG is set. */
struct sangraha_context *t_context(void);

/* Bytes of a text, or of a file (fails the case when it cannot be read). */
struct sgh_bytes *t_bytes(const char *text);
struct sgh_bytes *t_file(const char *path);
#define t_same_bytes(bytes, text)                                         \
	do {                                                              \
		assert_int_equal((bytes)->length, strlen(text));          \
		assert_memory_equal((bytes)->data, (text), strlen(text)); \
	} while (0)

/* The cases of a program, run as one group. */
#define t_main(tests)                                                            \
	int main(void)                                                           \
	{                                                                        \
		return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL); \
	}

#endif
