/* SPDX-License-Identifier: MIT */
#include "sink.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 100

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Files take what they are given; asking them first would cost each line a call. */
static bool may_block(struct sgh_sink *sink)
{
	struct stat info;

	if (!sink->known) {
		sink->file = fstat(sink->fd, &info) == 0 && S_ISREG(info.st_mode);
		sink->known = true;
	}
	return !sink->file;
}

/*
 * Whether the descriptor takes something by then: a pipe that nobody reads, a terminal that
 * was stopped would else keep everybody who has something to say. A line is no more than
 * what a pipe with room takes at once.
 */
static bool has_room(struct sgh_sink *sink, int64_t until)
{
	struct pollfd room = { .fd = sink->fd, .events = POLLOUT };
	int64_t left;
	int ready;

	if (!may_block(sink))
		return true;
	do {
		left = until - now_ms();
		ready = poll(&room, 1, left > 0 ? (int)left : 0);
	} while (ready < 0 && errno == EINTR && left > 0);
	return ready > 0;
}

/* False when not all was taken; what was begun is then a line without an end. */
static bool write_all(struct sgh_sink *sink, const char *text, size_t length)
{
	/* Who has just waited in vain need not wait for the next line, too. */
	int64_t until = sink->dropped ? 0 : now_ms() + PATIENCE_MS;
	size_t done = 0;

	while (done < length && has_room(sink, until)) {
		ssize_t n = write(sink->fd, text + done, length - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || (errno != EINTR && errno != EAGAIN) ||
			 now_ms() >= until)
			break;
	}
	if (done > 0)
		sink->cut = done < length;
	return done == length;
}

static bool write_line(struct sgh_sink *sink, const struct sangraha_log_event *event)
{
	/* Up to PIPE_BUF bytes, lines of several processes do not mix. */
	char line[PIPE_BUF];
	size_t length = 0;

	if (sink->cut)
		line[length++] = '\n';
	length += sangraha_log_json(event, line + length, sizeof(line) - length - 1);
	line[length++] = '\n';
	return write_all(sink, line, length);
}

/* Tell, before the line that is written again, how many were not. */
static bool report_dropped(struct sgh_sink *sink, const struct sangraha_log_event *event)
{
	char message[96];

	snprintf(message, sizeof(message), "%" PRIu64 " lines of the log were not taken",
		 sink->dropped);
	return write_line(sink, &(struct sangraha_log_event){
					.size = sizeof(struct sangraha_log_event),
					.level = SANGRAHA_LOG_WARN,
					.time_ms = event->time_ms,
					.duration_us = -1,
					.role = event->role,
					.event = "log_dropped",
					.message = message,
				});
}

void sgh_sink_write(void *arg, const struct sangraha_log_event *event)
{
	struct sgh_sink *sink = arg;

	pthread_mutex_lock(&sink->lock);
	if (sink->dropped && report_dropped(sink, event))
		sink->dropped = 0;
	if (sink->dropped || !write_line(sink, event))
		sink->dropped++;
	pthread_mutex_unlock(&sink->lock);
}
