/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_SINK_H
#define SGH_DAEMONS_SINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <sangraha/context.h>

/* Where the lines of the log go. */
struct sgh_sink {
	int fd;
	pthread_mutex_t lock; /* for all below */
	uint64_t dropped;     /* lines, since the last that was written */
	bool cut;             /* the last line has no end */
	bool known;           /* what the descriptor is: */
	bool file;            /* a regular one */
};

#define SGH_SINK(descriptor)                                          \
	{                                                             \
		.fd = (descriptor), .lock = PTHREAD_MUTEX_INITIALIZER \
	}

/*
 * The context's hook, `arg` a sink: each event as one line of JSON. A descriptor, whether it
 * blocks or not, gets a tenth of a second to take a line, then lines are dropped, and
 * counted, until it takes one again: the program must go on.
 */
void sgh_sink_write(void *arg, const struct sangraha_log_event *event);

#endif
