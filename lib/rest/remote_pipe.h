/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_REMOTE_PIPE_H
#define SGH_REST_REMOTE_PIPE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A bounded buffer between the thread of the HTTP layer, which never waits, and the
 * caller's, which may block in read() and write(). One end of it is the caller's: it
 * fills the pipe for an upload and empties it for a download. Zero is no pipe.
 */
struct sgh_pipe {
	unsigned char *data;
	size_t size;
	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed;
		size_t at;   /* of the first byte that is there */
		size_t fill; /* bytes that are there */
		bool ended;  /* nothing more is put in */
		bool paused; /* the other thread waits to be resumed */
		bool done;   /* the exchange is over */
	} state;
};

/* False without memory. */
bool sgh_pipe_init(struct sgh_pipe *pipe, size_t size);
void sgh_pipe_fini(struct sgh_pipe *pipe);

/* ---- the thread of the HTTP layer: what pull() and push() return ---- */

int64_t sgh_pipe_take(struct sgh_pipe *pipe, void *data, size_t size);
int sgh_pipe_give(struct sgh_pipe *pipe, const void *data, size_t length);
/* The exchange is over; the pipe may be gone when this returns. */
void sgh_pipe_done(struct sgh_pipe *pipe);

/* ---- the caller's thread ---- */

/* Wait for room, at *ret; 0 when the exchange is over. */
size_t sgh_pipe_room(struct sgh_pipe *pipe, void **ret);
/* Wait for bytes, at *ret; 0 when the exchange is over and all were consumed. */
size_t sgh_pipe_bytes(struct sgh_pipe *pipe, const void **ret);
/* So many were put in, or taken out; true: the other thread is to be resumed. */
bool sgh_pipe_filled(struct sgh_pipe *pipe, size_t length);
bool sgh_pipe_emptied(struct sgh_pipe *pipe, size_t length);
/* All of the body is in; as above. */
bool sgh_pipe_end(struct sgh_pipe *pipe);
/* Wait until the exchange is over. */
void sgh_pipe_wait(struct sgh_pipe *pipe);

#endif
