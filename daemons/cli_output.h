/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_CLI_OUTPUT_H
#define SGH_DAEMONS_CLI_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define SGH_NAME_SIZE 256 /* the longest name of a file, and its NUL */

/*
 * A file that appears whole or not at all: it is written under another name in the same
 * folder.
 */
struct sgh_output {
	int fd;
	bool own; /* the descriptor is closed with it */
	bool force;
	int slot; /* in cli_cleanup.h; -1: nothing to remove */
	char path[PATH_MAX];
	char temporary[PATH_MAX];
};

/* Write to a descriptor, which stays open. */
void sgh_output_descriptor(struct sgh_output *output, int fd);
/*
 * Begin `path`. 0 or an errno: EEXIST when the file is there and `force` is not. What is
 * no regular file, as /dev/null or a pipe, is written to as it is when the user named it,
 * and never when it goes by a name that the server chose. Call sgh_output_fini() in any
 * case; what was not finished leaves nothing behind.
 */
int sgh_output_open(struct sgh_output *output, const char *path, bool named, bool force);
/* 0 or an errno. */
int sgh_output_write(struct sgh_output *output, const void *data, size_t length);
/* All was written: give it its name. 0 or an errno. */
int sgh_output_finish(struct sgh_output *output);
/* Forget what was written. 0 or an errno; ESPIPE where bytes cannot be taken back. */
int sgh_output_again(struct sgh_output *output);
void sgh_output_fini(struct sgh_output *output);

/*
 * The name of a file for an object, out of what the server says: never a path, never
 * hidden, nothing that a terminal or a shell's "*" would make an accident of. Without a
 * name it is "<id>.<extension of the media type>". `name` and `media_type` may be NULL.
 */
void sgh_output_name(char safe[SGH_NAME_SIZE], const char *name, const char *id,
		     const char *media_type);

/* "FIRST-LAST" or "FIRST-": bytes to leave out, and how many to take, 0 for all. */
bool sgh_output_range(const char *text, unsigned long long *ret_offset,
		      unsigned long long *ret_length);

#endif
