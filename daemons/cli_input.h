/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_CLI_INPUT_H
#define SGH_DAEMONS_CLI_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * What is stored: a file or standard input. What cannot be read twice, as a pipe, is held
 * in memory as far as it fits SGH_INPUT_HELD bytes.
 */
#define SGH_INPUT_HELD (4u << 20)

struct sgh_input {
	int fd;
	bool own;      /* the descriptor is closed with it */
	bool seekable; /* a file, from `start` on */
	int64_t start;
	int64_t length;  /* bytes; -1: not known */
	uint64_t at;     /* so many were given */
	struct stat was; /* when it was opened */
	unsigned char *held;
	size_t held_length;
	int error;    /* errno of reading */
	bool changed; /* while it was read */
};

/*
 * Open `path`, "-" for standard input. 0 or an errno: EISDIR for a folder. Call
 * sgh_input_fini() in any case.
 */
int sgh_input_open(struct sgh_input *input, const char *path);
void sgh_input_fini(struct sgh_input *input);

/* Up to `size` bytes; 0 at the end, -1 when it failed, for a reason that it keeps. */
int64_t sgh_input_read(struct sgh_input *input, void *data, size_t size);

/* Begin anew; false when what was read is gone. */
bool sgh_input_rewind(struct sgh_input *input);

/*
 * The name to keep with an object stored from `path`: its last part, with "_" for what
 * no server takes. Yours to free; NULL without memory or for standard input.
 */
char *sgh_input_name(const char *path);

#endif
