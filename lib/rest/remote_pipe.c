/* SPDX-License-Identifier: MIT */
#include "rest/remote_pipe.h"

#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "base/util.h"
#include "http/http.h"

bool sgh_pipe_init(struct sgh_pipe *pipe, size_t size)
{
	pipe->data = malloc(size);
	pipe->size = size;
	pthread_mutex_init(&pipe->state.lock, NULL);
	sgh_cond_init(&pipe->state.changed);
	return pipe->data;
}

void sgh_pipe_fini(struct sgh_pipe *pipe)
{
	if (!pipe->size)
		return;
	pthread_cond_destroy(&pipe->state.changed);
	pthread_mutex_destroy(&pipe->state.lock);
	free(pipe->data);
}

static void change_locked(struct sgh_pipe *pipe)
{
	pthread_cond_signal(&pipe->state.changed);
}

static size_t end_locked(const struct sgh_pipe *pipe)
{
	return (pipe->state.at + pipe->state.fill) % pipe->size;
}

int64_t sgh_pipe_take(struct sgh_pipe *pipe, void *data, size_t size)
{
	int64_t taken;

	pthread_mutex_lock(&pipe->state.lock);
	size = sgh_min(size, pipe->state.fill);
	size = sgh_min(size, pipe->size - pipe->state.at);
	memcpy(data, pipe->data + pipe->state.at, size);
	pipe->state.at = (pipe->state.at + size) % pipe->size;
	pipe->state.fill -= size;
	taken = size || pipe->state.ended ? (int64_t)size : SGH_HTTP_PAUSE;
	pipe->state.paused = taken == SGH_HTTP_PAUSE;
	change_locked(pipe);
	pthread_mutex_unlock(&pipe->state.lock);
	return taken;
}

int sgh_pipe_give(struct sgh_pipe *pipe, const void *data, size_t length)
{
	const unsigned char *bytes = data;
	size_t first;
	int status = 0;

	pthread_mutex_lock(&pipe->state.lock);
	if (length > pipe->size - pipe->state.fill) {
		pipe->state.paused = true;
		status = SGH_HTTP_PAUSE;
	} else {
		first = sgh_min(length, pipe->size - end_locked(pipe));
		memcpy(pipe->data + end_locked(pipe), bytes, first);
		memcpy(pipe->data, bytes + first, length - first);
		pipe->state.fill += length;
		pipe->state.paused = false;
		change_locked(pipe);
	}
	pthread_mutex_unlock(&pipe->state.lock);
	return status;
}

void sgh_pipe_done(struct sgh_pipe *pipe)
{
	pthread_mutex_lock(&pipe->state.lock);
	pipe->state.done = true;
	change_locked(pipe);
	pthread_mutex_unlock(&pipe->state.lock);
}

size_t sgh_pipe_room(struct sgh_pipe *pipe, void **ret)
{
	size_t room = 0;

	pthread_mutex_lock(&pipe->state.lock);
	/* Halves, so that one is read into while the other is sent. */
	while (!pipe->state.done && pipe->state.fill > pipe->size / 2)
		pthread_cond_wait(&pipe->state.changed, &pipe->state.lock);
	if (!pipe->state.done) {
		*ret = pipe->data + end_locked(pipe);
		room = sgh_min(pipe->size - pipe->state.fill,
			       pipe->size - end_locked(pipe));
	}
	pthread_mutex_unlock(&pipe->state.lock);
	return room;
}

size_t sgh_pipe_bytes(struct sgh_pipe *pipe, const void **ret)
{
	size_t length;

	pthread_mutex_lock(&pipe->state.lock);
	while (!pipe->state.done && !pipe->state.fill)
		pthread_cond_wait(&pipe->state.changed, &pipe->state.lock);
	*ret = pipe->data + pipe->state.at;
	length = sgh_min(pipe->state.fill, pipe->size - pipe->state.at);
	pthread_mutex_unlock(&pipe->state.lock);
	return length;
}

/* Whether the other thread waits, and is to be woken now that there is reason to. */
static bool wake_locked(struct sgh_pipe *pipe, bool reason)
{
	bool wake = pipe->state.paused && reason;

	if (wake)
		pipe->state.paused = false;
	return wake;
}

bool sgh_pipe_filled(struct sgh_pipe *pipe, size_t length)
{
	bool wake;

	pthread_mutex_lock(&pipe->state.lock);
	pipe->state.fill += length;
	wake = wake_locked(pipe, true);
	pthread_mutex_unlock(&pipe->state.lock);
	return wake;
}

bool sgh_pipe_emptied(struct sgh_pipe *pipe, size_t length)
{
	bool wake;

	pthread_mutex_lock(&pipe->state.lock);
	pipe->state.at = (pipe->state.at + length) % pipe->size;
	pipe->state.fill -= length;
	wake = wake_locked(pipe, pipe->state.fill <= pipe->size / 2);
	pthread_mutex_unlock(&pipe->state.lock);
	return wake;
}

bool sgh_pipe_end(struct sgh_pipe *pipe)
{
	bool wake;

	pthread_mutex_lock(&pipe->state.lock);
	pipe->state.ended = true;
	wake = wake_locked(pipe, true);
	pthread_mutex_unlock(&pipe->state.lock);
	return wake;
}

void sgh_pipe_wait(struct sgh_pipe *pipe)
{
	pthread_mutex_lock(&pipe->state.lock);
	while (!pipe->state.done)
		pthread_cond_wait(&pipe->state.changed, &pipe->state.lock);
	pthread_mutex_unlock(&pipe->state.lock);
}
